#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-track --plot and cb-track calibrate: drawings that are well-formed, the same every time, and safe
# to open whatever the events say.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq
boxes() { /usr/bin/python3 "$CB_SRC/tests/boxes.py" "$1"; }
# well-formed XML; what XPATH finds, counted
xml() {	# FILE ELEMENT [ATTRIBUTE=VALUE]
	/usr/bin/python3 - "$@" <<'PY'
import sys
import xml.etree.ElementTree as T
want = sys.argv[3].split("=", 1) if len(sys.argv) > 3 else None
n = 0
for e in T.parse(sys.argv[1]).iter():
    if e.tag.endswith("}" + sys.argv[2]) and (not want or e.get(want[0]) == want[1] or (want[0] == "text" and e.text == want[1])):
        n += 1
print(n)
PY
}

cat >zones.yml <<'END'
zones: {yard: [[0.4, 0.55], [0.75, 0.55], [0.85, 0.97], [0.35, 0.97]]}
lines: {gate: [[0.5, 0.98], [0.5, 0.5]]}
rules:
  - {name: visitors, type: count, line: gate}
  - {name: yard, type: enter, zone: yard}
END
boxes 'scene(pictures=100, width=640, height=360)
walk((0, 0.2, 0.9), (5, 0.7, 0.9)); walk((0, 0.9, 0.8), (6, 0.2, 0.7), cls="dog")' >in
ffmpeg -nostdin -loglevel error -f lavfi -i testsrc2=size=640x360 -frames:v 1 still.jpg
ffmpeg -nostdin -loglevel error -f lavfi -i testsrc2=size=640x480 -frames:v 1 still.png

cb-track -c zones.yml <in >all.nd
exits 0 cb-track -c zones.yml --plot=a.svg <in
same_file all.nd out "events as without it"
ok "a zone, a line, two ways, three events" \
	'[ "$(xml a.svg polygon class=zone) $(xml a.svg polyline class=line) $(xml a.svg polyline class=way) $(xml a.svg path class=told)" = "1 1 2 2" ]' ||
	note "$(xml a.svg path class=told)"
ok "counts over time" '[ "$(xml a.svg path class=count0)" = 1 ] && [ "$(xml a.svg text "text=in 1")" = 1 ] && [ "$(xml a.svg text "text=out 1")" = 1 ]'
exits 0 cb-track -c zones.yml --plot=b.svg <in
same_file a.svg b.svg "the same bytes"
exits 0 cb-track --only --start=1 --high=1 --plot=c.svg <all.nd
ok "only ours: nothing" '[ "$(xml c.svg polyline class=way)" = 0 ]'
exits 0 cb-track --start=1 --high=1 --plot=c.svg <all.nd
ok "of a stream with tracks in it, the same ways, zones and events" \
	'[ "$(xml c.svg polygon class=zone) $(xml c.svg polyline class=way) $(xml c.svg path class=told)" = "1 2 2" ]'
exits 0 cb-track -c zones.yml --plot=d.svg --picture=still.jpg <in
ok "on a picture, which is in it" '[ "$(xml d.svg image)" = 1 ] && grep -q "href=\"data:image/jpeg;base64," d.svg'
grep -o 'base64,[^"]*' d.svg | sed 's/base64,//' | base64 -d >back.jpg
same_file still.jpg back.jpg "byte for byte"
exits 0 cb-track -c zones.yml --plot=e.svg </dev/null
ok "of nothing" '[ "$(xml e.svg polygon class=zone)" = 1 ]'

# --- what events say is text -------------------------------------------------------------------------
printf '%s\n' '<script>alert(1)</script>' '"><img src=x onerror=alert(1)>' '&lt;' ']]>' | while IFS= read -r s; do
	jq -c --arg s "$s" '.data.objects[].class = $s | .subject = "c"' in
done | awk '{ print }' >odd
for s in 1 2 3 4; do sed -n "$((100 * s - 99)),$((100 * s))p" odd | cb-track --plot=h$s.svg >/dev/null; done
ok "no element of theirs" '[ "$(for s in 1 2 3 4; do xml h$s.svg script; xml h$s.svg img; done | sort -u)" = 0 ] && ! grep -q "<script\|<img" h?.svg'
ok "nothing is fetched" '! grep -o "href=\"[^\"]\{0,12\}\|url([^)]*)\|@import" ?.svg h?.svg | grep -v "data:image/"'

# --- calibrate -----------------------------------------------------------------------------------------
exits 0 cb-track calibrate --picture=still.jpg
cp out g.svg
ok "a grid, in parts of the picture" '[ "$(xml g.svg text text=0.5)" -ge 4 ] && [ "$(xml g.svg image)" = 1 ]'
cat >px.yml <<'END'
size: 1280x720
ground:
  - {at: [0, 200], metres: [0, 20]}
  - {at: [1280, 200], metres: [20, 20]}
  - {at: [1280, 720], metres: [12, 0]}
  - {at: [0, 720], metres: [8, 0]}
zones: {z: [[100, 100], [500, 100], [500, 500]]}
END
exits 0 cb-track calibrate --picture=still.jpg -c px.yml
cp out g.svg
ok "in pixels where the file has them" '[ "$(xml g.svg text text=640)" -ge 2 ]'
ok "with zones and the ground" '[ "$(xml g.svg polygon class=zone)" = 1 ] && [ "$(xml g.svg path class=ground)" -gt 10 ]'
exits 0 cb-track calibrate
ok "without a picture, too" '[ "$(xml out path class=coarse)" = 18 ]'
exits 78 cb-track calibrate --picture=still.png -c px.yml
ok "another shape is named" 'grep -qx "cb-track: px.yml: size 1280x720 is of another shape than still.png, 640x480" err'
exits 78 cb-track -c px.yml --plot=x.svg --picture=still.png <in

# --- what goes wrong --------------------------------------------------------------------------------------
exits 66 cb-track calibrate --picture=nowhere.jpg
echo 'not a picture' >bad.jpg
exits 65 cb-track calibrate --picture=bad.jpg
ok "it is named" 'grep -qx "cb-track: bad.jpg: neither a JPEG nor a PNG picture" err'
wrong=0
for n in 0 1 2 3 4 10 20 24 25 100 160 161 162 163 164 165 300 600; do
	head -c "$n" still.jpg >cut.jpg
	_st=0
	cb-track calibrate --picture=cut.jpg >out 2>err || _st=$?
	case $_st in 0|65) ;; *) wrong=$((wrong + 1)) ;; esac
done
ok "cut pictures" '[ "$wrong" -eq 0 ]'
exits 73 cb-track --plot=no/where.svg <in
exits 74 cb-track --plot=/dev/full <in
ok "it is named" 'grep -qx "cb-track: /dev/full: write: No space left on device" err' || note "$(cat err)"
exits 64 cb-track --picture=still.jpg
exits 64 cb-track calibrate --plot=x.svg
exits 64 cb-track calibrate calibrate
exits 64 cb-track colibrate
done_testing
