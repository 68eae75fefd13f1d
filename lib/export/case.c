/* SPDX-License-Identifier: Apache-2.0 */
/* case.json, segments.ndjson and the playlist. */
#include "export/case.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/num.h"
#include "base/time.h"
#include "wire/json.h"

static int64_t us(int64_t ns)
{
	return ns / CB_NS_PER_US - (ns % CB_NS_PER_US < 0);
}

void cb_case_name(char out[static CB_BUNDLE_NAME], enum cb_case_name what, const struct cb_clip_part *p)
{
	static const char *const form[] = {
		[CB_CASE_CLIP] = "clip/%s.mp4", [CB_CASE_MANIFEST] = "manifests/%s.manifest",
		[CB_CASE_ENTRY] = "proofs/%s.entry", [CB_CASE_PROOF] = "proofs/%s.tlog-proof",
		[CB_CASE_SALTS] = "salts/%s.salts",
	};
	const char *at = strchr(form[what], '%');

	snprintf(out, CB_BUNDLE_NAME, "%.*s%s%s", (int)(at - form[what]), form[what], p->seg.name, at + 2);
}

void cb_case_signature(char out[static CB_BUNDLE_NAME], size_t i, const char *suffix)
{
	if (i)
		snprintf(out, CB_BUNDLE_NAME, "SHA256SUMS.%zu.%s", i + 1, suffix);
	else
		snprintf(out, CB_BUNDLE_NAME, "SHA256SUMS.%s", suffix);
}

/* --- case.json and segments.ndjson ---------------------------------------------------------------------------------- */

static void put_time(struct cb_jw *w, const char *key, const char *key_us, int64_t ns)
{
	char text[CB_TIME_LEN];

	cb_time_format_us(text, us(ns));
	cb_jw_kstr(w, key, text);
	cb_jw_ki64(w, key_us, us(ns));
}

/* Text of foreign origin as it may be shown: whoever reads it with jq -r has a terminal too. */
static void put_foreign(struct cb_jw *w, const char *key, const char *s)
{
	size_t n = strlen(s);
	char *safe = malloc(n * 3 + 1);

	cb_jw_key(w, key);
	if (!safe) {
		w->failed = true;
		return;
	}
	cb_jw_strn(w, safe, cb_text_safe(safe, n * 3 + 1, s, n, false));
	free(safe);
}

static void put_part(struct cb_jw *w, const struct cb_clip_part *p, const struct cb_proved *proof)
{
	char path[CB_SEGMENT_PATH], hex[CB_SHA256_HEX], name[CB_BUNDLE_NAME];
	size_t n;

	cb_jw_obj(w);
	cb_segment_path(path, &p->seg);
	n = strlen(path);
	if (n > 5 && strcmp(path + n - 5, ".part") == 0)
		path[n - 5] = '\0';
	cb_jw_kstr(w, "segment", path);
	cb_jw_kstr(w, "state", p->sealed ? "sealed" : "open");
	cb_case_name(name, CB_CASE_CLIP, p);
	cb_jw_kstr(w, "clip", name);
	cb_case_name(name, CB_CASE_MANIFEST, p);
	cb_jw_kstr(w, "manifest", name);
	if (p->encrypted) {
		cb_case_name(name, CB_CASE_SALTS, p);
		cb_jw_kstr(w, "salts", name);
	}
	if (p->sealed) {
		cb_hex(hex, p->digest, CB_SHA256_LEN);
		cb_jw_kstr(w, "manifest_sha256", hex);
	}
	cb_jw_ki64(w, "first", p->first);
	cb_jw_ki64(w, "last", p->last);
	cb_jw_ki64(w, "fragments", p->fragments);
	cb_jw_ku64(w, "bytes", p->bytes);
	put_time(w, "from", "from_us", p->from_ns);
	put_time(w, "to", "to_us", p->to_ns);
	cb_jw_ki64(w, "segment_start_us", us(p->seg.start_ns));
	cb_jw_kbool(w, "keyframe", p->key);
	if (p->leading)
		cb_jw_ki64(w, "undecodable", p->leading);
	cb_jw_kstr(w, "recording", p->seg.recording);
	cb_jw_ki64(w, "index", p->seg.index);
	put_foreign(w, "producer", p->producer);
	put_foreign(w, "recorder", p->recorder);
	if (proof->yes) {
		cb_case_name(name, CB_CASE_ENTRY, p);
		cb_jw_kstr(w, "entry", name);
		cb_case_name(name, CB_CASE_PROOF, p);
		cb_jw_kstr(w, "proof", name);
		cb_jw_ku64(w, "log_index", proof->index);
	} else {
		cb_jw_kstr(w, "unproved", proof->why);
	}
	cb_jw_obj_end(w);
}

/* A run as its cb.run event states it. */
static int put_run(struct cb_jw *w, const struct cb_gathered_run *r, struct cb_json *j, struct cb_err *err)
{
	static const char *const keys[] = { "tool", "version", "model", "model_sha256", "config_sha256", "isa",
					    "libraries" };
	uint32_t data, tok;

	cb_jw_obj(w);
	put_foreign(w, "run", r->id);
	if (r->line) {
		if (cb_json_parse(j, r->line, r->len, err) < 0)
			return -1;
		data = cb_json_get(j, 0, "data");
		for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
			const struct cb_json_tok *t;

			tok = cb_json_get(j, data, keys[i]);
			if (tok == CB_JSON_NONE)
				continue;
			t = &j->tok[tok];
			cb_jw_key(w, keys[i]);
			if (t->type == CB_JSON_STRING)
				cb_jw_raw(w, j->text + t->start - 1, t->end - t->start + 2);
			else
				cb_jw_raw(w, j->text + t->start, t->end - t->start);
		}
	}
	cb_jw_obj_end(w);
	return 0;
}

int cb_case_segments(struct cb_buf *b, const struct cb_case *c, struct cb_err *err)
{
	struct cb_jw w;

	for (size_t i = 0; i < c->clip->n; i++) {
		cb_jw_init(&w, b);
		put_part(&w, &c->clip->v[i], &c->proof[i]);
		if (cb_jw_done(&w, err) < 0)
			return -1;
		if (cb_buf_byte(b, '\n') < 0)
			return cb_err_nomem(err);
	}
	return 0;
}

int cb_case_json(struct cb_buf *b, const struct cb_case *c, struct cb_err *err)
{
	struct cb_json *j = malloc(sizeof(*j));
	struct cb_jw w;
	int ret = -1;

	if (!j)
		return cb_err_nomem(err);
	cb_jw_init(&w, b);
	cb_jw_obj(&w);
	cb_jw_ki64(&w, "bundle", 1);
	cb_jw_kstr(&w, "camera", c->camera);
	if (c->purpose)
		put_foreign(&w, "purpose", c->purpose);
	if (c->by)
		put_foreign(&w, "by", c->by);
	put_time(&w, "exported", "exported_us", c->now_ns);
	cb_jw_kstr(&w, "exporter", "cb-export " CB_VERSION);
	cb_jw_key(&w, "asked");
	cb_jw_obj(&w);
	if (c->asked_from != INT64_MIN)
		put_time(&w, "from", "from_us", c->asked_from);
	if (c->asked_to != INT64_MAX)
		put_time(&w, "to", "to_us", c->asked_to);
	cb_jw_obj_end(&w);
	cb_jw_key(&w, "given");
	cb_jw_obj(&w);
	put_time(&w, "from", "from_us", c->clip->from_ns);
	put_time(&w, "to", "to_us", c->clip->to_ns);
	cb_jw_obj_end(&w);
	cb_jw_ku64(&w, "segments", c->clip->n);
	cb_jw_ku64(&w, "events", c->seen->n_events);
	cb_jw_ku64(&w, "gaps", c->seen->n_gaps);
	cb_jw_key(&w, "runs");
	cb_jw_arr(&w);
	for (size_t i = 0; i < c->seen->n_run; i++)
		if (c->seen->run[i].used && put_run(&w, &c->seen->run[i], j, err) < 0)
			goto out;
	cb_jw_arr_end(&w);
	cb_jw_key(&w, "keys");
	cb_jw_arr(&w);
	for (size_t i = 0; i < c->keys; i++)
		cb_jw_str(&w, c->key[i]);
	cb_jw_arr_end(&w);
	if (c->log->checkpoint) {
		cb_jw_key(&w, "log");
		cb_jw_obj(&w);
		put_foreign(&w, "origin", c->log->origin);
		cb_jw_ku64(&w, "size", c->log->size);
		cb_jw_obj_end(&w);
	}
	cb_jw_obj_end(&w);
	ret = cb_jw_done(&w, err);
	if (ret == 0 && cb_buf_byte(b, '\n') < 0)
		ret = cb_err_nomem(err);
out:
	free(j);
	return ret;
}

/* --- the playlist --------------------------------------------------------------------------------- */

int cb_case_playlist(struct cb_buf *b, const struct cb_clip *clip, struct cb_err *err)
{
	int64_t longest = 1;
	int bad = 0;

	for (size_t i = 0; i < clip->n; i++) {
		int64_t s = (clip->v[i].to_ns - clip->v[i].from_ns) / CB_NS_PER_S + 1;

		longest = s > longest ? s : longest;
	}
	bad |= cb_buf_printf(b, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:%" PRId64 "\n"
			     "#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n", longest);
	for (size_t i = 0; i < clip->n; i++) {
		const struct cb_clip_part *p = &clip->v[i];
		int64_t ms = (p->to_ns - p->from_ns) / 1000000;
		char name[CB_BUNDLE_NAME], t[CB_TIME_LEN];

		cb_case_name(name, CB_CASE_CLIP, p);
		cb_time_format_us(t, us(p->from_ns));
		bad |= cb_buf_printf(b, "%s#EXT-X-PROGRAM-DATE-TIME:%.23sZ\n"
				     "#EXT-X-MAP:URI=\"%s\",BYTERANGE=\"%" PRIu64 "@0\"\n#EXTINF:%" PRId64 ".%03" PRId64 ",\n"
				     "#EXT-X-BYTERANGE:%" PRIu64 "@%" PRIu64 "\n%s\n", i ? "#EXT-X-DISCONTINUITY\n" : "", t,
				     name, p->init_bytes, ms / 1000, ms % 1000, p->bytes - p->init_bytes,
				     p->init_bytes, name);
	}
	bad |= cb_buf_str(b, "#EXT-X-ENDLIST\n");
	return bad ? cb_err_nomem(err) : 0;
}
