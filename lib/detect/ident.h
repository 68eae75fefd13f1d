/* SPDX-License-Identifier: Apache-2.0 */
/* What a run is: the texts and digests that tell one analysis from another. */
#ifndef CB_DETECT_IDENT_H
#define CB_DETECT_IDENT_H

#include "detect/detect.h"

#define CB_RUN_LEN 17	/* 16 hexadecimal digits and a NUL */
#define CB_RUN_LIBRARIES 3

struct cb_ident {
	char run[CB_RUN_LEN];
	char config[CB_SHA256_HEX];
	const char *library[CB_RUN_LIBRARIES];	/* "NAME VERSION" */
	int libraries;
};

/* Append the canonical text of the options (cb-detect(1), "Runs"), of which `config` is the
 * SHA-256. model may be NULL. */
int cb_ident_config(struct cb_buf *out, const struct cb_detect_opts *o, const struct cb_model *model);
int cb_ident_make(struct cb_ident *ret, const struct cb_detect_opts *o, const struct cb_model *model,
		  struct cb_err *err);
/* Keys of cb.run's data. */
void cb_ident_write(struct cb_jw *w, const struct cb_ident *id, const struct cb_detect_opts *o,
		    const struct cb_model *model);

#endif
