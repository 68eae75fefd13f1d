#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-alert: kinds of rules, what they alert of and when they are over; hours, zones, classes and
# watch-lists; titles and labels; all in event time.
. "$CB_SRC/tests/lib.sh"

# ev TYPE CAMERA SECONDS DATA...: an event line; ids count up
_id=0
ev() {
	_id=$((_id + 1))
	printf '{"specversion":"1.0","id":"e%d","source":"/t","type":"%s","subject":"%s","data":{"t_us":%d%s}}\n' \
		$_id "$1" "$2" $(($3 * 1000000)) "${4:+,$4}"
}
# one TEXT: a rule called r; its further keys
one() { printf 'rules:\n  - name: r\n%s\n' "$1" >r.yml; }
# told: what came out, as TYPE@SECONDS of the last part of the type
told() { jq -r '(if .type == "cb.alert" then "" else "-" end) + (.data.t_us / 1000000 | tostring) + (if .subject then .subject[0:1] else "" end)' out | tr '\n' ' '; }
# tells KEYS WANT: with the rule's keys, events of ./in
tells() {
	one "$1"
	cb-alert -c r.yml <in >out 2>err || { cat err out; return 1; }
	want=$2
	ok "$(printf '%s' "$1" | tr -s ' \n' ' ') -> $2" '[ "$(told)" = "$want" ]' || note "$(told)"
}

# --- flatline: a silent camera is an alert, once, and over when it is back
{ ev x a 0; ev x b 0; ev x a 8; ev x b 9; ev x b 19; ev x b 29; ev x b 39; ev x a 40; ev x b 45; } >in
tells '    kind: flatline
    type: x
    within: 10s' '18a -40a '
valid_events out
ok "since when, of which event, and that it is back" \
	'[ "$(jq -c "[.data.since_us, .data.event, .data.reason, .data.message, .data.count]" out | tr "\n" ";")" = \
"[8000000,\"e3\",null,\"r: nothing from a\",0];[18000000,null,\"back\",\"r: nothing from a\",0];" ]' || note "$(cat out)"
tells '    kind: flatline
    type: x
    cameras: [a, b, never]
    within: 10s' '10n 18a -40a '
ok "a camera that never came was expected" '[ "$(jq -r "select(.subject == \"never\") | .data.message" out)" = "r: nothing from never" ]'
tells '    kind: flatline
    type: x
    within: 10s
    when: {from: "00:00", to: "00:00:17"}' ''
tells '    kind: flatline
    type: x
    within: 10s
    when: {from: "00:00:30", to: "01:00"}' '30a -40a '
{ ev x a 0; ev x b 0; ev x b 200; } >in
tells '    kind: flatline
    type: x
    within: 10s
    when: {from: "00:01", to: "01:00"}' '60a 60b -200b '
# a moment far ahead is no more work than one nearby
{ ev x a 0; ev x b 0; ev x b 9000000000; } >in
one '    kind: flatline
    type: x
    within: 10s
    when: {from: "03:00", to: "04:00"}'
exits 0 timeout 20 cb-alert -c r.yml <in
ok "when the hours begin" '[ "$(told)" = "10800a 10800b -9000000000b " ]' || note "$(told)"
{ ev x a 0; ev x a 10; ev x a 21; } >in
tells '    kind: flatline
    type: x
    within: 10s' '20a -21a '

# --- spike
{
	for w in 0 1 2; do for s in 1 2 3 4; do ev x a $((w * 10 + s)); done; done
	for s in 0 1 2 3 4 5 6 7 8 9; do ev x a $((30 + s)); done
	for s in 0 1 2 3; do ev x a $((40 + s)); done
} >in
tells '    kind: spike
    type: x
    within: 10s
    windows: 3
    factor: 2
    least: 5' '37a '
ok "beside what is usual" '[ "$(jq -c "[.data.count, .data.mean]" out)" = "[8,4]" ]' || note "$(cat out)"
tells '    kind: spike
    type: x
    within: 10s
    windows: 3
    factor: 2
    least: 9' '38a '
{
	for w in 0 1 2; do for s in 1 2 3 4 5; do ev x a $((w * 10 + s)); done; done
	ev x a 31
	ev y a 41
} >in
tells '    kind: spike
    type: x
    within: 10s
    windows: 3
    factor: 3
    least: 4
    direction: down' '40a '
valid_events out
tells '    kind: spike
    type: x
    within: 10s
    windows: 3
    factor: 6
    least: 4
    direction: both' ''

# --- change
{ ev x a 1 '"s":"up"'; ev x a 2 '"s":"up"'; ev x b 2 '"s":"down"'; ev x a 3 '"s":"down"'; ev x a 4; ev x b 4 '"s":"down"'; ev x a 5 '"s":"\u0064own"'; ev x a 6 '"s":{"v":1}'; ev x a 7 '"s":{"v":2}'; } >in
tells '    kind: change
    type: x
    field: data.s
    group_by: subject
    message: "{data.s} was {before}"' '3a 6a 7a '
ok "what it was, and what it is" '[ "$(jq -r .data.message out | head -n 1)" = "down was up" ] && [ "$(jq -c .data.before out | tail -n 1)" = "{\"v\":1}" ]' || note "$(jq -r .data.message out)"
valid_events out

# --- new
{ ev x a 1 '"p":"AB1"'; ev x a 2 '"p":"AB1"'; ev x b 3 '"p":"AB1"'; ev x a 4 '"p":"CD2"'; ev x a 5; ev x a 99 '"p":"AB1"'; } >in
tells '    kind: new
    type: x
    field: data.p' '1a 4a '
tells '    kind: new
    type: x
    field: data.p
    group_by: subject' '1a 3b 4a '
tells '    kind: new
    type: x
    field: data.p
    learn: 3s' '4a '
tells '    kind: new
    type: x
    field: data.p
    forget: 1m' '1a 4a 99a '
tells '    kind: new
    type: x
    field: [data.p, subject]' '1a 3b 4a '

# --- sequence
{ ev door a 1; ev person a 2; ev gone a 3; ev door a 10; ev gone a 11; ev person a 12; ev gone a 13; ev door b 20; ev person b 40; ev door a 41; ev gone b 42; ev person a 43 '"class":"dog"'; ev gone a 44; } >in
tells '    kind: sequence
    steps: [{type: door}, {type: person}, {type: gone}]
    within: 10s
    group_by: subject' '3a 13a 44a '
ok "since its first step" '[ "$(jq -c "[.data.since_us, .data.count]" out | head -n 1)" = "[1000000,3]" ]'
tells '    kind: sequence
    steps: [{type: door}, {type: person, match: {data.class: {not: dog}}}, {type: gone}]
    within: 10s
    group_by: subject' '3a 13a '
tells '    kind: sequence
    steps: [{type: door}, {type: person}]
    within: 10s' '2a 12a 43a '
tells '    kind: sequence
    steps: [{type: x}, {type: x}]
    within: 10s' ''
{ ev x a 1; ev x a 2; ev x a 3; ev x a 4; } >in
tells '    kind: sequence
    steps: [{type: x}, {type: x}]
    within: 10s' '2a 4a '

# --- what lasts, and when it is over
{ ev x a 1; ev x a 2; ev x b 3; ev y a 5; ev x a 6; ev y c 100; } >in
tells '    type: x
    group_by: subject
    resolve: 10s' '1a 3b -13b -16a '
ok "how often, and why it is over" '[ "$(jq -c "select(.type == \"cb.alert.resolved\").data | [.count, .reason, .since_us]" out | tr "\n" " ")" = "[1,\"quiet\",3000000] [3,\"quiet\",1000000] " ]' || note "$(cat out)"
ok "of which alert" '[ "$(jq -r "select(.subject == \"a\") | .data.alert // .id" out | sort -u | wc -l)" -eq 1 ]'
valid_events out
tells '    type: x
    group_by: subject
    resolve: {type: y}' '1a 3b -5a 6a '
{ ev x a 1 '"state":"start"'; ev x a 2 '"state":"start"'; ev x a 3 '"state":"end"'; ev x a 4 '"state":"start"'; } >in
tells '    type: x
    match: {data.state: start}
    resolve: {type: x, match: {data.state: end}}' '1a -3a 4a '
tells '    type: x
    count: 2
    within: 5s
    resolve: 1s' '2a '

# --- hours: 2026-03-29 is when summer time begins in Berlin, at 01:00 UTC
t=$(date -u -d '2026-03-29T00:00:00Z' +%s)
{ ev x a $((t - 3600)); ev x a $((t + 1800)); ev x a $((t + 3600)); ev x a $((t + 7200)); ev x a $((t + 86400)); } >in
if [ -e /usr/share/zoneinfo/Europe/Berlin ]; then
	printf 'timezone: Europe/Berlin\nschedules: {night: {from: "00:00", to: "03:30"}, week: {days: mon-fri}}\nrules:\n  - {name: r, type: x, when: night, message: "{local}"}\n' >r.yml
	exits 0 cb-alert -c r.yml <in
	ok "hours of the local clock, which goes forward" '[ "$(jq -r .data.message out | tr "\n" ";")" = "2026-03-29 00:00:00;2026-03-29 01:30:00;2026-03-29 03:00:00;2026-03-30 02:00:00;" ]' || note "$(jq -r .data.message out)"
	sed 's/when: night/when: week/' r.yml >w.yml
	exits 0 cb-alert -c w.yml <in
	ok "days of the week there" '[ "$(jq -r .data.message out)" = "2026-03-30 02:00:00" ]'
else
	skip "no time zones (tzdata)" 4
fi

# --- zone, class, confidence
{
	ev cb.zone.enter a 1 '"zone":"yard","class":"person","score":0.9'
	ev cb.zone.enter a 2 '"zone":"gate","class":"car","score":0.4'
	ev cb.detection a 3 '"objects":[{"class":"person","score":0.3},{"class":"car","score":0.8}]'
	ev cb.detection a 4 '"objects":[{"class":"person","score":0.6}]'
	ev cb.detection a 5 '"objects":[]'
} >in
tells '    type: "cb.*"
    zone: yard' '1a '
tells '    type: "cb.*"
    zone: [yard, gate]
    confidence: 0.5' '1a '
tells '    type: "cb.*"
    class: person' '1a 3a 4a '
tells '    type: "cb.*"
    class: [person, car]
    confidence: 0.7' '1a 3a '
tells '    type: "cb.*"
    class: person
    confidence: 0.5
    message: "{data.objects[].score}"' '1a 4a '

# --- watch-lists
{
	n=0
	for p in 'ab-123 cd' 'A8123CD' 'AB12CD' 'AB1234CD' 'BA123CD' 'AB123C' 'XAB123CD' 'AB123CDX' 'AC' 'A' 'ABC' 'zz 999' '' ' - '; do
		n=$((n + 1))
		ev x a $n "\"plate\":\"$p\""
	done
} >in
tells '    type: x
    match: {data.plate: {listed: [AB123CD, AC]}}
    message: "{data.plate} {listed}"' '1a 2a 3a 4a 6a 7a 8a 9a '
ok "the entry that was met" '[ "$(jq -r .data.listed out | sort | uniq -c | tr -s " " | tr "\n" ";")" = " 7 AB123CD; 1 AC;" ] && [ "$(jq -r .data.message out | sed -n 2p)" = "A8123CD AB123CD" ]'
valid_events out
tells '    type: x
    match: {data.plate: {listed: {plates: AB 123 CD, tolerance: 0}}}' '1a '
mkdir lists
printf '# stolen\nAB 123 CD   # since May\r\n\n  ZZ-999\n' >lists/plates.txt
printf 'rules:\n  - {name: r, type: x, match: {data.plate: {listed: {file: lists/plates.txt}}}}\n' >r.yml
mkdir sub
exits 0 sh -c "cd sub && cb-alert -c ../r.yml <../in"
ok "a list in a file, beside the rules" '[ "$(told)" = "1a 2a 3a 4a 6a 7a 8a 12a " ]' || note "$(told)"
# the index agrees with comparing everything with everything
/usr/bin/python3 - <<'PY'
import json, random
random.seed(7)
def lev(a, b):
    if abs(len(a) - len(b)) > 1: return False
    if a == b: return True
    if len(a) == len(b): return sum(x != y for x, y in zip(a, b)) == 1
    if len(a) > len(b): a, b = b, a
    return any(b[:i] + b[i + 1:] == a for i in range(len(b)))
word = lambda: "".join(random.choice("AB1") for _ in range(random.randint(2, 7)))
plates = [word() for _ in range(60)]
asked = [word() for _ in range(3000)]
want = []
for a in asked:
    hit = next((p for p in plates if p == a), None) or next((p for p in plates if len(p) >= 4 and lev(a, p)), None)
    want.append(hit)
json.dump({"rules": [{"name": "r", "type": "x", "match": {"data.p": {"listed": plates}}}]}, open("r.yml", "w"))
with open("in", "w") as f:
    for i, a in enumerate(asked):
        f.write(json.dumps({"specversion": "1.0", "id": str(i), "source": "/t", "type": "x", "data": {"t_us": i, "p": a}}) + "\n")
open("want", "w").write("".join("%d %s\n" % (i, h) for i, h in enumerate(want) if h))
PY
exits 0 cb-alert -c r.yml <in
jq -r '.data.event + " " + .data.listed' out >got
same_file want got "3000 texts against 60 entries, by the definition"

# --- titles and labels
ev x a 1 '"v":"\u001b[1mx","n":3' >in
tells '    type: x
    title: "{subject} {data.v}"
    labels: {team: night, number: "{data.n}"}' '1a '
ok "made of fields, made safe" '[ "$(jq -c "[.data.title, .data.labels]" out)" = "[\"a ?[1mx\",{\"team\":\"night\",\"number\":\"3\"}]" ]' || note "$(cat out)"
valid_events out

# --- time does not go back for one that is late, but for a clock that was set back
_id=0
{ ev x a 100000; ev x b 100000; ev x b 5; ev x b 6; ev x b 100009; ev x b 100011; } >in
tells '    kind: flatline
    type: x
    within: 10s' '100010a '
{ ev x a 100000; i=0; while [ $i -lt 130 ]; do ev x b $i; i=$((i + 1)); done; } >in
tells '    kind: flatline
    type: x
    within: 10s' '109a '

# --- bad rules
bad() {	# TEXT MESSAGE
	printf '%b' "$1" >bad.yml
	exits 78 cb-alert -c bad.yml --check
	want=$2
	ok "$2" 'grep -qF "cb-alert: bad.yml:$want" err && [ "$(wc -l <err)" -eq 1 ]' || note "$(cat err)"
}
bad 'rules:\n  - {name: a, type: x, kind: odd}\n' '2:30: kind is one of any, frequency, spike, flatline, change, new, sequence'
bad 'rules:\n  - {name: a, type: x, kind: flatline}\n' '2:5: a rule of kind flatline needs within'
bad 'rules:\n  - {name: a, type: x, factor: 3}\n' '2:24: a rule of kind any takes no factor'
bad 'rules:\n  - {name: a, type: x, kind: spike, within: 1m, count: 3}\n' '2:49: a rule of kind spike takes no count'
bad 'rules:\n  - {name: a, type: x, kind: frequency}\n' '2:5: a rule of kind frequency needs count and within'
bad 'rules:\n  - {name: a, kind: sequence, steps: [{type: x}], within: 1s}\n' '2:38: steps is a list of 2 to 8 steps'
bad 'rules:\n  - {name: a, kind: sequence, steps: [{type: x}, {zone: y}], within: 1s}\n' '2:50: a step needs a type'
bad 'rules:\n  - {name: a, type: x, kind: sequence, steps: [{type: x}, {type: y}], within: 1s}\n' '2:15: a rule of kind sequence takes no type'
bad 'rules:\n  - {name: a, type: x, kind: flatline, within: 1s, message: "{data.n}"}\n' "2:61: 'data.n' is not known when nothing comes"
bad 'rules:\n  - {name: a, type: x, when: night}\n' "2:30: no schedule is called 'night'"
bad 'timezone: Mars/Olympus\nrules:\n  - {name: a, type: x}\n' '1:11: '
bad 'rules:\n  - {name: a, type: x, match: {p: {listed: {file: none.txt}}}}\n' '2:51: none.txt: '
bad 'rules:\n  - {name: a, type: x, match: {p: {listed: [AB, "--"]}}}\n' '2:49: no letter and no digit in it'
bad 'rules:\n  - {name: a, type: x, match: {p: {listed: {plates: A, tolerance: 2}}}}\n' '2:67: tolerance must be a whole number from 0 to 1'
bad 'rules:\n  - {name: a, type: x, resolve: 0s}\n' '2:33: resolve must be longer than nothing'
bad 'rules:\n  - {name: a, type: x, kind: new, field: data.p, resolve: 1m}\n' '2:50: a rule of kind new takes no resolve'
bad 'rules:\n  - {name: a, type: x, confidence: 2}\n' '2:36: confidence must be a number from 0 to 1'
bad 'rules:\n  - {name: a, type: x, labels: {a b: c}}\n' '2:33: a name is made of'
done_testing
