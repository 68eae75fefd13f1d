/* SPDX-License-Identifier: Apache-2.0 */
/* Wall clocks of live streams: a line through the sender reports that is bent, never broken. */
#include "rtsp/clock.h"

#include <string.h>
#include <sys/timex.h>

#include "base/num.h"
#include "base/time.h"
#include "wire/frame.h"

#define FAR (INT64_C(2000000000) * CB_NS_PER_S)	/* more than any difference that means something */
#define LATE (3 * CB_NS_PER_S)			/* so long a unit may be under way */
#define WINDOW (60 * CB_NS_PER_S)		/* of which the least delay counts */
#define FIRST_DRIFT (300 * CB_NS_PER_S)

const char *cb_clock_state_name(enum cb_clock_state s)
{
	static const char *const names[] = { "arrival", "implausible", "rtcp" };

	return (unsigned)s < 3 ? names[s] : "unknown";
}

const char *cb_clock_what_name(enum cb_clock_what w)
{
	static const char *const names[] = { "sync", "camera-step", "local-step", "media-jump", "drift" };

	return w >= 1 && w <= 5 ? names[w - 1] : "unknown";
}

void cb_clock_init(struct cb_clock *c, uint32_t rate, struct cb_oddities *odd)
{
	*c = (struct cb_clock){ .rate = rate ? rate : 1, .odd = odd };
}

/* Clock units as ns, within FAR. */
static int64_t media_ns(const struct cb_clock *c, int64_t from, int64_t to)
{
	int64_t d, most = FAR / CB_NS_PER_S * c->rate;

	if (__builtin_sub_overflow(to, from, &d))
		d = to > from ? most : -most;
	d = d > most ? most : d < -most ? -most : d;
	return cb_rescale(d, CB_NS_PER_S, c->rate);
}

static int64_t abs64(int64_t v)
{
	return v < 0 ? -v : v;
}

static int64_t local(const struct cb_clock *c, uint64_t mono_ns)
{
	return c->wall0 + (int64_t)(mono_ns - c->mono0);
}

static int64_t line_at(const struct cb_clock *c, int64_t ts)
{
	return c->line_wall + media_ns(c, c->line_ts, ts);
}

static void tell(struct cb_clock *c, enum cb_clock_what what, int64_t wall_ns, int64_t by_ns)
{
	if (c->n_notes == sizeof(c->notes) / sizeof(*c->notes)) {	/* nobody listens: the newest count */
		memmove(c->notes, c->notes + 1, (c->n_notes - 1) * sizeof(*c->notes));
		c->n_notes--;
	}
	c->notes[c->n_notes++] = (struct cb_clock_note){
		.what = what, .state = c->state, .wall_ns = wall_ns, .by_ns = by_ns,
		.offset_ns = c->offset_ns, .drift_ppm = c->drift_ppm, .have_drift = c->have_drift,
	};
}

int cb_clock_note(struct cb_clock *c, struct cb_clock_note *ret)
{
	if (!c->n_notes)
		return 0;
	*ret = c->notes[0];
	memmove(c->notes, c->notes + 1, --c->n_notes * sizeof(*c->notes));
	return 1;
}

/* The first arrival of all; and steps of this machine's clock against its monotonic one. */
static void arrival(struct cb_clock *c, int64_t wall_ns, uint64_t mono_ns)
{
	int64_t off = wall_ns - (int64_t)mono_ns;

	if (!c->any) {
		c->any = true;
		c->wall0 = wall_ns;
		c->mono0 = mono_ns;
		c->seen = off;
	} else if (abs64(off - c->seen) > CB_CLOCK_STEP_NS) {
		tell(c, CB_CLOCK_LOCAL_STEP, local(c, mono_ns), off - c->seen);
		c->seen = off;
	}
}

/* --- drift ---------------------------------------------------------------------------------- */

static void drift_reset(struct cb_clock *c, int64_t ts, uint64_t mono_ns)
{
	c->first.any = c->now.any = false;
	c->drift_ts0 = ts;
	c->drift_mono0 = c->now_from = mono_ns;
	c->told_drift = 0;
}

/* Packets are late, never early: the least delay of a minute is the clock's, the rest is the way. */
static void drift(struct cb_clock *c, int64_t ts, uint64_t mono_ns, int64_t wall_ns)
{
	int64_t delay = (int64_t)(mono_ns - c->drift_mono0) - media_ns(c, c->drift_ts0, ts);
	uint64_t since;

	if (mono_ns - c->now_from >= (uint64_t)WINDOW && c->now.any) {
		if (!c->first.any) {
			c->first = c->now;
		} else if (c->now.mono > c->first.mono) {
			c->drift_ppm = -(double)(c->now.delay - c->first.delay) * 1e6 /
				       (double)(c->now.mono - c->first.mono);
			c->have_drift = true;
		}
		c->now.any = false;
		c->now_from = mono_ns;
		since = mono_ns - (c->told_drift ? c->told_drift : c->drift_mono0);
		if (c->have_drift && since >= (uint64_t)(c->told_drift ? CB_CLOCK_DRIFT_NS : FIRST_DRIFT)) {
			tell(c, CB_CLOCK_DRIFT, wall_ns, 0);
			c->told_drift = mono_ns;
		}
	}
	if (!c->now.any || delay < c->now.delay)
		c->now = (struct cb_clock_least){ true, mono_ns, delay };
}

/* --- sender reports ------------------------------------------------------------------------- */

void cb_clock_report(struct cb_clock *c, int64_t ntp_ns, int64_t ts, int64_t wall_ns, uint64_t mono_ns)
{
	int64_t dn = 0, dm = 0, dt = 0, bend, most, here, old;
	bool plausible, jumped = false;

	arrival(c, wall_ns, mono_ns);
	here = local(c, mono_ns);
	c->offset_ns = ntp_ns - here;
	plausible = abs64(c->offset_ns) <= CB_CLOCK_PLAUSIBLE_NS;
	/* the timestamp has to be one of this stream's */
	if (c->last_mono && abs64(media_ns(c, c->last_ts, ts) - (int64_t)(mono_ns - c->last_mono)) >
				    2 * CB_CLOCK_JUMP_NS)
		plausible = false;
	if (!plausible)
		cb_odd(c->odd, CB_ODD_SR_IMPLAUSIBLE);
	if (c->have_sr) {
		dn = ntp_ns - c->sr_wall;
		dt = media_ns(c, c->sr_ts, ts);
		dm = (int64_t)(mono_ns - c->sr_mono);
		/* both times are the camera's own, so the way here is not in the difference */
		if (abs64(dn - dt) > CB_CLOCK_STEP_NS) {
			jumped = abs64(dn - dm) < abs64(dt - dm);
			if (!jumped)
				tell(c, CB_CLOCK_CAMERA_STEP, here, dn - dt);
		}
	}
	if (!c->have_line && plausible) {
		c->have_line = c->near = true;
		c->line_ts = ts;
		c->line_wall = ntp_ns;
		c->state = CB_CLOCK_RTCP;
		tell(c, CB_CLOCK_SYNC, ntp_ns, 0);
	} else if (!c->have_line && c->state == CB_CLOCK_ARRIVAL) {
		c->state = CB_CLOCK_IMPLAUSIBLE;
		tell(c, CB_CLOCK_SYNC, here, 0);
	} else if (c->have_line) {
		/* where timestamps began anew the camera's clock carries the line over */
		old = jumped ? line_at(c, c->sr_ts) + dn : line_at(c, ts);
		bend = (plausible ? ntp_ns : here) - old;
		c->near = plausible && abs64(bend) <= CB_CLOCK_STEP_NS;
		most = dm > 0 ? dm / (1000000 / CB_CLOCK_SLEW_PPM) : 0;
		bend = bend > most ? most : bend < -most ? -most : bend;
		if (abs64(old - here) <= FAR) {
			c->line_ts = ts;
			c->line_wall = old + bend;
		}
	}
	c->have_sr = true;
	c->sr_ts = ts;
	c->sr_wall = ntp_ns;
	c->sr_mono = mono_ns;
}

int64_t cb_clock_unit(struct cb_clock *c, int64_t ts, int64_t wall_ns, uint64_t mono_ns,
		      uint8_t local_sync, uint8_t *ret_source, uint8_t *ret_sync)
{
	int64_t here, by, wall;

	arrival(c, wall_ns, mono_ns);
	here = wall = local(c, mono_ns);
	*ret_source = CB_WALL_ARRIVAL;
	*ret_sync = local_sync;
	if (c->have_line && abs64(line_at(c, ts) - here) <= CB_CLOCK_PLAUSIBLE_NS + LATE) {
		wall = line_at(c, ts);
		*ret_source = CB_WALL_RTCP;
		*ret_sync = c->near ? CB_SYNC_YES : CB_SYNC_NO;
	}
	if (!c->last_mono) {
		drift_reset(c, ts, mono_ns);
	} else {
		by = media_ns(c, c->last_ts, ts) - (int64_t)(mono_ns - c->last_mono);
		if (abs64(by) > CB_CLOCK_JUMP_NS) {
			cb_odd(c->odd, CB_ODD_TS_JUMP);
			if (!c->told_jump || mono_ns - c->told_jump >= 10 * (uint64_t)CB_NS_PER_S) {
				tell(c, CB_CLOCK_MEDIA_JUMP, wall, by);
				c->told_jump = mono_ns;
			}
			drift_reset(c, ts, mono_ns);
		}
	}
	drift(c, ts, mono_ns, wall);
	c->last_ts = ts;
	c->last_mono = mono_ns ? mono_ns : 1;
	return wall;
}

uint8_t cb_clock_local_sync(void)
{
	struct timex t = { 0 };
	int r = adjtimex(&t);

	return r < 0 ? CB_SYNC_UNKNOWN : r == TIME_ERROR || (t.status & STA_UNSYNC) ? CB_SYNC_NO : CB_SYNC_YES;
}
