#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An independent reader of a store, written from cb-store(5) alone.

cbstore.py check STORE [IDENTITY]         every promise of the page; prints totals
cbstore.py hash STORE CAMERA [IDENTITY]   what `cb-replay STORE --camera CAMERA | cb-frame hash` prints
Exit 65 with a message where something is not as the page says."""
import datetime
import hashlib
import json
import os
import re
import stat
import struct
import sys
import urllib.parse
import uuid

import cbsealed

UUID_INIT = uuid.UUID("9e24df23-c677-5cfe-b7b6-be491807c1bf").bytes
UUID_TABLE = uuid.UUID("e81d2b56-fbc2-5506-b867-102fbf19b81c").bytes
KIND = {1: "video", 2: "audio", 3: "data"}
NOPTS = -(1 << 63)
REASONS = "length params clock end stopped died error unsynced recovered".split()
CAMERA = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
SEGMENT = re.compile(r"(([0-9]{6})-([0-9a-f]{12}))\.(mp4|mp4\.part|manifest)")
DIGEST = re.compile(r"[0-9a-f]{64}")
NUMBER = re.compile(r"0|-?[1-9][0-9]*")
WORD = re.compile(r"(?:[!-$&-~]|%[0-9A-F]{2})+")
CODECS = {
    "h264": "avc1 avc3", "hevc": "hvc1 hev1", "av1": "av01", "vp8": "vp08", "vp9": "vp09",
    "mjpeg": "mp4v", "mpeg4": "mp4v", "mpeg1video": "mp4v", "mpeg2video": "mp4v", "aac": "mp4a",
    "mp2": "mp4a", "mp3": "mp4a", "opus": "Opus", "pcm_alaw": "alaw", "pcm_mulaw": "ulaw",
}
CONFIG = {
    "avc1": b"avcC", "avc3": b"avcC", "hvc1": b"hvcC", "hev1": b"hvcC", "av01": b"av1C",
    "vp08": b"vpcC", "vp09": b"vpcC", "mp4v": b"esds", "mp4a": b"esds", "Opus": b"dOps",
}


class Bad(Exception):
    pass


def need(truth, what):
    if not truth:
        raise Bad(what)


# --- manifests ----------------------------------------------------------------------------------

def number(word):
    need(NUMBER.fullmatch(word), f"{word}: not a number")
    return int(word)


def text(word):
    need(WORD.fullmatch(word), f"{word}: not a word")
    return "" if word == "-" else urllib.parse.unquote(word, errors="strict")


class Manifest:
    """A manifest that has its end; with partial, as far as whole lines go."""

    def __init__(self, raw, partial=False):
        need(len(raw) <= 64 << 20, "manifest: too large")
        if partial:
            raw = raw[:raw.rfind(b"\n") + 1]
        need(raw.endswith(b"\n"), "manifest: does not end in a line feed")
        need(all(b == 10 or 32 <= b < 127 for b in raw), "manifest: not printable ASCII")
        self.raw, self.streams, self.fragments, self.gaps = raw, [], [], []
        self.end = self.digest = None
        lines = raw.decode("ascii").split("\n")[:-1]
        need(all(len(x) <= 2047 for x in lines), "manifest: a line too long")
        words = [x.split(" ") for x in lines]
        need(all(all(w) for w in words), "manifest: an empty word")
        heads = [("cb-manifest", 2), ("camera", 2), ("segment", 2), ("recording", 4),
                 ("start", 2), ("producer", 2), ("recorder", 2)]
        need(len(words) >= 7 and [(w[0], len(w)) for w in words[:7]] == heads, "manifest: head")
        need(words[0][1] in ("1", "2"), "manifest: version")
        self.key = None
        if words[0][1] == "2":
            need(len(words) > 7 and words[7][0] == "key" and len(words[7]) == 2
                 and re.fullmatch(r"\d{4}-\d\d-\d\d-[0-9a-f]{32}", words[7][1]), "manifest: key")
            self.key = words[7][1]
        self.camera, self.id = words[1][1], words[2][1]
        self.recording, self.index = words[3][1], number(words[3][2])
        need(re.fullmatch("[0-9a-f]{16}", self.recording), "manifest: recording")
        self.recording_ns, self.start = number(words[3][3]), number(words[4][1])
        self.producer, self.recorder = text(words[5][1]), text(words[6][1])
        for w in words[8 if self.key else 7:]:
            self.line(w)
        need(partial or self.digest, "manifest: no digest")

    def line(self, w):
        need(self.digest is None, "manifest: something after the digest")
        if self.end is not None:
            need(w[0] == "digest" and len(w) == 2 and DIGEST.fullmatch(w[1]), "manifest: digest")
            at = self.raw.rindex(b"digest ")
            need(hashlib.sha256(self.raw[:at]).hexdigest() == w[1], "manifest: digest is wrong")
            self.digest = w[1]
        elif w[0] == "stream":
            need(len(w) == 6 and not self.fragments and w[2] in KIND.values()
                 and w[5] in ("track", "hidden"), "manifest: stream")
            self.streams.append((number(w[1]), w[2], text(w[3]), w[4], w[5] == "track"))
        elif w[0] == "gap":
            need(len(w) == 9 and number(w[1]) == len(self.fragments) - 1, "manifest: gap")
            self.gaps.append([number(x) for x in w[1:8]] + [text(w[8])])
        elif w[0] == "end":
            need(len(w) == 9 and w[1] in REASONS, "manifest: end")
            self.end = [w[1]] + [number(x) for x in w[2:]]
        else:
            need(len(w) == (11 if self.key else 10) and DIGEST.fullmatch(w[3]), "manifest: fragment")
            need(not self.key or DIGEST.fullmatch(w[10]), "manifest: commitment")
            f = dict(zip("number offset length pts duration wall packets wall_to".split(),
                         [NOPTS if x == "-" else number(x)
                          for x in (w[0], w[1], w[2], w[4], w[5], w[6], w[8], w[9])]))
            f["sha256"], f["flags"], f["commit"] = w[3], w[7], w[10] if self.key else None
            need(re.fullmatch("-|K?P?C?", w[7]), "manifest: flags")
            need(f["number"] == len(self.fragments), "manifest: number")
            last = self.fragments[-1] if self.fragments else None
            need(f["offset"] == (last["offset"] + last["length"] if last else 0),
                 "manifest: offset")
            self.fragments.append(f)

    def totals(self):
        f = self.fragments
        e = [len(f) - 1, sum(x["packets"] for x in f), f[-1]["offset"] + f[-1]["length"]]
        e += [min(x["wall"] for x in f[1:]), max(x["wall_to"] for x in f[1:])] if len(f) > 1 \
            else [self.start, self.start]
        return e + [len(self.gaps)]


# --- boxes --------------------------------------------------------------------------------------

def boxes(data, what):
    """[(type, payload)] that fill data."""
    at, out = 0, []
    while at < len(data):
        need(len(data) - at >= 8, f"{what}: half a box")
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        need(8 <= size <= len(data) - at, f"{what}: {kind}: its length")
        out.append((kind.decode("latin-1"), data[at + 8:at + size]))
        at += size
    return out


def only(data, what, kinds):
    out = boxes(data, what)
    need([k for k, _ in out] == kinds.split(), f"{what}: {[k for k, _ in out]}, not {kinds}")
    return [p for _, p in out]


def full(data, version, flags):
    need(struct.unpack(">I", data[:4])[0] == version << 24 | flags, "version or flags of a box")
    return data[4:]


def cstr(raw):
    return raw.split(b"\0")[0].decode("ascii")


class Init:
    def __init__(self, data):
        ftyp, moov, ours = only(data, "init segment", "ftyp moov uuid")
        need(ours[:16] == UUID_INIT, "init segment: uuid")
        ours = ours[16:]
        version, self.hello_flags, n, count = struct.unpack("<HHII", ours[:12])
        need(version == 1 and count <= 256, "init segment: version")
        self.hello, ours = ours[12:12 + n], ours[12 + n:]
        need(len(self.hello) == n == 154, "init segment: HELLO")
        self.records, self.streams = [], {}
        for _ in range(count):
            stream, fresh, n = struct.unpack("<HHI", ours[:8])
            payload, ours = ours[8:8 + n], ours[8 + n:]
            need(len(payload) == n and stream < 64 and fresh in (0, 1), "init segment: STREAM")
            xlen = struct.unpack("<I", payload[188:192])[0]
            need(n == 192 + xlen, "init segment: length of STREAM")
            self.records.append((stream, fresh, payload))
            self.streams[stream] = payload	# the last one counts, the first keeps the place
        need(not ours, "init segment: bytes left")
        self.tracks = {}
        self.moov(ftyp, moov)

    def codec(self, stream):
        return cstr(self.streams[stream][:24])

    def lead(self):
        kinds = [(s, p[24]) for s, p in self.streams.items()]
        return next((s for s, k in kinds if k == 1), kinds[0][0] if kinds else None)

    def moov(self, ftyp, moov):
        parts = boxes(moov, "moov")
        need([k for k, _ in parts] == ["mvhd"] + ["trak"] * (len(parts) - 2) + ["mvex"], "moov")
        mvhd = full(parts[0][1], 0, 0)
        need(struct.unpack(">IIII", mvhd[:16]) == (0, 0, 1000, 0), "mvhd")
        need(struct.unpack(">I", mvhd[-4:])[0] == 65, "mvhd: next track")
        qt = any(cstr(p[:24]).startswith("pcm_") and p[24] == 2 for p in self.streams.values())
        need(ftyp == (b"qt  \0\0\2\0qt  " if qt else b"iso6\0\0\0\1iso6isommp41"), "ftyp")
        for _, trak in parts[1:-1]:
            self.trak(trak)
        ids = [struct.unpack(">IIIII", full(p, 0, 0))
               for k, p in boxes(parts[-1][1], "mvex") if k == "trex"]
        need(ids == [(s + 1, 1, 0, 0, 0) for s in self.tracks], "trex")
        order = [s for s in self.streams if s in self.tracks]
        need(order == list(self.tracks), "the order of the tracks")

    def trak(self, trak):
        tkhd, mdia = only(trak, "trak", "tkhd mdia")
        tkhd = full(tkhd, 0, 3)
        stream = struct.unpack(">I", tkhd[8:12])[0] - 1
        need(stream in self.streams and stream not in self.tracks, "tkhd: track")
        p = self.streams[stream]
        video = p[24] == 1
        matrix = struct.unpack("<9i", p[124:160]) if p[26] & 2 else \
            (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
        need(struct.unpack(">9i", tkhd[36:72]) == matrix, "tkhd: matrix")
        mdhd, hdlr, minf = only(mdia, "mdia", "mdhd hdlr minf")
        num, den, width, height = struct.unpack("<IIII", p[28:44])
        need(struct.unpack(">IIII", full(mdhd, 0, 0)[:16]) == (0, 0, den, 0), "mdhd")
        need(full(hdlr, 0, 0)[4:8] == (b"vide" if video else b"soun"), "hdlr")
        _, _, stbl = only(minf, "minf", ("vmhd" if video else "smhd") + " dinf stbl")
        stsd, stts, stsc, stsz, stco = only(stbl, "stbl", "stsd stts stsc stsz stco")
        need(not any(stts + stsc + stsz + stco), "a sample table that is not empty")
        need(struct.unpack(">I", full(stsd, 0, 0)[:4])[0] == 1, "stsd: entries")
        entry, = boxes(stsd[8:], "stsd")
        codec = self.codec(stream)
        allowed = CODECS.get(codec, "lpcm" if codec.startswith("pcm_") else "").split()
        want = allowed[1] if len(allowed) == 2 and p[26] & 1 else allowed[0] if allowed else None
        need(entry[0] == want, f"stsd: {codec} is {entry[0]}, not {want}")
        if video:
            need(struct.unpack(">HH", entry[1][24:28]) == (width, height), "stsd: size")
        if want in CONFIG:
            config = dict(boxes(entry[1][78 if video else 28:], want))
            box = config.get(CONFIG[want].decode())
            need(box is not None, f"{want}: no configuration")
            extra = p[192:]
            if extra and want in ("avc1", "avc3", "hvc1", "hev1", "av01"):
                need(box == extra, f"{want}: the configuration is not STREAM's")
        if want in ("alaw", "ulaw", "lpcm"):
            n, mask = struct.unpack("<H", p[64:66])[0], struct.unpack("<Q", p[96:104])[0]
            chan = [b for k, b in boxes(entry[1][64 if want == "lpcm" else 28:], want) if k == "chan"]
            plain = n in (1, 2) and mask in (0, 4 if n == 1 else 3)
            need(chan == ([struct.pack(">IIII", 0, (99 + n) << 16 | n, 0, 0)] if plain else []),
                 f"{want}: chan")
        self.tracks[stream] = {"num": num, "scale": den, "begun": False}


class Packet:
    def __init__(self, entry, data):
        self.seq, self.flags, self.stream, self.length = struct.unpack("<QHHI", entry[:16])
        self.head, self.digest, self.data = entry[16:72], entry[72:104], data
        self.pts, self.dts, self.duration, self.wall, self.mono, self.source = struct.unpack(
            "<qqqqQB", self.head[:41])


def fragment(data):
    """Flags, number, packets and the moof of a fragment."""
    table, moof, mdat = only(data, "fragment", "uuid moof mdat")
    need(table[:16] == UUID_TABLE, "fragment: uuid")
    version, flags, zero, num, count, size = struct.unpack("<BBHIII", table[16:32])
    need(version == 1 and zero == 0 and size == 104, "packet table: head")
    need(len(table) == 32 + 104 * count, "packet table: length")
    packets, at = [], 0
    for i in range(count):
        entry = table[32 + 104 * i:136 + 104 * i]
        length = struct.unpack("<I", entry[12:16])[0]
        p = Packet(entry, mdat[at:at + length])
        need(len(p.data) == length, "packet table: more than the mdat has")
        need(hashlib.sha256(p.data).digest() == p.digest, f"packet {p.seq}: digest")
        packets.append(p)
        at += length
    need(at == len(mdat), "packet table: less than the mdat has")
    return flags, num, packets, moof


# --- the times that players see --------------------------------------------------------------------

def media_dts(t, p):
    """What counts as the decoding time of a packet, in ticks."""
    if p.file_dts != NOPTS:
        return p.file_dts * t["num"]
    return t["last_dts"] + t["delta"] if t["begun"] else 0


def make_up(packets):
    """Decoding times that the samples of a track lack in a fragment."""
    for p in packets:
        p.file_dts = p.dts
    stated = [i for i, p in enumerate(packets) if p.dts != NOPTS]
    if stated:
        for i in range(stated[0] - 1, -1, -1):
            packets[i].file_dts = packets[i + 1].file_dts - (packets[i].duration or 1)
    rest = [p for p in packets if p.file_dts == NOPTS and p.pts != NOPTS]
    for p, pts in zip(rest, sorted(p.pts for p in rest)):
        p.file_dts = pts


def players_view(init, clock, packets, moof, moof_len):
    """Compare a moof with the packets that it speaks of."""
    first = {}
    for stream in init.tracks:
        make_up([p for p in packets if p.stream == stream])
    for p in packets:
        if p.stream in init.tracks:
            first.setdefault(p.stream, p)
    if clock[0] is None and first:
        times = [(media_dts(init.tracks[s], p), init.tracks[s]["scale"]) for s, p in first.items()]
        clock[0] = times[0]
        for d, scale in times[1:]:
            if d * clock[0][1] < clock[0][0] * scale:
                clock[0] = (d, scale)
    parts = boxes(moof, "moof")
    need([k for k, _ in parts] == ["mfhd"] + ["traf"] * (len(parts) - 1), "moof")
    seen = set()
    for _, traf in parts[1:]:
        inner = boxes(traf, "traf")
        need([k for k, _ in inner] == ["tfhd", "tfdt"] + ["trun"] * (len(inner) - 2), "traf")
        stream = struct.unpack(">I", full(inner[0][1], 0, 0x20000))[0] - 1
        need(stream in first and stream not in seen, "tfhd: track")
        seen.add(stream)
        samples = []
        for _, trun in inner[2:]:
            trun = full(trun, 1, 0xf01)
            count, offset = struct.unpack(">Ii", trun[:8])
            need(count > 0 and len(trun) == 8 + 16 * count, "trun: length")
            for i in range(count):
                s = struct.unpack(">IIIi", trun[8 + 16 * i:24 + 16 * i])
                samples.append((offset, i == 0) + s)
                offset += s[1]
        tfdt = struct.unpack(">Q", full(inner[1][1], 1, 0))[0]
        track_view(init.tracks[stream], clock[0], packets, stream, samples, tfdt, moof_len + 8)
    need(seen == set(first), "a track that has packets and no traf")
    return struct.unpack(">I", full(parts[0][1], 0, 0))[0]


def runs_ahead(t, a, b):
    """Does b's media time run ahead of what passed since a, the last packet of its stream?"""
    ts = [p.dts if p.dts != NOPTS else p.pts for p in (a, b)]
    if NOPTS in ts:
        return False
    if a.mono and b.mono and b.mono >= a.mono:
        passed = b.mono - a.mono
    elif a.source and b.source:
        passed = b.wall - a.wall
        passed = passed if 0 <= passed <= 3600 * 10 ** 9 else 0
    else:
        return False
    return (ts[1] - ts[0]) * t["num"] * 10 ** 9 // t["scale"] - passed > 10 * 10 ** 9


def track_view(t, clock, packets, stream, samples, tfdt, header):
    mine, at, before = [], 0, None
    for p in packets:
        if p.stream == stream:
            mine.append((p, at, before != stream))
        before = p.stream
        at += p.length
    need(len(mine) == len(samples), "trun: number of samples")
    when = tfdt
    for i, ((p, at, begins), s) in enumerate(zip(mine, samples)):
        offset, new_run, duration, size, flags, cts = s
        need(size == p.length and offset == at + header, "trun: place of a sample")
        need(new_run == begins, "trun: runs are of packets that lie side by side")
        want = 0x2000000 if p.flags & 1 else 0x1010000 | (0x800000 if p.flags & 8 else 0)
        need(flags == want, "trun: flags")
        d = media_dts(t, p)
        if not t["begun"]:
            t.update(base=clock[0] * t["scale"] // clock[1], begun=True, delta=0)
            v = max(d - t["base"], 0)
        else:
            v = d - t["base"]
            if t["last"] - v > t["scale"] or (v > t["last"] and runs_ahead(t, mine[i - 1][0] if i else t["prev"], p)):
                v = t["last"] + (t["delta"] or 1)
                t["base"] = d - v
            v = max(v, t["last"] + 1)
            t["delta"] = v - t["last"]
        need(v == when, f"stream {stream}: decoding time {when} in the file, should be {v}")
        t.update(last=v, last_dts=d, prev=p)
        pts = 0 if p.pts == NOPTS else p.pts * t["num"] - t["base"] - v
        need(cts == pts, f"stream {stream}: composition offset {cts}, should be {pts}")
        if i + 1 == len(mine):
            want = p.duration * t["num"] or t["delta"]
            need(duration == want, f"stream {stream}: last duration {duration}, should be {want}")
        when += duration


# --- the store -------------------------------------------------------------------------------------

def read(path):
    need(stat.S_ISREG(os.lstat(path).st_mode), f"{path}: not a regular file")
    with open(path, "rb") as f:
        return f.read()


def utc(ns, form):
    t = datetime.datetime.fromtimestamp(ns // 10 ** 9, datetime.timezone.utc)
    return t.strftime(form)


class Segment:
    opener = None	# a store and an identity's secret, for what is encrypted

    def __init__(self, directory, camera, day, name):
        path = os.path.join(directory, name)
        self.path, self.part = path, not os.path.exists(path + ".mp4")
        self.m = Manifest(read(path + ".manifest"), self.part)
        self.file = read(path + (".mp4.part" if self.part else ".mp4"))
        m = self.m
        need((m.camera, m.id) == (camera, name[7:]), "manifest: of another segment")
        need((utc(m.start, "%Y-%m-%d"), utc(m.start, "%H%M%S")) == (day, name[:6]), "its name")
        if not self.part:
            need(m.end[1:7] == m.totals(), f"end: {m.end[1:]}, should be {m.totals()}")
            need(m.end[3] == len(self.file), "the file's length")
            for suffix in (".mp4", ".manifest"):
                need(os.stat(path + suffix).st_mode & 0o222 == 0, "not read-only")
        self.key = (m.recording_ns, m.recording, m.index)

    def load(self):
        """Init segment and fragments, every digest checked."""
        m, clock = self.m, [None]
        need(m.fragments, "no lines")
        if m.key:
            need(self.opener, "encrypted, and no identity")
            need(m.key[:10] == utc(m.start, "%Y-%m-%d"), "the day of its key")
            day_key = cbsealed.day_key(self.opener[0], m.camera, m.key, self.opener[1])
        for f in m.fragments:
            data = self.file[f["offset"]:f["offset"] + f["length"]]
            need(len(data) == f["length"], f"fragment {f['number']}: the file is too short")
            need(hashlib.sha256(data).hexdigest() == f["sha256"], f"fragment {f['number']}: digest")
            if m.key:
                salt, data = cbsealed.open_box(day_key, m.camera, m.id, f["number"], data)
                need(hashlib.sha256(salt + data).hexdigest() == f["commit"],
                     f"fragment {f['number']}: commitment")
            if f["number"] == 0:
                need((f["pts"], f["duration"], f["wall"], f["flags"], f["packets"], f["wall_to"])
                     == (NOPTS, 0, 0, "-", 0, 0), "line 0")
                init = Init(data)
                want = []
                for s, p in init.streams.items():
                    num, den = struct.unpack("<II", p[28:36])
                    want.append((s, KIND[p[24]], init.codec(s), f"{num}/{den}", s in init.tracks))
                need(want == m.streams, f"stream lines: {m.streams}, should be {want}")
                yield init
                continue
            flags, num, packets, moof = fragment(data)
            need(num == f["number"] and len(packets) == f["packets"], "packet table: number")
            need("".join(c for i, c in enumerate("KPC") if flags >> i & 1) or "-" == f["flags"],
                 "packet table: flags")
            need(players_view(init, clock, packets, moof, len(moof) + 8) == num, "mfhd")
            self.line(init, f, packets)
            yield packets

    @staticmethod
    def line(init, f, packets):
        """What the manifest says of a fragment, from its packets."""
        lead = init.lead()
        video = any(p[24] == 1 for p in init.streams.values())
        first = packets[0]
        key = first.flags & 1 and (first.stream == lead or not video)
        need(bool(key) == ("K" in f["flags"]), "flag K")
        need(all(p.stream in init.streams for p in packets), "a packet without STREAM")
        timed = [p for p in packets if p.stream == lead and p.pts != NOPTS]
        pts = min((p.pts for p in timed), default=NOPTS)
        span = max((p.pts + p.duration for p in timed), default=NOPTS) - pts
        need((f["pts"], f["duration"]) == (pts, span), f"times of fragment {f['number']}")
        need("C" in f["flags"] or all(p.source for p in packets), "flag C")
        if "C" in f["flags"]:
            return
        ends = []
        for p in packets:
            num, den = struct.unpack("<II", init.streams[p.stream][28:36])
            ends.append(p.wall + p.duration * num * 10 ** 9 // den)
        need((f["wall"], f["wall_to"]) == (min(p.wall for p in packets), max(ends)), "wall times")


def segments(store, camera):
    out, base = [], os.path.join(store, "cameras", camera)
    for day in sorted(os.listdir(base)):
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", day):
            continue
        names = {}
        for f in os.listdir(os.path.join(base, day)):
            hit = SEGMENT.fullmatch(f)
            if hit:
                names.setdefault(hit[1], set()).add(hit[4])
        for name, have in sorted(names.items()):
            path = f"{camera}/{day}/{name}"
            need(have in ({"mp4", "manifest"}, {"mp4.part", "manifest"}), f"{path}: {have}")
            try:
                out.append(Segment(os.path.join(base, day), camera, day, name))
            except Bad as e:
                raise Bad(f"{path}: {e}") from e
    return sorted(out, key=lambda s: s.key)


def cameras(store):
    need(read(os.path.join(store, "format")) == b"cb-store 1\n", "format")
    return [c for c in sorted(os.listdir(os.path.join(store, "cameras"))) if CAMERA.fullmatch(c)]


def check_events(path, camera, day, hour):
    n, raw = 0, read(path)
    seen = set()
    need(raw.endswith(b"\n"), f"{path}: half a line")
    for line in raw.decode("utf-8").splitlines():
        e = json.loads(line)
        need(e["specversion"] == "1.0" and e["id"] and e["type"], f"{path}: no event")
        subject = e.get("subject", "")
        need((subject if CAMERA.fullmatch(subject) else "_other") == camera, f"{path}: subject")
        us = e.get("data", {}).get("t_us")
        when = utc(us * 1000, "%Y-%m-%d %H") if us is not None else \
            e["time"][:13].replace("T", " ") if "time" in e else f"{day} {hour}"
        need(when == f"{day} {hour}", f"{path}: an event of {when}")
        need((e["source"], e["id"]) not in seen, f"{path}: {e['id']} twice")
        seen.add((e["source"], e["id"]))
        n += 1
    return n


def identity(store, path):
    if path:
        Segment.opener = (store, cbsealed.identity(path))


def check(store, key=None):
    identity(store, key)
    t = dict.fromkeys("cameras segments open fragments packets gaps events".split(), 0)
    for camera in cameras(store):
        t["cameras"] += 1
        for s in segments(store, camera):
            try:
                loaded = list(s.load())
            except Bad as e:
                raise Bad(f"{s.path}: {e}") from e
            t["segments"] += 1
            t["open"] += s.part
            t["fragments"] += len(loaded) - 1
            t["packets"] += sum(len(x) for x in loaded[1:])
            t["gaps"] += len(s.m.gaps)
        for day, _, files in os.walk(os.path.join(store, "cameras", camera)):
            for f in files:
                if re.fullmatch(r"[0-2]\d\.events", f):
                    t["events"] += check_events(os.path.join(day, f), camera,
                                                os.path.basename(day), f[:2])
    print(" ".join(f"{k}={v}" for k, v in t.items()))


def content_hash(store, camera, key=None):
    identity(store, key)
    streams, last = {}, None

    def add(kind, flags, stream, payload, data):
        s = streams.setdefault(stream, [None, None, 0, 0, hashlib.sha256(), hashlib.sha256()])
        if kind == 2:
            s[0], s[1] = KIND[payload[24]], cstr(payload[:24])
        else:
            s[2] += 1
            s[3] += len(data)
            s[5].update(data)
        s[4].update(struct.pack("<BHI", kind, flags, len(payload)) + payload)

    for s in segments(store, camera):
        follows = last == (s.m.recording, s.m.index - 1)
        for part in s.load():
            if isinstance(part, Init):
                for stream, fresh, payload in part.records:
                    if fresh or not follows:
                        add(2, 0, stream, payload, b"")
                continue
            for p in part:
                add(3, p.flags, p.stream, p.head + p.data, p.data)
        last = (s.m.recording, s.m.index)
    total = hashlib.sha256()
    for i, (kind, codec, packets, size, content, data) in sorted(streams.items()):
        line = f"{i} {kind} {codec} packets={packets} bytes={size} " \
               f"content={content.hexdigest()} data={data.hexdigest()}\n"
        total.update(line.encode())
        sys.stdout.write(line)
    print(f"all streams={len(streams)} content={total.hexdigest()}")


def main():
    verb = sys.argv[1]
    try:
        {"check": check, "hash": content_hash}[verb](*sys.argv[2:])
    except (Bad, cbsealed.Bad, struct.error, ValueError, KeyError) as e:
        print(f"cbstore.py: {e}", file=sys.stderr)
        return 65
    return 0


if __name__ == "__main__":
    sys.exit(main())
