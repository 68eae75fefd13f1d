/* SPDX-License-Identifier: Apache-2.0 */
/* Secret keys made, loaded and retired. */
#include "sign/keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/newfile.h"
#include "crypto/age.h"
#include "crypto/bech32.h"
#include "sign/keylife.h"

/* What comes once the secret file is there: the log's word, then the public file; without either
 * the secret one is taken back. */
static int publish(const struct cb_keygen *g, const char *secret, const char *public, const char *key,
		   const struct cb_buf *text, struct cb_err *err)
{
	g->made(secret, g->encryption, key);
	if ((!g->log || cb_keylife_made(g->log, key, g->pass != NULL, err) == 0) &&
	    cb_newfile_write(public, 0666, false, text->data, text->len, err) == 0)
		return 0;
	unlink(secret);
	return -1;
}

static int make_identity(const struct cb_keygen *g, const char *secret, const char *public, struct cb_err *err)
{
	char recipient[CB_AGE_RECIPIENT_SIZE];
	struct cb_buf text = { 0 };
	int r = -1;

	if (cb_age_ids_generate(secret, g->pass, recipient, err) < 0)
		return -1;
	if (cb_buf_add(&text, recipient, strlen(recipient)) < 0 || cb_buf_byte(&text, '\n') < 0) {
		cb_err_nomem(err);
		unlink(secret);
	} else {
		r = publish(g, secret, public, recipient, &text, err);
	}
	cb_buf_release(&text);
	return r;
}

static int make_signer(const struct cb_keygen *g, const char *secret, const char *public, struct cb_err *err)
{
	char id[CB_MINISIGN_ID_HEX];
	struct cb_buf text = { 0 };
	struct cb_minisign_key pub;
	struct cb_seckey *k = NULL;
	int r = -1;

	if (cb_seckey_generate(&k, err) < 0)
		return -1;
	cb_seckey_minisign(k, &pub);
	cb_minisign_id_text(id, pub.id);
	if (cb_minisign_key_text(&pub, &text, err) == 0 && cb_seckey_save(k, secret, g->pass, err) == 0)
		r = publish(g, secret, public, id, &text, err);
	cb_seckey_free(k);
	cb_buf_release(&text);
	return r;
}

int cb_keygen(const struct cb_keygen *g, struct cb_err *err)
{
	char *secret = NULL, *public = NULL;
	int r = -1;

	if (asprintf(&secret, "%s.key", g->name) < 0) {
		secret = NULL;
		cb_err_nomem(err);
	} else if (asprintf(&public, "%s.pub", g->name) < 0) {
		public = NULL;
		cb_err_nomem(err);
	} else if (!access(public, F_OK)) {
		/* nobody is to type a passphrase for nothing */
		cb_err_sys(err, CB_E_CANTCREAT, EEXIST, "%s", public);
	} else {
		r = (g->encryption ? make_identity : make_signer)(g, secret, public, err);
	}
	free(secret);
	free(public);
	return r;
}

int cb_keys_load(struct cb_keys *k, const char *path, const struct cb_pass *pass,
		 void (*exposed)(const char *path), struct cb_err *err)
{
	struct cb_seckey **more = reallocarray(k->key, k->n + 1, sizeof(*more));

	if (!more)
		return cb_err_nomem(err);
	k->key = more;
	if (cb_seckey_load(&k->key[k->n], path, pass, err) < 0)
		return -1;
	if (cb_seckey_exposed(k->key[k->n++]))
		exposed(path);
	return 0;
}

void cb_keys_release(struct cb_keys *k)
{
	for (size_t i = 0; i < k->n; i++)
		cb_seckey_free(k->key[i]);
	free(k->key);
	*k = (struct cb_keys){ 0 };
}

int cb_keys_retire(struct cb_log *log, const char *path, const char *reason, struct cb_err *err)
{
	char id[CB_MINISIGN_ID_HEX], recipient[CB_AGE_RECIPIENT_SIZE];
	struct cb_err why = CB_ERR_INIT;
	struct cb_age_to to = { 0 };
	struct cb_minisign_key k;
	int r = 0;

	if (cb_minisign_key_load(&k, path, &why) == 0) {
		cb_minisign_id_text(id, k.id);
		return cb_keylife_retired(log, id, reason, err);
	}
	if (why.code != CB_E_DATA || cb_age_to_file(&to, path, NULL) < 0) {
		if (err)
			*err = why;
		r = -1;
	}
	for (size_t i = 0; r == 0 && i < to.n; i++) {
		cb_bech32(recipient, "age", to.key[i], 32, false);
		r = cb_keylife_retired(log, recipient, reason, err);
	}
	cb_age_to_release(&to);
	return r;
}
