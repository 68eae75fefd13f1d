/* SPDX-License-Identifier: Apache-2.0 */
/* lib/media: any bytes as a byte stream, as packets of NAL units, as extradata and as parameter
 * sets. What is turned into another form says the same there.
 * The first byte chooses: 1 H.265, 2 and 4 the bytes of a length, 8 the rest is extradata. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "media/annexb.h"
#include "media/paramsets.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void require(bool x)
{
	if (!x)
		abort();
}

/* What complete sets become as extradata is read back as the same. */
static void extradata(const struct cb_sets *s)
{
	struct cb_buf a = { 0 }, b = { 0 };
	struct cb_err err = CB_ERR_INIT;
	struct cb_sets back;
	int len = -1;

	cb_sets_init(&back, s->hevc);
	if (cb_sets_extradata(s, &a, 4, &err) == 0) {
		require(cb_sets_complete(s));
		require(cb_sets_load(&back, a.data, a.len, &len, &err) == 0 && len == 4);
		require(cb_sets_complete(&back));
		/* an avcC of a profile that is not high has no room for extensions */
		for (unsigned i = 0, k = 0; i < s->n; i++) {
			if (s->set[i].kind == 3 && k == back.n)
				break;
			require(k < back.n);
			require(back.set[k].kind == s->set[i].kind && back.set[k].id == s->set[i].id &&
				back.set[k].len == s->set[i].len &&
				memcmp(back.set[k].data, s->set[i].data, s->set[i].len) == 0);
			k++;
		}
		back.active = s->active;
		require(cb_sets_extradata(&back, &b, 4, &err) == 0);
		require(b.len == a.len && memcmp(a.data, b.data, a.len) == 0);
	}
	cb_sets_release(&back);
	cb_buf_release(&a);
	cb_buf_release(&b);
}

/* Every unit of a byte stream is in the packet made of it, in order. */
static void convert(const uint8_t *p, size_t n)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_buf out = { 0 };
	struct cb_nal u, v;
	size_t at = 0, pos = 0;
	bool stray = false;

	require(cb_annexb_convert(&out, p, n, &stray, &err) == 0);
	while (cb_annexb_next(p, n, &at, &u)) {
		require(u.n > 0 && u.p >= p && u.p + u.n <= p + n);
		require(!u.stray || stray);
		require(cb_nal_next(out.data, out.len, 4, &pos, &v) == 1);
		require(v.n == u.n && memcmp(u.p, v.p, u.n) == 0);
	}
	require(cb_nal_next(out.data, out.len, 4, &pos, &v) == 0);
	cb_buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_sets s;
	struct cb_sps sps;
	struct cb_nal u;
	size_t at = 0;
	int len, r;
	uint8_t how;

	if (n < 1)
		return 0;
	how = *p++;
	n--;
	cb_sets_init(&s, how & 1);
	if (how & 8) {
		len = -1;
		if (cb_sets_load(&s, p, n, &len, &err) == 0)
			require(len >= 0 && len <= 4);
		extradata(&s);
	}
	convert(p, n);
	while (cb_annexb_next(p, n, &at, &u)) {
		uint64_t before = s.version;

		r = cb_sets_unit(&s, u.p, u.n, &err);
		require(r == 0 || r == 1);
		require((s.version != before) == (r == 1));
		require(!r || cb_sets_is_set(how & 1, u.p, u.n));
		if (cb_sps_parse(&sps, how & 1, u.p, u.n))
			require(sps.width > 0 && sps.height > 0);
	}
	cb_sets_sps(&s, &sps);
	extradata(&s);
	at = 0;
	len = 1 + (how >> 1 & 3);
	while ((r = cb_nal_next(p, n, len, &at, &u)) == 1)
		require(u.p >= p && u.p + u.n <= p + n);
	cb_sets_release(&s);
	return 0;
}
