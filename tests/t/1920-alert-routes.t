#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-alert: who is told, when, of what together, and what is held back: routes, groups, limits,
# quiet hours, inhibition, silences; every decision an event, and the sums.
. "$CB_SRC/tests/lib.sh"

_id=0
ev() {	# TYPE CAMERA SECONDS DATA...
	_id=$((_id + 1))
	printf '{"specversion":"1.0","id":"e%d","source":"/t","type":"%s","subject":"%s","data":{"t_us":%d%s}}\n' \
		$_id "$1" "$2" $(($3 * 1000000)) "${4:+,$4}"
}
# rules TEXT: what stands beside three rules and two sinks
rules() {
	cat >r.yml <<-'END'
	rules:
	  - {name: x, type: x, message: "x {subject}"}
	  - {name: y, type: y, message: "y {subject}", severity: critical}
	  - {name: lasting, type: l, group_by: subject, resolve: 10s, severity: high, message: "l {subject}"}
	sinks:
	  - {name: a, type: file, path: /nowhere/a}
	  - {name: b, type: file, path: /nowhere/b}
	END
	printf '%s\n' "$1" >>r.yml
}
# decisions: SECONDS:DECISION:SINK[:ALERTS], those given, or all
decisions() {
	jq -r --arg w "$1" 'select(.type == "cb.alert.decision").data | select($w == "" or (.decision | test("^(" + $w + ")$")))
		| "\(.t_us / 1000000):\(.decision)" + (if .sink then ":" + .sink else "" end) + (if .alerts > 1 then ":\(.alerts)" else "" end)' out | tr '\n' ' '
}
test_is() {	# RULES WHICH WANT
	rules "$1"
	cb-alert test r.yml <in >out 2>err || { cat err; return 1; }
	want=$3
	which=$2
	ok "$(printf '%s' "$1" | tr -s ' \n' ' ') -> $3" '[ "$(decisions "$which")" = "$want" ]' || note "$(decisions "$which")"
	sums
}
# sums: the identity, from the decisions and what is counted as waiting
identity='(map(select(.type == "cb.alert.decision").data)) as $d | def sum(f): [$d[] | select(.decision | f).alerts] | add // 0;
	{in: sum(. == "fired"), queued: sum(. == "queued"), suppressed: sum(IN("silenced", "inhibited", "limited", "unrouted")),
	waiting: (map(select(.type == "cb.alert.account").data.waiting) | last), account: (map(select(.type == "cb.alert.account").data.in) | last)}'
sums() {
	jq -c -s "$identity | if .in == .queued + .suppressed + .waiting and .in == .account then \"right\" else . end" out >sums
	ok "in = queued + suppressed + waiting" 'grep -qx "\"right\"" sums' || note "$(cat sums)"
}

# --- no routes: all to all, at once; each as the event that it is
{ ev x f 1; ev y g 2; } >in
test_is '' 'fired|queued' '1:fired:a 1:fired:b 1:queued:a 1:queued:b 2:fired:a 2:fired:b 2:queued:a 2:queued:b '
valid_events out
ok "nothing but the alerts is sent" '! grep -q cb.alert.notice out'

# --- the first route that takes it, or several; and none
{ ev x f 1; ev y g 2; ev l h 3; } >in
test_is 'routes: [{sinks: a, rules: x}, {sinks: b, cameras: "g*"}]' '' '1:fired:a 1:queued:a 2:fired:b 2:queued:b 3:fired 3:unrouted '
test_is 'routes: [{sinks: a, severity: high+, continue: true}, {sinks: b}]' 'queued|unrouted' '1:queued:b 2:queued:a 2:queued:b 3:queued:a 3:queued:b '
test_is 'routes: [{sinks: a, severity: [medium, high]}]' 'queued|unrouted' '1:queued:a 2:unrouted 3:queued:a '

# --- groups
{ ev x f 1; ev x g 2; ev y f 3; ev x f 10; ev x f 15; ev x f 60; ev z f 200; } >in
test_is 'routes: [{sinks: a, group_by: rule, group_wait: 5s, group_interval: 20s}]' 'queued' '6:queued:a:2 8:queued:a 26:queued:a:2 65:queued:a '
ok "a notice names its alerts" '[ "$(jq -c "select(.type == \"cb.alert.notice\").data | [.reason, .group.rule, .alerts, .items[0].title, .title]" out | head -n 1)" = "[\"group_wait\",\"x\",2,\"x f\",\"2 alerts: x f\"]" ]' ||
	note "$(grep notice out)"
valid_events out
test_is 'routes: [{sinks: [a, b], group_by: [rule, subject], group_wait: 0s, group_interval: 1m}]' 'queued' \
	'1:queued:a 1:queued:b 2:queued:a 2:queued:b 3:queued:a 3:queued:b 61:queued:a:3 61:queued:b:3 '
i=0
while [ $i -lt 30 ]; do ev x f $((100 + i / 10)); i=$((i + 1)); done >in
test_is 'routes: [{sinks: a, group_by: rule, group_wait: 1m}]' 'queued' '102:queued:a:30 '
ok "twenty are named, ten counted" '[ "$(jq -c "select(.type == \"cb.alert.notice\").data | [(.items | length), .more, .reason, (.text | split(\"\n\") | last)]" out)" = "[20,10,\"end\",\"and 10 more\"]" ]' || note "$(grep notice out)"
cp out first
exits 0 cb-alert test r.yml <in
same_file first out "the same events, the same bytes"

# --- more groups than are remembered are told early, none is lost
/usr/bin/python3 - >in <<'PY'
for i in range(30000):
    print('{"specversion":"1.0","id":"m%d","source":"/t","type":"%s","subject":"c%d","data":{"t_us":%d}}' % (i, "xl"[i % 2], i * 7919 % 9001, i * 1000))
PY
rules 'routes: [{sinks: a, group_by: [subject, rule], group_wait: 1m, group_interval: 1m, resolved: true, repeat_interval: 20s}]'
exits 0 cb-alert test r.yml <in
sums
ok "told early, and why" '[ "$(jq -r "select(.type == \"cb.alert.notice\").data.reason" out | sort -u | tr "\n" ";")" = "end;too many groups;" ]' ||
	note "$(jq -r 'select(.type == "cb.alert.notice").data.reason' out | sort | uniq -c)"

# --- what lasts: once, again, and that it is over
{ ev l f 1; ev l f 5; ev l f 14; ev l g 14; ev l f 23; ev z f 26; ev z f 100; } >in
test_is 'routes: [{sinks: a, rules: lasting, resolved: true, repeat_interval: 12s}]' 'fired' '1:fired:a 13:fired:a 14:fired:a 24:fired:a 25:fired:a 33:fired:a '
ok "alert, repetition, end" '[ "$(jq -r "select(.data.decision == \"fired\").data.what" out | tr "\n" " ")" = "alert repeat alert resolved repeat resolved " ]' || note "$(decisions fired)"
test_is 'routes: [{sinks: a, resolved: true, group_wait: 30s, group_interval: 30s}]' 'queued' '31:queued:a:3 61:queued:a '
valid_events out
test_is 'routes: [{sinks: a, rules: lasting}]' 'fired' '1:fired:a 14:fired:a '

# --- limits, with a summary
i=0
while [ $i -lt 50 ]; do ev x f $((100 + i)); i=$((i + 1)); done >in
{ ev y f 130; ev x f 151; ev z f 1000; } >>in
test_is 'routes: [{sinks: a, limit: {count: 3, within: 60s}}]' 'queued' '100:queued:a 101:queued:a 102:queued:a 160:queued:a '
ok "and so many more" '[ "$(jq -r "select(.type == \"cb.alert.notice\").data | .title + \"|\" + .severity" out)" = "and 49 more: x 48, y 1|critical" ]' || note "$(grep notice out)"
test_is 'routes: [{sinks: a, urgent: critical, limit: {count: 3, within: 60s}}]' 'queued' '100:queued:a 101:queued:a 102:queued:a 130:queued:a 160:queued:a '
ok "what is urgent is not limited" '[ "$(jq -r "select(.data.decision == \"limited\").data.alert" out | wc -l)" -eq 48 ]'

# --- quiet hours deliver later
t=79200	# 22:00
{ ev x f $((t - 1)); ev x f $((t + 10)); ev y f $((t + 20)); ev x f $((t + 30)); ev z f $((t + 40000)); } >in
q='quiet: {from: "22:00", to: "06:00"}'
test_is "routes: [{sinks: a, $q}]" 'queued|deferred' '79199:queued:a 79210:deferred:a 79220:deferred:a 79230:deferred:a 108000:queued:a 108000:queued:a 108000:queued:a '
test_is "routes: [{sinks: a, urgent: critical, $q}]" 'queued|deferred' '79199:queued:a 79210:deferred:a 79220:queued:a 79230:deferred:a 108000:queued:a 108000:queued:a '
test_is "routes: [{sinks: a, group_wait: 15s, group_interval: 1m, $q}]" 'queued|deferred' '79214:deferred:a:2 108000:queued:a:4 '
ok "why now" '[ "$(jq -r "select(.type == \"cb.alert.notice\").data.reason" out)" = "quiet hours are over" ]'
test_is "routes: [{sinks: a, urgent: critical, group_wait: 15s, group_interval: 1m, $q}]" 'queued|deferred' '79214:deferred:a:2 79220:queued:a:3 79280:deferred:a 108000:queued:a '
{ ev x f $((t + 10)); } >in
test_is "routes: [{sinks: a, $q}]" 'queued|deferred' '79210:deferred:a 79210:queued:a '

# --- inhibition
{ ev x f 1; ev l f 2; ev x f 3; ev x g 4; ev x f 11; ev x f 13; } >in
inh='inhibit: [{by: {rules: lasting}, mute: {rules: x}, equal: subject}]'
test_is "$inh" 'inhibited|queued' '1:queued:a 1:queued:b 2:queued:a 2:queued:b 3:inhibited:a 3:inhibited:b 4:queued:a 4:queued:b 11:inhibited:a 11:inhibited:b 13:queued:a 13:queued:b '
ok "by which alert" '[ "$(jq -r "select(.data.decision == \"inhibited\").data.reason" out | sort -u)" = "$(jq -r "select(.type == \"cb.alert\" and .data.rule == \"lasting\").id" out)" ]'
valid_events out
# it is looked at when it is told: what comes within the wait mutes, too
{ ev x f 1; ev l f 3; ev z f 100; } >in
test_is "$inh
routes: [{sinks: a, rules: x, group_wait: 5s}, {sinks: b}]" 'inhibited|queued|grouped' '1:grouped:a 3:queued:b 6:inhibited:a '
{ ev y f 1; ev x f 30; ev x f 70; } >in
test_is 'inhibit: [{by: {severity: critical}, mute: {severity: [medium, critical]}, for: 1m}]
routes: [{sinks: a}]' 'inhibited|queued' '1:queued:a 30:inhibited:a 70:queued:a '

# --- silences
mkdir quiet
printf 'author: Ann\ncomment: paint\nfrom: 1970-01-01T00:00:10Z\nuntil: 1970-01-01T00:00:20Z\ncameras: f\nrules: [x, "l*"]\n' >quiet/f.yml
printf -- '- {author: Bob, until: 1970-01-01T00:00:05Z, severity: critical}\n- {author: Bob, until: 1970-01-01T00:00:06Z, severity: critical, cameras: h}\n' >quiet/more.yaml
printf 'not: [read\n' >quiet/.hidden.yml
printf 'not read\n' >quiet/README
{ ev y g 4; ev y g 5; ev y h 5; ev x f 9; ev x f 10; ev x g 11; ev l f 12; ev x f 20; ev z f 30; } >in
test_is 'silences: quiet
routes: [{sinks: a, resolved: true}]' 'silenced|queued' '4:silenced:a 5:queued:a 5:silenced:a 9:queued:a 10:silenced:a 11:queued:a 12:silenced:a 20:queued:a '
ok "by whose file" '[ "$(jq -r "select(.data.decision == \"silenced\").data | \"\(.reason) \(.until_us)\"" out | sort | uniq -c | tr -s " " | tr "\n" ";")" = " 2 f.yml: Ann 20000000; 1 more.yaml: Bob 5000000; 1 more.yaml: Bob 6000000;" ]' || note "$(grep silenced out)"
valid_events out

# --- labels
{ ev x f 1 '"team":"red"'; ev x f 2 '"team":"blue"'; ev x f 3; } >in
cat >r.yml <<'END'
rules: [{name: x, type: x, labels: {team: "{data.team}"}, message: "{data.team}"}]
sinks: [{name: a, type: file, path: /a}, {name: b, type: file, path: /b}]
routes:
  - {sinks: a, labels: {team: [red, green]}}
  - {sinks: b, group_by: [labels.team], group_wait: 0s}
END
exits 0 cb-alert test r.yml <in
ok "routes by labels" '[ "$(decisions queued)" = "1:queued:a 2:queued:b 3:queued:b " ]' || note "$(decisions)"
ok "groups by labels" '[ "$(jq -r "select(.type == \"cb.alert.notice\").data.group[\"labels.team\"]" out | tr "\n" ";")" = "blue;;" ]'

# --- hostile names stay text
_id=0
ev x '$(touch pwned)%s%n\u001b[31m\"\\n' 1 '"team":"{\"a\":1}\u0007"' >in
exits 0 cb-alert test r.yml <in
valid_events out
ok "nothing happens" '[ ! -e pwned ] && [ "$(decisions queued)" = "1:queued:b " ]'

# --- bad files, named by line and column
bad() {	# TEXT MESSAGE
	printf 'rules: [{name: x, type: x}]\nsinks: [{name: a, type: file, path: /a}]\n%b' "$1" >bad.yml
	exits 78 cb-alert -c bad.yml --check
	want=$2
	ok "$2" 'grep -qF "cb-alert: $want" err && [ "$(wc -l <err)" -eq 1 ]' || note "$(cat err)"
}
bad 'routes: []\n' 'bad.yml:3:9: routes is a list of at most 64 routes'
bad 'routes: [{rules: x}]\n' 'bad.yml:3:10: a route needs sinks'
bad 'routes: [{sinks: z}]\n' "bad.yml:3:18: no sink is called 'z'"
bad 'routes: [{sinks: a, rules: z}]\n' "bad.yml:3:28: no rule is called 'z'"
bad 'routes: [{sinks: a, rules: "*x"}]\n' "bad.yml:3:28: '*x': a '*' stands at the end only"
bad 'routes: [{sinks: a, severity: loud}]\n' 'bad.yml:3:31: severity is one of info, low, medium, high, critical'
bad 'routes: [{sinks: a, group_by: camera}]\n' "bad.yml:3:31: 'camera' is none of rule, severity, subject, labels.NAME"
bad 'routes: [{sinks: a, quiet: night}]\n' "bad.yml:3:28: no schedule is called 'night'"
bad 'routes: [{sinks: a, limit: {count: 3}}]\n' 'bad.yml:3:28: limit needs count and within'
bad 'routes: [{sinks: a, repeat_interval: 1ms}]\n' 'bad.yml:3:38: repeat_interval must be a second or more'
bad 'routes: [{sinks: [a, a]}]\n' "bad.yml:3:22: 'a' is given twice"
bad 'inhibit: [{by: {rules: x}}]\n' 'bad.yml:3:11: an inhibition needs by and mute'
printf 'rules: [{name: x, type: x}]\nsilences: none\n' >bad.yml
exits 66 cb-alert -c bad.yml --check
ok "no such directory" 'grep -q "^cb-alert: none: No such file" err'
mkdir bads
printf 'author: A\nuntil: tomorrow\nrules: x\n' >bads/one.yml
bad 'silences: bads\n' "bads/one.yml:2:8: 'tomorrow' is no time like"
printf 'author: A\nuntil: 2026-11-21\n' >bads/one.yml
bad 'silences: bads\n' 'bads/one.yml:1:1: a silence of everything'
printf 'until: 2026-11-21\nrules: x\n' >bads/one.yml
bad 'silences: bads\n' 'bads/one.yml:1:1: a silence needs author and until'
printf 'author: A\nfrom: 2026-11-22\nuntil: 2026-11-21\nrules: x\n' >bads/one.yml
bad 'silences: bads\n' 'bads/one.yml:3:8: until is not after from'

exits 0 cb-alert -c "$CB_SRC/examples/alerts.yml" --check

# --- the schema takes what cb-alert takes, and not what it refuses by shape
cat >schema.py <<'PY'
import json, re, sys, jsonschema, yaml
s = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(s)
v = jsonschema.Draft202012Validator(s)
class L(yaml.BaseLoader): pass
for t, f in (("float", r"^-?[0-9]*\.[0-9]+$"), ("int", r"^-?[0-9]+$"), ("bool", "^(true|false)$"), ("null", "^null$")):
    L.add_implicit_resolver("tag:yaml.org,2002:" + t, re.compile(f), list("-0123456789.tfn"))
    L.add_constructor("tag:yaml.org,2002:" + t, {"f": lambda l, n: float(n.value), "i": lambda l, n: int(n.value),
                      "b": lambda l, n: n.value == "true", "n": lambda l, n: None}[t[0]])
for name in sys.argv[2:]:
    e = jsonschema.exceptions.best_match(v.iter_errors(yaml.load(open(name), L)))
    print(name, "good" if not e else "bad: " + e.message[:200])
PY
if /usr/bin/python3 -c 'import jsonschema, yaml' 2>/dev/null; then
	sed -n "/rules.yml :/,/^\.Ed/p" "$CB_SRC/man/cb-alert.5" | grep -v '^\.' >page.yml
	sed -n '/^Who is told of these:/,/^\.Ed/p' "$CB_SRC/man/cb-alert.5" | grep -v -e '^\.' -e '^Who' >>page.yml
	mkdir -p silences
	sed -n '/^kept in git:/,/^\.Ed/p' "$CB_SRC/man/cb-alert.5" | grep -v -e '^\.' -e '^kept' >silences/gate.yml
	exits 0 cb-alert -c page.yml --check -v
	ok "with its silence" 'grep -q "6 rules, 2 routes, 2 sinks, 1 silences" err' || note "$(cat err)"
	n=0
	while IFS= read -r line; do
		n=$((n + 1))
		printf '%b\n' "$line" >b$n.yml
		exits 78 cb-alert -c b$n.yml --check
	done <<-'END'
	rules: []
	rules: [{name: a}]
	rules: [{type: a}]
	rules: [{name: a b, type: x}]
	rules: [{name: a, type: x, kind: odd}]
	rules: [{name: a, type: x, kind: flatline}]
	rules: [{name: a, kind: sequence, steps: [{type: x}], within: 1s}]
	rules: [{name: a, type: x, match: {data.n: {gt: 1}}}]
	rules: [{name: a, type: x, match: {data.n: {listed: {tolerance: 1}}}}]
	rules: [{name: a, type: x, confidence: 2}]
	rules: [{name: a, type: x}]\ncolour: red
	rules: [{name: a, type: x}]\nroutes: [{rules: a}]
	rules: [{name: a, type: x}]\ninhibit: [{by: {rules: a}}]
	rules: [{name: a, type: x}]\nsinks: [{name: s}]
	END
	/usr/bin/python3 schema.py "$CB_SRC/schema/cb-alert.schema.json" r.yml page.yml "$CB_SRC/examples/rules.yml" "$CB_SRC/examples/demo.yml" "$CB_SRC/examples/alerts.yml" b[0-9]*.yml >got 2>&1
	ok "five that are right, $n that are wrong" '[ "$(grep -c " good$" got)" -eq 5 ] && [ "$(grep -c "^b.* bad: " got)" -eq $n ]' || note "$(cat got)"
else
	skip "python3-jsonschema or python3-yaml is not installed"
fi

mkfifo bads/two.yml
printf 'author: A\nuntil: 2026-11-21\nrules: x\n' >bads/one.yml
bad 'silences: bads\n' 'bads/two.yml: no regular file'
printf 'rules: [{name: x, type: x, match: {p: {listed: {file: bads/two.yml}}}}]\n' >bad.yml
exits 78 timeout 20 cb-alert -c bad.yml --check
ok "nor is a list" 'grep -q "bad.yml:1:55: bads/two.yml: no regular file" err'
exits 64 cb-alert -c r.yml <in
ok "sinks need a place for their spool" 'grep -q "r.yml has sinks: --state is needed" err'
exits 64 cb-alert test r.yml --state s
exits 64 cb-alert test
exits 64 cb-alert toast r.yml

# --- a test of a long recording does not gather what only a state would need
cat >mem.yml <<END
rules: [{name: any, type: x}]
sinks: [{name: d, type: file, path: /nowhere}]
routes: [{sinks: d, group_by: rule, group_wait: 1s}]
END
awk 'BEGIN {
	for (i = 0; i < 150000; i++)
		printf "{\"specversion\":\"1.0\",\"id\":\"%d\",\"source\":\"/t\",\"type\":\"x\",\"data\":{\"t_us\":%d}}\n", i, i * 10000
}' >many
if sanitized; then
	skip "a sanitizer takes all addresses" 2
else
	exits 0 sh -c '{ ulimit -v 50000 && cb-alert test mem.yml <many; } >sums && tail -n 1 sums'
	ok "150 000 alerts in bounded memory" 'jq -e ".data.in == 150000" out >/dev/null' || note "$(cat out err)"
fi
done_testing
