/* SPDX-License-Identifier: Apache-2.0 */
/* Events of live sources; of metadata documents what notifications say, read by a scanner that
 * knows tags, attributes and text, and takes everything else as it comes. */
#include "rtsp/events.h"

#include <string.h>

#include "base/num.h"
#include "base/time.h"
#include "crypto/hash.h"
#include "wire/event.h"
#include "wire/json.h"

#define TEXT_MAX 255		/* bytes of a topic, a name, a value */
#define NOTES_BYTES 24000	/* that they may take of a line */

static void begin(struct cb_jw *w, struct cb_buf *out, const char *type, const char *camera, int64_t wall_ns,
		  const uint8_t digest[static CB_SHA256_LEN], int64_t pts, uint32_t index)
{
	char id[CB_EVENT_ID_LEN];

	cb_event_id(id, type, camera, digest, pts, "", index);
	cb_event_begin(w, out, "cb-ingest", type, camera, wall_ns, id);
}

int cb_rtsp_event_clock(struct cb_buf *out, const char *camera, uint16_t stream,
			const struct cb_clock_note *n, struct cb_err *err)
{
	static const uint8_t none[CB_SHA256_LEN];
	struct cb_jw w;

	begin(&w, out, "cb.clock", camera, n->wall_ns, none, n->wall_ns, (uint32_t)stream << 8 | n->what);
	cb_jw_ki64(&w, "stream", stream);
	cb_jw_kstr(&w, "what", cb_clock_what_name(n->what));
	cb_jw_kstr(&w, "state", cb_clock_state_name(n->state));
	if (n->what == CB_CLOCK_CAMERA_STEP || n->what == CB_CLOCK_LOCAL_STEP || n->what == CB_CLOCK_MEDIA_JUMP) {
		cb_jw_ki64(&w, "by_us", n->by_ns / CB_NS_PER_US);
	}
	if (n->state != CB_CLOCK_ARRIVAL) {
		cb_jw_ki64(&w, "camera_offset_us", n->offset_ns / CB_NS_PER_US);
	}
	if (n->have_drift) {
		cb_jw_kfixed(&w, "drift_ppm", n->drift_ppm, 1);
	}
	return cb_event_end(&w, err);
}

int cb_rtsp_event_oddity(struct cb_buf *out, const char *camera, int64_t wall_ns,
			 enum cb_oddity what, uint64_t total, struct cb_err *err)
{
	uint8_t digest[CB_SHA256_LEN];
	const char *name = cb_oddity_name(what);
	struct cb_jw w;

	cb_sha256(digest, name, strlen(name));
	begin(&w, out, "cb.stream.oddity", camera, wall_ns, digest, wall_ns, (uint32_t)(total & UINT32_MAX));
	cb_jw_kstr(&w, "oddity", name);
	cb_jw_ki64(&w, "count", total > INT64_C(9007199254740991) ? INT64_C(9007199254740991) : (int64_t)total);
	if (total > 1)
		cb_jw_kbool(&w, "total", true);
	cb_jw_kstr(&w, "text", cb_oddity_text(what));
	return cb_event_end(&w, err);
}

/* --- metadata ---------------------------------------------------------------------------------- */

struct span {
	const char *p;
	size_t n;
};

static bool is(struct span s, const char *name)
{
	return s.n == strlen(name) && memcmp(s.p, name, s.n) == 0;
}

/* A name without its prefix. */
static struct span local_name(struct span s)
{
	const char *c = s.n ? memchr(s.p, ':', s.n) : NULL;

	return c ? (struct span){ c + 1, s.n - (size_t)(c + 1 - s.p) } : s;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The value of an attribute in the inside of a tag; false where it has none. */
static bool attribute(struct span tag, const char *name, struct span *ret)
{
	size_t i = 0;

	while (i < tag.n) {
		struct span key, value;
		char quote;

		while (i < tag.n && (blank(tag.p[i]) || tag.p[i] == '/'))
			i++;
		key.p = tag.p + i;
		while (i < tag.n && tag.p[i] != '=' && !blank(tag.p[i]))
			i++;
		key.n = (size_t)(tag.p + i - key.p);
		while (i < tag.n && blank(tag.p[i]))
			i++;
		if (i >= tag.n || tag.p[i] != '=')
			continue;
		i++;
		while (i < tag.n && blank(tag.p[i]))
			i++;
		if (i >= tag.n || (tag.p[i] != '"' && tag.p[i] != '\''))
			return false;
		quote = tag.p[i++];
		value.p = tag.p + i;
		while (i < tag.n && tag.p[i] != quote)
			i++;
		value.n = (size_t)(tag.p + i - value.p);
		i++;
		if (is(local_name(key), name)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

/* Write with the five entities and character references resolved; what is none stays as it is. */
static void text(struct cb_jw *w, struct span s)
{
	static const struct { const char *name; char c; } entities[] = {
		{ "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' },
	};
	char out[TEXT_MAX];
	size_t n = 0;

	while (s.n && blank(*s.p))
		s.p++, s.n--;
	while (s.n && blank(s.p[s.n - 1]))
		s.n--;
	for (size_t i = 0; i < s.n && n < sizeof(out); n++) {
		size_t k;

		out[n] = s.p[i] ? s.p[i] : ' ';
		if (s.p[i++] != '&')
			continue;
		for (k = 0; k < 5; k++) {
			size_t len = strlen(entities[k].name);

			if (s.n - i + 1 >= len && memcmp(s.p + i - 1, entities[k].name, len) == 0) {
				out[n] = entities[k].c;
				i += len - 1;
				break;
			}
		}
	}
	while (n == sizeof(out) && n && (out[n - 1] & 0x80))	/* not in the middle of a character */
		n--;
	cb_jw_strn(w, out, n);
}

/* Where the scanner is, and what it has written. */
struct notes {
	struct cb_jw *w;
	size_t from;
	unsigned n;
	bool full, open, message, items;
	int group;		/* of groups: items go there; -1 none */
	unsigned had;		/* bit k: group k was begun in this one */
	struct span topic;
};

static const char *const groups[][2] = { { "Source", "source" }, { "Key", "key" }, { "Data", "data" } };

static void items_end(struct notes *t)
{
	if (t->items)
		cb_jw_arr_end(t->w);
	t->items = false;
}

static void note_end(struct notes *t)
{
	items_end(t);
	if (t->open)
		cb_jw_obj_end(t->w);
	t->open = false;
	t->group = -1;
	t->had = 0;
}

static void item(struct notes *t, struct span tag)
{
	struct span name, value;

	if (!t->open || t->group < 0 || t->full || !attribute(tag, "Name", &name) || !attribute(tag, "Value", &value))
		return;
	if (t->w->b->len - t->from > NOTES_BYTES) {
		t->full = true;
		return;
	}
	if (!t->items) {
		if (t->had >> t->group & 1)	/* a second one: no key stands twice */
			return;
		t->had |= 1u << t->group;
		cb_jw_key(t->w, groups[t->group][1]);
		cb_jw_arr(t->w);
		t->items = true;
	}
	cb_jw_arr(t->w);
	text(t->w, name);
	text(t->w, value);
	cb_jw_arr_end(t->w);
}

/* One opening or empty tag. */
static void element(struct notes *t, struct span name, struct span tag)
{
	struct span v;

	if (is(name, "Message") && attribute(tag, "UtcTime", &v)) {
		note_end(t);
		if (t->n == CB_METADATA_NOTES || t->w->b->len - t->from > NOTES_BYTES) {
			t->full = true;
			return;
		}
		t->n++;
		t->open = true;
		cb_jw_obj(t->w);
		if (t->topic.n) {
			cb_jw_key(t->w, "topic");
			text(t->w, t->topic);
		}
		cb_jw_key(t->w, "time");
		text(t->w, v);
		if (attribute(tag, "PropertyOperation", &v)) {
			cb_jw_key(t->w, "operation");
			text(t->w, v);
		}
		t->topic.n = 0;
	}
	for (int i = 0; i < 3; i++)
		if (is(name, groups[i][0])) {
			items_end(t);
			t->group = i;
		}
	if (is(name, "SimpleItem"))
		item(t, tag);
}

static void scan(struct notes *t, const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && !t->full) {
		const char *lt = memchr(p + i, '<', n - i), *gt;
		struct span name, tag;
		bool closing;

		if (!lt)
			break;
		i = (size_t)(lt - p) + 1;
		if (n - i >= 3 && memcmp(p + i, "!--", 3) == 0) {
			gt = memmem(p + i, n - i, "-->", 3);
			if (!gt)
				break;
			i = (size_t)(gt - p) + 3;
			continue;
		}
		gt = memchr(p + i, '>', n - i);
		if (!gt)
			break;
		closing = p[i] == '/';
		i += closing;
		name.p = tag.p = p + i;
		if (gt < name.p)
			continue;
		tag.n = (size_t)(gt - tag.p);
		for (name.n = 0; name.n < tag.n && !blank(name.p[name.n]) && name.p[name.n] != '/'; name.n++)
			;
		tag.p += name.n;
		tag.n -= name.n;
		name = local_name(name);
		i = (size_t)(gt - p) + 1;
		if (!closing) {
			element(t, name, tag);
			if (is(name, "Topic")) {
				const char *end = i < n ? memchr(p + i, '<', n - i) : NULL;

				t->topic = (struct span){ p + i, end ? (size_t)(end - p) - i : 0 };
			}
		} else if (is(name, "Message") || is(name, "NotificationMessage")) {
			note_end(t);
		}
	}
	note_end(t);
}

int cb_rtsp_event_metadata(struct cb_buf *out, const char *camera, uint16_t stream, int64_t wall_ns,
			   const struct cb_au *u, struct cb_err *err)
{
	uint8_t digest[CB_SHA256_LEN];
	char hex[2 * CB_SHA256_LEN + 1];
	struct cb_jw w, was;
	struct notes t;
	size_t len;

	cb_sha256(digest, u->data, u->len);
	cb_hex(hex, digest, sizeof(digest));
	begin(&w, out, "cb.camera.metadata", camera, wall_ns, digest, u->pts, stream);
	cb_jw_ki64(&w, "stream", stream);
	cb_jw_ki64(&w, "pts", u->pts);
	cb_jw_kstr(&w, "sha256", hex);
	cb_jw_ki64(&w, "bytes", u->len);
	if (u->flags & CB_F_CORRUPT) {
		cb_jw_kbool(&w, "damaged", true);
	}
	cb_jw_key(&w, "notifications");
	cb_jw_arr(&w);
	t = (struct notes){ .w = &w, .from = w.b->len, .group = -1 };
	scan(&t, (const char *)u->data, u->len);
	cb_jw_arr_end(&w);
	/* the whole of it where there is room */
	was = w;
	len = w.b->len;
	if (!w.failed && u->len < CB_EVENT_LINE_MAX && !memchr(u->data, 0, u->len)) {
		cb_jw_key(&w, "xml");
		cb_jw_strn(&w, (const char *)u->data, u->len);
		if (w.b->len + 8 > CB_EVENT_LINE_MAX) {
			w.b->len = len;
			w = was;
		}
	}
	return cb_event_end(&w, err);
}
