/* SPDX-License-Identifier: Apache-2.0 */
/* A model in one file (X.cbm, cb-model(5)): an uncompressed ustar archive (POSIX.1-2017, pax,
 * "ustar Interchange Format") of exactly these members, in this order:
 *
 *   model.json     what it is: one JSON object
 *   model.cfg      darknet's .cfg
 *   model.names    class names, one a line
 *   model.weights  darknet's .weights, or instead
 *   model.int8     weights in 8 bits, the form of lib/nn/quant.h
 *
 * One model is one sequence of bytes: every field of a header but name, size and checksum is
 * fixed (mode 0644, owner and time 0), two zero blocks end the file, and more zero blocks, up to
 * tar's usual record of 10240 bytes, are read over. So the file's SHA-256 is the model's digest,
 * stock tar takes it apart, and stock tar can make it. Anything else is refused.
 *
 * The reader is total: its bounds are those below, nothing is allocated from a size that the
 * file states, and a file is read once, into memory, so that what is hashed is what is used.
 */
#ifndef CB_NN_PACK_H
#define CB_NN_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define CB_PACK_BYTES_MAX ((size_t)1 << 30)	/* the whole file */
#define CB_PACK_META_MAX (64u << 10)		/* model.json */
#define CB_PACK_CFG_MAX (1u << 20)
#define CB_PACK_NAMES_MAX (1u << 20)
#define CB_PACK_CLASSES_MAX 65536

enum cb_pack_kind { CB_PACK_FLOAT = 1, CB_PACK_INT8 };

struct cb_pack_part {
	const uint8_t *p;
	size_t n;
};

/* All zero is a valid empty one. */
struct cb_pack {
	enum cb_pack_kind kind;
	char isa[32];		/* what it was made for: "any", or as cb_net_isa says it */
	uint32_t names;		/* how many */
	struct cb_pack_part meta, cfg, name_list, body;	/* body: model.weights or model.int8 */
	uint8_t *own[4];	/* what cb_pack_release frees; what the parts point into */
	const uint8_t *file;	/* the whole file, NULL where it comes from none */
	size_t file_bytes;
};

/* Do these bytes, the first of a file, begin an archive? 512 are needed. */
bool cb_pack_is(const uint8_t *p, size_t n);

/* Take n bytes apart; the parts point into them, which must live as long. Errors: CB_E_DATA
 * "member: reason". On failure ret is untouched. */
int cb_pack_parse(struct cb_pack *ret, const uint8_t *file, size_t n, struct cb_err *err);
/* Read path: a whole archive, or, if it is none, at most max bytes of something else, for the
 * caller to make sense of: then ret is left empty but for own[0], file and file_bytes. The
 * path is not in the messages. It may be a pipe. */
int cb_pack_read(struct cb_pack *ret, const char *path, size_t max, struct cb_err *err);
/* Read a model as a whole: one file, or darknet's three as a float pack, model.json made of
 * them; weights and names NULL for the cfg's name with .weights and .names. A model in one file
 * with others beside it is CB_E_USAGE. Errors name the file. What the files hold is not looked
 * at but for the names' number. */
int cb_pack_read_model(struct cb_pack *ret, const char *cfg, const char *weights,
		       const char *names, struct cb_err *err);
void cb_pack_release(struct cb_pack *p);

/* The digest by which a model is known, in hexadecimal: the file's SHA-256; of darknet's three
 * files the SHA-256 of the text that sha256sum prints of them, one after another on its standard
 * input, cfg, weights, names: three lines of a digest and "  -". */
#define CB_PACK_DIGEST 65
void cb_pack_digest(const struct cb_pack *p, char ret[static CB_PACK_DIGEST]);

/* How many names are in the text: lines, but for blanks at the end. */
size_t cb_pack_count_names(const uint8_t *text, size_t n);

/* model.json for a pack's kind, isa and names: source, the SHA-256 (hexadecimal) of the darknet
 * files that it came from; calibration, a JSON object or NULL. */
struct cb_pack_source {
	char cfg[65], weights[65], names[65];
};
int cb_pack_meta(struct cb_buf *out, const struct cb_pack *p, const struct cb_pack_source *source,
		 const char *calibration, struct cb_err *err);
/* What model.json says of that: each "" where it does not say. */
void cb_pack_source_get(const struct cb_pack *p, struct cb_pack_source *ret);

/* Write n bytes in iov-like parts as a new file: temporary file, fsync, rename, fsync of the
 * directory. Without force a file that is there already is CB_E_CANTCREAT. */
int cb_pack_write_file(const char *path, const struct cb_pack_part *part, int n, bool force,
		       struct cb_err *err);
/* Write p as an archive, after the checks that the reader makes. */
int cb_pack_write(const char *path, const struct cb_pack *p, bool force, struct cb_err *err);
/* Write p as path says: X.cfg as darknet's three files X.cfg, X.weights and X.names, byte for
 * byte what is in the parts, the cfg last; anything else as an archive. Errors name the file;
 * of an int8 pack darknet's files are CB_E_DATA. */
int cb_pack_convert(const char *path, const struct cb_pack *p, bool force, struct cb_err *err);

#endif
