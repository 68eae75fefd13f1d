#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What cameras and recorders do to times: a frame stream from stdin to stdout with the times of
its packets changed by patterns, and everything else as it was. `oddtimes.py list` names them."""
import random
import struct
import sys

from cbframe import NOPTS, crc32c, frames

S, TB = 10**9, 90000
MAX, MIN = (1 << 63) - 1, -(1 << 63)
rnd = random.Random(7)


def dvr(i, p):
    """a DVR's: hours away every two seconds"""
    by = (0, -9800, 37600 - 9800)[i // 50 % 3]
    return {"pts": p["pts"] + by * TB, "dts": p["dts"] + by * TB}


def dvr_wall(i, p):
    """and the wall time with them"""
    by = (0, -9800, 37600 - 9800)[i // 50 % 3]
    return {**dvr(i, p), "wall": p["wall"] + by * S}


PATTERNS = {
    "none": lambda i, p: {},
    # the first STREAM of the video lacks its parameter sets
    "no-sets": lambda i, p: {},
    "dvr": dvr,
    "dvr-wall": dvr_wall,
    "wrap-32": lambda i, p: {k: (p[k] + (1 << 32) - 100 * 3600) % (1 << 32) for k in ("pts", "dts")},
    "wrap-33": lambda i, p: {k: (p[k] + (1 << 33) - 100 * 3600) % (1 << 33) for k in ("pts", "dts")},
    # as after a gap
    "away": lambda i, p: {k: p[k] + (0 if i < 50 else 77777 * TB) for k in ("pts", "dts")},
    "repeat": lambda i, p: {k: p[k] // 7200 * 7200 for k in ("pts", "dts")},
    "stand-still": lambda i, p: {"pts": 5, "dts": 5},
    "backwards": lambda i, p: {"pts": -p["pts"], "dts": -p["dts"]},
    "no-dts": lambda i, p: {"dts": NOPTS},
    "no-pts": lambda i, p: {"pts": NOPTS, "dts": NOPTS},
    "some-pts": lambda i, p: {"pts": NOPTS, "dts": NOPTS} if i % 3 else {},
    "pts-before-dts": lambda i, p: {"pts": p["dts"] - 36000},
    "reordered": lambda i, p: {"pts": p["pts"] + (7200 if i % 3 == 1 else -3600 if i % 3 == 2 else 0)},
    "huge": lambda i, p: {"pts": MAX - 100 + i % 100, "dts": MAX - 200 + i % 100},
    "least": lambda i, p: {"pts": MIN + 1 + i, "dts": MIN + 1 + i},
    "random": lambda i, p: {"pts": rnd.randint(MIN, MAX), "dts": rnd.randint(MIN, MAX)},
    "durations": lambda i, p: {"duration": (0, MAX, 1, 1 << 40)[i % 4]},
    "wall-back": lambda i, p: {"wall": p["wall"] - (3600 * S if i >= 80 else 0)},
    "wall-ahead": lambda i, p: {"wall": p["wall"] + (86400 * S if i >= 80 else 0)},
    "wall-wobbles": lambda i, p: {"wall": p["wall"] + (7200 * S if i // 30 % 2 else 0)},
    "wall-zero": lambda i, p: {"wall": 0},
    "wall-none": lambda i, p: {"source": 0, "wall": 0},
    "wall-random": lambda i, p: {"wall": rnd.randint(MIN, MAX)},
    "mono-zero": lambda i, p: {"mono": 0},
    "mono-random": lambda i, p: {"mono": rnd.randint(0, (1 << 64) - 1)},
    "stalls": lambda i, p: {"source": 3, "mono": p["mono"] + (max(0, 8 * S - (i - 60) * S // 25) if i >= 60 else 0)},
    "all-random": lambda i, p: {"pts": rnd.randint(MIN, MAX), "dts": rnd.randint(MIN, MAX),
                                "wall": rnd.randint(MIN, MAX), "mono": rnd.randint(0, (1 << 64) - 1),
                                "duration": rnd.randint(0, MAX), "source": rnd.randint(0, 3)},
}
FIELDS = ("pts", "dts", "duration", "wall", "mono", "source")


def main():
    if sys.argv[1] == "list":
        print("\n".join(PATTERNS))
        return
    n = seq = digest = 0
    for kind, flags, stream, _, payload in frames(sys.stdin.buffer):
        if kind == 2 and payload[24] == 1 and n == 0 and sys.argv[1] == "no-sets":
            payload = payload[:188] + bytes(4)
        if kind == 3:
            p = dict(zip(FIELDS, struct.unpack("<qqqqQB", payload[:41])))
            for pattern in sys.argv[1:]:
                p.update(PATTERNS[pattern](n, p))
            payload = struct.pack("<qqqqQB", *(p[k] for k in FIELDS)) + payload[41:]
            n += 1
        if kind == 7:
            payload = payload[:4] + struct.pack("<I", digest) + payload[8:]
        head = struct.pack("<4sBBHHHIQI", b"\x89CBF", 1, kind, flags, stream, 0, len(payload), seq,
                           crc32c(payload))
        head += struct.pack("<I", crc32c(head))
        digest = crc32c(head, digest)
        seq += 1
        sys.stdout.buffer.write(head + payload)


main()
