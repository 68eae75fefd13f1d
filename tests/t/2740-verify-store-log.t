#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-verify on a store and its log: what was put in, taken out, made anew, and deleted by rule.
. "$CB_SRC/tests/lib.sh"
need_cmd jq
PATH=$CB_BUILD/aid:$PATH
cp "$CB_SRC"/tests/keys/*.key . && chmod 600 ./*.key
said() {	# KIND CODE [JQ]
	jq -e -s "map(select(.type == \"cb.verify.finding\" and .data.kind == \"$1\" and .data.code == \"$2\") | .data |
		select(${3:-true})) | length > 0" out >/dev/null
}
codes() { jq -r 'select(.type == "cb.verify.finding").data | .kind + " " + .code + ": " + .text' out | head -n 8; }
last() { tail -n 1 out | jq -r "$1"; }

cb-audit init L --origin example.org/one -k log.key --epochs 600
# several recordings: a segment each
for i in 1 2 3; do
	mkstream -n 60 -c front -w "175000${i}000" IAPIAPIAPE | cb-record S --log L >/dev/null
done
mkstream -n 60 -c back -w 1750004000 IAPIAPE | cb-record S --log L >/dev/null
cb-audit checkpoint L -k log.key
sed -n 's/^log //p' L/policy >vkey
v="cb-verify --vkey=vkey"
exits 0 $v --log=L S
ok "every segment is in the log" '[ "$(last .data.logged)" = 4 ] && [ "$(last .data.segments)" = 4 ] && [ "$(last .data.log.origin)" = example.org/one ]' || codes
valid_events out
exits 0 $v --log=L --format=text S
ok "in a sentence" 'grep -q "in that log: 4 of 4 segments" out'
exits 0 $v --log=L --camera=back S
exits 66 $v --log=nowhere S
exits 65 cb-verify --log=L S
ok "nobody named: not checked" 'said unchecked nobody-trusted'
# in the store, where its tools keep it
cp -r S I && cp -r L I/log
exits 0 $v I
ok "a log in the store" '[ "$(last .data.logged)" = 4 ]'
exits 0 cb-verify I
ok "and without a key: said, not used" 'said note log-unused && [ "$(last .data.logged)" = 0 ]'

spoil() { rm -rf D && cp -r S D && chmod -R u+w D; }
seg() { find "$1/cameras/front" -name '*.mp4' | sort | sed -n "${2}p"; }
spoil
f=$(seg D 2)
rm "$f" "${f%.mp4}.manifest"
exits 1 $v --log=L D
ok "one taken out, which the store alone cannot tell: named" "said false segment-missing '.file == \"${f#D/}\" and .from_us > 0' && [ \"\$(last .data.logged)\" = 3 ]" || codes
exits 0 $v --log=L --partial D
ok "a part of a store" 'said note segment-missing'
spoil
mkstream -n 60 -c front -w 1750009000 IAPE | cb-record D >/dev/null
exits 1 $v --log=L D
ok "one put in" 'said false segment-unlogged' || codes
# footage changed, and its manifest made anew so that the two agree
spoil
f=$(seg D 2)
/usr/bin/python3 - "$f" "${f%.mp4}.manifest" <<'PY'
import hashlib, sys
d = bytearray(open(sys.argv[1], "rb").read())
d[-5] ^= 1
open(sys.argv[1], "wb").write(d)
out = []
for l in open(sys.argv[2]).read().split("\n")[:-2]:
    w = l.split(" ")
    if w[0].isdigit():
        w[3] = hashlib.sha256(d[int(w[1]):int(w[1]) + int(w[2])]).hexdigest()
    out.append(" ".join(w))
text = "\n".join(out) + "\n"
open(sys.argv[2], "w").write(text + "digest " + hashlib.sha256(text.encode()).hexdigest() + "\n")
PY
exits 0 cb-verify D
exits 1 $v --log=L D
ok "footage and manifest made anew: the log knows the old ones" "said false segment-unlogged '.file == \"${f#D/}\"' && said false segment-missing" || codes
# an older log, in which the last recordings are not yet
cp -r L M && mkstream -n 60 -c front -w 1750008000 IAPE | cb-record S --log M >/dev/null
exits 1 $v --log=L S
ok "a log that does not know the last segment" 'said false segment-unlogged'
exits 0 $v --log=M S
ok "one that does, unsigned yet: said" 'said note unsigned-tail'

# a verification can be logged, as any event
cb-verify --vkey=vkey --log=M S >verified
exits 0 cb-audit append M <verified
exits 0 $v --log=M S

# a store that is being recorded into, and a log that it goes into, while they are verified
cp -r M G && cp -r S R
(i=10
while [ ! -e enough ] && [ "$i" -lt 80 ]; do
	i=$((i + 1))
	mkstream -n 60 -c front -w "17501${i}000" IAPIAPIAPE | cb-record R --log G >/dev/null
done) &
n=0
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
	if ! $v --log=G R >out 2>err; then n=$((n + 1)); codes; fi
done
touch enough
wait
ok "twelve times, true each time" '[ "$n" = 0 ] && [ "$(last .data.segments)" -gt 5 ]'

# what the store's keeper deletes, and says so
chmod -R u+w S
exits 0 cb-store prune S --older 1s --camera back --force --log M
ok "a segment is deleted" '[ -z "$(find S/cameras/back -name "*.mp4")" ]'
exits 0 $v --log=M S
ok "nothing is missing" '! said false segment-missing' || codes
ok "and what was deleted is said" 'said note segment-deleted ".from_us > 0"' || codes
done_testing
