#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-export: signatures, proofs and encryption, checked with stock tools.
# 1440 segments are synced one by one: in memory, where there is such a place
if [ -z "${TMPDIR-}" ] && [ -w /dev/shm ]; then TMPDIR=/dev/shm && export TMPDIR; fi
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq openssl minisign ssh-keygen

# what VERIFY.txt tells people to type, all of it: howto DIR
howto() {
	sed -n 's/^    //p' "$1/VERIFY.txt" >howto.sh
	(cd "$1" && TMPDIR=$T timeout 60 sh -eu ../howto.sh) >howto.out 2>&1
}
resum() { (cd "$1" && find . -type f ! -name 'SHA256SUMS*' | sed 's/^\.\///' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS); }

# keys as stock minisign makes them
for k in a b; do minisign -G -W -f -p $k.pub -s $k.key >/dev/null; done
ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=320x240:rate=10:duration=12 -c:v libx264 \
	-preset ultrafast -g 10 -pix_fmt yuv420p clip.mp4
cb-ingest --camera=front --start-time=2026-11-21T07:00:00Z clip.mp4 | cb-record S --segment=4s >record.ndjson
grep '"cb.segment.closed"' record.ndjson >closed.ndjson
ok "a recording of three segments" '[ "$(wc -l <closed.ndjson)" = 3 ]'

# --- signed
exits 0 cb-export S --sign a.key --sign b.key --to 2026-11-21T07:00:02Z -o signed
ok "signed by both" '[ "$(cd signed && ls SHA256SUMS.* | tr "\n" " ")" = "SHA256SUMS.2.minisig SHA256SUMS.2.sig SHA256SUMS.minisig SHA256SUMS.sig " ]'
ok "stock minisign: with the key that signed" 'minisign -V -H -q -p a.pub -m signed/SHA256SUMS && minisign -V -H -q -p b.pub -x signed/SHA256SUMS.2.minisig -m signed/SHA256SUMS'
ok "and not with the other" '! minisign -V -H -q -p b.pub -m signed/SHA256SUMS >/dev/null 2>&1'
ok "VERIFY.txt: minisign, OpenSSH and OpenSSL find it good" 'howto signed && [ "$(grep -c "^Signature and comment signature verified" howto.out)" = 2 ] &&
	[ "$(grep -c "^Good .cb-evidence. signature" howto.out)" = 2 ] && [ "$(grep -c "^Signature Verified Successfully" howto.out)" = 2 ]' || note "$(cat howto.out)"
ok "the key in it is the key" 'grep -q "^  $(tail -n 1 a.pub)$" signed/VERIFY.txt && cmp -s keyline "$(echo x)" 2>/dev/null || [ "$(tail -n 1 signed/keys/*"$(jq -r ".keys[0]" signed/case.json)".pub)" = "$(tail -n 1 a.pub)" ]'
cp -r signed forged
printf '{}\n' >>forged/events.ndjson
resum forged
ok "the list made anew: its signatures are false" '! howto forged && grep -q "list: good" howto.out && grep -q "Signature verification failed" howto.out' || note "$(cat howto.out)"
rm -rf forged && cp -r signed forged && cp forged/clip/*.mp4 forged/clip/more.mp4
ok "a file put in: VERIFY.txt shows it" 'howto forged; grep -q "list: good" howto.out && grep -q "^> clip/more.mp4" howto.out && ! grep -q "list: complete" howto.out' || note "$(cat howto.out)"
rm -rf forged && cp -r signed forged && (cd forged && mv case.json ../c && ln -s ../c case.json && ln -s ../c "$(printf 'a\nb')")
ok "and a link with two lines of a name" 'howto forged; ! grep -q "list: complete" howto.out' || note "$(cat howto.out)"
ok "nothing put in: said" 'howto signed && grep -q "list: complete" howto.out'
exits 66 cb-export S --sign nosuch.key -o x
exits 65 cb-export S --sign a.pub -o x
exits 64 cb-export S --sign a.key --sign b.key --sign a.key -o x
ok "a key given twice is named" 'grep -q "is given twice" err && [ "$(wc -l <err)" = 1 ]'
ok "no key, no export" '[ ! -e x ] && [ ! -e x.part ]'

# --- proved
cb-audit init L --epochs 2000 --key a.key --origin example.org/cam
for i in $(seq 1 300); do echo "{\"specversion\":\"1.0\",\"id\":\"$i\",\"source\":\"/x\",\"type\":\"x\",\"data\":{}}"; done >noise
cb-audit append L <noise
head -n 2 closed.ndjson | cb-audit append L
exits 0 cb-export S --log L -o early
ok "nothing under the checkpoint yet: said" 'grep -q "3 of 3 segments without a proof" err && jq -se ".[0].unproved | test(\"no checkpoint\")" early/segments.ndjson >/dev/null' || note "$(cat err)"
cb-audit checkpoint L --key a.key
sed -n 3p closed.ndjson | cb-audit append L
exits 0 cb-export S --log L -o half
ok "two of three: said which, and why" 'grep -q "1 of 3 segments without a proof: it is entry [0-9]* of the log, but no checkpoint covers that yet" err' || note "$(cat err)"
ok "VERIFY.txt: two are in the log" 'howto half && [ "$(grep -c "in the log: good" howto.out)" = 2 ]' || note "$(cat howto.out)"
exits 1 cb-export S --log L --require-proofs -o x
ok "one is missing and all are wanted: nothing made" '[ ! -e x ] && [ ! -e x.part ]'
cb-audit checkpoint L --key a.key
ok "the log has an entry of each export" '[ "$(for i in $(seq 300 306); do cb-audit prove L "$i" >p 2>/dev/null; done; cat L/tile/entries/*/* L/state/journal.* | strings | grep -c "\"cb.export\"")" -ge 2 ]'
exits 0 cb-export S --log L --require-proofs --sign a.key --from 2026-11-21T07:00:05Z --to 2026-11-21T07:00:06Z -o proved --purpose 'case 17'
ok "quiet where all is well" '[ ! -s err ]'
ok "VERIFY.txt: all of it is good" 'howto proved && [ "$(grep -c "in the log: good" howto.out)" = 1 ] && [ "$(grep -c "^Signature Verified Successfully" howto.out)" = 2 ]' || note "$(cat howto.out)"
ok "the entry is that of the recorder" 'grep -q "$(jq -r .id closed.ndjson | sed -n 2p)" proved/proofs/*.entry'
strings -n 200 L/state/journal.* | grep -o '{"recordedtime".*"type":"cb.export".*}' | sed 's/^{"recordedtime":"[^"]*",/{/' | sed -n '$p' >export.ndjson
valid_events export.ndjson
ok "cb.export: what was given, and nothing of purpose" 'jq -e ".data.list_sha256 == \"$(sha256sum <proved/SHA256SUMS | cut -d " " -f 1)\" and .data.from_us == 1795244405000000 and (.data.keys | length) == 1" export.ndjson >/dev/null && ! grep -q "case 17" export.ndjson' || note "$(cat export.ndjson)"
n=$(strings -n 200 L/state/journal.* | grep -c cb.export)
exits 0 cb-export S --log L --no-entry -o quiet -q
ok "--no-entry: none" '[ "$(strings -n 200 L/state/journal.* | grep -c cb.export)" = "$n" ]'
cp -r L S/log
exits 0 cb-export S --require-proofs -o own -q
ok "a store's own log" 'howto own' || note "$(cat howto.out)"
rm -rf S/log
exits 66 cb-export S --log nowhere -o x
mkdir empty
exits 65 cb-export S --log empty -o x
cp -r L ro && rm -rf ro/state
exits 0 cb-export S --log ro --no-entry --require-proofs -o copy -q
ok "from a copy of the log" 'howto copy' || note "$(cat howto.out)"
_st=0
cb-export S --log ro -o x 2>err || _st=$?
ok "no entry can be made there: nothing is exported" '[ "$_st" -ge 65 ] && [ ! -e x ] && [ ! -e x.part ] && [ "$(wc -l <err)" = 1 ]' || note "$_st $(cat err)"

# each thing that can be wrong, and what VERIFY.txt's commands say of it
wrong() {	# DESC SAID SHELL: in a copy of proved, with its list made anew
	_said=$2
	rm -rf t && cp -r proved t
	(cd t && eval "$3") && resum t
	# the signature is false then, which is not what is asked here
	sed -i '/^    minisign \|^    ssh-keygen /d' t/VERIFY.txt
	sed -i '/^2\. THE LIST/,/^3\. THE FOOTAGE/{/^    /d}' t/VERIFY.txt
	resum t
	ok "VERIFY.txt: $1" '! howto t && grep -q "$_said" howto.out' || note "$(cat howto.out)"
}
wrong "an entry of another segment" "the entry is of another manifest" 'sed -i "s/manifest_sha256\":\"./manifest_sha256\":\"x/" proofs/*.entry'
wrong "an entry that was changed" "does not lead to the root" 'sed -i "s/\"reason\":\"length\"/\"reason\":\"lengthy\"/" proofs/*.entry'
wrong "another place in the log" "does not lead to the root" 'sed -i "s/^index .*/index 5/" proofs/*.tlog-proof'
wrong "a hash of the path" "does not lead to the root" 'sed -i "3s/^..../AAAA/" proofs/*.tlog-proof'
wrong "another root" "differ" 'sed -i "3s/^..../AAAA/" checkpoint'
wrong "a root that nobody signed" "Verification Failure\|verification failure\|Signature Verification" 'sed -i "2s/.*/9/" checkpoint; for p in proofs/*.tlog-proof; do sed "/^$/q" "$p" | cat - checkpoint >p && mv p "$p"; done; sed -i "/^    logged [0-9]/d" VERIFY.txt'

# --- cb-verify says the same
exits 0 cb-verify proved --key a.pub --policy L/policy
exits 0 cb-verify signed --key a.pub --key b.pub --need 2
printf '\377' | dd of="$(echo forged/clip/*.mp4)" bs=1 seek=5000 conv=notrunc status=none
exits 1 cb-verify forged --key a.pub
tar cf proved.tar proved
exits 0 cb-verify proved.tar --key a.pub --policy L/policy
exits 0 cb-export S --log L --no-entry --require-proofs --sign a.key -o whole.tar -q
exits 0 cb-verify whole.tar --key a.pub --policy L/policy

# --- a segment that its recorder left open is in the log by what recovery says of it
cb-audit init RL --epochs 2000 --key a.key --origin example.org/recovered
mkfifo hold
cb-record R --log RL --sync-interval=0 <hold >/dev/null 2>&1 & pid=$!
exec 9>hold
"$CB_BUILD/aid/mkstream" IPPPPPPPPPPPPPIPPPPPPPPPPPPPI >&9
ok "two fragments are there" 'wait_for "cb-query R segments --format=ndjson 2>/dev/null | grep -q \"\\\"fragments\\\":2\""'
kill -KILL $pid
wait $pid 2>/dev/null || :
exec 9>&-
"$CB_BUILD/aid/mkstream" -w 1760000000 IPPPE | cb-record R --log RL >/dev/null
cb-audit checkpoint RL --key a.key
exits 0 cb-export R --log RL --no-entry --require-proofs --sign a.key -o recovered -q
ok "VERIFY.txt: good, both segments in the log" 'howto recovered && [ "$(grep -c "in the log: good" howto.out)" = 2 ] && grep -q recording.recovered recovered/proofs/*.entry' || note "$(cat howto.out)"
exits 0 cb-verify recovered --key a.pub --policy RL/policy
exits 0 cb-verify R --log RL --policy RL/policy

# --- encrypted
if command -v age >/dev/null; then
	age-keygen -o id.txt 2>/dev/null
	to=$(age-keygen -y id.txt)
	exits 0 cb-export S --recipient "$to" -o e.tar.age -q
	ok "stock age opens it" 'age -d -i id.txt e.tar.age >e.tar && tar xf e.tar && [ "$(stat -c %a e.tar.age)" = 640 ]'
	ok "and it is good" 'howto "$(tar tf e.tar | head -n 1 | cut -d / -f 1)"'
	exits 0 cb-export S --recipient "$to" -o - -q
	ok "on stdout too" 'age -d -i id.txt out | tar tf - >/dev/null'
	exits 74 sh -c "cb-export S --recipient $to -o - >/dev/full"
	exits 64 cb-export S --recipient "$to" -o e.tar
else
	skip "age is not installed" 7
fi
exits 64 cb-export S --recipient age1nonsense -o e2.tar.age
exits 64 cb-export S -o e2.tar.age

# --- ten seconds of a day, proved without the rest of it
# 24 hours in segments of a minute, small pictures, as fast as they can be written
ffmpeg -nostdin -v error -f lavfi -i color=gray:size=64x48:rate=1/2:duration=86400 -c:v libx264 \
	-preset ultrafast -g 1 -pix_fmt yuv420p day.mkv
cb-ingest --camera=front --start-time=2026-11-20T00:00:00Z day.mkv |
	cb-record Day --segment=60s --sync-interval=3600s >day.ndjson
ok "a day of it: 1440 segments" '[ "$(grep -c cb.segment.closed day.ndjson)" -ge 1440 ]'
cb-audit init DayLog --epochs 2000 --key a.key --origin example.org/day
grep '"cb.segment.closed"' day.ndjson | cb-audit append DayLog
cb-audit checkpoint DayLog --key a.key
exits 0 cb-export Day --log DayLog --no-entry --require-proofs --sign a.key --from 2026-11-20T13:17:20Z --to 2026-11-20T13:17:30Z -o ten
ok "VERIFY.txt: good" 'howto ten && grep -q "in the log: good" howto.out' || note "$(cat howto.out)"
beside=$(find ten -type f ! -path '*/clip/*' -printf '%s\n' | awk '{ n += $1 } END { print n }')
proof=$(find ten -type f \( -path '*/manifests/*' -o -path '*/proofs/*' -o -path '*/keys/*' -o -name 'SHA256SUMS*' -o -name checkpoint -o -name policy \) -printf '%s\n' | awk '{ n += $1 } END { print n }')
ok "at most 64 KB beside the clip, the page counted in" '[ "$beside" -le 65536 ]'
note "beside the clip: $beside bytes, of which manifest, proof, list, keys and signatures $proof"
exits 0 cb-verify ten --key a.pub --policy DayLog/policy
# all of the day: what programs read of it stays readable
exits 0 cb-export Day --log DayLog --no-entry --require-proofs --sign a.key -o Whole
exits 0 cb-verify Whole --key a.pub --policy DayLog/policy
ok "all of the day: 1440 proofs" '[ "$(ls Whole/proofs/*.tlog-proof | wc -l)" = 1440 ] && [ "$(jq .segments Whole/case.json)" = 1440 ]'
ok "and nothing of the other hours" '[ "$(ls ten/manifests | wc -l)" = 1 ] && [ "$(ls ten/clip | wc -l)" = 1 ]'
done_testing
