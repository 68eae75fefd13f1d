/* SPDX-License-Identifier: Apache-2.0 */
/* The run's identity: canonical texts, digests, and the keys of cb.run. */
#include "detect/ident.h"

#include <string.h>

#include "base/num.h"
#include "media/scale.h"

int cb_ident_config(struct cb_buf *out, const struct cb_detect_opts *o, const struct cb_model *model)
{
	const struct cb_model_opts *m = &o->objects;
	int r = cb_buf_str(out, "cb-detect 1\n");

	if (o->stream < 0)
		r |= cb_buf_str(out, "stream first\n");
	else
		r |= cb_buf_printf(out, "stream %d\n", o->stream);
	switch (o->pick.mode) {
	case CB_PICK_EVERY:
		r |= cb_buf_printf(out, "every %llu\n", (unsigned long long)o->pick.every);
		break;
	case CB_PICK_FPS:
		r |= cb_buf_printf(out, "fps %u/%u\n", o->pick.fps_num, o->pick.fps_den);
		break;
	case CB_PICK_KEYFRAMES:
		r |= cb_buf_str(out, "keyframes\n");
		break;
	}
	r |= cb_buf_printf(out, "motion %d\n", CB_MOTION_SIDE);
	if (o->health)
		r |= cb_buf_printf(out, "health 1 %lld\n", (long long)o->frozen_us);
	for (int i = 0; i < o->regions; i++) {
		r |= cb_buf_str(out, "region ");
		r |= cb_region_text(&o->region[i], out);
		r |= cb_buf_str(out, "\n");
	}
	if (!model)
		return r ? -1 : 0;
	r |= cb_buf_printf(out, "names %s\nthreshold %d\nnms %d\nresize %s\n",
			   cb_model_names_digest(model), m->threshold, m->nms,
			   m->resize == CB_RESIZE_LETTERBOX ? "letterbox" : "stretch");
	if (m->classes)
		r |= cb_buf_printf(out, "classes %s\n", m->classes);
	if (o->gate)
		r |= cb_buf_str(out, "gate motion\n");
	if (m->backend == CB_BACKEND_DARKNET)
		r |= cb_buf_str(out, "backend darknet\n");
	return r ? -1 : 0;
}

int cb_ident_make(struct cb_ident *ret, const struct cb_detect_opts *o, const struct cb_model *model,
		  struct cb_err *err)
{
	struct cb_buf b = { 0 };
	struct cb_ident id = { .libraries = model ? 3 : 2 };
	uint8_t digest[CB_SHA256_LEN];
	char hex[CB_SHA256_HEX];
	int r;

	id.library[0] = cb_decoder_library_version();
	id.library[1] = cb_scaler_library_version();
	if (model)
		id.library[2] = cb_model_library_version(model);
	if (cb_ident_config(&b, o, model) < 0)
		goto nomem;
	cb_sha256(digest, b.data, b.len);
	cb_hex(id.config, digest, sizeof digest);

	cb_buf_drop(&b, b.len);
	r = cb_buf_printf(&b, "%s %s\nconfig %s\n", o->tool, o->version, id.config);
	if (model)
		r |= cb_buf_printf(&b, "model %s\nisa %s\n", cb_model_digest(model), cb_model_isa(model));
	for (int i = 0; i < id.libraries; i++)
		r |= cb_buf_printf(&b, "%s\n", id.library[i]);
	if (r)
		goto nomem;
	cb_sha256(digest, b.data, b.len);
	cb_hex(hex, digest, sizeof digest);
	memcpy(id.run, hex, CB_RUN_LEN - 1);
	cb_buf_release(&b);
	*ret = id;
	return 0;
nomem:
	cb_buf_release(&b);
	return cb_err_nomem(err);
}

void cb_ident_write(struct cb_jw *w, const struct cb_ident *id, const struct cb_detect_opts *o,
		    const struct cb_model *model)
{
	cb_jw_kstr(w, "tool", o->tool);
	cb_jw_kstr(w, "version", o->version);
	cb_jw_kstr(w, "run", id->run);
	if (model) {
		const char *base = strrchr(o->objects.cfg, '/');

		cb_jw_kstr(w, "model", base ? base + 1 : o->objects.cfg);
		cb_jw_kstr(w, "model_sha256", cb_model_digest(model));
		cb_jw_kstr(w, "isa", cb_model_isa(model));
	}
	cb_jw_kstr(w, "config_sha256", id->config);
	cb_jw_key(w, "libraries");
	cb_jw_obj(w);
	for (int i = 0; i < id->libraries; i++) {
		const char *name = id->library[i];
		size_t n = strcspn(name, " ");
		char key[32];

		if (n >= sizeof key)
			n = sizeof key - 1;
		memcpy(key, name, n);
		key[n] = 0;
		cb_jw_kstr(w, key, name[n] ? name + n + 1 : "");
	}
	cb_jw_obj_end(w);
}
