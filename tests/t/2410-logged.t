#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What goes into a log by itself: recordings, holds, retention, checks; and a log that fails.
. "$CB_SRC/tests/lib.sh"
PATH=$CB_BUILD/aid:$PATH
cp "$CB_SRC"/tests/keys/log.key . && chmod 600 log.key
tlog() { /usr/bin/python3 "$CB_SRC/tests/tlog.py" "$@"; }
entries() { cb-audit query --raw "$1" | jq -r '.type' | grep -v '^cb.log'; }
new() { cb-audit init "$1" --origin example.org/log -k log.key --epochs 600 || exit 99; }

# --- a recording
new log
mkstream IPPGIPPE >s.cbf
exits 0 cb-record S --log log <s.cbf
mv out said
ok "everything that is said of it is in the log" '[ "$(entries log | sort)" = "$(jq -r .type said | sort)" ] && entries log | grep -qx cb.segment.closed' || note "$(entries log)"
ok "in the same order" '[ "$(entries log)" = "$(jq -r .type said)" ]'
ok "with the manifest's digest" '[ "$(cb-audit query log --raw | jq -r ".data.manifest_sha256 // empty")" = "$(tail -n 1 S/cameras/cam1/*/*.manifest | cut -d " " -f 2)" ]'
exits 0 tlog verify log
exits 0 cb-record S2 --tee --log log <s.cbf
ok "with --tee too" '[ "$(entries log | grep -cx cb.recording.stopped)" = 2 ]'

# --- killed, and recovered by the next one
mkfifo fifo
cb-record K --log log <fifo >/dev/null 2>err & pid=$!
exec 9>fifo
mkstream IPPPIPP >&9
wait_for '[ -n "$(find K -name "*.mp4.part" -size +0 2>/dev/null)" ]'
sleep 0.1
kill -9 $pid
wait $pid 2>/dev/null
exec 9>&-
exits 0 cb-record K --log log <s.cbf
ok "the recovery is in the log" 'entries log | grep -qx cb.recording.recovered' || note "$(entries log | tail -n 5)"

# --- holds, retention and checks: logged before it is done
exits 0 cb-store hold S --holder police --log log
ok "a hold" 'entries log | tail -n 1 | grep -qx cb.hold.set'
exits 0 cb-store release S --holder police --log log
ok "its end" 'entries log | tail -n 1 | grep -qx cb.hold.released'
exits 0 cb-store check S --log log
ok "a check" 'entries log | tail -n 1 | grep -qx cb.store.checked'
exits 0 cb-store prune S --older 1s --force --log log
ok "a deletion, by the digest that the log has already" '
	d=$(cb-audit query log --raw | jq -r "select(.type == \"cb.retention.deleted\").data.manifest_sha256")
	[ "$(cb-audit query log --raw | jq -r "select(.type == \"cb.segment.closed\").data.manifest_sha256" | grep -cx "$d")" -ge 1 ]'
exits 0 tlog verify log
exits 64 cb-store put S --log log </dev/null

# --- what analyses, by which model and configuration; what alerts, by which rules
exits 0 cb-detect --no-objects --log log <s.cbf
ok "the run, once, as it was said" '[ "$(entries log | grep -cx cb.run)" = 1 ] &&
	[ "$(cb-audit query log --raw | jq -r "select(.type == \"cb.run\").data.config_sha256")" = "$(jq -r "select(.type == \"cb.run\").data.config_sha256" out | uniq)" ]'
printf 'rules:\n  - name: any\n    type: cb.run\n' >rules.yml
mv out seen
exits 0 cb-alert -c rules.yml --log log <seen
ok "the rules' digest, then the alert" '[ "$(entries log | tail -n 2 | tr "\n" " ")" = "cb.config cb.alert " ] || [ "$(entries log | grep -c "cb.config\|cb.alert")" -ge 2 ]'
cb-audit query log --raw | grep '"cb.config"' | jq -c 'del(.recordedtime)' >config
valid_events config
ok "sha256sum says the same" '[ "$(jq -r .data.sha256 config)" = "$(sha256sum <rules.yml | cut -d " " -f 1)" ] && [ "$(jq -r .data.name config)" = rules.yml ]'
cat >zones.yml <<'Y'
zones:
  all: [[0, 0], [1, 0], [1, 1], [0, 1]]
rules:
  - { name: in, type: enter, zone: all }
Y
printf '%s\n' '{"specversion":"1.0","id":"1","source":"/cb-detect","type":"cb.detection","time":"2026-11-21T07:54:42Z","subject":"cam1","data":{"t_us":1795247682000000,"run":"0123456789abcdef","stream":0,"pts":0,"objects":[]}}' >det
exits 0 cb-track -c zones.yml --log log <det
ok "what tracks, by which rules" '[ "$(cb-audit query log --raw | jq -r "select(.source == \"/cb-track\").type" | tr "\n" " ")" = "cb.config cb.run " ]' || note "$(cat out)"
exits 66 cb-detect --no-objects --log none <s.cbf
exits 66 cb-alert -c rules.yml --log none <seen

# --- no log, or none that can be written
exits 66 cb-record N --log none <s.cbf
ok "nothing is begun" '[ ! -e N ] && [ "$(wc -l <err)" = 1 ]'
mkdir nolog
exits 65 cb-record N --log nolog <s.cbf
exits 66 cb-store check S2 --log none
n=$(find S2 -name '*.mp4' | wc -l)
chmod 0 log/state
if [ "$(id -u)" = 0 ]; then
	skip "root may write anywhere" 2
else
	exits 77 cb-store prune S2 --older 1s --force --log log
	ok "what cannot be logged is not deleted" '[ "$(find S2 -name "*.mp4" | wc -l)" = "$n" ]'
fi
chmod 700 log/state

# --- a log that somebody holds locked stops nobody; what waited is in it afterwards
new held
lock=$(find held/state -name 'lock*')
mkfifo go
flock "$lock" cat go & keeper=$!
exec 8>go
wait_for '! flock -n "$lock" true'
exits 75 cb-record L --log held <s.cbf
ok "said, once; the recording is whole" '[ "$(grep -c "it is tried again" err)" = 1 ] && grep -q "are not in the log" err && cb-store check L >/dev/null'
cb-record M --log held <fifo >said 2>err 8>&- & pid=$!
exec 9>fifo
mkstream IPPPIPP >&9
wait_for 'grep -q "tried again" err'
exec 8>&-
wait $keeper
sleep 1.2
mkstream -- -I >&9
exec 9>&-
wait $pid
ok "free again: all of it, in order" '[ "$(entries held)" = "$(jq -r .type said)" ]' || note "$(entries held)" "$(cat err)"

# --- a log that is damaged under a recorder: said once, at the beginning and at the end; the rest goes on
new broken
cb-record D --log broken <fifo >said 2>err & pid=$!
exec 9>fifo
mkstream IPPPIPPGIPPGIPPGIPPE >long.cbf
head -c 2000 long.cbf >&9
wait_for 'entries broken | grep -qx cb.recording.started'
for j in broken/state/journal.*; do
	head -c "$(stat -c %s "$j")" /dev/zero >zeros
	cat zeros >"$j"
done
: >broken/state/lock
tail -c +2001 long.cbf >&9
exec 9>&-
wait $pid
ok "said once, and what is missing is counted" '[ "$(grep -c "it is tried again" err)" = 1 ] && grep -q "[2-9] events are not in the log: " err' || note "$(cat err)"
ok "the recording is whole" '[ "$(cb-replay D | cb-frame dump | grep -c " PACKET ")" = 16 ] && cb-store check D >/dev/null'
done_testing
