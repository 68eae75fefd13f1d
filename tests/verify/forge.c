/* SPDX-License-Identifier: Apache-2.0 */
/* forge -k KEYFILE [-o ORIGIN] [-n SIZE] [-s SEEDFILE] DIR <ENTRIES
 *
 * What a thief of a log's key can do: make the tree of any entries, one a line, in the empty
 * directory DIR, with a checkpoint that the log's key signs. -n: of the first SIZE entries only.
 * -s: and one who has the seed of an epoch (state/seed.N): every seal is made anew, with the
 * size and root of the new tree: those of epoch N with its key, the others with that key, too,
 * for he has no other; the key and its proof stay as they were.
 * For tests of what cb-verify tells of that. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "crypto/base64.h"
#include "crypto/evolve.h"
#include "crypto/minisign_sign.h"
#include "log/note.h"
#include "log/seal.h"
#include "log/tile.h"

static struct cb_err err = CB_ERR_INIT;

static void die(const char *what)
{
	fprintf(stderr, "forge: %s: %s\n", what, err.msg);
	exit(70);
}

static void put(const char *dir, const char *path, const void *p, size_t n)
{
	char full[4200];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", dir, path);
	for (char *s = full + strlen(dir) + 1; (s = strchr(s, '/')); s++) {
		*s = '\0';
		if (mkdir(full, 0755) < 0 && errno != EEXIST)
			die(full);
		*s = '/';
	}
	f = fopen(full, "w");
	if (!f || fwrite(p, 1, n, f) != n || fclose(f))
		die(full);
}

/* Replace what stands behind "key":" (or "key": where quoted is false) in an entry. */
static void replace(char *entry, const char *key, const char *with, bool quoted)
{
	char find[40], *at, *end, rest[70000];

	snprintf(find, sizeof(find), "\"%s\":%s", key, quoted ? "\"" : "");
	at = strstr(entry, find);
	if (!at)
		die("a seal without its fields");
	at += strlen(find);
	end = at + strcspn(at, quoted ? "\"" : ",}");
	snprintf(rest, sizeof(rest), "%s", end);
	strcpy(at, with);
	strcat(at, rest);
}

static void reseal(char *entry, const struct cb_frontier *f, const struct cb_evolve *e, const char *origin)
{
	struct cb_json *j = malloc(sizeof(*j));
	struct cb_buf b = { 0 };
	struct cb_entry en;
	struct cb_seal s;
	char text[40];

	if (cb_entry_parse(&en, j, entry, strlen(entry), NULL) < 0 || en.kind != CB_ENTRY_SEAL ||
	    cb_seal_parse(&s, &en, NULL) < 0) {
		free(j);
		return;
	}
	s.size = f->size;
	cb_frontier_root(f, s.root);
	cb_seal_signed(&b, &s, origin);
	cb_evolve_sign(e, b.data, b.len, s.sig);
	snprintf(text, sizeof(text), "%ju", (uintmax_t)s.size);
	replace(entry, "size", text, false);
	b.len = 0;
	cb_base64_put(&b, s.root, sizeof(s.root));
	cb_buf_byte(&b, 0);
	replace(entry, "root", (char *)b.data, true);
	b.len = 0;
	cb_base64_put(&b, s.sig, sizeof(s.sig));
	cb_buf_byte(&b, 0);
	replace(entry, "sig", (char *)b.data, true);
	cb_buf_release(&b);
	free(j);
}

static struct cb_evolve *seed(const char *path)
{
	struct cb_evolve *e = NULL;
	uint8_t *text, raw[32];
	size_t n, len;
	char *b64;

	if (cb_file_read(path, 4096, &text, &n, &err) < 0)
		die(path);
	/* the third line, base64 */
	b64 = strchr(strchr((char *)text, '\n') + 1, '\n') + 1;
	if (!cb_base64_decode(raw, sizeof(raw), b64, strcspn(b64, "\n"), &len) || len != 32 || cb_evolve_new(&e, raw, &err) < 0)
		die(path);
	free(text);
	return e;
}

int main(int argc, char **argv)
{
	static char entry[140000];
	struct cb_buf level[CB_TILE_LEVELS] = { { 0 } }, bundle = { 0 }, note = { 0 };
	const char *keyfile = NULL, *origin = "example.org/one";
	struct cb_seckey *key = NULL;
	struct cb_evolve *e = NULL;
	struct cb_frontier f = { 0 };
	uint64_t n = 0, max = UINT64_MAX;
	uint8_t h[32], pk[32], sig[64], be[2];
	char path[CB_TILE_PATH];
	struct cb_vkey k;
	int c;

	while ((c = getopt(argc, argv, "k:o:n:s:")) != -1)
		switch (c) {
		case 'k': keyfile = optarg; break;
		case 'o': origin = optarg; break;
		case 'n': max = strtoull(optarg, NULL, 10); break;
		case 's': e = seed(optarg); break;
		default: return 64;
		}
	if (!keyfile || optind + 1 != argc)
		return 64;
	if (cb_seckey_load(&key, keyfile, NULL, &err) < 0)
		die(keyfile);
	mkdir(argv[optind], 0755);
	while (n < max && fgets(entry, 70000, stdin)) {
		size_t len;

		entry[strcspn(entry, "\n")] = '\0';
		if (e)
			reseal(entry, &f, e, origin);
		len = strlen(entry);
		cb_put_be16(be, (uint16_t)len);
		cb_buf_add(&bundle, be, 2);
		cb_buf_add(&bundle, entry, len);
		cb_merkle_leaf(h, entry, len);
		cb_frontier_push(&f, h);
		for (unsigned l = 0; l < CB_TILE_LEVELS; l++) {
			struct cb_frontier t = { 0 };

			cb_buf_add(&level[l], h, 32);
			if (level[l].len % CB_TILE_BYTES)
				break;
			for (unsigned i = 0; i < CB_TILE_WIDTH; i++)
				cb_frontier_push(&t, level[l].data + level[l].len - CB_TILE_BYTES + i * 32);
			memcpy(h, t.node[8], 32);
		}
		if (++n % CB_TILE_WIDTH == 0) {
			cb_tile_path(path, CB_TILE_ENTRIES, n / CB_TILE_WIDTH - 1, CB_TILE_WIDTH);
			put(argv[optind], path, bundle.data, bundle.len);
			bundle.len = 0;
		}
	}
	if (bundle.len) {
		cb_tile_path(path, CB_TILE_ENTRIES, n / CB_TILE_WIDTH, (unsigned)(n % CB_TILE_WIDTH));
		put(argv[optind], path, bundle.data, bundle.len);
	}
	for (unsigned l = 0; l < CB_TILE_LEVELS; l++)
		for (size_t at = 0; at < level[l].len; at += CB_TILE_BYTES) {
			size_t len = level[l].len - at < CB_TILE_BYTES ? level[l].len - at : CB_TILE_BYTES;

			cb_tile_path(path, (int)l, at / CB_TILE_BYTES, (unsigned)(len / 32));
			put(argv[optind], path, level[l].data + at, len);
		}
	cb_frontier_root(&f, h);
	cb_checkpoint_put(&note, origin, n, h);
	cb_seckey_sign(key, note.data, note.len, sig);
	cb_seckey_public(key, pk);
	cb_buf_byte(&note, '\n');
	if (cb_vkey_init(&k, origin, CB_KEY_ED25519, pk, &err) < 0 || cb_note_put_sig(&note, &k, sig, 0) < 0)
		die("the checkpoint");
	put(argv[optind], "checkpoint", note.data, note.len);
	printf("%s %ju\n", origin, (uintmax_t)n);
	for (unsigned l = 0; l < CB_TILE_LEVELS; l++)
		cb_buf_release(&level[l]);
	cb_buf_release(&bundle);
	cb_buf_release(&note);
	cb_seckey_free(key);
	cb_evolve_free(e);
	return 0;
}
