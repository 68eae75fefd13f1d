/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs and policies, read strictly. */
#include "log/proof.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/num.h"
#include "crypto/base64.h"

#define MAGIC "c2sp.org/tlog-proof@v1"

struct text {
	const char *p;
	size_t n;
};

/* The next line, which must end in LF. */
static bool line(struct text *t, struct text *ret)
{
	const char *lf = t->n ? memchr(t->p, '\n', t->n) : NULL;

	if (!lf)
		return false;
	*ret = (struct text){ t->p, (size_t)(lf - t->p) };
	t->n -= ret->n + 1;
	t->p = lf + 1;
	return true;
}

/* Does it begin with prefix? Then take that off. */
static bool after(struct text *t, const char *prefix)
{
	size_t n = strlen(prefix);

	if (t->n < n || memcmp(t->p, prefix, n) != 0)
		return false;
	t->p += n;
	t->n -= n;
	return true;
}

static bool same(const struct text *t, const char *s)
{
	return t->n == strlen(s) && memcmp(t->p, s, t->n) == 0;
}

/* --- the proof --------------------------------------------------------------------------------- */

static const char *parse_proof(struct cb_tlog_proof *r, struct text t)
{
	struct text l, was;
	struct cb_buf b = { 0 };
	size_t len;
	bool good;

	if (!line(&t, &l) || !same(&l, MAGIC))
		return "its first line is not " MAGIC;
	if (!line(&t, &l))
		return "it has no index";
	was = l;
	if (after(&l, "extra ")) {
		good = cb_buf_reserve(&b, l.n) == 0 && cb_base64_decode(b.data, l.n, l.p, l.n, &len);
		cb_buf_release(&b);
		if (l.n && !good)
			return "its extra data is not base64";
		r->extra = l.p;
		r->extra_len = l.n;
		if (!line(&t, &was))
			return "it has no index";
	}
	l = was;
	if (!after(&l, "index ") || !cb_size_text(&r->index, l.p, l.n))
		return "it has no index";
	for (;;) {
		if (!line(&t, &l))
			return "it ends before its checkpoint";
		if (!l.n)
			break;
		if (r->n == CB_PROOF_MAX)
			return "it has too many hashes";
		if (!cb_hash_base64(r->path + r->n * CB_HASH_LEN, l.p, l.n))
			return "a line of it is not a hash";
		r->n++;
	}
	if (!t.n)
		return "it has no checkpoint";
	r->checkpoint = t.p;
	r->checkpoint_len = t.n;
	return NULL;
}

int cb_tlog_proof_parse(struct cb_tlog_proof *ret, const char *text, size_t n, struct cb_err *err)
{
	const char *why;

	ret->n = 0;
	ret->extra = ret->checkpoint = NULL;
	ret->extra_len = ret->checkpoint_len = 0;
	why = n > CB_TLOG_PROOF_MAX ? "it is too large" : parse_proof(ret, (struct text){ text, n });
	return why ? cb_err_set(err, CB_E_DATA, "not a proof: %s", why) : 0;
}

int cb_tlog_proof_put(struct cb_buf *b, uint64_t index, const uint8_t *path, size_t n,
		      const char *checkpoint, size_t len)
{
	if (cb_buf_printf(b, MAGIC "\nindex %" PRIu64 "\n", index) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (cb_base64_put(b, path + i * CB_HASH_LEN, CB_HASH_LEN) < 0 || cb_buf_byte(b, '\n') < 0)
			return -1;
	return cb_buf_byte(b, '\n') < 0 ? -1 : cb_buf_add(b, checkpoint, len);
}

/* --- the policy -------------------------------------------------------------------------------- */

int cb_policy_load(struct cb_policy **ret, const char *path, struct cb_err *err)
{
	uint8_t *text = NULL;
	size_t n;
	int k = -1;

	if (cb_file_read(path, CB_POLICY_MAX, &text, &n, err) == 0)
		k = cb_policy_parse(ret, (const char *)text, n, err);
	free(text);
	return k < 0 ? cb_err_prefix(err, "%s", path) : 0;
}

int cb_policy_new(struct cb_policy **ret, struct cb_err *err)
{
	struct cb_policy *p = calloc(1, sizeof(*p));

	if (!p)
		return cb_err_nomem(err);
	p->quorum = -1;
	*ret = p;
	return 0;
}

void cb_policy_free(struct cb_policy *p)
{
	free(p);
}

static const char *add_log(struct cb_policy *p, const struct cb_vkey *k)
{
	if (k->known && k->type != CB_KEY_ED25519)
		return "the key of a witness, not of a log";
	for (size_t i = 0; i < p->logs; i++)
		if (p->log[i].known && k->known ? memcmp(p->log[i].key, k->key, sizeof(k->key)) == 0 :
		    p->log[i].id == k->id && strcmp(p->log[i].name, k->name) == 0)
			return "the key of a log that is there already";
	if (p->logs == CB_POLICY_LOGS)
		return "too many logs";
	p->log[p->logs++] = *k;
	return NULL;
}

int cb_policy_add_log(struct cb_policy *p, const struct cb_vkey *k, struct cb_err *err)
{
	const char *why = add_log(p, k);

	return why ? cb_err_set(err, CB_E_DATA, "%s", why) : 0;
}

/* The next word of a line; empty at its end. */
static struct text word(struct text *l)
{
	struct text w;

	while (l->n && (*l->p == ' ' || *l->p == '\t')) {
		l->p++;
		l->n--;
	}
	w = (struct text){ l->p, 0 };
	while (l->n && *l->p != ' ' && *l->p != '\t') {
		l->p++;
		l->n--;
		w.n++;
	}
	return w;
}

static int find(const struct cb_policy *p, const struct text *name)
{
	for (size_t i = 0; i < p->nodes; i++)
		if (same(name, p->node[i].name))
			return (int)i;
	return -1;
}

/* A new witness or group. */
static const char *add_node(struct cb_policy *p, const struct text *name, struct cb_policy_node **ret)
{
	if (!name->n || name->n >= CB_NOTE_NAME)
		return "no name, or one too long";
	if (same(name, "none") || find(p, name) >= 0)
		return "a name that is taken";
	if (p->nodes == CB_POLICY_NODES)
		return "too many witnesses and groups";
	*ret = &p->node[p->nodes++];
	memcpy((*ret)->name, name->p, name->n);
	(*ret)->group = -1;
	return NULL;
}

static const char *parse_witness(struct cb_policy *p, struct text l)
{
	struct text name = word(&l), key = word(&l);
	struct cb_policy_node *n;
	const char *why = add_node(p, &name, &n);

	if (why)
		return why;
	if (cb_vkey_parse(&n->key, key.p, key.n, NULL) < 0)
		return "not a verifier key";
	if (n->key.known && n->key.type != CB_KEY_COSIGNATURE)
		return "the key of a log, not of a witness";
	for (size_t i = 0; i + 1 < p->nodes; i++)
		if (!p->node[i].k && (p->node[i].key.known && n->key.known ?
		    memcmp(p->node[i].key.key, n->key.key, sizeof(n->key.key)) == 0 :
		    p->node[i].key.id == n->key.id && strcmp(p->node[i].key.name, n->key.name) == 0))
			return "the key of a witness that is there already";
	word(&l);	/* where it is to be reached */
	return word(&l).n ? "more words than a line has" : NULL;
}

static const char *parse_group(struct cb_policy *p, struct text l)
{
	struct text name = word(&l), much = word(&l), w;
	struct cb_policy_node *g;
	const char *why;
	uint64_t k = 0;
	int i, me;

	if (!same(&much, "any") && !same(&much, "all") &&
	    (!cb_size_text(&k, much.p, much.n) || !k || k > CB_POLICY_NODES))
		return "a group needs a number, any or all";
	me = (int)p->nodes;
	why = add_node(p, &name, &g);
	if (why)
		return why;
	while (w = word(&l), w.n) {
		i = find(p, &w);
		if (i < 0 || i == me)
			return "a member that no line before names";
		if (p->node[i].group >= 0)
			return "a member that is one already";
		p->node[i].group = me;
		g->members++;
	}
	g->k = same(&much, "any") ? 1 : same(&much, "all") ? g->members : (unsigned)k;
	if (!g->members)
		return "a group without members";
	return g->k > g->members ? "a group that takes more members than it has" : NULL;
}

static const char *parse_line(struct cb_policy *p, struct text l, bool *quorum)
{
	struct text verb = word(&l), w;
	struct cb_vkey k;

	if (!verb.n || *verb.p == '#')
		return NULL;
	if (same(&verb, "witness"))
		return parse_witness(p, l);
	if (same(&verb, "group"))
		return parse_group(p, l);
	w = word(&l);
	if (same(&verb, "log")) {
		word(&l);
		return cb_vkey_parse(&k, w.p, w.n, NULL) < 0 ? "not a verifier key" :
		       word(&l).n ? "more words than a line has" : add_log(p, &k);
	}
	if (!same(&verb, "quorum"))
		return "neither log, witness, group nor quorum";
	if (*quorum)
		return "a second quorum";
	*quorum = true;
	p->quorum = find(p, &w);
	if (p->quorum < 0 && !same(&w, "none"))
		return "a quorum that no line before names";
	return word(&l).n ? "more words than a line has" : NULL;
}

int cb_policy_parse(struct cb_policy **ret, const char *text, size_t n, struct cb_err *err)
{
	struct text t = { text, n }, l;
	struct cb_policy *p = NULL;
	bool quorum = false;
	const char *why = NULL;
	unsigned at = 0;

	if (n > CB_POLICY_MAX)
		return cb_err_set(err, CB_E_DATA, "too large for a policy");
	if (cb_policy_new(&p, err) < 0)
		return -1;
	while (!why && t.n) {
		at++;
		if (!line(&t, &l)) {
			why = "it does not end in a line feed";
			break;
		}
		for (size_t i = 0; i < l.n && !why; i++)
			if (((uint8_t)l.p[i] < ' ' && l.p[i] != '\t') || l.p[i] == 127)
				why = "a control character";
		if (!why)
			why = parse_line(p, l, &quorum);
	}
	if (why || !quorum) {
		free(p);
		return why ? cb_err_set(err, CB_E_DATA, "line %u: %s", at, why) :
		       cb_err_set(err, CB_E_DATA, "it has no quorum line");
	}
	*ret = p;
	return 0;
}

/* How many of node i's members (or itself) have cosigned, for sure and at best. */
struct votes { unsigned sure, best; };

int cb_policy_apply(const struct cb_policy *p, const struct cb_note *n, struct cb_policy_view *ret,
		    struct cb_err *err)
{
	struct votes v[CB_POLICY_NODES] = { 0 };
	const char *kind_unknown = NULL;
	uint64_t time;

	*ret = (struct cb_policy_view){ 0 };
	if (cb_checkpoint_parse(&ret->c, n->text, n->text_len, err) < 0)
		return -1;
	for (size_t i = 0; i < p->logs; i++) {
		const struct cb_vkey *k = &p->log[i];

		if (strcmp(k->name, ret->c.origin) != 0)
			continue;
		switch (cb_note_signed(n, k, NULL)) {
		case CB_SIGNED_TRUE:
			ret->log = k;
			break;
		case CB_SIGNED_FALSE:
			return cb_err_set(err, CB_E_NO, "the checkpoint's signature by the log %s is false",
					  k->name);
		case CB_SIGNED_UNKNOWN:
			kind_unknown = k->name;
			break;
		case CB_SIGNED_NOT:
			break;
		}
	}
	if (!ret->log)
		return kind_unknown ?
		       cb_err_set(err, CB_E_DATA, "the signature by %s is of a kind that is not known here",
				  kind_unknown) :
		       cb_err_set(err, CB_E_NO, "the checkpoint is not signed by a log that is trusted");
	for (size_t i = 0; i < p->nodes; i++) {
		const struct cb_policy_node *w = &p->node[i];
		unsigned need = w->k ? w->k : 1;

		switch (w->k ? CB_SIGNED_NOT : cb_note_signed(n, &w->key, &time)) {
		case CB_SIGNED_TRUE:
			v[i] = (struct votes){ 1, 1 };
			ret->witnesses++;
			ret->from = !ret->from || time < ret->from ? time : ret->from;
			ret->to = time > ret->to ? time : ret->to;
			break;
		case CB_SIGNED_FALSE:
			return cb_err_set(err, CB_E_NO, "the checkpoint's cosignature by the witness %s is "
					  "false", w->key.name);
		case CB_SIGNED_UNKNOWN:
			v[i].best = 1;
			break;
		case CB_SIGNED_NOT:
			break;
		}
		if (w->group >= 0) {
			v[w->group].sure += v[i].sure >= need;
			v[w->group].best += v[i].best >= need;
		}
	}
	if (p->quorum >= 0) {
		const struct cb_policy_node *q = &p->node[p->quorum];
		unsigned need = q->k ? q->k : 1;

		if (v[p->quorum].best < need)
			return cb_err_set(err, CB_E_NO, "too few witnesses cosigned the checkpoint (%u in all)",
					  ret->witnesses);
		if (v[p->quorum].sure < need)
			return cb_err_set(err, CB_E_DATA, "a cosignature that the quorum needs is of a kind "
					  "that is not known here");
	}
	return 0;
}

int cb_tlog_proof_verify(const struct cb_tlog_proof *proof, const struct cb_policy *p,
			 const uint8_t leaf[static CB_HASH_LEN], struct cb_policy_view *ret,
			 struct cb_err *err)
{
	struct cb_note *n = malloc(sizeof(*n));
	int k = -1;

	*ret = (struct cb_policy_view){ 0 };
	if (!n)
		return cb_err_nomem(err);
	if (cb_note_parse(n, proof->checkpoint, proof->checkpoint_len, err) == 0 &&
	    cb_policy_apply(p, n, ret, err) == 0)
		k = cb_merkle_included(proof->index, ret->c.size, leaf, proof->path, proof->n,
				       ret->c.root) ? 0 :
		    cb_err_set(err, CB_E_NO, "entry %" PRIu64 " is not in the tree of the checkpoint "
			       "(size %" PRIu64 ")", proof->index, ret->c.size);
	free(n);
	return k;
}
