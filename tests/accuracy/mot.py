#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How well cb-track follows people, beside SORT and ByteTrack on the same detections.

mot.py metric               the metrics give the values that are known of two outputs
mot.py noised [options]     detections made of true boxes: jittered, missed, false, hidden ones scoring low
mot.py real [options]       detections of cb-detect on the clip with known tracks
mot.py all [options]        both

--seeds N         noised: so many times with other noise (3)
--every N         only every Nth picture: N times slower
--level NAME      noised: good, usual, poor (all three)
--model MODEL     real: what cb-detect's -m takes; may be given again (all that know persons)
--least           exit 1 where cb-track is not above SORT and at ByteTrack's level, see below
--each            every sequence and model, too
--json            a line of JSON each instead of a table
-- OPTIONS        of cb-track

What is measured of cb-track is what it prints with --update 0. MOTA, IDF1, HOTA are in percent
(mot_metric.py); the peers are in mot_peers.py. Sequences lie in $CB_SHARED/data/mot, by default
../shared/data/mot.

--least: over all sequences together each of MOTA, IDF1 and HOTA is above SORT's, and not more
than half a point below ByteTrack's."""
import argparse
import datetime
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mot_metric  # noqa: E402
import mot_peers  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.path.join(os.environ.get("CB_SHARED", os.path.join(ROOT, "..", "shared")), "data")
# name, ground truth, pictures, a second, width, height
SEQUENCES = [
    ("TUD-Campus", "mot/TUD-Campus/gt/gt.txt", 71, 25, 640, 480),
    ("TUD-Stadtmitte", "mot/metric-oracle/TUD-Stadtmitte/gt.txt", 179, 25, 640, 480),
    ("KITTI-17", "mot/gt-only/KITTI-17/gt/gt.txt", 145, 10, 1224, 370),
    ("ADL-Rundle-6", "mot/gt-only/ADL-Rundle-6/gt/gt.txt", 525, 30, 1920, 1080),
    ("Venice-2", "mot/gt-only/Venice-2/gt/gt.txt", 600, 30, 1920, 1080),
]
# standard deviation of a side, missed, false boxes a picture
LEVELS = {"good": (0.02, 0.03, 0.2), "usual": (0.05, 0.12, 0.6), "poor": (0.08, 0.25, 1.5)}


def hidden(boxes):
    """How much of each box another one that stands nearer covers."""
    out = {}
    for g, a in boxes.items():
        worst = 0.0
        for h, b in boxes.items():
            if h == g or b[1] + b[3] <= a[1] + a[3]:
                continue
            w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
            k = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
            if w > 0 and k > 0:
                worst = max(worst, w * k / (a[2] * a[3]))
        out[g] = worst
    return out


def noised(truth, width, height, level, seed):
    sigma, miss, false = LEVELS[level]
    rnd = random.Random("%s %d" % (level, seed))
    out = []
    for boxes in truth:
        cover, dets = hidden(boxes), []
        for g, (x, y, w, h) in sorted(boxes.items()):
            c = cover[g]
            if rnd.random() < miss + (1 - miss) * max(0, c - 0.3) * 1.2:
                continue
            s = sigma * (1 + 2 * c)
            x, y = x + rnd.gauss(0, s) * w, y + rnd.gauss(0, s) * h
            w, h = w * (1 + rnd.gauss(0, s)), h * (1 + rnd.gauss(0, s))
            score = min(0.99, max(0.05, rnd.gauss(0.8, 0.12) - 0.6 * c))
            dets.append(((x, y, w, h), round(score, 4)))
        for _ in range(int(false) + (rnd.random() < false % 1)):
            h = rnd.uniform(0.1, 0.5) * height
            w = h * rnd.uniform(0.3, 0.6)
            dets.append(((rnd.uniform(0, width - w), rnd.uniform(0, height - h), w, h),
                         round(min(0.95, max(0.1, rnd.gauss(0.35, 0.15))), 4)))
        out.append(dets)
    return out


def events(dets, seq, every):
    """The detections as cb.detection lines."""
    _, _, _, fps, width, height = seq
    lines = []
    for n, ds in enumerate(dets):
        us = 1767225600000000 + n * every * 1000000 // fps
        lines.append(json.dumps({
            "specversion": "1.0", "id": "%032x" % (n + 1), "source": "/cb-detect", "type": "cb.detection",
            "time": (datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=us))
            .strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "subject": seq[0],
            "data": {"t_us": us, "stream": 0, "pts": n, "packet": hashlib.sha256(b"%d" % n).hexdigest(),
                     "run": "0" * 16, "width": width, "height": height, "objects": [
                         {"class": "person", "class_id": 0, "score": s,
                          "box": [round(b[0] / width, 4), round(b[1] / height, 4),
                                  round(b[2] / width, 4), round(b[3] / height, 4)]} for b, s in ds]}}))
    return "".join(x + "\n" for x in lines)


def ours(text, options):
    """cb-track's tracks: {pts: {number: box}}, parts of the picture."""
    r = subprocess.run(["cb-track", "--only", "--update", "0"] + options, input=text.encode(),
                       stdout=subprocess.PIPE)
    if r.returncode:
        sys.exit("cb-track: exit %d" % r.returncode)
    out = {}
    for line in r.stdout.splitlines():
        e = json.loads(line)
        if e["type"] == "cb.track" and e["data"]["state"] != "end":
            out.setdefault(e["data"]["t_us"], {})[e["data"]["number"]] = e["data"]["box"]
    return out


def compare(truth, dets, seq, every, options):
    """Metrics of each tracker on these detections."""
    _, _, _, fps, width, height = seq
    text = events(dets, seq, every)
    times = [json.loads(x)["data"]["t_us"] for x in text.splitlines()]
    got = ours(text, options)
    scaled = [{k: (b[0] * width, b[1] * height, b[2] * width, b[3] * height)
               for k, b in got.get(t, {}).items()} for t in times]
    sort, byte = mot_peers.Sort(), mot_peers.ByteTrack(fps / every)
    found = {"cb-track": scaled, "SORT": [sort.update(d) for d in dets],
             "ByteTrack": [byte.update(d) for d in dets]}

    def cut(f):
        out = {}
        for k, (x, y, w, h) in f.items():
            a, b = max(0, x), max(0, y)
            c, d = min(width, x + w), min(height, y + h)
            if c > a and d > b:
                out[k] = (a, b, c - a, d - b)
        return out
    truth = [cut(t) for t in truth]
    return {name: {"truth": truth, "found": [cut(f) for f in v]} for name, v in found.items()}


def joined(parts):
    """Several sequences as one, identities kept apart."""
    truth, found = [], []
    for i, p in enumerate(parts):
        truth += [{(i, g): b for g, b in t.items()} for t in p["truth"]]
        found += [{(i, k): b for k, b in f.items()} for f in p["found"]]
    return mot_metric.score(truth, found)


def row(o, name, tracker, m):
    if o.json:
        print(json.dumps({"sequence": name, "tracker": tracker, **m}))
    else:
        print("%-24s %-10s %6.2f %6.2f %6.2f %6.2f %6.2f %6d %6d %5d" % (
            name, tracker, 100 * m["MOTA"], 100 * m["IDF1"], 100 * m["HOTA"], 100 * m["DetA"],
            100 * m["AssA"], m["FP"], m["FN"], m["IDs"]), flush=True)


def head(o):
    if not o.json:
        print("%-24s %-10s %6s %6s %6s %6s %6s %6s %6s %5s" % (
            "", "", "MOTA", "IDF1", "HOTA", "DetA", "AssA", "FP", "FN", "IDs"))


def table(o, what, cases):
    """cases: [(name, {tracker: parts})]; the sum over all is what is held against the bars."""
    head(o)
    whole = {}
    for name, trackers in cases:
        for t, p in trackers.items():
            whole.setdefault(t, []).append(p)
            if o.each:
                row(o, name, t, mot_metric.score(p["truth"], p["found"]))
    total = {t: joined(p) for t, p in whole.items()}
    for t, m in total.items():
        row(o, what, t, m)
    good = all(total["cb-track"][k] > total["SORT"][k] and
               total["cb-track"][k] >= total["ByteTrack"][k] - 0.005 for k in ("MOTA", "IDF1", "HOTA"))
    if o.least and not good:
        print("%s: not above SORT and at ByteTrack's level" % what)
    return good


def run_noised(o):
    good = True
    for level in o.level or list(LEVELS):
        cases = []
        for seq in SEQUENCES:
            rows = mot_metric.read_mot(os.path.join(DATA, seq[1]))
            truth = mot_metric.listed(rows, seq[2])[::o.every]
            for seed in range(1 + o.seed, o.seeds + 1 + o.seed):
                dets = noised(truth, seq[4], seq[5], level, seed)
                cases.append(("%s %d" % (seq[0], seed), compare(truth, dets, seq, o.every, o.options)))
        good &= table(o, "noised: " + level, cases)
    return good


def detected(model, clip, seq, threshold=0.1):
    """What cb-detect finds in the clip, in pixels of the true pictures."""
    with tempfile.TemporaryFile() as f:
        a = subprocess.Popen(["cb-ingest", "--camera=clip", clip], stdout=subprocess.PIPE)
        b = subprocess.run(["cb-detect", "-m", model, "--threshold", str(threshold), "--classes", "person",
                            "--no-health"], stdin=a.stdout, stdout=f)
        a.stdout.close()
        if a.wait() or b.returncode:
            sys.exit("cb-detect on %s failed" % clip)
        f.seek(0)
        out = []
        for line in f:
            e = json.loads(line)
            if e["type"] == "cb.detection":
                out.append((e["data"]["t_us"], [
                    ((o["box"][0] * seq[4], o["box"][1] * seq[5], o["box"][2] * seq[4], o["box"][3] * seq[5]),
                     o["score"]) for o in e["data"]["objects"]]))
    return [d for _, d in sorted(out)]


def run_real(o):
    seq = SEQUENCES[0]
    clip = os.path.join(DATA, "mot", "TUD-Campus", "TUD-Campus.mp4")
    models = o.model or [os.path.join(ROOT, "models", "cb-objects.cfg")] + [
        os.path.join(DATA, "models", m + ".cfg") for m in (
            "yolo-fastest-1.1", "yolo-fastest-1.1-xl", "mobilenetv2-yolov3-nano-coco",
            "mobilenetv2-yolo-fastest-voc-v1", "mobilenetv2-yolo-fastest-voc-v2")]
    truth = mot_metric.listed(mot_metric.read_mot(os.path.join(DATA, seq[1])), seq[2])[::o.every]
    cases = []
    for model in models:
        dets = detected(model, clip, seq)
        if len(dets) != seq[2]:
            sys.exit("%s: %d pictures of %d" % (model, len(dets), seq[2]))
        cases.append((os.path.basename(model)[:-4], compare(truth, dets[::o.every], seq, o.every, o.options)))
    return table(o, "real: TUD-Campus", cases)


def run_metric(o):
    """Known values: FP, FN, IDs, MOTA and IDF1 as two independent programs give them; HOTA where
    it can be reckoned by hand."""
    good = True

    def same(what, got, want, within):
        nonlocal good
        hit = abs(got - want) <= within
        good &= hit
        print("%s %s: %.4f, should be %.4f" % ("ok" if hit else "not ok", what, got, want))
    for name, n, want in (("TUD-Campus", 71, (13, 150, 7, 0.526, 0.558)),
                          ("TUD-Stadtmitte", 179, (45, 452, 7, 0.564, 0.645))):
        d = os.path.join(DATA, "mot", "metric-oracle", name)
        m = mot_metric.score(mot_metric.listed(mot_metric.read_mot(d + "/gt.txt"), n),
                             mot_metric.listed(mot_metric.read_mot(d + "/test.txt", False), n))
        for k, w in zip(("FP", "FN", "IDs"), want):
            same("%s %s" % (name, k), m[k], w, 0)
        for k, w in zip(("MOTA", "IDF1"), want[3:]):
            same("%s %s" % (name, k), m[k], w, 0.0005)
    box = (0, 0, 10, 10)
    true = [{1: box} for _ in range(10)]
    same("HOTA, all found", mot_metric.hota(true, true)["HOTA"], 1, 1e-9)
    same("HOTA, none found", mot_metric.hota(true, [{} for _ in true])["HOTA"], 0, 1e-9)
    # halves with two names: every match agrees with half of the trajectory
    same("HOTA, two names", mot_metric.hota(true, [{1 + (i > 4): box} for i in range(10)])["HOTA"], 0.5 ** 0.5, 1e-9)
    # half of the pictures: DetA 1/2, AssA 1/2
    same("HOTA, half missed", mot_metric.hota(true, [{1: box} if i < 5 else {} for i in range(10)])["HOTA"], 0.5, 1e-9)
    # boxes that overlap by 0.6: found at 12 of the 19 thresholds
    same("HOTA, overlap 0.6", mot_metric.hota(true, [{1: (0, 0, 10, 6)} for _ in true])["HOTA"], 12 / 19, 1e-9)
    return good


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("what", choices=["metric", "noised", "real", "all"])
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--every", type=int, default=1)
    p.add_argument("--level", action="append", choices=list(LEVELS))
    p.add_argument("--model", action="append")
    p.add_argument("--each", action="store_true")
    p.add_argument("--least", action="store_true")
    p.add_argument("--json", action="store_true")
    argv = sys.argv[1:]
    options = argv[argv.index("--") + 1:] if "--" in argv else []
    o = p.parse_args(argv[:argv.index("--")] if "--" in argv else argv)
    o.options = options
    good = True
    if o.what in ("metric",):
        return 0 if run_metric(o) else 1
    if o.what in ("noised", "all"):
        good &= run_noised(o)
    if o.what in ("real", "all"):
        good &= run_real(o)
    return 1 if o.least and not good else 0


if __name__ == "__main__":
    sys.exit(main())
