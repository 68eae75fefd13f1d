#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-ingest from a V4L2 camera. The camera is tests/fakev4l2.c, because no machine for tests has
# one: everything but the kernel's own driver is what runs in earnest.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg
sanitized && skip_all "a preloaded camera and a sanitizer's runtime exclude each other"
PATH=$CB_BUILD/aid:$PATH

mkdir mjpeg h264 yuv
in="-v error -f lavfi -i testsrc=s=320x240:r=10:d=2"
# shellcheck disable=SC2086
ffmpeg $in -start_number 0 -c:v mjpeg -f image2 mjpeg/%03d
# shellcheck disable=SC2086
ffmpeg $in -start_number 0 -c:v libx264 -g 10 -bf 0 -pix_fmt yuv420p -f image2 h264/%03d
ok "20 pictures each" '[ "$(ls mjpeg h264 | grep -c "^0")" = 40 ]'

camera() {	# DIR FORMAT FAULT ARG...
	_dir=$1 _format=$2 _fault=$3
	shift 3
	FAKE=$_dir FAKE_FORMAT=$_format FAKE_FAULT=$_fault LD_PRELOAD=$CB_BUILD/aid/fakev4l2.so \
		cb-ingest "$@" /dev/video77
}
one() { [ "$(wc -l <err)" = 1 ] && grep -q "^cb-ingest: /dev/video77: $1" err; }

# --- until it is unplugged: everything that came is there, and END says that it was no good end
exits 69 camera mjpeg MJPG ''
ok "says what happened" 'one "No such device"'
mv out m.cbf
exits 0 cb-frame check m.cbf
ok "20 pictures" 'grep -q "^stream 0: video mjpeg, 20 packets" out'
cb-frame dump m.cbf >dump
ok "live, named after the device" 'head -n 1 dump | grep -q "camera=video77 live=1"'
ok "size and rate are the driver's" 'grep -q "STREAM stream=0 video mjpeg .*size=320x240 rate=10/1" dump'
ok "times are the driver's" '[ "$(grep -c "pts=1000[1-9]00000 " dump)" = 9 ]'
ok "every picture stands alone" '[ "$(grep PACKET dump | grep -c "flags=K ")" = 20 ]'
ok "END: an error" 'tail -n 1 dump | grep -q "END.*error"'
/usr/bin/python3 - m.cbf <<'P' >sums
import hashlib, os, sys
sys.path.insert(0, os.environ["CB_SRC"] + "/tests")
sys.dont_write_bytecode = True
import cbframe
for kind, _, _, _, payload in cbframe.frames(open(sys.argv[1], "rb")):
    if kind == 3:
        print(hashlib.sha256(payload[56:]).hexdigest())
P
for f in mjpeg/0*; do sha256sum <"$f"; done | cut -d' ' -f1 >want
same_file want sums "byte for byte what the camera gave"

# --- H.264 is made canonical like everywhere, and recorded
exits 69 camera h264 H264 '' --camera door
mv out h.cbf
exits 0 cb-frame check h.cbf
ok "20 pictures" 'grep -q "^stream 0: video h264, 20 packets" out'
cb-frame dump h.cbf >dump
ok "length-prefixed, with its parameter sets" 'grep -q "STREAM .* nal_length=4 .*extradata=[1-9]" dump'
ok "two keyframes, found where the driver marks none" '[ "$(grep PACKET dump | grep -c "flags=K ")" = 2 ]'
exits 0 sh -c 'cb-record S <h.cbf >ev && cb-replay S | cb-frame hash >b && cb-frame hash h.cbf >a'
same_file a b "comes back from a store"
valid_events ev

# --- a format that would have to be coded here is refused; MJPEG by another name is not
exits 65 camera mjpeg YUYV ''
ok "says what it wants" 'one "offers neither H.264 nor Motion JPEG"'
exits 69 camera mjpeg JPEG '' --fps 5
exits 0 camera mjpeg MJPG '' --duration 1s --fps 10 --streams v
ok "a second of it" '[ "$(cb-frame dump out | grep -c PACKET)" = 10 ] && [ ! -s err ]'

# --- trouble with the device
exits 69 camera mjpeg MJPG busy
ok "busy" 'one "format: Device or resource busy" && [ ! -s out ]'
exits 74 camera mjpeg MJPG nobuffers
ok "no memory" 'one "buffers: "'
exits 74 camera mjpeg MJPG other
ok "another format than asked for" 'one "the driver chose another format"'
exits 66 camera mjpeg MJPG nostream
ok "no camera" 'one "not a capture device"'
exits 69 camera mjpeg MJPG error:3
ok "a picture that the driver calls damaged is marked" \
	'cb-frame dump out | sed -n 6p | grep -q "PACKET.*flags=.*C" && grep -q "damaged packets: 1$" err'
exits 69 camera mjpeg MJPG empty:3
ok "an empty buffer is no picture" '[ "$(cb-frame dump out | grep -c PACKET)" = 19 ]'
exits 74 camera mjpeg MJPG nonsense:3
ok "more bytes than the buffer has" 'one "the driver answers nonsense" && [ "$(cb-frame dump out | grep -c PACKET)" = 3 ]'
exits 69 camera mjpeg MJPG hang:3 --timeout 0.3s
ok "silence" 'one "no picture for 0.3 s"'
# plugged in again: the driver's times begin anew, and that is told
# (a library that is preloaded is nothing that the sandbox lets a worker read)
FAKE=mjpeg FAKE_FORMAT=MJPG FAKE_FAULT='' LD_PRELOAD=$CB_BUILD/aid/fakev4l2.so \
	cb-ingest --sandbox=off --retry=later --retry-first 0.1s --camera cam /dev/video77 >r.cbf 2>err &
pid=$!
wait_for '[ "$(cb-frame dump r.cbf 2>/dev/null | grep -c "cb.source.back")" -ge 1 ]'
sleep 0.3
kill -TERM $pid
_st=0; wait $pid || _st=$?
cb-frame dump r.cbf >dump
ok "--retry: it goes on when the camera is there again ($_st)" \
	'grep -q " GAP .*reason=source" dump && [ "$(grep -c PACKET dump)" -ge 40 ] && grep -q "END reason=stopped" dump' || note "$(cat err; grep -v PACKET dump)"
exits 66 cb-ingest /dev/video78
exits 65 cb-ingest /dev/null
ok "a device that is no camera" '[ "$(wc -l <err)" = 1 ]'
done_testing
