/* SPDX-License-Identifier: Apache-2.0 */
/* Runs Debian's libdarknet for cb-detect --backend darknet; nn/darknet.h says why in a process
 * of its own, nn/darknet_wire.h what is said. Not for people: everything comes through descriptors
 * that are open already.
 *
 *     cb-darknet [LIBRARY]
 *
 * Whoever started it has checked the cfg and the weights, and checks what is answered: the
 * library may end, crash or overwrite this process without harm to anybody. */
#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <darknet.h>

#include "base/err.h"
#include "base/io.h"
#include "base/num.h"
#include "crypto/hash.h"
#include "nn/darknet_wire.h"
#include "sandbox/sandbox.h"

#define LIBRARY "/usr/lib/darknet/libdarknet.so"
#define LIBRARY_BYTES (64u << 20)
#define DATA_BYTES ((rlim_t)6 << 30)

static network *(*dk_load)(char *, char *, int);
static void (*dk_batch)(network *, int);
static float *(*dk_predict)(network *, float *);
static detection *(*dk_boxes)(network *, int, int, float, float, int *, int, int *);
static void (*dk_free)(detection *, int);

struct found {
	float v[5];	/* centre x, y, w, h, score */
	uint32_t class_id;
};

static _Noreturn __attribute__((format(printf, 2, 3))) void fail(enum cb_errc code, const char *fmt, ...)
{
	uint8_t msg[CB_DK_MESSAGE_MAX];
	va_list ap;

	cb_put_le32(msg, CB_DK_MAGIC);
	cb_put_le32(msg + 4, CB_DK_FAIL);
	cb_put_le32(msg + 8, code);
	va_start(ap, fmt);
	vsnprintf((char *)msg + CB_DK_FAIL_BYTES, sizeof msg - CB_DK_FAIL_BYTES, fmt, ap);
	va_end(ap);
	send(CB_DK_FD_SOCKET, msg, CB_DK_FAIL_BYTES + strlen((char *)msg + CB_DK_FAIL_BYTES), MSG_NOSIGNAL);
	_exit(code);
}

static void get(uint8_t *msg, uint32_t kind, size_t bytes)
{
	ssize_t n;

	while ((n = recv(CB_DK_FD_SOCKET, msg, CB_DK_MESSAGE_MAX, MSG_TRUNC)) < 0 && errno == EINTR)
		;
	if (n <= 0)	/* nobody is there any more */
		_exit(0);
	if ((size_t)n != bytes || cb_le32(msg) != CB_DK_MAGIC || cb_le32(msg + 4) != kind)
		fail(CB_E_PROTOCOL, "the helper got no message that it knows");
}

static void put(const uint8_t *msg, size_t n)
{
	if (send(CB_DK_FD_SOCKET, msg, n, MSG_NOSIGNAL) != (ssize_t)n)
		_exit(CB_E_IO);
}

static void *symbol(void *so, const char *path, const char *name)
{
	void *p = dlsym(so, name);

	if (!p)
		fail(CB_E_UNAVAIL, "%.200s: no %s in it", path, name);
	return p;
}

static void open_library(const char *path, uint8_t digest[static CB_SHA256_LEN])
{
	void *so = dlopen(path, RTLD_NOW);
	struct cb_err err = CB_ERR_INIT;
	uint8_t *text;
	Dl_info info;
	size_t len;

	if (!so)
		fail(CB_E_UNAVAIL, "%.300s (Debian's package darknet)", dlerror());
	*(void **)&dk_load = symbol(so, path, "load_network");
	*(void **)&dk_batch = symbol(so, path, "set_batch_network");
	*(void **)&dk_predict = symbol(so, path, "network_predict");
	*(void **)&dk_boxes = symbol(so, path, "get_network_boxes");
	*(void **)&dk_free = symbol(so, path, "free_detections");
	if (!dladdr(*(void **)&dk_load, &info) || !info.dli_fname ||
	    cb_file_read(info.dli_fname, LIBRARY_BYTES, &text, &len, &err) < 0)
		fail(CB_E_UNAVAIL, "%.200s: %.200s", path, err.msg);
	cb_sha256(digest, text, len);
	free(text);
}

/* A total order, so that equal pictures give equal bytes. */
static int better(const void *p, const void *q)
{
	static const int order[] = { 1, 0, 2, 3 };
	const struct found *a = p, *b = q;

	if (a->v[4] != b->v[4])
		return a->v[4] > b->v[4] ? -1 : 1;
	if (a->class_id != b->class_id)
		return a->class_id < b->class_id ? -1 : 1;
	for (int i = 0; i < 4; i++)
		if (a->v[order[i]] != b->v[order[i]])
			return a->v[order[i]] < b->v[order[i]] ? -1 : 1;
	return 0;
}

/* All boxes above the threshold into the results, the best first. */
static uint32_t boxes(network *net, float threshold, uint8_t *results)
{
	/* what it made the room for; a region layer does not say it of each box */
	int total = 0, classes = net->layers[net->n - 1].classes;
	detection *d = dk_boxes(net, net->w, net->h, threshold, .5f, NULL, 1, &total);
	struct found *f = NULL;
	size_t n = 0, cap = 0;

	for (int i = 0; i < total; i++) {
		for (int c = 0; c < classes; c++) {
			struct found v = { { d[i].bbox.x, d[i].bbox.y, d[i].bbox.w, d[i].bbox.h, d[i].prob[c] },
					   (uint32_t)c };

			if (!(d[i].objectness > 0) || !(v.v[4] > threshold) || !isfinite(v.v[0]) ||
			    !isfinite(v.v[1]) || !isfinite(v.v[2]) || !isfinite(v.v[3]) || !isfinite(v.v[4]))
				continue;
			if (n == cap) {
				cap = cap ? 2 * cap : 1024;
				f = realloc(f, cap * sizeof *f);
				if (!f)
					fail(CB_E_OS, "no memory for the boxes");
			}
			f[n++] = v;
		}
	}
	dk_free(d, total);
	if (n)
		qsort(f, n, sizeof *f, better);
	if (n > CB_DK_BOXES_MAX)
		n = CB_DK_BOXES_MAX;
	for (size_t i = 0; i < n; i++) {
		memcpy(results + i * CB_DK_BOX_BYTES, f[i].v, sizeof f[i].v);
		cb_put_le32(results + i * CB_DK_BOX_BYTES + sizeof f[i].v, f[i].class_id);
	}
	free(f);
	return (uint32_t)n;
}

int main(int argc, char **argv)
{
	static char cfg[] = "/proc/self/fd/4", weights[] = "/proc/self/fd/5";
	uint8_t msg[CB_DK_MESSAGE_MAX], digest[CB_SHA256_LEN], *shared, *results;
	const struct rlimit none = { 0, 0 }, data = { DATA_BYTES, DATA_BYTES };
	struct cb_err err = CB_ERR_INIT;
	uint32_t inputs, layers;
	struct stat st;
	network *net;

	if (fstat(CB_DK_FD_SOCKET, &st) < 0 || !S_ISSOCK(st.st_mode) || fstat(CB_DK_FD_SHARED, &st) < 0) {
		fputs("cb-darknet: cb-detect --backend darknet starts this, people do not\n", stderr);
		return CB_E_USAGE;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* it has nothing to write to files, and more memory than was foreseen is a mistake */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_FSIZE, &none);
#ifndef __SANITIZE_ADDRESS__	/* whose shadow of all memory counts */
	setrlimit(RLIMIT_DATA, &data);
#else
	(void)data;
#endif
	get(msg, CB_DK_LOAD, CB_DK_LOAD_BYTES);
	inputs = cb_le32(msg + 12);
	layers = cb_le32(msg + 16);
	if (cb_le32(msg + 8) != CB_DK_VERSION)
		fail(CB_E_PROTOCOL, "the helper is of another version");
	if ((uint64_t)st.st_size != (uint64_t)inputs * sizeof(float) + CB_DK_RESULT_BYTES ||
	    (uint64_t)layers * CB_DK_SHAPE_BYTES > CB_DK_RESULT_BYTES)
		fail(CB_E_PROTOCOL, "the helper got memory of another size");
	shared = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, CB_DK_FD_SHARED, 0);
	if (shared == MAP_FAILED)
		fail(CB_E_OS, "memory: %s", strerror(errno));
	results = shared + (size_t)inputs * sizeof(float);

	open_library(argc > 1 ? argv[1] : LIBRARY, digest);
	net = dk_load(cfg, weights, 0);
	if (!net || net->n < 1 || (uint32_t)net->n != layers || (uint32_t)net->inputs != inputs)
		fail(CB_E_DATA, "libdarknet makes another network of the cfg");
	dk_batch(net, 1);
	/* their memory goes when both sides have let go */
	close(CB_DK_FD_CFG);
	close(CB_DK_FD_WEIGHTS);
	for (int i = 0; i < net->n; i++) {
		const layer *l = &net->layers[i];
		uint8_t *s = results + (size_t)i * CB_DK_SHAPE_BYTES;

		cb_put_le32(s, (uint32_t)l->outputs);
		cb_put_le32(s + 4, (uint32_t)l->out_w);
		cb_put_le32(s + 8, (uint32_t)l->out_h);
		cb_put_le32(s + 12, (uint32_t)l->out_c);
	}
	cb_put_le32(msg, CB_DK_MAGIC);
	cb_put_le32(msg + 4, CB_DK_READY);
	cb_put_le32(msg + 8, layers);
	memcpy(msg + 12, digest, sizeof digest);
	fflush(NULL);
	/* what the library is, what it loaded and what it makes of it is there: pictures come now */
	if (cb_sandbox_enter(&(struct cb_sandbox){ .may = CB_MAY_THREAD, .memory = DATA_BYTES }, CB_SANDBOX_AUTO, NULL, &err) < 0)
		fail(err.code, "%s", err.msg);
	put(msg, CB_DK_READY_BYTES);

	for (;;) {
		float threshold;

		get(msg, CB_DK_RUN, CB_DK_RUN_BYTES);
		memcpy(&threshold, msg + 12, sizeof threshold);
		dk_predict(net, (float *)(void *)shared);
		cb_put_le32(msg + 4, CB_DK_BOXES);
		cb_put_le32(msg + 12, boxes(net, threshold, results));
		fflush(NULL);
		put(msg, CB_DK_BOXES_BYTES);
	}
}
