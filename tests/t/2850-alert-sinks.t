#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-alert with sinks: verbs on the spool, metrics, kills of everybody while a sink is away, hostile
# names all the way.
. "$CB_SRC/tests/lib.sh"
need_cmd jq

# door SECONDS ID [CAMERA]
door() {
	printf '{"specversion":"1.0","id":"%s","source":"/door","type":"door.open","subject":"%s","data":{"t_us":%d000000}}\n' \
		"$2" "${3:-yard}" "$1"
}
cat >r.yml <<END
rules:
  - {name: odd, type: door.open, message: "{subject} {id}"}
sinks:
  - {name: a, type: file, path: $T/a.log}
  - {name: b, type: file, path: $T/none/b.log, retry: {first: 10ms, most: 20ms, attempts: 3}}
END
for i in 1 2 3; do door $i e$i; done >in
exits 0 cb-alert -c r.yml --state st --metrics m.prom <in
ok "the alerts arrive" '[ "$(jq -r .data.event a.log | tr "\n" " ")" = "e1 e2 e3 " ]' || note "$(cat err a.log)"
for d in delivered=3 failed=6 dead=3; do
	ok "what became of them is said: $d" \
		'[ "$(jq -r "select(.type==\"cb.alert.decision\").data.decision" out | grep -c "^${d%=*}\$")" -eq "${d#*=}" ]' ||
		note "$(cat out)"
done
valid_events out
ok "metrics as they are at the end" 'grep -qx "cb_alert_sink_dead{sink=\"b\"} 3" m.prom && grep -qx "cb_alert_sink_delivered_total{sink=\"a\"} 3" m.prom'
ok "with what was read and decided" '[ "$(grep -c -x -e "cb_alert_events_total 3" -e "cb_alert_alerts_total 3" \
	-e "cb_alert_decisions_total{decision=\"fired\"} 6" -e "cb_alert_decisions_total{decision=\"queued\"} 6" \
	-e "cb_alert_notices_total 6" -e "cb_alert_waiting 0" m.prom)" -eq 6 ]' || note "$(cat m.prom)"
if command -v promtool >/dev/null; then
	promtool check metrics <m.prom >prom 2>&1
	ok "promtool finds nothing" '[ $? = 0 ] && [ ! -s prom ]' || note "$(cat prom)"
else
	skip "promtool is not installed"
fi
# without sinks, and with what waits: only its own
cat >own.yml <<END
rules:
  - {name: odd, type: door.open, hook: {argv: [/bin/false]}}
END
{ cat in; echo nothing; } >bad
exits 65 cb-alert -c own.yml --metrics own.prom <bad
ok "metrics without sinks" '[ "$(grep -c -x -e "cb_alert_events_total 4" -e "cb_alert_bad_events_total 1" -e "cb_alert_alerts_total 3" \
	-e "cb_alert_hooks_total 3" -e "cb_alert_failed_hooks_total 3" own.prom)" -eq 5 ] && ! grep -q sink= own.prom' ||
	note "$(cat own.prom)"
sed "s/^rules:/routes: [{sinks: [a, b], group_by: rule, group_wait: 1h}]\nrules:/" r.yml >waits.yml
exits 0 cb-alert -c waits.yml --state waits --metrics waits.prom <in
ok "what waits is counted" 'grep -qx "cb_alert_waiting 6" waits.prom && grep -qx "cb_alert_decisions_total{decision=\"queued\"} 0" waits.prom' ||
	note "$(cat waits.prom)"
exits 0 cb-alert -c own.yml --metrics none/m.prom <in
ok "a file that cannot be written is said, and alerts go on" 'grep -q none/m.prom err && [ "$(grep -c "\"type\":\"cb.alert\"" out)" -eq 3 ]' ||
	note "$(cat err)"
exits 0 cb-alert status --state st
ok "the account of both" '[ "$(tail -n 1 out | tr -s " ")" = "all 6 3 3 0 0" ]' || note "$(cat out)"
exits 0 cb-alert dead --state st --sink a
ok "no dead ones of this sink" '[ ! -s out ]'
exits 0 cb-alert dead --state st --sink b
ok "but of that" '[ "$(jq -r .event.data.event out | tr "\n" " ")" = "e1 e2 e3 " ]'
id=$(jq -r .id out | sed -n 2p)
mkdir none
exits 0 cb-alert replay --state st --id "$id"
exits 0 cb-alert -c r.yml --state st </dev/null
ok "one is replayed and delivered" '[ "$(jq -r .data.event none/b.log)" = e2 ]'
exits 0 cb-alert drop --state st
exits 0 cb-alert metrics --state st
ok "dropped, and counted" 'grep -qx "cb_alert_sink_dropped_total{sink=\"b\"} 2" out'
exits 1 cb-alert drop --state st --id x
exits 66 cb-alert status --state nowhere
exits 64 cb-alert status
exits 64 cb-alert replay --state st -c r.yml
exits 64 cb-alert status --state st --sink a

# --- a sink that is away, and everybody is killed meanwhile
cat >k.yml <<END
rules:
  - {name: odd, type: door.open, message: "{subject}"}
sinks:
  - {name: a, type: file, path: $T/away/a.log, retry: {first: 20ms, most: 50ms}}
END
mkfifo fifo
: >ids
for round in 1 2 3 4; do
	cb-alert -c k.yml --state ks <fifo >>said 2>>err &
	p=$!
	exec 3>fifo
	k=0
	while [ $k -lt 50 ]; do
		k=$((k + 1))
		door $((round * 1000 + k)) "r$round-$k" >&3
	done
	# what it has answered for is in the spool
	# shellcheck disable=SC2016
	wait_for '[ "$(jq -r "select(.data.decision==\"queued\").data.alert" said 2>/dev/null | wc -l)" -ge $((round * 50)) ]'
	[ $round -ne 3 ] || mkdir away
	# shellcheck disable=SC2046
	kill -9 $p $([ $round -ne 2 ] || pgrep -P $p)
	wait $p 2>/dev/null
	exec 3>&-
done
cb-alert -c k.yml --state ks </dev/null >>said 2>>err
ok "nothing is left" 'cb-alert status --state ks >st.txt && [ "$(tail -n 1 st.txt | awk "{print \$2 - \$3}")" = 0 ]' || note "$(cat st.txt)"
ok "200 alerts, all of them have arrived" '[ "$(jq -r .data.event away/a.log | sort -u | wc -l)" -eq 200 ]'
ok "what came twice has the same id" '[ "$(jq -r ".id+.data.event" away/a.log | sort -u | wc -l)" -eq 200 ]'
note "$(grep -c . away/a.log) lines for 200 alerts"

# --- a disk that is full: nothing is lost in silence, and it goes on when there is room
for i in 1 2 3 4 5 6 7 8 9; do
	door $i f$i | sed "s/\"data\":{/&\"pad\":\"$(printf '%2000s' '' | tr ' ' x)\",/"
done >in
sed "s|away/a.log|f.log|" k.yml >f.yml
exits 0 cb-alert -c f.yml --state fs </dev/null
rm -f f.log
st=0
(
	trap '' XFSZ
	ulimit -f 120
	i=0
	while [ $i -lt 30 ]; do i=$((i + 1)); cat in; done | cb-alert -c f.yml --state fs >out 2>err
) || st=$?
ok "a spool that cannot be written is an error that is said" '[ $st -eq 74 ] && grep -q "^cb-alert: spool: write: " err' || note "$st $(cat err)"
exits 0 cb-alert -c f.yml --state fs <in
exits 0 cb-alert status --state fs
ok "and later it goes on" '[ "$(tail -n 1 out | awk "{print \$2 - \$3}")" = 0 ] && [ "$(tail -n 1 f.log | jq -r .data.event)" = f9 ]' || note "$(cat out err)"

# --- a sink that is in the rules no more
sed "s|away/a.log|gone/a.log|; s|first: 20ms, most: 50ms|first: 1h|" k.yml >g.yml
exits 0 cb-alert -c g.yml --state gs --drain 0s <in
sed "s|name: a,|name: z,|" g.yml >z.yml
exits 0 cb-alert -c z.yml --state gs </dev/null
ok "what waits for it is said" 'grep -q "warning: spool: 9 notices wait for the sink a, which is not in the rules" err' || note "$(cat err)"

# --- names that want to be something else, all the way
# shellcheck disable=SC2016  # literal
printf '{"specversion":"1.0","id":"h1","source":"/door","type":"door.open","subject":"$(touch x)`touch y`;\\n%%s%%n","data":{"t_us":1}}\n' >in
cat >h.yml <<END
rules:
  - {name: odd, type: door.open, message: "{subject}"}
sinks:
  - {name: x, type: exec, argv: [/bin/sh, -c, "cat >$T/x.json"]}
  - {name: c, type: file, path: $T/h.cef, format: cef}
  - {name: t, type: file, path: $T/h.txt, format: text}
END
exits 0 cb-alert -c h.yml --state hs <in
# shellcheck disable=SC2016  # literal
ok "a program has them as they are" '[ "$(jq -r .subject x.json | head -n 1)" = "\$(touch x)\`touch y\`;" ]' || note "$(cat x.json)"
ok "lines stay lines" '[ "$(grep -c . h.cef)" -eq 1 ] && [ "$(grep -c . h.txt)" -eq 1 ]' || note "$(cat h.cef h.txt)"
ok "nothing was run" '[ ! -e x ] && [ ! -e y ]'

# --- a spool that was cut is an error, and not a crash
rm -rf cut
cp -r fs cut
head -c $(($(stat -c %s fs/spool/spool.mdb) / 2)) fs/spool/spool.mdb >cut/spool/spool.mdb
cb-alert status --state cut >out 2>err
st=$?
ok "status of half a spool" '[ $st -lt 100 ]' || note "$st $(cat err)"
cb-alert -c f.yml --state cut --drain 1s <in >out 2>err
st=$?
ok "work with half a spool" '[ $st -lt 100 ] && ! grep -q "signal" err' || note "$st $(cat err)"
head -c 3000 /dev/urandom >cut/spool/spool.mdb
exits 74 cb-alert status --state cut

# --- locked in, programs excepted
printf 'rules:\n  - {name: odd, type: door.open}\n' >s0.yml
if sanitized || ! cb-alert --sandbox=require -c s0.yml </dev/null >/dev/null 2>&1; then
	skip "no whole sandbox here" 4
else
	mkfifo box
	cb-alert --sandbox=require -c h.yml --state bs <box >out 2>err &
	p=$!
	exec 3>box
	wait_for '[ "$(pgrep -f "cb-deliver bs/spool" | wc -l)" -eq 2 ]'
	ok "who speaks to sinks is locked in" 'grep -l "^Seccomp:.2" $(pgrep -f "cb-deliver bs/spool" | sed "s|.*|/proc/&/status|") >boxed && [ "$(grep -c . boxed)" -eq 1 ]'
	cat in >&3
	exec 3>&-
	wait $p
	ok "and delivers" '[ $? -eq 0 ] && [ "$(jq -r "select(.type==\"cb.alert.decision\").data.decision" out | grep -c "^delivered\$")" -eq 3 ]' || note "$(cat err out)"
	ok "nothing was said" '[ ! -s err ]' || note "$(cat err)"
	exits 0 cb-alert status --state bs
fi

# --- stdout as a sink
printf 'rules:\n  - {name: odd, type: door.open}\nsinks:\n  - {name: s, type: stdout, format: leef}\n' >s.yml
door 1 e1 >in
exits 0 cb-alert -c s.yml --state ss <in
ok "stdout has the sink's lines alone" '[ "$(grep -c . out)" -eq 1 ] && grep -q "^LEEF:2.0|" out' || note "$(cat out err)"
exits 64 cb-alert -c s.yml --state ss --pass <in
done_testing
