/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of RFC 5322. */
#include "deliver/mail.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/io.h"
#include "base/time.h"
#include "crypto/base64.h"

#define WORD_BYTES 36		/* 48 characters of base64, 12 around them, and "Subject: " */
#define SUBJECT_MAX 400
#define LINE_BYTES 57		/* 76 characters: RFC 2045, 6.8 */

int cb_mail_words(struct cb_buf *b, const char *text)
{
	char safe[SUBJECT_MAX + 1], out[CB_BASE64_SIZE(WORD_BYTES)];
	size_t n = cb_text_safe(safe, sizeof(safe), text, strlen(text), false), at = 0;

	while (at < n) {
		size_t k = n - at < WORD_BYTES ? n - at : WORD_BYTES;

		/* a word holds whole characters: RFC 2047, section 5 */
		while (at + k < n && k > 1 && ((uint8_t)safe[at + k] & 0xc0) == 0x80)
			k--;
		cb_base64(out, safe + at, k);
		if (cb_buf_printf(b, "%s=?UTF-8?B?%s?=", at ? "\r\n " : "", out) < 0)
			return -1;
		at += k;
	}
	return 0;
}

static int put_base64(struct cb_buf *b, const uint8_t *p, size_t n)
{
	char line[CB_BASE64_SIZE(LINE_BYTES)];

	for (size_t at = 0; at < n; at += LINE_BYTES) {
		size_t k = n - at < LINE_BYTES ? n - at : LINE_BYTES;

		k = cb_base64(line, p + at, k);
		line[k] = '\0';
		if (cb_buf_printf(b, "%s\r\n", line) < 0)
			return -1;
	}
	return 0;
}

static void date(char out[static 64], int64_t us)
{
	static const char *const day[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const month[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
					     "Oct", "Nov", "Dec" };
	time_t t = (time_t)(us / 1000000);
	struct tm tm;

	if (!gmtime_r(&t, &tm))
		memset(&tm, 0, sizeof(tm));
	snprintf(out, 64, "%s, %02d %s %04d %02d:%02d:%02d +0000", day[tm.tm_wday], tm.tm_mday, month[tm.tm_mon],
		 tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

int cb_mail_put(struct cb_outlet *o, struct cb_buf *b, const struct cb_spooled *note, struct cb_err *err)
{
	const struct cb_outlet_conf *c = o->conf;
	const struct cb_note_out *n = &note->note;
	bool thumb = c->thumbnail && n->jpeg;
	struct cb_buf text = { 0 };
	const char *subject = *n->title ? n->title : *n->text ? n->text : "alert";
	char when[64];
	int ret = -1;

	/* when it was put, so that the same mail is the same again at every try */
	date(when, note->put_us);
	cb_buf_printf(b, "Date: %s\r\nFrom: <%s>\r\nTo: ", when, c->from);
	for (uint32_t i = 0; i < c->to.n; i++)
		cb_buf_printf(b, "%s<%s>", i ? ",\r\n " : "", c->to.at[i]);
	/* the same id at every try: who gets it twice can tell */
	cb_buf_printf(b, "\r\nMessage-ID: <%s.%s@cb.invalid>\r\nSubject: ", n->id, c->name);
	cb_mail_words(b, subject);
	cb_buf_printf(b, "\r\nAuto-Submitted: auto-generated\r\nX-Cb-Alert: %s\r\nMIME-Version: 1.0\r\n", n->id);
	if (thumb)
		cb_buf_printf(b, "Content-Type: multipart/mixed; boundary=\"=_%s\"\r\n\r\n--=_%s\r\n", n->id, n->id);
	cb_buf_printf(b, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n");
	if (cb_body_put(o, &text, note, err) < 0)
		goto out;
	if (cb_buf_byte(&text, '\n') < 0 || put_base64(b, text.data, text.len) < 0)
		goto nomem;
	if (thumb) {
		cb_buf_printf(b, "--=_%s\r\nContent-Type: image/jpeg; name=\"%s.jpg\"\r\nContent-Disposition: inline; "
			      "filename=\"%s.jpg\"\r\nContent-Transfer-Encoding: base64\r\n\r\n", n->id, n->id, n->id);
		if (put_base64(b, n->jpeg, n->jpeg_len) < 0)
			goto nomem;
		cb_buf_printf(b, "--=_%s--\r\n", n->id);
	}
	if (cb_buf_reserve(b, 1) < 0)
		goto nomem;
	ret = 0;
out:
	cb_buf_release(&text);
	return ret;
nomem:
	cb_err_nomem(err);
	goto out;
}
