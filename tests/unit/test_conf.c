/* SPDX-License-Identifier: Apache-2.0 */
/* lib/conf: what is taken, what is refused, and where errors point. */
#include <string.h>

#include "base/buf.h"
#include "conf/conf.h"
#include "tap.h"

static struct cb_err err;

static struct cb_conf *parse(const char *text)
{
	struct cb_conf *c = NULL;

	err = (struct cb_err)CB_ERR_INIT;
	return cb_conf_parse(&c, "f", text, strlen(text), &err) < 0 ? NULL : c;
}

static void refused(const char *text, const char *message)
{
	struct cb_conf *c = parse(text);

	if (!OK_NAMED(!c && err.code == CB_E_CONFIG && strcmp(err.msg, message) == 0, message))
		NOTE("got: %s", c ? "a tree" : err.msg);
	cb_conf_free(c);
}

static void tree(void)
{
	struct cb_conf *c = parse("# comment\na: 1\nb: [x, 'y', \"z\\n\"]\nc:\n  d: true\n  e: 1.5\n  f: 10s\n");
	const struct cb_conf_node *n, *r;
	const char *s = "";
	uint64_t u = 0;
	double v = 0;
	bool b = false;
	int64_t ns = 0;

	if (!OK(c))
		return;
	r = cb_conf_root(c);
	OK(r->kind == CB_CONF_MAP && r->size == 3);
	n = cb_conf_get(r, "a");
	OK(n && cb_conf_u64(c, n, 0, 9, &u, &err) == 0 && u == 1);
	OK(n && cb_conf_u64(c, n, 2, 9, &u, &err) < 0);
	OK_STR(err.msg, "f:2:4: a must be a whole number from 2 to 9");
	OK(n && n->line == 2 && n->col == 4 && n->key_col == 1);
	n = cb_conf_get(r, "b");
	OK(n && n->kind == CB_CONF_SEQ && n->size == 3);
	OK(n && n->child->next->quoted && !n->child->quoted);
	OK(n && cb_conf_str(c, n->child->next->next, 9, &s, &err) == 0 && strcmp(s, "z\n") == 0);
	OK(n && cb_conf_str(c, n->child, 0, &s, &err) < 0);
	OK(n && cb_conf_str(c, n, 9, &s, &err) < 0);
	OK_STR(err.msg, "f:3:4: b must be a single value");
	n = cb_conf_get(r, "c");
	OK(n && cb_conf_bool(c, cb_conf_get(n, "d"), &b, &err) == 0 && b);
	OK(n && cb_conf_double(c, cb_conf_get(n, "e"), 0, 2, &v, &err) == 0 && v == 1.5);
	OK(n && cb_conf_duration(c, cb_conf_get(n, "f"), &ns, &err) == 0 && ns == 10000000000);
	OK(n && cb_conf_bool(c, cb_conf_get(n, "e"), &b, &err) < 0);
	OK(n && cb_conf_only(c, n, "c", (const char *const[]){ "d", "e", NULL }, &err) < 0);
	OK_STR(err.msg, "f:7:3: c has no key 'f'");
	OK(n && cb_conf_only(c, n, "c", (const char *const[]){ "d", "e", "f", NULL }, &err) == 0);
	OK(!cb_conf_get(r, "nothing"));
	cb_conf_free(c);
}

static void limits(void)
{
	struct cb_buf b = { 0 };
	struct cb_conf *c = NULL;
	char deep[64];

	memset(deep, '[', 16);
	memset(deep + 16, ']', 16);
	deep[32] = 0;
	c = parse(deep);
	OK(c);
	cb_conf_free(c);
	memset(deep, '[', 17);
	memset(deep + 17, ']', 17);
	deep[34] = 0;
	refused(deep, "f:1:17: more than 16 levels");

	for (int i = 0; i < 1025; i++)
		cb_buf_printf(&b, "k%d: v\n", i);
	refused((char *)b.data, "f:1025:1: more than 1024 keys in a map");
	b.len = 0;
	for (int i = 0; i < 65537; i++)
		cb_buf_str(&b, "- x\n");
	refused((char *)b.data, "f:65536:3: more than 65536 values");
	b.len = 0;
	for (int i = 0; i < 70000; i++)
		cb_buf_str(&b, "# fifteen bytes\n");
	OK(cb_conf_parse(&c, "f", b.data, b.len, &err) < 0 && strstr(err.msg, "larger than"));
	OK(cb_conf_parse(&c, "f", "a: \"x\\0y\"", 10, &err) < 0 && err.code == CB_E_CONFIG);
	b.len = 0;
	for (int i = 0; i < 200000; i++)
		cb_buf_str(&b, "[{");
	OK(cb_conf_parse(&c, "f", b.data, b.len, &err) < 0 && err.code == CB_E_CONFIG);
	NOTE("%s", err.msg);
	cb_buf_release(&b);
}

int main(void)
{
	tree();
	limits();
	refused("", "f:1:1: nothing in it");
	refused("# only\n", "f:1:1: nothing in it");
	refused("a: 1\nb: 2\na: 3\n", "f:3:1: 'a' is given twice, first in line 1");
	refused("a: &x 1\nb: *x\n", "f:1:4: anchors and aliases are not taken");
	refused("b: *x\n", "f:1:4: anchors and aliases are not taken");
	refused("a: !!str 1\n", "f:1:4: tags are not taken");
	refused("a: !x [1]\n", "f:1:4: tags are not taken");
	refused("? [a]\n: b\n", "f:1:3: a key must be a plain word");
	refused("a: 1\n---\nb: 2\n", "f:2:1: more than one document");
	refused("a: \"x\\0y\"\n", "f:1:4: NUL in a text");
	refused("\"x\\0y\": 1\n", "f:1:1: NUL in a key");
	OK(!parse("a: [1\n") && err.code == CB_E_CONFIG && strncmp(err.msg, "f:2:1: ", 7) == 0);
	OK(!parse("a: \xff\n") && err.code == CB_E_CONFIG && strncmp(err.msg, "f:1:", 4) == 0);
	OK(!parse("\ta: 1\n") && err.code == CB_E_CONFIG);
	OK(!parse("a: b: c\n") && err.code == CB_E_CONFIG);
	struct cb_conf *c = NULL;
	OK(cb_conf_load(&c, "/nonexistent/x", &err) < 0 && err.code == CB_E_NOINPUT);
	OK_STR(err.msg, "/nonexistent/x: open: No such file or directory");
	return done();
}
