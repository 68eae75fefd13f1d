#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# zones.sh STORE CAMERA ZONES.yml NAME: what happened in a recording by rules of today, a line each,
# and drawn on a picture of the camera, NAME.svg.
set -euo pipefail
[ $# -eq 4 ] || { sed -n "3,/^set/s/^# //p" "$0" >&2; exit 64; }
cb-replay "$1" --camera "$2" | cb-draw -p "$4.jpg" --at 1 --no-labels --no-motion
cb-query "$1" events --camera "$2" --type cb.detection |
	cb-track -c "$3" --only --plot "$4.svg" --picture "$4.jpg" |
	jq -r 'select(.data.rule) | [.time, .data.rule, .data.class // "", .data.state // "", .data.direction // ""] | @tsv'
