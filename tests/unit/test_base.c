/* SPDX-License-Identifier: Apache-2.0 */
/* lib/base: numbers, times, buffers, safe text; and SHA-256 against FIPS 180-4's examples. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "base/num.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "tap.h"

static void numbers(void)
{
	uint64_t u = 7;
	int64_t i = 7;
	uint32_t n, d;
	double f = 7;

	OK(cb_parse_u64("18446744073709551615", 0, UINT64_MAX, &u) && u == UINT64_MAX);
	OK(!cb_parse_u64("18446744073709551616", 0, UINT64_MAX, &u) && u == UINT64_MAX);
	OK(!cb_parse_u64("", 0, 9, &u) && !cb_parse_u64(" 1", 0, 9, &u) && !cb_parse_u64("1 ", 0, 9, &u));
	OK(!cb_parse_u64("-1", 0, 9, &u) && !cb_parse_u64("+1", 0, 9, &u) && !cb_parse_u64("0x1", 0, 9, &u));
	OK(!cb_parse_u64("10", 0, 9, &u) && !cb_parse_u64("1", 2, 9, &u));
	OK(cb_parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &i) && i == INT64_MIN);
	OK(!cb_parse_i64("9223372036854775808", INT64_MIN, INT64_MAX, &i));
	OK(cb_parse_double("0.5", 0, 1, &f) && f == 0.5);
	OK(!cb_parse_double("nan", 0, 1, &f) && !cb_parse_double("inf", 0, 1, &f) &&
	   !cb_parse_double("0x1", 0, 9, &f) && !cb_parse_double("1e999", 0, 9, &f) && f == 0.5);
	OK(cb_parse_rational("25", &n, &d) && n == 25 && d == 1);
	OK(cb_parse_rational("30000/1001", &n, &d) && n == 30000 && d == 1001);
	OK(cb_parse_rational("29.97", &n, &d) && n == 2997 && d == 100);
	OK(!cb_parse_rational("0", &n, &d) && !cb_parse_rational("1/0", &n, &d) &&
	   !cb_parse_rational("-1", &n, &d) && !cb_parse_rational("1/", &n, &d));
	OK(cb_parse_bytes("64k", &u) && u == 65536 && cb_parse_bytes("2G", &u) && u == 2ull << 30);
	OK(!cb_parse_bytes("1kb", &u) && !cb_parse_bytes("99999999999T", &u) && !cb_parse_bytes("k", &u));
	OK(cb_rescale(INT64_MAX, 3, 3) == INT64_MAX && cb_rescale(INT64_MIN + 1, 2, 1) == -INT64_MAX);
	OK(cb_rescale(1, 1, 2) == 1 && cb_rescale(-1, 1, 2) == -1 && cb_rescale(-10, 90000, 1000) == -900);
}

static void times(void)
{
	int64_t ns = 7;
	char t[CB_TIME_LEN], day[11], hms[7];

	cb_time_format_us(t, 1795247682123456);
	OK_STR(t, "2026-11-21T07:54:42.123456Z");
	cb_time_format_us(t, -1);
	OK_STR(t, "1969-12-31T23:59:59.999999Z");
	cb_time_format_day(day, INT64_C(1795247682123456789));
	cb_time_format_hms(hms, INT64_C(1795247682123456789));
	OK_STR(day, "2026-11-21");
	OK_STR(hms, "075442");
	OK(cb_parse_time("2026-11-21T07:54:42.123456789Z", &ns) && ns == INT64_C(1795247682123456789));
	OK(cb_parse_time("2026-11-21T08:54:42.5+01:00", &ns) && ns == INT64_C(1795247682500000000));
	OK(cb_parse_time("2026-11-21", &ns) && ns == INT64_C(1795219200000000000));
	OK(cb_parse_time("@1795247682.25", &ns) && ns == INT64_C(1795247682250000000));
	OK(cb_parse_time("2024-02-29", &ns) && !cb_parse_time("2026-02-29", &ns) &&
	   !cb_parse_time("2100-02-29", &ns) && !cb_parse_time("2026-04-31", &ns));
	OK(!cb_parse_time("2026-11-21T07:54:42", &ns) && !cb_parse_time("2026-11-21T25:00:00Z", &ns) &&
	   !cb_parse_time("2026-11-21T07:54:42Zx", &ns) && !cb_parse_time("", &ns) &&
	   !cb_parse_time("2026-13-01", &ns) && !cb_parse_time("@", &ns) &&
	   !cb_parse_time("2026-11-21T07:54:42.1234567891Z", &ns) &&
	   !cb_parse_time("9999-12-31T23:59:59Z", &ns));
	OK(cb_parse_time("now-1h", &ns) && cb_now_wall_ns() - ns >= 3600 * CB_NS_PER_S);
	OK(cb_parse_duration("90", &ns) && ns == 90 * CB_NS_PER_S);
	OK(cb_parse_duration("1.5", &ns) && ns == 1500000000);
	OK(cb_parse_duration("500ms", &ns) && ns == 500000000);
	OK(cb_parse_duration("1:30", &ns) && ns == 90 * CB_NS_PER_S);
	OK(cb_parse_duration("2:00:00.5", &ns) && ns == INT64_C(7200500000000));
	OK(cb_parse_duration("0.5m", &ns) && ns == 30 * CB_NS_PER_S);
	OK(!cb_parse_duration("", &ns) && !cb_parse_duration("-1", &ns) && !cb_parse_duration("1x", &ns) &&
	   !cb_parse_duration("1:60", &ns) && !cb_parse_duration("1:2:3:4", &ns) &&
	   !cb_parse_duration("99999999999999999999", &ns) && !cb_parse_duration("300000000000d", &ns));
}

static const char *safe(const char *s)
{
	static char out[64];

	cb_text_safe(out, sizeof(out), s, strlen(s), false);
	return out;
}

static void text(void)
{
	char small[4];

	OK_STR(safe("plain"), "plain");
	OK_STR(safe("a\033[31mb\nc\x7f"), "a?[31mb?c?");
	OK_STR(safe("\xc2\x9b" "31m"), "?31m");			/* C1 CSI */
	OK_STR(safe("\xe2\x80\xae" "gpj.exe"), "?gpj.exe");	/* right-to-left override */
	OK_STR(safe("\xff\xc0\x80\xed\xa0\x80"), "??????");	/* not UTF-8 */
	OK_STR(safe("Gr\xc3\xbc\xc3\x9f" "e"), "Gr\xc3\xbc\xc3\x9f" "e");
	OK(cb_text_safe(small, sizeof(small), "a\xc3\xbc\xc3\xbc", 5, false) == 3);	/* whole characters */
}

static void buffers(void)
{
	struct cb_buf b = { 0 };
	struct cb_err err = CB_ERR_INIT;

	OK(cb_buf_printf(&b, "%d-%s", 7, "x") == 0 && b.len == 3 && strcmp((char *)b.data, "7-x") == 0);
	OK(cb_buf_be32(&b, 0x01020304) == 0 && b.data[3] == 1 && b.data[6] == 4);
	cb_buf_drop(&b, 3);
	OK(b.len == 4 && cb_be32(b.data) == 0x01020304);
	OK(cb_buf_reserve(&b, CB_BUF_MAX) < 0 && b.len == 4);
	cb_buf_release(&b);
	OK(b.data == NULL && b.len == 0);
	cb_err_set(&err, CB_E_DATA, "short read");
	cb_err_prefix(&err, "frame %d", 881);
	OK_STR(err.msg, "frame 881: short read");
	OK(cb_err_set(NULL, CB_E_IO, "x") == -1 && cb_err_prefix(NULL, "y") == -1);
}

static void digests(void)
{
	uint8_t sum[CB_SHA256_LEN];
	char hex[CB_SHA256_HEX], id[CB_EVENT_ID_LEN], id2[CB_EVENT_ID_LEN];
	struct cb_sha256 h;
	char many[1000];

	memset(many, 'a', sizeof(many));
	cb_sha256(sum, "abc", 3);
	cb_hex(hex, sum, sizeof(sum));
	OK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	cb_sha256_init(&h);
	for (int i = 0; i < 1000; i++)
		cb_sha256_update(&h, many, sizeof(many));
	cb_sha256_final(&h, sum);
	cb_hex(hex, sum, sizeof(sum));
	OK_STR(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	cb_event_id(id, "cb.x", "front", NULL, 5, "run", 0);
	cb_event_id(id2, "cb.x", "front", NULL, 5, "run", 0);
	OK(strlen(id) == 32 && strcmp(id, id2) == 0);
	cb_event_id(id2, "cb.x", "front", NULL, 5, "run", 1);
	OK(strcmp(id, id2) != 0);
	cb_event_id(id2, "cb.xf", "ront", NULL, 5, "run", 0);
	OK(strcmp(id, id2) != 0);
}

/* This program is unit/test_base in the build directory. */
static void beside(void)
{
	struct cb_err err = CB_ERR_INIT;
	char *here = NULL, *up = NULL, *root = NULL;

	OK(cb_path_beside(&here, "x/y", &err) == 0 && strlen(here) > 9 &&
	   !strcmp(here + strlen(here) - 9, "/unit/x/y"));
	OK(cb_path_beside(&up, "../x/y", &err) == 0 && strlen(up) + 5 == strlen(here) &&
	   !strncmp(up, here, strlen(up) - 4) && !strcmp(up + strlen(up) - 4, "/x/y"));
	OK(cb_path_beside(&root, "../../../../../../../../../../../../../../../../../../../../../../x", &err) == 0);
	OK_STR(root, "/x");
	free(here);
	free(up);
	free(root);
}

int main(void)
{
	beside();
	numbers();
	times();
	text();
	buffers();
	digests();
	return done();
}
