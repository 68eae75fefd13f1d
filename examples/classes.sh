#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# classes.sh STORE: how often each class was seen, by camera.
set -euo pipefail
[ $# -eq 1 ] || { sed -n "3,/^set/s/^# //p" "$0" >&2; exit 64; }
cb-query "$1" events --type cb.detection --format ndjson |
	jq -r '. as $event | .data.objects | to_entries[] |
		"\($event.id)-\(.key)\t\($event.subject)\t\(.value.class)"' |
	sort -u |	# an event that was stored twice counts once
	cut -f2- | sort | uniq -c | sort -rn
