#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# examples/: a list of cameras as pipelines that are started again, and the systemd unit.
. "$CB_SRC/tests/lib.sh"
need_cmd jq ffmpeg
PATH=$CB_SRC/examples:$CB_BUILD/aid:$PATH

# --- the list
exits 0 cb-cameras -f "$CB_SRC/examples/cameras.yml" list
ok "three cameras" '[ "$(tr "\n" " " <out)" = "front yard door " ]'
exits 0 cb-cameras -f "$CB_SRC/examples/cameras.yml" show yard
ok "options of all and of one, a login that stands elsewhere, what follows" '[ "$(cat out)" = "cb-ingest rtsp://192.0.2.8:554/live --camera=yard --retry=always --credentials=/etc/cb/yard.login | cb-record /srv/cb --metrics=/run/cb/yard.prom --tee --segment=1m --segment=5m
    | cb-detect --no-objects
    | cb-store put /srv/cb" ]' || note "$(cat out)"
refused() {	# WHAT LINES
	printf '%b' "$2" >bad.yml
	exits 78 cb-cameras -f bad.yml list
	ok "$1: one line, with its number" '[ "$(wc -l <err)" = 1 ] && grep -q "^cb-cameras: bad.yml:\( camera\|[0-9]*: \)" err' || note "$(cat err)"
}
ok_cam='cameras:\n  a:\n    source: x\n'
refused "an unknown key" "stores: x\n$ok_cam"
refused "a camera's unknown key" "${ok_cam}    sauce: y\n"
refused "a camera without source" 'cameras:\n  a:\n    record: --segment=1m\n'
refused "a camera twice" "${ok_cam}  a:\n    source: y\n"
refused "a name that is none" 'cameras:\n  ../a:\n    source: x\n'
refused "a tab" 'cameras:\n\ta:\n'
refused "a flow mapping" 'cameras: {a: {source: x}}\n'
refused "an anchor" 'store: &s /srv\n'
refused "several documents" "---\n$ok_cam"
refused "a list that is none" "${ok_cam}    record:\n      - x\n"
refused "an escape character" "store: /\\033[2J\n"
exits 66 cb-cameras -f nowhere.yml list
exits 64 cb-cameras -f "$CB_SRC/examples/cameras.yml" run cellar
exits 64 cb-cameras -f "$CB_SRC/examples/cameras.yml" dance

# --- once
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=64x48:r=25:d=4 -c:v libx264 -preset ultrafast -g 12 clip.mp4
cat >cameras.yml <<END
store: $T/S
ingest: --start-time=2026-11-21T07:00:00Z
cameras:
  one:
    source: clip.mp4
  tee:
    source: "clip.mp4"   # quoted
    then:
      - cb-store put $T/S
      - cat
  'gone':
    source: no-such.mp4
END
exits 78 cb-cameras list
sed -i "s/'gone'/gone/" cameras.yml
exits 0 cb-cameras one one
ok "recorded; events on standard output" '[ "$(jq -r .type out | tail -n 1)" = cb.recording.stopped ] && cb-query S cameras --format ndjson | grep -q "\"camera\":\"one\".*\"packets\":100"'
exits 0 cb-cameras one tee
ok "through what follows" 'grep -q cb.segment.closed out'
exits 66 cb-cameras one gone
cat >evil.yml <<END
store: $T/E
cameras:
  evil:
    source: clip.mp4
    ingest: --start-time=2026-11-21T07:00:00Z \$(touch\${IFS}hit) ; touch hit
  glob:
    source: "*.mp4"
END
exits 64 cb-cameras -f evil.yml one evil
ok "words are words" '[ ! -e hit ]'
exits 66 cb-cameras -f evil.yml one glob
ok "and names are names" 'grep -q "[*].mp4" err'

# --- for as long as it takes
cat >run.yml <<END
store: $T/R
logs: $T/logs
metrics: $T
ingest: --realtime
record: --segment=1s
cameras:
  left:
    source: long.mp4
  right:
    source: long.mp4
  broken:
    source: no-such.mp4
END
mkdir logs
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=64x48:r=25:d=120 -c:v libx264 -preset ultrafast -g 12 long.mp4
cb-cameras -f run.yml run >events 2>err & pid=$!
has() { grep -c "\"subject\":\"$1\".*segment.closed\|segment.closed.*\"subject\":\"$1\"" events; }
ok "both record" 'wait_for "[ \$(has left) -ge 1 ] && [ \$(has right) -ge 1 ]"' || note "$(cat err logs/* events)"
ok "one that cannot is started again and again" 'wait_for "[ \$(grep -c \"broken: ended with 66; again in\" logs/broken.log) -ge 3 ]"' || note "$(cat logs/broken.log)"
victim=$(pgrep -f -- "cb-record $T/R --metrics=$T/left.prom")
kill -9 "$victim"
ok "a recorder is killed: said, and started again" 'wait_for "grep -q \"left: ended with 137; again in\" logs/left.log && grep -q \"recording.recovered\" events"' || note "$(cat logs/left.log)"
n=$(has right)
ok "the other goes on" 'wait_for "[ \$(has right) -gt $n ]" && [ ! -s logs/right.log ]'
before=$(has left)
ok "and so does this one" 'wait_for "[ \$(has left) -gt $before ]"'
kill "$pid"
_st=0
wait "$pid" || _st=$?
ok "asked to stop: 0, nothing said, nothing left running" '[ $_st = 0 ] && [ ! -s err ] && ! pgrep -f -- "$T/R" >/dev/null' || note "$_st $(cat err) $(pgrep -af -- "$T/R")"
ok "both recordings ended with their END" '[ "$(grep recording.stopped events | grep -c "\"reason\":\"end\"")" -ge 2 ]' || note "$(grep recording.stopped events)"
ok "the other has one recording and no gap" '[ "$(cb-query R segments --camera right --format ndjson | jq -r .recording | sort -u | wc -l)" = 1 ] && [ -z "$(cb-query R gaps --camera right --format ndjson)" ]'
exits 0 cb-store check R
ok "metrics of each" '[ -s left.prom ] && [ -s right.prom ]'

# --- the unit
if command -v systemd-analyze >/dev/null; then
	mkdir u
	sed "s|/usr/local/lib/cb/cb-cameras|$CB_SRC/examples/cb-cameras|; /^Documentation=/d" "$CB_SRC/examples/cb-camera@.service" >u/cb-camera@front.service
	systemd-analyze verify u/cb-camera@front.service >said 2>&1
	ok "systemd-analyze verify has nothing to say" '[ $? = 0 ] && [ ! -s said ]' || note "$(cat said)"
	if systemd-analyze security --offline=true u/cb-camera@front.service >said 2>&1; then
		note "$(tail -n 1 said | tr -cd '[:print:]')"
		ok "exposure is below 1.5" 'tail -n 1 said | grep -q ": \(0\|1\)\.[0-4] "'
	else
		skip "this systemd-analyze cannot tell offline"
	fi
else
	skip "systemd-analyze is not installed" 2
fi

# --- asked to end while a pipeline is only about to begin: its source is found all the same
mkdir slow
cat >slow/setsid <<'END'
#!/bin/sh
: >begins
sleep 0.7
exec "$@"
END
chmod +x slow/setsid
printf 'store: %s/slow/S\ncameras:\n  off:\n    source: rtsp://127.0.0.1:9/%s\n' "$T" "${T##*/}" >slow.yml
PATH=$T/slow:$PATH cb-cameras -f slow.yml run >out 2>err & pid=$!
wait_for '[ -e begins ]'
kill "$pid"
ok "ended before the source had begun" 'wait_for "! kill -0 $pid 2>/dev/null"' || kill -9 "$pid" $(pgrep -f ":9/${T##*/}")
_st=0; wait "$pid" || _st=$?
ok "and nothing stays ($_st)" '[ $_st -eq 0 ] && ! pgrep -f ":9/${T##*/}" >/dev/null'
done_testing
