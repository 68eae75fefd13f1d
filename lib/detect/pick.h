/* SPDX-License-Identifier: Apache-2.0 */
/* Which packets of a stream are analysed, decided before decoding. */
#ifndef CB_DETECT_PICK_H
#define CB_DETECT_PICK_H

#include <stdbool.h>
#include <stdint.h>

enum cb_pick_mode { CB_PICK_EVERY, CB_PICK_FPS, CB_PICK_KEYFRAMES };

#define CB_PICK_SLOTS 32

struct cb_pick {
	enum cb_pick_mode mode;
	uint64_t every;			/* EVERY: 1.. */
	uint32_t fps_num, fps_den;	/* FPS: at most num pictures in den seconds */
	/* private; all zero to begin */
	uint64_t count;
	int64_t slot[CB_PICK_SLOTS];
	unsigned used;
};

/* Is this packet to be analysed? In coded order: EVERY takes the first and every Nth after
 * it, FPS the first that falls into each 1/N second of media time. t_us: its time of
 * presentation. */
bool cb_pick_packet(struct cb_pick *p, int64_t t_us, bool key);

#endif
