/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a source for libavformat: descriptors read by us, addresses by its own client
 * with certificates checked, both ended by the stop flag or a deadline. Private to lib/media. */
#ifndef CB_MEDIA_AVIN_H
#define CB_MEDIA_AVIN_H

#include <stdbool.h>
#include <stdint.h>

#include <libavformat/avformat.h>

#include "media/avlog.h"
#include "wire/source.h"

struct cb_avin {
	enum cb_source_kind kind;
	const char *shown;	/* the source's name for messages */
	int fd;
	bool own, regular;
	uint64_t at, size;	/* position, size of a regular file */
	int64_t mtime_ns;
	int error;		/* errno of a read that failed */
	int64_t timeout_ns, deadline;	/* monotonic; 0: none */
	bool late;		/* the deadline passed */
	bool downgraded;	/* https:// was led to something else */
	bool denied;		/* the container wanted to open something else */
	AVIOContext *pb;
};

/* url carries credentials, if any. ca_file or NULL. */
int cb_avin_open(struct cb_avin *in, enum cb_source_kind kind, const char *source, const char *url,
		 const char *shown, const char *ca_file, int64_t timeout_ns,
		 struct cb_avlog *log, struct cb_err *err);
/* Give s our bytes, our interrupt and no right to open anything. */
void cb_avin_attach(struct cb_avin *in, AVFormatContext *s);
/* Is what was asked for over TLS still read over TLS? Nothing read may be used where not. */
bool cb_avin_secure(struct cb_avin *in);
/* A new deadline for what comes now. */
void cb_avin_patience(struct cb_avin *in);
void cb_avin_close(struct cb_avin *in);

/* What a failed call of libavformat means for this source. */
int cb_avin_error(const struct cb_avin *in, int averror, const struct cb_avlog *log,
		  struct cb_err *err);

#endif
