#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# lib/deliver: the spool, order, pauses, dead letters, restarts, the file sink, accounting.
. "$CB_SRC/tests/lib.sh"
PATH=$CB_BUILD/aid:$PATH

# ev N...: alerts with these numbers
ev() {
	for _k; do
		printf '{"specversion":"1.0","id":"%032x","source":"/cb-alert","type":"cb.alert","subject":"yard","data":{"t_us":%d000000,"rule":"r","severity":"high","message":"number %d"}}\n' "$_k" "$_k" "$_k"
	done
}
# what deliver-put said: WHAT how often
said() { grep -c "^$1 " said; }

printf 'sinks:\n  - {name: a, type: file, path: %s/a.log}\n  - {name: b, type: file, path: %s/none/b.log, retry: {first: 20ms, most: 50ms}}\n' "$T" "$T" >two.yml

ev 1 2 3 >in
deliver-put -d 10 two.yml spool a <in >said 2>err
ok "three alerts are delivered" '[ "$(said delivered)" -eq 3 ]'
same_file in a.log "the file has their lines, in order"
ok "who else may read the spool" '[ "$(stat -c %a spool)" = 700 ]'

# --- a sink that cannot be reached keeps nobody else waiting, and loses nothing
ev 4 5 6 >in
deliver-put -d 0.5 two.yml spool <in >said 2>err
st=$?
ok "something is left: 1" '[ "$st" -eq 1 ]'
ok "what a file can take is there" '[ "$(wc -l <a.log)" -eq 6 ]'
ok "the other one failed, and says why" 'grep -q "^failed 0*4 b .*none/b.log: No such file" said'
ok "its first alert was tried, the others wait behind it" '! grep -q "^failed 0*[56] b" said'
mkdir none
deliver-put -d 10 two.yml spool </dev/null >said 2>err
ok "after a restart it goes on: all delivered" '[ "$(said delivered)" -eq 3 ]'
same_file in none/b.log "in order, once"

# --- rotated by others
mv a.log a.log.1
ev 7 >in
deliver-put -d 10 two.yml spool a <in >said 2>err
same_file in a.log "a file that was rotated away is made again"
printf 'half a li' >a.log
deliver-put -d 10 two.yml spool a <in >said 2>err
ok "a torn line stays one of its own" '[ "$(sed -n 2p a.log)" = "$(cat in)" ]'

# --- dead letters
rm -rf none
printf 'sinks:\n  - {name: b, type: file, path: %s/none/b.log, retry: {first: 1ms, most: 2ms, attempts: 3}}\n' "$T" >dead.yml
ev 10 11 >in
deliver-put -d 10 dead.yml spool <in >said 2>err
ok "after so many attempts they are dead" '[ "$(said dead)" -eq 2 ] && [ "$(said failed)" -eq 4 ]'
ok "and it is said why" 'grep -q "^dead 0*a b 3 .*3 attempts: .*No such file" said'

exits 0 deliver-put -V dead spool
ok "they can be seen, whole" '[ "$(jq -c "[.id,.sink,.attempts,.event.data.message]" out | tail -n 1)" = "[\"0000000000000000000000000000000b\",\"b\",3,\"number 11\"]" ]' || note "$(cat out)"
mkdir none
exits 0 deliver-put -V replay spool b 0000000000000000000000000000000b
exits 1 deliver-put -V replay spool b 00000000000000000000000000000777
deliver-put -d 10 dead.yml spool </dev/null >said 2>err
ok "one that is replayed is delivered" '[ "$(said delivered)" -eq 1 ] && [ "$(said replayed)" -eq 1 ] && grep -q "number 11" none/b.log' || note "$(cat said)"
exits 0 deliver-put -V drop spool
exits 0 deliver-put -V status spool
ok "the account" '[ "$(tail -n 1 out | tr -s " ")" = "all 13 12 0 0 1" ]' || note "$(cat out)"
exits 0 deliver-put -V metrics spool
ok "metrics" 'grep -qx "cb_alert_sink_dropped_total{sink=\"b\"} 1" out && [ "$(grep -c "^# TYPE" out)" -eq 8 ]' || note "$(cat out)"
exits 66 deliver-put -V status nowhere

# --- killed in the middle
printf 'sinks:\n  - {name: a, type: file, path: %s/k.log, retry: {first: 5ms, most: 20ms}}\n' "$T" >kill.yml
: >all
for i in 1 2 3 4 5 6; do
	deliver-put -n 100000 -r 4000 -s ${i}00000 -d 60 kill.yml kspool >said.$i 2>>err &
	p=$!
	sleep 0.4
	kill -9 $p
	wait $p 2>/dev/null
done
deliver-put -d 20 kill.yml kspool </dev/null >said.7 2>>err
ok "killed six times: at the end nothing is queued" '[ $? -eq 0 ]'
sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p' k.log | sort -u >got
cat said.? | sed -n 's/^delivered \([0-9a-f]*\) .*/\1/p' | sort -u >told
same_file told got "what is said to be delivered is, and the other way round"
ok "nothing twice but where somebody was killed" '[ "$(wc -l <k.log)" -lt "$(($(wc -l <got) + 6 * 200))" ]'
ok "whole lines" 'jq -es "length > 0" k.log >/dev/null'

# --- a storm: everything that came is somewhere
printf 'sinks:\n  - {name: a, type: file, path: %s/storm.log}\n  - {name: no, type: exec, argv: [%s/nothing], retry: {first: 1h}}\n  - {name: d, type: file, path: /proc/nothing, retry: {first: 1ms, most: 1ms, attempts: 1}}\n' "$T" "$T" >storm.yml
deliver-put -n 100000 storm.yml sspool a >said 2>err
deliver-put -n 500 storm.yml sspool no d >>said 2>>err

wait_for 'deliver-put -d 0.3 storm.yml sspool </dev/null >>said 2>>err; [ "$(said delivered)" -eq 100000 ] && [ "$(said dead)" -eq 500 ]'
exits 0 deliver-put -V status sspool
ok "a storm of 100 000: the account balances" '[ "$(tail -n 1 out | tr -s " ")" = "all 101000 100000 500 500 0" ]' || note "$(cat out)"
ok "and by what was said" '[ "$(grep "^delivered " said | cut -d" " -f2 | sort -u | wc -l)" -eq 100000 ] && [ "$(said dead)" -eq 500 ]'
ok "and by what arrived, in order" '[ "$(grep -c . storm.log)" -eq 100000 ] && grep -o "\"id\":\"[0-9a-f]*" storm.log | sort -c'

# --- the helper killed
mkfifo in.fifo
deliver-put -d 20 kill.yml hspool <in.fifo >said 2>err &
p=$!
exec 3>in.fifo
wait_for 'pgrep -P $p >/dev/null'
kill -9 "$(pgrep -P $p)"
ev 100 101 >&3
exec 3>&-
wait $p
ok "the helper was killed: another one delivers" '[ $? -eq 0 ] && [ "$(said delivered)" -eq 2 ]'
ok "and it is said" 'grep -q "cb-deliver: ended by signal 9; started again in 1 s" err'

# --- a spool that somebody else delivers from
deliver-put -n 1000 -r 50 -d 60 kill.yml hspool >said.other 2>err.other &
p=$!
wait_for '[ -s said.other ]'
exits 75 deliver-put kill.yml hspool </dev/null
kill $p
wait $p
done_testing
