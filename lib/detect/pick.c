/* SPDX-License-Identifier: Apache-2.0 */
/* Frame selection. */
#include "detect/pick.h"

bool cb_pick_packet(struct cb_pick *p, int64_t t_us, bool key)
{
	__int128 q, d;
	int64_t slot;

	switch (p->mode) {
	case CB_PICK_KEYFRAMES:
		return key;
	case CB_PICK_EVERY:
		return p->count++ % p->every == 0;
	case CB_PICK_FPS:
		break;
	}
	d = (__int128)p->fps_den * 1000000;
	q = (__int128)t_us * p->fps_num;
	slot = (int64_t)(q >= 0 ? q / d : -((-q + d - 1) / d));
	/* reordered pictures come back to a slot: remember the last ones */
	for (unsigned i = 0; i < CB_PICK_SLOTS && i < p->used; i++)
		if (p->slot[i] == slot)
			return false;
	p->slot[p->used++ % CB_PICK_SLOTS] = slot;
	if (p->used == 2 * CB_PICK_SLOTS)
		p->used = CB_PICK_SLOTS;
	return true;
}
