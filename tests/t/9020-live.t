#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A reader that stands still, in the middle of a frame as everywhere: a live stream goes on beside
# it with whole groups of pictures dropped and counted; a file waits; memory stays what it is.
. "$CB_SRC/tests/lib.sh"
PATH=$CB_BUILD/aid:$PATH

wait_for() {	# EXPR: at most twenty seconds
	_w=0
	until eval "$1"; do
		_w=$((_w + 1))
		[ $_w -lt 400 ] || return 1
		sleep 0.05
	done
}
# where a process is in the file that is its stdin
at() { sed -n 's/^pos:[[:space:]]*//p' "/proc/$1/fdinfo/0" 2>/dev/null; }
peak() { sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$1/status"; }
mkfifo pipe

# INPUT: the recorder gets it and passes it on to a reader that stands still
stand_still() {
	rm -rf store
	# the reader opens the pipe, takes a little, and is stopped by itself; "cat" goes on
	sh -c 'head -c 3000; kill -STOP $$; exec cat' <pipe >got.cbf &
	reader=$!
	cb-record store --tee --sync-interval 1h <"$1" >pipe 2>err &
	recorder=$!
	wait_for 'grep -q "^State:.T" "/proc/$reader/status"'
}
size_of() { wc -c <"$1"; }
kinds() { cb-frame dump "$1" 2>/dev/null | grep -c " $2 "; }

# 55 groups of ten pictures, a packet of sound and an event each: 66 MB, twice what a ring holds
script=$(printf '%055d' 0 | sed 's/0/IPPPPPPPPPAe/g')E
mkstream -l -n 110000 "$script" >live.cbf
mkstream -n 110000 "$script" >file.cbf
all=605

stand_still live.cbf
ok "the recorder goes on" 'wait_for "[ \"\$(at \$recorder)\" -eq \$(size_of live.cbf) ]"'
kb=$(peak $recorder)
if sanitized; then
	skip "memory of a sanitizer build says nothing"
else
	ok "in bounded memory: $kb kB" '[ "$kb" -gt 30000 ] && [ "$kb" -lt 50000 ]'
fi
kill -CONT $reader
st=0; wait $recorder || st=$?
wait $reader
ok "it leaves with 0, and has nothing to say" '[ $st -eq 0 ] && [ ! -s err ]'
exits 0 cb-frame check got.cbf
cb-frame dump got.cbf >dump
lost=$(sed -n 's/.* GAP .*reason=overflow.* packets=\([0-9]*\) .*/\1/p' dump | awk '{ n += $1 } END { print n + 0 }')
got=$(grep -c ' PACKET ' dump)
ok "what came ($got) and what GAPs count ($lost) is everything" '[ $((got + lost)) -eq $all ] && [ "$lost" -gt 250 ]'
ok "END counts what came" 'grep -q " END reason=eof .* packets=$got " dump'
ok "every event came" '[ "$(grep -c " EVENT .*cb.scene.change" dump)" -eq 55 ]'
# behind a GAP decoding can begin, and between two keyframes nothing is missing
awk '/ GAP / { hole = 1 }
	/ PACKET stream=0 / {
		key = /flags=K/
		if (hole && !key) print "no keyframe behind a GAP: " $0
		split($4, p, "=")
		if (!hole && n && p[2] != last + 3600) print "missing without a GAP: " $0
		hole = 0; n++; last = p[2]
	}' dump >wrong
ok "whole groups, each loss with its GAP" '[ ! -s wrong ]' || note "$(head -n 3 wrong)"
ok "GAPs say from when to when" '! grep " GAP " dump | grep -q "from=-\|to=-"'
exits 0 cb-store check store
cb-frame hash live.cbf >h1
cb-replay store | cb-frame hash >h2
same_file h1 h2 "the recording has everything"

# the same from a file: nobody loses anything
stand_still file.cbf
ok "the recorder waits" 'wait_for "a=\$(at \$recorder); sleep 0.3; [ \"\$a\" -gt 0 ] && [ \"\$a\" = \"\$(at \$recorder)\" ]"'
ok "far from the end" '[ "$(at $recorder)" -lt $(($(size_of file.cbf) / 4)) ]'
if sanitized; then
	skip "memory of a sanitizer build says nothing"
else
	kb=$(peak $recorder)
	ok "without a ring: $kb kB" '[ "$kb" -lt 12000 ]'
fi
kill -CONT $reader
st=0; wait $recorder || st=$?
wait $reader
ok "and goes on when the reader does" '[ $st -eq 0 ] && [ ! -s err ]'
cb-frame hash got.cbf >h2
same_file h1 h2 "nothing is missing"
ok "no GAP" '[ "$(kinds got.cbf GAP)" -eq 0 ]'

# a reader that never goes on: asked to stop, the recorder seals what it has and says why it
# could not end the stream
stand_still live.cbf
ok "the recorder is at the end" 'wait_for "[ \"\$(at \$recorder)\" -eq \$(size_of live.cbf) ]"'
kill -TERM $recorder
st=0; wait $recorder || st=$?
ok "temporary failure: 75" '[ $st -eq 75 ]' || note "$st"
ok "one line" '[ "$(cat err)" = "cb-record: output: its reader does not read" ]' || note "$(cat err)"
kill -CONT $reader
wait $reader
exits 65 cb-frame check got.cbf
exits 0 cb-store check store
cb-replay store | cb-frame hash >h2
same_file h1 h2 "the recording has everything"

# a reader that dies standing still: the tee is closed, and that is all
stand_still live.cbf
kill -KILL $reader
st=0; wait $recorder || st=$?
wait $reader 2>/dev/null
ok "the recorder leaves with 0" '[ $st -eq 0 ]'
ok "and says that nobody reads" 'grep -qx "cb-record: warning: nobody reads the output any more; recording goes on" err && [ "$(wc -l <err)" -eq 1 ]' || note "$(cat err)"
cb-replay store | cb-frame hash >h2
same_file h1 h2 "the recording has everything"
done_testing
