# SPDX-License-Identifier: Apache-2.0
"""Average precision and recall of boxes as COCO defines them (cocodataset.org, "Detection Evaluation").

A true box is a dict: picture, category, box (x, y, w, h in pixels), and where it applies area
(else w * h) and crowd. A found one: picture, category, score, box. Pictures and categories are
anything that sorts. The definition, in the order in which it is applied:

- Each category and picture is judged alone, on its max_dets best found boxes (100).
- Found boxes choose in the order of their scores, those of equal score in the order given. Each
  takes the free true box that it overlaps most, if by at least the threshold (of equal ones the
  last); a box taken is gone.
- Overlap is intersection over union. A crowd box is a part of the picture that is not judged: what
  overlaps it, by intersection over the found box's own area, is left out of the count, however many
  there are; so is what matches a box outside the range of areas in question, and what matches
  nothing and has itself an area outside. Boxes that count are chosen before those that do not.
- Found boxes of all pictures in the order of their scores (then of the pictures) give a curve of
  precision over recall. Precision at a recall is the highest at this or any higher recall. AP is its
  mean at the recalls 0, 0.01, ... 1; what is never reached counts 0.
- AP is the mean over the categories that have true boxes in the range (not those that have none),
  and over the overlaps 0.5, 0.55, ... 0.95. AP50 and AP75 are for one overlap. AR is the mean of the
  highest recalls.

The numbers are doubles, and the thresholds are rounded as in COCO's own program: so are the results.
A mean over nothing is None."""

SPAN = (0.95 - 0.5) / 9
OVERLAPS = [0.5 + i * SPAN for i in range(9)] + [0.95]
RECALLS = [i * 0.01 for i in range(100)] + [1.0]
AREAS = {"all": (0, 1e10), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}


def overlap(found, true, crowd=False):
    """Intersection over union; for a crowd, over the area of the found box."""
    w = min(found[0] + found[2], true[0] + true[2]) - max(found[0], true[0])
    h = min(found[1] + found[3], true[1] + true[3]) - max(found[1], true[1])
    if w <= 0 or h <= 0:
        return 0.0
    both = w * h
    own = found[2] * found[3]
    return both / (own if crowd else own + true[2] * true[3] - both)


def best_first(found):
    return sorted(found, key=lambda f: -f["score"])


def match(true, found, least, area):
    """The found boxes of one category in one picture, best first, with their overlaps with the true
    ones: a list of True (a hit), False (wrong) or None (not counted) of each; and the number of true
    boxes that count. true: (area, crowd) of each; found: (area, overlaps)."""
    low, high = area
    counts = [not crowd and low <= size <= high for size, crowd in true]
    order = [i for i, c in enumerate(counts) if c] + [i for i, c in enumerate(counts) if not c]
    taken = [False] * len(true)
    verdict = []
    for size, overlaps in found:
        best, at = min(least, 1 - 1e-10), None
        for i in order:
            if taken[i] and not true[i][1]:
                continue
            if at is not None and counts[at] and not counts[i]:
                break
            if overlaps[i] >= best:
                best, at = overlaps[i], i
        if at is None:
            verdict.append(False if low <= size <= high else None)
        else:
            taken[at] = True
            verdict.append(True if counts[at] else None)
    return verdict, sum(counts)


def curve(verdicts, total):
    """Precision at the 101 recalls and the highest recall, of verdicts best first."""
    recall, precision = [], []
    hits = wrong = 0
    for v in verdicts:
        hits += v is True
        wrong += v is False
        recall.append(hits / total)
        precision.append(hits / (hits + wrong) if hits + wrong else 0.0)
    for i in range(len(precision) - 1, 0, -1):
        precision[i - 1] = max(precision[i - 1], precision[i])
    points, i = [], 0
    for r in RECALLS:
        while i < len(recall) and recall[i] < r:
            i += 1
        points.append(precision[i] if i < len(recall) else 0.0)
    return points, recall[-1] if recall else 0.0


def mean(values):
    values = [v for v in values if v is not None]
    return sum(values) / len(values) if values else None


class Score:
    """What there is to say about found boxes beside true ones."""

    def __init__(self, true, found, max_dets=100):
        self.categories = sorted({t["category"] for t in true})
        self.pairs, self.max_dets, self.known = {}, max_dets, {}
        by = {}
        for kind, boxes in enumerate((true, found)):
            for b in boxes:
                by.setdefault((b["category"], b["picture"]), ([], []))[kind].append(b)
        for category, picture in sorted(k for k in by if k[0] in set(self.categories)):
            t, f = by[category, picture]
            f = best_first(f)[:max_dets]
            self.pairs.setdefault(category, []).append((
                [(b.get("area", b["box"][2] * b["box"][3]), bool(b.get("crowd"))) for b in t],
                [(b["box"][2] * b["box"][3], [overlap(b["box"], x["box"], x.get("crowd")) for x in t])
                 for b in f], [b["score"] for b in f]))

    def one(self, category, least=0.5, area="all", max_dets=None):
        """(AP, highest recall) of a category at one overlap; None, None where nothing counts."""
        key = category, least, area, max_dets or self.max_dets
        if key not in self.known:
            ranked, total = [], 0
            for true, found, scores in self.pairs.get(category, []):
                verdict, n = match(true, found[:key[3]], least, AREAS[area])
                ranked += zip(scores, verdict)
                total += n
            ranked.sort(key=lambda r: -r[0])
            points, recall = curve([v for _, v in ranked], total) if total else ([None], None)
            self.known[key] = mean(points), recall
        return self.known[key]

    def ap(self, overlaps=OVERLAPS, area="all", categories=None):
        return mean([self.one(c, o, area)[0] for c in categories or self.categories for o in overlaps])

    def ar(self, area="all", max_dets=None, overlaps=OVERLAPS):
        return mean([self.one(c, o, area, max_dets)[1] for c in self.categories for o in overlaps])

    def coco(self):
        """The twelve numbers by COCO's names."""
        r = {"AP": self.ap(), "AP50": self.ap([0.5]), "AP75": self.ap([OVERLAPS[5]])}
        r.update({"AP" + a[0]: self.ap(area=a) for a in ("small", "medium", "large")})
        r.update({f"AR{n}": self.ar(max_dets=n) for n in (1, 10, 100)})
        r.update({"AR" + a[0]: self.ar(area=a) for a in ("small", "medium", "large")})
        return r

    def at(self, category, threshold, least=0.5):
        """Of found boxes with at least this score: (hits, wrong, true boxes)."""
        hits = wrong = total = 0
        for true, found, scores in self.pairs.get(category, []):
            verdict, n = match(true, [f for f, s in zip(found, scores) if s >= threshold], least, AREAS["all"])
            hits += verdict.count(True)
            wrong += verdict.count(False)
            total += n
        return hits, wrong, total

    def scores(self, category):
        return sorted({s for p in self.pairs.get(category, []) for s in p[2]}, reverse=True)


def edits(a, b):
    """How many characters to insert, remove or replace to make one of the other (Levenshtein)."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]
