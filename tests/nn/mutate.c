/* SPDX-License-Identifier: Apache-2.0 */
/* Damaged models, thousands of them: cfgs, weights and models in one file, changed at random and
 * loaded. Each must be refused with one clear line or load, and then give numbers; nothing may
 * crash, hang, or ask for more memory than lib/nn says.
 *
 *   nn-mutate [-n CASES] [-s SEED] [-c CASE] [-m BYTES] FILE...
 *
 * FILEs are cfgs, for which weights are made here, and .cbm. A case depends on seed, number and
 * FILEs only; -c runs one of them, -m sets another bound on memory. Exits 1 where one went wrong, and names it. */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "nn/graph.h"
#include "nn/nn.h"
#include "nn/pack.h"

/* What lib/nn may have at a time: weights, activations and scratch memory; the archive's copy
 * of the weights was there before; and what oneDNN's own objects and code take. */
static size_t bound = CB_NN_BYTES_MAX + ((size_t)128 << 20);
#define VALUES_MAX 2000000	/* values of all layers of what is also run, */
#define WORK_MAX 100000000	/* and multiplications */
#define WEIGHTS_MAX 4000000	/* and, of what has weights made, numbers */
#define SECONDS 60		/* for one case, on any machine */

/* --- memory that is in use, and the most that was ---------------------------------------------------- */

#if defined(__SANITIZE_ADDRESS__)
static const bool counting = false;
static size_t live, peak;
#else
/* glibc's own; ours stand before them, for the libraries too */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t each);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);

static const bool counting = true;
static size_t live, peak;

static void *count(void *p)
{
	if (p) {
		size_t now = __atomic_add_fetch(&live, malloc_usable_size(p), __ATOMIC_RELAXED);

		if (now > peak)		/* one thread at a time works here */
			peak = now;
	}
	return p;
}
static void discount(void *p)
{
	if (p)
		__atomic_sub_fetch(&live, malloc_usable_size(p), __ATOMIC_RELAXED);
}
void *malloc(size_t n) { return count(__libc_malloc(n)); }
void *calloc(size_t n, size_t each) { return count(__libc_calloc(n, each)); }
void *memalign(size_t align, size_t n) { return count(__libc_memalign(align, n)); }
void *aligned_alloc(size_t align, size_t n) { return count(__libc_memalign(align, n)); }
int posix_memalign(void **ret, size_t align, size_t n)
{
	*ret = count(__libc_memalign(align, n));
	return *ret ? 0 : ENOMEM;
}
void *realloc(void *p, size_t n)
{
	size_t had = p ? malloc_usable_size(p) : 0;
	void *q = __libc_realloc(p, n);

	if (!q)
		return NULL;
	__atomic_sub_fetch(&live, had, __ATOMIC_RELAXED);
	return count(q);
}
void free(void *p)
{
	discount(p);
	__libc_free(p);
}
#endif

/* --- chance ------------------------------------------------------------------------------------------ */

static uint64_t state;

/* splitmix64 */
static uint64_t next(void)
{
	uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}
static size_t below(size_t n)
{
	return n ? (size_t)(next() % n) : 0;
}

/* --- cases ------------------------------------------------------------------------------------------- */

static unsigned long number;
static unsigned long opened, ran, refused_cases, bad;

__attribute__((format(printf, 1, 2)))
static void wrong(const char *fmt, ...)
{
	va_list ap;

	bad++;
	printf("case %lu: ", number);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static void died(int sig)
{
	char text[80];
	int n = snprintf(text, sizeof(text), "case %lu: signal %d\n", number, sig);

	if (write(STDOUT_FILENO, text, (size_t)n) < 0)
		_exit(3);
	_exit(2);
}

struct bytes {
	uint8_t *p;
	size_t n;
};

static struct bytes copy_of(const uint8_t *p, size_t n)
{
	struct bytes b = { malloc(n + 1), n };

	if (!b.p)
		abort();
	if (n)
		memcpy(b.p, p, n);
	b.p[n] = 0;
	return b;
}

/* The bytes at..at+cut become the n bytes at p. */
static void splice(struct bytes *b, size_t at, size_t cut, const void *p, size_t n)
{
	uint8_t *q = malloc(b->n - cut + n + 1);

	if (!q)
		abort();
	memcpy(q, b->p, at);
	if (n)
		memcpy(q + at, p, n);
	memcpy(q + at + n, b->p + at + cut, b->n - at - cut);
	free(b->p);
	b->p = q;
	b->n += n - cut;
	q[b->n] = 0;
}

static void mutate_bytes(struct bytes *b)
{
	static const uint32_t numbers[] = { 0, 1, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f7fffff, 0x00000001,
					    0x80000000, 0xffffffff, 0x7fffffff, 0x3f800000, 1000, 65536 };
	uint8_t some[64];
	size_t at = below(b->n), n;

	switch (below(7)) {
	case 0:
		if (b->n)
			b->p[at] ^= (uint8_t)(1u << below(8));
		break;
	case 1:
		if (b->n)
			b->p[at] = (uint8_t)next();
		break;
	case 2:		/* cut */
		b->n = at;
		break;
	case 3:		/* take out */
		n = below(b->n - at < 64 ? b->n - at : 64);
		splice(b, at, n, NULL, 0);
		break;
	case 4:		/* put in */
		n = below(sizeof(some));
		for (size_t i = 0; i < n; i++)
			some[i] = (uint8_t)next();
		splice(b, at, 0, some, n);
		break;
	case 5:		/* a number */
		if (b->n >= 4)
			memcpy(b->p + (below(2) ? at / 4 * 4 : below(32)) % (b->n - 3),
			       &numbers[below(sizeof(numbers) / sizeof(numbers[0]))], 4);
		break;
	case 6:		/* the same again */
		n = below(b->n - at < 512 ? b->n - at : 512);
		{
			struct bytes part = copy_of(b->p + at, n);

			splice(b, below(b->n), 0, part.p, n);
			free(part.p);
		}
		break;
	}
}

static void line_at(const struct bytes *b, size_t at, size_t *ret_start, size_t *ret_n)
{
	size_t start = at, end = at;

	while (start && b->p[start - 1] != '\n')
		start--;
	while (end < b->n && b->p[end] != '\n')
		end++;
	*ret_start = start;
	*ret_n = end - start + (end < b->n);
}

static void mutate_text(struct bytes *b, const struct bytes *other)
{
	static const char *const values[] = { "0", "1", "-1", "2", "3", "7", "64", "65", "255", "1024", "16384",
		"16385", "65536", "2147483647", "-2147483648", "4294967296", "99999999999999999999", "1e9", "nan",
		"inf", "-0", ".5", "1e-30", "", "1,1", "-1,-2,-3", "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0", "leaky",
		"linear", "mish", "softmax" };
	static const char *const lines[] = { "[convolutional]\n", "[maxpool]\n", "[route]\nlayers=-1,-2\n", "[yolo]\n",
		"[shortcut]\nfrom=-2\n", "[upsample]\n", "[net]\n", "stride=2\n", "groups=3\n", "size=7\n", "pad=1\n",
		"batch_normalize=1\n", "[reorg]\n", "[avgpool]\n", "[connected]\noutput=9\n", "[softmax]\n", "filters=1000\n",
		"width=15000\n", "height=15000\n" };
	size_t at = below(b->n), start, n, from, m;

	switch (below(7)) {
	case 0:
	case 1:		/* another value */
		line_at(b, at, &start, &n);
		{
			const uint8_t *eq = memchr(b->p + start, '=', n);
			const char *v = values[below(sizeof(values) / sizeof(values[0]))];

			if (eq) {
				from = (size_t)(eq - b->p) + 1;
				splice(b, from, start + n - from - (b->p[start + n - 1] == '\n'), v, strlen(v));
			}
		}
		break;
	case 2:		/* a line less */
		line_at(b, at, &start, &n);
		splice(b, start, n, NULL, 0);
		break;
	case 3:		/* a line more */
		line_at(b, at, &start, &n);
		{
			const char *l = lines[below(sizeof(lines) / sizeof(lines[0]))];

			splice(b, start, 0, l, strlen(l));
		}
		break;
	case 4:		/* a section of another */
		line_at(b, at, &start, &n);
		if (other->n) {
			from = below(other->n);
			m = below(other->n - from < 300 ? other->n - from : 300);
			splice(b, start, 0, other->p + from, m);
		}
		break;
	default:
		mutate_bytes(b);
	}
}

/* A header's checksum, everywhere in an archive where there may be a header. */
static void mend(struct bytes *b)
{
	for (size_t at = 0; at + 512 <= b->n; at += 512) {
		unsigned sum = 8 * ' ';

		if (memcmp(b->p + at + 257, "ustar", 5))
			continue;
		for (size_t i = 0; i < 512; i++)
			sum += i < 148 || i >= 156 ? b->p[at + i] : 0;
		snprintf((char *)b->p + at + 148, 7, "%06o", sum);
	}
}

/* Weights for a cfg, if it is one and they are not too many. */
static struct bytes weights_for(const struct bytes *cfg)
{
	struct bytes b = { NULL, 0 };
	struct cb_nn_graph g;

	if (cb_nn_graph_parse(&g, (const char *)cfg->p, cfg->n, 0, 0, NULL) < 0)
		return copy_of((const uint8_t *)"", 0);
	if (g.weights <= WEIGHTS_MAX) {
		b.n = 20 + 4 * (size_t)g.weights;
		b.p = calloc(1, b.n + 1);
		if (!b.p)
			abort();
		b.p[4] = 2;
		for (size_t i = 0; i < g.weights; i++) {
			float v = .25f + (float)(i * 37 % 64) / 256;

			memcpy(b.p + 20 + 4 * i, &v, 4);
		}
	} else {
		b = copy_of((const uint8_t *)"", 0);
	}
	cb_nn_graph_release(&g);
	return b;
}

static bool small(const struct cb_pack *p)
{
	struct cb_nn_graph g;
	uint64_t values, work = 0;

	if (cb_nn_graph_parse(&g, (const char *)p->cfg.p, p->cfg.n, 0, 0, NULL) < 0)
		return true;
	values = (uint64_t)g.c * g.h * g.w;
	for (int i = 0; i < g.n; i++) {
		const struct cb_nn_layer *l = &g.layer[i];
		uint64_t n = (uint64_t)l->c * l->h * l->w;

		values += n;
		work += l->weights * l->h * l->w + n * (l->size > 1 ? l->size * l->size : 1);
	}
	cb_nn_graph_release(&g);
	return values < VALUES_MAX && work < WORK_MAX;
}

/* One clear line, of a status that says what is wrong. */
static void refused(const struct cb_err *err)
{
	size_t n = strlen(err->msg);

	refused_cases++;
	if (err->code != CB_E_DATA)
		wrong("status %d: %s", err->code, err->msg);
	if (!n || n > 400)
		wrong("a message of %zu bytes", n);
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)err->msg[i] < ' ' || err->msg[i] == 0x7f) {
			wrong("control characters in the message");
			break;
		}
	}
}

static void load(const struct cb_pack *p)
{
	struct cb_net_opts o = { .pack = p };
	struct cb_err err = CB_ERR_INIT;
	struct cb_net *net = NULL;
	struct cb_box box[64];
	size_t floats;

	if (cb_net_open(&net, "m", NULL, &o, &err) < 0) {
		refused(&err);
		return;
	}
	opened++;
	if (small(p)) {
		ran++;
		floats = (size_t)cb_net_channels(net) * cb_net_height(net) * cb_net_width(net);
		for (size_t i = 0; i < floats; i++)
			cb_net_input(net)[i] = (float)(i % 29) / 29;
		if (cb_net_run(net, &err) < 0)
			wrong("run: %s", err.msg);
		for (int i = cb_net_boxes(net, .05f, .4f, box, 64); i-- > 0;)
			if (!isfinite(box[i].x) || !isfinite(box[i].y) || !isfinite(box[i].w) ||
			    !isfinite(box[i].h) || !(box[i].score > 0 && box[i].score <= 1) ||
			    box[i].class_id < 0 || box[i].class_id >= cb_net_classes(net))
				wrong("a box that is none");
	}
	cb_net_free(net);
}

struct base {
	struct bytes file;
	struct bytes weights;
	struct cb_pack pack;	/* of an archive */
};

static struct cb_pack_part part(const struct bytes *b)
{
	return (struct cb_pack_part){ b->p, b->n };
}

static void one(const struct base *base, size_t n, uint64_t seed)
{
	const struct base *b, *other;
	struct bytes a, w = { NULL, 0 };
	struct cb_pack p = { .kind = CB_PACK_FLOAT, .isa = "any" };
	struct cb_err err = CB_ERR_INIT;
	size_t before, times;

	state = seed * 1000003 + number;
	b = &base[below(n)];
	for (int i = 0; i < 6 && !b->pack.kind; i++)	/* archives are fewer, and no less */
		b = &base[below(n)];
	other = &base[below(n)];
	times = 1 + below(below(4) ? 3 : 12);
	if (b->pack.kind && below(2)) {		/* the archive's bytes */
		a = copy_of(b->file.p, b->file.n);
		while (times--)
			mutate_bytes(&a);
		if (below(4))
			mend(&a);
		before = peak = live;
		if (cb_pack_parse(&p, a.p, a.n, &err) < 0)
			refused(&err);
		else
			load(&p);
	} else {
		bool of_text = b->pack.kind ? below(2) : below(4);

		a = b->pack.kind ? copy_of(b->pack.cfg.p, b->pack.cfg.n) : copy_of(b->file.p, b->file.n);
		w = b->pack.kind ? copy_of(b->pack.body.p, b->pack.body.n) : copy_of(b->weights.p, b->weights.n);
		if (b->pack.kind)
			p.kind = b->pack.kind;
		while (of_text && times--)
			mutate_text(&a, other->pack.kind ? &a : &other->file);
		while (!of_text && times--)
			mutate_bytes(&w);
		if (of_text && p.kind == CB_PACK_FLOAT && below(4)) {	/* so that it loads */
			free(w.p);
			w = weights_for(&a);
		}
		p.cfg = part(&a);
		p.body = part(&w);
		before = peak = live;
		load(&p);
	}
	if (counting && peak - before > bound)
		wrong("%zu bytes of memory", peak - before);
	free(a.p);
	free(w.p);
}

static void run(const struct base *base, size_t bases, unsigned long cases, unsigned long only, uint64_t seed)
{
	size_t most = 0;

	for (number = only ? only : 1; number <= (only ? only : cases); number++) {
		size_t before = live;

		alarm(SECONDS);
		one(base, bases, seed);
		if (peak > before && peak - before > most)
			most = peak - before;
	}
	printf("%lu cases: %lu refused, %lu loaded, %lu of them run; ", only ? 1 : cases, refused_cases, opened, ran);
	if (counting)
		printf("at most %zu KiB of memory; ", most >> 10);
	printf("%lu wrong\n", bad);
}

int main(int argc, char **argv)
{
	unsigned long cases = 1000, only = 0;
	struct cb_err err = CB_ERR_INIT;
	uint64_t seed = 1;
	size_t bases = 0;
	struct base *base;
	int c;

	while ((c = getopt(argc, argv, "n:s:c:m:")) > 0) {
		if (c == 'n')
			cases = strtoul(optarg, NULL, 10);
		else if (c == 's')
			seed = strtoull(optarg, NULL, 10);
		else if (c == 'm')
			bound = strtoull(optarg, NULL, 10);
		else if (c == 'c')
			only = strtoul(optarg, NULL, 10);
		else
			return 64;
	}
	base = calloc((size_t)argc, sizeof(*base));
	for (; optind < argc; optind++) {
		struct base *b = &base[bases++];

		if (cb_file_read(argv[optind], CB_PACK_BYTES_MAX, &b->file.p, &b->file.n, &err) < 0 ||
		    (cb_pack_is(b->file.p, b->file.n) &&
		     cb_pack_parse(&b->pack, b->file.p, b->file.n, &err) < 0)) {
			fprintf(stderr, "nn-mutate: %s: %s\n", argv[optind], err.msg);
			return 66;
		}
		if (!b->pack.kind)
			b->weights = weights_for(&b->file);
	}
	if (!bases)
		return 64;
	signal(SIGSEGV, died);
	signal(SIGBUS, died);
	signal(SIGFPE, died);
	signal(SIGILL, died);
	signal(SIGALRM, died);
	run(base, bases, cases, only, seed);
	while (bases--) {
		free(base[bases].file.p);
		free(base[bases].weights.p);
	}
	free(base);
	return bad ? 1 : fflush(stdout) ? 74 : 0;
}
