/* SPDX-License-Identifier: Apache-2.0 */
/* The uuid boxes: what the frame stream has and MP4 has not. Integers in them are
 * little-endian, as in the frame stream; the boxes around them are MP4's. */
#include "store/box.h"

#include <string.h>

#include "base/num.h"
#include "store/mp4.h"

static const uint8_t uuid_init[16] = { 0x9e, 0x24, 0xdf, 0x23, 0xc6, 0x77, 0x5c, 0xfe,
				       0xb7, 0xb6, 0xbe, 0x49, 0x18, 0x07, 0xc1, 0xbf };
static const uint8_t uuid_table[16] = { 0xe8, 0x1d, 0x2b, 0x56, 0xfb, 0xc2, 0x55, 0x06,
					0xb8, 0x67, 0x10, 0x2f, 0xbf, 0x19, 0xb8, 0x1c };
#define UUID_HDR 24
#define INIT_FIXED 12
#define TABLE_FIXED 16
#define VERSION 1

static int bad(struct cb_err *err, const char *why)
{
	return cb_err_set(err, CB_E_DATA, "%s", why);
}

int cb_init_put(struct cb_buf *b, const struct cb_init *in)
{
	size_t room = UUID_HDR + INIT_FIXED + in->hello_len, at;

	for (uint32_t i = 0; i < in->n; i++)
		room += 8 + in->stream[i].len;
	if (cb_buf_reserve(b, room) < 0)	/* nothing below can fail */
		return -1;
	at = cb_box_begin(b, "uuid");
	cb_buf_add(b, uuid_init, sizeof(uuid_init));
	cb_buf_le16(b, VERSION);
	cb_buf_le16(b, in->hello_flags);
	cb_buf_le32(b, in->hello_len);
	cb_buf_le32(b, in->n);
	cb_buf_add(b, in->hello, in->hello_len);
	for (uint32_t i = 0; i < in->n; i++) {
		cb_buf_le16(b, in->stream[i].stream);
		cb_buf_le16(b, in->stream[i].fresh);
		cb_buf_le32(b, in->stream[i].len);
		cb_buf_add(b, in->stream[i].payload, in->stream[i].len);
	}
	cb_box_end(b, at);
	return 0;
}

/* The payload of a box of this type at *pos: its bytes and length; *pos moves behind it. */
static const uint8_t *box_at(const uint8_t *p, size_t n, size_t *pos, const char type[static 4],
			     size_t *ret_len)
{
	size_t left = n - *pos, len;

	if (left < 8 || memcmp(p + *pos + 4, type, 4) != 0)
		return NULL;
	len = cb_be32(p + *pos);
	if (len < 8 || len > left)
		return NULL;
	p += *pos + 8;
	*pos += len;
	*ret_len = len - 8;
	return p;
}

static int init_body(struct cb_init *in, const uint8_t *p, size_t n, struct cb_err *err)
{
	struct cb_frame f = { 0 };
	struct cb_hello h;
	struct cb_stream s;
	uint32_t streams;

	if (n < INIT_FIXED || cb_le16(p) != VERSION)
		return bad(err, "init segment: its uuid box is of another version");
	in->hello_flags = cb_le16(p + 2);
	in->hello_len = cb_le32(p + 4);
	streams = cb_le32(p + 8);
	p += INIT_FIXED;
	n -= INIT_FIXED;
	if (in->hello_len > n || streams > CB_INIT_STREAMS)
		return bad(err, "init segment: lengths do not fit");
	in->hello = p;
	f = (struct cb_frame){ .type = CB_FRAME_HELLO, .flags = in->hello_flags, .payload = p,
			       .len = in->hello_len };
	if (cb_hello_parse(&h, &f, err) < 0)
		return cb_err_prefix(err, "init segment");
	p += in->hello_len;
	n -= in->hello_len;
	for (uint32_t i = 0; i < streams; i++) {
		struct cb_init_stream *k = &in->stream[i];

		if (n < 8)
			return bad(err, "init segment: lengths do not fit");
		k->stream = cb_le16(p);
		k->fresh = cb_le16(p + 2) & 1;
		k->len = cb_le32(p + 4);
		k->payload = p + 8;
		if (k->len > n - 8)
			return bad(err, "init segment: lengths do not fit");
		f = (struct cb_frame){ .type = CB_FRAME_STREAM, .stream = k->stream,
				       .payload = k->payload, .len = k->len };
		if (cb_stream_parse(&s, &f, err) < 0)
			return cb_err_prefix(err, "init segment");
		p += 8 + k->len;
		n -= 8 + k->len;
	}
	if (n)
		return bad(err, "init segment: lengths do not fit");
	in->n = streams;
	return 0;
}

int cb_init_parse(struct cb_init *ret, const uint8_t *p, size_t n, struct cb_err *err)
{
	const uint8_t *body;
	size_t pos = 0, len = 0;

	ret->n = 0;
	if (!box_at(p, n, &pos, "ftyp", &len) || !box_at(p, n, &pos, "moov", &len) ||
	    !(body = box_at(p, n, &pos, "uuid", &len)) || pos != n || len < 16 ||
	    memcmp(body, uuid_init, 16) != 0)
		return bad(err, "init segment: not ftyp, moov and our uuid box");
	return init_body(ret, body + 16, len - 16, err);
}

/* --- the packet table ------------------------------------------------------------------------ */

int cb_table_begin(struct cb_buf *b, uint32_t number, uint8_t flags, uint32_t n, size_t *at)
{
	if (cb_buf_reserve(b, UUID_HDR + TABLE_FIXED + (size_t)n * CB_ENTRY_LEN) < 0)
		return -1;
	*at = cb_box_begin(b, "uuid");
	cb_buf_add(b, uuid_table, sizeof(uuid_table));
	cb_buf_byte(b, VERSION);
	cb_buf_byte(b, flags);
	cb_buf_le16(b, 0);
	cb_buf_le32(b, number);
	cb_buf_le32(b, n);
	cb_buf_le32(b, CB_ENTRY_LEN);
	return 0;
}

void cb_table_entry_put(uint8_t out[static CB_ENTRY_LEN], const struct cb_table_entry *e)
{
	cb_put_le64(out, e->seq);
	cb_put_le16(out + 8, e->flags);
	cb_put_le16(out + 10, e->stream);
	cb_put_le32(out + 12, e->len);
	memcpy(out + 16, e->head, CB_PACKET_FIXED);
	memcpy(out + 16 + CB_PACKET_FIXED, e->digest, CB_SHA256_LEN);
}

void cb_table_end(struct cb_buf *b, size_t at)
{
	cb_box_end(b, at);
}

static void entry_get(struct cb_table_entry *e, const uint8_t *p)
{
	e->seq = cb_le64(p);
	e->flags = cb_le16(p + 8);
	e->stream = cb_le16(p + 10);
	e->len = cb_le32(p + 12);
	e->head = p + 16;
	e->digest = p + 16 + CB_PACKET_FIXED;
}

int cb_fragment_parse(struct cb_fragment_view *ret, const uint8_t *p, size_t n, struct cb_err *err)
{
	struct cb_frame f = { .type = CB_FRAME_PACKET, .len = CB_PACKET_FIXED };
	struct cb_fragment_view v = { 0 };
	struct cb_packet packet;
	const uint8_t *table, *data;
	size_t pos = 0, table_len = 0, moof_len = 0, len = 0;
	uint64_t sum = 0;
	struct cb_table_entry e;

	table = box_at(p, n, &pos, "uuid", &table_len);
	if (!table || table_len < 16 + TABLE_FIXED || memcmp(table, uuid_table, 16) != 0 ||
	    !box_at(p, n, &pos, "moof", &moof_len) || !(data = box_at(p, n, &pos, "mdat", &len)) ||
	    pos != n)
		return bad(err, "fragment: not our uuid box, moof and mdat");
	table += 16;
	if (table[0] != VERSION)
		return bad(err, "fragment: its uuid box is of another version");
	v.flags = table[1];
	v.number = cb_le32(table + 4);
	v.n = cb_le32(table + 8);
	if (cb_le32(table + 12) != CB_ENTRY_LEN ||
	    table_len - 16 - TABLE_FIXED != (uint64_t)v.n * CB_ENTRY_LEN)
		return bad(err, "fragment: the packet table's lengths do not fit");
	v.table = table + TABLE_FIXED;
	v.data = data;
	v.data_len = len;
	for (uint32_t i = 0; i < v.n; i++) {
		entry_get(&e, v.table + (size_t)i * CB_ENTRY_LEN);
		sum += e.len;
		if (e.len > CB_FRAME_MAX - CB_PACKET_FIXED)
			return bad(err, "fragment: a packet is longer than any frame");
		/* what is replayed must be a PACKET to its reader too */
		f.stream = e.stream;
		f.payload = e.head;
		if (cb_packet_parse(&packet, &f, err) < 0)
			return cb_err_prefix(err, "fragment");
	}
	if (sum != len)
		return bad(err, "fragment: the packets do not fill the mdat");
	*ret = v;
	return 0;
}

bool cb_fragment_next(struct cb_fragment_view *v, struct cb_table_entry *ret)
{
	if (v->i >= v->n)
		return false;
	entry_get(ret, v->table + (size_t)v->i * CB_ENTRY_LEN);
	ret->data = v->data + v->at;
	v->at += ret->len;
	v->i++;
	return true;
}

int cb_table_entry_frame(const struct cb_table_entry *e, struct cb_buf *scratch, struct cb_frame *ret)
{
	scratch->len = 0;
	if (cb_buf_reserve(scratch, (size_t)CB_PACKET_FIXED + e->len) < 0)
		return -1;
	cb_buf_add(scratch, e->head, CB_PACKET_FIXED);
	cb_buf_add(scratch, e->data, e->len);
	*ret = (struct cb_frame){ .type = CB_FRAME_PACKET, .flags = e->flags, .stream = e->stream,
				  .seq = e->seq, .payload = scratch->data,
				  .len = (uint32_t)scratch->len };
	return 0;
}
