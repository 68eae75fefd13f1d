#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# who.sh STORE: who and what was there, from when to when, by what was detected then.
set -euo pipefail
[ $# -eq 1 ] || { sed -n "3,/^set/s/^# //p" "$0" >&2; exit 64; }
cb-query "$1" events --type cb.detection --format ndjson | cb-track --only |
	jq -r 'select(.type == "cb.track" and .data.state == "end") |
		[.subject, "\(.data.class) \(.data.number)", (.data.since_us / 1e6 | todate), .time[:19] + "Z",
		 "\(.data.duration_us / 1e6 | floor) s"] | @tsv'
