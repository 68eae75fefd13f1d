#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-record and what cameras and clocks do: groups of pictures of minutes, times that jump, wrap
# and repeat, clocks that are set, streams that no file can hold. Recording goes on, nothing is
# lost, and what is filed is filed in order.
. "$CB_SRC/tests/lib.sh"
need_cmd jq
PATH=$CB_BUILD/aid:$PATH

gop() { printf 'I'; printf '%*s' $(($1 - 1)) '' | tr ' ' P; }
# names and times of a recording's segments go on, none lasts less than nothing
in_order() {	# STORE
	cb-query "$1" segments --format ndjson | jq -es '
		(map(.segment | capture("/(?<d>[0-9-]+)/(?<t>[0-9]+)-") | .d + .t) as $n | $n == ($n | sort)) and
		all(.[]; .to_us >= .from_us) and
		([range(1; length) as $i | .[$i].from_us >= .[$i - 1].to_us - 1000000] | all)' >/dev/null
}
sound() {	# STORE STREAM
	[ "$(cb-frame hash "$2")" = "$(cb-replay "$1" | cb-frame hash)" ] &&
		cb-store check "$1" >check 2>&1 && in_order "$1" &&
		{ [ -n "$lax" ] || /usr/bin/python3 "$CB_SRC/tests/cbstore.py" check "$1" >>check 2>&1; }
}

# --- times
s=$(gop 25)
mkstream -l -n 64 "$s$s$s$s$s${s}E" >plain.cbf
odd() { /usr/bin/python3 "$CB_SRC/tests/oddtimes.py" "$@"; }
try() {	# WHAT PATTERN...
	what=$1
	shift
	rm -rf S
	odd "$@" <plain.cbf >odd.cbf
	_st=0
	cb-record S --segment=1s <odd.cbf >rec 2>err || _st=$?
	ok "$what: recorded, whole and in order" '[ $_st = 0 ] && [ ! -s err ] && sound S odd.cbf' ||
		note "$_st $(cat err check) $(cb-query S segments | cut -c1-150)"
	grep cb.clock rec >clock
	cat clock >>clocks
}
for pattern in $(odd list); do
	# beyond 2^60 ticks the files' times are cut off, and the reader of the page knows nothing of it
	case $pattern in huge|least|durations|*random) lax=1 ;; *) lax= ;; esac
	try "live, $pattern" "$pattern"
	case $pattern in
	none|reordered|some-pts|no-*|wall-none|stalls)
		ok "$what: nothing to tell" '[ ! -s clock ]' ;;
	dvr*|wall-[!n]*|*random)
		ok "$what: told, and not with every packet" '[ "$(wc -l <clock)" -ge 1 ] && [ "$(wc -l <clock)" -le 12 ]' ;;
	esac || note "$(cat clock)"
	case $pattern in
	wall-back) ok "$what: one step, by an hour, not followed" 'jq -es "length == 1 and (.[0].data | .what == \"wall-step\" and .count == 1 and .followed == false and .by_us == -3600000000)" clock >/dev/null' ;;
	wall-ahead) ok "$what: not followed" 'jq -es "length == 1 and (.[0].data | .followed == false and .offset_us == -86400000000)" clock >/dev/null && ! grep -q "\"reason\":\"clock\"" rec' ;;
	wall-wobbles) ok "$what: all are counted" '[ "$(jq -s "map(.data.count) | add" clock)" = 4 ]' ;;
	esac || note "$(cat clock)"
done
for pattern in dvr-wall wrap-33 wall-back wall-ahead wall-wobbles all-random; do
	case $pattern in *random) lax=1 ;; *) lax= ;; esac
	try "a file, $pattern" "$pattern" mono-zero
done
lax=
try "a file, wall-ahead" wall-ahead mono-zero
ok "$what: followed, in another segment" 'jq -es "length == 1 and .[0].data.followed" clock >/dev/null && grep -q "\"reason\":\"clock\"" rec' || note "$(cat clock)"
valid_events clocks
if command -v ffmpeg >/dev/null; then
	ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=64x48:r=25:d=6 -f lavfi -i sine=duration=6 -c:v libx264 -preset ultrafast -g 12 -c:a aac clip.mp4
	cb-ingest --camera=front --start-time=2026-11-21T07:00:00Z clip.mp4 | odd dvr >odd.cbf
	rm -rf S
	cb-record S --segment=60s <odd.cbf >rec
	ffprobe -v error -show_entries format=duration -of csv=p=0 "$(find S -name '*.mp4')" >duration 2>&1
	ok "a player sees six seconds, and not hours" '[ "$(cut -d. -f1 duration)" = 6 ] || [ "$(cut -d. -f1 duration)" = 5 ]' || note "$(cat duration)"
else
	skip "ffmpeg is not installed"
fi

# --- a clock that is set while it is recorded
if [ -e "$CB_BUILD/aid/fakeclock.so" ] && ! sanitized && command -v ffmpeg >/dev/null; then
	set_clock() { printf '%-31s\n' "$1" >step && dd if=step of=clock conv=notrunc status=none; }
	: >clock
	set_clock 0
	rm -f rec
	: >rec
	{ LD_PRELOAD=$CB_BUILD/aid/fakeclock.so FAKE_CLOCK=$T/clock cb-ingest --realtime --camera=front clip.mp4 2>ingest | tee in.cbf |
		LD_PRELOAD=$CB_BUILD/aid/fakeclock.so FAKE_CLOCK=$T/clock cb-record C --segment=1s >rec 2>err; echo $? >code; } &
	closed() { wait_for "[ \"\$(grep -c segment.closed rec)\" -ge $1 ]"; }
	closed 1
	set_clock -3600
	closed 3
	set_clock 86400
	wait
	ok "recorded" '[ "$(cat code)" = 0 ] && [ ! -s err ]' || note "$(cat err ingest)"
	ok "both steps are told of, neither is followed" 'jq -es "map(select(.type == \"cb.clock\").data) | length >= 1 and all(.[]; .followed == false) and (map(.count) | add) == 2" rec >/dev/null' || note "$(grep cb.clock rec)"
	ok "whole, in order, no overlap" 'sound C in.cbf' || note "$(cat check) $(cb-query C segments --format ndjson | cut -c1-300)"
	ok "packets keep what was stated" 'cb-replay C | cb-frame dump | grep -o "wall=[^ ]*" >a; cb-frame dump in.cbf | grep -o "wall=[^ ]*" | sort >b; sort a | cmp -s - b'
	ok "six seconds in all" 'cb-query C segments --format ndjson | jq -es "(.[-1].to_us - .[0].from_us) / 1000000 | . > 5 and . < 60" >/dev/null'
	valid_events rec
	cb-query C segments --format ndjson >plain
	cb-store reindex C >/dev/null
	cb-query C segments --format ndjson >indexed
	same_file plain indexed "the index says the same"
else
	skip "no preloading under a sanitizer, or no ffmpeg" 7
fi

# --- a group of pictures of two minutes
mkstream -l -n 64 "$(gop 3000)$(gop 100)E" >long.cbf
rm -rf S
exits 0 cb-record S --segment=30s <long.cbf
ok "long GOP: whole and in order" 'sound S long.cbf' || note "$(cat check)"
m=$(find S -name '*.manifest' | sort | head -n 1)
ok "long GOP: a fragment each 5 s, the first with the keyframe, marked as partial" \
	'[ "$(grep "^[1-9]" "$m" | head -n 24 | cut -d" " -f8 | sort | uniq -c | tr -s " \n" " ")" = " 1 - 1 KP 22 P " ]' ||
	note "$(grep '^[0-9]' "$m" | cut -d' ' -f 1,5-10)"
ok "long GOP: a segment ends at a keyframe only" '[ "$(jq -r "select(.type == \"cb.segment.closed\").data | \"\(.reason) \(.packets)\"" out | tr "\n" " ")" = "length 3000 end 100 " ]'
start=$(jq -r 'select(.type == "cb.recording.started").data.t_us' out)
at() { printf '@%s' $((start / 1000000 + $1)); }
cb-replay S --from "$(at 100)" --to "$(at 110)" >part.cbf
ok "long GOP: replay from its middle begins with its keyframe" 'cb-frame dump part.cbf | grep PACKET | head -n 1 | grep -q "flags=.*K\|key" && [ "$(cb-frame dump part.cbf | grep -c PACKET)" -ge 2750 ]' ||
	note "$(cb-frame dump part.cbf | head -n 5)"
# a failure in the middle of it: the next segment has the rest, and who begins there gets both
if [ -e "$CB_BUILD/aid/faultio.so" ] && ! sanitized; then
	mkstream -l -n 64 "$(gop 1000)E" >g.cbf
	for k in 6 7 8 9 10 11 12; do
		rm -rf L
		LD_PRELOAD=$CB_BUILD/aid/faultio.so FAULT=fdatasync:$k:EIO FAULT_UNDER=$T/L/cam cb-record L --sandbox=off --sync-interval=0 <g.cbf >rec 2>err
		[ "$(cb-query L segments | grep -c '"reason":"unsynced"')" = 0 ] || [ "$(cb-query L segments | wc -l)" != 2 ] || break
	done
	ok "a group in two segments" '[ "$(cb-query L segments | wc -l)" = 2 ] && sound L g.cbf' || note "$(cb-query L segments)"
	at() { printf '@%s' $((1750000000 + $1)); }
	cb-replay L --from "$(at 36)" >part.cbf
	ok "replay from its end begins with its keyframe" 'cb-frame dump part.cbf | grep PACKET | head -n 1 | grep -q "flags=K.* pts=0\|pts=0 .*flags=K" && [ "$(cb-frame dump part.cbf | grep -c PACKET)" = 1000 ]' || note "$(cb-frame dump part.cbf | head -n 5)"
	exits 0 cb-export L --camera cam1 --from "$(at 36)" --to "$(at 40)" -o bundle
	ok "and so does a bundle" '[ "$(find bundle -name "*.mp4" | wc -l)" = 2 ]' || note "$(find bundle; cat err)"
else
	skip "tests/faultio.c cannot be preloaded under a sanitizer" 4
fi

# killed in the middle of it: what was written is there
mkfifo in
cb-record K <in >rec 2>err & pid=$!
exec 9>in
mkstream -l -n 64 "$(gop 1000)" >&9
wait_for 'cb-query K segments --format ndjson 2>/dev/null | grep -q "\"fragments\":[78]"'
kill -9 $pid
wait $pid 2>/dev/null
exec 9>&-
mkstream -w 1760000000 IPPE | cb-record K >rec
ok "long GOP: killed in it, seven fragments stay" 'grep -q "recording.recovered.*\"fragments\":7,\"packets\":875" rec && cb-store check K >/dev/null' || note "$(grep recovered rec)"
# and where nothing comes any more, what came is written after five seconds
rm -rf K
cb-record K <in >rec 2>err & pid=$!
exec 9>in
mkstream -l -n 64 IPPPP >&9
ok "a source that stalls in a group: it is written all the same" 'wait_for "grep -q \"^1 .* KP 5 \" K/cameras/cam1/*/*.manifest 2>/dev/null"'
kill $pid
wait $pid
exec 9>&-

# --- parameter sets that come late: a segment without, and one with them
mkstream -l -n 64 "$(gop 50)S$(gop 50)E" | odd no-sets >late.cbf
rm -rf S
exits 0 cb-record S <late.cbf
ok "late parameter sets: whole and in order" 'sound S late.cbf && [ "$(cat S/cameras/cam1/*/*.manifest | grep -c "^end params")" = 1 ]' || note "$(cat check)"
# a source that was away begins anew, with any timestamps: the gap has told of it
mkstream -l -n 64 "$(gop 50)G$(gop 50)E" | odd away >away.cbf
rm -rf S
exits 0 cb-record S <away.cbf
ok "times that begin anew after a gap are nothing to tell" '! grep -q cb.clock out && sound S away.cbf' || note "$(cat out check)"

# --- what no file can hold
if command -v ffmpeg >/dev/null; then
	ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=64x48:r=25:d=2 -f lavfi -i sine=duration=2:sample_rate=8000 -c:v libx264 -g 25 \
		-c:a adpcm_g726le -b:a 32k -ac 1 g726.mkv 2>enc || ffmpeg -nostdin -v error -y -f lavfi -i testsrc2=s=64x48:r=25:d=2 -f lavfi -i sine=duration=2 -c:v libx264 -g 25 -c:a flac g726.mkv
	cb-ingest --camera=c --start-time=2026-01-01T00:00:00Z g726.mkv >in.cbf
	rm -rf P
	exits 0 cb-record P --tee <in.cbf
	ok "audio that no file can hold: in the tee, whole" '[ "$(cb-frame hash in.cbf)" = "$(cb-frame hash out)" ]'
	ok "in the store, whole" '[ "$(cb-frame hash in.cbf)" = "$(cb-replay P | cb-frame hash)" ]'
	cb-frame events out | grep oddity >odd
	valid_events odd
	ok "named once, counted at the end" 'jq -es "length == 2 and (.[0].data | .oddity == \"unplayable\" and .stream == 1 and .total == false) and .[1].data.total and .[1].data.count == $(cb-frame dump in.cbf | grep -c "PACKET stream=1 ")" odd >/dev/null' || note "$(cat odd; cb-frame dump in.cbf | grep PACKET | tail -n 2)"
else
	skip "ffmpeg is not installed" 5
fi
done_testing
