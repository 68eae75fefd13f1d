#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Attacks with the exporter's own key: what the log and the manifests know is held against what a
# bundle says of itself; and what an honest recorder leaves after a crash is not taken for one.
. "$CB_SRC/tests/lib.sh"
need_cmd jq
PATH=$CB_BUILD/aid:$PATH
cp "$CB_SRC"/tests/keys/*.key . && chmod 600 ./*.key
said() {	# KIND CODE [JQ]
	jq -e -s "map(select(.type == \"cb.verify.finding\" and .data.kind == \"$1\" and .data.code == \"$2\") | .data |
		select(${3:-true})) | length > 0" out >/dev/null
}
codes() { note "$(jq -r 'select(.type == "cb.verify.finding").data | .kind + " " + .code + ": " + .text' out | head -n 8)"; }

# --- a recorder that was killed, and the next one, which recovers what it left
cb-audit init L --origin example.org/one -k log.key --epochs 600
sed -n 's/^log //p' L/policy >vkey
mkfifo fifo
cb-record S --log L --sync-interval 0 <fifo >/dev/null 2>err & pid=$!
exec 9>fifo
mkstream -c front -w 1750000000 "$(printf 'IAPAPAPAPA%.0s' $(seq 12))" >&9
wait_for 'cat S/cameras/front/*/*.manifest 2>/dev/null | grep -q "^2 "'
kill -9 $pid
wait $pid 2>/dev/null
exec 9>&-
mkstream -n 60 -c front -w 1750000100 "$(printf 'IPPPP%.0s' $(seq 26))E" | cb-record S --log L --segment 1s >ev
cb-audit checkpoint L -k log.key
ok "a segment was recovered, and others closed" '[ "$(jq -r .type ev | grep -c recovered)" = 1 ] && [ "$(jq -r .type ev | grep -c segment.closed)" -ge 4 ]' || note "$(jq -c .type ev)"
exits 0 cb-verify --vkey vkey --log L S || codes
ok "the log knows all of them" '[ "$(tail -n 1 out | jq .data.logged)" = "$(find S -name "*.mp4" | wc -l)" ]'
cb-sign keygen --no-passphrase -o k 2>/dev/null
exits 0 cb-export S --log L --sign k.key --require-proofs -o B
v="cb-verify --key k.pub --vkey vkey"
exits 0 $v B || codes

# --- whoever has the exporter's key signs anew what he changed
t() {	# COMMANDS, in a copy
	rm -rf D && cp -r B D && chmod -R u+w D
	(cd D && eval "$1" && rm -f SHA256SUMS* && find . -type f | sed 's/^\.\///' | LC_ALL=C sort | xargs sha256sum >../list &&
		mv ../list SHA256SUMS && cb-sign sign -q -k ../k.key SHA256SUMS) || note "$1: failed"
}
# segments of the recording, in order: index, name, first and last fragment
jq -r 'select(.index >= 0 and .state == "sealed") | [.recording, .index, (.clip | ltrimstr("clip/") | rtrimstr(".mp4")), .last] | @tsv' B/segments.ndjson >all
rec=$(tail -n 1 all | cut -f 1)
mid=$(grep "^$rec" all | sed -n 2p | cut -f 3)
t :
exits 0 $v D
t "rm */$mid*"
exits 1 $v D
ok "a segment out of the middle" 'said false segment-missing ".from_us < .to_us"' || codes
t "rm */$mid*; echo '{\"from_us\":1,\"to_us\":2}' >gaps.ndjson"
exits 1 $v D
ok "another gap is no excuse" 'said false segment-missing' || codes
from=$(jq -r --arg m "$mid" 'select(.clip | test($m)).from_us' B/segments.ndjson)
to=$(jq -r --arg m "$mid" 'select(.clip | test($m)).to_us' B/segments.ndjson)
t "rm */$mid*; echo '{\"from_us\":$from,\"to_us\":$to}' >gaps.ndjson"
exits 1 $v D
ok "nor one that is owned up to, where the case says how many there are" 'said note segment-missing && said false case-false' || codes
t "rm */$mid*; echo '{\"from_us\":$from,\"to_us\":$to}' >gaps.ndjson; jq -c '.segments -= 1' case.json >c && mv c case.json"
exits 0 $v D
ok "one that is owned up to: a note" 'said note segment-missing' || codes
# the first clip of several fragments, without its last
bytes=$(sed -n 's/^2 \([0-9]*\) .*/\1/p' "B/manifests/$mid.manifest")
t "truncate -s $bytes clip/$mid.mp4"
exits 1 $v D
ok "the last group of pictures of a clip that others follow" 'said false segment-short ".from_us < .to_us"' || codes
t 'sed -i "2s/.*/9999/" checkpoint'
exits 1 $v D
ok "another checkpoint than that of the proofs" 'said false proof-false ".text | test(\"file checkpoint\")"' || codes
t 'rm clip/* manifests/* proofs/*'
exits 1 $v D
ok "no footage at all" 'said false file-missing' || codes
t 'rm case.json'
exits 1 $v D
ok "no case" 'said false file-missing ".file == \"case.json\""' || codes
t 'echo 3 >case.json'
exits 1 $v D
ok "a case that is a number" 'said false case-false' || codes
t 'sed -i s/front/back/g case.json'
exits 1 $v D
ok "of another camera" 'said false case-false ".text | test(\"camera front\")"' || codes
t 'sed -i "s/\"given\"/\"taken\"/" case.json'
exits 1 $v D
ok "without a time" 'said false case-false' || codes
rm -rf D && cp -r B D && rm D/SHA256SUMS
exits 1 $v D
ok "without its list it is a bundle still" 'said false file-missing ".file == \"SHA256SUMS\"" && [ "$(tail -n 1 out | jq -r .data.what)" = bundle ]' || codes
exits 65 $v --older all B
ok "a kept checkpoint that is none" 'said unchecked older-unusable' || codes
exits 65 cb-verify --key k.key B
ok "a secret key is no public one" 'grep -q "not a public key of minisign$" err'
cp -r B pax && tar --format=pax -cf pax.tar pax
exits 65 $v pax.tar
ok "an archive of another kind: how to go on" 'grep -q "unpack it" err'
tar --format=ustar -cf u.tar pax
exits 0 $v u.tar
tar --format=gnu -cf g.tar pax
exits 0 $v g.tar
# one whose names are others to GNU tar than to POSIX: a prefix where GNU has none
/usr/bin/python3 - g.tar <<'PY'
import sys
d = bytearray(open(sys.argv[1], "rb").read())
d[345:348] = b"pax"
d[148:156] = b" " * 8
d[148:156] = b"%06o\0 " % sum(d[:512])
open(sys.argv[1], "wb").write(d)
PY
exits 65 $v g.tar

# --- keys that are believed for something else
cb-sign sign -q --ssh -k k.key vkey
pub=$(cb-sign inspect --signer me k.pub | sed 's/.* ssh-ed25519 //')
one() { printf '%s\n' "$1" >signers; }
one "me namespaces=\"git,cb-evidence\" ssh-ed25519 $pub"
exits 0 cb-verify --key signers vkey
one "me namespaces=\"git\" ssh-ed25519 $pub"
exits 1 cb-verify --key signers vkey
ok "a key for git alone signs no evidence" 'said false not-signed' || codes
one "me cert-authority ssh-ed25519 $pub"
exits 65 cb-verify --key signers vkey
ok "an authority's key signs keys, not files" 'grep -q "option that is not known" err'
one "ssh-rsa AAAA $pub ssh-ed25519 $pub"
exits 65 cb-verify --key signers vkey
done_testing
