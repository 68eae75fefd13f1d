/* SPDX-License-Identifier: Apache-2.0 */
/* Byte layouts shared by the reader and the writer; cb-frame(5) has the tables. */
#ifndef CB_WIRE_FRAME_PRIV_H
#define CB_WIRE_FRAME_PRIV_H

#include "wire/frame.h"

#define CB_HELLO_LEN (24 + 2 * (CB_NAME_MAX + 1))
#define CB_GAP_FIXED 40
#define CB_GAP_LEN_MAX (CB_GAP_FIXED + 255)
#define CB_END_LEN 32

void cb_hello_put(uint8_t out[static CB_HELLO_LEN], const struct cb_hello *h);
void cb_stream_put(uint8_t out[static CB_STREAM_FIXED], const struct cb_stream *s);
void cb_packet_put(uint8_t out[static CB_PACKET_FIXED], const struct cb_packet *k);
void cb_picture_put(uint8_t out[static CB_PICTURE_FIXED], const struct cb_picture_frame *p);
size_t cb_gap_put(uint8_t out[static CB_GAP_LEN_MAX], const struct cb_gap *g);
void cb_end_put(uint8_t out[static CB_END_LEN], const struct cb_end *e);

void cb_header_put(uint8_t out[static CB_FRAME_HDR], uint8_t type, uint16_t flags, uint16_t stream,
		   uint32_t len, uint64_t seq, uint32_t payload_crc);
/* NULL and the fields, or why it is no good header. */
const char *cb_header_get(const uint8_t p[static CB_FRAME_HDR], struct cb_frame *f,
			  uint32_t *payload_crc);

#endif
