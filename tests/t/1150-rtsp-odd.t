#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What cameras do wrong: tests/rtsp/server.py plays each scenario of tests/rtsp/scenarios.py, cb-ingest
# reads it, cb-record records it, tests/rtsp/play.py judges. One scenario: CB_ONLY='silent good' in the environment.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg openssl
getent hosts localhost >/dev/null || skip_all "localhost has no address here (/etc/hosts)"

# NAME SECONDS SIZE ENCODER ARG...: a byte stream of 50 pictures a second, one slice each
clip() {
	_to=$1 _s=$2 _size=$3 _enc=$4
	shift 4
	ffmpeg -nostdin -v error -f lavfi -i "testsrc2=s=$_size:r=50:d=$_s" -pix_fmt yuv420p -c:v "$_enc" -threads 1 "$@" \
		-f "$([ "$_enc" = libx265 ] && echo hevc || echo h264)" "$_to.bin" >/dev/null 2>ff.err || { cat ff.err; return 1; }
}
x264="slices=1:scenecut=0:repeat-headers=1:aud=0"
clip plain 1 64x48 libx264 -g 10 -bf 0 -qp 12 -x264-params "$x264" &&
	clip small 0.4 64x48 libx264 -g 10 -bf 0 -x264-params "$x264" &&
	clip other 0.4 96x64 libx264 -g 10 -bf 0 -x264-params "$x264" &&
	clip long 3 64x48 libx264 -g 10 -bf 0 -x264-params "$x264" &&
	clip onekey 1 64x48 libx264 -g 1000 -bf 0 -x264-params "$x264" &&
	clip b 1 64x48 libx264 -g 10 -bf 2 -x264-params "$x264:b-adapt=0" || exit 1
clip h265 1 64x64 libx265 -bf 0 -x265-params "log-level=none:keyint=10:repeat-headers=1:pools=none:frame-threads=1" || exit 1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=localhost" \
	-addext "subjectAltName=DNS:localhost" -keyout good.key -out good.pem 2>/dev/null
openssl x509 -in good.pem -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1 >good.pin

# it prints the plan, and is the test
_planned=1
# shellcheck disable=SC2086
/usr/bin/python3 "$CB_SRC/tests/rtsp/play.py" ${CB_ONLY-} || _failed=1
