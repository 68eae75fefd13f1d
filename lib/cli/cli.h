/* SPDX-License-Identifier: Apache-2.0 */
/* What every tool's main() shares. To add a tool cb-foo:
 *  1. scripts/new-tool foo       copies examples/skel to cmd/, man/ and tests/t/
 *  2. Makefile                   cb-foo_LIBS and cb-foo_PKGS; man/cb.7: one .It Xr line
 *  3. make completions sbom      both are committed
 *  4. make check                 judged by tests/t/0100-conformance.t, check-man,
 *                                check-completions, check-needed, check-layers, check-sbom
 *
 * A tool with verbs has a table of them (cli/verbs.h); one that answers in lines of JSON, or a table
 * of them for people, uses cli/rows.h.
 *
 * main() keeps this order: options; open everything; take stdout; enter the sandbox; run; close,
 * checked; return cb_cli_finish(&err).
 */
#ifndef CB_CLI_CLI_H
#define CB_CLI_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "sandbox/sandbox.h"

/* Keys of long-only options start here; the common ones lie above 0x7000. */
#define CB_OPT_BASE 0x100

/* -q, -v, --sandbox, hidden -h, --dump-options and --sandbox-self-test: .children of every tool's argp. */
extern const struct argp_child cb_cli_children[];
extern bool cb_cli_quiet, cb_cli_verbose;
extern enum cb_sandbox_mode cb_cli_sandbox_mode;

/* Parse; exits 64 on misuse, 0 after --help, --version, --dump-options, 74 where their text
 * cannot be written. From here on everything printed to stderr is made safe for a terminal,
 * and descriptors 0 to 2 are open (on /dev/null the wrong way round where the caller had closed
 * them, so that reading such a stdin or writing such a stdout is CB_E_IO). */
void cb_cli_parse(const char *prog, const struct argp *argp, int argc, char **argv, void *opts);

/* Lock the tool in, as --sandbox says, before the first byte that somebody else wrote is read. With
 * -v the level is said. CB_E_PERM: --sandbox=require, and it could not be had whole. With
 * --sandbox-self-test it tries what is forbidden, prints a line of JSON each, and exits: 0 where
 * everything was refused, 1 where something was not. */
int cb_cli_sandbox(const struct cb_sandbox *s, struct cb_err *err);

/* Of a program that another starts: what that was told. */
void cb_cli_sandbox_set(enum cb_sandbox_mode mode, bool self_test);
bool cb_cli_self_test(void);

/* Inside a parser: fail with usage (64) unless the text is a number in range. */
uint64_t cb_cli_u64(struct argp_state *st, const char *opt, const char *arg, uint64_t min, uint64_t max);
double cb_cli_double(struct argp_state *st, const char *opt, const char *arg, double min, double max);
/* A size with its unit: 500M, 20G. */
uint64_t cb_cli_bytes(struct argp_state *st, const char *opt, const char *arg);
int64_t cb_cli_duration_ns(struct argp_state *st, const char *opt, const char *arg);
/* One in a range, which need says: "from 1s to 24h". */
int64_t cb_cli_duration_in(struct argp_state *st, const char *opt, const char *arg, int64_t min_ns, int64_t max_ns,
			   const char *need);
int64_t cb_cli_time_ns(struct argp_state *st, const char *opt, const char *arg);
/* Text for people, of 1 to cap - 1 bytes, UTF-8 without control characters. */
void cb_cli_text(struct argp_state *st, const char *opt, const char *arg, char *out, size_t cap);
/* Which of the words between bars ("put|check|reindex")? opt is NULL for an operand. */
int cb_cli_word(struct argp_state *st, const char *opt, const char *words, const char *arg);

/* "cb-x: warning: ..." on stderr, unless -q. */
void cb_cli_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same for libraries that want a function to warn with. */
void cb_cli_warn_text(void *unused, const char *text);
/* "cb-x: ..." on stderr, only with -v. */
void cb_cli_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* One rewritten line on a terminal stderr (nothing elsewhere, nothing with -q, nothing where
 * TERM is dumb); an empty text erases it. At most ten a second are drawn. */
void cb_cli_progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Refuse (64) binary output to a terminal. */
int cb_cli_refuse_tty(int fd, struct cb_err *err);

/* Print the one diagnostic, if any, and return the exit status. */
int cb_cli_finish(const struct cb_err *err);

#endif
