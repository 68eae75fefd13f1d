#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# --require-signed: models that are in a list, lists that are signed with minisign's own program;
# what was changed by one byte, in any of the files, is refused.
. "$CB_SRC/tests/lib.sh"
need_cmd jq

/usr/bin/python3 "$CB_SRC/tests/smallnet.py"
cb-model convert m.cfg -o m.cbm
cb-model digest m.cfg m.cbm >list
signed() { cb-model check --require-signed --models "$@"; }

exits 0 signed list m.cfg m.cbm
printf '%s *m.cbm\n' "$(sha256sum <m.cbm | cut -c1-64 | tr a-f A-F)" >star
ok 'another form of a line' 'grep -q "^[0-9A-F]\{64\} \*m.cbm" star'
exits 0 signed star m.cbm
{ echo '# models'; echo; cat list; } >comments
exits 0 signed comments m.cbm m.cfg
: >empty
exits 1 signed empty m.cbm
ok 'not listed: said with digest and list' 'grep -q "^cb-model: m.cbm: $(sha256sum <m.cbm | cut -c1-64) is not listed in empty$" err'
ok 'and in the output' 'jq -e ".ok == false" out >/dev/null'
exits 66 signed nowhere m.cbm
for bad in 'no digest' '0123456789' "$(cut -c1-64 star)" "$(cut -c2-64 star)g  m.cbm"; do
	echo "$bad" >bad
	exits 65 signed bad m.cbm
done
ok 'a line that is none is named' 'grep -q "bad: line 1: not a digest and a name" err'
for verb in info bench; do exits 1 cb-model "$verb" --require-signed --models empty m.cbm; done
exits 1 cb-model convert --require-signed --models empty m.cbm -o x.cfg
ok 'nothing is written of it' '[ ! -e x.cfg ] && [ ! -e x.weights ]'
exits 64 cb-model info --models list m.cbm

# the list that came with the programs is the one without --models; that one has not our model
exits 1 cb-model check --require-signed m.cbm
ok 'it is named' 'grep -q "is not listed in .*/share/cb/models/SHA256SUMS$" err'
exits 0 cb-model check --require-signed "$CB_SRC"/models/*.cfg
exits 1 signed "$CB_SRC/models/SHA256SUMS" m.cbm

# a byte of any file
for f in m.cfg m.weights m.names; do
	cp "$f" kept
	printf '\n' >>"$f"
	st=0
	signed list m.cfg >out 2>err || st=$?
	ok "$f with a byte more" '[ "$st" -eq 1 ] && grep -q "not listed" err'
	cp kept "$f"
done
# bytes that move from one file to the next
cat m.cfg m.weights m.names >before
cp m.cfg kept.cfg; cp m.weights kept.weights
head -c -1 kept.cfg >m.cfg
{ tail -c 1 kept.cfg; cat kept.weights; } >m.weights
ok 'the same bytes, cut elsewhere' 'cat m.cfg m.weights m.names | cmp -s - before'
exits 1 signed list m.cfg
cp kept.cfg m.cfg; cp kept.weights m.weights
exits 0 signed list m.cfg

# --- signed lists ---
command -v minisign >/dev/null || { skip 'minisign is not installed' 12; done_testing; exit; }
minisign -G -W -p key.pub -s key.sec >/dev/null
minisign -G -W -p other.pub -s other.sec >/dev/null
minisign -S -s key.sec -m list -t 'models of 2026' >/dev/null
ok 'minisign signs' '[ -s list.minisig ]'
exits 0 signed list --key key.pub m.cfg m.cbm
exits 1 signed list --key other.pub m.cfg
ok 'another key' 'grep -q "list: signed with another key" err'
echo >>list
exits 1 signed list --key key.pub m.cfg
ok 'a list that was changed' 'grep -q "list: its signature is false" err'
sed '$d' list >l && mv l list
exits 0 signed list --key key.pub m.cfg
cp list.minisig kept.minisig
sed 's/models of 2026/models of 2027/' kept.minisig >list.minisig
exits 1 signed list --key key.pub m.cfg
ok 'a comment that was changed' 'grep -q "comment was changed" err'
# every byte of the two signatures and of the comment that is signed
bad=0 n=0
lines=$(sed -n '1p' kept.minisig | wc -c)
size=$(wc -c <kept.minisig)
i=$lines
while [ "$i" -lt "$size" ]; do
	{ head -c "$i" kept.minisig; head -c $((i + 1)) kept.minisig | tail -c 1 | tr 'A-Za-z0-9+/ =:\n' 'B-Zab-zA1-90/+_:=x'
		tail -c +$((i + 2)) kept.minisig; } >list.minisig
	n=$((n + 1))
	if signed list --key key.pub m.cfg >/dev/null 2>&1; then bad=$((bad + 1)); note "byte $i"; fi
	i=$((i + 7))
done
ok "no byte of the signature can be another ($n tried)" '[ "$bad" -eq 0 ] && [ "$n" -gt 30 ]'
minisign -S -l -s key.sec -m list >/dev/null 2>&1
exits 65 signed list --key key.pub m.cfg
ok 'an old signature, over the list itself' 'grep -q "not over a hash" err'
rm list.minisig
exits 66 signed list --key key.pub m.cfg
cp kept.minisig list.minisig
exits 66 signed list --key nowhere m.cfg
exits 65 signed list --key list m.cfg
done_testing
