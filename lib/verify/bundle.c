/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles (cb-bundle(5)): the list and who signed it, every file against the list, every clip
 * against its manifest, every manifest against the log. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/stop.h"
#include "store/manifest.h"
#include "store/seal.h"
#include "verify/members.h"
#include "verify/signature.h"
#include "verify/verify.h"
#include "wire/json.h"

#define LIST "SHA256SUMS"
#define LIST_MAX (16u << 20)
#define BLOCK (256u << 10)

struct listed {
	const char *name;		/* in the list's text */
	uint8_t sha256[CB_SHA256_LEN];
	bool seen;
};

struct run {
	const struct cb_verify *v;
	struct cb_verified *r;
	struct cb_members m;
	struct cb_err *err;
	char *text;			/* of the list */
	struct listed *list;
	size_t n;
	uint8_t *buf;
	struct cb_json *json;
	struct cb_trust own;		/* what came with the bundle, believed only where said */
	bool signed_;			/* by enough keys that are believed */
	bool told;			/* that nobody's log key was given */
	int64_t from_ns, to_ns;		/* of all clips */
	char camera[CB_NAME_MAX + 1];	/* of the first manifest */
	char *checkpoint;		/* the file of that name, or NULL */
	size_t checkpoint_len;
	size_t clip_first, clip_last;	/* fragments of the clip read last; 0: none */
	const char *salt;		/* of the clip's pieces, in their order; the recording was encrypted */
	size_t salts;
	struct piece *piece;		/* what is there of each segment */
	size_t pieces;
};

/* Fragments of a segment that are in the bundle. */
struct piece {
	char path[CB_MEMBER_NAME], recording[CB_RECORDING_LEN];
	uint32_t index;
	size_t first, last, n;		/* n: the last that its manifest has */
	int64_t from_ns, to_ns;
};

__attribute__((format(printf, 3, 4)))
static int found(struct run *x, struct cb_finding *f, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return cb_verify_found(x->v, x->r, f, x->err, "%s", text);
}

/* About a file as a whole. */
static int about(struct run *x, enum cb_found kind, const char *code, const char *path, const char *text)
{
	struct cb_finding f = CB_FINDING_NONE;

	f.kind = kind;
	f.code = code;
	f.path = path;
	return found(x, &f, "%s", text);
}

static int hostile(void *ctx, const char *name, int64_t byte, const char *text, struct cb_err *err)
{
	struct run *x = ctx;
	struct cb_finding f = CB_FINDING_NONE;

	(void)err;
	f.kind = CB_FOUND_FALSE;
	f.code = "bundle-hostile";
	f.path = *name ? name : NULL;
	f.byte = byte;
	return found(x, &f, "%s", text);
}

/* A member's text; *ret stays NULL where it cannot be had, which is found. */
static int load(struct run *x, const struct cb_member *f, size_t max, char **ret, size_t *ret_len)
{
	struct cb_err why = CB_ERR_INIT;

	*ret = NULL;
	if (cb_member_load(&x->m, f, max, ret, ret_len, &why) == 0)
		return 0;
	if (why.code != CB_E_DATA && why.code != CB_E_NOINPUT) {
		*x->err = why;
		return -1;
	}
	return about(x, CB_FOUND_FALSE, "file-damaged", f->name, why.msg);
}

/* --- the list ------------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct listed *)a)->name, ((const struct listed *)b)->name);
}

/* "64 hexadecimal digits, two blanks, a name" a line, as sha256sum writes it. */
static int parse_list(struct run *x, size_t len)
{
	struct cb_finding f = CB_FINDING_NONE;
	size_t lines = 0;

	f.kind = CB_FOUND_FALSE;
	f.code = "list-damaged";
	f.path = LIST;
	for (size_t i = 0; i < len; i++)
		lines += x->text[i] == '\n';
	x->list = calloc(lines ? lines : 1, sizeof(*x->list));
	if (!x->list)
		return cb_err_nomem(x->err);
	for (char *p = x->text, *end = p + len, *lf; p < end; p = lf + 1) {
		struct listed *l = &x->list[x->n];

		lf = memchr(p, '\n', (size_t)(end - p));
		f.byte = p - x->text;
		if (!lf || lf - p < 67 || memchr(p, '\0', (size_t)(lf - p)) || p[64] != ' ' || p[65] != ' ' ||
		    strspn(p, "0123456789abcdef") != 64 || !cb_unhex(l->sha256, CB_SHA256_LEN, p)) {
			if (found(x, &f, "line %zu is not a digest and a name", x->n + 1) < 0)
				return -1;
			if (!lf)
				break;
			continue;
		}
		*lf = '\0';
		l->name = p + 66;
		x->n++;
	}
	qsort(x->list, x->n, sizeof(*x->list), by_name);
	for (size_t i = 1; i < x->n; i++)
		if (strcmp(x->list[i].name, x->list[i - 1].name) == 0) {
			f.byte = x->list[i].name - x->text - 66;
			if (found(x, &f, "%s stands in it twice", x->list[i].name) < 0)
				return -1;
		}
	return 0;
}

static struct listed *listed(struct run *x, const char *name)
{
	struct listed key = { .name = name };

	return x->n ? bsearch(&key, x->list, x->n, sizeof(*x->list), by_name) : NULL;
}

/* "SHA256SUMS.minisig", "SHA256SUMS.2.sig": signatures are in no list. */
static bool is_signature(const char *name)
{
	const char *p = name + strlen(LIST);

	if (strncmp(name, LIST ".", strlen(LIST) + 1) != 0)
		return false;
	p++;
	if (*p >= '1' && *p <= '9') {
		p += strspn(p, "0123456789");
		if (*p++ != '.')
			return false;
	}
	return strcmp(p, "minisig") == 0 || strcmp(p, "sig") == 0;
}

static bool under(const char *name, const char *dir, const char *suffix)
{
	size_t n = strlen(name), k = strlen(suffix), d = strlen(dir);

	return n > d + k && strncmp(name, dir, d) == 0 && !strchr(name + d, '/') && strcmp(name + n - k, suffix) == 0;
}

/* Keys that lie in the bundle: to be able to say so. */
static int own_keys(struct run *x)
{
	struct cb_policy *policy = NULL;
	char *text;
	size_t len;

	for (size_t i = 0; i < x->m.n; i++) {
		const struct cb_member *f = &x->m.v[i];
		bool vkey = under(f->name, "keys/", ".vkey"), is_policy = strcmp(f->name, "policy") == 0;

		if (!vkey && !is_policy && !under(f->name, "keys/", ".pub") && strcmp(f->name, "keys/allowed_signers") != 0)
			continue;
		if (load(x, f, CB_TRUST_FILE_MAX, &text, &len) < 0)
			return -1;
		if (!text)
			continue;
		if (vkey)
			cb_trust_add_log_text(&x->own, text, len, NULL);
		else if (!is_policy)
			cb_trust_add_text(&x->own, f->name, text, len, NULL);
		else if (cb_policy_parse(&policy, text, len, NULL) == 0) {
			cb_policy_free(x->own.policy);
			x->own.policy = policy;
			policy = NULL;
		}
		free(text);
	}
	return 0;
}

static int signatures(struct run *x, size_t len)
{
	struct cb_verify_signers s = { .n = 0 };
	struct cb_verify_digests d;
	bool any = false;
	char *text;
	size_t n;
	int k;

	cb_verify_digests(&d, x->text, len);
	for (size_t i = 0; i < x->m.n; i++) {
		const struct cb_member *f = &x->m.v[i];

		if (!is_signature(f->name))
			continue;
		if (load(x, f, CB_VERIFY_SIG_MAX, &text, &n) < 0)
			return -1;
		if (!text)
			continue;
		any = true;
		x->r->files++;
		k = cb_verify_signature(x->v, x->r, f->name, text, n, &d, &x->own, &s, x->err);
		free(text);
		if (k < 0)
			return -1;
	}
	x->signed_ = s.n >= x->v->trust->need;
	return cb_verify_signed(x->v, x->r, LIST, any, &s, x->err);
}

/* --- files --------------------------------------------------------------------------------------- */

/* A clip: the init segment of its manifest and a run of its fragments. */
struct clip {
	const struct cb_manifest *m;
	size_t first;		/* the first of them */
};

/* How many runs of fragments are so long, *ret the last one's first; or, where want is not 0, is the
 * one from there on? Ends rise with beginnings, so one pass over both does it. */
static size_t runs(const struct cb_manifest *m, uint64_t bytes, size_t want, size_t *ret)
{
	size_t end = 1, n = 0;

	for (size_t i = want ? want : 1; i < m->n; i++) {
		uint64_t to = m->frag[i].offset + bytes;

		end = end < i ? i : end;
		while (end < m->n && m->frag[end].offset + m->frag[end].length < to)
			end++;
		if (end < m->n && m->frag[end].offset + m->frag[end].length == to) {
			*ret = i;
			n++;
		}
		if (want)
			break;
	}
	return n;
}

/* Which fragment a clip begins with: the one that its packet table says (byte 28 of a fragment,
 * cb-store(5)) where the length agrees, else the only one that the length allows, else that. */
static int find_first(struct run *x, const struct cb_member *f, const struct cb_manifest *m, size_t *ret)
{
	struct cb_member_reader r;
	struct cb_err why = CB_ERR_INIT;
	uint64_t skip = m->frag[0].length, bytes = f->size - skip;
	size_t only = 0, ways, said = 0;
	uint8_t number[4];

	if (f->size >= skip + 32) {
		if (cb_member_open(&r, &x->m, f, &why) < 0) {
			*x->err = why;
			return -1;
		}
		r.at += skip + 28;
		r.left -= skip + 28;
		if (cb_member_read(&r, number, 4, &why) == 0)
			said = cb_le32(number);
		cb_member_close(&r);
	}
	if (said && said < m->n && runs(m, bytes, said, ret))
		return 0;
	ways = runs(m, bytes, 0, &only);
	*ret = ways == 1 ? only : said && said < m->n ? said : ways ? only : 1;
	return 0;
}

static struct cb_finding at_fragment(const struct run *x, const struct cb_member *f, const struct cb_manifest *m,
				     size_t i, uint64_t byte)
{
	struct cb_finding at = CB_FINDING_NONE;

	(void)x;
	at.kind = CB_FOUND_FALSE;
	at.code = "fragment-changed";
	at.path = f->name;
	at.camera = m->camera;
	at.byte = (int64_t)byte;
	at.fragment = (int64_t)i;
	if (i) {
		at.from_ns = m->frag[i].wall_ns;
		at.to_ns = m->frag[i].wall_to_ns;
	}
	return at;
}

/* Read n bytes of r into both digests. */
static int hash(struct run *x, struct cb_member_reader *r, uint64_t n, struct cb_sha256 *whole, struct cb_sha256 *part)
{
	while (n) {
		size_t k = n < BLOCK ? (size_t)n : BLOCK;

		if (cb_stop_wanted())
			return cb_err_set(x->err, CB_E_TEMP, "stopped");
		if (cb_member_read(r, x->buf, k, x->err) < 0)
			return -1;
		cb_sha256_update(whole, x->buf, k);
		if (part)
			cb_sha256_update(part, x->buf, k);
		x->r->bytes += k;
		n -= k;
	}
	return 0;
}

/* Fragment after fragment; whole hashes all of it. */
static int clip(struct run *x, const struct cb_member *f, const struct cb_manifest *m, struct cb_member_reader *r,
		struct cb_sha256 *whole)
{
	struct cb_finding at;
	struct cb_sha256 h;
	uint8_t sum[CB_SHA256_LEN];
	uint64_t byte = 0;
	size_t i = 0, first = 0;

	if (f->size > m->frag[0].length && find_first(x, f, m, &first) < 0)
		return -1;
	x->clip_first = first;
	x->clip_last = 0;
	cb_sha256_init(&h);
	while (byte < f->size && i < m->n) {
		uint64_t n = m->frag[i].length;
		size_t piece = i ? i - first + 1 : 0;

		/* where there is none, nothing comes out right */
		if (m->frag[i].sealed && piece < x->salts)
			cb_sha256_update(&h, x->salt + piece * CB_SALT_LEN, CB_SALT_LEN);

		if (n > f->size - byte) {
			at = at_fragment(x, f, m, i, f->size);
			at.code = "segment-short";
			return hash(x, r, f->size - byte, whole, NULL) < 0 ? -1 :
			       found(x, &at, "the clip ends in fragment %zu", i);
		}
		if (hash(x, r, n, whole, &h) < 0)
			return -1;
		cb_sha256_final(&h, sum);
		if (memcmp(sum, m->frag[i].sha256, sizeof(sum)) != 0) {
			at = at_fragment(x, f, m, i, byte);
			if (found(x, &at, "%s %zu: not the bytes that were recorded", i ? "fragment" :
				  "init segment, line", i) < 0)
				return -1;
		}
		if (i) {
			x->r->fragments++;
			x->clip_last = i;
			if (x->from_ns == INT64_MIN || m->frag[i].wall_ns < x->from_ns)
				x->from_ns = m->frag[i].wall_ns;
			if (x->to_ns == INT64_MIN || m->frag[i].wall_to_ns > x->to_ns)
				x->to_ns = m->frag[i].wall_to_ns;
		}
		byte += n;
		i = i ? i + 1 : first;
		if (!i)
			break;
	}
	if (byte < f->size) {
		at = at_fragment(x, f, m, 0, byte);
		at.fragment = -1;
		at.code = "segment-longer";
		return hash(x, r, f->size - byte, whole, NULL) < 0 ? -1 :
		       found(x, &at, "the clip goes on behind the last fragment of its manifest");
	}
	if (i <= 1 && first == 0) {
		at = at_fragment(x, f, m, 0, byte);
		at.fragment = -1;
		at.code = "segment-short";
		return found(x, &at, "the clip has no fragment");
	}
	return 0;
}

static int one_file(struct run *x, const struct cb_member *f, const struct cb_manifest *m)
{
	struct listed *l = listed(x, f->name);
	struct cb_member_reader r;
	struct cb_err why = CB_ERR_INIT;
	struct cb_sha256 whole;
	uint8_t sum[CB_SHA256_LEN];
	int k;

	x->r->files++;
	if (!l && about(x, CB_FOUND_FALSE, "file-unlisted", f->name, "it is not in " LIST ", so nobody vouches for it") < 0)
		return -1;
	if (l)
		l->seen = true;
	if (cb_member_open(&r, &x->m, f, &why) < 0) {
		if (why.code != CB_E_DATA && why.code != CB_E_NOINPUT) {
			*x->err = why;
			return -1;
		}
		return about(x, CB_FOUND_FALSE, "file-damaged", f->name, why.msg);
	}
	cb_sha256_init(&whole);
	k = m ? clip(x, f, m, &r, &whole) : hash(x, &r, f->size, &whole, NULL);
	cb_member_close(&r);
	if (k < 0) {
		if (x->err->code != CB_E_DATA)
			return -1;
		why = *x->err;
		*x->err = (struct cb_err)CB_ERR_INIT;
		return about(x, CB_FOUND_FALSE, "file-damaged", f->name, why.msg);
	}
	cb_sha256_final(&whole, sum);
	return l && memcmp(sum, l->sha256, sizeof(sum)) != 0 ?
	       about(x, CB_FOUND_FALSE, "file-changed", f->name, "its digest is not the one in " LIST) : 0;
}

/* --- segments ------------------------------------------------------------------------------------ */

/* Does the entry speak of this manifest? */
static bool speaks_of(struct run *x, const char *entry, size_t n, const struct cb_manifest *m)
{
	char hex[CB_SHA256_HEX], said[CB_SHA256_HEX], camera[CB_NAME_MAX + 1];
	uint32_t t, data;

	cb_hex(hex, m->digest, CB_SHA256_LEN);
	if (cb_json_parse(x->json, entry, n, NULL) < 0 || (t = cb_json_get(x->json, 0, "type")) == CB_JSON_NONE ||
	    (!cb_json_eq(x->json, t, "cb.segment.closed") && !cb_json_eq(x->json, t, "cb.recording.recovered")) ||
	    (data = cb_json_get(x->json, 0, "data")) == CB_JSON_NONE ||
	    (t = cb_json_get(x->json, data, "manifest_sha256")) == CB_JSON_NONE ||
	    cb_json_str(x->json, t, said, sizeof(said)) < 0 || strcmp(hex, said) != 0)
		return false;
	t = cb_json_get(x->json, 0, "subject");
	return t != CB_JSON_NONE && cb_json_str(x->json, t, camera, sizeof(camera)) == 0 &&
	       strcmp(camera, m->camera) == 0;
}

/* Checkpoints that the verifier has kept and that are none. */
static int kept_usable(struct run *x)
{
	struct cb_note *n = malloc(sizeof(*n));
	struct cb_finding f = CB_FINDING_NONE;
	struct cb_err why = CB_ERR_INIT;
	struct cb_checkpoint k;
	int ret = 0;

	if (!n)
		return cb_err_nomem(x->err);
	f.kind = CB_FOUND_UNCHECKED;
	f.code = "older-unusable";
	for (size_t i = 0; i < x->v->n_older && ret == 0; i++)
		if (cb_note_parse(n, x->v->older[i].text, x->v->older[i].len, &why) < 0 ||
		    cb_checkpoint_parse(&k, n->text, n->text_len, &why) < 0)
			ret = found(x, &f, "%s: %s", x->v->older[i].name, why.msg);
	free(n);
	return ret;
}

/* A checkpoint that the verifier has kept: is the proof's the same where they are of one size? */
static int kept(struct run *x, struct cb_finding *f, const struct cb_checkpoint *c)
{
	struct cb_note *n = malloc(sizeof(*n));
	struct cb_checkpoint k;
	int ret = 0;

	if (!n)
		return cb_err_nomem(x->err);
	for (size_t i = 0; i < x->v->n_older && ret == 0; i++) {
		const struct cb_log_older *o = &x->v->older[i];

		if (cb_note_parse(n, o->text, o->len, NULL) < 0 || cb_checkpoint_parse(&k, n->text, n->text_len, NULL) < 0 ||
		    strcmp(k.origin, c->origin) != 0 || k.size != c->size || memcmp(k.root, c->root, CB_HASH_LEN) == 0)
			continue;
		f->kind = CB_FOUND_FALSE;
		f->code = "forked";
		ret = found(x, f, "its proof is of another log than %s, of the same size", o->name);
	}
	free(n);
	return ret;
}

static int proof(struct run *x, const struct cb_manifest *m, const char *manifest, const char *base)
{
	const struct cb_policy *policy = x->v->trust->policy ? x->v->trust->policy : x->own.policy;
	struct cb_tlog_proof *p = malloc(sizeof(*p));
	struct cb_finding f = CB_FINDING_NONE;
	struct cb_err why = CB_ERR_INIT;
	struct cb_policy_view view;
	const struct cb_member *fe, *fp;
	char *entry = NULL, *text = NULL, name_e[2 * CB_MEMBER_NAME], name_p[2 * CB_MEMBER_NAME];
	uint8_t leaf[CB_HASH_LEN];
	size_t n = 0, len = 0;
	int ret = -1;

	if (!p) {
		cb_err_nomem(x->err);
		goto out;
	}
	snprintf(name_e, sizeof(name_e), "proofs/%s.entry", base);
	snprintf(name_p, sizeof(name_p), "proofs/%s.tlog-proof", base);
	fe = cb_members_find(&x->m, name_e);
	fp = cb_members_find(&x->m, name_p);
	f.camera = m->camera;
	f.from_ns = m->end.from_ns;
	f.to_ns = m->end.to_ns;
	f.path = name_p;
	if (!fe || !fp) {
		/* a signature that is believed is worth something, too, where nobody asks for a log */
		f.kind = x->signed_ && !x->v->trust->policy ? CB_FOUND_NOTE : CB_FOUND_UNCHECKED;
		f.path = manifest;
		f.code = "segment-unproved";
		ret = found(x, &f, "no log's proof came with this segment: who recorded it, and when, is not shown");
		goto out;
	}
	if (load(x, fe, CB_LOG_ENTRY_MAX + 1, &entry, &n) < 0 || load(x, fp, CB_TLOG_PROOF_MAX, &text, &len) < 0)
		goto out;
	if (!entry || !text) {
		ret = 0;
		goto out;
	}
	f.kind = CB_FOUND_FALSE;
	f.code = "proof-false";
	n -= n && entry[n - 1] == '\n';
	if (!speaks_of(x, entry, n, m)) {
		f.path = name_e;
		ret = found(x, &f, "it does not speak of this segment's manifest");
		goto out;
	}
	if (cb_tlog_proof_parse(p, text, len, &why) < 0) {
		ret = found(x, &f, "%s", why.msg);
		goto out;
	}
	f.entry = p->index;
	f.entry_end = p->index + 1;
	if (x->checkpoint && (p->checkpoint_len != x->checkpoint_len ||
			      memcmp(p->checkpoint, x->checkpoint, x->checkpoint_len) != 0) &&
	    found(x, &f, "its checkpoint is not the one in the file checkpoint") < 0)
		goto out;
	cb_merkle_leaf(leaf, entry, n);
	if (!policy) {
		f.kind = CB_FOUND_UNCHECKED;
		f.code = "nobody-trusted";
		ret = x->told ? 0 : found(x, &f, "no key was given that says who may sign the log");
		x->told = true;
		goto out;
	}
	if (cb_tlog_proof_verify(p, policy, leaf, &view, &why) < 0) {
		if (why.code != CB_E_NO && why.code != CB_E_DATA) {
			*x->err = why;
			goto out;
		}
		f.kind = why.code == CB_E_NO ? CB_FOUND_FALSE : CB_FOUND_UNCHECKED;
		ret = found(x, &f, "%s", why.msg);
		goto out;
	}
	if (kept(x, &f, &view.c) < 0)
		goto out;
	if (x->v->forward_secure) {
		f.kind = CB_FOUND_UNCHECKED;
		f.code = "epoch-unchecked";
		if (found(x, &f, "a proof has not the epoch's key: that is checked of the log itself") < 0)
			goto out;
	}
	x->r->logged++;
	x->r->entries++;
	cb_verify_view(x->r, &view);
	ret = 0;
	if (!x->v->trust->policy && !x->told) {
		x->told = true;
		f = (struct cb_finding)CB_FINDING_NONE;
		f.kind = x->signed_ ? CB_FOUND_NOTE : CB_FOUND_UNCHECKED;
		f.code = "log-by-own-key";
		ret = found(x, &f, x->signed_ ? "no log's key was given; the proofs hold by the one that came with the bundle, "
			    "which whoever signed the bundle vouches for" : "no log's key was given; the proofs hold by "
			    "one that came with the bundle, and anybody could have put it there");
	}
out:
	free(p);
	free(entry);
	free(text);
	return ret;
}

static int add_piece(struct run *x, const struct cb_member *f, const struct cb_manifest *m)
{
	struct piece *p = x->piece;

	if ((x->pieces & (x->pieces - 1)) == 0) {
		p = realloc(p, (x->pieces ? 2 * x->pieces : 1) * sizeof(*p));
		if (!p)
			return cb_err_nomem(x->err);
		x->piece = p;
	}
	p += x->pieces++;
	*p = (struct piece){ .index = m->index, .first = x->clip_first, .last = x->clip_last, .n = m->n - 1,
			     .from_ns = m->frag[x->clip_first].wall_ns, .to_ns = m->frag[x->clip_last].wall_to_ns };
	snprintf(p->path, sizeof(p->path), "%s", f->name);
	strcpy(p->recording, m->recording);
	return 0;
}

/* The salts of a clip whose recording was encrypted; *ret stays NULL where there are none, which is
 * found. From there on the manifest speaks of what was encrypted. */
static int salts(struct run *x, struct cb_manifest *m, const char *base, char **ret)
{
	char name[2 * CB_MEMBER_NAME];
	const struct cb_member *f;
	size_t len = 0;

	*ret = NULL;
	snprintf(name, sizeof(name), "salts/%s.salts", base);
	f = cb_members_find(&x->m, name);
	if (!f)
		return about(x, CB_FOUND_FALSE, "file-missing", name, "the recording was encrypted, and without its salts "
			     "nothing ties the clip to the manifest");
	if (load(x, f, CB_MANIFEST_MAX, ret, &len) < 0)
		return -1;
	x->salt = *ret;
	x->salts = len / CB_SALT_LEN;
	cb_manifest_reveal(m);
	return 0;
}

/* A manifest, its clip, its proof. base: "075442-0123456789ab". */
static int segment(struct run *x, const struct cb_member *f, const char *base)
{
	char name[2 * CB_MEMBER_NAME], *text, *salt = NULL;
	const struct cb_member *c;
	struct cb_finding at = CB_FINDING_NONE;
	struct cb_err why = CB_ERR_INIT;
	struct cb_manifest m = { 0 };
	size_t len;
	int ret = -1;

	if (load(x, f, CB_MANIFEST_MAX, &text, &len) < 0)
		return -1;
	if (!text)
		return 0;
	x->r->segments++;
	snprintf(name, sizeof(name), "clip/%s.mp4", base);
	c = cb_members_find(&x->m, name);
	at.kind = CB_FOUND_FALSE;
	at.code = "manifest-changed";
	at.path = f->name;
	if (cb_manifest_parse(&m, text, len, &why) < 0 || !m.n) {
		at.byte = (int64_t)m.good;
		if (found(x, &at, "%s", why.code ? why.msg : "it has no lines") < 0)
			goto out;
	} else if (m.ended && (!m.digest_ok || m.good != len)) {
		at.byte = m.digest_ok ? (int64_t)m.good : -1;
		if (found(x, &at, m.digest_ok ? "it goes on behind its digest" : "its digest is not that of its lines") < 0)
			goto out;
	} else if (strcmp(m.id, base + (strlen(base) > 7 ? 7 : 0)) != 0) {
		at.code = "manifest-misplaced";
		if (found(x, &at, "it is the manifest of segment %s", m.id) < 0)
			goto out;
	} else if (!m.ended) {
		at.kind = CB_FOUND_UNCHECKED;
		at.code = "segment-open";
		if (found(x, &at, "the segment was still being recorded: nothing vouches for its manifest yet") < 0)
			goto out;
	} else if (proof(x, &m, f->name, base) < 0) {
		goto out;
	}
	if (m.sealed && c && salts(x, &m, base, &salt) < 0)
		goto out;
	x->clip_last = 0;
	if (!c)
		ret = about(x, CB_FOUND_FALSE, "file-missing", name, "the clip of this manifest is missing");
	else
		ret = one_file(x, c, m.n && (!m.sealed || salt) ? &m : NULL);
	if (ret == 0 && c && m.n && x->clip_last)
		ret = add_piece(x, c, &m);
	if (m.n && !*x->camera)
		strcpy(x->camera, m.camera);
	x->r->open += !m.ended;
out:
	x->salts = 0;
	free(salt);
	cb_manifest_release(&m);
	free(text);
	return ret;
}

/* "manifests/075442-0123456789ab.manifest": the middle of it. */
static bool base_of(char out[static CB_MEMBER_NAME], const char *name, const char *dir, const char *suffix)
{
	if (!under(name, dir, suffix))
		return false;
	snprintf(out, CB_MEMBER_NAME, "%.*s", (int)(strlen(name) - strlen(dir) - strlen(suffix)), name + strlen(dir));
	return true;
}

/* --- what the bundle says of itself ---------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
	const struct piece *p = a, *q = b;
	int k = strcmp(p->recording, q->recording);

	return k ? k : (p->index > q->index) - (p->index < q->index);
}

static int64_t us_of(int64_t ns)
{
	return ns / 1000 - (ns % 1000 < 0);
}

/* Does a line of gaps.ndjson say that there is no footage from here to there? */
static bool said_gap(struct run *x, const char *gaps, size_t len, int64_t from_ns, int64_t to_ns)
{
	int64_t from, to;

	for (const char *p = gaps, *end = gaps + len, *lf; p < end; p = lf + 1) {
		uint32_t a, b;

		lf = memchr(p, '\n', (size_t)(end - p));
		lf = lf ? lf : end;
		if (cb_json_parse(x->json, p, (size_t)(lf - p), NULL) == 0 &&
		    (a = cb_json_get(x->json, 0, "from_us")) != CB_JSON_NONE &&
		    (b = cb_json_get(x->json, 0, "to_us")) != CB_JSON_NONE && cb_json_i64(x->json, a, &from) &&
		    cb_json_i64(x->json, b, &to) && from <= us_of(from_ns) + 1 && to >= us_of(to_ns) - 1)
			return true;
	}
	return false;
}

/* Between two clips of one recording nothing may be missing that gaps.ndjson does not own up to:
 * segments are numbered, and their manifests say how many fragments there were. */
static int whole(struct run *x)
{
	const struct cb_member *f = cb_members_find(&x->m, "gaps.ndjson");
	char *gaps = NULL;
	size_t len = 0;
	int ret = 0;

	if (x->pieces < 2)
		return 0;
	if (f && load(x, f, 64u << 20, &gaps, &len) < 0)
		return -1;
	qsort(x->piece, x->pieces, sizeof(*x->piece), by_place);
	for (size_t i = 1; i < x->pieces && ret == 0; i++) {
		const struct piece *a = &x->piece[i - 1], *b = &x->piece[i];
		struct cb_finding at = CB_FINDING_NONE;
		bool said;

		if (strcmp(a->recording, b->recording) != 0 || !*a->recording || a->to_ns >= b->from_ns ||
		    (b->index == a->index + 1 && a->last == a->n && b->first == 1))
			continue;
		said = gaps && said_gap(x, gaps, len, a->to_ns, b->from_ns);
		at.kind = said ? CB_FOUND_NOTE : CB_FOUND_FALSE;
		at.code = b->index > a->index + 1 ? "segment-missing" : "segment-short";
		at.path = b->path;
		at.camera = x->camera;
		at.from_ns = a->to_ns;
		at.to_ns = b->from_ns;
		ret = found(x, &at, "footage of this time was recorded and is not in the bundle%s", said ? ", which says so" :
			    ": between this clip and the one before it");
	}
	free(gaps);
	return ret;
}

/* Does the case say of the clips what they are? It can be too large for a look, and is then held to
 * the list alone. */
static int case_file(struct run *x)
{
	const struct cb_member *f = cb_members_find(&x->m, "case.json");
	static const char *const key[] = { "from_us", "to_us" };
	struct cb_finding at = CB_FINDING_NONE;
	struct cb_err why = CB_ERR_INIT;
	char camera[CB_NAME_MAX + 1], *text;
	int64_t us = 0;
	uint32_t t, given;
	size_t len;
	int ret = 0;

	if (!x->r->segments)
		return about(x, CB_FOUND_FALSE, "file-missing", "manifests", "there is no footage in the bundle");
	if (!f)
		return about(x, CB_FOUND_FALSE, "file-missing", "case.json", "the bundle has no case.json");
	if (x->from_ns == INT64_MIN)
		return 0;
	if (load(x, f, 64u << 20, &text, &len) < 0)
		return -1;
	if (!text)
		return 0;
	at.path = f->name;
	at.kind = CB_FOUND_FALSE;
	at.code = "case-false";
	while (len && text[len - 1] == '\n')
		len--;
	if (cb_json_parse(x->json, text, len, &why) < 0) {
		if (x->json->n < CB_JSON_TOKENS - 1)
			ret = found(x, &at, "it is not JSON: %s", why.msg);
		goto out;
	}
	if (x->json->tok[0].type != CB_JSON_OBJECT) {
		ret = found(x, &at, "it is not an object");
		goto out;
	}
	t = cb_json_get(x->json, 0, "camera");
	if ((t == CB_JSON_NONE || cb_json_str(x->json, t, camera, sizeof(camera)) < 0 || strcmp(camera, x->camera) != 0) &&
	    found(x, &at, "the clips are of camera %s, and it does not say so", x->camera) < 0)
		ret = -1;
	t = cb_json_get(x->json, 0, "segments");
	if (ret == 0 && (t == CB_JSON_NONE || !cb_json_i64(x->json, t, &us) || us != (int64_t)x->r->segments))
		ret = found(x, &at, "%" PRIu64 " segments are there, and it does not say so", x->r->segments);
	given = cb_json_get(x->json, 0, "given");
	for (int i = 0; i < 2 && ret == 0; i++) {
		int64_t is = us_of(i ? x->to_ns : x->from_ns);

		t = given == CB_JSON_NONE ? CB_JSON_NONE : cb_json_get(x->json, given, key[i]);
		if (t == CB_JSON_NONE || !cb_json_i64(x->json, t, &us) || us < is - 1 || us > is + 1)
			ret = found(x, &at, "the clips are not of the time that it gives (%s)", key[i]);
	}
out:
	free(text);
	return ret;
}

static int all_files(struct run *x)
{
	char base[CB_MEMBER_NAME], name[2 * CB_MEMBER_NAME];

	for (size_t i = 0; i < x->m.n; i++) {
		const struct cb_member *f = &x->m.v[i];

		if (strcmp(f->name, LIST) == 0 || is_signature(f->name))
			continue;
		if (base_of(base, f->name, "manifests/", ".manifest")) {
			if (segment(x, f, base) < 0 || one_file(x, f, NULL) < 0)
				return -1;
			continue;
		}
		if (base_of(base, f->name, "clip/", ".mp4")) {
			snprintf(name, sizeof(name), "manifests/%s.manifest", base);
			if (cb_members_find(&x->m, name))	/* read with its manifest */
				continue;
			if (about(x, CB_FOUND_FALSE, "file-missing", name, "the manifest of a clip is missing") < 0)
				return -1;
		}
		if (one_file(x, f, NULL) < 0)
			return -1;
	}
	for (size_t i = 0; i < x->n; i++)
		if (!x->list[i].seen && about(x, CB_FOUND_FALSE, "file-missing", x->list[i].name, "it is in " LIST
					      " and not in the bundle") < 0)
			return -1;
	return whole(x) < 0 ? -1 : case_file(x);
}

int cb_verify_bundle(const struct cb_verify *v, const char *path, struct cb_verified *ret, struct cb_err *err)
{
	struct cb_err own = CB_ERR_INIT;
	struct run x = { .v = v, .r = ret, .err = err ? err : &own, .m.fd = -1, .from_ns = INT64_MIN, .to_ns = INT64_MIN };
	const struct cb_member *list, *f;
	size_t len = 0;
	int k = -1;

	cb_trust_init(&x.own);
	if (cb_members_open(&x.m, path, hostile, &x, err) < 0)
		return -1;
	x.buf = malloc(BLOCK);
	x.json = malloc(sizeof(*x.json));
	if (!x.buf || !x.json) {
		cb_err_nomem(err);
		goto out;
	}
	if (kept_usable(&x) < 0)
		goto out;
	f = cb_members_find(&x.m, "checkpoint");
	if (f && load(&x, f, CB_NOTE_MAX, &x.checkpoint, &x.checkpoint_len) < 0)
		goto out;
	list = cb_members_find(&x.m, LIST);
	if (!list) {
		if (about(&x, CB_FOUND_FALSE, "file-missing", LIST, "the bundle has no " LIST) < 0)
			goto out;
	} else {
		if (own_keys(&x) < 0 || load(&x, list, LIST_MAX, &x.text, &len) < 0)
			goto out;
		ret->files++;
		/* signatures first: reading the list writes into it */
		if (x.text && (signatures(&x, len) < 0 || parse_list(&x, len) < 0))
			goto out;
	}
	k = all_files(&x);
out:
	free(x.buf);
	free(x.json);
	free(x.list);
	free(x.text);
	free(x.checkpoint);
	free(x.piece);
	cb_trust_release(&x.own);
	cb_members_close(&x.m);
	return k;
}
