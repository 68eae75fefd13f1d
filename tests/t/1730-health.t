#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Camera health through real pipes: each condition begins once and ends once, where and when it
# is, in clips that ffmpeg spoils on the way; clips as they are, cuts, fades and short knocks
# give nothing; options; equal bytes; rules for alerts.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq cb-ingest

enc="-c:v libx264 -preset ultrafast -crf 20 -g 10 -bf 2 -pix_fmt yuv420p -an"
# a view with details of all sizes, and grain in it like that of a sensor
ffmpeg -v error -f lavfi -i "mandelbrot=s=352x208:start_scale=0.4" -f lavfi -i "testsrc2=s=352x208" \
	-filter_complex "[0][1]blend=all_mode=average,eq=contrast=0.8,drawbox=x=20:y=20:w=70:h=50:c=0x303030:t=fill,drawbox=x=220:y=110:w=90:h=60:c=0xb0a080:t=8" \
	-frames:v 1 view.png
ffmpeg -v error -f lavfi -i "life=s=60x34:mold=10:ratio=0.4:seed=7,scale=352x208:flags=neighbor,gblur=1" -frames:v 1 other.png
grain="noise=alls=6:allf=t:all_seed=5"
# clip NAME FILTERS [SECONDS]: the view, filtered, then the grain
clip() {
	# shellcheck disable=SC2086
	ffmpeg -v error -nostdin -y -loop 1 -framerate 5 -i view.png -t "${3:-30}" -filter_complex "$2,$grain" $enc "$1.mp4"
}
# health NAME [OPTIONS]: what is said of the camera, one line each: type state seconds-since
health() {
	_name=$1
	shift
	cb-ingest --camera front --start-time @0 "$_name" | cb-detect --no-objects "$@" >health.nd || return
	jq -r 'select(.type|startswith("cb.camera."))|"\(.type[10:]) \(.data.state) \(.data.since_us/1e6|round)"' health.nd
}
on="enable='between(t,13,22)'"

while read -r what since to filters; do
	clip "$what" "$filters"
	health "$what.mp4" >seen || :
	ok "$what: one start, one end, nothing else" \
		'[ "$(cut -d" " -f1,2 seen | tr "\n" ";")" = "$what start;$what end;" ]' || note "$(tr '\n' ';' <seen)"
	ok "$what: since $since to $to" \
		'[ "$(cut -d" " -f3 seen | sort -u)" -ge "$since" ] && [ "$(cut -d" " -f3 seen | sort -u)" -le "$to" ]' ||
		note "$(tr '\n' ';' <seen)"
	cat health.nd >>all.nd
done <<E
covered 13 13 drawbox=c=0x707060:t=fill:$on
defocused 13 13 gblur=sigma=3:$on
moved 13 15 [0]split[a][b];[b]scroll=hpos=0.95:vpos=0.06[c];[a][c]overlay=$on
dark 6 12 [0]eq=brightness='-1.2*clip((t-4)/8,0,1)*clip((24-t)/4,0,1)':contrast='1-0.99*clip((t-4)/8,0,1)*clip((24-t)/4,0,1)':eval=frame
bright 13 13 eq=brightness=0.9:$on
E
valid_events all.nd
# how far it moved, to the right and up or down, is what the filter did
ok 'moved: by how much' \
	'jq -se "[.[]|select(.type==\"cb.camera.moved\" and .data.state==\"start\").data.shift][0]|
		(.[0]|fabs)>0.04 and (.[0]|fabs)<0.06 and (.[1]|fabs)>0.045 and (.[1]|fabs)<0.075" all.nd >/dev/null'
ok 'each says when, how long, why, and what ONVIF calls it' \
	'jq -se "[.[]|select(.type|startswith(\"cb.camera.\")).data]|length==10 and
		all(.t_us>.since_us and (.onvif|test(\"^tns1:VideoSource/[A-Za-z]+/AnalyticsService$\"))) and
		all(.state==\"start\" or (.reason==\"over\" and .duration_us>7000000 and .duration_us<18000000))" all.nd >/dev/null'
ok 'the packet is that of the picture' \
	'jq -se "(map(select(.type==\"cb.detection\").data.packet)) as \$p |
		all(.[]|select(.type|startswith(\"cb.camera.\")).data.packet; . as \$x | \$p|index(\$x))" all.nd >/dev/null'

# rotated; covered by black, which is dark as well; covered by a large near object
clip rotated "rotate=9*PI/180:$on"
ok 'rotated is moved, without a shift' \
	'[ "$(health rotated.mp4 | cut -d" " -f1,2 | tr "\n" ";")" = "moved start;moved end;" ] && ! grep -q "\"shift\"" health.nd'
clip black "drawbox=c=black:t=fill:$on"
health black.mp4 | cut -d' ' -f1,2 | sort | tr '\n' ';' >seen
ok 'a lens that is covered with black' '[ "$(cat seen)" = "covered end;covered start;dark end;dark start;" ]'
clip near "drawbox=x=0:y=0:w=iw*0.92:h=ih:c=0x806050:t=fill:$on"
ok 'a large near object' '[ "$(health near.mp4 | cut -d" " -f1,2 | tr "\n" ";")" = "covered start;covered end;" ]'

# any choice of pictures
for o in '--every 3' '--keyframes' '--fps 1/3'; do
	for what in covered defocused moved; do
		# shellcheck disable=SC2086
		health $what.mp4 $o | cut -d' ' -f1,2 | tr '\n' ';' >seen
		ok "$what with $o" '[ "$(cat seen)" = "$what start;$what end;" ]' || note "$(cat seen)"
	done
done

# frozen: the same pictures again, coded again or not
clip frozen "fps=5" 62
# shellcheck disable=SC2086
ffmpeg -v error -nostdin -y -i frozen.mp4 -vf "loop=loop=200:size=1:start=50" -t 62 $enc -g 500 still.mp4
health still.mp4 | cut -d' ' -f1-2 | tr '\n' ';' >seen
ok 'frozen' '[ "$(cat seen)" = "frozen start;frozen end;" ]' || note "$(cat seen)"
# shellcheck disable=SC2086
ffmpeg -v error -nostdin -y -i frozen.mp4 -vf "loop=loop=200:size=1:start=50" -t 62 -c:v mjpeg -q:v 4 -an still.mkv
health still.mkv --fps 2 | cut -d' ' -f1-2 | tr '\n' ';' >seen
ok 'frozen, every picture a keyframe' '[ "$(cat seen)" = "frozen start;frozen end;" ]' || note "$(cat seen)"
ok '--frozen sets the time' \
	'[ -z "$(health still.mp4 --frozen 50s)" ] && [ "$(health still.mp4 --frozen 3s | head -n 1 | cut -d" " -f1,2)" = "frozen start" ] &&
	 [ -z "$(health still.mp4 --frozen 0)" ]'

# --- nothing -----------------------------------------------------------------------------------
silent() {	# NAME FILTERS [OPTIONS]
	_what=$1
	clip "$1" "$2"
	shift 2
	health "$_what.mp4" "$@" >seen || echo failed >>seen
	ok "nothing is said of $_what" '[ ! -s seen ] && [ "$(grep -c cb.detection health.nd)" -gt 10 ]' || note "$(tr '\n' ';' <seen)"
}
silent plain fps=5
silent dusk "[0]eq=brightness='-0.35*(1-cos(2*PI*t/30))/2':contrast='1-0.6*(1-cos(2*PI*t/30))/2':eval=frame"
silent hand "drawbox=c=0x707060:t=fill:enable='between(t,13,15)'"
silent lorry "color=c=0x507090:s=250x150:r=5[l];[0][l]overlay=x='-250+(t-13)*110':y=45:shortest=1"
silent lamps "eq=brightness=0.25:contrast=0.7:$on"
silent shaken "[0]split[a][b];[b]scroll=hpos=0.03[c];[a][c]overlay=enable='between(mod(t,2),0,0.1)'"
clip one fps=5 15
# shellcheck disable=SC2086
ffmpeg -v error -nostdin -y -loop 1 -framerate 5 -i other.png -t 15 -vf "$grain" $enc two.mp4
printf 'file one.mp4\nfile two.mp4\nfile one.mp4\n' >list
ffmpeg -v error -f concat -i list -c copy -y film.mp4
health film.mp4 >seen
ok 'cuts in a film are scene changes and no more' '[ ! -s seen ] && [ "$(grep -c cb.scene.change health.nd)" -eq 2 ]' || note "$(cat seen)"

# --- the run, the bytes, the options -----------------------------------------------------------
cb-ingest --camera front --start-time @0 moved.mp4 >moved.cbf
exits 0 sh -c 'cb-detect --no-objects <moved.cbf >1.nd && cb-detect --no-objects <moved.cbf | cmp - 1.nd'
exits 0 sh -c 'cb-detect --no-objects --no-health <moved.cbf >no.nd'
ok '--no-health: nothing of the camera, all else' \
	'! grep -q cb.camera no.nd && [ "$(grep -c . no.nd)" -eq $(($(grep -c . 1.nd) - 2)) ]'
exits 0 sh -c 'cb-detect --no-objects --frozen 31s <moved.cbf >31.nd'
ok 'each is a run of its own' '[ "$(cat 1.nd no.nd 31.nd | jq -r .data.run | sort -u | wc -l)" -eq 3 ]'
exits 0 sh -c 'cb-detect --no-objects --tee <moved.cbf | cb-frame events - | cmp - 1.nd'
ok 'ids are unique' '[ -z "$(jq -r .id 1.nd | sort | uniq -d | head -n 1)" ]'
for o in '--frozen 0.5s' '--frozen 2d' '--frozen soon' '--no-health --frozen 5s' '--no-health=1'; do
	# shellcheck disable=SC2086
	exits 64 cb-detect --no-objects $o
done
# the stream ends before the condition does
ffmpeg -v error -nostdin -y -i moved.mp4 -t 20 -c copy part.mp4
health part.mp4 >seen
ok 'what was going on at the end of a stream ends with it' \
	'[ "$(jq -r "select(.type==\"cb.camera.moved\").data|.state+\" \"+(.reason//\"\")" health.nd | tr "\n" ";")" = "start ;end stream;" ]'
valid_events health.nd
# a rule for all of it
exits 0 cb-alert -c "$CB_SRC/examples/rules.yml" <all.nd
ok 'one alert for each start' '[ "$(jq -r "select(.data.rule==\"camera-tamper\").data.event_type" out | sort | tr "\n" " ")" = "cb.camera.bright cb.camera.covered cb.camera.dark cb.camera.defocused cb.camera.moved " ]'

# samples of all kinds of pictures
for pix in yuv422p10le gray bgr24 rgb48le yuyv422; do
	case $pix in bgr24|yuyv422) c=rawvideo f=avi ;; *) c=ffv1 f=mkv ;; esac
	# shellcheck disable=SC2086
	ffmpeg -v error -nostdin -y -i defocused.mp4 -vf fps=2 -pix_fmt $pix -c:v $c kind.$f
	ok "defocused in $pix" '[ "$(health kind.$f | cut -d" " -f1,2 | tr "\n" ";")" = "defocused start;defocused end;" ]'
done
done_testing
