/* SPDX-License-Identifier: Apache-2.0 */
/* cb-audit query and export. */
#include "log/listing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/newfile.h"
#include "base/num.h"

struct listing {
	const struct cb_listing *o;
	struct cb_out *out;
	struct cb_json *json;
	struct cb_buf line;
	struct cb_siem_about about;
	uint64_t found;
};

static int siem(struct listing *l, uint64_t index, const uint8_t *p, size_t n, struct cb_err *err)
{
	l->line.len = 0;
	l->about.index = (int64_t)index;
	if (cb_log_siem(&l->line, l->o->siem, l->json, p, n, &l->about, err) < 0)
		return cb_err_prefix(err, "entry %" PRIu64, index);
	return cb_buf_byte(&l->line, '\n') < 0 ? cb_err_nomem(err) : cb_out_write(l->out, l->line.data, l->line.len, err);
}

static int list_entry(void *ctx, uint64_t index, const struct cb_entry *e, const uint8_t *p, size_t n, struct cb_err *err)
{
	struct listing *l = ctx;

	(void)e;
	l->found++;
	switch (l->o->form) {
	case CB_LISTING_SIEM:
		return siem(l, index, p, n, err);
	case CB_LISTING_RAW:
		return cb_out_write(l->out, p, n, err) < 0 || (!l->o->one && cb_out_write(l->out, "\n", 1, err) < 0) ? -1 : 0;
	case CB_LISTING_NUMBERED:
		break;
	}
	return cb_out_printf(l->out, err, "{\"index\":%" PRIu64 ",\"entry\":", index) < 0 ||
	       cb_out_write(l->out, p, n, err) < 0 || cb_out_write(l->out, "}\n", 2, err) < 0 ? -1 : 0;
}

static int read_state(const char *path, uint64_t *ret, struct cb_err *err)
{
	struct cb_err why = CB_ERR_INIT;
	uint8_t *text = NULL;
	bool good;
	size_t n;

	if (cb_file_read(path, 64, &text, &n, &why) < 0) {
		if (why.code == CB_E_NOINPUT)
			return 0;
		*err = why;
		return cb_err_prefix(err, "%s", path);
	}
	if (n && text[n - 1] == '\n')
		text[n - 1] = '\0';
	good = cb_parse_u64((const char *)text, 0, CB_TREE_MAX, ret);
	free(text);
	return good ? 0 : cb_err_set(err, CB_E_DATA, "%s: not an index", path);
}

int cb_log_list(const char *path, const struct cb_listing *o, struct cb_out *out, struct cb_err *err)
{
	struct listing l = { .o = o, .out = out, .json = malloc(sizeof(*l.json)), .about = { .facility = 13 } };
	struct cb_log_query q = o->q;
	struct cb_tiles *t = NULL;
	char host[256] = "", next_text[32];
	uint64_t next = 0;
	int ret = -1;

	if (!l.json)
		return cb_err_nomem(err);
	if (gethostname(host, sizeof(host) - 1) == 0)
		l.about.host = host;
	if (o->state && read_state(o->state, &q.from, err) < 0)
		goto out;
	if (cb_tiles_open(&t, path, err) < 0 || cb_log_query(t, &q, list_entry, &l, &next, err) < 0) {
		cb_err_prefix(err, "%s", path);
		goto out;
	}
	if (o->one && !l.found) {
		cb_err_set(err, CB_E_NOINPUT, "%s: no entry %s, or it was pruned", path, o->one);
		goto out;
	}
	/* only what is out is behind us */
	if (cb_out_flush(out, err) < 0)
		goto out;
	snprintf(next_text, sizeof(next_text), "%" PRIu64 "\n", next > q.from ? next : q.from);
	ret = o->state ? cb_newfile_write(o->state, 0640, true, next_text, strlen(next_text), err) : 0;
out:
	cb_tiles_close(t);
	cb_buf_release(&l.line);
	free(l.json);
	return ret;
}
