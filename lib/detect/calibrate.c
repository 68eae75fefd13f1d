/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures for quantisation. */
#include "detect/calibrate.h"

#include <string.h>

#include "base/stop.h"
#include "media/decode.h"
#include "wire/frame.h"
#include "wire/json.h"

#define MADE_FOR "avx512_core_vnni"	/* what 8 bits need to be faster than float */

struct run {
	const struct cb_calibrate_opts *o;
	struct cb_quantizer *q;
	struct cb_prep *prep;
	struct cb_input in;
	struct cb_decoder *dec;
	int stream;		/* -1: not known yet */
	uint64_t seen;		/* pictures */
	unsigned taken;
};

static bool enough(const struct run *r)
{
	return r->taken >= r->o->pictures || cb_stop_wanted();
}

/* Take what the decoder has. */
static int pictures(struct run *r, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	struct cb_picture pic;
	int k;

	while (!enough(r) && (k = cb_decoder_next(r->dec, &pic, &why)) != 0) {
		if (k < 0 && why.code == CB_E_OS) {
			*err = why;
			return -1;
		}
		if (k < 0 || pic.corrupt || r->seen++ % r->o->every)
			continue;
		/* straight into the quantiser's input */
		r->in.planes = cb_quantizer_input(r->q);
		if (cb_prep_run(r->prep, &pic, &r->in, err) < 0 || cb_quantizer_add(r->q, err) < 0)
			return -1;
		r->taken++;
	}
	return 0;
}

static int drain(struct run *r, struct cb_err *err)
{
	if (!r->dec)
		return 0;
	cb_decoder_send(r->dec, NULL, NULL);
	return pictures(r, err);
}

static int on_stream(struct run *r, const struct cb_frame *f, struct cb_err *err)
{
	struct cb_stream s;

	if (cb_stream_parse(&s, f, err) < 0)
		return -1;
	if (r->stream < 0 && s.kind == CB_VIDEO)
		r->stream = f->stream;
	if (f->stream != r->stream)
		return 0;
	if (drain(r, err) < 0)
		return -1;
	cb_decoder_free(r->dec);
	r->dec = NULL;
	return cb_decoder_open(&r->dec, &s, err);
}

static int on_packet(struct run *r, const struct cb_frame *f, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	struct cb_packet p;

	if (f->stream != r->stream || !r->dec)
		return 0;
	if (cb_packet_parse(&p, f, err) < 0)
		return -1;
	/* a damaged packet gives no picture, or one that is marked */
	if (cb_decoder_send(r->dec, &p, &why) < 0 && why.code == CB_E_OS) {
		*err = why;
		return -1;
	}
	return pictures(r, err);
}

static int gather(struct run *r, int fd, struct cb_err *err)
{
	struct cb_reader in;
	struct cb_frame f;
	int k = 1, ret = -1;

	cb_reader_init(&in, fd);
	while (!enough(r) && (k = cb_reader_next(&in, &f, err)) > 0)
		if (f.type == CB_FRAME_STREAM ? on_stream(r, &f, err) < 0 :
		    f.type == CB_FRAME_PACKET && on_packet(r, &f, err) < 0)
			goto out;
	if (k < 0 || (!k && (cb_reader_finish(&in, err) < 0 || drain(r, err) < 0)))
		goto out;
	ret = r->taken ? 0 : cb_err_set(err, CB_E_DATA, "no pictures to calibrate with");
out:
	cb_reader_release(&in);
	return ret;
}

/* The new model, with what the old one says of where it comes from. */
static int make(struct cb_calibrated *c, const struct cb_pack *from, struct cb_err *err)
{
	struct cb_pack_source source;

	if (cb_quantizer_finish(c->q, &c->body, &c->json, err) < 0)
		return -1;
	if (cb_buf_byte(&c->json, 0) < 0)
		return cb_err_nomem(err);
	c->pack = (struct cb_pack){ .kind = CB_PACK_INT8, .isa = MADE_FOR, .names = from->names, .cfg = from->cfg,
				    .name_list = from->name_list, .body = { c->body.data, c->body.len } };
	cb_pack_source_get(from, &source);
	if (cb_pack_meta(&c->meta, &c->pack, &source, (const char *)c->json.data, err) < 0)
		return -1;
	c->pack.meta = (struct cb_pack_part){ c->meta.data, c->meta.len };
	return 0;
}

int cb_calibrate(struct cb_calibrated *ret, struct cb_inspect *m, int fd, const struct cb_calibrate_opts *o,
		 struct cb_err *err)
{
	struct run r = { .o = o, .stream = -1 };
	struct cb_calibrated c = { 0 };
	int rc = -1;

	if (m->pack.kind != CB_PACK_FLOAT)
		return cb_err_set(err, CB_E_DATA, "%s: is in 8 bits already", m->name);
	if (cb_quantizer_open(&c.q, &m->pack, &o->q, err) < 0 || cb_prep_new(&r.prep, m->model, err) < 0)
		goto out;
	r.q = c.q;
	if (gather(&r, fd, err) < 0 || make(&c, &m->pack, err) < 0)
		goto out;
	c.pictures = r.taken;
	*ret = c;
	rc = 0;
out:
	if (rc)
		cb_calibrated_release(&c);
	cb_decoder_free(r.dec);
	cb_prep_free(r.prep);
	return rc;
}

int cb_calibrated_layer(struct cb_buf *line, const char *name, const struct cb_quantize_layer *l,
			struct cb_err *err)
{
	struct cb_jw w;

	line->len = 0;
	cb_jw_init(&w, line);
	cb_jw_obj(&w);
	cb_jw_kstr(&w, "model", name);
	cb_jw_ki64(&w, "layer", l->layer);
	cb_jw_kbool(&w, "int8", l->int8);
	if (l->asked)
		cb_jw_kbool(&w, "asked", true);
	cb_jw_kfixed(&w, "error", l->error, 6);
	cb_jw_obj_end(&w);
	return cb_jw_done(&w, err);
}

int cb_calibrated_total(struct cb_buf *line, const struct cb_calibrated *c, const char *name, struct cb_err *err)
{
	const struct cb_quantize_layer *l;
	int n = cb_quantizer_layers(c->q, &l), int8 = 0;
	struct cb_jw w;

	for (int i = 0; i < n; i++)
		int8 += l[i].int8;
	line->len = 0;
	cb_jw_init(&w, line);
	cb_jw_obj(&w);
	cb_jw_kstr(&w, "model", name);
	cb_jw_ku64(&w, "pictures", c->pictures);
	cb_jw_ki64(&w, "int8", int8);
	cb_jw_ki64(&w, "float", n - int8);
	cb_jw_kfixed(&w, "error", cb_quantizer_error(c->q), 6);
	cb_jw_ku64(&w, "bytes", c->body.len);
	cb_jw_obj_end(&w);
	return cb_jw_done(&w, err);
}

void cb_calibrated_release(struct cb_calibrated *c)
{
	cb_quantizer_free(c->q);
	cb_buf_release(&c->body);
	cb_buf_release(&c->json);
	cb_buf_release(&c->meta);
	*c = (struct cb_calibrated){ 0 };
}
