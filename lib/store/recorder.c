/* SPDX-License-Identifier: Apache-2.0 */
/* The recorder: groups of pictures to fragments, fragments to segments, and what is to be
 * said about them. */
#include "store/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/time.h"
#include "store/events.h"
#include "store/mp4.h"
#include "store/segment.h"

#define TOOL "cb-record"
#define PARTIAL_NS (5 * CB_NS_PER_S)	/* a fragment waits for its keyframe so long */
#define SHORTEST_NS (CB_NS_PER_S / 2)	/* and several short groups share one */
#define FRAGMENT_BYTES (4u << 20)
#define FRAGMENT_PACKETS 16384
#define CLOCK_BACK_NS (5 * CB_NS_PER_S)	/* wall clock steps that begin a new segment */
#define CLOCK_AHEAD_NS (3600 * CB_NS_PER_S)
#define CLOCK_PACKETS 64		/* but at most one in so many packets */
#define GAPS_WAITING 16

struct record {
	uint16_t stream;
	bool fresh;
	uint8_t *payload;
	uint32_t len;
};

/* What is known of an elementary stream across segments. */
struct known {
	bool seen, warned;
	int8_t track;		/* index in the open segment, -1: none */
	bool timed;		/* wall and ts below are set */
	int64_t wall, ts;	/* of its last packet */
};

struct cb_recorder {
	const struct cb_store *s;
	struct cb_recorder_opts o;
	char camera[CB_NAME_MAX + 1];
	int lock;
	bool live, dead, started;
	struct cb_events *events;
	struct cb_hello hello;
	uint8_t hello_payload[256];
	uint32_t hello_len;
	uint16_t hello_flags;

	char recording[CB_RECORDING_LEN];
	int64_t recording_ns;
	uint32_t index;

	struct record rec[CB_INIT_STREAMS];
	uint32_t n_rec;
	struct known known[CB_STREAMS_MAX];
	struct cb_track track[CB_STREAMS_MAX];
	size_t n_tracks;
	int lead;

	bool open;			/* a segment is */
	struct cb_segment_writer w;
	struct cb_mp4_clock clock;
	int64_t seg_mono;
	struct cb_manifest_gap waiting[GAPS_WAITING];
	int n_waiting;

	/* the fragment being collected */
	struct cb_buf data, table, head;
	struct cb_sample *sample;
	uint32_t n, cap;
	struct cb_fragment frag;
	int64_t frag_mono, lead_end;
	uint64_t since_clock;

	int64_t last_sync, last_wall;
	struct cb_recorder_totals total;
};

/* --- events ------------------------------------------------------------------------------------- */

static void begin_event(struct cb_recorder *r, struct cb_jw *w, struct cb_buf *b, const char *type,
			const uint8_t *digest, int64_t ns, uint64_t index)
{
	char id[CB_EVENT_ID_LEN];

	cb_event_id(id, type, r->camera, digest, ns, r->recording, (uint32_t)index);
	cb_event_begin(w, b, TOOL, type, r->camera, ns, id);
}

/* Into the store, then out. A store that cannot take it does not silence the event. */
static int say(struct cb_recorder *r, struct cb_jw *w, struct cb_err *err)
{
	struct cb_err first = CB_ERR_INIT;

	if (cb_event_end(w, err) < 0)
		return -1;
	if (cb_events_add(r->events, r->camera, (const char *)w->b->data, w->b->len, &first) == 0)
		cb_events_flush(r->events, &first);
	if (r->o.event && r->o.event(r->o.ctx, w->b, err) < 0)
		return -1;
	if (first.code) {
		if (err)
			*err = first;
		return -1;
	}
	return 0;
}

static int64_t us(int64_t ns)
{
	return ns / CB_NS_PER_US - (ns % CB_NS_PER_US < 0);
}

/* A time that an event can carry: 0, unknown, for what no calendar has. */
static int64_t sane(int64_t ns)
{
	return ns < 0 ? 0 : ns;
}

static int say_gap(struct cb_recorder *r, uint16_t stream, const struct cb_gap *g, struct cb_err *err)
{
	int64_t from = sane(g->from_ns), to = sane(g->to_ns);
	struct cb_buf b = { 0 };
	struct cb_jw w;
	int ret;

	begin_event(r, &w, &b, "cb.gap", NULL, from ? from : r->last_wall, r->total.gaps);
	cb_jw_ku64(&w, "stream", stream);
	cb_jw_kstr(&w, "reason", cb_gap_reason_name(g->reason));
	if (from)
		cb_jw_ki64(&w, "from_us", us(from));
	if (to)
		cb_jw_ki64(&w, "to_us", us(to));
	/* counts are integers of JSON, exact below 2^53 */
	cb_jw_ku64(&w, "packets", g->packets >> 53 ? (UINT64_C(1) << 53) - 1 : g->packets);
	cb_jw_ku64(&w, "bytes", g->bytes >> 53 ? (UINT64_C(1) << 53) - 1 : g->bytes);
	cb_jw_kstr(&w, "text", g->text);
	r->total.gaps++;
	ret = say(r, &w, err);
	cb_buf_release(&b);
	return ret;
}

static void closed_fields(struct cb_jw *w, const struct cb_segment *g)
{
	char path[CB_SEGMENT_PATH], hex[CB_SHA256_HEX];

	cb_segment_path(path, g);
	cb_hex(hex, g->digest, CB_SHA256_LEN);
	cb_jw_kstr(w, "segment", path);
	cb_jw_kstr(w, "manifest_sha256", hex);
	cb_jw_ku64(w, "fragments", g->end.fragments);
	cb_jw_ku64(w, "packets", g->end.packets);
	cb_jw_ku64(w, "bytes", g->end.bytes);
	cb_jw_ki64(w, "from_us", us(g->end.from_ns));
	cb_jw_ki64(w, "to_us", us(g->end.to_ns));
	cb_jw_kstr(w, "reason", g->end.reason);
}

static int say_recovered(void *ctx, const struct cb_recovered *k, struct cb_err *err)
{
	struct cb_recorder *r = ctx;
	struct cb_buf b = { 0 };
	struct cb_jw w;
	int ret;

	begin_event(r, &w, &b, "cb.recording.recovered", k->segment.digest, k->segment.end.to_ns, 0);
	closed_fields(&w, &k->segment);
	cb_jw_ku64(&w, "lost_bytes", k->lost_bytes);
	cb_jw_ku64(&w, "lost_fragments", k->lost_fragments);
	ret = say(r, &w, err);
	cb_buf_release(&b);
	return ret;
}

/* started, stopped, suspended */
static int say_state(struct cb_recorder *r, const char *type, const char *reason, const char *text,
		     struct cb_err *err)
{
	struct cb_buf b = { 0 };
	struct cb_jw w;
	int ret;

	begin_event(r, &w, &b, type, NULL, r->last_wall, r->index);
	cb_jw_kstr(&w, "recording", r->recording);
	cb_jw_kbool(&w, "live", r->live);
	if (reason) {
		cb_jw_kstr(&w, "reason", reason);
		cb_jw_ku64(&w, "segments", r->total.segments);
		cb_jw_ku64(&w, "packets", r->total.packets);
		cb_jw_ku64(&w, "bytes", r->total.bytes);
		cb_jw_ku64(&w, "gaps", r->total.gaps);
	} else {
		cb_jw_kstr(&w, "producer", r->hello.producer);
	}
	if (text)
		cb_jw_kstr(&w, "text", text);
	ret = say(r, &w, err);
	cb_buf_release(&b);
	return ret;
}

/* --- the lock ------------------------------------------------------------------------------------- */

static int mark(struct cb_recorder *r, const char *text, struct cb_err *err)
{
	if (pwrite(r->lock, text, 7, 0) != 7 || fdatasync(r->lock) < 0)
		return cb_err_sys(err, cb_errc_write(errno), errno, "cameras/%s/lock", r->camera);
	return 0;
}

static int take_lock(struct cb_recorder *r, struct cb_err *err)
{
	int dir = cb_camera_open(r->s, r->camera, true, err);
	char text[8] = "";
	ssize_t n;

	if (dir < 0)
		return cb_err_prefix(err, "cameras");
	r->lock = openat(dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0640);
	close(dir);
	if (r->lock < 0)
		return cb_err_sys(err, errno == ENOSPC ? CB_E_IO : cb_errc_write(errno), errno,
				  "cameras/%s/lock", r->camera);
	if (flock(r->lock, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ?
		       cb_err_set(err, CB_E_TEMP, "camera %s: another recorder has it", r->camera) :
		       cb_err_sys(err, CB_E_IO, errno, "cameras/%s/lock", r->camera);
	n = pread(r->lock, text, 7, 0);
	if (n < 0)
		return cb_err_sys(err, CB_E_IO, errno, "cameras/%s/lock", r->camera);
	/* whoever ended properly left nothing to look for in all the days there are */
	if (strcmp(text, "closed\n") != 0 &&
	    cb_recover(r->s, r->camera, say_recovered, r, err) < 0)
		return -1;
	return mark(r, "open  \n", err);
}

/* --- open ----------------------------------------------------------------------------------------- */

int cb_recorder_open(struct cb_recorder **ret, const struct cb_store *s, const struct cb_frame *hello,
		     const struct cb_recorder_opts *o, struct cb_err *err)
{
	struct cb_recorder *r = calloc(1, sizeof(*r));

	if (!r)
		return cb_err_nomem(err);
	r->s = s;
	r->o = *o;
	r->lock = -1;
	r->w.dir = r->w.mp4 = r->w.manifest = -1;
	if (!r->o.fragment_bytes)
		r->o.fragment_bytes = FRAGMENT_BYTES;
	if (cb_hello_parse(&r->hello, hello, err) < 0)
		goto fail;
	if (hello->len > sizeof(r->hello_payload)) {
		cb_err_set(err, CB_E_BUG, "HELLO is longer than known");
		goto fail;
	}
	memcpy(r->hello_payload, hello->payload, hello->len);
	r->hello_len = hello->len;
	r->hello_flags = hello->flags;
	r->live = r->hello.live;
	snprintf(r->camera, sizeof(r->camera), "%s", o->camera ? o->camera : r->hello.camera);
	r->last_wall = r->hello.wall_source != CB_WALL_NONE ? r->hello.wall_ns : cb_now_wall_ns();
	r->last_sync = cb_now_mono_ns();
	if (cb_events_open(&r->events, s, false, err) < 0 || take_lock(r, err) < 0)
		goto fail;
	*ret = r;
	return 0;
fail:
	cb_recorder_free(r);
	return -1;
}

/* --- segments ------------------------------------------------------------------------------------- */

static int make_tracks(struct cb_recorder *r, struct cb_err *err)
{
	struct cb_frame f = { .type = CB_FRAME_STREAM };
	struct cb_stream s;
	char text[200];
	int8_t at[CB_STREAMS_MAX];

	memset(at, -1, sizeof(at));
	r->n_tracks = 0;
	r->lead = -1;
	for (uint32_t i = 0; i < r->n_rec; i++) {
		uint16_t k = r->rec[i].stream;

		f.stream = k;
		f.payload = r->rec[i].payload;
		f.len = r->rec[i].len;
		if (cb_stream_parse(&s, &f, err) < 0)
			return -1;
		if (at[k] < 0)
			at[k] = (int8_t)r->n_tracks++;
		cb_track_init(&r->track[at[k]], k, &s);
	}
	for (size_t i = 0; i < r->n_tracks; i++) {
		struct cb_track *t = &r->track[i];

		r->known[t->stream].track = (int8_t)i;
		if (t->s.kind == CB_VIDEO && r->lead < 0)
			r->lead = (int)i;
		if (!t->playable && t->s.kind != CB_DATA && !r->known[t->stream].warned && r->o.warn) {
			r->known[t->stream].warned = true;
			snprintf(text, sizeof(text), "stream %u: players cannot see %s in the store's files; "
				 "it is recorded and replayed all the same", t->stream, t->s.codec);
			r->o.warn(r->o.ctx, text);
		}
	}
	return 0;
}

static void make_ids(struct cb_recorder *r, uint32_t salt, bool anew, char id[static CB_ID_LEN])
{
	uint8_t sum[CB_SHA256_LEN], num[16];
	struct cb_sha256 h;

	cb_sha256_init(&h);
	if (anew) {
		cb_sha256_update(&h, r->camera, strlen(r->camera) + 1);
		cb_sha256_update(&h, r->hello_payload, r->hello_len);
		cb_put_le64(num, (uint64_t)r->recording_ns);
		cb_put_le32(num + 8, salt);
		cb_sha256_update(&h, num, 12);
		cb_sha256_final(&h, sum);
		cb_hex(r->recording, sum, (CB_RECORDING_LEN - 1) / 2);
		salt = 0;
	}
	cb_sha256_update(&h, r->recording, CB_RECORDING_LEN);
	cb_put_le32(num, r->index);
	cb_put_le32(num + 4, salt);
	cb_sha256_update(&h, num, 8);
	cb_sha256_final(&h, sum);
	cb_hex(id, sum, (CB_ID_LEN - 1) / 2);
}

static int put_head(struct cb_recorder *r, struct cb_buf *b, const char *id, int64_t wall)
{
	struct cb_manifest m = { .index = r->index, .start_ns = wall, .recording_ns = r->recording_ns };

	memcpy(m.camera, r->camera, sizeof(m.camera));
	memcpy(m.id, id, sizeof(m.id));
	memcpy(m.recording, r->recording, sizeof(m.recording));
	m.sealed = r->w.key;
	if (m.sealed)
		memcpy(m.key, r->w.key->name, sizeof(m.key));
	b->len = 0;
	if (cb_manifest_put_head(b, &m, r->hello.producer, r->o.recorder) < 0)
		return -1;
	for (size_t i = 0; i < r->n_tracks; i++)
		if (cb_manifest_put_stream(b, r->track[i].stream, &r->track[i].s,
					   r->track[i].playable) < 0)
			return -1;
	return 0;
}

static int put_init(struct cb_recorder *r, struct cb_buf *b)
{
	struct cb_init in = { .hello_flags = r->hello_flags, .hello = r->hello_payload,
			      .hello_len = r->hello_len, .n = r->n_rec };

	for (uint32_t i = 0; i < r->n_rec; i++)
		in.stream[i] = (struct cb_init_stream){ r->rec[i].stream, r->rec[i].fresh,
							r->rec[i].payload, r->rec[i].len };
	b->len = 0;
	return cb_mp4_init(b, r->track, r->n_tracks) < 0 || cb_init_put(b, &in) < 0 ? -1 : 0;
}

static int open_segment(struct cb_recorder *r, int64_t wall, struct cb_err *err)
{
	struct cb_buf init = { 0 }, head = { 0 };
	struct cb_segment *g = &r->w.seg;
	char hms[7], id[CB_ID_LEN];
	int ret = -1;

	if (make_tracks(r, err) < 0)
		return -1;
	if (!r->started)
		r->recording_ns = wall;
	memset(g, 0, sizeof(*g));
	memcpy(g->camera, r->camera, sizeof(g->camera));
	cb_time_format_day(g->day, wall);
	cb_time_format_hms(hms, wall);
	if (put_init(r, &init) < 0) {
		cb_err_nomem(err);
		goto out;
	}
	if (init.len > CB_INIT_MAX) {
		cb_err_set(err, CB_E_DATA, "the streams' parameters are larger than %u bytes", CB_INIT_MAX);
		goto out;
	}
	if (r->o.seal && cb_sealer_day(r->o.seal, r->camera, g->day, &r->w.key, err) < 0)
		goto out;
	/* a second recording of the same footage has another id, and so another name */
	for (uint32_t salt = 0;; salt++) {
		struct cb_err why = CB_ERR_INIT;

		make_ids(r, salt, !r->started, id);
		snprintf(g->name, sizeof(g->name), "%s-%s", hms, id);
		g->index = r->index;
		g->start_ns = wall;
		g->recording_ns = r->recording_ns;
		memcpy(g->recording, r->recording, sizeof(g->recording));
		if (put_head(r, &head, id, wall) < 0) {
			cb_err_nomem(err);
			goto out;
		}
		if (cb_segment_writer_open(&r->w, r->s, &init, &head, &why) == 0)
			break;
		if (why.sys != EEXIST || salt == 1000000) {
			if (err)
				*err = why;
			goto out;
		}
	}
	r->open = true;
	r->clock.set = false;
	r->seg_mono = cb_now_mono_ns();
	r->last_sync = r->seg_mono;
	if (!r->started) {
		r->started = true;
		r->last_wall = wall;
		if (say_state(r, "cb.recording.started", NULL, NULL, err) < 0)
			goto out;
	}
	for (int i = 0; i < r->n_waiting; i++)
		if (cb_segment_writer_gap(&r->w, &r->waiting[i], err) < 0)
			goto out;
	r->n_waiting = 0;
	ret = 0;
out:
	cb_sealer_settle(r->o.seal);
	cb_buf_release(&init);
	cb_buf_release(&head);
	return ret;
}

static int seal_segment(struct cb_recorder *r, const char *reason, struct cb_err *err)
{
	struct cb_buf b = { 0 };
	struct cb_jw w;
	int ret;

	if (!r->open)
		return 0;
	r->open = false;
	r->index++;
	for (uint32_t i = 0; i < r->n_rec; i++)	/* the next one begins with the same streams */
		r->rec[i].fresh = false;
	for (uint32_t i = 0; i + 1 < r->n_rec;) {	/* and only with the last word on each */
		bool again = false;

		for (uint32_t k = i + 1; k < r->n_rec; k++)
			again |= r->rec[k].stream == r->rec[i].stream;
		if (!again) {
			i++;
			continue;
		}
		free(r->rec[i].payload);
		memmove(&r->rec[i], &r->rec[i + 1], (--r->n_rec - i) * sizeof(r->rec[0]));
	}
	if (cb_segment_writer_seal(&r->w, reason, err) < 0)
		return -1;
	r->total.segments++;
	begin_event(r, &w, &b, "cb.segment.closed", r->w.seg.digest, r->w.seg.end.to_ns, r->w.seg.index);
	closed_fields(&w, &r->w.seg);
	ret = say(r, &w, err);
	cb_buf_release(&b);
	return ret;
}

/* A failed write: keep what is good, say so, be done. Returns -1 with the first error. */
static int fail(struct cb_recorder *r, struct cb_err *err)
{
	struct cb_err first = err ? *err : (struct cb_err)CB_ERR_INIT;

	if (r->dead)
		return -1;
	r->dead = true;
	r->n = 0;
	if (r->started) {
		if (r->open)
			seal_segment(r, "error", NULL);
		say_state(r, "cb.recording.suspended", "error", first.msg, NULL);
	}
	if (err)
		*err = first;
	return -1;
}

/* --- fragments ------------------------------------------------------------------------------------ */

static int sync_now(struct cb_recorder *r, struct cb_err *err)
{
	r->last_sync = cb_now_mono_ns();
	return r->open ? cb_segment_writer_sync(&r->w, err) : 0;
}

static int write_fragment(struct cb_recorder *r, bool partial, struct cb_err *err)
{
	struct iovec iov[2];
	size_t at;

	if (!r->n)
		return 0;
	if (partial)
		r->frag.flags |= CB_FRAG_PARTIAL;
	r->head.len = 0;
	if (cb_table_begin(&r->head, r->w.next, r->frag.flags, r->n, &at) < 0 ||
	    cb_buf_add(&r->head, r->table.data, r->table.len) < 0)
		return cb_err_nomem(err);
	cb_table_end(&r->head, at);
	if (cb_mp4_fragment(&r->head, r->w.next, r->track, r->n_tracks, r->sample, r->n, &r->clock) < 0)
		return cb_err_nomem(err);
	iov[0] = (struct iovec){ r->head.data, r->head.len };
	iov[1] = (struct iovec){ r->data.data, r->data.len };
	r->frag.packets = r->n;
	if (r->frag.pts != CB_NOPTS && r->lead_end > r->frag.pts)
		r->frag.duration = r->lead_end - r->frag.pts;
	if (cb_segment_writer_fragment(&r->w, iov, 2, &r->frag, err) < 0)
		return -1;
	r->total.packets += r->n;
	r->total.bytes += r->data.len;
	r->total.fragments++;
	r->n = 0;
	r->data.len = r->table.len = 0;
	if (cb_now_mono_ns() - r->last_sync >= r->o.sync_ns)
		return sync_now(r, err);
	return 0;
}

/* ticks to ns, saturating. */
static int64_t to_ns(const struct cb_stream *s, int64_t ticks)
{
	__int128 v = (__int128)ticks * s->tb_num * CB_NS_PER_S / s->tb_den;

	return v > INT64_MAX / 4 ? INT64_MAX / 4 : v < INT64_MIN / 4 ? INT64_MIN / 4 : (int64_t)v;
}

/* The wall time of a packet: what it says; where it says nothing, the last one's of its stream
 * plus the media time between; for a first one, the recorder's clock. */
static int64_t wall_of(struct cb_recorder *r, const struct cb_track *t, const struct cb_packet *p,
		       bool *own)
{
	struct known *k = &r->known[t->stream];
	int64_t ts = p->dts != CB_NOPTS ? p->dts : p->pts, wall, step;

	*own = p->wall_source == CB_WALL_NONE;
	if (!*own) {
		wall = p->wall_ns;
	} else if (!k->timed) {
		wall = r->last_wall;
	} else {
		wall = k->wall;
		if (ts != CB_NOPTS && k->ts != CB_NOPTS) {
			step = to_ns(&t->s, (int64_t)((uint64_t)ts - (uint64_t)k->ts));
			if (step > 0 && step < CLOCK_AHEAD_NS)
				wall += step;
		} else {
			wall += to_ns(&t->s, p->duration < INT32_MAX ? p->duration : 0);
		}
	}
	if (wall < 0)
		wall = 0;
	if (wall > INT64_MAX / 2)
		wall = INT64_MAX / 2;
	return wall;
}

static int append(struct cb_recorder *r, int track, const struct cb_frame *f, const struct cb_packet *p,
		  int64_t wall, bool own_clock, struct cb_err *err)
{
	struct cb_track *t = &r->track[track];
	uint8_t digest[CB_SHA256_LEN], entry[CB_ENTRY_LEN];
	struct cb_table_entry e = { .seq = f->seq, .flags = f->flags, .stream = f->stream, .len = p->len,
			      .head = f->payload, .digest = digest };
	int64_t end;

	if (r->n == r->cap) {
		uint32_t cap = r->cap ? 2 * r->cap : 64;
		void *s = realloc(r->sample, cap * sizeof(*r->sample));

		if (!s)
			return cb_err_nomem(err);
		r->sample = s;
		r->cap = cap;
	}
	cb_sha256(digest, p->data, p->len);
	cb_table_entry_put(entry, &e);
	if (cb_buf_reserve(&r->data, p->len) < 0 || cb_buf_add(&r->table, entry, sizeof(entry)) < 0)
		return cb_err_nomem(err);
	cb_buf_add(&r->data, p->data, p->len);
	if (!r->n) {
		bool key = p->flags & CB_F_KEY;

		r->frag = (struct cb_fragment){ .pts = CB_NOPTS, .wall_ns = wall, .wall_to_ns = wall,
						.flags = key && (r->lead < 0 || r->lead == track) ?
							 CB_FRAG_KEY : 0 };
		r->frag_mono = cb_now_mono_ns();
		r->lead_end = INT64_MIN;
	}
	r->sample[r->n++] = (struct cb_sample){ (uint16_t)track, f->flags, p->len, p->pts, p->dts,
						p->duration };
	if (own_clock)
		r->frag.flags |= CB_FRAG_CLOCK;
	if (wall < r->frag.wall_ns)
		r->frag.wall_ns = wall;
	end = wall + (p->duration < INT32_MAX ? to_ns(&t->s, p->duration) : 0);
	if (end > r->frag.wall_to_ns)
		r->frag.wall_to_ns = end;
	if (end > r->last_wall || r->last_wall - end > CLOCK_BACK_NS)
		r->last_wall = end;
	if (track == (r->lead < 0 ? 0 : r->lead) && p->pts != CB_NOPTS) {
		if (r->frag.pts == CB_NOPTS || p->pts < r->frag.pts)
			r->frag.pts = p->pts;
		if (!__builtin_add_overflow(p->pts, p->duration, &end) && end > r->lead_end)
			r->lead_end = end;
	}
	return 0;
}

/* May the packet stand in the fragment that is being collected? If not, that one is written,
 * and if its segment is long enough, sealed. */
static int make_room(struct cb_recorder *r, int track, const struct cb_packet *p, int64_t wall,
		     bool stepped, struct cb_err *err)
{
	int64_t now = cb_now_mono_ns(), span = wall - r->frag.wall_ns, length;
	bool begins = (r->lead < 0 || track == r->lead) && (p->flags & CB_F_KEY);
	bool full, due;

	if (!r->open)
		return 0;
	if (r->n) {
		if (span < 0)
			span = 0;
		if (r->live && now - r->frag_mono > span)
			span = now - r->frag_mono;
		full = span >= PARTIAL_NS || r->n >= FRAGMENT_PACKETS ||
		       r->data.len + p->len > r->o.fragment_bytes;
		due = begins && (span >= (r->lead < 0 ? CB_NS_PER_S : SHORTEST_NS) ||
				 r->data.len >= r->o.fragment_bytes / 4);
		length = wall - r->w.seg.start_ns;
		if (r->live && now - r->seg_mono > length)
			length = now - r->seg_mono;
		/* a segment that is long enough ends at any keyframe, however short the fragment */
		due |= begins && length >= r->o.segment_ns;
		if (!full && !due && !stepped)
			return 0;
		if (write_fragment(r, !begins && r->lead >= 0, err) < 0)
			return -1;
	}
	length = wall - r->w.seg.start_ns;
	if (r->live && now - r->seg_mono > length)
		length = now - r->seg_mono;
	if (stepped)
		return seal_segment(r, "clock", err);
	if (begins && length >= r->o.segment_ns)
		return seal_segment(r, "length", err);
	if (length >= CB_SEGMENT_NS_MAX)
		return seal_segment(r, "length", err);
	return 0;
}

static int on_packet(struct cb_recorder *r, const struct cb_frame *f, struct cb_err *err)
{
	struct cb_packet p;
	struct known *k;
	bool own, stepped;
	int64_t wall;

	if (cb_packet_parse(&p, f, err) < 0)
		return -1;
	k = &r->known[f->stream];
	if (!k->seen)
		return cb_err_set(err, CB_E_DATA, "a packet of stream %u before its STREAM", f->stream);
	if (!r->open && make_tracks(r, err) < 0)
		return -1;
	wall = wall_of(r, &r->track[k->track], &p, &own);
	stepped = k->timed && r->since_clock >= CLOCK_PACKETS &&
		  (wall < k->wall - CLOCK_BACK_NS || wall > k->wall + CLOCK_AHEAD_NS);
	if (stepped)
		r->since_clock = 0;
	r->since_clock++;
	if (make_room(r, k->track, &p, wall, stepped, err) < 0)
		return fail(r, err);
	if (!r->open && open_segment(r, wall, err) < 0)
		return fail(r, err);
	if (append(r, k->track, f, &p, wall, own, err) < 0)
		return fail(r, err);
	k->timed = true;
	k->wall = wall;
	k->ts = p.dts != CB_NOPTS ? p.dts : p.pts;
	return 0;
}

static int on_stream(struct cb_recorder *r, const struct cb_frame *f, struct cb_err *err)
{
	struct cb_stream s;
	uint8_t *copy;

	if (cb_stream_parse(&s, f, err) < 0)
		return -1;
	if (r->open && (write_fragment(r, r->lead >= 0 && r->track[r->lead].stream != f->stream, err) < 0 ||
			seal_segment(r, "params", err) < 0))
		return fail(r, err);
	for (uint32_t i = 0; i < r->n_rec; i++)	/* what it replaces */
		if (r->rec[i].stream == f->stream && (!r->rec[i].fresh || r->n_rec == CB_INIT_STREAMS)) {
			free(r->rec[i].payload);
			memmove(&r->rec[i], &r->rec[i + 1], (--r->n_rec - i) * sizeof(r->rec[0]));
			break;
		}
	if (r->n_rec == CB_INIT_STREAMS)
		return cb_err_set(err, CB_E_DATA, "more than %d STREAM frames before a packet",
				  CB_INIT_STREAMS);
	copy = malloc(f->len);
	if (!copy)
		return cb_err_nomem(err);
	memcpy(copy, f->payload, f->len);
	r->rec[r->n_rec++] = (struct record){ f->stream, true, copy, f->len };
	r->known[f->stream].seen = true;
	return 0;
}

static int on_gap(struct cb_recorder *r, uint16_t stream, const struct cb_gap *g, struct cb_err *err)
{
	struct cb_manifest_gap m = { .stream = stream, .g = *g };

	if (r->open) {
		if (write_fragment(r, r->lead >= 0, err) < 0 ||
		    cb_segment_writer_gap(&r->w, &m, err) < 0)
			return fail(r, err);
	} else if (r->n_waiting < GAPS_WAITING) {
		r->waiting[r->n_waiting++] = m;
	}
	if (say_gap(r, stream, g, err) < 0)
		return fail(r, err);
	return 0;
}

int cb_recorder_frame(struct cb_recorder *r, const struct cb_frame *f, struct cb_err *err)
{
	struct cb_gap g;

	if (r->dead)
		return cb_err_set(err, CB_E_BUG, "the recording is over");
	switch (f->type) {
	case CB_FRAME_STREAM:
		return on_stream(r, f, err);
	case CB_FRAME_PACKET:
		return on_packet(r, f, err);
	case CB_FRAME_GAP:
		if (cb_gap_parse(&g, f, err) < 0)
			return -1;
		return on_gap(r, f->stream, &g, err);
	}
	return 0;
}

bool cb_recorder_dead(const struct cb_recorder *r)
{
	return r->dead;
}

int cb_recorder_idle(struct cb_recorder *r, struct cb_err *err)
{
	int64_t now = cb_now_mono_ns(), due = INT64_MAX;

	if (r->dead || !r->open)
		return -1;
	if (r->live && r->n) {
		if (now - r->frag_mono >= PARTIAL_NS) {
			if (write_fragment(r, r->lead >= 0, err) < 0) {
				fail(r, err);
				return -1;
			}
		} else {
			due = r->frag_mono + PARTIAL_NS;
		}
	}
	if (r->w.dirty) {
		if (now - r->last_sync >= r->o.sync_ns) {
			if (sync_now(r, err) < 0) {
				fail(r, err);
				return -1;
			}
		} else if (r->last_sync + r->o.sync_ns < due) {
			due = r->last_sync + r->o.sync_ns;
		}
	}
	if (due == INT64_MAX)
		return -1;
	return due <= now ? 1 : (int)((due - now) / 1000000 + 1);
}

int cb_recorder_close(struct cb_recorder *r, const char *reason, struct cb_err *err)
{
	bool fresh = false;
	int ret = 0;

	if (r->dead) {
		mark(r, "open  \n", NULL);
		return 0;
	}
	if (strcmp(reason, "died") == 0) {
		struct cb_gap g = { .reason = CB_GAP_CUT, .from_ns = r->last_wall,
				    .text = "the producer died" };

		ret = on_gap(r, 0, &g, err);
	}
	/* STREAMs that no packet followed are part of the recording too */
	for (uint32_t i = 0; i < r->n_rec; i++)
		fresh |= r->rec[i].fresh;
	if (ret == 0 && !r->open && fresh && open_segment(r, r->last_wall, err) < 0)
		ret = fail(r, err);
	if (ret == 0 && (write_fragment(r, strcmp(reason, "end") != 0 && r->lead >= 0, err) < 0 ||
			 seal_segment(r, reason, err) < 0))
		ret = fail(r, err);
	if (ret == 0 && r->started && say_state(r, "cb.recording.stopped", reason, NULL, err) < 0)
		ret = -1;
	if (ret == 0)
		ret = mark(r, "closed\n", err);
	return ret;
}

void cb_recorder_totals(const struct cb_recorder *r, struct cb_recorder_totals *ret)
{
	*ret = r->total;
}

void cb_recorder_free(struct cb_recorder *r)
{
	if (!r)
		return;
	cb_segment_writer_abandon(&r->w);
	for (uint32_t i = 0; i < r->n_rec; i++)
		free(r->rec[i].payload);
	cb_buf_release(&r->data);
	cb_buf_release(&r->table);
	cb_buf_release(&r->head);
	free(r->sample);
	cb_events_free(r->events);
	if (r->lock >= 0)
		close(r->lock);
	free(r);
}
