#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A camera whose bytes are spoilt: sessions with three media (H.264 or H.265, AAC, metadata), each changed
in a way that depends on its number alone, against cb-ingest. Whatever comes, it neither crashes
nor hangs, and what it writes is a frame stream.

    mangle.py FIRST COUNT    one case again: mangle.py NUMBER 1"""
import os
import random
import socket
import struct
import subprocess
import sys
import threading

from pack import *

TEXT = [b"\r\n", b"\n", b"\0", b":", b"=", b"/", b";", b" ", b"-1", b"4294967296", b"99999999999999999999", b"%s", b"\xff\xfe", b"A" * 3000, b"$",
        b"m=video 0 RTP/AVP 96\r\n", b"a=control:", b"Session: ", b"Content-Length: 70000\r\n", b"interleaved=255-256"]


def spoil(rnd, b, times):
    """b with bytes flipped, runs left out, doubled, or put in."""
    b = bytearray(b)
    for _ in range(times):
        if not b:
            break
        at = rnd.randrange(len(b))
        how = rnd.randrange(6)
        if how == 0:
            b[at] ^= 1 << rnd.randrange(8)
        elif how == 1:
            b[at] = rnd.randrange(256)
        elif how == 2:
            del b[at:at + rnd.choice((1, 2, 7, 60))]
        elif how == 3:
            b[at:at] = b[at:at + rnd.choice((1, 4, 40))]
        elif how == 4:
            b[at:at] = rnd.choice(TEXT)
        else:
            b[at:at + 4] = struct.pack(">I", rnd.choice((0, 1, 0x7fffffff, 0x80000000, 0xffffffff)))
    return bytes(b)


class Case:
    def __init__(self, number):
        rnd = random.Random(number)
        self.rnd = rnd
        codec = rnd.choice(("h264", "h265"))
        make = units264 if codec == "h264" else units265
        units = make(rnd, 12, sizes=(1, 1500), gop=4, slices=rnd.randint(1, 3))
        self.sdp = ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\na=control:*\r\n"
                    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 %s/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:v\r\n"
                    "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/16000/1\r\na=fmtp:97 mode=AAC-hbr;config=1408;sizelength=13;indexlength=3;indexdeltalength=3\r\na=control:a\r\n"
                    "m=application 0 RTP/AVP 98\r\na=rtpmap:98 vnd.onvif.metadata/90000\r\na=control:d\r\n" % codec.upper()).encode()
        video = pack(units, rnd, codec, size=500)
        media = []
        for i, x in enumerate(video):
            media.append((0, rtp(*x)))
            if i % 4 == 0:
                sound = rnd.randbytes(rnd.randint(1, 90))
                media.append((2, rtp(i // 4, i * 256, True, struct.pack(">HH", 16, len(sound) << 3) + sound, pt=97)))
            if i % 9 == 0:
                doc = b'<tt:MetadataStream><wsnt:Topic>t</wsnt:Topic><tt:Message UtcTime="u"><tt:Data><tt:SimpleItem Name="a" Value="%d"/></tt:Data></tt:Message></tt:MetadataStream>' % i
                media.append((4, rtp(i // 9, i * 3600, True, doc, pt=98)))
            if i % 11 == 5:
                media.append((1, struct.pack(">BBHIQIII", 0x80, 200, 6, 0x1234abcd, (2208988800 + 1795251282 + i) << 32, x[1], i, i)))
        media.append((1, struct.pack(">BBHI", 0x81, 203, 1, 0x1234abcd)))
        # where it hurts: description, answers, packets, framing, or everything a little
        self.where = rnd.choice(("sdp", "answers", "payload", "framing", "all"))
        if self.where in ("sdp", "all"):
            self.sdp = spoil(rnd, self.sdp, rnd.randint(1, 12))
        if self.where in ("payload", "all"):
            part = rnd.choice((.05, .5, 1))
            media = [(c, spoil(rnd, b, rnd.randint(1, 4))[:65535] if rnd.random() < part else b) for c, b in media]
        self.media = b"".join(b"$" + bytes([c]) + struct.pack(">H", len(b)) + b for c, b in media)
        if self.where in ("framing", "all"):
            self.media = spoil(rnd, self.media, rnd.randint(1, 20))
        self.tracks = 0

    def answer(self, method, cseq):
        h = b"RTSP/1.0 200 OK\r\nCSeq: " + cseq + b"\r\n"
        body = b""
        if method == b"OPTIONS":
            h += b"Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n"
        elif method == b"DESCRIBE":
            body = self.sdp
            h += b"Content-Base: rtsp://127.0.0.1/x/\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n" % len(body)
        elif method == b"SETUP":
            h += b"Session: 12345;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;interleaved=%d-%d\r\n" % (self.tracks, self.tracks + 1)
            self.tracks += 2
        elif method == b"PLAY":
            h += b"Session: 12345\r\nRTP-Info: url=v;seq=65000;rtptime=5\r\n"
            body = self.media
        if self.where in ("answers", "all") and self.rnd.random() < .5:
            h = spoil(self.rnd, h + b"\r\n", self.rnd.randint(1, 3))
            return h + body
        return h + b"\r\n" + body

    def serve(self, server):
        try:
            c = server.accept()[0]
            c.settimeout(8)
            buf = b""
            while True:
                while b"\r\n\r\n" not in buf:
                    # frames of ours (receiver reports) stand between
                    while buf[:1] == b"$" and len(buf) >= 4 and len(buf) >= 4 + struct.unpack(">H", buf[2:4])[0]:
                        buf = buf[4 + struct.unpack(">H", buf[2:4])[0]:]
                    b = c.recv(65536)
                    if not b:
                        return
                    buf += b
                head, _, buf = buf.partition(b"\r\n\r\n")
                lines = head.split(b"\r\n")
                method = lines[0].split(b" ")[0][-20:]
                method = next((m for m in (b"OPTIONS", b"DESCRIBE", b"SETUP", b"PLAY", b"TEARDOWN", b"GET_PARAMETER") if method.endswith(m)), b"?")
                cseq = next((x.split(b":", 1)[1].strip() for x in lines if x.lower().startswith(b"cseq")), b"1")
                c.sendall(self.answer(method, cseq))
                if method == b"PLAY" and self.rnd.random() < .5:
                    return
                if method == b"TEARDOWN":
                    return
        except OSError:
            pass
        finally:
            try:
                c.close()
            except (OSError, UnboundLocalError):
                pass


def run(number):
    """What went wrong, or None; and whether packets came."""
    case = Case(number)
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(10)
    t = threading.Thread(target=case.serve, args=(server,), daemon=True)
    t.start()
    out = "out.%d" % number
    with open(out, "wb") as f:
        try:
            p = subprocess.run(["cb-ingest", "--retry=never", "--timeout", "500ms", "--camera", "c", "rtsp://127.0.0.1:%d/x" % server.getsockname()[1]],
                               stdout=f, stderr=subprocess.PIPE, timeout=40)
        except subprocess.TimeoutExpired:
            return "hangs", False
        finally:
            server.close()
    err = p.stderr.decode(errors="replace")
    if p.returncode not in (0, 65, 66, 69, 76, 77) or "signal" in err or "Sanitizer" in err or "runtime error" in err:
        return "exit %d: %s" % (p.returncode, err[-1500:]), False
    size = os.path.getsize(out)
    if size:
        check = subprocess.run(["cb-frame", "check", out], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if check.returncode not in (0, 65) or (check.returncode == 65 and p.returncode == 0) or (check.returncode == 65 and b"no END" not in check.stdout):
            return "no frame stream: %d %s" % (check.returncode, check.stdout[-500:]), False
    os.unlink(out)
    return None, size > 3000


first, count = int(sys.argv[1]), int(sys.argv[2])
bad = media = 0
for k in range(first, first + count):
    why, got = run(k)
    media += got
    if why:
        bad += 1
        print("case %d (%s): %s" % (k, Case(k).where, why))
print("%d cases, %d with media, %d wrong" % (count, media, bad))
sys.exit(1 if bad else 0)
