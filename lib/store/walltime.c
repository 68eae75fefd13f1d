/* SPDX-License-Identifier: Apache-2.0 */
/* The time to file by. */
#include "store/walltime.h"

#include "base/time.h"

#define STALL_NS (60 * CB_NS_PER_S)
#define MEDIA_NS (10 * CB_NS_PER_S)	/* media time that runs ahead by more has jumped */
#define SWITCH_NS (5 * CB_NS_PER_S)
#define FOLLOW_PACKETS 64
#define SLEW 2000			/* 500 ppm */
#define NONE INT64_MIN
#define MONO_MAX ((uint64_t)INT64_MAX / 4)

int64_t cb_ticks_ns(const struct cb_stream *s, int64_t ticks)
{
	__int128 v = (__int128)ticks * s->tb_num * CB_NS_PER_S / s->tb_den;

	return v > INT64_MAX / 4 ? INT64_MAX / 4 : v < INT64_MIN / 4 ? INT64_MIN / 4 : (int64_t)v;
}

static int64_t calendar(__int128 v)
{
	return v < 0 ? 0 : v > INT64_MAX / 2 ? INT64_MAX / 2 : (int64_t)v;
}

static bool within(int64_t v, int64_t from, int64_t to)
{
	return v >= from && v <= to;
}

/* How far media time went since the last packet; NONE: nobody can tell. */
static int64_t media_passed(const struct cb_walltime *t, const struct cb_stream *s, int64_t ts)
{
	if (ts == CB_NOPTS || t->ts == CB_NOPTS)
		return NONE;
	return cb_ticks_ns(s, (int64_t)((uint64_t)ts - (uint64_t)t->ts));
}

/* What a packet lasts, as far as it can be believed. */
static int64_t lasts(const struct cb_stream *s, const struct cb_packet *p)
{
	int64_t v = p->duration > 0 && p->duration < INT32_MAX ? cb_ticks_ns(s, p->duration) : 0;

	return v < CB_WALL_AHEAD_NS ? v : 0;
}

/* A packet that states no time: as far on as its media time is. */
static int64_t reckon(const struct cb_walltime *t, const struct cb_stream *s, const struct cb_packet *p,
		      int64_t media)
{
	if (media == NONE)
		return t->at + lasts(s, p);
	return media > 0 && media < CB_WALL_AHEAD_NS ? t->at + media : t->at;
}

/* Wall time less monotonic time. */
static int64_t lead_of(int64_t stated, const struct cb_packet *p)
{
	return stated - (int64_t)(p->mono_ns < MONO_MAX ? p->mono_ns : MONO_MAX);
}

/* Has the clock that packets state been set? dm: monotonic time since the last packet. */
static bool stepped(struct cb_walltime *t, const struct cb_packet *p, int64_t stated, int64_t dm,
		    int64_t media)
{
	int64_t lead = lead_of(stated, p), moved = lead - t->lead;
	bool same = p->wall_source == t->source;
	int64_t back = same && t->source == CB_WALL_ARRIVAL ? CB_WALL_ARRIVAL_NS : CB_WALL_STEP_NS;

	/* two clocks never say the same: each has a lead of its own */
	if (!same && within(moved, -SWITCH_NS, SWITCH_NS)) {
		t->lead = lead;
		return false;
	}
	/* a clock that is slow falls behind the most there was: let that come down with it */
	if (within(moved, -INT64_MAX / 2, 0))
		t->lead -= dm / SLEW < -moved ? dm / SLEW : -moved;
	moved = lead - t->lead;
	if (within(moved, -back, CB_WALL_STEP_NS)) {
		if (moved > 0)
			t->lead = lead;
		return false;
	}
	/* late, because the network was: media time says the same as the wall time */
	if (p->wall_source != CB_WALL_ARRIVAL && within(moved, -STALL_NS, 0) && media != NONE &&
	    within(stated - t->stated - media, -CB_NS_PER_S, CB_NS_PER_S))
		return false;
	t->lead = lead;
	return true;
}

static bool may_follow(struct cb_walltime *t)
{
	if (t->back || t->since < FOLLOW_PACKETS)
		return false;
	t->since = 0;
	return true;
}

static int64_t live(struct cb_walltime *t, const struct cb_packet *p, int64_t stated, int64_t media,
		    struct cb_wall_note *n)
{
	int64_t dm = (int64_t)(p->mono_ns - t->mono), due = t->lead + (int64_t)p->mono_ns + t->offset_ns;

	if (!stepped(t, p, stated, dm, media))
		return calendar((__int128)stated + t->offset_ns);
	n->by_ns = stated - t->stated - dm;
	if (n->by_ns > 0 && t->sync == CB_SYNC_NO && p->sync == CB_SYNC_YES && !t->offset_ns && may_follow(t)) {
		n->what = CB_WALL_FOLLOWED;
		return stated;
	}
	n->what = CB_WALL_STEPPED;
	t->back |= n->by_ns < 0;
	/* on by the old reckoning, with what a clock that goes too slowly had fallen behind */
	if (due < t->at || due - t->at > dm + CB_WALL_AHEAD_NS)
		due = t->at + dm;
	t->offset_ns = due - stated;
	/* the clock was set back to where it was before */
	if (within(t->offset_ns, -CB_WALL_STEP_NS, CB_WALL_STEP_NS) && t->offset_ns <= 0)
		t->offset_ns = 0;
	return calendar((__int128)stated + t->offset_ns);
}

static int64_t file(struct cb_walltime *t, const struct cb_stream *s, const struct cb_packet *p,
		    int64_t stated, struct cb_wall_note *n)
{
	int64_t at = calendar((__int128)stated + t->offset_ns), moved = at - t->at;

	if (within(moved, -CB_WALL_BACK_NS, CB_WALL_AHEAD_NS))
		return at;
	n->by_ns = moved - lasts(s, p);
	if (moved > 0 && may_follow(t)) {
		n->what = CB_WALL_FOLLOWED;
		return at;
	}
	t->back |= moved < 0;
	n->what = CB_WALL_STEPPED;
	at = t->at + lasts(s, p);
	t->offset_ns = at - stated;
	if (within(t->offset_ns, -CB_WALL_STEP_NS, 0))
		t->offset_ns = 0;
	return calendar((__int128)stated + t->offset_ns);
}

int64_t cb_walltime_next(struct cb_walltime *t, const struct cb_stream *s, const struct cb_packet *p,
			 int64_t before, struct cb_wall_note *ret)
{
	int64_t ts = p->dts != CB_NOPTS ? p->dts : p->pts, media = t->begun ? media_passed(t, s, ts) : NONE;
	int64_t stated = calendar(p->wall_ns), at, passed;
	struct cb_wall_note n = { .what = CB_WALL_ON };
	bool clocked = t->begun && t->mono && p->mono_ns && p->mono_ns >= t->mono &&
		       p->mono_ns < MONO_MAX;

	if (p->wall_source == CB_WALL_NONE) {
		n.own = true;
		at = calendar(t->begun ? reckon(t, s, p, media) : before);
		stated = at;
	} else if (!t->begun) {
		at = stated;
		t->since = FOLLOW_PACKETS;
	} else if (clocked && t->led) {
		at = live(t, p, stated, media, &n);
	} else {
		at = file(t, s, p, stated, &n);
	}
	if (!t->led && p->wall_source != CB_WALL_NONE && p->mono_ns && p->mono_ns < MONO_MAX) {
		t->lead = lead_of(stated, p);
		t->led = true;
	}
	if (t->since < FOLLOW_PACKETS)
		t->since++;
	n.own |= t->offset_ns != 0;
	if (media != NONE) {
		passed = clocked ? (int64_t)(p->mono_ns - t->mono) : stated - t->stated;
		if (passed < 0 || (!clocked && passed > CB_WALL_AHEAD_NS))
			passed = 0;
		/* ahead only where there is another clock to tell */
		if (media > passed && media - passed > MEDIA_NS &&
		    (clocked || (t->source != CB_WALL_NONE && p->wall_source != CB_WALL_NONE)))
			n.media_by_ns = media - passed;
		else if (media < -CB_WALL_BACK_NS)
			n.media_by_ns = media - passed;
	}
	t->begun = true;
	t->source = p->wall_source;
	t->sync = p->sync;
	t->at = at;
	t->stated = stated;
	t->ts = ts;
	if (p->mono_ns < MONO_MAX)
		t->mono = p->mono_ns;
	*ret = n;
	return at;
}
