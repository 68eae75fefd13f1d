#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-track -c: rules over scripted boxes, through the tracker; what is wrong with a rules file.
. "$CB_SRC/tests/lib.sh"
need_cmd jq
boxes() { /usr/bin/python3 "$CB_SRC/tests/boxes.py" "$1"; }
start=1767225600
told() {	# what the rules told, "SECONDS TYPE RULE ..." a line
	jq -r "select(.data.rule) | [((.data.t_us / 1e6 - $start) * 1000 | round / 1000), .type, .data.rule] + [$1 | values] | join(\" \")" out
}

# --- 10 to the right, 7 to the left, 5 that hesitate ---------------------------------------------
cat >count.yml <<'END'
lines: {door: [[0.5, 1], [0.5, 0]]}
rules:
  - {name: cross, type: cross, line: door}
  - {name: count, type: count, line: door}
END
cat >people.py <<'END'
p, t = 10, 0.5
scene(fps=FPS, pictures=int(178 * FPS), width=1280, height=720)
for k in range(22):
    y = 0.5 + 0.05 * (k % 9)
    if k in (2, 6, 10, 14, 18):	# to the line, on it to and fro, and back
        way = [(t, 0.3, y), (t + 2, 0.495, y)]
        way += [(t + 2.2 + 0.2 * i, 0.5 + (0.004 if i % 2 else -0.004), y) for i in range(9)]
        walk(*way, (t + 6, 0.3, y))
    elif k in (1, 4, 7, 11, 13, 16, 19):
        walk((t, 0.8, y), (t + 6, 0.2, y))
    else:
        walk((t, 0.2, y), (t + 6, 0.8, y))
    t += 8
NOISE
END
for fps in 5 10 25; do
	for noise in '' 'noise(0.004)'; do
		boxes "$(sed "s/FPS/$fps/g; s/NOISE/$noise/" people.py)" >in
		exits 0 cb-track -c count.yml --only <in
		jq -r 'select(.type == "cb.line.cross").data.direction' out | sort | uniq -c | tr -s ' \n' ' ' >got
		ok "$fps pictures a second $noise: 10 to the right, 7 to the left" '[ "$(cat got)" = " 7 left 10 right " ]' ||
			note "$(cat got)"
		ok "counted so" '[ "$(jq -c "select(.type == \"cb.count\").data | [.in, .out, .occupancy]" out | tail -n 1)" = "[10,7,3]" ]'
	done
done
valid_events out

# --- every rule, its picture ---------------------------------------------------------------------
cat >all.yml <<'END'
ground:
  - {at: [0, 0], metres: [0, 10]}
  - {at: [1, 0], metres: [10, 10]}
  - {at: [1, 1], metres: [10, 0]}
  - {at: [0, 1], metres: [0, 0]}
zones:
  yard: [[0.4, 0.4], [0.75, 0.4], [0.75, 1], [0.4, 1]]
lines:
  gate: [[0.5, 1], [0.5, 0.3]]
rules:
  - {name: trespass, type: enter, zone: yard, class: person}
  - {name: out-again, type: exit, zone: yard, class: person}
  - {name: loitering, type: dwell, zone: yard, for: 5s, class: person}
  - {name: gate, type: cross, line: gate}
  - {name: visitors, type: count, line: gate, class: person, every: 10s}
  - {name: queue, type: crowd, zone: yard, count: 2, for: 1s, class: person}
  - {name: one-way, type: direction, heading: 270, tolerance: 60, class: car}
  - {name: other-way, type: direction, heading: 90, tolerance: 60, class: car}
  - {name: too-fast, type: speed, over: 5.4km/h, class: car}
  - {name: faster, type: speed, over: 8km/h, class: car}
  - {name: parked, type: stopped, for: 5s, class: car}
  - {name: bag, type: left, for: 10s}
  - {name: statue, type: removed, present: 5s, for: 3s, class: statue}
  - {name: in-and-out, type: sequence, steps: [trespass, out-again], within: 20s}
  - {name: hurry, type: sequence, steps: [trespass, out-again], within: 2s}
  - {name: behind, type: tailgate, line: gate, within: 2s, class: person}
END
boxes 'scene(pictures=310, width=1280, height=720)
walk((0, 0.2, 0.9), (5, 0.6, 0.9), (12, 0.6, 0.9), (15, 0.9, 0.9))
walk((0, 0.1, 0.85), (5, 0.55, 0.85), (12, 0.55, 0.85), (15, 0.85, 0.85))
walk((0, 0.1, 0.6), (5, 0.9, 0.6), (14, 0.9, 0.6), w=0.15, cls="car")
walk((1, 0.3, 0.95), (30, 0.3, 0.95), w=0.03, h=0.05, cls="suitcase")
walk((0, 0.2, 0.4), (10, 0.2, 0.4), w=0.03, h=0.1, cls="statue")' >in
exits 0 cb-track -c all.yml --only <in
valid_events out
cp out first.out
told '.data.state, .data.direction, .data.occupancy' >got
cat >want <<'END'
0.3 cb.direction one-way
0.9 cb.speed too-fast
2.5 cb.zone.enter trespass
2.6 cb.line.cross gate right
3.4 cb.zone.enter trespass
3.9 cb.line.cross gate right
4.4 cb.crowd queue start
4.6 cb.line.cross gate right
4.6 cb.tailgate behind right
7.5 cb.zone.dwell loitering
8.4 cb.zone.dwell loitering
10 cb.count visitors 2
10 cb.stopped parked start
13.1 cb.object.removed statue
13.6 cb.object.left bag start
13.7 cb.sequence in-and-out
13.7 cb.zone.exit out-again
14.2 cb.sequence in-and-out
14.2 cb.zone.exit out-again
14.7 cb.crowd queue end
16.1 cb.stopped parked end
20 cb.count visitors 2
30 cb.count visitors 2
30.9 cb.count visitors 2
30.9 cb.object.left bag end
END
LC_ALL=C sort -n -k 1,1 -k 2 got >got.sorted
LC_ALL=C sort -n -k 1,1 -k 2 want >want.sorted
same_file want.sorted got.sorted "each rule once, in its picture"
ok "the packet of the picture is named" \
	'[ "$(jq -r "select(.type == \"cb.line.cross\").data.packet" out | head -n 1)" = \
	   "$(jq -r "select(.data.t_us == ($start + 2.6) * 1e6).data.packet" in)" ]'
ok "ids are all different" '[ "$(jq -r .id out | sort -u | wc -l)" -eq "$(wc -l <out)" ]'
ok "zones and lines are told first" '[ "$(jq -r .type out | sed -n 2p)" = cb.zones ]'

exits 0 cb-track -c all.yml --only <in
same_file first.out out "and again, the same bytes"
head -n 150 in >half
(cat half; sleep 0.2; tail -n +151 in) | cb-track -c all.yml --only >slow.out
same_file first.out slow.out "however they come"
sed 's/loitering/lingering/' all.yml >other.yml
exits 0 cb-track -c other.yml --only <in
ok "other rules are another run" '[ "$(jq -r .data.run out | sort -u)" != "$(jq -r .data.run first.out | sort -u)" ]'
exits 0 cb-track --only <in
grep '"type":"cb.track"' first.out | jq -c 'del(.id, .data.run, .data.ground_m, .data.speed_mps, .data.track)' >a
grep '"type":"cb.track"' out | jq -c 'del(.id, .data.run, .data.track)' >b
same_file a b "rules do not change tracks"

# --- in the words of others -------------------------------------------------------------------------
exits 0 cb-track -c all.yml --only --as=onvif-mj <in
jq -c . out >o.mj && ok "JSON" '[ "$(wc -l <o.mj)" -eq "$(wc -l <out)" ]'
ok "a frame of metadata a picture, its objects in ONVIF's coordinates" \
	'[ "$(head -n 1 out | jq -c "[.topic, .payload.Frame[0][\"@UtcTime\"], (.payload.Frame[0].Object | length), (.payload.Frame[0].Object[3].Appearance | .Shape.BoundingBox[], .Class.Type[0][\"#text\"])]")" = \
	   "[\"cb/onvif-mj/VideoAnalytics/c/cb-track\",\"2026-01-01T00:00:00.100000Z\",4,-0.63,0.4,-0.57,0.2,\"statue\"]" ]' || note "$(head -n 1 out)"
jq -r .topic out | grep onvif-ej | sed "s|.*RuleEngine/||" | sort | uniq -c | sed 's/^ *//' >got
cat >want <<'END'
4 CountAggregation/Counter/&c/cb-track/visitors
4 CountAggregation/OccupancyCounter/&c/cb-track/visitors
2 FieldDetector/ObjectsInside/&c/cb-track/out-again
2 FieldDetector/ObjectsInside/&c/cb-track/trespass
3 LineDetector/Crossed/&c/cb-track/gate
2 LoiteringDetector/ObjectIsLoitering/&c/cb-track/loitering
1 ObjectAbandoned/&c/cb-track/bag
1 ObjectRemoved/&c/cb-track/statue
END
same_file want got "its events"
exits 0 cb-track -c all.yml --only --as=frigate <in
ok "Frigate's: each new, updated, ended" \
	'[ "$(jq -r "select(.type != \"update\") | .type + .after.label" out | sort | uniq -c | tr -s " \n" " ")" = " 1 endcar 2 endperson 1 endstatue 1 endsuitcase 1 newcar 2 newperson 1 newstatue 1 newsuitcase " ]'
ok "with their zones and pixels" \
	'[ "$(jq -c "select(.after.label == \"person\" and .type == \"end\") | [.after.current_zones, .after.entered_zones, .after.box[3], (.before.id == .after.id)]" out | head -n 1)" = "[[],[\"yard\"],648,true]" ]'
ok "what was before is what was after" '[ "$(jq -c "select(.after.label == \"car\" and .type != \"new\").before" out)" = "$(jq -c "select(.after.label == \"car\" and .type != \"end\").after" out)" ]'
cp out frigate.out
cb-track -c all.yml <in >all.out
exits 0 cb-track --as=frigate --start=1 --high=1 <all.out
same_file frigate.out out "of tracks that were in the stream already, the same"
exits 64 cb-track --as=frigate --tee

# --- two cameras, each with its rules -------------------------------------------------------------
sed 's/"subject":"c"/"subject":"d"/' in >d.nd
sed 's/type: dwell/type: dwell, cameras: [d, e]/' all.yml >cams.yml
paste -d '\n' in d.nd >cd.nd
exits 0 cb-track -c cams.yml --only <cd.nd
ok "rules of one camera" '[ "$(jq -r "select(.type == \"cb.zone.dwell\").subject" out | sort | uniq -c | tr -s " \n" " ")" = " 2 d " ]'
ok "the others of both" '[ "$(jq -r "select(.type == \"cb.zone.enter\").subject" out | sort | uniq -c | tr -s " \n" " ")" = " 2 c 2 d " ]'

# --- a gap, and a clock that is set back ------------------------------------------------------------
printf 'lines: {door: [[0.5, 1], [0.5, 0]]}\nrules: [{name: c, type: cross, line: door}]\n' >c.yml
boxes 'scene(pictures=60); walk((0, 0.3, 0.5), (5, 0.7, 0.5), w=0.2, h=0.4)' | sed '24,29d' >in
exits 0 cb-track -c c.yml --only <in
ok "a way through a short gap crosses" '[ "$(told .data.direction)" = "2.9 cb.line.cross c right" ]' || note "$(told .data.direction)"
boxes 'scene(pictures=300); walk((0, 0.3, 0.5), (2, 0.48, 0.5), w=0.2, h=0.4)
walk((20, 0.52, 0.5), (25, 0.7, 0.5), w=0.2, h=0.4)' | sed '30,190d' >in
exits 0 cb-track -c c.yml --only <in
ok "a long one ends the tracks" '[ "$(told .data.direction)" = "" ]'
boxes 'scene(pictures=120); walk((0, 0.3, 0.5), (5, 0.7, 0.5))' >in
cat in in >twice
exits 0 cb-track -c c.yml --only <twice
ok "read twice, told twice, of the same ids" '[ "$(jq -r "select(.data.rule).id" out | uniq -c | tr -s " " | cut -d " " -f 2)" = 2 ]'

printf 'size: 640x480\nlines: {door: [[320, 480], [320, 0]]}\nrules: [{name: c, type: cross, line: door}]\n' >px.yml
boxes 'scene(pictures=60, width=1280, height=960); walk((0, 0.3, 0.5), (5, 0.7, 0.5))' >in
exits 0 cb-track -c px.yml --only <in
ok "pixels of a smaller picture of the same shape" '[ "$(told .data.direction)" = "2.7 cb.line.cross c right" ] && [ ! -s err ]' || note "$(told .data.direction)"
sed 's/"height":960/"height":720/' in >wide
exits 0 cb-track -c px.yml --only <wide
ok "another shape is warned of" 'grep -qx "cb-track: warning: px.yml: size 640x480 is of another shape than the pictures, 1280x720" err'

# --- the rules file ----------------------------------------------------------------------------------
exits 0 cb-track -c all.yml --check -v
ok "what is in it" 'grep -qx "cb-track: all.yml: 1 zones, 1 lines, 16 rules" err'
exits 0 cb-track -c "$CB_SRC/examples/zones.yml" --check
exits 64 cb-track --check
exits 66 cb-track -c nowhere.yml --check
ok "it is named" 'grep -q "^cb-track: nowhere.yml: " err'

wrong() {	# TEXT MESSAGE
	printf '%b' "$1" >wrong.yml
	exits 78 cb-track -c wrong.yml </dev/null
	printf 'cb-track: wrong.yml:%s\n' "$2" >said
	same_file said err "wrong.yml:$2"
}
z='zones: {z: [[0,0],[1,0],[1,1]]}\nlines: {l: [[0,0],[1,1]]}\nrules:\n'
wrong 'zone: {}\n' "1:1: the file has no key 'zone'"
wrong 'zones: {a: [[0,0],[1,0]]}\n' '1:12: a polygon is a list of 3 to 64 points [x, y]'
wrong 'zones: {a: [[0,0],[1,0],[0.5]]}\n' '1:25: a point is [x, y]'
wrong 'zones: {a: [[0,0],[1,0],[0.5,x]]}\n' "1:30: 'x' is no part of the picture from 0 to 1 (for pixels say size: WIDTHxHEIGHT)"
wrong 'zones: {a: [[0,0],[1,0],[0.5,1.5]]}\n' "1:30: '1.5' is no part of the picture from 0 to 1 (for pixels say size: WIDTHxHEIGHT)"
wrong 'size: 640x480\nzones: {a: [[0,0],[639,0],[100,481]]}\n' "2:32: '481' is no number from 0 to 480, the size"
wrong 'zones: {a: [[0,0],[1,1],[1,0],[0,1]]}\n' '1:25: polygon: the sides cross or touch'
wrong 'zones: {a: [[0,0],[1,0],[0.5,0]]}\n' '1:19: polygon: the sides cross or touch'
wrong 'zones: {a: [[0,0],[0,0],[0.5,0]]}\n' '1:19: polygon: the same point twice'
wrong 'zones: {a b: [[0,0],[1,0],[0.5,1]]}\n' "1:9: a name is made of at most 64 letters, digits, '.', '_', '-'"
wrong 'zones: {a: {polygon: [[0,0],[1,0],[0.5,1]], anchor: middle}}\n' '1:53: anchor is one of bottom|centre|top|left|right|top-left|top-right|bottom-left|bottom-right'
wrong 'lines: {a: [[0,0],[1,1],[0,1],[1,0]]}\n' '1:25: line: the sides cross or touch'
wrong 'lines: {a: {points: [[0,0],[1,1]], margin: 1}}\n' "1:36: a line has no key 'margin'"
wrong 'timezone: Mars/Olympus\n' "1:11: there is no time zone 'Mars/Olympus' here"
wrong 'timezone: ../../etc/passwd\n' "1:11: '../../etc/passwd' is no time zone's name"
wrong 'schedules: {a: {days: mon-fry}}\n' "1:23: 'mon-fry' is none of mon, tue, wed, thu, fri, sat, sun, nor two of them with '-' between"
wrong 'schedules: {a: {from: "8:00"}}\n' "1:23: '8:00' is no time of the day (HH:MM)"
wrong 'schedules: {a: {from: "24:01"}}\n' "1:23: '24:01' is no time of the day (HH:MM)"
wrong 'ground: [{at: [0,0], metres: [0,0]}]\n' '1:9: ground is a list of four points, each {at: [x, y], metres: [x, y]}'
wrong "$z  - {name: a, type: enter, zone: y}\\n" "4:34: no zone is called 'y'"
wrong "$z  - {name: a, type: enter}\\n" "4:5: rule 'a': type enter needs zone"
wrong "$z  - {name: a, type: entre, zone: z}\\n" "4:21: 'entre' is none of enter, exit, dwell, cross, count, crowd, direction, speed, stopped, left, removed, sequence, tailgate"
wrong "$z  - {name: a, type: enter, zone: z, radius: 1}\\n" "4:37: this type of rule has no key 'radius'"
wrong "$z  - {name: a, type: enter, zone: z}\\n  - {name: a, type: exit, zone: z}\\n" "5:12: two rules are called 'a'"
wrong "$z  - {type: enter, zone: z}\\n" '4:5: a rule needs a name'
wrong "$z  - {name: a, type: cross, line: m}\\n" "4:34: no line is called 'm'"
wrong "$z  - {name: a, type: cross, line: [l, l]}\\n" "4:34: line 'l' is given twice"
wrong "$z  - {name: a, type: cross, line: l, direction: up}\\n" '4:48: direction is one of left|any|right'
wrong "$z  - {name: a, type: count, line: l, zone: z}\\n" "4:5: rule 'a': type count needs either line or zone"
wrong "$z  - {name: a, type: dwell, for: soon}\\n" "4:33: for must be a duration like 500ms, 10s, 5m"
wrong "$z  - {name: a, type: speed, over: 50}\\n" "4:34: '50' is no speed: 50km/h, 14m/s, 30mph, or 0.2/s in picture heights"
wrong "$z  - {name: a, type: speed, over: 50km/h}\\n" '4:34: a speed in km/h needs ground'
wrong "$z  - {name: a, type: enter, zone: z, schedule: night}\\n" "4:47: no schedule is called 'night'"
wrong "$z  - {name: s, type: sequence, steps: [a, b], within: 1s}\\n" "4:38: no rule before this one is called 'a'"
wrong "$z  - {name: a, type: enter, zone: z, size: {min_area: 0.5, max_area: 0.2}}\\n" '4:43: no object is of that size: a minimum is above its maximum'
wrong "$z  - {name: a, type: enter, zone: z, zone: z}\\n" "4:37: 'zone' is given twice, first in line 4"

# --- its schema takes what cb-track takes, and not what it refuses by shape ----------------------------
cat >schema.py <<'PY'
import json, sys, jsonschema, yaml
s = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(s)
v = jsonschema.Draft202012Validator(s)
class L(yaml.BaseLoader): pass
for t, f in (("tag:yaml.org,2002:float", r"^-?[0-9]*\.[0-9]+$"), ("tag:yaml.org,2002:int", r"^-?[0-9]+$"), ("tag:yaml.org,2002:bool", "^(true|false)$")):
    import re
    L.add_implicit_resolver(t, re.compile(f), list("-0123456789.tf"))
    L.add_constructor(t, {"f": lambda l, n: float(n.value), "i": lambda l, n: int(n.value), "b": lambda l, n: n.value == "true"}[t[18]])
for name in sys.argv[2:]:
    e = jsonschema.exceptions.best_match(v.iter_errors(yaml.load(open(name), L)))
    print(name, "good" if not e else "bad: " + e.message[:200])
PY
if /usr/bin/python3 -c 'import jsonschema, yaml' 2>/dev/null; then
	sed -n '/^cat >shop.yml/,/^END/p' "$CB_SRC/man/cb-track.5" | sed '1d;$d' >shop.yml
	printf "$z"'  - {name: a, type: enter}\n' >b1.yml
	printf "$z"'  - {name: a, type: crowd, count: 2, density: 0.5}\n' >b2.yml
	printf 'zones: {a: [[0,0],[1,0]]}\n' >b3.yml
	printf "$z"'  - {name: a, type: stopped}\n' >b4.yml
	printf 'colour: red\n' >b5.yml
	/usr/bin/python3 schema.py "$CB_SRC/schema/cb-track.schema.json" all.yml cams.yml count.yml shop.yml \
		"$CB_SRC/examples/zones.yml" b1.yml b2.yml b3.yml b4.yml b5.yml >got 2>&1
	ok "five that are right, five that are wrong" '[ "$(grep -c " good$" got)" -eq 5 ] && [ "$(grep -c "^b.* bad: " got)" -eq 5 ]' || note "$(cat got)"
else
	skip "python3-jsonschema or python3-yaml is not installed"
fi
done_testing
