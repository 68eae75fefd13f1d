/* SPDX-License-Identifier: Apache-2.0 */
/* Options as KEY=VALUE and back, by one table. */
#include "live/spec.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

#define VERSION_ARG "cb=" CB_VERSION

enum type { TEXT, FLAG, I64, U32, I32 };

static const struct field {
	const char *key;
	enum type type;
	size_t at;
} fields[] = {
#define F(key, type, member) { key, type, offsetof(struct cb_spec, member) }
	F("camera", TEXT, camera), F("streams", TEXT, streams), F("credentials", TEXT, credentials),
	F("ca-file", TEXT, ca_file), F("pin", TEXT, pin), F("udp", FLAG, udp),
	F("have-start", FLAG, have_start), F("realtime", FLAG, realtime), F("quiet", FLAG, quiet),
	F("verbose", FLAG, verbose), F("start-ns", I64, start_ns), F("duration-ns", I64, duration_ns),
	F("timeout-ns", I64, timeout_ns), F("fps-num", U32, fps_num), F("fps-den", U32, fps_den),
	F("status", I32, status), F("sandbox", I32, sandbox), F("self-test", FLAG, self_test),
	/* the last, because it may be anything */
	F("source", TEXT, source),
#undef F
};
#define FIELDS (sizeof(fields) / sizeof(fields[0]))
_Static_assert(FIELDS + 3 <= CB_SPEC_ARGS, "name, version and NULL beside the fields");

/* The argument of a field, malloc'ed; an empty one where it has its default. */
static char *format(const struct cb_spec *s, const struct field *f)
{
	static const struct cb_spec plain = CB_SPEC_INIT;
	const char *p = (const char *)s + f->at, *d = (const char *)&plain + f->at, *text;
	char *ret = NULL;
	int64_t n, n0;
	uint32_t u, u0;
	int32_t i, i0;
	bool b;
	int k = 0;

	switch (f->type) {
	case TEXT:
		memcpy(&text, p, sizeof(text));
		k = text ? asprintf(&ret, "%s=%s", f->key, text) : asprintf(&ret, "%s", "");
		break;
	case FLAG:
		memcpy(&b, p, sizeof(b));
		k = b ? asprintf(&ret, "%s=1", f->key) : asprintf(&ret, "%s", "");
		break;
	case I64:
		memcpy(&n, p, sizeof(n));
		memcpy(&n0, d, sizeof(n0));
		k = n != n0 ? asprintf(&ret, "%s=%" PRId64, f->key, n) : asprintf(&ret, "%s", "");
		break;
	case U32:
		memcpy(&u, p, sizeof(u));
		memcpy(&u0, d, sizeof(u0));
		k = u != u0 ? asprintf(&ret, "%s=%" PRIu32, f->key, u) : asprintf(&ret, "%s", "");
		break;
	case I32:
		memcpy(&i, p, sizeof(i));
		memcpy(&i0, d, sizeof(i0));
		k = i != i0 ? asprintf(&ret, "%s=%" PRId32, f->key, i) : asprintf(&ret, "%s", "");
		break;
	}
	return k < 0 ? NULL : ret;
}

int cb_spec_argv(char *ret[static CB_SPEC_ARGS], const struct cb_spec *s, const char *name,
		 struct cb_err *err)
{
	size_t n = 0;

	memset(ret, 0, CB_SPEC_ARGS * sizeof(ret[0]));
	ret[n++] = strdup(name);
	ret[n++] = strdup(VERSION_ARG);
	for (size_t i = 0; i < FIELDS; i++) {
		ret[n] = format(s, &fields[i]);
		if (!ret[n])
			break;
		if (ret[n][0]) {
			n++;
			continue;
		}
		free(ret[n]);
		ret[n] = NULL;
		if (i + 1 == FIELDS)
			return 0;
	}
	if (n >= 3 && ret[0] && ret[1] && ret[n - 1] && strncmp(ret[n - 1], "source=", 7) == 0)
		return 0;
	cb_spec_argv_free(ret);
	return cb_err_nomem(err);
}

void cb_spec_argv_free(char *argv[static CB_SPEC_ARGS])
{
	for (int i = 0; i < CB_SPEC_ARGS; i++) {
		free(argv[i]);
		argv[i] = NULL;
	}
}

static bool parse(struct cb_spec *s, const struct field *f, const char *v)
{
	char *p = (char *)s + f->at;
	uint64_t u = 0;
	int64_t n = 0;

	switch (f->type) {
	case TEXT:
		memcpy(p, &v, sizeof(v));
		return true;
	case FLAG:
		*(bool *)p = true;
		return strcmp(v, "1") == 0;
	case I64:
		if (!cb_parse_i64(v, INT64_MIN, INT64_MAX, &n))
			return false;
		memcpy(p, &n, sizeof(n));
		return true;
	case U32:
		if (!cb_parse_u64(v, 0, UINT32_MAX, &u))
			return false;
		memcpy(p, &(uint32_t){ (uint32_t)u }, sizeof(uint32_t));
		return true;
	case I32:
		if (!cb_parse_i64(v, INT32_MIN, INT32_MAX, &n))
			return false;
		memcpy(p, &(int32_t){ (int32_t)n }, sizeof(int32_t));
		return true;
	}
	return false;
}

int cb_spec_take(struct cb_spec *s, const char *arg, struct cb_err *err)
{
	const char *eq = strchr(arg, '=');

	if (strncmp(arg, "cb=", 3) == 0 && strcmp(arg, VERSION_ARG) != 0)
		return cb_err_set(err, CB_E_USAGE, "this is version %s, and %.20s asks for it: install both anew",
				  CB_VERSION, arg + 3);
	if (strcmp(arg, VERSION_ARG) == 0)
		return 0;
	for (size_t i = 0; eq && i < FIELDS; i++)
		if (strlen(fields[i].key) == (size_t)(eq - arg) &&
		    memcmp(fields[i].key, arg, (size_t)(eq - arg)) == 0 && parse(s, &fields[i], eq + 1))
			return 0;
	return cb_err_set(err, CB_E_USAGE, "'%.60s' is not an argument of cb-ingest", arg);
}
