#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A live source for as long as it is wanted: workers that end, die, hang, send rubbish or things
# that are not theirs to send, one after another behind one output that goes on. The workers are
# scripts here, in the place of the programs of libexec; their streams are mkstream's. Without the
# sandbox: no shell can be started in there.
. "$CB_SRC/tests/lib.sh"
need_cmd jq
PATH=$CB_BUILD/aid:$PATH
CB_LIBEXEC=$T/libexec
export CB_LIBEXEC
mkdir libexec

# SCRIPT: the body of a worker; $n is 1, 2, 3 ... ; S makes a stream of letters, P pieces of one
worker() {
	rm -f count
	{
		echo '#!/bin/sh'
		echo "cd '$T'; n=\$(cat count 2>/dev/null || echo 0); n=\$((n + 1)); echo \$n >count; echo \$\$ >pid.\$n"
		echo "echo \"\$*\" >args.\$n"
		echo 'S() { mkstream -l -c cam "$@"; }'
		printf '%s\n' "$1"
	} >libexec/cb-rtsp.new
	chmod +x libexec/cb-rtsp.new
	mv libexec/cb-rtsp.new libexec/cb-rtsp
	ln -sf cb-rtsp libexec/cb-libav
}
ingest() { timeout -k 5 30 cb-ingest --sandbox=off --camera cam --timeout 0.5s --retry-first 0.1s "$@" rtsp://camera/live >out.cbf 2>err; }
kinds() { cb-frame dump out.cbf | awk '{ k = $2; sub(/ .*/, "", k); if (k == "PACKET") k = "P"; printf "%s ", k }'; }
events() { cb-frame events out.cbf >ev 2>/dev/null; jq -r '.type + " " + (.data.reason // "")' ev | tr '\n' ';'; }
# dead, whether its parent has noticed or not
gone() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }

# --- nothing to try again: what a worker says is what a person sees
worker 'S IPPPE'
_st=0; ingest --retry=never || _st=$?
ok "a source that ends ($_st)" '[ $_st -eq 0 ] && [ ! -s err ]'
exits 0 cb-frame check out.cbf
ok "is passed on" '[ "$(kinds)" = "HELLO STREAM STREAM P P P P END " ]' || note "$(kinds)"
cb-frame dump out.cbf >dump
ok "in our name" 'head -n 1 dump | grep -q "producer=\"cb-ingest [0-9.]*\" camera=cam live=1"'
cb-frame hash out.cbf >a
mkstream -l -c cam IPPPE | cb-frame hash >b
same_file a b "packet by packet"
ok "the worker is told what to do" 'grep -q "timeout-ns=500000000 status=3 sandbox=2 source=rtsp://camera/live$" args.1' || note "$(cat args.1)"

worker "printf 'M\\0\\0\\0\\0\\0\\0\\0rtsp://camera/live: 401 Unauthorized' >&3; exit 77"
_st=0; ingest || _st=$?
ok "a wrong password is an error at once ($_st), with one line" \
	'[ $_st -eq 77 ] && [ "$(cat err)" = "cb-ingest: rtsp://camera/live: 401 Unauthorized" ] && [ ! -s out.cbf ]' || note "$(cat err)"
_st=0; ingest --retry=always || _st=$?
ok "also with --retry=always: trying again would lock the account ($_st)" '[ $_st -eq 77 ] && [ "$(cat count)" = 2 ]'
worker "printf 'E\\0\\0\\0\\0\\0\\0\\0no answer' >&3; exit 69"
_st=0; ingest || _st=$?
ok "a camera that is not there, too ($_st)" '[ $_st -eq 69 ] && [ "$(cat err)" = "cb-ingest: no answer" ] && [ "$(cat count)" = 1 ]'
worker 'kill -SEGV $$'
_st=0; ingest || _st=$?
ok "a worker that crashes at once ($_st)" '[ $_st -eq 69 ] && grep -q "killed by signal 11" err && [ "$(wc -l <err)" = 1 ]'
worker 'S IPP'
_st=0; ingest --retry=never || _st=$?
ok "one that dies in the middle ($_st)" '[ $_st -eq 69 ] && grep -q "left in the middle of its stream" err'
exits 0 cb-frame check out.cbf
ok "what came is there, and END says that it was no good end" \
	'[ "$(kinds)" = "HELLO STREAM STREAM P P P END " ] && cb-frame dump out.cbf | grep -q "END reason=error"'
rm -f libexec/cb-rtsp libexec/cb-libav
exits 71 cb-ingest rtsp://camera/live
ok "no program" 'grep -q "libexec/cb-[a-z]*, which is installed with cb-ingest: No such file" err'

# --- one after another. What comes between is told: lost at once, GAP and back with the next STREAM
# WHAT SCRIPT REASON GAP: the first two workers do something wrong, the third ends well, by --duration
again() {
	worker 'if [ $n -gt 2 ]; then S IPPPPPE | head -c -64; exec sleep 9; fi; '"$2"
	cb-ingest --sandbox=off --camera cam --timeout 0.5s --retry-first 0.1s rtsp://camera/live >out.cbf 2>err &
	pid=$!
	wait_for '[ "$(cat count 2>/dev/null)" -ge 3 ] 2>/dev/null && sleep 0.2'
	kill -TERM $pid
	_st=0; wait $pid || _st=$?
	ok "$1: asked to stop, 0 ($_st)" '[ $_st -eq 0 ]' || note "$(cat err)"
	cb-frame check out.cbf >chk 2>&1; _st=$?
	ok "$1: a whole stream ($_st)" '[ $_st -eq 0 ]' || note "$(cat chk)"
	ok "$1: told" 'case "$(events)" in "cb.source.lost '"$3"';cb.source.back ;cb.source.lost '"$3"';cb.source.back ;"*) :;; *) false;; esac' || note "$(events) $(cat ev)"
	cat ev >>all.ev
	cb-frame dump out.cbf >dump
	ok "$1: a GAP before each new STREAM" '[ "$(grep -c "GAP.*reason='"$4"'" dump)" = 2 ] && ! grep GAP dump | grep -q "from=-\|to=-"' || note "$(grep GAP dump)"
	ok "$1: a warning each" '[ "$(grep -c "^cb-ingest: warning: .*it is tried again$" err)" = 2 ] && [ "$(wc -l <err)" = 2 ]' || note "$(cat err)"
	ok "$1: every packet once" '[ "$(grep -c PACKET dump)" = '"$5"' ]' || note "$(kinds)"
	ok "$1: nobody is left" 'gone $(cat pid.1) && gone $(cat pid.2) && gone $(cat pid.3)'
}
again "ends" 'S IPPE' ended source 12
again "dies" 'S IPP' worker cut 12
again "is killed" 'S IPP; kill -KILL $$' worker cut 12
again "fails and says why" 'S IPP; printf "E\0\0\0\0\0\0\0gone" >&3; exit 69' worker cut 12
again "hangs" 'S IPP; exec sleep 9' silent source 12
again "hangs and does not want to go" 'trap "" TERM; S IPP; while :; do sleep 0.1; done' silent source 12
again "a damaged frame" 'S "IPP!P"; exec sleep 9' worker cut 12
again "is cut in half" 'S "IPP/P"' worker cut 12
again "rubbish" 'S IPP; head -c 100000 /dev/zero' worker cut 12

valid_events all.ev

# --- what is not a worker's to send, made by hand: EVENT, PACKET, and kinds that nobody sends
cat >forge.py <<'P'
"""forge.py WHAT: a stream that begins well; then something that it may not send, or may"""
import json, os, struct, sys, time
sys.path.insert(0, os.environ["CB_SRC"] + "/tests")
import cbframe
seq = 0
def put(kind, flags, stream, payload):
    global seq
    head = struct.pack("<4sBBHHHIQI", b"\x89CBF", 1, kind, flags, stream, 0, len(payload), seq, cbframe.crc32c(payload))
    seq += 1
    sys.stdout.buffer.write(head + struct.pack("<I", cbframe.crc32c(head)) + payload)
    sys.stdout.buffer.flush()
def packet(stream=0, flags=1, data=b"\0\0\0\1\x65"):
    put(3, flags, stream, struct.pack("<qqqqQBBHIII", 0, 0, 0, 10**18, 1, 2, 0, 0, 0, 0, 0) + data)
def event(type="cb.clock", source="/cb-ingest", subject="cam", **more):
    e = {"specversion": "1.0", "id": "x", "source": source, "type": type, "time": "2026-11-21T07:00:00.000000Z",
         "subject": subject, "data": {"t_us": 1795244400000000}}
    e.update(more)
    put(5, 0, 0, json.dumps({k: v for k, v in e.items() if v is not None}).encode())
def stream(n, kind, codec):
    put(2, 0, n, struct.pack("<24sBBBBII", codec, kind, 0, 0, 0, 1, 1000).ljust(192, b"\0"))
put(1, 1, 0, struct.pack("<qQBB6s65s65s", 10**18, 1, 2, 0, b"", b"x", b"other"))
stream(0, 1, b"mjpeg")
packet()
what = sys.argv[1]
if what == "good":
    event()
    event("cb.stream.oddity")
    event("cb.camera.metadata")
elif what == "alert":
    event("cb.alert")
elif what == "prefix":
    event("cb.clockwork")
elif what == "escaped":
    put(5, 0, 0, b'{"specversion":"1.0","id":"x","source":"/cb-ingest","type":"cb.\\u0063lock","subject":"cam","data":{"t_us":1}}')
elif what == "program":
    event(source="/cb-detect")
elif what == "camera":
    event(subject="other")
elif what == "nobody":
    event(subject=None)
elif what == "json":
    put(5, 0, 0, b"{")
elif what == "stranger":
    packet(7)
elif what == "number":
    packet(64)
elif what == "picture":
    put(4, 0, 0, b"\0" * 80 + b"x")
elif what == "later":
    put(99, 0, 0, b"x")
elif what == "hello":
    put(1, 1, 0, struct.pack("<qQBB6s65s65s", 10**18, 1, 2, 0, b"", b"x", b"other"))
elif what == "clock":
    put(3, 0, 0, struct.pack("<qqqqQBBHIII", 0, 0, 0, 10**18, 1, 9, 0, 0, 0, 0, 0) + b"x")
elif what == "gap":
    put(6, 0, 0, b"\0" * 40 + b"xx")
elif what == "stream":
    stream(0, 9, b"mjpeg")
elif what == "flood":			# events, and no picture any more
    while True:
        event()
        time.sleep(0.01)
elif what == "storm":
    while True:
        event()
elif what == "sound":
    stream(1, 2, b"pcm_alaw")
    while True:
        packet(1)
        time.sleep(0.01)
elif what == "din":			# the same without a pause
    stream(1, 2, b"pcm_alaw")
    while True:
        packet(1)
elif what == "run":
    while True:
        packet()
        time.sleep(0.05)
elif what == "burst":
    for i in range(2200):
        packet(0, int(i % 100 == 0), b"\0" * 20000)
    open("done", "w").close()
    time.sleep(9)
elif what == "trickle":			# a byte now and then of a frame that never ends
    sys.stdout.buffer.write(struct.pack("<4sBBHHHIQI", b"\x89CBF", 1, 3, 0, 0, 0, 1000, seq, 0)[:8])
    for _ in range(1000):
        sys.stdout.buffer.write(b"\0")
        sys.stdout.buffer.flush()
        time.sleep(0.05)
else:
    sys.exit(1)
packet()
put(7, 0, 0, b"\0" * 32)
P
forge() { worker "exec /usr/bin/python3 '$T/forge.py' $1"; _st=0; ingest --retry=never || _st=$?; }
forge good
ok "its own events are passed on, its END's totals are checked ($_st)" \
	'[ $_st -eq 69 ] && grep -q "END: its totals" err && [ "$(kinds)" = "HELLO STREAM P EVENT EVENT EVENT P END " ]' || note "$(kinds) $(cat err)"
ok "the camera's name is ours" 'cb-frame dump out.cbf | head -n 1 | grep -q "camera=cam "'
for what in alert prefix escaped program camera nobody json stranger number picture later hello clock gap stream; do
	forge $what
	ok "$what: that was the end of it ($_st)" \
		'[ $_st -eq 69 ] && grep -q "the worker sent what it may not" err && [ "$(kinds)" = "HELLO STREAM P END " ]' || note "$(kinds) $(cat err)"
done
forge storm
ok "storm: that was the end of it ($_st)" '[ $_st -eq 69 ] && grep -q "the worker sent what it may not: too many frames that are no media" err' || note "$(cat err)"
for what in flood sound din trickle; do
	forge $what
	ok "$what: no picture ($_st)" '[ $_st -eq 69 ] && [ "$(cat err)" = "cb-ingest: rtsp://camera/live: no video for 0.5 s" ]' || note "$(cat err)"
done

# --- asked to stop, killed, left alone
worker 'trap "echo bye >said; exit 0" TERM; S IPP; while :; do sleep 0.05; done'
cb-ingest --sandbox=off --camera cam rtsp://camera/live >out.cbf 2>err &
pid=$!
wait_for '[ "$(wc -c <out.cbf)" -gt 900 ]'
kill -TERM $pid
_st=0; wait $pid || _st=$?
ok "SIGTERM: 0, END, and the worker could say good-bye ($_st)" '[ $_st -eq 0 ] && grep -q bye said && cb-frame dump out.cbf | grep -q "END reason=stopped"'
worker 'if [ $n = 1 ]; then S IPP; exit; fi; printf "E\0\0\0\0\0\0\0gone" >&3'
cb-ingest --sandbox=off --camera cam --retry-first 0.1s --timeout 0.5s rtsp://camera/live >out.cbf 2>err &
pid=$!
wait_for '[ "$(cat count 2>/dev/null)" -ge 3 ] 2>/dev/null'
kill -TERM $pid
_st=0; wait $pid || _st=$?
ok "while there is nothing: 0, and the GAP goes on to the end ($_st)" '[ $_st -eq 0 ] && [ "$(kinds)" = "HELLO STREAM STREAM P P P EVENT GAP END " ]' || note "$(kinds)"
ok "one event for all that failed in between" '[ "$(events)" = "cb.source.lost worker;" ]' || note "$(events)"
worker ': >began; exec sleep 20'
cb-ingest --sandbox=off --camera cam rtsp://camera/live >out.cbf 2>err &
pid=$!
wait_for '[ -e began ]'
kill -TERM $pid
_st=0; wait $pid || _st=$?
ok "before anything came: 0, and an empty stream that is whole ($_st)" '[ $_st -eq 0 ] && [ "$(kinds)" = "HELLO END " ] && [ ! -s err ]' || note "$(kinds) $(cat err)"
exits 0 cb-frame check out.cbf
exits 0 cb-record empty <out.cbf
worker 'if [ $n = 1 ]; then S IPP; exit; fi; printf "M\0\0\0\0\0\0\0wrong: 401" >&3; exit 77'
cb-ingest -v --sandbox=off --camera cam --retry-first 0.1s rtsp://camera/live >out.cbf 2>err &
pid=$!
wait_for 'grep -q "401; again in" err'
kill -TERM $pid
_st=0; wait $pid || _st=$?
ok "a password that is wrong all at once is not tried often ($_st)" '[ $_st -eq 0 ] && sed -n "s/.*401; again in \(.*\) s/\1/p" err | awk "\$1 < 1.5 { bad = 1 } END { exit bad }"' || note "$(cat err)"
worker 'case $n in 1|2|3) S IPP ;; 4) S IPPPPPPP >whole; head -c 1200 whole; sleep 1.5; tail -c +1201 whole | head -c -64 ;; *) exec sleep 9 ;; esac'
cb-ingest -v --sandbox=off --camera cam --retry-first 0.1s --timeout 5s rtsp://camera/live >out.cbf 2>err &
pid=$!
wait_for '[ "$(cat count 2>/dev/null)" -ge 5 ] 2>/dev/null'
kill -TERM $pid
wait $pid
ok "the waits grow, and begin again when media has come for a while" 'sed -n "s/.*; again in \(.*\) s/\1/p" err | awk "{ w[NR] = \$1 } END { exit !(NR == 4 && w[1] <= 0.1 && w[3] >= 0.2 && w[4] <= 0.1) }"' || note "$(cat err)"
worker 'S IPP; exec sleep 20'
cb-ingest --sandbox=off --camera cam --retry-first 0.1s --timeout 20s rtsp://camera/live >out.cbf 2>err &
pid=$!
wait_for '[ "$(wc -c <out.cbf)" -gt 900 ]'
kill -KILL $pid
wait $pid 2>/dev/null
ok "killed: the worker does not stay" 'wait_for "gone \$(cat pid.1)"'
worker "exec /usr/bin/python3 '$T/forge.py' run 2>/dev/null"
{ cb-ingest --sandbox=off --camera cam --retry-first 0.1s --timeout 20s rtsp://camera/live; echo $? >st; } | head -c 500 >/dev/null
ok "nobody reads any more: it goes without a word, the worker too" '[ "$(cat st)" -ge 128 ] && wait_for "gone \$(cat pid.1)"' || note "$(cat st)"
worker 'S IPPE'
_st=0; cb-ingest --sandbox=off --camera cam rtsp://camera/live >/dev/full 2>err || _st=$?
ok "nowhere to write: 74 ($_st)" '[ $_st -eq 74 ] && [ "$(tail -n 1 err)" = "cb-ingest: output: write: No space left on device" ]' || note "$(cat err)"

# a reader that does not read: the worker never waits, and neither memory nor loss goes uncounted
worker "exec /usr/bin/python3 '$T/forge.py' burst"
mkfifo slow
cb-ingest --sandbox=off --camera cam --timeout 20s rtsp://camera/live >slow 2>err &
pid=$!
{ wait_for '[ -e done ] && sleep 0.2'; kill -TERM $pid; cat; } <slow >out.cbf
_st=0; wait $pid || _st=$?
ok "a slow reader ($_st): the worker was done before it began" '[ -e done ]'
cb-frame dump out.cbf >dump
lost=$(sed -n 's/.* GAP .*reason=overflow.* packets=\([0-9]*\) .*/\1/p' dump | awk '{ n += $1 } END { print n + 0 }')
ok "what came and what the GAPs count is everything: $(grep -c PACKET dump) + $lost" '[ $(($(grep -c PACKET dump) + lost)) -eq 2201 ] && [ "$lost" -ge 100 ]'

# --- before anything came, with --retry=always: the stream begins, so that somebody is told
worker 'if [ $n -lt 3 ]; then printf "E\0\0\0\0\0\0\0not yet" >&3; exit 69; fi; S IPPE | head -c -64; exec sleep 9'
cb-ingest --sandbox=off --camera cam --retry-first 0.1s --retry=always --timeout 2s rtsp://camera/live >out.cbf 2>err &
pid=$!
wait_for '[ "$(cat count 2>/dev/null)" -ge 3 ] 2>/dev/null && sleep 0.3'
kill -TERM $pid
_st=0; wait $pid || _st=$?
ok "a camera that is switched on later ($_st)" '[ $_st -eq 0 ] && [ "$(kinds)" = "HELLO EVENT EVENT STREAM STREAM P P P END " ]' || note "$(kinds)"
cb-frame events out.cbf >ev
ok "lost, with the reason; back, after so many attempts" '[ "$(jq -r ".data.text // .data.attempts" ev | tr "\n" " ")" = "not yet 2 " ]' || note "$(cat ev)"
valid_events ev

worker 'if [ $n -lt 3 ]; then S E; exit; fi; S IPPE | head -c -64; exec sleep 9'
cb-ingest --sandbox=off --camera cam --retry=always --retry-first 0.1s rtsp://camera/live >out.cbf 2>err &
pid=$!
wait_for '[ "$(cat count 2>/dev/null)" -ge 3 ] 2>/dev/null && sleep 0.3'
kill -TERM $pid
_st=0; wait $pid || _st=$?
ok "one that ends before anything came is tried again as well ($_st)" '[ $_st -eq 0 ] && [ "$(cb-frame dump out.cbf | grep -c PACKET)" = 3 ]' || note "$(kinds)"

# --- a hundred connections leave nothing behind
worker 'S IPPE'
cb-ingest --sandbox=off --camera cam --retry-first 1ms rtsp://camera/live >out.cbf 2>err &
pid=$!
fds() { ls /proc/$pid/fd | wc -l; }
wait_for '[ "$(cat count 2>/dev/null)" -ge 10 ] 2>/dev/null'
before=$(fds)
wait_for '[ "$(cat count 2>/dev/null)" -ge 110 ] 2>/dev/null'
after=$(fds)
ok "descriptors: $before, $after" '[ "$after" -le $((before + 3)) ]'
ok "no process waits to be buried" '[ "$(pgrep -c -P $pid)" -le 1 ]'
kill -TERM $pid
_st=0; wait $pid || _st=$?
ok "and it ends as it should ($_st)" '[ $_st -eq 0 ]'
exits 0 cb-frame check out.cbf

# --- --duration goes on over the gap; credentials reach each worker, and nobody else
(umask 077 && echo 'me:secret' >pass)
worker 'cat <&4 >>got; S IPPE'
cb-ingest --sandbox=off --camera cam --retry-first 0.1s --credentials pass --timeout 1s --duration 1s rtsp://camera/live >out.cbf 2>err &
pid=$!
wait_for '[ "$(cat count 2>/dev/null)" -ge 2 ] 2>/dev/null'
_st=0; wait $pid || _st=$?
ok "--duration ends it ($_st)" '[ $_st -eq 0 ] && cb-frame dump out.cbf | grep -q "END reason=stopped"'
ok "each got the password, through a descriptor" '[ "$(sort -u got)" = me:secret ] && [ "$(wc -l <got)" = "$(cat count)" ] && ! grep -q secret args.*'
ok "each has less time left" 'grep -q "duration-ns=1000000000" args.1 && grep -q "duration-ns=[0-9]\{9\} " args.2' || note "$(cat args.*)"

# --- only where it has a meaning
exits 64 cb-ingest --retry=later clip.mp4
exits 64 cb-ingest --retry=sometimes rtsp://camera/live
done_testing
