#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What 8 bits cost: quantises the models with pictures that nothing is measured on, and prints
# their accuracy below the float models', on every set that has classes of theirs ($SETS, all); of a
# model whose classes are characters how it reads. int8.sh BUILD [MODEL.cfg...]
# Exit status 1 where AP falls by more than $WITHIN (1.0) points.
set -eu
bin=$(cd "$1/bin" && pwd)
shift
src=$(cd "$(dirname "$0")/../.." && pwd)
data=${CB_SHARED:-$src/../shared}/data
export PATH="$bin:$PATH"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT INT TERM
[ $# -gt 0 ] || set -- "$data/models/yolo-fastest-1.1.cfg" "$data/models/yolo-fastest-1.1-xl.cfg" \
	"$data/models/mobilenetv2-yolov3-nano-coco.cfg" "$data/models/mobilenetv2-yolo-fastest-voc-v2.cfg" \
	"$src"/models/cb-*.cfg

# 40 dash-cam pictures, and 30 from the clips that detection is not measured on; for a reader of
# plates what was cut out of the first
mkdir "$tmp/cal" "$tmp/crop"
n=0
take() { ffmpeg -nostdin -v error -i "$1" -vf "$2" -fps_mode passthrough -frames:v "$3" -q:v 2 "$4"; }
for f in $(find "$data/plates-train/train" -name '*.jpg' | LC_ALL=C sort | awk 'NR % 12 == 0' | head -40); do
	n=$((n + 1))
	at=$(printf %03d $n)
	take "$f" scale=640:480 1 "$tmp/cal/p$at-%03d.jpg"
	annotation=$(echo "$f" | sed 's|/images/|/annots/|; s|\.jpg$|.xml|')
	box=$(tr -d '\n\t ' <"$annotation" | sed -n 's|.*<bndbox>\(.*\)</bndbox>.*|\1|p')
	side() { echo "$box" | sed -n "s|.*<$1>\([0-9]*\).*</$1>.*|\1|p"; }
	[ -z "$box" ] || take "$f" "crop=$(($(side xmax) - $(side xmin))):$(($(side ymax) - $(side ymin))):$(side xmin):$(side ymin),scale=192:96" \
		1 "$tmp/crop/c$at-%03d.jpg"
done
for f in vtest.avi one-by-one-person-detection.mp4 bottle-detection.mp4; do
	take "$data/clips/$f" 'select=not(mod(n\,60)),scale=640:480' 10 "$tmp/cal/$f-%03d.jpg"
done
for c in cal crop; do
	ffmpeg -nostdin -v error -pattern_type glob -i "$tmp/$c/*.jpg" -c copy "$tmp/$c.mkv"
	cb-ingest -q --camera calibrate "$tmp/$c.mkv" >"$tmp/$c.cbf"
done

reads() { ! grep -qv '^[A-Z0-9]$' "${1%.cfg}.names"; }
for model; do
	name=$(basename "$model" .cfg)
	c=cal
	! reads "$model" || c=crop
	cb-model quantize -q "$model" --calibrate "$tmp/$c.cbf" ${QUANTIZE:-} -o "$tmp/$name-int8.cbm" | tail -1
	set -- "$@" "$model" "$tmp/$name-int8.cbm"
	shift
done
ap=$src/tests/accuracy/ap.py
status=0
while [ $# -gt 1 ]; do
	if reads "$1"; then
		for m in "$1" "$2"; do
			echo "$(basename "$m"):"
			/usr/bin/python3 "$src/models/train/text.py" read cb-detect "$m" "$data"/plate-crops-us/images/* >"$tmp/read"
			/usr/bin/python3 "$ap" text "$tmp/read"
		done || status=1
	else
		/usr/bin/python3 "$ap" ${SETS:-all} -m "$1" -m "$2" --within "${WITHIN:-1.0}" || status=1
	fi
	shift 2
done
exit $status
