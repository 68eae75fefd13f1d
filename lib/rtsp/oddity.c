/* SPDX-License-Identifier: Apache-2.0 */
/* Names of oddities. */
#include "rtsp/oddity.h"

static const struct {
	const char *name, *text;
} list[CB_ODD_COUNT] = {
#define CB_ODDITY_ROW(id, n, t) { n, t },
	CB_ODDITIES(CB_ODDITY_ROW)
#undef CB_ODDITY_ROW
};

const char *cb_oddity_name(enum cb_oddity o)
{
	return (unsigned)o < CB_ODD_COUNT ? list[o].name : "unknown";
}

const char *cb_oddity_text(enum cb_oddity o)
{
	return (unsigned)o < CB_ODD_COUNT ? list[o].text : "unknown";
}
