/* SPDX-License-Identifier: Apache-2.0 */
/* A drawing (SVG) of what cb-track told: trajectories, zones, lines and events over the picture, and
 * below it counts and events over time; or, to set up a camera, of a grid to read coordinates
 * from.
 *
 * Everything comes from events, so that stored ones can be drawn as well, and from a rules file
 * where there is one. Equal input gives equal bytes. What came from outside is escaped; nothing in
 * the file is executed or fetched, a picture is embedded.
 *
 * Memory: the limits below; beyond them the oldest goes, and the drawing says so.
 */
#ifndef CB_TRACK_PLOT_H
#define CB_TRACK_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "track/rules.h"

#define CB_PLOT_WAYS 4000
#define CB_PLOT_TOLD 4000
#define CB_PLOT_STEPS 20000		/* of counts */
#define CB_PLOT_PICTURE ((size_t)16 << 20)

struct cb_plot;

int cb_plot_new(struct cb_plot **ret, struct cb_err *err);
void cb_plot_free(struct cb_plot *p);
/* A JPEG or PNG file to lie under it. */
int cb_plot_picture(struct cb_plot *p, const char *path, struct cb_err *err);
/* Its size, 0 without one. */
void cb_plot_size(const struct cb_plot *p, uint32_t *ret_width, uint32_t *ret_height);
/* Zones and lines of a file, instead of those that events name; it must outlive the plot. */
void cb_plot_rules(struct cb_plot *p, const struct cb_track_rules *r);
/* An event; those that have nothing to draw, and lines that are none, are passed over. */
int cb_plot_event(struct cb_plot *p, const char *line, size_t len, struct cb_err *err);
/* A new one with the rules of a file, or NULL, on a picture, or NULL. CB_E_CONFIG: the picture is of
 * another shape than the rules' size. */
int cb_plot_open(struct cb_plot **ret, const struct cb_track_rules *rules, const char *config, const char *picture,
		 struct cb_err *err);
/* Append the drawing; with grid: coordinates, and where there is ground, its metres. */
int cb_plot_write(const struct cb_plot *p, bool grid, struct cb_buf *out, struct cb_err *err);
/* Write it to fd, which is closed; name is for messages. */
int cb_plot_save(const struct cb_plot *p, bool grid, int fd, const char *name, struct cb_err *err);

#endif
