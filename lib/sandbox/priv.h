/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of lib/sandbox. */
#ifndef CB_SANDBOX_PRIV_H
#define CB_SANDBOX_PRIV_H

#include "sandbox/sandbox.h"

/* A sanitizer's runtime reads /proc, makes processes and traces them. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CB_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define CB_SANITIZED 1
#endif
#endif
#ifndef CB_SANITIZED
#define CB_SANITIZED 0
#endif

/* May it write files, may it open any? */
bool cb_sandbox_writes(const struct cb_sandbox *s);
bool cb_sandbox_opens(const struct cb_sandbox *s);
/* Every path of the policy: fn with the file or directory itself, what may be done with it, and ctx,
 * until it does not return 0. Returns what fn did; -1 with ENOMEM. */
int cb_sandbox_paths(const struct cb_sandbox *s,
		     int (*fn)(void *ctx, enum cb_sandbox_how how, const char *path), void *ctx);

/* The ABI; 0 and errno where there is none. */
int cb_landlock_abi(void);
/* Restrict this thread. Returns 0, or -1 and errno. */
int cb_landlock_enter(const struct cb_sandbox *s, int abi);
/* Install the filter for all threads. opens, writes: may it open files, for writing? Returns 0, or
 * -1 and errno. */
int cb_filter_install(unsigned may, bool opens, bool writes);

#endif
