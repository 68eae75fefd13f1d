/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs and policies: read within bounds, written again byte for byte, and no proof holds by a
 * policy whose keys signed nothing. An input is a proof, or a policy, or both with a line
 * "---" between them. */
#include <stdlib.h>
#include <string.h>

#include "log/proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void want(bool good)
{
	if (!good)
		abort();
}

static void policies(const struct cb_policy *p)
{
	want(p->logs <= CB_POLICY_LOGS && p->nodes <= CB_POLICY_NODES && p->quorum < (int)p->nodes && p->quorum >= -1);
	for (size_t i = 0; i < p->nodes; i++) {
		const struct cb_policy_node *g = &p->node[i];

		want(g->group < (int)p->nodes && (g->group < 0 || g->group > (int)i) && g->k <= g->members && *g->name);
		want(g->group < 0 || p->node[g->group].k > 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t n)
{
	static struct cb_tlog_proof r;
	static struct cb_note note;
	const char *p = (const char *)in, *cut = memmem(p, n, "\n---\n", 5);
	struct cb_err err = CB_ERR_INIT;
	struct cb_policy_view v;
	struct cb_policy *pol = NULL, *nobody = NULL;
	struct cb_buf b = { 0 };
	uint8_t leaf[CB_HASH_LEN] = { 1 }, root[CB_HASH_LEN];
	size_t proof = cut ? (size_t)(cut + 1 - p) : n;

	if (cb_policy_parse(&pol, cut ? cut + 5 : p, cut ? n - proof - 4 : n, &err) == 0)
		policies(pol);
	else
		want(err.code == CB_E_DATA && *err.msg);
	if (cb_tlog_proof_parse(&r, p, proof, NULL) == 0) {
		want(r.n <= CB_PROOF_MAX && r.checkpoint_len && r.checkpoint + r.checkpoint_len == p + proof);
		if (!r.extra)
			want(cb_tlog_proof_put(&b, r.index, r.path, r.n, r.checkpoint, r.checkpoint_len) == 0 &&
			     b.len == proof && memcmp(b.data, p, proof) == 0);
		cb_merkle_climb(r.index, r.index + 1 + (r.n ? (uint64_t)r.path[0] << r.path[1] % 60 : 0), leaf, r.path, r.n, root);
		cb_merkle_consistent(r.index, r.index + (r.n ? r.path[0] : 0), leaf, root, r.path, r.n);
		if (pol)
			cb_tlog_proof_verify(&r, pol, leaf, &v, NULL);
		if (cb_policy_new(&nobody, NULL) == 0)
			want(cb_tlog_proof_verify(&r, nobody, leaf, &v, &err) < 0 && !v.log);
		cb_policy_free(nobody);
	}
	if (pol && cb_note_parse(&note, p, proof, NULL) == 0)
		cb_policy_apply(pol, &note, &v, NULL);
	cb_policy_free(pol);
	cb_buf_release(&b);
	return 0;
}
