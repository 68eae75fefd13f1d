/* SPDX-License-Identifier: Apache-2.0 */
/* Starting other people's programs: execve of an absolute path, never a shell; stdin a sealed file
 * in memory, so that a program that does not read holds nobody up; stdout thrown away, stderr
 * ours; an environment of PATH, LC_ALL and what is given; no other descriptors, default signals,
 * a process group of its own, so that all of it can be killed. */
#ifndef CB_BASE_PROGRAM_H
#define CB_BASE_PROGRAM_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define CB_PROGRAM_ENV_MAX 8

/* A descriptor to read these bytes and an LF from; it cannot be written to any more. */
int cb_memory_file(const void *p, size_t n, struct cb_err *err);
/* By base/launch.h where that runs. 0, or an errno: it was not started. env: NULL, or up to CB_PROGRAM_ENV_MAX "NAME=VALUE" and a
 * NULL. */
int cb_program_start(pid_t *ret, char *const argv[], char *const env[], int in);

#endif
