/* SPDX-License-Identifier: Apache-2.0 */
/* Events and lines about signatures and files. */
#include "sign/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "crypto/hash.h"
#include "sign/inspect.h"
#include "wire/event.h"

void cb_sign_report_release(struct cb_sign_report *r)
{
	cb_buf_release(&r->line);
}

static void begin(struct cb_sign_report *r, struct cb_jw *w, const char *type, const char *path)
{
	int64_t now = cb_now_wall_ns();
	char id[CB_EVENT_ID_LEN];

	cb_event_id(id, type, "", NULL, now, path, r->n++);
	cb_event_begin(w, &r->line, "cb-sign", type, NULL, now, id);
	cb_jw_kstr(w, "path", path);
}

static int end(struct cb_sign_report *r, struct cb_jw *w, struct cb_err *err)
{
	if (cb_event_end(w, err) < 0)
		return -1;
	return cb_buf_byte(&r->line, '\n') < 0 ? cb_err_nomem(err) : cb_out_write(r->out, r->line.data, r->line.len, err);
}

/* A struct cb_verifying's each. */
static int say_signature(void *report, const struct cb_signature *s, struct cb_err *err)
{
	static const char *const verdict[] = { "true", "false", "other-key", "unchecked" };
	struct cb_sign_report *r = report;
	struct cb_jw w;

	if (r->text) {
		if (s->verdict != CB_SIG_TRUE)
			return cb_out_printf(r->out, err, "%s: %s: %s\n", s->path, s->signature, s->text);
		if (cb_out_printf(r->out, err, "%s: %s: true, by %s%s%s\n", s->path, s->signature, s->signer->from,
				  *s->key ? ", key " : "", s->key) < 0)
			return -1;
		return s->comment ? cb_out_printf(r->out, err, "  it says: %.*s\n", (int)s->comment_len, s->comment) : 0;
	}
	begin(r, &w, "cb.signature", s->path);
	cb_jw_kstr(&w, "signature", s->signature);
	if (s->verdict != CB_SIG_UNCHECKED)
		cb_jw_kstr(&w, "format", s->ssh ? "ssh" : "minisign");
	cb_jw_kstr(&w, "verdict", verdict[s->verdict]);
	if (*s->key)
		cb_jw_kstr(&w, "key", s->key);
	if (s->verdict == CB_SIG_TRUE)
		cb_jw_kstr(&w, "pub", s->signer->from);
	if (s->comment) {
		cb_jw_key(&w, "comment");
		cb_jw_strn(&w, s->comment, s->comment_len);
	}
	if (*s->text)
		cb_jw_kstr(&w, "text", s->text);
	return end(r, &w, err);
}

/* All of a file's: what cb_verify_file said. */
static int say_checked(struct cb_sign_report *r, const char *path, unsigned signers, unsigned threshold,
		       int result, const struct cb_err *why, struct cb_err *err)
{
	struct cb_jw w;

	if (r->text)
		return result < 0 || threshold == 1 ? 0 :
			cb_out_printf(r->out, err, "%s: signed by %u, %u are needed\n", path, signers, threshold);
	begin(r, &w, "cb.signature.checked", path);
	cb_jw_kstr(&w, "verdict", result == 0 ? "true" : why->code == CB_E_NO ? "false" : "unchecked");
	cb_jw_ku64(&w, "signers", signers);
	cb_jw_ku64(&w, "threshold", threshold);
	if (result < 0)
		cb_jw_kstr(&w, "text", why->msg);
	return end(r, &w, err);
}

int cb_report_verify(struct cb_sign_report *r, const struct cb_verifying *v, const char *const *path, size_t n,
		     struct cb_err *err)
{
	struct cb_verifying saying = *v;
	struct cb_err worst = CB_ERR_INIT;

	saying.each = say_signature;
	saying.ctx = r;
	for (size_t i = 0; i < n; i++) {
		struct cb_err why = CB_ERR_INIT;
		unsigned signers = 0;
		int k = cb_verify_file(&saying, path[i], &signers, &why);

		if (say_checked(r, path[i], signers, v->threshold, k, &why, err) < 0)
			return -1;
		/* what is false weighs more than what could not be checked; else the first */
		if (k < 0 && (worst.code == CB_OK || (why.code == CB_E_NO && worst.code != CB_E_NO)))
			worst = why;
	}
	if (worst.code == CB_OK)
		return 0;
	if (err)
		*err = worst;
	return -1;
}

/* Up to max bytes of a file's beginning. */
static int slurp(int fd, uint8_t *p, size_t max, size_t *ret_n, struct cb_err *err)
{
	size_t n = 0;
	ssize_t k;

	while (n < max) {
		k = read(fd, p + n, max - n);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return cb_err_sys(err, errno == EISDIR ? CB_E_NOINPUT : CB_E_IO, errno, "read");
		if (k == 0)
			break;
		n += (size_t)k;
	}
	*ret_n = n;
	return 0;
}

static int tell(struct cb_sign_report *r, const char *path, uint8_t *p, size_t n, struct cb_err *err)
{
	struct cb_buf text = { 0 };
	struct cb_jw w;
	int ret = -1;

	begin(r, &w, "cb.file.inspected", path);
	if (cb_inspect(p, n, &w, &text, err) < 0) {
		cb_err_prefix(err, "%s", path);
	} else if (!r->text) {
		ret = end(r, &w, err);
	} else {
		ret = 0;
		for (size_t i = 0; ret == 0 && i < text.len;) {
			const char *l = (char *)text.data + i, *lf = memchr(l, '\n', text.len - i);
			int k = (int)(lf ? lf - l : (ssize_t)(text.len - i));

			ret = i ? cb_out_printf(r->out, err, "  %.*s\n", k, l) :
				cb_out_printf(r->out, err, "%s: %.*s\n", path, k, l);
			i += (size_t)k + 1;
		}
	}
	cb_buf_release(&text);
	return ret;
}

int cb_report_inspect(struct cb_sign_report *r, const char *path, struct cb_err *err)
{
	bool in = !strcmp(path, "-");
	int fd = in ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), ret = -1;
	uint8_t *p;
	size_t n = 0;

	if (fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "%s", path);
	p = malloc(CB_INSPECT_MAX);
	if (!p)
		cb_err_nomem(err);
	else if (slurp(fd, p, CB_INSPECT_MAX, &n, err) < 0)
		cb_err_prefix(err, "%s", in ? "stdin" : path);
	else
		ret = tell(r, path, p, n, err);
	free(p);
	if (!in)
		close(fd);
	return ret;
}

int cb_report_signers(struct cb_sign_report *r, const char *const *path, size_t n, const char *principal,
		      const char *namespace, struct cb_err *err)
{
	struct cb_signers s = { 0 };
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < n; i++)
		ret = cb_signers_load(&s, path[i], err);
	for (size_t i = 0; ret == 0 && i < s.n; i++) {
		r->line.len = 0;
		ret = cb_ssh_key_text(s.signer[i].pk, principal, namespace, &r->line, err);
		if (ret == 0)
			ret = cb_out_printf(r->out, err, "%s\n", (char *)r->line.data);
	}
	cb_signers_release(&s);
	return ret;
}
