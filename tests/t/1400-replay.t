#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-replay: what cb-ingest delivered comes back, ranges, damage, events.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg
PATH=$CB_BUILD/aid:$PATH

src() { ffmpeg -nostdin -v error -y -f lavfi -i testsrc=size=160x120:rate=25:duration=4 \
	-f lavfi -i sine=sample_rate=48000:duration=4 "$@"; }

# --- equal hashes, for every format and container that the recorder is for
equal() {	# NAME FILE [INGEST OPTION...]
	_name=$1 _f=$2
	shift 2
	cb-ingest --camera=c --start-time=2026-01-01T00:00:00Z "$@" "$_f" >in.cbf 2>err || { ok "$_name: ingest" false; note "$(cat err)"; return; }
	rm -rf S
	cb-record S --segment=2s <in.cbf >/dev/null 2>err
	cb-replay S >back.cbf 2>>err
	cb-frame hash in.cbf >want
	cb-frame hash back.cbf >got
	same_file want got "$_name: hash after ingest is hash after replay"
	cb-frame hash --streamhash in.cbf >want
	# the source's own, where FFmpeg sees the same packets in it as we deliver
	case $_f in *.mp4|*.mkv|*.mov)
		ffmpeg -nostdin -v error -i "$_f" -map 0 -c copy -f streamhash - >src.hash
		cb-frame hash --streamhash back.cbf >got
		same_file src.hash got "$_name: FFmpeg's streamhash of the source" ;;
	esac
}
src -c:v libx264 -bf 2 -g 25 -c:a aac a.mp4; equal "H.264 AAC MP4" a.mp4
for e in mkv mov flv ts; do
	ffmpeg -nostdin -v error -i a.mp4 -c copy a.$e
	equal "H.264 AAC $e" a.$e
done
ffmpeg -nostdin -v error -i a.mp4 -an -c copy a.h264; equal "H.264 raw" a.h264 --fps=25
src -c:v libx265 -x265-params log-level=error:keyint=25 -c:a aac h.mp4; equal "H.265 AAC MP4" h.mp4
for e in mkv mov ts; do
	ffmpeg -nostdin -v error -i h.mp4 -c copy h.$e
	equal "H.265 AAC $e" h.$e
done
ffmpeg -nostdin -v error -i h.mp4 -an -c copy h.hevc; equal "H.265 raw" h.hevc --fps=25
src -c:v mjpeg -c:a pcm_s16le m.mov; equal "MJPEG PCM MOV" m.mov
src -c:v mjpeg -c:a pcm_mulaw -ar 8000 m.mkv; equal "MJPEG mu-law MKV" m.mkv
src -c:v libx264 -g 25 -c:a pcm_alaw -ar 8000 g.mkv; equal "H.264 A-law MKV" g.mkv
src -c:v libx264 -g 25 -c:a libopus o.mkv; equal "H.264 Opus MKV" o.mkv
if ffmpeg -nostdin -v error -f lavfi -i testsrc=size=160x120:rate=25:duration=1 -c:v libsvtav1 -preset 10 v.mp4 >/dev/null 2>&1 ||
   ffmpeg -nostdin -v error -y -f lavfi -i testsrc=size=160x120:rate=25:duration=1 -c:v libaom-av1 -cpu-used 8 -usage realtime v.mp4; then
	equal "AV1 MP4" v.mp4
else
	skip "no AV1 encoder" 2
fi

# --- ranges: from the keyframe before
cb-ingest --camera=front --start-time=2026-01-01T00:00:00Z a.mp4 >in.cbf
rm -rf S
cb-record S --segment=2s <in.cbf >/dev/null
exits 0 cb-replay S --camera=front --from=2026-01-01T00:00:01.5Z --to=2026-01-01T00:00:02.5Z
cp out part.cbf
cb-frame dump part.cbf >dump
ok "range: begins with a keyframe at 1 s" 'grep "PACKET stream=0" dump | head -n 1 | grep -q "wall=2026-01-01T00:00:01.0.*flags=K"'
ok "range: ends with the group that 2.5 s falls into" 'grep "PACKET stream=0" dump | tail -n 1 | grep -qE "wall=2026-01-01T00:00:0(2\.[89]|3\.0)"'
ok "range: 2 groups of 25" '[ "$(grep -c "PACKET stream=0" dump)" = 50 ]'
ok "range: whole, no gaps" 'cb-frame check part.cbf >/dev/null && ! grep -q GAP dump'
exits 1 cb-replay S --from=2027-01-01
ok "empty range: an empty stream, and says so" 'cb-frame check out >/dev/null && [ "$(wc -l <err)" = 1 ]'
exits 66 cb-replay S --camera=nobody
exits 66 cb-replay nowhere
exits 64 cb-replay S --from=2027-01-01 --to=2026-01-01
mkstream -c second IPPE | cb-record S >/dev/null
exits 64 cb-replay S
ok "two cameras: one must be named" 'grep -q -- --camera err'

# --- gaps between segments
rm -rf G
mkstream -w 1750000000 IPPE | cb-record G >/dev/null
mkstream -w 1750000100 IPPE | cb-record G >/dev/null
exits 0 cb-replay G
cb-frame dump out >dump
ok "two recordings: a GAP with its times" 'grep -q "GAP .*reason=store from=2025-06-15T15:06:40.12.* to=2025-06-15T15:08:20.0" dump'
mkstream IPPPSIPPPSIPPPE >three.cbf
rm -rf G
cb-record G <three.cbf >/dev/null
rm -f "$(find G -name '*.mp4' | xargs ls | while read -r f; do grep -l "^recording [0-9a-f]* 1 " "${f%.mp4}.manifest" | sed s/manifest/mp4/; done)"
exits 65 cb-replay G
cb-frame dump out >dump
ok "a segment file is gone: a GAP, the rest comes" 'grep -q "GAP .*reason=damage .*packets=4" dump && [ "$(grep -c PACKET dump)" = 8 ]'
find G -name '*.manifest' -exec grep -l "^recording [0-9a-f]* 1 " {} + | xargs rm -f
exits 0 cb-replay G
cb-frame dump out >dump
ok "a segment is gone altogether: a GAP" 'grep -q "GAP .*reason=store .*missing" dump && [ "$(grep -c PACKET dump)" = 8 ]'

# --- damage: every fragment is checked before it is written
rm -rf D
mkstream -n 20000 IPPPPPPPPPPPPPIPPPPPPPPPPPPPIPPPPPPPPPPPPPE >d.cbf
cb-record D <d.cbf >/dev/null
f=$(find D -name '*.mp4') m=$(find D -name '*.manifest')
chmod u+w "$f" "$m"
cp "$f" good.mp4; cp "$m" good.manifest
ok "three fragments" '[ "$(grep -c "^[123] " good.manifest)" = 3 ]'
at=$(awk '$1 == 2 { print $2 + int($3 / 2) }' good.manifest)
printf '\001' | dd of="$f" bs=1 seek="$at" conv=notrunc status=none
exits 65 cb-replay D
ok "a flipped byte: named" 'grep -q "fragment 2" err && [ "$(wc -l <err)" = 1 ]'
cb-frame dump out >dump
ok "a flipped byte: its fragment is a GAP" 'grep -q "GAP .*reason=damage .*packets=14" dump && [ "$(grep -c PACKET dump)" = 28 ]'
ok "the stream that says so is whole" 'cb-frame check out >/dev/null'
cp good.mp4 "$f"; truncate -s -10000 "$f"
exits 65 cb-replay D
ok "cut off: two fragments remain" '[ "$(cb-frame dump out | grep -c PACKET)" = 28 ]'
truncate -s +10000 "$f"
exits 65 cb-replay D
ok "zeros at the end are not footage" '[ "$(cb-frame dump out | grep -c PACKET)" = 28 ]'
cp good.mp4 "$f"
sed 's/^1 \([0-9]* [0-9]*\) ./1 \1 x/' good.manifest >"$m"
exits 65 cb-replay D
sed 's/^end end/end died/' good.manifest >"$m"
exits 65 cb-replay D
ok "a line changed in the manifest: its digest says so" 'grep -q digest err && [ "$(cb-frame dump out | grep -c PACKET)" = 42 ]'
cp good.manifest "$m"
printf '\001' | dd of="$f" bs=1 seek=100 conv=notrunc status=none
exits 65 cb-replay D
ok "a damaged init segment: nothing of it is used" '[ "$(cb-frame dump out | grep -c PACKET)" = 0 ]'
cp good.mp4 "$f"
exits 0 cb-replay D

# --- what is being recorded can be replayed
mkfifo hold
cb-record O --sync-interval=0 <hold >/dev/null 2>&1 & pid=$!
exec 9>hold
mkstream IPPPPPPPPPPPPPIPPPPPPPPPPPPPI >&9
_i=0
until cb-query O segments --format=ndjson 2>/dev/null | grep -q '"fragments":2' || [ $_i = 100 ]; do sleep 0.05; _i=$((_i + 1)); done
exits 0 cb-replay O
ok "open segment: as far as its manifest goes" '[ "$(cb-frame dump out | grep -c PACKET)" = 28 ]'
exec 9>&-
wait $pid || :

# --- events
rm -rf E
mkstream IPPeIPPE >e.cbf
cb-record E <e.cbf >/dev/null
cb-frame events e.cbf | cb-store put E >/dev/null
exits 0 cb-replay E --events
cb-frame events out >ev
ok "--events: stored ones, and the recorder's" 'grep -q scene.change ev && grep -q cb.segment.closed ev'
cb-replay E >plain.cbf
cb-frame events plain.cbf >ev
ok "without: none" '[ ! -s ev ]'
exits 66 cb-replay --camera nosuch S
ok "a camera that is not there is named" 'grep -q "no camera nosuch in the store" err'
done_testing
