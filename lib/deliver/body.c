/* SPDX-License-Identifier: Apache-2.0 */
/* Notes as bodies: the event with what was added to it, or as a line of another language. */
#include "deliver/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"
#include "crypto/base64.h"
#include "wire/event.h"
#include "wire/siem.h"

const char *cb_body_type(enum cb_body format)
{
	static const char *const type[] = {
		[CB_BODY_CLOUDEVENTS] = "application/cloudevents+json; charset=utf-8",
		[CB_BODY_JSON] = "application/json",
		[CB_BODY_CEF] = "text/plain; charset=utf-8",
		[CB_BODY_LEEF] = "text/plain; charset=utf-8",
		[CB_BODY_OCSF] = "application/json",
		[CB_BODY_ECS] = "application/json",
		[CB_BODY_RFC5424] = "text/plain; charset=utf-8",
		[CB_BODY_TEXT] = "text/plain; charset=utf-8",
	};

	return type[format];
}

/* --- links -------------------------------------------------------------------------------------- */

/* Text as one word of a shell. */
static void quote(char *out, size_t cap, const char *s)
{
	size_t n = 0;

	if (*s && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-:") == strlen(s) &&
	    *s != '-') {
		snprintf(out, cap, "%s", s);
		return;
	}
	out[n++] = '\'';
	for (; *s && n + 6 < cap; s++) {
		if (*s == '\'') {
			memcpy(out + n, "'\\''", 4);
			n += 4;
		} else {
			out[n++] = *s;
		}
	}
	out[n++] = '\'';
	out[n] = '\0';
}

static void links(const struct cb_deliver_conf *all, const struct cb_note_out *n, const char *camera,
		  struct cb_links *r)
{
	char from[CB_TIME_LEN], to[CB_TIME_LEN], store[200], cam[160];
	int64_t t_us = n->t_us;

	*r = (struct cb_links){ "", "" };
	/* names of cameras in a store have no other characters: what has is none of its cameras */
	if (!all->store || !*camera || t_us == INT64_MIN ||
	    strspn(camera, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != strlen(camera) ||
	    strlen(camera) > 64 || *camera == '-' || strlen(all->store) > 180)
		return;
	cb_time_format_us(from, t_us - all->before_ns / 1000);
	cb_time_format_us(to, t_us + all->after_ns / 1000);
	quote(store, sizeof(store), all->store);
	quote(cam, sizeof(cam), camera);
	snprintf(r->replay, sizeof(r->replay), "cb-replay %s --camera %s --from %s --to %s", store, cam, from, to);
	snprintf(r->export, sizeof(r->export), "cb-export %s --camera %s --from %s --to %s -o %s.tar", store, cam, from,
		 to, n->id);
}

static void camera_of(const struct cb_event *ev, char *out, size_t cap)
{
	if (ev->subject == CB_JSON_NONE || cb_json_str(ev->json, ev->subject, out, cap) < 0)
		out[0] = '\0';
}

void cb_body_links(struct cb_outlet *o, const struct cb_spooled *note, struct cb_links *ret)
{
	struct cb_event ev;
	char camera[256] = "";

	if (!cb_event_parse(&ev, o->json, note->note.line, note->note.len, NULL))
		camera_of(&ev, camera, sizeof(camera));
	links(o->all, &note->note, camera, ret);
}

/* --- bodies ---------------------------------------------------------------------------------------- */

/* The event with "recording" and "thumbnail" at the end of its data. */
static int put_event(struct cb_outlet *o, struct cb_buf *b, const struct cb_spooled *note,
		     const struct cb_event *ev, struct cb_err *err)
{
	const struct cb_note_out *n = &note->note;
	const struct cb_json_tok *data = &ev->json->tok[ev->data];
	bool thumb = o->conf->thumbnail && n->jpeg;
	size_t cut = data->end - 1;
	char camera[256];
	struct cb_links l;
	struct cb_jw w;

	camera_of(ev, camera, sizeof(camera));
	links(o->all, n, camera, &l);
	if ((!*l.replay && !thumb) || n->line[cut] != '}')
		return cb_buf_add(b, n->line, n->len) < 0 ? cb_err_nomem(err) : 0;
	if (cb_buf_add(b, n->line, cut) < 0)
		return cb_err_nomem(err);
	cb_jw_init(&w, b);
	w.comma = data->size > 0;
	if (*l.replay) {
		cb_jw_key(&w, "recording");
		cb_jw_obj(&w);
		cb_jw_kstr(&w, "replay", l.replay);
		cb_jw_kstr(&w, "export", l.export);
		cb_jw_obj_end(&w);
	}
	if (thumb) {
		cb_jw_key(&w, "thumbnail");
		cb_jw_obj(&w);
		cb_jw_kstr(&w, "type", "image/jpeg");
		cb_jw_key(&w, "base64");
		cb_buf_byte(b, '"');
		if (cb_base64_put(b, n->jpeg, n->jpeg_len) < 0)
			return cb_err_nomem(err);
		cb_buf_byte(b, '"');
		w.comma = true;
		cb_jw_obj_end(&w);
	}
	if (cb_jw_done(&w, err) < 0)
		return -1;
	return cb_buf_add(b, n->line + cut, n->len - cut) < 0 ? cb_err_nomem(err) : 0;
}

static int put_text(struct cb_outlet *o, struct cb_buf *b, const struct cb_spooled *note)
{
	const struct cb_note_out *n = &note->note;
	struct cb_links l;

	cb_body_links(o, note, &l);
	cb_buf_str(b, *n->title ? n->title : *n->text ? n->text : n->id);
	if (*n->title && *n->text && strcmp(n->title, n->text) != 0)
		cb_buf_printf(b, "\n%s", n->text);
	if (*l.replay)
		cb_buf_printf(b, "\n%s\n%s", l.replay, l.export);
	return cb_buf_reserve(b, 1);
}

int cb_body_put(struct cb_outlet *o, struct cb_buf *b, const struct cb_spooled *note, struct cb_err *err)
{
	static const enum cb_siem siem[] = {
		[CB_BODY_CEF] = CB_SIEM_CEF, [CB_BODY_LEEF] = CB_SIEM_LEEF, [CB_BODY_OCSF] = CB_SIEM_OCSF,
		[CB_BODY_ECS] = CB_SIEM_ECS, [CB_BODY_RFC5424] = CB_SIEM_RFC5424,
	};
	struct cb_siem_about about = { .facility = o->conf->facility, .index = -1 };
	const struct cb_note_out *n = &note->note;
	struct cb_event ev;
	char host[256];

	if (o->conf->format == CB_BODY_TEXT)
		return put_text(o, b, note) < 0 ? cb_err_nomem(err) : 0;
	if (cb_event_parse(&ev, o->json, n->line, n->len, err) < 0)
		return cb_err_prefix(err, "alert %s", n->id);
	if (o->conf->format == CB_BODY_CLOUDEVENTS || o->conf->format == CB_BODY_JSON)
		return put_event(o, b, note, &ev, err);
	about.host = o->conf->hostname;
	if (!about.host && gethostname(host, sizeof(host)) == 0) {
		host[sizeof(host) - 1] = '\0';
		about.host = host;
	}
	return cb_siem_put(b, siem[o->conf->format], &ev, n->line, n->len, &about, err);
}

/* --- secrets ------------------------------------------------------------------------------------------ */

int cb_secret_read(const char *path, char **ret, struct cb_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char *buf = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "%s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		cb_err_set(err, CB_E_CONFIG, "%s: not a regular file", path);
	} else if (st.st_mode & 077) {
		cb_err_set(err, CB_E_PERM, "%s: others may read it: chmod 600", path);
	} else if (!(buf = calloc(1, 4098))) {
		cb_err_nomem(err);
	} else if ((n = read(fd, buf, 4097)) <= 0 || n > 4096 || memchr(buf, 0, (size_t)n)) {
		cb_err_set(err, CB_E_CONFIG, "%s: empty, too long, or not text", path);
		cb_secret_free(buf);
		buf = NULL;
	} else {
		while (n && (buf[n - 1] == '\n' || buf[n - 1] == '\r'))
			buf[--n] = '\0';
	}
	close(fd);
	if (!buf)
		return -1;
	*ret = buf;
	return 0;
}

void cb_secret_free(char *s)
{
	if (!s)
		return;
	explicit_bzero(s, 4098);
	free(s);
}
