#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Servers that other people wrote: GStreamer's (TCP, UDP, TLS, Digest; going away and coming back) and VLC's (UDP alone).
# Every picture arrives bit for bit.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg openssl jq
getent hosts localhost >/dev/null || skip_all "localhost has no address here (/etc/hosts)"

in="-nostdin -v error -f lavfi -i testsrc2=s=320x240:r=25:d=1 -f lavfi -i sine=r=16000:d=1 -pix_fmt yuv420p -threads 1"
# shellcheck disable=SC2086
ffmpeg $in -c:v libx264 -g 10 -bf 2 -c:a aac clip.mp4
# shellcheck disable=SC2086
ffmpeg $in -an -c:v libx265 -x265-params log-level=none:keyint=10:pools=none:frame-threads=1 hevc.mp4
# shellcheck disable=SC2086
ffmpeg $in -an -c:v mjpeg -pix_fmt yuvj420p -huffman default -q:v 5 mjpeg.avi
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=localhost" \
	-addext "subjectAltName=DNS:localhost" -keyout good.key -out good.pem 2>/dev/null
(umask 077 && echo 'viewer:secret' >pass)
for f in clip.mp4 hevc.mp4 mjpeg.avi; do
	cb-ingest $f --streams v >f.cbf && /usr/bin/python3 "$CB_SRC/tests/rtsp/slices.py" f.cbf >want.$f
done
pids=
stop_servers() {
	# shellcheck disable=SC2086
	for _p in $pids; do kill -KILL $_p 2>/dev/null || :; done
	pids=
}
trap 'stop_servers; _leave' EXIT
# FILE of a stream; what it has
same_as() { /usr/bin/python3 "$CB_SRC/tests/rtsp/slices.py" "$1" >got; same_file "$2" got "$3: every picture, bit for bit"; }

# --- GStreamer ------------------------------------------------------------------------------------
gst() {	# LAUNCH [PASSWORD [CERT KEY]]
	stop_servers
	rm -f port
	/usr/bin/python3 "$CB_SRC/tests/rtsp/gst.py" port "$@" 2>gst.err &
	pids="$pids $!"
	wait_for '[ -s port ]'
	PORT=$(cat port)
}
if /usr/bin/python3 -c 'import gi
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
for n in ("qtdemux", "rtph264pay", "rtpmp4gpay"):
    assert Gst.ElementFactory.find(n), n' 2>/dev/null; then
	av="( filesrc location=$T/clip.mp4 ! qtdemux name=d d.video_0 ! queue ! rtph264pay pt=96 name=pay0 d.audio_0 ! queue ! rtpmp4gpay pt=97 name=pay1 )"
	for how in tcp udp; do
		gst "$av"
		exits 0 cb-ingest --retry=never --transport=$how --camera cam rtsp://127.0.0.1:$PORT/live
		mv out g.cbf
		ok "without a word" '[ ! -s err ]' || note "$(cat err)"
		cb-frame check g.cbf >chk
		ok "$how: whole, with its sound" 'grep -q "^stream 0: video h264, 25 packets" chk && grep -q "^stream 1: audio aac, 1[0-9] packets" chk && grep -q " 0 gaps, whole" chk' || note "$(cat chk)"
		same_as g.cbf want.clip.mp4 "$how"
		cb-frame events g.cbf >ev
		ok "$how: nothing odd; the camera's clock is used" '! grep -q oddity ev && [ "$(jq -r ".data.what + \" \" + .data.state" ev | sort -u)" = "sync rtcp" ]' || note "$(cat ev)"
		valid_events ev
	done
	gst "$av" viewer:secret good.pem good.key
	exits 77 cb-ingest rtsps://localhost:"$PORT"/live
	exits 77 cb-ingest --ca-file good.pem rtsps://localhost:"$PORT"/live
	exits 0 cb-ingest --ca-file good.pem --credentials pass --retry=never rtsps://localhost:"$PORT"/live
	mv out g.cbf
	same_as g.cbf want.clip.mp4 "TLS and Digest"
	if gst-inspect-1.0 h265parse >/dev/null 2>&1 || [ -n "$(find /usr/lib -name libgstvideoparsersbad.so 2>/dev/null)" ]; then
		gst "( filesrc location=$T/hevc.mp4 ! qtdemux ! h265parse ! rtph265pay pt=96 name=pay0 )"
		exits 0 cb-ingest --retry=never rtsp://127.0.0.1:"$PORT"/live
		mv out g.cbf
		same_as g.cbf want.hevc.mp4 "H.265"
	else
		skip "H.265 needs h265parse (gstreamer1.0-plugins-bad)" 2
	fi
	gst "( filesrc location=$T/mjpeg.avi ! avidemux ! queue ! rtpjpegpay pt=26 name=pay0 )"
	exits 0 sh -c "cb-ingest --retry=never rtsp://127.0.0.1:$PORT/live >g.cbf"
	# its tables travel apart, so the header is made anew: the pictures are what is the same
	cb-mux --format matroska <g.cbf | ffmpeg -nostdin -v error -i - -f framemd5 - | sed -n 's/.*, *//;/^[0-9a-f]\{32\}/p' >got
	ffmpeg -nostdin -v error -i mjpeg.avi -f framemd5 - | sed -n 's/.*, *//;/^[0-9a-f]\{32\}/p' >want
	ok "Motion JPEG: as many pictures" '[ "$(wc -l <want)" = 25 ]'
	same_file want got "Motion JPEG: every pixel"

	# it goes away in the middle, and comes back on the same port
	gst "$av"
	mkfifo pipe
	cb-record store --tee <pipe >rec.cbf &
	recorder=$!
	cb-ingest --camera cam --timeout 2s rtsp://127.0.0.1:"$PORT"/live 2>err >pipe &
	ingest=$!
	wait_for '[ "$(wc -c <rec.cbf)" -gt 30000 ]'
	stop_servers
	sleep 1
	GST_PORT=$PORT
	export GST_PORT
	gst "$av"
	wait_for '[ "$(cb-frame dump rec.cbf 2>/dev/null | grep -c " STREAM stream=0")" -ge 2 ] && [ "$(wc -c <rec.cbf)" -gt 65000 ]'
	stop_servers
	kill -TERM $ingest
	_st=0; wait $recorder || _st=$?
	ok "the recorder goes on, and ends when it is told ($_st)" '[ $_st -eq 0 ]'
	cb-frame events rec.cbf >ev
	ok "lost and back are told" '[ "$(jq -r "select(.type | startswith(\"cb.source\")) | .type" ev | head -n 2 | tr "\n" " ")" = "cb.source.lost cb.source.back " ]' || note "$(cat ev)"
	ok "and the GAP" 'cb-frame dump rec.cbf | grep -q " GAP stream=0 reason=source"'
	exits 0 cb-store check store
	valid_events ev
else
	skip "no RTSP server of GStreamer (python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good)"
fi

# --- VLC, which will not run as root ----------------------------------------------------------------
as=
[ "$(id -u)" -ne 0 ] || as="setpriv --reuid 65534 --regid 65534 --clear-groups"
if command -v cvlc >/dev/null 2>&1 && { [ -z "$as" ] || command -v setpriv >/dev/null 2>&1; }; then
	ffmpeg -nostdin -v error -stream_loop 15 -i clip.mp4 -map 0:v -c copy long.mp4
	chmod 755 . && chmod 644 long.mp4
	PORT=$(/usr/bin/python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	# shellcheck disable=SC2086
	HOME=/nonexistent $as cvlc -q --no-interact --no-media-library file://"$T"/long.mp4 ":sout=#rtp{sdp=rtsp://127.0.0.1:$PORT/live}" >/dev/null 2>vlc.err &
	pids="$pids $!"
	_st=69
	for _try in 1 2 3 4 5 6 7 8 9 10; do
		_st=0
		cb-ingest --retry=never --transport=udp --duration 3s rtsp://127.0.0.1:"$PORT"/live >v.cbf 2>err || _st=$?
		[ $_st -ne 0 ] || break
		sleep 0.5
	done
	ok "VLC ($_st)" '[ $_st -eq 0 ]' || note "$(cat err)"
	/usr/bin/python3 "$CB_SRC/tests/rtsp/slices.py" v.cbf >got
	ok "some 75 pictures" '[ "$(wc -l <got)" -ge 60 ]' || note "$(wc -l <got)"
	# it is somewhere in the loop: from there on the clip's pictures, one after another
	for _i in 1 2 3 4 5 6 7 8 9; do cat want.clip.mp4; done >round
	first=$(head -n 1 got)
	from=$(grep -n -m 1 -x "$first" round | cut -d: -f1)
	tail -n +"${from:-1}" round | head -n "$(wc -l <got)" >want
	same_file want got "every picture, bit for bit"
	exits 76 cb-ingest --retry=never rtsp://127.0.0.1:"$PORT"/live
	ok "it has no TCP, and that is said" 'grep -q "461" err && [ "$(wc -l <err)" = 1 ]' || note "$(cat err)"
else
	skip "no VLC (vlc-bin vlc-plugin-base)"
fi
done_testing
