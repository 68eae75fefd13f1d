/* SPDX-License-Identifier: Apache-2.0 */
/* NAL units and parameter sets. The first byte chooses the codec and how the rest is read: as a
 * byte stream, as units behind lengths, or as extradata. A byte stream is walked beside a plain
 * search for start codes; what is converted has the same units behind lengths; and what avcC or
 * hvcC is made of the sets gives the same sets when it is read again. */
#include <stdlib.h>
#include <string.h>

#include "codec/annexb.h"
#include "codec/paramsets.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void must(bool x)
{
	if (!x)
		abort();
}

/* The next unit of a byte stream from *pos on, the plain way: NULL at the end. */
static const uint8_t *plain(const uint8_t *p, size_t n, size_t *pos, size_t *ret_n)
{
	for (size_t i = *pos; i + 3 <= n; i++) {
		size_t end;

		if (p[i] || p[i + 1] || p[i + 2] != 1)
			continue;
		for (end = i + 3; end < n; end++)
			if (end + 3 <= n && !p[end] && !p[end + 1] && p[end + 2] == 1)
				break;
		*pos = end;
		while (end > i + 3 && !p[end - 1])
			end--;
		*ret_n = end - i - 3;
		if (*ret_n)
			return p + i + 3;
		i = *pos - 1;
	}
	*pos = n;
	return NULL;
}

static void byte_stream(struct cb_sets *s, const uint8_t *p, size_t n)
{
	size_t pos = 0, mine = 0, len = 0, at = 0;
	struct cb_err err = CB_ERR_INIT;
	struct cb_nal u, v;
	struct cb_buf out = { 0 };
	bool stray = false, was_stray = false;
	const uint8_t *q;

	must(cb_annexb_convert(&out, p, n, &stray, &err) == 0);
	while (cb_annexb_next(p, n, &pos, &u)) {
		must(u.n > 0 && u.p >= p && u.p + u.n <= p + n);
		must(cb_nal_next(out.data, out.len, 4, &at, &v) == 1);
		must(v.n == u.n && memcmp(v.p, u.p, u.n) == 0);
		if (u.stray) {
			must(!was_stray && mine == 0);
			was_stray = true;
			continue;
		}
		q = plain(p, n, &mine, &len);
		must(q == u.p && len == u.n);
		must(cb_sets_unit(s, u.p, u.n, &err) >= 0);
	}
	must(!plain(p, n, &mine, &len));
	must(cb_nal_next(out.data, out.len, 4, &at, &v) == 0);
	must(stray == was_stray);
	cb_buf_release(&out);
}

static void lengths(struct cb_sets *s, const uint8_t *p, size_t n, int nal_length)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_nal u;
	size_t pos = 0;
	int r;

	while ((r = cb_nal_next(p, n, nal_length, &pos, &u)) > 0) {
		must(u.n > 0 && u.p >= p && u.p + u.n <= p + n && pos <= n);
		must(cb_sets_unit(s, u.p, u.n, &err) >= 0);
	}
	must(r == 0 || u.n <= n);
}

/* Does every set of a stand in b? */
static bool within(const struct cb_sets *a, const struct cb_sets *b)
{
	for (unsigned i = 0; i < a->n; i++) {
		unsigned k = 0;

		while (k < b->n && (b->set[k].kind != a->set[i].kind || b->set[k].id != a->set[i].id ||
				    b->set[k].len != a->set[i].len ||
				    memcmp(b->set[k].data, a->set[i].data, a->set[i].len) != 0))
			k++;
		if (k == b->n)
			return false;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_sps sps, again;
	struct cb_buf out = { 0 };
	struct cb_sets s, t;
	int nal_length = 0;
	bool hevc;

	if (n < 1 || n > 1 << 16)
		return 0;
	hevc = p[0] & 1;
	cb_sets_init(&s, hevc);
	switch (p[0] >> 1 & 3) {
	case 0:
		byte_stream(&s, p + 1, n - 1);
		break;
	case 1:
		lengths(&s, p + 1, n - 1, 1 + (p[0] >> 3 & 3));
		break;
	case 2:
		if (cb_sets_load(&s, p + 1, n - 1, &nal_length, &err) < 0)
			must(err.code == CB_E_DATA);
		must(nal_length >= 0 && nal_length <= 4);
		break;
	default:
		if (cb_sps_parse(&sps, hevc, p + 1, n - 1))
			must(sps.width > 0 && sps.height > 0);
	}
	if (cb_sets_sps(&s, &sps)) {
		must(sps.width > 0 && sps.height > 0 && sps.width <= 65535 && sps.height <= 65535);
		must(cb_sets_complete(&s) || s.n > 0);
	}
	if (cb_sets_extradata(&s, &out, 4, &err) == 0) {
		must(cb_sets_complete(&s) && out.len <= 1 << 20);
		cb_sets_init(&t, hevc);
		must(cb_sets_load(&t, out.data, out.len, &nal_length, &err) == 0 && nal_length == 4);
		must(within(&t, &s) && cb_sets_complete(&t));
		t.active = s.active;
		must(cb_sets_sps(&s, &sps) == cb_sets_sps(&t, &again));
		cb_sets_release(&t);
	} else {
		must(err.code == CB_E_DATA);
	}
	cb_buf_release(&out);
	cb_sets_release(&s);
	return 0;
}
