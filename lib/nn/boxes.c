/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding of yolo, Gaussian yolo and region layers and non-maximum suppression, as darknet does them. */
#include "nn/boxes.h"

#include <float.h>
#include <math.h>

/* --- layers ---------------------------------------------------------------------------------- */

static float softmax_of(const struct cb_nn_view *in, uint32_t c0, uint32_t n, size_t at,
			float *ret_largest)
{
	float largest = -FLT_MAX, sum = 0;

	for (uint32_t k = 0; k < n; k++)
		if (in->p[cb_nn_at(in, c0 + k, at)] > largest)
			largest = in->p[cb_nn_at(in, c0 + k, at)];
	for (uint32_t k = 0; k < n; k++)
		sum += expf(in->p[cb_nn_at(in, c0 + k, at)] - largest);
	*ret_largest = largest;
	return sum;
}

/* Where the four coordinates of a box are: each before its deviation, or one after another. */
static uint32_t entry_of(const struct cb_nn_layer *l, uint32_t k)
{
	return k == 4 ? l->coords : l->type == CB_NN_GAUSSIAN ? 2 * k : k;
}

/* Values of box n at a pixel, coordinates and objectness: x y w h objectness. */
static void coords(const struct cb_nn_layer *l, const struct cb_nn_view *in, uint32_t c0, size_t at,
		   float ret[static 5])
{
	for (uint32_t k = 0; k < 5; k++) {
		float v = in->p[cb_nn_at(in, c0 + entry_of(l, k), at)];
		bool raw = l->type != CB_NN_REGION ? l->new_coords || k == 2 || k == 3 :
						     k == 2 || k == 3 || (k == 4 && l->background);

		if (!raw)
			v = cb_nn_logistic(v);
		if (k < 2 && l->scale_x_y != 1)
			v = v * l->scale_x_y - .5f * (l->scale_x_y - 1);
		ret[k] = v;
	}
}

void cb_nn_detector_output(const struct cb_nn_layer *l, const struct cb_nn_view *in, float *ret)
{
	uint32_t each = l->classes + l->coords + 1;
	size_t hw = (size_t)in->h * in->w;

	for (uint32_t n = 0; n < l->n; n++) {
		for (size_t i = 0; i < hw; i++) {
			uint32_t c0 = n * each, first = c0 + l->coords + !l->background;
			float v[5], sum = 0, largest = 0;

			if (l->softmax)
				sum = softmax_of(in, first, l->classes + l->background, i, &largest);
			coords(l, in, c0, i, v);
			for (uint32_t k = 0; k < each; k++) {
				float x = in->p[cb_nn_at(in, c0 + k, i)];

				if (l->type == CB_NN_GAUSSIAN && k < 8)
					x = k % 2 ? cb_nn_logistic(x) : v[k / 2];
				else if (k < 4)
					x = v[k];
				else if (l->softmax && c0 + k >= first)
					x = expf(x - largest) / sum;
				else if (k == l->coords)
					x = v[4];
				else if (k > l->coords && !l->new_coords)
					x = cb_nn_logistic(x);
				ret[(c0 + k) * hw + i] = x;
			}
		}
	}
}

/* --- the heap ---------------------------------------------------------------------------------- */

/* A total order: score, class, y, x, then size. */
static int better(const struct cb_nn_found *a, const struct cb_nn_found *b)
{
	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	if (a->class_id != b->class_id)
		return a->class_id < b->class_id ? -1 : 1;
	if (a->y != b->y)
		return a->y < b->y ? -1 : 1;
	if (a->x != b->x)
		return a->x < b->x ? -1 : 1;
	if (a->w != b->w)
		return a->w > b->w ? -1 : 1;
	return a->h > b->h ? -1 : a->h < b->h;
}

static int by_class(const struct cb_nn_found *a, const struct cb_nn_found *b)
{
	if (a->class_id != b->class_id)
		return a->class_id < b->class_id ? -1 : 1;
	return better(a, b);
}

static void swap(struct cb_nn_found *a, struct cb_nn_found *b)
{
	struct cb_nn_found t = *a;

	*a = *b;
	*b = t;
}

typedef int order(const struct cb_nn_found *a, const struct cb_nn_found *b);

/* Let v[i] sink to its place in a heap of n with the last of the order on top. */
static void sink(struct cb_nn_found *v, size_t i, size_t n, order *cmp)
{
	for (;;) {
		size_t worst = i, c = 2 * i + 1;

		if (c < n && cmp(&v[c], &v[worst]) > 0)
			worst = c;
		if (c + 1 < n && cmp(&v[c + 1], &v[worst]) > 0)
			worst = c + 1;
		if (worst == i)
			return;
		swap(&v[i], &v[worst]);
		i = worst;
	}
}

/* A heap sort: qsort(3) allocates. */
static void sort(struct cb_nn_found *v, size_t n, order *cmp)
{
	for (size_t i = n / 2; i--;)
		sink(v, i, n, cmp);
	while (n > 1) {
		swap(&v[0], &v[--n]);
		sink(v, 0, n, cmp);
	}
}

static void push(struct cb_nn_heap *h, const struct cb_nn_found *f)
{
	size_t i;

	if (h->n < h->cap) {
		i = h->n++;
		h->v[i] = *f;
		for (; i && better(&h->v[i], &h->v[(i - 1) / 2]) > 0; i = (i - 1) / 2)
			swap(&h->v[i], &h->v[(i - 1) / 2]);
		return;
	}
	if (!h->cap || better(f, &h->v[0]) >= 0)
		return;
	h->v[0] = *f;
	sink(h->v, 0, h->n, better);
}

/* --- boxes ------------------------------------------------------------------------------------- */

/* Place and size, normalised to the picture, from the values of box n at a pixel. */
static void place(const struct cb_nn_layer *l, const struct cb_nn_view *in, uint32_t n, size_t at,
		  const float v[static 5], uint32_t netw, uint32_t neth, struct cb_nn_found *ret)
{
	float side = l->point == CB_NN_LEFT_TOP ? .5f : l->point == CB_NN_RIGHT_BOTTOM ? -.5f : 0;
	bool cells = l->type == CB_NN_REGION;	/* anchors are given in cells, not pixels */

	if (l->new_coords) {
		ret->w = v[2] * v[2] * 4 * l->anchor[2 * n] / (float)netw;
		ret->h = v[3] * v[3] * 4 * l->anchor[2 * n + 1] / (float)neth;
	} else {
		ret->w = expf(v[2]) * l->anchor[2 * n] / (float)(cells ? in->w : netw);
		ret->h = expf(v[3]) * l->anchor[2 * n + 1] / (float)(cells ? in->h : neth);
	}
	ret->x = ((float)(at % in->w) + v[0]) / (float)in->w + side * ret->w;
	ret->y = ((float)(at / in->w) + v[1]) / (float)in->h + side * ret->h;
}

/* How sure a Gaussian yolo layer is of the coordinates: one less the mean deviation. */
static float sureness(const struct cb_nn_view *in, uint32_t c0, size_t at)
{
	float sum = 0;

	for (uint32_t k = 1; k < 8; k += 2)
		sum += cb_nn_logistic(in->p[cb_nn_at(in, c0 + k, at)]);
	return 1 - sum / 4;
}

void cb_nn_detector_boxes(struct cb_nn_heap *h, const struct cb_nn_layer *l,
			  const struct cb_nn_view *in, uint32_t netw, uint32_t neth, float threshold)
{
	uint32_t each = l->classes + l->coords + 1;
	bool yolo = l->type != CB_NN_REGION;

	for (size_t i = 0; i < (size_t)in->h * in->w; i++) {
		for (uint32_t n = 0; n < l->n; n++) {
			/* region's classes start behind objectness, also where background took its place */
			uint32_t c0 = n * each, first = c0 + l->coords + 1;
			float v[5], object, sum = 0, largest = 0;
			struct cb_nn_found f = { 0 };

			/* objectness first: most places hold nothing */
			object = in->p[cb_nn_at(in, c0 + l->coords, i)];
			if (yolo ? !l->new_coords : !l->background)
				object = cb_nn_logistic(object);
			else if (!yolo)
				object = 1;
			if (!(object > threshold))
				continue;
			coords(l, in, c0, i, v);
			place(l, in, n, i, v, netw, neth, &f);
			if (!isfinite(f.x) || !isfinite(f.y) || !isfinite(f.w) || !isfinite(f.h))
				continue;
			if (l->type == CB_NN_GAUSSIAN)
				object *= sureness(in, c0, i);
			if (l->softmax)
				sum = softmax_of(in, first - l->background, l->classes + l->background,
						 i, &largest);
			for (uint32_t k = 0; k < l->classes; k++) {
				float p = in->p[cb_nn_at(in, first + k, i)];

				if (l->softmax)
					p = expf(p - largest) / sum;
				else if (!l->new_coords)
					p = cb_nn_logistic(p);
				f.score = object * p;
				f.class_id = (int)k;
				if (f.score > threshold && isfinite(f.score))
					push(h, &f);
			}
		}
	}
}

static float overlap(float x1, float w1, float x2, float w2)
{
	float left = fmaxf(x1 - w1 / 2, x2 - w2 / 2);
	float right = fminf(x1 + w1 / 2, x2 + w2 / 2);

	return right - left;
}

static float iou(const struct cb_nn_found *a, const struct cb_nn_found *b)
{
	float w = overlap(a->x, a->w, b->x, b->w), h = overlap(a->y, a->h, b->y, b->h);
	float both = w < 0 || h < 0 ? 0 : w * h;

	return both / (a->w * a->h + b->w * b->h - both);
}

void cb_nn_suppress(struct cb_nn_heap *h, float nms)
{
	size_t n = 0;

	sort(h->v, h->n, by_class);
	for (size_t i = 0; nms > 0 && i < h->n; i++)
		for (size_t j = i + 1; !h->v[i].gone && j < h->n &&
		     h->v[j].class_id == h->v[i].class_id; j++)
			if (!h->v[j].gone && iou(&h->v[i], &h->v[j]) > nms)
				h->v[j].gone = true;
	for (size_t i = 0; i < h->n; i++)
		if (!h->v[i].gone)
			h->v[n++] = h->v[i];
	h->n = n;
	sort(h->v, n, better);
}
