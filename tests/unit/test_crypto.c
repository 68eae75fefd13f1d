/* SPDX-License-Identifier: Apache-2.0 */
/* lib/crypto: keys and signatures against published vectors and against every small change. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/newfile.h"
#include "base/num.h"
#include "crypto/base64.h"
#include "crypto/bech32.h"
#include "crypto/minisign.h"
#include "crypto/minisign_sign.h"
#include "crypto/sshsig_sign.h"
#include "tap.h"

static struct cb_err err;
static char dir[] = "/tmp/cb-test-crypto.XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[4][64];
	static int i;

	i = (i + 1) % 4;
	snprintf(path[i], sizeof(path[i]), "%s/%s", dir, name);
	return path[i];
}

static enum cb_errc code(int r)
{
	return r < 0 ? err.code : CB_OK;
}

/* made by minisign 0.11 -G -W */
static const char stock_pub[] = "untrusted comment: minisign public key 46C12CE97AEF44F\n"
	"RWRP9K6XzhJsBHtqKHeoJAbFoE8wFP/bmXpXe4CfC6lw66pbXt799Ga1\n";
static const char stock_key[] = "untrusted comment: minisign encrypted secret key\n"
	"RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAT/Sul84SbAQU66nt1w75GeWM"
	"y5PpqXB/7vZ2gxbZe/5ciz1xXco9UHtqKHeoJAbFoE8wFP/bmXpXe4CfC6lw66pbXt799Ga1AAAAAAAAAAAAAAAAAAAAAAAA"
	"AAAAAAAAAAAAAAAAAAA=\n";
/* and its signature of "hi\n" */
static const char stock_sig[] = "untrusted comment: signature from minisign secret key\n"
	"RURP9K6XzhJsBLJHT8GQZCfTfM9ezfgtInpWDba5fINnRtRSDObPvp/O24ykdNobd0vSXfwIKjDp4na67KyZoQcXXE6wdj18cAY=\n"
	"trusted comment: timestamp:1795277501\tfile:f\thashed\n"
	"0NawlZLmKI9oxNU3FsQsqSVn5s6SccKZrsZ65sdOOBhAlpG8rEV/zRZR1ub09Q3XdkFIUnCaGsmyndHyrjy4Cg==\n";

static int verify(const char *sig, size_t n, const char *data)
{
	return cb_minisign_verify(stock_pub, strlen(stock_pub), sig, n, (const uint8_t *)data, strlen(data), &err);
}

static int pass_said(void *ctx, const char *subject, bool make, char *buf, struct cb_err *e)
{
	(void)subject, (void)make, (void)e;
	memcpy(buf, ctx, strlen(ctx));
	return (int)strlen(ctx);
}

static void stock_minisign(void)
{
	char id[CB_MINISIGN_ID_HEX], text[sizeof(stock_sig)];
	struct cb_minisign_key pub, of_key;
	struct cb_buf out = { 0 };
	struct cb_seckey *k = NULL;
	int refused = 0, tried = 0, wrong = 0;
	const char *second;

	OK(cb_minisign_key_parse(&pub, stock_pub, strlen(stock_pub), &err) == 0);
	cb_minisign_id_text(id, pub.id);
	OK_STR(id, "046C12CE97AEF44F");
	OK(verify(stock_sig, strlen(stock_sig), "hi\n") == 0);
	OK_INT(code(verify(stock_sig, strlen(stock_sig), "hi")), CB_E_NO);
	if (!OK(cb_seckey_parse(&k, stock_key, strlen(stock_key), "k", NULL, &err) == 0))
		return;
	cb_seckey_minisign(k, &of_key);
	OK(!memcmp(&of_key, &pub, sizeof(pub)));
	cb_seckey_free(k);

	/* every bit after the untrusted comment, whose text alone is nobody's */
	second = strchr(stock_sig, '\n');
	for (size_t i = 0; i < strlen(stock_sig); i++)
		for (int b = 0; b < 8; b++) {
			memcpy(text, stock_sig, sizeof(text));
			text[i] ^= (char)(1 << b);
			if (i >= 19 && stock_sig + i < second)
				continue;
			tried++;
			if (verify(text, strlen(stock_sig), "hi\n") < 0)
				refused++;
			else
				wrong = (int)i;
		}
	OK_INT(refused, tried);
	if (wrong)
		NOTE("a changed byte %d is accepted", wrong);
	refused = 0;
	for (size_t n = 0; n + 1 < strlen(stock_sig); n++)
		refused += code(verify(stock_sig, n, "hi\n")) == CB_E_DATA;
	OK_INT(refused, strlen(stock_sig) - 1);
	refused = 0;
	for (size_t n = 0; n + 1 < strlen(stock_key); n++)
		refused += code(cb_seckey_parse(&k, stock_key, n, "k", NULL, &err)) == CB_E_DATA;
	OK_INT(refused, strlen(stock_key) - 1);
	cb_buf_release(&out);
}

static void base64(void)
{
	static const char *const wrong[] = { "Zg", "Zg=", "Zh==", "Zm9=", "Zm8", "Zg==Zg==", "Z===", "====",
		"=", "Zm 9", "Zm9\n", "Zm-_", "Zm9v=", "\257\257\257\257", "Zm9\257" };
	uint8_t all[256], back[256];
	char text[CB_BASE64_SIZE(256)];
	int good = 0, taken = 0;
	size_t n;

	/* RFC 4648, section 10 */
	OK(cb_base64(text, "fooba", 5) == 8 && !strcmp(text, "Zm9vYmE="));
	OK(cb_base64(text, "foob", 4) == 8 && !strcmp(text, "Zm9vYg=="));
	OK(cb_base64_raw(text, "foob", 4) == 6 && !strcmp(text, "Zm9vYg"));
	OK(cb_base64(text, "", 0) == 0 && !strcmp(text, ""));
	OK(cb_base64_decode(back, 3, "", 0, &n) && n == 0);
	for (int i = 0; i < 256; i++)
		all[i] = (uint8_t)(i * 7 + 1);
	for (size_t len = 0; len <= 256; len++) {
		size_t k = cb_base64(text, all, len);

		good += k == CB_BASE64_LEN(len) && cb_base64_decode(back, len, text, k, &n) && n == len &&
			!memcmp(back, all, len) && !(len && cb_base64_decode(back, len - 1, text, k, &n));
		k = cb_base64_raw(text, all, len);
		good += k == CB_BASE64_RAW_LEN(len) && cb_base64_decode_raw(back, len, text, k, &n) && n == len &&
			!memcmp(back, all, len);
	}
	OK_INT(good, 514);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		OK_NAMED(!cb_base64_decode(back, sizeof(back), wrong[i], strlen(wrong[i]), &n), wrong[i]);
	OK(!cb_base64_decode_raw(back, sizeof(back), "Zg==", 4, &n));
	OK(!cb_base64_decode_raw(back, sizeof(back), "Z", 1, &n));
	for (int c = 0; c < 256; c++) {
		memcpy(text, "AAAA", 5);
		text[c % 4] = (char)c;
		taken += cb_base64_decode(back, sizeof(back), text, 4, &n);
	}
	OK_INT(taken, 64);
}

static void own_keys(void)
{
	static char word[] = "correct horse", wrong[] = "battery";
	struct cb_pass right = { pass_said, word }, other = { pass_said, wrong };
	struct cb_seckey *k = NULL, *l = NULL;
	struct cb_buf sig = { 0 }, pub = { 0 };
	struct cb_minisign_hash h;
	uint8_t digest[64], a[64], b[64];
	struct stat st;

	OK(cb_seckey_generate(&k, &err) == 0);
	OK(cb_seckey_save(k, in_dir("k"), NULL, &err) == 0);
	OK(stat(in_dir("k"), &st) == 0 && (st.st_mode & 07777) == 0600);
	OK_INT(code(cb_seckey_save(k, in_dir("k"), NULL, &err)), CB_E_CANTCREAT);
	OK(symlink("nowhere", in_dir("dangling")) == 0);
	OK_INT(code(cb_seckey_save(k, in_dir("dangling"), NULL, &err)), CB_E_CANTCREAT);
	OK(access(in_dir("nowhere"), F_OK) < 0);
	OK(cb_seckey_load(&l, in_dir("k"), NULL, &err) == 0);
	OK(!cb_seckey_exposed(l));
	cb_seckey_sign(k, "x", 1, a);
	cb_seckey_sign(l, "x", 1, b);
	OK(!memcmp(a, b, 64));
	cb_seckey_free(l);
	OK(chmod(in_dir("k"), 0640) == 0 && cb_seckey_load(&l, in_dir("k"), NULL, &err) == 0);
	OK(cb_seckey_exposed(l));
	cb_seckey_free(l);

	OK(cb_seckey_save(k, in_dir("p"), &right, &err) == 0);
	OK_INT(code(cb_seckey_load(&l, in_dir("p"), NULL, &err)), CB_E_PERM);
	OK_INT(code(cb_seckey_load(&l, in_dir("p"), &other, &err)), CB_E_PERM);
	OK(strstr(err.msg, "wrong passphrase"));
	OK(cb_seckey_load(&l, in_dir("p"), &right, &err) == 0);
	cb_seckey_sign(l, "x", 1, b);
	OK(!memcmp(a, b, 64));
	cb_seckey_free(l);

	cb_minisign_hash_init(&h);
	cb_minisign_hash_update(&h, "data", 4);
	cb_minisign_hash_final(&h, digest);
	OK(cb_minisign_sign(k, digest, "caf\303\251 at noon", &sig, &err) == 0);
	struct cb_minisign_key mk;
	cb_seckey_minisign(k, &mk);
	OK(cb_minisign_key_text(&mk, &pub, &err) == 0);
	OK(cb_minisign_verify((char *)pub.data, pub.len, (char *)sig.data, sig.len, (const uint8_t *)"data", 4, &err) == 0);
	OK_INT(code(cb_minisign_sign(k, digest, "two\nlines", &sig, &err)), CB_E_USAGE);
	OK_INT(code(cb_minisign_sign(k, digest, "\033[2J", &sig, &err)), CB_E_USAGE);
	OK_INT(code(cb_minisign_sign(k, digest, "\302\233", &sig, &err)), CB_E_USAGE);
	OK_INT(code(cb_minisign_sign(k, digest, "\377", &sig, &err)), CB_E_USAGE);
	cb_buf_release(&sig);
	cb_buf_release(&pub);
	cb_seckey_free(k);
}

/* made by cb-sign sign --ssh, of "hi\n"; ssh-keygen -Y verify takes it */
static const char ssh_sig[] =
	"-----BEGIN SSH SIGNATURE-----\n"
	"U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgzUr+hx89UB9IJHyWVWY69NY/MW\n"
	"yITw9nMmk3W67yDsEAAAALY2ItZXZpZGVuY2UAAAAAAAAABnNoYTUxMgAAAFMAAAALc3No\n"
	"LWVkMjU1MTkAAABA3jevEKOFJCtVIj0693qngwDbW9yAzGNO/VRFLbbil3kqnps8bZe82O\n"
	"Z+fIGTKRY0GW5Pkj4UtYG9nFQpDPlLCA==\n"
	"-----END SSH SIGNATURE-----\n";
static const char ssh_line[] = "rec1 namespaces=\"cb-evidence\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIM1K/ocfPVAfSCR8llVmOvTWPzFsiE8PZzJpN1uu8g7B";

static void sshsig(void)
{
	uint8_t sha512[CB_SHA512_LEN], sha256[CB_SHA256_LEN];
	char text[sizeof(ssh_sig)];
	struct cb_sshsig s;
	struct cb_ssh_key k;
	struct cb_sha512 h;
	struct cb_buf b = { 0 };
	struct cb_seckey *sk = NULL;
	int refused = 0, tried = 0;

	cb_sha512_init(&h);
	cb_sha512_update(&h, "hi\n", 3);
	cb_sha512_final(&h, sha512);
	cb_sha256(sha256, "hi\n", 3);
	OK(cb_ssh_key_parse(&k, ssh_line, strlen(ssh_line), &err) == 1);
	OK(cb_ssh_key_signs(&k, "cb-evidence") && !cb_ssh_key_signs(&k, "cb-evidenc") && !cb_ssh_key_signs(&k, "file"));
	OK(cb_sshsig_parse(&s, ssh_sig, strlen(ssh_sig), &err) == 0);
	OK(cb_sshsig_check(&s, k.pk, "cb-evidence", sha512, NULL, &err) == 0);
	OK_INT(code(cb_sshsig_check(&s, k.pk, "file", sha512, NULL, &err)), CB_E_NO);
	sha512[0] ^= 1;
	OK_INT(code(cb_sshsig_check(&s, k.pk, "cb-evidence", sha512, NULL, &err)), CB_E_NO);
	sha512[0] ^= 1;
	k.pk[0] ^= 1;
	OK_INT(code(cb_sshsig_check(&s, k.pk, "cb-evidence", sha512, NULL, &err)), CB_E_NO);
	k.pk[0] ^= 1;
	for (size_t i = 0; i < strlen(ssh_sig); i++)
		for (int bit = 0; bit < 8; bit++) {
			memcpy(text, ssh_sig, sizeof(text));
			text[i] ^= (char)(1 << bit);
			tried++;
			refused += cb_sshsig_parse(&s, text, strlen(ssh_sig), NULL) < 0 ||
				cb_sshsig_check(&s, k.pk, "cb-evidence", sha512, sha256, NULL) < 0;
		}
	OK_INT(refused, tried);
	refused = 0;
	for (size_t n = 0; n + 1 < strlen(ssh_sig); n++)
		refused += cb_sshsig_parse(&s, ssh_sig, n, NULL) < 0;
	OK_INT(refused, strlen(ssh_sig) - 1);

	OK(cb_seckey_generate(&sk, &err) == 0);
	OK(cb_sshsig_sign(sk, "file", sha512, &b, &err) == 0);
	OK(cb_sshsig_parse(&s, (char *)b.data, b.len, &err) == 0 && !strcmp(s.namespace, "file") && s.sha512);
	OK(cb_sshsig_check(&s, s.pk, "file", sha512, NULL, &err) == 0);
	OK_INT(code(cb_sshsig_sign(sk, "", sha512, &b, &err)), CB_E_USAGE);
	OK_INT(code(cb_sshsig_sign(sk, "a,b", sha512, &b, &err)), CB_E_USAGE);
	cb_seckey_free(sk);
	cb_buf_release(&b);
}

static void bech32(void)
{
	/* keys of age-keygen's: sha256("the identity") as a secret */
	static const char secret[] = "AGE-SECRET-KEY-1MV2VYAJADWLTHRKA04DL78Z543J86GS3EUSKM5WHDMEHK4P3S3ESQD3F84";
	char text[128];
	uint8_t key[32];
	int taken = 0;

	OK(cb_bech32_decode(key, 32, "age-secret-key-", true, secret, strlen(secret)));
	cb_bech32(text, "age-secret-key-", key, 32, true);
	OK_STR(text, secret);
	OK(!cb_bech32_decode(key, 32, "age-secret-key-", false, secret, strlen(secret)));
	OK(!cb_bech32_decode(key, 32, "age", true, secret, strlen(secret)));
	OK(!cb_bech32_decode(key, 31, "age-secret-key-", true, secret, strlen(secret)));
	for (size_t i = 0; i < strlen(secret); i++)
		for (int c = 0; c < 256; c++) {
			strcpy(text, secret);
			text[i] = (char)c;
			taken += cb_bech32_decode(key, 32, "age-secret-key-", true, text, strlen(secret));
		}
	OK_INT(taken, strlen(secret));	/* each place as it was */
}

/* Killed while it writes over a file: that is as it was, and nothing else is there. */
static void killed_while_replacing(void)
{
	struct cb_newfile f = CB_NEWFILE_INIT;
	uint8_t *text = NULL;
	char cmd[64];
	size_t n = 0;
	int st = 0, can = open(dir, O_RDWR | O_TMPFILE, 0600);
	pid_t pid;

	if (can < 0) {
		SKIP("no file without a name there");
		return;
	}
	close(can);
	OK(cb_newfile_write(in_dir("kept"), 0644, false, "old", 3, &err) == 0);
	pid = fork();
	if (pid == 0) {
		if (cb_newfile_open(&f, in_dir("kept"), 0644, true, &err) == 0 && cb_write_all(f.fd, "new", 3, &err) == 0)
			raise(SIGKILL);
		_exit(1);
	}
	OK(pid > 0 && waitpid(pid, &st, 0) == pid && WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
	OK(cb_file_read(in_dir("kept"), 10, &text, &n, &err) == 0 && n == 3 && !memcmp(text, "old", 3));
	free(text);
	snprintf(cmd, sizeof(cmd), "! ls -A %s | grep -q tmp", dir);
	OK(system(cmd) == 0);
}

/* The name is a link, or is taken or given up while the new file is written. */
static void replaced(void)
{
	struct cb_newfile f = CB_NEWFILE_INIT;
	uint8_t *text = NULL;
	struct stat st;
	size_t n = 0;

	OK(symlink("kept", in_dir("link")) == 0);
	OK(cb_newfile_write(in_dir("link"), 0600, true, "mine", 4, &err) == 0);
	OK(lstat(in_dir("link"), &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && (st.st_mode & 0777) == 0600);
	OK(cb_newfile_open(&f, in_dir("late"), 0644, true, &err) == 0 && cb_write_all(f.fd, "late", 4, &err) == 0);
	OK(cb_newfile_write(in_dir("late"), 0644, false, "x", 1, &err) == 0);
	OK(cb_newfile_commit(&f, &err) == 0);
	OK(cb_file_read(in_dir("late"), 10, &text, &n, &err) == 0 && n == 4);
	free(text);
	OK(cb_newfile_open(&f, in_dir("late"), 0644, true, &err) == 0 && unlink(in_dir("late")) == 0);
	OK(cb_newfile_commit(&f, &err) == 0 && access(in_dir("late"), F_OK) == 0);
	OK(cb_newfile_open(&f, in_dir("late"), 0644, true, &err) == 0 && unlink(in_dir("late")) == 0 &&
	   mkdir(in_dir("late"), 0755) == 0);
	OK_INT(code(cb_newfile_commit(&f, &err)), CB_E_CANTCREAT);
}

static void new_files(void)
{
	struct cb_newfile f = CB_NEWFILE_INIT;
	uint8_t *text = NULL;
	size_t n;

	OK(cb_newfile_write(in_dir("n"), 0644, false, "one", 3, &err) == 0);
	OK_INT(code(cb_newfile_write(in_dir("n"), 0644, false, "two", 3, &err)), CB_E_CANTCREAT);
	OK(cb_newfile_write(in_dir("n"), 0644, true, "three", 5, &err) == 0);
	OK(cb_file_read(in_dir("n"), 10, &text, &n, &err) == 0 && n == 5);
	free(text);
	OK_INT(code(cb_newfile_write(in_dir("no/n"), 0644, true, "x", 1, &err)), CB_E_CANTCREAT);
	OK_INT(code(cb_newfile_write(dir, 0644, true, "x", 1, &err)), CB_E_CANTCREAT);
	OK(cb_newfile_open(&f, in_dir("m"), 0644, false, &err) == 0);
	/* somebody takes the name meanwhile */
	OK(cb_newfile_write(in_dir("m"), 0644, false, "x", 1, &err) == 0);
	OK_INT(code(cb_newfile_commit(&f, &err)), CB_E_CANTCREAT);
	OK(cb_newfile_open(&f, in_dir("o"), 0644, true, &err) == 0);
	cb_newfile_release(&f);
	cb_newfile_release(&f);
}

int main(void)
{
	char cmd[64];

	if (!mkdtemp(dir))
		return 1;
	base64();
	stock_minisign();
	sshsig();
	bech32();
	own_keys();
	new_files();
	killed_while_replacing();
	replaced();
	/* nothing temporary is left */
	snprintf(cmd, sizeof(cmd), "! ls -A %s | grep -q tmp", dir);
	OK(system(cmd) == 0);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	OK(system(cmd) == 0);
	return done();
}
