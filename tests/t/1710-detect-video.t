#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-detect on compressed video: each picture is tied to the packet that it came from, across
# reordering; what is left out changes nothing in what is looked at; damage, gaps and sound do
# no harm.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq cb-ingest

ffmpeg -v error -f lavfi -i testsrc2=s=320x240:r=25:d=4 -f lavfi -i sine=r=8000:d=4 -c:v libx264 \
	-preset fast -g 25 -bf 3 -x264-params b-pyramid=normal -pix_fmt yuv420p -c:a aac clip.mp4
exits 0 sh -c 'cb-ingest --camera front clip.mp4 >clip.cbf'

# pts and digest of every video packet, by an independent reader
cat >packets.py <<'P'
import hashlib, struct, sys
data, at = open(sys.argv[1], "rb").read(), 0
video = None
while at < len(data):
    t, stream, size = struct.unpack("<5xB2xH2xI", data[at:at + 16])
    p = data[at + 32:at + 32 + size]
    at += 32 + size
    if t == 2 and p[24] == 1:
        video = stream
    if t == 3 and stream == video:
        print(struct.unpack("<q", p[:8])[0], hashlib.sha256(p[56:]).hexdigest())
P
/usr/bin/python3 packets.py clip.cbf | sort -n >packets
ok 'the clip has reordered pictures' '! /usr/bin/python3 packets.py clip.cbf | sort -nc 2>/dev/null'

# a model whose one box says something about a pixel in the middle
/usr/bin/python3 "$CB_SRC/tests/smallnet.py"
objects() { jq -c 'select(.type=="cb.detection").data|[.pts,.packet,.objects]' "$1"; }

exits 0 sh -c 'cb-detect -m m.cfg --threshold 0.01 <clip.cbf >all.nd'
valid_events all.nd
jq -r 'select(.type=="cb.detection").data|"\(.pts) \(.packet)"' all.nd >seen
same_file seen packets 'every packet has its picture, in order of presentation'
objects all.nd >all
ok 'objects differ from picture to picture' '[ "$(jq -c ".[2]" all | sort -u | wc -l)" -gt 50 ]'
ok 'nothing is damaged' '! grep -q damaged all.nd'

for o in '--every 3' '--every 7' '--fps 3' '--keyframes'; do
	exits 0 sh -c "cb-detect -m m.cfg --threshold 0.01 $o <clip.cbf >some.nd"
	objects some.nd >some
	ok "$o looks at $(grep -c . some) pictures and sees the same in them" \
		'[ -s some ] && [ "$(grep -cFxf all some)" -eq "$(grep -c . some)" ] && ! grep -q damaged some.nd'
done
ok 'four keyframes' '[ "$(grep -c . some)" -eq 4 ]'
exits 0 sh -c 'cb-detect -m m.cfg --threshold 0.01 <clip.cbf | cmp - all.nd'
exits 0 sh -c 'cb-detect -m m.cfg --threshold 0.01 --tee <clip.cbf | cb-frame events - | cmp - all.nd'

# however many cores: the same bytes, and in a tee every event in its place
exits 0 sh -c 'cb-detect -m m.cfg --threshold 0.01 --tee <clip.cbf >one.tee'
for n in 2 3 7; do
	exits 0 sh -c "cb-detect -m m.cfg --threshold 0.01 --threads $n <clip.cbf | cmp - all.nd"
	exits 0 sh -c "cb-detect -m m.cfg --threshold 0.01 --threads $n --tee <clip.cbf | cmp - one.tee"
	exits 0 sh -c "cb-detect -m m.cfg --threshold 0.01 --threads $n <one.tee >tee$n.nd"
done
exits 0 sh -c 'cb-detect -m m.cfg --threshold 0.01 <one.tee | cmp - tee2.nd'
exits 0 cmp tee2.nd tee7.nd
exits 0 sh -c 'cb-detect --no-objects --threads 2 --tee <clip.cbf | cb-frame check'

# the same pictures without loss, with and without reordering: the same is seen at the same time
ffmpeg -v error -i clip.mp4 -an -frames:v 60 -c:v libx265 -preset fast -x265-params log-level=none:lossless=1:bframes=3:keyint=25 b.mkv
ffmpeg -v error -i clip.mp4 -an -frames:v 60 -c:v ffv1 plain.mkv
for f in b plain; do
	exits 0 sh -c "cb-ingest --camera front $f.mkv >$f.cbf && cb-detect -m m.cfg --threshold 0.01 <$f.cbf >$f.nd"
	jq -c 'select(.type=="cb.detection").data|[.pts,.objects,.motion]' $f.nd >$f.seen
done
ok 'one of them is reordered' '/usr/bin/python3 packets.py b.cbf >b.p; /usr/bin/python3 packets.py plain.cbf >p.p
	! sort -nc b.p 2>/dev/null && sort -nc p.p 2>/dev/null'
same_file b.seen plain.seen 'a picture is seen at its own time, however it was coded'
ok 'and there is much to see' '[ "$(sort -u b.seen | wc -l)" -gt 50 ]'

# other ways to code it
ffmpeg -v error -i clip.mp4 -an -c:v libx265 -x265-params log-level=none:bframes=3:keyint=25 -frames:v 50 h265.mkv
ffmpeg -v error -i clip.mp4 -an -c:v mpeg4 -bf 2 -frames:v 50 mpeg4.avi
ffmpeg -v error -i clip.mp4 -an -c:v libvpx-vp9 -b:v 200k -cpu-used 8 -deadline realtime -frames:v 50 vp9.webm
ffmpeg -v error -i clip.mp4 -an -c:v copy -bsf:v h264_mp4toannexb -frames:v 50 raw.h264
for f in h265.mkv mpeg4.avi vp9.webm 'raw.h264 --fps 25'; do
	exits 0 sh -c "cb-ingest $f >other.cbf && cb-detect --no-objects <other.cbf >other.nd"
	ok "fifty different pictures of $f" \
		'[ "$(jq -r "select(.type==\"cb.detection\").data.packet" other.nd | sort -u | wc -l)" -eq 50 ]'
done

# damage in the compressed data, with the file around it whole
cat >hurt.py <<'P'
import random, sys
random.seed(int(sys.argv[2]))
d = bytearray(open("clip.mp4", "rb").read())
start = d.index(b"mdat") + 2000
end = d.rindex(b"moov") if d.rindex(b"moov") > start else len(d)
for _ in range(40):
    at = random.randrange(start, end - 8)
    d[at] ^= 1 << random.randrange(8)
open(sys.argv[1], "wb").write(d)
P
for n in 1 2 3; do
	/usr/bin/python3 hurt.py hurt.mp4 $n
	cb-ingest hurt.mp4 >hurt.cbf 2>ingest.err
	exits 0 sh -c 'cb-detect -m m.cfg --threshold 0.01 <hurt.cbf >hurt1.nd'
	exits 0 sh -c 'cb-detect -m m.cfg --threshold 0.01 --threads 2 <hurt.cbf >hurt2.nd'
	same_file hurt1.nd hurt2.nd "damage $n gives the same twice"
	ok 'and is told' 'grep -q damaged hurt1.nd && [ "$(jq -s "map(select(.type==\"cb.run\"))|last|.data.decode_errors" hurt1.nd)" -gt 0 ]'
	valid_events hurt1.nd
done

# sound alone
ffmpeg -v error -i clip.mp4 -vn -c:a copy sound.m4a
exits 65 sh -c 'cb-ingest sound.m4a | cb-detect'
ok 'sound alone is no video' 'grep -q "^cb-detect: no video stream$" err'

done_testing
