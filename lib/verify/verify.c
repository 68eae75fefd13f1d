/* SPDX-License-Identifier: Apache-2.0 */
/* What is what, and findings. */
#include "verify/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int cb_verify_found(const struct cb_verify *v, struct cb_verified *r, struct cb_finding *f,
		    struct cb_err *err, const char *fmt, ...)
{
	char text[700];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	f->text = text;
	r->findings += f->kind == CB_FOUND_FALSE;
	r->unchecked += f->kind == CB_FOUND_UNCHECKED;
	r->notes += f->kind == CB_FOUND_NOTE;
	return v->found(v->ctx, f, err);
}

static bool has(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool cb_verify_encrypted(int fd)
{
	char head[40] = "";

	return pread(fd, head, sizeof(head) - 1, 0) > 0 &&
	       (strncmp(head, "age-encryption.org/v1", 21) == 0 || strncmp(head, "-----BEGIN AGE ENCRYPTED FILE", 29) == 0);
}

static bool ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);

	return n > k && strcmp(s + n - k, suffix) == 0;
}

int cb_verify_kind(const char *path, enum cb_verified_kind *ret, struct cb_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char magic[5] = "";
	struct stat st;

	if (fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "open");
	if (fstat(fd, &st) < 0) {
		cb_err_sys(err, CB_E_IO, errno, "stat");
		close(fd);
		return -1;
	}
	if (S_ISDIR(st.st_mode)) {
		*ret = has(fd, "format") && has(fd, "cameras") ? CB_VERIFIED_STORE :
		       has(fd, "SHA256SUMS") || has(fd, "case.json") ? CB_VERIFIED_BUNDLE :
		       has(fd, "format") ? CB_VERIFIED_STORE : CB_VERIFIED_LOG;
		if (*ret == CB_VERIFIED_LOG && !has(fd, "checkpoint") && !has(fd, "tile") && !has(fd, "state")) {
			close(fd);
			return cb_err_set(err, CB_E_DATA, "neither a store, a log nor a bundle");
		}
	} else if (S_ISREG(st.st_mode)) {
		if (pread(fd, magic, sizeof(magic), 257) != sizeof(magic))
			magic[0] = '\0';
		*ret = ends(path, ".tlog-proof") ? CB_VERIFIED_PROOF :
		       memcmp(magic, "ustar", 5) == 0 ? CB_VERIFIED_BUNDLE : CB_VERIFIED_FILE;
	} else {
		close(fd);
		return cb_err_set(err, CB_E_DATA, "neither a directory nor a regular file");
	}
	close(fd);
	return 0;
}

int cb_verify(const struct cb_verify *v, const char *path, enum cb_verified_kind kind,
	      struct cb_verified *ret, struct cb_err *err)
{
	*ret = (struct cb_verified){ .kind = kind };
	switch (kind) {
	case CB_VERIFIED_LOG:
		return cb_verify_log(v, path, ret, err);
	case CB_VERIFIED_STORE:
		return cb_verify_store(v, path, ret, err);
	case CB_VERIFIED_BUNDLE:
		return cb_verify_bundle(v, path, ret, err);
	case CB_VERIFIED_FILE:
		return cb_verify_file(v, path, ret, err);
	case CB_VERIFIED_PROOF:
		break;
	}
	return cb_verify_proof(v, path, ret, err);
}
