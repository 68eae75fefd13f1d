/* SPDX-License-Identifier: Apache-2.0 */
/* What comes over an RTSP connection: every message lies within the input, the parser always gets
 * on, and where the input is cut it takes nothing that it did not take whole. */
#include <stdlib.h>
#include <string.h>

#include "rtsp/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void want(bool good)
{
	if (!good)
		abort();
}

static const uint8_t *begin, *end;

static void within(const void *p, size_t n)
{
	const uint8_t *b = p;

	want(!n || (b >= begin && b <= end && n <= (size_t)(end - b)));
}

static void headers(const struct cb_rtsp_msg *m)
{
	char id[CB_RTSP_SESSION_MAX];
	struct cb_rtsp_transport t;
	struct cb_rtsp_info info[3];
	uint32_t v = 60;
	bool odd;

	want(m->n <= CB_RTSP_HEADERS);
	for (unsigned i = 0; i < m->n; i++) {
		struct cb_rtsp_text x = m->header[i].value;

		within(m->header[i].name.p, m->header[i].name.n);
		within(x.p, x.n);
		if (cb_rtsp_session_parse(id, &v, x))
			want(*id && strlen(id) < sizeof(id) && !strpbrk(id, " \r\n;") && v && v <= 86400);
		if (cb_rtsp_transport_parse(&t, x, &odd))
			for (int k = 0; k < 2; k++)
				want(t.channel[k] >= -1 && t.channel[k] <= 255 && t.server_port[k] <= 65535);
		want(cb_rtsp_info_parse(info, 3, x, &odd) <= 3);
		cb_rtsp_lists(x, "OPTIONS");
	}
	cb_rtsp_header_u32(m, "CSeq", &v);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cb_oddities odd = { 0 }, part = { 0 };
	static struct cb_rtsp_msg m, again;
	size_t at = 0, used, cut;

	begin = p;
	end = p + n;
	for (;;) {
		struct cb_err err = CB_ERR_INIT;
		int r = cb_rtsp_msg_parse(&m, p + at, n - at, &used, &odd, &err);

		want(used <= n - at);
		if (r <= 0) {
			want(r == 0 || (err.code == CB_E_PROTOCOL && *err.msg));
			return 0;
		}
		want(used > 0);
		within(m.body, m.body_len);
		if (m.kind != CB_RTSP_DATA)
			headers(&m);
		/* one byte less is not this message */
		cut = 0;
		r = cb_rtsp_msg_parse(&again, p + at, used - 1, &cut, &part, NULL);
		want(r == 0 && cut < used);
		at += used;
	}
}
