#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-track: identities over cb.detection events.
. "$CB_SRC/tests/lib.sh"
need_cmd jq
boxes() { /usr/bin/python3 "$CB_SRC/tests/boxes.py" "$1"; }
tracks() { jq -r "select(.type == \"cb.track\").data | $2" "$1"; }

# --- one object ----------------------------------------------------------------------------------
boxes 'scene(pictures=40); box(0.1, 0.3, vx=0.1)' >one.nd
exits 0 cb-track <one.nd
cp out one.out
valid_events one.out
grep -v '"source":"/cb-track"' one.out >passed
same_file one.nd passed "what comes in is passed on byte for byte"
ok "one track, new, updates, end" \
	'[ "$(tracks one.out .state | uniq -c | tr -s " \n" " ")" = " 1 new 3 update 1 end " ]'
ok "one name" '[ "$(tracks one.out .track | sort -u | wc -l)" -eq 1 ]'
ok "new with the second picture, and it knows the first" \
	'[ "$(tracks one.out "select(.state == \"new\") | .t_us - .since_us, (.path | length)" | tr "\n" " ")" = "100000 2 " ]'
ok "the end is where it was seen last" \
	'[ "$(tracks one.out "select(.state == \"end\") | .t_us - .since_us, .duration_us, .seen, .reason" | tr "\n" " ")" = "3900000 3900000 40 closed " ]'
ok "the speed is that of the script" \
	'[ "$(tracks one.out "select(.state == \"end\").velocity | (.[0] * 1000 | round), (.[1] * 1000 | round)" | tr "\n" " ")" = "100 0 " ]'
ok "events follow the picture they speak of" \
	'[ "$(jq -s "[.[] | select(.type == \"cb.detection\" or (.type == \"cb.track\" and .data.state != \"end\")) | .data.t_us] | . == sort" one.out)" = true ]'

# --- the same bytes, however the events come -----------------------------------------------------
exits 0 cb-track <one.nd
same_file one.out out "and again"
(while IFS= read -r l; do printf '%s\n' "$l"; done <one.nd) | cb-track >slow.out
same_file one.out slow.out "line by line"

# --- two that cross, one that is hidden ----------------------------------------------------------
boxes 'scene(pictures=60); box(0.1, 0.3, vx=0.15, cls="p"); box(0.8, 0.32, vx=-0.15, cls="p")
box(0.4, 0.7, skip=range(20, 28), cls="p")' >three.nd
exits 0 cb-track --only <three.nd
ok "three tracks" '[ "$(tracks out "select(.state == \"end\") | .duration_us" | sort -u)" = 5900000 ] &&
	[ "$(tracks out .track | sort -u | wc -l)" -eq 3 ]'

# --- cameras and runs are kept apart -------------------------------------------------------------
boxes 'scene(camera="x", pictures=20); box(0.1, 0.3)' >x.nd
boxes 'scene(camera="y", pictures=20); box(0.1, 0.3)' >y.nd
boxes 'scene(camera="x", pictures=20, run="1" * 16); box(0.1, 0.3)' >z.nd
paste -d '\n' x.nd y.nd z.nd >xyz.nd
exits 0 cb-track --only <xyz.nd
ok "a tracker each" '[ "$(tracks out .track | sort -u | wc -l)" -eq 3 ]'
ok "what one gives is what it gives alone" 'jq -c "select(.subject == \"y\")" out >y1 && cb-track --only <y.nd >y2 && cmp y1 y2'

# --- time: any rate, gaps, again, late, back ---------------------------------------------------------
boxes 'at([0, 40000, 80000, 1000000, 1040000, 1900000, 2000000, 2040000, 3000000, 3100000]); box(0.2, 0.3, vx=0.05)' >rate.nd
exits 0 cb-track --only <rate.nd
ok "one track at changing rates" '[ "$(tracks out .track | sort -u | wc -l)" -eq 1 ] && [ "$(tracks out "select(.state == \"end\").seen")" -eq 10 ]'
ok "and its speed is right" '[ "$(tracks out "select(.state == \"end\").velocity[0] * 100 | round")" -eq 5 ]'
boxes 'at([0, 100000, 200000, 11000000, 11100000]); box(0.2, 0.3)' >gap.nd
exits 0 cb-track --only <gap.nd
ok "a gap ends it" '[ "$(tracks out "select(.state == \"end\").reason" | tr "\n" " ")" = "gap closed " ]'
exits 0 cb-track --only --gap=1m <gap.nd
ok "unless it is allowed" '[ "$(tracks out "select(.state == \"end\").reason" | tr "\n" " ")" = "closed " ]'
awk '{ print; print }' one.nd >twice.nd
exits 0 cb-track --only <twice.nd
jq -c 'select(.source == "/cb-track")' one.out >one.own
same_file one.own out "each twice: the second is left out"
ok "and that is said" 'grep -q "warning: 40 detections of a time that was there already were left out" err'
# neighbours swapped
awk 'NR % 2 { a = $0; next } { print; print a }' one.nd >late.nd
exits 0 cb-track --only <late.nd
ok "those that come late are left out, and that is said" 'grep -q "warning: 20 detections came after later ones and were left out" err &&
	[ "$(tracks out "select(.state == \"end\").seen")" -eq 20 ]'
boxes 'scene(start_us=1767225600000000 - 60000000, pictures=10); box(0.1, 0.3)' >past.nd
cat one.nd past.nd | cb-track --only >back.out 2>err
ok "time goes back: others begin" '[ "$(tracks back.out "select(.state == \"end\").reason" | tr "\n" " ")" = "gap closed " ] &&
	grep -q "warning: time went back 1 times" err'

# --- classes ----------------------------------------------------------------------------------------
boxes 'scene(pictures=20); box(0.1, 0.3, cls="car", skip=(9, 10)); box(0.1, 0.3, cls="truck", frm=9, to=11)' >names.nd
exits 0 cb-track --only <names.nd
ok "a class that flickers is one object, called by what it is most" '[ "$(tracks out "select(.state == \"end\") | .class" )" = car ]'
boxes 'scene(pictures=20); box(0.1, 0.3, cls="car"); box(0.103, 0.303, cls="truck", score=0.7)' >both.nd
exits 0 cb-track --only <both.nd
ok "two names for one box are one object" '[ "$(tracks out "select(.state == \"end\") | .class" )" = car ]'

# --- how it looks: two meet, are hidden, and go back ----------------------------------------------------
meet='x = lambda n: 0.1 + 0.02 * n if n < 20 else 0.5 - 0.02 * (n - 40)
scene(fps=25, pictures=60); box(x, 0.3, skip=range(19, 41)); box(lambda n: 1 - x(n), 0.3, skip=range(19, 41), cls="b")'
boxes "$meet" | jq -c '.data.objects |= map(.embedding = (if .class == "a" then [1, 0.1, 0] else [0, 0.2, 1] end) | .class = "p")' >looks.nd
valid_events looks.nd
exits 0 cb-track --only <looks.nd
ok "each goes back where it came from" '[ "$(tracks out "select(.state == \"end\") | (.path[0][1] - .path[-1][1]) | fabs < 0.1" | tr "\n" " ")" = "true true " ]'
jq -c 'del(.data.objects[].embedding)' looks.nd | cb-track --only >blind.out
ok "which nobody could tell from places" '[ "$(tracks blind.out "select(.state == \"end\") | (.path[0][1] - .path[-1][1]) | fabs < 0.1" | grep -c true)" -lt 2 ]'

# --- in a frame stream ----------------------------------------------------------------------------------
framed() {	# NDJSON to frames: HELLO, an EVENT a line, END unless cut
	/usr/bin/python3 -c 'if 1:
	import struct, sys
	sys.path.insert(0, sys.argv[1])
	from cbframe import crc32c
	seq = digest = 0
	def frame(kind, payload):
	    global seq, digest
	    head = struct.pack("<4sBBHHHIQI", b"\x89CBF", 1, kind, 0, 0, 0, len(payload), seq, crc32c(payload))
	    head += struct.pack("<I", crc32c(head))
	    digest = crc32c(head, digest)
	    seq += 1
	    sys.stdout.buffer.write(head + payload)
	frame(1, struct.pack("<qQBB6x65s65s", 0, 0, 1, 0, b"test", b"c"))
	for line in sys.stdin.buffer:
	    frame(5, line.rstrip(b"\n"))
	if len(sys.argv) < 3:
	    frame(7, struct.pack("<HHIQQQ", 0, 0, digest, seq, 0, 0))' "$CB_SRC/tests" "$@"
}
framed <one.nd >one.cbf
exits 0 cb-track <one.cbf
same_file one.out out "frames in, lines out"
exits 0 cb-track --tee <one.cbf
cp out tee.cbf
exits 0 cb-frame check tee.cbf
exits 0 cb-frame events tee.cbf
same_file one.out out "a tee passes all on, with the tracks in it"
framed cut <one.nd >cut.cbf
exits 65 cb-track --tee <cut.cbf
cp out tee.cbf
exits 65 cb-frame check tee.cbf
ok "a producer that died: what was followed is told, without an END" 'grep -q "no END" err'
exits 65 cb-frame events tee.cbf
ok "and the track has its end" '[ "$(tracks out "select(.state == \"end\").seen")" -eq 40 ]'

# --- yesterday's events -----------------------------------------------------------------------------------
need_cmd bash
cb-store put st <three.nd >/dev/null
exits 0 bash "$CB_SRC/examples/who.sh" st
ok "who was there, and for how long" '[ "$(cut -f 1,2,5 out | sort | tr "\t\n" "  ")" = "c p 1 5 s c p 2 5 s c p 3 5 s " ]' || note "$(cat out)"

# --- what is no event, and other events ----------------------------------------------------------
{ head -n 3 one.nd; echo '{}'; echo '{"specversion":"1.0","id":"1","source":"/d","type":"door","data":{"é":[1]}}'; tail -n +4 one.nd; } >odd.nd
exits 65 cb-track <odd.nd
ok "it is named" 'grep -q "^cb-track: warning: line 4: specversion" err'
ok "another event is passed on" 'grep -qx "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/d\",\"type\":\"door\",\"data\":{\"é\":\[1\]}}" out'
exits 64 cb-track --only --tee </dev/null
exits 65 cb-track --tee <one.nd
exits 0 cb-track </dev/null
jq -c '.data.objects[0].box = [1, 2, 3]' one.nd | head -n 1 >bad.nd
jq -c '.data.objects[0].score = 50' one.nd | head -n 1 >>bad.nd
jq -c 'del(.data.t_us, .time)' one.nd | head -n 1 >>bad.nd
jq -c '.data.objects[0].embedding = []' one.nd | head -n 1 >>bad.nd
exits 65 cb-track <bad.nd
same_file bad.nd out "detections that cannot be followed are passed on"
ok "and named" '[ "$(grep -c "^cb-track: warning: line [1-4]: cb.detection: " err)" -eq 4 ]' || note "$(cat err)"

# --- bounds: cameras, tracks, memory --------------------------------------------------------------------
/usr/bin/python3 - >cams.nd <<'PY'
base = ('{"specversion":"1.0","id":"1","source":"/x","type":"cb.detection","subject":"c%d","data":{"t_us":%d,'
        '"stream":0,"pts":null,"objects":[{"class":"a","score":0.9,"box":[0.1,0.1,0.1,0.1]}]}}')
for t in range(3):
    for c in range(300):
        print(base % (c, t * 100000))
PY
exits 0 cb-track --only <cams.nd
ok "of 300 cameras 256 are kept, and that is said" 'grep -q "more than 256 cameras .*: 644 were closed" err' || note "$(cat err)"
# a day of 25 pictures a second, people coming and going, in a fiftieth of the time: the memory of a tenth of it
/usr/bin/python3 - >day.nd <<'PY'
import random
rnd = random.Random(1)
base = ('{"specversion":"1.0","id":"%032x","source":"/cb-detect","type":"cb.detection","subject":"front","data":{"t_us":%d,'
        '"stream":0,"pts":%d,"packet":"%064x","run":"5f3a9c0e71d2b846","width":1280,"height":720,"objects":[%s]}}')
people = []
for n in range(43200):
    if rnd.random() < 0.02 and len(people) < 8:
        people.append([rnd.random() * 0.1, 0.3 + rnd.random() * 0.3, rnd.uniform(0.0005, 0.004)])
    for p in people:
        p[0] += p[2]
    people = [p for p in people if p[0] < 0.93]
    print(base % (n, n * 40000, n, n, ",".join('{"class":"person","class_id":0,"score":0.9,"box":[%.4f,%.4f,0.05,0.2]}' %
                                                (p[0], p[1] + rnd.uniform(-0.004, 0.004)) for p in people)))
PY
head -n 4320 day.nd >morning.nd
peak() {	# FILE: peak resident memory in KiB, output in out
	/usr/bin/python3 -c 'import resource, subprocess, sys
r = subprocess.run(["cb-track", "--only"], stdin=open(sys.argv[1]), stdout=open("out", "w"))
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(r.returncode)' "$1"
}
peak morning.nd >a && a=$(cat a)
peak day.nd >b && b=$(cat b)
note "peak memory: $a KiB after a tenth, $b KiB after all"
if sanitized; then
	skip "memory of a sanitizer build says nothing"
else
	ok "constant memory" '[ "$b" -le $((a + 256)) ]'
fi
ok "and every one of them was followed" '[ "$(tracks out "select(.state == \"new\").number" | wc -l)" -gt 500 ] &&
	[ "$(tracks out "select(.state == \"new\").number" | wc -l)" -eq "$(tracks out "select(.state == \"end\").number" | wc -l)" ]'
done_testing
