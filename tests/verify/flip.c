/* SPDX-License-Identifier: Apache-2.0 */
/* flip [-n STEP] [-a FIRST] [-f] [-l LOG] [-k KEY]... [-v VKEY]... [-x FILE]... [-y AT:N] PATH
 *
 * Change one byte after another of everything under PATH (a directory, or one file), verify all
 * of it each time in this process, and see that the change is found and that what is found names
 * the file and a place at or before the byte. PATH is a copy made for this: it is written to.
 * -n, -a: every STEPth byte from FIRST on. -f: forward-secure. -x: leave this file out, or, as
 * FILE:N, its first N bytes; -y AT:N: leave N bytes of the one file out. Prints what was not found or not located, and exits 1 for any. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "verify/members.h"
#include "verify/report.h"

static struct cb_trust trust;
static struct cb_verify v = { .trust = &trust };
static const char *except[64];
static int excepts;
static uint64_t skip_from, skip_to;	/* of a single file */

/* What the last run said of the byte at hand. */
static struct {
	const char *file;
	uint64_t at;
	bool found, file_named, placed;
	char first[300];
} now;

static int on_finding(void *ctx, const struct cb_finding *f, struct cb_err *err)
{
	(void)ctx;
	(void)err;
	if (f->kind == CB_FOUND_NOTE)
		return 0;
	if (!now.found)
		snprintf(now.first, sizeof(now.first), "%s: %s (%s, byte %" PRId64 ")", f->code, f->text,
			 f->path ? f->path : "-", f->byte);
	now.found = true;
	if (f->path && strcmp(f->path, now.file) == 0) {
		now.file_named = true;
		now.placed |= f->byte >= 0 && (uint64_t)f->byte <= now.at;
	}
	return 0;
}

static int ignore(void *ctx, const char *name, int64_t byte, const char *text, struct cb_err *err)
{
	(void)ctx;
	(void)byte;
	(void)err;
	printf("# %s: %s\n", name, text);
	return 0;
}

static bool left_out(const char *name, uint64_t at)
{
	for (int i = 0; i < excepts; i++) {
		size_t n = strcspn(except[i], ":");

		if (strncmp(except[i], name, n) == 0 && !name[n] &&
		    (!except[i][n] || at < strtoull(except[i] + n + 1, NULL, 10)))
			return true;
		/* a whole directory */
		if (n && except[i][n - 1] == '/' && strncmp(except[i], name, n) == 0)
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	uint64_t step = 1, first = 0, tried = 0, missed = 0, unplaced = 0, placed = 0;
	struct cb_err err = CB_ERR_INIT;
	struct cb_members m = { .fd = -1 };
	struct cb_verified r;
	enum cb_verified_kind kind;
	bool one_file;
	struct stat st;
	int c;

	cb_trust_init(&trust);
	v.found = on_finding;
	while ((c = getopt(argc, argv, "n:a:fl:k:v:x:y:")) != -1) {
		int k = 0;

		switch (c) {
		case 'n': step = strtoull(optarg, NULL, 10); break;
		case 'a': first = strtoull(optarg, NULL, 10); break;
		case 'f': v.forward_secure = true; break;
		case 'l': v.log = optarg; break;
		case 'k': k = cb_trust_add_file(&trust, optarg, &err); break;
		case 'v': k = cb_trust_add_log(&trust, optarg, &err); break;
		case 'y':
			skip_from = strtoull(optarg, NULL, 10);
			skip_to = skip_from + strtoull(optarg + strcspn(optarg, ":") + 1, NULL, 10);
			break;
		case 'x': except[excepts++] = optarg; break;
		default: return 64;
		}
		if (k < 0) {
			fprintf(stderr, "flip: %s\n", err.msg);
			return 65;
		}
	}
	if (optind + 1 != argc || !step || stat(argv[optind], &st) < 0)
		return 64;
	one_file = !S_ISDIR(st.st_mode);
	if (cb_verify_kind(argv[optind], &kind, &err) < 0 ||
	    (!one_file && cb_members_open(&m, argv[optind], ignore, NULL, &err) < 0)) {
		fprintf(stderr, "flip: %s\n", err.msg);
		return 65;
	}
	now.file = "";
	if (cb_verify(&v, argv[optind], kind, &r, &err) < 0 || r.findings || r.unchecked) {
		fprintf(stderr, "flip: not true to begin with: %s%s\n", err.msg, now.first);
		return 65;
	}
	for (size_t i = 0; i < (one_file ? 1 : m.n); i++) {
		const char *name = one_file ? "" : m.v[i].name;
		uint64_t size = one_file ? (uint64_t)st.st_size : m.v[i].size;
		char path[4200];
		int fd;

		snprintf(path, sizeof(path), "%s%s%s", argv[optind], one_file ? "" : "/", name);
		fd = open(path, O_RDWR);
		if (fd < 0) {
			perror(path);
			return 66;
		}
		for (uint64_t at = first % step; at < size; at += step) {
			uint8_t was, is;

			if (left_out(name, at) || (one_file && at >= skip_from && at < skip_to))
				continue;
			if (pread(fd, &was, 1, (off_t)at) != 1)
				return 74;
			is = was ^ (uint8_t)(1u << (at / step) % 8);
			if (pwrite(fd, &is, 1, (off_t)at) != 1)
				return 74;
			now.file = name;
			now.at = at;
			now.found = now.file_named = now.placed = false;
			now.first[0] = '\0';
			err = (struct cb_err)CB_ERR_INIT;
			tried++;
			if (cb_verify(&v, argv[optind], kind, &r, &err) < 0) {
				now.found = true;
				now.file_named |= strstr(err.msg, name) || (strrchr(name, '/') && strstr(err.msg, strrchr(name, '/') + 1));
				snprintf(now.first, sizeof(now.first), "%.290s", err.msg);
			} else if (cb_verdict_code(&r) == CB_OK) {
				now.found = false;
			}
			if (pwrite(fd, &was, 1, (off_t)at) != 1)
				return 74;
			placed += now.placed;
			if (!now.found && missed++ < 10)
				printf("missed: %s byte %" PRIu64 ": %02x for %02x\n", name, at, is, was);
			else if (now.found && !now.file_named && !one_file && unplaced++ < 10)
				printf("not located: %s byte %" PRIu64 ": %s\n", name, at, now.first);
		}
		close(fd);
	}
	printf("%" PRIu64 " bytes changed, one at a time: %" PRIu64 " not found, %" PRIu64 " found without the file, %" PRIu64
	       " with a place in it\n", tried, missed, unplaced, placed);
	cb_members_close(&m);
	cb_trust_release(&trust);
	return missed || unplaced || !tried;
}
