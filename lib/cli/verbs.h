/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs: for a tool whose first operand says what it shall do, and whose options are each for
 * some of that only. One table says all of it, and misuse is told from it, one message a kind:
 *
 *	static const struct cb_cli_verb verbs[] = {
 *		[PUT] = { "put", "STORE", "tee", NULL, put },
 *		[PRUNE] = { "prune", "STORE", "camera dry-run", "older|bytes", prune },
 *		{ 0 },
 *	};
 *
 * In the tool: a struct cb_cli_verbs in its options, CB_CLI_VERBS(verbs, options) at ARGP_KEY_INIT;
 * cb_cli_verb_opt first in its parser, which then has only to keep values, and at ARGP_KEY_END to
 * look at what options mean together; and cb_cli_verb_run where it has opened everything. */
#ifndef CB_CLI_VERBS_H
#define CB_CLI_VERBS_H

#include <argp.h>
#include <stdint.h>

#include "base/err.h"

struct cb_cli_verb {
	const char *name;	/* NULL ends a table */
	const char *operands;	/* after the verb, as usage has them: "LOG [INDEX]", "FILE...", "" */
	/* Options by their long names, between blanks. One that is in no verb's line goes with
	 * all of them. */
	const char *takes;	/* may be given; NULL: none */
	const char *needs;	/* must be, and so may; "a|b": at least one of the two */
	int (*run)(void *tool, struct cb_err *err);
};

struct cb_cli_verbs {
	const struct cb_cli_verb *table;
	const struct argp_option *options;	/* the tool's own, 64 at most */
	int is;			/* which of them; -1 before it is known */
	const char *const *operand;	/* those after the verb, in argv; NULL where there is none */
	int n;
	uint64_t given;		/* options, by their place among them */
};
#define CB_CLI_VERBS(table, options) { (table), (options), -1, NULL, 0, 0 }

/* Of a parser. Takes the operands (0); everything else is ARGP_ERR_UNKNOWN, and the caller's to
 * handle: it has been noted which options there are, and at ARGP_KEY_END verb, operands and
 * options go together: if not, that has been told, and the tool has ended (64). Does nothing at
 * ARGP_KEY_INIT. */
error_t cb_cli_verb_opt(struct cb_cli_verbs *v, int key, const char *arg, struct argp_state *st);

/* Operand i, NULL where there are not so many. */
const char *cb_cli_operand(const struct cb_cli_verbs *v, int i);

/* Do it. */
int cb_cli_verb_run(const struct cb_cli_verbs *v, void *tool, struct cb_err *err);

#endif
