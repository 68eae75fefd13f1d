#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# On a terminal: nothing that came from elsewhere steers it, progress is one line that fits, and
# nothing is coloured. In files and pipes text is what it was.
. "$CB_SRC/tests/lib.sh"
need_cmd script ffmpeg

# COMMAND: its screen, on a terminal of 60 columns, in ./screen
on_terminal() { script -qec "stty cols 60 rows 24; $1" /dev/null </dev/null >screen 2>/dev/null; }
# the screen has no control but CR and LF, and no character that turns the direction of text
clean() {
	/usr/bin/python3 - "$1" <<'PY'
import sys
text = open("screen", "rb").read().decode("utf-8")
bad = [c for c in text if (ord(c) < 32 and c not in "\r\n") or 0x7f <= ord(c) < 0xa0 or
       c in "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"]
sys.exit(bool(bad) or sys.argv[1] not in text)
PY
}

# a stream and events that try everything
/usr/bin/python3 - "$CB_SRC/tests" <<'PY'
import struct, sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
from cbframe import crc32c
foul = "a\u009b31m\u202eb\u2066\u061c\x7f\u2028\ufeffz".encode()
rude = b"a\x1b]0;own\x07\x1b[2J\r\x9b31m\xff\xc3(z"
event = b'{"specversion":"1.0","id":"1","source":"/x","type":"x.foul","time":"2026-11-21T07:00:00Z",' \
        b'"subject":"front","data":{"t_us":1795244400000000,"text":"' + foul + b'"}}'
open("events", "wb").write(event + b"\n")
seq = digest = 0
f = open("foul.cbf", "wb")

def frame(kind, payload):
    global seq, digest
    h = struct.pack("<4sBBHHHIQI", b"\x89CBF", 1, kind, 0, 0, 0, len(payload), seq, crc32c(payload))
    h += struct.pack("<I", crc32c(h))
    digest = crc32c(h, digest)
    seq += 1
    f.write(h + payload)

frame(1, struct.pack("<qQBB6x65s65s", 1795244400 * 10**9, 0, 1, 0, b"x 1", b"front"))
frame(5, event)
frame(5, b'"' + rude + b'"')
frame(6, struct.pack("<HHIqqQQ", 2, len(rude), 0, 0, 0, 1, 1) + rude)
frame(7, struct.pack("<HHIQQQ", 0, 0, digest, seq, 0, 0))
PY
exits 65 cb-frame check foul.cbf
ok "the one that is no event is named" 'grep -qx "damage: frame 2 (byte [0-9]*): EVENT: byte 2: control character in a string" out && [ "$(wc -l <out)" -eq 2 ]'
exits 0 cb-store put store <events
same_file events out "events go through a pipe as they are"
for how in 'cb-frame dump foul.cbf' 'cb-frame events foul.cbf' 'cb-frame check foul.cbf' \
	'cb-query store events --format ndjson' 'cb-query store events --format table' 'cb-query store events' \
	'cb-store put store <events' 'cb-record other <foul.cbf' 'cb-detect <foul.cbf'; do
	on_terminal "$how"
	case $how in
	*frame\ events*|*ndjson*|*put*) text=x.foul ;;
	*dump*) text=EVENT ;;
	*) text= ;;
	esac
	ok "a clean screen: $how" 'clean "$text"' || note "$(od -c screen | head -n 20)"
done
exits 0 cb-record other2 <foul.cbf
ok "the gap that the stream told of is an event" 'grep -q "\"type\":\"cb.gap\"" out'
grep '"source":"/cb-record"' out >own
valid_events own
# shellcheck disable=SC2016
name=$(printf 'x\033[31m\302\233y')
for t in cb-frame\ dump cb-ingest cb-query; do
	on_terminal "$t '$name'"
	ok "$t: a hostile name in a message" 'clean "${t%% *}"' || note "$(od -c screen | head)"
done

# progress
ffmpeg -v error -f lavfi -i testsrc2=s=64x48:r=200:d=1.5 -c:v libx264 -g 50 clip.mp4
run='cb-ingest clip.mp4 --camera a-camera-with-a-very-long-name-that-fills-the-line-of-a-terminal --realtime'
on_terminal "$run >/dev/null"
ok "a progress line on a terminal" 'grep -q "0:0.*x" screen'
tr '\r' '\n' <screen | awk 'length > 59' >long
ok "that fits" '[ ! -s long ] && clean ""' || note "$(cat long)"
on_terminal "stty cols 12; $run >/dev/null"
tr '\r' '\n' <screen | awk 'length > 11' >long
ok "also into 12 columns" '[ -s screen ] && [ ! -s long ]' || note "$(cat long)"
on_terminal "TERM=dumb $run >/dev/null"
ok "none on a dumb terminal" '[ ! -s screen ]'
on_terminal "$run -q >/dev/null"
ok "none with -q" '[ ! -s screen ]'
$run >/dev/null 2>err
ok "none in a file" '[ ! -s err ]'
on_terminal "NO_COLOR= cb-frame dump foul.cbf; cb-frame dump nothing; cb-ingest --help"
ok "no colours" 'clean usage || clean Usage'
done_testing
