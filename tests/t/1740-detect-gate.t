#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-detect --gate motion: a still scene is looked at once a second, a moving one always, a result
# near the threshold always; what is held is what was found; the same bytes with any number of cores.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq cb-ingest

# a still picture, and for a second, from the fifth on, something that crosses it
ffmpeg -v error -f lavfi -i "mandelbrot=s=320x240:start_scale=0.4" -frames:v 1 bg.png
ffmpeg -v error -loop 1 -framerate 25 -i bg.png -f lavfi -i color=orange:s=40x60:r=25 -t 10 \
	-filter_complex "[0][1]overlay=x='300*(t-5)':y=90:enable='between(t,5,6)'" \
	-c:v libx264 -preset fast -crf 18 -g 50 -bf 2 -pix_fmt yuv420p clip.mp4
cb-ingest --camera yard clip.mp4 >clip.cbf 2>ingest.err
/usr/bin/python3 "$CB_SRC/tests/smallnet.py"
detections() { jq -c 'select(.type=="cb.detection").data' "$1"; }
held() { detections "$1" | grep -c '"held":true'; }

# scores of what the net says, to put the threshold far below and right at
exits 0 sh -c 'cb-detect -m m.cfg --threshold 0.01 <clip.cbf >plain.nd'
ok 'the net finds something in every picture' '[ "$(detections plain.nd | jq -c "select(.objects|length==0)" | grep -c .)" -eq 0 ]'
exits 0 sh -c 'cb-detect -m m.cfg --threshold 0.01 --gate motion <clip.cbf >gate.nd'
valid_events gate.nd
ok "most of the still pictures are held" '[ "$(held gate.nd)" -gt 100 ]'
ok 'none while something moves' \
	'[ "$(detections gate.nd | jq -c "select(.held and .t_us>=5080000 and .t_us<=6000000)" | grep -c .)" -eq 0 ]'
ok 'never two seconds without a look' \
	'detections gate.nd | jq -se "[.[]|select(.held|not).t_us]|[.[1:],.[:-1]]|transpose|map(.[0]-.[1])|max<=1000000" >/dev/null'
ok 'what is held is what was found before' \
	'detections gate.nd | jq -se "[.[1:],.[:-1]]|transpose|map(select(.[0].held))|all(.[0].objects==.[1].objects)" >/dev/null'
ok 'cb.run counts them' \
	'[ "$(jq -s "map(select(.type==\"cb.run\"))|last|.data.held" gate.nd)" -eq "$(held gate.nd)" ]'
ok 'it is another run' '[ "$(jq -r .data.run gate.nd | sort -u)" != "$(jq -r .data.run plain.nd | sort -u)" ]'
ok 'without it nothing is held, nor counted' '! grep -q held plain.nd'
/usr/bin/python3 "$CB_SRC/tests/accuracy/gate.py" "$CB_BUILD" m.cfg clip.cbf >lost 2>&1
ok 'as its own tool counts' '[ "$(tail -n 1 lost | tr -s " " | cut -d" " -f2)" -eq 250 ] && tail -n 1 lost | grep -q "%"'
for n in 2 3 7; do
	exits 0 sh -c "cb-detect -m m.cfg --threshold 0.01 --gate motion --threads $n <clip.cbf | cmp - gate.nd"
done

# a threshold at the very scores: the least noise would decide, so every picture is looked at
mid=$(detections plain.nd | jq -s 'map(.objects[0].score)|sort|.[length/2|floor]')
exits 0 sh -c "cb-detect -m m.cfg --threshold $mid --gate motion <clip.cbf >edge.nd"
ok "at $mid nothing is held" '[ "$(held edge.nd)" -eq 0 ]'

exits 64 cb-detect --no-objects --gate motion
exits 64 cb-detect -m m.cfg --gate light

done_testing
