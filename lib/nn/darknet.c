/* SPDX-License-Identifier: Apache-2.0 */
/* Our side of the reference: what libdarknet gets to see, and the process that it runs in. */
#include "nn/darknet.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/time.h"
#include "nn/darknet_wire.h"
#include "nn/pack.h"
#include "nn/weights.h"

#define NAME "cb-darknet"
#define BYTES_MAX (UINT64_C(4) << 30)	/* of the library's memory, as far as it can be told */
#define LIMIT_NS (30 * CB_NS_PER_S)
#define WORK_PER_S 50e6
#define LINE_MAX_BYTES 400

_Static_assert(CB_DK_BOXES_MAX == CB_NET_BOXES_MAX, "as many boxes as our own engine");
_Static_assert(CB_NN_LAYERS_MAX * CB_DK_SHAPE_BYTES <= CB_DK_RESULT_BYTES, "room for the shapes");

struct cb_darknet {
	struct cb_nn_graph g;
	const struct cb_darknet_opts *o;
	struct cb_darknet_opts own;
	pid_t pid;			/* 0: none */
	int sock, log;			/* -1: none */
	uint8_t *shared;
	size_t input_bytes, shared_bytes;
	int64_t limit_ns;
	uint32_t number;		/* of the last run */
	char library[64];
	char *names;			/* of a model in one file */
	size_t names_len;
	char line[LINE_MAX_BYTES + 1];	/* of the library's prints, so far */
	size_t line_len;
};

/* --- the cfg that the library gets --------------------------------------------------------- */

static int fail(struct cb_err *err, const struct cb_nn_layer *l, const char *what)
{
	return cb_err_set(err, CB_E_DATA, "line %u: %s: %s%snot in Debian's libdarknet", l->line,
			  l->name, what, *what ? ": " : "");
}

static const char *activation(enum cb_nn_act a)
{
	switch (a) {
	case CB_NN_LINEAR: return "linear";
	case CB_NN_LEAKY: return "leaky";
	case CB_NN_RELU: return "relu";
	case CB_NN_LOGISTIC: return "logistic";
	case CB_NN_TANH: return "tanh";
	case CB_NN_ELU: return "elu";
	case CB_NN_SELU: return "selu";
	case CB_NN_RELIE: return "relie";
	case CB_NN_RAMP: return "ramp";
	case CB_NN_LOGGY: return "loggy";
	case CB_NN_HARDTAN: return "hardtan";
	case CB_NN_LHTAN: return "lhtan";
	case CB_NN_PLSE: return "plse";
	case CB_NN_STAIR: return "stair";
	default: return NULL;	/* younger than it */
	}
}

static int anchors(const struct cb_nn_layer *l, struct cb_buf *b)
{
	int r = cb_buf_str(b, "anchors=");

	for (uint32_t i = 0; i < 2 * l->n; i++)
		r |= cb_buf_printf(b, "%s%.9g", i ? "," : "", (double)l->anchor[i]);
	return r | cb_buf_str(b, "\n");
}

/* One layer; only what graph.h knows of, and only what the library has. */
static int layer(const struct cb_nn_graph *g, int at, struct cb_buf *b, struct cb_err *err)
{
	const struct cb_nn_layer *l = &g->layer[at];
	const char *act = activation(l->act);
	int r = 0;

	if (!act)
		return fail(err, l, "this activation");
	switch (l->type) {
	case CB_NN_CONV:
		if (l->dilation != 1)
			return fail(err, l, "dilation");
		if (l->stride_x != l->stride_y)
			return fail(err, l, "stride_x other than stride_y");
		if (l->share >= 0)
			return fail(err, l, "share_index");
		if (l->size == 1 && l->stride_x != 1)
			return fail(err, l, "size=1 with a stride");
		r = cb_buf_printf(b, "[convolutional]\nbatch_normalize=%d\nfilters=%u\nsize=%u\nstride=%u\n"
				  "pad=0\npadding=%u\ngroups=%u\nactivation=%s\n", l->bn, l->c, l->size,
				  l->stride_x, l->pad, l->groups, act);
		break;
	case CB_NN_CONNECTED:
		r = cb_buf_printf(b, "[connected]\noutput=%u\nbatch_normalize=%d\nactivation=%s\n", l->c,
				  l->bn, act);
		break;
	case CB_NN_ACTIVATION:
		r = cb_buf_printf(b, "[activation]\nactivation=%s\n", act);
		break;
	case CB_NN_CROP:
		r = cb_buf_printf(b, "[crop]\ncrop_width=%u\ncrop_height=%u\nnoadjust=%d\n", l->w, l->h,
				  l->beta == 0);
		break;
	case CB_NN_MAXPOOL:
		if (l->stride_x != l->stride_y)
			return fail(err, l, "stride_x other than stride_y");
		r = cb_buf_printf(b, "[maxpool]\nsize=%u\nstride=%u\npadding=%u\n", l->size, l->stride_x,
				  l->pad);
		break;
	case CB_NN_AVGPOOL:
		r = cb_buf_str(b, "[avgpool]\n");
		break;
	case CB_NN_ROUTE:
		if (l->groups != 1)
			return fail(err, l, "groups");
		r = cb_buf_str(b, "[route]\nlayers=");
		for (int i = 0; i < l->nfrom; i++)
			r |= cb_buf_printf(b, "%s%d", i ? "," : "", l->from[i]);
		r |= cb_buf_str(b, "\n");
		break;
	case CB_NN_SHORTCUT:
		if (l->nfrom != 1)
			return fail(err, l, "more than one layer in from");
		if (l->mix != CB_NN_MIX_NONE)
			return fail(err, l, "weights_type");
		r = cb_buf_printf(b, "[shortcut]\nfrom=%d\nactivation=%s\nalpha=%.9g\nbeta=%.9g\n",
				  l->from[0], act, (double)l->alpha, (double)l->beta);
		break;
	case CB_NN_UPSAMPLE:
		r = cb_buf_printf(b, "[upsample]\nstride=%u\nscale=%.9g\n", l->stride_x, (double)l->scale);
		break;
	case CB_NN_REORG:
		r = cb_buf_printf(b, "[reorg]\nstride=%u\n", l->stride_x);
		break;
	case CB_NN_SOFTMAX:	/* it has one, which tells the next layer that nothing comes in */
		return fail(err, l, "in front of other layers");
	case CB_NN_PASS:
		if (!at)	/* it would look at the layer before */
			return fail(err, l, "as the first layer");
		r = cb_buf_str(b, "[dropout]\nprobability=.5\n");
		break;
	case CB_NN_YOLO:
		if (l->new_coords)
			return fail(err, l, "new_coords");
		r = cb_buf_printf(b, "[yolo]\nclasses=%u\nnum=%u\nmask=", l->classes, l->n);
		for (uint32_t i = 0; i < l->n; i++)
			r |= cb_buf_printf(b, "%s%u", i ? "," : "", i);
		r |= cb_buf_str(b, "\n");
		r |= anchors(l, b);
		break;
	case CB_NN_REGION:
		if (l->coords != 4)
			return fail(err, l, "more than 4 coords");
		r = cb_buf_printf(b, "[region]\nclasses=%u\ncoords=4\nnum=%u\nsoftmax=%d\nbackground=%d\n",
				  l->classes, l->n, l->softmax, l->background);
		r |= anchors(l, b);
		break;
	default:
		return fail(err, l, "");
	}
	return r ? cb_err_nomem(err) : 0;
}

int cb_darknet_cfg(const struct cb_nn_graph *g, struct cb_buf *out, struct cb_err *err)
{
	const struct cb_nn_layer *last = &g->layer[g->n - 1];
	uint64_t bytes = g->weights * 2 * sizeof(float), work = 0;

	if (cb_buf_printf(out, "[net]\nbatch=1\nsubdivisions=1\nwidth=%u\nheight=%u\nchannels=%u\n", g->w,
			  g->h, g->c) < 0)
		return cb_err_nomem(err);
	for (int i = 0; i < g->n; i++) {
		const struct cb_nn_layer *l = &g->layer[i];
		uint64_t lowered = (uint64_t)l->size * l->size * l->ic / l->groups * l->h * l->w;

		if (layer(g, i, out, err) < 0)
			return -1;
		/* output, its gradient, and copies of both to normalise */
		bytes += 4 * sizeof(float) * (uint64_t)l->c * l->h * l->w;
		if (l->type == CB_NN_CONV && lowered > work)
			work = lowered;
	}
	/* it takes the number of classes from the last layer for the room of all boxes */
	if (!cb_nn_is_detector(last->type))
		return fail(err, last, "as the last layer");
	bytes += work * sizeof(float);
	if (bytes > BYTES_MAX)
		return cb_err_set(err, CB_E_DATA, "libdarknet would take %" PRIu64 " MiB of memory for it, "
				  "%" PRIu64 " are allowed", bytes >> 20, BYTES_MAX >> 20);
	return 0;
}

/* --- files in memory ------------------------------------------------------------------------- */

struct copy {
	int fd, error;
	const struct cb_darknet_opts *o;
};

static void copied(void *ctx, const void *p, size_t n)
{
	struct copy *c = ctx;
	struct cb_err e;

	if (c->o->seen)
		c->o->seen(c->o->ctx, p, n);
	if (!c->error && cb_write_all(c->fd, p, n, &e) < 0)
		c->error = e.sys ? e.sys : EIO;
}

static int memory(const char *name, struct cb_err *err)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return fd < 0 ? cb_err_sys(err, CB_E_OS, errno, "a file in memory") : fd;
}

static int seal(int fd, int seals, struct cb_err *err)
{
	if (fcntl(fd, F_ADD_SEALS, seals | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return cb_err_sys(err, CB_E_OS, errno, "a file in memory");
	return 0;
}

/* Read the weights as our own engine does, for the same complaints, and keep them as they came.
 * pack: a model in one file, or NULL. */
static int copy_weights(const struct cb_darknet *d, const struct cb_pack *pack, const char *path, int fd,
			struct cb_err *err)
{
	struct copy c = { .fd = fd, .o = d->o };
	struct cb_nn_weights f = { .fd = -1, .seen = copied, .ctx = &c };
	float *w = NULL, *bias = NULL;
	uint64_t most = 0, bias_most = 0;
	int r = -1;

	if (pack ? cb_nn_weights_memory(&f, pack->body.p, pack->body.n, &d->g, err) < 0 :
		   cb_nn_weights_open(&f, path, &d->g, err) < 0)
		goto out;
	for (int i = 0; i < d->g.n; i++) {
		const struct cb_nn_layer *l = &d->g.layer[i];

		if (l->weights > most)
			most = l->weights;
		if (l->weights && l->c > bias_most)
			bias_most = l->c;
	}
	w = malloc((size_t)(most + 1) * sizeof *w);
	bias = malloc((size_t)(bias_most + 1) * sizeof *bias);
	if (!w || !bias) {
		cb_err_nomem(err);
		goto out;
	}
	for (int i = 0; i < d->g.n; i++)
		if (d->g.layer[i].weights && cb_nn_weights_layer(&f, &d->g, i, w, bias, err) < 0)
			goto out;
	if (pack && cb_write_all(fd, pack->body.p, pack->body.n, err) < 0)
		goto out;
	if (c.error) {
		cb_err_sys(err, CB_E_OS, c.error, "a copy in memory");
		goto out;
	}
	r = seal(fd, F_SEAL_WRITE, err);
out:
	cb_nn_weights_close(&f);
	free(w);
	free(bias);
	return r;
}

/* --- the helper ------------------------------------------------------------------------------ */

/* Start it with fd[] at its fixed places and its prints to out. */
static int spawn(pid_t *pid, const char *path, const int fd[static 4], int out)
{
	static char name[] = NAME, env_path[] = "PATH=/usr/bin:/bin", locale[] = "LC_ALL=C";
	char *argv[] = { name, NULL }, *env[] = { env_path, locale, NULL };
	posix_spawn_file_actions_t f;
	posix_spawnattr_t a;
	sigset_t all, none;
	int k;

	sigfillset(&all);
	sigemptyset(&none);
	if ((k = posix_spawn_file_actions_init(&f)))
		return k;
	if ((k = posix_spawnattr_init(&a))) {
		posix_spawn_file_actions_destroy(&f);
		return k;
	}
	k = posix_spawn_file_actions_addopen(&f, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	for (int i = 1; i <= 2 && !k; i++)
		k = out >= 0 ? posix_spawn_file_actions_adddup2(&f, out, i) :
			posix_spawn_file_actions_addopen(&f, i, "/dev/null", O_WRONLY, 0);
	for (int i = 0; i < 4 && !k; i++)
		k = posix_spawn_file_actions_adddup2(&f, fd[i], CB_DK_FD_SOCKET + i);
	/* a group of its own: what a terminal sends to stop us is for us to obey */
	if (!k && !(k = posix_spawn_file_actions_addclosefrom_np(&f, CB_DK_FD_SHARED + 1)) &&
	    !(k = posix_spawnattr_setflags(&a, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
					       POSIX_SPAWN_SETSIGMASK)) &&
	    !(k = posix_spawnattr_setpgroup(&a, 0)) && !(k = posix_spawnattr_setsigdefault(&a, &all)) &&
	    !(k = posix_spawnattr_setsigmask(&a, &none)))
		k = posix_spawn(pid, path, &f, &a, argv, env);
	posix_spawnattr_destroy(&a);
	posix_spawn_file_actions_destroy(&f);
	return k;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Above the numbers that the helper's descriptors get, so that none is overwritten on the way. */
static int move_up(int *fd)
{
	int up = fcntl(*fd, F_DUPFD_CLOEXEC, CB_DK_FD_SHARED + 1);

	if (up < 0)
		return -1;
	close(*fd);
	*fd = up;
	return 0;
}

static int start(struct cb_darknet *d, int cfg, int weights, int shared, struct cb_err *err)
{
	int pair[2] = { -1, -1 }, out[2] = { -1, -1 }, fd[4] = { -1, -1, -1, -1 }, r = -1, k;
	const char *helper = d->o->helper;
	char *path = NULL;

	if (!helper && cb_libexec_path(&path, NAME, err) < 0)
		return -1;
	helper = helper ? helper : path;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
	    (d->o->prints && pipe2(out, O_CLOEXEC) < 0) || move_up(&pair[1]) < 0 ||
	    (out[1] >= 0 && move_up(&out[1]) < 0)) {
		cb_err_sys(err, CB_E_OS, errno, "descriptors");
		goto out;
	}
	fd[0] = pair[1];
	fd[1] = fcntl(cfg, F_DUPFD_CLOEXEC, CB_DK_FD_SHARED + 1);
	fd[2] = fcntl(weights, F_DUPFD_CLOEXEC, CB_DK_FD_SHARED + 1);
	fd[3] = fcntl(shared, F_DUPFD_CLOEXEC, CB_DK_FD_SHARED + 1);
	if (fd[1] < 0 || fd[2] < 0 || fd[3] < 0) {
		cb_err_sys(err, CB_E_OS, errno, "descriptors");
		goto out;
	}
	k = spawn(&d->pid, helper, fd, out[1]);
	if (k) {
		d->pid = 0;
		cb_err_sys(err, k == ENOMEM || k == EAGAIN ? CB_E_OS : CB_E_UNAVAIL, k,
			   "%s%s", helper, k == ENOENT ? ", which is built where Debian's package darknet is" : "");
		goto out;
	}
	d->sock = pair[0];
	d->log = out[0];
	pair[0] = out[0] = -1;
	r = 0;
out:
	for (int i = 0; i < 2; i++) {
		close_fd(&pair[i]);
		close_fd(&out[i]);
	}
	for (int i = 1; i < 4; i++)
		close_fd(&fd[i]);
	free(path);
	return r;
}

/* --- what it says ---------------------------------------------------------------------------- */

static void line_end(struct cb_darknet *d)
{
	d->line[d->line_len] = 0;
	if (d->line_len && d->o->say)
		d->o->say(d->o->say_ctx, false, d->line);
	d->line_len = 0;
}

/* One buffer of the library's prints, line by line; long lines in pieces. */
static void listen_once(struct cb_darknet *d)
{
	char buf[4096];
	ssize_t n = read(d->log, buf, sizeof buf);

	if (n <= 0) {
		if (n < 0 && errno == EINTR)
			return;
		line_end(d);
		close_fd(&d->log);
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] == '\n' || buf[i] == '\r' || d->line_len == LINE_MAX_BYTES)
			line_end(d);
		if (buf[i] != '\n' && buf[i] != '\r')
			d->line[d->line_len++] = buf[i] ? buf[i] : '?';
	}
}

/* Have it gone, and how it went; one that is just leaving gets grace_ms to say so itself. */
static int bury(struct cb_darknet *d, int grace_ms, bool *ret_killed)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	int status = 0, k = 0;

	*ret_killed = false;
	if (!d->pid)
		return 0;
	while (grace_ms-- > 0 && (k = waitpid(d->pid, &status, WNOHANG)) == 0)
		nanosleep(&ms, NULL);
	if (k != d->pid) {
		*ret_killed = true;
		kill(d->pid, SIGKILL);
		while (waitpid(d->pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	d->pid = 0;
	close_fd(&d->sock);
	/* its last words; what it may have started could hold the pipe open */
	for (int i = 0; i < 256 && d->log >= 0 && cb_would_block(d->log) == false; i++)
		listen_once(d);
	close_fd(&d->log);
	return status;
}

static void end(struct cb_darknet *d)
{
	bool killed;

	bury(d, 0, &killed);
}

static int gone(struct cb_darknet *d, struct cb_err *err)
{
	bool killed;
	int status = bury(d, 1000, &killed);

	if (killed)
		return cb_err_set(err, CB_E_UNAVAIL, "the helper hung up");
	if (WIFSIGNALED(status))
		return cb_err_set(err, CB_E_UNAVAIL, "the helper was ended by signal %d", WTERMSIG(status));
	return cb_err_set(err, CB_E_UNAVAIL, "the helper ended with exit status %d", WEXITSTATUS(status));
}

static int nonsense(struct cb_darknet *d, const char *what, struct cb_err *err)
{
	end(d);
	return cb_err_set(err, CB_E_PROTOCOL, "the helper talks nonsense: %s", what);
}

static int tell(struct cb_darknet *d, const uint8_t *msg, size_t n, struct cb_err *err)
{
	ssize_t k;

	if (!d->pid)
		return cb_err_set(err, CB_E_UNAVAIL, "the helper has ended");
	/* there is at most one message in the socket: this cannot block */
	while ((k = send(d->sock, msg, n, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0 && errno == EINTR)
		;
	return k == (ssize_t)n ? 0 : gone(d, err);
}

/* Its answer, of this kind: the length, or -1. A FAIL is its own message. */
static int answer(struct cb_darknet *d, uint32_t kind, size_t bytes, uint8_t msg[static CB_DK_MESSAGE_MAX],
		  struct cb_err *err)
{
	int64_t until = cb_now_mono_ns() + d->limit_ns;
	ssize_t n = -1;

	while (n < 0) {
		struct pollfd p[2] = { { .fd = d->sock, .events = POLLIN }, { .fd = d->log, .events = POLLIN } };
		int64_t left = until - cb_now_mono_ns();

		if (left <= 0) {
			end(d);
			return cb_err_set(err, CB_E_UNAVAIL, "no answer after %.3g s",
					  (double)d->limit_ns / 1e9);
		}
		left = left / 1000000 + 1;
		if (poll(p, 2, left > 60000 ? 60000 : (int)left) <= 0)
			continue;
		if (p[1].revents)
			listen_once(d);
		if (!p[0].revents)
			continue;
		n = recv(d->sock, msg, CB_DK_MESSAGE_MAX, MSG_DONTWAIT | MSG_TRUNC);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return gone(d, err);
	}
	if (n > CB_DK_MESSAGE_MAX || n < 8 || cb_le32(msg) != CB_DK_MAGIC)
		return nonsense(d, "not a message", err);
	if (cb_le32(msg + 4) == CB_DK_FAIL && n >= CB_DK_FAIL_BYTES) {
		uint32_t code = cb_le32(msg + 8);
		char text[256];

		cb_text_safe(text, sizeof text, (const char *)msg + CB_DK_FAIL_BYTES,
			     (size_t)n - CB_DK_FAIL_BYTES, false);
		end(d);
		return cb_err_set(err, code == CB_E_DATA || code == CB_E_OS || code == CB_E_PROTOCOL ?
				  (enum cb_errc)code : CB_E_UNAVAIL, "%s", text);
	}
	if (cb_le32(msg + 4) != kind || (size_t)n != bytes)
		return nonsense(d, "not an answer to what was asked", err);
	return 0;
}

static int load(struct cb_darknet *d, struct cb_err *err)
{
	uint8_t msg[CB_DK_MESSAGE_MAX];
	char hex[17];

	cb_put_le32(msg, CB_DK_MAGIC);
	cb_put_le32(msg + 4, CB_DK_LOAD);
	cb_put_le32(msg + 8, CB_DK_VERSION);
	cb_put_le32(msg + 12, (uint32_t)(d->input_bytes / sizeof(float)));
	cb_put_le32(msg + 16, (uint32_t)d->g.n);
	if (tell(d, msg, CB_DK_LOAD_BYTES, err) < 0 ||
	    answer(d, CB_DK_READY, CB_DK_READY_BYTES, msg, err) < 0)
		return -1;
	if (cb_le32(msg + 8) != (uint32_t)d->g.n)
		return nonsense(d, "another number of layers", err);
	for (int i = 0; i < d->g.n; i++) {
		const uint8_t *s = d->shared + d->input_bytes + (size_t)i * CB_DK_SHAPE_BYTES;
		const struct cb_nn_layer *l = &d->g.layer[i];
		uint32_t v[4] = { cb_le32(s), cb_le32(s + 4), cb_le32(s + 8), cb_le32(s + 12) };
		if (v[0] == (uint64_t)l->c * l->h * l->w && v[1] == l->w && v[2] == l->h && v[3] == l->c)
			continue;
		end(d);
		return cb_err_set(err, CB_E_DATA, "line %u: %s: libdarknet makes %ux%ux%u of it (%u values), "
				  "not %ux%ux%u", l->line, l->name, v[1], v[2], v[3], v[0], l->w, l->h, l->c);
	}
	cb_hex(hex, msg + 12, 8);
	snprintf(d->library, sizeof d->library, "darknet sha256:%s", hex);
	return 0;
}

/* --- for everybody --------------------------------------------------------------------------- */

static void set_limit(struct cb_darknet *d)
{
	double work = 20.0 * (double)d->g.weights;	/* it rolls dice for each before it loads them */

	for (int i = 0; i < d->g.n; i++) {
		const struct cb_nn_layer *l = &d->g.layer[i];

		work += (l->type == CB_NN_CONV ? (double)l->weights : 64.0 * l->c) * l->h * l->w;
	}
	d->limit_ns = d->o->limit_ns > 0 ? d->o->limit_ns :
		LIMIT_NS + (int64_t)(work / WORK_PER_S * CB_NS_PER_S);
}

static void differences(const struct cb_darknet *d, const char *cfg)
{
	char text[300];

	for (int i = 0; i < d->g.n && d->o->say; i++) {
		const struct cb_nn_layer *l = &d->g.layer[i];

		if (l->type != CB_NN_YOLO || l->scale_x_y == 1)
			continue;
		snprintf(text, sizeof text, "%.200s: line %u: %s: scale_x_y=%g is ignored by libdarknet", cfg,
			 l->line, l->name, (double)l->scale_x_y);
		d->o->say(d->o->say_ctx, true, text);
	}
}

static int read_cfg(struct cb_darknet *d, const uint8_t *p, size_t n, int fd, struct cb_err *err)
{
	struct cb_buf text = { 0 };
	int r = -1;

	if (cb_nn_graph_parse(&d->g, (const char *)p, n, 0, 0, err) < 0 ||
	    cb_darknet_cfg(&d->g, &text, err) < 0 || cb_write_all(fd, text.data, text.len, err) < 0 ||
	    seal(fd, F_SEAL_WRITE, err) < 0)
		goto out;
	r = 0;
out:
	cb_buf_release(&text);
	return r;
}

/* Cfg and weights, from one file or two, checked and where the helper can read them. */
static int read_model(struct cb_darknet *d, const struct cb_pack *p, const char *cfg, const char *weights,
		      int cfg_fd, int weights_fd, struct cb_err *err)
{
	char *beside = NULL;
	int r;

	if (p->kind && weights)
		return cb_err_set(err, CB_E_USAGE, "%s: a model in one file has its own weights", cfg);
	if (p->kind && p->kind != CB_PACK_FLOAT)
		return cb_err_set(err, CB_E_DATA, "%s: weights of 8 bits: not in Debian's libdarknet", cfg);
	if (p->kind) {
		if (read_cfg(d, p->cfg.p, p->cfg.n, cfg_fd, err) < 0)
			return cb_err_prefix(err, p->file ? "%s: model.cfg" : "%s", cfg);
		if (copy_weights(d, p, NULL, weights_fd, err) < 0)
			return cb_err_prefix(err, p->file ? "%s: model.weights" : "%s: weights", cfg);
		d->names = malloc(p->name_list.n + 1);
		if (!d->names)
			return cb_err_nomem(err);
		memcpy(d->names, p->name_list.p, p->name_list.n);
		d->names[p->name_list.n] = 0;
		d->names_len = p->name_list.n;
		return 0;
	}
	if (read_cfg(d, p->file, p->file_bytes, cfg_fd, err) < 0)
		return cb_err_prefix(err, "%s", cfg);
	if (!weights)
		weights = beside = cb_net_sibling(cfg, ".weights");
	if (!weights)
		return cb_err_nomem(err);
	r = copy_weights(d, NULL, weights, weights_fd, err);
	if (r < 0)
		cb_err_prefix(err, "%s", weights);
	free(beside);
	return r;
}

int cb_darknet_open(struct cb_darknet **ret, const char *cfg, const char *weights,
		    const struct cb_darknet_opts *o, struct cb_err *err)
{
	struct cb_darknet *d = calloc(1, sizeof *d);
	int cfg_fd = -1, weights_fd = -1, shared_fd = -1, r = -1;
	struct cb_pack read = { 0 };
	const struct cb_pack *p = o->pack ? o->pack : &read;

	if (!d)
		return cb_err_nomem(err);
	d->own = *o;
	d->o = &d->own;
	d->sock = d->log = -1;
	if (!o->pack && cb_pack_read(&read, cfg, CB_NN_CFG_MAX, err) < 0) {
		cb_err_prefix(err, "%s", cfg);
		goto out;
	}
	if (!o->pack && o->seen)
		o->seen(o->ctx, p->file, p->file_bytes);
	if ((cfg_fd = memory("cfg", err)) < 0 || (weights_fd = memory("weights", err)) < 0 ||
	    (shared_fd = memory("picture", err)) < 0 ||
	    read_model(d, p, cfg, weights, cfg_fd, weights_fd, err) < 0)
		goto out;
	d->input_bytes = (size_t)d->g.c * d->g.h * d->g.w * sizeof(float);
	d->shared_bytes = d->input_bytes + CB_DK_RESULT_BYTES;
	set_limit(d);
	if (ftruncate(shared_fd, (off_t)d->shared_bytes) < 0) {
		cb_err_sys(err, CB_E_OS, errno, "a file in memory");
		goto out;
	}
	/* nobody can take the pages away under us */
	if (seal(shared_fd, 0, err) < 0)
		goto out;
	d->shared = mmap(NULL, d->shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, shared_fd, 0);
	if (d->shared == MAP_FAILED) {
		d->shared = NULL;
		cb_err_nomem(err);
		goto out;
	}
	differences(d, cfg);
	if (start(d, cfg_fd, weights_fd, shared_fd, err) < 0 || load(d, err) < 0) {
		cb_err_prefix(err, "backend darknet");
		goto out;
	}
	*ret = d;
	d = NULL;
	r = 0;
out:
	close_fd(&cfg_fd);
	close_fd(&weights_fd);
	close_fd(&shared_fd);
	cb_pack_release(&read);
	cb_darknet_free(d);
	return r;
}

void cb_darknet_free(struct cb_darknet *d)
{
	if (!d)
		return;
	end(d);
	close_fd(&d->sock);
	close_fd(&d->log);
	if (d->shared)
		munmap(d->shared, d->shared_bytes);
	cb_nn_graph_release(&d->g);
	free(d->names);
	free(d);
}

uint32_t cb_darknet_width(const struct cb_darknet *d) { return d->g.w; }
uint32_t cb_darknet_height(const struct cb_darknet *d) { return d->g.h; }
uint32_t cb_darknet_channels(const struct cb_darknet *d) { return d->g.c; }
int cb_darknet_classes(const struct cb_darknet *d) { return (int)d->g.classes; }
const char *cb_darknet_library_version(const struct cb_darknet *d) { return d->library; }

const char *cb_darknet_names(const struct cb_darknet *d, size_t *ret_len)
{
	*ret_len = d->names_len;
	return d->names;
}

float *cb_darknet_input(struct cb_darknet *d) { return (float *)(void *)d->shared; }

/* Taken out of the shared memory before it is looked at. */
static int box(const struct cb_darknet *d, uint32_t at, struct cb_box *ret)
{
	uint8_t rec[CB_DK_BOX_BYTES];
	uint32_t id;
	float v[5];

	memcpy(rec, d->shared + d->input_bytes + (size_t)at * CB_DK_BOX_BYTES, sizeof rec);
	memcpy(v, rec, sizeof v);
	id = cb_le32(rec + 20);
	for (int i = 0; i < 5; i++)
		if (!isfinite(v[i]))
			return -1;
	if (id >= d->g.classes)
		return -1;
	*ret = (struct cb_box){ v[0] - v[2] / 2, v[1] - v[3] / 2, v[2], v[3], v[4], (int)id };
	return 0;
}

int cb_darknet_run(struct cb_darknet *d, float threshold, struct cb_box *ret, int max, struct cb_err *err)
{
	uint8_t msg[CB_DK_MESSAGE_MAX];
	uint32_t n;

	cb_put_le32(msg, CB_DK_MAGIC);
	cb_put_le32(msg + 4, CB_DK_RUN);
	cb_put_le32(msg + 8, ++d->number);
	memcpy(msg + 12, &threshold, sizeof threshold);
	if (tell(d, msg, CB_DK_RUN_BYTES, err) < 0 ||
	    answer(d, CB_DK_BOXES, CB_DK_BOXES_BYTES, msg, err) < 0)
		return cb_err_prefix(err, "backend darknet");
	n = cb_le32(msg + 12);
	if (cb_le32(msg + 8) != d->number || n > CB_DK_BOXES_MAX) {
		nonsense(d, "boxes that were not asked for", err);
		return cb_err_prefix(err, "backend darknet");
	}
	if (n > (uint32_t)max)
		n = (uint32_t)max;
	for (uint32_t i = 0; i < n; i++) {
		if (box(d, i, &ret[i]) < 0) {
			nonsense(d, "a box that is none", err);
			return cb_err_prefix(err, "backend darknet");
		}
	}
	return (int)n;
}
