/* SPDX-License-Identifier: Apache-2.0 */
/* Session descriptions: everything in what is parsed can be read, and every medium that is supported
 * opens or says why not. */
#include <stdlib.h>
#include <string.h>

#include "rtsp/depay.h"
#include "rtsp/sdp.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const params[] = { "sprop-parameter-sets", "config", "mode", "a", "" };
	struct cb_oddities odd = { 0 };
	struct cb_err err = CB_ERR_INIT;
	struct cb_sdp s;
	size_t sum = 0, len;

	if (cb_sdp_parse(&s, (const char *)p, n, &odd, &err) < 0) {
		if (err.code != CB_E_DATA)
			abort();
		return 0;
	}
	if (!s.n || s.n > CB_SDP_MEDIA)
		abort();
	sum += strlen(s.name) + strlen(s.tool) + strlen(s.control) + strlen(s.range);
	for (unsigned i = 0; i < s.n; i++) {
		const struct cb_sdp_media *m = &s.media[i];
		struct cb_depay *d = NULL;
		const char *why = NULL;

		sum += strlen(m->proto) + strlen(m->fmtp) + strlen(m->control);
		if (m->payload > 127 || (m->encoding[0] && !m->clock_rate) || memchr(m->encoding, 0, sizeof(m->encoding)) == NULL)
			abort();
		for (size_t k = 0; k < sizeof(params) / sizeof(*params); k++) {
			const char *v = cb_sdp_param(m, params[k], &len);

			if (v && (v < m->fmtp || v + len > m->fmtp + strlen(m->fmtp)))
				abort();
			sum += cb_sdp_param_u32(m, params[k], 1);
		}
		if (!cb_depay_supports(m, &why)) {
			if (!why)
				abort();
		} else if (cb_depay_open(&d, m, &odd, &err) < 0 && err.code != CB_E_DATA) {
			abort();
		}
		cb_depay_free(d);
	}
	if (sum == SIZE_MAX)
		abort();
	cb_sdp_release(&s);
	return 0;
}
