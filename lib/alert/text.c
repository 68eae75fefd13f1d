/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling texts with fields in them. */
#include <stdlib.h>
#include <string.h>

#include "alert/compile.h"

int cb_compile_field(struct cb_compile *b, const struct cb_conf_node *at, const char *text, size_t len,
		 struct cb_field *f)
{
	const char *any = memmem(text, len, "[]", 2), *rest = text + len, *why;

	f->element = any != NULL;
	if (any) {
		rest = any + 2;
		if (rest < text + len && *rest == '.')
			rest++;
	}
	if (len == 0)
		return cb_conf_fail(b->c, at, b->err, "an empty field");
	if (cb_compile_slot(b, at, CB_SLOT_ROOT, text, any ? (size_t)(any - text) : len, &f->slot) < 0)
		return -1;
	why = cb_path_parse(&f->rest, rest, (size_t)(text + len - rest));
	if (why)
		return cb_conf_fail(b->c, at, b->err, "path '%.*s': %s", (int)(len < 100 ? len : 100), text,
				    why);
	return 0;
}

static struct cb_part *add_part(struct cb_compile *b, struct cb_template *t, enum cb_part_kind kind)
{
	struct cb_part *p = reallocarray(t->part, t->n + 1, sizeof(*p));

	if (!p) {
		cb_err_nomem(b->err);
		return NULL;
	}
	t->part = p;
	p += t->n++;
	*p = (struct cb_part){ .kind = kind };
	return p;
}

int cb_compile_text(struct cb_compile *b, const struct cb_conf_node *at, const char *s,
		    struct cb_template *t)
{
	static const char *const own[] = { "rule", "severity", "count", "before", "listed", "mean", "local" };
	char lit[CB_TEXT_MAX + 1];
	struct cb_part *p;
	size_t n = 0;

	for (;;) {
		const char *end;
		int kind = CB_PART_FIELD;

		if ((*s == '{' && s[1] == '{') || (*s == '}' && s[1] == '}')) {
			lit[n++] = *s;
			s += 2;
			continue;
		}
		if (*s == '}')
			return cb_conf_fail(b->c, at, b->err, "a '}' without '{': write '}}' for the character");
		if (*s && *s != '{') {
			lit[n++] = *s++;
			continue;
		}
		if (n || (!*s && !t->n)) {
			p = add_part(b, t, CB_PART_TEXT);
			if (!p)
				return -1;
			p->text = strndup(lit, n);
			if (!p->text)
				return cb_err_nomem(b->err);
			n = 0;
		}
		if (!*s)
			return 0;
		end = strchr(++s, '}');
		if (!end)
			return cb_conf_fail(b->c, at, b->err, "a '{' without '}': write '{{' for the character");
		for (int i = 0; i < (int)(sizeof(own) / sizeof(*own)); i++)
			if (strlen(own[i]) == (size_t)(end - s) && memcmp(own[i], s, (size_t)(end - s)) == 0)
				kind = CB_PART_RULE + i;
		p = add_part(b, t, (enum cb_part_kind)kind);
		if (!p)
			return -1;
		if (kind == CB_PART_FIELD && cb_compile_field(b, at, s, (size_t)(end - s), &p->field) < 0)
			return -1;
		s = end + 1;
	}
}

void cb_template_release(struct cb_template *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		free(t->part[i].text);
		cb_path_release(&t->part[i].field.rest);
	}
	free(t->part);
}
