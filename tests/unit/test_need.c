/* SPDX-License-Identifier: Apache-2.0 */
/* What packets say of what they are needed for, from packets made here. */
#include "tap.h"

#include "media/need.h"

static struct cb_need ask(struct cb_needs *n, const void *p, size_t len)
{
	/* where it ends the memory ends, so that a sanitizer sees what reads on */
	uint8_t *copy = malloc(len + !len);
	struct cb_packet pkt = { .data = copy, .len = (uint32_t)len };
	struct cb_need r;

	memcpy(copy, p, len);
	r = cb_needs_packet(n, &pkt);
	free(copy);
	return r;
}

static struct cb_needs needs(const char *codec, int nal_length, const void *extra, uint32_t len)
{
	struct cb_stream s = { .nal_length = (uint8_t)nal_length, .extradata = extra, .extradata_len = len };
	struct cb_needs n;

	snprintf(s.codec, sizeof s.codec, "%s", codec);
	cb_needs_init(&n, &s);
	return n;
}

#define ASK(n, bytes) ask((n), (bytes), sizeof (bytes) - 1)

static void h264(void)
{
	struct cb_needs n = needs("h264", 4, NULL, 0);
	struct cb_need r;

	r = ASK(&n, "\0\0\0\2\x01\x88");
	OK(r.spare && !r.anew && !r.headers);
	r = ASK(&n, "\0\0\0\2\x41\x88");
	OK(!r.spare && !r.anew);
	r = ASK(&n, "\0\0\0\2\x01\x88\0\0\0\2\x21\x88");
	OK(!r.spare);
	r = ASK(&n, "\0\0\0\2\x65\x88");
	OK(!r.spare && r.anew);
	r = ASK(&n, "\0\0\0\2\x67\x01\0\0\0\2\x68\x02\0\0\0\2\x65\x88");
	OK(r.headers && r.anew && !r.spare);
	r = ASK(&n, "\0\0\0\2\x67\x01\0\0\0\2\x68\x02\0\0\0\2\x65\x77");
	OK(!r.headers && r.anew);	/* the same again */
	r = ASK(&n, "\0\0\0\2\x67\x01\0\0\0\2\x68\x03\0\0\0\2\x65\x77");
	OK(r.headers && r.anew);
	r = ASK(&n, "\0\0\0\2\x68\x03\0\0\0\2\x01\x88");
	OK(!r.spare);
	r = ASK(&n, "\0\0\0\2\x06\x88");
	OK(!r.spare && !r.anew);	/* no slice */
	r = ASK(&n, "\0\0\0\2\x01\x88\0\0\0\1\x0a");
	OK(!r.spare);			/* the end of a sequence */
	r = ASK(&n, "\0\0\0\2\x01\x88\0\0\0\7\x01");
	OK(!r.spare);			/* a unit beyond the packet */
	r = ASK(&n, "\0\0\0\2\x65\x88\0\0");
	OK(!r.anew);
	r = ASK(&n, "");
	OK(!r.spare && !r.anew && !r.headers);
	n = needs("h264", 0, NULL, 0);
	r = ASK(&n, "\0\0\1\x01\x88");
	OK(!r.spare && !r.anew);
}

static void h265(void)
{
	/* hvcC with one SPS whose highest sub-layer is 1 */
	static const uint8_t hvcc[] = { 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 1,
					33, 0, 1, 0, 4, 0x42, 1, 1 << 1, 0 };
	struct cb_needs n = needs("hevc", 4, NULL, 0);
	struct cb_need r;

	/* TRAIL_N (0) and TRAIL_R (1), temporal id + 1 in the second byte */
	r = ASK(&n, "\0\0\0\3\x00\x01\x80");
	OK(!r.spare);			/* how many sub-layers there are is not known */
	n = needs("hevc", 4, hvcc, sizeof hvcc);
	OK_INT(n.top, 1);
	r = ASK(&n, "\0\0\0\3\x00\x01\x80");
	OK(!r.spare);			/* one above may refer to it */
	r = ASK(&n, "\0\0\0\3\x00\x02\x80");
	OK(r.spare && !r.anew);
	r = ASK(&n, "\0\0\0\3\x02\x02\x80");
	OK(!r.spare);			/* TRAIL_R */
	r = ASK(&n, "\0\0\0\3\x10\x02\x80");
	OK(r.spare);			/* RASL_N */
	r = ASK(&n, "\0\0\0\3\x26\x01\x80");
	OK(r.anew && !r.spare);		/* IDR_W_RADL */
	r = ASK(&n, "\0\0\0\3\x28\x01\x80");
	OK(r.anew);			/* IDR_N_LP */
	r = ASK(&n, "\0\0\0\3\x2a\x01\x80");
	OK(!r.anew);			/* CRA: what comes after may refer to what came before */
	r = ASK(&n, "\0\0\0\4\x42\x01\x04\x00\0\0\0\3\x26\x01\x80");
	OK(r.headers && r.anew && n.top == 2);
	r = ASK(&n, "\0\0\0\3\x00\x02\x80");
	OK(!r.spare);			/* a sub-layer more now */
	r = ASK(&n, "\0\0\0\3\x00\x03\x80");
	OK(r.spare);
	r = ASK(&n, "\0\0\0\3\x00\x03\x80\0\0\0\3\x00\x0b\x80");
	OK(r.spare);			/* another layer (SHVC, MV-HEVC) on top */
	r = ASK(&n, "\0\0\0\3\x00\x03\x80\0\0\0\2\x48\x01");
	OK(!r.spare);			/* the end of a sequence */
	r = ASK(&n, "\0\0\0\1\x00");
	OK(!r.spare);
}

/* Bits, from a string of groups "value:width". */
static size_t bits(uint8_t *out, const char *s)
{
	size_t at = 0;

	memset(out, 0, 64);
	while (*s) {
		char *end;
		unsigned long v = strtoul(s, &end, 0), w = strtoul(end + 1, &end, 10);

		for (unsigned long i = w; i--; at++)
			out[at / 8] |= (uint8_t)((v >> i & 1) << (7 - at % 8));
		s = *end ? end + 1 : end;
	}
	return (at + 7) / 8;
}

static struct cb_need av1_ask(struct cb_needs *n, unsigned type, const char *s)
{
	uint8_t p[80] = { (uint8_t)(type << 3 | 2), 0 };

	p[1] = (uint8_t)bits(p + 2, s);
	return ask(n, p, 2u + p[1]);
}

static void av1(void)
{
	/* no timing, one operating point of level 8, 16 x 16, no ids, order hints of 7 bits */
	static const char sequence[] = "0:3 0:1 0:1 0:1 0:1 0:5 0:12 8:5 0:1 3:4 3:4 15:4 15:4 0:1 0:3 0:4 1:1 0:2 1:1 1:1 6:3";
	/* as that, with a decoder model: removal times of 4 bits, presentation times of 5 */
	static const char model[] = "0:3 0:1 0:1 1:1 1:32 50:32 0:1 1:1 3:5 1:32 3:5 4:5 0:1 0:5 0x101:12 8:5 0:1 1:1 9:4 9:4 0:1 "
				    "3:4 3:4 15:4 15:4 0:1 0:3 0:4 1:1 0:2 1:1 1:1 6:3";
	struct cb_needs n = needs("av1", 0, NULL, 0);
	struct cb_need r;

	/* shown inter frame: existing, type, shown, resilient, cdf, screen, size, order, primary, refresh */
	static const char none[] = "0:1 1:2 1:1 0:1 0:1 0:1 0:1 5:7 0:3 0:8 0xff:8", some[] = "0:1 1:2 1:1 0:1 0:1 0:1 0:1 5:7 0:3 4:8 0:8";

	r = av1_ask(&n, 6, none);
	OK(!r.spare);			/* without its sequence header nothing is known */
	r = av1_ask(&n, 1, sequence);
	OK(r.headers && n.av1.known);
	r = av1_ask(&n, 1, sequence);
	OK(!r.headers);
	r = av1_ask(&n, 6, none);
	OK(r.spare && !r.anew);
	r = av1_ask(&n, 6, some);
	OK(!r.spare);
	r = av1_ask(&n, 6, "0:1 1:2 0:1 1:1 0:1 0:1 0:1 0:1 5:7 0:3 0:8 0:8");
	OK(!r.spare);			/* hidden: another packet shows it */
	r = av1_ask(&n, 3, "1:1 2:3 0:4");
	OK(!r.spare && !r.anew);	/* shows an existing frame */
	r = av1_ask(&n, 6, "0:1 0:2 1:1 0:1 0:1 0:1 5:7 0:8");
	OK(r.anew && !r.spare);
	r = av1_ask(&n, 6, "0:1 0:2 0:1 1:1 0:1 0:1 0:1 0:1 5:7 0:8");
	OK(!r.anew);			/* a key frame that is not shown refreshes what it likes */
	r = av1_ask(&n, 6, "0:1 1:2 1:1 0:1");
	OK(!r.spare);			/* cut */
	r = ask(&n, "\x32\x7f\0", 3);
	OK(!r.spare && !r.anew);	/* longer than the packet */
	r = av1_ask(&n, 1, model);
	OK(r.headers && n.av1.known && n.av1.time_bits == 5 && n.av1.removal_bits == 4);
	/* with a presentation time, and a removal time for the operating point */
	r = av1_ask(&n, 6, "0:1 1:2 1:1 9:5 0:1 0:1 0:1 0:1 5:7 0:3 1:1 15:4 0:8 0xff:8");
	OK(r.spare);
	r = av1_ask(&n, 6, "0:1 1:2 1:1 9:5 0:1 0:1 0:1 0:1 5:7 0:3 1:1 0:4 1:8 0:8");
	OK(!r.spare);
}

static void others(void)
{
	static const uint8_t jpeg[] = {
		0xff, 0xd8, 0xff, 0xdb, 0, 67, 0, [6 + 65] = 0xff, 0xc4, 0, 20, 0x00, 1, [75 + 17] = 9,
		0xff, 0xc4, 0, 20, 0x10, 1, [97 + 17] = 9,
		0xff, 0xc0, 0, 11, 8, 1, 0xe0, 2, 0x80, 1, 1, 0x11, 0, 0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 1, 2, 3,
	};
	uint8_t bad[sizeof jpeg];
	struct cb_needs n = needs("mpeg2video", 0, NULL, 0);
	struct cb_need r;
	int anew = 0, read = 0;

	r = ASK(&n, "\0\0\1\0\0\x18\xff\xff\0\0\1\xb5\x80\0\0\1\x01\x22");
	OK(r.spare);			/* B */
	r = ASK(&n, "\0\0\1\0\0\x10\xff\xff");
	OK(!r.spare);			/* P */
	r = ASK(&n, "\0\0\1\0\0\x18\xff\xff\0\0\1\0\0\x10\xff\xff");
	OK(!r.spare);
	r = ASK(&n, "\0\0\1\xb8\0\0\0\0\0\0\1\0\0\x18\xff\xff");
	OK(!r.spare && r.headers);
	n = needs("mpeg4", 0, NULL, 0);
	r = ASK(&n, "\0\0\1\xb6\x80\0");
	OK(r.spare);
	r = ASK(&n, "\0\0\1\xb6\x40\0\0\0\1\xb6\x80\0");
	OK(!r.spare);			/* P and B packed into one */
	n = needs("vp9", 0, NULL, 0);
	r = ASK(&n, "\x82\x49\x83\x42");
	OK(r.anew && !r.spare);
	r = ASK(&n, "\x86\0\0");
	OK(!r.anew && !r.spare);
	r = ASK(&n, "\x88\0");
	OK(!r.anew);
	n = needs("vp8", 0, NULL, 0);
	r = ASK(&n, "\x10\x02\0\x9d\x01\x2a\x40\1\xf0\0\0");
	OK(r.anew);
	r = ASK(&n, "\x11\x02\0\x9d\x01\x2a\x40\1\xf0\0\0");
	OK(!r.anew);
	n = needs("png", 0, NULL, 0);
	r = ASK(&n, "x");
	OK(r.anew && r.spare);
	n = needs("ffv1", 0, NULL, 0);
	r = ASK(&n, "x");
	OK(!r.anew && !r.spare);

	n = needs("mjpeg", 0, NULL, 0);
	r = ask(&n, jpeg, sizeof jpeg);
	OK(r.anew && !r.spare && r.jpeg && r.width == 640 && r.height == 480);
	memcpy(bad, jpeg, sizeof bad);
	bad[sizeof jpeg - 7] = 0x11;	/* tables that are not there */
	r = ask(&n, bad, sizeof bad);
	OK(!r.anew && r.jpeg);
	/* no byte less, and any byte another: no more is read than there is */
	for (size_t i = 0; i < sizeof jpeg; i++) {
		anew += ask(&n, jpeg, i).anew;
		for (int v = 0; v < 256; v += 5) {
			memcpy(bad, jpeg, sizeof bad);
			bad[i] = (uint8_t)v;
			read += ask(&n, bad, sizeof bad).anew;
		}
	}
	OK(anew <= 10 && read > 0);
}

/* Any bytes. */
static void noise(void)
{
	static const char *const codecs[] = { "h264", "hevc", "av1", "mpeg2video", "mpeg4", "vp8", "vp9", "mjpeg", "png" };
	uint32_t seed = 1;
	uint8_t p[120];
	int both = 0;

	for (size_t c = 0; c < sizeof codecs / sizeof *codecs; c++) {
		struct cb_needs n = needs(codecs[c], c < 2 ? 1 : 0, NULL, 0);

		for (int i = 0; i < 20000; i++) {
			size_t len = (seed >> 8) % sizeof p;
			struct cb_need r;

			for (size_t k = 0; k < len; k++) {
				seed = seed * 1664525 + 1013904223;
				p[k] = (uint8_t)(seed >> 24);
				if (k < 12 && seed >> 20 & 1)
					p[k] &= 7;
			}
			seed = seed * 1664525 + 1013904223;
			r = ask(&n, p, len);
			both += r.spare && r.headers;
		}
		n = needs(codecs[c], c < 2 ? 1 : 0, p, sizeof p);
	}
	OK_INT(both, 0);
}

int main(void)
{
	h264();
	h265();
	av1();
	others();
	noise();
	return done();
}
