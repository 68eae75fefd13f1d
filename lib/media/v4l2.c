/* SPDX-License-Identifier: Apache-2.0 */
/* V4L2 capture with mapped buffers. */
#include "media/v4l2.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/videodev2.h>

#include "base/stop.h"
#include "base/time.h"

#define BUFFERS 4

struct cb_v4l2 {
	int fd;
	const char *path;
	struct { void *p; size_t len; } map[BUFFERS];
	unsigned maps;
	int lent;		/* the buffer that the caller looks at, or -1 */
	bool streaming;
};

static int ctl(int fd, unsigned long request, void *arg)
{
	int r;

	do
		r = ioctl(fd, request, arg);
	while (r < 0 && errno == EINTR && !cb_stop_flag);
	return r;
}

static bool offers(int fd, uint32_t pixelformat)
{
	struct v4l2_fmtdesc f = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };

	for (; f.index < 256 && ctl(fd, VIDIOC_ENUM_FMT, &f) == 0; f.index++)
		if (f.pixelformat == pixelformat)
			return true;
	return false;
}

static int set_format(struct cb_v4l2 *v, uint32_t fps_num, uint32_t fps_den,
		      struct cb_v4l2_format *ret, struct cb_err *err)
{
	struct v4l2_format f = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };
	struct v4l2_streamparm parm = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };
	struct v4l2_fract *t = &parm.parm.capture.timeperframe;
	uint32_t want = 0;

	if (offers(v->fd, V4L2_PIX_FMT_H264))
		want = V4L2_PIX_FMT_H264;
	else if (offers(v->fd, V4L2_PIX_FMT_MJPEG))
		want = V4L2_PIX_FMT_MJPEG;
	else if (offers(v->fd, V4L2_PIX_FMT_JPEG))
		want = V4L2_PIX_FMT_JPEG;
	if (!want)
		return cb_err_set(err, CB_E_DATA, "%s: offers neither H.264 nor Motion JPEG", v->path);
	if (ctl(v->fd, VIDIOC_G_FMT, &f) < 0)
		return cb_err_sys(err, CB_E_IO, errno, "%s: format", v->path);
	f.fmt.pix.pixelformat = want;
	f.fmt.pix.field = V4L2_FIELD_ANY;
	if (ctl(v->fd, VIDIOC_S_FMT, &f) < 0)
		return cb_err_sys(err, errno == EBUSY ? CB_E_UNAVAIL : CB_E_IO, errno, "%s: format", v->path);
	if (f.fmt.pix.pixelformat != want || !f.fmt.pix.width || !f.fmt.pix.height ||
	    f.fmt.pix.width > 65535 || f.fmt.pix.height > 65535)
		return cb_err_set(err, CB_E_IO, "%s: the driver chose another format", v->path);
	if (ctl(v->fd, VIDIOC_G_PARM, &parm) == 0) {
		if (fps_num && (parm.parm.capture.capability & V4L2_CAP_TIMEPERFRAME)) {
			*t = (struct v4l2_fract){ fps_den, fps_num };
			if (ctl(v->fd, VIDIOC_S_PARM, &parm) < 0)
				return cb_err_sys(err, CB_E_IO, errno, "%s: --fps", v->path);
		}
	} else {
		memset(t, 0, sizeof(*t));
	}
	*ret = (struct cb_v4l2_format){ want == V4L2_PIX_FMT_H264, f.fmt.pix.width, f.fmt.pix.height,
					t->denominator, t->numerator };
	if (!ret->fr_num || !ret->fr_den)
		ret->fr_num = 0, ret->fr_den = 1;
	return 0;
}

static int start(struct cb_v4l2 *v, struct cb_err *err)
{
	struct v4l2_requestbuffers req = { .count = BUFFERS, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
					   .memory = V4L2_MEMORY_MMAP };
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;

	if (ctl(v->fd, VIDIOC_REQBUFS, &req) < 0 || req.count < 2)
		return cb_err_sys(err, errno == EBUSY ? CB_E_UNAVAIL : CB_E_IO, errno, "%s: buffers", v->path);
	for (unsigned i = 0; i < req.count && i < BUFFERS; i++) {
		struct v4l2_buffer b = { .index = i, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
					 .memory = V4L2_MEMORY_MMAP };
		void *p;

		if (ctl(v->fd, VIDIOC_QUERYBUF, &b) < 0)
			return cb_err_sys(err, CB_E_IO, errno, "%s: buffers", v->path);
		p = mmap(NULL, b.length, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, b.m.offset);
		if (p == MAP_FAILED)
			return cb_err_sys(err, CB_E_OS, errno, "%s: buffers", v->path);
		v->map[i].p = p;
		v->map[i].len = b.length;
		v->maps = i + 1;
		if (ctl(v->fd, VIDIOC_QBUF, &b) < 0)
			return cb_err_sys(err, CB_E_IO, errno, "%s: buffers", v->path);
	}
	if (ctl(v->fd, VIDIOC_STREAMON, &type) < 0)
		return cb_err_sys(err, errno == EBUSY ? CB_E_UNAVAIL : CB_E_IO, errno, "%s: start", v->path);
	v->streaming = true;
	return 0;
}

int cb_v4l2_open(struct cb_v4l2 **ret, const char *path, uint32_t fps_num, uint32_t fps_den,
		 struct cb_v4l2_format *ret_format, struct cb_err *err)
{
	struct v4l2_capability cap = { 0 };
	struct cb_v4l2 *v;
	uint32_t caps;

	v = calloc(1, sizeof(*v));
	if (!v)
		return cb_err_nomem(err);
	v->path = path;
	v->lent = -1;
	v->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (v->fd < 0) {
		cb_err_sys(err, errno == EBUSY ? CB_E_UNAVAIL : errno == ENODEV || errno == ENXIO ? CB_E_NOINPUT :
			   cb_errc_open(errno), errno, "%s", path);
		goto out;
	}
	if (ctl(v->fd, VIDIOC_QUERYCAP, &cap) < 0) {
		cb_err_set(err, CB_E_NOINPUT, "%s: not a V4L2 device", path);
		goto out;
	}
	caps = cap.capabilities & V4L2_CAP_DEVICE_CAPS ? cap.device_caps : cap.capabilities;
	if (!(caps & V4L2_CAP_VIDEO_CAPTURE) || !(caps & V4L2_CAP_STREAMING)) {
		cb_err_set(err, CB_E_NOINPUT, "%s: not a capture device", path);
		goto out;
	}
	if (set_format(v, fps_num, fps_den, ret_format, err) < 0 || start(v, err) < 0)
		goto out;
	*ret = v;
	return 0;
out:
	cb_v4l2_free(v);
	return -1;
}

static int give_back(struct cb_v4l2 *v, struct cb_err *err)
{
	struct v4l2_buffer b = { .index = (unsigned)v->lent, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
				 .memory = V4L2_MEMORY_MMAP };

	if (v->lent < 0)
		return 0;
	v->lent = -1;
	if (ctl(v->fd, VIDIOC_QBUF, &b) < 0)
		return cb_err_sys(err, errno == ENODEV ? CB_E_UNAVAIL : CB_E_IO, errno, "%s", v->path);
	return 0;
}

int cb_v4l2_next(struct cb_v4l2 *v, int64_t timeout_ns, struct cb_v4l2_frame *ret, struct cb_err *err)
{
	int64_t until = cb_now_mono_ns() + timeout_ns;
	struct v4l2_buffer b;

	if (give_back(v, err) < 0)
		return -1;
	for (;;) {
		struct pollfd p = { .fd = v->fd, .events = POLLIN };

		if (cb_stop_flag)
			return 0;
		b = (struct v4l2_buffer){ .type = V4L2_BUF_TYPE_VIDEO_CAPTURE, .memory = V4L2_MEMORY_MMAP };
		if (ctl(v->fd, VIDIOC_DQBUF, &b) == 0) {
			if (b.index >= v->maps || b.bytesused > v->map[b.index].len)
				return cb_err_set(err, CB_E_IO, "%s: the driver answers nonsense", v->path);
			v->lent = (int)b.index;
			if (b.bytesused > 0)
				break;
			if (give_back(v, err) < 0)
				return -1;
			continue;
		}
		if (errno != EAGAIN)
			return cb_err_sys(err, errno == ENODEV ? CB_E_UNAVAIL : CB_E_IO, errno, "%s", v->path);
		if (timeout_ns && cb_now_mono_ns() > until)
			return cb_err_set(err, CB_E_UNAVAIL, "%s: no picture for %.3g s", v->path,
					  (double)timeout_ns / 1e9);
		poll(&p, 1, 200);
	}
	*ret = (struct cb_v4l2_frame){
		.data = v->map[b.index].p, .len = b.bytesused,
		.mono_ns = (b.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC ?
			   b.timestamp.tv_sec * CB_NS_PER_S + b.timestamp.tv_usec * CB_NS_PER_US : 0,
		.key = b.flags & V4L2_BUF_FLAG_KEYFRAME, .corrupt = b.flags & V4L2_BUF_FLAG_ERROR,
	};
	return 1;
}

void cb_v4l2_free(struct cb_v4l2 *v)
{
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;

	if (!v)
		return;
	if (v->streaming)
		ioctl(v->fd, VIDIOC_STREAMOFF, &type);
	for (unsigned i = 0; i < v->maps; i++)
		munmap(v->map[i].p, v->map[i].len);
	if (v->fd >= 0)
		close(v->fd);
	free(v);
}
