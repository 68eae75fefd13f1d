/* SPDX-License-Identifier: Apache-2.0 */
/* cb.detection events kept until the picture that they speak of is drawn: matched by
 * elementary stream and pts, and by the digest of the packet. */
#ifndef CB_DRAW_DETS_H
#define CB_DRAW_DETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/frame.h"
#include "wire/json.h"

#define CB_DETS_WAITING 16384			/* kept at most while a stream flows */
#define CB_DETS_BYTES_MAX ((size_t)1 << 30)	/* kept at most from a file */

/* A rectangle, 0..1 of the picture, origin top left. */
struct cb_area {
	float x, y, w, h;
};
struct cb_object {
	struct cb_area at;
	float score;
	char name[48];			/* cut at a character where it is longer */
};

struct cb_det {
	uint16_t stream;
	bool has_pts, has_digest;
	int64_t pts;
	uint8_t digest[32];		/* SHA-256 of the packet's data */
	double motion;			/* score, 0 where there is none */
	int n_objects, n_areas;
	struct cb_object *objects;
	struct cb_area *areas;		/* where something moved */
	uint64_t order;			/* in which they came */
};

/* Read one event line. 1: a detection, in *ret, to be freed by cb_det_free. 0: another type.
 * -1: CB_E_DATA: no event, or a detection whose fields are not those of cb-event(5). */
int cb_det_parse(struct cb_det **ret, struct cb_json *j, const char *line, size_t len,
		 struct cb_err *err);
void cb_det_free(struct cb_det *d);

/* All zero is an empty set. */
struct cb_dets {
	struct cb_det **v;
	struct cb_det *shown[CB_STREAMS_MAX];
	size_t n, cap, bytes;
	uint64_t order;
	bool sorted;			/* by cb_dets_sort: a whole file, searched by halves */
	uint64_t used, other_packet, dropped;	/* matched; same pts but another packet; never asked for */
};

/* Take over d, also on failure. An unsorted set forgets its oldest beyond CB_DETS_WAITING
 * unless whole is set; a whole one beyond CB_DETS_BYTES_MAX is CB_E_DATA. */
int cb_dets_add(struct cb_dets *s, struct cb_det *d, bool whole, struct cb_err *err);
void cb_dets_sort(struct cb_dets *s);
/* The latest detection of this packet, or NULL. digest NULL: do not compare packets.
 * It belongs to the set; in an unsorted set it lives until this stream's next one is found. */
const struct cb_det *cb_dets_find(struct cb_dets *s, uint16_t stream, int64_t pts,
				  const uint8_t *digest);
void cb_dets_release(struct cb_dets *s);

#endif
