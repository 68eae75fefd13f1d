/* SPDX-License-Identifier: Apache-2.0 */
/* Models in one file: a strict reader and a writer of one form of ustar. */
#include "nn/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "crypto/hash.h"
#include "nn/nn.h"
#include "wire/json.h"

#define BLOCK 512u
#define RECORD 10240u	/* what tar pads files to, unless told otherwise */
#define PARTS 4

/* Offsets of a ustar header's fields. */
enum { H_NAME = 0, H_MODE = 100, H_UID = 108, H_GID = 116, H_SIZE = 124, H_TIME = 136, H_SUM = 148,
       H_TYPE = 156, H_MAGIC = 257, H_MAJOR = 329, H_MINOR = 337 };

static const struct member {
	const char *name;
	size_t max;
} members[] = {
	{ "model.json", CB_PACK_META_MAX },
	{ "model.cfg", CB_PACK_CFG_MAX },
	{ "model.names", CB_PACK_NAMES_MAX },
	{ "model.weights", CB_PACK_BYTES_MAX },
	{ "model.int8", CB_PACK_BYTES_MAX },
};
#define MEMBERS (sizeof(members) / sizeof(members[0]))

static unsigned sum_of(const uint8_t *h)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < BLOCK; i++)
		sum += i >= H_SUM && i < H_TYPE ? ' ' : h[i];
	return sum;
}

/* The one header that a member of this name and size can have. */
static void header(uint8_t h[static BLOCK], const char *name, size_t size)
{
	memset(h, 0, BLOCK);
	memcpy(h + H_NAME, name, strlen(name));
	memcpy(h + H_MODE, "0000644", 7);
	memcpy(h + H_UID, "0000000", 7);
	memcpy(h + H_GID, "0000000", 7);
	snprintf((char *)h + H_SIZE, 12, "%011o", (unsigned)size);
	memcpy(h + H_TIME, "00000000000", 11);
	h[H_TYPE] = '0';
	memcpy(h + H_MAGIC, "ustar\0" "00", 8);
	memcpy(h + H_MAJOR, "0000000", 7);
	memcpy(h + H_MINOR, "0000000", 7);
	snprintf((char *)h + H_SUM, 7, "%06o", sum_of(h));
	h[H_SUM + 7] = ' ';
}

static bool octal(const uint8_t *p, unsigned digits, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < digits; i++) {
		if (p[i] < '0' || p[i] > '7')
			return false;
		v = v * 8 + (p[i] - '0');
	}
	*ret = v;
	return true;
}

static bool zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

bool cb_pack_is(const uint8_t *p, size_t n)
{
	return n >= BLOCK && !memcmp(p + H_MAGIC, "ustar", 5);
}

/* --- model.json ---------------------------------------------------------------------------- */

static const char *const kinds[] = { [CB_PACK_FLOAT] = "float", [CB_PACK_INT8] = "int8" };

size_t cb_pack_count_names(const uint8_t *text, size_t n)
{
	size_t lines = 0;

	while (n && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' '))
		n--;
	for (size_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	return lines + (n > 0);
}

static bool isa_ok(const char *s)
{
	return *s && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(s);
}

static int parse_meta(struct cb_pack *p, struct cb_err *err)
{
	struct cb_json *j = malloc(sizeof(*j));
	int64_t version, names;
	uint32_t t;
	int rc = -1;

	if (!j)
		return cb_err_nomem(err);
	if (cb_json_parse(j, (const char *)p->meta.p, p->meta.n, err) < 0)
		goto out;
	if (j->tok[0].type != CB_JSON_OBJECT ||
	    !cb_json_i64(j, cb_json_get(j, 0, "cb-model"), &version) || version < 1) {
		cb_err_set(err, CB_E_DATA, "no \"cb-model\": not a description of a model");
		goto out;
	}
	if (version != 1) {
		cb_err_set(err, CB_E_DATA, "version %lld: made for a later version of cb",
			   (long long)version);
		goto out;
	}
	t = cb_json_get(j, 0, "kind");
	for (p->kind = CB_PACK_INT8; p->kind; p->kind--)
		if (t != CB_JSON_NONE && cb_json_eq(j, t, kinds[p->kind]))
			break;
	if (!p->kind) {
		cb_err_set(err, CB_E_DATA, "kind is neither \"float\" nor \"int8\"");
		goto out;
	}
	t = cb_json_get(j, 0, "isa");
	if (t == CB_JSON_NONE || cb_json_str(j, t, p->isa, sizeof(p->isa)) < 0 || !isa_ok(p->isa)) {
		cb_err_set(err, CB_E_DATA, "no isa");
		goto out;
	}
	if (!cb_json_i64(j, cb_json_get(j, 0, "names"), &names) || names < 0 ||
	    names > CB_PACK_CLASSES_MAX) {
		cb_err_set(err, CB_E_DATA, "names is not a number of 0 to %d", CB_PACK_CLASSES_MAX);
		goto out;
	}
	p->names = (uint32_t)names;
	rc = 0;
out:
	free(j);
	return rc;
}

int cb_pack_meta(struct cb_buf *out, const struct cb_pack *p, const struct cb_pack_source *source,
		 const char *calibration, struct cb_err *err)
{
	struct cb_jw w;

	cb_jw_init(&w, out);
	cb_jw_obj(&w);
	cb_jw_ki64(&w, "cb-model", 1);
	cb_jw_kstr(&w, "kind", kinds[p->kind]);
	cb_jw_kstr(&w, "isa", p->isa);
	cb_jw_ku64(&w, "names", p->names);
	cb_jw_key(&w, "source");
	cb_jw_obj(&w);
	cb_jw_kstr(&w, "cfg_sha256", source->cfg);
	cb_jw_kstr(&w, "weights_sha256", source->weights);
	cb_jw_kstr(&w, "names_sha256", source->names);
	cb_jw_obj_end(&w);
	if (calibration) {
		cb_jw_key(&w, "calibration");
		cb_jw_raw(&w, calibration, strlen(calibration));
	}
	cb_jw_obj_end(&w);
	if (cb_jw_done(&w, err) < 0)
		return -1;
	return cb_buf_byte(out, '\n') < 0 ? cb_err_nomem(err) : 0;
}

void cb_pack_source_get(const struct cb_pack *p, struct cb_pack_source *ret)
{
	struct cb_json *j = malloc(sizeof(*j));
	const struct { const char *path; char *to; } keys[] = {
		{ "source.cfg_sha256", ret->cfg }, { "source.weights_sha256", ret->weights },
		{ "source.names_sha256", ret->names },
	};

	*ret = (struct cb_pack_source){ "", "", "" };
	if (j && cb_json_parse(j, (const char *)p->meta.p, p->meta.n, NULL) == 0) {
		for (int i = 0; i < 3; i++) {
			uint32_t t = cb_json_path(j, 0, keys[i].path);
			uint8_t digest[CB_SHA256_LEN];

			if (t == CB_JSON_NONE || cb_json_str(j, t, keys[i].to, 65) < 0 ||
			    strlen(keys[i].to) != 64 || !cb_unhex(digest, sizeof(digest), keys[i].to))
				*keys[i].to = 0;
		}
	}
	free(j);
}

/* Does what is in the parts fit together? For the reader and the writer. */
static int check(struct cb_pack *p, struct cb_err *err)
{
	enum cb_pack_kind body = p->kind;
	size_t names = cb_pack_count_names(p->name_list.p, p->name_list.n);

	if (parse_meta(p, err) < 0)
		return cb_err_prefix(err, "%s", members[0].name);
	if (p->kind != body)
		return cb_err_set(err, CB_E_DATA, "model.json says %s, but there is %s", kinds[p->kind],
				  members[2 + body].name);
	if (names != p->names)
		return cb_err_set(err, CB_E_DATA, "model.names has %zu names, not %u as model.json says",
				  names, p->names);
	return 0;
}

/* --- reading ------------------------------------------------------------------------------- */

/* The member at *at; *want, the number of the one that must come, becomes the next's. */
static int next_member(const uint8_t *file, size_t n, size_t *at, unsigned want,
		       struct cb_pack_part *ret, unsigned *ret_which, struct cb_err *err)
{
	const uint8_t *h = file + *at;
	uint8_t expect[BLOCK];
	uint64_t size, sum;
	unsigned k = 0;
	size_t room;

	if (n - *at < BLOCK)
		return cb_err_set(err, CB_E_DATA, "%s: the file ends before it", members[want].name);
	if (zero(h, BLOCK))
		return cb_err_set(err, CB_E_DATA, "no %s", members[want].name);
	if (!octal(h + H_SUM, 6, &sum) || sum != sum_of(h))
		return cb_err_set(err, CB_E_DATA, "byte %zu: not an archive's header, or damaged", *at);
	while (k < MEMBERS && strncmp((const char *)h + H_NAME, members[k].name, H_MODE))
		k++;
	if (k == MEMBERS) {
		char name[H_MODE + 1];

		cb_text_safe(name, sizeof(name), (const char *)h,
			     strnlen((const char *)h, H_MODE), false);
		return cb_err_set(err, CB_E_DATA, "%s: no member of a model", name);
	}
	if (k != want && !(want == CB_PACK_FLOAT + 2 && k == CB_PACK_INT8 + 2))
		return cb_err_set(err, CB_E_DATA, "%s stands where %s must", members[k].name,
				  members[want].name);
	if (!octal(h + H_SIZE, 11, &size) || size > members[k].max)
		return cb_err_set(err, CB_E_DATA, "%s: larger than %zu bytes", members[k].name,
				  members[k].max);
	header(expect, members[k].name, (size_t)size);
	if (memcmp(h, expect, BLOCK))
		return cb_err_set(err, CB_E_DATA, "%s: its header is not as cb-model(5) wants it: "
				  "ustar, a plain file, mode 644, owner 0, time 0", members[k].name);
	*at += BLOCK;
	room = n - *at;
	if (size > room)
		return cb_err_set(err, CB_E_DATA, "%s: %llu bytes missing", members[k].name,
				  (unsigned long long)(size - room));
	*ret = (struct cb_pack_part){ file + *at, (size_t)size };
	*ret_which = k;
	room -= (size_t)size;
	*at += (size_t)size;
	size = -size % BLOCK;
	if (size > room || !zero(file + *at, (size_t)size))
		return cb_err_set(err, CB_E_DATA, "%s: is not filled up with zeros", members[k].name);
	*at += (size_t)size;
	return 0;
}

int cb_pack_parse(struct cb_pack *ret, const uint8_t *file, size_t n, struct cb_err *err)
{
	struct cb_pack p = { .file = file, .file_bytes = n };
	struct cb_pack_part *part[PARTS] = { &p.meta, &p.cfg, &p.name_list, &p.body };
	unsigned which = 0;
	size_t at = 0;

	if (n > CB_PACK_BYTES_MAX)
		return cb_err_set(err, CB_E_DATA, "larger than %zu bytes", CB_PACK_BYTES_MAX);
	for (unsigned i = 0; i < PARTS; i++)
		if (next_member(file, n, &at, i, part[i], &which, err) < 0)
			return -1;
	p.kind = which - 2;
	if (n - at < 2 * BLOCK)
		return cb_err_set(err, CB_E_DATA, "the archive has no end");
	if (n % BLOCK || n - at >= 2 * BLOCK + RECORD || !zero(file + at, n - at))
		return cb_err_set(err, CB_E_DATA, "something comes after %s", members[which].name);
	if (check(&p, err) < 0)
		return -1;
	*ret = p;
	return 0;
}

static int read_fd(int fd, uint8_t *p, size_t n, size_t *len, struct cb_err *err)
{
	while (*len < n) {
		ssize_t k = read(fd, p + *len, n - *len);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return cb_err_sys(err, errno == EISDIR ? CB_E_NOINPUT : CB_E_IO, errno, "read");
		if (!k)
			return 0;
		*len += (size_t)k;
	}
	return 1;
}

int cb_pack_read(struct cb_pack *ret, const char *path, size_t max, struct cb_err *err)
{
	size_t len = 0, cap = 4096;
	uint8_t *p = malloc(cap + 1), *q;
	struct cb_pack pack = { 0 };
	int fd, more, rc = -1;
	bool is = false;

	if (!p)
		return cb_err_nomem(err);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		cb_err_sys(err, cb_errc_open(errno), errno, "open");
		goto out;
	}
	/* room grows with what is really there */
	while ((more = read_fd(fd, p, cap, &len, err)) > 0) {
		is = cb_pack_is(p, len);
		if (is)
			max = CB_PACK_BYTES_MAX;
		if (len > max)
			break;
		cap = cap < max / 2 ? cap * 2 : max + 1;
		q = realloc(p, cap + 1);
		if (!q) {
			cb_err_nomem(err);
			goto out;
		}
		p = q;
	}
	if (more < 0)
		goto out;
	is = cb_pack_is(p, len);
	if (len > (is ? CB_PACK_BYTES_MAX : max)) {
		cb_err_set(err, CB_E_DATA, "larger than %zu bytes", max);
		goto out;
	}
	p[len] = 0;
	if (is && cb_pack_parse(&pack, p, len, err) < 0)
		goto out;
	pack.file = pack.own[0] = p;
	pack.file_bytes = len;
	*ret = pack;
	p = NULL;
	rc = 0;
out:
	free(p);
	if (fd >= 0)
		close(fd);
	return rc;
}

static void hex_of(char hex[static CB_SHA256_HEX], struct cb_pack_part part)
{
	uint8_t digest[CB_SHA256_LEN];

	cb_sha256(digest, part.p, part.n);
	cb_hex(hex, digest, sizeof(digest));
}

void cb_pack_digest(const struct cb_pack *p, char ret[static CB_PACK_DIGEST])
{
	const struct cb_pack_part *part[] = { &p->cfg, &p->body, &p->name_list };
	char text[3 * (CB_SHA256_HEX + 3) + 1] = "";

	if (p->file) {
		hex_of(ret, (struct cb_pack_part){ p->file, p->file_bytes });
		return;
	}
	for (int i = 0; i < 3; i++) {
		hex_of(ret, *part[i]);
		strcat(strcat(text, ret), "  -\n");
	}
	hex_of(ret, (struct cb_pack_part){ (const uint8_t *)text, strlen(text) });
}

/* One of the files beside a cfg. */
static int read_beside(struct cb_pack *p, int i, struct cb_pack_part *ret, const char *path,
		       const char *cfg, const char *ext, size_t max, struct cb_err *err)
{
	char *beside = path ? NULL : cb_net_sibling(cfg, ext);
	int rc;

	if (!path)
		path = beside;
	if (!path)
		return cb_err_nomem(err);
	rc = cb_file_read(path, max, &p->own[i], &ret->n, err);
	if (rc < 0)
		cb_err_prefix(err, "%s", path);
	ret->p = p->own[i];
	free(beside);
	return rc;
}

int cb_pack_read_model(struct cb_pack *ret, const char *cfg, const char *weights,
		       const char *names, struct cb_err *err)
{
	struct cb_pack_source source;
	struct cb_buf meta = { 0 };
	struct cb_pack p = { 0 };
	size_t n;

	if (cb_pack_read(&p, cfg, CB_PACK_CFG_MAX, err) < 0)
		return cb_err_prefix(err, "%s", cfg);
	if (p.kind) {
		if (weights || names) {
			cb_err_set(err, CB_E_USAGE, "%s: a model in one file has its own %s", cfg,
				   weights ? "weights" : "names");
			goto bad;
		}
		*ret = p;
		return 0;
	}
	if (memchr(p.file, 0, p.file_bytes)) {
		cb_err_set(err, CB_E_DATA, "%s: neither a model in one file nor a cfg", cfg);
		goto bad;
	}
	p.kind = CB_PACK_FLOAT;
	strcpy(p.isa, "any");
	p.cfg = (struct cb_pack_part){ p.file, p.file_bytes };
	p.file = NULL;
	if (read_beside(&p, 1, &p.body, weights, cfg, ".weights", CB_PACK_BYTES_MAX, err) < 0 ||
	    read_beside(&p, 2, &p.name_list, names, cfg, ".names", CB_PACK_NAMES_MAX, err) < 0)
		goto bad;
	n = cb_pack_count_names(p.name_list.p, p.name_list.n);
	if (n > CB_PACK_CLASSES_MAX) {
		cb_err_set(err, CB_E_DATA, "%s: more than %d names", cfg, CB_PACK_CLASSES_MAX);
		goto bad;
	}
	p.names = (uint32_t)n;
	hex_of(source.cfg, p.cfg);
	hex_of(source.weights, p.body);
	hex_of(source.names, p.name_list);
	if (cb_pack_meta(&meta, &p, &source, NULL, err) < 0)
		goto bad;
	p.own[3] = meta.data;
	p.meta = (struct cb_pack_part){ meta.data, meta.len };
	*ret = p;
	return 0;
bad:
	cb_buf_release(&meta);
	cb_pack_release(&p);
	return -1;
}

void cb_pack_release(struct cb_pack *p)
{
	for (size_t i = 0; i < sizeof(p->own) / sizeof(p->own[0]); i++)
		free(p->own[i]);
	*p = (struct cb_pack){ 0 };
}

/* --- writing ------------------------------------------------------------------------------- */

static int sync_directory(const char *path, struct cb_err *err)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
	int fd, rc = 0;

	if (!dir)
		return cb_err_nomem(err);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		rc = cb_err_sys(err, CB_E_IO, errno, "fsync of its directory");
	if (fd >= 0)
		close(fd);
	free(dir);
	return rc;
}

int cb_pack_write_file(const char *path, const struct cb_pack_part *part, int n, bool force,
		       struct cb_err *err)
{
	char *tmp = NULL;
	struct stat st;
	int fd, rc = -1;

	if (!force && lstat(path, &st) == 0)
		return cb_err_set(err, CB_E_CANTCREAT, "is there already (--force writes over it)");
	if (asprintf(&tmp, "%s.%d.part", path, (int)getpid()) < 0)
		return cb_err_nomem(err);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0) {
		cb_err_sys(err, CB_E_CANTCREAT, errno, "create");
		free(tmp);
		return -1;
	}
	for (int i = 0; i < n; i++)
		if (cb_write_all(fd, part[i].p, part[i].n, err) < 0)
			goto out;
	rc = fsync(fd) < 0 ? cb_err_sys(err, CB_E_IO, errno, "fsync") : 0;
out:
	if (close(fd) < 0 && !rc)
		rc = cb_err_sys(err, CB_E_IO, errno, "close");
	/* without force even one that came in the meantime stays, where the file system can say so */
	if (!rc && (force || renameat2(AT_FDCWD, tmp, AT_FDCWD, path, RENAME_NOREPLACE) < 0) &&
	    ((!force && errno != EINVAL) || rename(tmp, path) < 0))
		rc = cb_err_sys(err, CB_E_CANTCREAT, errno, "rename");
	if (rc)
		unlink(tmp);
	free(tmp);
	return rc ? rc : sync_directory(path, err);
}

int cb_pack_write(const char *path, const struct cb_pack *p, bool force, struct cb_err *err)
{
	static const uint8_t zeros[2 * BLOCK];
	const struct cb_pack_part *from[PARTS] = { &p->meta, &p->cfg, &p->name_list, &p->body };
	struct cb_pack_part part[3 * PARTS + 1];
	struct cb_pack copy = *p;
	uint8_t head[PARTS][BLOCK];
	size_t total = sizeof(zeros);
	int n = 0;

	if (check(&copy, err) < 0)
		return -1;
	for (int i = 0; i < PARTS; i++) {
		const struct member *m = &members[i < 3 ? i : 2 + (int)p->kind];

		if (from[i]->n > m->max)
			return cb_err_set(err, CB_E_DATA, "%s: larger than %zu bytes", m->name, m->max);
		header(head[i], m->name, from[i]->n);
		part[n++] = (struct cb_pack_part){ head[i], BLOCK };
		part[n++] = *from[i];
		part[n++] = (struct cb_pack_part){ zeros, -from[i]->n % BLOCK };
		total += BLOCK + from[i]->n + part[n - 1].n;
	}
	part[n++] = (struct cb_pack_part){ zeros, sizeof(zeros) };
	if (total > CB_PACK_BYTES_MAX)
		return cb_err_set(err, CB_E_DATA, "larger than %zu bytes", CB_PACK_BYTES_MAX);
	return cb_pack_write_file(path, part, n, force, err);
}

static int write_beside(const char *cfg, const char *ext, const struct cb_pack_part *part, bool force,
			struct cb_err *err)
{
	char *path = cb_net_sibling(cfg, ext);
	int rc;

	if (!path)
		return cb_err_nomem(err);
	rc = cb_pack_write_file(path, part, 1, force, err);
	if (rc)
		cb_err_prefix(err, "%s", path);
	free(path);
	return rc;
}

int cb_pack_convert(const char *path, const struct cb_pack *p, bool force, struct cb_err *err)
{
	size_t n = strlen(path);

	if (n < 4 || strcmp(path + n - 4, ".cfg"))
		return cb_pack_write(path, p, force, err) < 0 ? cb_err_prefix(err, "%s", path) : 0;
	if (p->kind != CB_PACK_FLOAT)
		return cb_err_set(err, CB_E_DATA, "%s: darknet has no weights of 8 bits", path);
	if (write_beside(path, ".weights", &p->body, force, err) < 0 ||
	    write_beside(path, ".names", &p->name_list, force, err) < 0)
		return -1;
	return write_beside(path, ".cfg", &p->cfg, force, err);
}
