/* SPDX-License-Identifier: Apache-2.0 */
/* The work of cb-deliver: from the spool to the sinks.
 *
 * One thread owns the spool: it hands notes to the lanes, a thread a sink, and writes down what
 * they report, everything that has come in one transaction. A lane delivers in order; while its
 * first note waits for another try nothing passes it, and no other lane notices.
 *
 * Pauses: the n-th in a row is first * 2^(n-1), at most `most`; of it a random part between half
 * and all is waited; a receiver that asks for more (Retry-After) gets it, up to a day. */
#ifndef CB_DELIVER_ENGINE_H
#define CB_DELIVER_ENGINE_H

#include "base/err.h"
#include "deliver/conf.h"
#include "deliver/spool.h"

/* What is said over the socket, a message each: from the one who puts CB_ENGINE_WAKE (look into
 * the spool; the end of the socket is the end); to it CB_ENGINE_SETTLED (something was written
 * down) and CB_ENGINE_TEXT with a text for people. */
#define CB_ENGINE_WAKE 'w'
#define CB_ENGINE_SETTLED 's'
#define CB_ENGINE_TEXT 't'
#define CB_ENGINE_FD 3			/* the socket in the helper (SOCK_SEQPACKET) */
#define CB_ENGINE_FD_CONF 4		/* the configuration */
#define CB_ENGINE_FD_OWNER 5		/* the spool's lock, held as long as the helper runs */

/* Until the socket ends. Attempts under way then get two seconds. */
int cb_engine_run(struct cb_spool *s, const struct cb_deliver_conf *conf, int sock, int out_fd,
		  struct cb_err *err);

/* The pause after so many failures in a row; random: any number. */
int64_t cb_engine_pause(const struct cb_outlet_conf *c, uint32_t fails, int64_t retry_after_ns,
			uint64_t random);

#endif
