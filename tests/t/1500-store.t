#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-store: put, check, reindex.
. "$CB_SRC/tests/lib.sh"
PATH=$CB_BUILD/aid:$PATH
one() { [ "$(wc -l <err)" = 1 ]; }

ev() {	# ID TIME SUBJECT DATA TYPE
	printf '{"specversion":"1.0","id":"%s","source":"/x","type":"%s","time":"%s"%s,"data":{%s}}\n' \
		"$1" "${5:-com.example.thing}" "$2" "${3:+,\"subject\":\"$3\"}" "$4"
}
# --- put: durable, passed on unchanged, by camera and hour of the event
{
	ev 1 2026-01-01T10:59:59Z front ''
	ev 2 2026-01-01T11:00:00Z front '"x":[1,2,{"y":null}]'
	ev 3 2026-01-01T11:00:00Z front '"t_us":1767225600000000'
	ev 4 2026-01-02T11:00:00Z back ''
	ev 5 2026-01-02T11:00:00Z '' ''
	ev 6 2026-01-02T11:00:00Z '../../etc' ''
	ev 7 2026-01-02T11:00:00Z front '"s":"\\u001b[31m \\u00e4 \\ud83d\\ude00"'
} >in
exits 0 cb-store put S <in
same_file in out "every line comes out as it went in"
ok "nothing is said" '[ ! -s err ]'
(cd S/cameras && find . -name '*.events' | sort) >files
printf '%s\n' ./_other/2026-01-02/11.events ./back/2026-01-02/11.events ./front/2026-01-01/00.events \
	./front/2026-01-01/10.events ./front/2026-01-01/11.events ./front/2026-01-02/11.events >want
same_file want files "where they lie: by data.t_us, else by time; without a usable subject in _other"
sort in >a; find S -name '*.events' -exec cat {} + | sort >b
same_file a b "byte for byte"
ev 8 2026-01-02T11:00:00Z front '' >more
exits 0 cb-store put S <more
ok "appended, not replaced" '[ "$(wc -l <S/cameras/front/2026-01-02/11.events)" = 2 ]'

# --- what is no event is passed on, not stored, and said
printf '{"not":"an event"}\n' | cat in - in >mixed
exits 65 cb-store put M <mixed
same_file mixed out "all of it passed on"
ok "named, in one line" 'one && grep -q "line 8" err'
ok "the others are stored" '[ "$(find M -name "*.events" -exec cat {} + | wc -l)" = 7 ]'
head -c 100 in >cut
exits 65 cb-store put M2 <cut
exits 0 cb-store put M3 </dev/null
long() {	# BYTES: an event of so many, its LF counted
	_base=$(ev 1 2026-01-01T00:00:00Z c '"x":""' | wc -c)
	ev 1 2026-01-01T00:00:00Z c "\"x\":\"$(head -c $(($1 - _base)) /dev/zero | tr '\0' a)\""
}
long 60000 >most
ok "the longest line has 60000 bytes" '[ "$(wc -c <most)" = 60000 ]'
exits 0 cb-store put L <most
same_file most L/cameras/c/2026-01-01/00.events "the longest line is stored"
{ long 60001; ev 2 2026-01-01T00:00:00Z c ''; } >more
exits 65 cb-store put L2 <more
ok "one byte more: named, in one line" 'one && grep -q "line 1: longer than" err'
ok "one byte more: not stored, the next line is" '[ "$(cat L2/cameras/c/*/*.events)" = "$(tail -n 1 more)" ]'

# --- a torn line of an earlier crash does not spoil the next
printf '{"specversion":"1.0","id":"half' >>S/cameras/front/2026-01-02/11.events
ev 9 2026-01-02T11:30:00Z front '' | cb-store put S >/dev/null
ok "the new line stands alone" '[ "$(tail -n 1 S/cameras/front/2026-01-02/11.events)" = "$(ev 9 2026-01-02T11:30:00Z front "")" ]'
exits 1 cb-store check S
ok "check names the torn line" '[ "$(grep -c cb.store.finding out)" = 1 ] && grep -q "line 3 .*no event" out'

# --- an event is stored once: the same source and id
exits 0 cb-store put O -v <in
ok "all are new" 'grep -q "7 events stored, 0 were there already" err'
exits 0 cb-store put O -v <in
same_file in out "known ones are passed on all the same"
ok "none is new" 'grep -q "0 events stored, 7 were there already" err'
sort in >a; find O -name '*.events' -exec cat {} + | sort >b
same_file a b "stored once"
{
	ev 20 2026-01-01T10:00:00Z front '"n":1'
	ev 20 2026-01-01T10:30:00Z front '"n":2'
	ev '\u00320' 2026-01-01T10:30:00Z front '"n":3'
	ev 20 2026-01-01T10:30:00Z front '' | sed 's|"/x"|"\\/x"|'
	ev 20 2026-01-01T10:30:00Z front '' | sed 's|"/x"|"/y"|'
	ev x20 2026-01-01T10:30:00Z front '' | sed 's|"/x"|"/"|'
	ev 20 2026-01-01T11:30:00Z front ''
	ev 20 2026-01-01T10:00:00Z back ''
} >twins
exits 0 cb-store put O2 -v <twins
ok "in one batch: by source and id, however spelt, of a camera and an hour" 'grep -q "5 events stored, 3 were there already" err'
ok "the first one stays" 'head -n 1 O2/cameras/front/2026-01-01/10.events | cmp -s - twins -n 100 && [ "$(wc -l <O2/cameras/front/2026-01-01/10.events)" = 3 ]'
# what others wrote while this one runs counts too
mkfifo lines
cb-store put O3 -v <lines >passed 2>said & pid=$!
exec 9>lines
ev 1 2026-01-01T10:00:00Z c '' >&9
_i=0
until [ -s passed ] || [ $_i = 200 ]; do sleep 0.02; _i=$((_i + 1)); done
ev 2 2026-01-01T10:00:00Z c '' | cb-store put O3 >/dev/null
{ ev 2 2026-01-01T10:00:00Z c ''; ev 3 2026-01-01T10:00:00Z c ''; } >&9
exec 9>&-
wait $pid
ok "another writer's events are known" 'grep -q "2 events stored, 1 were there already" said && [ "$(wc -l <O3/cameras/c/2026-01-01/10.events)" = 3 ]'
# a line that lost its LF in a crash is whole again, and one
ev 5 2026-01-01T10:00:00Z c '' | tr -d '\n' >>O3/cameras/c/2026-01-01/10.events
ev 5 2026-01-01T10:00:00Z c '' | cb-store put O3 >/dev/null
ok "a line without its LF gets it, not a twin" '[ "$(tail -n 1 O3/cameras/c/2026-01-01/10.events)" = "$(ev 5 2026-01-01T10:00:00Z c "")" ] && cb-store check O3 >/dev/null && [ "$(cb-query O3 events --format=ndjson | wc -l)" = 4 ]'
# a file that got shorter is looked at anew
mkfifo lines2
cb-store put O4 <lines2 >passed4 & pid=$!
exec 9>lines2
ev 1 2026-01-01T10:00:00Z c '' >&9
_i=0
until [ -s passed4 ] || [ $_i = 200 ]; do sleep 0.02; _i=$((_i + 1)); done
: >O4/cameras/c/2026-01-01/10.events
ev 1 2026-01-01T10:00:00Z c '' >&9
exec 9>&-
wait $pid
ok "what is gone is stored again" '[ "$(wc -l <O4/cameras/c/2026-01-01/10.events)" = 1 ]'

# --- the recorder stores its own events before it passes them on
script=
for _ in 1 2 3 4 5 6 7 8 9 10; do script=${script}IPPeP; done
i=0 twice=0
while [ $i -lt 5 ]; do
	i=$((i + 1))
	rm -rf R
	mkstream -n 2000 "${script}E" | cb-record R --tee --segment=1s --sync-interval=0 | cb-store put R --tee >tee.cbf
	cb-frame events tee.cbf | sort >a
	cb-query R events --format=ndjson | sort >b
	cmp -s a b || twice=$((twice + 1))
	[ -z "$(jq -r '.source + .id' b | sort | uniq -d)" ] || twice=$((twice + 1))
done
ok "recorder and put in one pipeline: every event once" '[ $twice = 0 ] && [ "$(grep -c cb.segment.closed b)" -ge 1 ]'
# analysed again from the store: the same events again
if command -v ffmpeg >/dev/null; then
	ffmpeg -nostdin -v error -f lavfi -i testsrc=size=160x120:rate=10:duration=4 -c:v libx264 -g 10 clip.mp4
	cb-ingest --camera=front --start-time=2026-01-01T00:00:00Z clip.mp4 |
		cb-record A --tee | cb-detect --no-objects | cb-store put A >first
	cb-query A events --format=ndjson >before
	cb-replay A | cb-detect --no-objects >again
	exits 0 cb-store put A -v <again
	ok "analysed again: nothing new ($(wc -l <again) events)" 'grep -q "0 events stored, $(wc -l <again) were there already" err && [ "$(wc -l <again)" -ge 10 ]'
	cb-query A events --format=ndjson >after
	same_file before after "analysed again: the store is as it was"
	cb-replay A --events | cb-store put A -v >/dev/null 2>err
	ok "replayed with its events: nothing new" 'grep -q " 0 events stored" err'
else
	skip "no ffmpeg" 4
fi

# --- several writers of one file
i=0
while [ $i -lt 4 ]; do
	(k=0; while [ $k -lt 200 ]; do ev "$i-$k" 2026-01-01T00:00:00Z many "\"k\":$k"; k=$((k + 1)); done | cb-store put W >/dev/null) &
	i=$((i + 1))
done
wait
ok "four at a time: every line whole" '[ "$(jq -c .id W/cameras/many/*/*.events | sort -u | wc -l)" = 800 ] && cb-store check W >/dev/null'
k=0
while [ $k -lt 400 ]; do ev "$k" 2026-01-01T00:00:00Z same "\"k\":$k"; k=$((k + 1)); done >same
mkfifo p1 p2 p3 p4
for i in 1 2 3 4; do cb-store put W2 -v <p$i >out$i 2>said$i & done
# by turns, so that each meets the others' lines
/usr/bin/python3 - <<'END'
import os, time
fds = [os.open("p%d" % i, os.O_WRONLY) for i in (1, 2, 3, 4)]
lines = open("same", "rb").read().splitlines(True)
for at in range(0, 400, 20):
    for k, fd in enumerate(fds):
        os.write(fd, b"".join(lines[at:at + 20]))
    time.sleep(0.002)
END
wait
ok "four writers of the same events: each once" '[ "$(wc -l <W2/cameras/same/2026-01-01/00.events)" = 400 ] && [ "$(jq -c .id W2/cameras/same/*/*.events | sort -u | wc -l)" = 400 ]'
ok "four writers of the same events: all four pass them on" 'cmp -s same out1 && cmp -s same out2 && cmp -s same out3 && cmp -s same out4'
ok "four writers of the same events: their counts add up" '[ "$(cat said1 said2 said3 said4 | awk "{ s += \$2; k += \$5 } END { print s, k }")" = "400 1200" ]'

# --- in a frame stream
mkstream IPePeIPE >e.cbf
exits 0 cb-store put F <e.cbf
cb-frame events e.cbf >want
same_file want out "without --tee: its events, as lines"
exits 0 cb-store put F2 --tee <e.cbf
same_file e.cbf out "--tee: the whole stream"
ok "stored" '[ "$(cat F2/cameras/cam1/*/*.events | wc -l)" = 2 ]'
mkstream IPeP >d.cbf
exits 65 cb-store put F3 --tee <d.cbf
ok "a cut stream: stored as far as it goes" '[ "$(cat F3/cameras/cam1/*/*.events | wc -l)" = 1 ]'
exits 65 cb-store put F4 --tee <in

# --- a reader that leaves, a full disk
ev % 2026-01-01T00:00:00Z c '' | awk '{ for (i = 0; i < 20000; i++) { l = $0; sub(/%/, i, l); print l } }' >big
{ cb-store put P <big 2>err; echo $? >code; } | head -n 1 >/dev/null
ok "a reader that leaves: said once, and all is stored" '[ "$(cat code)" = 0 ] && one && grep -q "storing goes on$" err &&
	[ "$(cat P/cameras/c/*/*.events | wc -l)" = 20000 ]'
_st=0
cb-store put P2 <big >/dev/full 2>err || _st=$?
ok "an output that cannot be written: 74, and all is stored" '[ $_st = 74 ] && one && grep -q "storing goes on$" err &&
	[ "$(cat P2/cameras/c/*/*.events | wc -l)" = 20000 ]'
_st=0
cb-store put -q P2 <in >/dev/full 2>err || _st=$?
ok "and with -q the error is said all the same" '[ $_st = 74 ] && one'
if [ -e "$CB_BUILD/aid/faultio.so" ] && ! ldd "$CB_BUILD/bin/cb-store" | grep -q asan; then
	cb-store put Q <in >/dev/null
	sed 's/"id":"/&again-/' in >in2
	_st=0
	LD_PRELOAD=$CB_BUILD/aid/faultio.so FAULT=write:1+:ENOSPC cb-store put Q <in2 >out 2>err || _st=$?
	ok "full disk: 74, one line, nothing passed on that is not stored ($_st)" '[ $_st = 74 ] && one && [ ! -s out ]'
	_st=0
	LD_PRELOAD=$CB_BUILD/aid/faultio.so FAULT=fdatasync:1:EIO cb-store put Q <in2 >out 2>err || _st=$?
	ok "sync fails: 74, nothing passed on" '[ $_st = 74 ] && one && [ ! -s out ]'
	exits 0 cb-store put Q -v <in2
	ok "afterwards all of them are there, once" '[ "$(find Q -name "*.events" -exec cat {} + | jq -r .id | sort -u | wc -l)" = 14 ] &&
		[ "$(find Q -name "*.events" -exec cat {} + | wc -l)" = 14 ]'
else
	skip "no fault injection under a sanitizer" 4
fi
# killed in the middle, again and again: what is there is whole and once, and the rest can be added
i=0
while [ $i -lt 20000 ]; do echo "$i"; i=$((i + 1)); done |
	sed 's|.*|{"specversion":"1.0","id":"&","source":"/x","type":"t","time":"2026-01-01T00:00:00Z","subject":"c","data":{"pad":"abcdefghijklmnopqrstuvwxyz"}}|' >lots
wrong=0
for ms in 1 5 10 20 40; do
	sh -c 'echo $$ >pid; exec cb-store put KP' <lots >passed 2>/dev/null & pid=$!
	sleep "$(printf '0.%03d' $ms)"
	kill -9 $pid 2>/dev/null || :
	wait $pid 2>/dev/null || :
	[ -d KP/cameras/c ] || continue
	sed "/}\$/!d" passed | sort >a; cat KP/cameras/c/*/*.events 2>/dev/null | sort >b
	[ -z "$(comm -23 a b)" ] || wrong=$((wrong + 1))
done
ok "put killed five times: all that came out is stored" '[ $wrong = 0 ]'
exits 0 cb-store put KP <lots
sort lots >a; sed '/}$/!d' KP/cameras/c/2026-01-01/00.events | sort >b
ok "put killed five times, then done: each event once" 'cmp -s a b'
# a disk that is full for good; a file system that cannot be written
if unshare -rm sh -c 'mount -t tmpfs -o size=300k none /mnt' 2>/dev/null; then
	cat >full.sh <<'END'
mount -t tmpfs -o size=300k none /mnt || exit 99
cb-store put /mnt/S <lots >passed 2>err
echo $? >code
head -c 400k /dev/zero >/mnt/fill 2>/dev/null
cb-record /mnt/S <e.cbf >rec 2>err2
echo $? >code2
rm /mnt/fill
cp -r /mnt/S fullcopy
rm -f /mnt/S/cameras/c/*/*.events
mkstream IPPE | cb-record /mnt/S >/dev/null && cb-store reindex /mnt/S && cp /mnt/S/index/* . ;
head -c 400k /dev/zero >/mnt/fill 2>/dev/null
cb-query /mnt/S segments >before
cb-store reindex /mnt/S 2>err3
echo $? >code3
cb-query /mnt/S segments >after
mount -o remount,ro /mnt
cb-store put /mnt/S <lots >passed4 2>err4
echo $? >code4
cb-record /mnt/S <e.cbf >rec5 2>err5
echo $? >code5
cb-store reindex /mnt/S 2>err6
echo $? >code6
cb-query /mnt/S segments >readonly && cb-store check /mnt/S >/dev/null && cb-replay /mnt/S --camera=cam1 >readonly.cbf
echo $? >code7
END
	unshare -rm sh full.sh 2>/dev/null
	ok "full disk, put: 74, one line" '[ "$(cat code)" = 74 ] && one && grep -q "c/2026-01-01/00.events: .*No space left" err' || note "$(cat code err)"
	ok "full disk, put: what was passed on is stored" '[ "$(head -n 1 passed)" = "$(head -n 1 lots)" ] || [ ! -s passed ] && [ "$(wc -l <passed)" -le "$(wc -l <fullcopy/cameras/c/2026-01-01/00.events)" ]'
	ok "full disk, put: no half line" '[ "$(tail -c 2 fullcopy/cameras/c/2026-01-01/00.events | od -An -c | tr -d " ")" = "}\n" ] || [ ! -s fullcopy/cameras/c/2026-01-01/00.events ]'
	ok "full disk, record: 74, one line" '[ "$(cat code2)" = 74 ] && [ "$(wc -l <err2)" = 1 ]' || note "$(cat code2 err2)"
	ok "full disk, reindex: 74, one line, answers as before" '[ "$(cat code3)" = 74 ] && [ "$(wc -l <err3)" = 1 ] && [ -s before ] && cmp -s before after' || note "$(cat code3 err3)"
	ok "read-only, put: 77, one line, nothing passed on" '[ "$(cat code4)" = 77 ] && [ "$(wc -l <err4)" = 1 ] && [ ! -s passed4 ]' || note "$(cat code4 err4)"
	ok "read-only, record: 77, one line" '[ "$(cat code5)" = 77 ] && [ "$(wc -l <err5)" = 1 ]' || note "$(cat code5 err5)"
	ok "read-only, reindex: 77, one line" '[ "$(cat code6)" = 77 ] && [ "$(wc -l <err6)" = 1 ]' || note "$(cat code6 err6)"
	ok "read-only: query, check and replay need no writing" '[ "$(cat code7)" = 0 ] && cmp -s before readonly && [ -s readonly.cbf ]' || note "$(cat code7)"
else
	skip "cannot mount a small file system here" 9
fi
mkdir -p H && echo "cb-store 1" >H/format && mkdir -p H/cameras && ln -s "$T" H/cameras/front
_st=0
cb-store put H <in >out 2>err || _st=$?
ok "a link is not followed ($_st)" '[ $_st -ge 64 ] && one && [ ! -e 2026-01-01 ]'
mkdir -p FF/cameras/c/2026-01-01 && cp S/format FF/ && mkfifo FF/cameras/c/2026-01-01/00.events
_st=0
head -n 1 lots | timeout 10 cb-store put FF >out 2>err || _st=$?
ok "a FIFO is no event file ($_st)" '[ $_st = 73 ] && one && grep -q "not a regular file" err && [ ! -s out ]'
exits 66 cb-store check nowhere
exits 65 cb-store check .
exits 64 cb-store put
exits 64 cb-store check S --tee

# --- check finds every flipped byte
mkstream -n 3000 IPPPPPPPPPPPPPIPPPPPPPPPPPPPE >v.cbf
cb-record V <v.cbf >/dev/null
exits 0 cb-store check V
valid_events out
ok "a sound store: what was read" 'grep -q "\"fragments\":2,\"packets\":28,.*\"findings\":0" out'
f=$(find V -name '*.mp4') m=$(find V -name '*.manifest')
chmod u+w "$f" "$m"
cp "$f" good.mp4; cp "$m" good.manifest
missed=0 n=0 size=$(stat -c %s "$f")
for at in 0 5 33 200 $((size / 3)) $((size / 2)) $((size - 1)) $((size - 3000)); do
	n=$((n + 1))
	cp good.mp4 "$f"
	byte=$(od -An -tu1 -j "$at" -N 1 "$f")
	# shellcheck disable=SC2059
	printf "\\$(printf %o $((byte ^ 64)))" | dd of="$f" bs=1 seek="$at" conv=notrunc status=none
	cb-store check V >out 2>err && missed=$((missed + 1))
	grep -q cb.store.finding out || missed=$((missed + 1))
done
cp good.mp4 "$f"
size=$(stat -c %s "$m")
for at in 0 20 60 100 200 $((size / 2)) $((size - 100)) $((size - 5)); do
	n=$((n + 1))
	cp good.manifest "$m"
	byte=$(od -An -tu1 -j "$at" -N 1 "$m")
	# shellcheck disable=SC2059
	printf "\\$(printf %o $((byte ^ 1)))" | dd of="$m" bs=1 seek="$at" conv=notrunc status=none
	cb-store check V >out 2>err && missed=$((missed + 1))
done
cp good.manifest "$m"
ok "$n flipped bits, $missed missed" '[ $missed = 0 ]'
exits 0 cb-store check V
truncate -s +1 "$f"
exits 1 cb-store check V
valid_events out
ok "bytes after the last fragment" 'grep -q "goes on" out'
cp good.mp4 "$f"
rm "$m"
exits 1 cb-store check V
cp good.manifest "$m"
exits 0 cb-store check V --camera=cam1
exits 66 cb-store check V --camera=cam2

# --- reindex
exits 0 cb-store reindex V
ok "nothing on stdout" '[ ! -s out ]'
exits 0 cb-store reindex V
ok "no litter" '[ "$(ls V/index | tr "\n" " ")" = "digest segments.mdb " ]'
done_testing
