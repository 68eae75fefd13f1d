#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-draw with what cb-track says: zones, lines, ways and counts, over made pictures.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq

ffmpeg -nostdin -loglevel error -f lavfi -i color=0x808080:size=640x360:rate=10:duration=6 \
	-c:v libx264 -preset ultrafast -g 10 -pix_fmt yuv420p grey.mkv
cb-ingest --camera=front --start-time=2026-11-21T08:54:42Z grey.mkv >grey.cbf
ok "grey pictures" '[ -s grey.cbf ]'

# a stream as cb-detect --tee makes it, with scripted boxes as what was seen
/usr/bin/python3 "$CB_SRC/tests/boxes.py" 'scene(pictures=60, width=640, height=360)
walk((0, 0.2, 0.8), (6, 0.8, 0.8), w=0.1, h=0.4)' >boxes.nd
cb-detect <grey.cbf >plain.nd
jq -c 'select(.type == "cb.detection")' plain.nd >det.nd
ok "a detection each" '[ "$(wc -l <det.nd)" -eq 60 ]'
paste -d '\n' det.nd boxes.nd | jq -cn '[inputs] | range(0; length; 2) as $i | .[$i] * {data: {objects: .[$i + 1].data.objects}}' >seen.nd
cat >zones.yml <<'END'
zones: {yard: [[0.7, 0.3], [0.95, 0.3], [0.95, 0.95], [0.7, 0.95]]}
lines: {gate: [[0.5, 0.95], [0.5, 0.25]]}
rules:
  - {name: people, type: count, line: gate}
  - {name: yard, type: enter, zone: yard}
END
exits 0 cb-track -c zones.yml --update=0 <seen.nd
cp out tracks.nd

rgb() {	# PICTURE X Y: its colour, as two digits each
	ffmpeg -nostdin -loglevel error -i "$1" -vf "crop=1:1:$2:$3" -f rawvideo -pix_fmt rgb24 - | od -An -tx1 | tr -d ' \n'
}
# colours by what they have more of
bluer() { /usr/bin/python3 -c 'import sys; r, g, b = bytes.fromhex(sys.argv[1]); sys.exit(b < r + 60)' "$1"; }
redder() { /usr/bin/python3 -c 'import sys; r, g, b = bytes.fromhex(sys.argv[1]); sys.exit(r < b + 40)' "$1"; }
exits 0 cb-draw --events=tracks.nd --picture=early.png --at=1s <grey.cbf
exits 0 cb-draw --events=tracks.nd --picture=late.png --at=5.5s <grey.cbf
exits 0 cb-draw --events=tracks.nd --picture=none.png --at=5.5s --no-tracks <grey.cbf
exits 0 cb-draw --events=seen.nd --picture=seen.png --at=5.5s <grey.cbf
same_file none.png seen.png "--no-tracks: as without cb-track"
ok "a line, amber" 'redder "$(rgb early.png 319 120)"' || note "$(rgb early.png 319 120)"
ok "a zone, blue at its side" 'bluer "$(rgb early.png 448 200)"' || note "$(rgb early.png 448 200)"
ok "and a little inside" '[ "$(rgb early.png 520 150)" != "$(rgb early.png 400 150)" ]'
ok "nothing beside" '[ "$(rgb early.png 400 150)" = "$(rgb seen.png 400 150)" ]'
ok "red where somebody just came in" 'redder "$(rgb late.png 448 200)"' || note "$(rgb late.png 448 200)"
ok "a way behind" '[ "$(rgb late.png 400 288)" != "$(rgb seen.png 400 288)" ] && [ "$(rgb early.png 400 288)" = "$(rgb seen.png 400 288)" ]'

# in one row, the events behind their pictures
cb-detect --tee <grey.cbf | cb-track -c zones.yml --tee >teed.cbf
exits 0 cb-draw --picture=teed.png --at=3s <teed.cbf
ok "zones and lines from the stream" 'bluer "$(rgb teed.png 448 200)" && redder "$(rgb teed.png 319 120)"'
exits 0 cb-draw --codec=mjpeg <teed.cbf
cp out film.cbf
exits 0 cb-frame check film.cbf
done_testing
