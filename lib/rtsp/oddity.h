/* SPDX-License-Identifier: Apache-2.0 */
/* What cameras do that their standards do not say, and that is put up with: each has a name,
 * which is interface (cb-event(5), cb.stream.oddity), a sentence for people, and a count.
 * Every part of lib/rtsp counts what it meets here; nothing is ever only tolerated.
 *
 * To add one: a line in the list, at the end of its part, and one in man/cb-event.5. */
#ifndef CB_RTSP_ODDITY_H
#define CB_RTSP_ODDITY_H

#include <stdbool.h>
#include <stdint.h>

/* X(enumerator, name, sentence) */
#define CB_ODDITIES(X) \
	/* session description */ \
	X(SDP_SYNTAX, "sdp-syntax", "lines of the session description that are none") \
	X(SDP_NO_VERSION, "sdp-no-version", "a session description that does not begin with v=0") \
	X(SDP_NO_ORIGIN, "sdp-no-origin", "a session description without origin") \
	X(SDP_BLANKS, "sdp-blanks", "blanks where none belong in the session description") \
	X(SDP_RTPMAP, "sdp-rtpmap", "an rtpmap that is missing or makes no sense") \
	X(SDP_FMTP, "sdp-fmtp", "an fmtp that is empty or makes no sense") \
	X(SDP_UNKNOWN_PAYLOAD, "sdp-unknown-payload", "a payload type that nothing explains") \
	X(SDP_LIMIT, "sdp-limit", "more in the session description than is looked at") \
	/* RTP and RTCP */ \
	X(RTP_MALFORMED, "rtp-malformed", "packets that are no RTP") \
	X(RTP_SSRC, "rtp-ssrc-changed", "another source began to send in the middle") \
	X(RTP_PAYLOAD_TYPE, "rtp-payload-type", "packets of a payload type that was not announced") \
	X(RTP_PADDING, "rtp-padding", "padding longer than its packet") \
	X(RTP_EXTENSION, "rtp-extension", "header extensions") \
	X(RTP_DUPLICATE, "rtp-duplicate", "packets that came twice") \
	X(RTP_REORDERED, "rtp-reordered", "packets that came late and were put in place") \
	X(RTP_LATE, "rtp-late", "packets that came too late") \
	X(RTP_RESTART, "rtp-sequence-jump", "sequence numbers that began anew") \
	X(RTP_EMPTY, "rtp-empty", "packets without payload") \
	X(RTP_LOST, "rtp-lost", "packets that never came") \
	X(RTCP_MALFORMED, "rtcp-malformed", "reports that are no RTCP") \
	X(RTCP_NOT_FIRST, "rtcp-order", "compound reports that do not begin with one of a sender or receiver") \
	/* time */ \
	X(TS_JUMP, "timestamp-jump", "timestamps that jump") \
	X(TS_REPEATED, "timestamp-repeated", "two pictures with one timestamp") \
	X(TS_BACKWARDS, "timestamp-backwards", "timestamps that go back further than reordering does") \
	X(SR_IMPLAUSIBLE, "sender-report-implausible", "sender reports whose clock cannot be") \
	/* payloads */ \
	X(AU_NO_MARKER, "marker-missing", "access units that end without a marker") \
	X(AU_EARLY_MARKER, "marker-early", "markers in the middle of an access unit") \
	X(AU_TOO_LARGE, "unit-too-large", "access units beyond the bound, cut") \
	X(AU_DAMAGED, "unit-damaged", "access units with parts missing") \
	X(SETS_OTHER_TS, "sets-other-timestamp", "parameter sets with another timestamp than their picture") \
	X(SETS_MISSING, "sets-missing", "pictures before the parameter sets that they need") \
	X(SETS_SDP, "sets-sdp", "parameter sets in the session description that cannot be read") \
	X(SETS_WRONG, "sets-wrong", "parameter sets in the stream that differ from the session description") \
	X(NAL_ANNEXB, "nal-annexb", "start codes inside payloads") \
	X(NAL_EMPTY, "nal-empty", "empty NAL units or fragments") \
	X(NAL_RESERVED, "nal-reserved", "reserved NAL unit types or bits") \
	X(FU_NO_START, "fragment-no-start", "fragments without a first one") \
	X(FU_NO_END, "fragment-no-end", "fragmented units without a last fragment") \
	X(FU_CHANGED, "fragment-changed", "fragments of one unit that name different types") \
	X(FU_BOTH, "fragment-whole", "fragments that are first and last at once") \
	X(AGGREGATE, "aggregate-cut", "aggregates whose lengths do not fit") \
	X(NAL_ORDER, "nal-order", "units that were sent in another order than they decode in") \
	X(JPEG_HEADER, "jpeg-header", "JPEG payloads whose header makes no sense") \
	X(AUDIO_HEADER, "audio-header", "audio payloads whose header makes no sense") \
	X(AUDIO_INTERLEAVED, "audio-interleaved", "audio units out of their order") \
	X(METADATA, "metadata", "metadata documents that are cut or are no XML") \
	/* RTSP */ \
	X(RTSP_JUNK, "rtsp-junk", "bytes between messages that belong to none") \
	X(RTSP_BLANK_LINES, "rtsp-blank-lines", "line ends between messages and frames") \
	X(RTSP_SYNTAX, "rtsp-syntax", "message lines that are none, end in LF alone, or have blanks where none belong") \
	X(RTSP_CSEQ, "rtsp-cseq", "answers without the number of a request, or with another one") \
	X(RTSP_CHANNEL, "rtsp-channel", "interleaved frames on a channel that was not assigned") \
	X(RTSP_EARLY_DATA, "rtsp-early-data", "media before the answer to PLAY") \
	X(RTSP_REQUEST, "rtsp-request", "requests from the camera") \
	X(RTSP_OPTIONS, "rtsp-options", "an OPTIONS request that is refused") \
	X(RTSP_CONTENT_TYPE, "rtsp-content-type", "a description that is not called one") \
	X(RTSP_CONTENT_BASE, "rtsp-content-base", "a base address that is none") \
	X(RTSP_SESSION, "rtsp-session", "a session whose name is missing, or changes") \
	X(RTSP_TRANSPORT, "rtsp-transport", "a Transport header that is missing or makes no sense") \
	X(RTSP_INFO, "rtsp-info", "an RTP-Info header that makes no sense") \
	X(RTSP_SETUP, "rtsp-setup", "a stream that was announced and then refused") \
	X(RTSP_RANGE, "rtsp-range", "a PLAY request that is refused with a range") \
	X(RTSP_KEEPALIVE, "rtsp-keepalive", "keep-alive requests that are refused or not answered") \
	X(RTSP_REDIRECT, "rtsp-redirect", "redirections, on the same host") \
	X(RTSP_BASIC, "rtsp-basic", "the password was wanted unencrypted") \
	X(UDP_REFUSED, "udp-refused", "UDP was asked for and refused: TCP instead") \
	X(UDP_SILENT, "udp-silent", "UDP was asked for and nothing came: TCP instead") \
	X(UDP_FOREIGN, "udp-foreign", "datagrams from somebody else") \
	X(CLOCK_NOTES, "clock-restless", "more to tell of clocks than sixty events a minute: not told")

enum cb_oddity {
#define CB_ODDITY_ENUM(id, name, text) CB_ODD_##id,
	CB_ODDITIES(CB_ODDITY_ENUM)
#undef CB_ODDITY_ENUM
	CB_ODD_COUNT
};

/* All zero: none yet. One a session, or one an elementary stream: the caller decides, and adds. */
struct cb_oddities {
	uint64_t n[CB_ODD_COUNT];
};

static inline void cb_odd(struct cb_oddities *o, enum cb_oddity what)
{
	o->n[what]++;
}
static inline void cb_odd_n(struct cb_oddities *o, enum cb_oddity what, uint64_t n)
{
	o->n[what] += n;
}
/* "marker-early"; "markers in the middle of an access unit". */
const char *cb_oddity_name(enum cb_oddity o);
const char *cb_oddity_text(enum cb_oddity o);

#endif
