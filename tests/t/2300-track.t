#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-track: identities over cb.detection events.
. "$CB_SRC/tests/lib.sh"
need_cmd jq
boxes() { /usr/bin/python3 "$CB_SRC/tests/boxes.py" "$1"; }
tracks() { jq -r "select(.type == \"cb.track\").data | $2" "$1"; }

# --- one object ----------------------------------------------------------------------------------
boxes 'scene(pictures=40); box(0.1, 0.3, vx=0.1)' >one.nd
exits 0 cb-track <one.nd
cp out one.out
valid_events one.out
grep -v '"source":"/cb-track"' one.out >passed
same_file one.nd passed "what comes in is passed on byte for byte"
ok "one track, new, updates, end" \
	'[ "$(tracks one.out .state | uniq -c | tr -s " \n" " ")" = " 1 new 3 update 1 end " ]'
ok "one name" '[ "$(tracks one.out .track | sort -u | wc -l)" -eq 1 ]'
ok "new with the second picture, and it knows the first" \
	'[ "$(tracks one.out "select(.state == \"new\") | .t_us - .since_us, (.path | length)" | tr "\n" " ")" = "100000 2 " ]'
ok "the end is where it was seen last" \
	'[ "$(tracks one.out "select(.state == \"end\") | .t_us - .since_us, .duration_us, .seen, .reason" | tr "\n" " ")" = "3900000 3900000 40 closed " ]'
ok "the speed is that of the script" \
	'[ "$(tracks one.out "select(.state == \"end\").velocity | (.[0] * 1000 | round), (.[1] * 1000 | round)" | tr "\n" " ")" = "100 0 " ]'
ok "events follow the picture they speak of" \
	'[ "$(jq -s "[.[] | select(.type == \"cb.detection\" or (.type == \"cb.track\" and .data.state != \"end\")) | .data.t_us] | . == sort" one.out)" = true ]'

# --- the same bytes, however the events come -----------------------------------------------------
exits 0 cb-track <one.nd
same_file one.out out "and again"
(while IFS= read -r l; do printf '%s\n' "$l"; done <one.nd) | cb-track >slow.out
same_file one.out slow.out "line by line"

# --- two that cross, one that is hidden ----------------------------------------------------------
boxes 'scene(pictures=60); box(0.1, 0.3, vx=0.15, cls="p"); box(0.8, 0.32, vx=-0.15, cls="p")
box(0.4, 0.7, skip=range(20, 28), cls="p")' >three.nd
exits 0 cb-track --only <three.nd
ok "three tracks" '[ "$(tracks out "select(.state == \"end\") | .duration_us" | sort -u)" = 5900000 ] &&
	[ "$(tracks out .track | sort -u | wc -l)" -eq 3 ]'

# --- cameras and runs are kept apart -------------------------------------------------------------
boxes 'scene(camera="x", pictures=20); box(0.1, 0.3)' >x.nd
boxes 'scene(camera="y", pictures=20); box(0.1, 0.3)' >y.nd
boxes 'scene(camera="x", pictures=20, run="1" * 16); box(0.1, 0.3)' >z.nd
paste -d '\n' x.nd y.nd z.nd >xyz.nd
exits 0 cb-track --only <xyz.nd
ok "a tracker each" '[ "$(tracks out .track | sort -u | wc -l)" -eq 3 ]'
ok "what one gives is what it gives alone" 'jq -c "select(.subject == \"y\")" out >y1 && cb-track --only <y.nd >y2 && cmp y1 y2'

# --- what is no event, and other events ----------------------------------------------------------
{ head -n 3 one.nd; echo '{}'; echo '{"specversion":"1.0","id":"1","source":"/d","type":"door","data":{"é":[1]}}'; tail -n +4 one.nd; } >odd.nd
exits 65 cb-track <odd.nd
ok "it is named" 'grep -q "^cb-track: warning: line 4: specversion" err'
ok "another event is passed on" 'grep -qx "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/d\",\"type\":\"door\",\"data\":{\"é\":\[1\]}}" out'
exits 64 cb-track --only --tee </dev/null
exits 65 cb-track --tee <one.nd
exits 0 cb-track </dev/null
done_testing
