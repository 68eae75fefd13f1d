#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# moment.sh STORE CAMERA PICTURE: the most telling picture of what a camera recorded.
set -euo pipefail
[ $# -eq 3 ] || { sed -n "3,/^set/s/^# //p" "$0" >&2; exit 64; }
cb-replay "$1" --camera "$2" --events | cb-draw -c --picture "$3"
