/* SPDX-License-Identifier: Apache-2.0 */
/* cb-ingest's arguments for the programs of libexec, there and back; how those say that they failed. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "live/backoff.h"
#include "live/helper.h"
#include "live/spec.h"
#include "tap.h"


static void test_spec(void)
{
	struct cb_spec s = CB_SPEC_INIT, t = CB_SPEC_INIT;
	char *argv[CB_SPEC_ARGS];
	struct cb_err err = CB_ERR_INIT;
	int n;

	s.source = "a=b c\n";
	OK_NAMED(cb_spec_argv(argv, &s, "cb-ingest", &err) == 0, "defaults");
	for (n = 0; argv[n]; n++)
		;
	OK_INT(n, 3);
	OK_STR(argv[0], "cb-ingest");
	OK_STR(argv[2], "source=a=b c\n");
	cb_spec_argv_free(argv);

	s = (struct cb_spec){ .source = "-", .camera = "front", .streams = "v", .credentials = "fd:4",
			      .ca_file = "", .pin = "00", .udp = true, .have_start = true, .realtime = true,
			      .quiet = true, .verbose = true, .start_ns = INT64_MIN, .duration_ns = INT64_MAX,
			      .timeout_ns = 1, .fps_num = UINT32_MAX, .fps_den = 1001, .status = 3 };
	OK_NAMED(cb_spec_argv(argv, &s, "x", &err) == 0, "everything");
	for (n = 1; argv[n]; n++)
		OK_NAMED(cb_spec_take(&t, argv[n], &err) == 0, argv[n]);
	OK_NAMED(t.udp && t.have_start && t.realtime && t.quiet && t.verbose, "flags");
	OK_NAMED(t.start_ns == INT64_MIN && t.duration_ns == INT64_MAX && t.timeout_ns == 1, "times");
	OK_NAMED(t.fps_num == UINT32_MAX && t.fps_den == 1001 && t.status == 3, "numbers");
	OK_NAMED(!strcmp(t.source, "-") && !strcmp(t.camera, "front") && !strcmp(t.streams, "v") &&
	   !strcmp(t.credentials, "fd:4") && !strcmp(t.ca_file, "") && !strcmp(t.pin, "00"), "texts");
	cb_spec_argv_free(argv);

	static const char *const bad[] = { "", "source", "cb=0.0.0", "cb=", "nothing=1", "udp=2", "udp=",
					   "fps-num=4294967296", "fps-num=-1", "status=x", "start-ns=1s" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		t = (struct cb_spec)CB_SPEC_INIT;
		err = (struct cb_err)CB_ERR_INIT;
		OK_NAMED(cb_spec_take(&t, bad[i], &err) < 0 && err.code == CB_E_USAGE, bad[i]);
	}
}

/* A worker made of a shell script in the place of a program of libexec. */
static struct cb_err worker(const char *script, const char *secret, const char *want)
{
	char dir[] = "/tmp/cb-test-live-XXXXXX", path[64], got[256] = "";
	struct cb_spec s = CB_SPEC_INIT;
	struct cb_err err = CB_ERR_INIT;
	struct cb_worker w;
	ssize_t n;
	FILE *f;

	if (!mkdtemp(dir))
		return err;
	snprintf(path, sizeof(path), "%s/cb-x", dir);
	f = fopen(path, "w");
	fprintf(f, "#!/bin/sh\n%s\n", script);
	fclose(f);
	chmod(path, 0755);
	setenv("CB_LIBEXEC", dir, 1);
	s.source = "rtsp://camera/";
	if (cb_worker_start(&w, "cb-x", &s, secret, &err) == 0) {
		size_t have = 0;

		while (have < sizeof(got) - 1 && (n = read(w.out, got + have, sizeof(got) - 1 - have)) > 0)
			have += (size_t)n;
		OK_STR(got, want);
		cb_worker_end(&w, INT64_C(300000000), &err);
		OK_NAMED(w.pid == 0 && w.out == -1 && w.status == -1, "it is gone");
	}
	unlink(path);
	rmdir(dir);
	return err;
}

static void test_worker(void)
{
	struct cb_err e;

	e = worker("echo $*", NULL, "cb=" CB_VERSION " status=3 source=rtsp://camera/\n");
	OK_NAMED(e.code == CB_OK, "a good end");
	e = worker("echo $*; cat <&4; ls /proc/self/fd | tr '\\n' ' '", "me:secret",
		   "cb=" CB_VERSION " credentials=fd:4 status=3 source=rtsp://camera/\nme:secret\n0 1 2 3 4 5 ");
	OK_NAMED(e.code == CB_OK, "a secret, and no other descriptor");
	e = worker("printf 'M\\0\\0\\0\\1\\0\\0\\0no: \\033[1m' >&3; exit 5", NULL, "");
	OK_NAMED(e.code == CB_E_PERM && e.sys == 1, "its status, not that of its exit");
	OK_STR(e.msg, "no: ?[1m");
	e = worker("printf 'M\\0\\0' >&3; exit 5", NULL, "");
	OK_NAMED(e.code == CB_E_UNAVAIL, "a message that is cut counts for nothing");
	e = worker("printf '\\1\\0\\0\\0\\0\\0\\0\\0x' >&3", NULL, "");
	OK_NAMED(e.code == CB_OK, "nor does one of an unknown status");
	e = worker("printf '\\101\\0\\0\\0\\0\\0\\0\\0a\\0b' >&3", NULL, "");
	OK_NAMED(e.code == CB_OK, "nor one with a NUL");
	e = worker("kill -SEGV $$", NULL, "");
	OK_STR(e.msg, "the worker was killed by signal 11");
	e = worker("exec >/dev/null; trap '' TERM; while :; do sleep 0.1; done", NULL, "");
	OK_STR(e.msg, "the worker did not answer any more and was killed");
	e = (struct cb_err)CB_ERR_INIT;
	setenv("CB_LIBEXEC", "/nowhere", 1);
	struct cb_spec s = CB_SPEC_INIT;
	struct cb_worker w;
	s.source = "x";
	OK_NAMED(cb_worker_start(&w, "cb-x", &s, NULL, &e) < 0 && e.code == CB_E_OS, "one that is not there");
	OK_NAMED(cb_helper_become("cb-x", &s, &e) < 0 && e.code == CB_E_OS, "nor to become");
}

static void test_backoff(void)
{
	static const int64_t want[] = { 100, 200, 400, 800, 1600, 3000, 3000, 3000 };
	struct cb_backoff b = { .first_ns = 100 };
	bool good = true, all = true;

	for (int i = 0; i < 8; i++) {
		int64_t least = INT64_MAX;

		OK_INT(cb_backoff_next_ns(&b, 0), want[i]);
		for (uint64_t c = 0; c < 4000; c++) {
			struct cb_backoff same = { .first_ns = 100, .failed = (unsigned)i };
			int64_t ns = cb_backoff_next_ns(&same, c * 7919);

			good &= ns <= want[i] && ns >= want[i] / 2;
			least = ns < least ? ns : least;
		}
		all &= least == want[i] / 2;
	}
	OK_NAMED(good, "shortened by up to half, and no more");
	OK_NAMED(all, "by half, too");
	b.failed = UINT32_MAX - 1;
	OK_INT(cb_backoff_next_ns(&b, 0), 3000);
	b = (struct cb_backoff){ 0 };
	OK_INT(cb_backoff_next_ns(&b, UINT64_MAX), 0);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	test_spec();
	test_worker();
	test_backoff();
	return done();
}
