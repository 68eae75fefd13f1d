#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Train a darknet network. See README.md beside this file.

Writes OUT.weights (averaged weights, the ones to use), OUT.state (to go on from with --resume),
OUT.csv (step, losses) and OUT.svg (its curve)."""
import argparse
import csv
import math
import os
import queue
import random
import sys
import threading
import time
import types

import numpy as np
import torch
import torch.nn.functional as F

import data
from darknet import Net

DOUBT = 0.2		# the boxes of what is not known well are not known well either


def shape_iou(a, b):
    """Overlap of boxes that share a centre: (N, 2) against (M, 2)."""
    i = torch.min(a[:, None], b[None]).prod(-1)
    return i / (a.prod(-1)[:, None] + b.prod(-1)[None] - i)


def box_iou(a, b, complete=False):
    """Overlap of centre boxes; complete: less what Zheng et al., "Distance-IoU loss" (AAAI 2020),
    section 3, take off for distance and for other proportions."""
    a0, a1, b0, b1 = a[..., :2] - a[..., 2:] / 2, a[..., :2] + a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2
    inter = (torch.min(a1, b1) - torch.max(a0, b0)).clamp(min=0).prod(-1)
    iou = inter / (a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - inter + 1e-9)
    if not complete:
        return iou
    far = (torch.max(a1, b1) - torch.min(a0, b0)).pow(2).sum(-1) + 1e-9
    v = 4 / math.pi ** 2 * (torch.atan(b[..., 2] / (b[..., 3] + 1e-9)) - torch.atan(a[..., 2] / (a[..., 3] + 1e-9))).pow(2)
    with torch.no_grad():
        alpha = v / (1 - iou + v + 1e-9)
    return iou - (a[..., :2] - b[..., :2]).pow(2).sum(-1) / far - alpha * v


def loss_of(net, heads, rows, w, h, o):
    """rows: (N, 7) picture, class, x, y, w, h, sureness. A box is learnt by every anchor whose
    shape overlaps its own by more than o.match, and by the best one in any case, in the cell
    where its centre is. Elsewhere objectness is to be 0, but where a prediction overlaps a box by
    more than the layer's ignore_thresh, or a box that is not to be learnt by DOUBT, it is left alone."""
    dev, n = heads[0].device, heads[0].shape[0]
    total = {"box": heads[0].new_zeros(()), "obj": heads[0].new_zeros(()), "class": heads[0].new_zeros(())}
    all_anchors = net.yolos[0].anchors.to(dev)
    learn = rows[rows[:, 6] > 0]
    fits = shape_iou(learn[:, 4:6] * rows.new_tensor([w, h]), all_anchors) if len(learn) else rows.new_zeros((0, len(all_anchors)))
    take = fits > o.match
    if len(learn):
        take[torch.arange(len(learn), device=dev), fits.argmax(1)] = True
    # boxes of each picture, padded, to hold every prediction against; and how much of an overlap leaves it alone
    most = int(rows[:, 0].long().bincount(minlength=n).max()) if len(rows) else 0
    near, doubt = rows.new_zeros((n, max(1, most), 4)), torch.zeros((n, max(1, most)), dtype=torch.bool, device=dev)
    if len(rows):
        order = torch.argsort(rows[:, 0], stable=True)
        count = rows[:, 0].long().bincount(minlength=n)
        start = torch.cumsum(count, 0) - count
        r = rows[order]
        at = r[:, 0].long(), torch.arange(len(r), device=dev) - start[r[:, 0].long()]
        near[at], doubt[at] = r[:, 2:6], r[:, 6] <= 0
    for y, raw in zip(net.yolos, heads):
        box, logit = y.boxes(raw, w, h)
        b, a, gh, gw, _ = box.shape
        want = torch.zeros_like(logit[..., 0])
        with torch.no_grad():
            flat = box.detach().view(b, -1, 1, 4)
            weight = torch.ones_like(want)
            each = torch.cat([box_iou(flat, near[:, k:k + 1, None].transpose(1, 2)) for k in range(near.shape[1])], 2)
            least = torch.where(doubt, torch.tensor(min(DOUBT, y.ignore), device=dev), torch.tensor(y.ignore, device=dev))
            weight[(each > least[:, None]).any(2).view_as(want)] = 0
        for j, anchor in enumerate(y.mask):
            t = learn[take[:, anchor]] if len(learn) else learn
            if not len(t):
                continue
            bi, cx, cy = t[:, 0].long(), (t[:, 2] * gw).long().clamp(0, gw - 1), (t[:, 3] * gh).long().clamp(0, gh - 1)
            p = box[bi, j, cy, cx]
            total["box"] = total["box"] + ((1 - box_iou(p, t[:, 2:6], True)) * t[:, 6]).sum()
            want[bi, j, cy, cx] = 1
            weight[bi, j, cy, cx] = t[:, 6]
            if y.classes > 1:
                c = F.one_hot(t[:, 1].long(), y.classes).float() * (1 - o.smooth) + o.smooth / y.classes
                each = F.binary_cross_entropy_with_logits(logit[bi, j, cy, cx, 1:], c, reduction="none").sum(1)
                total["class"] = total["class"] + (each * t[:, 6]).sum()
            else:
                each = F.binary_cross_entropy_with_logits(logit[bi, j, cy, cx, 1], torch.ones_like(t[:, 0]), reduction="none")
                total["class"] = total["class"] + (each * t[:, 6]).sum()
        each = F.binary_cross_entropy_with_logits(logit[..., 0], want, reduction="none")
        if o.focal:		# what is easily seen to be nothing counts little
            each = torch.where(want > 0, each, each * logit[..., 0].sigmoid().detach() ** o.focal)
        total["obj"] = total["obj"] + (each * weight).sum()
    return {k: v / n for k, v in total.items()}


class Feeder:
    """Samples made in a thread of their own, ahead of need."""

    def __init__(self, packs, shares, w, h, o, batch, ahead=4, threads=1):
        pick = [(i, j) for i, p in enumerate(packs) for j in range(len(p))]
        weight = np.cumsum([shares[i] / len(packs[i]) for i, _ in pick])
        o.another = lambda: pick[min(int(np.searchsorted(weight, random.random() * weight[-1])), len(pick) - 1)]
        self.args, self.batch, self.size, self.o = packs, batch, (w, h), o
        self.queue, self.over = queue.Queue(ahead), False
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(threads)]
        for t in self.threads:
            t.start()

    def one(self):
        w, h = self.size
        x, rows = [], []
        for i in range(self.batch):
            p, r = data.sample(self.args, self.o.another(), w, h, self.o)
            x.append(p)
            rows.append(np.hstack([np.full((len(r), 1), i, np.float32), r]))
        return torch.from_numpy(np.stack(x)), torch.from_numpy(np.vstack(rows))

    def work(self):
        while not self.over:
            made = self.one()
            while not self.over:
                try:
                    self.queue.put(made, timeout=0.2)
                    break
                except queue.Full:
                    pass

    def close(self):
        """Before the end: a thread inside torch must not outlive the interpreter."""
        self.over = True
        for t in self.threads:
            t.join()

    def next(self):
        return self.queue.get()


def fit_anchors(packs, n, w, h, rounds=60):
    """k-means over the shapes of the boxes, by overlap (Redmon and Farhadi, "YOLO9000", section 2)."""
    wh = np.concatenate([p.rows[p.rows[:, 5] > 0, 3:5] for p in packs]) * [w, h]
    wh = torch.from_numpy(wh[(wh > 2).all(1)])
    wh = wh[torch.randperm(len(wh))[:20000]]
    c = wh[torch.argsort(wh.prod(1))][torch.linspace(0, len(wh) - 1, n + 2).long()[1:-1]].clone()
    for _ in range(rounds):
        near = shape_iou(wh, c).argmax(1)
        c = torch.stack([wh[near == k].median(0).values if (near == k).any() else c[k] for k in range(n)])
    c = c[torch.argsort(c.prod(1))]
    return c, float(shape_iou(wh, c).amax(1).mean())


def plot(path, svg):
    """The curve of a csv file, losses by step on a logarithmic scale."""
    rows = [[float(v) for v in r] for r in list(csv.reader(open(path)))[1:]]
    if len(rows) < 2:
        return
    head = next(csv.reader(open(path)))
    x = np.array([r[0] for r in rows])
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 360" font-family="sans-serif" font-size="12">',
           '<rect width="640" height="360" fill="white"/>']
    ys = np.array([r[1:5] for r in rows])
    lo, hi = np.log(max(ys.min(), 1e-3)), np.log(ys.max())
    for k, colour in enumerate(("#d33", "#36c", "#292", "#888")):
        v = np.convolve(np.pad(ys[:, k], 2, "edge"), np.ones(5) / 5, "valid") if len(ys) > 9 else ys[:, k]
        pts = " ".join(f"{50 + 570 * (a - x[0]) / (x[-1] - x[0]):.1f},{330 - 310 * (np.log(max(b, 1e-3)) - lo) / (hi - lo + 1e-9):.1f}"
                       for a, b in zip(x, v))
        out.append(f'<polyline points="{pts}" fill="none" stroke="{colour}"/><text x="{100 + 50 * k}" y="350" fill="{colour}">{head[k + 1]}</text>')
    out += [f'<text x="5" y="20">{math.exp(hi):.2f}</text><text x="5" y="330">{math.exp(lo):.2f}</text>',
            f'<text x="50" y="350">{int(x[0])}</text><text x="330" y="350" text-anchor="middle">step</text>'
            f'<text x="620" y="350" text-anchor="end">{int(x[-1])}</text></svg>']
    open(svg, "w").write("\n".join(out) + "\n")


def options():
    a = argparse.ArgumentParser(description="train a darknet network")
    a.add_argument("cfg")
    a.add_argument("out", help="OUT.weights, OUT.state, OUT.csv, OUT.svg")
    a.add_argument("packs", nargs="+", help="what data.py pack wrote; PACK:3 to draw from it three times as often")
    a.add_argument("--steps", type=int, default=3000)
    a.add_argument("--minutes", type=float, default=0, help="plan as many steps as fit")
    a.add_argument("--batch", type=int, default=16)
    a.add_argument("--rate", type=float, default=1e-3)
    a.add_argument("--decay", type=float, default=5e-4)
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--threads", type=int, default=1)
    a.add_argument("--device", default="cpu")
    a.add_argument("--init", help="start from these weights")
    a.add_argument("--init-cfg", help="of this cfg, where it is another")
    a.add_argument("--init-classes", default="", help="for each class the other's, as 0;1;14+15;")
    a.add_argument("--freeze-norm", action="store_true", help="keep the means and variances of --init")
    a.add_argument("--fix", type=int, default=0, help="the first N layers of --init do not learn: quicker, for little data")
    a.add_argument("--resume", action="store_true")
    a.add_argument("--anchors", type=int, default=0, help="fit this many anchors to the boxes, print them and stop")
    a.add_argument("--box", type=float, default=2.0, help="weight of the boxes' loss")
    a.add_argument("--class", dest="cls", type=float, default=1.0)
    a.add_argument("--match", type=float, default=0.4)
    a.add_argument("--smooth", type=float, default=0.0)
    a.add_argument("--focal", type=float, default=0.0)
    a.add_argument("--mosaic", type=float, default=0.4)
    a.add_argument("--scale", default="0.6,1.6")
    a.add_argument("--stretch", type=float, default=0.2)
    a.add_argument("--turn", type=float, default=0, help="degrees")
    a.add_argument("--flip", type=float, default=0.5)
    a.add_argument("--colour", type=float, default=1.0)
    a.add_argument("--least", type=float, default=3, help="pixels: smaller boxes are not learnt")
    a.add_argument("--share", type=float, default=0.4, help="of a box that must be seen for it to be learnt")
    a.add_argument("--every", type=int, default=50, help="steps between lines")
    return a.parse_args()


def main():
    o = options()
    torch.manual_seed(o.seed), random.seed(o.seed), np.random.seed(o.seed)
    torch.set_num_threads(o.threads)
    try:
        net = Net(o.cfg)
    except ValueError as e:
        sys.exit(f"train.py: {e}")
    w, h = net.width, net.height
    named = [p.rsplit(":", 1) if ":" in p else (p, 0) for p in o.packs]
    packs = [data.Pack(p) for p, _ in named]
    shares = [float(k) * len(p) if k else len(p) for (_, k), p in zip(named, packs)]
    if o.anchors:
        c, fit = fit_anchors(packs, o.anchors, w, h)
        print("anchors=" + ", ".join(f"{x:.0f},{y:.0f}" for x, y in c.tolist()), f"# mean overlap {fit:.3f}")
        return
    print(f"{o.cfg}: {sum(p.numel() for p in net.parameters())} parameters, {w}x{h}, {sum(map(len, packs))} pictures, "
          f"{sum(len(p.rows) for p in packs)} boxes", flush=True)
    if o.init:
        other = Net(o.init_cfg or o.cfg).load(o.init)
        classes = [[int(j) for j in c.split("+") if j] for c in o.init_classes.split(";")] if o.init_classes else []
        if not o.init_cfg:
            net.load(o.init)
        else:
            print(f"{net.take(other, classes)} of {len(net.convs())} convolutions from {o.init}")
    net.fixed = o.fix
    for i, layer in enumerate(net.layers):
        for m in layer.modules():
            if hasattr(m, "frozen"):
                m.frozen = o.freeze_norm or i < o.fix
        for p in layer.parameters():
            p.requires_grad_(i >= o.fix)
    net.to(o.device, memory_format=torch.channels_last)
    slow = [p for p in net.parameters() if p.requires_grad and p.ndim > 1]
    rest = [p for p in net.parameters() if p.requires_grad and p.ndim <= 1]
    opt = torch.optim.AdamW([{"params": slow, "weight_decay": o.decay}, {"params": rest, "weight_decay": 0}], lr=o.rate)
    ema = {k: v.detach().clone() for k, v in net.state_dict().items()}
    step, spent = 0, 0.0
    if o.resume and os.path.exists(o.out + ".state"):
        s = torch.load(o.out + ".state", map_location=o.device)
        net.load_state_dict(s["net"]), opt.load_state_dict(s["opt"])
        ema, step, spent = s["ema"], s["step"], s["spent"]
        random.seed(o.seed + step)
    log = open(o.out + ".csv", "a" if step else "w")
    if not step:
        log.write("step,loss,box,obj,class,rate,pictures a second\n")
    aug = types.SimpleNamespace(**vars(o))
    aug.scale = tuple(map(float, o.scale.split(",")))
    feed = Feeder(packs, shares, w, h, aug, o.batch)

    def save():
        old = {k: v.detach().clone() for k, v in net.state_dict().items()}
        net.load_state_dict(ema)
        net.seen = step * o.batch
        net.save(o.out + ".weights.new")
        os.replace(o.out + ".weights.new", o.out + ".weights")
        net.load_state_dict(old)
        torch.save({"net": net.state_dict(), "opt": opt.state_dict(), "ema": ema, "step": step, "spent": spent}, o.out + ".state.new")
        os.replace(o.out + ".state.new", o.out + ".state")

    net.train()
    begin, mark, sums, count = time.time() - spent, time.time(), np.zeros(4), 0
    try:
        while True:
            done = (time.time() - begin) / (60 * o.minutes) if o.minutes else step / o.steps
            if done >= 1:
                break
            warm = min(1.0, (step + 1) / 200)
            rate = o.rate * warm * (0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2)
            for g in opt.param_groups:
                g["lr"] = rate
            x, rows = feed.next()
            x = x.to(o.device).float().div_(255).contiguous(memory_format=torch.channels_last)
            part = loss_of(net, net(x), rows.to(o.device), w, h, o)
            loss = o.box * part["box"] + part["obj"] + o.cls * part["class"]
            opt.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
            if torch.isfinite(loss):
                opt.step()
            step += 1
            keep = min(0.998, (1 + step) / (20 + step))
            with torch.no_grad():
                for k, v in net.state_dict().items():
                    ema[k].mul_(keep).add_(v, alpha=1 - keep)
            sums += [float(v) for v in (loss, part["box"], part["obj"], part["class"])]
            count += 1
            if count == o.every:
                spent = time.time() - begin
                sums /= count
                log.write(f"{step},{sums[0]:.4f},{sums[1]:.4f},{sums[2]:.4f},{sums[3]:.4f},{rate:.6f},{count * o.batch / (time.time() - mark):.1f}\n")
                log.flush()
                print(f"step {step} {100 * done:.0f}% loss {sums[0]:.3f} box {sums[1]:.3f} obj {sums[2]:.3f} class {sums[3]:.3f} "
                      f"{count * o.batch / (time.time() - mark):.1f} pictures a second", flush=True)
                mark, sums, count = time.time(), np.zeros(4), 0
                if step % (o.every * 4) == 0:
                    save()
    finally:
        feed.close()
    save()
    log.close()
    plot(o.out + ".csv", o.out + ".svg")
    print(f"{o.out}.weights: {os.path.getsize(o.out + '.weights')} bytes after {step} steps")


if __name__ == "__main__":
    main()
