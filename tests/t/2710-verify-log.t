#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-verify on logs: what an owner, a thief of the log's key, and a thief of an epoch's seed can
# do to one, and by what name each of it is found.
. "$CB_SRC/tests/lib.sh"
need_cmd jq
PATH=$CB_BUILD/aid:$PATH
cp "$CB_SRC"/tests/keys/*.key . && chmod 600 ./*.key
said() {	# KIND CODE [JQ]
	jq -e -s "map(select(.type == \"cb.verify.finding\" and .data.kind == \"$1\" and .data.code == \"$2\") | .data |
		select(${3:-true})) | length > 0" out >/dev/null
}
only() {	# CODE: nothing else is false
	[ "$(jq -r 'select(.type == "cb.verify.finding" and .data.kind == "false").data.code' out | sort -u)" = "$1" ]
}
codes() { jq -r 'select(.type == "cb.verify.finding").data | .kind + " " + .code + ": " + .text' out | head -n 8; }
verdict() { [ "$(tail -n 1 out | jq -r '.type + " " + .data.verdict')" = "cb.verify.checked $1" ]; }

# 1 000 entries and more in eight epochs, the fourth of them silent; a checkpoint on the way
append() { cb-audit append "${3-log}" --now "2026-03-01T00:$1:00Z" <"$2"; }
cb-audit init log --origin example.org/one -k log.key --epochs 600 --now 2026-03-01T00:00:10Z
for m in 01 03 06 08 11 13 21 23 26 28 31 33 36; do
	seq "${m#0}000" "${m#0}076" | sed 's/.*/{"type":"t","n":&}/' >in
	append "$m" in
	if [ "$m" = 28 ]; then
		cb-audit checkpoint log -k log.key --now 2026-03-01T00:28:30Z
		cp log/checkpoint old
	fi
done
cp log/state/seed.7 seed
cb-audit checkpoint log -k log.key --now 2026-03-01T00:36:30Z
sed -n 's/^log //p' log/policy >vkey
v="cb-verify --vkey=vkey"
exits 0 $v log
size=$(tail -n 1 out | jq .data.log.size)
old=$(sed -n 2p old)
ok "a log of $size entries, $old of them signed before" 'verdict true && [ "$size" -gt 1000 ] && [ "$old" -lt "$size" ] &&
	[ "$(tail -n 1 out | jq .data.seals)" = 7 ] && [ "$(tail -n 1 out | jq .data.entries)" = "$size" ]'
valid_events out
exits 0 $v --older=old log
exits 0 $v --forward-secure log
exits 0 $v --format=text log
exits 0 cb-verify --policy=log/policy log
exits 65 cb-verify log
ok "nobody is believed without being named" 'said unchecked nobody-trusted && verdict unchecked'
printf 'x+12345678+AAAA\n' >bad.vkey
exits 65 cb-verify --vkey=bad.vkey log
ok "the same as an independent reader finds" '[ "$(/usr/bin/python3 "$CB_SRC/tests/tlog.py" verify log)" = "$size" ]'
# a copy that has no journal
cp -r log copy && rm -r copy/state
exits 0 $v --older=old copy
ok "without state/" '[ "$(tail -n 1 out | jq .data.entries)" = "$size" ]'

# --- what is changed without a key
spoil() { rm -rf D && cp -r copy D; }
poke() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null; }
spoil
poke D/tile/entries/001 1000 '#'
exits 1 $v D
ok "an entry: which one, and where" 'said false entry-changed ".file == \"tile/entries/001\" and .byte <= 1000 and .byte > 800 and .entry >= 256 and .entry < 512" && only entry-changed' || codes
spoil
poke D/tile/0/001 100 '#'
exits 1 $v D
ok "a hash of a tile: which" 'said false tile-changed ".file == \"tile/0/001\" and .byte == 96 and .entry == 259" && only tile-changed' || codes
spoil
poke D/tile/1/000.p/3 40 '#' 2>/dev/null || poke "D/$(cd D && find tile/1 -type f)" 40 '#'
exits 1 $v D
ok "a hash of the level above" 'said false tile-changed ".file | startswith(\"tile/1/\")"' || codes
spoil
poke D/checkpoint 20 '9'
exits 1 $v D
spoil
rm D/tile/0/001
exits 1 $v D
ok "a tile that is missing" 'said false tile-missing' || codes
spoil
rm D/tile/entries/001
exits 1 $v D
ok "a bundle that is missing" 'said false entries-missing ".entry == 256 and .entry_end == 512"' || codes
spoil
rm D/tile/entries/000
exits 1 $v D
ok "the first bundle, and nobody said that it was deleted" 'said false entries-missing ".entry == 0"' || codes
spoil
rm D/checkpoint
exits 65 $v D
exits 1 $v --older=old log D
spoil
echo hello >D/enrolment
exits 1 $v D
ok "another enrolment" 'said false log-file-changed' || codes
spoil
sed -i 's/^7$/6/' D/epoch
exits 1 $v D
ok "another epoch's key" 'said false log-file-changed ".file == \"epoch\""' || codes
spoil
rm D/epoch
exits 0 $v D
exits 65 $v --forward-secure D
ok "none: not checked" 'said unchecked epoch-unchecked' || codes
spoil
sed -i s/one/two/ D/policy
exits 1 $v D
ok "another policy" 'said false log-file-changed' || codes

# --- twelve attacks, by somebody who has the log's key where he needs it
/usr/bin/python3 - >entries <<'PY'
import glob, struct
part = max(glob.glob("copy/tile/entries/*.p/*"), key=lambda f: int(f.split("/")[-1]))
for f in sorted(f for f in glob.glob("copy/tile/entries/*") if f[-1] != "p") + [part]:
    d = open(f, "rb").read()
    while d:
        n = struct.unpack(">H", d[:2])[0]
        print(d[2:2 + n].decode())
        d = d[2 + n:]
PY
ok "the entries" '[ "$(wc -l <entries)" = "$size" ]'
forge() {	# OPTION... : D, of the entries on stdin
	rm -rf D && mkdir D && cat >D.entries && command forge -k log.key "$@" D <D.entries >/dev/null &&
		cp log/enrolment log/policy log/epoch D
}
forge <entries
exits 0 $v --older=old D
ok "the same entries make the same tree" '[ "$(sed -n 3p D/checkpoint)" = "$(sed -n 3p log/checkpoint)" ]'
seals=$(grep -n '"type":"cb.log.seal"' entries | cut -d: -f1 | tr '\n' ' ')
seal() { echo "$seals" | cut -d' ' -f"$1"; }	# line of the Nth

# 1. the tail dropped
head -n 700 entries | forge
exits 1 $v --older=old D
ok "1. drop the tail" 'said false cut-back ".entry == 700 and .entry_end == '"$old"'" && only cut-back' || codes
spoil
rm -r D/tile/entries/*.p
exits 1 $v D
ok "1b. without a key" 'said false entries-missing' || codes
# 2. some of the middle
sed 200,249d entries | forge
exits 1 $v D
ok "2. drop some of the middle: the seal behind it was made for another place" \
	'said false seal-misplaced ".epoch == 1" && only seal-misplaced' || codes
# 3. two swapped, of one instant
sed '320{h;d};321{G}' entries | forge
exits 1 $v D
ok "3. swap two: the epoch in which they stand" 'said false sealed-changed ".entry <= 319 and .entry_end > 320" && only sealed-changed' || codes
# 4. one twice
sed 330p entries | forge
exits 1 $v D
ok "4. one twice" 'said false seal-misplaced ".text | test(\"put in\")"' || codes
# 5. changed, and sealed anew with the key of now
sed '200s/"n":[0-9]*/"n":666/' entries | forge -s seed
exits 1 $v D
ok "5. change, and seal anew with the current key" 'said false seal-false ".epoch == 0"' || codes
cp D.entries resealed
# 6. the seal of a silent epoch taken away
sed "$(seal 4)d" entries | forge
exits 1 $v D
ok "6. a silent epoch's seal" 'said false seal-missing ".epoch == 4 or .epoch == 3"' || codes
# 7. an old entry in the current epoch
sed '20{h};$G' entries | forge
exits 1 $v D
ok "7. an old entry among new ones" 'said false outside-epoch ".entry == '"$size"'"' || codes
# 8. back to a smaller size, signed
forge -n 600 <entries
exits 0 $v D
exits 1 $v --older=old D
ok "8. a smaller size" 'said false cut-back' || codes
# 9. another origin
sed 's,example.org/one,example.org/two,' entries | forge -o example.org/two
exits 1 $v D
ok "9. another origin: not a log that is trusted" 'said false checkpoint-unsigned' || codes
cb-audit init two --origin example.org/two -k witness.key --epochs 3 --now 2026-03-01T00:00:10Z
cb-audit checkpoint two -k witness.key --now 2026-03-01T00:00:20Z
exits 1 cb-verify --vkey="$(sed -n 's/^log //p' two/policy)" --vkey=vkey --older=old two
ok "9b. one that is trusted, too, is another log" 'said false other-origin' || codes
# 10. an old checkpoint put back
spoil
cp old D/checkpoint
cp log/checkpoint new
exits 1 $v --older=new D
ok "10. an old checkpoint" 'said false checkpoint-replayed || said false cut-back' || codes
cp -r log D2 && cp old D2/checkpoint
exits 1 $v --older=new D2
ok "10b. with all entries there" 'said false checkpoint-replayed && only checkpoint-replayed' || codes
# 11. a fork of long ago, grown as large, with seals of his own from there on
{ head -n 900 entries; tail -n +901 entries | sed 's/"n":\([0-9]*\)/"n":9\1/'; } | forge
exits 1 $v --older=new D
ok "11. a fork" 'said false forked' || codes
# 12. no log
rm -rf D && mkdir -p D/state
exits 1 $v --older=old D
ok "12. delete it" 'said false log-gone' || codes
exits 65 $v D

# --- a stolen seed
forge -s seed <resealed
exits 1 $v D
ok "the seed of epoch 7 seals no epoch before it" 'said false seal-false ".epoch == 0"' || codes
sed '$s/"n":[0-9]*/"n":666/' entries | forge -s seed
exits 1 $v --older=new D
ok "within its own epoch only who kept a checkpoint, or a witness, can tell" 'said false forked' || codes
head -n "$(($(seal 7)))" entries | sed '$!b' >upto
{ cat upto; sed -n "$(($(seal 7) + 1)),\$p" entries | sed 's/"n":\([0-9]*\)/"n":9\1/'; } | forge
exits 0 $v D
ok "and without either nobody can" 'verdict true'

# --- the epoch's key on the checkpoint
echo '{"type":"t"}' >in
append 41 in
exits 0 $v --forward-secure log
ok "what came behind the checkpoint is said" 'said note unsigned-tail'
forge <entries
exits 1 $v --forward-secure D
ok "the log's key alone" 'said false epoch-unsigned' || codes
cp -r log D3 && sed -i '$s/ [A-Za-z0-9+]\{20\}/ &/;$s/\(.*\) \(.....\)\(.\)\(.*\)/\1 \2A\4/' D3/checkpoint
exits 1 $v --forward-secure D3
exits 1 cb-verify --vkey=vkey --max-age=1h log
ok "a log that fell silent" 'said false silent' || codes
exits 0 cb-verify --vkey=vkey --max-age=1000000h log

# --- witnesses
wkey=$(/usr/bin/python3 "$CB_SRC/tests/tlog.py" vkey witness.key 4 witness.example/w1)
{ sed "/^quorum/d" log/policy; echo "witness w1 $wkey"; echo "quorum w1"; } >policy
exits 1 cb-verify --policy=policy log
ok "a policy that asks for a witness" 'said false checkpoint-unsigned ".text | test(\"too few witnesses\")"' || codes
mkdir wit
cb-audit consistency log 0 >body
cb-audit witness wit -k witness.key --name witness.example/w1 --policy log/policy --now 2026-03-01T00:40:00Z <body >cos
cp -r log W && cat cos >>W/checkpoint
exits 0 cb-verify --policy=policy --forward-secure W
ok "cosigned: by how many, and when" '[ "$(tail -n 1 out | jq -c "[.data.log.witnesses, .data.log.witnessed_from_us]")" = "[1,1772325600000000]" ]' || cat out
valid_events out
exits 0 cb-verify --policy=policy --format=text W
ok "in a sentence" 'grep -q "witnessed by 1, at 2026-03-01T00:40:00" out'
sed -i 's/w1 \(....................\)A/w1 \1B/; t; s/w1 \(....................\)./w1 \1A/' W/checkpoint
exits 1 cb-verify --policy=policy W
ok "a false cosignature" 'said false checkpoint-unsigned' || codes

# --- a log that goes on while it is verified
cp -r log G
(i=0
while [ ! -e enough ] && [ "$i" -lt 400 ]; do
	i=$((i + 1))
	echo "{\"type\":\"t\",\"n\":$i}" | cb-audit append G --now 2026-03-01T00:47:00Z
	[ $((i % 3)) -ne 0 ] || cb-audit checkpoint G -k log.key --now 2026-03-01T00:47:00Z
done) &
n=0
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	if ! $v G >out 2>err; then n=$((n + 1)); codes; fi
done
touch enough
wait
ok "twenty times, true each time" '[ "$n" = 0 ] && [ "$(tail -n 1 out | jq .data.entries)" -gt "$size" ]'

# --- a checkpoint can say what it likes
mkdir H && printf 'example.org/one\n9223372036854775807\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\342\200\224 example.org/one AAAAAAA=\n' >H/checkpoint
exits 1 timeout 20 $v H
ok "a size without end ends where there is nothing" 'said false entries-missing && [ "$(wc -l <out)" -le 4 ]' || codes
rm -rf D && cp -r copy D && sed '2s/.*/9223372036854775807/' copy/checkpoint >D/checkpoint
exits 1 timeout 20 $v D
ok "behind a whole log, too" 'said false entries-missing' || codes

# --- proofs
cb-audit prove log 500 >e.tlog-proof
sed -n 501p entries >e.entry
exits 0 $v e.tlog-proof
ok "a proof" 'verdict true && [ "$(tail -n 1 out | jq .data.log.size)" = "$size" ]'
exits 65 cb-verify e.tlog-proof
exits 65 $v --forward-secure e.tlog-proof
sed -n 502p entries >other
exits 1 $v --entry=other e.tlog-proof
ok "of another entry" 'said false proof-false ".entry == 500"'
sed 's/^index 500/index 501/' e.tlog-proof >f.tlog-proof
exits 1 $v --entry=e.entry f.tlog-proof
exits 66 $v --entry=nowhere e.tlog-proof

# --- what a log deletes by its own word
cp -r log P
exits 0 cb-audit prune P --below 600 --reason 'thirty days' --now 2026-03-01T00:42:00Z
exits 0 cb-audit checkpoint P -k log.key --now 2026-03-01T00:42:30Z
exits 0 $v --older=old P
ok "pruned: a note" 'said note pruned ".entry_end == 512" && [ "$(tail -n 1 out | jq .data.seals)" -ge 4 ]' || codes
# --- an organisation that vouches for the beginning
org() { cb-audit init "$@" --origin example.org/one -k log.key --epochs 10 && cb-audit checkpoint "$1" -k log.key; }
cb-sign keygen --no-passphrase -o org 2>/dev/null && cb-sign keygen --no-passphrase -o thief 2>/dev/null
org O --org org.key && org A && org F --org thief.key
exits 0 $v --org org.pub O
for d in A F; do
	exits 0 $v $d
	exits 1 $v --org org.pub $d
	ok "$d: begun anew with the log's key: not by them" 'said false enrolment-unsigned' || codes
done
exits 65 $v --org vkey O

cp -r log T && rm -r T/tile/entries T/tile/0
exits 1 $v T
ok "entries that the journal has and no reader can get" 'said false tile-missing' || codes
mv P/enrolment enrolment
exits 1 $v P
ok "without its enrolment no seal can be checked" 'said false log-file-changed ".file == \"enrolment\"" && ! said false entries-missing' || codes
mv enrolment P/
rm P/tile/entries/002
exits 1 $v P
ok "and not more than it said" 'said false entries-missing' || codes

# --- every byte, one after another in one process; which ones are tried moves with the day
day=$(($(date +%s) / 86400 % 131))
exits 0 flip -f -n 131 -a "$day" -v vkey -x state/ log || cat out
note "$(tail -n 1 out)"
done_testing
