#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What --gate motion loses and saves: gate.py BUILD MODEL.cfg CLIP...

Each clip is analysed with and without it. Of every object that is reported without, the gated
run must have one of its class in the same picture with an overlap of at least 0.9; those that
it has not are lost (and those that only it has are more than there should be). Exits 1 where
anything was lost. A clip is anything that cb-ingest takes, or a frame stream (.cbf)."""
import json
import os
import subprocess
import sys


def analyse(build, model, clip, *options):
    if clip.endswith(".cbf"):
        source, feed = None, open(clip, "rb")
    else:
        source = subprocess.Popen([build + "/bin/cb-ingest", "-q", "--camera", "clip", clip],
                                  stdout=subprocess.PIPE)
        feed = source.stdout
    r = subprocess.run([build + "/bin/cb-detect", "-q", "-m", model, *options], stdin=feed,
                       stdout=subprocess.PIPE, check=True)
    feed.close()
    if source and source.wait():
        sys.exit("%s: cb-ingest failed" % clip)
    events = [json.loads(line) for line in r.stdout.splitlines()]
    return [e["data"] for e in events if e["type"] == "cb.detection"]


def overlap(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    both = max(w, 0) * max(h, 0)
    return both / (a[2] * a[3] + b[2] * b[3] - both) if both else 0


def missing(ours, theirs):
    """Objects of ours without a partner in theirs; each partner is for one."""
    left, lost = list(theirs), 0
    for o in ours:
        best = max((p for p in left if p["class"] == o["class"]),
                   key=lambda p: overlap(o["box"], p["box"]), default=None)
        if best is None or overlap(o["box"], best["box"]) < 0.9:
            lost += 1
        else:
            left.remove(best)
    return lost


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    build, model = sys.argv[1:3]
    lost_all = 0
    print("%-34s %8s %8s %6s %6s %7s" % ("clip", "pictures", "objects", "lost", "extra", "saved"))
    for clip in sys.argv[3:]:
        plain = analyse(build, model, clip)
        gated = analyse(build, model, clip, "--gate", "motion")
        if [d["packet"] for d in plain] != [d["packet"] for d in gated]:
            sys.exit("%s: not the same pictures" % clip)
        lost = sum(missing(p["objects"], g["objects"]) for p, g in zip(plain, gated))
        extra = sum(missing(g["objects"], p["objects"]) for p, g in zip(plain, gated))
        held = sum(d.get("held", False) for d in gated)
        lost_all += lost
        print("%-34s %8d %8d %6d %6d %6.1f%%" %
              (os.path.basename(clip), len(plain), sum(len(d["objects"]) for d in plain), lost, extra,
               100.0 * held / max(len(plain), 1)))
        sys.stdout.flush()
    sys.exit(1 if lost_all else 0)


if __name__ == "__main__":
    main()
