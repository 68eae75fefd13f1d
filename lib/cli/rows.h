/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of JSON, or for people a table of their fields (cli/table.h): what a tool with
 * --format=ndjson|table writes. */
#ifndef CB_CLI_ROWS_H
#define CB_CLI_ROWS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "cli/table.h"
#include "wire/json.h"

/* A column's key is the path of a field (cb_json_path); its kind beside 'n' and 0: 't' a wall time in
 * microseconds; 'M' millions, 'm' thousands of what the field counts; 'x' the numbers of an array, "3x416x416". */
struct cb_cli_rows {
	struct cb_out *out;
	const struct cb_cli_column *column;
	bool as_table;
	struct cb_buf line;		/* the caller's, to make the next one in, without LF */
	struct cb_cli_table table;
	struct cb_json *json;
};

/* format: 0 lines, 1 a table, -1 a table where out is a terminal. Release it in any case. */
int cb_cli_rows_open(struct cb_cli_rows *r, struct cb_out *out, const struct cb_cli_column *columns, int format,
		     struct cb_err *err);
/* Write r->line, or a row of it. */
int cb_cli_rows_put(struct cb_cli_rows *r, struct cb_err *err);
/* The same of a line that stands below a table, each of its fields on a line there. */
int cb_cli_rows_below(struct cb_cli_rows *r, struct cb_err *err);
/* Fill the cells from column c on from a line that is parsed. */
void cb_cli_rows_cells(struct cb_cli_rows *r, const struct cb_json *j, const struct cb_cli_column *c);
/* What a table holds back is written; where ret is -1, err stays as it is. Returns ret, or -1. */
int cb_cli_rows_end(struct cb_cli_rows *r, int ret, struct cb_err *err);
void cb_cli_rows_release(struct cb_cli_rows *r);

#endif
