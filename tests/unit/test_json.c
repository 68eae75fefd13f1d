/* SPDX-License-Identifier: Apache-2.0 */
/* lib/wire's JSON: what is accepted and refused, with the byte; look-ups; the writer. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tap.h"
#include "wire/json.h"

static struct cb_json j, j2;
static struct cb_err err;

/* An exact allocation, so that a sanitizer sees a look beyond the end. */
static int parse_n(struct cb_json *to, const char *s, size_t n)
{
	static char *p;
	int k;

	free(p);
	p = malloc(n ? n : 1);
	if (!p)
		abort();
	memcpy(p, s, n);
	err = (struct cb_err)CB_ERR_INIT;
	k = cb_json_parse(to, p, n, &err);
	if (k < 0 && (err.code != CB_E_DATA || to->n != 0))
		abort();
	return k;
}

static int parse(const char *s)
{
	return parse_n(&j, s, strlen(s));
}

static const char *const accepted[] = {
	"0", "-0", "1", "-1", "10", "123456789012345678901234567890", "0.0", "-0.5", "1.25", "1e5", "1E5",
	"1e+5", "1e-5", "0e0", "1.5e300", "1e400", "0.00000000000000000000000000000000001",
	"true", "false", "null", "\"\"", "\"a\"", "[]", "{}", " [] ", "\t\n\r [ ]\n",
	"[1]", "[1,2]", "[ 1 , 2 ]", "[[]]", "[{}]", "{\"a\":1}", "{ \"a\" : 1 }", "{\"a\":{\"a\":1}}",
	"{\"\":0}", "{\"a\":1,\"b\":1}", "{\"a\":1,\"A\":1}", "[\"a\",\"a\"]", "{\"a\":[{\"a\":1},{\"a\":1}]}",
	"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u0041\"", "\"\\u00e9\"", "\"\\uFfFf\"", "\"\\ud83d\\ude00\"",
	"\"\\uDBFF\\uDFFF\"", "\"\\u0001\"", "\"\x7f\"",
	"\"\xc2\x80\"", "\"\xdf\xbf\"", "\"\xe0\xa0\x80\"", "\"\xed\x9f\xbf\"", "\"\xee\x80\x80\"",
	"\"\xef\xbf\xbf\"", "\"\xef\xbf\xbe\"", "\"\xf0\x90\x80\x80\"", "\"\xf4\x8f\xbf\xbf\"", "\"\xef\xbb\xbf\"",
	"\"0123456789abcdef0123456789abcdef\"", "\"a\\nb\xc3\xa9\\u00e9\"",
	"[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", "{\"a\":\"b\\\"c\",\"d\":\"\\\\\"}",
	"[true,false,null,0,\"\",[],{}]", "[-1,-0.1,-1e-1]",
};

static const struct { const char *text; unsigned byte; } refused[] = {
	{ "", 0 }, { " ", 1 }, { "[", 1 }, { "]", 0 }, { "{", 1 }, { "}", 0 }, { "[1", 2 }, { "[1,", 3 },
	{ "[1,]", 3 }, { "[,1]", 1 }, { "[1,,2]", 3 }, { "[1 2]", 3 }, { "[1}", 2 }, { "{]", 1 },
	{ "{\"a\"", 4 }, { "{\"a\":", 5 }, { "{\"a\":1", 6 }, { "{\"a\":1,", 7 }, { "{\"a\":1,}", 7 },
	{ "{\"a\" 1}", 5 }, { "{\"a\",1}", 4 }, { "{a:1}", 1 }, { "{1:1}", 1 }, { "{\"a\":1 \"b\":2}", 7 },
	{ "{\"a\":1]", 6 }, { "{,}", 1 }, { "{null:1}", 1 }, { "{\"a\":}", 5 }, { "{\"a\"::1}", 5 },
	{ "[] []", 3 }, { "1 2", 2 }, { "truefalse", 4 }, { "[]x", 2 }, { "{}}", 2 }, { "[]]", 2 },
	{ "tru", 0 }, { "True", 0 }, { "TRUE", 0 }, { "nul", 0 }, { "nulll", 4 }, { "fals", 0 }, { "undefined", 0 },
	{ "NaN", 0 }, { "Infinity", 0 }, { "-Infinity", 0 }, { "inf", 0 },
	{ "01", 0 }, { "-01", 0 }, { "00", 0 }, { "+1", 0 }, { ".5", 0 }, { "-.5", 0 }, { "1.", 0 }, { "-", 0 },
	{ "--1", 0 }, { "1e", 0 }, { "1e+", 0 }, { "1.e5", 0 }, { "1e5.5", 3 }, { "0x10", 1 }, { "1_000", 1 },
	{ "1,000", 1 }, { "[-]", 1 }, { "[1.]", 1 }, { "[01]", 1 }, { "- 1", 0 }, { "1a", 1 }, { "12345678901a", 11 },
	{ "\"", 1 }, { "\"a", 2 }, { "'a'", 0 }, { "a", 0 }, { "\"a\"b\"", 3 }, { "\"\\", 1 }, { "\"\\\"", 3 },
	{ "\"\\a\"", 1 }, { "\"\\x41\"", 1 }, { "\"\\'\"", 1 }, { "\"\\u\"", 1 }, { "\"\\u12\"", 1 }, { "\"\\u123\"", 1 },
	{ "\"\\u123g\"", 1 }, { "\"\\U0041\"", 1 }, { "\"\\u 041\"", 1 }, { "\"\\u0000\"", 1 }, { "\"ab\\u0000\"", 3 },
	{ "\"\\ud800\"", 1 }, { "\"\\udc00\"", 1 }, { "\"\\ud800\\ud800\"", 1 }, { "\"\\ud800\\u0041\"", 1 },
	{ "\"\\ud83dx\"", 1 }, { "\"\\ud83d\\\"", 1 }, { "\"\\ude00\\ud83d\"", 1 }, { "\"\\ud83d\\ude0\"", 1 },
	{ "\"\n\"", 1 }, { "\"\t\"", 1 }, { "\"\x01\"", 1 }, { "\"\x1f\"", 1 }, { "\"abc\rdef\"", 4 },
	{ "\"\x80\"", 1 }, { "\"\xbf\"", 1 }, { "\"\xc0\x80\"", 1 }, { "\"\xc1\xbf\"", 1 }, { "\"\xc2\"", 1 },
	{ "\"\xc2 \"", 1 }, { "\"\xe0\x80\x80\"", 1 }, { "\"\xe0\x9f\xbf\"", 1 }, { "\"\xed\xa0\x80\"", 1 },
	{ "\"\xed\xbf\xbf\"", 1 }, { "\"\xe1\x80\"", 1 }, { "\"\xe1\"", 1 }, { "\"\xf0\x80\x80\x80\"", 1 },
	{ "\"\xf0\x8f\xbf\xbf\"", 1 }, { "\"\xf4\x90\x80\x80\"", 1 }, { "\"\xf5\x80\x80\x80\"", 1 },
	{ "\"\xf0\x90\x80\"", 1 }, { "\"\xff\"", 1 }, { "\"\xfe\"", 1 }, { "\xef\xbb\xbf{}", 0 }, { "[\xc2\xa0]", 1 },
	{ "\"0123456789abcde\xff\"", 16 }, { "\"0123456789abcdef0123456789abcde\x01\"", 32 },
	{ "[\f]", 1 }, { "[\v1]", 1 }, { "/**/1", 0 }, { "1//x", 1 }, { "[1,#\n2]", 3 },
	{ "{\"a\":1,\"a\":2}", 7 }, { "{\"a\":1,\"b\":2,\"a\":1}", 13 }, { "{\"\":1,\"\":1}", 6 },
	{ "{\"a\":1,\"\\u0061\":2}", 7 }, { "{\"\\u0061\":1,\"a\":2}", 12 }, { "[{\"x\":{\"k\":1,\"k\":1}}]", 13 },
	{ "{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":1}", 18 }, { "{\"a\\/b\":1,\"a/b\":1}", 10 },
	{ "{\"abcdefghijkl\":1,\"abcdefghijkl\":1}", 18 },
	{ "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", 16 }, { "{\"a\":[[[[[[[[[[[[[[[{\"b\":1}]]]]]]]]]]]]]]]}", 20 },
};

static void table(void)
{
	unsigned byte;

	for (size_t i = 0; i < sizeof(accepted) / sizeof(*accepted); i++)
		if (!OK_NAMED(parse(accepted[i]) == 0, accepted[i]))
			NOTE("%s", err.msg);
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		int k = parse(refused[i].text);

		if (!OK_NAMED(k < 0 && sscanf(err.msg, "byte %u:", &byte) == 1 && byte == refused[i].byte,
			      refused[i].text))
			NOTE("%s", k < 0 ? err.msg : "accepted");
	}
	OK(parse_n(&j, "\"a\0b\"", 5) < 0);
	OK(parse_n(&j, "[1]\0", 4) < 0);
	OK(parse_n(&j, "[1]x", 3) == 0);
}

/* Every cut of a text is refused, and every special byte found wherever it stands: what is
 * scanned by blocks has ends. */
static void places(void)
{
	static const char line[] = "{\"specversion\":\"1.0\",\"data\":{\"t_us\":1795251282000000,"
				   "\"x\":[0.1234,-1e5,true,null,\"\\u00e9\xc3\xa9\"]}}";
	char text[128];
	int bad = 0;

	OK(parse(line) == 0);
	for (size_t n = 0; n < sizeof(line) - 1; n++)
		bad += parse_n(&j, line, n) == 0;
	OK_INT(bad, 0);
	bad = 0;
	for (size_t n = 1; n < 80; n++)
		for (size_t at = 0; at < n; at++) {
			text[0] = '"';
			memset(text + 1, 'a', n);
			text[n + 1] = '"';
			text[1 + at] = '\x1f';
			bad += parse_n(&j, text, n + 2) == 0;
			text[1 + at] = '\xff';
			bad += parse_n(&j, text, n + 2) == 0;
			text[1 + at] = '"';
			bad += (parse_n(&j, text, n + 2) == 0);
			text[1 + at] = '\x20';
			bad += parse_n(&j, text, n + 2) != 0 || j.tok[0].end != n + 1 || j.tok[0].escaped;
			text[1 + at] = '\x7f';
			bad += parse_n(&j, text, n + 2) != 0;
			if (at + 1 < n) {
				memcpy(text + 1 + at, "\\n", 2);
				bad += parse_n(&j, text, n + 2) != 0 || !j.tok[0].escaped;
				memcpy(text + 1 + at, "\xc3\xa9", 2);
				bad += parse_n(&j, text, n + 2) != 0 || j.tok[0].escaped;
			}
		}
	OK_INT(bad, 0);
	bad = 0;
	for (size_t n = 1; n < 40; n++) {	/* digits by blocks, too */
		memset(text, '7', n);
		bad += parse_n(&j, text, n) != 0 || j.tok[0].end != n;
		for (const char *c = "/:;?@aA\x80\xff\xaf"; *c; c++) {
			text[n - 1] = *c;
			bad += parse_n(&j, text, n) == 0;
		}
	}
	OK_INT(bad, 0);
}

/* Objects of many keys: found by sorting, whatever the keys look like. */
static void keys(void)
{
	struct cb_buf b = { 0 };
	char want[32];
	int bad = 0;

	for (int n = 2; n <= 200; n += 1 + n / 8)
		for (int twin = 0; twin < n; twin += 1 + n / 16) {
			b.len = 0;
			cb_buf_str(&b, "{");
			for (int i = 0; i < n; i++)
				cb_buf_printf(&b, "%s\"key%d\":%d", i ? "," : "", i * 7919 % 1000, i);
			cb_buf_str(&b, "}");
			bad += parse_n(&j, (char *)b.data, b.len) != 0;
			b.len--;
			snprintf(want, sizeof(want), "byte %zu: key given twice", b.len + 1);
			cb_buf_printf(&b, ",\"%skey%d\":0}", "", twin * 7919 % 1000);
			bad += parse_n(&j, (char *)b.data, b.len) == 0 || strcmp(err.msg, want) != 0;
		}
	OK_INT(bad, 0);
	/* as many as fit, long common beginnings: n log n or it takes minutes */
	b.len = 0;
	cb_buf_str(&b, "{");
	for (int i = 0; i < 4095; i++)
		cb_buf_printf(&b, "%s\"%0200d\":0", i ? "," : "", i);
	cb_buf_str(&b, "}");
	for (int i = 0; i < 20; i++)
		bad += parse_n(&j, (char *)b.data, b.len) != 0;
	OK_INT(bad, 0);
	OK_INT(j.n, 8191);
	b.len--;
	cb_buf_str(&b, ",\"x\":0}");
	OK(parse_n(&j, (char *)b.data, b.len) < 0 && strstr(err.msg, "too many values"));
	b.len = 0;
	cb_buf_str(&b, "[0");
	for (int i = 0; i < 8190; i++)
		cb_buf_str(&b, ",0");
	cb_buf_str(&b, "]");
	OK(parse_n(&j, (char *)b.data, b.len) == 0 && j.n == CB_JSON_TOKENS);
	b.len--;
	cb_buf_str(&b, ",0]");
	OK(parse_n(&j, (char *)b.data, b.len) < 0 && strstr(err.msg, "too many values"));
	cb_buf_release(&b);
}

static bool number(const char *s, double *d, int64_t *i, bool *is_i)
{
	if (parse(s) < 0)
		return false;
	*is_i = cb_json_i64(&j, 0, i);
	return cb_json_double(&j, 0, d);
}

static void numbers(void)
{
	static const struct { const char *s; int64_t v; } whole[] = {
		{ "0", 0 }, { "-0", 0 }, { "1.0", 1 }, { "1e3", 1000 }, { "1.5e1", 15 }, { "100e-2", 1 },
		{ "9223372036854775807", INT64_MAX }, { "-9223372036854775807", -INT64_MAX },
		{ "0e999999999999", 0 }, { "9007199254740993", 9007199254740993 },
	};
	static const char *const not_whole[] = {
		"1.5", "1e-1", "9223372036854775808", "-9223372036854775808", "1e19", "1e999999999999",
		"10000000000000000000", "123456789012345678901234567890",
	};
	static const char *const doubles[] = {
		"0.1", "123456789.123456789", "1e22", "1e23", "8.5e-5", "2.2250738585072014e-308", "5e-324",
		"1.7976931348623157e308", "9007199254740993", "0.30000000000000004", "1e-400", "4.35", "1e15",
		"179769313486231580793728971405301e276",
		"2.47032822920623272088284396434110686182e-324",
		"0.500000000000000166533453693773481063544750213623046875",
	};
	int64_t i = 7;
	double d;
	bool is_i;

	for (size_t k = 0; k < sizeof(whole) / sizeof(*whole); k++)
		OK_NAMED(number(whole[k].s, &d, &i, &is_i) && is_i && i == whole[k].v, whole[k].s);
	for (size_t k = 0; k < sizeof(not_whole) / sizeof(*not_whole); k++) {
		parse(not_whole[k]);
		OK_NAMED(!cb_json_i64(&j, 0, &i), not_whole[k]);
	}
	for (size_t k = 0; k < sizeof(doubles) / sizeof(*doubles); k++)
		OK_NAMED(number(doubles[k], &d, &i, &is_i) && d == strtod(doubles[k], NULL), doubles[k]);
	OK(parse("1e309") == 0 && !cb_json_double(&j, 0, &d));
	OK(number("-0.0", &d, &i, &is_i) && d == 0 && signbit(d));
	OK(parse("\"1\"") == 0 && !cb_json_double(&j, 0, &d) && !cb_json_i64(&j, 0, &i));
	OK(!cb_json_double(&j, CB_JSON_NONE, &d) && !cb_json_i64(&j, 99, &i));
	/* a thousand digits that decide the last bit */
	char big[1100] = "0.500000000000000055511151231257827021181583404541015625";
	size_t n = strlen(big);
	memset(big + n, '0', 1000);
	big[n + 1000] = '\0';
	OK(number(big, &d, &i, &is_i) && d == 0.5);
	big[n + 999] = '1';
	OK(number(big, &d, &i, &is_i) && d == nextafter(0.5, 1));
}

static void look_ups(void)
{
	char s[64] = "kept";

	OK(parse("{\"a\":{\"b\":[10,{\"c\":\"x\\ny\\u00e9\\ud83d\\ude00\"}]},\"d.e\":1,\"\\u0061\\\"b\":2,\"\":3}") == 0);
	OK_INT(j.tok[0].size, 4);
	OK_INT(j.tok[0].next, j.n);
	OK(cb_json_get(&j, 0, "d.e") != CB_JSON_NONE && cb_json_get(&j, 0, "d") == CB_JSON_NONE);
	OK(cb_json_get(&j, 0, "a\"b") != CB_JSON_NONE && cb_json_get(&j, 0, "") != CB_JSON_NONE);
	OK(cb_json_get(&j, 1, "a") == CB_JSON_NONE && cb_json_get(&j, CB_JSON_NONE, "a") == CB_JSON_NONE);
	OK(cb_json_path(&j, 0, "a.b.0") != CB_JSON_NONE);
	OK(cb_json_path(&j, 0, "a.b.2") == CB_JSON_NONE && cb_json_path(&j, 0, "a.b.00") == CB_JSON_NONE);
	OK(cb_json_path(&j, 0, "a.b.-1") == CB_JSON_NONE && cb_json_path(&j, 0, "a.b.") == CB_JSON_NONE);
	OK(cb_json_path(&j, 0, "a.b.99999999999") == CB_JSON_NONE && cb_json_path(&j, 0, "d.e") == CB_JSON_NONE);
	OK(cb_json_path(&j, 0, "a.b.0.c") == CB_JSON_NONE);
	uint32_t t = cb_json_path(&j, 0, "a.b.1.c");
	OK(cb_json_eq(&j, t, "x\ny\xc3\xa9\xf0\x9f\x98\x80") && !cb_json_eq(&j, t, "x\ny\xc3\xa9") &&
	   !cb_json_eq(&j, t, "x\ny\xc3\xa9\xf0\x9f\x98\x80z"));
	OK(cb_json_str(&j, t, s, 9) < 0 && strcmp(s, "kept") == 0);
	OK(cb_json_str(&j, t, s, 10) == 0 && strcmp(s, "x\ny\xc3\xa9\xf0\x9f\x98\x80") == 0);
	OK(cb_json_str(&j, 0, s, sizeof(s)) < 0 && cb_json_str(&j, CB_JSON_NONE, s, sizeof(s)) < 0);
	OK(parse("\"abc\"") == 0 && cb_json_str(&j, 0, s, 3) < 0 && cb_json_str(&j, 0, s, 4) == 0);
	OK(!cb_json_eq(&j, 1, "abc") && cb_json_eq(&j, 0, "abc") && !cb_json_eq(&j, 0, "ab"));
}

static struct cb_buf out;

static const char *fixed(double v, int decimals)
{
	struct cb_jw w;

	out.len = 0;
	cb_jw_init(&w, &out);
	cb_jw_fixed(&w, v, decimals);
	cb_buf_byte(&out, 0);
	return (char *)out.data;
}

static const char *string(const char *s, size_t n)
{
	struct cb_jw w;

	out.len = 0;
	cb_jw_init(&w, &out);
	cb_jw_strn(&w, s, n);
	OK(parse_n(&j2, (char *)out.data, out.len) == 0);
	cb_buf_byte(&out, 0);
	return (char *)out.data;
}

static void writer(void)
{
	struct cb_jw w;
	char any[256 * 3];

	cb_jw_init(&w, &out);
	cb_jw_obj(&w);
	cb_jw_kstr(&w, "s", "x");
	cb_jw_key(&w, "a");
	cb_jw_arr(&w);
	cb_jw_i64(&w, INT64_MIN);
	cb_jw_u64(&w, UINT64_MAX);
	cb_jw_arr(&w);
	cb_jw_arr_end(&w);
	cb_jw_obj(&w);
	cb_jw_obj_end(&w);
	cb_jw_null(&w);
	cb_jw_arr_end(&w);
	cb_jw_ki64(&w, "i", -1);
	cb_jw_ku64(&w, "u", 0);
	cb_jw_kfixed(&w, "f", 0.12345, 4);
	cb_jw_kbool(&w, "t", true);
	cb_jw_kbool(&w, "g", false);
	cb_jw_key(&w, "r");
	cb_jw_raw(&w, "[1]", 3);
	cb_jw_key(&w, "k\"\n");
	cb_jw_str(&w, "");
	cb_jw_obj_end(&w);
	OK(cb_jw_done(&w, &err) == 0);
	OK(parse_n(&j2, (char *)out.data, out.len) == 0);
	cb_buf_byte(&out, 0);
	OK_STR((char *)out.data, "{\"s\":\"x\",\"a\":[-9223372036854775808,18446744073709551615,[],{},null],"
	       "\"i\":-1,\"u\":0,\"f\":0.1235,\"t\":true,\"g\":false,\"r\":[1],\"k\\\"\\n\":\"\"}");

	OK_STR(fixed(0, 4), "0");
	OK_STR(fixed(-0.0, 4), "0");
	OK_STR(fixed(0.5, 0), "1");
	OK_STR(fixed(-0.5, 0), "-1");
	OK_STR(fixed(0.25, 1), "0.3");
	OK_STR(fixed(-0.00001, 4), "0");
	OK_STR(fixed(1, 4), "1");
	OK_STR(fixed(0.99996, 4), "1");
	OK_STR(fixed(-1.99996, 4), "-2");
	OK_STR(fixed(0.1, 9), "0.1");
	OK_STR(fixed(0.0001, 4), "0.0001");
	OK_STR(fixed(123456789.125, 2), "123456789.13");
	OK_STR(fixed(0.49999999999999994, 0), "0");
	OK_STR(fixed(9007199254740991.5, 3), "9007199254740992");
	OK_STR(fixed(1e20, 3), "100000000000000000000");
	OK_STR(fixed(-1e20, 0), "-100000000000000000000");
	OK_INT(strlen(fixed(1.7976931348623157e308, 9)), 309);
	OK_STR(fixed(NAN, 4), "null");
	OK_STR(fixed(-INFINITY, 4), "null");

	OK_STR(string("a\"\\\b\f\n\r\t\x01\x7f/", 11), "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u007f/\"");
	OK_STR(string("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9), "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
	OK_STR(string("\xc2\x85\xe2\x80\xa8\xe2\x80\xae\xe2\x81\xa6\xd8\x9c\xe2\x80\x8f", 16),
	       "\"\\u0085\\u2028\\u202e\\u2066\\u061c\\u200f\"");
	OK_STR(string("a\xff\xc0\x80\xed\xa0\x80z\xe2\x82", 10),
	       "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\"");
	OK_STR(string("a\0b", 3), "\"a\xef\xbf\xbd" "b\"");
	for (int i = 0; i < 256; i++)
		memcpy(any + 3 * i, (char[]){ (char)i, 'x', (char)(255 - i) }, 3);
	string(any, sizeof(any));
	cb_buf_release(&out);
}

int main(void)
{
	table();
	places();
	keys();
	numbers();
	look_ups();
	writer();
	return done();
}
