#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-mux: what goes through ingest, record, replay and mux is, for FFmpeg, what the source was:
# the same packets with the same times, stream by stream, and nothing to warn of.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg ffprobe /usr/bin/python3

# times.py SRC OUT FORMAT: from two lists of packets, tell what differs beyond what FORMAT may
cat >times.py <<'EOP'
import json
import sys
from fractions import Fraction as F


def load(path):
    j = json.load(open(path))
    tb = {s["index"]: F(s["time_base"]) for s in j["streams"]}
    pcm = {s["index"] for s in j["streams"] if s["codec_name"].startswith("pcm")}
    out = {i: [] for i in tb}
    for p in j["packets"]:
        i = p["stream_index"]
        out[i].append([p[k] * tb[i] if k in p else None for k in ("pts", "dts", "duration")]
                      + [p["flags"], int(p["size"])])
    return out, pcm, tb


a, pcm, tb = load(sys.argv[1])
b, _, out_tb = load(sys.argv[2])
form = sys.argv[3]


def near(i):
    """How far off a time may be: not at all, but for one rounding."""
    if form == "matroska":
        return F(1, 1000)
    if form == "mpegts":
        return F(1, 90000)
    return 0 if (tb[i] / out_tb[i]).denominator == 1 else out_tb[i] / 2


same_flags = form in ("mp4", "mov")
shift = None
wrong = []
for i in a:
    if i in pcm:		# readers cut it as they like: only where it begins, and how much
        if sum(p[4] for p in a[i]) != sum(p[4] for p in b[i]):
            wrong.append(f"stream {i}: bytes")
        a[i], b[i] = a[i][:1], b[i][:1]
    if len(a[i]) != len(b[i]):
        wrong.append(f"stream {i}: {len(a[i])} packets, {len(b[i])}")
    for n, (x, y) in enumerate(zip(a[i], b[i])):
        if x[0] is None or y[0] is None:
            wrong.append(f"stream {i} packet {n}: pts {x[0]}, {y[0]}")
            continue
        if shift is None:
            shift = y[0] - x[0]
        if abs(y[0] - x[0] - shift) > near(i):
            wrong.append(f"stream {i} packet {n}: pts {float(x[0])}, {float(y[0])}, not {float(shift)} apart")
        if None not in (x[1], y[1]) and abs(y[1] - x[1] - shift) > near(i):
            wrong.append(f"stream {i} packet {n}: dts {x[1]}, {y[1]}, not {shift} apart")
        if same_flags and x[3] != y[3]:
            wrong.append(f"stream {i} packet {n}: flags {x[3]}, {y[3]}")
if form in ("mp4", "mov", "fragmented") and shift != 0:
    wrong.append(f"moved by {float(shift)}")
if shift is not None and shift < -F(1, 1000):
    wrong.append(f"earlier by {float(-shift)}")
print("\n".join(wrong[:10]), end="")
sys.exit(bool(wrong))
EOP

src() { ffmpeg -nostdin -v error -y -f lavfi -i testsrc2=size=160x120:rate=25:duration=2 \
	-f lavfi -i sine=sample_rate=48000:duration=2 "$@" >src.log 2>&1; }
again() { ffmpeg -nostdin -v error -y "$@" >src.log 2>&1; }
packets() { ffprobe -v warning -show_entries stream=index,time_base,codec_name:packet=stream_index,pts,dts,duration,flags,size -of json "$@"; }
# FFmpeg's tool says this of PCM in Matroska, which states no layout of channels; of all such files
heard() { grep -v 'Guessed Channel Layout' "$1" || :; }

# the whole way, once a source: want, src.json and back.cbf
through() {	# FILE
	rm -rf S
	ffmpeg -nostdin -v error -i "$1" -map 0:v? -map 0:a? -c copy -f streamhash -hash sha256 - >want 2>src.log
	packets -v error "$1" >src.json
	cb-ingest --camera=c --start-time=2026-01-01T00:00:00Z "$1" 2>err | cb-record S >/dev/null 2>>err
	cb-replay S >back.cbf 2>>err
	ok "$1: recorded and replayed without a word" '[ ! -s err ] && [ -s want ]' || _show err
}
# FILE read as LABEL says, in FORMAT: the source's packets and times, and no warning
holds() {	# LABEL FORMAT INPUT...
	_label=$1 _form=$2
	shift 2
	ffmpeg -nostdin -v warning -xerror "$@" -map 0 -c copy -f streamhash -hash sha256 - -map 0 -fps_mode vfr -f null - >got 2>decode
	_st=$?
	same_file want got "$_label: streamhash"
	ok "$_label: decodes, nothing to warn of" '[ $_st = 0 ] && [ -z "$(heard decode)" ]' || _show decode
}
timed() {	# LABEL FORMAT: probed into out.json, with the log in probe
	_label=$1
	ok "$_label: ffprobe has no warning" '[ ! -s probe ]' || _show probe
	/usr/bin/python3 times.py src.json out.json "$2" >wrong 2>&1
	_st=$?
	ok "$_label: the times of the source" '[ $_st = 0 ]' || _show wrong
}
same() {	# FILE FORMAT...: through done; in files
	_src=$1
	shift
	for _f; do
		cb-mux --format="$_f" -o "out.$_f" <back.cbf 2>err
		_st=$?
		ok "$_src to $_f: 0, and quiet" '[ $_st = 0 ] && [ ! -s err ]' || _show err
		holds "$_src to $_f" "$_f" -i "out.$_f"
		packets "out.$_f" >out.json 2>probe
		timed "$_src to $_f" "$_f"
	done
}
piped() {	# FILE FORMAT...: through done; written into a pipe and read from one
	_src=$1
	shift
	for _f; do
		cb-mux --format="$_f" <back.cbf 2>err | cat >"pipe.$_f"
		ok "$_src to $_f in a pipe: quiet" '[ ! -s err ]' || _show err
		ffmpeg -nostdin -v warning -xerror -i - -map 0 -c copy -f streamhash -hash sha256 - -map 0 -fps_mode vfr -f null - <"pipe.$_f" >got 2>decode
		_st=$?
		same_file want got "$_src to $_f in a pipe: streamhash"
		ok "$_src to $_f in a pipe: decodes, nothing to warn of" '[ $_st = 0 ] && [ -z "$(heard decode)" ]' || _show decode
		packets - <"pipe.$_f" >out.json 2>probe
		case $_f in mp4|mov) _f=fragmented ;; esac
		timed "$_src to $_f in a pipe" "$_f"
	done
}

x264="-c:v libx264 -preset veryfast -bf 3 -g 25"
x265="-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=25:bframes=3:b-adapt=0"
av1="-c:v libsvtav1 -preset 12 -g 25"

# --- codecs and containers
# shellcheck disable=SC2086
{
src $x264 -c:a aac a.mp4; through a.mp4; same a.mp4 mp4 mov matroska; piped a.mp4 mp4 matroska
src $x265 -tag:v hvc1 -c:a aac h.mov; through h.mov; same h.mov mp4 mov matroska; piped h.mov mov
src $x264 -c:a libopus o.mkv; through o.mkv; same o.mkv mp4 matroska; piped o.mkv matroska
src $x265 -c:a pcm_s16le hp.mkv; through hp.mkv; same hp.mkv mov matroska
src -c:v mjpeg -c:a pcm_mulaw -ar 8000 m.mkv; through m.mkv; same m.mkv mov matroska
src -c:v mjpeg -c:a aac m.mp4; through m.mp4; same m.mp4 mp4
src $x264 -c:a pcm_alaw -ar 8000 g.mov; through g.mov; same g.mov mov matroska
src $x264 -c:a pcm_s24be p.mov; through p.mov; same p.mov mov
src -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus w.webm; through w.webm; same w.webm mp4 matroska
if src $av1 -c:a libopus v.mp4; then
	through v.mp4; same v.mp4 mp4 matroska
else
	skip "no AV1 encoder" 9
fi
}

# --- edit lists: cuts between keyframes, priming, streams that begin later
again -ss 0.5 -i a.mp4 -c copy cut.mp4; through cut.mp4; same cut.mp4 mp4 mov matroska
ok "cut.mp4: pictures are there that are not shown" 'grep -q "\"_D\"" src.json'
again -ss 0.7 -i p.mov -c copy cut.mov; through cut.mov; same cut.mov mov
again -i a.mp4 -itsoffset 0.4 -i a.mp4 -map 0:v -map 1:a -map 0:a -c copy late.mp4; through late.mp4; same late.mp4 mp4 matroska
again -itsoffset 0.4 -i a.mp4 -i a.mp4 -map 0:v -map 1:a -c copy latev.mp4; through latev.mp4; same latev.mp4 mp4
again -i a.mp4 -c copy -movflags frag_keyframe+empty_moov frag.mp4; through frag.mp4; same frag.mp4 mp4

# --- pictures at uneven times, pixels that are not square, a turned camera
again -f lavfi -i testsrc2=size=160x120:rate=25:duration=2 -c:v libx264 -bf 2 -g 25 -preset veryfast \
	-vf 'select=not(mod(n\,7))+mod(n\,3),setsar=4/3' -fps_mode vfr -metadata:s:v rotate=90 vfr.mp4
through vfr.mp4; same vfr.mp4 mp4 mov matroska
for f in mp4 mov; do
	ok "$f: shape and rotation stay" '[ "$(ffprobe -v error -show_entries stream=sample_aspect_ratio:stream_side_data=rotation -of csv out.$f)" = \
		"$(ffprobe -v error -show_entries stream=sample_aspect_ratio:stream_side_data=rotation -of csv vfr.mp4)" ]'
done

# --- MPEG-TS: start codes, delimiters and ADTS come in; access units, pictures and times stay
for f in a.mp4 h.mov o.mkv cut.mp4; do
	through $f
	cb-mux -f mpegts -o out.ts <back.cbf 2>err
	ok "$f to mpegts: quiet" '[ ! -s err ]' || _show err
	packets out.ts >out.json 2>probe
	timed "$f to mpegts" mpegts
	ffmpeg -nostdin -v warning -xerror -i out.ts -map 0 -f null - 2>decode
	ok "$f to mpegts: decodes, nothing to warn of" '[ ! -s decode ]' || _show decode
	case $f in *.mkv) all= ;; *) all="-ignore_editlist 1" ;; esac
	# shellcheck disable=SC2086
	ffmpeg -nostdin -v error $all -i $f -map 0:v -fps_mode passthrough -f streamhash - >want.v
	ffmpeg -nostdin -v error -i out.ts -map 0:v -fps_mode passthrough -f streamhash - >got.v
	same_file want.v got.v "$f to mpegts: the same pictures"
	grep ',a,' want | cut -d, -f2- >want.a
	cb-ingest --camera=c out.ts | cb-frame hash --streamhash | grep ',a,' | cut -d, -f2- >got.a
	same_file want.a got.a "$f to mpegts: the same sound, without ADTS"
done

# --- the same again
cb-replay S | cb-mux -f mp4 -o one.mp4
cb-replay S | cb-mux -f mp4 >two.mp4
same_file one.mp4 two.mp4 "equal input, equal bytes; to a name and to a redirection"

# --- real clips
for f in short/offline_h264.mp4 short/offline_h265.mp4 short/offline_av1.mp4 short/emptyvideoaudio.mkv bottle-detection.mp4; do
	if [ -f "$CB_SHARED/data/clips/$f" ]; then
		n=${f##*/}
		cp "$CB_SHARED/data/clips/$f" "$n"
		through "$n"
		case $n in *.mkv) same "$n" matroska ;; *) same "$n" mp4 ;; esac
	else
		skip "no shared test data ($f); set CB_SHARED" 6
	fi
done
done_testing
