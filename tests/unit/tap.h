/* SPDX-License-Identifier: Apache-2.0 */
/* TAP for unit tests: OK(expression) counts and reports, done() prints the plan and is what
 * main returns. A test that ends without done() has no plan and fails. What went wrong stands on
 * stderr, where prove lets it through. */
#ifndef CB_TESTS_TAP_H
#define CB_TESTS_TAP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_n, tap_failed;

static inline int tap_ok(int good, const char *what, const char *file, int line)
{
	char one[200];
	size_t n = 0;

	/* one line, and no '#': that would start a directive */
	for (const char *p = what; *p && n < sizeof one - 1; p++)
		one[n++] = *p == '\n' || *p == '\t' ? ' ' : *p == '#' ? '-' : *p;
	one[n] = '\0';
	printf("%sok %d - %s\n", good ? "" : "not ", ++tap_n, one);
	if (!good) {
		tap_failed++;
		fprintf(stderr, "# %s:%d: not ok %d - %s\n", file, line, tap_n, one);
	}
	fflush(stdout);
	return good;
}

/* Is the expression true? Its value can be used: if (!OK(p)) return done(); */
#define OK(expr) tap_ok(!!(expr), #expr, __FILE__, __LINE__)
/* The same with a description, for tests in loops. */
#define OK_NAMED(expr, name) tap_ok(!!(expr), (name), __FILE__, __LINE__)
/* Equal integers; both are shown when they differ. */
#define OK_INT(a, b) do { \
	long long tap_a = (long long)(a), tap_b = (long long)(b); \
	if (!tap_ok(tap_a == tap_b, #a " == " #b, __FILE__, __LINE__)) \
		fprintf(stderr, "#   %lld, %lld\n", tap_a, tap_b); \
} while (0)
/* Equal strings. */
#define OK_STR(a, b) do { \
	const char *tap_a = (a), *tap_b = (b); \
	if (!tap_ok(tap_a && tap_b && !strcmp(tap_a, tap_b), #a " equals " #b, __FILE__, __LINE__)) \
		fprintf(stderr, "#   \"%s\", \"%s\"\n", tap_a ? tap_a : "(null)", tap_b ? tap_b : "(null)"); \
} while (0)
#define SKIP(reason) printf("ok %d # SKIP %s\n", ++tap_n, (reason))
#define NOTE(...) (printf("# " __VA_ARGS__), putchar('\n'))

static inline int done(void)
{
	printf("1..%d\n", tap_n);
	if (!tap_n)
		return 1;
	return tap_failed ? 1 : fflush(stdout) ? 1 : 0;
}

#endif
