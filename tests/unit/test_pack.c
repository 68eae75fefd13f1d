/* SPDX-License-Identifier: Apache-2.0 */
/* lib/nn/pack: written and read again, each byte changed, cut at each length, unlike order. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "nn/pack.h"
#include "tap.h"

static struct cb_pack_part part(const char *s)
{
	return (struct cb_pack_part){ (const uint8_t *)s, strlen(s) };
}

static bool same(struct cb_pack_part a, struct cb_pack_part b)
{
	return a.n == b.n && !memcmp(a.p, b.p, a.n);
}

/* A member as the writer would make it, appended. */
static void member(struct cb_buf *b, const char *name, const char *text)
{
	uint8_t h[512] = { 0 };
	unsigned sum = 0;

	snprintf((char *)h, 100, "%s", name);
	memcpy(h + 100, "0000644\0" "0000000\0" "0000000", 23);
	snprintf((char *)h + 124, 12, "%011o", (unsigned)strlen(text) & 0xfffff);
	memcpy(h + 136, "00000000000", 11);
	memset(h + 148, ' ', 8);
	h[156] = '0';
	memcpy(h + 257, "ustar\0" "00", 8);
	memcpy(h + 329, "0000000\0" "0000000", 15);
	for (int i = 0; i < 512; i++)
		sum += h[i];
	snprintf((char *)h + 148, 7, "%06o", sum);
	cb_buf_add(b, h, sizeof h);
	cb_buf_str(b, text);
	while (b->len % 512)
		cb_buf_byte(b, 0);
}

static const char meta[] = "{\"cb-model\":1,\"kind\":\"float\",\"isa\":\"any\",\"names\":2}";

/* Does an archive of these members (name, text, ..., NULL) say what is expected? */
static void refused(const char *const *m, const char *expect)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_buf b = { 0 };
	struct cb_pack p;
	int r;

	for (; *m; m += 2)
		member(&b, m[0], m[1]);
	for (int i = 0; i < 1024; i++)
		cb_buf_byte(&b, 0);
	r = cb_pack_parse(&p, b.data, b.len, &err);
	if (!OK_NAMED(expect ? r < 0 && err.code == CB_E_DATA && strstr(err.msg, expect) : r == 0,
		      expect ? expect : "accepted"))
		NOTE("%s", err.msg);
	cb_buf_release(&b);
}

int main(void)
{
	char dir[] = "/tmp/cb-pack.XXXXXX", path[64];
	struct cb_err err = CB_ERR_INIT;
	struct cb_pack_source source = { .cfg = "", .weights = "", .names = "" }, got;
	struct cb_pack in = { .kind = CB_PACK_INT8, .isa = "avx512_core_vnni", .names = 2,
			      .cfg = part("[net]\n"), .name_list = part("cat\r\ndog\n\n"),
			      .body = part("eight bits") }, out;
	struct cb_buf b = { 0 };
	uint8_t *file, *copy;
	int silent = 0;
	size_t n;
	FILE *f;

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof path, "%s/x.cbm", dir);
	memset(source.cfg, 'a', 64);
	OK(cb_pack_meta(&b, &in, &source, "{\"pictures\":3}", &err) == 0);
	in.meta = (struct cb_pack_part){ b.data, b.len };
	OK(cb_pack_write(path, &in, false, &err) == 0);
	OK(cb_pack_read(&out, path, 100, &err) == 0);
	OK(out.kind == CB_PACK_INT8 && out.names == 2 && !strcmp(out.isa, "avx512_core_vnni"));
	OK(same(in.meta, out.meta) && same(in.cfg, out.cfg) && same(in.name_list, out.name_list) &&
	   same(in.body, out.body));
	cb_pack_source_get(&out, &got);
	OK(!strcmp(got.cfg, source.cfg) && !*got.weights && !*got.names);
	OK(strstr((const char *)out.meta.p, "\"calibration\":{\"pictures\":3}") != NULL);

	OK(cb_pack_write(path, &in, false, &err) < 0 && err.code == CB_E_CANTCREAT);
	OK(cb_pack_write(path, &in, true, &err) == 0);
	in.names = 3;	/* not used: model.json counts */
	in.name_list = part("cat\n");
	OK(cb_pack_write(path, &in, true, &err) < 0 && err.code == CB_E_DATA);
	OK(cb_pack_write("/nonexistent/x.cbm", &out, true, &err) < 0 && err.code == CB_E_CANTCREAT);

	/* what the writer refused to spoil is still there; every byte of it counts, but for those
	 * that the members' contents can have as they like */
	n = out.file_bytes;
	file = out.own[0];
	copy = malloc(n + 10240);
	for (size_t i = 0; i < n; i++) {
		struct cb_pack p;
		size_t at = i % 512;

		memcpy(copy, file, n);
		copy[i] ^= 0x20;
		if (cb_pack_parse(&p, copy, n, &err) == 0 &&
		    !(at < out.meta.n && copy + i - at == p.meta.p) &&
		    !(at < out.cfg.n && copy + i - at == p.cfg.p) &&
		    !(at < out.name_list.n && copy + i - at == p.name_list.p) &&
		    !(at < out.body.n && copy + i - at == p.body.p))
			silent++;
	}
	OK_INT(silent, 0);
	for (size_t i = 0; i < n; i++) {
		struct cb_pack p;
		uint8_t *exact = malloc(i ? i : 1);

		memcpy(exact, file, i);
		silent += cb_pack_parse(&p, exact, i, &err) == 0;
		free(exact);
	}
	OK_INT(silent, 0);
	memcpy(copy, file, n);
	memset(copy + n, 0, 10240);
	OK(cb_pack_parse(&in, copy, n + 19 * 512, &err) == 0);
	OK(cb_pack_parse(&in, copy, n + 1, &err) < 0);
	OK(cb_pack_parse(&in, copy, n + 10240, &err) < 0);
	copy[n + 512] = 'x';
	OK(cb_pack_parse(&in, copy, n + 1024, &err) < 0 && strstr(err.msg, "comes after"));
	free(copy);
	cb_pack_release(&out);
	cb_buf_release(&b);

	refused((const char *const[]){ "model.json", meta, "model.cfg", "c", "model.names", "a\nb",
				       "model.weights", "w", NULL }, NULL);
	refused((const char *const[]){ "model.json", meta, "model.cfg", "c", "model.names", "a\nb",
				       "model.int8", "w", NULL }, "says float, but there is model.int8");
	refused((const char *const[]){ "model.json", meta, "model.cfg", "c", "model.names", "a",
				       "model.weights", "w", NULL }, "has 1 names, not 2");
	refused((const char *const[]){ "model.cfg", "c", "model.json", meta, "model.names", "a\nb",
				       "model.weights", "w", NULL }, "model.cfg stands where model.json must");
	refused((const char *const[]){ "model.json", meta, "model.json", meta, "model.cfg", "c",
				       "model.names", "a\nb", "model.weights", "w", NULL },
		"model.json stands where model.cfg must");
	refused((const char *const[]){ "model.json", meta, "model.cfg", "c", "model.names", "a\nb",
				       "model.weights", "w", "model.int8", "w", NULL }, "comes after");
	refused((const char *const[]){ "model.json", meta, "model.cfg", "c", NULL }, "no model.names");
	refused((const char *const[]){ "../model.json", meta, NULL }, "../model.json: no member");
	refused((const char *const[]){ "model.json\33[2J", meta, NULL }, "model.json?[2J: no member");
	refused((const char *const[]){ "model.json", "[]", "model.cfg", "c", "model.names", "a\nb",
				       "model.weights", "w", NULL }, "not a description");
	refused((const char *const[]){ "model.json", "{\"cb-model\":2}", "model.cfg", "c", "model.names",
				       "a\nb", "model.weights", "w", NULL }, "later version");
	refused((const char *const[]){ "model.json", "{\"cb-model\":1,\"kind\":\"x\"}", "model.cfg", "c",
				       "model.names", "a\nb", "model.weights", "w", NULL }, "kind is neither");

	/* not an archive: the caller's, up to what he allows */
	f = fopen(path, "w");
	fputs("[net]\nwidth=1\n", f);
	fclose(f);
	OK(cb_pack_read(&out, path, 100, &err) == 0 && !out.kind && out.file_bytes == 14 &&
	   !memcmp(out.file, "[net]", 5));
	cb_pack_release(&out);
	OK(cb_pack_read(&out, path, 13, &err) < 0 && err.code == CB_E_DATA);
	OK(cb_pack_read(&out, "/dev/zero", 5000, &err) < 0 && err.code == CB_E_DATA);
	OK(cb_pack_read(&out, dir, 100, &err) < 0 && err.code == CB_E_NOINPUT);
	unlink(path);
	OK(cb_pack_read(&out, path, 100, &err) < 0 && err.code == CB_E_NOINPUT);
	OK(rmdir(dir) == 0);	/* no temporary file is left */
	OK_INT(cb_pack_count_names((const uint8_t *)"\n \r\n", 4), 0);
	OK_INT(cb_pack_count_names((const uint8_t *)"a\n\nb", 4), 3);
	return done();
}
