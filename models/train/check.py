#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Is what was trained what cb-detect runs?

check.py TOOL MODEL.cfg...   reads the weights beside each, writes them again, which must give the same
bytes, and compares the boxes that TOOL (cb-detect) and darknet.py find in the same picture of the
network's own size. Exit status 1 when they differ."""
import os
import sys
import tempfile

import cv2
import numpy as np
import torch

import label
from darknet import Net

TOLERANCE = 0.002


def ours(net, picture, threshold):
    net.eval()
    x = torch.from_numpy(picture[..., ::-1].transpose(2, 0, 1).copy()).float()[None] / 255
    out = []
    with torch.no_grad():
        for y, raw in zip(net.yolos, net(x)):
            box, logit = y.boxes(raw, net.width, net.height)
            p = logit.sigmoid()
            score = (p[..., :1] * p[..., 1:]).reshape(-1, y.classes)
            for i, c in (score > threshold).nonzero().tolist():
                cx, cy, w, h = box.reshape(-1, 4)[i].tolist()
                out.append((c, float(score[i, c]), [cx - w / 2, cy - h / 2, w, h]))
    return out


def check(tool, model):
    """What is wrong, or None."""
    weights = model[:-4] + ".weights"
    net = Net(model).load(weights)
    with tempfile.NamedTemporaryFile() as f:
        net.save(f.name)
        if open(f.name, "rb").read() != open(weights, "rb").read():
            return f"{weights}: written again it is another file"
    names = [n.strip() for n in open(model[:-4] + ".names")]
    g = np.random.default_rng(1)
    picture = cv2.resize(g.integers(0, 255, (9, 12, 3), np.uint8), (net.width, net.height), interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        p, q = (g.integers(0, (net.width, net.height)).tolist() for _ in range(2))
        cv2.rectangle(picture, p, q, g.integers(0, 255, 3).tolist(), -1)
    mine = ours(net, picture, 0)
    threshold = sorted((s for _, s, _ in mine), reverse=True)[min(60, len(mine) - 1)]
    threshold = round(threshold, 4) + 5e-5		# between what the events can tell apart
    png = cv2.imencode(".png", picture)[1].tobytes()
    theirs = [(names.index(c), s, b) for c, s, b in label.detect(tool, model, [png], threshold, "png", "--nms", "0")[0]]
    mine = sorted((b for b in mine if b[1] > threshold - TOLERANCE), key=lambda b: -b[1])
    worst = 0.0
    for c, s, b in theirs:
        inside = [min(max(v, 0), 1) for v in (b[0], b[1], b[0] + b[2], b[1] + b[3])]
        apart = min((max([abs(s - t)] + [abs(u - min(max(v, 0), 1)) for u, v in
                                         zip(inside, (q[0], q[1], q[0] + q[2], q[1] + q[3]))])
                     for k, t, q in mine if k == c), default=1.0)
        worst = max(worst, apart)
    missing = sum(t > threshold + TOLERANCE for _, t, _ in mine) - len(theirs)
    print(f"{os.path.basename(model)}: {len(theirs)} boxes above {threshold:.4f}, largest difference {worst:.5f}")
    if not theirs or worst > TOLERANCE or missing > 0:
        return f"{model}: {tool} and darknet.py differ ({max(missing, 0)} boxes missing)"
    return None


def main():
    wrong = [w for w in (check(sys.argv[1], m) for m in sys.argv[2:]) if w]
    if wrong or len(sys.argv) < 3:
        sys.exit("\n".join(wrong) or "check.py TOOL MODEL.cfg...")


if __name__ == "__main__":
    main()
