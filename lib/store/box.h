/* SPDX-License-Identifier: Apache-2.0 */
/* The uuid boxes of a segment: everything of the frame stream that MP4 has no place for, so
 * that a replay gives back exactly what was recorded (cb-store(5) has the byte tables).
 *
 * An init segment is ftyp, moov and a uuid box with HELLO and STREAM payloads; a fragment is
 * a uuid box with the packet table, moof and mdat. Parsing bounds every length and keeps
 * pointers into the caller's bytes. */
#ifndef CB_STORE_BOX_H
#define CB_STORE_BOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "crypto/hash.h"
#include "wire/frame.h"

#define CB_INIT_STREAMS 256	/* STREAM frames that a segment can begin with */
#define CB_INIT_MAX (16u << 20)	/* bytes of an init segment */
#define CB_ENTRY_LEN (16 + CB_PACKET_FIXED + CB_SHA256_LEN)
#define CB_FRAGMENT_MAX (160u << 20)	/* bytes of a fragment */

enum {
	CB_FRAG_KEY = 1,	/* decoding can start with it */
	CB_FRAG_PARTIAL = 2,	/* ends before its group of pictures does */
	CB_FRAG_CLOCK = 4,	/* its wall times are the recorder's clock: the source gave none */
};

struct cb_init_stream {
	uint16_t stream;
	bool fresh;		/* a STREAM frame stood here; else it is the last one's, again */
	const uint8_t *payload;
	uint32_t len;
};
struct cb_init {
	uint16_t hello_flags;
	const uint8_t *hello;
	uint32_t hello_len, n;
	struct cb_init_stream stream[CB_INIT_STREAMS];
};

/* Append the uuid box. */
int cb_init_put(struct cb_buf *b, const struct cb_init *in);
/* Every payload is parsed as cb-frame(5) says. Errors: CB_E_DATA; ret->n is 0 then. */
int cb_init_parse(struct cb_init *ret, const uint8_t *p, size_t n, struct cb_err *err);

/* One packet of a fragment. */
struct cb_table_entry {
	uint64_t seq;		/* of the frame that brought it */
	uint16_t flags, stream;
	uint32_t len;
	const uint8_t *head;	/* CB_PACKET_FIXED bytes of the PACKET payload */
	const uint8_t *digest;	/* SHA-256 of the data */
	const uint8_t *data;	/* when reading */
};
/* The table's head, for n entries that the caller appends with cb_table_entry_put; cb_table_end then
 * closes the box that began at *at. */
int cb_table_begin(struct cb_buf *b, uint32_t number, uint8_t flags, uint32_t n, size_t *at);
void cb_table_entry_put(uint8_t out[static CB_ENTRY_LEN], const struct cb_table_entry *e);
void cb_table_end(struct cb_buf *b, size_t at);

struct cb_fragment_view {
	uint32_t number, n;
	uint8_t flags;
	const uint8_t *table, *data;	/* entries; the mdat's bytes */
	uint64_t data_len;
	/* private: the next entry */
	uint32_t i;
	uint64_t at;
};
int cb_fragment_parse(struct cb_fragment_view *ret, const uint8_t *p, size_t n, struct cb_err *err);
/* The next packet: true; false after the last. Lengths were checked by parse. */
bool cb_fragment_next(struct cb_fragment_view *v, struct cb_table_entry *ret);
/* A packet as the PACKET frame it came from; payload is made in scratch (emptied first). */
int cb_table_entry_frame(const struct cb_table_entry *e, struct cb_buf *scratch, struct cb_frame *ret);

#endif
