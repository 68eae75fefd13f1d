#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""RTP as others make it: FFmpeg's muxer (sent by RTSP ANNOUNCE to a server here) and GStreamer's
payloaders, written as a description and RFC 4571 frames for tests/rtsp/depay.c.

    real.py ffmpeg OUT FFMPEG-ARGUMENTS...     OUT.sdp, OUT.rtp (OUT.1.rtp ... of further media)
    real.py gst OUT PIPELINE                   a pipeline that ends in a payloader
    real.py check                              exit 77 without GStreamer and its Python binding
"""
import socket
import struct
import subprocess
import sys


def ffmpeg(out, args):
    """Receive what ffmpeg -f rtsp sends: RFC 2326 10.3, all of it over one connection."""
    s = socket.create_server(("127.0.0.1", 0))
    s.settimeout(30)
    p = subprocess.Popen(["ffmpeg", "-nostdin", "-v", "error", *args, "-f", "rtsp", "-rtsp_transport", "tcp",
                          "rtsp://127.0.0.1:%d/x" % s.getsockname()[1]])
    c = s.accept()[0]
    c.settimeout(60)
    f = c.makefile("rwb")
    sdp, media, tracks, tracks_of = b"", {}, 0, {}
    while True:
        b = f.read(1)
        if not b:
            break
        if b == b"$":
            channel, n = struct.unpack(">BH", f.read(3))
            data = f.read(n)
            if channel in tracks_of:
                media[tracks_of[channel]] += struct.pack(">H", n) + data
            continue
        line = b + f.readline()
        headers = {}
        while True:
            h = f.readline().strip()
            if not h:
                break
            k, _, v = h.decode().partition(":")
            headers[k.strip().lower()] = v.strip()
        body = f.read(int(headers.get("content-length", 0)))
        method = line.split()[0]
        answer = "RTSP/1.0 200 OK\r\nCSeq: %s\r\nSession: 1\r\n" % headers.get("cseq", "0")
        if method == b"OPTIONS":
            answer += "Public: ANNOUNCE, SETUP, RECORD, TEARDOWN\r\n"
        elif method == b"ANNOUNCE":
            sdp = body
        elif method == b"SETUP":
            answer += "Transport: %s\r\n" % headers["transport"]
            channel = int(headers["transport"].split("interleaved=")[1].split("-")[0])
            tracks_of[channel] = tracks
            media[tracks] = b""
            tracks += 1
        f.write((answer + "\r\n").encode())
        f.flush()
        if method == b"TEARDOWN":
            break
    c.close()
    if p.wait() not in (0,) and not media:
        return 1
    open(out + ".sdp", "wb").write(sdp)
    for i, data in media.items():
        open(out + (".%d" % i if i else "") + ".rtp", "wb").write(data)
    return 0


def gst(out, pipeline):
    import gi
    gi.require_version("Gst", "1.0")
    from gi.repository import Gst
    Gst.init(None)
    p = Gst.parse_launch(pipeline + " name=pay ! rtpstreampay ! filesink location=%s.rtp" % out)
    p.set_state(Gst.State.PLAYING)
    m = p.get_bus().timed_pop_filtered(60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    if not m or m.type == Gst.MessageType.ERROR:
        print(m.parse_error() if m else "no end", file=sys.stderr)
        return 1
    caps = p.get_by_name("pay").get_static_pad("src").get_current_caps().get_structure(0)
    fields = {caps.nth_field_name(i): caps.get_value(caps.nth_field_name(i)) for i in range(caps.n_fields())}
    p.set_state(Gst.State.NULL)
    kind, pt = fields.pop("media"), fields.pop("payload")
    name = "%s/%d" % (fields.pop("encoding-name"), fields.pop("clock-rate"))
    if "encoding-params" in fields:
        name += "/" + fields.pop("encoding-params")
    lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=gst", "m=%s 0 RTP/AVP %d" % (kind, pt), "a=rtpmap:%d %s" % (pt, name)]
    for k in ("ssrc", "timestamp-offset", "seqnum-offset", "a-framerate"):
        fields.pop(k, None)
    for k in [k for k in fields if k.startswith("a-") or k.startswith("x-")]:
        lines.append("a=%s:%s" % (k[2:] if k.startswith("a-") else k, fields.pop(k)))
    if fields:
        lines.append("a=fmtp:%d %s" % (pt, ";".join("%s=%s" % kv for kv in fields.items())))
    open(out + ".sdp", "w").write("\r\n".join(lines) + "\r\n")
    return 0


if sys.argv[1] == "check":
    try:
        import gi
        gi.require_version("Gst", "1.0")
        from gi.repository import Gst
        Gst.init(None)
        for e in ("rtph264pay", "rtph265pay", "rtpjpegpay", "rtpmp4gpay", "rtpmp4apay", "rtppcmapay", "rtpL16pay",
                  "rtpstreampay", "qtdemux", "wavparse", "jpegparse", "aacparse"):
            if not Gst.ElementFactory.find(e):
                raise ImportError(e)
    except (ImportError, ValueError) as e:
        print(e, file=sys.stderr)
        sys.exit(77)
    sys.exit(0)
sys.exit(ffmpeg(sys.argv[2], sys.argv[3:]) if sys.argv[1] == "ffmpeg" else gst(sys.argv[2], sys.argv[3]))
