/* SPDX-License-Identifier: Apache-2.0 */
/* Sinks in a rules file, said again for the helper; texts of mails, networks and keys. */
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "crypto/webhook.h"
#include "deliver/conf.h"
#include "deliver/guard.h"
#include "deliver/mail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void conf(const uint8_t *data, size_t size)
{
	struct cb_deliver_conf *d = NULL, *again = NULL;
	struct cb_conf *c = NULL, *c2 = NULL;

	if (cb_conf_parse(&c, "f", data, size, NULL) == 0 &&
	    cb_deliver_conf_read(&d, c, cb_conf_root(c), NULL) == 0 && d) {
		/* what was right is right again, and the same */
		if (cb_conf_parse(&c2, "g", d->text.data, d->text.len, NULL) < 0 ||
		    cb_deliver_conf_read(&again, c2, cb_conf_root(c2), NULL) < 0 || again->n != d->n ||
		    again->text.len != d->text.len || memcmp(again->text.data, d->text.data, d->text.len) != 0)
			abort();
		for (uint32_t i = 0; i < d->n; i++)
			if (again->outlet[i].timeout_ns != d->outlet[i].timeout_ns ||
			    again->outlet[i].plain != d->outlet[i].plain || again->outlet[i].argv.n != d->outlet[i].argv.n)
				abort();
	}
	cb_deliver_conf_free(again);
	cb_conf_free(c2);
	cb_deliver_conf_free(d);
	cb_conf_free(c);
}

static void words(const char *text)
{
	struct cb_buf b = { 0 };
	size_t column = 0;

	if (cb_mail_words(&b, text) < 0)
		abort();
	for (size_t i = 0; i < b.len; i++) {
		uint8_t ch = b.data[i];

		if (ch == '\r') {
			if (i + 2 >= b.len || memcmp(b.data + i, "\r\n ", 3) != 0)
				abort();
			i++;
			column = 0;
		} else if (ch < 0x20 || ch > 0x7e || ++column > 75) {
			abort();
		}
	}
	cb_buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cb_webhook_key key;
	struct cb_cidr net;
	char *text;

	conf(data, size);
	text = malloc(size + 1);
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	words(text);
	if (cb_cidr_parse(text, &net) && (net.bits > 128 || !cb_cidr_has(&net, net.addr)))
		abort();
	if (cb_webhook_key_parse(&key, text, NULL) == 0 && (key.len < 24 || key.len > 64))
		abort();
	cb_outlet_header_ok(text);
	free(text);
	return 0;
}
