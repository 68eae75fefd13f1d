/* SPDX-License-Identifier: Apache-2.0 */
/* Within lib/crypto: where an age file's bytes come from and go to: a descriptor or memory, as
 * they are or in ASCII armor (https://c2sp.org/age, "ASCII armor"), which is read strictly:
 * only blanks around it, lines of 64 characters but the last, canonical base64. */
#ifndef CB_CRYPTO_AGEARMOR_H
#define CB_CRYPTO_AGEARMOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct cb_age_src {
	int fd;			/* -1: memory */
	const uint8_t *mem;
	size_t mem_n;
	bool armor, ended;	/* ended: its END line was read */
	uint8_t buf[32768];	/* read, not yet given */
	size_t pos, len;
	uint8_t line[48];	/* of armor, decoded, not yet given */
	size_t line_pos, line_len;
	bool line_last;		/* it was too short for another to follow */
};

/* Begin, and see whether it is armored. */
int cb_age_src_fd(struct cb_age_src *s, int fd, struct cb_err *err);
int cb_age_src_mem(struct cb_age_src *s, const void *p, size_t n, struct cb_err *err);
/* Up to n bytes; 0 at the end. */
ssize_t cb_age_src_read(struct cb_age_src *s, uint8_t *p, size_t n, struct cb_err *err);
/* Would the next read wait for somebody? */
bool cb_age_src_waits(const struct cb_age_src *s);

/* What is put goes to fd, armored or not. */
struct cb_age_dst {
	int fd;
	bool armor;
	uint8_t part[48];
	size_t part_n;
};
int cb_age_dst_init(struct cb_age_dst *d, int fd, bool armor, struct cb_err *err);
int cb_age_dst_put(void *dst, const uint8_t *p, size_t n, struct cb_err *err);
int cb_age_dst_end(struct cb_age_dst *d, struct cb_err *err);

#endif
