/* SPDX-License-Identifier: Apache-2.0 */
/* Wall time is int64_t nanoseconds since 1970-01-01T00:00:00Z (UTC, no leap seconds);
 * events carry the same in microseconds. Monotonic time is CLOCK_MONOTONIC in ns. */
#ifndef CB_BASE_TIME_H
#define CB_BASE_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CB_NS_PER_S INT64_C(1000000000)
#define CB_NS_PER_US INT64_C(1000)

int64_t cb_now_wall_ns(void);
int64_t cb_now_mono_ns(void);

/* "2026-11-21T07:54:42.123456Z": always UTC, always six decimals. Years 1 to 9999. */
#define CB_TIME_LEN 28
void cb_time_format_us(char out[static CB_TIME_LEN], int64_t us);
/* "YYYY-MM-DD" and "HHMMSS" of a wall time, for names in the store. */
void cb_time_format_day(char out[static 11], int64_t ns);
void cb_time_format_hms(char out[static 7], int64_t ns);

/* TIME as the tools take it (cb(7)): RFC 3339 with Z or an offset and up to nine decimals,
 * "YYYY-MM-DD" (midnight UTC), "@SECONDS[.fraction]", "now", or "now-DURATION". */
bool cb_parse_time(const char *s, int64_t *ret_ns);
/* DURATION: a number with an optional unit ns us ms s m h d (s when absent), or [H:]MM:SS. */
bool cb_parse_duration(const char *s, int64_t *ret_ns);

#endif
