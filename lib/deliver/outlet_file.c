/* SPDX-License-Identifier: Apache-2.0 */
/* Lines appended to a file that others may rotate, and lines on stdout. */
#include "deliver/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

struct file {
	int fd;
	bool torn;		/* the last line may lack its end */
	dev_t dev;
	ino_t ino;
};

static int file_open(struct cb_outlet *o, struct cb_err *err)
{
	struct file *f = calloc(1, sizeof(*f));

	if (!f)
		return cb_err_nomem(err);
	f->fd = -1;
	o->own = f;
	return 0;
}

static void file_close(struct cb_outlet *o)
{
	struct file *f = o->own;

	if (f->fd >= 0)
		close(f->fd);
	free(f);
	o->own = NULL;
}

/* The file of this name as it is now: another one when somebody has renamed ours. */
static int follow(struct cb_outlet *o, struct file *f, struct cb_err *err)
{
	const char *path = o->conf->path;
	struct stat st;
	char c;

	if (f->fd >= 0 && !stat(path, &st) && st.st_dev == f->dev && st.st_ino == f->ino)
		return 0;
	if (f->fd >= 0)
		close(f->fd);
	/* a FIFO must not hold us up */
	f->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
	if (f->fd < 0)
		return cb_err_sys(err, CB_E_IO, errno, "%s", path);
	if (fstat(f->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(f->fd);
		f->fd = -1;
		return cb_err_set(err, CB_E_IO, "%s: not a regular file", path);
	}
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	f->torn = st.st_size > 0 && (pread(f->fd, &c, 1, st.st_size - 1) != 1 || c != '\n');
	return 0;
}

/* Notes as lines in o->body, as many as can be made: how many. */
static uint32_t lines(struct cb_outlet *o, struct cb_spooled *const *note, uint32_t n, bool torn,
		      struct cb_report *r)
{
	struct cb_err err = CB_ERR_INIT;
	uint32_t i;

	o->body.len = 0;
	if (torn)
		cb_buf_byte(&o->body, '\n');
	for (i = 0; i < n; i++) {
		size_t start = o->body.len;

		if (cb_body_put(o, &o->body, note[i], &err) < 0 || cb_buf_byte(&o->body, '\n') < 0) {
			o->body.len = start;
			cb_report_err(r, err.code == CB_E_DATA ? CB_SENT_NEVER : CB_SENT_LATER, &err);
			break;
		}
		if (o->conf->format == CB_BODY_TEXT)
			for (size_t k = start; k + 1 < o->body.len; k++)
				if (o->body.data[k] == '\n')
					o->body.data[k] = ' ';
	}
	return i;
}

static void file_send(struct cb_outlet *o, struct cb_spooled *const *note, uint32_t n, struct cb_report *r)
{
	struct cb_err err = CB_ERR_INIT;
	struct file *f = o->own;
	uint32_t made;

	if (follow(o, f, &err) < 0) {
		cb_report_err(r, CB_SENT_LATER, &err);
		return;
	}
	made = lines(o, note, n, f->torn, r);
	if (!made)
		return;
	f->torn = true;
	if (cb_write_all(f->fd, o->body.data, o->body.len, &err) < 0 || fdatasync(f->fd) < 0) {
		if (err.code == CB_OK)
			cb_err_sys(&err, CB_E_IO, errno, "sync");
		cb_err_prefix(&err, "%s", o->conf->path);
		cb_report_err(r, CB_SENT_LATER, &err);
		return;
	}
	f->torn = false;
	r->done = made;
}

static void stdout_send(struct cb_outlet *o, struct cb_spooled *const *note, uint32_t n, struct cb_report *r)
{
	struct cb_err err = CB_ERR_INIT;
	size_t at = 0;
	uint32_t made;

	if (o->out_fd < 0) {
		cb_report_set(r, CB_SENT_LATER, "stdout: there is none");
		return;
	}
	made = lines(o, note, n, false, r);
	while (made && at < o->body.len) {
		struct pollfd p = { .fd = o->out_fd, .events = POLLOUT };
		ssize_t k;

		/* a reader that does not read must not keep us from leaving; a pipe that poll calls
		 * writable takes PIPE_BUF bytes without blocking */
		if (atomic_load(o->abort)) {
			cb_report_set(r, CB_SENT_ABORTED, "stopped");
			return;
		}
		if (poll(&p, 1, 200) <= 0)
			continue;
		k = write(o->out_fd, o->body.data + at, o->body.len - at < 4096 ? o->body.len - at : 4096);
		if (k < 0 && errno != EINTR && errno != EAGAIN) {
			cb_err_sys(&err, CB_E_IO, errno, "stdout");
			cb_report_err(r, CB_SENT_LATER, &err);
			return;
		}
		if (k > 0)
			at += (size_t)k;
	}
	r->done = made;
}

const struct cb_outlet_ops cb_outlet_file = { file_open, file_send, NULL, file_close };
const struct cb_outlet_ops cb_outlet_stdout = { NULL, stdout_send, NULL, NULL };
