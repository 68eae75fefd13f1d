/* SPDX-License-Identifier: Apache-2.0 */
/* lib/tls: who is believed, and who is not, against servers of OpenSSL with
 * certificates made here. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/net.h"
#include "base/time.h"
#include "tap.h"
#include "tls/tls.h"

#define LONG (30 * CB_NS_PER_S)

static struct cb_err err;
static char dir[] = "/tmp/cb-test-tls.XXXXXX";

/* --- other programs ---------------------------------------------------------------------------- */

static pid_t start(int out, char *const argv[])
{
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 0);
		dup2(out < 0 ? null : out, 1);
		dup2(null, 2);
		setenv("OPENSSL_CONF", "conf", 1);
		if (chdir(dir) == 0)
			execvp(argv[0], argv);
		_exit(127);
	}
	return pid;
}

/* Words between blanks, run to their end: the exit status. */
static int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void words(char *line, char *argv[40])
{
	int n = 0;

	for (char *save, *w = strtok_r(line, " ", &save); w && n < 39; w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	argv[n] = NULL;
}
static int run(const char *fmt, ...)
{
	char line[1024], *argv[40];
	int status = -1;
	va_list ap;
	pid_t pid;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	words(line, argv);
	pid = start(-1, argv);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void put(const char *name, const char *text)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (f) {
		fputs(text, f);
		fclose(f);
	}
}

static const char *in(const char *name)
{
	static char path[4][300];
	static unsigned n;
	char *p = path[n++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

/* NAME.pem and NAME.key; by: the CA's name, or NULL for a self-signed one. */
static bool certify(const char *name, const char *by, int days, const char *ext, bool rsa)
{
	put("ext", ext);
	if (run("openssl req -new -newkey %s -nodes -keyout %s.key -subj /CN=cb-%s -out %s.csr",
		rsa ? "rsa:1024" : "ec -pkeyopt ec_paramgen_curve:prime256v1", name, name, name))
		return false;
	return !(by ? run("openssl x509 -req -in %s.csr -CA %s.pem -CAkey %s.key -set_serial %d -days %d "
			  "-sha256 -extfile ext -out %s.pem", name, by, by, rand() % 1000000 + 1, days, name)
		    : run("openssl x509 -req -in %s.csr -signkey %s.key -days %d -sha256 -extfile ext -out %s.pem",
			  name, name, days, name));
}

#define CA "basicConstraints=critical,CA:true\nkeyUsage=keyCertSign\n"
#define HOST "basicConstraints=CA:false\nsubjectAltName=DNS:localhost,DNS:camera.example\n"
#define IP4 "basicConstraints=CA:false\nsubjectAltName=IP:127.0.0.1\n"

static bool certificates(void)
{
	srand(1);
	put("conf", "[req]\ndistinguished_name=dn\n[dn]\n");
	return certify("ca", NULL, 10, CA, false) && certify("otherca", NULL, 10, CA, false) &&
		certify("good", "ca", 10, HOST, false) && certify("ip", "ca", 10, IP4, false) &&
		certify("expired", "ca", -1, HOST, false) && certify("self", NULL, 10, HOST, false) &&
		certify("weak", "ca", 10, HOST, true) &&
		certify("client", "ca", 10, HOST "extendedKeyUsage=clientAuth\n", false) &&
		certify("notca", "good", 10, HOST, false) && certify("oldself", NULL, -1, IP4, false);
}

static bool digest_of_file(const char *name, char hex[65])
{
	/* openssl's own word on what the pin is: SHA-256 of the DER public key */
	uint8_t *p;
	size_t n;

	if (run("openssl pkey -in %s.key -pubout -outform DER -out pub", name) ||
	    run("openssl dgst -sha256 -r -out sum pub") ||
	    cb_file_read(in("sum"), 1000, &p, &n, NULL) < 0 || n < 64)
		return false;
	memcpy(hex, p, 64);
	hex[64] = '\0';
	free(p);
	return true;
}

/* A server whose first "ACCEPT HOST:PORT" says where it is. */
struct server {
	pid_t pid;
	int out;
	uint16_t port;
};

static struct server serve(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static struct server serve(const char *fmt, ...)
{
	char line[1024], *argv[40], text[4096];
	struct server s = { -1, -1, 0 };
	size_t n = 0;
	int p[2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	words(line, argv);
	if (pipe2(p, O_CLOEXEC) < 0)
		return s;
	s.pid = start(p[1], argv);
	close(p[1]);
	s.out = p[0];
	while (n < sizeof(text) - 1 && cb_net_wait(s.out, POLLIN, cb_now_mono_ns() + LONG)) {
		ssize_t r = read(s.out, text + n, sizeof(text) - 1 - n);
		const char *at, *colon;

		if (r <= 0)
			break;
		text[n += (size_t)r] = '\0';
		at = strstr(text, "ACCEPT ");
		if (at && strchr(at, '\n') && (colon = strrchr(at, ':'))) {
			s.port = (uint16_t)atoi(colon + 1);
			break;
		}
	}
	return s;
}

static void end(struct server *s)
{
	if (s->pid > 0) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
	}
	if (s->out >= 0)
		close(s->out);
	s->pid = s->out = -1;
}

/* --- connecting --------------------------------------------------------------------------------- */

/* The handshake's result; the connection, where it stands and is wanted. */
static int try(uint16_t port, const char *host, const char *ca, const char *pins, struct cb_tls **ret_tls, int *ret_fd)
{
	struct cb_tls_trust *trust = NULL;
	struct cb_net_addrs to;
	struct cb_tls *t = NULL;
	int fd = -1, r;

	err = (struct cb_err)CB_ERR_INIT;
	r = cb_tls_trust_load(&trust, ca ? in(ca) : NULL, pins, &err);
	if (!r)
		r = cb_net_resolve(&to, "127.0.0.1", port, SOCK_STREAM, &err);
	if (!r)
		r = cb_net_connect(&fd, &to, cb_now_mono_ns() + LONG, LONG, NULL, &err);
	if (!r)
		r = cb_tls_open(&t, fd, host, trust, &err);
	if (!r)
		r = cb_tls_handshake_until(t, cb_now_mono_ns() + LONG, &err);
	cb_tls_trust_free(trust);
	if (!r && ret_tls) {
		*ret_tls = t;
		*ret_fd = fd;
		return 0;
	}
	if (!r)
		cb_tls_bye(t);
	cb_tls_free(t);
	if (fd >= 0)
		close(fd);
	return r;
}

static bool says(const char *what)
{
	if (strstr(err.msg, what))
		return true;
	NOTE("message: %s", err.msg);
	return false;
}

#define SERVER "openssl s_server -accept 127.0.0.1:0 -rev "

static void who(void)
{
	char hex[65], pin[200];
	struct server s = serve(SERVER "-cert good.pem -key good.key");

	OK(s.port);
	OK(try(s.port, "localhost", "ca.pem", NULL, NULL, NULL) == 0);
	OK(try(s.port, "Camera.Example.", "ca.pem", NULL, NULL, NULL) == 0);
	OK(try(s.port, "camera.example.org", "ca.pem", NULL, NULL, NULL) < 0 && err.code == CB_E_PERM &&
	   says("another host"));
	OK(try(s.port, "127.0.0.1", "ca.pem", NULL, NULL, NULL) < 0 && err.code == CB_E_PERM && says("another host"));
	OK(try(s.port, "localhost", "otherca.pem", NULL, NULL, NULL) < 0 && err.code == CB_E_PERM &&
	   says("nobody trusted"));
	/* the system's certificates know nothing of it */
	if (access("/etc/ssl/certs/ca-certificates.crt", R_OK) == 0)
		OK(try(s.port, "localhost", NULL, NULL, NULL, NULL) < 0 && err.code == CB_E_PERM &&
		   says("nobody trusted"));
	/* pins: the right one alone, with a file, among others; the wrong one; both forms of writing */
	if (OK(digest_of_file("good", hex))) {
		OK(try(s.port, "other.example", NULL, hex, NULL, NULL) == 0);
		OK(try(s.port, "localhost", "ca.pem", hex, NULL, NULL) == 0);
		OK(try(s.port, "localhost", "otherca.pem", hex, NULL, NULL) < 0 && err.code == CB_E_PERM);
		snprintf(pin, sizeof(pin), "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=;%s", hex);
		OK(try(s.port, "x", NULL, pin, NULL, NULL) == 0);
		hex[0] = hex[0] == '0' ? '1' : '0';
		OK(try(s.port, "localhost", "ca.pem", hex, NULL, NULL) < 0 && err.code == CB_E_PERM &&
		   says("another key") && says("sha256//"));
		/* the message names the pin that fits, as it is taken */
		const char *shown = strstr(err.msg, "sha256//");
		if (OK(shown)) {
			snprintf(pin, sizeof(pin), "%.52s", shown);
			OK(try(s.port, "x", NULL, pin, NULL, NULL) == 0);
		}
	}
	end(&s);

	s = serve(SERVER "-cert ip.pem -key ip.key");
	OK(try(s.port, "127.0.0.1", "ca.pem", NULL, NULL, NULL) == 0);
	OK(try(s.port, "127.0.0.2", "ca.pem", NULL, NULL, NULL) < 0 && says("another host"));
	OK(try(s.port, "localhost", "ca.pem", NULL, NULL, NULL) < 0 && says("another host"));
	end(&s);
	s = serve(SERVER "-cert expired.pem -key expired.key");
	OK(try(s.port, "localhost", "ca.pem", NULL, NULL, NULL) < 0 && err.code == CB_E_PERM && says("expired"));
	end(&s);
	s = serve(SERVER "-cert self.pem -key self.key");
	OK(try(s.port, "localhost", "ca.pem", NULL, NULL, NULL) < 0 && err.code == CB_E_PERM && says("self-signed"));
	OK(try(s.port, "localhost", "self.pem", NULL, NULL, NULL) == 0);
	end(&s);
	s = serve(SERVER "-cert oldself.pem -key oldself.key");
	if (OK(digest_of_file("oldself", hex)))
		OK(try(s.port, "localhost", NULL, hex, NULL, NULL) == 0);
	end(&s);
	s = serve(SERVER "-cert client.pem -key client.key");
	OK(try(s.port, "localhost", "ca.pem", NULL, NULL, NULL) < 0 && says("not for servers"));
	end(&s);
	s = serve(SERVER "-cert notca.pem -key notca.key -cert_chain good.pem");
	OK(try(s.port, "localhost", "ca.pem", NULL, NULL, NULL) < 0 && err.code == CB_E_PERM);
	end(&s);
	s = serve(SERVER "-cert weak.pem -key weak.key -cipher DEFAULT:@SECLEVEL=0");
	if (s.port)
		OK(try(s.port, "localhost", "ca.pem", NULL, NULL, NULL) < 0 && says("weak"));
	else
		SKIP("this openssl serves no RSA 1024");
	end(&s);
}

static void versions(void)
{
	struct server s = serve(SERVER "-cert good.pem -key good.key -tls1_2");
	struct cb_tls *t;
	int fd;

	if (OK(try(s.port, "localhost", "ca.pem", NULL, &t, &fd) == 0)) {
		OK(strstr(cb_tls_describe(t), "TLS1.2"));
		cb_tls_free(t);
		close(fd);
	}
	end(&s);
	s = serve(SERVER "-cert good.pem -key good.key -tls1_1 -cipher DEFAULT:@SECLEVEL=0");
	if (s.port)
		OK(try(s.port, "localhost", "ca.pem", NULL, NULL, NULL) < 0 && err.code == CB_E_PROTOCOL &&
		   says("TLS 1.2"));
	else
		SKIP("this openssl has no TLS 1.1");
	end(&s);
	s = serve("openssl s_server -accept 127.0.0.1:0 -rev -nocert -cipher ALL:@SECLEVEL=0 -tls1_2");
	OK(try(s.port, "localhost", "ca.pem", NULL, NULL, NULL) < 0 && err.code == CB_E_PROTOCOL && says("refuses"));
	end(&s);
}

/* Bytes there and back; more than fits into a socket, so that reading and writing want waiting. */
static void echo(struct cb_tls *t, int fd, size_t total)
{
	char line[1024], back[4096];
	size_t sent = 0, got = 0, newlines = 0;

	memset(line, 'a', sizeof(line));
	line[1023] = '\n';
	while (got < total) {
		bool moved = false;
		ssize_t r;

		if (sent < total) {
			size_t at = sent % sizeof(line);

			r = cb_tls_write(t, line + at, sizeof(line) - at, &err);
			if (r == -1)
				break;
			if (r > 0) {
				sent += (size_t)r;
				moved = true;
			}
		}
		r = cb_tls_read(t, back, sizeof(back), &err);
		if (r == -1 || r == 0)
			break;
		if (r > 0) {
			for (ssize_t i = 0; i < r; i++)
				newlines += back[i] == '\n';
			got += (size_t)r;
			moved = true;
		}
		if (!moved && !cb_net_wait(fd, POLLIN, cb_now_mono_ns() + LONG))
			break;
	}
	OK_INT(got, total);
	OK_INT(newlines, total / sizeof(line));
}

static void traffic(void)
{
	struct server s = serve(SERVER "-cert good.pem -key good.key");
	struct cb_tls *t;
	char c;
	int fd;

	if (OK(try(s.port, "localhost", "ca.pem", NULL, &t, &fd) == 0)) {
		OK(strstr(cb_tls_describe(t), "TLS1.3"));
		OK(cb_tls_read(t, &c, 1, &err) == CB_TLS_WANT_READ);
		echo(t, fd, 1 << 20);
		OK(cb_tls_write_until(t, "hello\n", 6, cb_now_mono_ns() + LONG, &err) == 0);
		while (cb_tls_read(t, &c, 1, &err) == CB_TLS_WANT_READ && cb_net_wait(fd, POLLIN, cb_now_mono_ns() + LONG))
			;
		OK(c == 'o' && cb_tls_pending(t) == 5);
		/* killed: nobody said that this is the end */
		kill(s.pid, SIGKILL);
		waitpid(s.pid, NULL, 0);
		s.pid = -1;
		err = (struct cb_err)CB_ERR_INIT;
		ssize_t r;
		do {
			char rest[64];

			r = cb_tls_read(t, rest, sizeof(rest), &err);
			if (r == CB_TLS_WANT_READ && !cb_net_wait(fd, POLLIN, cb_now_mono_ns() + LONG))
				break;
		} while (r > 0 || r == CB_TLS_WANT_READ);
		OK(r == -1 && err.code == CB_E_UNAVAIL);
		cb_tls_bye(t);
		cb_tls_free(t);
		close(fd);
	}
	end(&s);
}

/* A server that wants a certificate of ours, and gets it or not. */
static void mutual(void)
{
	struct server s = serve(SERVER "-cert good.pem -key good.key -Verify 1 -CAfile ca.pem -verify_return_error -tls1_2");
	struct cb_tls_trust *trust = NULL;
	struct cb_net_addrs to;
	struct cb_tls *t = NULL;
	int fd;

	OK(try(s.port, "localhost", "ca.pem", NULL, NULL, NULL) < 0 && err.code == CB_E_PROTOCOL && says("refuses"));
	OK(cb_tls_trust_load(&trust, in("ca.pem"), NULL, &err) == 0);
	OK(cb_tls_trust_own(trust, in("client.pem"), in("good.key"), &err) < 0 && err.code == CB_E_DATA);
	OK(cb_tls_trust_own(trust, in("client.pem"), in("nothing"), &err) < 0 && err.code == CB_E_NOINPUT);
	OK(cb_tls_trust_own(trust, in("client.pem"), in("client.key"), &err) == 0);
	if (OK(cb_net_resolve(&to, "127.0.0.1", s.port, SOCK_STREAM, &err) == 0 &&
	       cb_net_connect(&fd, &to, cb_now_mono_ns() + LONG, 0, NULL, &err) == 0)) {
		OK(cb_tls_open(&t, fd, "localhost", trust, &err) == 0);
		OK(cb_tls_handshake_until(t, cb_now_mono_ns() + LONG, &err) == 0);
		cb_tls_free(t);
		close(fd);
	}
	cb_tls_trust_free(trust);
	end(&s);
}

/* Somebody who takes connections and speaks no TLS: silent, closing, or talking. */
static void no_tls(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static const char *const says_what[] = { "", "HTTP/1.1 400 Bad Request\r\n\r\n",
						 "RTSP/1.0 400 Bad Request\r\n\r\n", "\x16\x03\x01" };
	struct cb_tls_trust *trust = NULL;
	socklen_t len = sizeof(a);
	struct cb_net_addrs to;
	struct cb_tls *t;
	int c, peer;

	if (!OK(fd >= 0 && bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, 8) == 0 &&
		getsockname(fd, (struct sockaddr *)&a, &len) == 0))
		return;
	OK(cb_tls_trust_load(&trust, in("ca.pem"), NULL, &err) == 0);
	for (size_t i = 0; i < sizeof(says_what) / sizeof(*says_what); i++) {
		err = (struct cb_err)CB_ERR_INIT;
		if (!OK(cb_net_resolve(&to, "127.0.0.1", ntohs(a.sin_port), SOCK_STREAM, &err) == 0 &&
			cb_net_connect(&c, &to, cb_now_mono_ns() + LONG, 0, NULL, &err) == 0))
			break;
		peer = accept(fd, NULL, NULL);
		OK(cb_tls_open(&t, c, "localhost", trust, &err) == 0);
		OK(cb_tls_handshake(t, &err) == CB_TLS_WANT_READ);
		OK(write(peer, says_what[i], strlen(says_what[i])) >= 0 && shutdown(peer, SHUT_WR) == 0);
		OK(cb_tls_handshake_until(t, cb_now_mono_ns() + LONG, &err) == -1 &&
		   (err.code == CB_E_PROTOCOL || err.code == CB_E_UNAVAIL) && *err.msg);
		NOTE("%s", err.msg);
		cb_tls_free(t);
		close(c);
		close(peer);
	}
	/* silence ends at the deadline */
	if (OK(cb_net_connect(&c, &to, cb_now_mono_ns() + LONG, 0, NULL, &err) == 0)) {
		OK(cb_tls_open(&t, c, "localhost", trust, &err) == 0);
		OK(cb_tls_handshake_until(t, cb_now_mono_ns() + CB_NS_PER_S / 20, &err) == -1 &&
		   err.code == CB_E_UNAVAIL);
		cb_tls_free(t);
		close(c);
	}
	cb_tls_trust_free(trust);
	close(fd);
	/* and nobody at all */
	err = (struct cb_err)CB_ERR_INIT;
	OK(cb_net_connect(&c, &to, cb_now_mono_ns() + LONG, 0, NULL, &err) < 0 && err.code == CB_E_UNAVAIL &&
	   says("127.0.0.1:"));
}

static void arguments(void)
{
	static const char hex[] = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
	struct cb_tls_trust *t = NULL;
	char many[700];

	OK(cb_tls_pins_ok(hex));
	OK(cb_tls_pins_ok("sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
	OK(!cb_tls_pins_ok(""));
	OK(!cb_tls_pins_ok("sha256//AAAA"));
	OK(!cb_tls_pins_ok("sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA!="));
	OK(!cb_tls_pins_ok("sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,"));
	OK(!cb_tls_pins_ok(hex + 1));
	OK(!cb_tls_pins_ok("zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"));
	for (int n = 1; n <= 9; n++) {
		*many = '\0';
		for (int i = 0; i < n; i++) {
			strcat(many, i ? "," : "");
			strcat(many, hex);
		}
		OK(cb_tls_pins_ok(many) == (n <= 8));
	}
	err = (struct cb_err)CB_ERR_INIT;
	OK(cb_tls_trust_load(&t, NULL, "x", &err) < 0 && err.code == CB_E_USAGE && !t);
	OK(cb_tls_trust_load(&t, in("none.pem"), NULL, &err) < 0 && err.code == CB_E_NOINPUT && says("none.pem"));
	put("text.pem", "not a certificate\n");
	OK(cb_tls_trust_load(&t, in("text.pem"), NULL, &err) < 0 && err.code == CB_E_DATA && says("text.pem"));
	put("empty.pem", "");
	OK(cb_tls_trust_load(&t, in("empty.pem"), NULL, &err) < 0 && err.code == CB_E_DATA && !t);
	cb_tls_trust_free(NULL);
	cb_tls_free(NULL);
	OK(cb_net_is_ip("::1") && cb_net_is_ip("10.0.0.1") && !cb_net_is_ip("localhost") && !cb_net_is_ip(""));
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(dir))
		return 1;
	arguments();
	if (run("openssl version") != 0) {
		SKIP("openssl is not installed");
	} else if (OK(certificates())) {
		no_tls();
		who();
		versions();
		traffic();
		mutual();
	}
	run("rm -r %s", dir);
	return done();
}
