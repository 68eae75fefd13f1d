/* SPDX-License-Identifier: Apache-2.0 */
/* lib/log: the tree against RFC 6962's own vectors and against its definition, notes against
 * the specification's example, and what is not to be read. */
#include "tap.h"

#include "base/num.h"
#include "crypto/base64.h"
#include "crypto/hash.h"
#include "log/merkle.h"
#include "log/note.h"

#define N 130

static uint8_t leaves[N][CB_HASH_LEN];

/* MTH and PATH as section 2.1 defines them, by recursion */
static void mth(uint8_t out[static CB_HASH_LEN], size_t from, size_t to)
{
	uint8_t l[CB_HASH_LEN], r[CB_HASH_LEN];
	size_t k = 1;

	if (to - from == 1) {
		memcpy(out, leaves[from], CB_HASH_LEN);
		return;
	}
	while (2 * k < to - from)
		k *= 2;
	mth(l, from, from + k);
	mth(r, from + k, to);
	cb_merkle_node(out, l, r);
}

static size_t path(uint8_t *out, size_t m, size_t from, size_t to)
{
	size_t k = 1, n;

	if (to - from == 1)
		return 0;
	while (2 * k < to - from)
		k *= 2;
	if (m < k) {
		n = path(out, m, from, from + k);
		mth(out + n * CB_HASH_LEN, from + k, to);
	} else {
		n = path(out, m - k, from + k, to);
		mth(out + n * CB_HASH_LEN, from, from + k);
	}
	return n + 1;
}

static size_t subproof(uint8_t *out, size_t m, size_t from, size_t to, bool whole)
{
	size_t k = 1, n;

	if (m == to - from) {
		if (!whole)
			mth(out, from, to);
		return !whole;
	}
	while (2 * k < to - from)
		k *= 2;
	if (m <= k) {
		n = subproof(out, m, from, from + k, whole);
		mth(out + n * CB_HASH_LEN, from + k, to);
	} else {
		n = subproof(out, m - k, from + k, to, false);
		mth(out + n * CB_HASH_LEN, from, from + k);
	}
	return n + 1;
}

static void roots(void)
{
	static const char *const leaf[] = { "", "00", "10", "2021", "3031", "40414243",
		"5051525354555657", "606162636465666768696a6b6c6d6e6f" };
	static const char *const root[] = {
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328" };
	struct cb_frontier f = { 0 };
	uint8_t sum[CB_HASH_LEN], entry[16];
	char hex[CB_SHA256_HEX];

	for (size_t i = 0; i < 9; i++) {
		cb_frontier_root(&f, sum);
		cb_hex(hex, sum, CB_HASH_LEN);
		OK_STR(hex, root[i]);
		if (i == 8)
			break;
		OK(cb_unhex(entry, strlen(leaf[i]) / 2, leaf[i]));
		cb_merkle_leaf(sum, entry, strlen(leaf[i]) / 2);
		cb_frontier_push(&f, sum);
	}
}

/* Every proof up to N, and each spoilt in every way that fits in a loop. */
static void proofs(void)
{
	uint8_t at[N + 1][CB_HASH_LEN], p[CB_PROOF_MAX * CB_HASH_LEN], sum[CB_HASH_LEN];
	unsigned wrong = 0, accepted = 0, pairs = 0;
	struct cb_frontier f = { 0 };

	for (size_t i = 0; i < N; i++) {
		uint8_t b = (uint8_t)i;

		cb_merkle_leaf(leaves[i], &b, 1);
	}
	cb_frontier_root(&f, at[0]);
	for (size_t i = 0; i < N; i++) {
		cb_frontier_push(&f, leaves[i]);
		cb_frontier_root(&f, at[i + 1]);
		mth(sum, 0, i + 1);
		wrong += memcmp(sum, at[i + 1], CB_HASH_LEN) != 0;
	}
	OK_INT(wrong, 0);
	for (size_t n = 1; n <= N; n++)
		for (size_t i = 0; i < n; i++) {
			size_t len = path(p, i, 0, n);

			pairs++;
			wrong += len != cb_merkle_inclusion_len(i, n);
			wrong += !cb_merkle_included(i, n, leaves[i], p, len, at[n]);
			accepted += cb_merkle_included(i, n, leaves[(i + 1) % N], p, len, at[n]);
			accepted += cb_merkle_included(i, n, leaves[i], p, len + 1, at[n]);
			accepted += len && cb_merkle_included(i, n, leaves[i], p, len - 1, at[n]);
			accepted += i && cb_merkle_included(i - 1, n, leaves[i], p, len, at[n]);
			accepted += cb_merkle_included(n, n, leaves[i], p, len, at[n]);
			for (size_t k = 0; k < len; k++) {
				p[k * CB_HASH_LEN + (i & 31)] ^= 0x10;
				accepted += cb_merkle_included(i, n, leaves[i], p, len, at[n]);
				p[k * CB_HASH_LEN + (i & 31)] ^= 0x10;
			}
		}
	OK_INT(wrong, 0);
	OK_INT(accepted, 0);
	OK_INT(pairs, N * (N + 1) / 2);
	pairs = 0;
	for (size_t n = 0; n <= N; n++)
		for (size_t m = 0; m <= n; m++) {
			size_t len = m ? subproof(p, m, 0, n, true) : 0;

			pairs += m > 0;
			wrong += len != cb_merkle_consistency_len(m, n);
			wrong += !cb_merkle_consistent(m, n, at[m], at[n], p, len);
			accepted += cb_merkle_consistent(m, n, at[m], at[n], p, len + 1);
			accepted += len && cb_merkle_consistent(m, n, at[m], at[n], p, len - 1);
			accepted += m != n && cb_merkle_consistent(n, m, at[n], at[m], p, len);
			accepted += m && m < n && cb_merkle_consistent(m, n, at[m - 1], at[n], p, len);
			accepted += m && m < n && cb_merkle_consistent(m, n, at[m], at[n - 1], p, len);
			for (size_t k = 0; k < len; k++) {
				p[k * CB_HASH_LEN + (m & 31)] ^= 0x01;
				accepted += cb_merkle_consistent(m, n, at[m], at[n], p, len);
				p[k * CB_HASH_LEN + (m & 31)] ^= 0x01;
			}
		}
	OK_INT(wrong, 0);
	OK_INT(accepted, 0);
	OK_INT(pairs, N * (N + 1) / 2);
	/* sizes at the ends of the range do no harm */
	OK(!cb_merkle_included(0, 0, leaves[0], p, 0, at[0]));
	OK(!cb_merkle_included(0, UINT64_MAX, leaves[0], p, 64, at[0]));
	OK(!cb_merkle_included(UINT64_MAX, UINT64_MAX, leaves[0], p, 0, at[0]));
	OK(!cb_merkle_included(CB_TREE_MAX - 1, CB_TREE_MAX, leaves[0], p,
			       cb_merkle_inclusion_len(CB_TREE_MAX - 1, CB_TREE_MAX), at[0]));
	OK(!cb_merkle_consistent(1, CB_TREE_MAX, at[1], at[2], p, 63));
	OK(!cb_merkle_consistent(UINT64_MAX, UINT64_MAX, at[1], at[1], p, 0));
	OK(cb_merkle_inclusion_len(0, CB_TREE_MAX) <= CB_PROOF_MAX &&
	   cb_merkle_consistency_len(CB_TREE_MAX - 1, CB_TREE_MAX) <= CB_PROOF_MAX);
}

#define VKEY "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define TEXT "This is an example message.\n"
#define SIG "\xe2\x80\x94 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1" \
	"ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
#define OTHER "\xe2\x80\x94 other.example Uw2QOkn8\n"

static bool parses(const char *s)
{
	struct cb_note n;

	return cb_note_parse(&n, s, strlen(s), NULL) == 0;
}

static void notes(void)
{
	struct cb_err err = CB_ERR_INIT;
	struct cb_vkey k, again;
	struct cb_buf b = { 0 };
	struct cb_note n;
	char note[] = TEXT "\n" SIG;
	unsigned accepted = 0;
	uint64_t time = 7;

	OK(cb_vkey_parse(&k, VKEY, strlen(VKEY), &err) == 0);
	OK_STR(k.name, "example.com/foo");
	OK(k.id == 0x530d903a && k.type == CB_KEY_ED25519 && k.known);
	OK(cb_vkey_put(&b, &k) == 0 && cb_buf_byte(&b, 0) == 0);
	OK_STR((char *)b.data, VKEY);
	OK(cb_vkey_init(&again, k.name, k.type, k.key, &err) == 0 && again.id == k.id);
	OK(cb_note_parse(&n, note, strlen(note), &err) == 0 && n.n == 1);
	OK(n.text_len == strlen(TEXT) && memcmp(n.text, TEXT, n.text_len) == 0);
	OK(cb_note_signed(&n, &k, &time) == CB_SIGNED_TRUE && time == 0);
	/* no byte of it can be another */
	for (size_t i = 0; i < strlen(TEXT "\n" SIG); i++)
		for (int bit = 1; bit < 256; bit <<= 1) {
			note[i] ^= (char)bit;
			accepted += cb_note_parse(&n, note, sizeof(note) - 1, NULL) == 0 &&
				    cb_note_signed(&n, &k, NULL) == CB_SIGNED_TRUE;
			note[i] ^= (char)bit;
		}
	OK_INT(accepted, 0);
	again.key[0] ^= 1;	/* the same name and id, another key: the note is to be rejected */
	OK(cb_note_parse(&n, note, sizeof(note) - 1, NULL) == 0 &&
	   cb_note_signed(&n, &again, NULL) == CB_SIGNED_FALSE);
	again.id++;
	OK(cb_note_signed(&n, &again, NULL) == CB_SIGNED_NOT);
	OK(parses(TEXT "\n" OTHER SIG) && parses(TEXT "\n\n" SIG) && parses("\n\n" SIG));
	OK(!parses(TEXT SIG) && !parses(TEXT "\n") && !parses(TEXT) && !parses("") && !parses("\n"));
	OK(!parses(TEXT "\n" SIG "x\n") && !parses(TEXT "\n" SIG "x") && !parses(TEXT "\n" SIG "\n"));
	OK(!parses(TEXT "\r\n\n" SIG) && !parses("\xff\n\n" SIG) && !parses("\xc0\x80\n\n" SIG));
	OK(!parses(TEXT "\n\xe2\x80\x94 a+b Uw2QOkn8\n") && !parses(TEXT "\n\xe2\x80\x94 a Uw2Q\n"));
	OK(!parses(TEXT "\n\xe2\x80\x94 a\xc2\xa0""b Uw2QOkn8\n") && !parses(TEXT "\n\xe2\x80\x94 a\n"));
	OK(!parses(TEXT "\n\xe2\x80\x94  Uw2QOkn8\n") && !parses(TEXT "\n\xe2\x80\x94 a Uw2QOkn9==\n"));

	for (const char *const *v = (const char *const[]){ "", "+", "a", "a+530d903a", "a+530d903a+",
	     "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
	     "example.com/fop+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
	     "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
	     "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2l",
	     VKEY " ", VKEY "=", " " VKEY, NULL }; *v; v++)
		OK_NAMED(cb_vkey_parse(&again, *v, strlen(*v), NULL) < 0, *v);
	cb_buf_release(&b);
}

static bool checkpoint(const char *s)
{
	struct cb_checkpoint c;

	return cb_checkpoint_parse(&c, s, strlen(s), NULL) == 0;
}

/* One text for each string of bytes, and one string of bytes for each text. */
static void base64(void)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t out[4];
	unsigned accepted = 0;
	size_t len = 9;

	OK(cb_base64_decode(out, 4, "", 0, &len) && len == 0);
	OK(cb_base64_decode(out, 4, "eHk=", 4, &len) && len == 2 && memcmp(out, "xy", 2) == 0);
	OK(!cb_base64_decode(out, 4, "eHk", 3, &len) && !cb_base64_decode(out, 4, "eHl=", 4, &len) &&
	   !cb_base64_decode(out, 4, "eHk=\n", 5, &len) && !cb_base64_decode(out, 4, "eH=k", 4, &len) &&
	   !cb_base64_decode(out, 4, "eHkA====", 8, &len) && !cb_base64_decode(out, 4, "eHkAeHkA", 8, &len));
	for (int c = 0; c < 256; c++)
		for (int at = 0; at < 4; at++) {
			char text[4] = { 'A', 'A', 'A', 'A' };

			text[at] = (char)c;
			accepted += (c == '\0' || !strchr(letters, c)) &&
				    cb_base64_decode(out, 4, text, 4, &len);
		}
	OK_INT(accepted, 1);	/* AAA= */
}

static void checkpoints(void)
{
#define ROOT "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
	struct cb_err err = CB_ERR_INIT;
	struct cb_checkpoint c;
	struct cb_buf b = { 0 };
	const char *text = "example.com/log\n20852163\n" ROOT;

	OK(cb_checkpoint_parse(&c, text, strlen(text), &err) == 0);
	OK(c.size == 20852163 && c.extra_len == 0);
	OK_STR(c.origin, "example.com/log");
	OK(cb_checkpoint_put(&b, c.origin, c.size, c.root) == 0 && b.len == strlen(text) &&
	   memcmp(b.data, text, b.len) == 0);
	OK(checkpoint("a b\n0\n" ROOT "more\nand more\n"));
	OK(!checkpoint("\n0\n" ROOT) && !checkpoint("a\n00\n" ROOT) && !checkpoint("a\n-1\n" ROOT));
	OK(!checkpoint("a\n\n" ROOT) && !checkpoint("a\n9223372036854775808\n" ROOT));
	OK(checkpoint("a\n9223372036854775807\n" ROOT) && !checkpoint("a\n0\n") && !checkpoint("a\n0"));
	OK(!checkpoint("a\n0\n" ROOT "x") && !checkpoint("a\n0\n" ROOT "\n") && !checkpoint(""));
	OK(!checkpoint("a\n0\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I\n") &&
	   !checkpoint("a\n0\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n"));
	cb_buf_release(&b);
}

int main(void)
{
	roots();
	proofs();
	base64();
	notes();
	checkpoints();
	return done();
}
