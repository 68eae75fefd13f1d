#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Footage that is encrypted as it is recorded: nothing of it on the disk in the clear, everything
# given back to whoever has an identity, and an independent script agrees about every byte.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq
PATH=$CB_BUILD/aid:$PATH
sealed() { /usr/bin/python3 -B "$CB_SRC/tests/cbsealed.py" "$@"; }

ffmpeg -nostdin -v error -y -f lavfi -i testsrc=size=160x120:rate=25:duration=6 \
	-f lavfi -i sine=sample_rate=48000:duration=6 -c:v libx264 -preset ultrafast -bf 2 -g 25 -c:a aac a.mp4
cb-ingest --camera=front --start-time=2026-01-02T23:59:57Z a.mp4 >a.cbf
for who in a b c; do cb-sign keygen --encryption --no-passphrase -o "$who"; done
cb-record P --segment=2s <a.cbf >plain.ndjson

# --- there and back
exits 0 cb-record S -r "$(cat a.pub)" -R b.pub --segment=2s <a.cbf
valid_events out
jq -r '.type' <out >types
jq -r '.type' <plain.ndjson >wanted
same_file wanted types "the same events"
exits 0 cb-replay S -i a.key
mv out back.cbf
cb-frame hash <a.cbf | grep -v '^all' >wanted
cb-frame hash <back.cbf | grep -v '^all' >got
same_file wanted got "what was recorded comes back, with one identity"
cb-replay P >plain.cbf
same_file plain.cbf back.cbf "as from a store that is not encrypted"
exits 0 cb-replay S -i c.key -i b.key
same_file plain.cbf out "with the other identity, among several"
exits 77 cb-replay S
ok "without one: nothing, and why" '[ ! -s out ] && grep -q "encrypted: it takes an identity" err'
exits 77 cb-replay S -i c.key
ok "with somebody else's: nothing" '[ ! -s out ]'
cb-replay P --from=2026-01-03T00:00:00.5Z --to=2026-01-03T00:00:01.2Z >wanted
exits 0 cb-replay S -i a.key --from=2026-01-03T00:00:00.5Z --to=2026-01-03T00:00:01.2Z
same_file wanted out "a part of it"

# --- what lies there
sealed plain S a.key O
(cd O && find cameras -type f | sort) >wanted
(cd P && find cameras -name '*.m[pa]*' | sort) >got
same_file wanted got "the same segments"
ok "an independent script makes of them what a plain store is" 'diff -r -x "*.events" -x lock O/cameras P/cameras'
cbstore() { /usr/bin/python3 -B "$CB_SRC/tests/cbstore.py" "$@"; }
exits 0 cbstore check S a.key
cp out one
cbstore check P >two
same_file two one "another, that every promise of the page is kept"
exits 65 cbstore check S
# boxes that every plain segment has, and names in HELLO
ok "nothing in the clear" '[ "$(cat S/cameras/front/*/*.mp4 | wc -c)" -gt 50000 ] && ! cat S/cameras/front/*/*.mp4 | LC_ALL=C grep -a -q -e moov -e mdat -e ftyp -e cb-ingest'
ok "which a plain one has" 'cat P/cameras/front/*/*.mp4 | LC_ALL=C grep -a -q -e moov'
ok "a key a day, encrypted for both" '[ "$(find S/keys -type f | wc -l)" = 2 ] &&
	[ "$(cb-sign inspect --format=ndjson S/keys/cameras/front/2026-01-02-*.age | grep -c .)" = 1 ]'
sed -n 's/^key \(.\{10\}\)-.*/\1/p' S/cameras/front/2026-01-0*/*.manifest | sort -u >days
printf '2026-01-02\n2026-01-03\n' >wanted
same_file wanted days "the key of its day"
for m in S/cameras/front/*/*.manifest; do
	grep -E '^[0-9]+ ' "$m" | while read -r n at len sum _; do
		[ "$(tail -c +$((at + 1)) "${m%.manifest}.mp4" | head -c "$len" | sha256sum)" = "$sum  -" ] && echo "$m $n"
	done
done >good
ok "digests of what is stored, by sha256sum" '[ "$(wc -l <good)" = "$(cat S/cameras/front/*/*.manifest | grep -cE "^[0-9]+ ")" ]'
cb-record S2 -r "$(cat a.pub)" --segment=2s <a.cbf >/dev/null
(cd S && sha256sum cameras/front/*/*.mp4) >one
(cd S2 && sha256sum cameras/front/*/*.mp4) >two
ok "recorded again: the same names, other bytes" '[ "$(wc -l <one)" = 3 ] && [ "$(cut -c 67- one)" = "$(cut -c 67- two)" ] &&
	[ "$(sort -m one two | cut -c -64 | sort -u | wc -l)" = 6 ]'
sealed vector >vector
tr -d '\n' <"$CB_SRC/man/cb-store.5" >page
ok "the example of the page" '[ "$(wc -l <vector)" = 2 ] && grep -q "$(sed -n 1p vector)" page && grep -q "$(sed -n 2p vector)" page'
if command -v age >/dev/null; then
	age -d -i a.key -o opened "$(find S/keys -name '2026-01-03*.age')"
	ok "age itself opens a day key" 'grep -q "^day 2026-01-03$" opened && grep -qE "^key [0-9a-f]{64}$" opened'
else
	skip "age is not installed"
fi

# --- the store's own recipients
mkdir -p D/keys
cp b.pub D/keys/recipients
exits 0 cb-record D --segment=2s <a.cbf
exits 0 cb-replay D -i b.key
same_file plain.cbf out "keys/recipients: every recorder encrypts"
exits 77 cb-replay D -i a.key
exits 0 cb-record D --camera=other -r "$(cat a.pub)" <a.cbf
exits 0 cb-replay D --camera=other -i a.key
exits 77 cb-replay D --camera=other -i b.key
printf 'ssh-ed25519 AAAA\n' >D/keys/recipients
exits 65 cb-record D <a.cbf
ok "says what is wrong with it" 'grep -q "recipients: line 1: an ssh key" err'
ok "a list that is none: nothing is recorded" '[ "$(find D/cameras/front -name "*.mp4" | wc -l)" = "$(find S/cameras/front -name "*.mp4" | wc -l)" ]'
chmod 0 D/keys/recipients
[ "$(id -u)" = 0 ] || exits 77 cb-record D <a.cbf
exits 64 cb-record D -r nobody <a.cbf
exits 66 cb-record D -R nowhere <a.cbf
exits 0 cb-record S2 <a.cbf
ok "a recorder that has forgotten its recipients says so" '[ "$(grep -c "was recorded encrypted before, and is not now" err)" = 1 ]'
exits 0 cb-record S2 --camera=other <a.cbf
ok "of a camera that never was, nothing" '[ ! -s err ]'
# a camera may have any name
exits 0 cb-record N --camera=recipients -r "$(cat a.pub)" <a.cbf
exits 0 cb-record N --camera=keys <a.cbf
exits 0 cb-replay N --camera=recipients -i a.key
exits 0 cb-replay N --camera=keys

# --- a passphrase on the identity
printf 'correct horse\n' >pw
cb-sign keygen --encryption --passphrase-file=pw -o locked
cb-record L -R locked.pub <a.cbf >/dev/null
exits 0 cb-replay L -i locked.key --passphrase-file=pw
printf 'wrong\n' >pw
exits 77 cb-replay L -i locked.key --passphrase-file=pw

# --- damage and deaths
cp -r S X
chmod -R u+w X
m=$(find X -name '*.manifest' | sort | sed -n 2p)
printf 'x' | dd of="${m%.manifest}.mp4" bs=1 seek=$(($(sed -n 's/^1 \([0-9]*\) .*/\1/p' "$m") + 100)) conv=notrunc status=none
exits 65 cb-replay X -i a.key
cp out part.cbf
ok "a changed byte costs its fragment and no more" '[ "$(cb-frame dump <part.cbf | grep -c PACKET)" -gt \
	$(($(cb-frame dump <plain.cbf | grep -c PACKET) * 8 / 10)) ] && cb-frame dump <part.cbf | grep -q "GAP.*damage"'
cp -r S Y
chmod -R u+w Y
rm Y/keys/cameras/front/2026-01-03-*.age
exits 65 cb-replay Y -i a.key
ok "says that a key is missing" 'grep -q "its key is missing" err'
printf 'not age' >"Y/keys/cameras/front/$(sed -n 's/^key //p' S/cameras/front/2026-01-03/*.manifest | head -n 1).age"
exits 65 cb-replay Y -i a.key
ok "or none" 'grep -q "not an age file" err'
cp -r S K
chmod -R u+w K
m=$(find K -name '*.manifest' | sort | tail -n 1)
mv "${m%.manifest}.mp4" "${m%.manifest}.mp4.part"
head -c -100 "${m%.manifest}.mp4.part" >cut && cp cut "${m%.manifest}.mp4.part"
sed -i '/^end/,$d' "$m"
printf 'open  \n' >K/cameras/front/lock
cb-record K -r "$(cat a.pub)" --camera=front <a.cbf >events
ok "recovered without any key" '[ "$(jq -r "select(.type == \"cb.recording.recovered\").data.lost_fragments" events)" = 1 ]'
exits 0 cb-replay K -i a.key
ok "and read with one" '[ "$(cb-frame dump <out | grep -c PACKET)" -gt 400 ]'
# while it records, a kill leaves nothing in the clear
mkfifo in
cb-record Z -r "$(cat a.pub)" --sync-interval=0s <in >/dev/null 2>&1 &
pid=$!
{ head -c $(($(wc -c <a.cbf) * 2 / 3)) a.cbf; sleep 2; } >in &
wait_for 'grep -q "^2 " Z/cameras/front/*/*.manifest 2>/dev/null'
ok "what is being written is encrypted" 'ls Z/cameras/front/*/*.part >/dev/null &&
	! LC_ALL=C grep -a -q -e moov -e mdat Z/cameras/front/*/*.part'
kill -KILL $pid
wait $pid 2>/dev/null
exits 0 cb-replay Z -i a.key
ok "and is read as far as it goes" '[ "$(cb-frame dump <out 2>/dev/null | grep -c PACKET)" -gt 20 ]'
done_testing
