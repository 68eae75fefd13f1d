/* SPDX-License-Identifier: Apache-2.0 */
/* lib/nn: what a cfg may say, weights that do not fit, thousands of damaged files, decoding
 * and suppression against darknet's own procedure, threads. */
#include <dirent.h>
#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nn/boxes.h"
#include "nn/nn.h"
#include "tap.h"

static char dir[] = "/tmp/cb-test-nn.XXXXXX";
static char cfg_path[64], w_path[64];
static uint64_t state = 1;

static uint32_t rnd(void)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33);
}
static float unit(void) { return (float)(rnd() >> 7) / (1 << 24); }

static void save(const char *path, const void *p, size_t n)
{
	FILE *f = fopen(path, "wb");

	if (!f || fwrite(p, 1, n, f) != n || fclose(f)) {
		perror(path);
		exit(1);
	}
}

/* One of everything. */
static const char all[] =
	"[net]\n# a comment\nbatch=1\nwidth = 32\nheight=32\r\nchannels=3\n\n"
	"[convolutional]\nbatch_normalize=1\nfilters=8\nsize=3\nstride=2\npad=1\nactivation=leaky\n"
	"[convolutional]\nfilters=8\nsize=3\ngroups=8\npad=1\nactivation=relu6 # why not\n"
	"[convolutional]\nfilters=8\nsize=1\nactivation=linear\n"
	"[dropout]\nprobability=.1\n"
	"[shortcut]\nfrom=-4\nactivation=linear\n"
	"[maxpool]\nsize=2\nstride=2\n"
	"[upsample]\nstride=2\n"
	"[route]\nlayers=-1,4\n"
	"[avgpool]\n"
	"[convolutional]\nfilters=16\nactivation=logistic\n"
	"[scale_channels]\nfrom=7\n"
	"[reorg]\nstride=2\n"
	"[route]\nlayers=-1\ngroups=2\ngroup_id=1\n"
	"[convolutional]\nfilters=21\nsize=1\nactivation=linear\n"
	"[yolo]\nmask=1,2,0\nanchors=4,5, 8,9, 16,17\nnum=3\nclasses=2\nscale_x_y=1.05\n"
	"[route]\nlayers=12\n"
	"[convolutional]\nfilters=14\nsize=1\nactivation=linear\n"
	"[region]\nanchors=1,1, 2,2\nnum=2\nclasses=2\nsoftmax=1\n";

/* Weights for a graph, version 0.2; the bytes' number. */
static size_t make_weights(const struct cb_nn_graph *g, uint8_t **ret)
{
	size_t n = 20 + (size_t)g->weights * 4, at = 20;
	uint8_t *w = calloc(1, n);

	w[4] = 2;
	for (int i = 0; i < g->n; i++) {
		const struct cb_nn_layer *l = &g->layer[i];

		for (uint64_t k = 0; k < l->weights; k++, at += 4) {
			/* variances must be positive: all of the normalisation is */
			float v = l->bn && k < 4 * (uint64_t)l->c ? .5f + unit() : unit() - .5f;

			memcpy(w + at, &v, 4);
		}
	}
	*ret = w;
	return n;
}

static bool parses(const char *text, const char *want)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_nn_graph g;
	int rc = cb_nn_graph_parse(&g, text, strlen(text), 0, 0, &err);

	if (!rc)
		cb_nn_graph_release(&g);
	if (rc ? !want || err.code != CB_E_DATA || !strstr(err.msg, want) : !!want)
		printf("# %s\n", rc ? err.msg : "parsed");
	return rc ? want && err.code == CB_E_DATA && strstr(err.msg, want) : !want;
}

#define NET "[net]\nwidth=64\nheight=64\nchannels=3\n"
#define CONV "[convolutional]\nfilters=8\nsize=3\npad=1\nactivation=leaky\n"

static void test_cfg(void)
{
	static const struct { const char *text, *error; } cases[] = {
		{ all, NULL },
		{ NET CONV, NULL },
		{ "", "not a darknet cfg" },
		{ "width=1\n", "line 1: an option before any section" },
		{ CONV, "line 1: [convolutional]: the first section must be [net]" },
		{ NET, "no layers" },
		{ "[net]\nwidth=64\nheight=64\n[dropout]\n", "line 1: [net]: no channels=" },
		{ "[net]\nwidth=64\nheight=x\nchannels=3\n" CONV, "line 3: [net]: height=x: not a number" },
		{ "[net]\nwidth=99999999999999999999\nheight=1\nchannels=3\n" CONV, "line 2: [net]" },
		{ "[net]\nwidth=16384\nheight=16384\nchannels=3\n" CONV, "too large" },
		{ NET "[convolutional]\nfilters=0\n", "line 6: [convolutional]: filters=0" },
		{ NET "[convolutional]\nfilters=-8\n", "filters=-8" },
		{ NET "[convolutional]\nfilters=8\nsize=3\ngroups=2\n", "line 8: [convolutional]: groups=2" },
		{ NET "[convolutional]\nfilters=8\nactivation=softer\n", "activation=softer is not supported" },
		{ NET "[activation]\nactivation=normalize_channels\n", "activation=normalize_channels is not supported" },
		{ NET "[convolutional]\nfilters=8\nxnor=1\n", "line 7: [convolutional]: xnor=1 is not supported" },
		{ NET "[convolutional]\nfilters=8\nsize=64\nstride=1\nsize=1\nactivation=linear\n" CONV, NULL },
		{ NET "[convolutional]\nfilters 8\n", "line 6: [convolutional]: not key=value" },
		{ NET "[convolutional]\n=8\n", "not key=value" },
		{ NET "[convolutional\nfilters=8\n", "line 5: [...]: not a section name" },
		{ NET "[local]\n", "line 5: [local]: no such layer type" },
		{ NET "[gru]\noutput=8\n", "[gru]" },
		{ NET "[crop]\ncrop_width=65\n", "crop_width=65" },
		{ NET CONV "[convolutional]\nfilters=8\nsize=3\nshare_index=0\n", "no convolution of this size" },
		{ NET CONV "[convolutional]\nfilters=8\nshare_index=1\n", "share_index=1: no such layer" },
		{ NET CONV "[dropout]\n[convolutional]\nfilters=8\nshare_index=1\n", "no convolution of this" },
		{ NET CONV "[convolutional]\nfilters=8\nsize=3\npad=1\nantialiasing=3\n", "antialiasing=3" },
		{ NET CONV "[maxpool]\nsize=2\nstride=2\nantialiasing=1\n[route]\nlayers=1\n", "antialiasing" },
		{ NET CONV "[maxpool]\nsize=64\nstride=1\npadding=0\nantialiasing=2\n", "1x1 is too small" },
		{ NET CONV "[maxpool]\nmaxpool_depth=1\nout_channels=9\n", "out_channels=9" },
		{ NET CONV "[convolutional]\nfilters=4\n[sam]\nfrom=0\n", "cannot scale" },
		{ NET CONV "[route]\nlayers=-2\n", "line 11: [route]: layers=-2: no such layer" },
		{ NET CONV "[route]\nlayers=1\n", "no such layer" },
		{ NET CONV "[route]\nlayers=\n", "empty" },
		{ NET CONV "[route]\n", "no layers=" },
		{ NET CONV "[route]\nlayers=0,,0\n", "entry 2" },
		{ NET CONV "[maxpool]\nsize=2\nstride=2\n[route]\nlayers=0,1\n", "layer 0 is 64x64, layer 1 is 32x32" },
		{ NET CONV "[route]\nlayers=0\ngroups=3\n", "groups=3 does not divide" },
		{ NET CONV "[route]\nlayers=0\ngroups=2\ngroup_id=2\n", "group_id=2" },
		{ NET CONV "[shortcut]\nfrom=5\n", "no such layer" },
		{ NET CONV "[shortcut]\nfrom=-1\nweights_type=per_pixel\n", "weights_type=per_pixel" },
		{ NET CONV "[shortcut]\nfrom=-1\nweights_normalization=tanh\n", "weights_normalization=tanh" },
		{ NET CONV "[shortcut]\nfrom=-1\nweights_type=per_channel\nalpha=.5\n", "alpha and beta" },
		{ NET CONV "[maxpool]\nsize=2\nstride=2\n[shortcut]\nfrom=0\nweights_type=per_feature\n",
		  "weights need layers of one size" },
		{ NET CONV "[Gaussian_yolo]\nclasses=2\nnum=1\n", "8 channels come in, 11 are needed" },
		{ NET CONV "[Gaussian_yolo]\nclasses=2\nnum=1\nyolo_point=top\n", "yolo_point=top" },
		{ NET CONV "[maxpool]\nsize=65\n", "size=65" },
		{ NET CONV "[maxpool]\nsize=2\nstride=2\npadding=9\n", "padding=9" },
		{ NET CONV "[upsample]\nstride=-2\n", "stride=-2" },
		{ NET CONV "[reorg]\nstride=3\n", "does not fit" },
		{ NET CONV "[scale_channels]\nfrom=0\n", "cannot scale" },
		{ NET CONV "[yolo]\nclasses=2\nnum=3\nmask=0,1,2\n", "8 channels come in, 21 are needed" },
		{ NET CONV "[yolo]\nclasses=3\nnum=3\nmask=3\n", "mask=: entry 1" },
		{ NET CONV "[yolo]\nclasses=3\nnum=1\nmask=0\nanchors=1\n", "anchors=: 1 numbers" },
		{ NET CONV "[yolo]\nclasses=3\nnum=1\nmask=0\nanchors=1,nan\n", "anchors=: entry 2" },
		{ NET CONV "[yolo]\nclasses=3\nnum=1\nmask=0\nanchors=1,2\nmap=f\n", "map=f is not supported" },
		{ NET CONV "[region]\nclasses=3\nnum=1\ntree=x\n", "tree=x is not supported" },
		{ NET "[convolutional]\nfilters=65536\npad=1\n", "too large" },
		{ NET "[convolutional]\nfilters=8192\nsize=64\nstride=64\n[convolutional]\nfilters=65536\n", "weights" },
		{ "[net]\nwidth=1024\nheight=1024\nchannels=64\n[convolutional]\nfilters=64\nsize=63\npad=1\n",
		  "multiplications" },
		{ "[net]\nwidth=4096\nheight=4096\nchannels=3\n[dropout]\n[shortcut]\n"
		  "from=0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0\n[shortcut]\n"
		  "from=0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0\n[shortcut]\n"
		  "from=0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0\n", "line 10: [shortcut]: more than" },
		{ NET "[convolutional]\nfilters=8\nsize=3\npad=1\nactivation=\033[31mred\n", "activation=?[31mred" },
	};
	static char big[CB_NN_CFG_MAX + 2];
	struct cb_err err = CB_ERR_INIT;
	struct cb_nn_graph g;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		OK_NAMED(parses(cases[i].text, cases[i].error), cases[i].error ? cases[i].error : "parses");
	memset(big, ' ', sizeof(big));
	OK(cb_nn_graph_parse(&g, big, sizeof(big), 0, 0, &err) == -1 && strstr(err.msg, "not a cfg"));
	OK(cb_nn_graph_parse(&g, "[net]\0", 6, 0, 0, &err) == -1 && strstr(err.msg, "NUL"));
	strcpy(big, NET);
	for (int i = 0; i < 1025; i++)
		strcat(big, "[dropout]\n");
	OK(parses(big, "line 1029: [dropout]: more than 1024 layers"));
	strcpy(big, NET "[dropout]\n");
	for (int i = 0; i < 129; i++)
		strcat(big, "a=1\n");
	OK(parses(big, "more than 128 options"));
	OK(cb_nn_graph_parse(&g, all, strlen(all), 64, 96, &err) == 0 && g.w == 64 && g.h == 96 &&
	   g.layer[0].w == 32 && g.layer[0].h == 48 && g.classes == 2);
	cb_nn_graph_release(&g);
	/* shapes as darknet has them */
	OK(cb_nn_graph_parse(&g, all, strlen(all), 0, 0, &err) == 0);
	OK_INT(g.n, 18);
	OK(g.layer[5].w == 8 && g.layer[6].w == 16 && g.layer[7].c == 16 && g.layer[8].w == 1);
	OK(g.layer[11].c == 64 && g.layer[11].w == 8 && g.layer[12].c == 32);
	OK(g.layer[14].anchor[0] == 8 && g.layer[14].anchor[5] == 5);
	OK_INT(g.layer[0].weights, 3 * 8 * 9 + 4 * 8);
	cb_nn_graph_release(&g);
}

/* --- files ---------------------------------------------------------------------------------------- */

static int open_net(struct cb_net **n, struct cb_err *err)
{
	struct cb_net_opts o = { .threads = 1 };

	*err = (struct cb_err)CB_ERR_INIT;
	return cb_net_open(n, cfg_path, w_path, &o, err);
}

/* Saves n bytes as the weights; opening must fail with that text. */
static bool refused(const uint8_t *w, size_t n, const char *want)
{
	struct cb_err err;
	struct cb_net *net = NULL;
	int rc;

	save(w_path, w, n);
	rc = open_net(&net, &err);
	if (!rc || !strstr(err.msg, want) || !strstr(err.msg, w_path) || err.code != CB_E_DATA)
		printf("# %d %s\n", rc, err.msg);
	cb_net_free(net);
	return rc && strstr(err.msg, want) && strstr(err.msg, w_path) && err.code == CB_E_DATA;
}

static void test_weights(void)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_nn_graph g;
	struct cb_net *net = NULL;
	uint8_t *w, *more;
	float v;
	size_t n;

	OK(cb_nn_graph_parse(&g, all, strlen(all), 0, 0, &err) == 0);
	n = make_weights(&g, &w);
	save(cfg_path, all, strlen(all));
	save(w_path, w, n);
	OK(open_net(&net, &err) == 0);
	OK(net && cb_net_width(net) == 32 && cb_net_classes(net) == 2 && cb_net_layers(net) == 18);
	OK(net && cb_net_bytes(net) < 10 << 20);
	cb_net_free(net);

	OK(refused(w, 0, "not a weights file"));
	OK(refused(w, 15, "not a weights file"));
	OK(refused(w, 19, "not a weights file"));
	OK(refused(w, 20, "layer 0 [convolutional]"));
	OK(refused(w, 20 + 4 * 100, "layer 0 [convolutional]"));
	OK(refused(w, 20 + 4 * 248, "layer 1 [convolutional]"));
	OK(refused(w, n - 1, "layer 16 [convolutional]: 1 bytes missing"));
	more = calloc(1, n + 5);
	memcpy(more, w, n);
	OK(refused(more, n + 5, "5 bytes too many"));
	more[0] = 0xff;
	more[3] = 0xff;
	OK(refused(more, n, "not a weights file"));
	/* version 0.1 has four bytes less */
	memcpy(more, w, n);
	more[4] = 1;
	memmove(more + 16, more + 20, n - 20);
	save(w_path, more, n - 4);
	OK(open_net(&net, &err) == 0);
	cb_net_free(net);
	memcpy(more, w, n);
	v = NAN;
	memcpy(more + n - 4, &v, 4);
	OK(refused(more, n, "layer 16 [convolutional]: weight 447 is not a finite number"));
	memcpy(more, w, n);
	v = -1;
	memcpy(more + 20 + 4 * (3 * 8 + 5), &v, 4);
	OK(refused(more, n, "layer 0 [convolutional]: variance 5"));
	v = INFINITY;
	memcpy(more + 20, &v, 4);
	v = 1;
	memcpy(more + 20 + 4 * (3 * 8 + 5), &v, 4);
	OK(refused(more, n, "layer 0 [convolutional]: bias 0"));

	unlink(w_path);
	OK(open_net(&net, &err) == -1 && err.code == CB_E_NOINPUT && strstr(err.msg, w_path));
	OK(!mkdir(w_path, 0700) && open_net(&net, &err) == -1 && err.code == CB_E_NOINPUT);
	rmdir(w_path);
	OK(!mkfifo(w_path, 0600) && open_net(&net, &err) == -1 && strstr(err.msg, "regular"));
	unlink(w_path);
	unlink(cfg_path);
	OK(open_net(&net, &err) == -1 && err.code == CB_E_NOINPUT && strstr(err.msg, cfg_path));
	free(more);
	free(w);
	cb_nn_graph_release(&g);
}

static void count_seen(void *ctx, const void *p, size_t n)
{
	(void)p;
	*(size_t *)ctx += n;
}

/* Weights that two layers use are read twice and told once; layers behind a blur have the
 * numbers that their cfg means. */
static void test_shared_weights(void)
{
	static const char text[] = NET
		"[convolutional]\nfilters=3\nsize=3\npad=1\nstride=2\nantialiasing=1\nactivation=linear\n"
		"[convolutional]\nfilters=3\nsize=3\npad=1\nbatch_normalize=1\nactivation=linear\n"
		"[convolutional]\nfilters=3\nsize=3\npad=1\nshare_index=1\nactivation=linear\n"
		"[convolutional]\nfilters=5\nsize=1\nactivation=linear\n[route]\nlayers=1,-2\n";
	size_t told = 0, floats = 84 + 93 + 20;
	struct cb_net_opts o = { .threads = 1, .keep = true, .seen = count_seen, .ctx = &told };
	struct cb_err err = CB_ERR_INIT;
	struct cb_net *net = NULL;
	struct cb_nn_graph g;
	float *w = calloc(floats + 5, sizeof(*w)), out[6 * 32 * 32];
	bool same = true;

	OK(cb_nn_graph_parse(&g, text, sizeof(text) - 1, 0, 0, &err) == 0);
	OK_INT(g.n, 6);
	OK_INT(g.weights, floats);
	OK(g.layer[3].share == 2 && g.layer[3].bn && g.layer[5].from[0] == 2 && g.layer[5].from[1] == 3);
	OK(g.layer[0].w == 64 && g.layer[1].w == 32);
	cb_nn_graph_release(&g);
	w[1] = 2.8e-45f;	/* version 0.2 */
	for (size_t i = 5; i < floats + 5; i++)
		w[i] = unit() + .5f;
	save(cfg_path, text, sizeof(text) - 1);
	save(w_path, w, (floats + 5) * sizeof(*w));
	if (OK(cb_net_open(&net, cfg_path, w_path, &o, &err) == 0)) {
		OK_INT(told, sizeof(text) - 1 + (floats + 5) * sizeof(*w));
		OK(cb_net_run(net, &err) == 0);
		OK(cb_net_layer_output(net, 5, out, sizeof(out) / sizeof(out[0])) == 6 * 32 * 32);
		for (int i = 0; i < 6 * 32 * 32; i++)
			same &= isfinite(out[i]) && out[i] != 0;
		OK(same);
	}
	cb_net_free(net);
	free(w);
}

/* --- damage ---------------------------------------------------------------------------------------- */

static size_t damage(char *p, size_t n, size_t cap)
{
	static const char *const words[] = { "-1", "0", "65536", "4294967295", "1e99", "", ",", "=", "[", "]",
					     "\n", "[route]\nlayers=-1\n", "[shortcut]\nfrom=0\n", "#", "nan" };

	for (uint32_t times = 1 + rnd() % 4; times && n > 1; times--) {
		size_t at = rnd() % n;

		switch (rnd() % 5) {
		case 0: p[at] = (char)rnd(); break;
		case 1: p[at] ^= (char)(1 << rnd() % 8); break;
		case 2: n = at ? at : 1; break;
		case 3: {
			size_t cut = rnd() % 40;

			cut = at + cut > n ? n - at : cut;
			memmove(p + at, p + at + cut, n - at - cut);
			n -= cut;
			break;
		}
		default: {
			const char *s = words[rnd() % (sizeof(words) / sizeof(words[0]))];

			/* a number, where there is one: behind the next '=' */
			char *eq = memchr(p + at, '=', n - at);

			if (eq && rnd() % 2)
				at = (size_t)(eq + 1 - p);
			if (n + strlen(s) < cap) {
				memmove(p + at + strlen(s), p + at, n - at);
				memcpy(p + at, s, strlen(s));
				n += strlen(s);
			}
		}
		}
	}
	return n;
}

static void test_damaged(void)
{
	int parsed = 0, compiled = 0, unclear = 0, w_ok = 0, w_bad = 0;
	struct cb_err err = CB_ERR_INIT;
	struct cb_nn_graph g;
	uint8_t *w = NULL;
	size_t wn;

	for (int i = 0; i < 3000; i++) {
		char text[4096];
		size_t n = sizeof(all) - 1;
		struct cb_net *net = NULL;

		memcpy(text, all, n);
		n = damage(text, n, sizeof(text));
		err = (struct cb_err)CB_ERR_INIT;
		if (cb_nn_graph_parse(&g, text, n, 0, 0, &err)) {
			unclear += err.code != CB_E_DATA ||
				(strncmp(err.msg, "line ", 5) && !strstr(err.msg, "not a") && !strstr(err.msg, "no layers"));
			continue;
		}
		parsed++;
		if (g.weights < 100000 && compiled < 400 && (uint64_t)g.c * g.h * g.w < 100000) {
			wn = make_weights(&g, &w);
			save(cfg_path, text, n);
			save(w_path, w, wn);
			free(w);
			if (open_net(&net, &err)) {
				unclear += err.code != CB_E_DATA || !strstr(err.msg, w_path);
				if (err.code != CB_E_DATA)
					printf("# %s\n", err.msg);
			} else {
				struct cb_box box[8];
				uint32_t v = cb_net_width(net) * cb_net_height(net) * cb_net_channels(net);

				for (uint32_t k = 0; k < v; k++)
					cb_net_input(net)[k] = unit();
				unclear += cb_net_run(net, &err) != 0;
				unclear += cb_net_boxes(net, .1f, .4f, box, 8) > 8;
				compiled++;
			}
			cb_net_free(net);
		}
		cb_nn_graph_release(&g);
	}
	printf("# 3000 damaged cfgs: %d parse, %d of them compiled and run\n", parsed, compiled);
	OK(parsed > 100 && parsed < 2900);
	OK(compiled > 50);
	OK_INT(unclear, 0);

	static const char small[] = NET CONV "[convolutional]\nfilters=4\nbatch_normalize=1\nactivation=relu\n";
	OK(cb_nn_graph_parse(&g, small, strlen(small), 0, 0, &err) == 0);
	wn = make_weights(&g, &w);
	save(cfg_path, small, strlen(small));
	for (int i = 0; i < 2000; i++) {
		uint8_t bad[4096];
		struct cb_net *net = NULL;
		size_t n = wn;

		memcpy(bad, w, wn);
		for (uint32_t times = 1 + rnd() % 3; times; times--) {
			size_t at = rnd() % (rnd() % 2 ? 20 : n);

			if (rnd() % 3)
				bad[at] ^= (uint8_t)(1 << rnd() % 8);
			else if (rnd() % 2)
				bad[at] = (uint8_t)rnd();
			else if (rnd() % 8 == 0)
				n = at + 20 < n ? at + 20 : n;
		}
		save(w_path, bad, n);
		if (open_net(&net, &err)) {
			w_bad++;
			unclear += err.code != CB_E_DATA || !strstr(err.msg, w_path);
		} else {
			w_ok++;
			unclear += cb_net_run(net, &err) != 0;
		}
		cb_net_free(net);
	}
	printf("# 2000 damaged weights: %d refused, %d loaded\n", w_bad, w_ok);
	OK(w_bad > 200 && w_ok > 200);
	OK_INT(unclear, 0);
	free(w);
	cb_nn_graph_release(&g);
}

/* --- boxes ----------------------------------------------------------------------------------------- */

struct det { float x, y, w, h, object, prob[8]; };

static float overlap1(float x1, float w1, float x2, float w2)
{
	float l1 = x1 - w1 / 2, l2 = x2 - w2 / 2, r1 = x1 + w1 / 2, r2 = x2 + w2 / 2;

	return (r1 < r2 ? r1 : r2) - (l1 > l2 ? l1 : l2);
}
static float box_iou(const struct det *a, const struct det *b)
{
	float w = overlap1(a->x, a->w, b->x, b->w), h = overlap1(a->y, a->h, b->y, b->h);
	float i = w < 0 || h < 0 ? 0 : w * h;

	return i / (a->w * a->h + b->w * b->h - i);
}
static int sort_class;
static int by_prob(const void *a, const void *b)
{
	float d = ((const struct det *)a)->prob[sort_class] - ((const struct det *)b)->prob[sort_class];

	return d < 0 ? 1 : d > 0 ? -1 : 0;
}

/* Darknet's procedure, over all boxes of a yolo layer. Returns what is left, class by class. */
static int darknet_boxes(const struct cb_nn_layer *l, const float *in, float thresh, float nms,
			 struct cb_nn_found *ret)
{
	static struct det d[2048];
	size_t hw = (size_t)l->h * l->w;
	int n = 0, k = 0;

	for (uint32_t i = 0; i < hw; i++) {
		for (uint32_t a = 0; a < l->n; a++) {
			const float *x = in + (size_t)a * (5 + l->classes) * hw + i;
			float o = 1 / (1 + expf(-x[4 * hw]));

			if (o <= thresh)
				continue;
			d[n].object = o;
			d[n].x = ((float)(i % l->w) + 1 / (1 + expf(-x[0]))) / (float)l->w;
			d[n].y = ((float)(i / l->w) + 1 / (1 + expf(-x[hw]))) / (float)l->h;
			d[n].w = expf(x[2 * hw]) * l->anchor[2 * a] / 64;
			d[n].h = expf(x[3 * hw]) * l->anchor[2 * a + 1] / 48;
			for (uint32_t c = 0; c < l->classes; c++) {
				float p = o * (1 / (1 + expf(-x[(5 + c) * hw])));

				d[n].prob[c] = p > thresh ? p : 0;
			}
			n++;
		}
	}
	for (sort_class = 0; sort_class < (int)l->classes; sort_class++) {
		qsort(d, (size_t)n, sizeof(*d), by_prob);
		for (int i = 0; i < n; i++) {
			if (d[i].prob[sort_class] == 0)
				continue;
			for (int j = i + 1; j < n && nms > 0; j++)
				if (box_iou(&d[i], &d[j]) > nms)
					d[j].prob[sort_class] = 0;
			ret[k++] = (struct cb_nn_found){ d[i].x, d[i].y, d[i].w, d[i].h,
							 d[i].prob[sort_class], sort_class, false };
		}
	}
	return k;
}

static void test_boxes(void)
{
	static float planar[3 * 8 * 12 * 16], blocked[(3 * 8 + 16) * 12 * 16];
	static struct cb_nn_found mine[8192], theirs[8192];
	struct cb_nn_layer l = { .type = CB_NN_YOLO, .c = 24, .h = 12, .w = 16, .n = 3, .classes = 3,
				 .coords = 4, .scale_x_y = 1,
				 .anchor = { 4, 5, 10, 12, 30, 22 } };
	int bad = 0, total = 0, capped = 0;

	for (int round = 0; round < 60; round++) {
		uint32_t b = (uint32_t[]){ 1, 8, 16, 24 }[round % 4];
		float thresh = .1f + .1f * (float)(round % 5), nms = .2f * (float)(round % 4);
		struct cb_nn_view pv = { 24, 12, 16, 1, planar }, bv = { 24, 12, 16, b, blocked };
		struct cb_nn_heap h = { mine, 0, 8192 };
		int n;

		for (size_t i = 0; i < sizeof(planar) / sizeof(planar[0]); i++)
			planar[i] = 6 * (unit() - .5f);
		cb_nn_copy(&bv, 0, &pv, 0, 24);
		cb_nn_detector_boxes(&h, &l, &bv, 64, 48, thresh);
		cb_nn_suppress(&h, nms);
		n = darknet_boxes(&l, planar, thresh, nms, theirs);
		total += n;
		if ((size_t)n != h.n) {
			printf("# round %d: %zu boxes, darknet %d\n", round, h.n, n);
			bad++;
			continue;
		}
		for (size_t i = 0; i < h.n; i++) {
			bool found = false;

			if (i && mine[i - 1].score < mine[i].score)
				bad++;
			for (int k = 0; k < n && !found; k++)
				found = theirs[k].class_id == mine[i].class_id &&
					fabsf(theirs[k].score - mine[i].score) < 1e-6f &&
					fabsf(theirs[k].x - mine[i].x) < 1e-5f &&
					fabsf(theirs[k].y - mine[i].y) < 1e-5f &&
					fabsf(theirs[k].w - mine[i].w) < 1e-4f &&
					fabsf(theirs[k].h - mine[i].h) < 1e-4f;
			bad += !found;
		}
		/* too little room: the best remain, in the same order */
		struct cb_nn_found few[10];
		struct cb_nn_heap s = { few, 0, 10 };

		cb_nn_detector_boxes(&s, &l, &pv, 64, 48, thresh);
		cb_nn_suppress(&s, 0);
		h = (struct cb_nn_heap){ mine, 0, 8192 };
		cb_nn_detector_boxes(&h, &l, &pv, 64, 48, thresh);
		cb_nn_suppress(&h, 0);
		for (size_t i = 0; i < s.n; i++)
			capped += few[i].score != mine[i].score;
	}
	printf("# %d boxes\n", total);
	OK(total > 1000);
	OK_INT(bad, 0);
	OK_INT(capped, 0);

	/* infinite sizes and numbers that are none never come out */
	struct cb_nn_view pv = { 24, 12, 16, 1, planar };
	struct cb_nn_heap h = { mine, 0, 8192 };

	for (size_t i = 0; i < sizeof(planar) / sizeof(planar[0]); i++)
		planar[i] = i % 3 ? NAN : i % 2 ? 1e30f : INFINITY;
	cb_nn_detector_boxes(&h, &l, &pv, 64, 48, 0);
	for (size_t i = 0; i < h.n; i++)
		bad += !isfinite(mine[i].x) || !isfinite(mine[i].w) || !isfinite(mine[i].score);
	OK_INT(bad, 0);
}

/* --- running --------------------------------------------------------------------------------------- */

static int tasks(void)
{
	DIR *d = opendir("/proc/self/task");
	int n = 0;

	for (struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static float *run_once(int threads, int *ret_tasks, int64_t *ret_n)
{
	struct cb_net_opts o = { .threads = threads };
	struct cb_err err = CB_ERR_INIT;
	struct cb_net *n = NULL;
	float *out = calloc(21 * 8 * 8, sizeof(*out));

	if (cb_net_open(&n, cfg_path, w_path, &o, &err)) {
		printf("# %s\n", err.msg);
		return out;
	}
	state = 7;
	for (int i = 0; i < 3 * 32 * 32; i++)
		cb_net_input(n)[i] = unit();
	OK(cb_net_run(n, &err) == 0);
	*ret_tasks = tasks();
	*ret_n = cb_net_layer_output(n, 14, out, 21 * 8 * 8);
	if (threads == 1) {
		size_t before = mallinfo2().uordblks;
		struct cb_box box[4];

		for (int i = 0; i < 50; i++)
			OK(i % 10 || cb_net_run(n, &err) == 0);
		cb_net_boxes(n, .3f, .4f, box, 4);
		OK(mallinfo2().uordblks <= before);
		OK(cb_net_boxes(n, 0, 0, box, 0) == 0);
		OK(cb_net_layer_output(n, 0, out, 0) == -1);	/* its room was used again */
	}
	cb_net_free(n);
	return out;
}

static void test_run(void)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_nn_graph g;
	int t1 = 0, t2 = 0, bad = 0;
	int64_t n1 = 0, n2 = 0;
	float *one, *two;
	uint8_t *w;
	size_t n;

	OK(cb_nn_graph_parse(&g, all, strlen(all), 0, 0, &err) == 0);
	n = make_weights(&g, &w);
	save(cfg_path, all, strlen(all));
	save(w_path, w, n);
	one = run_once(1, &t1, &n1);
	OK_INT(t1, 1);
	two = run_once(2, &t2, &n2);
	OK_INT(t2, 2);
	OK(n1 == 21 * 8 * 8 && n2 == n1);
	for (int i = 0; i < n1; i++)
		bad += !(fabsf(one[i] - two[i]) < 1e-4f);
	OK_INT(bad, 0);
	OK(!strncmp(cb_nn_library_version(), "oneDNN ", 7));
	free(one);
	free(two);
	free(w);
	cb_nn_graph_release(&g);
}

/* A net of its own picture, run again and again. */
struct sharer { struct cb_net *net; float out[21 * 8 * 8]; unsigned seed; int wrong; };

static void fill_input(struct cb_net *n, unsigned seed)
{
	for (int i = 0; i < 3 * 32 * 32; i++)
		cb_net_input(n)[i] = (float)(seed = seed * 1103515245 + 12345) / (float)UINT32_MAX;
}

static void *share_runs(void *ctx)
{
	struct sharer *s = ctx;
	float now[21 * 8 * 8];
	struct cb_err err = CB_ERR_INIT;

	for (int i = 0; i < 200; i++) {
		fill_input(s->net, s->seed);
		s->wrong += cb_net_run(s->net, &err) != 0;
		cb_net_layer_output(s->net, 14, now, 21 * 8 * 8);
		s->wrong += memcmp(now, s->out, sizeof now) != 0;
	}
	return NULL;
}

/* Nets that share run at a time, each with its own picture, and outlive the first. */
static void test_share(void)
{
	struct cb_err err = CB_ERR_INIT;
	struct sharer s[3] = { 0 };
	struct cb_net *first = NULL;
	pthread_t t[3];

	OK(cb_net_open(&first, cfg_path, w_path, NULL, &err) == 0);
	for (unsigned i = 0; i < 3; i++) {
		OK(cb_net_share(&s[i].net, first, &err) == 0);
		OK(cb_net_input(s[i].net) != cb_net_input(first));
		s[i].seed = i + 1;
		fill_input(first, s[i].seed);
		OK(cb_net_run(first, &err) == 0);
		cb_net_layer_output(first, 14, s[i].out, 21 * 8 * 8);
	}
	OK(memcmp(s[0].out, s[1].out, sizeof s[0].out) != 0);
	cb_net_free(first);
	for (int i = 0; i < 3; i++)
		OK(pthread_create(&t[i], NULL, share_runs, &s[i]) == 0);
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], NULL);
		OK_INT(s[i].wrong, 0);
		cb_net_free(s[i].net);
	}
}

int main(void)
{
	/* one thread is one, whatever this says */
	setenv("OMP_NUM_THREADS", "4", 1);
	if (!mkdtemp(dir))
		return 1;
	snprintf(cfg_path, sizeof(cfg_path), "%s/n.cfg", dir);
	snprintf(w_path, sizeof(w_path), "%s/n.weights", dir);
	test_run();
	test_share();
	test_cfg();
	test_weights();
	test_shared_weights();
	test_boxes();
	test_damaged();
	unlink(cfg_path);
	unlink(w_path);
	rmdir(dir);
	return done();
}
