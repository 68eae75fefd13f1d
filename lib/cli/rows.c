/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of JSON, or a table of their fields. */
#include "cli/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cb_cli_rows_open(struct cb_cli_rows *r, struct cb_out *out, const struct cb_cli_column *columns, int format,
		     struct cb_err *err)
{
	*r = (struct cb_cli_rows){ .out = out, .column = columns, .as_table = format < 0 ? out->tty : format == 1 };
	r->json = malloc(sizeof(*r->json));
	cb_cli_table_init(&r->table, out, columns, cb_terminal_width(out->fd));
	return r->json ? 0 : cb_err_nomem(err);
}

/* "[3,416,416]" as 3x416x416. */
static void sizes(struct cb_cli_rows *r, const struct cb_cli_column *c, const char *s, size_t n)
{
	char text[256];
	size_t k = 0;

	for (size_t i = 0; i < n && k < sizeof(text); i++)
		if (s[i] != '[' && s[i] != ']')
			text[k++] = s[i] == ',' ? 'x' : s[i];
	cb_cli_table_str(&r->table, c, text, k);
}

static void cell(struct cb_cli_rows *r, const struct cb_json *j, const struct cb_cli_column *c)
{
	uint32_t tok = cb_json_path(j, 0, c->key);
	char text[1024];
	int64_t t;
	double v;

	if (tok == CB_JSON_NONE)
		return;
	if (c->kind == 't' && cb_json_i64(j, tok, &t)) {
		cb_cli_table_time(&r->table, c, t);
	} else if ((c->kind == 'M' || c->kind == 'm') && cb_json_double(j, tok, &v)) {
		snprintf(text, sizeof(text), "%.2f", v / (c->kind == 'M' ? 1e6 : 1e3));
		cb_cli_table_str(&r->table, c, text, strlen(text));
	} else if (cb_json_str(j, tok, text, sizeof(text)) == 0) {
		cb_cli_table_str(&r->table, c, text, strlen(text));
	} else {	/* no string, or a long one */
		const char *s = j->text + j->tok[tok].start;
		size_t n = j->tok[tok].end - j->tok[tok].start;

		if (c->kind == 'x')
			sizes(r, c, s, n);
		else
			cb_cli_table_str(&r->table, c, s, n);
	}
}

void cb_cli_rows_cells(struct cb_cli_rows *r, const struct cb_json *j, const struct cb_cli_column *c)
{
	for (; c->key; c++)
		cell(r, j, c);
}

int cb_cli_rows_put(struct cb_cli_rows *r, struct cb_err *err)
{
	if (!r->as_table)
		return cb_buf_byte(&r->line, '\n') < 0 ? cb_err_nomem(err) :
		       cb_out_write(r->out, r->line.data, r->line.len, err);
	if (cb_json_parse(r->json, (const char *)r->line.data, r->line.len, err) < 0)
		return -1;
	cb_cli_rows_cells(r, r->json, r->column);
	return cb_cli_table_row(&r->table, err);
}

int cb_cli_rows_below(struct cb_cli_rows *r, struct cb_err *err)
{
	struct cb_json *j = r->json;

	if (!r->as_table)
		return cb_cli_rows_put(r, err);
	if (cb_cli_table_end(&r->table, err) < 0 || cb_out_write(r->out, "\n", 1, err) < 0 ||
	    cb_json_parse(j, (const char *)r->line.data, r->line.len, err) < 0)
		return -1;
	for (uint32_t k = 1; k < j->n; k = j->tok[k + 1].next)
		if (cb_out_printf(r->out, err, "%-9.*s %.*s\n", (int)(j->tok[k].end - j->tok[k].start),
				  j->text + j->tok[k].start, (int)(j->tok[k + 1].end - j->tok[k + 1].start),
				  j->text + j->tok[k + 1].start) < 0)
			return -1;
	return 0;
}

int cb_cli_rows_end(struct cb_cli_rows *r, int ret, struct cb_err *err)
{
	return cb_cli_table_end(&r->table, ret < 0 ? NULL : err) < 0 ? -1 : ret;
}

void cb_cli_rows_release(struct cb_cli_rows *r)
{
	cb_cli_table_release(&r->table);
	cb_buf_release(&r->line);
	free(r->json);
}
