#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# same.sh CLIP STORE CAMERA: is what the store gives back, to the bit and the microsecond, what
# was in the clip? Prints "same", or exits 1 with the difference.
set -euo pipefail
[ $# -eq 3 ] || { sed -n "3,/^set/s/^# //p" "$0" >&2; exit 64; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cb-ingest "$1" --camera "$3" | cb-frame hash >"$tmp/clip"
cb-replay "$2" --camera "$3" | cb-frame hash >"$tmp/store"
diff "$tmp/clip" "$tmp/store"
echo same
