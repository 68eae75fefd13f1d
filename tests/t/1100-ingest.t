#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-ingest: what is in a container comes out, packet for packet, with its times, from files and
# pipes; canonical data; parameters that change; the choices of time, streams and rate.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg ffprobe script
ff() { ffmpeg -nostdin -v error -y "$@"; }

# an independent look at frame streams, through tests/cbframe.py
cat >look.py <<'P'
"""packets FILE STREAM   pts, flag K, sha256 of each packet
units FILE STREAM [slices]   sha256 of each NAL unit; "slices": of those that hold pictures
annexb FILE h264|hevc [slices]   the same of a byte stream
probe STREAM             the same lines as "packets" from ffprobe's JSON on stdin"""
import hashlib, json, os, re, struct, sys
sys.path.insert(0, os.environ["CB_SRC"] + "/tests")
import cbframe
def packets(path, want):
    for kind, flags, stream, seq, p in cbframe.frames(open(path, "rb")):
        if kind == 3 and stream == want:
            yield flags, p
def show(units, hevc, slices):
    for u in units:
        t = u[0] >> 1 & 63 if hevc else u[0] & 31
        if not slices or (t < 32 if hevc else 1 <= t <= 5):
            print(hashlib.sha256(u).hexdigest())
verb, arg = sys.argv[1], sys.argv[2:]
if verb == "packets":
    for flags, p in packets(arg[0], int(arg[1])):
        pts = struct.unpack("<q", p[:8])[0]
        print(cbframe.number(pts), "K" if flags & 1 else "-", hashlib.sha256(p[56:]).hexdigest())
elif verb == "units":
    out, hevc = [], False
    for kind, flags, stream, seq, p in cbframe.frames(open(arg[0], "rb")):
        if kind == 2 and stream == int(arg[1]):
            hevc = cbframe.name(p[:24]) == "hevc"
    for flags, p in packets(arg[0], int(arg[1])):
        d = p[56:]
        while d:
            n = struct.unpack(">I", d[:4])[0]
            assert 0 < n <= len(d) - 4
            out.append(d[4:4 + n])
            d = d[4 + n:]
    show(out, hevc, len(arg) > 2)
elif verb == "annexb":
    parts = re.split(b"\0\0\1", open(arg[0], "rb").read())
    assert not parts[0].strip(b"\0")
    show([u.rstrip(b"\0") for u in parts[1:]], arg[1] == "hevc", len(arg) > 2)
elif verb == "probe":
    for f in json.load(sys.stdin)["packets"]:
        if f["stream_index"] == int(arg[0]):
            print(f.get("pts", "-"), f["flags"][0].replace("_", "-"), f["data_hash"][7:])
P
look() { /usr/bin/python3 look.py "$@"; }
probe() { ffprobe -v error -fflags nofillin -show_packets -show_data_hash sha256 -of json "$1" | look probe "$2"; }
ingest() {	# NAME SOURCE ARG...: into NAME.cbf, whole, without a word
	_name=$1
	shift
	exits 0 sh -c 'n=$1; shift; cb-ingest "$@" >"$n.cbf"' - "$_name" "$@"
	[ ! -s err ] || { _show err; ok "no word" false; }
}
in="-f lavfi -i testsrc2=s=160x120:r=10:d=2 -f lavfi -i sine=r=48000:d=2"

# --- packet for packet as the container has them --------------------------------------------------
same_packets() {	# FILE STREAM...
	_f=$1
	shift
	ingest x "$_f"
	for _s; do
		probe "$_f" "$_s" >want
		look packets x.cbf "$_s" >got
		ok "$_f: there are packets" '[ "$(wc -l <want)" -ge 20 ]'
		same_file want got "$_f, stream $_s: times, keyframes and bytes are ffprobe's"
	done
}
# shellcheck disable=SC2086
{
	ff $in -c:v libx264 -preset veryfast -g 10 -bf 2 -pix_fmt yuv420p -c:a aac h264.mp4
	ff $in -c:v libx265 -preset ultrafast -x265-params log-level=none:bframes=2:keyint=10 -pix_fmt yuv420p \
		-c:a libopus hevc.mkv
	ff $in -c:v mjpeg -c:a pcm_s16le mjpeg.mov
	ff $in -c:v libsvtav1 -preset 12 -c:a libopus av1.mkv 2>/dev/null
	ff $in -c:v mjpeg -pix_fmt yuvj420p -ar 8000 -ac 1 -c:a pcm_alaw alaw.mov
}
ff -i hevc.mkv -c:v copy -c:a pcm_mulaw -ar 8000 -tag:v hvc1 hevc.mov
ff -i h264.mp4 -c copy h264.mkv
for f in h264.mp4 h264.mkv hevc.mkv hevc.mov mjpeg.mov av1.mkv alaw.mov; do
	same_packets $f 0 1
done
for f in ts flv mov; do
	ff -i h264.mp4 -c copy h264.$f
done
ff -i hevc.mkv -map 0:v -c copy hevc.ts
ff -i h264.mp4 -map 0:v -c copy h264.h264
ff -i hevc.mkv -map 0:v -c copy hevc.hevc
# MP4's first AAC packet is before time 0, and FLV has times in milliseconds: the bytes
ff -i h264.mp4 -map 0:v -c:v mjpeg raw.mjpeg
sums() { sed 's/.* //' "$1"; }
probe h264.mp4 0 | sums /dev/stdin >v
probe h264.mp4 1 | sums /dev/stdin >a
for f in flv mov; do
	ingest $f h264.$f
	look packets $f.cbf 0 >got
	sums got >gv
	look packets $f.cbf 1 >got
	sums got >ga
	same_file v gv "$f: video as in MP4"
	same_file a ga "$f: audio as in MP4"
done

# --- byte streams -----------------------------------------------------------------------------------
ingest mp4 h264.mp4
ingest hevcmkv hevc.mkv
ingest ts h264.ts
ingest hevcts hevc.ts
ingest raw h264.h264 --fps 10
ingest hevcraw hevc.hevc --fps 10
look annexb h264.h264 h264 >want
look units raw.cbf 0 >got
same_file want got "raw H.264: every NAL unit of the file, and no other"
look annexb hevc.hevc hevc >want
look units hevcraw.cbf 0 >got
same_file want got "raw H.265: the same"
ff -i h264.ts -map 0:v -c copy -f data ts.bin
look annexb ts.bin h264 >want
look units ts.cbf 0 >got
same_file want got "MPEG-TS: every NAL unit, and no other"
look units mp4.cbf 0 slices >want
ok "twenty pictures or more" '[ "$(wc -l <want)" -ge 20 ]'
for f in ts raw; do
	look units $f.cbf 0 slices >got
	same_file want got "H.264 from MP4 and from $f: the same slices"
done
look units hevcmkv.cbf 0 slices >want
for f in hevcts hevcraw; do
	look units $f.cbf 0 slices >got
	same_file want got "H.265 from Matroska and from $f: the same slices"
done
look packets ts.cbf 1 | sums /dev/stdin >got
# the MPEG-TS muxer has the same packets behind ADTS headers
same_file a got "AAC without its ADTS headers is that of MP4"
cb-frame dump mp4.cbf >mp4.txt
cb-frame dump ts.cbf >ts.txt
cb-frame dump raw.cbf >raw.txt
ok "MPEG-TS: B-frames keep their order" '[ "$(grep -c "PACKET stream=0" ts.txt)" = 20 ]'
order() { sed -n 's/.*PACKET stream=0 pts=\([-0-9]*\) .*/\1/p' "$1" | cat -n | sort -k2n | awk '{ print $1 }'; }
order mp4.txt >want
order ts.txt >got
same_file want got "MPEG-TS: pictures are shown in the order of MP4"
order raw.txt >got
same_file want got "raw: pictures are shown in the order of MP4, from the stream itself"
exits 64 cb-ingest h264.h264
ok "raw video needs a rate" '[ "$(wc -l <err)" = 1 ] && grep -q -- "say --fps" err && [ ! -s out ]'
exits 64 cb-ingest --fps 10 h264.mp4
ok "and nothing else has one" '[ "$(wc -l <err)" = 1 ] && grep -q "has its own times" err'
exits 64 cb-ingest --fps 0 h264.h264
ingest mj raw.mjpeg --fps 10
exits 0 cb-frame check mj.cbf
ok "raw MJPEG: 20 packets" 'grep -q "video mjpeg, 20 packets" out'

# --- pipes ------------------------------------------------------------------------------------------
for f in h264.mkv h264.ts h264.flv; do
	cb-ingest --camera x --start-time @1700000000 $f >file.cbf
	exits 0 sh -c 'cat '$f' | cb-ingest --camera x --start-time @1700000000 - >pipe.cbf'
	cb-frame hash file.cbf >want
	cb-frame hash pipe.cbf >got
	same_file want got "$f: a pipe gives what the file gives"
done
exits 0 sh -c 'cb-ingest - <h264.mp4 >redirected.cbf'
cb-frame hash mp4.cbf | sed 's/.*data=//;/^all/d' >want
cb-frame hash redirected.cbf | sed 's/.*data=//;/^all/d' >got
same_file want got "standard input that can be sought in"
mkfifo fifo
cat h264.ts >fifo &
exits 0 sh -c 'cb-ingest --camera x --start-time @1700000000 fifo >fifo.cbf'
cb-ingest --camera x --start-time @1700000000 h264.ts | cb-frame hash >want
cb-frame hash fifo.cbf >got
same_file want got "a FIFO by its name"
cb-ingest h264.mp4 >again.cbf
same_file mp4.cbf again.cbf "the same file gives the same bytes"

# --- choices ----------------------------------------------------------------------------------------
head1() { cb-frame dump "$1" >d; head -n 1 d; }
ok "the camera is named after the file" 'head1 mp4.cbf | grep -q "camera=h264 live=0"'
touch -d 2024-02-03T04:05:06Z h264.mkv
ingest c h264.mkv --camera front-door
ok "--camera, and the time of the file" 'head1 c.cbf | grep -q "camera=front-door live=0 wall=2024-02-03T04:05:06.000000Z"'
ff -i h264.mp4 -c copy -metadata creation_time=2023-01-02T03:04:05Z stated.mp4
ingest c stated.mp4
ok "the file's own statement is better" 'head1 c.cbf | grep -q "wall=2023-01-02T03:04:05.000000Z"'
ingest c stated.mp4 --start-time 2026-11-21T07:54:42.5+01:00
ok "--start-time before all" 'head1 c.cbf | grep -q "wall=2026-11-21T06:54:42.500000Z"'
ok "and the packets count from there" 'grep -q "stream=0 pts=0 .*wall=2026-11-21T06:54:42.5" d && grep -q "wall=2026-11-21T06:54:44" d'
exits 64 cb-ingest --camera ../x h264.mp4
exits 64 cb-ingest --start-time soon h264.mp4
ingest c h264.mp4 --duration 1s
cb-frame dump c.cbf >d
n=$(grep -c "PACKET stream=0" d)
ok "--duration: ten pictures of twenty ($n)" '[ "$n" = 10 ]'
ok "sound to go with them" '[ "$(grep -c "PACKET stream=1" d)" -gt 30 ] && [ "$(grep -c "PACKET stream=1" d)" -lt 60 ]'
ok "END: somebody asked for it" 'tail -n 1 d | grep -q stopped'
exits 64 cb-ingest --duration 0 h264.mp4
for s in v a 0 1; do
	ingest c h264.mp4 --streams $s
	exits 0 cb-frame check c.cbf
	kind=video
	case $s in a|1) kind=audio ;; esac
	ok "--streams $s: $kind alone" '[ "$(grep -c "^stream" out)" = 1 ] && grep -q "^stream 0: $kind" out'
done
ingest c h264.mp4 --streams v,1
exits 0 cb-frame check c.cbf
ok "--streams v,1: both" '[ "$(grep -c "^stream" out)" = 2 ]'
exits 64 cb-ingest --streams x h264.mp4
exits 64 cb-ingest --streams 7 h264.mp4
ok "no such stream: one line" '[ "$(wc -l <err)" = 1 ] && grep -q "none of its 2 streams" err'
ingest c h264.mp4 --realtime --duration 0.5
ok "--realtime: live" 'head1 c.cbf | grep -q " live=1 "'
ok "and monotonic times" '! grep "PACKET" d | grep -q "mono=0 "'

# --- parameters that change -------------------------------------------------------------------------
ff -f lavfi -i testsrc2=s=320x240:r=10:d=2 -c:v libx264 -preset veryfast -g 10 -bf 2 -pix_fmt yuv420p big.h264
cat h264.h264 big.h264 >change.h264
ff -f lavfi -i testsrc2=s=320x240:r=10:d=2 -c:v libx265 -preset ultrafast -x265-params log-level=none \
	-pix_fmt yuv420p big.hevc
cat hevc.hevc big.hevc >change.hevc
ff -f lavfi -i testsrc2=s=320x240:r=10:d=2 -c:v libx264 -preset veryfast -g 10 -bf 2 -pix_fmt yuv420p big.ts
ff -i h264.ts -map 0:v -c copy small.ts
cat small.ts big.ts >change.ts
for f in change.h264 change.hevc change.ts; do
	rate='--fps 10'
	[ $f != change.ts ] || rate=
	# shellcheck disable=SC2086
	exits 0 sh -c 'cb-ingest "$@" >c.cbf' - $rate $f
	cb-frame dump c.cbf >d
	ok "$f: two STREAM frames, of both sizes" '[ "$(grep -c STREAM d)" = 2 ] && grep -q "STREAM.*160x120" d && grep -q "STREAM.*320x240" d'
	ok "$f: the second one stands before a keyframe" 'grep -A 1 "STREAM.*320x240" d | tail -n 1 | grep -q "PACKET.*flags=K"'
	ok "$f: behind 20 packets of the first" '[ "$(sed "/STREAM.*320x240/q" d | grep -c PACKET)" = 20 ]'
done
# sets that only stand in the packets of an MP4 file
ff -fflags +genpts -r 10 -i change.h264 -c copy -tag:v avc3 inband.mp4 2>/dev/null || :
if [ -s inband.mp4 ]; then
	exits 0 sh -c 'cb-ingest inband.mp4 >c.cbf'
	cb-frame dump c.cbf >d
	ok "MP4 with sets in its packets: a STREAM of the new size before its keyframe" \
		'grep -A 1 "STREAM.*320x240" d | tail -n 1 | grep -q "PACKET.*flags=K"'
else
	skip "this ffmpeg does not write such a file" 2
fi

# --- the end ----------------------------------------------------------------------------------------
: >c.cbf
cb-ingest --realtime h264.mp4 >>c.cbf 2>err &
pid=$!
while [ "$(wc -c <c.cbf)" -lt 2000 ] && kill -0 $pid; do sleep 0.05; done
kill -TERM $pid
st=0
wait $pid || st=$?
ok "SIGTERM: exit 0, without a word" '[ $st -eq 0 ] && [ ! -s err ]'
exits 0 cb-frame check c.cbf
ok "the stream is whole" 'grep -q whole out'
ok "END: somebody asked for it" 'cb-frame dump c.cbf >d; tail -n 1 d | grep -q stopped'
exits 74 sh -c 'cb-ingest h264.mp4 >/dev/full'
ok "a full disk: one line" '[ "$(wc -l <err)" = 1 ]'
st=0
bash -c 'cb-ingest h264.mp4 2>err | head -c 100 >/dev/null; exit ${PIPESTATUS[0]}' || st=$?
ok "a reader that leaves: quiet ($st)" '[ ! -s err ] && { [ $st -eq 0 ] || [ $st -eq 141 ]; }'

# --- refusals ---------------------------------------------------------------------------------------
one() { [ "$(wc -l <err)" = 1 ] && [ ! -s out ] && grep -q "^cb-ingest: .*$1" err; }
exits 64 cb-ingest --ca-file nowhere.pem h264.mp4
ok "nothing seems to be in force that is not" 'grep -q "^cb-ingest: --ca-file goes with an address" err'
exits 64 cb-ingest --credentials nowhere - <h264.mp4
ok "nor for a pipe" 'grep -q "^cb-ingest: --credentials goes with an address" err'
exits 66 cb-ingest nowhere.mp4
ok "one line" 'one "nowhere.mp4: No such file"'
exits 66 cb-ingest .
ok "one line" 'one "is a directory"'
: >empty.mp4
exits 65 cb-ingest empty.mp4
ok "one line" 'one "empty.mp4: "'
exits 65 cb-ingest "$CB_SRC/README.md"
ok "one line" 'one "README.md: "'
exits 65 sh -c 'cb-ingest - </dev/null'
exits 64 cb-ingest --transport=udp rtsps://192.0.2.7/x
ok "what goes by UDP would not be encrypted" 'grep -q "^cb-ingest: --transport=udp: what goes by UDP would not be encrypted" err'
exits 64 cb-ingest --pin 00 rtsp://192.0.2.7/x
exits 64 cb-ingest --pin 00 rtsps://192.0.2.7/x
exits 64 cb-ingest --transport=tcp h264.mp4
exits 64 cb-ingest --transport=sctp rtsp://192.0.2.7/x
exits 64 cb-ingest --fps 25 rtsp://192.0.2.7/x
exits 64 cb-ingest --streams v,x rtsp://192.0.2.7/x
exits 64 cb-ingest gopher://192.0.2.7/x
ok "one line" 'one "gopher:// is no source"'
exits 66 cb-ingest concat:h264.ts
exits 64 cb-ingest
exits 64 cb-ingest h264.mp4 h264.mkv
printf '#EXTM3U\n#EXTINF:2,\nh264.ts\n' >list.m3u8
exits 65 cb-ingest list.m3u8
ok "a playlist opens nothing" 'one "list.m3u8: "'
printf "ffconcat version 1.0\nfile h264.ts\n" >list.ffconcat
exits 65 cb-ingest list.ffconcat
nasty=$(printf 'a\033]0;b\007\nc.mp4')
exits 66 cb-ingest "$nasty"
ok "a hostile name is shown as harmless" '[ "$(wc -l <err)" = 1 ] && ! LC_ALL=C grep -q "[^[:print:]]" err'
cp h264.mp4 "$nasty"
ingest c "./$nasty"
ok "and can be read" 'head1 c.cbf | grep -q "camera=a-0-b-c live=0"'

# --- a terminal -------------------------------------------------------------------------------------
exits 64 script -qec 'cb-ingest h264.mp4' /dev/null
ok "a terminal is no place for frames" 'grep -q terminal out && ! grep -q CBF out'
script -qec 'cb-ingest --realtime h264.mkv >/dev/null' /dev/null >typed </dev/null
ok "progress on a terminal: time, share, speed, what is left" 'tr "\r" "\n" <typed | grep -q "0:0[0-2]  *[0-9]* %.*x  .*s left"'
script -qec 'cb-ingest -q --realtime --duration 1s h264.mkv >/dev/null' /dev/null >typed </dev/null
ok "none with -q" '[ ! -s typed ]'

done_testing
