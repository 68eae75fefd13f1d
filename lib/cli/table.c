/* SPDX-License-Identifier: Apache-2.0 */
/* Rows are held until their widths are known, or there are many. */
#include "cli/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/time.h"

#define CELL_MAX 4096		/* bytes of a cell */
#define LEAST 16		/* columns that must be left for the last cell */

int cb_terminal_width(int fd)
{
	struct winsize ws = { 0 };

	return ioctl(fd, TIOCGWINSZ, &ws) < 0 ? 0 : ws.ws_col;
}

void cb_cli_table_init(struct cb_cli_table *t, struct cb_out *out, const struct cb_cli_column *columns, int width)
{
	*t = (struct cb_cli_table){ .out = out, .column = columns, .width = width };
	while (t->n < CB_CLI_TABLE_COLUMNS && columns[t->n].key) {
		t->wide[t->n] = (int)strlen(columns[t->n].name);
		t->n++;
	}
}

/* --- cells ---------------------------------------------------------------------------------------- */

void cb_cli_table_str(struct cb_cli_table *t, const struct cb_cli_column *c, const char *s, size_t n)
{
	struct cb_buf *b = &t->cell[c - t->column];

	b->len = 0;
	if (n > CELL_MAX)
		n = CELL_MAX;
	if (cb_buf_reserve(b, n + 1) < 0)
		t->failed = true;
	else
		b->len = cb_text_safe((char *)b->data, n + 1, s, n, false);
}

void cb_cli_table_time(struct cb_cli_table *t, const struct cb_cli_column *c, int64_t us)
{
	char text[CB_TIME_LEN];

	cb_time_format_us(text, us);
	strcpy(text + CB_TIME_LEN - 5, "Z");
	cb_cli_table_str(t, c, text, strlen(text));
}

/* --- widths --------------------------------------------------------------------------------------- */

/* Characters that take two columns, or none: enough to keep columns straight. */
static int char_width(uint32_t c)
{
	if (c < 0x300)
		return 1;
	if (c < 0x370 || (c >= 0x200b && c <= 0x200d) || (c >= 0xfe00 && c <= 0xfe0f))
		return 0;
	return (c >= 0x1100 && c < 0x1160) || (c >= 0x2e80 && c < 0xa4d0) || (c >= 0xac00 && c < 0xd7a4) ||
	       (c >= 0xf900 && c < 0xfb00) || (c >= 0xfe30 && c < 0xfe70) || (c >= 0xff00 && c < 0xff61) ||
	       (c >= 0x1f300 && c < 0x1f650) || (c >= 0x1f900 && c < 0x1fa00) ||
	       (c >= 0x20000 && c < 0x40000) ? 2 : 1;
}

/* The character at s, which is UTF-8; returns its length. */
static size_t char_at(const char *s, uint32_t *ret)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t n = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;

	*ret = n == 1 ? *p : *p & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++)
		*ret = *ret << 6 | (p[i] & 0x3f);
	return n;
}

/* Bytes of s that fit into max columns; *ret_wide: the columns they take. */
static size_t fit(const char *s, int max, int *ret_wide)
{
	size_t at = 0;
	uint32_t c;
	int wide = 0;

	while (s[at]) {
		size_t n = char_at(s + at, &c);

		if (wide + char_width(c) > max)
			break;
		wide += char_width(c);
		at += n;
	}
	*ret_wide = wide;
	return at;
}

static int wide_of(const char *s)
{
	int wide;

	fit(s, INT16_MAX, &wide);
	return wide;
}

/* --- writing -------------------------------------------------------------------------------------- */

static int pad(struct cb_cli_table *t, int n, struct cb_err *err)
{
	return n > 0 ? cb_out_printf(t->out, err, "%*s", n, "") : 0;
}

/* Where the last cell begins. */
static int last_at(const struct cb_cli_table *t)
{
	int sum = 0;

	for (int i = 0; i < t->n - 1; i++)
		sum += t->wide[i] + 1;
	return sum;
}

static bool right(const struct cb_cli_column *c)
{
	return c->kind && strchr("nmMx", c->kind);
}

static int put_line(struct cb_cli_table *t, const char *const *cell, struct cb_err *err)
{
	int at = 0;

	for (int i = 0; i < t->n; i++) {
		bool last = i == t->n - 1;
		int wide, room = t->width ? t->width - at : INT16_MAX, need = wide_of(cell[i]);
		size_t len = fit(cell[i], room, &wide);
		bool cut = cell[i][len];

		if (cut)
			len = fit(cell[i], room > 3 ? room - 3 : 0, &wide);
		if ((right(&t->column[i]) && !cut && pad(t, t->wide[i] - need, err) < 0) ||
		    cb_out_write(t->out, cell[i], len, err) < 0 ||
		    (cut && cb_out_write(t->out, "...", room < 3 ? (size_t)room : 3, err) < 0))
			return -1;
		if (cut)
			break;
		at += (t->wide[i] > need ? t->wide[i] : need) + 1;
		if (last || (t->width && at >= t->width))
			break;
		if (pad(t, (right(&t->column[i]) ? 0 : t->wide[i] - need > 0 ? t->wide[i] - need : 0) + 1, err) < 0)
			return -1;
	}
	return cb_out_write(t->out, "\n", 1, err);
}

static int put_block(struct cb_cli_table *t, const char *const *cell, struct cb_err *err)
{
	int wide = 0;

	for (int i = 0; i < t->n; i++)
		if ((int)strlen(t->column[i].name) > wide)
			wide = (int)strlen(t->column[i].name);
	if (t->rows && cb_out_write(t->out, "\n", 1, err) < 0)
		return -1;
	for (int i = 0; i < t->n; i++)
		if (cb_out_printf(t->out, err, "%-*s  %s\n", wide, t->column[i].name, cell[i]) < 0)
			return -1;
	return 0;
}

static int put_row(struct cb_cli_table *t, const char *const *cell, struct cb_err *err)
{
	int ret = t->blocks ? put_block(t, cell, err) : put_line(t, cell, err);

	t->rows++;
	return ret;
}

/* Widths are what they are now: the head, and the rows held. */
static int begin(struct cb_cli_table *t, struct cb_err *err)
{
	const char *cell[CB_CLI_TABLE_COLUMNS], *p = (const char *)t->text.data;

	if (t->begun)
		return 0;
	t->begun = true;
	t->blocks = t->width && last_at(t) + (t->wide[t->n - 1] < LEAST ? t->wide[t->n - 1] : LEAST) > t->width;
	for (int i = 0; i < t->n; i++)
		cell[i] = t->column[i].name;
	if (!t->blocks && put_line(t, cell, err) < 0)
		return -1;
	while (t->held) {
		for (int i = 0; i < t->n; i++, p += strlen(p) + 1)
			cell[i] = p;
		t->held--;
		if (put_row(t, cell, err) < 0)
			return -1;
	}
	cb_buf_release(&t->text);
	return 0;
}

int cb_cli_table_row(struct cb_cli_table *t, struct cb_err *err)
{
	const char *cell[CB_CLI_TABLE_COLUMNS];

	for (int i = 0; i < t->n; i++) {
		struct cb_buf *b = &t->cell[i];

		if ((!b->len && cb_buf_byte(b, '-') < 0) || cb_buf_byte(b, 0) < 0)
			t->failed = true;
	}
	if (t->failed)
		return cb_err_nomem(err);
	for (int i = 0; i < t->n; i++) {
		cell[i] = (const char *)t->cell[i].data;
		if (!t->begun) {
			int wide = wide_of(cell[i]);

			if (wide > t->wide[i])
				t->wide[i] = wide;
			if (cb_buf_add(&t->text, cell[i], strlen(cell[i]) + 1) < 0)
				return cb_err_nomem(err);
		}
		t->cell[i].len = 0;
	}
	if (t->begun)
		return put_row(t, cell, err);
	return ++t->held == CB_CLI_TABLE_HELD ? begin(t, err) : 0;
}

int cb_cli_table_end(struct cb_cli_table *t, struct cb_err *err)
{
	return t->held ? begin(t, err) : 0;
}

void cb_cli_table_release(struct cb_cli_table *t)
{
	cb_buf_release(&t->text);
	for (int i = 0; i < t->n; i++)
		cb_buf_release(&t->cell[i]);
}
