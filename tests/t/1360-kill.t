#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Recorders killed, stopped and watched while they work.
. "$CB_SRC/tests/lib.sh"
PATH=$CB_BUILD/aid:$PATH
one() { [ "$(wc -l <err)" = 1 ]; }
until_true() { _i=0; until eval "$1" || [ $_i = 200 ]; do sleep 0.02; _i=$((_i + 1)); done; }

# --- the same footage, killed three times before its first fragment: each is set aside
mkfifo fifo
bad=0
for i in 1 2 3; do
	cb-record K <fifo >/dev/null 2>err & pid=$!
	exec 9>fifo
	mkstream -n 3000 IPP >&9
	until_true '[ "$(find K -name "*.mp4.broken*" 2>/dev/null | wc -l)" = $((i - 1)) ] && [ -n "$(find K -name "*.mp4.part" -size +0 2>/dev/null)" ]'
	sleep 0.05
	kill -9 $pid
	wait $pid 2>/dev/null || :
	exec 9>&-
	[ -s err ] && bad=$((bad + 1))
done
mkstream -n 3000 IPPE | cb-record K >rec 2>err || bad=$((bad + 1))
ok "killed three times at the same place: the recorder starts again" '[ $bad = 0 ]' || note "$(cat err)"
ok "what was set aside is there three times" '[ "$(find K -name "*.mp4.broken*" | wc -l)" = 3 ]' || note "$(find K)"
valid_events rec
exits 0 cb-store check K
ok "the footage is whole" '[ "$(cb-replay K | cb-frame dump | grep -c PACKET)" = 3 ]'

# --- killed or stopped under load, at any moment, with a put behind it in the same store
script=
for _ in 1 2 3 4 5 6 7 8 9 10; do script=$script${script}IPPeAPGAPSIPPAPBP; done
mkstream -n 800 "$script" >load.cbf
cb-frame dump load.cbf 2>/dev/null | grep ' PACKET ' | sed 's/^[0-9]* //' >packets
bad=0 n=0 part=0 most=0
# The kernel may stop a write of a killed process between two pages: then one line of events is
# torn, which the next writer ends (cb-store(5), Events). Nothing else may be found.
sound() {
	cb-store check U >check 2>&1 && return
	[ $how = KILL ] && [ "$(grep -c cb.store.finding check)" = 1 ] && grep -q 'events","text":"line .* is no event' check
}
# time enough for anything from nothing to all of it, also on a slow machine
for ms in 1 4 10 20 35 60 100 160; do
	n=$((n + 1))
	rm -rf U pids
	{ sh -c 'echo $$ >pids; exec cb-record U --segment=1s --sync-interval=0 --tee' <fifo 2>err | cb-store put U --tee >/dev/null 2>&1; } &
	cat load.cbf >fifo 2>/dev/null & feeder=$!
	until_true '[ -s pids ]'
	sleep "$(printf '0.%03d' $ms)"
	pid=$(cat pids) how=KILL
	[ $((n % 2)) = 1 ] && how=TERM
	kill -$how "$pid" 2>/dev/null || :
	wait "$feeder" 2>/dev/null || :
	wait
	[ -d U/cameras/cam1 ] || continue
	part=$((part + $(find U -name '*.part' | wc -l)))
	if [ $how = TERM ]; then
		cb-store check U >check 2>&1 || { bad=$((bad + 1)); note "stopped after $ms ms: $(head -n 2 check)"; }
		[ -z "$(find U -name '*.part')" ] || { bad=$((bad + 1)); note "stopped after $ms ms: left open"; }
	fi
	lines=$(cat U/cameras/cam1/*/*.manifest 2>/dev/null | grep -c '^[1-9]')
	mkstream -w 1760000000 IPPE | cb-record U >rec 2>err || { bad=$((bad + 1)); note "after $ms ms: $(cat err)"; }
	sound || { bad=$((bad + 1)); note "recovered after $ms ms: $(head -n 2 check)"; }
	kept=$(cat U/cameras/cam1/2025-06-15/*.manifest 2>/dev/null | grep -c '^[1-9]')
	[ "$lines" = "$kept" ] || { bad=$((bad + 1)); note "after $ms ms: $lines fragments, then $kept"; }
	[ "$kept" -le "$most" ] || most=$kept
	cb-replay U --to=2025-07-01 2>/dev/null | cb-frame dump 2>/dev/null | grep ' PACKET ' | sed 's/^[0-9]* //' >back
	head -n "$(wc -l <back)" packets | cmp -s - back || { bad=$((bad + 1)); note "after $ms ms: not what came"; }
	cb-query U events --format=ndjson 2>/dev/null | jq -r '.source + " " + .id' | sort | uniq -d >twice
	[ ! -s twice ] || { bad=$((bad + 1)); note "after $ms ms: $(cat twice)"; }
done
ok "killed or stopped $n times under load: nothing with a line is lost, all is sound, every event once" '[ $bad = 0 ]'
ok "some were killed with a segment open ($part), some with much in it ($most fragments)" '[ $part -ge 1 ] && [ $most -ge 10 ]'

# --- a store is read while it is written: no false alarm, no half a thing
cb-record V --segment=1s --sync-interval=0 <fifo >/dev/null 2>err & pid=$!
exec 9>fifo
script=
for _ in 1 2 3 4 5 6; do script=$script${script}IPSIPPPPPPPP; done	# 64 segments
mkstream -n 500 "$script" >many.cbf
cat many.cbf >&9 & feeder=$!
bad=0 looks=0
while [ "$(find V -name '*.mp4' 2>/dev/null | wc -l)" -lt 60 ] && [ $looks -lt 200 ]; do
	looks=$((looks + 1))
	made=0 camera=0
	[ ! -e V/format ] || made=1
	[ ! -d V/cameras/cam1 ] || camera=1
	cb-store check V >check 2>checkerr
	case $? in
	0) ;;
	66) [ $camera = 0 ] || bad=$((bad + 1)) ;;
	*) [ $made = 0 ] || { bad=$((bad + 1)); note "check: $(head -n 2 check) $(cat checkerr)"; } ;;
	esac
	[ -d V/cameras/cam1 ] || continue
	cb-query V segments >segments 2>queryerr || { bad=$((bad + 1)); note "query: $(cat queryerr)"; }
	! grep -q '"damaged"' segments || { bad=$((bad + 1)); note "query: $(grep damaged segments)"; }
	cb-replay V >replayed 2>replayerr
	case $? in 0|1) ;; *) bad=$((bad + 1)); note "replay: $(cat replayerr)" ;; esac
	cb-frame check replayed >/dev/null 2>&1 || { bad=$((bad + 1)); note "replay: no whole stream"; }
done
wait $feeder
exec 9>&-
wait $pid || :
ok "check, query and replay $looks times while recording: no finding" '[ $bad = 0 ] && [ $looks -ge 2 ]'
ok "$(find V -name '*.mp4' | wc -l) segments" '[ "$(find V -name "*.mp4" | wc -l)" -ge 60 ]'

# --- but what is empty and not being made is a finding
mkstream IPPE | cb-record W >/dev/null
f=$(find W -name '*.mp4') m=$(find W -name '*.manifest')
chmod u+w "$m" && mv "$f" "$f.part" && : >"$m"
exits 1 cb-store check W
valid_events out
ok "an emptied manifest of an open segment" 'grep -q cb.store.finding out'
exits 65 cb-replay W
ok "replay: a GAP for it" 'cb-frame dump out | grep -q "GAP .*reason=damage" && one'

# --- signals: what is there is finished, in order
for sig in TERM INT; do
	rm -rf G
	cb-record G --tee <fifo >tee.cbf 2>err & pid=$!
	exec 9>fifo
	mkstream IPPPIPP >&9
	until_true '[ -n "$(find G -name "*.mp4.part" 2>/dev/null)" ]'
	sleep 0.1
	kill -$sig $pid
	_st=0
	wait $pid || _st=$?
	exec 9>&-
	ok "SIG$sig: 0, sealed, its tee whole ($_st)" '[ $_st = 0 ] && [ -z "$(find G -name "*.part")" ] && cb-frame check tee.cbf >/dev/null && [ ! -s err ]'
	ok "SIG$sig: all that came is there" '[ "$(cb-replay G | cb-frame dump | grep -c " PACKET ")" = 7 ] && grep -q "^end stopped" G/cameras/cam1/*/*.manifest'
done
rm -rf G
yes '{"specversion":"1.0","id":"1","source":"/x","type":"t","time":"2026-01-01T00:00:00Z","data":{}}' |
	{ sh -c 'echo $$ >pids2; exec cb-store put G' >passed 2>err; echo $? >code; } &
until_true '[ -s passed ]'
kill -TERM "$(cat pids2)"
wait
ok "put, SIGTERM: 0, and what came out is stored, once" '[ "$(cat code)" = 0 ] && [ ! -s err ] && [ "$(wc -l <G/cameras/_other/2026-01-01/00.events)" = 1 ]' || note "$(cat code err)"

# --- one recorder a camera; the second is told, the first goes on
cb-record L <fifo >first 2>err1 & pid=$!
exec 9>fifo
mkstream IPP >&9
until_true '[ -n "$(find L -name "*.mp4.part" 2>/dev/null)" ]'
mkstream IPPE >two.cbf
exits 75 cb-record L --tee <two.cbf
ok "two recorders: one line that names the camera, nothing passed on" 'one && grep -q "camera cam1: another recorder has it" err && [ ! -s out ]'
mkstream -c cam2 IPPE >three.cbf
exits 0 cb-record L <three.cbf
exits 0 cb-store check L
exec 9>&-
_st=0
wait $pid || _st=$?
ok "the first one is not disturbed ($_st)" '[ $_st = 65 ] && [ "$(cb-replay L --camera=cam1 | cb-frame dump | grep -c " PACKET ")" = 3 ]'
done_testing
