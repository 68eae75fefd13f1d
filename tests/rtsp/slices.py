#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""slices.py STREAM: SHA-256 of each video packet without what servers add or leave out (parameter
sets, delimiters, supplemental information): the slices, a line a picture. Of other codecs, of the data."""
import hashlib
import os
import struct
import sys

sys.path.insert(0, os.environ["CB_SRC"] + "/tests")
sys.dont_write_bytecode = True
import cbframe

codec = {}
for kind, _, stream, _, p in cbframe.frames(open(sys.argv[1], "rb")):
    if kind == 2 and p[24] == 1:
        codec[stream] = p[:24].rstrip(b"\0")
    if kind != 3 or stream not in codec:
        continue
    data, out, at = p[56:], b"", 0
    if codec[stream] not in (b"h264", b"hevc"):
        out = data
    while at < len(data) and codec[stream] in (b"h264", b"hevc"):
        n = struct.unpack(">I", data[at:at + 4])[0]
        unit = data[at + 4:at + 4 + n]
        t = unit[0] & 31 if codec[stream] == b"h264" else unit[0] >> 1 & 63
        if t in (1, 2, 3, 4, 5) if codec[stream] == b"h264" else t < 32:
            out += unit
        at += 4 + n
    print(hashlib.sha256(out).hexdigest())
