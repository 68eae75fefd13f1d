/* SPDX-License-Identifier: Apache-2.0 */
/* A V4L2 camera where there is none: an LD_PRELOAD object that answers for one device file.
 *
 *   FAKE=DIR FAKE_FORMAT=MJPG LD_PRELOAD=.../fakev4l2.so cb-ingest /dev/video77
 *
 * The files 000, 001, ... in DIR are the pictures, one a buffer; after the last, the device is
 * unplugged (ENODEV). FAKE_FORMAT is the pixel format that it offers, four letters. FAKE_FAULT
 * makes it misbehave: busy, nobuffers, other (another format than asked for), nostream (no
 * capture device), or error:N, empty:N, nonsense:N, hang:N at the Nth picture, from 0. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEVICE "/dev/video77"
#define BUFFERS 4
#define BUFFER (1u << 20)

static int device = -1;
static unsigned next_picture, first, queued;	/* a queue of buffers, oldest first */
static unsigned queue[BUFFERS];

/* Opened when this is loaded: later nothing can be opened but what a camera is. */
#define PICTURES 64
static int picture[PICTURES];

static __attribute__((constructor)) void open_pictures(void)
{
	__typeof__(&open) next = (__typeof__(&open))dlsym(RTLD_NEXT, "open");
	const char *dir = getenv("FAKE");
	char path[4096];

	for (unsigned i = 0; i < PICTURES; i++) {
		snprintf(path, sizeof(path), "%s/%03u", dir ? dir : "", i);
		picture[i] = dir ? next(path, O_RDONLY | O_CLOEXEC) : -1;
	}
}

static bool fault(const char *what)
{
	const char *f = getenv("FAKE_FAULT");
	size_t n = strlen(what);

	if (!f || strncmp(f, what, n) != 0)
		return false;
	return f[n] == '\0' || (f[n] == ':' && (unsigned)atoi(f + n + 1) == next_picture);
}

static uint32_t format(void)
{
	const char *f = getenv("FAKE_FORMAT");

	return f && strlen(f) == 4 ? v4l2_fourcc(f[0], f[1], f[2], f[3]) : V4L2_PIX_FMT_MJPEG;
}

static int fail(int e)
{
	errno = e;
	return -1;
}

/* The next picture into the oldest queued buffer. */
static int dequeue(struct v4l2_buffer *b)
{
	uint8_t *data = malloc(BUFFER);
	ssize_t n = -1;

	if (!data)
		return fail(ENOMEM);
	if (fault("hang") || !queued) {
		free(data);
		return fail(EAGAIN);
	}
	if (next_picture < PICTURES && picture[next_picture] >= 0)
		n = pread(picture[next_picture], data, BUFFER, 0);
	b->index = queue[first];
	if (n < 0 || pwrite(device, data, (size_t)n, (off_t)b->index * BUFFER) != n) {
		free(data);
		return fail(ENODEV);
	}
	free(data);
	b->bytesused = fault("empty") ? 0 : fault("nonsense") ? BUFFER + 1 : (uint32_t)n;
	b->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC | (fault("error") ? V4L2_BUF_FLAG_ERROR : 0);
	b->timestamp.tv_sec = 1000 + next_picture / 10;
	b->timestamp.tv_usec = next_picture % 10 * 100000;
	first = (first + 1) % BUFFERS;
	queued--;
	next_picture++;
	return 0;
}

static int answer(unsigned long request, void *arg)
{
	struct v4l2_capability *cap = arg;
	struct v4l2_fmtdesc *desc = arg;
	struct v4l2_format *f = arg;
	struct v4l2_streamparm *parm = arg;
	struct v4l2_requestbuffers *req = arg;
	struct v4l2_buffer *b = arg;

	switch (request) {
	case VIDIOC_QUERYCAP:
		cap->capabilities = V4L2_CAP_DEVICE_CAPS;
		cap->device_caps = V4L2_CAP_STREAMING |
				   (fault("nostream") ? V4L2_CAP_VIDEO_OUTPUT : V4L2_CAP_VIDEO_CAPTURE);
		return 0;
	case VIDIOC_ENUM_FMT:
		desc->pixelformat = format();
		return desc->index == 0 ? 0 : fail(EINVAL);
	case VIDIOC_S_FMT:
		if (fault("busy"))
			return fail(EBUSY);
		f->fmt.pix.pixelformat = fault("other") ? (uint32_t)V4L2_PIX_FMT_YUYV : format();
		/* fallthrough */
	case VIDIOC_G_FMT:
		f->fmt.pix.width = 320;
		f->fmt.pix.height = 240;
		return 0;
	case VIDIOC_G_PARM:
	case VIDIOC_S_PARM:
		parm->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
		if (request == VIDIOC_G_PARM)
			parm->parm.capture.timeperframe = (struct v4l2_fract){ 1, 10 };
		return 0;
	case VIDIOC_REQBUFS:
		if (fault("nobuffers"))
			return fail(ENOMEM);
		req->count = BUFFERS;
		return 0;
	case VIDIOC_QUERYBUF:
		b->length = BUFFER;
		b->m.offset = b->index * BUFFER;
		return 0;
	case VIDIOC_QBUF:
		if (queued == BUFFERS)
			return fail(EINVAL);
		queue[(first + queued++) % BUFFERS] = b->index;
		return 0;
	case VIDIOC_STREAMON:
	case VIDIOC_STREAMOFF:
		return 0;
	case VIDIOC_DQBUF:
		return dequeue(b);
	}
	return fail(ENOTTY);
}

int open(const char *path, int flags, ...)
{
	__typeof__(&open) next = (__typeof__(&open))dlsym(RTLD_NEXT, "open");
	mode_t mode = 0;
	va_list ap;

	if (strcmp(path, DEVICE) == 0) {
		device = memfd_create("fakev4l2", MFD_CLOEXEC);
		return device >= 0 && ftruncate(device, BUFFERS * BUFFER) == 0 ? device : -1;
	}
	va_start(ap, flags);
	if (flags & (O_CREAT | __O_TMPFILE))
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return next(path, flags, mode);
}

int ioctl(int fd, unsigned long request, ...)
{
	__typeof__(&ioctl) next = (__typeof__(&ioctl))dlsym(RTLD_NEXT, "ioctl");
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	return fd >= 0 && fd == device ? answer(request, arg) : next(fd, request, arg);
}
