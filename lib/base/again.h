/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that a signal may interrupt, made again: signal(7), EINTR. They set errno and
 * return as the calls do that they are named after. Not for waiting: who waits for a lock or for
 * input wants to see the signal. */
#ifndef CB_BASE_AGAIN_H
#define CB_BASE_AGAIN_H

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define cb_openat(...) TEMP_FAILURE_RETRY(openat(__VA_ARGS__))
#define cb_fsync(fd) TEMP_FAILURE_RETRY(fsync(fd))
#define cb_fdatasync(fd) TEMP_FAILURE_RETRY(fdatasync(fd))
#define cb_ftruncate(fd, size) TEMP_FAILURE_RETRY(ftruncate(fd, size))
/* with LOCK_NB, or of what is held for moments */
#define cb_flock(fd, how) TEMP_FAILURE_RETRY(flock(fd, how))
#define cb_pread(...) TEMP_FAILURE_RETRY(pread(__VA_ARGS__))
#define cb_pwrite(...) TEMP_FAILURE_RETRY(pwrite(__VA_ARGS__))

#endif
