#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# evidence.sh CLIP DIR: record a clip into a store with a log, export ten seconds of it, signed and
# proved, and check them as somebody would who has none of these programs. All of it goes to DIR.
set -euo pipefail
[ $# -eq 2 ] || { sed -n "3,/^set/s/^# //p" "$0" >&2; exit 64; }
clip=$1 dir=$2
mkdir "$dir"
cb-sign keygen -o "$dir/recorder" --no-passphrase
cb-audit init "$dir/log" --key "$dir/recorder.key" --origin example.org/recorder --epochs 288
cb-ingest "$clip" --camera front --start-time 2026-11-21T07:00:00Z |
	cb-record "$dir/store" --log "$dir/log" --tee |
	cb-detect --no-objects |
	cb-store put "$dir/store" >"$dir/events.ndjson"
cb-audit checkpoint "$dir/log" --key "$dir/recorder.key"

cb-export "$dir/store" --log "$dir/log" --require-proofs --sign "$dir/recorder.key" \
	--from 2026-11-21T07:00:00Z --to 2026-11-21T07:00:10Z --purpose 'an example' -o "$dir/case"

# with our own verifier, against the keys that the recorder's owner gave us
cb-verify "$dir/case" --key "$dir/recorder.pub" --policy "$dir/log/policy"
# and with sha256sum, minisign, ssh-keygen and openssl: the commands of VERIFY.txt
cd "$dir/case"
sed -n 's/^    //p' VERIFY.txt | sh -eu
