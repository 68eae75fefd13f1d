/* SPDX-License-Identifier: Apache-2.0 */
/* Models looked at, tried and timed. */
#include "detect/inspect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "wire/json.h"

#define BENCH_NS (5 * CB_NS_PER_S)

int cb_inspect_open(struct cb_inspect *ret, const struct cb_model_opts *o, struct cb_err *err)
{
	*ret = (struct cb_inspect){ .name = o->cfg, .o = *o };
	ret->o.pack = NULL;
	if (cb_shipped_find(&ret->at, &ret->o, err) < 0 ||
	    cb_pack_read_model(&ret->pack, ret->o.cfg, o->weights, o->names, err) < 0)
		return -1;
	ret->o.pack = &ret->pack;
	return cb_model_open(&ret->model, &ret->o, err);
}

void cb_inspect_close(struct cb_inspect *m)
{
	cb_model_free(m->model);
	cb_pack_release(&m->pack);
	cb_shipped_release(&m->at);
	m->model = NULL;
}

static void begin(struct cb_buf *line, struct cb_jw *w, const struct cb_inspect *m)
{
	line->len = 0;
	cb_jw_init(w, line);
	cb_jw_obj(w);
	cb_jw_kstr(w, "model", m->name);
}

static int end(struct cb_jw *w, struct cb_err *err)
{
	cb_jw_obj_end(w);
	return cb_jw_done(w, err);
}

static void shape(struct cb_jw *w, const char *key, uint32_t c, uint32_t h, uint32_t wide)
{
	cb_jw_key(w, key);
	cb_jw_arr(w);
	cb_jw_u64(w, c);
	cb_jw_u64(w, h);
	cb_jw_u64(w, wide);
	cb_jw_arr_end(w);
}

int cb_inspect_layer(struct cb_buf *line, struct cb_inspect *m, int layer, struct cb_err *err)
{
	struct cb_net_layer l;
	struct cb_jw w;

	cb_net_layer(cb_model_net(m->model), layer, &l);
	begin(line, &w, m);
	cb_jw_ki64(&w, "layer", layer);
	cb_jw_key(&w, "type");
	cb_jw_strn(&w, l.type + 1, strlen(l.type) - 2);	/* without brackets */
	shape(&w, "output", l.c, l.h, l.w);
	cb_jw_ku64(&w, "weights", l.weights);
	cb_jw_ku64(&w, "macs", l.macs);
	if (l.impl)
		cb_jw_kstr(&w, "code", l.impl);
	return end(&w, err);
}

static const char *kind(const struct cb_pack *p)
{
	return p->kind == CB_PACK_INT8 ? "int8" : "float";
}

int cb_inspect_total(struct cb_buf *line, struct cb_inspect *m, struct cb_err *err)
{
	struct cb_net *net = cb_model_net(m->model);
	uint64_t weights = 0, macs = 0;
	char digest[CB_PACK_DIGEST];
	struct cb_jw w;

	for (int i = 0; i < cb_net_layers(net); i++) {
		struct cb_net_layer l;

		cb_net_layer(net, i, &l);
		weights += l.weights;
		macs += l.macs;
	}
	cb_pack_digest(&m->pack, digest);
	begin(line, &w, m);
	cb_jw_kstr(&w, "kind", kind(&m->pack));
	cb_jw_kstr(&w, "made_for", m->pack.isa);
	cb_jw_kstr(&w, "isa", cb_net_isa(net));
	shape(&w, "input", cb_net_channels(net), cb_net_height(net), cb_net_width(net));
	cb_jw_ki64(&w, "classes", cb_net_classes(net));
	cb_jw_ki64(&w, "layers", cb_net_layers(net));
	cb_jw_ku64(&w, "weights", weights);
	cb_jw_ku64(&w, "macs", macs);
	cb_jw_ku64(&w, "bytes", cb_net_bytes(net));
	cb_jw_kstr(&w, "sha256", digest);
	return end(&w, err);
}

static size_t input_floats(const struct cb_net *net)
{
	return (size_t)cb_net_channels(net) * cb_net_height(net) * cb_net_width(net);
}

int cb_inspect_try(struct cb_inspect *m, struct cb_err *err)
{
	struct cb_net *net = cb_model_net(m->model);
	struct cb_box box[64];

	memset(cb_net_input(net), 0, input_floats(net) * sizeof(float));
	if (cb_net_run(net, err) < 0)
		return cb_err_prefix(err, "%s", m->name);
	for (int i = cb_net_boxes(net, 0, .45f, box, 64); i-- > 0;)
		if (!isfinite(box[i].x) || !isfinite(box[i].y) || !isfinite(box[i].w) ||
		    !isfinite(box[i].h) || !(box[i].score >= 0 && box[i].score <= 1))
			return cb_err_set(err, CB_E_DATA, "%s: what it sees in a black picture is no number",
					  m->name);
	return 0;
}

int cb_inspect_verdict(struct cb_buf *line, const struct cb_inspect *m, const struct cb_err *why,
		       struct cb_err *err)
{
	char digest[CB_PACK_DIGEST];
	struct cb_jw w;

	begin(line, &w, m);
	cb_jw_kbool(&w, "ok", !why->code);
	if (why->code) {
		cb_jw_kstr(&w, "error", why->msg);
	} else {
		cb_pack_digest(&m->pack, digest);
		cb_jw_kstr(&w, "kind", kind(&m->pack));
		cb_jw_kstr(&w, "sha256", digest);
	}
	return end(&w, err);
}

int cb_inspect_listing(struct cb_buf *line, const char *name, const struct cb_pack *p, struct cb_err *err)
{
	static const char odd[] = "\\\n\r", instead[] = "\\nr";
	char hex[CB_PACK_DIGEST];
	int r;

	cb_pack_digest(p, hex);
	line->len = 0;
	r = cb_buf_printf(line, "%s%s  ", strpbrk(name, odd) ? "\\" : "", hex);
	for (; *name; name++) {
		const char *o = strchr(odd, *name);

		if (o)
			r |= cb_buf_byte(line, '\\');
		r |= cb_buf_byte(line, (uint8_t)(o ? instead[o - odd] : *name));
	}
	return r | cb_buf_byte(line, '\n') ? cb_err_nomem(err) : 0;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int cb_inspect_bench(struct cb_buf *line, struct cb_inspect *m, enum cb_isa isa, int threads, unsigned n,
		     struct cb_err *err)
{
	struct cb_net_opts o = { .threads = threads, .isa = isa, .pack = &m->pack };
	int64_t *ns = malloc(n * sizeof *ns), begun = cb_now_mono_ns(), loaded;
	struct cb_net *net = NULL;
	unsigned k = 0;
	struct cb_jw w;
	int r = -1;

	if (!ns) {
		cb_err_nomem(err);
		goto out;
	}
	if (cb_net_open(&net, m->name, NULL, &o, err) < 0)
		goto out;
	loaded = cb_now_mono_ns();
	for (size_t i = 0; i < input_floats(net); i++)
		cb_net_input(net)[i] = (float)(i * 2654435761u >> 8 & 255) / 255;
	/* the first run touches all memory for the first time; it does not count */
	if (cb_net_run(net, err) < 0)
		goto bad;
	for (int64_t t = cb_now_mono_ns(), first = t; k < n && (k < 5 || t - first < BENCH_NS); k++) {
		if (cb_net_run(net, err) < 0)
			goto bad;
		ns[k] = cb_now_mono_ns() - t;
		t += ns[k];
	}
	qsort(ns, k, sizeof *ns, by_value);
	begin(line, &w, m);
	cb_jw_ki64(&w, "threads", threads);
	cb_jw_kstr(&w, "isa", cb_net_isa(net));
	cb_jw_ku64(&w, "pictures", k);
	cb_jw_kfixed(&w, "min_us", (double)ns[0] / 1000, 1);
	cb_jw_kfixed(&w, "median_us", (double)ns[k / 2] / 1000, 1);
	cb_jw_ki64(&w, "load_us", (loaded - begun) / CB_NS_PER_US);
	cb_jw_ku64(&w, "bytes", cb_net_bytes(net));
	r = end(&w, err);
	goto out;
bad:
	cb_err_prefix(err, "%s", m->name);
out:
	cb_net_free(net);
	free(ns);
	return r;
}
