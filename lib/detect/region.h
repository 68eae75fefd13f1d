/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the picture to watch: rectangles and polygons in normalised coordinates. */
#ifndef CB_DETECT_REGION_H
#define CB_DETECT_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define CB_REGIONS_MAX 32
#define CB_REGION_POINTS 32

struct cb_region {
	int n;
	int32_t x[CB_REGION_POINTS], y[CB_REGION_POINTS];	/* 1/1000000 */
};

/* "X,Y,W,H", or three to CB_REGION_POINTS points "X1,Y1,X2,Y2,X3,Y3,...", all 0..1. Errors:
 * CB_E_USAGE. */
int cb_region_parse(struct cb_region *ret, const char *text, struct cb_err *err);
/* Is the point (1/1000000) inside one of them? Without any region everything is. Even-odd. */
bool cb_regions_have(const struct cb_region *r, int n, int64_t x, int64_t y);
/* width * height bytes: 1 where a pixel's centre is inside. */
void cb_regions_mask(const struct cb_region *r, int n, uint32_t width, uint32_t height, uint8_t *out);
/* Append "x,y x,y ..." with six decimals, the same text for the same region. */
int cb_region_text(const struct cb_region *r, struct cb_buf *out);

#endif
