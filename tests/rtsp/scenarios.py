# SPDX-License-Identifier: Apache-2.0
"""What cameras do wrong, as scenarios of server.py: a row each, with what cb-ingest must make of it.

  odd     the oddities (cb-event(5), cb.stream.oddity) that must be told, and no others
  events  other events that must be told: type, or type and what/reason
  hurt    pictures that need not arrive bit-exactly (they were damaged or lost on the way)
  args    of cb-ingest; exit: its status (0); gaps: GAP reasons, in order
  check   function (result) -> None or what is wrong"""
import base64
import os
import random
import re
import struct


def on(method, change):
    """Change the headers of the answer to one method."""
    def f(m, req, h, session):
        if m == method:
            change(h, session) if change.__code__.co_argcount > 1 else change(h)
    return f


def sub(pattern, by):
    return lambda text: re.sub(pattern, by, text, flags=re.M)


def video(ps):
    return [p for p in ps if p.channel == 0]


def at(i, change):
    """Change the packets of picture i."""
    def f(ps):
        for p in video(ps):
            if p.au == i:
                change(p)
    return f


def shift(by, when):
    """Timestamps moved by so many seconds for the pictures that `when` names."""
    def f(ps):
        for p in video(ps):
            if when(p.au):
                p.ts += int(by * 90000)
    return f


def drop(which):
    def f(ps):
        for n, p in enumerate(video(ps)):
            if which(n, p):
                p.drop = True
    return f


def renumber(ps):
    for n, p in enumerate(video(ps)):
        p.seq = 100 + n


def swap(every):
    def f(ps):
        for i in range(every, len(ps) - 1, every):
            ps[i], ps[i + 1] = ps[i + 1], ps[i]
            ps[i].at = ps[i + 1].at = min(ps[i].at, ps[i + 1].at)
    return f


def twice(ps):
    for i in reversed(range(5, len(ps), 9)):
        ps.insert(i, ps[i])


def scatter(seed):
    """Packets lost, doubled, late and damaged at random."""
    def f(ps):
        rng = random.Random(seed)
        for i in range(len(ps) - 1):
            what = rng.randrange(40)
            if what == 0:
                ps[i].drop = True
            elif what == 1:
                k = min(len(ps) - 1, i + rng.randrange(1, 40))
                ps[i], ps[k] = ps[k], ps[i]
            elif what == 2 and len(ps[i].payload) > 2:
                b = bytearray(ps[i].payload)
                b[rng.randrange(min(len(b), 4))] ^= 1 << rng.randrange(8)
                ps[i].payload = bytes(b)
            elif what == 3:
                ps[i].seq += rng.choice((1, -1, 100, 30000, -5))
            elif what == 4:
                ps[i].ts += rng.choice((90000, -90000, 2 ** 31))
        for k, p in enumerate(ps):	# sent when their turn is
            p.at = k / len(ps)
    return f


def first_fragment(ps, i):
    """Packets of picture i that are fragments (FU-A)."""
    return [p for p in video(ps) if p.au == i and p.payload[0] & 31 == 28]


def empty_fragment(ps):
    for i in range(len(ps)):
        p = ps[i]
        if p.payload[0] & 31 == 28 and not p.payload[1] & 0xC0:
            q = type(p)(p.au, p.payload[:2], p.ts)
            q.at = p.at
            q.seq, q.ssrc = 0, p.ssrc
            ps.insert(i, q)
            break
    renumber(ps)


def fu_type(ps):
    for p in first_fragment(ps, 10)[1:2]:
        p.payload = bytes([p.payload[0], p.payload[1] & 0xE0 | 1]) + p.payload[2:]


def fu_reserved(ps):
    for p in first_fragment(ps, 10):
        p.payload = bytes([p.payload[0], p.payload[1] | 0x20]) + p.payload[2:]


def annexb(ps):
    for p in video(ps):
        if p.payload[0] & 31 in (1, 7, 8):
            p.payload = b"\0\0\0\1" + p.payload


def mark_sei(ps):
    for p in video(ps):
        if p.payload[0] & 31 == 6:
            p.mark = True


def sei_first(ps):
    """An SEI before each tenth picture, in a packet of its own with a marker."""
    for i in reversed(range(len(ps))):
        p = ps[i]
        if p.channel == 0 and p.au % 10 == 5 and (i == 0 or ps[i - 1].au != p.au):
            q = type(p)(p.au, b"\x06\x05\x01\x00\x80", p.ts, True)
            q.at, q.ssrc = p.at, p.ssrc
            ps.insert(i, q)
    renumber(ps)


def ext(p):
    p.ext = struct.pack(">HHI", 0xBEDE, 1, 0x10AA0000)


def ssrc(ps):
    for p in video(ps):
        if p.au >= 25:
            p.ssrc = 0x99887766
            p.seq += 12345
            p.ts += 777777


def last_packets(ps, wrong):
    for p in video(ps):
        wrong(p)


def crlf(r, ch):
    d = r.bytes()
    return (b"\r\n" if r.seq % 5 == 0 else b"") + struct.pack(">BBH", 36, ch, len(d)) + d


def other_channel(r, ch):
    d = r.bytes()
    return struct.pack(">BBH", 36, ch, len(d)) + d + (struct.pack(">BBH", 36, 9, 4) + b"what" if r.seq % 5 == 0 else b"")


def torn(r, ch):
    d = r.bytes()
    return struct.pack(">BBH", 36, ch, len(d)) + d + (b"\0\1\2garbage" if r.seq % 20 == 0 else b"")


def keep(h, s):
    if h["status"].endswith("OK"):
        h["status"] = "RTSP/1.0 501 Not Implemented"


def session_changes(m, req, h, s):
    if m == "SETUP":
        s.name = s.name + "x"
        h["Session"] = s.name


def set_header(name, value):
    return lambda h: h.__setitem__(name, value)


def info(value):
    return on("PLAY", set_header("RTP-Info", value))


def refuse_keepalive(status):
    def f(m, req, h, s):
        if s.playing and m in ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER"):
            h["status"] = status
    return f


def drops_on_keepalive(m, req, h, s):
    """A camera that closes the connection when it is asked for anything but OPTIONS."""
    if m in ("GET_PARAMETER", "SET_PARAMETER"):
        s.over = True
        h["status"] = None


def monotonic(r):
    return None if all(b > a for a, b in zip(r.pts, r.pts[1:])) else "pts: %s" % r.pts


def rtcp_clock(r):
    return None if set(r.walls[-10:]) == {"rtcp"} else "clocks: %s" % r.walls


def arrival_clock(r):
    return None if set(r.walls) == {"arrival"} else "clocks: %s" % r.walls


def steady(r):
    """No clock is followed: the wall clock of pictures goes on as time does."""
    w = r.wall_ns
    return None if all(-50e6 < b - a < 1.5e9 for a, b in zip(w, w[1:])) else "wall: %s" % [b - a for a, b in zip(w, w[1:])]


def came_back(r):
    return None if r.streams[0] >= 2 else "STREAM frames: %s" % r.streams


def sizes(r):
    return None if r.sizes == ["64x48", "96x64"] else "sizes: %s" % r.sizes


def asked(what):
    return lambda r: None if any(x.startswith(what) for x in r.log) else "log: %s" % r.log


def sound(n):
    return lambda r: None if r.count.get(1, 0) >= n else "packets: %s" % r.count


HOURS = 9800, 37600
S = {}


def add(name, **kw):
    S[name] = kw


add("good")
add("b-frames", clip="b", order=[0, 3, 1, 2, 6, 4, 5, 9, 7, 8], check=lambda r: None if len(set(r.pts)) == len(r.pts) and r.pts != sorted(r.pts) else "pts: %s" % r.pts)
# timestamps
for n, (by, when) in enumerate([(-HOURS[0], lambda i: i == 20), (HOURS[1], lambda i: i == 20),
                                (HOURS[1], lambda i: i % 10 == 7), (-HOURS[0], lambda i: i % 10 == 7),
                                (-HOURS[0], lambda i: i in (20, 21)), (HOURS[1], lambda i: 20 <= i < 30),
                                (5000, lambda i: i >= 20), (-5000, lambda i: i >= 20), (3, lambda i: i >= 20),
                                (-3, lambda i: i >= 20), (12.5 * 3600, lambda i: i >= 30),
                                (2 ** 31 / 90000, lambda i: i == 30), (-2 ** 31 / 90000, lambda i: i >= 30),
                                (HOURS[1], lambda i: i == 0), (-HOURS[0], lambda i: i == 49), (5.5, lambda i: i % 2),
                                (1.1, lambda i: i % 10 == 0), (-0.5, lambda i: i >= 20), (60, lambda i: 10 <= i < 13 or 30 <= i < 33),
                                (2 ** 32 / 90000 - 10, lambda i: i >= 25)]):
    add("timestamps-jump-%d" % n, rtp=shift(by, when), odd="timestamp-jump?timestamp-backwards?", clock=True, check=steady)
add("timestamps-wrap", base=2 ** 32 - 20 * 1800, check=monotonic)
add("timestamps-wrap-at-first", base=2 ** 32 - 1, check=monotonic)
add("timestamps-repeat", rtp=lambda ps: [setattr(p, "ts", p.ts - 1800) for p in video(ps) if p.au % 10 == 5], odd="timestamp-repeated")
add("timestamps-frozen", rtp=lambda ps: [setattr(p, "ts", 5000) for p in video(ps) if p.au >= 25], odd="timestamp-repeated timestamp-jump? timestamp-backwards?", clock=True)
# sender reports
add("report", reports=[(1, 0.3), (20, 0.3), (40, 0.3)], clock=True, check=rtcp_clock)
add("report-of-1970", reports=[(1, None), (20, None)], odd="sender-report-implausible", clock=True, check=arrival_clock)
add("report-hours-ahead", reports=[(1, 7200), (20, 7200)], odd="sender-report-implausible", clock=True, check=arrival_clock)
add("report-steps", reports=[(1, 0.1), (10, 0.1), (20, 1.6), (25, 1.6), (30, 1.6), (40, 1.6)], clock=True, events="cb.clock:camera-step", check=steady)
# stalls and ends
add("silent", end="silent", exit=69)
add("frozen-picture", clip="long", audio="pcmu", rtp=lambda ps: [setattr(p, "drop", True) for p in video(ps) if p.au >= 20], hurt=range(20, 150), end="silent", exit=69,
    check=lambda r: None if r.count[1] < 150 else "sound kept it alive: %s" % dict(r.count))
add("silent-then-back", end="silent", again={"end": "silent"}, args="--retry=later", stop=2, events="cb.source.lost:silent cb.source.back", gaps="source", check=came_back)
add("closed-then-back", first=30, end="close", again={"end": "silent"}, args="--retry=later", stop=2, events="cb.source.lost:failed cb.source.back", gaps="source", check=came_back)
add("reset-then-back", first=30, end="reset", again={"end": "silent"}, args="--retry=later", stop=2, events="cb.source.lost:failed cb.source.back", gaps="source", check=came_back)
add("bye-then-back", first=30, again={"end": "silent"}, args="--retry=later", stop=2, events="cb.source.lost:ended cb.source.back", gaps="source", check=came_back)
add("cut-in-a-frame", end="cut", exit=69)
add("other-size-after-a-break", first=30, end="close", again={"end": "silent"}, args="--retry=later", stop=2, other="other", events="cb.source.lost:failed cb.source.back", gaps="source", check=sizes)
# keep-alive
add("keep-alive", clip="long", session=1, keepalive=("OPTIONS", "GET_PARAMETER"))
add("keep-alive-by-options-alone", clip="long", session=1, keepalive=("OPTIONS",), public="OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
add("keep-alive-refused", clip="long", session=1, answer=refuse_keepalive("RTSP/1.0 501 Not Implemented"), odd="rtsp-keepalive rtsp-options?")
add("keep-alive-unanswered", clip="long", session=1, answer=refuse_keepalive(None), odd="rtsp-keepalive?")
add("keep-alive-drops", clip="long", session=1, keepalive=("OPTIONS",), answer=drops_on_keepalive)
# we end: the session is torn down, whatever happens to us
add("killed", clip="long", kill=9, exit=-9)
add("asked-to-stop", clip="long", kill=15)
add("hung-up", clip="long", kill=1, exit=-1)
add("nobody-reads", clip="long", leave=3000, exit=-13)
# answers
add("session-changes", audio="pcmu", answer=session_changes, odd="rtsp-session", check=sound(40))
add("ssrc-with-blanks", answer=on("SETUP", lambda h: h.__setitem__("Transport", h["Transport"].replace("ssrc=11223344", "ssrc= 11 22 33 44"))), odd="rtsp-transport?")
add("transport-without-interleaved", answer=on("SETUP", set_header("Transport", "RTP/AVP/TCP;unicast")), odd="rtsp-transport?")
add("rtp-info-semicolon", answer=info("url=rtsp://x/track1;seq=100;rtptime=1000;"), odd="rtsp-info?")
add("rtp-info-seq-0", answer=info("url=rtsp://x/track1;seq=0;rtptime=0"), odd="rtsp-info?")
add("rtp-info-seq-1", answer=info("url=track1;seq=1;rtptime=1000"), odd="rtsp-info?")
add("rtp-info-unparsable", answer=info("url=track1;seq=100;rtptime=now"), odd="rtsp-info")
add("rtp-info-none", answer=on("PLAY", lambda h: h.pop("RTP-Info")), odd="rtsp-info?")
add("content-base-without-scheme", answer=on("DESCRIBE", lambda h: h.__setitem__("Content-Base", h["Content-Base"].replace("rtsp://", ""))), odd="rtsp-content-base")
add("content-type-missing", answer=on("DESCRIBE", lambda h: h.pop("Content-Type")), odd="rtsp-content-type")
add("blanks-behind-headers", answer=lambda m, q, h, s: [h.__setitem__(k, v + "  ") for k, v in list(h.items()) if k not in ("status", "body")], odd="rtsp-syntax?")
add("options-refused", answer=lambda m, q, h, s: h.__setitem__("status", "RTSP/1.0 501 Not Implemented") if m == "OPTIONS" else None, odd="rtsp-options")
add("cseq-missing", answer=lambda m, q, h, s: h.pop("CSeq"), odd="rtsp-cseq")
add("describe-slow", slow=0.7)
add("teardown-unanswered", answer=on("TEARDOWN", set_header("status", None)))
# session description
add("sdp-no-origin", sdp=sub("^o=.*\r\n", ""), odd="sdp-no-origin")
add("sdp-no-version", sdp=sub("^v=0\r\n", ""), odd="sdp-no-version")
add("sdp-blank-behind-rtpmap", sdp=sub("^(a=rtpmap:.*)\r$", "\\1 \r"), odd="sdp-blanks")
add("sdp-fmtp-without-parameters", sdp=sub("^(a=fmtp:96).*\r$", "\\1\r"), odd="sdp-fmtp")
add("sdp-no-fmtp", sdp=sub("^a=fmtp:96.*\r\n", ""))
add("sdp-unknown-payload-50", sdp=lambda t: t + "m=application 0 RTP/AVP 50\r\na=control:track9\r\n", odd="sdp-unknown-payload?")
add("sdp-lines-of-lf", sdp=lambda t: t.replace("\r\n", "\n"))
add("sdp-rubbish", sdp=lambda t: t.replace("t=0 0\r\n", "t=0 0\r\nrubbish\r\n\0\r\n"), odd="sdp-syntax")
add("sdp-recvonly", sdp=sub("^t=0 0\r\n", "t=0 0\r\na=recvonly\r\n"))
add("sdp-sendonly", audio="pcmu", sdp=sub("^(a=control:track.*)\r$", "\\1\r\na=sendonly\r"), check=sound(40))
# parameter sets
add("sets-only-in-stream", sets="band")
add("sets-only-in-description", sets="sdp")
add("sets-nowhere-at-first", sets="both", sdp=sub(";sprop-parameter-sets=[^\r]*", ""), rtp=drop(lambda n, p: p.au == 0 and p.payload[0] & 31 in (7, 8)), hurt=set(range(10)), odd="sets-missing rtp-lost?rtsp-info?", gaps="damage?")
add("sets-wrong-in-description", sdp=sub("sprop-parameter-sets=[^,]*", "sprop-parameter-sets=Z0LACtoPyhAA"), odd="sets-wrong?sets-sdp?")
add("sets-rubbish-in-description", sdp=sub("sprop-parameter-sets=[^\r]*", "sprop-parameter-sets=AAAA,!!"), odd="sets-sdp?sdp-fmtp?")
def extra(text):
    """Zero bytes behind the parameter sets."""
    sets = re.search("sprop-parameter-sets=([^\r;]*)", text).group(1)
    more = ",".join(base64.b64encode(base64.b64decode(x) + b"\0\0").decode() for x in sets.split(","))
    return text.replace(sets, more)


add("sets-with-extra-bytes", sdp=extra, odd="sets-wrong?sets-sdp?")
add("sets-with-extra-bytes-alone", sdp=extra, sets="sdp", odd="sets-sdp?")
add("sets-aggregated", stap=True)
add("h265", clip="h265", codec="h265")
# payloads
add("start-codes-in-payloads", rtp=annexb, odd="nal-annexb")
add("empty-fragment", mtu=200, rtp=empty_fragment, odd="nal-empty")
add("fragment-changes-type", mtu=200, rtp=fu_type, odd="fragment-changed")
add("fragment-reserved-bit", mtu=200, rtp=fu_reserved, odd="nal-reserved?")
add("marker-on-sei", rtp=sei_first, odd="marker-early", hurt=set(range(5, 50, 10)))
add("no-marker", rtp=lambda ps: [setattr(p, "mark", False) for p in ps], odd="marker-missing unit-damaged?")
# around the payloads
add("data-before-play-answer", early=3, odd="rtsp-early-data")
add("line-ends-before-frames", wrap=crlf, odd="rtsp-blank-lines")
add("unassigned-channel", wrap=other_channel, odd="rtsp-channel")
add("rubbish-between-frames", wrap=torn, odd="rtsp-junk")
add("requests-from-the-camera", between=b"OPTIONS * RTSP/1.0\r\nCSeq: 7\r\n\r\n", odd="rtsp-request")
add("header-extensions", rtp=lambda ps: [ext(p) for p in ps], odd="rtp-extension?")
add("padding", rtp=lambda ps: [setattr(p, "pad", 4) for p in ps])
add("sequence-wraps", seq=65500, check=monotonic)
add("source-changes", rtp=ssrc, odd="rtp-ssrc-changed timestamp-jump?rtp-sequence-jump?timestamp-backwards?", clock=True, gaps="damage?")
add("other-payload-type", rtp=lambda ps: [setattr(p, "pt", 33) for p in ps if p.au % 10 == 5], odd="rtp-payload-type rtp-lost?", hurt=set(range(5, 50, 10)), gaps="damage+")
add("lost-over-tcp", mtu=200, rtp=drop(lambda n, p: p.au in (10, 30) and p.payload[0] & 31 == 28 and not p.payload[1] & 0xC0), odd="rtp-lost unit-damaged?fragment-no-end?fragment-no-start?", hurt={10, 30}, gaps="damage+")
add("twice-over-tcp", rtp=twice, odd="rtp-duplicate")
add("changes-size", change=True, clip="small", second="other", check=sizes)
add("one-keyframe", clip="onekey")
# other streams
add("g711", audio="pcmu", check=sound(40))
add("aac", audio="aac", check=sound(12))
add("metadata", audio="meta", events="cb.camera.metadata")
add("audio-refused", audio="pcmu", answer=lambda m, q, h, s: h.__setitem__("status", "RTSP/1.0 404 Not Found") if m == "SETUP" and s.setups > 1 else None, odd="rtsp-setup rtsp-channel?")
# servers that are none
def redirect(where):
    def f(m, req, h, s):
        if m == "DESCRIBE":
            h["status"], h["Location"] = "RTSP/1.0 302 Moved Temporarily", where.replace("PORT", str(s.cam.port))
    return f


def once(m, req, h, s):
    """A redirection on the same host, of the first DESCRIBE alone."""
    if m == "DESCRIBE" and s.cam.log.count("DESCRIBE") == 1:
        h["status"], h["Location"], h["body"] = "RTSP/1.0 302 Moved", "rtsp://localhost:%d/other" % s.cam.port, ""


add("redirected", answer=once, odd="rtsp-redirect?")
add("redirected-for-ever", answer=redirect("rtsp://localhost:PORT/live"), exit=76, nothing=True)
add("redirected-elsewhere", answer=redirect("rtsp://127.0.0.1:PORT/live"), exit=76, nothing=True)
add("redirected-out-of-tls", tls="good", args="--ca-file good.pem", answer=redirect("rtsp://localhost:PORT/live"), exit=76, nothing=True)
add("never-answers", answer=lambda m, q, h, s: h.__setitem__("status", None), exit=69, nothing=True)
add("describes-nothing", sdp=lambda t: "", exit=65, nothing=True)
add("describes-no-media", sdp=lambda t: t[:t.index("m=")], exit=65, nothing=True)
add("describes-what-nobody-knows", sdp=sub("H264", "H266"), exit=65, nothing=True)
add("endless-header", answer=lambda m, q, h, s: h.__setitem__("X", "x" * 1000000), exit=76, nothing=True)
add("body-beyond-sense", answer=on("DESCRIBE", set_header("body", "v=0\r\n" * 400000)), exit=76, nothing=True)
# a line that turns bits over: whatever comes of it, nobody crashes and the recorder goes on
def noise(seed, every, whole=True):
    rng = random.Random(seed)

    def f(r, ch):
        d = bytearray(struct.pack(">BBH", 36, ch, len(r.bytes())) + r.bytes())
        if rng.randrange(every) == 0:
            for _ in range(rng.choice((1, 1, 3, 20))):
                d[rng.randrange(len(d) if whole else min(len(d), 24))] ^= 1 << rng.randrange(8)
        return bytes(d)
    return f


for n in range(int(os.environ.get("CB_NOISE", "8"))):
    add("noise-%d" % n, wrap=noise(n, (3, 10, 30)[n % 3], n % 2 == 0), mtu=(200, 1200)[n // 4 % 2], audio=(None, "pcmu", "aac", "meta")[n % 4], any=True)
    add("noise-udp-%d" % n, args="--transport=udp", rtp=scatter(n), mtu=200, audio=(None, "aac")[n % 2], any=True)
# UDP
add("udp", args="--transport=udp", check=asked("SETUP RTP/AVP;unicast"))
add("tcp-by-itself", check=asked("SETUP RTP/AVP/TCP"))
add("udp-lost", args="--transport=udp", mtu=200, rtp=drop(lambda n, p: p.au in (10, 30) and p.payload[0] & 31 == 28 and not p.payload[1] & 0xC0), odd="rtp-lost unit-damaged?fragment-no-end?fragment-no-start?", hurt={10, 30}, gaps="damage+")
add("udp-reordered", args="--transport=udp", mtu=200, rtp=swap(11), odd="rtp-reordered")
add("udp-twice", args="--transport=udp", rtp=twice, odd="rtp-duplicate")
add("udp-refused", args="--transport=udp", only="tcp", odd="udp-refused")
add("udp-silent", args="--transport=udp --timeout=1s", mute=True, end="silent", odd="udp-silent", again={"mute": False}, check=asked("SETUP RTP/AVP/TCP"))
# who may look
add("basic", auth="basic", odd="rtsp-basic?", password=True)
add("digest-md5", auth="md5", password=True)
add("digest-sha256", auth="sha256", password=True)
add("nonce-renewed", auth="stale", password=True)
add("no-password", auth="md5", exit=77, nothing=True)
add("wrong-password", auth="md5", password="viewer:wrong", exit=77, nothing=True)
add("tls", tls="good", args="--ca-file good.pem")
add("tls-pinned", tls="good", pin=True)
add("tls-not-believed", tls="good", exit=77, nothing=True)
add("not-found", answer=on("DESCRIBE", set_header("status", "RTSP/1.0 404 Not Found")), exit=66, nothing=True)
add("busy", answer=on("DESCRIBE", set_header("status", "RTSP/1.0 503 Service Unavailable")), exit=69, nothing=True)
add("no-rtsp", answer=lambda m, q, h, s: h.__setitem__("status", "HTTP/1.1 200 OK"), exit=76, nothing=True)
