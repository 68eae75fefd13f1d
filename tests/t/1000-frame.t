#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-frame and the page cb-frame(5): golden vectors, an independent reader and writer, the
# filter that the page gives, damage and cuts.
. "$CB_SRC/tests/lib.sh"
golden=$CB_SRC/tests/golden/frame.cbf
py="/usr/bin/python3 $CB_SRC/tests/cbframe.py"

exits 0 cb-frame dump "$golden"
same_file out "$CB_SRC/tests/golden/frame.dump" "dump of the golden stream"
exits 0 cb-frame hash "$golden"
same_file out "$CB_SRC/tests/golden/frame.hash" "hashes of the golden stream"
exits 0 cb-frame hash - <"$golden"
same_file out "$CB_SRC/tests/golden/frame.hash" "the same from stdin"
exits 0 cb-frame events "$golden"
ok "events prints the one line, as it is" \
	'[ "$(cat out)" = "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/x\",\"type\":\"cb.x\",\"data\":{\"é\":1}}" ]'
exits 0 cb-frame check "$golden"
ok "check says whole" 'grep -q "^12 frames, 1 events, 1 gaps, whole$" out && [ ! -s err ]'

exits 0 $py golden again.cbf
same_file again.cbf "$golden" "the independent writer makes the golden stream"
exits 0 $py hash "$golden"
same_file out "$CB_SRC/tests/golden/frame.hash" "the independent reader's hashes"
exits 0 $py dump "$golden"
ok "the independent reader reads all" '[ "$(wc -l <out)" -eq 12 ]'

exits 0 cb-frame hash --streamhash "$golden"
ok "streamhash form" 'grep -qx "0,v,SHA256=[0-9a-f]\{64\}" out && grep -qx "1,a,SHA256=[0-9a-f]\{64\}" out'

# the program in the page
sed -n '/^\.\\" program keyframes/,/^\.Ed/p' "$CB_SRC/man/cb-frame.5" |
	sed -e '1,2d' -e '/^\.Ed/d' -e 's/\\e/\\/g' -e 's/^\\&//' >keyframes.c
ok "the page has a program" '[ "$(wc -l <keyframes.c)" -gt 50 ]'
exits 0 ${CC:-cc} -Wall -Wextra -Werror -O2 -o keyframes keyframes.c
exits 0 sh -c "./keyframes <$golden >key.cbf"
exits 0 cb-frame check key.cbf
ok "one keyframe and the picture are left of stream 0" 'grep -q "^stream 0: video h264, 2 packets, 37 bytes$" out && grep -q whole out'
exits 0 $py hash key.cbf

# cuts and damage
head -c 900 "$golden" >cut.cbf
exits 65 ./keyframes <cut.cbf
for verb in dump check hash events; do
	exits 65 cb-frame $verb cut.cbf
	ok "$verb names the place" 'grep -q "^cb-frame: cut.cbf: frame 5 (byte 855): truncated" err'
done
exits 65 $py hash cut.cbf
head -c 855 "$golden" >noend.cbf
exits 65 cb-frame check noend.cbf
ok "a cut between frames is a dead producer" \
	'grep -qx "cb-frame: noend.cbf: no END after frame 4: the producer died" err'
{ head -c 850 "$golden"; printf X; tail -c +852 "$golden"; } >flip.cbf
exits 65 cb-frame check flip.cbf
ok "a changed byte is named" 'grep -q "^damage: frame 4 (byte 746): payload checksum" out || grep -q "^damage: frame 4 (byte 746): header checksum" out'
ok "and only that frame is lost" 'grep -q "^11 frames" out'
exits 65 cb-frame hash flip.cbf
ok "no hash of a damaged stream" '[ ! -s out ]'
{ cat "$golden"; echo more; } >tail.cbf
exits 65 cb-frame hash tail.cbf
ok "data after END" 'grep -q "data after END" err'
exits 65 cb-frame hash /dev/null
printf 'RIFF....AVI LIST' >alien
exits 65 cb-frame dump alien
ok "an alien file is named" 'grep -qx "cb-frame: alien: .*no frame stream starts here" err || grep -q "not a frame stream" err'
exits 66 cb-frame dump /nonexistent
exits 64 cb-frame
exits 64 cb-frame frobnicate
exits 64 cb-frame dump --streamhash "$golden"
done_testing
