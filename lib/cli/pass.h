/* SPDX-License-Identifier: Apache-2.0 */
/* Passphrases for tools: from a file, from a descriptor, or from the terminal without echo.
 * Never from the command line or the environment, where others can read them.
 *
 * In a tool: the two options below in its table; cb_cli_pass_opt first in its parser; and
 *     struct cb_pass pass = { cb_cli_pass_get, &o.pass };
 * where a function wants one (crypto/minisign_sign.h). */
#ifndef CB_CLI_PASS_H
#define CB_CLI_PASS_H

#include <argp.h>
#include <stdbool.h>

#include "base/err.h"

struct cb_cli_pass {
	const char *file;	/* --passphrase-file; NULL: none */
	int fd;			/* --passphrase-fd; -1: none */
};
#define CB_CLI_PASS_INIT { NULL, -1 }

enum { CB_OPT_PASS_FILE = 0x6ff0, CB_OPT_PASS_FD };
#define CB_CLI_PASS_OPTIONS \
	{ "passphrase-file", CB_OPT_PASS_FILE, "FILE", 0, "read the passphrase from this file, one line", 0 }, \
	{ "passphrase-fd", CB_OPT_PASS_FD, "N", 0, "read the passphrase from this descriptor", 0 }

/* One of the two options: taken, 0; another key: ARGP_ERR_UNKNOWN. */
error_t cb_cli_pass_opt(struct cb_cli_pass *p, int key, char *arg, struct argp_state *st);

/* A struct cb_pass's get. A file is one line (its end is not part of it); a descriptor is read
 * to the end of a line, so that it can hold one passphrase after another; the terminal is
 * /dev/tty, asked twice where make is set. CB_E_NOINPUT where there is neither; an empty
 * passphrase is CB_E_USAGE where make is set. */
int cb_cli_pass_get(void *ctx, const char *subject, bool make, char *buf, struct cb_err *err);

#endif
