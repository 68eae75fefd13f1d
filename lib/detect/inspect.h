/* SPDX-License-Identifier: Apache-2.0 */
/* What a model is, whether it works and how fast, as lines of JSON (cb-model(1)). No LF ends a
 * line; the buffer is emptied first. */
#ifndef CB_DETECT_INSPECT_H
#define CB_DETECT_INSPECT_H

#include "base/buf.h"
#include "base/err.h"
#include "detect/objects.h"
#include "detect/shipped.h"
#include "nn/pack.h"

/* A model and the file that it came from. */
struct cb_inspect {
	const char *name;		/* as it was given */
	struct cb_model_opts o;		/* what it was opened with */
	struct cb_shipped at;
	struct cb_pack pack;
	struct cb_model *model;
};

/* Read, verify and open; o->cfg may be the name of one that came with the programs. *ret stays where
 * it is until the close. Errors as cb_model_open and cb_shipped_find. */
int cb_inspect_open(struct cb_inspect *ret, const struct cb_model_opts *o, struct cb_err *err);
void cb_inspect_close(struct cb_inspect *m);

/* {"model":..,"layer":N,"type":..,"output":[c,h,w],"weights":N,"macs":N,"code":..} */
int cb_inspect_layer(struct cb_buf *line, struct cb_inspect *m, int layer, struct cb_err *err);
/* {"model":..,"kind":..,"made_for":..,"isa":..,"input":[c,h,w],"classes":N,"layers":N,
 *  "weights":N,"macs":N,"bytes":N,"sha256":..} */
int cb_inspect_total(struct cb_buf *line, struct cb_inspect *m, struct cb_err *err);
/* Run a black picture and look at the boxes: CB_E_DATA where one is not made of numbers. */
int cb_inspect_try(struct cb_inspect *m, struct cb_err *err);
/* {"model":..,"ok":bool,"kind":..,"sha256":..} or with "error" for the last two. */
int cb_inspect_verdict(struct cb_buf *line, const struct cb_inspect *m, const struct cb_err *why,
		       struct cb_err *err);
/* A line of a list of known models (detect/known.h), with its LF: as sha256sum prints it, a name
 * with a backslash, LF or CR escaped. */
int cb_inspect_listing(struct cb_buf *line, const char *name, const struct cb_pack *p, struct cb_err *err);
/* Run a picture again and again, on a net of its own with so many threads, at most n times and,
 * from the fifth on, 5 seconds:
 * {"model":..,"threads":N,"isa":..,"pictures":N,"min_us":X,"median_us":X,"load_us":N,"bytes":N} */
int cb_inspect_bench(struct cb_buf *line, struct cb_inspect *m, enum cb_isa isa, int threads, unsigned n,
		     struct cb_err *err);

#endif
