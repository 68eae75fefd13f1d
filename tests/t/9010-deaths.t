#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The pipeline of five with each of its members killed, or asked to stop, in turn, and all at
# once as Ctrl-C does: what each exits with, what it says, and what the store holds after it.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq

wait_for() {	# EXPR: at most twenty seconds
	_w=0
	until eval "$1"; do
		_w=$((_w + 1))
		[ $_w -lt 400 ] || return 1
		sleep 0.05
	done
}

ffmpeg -v error -f lavfi -i testsrc2=s=160x120:r=10:d=8 -c:v libx264 -g 10 -bf 2 -pix_fmt yuv420p clip.ts
half=$(($(wc -c <clip.ts) / 2))
printf 'rules:\n  - {name: any, type: "cb.detection", message: "seen"}\n' >r.yml
# each member writes its process id down first, then becomes the tool
for i in 1 2 3 4 5; do
	# shellcheck disable=SC2016
	printf '#!/bin/sh\necho $$ >p.%s\nexec "$@" 2>e.%s\n' $i $i >m$i
	chmod +x m$i
done
# the second half of the clip comes when somebody makes the file go
cat >source <<S
#!/bin/sh
trap '' INT
head -c $half clip.ts
until [ -e go ]; do sleep 0.05; done
tail -c +$((half + 1)) clip.ts
S
chmod +x source
cat >line <<'S'
#!/bin/bash
./source 2>/dev/null | ./m1 cb-ingest - --camera front --start-time 2026-11-21T07:00:00Z |
	./m2 cb-record store --tee --sync-interval 0 | ./m3 cb-detect --no-objects | ./m4 cb-store put store |
	./m5 cb-alert -c r.yml --pass >alerts.ndjson
s=("${PIPESTATUS[@]}")
echo "${s[@]:1}" >status
S
chmod +x line

# SIGNAL WHOM EXPECTED: a pattern for the five exit statuses
strike() {
	want=$3
	rm -rf store go p.? e.? status alerts.ndjson
	./line 2>/dev/null &
	line=$!
	ok "$1 $2: the pipeline runs" 'wait_for "grep -q cb.alert alerts.ndjson 2>/dev/null && [ -s p.1 ] && [ -s p.2 ]"'
	if [ "$2" = all ]; then
		# shellcheck disable=SC2046
		kill "-$1" $(cat p.1 p.2 p.3 p.4 p.5)
		victim=$(cat p.1)
	else
		victim=$(cat "p.$2")
		kill "-$1" "$victim"
	fi
	wait_for '! kill -0 "$victim" 2>/dev/null'
	: >go
	wait "$line"
	ok "$1 $2: they exit $3" 'grep -qxE "$want" status' || note "$(cat status)"
	for i in 1 2 3 4 5; do
		[ "$(wc -l <e.$i)" -le 1 ] && ! grep -qv "^cb-[a-z]*: " e.$i || note "e.$i: $(cat e.$i)"
	done >said
	ok "$1 $2: one line each at most" '[ ! -s said ]' || cat said
	exits 0 cb-store check store
	ok "$1 $2: no line of the alerts is cut" '[ "$(tail -c 1 alerts.ndjson)" = "" ]'
	valid_events alerts.ndjson
}
parts() { find store -name '*.part' | wc -l; }
packets() { cb-replay store --camera front 2>/dev/null | cb-frame dump - 2>/dev/null | grep -c ' PACKET '; }

strike KILL 1 '137 65 65 0 0'
ok "both that read frames say that their producer died" \
	'grep -q "no END after frame [0-9]*: the producer died" e.2 && grep -q "the producer died" e.3 && [ ! -s e.4 ] && [ ! -s e.5 ]'
ok "the segment is sealed" '[ "$(parts)" -eq 0 ]'
exits 0 cb-query store gaps --format ndjson

strike KILL 2 '141 137 65 0 0'
ok "only the detector has something to say" 'grep -q "the producer died" e.3 && [ ! -s e.1 ] && [ ! -s e.4 ] && [ ! -s e.5 ]'
ok "a segment is left open" '[ "$(parts)" -gt 0 ]'
ingest="cb-ingest clip.ts --camera front --start-time 2026-11-21T08:00:00Z"
$ingest 2>/dev/null | cb-record store >again 2>err
ok "the next recorder closes it" 'grep -q cb.recording.recovered again && [ "$(parts)" -eq 0 ]'
exits 0 cb-store check store

strike KILL 3 '0 0 137 0 0'
ok "the recorder says that nobody reads" 'grep -qx "cb-record: warning: nobody reads the output any more; recording goes on" e.2'
ok "and records all 80 pictures" '[ "$(packets)" -eq 80 ]'

strike KILL 4 '0 0 141 137 0'
ok "all 80 are recorded, the events so far are stored" '[ "$(packets)" -eq 80 ] && cb-query store events --format ndjson | grep -q cb.detection'

strike KILL 5 '0 0 0 0 137'
ok "cb-store says that nobody reads" 'grep -qx "cb-store: warning: nobody reads the output any more; storing goes on" e.4'
ok "and stores what is seen to the end" '[ "$(cb-query store events --format ndjson --type cb.detection | wc -l)" -eq 80 ]'
ok "all 80 are recorded" '[ "$(packets)" -eq 80 ]'

strike TERM 1 '0 0 0 0 0'
ok "the recorder says why it ended" '[ "$(jq -r "select(.type == \"cb.recording.stopped\") | .data.reason" alerts.ndjson)" = end ]' || note "$(grep cb.recording alerts.ndjson)"
strike TERM 2 '(0|141) 0 0 0 0'
ok "what is recorded is sealed" '[ "$(parts)" -eq 0 ]'
strike TERM 3 '0 0 0 0 0'
ok "all 80 are recorded" '[ "$(packets)" -eq 80 ]'
strike TERM 4 '0 0 141 0 0'
strike TERM 5 '0 0 0 0 0'
strike INT all '0 0 0 0 0'
ok "nobody says anything" '! grep -q . e.1 e.2 e.3 e.4 e.5'
ok "what is recorded is sealed" '[ "$(parts)" -eq 0 ]'
cb-replay store --camera front >out.cbf
exits 0 cb-frame check out.cbf
done_testing
