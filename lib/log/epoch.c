/* SPDX-License-Identifier: Apache-2.0 */
/* The secret side of epochs: seeds, each kept in a file of its own until its epoch is sealed,
 * and the tree of the public keys, kept so that each seal can carry its proof.
 *
 * state/epochs: the tree's hashes at levels 0, 8 and 16 one after another, of n keys
 * n + (n >> 8) + (n >> 16) of them. It is public and can be damaged but not forged: every
 * proof from it is checked before it is used. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "crypto/base64.h"
#include "log/log-priv.h"

#define TEMP "seed.new"
#define SEED_TEXT "cb-log-seed/v1\n%010" PRIu32 "\n%s\n"
#define SEED_LEN (15 + 11 + 45)

/* --- the tree of keys ---------------------------------------------------------------------------- */

int cb_epochs_make(int state, struct cb_evolve *e, uint32_t n, uint8_t ret_root[static CB_HASH_LEN],
		   struct cb_err *err)
{
	size_t all = (size_t)n + (n >> 8) + (n >> 16);
	uint8_t *hash = malloc(all * CB_HASH_LEN), pk[CB_ED25519_KEY_LEN];
	struct cb_frontier f = { 0 };
	uint8_t *from = hash, *to;
	int ret = -1;

	if (!hash)
		return cb_err_nomem(err);
	for (uint32_t i = 0; i < n; i++) {
		cb_evolve_public(e, pk);
		cb_merkle_leaf(hash + (size_t)i * CB_HASH_LEN, pk, sizeof(pk));
		cb_frontier_push(&f, hash + (size_t)i * CB_HASH_LEN);
		cb_evolve_next(e);
	}
	to = hash + (size_t)n * CB_HASH_LEN;
	for (unsigned level = 8; level <= 16; level += 8) {
		uint8_t *next = to;

		for (uint32_t i = 0; i < n >> level; i++, to += CB_HASH_LEN) {
			struct cb_frontier one = { 0 };

			for (unsigned k = 0; k < CB_TILE_WIDTH; k++)
				cb_frontier_push(&one, from + ((size_t)i * CB_TILE_WIDTH + k) * CB_HASH_LEN);
			cb_frontier_root(&one, to);
		}
		from = next;
	}
	cb_frontier_root(&f, ret_root);
	ret = cb_dir_put(state, CB_LOG_EPOCH_FILE, 0640, hash, all * CB_HASH_LEN, NULL, err);
	free(hash);
	return ret;
}

struct tree {
	int fd;
	uint32_t n;
};

static int epoch_hashes(void *ctx, unsigned level, uint64_t first, unsigned n, uint8_t *out, struct cb_err *err)
{
	const struct tree *t = ctx;
	uint64_t skip = level == 0 ? 0 : level == 1 ? t->n : (uint64_t)t->n + (t->n >> 8);

	for (size_t have = 0; have < (size_t)n * CB_HASH_LEN;) {
		ssize_t k = pread(t->fd, out + have, (size_t)n * CB_HASH_LEN - have,
				  (off_t)((skip + first) * CB_HASH_LEN + have));

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return cb_err_sys(err, k < 0 ? CB_E_IO : CB_E_DATA, k < 0 ? errno : EINVAL,
					  "state/" CB_LOG_EPOCH_FILE);
		have += (size_t)k;
	}
	return 0;
}

int cb_epochs_prove(int state, const struct cb_enrolment *en, struct cb_seal *s, struct cb_err *err)
{
	struct tree t = { openat(state, CB_LOG_EPOCH_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), en->epochs };
	uint8_t path[CB_PROOF_MAX * CB_HASH_LEN], leaf[CB_HASH_LEN];
	unsigned n;
	int k;

	if (t.fd < 0)
		return cb_err_sys(err, cb_errc_open(errno), errno, "state/" CB_LOG_EPOCH_FILE);
	k = cb_tile_inclusion(epoch_hashes, &t, s->epoch, t.n, path, &n, err);
	close(t.fd);
	if (k < 0)
		return -1;
	cb_merkle_leaf(leaf, s->key, sizeof(s->key));
	if (n > CB_SEAL_PATH_MAX || !cb_merkle_included(s->epoch, t.n, leaf, path, n, en->epoch_root))
		return cb_err_set(err, CB_E_DATA, "state: epoch %" PRIu32 ": the seed or the file epochs is not "
				  "that of the enrolment", s->epoch);
	s->path_len = n;
	memcpy(s->path, path, n * CB_HASH_LEN);
	return 0;
}

/* --- seeds --------------------------------------------------------------------------------------- */

/* The number in "seed.N", or -1. */
static int64_t seed_number(const char *name)
{
	uint64_t n;

	if (strncmp(name, "seed.", 5) != 0 || !cb_parse_u64(name + 5, 0, CB_LOG_EPOCHS_MAX, &n) ||
	    (name[5] == '0' && name[6]))
		return -1;
	return (int64_t)n;
}

/* Call fn for each seed that lies there. */
static int each_seed(int state, int (*fn)(void *ctx, int state, const char *name, uint32_t n, struct cb_err *err),
		     void *ctx, struct cb_err *err)
{
	int fd = openat(state, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		if (fd >= 0)
			close(fd);
		return cb_err_sys(err, CB_E_IO, errno, "state");
	}
	while (ret == 0 && (errno = 0, e = readdir(d)))
		if (seed_number(e->d_name) >= 0)
			ret = fn(ctx, state, e->d_name, (uint32_t)seed_number(e->d_name), err);
	if (ret == 0 && errno)
		ret = cb_err_sys(err, CB_E_IO, errno, "state");
	closedir(d);
	return ret;
}

struct found {
	uint32_t epoch;
	int64_t best, least;	/* the latest that is not after epoch; the earliest after it; or -1 */
};

static int find(void *ctx, int state, const char *name, uint32_t n, struct cb_err *err)
{
	struct found *f = ctx;

	(void)state, (void)name, (void)err;
	if (n <= f->epoch && n > f->best)
		f->best = n;
	if (n > f->epoch && (f->least < 0 || n < f->least))
		f->least = n;
	return 0;
}

/* A seed as far as it is whole: one that was being destroyed is none. */
static int load(uint8_t out[static CB_EVOLVE_SEED], int state, uint32_t n, struct cb_err *err)
{
	struct cb_buf b = { 0 };
	char name[32], want[64];
	bool good;

	snprintf(name, sizeof(name), "seed.%" PRIu32, n);
	snprintf(want, sizeof(want), "cb-log-seed/v1\n%010" PRIu32 "\n", n);
	if (cb_dir_get(state, name, SEED_LEN, &b, err) < 0)
		return cb_err_prefix(err, "state");
	good = b.len == SEED_LEN && memcmp(b.data, want, strlen(want)) == 0 && b.data[SEED_LEN - 1] == '\n' &&
	       cb_base64_decode_exact(out, CB_EVOLVE_SEED, (const char *)b.data + strlen(want),
				      CB_BASE64_LEN(CB_EVOLVE_SEED));
	cb_wipe(b.data, b.len);
	cb_buf_release(&b);
	return good ? 0 : cb_err_set(err, CB_E_DATA, "state/%s: damaged", name);
}

int cb_seed_get(struct cb_evolve **ret, int state, uint32_t epoch, struct cb_err *err)
{
	struct found f = { epoch, -1, -1 };
	uint8_t seed[CB_EVOLVE_SEED];
	struct cb_evolve *e;
	int k;

	if (each_seed(state, find, &f, err) < 0)
		return -1;
	if (f.best < 0 && f.least >= 0)
		return cb_err_set(err, CB_E_DATA, "the seed is that of epoch %" PRId64 ", the log goes on at epoch %"
				  PRIu32 ": seals are missing at its end", f.least, epoch);
	if (f.best < 0)
		return cb_err_set(err, CB_E_CONFIG, "state: no seed for epoch %" PRIu32 ": nothing can be sealed "
				  "any more; begin a new log", epoch);
	if (load(seed, state, (uint32_t)f.best, err) < 0)
		return -1;
	k = cb_evolve_new(&e, seed, err);
	cb_wipe(seed, sizeof(seed));
	if (k < 0)
		return -1;
	for (int64_t i = f.best; i < epoch; i++)
		cb_evolve_next(e);
	*ret = e;
	return 0;
}

/* Overwrite where it lies, sync, remove. */
static int destroy(int state, const char *name, struct cb_err *err)
{
	static const uint8_t zero[SEED_LEN];
	int fd = openat(state, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC), ret = -1;

	if (fd < 0)
		return cb_err_sys(err, cb_log_errc(errno), errno, "state/%s", name);
	if (cb_pwrite_all(fd, zero, sizeof(zero), 0, name, err) == 0 && cb_sync_fd(fd, true, name, err) == 0)
		ret = 0;
	close(fd);
	while (ret == 0 && unlinkat(state, name, 0) < 0)
		if (errno != EINTR)
			ret = cb_err_sys(err, cb_log_errc(errno), errno, "%s", name);
	return ret < 0 ? cb_err_prefix(err, "state") : 0;
}

static int destroy_older(void *ctx, int state, const char *name, uint32_t n, struct cb_err *err)
{
	const uint32_t *epoch = ctx;

	return n < *epoch ? destroy(state, name, err) : 0;
}

int cb_seed_keep(int state, uint32_t epoch, const struct cb_evolve *e, struct cb_err *err)
{
	char name[32], text[SEED_LEN + 1], base64[CB_BASE64_SIZE(CB_EVOLVE_SEED)];
	uint8_t seed[CB_EVOLVE_SEED];
	int fd = -1, ret = -1;

	if (!e)
		return each_seed(state, destroy_older, &epoch, err);
	cb_evolve_seed(e, seed);
	cb_base64(base64, seed, sizeof(seed));
	snprintf(text, sizeof(text), SEED_TEXT, epoch, base64);
	cb_wipe(seed, sizeof(seed));
	cb_wipe(base64, sizeof(base64));
	snprintf(name, sizeof(name), "seed.%" PRIu32, epoch);
	/* what an attempt that was cut off left is written over, not given back to the disk */
	do
		fd = openat(state, TEMP, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	while (fd < 0 && errno == EINTR);
	if (fd < 0) {
		cb_err_sys(err, cb_log_errc(errno), errno, "state/" TEMP);
		goto out;
	}
	if (cb_pwrite_all(fd, text, SEED_LEN, 0, "state/" TEMP, err) < 0 ||
	    cb_sync_fd(fd, false, "state/" TEMP, err) < 0)
		goto out;
	while (renameat(state, TEMP, state, name) < 0)
		if (errno != EINTR) {
			cb_err_sys(err, cb_log_errc(errno), errno, "state/%s", name);
			goto out;
		}
	if (cb_sync_fd(state, false, "state", err) < 0)
		goto out;
	ret = each_seed(state, destroy_older, &epoch, err);
out:
	if (fd >= 0)
		close(fd);
	cb_wipe(text, sizeof(text));
	return ret;
}

int cb_seed_recover(int state, uint32_t epoch, uint32_t epochs, struct cb_err *err)
{
	struct found f = { epoch, -1, -1 };
	struct cb_evolve *e;
	int ret;

	if (epoch >= epochs)
		return cb_seed_keep(state, epochs, NULL, err);
	if (each_seed(state, find, &f, err) < 0)
		return -1;
	if (f.best == epoch)
		return cb_seed_keep(state, epoch, NULL, err);
	if (cb_seed_get(&e, state, epoch, err) < 0)
		return -1;
	ret = cb_seed_keep(state, epoch, e, err);
	cb_evolve_free(e);
	return ret;
}
