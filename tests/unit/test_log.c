/* SPDX-License-Identifier: Apache-2.0 */
/* Logs below their tools: names of tiles, journals whole and torn, seals true and false, the
 * chain of keys. */
#include <string.h>

#include "base/num.h"
#include "crypto/evolve.h"
#include "crypto/hash.h"
#include "log/journal.h"
#include "log/log.h"
#include "log/seal.h"
#include "log/tile.h"
#include "tap.h"

static bool path_is(int level, uint64_t n, unsigned width, const char *want)
{
	char path[CB_TILE_PATH];

	cb_tile_path(path, level, n, width);
	return strcmp(path, want) == 0;
}

static void paths(void)
{
	OK(path_is(0, 0, 256, "tile/0/000"));
	OK(path_is(0, 999, 256, "tile/0/999"));
	OK(path_is(1, 1000, 256, "tile/1/x001/000"));
	OK(path_is(0, 1234067, 256, "tile/0/x001/x234/067"));	/* the specification's */
	OK(path_is(CB_TILE_ENTRIES, 1234067, 8, "tile/entries/x001/x234/067.p/8"));
	OK(path_is(7, UINT64_MAX, 255, "tile/7/x018/x446/x744/x073/x709/x551/615.p/255"));
	/* 70 000 entries, as in the specification: 273 full tiles and 112, 1 and 17, 1 */
	OK(70000 / 256 == 273 && cb_tile_partial(70000, 0) == 112);
	OK(cb_tile_partial(70000, 1) == 17 && cb_tile_partial(70000, 2) == 1 && cb_tile_partial(70000, 3) == 0);
}

static void bundles(void)
{
	static const uint8_t b[] = { 0, 1, 'a', 0, 0, 0, 2, 'b', 'c' };
	const uint8_t *p = b, *e;
	size_t n;

	OK(cb_bundle_next(&p, b + sizeof(b), &e, &n) && n == 1 && *e == 'a');
	OK(cb_bundle_next(&p, b + sizeof(b), &e, &n) && n == 0);
	OK(cb_bundle_next(&p, b + sizeof(b), &e, &n) && n == 2 && e[1] == 'c' && p == b + sizeof(b));
	OK(!cb_bundle_next(&p, b + sizeof(b), &e, &n));
	p = b + 5;
	OK(!cb_bundle_next(&p, b + sizeof(b) - 1, &e, &n) && p == b + 5);
	OK(!cb_bundle_next(&p, b + 6, &e, &n));
}

/* --- journals ---------------------------------------------------------------------------------------- */

static void fill(struct cb_journal *j, uint64_t base, size_t n)
{
	struct cb_journal_at at = { .size = base, .recorded_us = 5, .next_epoch = 7 };
	struct cb_journal_edge e = { { 0 } };
	uint8_t leaf[CB_HASH_LEN];
	char text[400];

	for (uint64_t t = 0; t < base / CB_TILE_WIDTH; t++) {
		cb_merkle_leaf(leaf, &t, sizeof(t));
		cb_journal_edge_push(&e, t, leaf, NULL, NULL, NULL);
	}
	cb_journal_begin(j, 3, &at, &e);
	cb_journal_edge_release(&e);
	for (size_t i = 0; i < n; i++) {
		int len = snprintf(text, sizeof(text), "entry %zu %*s", i, (int)(i * 37 % 300), "");

		cb_merkle_leaf(leaf, text, (size_t)len);
		cb_journal_put(j, (int64_t)(10 + i), i == 3, i == 5 ? 8 : 0, leaf, text, (size_t)len);
	}
}

/* What a file with these bytes is understood as. */
static int parse(struct cb_journal *j, const struct cb_buf *b)
{
	memset(j, 0, sizeof(*j));
	cb_buf_add(&j->bytes, b->data, b->len);
	return cb_journal_parse(j, NULL);
}

static void journals(void)
{
	struct cb_journal j = { 0 }, k, two[2];
	bool have[2] = { true, true };
	struct cb_buf b = { 0 };
	struct cb_frontier f, g = { 0 };
	uint8_t leaf[CB_HASH_LEN], x[CB_HASH_LEN], y[CB_HASH_LEN];
	size_t n, whole = 0, wrong = 0;
	struct cb_journal_mark m;

	fill(&j, 300 * CB_TILE_WIDTH, 20);
	cb_buf_add(&b, j.bytes.data, j.bytes.len);
	OK(parse(&k, &b) == 1 && k.base == 76800 && k.n == 20 && k.at.size == 76820 && k.generation == 3);
	OK(k.at.recorded_us == 29 && k.at.next_epoch == 8 && !k.at.clamped && k.at_base.next_epoch == 7);
	OK(k.edge.n[1] == 44 && k.edge.n[2] == 1 && k.edge.n[3] == 0);
	OK(memcmp(cb_journal_entry(&k, 7, &n), "entry 7 ", 8) == 0);
	cb_journal_edge_frontier(&k.edge, k.base, &f);
	for (uint64_t t = 0; t < 300; t++) {
		cb_merkle_leaf(leaf, &t, sizeof(t));
		cb_frontier_push_full(&g, 8, leaf);
	}
	cb_frontier_root(&f, x);
	cb_frontier_root(&g, y);
	OK(f.size == g.size && memcmp(x, y, sizeof(x)) == 0);
	cb_journal_release(&k);

	m = cb_journal_mark(&j);
	cb_merkle_leaf(leaf, "z", 1);
	cb_journal_put(&j, 99, true, 9, leaf, "z", 1);
	OK(j.at.clamped && j.at.next_epoch == 9 && j.n == 21);
	cb_journal_back(&j, &m);
	OK(!j.at.clamped && j.at.next_epoch == 8 && j.n == 20 && j.bytes.len == b.len);

	/* cut anywhere: never more than was there, and what is whole stays */
	for (size_t cut = 0; cut <= b.len; cut++) {
		struct cb_buf part = { .data = b.data, .len = cut, .cap = cut };
		int r = parse(&k, &part);

		whole += r == 1 && k.n == 20;
		wrong += r < 0 || (r && (k.n > 20 || k.tail > cut || k.at.size != k.base + k.n));
		cb_journal_release(&k);
	}
	OK_INT(wrong, 0);
	OK(whole > 0 && whole < 64);
	/* any byte changed: the record with it and those behind are gone; the rest are as they were */
	wrong = 0;
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 1;
		if (parse(&k, &b) == 1) {
			bool before = true;

			for (size_t r = 0; r < k.n; r++)
				before = before && memcmp(cb_journal_leaf(&k, r), cb_journal_leaf(&j, r), CB_HASH_LEN) == 0;
			/* the zeros behind an entry belong to nobody */
			wrong += !before || (k.n == 20 ? b.data[i] != 1 : i < j.where[k.n]);
		} else {
			wrong += i >= j.head;
		}
		cb_journal_release(&k);
		b.data[i] ^= 1;
	}
	OK_INT(wrong, 0);

	/* records of an earlier use behind the last are none */
	fill(&j, 301 * CB_TILE_WIDTH, 2);
	OK(j.bytes.len < b.len);
	memcpy(b.data, j.bytes.data, j.bytes.len);
	OK(parse(&k, &b) == 1 && k.n == 2);
	cb_journal_release(&k);

	memset(two, 0, sizeof(two));
	fill(&two[0], 256, 300);
	fill(&two[1], 512, 44);
	OK(cb_journal_choose(two, have) == 1);	/* equally far: the later base */
	fill(&two[1], 512, 43);
	OK(cb_journal_choose(two, have) == 0);
	have[0] = false;
	OK(cb_journal_choose(two, have) == 1);
	have[1] = false;
	OK(cb_journal_choose(two, have) == -1);
	cb_journal_release(&two[0]);
	cb_journal_release(&two[1]);
	cb_journal_release(&j);
	cb_buf_release(&b);
}

/* --- the chain of keys ---------------------------------------------------------------------------------- */

static void chain(void)
{
	/* by tests/tlog.py and Python's hashlib.blake2b, from seed 00 01 ... 1f */
	static const char *const seed1 = "030f2bb7b656250ff48d06d694c619727c05e1fef041281fb12bf310ce80ae33",
			  *const key1 = "6cc985bcd216d9224eed6032ce4c2cc5e05dff6d2520d857e2ad0a529ee95b43";
	uint8_t seed[CB_EVOLVE_SEED], a[32], b[32], sig[64], now[CB_EVOLVE_SEED];
	struct cb_evolve *e, *f;

	for (unsigned i = 0; i < sizeof(seed); i++)
		seed[i] = (uint8_t)i;
	if (!OK(cb_evolve_new(&e, seed, NULL) == 0 && cb_evolve_copy(&f, e, NULL) == 0))
		return;
	cb_evolve_public(e, a);
	cb_evolve_public(f, b);
	OK(memcmp(a, b, 32) == 0);
	cb_evolve_sign(e, "x", 1, sig);
	OK(cb_ed25519_verify(sig, "x", 1, a));
	cb_evolve_next(e);
	cb_evolve_public(e, b);
	OK(memcmp(a, b, 32) != 0 && !cb_ed25519_verify(sig, "x", 1, b));
	cb_evolve_seed(e, now);
	cb_evolve_next(f);
	cb_evolve_seed(f, seed);
	OK(memcmp(now, seed, sizeof(seed)) == 0);
	{
		char hex[65], key[65];

		cb_hex(hex, now, 32);
		cb_hex(key, b, 32);
		OK_STR(hex, seed1);
		OK_STR(key, key1);
	}
	cb_evolve_free(e);
	cb_evolve_free(f);
	cb_evolve_free(NULL);
}

/* --- entries and seals -------------------------------------------------------------------------------------- */

static bool recorded(const char *text, int64_t want)
{
	int64_t us;

	return cb_entry_recorded(text, strlen(text), &us) && us == want;
}

static struct cb_json json;

static enum cb_entry_kind kind(const char *rest)
{
	char text[256];
	struct cb_entry e;

	snprintf(text, sizeof(text), "{\"recordedtime\":\"1970-01-01T00:00:01.000002Z\",%s", rest);
	return cb_entry_parse(&e, &json, text, strlen(text), NULL) == 0 ? e.kind : (enum cb_entry_kind)-1;
}

static void entries(void)
{
	OK(recorded("{\"recordedtime\":\"1970-01-01T00:00:01.000002Z\",\"a\":1}", 1000002));
	OK(!recorded("{\"recordedtime\":\"1970-01-01T00:00:01.000002Z\"}", 1000002));
	OK(!recorded("{\"recordedtime\":\"1970-01-01t00:00:01.000002Z\",\"a\":1}", 1000002));
	OK(!recorded("{\"recordedtime\":\"1970-01-01T00:00:61.000002Z\",\"a\":1}", 1000002));
	OK(!recorded("{\"recordedtime\":\"1970-02-30T00:00:01.000002Z\",\"a\":1}", 1000002));
	OK(!recorded(" {\"recordedtime\":\"1970-01-01T00:00:01.000002Z\",\"a\":1", 1000002));
	OK(!recorded("", 0) && !recorded("{\"recordedtime\":\"", 0));
	OK(kind("\"type\":\"cb.log.seal\"}") == CB_ENTRY_SEAL);
	OK(kind("\"type\":\"cb.log.enrolled\"}") == CB_ENTRY_ENROLLED);
	OK(kind("\"type\":\"cb.log.x\"}") == CB_ENTRY_OWN && kind("\"type\":\"cb.log.\"}") == CB_ENTRY_OWN);
	OK(kind("\"type\":\"cb.\\u006cog.x\"}") == CB_ENTRY_OWN);
	OK(kind("\"type\":\"cb.logs\"}") == CB_ENTRY_OTHER && kind("\"type\":1}") == CB_ENTRY_OTHER);
	OK(kind("\"a\":{\"type\":\"cb.log.seal\"}}") == CB_ENTRY_OTHER);
	OK((int)kind("\"a\":1") == -1 && (int)kind("\"a\":1}\n") == -1);
}

#define N 37
static uint8_t leaf_of[N][CB_HASH_LEN];

static int give(void *ctx, unsigned level, uint64_t first, unsigned n, uint8_t *out, struct cb_err *err)
{
	(void)ctx, (void)err;
	if (level || first + n > N)
		return -1;
	memcpy(out, leaf_of[first], n * CB_HASH_LEN);
	return 0;
}

/* Does an entry with this data say what s says? */
static bool same_seal(const struct cb_seal *s, const char *data, struct cb_seal *ret)
{
	struct cb_entry e;
	char text[4096];

	snprintf(text, sizeof(text), "{\"recordedtime\":\"1970-01-01T00:00:01.000002Z\",\"type\":\"cb.log.seal\",\"data\":%s}",
		 data);
	return cb_entry_parse(&e, &json, text, strlen(text), NULL) == 0 && cb_seal_parse(ret, &e, NULL) == 0 &&
	       ret->epoch == s->epoch && ret->size == s->size && memcmp(ret->sig, s->sig, 64) == 0 &&
	       ret->path_len == s->path_len && memcmp(ret->path, s->path, s->path_len * CB_HASH_LEN) == 0;
}

static void seals(void)
{
	struct cb_enrolment en = { .epoch_s = 300, .epochs = N };
	struct cb_frontier f = { 0 };
	struct cb_evolve *e = NULL, *at[N] = { NULL };
	struct cb_buf b = { 0 }, text = { 0 };
	uint8_t pk[32], path[CB_PROOF_MAX * CB_HASH_LEN];
	struct cb_seal s = { .epoch = 11, .size = 99 }, t;
	struct cb_jw w;
	unsigned n, bad = 0;

	cb_evolve_new(&e, NULL, NULL);
	for (int i = 0; i < N; i++) {
		cb_evolve_copy(&at[i], e, NULL);
		cb_evolve_public(e, pk);
		cb_merkle_leaf(leaf_of[i], pk, 32);
		cb_frontier_push(&f, leaf_of[i]);
		cb_evolve_next(e);
	}
	cb_frontier_root(&f, en.epoch_root);
	memset(pk, 9, sizeof(pk));
	OK(cb_vkey_init(&en.log, "example.org/l", CB_KEY_ED25519, pk, NULL) == 0);
	for (uint32_t i = 0; i < N; i++) {
		s.epoch = i;
		cb_evolve_public(at[i], s.key);
		bad += cb_tile_inclusion(give, NULL, i, N, path, &n, NULL) != 0;
		s.path_len = n;
		memcpy(s.path, path, n * CB_HASH_LEN);
		text.len = 0;
		cb_seal_signed(&text, &s, en.log.name);
		cb_evolve_sign(at[i], text.data, text.len, s.sig);
		bad += cb_seal_check(&s, &en, NULL) != 0;
	}
	OK_INT(bad, 0);
	cb_jw_init(&w, &b);
	cb_jw_obj(&w);
	cb_seal_put(&w, &s);
	cb_jw_obj_end(&w);
	cb_buf_byte(&b, 0);
	OK(cb_jw_done(&w, NULL) == 0 && same_seal(&s, (char *)b.data, &t) && cb_seal_check(&t, &en, NULL) == 0);

	/* each thing that it says is signed */
	t = s, t.epoch--;
	OK(cb_seal_check(&t, &en, NULL) < 0);
	t = s, t.epoch = N;
	OK(cb_seal_check(&t, &en, NULL) < 0);
	t = s, t.size++;
	OK(cb_seal_check(&t, &en, NULL) < 0);
	t = s, t.root[0] ^= 1;
	OK(cb_seal_check(&t, &en, NULL) < 0);
	t = s, t.sig[5] ^= 1;
	OK(cb_seal_check(&t, &en, NULL) < 0);
	t = s, t.path[3] ^= 1;
	OK(cb_seal_check(&t, &en, NULL) < 0);
	t = s, t.path_len--;
	OK(cb_seal_check(&t, &en, NULL) < 0);
	t = s;
	cb_evolve_public(at[3], t.key);
	text.len = 0;
	cb_seal_signed(&text, &t, en.log.name);
	cb_evolve_sign(at[3], text.data, text.len, t.sig);
	OK(cb_seal_check(&t, &en, NULL) < 0);	/* another epoch's key */
	cb_vkey_init(&en.log, "example.org/m", CB_KEY_ED25519, pk, NULL);
	OK(cb_seal_check(&s, &en, NULL) < 0);	/* another log's seal */
	for (int i = 0; i < N; i++)
		cb_evolve_free(at[i]);
	cb_evolve_free(e);
	cb_buf_release(&b);
	cb_buf_release(&text);
}

/* --- writers beside each other ------------------------------------------------------------------- */

static int append(struct cb_log *l, const char *line)
{
	struct iovec v = { (void *)line, strlen(line) };

	return cb_log_append(l, &v, 1, NULL, NULL);
}

/* Each has its own idea of how long the journal's file is; nobody may make room where another
 * has written since. */
static void neighbours(void)
{
	struct cb_log *a = NULL, *b = NULL, *c = NULL;
	struct cb_seckey *key = NULL;
	struct cb_log_new n = { .origin = "example.org/beside", .epochs = 3 };
	char dir[] = "/tmp/cb-test-log.XXXXXX", path[64], remove[96];
	uint64_t size = 0;

	if (!OK(mkdtemp(dir) && cb_seckey_generate(&key, NULL) == 0))
		return;
	n.key = key;
	snprintf(path, sizeof(path), "%s/log", dir);
	if (!OK(cb_log_init(path, &n, NULL) == 0 && cb_log_open(&a, path, NULL, NULL) == 0))
		goto out;
	while (size < 256 && append(a, "{\"n\":1}") == 0)
		size = cb_log_size(a);
	OK_INT(size, 256);	/* the other journal begins here, and is as short as it can be */
	OK(cb_log_open(&b, path, NULL, NULL) == 0);
	OK(append(a, "{\"n\":257}") == 0);
	OK(append(b, "{\"n\":258}") == 0);
	OK(append(a, "{\"n\":259}") == 0);
	OK(cb_log_open(&c, path, NULL, NULL) == 0);
	if (c)
		OK_INT(cb_log_size(c), 259);
out:
	cb_log_close(a);
	cb_log_close(b);
	cb_log_close(c);
	cb_seckey_free(key);
	snprintf(remove, sizeof(remove), "rm -rf %s", dir);
	OK(system(remove) == 0);
}

int main(void)
{
	neighbours();
	paths();
	bundles();
	journals();
	chain();
	entries();
	seals();
	return done();
}
