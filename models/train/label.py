#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Label pictures with stronger models, run by cb-detect: distillation.

label.py --names FILE --teacher MODEL.cfg[=their+theirs:ours,...] ... FOLDER ...

For every picture of the folders (.../images/...) writes .../labels/NAME.txt, lines
"class x y w h sure": what the teachers agree on is sure (1), what they doubt is to be left alone
in training (0). A teacher and the same teacher on the mirrored picture are two opinions.

--sizes 352x288,704x576 runs each teacher with inputs of these sizes; what any of them sees is one
opinion, with the best score. --opinion PLACE is what another detector said: files of lines
"class x y w h score" with PLACE instead of images in their paths."""
import argparse
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import cv2

import data

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/accuracy"))
import pictures  # noqa: E402


def detect(tool, model, coded, threshold, codec="mjpeg", *options):
    """For each picture a list of (class name, score, [x, y, w, h] from the top left)."""
    with tempfile.TemporaryFile() as stream:
        s = pictures.Stream(stream, codec=codec)
        for j in coded:
            s.picture(j)
        s.end()
        stream.seek(0)
        out = subprocess.run([tool, "-q", "-m", model, "--threshold", str(threshold), *options], stdin=stream,
                             stdout=subprocess.PIPE, check=True).stdout
    found = [[] for _ in coded]
    for line in io.BytesIO(out):
        e = json.loads(line)
        if e["type"] == "cb.detection":
            found[e["data"]["pts"]] = [(b["class"], b["score"], b["box"]) for b in e["data"]["objects"]]
    return found


def overlap(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    return 0.0 if w <= 0 or h <= 0 else w * h / (a[2] * a[3] + b[2] * b[3] - w * h)


def agree(opinions, known, sure, doubt):
    """opinions: a list for each of (class, score, box); known: the classes that each can see. Boxes
    that overlap by half are one; it is sure where the mean score over all opinions that know its
    class (0 for one that does not see it) reaches sure."""
    groups = []
    for k, boxes in enumerate(opinions):
        for c, score, box in boxes:
            best = max(groups, key=lambda g: overlap(g["box"], box) if g["class"] == c else -1, default=None)
            if best and best["class"] == c and overlap(best["box"], box) >= 0.5:
                best["by"][k] = max(best["by"].get(k, 0), score)
                t = best["weight"] + score
                best["box"] = [(p * best["weight"] + q * score) / t for p, q in zip(best["box"], box)]
                best["weight"] = t
            else:
                groups.append({"class": c, "box": list(box), "by": {k: score}, "weight": score})
    out = []
    for g in groups:
        mean = sum(g["by"].values()) / sum(g["class"] in k for k in known)
        if mean >= doubt:
            out.append((g["class"], 1 if mean >= sure else 0, g["box"]))
    return out


def resized(model, folder, size):
    """A copy of a model with another input, in folder."""
    copy = os.path.join(folder, size + "-" + os.path.basename(model))
    text = open(model).read()
    for key, n in zip(("width", "height"), size.split("x")):
        text = re.sub(rf"(?m)^{key}\s*=.*", f"{key}={int(n)}", text, count=1)
    open(copy, "w").write(text)
    for end in (".weights", ".names"):
        shutil.copy(model[:-4] + end, copy[:-4] + end)
    return copy


def union(found):
    """Of what a model sees at several sizes the best-scored box of each thing."""
    out = []
    for one in sorted((f for each in found for f in each), key=lambda f: -f[1]):
        if all(o[0] != one[0] or overlap(o[2], one[2]) < 0.5 for o in out):
            out.append(one)
    return out


def said(path):
    """What another detector wrote: class, score, box from the top left."""
    if not os.path.exists(path):
        return []
    rows = [[float(v) for v in line.split()] for line in open(path)]
    return [(int(c), s, [x - w / 2, y - h / 2, w, h]) for c, x, y, w, h, s in rows]


def main():
    a = argparse.ArgumentParser(description="label pictures with stronger models")
    a.add_argument("--tool", default="cb-detect")
    a.add_argument("--names", required=True)
    a.add_argument("--teacher", action="append", required=True, help="MODEL.cfg[=their+theirs:ours,...]")
    a.add_argument("--sure", type=float, default=0.4)
    a.add_argument("--doubt", type=float, default=0.12)
    a.add_argument("--side", type=int, default=640)
    a.add_argument("--sizes", help="WxH,... of the teachers' inputs; else their own")
    a.add_argument("--opinion", action="append", default=[], metavar="PLACE")
    a.add_argument("--labels", default="labels", help="folder in the place of images to write to")
    a.add_argument("folders", nargs="+")
    o = a.parse_args()
    ours = [n.strip() for n in open(o.names)]
    teachers = []
    for t in o.teacher:
        model, _, m = t.partition("=")
        rename = {n: n for n in ours}
        for part in m.split(","):
            for n in part.partition(":")[0].split("+"):
                rename[n] = part.partition(":")[2]
        teachers.append((model, rename))
    inputs = tempfile.TemporaryDirectory()
    atsize = {m: [resized(m, inputs.name, s) for s in o.sizes.split(",")] if o.sizes else [m] for m, _ in teachers}
    files = [p for f in o.folders for p in data.pictures_in(f) if "/images/" in p]
    boxes = 0
    for at in range(0, len(files), 200):
        jpegs, mirrored, names = [], [], []
        for p in files[at:at + 200]:
            img = cv2.imread(p)
            if img is None:
                continue
            img = data.shrink(img, o.side)
            names.append(p)
            jpegs.append(cv2.imencode(".jpg", img, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
            mirrored.append(cv2.imencode(".jpg", img[:, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes())
        opinions, known = [[] for _ in names], []
        for model, rename in teachers:
            theirs = {n.strip() for n in open(model[:-4] + ".names")}
            for flip, set_ in ((False, jpegs), (True, mirrored)):
                known.append({ours.index(v) for k, v in rename.items() if k in theirs and v in ours})
                each = [detect(o.tool, m, set_, 0.1) for m in atsize[model]]
                for i, found in enumerate(map(union, zip(*each))):
                    opinions[i].append([(ours.index(rename[c]), s, [1 - b[0] - b[2] if flip else b[0], *b[1:]])
                                        for c, s, b in found if rename.get(c) in ours])
        for place in o.opinion:
            known.append(set(range(len(ours))))
            for i, p in enumerate(names):
                opinions[i].append(said(os.path.splitext(p.replace("/images/", f"/{place}/"))[0] + ".txt"))
        for p, op in zip(names, opinions):
            path = os.path.splitext(p.replace("/images/", f"/{o.labels}/"))[0] + ".txt"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                for c, s, (x, y, w, h) in agree(op, known, o.sure, o.doubt):
                    f.write(f"{c} {x + w / 2:.5f} {y + h / 2:.5f} {w:.5f} {h:.5f} {s}\n")
                    boxes += 1
        print(f"{min(at + 200, len(files))} of {len(files)} pictures, {boxes} boxes", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
