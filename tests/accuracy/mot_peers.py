# SPDX-License-Identifier: Apache-2.0
"""SORT and ByteTrack as their papers describe them, to be compared with.

SORT: Bewley et al., Simple online and realtime tracking, ICIP 2016: a Kalman filter of the box's
middle, area and aspect at constant speed, one pairing by overlap, of at least 0.3; a track ends
after one picture without a box and is reported from its third box in a row on.
ByteTrack: Zhang et al., ByteTrack: multi-object tracking by associating every detection box,
ECCV 2022: boxes of a high score first, those of a low one with what is left; tracks are kept for
30 pictures (at 30 a second).

The noises are those that both are usually run with. They are diagonal, so that the filter falls
apart into one of two numbers for each side. Boxes are (x, y, w, h) in pixels, a detection a box
and its score; update() takes those of a picture and gives {identity: box}."""
import math

from mot_metric import assign, iou


class Side:
    """A number and how fast it changes, a picture."""

    def __init__(self, z, var, speed_var):
        self.p, self.v = z, 0.0
        self.pp, self.pv, self.vv = var, 0.0, speed_var

    def predict(self, qp, qv):
        self.p += self.v
        self.pp += 2 * self.pv + self.vv + qp
        self.pv += self.vv
        self.vv += qv

    def update(self, z, r):
        s = self.pp + r
        a, b, e = self.pp / s, self.pv / s, z - self.p
        self.p += a * e
        self.v += b * e
        self.vv -= b * self.pv
        self.pv -= a * self.pv
        self.pp -= a * self.pp


def pairs(tracks, dets, cost, limit):
    """Pairs of a cost of at most limit, and the tracks and detections that are left."""
    if not tracks or not dets:
        return [], tracks, dets
    c = [[cost(t, d) for d in dets] for t in tracks]
    # one without a partner costs the limit: as many pairs as pay
    n, m = len(tracks), len(dets)
    square = [[c[i][j] if c[i][j] <= limit else math.inf for j in range(m)] +
              [limit if k == i else math.inf for k in range(n)] for i in range(n)]
    got = [(i, j) for i, j in assign(square) if j < m]
    a, b = {i for i, _ in got}, {j for _, j in got}
    return ([(tracks[i], dets[j]) for i, j in got], [t for i, t in enumerate(tracks) if i not in a],
            [d for j, d in enumerate(dets) if j not in b])


class Sort:
    def __init__(self, threshold=0.5, overlap=0.3, age=1, hits=3):
        self.threshold, self.overlap, self.age, self.hits = threshold, overlap, age, hits
        self.tracks, self.number, self.pictures = [], 0, 0

    class Track:
        def __init__(self, number, box):
            x, y, w, h = box
            self.number, self.missed, self.row = number, 0, 0
            self.s = [Side(x + w / 2, 10, 10000), Side(y + h / 2, 10, 10000), Side(w * h, 10, 10000)]
            self.ratio = Side(w / h, 10, 0)

        def predict(self):
            if self.s[2].p + self.s[2].v <= 0:
                self.s[2].v = 0
            for side, q in zip(self.s, (0.01, 0.01, 0.0001)):
                side.predict(1, q)
            self.ratio.predict(1, 0)
            if self.missed > 0:
                self.row = 0
            self.missed += 1

        def update(self, box):
            x, y, w, h = box
            for side, z, r in zip(self.s, (x + w / 2, y + h / 2, w * h), (1, 1, 10)):
                side.update(z, r)
            self.ratio.update(w / h, 10)
            self.missed = 0
            self.row += 1

        def box(self):
            w = math.sqrt(max(self.s[2].p * self.ratio.p, 1e-9))
            h = self.s[2].p / w
            return (self.s[0].p - w / 2, self.s[1].p - h / 2, w, h)

    def update(self, dets):
        self.pictures += 1
        dets = [d for d in dets if d[1] >= self.threshold]
        for t in self.tracks:
            t.predict()
        got, _, rest = pairs(self.tracks, dets, lambda t, d: 1 - iou(t.box(), d[0]), 1 - self.overlap)
        for t, d in got:
            t.update(d[0])
        for d in rest:
            self.number += 1
            self.tracks.append(Sort.Track(self.number, d[0]))
        out = {t.number: t.box() for t in self.tracks
               if t.missed < 1 and (t.row >= self.hits or self.pictures <= self.hits)}
        self.tracks = [t for t in self.tracks if t.missed <= self.age]
        return out


class ByteTrack:
    def __init__(self, fps=30, threshold=0.5, match=0.8, buffer=30, low=0.1):
        self.threshold, self.match, self.low = threshold, match, low
        self.keep = int(fps / 30 * buffer)
        self.tracked, self.lost, self.number, self.picture = [], [], 0, 0

    class Track:
        def __init__(self, box, score):
            self.s, self.active, self.number = None, False, 0
            self.first, self.score = box, score

        def start(self, number, picture):
            x, y, w, h = self.first
            p, v = (2 * h / 20) ** 2, (10 * h / 160) ** 2
            self.s = [Side(x + w / 2, p, v), Side(y + h / 2, p, v), Side(w / h, 1e-4, 1e-10), Side(h, p, v)]
            self.number, self.picture, self.active, self.since = number, picture, picture == 1, picture

        def predict(self, lost):
            if lost:
                self.s[3].v = 0
            h = self.s[3].p
            p, v = (h / 20) ** 2, (h / 160) ** 2
            for side, qp, qv in zip(self.s, (p, p, 1e-4, p), (v, v, 1e-10, v)):
                side.predict(qp, qv)

        def update(self, det, picture):
            x, y, w, h = det[0]
            p = (self.s[3].p / 20) ** 2
            for side, z, r in zip(self.s, (x + w / 2, y + h / 2, w / h, h), (p, p, 1e-2, p)):
                side.update(z, r)
            self.score, self.picture, self.active = det[1], picture, True

        def box(self):
            if self.s is None:
                return self.first
            w, h = self.s[2].p * self.s[3].p, self.s[3].p
            return (self.s[0].p - w / 2, self.s[1].p - h / 2, w, h)

    def update(self, dets):
        self.picture += 1
        high = [d for d in dets if d[1] > self.threshold]
        low = [d for d in dets if self.low < d[1] < self.threshold]
        steady = [t for t in self.tracked if t.active]
        young = [t for t in self.tracked if not t.active]
        for t in steady:
            t.predict(False)
        for t in self.lost:
            t.predict(True)

        def overlap(t, d):
            return 1 - iou(t.box(), d[0])

        def fused(t, d):
            return 1 - iou(t.box(), d[0]) * d[1]
        got, left, high = pairs(steady + self.lost, high, fused, self.match)
        seen = []
        for t, d in got:
            t.update(d, self.picture)
            seen.append(t)
        left_seen = [t for t in left if t not in self.lost]
        got, left_seen, _ = pairs(left_seen, low, overlap, 0.5)
        for t, d in got:
            t.update(d, self.picture)
            seen.append(t)
        got, _, high = pairs(young, high, fused, 0.7)
        for t, d in got:
            t.update(d, self.picture)
            seen.append(t)
        for d in high:
            if d[1] >= self.threshold + 0.1:
                t = ByteTrack.Track(*d)
                self.number += 1
                t.start(self.number, self.picture)
                seen.append(t)
        lost = [t for t in self.lost if t not in seen and self.picture - t.picture <= self.keep] + left_seen
        # of a track that is seen and a lost one of the same box the younger goes
        drop = set()
        for a in seen:
            for b in lost:
                if 1 - iou(a.box(), b.box()) < 0.15:
                    drop.add(b.number if a.picture - a.since >= b.picture - b.since else a.number)
        self.tracked = [t for t in seen if t.number not in drop]
        self.lost = [t for t in lost if t.number not in drop]
        return {t.number: t.box() for t in self.tracked if t.active}
