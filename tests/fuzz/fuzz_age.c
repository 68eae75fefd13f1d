/* SPDX-License-Identifier: Apache-2.0 */
/* age files: headers and armor of any bytes; a file that is understood is also decrypted as far
 * as it goes, with the identity of tests/agevec.py, which most of the seeds are for. And any bytes
 * looked at as cb-sign inspect does. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "crypto/age.h"
#include "sign/inspect.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void want(bool good)
{
	if (!good)
		abort();
}

static struct cb_age_ids *identity(void)
{
	/* sha256("the identity"), as tests/agevec.py writes it */
	static const char text[] = "AGE-SECRET-KEY-1MV2VYAJADWLTHRKA04DL78Z543J86GS3EUSKM5WHDMEHK4P3S3ESQD3F84\n";
	static struct cb_age_ids *ids;
	char path[64];
	int fd;

	if (ids)
		return ids;
	fd = memfd_create("id", 0);
	want(fd >= 0 && cb_write_all(fd, text, strlen(text), NULL) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	want(cb_age_ids_new(&ids, NULL) == 0 && cb_age_ids_file(ids, path, NULL, NULL) == 0);
	close(fd);
	return ids;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_age_info info;
	struct cb_buf b = { 0 }, text = { 0 };
	struct cb_jw w;
	uint8_t *copy;
	int in, out;

	if (cb_age_inspect(p, n, &info, &err) == 0) {
		want(info.x25519 + info.scrypt + info.other > 0 && (!info.scrypt || info.x25519 + info.other == 0));
		want(info.header_bytes <= CB_AGE_HEADER_MAX);
		for (const char *c = info.kinds; *c; c++)
			want(*c >= 32 && *c < 127);
		in = memfd_create("in", 0);
		out = open("/dev/null", O_WRONLY);
		want(in >= 0 && out >= 0 && cb_write_all(in, p, n, NULL) == 0 && lseek(in, 0, SEEK_SET) == 0);
		if (cb_age_decrypt_fd(identity(), NULL, in, out, &err) < 0)
			want(err.code == CB_E_DATA || err.code == CB_E_PERM);
		close(in);
		close(out);
	} else {
		want(err.code == CB_E_DATA);
	}
	copy = malloc(n + 1);
	want(copy != NULL);
	memcpy(copy, p, n);
	cb_jw_init(&w, &b);
	cb_jw_obj(&w);
	if (cb_inspect(copy, n, &w, &text, &err) < 0)
		want(err.code == CB_E_DATA);
	free(copy);
	cb_buf_release(&b);
	cb_buf_release(&text);
	return 0;
}
