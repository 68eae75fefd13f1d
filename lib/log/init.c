/* SPDX-License-Identifier: Apache-2.0 */
/* A new log: its epochs, its enrolment, its first entry. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/time.h"
#include "crypto/hash.h"
#include "log/log-priv.h"
#include "wire/event.h"

#define ORIGIN_MAX 200u		/* bytes, so that the names of epoch keys have room */
#define EPOCH_S_MIN 1u
#define EPOCH_S_MAX 86400u

/* What another log came to. */
static int take_previous(struct cb_enrolment *en, const char *path, int64_t now_us, struct cb_err *err)
{
	struct cb_log_opts o = { .now_us = now_us };
	struct cb_log *old = NULL;
	struct cb_err why = CB_ERR_INIT;
	struct cb_tiles *t = NULL;
	int ret = -1;

	/* seals of epochs that have ended are part of it; that it can take no more is no matter, nor
	 * that it is so old that it would not believe the clock */
	if (cb_log_open(&old, path, &o, err) < 0)
		goto out;
	snprintf(en->previous, sizeof(en->previous), "%s", cb_log_enrolment(old)->log.name);
	if (cb_log_tick(old, &why) < 0 && why.code != CB_E_CONFIG && why.code != CB_E_TEMP) {
		if (err)
			*err = why;
		goto out;
	}
	if (cb_tiles_open(&t, path, err) < 0)
		goto out;
	en->previous_size = cb_tiles_size(t);
	if (cb_tiles_root(t, en->previous_size, en->previous_root, err) < 0)
		goto out;
	en->follows = true;
	ret = 0;
out:
	cb_tiles_close(t);
	cb_log_close(old);
	return ret < 0 ? cb_err_prefix(err, "%s", path) : 0;
}

static int fill(struct cb_enrolment *en, const struct cb_log_new *n, int64_t now_us, struct cb_err *err)
{
	uint8_t pk[32];

	*en = (struct cb_enrolment){ .epoch_s = n->epoch_s ? n->epoch_s : CB_LOG_EPOCH_S,
				     .epochs = n->epochs ? n->epochs : CB_LOG_EPOCHS };
	if (strlen(n->origin) > ORIGIN_MAX)
		return cb_err_set(err, CB_E_DATA, "origin: longer than %u bytes", ORIGIN_MAX);
	if (en->epoch_s < EPOCH_S_MIN || en->epoch_s > EPOCH_S_MAX || en->epochs > CB_LOG_EPOCHS_MAX)
		return cb_err_set(err, CB_E_USAGE, "epochs of 1 to 86400 seconds, at most %u of them", CB_LOG_EPOCHS_MAX);
	cb_seckey_public(n->key, pk);
	if (cb_vkey_init(&en->log, n->origin, CB_KEY_ED25519, pk, err) < 0)
		return cb_err_prefix(err, "origin");
	en->epoch0 = now_us / 1000000 / en->epoch_s * en->epoch_s;
	return n->previous ? take_previous(en, n->previous, n->now_us, err) : 0;
}

/* The organisation's word for it. */
static int vouch(struct cb_enrolment *en, const struct cb_seckey *org, struct cb_err *err)
{
	struct cb_buf b = { 0 };

	if (!org)
		return 0;
	if (cb_enrolment_signed(&b, en) < 0)
		return cb_err_nomem(err);
	cb_seckey_public(org, en->org_key);
	cb_seckey_sign(org, b.data, b.len, en->org_sig);
	en->org = true;
	cb_buf_release(&b);
	return 0;
}

static int first_entry(struct cb_buf *b, const struct cb_enrolment *en, int64_t us, struct cb_err *err)
{
	char id[CB_EVENT_ID_LEN], head[CB_RECORDED_LEN + 1];
	struct cb_buf event = { 0 };
	struct cb_jw w;
	int ret;

	cb_event_id(id, "cb.log.enrolled", en->log.name, en->epoch_root, us, "", 0);
	cb_event_begin(&w, &event, "cb-log", "cb.log.enrolled", NULL, us * CB_NS_PER_US, id);
	cb_enrolment_put(&w, en);
	ret = cb_event_end(&w, err);
	cb_entry_put_recorded(head, us);
	if (ret == 0 && (cb_buf_str(b, head) < 0 || cb_buf_add(b, event.data + 1, event.len - 1) < 0))
		ret = cb_err_nomem(err);
	cb_buf_release(&event);
	return ret;
}

/* Everything below dir, whose state/ is open. */
static int fill_dir(int dir, int state, struct cb_enrolment *en, const struct cb_log_new *n, int64_t us,
		    struct cb_err *err)
{
	struct cb_evolve *seed = NULL, *key = NULL;
	struct cb_journal j = { 0 };
	struct cb_journal_edge none = { { 0 } };
	struct cb_journal_at at = { .recorded_us = INT64_MIN };
	struct cb_buf entry = { 0 }, policy = { 0 };
	uint8_t leaf[CB_HASH_LEN];
	int ret = -1;

	if (cb_evolve_new(&seed, NULL, err) < 0 || cb_evolve_copy(&key, seed, err) < 0 ||
	    cb_epochs_make(state, key, en->epochs, en->epoch_root, err) < 0 || vouch(en, n->org, err) < 0 ||
	    first_entry(&entry, en, us, err) < 0)
		goto out;
	cb_merkle_leaf(leaf, entry.data, entry.len);
	if (cb_journal_begin(&j, 0, &at, &none) < 0 ||
	    cb_journal_put(&j, us, false, 0, leaf, entry.data, entry.len) < 0 || cb_buf_str(&policy, "log ") < 0 ||
	    cb_vkey_put(&policy, &en->log) < 0 || cb_buf_str(&policy, "\nquorum none\n") < 0) {
		cb_err_nomem(err);
		goto out;
	}
	if (cb_seed_keep(state, 0, seed, err) < 0 ||
	    cb_dir_put(dir, "enrolment", 0640, entry.data, entry.len, NULL, err) < 0 ||
	    cb_dir_put(dir, "policy", 0640, policy.data, policy.len, NULL, err) < 0 ||
	    cb_dir_put(state, "lock", 0600, "", 0, NULL, err) < 0 ||
	    cb_dir_put(state, "journal.1", 0600, "", 0, NULL, err) < 0 ||
	    cb_dir_put(state, "journal.0", 0600, j.bytes.data, j.tail, NULL, err) < 0)
		goto out;
	ret = 0;
out:
	cb_evolve_free(seed);
	cb_evolve_free(key);
	cb_journal_release(&j);
	cb_buf_release(&entry);
	cb_buf_release(&policy);
	return ret;
}

/* What an attempt that failed leaves. */
static void undo(int up, const char *name, int dir, int state)
{
	static const char *const in_state[] = { "seed.0", "seed.new", "epochs", ".new", "lock", "journal.0", "journal.1" };
	static const char *const in_dir[] = { "enrolment", "policy", ".new" };

	for (size_t i = 0; state >= 0 && i < sizeof(in_state) / sizeof(*in_state); i++)
		unlinkat(state, in_state[i], 0);
	for (size_t i = 0; dir >= 0 && i < sizeof(in_dir) / sizeof(*in_dir); i++)
		unlinkat(dir, in_dir[i], 0);
	if (dir >= 0)
		unlinkat(dir, "state", AT_REMOVEDIR);
	unlinkat(up, name, AT_REMOVEDIR);
}

/* Make it beside its place, and move it there when it is whole. */
static int make_at(int up, const char *name, struct cb_enrolment *en, const struct cb_log_new *n, int64_t us,
		   struct cb_err *err)
{
	char temp[64];
	int dir = -1, state = -1, ret = -1;

	snprintf(temp, sizeof(temp), ".cb-log.%jd", (intmax_t)getpid());
	if (mkdirat(up, temp, 0777) < 0)
		return cb_err_sys(err, CB_E_CANTCREAT, errno, "mkdir");
	dir = openat(up, temp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || mkdirat(dir, "state", 0700) < 0) {
		cb_err_sys(err, CB_E_CANTCREAT, errno, "mkdir");
		goto out;
	}
	state = openat(dir, "state", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (state < 0) {
		cb_err_sys(err, CB_E_CANTCREAT, errno, "mkdir");
		goto out;
	}
	if (fill_dir(dir, state, en, n, us, err) < 0 || cb_sync_fd(dir, false, "sync", err) < 0)
		goto out;
	/* over nothing, or over an empty directory */
	while (renameat(up, temp, up, name) < 0)
		if (errno != EINTR) {
			cb_err_sys(err, CB_E_CANTCREAT, errno, "create");
			goto out;
		}
	ret = cb_sync_fd(up, false, "sync", err);
	if (ret < 0)
		undo(up, name, dir, state);
out:
	if (ret < 0)
		undo(up, temp, dir, state);
	if (state >= 0)
		close(state);
	if (dir >= 0)
		close(dir);
	return ret;
}

int cb_log_init(const char *path, const struct cb_log_new *n, struct cb_err *err)
{
	int64_t us = n->now_us ? n->now_us : cb_now_wall_ns() / CB_NS_PER_US;
	struct cb_enrolment en;
	char *copy = strdup(path), *name;
	size_t len = copy ? strlen(copy) : 0;
	int up = -1, ret = -1;

	if (!copy)
		return cb_err_nomem(err);
	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	name = strrchr(copy, '/');
	if (!name)
		up = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else if (name == copy)
		up = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	else {
		*name = '\0';
		up = open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	name = name ? name + 1 : copy;
	if (up < 0) {
		cb_err_sys(err, cb_errc_open(errno), errno, "open");
		goto out;
	}
	/* told before a minute of work, and again by the rename */
	if (faccessat(up, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0 && unlinkat(up, name, AT_REMOVEDIR) < 0) {
		cb_err_set(err, CB_E_CANTCREAT, "it is there already");
		goto out;
	}
	if (fill(&en, n, us, err) == 0)
		ret = make_at(up, name, &en, n, us, err);
out:
	if (up >= 0)
		close(up);
	free(copy);
	return ret;
}
