#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-record when it cannot write: a disk that is full, in every sense, writes and syncs that
# fail. A live recording goes on, and counts what it missed; nothing is called safe that is not.
. "$CB_SRC/tests/lib.sh"
need_cmd jq
PATH=$CB_BUILD/aid:$PATH

gop() { printf 'I'; i=1; while [ $i -lt "$1" ]; do printf P; i=$((i + 1)); done; }
script=
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do script=$script$(gop 25); done
mkstream -l -n 4000 "${script}E" >live.cbf
mkstream -l -n 4000 "${script}E" | head -c 400000 >a
size=$(wc -c <a)
cb-frame dump live.cbf | grep PACKET | sed 's/^[0-9]* //' >packets

# every packet is recorded or counted as lost, and what is recorded is in its order
accounts() {	# STORE EVENTS
	_p=$(jq -s 'map(select(.type == "cb.recording.stopped"))[-1].data | .packets + (.lost_packets // 0)' "$2")
	_g=$(jq -s 'map(select(.type == "cb.gap" and .data.reason == "suspended").data.packets) | add // 0' "$2")
	_l=$(jq -s 'map(select(.type == "cb.recording.stopped"))[-1].data.lost_packets // 0' "$2")
	cb-replay "$1" 2>/dev/null | cb-frame dump 2>/dev/null | grep PACKET | sed 's/^[0-9]* //' >back
	[ "$_p" = 400 ] && [ "$_g" = "$_l" ] && [ $(($(wc -l <back) + _l)) = 400 ] &&
		[ -z "$(diff packets back | grep '^>')" ]
}
types() { jq -r .type "$1" | grep -v segment.closed | tr '\n' ' '; }

# --- no room, on a file system of our own
if unshare -rm sh -c 'mount -t tmpfs -o size=300k none /mnt' 2>/dev/null; then
	cat >full.sh <<'END'
mount -t tmpfs -o size=32m none /mnt || exit 99
cb-record /mnt/S --segment=2s --sync-interval=0 <in >rec 2>err & pid=$!
exec 9>in
cat a >&9
i=0
until grep -q segment.closed rec || [ $i = 600 ]; do sleep 0.05; i=$((i + 1)); done
stat -c '%s %b' /mnt/S/ballast >ballast
cat /dev/zero >/mnt/filler 2>/dev/null
df --output=avail -B1 /mnt | tail -n 1 >avail
tail -c +$((size + 1)) live.cbf | head -c 400000 >&9
i=0
until grep -q recording.suspended rec || [ $i = 600 ]; do sleep 0.05; i=$((i + 1)); done
# all that can be filled again is: the event is in the store by then
cat /dev/zero >/mnt/filler2 2>/dev/null
cat /mnt/S/cameras/cam1/*/*.events >stored
stat -c %s /mnt/S/ballast >>ballast
find /mnt/S -name '*.part' | wc -l >parts
tail -c +$((size + 400001)) live.cbf | head -c 200000 >&9
rm /mnt/filler /mnt/filler2
date +%s%N >t0
i=0
until grep -q recording.resumed rec || [ $i = 600 ]; do sleep 0.05; i=$((i + 1)); done
date +%s%N >t1
stat -c '%s' /mnt/S/ballast >>ballast
tail -c +$((size + 600001)) live.cbf >&9
exec 9>&-
wait $pid
echo $? >code
rm -rf copy
cp -r /mnt/S copy
END
	mkfifo in
	export size
	unshare -rm sh full.sh || note "full.sh: $?"
	note "0 bytes free: $(cat avail); room to resumed: $((($(cat t1) - $(cat t0)) / 1000000)) ms"
	ok "no byte was free" '[ "$(cat avail)" -eq 0 ]'
	ok "the ballast: a sixteenth of a small file system, given up, and made again" \
		'[ "$(tr "\n" " " <ballast)" = "2097152 4096 0 2097152 " ]' || note "$(cat ballast)"
	ok "suspended, a gap, resumed, stopped" '[ "$(types rec)" = "cb.recording.started cb.recording.suspended cb.gap cb.recording.resumed cb.recording.stopped " ]' || note "$(types rec)"
	valid_events rec
	ok "the event was in the store while it was full" 'grep -q "recording.suspended.*\"reason\":\"full\"" stored'
	ok "and the segment closed" '[ "$(cat parts)" = 0 ]'
	ok "exit 0, two warnings" '[ "$(cat code)" = 0 ] && [ "$(wc -l <err)" = 2 ] && grep -q "No space left on device; recording is suspended" err'
	ok "every packet is recorded or counted" 'accounts copy rec' || note "$(diff packets back | head -n 5)"
	ok "something was lost, and the manifest has the gap" 'grep -q "^gap [0-9]* 0 6 " copy/cameras/cam1/*/*.manifest'
	ok "cb-query tells of it" 'cb-query copy gaps --format ndjson | grep -q "\"reason\":\"suspended\""'
	ok "no hole besides" '[ "$(cb-query copy gaps --format ndjson | wc -l)" = 1 ]'
	exits 0 cb-store check copy
	ok "the store has every event" 'cat copy/cameras/cam1/*/*.events | sort | cmp -s - "$(sort rec >rec.s; echo rec.s)"'
	ok "an independent reader: the store is what its page says" '/usr/bin/python3 "$CB_SRC/tests/cbstore.py" check copy' || :

	# to the end, and the stream passed on whole
	cat >tee.sh <<'END'
mount -t tmpfs -o size=32m none /mnt || exit 99
cb-record /mnt/S --segment=2s --tee <in >tee.cbf 2>err & pid=$!
exec 9>in
cat a >&9
cat /dev/zero >/mnt/filler 2>/dev/null
tail -c +$((size + 1)) live.cbf >&9
exec 9>&-
wait $pid
echo $? >code
END
	unshare -rm sh tee.sh
	ok "suspended to the end: 74" '[ "$(cat code)" = 74 ] && tail -n 1 err | grep -q "^cb-record: /mnt/S: .*No space left"' || note "$(cat err)"
	ok "the tee has every packet all the same" '[ "$(cb-frame hash live.cbf)" = "$(cb-frame hash tee.cbf)" ]'
	ok "and the events" 'cb-frame events tee.cbf | grep -q recording.suspended && cb-frame events tee.cbf | grep -q recording.stopped'

	# two cameras: who finds the disk full stops the other before it eats the ballast
	cat >two.sh <<'END'
mount -t tmpfs -o size=32m none /mnt || exit 99
mkfifo in1 in2
cb-record /mnt/S --segment=2s --camera=one <in1 >rec1 2>err1 & one=$!
cb-record /mnt/S --segment=2s --camera=two <in2 >rec2 2>err2 & two=$!
exec 8>in1 9>in2
cat a >&8
cat a >&9
i=0
until { grep -q segment.closed rec1 && grep -q segment.closed rec2; } || [ $i = 600 ]; do sleep 0.05; i=$((i + 1)); done
cat /dev/zero >/mnt/filler 2>/dev/null
tail -c +$((size + 1)) live.cbf | head -c 300000 >&8
i=0
until grep -q recording.suspended rec1 || [ $i = 600 ]; do sleep 0.05; i=$((i + 1)); done
before=$(df --output=avail -B1 /mnt | tail -n 1)
tail -c +$((size + 1)) live.cbf | head -c 300000 >&9
i=0
until grep -q recording.suspended rec2 || [ $i = 600 ]; do sleep 0.05; i=$((i + 1)); done
echo $((before - $(df --output=avail -B1 /mnt | tail -n 1))) >eaten
rm /mnt/filler
i=0
until { grep -q recording.resumed rec1 && grep -q recording.resumed rec2; } || [ $i = 600 ]; do sleep 0.05; i=$((i + 1)); done
tail -c +$((size + 300001)) live.cbf >&8
tail -c +$((size + 300001)) live.cbf >&9
exec 8>&- 9>&-
wait $one && wait $two
echo $? >code
rm -rf copy
cp -r /mnt/S copy
END
	unshare -rm sh two.sh
	ok "two cameras: both go on" '[ "$(cat code)" = 0 ] && grep -q recording.resumed rec1 && grep -q recording.resumed rec2'
	ok "the second took no room for footage ($(cat eaten) bytes)" '[ "$(cat eaten)" -lt 100000 ]'
	exits 0 cb-store check copy

	# a log on the same full disk: what happened is in it, and its proofs hold
	cat >log.sh <<'END'
mount -t tmpfs -o size=32m none /mnt || exit 99
cb-audit init /mnt/log --origin example.org/log -k log.key --epochs 600 || exit 98
cb-record /mnt/S --segment=2s --sync-interval=0 --log /mnt/log <in >rec 2>err & pid=$!
exec 9>in
cat a >&9
i=0
until grep -q segment.closed rec || [ $i = 600 ]; do sleep 0.05; i=$((i + 1)); done
cat /dev/zero >/mnt/filler 2>/dev/null
tail -c +$((size + 1)) live.cbf | head -c 400000 >&9
i=0
until grep -q recording.suspended rec || [ $i = 600 ]; do sleep 0.05; i=$((i + 1)); done
cb-audit query --raw /mnt/log | jq -r .type >listed
rm /mnt/filler
i=0
until grep -q recording.resumed rec || [ $i = 600 ]; do sleep 0.05; i=$((i + 1)); done
tail -c +$((size + 400001)) live.cbf >&9
exec 9>&-
wait $pid
echo $? >code
cb-audit query --raw /mnt/log | jq -r .type | grep -v "^cb.log" >entries
END
	cp "$CB_SRC"/tests/keys/log.key . && chmod 600 log.key
	unshare -rm sh log.sh
	ok "the log has it while nothing was free" 'grep -qx cb.recording.suspended listed' || note "$(cat listed err)"
	ok "and all the rest, in order" '[ "$(cat code)" = 0 ] && [ "$(cat entries)" = "$(jq -r .type rec)" ]' || note "$(cat code entries err)"

	# full from the beginning; and asked to stop while it is
	cat >first.sh <<'END'
mount -t tmpfs -o size=32m none /mnt || exit 99
cb-record /mnt/S --segment=1s <live.cbf >rec0 2>err
suspended() {
	i=0
	until grep -q recording.suspended rec || [ $i = 600 ]; do sleep 0.05; i=$((i + 1)); done
}
cat /dev/zero >/mnt/filler 2>/dev/null
truncate -s 0 /mnt/S/ballast
cat /dev/zero >/mnt/filler2 2>/dev/null
cb-record /mnt/S --segment=1s <in >rec 2>err & pid=$!
exec 9>in
cat a >&9
suspended
rm /mnt/filler /mnt/filler2
i=0
until grep -q recording.resumed rec || [ $i = 600 ]; do sleep 0.05; i=$((i + 1)); done
tail -c +$((size + 1)) live.cbf >&9
exec 9>&-
wait $pid
echo $? >code
rm -rf copy
cp -r /mnt/S copy
mv rec rec1
truncate -s 0 /mnt/S/ballast
cat /dev/zero >/mnt/filler 2>/dev/null
cb-record /mnt/S --segment=1s <in >rec 2>err & pid=$!
exec 9>in
cat a >&9
suspended
kill $pid
wait $pid
echo $? >>code
exec 9>&-
END
	unshare -rm sh first.sh
	ok "full from the beginning: goes on when there is room; asked to stop meanwhile: 74" '[ "$(tr "\n" " " <code)" = "0 74 " ]' || note "$(cat code err)"
	ok "it is one recording, and another than the one before" '[ "$(jq -r ".data.recording // empty" rec0 rec1 | sort -u | wc -l)" = 2 ] && [ "$(jq -r ".data.recording // empty" rec1 | sort -u | wc -l)" = 1 ]' || note "$(jq -c "[.type, .data.recording]" rec0 rec1)"
	ok "said: $(types rec1)" '[ "$(types rec1)" = "cb.recording.suspended cb.recording.started cb.gap cb.recording.resumed cb.recording.stopped " ]'
	exits 0 /usr/bin/python3 "$CB_SRC/tests/cbstore.py" check copy

	# who makes room is lent some
	cat >prune.sh <<'END'
mount -t tmpfs -o size=32m none /mnt || exit 99
cb-record /mnt/S --segment=1s <live.cbf >rec 2>err
cat /dev/zero >/mnt/filler 2>/dev/null
cb-store prune /mnt/S --force --older=1h >pruned 2>err
echo $? >code
END
	unshare -rm sh prune.sh
	ok "cb-store prune works with 0 bytes free" '[ "$(cat code)" = 0 ] && grep -q deleted pruned' || note "$(cat code err pruned)"
else
	skip "cannot mount a small file system here" 27
fi

# --- writes and syncs that fail, one after another
if [ ! -e "$CB_BUILD/aid/faultio.so" ] || sanitized; then
	skip "tests/faultio.c cannot be preloaded under a sanitizer" 15
	done_testing
	exit 0
fi
faulty() {	# FAULT: the live recording, with it
	rm -rf F fault.log
	_st=0
	LD_PRELOAD=$CB_BUILD/aid/faultio.so FAULT=$1 FAULT_LOG=$T/fault.log FAULT_UNDER=$T/F/ \
		cb-record F --sandbox=off --segment=2s --sync-interval=0 <live.cbf >rec 2>err || _st=$?
}
sweep() {	# KIND ERROR STEP: each of them in turn
	_k=1 _bad=0 _lost=0 _unknown=0 _stopped=0
	while [ $_k -lt 200 ]; do
		faulty "$1:$_k:$2"
		[ -e fault.log ] || break
		case $_st in
		0) accounts F rec || { _bad=$((_bad + 1)); note "$1 $_k: $(types rec) $(wc -l <back)"; } ;;
		73|74) _stopped=$((_stopped + 1)) ;;
		*) _bad=$((_bad + 1)); note "$1 $_k: exit $_st: $(cat err)" ;;
		esac
		! grep -q recording.suspended rec || _lost=$((_lost + 1))
		! grep -q '"durability":"unknown"' rec || _unknown=$((_unknown + 1))
		if [ -d F/cameras/cam1 ]; then
			[ $_st = 0 ] || mkstream -w 1760000000 IPPE | cb-record F >/dev/null 2>&1
			cb-store check F >check 2>&1 || { _bad=$((_bad + 1)); note "$1 $_k: $(head -n 2 check)"; }
		fi
		_k=$((_k + $3))
	done
}
sweep write EIO 3
ok "a write fails, $((_k / 3)) times: every packet is there or counted" '[ $_bad = 0 ] && [ $_k -gt 30 ]'
ok "and one failure alone loses nothing once it records" '[ $_lost -le 1 ]' || note "$_lost"
sweep fdatasync EIO 1
ok "a sync fails, $((_k - 1)) times: every packet is there or counted" '[ $_bad = 0 ] && [ $_k -gt 30 ]'
ok "and the segment's durability is said to be unknown ($_unknown)" '[ $_unknown -gt 20 ]'
sweep fsync EIO 1
ok "syncs at the ends of segments, $((_k - 1)) times" '[ $_bad = 0 ] && [ $_k -gt 30 ]'
ok "unknown durability of files, an end at directories ($_unknown, $_stopped)" '[ $_unknown -gt 6 ] && [ $_stopped -gt 6 ]'

faulty fallocate:1+:EOPNOTSUPP
ok "a file system without fallocate: the ballast is written" '[ $_st = 0 ] && accounts F rec && [ "$(stat -c %s F/ballast)" -gt 0 ] && [ $(($(stat -c "%b * %B" F/ballast))) -ge "$(stat -c %s F/ballast)" ]' || note "$(stat F/ballast)"
faulty fallocate:1+:ENOSPC
ok "no room for a ballast: recorded all the same" '[ $_st = 0 ] && accounts F rec'
faulty fdatasync:20:EIO
valid_events rec
ok "the manifest says so too" 'grep -q "^end unsynced " F/cameras/cam1/*/*.manifest && grep -q "\"reason\":\"unsynced\".*\"durability\":\"unknown\"" rec'
ok "an independent reader takes it" '/usr/bin/python3 "$CB_SRC/tests/cbstore.py" check F' || :
faulty write:40+:EIO
ok "writes that fail for good: suspended, 74 at the end" '[ $_st = 74 ] && grep -q "recording.suspended.*\"reason\":\"error\"" rec && accounts F rec' || note "$_st $(types rec)"
valid_events rec
faulty write:40+:EDQUOT
ok "a quota that is used up is a full disk" '[ $_st = 74 ] && grep -q "recording.suspended.*\"reason\":\"full\"" rec && accounts F rec'
# a file can be recorded again: it ends
mkstream -n 4000 "${script}E" >file.cbf
rm -rf F
_st=0
LD_PRELOAD=$CB_BUILD/aid/faultio.so FAULT=fdatasync:20:EIO cb-record F --sandbox=off --sync-interval=0 <file.cbf >rec 2>err || _st=$?
ok "a file: a sync that fails ends it with 74" '[ $_st = 74 ] && grep -q "fdatasync: Input/output error" err && grep -q "durability" rec' || note "$_st $(cat err)"
done_testing
