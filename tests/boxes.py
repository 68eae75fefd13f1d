#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Scripted cb.detection streams for tests: boxes.py SCRIPT prints NDJSON.

SCRIPT is Python that calls, in any order:
  scene(camera="c", run="0"*16, stream=0, width=640, height=480, fps=10, pictures=50, start_us=...)
  box(x, y, w=0.1, h=0.2, vx=0, vy=0, cls="a", score=0.9, frm=0, to=None, skip=())
      an object: its top left corner at picture frm, parts of the picture, moving by vx, vy a
      second, in pictures frm to to (exclusive), but not in those of skip; x, y, score may be
      functions of the picture's number
  walk((t, x, y), ..., w=0.05, h=0.2, cls="person", score=0.9)
      an object whose lower edge's middle is at x, y at t seconds, in straight lines between;
      (t, None, None) ends a part: it is not seen from the moment before to the next. After scene().
  at(list)              picture times in microseconds instead of the even ones
  noise(sigma, seed=1)  jitter every side by so many parts of the box's size
Equal scripts give equal bytes."""
import datetime, hashlib, json, random, sys

EPOCH = datetime.datetime(1970, 1, 1)
S = dict(camera="c", run="0" * 16, stream=0, width=640, height=480, fps=10, pictures=50,
         start_us=1767225600000000)
boxes, times, jitter = [], [], [0, 1]


def scene(**kw):
    S.update(kw)


def box(x, y, w=0.1, h=0.2, vx=0, vy=0, cls="a", score=0.9, frm=0, to=None, skip=()):
    boxes.append((x, y, w, h, vx, vy, cls, score, frm, to, set(skip)))


def walk(*keys, w=0.05, h=0.2, cls="person", score=0.9):
    def where(n):
        t = n / S["fps"]
        for (t0, x0, y0), (t1, x1, y1) in zip(keys, keys[1:]):
            if t0 - 1e-9 <= t <= t1 + 1e-9 and x0 is not None and x1 is not None:
                f = (t - t0) / (t1 - t0)
                return x0 + f * (x1 - x0), y0 + f * (y1 - y0)
        return None

    unseen = [n for n in range(S["pictures"]) if where(n) is None]
    box(lambda n: where(n)[0] - w / 2, lambda n: where(n)[1] - h, w, h, cls=cls, score=score, skip=unseen)


def at(ts):
    times.extend(ts)


def noise(sigma, seed=1):
    jitter[:] = [sigma, seed]


def value(v, n):
    return v(n) if callable(v) else v


def main():
    exec(sys.argv[1], globals())
    rnd = random.Random(jitter[1])
    ts = times or [int(n * 1000000 / S["fps"]) for n in range(S["pictures"])]
    names = sorted({b[6] for b in boxes})
    for n, t in enumerate(ts):
        objects = []
        for x, y, w, h, vx, vy, cls, score, frm, to, skip in boxes:
            if n < frm or (to is not None and n >= to) or n in skip:
                continue
            dt = (t - ts[frm]) / 1e6
            j = [rnd.gauss(0, jitter[0]) if jitter[0] else 0 for _ in range(4)]
            v = [value(x, n) + vx * dt + j[0] * w, value(y, n) + vy * dt + j[1] * h,
                 w * (1 + j[2]), h * (1 + j[3])]
            x1, y1 = max(0, v[0]), max(0, v[1])
            x2, y2 = min(1, v[0] + v[2]), min(1, v[1] + v[3])
            if x2 <= x1 or y2 <= y1:
                continue
            objects.append({"class": cls, "class_id": names.index(cls), "score": round(value(score, n), 4),
                            "box": [round(x1, 4), round(y1, 4), round(x2 - x1, 4), round(y2 - y1, 4)]})
        us = S["start_us"] + t
        packet = hashlib.sha256(b"%s %d %d" % (S["camera"].encode(), S["stream"], us)).hexdigest()
        print(json.dumps({
            "specversion": "1.0",
            "id": hashlib.sha256(("%s %s" % (packet, S["run"])).encode()).hexdigest()[:32],
            "source": "/cb-detect", "type": "cb.detection",
            "time": (EPOCH + datetime.timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "subject": S["camera"],
            "data": {"t_us": us, "stream": S["stream"], "pts": n, "packet": packet, "run": S["run"],
                     "width": S["width"], "height": S["height"], "objects": objects,
                     "motion": {"score": 0, "boxes": []}}}, separators=(",", ":")))


main()
