#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every format that cameras and files have: what cb-ingest delivered comes back from a store to
# the byte, and the files of the store pass FFmpeg without a word, with as many packets as came.
# 1255-formats.t has the other half of them.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg ffprobe

av() { ffmpeg -nostdin -v error -y "$@" >src.log 2>&1; }
# FILE: packets of each stream, after each other
count() { cb-frame hash "$1" | sed -n 's/^[0-9].* packets=\([0-9]*\) .*/\1/p' | tr '\n' ' '; }

check_segments() {	# LABEL STORE CBF
	# one list over all segments: stream and packets
	find "$2" -name '*.mp4' | sort >files
	: >probed; : >said
	while IFS= read -r _seg; do
		ffprobe -v warning -count_packets -show_entries stream=index,nb_read_packets:packet=flags -of csv=p=0 "$_seg" >>probed 2>>said
		ffmpeg -nostdin -v warning -xerror -i "$_seg" -map 0 -f null - >>said 2>&1 || echo "cannot decode $_seg" >>said
	done <files
	ok "$1: $(wc -l <files) files, FFmpeg reads them without a word" '[ -s files ] && [ ! -s said ]' || _show said
	_want=$(count "$3")
	_got=$(awk -F, '/^[0-9]/ { n[$1] += $2; if ($1 + 1 > max) max = $1 + 1 } END { for (i = 0; i < max; i++) printf "%d ", n[i] }' probed)
	ok "$1: players are to show all of it" '! grep -q "^[K_]D" probed'
	ok "$1: ffprobe counts $_want" '[ "$_got" = "$_want" ]' || note "counted $_got"
}
formats=0
format() {	# LABEL FILE [INGEST OPTION...]
	_label=$1 _file=$2
	shift 2
	if ! cb-ingest --camera=c --start-time=2026-01-01T00:00:00Z "$@" "$_file" >in.cbf 2>err || [ -s err ]; then
		ok "$_label: ingest, without a word" false || _show err
		return
	fi
	formats=$((formats + 1))
	cb-frame hash in.cbf >want
	for _len in 60 1; do
		rm -rf S
		cb-record S --segment=${_len}s <in.cbf >/dev/null 2>err
		_st=$?
		cb-replay S >back.cbf 2>>err
		cb-frame hash back.cbf >got
		same_file want got "$_label, --segment=${_len}s: hash after replay is hash after ingest"
		ok "$_label, --segment=${_len}s: quiet" '[ $_st = 0 ] && [ ! -s err ]' || _show err
		check_segments "$_label, --segment=${_len}s" S in.cbf
	done
}

# --- ingredients, each made once: 50 pictures in two groups, two seconds of sound
v="-f lavfi -i testsrc2=size=160x120:rate=25:duration=2"
# shellcheck disable=SC2086
{
av $v -c:v libx264 -preset veryfast -bf 3 -g 25 h264.mp4
av $v -c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=25:min-keyint=25:bframes=3:b-adapt=0 -tag:v hvc1 h265.mp4
av $v -c:v mjpeg mjpeg.mkv
av $v -c:v libsvtav1 -preset 12 -g 25 av1.mp4 || av $v -c:v libaom-av1 -usage realtime -cpu-used 8 -g 25 av1.mp4 || rm -f av1.mp4
}
sine="-f lavfi -i sine=sample_rate=48000:duration=2"
# shellcheck disable=SC2086
{
av $sine -c:a aac aac.mp4
av $sine -c:a libopus opus.mkv
av $sine -c:a pcm_s16le pcm.mkv
av $sine -c:a pcm_s16be -f mov pcmbe.mov
av $sine -ac 2 -c:a pcm_s24le pcm24.mkv
av $sine -ar 8000 -c:a pcm_alaw alaw.mkv
av $sine -ar 8000 -c:a pcm_mulaw mulaw.mkv
}
with() {	# VIDEO AUDIO-FILE TO
	av -i "$1" -i "$2" -map 0:v -map 1:a -c copy "$3" || av -i "$1" -i "$2" -map 0:v -map 1:a -c copy -strict -2 "$3" ||
		{ ok "made $3" false; _show src.log; return 1; }
}
matrix() {	# LABEL VIDEO-FILE CONTAINER:AUDIO...
	_what=$1 _video=$2
	shift 2
	for _pair; do
		_to=${_pair%%:*} _audio=${_pair#*:}
		with "$_video" "$_audio" "x.$_to" && format "$_what, $_audio, in $_to" "x.$_to"
		rm -f "x.$_to"
	done
}

if [ "${FORMATS:-}" = rest ]; then
	matrix H.265 h265.mp4 mp4:aac.mp4 mkv:opus.mkv mkv:pcm24.mkv mkv:mulaw.mkv mov:aac.mp4 mov:alaw.mkv ts:aac.mp4
	av -i h265.mp4 -c copy x.h265
	format "H.265, raw" x.h265 --fps=25
	if [ -f av1.mp4 ]; then
		matrix AV1 av1.mp4 mp4:aac.mp4 mp4:opus.mkv mkv:opus.mkv
		av -i av1.mp4 -c copy x.ivf
		format "AV1, IVF" x.ivf
		av -i av1.mp4 -c copy x.obu
		format "AV1, OBU" x.obu --fps=25
		_least=13
	else
		skip "no AV1 encoder" 50
		_least=8
	fi
else
	matrix H.264 h264.mp4 mp4:aac.mp4 mp4:opus.mkv mkv:aac.mp4 mkv:opus.mkv mkv:pcm.mkv mkv:alaw.mkv \
		mov:aac.mp4 mov:pcmbe.mov mov:mulaw.mkv ts:aac.mp4 ts:opus.mkv flv:aac.mp4 flv:alaw.mkv
	av -i h264.mp4 -c copy x.h264
	format "H.264, raw" x.h264 --fps=25
	matrix MJPEG mjpeg.mkv avi:pcm.mkv avi:mulaw.mkv mkv:opus.mkv mov:alaw.mkv mp4:aac.mp4
	_least=19
fi
ok "$formats formats came through" '[ $formats = $_least ]'
done_testing
