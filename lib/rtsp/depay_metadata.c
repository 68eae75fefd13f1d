/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata (ONVIF streaming specification, 5.1.2.1): an XML document over as many packets as it
 * takes, the last one with the marker. */
#include <string.h>

#include "rtsp/depay-priv.h"

#define DOCUMENT_MAX (1u << 20)

static size_t trimmed(const uint8_t *p, size_t n)
{
	while (n && (p[n - 1] <= ' '))
		n--;
	return n;
}

static bool closed(const uint8_t *p, size_t n)
{
	n = trimmed(p, n);
	return n && p[n - 1] == '>';
}

/* The root that the specification names is closed: nothing can follow. */
static bool complete(const uint8_t *p, size_t n)
{
	static const char root[] = "MetadataStream>";
	size_t k = sizeof(root) - 1, at;

	n = trimmed(p, n);
	if (n < k + 2 || memcmp(p + n - k, root, k) != 0)
		return false;
	for (at = n - k; at > 0 && p[at - 1] != '<' && n - at < 64; at--)
		;
	return at > 0 && p[at] == '/';
}

static int finish(struct cb_depay *d, struct cb_err *err)
{
	const uint8_t *p = cb_depay_bytes(d);
	size_t n = cb_depay_have(d), at = 0;

	if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		at = 3;
	while (at < n && p[at] <= ' ')
		at++;
	if (n && (at == n || p[at] != '<' || !closed(p, n)))
		cb_odd(d->odd, CB_ODD_METADATA);
	d->au.flags |= CB_F_KEY;
	return cb_depay_done(d, err);
}

static int push(struct cb_depay *d, const struct cb_rtp_packet *p, struct cb_err *err)
{
	if (d->open && (p->lost || p->restart))
		cb_depay_damaged(d);
	if (d->open && p->ts != d->au.pts) {
		cb_odd(d->odd, CB_ODD_AU_NO_MARKER);
		if (finish(d, err) < 0)
			return -1;
	}
	d->lost += p->lost;
	d->restart |= p->restart;
	if (!p->len && !d->open)
		return 0;
	if (!d->open) {
		cb_depay_begin(d, p);
		/* what follows a loss may be the rest of a document */
		if ((p->lost || p->restart || !d->any) && p->len && p->payload[0] != '<' &&
		    p->payload[0] != 0xef && p->payload[0] > ' ')
			cb_depay_damaged(d);
	}
	d->any = true;
	if (cb_depay_add(d, p->payload, p->len, DOCUMENT_MAX, err) < 0)
		return -1;
	if (p->marker && !closed(cb_depay_bytes(d), cb_depay_have(d))) {
		cb_odd(d->odd, CB_ODD_AU_EARLY_MARKER);
		return d->au.flags & CB_F_CORRUPT ? finish(d, err) : 0;
	}
	if (p->marker || complete(cb_depay_bytes(d), cb_depay_have(d)))
		return finish(d, err);
	return 0;
}

static int flush(struct cb_depay *d, struct cb_err *err)
{
	if (!d->open)
		return 0;
	cb_depay_damaged(d);
	return finish(d, err);
}

static int open_metadata(struct cb_depay *d, struct cb_err *err)
{
	(void)err;
	d->ready = true;
	return 0;
}

const struct depay_format cb_depay_metadata = { open_metadata, push, flush, NULL, NULL };
