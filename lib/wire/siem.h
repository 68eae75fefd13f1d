/* SPDX-License-Identifier: Apache-2.0 */
/* Events in the languages that log collectors (SIEMs) read. Each is one line of UTF-8 without
 * LF; whatever an event holds is text in a field and can neither end the line nor the field.
 *
 *   rfc5424  syslog (RFC 5424): structured data "cb@PEN" with the envelope and "cbdata@PEN"
 *            with the fields of data; the message behind a byte order mark
 *   cef      ArcSight Common Event Format, revision 25
 *   leef     QRadar Log Event Extended Format 2.0, tab between attributes
 *   ocsf     Open Cybersecurity Schema Framework 1.3: an alert is a Detection Finding (2004),
 *            anything else a Base Event; what has no place there stands in unmapped
 *   ecs      Elastic Common Schema 8.11; the event's data under "cb"
 *   json     the event as it is
 *
 * Severities: an alert's own; 4 (warning) for what was lost or refused; else information. */
#ifndef CB_WIRE_SIEM_H
#define CB_WIRE_SIEM_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/event.h"

enum cb_siem { CB_SIEM_RFC5424, CB_SIEM_CEF, CB_SIEM_LEEF, CB_SIEM_OCSF, CB_SIEM_ECS, CB_SIEM_JSON };
#define CB_SIEM_NAMES "rfc5424|cef|leef|ocsf|ecs|json"	/* in their order, for cb_cli_word */

/* Private enterprise numbers name structured data (RFC 5424, section 7.2.2). There is none for
 * this project; 32473 is set aside for documentation (RFC 5612). */
#define CB_SIEM_PEN 32473u

struct cb_siem_about {
	const char *host;	/* HOSTNAME; NULL or "": "-" */
	uint32_t pen;		/* 0: CB_SIEM_PEN */
	uint8_t facility;	/* of syslog, 0 to 23: 13 is "log audit", 16 local0 */
	int64_t index;		/* of the entry in a log, -1: none */
};
/* Append ev in a format. line is its text, len bytes. -1: no memory. Fields beyond 64 and text
 * beyond 4000 bytes a field are left out of the syslog, CEF and LEEF lines. */
int cb_siem_put(struct cb_buf *out, enum cb_siem format, const struct cb_event *ev, const char *line, size_t len,
		const struct cb_siem_about *about, struct cb_err *err);

#endif
