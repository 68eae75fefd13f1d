/* SPDX-License-Identifier: Apache-2.0 */
/* Findings and verdicts on their way out. */
#include "verify/teller.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"
#include "verify/report.h"

void cb_teller_release(struct cb_teller *t)
{
	cb_buf_release(&t->line);
}

static int write_line(struct cb_teller *t, struct cb_err *err)
{
	if (!t->text && cb_buf_byte(&t->line, '\n') < 0)
		return cb_err_nomem(err);
	return cb_out_write(t->out, t->line.data, t->line.len, err);
}

int cb_teller_finding(void *teller, const struct cb_finding *f, struct cb_err *err)
{
	struct cb_teller *t = teller;

	return (t->text ? cb_tell_finding(&t->line, t->path, f, err) :
		cb_report_finding(&t->line, t->n++, t->path, f, err)) < 0 ? -1 : write_line(t, err);
}

int cb_teller_verdict(struct cb_teller *t, const struct cb_verified *r, bool failed, struct cb_err *why,
		      struct cb_err *err)
{
	const char *reason = failed ? why->msg : NULL;

	if ((t->text ? cb_tell_verdict(&t->line, t->path, r, reason, err) :
	     cb_report_verdict(&t->line, t->n++, t->path, r, reason, err)) < 0 || write_line(t, err) < 0)
		return -1;
	if (r->findings)
		cb_err_set(why, CB_E_NO, "%s: not what it should be", t->path);
	else if (failed)
		cb_err_prefix(why, "%s", t->path);
	else if (r->unchecked)
		cb_err_set(why, CB_E_DATA, "%s: not all of it could be checked", t->path);
	return 0;
}

int cb_tell_log(const char *path, const char *policy, const char *older, struct cb_out *out, struct cb_err *err)
{
	struct cb_teller t = { .out = out, .text = out->tty, .path = path };
	struct cb_verified r = { .kind = CB_VERIFIED_LOG };
	struct cb_finding f = CB_FINDING_NONE;
	struct cb_err why = CB_ERR_INIT;
	struct cb_verify *v = calloc(1, sizeof(*v));
	struct cb_trust trust;
	char own[PATH_MAX];
	uint8_t *text = NULL;
	bool failed;
	int ret = -1;

	if (!v)
		return cb_err_nomem(err);
	cb_trust_init(&trust);
	v->trust = &trust;
	v->now_us = cb_now_wall_ns() / CB_NS_PER_US;
	v->found = cb_teller_finding;
	v->ctx = &t;
	snprintf(own, sizeof(own), "%s/policy", path);
	if (cb_trust_policy(&trust, policy ? policy : own, err) < 0)
		goto out;
	if (older) {
		if (cb_file_read(older, CB_NOTE_MAX, &text, &v->older[0].len, err) < 0) {
			cb_err_prefix(err, "%s", older);
			goto out;
		}
		v->older[0].name = older;
		v->older[0].text = (const char *)text;
		v->n_older = 1;
	}
	failed = cb_verify(v, path, CB_VERIFIED_LOG, &r, &why) < 0;
	f.code = "log-by-own-key";
	if (!policy && cb_verify_found(v, &r, &f, err, "the log's own policy was believed: whoever makes a log anew "
				       "makes that, too") < 0)
		goto out;
	if (cb_teller_verdict(&t, &r, failed, &why, err) < 0)
		goto out;
	if (r.findings || failed || r.unchecked)
		*err = why;
	else
		ret = 0;
out:
	cb_teller_release(&t);
	cb_trust_release(&trust);
	free(text);
	free(v);
	return ret;
}
