/* SPDX-License-Identifier: Apache-2.0 */
/* The time that recordings are filed by, whatever clocks and timestamps do. */
#include "base/time.h"
#include "store/walltime.h"
#include "tap.h"

#define S CB_NS_PER_S
#define FRAME (S / 25)

static const struct cb_stream video = { .kind = CB_VIDEO, .tb_num = 1, .tb_den = 90000 };

/* A camera: 25 pictures a second, with its own idea of time. */
struct camera {
	struct cb_walltime t;
	struct cb_packet p;
	int64_t at, last;
	struct cb_wall_note n;
	unsigned steps, followed, jumps, backward;
};

static void begin(struct camera *c, uint8_t source, int64_t wall, uint64_t mono)
{
	*c = (struct camera){ .p = { .wall_source = source, .sync = CB_SYNC_YES, .wall_ns = wall,
				     .mono_ns = mono, .duration = 3600, .dts = CB_NOPTS } };
}

static void tick(struct camera *c)
{
	c->at = cb_walltime_next(&c->t, &video, &c->p, 7 * S, &c->n);
	c->steps += c->n.what == CB_WALL_STEPPED;
	c->followed += c->n.what == CB_WALL_FOLLOWED;
	c->jumps += c->n.media_by_ns != 0;
	c->backward += c->at < c->last;
	c->last = c->at;
	c->p.wall_ns += FRAME;
	c->p.pts += 3600;
	if (c->p.mono_ns)
		c->p.mono_ns += FRAME;
}

static void run(struct camera *c, int frames)
{
	while (frames--)
		tick(c);
}

int main(void)
{
	struct camera c;
	int64_t was;

	/* nothing odd: what is stated */
	begin(&c, CB_WALL_ARRIVAL, 100000 * S, 5 * S);
	run(&c, 100);
	OK(c.at == 100000 * S + 99 * FRAME && !c.steps && !c.jumps && !c.n.own && !c.backward);

	/* set back by an hour: told once, not followed; and back again */
	c.p.wall_ns -= 3600 * S;
	tick(&c);
	OK(c.n.what == CB_WALL_STEPPED && c.n.by_ns == -3600 * S && c.n.own);
	OK(c.at == 100000 * S + 100 * FRAME && c.t.offset_ns == 3600 * S);
	run(&c, 100);
	OK(c.steps == 1 && c.at == 100000 * S + 200 * FRAME && !c.backward);
	c.p.wall_ns += 3600 * S;
	run(&c, 10);
	OK(c.steps == 2 && c.at == 100000 * S + 210 * FRAME && !c.t.offset_ns && !c.n.own);

	/* ahead by a year: not followed either */
	c.p.wall_ns += 365 * 86400 * S;
	run(&c, 10);
	OK(c.steps == 3 && !c.followed && c.at == 100000 * S + 220 * FRAME);

	/* but where it was not synchronised, and now is */
	begin(&c, CB_WALL_ARRIVAL, 1000 * S, 5 * S);
	c.p.sync = CB_SYNC_NO;
	run(&c, 10);
	c.p.wall_ns += 365 * 86400 * S;
	c.p.sync = CB_SYNC_YES;
	tick(&c);
	OK(c.followed == 1 && !c.steps && c.at == 1000 * S + 10 * FRAME + 365 * 86400 * S && !c.n.own);
	run(&c, 10);
	OK(c.followed == 1 && !c.steps && !c.backward);
	/* never back */
	begin(&c, CB_WALL_ARRIVAL, 1000 * S, 5 * S);
	c.p.sync = CB_SYNC_NO;
	run(&c, 10);
	c.p.wall_ns -= 500 * S;
	c.p.sync = CB_SYNC_YES;
	run(&c, 10);
	OK(!c.followed && c.steps == 1 && !c.backward);

	/* small steps, NTP's, are what is stated; a smaller one back too */
	begin(&c, CB_WALL_ARRIVAL, 1000 * S, 5 * S);
	run(&c, 10);
	c.p.wall_ns += S;
	run(&c, 10);
	OK(!c.steps && c.at == 1001 * S + 19 * FRAME);

	c.p.wall_ns -= S;
	run(&c, 10);
	OK(c.steps == 1 && c.at == 1001 * S + 29 * FRAME && !c.backward);
	c.p.wall_ns -= S / 4;
	run(&c, 10);
	OK(c.steps == 1 && c.at == 1001 * S + 39 * FRAME - S / 4);

	/* the network stalls for 30 s, then everything comes at once: sender reports go on */
	begin(&c, CB_WALL_RTCP, 1000 * S, 5 * S);
	run(&c, 25);
	c.p.mono_ns += 30 * S;
	for (int i = 0; i < 750; i++) {
		tick(&c);
		c.p.mono_ns -= FRAME;	/* no time passes while it catches up */
	}
	run(&c, 25);
	OK(!c.steps && !c.backward && c.at == 1000 * S + 799 * FRAME);
	/* arrival cannot be late: there, that is a clock set back */
	begin(&c, CB_WALL_ARRIVAL, 1000 * S, 5 * S);
	run(&c, 25);
	c.p.mono_ns += 30 * S;
	tick(&c);
	OK(c.steps == 1 && c.at == 1000 * S + 25 * FRAME + 30 * S);

	/* a source that stalls and goes on: no step, no jump */
	begin(&c, CB_WALL_ARRIVAL, 1000 * S, 5 * S);
	run(&c, 25);
	c.p.mono_ns += 300 * S;
	c.p.wall_ns += 300 * S;
	c.p.pts += 300 * 90000;
	run(&c, 25);
	OK(!c.steps && !c.jumps && c.at == 1300 * S + 49 * FRAME);

	/* drift of 100 ppm, slow and fast, for a day at a packet a second */
	for (int sign = -1; sign <= 1; sign += 2) {
		begin(&c, CB_WALL_RTCP, 1000 * S, 5 * S);
		for (int i = 0; i < 86400; i++) {
			tick(&c);
			c.p.mono_ns += S - FRAME;
			c.p.wall_ns += S - FRAME + sign * (S / 10000);
			c.p.pts += 90000 - 3600;
		}
		OK(!c.steps && !c.jumps && !c.backward && !c.n.own);
	}

	/* the wall time's source changes: by less than 5 s that is what is stated */
	begin(&c, CB_WALL_ARRIVAL, 1000 * S, 5 * S);
	run(&c, 10);
	c.p.wall_source = CB_WALL_RTCP;
	c.p.wall_ns += 4 * S;
	run(&c, 10);
	OK(!c.steps && c.at == 1004 * S + 19 * FRAME);

	/* to and fro, where the camera's clock is fast, and slow */
	for (int off = -1500; off <= 1500; off += 3000) {
		begin(&c, CB_WALL_ARRIVAL, 1000 * S, 5 * S);
		for (int i = 0; i < 20; i++) {
			run(&c, 10);
			c.p.wall_source = i & 1 ? CB_WALL_ARRIVAL : CB_WALL_RTCP;
			c.p.wall_ns += (i & 1 ? -off : off) * (S / 1000);
		}
		OK(!c.steps && !c.n.own);
	}

	/* timestamps: a DVR's, hours away every two seconds */
	begin(&c, CB_WALL_ARRIVAL, 1000 * S, 5 * S);
	was = 0;
	for (int i = 0; i < 20; i++) {
		run(&c, 50);
		c.p.pts += (i & 1 ? 37600 : -9800) * INT64_C(90000);
		was += c.jumps;
	}
	OK(c.jumps == 19 && !c.steps && !c.backward && c.at == 1000 * S + 999 * FRAME);
	/* and by sender reports that follow them */
	begin(&c, CB_WALL_RTCP, 1000000 * S, 5 * S);
	for (int i = 0; i < 20; i++) {
		run(&c, 50);
		c.p.pts += (i & 1 ? 37600 : -9800) * INT64_C(90000);
		c.p.wall_ns += (i & 1 ? 37600 : -9800) * S;
	}
	OK(c.steps == 19 && !c.backward && c.at == 1000000 * S + 999 * FRAME);
	/* the same, and times that wrap, in a file */
	begin(&c, CB_WALL_FILE, 1000000 * S, 0);
	for (int i = 0; i < 20; i++) {
		run(&c, 50);
		c.p.pts += (i & 1 ? 37600 : -9800) * INT64_C(90000);
		c.p.wall_ns += (i & 1 ? 37600 : -9800) * S;
	}
	OK(c.steps == 19 && !c.followed && !c.backward && c.at == 1000000 * S + 999 * FRAME);
	begin(&c, CB_WALL_FILE, 1000000 * S, 0);
	run(&c, 50);
	c.p.pts -= INT64_C(1) << 33;
	c.p.wall_ns -= (INT64_C(1) << 33) / 90 * 1000000;
	run(&c, 50);
	OK(c.steps == 1 && c.jumps == 1 && !c.backward && c.at == 1000000 * S + 99 * FRAME);
	/* a file with a pause of two hours has one */
	begin(&c, CB_WALL_FILE, 1000000 * S, 0);
	run(&c, 50);
	c.p.pts += 7200 * 90000;
	c.p.wall_ns += 7200 * S;
	run(&c, 50);
	OK(c.followed == 1 && !c.steps && !c.backward && c.at == 1007200 * S + 99 * FRAME);

	/* no wall time at all: from where it was told, by media time, else by durations */
	begin(&c, CB_WALL_NONE, 0, 0);
	run(&c, 26);
	OK(c.at == 8 * S && c.n.own && !c.steps);
	for (int i = 0; i < 25; i++) {
		c.p.pts = CB_NOPTS;
		tick(&c);
	}
	OK(c.at == 9 * S && !c.backward);
	/* times that repeat, and go back */
	begin(&c, CB_WALL_NONE, 0, 0);
	for (int i = 0; i < 100; i++) {
		tick(&c);
		c.p.pts -= i & 1 ? 3600 : 7200;
	}
	OK(!c.backward);

	/* numbers that no clock has */
	static const int64_t odd[] = { INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX / 2, INT64_MAX - 1,
				       INT64_MAX };
	begin(&c, CB_WALL_ARRIVAL, 0, 0);
	for (int i = 0; i < 8 * 8 * 8 * 8; i++) {
		struct cb_packet p = { .wall_source = (uint8_t)(i % 4), .sync = (uint8_t)(i % 3),
				       .wall_ns = odd[i & 7], .mono_ns = (uint64_t)odd[i >> 3 & 7],
				       .pts = odd[i >> 6 & 7], .dts = odd[i >> 9 & 7],
				       .duration = odd[(i >> 2 ^ i) & 7] };

		c.at = cb_walltime_next(&c.t, &video, &p, odd[i >> 5 & 7], &c.n);
		c.backward += c.at < 0 || c.at > INT64_MAX / 2;
	}
	OK(!c.backward);
	return done();
}
