/* SPDX-License-Identifier: Apache-2.0 */
/* GnuTLS, with the certificates looked at by ourselves: so the handshake's end says exactly why a
 * server is not believed, and what is trusted can leave the memory when it is over. */
#include "tls/tls.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/net.h"
#include "base/num.h"
#include "base/stop.h"

#define PINS_MAX 8
#define PIN_LEN 32
#define CA_FILE_MAX (16u << 20)
#define PIN_PREFIX "sha256//"

struct cb_tls_trust {
	gnutls_x509_trust_list_t list;	/* NULL: pins alone */
	gnutls_certificate_credentials_t own;
	uint8_t pin[PINS_MAX][PIN_LEN];
	unsigned pins;
};

struct cb_tls {
	gnutls_session_t session;
	gnutls_certificate_credentials_t none;	/* where we have no certificate */
	const struct cb_tls_trust *trust;
	int fd;
	bool done;
	char host[256], what[96];
};

/* --- pins ------------------------------------------------------------------------------------ */

static bool pin_parse(uint8_t out[static PIN_LEN], const char *s, size_t n)
{
	const size_t prefix = sizeof(PIN_PREFIX) - 1;
	char hex[2 * PIN_LEN + 1];
	gnutls_datum_t text, bin;
	bool good;

	if (n == 2 * PIN_LEN) {
		memcpy(hex, s, n);
		hex[n] = '\0';
		return cb_unhex(out, PIN_LEN, hex);
	}
	if (n != prefix + 44 || memcmp(s, PIN_PREFIX, prefix) != 0)
		return false;
	text = (gnutls_datum_t){ (unsigned char *)(uintptr_t)(s + prefix), 44 };
	if (gnutls_base64_decode2(&text, &bin) < 0)
		return false;
	good = bin.size == PIN_LEN;
	if (good)
		memcpy(out, bin.data, PIN_LEN);
	gnutls_free(bin.data);
	return good;
}

static void pin_text(char out[static 64], const uint8_t pin[static PIN_LEN])
{
	gnutls_datum_t bin = { (unsigned char *)(uintptr_t)pin, PIN_LEN }, text;

	snprintf(out, 64, "?");
	if (gnutls_base64_encode2(&bin, &text) < 0)
		return;
	snprintf(out, 64, PIN_PREFIX "%.*s", (int)text.size, (const char *)text.data);
	gnutls_free(text.data);
}

/* How many, or -1. */
static int pins_parse(uint8_t out[static PINS_MAX][PIN_LEN], const char *s)
{
	unsigned n = 0;

	for (;;) {
		size_t len = strcspn(s, ",;");

		if (n == PINS_MAX || !pin_parse(out[n++], s, len))
			return -1;
		if (!s[len])
			return (int)n;
		s += len + 1;
	}
}

bool cb_tls_pins_ok(const char *pins)
{
	uint8_t out[PINS_MAX][PIN_LEN];

	return pins_parse(out, pins) > 0;
}

/* --- trust ----------------------------------------------------------------------------------- */

static int load_file(gnutls_x509_trust_list_t list, const char *path, struct cb_err *err)
{
	gnutls_datum_t pem;
	uint8_t *p;
	size_t n;
	int r;

	if (cb_file_read(path, CA_FILE_MAX, &p, &n, err) < 0)
		return cb_err_prefix(err, "%s", path);
	pem = (gnutls_datum_t){ p, (unsigned)n };
	r = gnutls_x509_trust_list_add_trust_mem(list, &pem, NULL, GNUTLS_X509_FMT_PEM, 0, 0);
	free(p);
	if (r == GNUTLS_E_MEMORY_ERROR)
		return cb_err_nomem(err);
	if (r <= 0)
		return cb_err_set(err, CB_E_DATA, "%s: no certificate (PEM) in it that can be read", path);
	return 0;
}

static int load_system(gnutls_x509_trust_list_t list, struct cb_err *err)
{
	int r = gnutls_x509_trust_list_add_system_trust(list, 0, 0);

	if (r == GNUTLS_E_MEMORY_ERROR)
		return cb_err_nomem(err);
	if (r <= 0)
		return cb_err_set(err, CB_E_NOINPUT, "no trusted certificates on this system "
				  "(Debian package ca-certificates)");
	return 0;
}

int cb_tls_trust_load(struct cb_tls_trust **ret, const char *ca_file, const char *pins, struct cb_err *err)
{
	struct cb_tls_trust *t = calloc(1, sizeof(*t));
	int n = 0, r = 0;

	if (!t)
		return cb_err_nomem(err);
	if (pins) {
		n = pins_parse(t->pin, pins);
		if (n < 0) {
			cb_tls_trust_free(t);
			return cb_err_set(err, CB_E_USAGE, "not a pin: " PIN_PREFIX
					  "BASE64 or 64 hexadecimal digits, at most %d of them", PINS_MAX);
		}
		t->pins = (unsigned)n;
	}
	if (ca_file || !pins) {
		if (gnutls_x509_trust_list_init(&t->list, 0) < 0)
			r = cb_err_nomem(err);
		else
			r = ca_file ? load_file(t->list, ca_file, err) : load_system(t->list, err);
	}
	if (r < 0) {
		cb_tls_trust_free(t);
		return -1;
	}
	*ret = t;
	return 0;
}

int cb_tls_trust_own(struct cb_tls_trust *t, const char *cert_file, const char *key_file,
		     struct cb_err *err)
{
	gnutls_certificate_credentials_t own = NULL;
	uint8_t *cert = NULL, *key = NULL;
	gnutls_datum_t c, k;
	size_t n, m;
	int r = -1;

	if (cb_file_read(cert_file, CA_FILE_MAX, &cert, &n, err) < 0) {
		cb_err_prefix(err, "%s", cert_file);
		goto out;
	}
	if (cb_file_read(key_file, CA_FILE_MAX, &key, &m, err) < 0) {
		cb_err_prefix(err, "%s", key_file);
		goto out;
	}
	if (gnutls_certificate_allocate_credentials(&own) < 0) {
		cb_err_nomem(err);
		goto out;
	}
	c = (gnutls_datum_t){ cert, (unsigned)n };
	k = (gnutls_datum_t){ key, (unsigned)m };
	r = gnutls_certificate_set_x509_key_mem(own, &c, &k, GNUTLS_X509_FMT_PEM);
	if (r < 0) {
		r = cb_err_set(err, CB_E_DATA, "%s: does not go with %s: %s", key_file, cert_file,
			       gnutls_strerror(r));
		goto out;
	}
	if (t->own)
		gnutls_certificate_free_credentials(t->own);
	t->own = own;
	own = NULL;
	r = 0;
out:
	if (own)
		gnutls_certificate_free_credentials(own);
	if (key)
		explicit_bzero(key, m);
	free(key);
	free(cert);
	return r;
}

void cb_tls_trust_free(struct cb_tls_trust *t)
{
	if (!t)
		return;
	if (t->own)
		gnutls_certificate_free_credentials(t->own);
	if (t->list) {
		gnutls_x509_trust_list_deinit(t->list, 1);
		malloc_trim(0);
	}
	free(t);
}

/* --- who is it? ------------------------------------------------------------------------------- */

/* SHA-256 of the key of the server's certificate. */
static int key_digest(uint8_t out[static PIN_LEN], gnutls_x509_crt_t crt)
{
	size_t n = PIN_LEN;

	return gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, out, &n) < 0 || n != PIN_LEN ? -1 : 0;
}

/* The one thing of a status that a person wants to know first. */
static const char *why(unsigned status)
{
	static const struct { unsigned bit; const char *text; } reason[] = {
		{ GNUTLS_CERT_REVOKED, "its certificate is revoked" },
		{ GNUTLS_CERT_EXPIRED, "its certificate has expired" },
		{ GNUTLS_CERT_NOT_ACTIVATED, "its certificate is not valid yet" },
		{ GNUTLS_CERT_INSECURE_ALGORITHM, "its certificate is made with a weak key or signature" },
		{ GNUTLS_CERT_SIGNATURE_FAILURE, "a signature in its chain of certificates is wrong" },
		{ GNUTLS_CERT_PURPOSE_MISMATCH, "its certificate is not for servers" },
		{ GNUTLS_CERT_SIGNER_NOT_CA, "its certificate is signed by one that may not sign" },
		{ GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE, "its issuer may not sign such a certificate" },
		{ GNUTLS_CERT_SIGNER_NOT_FOUND, "nobody trusted has signed its certificate" },
		{ GNUTLS_CERT_UNEXPECTED_OWNER, "its certificate is for another host" },
	};

	for (size_t i = 0; i < sizeof(reason) / sizeof(*reason); i++)
		if (status & reason[i].bit)
			return reason[i].text;
	return "its certificate cannot be verified";
}

static int verify_chain(const struct cb_tls *t, gnutls_x509_crt_t *crt, unsigned n, const char *pin,
			struct cb_err *err)
{
	gnutls_typed_vdata_st about[2] = {
		{ GNUTLS_DT_DNS_HOSTNAME, (unsigned char *)(uintptr_t)t->host, 0 },
		{ GNUTLS_DT_KEY_PURPOSE_OID, (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_SERVER, 0 },
	};
	unsigned status = 0;
	int r = gnutls_x509_trust_list_verify_crt2(t->trust->list, crt, n, about, 2,
						   GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM),
						   &status, NULL);

	if (r < 0)
		return cb_err_set(err, r == GNUTLS_E_MEMORY_ERROR ? CB_E_OS : CB_E_PERM,
				  "the server's certificate cannot be verified: %s", gnutls_strerror(r));
	if (!status)
		return 0;
	return cb_err_set(err, CB_E_PERM, "the server is not trusted: %s (its key: %s)",
			  (status & GNUTLS_CERT_SIGNER_NOT_FOUND) && gnutls_x509_crt_check_issuer(crt[0], crt[0]) ?
			  "its certificate is self-signed" : why(status), pin);
}

#define CHAIN_MAX 16

static int verify(const struct cb_tls *t, struct cb_err *err)
{
	gnutls_x509_crt_t crt[CHAIN_MAX];
	const gnutls_datum_t *der;
	uint8_t pin[PIN_LEN];
	char text[64];
	unsigned n = 0, have = 0;
	bool fits = false;
	int r = -1;

	if (gnutls_certificate_type_get2(t->session, GNUTLS_CTYPE_SERVER) == GNUTLS_CRT_X509)
		der = gnutls_certificate_get_peers(t->session, &n);
	else
		der = NULL;
	if (!der || !n)
		return cb_err_set(err, CB_E_PERM, "the server shows no certificate");
	if (n > CHAIN_MAX)
		n = CHAIN_MAX;
	for (; have < n; have++) {
		if (gnutls_x509_crt_init(&crt[have]) < 0) {
			cb_err_nomem(err);
			goto out;
		}
		if (gnutls_x509_crt_import(crt[have], &der[have], GNUTLS_X509_FMT_DER) < 0) {
			have++;
			cb_err_set(err, CB_E_PERM, "the server's certificate cannot be read");
			goto out;
		}
	}
	if (key_digest(pin, crt[0]) < 0) {
		cb_err_set(err, CB_E_PERM, "the key in the server's certificate cannot be read");
		goto out;
	}
	pin_text(text, pin);
	for (unsigned i = 0; i < t->trust->pins; i++)
		fits |= memcmp(t->trust->pin[i], pin, PIN_LEN) == 0;
	if (t->trust->pins && !fits)
		cb_err_set(err, CB_E_PERM, "the server has another key than the pinned one: %s", text);
	else if (t->trust->list)
		r = verify_chain(t, crt, n, text, err);
	else
		r = 0;
out:
	while (have)
		gnutls_x509_crt_deinit(crt[--have]);
	return r;
}

/* --- a connection ------------------------------------------------------------------------------ */

int cb_tls_open(struct cb_tls **ret, int fd, const char *host, const struct cb_tls_trust *trust,
		struct cb_err *err)
{
	struct cb_tls *t;
	size_t len = strlen(host);

	if (!len || len >= sizeof(t->host))
		return cb_err_set(err, CB_E_USAGE, "not the name of a host");
	t = calloc(1, sizeof(*t));
	if (!t)
		return cb_err_nomem(err);
	t->fd = fd;
	t->trust = trust;
	memcpy(t->host, host, len);
	/* names in certificates have no dot at the end */
	if (t->host[len - 1] == '.')
		t->host[len - 1] = '\0';
	if (gnutls_init(&t->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS) < 0 ||
	    (!trust->own && gnutls_certificate_allocate_credentials(&t->none) < 0) ||
	    gnutls_priority_set_direct(t->session, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2", NULL) < 0 ||
	    gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, trust->own ? trust->own : t->none) < 0 ||
	    (!cb_net_is_ip(t->host) && gnutls_server_name_set(t->session, GNUTLS_NAME_DNS, t->host,
							      strlen(t->host)) < 0)) {
		cb_tls_free(t);
		return cb_err_set(err, CB_E_OS, "TLS cannot be set up");
	}
	gnutls_transport_set_int(t->session, fd);
	gnutls_handshake_set_timeout(t->session, GNUTLS_INDEFINITE_TIMEOUT);
	*ret = t;
	return 0;
}

static int want(const struct cb_tls *t)
{
	return gnutls_record_get_direction(t->session) ? CB_TLS_WANT_WRITE : CB_TLS_WANT_READ;
}

static bool again(int r)
{
	return r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED;
}

/* What went wrong, in terms of who is to blame. */
static int fail(const struct cb_tls *t, int r, struct cb_err *err)
{
	switch (r) {
	case GNUTLS_E_MEMORY_ERROR:
		return cb_err_nomem(err);
	case GNUTLS_E_PREMATURE_TERMINATION:
		return cb_err_set(err, CB_E_UNAVAIL, t->done ? "the connection was cut" :
				  "the server closed the connection in the handshake: no TLS there?");
	case GNUTLS_E_PULL_ERROR:
	case GNUTLS_E_PUSH_ERROR:
		return cb_err_sys(err, CB_E_UNAVAIL, errno, "the connection broke");
	case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
		return cb_err_set(err, CB_E_PROTOCOL, "the server has neither TLS 1.2 nor 1.3, or is none of TLS");
	case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
	case GNUTLS_E_UNEXPECTED_PACKET:
	case GNUTLS_E_RECORD_OVERFLOW:
		if (!t->done)
			return cb_err_set(err, CB_E_PROTOCOL, "the server does not speak TLS there");
		break;
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
		if (gnutls_alert_get(t->session) == GNUTLS_A_PROTOCOL_VERSION)
			return cb_err_set(err, CB_E_PROTOCOL, "the server has neither TLS 1.2 nor 1.3");
		return cb_err_set(err, CB_E_PROTOCOL, "the server refuses TLS: %s",
				  gnutls_alert_get_name(gnutls_alert_get(t->session)));
	}
	return cb_err_set(err, CB_E_PROTOCOL, "TLS: %s", gnutls_strerror(r));
}

int cb_tls_handshake(struct cb_tls *t, struct cb_err *err)
{
	char *desc;
	int r;

	if (t->done)
		return 0;
	do {
		errno = 0;
		r = gnutls_handshake(t->session);
	} while (r < 0 && !again(r) && !gnutls_error_is_fatal(r));
	if (again(r))
		return want(t);
	if (r < 0)
		return fail(t, r, err);
	if (verify(t, err) < 0) {
		gnutls_alert_send(t->session, GNUTLS_AL_FATAL, GNUTLS_A_BAD_CERTIFICATE);
		return -1;
	}
	desc = gnutls_session_get_desc(t->session);
	snprintf(t->what, sizeof(t->what), "%s", desc ? desc : "TLS");
	gnutls_free(desc);
	t->done = true;
	return 0;
}

/* Wait for what a function wants: 0, or -1 when the time is up or somebody asked to stop. */
static int wait_for(const struct cb_tls *t, int what, int64_t deadline, const char *doing, struct cb_err *err)
{
	if (cb_net_wait(t->fd, what == CB_TLS_WANT_READ ? POLLIN : POLLOUT, deadline))
		return 0;
	if (cb_stop_wanted())
		return cb_err_set(err, CB_E_TEMP, "%s: asked to stop", doing);
	return cb_err_sys(err, CB_E_UNAVAIL, ETIMEDOUT, "%s", doing);
}

int cb_tls_handshake_until(struct cb_tls *t, int64_t deadline, struct cb_err *err)
{
	int r;

	while ((r = cb_tls_handshake(t, err)) < -1)
		if (wait_for(t, r, deadline, "TLS handshake", err) < 0)
			return -1;
	return r;
}

ssize_t cb_tls_read(struct cb_tls *t, void *p, size_t n, struct cb_err *err)
{
	ssize_t r;

	if (!t->done)
		return cb_err_set(err, CB_E_BUG, "read before the TLS handshake");
	do {
		errno = 0;
		r = gnutls_record_recv(t->session, p, n);
		/* an old server's wish to renegotiate is refused, as RFC 9325 has it */
		if (r == GNUTLS_E_REHANDSHAKE)
			gnutls_alert_send(t->session, GNUTLS_AL_WARNING, GNUTLS_A_NO_RENEGOTIATION);
	} while (r < 0 && !again((int)r) && !gnutls_error_is_fatal((int)r));
	if (r >= 0)
		return r;
	return again((int)r) ? want(t) : fail(t, (int)r, err);
}

size_t cb_tls_pending(const struct cb_tls *t)
{
	return t->done ? gnutls_record_check_pending(t->session) : 0;
}

ssize_t cb_tls_write(struct cb_tls *t, const void *p, size_t n, struct cb_err *err)
{
	ssize_t r;

	if (!t->done)
		return cb_err_set(err, CB_E_BUG, "write before the TLS handshake");
	errno = 0;
	r = gnutls_record_send(t->session, p, n);
	if (r >= 0)
		return r;
	return again((int)r) ? want(t) : fail(t, (int)r, err);
}

int cb_tls_write_until(struct cb_tls *t, const void *p, size_t n, int64_t deadline, struct cb_err *err)
{
	const uint8_t *b = p;

	while (n) {
		ssize_t r = cb_tls_write(t, b, n, err);

		if (r == -1)
			return -1;
		if (r < 0) {
			if (wait_for(t, (int)r, deadline, "sending", err) < 0)
				return -1;
			continue;
		}
		b += r;
		n -= (size_t)r;
	}
	return 0;
}

const char *cb_tls_describe(const struct cb_tls *t)
{
	return t->what;
}

void cb_tls_bye(struct cb_tls *t)
{
	if (t->done)
		gnutls_bye(t->session, GNUTLS_SHUT_WR);
}

void cb_tls_free(struct cb_tls *t)
{
	if (!t)
		return;
	if (t->session)
		gnutls_deinit(t->session);
	if (t->none)
		gnutls_certificate_free_credentials(t->none);
	free(t);
}
