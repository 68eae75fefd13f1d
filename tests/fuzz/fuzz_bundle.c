/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles in archives: any file is refused, or read within its bounds; without a key nothing is
 * true, and what is said of it is an event and a line of text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "verify/members.h"
#include "verify/report.h"
#include "wire/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct cb_json j;
static struct cb_buf line;
static unsigned findings;

static void want(bool good)
{
	if (!good)
		abort();
}

static void is_event(void)
{
	struct cb_event e;

	want(cb_event_parse(&e, &j, (const char *)line.data, line.len, NULL) == 0 && !memchr(line.data, '\n', line.len));
}

static int on_finding(void *ctx, const struct cb_finding *f, struct cb_err *err)
{
	(void)ctx;
	findings++;
	want(f->code && *f->code && f->text && *f->text);
	if (cb_report_finding(&line, findings, "x", f, err) < 0)
		return -1;
	is_event();
	if (cb_tell_finding(&line, "x", f, err) < 0)
		return -1;
	want(line.len && line.data[line.len - 1] == '\n' && memchr(line.data, '\n', line.len) == line.data + line.len - 1);
	return 0;
}

static int ignore(void *ctx, const char *name, int64_t byte, const char *text, struct cb_err *err)
{
	(void)ctx;
	(void)byte;
	(void)err;
	want(name && *text);
	return 0;
}

static void members(const char *path, size_t n)
{
	struct cb_members m;

	if (cb_members_open(&m, path, ignore, NULL, NULL) < 0)
		return;
	for (size_t i = 0; i < m.n; i++) {
		const struct cb_member *f = &m.v[i];

		want(*f->name && *f->name != '/' && !strstr(f->name, "/../") && strncmp(f->name, "../", 3) != 0 &&
		     !strstr(f->name, "//") && strlen(f->name) < CB_MEMBER_NAME);
		want(f->at <= n && f->size <= n - f->at && f->at % 512 == 0 && f->at >= 512);
		want(cb_members_find(&m, f->name) != NULL);
	}
	cb_members_close(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct cb_trust trust;
	struct cb_verify v = { .trust = &trust, .found = on_finding };
	struct cb_err err = CB_ERR_INIT;
	struct cb_verified r;
	char path[64];
	int fd = memfd_create("bundle", MFD_CLOEXEC);

	if (fd < 0 || cb_write_all(fd, p, n, NULL) < 0)
		abort();
	cb_trust_init(&trust);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	members(path, n);
	findings = 0;
	if (cb_verify(&v, path, CB_VERIFIED_BUNDLE, &r, &err) < 0)
		want(err.code && *err.msg);
	else
		want(r.findings || r.unchecked);
	if (cb_report_verdict(&line, 0, path, &r, err.code ? err.msg : NULL, NULL) == 0)
		is_event();
	cb_tell_verdict(&line, path, &r, NULL, NULL);
	cb_trust_release(&trust);
	close(fd);
	return 0;
}
