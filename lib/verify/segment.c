/* SPDX-License-Identifier: Apache-2.0 */
/* Segments, hashed as they are read. */
#include "verify/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/stop.h"
#include "base/time.h"

#define BLOCK (256u << 10)	/* bytes read at a time: they stay in the CPU's second cache */

struct run {
	struct cb_verify_segment *s;
	struct cb_manifest m;
	uint8_t *buf;
	int fd;
	uint64_t size;
	struct cb_err *err;
};

__attribute__((format(printf, 3, 4)))
static int found(struct run *x, struct cb_finding *f, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return x->s->found(x->s->ctx, f, text, x->err);
}

static struct cb_finding at_fragment(const struct run *x, size_t i)
{
	const struct cb_fragment *f = &x->m.frag[i];
	struct cb_finding at = CB_FINDING_NONE;

	at.kind = CB_FOUND_FALSE;
	at.fragment = (int64_t)i;
	at.byte = (int64_t)f->offset;
	if (i) {
		at.from_ns = f->wall_ns;
		at.to_ns = f->wall_to_ns;
	}
	return at;
}

/* The digest of bytes of the file: 1, 0 where it ends before, -1. */
static int digest(struct run *x, uint64_t at, uint64_t n, uint8_t sum[static CB_SHA256_LEN])
{
	struct cb_sha256 h;
	ssize_t k;

	cb_sha256_init(&h);
	while (n) {
		k = pread(x->fd, x->buf, n < BLOCK ? (size_t)n : BLOCK, (off_t)at);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return cb_err_sys(x->err, CB_E_IO, errno, "%s: read", x->s->path);
		if (k == 0)
			return 0;
		cb_sha256_update(&h, x->buf, (size_t)k);
		x->s->bytes += (uint64_t)k;
		at += (uint64_t)k;
		n -= (uint64_t)k;
	}
	cb_sha256_final(&h, sum);
	return 1;
}

/* From a place on, is there nothing but zeros? A look at the first of it. */
static bool zeros(struct run *x, uint64_t at)
{
	ssize_t k = pread(x->fd, x->buf, BLOCK, (off_t)at);

	for (ssize_t i = 0; i < k; i++)
		if (x->buf[i])
			return false;
	return k > 0;
}

static int fragments(struct run *x, uint64_t *ret_wrong)
{
	uint8_t sum[CB_SHA256_LEN];

	for (size_t i = 0; i < x->m.n; i++) {
		const struct cb_fragment *f = &x->m.frag[i];
		struct cb_finding at = at_fragment(x, i);
		int k;

		if (cb_stop_wanted())
			return cb_err_set(x->err, CB_E_TEMP, "stopped");
		if (f->offset + f->length > x->size) {
			at.code = "segment-short";
			at.byte = (int64_t)x->size;
			++*ret_wrong;
			return found(x, &at, "the file ends in fragment %zu of %zu: the rest is missing", i, x->m.n - 1);
		}
		k = digest(x, f->offset, f->length, sum);
		if (k < 0)
			return -1;
		x->s->fragments += i > 0;
		if (k && memcmp(sum, f->sha256, sizeof(sum)) == 0)
			continue;
		at.code = "fragment-changed";
		++*ret_wrong;
		if (found(x, &at, zeros(x, f->offset) ? "%s %zu: zeros, and not the bytes that were recorded" :
			  "%s %zu: not the bytes that were recorded", i ? "fragment" : "init segment, line", i) < 0)
			return -1;
	}
	return 0;
}

int cb_verify_segment(struct cb_verify_segment *s, const char *manifest, size_t len, int fd,
		      struct cb_err *err)
{
	struct run x = { .s = s, .fd = fd, .err = err };
	struct cb_finding in_manifest = CB_FINDING_NONE, f = CB_FINDING_NONE;
	struct cb_err why = CB_ERR_INIT;
	uint64_t wrong = 0, end;
	struct stat st;
	int ret = -1, whole;

	in_manifest.kind = f.kind = CB_FOUND_FALSE;
	in_manifest.path = s->manifest_path;
	whole = cb_manifest_parse(&x.m, manifest, len, &why);
	x.buf = malloc(BLOCK);
	if (!x.buf) {
		cb_err_nomem(err);
		goto out;
	}
	if (fstat(fd, &st) < 0) {
		cb_err_sys(err, CB_E_IO, errno, "%s: stat", s->path);
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		f.code = "segment-missing";
		ret = found(&x, &f, "not a regular file");
		goto out;
	}
	x.size = (uint64_t)st.st_size;
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	/* no line yet: a recorder that is just beginning */
	if (whole < 0 && (s->sealed || x.m.n)) {
		in_manifest.code = "manifest-changed";
		in_manifest.byte = (int64_t)x.m.good;
		if (found(&x, &in_manifest, "%s; nothing vouches for what it says from there on", why.msg) < 0)
			goto out;
	} else if (whole == 0 && x.m.ended && !x.m.digest_ok) {
		in_manifest.code = "manifest-changed";
		if (found(&x, &in_manifest, "its digest is not that of its lines") < 0)
			goto out;
	} else if (s->sealed && !x.m.ended) {
		in_manifest.code = "manifest-changed";
		in_manifest.byte = (int64_t)x.m.good;
		if (found(&x, &in_manifest, "it has no end, and the segment is closed") < 0)
			goto out;
	} else if (x.m.ended && x.m.good != len) {
		in_manifest.code = "manifest-changed";
		in_manifest.byte = (int64_t)x.m.good;
		if (found(&x, &in_manifest, "it goes on behind its digest") < 0)
			goto out;
	} else if ((s->camera && strcmp(x.m.camera, s->camera) != 0) || (s->id && strcmp(x.m.id, s->id) != 0)) {
		in_manifest.code = "manifest-misplaced";
		if (found(&x, &in_manifest, "it is the manifest of camera %s, segment %s", x.m.camera, x.m.id) < 0)
			goto out;
	} else if (x.m.ended) {
		s->ended = true;
		memcpy(s->digest, x.m.digest, sizeof(s->digest));
	}
	if (!s->sealed) {
		f.kind = CB_FOUND_NOTE;
		f.code = "segment-open";
		if (found(&x, &f, "being recorded, or left by a recorder that was killed") < 0)
			goto out;
		f.kind = CB_FOUND_FALSE;
	}
	if (fragments(&x, &wrong) < 0)
		goto out;
	end = x.m.n ? x.m.frag[x.m.n - 1].offset + x.m.frag[x.m.n - 1].length : 0;
	if (whole == 0 && s->sealed && x.size > end) {
		f.code = "segment-longer";
		f.byte = (int64_t)end;
		if (found(&x, &f, "%s behind the last fragment: %" PRIu64 " bytes that were not recorded",
			  zeros(&x, end) ? "zeros" : "bytes", x.size - end) < 0)
			goto out;
	}
	ret = 0;
out:
	cb_manifest_release(&x.m);
	free(x.buf);
	return ret;
}
