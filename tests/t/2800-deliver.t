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

# --- killed in the middle
mkdir none
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
