/* SPDX-License-Identifier: Apache-2.0 */
/* The reference backend's own half: what it writes for libdarknet says what the cfg said, mutated
 * ones too, and what that library lacks is refused; a helper that hangs is given up; nothing is
 * left behind. This program is the helper, too, where it is started as cb-darknet. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#include "base/io.h"
#include "base/num.h"
#include "nn/darknet.h"
#include "nn/darknet_wire.h"

/* --- the helper ------------------------------------------------------------------------------ */

/* What it does is in the width of the input: 32, never answer; 64, load and then stop. */
static int helper(void)
{
	uint8_t msg[CB_DK_MESSAGE_MAX] = { 0 };

	recv(CB_DK_FD_SOCKET, msg, sizeof msg, 0);
	if (cb_le32(msg + 12) != 64 * 32 * 3)
		return pause();
	/* of one convolution and yolo */
	for (uint32_t i = 0; i < 2; i++) {
		static const uint32_t shape[4] = { 2 * 1 * 6, 2, 1, 6 };

		if (pwrite(CB_DK_FD_SHARED, shape, sizeof shape,
			   64 * 32 * 3 * 4 + (off_t)i * CB_DK_SHAPE_BYTES) != sizeof shape)
			return 1;
	}
	cb_put_le32(msg + 4, CB_DK_READY);
	cb_put_le32(msg + 8, 2);
	send(CB_DK_FD_SOCKET, msg, CB_DK_READY_BYTES, 0);
	recv(CB_DK_FD_SOCKET, msg, sizeof msg, 0);
	return raise(SIGSTOP);
}

/* --- the cfg --------------------------------------------------------------------------------- */

#define NET "[net]\nwidth=64\nheight=64\nchannels=3\n"
#define CONV "[convolutional]\nfilters=6\nsize=3\nstride=1\npad=1\nactivation=leaky\n"
#define YOLO "[yolo]\nmask=1\nanchors=.1,1.7, 30,3e1\nclasses=1\nnum=2\n"

static bool equal_layers(const struct cb_nn_layer *a, const struct cb_nn_layer *b)
{
	bool same = a->type == b->type && a->ic == b->ic && a->ih == b->ih && a->iw == b->iw &&
		a->c == b->c && a->h == b->h && a->w == b->w && a->size == b->size &&
		a->stride_x == b->stride_x && a->stride_y == b->stride_y && a->pad == b->pad &&
		a->dilation == b->dilation && a->groups == b->groups && a->group_id == b->group_id &&
		a->bn == b->bn && a->share == b->share && a->act == b->act && a->alpha == b->alpha &&
		a->beta == b->beta && a->mix == b->mix && a->mix_norm == b->mix_norm &&
		a->scale == b->scale && a->scale_wh == b->scale_wh && a->temperature == b->temperature &&
		a->nfrom == b->nfrom && a->n == b->n && a->classes == b->classes && a->coords == b->coords &&
		a->background == b->background && a->softmax == b->softmax &&
		a->new_coords == b->new_coords && a->point == b->point && a->weights == b->weights;

	for (int i = 0; same && i < a->nfrom; i++)
		same = a->from[i] == b->from[i];
	for (uint32_t i = 0; same && i < 2 * a->n; i++)
		same = a->anchor[i] == b->anchor[i];
	return same;	/* scale_x_y is lost, which is said */
}

static bool equal(const struct cb_nn_graph *a, const struct cb_nn_graph *b)
{
	bool same = a->c == b->c && a->h == b->h && a->w == b->w && a->n == b->n &&
		a->classes == b->classes && a->weights == b->weights;

	for (int i = 0; same && i < a->n; i++)
		same = equal_layers(&a->layer[i], &b->layer[i]);
	return same;
}

enum { REFUSED, SAME, OTHER, NO_CFG };

/* Does what is written say the same? */
static int round_trip(const char *text, size_t len, struct cb_err *err)
{
	struct cb_nn_graph g = { 0 }, again = { 0 };
	struct cb_buf b = { 0 };
	int r = REFUSED;

	if (cb_nn_graph_parse(&g, text, len, 0, 0, err) < 0)
		return NO_CFG;
	if (cb_darknet_cfg(&g, &b, err) == 0)
		r = cb_nn_graph_parse(&again, (const char *)b.data, b.len, 0, 0, err) == 0 &&
			equal(&g, &again) ? SAME : OTHER;
	cb_nn_graph_release(&g);
	cb_nn_graph_release(&again);
	cb_buf_release(&b);
	return r;
}

static void refused(const char *middle, const char *says)
{
	struct cb_err err = CB_ERR_INIT;
	char text[2000];

	snprintf(text, sizeof text, NET CONV "%s" CONV YOLO, middle);
	OK_NAMED(round_trip(text, strlen(text), &err) == REFUSED && err.code == CB_E_DATA &&
		 strstr(err.msg, says) && !strncmp(err.msg, "line ", 5) &&
		 strstr(err.msg, "not in Debian's libdarknet"), says);
	if (!strstr(err.msg, says))
		printf("#   %s\n", err.msg);
}

static void cfgs(void)
{
	/* everything that it has */
	static const char all[] = NET "[crop]\ncrop_width=60\ncrop_height=60\n"
		"[convolutional]\nfilters=8\nsize=3\nstride=2\npadding=1\nbatch_normalize=1\nactivation=elu\n"
		"[conv]\nfilters=8\nsize=3\npad=1\ngroups=4\nactivation=loggy\n"
		"[shortcut]\nfrom=-2\nalpha=.3\nbeta=1.7\nactivation=relu\n"
		"[maxpool]\nsize=3\nstride=1\n[maxpool]\nsize=2\nstride=2\npadding=0\n"
		"[upsample]\nstride=2\nscale=.1\n[activation]\nactivation=tanh\n[dropout]\n"
		"[route]\nlayers=-1,1\n[conv]\nfilters=4\n[reorg]\nstride=2\n"
		"[conv]\nfilters=6\nactivation=linear\n" YOLO
		"[route]\nlayers=-4\n[conv]\nfilters=12\n"
		"[region]\nnum=2\nclasses=1\nsoftmax=1\nbackground=1\nanchors=1,2.3456789,3,4\n";
	struct cb_err err = CB_ERR_INIT;

	OK_INT(round_trip(NET CONV YOLO, strlen(NET CONV YOLO), &err), SAME);
	OK_INT(round_trip(all, strlen(all), &err), SAME);
	OK_INT(round_trip(NET CONV "[avgpool]\n[conn]\noutput=12\n" CONV YOLO,
			  strlen(NET CONV "[avgpool]\n[conn]\noutput=12\n" CONV YOLO), &err), SAME);
	refused("[softmax]\n", "[softmax]: in front of other layers: ");
	refused("[avgpool]\n" CONV "[scale_channels]\nfrom=0\n", "[scale_channels]: not in");
	refused("[sam]\nfrom=0\n", "[sam]: not in");
	refused("[batchnorm]\n", "[batchnorm]: not in");
	refused("[route]\nlayers=0\ngroups=2\n", "[route]: groups: ");
	refused("[shortcut]\nfrom=0,0\nactivation=linear\n", "[shortcut]: more than one layer");
	refused("[shortcut]\nfrom=0\nweights_type=per_feature\nactivation=linear\n", "[shortcut]: weights_type: ");
	refused("[conv]\nfilters=6\nsize=3\npad=1\ndilation=2\n", "[conv]: dilation: ");
	refused("[conv]\nfilters=6\nsize=3\npad=1\nstride_x=2\n", "[conv]: stride_x other than stride_y: ");
	refused("[conv]\nfilters=6\nstride=2\n", "[conv]: size=1 with a stride: ");
	refused("[conv]\nfilters=6\nactivation=mish\n", "[conv]: this activation: ");
	refused(CONV "[conv]\nfilters=6\nsize=3\npad=1\nshare_index=1\n", "[conv]: share_index: ");
	refused("[conv]\nfilters=6\nsize=3\npad=1\nantialiasing=1\nstride=2\n", "[conv]: not in");
	refused("[maxpool]\nsize=2\nstride_x=1\nstride_y=2\n", "[maxpool]: stride_x other than stride_y: ");
	refused("[maxpool]\nmaxpool_depth=1\nout_channels=2\n", "[maxpool]: not in");
	refused("[local_avgpool]\nsize=2\nstride=1\n", "[local_avgpool]: not in");
	refused("[conv]\nfilters=12\n[yolo]\nmask=0,1\nclasses=1\nnum=2\nanchors=1,2,3,4\nnew_coords=1\n",
		"[yolo]: new_coords: ");
	refused("[conv]\nfilters=7\n[region]\nclasses=1\nnum=1\ncoords=5\n", "[region]: more than 4 coords: ");
	OK(round_trip(NET "[dropout]\n" CONV YOLO, strlen(NET "[dropout]\n" CONV YOLO), &err) == REFUSED &&
	   strstr(err.msg, "[dropout]: as the first layer"));
	OK(round_trip(NET CONV YOLO CONV, strlen(NET CONV YOLO CONV), &err) == REFUSED &&
	   strstr(err.msg, "[convolutional]: as the last layer"));
	/* five times 4096 x 4096 x 4: more than it should get */
	static const char large[] = "[net]\nwidth=4096\nheight=4096\nchannels=3\n[conv]\nfilters=4\n"
		"[conv]\nfilters=4\n[conv]\nfilters=4\n[conv]\nfilters=4\n[maxpool]\nsize=2\nstride=2\n"
		"[conv]\nfilters=6\n" YOLO;
	OK(round_trip(large, strlen(large), &err) == REFUSED && strstr(err.msg, "MiB of memory"));
}

static uint32_t seed = 7;

static uint32_t rnd(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

/* Each of the corpus with a detector behind it, and spoiled: what is written says the same, or
 * nothing is written. */
static void corpus(const char *dir)
{
	int files = 0, same = 0, other = 0, refusals = 0;
	struct cb_err err;
	struct dirent *e;
	DIR *d = opendir(dir);

	while (d && (e = readdir(d))) {
		char path[4400], *text;
		uint8_t *read;
		size_t len;

		snprintf(path, sizeof path, "%s/%.200s", dir, e->d_name);
		if (e->d_name[0] == '.' || cb_file_read(path, 60000, &read, &len, &err) < 0)
			continue;
		files++;
		text = malloc(len + 200);
		memcpy(text, read, len + 1);
		/* filters of a detector with two boxes of one class, whatever comes in */
		strcpy(text + len, "\n[conv]\nfilters=6\nactivation=linear\n" YOLO);
		len = strlen(text);
		for (int i = 0; i < 300; i++) {
			char *m = malloc(len);
			int r;

			memcpy(m, text, len);
			for (uint32_t k = i ? 1 + rnd() % 3 : 0; k; k--)
				m[rnd() % len] = "0123456789-.,=[]\n#ae"[rnd() % 20];
			r = round_trip(m, len, &err);
			same += r == SAME;
			refusals += r == REFUSED;
			if (r == OTHER && !other++)
				printf("# %s, mutation %d: %s\n", path, i, err.msg);
			free(m);
		}
		free(text);
		free(read);
	}
	if (d)
		closedir(d);
	printf("# %d files: %d the same, %d refused\n", files, same, refusals);
	OK(files > 10 && same > 100 && refusals > 100);
	OK_INT(other, 0);
}

/* --- the process ----------------------------------------------------------------------------- */

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static void write_model(int width)
{
	float w[6 * 28];
	uint8_t head[20] = { 0 };
	FILE *f = fopen("d.cfg", "w");

	fprintf(f, "[net]\nwidth=%d\nheight=32\nchannels=3\n[conv]\nfilters=6\nsize=3\nstride=32\npad=1\n"
		"activation=linear\n%s", width, YOLO);
	fclose(f);
	cb_put_le32(head + 4, 2);
	for (size_t i = 0; i < 6 * 28; i++)
		w[i] = (float)i / 100 - 1;
	f = fopen("d.weights", "w");
	fwrite(head, 1, sizeof head, f);
	fwrite(w, sizeof *w, 6 * 28, f);
	fclose(f);
}

static int attempt(const char *with, int64_t limit_ns, struct cb_darknet **ret, struct cb_err *err)
{
	struct cb_darknet_opts o = { .helper = with, .limit_ns = limit_ns };

	return cb_darknet_open(ret, "d.cfg", NULL, &o, err);
}

static bool no_child(void)
{
	return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

static void process(void)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_darknet *d = NULL;
	struct cb_box box[4];
	int fds = open_fds();
	struct rlimit had, few;
	int codes = 0;

	write_model(32);
	OK_INT(attempt("/proc/self/exe", 200000000, &d, &err), -1);
	OK(err.code == CB_E_UNAVAIL && strstr(err.msg, "backend darknet: no answer after 0.2 s"));
	OK(!d && no_child());
	OK_INT(open_fds(), fds);

	/* stopped in the middle: killed all the same */
	write_model(64);
	if (!OK(attempt("/proc/self/exe", 500000000, &d, &err) == 0)) {
		printf("#   %s\n", err.msg);
		return;
	}
	OK(cb_darknet_width(d) == 64 && cb_darknet_classes(d) == 1 && cb_darknet_channels(d) == 3);
	OK_INT(cb_darknet_run(d, .1f, box, 4, &err), -1);
	OK(err.code == CB_E_UNAVAIL && strstr(err.msg, "no answer after 0.5 s") && no_child());
	OK(cb_darknet_run(d, .1f, box, 4, &err) < 0 && strstr(err.msg, "backend darknet: the helper has ended"));
	cb_darknet_free(d);
	d = NULL;
	OK_INT(open_fds(), fds);
	cb_darknet_free(NULL);

	OK(attempt("/nonexistent/cb-darknet", 0, &d, &err) < 0 && err.code == CB_E_UNAVAIL);
	OK(attempt("/dev/null", 0, &d, &err) < 0 && err.code == CB_E_UNAVAIL);
	/* a program that is no helper */
	OK(attempt("/bin/true", 0, &d, &err) < 0 && err.code == CB_E_UNAVAIL && !d && no_child());
	OK_INT(open_fds(), fds);

	/* too few descriptors, one after another */
	getrlimit(RLIMIT_NOFILE, &had);
	few = had;
	for (few.rlim_cur = 3; few.rlim_cur < 32; few.rlim_cur++) {
		int r;

		setrlimit(RLIMIT_NOFILE, &few);
		r = attempt("/proc/self/exe", 2000000000, &d, &err);
		setrlimit(RLIMIT_NOFILE, &had);
		codes += r == 0 || err.code == CB_E_OS || err.code == CB_E_NOINPUT || err.code == CB_E_UNAVAIL;
		if (r == 0)
			cb_darknet_free(d);
		d = NULL;
	}
	OK_INT(codes, 29);
	OK(no_child());
	OK_INT(open_fds(), fds);
}

int main(int argc, char **argv)
{
	const char *src = getenv("CB_SRC");
	char dir[] = "/tmp/cb-darknet.XXXXXX", path[4096];

	if (argc == 1 && !strcmp(argv[0], "cb-darknet"))
		return helper();
	cfgs();
	if (src) {
		snprintf(path, sizeof path, "%s/tests/fuzz/corpus/nn_cfg", src);
		corpus(path);
	}
	if (!mkdtemp(dir) || chdir(dir) < 0)
		return 99;
	process();
	unlink("d.cfg");
	unlink("d.weights");
	rmdir(dir);
	return done();
}
