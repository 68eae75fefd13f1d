/* SPDX-License-Identifier: Apache-2.0 */
/* A note as a mail. */
#ifndef CB_DELIVER_MAIL_H
#define CB_DELIVER_MAIL_H

#include "deliver/outlet.h"

/* The whole message, CRLF at each line's end, appended: text of the sink's format and, where there
 * is one and the sink wants it, the thumbnail. */
int cb_mail_put(struct cb_outlet *o, struct cb_buf *b, const struct cb_spooled *note, struct cb_err *err);
/* Text as the words of a header (RFC 2047, "B" of UTF-8), each at most 75 characters, with what
 * steers terminals taken out; appended, no line end. */
int cb_mail_words(struct cb_buf *b, const char *text);

#endif
