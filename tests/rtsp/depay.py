#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""lib/rtsp's depacketisers against packers written apart from them (pack.py): access units come out
bit for bit, whatever way they were packed, and what cameras do wrong is put up with and counted.

    depay.py PROGRAM GROUP...    TAP; groups: nal oddities loss audio jpeg metadata
"""
import hashlib
import json
import random
import struct
import subprocess
import sys

from pack import *

PROGRAM = sys.argv[1]
done = 0


def ok(good, what, *why):
    global done
    done += 1
    print("%sok %d - %s" % ("" if good else "not ", done, what))
    if not good:
        for w in why:
            for line in str(w).splitlines()[:12]:
                print("#   " + line[:300])
    return good


def b64(b):
    import base64
    return base64.b64encode(b).decode()


SDP264 = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=x\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
SDP265 = SDP264.replace("H264", "H265").replace("a=fmtp:96 packetization-mode=1\r\n", "")


class Out:
    def __init__(self, text):
        self.units, self.streams, self.events, self.odd, self.order = [], [], [], {}, []
        for line in text.splitlines():
            kind, rest = line.split(" ", 1)
            w = rest.split(" ")
            if kind == "unit":
                self.units.append(dict(pts=int(w[0]), dts=w[1], dur=int(w[2]), flags=w[3], lost=int(w[4]),
                                       restart=w[5] == "1", len=int(w[6]), sha=w[7]))
            elif kind == "stream":
                self.streams.append(w)
            elif kind == "odd":
                self.odd[w[0]] = int(w[1])
            elif kind == "event":
                self.events.append(json.loads(rest))
            self.order.append(kind)


def run(sdp, packets, *options, raw=None):
    with open("sdp", "w", newline="") as f:
        f.write(sdp)
    p = subprocess.run([PROGRAM, *map(str, options), "sdp"], input=raw if raw is not None else frames(packets),
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if p.returncode:
        ok(False, "the program exits 0", p.returncode, p.stderr.decode(errors="replace"))
    return Out(p.stdout.decode())


def sha(b):
    return hashlib.sha256(b).hexdigest()


def same(out, units, what, flags=None, odd=None, raw=False):
    """The units came out, each bit for bit; with odd exactly these oddities, by name."""
    want = [sha(u if raw else canonical(u)) for u in units]
    got = [u["sha"] for u in out.units]
    first = next((i for i, (a, b) in enumerate(zip(want, got)) if a != b), min(len(want), len(got)))
    good = want == got and (odd is None or set(out.odd) == set(odd))
    if flags is not None:
        good = good and all((u["flags"].replace("-", "").replace("d", "")) == f for u, f in zip(out.units, flags))
    return ok(good, what, "%d units, wanted %d, first difference at %d" % (len(got), len(want), first), out.odd,
              [u["flags"] for u in out.units][:40])


def nal():
    rnd = random.Random(1)
    for codec, sdp, make, slices in (("h264", SDP264, units264, (1, 3)), ("h265", SDP265, units265, (1, 2))):
        for mode in ("single", "fu", "stap", "mixed") + (("stap-b", "fu-b") if codec == "h264" else ()):
            for n in slices:
                units = make(rnd, 40, sizes=(1, 60000) if mode == "fu" else (1, 3000), slices=n)
                out = run(sdp, pack(units, rnd, codec, mode))
                same(out, units, "%s, %s, %d slices a picture" % (codec, mode, n), odd=[],
                     flags=["k" if k % 8 == 0 else "" for k in range(40)])
        units = make(rnd, 70, sizes=(1, 5000))
        for size in (1, 2, 3, 100, 65000):
            few = make(rnd, 12, sizes=(1, 200 if size < 4 else 60000))
            same(run(sdp, pack(few, rnd, codec, "fu", size=size)), few, "%s, fragments of %d bytes" % (codec, size), odd=[])
        # sequence and timestamp wrap at every offset of a few pictures
        bad = []
        few = make(rnd, 6, sizes=(1, 300))
        for k in range(0, 60):
            out = run(sdp, pack(few, rnd, codec, "mixed", size=60, start=65536 - k, ts=(1 << 32) - 3600 * (k % 7) - k))
            if [u["sha"] for u in out.units] != [sha(canonical(u)) for u in few] or out.odd:
                bad.append((k, out.odd))
            if [u["pts"] - out.units[0]["pts"] for u in out.units] != [3600 * i for i in range(6)]:
                bad.append((k, "times"))
        ok(not bad, codec + ", numbers and timestamps that wrap, at 60 places", bad)
        # H.265 with decoding order numbers in the payload
        if codec == "h265":
            told = sdp + "a=fmtp:96 sprop-max-don-diff=2\r\n"
            for mode in ("single", "fu", "stap", "mixed"):
                same(run(told, pack(units, rnd, codec, mode, donl=7)), units, "h265, %s, with order numbers" % mode, odd=[])
            paci, seq = [], 0
            for i, au in enumerate(units):
                for k, n in enumerate(au):
                    kind = n[0] >> 1 & 63
                    ext = safe(rnd, rnd.randint(0, 31))
                    head = bytes([n[0] & 0x81 | 50 << 1, n[1], n[0] & 0x80 | kind << 1 | len(ext) >> 4, (len(ext) & 15) << 4])
                    paci.append([seq, i * 3600, k == len(au) - 1, head + ext + n[2:]])
                    seq += 1
            same(run(sdp, paci), units, "h265, PACI", odd=[])
        else:
            for wide in (False, True):
                packets = []
                for i in range(0, len(units) - 1, 2):
                    a, b = units[i], units[i + 1]
                    packets.append([i // 2, i * 3600, True, mtap(a + b, [0] * len(a) + [3600] * len(b), wide)])
                out = run(sdp, packets)
                same(out, units, "h264, MTAP%d with two pictures each" % (24 if wide else 16), odd=["marker-missing"])
                ok([u["pts"] for u in out.units] == [i * 3600 for i in range(len(units))], "their times are their own",
                   [u["pts"] for u in out.units][:10])
    # parameters
    u = units264(rnd, 3)
    out = run(SDP264, pack(u, rnd))
    ok(out.streams[0][:6] == ["h264", "320", "240", "0", "0", "1"] and len(out.streams) == 1, "size from the stream's own sets", out.streams)
    ok(out.units[0]["dts"] == "-" or out.units[0]["dts"] == str(out.units[0]["pts"]), "a decoding time only where it is known")
    told = SDP264.replace("mode=1", "mode=1;sprop-parameter-sets=%s,%s" % (b64(sps264()).rstrip("="), b64(pps264())))
    bare = [[n for n in au if n[0] & 31 not in (7, 8)] for au in u]
    out = run(told, pack(bare, rnd))
    same(out, bare, "sets from the description alone", odd=[])
    ok(out.streams[0][1:3] == ["320", "240"] and out.streams[0][5] == "1", "size from them", out.streams)
    out = run(told.replace(b64(sps264()).rstrip("="), b64(sps264(640, 480)).rstrip("=")), pack(u, rnd))
    same(out, u, "wrong sets in the description", odd=["sets-wrong"])
    ok(len(out.streams) == 1 and out.streams[0][1:3] == ["320", "240"], "the stream's own count", out.streams)
    out = run(SDP264.replace("mode=1", "mode=1;sprop-parameter-sets=%%%,AAAA,Zw=="), pack(u, rnd))
    same(out, u, "nonsense for sets in the description", odd=["sets-sdp"])
    annexb = SDP264.replace("mode=1", "mode=1;sprop-parameter-sets=%s" % b64(b"\0\0\0\1" + sps264() + b"\0\0\1" + pps264()))
    same(run(annexb, pack(bare, rnd)), bare, "a byte stream for sets in the description", odd=[])
    out = run(SDP264, pack(bare, rnd))
    same(out, bare, "no sets at all: the units come, and that is said", odd=["sets-missing"])
    late = [bare[0], u[0]] + bare[1:]
    out = run(SDP264, pack(late, rnd))
    same(out, late, "sets that come late", odd=["sets-missing"])
    ok([s[5] for s in out.streams] == ["0", "1"], "are told when they come", out.streams)
    change = u + [[sps264(640, 480), pps264(), slice264(rnd, 500, True)]] + bare[1:]
    out = run(SDP264, pack(change, rnd))
    same(out, change, "another size in the middle", odd=[])
    ok([s[1:3] for s in out.streams] == [["320", "240"], ["640", "480"]] and
       [k for k in out.order if k != "odd"].index("stream", 1) == 4, "is told before the unit that it is for", out.streams, out.order)
    s2 = [[sps264() + b"\x99\x98", pps264(), slice264(rnd, 500, True)]]
    out = run(SDP264, pack(s2, rnd))
    ok(out.streams[0][1:3] == ["320", "240"], "an SPS with bytes behind it", out.streams, out.odd)


def early_markers(units):
    """All NAL units single, the marker also on what comes before the slices."""
    out, seq = [], 0
    for i, au in enumerate(units):
        for k, n in enumerate(au):
            out.append([seq, i * 3600, k == len(au) - 1 or n[0] & 31 in (6, 7, 8), n])
            seq += 1
    return out


def oddities():
    rnd = random.Random(2)
    u = units264(rnd, 30, sizes=(1, 4000))
    good = ["k" if k % 8 == 0 else "" for k in range(30)]

    def check(packets, what, odd, units=u, flags=good, sdp=SDP264, options=()):
        out = run(sdp, packets, *options)
        same(out, units, what, odd=odd, flags=flags)
        return out

    check(early_markers(u), "markers on SEI and parameter sets", ["marker-early"])
    end = good[:-1] + [good[-1] + "c"]    # whether the last one is whole nobody knows
    check(pack(u, rnd, marker="never"), "no marker ever", ["marker-missing", "unit-damaged"], flags=end)
    many = units264(rnd, 30, sizes=(1, 4000), slices=4)
    check(pack(many, rnd, marker="all", mode="single"), "a marker on every packet, four slices a picture", ["marker-early"], many)
    check(pack(many, rnd, marker="all", mode="fu", size=500), "a marker on every fragment", ["marker-early"], many)
    # and one that begins in the middle: the first picture concerned is cut, no byte is lost, no other picture is
    a, b = units264(rnd, 16, slices=4), units264(rnd, 16, slices=4)
    pk = pack(a, rnd, mode="single", start=0, ts=0)
    out = run(SDP264, pk + pack(b, rnd, mode="single", start=len(pk), ts=16 * 3600, marker="all"), "-o", "bytes")
    ok(open("bytes", "rb").read() == b"".join(canonical(x) for x in a + b), "markers that go wrong in the middle lose no byte")
    got, want = [x["sha"] for x in out.units], [sha(canonical(x)) for x in a + b]
    ok(len([w for w in want if w not in got]) == 1 and out.odd.get("marker-early") and
       any("c" in x["flags"] for x in out.units), "and cost one picture its shape", out.odd, len(got))

    p = pack(u, rnd, mode="fu", size=300)
    for x in p:
        if x[3][0] & 31 == 28:
            x[3] = x[3][:1] + bytes([x[3][1] | 0x20]) + x[3][2:]
    check(p, "the reserved bit of fragments set", ["nal-reserved"])
    p = pack(u, rnd, mode="fu", size=300)
    for x in p:
        if x[3][0] & 31 == 28 and not x[3][1] & 0x80:
            x[3] = x[3][:1] + bytes([x[3][1] & 0xe0 | 21]) + x[3][2:]
    check(p, "fragments that change their type", ["fragment-changed"])
    p = pack(u, rnd, mode="fu", size=300)
    for x in p:
        if x[3][0] & 31 == 28:
            x[3] = x[3][:1] + bytes([x[3][1] & 0xbf]) + x[3][2:]
    check(p, "fragments without a last one", ["fragment-no-end"] )
    p = pack(u, rnd, mode="fu", size=300)
    for x in p[4:]:
        if x[3][0] & 31 == 28 and x[3][1] & 0x80 and not x[3][1] & 0x40:
            x[3] = x[3][:1] + bytes([x[3][1] & 0x7f]) + x[3][2:]
    check(p, "fragments without a first one", ["fragment-no-start"])
    p = []
    for x in pack(u, rnd, mode="fu", size=300):
        if x[3][0] & 31 == 28 and not x[3][1] & 0x80:
            p.append([0, x[1], False, x[3][:1] + bytes([x[3][1] & 0x3f])])
        p.append(x)
    for i, x in enumerate(p):
        x[0] = i & 0xffff
    check(p, "empty fragments", ["nal-empty"])
    p = [[i, k * 3600, i2 == len(au) - 1, bytes([n[0] & 0xe0 | 28, 0xc0 | n[0] & 31]) + n[1:]]
         for i, (k, au, i2, n) in enumerate((k, au, i2, n) for k, au in enumerate(u) for i2, n in enumerate(au))]
    check(p, "fragments that are whole units", ["fragment-whole"])
    p = []
    for x in pack(u, rnd):
        p.append(x)
        if rnd.random() < .3 and not x[2]:
            p.append([0, x[1], False, b""])
    for i, x in enumerate(p):
        x[0] = i & 0xffff
    check(p, "packets without payload", ["rtp-empty"])
    # byte streams in payloads
    p = [[i, i * 3600, True, b"".join(b"\0\0\0\1" + n for n in au)] for i, au in enumerate(u) if sum(map(len, au)) < 60000]
    check(p, "a byte stream in each packet", ["nal-annexb"])
    p = [[i, i * 3600, True, au[0] + b"".join(b"\0\0\1" + n for n in au[1:])] for i, au in enumerate(u)]
    out = run(SDP264, p)
    same(out, u, "start codes between units behind one header", odd=["nal-annexb"])
    for trail in (b"", b"\0\0\0"):
        p, seq = [], 0
        for i, au in enumerate(u):
            whole = au[0] + b"".join(b"\0\0\0\1" + n for n in au[1:]) + trail
            if len(au) == 1:
                whole = b"\x06\x01\x01\x80" + b"\0\0\0\1" + au[0] + trail
            parts = fu264(whole, 700)
            for k, x in enumerate(parts):
                p.append([seq, i * 3600, k == len(parts) - 1, x])
                seq += 1
        want = [au if len(au) > 1 else [b"\x06\x01\x01\x80"] + au for au in u]
        check(p, "the same in fragments" + (", zero bytes behind" if trail else ""), ["nal-annexb", "fragment-whole"], want)
    two = units264(rnd, 12, slices=2, sei=False)
    p, seq = [], 0
    for i, au in enumerate(two):
        parts = au[:-2] + fu264(au[-2] + b"\0\0\1" + au[-1], 700)
        for k, x in enumerate(parts):
            p.append([seq, i * 3600, k == len(parts) - 1, x])
            seq += 1
    check(p, "a start code between two slices in fragments, sets in front", ["nal-annexb"], two, None)
    rec = [[sps264(), pps264(), b"\x06\x05\x01\x22\x06\x01\xc4\x80", slice264(rnd, 50)], [b"\x06\x06\x01\x20\x80", slice264(rnd, 50)], [slice264(rnd, 50)]]
    check(pack(rec, rnd), "a recovery point that begins at once is a keyframe, a later one is none", [], rec, ["k", "", ""])
    v = units265(rnd, 30)
    p = [[i, i * 3600, True, b"".join(b"\0\0\0\1" + n for n in au)] for i, au in enumerate(v)]
    check(p, "H.265, a byte stream in each packet", ["nal-annexb"], v, sdp=SDP265)
    # parameter sets with another timestamp
    p, seq = [], 0
    for i, au in enumerate(u):
        for n in au:
            t = i * 3600 - (1800 if n[0] & 31 in (7, 8) else 0)
            p.append([seq, t & 0xffffffff, n[0] & 31 < 6, n])
            seq += 1
    out = check(p, "parameter sets with a timestamp of their own", ["sets-other-timestamp"])
    ok([(x["pts"] - (1 << 32)) % 3600 for x in out.units] == [0] * 30, "do not give it to their picture", [x["pts"] for x in out.units])
    p, seq = [], 0
    for i, au in enumerate(u):
        for n in au:
            p.append([seq, (i - (n[0] & 31 in (7, 8)) * (i > 0)) * 3600, n[0] & 31 < 6, n])
            seq += 1
    check(p, "parameter sets with the timestamp of the picture before", ["sets-other-timestamp"])
    # repeated timestamps
    p = pack(u, rnd, mode="single", ts=9000, step=0)
    check(p, "one timestamp for all pictures, with markers", ["timestamp-repeated"])
    check(pack(u, rnd, mode="single", ts=9000, step=0, marker="never"), "and without", ["marker-missing", "timestamp-repeated", "unit-damaged"], flags=end)
    v2 = units265(rnd, 30)
    check(pack(v2, rnd, "h265", ts=9000, step=0, marker="never"), "and of H.265", ["marker-missing", "timestamp-repeated", "unit-damaged"], v2, end, SDP265)
    # jumps by hours, back and forth
    p = pack(u, rnd, ts=1 << 31)
    for x in p:
        k = (x[1] - (1 << 31)) // 3600
        if k % 5 == 3:
            x[1] = (x[1] - 9800 * 90000) & 0xffffffff
        if k % 5 == 4:
            x[1] = (x[1] + 37600 * 90000) & 0xffffffff
    out = check(p, "timestamps that jump by hours", [])
    ok([x["pts"] & 0xffffffff for x in out.units] == sorted({x[1] for x in p}, key=[x[1] for x in p].index), "are those that were sent")
    # interlaced: fields share a timestamp
    fields = [[sps264(frames_only=False), pps264(), slice264(rnd, 300, True), slice264(rnd, 300)]] + [
        [slice264(rnd, 300), slice264(rnd, 300)] for _ in range(9)]
    check(pack(fields, rnd, mode="single"), "two fields with one timestamp are one unit", [], fields, None)
    # aggregates
    p, want, seq = [], [], 0
    for i, au in enumerate(u):
        if sum(map(len, au)) > 60000:
            continue
        p.append([seq, i * 3600, True, stap(au) + b"\0" * (i % 3)])
        want.append(au)
        seq += 1
    check(p, "aggregates with zeros behind", ["aggregate-cut", "nal-empty"], want, None)
    p = [[i, i * 3600, True, stap([n for n in au for n in (b"", n)])] for i, au in enumerate(want)]
    check(p, "aggregates with empty units", ["nal-empty"], want, None)
    p = [[i, i * 3600, True, stap(au)[:-1] if i == 5 else stap(au)] for i, au in enumerate(want)]
    out = run(SDP264, p)
    ok("c" in out.units[5]["flags"] and out.odd.get("aggregate-cut") == 1 and len(out.units) == len(want), "an aggregate that is cut short", out.odd)
    odd_types = [au + [bytes([t]) + b"\x11\x22"] for au, t in zip(u, [0, 30, 31, 0, 30] * 6)]
    check(pack(odd_types, rnd, mode="single"), "reserved unit types", ["nal-reserved"], odd_types)
    # header extensions, contributing sources, padding, other payload types
    p = pack(u, rnd)
    for i, x in enumerate(p):
        x.append(dict(ext=(0xabac, b"\1\2\3\4" * (i % 4)), pad=i % 9, csrc=i % 16))
    check(p, "header extensions, padding, contributing sources", ["rtp-extension"])
    p = pack(u, rnd)
    for x in p:
        x.append(dict(pt=50))
    check(p, "a payload type that was not announced, throughout", ["rtp-payload-type"])
    p = pack(u, rnd)
    q = []
    for x in p:
        q += [x, [x[0] + 30000, x[1], True, b"\x11" * 50, dict(pt=13)]]
    check(q, "packets of another payload type between", ["rtp-payload-type"])


def loss():
    rnd = random.Random(3)
    u = units264(rnd, 60, sizes=(1, 4000), slices=2)
    whole = [sha(canonical(x)) for x in u]
    p = pack(u, rnd, size=700)
    # duplicates
    q = []
    for x in p:
        q += [x] * rnd.randint(1, 3)
    same(run(SDP264, q), u, "packets that come twice and more", odd=["rtp-duplicate"])
    same(run(SDP264, q, "-w", 16), u, "and with a window", odd=["rtp-duplicate"])
    # reordering: within a window everything comes back
    for reach in (2, 5, 20):
        q = sorted(range(len(p)), key=lambda i: i + (rnd.random() * reach if i else 0))
        r = [p[i] for i in q]
        out = run(SDP264, r, "-w", 64)
        same(out, u, "packets out of order by up to %d" % reach, odd=["rtp-reordered"])
    r = [p[i] for i in sorted(range(len(p)), key=lambda i: i + (rnd.random() * 8 if i else 0)) for _ in range(rnd.randint(1, 2))]
    same(run(SDP264, r, "-w", 64), u, "out of order, and twice", odd=["rtp-reordered", "rtp-duplicate"])
    # loss: what arrives whole is bit for bit, what does not is flagged, and the sum is right
    for codec, sdp, make in (("h264", SDP264, units264), ("h265", SDP265, units265)):
        for share in (.005, .05, .3):
            for window in (0, 32):
                v = make(rnd, 120, sizes=(1, 4000), slices=2)
                w = {sha(canonical(x)) for x in v}
                p = pack(v, rnd, codec, size=700, start=rnd.randrange(65536))
                gone = [i for i in range(1, len(p) - 1) if rnd.random() < share]
                touched = {p[i][1] for i in gone}
                out = run(sdp, [x for i, x in enumerate(p) if i not in set(gone)], "-w", window)
                # only in a unit that lost something anything may be missing
                clean = [sha(canonical(x)) for k, x in enumerate(v) if ((4294900000 + 3600 * k) & 0xffffffff) not in touched]
                got = {x["sha"]: x for x in out.units}
                missing = [c for c in clean if c not in got]
                false = [x for x in out.units if x["sha"] not in w and "c" not in x["flags"]]
                # a unit may lose leading units (parameter sets, SEI) and still have all its slices
                serious = []
                for x in false:
                    k = next((k for k in range(len(v)) if (4294900000 + 3600 * k) & 0xffffffff == x["pts"] & 0xffffffff), None)
                    slices = [n for n in v[k] if (n[0] & 31 < 6 if codec == "h264" else n[0] >> 1 < 32)] if k is not None else []
                    if k is None or x["len"] < sum(4 + len(n) for n in slices):
                        serious.append(x)
                total = sum(x["lost"] for x in out.units)
                ok(not missing and not serious and total == len(gone) == out.odd.get("rtp-lost", 0),
                   "%s, %.1f %% lost, window %d: whole units come whole, cut ones are flagged, %d counted" % (codec, share * 100, window, len(gone)),
                   "missing %d, unflagged %d, counted %d" % (len(missing), len(serious), total), out.odd, serious[:2])
    # every single loss in a short stream
    v = units264(rnd, 10, sizes=(1, 900), slices=2)
    p = pack(v, rnd, size=200, mode="mixed", start=65500, ts=0)
    bad = []
    for i in range(1, len(p) - 1):
        out = run(SDP264, p[:i] + p[i + 1:])
        k = p[i][1] // 3600
        got = [x["sha"] for x in out.units]
        for j, x in enumerate(v):
            if j != k and sha(canonical(x)) not in got:
                bad.append((i, j, k))
        if sum(x["lost"] for x in out.units) != 1:
            bad.append((i, "count"))
        hit = [x for x in out.units if x["pts"] == k * 3600]
        slices = sum(4 + len(n) for n in v[k] if n[0] & 31 < 6)
        if any("c" not in x["flags"] and x["len"] < slices for x in hit):
            bad.append((i, "unflagged"))
    ok(not bad, "each packet of a short stream lost in its turn: its unit alone suffers", bad)
    # the only slice's beginning lost, behind an SEI that came: nothing of it goes to the next picture
    one = [[sps264(), pps264(), slice264(rnd, 900, True)]] + [[b"\x06\x05\x01\x22\x80", slice264(rnd, 900)] for _ in range(8)]
    r = pack(one, rnd, mode="fu", size=200, start=0, ts=0)
    at = next(i for i, x in enumerate(r) if x[1] == 3600 * 3 and x[3][0] & 31 == 28)
    out = run(SDP264, r[:at] + r[at + 1:])
    ok([x["sha"] for x in out.units if "c" not in x["flags"]] == [sha(canonical(x)) for k, x in enumerate(one) if k != 3], "a slice whose beginning is lost, behind an SEI",
       [x["flags"] for x in out.units], out.odd)
    # joining in the middle of a unit
    bad = []
    for i in range(1, 12):
        out = run(SDP264, p[i:])
        k = p[i][1] // 3600
        got = [x["sha"] for x in out.units]
        bad += [j for j, x in enumerate(v) if j > k and sha(canonical(x)) not in got]
    ok(not bad, "a stream that is joined in the middle of a unit", bad)
    # another source, numbers that jump
    a, b = units264(rnd, 10), units264(rnd, 10)
    q = pack(b, rnd, start=5000, ts=1000)
    for x in q:
        x.append(dict(ssrc=77))
    out = run(SDP264, pack(a, rnd, start=100, ts=500000) + q)
    same(out, a + b, "another source takes over", odd=["rtp-ssrc-changed"])
    ok([k for k, x in enumerate(out.units) if x["restart"]] == [10] or [k for k, x in enumerate(out.units) if x["restart"]] == [9],
       "which is said once", [k for k, x in enumerate(out.units) if x["restart"]])
    out = run(SDP264, pack(a, rnd, start=100, ts=0) + pack(b, rnd, start=40000, ts=36000), "-w", 16)
    same(out, a + b, "sequence numbers that jump", odd=["rtp-sequence-jump"])
    bogus = pack(a, rnd, start=100, ts=0)
    bogus[0][0] = 0    # a number of its own on the first packet
    out = run(SDP264, bogus)
    ok(len(out.units) >= 9 and all(sha(canonical(x)) in [y["sha"] for y in out.units] for x in a[1:]), "a first packet with a bogus number", out.odd)
    q = pack(a, rnd, start=100, ts=0)
    for x in pack(b, rnd, start=9, ts=77)[:6:2]:
        q.insert(rnd.randint(1, len(q)), x + [dict(ssrc=5)])
    out = run(SDP264, q)
    same(out, a, "packets of another source between")
    ok(out.odd.get("rtp-ssrc-changed", 0) >= 2 and not set(out.odd) - {"rtp-ssrc-changed", "rtp-late"}, "are counted", out.odd)
    out = run(SDP264, None, raw=b"\0\x05hello" + frames(pack(a, rnd)) + b"\0\x0c" + b"\x80" * 12 + b"\0\0")
    same(out, a, "what is no RTP", odd=["rtp-malformed", "rtp-payload-type"])


def audio():
    rnd = random.Random(4)
    aac = [bytes([0x21]) + rnd.randbytes(rnd.randint(1, 700)) for _ in range(200)]

    def sdp(m, fmtp=""):
        return "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=x\r\nm=audio 0 RTP/AVP 97\r\na=rtpmap:97 %s\r\n%s" % (
            m, "a=fmtp:97 %s\r\n" % fmtp if fmtp else "")

    def bits(*pairs):
        s = "".join(format(v, "0%db" % n) for v, n in pairs if n)
        return bytes(int((s + "0" * (-len(s) % 8))[i:i + 8], 2) for i in range(0, len(s), 8)), len(s)

    hbr = sdp("mpeg4-generic/16000/1", "streamtype=5;profile-level-id=15;mode=AAC-hbr;config=1408;SizeLength=13; IndexLength=3;IndexDeltaLength=3")

    def generic(group, size=13, index=3, delta=3, cts=0, aux=0, ra=0):
        h = []
        for i, x in enumerate(group):
            h += [(len(x), size), (0, index if i == 0 else delta)]
            if cts:
                h += [(1, 1), (3, cts)] if i else [(0, 1)]
            if ra:
                h += [(1, 1)]
        b, n = bits(*h)
        out = struct.pack(">H", n) + b
        if aux:
            out += bits((11, aux), (0, 11))[0]
        return out + b"".join(group)

    def times(out, step):
        return [x["pts"] for x in out.units] == [i * step for i in range(len(out.units))]

    p = [[i, i * 1024, True, generic([x]), dict(pt=97)] for i, x in enumerate(aac)]
    out = run(hbr, p)
    same(out, aac, "AAC-hbr, one frame a packet", odd=[], raw=True)
    ok(out.streams == [["aac", "0", "0", "16000", "1", "1", sha(bytes.fromhex("1408"))]] and times(out, 1024) and out.units[0]["dur"] == 1024,
       "its parameters and times", out.streams, out.units[:2])
    groups = [aac[i:i + 7] for i in range(0, 196, 7)]
    out = run(hbr, [[i, i * 7168, True, generic(g), dict(pt=97)] for i, g in enumerate(groups)])
    same(out, aac[:196], "seven frames a packet", odd=[], raw=True)
    ok(times(out, 1024), "their times follow by samples", [x["pts"] for x in out.units][:9])
    big = [rnd.randbytes(rnd.randint(3000, 8000)) for _ in range(20)]
    p, seq = [], 0
    for i, x in enumerate(big):
        for k in range(0, len(x), 1400):
            p.append([seq, i * 1024, k + 1400 >= len(x), struct.pack(">HH", 16, len(x) << 3) + x[k:k + 1400], dict(pt=97)])
            seq += 1
    same(run(hbr, p), big, "a frame over several packets", odd=[], raw=True)
    out = run(hbr, p[:4] + p[5:])
    ok(sha(big[5]) in [x["sha"] for x in out.units] and len(out.units) >= 19 and out.odd.get("unit-damaged"), "and one of them lost", out.odd, len(out.units))
    at = next(i for i, x in enumerate(p) if x[1] == 7 * 1024)
    out = run(hbr, p[:at] + p[at + 1:])
    ok([x["sha"] for x in out.units] == [sha(x) for i, x in enumerate(big) if i != 7], "its first part lost: the others are nothing", out.odd, len(out.units))
    few = [x[:60] for x in aac]
    lbr = sdp("mpeg4-generic/8000/2", "mode=AAC-lbr;config=1590;sizelength=6;indexlength=2;indexdeltalength=2")
    same(run(lbr, [[i, i * 4096, True, generic(few[4 * i:4 * i + 4], 6, 2, 2), dict(pt=97)] for i in range(50)]), few, "AAC-lbr", odd=[], raw=True)
    odd_sdp = sdp("mpeg4-generic/16000/1", "mode=generic;config=1408;sizelength=16;indexlength=0;ctsdeltalength=5;auxiliarydatasizelength=8;randomaccessindication=1")
    same(run(odd_sdp, [[i, i * 7168, True, generic(g, 16, 0, 0, 5, 8, 1), dict(pt=97)] for i, g in enumerate(groups)]), aac[:196],
         "every field that a header can have", odd=[], raw=True)
    same(run(sdp("mpeg4-generic/16000/1"), p), big, "no fmtp at all", odd=["sdp-fmtp"], raw=True)
    # HE-AAC said in front: 24000 core, 48000 out
    he = sdp("mpeg4-generic/48000/2", "mode=AAC-hbr;config=2b118800;sizelength=13;indexlength=3;indexdeltalength=3")
    out = run(he, [[i, i * 2048, True, generic([x]), dict(pt=97)] for i, x in enumerate(aac)])
    ok(out.streams[0][3] == "48000" and out.units[0]["dur"] == 2048, "HE-AAC: twice the samples", out.streams, out.units[0])
    adts = []
    for x in aac:
        n = len(x) + 7
        adts.append(bytes([0xff, 0xf1, 0x60, 0x40 | n >> 11, n >> 3 & 255, (n & 7) << 5 | 31, 0xfc]) + x)
    same(run(hbr, [[i, i * 1024, True, generic([x]), dict(pt=97)] for i, x in enumerate(adts)]), aac, "ADTS in front of each", odd=["audio-header"], raw=True)
    broken = [[i, i * 1024, True, b"\xff\xff" + x, dict(pt=97)] if i % 5 == 2 else [i, i * 1024, True, generic([x]), dict(pt=97)] for i, x in enumerate(aac)]
    same(run(hbr, broken), [x for i, x in enumerate(aac) if i % 5 != 2], "headers that make no sense", odd=["audio-header", "unit-damaged"], raw=True)

    def payload_length(n):
        return b"\xff" * (n // 255) + bytes([n % 255])
    latm = sdp("MP4A-LATM/16000/1", "profile-level-id=15;object=2;cpresent=0;config=40002810 3fc0".replace(" ", ""))
    out = run(latm, [[i, i * 1024, True, payload_length(len(x)) + x, dict(pt=97)] for i, x in enumerate(aac)])
    same(out, aac, "LATM", odd=[], raw=True)
    ok(out.streams[0][3:6] == ["16000", "1", "1"], "its parameters", out.streams)
    out = run(latm, [[i, i * 3072, True, b"".join(payload_length(len(x)) + x for x in aac[3 * i:3 * i + 3]), dict(pt=97)] for i in range(60)])
    same(out, aac[:180], "LATM, three frames a packet", odd=[], raw=True)
    ok(times(out, 1024), "their times")
    p, seq = [], 0
    for i, x in enumerate(big):
        whole = payload_length(len(x)) + x
        for k in range(0, len(whole), 1000):
            p.append([seq, i * 1024, k + 1000 >= len(whole), whole[k:k + 1000], dict(pt=97)])
            seq += 1
    same(run(latm, p), big, "LATM, a frame over several packets", odd=[], raw=True)
    same(run(latm, p[:3] + p[4:]), big[1:] if p[3][1] == 0 else big[:0] + [x for i, x in enumerate(big) if i != p[3][1] // 1024],
         "and one of them lost", odd=["rtp-lost", "unit-damaged"], raw=True)
    at = next(i for i, x in enumerate(p) if x[1] == 7 * 1024)
    same(run(latm, p[:at] + p[at + 1:]), [x for i, x in enumerate(big) if i != 7], "its first part lost: the others are nothing", odd=None, raw=True)
    # each frame in two packets with timestamps of their own after a loss: only what adds up is taken
    short = [b"\x05\x02" + x[:300] for x in big]
    q = [[i, i * 1024, True, payload_length(len(x)) + x, dict(pt=97)] for i, x in enumerate(short)]
    q[5][3] = q[5][3][2:]    # the end of an element whose beginning is lost: it begins like a frame of five bytes
    for x in q[5:]:
        x[0] += 1
    same(run(latm, q), [x for i, x in enumerate(short) if i != 5], "LATM, what follows a loss and does not add up", raw=True)
    # in band: useSameStreamMux 0, then the configuration (AAC-LC 16000 mono), at each tenth
    mux = "0" + "1" + "000000" + "0000" + "000" + "00010" + "1000" + "0001" + "000" + "000" + "11111111" + "0" + "0"
    p = []
    for i, x in enumerate(aac):
        s = ("0" + mux if i % 10 == 0 else "1") + "".join(format(c, "08b") for c in payload_length(len(x)) + x)
        s += "0" * (-len(s) % 8)
        p.append([i, i * 1024, True, bytes(int(s[k:k + 8], 2) for k in range(0, len(s), 8)), dict(pt=97)])
    out = run(sdp("MP4A-LATM/16000/1", "cpresent=1"), p)
    same(out, aac, "LATM with its configuration in the stream", odd=[], raw=True)
    ok(out.streams[0][5] == "1" and out.streams[0][6] == sha(bytes.fromhex("1408")), "which is found there", out.streams)
    # samples
    pcm = [rnd.randbytes(320) for _ in range(50)]
    for name, codec, ticks in (("PCMU/8000", "pcm_mulaw", 320), ("PCMA/8000", "pcm_alaw", 320), ("L16/16000/1", "pcm_s16be", 160),
                               ("L16/44100/2", "pcm_s16be", 80), ("L8/8000", "pcm_u8", 320), ("G722/8000", "adpcm_g722", 320),
                               ("G726-32/8000", "adpcm_g726le", 640), ("G726-16/8000", "adpcm_g726le", 1280)):
        out = run(sdp(name), [[i, i * ticks, False, x, dict(pt=97)] for i, x in enumerate(pcm)])
        same(out, pcm, name, odd=[], raw=True)
        ok(out.streams[0][0] == codec and out.units[0]["dur"] == ticks, "is %s, %d ticks" % (codec, ticks), out.streams, out.units[0])
    out = run("m=audio 0 RTP/AVP 8\n", [[i, i * 320, False, x, dict(pt=8)] for i, x in enumerate(pcm)])
    same(out, pcm, "a static payload type, in a description of one line", raw=True, odd=["sdp-no-version", "sdp-no-origin"] if out.odd else [])
    out = run(sdp("L16/16000/1"), [[i, i * 160, False, x[:319], dict(pt=97)] for i, x in enumerate(pcm)])
    ok(all("c" in x["flags"] for x in out.units) and out.odd == {"audio-header": 50}, "half a sample is flagged", out.odd)
    out = run(sdp("opus/48000/2", "sprop-stereo=1"), [[i, i * 960, True, b"\x78" + x, dict(pt=97)] for i, x in enumerate(pcm)])
    same(out, [b"\x78" + x for x in pcm], "Opus", odd=[], raw=True)
    ok(out.units[0]["dur"] == 960 and out.streams[0][4] == "2", "20 ms each", out.units[0], out.streams)


def jpeg():
    rnd = random.Random(5)
    head = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=x\r\nm=video 0 RTP/AVP 26\r\n"

    def pieces(scan, ts, seq, q=255, w=40, h=30, size=1400, kind=1, tables=None, dri=0, ext=None, same_tables=False):
        out, at = [], 0
        while at < len(scan):
            b = bytes([0]) + struct.pack(">I", at)[1:] + bytes([kind | (64 if dri else 0), q, w, h])
            if dri:
                b += struct.pack(">HH", dri, 0xffff)
            if at == 0 and q >= 128:
                t = b"" if same_tables else tables
                b += bytes([0, 0]) + struct.pack(">H", len(t)) + t
            part = scan[at:at + size]
            at += len(part)
            out.append([seq, ts, at >= len(scan), b + part, dict(pt=26, **({"ext": ext} if ext and at == len(part) else {}))])
            seq += 1
        return out

    def segments(b):
        at, out = 2, []
        while b[at] == 0xff and b[at + 1] != 0xda:
            n = struct.unpack(">H", b[at + 2:at + 4])[0]
            out.append((b[at + 1], b[at + 4:at + 2 + n]))
            at += n + 2
        n = struct.unpack(">H", b[at + 2:at + 4])[0]
        return out, b[at + 2 + n:]

    def pictures(path, out):
        b, res, at = open(path, "rb").read(), [], 0
        for u in out.units:
            res.append(b[at:at + u["len"]])
            at += u["len"]
        return res

    scans = [safe(rnd, rnd.randint(100, 30000)).replace(b"\xff", b"\xfe") for _ in range(20)]
    tables = bytes(range(1, 129))
    p, seq = [], 0
    for i, s in enumerate(scans):
        x = pieces(s, i * 3600, seq, tables=tables, dri=5 if i % 2 else 0)
        p += x
        seq += len(x)
    out = run(head, p, "-o", "bytes")
    pics = pictures("bytes", out)
    good = len(pics) == 20 and not out.odd
    for i, (pic, s) in enumerate(zip(pics, scans)):
        seg, scan = segments(pic)
        kinds = [k for k, _ in seg]
        good = good and pic[:2] == b"\xff\xd8" and scan == s + b"\xff\xd9" and (0xdd in kinds) == bool(i % 2)
        good = good and b"".join(x[1:] for k, x in seg if k == 0xdb) == tables and kinds.count(0xc4) == 4
        sof = dict(seg)[0xc0]
        good = good and struct.unpack(">HH", sof[1:5]) == (240, 320) and sof[7] == 0x22
    ok(good, "JPEG: scan data, tables, size, restart interval", out.odd, len(pics))
    ok(out.streams == [["mjpeg", "320", "240", "0", "0", "1", "-"]] and all(u["flags"] == "k" for u in out.units), "its parameters", out.streams)
    # tables that are sent once
    p, seq = [], 0
    for i, s in enumerate(scans):
        x = pieces(s, i * 3600, seq, q=130, tables=tables, same_tables=i % 4 != 0)
        p += x
        seq += len(x)
    out = run(head, p, "-o", "bytes")
    ok(len(out.units) == 20 and not out.odd and all(b"".join(x[1:] for k, x in segments(y)[0] if k == 0xdb) == tables for y in pictures("bytes", out)),
       "tables that are sent once in a while", out.odd, len(out.units))
    # a scan that has its own end
    out = run(head, pieces(scans[0] + b"\xff\xd9", 0, 0, tables=tables), "-o", "bytes")
    ok(segments(pictures("bytes", out)[0])[1] == scans[0] + b"\xff\xd9", "an end that was sent is not doubled")
    # wider than the header can say
    wide = head + "a=x-dimensions:2592,1944\r\n"
    for w, h in ((0, 243), (0, 0), (2592 // 8 & 255, 243)):
        out = run(wide, pieces(scans[0], 0, 0, tables=tables, w=w, h=h if h else 243))
        ok(out.streams and out.streams[0][1:3] == ["2592", "1944"], "2592 pixels wide, %d in the header" % w, out.streams, out.odd)
    out = run(head + "a=framesize:26 4096-2160\r\n", pieces(scans[0], 0, 0, tables=tables, w=0, h=0))
    ok(out.streams and out.streams[0][1:3] == ["4096", "2160"], "the size from a=framesize", out.streams)
    out = run(head, pieces(scans[0], 0, 0, tables=tables, w=0, h=0) + pieces(scans[1], 3600, 500, tables=tables))
    ok(out.odd.get("jpeg-header") and len(out.units) == 1, "no size anywhere", out.odd)
    # ONVIF: the picture's own segments in a header extension
    own = b"\xff\xdb\x00\x43\x00" + bytes(64) + b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", 3000, 4000) + b"\x03\x01\x21\x00\x02\x11\x00\x03\x11\x00"
    own += b"\xff" * (-len(own) % 4)
    out = run(head, pieces(scans[0], 0, 0, tables=tables, w=0, h=0, ext=(0xffd8, own)), "-o", "bytes")
    ok(out.streams and out.streams[0][1:3] == ["4000", "3000"] and [x for k, x in segments(pictures("bytes", out)[0])[0] if k == 0xdb] == [bytes(65)],
       "ONVIF's header extension", out.streams, out.odd)
    # loss
    p, seq = [], 0
    for i, s in enumerate(scans):
        x = pieces(s, i * 3600, seq, tables=tables)
        p += x
        seq += len(x)
    bad = []
    for i in range(1, min(len(p), 60)):
        out = run(head, p[:i] + p[i + 1:], "-o", "bytes")
        k = p[i][1] // 3600
        pics = {u["pts"]: (u, x) for u, x in zip(out.units, pictures("bytes", out))}
        for j, s in enumerate(scans):
            if j != k and (j * 3600 not in pics or segments(pics[j * 3600][1])[1] != s + b"\xff\xd9" or "c" in pics[j * 3600][0]["flags"]):
                bad.append((i, j))
        if k * 3600 in pics and "c" not in pics[k * 3600][0]["flags"]:
            bad.append((i, "unflagged"))
    ok(not bad, "each packet lost in its turn: its picture alone suffers", bad[:5])
    hole = pieces(scans[0] * 2, 0, 0, tables=tables, size=50)
    for i, x in enumerate(hole[4:]):
        x[3] = bytes([0]) + struct.pack(">I", struct.unpack(">I", x[3][:4])[0] + 10)[1:] + x[3][4:]
    out = run(head, hole)
    ok([x["flags"] for x in out.units] == ["kc"] and out.odd == {"unit-damaged": 1}, "a hole between parts that no number tells of", out.odd, out.units)
    back = pieces(scans[0], 0, 0, tables=tables, size=50)
    back.insert(3, [0] + back[2][1:])
    for i, x in enumerate(back):
        x[0] = i
    out = run(head, back, "-o", "bytes")
    ok(segments(pictures("bytes", out)[0])[1] == scans[0] + b"\xff\xd9" and out.odd.get("jpeg-header") == 1, "a part that is sent again under a new number", out.odd)
    out = run(head, [x[:2] + [False] + x[3:] for x in p])
    ok(len(out.units) == 20 and out.odd == {"marker-missing": 20, "unit-damaged": 1}, "no marker ever", out.odd)
    for q in (0, 100, 127):
        out = run(head, pieces(scans[0], 0, 0, q=q, tables=tables))
        ok(not out.units and out.odd.get("jpeg-header"), "quality %d is nobody's" % q, out.odd)


def metadata():
    rnd = random.Random(6)
    head = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=x\r\nm=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n"

    def doc(i, size=0):
        return ('<?xml version="1.0" encoding="UTF-8"?><tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema"><tt:Event>'
                '<wsnt:NotificationMessage><wsnt:Topic Dialect="x">tns1:RuleEngine/CellMotionDetector/Motion</wsnt:Topic><wsnt:Message>'
                '<tt:Message UtcTime="2026-11-21T08:00:%02dZ" PropertyOperation="Changed"><tt:Source><tt:SimpleItem Name="Rule" Value="a &amp; &quot;b&quot;"/>'
                '</tt:Source><tt:Data><tt:SimpleItem Name="IsMotion" Value=\'%s\'/></tt:Data></tt:Message></wsnt:Message></wsnt:NotificationMessage>'
                "</tt:Event>%s</tt:MetadataStream>" % (i % 60, "true" if i % 2 else "false", "<!-- %s -->" % ("x" * size) if size else "")).encode()
    docs = [doc(i, rnd.choice([0, 0, 5000])) for i in range(30)]

    def pieces(docs, size=1400, marker=True):
        p, seq = [], 0
        for i, d in enumerate(docs):
            for k in range(0, len(d), size):
                p.append([seq, i * 9000, marker and k + size >= len(d), d[k:k + size], dict(pt=107)])
                seq += 1
        return p

    out = run(head, pieces(docs))
    same(out, docs, "metadata documents", odd=[], raw=True)
    ok(out.streams[0][0] == "onvif_metadata", "are of their own kind", out.streams)
    e = out.events[3]
    ok(e["type"] == "cb.camera.metadata" and e["data"]["xml"].encode() == docs[3] and e["data"]["sha256"] == sha(docs[3]), "an event has the whole of it", e)
    ok(e["data"]["notifications"] == [{"topic": "tns1:RuleEngine/CellMotionDetector/Motion", "time": "2026-11-21T08:00:03Z", "operation": "Changed",
                                       "source": [["Rule", 'a & "b"']], "data": [["IsMotion", "true"]]}], "and what it notifies of", e["data"]["notifications"])
    with open("events", "a") as f:
        for e in out.events:
            f.write(json.dumps(e, separators=(",", ":"), ensure_ascii=False) + "\n")
    same(run(head, pieces(docs, marker=False)), docs, "no markers: the root's end is the document's", odd=None, raw=True)
    out = run(head, [x[:2] + [True] + x[3:] for x in pieces(docs)])
    same(out, docs, "a marker on every packet", raw=True, odd=["marker-early"])
    big = [doc(i, 70000) for i in range(3)]
    out = run(head, pieces(big))
    same(out, big, "documents larger than an event", odd=[], raw=True)
    ok(all("xml" not in e["data"] and e["data"]["notifications"] and e["data"]["bytes"] == len(b) for e, b in zip(out.events, big)), "are told by digest and notifications")
    p = pieces(docs)
    bad = []
    for i in range(1, len(p) - 1):
        out = run(head, p[:i] + p[i + 1:])
        k = p[i][1] // 9000
        got = {x["sha"] for x in out.units if "c" not in x["flags"]}
        bad += [(i, j) for j, d in enumerate(docs) if j != k and sha(d) not in got]
        bad += [(i, "false") for x in out.units if "c" not in x["flags"] and x["sha"] not in {sha(d) for d in docs}]
    ok(not bad, "each packet lost in its turn: its document alone suffers", bad[:5])
    many = ("<tt:MetadataStream>" + "".join(
        '<wsnt:NotificationMessage><wsnt:Topic>t%d</wsnt:Topic><tt:Message UtcTime="u"><tt:Data>%s</tt:Data><tt:Data><tt:SimpleItem Name="n" Value="v"/></tt:Data>'
        "</tt:Message></wsnt:NotificationMessage>" % (i, '<tt:SimpleItem Name="%s" Value="%s"/>' % ("n" * 300, "\u00e4" * 300) * 20) for i in range(60)) +
        "</tt:MetadataStream>").encode()
    out = run(head, pieces([many]))
    ok(len(out.events) == 1 and 1 <= len(out.events[0]["data"]["notifications"]) <= 32, "notifications beyond the bounds are left out", len(out.events))
    junk = [b"\x00\x01\x02\xff" * 50, b"no xml", b"<tt:MetadataStream", b"\xef\xbb\xbf  " + docs[0]]
    out = run(head, pieces(junk))
    ok(out.odd.get("metadata") and len(out.events) == len(out.units), "what is no XML", out.odd)


groups = dict(nal=nal, oddities=oddities, loss=loss, audio=audio, jpeg=jpeg, metadata=metadata)
for g in sys.argv[2:] or groups:
    groups[g]()
print("1..%d" % done)
