#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Spoil what frames carry, with the frames around it valid: what a checksum cannot catch.

spoil.py SEED IN OUT [packets|headers|params]
packets (the default): bits, bytes and tails of coded pictures; headers: times and flags of
packets; params: the extradata of STREAM. Everything else stays as it is, END included."""
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "accuracy"))
from pictures import crc32c  # noqa: E402

STREAM, PACKET, END = 2, 3, 7
STREAM_FIXED, PACKET_FIXED = 192, 56


def read(path):
    with open(path, "rb") as f:
        data = f.read()
    at, out = 0, []
    while at < len(data):
        kind, flags, stream, size = struct.unpack("<5xBHH2xI", data[at:at + 16])
        out.append([kind, flags, stream, bytearray(data[at + 32:at + 32 + size]), data[at:at + 32]])
        at += 32 + size
    return out


def write(path, frames):
    digest, bytes_ = 0, 0
    with open(path, "wb") as f:
        for seq, (kind, flags, stream, p, head, before) in enumerate(frames):
            if kind == PACKET:
                bytes_ += len(p) - PACKET_FIXED
            if kind == END:
                p[4:8], p[24:32] = struct.pack("<I", digest), struct.pack("<Q", bytes_)
            new = struct.pack("<4sBBHHHI", b"\x89CBF", 1, kind, flags, stream, 0, len(p)) + struct.pack("<Q", seq)
            new += head[24:28] if p == before else struct.pack("<I", crc32c(p))
            new += struct.pack("<I", crc32c(new))
            digest = crc32c(new, digest)
            f.write(new + p)


def main():
    seed, source, target = sys.argv[1:4]
    what = sys.argv[4] if len(sys.argv) > 4 else "packets"
    r = random.Random(int(seed))
    frames = read(source)
    for f in frames:
        f.append(bytes(f[3]))
    at_least = STREAM_FIXED if what == "params" else PACKET_FIXED
    some = [f for f in frames if f[0] == (STREAM if what == "params" else PACKET) and len(f[3]) > at_least]
    for f in r.sample(some, min(len(some), 1 + int(seed) % 7)):
        p = f[3]
        if what == "headers":
            p[r.randrange(24)] ^= 1 << r.randrange(8)
            f[1] ^= r.choice((0, 1, 2, 4))
            continue
        for _ in range(r.choice((1, 4, 30))):
            # the first bytes are what a decoder believes most
            p[min(len(p) - 1, at_least + (r.randrange(40) if r.random() < 0.5 else r.randrange(len(p))))] ^= \
                1 << r.randrange(8)
        if what == "packets" and r.random() < 0.2:
            del p[r.randrange(at_least + 1, len(p)):]
    write(target, frames)


if __name__ == "__main__":
    main()
