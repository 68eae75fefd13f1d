/* SPDX-License-Identifier: Apache-2.0 */
/* Start codes and lengths of NAL units. */
#include "codec/annexb.h"

#include <string.h>

#include "base/num.h"

/* The first start code at or after from, or n. Looking for its 01 is quickest: zeros are
 * frequent in coded video, and memchr is vectorised. */
static size_t find_start(const uint8_t *p, size_t n, size_t from)
{
	size_t i = from + 2;

	while (i < n) {
		const uint8_t *q = memchr(p + i, 1, n - i);

		if (!q)
			break;
		if (q[-1] == 0 && q[-2] == 0)
			return (size_t)(q - p) - 2;
		i = (size_t)(q - p) + 1;
	}
	return n;
}

static size_t trim(const uint8_t *p, size_t begin, size_t end)
{
	while (end > begin && p[end - 1] == 0)
		end--;
	return end;
}

bool cb_annexb_next(const uint8_t *p, size_t n, size_t *pos, struct cb_nal *ret)
{
	size_t at = *pos, begin, end;

	if (at == 0) {
		at = find_start(p, n, 0);
		end = trim(p, 0, at);
		if (end > 0) {
			*ret = (struct cb_nal){ p, end, true };
			*pos = at ? at : n;
			return true;
		}
	}
	while (at < n) {
		begin = at + 3;
		at = find_start(p, n, begin);
		end = trim(p, begin, at);
		if (end > begin) {
			*ret = (struct cb_nal){ p + begin, end - begin, false };
			*pos = at;
			return true;
		}
	}
	*pos = n;
	return false;
}

int cb_nal_next(const uint8_t *p, size_t n, int nal_length, size_t *pos, struct cb_nal *ret)
{
	size_t at = *pos, nl = (size_t)nal_length, len = 0;

	for (;;) {
		if (at >= n)
			return 0;
		if (n - at < nl) {
			*ret = (struct cb_nal){ p + at, 0, false };
			*pos = n;
			return -1;
		}
		len = 0;
		for (size_t i = 0; i < nl; i++)
			len = len << 8 | p[at + i];
		at += nl;
		if (len > n - at) {
			*ret = (struct cb_nal){ p + at, n - at, false };
			*pos = n;
			return -1;
		}
		if (len > 0)
			break;
	}
	*ret = (struct cb_nal){ p + at, len, false };
	*pos = at + len;
	return 1;
}

bool cb_annexb_is(const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] == 0)
		i++;
	return i >= 2 && i < n && p[i] == 1;
}

int cb_annexb_convert(struct cb_buf *out, const uint8_t *p, size_t n, bool *ret_stray,
		      struct cb_err *err)
{
	size_t pos = 0, was = out->len;
	bool stray = false;
	struct cb_nal u;

	/* most packets have few units: room for them all at once */
	if (cb_buf_reserve(out, n + 64) < 0)
		return cb_err_nomem(err);
	while (cb_annexb_next(p, n, &pos, &u)) {
		if (cb_buf_be32(out, (uint32_t)u.n) < 0 || cb_buf_add(out, u.p, u.n) < 0) {
			out->len = was;
			return cb_err_nomem(err);
		}
		stray |= u.stray;
	}
	*ret_stray = stray;
	return 0;
}
