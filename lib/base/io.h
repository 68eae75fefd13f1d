/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors: whole writes, buffered output that is checked at the end, stdout kept apart
 * from libraries that print, and text made safe for a terminal. */
#ifndef CB_BASE_IO_H
#define CB_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"

/* Write everything, across short writes and EINTR. Changes iov. Errors: CB_E_IO with the
 * errno in err->sys (EPIPE included: callers that go on without a reader look at it). */
int cb_writev_all(int fd, struct iovec *iov, int n, struct cb_err *err);
/* The same, but given up (CB_E_TEMP) when a signal interrupts it and *give_up is true. */
int cb_writev_until(int fd, struct iovec *iov, int n, const _Atomic bool *give_up,
		    struct cb_err *err);
int cb_write_all(int fd, const void *p, size_t n, struct cb_err *err);

/* Move stdout to a private descriptor and point descriptor 1 at stderr, so that a library
 * that prints cannot spoil the stream. Returns the descriptor. A closed stdout is CB_E_IO. */
int cb_stdout_take(struct cb_err *err);
/* Ask the kernel for a larger pipe (bytes); refusal and other kinds of file are fine. */
void cb_pipe_grow(int fd, int bytes);
/* Would read(2) on fd block now? */
bool cb_would_block(int fd);

/* Buffered output to a descriptor. The buffer is written when full and by cb_out_flush;
 * close flushes, closes and reports what the kernel says of both. On a terminal text goes
 * through cb_text_safe; write it in whole lines. */
struct cb_out {
	int fd;
	int failed;		/* errno of a write that failed: every later call fails with it */
	bool tty;
	size_t len;
	uint8_t buf[65536];
};
void cb_out_init(struct cb_out *o, int fd);
int cb_out_write(struct cb_out *o, const void *p, size_t n, struct cb_err *err);
int cb_out_printf(struct cb_out *o, struct cb_err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int cb_out_flush(struct cb_out *o, struct cb_err *err);
int cb_out_close(struct cb_out *o, struct cb_err *err);

/* Copy n bytes of foreign text to out (cap > 0, NUL-terminated, cut at a character) with
 * everything that could steer a terminal replaced by '?': C0 but LF where keep_lf, DEL, C1,
 * bidirectional controls, invalid UTF-8. Returns the length written. */
size_t cb_text_safe(char *out, size_t cap, const char *s, size_t n, bool keep_lf);

/* A whole small file into a malloc'ed, NUL-terminated buffer, at most max bytes
 * (more is CB_E_DATA). The path is not in the message. */
int cb_file_read(const char *path, size_t max, uint8_t **ret, size_t *ret_len, struct cb_err *err);

/* Where rel, a path such as ../share/cb/x, is seen from the directory of this program, malloc'ed;
 * each ../ in front takes a name off. What is installed with a program is found so, wherever
 * both are. Errors: CB_E_OS. */
int cb_path_beside(char **ret, const char *rel, struct cb_err *err);
/* A program of libexec, malloc'ed: in the directory $CB_LIBEXEC, else where it is installed.
 * Errors: CB_E_OS. */
int cb_libexec_path(char **ret, const char *name, struct cb_err *err);

#endif
