/* SPDX-License-Identifier: Apache-2.0 */
/* The recorder: groups of pictures to fragments, fragments to segments, and what is to be
 * said about them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/again.h"
#include "base/io.h"
#include "base/num.h"
#include "store/ballast.h"
#include "store/keyfile.h"
#include "store/recorder-priv.h"

#define PARTIAL_NS (5 * CB_NS_PER_S)	/* a fragment waits for its keyframe so long */
#define SHORTEST_NS (CB_NS_PER_S / 2)	/* and several short groups share one */
#define FRAGMENT_BYTES (4u << 20)
#define FRAGMENT_PACKETS 16384
/* --- the lock ------------------------------------------------------------------------------------- */

static int mark(struct cb_recorder *r, const char *text, struct cb_err *err)
{
	if (cb_pwrite(r->lock, text, 7, 0) != 7 || cb_fdatasync(r->lock) < 0)
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
	r->lock = cb_openat(dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0640);
	close(dir);
	if (r->lock < 0)
		return cb_err_sys(err, errno == ENOSPC ? CB_E_IO : cb_errc_write(errno), errno,
				  "cameras/%s/lock", r->camera);
	if (cb_flock(r->lock, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ?
		       cb_err_set(err, CB_E_TEMP, "camera %s: another recorder has it", r->camera) :
		       cb_err_sys(err, CB_E_IO, errno, "cameras/%s/lock", r->camera);
	n = cb_pread(r->lock, text, 7, 0);
	if (n < 0)
		return cb_err_sys(err, CB_E_IO, errno, "cameras/%s/lock", r->camera);
	/* whoever ended properly left nothing to look for in all the days there are */
	if (strcmp(text, "closed\n") != 0 &&
	    cb_recover(r->s, r->camera, cb_rec_say_recovered, r, err) < 0)
		return -1;
	return mark(r, "open  \n", err);
}

/* Whoever forgets his recipients is not to find out years later. */
static void warn_unsealed(struct cb_recorder *r)
{
	int keys = r->o.seal || !r->o.warn ? -1 : cb_keys_open(r->s, r->camera, false, NULL);
	char text[200];

	if (keys < 0)
		return;
	close(keys);
	snprintf(text, sizeof(text), "camera %s was recorded encrypted before, and is not now: no recipients", r->camera);
	r->o.warn(r->o.ctx, text);
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
	r->backoff_ns = CB_NS_PER_S;
	warn_unsealed(r);
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

int cb_rec_open_segment(struct cb_recorder *r, int64_t wall, struct cb_err *err)
{
	struct cb_buf init = { 0 }, head = { 0 };
	struct cb_segment *g = &r->w.seg;
	char hms[7], id[CB_ID_LEN];
	int ret = -1;

	if (make_tracks(r, err) < 0)
		return -1;
	if (!r->recording_ns)
		r->recording_ns = wall;
	/* where there is no room for it yet, there may be enough to record for a while */
	cb_ballast_make(r->s, false, NULL);
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

		make_ids(r, salt, !r->named, id);
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
		/* what was said of the recording holds for it from now on */
		r->named |= why.sys != EEXIST;
		if (why.sys != EEXIST || salt == 1000000) {
			if (err)
				*err = why;
			goto out;
		}
	}
	r->open = r->named = true;
	r->clock.set = false;
	r->seg_mono = cb_now_mono_ns();
	r->last_sync = r->seg_mono;
	if (!r->started) {
		r->started = true;
		r->last_wall = wall;
		if (cb_rec_say_state(r, "cb.recording.started", NULL, NULL, err) < 0)
			goto out;
	}
	for (int i = 0; i < r->n_waiting; i++)
		if (cb_segment_writer_gap(&r->w, &r->waiting[i], err) < 0)
			goto out;
	ret = cb_rec_say_hidden(r, false, err);
out:
	cb_sealer_settle(r->o.seal);
	cb_buf_release(&init);
	cb_buf_release(&head);
	return ret;
}

int cb_rec_seal_segment(struct cb_recorder *r, const char *reason, struct cb_err *err)
{
	if (!r->open)
		return 0;
	r->open = false;
	r->n_waiting = 0;
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
	if (cb_segment_writer_seal(&r->w, reason, cb_rec_log_closed, r, err) < 0) {
		r->left = true;
		return -1;
	}
	r->total.segments++;
	if (!r->w.unsynced)
		r->synced_wall = r->w.seg.end.to_ns;
	else
		r->total.unsynced++;
	if (cb_rec_say_closed(r, err) < 0)
		return -1;
	if (!r->w.unsynced)
		return 0;
	/* a file can be recorded again; what comes live goes on in the next segment */
	if (r->live) {
		if (r->o.warn)
			r->o.warn(r->o.ctx, r->w.why.msg);
		return 0;
	}
	if (err)
		*err = r->w.why;
	return -1;
}

/* --- fragments ------------------------------------------------------------------------------------ */

static int sync_now(struct cb_recorder *r, struct cb_err *err)
{
	r->last_sync = cb_now_mono_ns();
	if (!r->open)
		return 0;
	if (cb_segment_writer_sync(&r->w, err) < 0)
		return -1;
	r->synced_wall = r->w.seg.end.to_ns;
	return 0;
}

int cb_rec_write_fragment(struct cb_recorder *r, bool partial, struct cb_err *err)
{
	struct iovec iov[2];
	size_t at;

	if (!r->n)
		return 0;
	if (partial && !r->tried)
		r->frag.flags |= CB_FRAG_PARTIAL;
	r->tried = true;
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
	if (r->frag.pts != CB_NOPTS && r->lead_end > r->frag.pts &&
	    __builtin_sub_overflow(r->lead_end, r->frag.pts, &r->frag.duration))
		r->frag.duration = INT64_MAX;
	if (r->live && !cb_ballast_room(r->s, r->head.len + r->data.len))
		return cb_err_sys(err, CB_E_IO, ENOSPC, "cameras/%s", r->camera);
	if (cb_segment_writer_fragment(&r->w, iov, 2, &r->frag, err) < 0)
		return -1;
	r->n_waiting = 0;
	r->total.packets += r->n;
	r->total.bytes += r->data.len;
	r->total.fragments++;
	r->n = 0;
	r->tried = false;
	r->data.len = r->table.len = 0;
	if (cb_now_mono_ns() - r->last_sync >= r->o.sync_ns)
		return sync_now(r, err);
	return 0;
}

static int append(struct cb_recorder *r, int track, const struct cb_frame *f, const struct cb_packet *p,
		  int64_t wall, const struct cb_wall_note *note, struct cb_err *err)
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
						p->duration, note->media_by_ns > 0 };
	if (note->own)
		r->frag.flags |= CB_FRAG_CLOCK;
	if (wall < r->frag.wall_ns)
		r->frag.wall_ns = wall;
	end = wall + (p->duration < INT32_MAX ? cb_ticks_ns(&t->s, p->duration) : 0);
	if (end > r->frag.wall_to_ns)
		r->frag.wall_to_ns = end;
	if (end > r->last_wall)
		r->last_wall = end;
	r->known[f->stream].hidden += !t->playable && t->s.kind != CB_DATA;
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
		if (cb_rec_write_fragment(r, !begins && r->lead >= 0, err) < 0)
			return -1;
	}
	length = wall - r->w.seg.start_ns;
	if (r->live && now - r->seg_mono > length)
		length = now - r->seg_mono;
	if (stepped)
		return cb_rec_seal_segment(r, "clock", err);
	if (begins && length >= r->o.segment_ns)
		return cb_rec_seal_segment(r, "length", err);
	if (length >= CB_SEGMENT_NS_MAX)
		return cb_rec_seal_segment(r, "length", err);
	return 0;
}

/* A fragment ends here, and its segment for that reason. 0: also where it could not be closed,
 * and everything goes on without it. */
static int cut(struct cb_recorder *r, bool partial, const char *reason, struct cb_err *err)
{
	while (r->open) {
		if (cb_rec_write_fragment(r, partial, err) == 0 &&
		    cb_rec_seal_segment(r, reason, err) == 0)
			break;
		if (cb_rec_trouble(r, err) < 0)
			return -1;
	}
	return 0;
}

static int on_packet(struct cb_recorder *r, const struct cb_frame *f, struct cb_err *err)
{
	struct cb_wall_note note;
	struct cb_rec_known *k;
	struct cb_packet p;
	const struct cb_stream *s;
	bool stepped;
	int64_t wall;

	if (cb_packet_parse(&p, f, err) < 0)
		return -1;
	k = &r->known[f->stream];
	if (!k->seen)
		return cb_err_set(err, CB_E_DATA, "a packet of stream %u before its STREAM", f->stream);
	if (!r->open && make_tracks(r, err) < 0)
		return -1;
	s = &r->track[k->track].s;
	wall = cb_walltime_next(&k->wall, s, &p, r->last_wall, &note);
	if ((note.what != CB_WALL_ON &&
	     cb_rec_say_clock(r, &r->steps, f->stream, wall, note.by_ns, note.what == CB_WALL_FOLLOWED,
			      err) < 0) ||
	    (note.media_by_ns && note.what == CB_WALL_ON && !k->excused &&
	     cb_rec_say_clock(r, &r->jumps, f->stream, wall, note.media_by_ns, false, err) < 0))
		return cb_rec_fail(r, err);
	k->excused = false;
	/* the first stream that steps takes the others with it: what they still have of the time
	 * before is filed at the new segment's beginning */
	stepped = note.what == CB_WALL_FOLLOWED && wall - r->last_wall > CB_WALL_AHEAD_NS / 2;
	if (!stepped && r->open && wall < r->w.seg.start_ns - CB_WALL_BACK_NS) {
		wall = r->w.seg.start_ns;
		note.own = true;
	}
	if (r->suspended && !cb_rec_resume(r, false))
		goto lost;
	if (make_room(r, k->track, &p, wall, stepped, err) < 0 && cb_rec_trouble(r, err) < 0)
		return -1;
	while (!r->open && !r->suspended)
		if (cb_rec_open_segment(r, wall, err) < 0 && cb_rec_trouble(r, err) < 0)
			return -1;
	if (r->suspended)
		goto lost;
	if (append(r, k->track, f, &p, wall, &note, err) < 0)
		return cb_rec_fail(r, err);
	return 0;
lost:
	cb_rec_lose(r, p.len, wall, wall + (p.duration < INT32_MAX ? cb_ticks_ns(s, p.duration) : 0));
	return 0;
}

static int on_stream(struct cb_recorder *r, const struct cb_frame *f, struct cb_err *err)
{
	struct cb_stream s;
	uint8_t *copy;

	if (cb_stream_parse(&s, f, err) < 0)
		return -1;
	if (cut(r, r->lead >= 0 && r->track[r->lead].stream != f->stream, "params", err) < 0)
		return -1;
	/* what could not be written has parameters that are now over */
	if (r->suspended)
		cb_rec_lose_pending(r);
	for (uint32_t i = 0; i < r->n_rec; i++)	/* what it replaces */
		if (r->rec[i].stream == f->stream &&
		    (!r->rec[i].fresh || r->suspended || r->n_rec == CB_INIT_STREAMS)) {
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
	r->rec[r->n_rec++] = (struct cb_rec_stream){ f->stream, true, copy, f->len };
	for (size_t i = 0; i < r->n_tracks; i++)	/* of another codec there may be more to say */
		if (r->track[i].stream == f->stream && strcmp(r->track[i].s.codec, s.codec) != 0)
			r->known[f->stream].told = false;
	r->known[f->stream].seen = true;
	r->known[f->stream].wall.ts = CB_NOPTS;	/* it may have another time base now */
	return 0;
}

static int on_gap(struct cb_recorder *r, uint16_t stream, const struct cb_gap *g, struct cb_err *err)
{
	struct cb_manifest_gap m = { .stream = stream, .g = *g };
	bool written = false;

	for (int i = 0; i < CB_STREAMS_MAX; i++)
		r->known[i].excused = true;
	while (r->open && !written) {
		written = cb_rec_write_fragment(r, r->lead >= 0, err) == 0 &&
			  cb_segment_writer_gap(&r->w, &m, err) == 0;
		if (!written && cb_rec_trouble(r, err) < 0)
			return -1;
	}
	if (!written && r->n_waiting < CB_REC_GAPS_WAITING)
		r->waiting[r->n_waiting++] = m;
	return cb_rec_say_gap(r, stream, g, err) < 0 ? cb_rec_fail(r, err) : 0;
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

/* Sooner is better. */
static void sooner(int64_t *due, int64_t t)
{
	if (t < *due)
		*due = t;
}

int cb_recorder_idle(struct cb_recorder *r, struct cb_err *err)
{
	int64_t now = cb_now_mono_ns(), due = INT64_MAX;

	if (r->dead)
		return -1;
	if (r->suspended)
		cb_rec_resume(r, false);
	if (r->late.len) {
		cb_rec_late(r, false, NULL);
		if (r->late.len)
			sooner(&due, r->late_mono + CB_NS_PER_S);
	}
	if (r->open && r->live && r->n && now - r->frag_mono >= PARTIAL_NS &&
	    cb_rec_write_fragment(r, r->lead >= 0, err) < 0 && cb_rec_trouble(r, err) < 0)
		return -1;
	if (r->open && r->w.dirty && now - r->last_sync >= r->o.sync_ns && sync_now(r, err) < 0 &&
	    cb_rec_trouble(r, err) < 0)
		return -1;
	if (r->open && r->live && r->n)
		sooner(&due, r->frag_mono + PARTIAL_NS);
	if (r->open && r->w.dirty)
		sooner(&due, r->last_sync + r->o.sync_ns);
	if (r->suspended)
		sooner(&due, r->probe_mono);
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
	if (r->suspended)
		cb_rec_resume(r, true);
	if (strcmp(reason, "died") == 0) {
		struct cb_gap g = { .reason = CB_GAP_CUT, .from_ns = r->last_wall,
				    .text = "the producer died" };

		ret = on_gap(r, 0, &g, err);
	}
	/* STREAMs that no packet followed are part of the recording too */
	for (uint32_t i = 0; i < r->n_rec; i++)
		fresh |= r->rec[i].fresh;
	while (ret == 0 && !r->open && !r->suspended && fresh)
		if (cb_rec_open_segment(r, r->last_wall, err) < 0)
			ret = cb_rec_trouble(r, err);
	if (ret == 0)
		ret = cut(r, strcmp(reason, "end") != 0 && r->lead >= 0, reason, err);
	if (ret == 0 && r->suspended) {
		cb_rec_lose_pending(r);
		ret = cb_rec_say_gap(r, 0, &r->lost, err);
	}
	if (ret == 0)
		ret = cb_rec_say_rest(r, err);
	if (ret == 0 && (r->started || r->total.suspensions) &&
	    cb_rec_say_state(r, "cb.recording.stopped", reason, NULL, err) < 0)
		ret = -1;
	if (ret == 0)
		ret = cb_rec_late(r, true, err);
	if (ret == 0 && !r->left)
		ret = mark(r, "closed\n", err);
	if (ret == 0 && r->suspended) {
		if (err)
			*err = r->why;
		ret = -1;
	}
	return ret;
}

void cb_recorder_totals(const struct cb_recorder *r, struct cb_recorder_totals *ret)
{
	*ret = r->total;
}

void cb_recorder_status(const struct cb_recorder *r, struct cb_recorder_status *ret)
{
	*ret = (struct cb_recorder_status){
		.camera = r->camera, .recording = r->recording, .open = r->open,
		.suspended = r->suspended || r->dead, .why = r->why.msg, .totals = r->total,
		.last_wall_ns = r->started || r->suspended ? r->last_wall : 0,
		.synced_wall_ns = r->synced_wall, .sync_ns = r->w.sync_ns, .syncs = r->w.syncs,
	};
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
	cb_buf_release(&r->late);
	free(r->sample);
	cb_events_free(r->events);
	if (r->lock >= 0)
		close(r->lock);
	free(r);
}
