#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-record: the files it writes, byte for byte, and what other programs say of them.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg ffprobe sha256sum
PATH=$CB_BUILD/aid:$PATH

src() { ffmpeg -nostdin -v error -y -f lavfi -i testsrc=size=160x120:rate=25:duration=5 \
	-f lavfi -i sine=sample_rate=48000:duration=5 "$@"; }

# --- layout and digests
src -c:v libx264 -preset ultrafast -bf 2 -g 25 -c:a aac a.mp4
cb-ingest --camera=front --start-time=2026-01-02T23:59:58Z a.mp4 >a.cbf
exits 0 cb-record S --segment=2s <a.cbf
cp out events.ndjson
valid_events events.ndjson
ok "started, closed and stopped" '[ "$(jq -r .type events.ndjson | tr "\n" " ")" = \
	"cb.recording.started cb.segment.closed cb.segment.closed cb.segment.closed cb.recording.stopped " ]'
ok "format says what it is" '[ "$(cat S/format)" = "cb-store 1" ]'
find S/cameras/front -type f | sort >files
ok "names: day, time and id" '[ "$(grep -cE "^S/cameras/front/2026-01-0[23]/[0-9]{6}-[0-9a-f]{12}\.(mp4|manifest)$" files)" = 6 ]'
ok "both days" 'ls -d S/cameras/front/2026-01-02 S/cameras/front/2026-01-03 >/dev/null'
ok "sealed files are read-only" '[ -z "$(find S -name "*.mp4" -perm /222 -o -name "*.manifest" -perm /222)" ]'
ok "nothing is left open" '! grep -q part files'
cat S/cameras/front/*/*.events | sort >stored
sort events.ndjson >wanted
same_file wanted stored "the store has its events"

lines=0 wrong=0
for m in S/cameras/front/*/*.manifest; do
	f=${m%.manifest}.mp4
	grep '^[0-9]' "$m" | while read -r _n at len sum _; do
		got=$(dd if="$f" bs=4096 iflag=skip_bytes,count_bytes skip="$at" count="$len" status=none |
			sha256sum | cut -d' ' -f1)
		[ "$got" = "$sum" ] || echo wrong
		echo line
	done >verdicts
	lines=$((lines + $(grep -c line verdicts))) wrong=$((wrong + $(grep -c wrong verdicts)))
	sed '$d' "$m" | sha256sum | cut -d' ' -f1 >sum
	ok "digest of $(basename "$m")" '[ "digest $(cat sum)" = "$(tail -n 1 "$m")" ]'
	ok "the event names it" 'grep -q "$(cat sum)" events.ndjson'
	total=$(awk '/^[0-9]/ { e = $2 + $3 } END { print e }' "$m")
	ok "lines cover the file" '[ "$total" = "$(stat -c %s "$f")" ]'
done
ok "every line's bytes hash to it, by dd and sha256sum ($lines)" '[ "$lines" -ge 6 ] && [ "$wrong" = 0 ]'

# --- the same input gives the same bytes
cb-record S2 --segment=2s <a.cbf >/dev/null
(cd S && find cameras format -type f ! -name '*.events' -exec sha256sum {} + | sort -k2) >one
(cd S2 && find cameras format -type f ! -name '*.events' -exec sha256sum {} + | sort -k2) >two
same_file one two "deterministic files"
# and again into the same store: another recording, nothing overwritten
cb-record S --segment=2s <a.cbf >/dev/null
(cd S && sha256sum -c ../one >/dev/null 2>log)
ok "recorded twice: the first stays as it was" '[ $? = 0 ] && (cd S && sha256sum --quiet -c ../one)'
ok "recorded twice: six segments" '[ "$(find S -name "*.mp4" | wc -l)" = 6 ]'

# --- what players say
plays() {	# NAME CODECS FFMPEG-ARGS...
	_name=$1 _codecs=$2
	shift 2
	src "$@" || return 1
	cb-ingest --camera=c --start-time=2026-01-01T00:00:00Z "$_file" $_opt >in.cbf 2>err
	rm -rf P
	cb-record P <in.cbf >/dev/null 2>err
	ok "$_name: recorded without a word" '[ ! -s err ]'
	_seg=$(find P -name '*.mp4')
	ffprobe -v warning -show_entries stream=codec_name -of csv=p=0 "$_seg" >codecs 2>probe
	ok "$_name: ffprobe has no warning" '[ ! -s probe ]' || note "$(cat probe)"
	ok "$_name: it is $_codecs" '[ "$(tr "\n" " " <codecs)" = "$_codecs " ]' || note "$(cat codecs)"
	ffmpeg -nostdin -v error -i "$_seg" -f null - 2>decode
	ok "$_name: all of it decodes" '[ ! -s decode ]' || note "$(cat decode)"
	ffmpeg -nostdin -v error -i "$_seg" -map 0 -c copy -f streamhash - >got
	cb-frame hash --streamhash in.cbf >want
	same_file want got "$_name: a player sees the recorded bytes"
}
_opt=
_file=f.mp4 plays "H.264, B-frames, AAC" "h264 aac" -c:v libx264 -bf 3 -g 25 -c:a aac f.mp4
_file=f.mkv plays "H.265, Opus" "hevc opus" -c:v libx265 -x265-params log-level=error:keyint=25 -c:a libopus f.mkv
_file=f.mov plays "MJPEG, PCM" "mjpeg pcm_s16le" -c:v mjpeg -c:a pcm_s16le f.mov
_file=f24.mov plays "H.264, 24-bit PCM" "h264 pcm_s24be" -c:v libx264 -g 25 -c:a pcm_s24be f24.mov
_file=f.mkv plays "H.264, A-law" "h264 pcm_alaw" -c:v libx264 -g 25 -c:a pcm_alaw -ar 8000 f.mkv
_file=f.ts plays "TS" "h264 aac" -c:v libx264 -g 25 -c:a aac f.ts
_file=f.flv plays "FLV" "h264 aac" -c:v libx264 -g 25 -c:a aac f.flv
_file=f.webm plays "VP9" "vp9 opus" -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus f.webm
_file=f.avi plays "AVI, mu-law" "mpeg4 pcm_mulaw" -c:v mpeg4 -c:a pcm_mulaw -ar 8000 f.avi

# --- a codec that no file here can hold is kept all the same
src -c:v mjpeg -c:a flac fl.mkv
cb-ingest --camera=c --start-time=2026-01-01T00:00:00Z fl.mkv >in.cbf
rm -rf P
exits 0 cb-record P <in.cbf
ok "FLAC: one warning" '[ "$(wc -l <err)" = 1 ] && grep -q "warning: .*flac" err'
ok "FLAC: nothing is lost" '[ "$(cb-frame hash in.cbf)" = "$(cb-replay P | cb-frame hash)" ]'
ok "FLAC: players see the video" '[ "$(ffprobe -v warning -show_entries stream=codec_name -of csv=p=0 "$(find P -name "*.mp4")" 2>&1)" = mjpeg ]'

# --- parameters that change begin a new segment
mkstream IPPPSIPPPE >s.cbf
exits 0 cb-record C <s.cbf
ok "params: two segments" '[ "$(jq -r "select(.type == \"cb.segment.closed\") | .data.reason" out | tr "\n" " ")" = "params end " ]'
ok "params: what comes back is what came" '[ "$(cb-frame hash s.cbf)" = "$(cb-replay C | cb-frame hash)" ]'
mkstream SSIPPSSIAPSE >s.cbf
rm -rf C
exits 0 cb-record C <s.cbf
ok "params: said twice, also before any packet" '[ "$(cb-frame hash s.cbf)" = "$(cb-replay C | cb-frame hash)" ]'

# --- gaps, a producer that dies, damage on the way
mkstream IPPGIPPE >g.cbf
rm -rf C
exits 0 cb-record C <g.cbf
valid_events out
ok "GAP: an event and a line" 'grep -q "\"cb.gap\".*\"source\"" out && grep -q "^gap 1 0 2 .* 3 300 the%20source" C/cameras/cam1/*/*.manifest'
ok "GAP: comes back" 'cb-replay C | cb-frame dump | grep -q "GAP .*reason=source .*packets=3 bytes=300 \"the source was away\""'
mkstream IPPIPP >d.cbf
rm -rf C
exits 65 cb-record C <d.cbf
valid_events out
ok "died: says so" 'grep -q "no END" err && [ "$(wc -l <err)" = 1 ]'
ok "died: gap, reason, sealed" 'grep -q "\"cb.gap\".*\"cut\"" out && grep -q "\"cb.segment.closed\".*\"died\"" out && [ -z "$(find C -name "*.part")" ]'
ok "died: what came is there" '[ "$(cb-frame hash d.cbf 2>/dev/null)" = "$(cb-replay C | cb-frame hash)" ]'
mkstream 'IPPI!PPIPPE' >d.cbf
rm -rf C
exits 65 cb-record C <d.cbf
ok "damage in the pipe: the rest is recorded" '[ "$(cb-replay C | cb-frame dump | grep -c " PACKET ")" = 8 ]'
ok "damage in the pipe: said, and a gap" 'grep -q "checksum" err && grep -q "\"cb.gap\".*\"damage\"" out'
cb-store check C >out
ok "damage in the pipe: the store is sound" 'grep -q "\"findings\":0" out'

# --- the tee
exits 0 cb-record T1 --tee --segment=2s <a.cbf
cp out tee.cbf
ok "tee: the stream is whole" '[ "$(cb-frame hash a.cbf)" = "$(cb-frame hash tee.cbf)" ]'
ok "tee: events in it" '[ "$(cb-frame events tee.cbf | grep -c cb.segment.closed)" = 3 ]'
_st=0
{ cb-record T2 --tee --segment=2s <a.cbf 2>err; echo $? >code; } | head -c 100 >/dev/null
ok "tee: its reader leaves, the recording is complete" '[ "$(cat code)" = 0 ] && [ "$(cb-frame hash a.cbf)" = "$(cb-replay T2 | cb-frame hash)" ]'
{ cb-record T3 --segment=1s <a.cbf 2>err; echo $? >code; } | true
ok "events: their reader leaves, the recording is complete" '[ "$(cb-frame hash a.cbf)" = "$(cb-replay T3 | cb-frame hash)" ]'
exits 65 cb-record T4 --tee <d.cbf
ok "tee: no END of our own after a damaged stream without one" 'mkstream IPP | cb-record T5 --tee >cut.cbf 2>err; ! cb-frame check cut.cbf >/dev/null 2>&1'

# --- refusals, one line each
one() { [ "$(wc -l <err)" = 1 ]; }
mkdir ro && cb-record ro/S <s.cbf >/dev/null && echo "cb-store 2" >ro/S/format
exits 65 cb-record ro/S <s.cbf
ok "newer store: one line" 'one && grep -q "version 2" err'
for t in "cb-replay ro/S" "cb-query ro/S" "cb-store check ro/S" "cb-store put ro/S"; do
	exits 65 $t </dev/null
	ok "$t: newer store: one line" 'one && grep -q "version 2" err'
done
mkdir full && echo hello >full/file
exits 65 cb-record full <s.cbf
ok "not a store: one line, nothing made" 'one && [ "$(ls full)" = file ]'
exits 73 cb-record no/such/place <s.cbf
ok "no place: one line" one
echo x >afile
exits 73 cb-record afile <s.cbf
ok "a file: one line" one
if [ "$(id -u)" != 0 ]; then
	mkdir deny && chmod 500 deny
	exits 77 cb-record deny/S <s.cbf
	ok "unwritable: one line" one
else
	skip "root can write anywhere" 2
fi
ln -s "$T" link && rm -rf L && mkdir L && echo "cb-store 1" >L/format && mkdir L/cameras && ln -s "$T/full" L/cameras/cam1
_st=0
cb-record L <s.cbf >out 2>err || _st=$?
ok "a camera that is a link is not followed ($_st)" '[ "$_st" -ge 64 ] && one && [ "$(ls full)" = file ]'
mkfifo hold
cb-record LK <hold >/dev/null 2>held & pid=$!
exec 9>hold
mkstream IPP >&9
_i=0
until [ -e LK/cameras/cam1/lock ] || [ $_i = 100 ]; do sleep 0.05; _i=$((_i + 1)); done
exits 75 cb-record LK <s.cbf
ok "two recorders of one camera: one line" 'one && grep -q "cam1: another recorder" err'
exits 0 cb-record LK --camera=other <s.cbf
exec 9>&-
wait $pid || :
exits 64 cb-record X --camera=../evil
exits 64 cb-record X --segment=100ms

# --- live streams, odd clocks
mkstream -l IPPPIPPPE >l.cbf
rm -rf C
exits 0 cb-record C --tee <l.cbf
ok "live: recorded" '[ "$(cb-frame hash l.cbf)" = "$(cb-replay C | cb-frame hash)" ]'
done_testing
