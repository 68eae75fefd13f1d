/* SPDX-License-Identifier: Apache-2.0 */
/* lib/log: proofs that are given away, policies, and cosignatures. The keys are of this test. */
#include "tap.h"

#include <sodium.h>

#include "crypto/hash.h"
#include "log/proof.h"

#define ENTRIES 7

struct signer {
	struct cb_vkey k;
	uint8_t sk[crypto_sign_SECRETKEYBYTES];
};

static void make(struct signer *s, const char *name, uint8_t type, uint8_t seed)
{
	uint8_t from[crypto_sign_SEEDBYTES] = { seed }, pk[32];

	crypto_sign_seed_keypair(pk, s->sk, from);
	if (cb_vkey_init(&s->k, name, type, pk, NULL) < 0)
		abort();
}

static void sign(struct cb_buf *note, const struct signer *s, const char *text, uint64_t time)
{
	struct cb_buf m = { 0 };
	uint8_t sig[64];

	if (s->k.type == CB_KEY_COSIGNATURE)
		cb_cosignature_put(&m, time, text, strlen(text));
	else
		cb_buf_str(&m, text);
	crypto_sign_detached(sig, NULL, m.data, m.len, s->sk);
	if (cb_note_put_sig(note, &s->k, sig, time) < 0)
		abort();
	cb_buf_release(&m);
}

static struct signer logkey, other, w[4];

static char *vkey(const struct signer *s)
{
	static char text[8][400];
	static int at;
	struct cb_buf b = { 0 };
	char *out = text[at++ & 7];

	cb_vkey_put(&b, &s->k);
	snprintf(out, 400, "%.*s", (int)b.len, (char *)b.data);
	cb_buf_release(&b);
	return out;
}

static struct cb_policy *policy(const char *text)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_policy *p = NULL;

	if (cb_policy_parse(&p, text, strlen(text), &err) < 0)
		NOTE("%s", err.msg);
	return p;
}

static const char *refused(const char *text)
{
	static struct cb_err err;
	struct cb_policy *p = NULL;

	err.msg[0] = '\0';
	if (cb_policy_parse(&p, text, strlen(text), &err) == 0) {
		cb_policy_free(p);
		return "accepted";
	}
	return err.msg;
}

/* What a policy says of a note with these witnesses. */
static enum cb_errc judge(const char *quorum, unsigned who, struct cb_policy_view *v)
{
	static char text[4000];
	struct cb_err err = CB_ERR_INIT;
	struct cb_policy *p;
	struct cb_buf b = { 0 };
	struct cb_note n;
	const char *cp = "example.com/log\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";

	snprintf(text, sizeof(text), "# who is believed\n\nlog %s https://example.com\n\twitness A %s\n"
		 "witness B %s\nwitness C %s\nwitness D %s https://d.example\n%s", vkey(&logkey),
		 vkey(&w[0]), vkey(&w[1]), vkey(&w[2]), vkey(&w[3]), quorum);
	p = policy(text);
	if (!p)
		return CB_E_BUG;
	cb_buf_printf(&b, "%s\n", cp);
	sign(&b, &logkey, cp, 0);
	for (unsigned i = 0; i < 4; i++)
		if (who & 1u << i)
			sign(&b, &w[i], cp, 1000 + i);
	if (cb_note_parse(&n, (char *)b.data, b.len, &err) == 0)
		cb_policy_apply(p, &n, v, &err);
	cb_buf_release(&b);
	cb_policy_free(p);
	return err.code;
}

static void policies(void)
{
	struct cb_policy_view v;
	char text[9000];
	unsigned wrong = 0;
	size_t n;

	OK(judge("quorum none\n", 0, &v) == CB_OK && v.witnesses == 0 && v.from == 0 && v.c.size == 1);
	OK(judge("quorum none\n", 5, &v) == CB_OK && v.witnesses == 2 && v.from == 1000 && v.to == 1002);
	OK(judge("quorum B\n", 2, &v) == CB_OK && judge("quorum B\n", 13, &v) == CB_E_NO);
	for (unsigned who = 0; who < 16; who++) {
		bool a = who & 1, b = who & 2, c = who & 4, d = who & 8;

		wrong += (judge("group g 2 A B C\nquorum g\n", who, &v) == CB_OK) != (a + b + c >= 2);
		wrong += (judge("group g all A B\ngroup h any C D\ngroup i all g h\nquorum i\n", who, &v) ==
			  CB_OK) != (a && b && (c || d));
		wrong += (judge("group g all A B\ngroup h 2 g C D\nquorum h\n", who, &v) == CB_OK) !=
			 ((a && b) + c + d >= 2);
	}
	OK_INT(wrong, 0);

	OK_STR(refused(""), "it has no quorum line");
	OK_STR(refused("quorum none"), "line 1: it does not end in a line feed");
	OK_STR(refused("quorum none\nquorum none\n"), "line 2: a second quorum");
	OK_STR(refused("quorum a\n"), "line 1: a quorum that no line before names");
	OK_STR(refused("quorum none x\n"), "line 1: more words than a line has");
	OK_STR(refused("hello\n"), "line 1: neither log, witness, group nor quorum");
	OK_STR(refused("# \x01\n"), "line 1: a control character");
	OK_STR(refused("log x\nquorum none\n"), "line 1: not a verifier key");
	OK_STR(refused("group g any\nquorum g\n"), "line 1: a group without members");
	OK_STR(refused("group g any g\nquorum g\n"), "line 1: a member that no line before names");
	OK_STR(refused("group g 0 a\n"), "line 1: a group needs a number, any or all");
	snprintf(text, sizeof(text), "witness A %s\ngroup g 2 A\n", vkey(&w[0]));
	OK_STR(refused(text), "line 2: a group that takes more members than it has");
	snprintf(text, sizeof(text), "witness A %s\ngroup g any A\ngroup h any A\n", vkey(&w[0]));
	OK_STR(refused(text), "line 3: a member that is one already");
	snprintf(text, sizeof(text), "witness A %s\nwitness B %s\n", vkey(&w[0]), vkey(&w[0]));
	OK_STR(refused(text), "line 2: the key of a witness that is there already");
	snprintf(text, sizeof(text), "witness A %s\nwitness A %s\n", vkey(&w[0]), vkey(&w[1]));
	OK_STR(refused(text), "line 2: a name that is taken");
	snprintf(text, sizeof(text), "witness none %s\n", vkey(&w[0]));
	OK_STR(refused(text), "line 1: a name that is taken");
	snprintf(text, sizeof(text), "witness A %s\n", vkey(&logkey));
	OK_STR(refused(text), "line 1: the key of a log, not of a witness");
	snprintf(text, sizeof(text), "log %s\n", vkey(&w[0]));
	OK_STR(refused(text), "line 1: the key of a witness, not of a log");
	snprintf(text, sizeof(text), "log %s\nlog %s\n", vkey(&logkey), vkey(&logkey));
	OK_STR(refused(text), "line 2: the key of a log that is there already");
	n = 0;
	for (int i = 0; i < 32; i++) {
		struct signer s;
		char name[32];

		snprintf(name, sizeof(name), "w%d.example", i);
		make(&s, name, CB_KEY_COSIGNATURE, (uint8_t)(100 + i));
		n += (size_t)snprintf(text + n, sizeof(text) - n, "witness w%d %s\ngroup g%d any w%d\n", i,
				      vkey(&s), i, i);
	}
	snprintf(text + n, sizeof(text) - n, "quorum g31\n");
	OK_STR(refused(text), "accepted");
}

static void proofs(void)
{
	uint8_t leaf[ENTRIES][CB_HASH_LEN], root[CB_HASH_LEN], path[3 * CB_HASH_LEN], l01[32], l23[32];
	struct cb_err err = CB_ERR_INIT;
	struct cb_frontier f = { 0 };
	struct cb_policy *p = NULL, *q = NULL;
	struct cb_policy_view v;
	struct cb_tlog_proof *r = malloc(sizeof(*r));
	struct cb_buf text = { 0 }, note = { 0 }, proof = { 0 };
	char pol[900];
	unsigned accepted = 0;

	for (uint8_t i = 0; i < ENTRIES; i++) {
		cb_merkle_leaf(leaf[i], &i, 1);
		cb_frontier_push(&f, leaf[i]);
	}
	cb_frontier_root(&f, root);
	/* of entry 5: its sibling, entry 6, and the first four */
	memcpy(path, leaf[4], 32);
	memcpy(path + 32, leaf[6], 32);
	cb_merkle_node(l01, leaf[0], leaf[1]);
	cb_merkle_node(l23, leaf[2], leaf[3]);
	cb_merkle_node(path + 64, l01, l23);
	cb_checkpoint_put(&text, "example.com/log", ENTRIES, root);
	cb_buf_add(&note, text.data, text.len);
	cb_buf_byte(&text, 0);
	cb_buf_byte(&note, '\n');
	sign(&note, &logkey, (char *)text.data, 0);
	sign(&note, &w[0], (char *)text.data, 5);
	snprintf(pol, sizeof(pol), "log %s\nwitness A %s\nquorum A\n", vkey(&logkey), vkey(&w[0]));
	p = policy(pol);
	OK(cb_tlog_proof_put(&proof, 5, path, 3, (char *)note.data, note.len) == 0);
	OK(cb_tlog_proof_parse(r, (char *)proof.data, proof.len, &err) == 0 && r->index == 5 && r->n == 3 &&
	   !r->extra && r->checkpoint_len == note.len);
	OK(p && cb_tlog_proof_verify(r, p, leaf[5], &v, &err) == 0 && v.c.size == ENTRIES &&
	   v.witnesses == 1 && v.from == 5 && v.log);
	OK(cb_tlog_proof_verify(r, p, leaf[4], &v, &err) < 0 && err.code == CB_E_NO);
	OK_STR(err.msg, "entry 5 is not in the tree of the checkpoint (size 7)");
	/* no byte of it can be another, but in the signature lines of keys that nobody knows */
	for (size_t i = 0; i < proof.len; i++)
		for (int bit = 1; bit < 256; bit <<= 1) {
			proof.data[i] ^= (uint8_t)bit;
			accepted += cb_tlog_proof_parse(r, (char *)proof.data, proof.len, NULL) == 0 &&
				    cb_tlog_proof_verify(r, p, leaf[5], &v, NULL) == 0;
			proof.data[i] ^= (uint8_t)bit;
		}
	OK_INT(accepted, 0);
	for (size_t i = 0; i < proof.len; i++)
		accepted += cb_tlog_proof_parse(r, (char *)proof.data, i, NULL) == 0 &&
			    cb_tlog_proof_verify(r, p, leaf[5], &v, NULL) == 0;
	OK_INT(accepted, 0);
	/* another log's key, the same name */
	OK(cb_policy_new(&q, NULL) == 0 && cb_policy_add_log(q, &other.k, NULL) == 0);
	OK(cb_tlog_proof_parse(r, (char *)proof.data, proof.len, NULL) == 0 &&
	   cb_tlog_proof_verify(r, q, leaf[5], &v, &err) < 0 && err.code == CB_E_NO);
	OK_STR(err.msg, "the checkpoint is not signed by a log that is trusted");
	OK(cb_policy_add_log(q, &logkey.k, NULL) == 0 && cb_policy_add_log(q, &logkey.k, NULL) < 0 &&
	   cb_tlog_proof_verify(r, q, leaf[5], &v, &err) == 0);
#define BAD(s) OK(cb_tlog_proof_parse(r, s, strlen(s), NULL) < 0)
#define GOOD(s) OK(cb_tlog_proof_parse(r, s, strlen(s), NULL) == 0)
	GOOD("c2sp.org/tlog-proof@v1\nindex 0\n\nx");
	GOOD("c2sp.org/tlog-proof@v1\nextra eHk=\nindex 0\n\nx");
	OK(r->extra_len == 4 && memcmp(r->extra, "eHk=", 4) == 0);
	BAD("");
	BAD("c2sp.org/tlog-proof@v2\nindex 0\n\nx");
	BAD("c2sp.org/tlog-proof@v1\nindex 0\n\n");
	BAD("c2sp.org/tlog-proof@v1\nindex 0\n");
	BAD("c2sp.org/tlog-proof@v1\nindex 00\n\nx");
	BAD("c2sp.org/tlog-proof@v1\nindex -1\n\nx");
	BAD("c2sp.org/tlog-proof@v1\nindex 9223372036854775808\n\nx");
	BAD("c2sp.org/tlog-proof@v1\nextra !\nindex 0\n\nx");
	BAD("c2sp.org/tlog-proof@v1\nindex 0\nextra eHk=\n\nx");
	BAD("c2sp.org/tlog-proof@v1\nindex 0\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n\nx");
	BAD("c2sp.org/tlog-proof@v1\nindex 0\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n\nx");
	proof.len = 0;
	cb_buf_str(&proof, "c2sp.org/tlog-proof@v1\nindex 0\n");
	for (int i = 0; i <= CB_PROOF_MAX; i++)
		cb_buf_str(&proof, "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n");
	cb_buf_str(&proof, "\nx");
	OK(cb_tlog_proof_parse(r, (char *)proof.data, proof.len, NULL) < 0);
	cb_policy_free(p);
	cb_policy_free(q);
	cb_buf_release(&text);
	cb_buf_release(&note);
	cb_buf_release(&proof);
	free(r);
}

int main(void)
{
	if (sodium_init() < 0)
		return 1;
	make(&logkey, "example.com/log", CB_KEY_ED25519, 1);
	make(&other, "example.com/log", CB_KEY_ED25519, 2);
	for (uint8_t i = 0; i < 4; i++)
		make(&w[i], (const char *[]){ "a.example", "b.example", "c.example", "d.example" }[i],
		     CB_KEY_COSIGNATURE, (uint8_t)(10 + i));
	policies();
	proofs();
	return done();
}
