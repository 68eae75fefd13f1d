#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# drawn.sh STORE CAMERA FILM.mkv: the recording as a film with everything that was seen in it.
set -euo pipefail
[ $# -eq 3 ] || { sed -n "3,/^set/s/^# //p" "$0" >&2; exit 64; }
cb-replay "$1" --camera "$2" --events | cb-draw -c | cb-mux --format matroska >"$3"
