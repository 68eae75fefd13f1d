/* SPDX-License-Identifier: Apache-2.0 */
/* Findings and verdicts as events and as sentences. */
#include "verify/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/num.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "wire/event.h"

static const char *const kinds[] = { "log", "store", "bundle", "file", "proof" };
static const char *const found[] = { "false", "unchecked", "note" };

const char *cb_verdict_name(const struct cb_verified *r, bool failed)
{
	return r->findings ? "false" : failed || r->unchecked ? "unchecked" : "true";
}

enum cb_errc cb_verdict_code(const struct cb_verified *r)
{
	return r->findings ? CB_E_NO : r->unchecked ? CB_E_DATA : CB_OK;
}

static int64_t us(int64_t ns)
{
	return ns / CB_NS_PER_US - (ns % CB_NS_PER_US < 0);
}

/* --- events -------------------------------------------------------------------------------------- */

static void begin(struct cb_buf *line, struct cb_jw *w, const char *type, const char *camera, uint32_t n)
{
	int64_t now = cb_now_wall_ns();
	char id[CB_EVENT_ID_LEN];

	cb_event_id(id, type, camera, NULL, now, "", n);
	cb_event_begin(w, line, "cb-verify", type, camera, now, id);
}

/* JSON's integers are exact below 2^53. */
static void count(struct cb_jw *w, const char *key, uint64_t v)
{
	cb_jw_ku64(w, key, v >> 53 ? (UINT64_C(1) << 53) - 1 : v);
}

int cb_report_finding(struct cb_buf *line, uint32_t n, const char *path, const struct cb_finding *f,
		      struct cb_err *err)
{
	struct cb_jw w;

	begin(line, &w, "cb.verify.finding", f->camera ? f->camera : "", n);
	cb_jw_kstr(&w, "path", path);
	cb_jw_kstr(&w, "kind", found[f->kind]);
	cb_jw_kstr(&w, "code", f->code);
	if (f->path)
		cb_jw_kstr(&w, "file", f->path);
	if (f->byte >= 0)
		count(&w, "byte", (uint64_t)f->byte);
	if (f->fragment >= 0)
		count(&w, "fragment", (uint64_t)f->fragment);
	if (f->from_ns != INT64_MIN) {
		cb_jw_ki64(&w, "from_us", us(f->from_ns));
		cb_jw_ki64(&w, "to_us", us(f->to_ns));
	}
	if (f->entry != CB_NO_ENTRY) {
		count(&w, "entry", f->entry);
		count(&w, "entry_end", f->entry_end);
	}
	if (f->epoch >= 0)
		count(&w, "epoch", (uint64_t)f->epoch);
	if (f->recorded_us != INT64_MIN)
		cb_jw_ki64(&w, "recorded_us", f->recorded_us);
	cb_jw_kstr(&w, "text", f->text);
	return cb_event_end(&w, err);
}

int cb_report_verdict(struct cb_buf *line, uint32_t n, const char *path, const struct cb_verified *r,
		      const char *why, struct cb_err *err)
{
	char hex[CB_SHA256_HEX];
	struct cb_jw w;

	begin(line, &w, "cb.verify.checked", "", n);
	cb_jw_kstr(&w, "path", path);
	cb_jw_kstr(&w, "what", kinds[r->kind]);
	cb_jw_kstr(&w, "verdict", cb_verdict_name(r, why != NULL));
	if (why)
		cb_jw_kstr(&w, "text", why);
	count(&w, "findings", r->findings);
	count(&w, "unchecked", r->unchecked);
	count(&w, "bytes", r->bytes);
	if (r->kind == CB_VERIFIED_STORE || r->kind == CB_VERIFIED_BUNDLE) {
		count(&w, "segments", r->segments);
		count(&w, "open", r->open);
		count(&w, "fragments", r->fragments);
		count(&w, "logged", r->logged);
	}
	if (r->kind != CB_VERIFIED_LOG)
		count(&w, "files", r->files);
	if (r->entries)
		count(&w, "entries", r->entries);
	if (r->seals)
		count(&w, "seals", r->seals);
	if (r->signatures) {
		count(&w, "signatures", r->signatures);
		cb_jw_kstr(&w, "signers", r->signers);
	}
	if (r->has_log) {
		cb_hex(hex, r->log_root, CB_HASH_LEN);
		cb_jw_key(&w, "log");
		cb_jw_obj(&w);
		cb_jw_kstr(&w, "origin", r->origin);
		count(&w, "size", r->log_size);
		cb_jw_kstr(&w, "root", hex);
		count(&w, "witnesses", r->witnesses);
		if (r->witnesses) {
			count(&w, "witnessed_from_us", r->witnessed_from * 1000000);
			count(&w, "witnessed_to_us", r->witnessed_to * 1000000);
		}
		cb_jw_obj_end(&w);
	}
	return cb_event_end(&w, err);
}

/* --- sentences ----------------------------------------------------------------------------------- */

struct text {
	struct cb_buf *b;
	bool failed;
};

/* Names and reasons are foreign text: nothing in them steers a terminal or ends a line, wherever
 * it is written to. The format may end in a line feed. */
__attribute__((format(printf, 2, 3)))
static void put(struct text *t, const char *fmt, ...)
{
	bool ends = fmt[strlen(fmt) - 1] == '\n';
	char s[1400], safe[1400];
	size_t n;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s, sizeof(s), fmt, ap);
	va_end(ap);
	n = strlen(s);
	n -= n && ends && s[n - 1] == '\n';
	cb_text_safe(safe, sizeof(safe), s, n, false);
	t->failed |= cb_buf_str(t->b, safe) < 0 || (ends && cb_buf_byte(t->b, '\n') < 0);
}

static int done(const struct text *t, struct cb_err *err)
{
	return t->failed ? cb_err_nomem(err) : 0;
}

static void when(struct text *t, int64_t at_us)
{
	char s[CB_TIME_LEN];

	cb_time_format_us(s, at_us);
	put(t, "%s", s);
}

int cb_tell_finding(struct cb_buf *text, const char *path, const struct cb_finding *f, struct cb_err *err)
{
	static const char *const heads[] = { "FALSE", "NOT CHECKED", "note" };
	struct text t = { text, false };
	const char *sep = " (";

	text->len = 0;
	put(&t, "%s: %s: ", heads[f->kind], f->path ? f->path : path);
	if (f->camera && *f->camera)
		put(&t, "camera %s, ", f->camera);
	if (f->from_ns != INT64_MIN) {
		when(&t, us(f->from_ns));
		if (f->to_ns > f->from_ns) {
			put(&t, " to ");
			when(&t, us(f->to_ns));
		}
		put(&t, ": ");
	}
	put(&t, "%s", f->text);
	if (f->entry != CB_NO_ENTRY) {
		put(&t, "%sentr%s %" PRIu64, sep, f->entry_end > f->entry + 1 ? "ies" : "y", f->entry);
		if (f->entry_end > f->entry + 1)
			put(&t, " to %" PRIu64, f->entry_end - 1);
		sep = ", ";
	}
	if (f->recorded_us != INT64_MIN) {
		put(&t, "%srecorded ", sep);
		when(&t, f->recorded_us);
		sep = ", ";
	}
	if (f->byte >= 0) {
		put(&t, "%sbyte %" PRId64, sep, f->byte);
		sep = ", ";
	}
	put(&t, "%s[%s]\n", *sep == ',' ? ") " : " ", f->code);
	return done(&t, err);
}

static void counted(struct text *t, const char **sep, uint64_t n, const char *one, const char *many)
{
	if (!n)
		return;
	put(t, "%s%" PRIu64 " %s", *sep, n, n == 1 ? one : many);
	*sep = ", ";
}

int cb_tell_verdict(struct cb_buf *text, const char *path, const struct cb_verified *r, const char *why,
		    struct cb_err *err)
{
	struct text t = { text, false };
	const char *sep = "  read: ";
	char hex[CB_SHA256_HEX];

	text->len = 0;
	put(&t, "%s (%s): ", path, kinds[r->kind]);
	if (r->findings)
		put(&t, "FALSE. %" PRIu64 " thing%s not what %s should be.\n", r->findings, r->findings == 1 ? " is" : "s are",
		    r->findings == 1 ? "it" : "they");
	else if (why)
		put(&t, "NOT CHECKED. %s.\n", why);
	else if (r->unchecked)
		put(&t, "NOT ALL CHECKED. Nothing was found false; %" PRIu64 " thing%s could not be checked.\n", r->unchecked,
		    r->unchecked == 1 ? "" : "s");
	else
		put(&t, "TRUE. All of it was checked.\n");
	counted(&t, &sep, r->segments, "segment", "segments");
	counted(&t, &sep, r->fragments, "fragment", "fragments");
	counted(&t, &sep, r->entries, "log entry", "log entries");
	counted(&t, &sep, r->seals, "seal", "seals");
	if (r->kind != CB_VERIFIED_STORE)
		counted(&t, &sep, r->files, "file", "files");
	counted(&t, &sep, r->bytes, "byte", "bytes");
	if (*sep == ',')
		put(&t, "\n");
	if (r->signatures)
		put(&t, "  signed by: %s\n", r->signers);
	if (r->has_log) {
		cb_hex(hex, r->log_root, CB_HASH_LEN);
		put(&t, "  log: %s, %" PRIu64 " entries, root %s\n", r->origin, r->log_size, hex);
		if (r->witnesses) {
			put(&t, "  witnessed by %u, at ", r->witnesses);
			when(&t, (int64_t)(r->witnessed_from * 1000000));
			if (r->witnessed_to > r->witnessed_from) {
				put(&t, " to ");
				when(&t, (int64_t)(r->witnessed_to * 1000000));
			}
			put(&t, "\n");
		}
	}
	if ((r->kind == CB_VERIFIED_STORE || r->kind == CB_VERIFIED_BUNDLE) && r->segments) {
		if (r->has_log)
			put(&t, "  in that log: %" PRIu64 " of %" PRIu64 " segments\n", r->logged, r->segments);
		else if (r->kind == CB_VERIFIED_STORE)
			put(&t, "  compared with its own manifests only: without a log (--log) nobody vouches for these\n");
	}
	return done(&t, err);
}
