/* SPDX-License-Identifier: Apache-2.0 */
/* Objects in a picture by a darknet model: names, input picture, boxes on the picture's own
 * coordinates, suppression in integers.
 *
 * In two steps, so that they can run in two threads: a cb_prep makes a cb_input of a decoded
 * picture, whose planes belong to the decoder; a cb_model finds objects in the cb_input. */
#ifndef CB_DETECT_OBJECTS_H
#define CB_DETECT_OBJECTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "crypto/hash.h"
#include "detect/motion.h"
#include "detect/region.h"
#include "media/decode.h"
#include "nn/nn.h"

#define CB_OBJECTS_MAX 256	/* reported of one picture, the best */

/* What runs the model: our own engine, or Debian's libdarknet for comparison. */
enum cb_backend { CB_BACKEND_CB, CB_BACKEND_DARKNET };
enum cb_resize { CB_RESIZE_STRETCH, CB_RESIZE_LETTERBOX };

struct cb_model_opts {
	const char *cfg, *weights, *names;	/* weights, names: NULL for the cfg's name with
						 * .weights and .names, or in the one file */
	const struct cb_pack *pack;	/* the model in memory, or NULL; cfg then only names it */
	bool listed;		/* (of backend cb) only one that cb_known_check finds in the list, of this file and */
	const char *list, *list_key;	/* signed with this key; each or both NULL: known.h */
	const char *classes;	/* names between commas, NULL: all */
	enum cb_isa isa;
	enum cb_resize resize;
	int32_t threshold, nms;		/* 1/10000; nms 0: no suppression */
	int32_t floor;			/* give objects from here on, not from the threshold; or 0 */
	const struct cb_region *region;	/* an object counts where its centre is inside */
	int regions;
	enum cb_backend backend;	/* with darknet, isa says nothing */
	/* as of struct cb_darknet_opts */
	void (*say)(void *ctx, bool warning, const char *text);
	void *say_ctx;
	bool prints;
};

struct cb_object {
	struct cb_ubox box;	/* inside the picture, 1/10000 */
	int32_t score;		/* 1/10000 */
	int class_id;
};

struct cb_model;
/* In a thread that lasts as long as the model (nn/darknet.h). Errors: CB_E_NOINPUT and CB_E_DATA
 * naming file and place, CB_E_USAGE for a class that is not in the names, CB_E_NO for a model that
 * is not listed and a list that is not signed, and those of nn/darknet.h. opts and what it points
 * to must live as long as the model. */
int cb_model_open(struct cb_model **ret, const struct cb_model_opts *opts, struct cb_err *err);
void cb_model_free(struct cb_model *m);

/* Another one, for another thread: it has activations of its own and shares everything else.
 * It does not outlive `of`. Either is for one thread at a time. */
int cb_model_share(struct cb_model **ret, struct cb_model *of, struct cb_err *err);

/* A picture made ready for a model. */
struct cb_input {
	float *planes;			/* as cb_net_input wants them, or */
	uint8_t *packed;		/* as cb_net_input_bytes does; the other is NULL */
	uint32_t width, height, x, y;	/* the picture in them; the rest are bars */
};
int cb_input_init(struct cb_input *in, const struct cb_model *m, struct cb_err *err);
void cb_input_release(struct cb_input *in);

/* Makes inputs; one a stream, one thread at a time. The model must live as long. */
struct cb_prep;
int cb_prep_new(struct cb_prep **ret, const struct cb_model *m, struct cb_err *err);
/* Errors as cb_fit_run. */
int cb_prep_run(struct cb_prep *p, const struct cb_picture *pic, struct cb_input *ret, struct cb_err *err);
void cb_prep_free(struct cb_prep *p);

/* The objects of a picture, best first; how many, or -1. */
int cb_model_run(struct cb_model *m, const struct cb_input *in, struct cb_object ret[static CB_OBJECTS_MAX],
		 struct cb_err *err);

/* Look at a black picture, so that all is compiled that the library compiles when it is first used:
 * then memory need not be made executable any more. Errors as cb_model_run. */
int cb_model_warm(struct cb_model *m, struct cb_err *err);

/* The net itself, for those who look at it or run it alone. */
struct cb_net *cb_model_net(struct cb_model *m);
/* What a picture of width x height is resized to for the model. */
void cb_model_input(const struct cb_model *m, uint32_t width, uint32_t height, uint32_t *ret_w,
		    uint32_t *ret_h);
const char *cb_model_class(const struct cb_model *m, int class_id);
const char *cb_model_isa(const struct cb_model *m);
/* What runs it, as "NAME VERSION". */
const char *cb_model_library_version(const struct cb_model *m);
/* SHA-256 over the cfg's bytes and then the weights' (over a model in one file: the file's),
 * and over the names', in hexadecimal. */
const char *cb_model_digest(const struct cb_model *m);
const char *cb_model_names_digest(const struct cb_model *m);

/* For tests: suppress in place, best first, per class where the overlap exceeds nms; then cut
 * the boxes to the picture. Returns how many are left. */
int cb_objects_suppress(struct cb_object *o, int n, int32_t nms);

#endif
