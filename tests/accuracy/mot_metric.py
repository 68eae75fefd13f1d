# SPDX-License-Identifier: Apache-2.0
"""How well tracks follow what they should: CLEAR MOT, IDF1 and HOTA, from their papers.

MOTA: Bernardin, Stiefelhagen, Evaluating multiple object tracking performance, EURASIP JIVP 2008:
a match of the picture before is kept while it overlaps by 0.5, the others are paired at the least
total distance; misses, false boxes and changes of identity over the number of true boxes.
IDF1: Ristani et al., Performance measures and a data set for multi-target, multi-camera tracking,
ECCVW 2016: one true trajectory is paired with one track over the whole sequence.
HOTA: Luiten et al., HOTA: a higher order metric for evaluating multi-object tracking, IJCV 2021:
detection and association accuracy, their geometric mean over overlaps of 0.05 to 0.95; the pairs
of a picture are those of the highest sum of overlap times how well the trajectories agree overall.

Boxes are (x, y, w, h); a sequence is a list of pictures, each a dict {identity: box}."""
import math


def iou(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / (a[2] * a[3] + b[2] * b[3] - w * h)


def assign(cost):
    """Pairs (row, column) of the least total cost, as many as the smaller side has. Costs may be
    inf: such pairs are avoided as long as possible, and left out. Shortest augmenting paths."""
    n = len(cost)
    m = len(cost[0]) if n else 0
    if not n or not m:
        return []
    if n > m:
        return sorted((r, c) for c, r in assign([list(x) for x in zip(*cost)]))
    big = 1 + 2 * sum(abs(x) for row in cost for x in row if x != math.inf)
    cost = [[big if x == math.inf else x for x in row] for row in cost]
    u, v = [0.0] * (n + 1), [0.0] * (m + 1)
    owner = [0] * (m + 1)
    for i in range(1, n + 1):
        owner[0], j = i, 0
        least, way, used = [math.inf] * (m + 1), [0] * (m + 1), [False] * (m + 1)
        while owner[j]:
            used[j] = True
            r, delta, to = owner[j], math.inf, 0
            row = cost[r - 1]
            for k in range(1, m + 1):
                if used[k]:
                    continue
                d = row[k - 1] - u[r] - v[k]
                if d < least[k]:
                    least[k], way[k] = d, j
                if least[k] < delta:
                    delta, to = least[k], k
            for k in range(m + 1):
                if used[k]:
                    u[owner[k]] += delta
                    v[k] -= delta
                else:
                    least[k] -= delta
            j = to
        while j:
            owner[j] = owner[way[j]]
            j = way[j]
    return sorted((owner[j] - 1, j - 1) for j in range(1, m + 1)
                  if owner[j] and cost[owner[j] - 1][j - 1] < big)


def clear(truth, found):
    """MOTA and what it is made of."""
    matched = {}		# true identity -> track, as of its last match
    before = {}			# matches of the picture before
    fp = fn = switches = frag = total = tp = 0
    for t, f in zip(truth, found):
        total += len(t)
        now = {}
        for g, k in before.items():
            if g in t and k in f and iou(t[g], f[k]) >= 0.5:
                now[g] = k
        gs = [g for g in sorted(t) if g not in now]
        taken = set(now.values())
        ks = [k for k in sorted(f) if k not in taken]
        cost = [[1 - iou(t[g], f[k]) for k in ks] for g in gs]
        cost = [[c if c <= 0.5 else math.inf for c in row] for row in cost]
        for r, c in assign(cost):
            now[gs[r]] = ks[c]
        for g, k in now.items():
            if g in matched and matched[g] != k:
                switches += 1
            matched[g] = k
        tp += len(now)
        fn += len(t) - len(now)
        fp += len(f) - len(now)
        before = now
    return {"MOTA": 1 - (fp + fn + switches) / max(total, 1), "FP": fp, "FN": fn, "IDs": switches, "GT": total}


def identity(truth, found):
    """IDF1."""
    gs = sorted({g for t in truth for g in t})
    ks = sorted({k for f in found for k in f})
    gn, kn = {g: 0 for g in gs}, {k: 0 for k in ks}
    both = {}
    for t, f in zip(truth, found):
        for g in t:
            gn[g] += 1
        for k in f:
            kn[k] += 1
        for g, a in t.items():
            for k, b in f.items():
                if iou(a, b) >= 0.5:
                    both[g, k] = both.get((g, k), 0) + 1
    # the most boxes that a pairing of trajectories explains
    cost = [[-both.get((g, k), 0) for k in ks] for g in gs]
    idtp = -sum(cost[r][c] for r, c in assign(cost)) if gs and ks else 0
    total, boxes = sum(gn.values()), sum(kn.values())
    return {"IDF1": 2 * idtp / max(total + boxes, 1)}


ALPHAS = [round(0.05 * i, 2) for i in range(1, 20)]


def hota(truth, found):
    """HOTA, DetA and AssA, means over the overlaps."""
    gn, kn, agree = {}, {}, {}
    overlaps = []
    for t, f in zip(truth, found):
        s = {(g, k): iou(a, b) for g, a in t.items() for k, b in f.items()}
        s = {p: v for p, v in s.items() if v > 0}
        overlaps.append(s)
        row, col = {}, {}
        for (g, k), v in s.items():
            row[g] = row.get(g, 0) + v
            col[k] = col.get(k, 0) + v
        for (g, k), v in s.items():
            agree[g, k] = agree.get((g, k), 0) + v / (row[g] + col[k] - v)
        for g in t:
            gn[g] = gn.get(g, 0) + 1
        for k in f:
            kn[k] = kn.get(k, 0) + 1
    agree = {(g, k): v / (gn[g] + kn[k] - v) for (g, k), v in agree.items()}
    pairs = []
    for s in overlaps:
        gs, ks = sorted({g for g, _ in s}), sorted({k for _, k in s})
        cost = [[-s.get((g, k), 0) * agree.get((g, k), 0) for k in ks] for g in gs]
        pairs += [(gs[r], ks[c], s[gs[r], ks[c]]) for r, c in assign(cost) if (gs[r], ks[c]) in s]
    total, boxes = sum(gn.values()), sum(kn.values())
    h, det, ass = [], [], []
    for alpha in ALPHAS:
        tp, matches = 0, {}
        for g, k, v in pairs:
            if v >= alpha - 1e-12:
                tp += 1
                matches[g, k] = matches.get((g, k), 0) + 1
        a = sum(n * n / (gn[g] + kn[k] - n) for (g, k), n in matches.items()) / max(tp, 1)
        d = tp / max(total + boxes - tp, 1)
        det.append(d)
        ass.append(a)
        h.append(math.sqrt(d * a))
    mean = lambda x: sum(x) / len(x)  # noqa: E731
    return {"HOTA": mean(h), "DetA": mean(det), "AssA": mean(ass)}


def score(truth, found):
    return {**clear(truth, found), **identity(truth, found), **hota(truth, found)}


def read_mot(path, flagged=True):
    """A file of MOTChallenge's: picture, identity, x, y, w, h, flag..."""
    rows = {}
    with open(path) as f:
        for line in f:
            v = line.strip().split(",")
            if len(v) < 6 or (flagged and len(v) > 6 and float(v[6]) == 0):
                continue
            rows.setdefault(int(float(v[0])), {})[int(float(v[1]))] = tuple(float(x) for x in v[2:6])
    return rows


def listed(rows, pictures):
    return [rows.get(i, {}) for i in range(1, pictures + 1)]
