#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The metrics of tracking give known values, and cb-track is above SORT and at ByteTrack's level
# (make accuracy-mot measures more).
. "$CB_SRC/tests/lib.sh"
need_shared data/mot/TUD-Campus/gt/gt.txt
mot="/usr/bin/python3 $CB_SRC/tests/accuracy/mot.py"

# shellcheck disable=SC2086  # words
exits 0 $mot metric
grep -v '^ok' out >wrong
ok "FP, FN, IDs, MOTA and IDF1 of two outputs, and HOTA that can be reckoned by hand" '[ ! -s wrong ] && [ "$(wc -l <out)" -eq 15 ]'
# shellcheck disable=SC2086
exits 0 $mot noised --seeds 1 --level usual --least
note "$(cat out)"
# shellcheck disable=SC2086
exits 0 $mot noised --seeds 1 --level usual --every 5 --least
note "$(cat out)"
# shellcheck disable=SC2086
exits 0 $mot real --least --model "$CB_SRC/models/cb-objects.cfg" --model "$CB_SHARED/data/models/yolo-fastest-1.1.cfg"
note "$(cat out)"
# the bar can be missed: a tracker that starts hardly anything
# shellcheck disable=SC2086
exits 1 $mot noised --seeds 1 --level usual --every 5 --least -- --start 0.93
done_testing
