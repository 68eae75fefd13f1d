/* SPDX-License-Identifier: Apache-2.0 */
/* Encryption at rest: sealed pieces are those of cb-store(5) and nothing else opens; keys are found
 * again by whoever may, and by nobody once they are destroyed. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "store/seal.h"
#include "store/store.h"
#include "tap.h"

static struct cb_err err;

static enum cb_errc code(void)
{
	enum cb_errc c = err.code;

	err = (struct cb_err)CB_ERR_INIT;
	return c;
}

/* --- pieces --------------------------------------------------------------------------------------- */

/* The example of cb-store(5), which tests/cbsealed.py makes on its own. */
static const char box_hex[] =
	"0000007575756964f41b386541b059439956744922508a920100000001000000"
	"a0a1a2a3a4a5a6a7a8a9aaabacad0000653ef2346641306bdd906f7fe814c08e"
	"35755621e357e6b0c9ac03cd81da06845f32425d12f64fc13a9abd6f97649893"
	"ce8f3e42f06747df0cd1d48a93ad8b66461b3200ac";
static const char commit_hex[] = "f85b82d9d3428059f5472c0c325902add7065f23463dae00397f531224492d27";
static const char plain[] = "one group of pictures";

static struct cb_day_key key;
static uint8_t random_bytes[CB_SEALED_RANDOM], commit[CB_SHA256_LEN];
static const struct cb_sealed_at at = { "front", "aa4d9c7ba453", 1 };

static void fixed(void)
{
	for (int i = 0; i < CB_SEAL_KEY; i++)
		key.key[i] = (uint8_t)i;
	cb_day_key_name(&key, "2026-11-21");
	for (int i = 0; i < 14; i++)
		random_bytes[i] = (uint8_t)(0xa0 + i);
	for (int i = 0; i < CB_SALT_LEN; i++)
		random_bytes[14 + i] = (uint8_t)(0x40 + i);
}

static int open_copy(const struct cb_buf *b, size_t n, const struct cb_day_key *k, const struct cb_sealed_at *a)
{
	uint8_t *p = malloc(n ? n : 1);		/* so that a byte too far is found */
	const uint8_t *text;
	size_t len;
	int r;

	memcpy(p, b->data, n);
	r = cb_sealed_open(p, n, k, a, commit, &text, &len, &err);
	if (r == 0)
		r = len == strlen(plain) && memcmp(text, plain, len) == 0 &&
		    memcmp(text - CB_SALT_LEN, random_bytes + 14, CB_SALT_LEN) == 0 ? 1 : -2;
	free(p);
	return r;
}

static void vector(void)
{
	struct iovec iov[2] = { { (char *)plain, 5 }, { (char *)plain + 5, strlen(plain) - 5 } };
	uint8_t want[sizeof(box_hex) / 2], sum[CB_SHA256_LEN];
	struct cb_buf b = { 0 };

	OK_STR(key.name, "2026-11-21-48ea2b25ab49131b697445ba5862793c");
	OK(cb_unhex(want, sizeof(want), box_hex) && cb_unhex(sum, sizeof(sum), commit_hex));
	OK(cb_sealed_put_with(&b, &key, &at, iov, 2, random_bytes, commit, &err) == 0);
	OK(b.len == sizeof(want) && b.len == strlen(plain) + CB_SEALED_EXTRA && memcmp(b.data, want, b.len) == 0);
	OK(memcmp(commit, sum, sizeof(sum)) == 0);
	OK(open_copy(&b, b.len, &key, &at) == 1);
	cb_buf_release(&b);
}

static void mutants(void)
{
	struct iovec iov = { (char *)plain, strlen(plain) };
	struct cb_day_key other = key;
	struct cb_sealed_at away = at;
	struct cb_buf b = { 0 }, c = { 0 };
	uint8_t again[CB_SHA256_LEN];
	int opened = 0, wrong = 0;

	cb_sealed_put_with(&b, &key, &at, &iov, 1, random_bytes, commit, &err);
	for (size_t i = 0; i < 8 * b.len; i++) {
		b.data[i / 8] ^= (uint8_t)(1 << i % 8);
		opened += open_copy(&b, b.len, &key, &at) >= 0;
		wrong += code() != CB_E_DATA;
		b.data[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	OK_INT(opened, 0);
	OK_INT(wrong, 0);
	for (size_t n = 0; n < b.len; n++) {
		opened += open_copy(&b, n, &key, &at) >= 0;
		wrong += code() != CB_E_DATA;
	}
	OK_INT(opened, 0);
	OK_INT(wrong, 0);
	other.key[31] ^= 1;
	OK(open_copy(&b, b.len, &other, &at) == -1 && code() == CB_E_DATA);
	away.number = 2;
	OK(open_copy(&b, b.len, &key, &away) == -1 && code() == CB_E_DATA);
	away = at;
	away.camera = "back";
	OK(open_copy(&b, b.len, &key, &away) == -1 && code() == CB_E_DATA);
	away = at;
	away.id = "aa4d9c7ba454";
	OK(open_copy(&b, b.len, &key, &away) == -1 && code() == CB_E_DATA);
	commit[0] ^= 1;		/* sealed by whoever has the key, and not what was logged */
	OK(open_copy(&b, b.len, &key, &at) == -1 && code() == CB_E_DATA);
	commit[0] ^= 1;
	/* twice the same in the same place: nothing of it is the same */
	OK(cb_sealed_put(&b, &key, &at, &iov, 1, commit, &err) == 0 &&
	   cb_sealed_put(&c, &key, &at, &iov, 1, again, &err) == 0);
	OK(b.len == c.len && memcmp(b.data + 32, c.data + 32, 14) != 0 && memcmp(b.data + 48, c.data + 48, 32) != 0 &&
	   memcmp(commit, again, sizeof(commit)) != 0);
	cb_buf_release(&b);
	cb_buf_release(&c);
}

/* --- age, for small things --------------------------------------------------------------------------- */

static void wrapping(const char *id, const struct cb_age_to *to)
{
	struct cb_age_ids *ids = NULL, *none = NULL;
	uint8_t text[CB_AGE_SMALL], out[CB_AGE_SMALL];
	struct cb_buf b = { 0 };
	int wrong = 0;
	size_t n = 1;

	memset(text, 'x', sizeof(text));
	OK(cb_age_ids_new(&ids, &err) == 0 && cb_age_ids_new(&none, &err) == 0 &&
	   cb_age_ids_file(ids, id, NULL, &err) == 0);
	OK(cb_age_wrap(to, text, 0, &b, &err) == 0 && cb_age_unwrap(ids, b.data, b.len, out, 0, &n, &err) == 0 && n == 0);
	b.len = 0;
	OK(cb_age_wrap(to, text, sizeof(text), &b, &err) == 0);
	OK(cb_age_unwrap(ids, b.data, b.len, out, sizeof(out), &n, &err) == 0 && n == sizeof(out) &&
	   memcmp(out, text, n) == 0);
	OK(cb_age_unwrap(ids, b.data, b.len, out, sizeof(out) - 1, &n, &err) < 0 && code() == CB_E_DATA);
	OK(cb_age_unwrap(none, b.data, b.len, out, sizeof(out), &n, &err) < 0 && code() == CB_E_PERM);
	OK(cb_age_unwrap(NULL, b.data, b.len, out, sizeof(out), &n, &err) < 0 && code() == CB_E_PERM);
	OK(cb_age_wrap(to, text, sizeof(text) + 1, &b, &err) < 0);
	code();
	b.len = 0;
	OK(cb_age_wrap(to, "short", 5, &b, &err) == 0);
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 1;
		wrong += cb_age_unwrap(ids, b.data, b.len, out, sizeof(out), &n, &err) == 0;
		b.data[i] ^= 1;
		wrong += cb_age_unwrap(ids, b.data, i, out, sizeof(out), &n, &err) == 0;
		code();
	}
	OK_INT(wrong, 0);
	cb_buf_release(&b);
	cb_age_ids_free(ids);
	cb_age_ids_free(none);
}

/* --- keys -------------------------------------------------------------------------------------------- */

static char dir[] = "/tmp/cb-test-seal-XXXXXX";

static char *in(const char *name)
{
	static char path[16][200];
	static int i;

	i = (i + 1) % 16;
	snprintf(path[i], sizeof(path[i]), "%s/%s", dir, name);
	return path[i];
}

static void text_file(const char *name, const char *text)
{
	FILE *f = fopen(in(name), "w");

	fputs(text, f);
	fclose(f);
}

static size_t count(const struct cb_store *s, const char *camera, const char *day)
{
	struct cb_names l;
	size_t n;

	if (cb_day_keys(s, camera, day, &l, &err) < 0)
		return SIZE_MAX;
	n = l.n;
	cb_names_release(&l);
	return n;
}

static void keys(const char *recipient)
{
	char mine[200], not_mine[200];
	const char *id[] = { strcpy(mine, in("id")) }, *other[] = { strcpy(not_mine, in("other")) };
	struct cb_store s = { .fd = -1, .cameras = -1 };
	struct cb_age_to none = { 0 };
	struct cb_sealer *k = NULL, *k2 = NULL;
	struct cb_keyring *ring = NULL, *theirs = NULL;
	const struct cb_day_key *a = NULL, *b = NULL;
	char name[CB_DAY_KEY_NAME], name2[CB_DAY_KEY_NAME], path[300], path2[300];
	struct cb_buf said = { 0 };
	struct stat st;
	int fd;

	OK(cb_store_create(&s, in("S"), &err) == 0);
	/* nobody to encrypt for; a directory of keys; a list that is none; a list */
	OK(cb_sealer_new(&k, &s, &none, &err) == 0 && !k);
	mkdir(in("S/keys"), 0755);
	OK(cb_sealer_new(&k, &s, &none, &err) == 0 && !k);
	text_file("S/keys/recipients", "nobody\n");
	OK(cb_sealer_new(&k, &s, &none, &err) < 0 && !k && code() == CB_E_DATA);
	text_file("S/keys/recipients", "");
	OK(cb_sealer_new(&k, &s, &none, &err) < 0 && !k && code() == CB_E_DATA);
	text_file("S/keys/recipients", recipient);
	OK(cb_sealer_new(&k, &s, &none, &err) == 0 && k && cb_sealer_new(&k2, &s, &none, &err) == 0 && k2);
	/* one a day, and one a run */
	OK(cb_sealer_day(k, "front", "2026-11-21", &a, &err) == 0);
	strcpy(name, a->name);
	OK(cb_sealer_day(k, "front", "2026-11-21", &a, &err) == 0 && strcmp(a->name, name) == 0);
	cb_sealer_settle(k);
	OK(cb_day_key_name_ok(name) && count(&s, "front", "2026-11-21") == 1);
	OK(cb_sealer_day(k2, "front", "2026-11-21", &b, &err) == 0 && strcmp(b->name, name) != 0);
	cb_sealer_settle(k2);
	strcpy(name2, b->name);
	OK(count(&s, "front", "2026-11-21") == 2 && count(&s, "front", "2026-11-20") == 0 && count(&s, "x", "2026-11-21") == 0);
	/* whoever has an identity reads all of them, nobody else any */
	chmod(in("id"), 0644);
	OK(cb_keyring_new(&ring, id, 1, NULL, &err) == 0 && cb_keyring_exposed(ring) &&
	   cb_keyring_new(&theirs, other, 1, NULL, &err) == 0 && !cb_keyring_exposed(theirs));
	OK(cb_keyring_get(ring, &s, "front", name, &a, &err) == 0 && strcmp(a->name, name) == 0);
	OK(cb_keyring_get(ring, &s, "front", name2, &b, &err) == 0 && memcmp(a->key, b->key, CB_SEAL_KEY) != 0);
	OK(cb_keyring_get(theirs, &s, "front", name, &a, &err) < 0 && code() == CB_E_PERM);
	OK(cb_keyring_get(NULL, &s, "front", name, &a, &err) < 0 && code() == CB_E_PERM);
	OK(cb_keyring_get(ring, &s, "back", name, &a, &err) < 0 && code() == CB_E_DATA);
	/* in the place of another: its name says no */
	snprintf(path, sizeof(path), "%s/%s.age", in("S/keys/cameras/front"), name);
	snprintf(path2, sizeof(path2), "%s/%s.age", in("S/keys/cameras/front"), name2);
	OK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0440);
	cb_keyring_free(ring);
	OK(rename(path2, in("kept")) == 0 && link(path, path2) == 0 && cb_keyring_new(&ring, id, 1, NULL, &err) == 0);
	OK(cb_keyring_get(ring, &s, "front", name2, &b, &err) < 0 && code() == CB_E_DATA);
	OK(rename(in("kept"), path2) == 0);
	mkdir(in("S/keys/cameras/back"), 0755);
	snprintf(path, sizeof(path), "%s/%s.age", in("S/keys/cameras/back"), name2);
	OK(link(path2, path) == 0);
	OK(cb_keyring_get(ring, &s, "back", name2, &b, &err) < 0 && code() == CB_E_DATA);
	/* destroyed while a recorder has it: the next segment has another */
	OK(cb_buf_str(&said, "{\"why\":\"a test\"}") == 0);
	fd = cb_day_keys_lock(&s, "front", &err);
	OK(fd >= 0);
	OK(cb_day_key_condemn(&s, "front", name, &said, &err) == 0 && cb_day_key_state(&s, "front", name) == CB_DAY_KEY_DESTROYED);
	OK(cb_day_key_destroy(&s, "front", name, &err) == 0);
	close(fd);
	OK(cb_day_key_state(&s, "front", name) == CB_DAY_KEY_DESTROYED && count(&s, "front", "2026-11-21") == 2);
	OK(cb_keyring_get(ring, &s, "front", name, &b, &err) < 0 && code() == CB_E_NO);
	OK(cb_day_key_condemn(&s, "front", name, &said, &err) == 0 && cb_day_key_destroy(&s, "front", name, &err) == 0);
	OK(cb_sealer_day(k, "front", "2026-11-21", &a, &err) == 0 && strcmp(a->name, name) != 0);
	OK(cb_day_keys_lock(&s, "front", &err) < 0 && code() == CB_E_TEMP);	/* k has not settled */
	cb_sealer_settle(k);
	/* said to be destroyed, and killed before it was: it counts as destroyed */
	snprintf(path, sizeof(path), "S/keys/cameras/front/%s.destroyed", name2);
	text_file(path, "{}\n");
	OK(cb_day_key_state(&s, "front", name2) == CB_DAY_KEY_DESTROYED);
	OK(cb_day_keys_clear(&s, "front", "2026-11-21", &err) == 0 && count(&s, "front", "2026-11-21") == 0);
	OK(cb_day_key_state(&s, "front", name2) == CB_DAY_KEY_MISSING);
	OK(cb_keyring_get(ring, &s, "front", name2, &b, &err) < 0 && code() == CB_E_DATA);
	cb_buf_release(&said);
	cb_keyring_free(ring);
	cb_keyring_free(theirs);
	cb_sealer_free(k);
	cb_sealer_free(k2);
	cb_store_close(&s);
}

/* A key file of any text, and whether its key is taken. */
static enum cb_errc taken(const struct cb_store *s, struct cb_keyring *ring, const struct cb_age_to *to, const char *text)
{
	const struct cb_day_key *k;
	struct cb_buf b = { 0 };
	char path[300];
	FILE *f;
	int r;

	snprintf(path, sizeof(path), "%s/%s.age", in("T/keys/cameras/front"), key.name);
	if (cb_age_wrap(to, text, strlen(text), &b, &err) < 0 || !(f = fopen(path, "w")))
		return CB_E_BUG;
	fwrite(b.data, 1, b.len, f);
	fclose(f);
	cb_buf_release(&b);
	r = cb_keyring_get(ring, s, "front", key.name, &k, &err);
	return r == 0 ? (memcmp(k->key, key.key, CB_SEAL_KEY) == 0 ? CB_OK : CB_E_BUG) : code();
}

static void key_files(const struct cb_age_to *to)
{
#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define TEXT(camera, day, hex) "cb-day-key 1\ncamera " camera "\nday " day "\nkey " hex "\n"
	static const char *const bad[] = {
		"", "x", "cb-day-key 1\n", "key " HEX "\n", TEXT("back", "2026-11-21", HEX), TEXT("front", "2026-11-22", HEX),
		TEXT("front", "2026-11-21", "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"),
		TEXT("front", "2026-11-21", "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
		TEXT("front", "2026-11-21", "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
		TEXT("front", "2026-11-21", HEX) "\n", TEXT("front", "2026-11-21", HEX) TEXT("front", "2026-11-21", HEX),
		"cb-day-key 2\ncamera front\nday 2026-11-21\nkey " HEX "\n", TEXT("front ", "2026-11-21", HEX),
		"cb-day-key 1\ncamera front\nday 2026-11-21\nkey " HEX,
	};
	char id[200];
	const char *ids[] = { strcpy(id, in("id")) };
	struct cb_store s = { .fd = -1, .cameras = -1 };
	struct cb_keyring *ring = NULL;
	int wrong = 0;

	OK(cb_store_create(&s, in("T"), &err) == 0 && mkdir(in("T/keys"), 0755) == 0 &&
	   mkdir(in("T/keys/cameras"), 0755) == 0 && mkdir(in("T/keys/cameras/front"), 0755) == 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		OK(cb_keyring_new(&ring, ids, 1, NULL, &err) == 0);
		if (taken(&s, ring, to, bad[i]) != CB_E_DATA) {
			wrong++;
			NOTE("%s\n", bad[i]);
		}
		cb_keyring_free(ring);
	}
	OK_INT(wrong, 0);
	OK(cb_keyring_new(&ring, ids, 1, NULL, &err) == 0);
	OK(taken(&s, ring, to, TEXT("front", "2026-11-21", HEX)) == CB_OK);
	cb_keyring_free(ring);
	cb_store_close(&s);
}

/* --- manifests ---------------------------------------------------------------------------------------- */

#define SUM "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HEAD "\ncamera front\nsegment 0123456789ab\nrecording 0123456789abcdef 3 -5\n" \
	"start 1767225600000000000\nproducer p\nrecorder r\n"
#define KEY "key 2026-11-21-48ea2b25ab49131b697445ba5862793c\n"
#define LINE0 "0 0 197 " SUM " - 0 0 - 0 0"

static bool parses(const char *text)
{
	struct cb_manifest m;
	bool ok;

	err = (struct cb_err)CB_ERR_INIT;
	ok = cb_manifest_parse(&m, text, strlen(text), &err) == 0;
	if (ok)
		ok = m.n == 1 && m.sealed && m.frag[0].sealed && cb_fragment_plain(&m.frag[0]) == 101 &&
		     strcmp(m.key, "2026-11-21-48ea2b25ab49131b697445ba5862793c") == 0;
	cb_manifest_release(&m);
	return ok;
}

static void manifests(void)
{
	struct cb_manifest m = { .camera = "front", .id = "0123456789ab", .recording = "0123456789abcdef", .sealed = true }, p;
	struct cb_fragment f = { .length = 97, .pts = CB_NOPTS, .sealed = true, .commit = { 1, 2, 3 } };
	struct cb_manifest_end e = { .reason = "end", .bytes = 97 };
	uint8_t sum[CB_SHA256_LEN];
	struct cb_sha256 h;
	struct cb_buf b = { 0 };

	OK(parses("cb-manifest 2" HEAD KEY LINE0 " " SUM "\n"));
	OK(!parses("cb-manifest 1" HEAD KEY LINE0 " " SUM "\n"));
	OK(!parses("cb-manifest 1" HEAD LINE0 " " SUM "\n"));
	OK(!parses("cb-manifest 2" HEAD LINE0 " " SUM "\n"));
	OK(!parses("cb-manifest 2" HEAD KEY LINE0 "\n"));
	OK(!parses("cb-manifest 2" HEAD KEY LINE0 " " SUM "0\n"));
	OK(!parses("cb-manifest 2" HEAD KEY KEY LINE0 " " SUM "\n"));
	OK(!parses("cb-manifest 2" HEAD));
	OK(!parses("cb-manifest 3" HEAD KEY LINE0 " " SUM "\n"));
	OK(!parses("cb-manifest 2" HEAD "key ../../../x\n" LINE0 " " SUM "\n"));
	OK(!parses("cb-manifest 2" HEAD "key 2026-11-21-48EA2b25ab49131b697445ba5862793c\n" LINE0 " " SUM "\n"));
	OK(!parses("cb-manifest 2" HEAD KEY "0 0 96 " SUM " - 0 0 - 0 0 " SUM "\n"));
	strcpy(m.key, key.name);
	OK(cb_manifest_put_head(&b, &m, "p", "r") == 0 && cb_manifest_put_fragment(&b, &f) == 0);
	cb_sha256_init(&h);
	cb_sha256_update(&h, b.data, b.len);
	OK(cb_manifest_put_end(&b, &e, &h, sum) == 0);
	OK(cb_manifest_parse(&p, (char *)b.data, b.len, &err) == 0 && p.digest_ok && p.n == 1 &&
	   memcmp(p.frag[0].commit, f.commit, CB_SHA256_LEN) == 0);
	cb_manifest_release(&p);
	OK(cb_manifest_peek(&p, (char *)b.data, b.len, (char *)b.data + 1, b.len - 1) && strcmp(p.key, m.key) == 0);
	cb_buf_release(&b);
}

int main(void)
{
	char recipient[CB_AGE_RECIPIENT_SIZE], theirs[CB_AGE_RECIPIENT_SIZE], command[100];
	struct cb_age_to to = { 0 };

	if (!OK(mkdtemp(dir)))
		return done();
	OK(cb_age_ids_generate(in("id"), NULL, recipient, &err) == 0 &&
	   cb_age_ids_generate(in("other"), NULL, theirs, &err) == 0);
	OK(cb_age_to_add(&to, theirs, &err) == 0 && cb_age_to_add(&to, recipient, &err) == 0);
	fixed();
	vector();
	mutants();
	wrapping(in("id"), &to);
	keys(recipient);
	key_files(&to);
	manifests();
	cb_age_to_release(&to);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	OK(system(command) == 0);
	return done();
}
