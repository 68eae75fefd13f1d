/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and policies from files. */
#include "verify/trust.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/num.h"

void cb_trust_init(struct cb_trust *t)
{
	memset(t, 0, sizeof(*t));
	t->need = 1;
}

void cb_trust_release(struct cb_trust *t)
{
	cb_policy_free(t->policy);
	t->policy = NULL;
}

static int add(struct cb_trust *t, const struct cb_trust_key *k, struct cb_err *err)
{
	for (size_t i = 0; i < t->keys; i++)
		if (memcmp(t->key[i].pk, k->pk, 32) == 0 && t->key[i].has_id == k->has_id &&
		    strcmp(t->key[i].namespaces, k->namespaces) == 0)
			return 0;
	if (t->keys == CB_TRUST_KEYS)
		return cb_err_set(err, CB_E_DATA, "more than %d keys", CB_TRUST_KEYS);
	t->key[t->keys++] = *k;
	return 0;
}

int cb_trust_add_text(struct cb_trust *t, const char *name, const char *text, size_t n, struct cb_err *err)
{
	struct cb_trust_key k = { .has_id = false };
	struct cb_err why = CB_ERR_INIT;
	struct cb_minisign_key m;
	struct cb_ssh_key ssh;
	unsigned found = 0;
	int is;

	snprintf(k.name, sizeof(k.name), "%s", name);
	if (cb_minisign_key_parse(&m, text, n, NULL) == 0) {
		memcpy(k.pk, m.pk, sizeof(k.pk));
		memcpy(k.id, m.id, sizeof(k.id));
		k.has_id = true;
		return add(t, &k, err);
	}
	if (n >= 18 && memcmp(text, "untrusted comment:", 18) == 0)
		return cb_err_set(err, CB_E_DATA, "not a public key of minisign");
	for (const char *p = text, *end = text + n, *lf; p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		lf = lf ? lf : end;
		is = cb_ssh_key_parse(&ssh, p, (size_t)(lf - p), &why);
		if (is < 0)
			return cb_err_set(err, CB_E_DATA, "neither a public key of minisign nor of OpenSSH: %s", why.msg);
		if (!is)
			continue;
		memcpy(k.pk, ssh.pk, sizeof(k.pk));
		snprintf(k.namespaces, sizeof(k.namespaces), "%s", ssh.namespaces);
		if (add(t, &k, err) < 0)
			return -1;
		found++;
	}
	return found ? 0 : cb_err_set(err, CB_E_DATA, "no key in it");
}

int cb_trust_add_file(struct cb_trust *t, const char *path, struct cb_err *err)
{
	uint8_t *text = NULL;
	size_t n;
	int ret;

	if (cb_file_read(path, CB_TRUST_FILE_MAX, &text, &n, err) < 0)
		return cb_err_prefix(err, "%s", path);
	ret = cb_trust_add_text(t, path, (char *)text, n, err);
	free(text);
	return ret < 0 ? cb_err_prefix(err, "%s", path) : 0;
}

int cb_trust_add_log_text(struct cb_trust *t, const char *text, size_t n, struct cb_err *err)
{
	struct cb_vkey k;
	unsigned found = 0;

	for (const char *p = text, *end = text + n, *lf; p < end; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		lf = lf ? lf : end;
		if (lf == p || *p == '#')
			continue;
		if (cb_vkey_parse(&k, p, (size_t)(lf - p), err) < 0)
			return -1;
		if (!t->policy && cb_policy_new(&t->policy, err) < 0)
			return -1;
		if (cb_policy_add_log(t->policy, &k, err) < 0)
			return -1;
		found++;
	}
	return found ? 0 : cb_err_set(err, CB_E_DATA, "no verifier key in it");
}

int cb_trust_add_log(struct cb_trust *t, const char *arg, struct cb_err *err)
{
	uint8_t *text = NULL;
	size_t n;
	int ret;

	/* a path has no two '+' with eight hexadecimal digits between them */
	if (strchr(arg, '+') && cb_vkey_parse(&(struct cb_vkey){ 0 }, arg, strlen(arg), NULL) == 0)
		return cb_trust_add_log_text(t, arg, strlen(arg), err);
	if (cb_file_read(arg, CB_TRUST_FILE_MAX, &text, &n, err) < 0)
		return cb_err_prefix(err, "%s", arg);
	ret = cb_trust_add_log_text(t, (char *)text, n, err);
	free(text);
	return ret < 0 ? cb_err_prefix(err, "%s", arg) : 0;
}

int cb_trust_policy(struct cb_trust *t, const char *path, struct cb_err *err)
{
	struct cb_policy *p = NULL;

	if (cb_policy_load(&p, path, err) < 0)
		return -1;
	for (size_t i = 0; t->policy && i < t->policy->logs; i++) {
		if (cb_policy_add_log(p, &t->policy->log[i], err) < 0) {
			cb_policy_free(p);
			return cb_err_prefix(err, "%s", path);
		}
	}
	cb_policy_free(t->policy);
	t->policy = p;
	return 0;
}
