/* SPDX-License-Identifier: Apache-2.0 */
/* TLS to a server that is verified, over a connected socket. There is no way not to verify,
 * and no server side.
 *
 * TLS 1.3 or 1.2 (RFC 8446, RFC 5246 with renegotiation refused), by GnuTLS. A server is believed
 * (struct cb_tls_trust) for one of these reasons, or for both where both are asked for:
 * - a chain of certificates (RFC 5280) to one of a file, or of the system's, that is in force now,
 *   made for servers, no weaker than 112 bits (RSA 2048), and that names the host: a DNS name, or
 *   for an address the IP address, among its subjectAltNames (RFC 6125; with no such name there,
 *   the common name);
 * - a pin: the SHA-256 of its SubjectPublicKeyInfo (RFC 7469, 2.4). A pin without a file of
 *   certificates stands alone: a self-signed certificate with that key is what was meant,
 *   whatever name and dates it has.
 * Nobody is asked whether a certificate was revoked: that needs others on the network.
 *
 * The socket is the caller's, non-blocking, and stays open. Functions that would wait say
 * which way: poll for that, then call again with the same arguments; or use the ..._until forms,
 * which wait themselves. One thread at a time.
 */
#ifndef CB_TLS_TLS_H
#define CB_TLS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* --- whom to believe ------------------------------------------------------------------------
 * Loaded before the first connection, and before a sandbox; needed until the handshake is over.
 * The system's certificates are 4 MB in memory: free it then. */

struct cb_tls_trust;

/* ca_file: PEM certificates to trust instead of the system's, or NULL. pins: "sha256//BASE64" (as
 * curl takes them) or 64 hexadecimal digits, up to 8 between commas or semicolons, or NULL.
 * Errors: CB_E_NOINPUT, CB_E_PERM for the file; CB_E_DATA where there is no certificate in it;
 * CB_E_USAGE for what is no pin. */
int cb_tls_trust_load(struct cb_tls_trust **ret, const char *ca_file, const char *pins,
		      struct cb_err *err);
void cb_tls_trust_free(struct cb_tls_trust *t);
/* Is this a list of pins? */
bool cb_tls_pins_ok(const char *pins);

/* Our own certificate and key for servers that want to know us, PEM; both files. For
 * connections begun with this trust from now on. Errors as above. */
int cb_tls_trust_own(struct cb_tls_trust *t, const char *cert_file, const char *key_file,
		     struct cb_err *err);

/* --- a connection --------------------------------------------------------------------------- */

struct cb_tls;

/* What the functions below return besides counts and -1: */
enum {
	CB_TLS_WANT_READ = -2,	/* again when the socket can be read */
	CB_TLS_WANT_WRITE = -3,	/* again when it can be written */
};

/* Begin; nothing is sent yet. host: the name or address as the user gave it. trust must live
 * until the handshake is over. */
int cb_tls_open(struct cb_tls **ret, int fd, const char *host, const struct cb_tls_trust *trust,
		struct cb_err *err);
/* 0: the server is who it should be, and data may go. CB_E_PERM: it cannot be believed (the
 * message says why, and which pin would fit); CB_E_PROTOCOL: no TLS, no version or cipher in
 * common; CB_E_UNAVAIL: the connection broke. */
int cb_tls_handshake(struct cb_tls *t, struct cb_err *err);
int cb_tls_handshake_until(struct cb_tls *t, int64_t deadline, struct cb_err *err);

/* Bytes read; 0: the server closed the connection and said so. A connection that ends without
 * that may have been cut by anybody: CB_E_UNAVAIL. */
ssize_t cb_tls_read(struct cb_tls *t, void *p, size_t n, struct cb_err *err);
/* Bytes that can be read without the socket having any. */
size_t cb_tls_pending(const struct cb_tls *t);
/* Bytes taken, which may be fewer than n. After CB_TLS_WANT_* call again with the same bytes. */
ssize_t cb_tls_write(struct cb_tls *t, const void *p, size_t n, struct cb_err *err);
/* Everything, or -1; CB_E_UNAVAIL when the time is up, CB_E_TEMP when asked to stop. */
int cb_tls_write_until(struct cb_tls *t, const void *p, size_t n, int64_t deadline,
		       struct cb_err *err);

/* "(TLS1.3)-(ECDHE-SECP256R1)-(ECDSA-SECP256R1-SHA256)-(AES-256-GCM)", after the handshake. */
const char *cb_tls_describe(const struct cb_tls *t);
/* Tell the server that nothing more comes, if the socket takes it at once. */
void cb_tls_bye(struct cb_tls *t);
void cb_tls_free(struct cb_tls *t);

#endif
