#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-export: what the page of a bundle says in a browser, of a good one and of bad ones.
if [ -z "${TMPDIR-}" ] && [ -w /dev/shm ]; then TMPDIR=/dev/shm && export TMPDIR; fi
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq minisign chromium

minisign -G -W -f -p a.pub -s a.key >/dev/null
ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=320x240:rate=10:duration=8 -c:v libx264 \
	-preset ultrafast -g 10 -pix_fmt yuv420p clip.mp4
cb-ingest --camera=front --start-time=2026-11-21T07:00:00Z clip.mp4 | cb-record S --segment=4s >record.ndjson
cb-audit init L --epochs 2000 --key a.key --origin example.org/cam
for i in $(seq 1 300); do echo "{\"specversion\":\"1.0\",\"id\":\"$i\",\"source\":\"/x\",\"type\":\"x\",\"data\":{}}"; done | cb-audit append L
grep '"cb.segment.closed"' record.ndjson | head -n 1 | cb-audit append L
# and of a recording that is encrypted
cb-sign keygen --encryption --no-passphrase -o e
cb-ingest --camera=front --start-time=2026-11-21T08:00:00Z clip.mp4 | cb-record E -R e.pub --segment=4s >record.ndjson
grep '"cb.segment.closed"' record.ndjson | cb-audit append L
cb-audit checkpoint L --key a.key
cb-export E -i e.key --log L --no-entry --require-proofs --sign a.key --from 2026-11-21T08:00:02Z -o sealed
cb-export S --log L --no-entry --require-proofs --sign a.key --from 2026-11-21T07:00:01Z --to 2026-11-21T07:00:02Z \
	-o proved --purpose 'case 17' --by '<script>alert(1)</script>'
cb-export S --log L --no-entry -q -o half
ok "three bundles" '[ -d proved ] && [ -d half ] && [ -d sealed ]'
resum() { (cd "$1" && find . -type f ! -name 'SHA256SUMS*' | sed 's/^\.\///' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS); }

# one thing wrong at a time
bad() {	# NAME SHELL
	cp -r proved "bad-$1"
	(cd "bad-$1" && eval "$2")
}
bad footage "printf '\\377' | dd of=\$(echo clip/*.mp4) bs=1 seek=5000 conv=notrunc status=none"
bad events "echo '{}' >>events.ndjson"
bad proof "sed -i '3s/^..../AAAA/' proofs/*.tlog-proof; cd .. && resum bad-proof"
bad missing "rm manifests/*"
bad signature "sed -i '2s/\\(.\\{40\\}\\)./\\1#/;2y/#/A/' SHA256SUMS.minisig; cmp -s SHA256SUMS.minisig ../proved/SHA256SUMS.minisig && sed -i '2s/\\(.\\{40\\}\\)./\\1B/' SHA256SUMS.minisig"
bad root "sed -i '3s/^..../AAAA/' checkpoint; cd .. && resum bad-root"
bad case "sed -i 's/case 17/case 18/' case.json; cd .. && resum bad-case"
bad unlisted "sed -i '/events.ndjson/d' SHA256SUMS"
cp -r sealed bad-salts
(cd bad-salts && for f in salts/*; do printf '\377' | dd of="$f" bs=1 seek=40 conv=notrunc status=none; done; cd .. && resum bad-salts)
cp -r sealed bad-unsalted
(cd bad-unsalted && rm -r salts && sed -i 's/"salts":"[^"]*",//' segments.ndjson index.html && cd .. && resum bad-unsalted)
timeout 200 /usr/bin/python3 "$CB_SRC/tests/browser.py" --width 400 plain:proved folder:proved http:proved files:proved \
	folder:half folder:sealed folder:bad-salts folder:bad-unsalted folder:bad-footage folder:bad-events folder:bad-proof folder:bad-missing \
	folder:bad-signature folder:bad-root folder:bad-case folder:bad-unlisted >look.ndjson 2>look.err
if [ ! -s look.ndjson ]; then
	skip_all "chromium does not run here: $(tail -n 1 look.err)"
fi
look() {	# JOB VERDICT
	jq -c "select(.job == \"$1\")" look.ndjson >look.json
	_verdict=$2
	ok "page, $1: $2" '[ "$(jq -r .verdict look.json)" = "$_verdict" ]' || note "$(cat look.json look.err)"
}
look plain:proved unchecked
look folder:proved true
ok "page: all of it was checked" '[ "$(jq -r ".checks | map(.[0]) | unique | join(\" \")" look.json)" = good ] && [ "$(jq ".checks | length" look.json)" = 5 ]' || note "$(cat look.json)"
ok "page: the footage plays, nothing went wrong, nothing was asked of anybody" 'jq -se "map(select(.job | test(\"proved\"))) | all(.video[2] == 320 and .errors == [] and .elsewhere == [])" look.ndjson >/dev/null' || note "$(cat look.ndjson)"
ok "page: nothing is wider than a small screen" 'jq -se "all(.wide <= 0)" look.ndjson >/dev/null' || note "$(jq -c "[.job,.wide]" look.ndjson)"
look http:proved true
look files:proved true
look folder:half unchecked
look folder:sealed true
look folder:bad-salts false
ok "page: the salts are what is wrong" 'jq -e ".checks | map(select(.[0] == \"bad\" and (.[1] | test(\"not what was recorded\")))) | length > 0" look.json >/dev/null' || note "$(cat look.json)"
look folder:bad-unsalted false
for b in footage events proof missing signature root case unlisted; do
	look "folder:bad-$b" false
done
done_testing
