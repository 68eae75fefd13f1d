#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# watch.sh CLIP STORE [cb-detect's options...]: record a clip, analyse it, keep what was seen,
# and print the alerts.
set -euo pipefail
[ $# -ge 2 ] || { sed -n "3,/^set/s/^# //p" "$0" >&2; exit 64; }
clip=$1 store=$2
shift 2
cb-ingest "$clip" --camera front |
	cb-record "$store" --tee |
	cb-detect "$@" |
	cb-store put "$store" |
	cb-alert -c "$(dirname "$0")/rules.yml"
