/* SPDX-License-Identifier: Apache-2.0 */
/* Regions: parsing, point-in-polygon in integers, masks. */
#include "detect/region.h"

#include <math.h>
#include <string.h>

#include "base/num.h"

#define MILLION 1000000

int cb_region_parse(struct cb_region *ret, const char *text, struct cb_err *err)
{
	struct cb_region r = { 0 };
	int32_t v[CB_REGION_POINTS * 2];
	int n = 0;
	const char *p = text;

	for (;;) {
		size_t len = strcspn(p, ",");
		char num[32];
		double d;

		if (n == CB_REGION_POINTS * 2)
			return cb_err_set(err, CB_E_USAGE, "region '%s': more than %d points", text,
					  CB_REGION_POINTS);
		if (len >= sizeof num)
			return cb_err_set(err, CB_E_USAGE, "region '%s': a number is too long", text);
		memcpy(num, p, len);
		num[len] = 0;
		if (!cb_parse_double(num, 0, 1, &d))
			return cb_err_set(err, CB_E_USAGE, "region '%s': '%s' is not a number from 0 to 1",
					  text, num);
		v[n++] = (int32_t)lround(d * MILLION);
		if (!p[len])
			break;
		p += len + 1;
	}
	if (n == 4) {
		if (!v[2] || !v[3] || v[0] + v[2] > MILLION || v[1] + v[3] > MILLION)
			return cb_err_set(err, CB_E_USAGE, "region '%s': not a rectangle inside the picture", text);
		r = (struct cb_region){ 4, { v[0], v[0] + v[2], v[0] + v[2], v[0] },
			{ v[1], v[1], v[1] + v[3], v[1] + v[3] } };
	} else if (n >= 6 && n % 2 == 0) {
		r.n = n / 2;
		for (int i = 0; i < r.n; i++) {
			r.x[i] = v[2 * i];
			r.y[i] = v[2 * i + 1];
		}
	} else {
		return cb_err_set(err, CB_E_USAGE, "region '%s': not X,Y,W,H and not three or more points", text);
	}
	*ret = r;
	return 0;
}

static bool inside(const struct cb_region *r, int64_t x, int64_t y)
{
	bool in = false;

	for (int i = 0, j = r->n - 1; i < r->n; j = i++) {
		int64_t yi = r->y[i], yj = r->y[j], xi = r->x[i], xj = r->x[j], left, right;

		if ((yi > y) == (yj > y))
			continue;
		/* x < xi + (xj - xi) * (y - yi) / (yj - yi), multiplied out */
		left = (x - xi) * (yj - yi);
		right = (xj - xi) * (y - yi);
		if (yj > yi ? left < right : left > right)
			in = !in;
	}
	return in;
}

bool cb_regions_have(const struct cb_region *r, int n, int64_t x, int64_t y)
{
	for (int i = 0; i < n; i++)
		if (inside(&r[i], x, y))
			return true;
	return !n;
}

void cb_regions_mask(const struct cb_region *r, int n, uint32_t width, uint32_t height, uint8_t *out)
{
	for (uint32_t y = 0; y < height; y++)
		for (uint32_t x = 0; x < width; x++)
			out[(size_t)y * width + x] = cb_regions_have(r, n,
				(int64_t)(2 * x + 1) * MILLION / (2 * width),
				(int64_t)(2 * y + 1) * MILLION / (2 * height));
}

int cb_region_text(const struct cb_region *r, struct cb_buf *out)
{
	for (int i = 0; i < r->n; i++)
		if (cb_buf_printf(out, "%s%d.%06d,%d.%06d", i ? " " : "", r->x[i] / MILLION,
				  r->x[i] % MILLION, r->y[i] / MILLION, r->y[i] % MILLION) < 0)
			return -1;
	return 0;
}
