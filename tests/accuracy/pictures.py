#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures as a frame stream: each JPEG becomes one packet.

pictures.py [options] FILE... >STREAM; see --help"""
import argparse
import struct
import sys


def crc_table():
    out = []
    for i in range(256):
        c = i
        for _ in range(8):
            c = c >> 1 ^ (0x82F63B78 if c & 1 else 0)
        out.append(c)
    return out


TABLE = crc_table()


def crc32c(data, crc=0):
    c = crc ^ 0xFFFFFFFF
    t = TABLE
    for b in data:
        c = c >> 8 ^ t[(c ^ b) & 0xFF]
    return c ^ 0xFFFFFFFF


class Stream:
    """A frame stream of one MJPEG elementary stream, written from cb-frame(5)."""

    def __init__(self, out, rate=1, codec="mjpeg", kind=1, live=False):
        self.out, self.seq, self.digest, self.packets, self.bytes = out, 0, 0, 0, 0
        self.rate, self.codec, self.kind = rate, codec, kind
        self.wall = 1700000000 * 10**9
        self.frame(1, live, struct.pack("<qQBB6x65s65s", self.wall, 0, 1, 0, b"pictures.py 1", b"pictures"))
        self.stream(0, 0)

    def stream(self, width, height):
        self.frame(2, 0, struct.pack("<24sBBBxIIII", self.codec.encode(), self.kind, 0, 0, 1, self.rate,
                                     width, height).ljust(192, b"\0"))

    def frame(self, kind, flags, payload):
        head = struct.pack("<4sBBHHHIQI", b"\x89CBF", 1, kind, flags, 0, 0, len(payload), self.seq,
                           crc32c(payload))
        head += struct.pack("<I", crc32c(head))
        self.digest = crc32c(head, self.digest)
        self.seq += 1
        self.out.write(head + payload)

    def picture(self, data, key=True, mono=0):
        n = self.packets
        wall = self.wall + n * 10**9 // self.rate
        self.frame(3, key, struct.pack("<qqqqQBBHIII", n, n, 1, wall, mono, 1, 0, 0, 0, 0, 0) + data)
        self.packets += 1
        self.bytes += len(data)

    def end(self):
        self.frame(7, 0, struct.pack("<HHIQQQ", 0, 0, self.digest, self.seq, self.packets, self.bytes))


def damaged(data):
    """Other bytes in the second half, and the end missing."""
    half = len(data) // 2
    return data[:half] + bytes(b ^ 0x35 for b in data[half:half + 60]) + data[half + 60:-40]


def main():
    a = argparse.ArgumentParser()
    a.add_argument("-r", "--rate", type=int, default=1, help="pictures a second")
    a.add_argument("--codec", default="mjpeg")
    a.add_argument("--kind", type=int, default=1)
    a.add_argument("--damage", type=int, default=0, help="spoil every Nth picture")
    a.add_argument("--empty", type=int, default=0, help="every Nth packet has no bytes")
    a.add_argument("--key", type=int, default=1, help="every Nth picture is a keyframe")
    a.add_argument("--again", type=int, default=0, help="STREAM with another size before this picture")
    a.add_argument("--cut", action="store_true", help="no END")
    a.add_argument("--late", type=int, default=0, help="live, each picture so many ms older than the last")
    a.add_argument("files", nargs="*")
    o = a.parse_args()
    s = Stream(sys.stdout.buffer, o.rate, o.codec, o.kind, o.late > 0)
    for i, path in enumerate(o.files):
        with open(path, "rb") as f:
            data = f.read()
        if o.damage and i % o.damage == o.damage - 1:
            data = damaged(data)
        if o.empty and i % o.empty == o.empty - 1:
            data = b""
        if o.again and i == o.again:
            s.stream(320, 241)
        s.picture(data, i % o.key == 0, max(1, 10**12 - i * o.late * 10**6) if o.late else 0)
    if not o.cut:
        s.end()


if __name__ == "__main__":
    main()
