#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What 8 bits cost: quantises the models with pictures that nothing is measured on, and prints
# their accuracy below the float models'. int8.sh BUILD [MODEL.cfg...]
# Exit status 1 where AP or AP50 falls by more than $WITHIN (1.0) points.
set -eu
bin=$(cd "$1/bin" && pwd)
shift
src=$(cd "$(dirname "$0")/../.." && pwd)
data=${CB_SHARED:-$src/../shared}/data
export PATH="$bin:$PATH"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT INT TERM
[ $# -gt 0 ] || set -- "$data/models/yolo-fastest-1.1.cfg" "$data/models/yolo-fastest-1.1-xl.cfg" \
	"$data/models/mobilenetv2-yolov3-nano-coco.cfg" "$data/models/mobilenetv2-yolo-fastest-voc-v2.cfg"

# 40 dash-cam pictures, and 30 from the clips that detection is not measured on
mkdir "$tmp/cal"
n=0
take() { ffmpeg -nostdin -v error -i "$1" -vf "$2" -fps_mode passthrough -frames:v "$3" -q:v 2 "$tmp/cal/$4-%03d.jpg"; }
for f in $(find "$data/plates-train/train" -name '*.jpg' | LC_ALL=C sort | awk 'NR % 12 == 0' | head -40); do
	n=$((n + 1))
	take "$f" scale=640:480 1 "p$(printf %03d $n)"
done
for f in vtest.avi one-by-one-person-detection.mp4 bottle-detection.mp4; do
	take "$data/clips/$f" 'select=not(mod(n\,60)),scale=640:480' 10 "$f"
done
ffmpeg -nostdin -v error -pattern_type glob -i "$tmp/cal/*.jpg" -c copy "$tmp/cal.mkv"
cb-ingest -q --camera calibrate "$tmp/cal.mkv" >"$tmp/cal.cbf"

for model; do
	name=$(basename "$model" .cfg)
	cb-model quantize -q "$model" --calibrate "$tmp/cal.cbf" ${QUANTIZE:-} -o "$tmp/$name-int8.cbm" | tail -1
	set -- "$@" "$model" "$tmp/$name-int8.cbm"
	shift
done
status=0
while [ $# -gt 1 ]; do
	/usr/bin/python3 "$src/tests/accuracy/ap.py" ${SETS:-coco} -m "$1" -m "$2" --within "${WITHIN:-1.0}" || status=1
	shift 2
done
exit $status
