#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Number plates drawn by us, with a box round each character: what cb-plate-text learns from.

text.py draw PACK N [--scenes PACK] [--seed S] [--picture FILE]   draws N plates
text.py read TOOL MODEL PICTURE...                                prints "file TEXT" a line

No plate of a real vehicle is drawn from: the characters are random, in patterns that countries
use, in the fonts that are installed (models/cb-plate-text.md names the packages)."""
import argparse
import glob
import json
import os
import random
import sys

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import data

SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS, LETTERS = SIGNS[:10], SIGNS[10:]
WORDS = """Garden State Empire Sunshine Lone Star Grand Canyon Great Lakes Ocean First Wild Land of Lincoln
Heart Golden Pacific Wonderful Discover Spirit America Beautiful Scenic Evergreen Mountain River Ohio
Iowa Texas Utah Maine Idaho Nevada Oregon Florida Georgia Kansas Montana Vermont Virginia Alaska Arizona
County JAN MAR MAY JUL SEP NOV 09 11 2012 99 01 04 15""".split()
AVOID = ("Math", "Symbol", "Emoji", "Dingbat", "D050000L", "Z003", "Oblique", "Italic", "Hairline", "Thin", "Light",
         "Serif", "Roman", "C059", "Bookman", "P052", "It.", "Ita", "Obl", "Slanted", "Chancery", "Web", "Icons")


def fonts():
    found = [p for e in ("ttf", "otf") for p in glob.glob(f"/usr/share/fonts/**/*.{e}", recursive=True)]
    found = [p for p in found if not any(a in os.path.basename(p) for a in AVOID) and "mathjax" not in p]
    out, have = [], set()
    for p in sorted(found):
        if os.path.basename(p) in have:
            continue
        have.add(os.path.basename(p))
        try:
            f = ImageFont.truetype(p, 64)
            if all(f.getmask(s).getbbox() for s in SIGNS) and f.getmask("H").size != f.getmask("W").size or "Mono" in p:
                out.append(p)
        except OSError:
            pass
    return out


def text():
    def some(n, of):
        return "".join(random.choice(of) for _ in range(n))
    kind = random.random()
    if kind < 0.15:		# what the owner wished for
        return some(random.randint(2, 8), SIGNS)
    pattern = random.choice(("LLLDDDD", "LLLDDD", "DDDLLL", "DLLLDDD", "LLDDDD", "DDDDDD", "LLDDLLL", "LLDDDLL", "LDDDDDD",
                             "DDDDLL", "LLDDDLL", "LLDDDDL", "DDLLDDDD", "LDDLLL", "DDLDDDD", "LLLDDL", "DDDDDLL",
                             "LDDDDDDL", "LLDDDDLL", "DDLDLLL"))
    return "".join(random.choice(LETTERS if k == "L" else DIGITS) for k in pattern)


def colours():
    light = [(random.randint(200, 255),) * 3, tuple(random.randint(160, 255) for _ in range(3)), (70, 200, 240),
             (random.randint(90, 200),) * 3]
    dark = [(random.randint(0, 60),) * 3, (random.randint(60, 160), random.randint(0, 60), random.randint(0, 40)),
            (20, 20, random.randint(100, 180)), (random.randint(0, 60), random.randint(50, 110), random.randint(0, 50))]
    a, b = random.choice(light), random.choice(dark)
    return (a, b) if random.random() < 0.85 else (b, a)


def background(w, h, colour, scenes):
    img = np.empty((h, w, 3), np.float32)
    img[:] = colour
    k = random.random()
    if k < 0.3:
        other = np.array(colours()[0], np.float32)
        t = np.linspace(0, random.uniform(0.3, 1), h)[:, None, None]
        if random.random() < 0.5:
            t = t[::-1]
        img = img * (1 - t) + other * t
    elif k < 0.5 and scenes:
        p = scenes.picture(random.randrange(len(scenes)))
        p = cv2.resize(p, (w, h)).astype(np.float32)
        t = random.uniform(0.1, 0.35)
        img = img * (1 - t) + p * t
    return img


def plate(all_fonts, scenes):
    """A plate, larger than life, and rows of class, x, y, w, h, 1."""
    wide = random.random()
    h = 160
    w = int(h * (random.uniform(1.8, 2.2) if wide < 0.65 else random.uniform(3.2, 4.9)))
    us = w < 2.5 * h
    paper, ink = colours()
    img = background(w, h, paper, scenes)
    s = text()
    path = random.choice(all_fonts)
    tall = random.uniform(0.38, 0.62) if us else random.uniform(0.55, 0.85)
    font = ImageFont.truetype(path, 140)
    glyphs = []
    for c in s:
        m = font.getmask(c)
        g = np.array(m, np.uint8).reshape(m.size[::-1])
        y, x = np.where(g > 60)
        glyphs.append(g[y.min():y.max() + 1, x.min():x.max() + 1])
    # all of one height, some narrowed, as the presses have them; at a gap of their own
    ch = int(h * tall)
    squeeze = random.uniform(0.55, 1.05)
    gap = ch * random.uniform(0.06, 0.22)
    split = random.choice([None, None, 2, 3, len(s) // 2])
    sign = random.random() if split else 1
    widths = [max(3, int(g.shape[1] * ch / g.shape[0] * squeeze)) if g.shape[0] > 60 else 3 for g in glyphs]
    total = sum(widths) + gap * (len(s) - 1) + (ch * 0.35 if split else 0)
    room = w * random.uniform(0.8, 0.94)
    if total > room:
        k = room / total
        widths, gap, total = [max(3, int(x * k)) for x in widths], gap * k, room
    elif random.random() < 0.5:
        gap += (room - total) / max(1, len(s)) * random.uniform(0, 0.9)
        total = sum(widths) + gap * (len(s) - 1) + (ch * 0.35 if split else 0)
    left = 0
    if not us and random.random() < 0.6:		# the band of the union
        left = int(h * 0.22)
        img[:, :left] = (150, 60, 20)
    x = left + max(4.0, (w - left - total) / 2 + random.uniform(-0.03, 0.03) * w)
    y = int((h - ch) / 2 + random.uniform(-0.06, 0.08) * h)
    thick = random.choice([0, 0, 0, 1, 2])
    ink_a = np.array(ink, np.float32)
    rows, mask = [], np.zeros((h, w), np.float32)
    for i, (c, g, gw) in enumerate(zip(s, glyphs, widths)):
        if split and i == split:
            mid, r = int(x + ch * 0.1), int(ch * 0.07)
            if sign < 0.3:
                cv2.circle(mask, (mid, y + ch // 2), r, 1.0, -1)
            elif sign < 0.6:
                cv2.rectangle(mask, (mid - r, y + ch // 2 - r // 2), (mid + r, y + ch // 2 + r // 2), 1.0, -1)
            x += ch * 0.3
        g = cv2.resize(g, (gw, ch), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        if thick:
            g = cv2.dilate(g, np.ones((thick + 1, thick + 1)))
        x0 = int(x)
        if x0 + gw >= w - 1:
            break
        part = mask[y:y + ch, x0:x0 + gw]
        np.maximum(part, g[:part.shape[0], :part.shape[1]], out=part)
        rows.append([SIGNS.index(c), (x0 + gw / 2) / w, (y + ch / 2) / h, gw / w, ch / h, 1])
        x += gw + gap
    if random.random() < 0.4:		# pressed: light from above
        edge = cv2.GaussianBlur(mask, (0, 0), 2)
        img += (np.roll(edge, 2, 0) - np.roll(edge, -2, 0))[..., None] * random.uniform(20, 90)
    img = img * (1 - mask[..., None]) + ink_a * mask[..., None]
    img = np.clip(img, 0, 255).astype(np.uint8)
    if us:		# slogans, months, stickers: not to be read
        top = Image.fromarray(img)
        d = ImageDraw.Draw(top)
        for at in (0.02, 0.86, 0.02, 0.86)[:random.randint(0, 4)]:
            f = ImageFont.truetype(random.choice(all_fonts), random.randint(14, 30))
            words = " ".join(random.sample(WORDS, random.randint(1, 3)))
            hue = tuple(random.randint(0, 255) for _ in range(3)) if random.random() < 0.6 else ink
            d.text((random.uniform(0.03, 0.5) * w, at * h), words, font=f, fill=hue)
        for _ in range(random.choice([0, 0, 1, 2])):
            sx, sy = random.choice([8, w - 40]), random.choice([4, h - 30])
            d.rectangle([sx, sy, sx + 30, sy + 24], fill=tuple(random.randint(0, 255) for _ in range(3)))
        img = np.array(top)
    for _ in range(random.choice([0, 2, 2, 4])):		# screws
        p = (int(w * random.choice([0.15, 0.2, 0.8, 0.85])), int(h * random.choice([0.09, 0.91])))
        cv2.circle(img, p, random.randint(3, 7), (random.randint(40, 200),) * 3, -1)
    if random.random() < 0.5:
        cv2.rectangle(img, (2, 2), (w - 3, h - 3), ink, random.randint(2, 5))
    for _ in range(random.choice([0, 0, 3, 10])):		# dirt
        p = (random.randrange(w), random.randrange(h))
        cv2.circle(img, p, random.randint(1, 5), tuple(int(v) for v in img[p[1], p[0]] * random.uniform(0.4, 1.1) % 256), -1)
    if random.random() < 0.25:		# a shadow's edge
        t = np.linspace(random.uniform(-1, 0), random.uniform(1, 2), w)[None, :, None] * np.ones((h, 1, 1))
        img = (img * np.where(t + np.linspace(0, random.uniform(-1, 1), h)[:, None, None] > 0.5, 1, random.uniform(0.45, 0.9))).astype(np.uint8)
    return img, rows


def scene(img, rows, scenes):
    """The plate as a finder cuts it out: seen a little from the side, with some of the car round it."""
    h, w = img.shape[:2]
    pad = [random.uniform(-0.02, 0.14) * h if random.random() < 0.8 else 0.35 * h for _ in range(4)]
    ow, oh = int(w + pad[0] + pad[1]), int(h + pad[2] + pad[3])
    j = 0.07 * h
    src = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    dst = src + np.array([pad[0], pad[2]], np.float32) + np.random.uniform(-j, j, (4, 2)).astype(np.float32)
    m = cv2.getPerspectiveTransform(src, dst)
    if scenes:
        p = scenes.picture(random.randrange(len(scenes)))
        out = cv2.resize(p, (ow, oh))
    else:
        out = np.full((oh, ow, 3), random.randrange(256), np.uint8)
    cv2.warpPerspective(img, m, (ow, oh), out, borderMode=cv2.BORDER_TRANSPARENT)
    got = []
    for c, x, y, bw, bh, sure in rows:
        q = np.array([[[(x + a * bw / 2) * w, (y + b * bh / 2) * h] for a in (-1, 1) for b in (-1, 1)]], np.float32)
        q = cv2.perspectiveTransform(q, m)[0]
        lo, hi = q.min(0), q.max(0)
        got.append([c, (lo[0] + hi[0]) / 2 / ow, (lo[1] + hi[1]) / 2 / oh, (hi[0] - lo[0]) / ow, (hi[1] - lo[1]) / oh, sure])
    k = random.uniform(90, 240) / ow
    return cv2.resize(out, (round(ow * k), max(12, round(oh * k))), interpolation=cv2.INTER_AREA), got


def read(boxes):
    """The text of one plate: the row of characters that stands highest in score, from left to right."""
    boxes = sorted(boxes, key=lambda b: -b[1])
    kept = []
    for c, s, (x, y, w, h) in boxes:		# one character at a place, whatever its class
        for _, _, (kx, ky, kw, kh) in kept:
            ix = min(x + w, kx + kw) - max(x, kx)
            iy = min(y + h, ky + kh) - max(y, ky)
            if ix > 0.45 * min(w, kw) and iy > 0.4 * min(h, kh):
                break
        else:
            kept.append((c, s, (x, y, w, h)))
    if not kept:
        return ""
    tall = np.median([b[2][3] for b in kept if b[1] > 0.3] or [b[2][3] for b in kept])
    row = [b for b in kept if 0.6 < b[2][3] / tall < 1.5]
    mid = np.median([b[2][1] + b[2][3] / 2 for b in row]) if row else 0
    row = [b for b in row if abs(b[2][1] + b[2][3] / 2 - mid) < 0.5 * tall]
    return "".join(b[0] for b in sorted(row, key=lambda b: b[2][0]))


def main():
    a = argparse.ArgumentParser(description="draw number plates to learn reading from, or read them")
    sub = a.add_subparsers(dest="command", required=True)
    d = sub.add_parser("draw")
    d.add_argument("pack")
    d.add_argument("n", type=int)
    d.add_argument("--scenes", help="a pack to take backgrounds from")
    d.add_argument("--seed", type=int, default=1)
    d.add_argument("--picture", help="also some of them, to look at")
    r = sub.add_parser("read")
    r.add_argument("tool")
    r.add_argument("model")
    r.add_argument("--threshold", type=float, default=0.25)
    r.add_argument("pictures", nargs="+")
    o = a.parse_args()
    if o.command == "draw":
        random.seed(o.seed)
        np.random.seed(o.seed)
        f = fonts()
        if not f:
            sys.exit("text.py: no font is installed")
        scenes = data.Pack(o.scenes) if o.scenes else None
        drawn = (scene(*plate(f, scenes), scenes) for _ in range(o.n))
        print(o.pack + ": %d pictures, %d characters" % data.Pack.write(o.pack, drawn), f"in {len(f)} fonts")
        if o.picture:
            p = data.Pack(o.pack)
            tiles = []
            for i in range(min(40, len(p))):
                t = cv2.resize(p.picture(i), (192, 96))
                for _, x, y, w, h, _ in p.labels(i):
                    cv2.rectangle(t, (int((x - w / 2) * 192), int((y - h / 2) * 96)), (int((x + w / 2) * 192), int((y + h / 2) * 96)), (0, 255, 0))
                tiles.append(t)
            cv2.imwrite(o.picture, np.vstack([np.hstack(tiles[k:k + 8]) for k in range(0, len(tiles) - 7, 8)]))
        return
    import label
    found = label.detect(o.tool, o.model, [cv2.imencode(".jpg", cv2.imread(p), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes() for p in o.pictures],
                         o.threshold)
    for p, boxes in zip(o.pictures, found):
        print(os.path.splitext(os.path.basename(p))[0], read(boxes))


if __name__ == "__main__":
    main()
