/* SPDX-License-Identifier: Apache-2.0 */
/* lib/export: archives byte for byte, and what may be in their names. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "export/bundle.h"
#include "export/case.h"
#include "tap.h"

static char dir[] = "/tmp/cb-export.XXXXXX";

static const char *in(const char *name)
{
	static char path[4][200];
	static int i;

	i = (i + 1) & 3;
	snprintf(path[i], sizeof(path[i]), "%s/%s", dir, name);
	return path[i];
}

static void archive(void)
{
	struct cb_bundle_opts o = { .path = in("a.tar"), .tar = true, .fd = -1, .top = "front-2026-11-21-070000",
				    .mtime_s = 1795244407 };
	struct cb_err err = CB_ERR_INIT;
	struct cb_bundle *b = NULL;
	uint8_t *p = NULL;
	unsigned sum = 0, said;
	size_t n;

	OK(cb_bundle_create(&b, &o, &err) == 0);
	OK(cb_bundle_put(b, "clip/x.mp4", "abc", 3, &err) == 0);
	OK(cb_bundle_put(b, "empty", "", 0, &err) == 0);
	OK(access(in("a.tar"), F_OK) < 0);
	OK(cb_bundle_commit(b, &err) == 0);
	cb_bundle_free(b);
	OK(access(in("a.tar.part"), F_OK) < 0);
	if (!OK(cb_file_read(in("a.tar"), 1 << 20, &p, &n, &err) == 0))
		return;
	OK_INT(n, 512 + 512 + 512 + 1024);
	OK_STR((char *)p, "clip/x.mp4");
	OK_STR((char *)p + 100, "0000640");
	OK_STR((char *)p + 124, "00000000003");
	OK_STR((char *)p + 136, "15300240567");
	OK(memcmp(p + 257, "ustar\0" "00", 8) == 0);
	OK_STR((char *)p + 345, "front-2026-11-21-070000");
	said = (unsigned)strtoul((char *)p + 148, NULL, 8);
	memset(p + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += p[i];
	OK_INT(sum, said);
	OK(memcmp(p + 512, "abc\0", 4) == 0);
	OK_STR((char *)p + 1024, "empty");
	free(p);

	/* what is there is left alone */
	OK(cb_bundle_create(&b, &o, &err) < 0 && err.code == CB_E_CANTCREAT);
	/* and something of the name that came in the meantime, too */
	o.path = in("b.tar");
	OK(cb_bundle_create(&b, &o, &err) == 0);
	OK(mkdir(in("b.tar"), 0700) == 0);
	err = (struct cb_err)CB_ERR_INIT;
	OK(cb_bundle_commit(b, &err) < 0 && err.code == CB_E_CANTCREAT);
	cb_bundle_free(b);
	OK(access(in("b.tar.part"), F_OK) < 0);
	/* more than eleven octal digits */
	o.path = in("c.tar");
	OK(cb_bundle_create(&b, &o, &err) == 0);
	OK(cb_bundle_begin(b, "x", UINT64_C(1) << 33, &err) < 0 && err.code == CB_E_USAGE);
	cb_bundle_free(b);
	OK(access(in("c.tar.part"), F_OK) < 0);
}

static void directory(void)
{
	struct cb_bundle_opts o = { .path = in("d///"), .fd = -1 };
	struct cb_err err = CB_ERR_INIT;
	struct cb_bundle *b = NULL;
	struct stat st;

	OK(cb_bundle_create(&b, &o, &err) == 0);
	OK(cb_bundle_put(b, "x/y", "abc", 3, &err) == 0);
	OK(cb_bundle_begin(b, "x/z", 2, &err) == 0);
	OK(cb_bundle_write(b, "abc", 3, &err) < 0 && err.code == CB_E_BUG);
	cb_bundle_free(b);
	OK(stat(in("d.part"), &st) < 0);
	OK(cb_bundle_create(&b, &o, &err) == 0);
	OK(cb_bundle_put(b, "x/y", "abc", 3, &err) == 0);
	OK(cb_bundle_commit(b, &err) == 0);
	cb_bundle_free(b);
	OK(stat(in("d/x/y"), &st) == 0 && st.st_size == 3);
	OK(cb_bundle_create(&b, &o, &err) < 0);
}

static void names(void)
{
	struct cb_clip_part p = { .seg = { .name = "075442-aa4d9c7ba453" } };
	char out[CB_BUNDLE_NAME];

	cb_case_name(out, CB_CASE_CLIP, &p);
	OK_STR(out, "clip/075442-aa4d9c7ba453.mp4");
	cb_case_name(out, CB_CASE_PROOF, &p);
	OK_STR(out, "proofs/075442-aa4d9c7ba453.tlog-proof");
	cb_case_signature(out, 0, "minisig");
	OK_STR(out, "SHA256SUMS.minisig");
	cb_case_signature(out, 15, "sig");
	OK_STR(out, "SHA256SUMS.16.sig");
}

int main(void)
{
	char command[100];

	if (!mkdtemp(dir))
		return 99;
	archive();
	directory();
	names();
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	OK(system(command) == 0);
	return done();
}
