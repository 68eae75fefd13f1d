#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures with boxes: read a folder, pack it, and make training samples of it.

A folder of pictures holds, for each picture, a label beside it or with "labels" (YOLO) or "annots",
"annotations" or "Annotations" (PASCAL VOC) in the place of "images": NAME.txt with lines
"class x y w h" (centre and size, 0..1), or NAME.xml. A sixth number in a YOLO line is how sure
the box is: 0 says neither learn it nor learn that nothing is there.

data.py pack OUT --names FILE [--map from=to,...] [--side N] [--edges L,T,R,B] [--drop-like FOLDER] FOLDER ...
writes OUT.bin (the pixels, 8 bits, B G R) and OUT.npz (sizes and labels)."""
import argparse
import glob
import os
import random
import sys
import xml.etree.ElementTree as ET

import cv2
import numpy as np

cv2.setNumThreads(0)
NOISE = np.random.default_rng(0).normal(0, 1, 1 << 20).astype(np.float32)


def label_of(picture):
    stem = os.path.splitext(picture)[0]
    head, _, tail = stem.rpartition("/images/")
    for place in ("labels", "annots", "annotations", "Annotations"):
        for ext in (".txt", ".xml"):
            path = f"{head}/{place}/{tail}{ext}"
            if head and os.path.exists(path):
                return path
    for ext in (".txt", ".xml"):
        if os.path.exists(stem + ext):
            return stem + ext
    return None


def read_label(path, names, classes):
    """Rows of class, x, y, w, h, sureness. names: what the numbers of YOLO files mean; classes:
    name -> our number, or -1 to leave the box out."""
    rows = []
    if path.endswith(".xml"):
        root = ET.parse(path).getroot()
        w, h = float(root.find("size/width").text), float(root.find("size/height").text)
        for o in root.iter("object"):
            c = classes(o.find("name").text)
            x0, y0, x1, y1 = (float(o.find("bndbox/" + k).text) for k in ("xmin", "ymin", "xmax", "ymax"))
            if c >= 0:
                rows.append([c, (x0 + x1) / 2 / w, (y0 + y1) / 2 / h, (x1 - x0) / w, (y1 - y0) / h, 1])
        return rows
    for line in open(path):
        v = [float(x) for x in line.split()]
        if len(v) < 5:
            continue
        c = classes(names[int(v[0])] if int(v[0]) < len(names) else str(int(v[0])))
        if c < 0:
            continue
        sure = 1.0
        if len(v) == 6:
            sure = v[5]
        elif len(v) > 6:		# a polygon
            x, y = v[1::2], v[2::2]
            v = [0, (min(x) + max(x)) / 2, (min(y) + max(y)) / 2, max(x) - min(x), max(y) - min(y)]
        rows.append([c, *v[1:5], sure])
    return rows


def look(picture):
    """64 bits of how a picture looks: two with the same, or nearly, are one picture."""
    g = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (9, 8), interpolation=cv2.INTER_AREA)
    return np.packbits((g[:, 1:] > g[:, :-1]).ravel())


def moved(rows, edges):
    """Rows with their edges moved outwards: left, top, right, bottom, as shares of width and height."""
    left, top, right, bottom = edges
    return [[c, x + (right - left) * w / 2, y + (bottom - top) * h / 2, w * (1 + left + right), h * (1 + top + bottom), s]
            for c, x, y, w, h, s in rows]


def pictures_in(folder):
    return sorted(p for p in glob.glob(folder + "/**/*", recursive=True) if p.lower().endswith((".jpg", ".jpeg", ".png")))


def looks(folder):
    return np.array([look(p) for p in map(cv2.imread, pictures_in(folder)) if p is not None])


def alike(one, many, bits=10):
    return len(many) > 0 and int(np.unpackbits(many ^ one, axis=1).sum(1).min()) <= bits


class Pack:
    """A packed set of pictures. Labels are rows of class, x, y, w, h, sureness."""

    def __init__(self, path):
        z = np.load(path + ".npz")
        self.size, self.at, self.rows, self.first = z["size"], z["at"], z["rows"], z["first"]
        self.pixels = np.memmap(path + ".bin", np.uint8, "r")

    def __len__(self):
        return len(self.size)

    def picture(self, i):
        h, w = self.size[i]
        return self.pixels[self.at[i]:self.at[i] + h * w * 3].reshape(h, w, 3)

    def labels(self, i):
        return self.rows[self.first[i]:self.first[i + 1]]

    @staticmethod
    def write(path, pictures):
        """pictures: (picture, rows) one after the other."""
        size, at, rows, first, n = [], [], [], [0], 0
        with open(path + ".bin", "wb") as f:
            for picture, r in pictures:
                size.append(picture.shape[:2])
                at.append(n)
                rows.extend(r)
                first.append(len(rows))
                f.write(np.ascontiguousarray(picture).tobytes())
                n += picture.size
        np.savez(path + ".npz", size=np.array(size).reshape(-1, 2), at=np.array(at, np.int64),
                 rows=np.array(rows, np.float32).reshape(-1, 6), first=np.array(first))
        return len(size), len(rows)


def shrink(picture, side):
    h, w = picture.shape[:2]
    k = side / max(h, w)
    if k >= 1:
        return picture
    return cv2.resize(picture, (round(w * k), round(h * k)), interpolation=cv2.INTER_AREA)


def place(picture, rows, canvas, region, o):
    """Warp a picture into a region (x0, y0, x1, y1) of the canvas, moved, scaled and mirrored at
    random; returns the rows that are still to be seen, in pixels of the canvas."""
    h, w = picture.shape[:2]
    x0, y0, x1, y1 = region
    rw, rh = x1 - x0, y1 - y0
    scale = np.exp(random.uniform(np.log(o.scale[0]), np.log(o.scale[1])))
    jitter = np.exp(random.uniform(-o.stretch, o.stretch))
    sx, sy = rw / w * scale * jitter, rh / h * scale / jitter
    # what is larger than the region slides over it, what is smaller lies somewhere in it
    dx = random.uniform(min(0, rw - w * sx), max(0, rw - w * sx))
    dy = random.uniform(min(0, rh - h * sy), max(0, rh - h * sy))
    flip = random.random() < o.flip
    m = np.array([[-sx if flip else sx, 0, w * sx + dx if flip else dx], [0, sy, dy]], np.float32)
    if o.turn:
        a = np.deg2rad(random.uniform(-o.turn, o.turn))
        r = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
        c = np.array([rw / 2, rh / 2])
        m = np.hstack([r @ m[:, :2], (r @ (m[:, 2] - c) + c)[:, None]]).astype(np.float32)
    small = min(sx, sy) < 0.6
    if small:		# shrink by area first, or fine structure aliases
        k = max(min(sx, sy) * 1.3, 0.05)
        shape = picture.shape
        picture = cv2.resize(picture, None, fx=k, fy=k, interpolation=cv2.INTER_AREA)
        m[:, 0] *= shape[1] / picture.shape[1]
        m[:, 1] *= shape[0] / picture.shape[0]
        h, w = picture.shape[:2]
    canvas[y0:y1, x0:x1] = cv2.warpAffine(picture, m, (rw, rh), flags=cv2.INTER_LINEAR,
                                          borderMode=cv2.BORDER_CONSTANT, borderValue=(114, 114, 114))
    out = []
    for c, x, y, bw, bh, sure in rows:
        p = np.array([[x - bw / 2, y - bh / 2], [x + bw / 2, y - bh / 2], [x - bw / 2, y + bh / 2],
                      [x + bw / 2, y + bh / 2]]) * [w, h]
        p = p @ m[:, :2].T + m[:, 2]
        lo, hi = p.min(0), p.max(0)
        whole = (hi - lo).prod()
        a, b = np.clip(lo, 0, [rw, rh]), np.clip(hi, 0, [rw, rh])
        seen = (b - a).prod()
        if whole <= 0 or (b - a).min() < 1:
            continue
        # what is too small or mostly cut off is neither to be learnt nor to be learnt to be nothing
        known = seen / whole > o.share and (b - a).min() >= o.least
        out.append([c, (a[0] + b[0]) / 2 + x0, (a[1] + b[1]) / 2 + y0, b[0] - a[0], b[1] - a[1],
                    sure if known else 0.0])
    return out


def weather(x, o):
    """Light, colour, night, blur, noise and compression, as cameras have them."""
    if random.random() < 0.7 * o.colour:
        gain = np.exp(np.random.uniform(-0.35, 0.35) + np.random.uniform(-0.12, 0.12, 3))
        gamma = np.exp(random.uniform(-0.4, 0.4))
        lut = np.clip(((np.arange(256) / 255.0)[:, None] ** gamma) * gain * 255, 0, 255).astype(np.uint8)
        x = cv2.LUT(x, lut.reshape(256, 1, 3))
    if random.random() < 0.15 * o.colour:	# infrared cameras see no colour
        x = cv2.cvtColor(cv2.cvtColor(x, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    night = random.random() < 0.1 * o.colour
    if random.random() < 0.12:
        k = random.choice((3, 3, 5))
        x = cv2.blur(x, (k, random.choice((1, k)))) if random.random() < 0.5 else cv2.GaussianBlur(x, (k, k), 0)
    if night or random.random() < 0.12:
        f = x.astype(np.float32) * (random.uniform(0.2, 0.5) if night else 1.0)
        at = random.randrange(NOISE.size // 2)
        n = np.resize(NOISE[at:at + min(f.size, NOISE.size // 2)], f.shape)
        x = np.clip(f + n * random.uniform(2, 14), 0, 255).astype(np.uint8)
    if random.random() < 0.2:
        ok, z = cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, random.randint(12, 60)])
        x = cv2.imdecode(z, cv2.IMREAD_COLOR)
    return x


def sample(packs, index, w, h, o):
    """One training picture: RGB planes, 8 bits, and rows with centres and sizes 0..1."""
    def get(ij):
        p = packs[ij[0]]
        return p.picture(ij[1]), p.labels(ij[1])

    canvas = np.empty((h, w, 3), np.uint8)
    if random.random() < o.mosaic:
        cx, cy = (int(random.uniform(0.3, 0.7) * n) for n in (w, h))
        rows = []
        for k, region in enumerate(((0, 0, cx, cy), (cx, 0, w, cy), (0, cy, cx, h), (cx, cy, w, h))):
            rows += place(*get(index if k == 0 else o.another()), canvas, region, o)
    else:
        rows = place(*get(index), canvas, (0, 0, w, h), o)
    canvas = weather(canvas, o)
    rows = np.array(rows, np.float32).reshape(-1, 6)
    rows[:, 1:5] /= [w, h, w, h]
    return canvas[..., ::-1].transpose(2, 0, 1).copy(), rows


def main():
    a = argparse.ArgumentParser(description="pack pictures and boxes for training")
    a.add_argument("command", choices=["pack"])
    a.add_argument("out")
    a.add_argument("--names", required=True, help="our classes, one a line")
    a.add_argument("--map", default="", help="theirs=ours,...; a class that is in neither is left out")
    a.add_argument("--their-names", default="", help="what the numbers in YOLO labels mean, between commas")
    a.add_argument("--side", type=int, default=416, help="longest side of a packed picture")
    a.add_argument("--edges", default="0,0,0,0", help="move each box's left, top, right and bottom edge outwards "
                   "by so much of its width or height")
    a.add_argument("--drop-like", action="append", default=[], help="leave out what looks like a picture in this folder")
    a.add_argument("--empty", action="store_true", help="take pictures without a label, as ones with nothing in them")
    a.add_argument("folders", nargs="+")
    o = a.parse_args()
    ours = [n.strip() for n in open(o.names)]
    renamed = dict(p.split("=") for p in o.map.split(",") if p)
    theirs = o.their_names.split(",") if o.their_names else ours
    edges = [float(v) for v in o.edges.split(",")]
    avoid = [looks(f) for f in o.drop_like]
    dropped = unlabelled = bad = 0

    def number(name):
        name = renamed.get(name, name)
        return ours.index(name) if name in ours else -1

    def pictures():
        nonlocal dropped, unlabelled, bad
        for folder in o.folders:
            found = pictures_in(folder)
            for i, p in enumerate(found):
                label = label_of(p)
                if not label and not o.empty:
                    unlabelled += 1
                    continue
                img = cv2.imread(p)
                if img is None:
                    bad += 1
                    continue
                mark = look(img)
                if any(alike(mark, v) for v in avoid):
                    dropped += 1
                    continue
                yield shrink(img, o.side), moved(read_label(label, theirs, number), edges) if label else []
                if i % 500 == 499:
                    print(f"{folder}: {i + 1} of {len(found)}", file=sys.stderr)

    n, boxes = Pack.write(o.out, pictures())
    print(f"{o.out}: {n} pictures, {boxes} boxes; left out: {unlabelled} without a label, "
          f"{dropped} like a test picture, {bad} that cannot be read")


if __name__ == "__main__":
    main()
