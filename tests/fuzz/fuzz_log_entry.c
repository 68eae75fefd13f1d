/* SPDX-License-Identifier: Apache-2.0 */
/* A log's entries: any bytes are one or are none; an enrolment or a seal that is understood is
 * written again and understood the same, and nothing is true by accident. */
#include <stdlib.h>
#include <string.h>

#include "log/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static struct cb_json json;

static void want(bool good)
{
	if (!good)
		abort();
}

/* The entry that has this data, parsed. */
static void again(struct cb_entry *e, struct cb_buf *b, const char *type, void (*put)(struct cb_jw *, const void *),
		  const void *what)
{
	char head[CB_RECORDED_LEN + 1];
	struct cb_jw w;

	b->len = 0;
	cb_entry_put_recorded(head, 1);
	want(cb_buf_str(b, head) == 0 && cb_buf_printf(b, "\"type\":\"%s\",\"data\":", type) == 0);
	cb_jw_init(&w, b);
	cb_jw_obj(&w);
	put(&w, what);
	cb_jw_obj_end(&w);
	want(cb_jw_done(&w, NULL) == 0 && cb_buf_byte(b, '}') == 0);
	want(cb_entry_parse(e, &json, b->data, b->len, NULL) == 0);
}

static void put_seal(struct cb_jw *w, const void *s)
{
	cb_seal_put(w, s);
}

static void put_enrolment(struct cb_jw *w, const void *e)
{
	cb_enrolment_put(w, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cb_buf b = { 0 };
	struct cb_enrolment en, en2;
	struct cb_seal s, s2;
	struct cb_entry e;
	int64_t us;

	if (cb_entry_parse(&e, &json, p, n, NULL) < 0)
		return 0;
	want(cb_entry_recorded(p, n, &us) && us == e.recorded_us);
	if (e.kind == CB_ENTRY_SEAL && cb_seal_parse(&s, &e, NULL) == 0) {
		memset(&en, 0, sizeof(en));
		en.epochs = CB_LOG_EPOCHS_MAX;
		want(cb_seal_check(&s, &en, NULL) < 0);
		again(&e, &b, "cb.log.seal", put_seal, &s);
		want(cb_seal_parse(&s2, &e, NULL) == 0 && s.epoch == s2.epoch && s.size == s2.size &&
		     s.path_len == s2.path_len && memcmp(&s.key, &s2.key, 32) == 0 && memcmp(s.sig, s2.sig, 64) == 0 &&
		     memcmp(s.path, s2.path, s.path_len * CB_HASH_LEN) == 0);
	} else if (e.kind == CB_ENTRY_ENROLLED && cb_enrolment_parse(&en, &e, NULL) == 0) {
		again(&e, &b, "cb.log.enrolled", put_enrolment, &en);
		want(cb_enrolment_parse(&en2, &e, NULL) == 0 && en.epoch_s == en2.epoch_s && en.epochs == en2.epochs &&
		     en.epoch0 == en2.epoch0 && strcmp(en.log.name, en2.log.name) == 0 && en.follows == en2.follows &&
		     en.org == en2.org && memcmp(en.epoch_root, en2.epoch_root, CB_HASH_LEN) == 0);
	}
	cb_buf_release(&b);
	return 0;
}
