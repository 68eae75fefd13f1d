#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-detect on video that is not the usual: colours, depths, sizes, a palette, sizes that change
# on the way, and packets spoiled inside frames that are whole.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq cb-ingest

ffmpeg -v error -f lavfi -i testsrc2=s=320x240:r=25:d=1.5 -c:v libx264 -preset fast -g 12 -bf 3 \
	-x264-params b-pyramid=normal -pix_fmt yuv420p clip.mp4

# a model whose one box says something about a pixel in the middle
/usr/bin/python3 "$CB_SRC/tests/smallnet.py"
objects() { jq -c 'select(.type=="cb.detection").data|[.pts,.packet,.objects]' "$1"; }

# colours, depths and sizes that are not the usual ones; a phone held upright
i=0
while read -r size pix codec; do
	i=$((i + 1)) file=kind$i.mkv
	[ "$codec" != rawvideo ] || file=kind$i.avi
	# shellcheck disable=SC2086
	ffmpeg -v error -nostdin -i clip.mp4 -an -frames:v 12 -vf scale=$size,format=$pix -c:v $codec $file
	exits 0 sh -c "cb-ingest $file >kind.cbf && cb-detect -m m.cfg --threshold 0.01 --resize letterbox <kind.cbf >kind.nd"
	ok "twelve pictures of $size $pix" '[ ! -s err ] && jq -se "
		[.[]|select(.type==\"cb.detection\").data]|length==12 and all(\"\(.width):\(.height)\"==\"$size\")" kind.nd >/dev/null'
	valid_events kind.nd
done <<'E'
320:240 yuv422p10le libx264 -g 6 -bf 2
320:240 yuv444p libx265 -x265-params log-level=none
320:240 yuv420p10le libx265 -x265-params log-level=none:bframes=3
161:121 yuv444p libx264
2:2 yuv420p libx264
1:1 yuv444p ffv1
2000:16 yuv420p libx264
320:240 gray libx264
320:240 bgr24 rawvideo
E
ffmpeg -v error -nostdin -i clip.mp4 -an -c copy -metadata:s:v:0 rotate=90 turned.mp4
exits 0 sh -c 'cb-ingest --camera front turned.mp4 >turned.cbf && cb-detect -m m.cfg --threshold 0.01 <turned.cbf >turned.nd'
objects turned.nd >turned
exits 0 sh -c 'cb-ingest --camera front clip.mp4 | cb-detect -m m.cfg --threshold 0.01 >all.nd'
objects all.nd >all
same_file turned all 'a display matrix changes nothing: pictures are seen as they are coded'
# a palette that stands beside the packets is not there: that is said, not seen as black
ffmpeg -v error -nostdin -i clip.mp4 -an -frames:v 3 -c:v rawvideo -pix_fmt pal8 -vf format=pal8 pal.avi
exits 0 sh -c 'cb-ingest pal.avi | cb-detect --no-objects >pal.nd'
ok 'no picture without its palette' '[ "$(grep -c cb.detection pal.nd)" -eq 0 ] && grep -q "3 of 3 packets" err'

# the size changes inside a stream
for c in libx264 'libx265 -x265-params log-level=none'; do
	for s in 320x240 416x304; do
		# shellcheck disable=SC2086
		ffmpeg -v error -nostdin -i clip.mp4 -an -frames:v 9 -s $s -c:v $c -f "$(echo "$c" | sed 's/lib.264.*/h264/; s/lib.265.*/hevc/')" -y part.$s
	done
	cat part.320x240 part.416x304 part.320x240 >sizes.raw
	exits 0 sh -c 'cb-ingest --fps 25 sizes.raw >sizes.cbf && cb-detect -m m.cfg --threshold 0.01 <sizes.cbf >sizes.nd'
	ok "all pictures of three sizes in a row, ${c%% *}" '[ "$(jq -r "select(.type==\"cb.detection\").data.width" sizes.nd | uniq -c | tr -s " \n" " ")" = " 9 320 9 416 9 320 " ]'
	valid_events sizes.nd
done

# spoiled packets in frames that are whole: no checksum catches them
cb-ingest --camera front clip.mp4 >short.cbf
told=0
for n in 1 2 3 4 5 6; do
	for what in packets headers params; do
		/usr/bin/python3 "$CB_SRC/tests/spoil.py" $n short.cbf spoilt.cbf $what
		_st=0
		timeout 60 cb-detect --no-objects <spoilt.cbf >spoilt1.nd 2>err || _st=$?
		case $_st in 0) ;; 65) [ "$(wc -l <err)" -le 2 ] || break 2 ;; *) break 2 ;; esac
		cb-detect --no-objects -q <spoilt.cbf >spoilt2.nd 2>/dev/null
		cmp -s spoilt1.nd spoilt2.nd || break 2
		cat spoilt1.nd >>spoilt.nd
		told=$((told + $(grep -c 'could not be decoded' err)))
	done
done
ok 'spoiled packets, headers and parameters: done or refused, the same twice' \
	'[ "$n$what" = 6params ] && { [ $_st -eq 0 ] || [ $_st -eq 65 ]; } && cmp spoilt1.nd spoilt2.nd'
ok "most are noticed ($told of 18)" '[ "$told" -ge 6 ]'
valid_events spoilt.nd

done_testing
