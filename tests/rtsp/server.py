#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A camera that does what cameras do wrong: an RTSP server for one scenario (RFC 2326, RFC 3550,
RFC 6184, RFC 7798), from the specifications alone, standard library only.

A scenario is a dict; what it does not say is as a good camera has it:

  clip        name of the elementary stream (Annex B) whose pictures are sent
  fps         pictures a second, of their timestamps and in real time
  sdp         function (text) -> text: what becomes of the session description
  answer      function (method, request, headers) -> None: change the headers of an answer in place;
              headers["status"] is its first line, headers["body"] what follows, None: no answer
  rtp         function (list of Rtp) -> None: change the packets before any is sent
  wrap        function (Rtp) -> bytes: what is sent for a packet over TCP
  reports     list of (index of picture, NTP time in s less now, or None for 0): sender reports
  early       packets sent before the answer to PLAY; between: bytes before every 7th packet
  order       of the pictures of a group, when each is shown
  end         "bye" (RTCP BYE, and waits), "close", "silent" (nothing more, connection open),
              "reset", "teardown-only" (goes on with keep-alive until told)
  again       what the next connection does: another scenario (a camera that comes back)
  auth        "basic", "md5", "sha256", or "stale" (a new nonce in the middle)
  only        the transports that it has: "tcp", "udp"; session: seconds (60)
  keepalive   methods that keep the session alive; it is dropped without one
  audio       "pcmu", "aac", "meta": a second stream
  stap        parameter sets in an aggregate; sets: "both", "sdp", "band", "none"

expect() gives the digests of the pictures that must arrive: SHA-256 of the NAL units, each behind
its length in four bytes (cb-frame(5))."""
import base64
import hashlib
import os
import re
import select
import socket
import ssl
import struct
import threading
import time

USER, PASSWORD, REALM = "viewer", 's3cr@t/":x', "IP camera"
RATE = 90000


def nals(data):
    """The NAL units of a byte stream (ITU-T H.264, annex B)."""
    return [p.rstrip(b"\0") for p in data.split(b"\0\0\1")[1:]]


def kind(nal, hevc):
    return nal[0] >> 1 & 63 if hevc else nal[0] & 31


def pictures(data, hevc=False):
    """Access units as lists of NAL units: one slice a picture, what comes before belongs to it."""
    out, unit = [], []
    for n in nals(data):
        unit.append(n)
        if kind(n, hevc) < 32 if hevc else kind(n, hevc) in (1, 5):
            out.append(unit)
            unit = []
    return out


class Rtp:
    """One packet: picture (index, -1: none), payload; what else is in its header."""

    def __init__(self, au, payload, ts, mark=False, channel=0, pt=96):
        self.au, self.payload, self.ts, self.mark, self.channel, self.pt = au, payload, ts, mark, channel, pt
        self.seq = self.ssrc = None
        self.ext, self.pad, self.at, self.drop = b"", 0, 0.0, False

    def bytes(self):
        first = 0x80 | (0x10 if self.ext else 0) | (0x20 if self.pad else 0)
        h = struct.pack(">BBHII", first, self.pt | (0x80 if self.mark else 0), self.seq & 0xFFFF,
                        self.ts & 0xFFFFFFFF, self.ssrc)
        pad = bytes(self.pad - 1) + bytes([self.pad]) if self.pad else b""
        return h + self.ext + self.payload + pad


def split(nal, hevc, most):
    """Payloads of a NAL unit: itself, or fragments (RFC 6184 5.8, RFC 7798 4.4.3)."""
    if len(nal) <= most:
        return [nal]
    h = 2 if hevc else 1
    body = nal[h:]
    cut = [body[i:i + most - 3] for i in range(0, len(body), most - 3)]
    out = []
    for i, c in enumerate(cut):
        flags = (0x80 if i == 0 else 0) | (0x40 if i + 1 == len(cut) else 0)
        if hevc:
            out.append(bytes([nal[0] & 0x81 | 49 << 1, nal[1], flags | nal[0] >> 1 & 63]) + c)
        else:
            out.append(bytes([nal[0] & 0xE0 | 28, flags | nal[0] & 31]) + c)
    return out


class Camera:
    """Serves a scenario on a port of its own until stop()."""

    def __init__(self, scenario, clip, second=None, tls=None):
        self.first = self.s = scenario
        self.hevc = scenario.get("codec") == "h265"
        self.units = pictures(clip, self.hevc)
        self.second = pictures(second, self.hevc) if second else []
        self.log, self.connections, self.stopping, self.tls = [], 0, False, tls
        self.late = 0.0		# s, at most: this machine has much to do
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def stop(self):
        self.stopping = True
        self.listener.close()

    def accept(self):
        while not self.stopping:
            try:
                c, _ = self.listener.accept()
            except OSError:
                return
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        s = self.first
        for _ in range(self.connections - 1):	# whom it is now
            s = s.get("again", s)
        try:
            if self.tls:
                c = self.tls.wrap_socket(c, server_side=True)
            Session(self, c, s).run()
        except (OSError, ssl.SSLError) as e:
            self.log.append("broken: %s" % e)
        finally:
            c.close()

    # --- what is sent ------------------------------------------------------------------------

    def plan(self, s):
        """The packets of a session, and which pictures are hurt by what the scenario does."""
        step = RATE // s.get("fps", 50)
        base = s.get("base", 1000)
        sets = s.get("sets", "both")
        out = []
        order = s.get("order", [0])		# of a group, when each picture is shown
        for i, unit in enumerate(self.sent(s)):
            ts = base + (i - i % len(order) + order[i % len(order)]) * step
            single = [n for n in unit if not (sets in ("sdp", "none") and kind(n, self.hevc) in self.set_kinds())]
            if s.get("stap") and len(single) > 1:
                body = b"".join(struct.pack(">H", len(n)) + n for n in single[:-1])
                pieces = [bytes([24 | 0x60]) + body] + split(single[-1], self.hevc, 1200)
            else:
                pieces = [p for n in single for p in split(n, self.hevc, s.get("mtu", 1200))]
            for k, p in enumerate(pieces):
                r = Rtp(i, p, ts, k + 1 == len(pieces))
                r.at = i / s.get("fps", 50)
                out.append(r)
        if s.get("audio"):
            out += self.sound(s, len(self.sent(s)) / s.get("fps", 50))
            out.sort(key=lambda r: r.at)
        for ch, ssrc in ((0, 0x11223344), (2, 0x55667788)):
            seq = s.get("seq", 100)
            for r in out:
                if r.channel == ch:
                    r.seq, r.ssrc = seq, ssrc
                    seq += 1
        if s.get("rtp"):
            s["rtp"](out)
        return [r for r in out if not r.drop]

    def set_kinds(self):
        return (32, 33, 34) if self.hevc else (7, 8)

    def sent(self, s):
        """The scenario's pictures: all, the second clip behind the first where it changes."""
        u = self.units[:s["first"]] if "first" in s else self.units
        return u + (self.second if s.get("change") else [])

    def expect(self, s=None):
        s = s or self.first
        out = []
        for i, unit in enumerate(self.sent(s)):
            keep = [n for n in unit if not (s.get("sets") in ("sdp", "none") and kind(n, self.hevc) in self.set_kinds())]
            if i in s.get("hurt", ()):
                continue
            out.append(hashlib.sha256(b"".join(struct.pack(">I", len(n)) + n for n in keep)).hexdigest())
        return out

    @staticmethod
    def sound(s, seconds):
        what, out = s["audio"], []
        if what == "pcmu":
            for i in range(int(seconds * 50)):
                out.append(Rtp(-1, bytes([i & 0xFF]) * 160, i * 160, channel=2, pt=0))
                out[-1].at = i / 50
        elif what == "aac":
            for i in range(int(seconds * 15)):
                unit = bytes([0x21, i & 0xFF]) * 20
                out.append(Rtp(-1, struct.pack(">HH", 16, len(unit) << 3) + unit, i * 1024, True, 2, 97))
                out[-1].at = i / 15.625
        elif what == "meta":
            for i in range(max(1, int(seconds * 5))):
                xml = ('<tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema"><tt:Frame UtcTime='
                       '"2026-11-21T07:00:%02dZ"/></tt:MetadataStream>' % (i % 60)).encode()
                half = len(xml) // 2
                out += [Rtp(-1, xml[:half], i * 18000, False, 2, 107), Rtp(-1, xml[half:], i * 18000, True, 2, 107)]
                out[-1].at = out[-2].at = i / 5
        return out

    def sdp(self, s):
        sets = [n for u in self.sent(s)[:1] for n in u if kind(n, self.hevc) in self.set_kinds()]
        b64 = [base64.b64encode(n).decode() for n in sets]
        in_sdp = s.get("sets", "both") in ("both", "sdp")
        if self.hevc:
            fmtp = "".join(";sprop-%s=%s" % (k, v) for k, v in zip(("vps", "sps", "pps"), b64)) if in_sdp else ""
            video = "a=rtpmap:96 H265/90000\r\na=fmtp:96 profile-id=1%s\r\n" % fmtp
        else:
            fmtp = ";sprop-parameter-sets=" + ",".join(b64) if in_sdp else ""
            video = "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1%s\r\n" % fmtp
        text = ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=Session\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
                "m=video 0 RTP/AVP 96\r\n" + video + "a=control:track1\r\n")
        text += {"pcmu": "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:track2\r\n",
                 "aac": "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/16000/1\r\na=fmtp:97 streamtype=5;"
                        "mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1408\r\na=control:track2\r\n",
                 "meta": "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n"
                         "a=control:track2\r\n"}.get(s.get("audio"), "")
        return s["sdp"](text) if s.get("sdp") else text


class Session:
    def __init__(self, camera, c, s):
        self.cam, self.c, self.s = camera, c, s
        self.lock = threading.Lock()
        self.udp, self.channels, self.name = {}, {}, "1234abcd"
        self.nonce, self.playing, self.over = "n1", None, False
        self.alive = time.monotonic()
        self.setups, self.sources, self.rest = 0, {}, None

    def write(self, data):
        with self.lock:
            self.c.sendall(data)

    def run(self):
        buf = b""
        self.c.settimeout(5)
        while not self.over and not self.cam.stopping:
            limit = self.s.get("session", 60)
            if self.playing and self.s.get("keepalive") is not None and time.monotonic() - self.alive > limit:
                self.cam.log.append("session timed out")
                return
            if not (self.cam.tls and self.c.pending()) and not select.select([self.c], [], [], 0.1)[0]:
                continue
            with self.lock:		# TLS is not for two threads at once
                got = self.c.recv(65536)
            if not got:
                return
            buf += got
            while buf:
                if buf[:1] == b"$":		# the client's receiver reports
                    if len(buf) < 4 or len(buf) < 4 + struct.unpack(">H", buf[2:4])[0]:
                        break
                    buf = buf[4 + struct.unpack(">H", buf[2:4])[0]:]
                    continue
                head, sep, rest = buf.partition(b"\r\n\r\n")
                if not sep:
                    break
                buf = rest
                self.request(head.decode())

    # --- requests ----------------------------------------------------------------------------

    def permitted(self, method, uri, auth):
        how = self.s.get("auth")
        if not how:
            return True
        if how == "basic":
            return auth == "Basic " + base64.b64encode(("%s:%s" % (USER, PASSWORD)).encode()).decode()
        h = hashlib.sha256 if how == "sha256" else hashlib.md5
        f = dict(re.findall(r'(\w+)="?((?:\\.|[^",])*)"?', auth or ""))
        hx = lambda t: h(t.encode()).hexdigest()
        a1 = hx("%s:%s:%s" % (USER, REALM, PASSWORD))
        a2 = hx("%s:%s" % (method, f.get("uri", "")))
        mid = ":%s:%s:%s:" % (f["nc"], f["cnonce"], f["qop"]) if "qop" in f else ":"
        return f.get("nonce") == self.nonce and f.get("response") == hx(a1 + ":" + self.nonce + mid + a2)

    def challenge(self):
        how = self.s["auth"]
        if how == "basic":
            return 'Basic realm="%s"' % REALM
        more = ', algorithm=SHA-256, qop="auth"' if how == "sha256" else ""
        return 'Digest realm="%s", nonce="%s"%s%s' % (REALM, self.nonce, more,
                                                     ", stale=true" if self.nonce != "n1" else "")

    def request(self, text):
        lines = text.split("\r\n")
        if lines[0].startswith("RTSP/"):	# an answer to what we asked
            return
        method, uri, _ = lines[0].split(" ")
        req = {k.lower(): v.strip() for k, _, v in (x.partition(":") for x in lines[1:])}
        self.cam.log.append(method + (" " + req["transport"] if "transport" in req else ""))
        h = {"status": "RTSP/1.0 200 OK", "CSeq": req.get("cseq", "0"), "body": ""}
        if self.s.get("auth") == "stale" and method == "SETUP":
            self.nonce = "n2"
        if method != "OPTIONS" and not self.permitted(method, uri, req.get("authorization")):
            h.update({"status": "RTSP/1.0 401 Unauthorized", "WWW-Authenticate": self.challenge()})
        else:
            if method in self.s.get("keepalive", ()):
                self.alive = time.monotonic()
            getattr(self, "on_" + method.lower(), self.on_other)(uri, req, h)
        if self.s.get("answer"):
            self.s["answer"](method, req, h, self)
        if h["status"] is not None:
            status, body = h.pop("status"), h.pop("body").encode()
            if body:
                h["Content-Length"] = str(len(body))
            if method == "PLAY":
                self.rest = iter(self.cam.plan(self.s))
                for _ in range(self.s.get("early", 0)):
                    r = next(self.rest)
                    self.put(r.channel, r.bytes(), None, r)
            self.write(("\r\n".join([status] + ["%s: %s" % kv for kv in h.items()]) + "\r\n\r\n").encode() + body)
        if method == "PLAY" and self.playing:
            threading.Thread(target=self.send, daemon=True).start()

    def on_options(self, uri, req, h):
        h["Public"] = self.s.get("public", "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER")

    def on_describe(self, uri, req, h):
        time.sleep(self.s.get("slow", 0))
        h["Content-Base"] = uri.rstrip("/") + "/"
        h["Content-Type"] = "application/sdp"
        h["body"] = self.cam.sdp(self.s)

    def on_setup(self, uri, req, h):
        want, n = req["transport"], self.setups
        udp = "client_port" in want and "TCP" not in want
        if udp and self.s.get("only") == "tcp":
            h["status"] = "RTSP/1.0 461 Unsupported Transport"
            return
        self.setups += 1
        channel = 0 if "track1" in uri or not n else 2
        if udp:
            a = int(re.search(r"client_port=(\d+)", want).group(1))
            pair = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
            for x in pair:
                x.bind(("127.0.0.1", 0))
            self.udp[channel] = (pair[0], a)
            self.udp[channel + 1] = (pair[1], a + 1)
            h["Transport"] = "RTP/AVP;unicast;client_port=%d-%d;server_port=%d-%d" % (
                a, a + 1, pair[0].getsockname()[1], pair[1].getsockname()[1])
        else:
            m = re.search(r"interleaved=(\d+)", want)
            first = int(m.group(1)) if m else channel
            self.channels[channel], self.channels[channel + 1] = first, first + 1
            h["Transport"] = "RTP/AVP/TCP;unicast;interleaved=%d-%d;ssrc=11223344" % (first, first + 1)
        h["Session"] = "%s;timeout=%d" % (self.name, self.s.get("session", 60))

    def on_play(self, uri, req, h):
        h["Session"] = self.name
        h["RTP-Info"] = "url=%s/track1;seq=%d;rtptime=%d" % (uri.rstrip("/"), self.s.get("seq", 100), self.s.get("base", 1000))
        self.playing = True
        self.alive = time.monotonic()

    def on_teardown(self, uri, req, h):
        self.over = True

    def on_other(self, uri, req, h):
        h["Session"] = self.name

    # --- media -------------------------------------------------------------------------------

    def put(self, channel, data, wrap=None, r=None):
        if r:
            self.sources[channel] = r.ssrc
        if channel in self.udp:
            s, port = self.udp[channel]
            if not self.s.get("mute"):
                s.sendto(data, ("127.0.0.1", port))
        elif channel in self.channels:
            self.write(wrap(r, self.channels[channel]) if wrap else
                       struct.pack(">BBH", 36, self.channels[channel], len(data)) + data)

    def report(self, ts, seconds, ssrc=0x11223344):
        ntp = 0 if seconds is None else int((time.time() + seconds + 2208988800) * 2 ** 32)
        self.put(1, struct.pack(">BBHIQIII", 0x80, 200, 6, ssrc, ntp & (2 ** 64 - 1), ts & 0xFFFFFFFF, 1, 1) +
                 struct.pack(">BBHI", 0x81, 202, 2, ssrc) + b"\1\0\0\0")

    def send(self):
        s, begin, seen = self.s, time.monotonic(), set()
        try:
            for k, r in enumerate(self.rest):
                left = begin + r.at - time.monotonic()
                if left > 0:
                    time.sleep(left)
                self.cam.late = max(self.cam.late, -left)
                if self.over or self.cam.stopping:
                    return
                if r.au >= 0 and r.au not in seen:
                    seen.add(r.au)
                    for at, seconds in s.get("reports", ()):
                        if at == r.au:
                            self.report(r.ts, seconds)
                if s.get("between") and k % 7 == 3 and not self.udp:
                    self.write(s["between"])
                self.put(r.channel, r.bytes(), s.get("wrap"), r)
            self.finish(s.get("end", "bye"))
        except OSError as e:
            self.cam.log.append("send: %s" % e)

    def finish(self, how):
        if how == "bye":
            for ch, ssrc in self.sources.items():
                self.put(ch + 1, struct.pack(">BBHIBBHI", 0x80, 201, 1, ssrc, 0x81, 203, 1, ssrc))
        elif how == "close":
            self.over = True
            self.c.shutdown(socket.SHUT_RDWR)
        elif how == "reset":
            self.c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.over = True
            self.c.close()
        elif how == "cut":
            self.write(struct.pack(">BBH", 36, 0, 1000) + b"half")
            self.over = True
            self.c.shutdown(socket.SHUT_RDWR)
