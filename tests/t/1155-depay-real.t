#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What FFmpeg's RTP muxer and GStreamer's payloaders send becomes the packets of the file that they
# were given, bit for bit by ffprobe's digests; of JPEG, whose headers are made anew, every pixel.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg ffprobe
depay=$CB_BUILD/aid/depay
real="/usr/bin/python3 $CB_SRC/tests/rtsp/real.py"

# digests of a file's packets of a kind, as ffprobe sees them: in the order of the file
want() {
	ffprobe -v error -select_streams "$2" -show_packets -show_data_hash sha256 -of json "$1" |
		sed -n 's/.*"data_hash": "SHA256:\([0-9a-f]*\)".*/\1/p'
}
# those of the units that came out
got() { sed -n 's/^unit .* \([0-9a-f]*\)$/\1/p' "$1"; }

# NAME FILE KIND: the stream in NAME.sdp and NAME.rtp has the packets of FILE
compare() {
	exits 0 "$depay" -o "$1.raw" "$1.sdp" <"$1.rtp"
	mv out "$1.out"
	want "$2" "$3" >want
	got "$1.out" >got
	grep '^odd' "$1.out" >odd || :
	ok "$1: $(wc -l <got) packets, bit for bit, and nothing odd" '[ -s want ] && cmp want got && [ ! -s odd ]' ||
		note "$(cat odd; grep -c . want; grep '^stream' "$1.out"; cat "$1.sdp")"
}

# The same of sound: FFmpeg keeps the last frames for a packet that it never sends, GStreamer leaves out
# the first, which prime the decoder; there is no hole.
compare_sound() {
	exits 0 "$depay" ${4:-} "$1.sdp" <"$3"
	mv out "$1.out"
	want "$2" a >want
	got "$1.out" >got
	grep '^odd' "$1.out" >odd || :
	case $(tr '\n' ' ' <want) in *"$(tr '\n' ' ' <got)"*) run=1 ;; *) run=0 ;; esac
	ok "$1: $(wc -l <got) packets of $(wc -l <want), bit for bit, without a hole" \
		'[ $run = 1 ] && [ "$(wc -l <got)" -ge "$(($(wc -l <want) - 4))" ] && [ ! -s odd ]' ||
		note "$(cat odd; grep '^stream' "$1.out"; cat "$1.sdp")"
}

enc="-f lavfi -i testsrc2=size=320x240:rate=25 -f lavfi -i sine=frequency=440:sample_rate=16000 -t 3"
# shellcheck disable=SC2086  # words
{
	exits 0 ffmpeg -nostdin -v error $enc -c:v libx264 -g 25 -bf 3 -b:v 2M -pix_fmt yuv420p -c:a aac -ac 1 b.mp4
	exits 0 ffmpeg -nostdin -v error $enc -an -c:v libx264 -g 12 -bf 0 -slices 5 -pix_fmt yuv420p slices.mp4
	exits 0 ffmpeg -nostdin -v error $enc -an -c:v libx265 -x265-params log-level=none:keyint=20:slices=2 -pix_fmt yuv420p -tag:v hvc1 hevc.mp4
	exits 0 ffmpeg -nostdin -v error $enc -an -c:v mjpeg -q:v 3 -huffman default -pix_fmt yuvj420p jpeg.mov
	exits 0 ffmpeg -nostdin -v error $enc -vn -ac 2 -ar 44100 -c:a pcm_s16be l16.mov
	exits 0 ffmpeg -nostdin -v error $enc -vn -ac 1 -ar 8000 -c:a pcm_alaw alaw.wav
}

# shellcheck disable=SC2086
for t in "f264 b.mp4 v -i b.mp4 -an -c copy" "f264s slices.mp4 v -i slices.mp4 -c copy" \
	"f264stap b.mp4 v -i b.mp4 -an -c copy -pkt_size 60000" "f265 hevc.mp4 v -i hevc.mp4 -c copy" \
	"faac b.mp4 a -i b.mp4 -vn -c copy" "flatm b.mp4 a -i b.mp4 -vn -c copy -rtpflags latm"; do
	set -- $t
	name=$1 file=$2 kind=$3
	shift 3
	exits 0 $real ffmpeg "$name" "$@"
	if [ "$kind" = a ]; then
		compare_sound "$name" "$file" "$name.rtp"
	else
		compare "$name" "$file" "$kind"
	fi
done
# both of one file: which medium is which is told by the description
exits 0 $real ffmpeg both -i b.mp4 -c copy
compare both b.mp4 v
compare_sound both b.mp4 both.1.rtp "-m 1"

# the samples, however they are cut into packets; and every pixel
pixels() { ffmpeg -nostdin -v error -i "$1" -map 0:v -f rawvideo -pix_fmt yuvj420p - | sha256sum; }
exits 0 $real ffmpeg fjpeg -i jpeg.mov -c copy
exits 0 "$depay" -o fjpeg.mjpeg fjpeg.sdp <fjpeg.rtp
ok "FFmpeg, JPEG: every pixel" '[ "$(grep -c ^unit out)" -eq 75 ] && ! grep ^odd out && [ "$(pixels jpeg.mov)" = "$(pixels fjpeg.mjpeg)" ]'
exits 0 $real ffmpeg falaw -i alaw.wav -c copy
exits 0 "$depay" -o falaw.raw falaw.sdp <falaw.rtp
exits 0 ffmpeg -nostdin -v error -i alaw.wav -c copy -f alaw alaw.raw
same_file alaw.raw falaw.raw "FFmpeg, PCMA: every sample"
exits 0 $real ffmpeg fl16 -i l16.mov -c copy
exits 0 "$depay" -o fl16.raw fl16.sdp <fl16.rtp
exits 0 ffmpeg -nostdin -v error -i l16.mov -c copy -f s16be l16.raw
same_file l16.raw fl16.raw "FFmpeg, L16: every sample"

if $real check 2>why; then
	for mode in none zero-latency max-stap; do
		for mtu in 200 1400; do
			exits 0 $real gst "g264-$mode-$mtu" "filesrc location=b.mp4 ! qtdemux name=d d.video_0 ! queue ! rtph264pay pt=96 mtu=$mtu aggregate-mode=$mode"
			compare "g264-$mode-$mtu" b.mp4 v
		done
	done
	exits 0 $real gst g264s "filesrc location=slices.mp4 ! qtdemux ! rtph264pay pt=96"
	compare g264s slices.mp4 v
	for mode in none max; do
		exits 0 $real gst "g265-$mode" "filesrc location=hevc.mp4 ! qtdemux ! rtph265pay pt=96 aggregate-mode=$mode"
		compare "g265-$mode" hevc.mp4 v
	done
	exits 0 $real gst gaac "filesrc location=b.mp4 ! qtdemux name=d d.audio_0 ! queue ! rtpmp4gpay pt=97"
	compare_sound gaac b.mp4 gaac.rtp
	exits 0 $real gst glatm "filesrc location=b.mp4 ! qtdemux name=d d.audio_0 ! queue ! aacparse ! rtpmp4apay pt=97"
	compare_sound glatm b.mp4 glatm.rtp
	exits 0 $real gst gjpeg "filesrc location=jpeg.mov ! qtdemux ! jpegparse ! rtpjpegpay"
	exits 0 "$depay" -o gjpeg.mjpeg gjpeg.sdp <gjpeg.rtp
	ok "GStreamer, JPEG: every pixel" '[ "$(grep -c ^unit out)" -eq 75 ] && ! grep ^odd out && [ "$(pixels jpeg.mov)" = "$(pixels gjpeg.mjpeg)" ]'
	exits 0 $real gst galaw "filesrc location=alaw.wav ! wavparse ! rtppcmapay"
	exits 0 "$depay" -o galaw.raw galaw.sdp <galaw.rtp
	same_file alaw.raw galaw.raw "GStreamer, PCMA: every sample"
else
	note "$(cat why)"
	skip "GStreamer's payloaders (python3-gi, gir1.2-gstreamer-1.0, gstreamer1.0-plugins-good and -bad) are not there" 12
fi
done_testing
