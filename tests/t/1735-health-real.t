#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Camera health on real footage: as it is there is nothing to say; spoilt on the way, what was
# done is named, once.
. "$CB_SRC/tests/lib.sh"
need_shared data/clips/vtest.avi
need_cmd ffmpeg jq cb-ingest
clips=$CB_SHARED/data/clips

health() {
	_name=$1
	shift
	cb-ingest --camera front --start-time @0 "$_name" | cb-detect --no-objects "$@" >health.nd || return
	jq -r 'select(.type|startswith("cb.camera."))|"\(.type[10:]) \(.data.state)"' health.nd | tr '\n' ';'
}
for c in "$clips/vtest.avi" "$clips/one-by-one-person-detection.mp4" "$clips/bottle-detection.mp4" \
	"$CB_SHARED/data/mot/TUD-Campus/TUD-Campus.mp4" "$clips"/short/offline_*.mp4; do
	health "$c" --fps 5 >seen || echo failed >seen
	ok "nothing is said of ${c##*/}" '[ ! -s seen ] && [ "$(grep -c cb.detection health.nd)" -ge 5 ]' || note "$(cat seen)"
	health "$c" --fps 1 >seen || echo failed >seen
	ok "nor at one picture a second" '[ ! -s seen ]' || note "$(cat seen)"
done
health "$clips/short/emptyvideo.mkv" >seen
ok 'a minute of black is dark, and frozen' '[ "$(cat seen)" = "dark start;frozen start;dark end;frozen end;" ]' || note "$(cat seen)"

on="enable='between(t,13,21)'"
i=0
for c in "$clips/vtest.avi" "$clips/one-by-one-person-detection.mp4"; do
	i=$((i + 1))
	ffmpeg -v error -nostdin -t 29 -i "$c" -an -vf fps=5,scale=512:-2 -c:v libx264 -preset ultrafast -crf 16 "c$i.mp4"
	while read -r want filters; do
		ffmpeg -v error -nostdin -y -i "c$i.mp4" -filter_complex "$filters" -c:v libx264 -preset ultrafast -crf 22 -g 20 spoilt.mp4
		health spoilt.mp4 >seen || echo failed >>seen
		ok "clip $i, $want: ${filters%%=*}" '[ "$(cat seen)" = "$want start;$want end;" ]' || note "$(cat seen)"
	done <<-F
	defocused gblur=sigma=3:$on
	defocused gblur=sigma=9:$on
	covered drawbox=c=0x605040:t=fill:$on
	covered drawbox=w=iw*0.9:c=0x806050:t=fill:$on
	moved [0]split[a][b];[b]scroll=hpos=0.04:vpos=0.97[c];[a][c]overlay=$on
	moved rotate=10*PI/180:$on
	moved [0]split[a][b];[b]crop=iw*0.85:ih*0.85:0:0,scale=iw/0.85:ih/0.85[c];[a][c]overlay=$on
	bright eq=brightness=0.9:$on
	F
done
# two films cut together
ffmpeg -v error -nostdin -y -i c1.mp4 -t 15 -vf scale=512:288,setsar=1 -c:v libx264 -preset ultrafast a.mp4
ffmpeg -v error -nostdin -y -i c2.mp4 -t 15 -vf scale=512:288,setsar=1 -c:v libx264 -preset ultrafast b.mp4
printf 'file a.mp4\nfile b.mp4\nfile a.mp4\n' >list
ffmpeg -v error -f concat -i list -c copy film.mp4
health film.mp4 >seen
ok 'nothing is said of cuts in a film' '[ ! -s seen ] && grep -q cb.scene.change health.nd' || note "$(cat seen)"
done_testing
