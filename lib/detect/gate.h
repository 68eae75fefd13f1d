/* SPDX-License-Identifier: Apache-2.0 */
/* Which pictures need not be looked at, because what was found in the last one still holds.
 *
 * A picture may be left to the last result where both are so: nothing moved since the picture
 * that was looked at last, by the small grey picture, block for block, and by lib/detect/motion;
 * and the model agrees with itself there: in several looks in a row it found the same, boxes in the
 * same places, and nothing whose score is near the threshold, from where noise alone could lift or
 * drop it. So that what noise does is seen all the same, a look is due after a second.
 *
 * Results come later than their pictures, by how many depends on the machine. So that the choice
 * does not, it is made from the results up to the CB_GATE_LAG-th picture before, and these must
 * have been told. Made by integer arithmetic from a small picture, it is the same everywhere. */
#ifndef CB_DETECT_GATE_H
#define CB_DETECT_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "detect/objects.h"

#define CB_GATE_LAG 6

struct cb_gate;
/* For small pictures of width x height, and objects reported from this score (1/10000). */
int cb_gate_new(struct cb_gate **ret, uint32_t width, uint32_t height, int32_t threshold, struct cb_err *err);
/* The least score of what the gate wants to be told of. */
int32_t cb_gate_floor(int32_t threshold);
/* The next picture, at t_us of stream time: must it be looked at? stirred: something says so. */
bool cb_gate_look(struct cb_gate *g, const uint8_t *gray, int64_t t_us, bool stirred);
/* What the next of the pictures that had to be looked at has shown, down to the floor, best
 * first. Before look is asked for the picture CB_GATE_LAG later. */
void cb_gate_tell(struct cb_gate *g, const struct cb_object *o, int n);
void cb_gate_free(struct cb_gate *g);

#endif
