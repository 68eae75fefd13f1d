#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-draw: boxes where the detections say, on the pictures that they speak of and on no other;
# the choice of a picture; video out; damage, cuts and refusals.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg ffprobe cb-ingest

# ten pictures a second for four seconds, all grey, B-frames in between; sound beside it
ffmpeg -v error -f lavfi -i color=gray:s=320x240:r=10:d=4 -f lavfi -i sine=r=8000:d=4 \
	-c:v libx264 -g 20 -bf 2 -pix_fmt yuv420p -c:a aac grey.mp4
exits 0 sh -c 'cb-ingest --camera front grey.mp4 >grey.cbf'

# a detection for every fifth packet in order of presentation, from an independent reader
cat >events.py <<'P'
import hashlib, json, struct, sys
data, at, packets, kind = open(sys.argv[1], "rb").read(), 0, [], {}
while at < len(data):
    t, stream, size = struct.unpack("<5xB2xH2xI", data[at:at + 16])
    p = data[at + 32:at + 32 + size]
    at += 32 + size
    if t == 2:
        kind[stream] = b"h264" in p[:64]
    if t == 3 and kind[stream]:
        packets.append((struct.unpack("<q", p[:8])[0], stream, hashlib.sha256(p[56:]).hexdigest()))
packets.sort()
for n, (pts, stream, digest) in enumerate(packets):
    if n % 5:
        continue
    score = 0.9 if n == 20 else 0.5
    objects = [] if n == 0 else [{"class": "person", "class_id": 0, "score": score,
                                  "box": [0.25, 0.25, 0.5, 0.5]}]
    if len(sys.argv) > 2:
        digest = hashlib.sha256(b"another").hexdigest()
    print(json.dumps({"specversion": "1.0", "id": "%032x" % n, "source": "/test", "type": "cb.detection",
                      "subject": "front", "time": "2026-11-21T00:00:00.000000Z",
                      "data": {"t_us": 0, "stream": stream, "pts": pts, "packet": digest, "run": "0" * 16,
                               "width": 320, "height": 240, "objects": objects,
                               "motion": {"score": 0.01, "boxes": [[0.8, 0.8, 0.1, 0.1]] if n else []}}},
                     separators=(",", ":")))
P
exits 0 /usr/bin/python3 events.py grey.cbf
mv out events.ndjson
ok "eight detections to draw" '[ "$(wc -l <events.ndjson)" -eq 8 ]'

# R G B of one pixel of a picture or of picture N of a video
pixel() {	# FILE X Y [N]
	ffmpeg -v error -i "$1" -vf "select=eq(n\,${4:-0}),format=rgb24,crop=1:1:$2:$3:exact=1" \
		-frames:v 1 -f rawvideo - | od -An -tu1
}
near() {	# R G B  r g b: within 30 of each
	[ $# -eq 6 ] && awk -v a="$*" 'BEGIN { split(a, v, " ");
		for (i = 1; i <= 3; i++) { d = v[i] - v[i + 3]; if (d > 30 || d < -30) exit 1 } }'
}
# shellcheck disable=SC2046
is() { near $(pixel "$1" "$2" "$3" "${7:-0}") "$4" "$5" "$6"; }

exits 0 cb-draw -p best.png --events events.ndjson <grey.cbf
ok "nothing on stdout or stderr" '[ ! -s out ] && [ ! -s err ]'
ok "a PNG of the video's size" \
	'[ "$(ffprobe -v error -show_entries stream=codec_name,width,height -of csv=p=0 best.png)" = png,320,240 ]'
ok "the box's left side is amber" 'is best.png 80 120 255 176 0'
ok "and its right side" 'is best.png 239 120 255 176 0'
ok "the motion box is whiter than the picture" 'is best.png 256 204 210 210 210'
ok "inside it the picture is untouched" 'is best.png 160 120 128 128 128'
ok "outside it the picture is untouched" 'is best.png 20 20 128 128 128'
exits 0 cb-draw -p again.png --events events.ndjson <grey.cbf
same_file best.png again.png "equal input gives equal bytes"
exits 0 cb-draw -p n21.png --at 21 --events events.ndjson <grey.cbf
same_file best.png n21.png "the best picture is the 21st, with the highest score"
exits 0 cb-draw -p n2s.png --at 2.0s --events events.ndjson <grey.cbf
same_file best.png n2s.png "which is two seconds from the start"
exits 0 cb-draw -p first.png --at first --events events.ndjson <grey.cbf
exits 0 cb-draw -p n6.png --at 6 --events events.ndjson <grey.cbf
same_file first.png n6.png "the first with something in it is the 6th"
exits 0 cb-draw -p n1.png --at 1 --events events.ndjson <grey.cbf
ok "nothing was seen in picture 1" 'is n1.png 80 120 128 128 128'
exits 0 cb-draw -p n8.png --at 8 --events events.ndjson <grey.cbf
ok "picture 8 has none of its own and shows the last one" 'is n8.png 80 120 255 176 0'
exits 0 cb-draw -p n8.png --at 8 --hold 0 --events events.ndjson <grey.cbf
ok "but not with --hold=0" 'is n8.png 80 120 128 128 128'
exits 0 cb-draw -p t.png --threshold 0.6 --no-motion --at 6 --events events.ndjson <grey.cbf
ok "--threshold leaves objects out" 'is t.png 80 120 128 128 128'
ok "--no-motion leaves motion out" 'is t.png 256 204 128 128 128'
exits 0 cb-draw -p label.png --at 21 --no-labels --events events.ndjson <grey.cbf
ok "--no-labels changes the picture" '! cmp -s label.png best.png'
exits 0 cb-draw -p cap.png -c --at 21 --events events.ndjson <grey.cbf
ok "the caption darkens the lower left corner" 'is cap.png 9 227 48 49 51'
exits 0 cb-draw -p best.jpg --quality 95 --events events.ndjson <grey.cbf
ok "a JPEG with the same box" 'is best.jpg 80 120 255 176 0'
ok "no half-written file is left" '[ -z "$(find . -name "*.part")" ]'

exits 1 cb-draw -p none.png --at 100 <grey.cbf
ok "says so" 'grep -qx "cb-draw: no picture at that time" err && [ ! -e none.png ]'
exits 0 cb-draw -p plain.png <grey.cbf
ok "without detections best is the first picture, with a warning" \
	'grep -q "^cb-draw: warning: nothing was detected" err && is plain.png 80 120 128 128 128'

# detections of other packets
exits 0 /usr/bin/python3 events.py grey.cbf other
mv out other.ndjson
exits 0 cb-draw -p o.png --events other.ndjson <grey.cbf
ok "detections of other packets are not drawn" 'is o.png 80 120 128 128 128 && grep -q "other packets" err'
exits 0 cb-draw -p o.png --loose --events other.ndjson <grey.cbf
same_file o.png best.png "unless --loose says so"

# video
exits 0 sh -c 'cb-draw --events events.ndjson <grey.cbf >drawn.cbf'
exits 0 cb-frame check drawn.cbf
ok "whole, and as many packets" 'grep -q "video h264, 40 packets" out && grep -q whole out'
cb-frame dump drawn.cbf >drawn.txt
cb-frame dump grey.cbf >grey.txt
stamps() { sed -n 's/^[0-9]* PACKET stream=\([0-9]*\) pts=\([-0-9]*\) .*\(wall=[^ ]*\).*/\1 \2 \3/p' "$1" | sort; }
stamps grey.txt >grey.times
stamps drawn.txt >drawn.times
ok "there are times to compare" '[ "$(wc -l <grey.times)" -gt 60 ]'
same_file grey.times drawn.times "every packet's stream, pts and wall time are there again"
sed -n 's/.* PACKET stream=1 .*flags=\(.*\)/\1/p' grey.txt >a1
sed -n 's/.* PACKET stream=1 .*flags=\(.*\)/\1/p' drawn.txt >a2
same_file a1 a2 "audio passes"
if command -v cb-mux >/dev/null; then
	exits 0 sh -c 'cb-mux --format matroska <drawn.cbf >drawn.mkv'
	exits 0 ffprobe -v warning -count_frames -select_streams v \
		-show_entries stream=nb_read_frames -of csv=p=0 drawn.mkv
	ok "40 pictures, and no complaint" '[ "$(tr -d , <out)" = 40 ] && [ ! -s err ]'
	# a thin line loses colour where four pixels share it
	ok "the box is in the video's 21st picture" 'is drawn.mkv 80 120 217 176 88 20'
	ok "and not in its first" 'is drawn.mkv 80 120 128 128 128 0'
else
	skip "no cb-mux in this build" 5
fi
exits 0 sh -c 'cb-draw --codec mjpeg --events events.ndjson <grey.cbf >mj.cbf'
exits 0 cb-frame check mj.cbf
ok "mjpeg" 'grep -q "video mjpeg, 40 packets" out'

# from the stream itself: a detection comes after its packet
exits 0 sh -c 'cb-detect --no-objects --tee <grey.cbf >tee.cbf'
exits 0 sh -c 'cb-draw <tee.cbf >teed.cbf'
cb-frame events tee.cbf >e1
cb-frame events teed.cbf >e2
same_file e1 e2 "events pass"
exits 0 sh -c 'cb-draw -p tee.png --at 3 <tee.cbf'

# many boxes, labels that are long or hostile, and pictures from one pixel up
cat >crowd.py <<'P'
import json, random, sys
random.seed(4)
names = ["person", "x" * 100, "tv \u202e\x1b[31m\n evil", "\u65e5\u672c", "'; drop", "\u0001", ""]
for line in open("events.ndjson"):
    e = json.loads(line)
    objects = []
    for _ in range(250):
        x, y = random.random(), random.random()
        objects.append({"class": random.choice(names), "class_id": 1, "score": round(random.random(), 4),
                        "box": [round(v, 4) for v in (x, y, random.random() * (1 - x), random.random() * (1 - y))]})
    e["data"]["objects"] = objects + [{"class": "edge", "class_id": 1, "score": 1, "box": b}
                                      for b in ([0, 0, 1, 1], [1, 1, 0, 0], [0.9999, 0, 0.0001, 1])]
    e["data"]["pts"] = int(sys.argv[1]) if len(sys.argv) > 1 else e["data"]["pts"]
    print(json.dumps(e, separators=(",", ":")))
P
exits 0 /usr/bin/python3 crowd.py
mv out crowd.ndjson
exits 0 cb-draw -p crowd.png -c --at 21 -e crowd.ndjson <grey.cbf
ok "a crowd is drawn" '[ -s crowd.png ] && [ ! -s err ] && ! cmp -s crowd.png best.png'
exits 0 /usr/bin/python3 crowd.py 0
mv out crowd0.ndjson
for s in 1:1 2:2 16:2 2:700 3000:8; do
	ffmpeg -v error -f lavfi -i color=gray:s=16x16:r=5:d=0.4 -vf scale=$s,setsar=1,format=yuv444p -c:v ffv1 -y size.mkv
	exits 0 sh -c 'cb-ingest --camera front size.mkv >size.cbf && cb-draw -p size.png -c --at 1 --loose -e crowd0.ndjson <size.cbf'
	ok "a picture of $s" '[ "$(ffprobe -v error -show_entries stream=width,height -of csv=p=0 size.png | tr , :)" = '"$s"' ] && [ ! -s err ]'
done
exits 0 sh -c 'cb-draw -c --loose -e crowd0.ndjson <size.cbf >size.drawn'
exits 0 cb-frame check size.drawn

# cuts, damage, refusals
head -c $(($(wc -c <grey.cbf) * 2 / 3)) grey.cbf >cut.cbf
exits 65 sh -c 'cb-draw <cut.cbf >cutdrawn.cbf'
ok "names the place" 'grep -q "^cb-draw: frame " err'
exits 65 cb-frame check cutdrawn.cbf
ok "what came is drawn, and there is no END" 'grep -q "video h264, 2[0-9] packets" out'
exits 65 cb-draw -p cut.png --events events.ndjson <cut.cbf
ok "the picture is there" 'is cut.png 80 120 255 176 0'
exits 65 cb-draw </dev/null
exits 65 cb-draw <events.ndjson
exits 74 sh -c 'cb-draw <grey.cbf >/dev/full'
exits 73 cb-draw -p /nonexistent/x.png <grey.cbf
exits 66 cb-draw --events /nonexistent/x <grey.cbf
echo '{"specversion":"1.0","id":"1","source":"/t","type":"cb.detection","data":{"stream":0,"pts":1,"objects":7}}' >bad.ndjson
exits 65 cb-draw --events bad.ndjson <grey.cbf
ok "names file and line" 'grep -qx "cb-draw: bad.ndjson: line 1: cb.detection: data.objects is no array" err'
exits 64 cb-draw -p x.gif <grey.cbf
exits 64 cb-draw --at 3 <grey.cbf
exits 64 cb-draw --at yesterday -p x.png <grey.cbf
exits 64 cb-draw --quality 0 <grey.cbf

# every byte of the stream's beginning turned over: reported, never a crash
i=40
while [ $i -lt 900 ]; do
	/usr/bin/python3 - "$i" <<'P'
import sys
d = bytearray(open("grey.cbf", "rb").read())
d[int(sys.argv[1])] ^= 0x20
open("flip.cbf", "wb").write(d)
P
	_st=0
	cb-draw -q -p flip.png --at 2 <flip.cbf >/dev/null 2>err || _st=$?
	[ "$_st" -eq 65 ] || break
	i=$((i + 41))
done
ok "bits turned over are reported" '[ $i -ge 900 ]'

# a picture with an odd size, pixels that are not square
ffmpeg -v error -f lavfi -i color=gray:s=320x240:r=5:d=1 \
	-vf format=yuv444p,scale=161:121,setsar=2 -c:v libx264 odd.mp4
exits 0 sh -c 'cb-ingest --camera odd odd.mp4 | cb-draw -p odd.png --at 1'
ok "square pixels" '[ "$(ffprobe -v error -show_entries stream=width,height -of csv=p=0 odd.png)" = 322,121 ]'
exits 0 sh -c 'cb-ingest --camera odd odd.mp4 | cb-draw >odd.cbf'
exits 0 cb-frame check odd.cbf
ok "five pictures" 'grep -q "video h264, 5 packets" out'

done_testing
