/* SPDX-License-Identifier: Apache-2.0 */
/* Brightness at full resolution, as it was decoded, a piece of a line at a time. */
#ifndef CB_MEDIA_LUMA_H
#define CB_MEDIA_LUMA_H

#include "media/decode.h"

/* The n samples from (x, y) to the right, all inside the picture, in 8 bits: luma, or green
 * where there is none; range as the stream has it. false for what has no such samples,
 * and for pictures that were decoded smaller. */
bool cb_luma_line(const struct cb_picture *p, uint32_t x, uint32_t y, uint32_t n, uint8_t *out);

#endif
