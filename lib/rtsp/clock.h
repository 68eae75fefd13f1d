/* SPDX-License-Identifier: Apache-2.0 */
/* The wall clock of a live stream's access units.
 *
 * Three clocks are told apart and none is rewritten: the media clock (RTP timestamps, left as
 * sent), the camera's wall clock (sender reports: this NTP time is that timestamp), and this
 * machine's (arrival). A unit's wall time is
 * - the camera's, once a sender report is plausible: its time lies within CB_CLOCK_PLAUSIBLE_NS of
 *   this machine's and its timestamp near those that come. Source rtcp, synchronised yes.
 * - the arrival, before that, and for units whose timestamp makes no sense. Source arrival,
 *   synchronised as the kernel says of this machine.
 *
 * Steps are announced and never followed: this machine's time runs on from the first arrival by
 * the monotonic clock, and the camera's by its media clock, corrected by at most
 * CB_CLOCK_SLEW_PPM. So wall times of one session go on as the moments did, whatever somebody
 * sets a clock to. A new session begins with the clocks as they are then. */
#ifndef CB_RTSP_CLOCK_H
#define CB_RTSP_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "rtsp/oddity.h"

#define CB_CLOCK_PLAUSIBLE_NS (2 * INT64_C(1000000000))
#define CB_CLOCK_STEP_NS INT64_C(100000000)		/* less is drift and jitter */
#define CB_CLOCK_JUMP_NS (5 * INT64_C(1000000000))	/* of media time against arrival; told each 10 s at most */
#define CB_CLOCK_SLEW_PPM 500

enum cb_clock_state {
	CB_CLOCK_ARRIVAL = 0,		/* no sender report yet */
	CB_CLOCK_IMPLAUSIBLE = 1,	/* sender reports came, but none that can be */
	CB_CLOCK_RTCP = 2,		/* the camera's clock is used */
};
/* "arrival", "implausible", "rtcp" */
const char *cb_clock_state_name(enum cb_clock_state s);

enum cb_clock_what {
	CB_CLOCK_SYNC = 1,	/* the state changed */
	CB_CLOCK_CAMERA_STEP,	/* the camera's wall clock was set: by_ns */
	CB_CLOCK_LOCAL_STEP,	/* this machine's was: by_ns */
	CB_CLOCK_MEDIA_JUMP,	/* timestamps jumped against arrival: by_ns */
	CB_CLOCK_DRIFT,		/* a measurement: after five minutes, then each CB_CLOCK_DRIFT_NS */
};
/* "sync", "camera-step", "local-step", "media-jump", "drift" */
const char *cb_clock_what_name(enum cb_clock_what w);
#define CB_CLOCK_DRIFT_NS (600 * INT64_C(1000000000))

/* Something to tell (the event cb.clock). */
struct cb_clock_note {
	enum cb_clock_what what;
	enum cb_clock_state state;
	int64_t wall_ns;	/* when, by the clock in use */
	int64_t by_ns;		/* steps and jumps: new less old; sync: 0 */
	int64_t offset_ns;	/* camera's clock less this machine's, by the last sender report; 0: none */
	double drift_ppm;	/* media clock against this machine's monotonic clock; fast is positive */
	bool have_drift;
};

struct cb_clock {
	uint32_t rate;
	enum cb_clock_state state;
	int64_t offset_ns;
	double drift_ppm;
	bool have_drift;
	struct cb_oddities *odd;
	/* private */
	bool any;
	int64_t wall0;			/* this machine's wall clock at mono0; its steps are not in it */
	uint64_t mono0;
	int64_t seen;			/* wall less monotonic, as last believed */
	int64_t last_ts;
	uint64_t last_mono, told_jump;
	bool have_line, near;		/* near: the camera's clock is where the line is */
	int64_t line_ts, line_wall;	/* the line: this timestamp is that moment */
	bool have_sr;
	int64_t sr_ts, sr_wall;		/* the last sender report */
	uint64_t sr_mono;
	struct cb_clock_least {		/* least delay of a while */
		bool any;
		uint64_t mono;
		int64_t delay;
	} first, now;
	uint64_t now_from, told_drift;
	int64_t drift_ts0;
	uint64_t drift_mono0;
	struct cb_clock_note notes[8];
	unsigned n_notes;
};

void cb_clock_init(struct cb_clock *c, uint32_t rate, struct cb_oddities *odd);
/* A sender report arrived: its NTP time in ns since 1970 (cb_ntp_to_ns), its timestamp in 64 bits
 * (cb_rtp_recv_unwrap), and when. */
void cb_clock_report(struct cb_clock *c, int64_t ntp_ns, int64_t ts, int64_t wall_ns, uint64_t mono_ns);

/* The wall time of an access unit with this timestamp that arrived then; call it once for each,
 * in order. *ret_source: enum cb_wall_source, *ret_sync: enum cb_sync; local_sync: what the
 * kernel says of this machine's clock (cb_clock_local_sync). */
int64_t cb_clock_unit(struct cb_clock *c, int64_t ts, int64_t wall_ns, uint64_t mono_ns,
		      uint8_t local_sync, uint8_t *ret_source, uint8_t *ret_sync);
/* Is this machine's clock synchronised? enum cb_sync. A system call: ask each minute. */
uint8_t cb_clock_local_sync(void);

/* What there is to tell, oldest first: 1; 0 nothing. */
int cb_clock_note(struct cb_clock *c, struct cb_clock_note *ret);

#endif
