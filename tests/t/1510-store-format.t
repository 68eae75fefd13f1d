#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-store(5) is true: tests/cbstore.py, written from that page alone, reads real stores, checks
# every promise of the page, and gets from the files what cb-frame hash says of the stream.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg ffprobe
cbstore() { /usr/bin/python3 "$CB_SRC/tests/cbstore.py" "$@"; }
frames() { exits 0 sh -c "cb-ingest --camera=$1 --start-time=2026-11-21T07:54:42Z $2 >$1.cbf"; }

picture=testsrc2=size=160x120:rate=10:duration=5
tone=sine=frequency=440:sample_rate=16000:duration=5
make() {	# FILE OPTIONS...
	_f=$1
	shift
	ffmpeg -nostdin -v error -f lavfi -i "$picture" -f lavfi -i "$tone" "$@" "$_f"
}
make h264.mp4 -c:v libx264 -preset ultrafast -bf 2 -g 10 -c:a aac
make hevc.mkv -c:v libx265 -preset ultrafast -x265-params log-level=0:keyint=10 -c:a libopus
make mjpeg.mov -c:v mjpeg -pix_fmt yuvj420p -aspect 2:1 -c:a pcm_alaw
make av1.mkv -c:v libsvtav1 -preset 12 -g 10 -c:a flac 2>/dev/null
make ts.ts -c:v libx264 -preset ultrafast -g 10 -c:a mp2
make mpeg2.ts -c:v mpeg2video -bf 2 -g 10 -c:a libmp3lame
make vp9.webm -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 10 -c:a libopus
make pcm.mov -vn -c:a pcm_s16le

# each codec in a camera of its own, all in one store
n=0
for f in h264.mp4 hevc.mkv mjpeg.mov av1.mkv ts.ts mpeg2.ts vp9.webm pcm.mov; do
	c=${f%.*}
	frames "$c" "$f"
	exits 0 sh -c "cb-record --segment=2s store <$c.cbf >$c.ndjson"
	cat "$c.ndjson" >>events.ndjson
	cb-frame hash "$c.cbf" >want
	exits 0 cbstore hash store "$c"
	same_file want out "$f: the files give the stream back"
	ok "$f: it has packets" 'grep -q "packets=[1-9]" want'
	n=$((n + 1))
done
exits 0 cbstore check store
ok "every byte of $n cameras is as the page says" 'grep -q "^cameras=$n segments=[1-9][0-9] open=0 " out'
cp out totals
exits 0 cb-store check store
ok "cb-store check counts the same" '[ "$(jq -r "\"cameras=\(.data.cameras) segments=\(.data.segments) \
open=\(.data.open) fragments=\(.data.fragments) packets=\(.data.packets)\"" out)" = "$(sed "s/ gaps.*//" totals)" ]'
valid_events events.ndjson

# the digest that is told is the one in the manifest, and the stock tools agree
jq -r 'select(.type == "cb.segment.closed").data | .manifest_sha256 + "  " +
	(.segment | sub("mp4$"; "manifest"))' events.ndjson | while read -r sum file; do
	[ "$(head -n -1 "store/$file" | sha256sum | cut -d ' ' -f 1)" = "$sum" ] || echo "$file"
done >wrong
ok "sha256sum gets manifest_sha256 of all segments" \
	'[ ! -s wrong ] && [ "$(grep -c cb.segment.closed events.ndjson)" -gt 10 ]'

# what players see: tables of the page, and no complaint
entry() { ffprobe -v warning -show_entries stream=codec_tag_string -of csv=p=0 "$1" 2>>complaints | tr -s ',\n' '  ' | tr -s ' '; }
seen() {	# CAMERA ENTRIES
	want_entry="$2 "
	_e=$(entry "$(find "store/cameras/$1" -name '*.mp4' | sort | head -n 1)")
	ok "$1: sample entries $2" '[ "$_e" = "$want_entry" ]' || _diag "$_e"
}
seen h264 'avc1 mp4a'
seen hevc 'hvc1 Opus'
seen mjpeg 'mp4v alaw'
seen av1 'av01'
seen ts 'avc3 mp4a'
seen mpeg2 'mp4v mp4a'
seen vp9 'vp09 Opus'
seen pcm 'lpcm'
ok "ffprobe has nothing to say" '[ ! -s complaints ]' || _show complaints
ok "FLAC is hidden" 'grep -qx "stream 1 audio flac 1/1000 hidden" "$(find store/cameras/av1 -name "*.manifest" | head -n 1)"'

# times that MP4 has no place for, streams that it does not know, new parameters, no wall clock
cat >odd.py <<'E'
import os, struct, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.environ["CB_SRC"] + "/tests")
from cbframe import crc32c, NOPTS
seq = packets = size = digest = 0
out = open("odd.cbf", "wb")
def frame(kind, flags, stream, payload):
    global seq, digest
    head = struct.pack("<4sBBHHHIQI", b"\x89CBF", 1, kind, flags, stream, 0, len(payload), seq, crc32c(payload))
    head += struct.pack("<I", crc32c(head))
    digest = crc32c(head, digest)
    seq += 1
    out.write(head + payload)
def stream(n, codec, kind, num, den, nal=0):
    p = struct.pack("<24sBBBxIIIIIIII", codec, kind, nal, 0, num, den, 64, 48, 1, 1, 0, 0)
    p = p.ljust(60, b"\0") + struct.pack("<IHH", 8000, 1, 8)
    frame(2, 0, n, p.ljust(192, b"\0"))
def packet(n, flags, pts, dts, duration, data, source=0, wall=0):
    global packets, size
    frame(3, flags, n, struct.pack("<qqqqQBBHIII", pts, dts, duration, wall, 0, source, 0, 0, 0, 0, 0) + data)
    packets, size = packets + 1, size + len(data)
wall = 1795247682 * 10**9
frame(1, 0, 0, struct.pack("<qQBB6x65s65s", wall, 42, 1, 2, b"odd 1.0", b"odd"))
stream(3, b"h264", 1, 3, 1000, 4)
stream(9, b"klv", 3, 1, 90000)
stream(1, b"pcm_alaw", 2, 1, 8000)
stream(3, b"h264", 1, 7, 1000, 4)
dts = 5000
for i in range(200):
    d = p = dts = dts + 3
    if i % 11 == 5: d = NOPTS
    if i % 13 == 7: p = NOPTS
    if i % 17 == 9: d, p = dts - 40, dts - 40
    if i == 60: dts -= 4000
    if i == 120: dts += 10**7
    if i == 140: d, p = NOPTS, dts - 50
    packet(3, 1 if i % 20 == 0 else 8 if i % 3 == 1 else 0, p, d, 0 if i % 2 else 3, b"\0\0\0\1" + bytes([i]) * (i % 5))
    if i % 4 == 0: packet(1, 1, -500 + i * 160, -500 + i * 160, 160, b"\xd5" * 160)
    if i % 50 == 3: packet(9, 1, NOPTS, NOPTS, 0, b"")
    if i == 100: stream(3, b"h264", 1, 1, 90000, 4)
    if i == 150: stream(5, b"theora", 1, 1, 25)
    if i > 150: packet(5, 1, i, NOPTS, 1, b"t" * 7, 2, wall + i * 10**8)
frame(7, 0, 0, struct.pack("<HHIQQQ", 0, 0, digest, seq, packets, size))
E
exits 0 /usr/bin/python3 odd.py
exits 0 cb-frame check odd.cbf
exits 0 sh -c 'cb-record odd <odd.cbf >odd.ndjson'
valid_events odd.ndjson
exits 0 cbstore check odd
ok "new parameters, a clock that jumps, new parameters: four segments" 'grep -q " segments=4 open=0 " out'
cb-frame hash odd.cbf >want
exits 0 cbstore hash odd odd
same_file want out "odd streams and times come back"
exits 0 sh -c 'cb-replay odd | cb-frame hash'
same_file want out "from cb-replay too"
cat odd/cameras/odd/*/*.manifest >text
ok "clock of the recorder, hidden streams, reason params" 'grep -q "^[1-9].* KC " text &&
	grep -qx "stream 9 data klv 1/90000 hidden" text &&
	grep -qx "stream 5 video theora 1/25 hidden" text && grep -q "^end params " text'

# equal input gives equal bytes
exits 0 sh -c 'cb-record --segment=2s again <h264.cbf >/dev/null'
ok "the same stream gives the same files" 'diff -r store/cameras/h264 again/cameras/h264 >diff.txt'

# a gap: damage in the middle, and no END
/usr/bin/python3 - <<'E'
d = bytearray(open("h264.cbf", "rb").read())
d[len(d) // 2] ^= 1
open("gap.cbf", "wb").write(d[:len(d) - 2000])
E
exits 65 sh -c 'cb-record gaps <gap.cbf >gaps.ndjson'
valid_events gaps.ndjson
exits 0 cbstore check gaps
ok "damage, damage and the cut are in the manifest" 'grep -q " gaps=3 " out'
cbstore hash gaps h264 >want
exits 0 sh -c 'cb-replay gaps | cb-frame hash'
same_file want out "a store with gaps gives what is there"
ok "which is not everything" '[ "$(grep -c . want)" = 3 ] && ! cbstore hash store h264 | cmp -s - want'

# open, killed, recovered
mkfifo pipe
cb-record killed <pipe >/dev/null &
pid=$!
exec 9>pipe
head -c $(($(wc -c <h264.cbf) * 3 / 4)) h264.cbf >&9
i=0
until [ "$(cat killed/cameras/h264/2026-11-21/*.manifest 2>/dev/null | grep -c '^[1-9][0-9]* ')" -ge 3 ]; do
	i=$((i + 1))
	[ "$i" -lt 1000 ] || break
	sleep 0.01
done
exits 0 cbstore check killed
ok "an open segment can be read" 'grep -q " open=1 fragments=[3-9]" out'
kill -KILL "$pid"
wait "$pid" 2>/dev/null || :
exec 9>&-
ok "after SIGKILL the lock says open" '[ "$(cat killed/cameras/h264/lock)" = "open  " ]'
exits 0 cbstore check killed
cp out before
dd if=/dev/zero bs=1000 count=1 2>/dev/null >>"$(echo killed/cameras/h264/*/*.mp4.part)"
printf '99 123 4' >>"$(echo killed/cameras/h264/*/*.manifest)"
exits 0 cbstore check killed
same_file before out "what no whole line names does not count"
exits 0 sh -c 'cb-record killed <h264.cbf >/dev/null'
exits 0 cbstore check killed
ok "recovered, and a second recording" 'grep -q "^cameras=1 segments=2 open=0 " out'
ok "the lock says closed" '[ "$(cat killed/cameras/h264/lock)" = closed ]'
ok "the end line says so" 'grep -q "^end recovered .* 1000$" killed/cameras/h264/*/*.manifest'
cbstore hash killed h264 >want
exits 0 sh -c 'cb-replay killed | cb-frame hash'
same_file want out "both are replayed"

# events: where they lie, and once each
cat >put.ndjson <<'E'
{"specversion":"1.0","id":"1","source":"/a","type":"x","subject":"door","data":{"t_us":1795247682000000}}
{"specversion":"1.0","id":"1","source":"/a","type":"x","subject":"door","data":{"t_us":1795247682000000}}
{"specversion":"1.0","id":"1","source":"/b","type":"x","subject":"door","time":"2026-11-21T08:00:00Z","data":{}}
{"specversion":"1.0","id":"2","source":"/a","type":"x","subject":"../up","time":"2026-11-21T09:59:59.999Z","data":{}}
{"specversion":"1.0","id":"3","source":"/a","type":"x","time":"2026-11-21T09:00:00+01:00","data":{}}
E
exits 0 sh -c 'cb-store put events <put.ndjson'
same_file put.ndjson out "put passes all of them on"
exits 0 sh -c 'cb-store put events <put.ndjson'
find events -name '*.events' | sort | while read -r f; do echo "$f $(wc -l <"$f")"; done >out
cat >want <<'E'
events/cameras/_other/2026-11-21/08.events 1
events/cameras/_other/2026-11-21/09.events 1
events/cameras/door/2026-11-21/07.events 1
events/cameras/door/2026-11-21/08.events 1
E
same_file want out "each lies where the page says, once"

# replayed, they stand before the packets of the segment that they are from
exits 0 sh -c 'cb-replay store --camera h264 --events | cb-frame dump'
sed -n 's/^[0-9]* \(PACKET\|EVENT\) .*/\1/p' out | uniq | tr '\n' ' ' >order
ok "events before packets, segment by segment" 'grep -q "^EVENT PACKET EVENT PACKET " order' || _show order

# a byte changed anywhere is found, by us and by the reader of the page
cat >flip.py <<'E'
import os, subprocess, sys
missed = 0
path, step, want, tool = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
data = open(path, "rb").read()
os.chmod(path, 0o640)
for i in list(range(0, min(len(data), 200), max(1, step // 8))) + list(range(200, len(data), step)):
    with open(path, "r+b") as f:
        f.seek(i); f.write(bytes([data[i] ^ 4]))
        f.flush()
        os.chmod(path, 0o440)
        if subprocess.run(tool, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != want:
            print(i, "missed"); missed += 1
        os.chmod(path, 0o640)
        f.seek(i); f.write(data[i:i + 1])
os.chmod(path, 0o440)
sys.exit(missed > 0)
E
m=$(find again -name '*.manifest' | sort | head -n 1)
exits 0 /usr/bin/python3 flip.py "$m" 31 1 cb-store check again
exits 0 /usr/bin/python3 flip.py "$m" 331 65 /usr/bin/python3 "$CB_SRC/tests/cbstore.py" check again
exits 0 /usr/bin/python3 flip.py "${m%.manifest}.mp4" 1009 1 cb-store check again
exits 0 /usr/bin/python3 flip.py "${m%.manifest}.mp4" 14999 65 /usr/bin/python3 "$CB_SRC/tests/cbstore.py" check again
exits 0 cbstore check again

# versions
printf 'cb-store 2\n' >again/format
exits 65 cbstore check again
exits 65 cb-query again
ok "a newer version is refused by name" 'grep -q "a store of version 2; this program knows version 1" err'
exits 65 cb-store check again
exits 65 cb-replay again
exits 65 sh -c 'cb-record again <h264.cbf'
exits 65 sh -c 'cb-store put again <put.ndjson'
printf 'cb-store 1\n ' >again/format
exits 65 cb-query again
rm again/format
exits 65 cb-query again
exits 65 sh -c 'cb-record again <h264.cbf'

done_testing
