#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The seeds of the fuzz targets of lib/rtsp: for every oddity that is known of cameras one, and one
for each way of packing.

    seeds.py DIRECTORY    (tests/fuzz/corpus)"""
import os
import random
import struct
import sys

from pack import *

out = sys.argv[1]


def put(target, name, data):
    os.makedirs(os.path.join(out, target), exist_ok=True)
    with open(os.path.join(out, target, name), "wb") as f:
        f.write(data)


def video(name, window=0, fmtp="", more=""):
    return ("v=0\no=x\nm=video %d RTP/AVP 96\na=rtpmap:96 %s/90000\n%s%s" % (
        window, name, "a=fmtp:96 %s\n" % fmtp if fmtp else "", more)).encode() + b"\0"


def audio(name, fmtp=""):
    return ("v=0\no=x\nm=audio 0 RTP/AVP 96\na=rtpmap:96 %s\n%s" % (name, "a=fmtp:96 %s\n" % fmtp if fmtp else "")).encode() + b"\0"


def renumber(p):
    for i, x in enumerate(p):
        x[0] = i
    return p


def h26x():
    for codec, make, name in (("h264", units264, "H264"), ("h265", units265, "H265")):
        rnd = random.Random(7)
        u = make(rnd, 6, sizes=(1, 60), gop=3, slices=2)
        t = "depay_" + codec
        hevc = codec == "h265"
        kind = (lambda n: n[0] >> 1 & 63) if hevc else (lambda n: n[0] & 31)
        sdp, fu = video(name), 49 if hevc else 28
        at = 2 if hevc else 1

        def frag(change):
            p = pack(u, rnd, codec, "fu", size=20)
            for x in p:
                if kind(x[3]) == fu:
                    x[3] = change(x[3])
            return p

        def flag(and_, or_):
            return lambda b: b[:at] + bytes([b[at] & and_ | or_]) + b[at + 1:]

        for mode in ("single", "fu", "stap", "mixed") + (() if hevc else ("stap-b", "fu-b")):
            put(t, "as-" + mode, sdp + frames(pack(u, rnd, codec, mode, size=20)))
        put(t, "marker-never", sdp + frames(pack(u, rnd, codec, marker="never", size=20)))
        put(t, "marker-all", sdp + frames(pack(u, rnd, codec, "fu", marker="all", size=20)))
        put(t, "marker-on-sei", sdp + frames(renumber([[0, i * 3600, k == len(au) - 1 or not (kind(n) < 32 if hevc else kind(n) < 6), n]
                                                       for i, au in enumerate(u) for k, n in enumerate(au)])))
        put(t, "timestamp-wrap", sdp + frames(pack(u, rnd, codec, size=20, start=65530, ts=(1 << 32) - 7200)))
        put(t, "timestamp-repeated", sdp + frames(pack(u, rnd, codec, "single", step=0)))
        p = pack(u, rnd, codec, size=20, ts=1 << 31)
        for i, x in enumerate(p):
            x[1] = (x[1] + [0, 37600, -9800][x[1] // 3600 % 3] * 90000) & 0xffffffff
        put(t, "timestamp-jumps-by-hours", sdp + frames(p))
        put(t, "fragment-type-changes", sdp + frames(frag(lambda b: b if b[at] & 0x80 else b[:at] + bytes([b[at] ^ 5]) + b[at + 1:])))
        put(t, "fragment-reserved-bit", sdp + frames(frag(flag(0xff, 0x20))))
        put(t, "fragment-no-end", sdp + frames(frag(flag(0xbf, 0))))
        put(t, "fragment-no-start", sdp + frames(frag(flag(0x7f, 0))))
        put(t, "fragment-whole", sdp + frames(frag(flag(0xff, 0xc0))))
        put(t, "fragment-empty", sdp + frames(renumber([y for x in pack(u, rnd, codec, "fu", size=20) for y in
                                                        ([x, [0, x[1], False, x[3][:at] + bytes([x[3][at] & 0x3f])]] if kind(x[3]) == fu and not x[3][at] & 0x40 else [x])])))
        put(t, "payload-empty", sdp + frames(renumber([y for x in pack(u, rnd, codec, size=20) for y in ([0, x[1], False, b""], x)])))
        put(t, "annexb-in-packet", sdp + frames([[i, i * 3600, True, b"".join(b"\0\0\0\1" + n for n in au)] for i, au in enumerate(u)]))
        p, seq = [], 0
        for i, au in enumerate(u):
            whole = b"\0\0\1".join(au) + b"\0\0\0"
            parts = fu265(whole, 30) if hevc else fu264(whole, 30)
            for k, x in enumerate(parts):
                p.append([seq, i * 3600, k == len(parts) - 1, x])
                seq += 1
        put(t, "annexb-in-fragments", sdp + frames(p))
        agg = ap265 if hevc else stap
        put(t, "aggregate-cut", sdp + frames([[i, i * 3600, True, agg(au)[:-3]] for i, au in enumerate(u)]))
        put(t, "aggregate-zeros", sdp + frames([[i, i * 3600, True, agg(au) + b"\0" * i] for i, au in enumerate(u)]))
        put(t, "sets-other-timestamp", sdp + frames(renumber([[0, i * 3600 - (0 if (kind(n) < 32 if hevc else kind(n) < 6) else 1800) & 0xffffffff, False, n]
                                                              for i, au in enumerate(u) for n in au])))
        bare = [[n for n in au if not (kind(n) in (32, 33, 34) if hevc else kind(n) in (7, 8))] for au in u]
        put(t, "sets-missing", sdp + frames(pack(bare, rnd, codec, size=20)))
        import base64
        enc = lambda b: base64.b64encode(b).decode()
        if hevc:
            sets = dict(zip(("vps", "sps", "pps"), map(enc, sets265())))
            good = ";".join("sprop-%s=%s" % kv for kv in sets.items())
        else:
            good = "sprop-parameter-sets=%s,%s" % (enc(sps264()), enc(pps264()))
        put(t, "sets-in-description", video(name, fmtp=good) + frames(pack(bare, rnd, codec, size=20)))
        put(t, "sets-unreadable", video(name, fmtp=good.replace("A", "%,,")) + frames(pack(u, rnd, codec, size=20)))
        put(t, "sets-change", video(name) + frames(pack(u + ([[sps264(640, 480), pps264(), slice264(rnd, 20, True)]] if not hevc else []) + u, rnd, codec, size=20)))
        put(t, "lost", sdp + frames([x for i, x in enumerate(pack(u, rnd, codec, size=20)) if i % 7 != 3]))
        p = pack(u, rnd, codec, size=20)
        put(t, "reordered", video(name, 8) + frames([p[i] for i in sorted(range(len(p)), key=lambda i: i + rnd.random() * 5 if i else 0)]))
        put(t, "duplicated", sdp + frames([x for x in p for _ in range(2)]))
        for x in p:
            x.append(dict(ext=(0xabac, b"12345678"), pad=3, csrc=2, pt=50))
        put(t, "extensions-payload-50", sdp + frames(p))
        q = pack(u, rnd, codec, size=20, start=9, ts=5)
        for x in q:
            x.append(dict(ssrc=9))
        put(t, "source-changes", sdp + frames(pack(u, rnd, codec, size=20) + q))
        put(t, "reserved-types", sdp + frames([[i, 0, False, bytes([k << 1 if hevc else k, 1, 2, 3, 4, 5])] for i, k in enumerate(range(64 if hevc else 32))]))
        if hevc:
            don = video(name, fmtp="sprop-max-don-diff=2")
            put(t, "order-numbers", don + frames(pack(u, rnd, codec, size=20, donl=3)))
            put(t, "paci", sdp + frames([[i, i * 3600, True, bytes([100, 1, n[0] & 0x81 | kind(n) << 1, 0x30]) + b"abc" + n[2:]] for i, n in enumerate(x for au in u for x in au)]))
            put(t, "paci-in-fragment", sdp + frames([[i, 9, False, bytes([100, 1, 49 << 1, 0x10, 1, 0x93 - i]) + b"abc"] for i in range(3)]))
        else:
            for wide in (False, True):
                put(t, "mtap%d" % (24 if wide else 16), sdp + frames([[i, i * 7200, True, mtap(u[i] + u[i + 1], [0] * len(u[i]) + [3600] * len(u[i + 1]), wide)] for i in range(0, 5)]))
            fields = [[sps264(frames_only=False), pps264(), slice264(rnd, 20, True), slice264(rnd, 20)]] + [[slice264(rnd, 20), slice264(rnd, 20)]] * 3
            put(t, "fields", sdp + frames(pack(fields, rnd, mode="single")))
            put(t, "recovery-point", sdp + frames(pack([[sps264(), pps264(), b"\x06\x06\x01\x84\x80", slice264(rnd, 20)]] * 2, rnd, mode="single")))
            put(t, "sps-extra-bytes", sdp + frames(pack([[sps264() + b"\x99\x98\0", pps264(), slice264(rnd, 20, True)]] * 2, rnd)))


def others():
    rnd = random.Random(8)
    aac = [b"\x21" + rnd.randbytes(rnd.randint(5, 60)) for _ in range(8)]

    def hdr(x):
        return struct.pack(">HH", 16, len(x) << 3) + x
    hbr = audio("MPEG4-GENERIC/16000/1", "mode=AAC-hbr;config=1408;sizelength=13;indexlength=3;indexdeltalength=3")
    put("depay_aac", "hbr", hbr + frames([[i, i * 1024, True, hdr(x)] for i, x in enumerate(aac)]))
    put("depay_aac", "hbr-two", hbr + frames([[i, i * 2048, True, struct.pack(">HHH", 32, len(a) << 3, len(b) << 3) + a + b] for i, (a, b) in enumerate(zip(aac, aac[1:]))]))
    put("depay_aac", "hbr-parts", hbr + frames([[i, 0, i == 2, struct.pack(">HH", 16, 30 << 3) + b"0123456789"] for i in range(3)] + [[4, 9, True, hdr(aac[0])]]))
    put("depay_aac", "hbr-index", hbr + frames([[0, 0, True, struct.pack(">HHH", 32, 3 << 3 | 2, 4 << 3 | 5) + b"abcdefg"]]))
    put("depay_aac", "adts", hbr + frames([[0, 0, True, hdr(bytes([0xff, 0xf1, 0x60, 0x40, 1, 0x7f, 0xfc]) + b"abcd")]]))
    put("depay_aac", "lbr", audio("MPEG4-GENERIC/8000/2", "mode=AAC-lbr;config=1590;sizelength=6;indexlength=2;indexdeltalength=2") +
        frames([[i, i, True, b"\0\x10\x14\x18" + b"hellohowareyou"] for i in range(3)]))
    put("depay_aac", "every-field", audio("MPEG4-GENERIC/16000/1", "config=1408;sizelength=16;indexlength=8;indexdeltalength=8;ctsdeltalength=5;dtsdeltalength=7;"
                                          "streamstateindication=3;auxiliarydatasizelength=8;randomaccessindication=1;constantduration=1024") +
        frames([[i, i, True, b"\0\x30" + rnd.randbytes(40)] for i in range(5)]))
    put("depay_aac", "fixed-size", audio("MPEG4-GENERIC/16000/1", "config=1408;constantsize=7") + frames([[0, 0, True, b"abcdefg" * 3 + b"x"]]))
    put("depay_aac", "no-fmtp", audio("MPEG4-GENERIC/44100/2") + frames([[i, i * 1024, True, hdr(x)] for i, x in enumerate(aac)]))
    put("depay_aac", "he", audio("MPEG4-GENERIC/48000/2", "sizelength=13;indexlength=3;indexdeltalength=3;config=eb098800") + frames([[0, 0, True, hdr(aac[0])]]))
    put("depay_aac", "sbr-behind", audio("MPEG4-GENERIC/48000/2", "sizelength=13;indexlength=3;indexdeltalength=3;config=139056e5a54880") + frames([[0, 0, True, hdr(aac[0])]]))
    latm = audio("MP4A-LATM/16000/1", "cpresent=0;config=400028103fc0")
    put("depay_latm", "out-of-band", latm + frames([[i, i * 1024, True, bytes([len(x)]) + x] for i, x in enumerate(aac)]))
    put("depay_latm", "parts-and-loss", latm + frames([[i + (i > 3), i // 3, i % 3 == 2, b"\xff\x03" + b"a" * 90 if i % 3 == 0 else b"a" * 84] for i in range(9)]))
    put("depay_latm", "no-marker", latm + frames([[i, i * 1024, False, bytes([len(x)]) + x] for i, x in enumerate(aac)]))
    mux = "0" + "1" + "000000" + "0000" + "000" + "00010" + "1000" + "0001" + "000" + "000" + "11111111" + "0" + "0"
    for name, more in (("in-band", "0"), ("in-band-other", "1")):
        p = []
        for i, x in enumerate(aac):
            s = ("0" + (mux if more == "0" else mux[:-2] + "1" + "0" + "00001000" + "0") if i % 3 == 0 else "1") + "".join(format(c, "08b") for c in bytes([len(x)]) + x)
            s += "0" * (-len(s) % 8)
            p.append([i, i * 1024, True, bytes(int(s[k:k + 8], 2) for k in range(0, len(s), 8))])
        put("depay_latm", name, audio("MP4A-LATM/16000/1") + frames(p))
    put("depay_latm", "version-1", audio("MP4A-LATM/16000/1", "cpresent=0;config=c00028103fc0") + frames([[0, 0, True, b"\x02ab"]]))
    put("depay_latm", "sbr-behind", audio("MP4A-LATM/16000", "cpresent=0;config=40002810adca00") + frames([[0, 0, True, b"\x02ab"]]))
    for i, name in enumerate(("PCMU/8000", "PCMA/8000", "L8/8000", "L16/44100/2", "L24/48000/2", "G722/8000", "G726-16/8000", "G726-24/8000",
                              "G726-32/8000", "G726-40/8000", "opus/48000/2")):
        put("depay_samples", name.split("/")[0].lower(), bytes([i]) + audio(name) + frames([[k, k * 40, False, rnd.randbytes(40 + k % 2)] for k in range(4)]))
    put("depay_samples", "opus-lengths", bytes([10]) + audio("opus/48000/2", "sprop-stereo=0") + frames([[k, k, False, bytes([k * 8 + k % 4, k])] for k in range(32)]))

    def jpeg(offset, body, kind=1, q=255, w=40, h=30, tables=bytes(range(128)), dri=None):
        b = bytes([0]) + struct.pack(">I", offset)[1:] + bytes([kind | (64 if dri is not None else 0), q, w, h])
        if dri is not None:
            b += struct.pack(">HH", dri, 0xffff)
        if offset == 0 and q >= 128:
            b += struct.pack(">HH", 0, len(tables)) + tables
        return b + body
    scan = safe(rnd, 90)
    head = video("JPEG", more="a=x-dimensions:2592,1944\n")
    for name, p in (
            ("tables", [jpeg(0, scan[:50]), jpeg(50, scan[50:])]), ("quality", [jpeg(0, scan[:50], q=50), jpeg(50, scan[50:], q=50)]),
            ("restart", [jpeg(0, scan[:50], dri=4), jpeg(50, scan[50:], dri=4)]), ("wide", [jpeg(0, scan, w=0, h=0), jpeg(0, scan, w=68)]),
            ("wide-tables", [b"\0\0\0\0\1\xff\x28\x1e\0\1\1\0" + bytes(256) + scan]), ("one-table", [jpeg(0, scan, tables=bytes(64))]),
            ("kept-tables", [jpeg(0, scan, q=200), jpeg(0, scan, q=200, tables=b"")]), ("no-tables", [jpeg(0, scan, tables=b"")]),
            ("quality-nobodys", [jpeg(0, scan, q=k) for k in (0, 99, 100, 127)]), ("type-nobodys", [jpeg(0, scan, kind=k) for k in (2, 62, 63)]),
            ("offset-wrong", [jpeg(0, scan[:50]), jpeg(20, scan[50:]), jpeg(90, scan)]), ("end-sent", [jpeg(0, scan + b"\xff\xd9")]),
            ("no-start", [jpeg(50, scan), jpeg(0, scan)])):
        put("depay_jpeg", name, head + frames([[i, i // 2 * 3600, i % 2 == 1 or len(p) == 1, x] for i, x in enumerate(p)]))
    put("depay_jpeg", "no-size", video("JPEG") + frames([[0, 0, True, jpeg(0, scan, w=0, h=0)]]))
    own = b"\xff\xd8\xff\xdb\x00\x43\x00" + bytes(64) + b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", 3000, 4000) + b"\x03\x01\x21\x00\x02\x11\x00\x03\x11\x00\xff\xdd\0\4\0\5"
    own += b"\xff\xda\x00\x0c\x03\x01\x00\x02\x11\x03\x11\x00\x3f\x00"
    own += b"\xff" * (-len(own) % 4)
    put("depay_jpeg", "onvif-extension", video("JPEG") + frames([[0, 0, True, jpeg(0, scan, w=0, h=0), dict(ext=(0xffd8, own))]]))
    doc = (b'<?xml version="1.0"?><tt:MetadataStream><tt:Event><wsnt:NotificationMessage><wsnt:Topic>tns1:A/B</wsnt:Topic><wsnt:Message>'
           b'<tt:Message UtcTime="2026-11-21T08:00:00Z" PropertyOperation="Changed"><tt:Source><tt:SimpleItem Name="R" Value="a &amp; b"/></tt:Source>'
           b'<tt:Key><tt:SimpleItem Name="k" Value="1"/></tt:Key><tt:Data><tt:SimpleItem Name=\'M\' Value=\'true\'/></tt:Data></tt:Message></wsnt:Message>'
           b'</wsnt:NotificationMessage></tt:Event></tt:MetadataStream>')
    meta = b"v=0\no=x\nm=application 0 RTP/AVP 96\na=rtpmap:96 vnd.onvif.metadata/90000\n\0"
    for name, markers, docs in (("whole", True, [doc]), ("two", True, [doc, doc]), ("no-marker", False, [doc, doc]),
                                ("twice-the-same-group", True, [doc.replace(b"tt:Key", b"tt:Data")]), ("cut", True, [doc[:200], doc]),
                                ("binary", True, [bytes(range(256)), b"<a>\0</a>"]), ("comments", True, [b"<!-- <Message UtcTime='1'> --><!-- x"]),
                                ("unbalanced", True, [b"<Message UtcTime='1'><Data><SimpleItem Name='a' Value='b'/><Message UtcTime='2'><Data><Source><SimpleItem Value='x' Name='y'>"])):
        p, seq = [], 0
        for i, d in enumerate(docs):
            for k in range(0, len(d), 150):
                p.append([seq, i * 9000, markers and k + 150 >= len(d), d[k:k + 150]])
                seq += 1
        put("depay_metadata", name, meta + frames(p))
    put("depay_metadata", "lost", meta + frames([[0, 0, False, doc[:150]], [2, 0, True, doc[300:]]]))


def control():
    put("rtcp", "sr-sdes-bye", struct.pack(">BBHIQIII", 0x80, 200, 6, 9, 0xee80000000000000, 90000, 5, 6) +
        struct.pack(">BBHI4s", 0x81, 202, 2, 9, b"\1\1x\0") + struct.pack(">BBHI8s", 0x81, 203, 3, 9, b"\5later\0\0"))
    for name, ntp in (("ntp-zero", 0), ("ntp-now", (2208988800 + 1795251282) << 32), ("ntp-1970", 2208988800 << 32), ("ntp-2036", 5 << 32), ("ntp-most", (1 << 64) - 1)):
        put("rtcp", name, b"".join(struct.pack(">BBHIQIII", 0x80, 200, 6, 9, (ntp + i * 171798692) % (1 << 64), i * 3600, 1, 0) for i in range(4)))
    put("rtcp", "bye-cut", b"\x81\xcb\0\5\0\0\0\1")
    put("rtcp", "bye-nobody", b"\x80\xcb\0\0")
    put("rtcp", "app", struct.pack(">BBHI4s4s", 0x80, 204, 3, 9, b"name", b"data"))
    put("rtcp", "rr", struct.pack(">BBHI24s", 0x81, 201, 7, 9, bytes(24)))
    put("rtcp", "other", b"\x80\xcd\0\1abcd\x80\xc0\0\0\x80\xdf\0\0")

    def rx(window, packets, gap=1):
        b = b""
        for x in packets:
            r = rtp(*x[:4], **(x[4] if len(x) > 4 else {}))
            b += bytes([gap]) + struct.pack(">H", len(r)) + r
        return bytes([window]) + b
    p = [[65530 + i, i * 3000, i % 3 == 2, bytes([i] * 5)] for i in range(14)]
    put("rtp", "in-order-over-the-wrap", rx(0, p))
    put("rtp", "reordered", rx(8, [p[i ^ 3] for i in range(12)]))
    put("rtp", "lost-and-late", rx(4, [p[i] for i in (0, 1, 4, 5, 6, 7, 8, 2, 9, 9)]))
    put("rtp", "waits-too-long", rx(60, [p[i] for i in (0, 2, 3, 1, 4, 6)], 60))
    put("rtp", "another-source", rx(4, p[:3] + [x + [dict(ssrc=5)] for x in p[8:]]))
    put("rtp", "jump", rx(4, p[:3] + [[x[0] + 20000, *x[1:]] for x in p]))
    put("rtp", "stray-then-on", rx(0, p[:3] + [[30000, 0, False, b"x"]] + p[3:]))
    put("rtp", "wrong-ssrc-announced", rx(64, p))
    put("rtp", "extension-padding-csrc", rx(128, [x + [dict(ext=(0xbede, b"1234"), pad=i + 1, csrc=i)] for i, x in enumerate(p)]))
    put("rtp", "payload-50", rx(128, [x + [dict(pt=50)] for x in p]))
    put("rtp", "malformed", bytes([4]) + b"\1\0\5hello\1\0\x0c\xbf" + bytes(11) + b"\1\0\x10\x90" + b"\xff" * 15)


def descriptions():
    base = ("v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=Media\r\nt=0 0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\na=control:track1\r\na=rtpmap:96 H264/90000\r\n"
            "a=fmtp:96 packetization-mode=1;profile-level-id=420029;sprop-parameter-sets=Z0IAHukBQHsg,aM4xUg==\r\n"
            "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/16000/1\r\na=fmtp:97 mode=AAC-hbr;config=1408;sizelength=13;indexlength=3;indexdeltalength=3\r\n"
            "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n")
    for name, text in (
            ("plain", base), ("lf-only", base.replace("\r\n", "\n")), ("cr-only", base.replace("\r\n", "\r")),
            ("no-origin", base.replace("o=- 1 1 IN IP4 1.2.3.4\r\n", "")), ("no-version", base[5:]),
            ("rtpmap-trailing-space", base.replace("H264/90000", "H264/90000 ")), ("rtpmap-missing", base.replace("a=rtpmap:96 H264/90000\r\n", "")),
            ("rtpmap-no-rate", base.replace("/90000", "")), ("rtpmap-other-type", base.replace("rtpmap:96", "rtpmap:99")),
            ("rtpmap-spaces", base.replace("rtpmap:", "rtpmap : ")), ("fmtp-without-params", base.replace("packetization-mode=1;", "\r\na=x:")),
            ("fmtp-only-type", base.replace("a=fmtp:97 mode", "a=fmtp:97\r\na=y:")), ("fmtp-semicolons", base.replace(";", " ;; ")),
            ("fmtp-other-type", base.replace("fmtp:96", "fmtp:12")), ("unknown-payload-50", base.replace("RTP/AVP 107", "RTP/AVP 50").replace("rtpmap:107", "x:")),
            ("sps-missing", base.replace("sprop-parameter-sets", "x")), ("sps-wrong", base.replace("Z0IAHukBQHsg", "Z00AHukBQHsgZZZZ")),
            ("sps-not-base64", base.replace("Z0IAHukBQHsg", "!!!?")), ("sps-annexb", base.replace("Z0IAHukBQHsg", "AAAAAWdCAB7pAUB7IA")),
            ("h265", base.replace("H264", "H265").replace("sprop-parameter-sets=Z0IAHukBQHsg,aM4xUg==", "sprop-vps=QAEMAf//;sprop-sps=QgEBAWAA;sprop-pps=RAHA")),
            ("jpeg-static", "v=0\r\no=x\r\nm=video 0 RTP/AVP 26\r\na=x-dimensions:4000,3000\r\na=framerate:12.5\r\na=framesize:26 4000-3000\r\n"),
            ("onvif-backchannel", base + "m=audio 0 RTP/AVP 0\r\na=sendonly\r\n"), ("savp", base.replace("RTP/AVP", "RTP/SAVP")),
            ("many-types", base.replace("RTP/AVP 96", "RTP/AVP 50 x 128 99999999999 96 8")), ("blank-lines", base.replace("\r\n", "\r\n\r\n \r\n")),
            ("nul", base.replace("Media", "Me\0dia")), ("bom", "\ufeff" + base), ("latm", base.replace("MPEG4-GENERIC", "MP4A-LATM").replace("mode=AAC-hbr;config=1408", "cpresent=0;config=40002810adca00")),
            ("short-lines", "v\r\n=\r\na\r\nm\r\nm=\r\nm=video\r\nm=audio 1\r\nm=x 1 RTP/AVP\r\nm=x 1 RTP/AVP \r\n"), ("seventeen", base * 6)):
        put("sdp", name, text.encode())


h26x()
others()
control()
descriptions()
