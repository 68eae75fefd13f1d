/* SPDX-License-Identifier: Apache-2.0 */
/* Paths to fields of an event. */
#include "alert/path.h"

#include <stdlib.h>
#include <string.h>

static const char *index_of(const char **at, int32_t *ret)
{
	const char *s = *at + 1;
	int32_t v = 0;

	if (*s == ']') {
		*ret = CB_PATH_ANY;
		*at = s + 1;
		return NULL;
	}
	if (*s == '0' && s[1] != ']')
		return "an index is a number without leading zeros";
	for (; *s >= '0' && *s <= '9'; s++) {
		if (v > 99999)
			return "an index is at most 999999";
		v = v * 10 + (*s - '0');
	}
	if (*s != ']' || s == *at + 1)
		return "'[' needs a number or nothing, and ']'";
	*ret = v;
	*at = s + 1;
	return NULL;
}

static const char *segments(struct cb_path *p)
{
	const char *s = p->text, *why;
	char *k = p->keys;

	if (!*s || strcmp(s, ".") == 0)
		return NULL;
	for (bool first = true; ; first = false) {
		size_t n = strcspn(s, ".[]");

		if (n) {
			if (p->n == CB_PATH_SEGS)
				return "too many parts";
			memcpy(k, s, n);
			k[n] = '\0';
			p->seg[p->n++] = (struct cb_path_seg){ .key = k };
			k += n + 1;
			s += n;
		} else if (!first || *s != '[') {
			return "an empty part";
		}
		while (*s == '[') {
			if (p->n == CB_PATH_SEGS)
				return "too many parts";
			p->seg[p->n].key = NULL;
			why = index_of(&s, &p->seg[p->n++].index);
			if (why)
				return why;
		}
		if (!*s)
			return NULL;
		if (*s++ != '.')
			return "'.' or '[' expected after ']'";
	}
}

const char *cb_path_parse(struct cb_path *ret, const char *text, size_t len)
{
	struct cb_path p = { 0 };
	const char *why = NULL;

	if (len > CB_PATH_MAX)
		return "too long";
	p.text = strndup(text, len);
	p.keys = malloc(2 * len + 2);
	if (!p.text || !p.keys)
		why = "no memory";
	else
		why = segments(&p);
	if (why)
		cb_path_release(&p);
	else
		*ret = p;
	return why;
}

void cb_path_release(struct cb_path *p)
{
	free(p->text);
	free(p->keys);
	*p = (struct cb_path){ 0 };
}

uint32_t cb_path_find(const struct cb_path *p, const struct cb_json *j, uint32_t t)
{
	for (unsigned i = 0; i < p->n && t != CB_JSON_NONE; i++) {
		const struct cb_path_seg *s = &p->seg[i];
		uint32_t k, want;

		if (s->key) {
			t = cb_json_get(j, t, s->key);
			continue;
		}
		want = s->index == CB_PATH_ANY ? 0 : (uint32_t)s->index;
		if (j->tok[t].type != CB_JSON_ARRAY || want >= j->tok[t].size)
			return CB_JSON_NONE;
		for (k = 0, t++; k < want; k++)
			t = j->tok[t].next;
	}
	return t;
}
