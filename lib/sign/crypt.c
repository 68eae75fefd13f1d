/* SPDX-License-Identifier: Apache-2.0 */
/* From one file to another through age's format. */
#include "sign/crypt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/newfile.h"
#include "crypto/age.h"

struct flow {
	struct cb_newfile file;
	int in, out;		/* out is file's, or stdout */
};
#define FLOW_INIT { CB_NEWFILE_INIT, -1, -1 }

static const char *named(const char *path)
{
	return path && strcmp(path, "-") ? path : NULL;
}

static int flow_open(struct flow *f, const struct cb_crypting *c, mode_t mode, bool binary, struct cb_err *err)
{
	const char *in = named(c->in), *out = named(c->out);

	f->in = STDIN_FILENO;
	if (in) {
		f->in = open(in, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (f->in < 0)
			return cb_err_sys(err, cb_errc_open(errno), errno, "%s", in);
		posix_fadvise(f->in, 0, 0, POSIX_FADV_SEQUENTIAL);
	}
	if (out) {
		if (cb_newfile_open(&f->file, out, mode, c->force, err) < 0)
			return -1;
		f->out = f->file.fd;
	} else {
		if (binary && c->binary && c->binary(STDOUT_FILENO, err) < 0)
			return -1;
		f->out = cb_stdout_take(err);
		if (f->out < 0)
			return -1;
	}
	cb_pipe_grow(f->in, 1 << 20);
	cb_pipe_grow(f->out, 1 << 20);
	return 0;
}

/* r: how the work in between ended. */
static int flow_end(struct flow *f, const struct cb_crypting *c, int r, struct cb_err *err)
{
	if (r < 0)
		return cb_err_prefix(err, "%s", named(c->in) ? c->in : "stdin");
	if (f->file.fd >= 0) {
		f->out = -1;
		return cb_newfile_commit(&f->file, err);
	}
	r = close(f->out);
	f->out = -1;
	return r < 0 ? cb_err_sys(err, CB_E_IO, errno, "stdout") : 0;
}

static void flow_release(struct flow *f)
{
	if (f->in > STDIN_FILENO)
		close(f->in);
	if (f->out >= 0 && f->out != f->file.fd)
		close(f->out);
	cb_newfile_release(&f->file);
}

int cb_encrypt_file(const struct cb_crypting *c, struct cb_err *err)
{
	struct cb_age_to to = { 0 };
	struct flow f = FLOW_INIT;
	int r = -1;

	for (size_t i = 0; i < c->recipients; i++)
		if (cb_age_to_add(&to, c->recipient[i], err) < 0) {
			cb_err_prefix(err, "--recipient %s", c->recipient[i]);
			goto out;
		}
	for (size_t i = 0; i < c->keys; i++)
		if (cb_age_to_file(&to, c->key[i], err) < 0)
			goto out;
	if (flow_open(&f, c, 0666, !c->armor, err) < 0)
		goto out;
	r = flow_end(&f, c, cb_age_encrypt_fd(&to, to.n ? NULL : c->pass, c->armor, f.in, f.out, err), err);
out:
	flow_release(&f);
	cb_age_to_release(&to);
	return r;
}

int cb_decrypt_file(const struct cb_crypting *c, struct cb_err *err)
{
	struct cb_age_ids *ids = NULL;
	struct flow f = FLOW_INIT;
	int r = -1;

	if (cb_age_ids_new(&ids, err) < 0)
		return -1;
	for (size_t i = 0; i < c->keys; i++)
		if (cb_age_ids_file(ids, c->key[i], c->pass, err) < 0)
			goto out;
	if (cb_age_ids_exposed(ids))
		c->exposed(c->key[0]);
	if (flow_open(&f, c, 0600, true, err) < 0)
		goto out;
	r = flow_end(&f, c, cb_age_decrypt_fd(ids, c->pass, f.in, f.out, err), err);
out:
	flow_release(&f);
	cb_age_ids_free(ids);
	return r;
}
