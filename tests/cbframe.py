#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An independent reader of the frame stream, written from cb-frame(5) alone.

cbframe.py dump FILE   one line a frame, as text
cbframe.py hash FILE   what `cb-frame hash` prints
cbframe.py golden FILE write the golden stream of tests/golden
cbframe.py flips FILE  try the stream with each bit flipped, each byte gone, each byte doubled:
                       print how many of those are taken for whole streams
Exit 65 with a message where the stream is damaged or cut."""
import hashlib
import io
import struct
import sys

KIND = {1: "video", 2: "audio", 3: "data"}
NOPTS = -(1 << 63)
TYPES = {1: "HELLO", 2: "STREAM", 3: "PACKET", 4: "PICTURE", 5: "EVENT", 6: "GAP", 7: "END"}
MAX = 64 << 20
LENGTHS = {1: (154, 154), 2: (192, 192 + (1 << 20)), 3: (56, MAX), 4: (80, MAX), 5: (1, 59999),
           6: (40, 295), 7: (32, 32)}


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
    for b in data:
        c = c >> 8 ^ TABLE[(c ^ b) & 0xFF]
    return c ^ 0xFFFFFFFF


class Bad(Exception):
    pass


def frames(f):
    """Yield (type, flags, stream, seq, payload); check everything that the page promises."""
    seq = packets = size = digest = 0
    while True:
        head = f.read(32)
        if not head:
            raise Bad("no END: the producer died")
        if len(head) < 32:
            raise Bad("truncated header")
        magic, version, kind, flags, stream, _, length, number, pcrc, hcrc = struct.unpack(
            "<4sBBHHHIQII", head)
        if magic != b"\x89CBF":
            raise Bad("no magic")
        if crc32c(head[:28]) != hcrc:
            raise Bad("header checksum")
        if version != 1 or number != seq or kind == 0 or (kind == 1) != (seq == 0):
            raise Bad("version, sequence or type")
        least, most = LENGTHS.get(kind, (0, MAX))
        if not least <= length <= most:
            raise Bad("length")
        payload = f.read(length)
        if len(payload) < length or crc32c(payload) != pcrc:
            raise Bad("payload checksum")
        if kind == 5 and b"\n" in payload:
            raise Bad("an event of more than one line")
        if kind == 7:
            _, _, edigest, eframes, epackets, ebytes = struct.unpack("<HHIQQQ", payload)
            if (edigest, eframes, epackets, ebytes) != (digest, seq, packets, size):
                raise Bad("totals")
            yield kind, flags, stream, number, payload
            if f.read(1):
                raise Bad("data after END")
            return
        if kind == 3:
            packets += 1
            size += length - 56
        digest = crc32c(head, digest)
        seq += 1
        yield kind, flags, stream, number, payload


def name(raw):
    return raw.split(b"\0")[0].decode("ascii")


def number(v):
    return "-" if v == NOPTS else str(v)


def dump(f):
    for kind, flags, stream, seq, p in frames(f):
        text = ""
        if kind == 1:
            wall, mono, source, sync = struct.unpack("<qQBB", p[:18])
            text = f"producer={name(p[24:89])} camera={name(p[89:154])} live={flags & 1} " \
                   f"wall={wall} mono={mono} source={source} sync={sync}"
        elif kind == 2:
            num, den, w, h = struct.unpack("<IIII", p[28:44])
            xlen = struct.unpack("<I", p[188:192])[0]
            text = f"{name(p[:24])} {KIND[p[24]]} nal_length={p[25]} bits={p[26]} " \
                   f"tb={num}/{den} size={w}x{h} extradata={p[192:192 + xlen].hex()}"
        elif kind in (3, 4):
            pts, dts, dur, wall, mono, source, sync, _, s0, s1, _ = struct.unpack(
                "<qqqqQBBHIII", p[:56])
            text = f"flags={flags} pts={number(pts)} dts={number(dts)} duration={dur} " \
                   f"wall={wall} mono={mono} source={source} sync={sync} skip={s0}/{s1} "
            if kind == 4:
                w, h = struct.unpack("<II", p[56:64])
                text += f"{w}x{h} {name(p[64:80])} "
            text += f"sha256={hashlib.sha256(p[80 if kind == 4 else 56:]).hexdigest()[:16]}"
        elif kind == 5:
            text = p.decode("utf-8")
        elif kind == 6:
            reason, n, _, t0, t1, packets, size = struct.unpack("<HHIqqQQ", p[:40])
            text = f"reason={reason} from={t0} to={t1} packets={packets} bytes={size} " \
                   f"text={p[40:40 + n].decode('utf-8')}"
        elif kind == 7:
            reason, _, digest, nframes, packets, size = struct.unpack("<HHIQQQ", p)
            text = f"reason={reason} frames={nframes} packets={packets} bytes={size} " \
                   f"digest={digest:08x}"
        print(f"{seq} {TYPES.get(kind, kind)} {stream} {text}")


def content_hash(f):
    streams = {}
    for kind, flags, stream, _, p in frames(f):
        if kind == 2 and stream not in streams:
            streams[stream] = [None, None, 0, 0, hashlib.sha256(), hashlib.sha256()]
        if kind not in (2, 3, 4):
            continue
        s = streams[stream]
        if kind == 2:
            s[0], s[1] = KIND[p[24]], name(p[:24])
        else:
            data = p[56 if kind == 3 else 80:]
            s[2] += 1
            s[3] += len(data)
            s[5].update(data)
        s[4].update(struct.pack("<BHI", kind, flags, len(p)) + p)
    total = hashlib.sha256()
    for i, (kind, codec, packets, size, content, data) in sorted(streams.items()):
        line = f"{i} {kind} {codec} packets={packets} bytes={size} " \
               f"content={content.hexdigest()} data={data.hexdigest()}\n"
        total.update(line.encode())
        sys.stdout.write(line)
    print(f"all streams={len(streams)} content={total.hexdigest()}")


def golden(path):
    """One frame of each type, odd values in the fields, from the byte tables alone."""
    seq = packets = size = digest = 0
    out = open(path, "wb")

    def frame(kind, flags, stream, payload):
        nonlocal seq, digest
        head = struct.pack("<4sBBHHHIQI", b"\x89CBF", 1, kind, flags, stream, 0, len(payload),
                           seq, crc32c(payload))
        head += struct.pack("<I", crc32c(head))
        digest = crc32c(head, digest)
        seq += 1
        out.write(head + payload)

    def times(pts, dts, wall, data):
        return struct.pack("<qqqqQBBHIII", pts, dts, 3600, wall, 123456789, 3, 1, 0, 0, 0, 0) + data

    wall = 1795246482123456789
    frame(1, 0, 0, struct.pack("<qQBB6x65s65s", wall, 42, 1, 2, b"golden 1.0", b"front-door"))
    video = struct.pack("<24sBBBxIIIIIIII", b"h264", 1, 4, 1, 1, 90000, 64, 48, 1, 1, 25, 1)
    video = video.ljust(88, b"\0") + struct.pack("<II", 66, 10)
    video = video.ljust(188, b"\0") + struct.pack("<I", 4) + b"\1\2\3\4"
    frame(2, 0, 0, video)
    audio = struct.pack("<24sBBBxII", b"pcm_alaw", 2, 0, 0, 1, 8000).ljust(60, b"\0")
    audio += struct.pack("<IHHI", 8000, 1, 8, 1)
    audio = audio.ljust(88, b"\0") + struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF)
    frame(2, 0, 7, audio.ljust(192, b"\0"))
    for i, (pts, dts) in enumerate([(0, -7200), (10800, -3600), (3600, 0), (7200, NOPTS)]):
        data = bytes(range(i, i + 20 + i))
        frame(3, 1 if i == 0 else 8 if i == 3 else 0, 0, times(pts, dts, wall + i * 40000000, data))
        packets, size = packets + 1, size + len(data)
    frame(3, 1, 7, times(-160, -160, wall, b"\xd5" * 160))
    packets, size = packets + 1, size + 160
    frame(5, 0, 0, '{"specversion":"1.0","id":"1","source":"/x","type":"cb.x","data":{"é":1}}'.encode())
    frame(6, 0, 0, struct.pack("<HHIqqQQ", 2, 4, 0, wall, wall + 10**9, 25, 100000) + b"away")
    frame(4, 0, 0, times(3600, NOPTS, wall, b"") + struct.pack("<II16s", 3, 3, b"yuv420p") + bytes(17))
    frame(7, 0, 0, struct.pack("<HHIQQQ", 0, 0, digest, seq, packets, size))
    out.close()


def whole(raw):
    try:
        for _ in frames(io.BytesIO(raw)):
            pass
        return True
    except Bad:
        return False


def flips(path):
    with open(path, "rb") as f:
        raw = f.read()
    tries = taken = 0
    for i in range(len(raw)):
        changed = [raw[:i] + raw[i + 1:], raw[:i] + raw[i:i + 1] + raw[i:]]
        changed += [raw[:i] + bytes([raw[i] ^ 1 << bit]) + raw[i + 1:] for bit in range(8)]
        tries += len(changed)
        taken += sum(map(whole, changed))
    print(f"{tries} changed streams, {taken} taken")


def main():
    verb, path = sys.argv[1:]
    if verb == "golden":
        golden(path)
        return 0
    if verb == "flips":
        flips(path)
        return 0
    try:
        with open(path, "rb") as f:
            {"dump": dump, "hash": content_hash}[verb](f)
    except Bad as e:
        print(f"cbframe.py: {e}", file=sys.stderr)
        return 65
    return 0


if __name__ == "__main__":
    sys.exit(main())
