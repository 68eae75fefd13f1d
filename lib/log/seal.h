/* SPDX-License-Identifier: Apache-2.0 */
/* What a log's entries say of its epochs (cb-log(5)): the enrolment, which is entry 0 and binds
 * the public keys of all epochs, and the seals, one an epoch, each by a key that was destroyed
 * before the seal was acknowledged. Reading and verifying alone; no secret is known here.
 *
 * Epoch n lasts from epoch0 + n * epoch_s to epoch0 + (n + 1) * epoch_s, seconds since 1970. Its
 * entries are those between the seal of epoch n - 1 and its own; their recordedtime lies in it.
 * A seal's recordedtime lies at or after its epoch's end. */
#ifndef CB_LOG_SEAL_H
#define CB_LOG_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "log/merkle.h"
#include "log/note.h"
#include "wire/json.h"

#define CB_LOG_EPOCH_S 300
#define CB_LOG_EPOCHS_MAX (1u << 24)
#define CB_SEAL_PATH_MAX 24		/* hashes: epochs are at most 2^24 */

/* What an entry is, by its type. */
enum cb_entry_kind {
	CB_ENTRY_OTHER,			/* somebody's; whatever type */
	CB_ENTRY_ENROLLED,		/* cb.log.enrolled */
	CB_ENTRY_SEAL,			/* cb.log.seal */
	CB_ENTRY_OWN,			/* any other cb.log.*: the log's own words */
};
struct cb_entry {
	const struct cb_json *json;
	int64_t recorded_us;
	enum cb_entry_kind kind;
	uint32_t type, data;		/* tokens or CB_JSON_NONE */
};
/* Parse an entry: a JSON object that begins with "recordedtime", in the one form that the log
 * writes. CB_E_DATA with the reason. */
int cb_entry_parse(struct cb_entry *ret, struct cb_json *j, const void *entry, size_t n,
		   struct cb_err *err);
/* Its recordedtime alone, without parsing the rest: false where it does not begin with one. */
#define CB_RECORDED_LEN 46		/* {"recordedtime":"YYYY-MM-DDThh:mm:ss.ffffffZ", */
bool cb_entry_recorded(const void *entry, size_t n, int64_t *ret_us);
/* Those bytes for a time. */
void cb_entry_put_recorded(char out[static CB_RECORDED_LEN + 1], int64_t us);

struct cb_enrolment {
	struct cb_vkey log;		/* whose name is the origin */
	uint32_t epoch_s, epochs;
	int64_t epoch0;
	uint8_t epoch_root[CB_HASH_LEN];	/* RFC 6962, over the epochs' 32-byte public keys */
	bool org;			/* signed by an organisation's key */
	uint8_t org_key[32], org_sig[64];
	bool follows;			/* a log that goes on after another one: */
	char previous[CB_NOTE_NAME];	/* its origin, */
	uint64_t previous_size;		/* size and root at its end */
	uint8_t previous_root[CB_HASH_LEN];
};
/* Of an entry of kind ENROLLED. CB_E_DATA; where an organisation's signature is there and false,
 * CB_E_NO. */
int cb_enrolment_parse(struct cb_enrolment *ret, const struct cb_entry *e, struct cb_err *err);
/* Append what an organisation's key signs. -1: no memory. */
int cb_enrolment_signed(struct cb_buf *b, const struct cb_enrolment *e);
/* Append the data object of the entry (origin to epoch_root, org, previous). */
void cb_enrolment_put(struct cb_jw *w, const struct cb_enrolment *e);

struct cb_seal {
	uint32_t epoch;
	uint64_t size;			/* the tree before the seal */
	uint8_t root[CB_HASH_LEN];
	uint8_t key[32];		/* the epoch's public key */
	unsigned path_len;		/* its proof in epoch_root */
	uint8_t path[CB_SEAL_PATH_MAX * CB_HASH_LEN];
	uint8_t sig[64];
};
int cb_seal_parse(struct cb_seal *ret, const struct cb_entry *e, struct cb_err *err);
/* Append what the epoch's key signs. -1: no memory. */
int cb_seal_signed(struct cb_buf *b, const struct cb_seal *s, const char *origin);
void cb_seal_put(struct cb_jw *w, const struct cb_seal *s);
/* Is its key the epoch's? Is its signature the key's? CB_E_NO with the reason. Whether size and
 * root are those of the log, and the epochs in order, is the caller's to see. */
int cb_seal_check(const struct cb_seal *s, const struct cb_enrolment *e, struct cb_err *err);

/* The key of the epoch that signed a checkpoint, whose seal is yet to come: the file epoch, lines
 * of "cb-log-epoch/v1", the epoch, its key, then its path as of a seal. Only
 * epoch, key, path_len and path of a seal are used. -1: no memory. */
#define CB_EPOCH_FILE "epoch"
#define CB_EPOCH_FILE_MAX 2048u
int cb_epoch_put(struct cb_buf *b, const struct cb_seal *s);
/* CB_E_DATA: not such a text; CB_E_NO: its key is not the one that was enrolled. */
int cb_epoch_parse(struct cb_seal *ret, const char *text, size_t n, const struct cb_enrolment *e,
		   struct cb_err *err);

#endif
