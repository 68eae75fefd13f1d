#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Blend weights of one cfg, and level its scores. See README.md beside this file.

blend.py CFG OUT.weights A.weights=0.6 B.weights=0.4 [--level SCORE]

A model that was trained further on little data is often better half-way back to the one that it came from
(Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022); for that both must have the
same means and variances, train.py --freeze-norm. --level moves the objectness of all boxes so that one
of SCORE comes to 0.25, cb-detect's threshold: choose on pictures that were not trained on, and not on
those that you measure with."""
import argparse
import math
import sys

import torch

from darknet import Net

USUAL = 0.25


def main():
    a = argparse.ArgumentParser(description="blend weights of one cfg, and level its scores")
    a.add_argument("cfg")
    a.add_argument("out")
    a.add_argument("parts", nargs="+", metavar="WEIGHTS=SHARE")
    a.add_argument("--level", type=float, default=USUAL, metavar="SCORE", help="what is to score 0.25")
    o = a.parse_args()
    parts = [(path, float(share)) for path, _, share in (p.rpartition("=") for p in o.parts)]
    if abs(sum(s for _, s in parts) - 1) > 1e-6 or not 0 < o.level < 1:
        sys.exit("blend.py: shares that add up to 1 and a score between 0 and 1 are wanted")
    nets = [(Net(o.cfg).load(path), share) for path, share in parts]
    net = nets[0][0]
    # with equal norms it is each convolution and its scale and bias that are blended
    for convs in zip(*(n.convs() for n, _ in nets)):
        a = convs[0].norm
        if a and not all(torch.allclose(c.norm.mean, a.mean, 1e-3, 1e-6) and torch.allclose(c.norm.var, a.var, 1e-3, 1e-6)
                         for c in convs):
            sys.exit("blend.py: the means and variances differ: train with --freeze-norm")
    with torch.no_grad():
        for blended in zip(*(n.parameters() for n, _ in nets)):
            blended[0].copy_(sum(p * share for p, (_, share) in zip(blended, nets)))
        down = math.log(USUAL / (1 - USUAL)) - math.log(o.level / (1 - o.level))
        for i, (kind, _, m) in enumerate(net.steps):
            if kind == "yolo":
                net.steps[i - 1][2].conv.bias.view(len(m.mask), -1)[:, 4] += down
    net.save(o.out)


if __name__ == "__main__":
    main()
