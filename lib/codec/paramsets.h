/* SPDX-License-Identifier: Apache-2.0 */
/* Parameter sets of H.264 and H.265: kept by number as they come by, in packets or in
 * extradata, turned into avcC or hvcC, and read for what a STREAM frame wants to know.
 *
 * Everything comes from outside and is bounded: a set that cannot be read does not replace
 * one that could. */
#ifndef CB_CODEC_PARAMSETS_H
#define CB_CODEC_PARAMSETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define CB_SET_MAX 65535	/* bytes of one set: avcC and hvcC have 16 bits for it */

/* What a sequence parameter set says of the pictures. */
struct cb_sps {
	uint32_t id;
	uint32_t width, height;		/* shown */
	uint32_t sar_num, sar_den;	/* 0/x: unknown */
	uint32_t fr_num, fr_den;	/* frames a second, 0/x: unknown */
	uint32_t profile, level;
	uint8_t chroma, luma_bits, chroma_bits;
	bool fields;			/* pictures may be single fields (H.264) */
	int reorder;			/* pictures that may come before one shown earlier; -1: unknown */
	/* H.264: what comes before field_pic_flag in a slice header; H.265: for hvcC */
	uint8_t frame_num_bits;
	bool separate_planes;
	uint8_t ptl[12], sub_layers;
	bool nested;
	bool has_color;
	uint8_t full_range, primaries, trc, matrix;
};

struct cb_set {
	uint8_t kind;			/* 0 VPS, 1 SPS, 2 PPS, 3 SPS extension */
	uint16_t id;
	uint32_t len;
	uint8_t *data;
};

struct cb_sets {
	bool hevc;
	struct cb_set *set;		/* by kind, then number */
	unsigned n;
	uint64_t version;		/* goes up with every change */
	int active;			/* number of the SPS last referred to by a slice, or -1 */
};

/* All zero but hevc and active (-1): empty. */
void cb_sets_init(struct cb_sets *s, bool hevc);
void cb_sets_release(struct cb_sets *s);

/* Forget everything, then take all sets of extradata: avcC or hvcC (*ret_nal_length 1..4) or a
 * byte stream (0). CB_E_DATA: it is neither; what could be read is there. */
int cb_sets_load(struct cb_sets *s, const uint8_t *p, size_t n, int *ret_nal_length,
		 struct cb_err *err);

/* Look at one NAL unit of a packet. A parameter set is taken in: 1 where that changed
 * something, else 0. The first slice of a picture says which SPS is active. -1: no memory. */
int cb_sets_unit(struct cb_sets *s, const uint8_t *p, size_t n, struct cb_err *err);
/* Is this unit a parameter set, for decoders to be told? Is it a slice? */
bool cb_sets_is_set(bool hevc, const uint8_t *p, size_t n);
bool cb_sets_is_slice(bool hevc, const uint8_t *p, size_t n);

/* Are there enough of them to decode with? */
bool cb_sets_complete(const struct cb_sets *s);
/* The active SPS, else the first. false where there is none that can be read. */
bool cb_sets_sps(const struct cb_sets *s, struct cb_sps *ret);
/* Append avcC or hvcC. CB_E_DATA where the sets are not complete or do not fit. */
int cb_sets_extradata(const struct cb_sets *s, struct cb_buf *out, int nal_length,
		      struct cb_err *err);

/* Read an SPS NAL unit. false where it cannot be. */
bool cb_sps_parse(struct cb_sps *ret, bool hevc, const uint8_t *p, size_t n);

#endif
