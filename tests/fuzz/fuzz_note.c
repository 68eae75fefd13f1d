/* SPDX-License-Identifier: Apache-2.0 */
/* Signed notes, checkpoints and verifier keys: whatever is read lies within the input and is
 * written again byte for byte; no signature is true under a key that made none. */
#include <stdlib.h>
#include <string.h>

#include "log/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void want(bool good)
{
	if (!good)
		abort();
}

static void vkeys(const char *p, size_t n)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_buf b = { 0 };
	struct cb_vkey k;

	if (cb_vkey_parse(&k, p, n, &err) < 0) {
		want(err.code == CB_E_DATA && *err.msg);
		return;
	}
	want(cb_key_name_ok(k.name, strlen(k.name)));
	if (k.known)
		want(cb_vkey_put(&b, &k) == 0 && b.len == n && memcmp(b.data, p, n) == 0);
	cb_buf_release(&b);
}

static void checkpoints(const char *p, size_t n)
{
	struct cb_checkpoint c;
	struct cb_buf b = { 0 };

	if (cb_checkpoint_parse(&c, p, n, NULL) < 0)
		return;
	want(c.size <= CB_TREE_MAX && c.extra == p + n - c.extra_len);
	want(cb_checkpoint_put(&b, c.origin, c.size, c.root) == 0 && b.len + c.extra_len == n &&
	     memcmp(b.data, p, b.len) == 0);
	cb_buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
	static struct cb_note note;
	struct cb_err err = CB_ERR_INIT;
	struct cb_vkey k = { .known = true };
	const char *p = (const char *)in;
	size_t at;

	vkeys(p, n);
	checkpoints(p, n);
	if (cb_note_parse(&note, p, n, &err) < 0) {
		want(err.code == CB_E_DATA && *err.msg && note.n == 0);
		return 0;
	}
	want(note.n > 0 && note.n <= CB_NOTE_SIGS && note.text == p && note.text_len && p[note.text_len - 1] == '\n');
	at = note.text_len + 1;
	for (size_t i = 0; i < note.n; i++) {
		const struct cb_note_sig *s = &note.sig[i];

		want(s->line == p + at && s->name > s->line && s->blob > s->name &&
		     s->blob + s->blob_len + 1 == s->line + s->line_len);
		at += s->line_len;
		memcpy(k.name, s->name, s->name_len);
		k.name[s->name_len] = '\0';
		k.id = s->id;
		k.key[0] = (uint8_t)i;
		for (k.type = 1; k.type <= 4; k.type = (uint8_t)(k.type + 3))
			want(cb_note_signed(&note, &k, NULL) == CB_SIGNED_FALSE);
	}
	want(at == n);
	checkpoints(note.text, note.text_len);
	return 0;
}
