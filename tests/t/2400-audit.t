#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-audit: a log made, appended to, signed, proved; and the same read by an independent script.
. "$CB_SRC/tests/lib.sh"

cp "$CB_SRC"/tests/keys/*.key . && chmod 600 ./*.key
tlog() { /usr/bin/python3 "$CB_SRC/tests/tlog.py" "$@"; }
at() { echo "2026-03-01T$1Z"; }
lines() { seq "$1" "$2" | sed 's/.*/{"type":"t","n":&}/'; }

# --- making one
exits 0 cb-audit init log --origin example.org/one -k log.key --epochs 600 --now "$(at 00:00:10)"
ok "nothing to say" '[ ! -s out ] && [ ! -s err ]'
ok "its writers' files are theirs alone" '[ "$(stat -c %a log/state)" = 700 ] && [ "$(stat -c %a log/state/seed.0)" = 600 ]'
exits 73 cb-audit init log --origin example.org/one -k log.key --epochs 600
ok "it is there already" 'grep -q "^cb-audit: log: it is there already" err'
mkdir empty
exits 0 cb-audit init empty/ --origin example.org/two -k log.key --epochs 3 --epoch 1h
exits 65 cb-audit init bad --origin "two words" -k log.key --epochs 3
exits 66 cb-audit init none/bad --origin example.org/x -k log.key --epochs 3
exits 66 cb-audit init bad --origin example.org/x -k none.key --epochs 3
ok "a log is whole or not there" '[ ! -e bad ] && [ -z "$(ls -A | grep cb-log)" ]'
exits 64 cb-audit init bad
exits 64 cb-audit frobnicate log
exits 66 cb-audit append none </dev/null
mkdir nolog
exits 65 cb-audit append nolog </dev/null

# --- appending
lines 1 10 >in
exits 0 cb-audit append log --receipts --now "$(at 00:00:20)" <in
ok "receipts" '[ "$(cat out)" = "$(seq 1 10 | sed "s/.*/{\"line\":&,\"index\":&}/")" ]'
tlog entry log 10 >entry
ok "an entry is the line, with the time before it" \
	'[ "$(cat entry)" = "{\"recordedtime\":\"2026-03-01T00:00:20.000000Z\",\"type\":\"t\",\"n\":10}" ]' || note "$(cat entry)"
cat >bad.in <<'IN'
{"n":11}
no object
[1]
{}
{"recordedtime":"2026-03-01T00:00:20.000000Z","a":1}
{"type":"cb.log.seal","data":{}}
{"type":"cb.log\u002epruned"}
{"a":1,"a":2}
 { "n" : 12 } 
IN
exits 65 cb-audit append log --receipts --now "$(at 00:00:30)" <bad.in
ok "bad lines are told, the others go in" \
	'[ "$(cat out)" = "{\"line\":1,\"index\":11}
{\"line\":9,\"index\":12}" ] && [ "$(grep -c "line [2-8]: " err)" -eq 7 ]' || note "$(cat out err)"
ok "blanks inside stay" '[ "$(tlog entry log 12 | cut -c46-)" = ", \"n\" : 12 }" ]' || note "$(tlog entry log 12)"
{ printf '{"n":"'; head -c 60100 /dev/zero | tr '\0' x; printf '"}\n'; lines 13 13; } >long
exits 65 cb-audit append log --now "$(at 00:00:30)" <long
{ printf '{"n":"'; head -c 59000 /dev/zero | tr '\0' x; printf '"}\n'; } >long
exits 0 cb-audit append log --now "$(at 00:00:30)" <long
printf '{"n":1}' >cut
exits 65 cb-audit append log --now "$(at 00:00:30)" <cut
exits 0 tlog verify log
ok "as the independent reader has it" '[ "$(cat out)" -eq 15 ]' || note "$(cat out)"

# --- every size of a growing log: each signed, each proved
lines 1 600 >many
exits 0 cb-audit append log --now "$(at 00:01:00)" <many
exits 0 cb-audit checkpoint log -k log.key --now "$(at 00:01:00)"
exits 0 tlog verify log
vkey=$(sed -n 's/^log //p' log/policy)
bad=0
for i in 0 1 14 15 255 256 300 511 512 613 614; do
	cb-audit prove log $i >p && tlog entry log $i >e && tlog proof p e "$vkey" >v || bad=1
	[ "$(cat v)" = "$i 615" ] || bad=1
done
ok "proofs of entries, in bundles and behind them" '[ $bad -eq 0 ]' || note "$i: $(cat v)"
ok "a proof of another entry is none" '! tlog proof p e "$(sed "s/one+/two+/" log/policy | cut -c5-)" 2>v && tlog entry log 12 >e && ! tlog proof p e "$vkey"'
exits 66 cb-audit prove log 615
exits 64 cb-audit prove log x
exits 66 cb-audit prove empty 0
ok "without a checkpoint there is no proof" 'grep -q "no checkpoint yet" err'
bad=0
for i in 0 1 2 14 255 256 257 512 600 614 615; do
	cb-audit consistency log $i >b && tlog root log $i >r && tlog body b "$(cat r)" >v || bad=1
	[ "$(cat v)" = "$i 615" ] || bad=1
done
ok "proofs of consistency" '[ $bad -eq 0 ]'
exits 66 cb-audit consistency log 616
exits 66 cb-audit checkpoint log -k /dev/null/x
exits 78 cb-audit checkpoint log -k witness.key
ok "another key signs nothing" 'grep -q "the key is not the one that the log was made with" err'

# --- epochs
lines 1 3 >in
exits 0 cb-audit append log --now "$(at 00:05:00)" <in
ok "an epoch has ended: it is sealed, its seed is gone" '[ "$(ls log/state | grep seed)" = seed.1 ]'
exits 0 tlog verify log
ok "one seal" '[ "$(cat out)" -eq 619 ]'
lines 1 3 >in
exits 0 cb-audit append log --now "$(at 03:07:00)" <in
exits 0 tlog verify log
ok "silent epochs are sealed, and the silence is told" '[ "$(cat out)" -eq $((619 + 36 + 1 + 3)) ] &&
	tlog entry log 655 | grep -q "\"type\":\"cb.log.silent\".*\"from_epoch\":1,\"to_epoch\":36,\"epochs\":36,\"last_entry\":\"2026-03-01T00:05:00.000000Z\""' ||
	note "$(cat out; tlog entry log 655)"
lines 1 3 >in
exits 0 cb-audit append log --now "$(at 01:00:00)" <in
lines 1 3 >in
exits 0 cb-audit append log --now "$(at 03:00:00)" <in
exits 0 tlog verify log
ok "a clock set back is told once, and time does not fall" '[ "$(cat out)" -eq $((659 + 7)) ] &&
	tlog entry log 659 | grep -q "\"type\":\"cb.log.clock\".*\"behind_us\":7620000000"' || note "$(tlog entry log 659)"
lines 1 1 >in
exits 75 cb-audit append log --now 2026-04-09T00:00:00Z <in
ok "a leap is refused" 'grep -q "the clock says 2026-04-09T00:00:00.000000Z" err'
lines 1 1 >in
exits 78 cb-audit append log --now 2026-04-09T00:00:00Z --leap 60d <in
ok "the epochs are used up" 'grep -q "its epochs ended at 2026-03-03T02:00:00.000000Z: begin a new log" err && ! ls log/state | grep -q seed'
exits 0 tlog verify log
exits 0 cb-audit checkpoint log -k log.key --now 2026-04-09T00:00:00Z
exits 0 tlog verify log
exits 0 cb-audit init log2 --origin example.org/three -k log.key --org witness.key --after log --epochs 600 --now 2026-04-09T00:00:00Z
ok "another goes on after it" 'grep -q "\"previous\":{\"origin\":\"example.org/one\",\"size\":$(tlog verify log),\"root\":\"$(sed -n 3p log/checkpoint)\"}" log2/enrolment' ||
	note "$(cat log2/enrolment)"

# --- pruning
n=$(sed -n 2p log2/checkpoint 2>/dev/null)
ok "nothing is signed yet" '[ -z "$n" ]'
exits 65 cb-audit prune log2 --below 256 --reason test --now 2026-04-09T00:00:00Z
exits 0 cb-audit append log2 --now 2026-04-09T00:01:00Z <many
exits 0 cb-audit checkpoint log2 -k log.key --now 2026-04-09T00:01:00Z
exits 65 cb-audit prune log2 --below 900 --reason test --now 2026-04-09T00:01:00Z
exits 64 cb-audit prune log2 --below 600 --reason "$(head -c 70000 /dev/zero | tr '\0' x)" --now 2026-04-09T00:02:00Z
ok "a reason that is no reason: nothing is deleted" '[ -e log2/tile/entries/000 ] && grep -q "more than 1000 bytes" err'
exits 0 cb-audit prune log2 --below 600 --reason "older than a year" --now 2026-04-09T00:02:00Z
ok "whole bundles are gone" '[ ! -e log2/tile/entries/000 ] && [ ! -e log2/tile/entries/001 ] && [ -e log2/tile/entries/002.p/89 ]'
exits 0 tlog verify log2
tlog entry log2 601 >e
ok "it is in the log" 'grep -q "\"type\":\"cb.log.pruned\".*\"from\":0,\"to\":511,\"reason\":\"older than a year\"" e' || note "$(cat e)"
exits 0 cb-audit checkpoint log2 -k log.key --now 2026-04-09T00:03:00Z
vkey=$(sed -n 's/^log //p' log2/policy)
cb-audit prove log2 601 >p
exits 0 tlog proof p e "$vkey"
exits 0 cb-audit consistency log2 10

# --- what the log itself says is as cb-event(5) has it
cb-audit query log --raw >own && cb-audit query log2 --raw --type cb.log >>own
grep '"source":"/cb-log"' own >own.log
valid_events own.log
ok "each kind of it" '[ "$(jq -r .type own.log | sort -u | tr "\n" " ")" = "cb.log.clock cb.log.enrolled cb.log.pruned cb.log.seal cb.log.silent " ]' ||
	note "$(jq -r .type own.log | sort | uniq -c)"

# --- every root and proof of every tree of up to 130 leaves, to the byte
exits 0 "$CB_BUILD/aid/log-proofs" 130
mv out ours
exits 0 tlog pairs 130
same_file ours out "131 roots, 8515 inclusion proofs, 8646 pairs of consistency"
ok "all of them" '[ "$(wc -l <ours)" -eq $((131 + 8515 + 8646)) ]'
# the vectors of RFC 6962's reference
ok "the tree of nothing" 'grep -qx "root 0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" ours'

# --- what may not go on
cp -a log2 back
lines 1 2 >in
exits 0 cb-audit append log2 --now 2026-04-09T00:04:00Z <in
exits 0 cb-audit checkpoint log2 -k log.key --now 2026-04-09T00:04:00Z
cp back/checkpoint old.checkpoint
# an older state under a newer checkpoint
rm -r back/checkpoint && cp log2/checkpoint back/
exits 65 cb-audit checkpoint back -k log.key --now 2026-04-09T00:05:00Z
ok "a log that lost entries is not signed" 'grep -q "entries are lost" err'
cp -a log2 fork
lines 7 8 >in
exits 0 cb-audit append log2 --now 2026-04-09T00:04:00Z <in
exits 0 cb-audit checkpoint log2 -k log.key --now 2026-04-09T00:04:00Z
lines 8 9 >in
exits 0 cb-audit append fork --now 2026-04-09T00:04:00Z <in
cp log2/checkpoint fork/
exits 65 cb-audit checkpoint fork -k log.key --now 2026-04-09T00:05:00Z
ok "nor one that is another" 'grep -q "not its continuation" err'

exits 74 sh -c 'cb-audit prove log 1 >/dev/full'
lines 1 3 >in
exits 74 sh -c 'cb-audit append log2 --receipts --now 2026-04-09T00:04:00Z <in >/dev/full'
done_testing
