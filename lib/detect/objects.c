/* SPDX-License-Identifier: Apache-2.0 */
/* The model's files, its input picture, and what its boxes say about the whole picture. */
#include "detect/objects.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/num.h"
#include "detect/known.h"
#include "media/fit.h"
#include "nn/darknet.h"
#include "nn/pack.h"

#define NAMES_BYTES (1u << 20)
#define NAME_MAX_BYTES 100
#define CANDIDATES 4096

struct cb_model {
	const struct cb_model_opts *o;
	const struct cb_model *of;	/* whose names these are, or NULL */
	struct cb_net *net;	/* or */
	struct cb_darknet *dk;
	char *names_text;
	char **name;
	bool *wanted;		/* NULL: every class */
	int classes;
	bool in_memory;		/* all files were read before, names too */
	char digest[CB_SHA256_HEX], names_digest[CB_SHA256_HEX];
	uint32_t w, h;		/* of the net */
	bool bytes;		/* it takes bytes */
	struct cb_box *box;
	struct cb_object *object;
};

struct cb_prep {
	const struct cb_model *m;
	struct cb_fit *fit;
	uint32_t pic_w, pic_h;	/* what fit is for */
	struct cb_input at;	/* without planes: where such pictures go */
};

static void hash(void *ctx, const void *p, size_t n)
{
	cb_sha256_update(ctx, p, n);
}

/* The names' text: of the file, or of the model in one file. *ret_path is where they are. */
static int load_names(struct cb_model *m, char **ret_path, size_t *ret_len, struct cb_err *err)
{
	const char *packed = m->dk ? cb_darknet_names(m->dk, ret_len) : cb_net_names(m->net, ret_len);
	uint8_t *text;

	if (packed && m->o->names && !m->in_memory)
		return cb_err_set(err, CB_E_USAGE, "%s: a model in one file has its own names", m->o->cfg);
	*ret_path = packed ? strdup(m->o->cfg) : m->o->names ? strdup(m->o->names) :
		cb_net_sibling(m->o->cfg, ".names");
	if (!*ret_path)
		return cb_err_nomem(err);
	if (packed) {
		m->names_text = malloc(*ret_len + 1);
		if (!m->names_text)
			return cb_err_nomem(err);
		memcpy(m->names_text, packed, *ret_len + 1);
	} else {
		if (cb_file_read(*ret_path, NAMES_BYTES, &text, ret_len, err) < 0)
			return cb_err_prefix(err, "%s", *ret_path);
		m->names_text = (char *)text;
	}
	return 0;
}

static int parse_names(struct cb_model *m, const char *path, size_t len, struct cb_err *err)
{
	uint8_t digest[CB_SHA256_LEN];
	size_t lines = 0, line = 0;
	char *text = m->names_text;

	cb_sha256(digest, text, len);
	cb_hex(m->names_digest, digest, sizeof digest);
	if (memchr(text, 0, len))
		return cb_err_set(err, CB_E_DATA, "%s: not a list of names", path);
	while (len && (text[len - 1] == '\n' || text[len - 1] == '\r' || text[len - 1] == ' '))
		text[--len] = 0;
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	lines += len > 0;
	m->name = calloc(lines + 1, sizeof *m->name);
	if (!m->name)
		return cb_err_nomem(err);
	for (char *p = m->names_text, *end; line < lines; p = end + 1) {
		size_t n = strcspn(p, "\n");

		end = p + n;
		while (n && (p[n - 1] == '\r' || p[n - 1] == ' '))
			n--;
		if (!n || n > NAME_MAX_BYTES)
			return cb_err_set(err, CB_E_DATA, "%s: line %zu: %s", path, line + 1,
					  n ? "the name is too long" : "no name");
		*end = 0;
		p[n] = 0;
		m->name[line++] = p;
	}
	if (lines != (size_t)m->classes)
		return cb_err_set(err, CB_E_DATA, "%s: %zu names, but the model has %d classes", path,
				  lines, m->classes);
	return 0;
}

static int read_names(struct cb_model *m, struct cb_err *err)
{
	char *path = NULL;
	size_t len;
	int r = load_names(m, &path, &len, err);

	if (r == 0)
		r = parse_names(m, path, len, err);
	free(path);
	return r;
}

static int choose(struct cb_model *m, const char *list, struct cb_err *err)
{
	m->wanted = calloc((size_t)m->classes + 1, sizeof *m->wanted);
	if (!m->wanted)
		return cb_err_nomem(err);
	for (const char *p = list;; ) {
		size_t n = strcspn(p, ",");
		bool found = false;

		for (int c = 0; c < m->classes; c++)
			if (strlen(m->name[c]) == n && !memcmp(m->name[c], p, n))
				m->wanted[c] = found = true;
		if (!found)
			return cb_err_set(err, CB_E_USAGE, "--classes: the model knows no '%.*s'",
					  n > 100 ? 100 : (int)n, p);
		if (!p[n])
			return 0;
		p += n + 1;
	}
}

static int candidates(struct cb_model *m, struct cb_err *err)
{
	m->box = malloc(CANDIDATES * sizeof *m->box);
	m->object = malloc(CANDIDATES * sizeof *m->object);
	return m->box && m->object ? 0 : cb_err_nomem(err);
}

/* Is it one that may be used? */
static int check_listed(const struct cb_model_opts *o, const struct cb_pack *pack, struct cb_err *err)
{
	struct cb_known *known = NULL;
	char digest[CB_PACK_DIGEST];
	int r;

	if (cb_known_open(&known, o->list, o->list_key, err) < 0)
		return -1;
	cb_pack_digest(pack, digest);
	r = cb_known_check(known, digest, err);
	cb_known_free(known);
	return r < 0 ? cb_err_prefix(err, "%s", o->cfg) : 0;
}

/* A model that is in memory is hashed there. */
static void hash_pack(struct cb_sha256 *h, const struct cb_pack *p)
{
	if (p->file) {
		hash(h, p->file, p->file_bytes);
	} else {
		hash(h, p->cfg.p, p->cfg.n);
		hash(h, p->body.p, p->body.n);
	}
}

int cb_model_open(struct cb_model **ret, const struct cb_model_opts *o, struct cb_err *err)
{
	struct cb_sha256 h;
	/* what is hashed is what is used: the files are read once */
	struct cb_net_opts no = { .threads = 1, .isa = o->isa, .seen = hash, .ctx = &h };
	struct cb_darknet_opts dko = { .seen = hash, .ctx = &h, .say = o->say, .say_ctx = o->say_ctx,
				       .prints = o->prints };
	struct cb_pack own = { 0 };
	const char *weights;
	struct cb_model *m;
	uint8_t digest[CB_SHA256_LEN];
	uint32_t channels;
	int r = -1;

	m = calloc(1, sizeof *m);
	if (!m)
		return cb_err_nomem(err);
	m->o = o;
	cb_sha256_init(&h);
	no.pack = o->pack;
	/* verified first, then used: the same bytes */
	if (o->listed && !no.pack) {
		if (cb_pack_read_model(&own, o->cfg, o->weights, o->names, err) < 0)
			goto out;
		no.pack = &own;
	}
	if (o->listed && check_listed(o, no.pack, err) < 0)
		goto out;
	if (no.pack) {
		m->in_memory = true;
		hash_pack(&h, no.pack);
	}
	dko.pack = no.pack;
	weights = no.pack ? NULL : o->weights;
	if (o->backend == CB_BACKEND_DARKNET ? cb_darknet_open(&m->dk, o->cfg, weights, &dko, err) < 0 :
					       cb_net_open(&m->net, o->cfg, weights, &no, err) < 0)
		goto out;
	cb_sha256_final(&h, digest);
	cb_hex(m->digest, digest, sizeof digest);
	m->bytes = !m->dk && cb_net_input_bytes(m->net);
	m->w = m->dk ? cb_darknet_width(m->dk) : cb_net_width(m->net);
	m->h = m->dk ? cb_darknet_height(m->dk) : cb_net_height(m->net);
	m->classes = m->dk ? cb_darknet_classes(m->dk) : cb_net_classes(m->net);
	channels = m->dk ? cb_darknet_channels(m->dk) : cb_net_channels(m->net);
	if (channels != 3) {
		cb_err_set(err, CB_E_DATA, "%s: the model wants %u channels, not 3", o->cfg, channels);
		goto out;
	}
	if (m->classes < 1) {
		cb_err_set(err, CB_E_DATA, "%s: the model detects nothing: no [yolo] or [region] layer", o->cfg);
		goto out;
	}
	if (read_names(m, err) < 0 || (o->classes && choose(m, o->classes, err) < 0))
		goto out;
	if (candidates(m, err) < 0)
		goto out;
	*ret = m;
	m = NULL;
	r = 0;
out:
	cb_pack_release(&own);
	cb_model_free(m);
	return r;
}

int cb_model_share(struct cb_model **ret, struct cb_model *of, struct cb_err *err)
{
	struct cb_model *m;

	if (of->dk)
		return cb_err_set(err, CB_E_USAGE, "one thread is all that this backend has");
	m = malloc(sizeof *m);
	if (!m)
		return cb_err_nomem(err);
	*m = *of;
	m->of = of;
	m->net = NULL;
	m->box = NULL;
	m->object = NULL;
	if (cb_net_share(&m->net, of->net, err) < 0 || candidates(m, err) < 0) {
		cb_model_free(m);
		return -1;
	}
	*ret = m;
	return 0;
}

void cb_model_free(struct cb_model *m)
{
	if (!m)
		return;
	cb_net_free(m->net);
	cb_darknet_free(m->dk);
	if (!m->of) {
		free(m->names_text);
		free(m->name);
		free(m->wanted);
	}
	free(m->box);
	free(m->object);
	free(m);
}

/* --- pictures to inputs ------------------------------------------------------------------------ */

void cb_model_input(const struct cb_model *m, uint32_t width, uint32_t height, uint32_t *ret_w,
		    uint32_t *ret_h)
{
	uint32_t w = m->w, h = m->h;

	if (m->o->resize == CB_RESIZE_LETTERBOX && width && height) {
		if ((uint64_t)w * height < (uint64_t)h * width)
			h = (uint32_t)((uint64_t)height * w / width);
		else
			w = (uint32_t)((uint64_t)width * h / height);
	}
	*ret_w = w + !w;
	*ret_h = h + !h;
}

int cb_input_init(struct cb_input *in, const struct cb_model *m, struct cb_err *err)
{
	size_t n = (size_t)m->w * m->h * 3;

	*in = (struct cb_input){ 0 };
	if (m->bytes)
		in->packed = malloc(n);
	else
		in->planes = malloc(n * sizeof *in->planes);
	return in->planes || in->packed ? 0 : cb_err_nomem(err);
}

void cb_input_release(struct cb_input *in)
{
	free(in->planes);
	free(in->packed);
	in->planes = NULL;
	in->packed = NULL;
}

int cb_prep_new(struct cb_prep **ret, const struct cb_model *m, struct cb_err *err)
{
	struct cb_prep *p = calloc(1, sizeof *p);

	if (!p)
		return cb_err_nomem(err);
	p->m = m;
	*ret = p;
	return 0;
}

void cb_prep_free(struct cb_prep *p)
{
	if (!p)
		return;
	cb_fit_free(p->fit);
	free(p);
}

/* Where a picture of this size goes in the net's. */
static int place(struct cb_prep *p, const struct cb_picture *pic, struct cb_err *err)
{
	const struct cb_model *m = p->m;
	struct cb_input at = { .width = m->w, .height = m->h };

	if (p->fit && p->pic_w == pic->width && p->pic_h == pic->height)
		return 0;
	cb_fit_free(p->fit);
	p->fit = NULL;
	cb_model_input(m, pic->width, pic->height, &at.width, &at.height);
	at.x = (m->w - at.width) / 2;
	at.y = (m->h - at.height) / 2;
	p->at = at;
	p->pic_w = pic->width;
	p->pic_h = pic->height;
	return cb_fit_new(&p->fit, at.width, at.height, m->bytes ? CB_FIT_U8_PACKED : CB_FIT_FLOAT_PLANES, err);
}

int cb_prep_run(struct cb_prep *p, const struct cb_picture *pic, struct cb_input *ret, struct cb_err *err)
{
	size_t plane = (size_t)p->m->w * p->m->h, first;
	struct cb_input to = *ret;
	bool bars;

	if (place(p, pic, err) < 0)
		return -1;
	*ret = p->at;
	ret->planes = to.planes;
	ret->packed = to.packed;
	bars = p->at.width != p->m->w || p->at.height != p->m->h;
	first = (size_t)p->at.y * p->m->w + p->at.x;
	if (to.packed) {
		if (bars)
			memset(to.packed, 128, 3 * plane);
		return cb_fit_run(p->fit, pic, to.packed + 3 * first, 3 * (size_t)p->m->w, 0, err);
	}
	for (size_t i = 0; i < 3 * plane && bars; i++)
		to.planes[i] = 0.5f;
	return cb_fit_run(p->fit, pic, to.planes + first, p->m->w, plane, err);
}

/* --- inputs to objects ------------------------------------------------------------------------- */

/* A coordinate of the net's picture on the real one, 1/10000, kept to what fits. */
static int32_t unscale(float v, uint32_t size, uint32_t in, uint32_t off)
{
	double d = ((double)v * size - off) / in * CB_UNIT;

	return !(d > -100 * CB_UNIT) ? -100 * CB_UNIT : d > 100 * CB_UNIT ? 100 * CB_UNIT :
		(int32_t)floor(d + 0.5);
}

static int by_score(const void *a, const void *b)
{
	const struct cb_object *p = a, *q = b;

	if (p->score != q->score)
		return p->score < q->score ? 1 : -1;
	if (p->class_id != q->class_id)
		return p->class_id < q->class_id ? -1 : 1;
	if (p->box.y != q->box.y)
		return p->box.y < q->box.y ? -1 : 1;
	if (p->box.x != q->box.x)
		return p->box.x < q->box.x ? -1 : 1;
	if (p->box.h != q->box.h)
		return p->box.h < q->box.h ? -1 : 1;
	return p->box.w < q->box.w ? -1 : p->box.w > q->box.w;
}

static bool overlaps(const struct cb_ubox *a, const struct cb_ubox *b, int32_t nms)
{
	int64_t x0 = a->x > b->x ? a->x : b->x, y0 = a->y > b->y ? a->y : b->y;
	int64_t x1 = a->x + a->w < b->x + b->w ? a->x + a->w : b->x + b->w;
	int64_t y1 = a->y + a->h < b->y + b->h ? a->y + a->h : b->y + b->h;
	int64_t both;

	if (x1 <= x0 || y1 <= y0)
		return false;
	both = (x1 - x0) * (y1 - y0);
	return both * CB_UNIT > ((int64_t)a->w * a->h + (int64_t)b->w * b->h - both) * nms;
}

static int32_t clip(int32_t v)
{
	return v < 0 ? 0 : v > CB_UNIT ? CB_UNIT : v;
}

int cb_objects_suppress(struct cb_object *o, int n, int32_t nms)
{
	int kept = 0;

	qsort(o, (size_t)n, sizeof *o, by_score);
	for (int i = 0; i < n; i++) {
		bool drop = false;

		for (int k = 0; k < kept && nms && !drop; k++)
			drop = o[k].class_id == o[i].class_id && overlaps(&o[k].box, &o[i].box, nms);
		if (!drop)
			o[kept++] = o[i];
	}
	n = kept;
	kept = 0;
	for (int i = 0; i < n; i++) {
		struct cb_ubox *b = &o[i].box;
		int32_t x = clip(b->x), y = clip(b->y), w = clip(b->x + b->w) - x, h = clip(b->y + b->h) - y;

		if (w <= 0 || h <= 0)
			continue;
		*b = (struct cb_ubox){ x, y, w, h };
		o[kept++] = o[i];
	}
	return kept;
}

int cb_model_run(struct cb_model *m, const struct cb_input *in, struct cb_object ret[static CB_OBJECTS_MAX],
		 struct cb_err *err)
{
	int32_t threshold = m->o->floor ? m->o->floor : m->o->threshold;
	float least = (float)(threshold - 1) / CB_UNIT;
	int n, kept = 0;

	if (in->packed)
		memcpy(cb_net_input_bytes(m->net), in->packed, (size_t)m->w * m->h * 3);
	else
		memcpy(m->dk ? cb_darknet_input(m->dk) : cb_net_input(m->net), in->planes,
		       (size_t)m->w * m->h * 3 * sizeof *in->planes);
	/* all boxes: rounding comes before suppression */
	if (m->dk) {
		n = cb_darknet_run(m->dk, least < 0 ? 0 : least, m->box, CANDIDATES, err);
		if (n < 0)
			return -1;
	} else {
		if (cb_net_run(m->net, err) < 0)
			return -1;
		n = cb_net_boxes(m->net, least < 0 ? 0 : least, 0, m->box, CANDIDATES);
	}
	for (int i = 0; i < n; i++) {
		const struct cb_box *b = &m->box[i];
		struct cb_object o = { .class_id = b->class_id };

		if (b->class_id < 0 || b->class_id >= m->classes || (m->wanted && !m->wanted[b->class_id]))
			continue;
		o.score = (int32_t)floor((double)b->score * CB_UNIT + 0.5);
		if (!(b->score >= 0 && b->score <= 1) || o.score < threshold || !o.score)
			continue;
		o.box.x = unscale(b->x, m->w, in->width, in->x);
		o.box.y = unscale(b->y, m->h, in->height, in->y);
		o.box.w = unscale(b->x + b->w, m->w, in->width, in->x) - o.box.x;
		o.box.h = unscale(b->y + b->h, m->h, in->height, in->y) - o.box.y;
		m->object[kept++] = o;
	}
	n = cb_objects_suppress(m->object, kept, m->o->nms);
	kept = 0;
	for (int i = 0; i < n && kept < CB_OBJECTS_MAX; i++) {
		const struct cb_ubox *b = &m->object[i].box;

		if (cb_regions_have(m->o->region, m->o->regions, (2 * b->x + b->w) * 50, (2 * b->y + b->h) * 50))
			ret[kept++] = m->object[i];
	}
	return kept;
}

int cb_model_warm(struct cb_model *m, struct cb_err *err)
{
	struct cb_object *o = calloc(CB_OBJECTS_MAX, sizeof(*o));
	struct cb_input in = { 0 };
	int r = -1;

	if (!o)
		return cb_err_nomem(err);
	if (cb_input_init(&in, m, err) == 0) {
		if (in.packed)
			memset(in.packed, 0, (size_t)m->w * m->h * 3);
		else
			memset(in.planes, 0, (size_t)m->w * m->h * 3 * sizeof(*in.planes));
		r = cb_model_run(m, &in, o, err) < 0 ? -1 : 0;
	}
	cb_input_release(&in);
	free(o);
	return r;
}

struct cb_net *cb_model_net(struct cb_model *m)
{
	return m->net;
}

const char *cb_model_class(const struct cb_model *m, int class_id)
{
	return m->name[class_id];
}

const char *cb_model_isa(const struct cb_model *m)
{
	return m->dk ? "generic" : cb_net_isa(m->net);
}

const char *cb_model_library_version(const struct cb_model *m)
{
	return m->dk ? cb_darknet_library_version(m->dk) : cb_nn_library_version();
}

const char *cb_model_digest(const struct cb_model *m)
{
	return m->digest;
}

const char *cb_model_names_digest(const struct cb_model *m)
{
	return m->names_digest;
}
