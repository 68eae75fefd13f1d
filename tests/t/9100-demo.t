#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make demo: on photographs of a Debian package people and vehicles are found, without the shared
# data and without a network; where there is no footage it says so and goes on.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq bash openssl minisign ssh-keygen
CB_SHARED=/nowhere CB_DEMO_DATA=$T/data
export CB_SHARED CB_DEMO_DATA
mkdir data
# what the demo writes itself, before its paths
body() { sed '/^Left for you/,$d' "$1"; }

# nothing that it starts opens a socket to anywhere
if ! sanitized && strace -f -o /dev/null true 2>/dev/null; then
	exits 0 strace -f -e trace=socket,connect -o trace "$CB_SRC/scripts/demo" "$CB_BUILD" "$T/none"
	ok 'no network' '[ -s trace ] && ! grep AF_INET trace'
else
	exits 0 "$CB_SRC/scripts/demo" "$CB_BUILD" "$T/none"
	skip 'no tracing here'
fi
ok 'no footage: said, with the packages that have some' 'grep -q "no footage here" out && grep -q opencv-doc out && grep -q darknet out'
ok 'a clip is exported, found good with stock tools, and refused when two bytes of it are changed' \
	'grep -q "^  verified  *good, says VERIFY.txt" out && grep -q "^  tampered  *REFUSED" out && grep -q "^  clip/.*FAILED$" out' || note "$(cat none/check.txt)"
ok 'and gone on with' 'grep -q "^  frames  *60 analysed$" out && [ -s none/best.jpg ] && [ ! -s err ]'

dir=/usr/share/darknet/data
if [ -r $dir/dog.jpg ] && [ -r $dir/person.jpg ]; then
	ln -s /usr/share/darknet data/darknet
	exits 0 "$CB_SRC/scripts/demo" "$CB_BUILD" "$T/photographs"
	ok 'silent on stderr' '[ ! -s err ]'
	ok 'the package is named' 'grep -q "photographs of the Debian package darknet" out'
	ok 'people' 'grep -Eq "^  person  *in [0-9]+ pictures, at most [1-9]" out'
	ok 'vehicles' 'grep -Eq "^  (car|truck|bus)  *in [0-9]+ pictures, at most [1-9]" out'
	ok 'an alert' 'grep -q "a person is in view of demo" out'
	ok '60 columns' '[ "$(body out | wc -L)" -le 60 ]'
	ok 'a picture' '[ "$(ffprobe -v error -show_entries stream=codec_name,width -of csv=p=0 photographs/best.jpg)" = mjpeg,768 ]'
	sed -n '/^Type next/,$p' out | sed 1d >next.sh
	exits 0 bash -euo pipefail next.sh
	ok 'what it says to type works' '[ -s photographs/drawn.mkv ]'
else
	skip "no photographs in $dir (Debian package darknet)" 10
fi
clip=/usr/share/doc/opencv-doc/examples/data/vtest.avi
if [ -r $clip ]; then
	mkdir -p data/doc/opencv-doc/examples/data
	ffmpeg -nostdin -v error -i $clip -c copy -t 4 data/doc/opencv-doc/examples/data/vtest.avi
	exits 0 "$CB_SRC/scripts/demo" "$CB_BUILD" "$T/clip"
	ok 'the clip of the other package' 'grep -q "vtest.avi of the Debian package opencv-doc" out && [ ! -s err ]'
	ok 'people in it' 'grep -Eq "^  person  *in (3|4)[0-9] pictures, at most [3-9]" out'
	ok 'cars in it' 'grep -Eq "^  car  *in (3|4)[0-9] pictures" out'
else
	skip "no clip (Debian package opencv-doc)" 4
fi
done_testing
