#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Average precision of cb-detect on pictures with YOLO-format labels, as COCO computes AP50.

ap.py CB_DETECT DATA MODEL.cfg [cb-detect's options]

DATA has images/*.jpg and labels/*.txt ("class x y w h", centres, normalised, COCO's class
numbers). A model whose names are PASCAL VOC's is judged on the classes that COCO has too.
Prints AP50 over the classes that occur, AP50 of people, and of people precision and recall at
the default threshold."""
import glob
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pictures  # noqa: E402

COCO = """person bicycle car motorbike aeroplane bus train truck boat traffic_light fire_hydrant
stop_sign parking_meter bench bird cat dog horse sheep cow elephant bear zebra giraffe backpack
umbrella handbag tie suitcase frisbee skis snowboard sports_ball kite baseball_bat baseball_glove
skateboard surfboard tennis_racket bottle wine_glass cup fork knife spoon bowl banana apple
sandwich orange broccoli carrot hot_dog pizza donut cake chair sofa pottedplant bed diningtable
toilet tvmonitor laptop mouse remote keyboard cell_phone microwave oven toaster sink refrigerator
book clock vase scissors teddy_bear hair_drier toothbrush""".split()
SAME = {"body": "person", "couch": "sofa", "potted plant": "pottedplant", "dining table": "diningtable",
        "tv": "tvmonitor", "motorcycle": "motorbike", "airplane": "aeroplane"}


def class_number(name):
    name = SAME.get(name, name).replace(" ", "_")
    return COCO.index(name) if name in COCO else -1


def iou(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / (a[2] * a[3] + b[2] * b[3] - w * h)


def average_precision(found, truth):
    """found: (score, picture, box) of one class; truth: picture -> boxes. 101 points."""
    total = sum(len(b) for b in truth.values())
    used = {k: [False] * len(b) for k, b in truth.items()}
    hits = []
    for score, pic, box in sorted(found, key=lambda f: -f[0]):
        best, at = 0.5, -1
        for i, t in enumerate(truth.get(pic, [])):
            if not used[pic][i] and iou(box, t) >= best:
                best, at = iou(box, t), i
        if at >= 0:
            used[pic][at] = True
        hits.append(at >= 0)
    tp = np.cumsum(hits)
    if not len(tp):
        return 0.0, hits
    recall, precision = tp / total, tp / np.arange(1, len(tp) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, np.linspace(0, 1, 101))
    return float(np.mean([precision[i] if i < len(precision) else 0.0 for i in at])), hits


def main():
    tool, data, model, *options = sys.argv[1:]
    images = sorted(glob.glob(os.path.join(data, "images", "*.jpg")))
    with tempfile.TemporaryFile() as stream:
        s = pictures.Stream(stream)
        for path in images:
            with open(path, "rb") as f:
                s.picture(f.read())
        s.end()
        stream.seek(0)
        out = subprocess.run([tool, "-q", "-m", model, "--threshold", "0.005", *options], stdin=stream,
                             stdout=subprocess.PIPE, check=True).stdout
    names = model[:-4] + ".names"
    if "--names" in options:
        names = options[options.index("--names") + 1]
    known = {class_number(n.strip()) for n in open(names)} - {-1}
    truth = {}
    for i, path in enumerate(images):
        label = os.path.join(data, "labels", os.path.basename(path)[:-4] + ".txt")
        if not os.path.exists(label):
            continue
        for line in open(label):
            c, x, y, w, h = line.split()
            x, y, w, h = map(float, (x, y, w, h))
            if int(c) in known:
                truth.setdefault(int(c), {}).setdefault(i, []).append((x - w / 2, y - h / 2, w, h))
    found = {}
    for line in out.splitlines():
        e = json.loads(line)
        if e["type"] == "cb.detection":
            for o in e["data"]["objects"]:
                found.setdefault(class_number(o["class"]), []).append((o["score"], e["data"]["pts"], o["box"]))
    ap = {c: average_precision(found.get(c, []), t)[0] for c, t in truth.items()}
    people = [f for f in found.get(0, []) if f[0] >= 0.25]
    hits = average_precision(people, truth[0])[1]
    total = sum(len(b) for b in truth[0].values())
    print(f"{os.path.basename(model)} {' '.join(options)}: {len(images)} pictures, {len(ap)} classes, "
          f"AP50 {np.mean(list(ap.values())):.3f}, people AP50 {ap[0]:.3f}, at 0.25 precision "
          f"{sum(hits) / max(1, len(hits)):.2f} recall {sum(hits) / total:.2f}")


if __name__ == "__main__":
    main()
