#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How well cb-detect finds what is in pictures with known boxes.

ap.py SET... -m MODEL [-m MODEL...] [options] [-- OPTIONS OF CB-DETECT]
ap.py text PREDICTIONS      plate texts, a line "file TEXT" each, beside the true ones
ap.py score TRUTH FOUND     boxes in COCO's own JSON: annotations and results

SET is coco (pictures with YOLO labels), mot (people in a MOTChallenge clip), faces (dlib's XML),
plates (lines "file x y w h TEXT"), labels (pictures of yours in --data, with YOLO labels whose
numbers are lines of --names, or PASCAL VOC's XML), or all but the last: those that have classes which the model knows. They lie
in $CB_SHARED/data, by default ../shared/data; --data DIR names another folder for a single set.
What is measured is what cb-detect prints, with the options that users have: pictures go to it as
a stream of JPEG packets, a clip through cb-ingest. MODEL is whatever its -m takes, cb-objects too; the classes
that it knows are those in it, or in the .names beside it (or of the first model; else all count).

Of each model and set, from 0 to 1:
AP, AP50, AP75      COCO's definition (metric.py), over the classes that the model knows and that
                    occur. YOLO labels have no masks: areas are those of boxes. They have no crowds.
person, vehicle     AP50 of people; of cars, motorcycles, buses and trucks as one class (a second
                    box of another of these classes on the same thing is an error); the mean
                    of the four is vehicle_mean in --json
recall, false       at a score of 0.25 and an overlap of 0.5: which share of people, faces or
                    plates is found, and how many boxes a picture are wrong
at 0.1              the recall where the threshold allows 0.1 wrong boxes a picture
text: exact         share of plates read without an error; within 1: with one character wrong,
                    missing or too much (upper case, without blanks; O=0: letter O and digit 0 taken
                    for the same, as the American list writes them). One without a prediction is wrong.

Found boxes are asked for from a score of 0.001; of a picture cb-detect gives the 256 best. They are
cut to the picture, so the true boxes are too (AP50_uncut in --json: not, where a clip's people
walk out of it).

With --beside darknet the same runs again with --backend darknet: the same input picture, threshold
and suppression; only the network's arithmetic is libdarknet's. Models that it cannot run are named,
with the reason. It ignores scale_x_y: where a model has that, both run without it to be compared.

Exit status: 0, 1 when --least or --within does not hold, 64 called wrongly, 65 bad data, or a model
that does not run (the others do)."""
import argparse
import json
import os
import re
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import metric  # noqa: E402
import sets  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
USUAL = 0.25		# cb-detect's threshold
BESIDE = {"darknet": ["--backend", "darknet"]}


def stem(model):
    return re.sub(r"\.cfg$", "", model)


def folder(o, name):
    path = o.data or os.path.join(os.environ.get("CB_SHARED", os.path.join(ROOT, "..", "shared")), "data",
                                  sets.FOLDERS.get(name, "labels"))
    if not os.path.isdir(path):
        raise sets.Problem(f"{path}: no such folder")
    return path


def member(model, name):
    """The text of a member of a model in one file (cb-model(5), a tar archive), or None."""
    if not os.path.isfile(model) or not tarfile.is_tarfile(model):
        return None
    with tarfile.open(model) as tar:
        return tar.extractfile(name).read().decode() if name in tar.getnames() else None


def known_classes(model, others):
    """Those that a model names, or the first of the others that has names."""
    for m in [model, *others]:
        names = member(m, "model.names")
        if names:
            return {sets.class_name(n) for n in names.splitlines()}
        for path in (stem(m) + ".names", os.path.splitext(m)[0] + ".names"):
            if os.path.exists(path):
                return {sets.class_name(n) for n in sets.lines(path)}
    return None


def darknet_lacks(model):
    """Why libdarknet of 2018 would compute something else, or None."""
    text = member(model, "model.cfg") or "\n".join(sets.lines(model))
    if member(model, "model.int8"):
        return "weights in 8 bits"
    for name in re.findall(r"^\[(\w+)\]", text, re.M):
        if name in ("scale_channels", "sam", "implicit_add", "implicit_mul"):
            return f"no [{name}]"
    if re.search(r"^new_coords\s*=\s*1", text, re.M):
        return "no new_coords"
    for name in re.findall(r"^activation\s*=\s*(mish|swish|gelu|hard_mish|relu6)", text, re.M):
        return f"no {name}"
    return None


SCALE = re.compile(r"^[ \t]*scale_x_y[ \t]*=(.*)\n", re.M)


def beside(o, s, model, known, options, mine):
    """The record that --beside adds."""
    backend = options + BESIDE[o.beside]
    why = darknet_lacks(model)
    if why:
        return {"skipped": why}
    cfg = member(model, "model.cfg")
    if cfg is None:
        with open(model, encoding="utf-8") as f:
            cfg = f.read()
    elif not all(float(v) == 1 for v in SCALE.findall(cfg)):
        return {"skipped": "ignores scale_x_y"}
    if all(float(v) == 1 for v in SCALE.findall(cfg)):
        return {**measure(s, model, known, backend), "cb_AP": mine["AP"]}
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as f:
        f.write(SCALE.sub("", cfg))
        f.flush()
        files = ["--weights", stem(model) + ".weights", "--names", stem(model) + ".names"]
        return {**measure(s, f.name, known, files + backend), "without": "scale_x_y",
                "cb_AP": measure(s, f.name, known, files + options)["AP"]}


def joined(boxes, group):
    return [{**b, "category": group} for b in boxes if b["category"] in sets.GROUPS[group] + [group]]


def measure(s, model, known, options):
    """A record, as --json prints it."""
    known = set(s.classes) | set(sets.GROUPS) if known is None else known
    found, sizes, run = sets.detect(s, model, ["--threshold", "0.001", *options])
    true = s.boxes(sizes)
    groups = [g for g in sets.GROUPS if g in known]
    judged = [t for t in true if t["category"] in known] + [t for g in groups for t in joined(true, g)]
    score = metric.Score(judged, found)
    r = {"model": os.path.basename(model), "set": s.name, "pictures": len(sizes), "boxes": len(judged),
         "model_sha256": run.get("model_sha256"), "isa": run.get("isa"), "options": options, **score.coco(),
         "classes": {c: score.ap([0.5], categories=[c]) for c in score.categories}}
    if "person" in score.categories:
        r["person"] = r["classes"]["person"]
    if s.names == [] and len(s.classes) == 1:
        r["AP50_uncut"] = metric.Score(s.true, found).ap([0.5])
    merged = [b for g in ("vehicle",) for b in joined([t for t in true if t["category"] in known or g in known], g)]
    if s.name == "coco" and merged:
        r["vehicle"] = metric.Score(merged, joined(found, "vehicle")).ap([0.5])
        r["vehicle_mean"] = metric.mean([r["classes"].get(c) for c in sets.GROUPS["vehicle"]])
    one = "person" if s.name == "coco" else s.classes[0]
    if one in score.categories:
        hits, wrong, total = score.at(one, USUAL)
        r.update({"recall": hits / total, "false": wrong / len(sizes),
                  "precision": hits / (hits + wrong) if hits + wrong else None})
        r["recall_at_0.1"] = 0.0
        for threshold in score.scores(one):
            hits, wrong, total = score.at(one, threshold)
            if wrong > 0.1 * len(sizes):
                break
            r["recall_at_0.1"], r["threshold_at_0.1"] = hits / total, threshold
    return r


COLUMNS = [("AP", "AP"), ("AP50", "AP50"), ("AP75", "AP75"), ("person", "person"), ("vehicle", "vehicle"),
           ("recall", "recall"), ("false", "false"), ("at 0.1", "recall_at_0.1")]


class Table:
    """Lines of a table, or with --json records, as they come."""

    def __init__(self, o):
        self.json, self.beside, self.head = o.json, o.beside, False
        self.width = max([len(os.path.basename(m)) for m in o.model or []] + [5])

    def line(self, model, name, cells):
        if not self.head:
            self.head = True
            print(" ".join([f"{'model':{self.width}} {'data':10}"] + [f"{c[0]:>7}" for c in COLUMNS]
                           + ([f"{self.beside:>8} {'AP50':>7} {'differ':>7}"] if self.beside else [])))
        print(f"{model:{self.width}} {name:10} {cells}", flush=True)

    def record(self, r):
        if self.json:
            print(json.dumps(r), flush=True)
            return
        cells = " ".join(f"{r[k]:7.4f}" if r.get(k) is not None else f"{'':>7}" for _, k in COLUMNS)
        b = r.get(self.beside) if self.beside else None
        if b and "AP" in b:
            cells += f" {b['AP']:8.4f} {b['AP50']:7.4f} {100 * (b['cb_AP'] - b['AP']):+7.3f}"
            cells += f" (both without {b['without']})" if "without" in b else ""
        elif b:
            cells += f" skipped: {b['skipped']}"
        self.line(r["model"], r["set"], cells)


def boxes(o, options):
    names = sets.OURS if "all" in o.what else o.what
    loaded, failed, broken, first, table = {}, 0, 0, {}, Table(o)
    for model in o.model:
        known, seen = known_classes(model, o.model), 0
        for name in names:
            if name not in loaded:
                own = [o.names] if name == "labels" else []
                loaded[name] = sets.SETS[name](folder(o, name), o.first, *own)
            s = loaded[name]
            if known is not None and not known & (set(s.classes) | (set(sets.GROUPS) if name == "coco" else set())):
                if "all" not in o.what:
                    raise sets.Problem(f"{model}: knows none of the classes of {name}")
                continue
            seen += 1
            try:
                r = measure(s, model, known, options)
                if o.beside:
                    r[o.beside] = beside(o, s, model, known, options, r)
            except sets.Problem as e:
                if len(o.model) == 1:
                    raise
                print(f"ap.py: {model}: {s.name}: {e}", file=sys.stderr)
                broken += 1
                continue
            table.record(r)
            failed += guard(o, r, first.setdefault(name, r))
        if not seen:
            print(f"ap.py: {model}: no data for its classes", file=sys.stderr)
    return 65 if broken else failed > 0


def guard(o, r, first):
    """How many of --least and --within do not hold; says which."""
    bad = []
    for least in o.least:
        name, _, value = least.partition("=")
        if r.get(name) is None or r[name] < float(value):
            bad.append(f"{name} is {r.get(name)}, less than {value}")
    if o.within is not None and first:
        b = r.get(o.beside, {})
        mine, other, whose = (b.get("cb_AP"), b.get("AP"), o.beside) if o.beside else \
            (r["AP"], first["AP"], first["model"])
        differ = 0 if None in (mine, other) else 100 * (other - mine)
        if differ > o.within or o.beside and -differ > o.within:
            bad.append(f"AP {mine:.4f} is more than {o.within} points from {whose}'s {other:.4f}")
    for b in bad:
        print(f"ap.py: {r['model'] + ' on ' if first else ''}{r['set']}: {b}", file=sys.stderr)
    return len(bad)


def text(o):
    data = folder(o, "text")
    true = sets.plate_texts(data)
    if not true:
        raise sets.Problem(f"{data}: no plate texts")
    read = {}
    for line in sets.lines(o.file[0]):
        name, _, t = line.strip().replace("\t", " ").partition(" ")
        read[sets.stem(name)] = "".join(t.split()).upper()
    stray = sorted(set(read) - set(true))
    if stray:
        raise sets.Problem(f"{o.file[0]}: {stray[0]} is not among the pictures")
    plain = [metric.edits(read.get(n, ""), t.upper()) for n, t in true.items()]
    alike = [metric.edits(read.get(n, "").replace("O", "0"), t.upper().replace("O", "0")) for n, t in true.items()]
    n = len(true)
    r = {"set": "text", "plates": n, "predicted": len(read), "exact": plain.count(0) / n,
         "within1": sum(e <= 1 for e in plain) / n, "exact_O=0": alike.count(0) / n,
         "within1_O=0": sum(e <= 1 for e in alike) / n,
         "character_errors": sum(plain) / sum(len(t) for t in true.values())}
    if not read:
        raise sets.Problem(f"{o.file[0]}: no predictions")
    if o.json:
        print(json.dumps(r))
    else:
        print(f"{n} plates, {len(read)} predictions: exact {r['exact']:.4f}, within 1 {r['within1']:.4f}; "
              f"O=0: exact {r['exact_O=0']:.4f}, within 1 {r['within1_O=0']:.4f}; "
              f"character errors {r['character_errors']:.4f}")
    return guard(o, r, None) > 0


def score(o):
    with open(o.file[0], encoding="utf-8") as t, open(o.file[1], encoding="utf-8") as f:
        true, found = json.load(t), json.load(f)
    r = metric.Score(
        [{"picture": a["image_id"], "category": a["category_id"], "box": a["bbox"], "crowd": a.get("iscrowd"),
          "area": a.get("area", a["bbox"][2] * a["bbox"][3])} for a in true["annotations"]],
        [{"picture": a["image_id"], "category": a["category_id"], "box": a["bbox"], "score": a["score"]}
         for a in found]).coco()
    print(json.dumps(r) if o.json else
          "\n".join(f"{k:5} {'-' if v is None else format(v, '.6f')}" for k, v in r.items()))
    return 0


def main():
    argv, options = sys.argv[1:], []
    if "--" in argv:
        argv, options = argv[:argv.index("--")], argv[argv.index("--") + 1:]
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                usage="ap.py WHAT... [options] [-- OPTIONS]")
    a.add_argument("what", nargs="+", metavar="WHAT", help="coco mot faces plates labels all, or text or score and files")
    a.add_argument("-m", "--model", action="append", metavar="FILE", help="for cb-detect -m (repeatable)")
    a.add_argument("--data", metavar="DIR", help="the folder of the set")
    a.add_argument("--names", metavar="FILE", help="of the set labels: its classes, one a line")
    a.add_argument("--first", type=int, metavar="N", help="only so many pictures of a set")
    a.add_argument("--beside", choices=list(BESIDE), help="run this backend too, and say how it differs")
    a.add_argument("--least", action="append", default=[], metavar="NAME=N", help="exit 1 below it, e.g. AP50=0.38")
    a.add_argument("--within", type=float, metavar="POINTS", help="exit 1 where AP is more than so many "
                   "hundredths below the first model's, or with --beside away from what that gives")
    a.add_argument("--json", action="store_true", help="a JSON object a line, with more in it")
    o = a.parse_args(argv)
    o.file = o.what[1:]
    if any("=" not in t or not re.fullmatch(r"[\d.]+", t.partition("=")[2]) for t in o.least):
        a.error("--least wants NAME=N")
    job = {"text": (text, 1), "score": (score, 2)}.get(o.what[0])
    if job and len(o.file) != job[1]:
        a.error(f"{o.what[0]}: {job[1]} file(s), not {len(o.file)}")
    if not job and [w for w in o.what if w != "all" and w not in sets.SETS]:
        a.error("no such set: " + [w for w in o.what if w != "all" and w not in sets.SETS][0])
    if not job and not o.model:
        a.error("-m is missing")
    if (o.what == ["labels"]) != bool(o.names) or o.names and not o.data:
        a.error("--names and --data go with the set labels")
    if not job:		# models that ship go by name
        o.model = [m if "." in m or "/" in m else os.path.join(ROOT, "models", m + ".cfg") for m in o.model]
    if o.data and not job and (len(o.what) > 1 or o.what == ["all"]):
        a.error("--data goes with a single set")
    return int(job[0](o) if job else boxes(o, options))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SystemExit as e:
        sys.exit(64 if e.code == 2 else e.code)
    except (sets.Problem, OSError, ValueError, KeyError, TypeError) as e:
        print(f"ap.py: {e if isinstance(e, (sets.Problem, OSError)) else f'bad data: {e!r}'}", file=sys.stderr)
        sys.exit(65)
