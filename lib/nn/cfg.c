/* SPDX-License-Identifier: Apache-2.0 */
/* Darknet's .cfg: sections of key=value lines, and the shapes that follow from them. */
#include "nn/graph.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/num.h"

#define OPTS_MAX 128	/* options of one section */
#define VALUE_MAX 4096	/* characters of one value */

struct opt {
	const char *key, *val;	/* NUL-terminated, in the copy of the text */
	uint32_t line;
};

/* One section while it is read. */
struct section {
	char type[32];
	uint32_t line;
	int n;
	struct opt opt[OPTS_MAX];
};

struct parser {
	struct cb_nn_graph *g;
	const struct section *s;
	uint32_t line;			/* of the option looked at last */
	uint32_t width, height;		/* the caller's */
	uint64_t macs;
	int sections;			/* darknet's number of the next layer, */
	int at[CB_NN_LAYERS_MAX];	/* ours of those before, */
	bool blurred[CB_NN_LAYERS_MAX];	/* and which of them have antialiasing */
	/* of the layer that is being read */
	uint32_t blur, blur_x, blur_y;
	struct cb_err *err;
};

__attribute__((format(printf, 2, 3)))
static int fail(struct parser *p, const char *fmt, ...)
{
	char msg[256], safe[256], type[40];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	cb_text_safe(safe, sizeof(safe), msg, strlen(msg), false);
	cb_text_safe(type, sizeof(type), p->s->type, strlen(p->s->type), false);
	return cb_err_set(p->err, CB_E_DATA, "line %u: %s: %s", p->line, type, safe);
}

/* --- options ---------------------------------------------------------------------------- */

/* As in darknet, the first of several with one name counts. */
static const struct opt *find(struct parser *p, const char *key)
{
	for (int i = 0; i < p->s->n; i++) {
		if (!strcmp(p->s->opt[i].key, key)) {
			p->line = p->s->opt[i].line;
			return &p->s->opt[i];
		}
	}
	p->line = p->s->line;
	return NULL;
}

static int opt_int(struct parser *p, const char *key, int64_t def, int64_t min, int64_t max,
		   int64_t *ret)
{
	const struct opt *o = find(p, key);

	if (!o) {
		if (def < min || def > max)
			return fail(p, "no %s=", key);
		*ret = def;
		return 0;
	}
	if (!cb_parse_i64(o->val, min, max, ret))
		return fail(p, "%s=%s: not a number of %lld to %lld", key, o->val,
			    (long long)min, (long long)max);
	return 0;
}

static int opt_u32(struct parser *p, const char *key, int64_t def, uint32_t min, uint32_t max,
		   uint32_t *ret)
{
	int64_t v;

	if (opt_int(p, key, def, min, max, &v))
		return -1;
	*ret = (uint32_t)v;
	return 0;
}

static int opt_bool(struct parser *p, const char *key, bool *ret)
{
	int64_t v;

	if (opt_int(p, key, 0, 0, 1, &v))
		return -1;
	*ret = v;
	return 0;
}

/* Darknet's cfgs write numbers as ".1", "1.", "1e-3": what strtod takes, and finite. */
static bool parse_float(const char *s, const char *end, float *ret)
{
	char buf[64], *stop;
	size_t n = (size_t)(end - s);
	double v;

	if (!n || n >= sizeof(buf))
		return false;
	memcpy(buf, s, n);
	buf[n] = 0;
	if (strspn(buf, "0123456789+-.eE") != n)
		return false;
	v = strtod(buf, &stop);
	if (*stop || !isfinite(v) || fabs(v) > 1e6)
		return false;
	*ret = (float)v;
	return true;
}

static int opt_float(struct parser *p, const char *key, float def, float *ret)
{
	const struct opt *o = find(p, key);

	*ret = def;
	if (o && !parse_float(o->val, o->val + strlen(o->val), ret))
		return fail(p, "%s=%s: not a number", key, o->val);
	return 0;
}

/* Comma-separated integers. Returns how many, -1 on error, 0 where the key is absent. */
static int opt_ints(struct parser *p, const char *key, int64_t min, int64_t max, int *ret, int cap)
{
	const struct opt *o = find(p, key);
	const char *s;
	int n = 0;

	for (s = o ? o->val : ""; *s;) {
		size_t len = strcspn(s, ",");
		char buf[24];
		int64_t v;

		if (len >= sizeof(buf))
			return fail(p, "%s=: entry %d is not a number", key, n + 1);
		memcpy(buf, s, len);
		buf[len] = 0;
		if (!cb_parse_i64(buf, min, max, &v))
			return fail(p, "%s=: entry %d: %s: not a number of %lld to %lld", key, n + 1,
				    buf, (long long)min, (long long)max);
		if (n == cap)
			return fail(p, "%s=: more than %d entries", key, cap);
		ret[n++] = (int)v;
		s += len;
		if (*s == ',')
			s++;	/* a comma at the end is harmless and common */
	}
	if (o && !n)
		return fail(p, "%s=: empty", key);
	return n;
}

static int opt_floats(struct parser *p, const char *key, float *ret, int cap)
{
	const struct opt *o = find(p, key);
	const char *s;
	int n = 0;

	for (s = o ? o->val : ""; *s;) {
		size_t len = strcspn(s, ",");

		if (n == cap)
			return fail(p, "%s=: more than %d entries", key, cap);
		if (!parse_float(s, s + len, &ret[n]))
			return fail(p, "%s=: entry %d is not a number", key, n + 1);
		n++;
		s += len;
		if (*s == ',')
			s++;
	}
	return n;
}

/* Options that would change the result and that are not supported, unless "harmless". */
static int refuse(struct parser *p, const char *const *keys)
{
	for (; *keys; keys += 2) {
		const struct opt *o = find(p, keys[0]);

		if (o && strcmp(o->val, keys[1]))
			return fail(p, "%s=%s is not supported", keys[0], o->val);
	}
	return 0;
}

static int opt_act(struct parser *p, const char *def, enum cb_nn_type type, enum cb_nn_act *ret)
{
	static const struct { const char *name; enum cb_nn_act act; } acts[] = {
		{ "linear", CB_NN_LINEAR }, { "leaky", CB_NN_LEAKY }, { "relu", CB_NN_RELU },
		{ "relu6", CB_NN_RELU6 }, { "logistic", CB_NN_LOGISTIC }, { "mish", CB_NN_MISH },
		{ "swish", CB_NN_SWISH }, { "tanh", CB_NN_TANH }, { "elu", CB_NN_ELU },
		{ "selu", CB_NN_SELU }, { "gelu", CB_NN_GELU }, { "relie", CB_NN_RELIE },
		{ "ramp", CB_NN_RAMP }, { "loggy", CB_NN_LOGGY }, { "hardtan", CB_NN_HARDTAN },
		{ "lhtan", CB_NN_LHTAN }, { "plse", CB_NN_PLSE }, { "stair", CB_NN_STAIR },
		{ "revleaky", CB_NN_LEAKY }, { "hard_mish", CB_NN_HARD_MISH },
		{ "normalize_channels", CB_NN_NORM_CHAN },
		{ "normalize_channels_softmax", CB_NN_NORM_CHAN_SOFTMAX },
		{ "normalize_channels_softmax_maxval", CB_NN_NORM_CHAN_SOFTMAX_MAX },
	};
	const struct opt *o = find(p, "activation");
	const char *name = o ? o->val : def;

	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		/* over channels: after a convolution only, as in darknet */
		if (!strcmp(name, acts[i].name) &&
		    (cb_nn_act_is_plain(acts[i].act) || type == CB_NN_CONV)) {
			*ret = acts[i].act;
			return 0;
		}
	}
	return fail(p, "activation=%s is not supported", name);
}

/* One word of a list. Returns its number, or -1. */
static int opt_word(struct parser *p, const char *key, const char *const *words)
{
	const struct opt *o = find(p, key);

	for (int i = 0; words[i]; i++)
		if (!strcmp(o ? o->val : words[0], words[i]))
			return i;
	return fail(p, "%s=%s is not supported", key, o->val);
}

/* Our number of the layer that v means: relative below zero, and before this one. */
static int layer_at(struct parser *p, const char *key, int v)
{
	int at = v < 0 ? p->sections + v : v;

	if (at < 0 || at >= p->sections)
		return fail(p, "%s=%d: no such layer before layer %d", key, v, p->sections);
	/* darknet takes its output for one of the size before the blur */
	if (p->blurred[at])
		return fail(p, "%s=%d: a layer with antialiasing is not supported here", key, v);
	return p->at[at];
}

/* The layers that "from" and "layers" mean. */
static int opt_layers(struct parser *p, const char *key, int cap, struct cb_nn_layer *l)
{
	l->nfrom = opt_ints(p, key, -CB_NN_LAYERS_MAX, CB_NN_LAYERS_MAX, l->from, cap);
	if (l->nfrom < 0)
		return -1;
	if (!l->nfrom)
		return fail(p, "no %s=", key);
	for (int i = 0; i < l->nfrom; i++) {
		l->from[i] = layer_at(p, key, l->from[i]);
		if (l->from[i] < 0)
			return -1;
	}
	return 0;
}

/* antialiasing=1 or 2: the layer runs without its stride, a blur takes it. */
static int opt_blur(struct parser *p, struct cb_nn_layer *l)
{
	if (opt_u32(p, "antialiasing", 0, 0, 2, &p->blur))
		return -1;
	if (p->blur) {
		p->blur_x = l->stride_x;
		p->blur_y = l->stride_y;
		l->stride_x = l->stride_y = 1;
	}
	return 0;
}

/* --- layers: options to shape ------------------------------------------------------------ */

/* share_index: the weights, and the normalisation, of an earlier convolution. */
static int conv_share(struct parser *p, struct cb_nn_layer *l)
{
	const struct cb_nn_layer *s;
	int64_t v;
	int at;

	if (!find(p, "share_index"))
		return 0;
	if (opt_int(p, "share_index", 0, -CB_NN_LAYERS_MAX, CB_NN_LAYERS_MAX, &v))
		return -1;
	at = layer_at(p, "share_index", (int)v);
	if (at < 0)
		return -1;
	s = &p->g->layer[at];
	if (s->type != CB_NN_CONV || s->size != l->size || s->ic != l->ic || s->c != l->c ||
	    s->groups != l->groups)
		return fail(p, "share_index=%d: no convolution of this size, groups and channels", (int)v);
	l->share = s->share >= 0 ? s->share : at;
	l->bn = s->bn;
	return 0;
}

static int layer_conv(struct parser *p, struct cb_nn_layer *l)
{
	static const char *const no[] = {
		"binary", "0", "xnor", "0", "flipped", "0", "sway", "0", "rotate", "0", "stretch", "0",
		"stretch_sway", "0", "coordconv", "0", "reverse", "0", "numload", "0",
		"dontloadscales", "0", "dontload", "0", NULL,
	};
	uint32_t stride, pad, padding, eff;
	bool cbn;

	if (refuse(p, no) ||
	    opt_u32(p, "filters", 1, 1, CB_NN_CHANNELS_MAX, &l->c) ||
	    opt_u32(p, "size", 1, 1, 64, &l->size) ||
	    opt_u32(p, "stride", 1, 1, 64, &stride) ||
	    opt_u32(p, "stride_x", stride, 1, 64, &l->stride_x) ||
	    opt_u32(p, "stride_y", stride, 1, 64, &l->stride_y) ||
	    opt_u32(p, "dilation", 1, 1, 64, &l->dilation) ||
	    opt_u32(p, "pad", 0, 0, 64, &pad) ||
	    opt_u32(p, "padding", 0, 0, 64, &padding) ||
	    opt_u32(p, "groups", 1, 1, CB_NN_CHANNELS_MAX, &l->groups) ||
	    opt_bool(p, "batch_normalize", &l->bn) || opt_bool(p, "cbn", &cbn) ||
	    opt_act(p, "logistic", l->type, &l->act) || opt_blur(p, l))
		return -1;
	/* cbn is another way to train, not to run */
	l->bn |= cbn;
	if (l->size == 1)
		l->dilation = 1;
	l->pad = (pad ? l->size / 2 : padding) * l->dilation;
	eff = (l->size - 1) * l->dilation + 1;
	find(p, "groups");
	if (l->ic % l->groups || l->c % l->groups)
		return fail(p, "groups=%u does not divide %u input and %u output channels",
			    l->groups, l->ic, l->c);
	find(p, "padding");
	if (l->pad >= eff && l->pad)
		return fail(p, "padding=%u with size=%u is not supported", l->pad, l->size);
	find(p, "dilation");
	if (l->dilation > 1 && 2 * l->pad + 1 != eff)
		return fail(p, "dilation=%u without pad=1 and an odd size is not supported",
			    l->dilation);
	p->line = p->s->line;
	if (l->iw + 2 * l->pad < eff || l->ih + 2 * l->pad < eff)
		return fail(p, "size=%u is larger than the input, %ux%u", l->size, l->iw, l->ih);
	l->w = (l->iw + 2 * l->pad - eff) / l->stride_x + 1;
	l->h = (l->ih + 2 * l->pad - eff) / l->stride_y + 1;
	if (conv_share(p, l))
		return -1;
	l->weights = l->share >= 0 ? 0 : (uint64_t)l->ic / l->groups * l->c * l->size * l->size +
		(l->bn ? 4 : 1) * (uint64_t)l->c;
	p->macs += (uint64_t)l->ic / l->groups * l->c * l->size * l->size * l->w * l->h;
	return 0;
}

static int layer_connected(struct parser *p, struct cb_nn_layer *l)
{
	static const char *const no[] = { "dontload", "0", "dontloadscales", "0", NULL };
	uint64_t in = (uint64_t)l->ic * l->ih * l->iw;

	if (refuse(p, no) || opt_u32(p, "output", 1, 1, CB_NN_CHANNELS_MAX, &l->c) ||
	    opt_bool(p, "batch_normalize", &l->bn) || opt_act(p, "logistic", l->type, &l->act))
		return -1;
	l->w = l->h = 1;
	l->groups = 1;
	l->weights = in * l->c + (l->bn ? 4 : 1) * (uint64_t)l->c;
	p->macs += in * l->c;
	return 0;
}

static int layer_activation(struct parser *p, struct cb_nn_layer *l)
{
	return opt_act(p, "linear", l->type, &l->act);
}

static int layer_batchnorm(struct parser *p, struct cb_nn_layer *l)
{
	static const char *const no[] = { "dontload", "0", NULL };

	l->weights = 4 * (uint64_t)l->c;
	return refuse(p, no);
}

/* The middle of the picture; unless noadjust, 0..1 becomes -1..1. */
static int layer_crop(struct parser *p, struct cb_nn_layer *l)
{
	bool noadjust;

	if (opt_u32(p, "crop_width", 1, 1, l->iw, &l->w) ||
	    opt_u32(p, "crop_height", 1, 1, l->ih, &l->h) || opt_bool(p, "noadjust", &noadjust))
		return -1;
	l->alpha = noadjust ? 1 : 2;
	l->beta = noadjust ? 0 : -1;
	return 0;
}

/* Window and shape of maxpool and local_avgpool. */
static int pool(struct parser *p, struct cb_nn_layer *l)
{
	uint32_t stride;

	if (opt_u32(p, "stride", 1, 1, 64, &stride) ||
	    opt_u32(p, "stride_x", stride, 1, 64, &l->stride_x) ||
	    opt_u32(p, "stride_y", stride, 1, 64, &l->stride_y) ||
	    opt_u32(p, "size", stride, 1, 64, &l->size) ||
	    opt_u32(p, "padding", l->size - 1, 0, 2 * (l->size - 1), &l->pad) ||
	    (l->type == CB_NN_MAXPOOL && opt_blur(p, l)))
		return -1;
	p->line = p->s->line;
	if (l->iw + l->pad < l->size || l->ih + l->pad < l->size)
		return fail(p, "size=%u is larger than the input, %ux%u", l->size, l->iw, l->ih);
	l->w = (l->iw + l->pad - l->size) / l->stride_x + 1;
	l->h = (l->ih + l->pad - l->size) / l->stride_y + 1;
	p->macs += (uint64_t)l->c * l->w * l->h * l->size * l->size;
	return 0;
}

static int layer_maxpool(struct parser *p, struct cb_nn_layer *l)
{
	static const char *const no[] = { "maxpool_zero_nonmax", "0", NULL };
	static const char *const depth_no[] = { "antialiasing", "0", NULL };
	bool depth;

	if (refuse(p, no) || opt_bool(p, "maxpool_depth", &depth))
		return -1;
	if (!depth)
		return pool(p, l);
	l->type = CB_NN_MAXDEPTH;
	return refuse(p, depth_no) || opt_u32(p, "out_channels", 1, 1, l->ic, &l->c) ? -1 : 0;
}

static int layer_avgpool(struct parser *p, struct cb_nn_layer *l)
{
	(void)p;
	l->w = l->h = 1;
	return 0;
}

static int layer_route(struct parser *p, struct cb_nn_layer *l)
{
	uint64_t c = 0;

	if (opt_layers(p, "layers", CB_NN_FROM_MAX, l))
		return -1;
	for (int i = 0; i < l->nfrom; i++) {
		const struct cb_nn_layer *f = &p->g->layer[l->from[i]];

		if (!i) {
			l->w = f->w;
			l->h = f->h;
		} else if (f->w != l->w || f->h != l->h) {
			return fail(p, "layers=: layer %d is %ux%u, layer %d is %ux%u", l->from[0],
				    l->w, l->h, l->from[i], f->w, f->h);
		}
		c += f->c;
	}
	if (opt_u32(p, "groups", 1, 1, CB_NN_CHANNELS_MAX, &l->groups) ||
	    opt_u32(p, "group_id", 0, 0, l->groups - 1, &l->group_id))
		return -1;
	for (int i = 0; i < l->nfrom; i++)
		if (p->g->layer[l->from[i]].c % l->groups)
			return fail(p, "groups=%u does not divide the %u channels of layer %d",
				    l->groups, p->g->layer[l->from[i]].c, l->from[i]);
	if (c / l->groups > CB_NN_CHANNELS_MAX)
		return fail(p, "%llu channels", (unsigned long long)(c / l->groups));
	l->c = (uint32_t)(c / l->groups);
	return 0;
}

static int layer_shortcut(struct parser *p, struct cb_nn_layer *l)
{
	/* per_layer and avg_relu are older names */
	static const char *const types[] = { "none", "per_feature", "per_channel", "per_layer", NULL };
	static const char *const norms[] = { "none", "relu", "softmax", "avg_relu", NULL };
	int mix = opt_word(p, "weights_type", types), norm = opt_word(p, "weights_normalization", norms);

	if (mix < 0 || norm < 0)
		return -1;
	l->mix = mix == 3 ? CB_NN_MIX_INPUT : (enum cb_nn_mix)mix;
	l->mix_norm = norm == 3 ? CB_NN_MIX_RELU : (enum cb_nn_mix_norm)norm;
	if (opt_layers(p, "from", CB_NN_FROM_MAX, l) ||
	    opt_act(p, "linear", l->type, &l->act) ||
	    opt_float(p, "alpha", 1, &l->alpha) || opt_float(p, "beta", 1, &l->beta))
		return -1;
	find(p, "from");
	for (int i = 0; i < l->nfrom; i++) {
		const struct cb_nn_layer *f = &p->g->layer[l->from[i]];
		uint32_t down = f->w / l->w, up = l->w / f->w;

		/* darknet strides over the larger of the two; both sides must agree */
		if (f->h / l->h != down || l->h / f->h != up ||
		    (down ? l->w * down != f->w || l->h * down != f->h :
			    f->w * up != l->w || f->h * up != l->h))
			return fail(p, "from=%d: %ux%u does not fit %ux%u", l->from[i], f->w, f->h,
				    l->w, l->h);
	}
	if ((l->nfrom > 1 || l->mix) && (l->alpha != 1 || l->beta != 1))
		return fail(p, "alpha and beta with several layers or weights are not supported");
	if (!l->mix)
		return 0;
	find(p, "weights_type");
	for (int i = 0; i < l->nfrom; i++)
		if (p->g->layer[l->from[i]].w != l->w || p->g->layer[l->from[i]].h != l->h)
			return fail(p, "weights need layers of one size");
	l->weights = (l->nfrom + 1) * (uint64_t)(l->mix == CB_NN_MIX_CHANNEL ? l->c : 1);
	return 0;
}

static int layer_upsample(struct parser *p, struct cb_nn_layer *l)
{
	if (opt_u32(p, "stride", 2, 1, 64, &l->stride_x) || opt_float(p, "scale", 1, &l->scale))
		return -1;
	l->stride_y = l->stride_x;
	l->w = l->iw * l->stride_x;
	l->h = l->ih * l->stride_y;
	return 0;
}

static int layer_reorg(struct parser *p, struct cb_nn_layer *l)
{
	static const char *const no[] = { "reverse", "0", "flatten", "0", "extra", "0", NULL };
	uint32_t s;

	if (refuse(p, no) || opt_u32(p, "stride", 1, 1, 64, &s))
		return -1;
	if (l->iw % s || l->ih % s || (l->type == CB_NN_REORG && l->ic % (s * s)) || (uint64_t)l->ic * s * s > CB_NN_CHANNELS_MAX)
		return fail(p, "stride=%u does not fit %ux%ux%u", s, l->iw, l->ih, l->ic);
	l->stride_x = l->stride_y = s;
	l->c = l->ic * s * s;
	l->w = l->iw / s;
	l->h = l->ih / s;
	return 0;
}

static int layer_scale_channels(struct parser *p, struct cb_nn_layer *l)
{
	const struct cb_nn_layer *f;

	if (opt_layers(p, "from", 1, l) || opt_bool(p, "scale_wh", &l->scale_wh) ||
	    opt_act(p, "linear", l->type, &l->act))
		return -1;
	f = &p->g->layer[l->from[0]];
	find(p, "from");
	if (l->scale_wh ? l->ic != 1 || l->iw != f->w || l->ih != f->h :
			  l->ic != f->c || l->iw != 1 || l->ih != 1)
		return fail(p, "from=%d: %ux%ux%u cannot scale %ux%ux%u", l->from[0], l->iw, l->ih,
			    l->ic, f->w, f->h, f->c);
	l->c = f->c;
	l->h = f->h;
	l->w = f->w;
	return 0;
}

static int layer_sam(struct parser *p, struct cb_nn_layer *l)
{
	const struct cb_nn_layer *f;

	if (opt_layers(p, "from", 1, l) || opt_act(p, "linear", l->type, &l->act))
		return -1;
	f = &p->g->layer[l->from[0]];
	find(p, "from");
	if (l->ic != f->c || l->iw != f->w || l->ih != f->h)
		return fail(p, "from=%d: %ux%ux%u cannot scale %ux%ux%u", l->from[0], l->iw, l->ih,
			    l->ic, f->w, f->h, f->c);
	return 0;
}

static int layer_softmax(struct parser *p, struct cb_nn_layer *l)
{
	static const char *const no[] = { "tree", "", "spatial", "0", NULL };
	uint64_t in = (uint64_t)l->ic * l->ih * l->iw;

	if (refuse(p, no) || opt_u32(p, "groups", 1, 1, CB_NN_CHANNELS_MAX, &l->groups) ||
	    opt_float(p, "temperature", 1, &l->temperature))
		return -1;
	if (in % l->groups)
		return fail(p, "groups=%u does not divide %llu values", l->groups,
			    (unsigned long long)in);
	if (!(l->temperature > 0))
		return fail(p, "temperature must be above 0");
	return 0;
}

static int layer_pass(struct parser *p, struct cb_nn_layer *l)
{
	(void)p;
	(void)l;
	return 0;
}

static int anchors(struct parser *p, struct cb_nn_layer *l, const int *mask, uint32_t total)
{
	float all[2 * CB_NN_ANCHORS_MAX];
	int n = opt_floats(p, "anchors", all, 2 * CB_NN_ANCHORS_MAX);

	if (n < 0)
		return -1;
	if (n && (uint32_t)n < 2 * total)
		return fail(p, "anchors=: %d numbers, 2 for each of %u boxes are needed", n, total);
	for (uint32_t i = 0; i < l->n; i++)
		for (int k = 0; k < 2; k++)
			l->anchor[2 * i + k] = n ? all[2 * mask[i] + k] : .5f;
	return 0;
}

static int detector(struct parser *p, const struct cb_nn_layer *l)
{
	uint64_t want = (uint64_t)l->n * (l->classes + l->coords + 1);

	p->line = p->s->line;
	if (want != l->ic)
		return fail(p, "%u channels come in, %llu are needed for %u boxes of %u classes",
			    l->ic, (unsigned long long)want, l->n, l->classes);
	if (p->g->classes && p->g->classes != l->classes)
		return fail(p, "classes=%u, but an earlier layer has %u", l->classes, p->g->classes);
	p->g->classes = l->classes;
	return 0;
}

static int layer_yolo(struct parser *p, struct cb_nn_layer *l)
{
	static const char *const no[] = { "map", "", NULL };
	int mask[CB_NN_ANCHORS_MAX], n;
	uint32_t total;

	if (refuse(p, no) || opt_u32(p, "classes", 20, 1, CB_NN_CHANNELS_MAX, &l->classes) ||
	    opt_u32(p, "num", 1, 1, CB_NN_ANCHORS_MAX, &total) ||
	    (l->type == CB_NN_YOLO && opt_bool(p, "new_coords", &l->new_coords)) ||
	    opt_float(p, "scale_x_y", 1, &l->scale_x_y))
		return -1;
	n = opt_ints(p, "mask", 0, total - 1, mask, CB_NN_ANCHORS_MAX);
	if (n < 0)
		return -1;
	for (; !n || (n < (int)total && !find(p, "mask")); n++)
		mask[n] = n;
	l->n = (uint32_t)n;
	l->coords = l->type == CB_NN_GAUSSIAN ? 8 : 4;
	return anchors(p, l, mask, total) || detector(p, l) ? -1 : 0;
}

static int layer_gaussian(struct parser *p, struct cb_nn_layer *l)
{
	static const char *const points[] = { "center", "left_top", "right_bottom", NULL };
	int point = opt_word(p, "yolo_point", points);

	if (point < 0)
		return -1;
	l->point = (enum cb_nn_point)point;
	return layer_yolo(p, l);
}

static int layer_region(struct parser *p, struct cb_nn_layer *l)
{
	static const char *const no[] = { "tree", "", "map", "", NULL };
	int mask[CB_NN_ANCHORS_MAX];

	if (refuse(p, no) || opt_u32(p, "classes", 20, 1, CB_NN_CHANNELS_MAX, &l->classes) ||
	    opt_u32(p, "coords", 4, 4, 256, &l->coords) ||
	    opt_u32(p, "num", 1, 1, CB_NN_ANCHORS_MAX, &l->n) ||
	    opt_bool(p, "softmax", &l->softmax) || opt_bool(p, "background", &l->background))
		return -1;
	for (uint32_t i = 0; i < l->n; i++)
		mask[i] = (int)i;
	return anchors(p, l, mask, l->n) || detector(p, l) ? -1 : 0;
}

static const struct kind {
	const char *section;
	enum cb_nn_type type;
	int (*parse)(struct parser *p, struct cb_nn_layer *l);
} kinds[] = {
	{ "[convolutional]", CB_NN_CONV, layer_conv },
	{ "[conv]", CB_NN_CONV, layer_conv },
	{ "[connected]", CB_NN_CONNECTED, layer_connected },
	{ "[conn]", CB_NN_CONNECTED, layer_connected },
	{ "[activation]", CB_NN_ACTIVATION, layer_activation },
	{ "[batchnorm]", CB_NN_BATCHNORM, layer_batchnorm },
	{ "[crop]", CB_NN_CROP, layer_crop },
	{ "[local_avgpool]", CB_NN_LOCAL_AVGPOOL, pool },
	{ "[local_avg]", CB_NN_LOCAL_AVGPOOL, pool },
	{ "[maxpool]", CB_NN_MAXPOOL, layer_maxpool },
	{ "[max]", CB_NN_MAXPOOL, layer_maxpool },
	{ "[avgpool]", CB_NN_AVGPOOL, layer_avgpool },
	{ "[avg]", CB_NN_AVGPOOL, layer_avgpool },
	{ "[route]", CB_NN_ROUTE, layer_route },
	{ "[shortcut]", CB_NN_SHORTCUT, layer_shortcut },
	{ "[upsample]", CB_NN_UPSAMPLE, layer_upsample },
	{ "[reorg]", CB_NN_REORG, layer_reorg },
	{ "[reorg3d]", CB_NN_REORG3D, layer_reorg },
	{ "[sam]", CB_NN_SAM, layer_sam },
	{ "[scale_channels]", CB_NN_SCALE_CHANNELS, layer_scale_channels },
	{ "[softmax]", CB_NN_SOFTMAX, layer_softmax },
	{ "[soft]", CB_NN_SOFTMAX, layer_softmax },
	{ "[dropout]", CB_NN_PASS, layer_pass },
	{ "[cost]", CB_NN_PASS, layer_pass },
	{ "[contrastive]", CB_NN_PASS, layer_pass },
	{ "[empty]", CB_NN_PASS, layer_pass },
	{ "[silence]", CB_NN_PASS, layer_pass },
	{ "[yolo]", CB_NN_YOLO, layer_yolo },
	{ "[Gaussian_yolo]", CB_NN_GAUSSIAN, layer_gaussian },
	{ "[region]", CB_NN_REGION, layer_region },
};

static int section_net(struct parser *p)
{
	struct cb_nn_graph *g = p->g;

	if (opt_u32(p, "width", p->width ? p->width : 0, 1, CB_NN_SIDE_MAX, &g->w) ||
	    opt_u32(p, "height", p->height ? p->height : 0, 1, CB_NN_SIDE_MAX, &g->h) ||
	    opt_u32(p, "channels", 0, 1, CB_NN_CHANNELS_MAX, &g->c))
		return -1;
	if (p->width)
		g->w = p->width;
	if (p->height)
		g->h = p->height;
	p->line = p->s->line;
	if (g->w > CB_NN_SIDE_MAX || g->h > CB_NN_SIDE_MAX ||
	    (uint64_t)g->c * g->h * g->w > CB_NN_FLOATS_MAX)
		return fail(p, "an input of %ux%ux%u is too large", g->w, g->h, g->c);
	return 0;
}

/* A new layer behind the last, as large as it. */
static struct cb_nn_layer *layer_new(struct parser *p, enum cb_nn_type type, const char *name)
{
	struct cb_nn_graph *g = p->g;
	struct cb_nn_layer *l = &g->layer[g->n], *before = g->n ? l - 1 : NULL;

	if (g->n == CB_NN_LAYERS_MAX) {
		fail(p, "more than %d layers", CB_NN_LAYERS_MAX);
		return NULL;
	}
	*l = (struct cb_nn_layer){
		.type = type, .name = name, .line = p->s->line,
		.ic = before ? before->c : g->c,
		.ih = before ? before->h : g->h,
		.iw = before ? before->w : g->w,
		.groups = 1, .dilation = 1, .share = -1, .alpha = 1, .beta = 1, .scale = 1,
		.scale_x_y = 1, .temperature = 1,
	};
	l->c = l->ic;
	l->h = l->ih;
	l->w = l->iw;
	return l;
}

/* Take it in, within the bounds. */
static int layer_done(struct parser *p, const struct cb_nn_layer *l)
{
	struct cb_nn_graph *g = p->g;

	p->line = p->s->line;
	if (l->w > CB_NN_SIDE_MAX || l->h > CB_NN_SIDE_MAX || l->c > CB_NN_CHANNELS_MAX ||
	    (uint64_t)l->c * l->h * l->w > CB_NN_FLOATS_MAX)
		return fail(p, "an output of %ux%ux%u is too large", l->w, l->h, l->c);
	g->weights += l->weights;
	if (g->weights > CB_NN_BYTES_MAX / sizeof(float))
		return fail(p, "more than %llu MiB of weights",
			    (unsigned long long)(CB_NN_BYTES_MAX >> 20));
	/* what plain code does with a value takes as long as so many multiplications in vectors */
	p->macs += 256 * (uint64_t)l->c * l->h * l->w * (1 + (uint64_t)l->nfrom);
	if (p->macs > CB_NN_MACS_MAX)
		return fail(p, "more than %llu multiplications for a picture",
			    (unsigned long long)CB_NN_MACS_MAX);
	g->n++;
	return 0;
}

/* The weights 1 2 1 in both directions with one zero around, or the mean of 2 x 2. */
static int layer_blur(struct parser *p, const char *name)
{
	struct cb_nn_layer *l = layer_new(p, CB_NN_BLUR, name);

	if (!l)
		return -1;
	l->size = p->blur == 2 ? 2 : 3;
	l->pad = p->blur == 2 ? 0 : 1;
	l->stride_x = p->blur_x;
	l->stride_y = p->blur_y;
	find(p, "antialiasing");
	if (l->iw + 2 * l->pad < l->size || l->ih + 2 * l->pad < l->size)
		return fail(p, "antialiasing=%u: %ux%u is too small", p->blur, l->iw, l->ih);
	l->w = (l->iw + 2 * l->pad - l->size) / l->stride_x + 1;
	l->h = (l->ih + 2 * l->pad - l->size) / l->stride_y + 1;
	return layer_done(p, l);
}

static int section_layer(struct parser *p)
{
	const struct kind *k = NULL;
	struct cb_nn_layer *l;

	p->line = p->s->line;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !k; i++)
		if (!strcmp(p->s->type, kinds[i].section))
			k = &kinds[i];
	if (!k)
		return fail(p, "no such layer type, or one that is not supported");
	p->blur = 0;
	l = layer_new(p, k->type, k->section);
	if (!l || k->parse(p, l) || layer_done(p, l) || (p->blur && layer_blur(p, k->section)))
		return -1;
	p->blurred[p->sections] = p->blur;
	p->at[p->sections++] = p->g->n - 1;
	return 0;
}

/* --- the file ------------------------------------------------------------------------------ */

/* Remove all blanks, as darknet does, and what follows '#' in a value. */
static void squeeze(char *s)
{
	char *out = s;

	for (; *s && *s != '\n'; s++)
		if (!isspace((unsigned char)*s))
			*out++ = *s;
	*out = 0;
}

static int finish(struct parser *p, struct section *s, bool *net_seen)
{
	int rc;

	if (!s->line)
		return 0;
	p->s = s;
	if (!*net_seen) {
		p->line = s->line;
		if (strcmp(s->type, "[net]") && strcmp(s->type, "[network]"))
			return fail(p, "the first section must be [net]");
		*net_seen = true;
		rc = section_net(p);
	} else {
		rc = section_layer(p);
	}
	return rc;
}

static int parse_lines(struct parser *p, char *text, struct section *s)
{
	bool net_seen = false;
	uint32_t line = 0;

	s->line = 0;
	s->n = 0;
	for (char *next, *at = text; at; at = next) {
		char *eq;

		next = strchr(at, '\n');
		if (next)
			*next++ = 0;
		line++;
		squeeze(at);
		if (!*at || *at == '#' || *at == ';')
			continue;
		p->s = s;
		p->line = line;
		if (*at == '[') {
			at[strcspn(at, "#;")] = 0;
			if (finish(p, s, &net_seen))
				return -1;
			s->n = 0;
			s->line = p->line = line;
			if (strlen(at) >= sizeof(s->type) || at[strlen(at) - 1] != ']') {
				strcpy(s->type, "[...]");
				return fail(p, "not a section name");
			}
			strcpy(s->type, at);
			continue;
		}
		if (!s->line)
			return cb_err_set(p->err, CB_E_DATA, "line %u: an option before any section",
					  line);
		eq = strchr(at, '=');
		if (!eq || eq == at)
			return fail(p, "not key=value");
		*eq++ = 0;
		eq[strcspn(eq, "#")] = 0;
		if (strlen(eq) > VALUE_MAX)
			return fail(p, "%s=: too long", at);
		if (s->n == OPTS_MAX)
			return fail(p, "more than %d options", OPTS_MAX);
		s->opt[s->n++] = (struct opt){ at, eq, line };
	}
	if (finish(p, s, &net_seen))
		return -1;
	if (!net_seen)
		return cb_err_set(p->err, CB_E_DATA, "no [net] section: not a darknet cfg");
	if (!p->g->n)
		return cb_err_set(p->err, CB_E_DATA, "no layers");
	return 0;
}

int cb_nn_graph_parse(struct cb_nn_graph *ret, const char *text, size_t len,
		      uint32_t width, uint32_t height, struct cb_err *err)
{
	struct cb_nn_graph g = { 0 };
	struct parser p = { .g = &g, .width = width, .height = height, .err = err };
	struct section *s = NULL;
	size_t layers = 0;
	char *copy = NULL;
	int rc = -1;

	if (len > CB_NN_CFG_MAX)
		return cb_err_set(err, CB_E_DATA, "larger than %u bytes: not a cfg", CB_NN_CFG_MAX);
	if (memchr(text, 0, len))
		return cb_err_set(err, CB_E_DATA, "a NUL byte: not a cfg");
	for (size_t i = 0; i < len; i++)
		layers += text[i] == '[';
	layers *= 2;	/* with antialiasing */
	if (layers > CB_NN_LAYERS_MAX)
		layers = CB_NN_LAYERS_MAX;
	copy = malloc(len + 1);
	s = malloc(sizeof(*s));
	g.layer = calloc(layers + 1, sizeof(*g.layer));
	if (!copy || !s || !g.layer) {
		cb_err_nomem(err);
		goto out;
	}
	memcpy(copy, text, len);
	copy[len] = 0;
	if (parse_lines(&p, copy, s))
		goto out;
	*ret = g;
	g.layer = NULL;
	rc = 0;
out:
	free(g.layer);
	free(s);
	free(copy);
	return rc;
}

void cb_nn_graph_release(struct cb_nn_graph *g)
{
	free(g->layer);
	*g = (struct cb_nn_graph){ 0 };
}
