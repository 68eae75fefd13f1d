# SPDX-License-Identifier: Apache-2.0
"""RTP packets made from access units, in every way that the payload formats allow, and in those
that cameras have in common with no specification. Written from the RFCs, apart from lib/rtsp.

A packet is [seq, ts, marker, payload] with options as a dict behind: pt, ssrc, ext (profile, bytes),
pad. A stream is a list of packets; bytes are made of it by frames()."""
import random
import struct


def rtp(seq, ts, marker, payload, pt=96, ssrc=0x1234abcd, ext=None, pad=0, csrc=0, **_):
    b0 = 0x80 | (0x20 if pad else 0) | (0x10 if ext else 0) | csrc
    out = struct.pack(">BBHII", b0, (0x80 if marker else 0) | pt, seq & 0xffff, ts & 0xffffffff, ssrc)
    out += b"\0\0\0\x09" * csrc
    if ext:
        profile, body = ext
        body += b"\0" * (-len(body) % 4)
        out += struct.pack(">HH", profile, len(body) // 4) + body
    out += payload
    if pad:
        out += b"\0" * (pad - 1) + bytes([pad])
    return out


def frames(packets):
    """RFC 4571: each behind its length."""
    out = b""
    for p in packets:
        b = rtp(*p[:4], **(p[4] if len(p) > 4 else {}))
        out += struct.pack(">H", len(b)) + b
    return out


def canonical(nals):
    return b"".join(struct.pack(">I", len(n)) + n for n in nals)


def safe(rnd, n):
    """n bytes without what a NAL unit cannot have, not ending in zero."""
    out = bytearray(rnd.randbytes(n))
    for i in range(n):
        if i > 1 and out[i - 1] == 0 and out[i - 2] == 0 and out[i] < 4:
            out[i] = 77
    if n and out[-1] == 0:
        out[-1] = 1
    return bytes(out)


# --- sets that can be parsed: baseline and main, made by a writer of bits ---------------------------

class Bits:
    def __init__(self):
        self.s = ""

    def u(self, v, n):
        self.s += format(v, "0%db" % n)
        return self

    def ue(self, *values):
        for v in values:
            b = format(v + 1, "b")
            self.s += "0" * (len(b) - 1) + b
        return self

    def rbsp(self):
        s = self.s + "1"
        s += "0" * (-len(s) % 8)
        raw = bytes(int(s[i:i + 8], 2) for i in range(0, len(s), 8))
        out, zeros = bytearray(), 0
        for c in raw:
            if zeros >= 2 and c < 4:
                out.append(3)
                zeros = 0
            out.append(c)
            zeros = 0 if c else zeros + 1
        return bytes(out)


def sps264(width=320, height=240, number=0, frames_only=True):
    b = Bits().u(66, 8).u(0, 8).u(30, 8).ue(number, 0, 2, 1).u(0, 1)
    b.ue(width // 16 - 1, height // 16 // (1 if frames_only else 2) - 1).u(1 if frames_only else 0, 1)
    if not frames_only:
        b.u(0, 1)
    b.u(0, 1).u(0, 1).u(0, 1)
    return b"\x67" + b.rbsp()


def pps264(number=0, sps=0):
    return b"\x68" + Bits().ue(number, sps).u(0, 2).ue(0, 0, 0).u(0, 3).ue(0, 0, 0).u(0, 3).rbsp()


def slice264(rnd, n, idr=False, first=True, ref=True, pps=0):
    """A slice header as far as it is looked at: first_mb, type, pps."""
    head = Bits().ue(0 if first else 50, 7 if idr else 5, pps)
    s = head.s + "1" * (-len(head.s) % 8)
    raw = bytes(int(s[i:i + 8], 2) for i in range(0, len(s), 8))
    return bytes([(0x60 if ref else 0) | (5 if idr else 1)]) + raw + safe(rnd, n)


def sets265():
    ptl = Bits().u(0, 2).u(0, 1).u(1, 5).u(0x60000000, 32).u(0, 48).u(93, 8).s
    vps = Bits().u(0, 4).u(3, 2).u(0, 6).u(0, 3).u(1, 1).u(0xffff, 16)
    vps.s += ptl
    vps.u(1, 1).ue(4, 0, 0).u(0, 6).ue(0).u(0, 2)
    sps = Bits().u(0, 4).u(0, 3).u(1, 1)
    sps.s += ptl
    sps.ue(0, 1, 640, 480).u(0, 1).ue(0, 0, 4).u(1, 1).ue(4, 0, 0, 0, 3, 0, 3, 0, 0).u(0, 4).ue(0).u(0, 4)
    pps = Bits().ue(0, 0).u(0, 7).ue(0, 0, 0).u(0, 5)
    return [b"\x40\x01" + vps.rbsp(), b"\x42\x01" + sps.rbsp(), b"\x44\x01" + pps.rbsp()]


def slice265(rnd, n, kind=1, first=True, layer=0):
    return bytes([kind << 1 | layer >> 5, (layer & 31) << 3 | 1, (0x80 if first else 0) | 0x5d]) + safe(rnd, n)


def units264(rnd, pictures, sizes=(1, 9000), gop=8, slices=1, sei=True):
    """Access units as lists of NAL units."""
    out = []
    for k in range(pictures):
        idr = k % gop == 0
        au = [sps264(), pps264()] if idr else []
        if sei and k % 3 == 0:
            text = safe(rnd, rnd.randint(1, 60))
            au.append(b"\x06\x05" + bytes([len(text)]) + text + b"\x80")
        au += [slice264(rnd, rnd.randint(*sizes), idr, s == 0, ref=idr or k % 2 == 0) for s in range(slices)]
        out.append(au)
    return out


def units265(rnd, pictures, sizes=(1, 9000), gop=8, slices=1):
    out = []
    for k in range(pictures):
        idr = k % gop == 0
        au = sets265() if idr else []
        if k % 3 == 0:
            au.append(b"\x4e\x01" + safe(rnd, rnd.randint(1, 60)))
        au += [slice265(rnd, rnd.randint(*sizes), 19 if idr else 1, s == 0) for s in range(slices)]
        out.append(au)
    return out


# --- packing ------------------------------------------------------------------------------------------

def fu264(nal, size, fu_b=False, don=0):
    """FU-A; with fu_b the first one carries an order number."""
    out, body = [], nal[1:]
    parts = [body[i:i + size] for i in range(0, len(body), size)] or [b""]
    for i, part in enumerate(parts):
        kind = 29 if fu_b and i == 0 else 28
        flags = (0x80 if i == 0 else 0) | (0x40 if i == len(parts) - 1 else 0)
        head = bytes([nal[0] & 0xe0 | kind, flags | nal[0] & 31])
        out.append(head + (struct.pack(">H", don) if kind == 29 else b"") + part)
    return out


def fu265(nal, size, donl=None):
    out, body = [], nal[2:]
    parts = [body[i:i + size] for i in range(0, len(body), size)] or [b""]
    for i, part in enumerate(parts):
        flags = (0x80 if i == 0 else 0) | (0x40 if i == len(parts) - 1 else 0)
        head = bytes([nal[0] & 0x81 | 49 << 1, nal[1], flags | nal[0] >> 1 & 63])
        out.append(head + (struct.pack(">H", donl) if donl is not None and i == 0 else b"") + part)
    return out


def stap(nals):
    return bytes([24 | max(n[0] & 0x60 for n in nals if n)]) + b"".join(struct.pack(">H", len(n)) + n for n in nals)


def stap_b(nals, don):
    return bytes([25 | 0x60]) + struct.pack(">H", don) + b"".join(struct.pack(">H", len(n)) + n for n in nals)


def mtap(nals, offsets, wide=False, don=0):
    out = bytes([(27 if wide else 26) | 0x60]) + struct.pack(">H", don)
    for i, (n, o) in enumerate(zip(nals, offsets)):
        out += struct.pack(">H", len(n)) + bytes([i]) + (struct.pack(">I", o)[1:] if wide else struct.pack(">H", o)) + n
    return out


def ap265(nals, donl=None):
    out = bytes([48 << 1, 1])
    for i, n in enumerate(nals):
        if donl is not None:
            out += struct.pack(">H", donl) if i == 0 else b"\0"
        out += struct.pack(">H", len(n)) + n
    return out


def pack(units, rnd, codec="h264", mode="mixed", size=1400, start=65000, ts=4294900000, step=3600, donl=None,
         marker="last"):
    """Access units to packets. mode: single, fu, stap, stap-b, fu-b, mixed. marker: last, never, all."""
    out, seq, order = [], start, 0
    hevc = codec == "h265"
    for au in units:
        payloads, i = [], 0
        while i < len(au):
            n = au[i]
            how = rnd.choice(["single", "fu", "stap"]) if mode == "mixed" else mode
            if how in ("stap", "stap-b"):
                group, total = [], 0
                while i < len(au) and len(au[i]) < 65535 and (not group or total + len(au[i]) < 3 * size):
                    total += len(au[i])
                    group.append(au[i])
                    i += 1
                if hevc:
                    payloads.append(ap265(group, donl))
                else:
                    payloads.append(stap(group) if how == "stap" else stap_b(group, order))
                order += len(group)
                continue
            i += 1
            order += 1
            if how in ("fu", "fu-b") and len(n) > 3:
                part = max(1, size if mode != "mixed" else rnd.randint(size // 4 + 1, size))
                if len(n) <= part + 2 and not (hevc and donl is not None):
                    payloads.append(n)
                    continue
                if len(n) <= part + 2:
                    part = len(n) // 2 - 1
                payloads += fu265(n, part, donl) if hevc else fu264(n, part, how == "fu-b", order & 0xffff)
            elif hevc and donl is not None:
                payloads.append(n[:2] + struct.pack(">H", donl) + n[2:])
            else:
                payloads.append(n)
        for k, p in enumerate(payloads):
            m = {"last": k == len(payloads) - 1, "never": False, "all": True}[marker]
            out.append([seq, ts, m, p])
            seq = (seq + 1) & 0xffff
        ts = (ts + step) & 0xffffffff
    return out
