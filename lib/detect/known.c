/* SPDX-License-Identifier: Apache-2.0 */
/* The list of models that may be used. */
#include "detect/known.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/num.h"
#include "crypto/hash.h"
#include "crypto/minisign.h"
#include "detect/shipped.h"

struct cb_known {
	char *path;
	size_t n;
	uint8_t (*digest)[CB_SHA256_LEN];
};

/* Is the list signed with the key? */
static int verify(const char *path, const uint8_t *text, size_t len, const char *key, struct cb_err *err)
{
	uint8_t *k = NULL, *s = NULL;
	size_t k_len, s_len;
	char *sig;
	int r = -1;

	if (asprintf(&sig, "%s.minisig", path) < 0)
		return cb_err_nomem(err);
	if (cb_file_read(key, CB_MINISIGN_KEY_MAX, &k, &k_len, err) < 0) {
		cb_err_prefix(err, "%s", key);
	} else if (cb_file_read(sig, CB_MINISIGN_SIG_MAX, &s, &s_len, err) < 0) {
		cb_err_prefix(err, "%s", sig);
	} else {
		r = cb_minisign_verify((char *)k, k_len, (char *)s, s_len, text, len, err);
		if (r < 0)
			cb_err_prefix(err, "%s", path);
	}
	free(sig);
	free(k);
	free(s);
	return r;
}

static int parse(struct cb_known *k, const char *text, size_t len, struct cb_err *err)
{
	size_t line = 0, lines = 1;

	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	k->digest = calloc(lines, sizeof *k->digest);
	if (!k->digest)
		return cb_err_nomem(err);
	for (const char *p = text, *end = text + len, *next; p < end; p = next) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((lf ? lf : end) - p);

		next = lf ? lf + 1 : end;
		line++;
		if (!n || *p == '#')
			continue;
		if (*p == '\\')	/* sha256sum's mark of a name with escapes */
			p++, n--;
		if (n < 67 || p[64] != ' ' || (p[65] != ' ' && p[65] != '*') ||
		    !cb_unhex(k->digest[k->n], CB_SHA256_LEN, p))
			return cb_err_set(err, CB_E_DATA, "%s: line %zu: not a digest and a name", k->path, line);
		k->n++;
	}
	return 0;
}

int cb_known_open(struct cb_known **ret, const char *path, const char *key, struct cb_err *err)
{
	struct cb_known *k = calloc(1, sizeof *k);
	uint8_t *text = NULL;
	size_t len;
	int r = -1;

	if (!k) {
		cb_err_nomem(err);
		goto out;
	}
	if (!path) {
		if (cb_shipped_path(&k->path, CB_SHIPPED_LIST, err) < 0)
			goto out;
	} else if (!(k->path = strdup(path))) {
		cb_err_nomem(err);
		goto out;
	}
	if (cb_file_read(k->path, CB_KNOWN_BYTES_MAX, &text, &len, err) < 0) {
		cb_err_prefix(err, "%s", k->path);
		goto out;
	}
	if ((key && verify(k->path, text, len, key, err) < 0) || parse(k, (char *)text, len, err) < 0)
		goto out;
	*ret = k;
	k = NULL;
	r = 0;
out:
	free(text);
	cb_known_free(k);
	return r;
}

int cb_known_check(const struct cb_known *k, const char *digest, struct cb_err *err)
{
	uint8_t d[CB_SHA256_LEN];

	if (cb_unhex(d, sizeof d, digest))
		for (size_t i = 0; i < k->n; i++)
			if (!memcmp(k->digest[i], d, sizeof d))
				return 0;
	return cb_err_set(err, CB_E_NO, "%s is not listed in %s", digest, k->path);
}

void cb_known_free(struct cb_known *k)
{
	if (!k)
		return;
	free(k->path);
	free(k->digest);
	free(k);
}
