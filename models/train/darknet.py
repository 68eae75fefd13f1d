#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Darknet networks in PyTorch: read a .cfg, read and write .weights, give the yolo layers' boxes.

Net(path) builds the network of a cfg; Net.load() and Net.save() read and write the weights as
darknet stores them: a header of 20 bytes, then of each convolution bias, scale, mean, variance
(with batch_normalize) and weights, all little-endian 32-bit floats. Loading a file and saving
it gives the same bytes.

darknet.py OLD.cfg NEW.cfg CLASSES writes a cfg anew for another number of classes.

What cb-detect computes is what Net computes in eval(): the variance's root has 1e-6 added, as
darknet does, and there is no other epsilon."""
import re
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def read_cfg(path):
    """The sections of a cfg: a list of (name, {option: text}), [net] first."""
    out = []
    for raw in open(path):
        line = raw.split("#")[0].split(";")[0].strip()
        if line.startswith("["):
            out.append((line.strip("[]"), {}))
        elif "=" in line:
            k, v = line.split("=", 1)
            out[-1][1][k.strip()] = v.strip()
    return out


def numbers(text):
    return [float(x) for x in text.split(",") if x.strip()]


ACTIVATIONS = {
    "linear": lambda x: x,
    "leaky": lambda x: F.leaky_relu(x, 0.1),
    "relu": F.relu,
    "relu6": lambda x: F.hardtanh(x, 0, 6),
    "mish": F.mish,
    "swish": F.silu,
    "logistic": torch.sigmoid,
}


class Norm(nn.Module):
    """Batch normalisation with darknet's arithmetic. Frozen, it is a scale and a bias that learn."""

    def __init__(self, n):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(n)), nn.Parameter(torch.zeros(n))
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("var", torch.ones(n))
        self.frozen = False

    def affine(self):
        """Scale and bias of the normalisation with the means and variances that it has."""
        # of dead channels some trainers leave a denormal just below zero
        k = self.weight / (self.var.clamp(min=0).sqrt() + 1e-6)
        return k, self.bias - self.mean * k

    def forward(self, x):
        return F.batch_norm(x, self.mean, self.var, self.weight, self.bias, True, 0.03, 1e-6)


class Conv(nn.Module):
    def __init__(self, cin, o):
        super().__init__()
        size, groups = int(o.get("size", 1)), int(o.get("groups", 1))
        filters, pad = int(o["filters"]), int(o.get("padding", 0))
        usual = {"dilation": 1, "stride_x": o.get("stride", 1), "stride_y": o.get("stride", 1), "antialiasing": 0,
                 "share_index": "", "binary": 0, "xnor": 0}
        odd = [f"{k}={o[k]}" for k, v in usual.items() if o.get(k, str(v)) != str(v)]
        if o.get("activation", "logistic") not in ACTIVATIONS:
            odd.append("activation=" + o["activation"])
        if odd:
            raise ValueError(f"[convolutional] with {', '.join(odd)} cannot be trained")
        if int(o.get("pad", 0)):
            pad = size // 2
        bn = int(o.get("batch_normalize", 0))
        self.conv = nn.Conv2d(cin, filters, size, int(o.get("stride", 1)), pad, groups=groups, bias=not bn)
        self.norm = Norm(filters) if bn else None
        self.act = ACTIVATIONS[o.get("activation", "logistic")]

    def forward(self, x):
        if self.norm and (self.norm.frozen or not self.training):
            k, b = self.norm.affine()
            c = self.conv
            return self.act(F.conv2d(x, c.weight * k[:, None, None, None], b, c.stride, c.padding, 1, c.groups))
        x = self.conv(x)
        return self.act(self.norm(x) if self.norm else x)

    def tensors(self):
        """In the order of the file."""
        n = self.norm
        return [n.bias, n.weight, n.mean, n.var, self.conv.weight] if n else [self.conv.bias, self.conv.weight]


class Yolo:
    """A yolo layer's numbers: anchors in pixels of the input, of which mask says which are its own."""

    def __init__(self, o):
        a = numbers(o["anchors"])
        self.anchors = torch.tensor(a).view(-1, 2)
        self.mask = [int(x) for x in numbers(o.get("mask", ",".join(map(str, range(len(a) // 2)))))]
        self.classes = int(o["classes"])
        self.scale = float(o.get("scale_x_y", 1))
        self.ignore = float(o.get("ignore_thresh", 0.5))

    def boxes(self, raw, w, h):
        """Raw output (B, n*(5+C), gh, gw) -> centre boxes 0..1 (B, n, gh, gw, 4), logits (.., 1+C)."""
        b, _, gh, gw = raw.shape
        r = raw.view(b, len(self.mask), 5 + self.classes, gh, gw).permute(0, 1, 3, 4, 2)
        y, x = torch.meshgrid(torch.arange(gh, device=raw.device), torch.arange(gw, device=raw.device), indexing="ij")
        xy = r[..., :2].sigmoid() * self.scale - (self.scale - 1) / 2
        anchor = self.anchors[self.mask].to(raw.device).view(1, -1, 1, 1, 2)
        wh = r[..., 2:4].clamp(max=8).exp() * anchor
        return torch.cat([(xy[..., :1] + x[..., None]) / gw, (xy[..., 1:] + y[..., None]) / gh,
                          wh[..., :1] / w, wh[..., 1:] / h], -1), r[..., 4:]


class Net(nn.Module):
    def __init__(self, path, width=0, height=0):
        super().__init__()
        sections = read_cfg(path)
        net = sections[0][1]
        self.width, self.height = width or int(net["width"]), height or int(net["height"])
        self.channels = int(net.get("channels", 3))
        self.seen, self.fixed, self.yolos, self.steps, self.layers = 0, 0, [], [], nn.ModuleList()
        depth = []
        for i, (kind, o) in enumerate(sections[1:]):
            at = [j + i if j < 0 else j for j in map(int, numbers(o.get("layers", o.get("from", ""))))]
            cin = depth[-1] if depth else self.channels
            m, c = None, cin
            if kind == "convolutional":
                try:
                    m = Conv(cin, o)
                except ValueError as e:
                    raise ValueError(f"{path}: layer {i}: {e}") from None
                c = int(o["filters"])
            elif kind == "maxpool":
                size, stride = int(o.get("size", o.get("stride", 1))), int(o.get("stride", 1))
                pad = int(o.get("padding", size - 1))
                m = nn.Sequential(nn.ConstantPad2d((pad // 2, pad - pad // 2) * 2, -1e30), nn.MaxPool2d(size, stride))
            elif kind == "avgpool":
                m = nn.AdaptiveAvgPool2d(1)
            elif kind == "upsample":
                m = nn.Upsample(scale_factor=int(o.get("stride", 2)))
            elif kind == "route":
                groups = int(o.get("groups", 1))
                c = sum(depth[j] for j in at) // groups
                at.append((groups, int(o.get("group_id", 0))))
            elif kind == "shortcut":
                if len(at) != 1 or depth[at[0]] != cin:
                    raise ValueError(f"{path}: layer {i}: a shortcut joins two of the same depth")
                m = ACTIVATIONS[o.get("activation", "linear")]
            elif kind == "scale_channels":
                c = depth[at[0]]
                m = ACTIVATIONS[o.get("activation", "linear")]
            elif kind == "yolo":
                m = Yolo(o)
                self.yolos.append(m)
            elif kind != "dropout":
                raise ValueError(f"{path}: layer {i} [{kind}] cannot be trained")
            depth.append(c)
            self.layers.append(m if isinstance(m, nn.Module) else nn.Identity())
            self.steps.append((kind, at, m))

        # an untrained network is to say that there is nothing, or the first steps are spent on that
        with torch.no_grad():
            for i, (kind, _, m) in enumerate(self.steps):
                if kind == "yolo":
                    bias = self.steps[i - 1][2].conv.bias.view(len(m.mask), -1)
                    bias.zero_()
                    bias[:, 4], bias[:, 5:] = -5.0, -2.0

    def forward(self, x):
        """The raw outputs of the yolo layers, in the order of Net.yolos. The first Net.fixed layers do not learn."""
        out, heads, learn = [], [], torch.is_grad_enabled()
        for i, ((kind, at, m), layer) in enumerate(zip(self.steps, self.layers)):
            with torch.set_grad_enabled(learn and i >= self.fixed):
                if kind == "route":
                    groups, part = at[-1]
                    parts = [out[j] for j in at[:-1]]
                    parts = [p.chunk(groups, 1)[part] for p in parts] if groups > 1 else parts
                    x = torch.cat(parts, 1) if len(parts) > 1 else parts[0]
                elif kind == "shortcut":
                    x = m(x + out[at[0]])
                elif kind == "scale_channels":
                    x = m(out[at[0]] * x)
                elif kind == "yolo":
                    heads.append(x)
                else:
                    x = layer(x)
            out.append(x)
        return heads

    def convs(self):
        return [m for kind, _, m in self.steps if kind == "convolutional"]

    def load(self, path):
        raw = open(path, "rb").read()
        major, minor, _ = struct.unpack_from("<iii", raw)
        head = 12 + (8 if major * 10 + minor >= 2 else 4)
        self.seen = int.from_bytes(raw[12:head], "little")
        data, at = np.frombuffer(raw, "<f4", offset=head), 0
        need = sum(t.numel() for c in self.convs() for t in c.tensors())
        if need != len(data):
            raise ValueError(f"{path}: {len(data)} numbers, the network has {need}")
        with torch.no_grad():
            for c in self.convs():
                for t in c.tensors():
                    t.copy_(torch.from_numpy(data[at:at + t.numel()].copy()).view(t.shape))
                    at += t.numel()
        return self

    def save(self, path):
        with open(path, "wb") as f:
            f.write(struct.pack("<iiiQ", 0, 2, 5, self.seen))
            for c in self.convs():
                for t in c.tensors():
                    f.write(t.detach().float().cpu().contiguous().numpy().astype("<f4").tobytes())

    def take(self, other, classes):
        """Start from another network of the same shape: copy every layer that agrees. Of the
        layers before a yolo layer, whose depth depends on the number of classes, copy boxes and
        objectness, and for class i the mean of the other's classes classes[i] (an empty list: left)."""
        mine, theirs = self.convs(), other.convs()
        heads = {id(self.steps[i - 1][2]): m for i, (k, _, m) in enumerate(self.steps) if k == "yolo"}
        taken = 0
        with torch.no_grad():
            for a, b in zip(mine, theirs):
                if id(a) in heads:
                    n, c = len(heads[id(a)].mask), heads[id(a)].classes
                    old = b.conv.bias.numel() // n - 5
                    for t, s in zip(a.tensors(), b.tensors()):
                        t, s = t.view(n, 5 + c, -1), s.view(n, 5 + old, -1)
                        t[:, :5] = s[:, :5]
                        for i, from_ in enumerate(classes):
                            if from_:
                                t[:, 5 + i] = s[:, [5 + j for j in from_]].mean(1)
                elif all(t.shape == s.shape for t, s in zip(a.tensors(), b.tensors())):
                    for t, s in zip(a.tensors(), b.tensors()):
                        t.copy_(s)
                else:
                    break
                taken += 1
        return taken


def for_classes(text, classes):
    """The text of a cfg with so many classes in each [yolo], and as many filters in the convolution before
    it as that takes; all other lines as they are."""
    parts = re.split(r"(?m)^(?=[ \t]*\[)", text)
    for i, p in enumerate(parts):
        if not p.lstrip().startswith("[yolo]"):
            continue
        mask = re.search(r"(?m)^[ \t]*mask[ \t]*=(.*)", p)
        num = re.search(r"(?m)^[ \t]*num[ \t]*=[ \t]*(\d+)", p)
        n = len(numbers(mask[1])) if mask else int(num[1]) if num else 1
        parts[i] = re.sub(r"(?m)^([ \t]*classes[ \t]*=).*", rf"\g<1>{classes}", p)
        parts[i - 1] = re.sub(r"(?m)^([ \t]*filters[ \t]*=).*", rf"\g<1>{n * (5 + classes)}", parts[i - 1])
    return "".join(parts)


if __name__ == "__main__":
    if len(sys.argv) != 4 or not sys.argv[3].isdigit() or sys.argv[3] == "0":
        sys.exit("darknet.py OLD.cfg NEW.cfg CLASSES")
    made = for_classes(open(sys.argv[1]).read(), int(sys.argv[3]))
    with open(sys.argv[2], "w") as f:
        f.write(made)
    try:
        Net(sys.argv[2])
    except ValueError as e:
        sys.exit(str(e))
