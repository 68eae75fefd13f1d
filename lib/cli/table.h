/* SPDX-License-Identifier: Apache-2.0 */
/* Tables for people. Columns are as wide as what is in them. Where a row does not fit a
 * terminal, its last column is cut, "..." showing it; where too little would be left of that,
 * each row becomes a block of "NAME  value" lines instead. Text is made safe for terminals. */
#ifndef CB_CLI_TABLE_H
#define CB_CLI_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"

#define CB_CLI_TABLE_COLUMNS 10
#define CB_CLI_TABLE_HELD 500	/* rows whose widths count; later ones are written as they come */

struct cb_cli_column {
	const char *key, *name;		/* the key is the caller's; NULL ends a list */
	char kind;			/* 'n', 'm', 'M', 'x': numbers, to the right; what they mean is the
					 * caller's (cli/rows.h), as is every other */
};

struct cb_cli_table {
	struct cb_out *out;
	const struct cb_cli_column *column;
	int n, width;
	struct cb_buf text;		/* cells of rows not written yet, NUL-terminated */
	struct cb_buf cell[CB_CLI_TABLE_COLUMNS];	/* of the row being made */
	int wide[CB_CLI_TABLE_COLUMNS];
	uint64_t held, rows;
	bool begun, blocks, failed;
};

/* The columns of the terminal fd; 0 where it is none, or does not say. */
int cb_terminal_width(int fd);

/* columns: up to the first without a key. width: 0 for no limit. */
void cb_cli_table_init(struct cb_cli_table *t, struct cb_out *out, const struct cb_cli_column *columns, int width);
/* Fill the cell of column c, one of those given at init; one that is not filled is "-". */
void cb_cli_table_str(struct cb_cli_table *t, const struct cb_cli_column *c, const char *s, size_t n);
/* A wall time in microseconds, shown to the millisecond below. */
void cb_cli_table_time(struct cb_cli_table *t, const struct cb_cli_column *c, int64_t us);
/* The row is complete. */
int cb_cli_table_row(struct cb_cli_table *t, struct cb_err *err);
/* Write what is held. Without a row nothing is written. */
int cb_cli_table_end(struct cb_cli_table *t, struct cb_err *err);
void cb_cli_table_release(struct cb_cli_table *t);

#endif
