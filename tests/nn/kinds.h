/* SPDX-License-Identifier: Apache-2.0 */
/* Random networks of each kind, as cfg, and the random numbers that they are made of. */
#ifndef CB_TESTS_NN_KINDS_H
#define CB_TESTS_NN_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Set before: the same state gives the same numbers. */
extern uint64_t state;
uint32_t rnd(void);
int pick(int lo, int hi);	/* lo to hi, both too */
float unit(void);		/* 0 to 1 */
float gauss(void);		/* about as much above as below 0 */

/* What was made: make appends. */
extern char cfg[65536];
extern size_t cfg_len;
__attribute__((format(printf, 1, 2)))
void put(const char *fmt, ...);

struct kind {
	const char *name;
	void (*make)(int i);	/* number i of EACH */
	bool darknet;		/* libdarknet has it */
};
/* Layer by layer, EACH networks of a kind; and what public networks are like, EACH_SHAPE of one. */
#define EACH 12
#define EACH_SHAPE 3
extern const struct kind kinds[], shapes[];
extern const int nkinds, nshapes;

#endif
