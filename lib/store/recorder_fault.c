/* SPDX-License-Identifier: Apache-2.0 */
/* What a recorder does when it cannot write: it closes what is good, says so, and looks again
 * until it can. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/ballast.h"
#include "store/recorder-priv.h"

#define PROBE_NS CB_NS_PER_S		/* a full disk is looked at so often */
#define BACKOFF_NS (30 * CB_NS_PER_S)	/* another failure at least so often */
#define CALM_NS (60 * CB_NS_PER_S)	/* so long after one, the next is a first one again */

static bool no_room(const struct cb_err *err)
{
	return err->sys == ENOSPC || err->sys == EDQUOT;
}

/* Close the open segment; leave no trace of one that has nothing, or nothing but gaps that the
 * next one will have. */
static void close_open(struct cb_recorder *r, bool gaps)
{
	if (!r->open)
		return;
	if (r->w.next > 1 || (gaps && r->w.seg.end.gaps > (uint32_t)r->n_waiting)) {
		cb_rec_seal_segment(r, "error", NULL);
		return;
	}
	r->open = false;
	cb_segment_writer_discard(&r->w);
}

int cb_rec_fail(struct cb_recorder *r, struct cb_err *err)
{
	struct cb_err first = err ? *err : (struct cb_err)CB_ERR_INIT;

	if (r->dead)
		return -1;
	r->dead = true;
	r->why = first;
	r->n = 0;
	if (no_room(&first))
		cb_ballast_drop(r->s, NULL);
	if (r->started) {
		if (r->open)
			cb_rec_seal_segment(r, "error", NULL);
		r->total.suspensions++;
		cb_rec_say_state(r, "cb.recording.suspended", no_room(&first) ? "full" : "error",
				 first.msg, NULL);
	}
	cb_rec_late(r, true, NULL);
	if (err)
		*err = first;
	return -1;
}

/* --- what is lost --------------------------------------------------------------------------- */

void cb_rec_lose(struct cb_recorder *r, uint32_t bytes, int64_t from_ns, int64_t to_ns)
{
	struct cb_gap *g = &r->lost;

	if (!g->packets || from_ns < g->from_ns)
		g->from_ns = from_ns;
	if (!g->packets || to_ns > g->to_ns)
		g->to_ns = to_ns;
	g->packets++;
	g->bytes += bytes;
	r->total.lost_packets++;
	r->total.lost_bytes += bytes;
	if (to_ns > r->last_wall)
		r->last_wall = to_ns;
}

void cb_rec_lose_pending(struct cb_recorder *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		cb_rec_lose(r, r->sample[i].len, r->frag.wall_ns, r->frag.wall_to_ns);
	r->n = 0;
	r->tried = false;
	r->data.len = r->table.len = 0;
}

/* --- going on ------------------------------------------------------------------------------- */

/* A segment, with the fragment that could not be written. */
static int begin_again(struct cb_recorder *r, struct cb_err *err)
{
	struct cb_manifest_gap m = { .g = r->lost };

	if (!r->n_rec)
		return 0;
	if (cb_rec_open_segment(r, r->n ? r->frag.wall_ns : r->last_wall, err) < 0 ||
	    cb_rec_write_fragment(r, true, err) < 0 ||
	    (r->lost.packets && cb_segment_writer_gap(&r->w, &m, err) < 0) ||
	    cb_segment_writer_sync(&r->w, err) < 0) {
		if (r->w.trouble != CB_TROUBLE_NAME)
			close_open(r, false);
		return -1;
	}
	return 0;
}

bool cb_rec_resume(struct cb_recorder *r, bool now)
{
	int64_t mono = cb_now_mono_ns();
	struct cb_err why = CB_ERR_INIT;

	if (!now && mono < r->probe_mono)
		return false;
	if (r->full && cb_ballast_make(r->s, true, &why) < 0 && no_room(&why)) {
		r->probe_mono = mono + PROBE_NS;
		return false;
	}
	why = (struct cb_err)CB_ERR_INIT;
	if (begin_again(r, &why) < 0) {
		if (no_room(&why))
			cb_ballast_drop(r->s, NULL);
		r->full = no_room(&why);
		if (!r->full)
			r->backoff_ns = 2 * r->backoff_ns > BACKOFF_NS ? BACKOFF_NS : 2 * r->backoff_ns;
		r->probe_mono = mono + (r->full ? PROBE_NS : r->backoff_ns);
		r->why = why;
		return false;
	}
	r->suspended = false;
	r->trouble_mono = mono;
	cb_rec_late(r, true, NULL);
	if (r->lost.packets)
		cb_rec_say_gap(r, 0, &r->lost, NULL);
	memset(&r->lost, 0, sizeof(r->lost));
	cb_rec_say_state(r, "cb.recording.resumed", r->full ? "full" : "error", NULL, NULL);
	if (r->o.warn)
		r->o.warn(r->o.ctx, "recording goes on");
	return true;
}

int cb_rec_trouble(struct cb_recorder *r, struct cb_err *err)
{
	struct cb_err why = err ? *err : (struct cb_err)CB_ERR_INIT;
	int64_t mono = cb_now_mono_ns();
	char text[600];

	if (r->dead)
		return -1;
	/* A file can be recorded again, and whoever does has to know. Where a directory was not
	 * synced, nobody knows what the next start will find in it: a person has to look. */
	if (!r->live || r->w.trouble == CB_TROUBLE_NAME || why.code == CB_E_BUG || why.code == CB_E_DATA)
		return cb_rec_fail(r, err);
	r->full = no_room(&why);
	if (r->full)
		cb_ballast_drop(r->s, NULL);
	close_open(r, true);
	if (r->w.trouble == CB_TROUBLE_NAME)
		return cb_rec_fail(r, err);
	if (mono - r->trouble_mono > CALM_NS || !r->trouble_mono)
		r->backoff_ns = CB_NS_PER_S;
	/* a first failure may be one sector's: nothing is lost if the next segment can be written */
	if (!r->full && (mono - r->trouble_mono > CALM_NS || !r->trouble_mono)) {
		r->trouble_mono = mono;
		if (!r->n || begin_again(r, NULL) == 0) {
			if (r->o.warn) {
				snprintf(text, sizeof(text), "%s; recording goes on in another segment", why.msg);
				r->o.warn(r->o.ctx, text);
			}
			goto on;
		}
	}
	r->trouble_mono = mono;
	r->suspended = true;
	r->suspended_mono = mono;
	r->probe_mono = mono + (r->full ? PROBE_NS : r->backoff_ns);
	r->why = why;
	memset(&r->lost, 0, sizeof(r->lost));
	r->lost.reason = CB_GAP_SUSPENDED;
	snprintf(r->lost.text, sizeof(r->lost.text), "%.200s", why.msg);
	r->total.suspensions++;
	cb_rec_say_state(r, "cb.recording.suspended", r->full ? "full" : "error", why.msg, NULL);
	if (r->o.warn) {
		snprintf(text, sizeof(text), "%s; recording is suspended", why.msg);
		r->o.warn(r->o.ctx, text);
	}
on:
	if (err)
		*err = (struct cb_err)CB_ERR_INIT;
	return 0;
}
