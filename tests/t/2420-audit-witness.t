#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-audit: a witness elsewhere, what it signs and what it refuses; policies; what is in a log.
. "$CB_SRC/tests/lib.sh"

cp "$CB_SRC"/tests/keys/*.key . && chmod 600 ./*.key
tlog() { /usr/bin/python3 "$CB_SRC/tests/tlog.py" "$@"; }
at() { echo "2026-03-01T$1Z"; }
lines() { seq "$1" "$2" | sed 's/.*/{"type":"t","n":&}/'; }
grow() {	# LOG FROM TO
	lines "$2" "$3" >in
	cb-audit append "$1" --now "$(at 00:01:00)" <in && cb-audit checkpoint "$1" -k log.key --now "$(at 00:01:00)"
}
show() {	# LOG OLD: to the witness; its answer in out
	cb-audit consistency "$1" "$2" >body || return 99
	cb-audit witness wit -k witness.key --name witness.example/w1 --policy known --now "@$3" <body
}

exits 0 cb-audit init log --origin example.org/w -k log.key --epochs 20 --now "$(at 00:00:00)"
vkey=$(tlog vkey witness.key 4 witness.example/w1)
cp log/policy known
mkdir wit
exits 0 grow log 1 5

# --- what a witness signs
exits 0 show log 0 1772323200
cp out cos1
ok "one line" '[ "$(wc -l <cos1)" -eq 1 ] && grep -q "^— witness.example/w1 " cos1'
cat log/checkpoint cos1 >whole
exits 0 tlog cosigned whole "$vkey"
ok "its time" '[ "$(cat out)" = 1772323200 ]' || note "$(cat out)"
exits 0 show log 6 1772323300
ok "the same again has a new time" '! cmp -s out cos1'
exits 0 grow log 6 300
exits 0 show log 6 1772323400
cp out cos2
cat log/checkpoint cos2 >whole
exits 0 tlog cosigned whole "$vkey"

# --- what it does not
exits 75 show log 6 1772323500
ok "another size than last time, which it tells" '[ "$(cat out)" = 301 ] && grep -q "it had 301 entries when it was here last, not 6" err'
exits 0 cb-audit init log2 --origin example.org/other -k log.key --epochs 20 --now "$(at 00:00:00)"
exits 0 grow log2 1 5
exits 66 show log2 0 1772323500
ok "a log that it does not know" 'grep -q "example.org/other: not a log that is known here" err'
cp -a log fork
exits 0 grow log 301 310
exits 0 show log 301 1772323600
lines 900 903 >in
exits 0 cb-audit append fork --now "$(at 00:01:00)" <in
exits 0 cb-audit checkpoint fork -k log.key --now "$(at 00:01:00)"
grow fork 904 920
exits 1 show fork 311 1772323700
ok "a second history" '[ ! -s out ] && grep -q "example.org/w: its 322 entries do not continue the 311 of last time" err'
same_file body "$(ls wit/*.refused.*)" "is kept, to be shown"
sed '/^example.org.w$/{n;s/.*/999/}' body >bad
exits 1 sh -c 'cb-audit witness wit -k witness.key --name witness.example/w1 --policy known <bad'
ok "a false signature" 'grep -q "signature is false\|not signed by it" err'
cb-audit consistency log 311 >body
sed '/witness\|epoch/!{/^— /d}' body >bad
exits 1 sh -c 'cb-audit witness wit -k witness.key --name witness.example/w1 --policy known <bad'
for s in 's/^old/odd/' 's/^old 311/old 0311/' '2s/.*/x/' '/^$/d'; do
	sed "$s" body >bad
	exits 65 sh -c 'cb-audit witness wit -k witness.key --name witness.example/w1 --policy known <bad'
done
exits 66 sh -c 'cb-audit witness none -k witness.key --name witness.example/w1 --policy known <body'
exits 0 show log 311 1772323800
ok "and what it knew is as it was" '[ -s out ]'
cp out cos3

# --- cosignatures come into the checkpoint
exits 1 cb-audit checkpoint log --cosignatures cos3
ok "not from somebody who is no witness" 'grep -q "witness.example/w1 is no witness of this log" err'
exits 0 cb-audit policy log --witness "$vkey"
ok "a policy" '[ "$(cat out)" = "$(cat known | head -n 1)
witness w1 $vkey
group witnesses 1 w1
quorum witnesses" ]' || note "$(cat out)"
cp out log/policy
exits 1 cb-audit checkpoint log --cosignatures cos2
ok "not one of an older checkpoint" 'grep -q "its cosignature is not one of this checkpoint" err'
cp log/checkpoint before
exits 0 cb-audit checkpoint log --cosignatures cos3
cat before cos3 >want
same_file log/checkpoint want "it stands in the checkpoint"
exits 0 sh -c 'cb-audit checkpoint log --cosignatures - <cos3'
same_file log/checkpoint want "once"
exits 0 cb-audit prove log 3
ok "and in proofs" 'grep -q "^— witness.example/w1 " out'
exits 0 tlog verify log
exits 64 cb-audit policy log --witness "$vkey" --quorum 2
exits 65 cb-audit policy log --witness nokey

# --- what is in it
cat >in <<'IN'
{"specversion":"1.0","id":"a","source":"/cb-x","type":"cb.segment.closed","subject":"front","data":{"t_us":1}}
{"specversion":"1.0","id":"b","source":"/cb-x","type":"cb.segment.closed","subject":"yard","data":{"t_us":2}}
{"specversion":"1.0","id":"c","source":"/cb-x","type":"cb.segmented","subject":"front","data":{"t_us":3}}
IN
exits 0 cb-audit append log --now "$(at 00:02:00)" <in
count() { cb-audit query log "$@" | wc -l; }
ok "all" '[ "$(count)" -eq 314 ]'
ok "by type" '[ "$(count --type cb.segment)" -eq 2 ] && [ "$(count --type cb.segment.closed)" -eq 2 ] && [ "$(count --type cb.seg)" -eq 0 ]'
ok "by camera" '[ "$(count --camera front)" -eq 2 ] && [ "$(count --camera front --type cb.segment)" -eq 1 ]'
ok "by time" '[ "$(count --from "$(at 00:02:00)")" -eq 3 ] && [ "$(count --to "$(at 00:01:00)")" -eq 1 ] &&
	[ "$(count --from "$(at 00:01:00)" --to "$(at 00:02:00)")" -eq 310 ] && [ "$(count --from "$(at 00:02:01)")" -eq 0 ]'
cb-audit query log | jq -e '.index == (input_line_number - 1) and (.entry.recordedtime | length == 27)' >v
ok "each line is the entry and its index" '[ "$(sort -u v)" = true ]'
exits 0 cb-audit query log 311
ok "one" '[ "$(jq -r .entry.id out)" = a ]'
exits 0 cb-audit query log 300 --raw
tlog entry log 300 >want
same_file out want "to the byte"
exits 66 cb-audit query log 314
exits 64 cb-audit query log first

# --- for a SIEM
exits 0 cb-audit export log --format cef --state at
ok "all of it" '[ "$(wc -l <out)" -eq 314 ] && [ "$(cat at)" = 314 ]'
exits 0 cb-audit export log --format cef --state at
ok "once" '[ ! -s out ]'
lines 1 1 >in
exits 0 cb-audit append log --now "$(at 00:02:00)" <in
exits 0 cb-audit export log --format cef --state at
ok "what is new" '[ "$(wc -l <out)" -eq 1 ] && grep -q "^CEF:0|" out'
exits 74 sh -c 'cb-audit export log --format json >/dev/full'
for f in rfc5424 cef leef ocsf ecs json; do
	exits 0 cb-audit export log --format $f 311
	ok "$f: a line an entry" '[ "$(wc -l <out)" -eq 4 ]'
done
exits 64 cb-audit export log --format xml

# to the byte, with what would end a field or a line in each of them
exits 0 cb-audit init gold --origin example.org/g -k log.key --epochs 2 --now "$(at 00:00:00)"
cat >in <<'IN'
{"specversion":"1.0","id":"0123456789abcdef0123456789abcdef","source":"/cb-record","type":"cb.gap","time":"2026-03-01T00:00:59.000000Z","subject":"front","data":{"t_us":1772323259000000,"reason":"lost","text":"a|b=c\\d]\"e\" \u2028 é"}}
{"note":"lens cleaned\nby hand","n":1.5,"list":[1,null,true]}
IN
exits 0 cb-audit append gold --now "$(at 00:01:00)" <in
version=$(cb-audit --version | sed 's/.* //')
for f in rfc5424 cef leef ocsf ecs json; do
	echo "# $f"
	cb-audit export gold 1 --format $f
done | sed "s/\([ =\"]\)$(hostname)\([ \"]\|	\)/\1HOST\2/g; s/\([|\"]\)$version\([|\"]\)/\1VERSION\2/g" >exported
[ -z "${CB_GOLDEN-}" ] || cp exported "$CB_SRC/tests/golden/audit-export.txt"
same_file exported "$CB_SRC/tests/golden/audit-export.txt" "six languages"
done_testing
