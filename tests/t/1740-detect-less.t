#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-detect decodes only what it looks at: what is left out is not decoded at all, and what is
# looked at is the same as when everything is.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq cb-ingest
/usr/bin/python3 "$CB_SRC/tests/smallnet.py"

src='testsrc2=s=192x144:r=25:d=3'
clip() {
	out=$1
	shift
	ffmpeg -v error -y -f lavfi -i "$src" "$@" -pix_fmt yuv420p "$out" 2>/dev/null </dev/null
}
x265=log-level=none:keyint=20:bframes=4:b-adapt=0
clip h264.mp4 -c:v libx264 -preset fast -g 20 -bf 3 -x264-params b-pyramid=normal
clip open.mkv -c:v libx264 -preset fast -g 20 -bf 3 -x264-params open-gop=1
clip h265.mkv -c:v libx265 -preset ultrafast -x265-params $x265
clip layers.mkv -c:v libx265 -preset ultrafast -x265-params $x265:no-open-gop=1:temporal-layers=1
clip av1.mp4 -c:v libaom-av1 -cpu-used 8 -g 20 -b:v 200k
clip svt.mkv -c:v libsvtav1 -preset 12 -g 20 -b:v 200k
clip mpeg2.mkv -c:v mpeg2video -bf 2 -g 15 -b:v 1M
clip mpeg4.avi -c:v mpeg4 -bf 2 -g 20 -b:v 600k
clip vp9.webm -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 20 -b:v 200k
clip vp8.webm -c:v libvpx -deadline realtime -cpu-used 8 -g 20 -b:v 200k
clip ffv1.mkv -c:v ffv1 -g 20
src='testsrc2=s=640x480:r=25:d=1' clip mjpeg.avi -c:v mjpeg -q:v 4

objects() { jq -c 'select(.type=="cb.detection").data|[.pts,.packet,.width,.height,.objects]' "$1"; }
for f in h264.mp4 open.mkv h265.mkv layers.mkv av1.mp4 svt.mkv mpeg2.mkv mpeg4.avi vp9.webm vp8.webm ffv1.mkv mjpeg.avi; do
	if [ ! -s $f ]; then
		skip "$f: no encoder for it"
		continue
	fi
	cb-ingest --camera front $f >clip.cbf
	set -- -m m.cfg --threshold 0.01
	# camera health looks at full resolution
	[ $f != mjpeg.avi ] || set -- "$@" --no-health
	cb-detect "$@" <clip.cbf >all.nd
	objects all.nd >all
	total=$(grep -c . all)
	good=true
	counts=
	for o in '--every 2' '--every 3' '--every 20' '--every 33' '--fps 2' --keyframes; do
		# shellcheck disable=SC2086
		cb-detect "$@" $o <clip.cbf >some.nd || good=false
		objects some.nd >some
		n=$(grep -c . some)
		[ "$n" -gt 0 ] && [ "$(grep -cFxf all some)" -eq "$n" ] && ! grep -q damaged some.nd || good=false
		case $o in
		--every*) [ "$n" -eq $(((total + ${o#--every } - 1) / ${o#--every })) ] || good=false ;;
		esac
		counts="$counts $n"
	done
	ok "$f: of $total pictures$counts are looked at, and the same is seen in them" '$good'
done
ok 'a smaller picture is decoded, the size that is told is its own' \
	'[ "$(jq -r "select(.type==\"cb.detection\").data|\"\(.width)x\(.height)\"" all.nd | sort -u)" = 640x480 ]'
exits 0 sh -c 'cb-detect -m m.cfg --threshold 0.01 <clip.cbf >full.nd'
objects full.nd >full
ok 'with camera health it is decoded in full, and what is seen is not quite the same' '! cmp -s all full'

# Spoil all pictures between keyframes, behind the first bytes, which say what they are: where
# only keyframes are looked at, they are not even decoded.
cat >spoil.py <<'P'
import json, subprocess, sys
p = json.loads(subprocess.check_output(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries",
                                        "packet=pos,size,flags", "-of", "json", sys.argv[1]]))["packets"]
d = bytearray(open(sys.argv[1], "rb").read())
for k, q in enumerate(p):
    if k % 20 == 0:
        assert q["flags"][0] == "K"
        continue
    pos, size = int(q["pos"]), int(q["size"])
    at = pos
    while at < pos + size:      # units behind lengths of four bytes
        n = int.from_bytes(d[at:at + 4], "big")
        for i in range(at + 6, at + 4 + n):
            d[i] = d[i] ^ 0x5a
        at += 4 + n
open(sys.argv[2], "wb").write(d)
P
ffmpeg -v error -y -f lavfi -i testsrc2=s=192x144:r=25:d=4 -c:v libx264 -preset ultrafast -g 20 -bf 0 \
	-x264-params scenecut=0 -pix_fmt yuv420p fixed.mp4
/usr/bin/python3 spoil.py fixed.mp4 spoilt.mp4
cb-ingest --camera front fixed.mp4 >fixed.cbf
cb-ingest --camera front spoilt.mp4 >spoilt.cbf 2>ingest.err
exits 0 sh -c 'cb-detect -m m.cfg --threshold 0.01 <spoilt.cbf >bad.nd'
ok 'every picture: damage' '[ "$(jq -s "map(select(.type==\"cb.run\"))|last|.data.decode_errors" bad.nd)" -gt 40 ]'
for o in '--every 20' '--every 40' --keyframes; do
	exits 0 sh -c "cb-detect -m m.cfg --threshold 0.01 $o <spoilt.cbf >spoilt.nd"
	ok "$o: no word of it" '[ ! -s err ] && ! grep -q damaged spoilt.nd'
	cb-detect -m m.cfg --threshold 0.01 $o <fixed.cbf >fixed.nd
	objects spoilt.nd >spoilt
	objects fixed.nd >fixed
	same_file spoilt fixed "$o: what is between the pictures looked at is not decoded"
done
exits 0 sh -c 'cb-detect -m m.cfg --every 21 <spoilt.cbf >bad1.nd'
ok 'where one depends on it, it is, and that is told' \
	'grep -q "could not be decoded whole" err && grep -q damaged bad1.nd'
exits 0 sh -c 'cb-detect -m m.cfg --every 21 <spoilt.cbf >bad2.nd'
same_file bad1.nd bad2.nd 'and the same twice'

# a stream cut in the middle: what waits for a keyframe that does not come is not lost, or missed
head -c $(($(wc -c <fixed.cbf) * 3 / 5)) fixed.cbf >cut.cbf
exits 65 sh -c 'cb-detect -m m.cfg --threshold 0.01 --every 7 <cut.cbf >cut.nd'
cb-detect -m m.cfg --threshold 0.01 --every 7 <fixed.cbf >seven.nd
objects cut.nd >cut
objects seven.nd | head -n "$(grep -c . cut)" >seven
ok 'a cut stream has pictures' '[ "$(grep -c . cut)" -gt 5 ]'
same_file cut seven 'and the same as the whole one'

# more wait than may: decoded after all
ffmpeg -v error -y -f lavfi -i testsrc2=s=96x96:r=25:d=16 -c:v libx264 -preset ultrafast -g 400 -bf 2 \
	-x264-params scenecut=0 -pix_fmt yuv420p long.mp4
cb-ingest --camera front long.mp4 >long.cbf
cb-detect -m m.cfg --threshold 0.01 <long.cbf >all.nd
objects all.nd >all
for o in '--every 150' '--every 399'; do
	exits 0 sh -c "cb-detect -m m.cfg --threshold 0.01 $o <long.cbf >some.nd"
	objects some.nd >some
	ok "$o, longer than packets wait" '[ "$(grep -cFxf all some)" -ge 2 ] && [ "$(grep -cFxf all some)" -eq "$(grep -c . some)" ]'
done

# a live stream: what waits does not keep back the picture that was looked at before it
cat >first.py <<'P'
# first.py IN OUT N LIVE: the stream up to its Nth packet
import struct, sys
sys.path.insert(0, sys.argv[5])
import cbframe
d, n, at, out = open(sys.argv[1], "rb").read(), 0, 0, b""
while n < int(sys.argv[3]):
    magic, version, kind, flags, stream, zero, length, seq, pcrc, hcrc = struct.unpack("<4sBBHHHIQII", d[at:at + 32])
    p = d[at + 32:at + 32 + length]
    at += 32 + length
    n += kind == 3
    if kind == 1:
        flags = int(sys.argv[4])
    head = struct.pack("<4sBBHHHIQI", magic, version, kind, flags, stream, zero, length, seq, cbframe.crc32c(p))
    out += head + struct.pack("<I", cbframe.crc32c(head)) + p
open(sys.argv[2], "wb").write(out)
P
for live in 0 1; do
	/usr/bin/python3 first.py long.cbf head$live.cbf 11 $live "$CB_SRC/tests"
	rm -f pipe
	mkfifo pipe
	cb-detect --no-objects --every 12 <pipe >head$live.nd 2>head.err &
	pid=$!
	exec 3>pipe
	cat head$live.cbf >&3
	n=0
	while [ $live = 1 ] && [ $n -lt 200 ] && ! grep -q cb.detection head$live.nd; do
		sleep 0.05
		n=$((n + 1))
	done
	cp head$live.nd seen$live.nd
	exec 3>&-
	wait $pid || :
done
ok 'a live picture comes out as soon as it can' 'grep -q cb.detection seen1.nd'
ok 'and is the only one, live or not' \
	'[ "$(grep -c cb.detection head0.nd)$(grep -c cb.detection head1.nd)" = 11 ]'

done_testing
