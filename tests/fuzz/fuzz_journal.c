/* SPDX-License-Identifier: Apache-2.0 */
/* A log's journal: any bytes are understood up to some record and no further; what was
 * understood, put again, is understood the same. */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "log/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void want(bool good)
{
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct cb_journal j = { 0 }, k = { 0 };
	struct cb_frontier f;
	struct cb_err err = CB_ERR_INIT;

	want(cb_buf_add(&j.bytes, p, n) == 0);
	if (cb_journal_parse(&j, &err) == 1) {
		want(j.tail <= j.bytes.len && j.at.size == j.base + j.n && j.head % 64 == 0 && j.tail % 64 == 0);
		cb_journal_edge_frontier(&j.edge, j.base, &f);
		want(f.size == j.base);
		want(cb_journal_begin(&k, j.generation, &j.at_base, &j.edge) == 0);
		for (size_t i = 0; i < j.n; i++) {
			const uint8_t *r = j.bytes.data + j.where[i];
			size_t len;

			cb_journal_entry(&j, i, &len);
			want(j.where[i] + CB_JOURNAL_RECORD + len <= j.bytes.len);
			want(cb_journal_put(&k, (int64_t)cb_le64(r + 16), cb_le16(r + 6) & 1, cb_le32(r + 24),
					    cb_journal_leaf(&j, i), cb_journal_entry(&j, i, &len), len) == 0);
		}
		want(k.n == j.n && k.at.size == j.at.size && k.at.next_epoch == j.at.next_epoch &&
		     k.at.recorded_us == j.at.recorded_us && k.at.clamped == j.at.clamped);
	}
	cb_journal_release(&j);
	cb_journal_release(&k);
	return 0;
}
