#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Encrypted footage as evidence: checked without a key and with one, exported with what ties the clip to
# the log, and forgotten by the day, after which everything still verifies.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq openssl minisign
PATH=$CB_BUILD/aid:$PATH

ffmpeg -nostdin -v error -y -f lavfi -i testsrc=size=160x120:rate=25:duration=6 \
	-c:v libx264 -preset ultrafast -bf 2 -g 25 a.mp4
cb-ingest --camera=front --start-time=2026-01-02T23:59:57Z a.mp4 >a.cbf
for who in a b; do cb-sign keygen --encryption --no-passphrase -o "$who"; done
minisign -G -W -f -p sign.pub -s sign.key >/dev/null
cb-audit init L --epochs 2000 --key sign.key --origin example.org/cam
cb-record S -R a.pub --segment=2s --log L <a.cbf >/dev/null
cb-audit checkpoint L --key sign.key
vkey=$(sed -n 's/^log \([^ ]*\).*/\1/p' L/policy)
of() { jq -c "select(.type == \"cb.store.checked\").data | $1" out; }
changed() {	# DIR FILE OFFSET: a byte is another
	printf '\377' | dd of="$1/$2" bs=1 seek="$3" conv=notrunc status=none
}
copy() { rm -rf X && cp -r "${1-S}" X && chmod -R u+w X; }

# --- check
exits 0 cb-store check S
valid_events out
ok "without a key: what is stored" '[ "$(of "[.segments,.fragments,.packets,.encrypted,.findings]")" = "[3,6,0,3,0]" ]'
exits 0 cb-store check S -i a.key
valid_events out
ok "with one: what is in it" '[ "$(of "[.segments,.fragments,.packets,.encrypted,.findings]")" = "[3,6,150,null,0]" ]'
exits 0 cb-store check S -i b.key
ok "with another: that it was not" '[ "$(of .encrypted)" = 3 ] && grep -q "encrypted for others" err'
exits 64 cb-store reindex S -i a.key
first=$(cd S && find cameras/front/2026-01-02 -name '*.mp4' | sort | head -n 1)
copy && changed X "$first" 200
exits 1 cb-store check X
exits 1 cb-store check X -i a.key
# whoever can write the store changes bytes and their digest: only a key tells, and the log
copy && changed X "$first" 200
/usr/bin/python3 - X/"$first" <<'EOF'
import hashlib, re, sys
path = sys.argv[1][:-4] + ".manifest"
data, lines = open(sys.argv[1], "rb").read(), open(path).read().split("\n")[:-1]
for i, l in enumerate(lines):
    w = l.split(" ")
    if w[0].isdigit():
        w[3] = hashlib.sha256(data[int(w[1]):int(w[1]) + int(w[2])]).hexdigest()
        lines[i] = " ".join(w)
text = "".join(l + "\n" for l in lines[:-1])
open(path, "w").write(text + "digest " + hashlib.sha256(text.encode()).hexdigest() + "\n")
EOF
exits 0 cb-store check X
exits 1 cb-store check X -i a.key
ok "forged, and the key tells" 'grep -q "was not sealed here with this key" out'
exits 1 cb-verify X --log L --vkey "$vkey"
exits 65 cb-replay X -i a.key
copy && rm X/keys/cameras/front/2026-01-03*
exits 1 cb-store check X
ok "a key is missing: found once" '[ "$(grep -c "its key is missing" out)" = 1 ]'

# --- verify takes no key
exits 0 cb-verify S --log L --vkey "$vkey"
exits 0 cb-verify X --log L --vkey "$vkey"
ok "a key that is not there is a note" 'grep -q key-missing out'
exits 0 cb-query S segments
ok "the key's name" '[ "$(jq -r .key out | cut -c -10 | sort | uniq -c | tr -s " \n" " ")" = " 2 2026-01-02 1 2026-01-03 " ]'
cp out before
cb-store reindex S && exits 0 cb-query S segments
same_file before out "the same with the index"

exits 0 cb-query S keys
ok "keys: a line each" '[ "$(jq -c "[.camera,.day,.state,.segments]" out | tr "\n" " ")" = "[\"front\",\"2026-01-02\",\"there\",2] [\"front\",\"2026-01-03\",\"there\",1] " ] &&
	[ "$(jq -r .key out)" = "$(cat S/cameras/front/*/*.manifest | sed -n "s/^key //p" | sort -u)" ]'
exits 0 cb-query S keys --format=table
ok "as a table" 'grep -q "KEY" out && [ "$(wc -l <out)" = 3 ]'
exits 0 cb-query X keys --camera=front --from=2026-01-03T00:00:02Z
ok "one that is not there" '[ "$(jq -r .state out)" = missing ]'

# --- an export
exits 77 cb-export S --log L --no-entry -o B0
ok "nothing is left of it" '[ ! -e B0 ] && [ ! -e B0.part ]'
exits 0 cb-export S -i a.key --log L --no-entry --require-proofs --sign sign.key --from 2026-01-02T23:59:58.5Z -o B
exits 0 cb-verify B --key sign.pub --vkey "$vkey"
cb-record P --segment=2s <a.cbf >/dev/null
cb-export P --no-entry --from 2026-01-02T23:59:58.5Z -o BP
ok "the clip is as of a store that is not encrypted" 'diff -r B/clip BP/clip && [ -n "$(ls B/clip)" ]'
ok "a salt for each piece" '[ "$(cat B/salts/* | wc -c)" = $((32 * $(jq -s "map(.last - .first + 2) | add" B/segments.ndjson))) ]'
ok "and named" '[ "$(jq -r .salts B/segments.ndjson | sort)" = "$(cd B && ls salts/*)" ]'
ok "no bundle has salts that needs none" '[ ! -e BP/salts ] && ! grep -q salts BP/segments.ndjson BP/VERIFY.txt'
ffprobe -v error -count_packets -show_entries stream=nb_read_packets -of csv=p=0 "$(find B/clip -name '*.mp4' | sort | head -n 1)" >packets
ok "players play it" '[ "$(head -n 1 packets | tr -d ,)" -ge 25 ]'
sed -n 's/^    //p' B/VERIFY.txt >howto
(cd B && sh -e ../howto) >said 2>&1
ok "VERIFY.txt, by hand" '[ "$(grep -c "footage: good" said)" = 3 ] && [ "$(grep -c "in the log: good" said)" = 3 ]' || note "$(cat said)"
resum() { (cd X && find . -type f ! -name 'SHA256SUMS*' | sed 's/^\.\///' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS); }
clip=$(cd B && find clip -type f | sort | head -n 1)
salts=salts/$(basename "$clip" .mp4).salts
copy B && changed X "$clip" 3000 && resum
exits 1 cb-verify X
ok "a changed clip" 'grep -q fragment-changed out'
(cd X && sh ../howto) >said 2>&1
ok "and by hand" 'grep -q "is not what was recorded" said'
copy B && changed X "$salts" 40 && resum
exits 1 cb-verify X
ok "a changed salt" 'grep -q fragment-changed out'
copy B && head -c 32 "B/$salts" >"X/$salts" && resum
exits 1 cb-verify X
ok "too few" 'grep -q fragment-changed out'
copy B && rm "X/$salts" && resum
exits 1 cb-verify X
ok "none" 'grep -q "without its salts" out'

# any byte, here every so manieth
printf '%s\n' "$vkey" >vkey
copy B
exits 0 flip -n 211 -a 5 -k sign.pub -v vkey -x "SHA256SUMS.minisig:$(head -n 1 B/SHA256SUMS.minisig | wc -c)" X
copy
exits 0 flip -n 211 -a 7 -v vkey -l L -x cameras/front/lock -x ballast $(cd S && find cameras -name '*.events' | sed 's/^/-x /') \
	$(cd S && find keys index -type f | sed 's/^/-x /') X
note "$(tail -n 1 out)"

# --- forgetting a day
exits 64 cb-store forget-key S --camera front
exits 66 cb-store forget-key S --camera nobody --day 2026-01-02
exits 66 cb-store forget-key S --camera front --day 2026-01-01
exits 66 cb-store forget-key P --camera front --day 2026-01-02
cb-store hold S --holder court --camera front --from 2026-01-02T12:00:00Z --to 2026-01-02T13:00:00Z >/dev/null
exits 1 cb-store forget-key S --camera front --day 2026-01-02
ok "held: not forgotten" 'grep -q "held by .court." err && [ "$(find S/keys -name "*.age" | wc -l)" = 2 ]'
cb-store release S --holder court >/dev/null
exits 0 cb-store forget-key S --camera front --day 2026-01-02 --dry-run
valid_events out
ok "dry run: nothing" '[ "$(find S/keys -name "*.age" | wc -l)" = 2 ] && ! cb-query S events --type cb.key.destroyed | grep -q .'
exec 9<"$(find S -path '*2026-01-02*.manifest' | head -n 1)"
flock -s 9
exits 75 cb-store forget-key S --camera front --day 2026-01-02
exec 9<&-
cp -r S Kept
exits 66 cb-store forget-key S --camera front --day 2026-01-02 --log nowhere
exits 0 cb-store forget-key S --camera front --day 2026-01-02T10:00:00Z --reason 'seven days' --log L
valid_events out
ok "said" '[ "$(jq -c "[.data.day,.data.segments,(.data.keys | length),.data.destroyed,.data.unencrypted,.data.reason]" out)" = \
	"[\"2026-01-02\",2,1,1,0,\"seven days\"]" ] && cb-query S events --type cb.key.destroyed | grep -qF "$(cat out)"'
ok "in the log" '[ "$(cb-audit query L --raw | jq -c "select(.type == \"cb.key.destroyed\").data.keys")" = "$(jq -c .data.keys out)" ]'
ok "no key any more, but the word of it" '[ "$(find S/keys -name "2026-01-02*.age" | wc -l)" = 0 ] &&
	cmp -s "$(find S/keys -name "2026-01-02*.destroyed")" out'
exits 1 cb-store forget-key S --camera front --day 2026-01-02
cb-audit checkpoint L --key sign.key
exits 0 cb-verify S --log L --vkey "$vkey"
ok "all of it verifies, which is noted once" '[ "$(grep -c key-destroyed out)" = 1 ]'
exits 0 cb-store check S -i a.key
ok "the check counts them" '[ "$(of "[.segments,.destroyed,.findings]")" = "[3,2,0]" ]'
exits 0 cb-query S keys
ok "its state" '[ "$(jq -r .state out | tr "\n" " ")" = "destroyed there " ]'
exits 0 cb-query S gaps
ok "gaps name them" '[ "$(grep -c "key was destroyed" out)" = 2 ]'
exits 0 cb-replay S -i a.key
cp out left.cbf
ok "the other day is there" '[ "$(cb-frame dump <left.cbf | grep -c PACKET)" = 50 ] && cb-frame dump <left.cbf | grep -q "GAP.*store"' ||
	note "$(cb-frame dump <left.cbf | grep -c PACKET)"
exits 1 cb-replay S -i a.key --to 2026-01-02T23:59:58Z
exits 0 cb-export S -i a.key --log L --no-entry --sign sign.key --from 2026-01-02T23:59:57Z -o BS
exits 0 cb-verify BS --key sign.pub --vkey "$vkey"
ok "of what is left" '[ "$(ls BS/clip | wc -l)" = 1 ] && [ "$(grep -c "key was destroyed" BS/gaps.ndjson)" = 2 ]'
exits 1 cb-export S -i a.key --log L --no-entry --to 2026-01-02T23:59:58Z -o BN
# a kill between the word and the deed
cp Kept/keys/cameras/front/2026-01-02*.age S/keys/cameras/front/
exits 1 cb-replay S -i a.key --to 2026-01-02T23:59:58Z
exits 1 cb-store forget-key S --camera front --day 2026-01-02
ok "is finished" '[ "$(find S/keys -name "2026-01-02*.age" | wc -l)" = 0 ]'
# a day that is in part not encrypted, and one that is being recorded
cb-record Kept --camera=front <a.cbf >/dev/null
exits 1 cb-store forget-key Kept --camera front --day 2026-01-02
ok "in part not encrypted: not without --force" 'grep -q "not encrypted" err'
mkfifo in
cb-record Kept -R a.pub --camera=front --sync-interval=0s <in >/dev/null 2>&1 &
pid=$!
exec 8>in
head -c $(($(wc -c <a.cbf) * 2 / 3)) a.cbf >&8
wait_for 'ls Kept/cameras/front/2026-01-02/*.part >/dev/null 2>&1'
exits 75 cb-store forget-key Kept --camera front --day 2026-01-02 --force
exec 8>&-
wait $pid
exits 0 cb-store forget-key Kept --camera front --day 2026-01-02 --force
ok "both keys of that day" '[ "$(jq .data.destroyed out)" = 2 ] && grep -q "stay" err'
ok "what was not encrypted is still there" 'cb-replay Kept -i a.key 2>/dev/null | cb-frame dump | grep -q PACKET'

# --- retention takes the keys with the footage
cb-record R -R a.pub --segment=2s <a.cbf >/dev/null
exits 0 cb-store prune R --bytes "$(jq -s 'map(.bytes) | max' before)" --force
ok "a day that is gone has no keys" '[ "$(find R/keys -name "2026-01-02*" | wc -l)" = 0 ] && [ "$(find R/keys -name "2026-01-03*.age" | wc -l)" = 1 ]' ||
	note "$(find R)"
exits 0 cb-replay R -i a.key
done_testing
