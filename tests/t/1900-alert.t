#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-alert: what rules match, counts, cooldowns and groups in event time, texts and hooks, bad
# rules, bad lines, frame streams.
. "$CB_SRC/tests/lib.sh"

# ev TYPE CAMERA SECONDS DATA...: an event line; ids count up
_id=0
ev() {
	_id=$((_id + 1))
	printf '{"specversion":"1.0","id":"e%d","source":"/t","type":"%s","subject":"%s","data":{"t_us":%d000000%s}}\n' \
		$_id "$1" "$2" "$3" "${4:+,$4}"
}
# rules TEXT: one rule; its further keys
rules() { printf 'rules:\n  - name: r\n    type: x\n%s\n' "$1" >r.yml; }
# alerts: which events alerted
alerts() { jq -r .data.event out | tr '\n' ' '; }
# matched KEYS WANT: with the rule's further keys, events of ./in that alert
matched() {
	rules "$1"
	cb-alert -c r.yml <in >out 2>err || { cat err out; return 1; }
	want=$2
	ok "$(printf '%s' "$1" | tr -s ' \n' ' ') -> $2" '[ "$(alerts)" = "$want" ]' || note "$(alerts)"
}

# --- fields and comparisons
{
	ev x front 1 '"n":1,"s":"abc","b":true,"z":null,"o":[{"class":"person","score":0.4},{"class":"car","score":0.9}]'
	ev x yard 2 '"n":2.5,"s":"Abc","b":false,"o":[{"class":"person","score":0.6},{"class":"car","score":0.2}],"tags":["p","q"]'
	ev y front 3 '"n":1'
	ev x front 4 '"s":"1","n":"1","o":[],"deep":{"a":[[1,2],[3]]}'
	ev x.y gate 5 '"n":-7,"s":"\u0061bc"'
} >in
matched '' 'e1 e2 e4 '
matched '    match: { data.n: 1 }' 'e1 e4 '
matched '    match: { data.n: "1" }' 'e4 '
matched '    match: { data.n: [2.50, 7] }' 'e2 '
matched '    match: { data.b: true }' 'e1 '
matched '    match: { data.b: "true" }' ''
matched '    match: { data.z: null }' 'e1 '
matched '    match: { data.s: { not: abc } }' 'e2 e4 '
matched '    match: { data.b: { not: [true, false] } }' 'e4 '
matched '    match: { data.n: { ">=": 1, "<": 2.5 } }' 'e1 '
matched '    match: { data.n: { ">": 1 } }' 'e2 '
matched '    match: { data.n: { "<=": 1 } }' 'e1 '
matched '    match: { data.s: { prefix: a } }' 'e1 '
matched '    match: { data.s: { regex: "^[Aa]b" } }' 'e1 e2 '
matched '    match: { data.z: { exists: true } }' 'e1 '
matched '    match: { data.z: { exists: false } }' 'e2 e4 '
matched '    match: { "data.o[]": { class: person, score: { ">=": 0.5 } } }' 'e2 '
matched '    match: { "data.o[].class": person, "data.o[].score": { ">=": 0.5 } }' 'e1 e2 '
matched '    match: { "data.o[1].class": car }' 'e1 e2 '
matched '    match: { "data.o[2].class": { exists: true } }' ''
matched '    match: { "data.tags[]": q }' 'e2 '
matched '    match: { "data.tags[]": { ".": { prefix: q } } }' 'e2 '
matched '    match: { "data.deep.a[][]": 3 }' 'e4 '
matched '    match: { "data.deep.a[0][1]": 2 }' 'e4 '
matched '    match: { subject: front, type: x }' 'e1 e4 '
matched '    cameras: yard' 'e2 '
matched '    cameras: [gate, front]' 'e1 e4 '

printf 'rules:\n  - {name: a, type: x*}\n  - {name: b, type: "x.*"}\n  - {name: c, type: [y, x.y]}\n  - {name: d, type: "*", match: {data.s: abc}}\n' >r.yml
exits 0 cb-alert -c r.yml <in
ok "types: exact, lists, prefixes, rules in their order" \
	'[ "$(jq -r ".data.rule + .data.event" out | tr "\n" " ")" = "ae1 de1 ae2 ce3 ae4 ae5 be5 ce5 de5 " ]'
valid_events out
cp out first
exits 0 cb-alert -c r.yml <in
same_file first out "the same events and rules give the same bytes"
ok "every alert has an id of its own" '[ "$(jq -r .id out | sort -u | wc -l)" -eq 9 ]'

# --- time
_id=0
for s in 10 11 12 20 21 30 31 32 33 34 35; do ev x front $s; done >in
matched '    count: 3
    within: 2s' 'e3 e8 e11 '
matched '    cooldown: 10s' 'e1 e4 e6 '
matched '    count: 2
    within: 1s
    cooldown: 12s' 'e2 e7 '
_id=0
{ ev x front 10; ev x front 13; ev x front 11; ev x front 12; ev x front 1; } >in
matched '    count: 3
    within: 2s' 'e4 '
_id=0
{ ev x front 100000; ev x front 5; ev x front 6; } >in
matched '    cooldown: 60s' 'e1 e2 '
_id=0
{ ev x a 10; ev x b 10; ev x a 11; ev x b 11; ev x c 12; ev x a 12; } >in
matched '    cooldown: 60s
    group_by: subject' 'e1 e2 e5 '
ok "the group is in the alert" '[ "$(jq -c .data.group out | head -n 1)" = "{\"subject\":\"a\"}" ]'
valid_events out
rules '    cooldown: 60s
    group_by: [subject]
    max_groups: 2'
exits 0 cb-alert -c r.yml <in
ok "the group unused for longest is forgotten" '[ "$(alerts)" = "e1 e2 e5 " ] || [ "$(alerts)" = "e1 e2 e5 e6 " ]'
ok "and it is said" 'grep -q "warning: rule r: more than 2 groups: [12] forgotten" err'
printf '{"specversion":"1.0","id":"e1","source":"/t","type":"x","time":"2026-11-21T09:00:00Z","data":{}}\n' >in
rules ''
exits 0 cb-alert -c r.yml <in
ok "without t_us the envelope's time counts" '[ "$(jq -r .time out)" = "2026-11-21T09:00:00.000000Z" ]'
ok "no subject, none in the alert" '[ "$(jq -c .subject out)" = null ]'

# --- texts
_id=0
{ ev x front 1 '"o":[{"class":"car"},{"class":"person","n":2}],"e":"a\u001b[31m\u202eb\u0000"' | sed 's/\\u0000//'; } >in
rules '    match: { "data.o[].class": person }
    severity: high
    message: "{subject} {data.o[].class} {data.o[].n} {data.o[0].class} {data.e} {{x}} {rule} {severity} {count}{data.none}"'
exits 0 cb-alert -c r.yml <in
ok "a message with fields, made safe, of the element that matched" \
	'[ "$(jq -r .data.message out)" = "front person 2 car a?[31m?b {x} r high 1" ]' || note "$(jq -r .data.message out)"
ok "severity and event" '[ "$(jq -r "[.data.severity,.data.event,.data.event_type,.subject]|join(\" \")" out)" = "high e1 x front" ]'
ok "the event's data" '[ "$(jq -c .data.event_data.o[1].n out)" = 2 ]'
rules '    data: false'
exits 0 cb-alert -c r.yml <in
ok "data: false leaves it out" '[ "$(jq -c .data.event_data out)" = null ]'
{ printf '{"specversion":"1.0","id":"big","source":"/t","type":"x","data":{"t_us":1,"s":"'; head -c 59850 /dev/zero | tr '\0' a; printf '"}}\n'; } >in
exits 0 cb-alert -c r.yml <in
rules '    message: "{data.s}"'
exits 0 cb-alert -c r.yml <in
ok "data too long for the alert stay out" '[ "$(jq -r "[.data.event_data, (.data.message|length)]|@json" out)" = "[null,200]" ]'
valid_events out
python3 - >in <<'PY'
print('{"specversion":"1.0","id":"deep","source":"/t","type":"x","data":{"t_us":1,"a":' + '[' * 14 + ']' * 14 + '}}')
PY
exits 0 cb-alert -c r.yml <in
cp out deep
exits 0 cb-alert -c r.yml --pass <deep
ok "an alert about the deepest event can be read again" '[ "$(wc -l <out)" -eq 1 ]'

# --- hooks
cat >hook <<'SH'
#!/bin/sh
{ printf '%s|' "$@"; echo; cat; env; ls -l /proc/self/fd | grep -c -- '->'; } >>HERE.$$
mv HERE.$$ HERE/$(ls HERE | wc -l)
SH
mkdir ran
sed -i "s|HERE|$T/ran|g" hook
chmod +x hook
_id=0
{ ev x '$(touch pwned)' 1 '"v":"; touch pwned","w":"-rf","q":"a b\u0027\u0022"'; } >in
rules "    hook: { argv: [$T/hook, '{subject}', '{data.v}', '{data.w}', '--w={data.w}', \"\", '{data.q}', '{data.none}'] }"
exits 0 env SECRET=x cb-alert -c r.yml <in
ok "what an event holds is text in one argument, and no option" \
	'[ "$(head -n 1 ran/0)" = "\$(touch pwned)|; touch pwned|_rf|--w=-rf||a b'"'"'\"||" ]' || note "$(head -n 1 ran/0)"
ok "nothing of it was executed" '[ ! -e pwned ]'
sed -n 2p ran/0 >line
same_file out line "the alert is on the hook's stdin, as it was written"
ok "a minimal environment" '! grep -q "^SECRET" ran/0 && grep -qx "PATH=/usr/local/bin:/usr/bin:/bin" ran/0'
ok "no other open files" '[ "$(tail -n 1 ran/0)" -le 5 ]'
ok "nothing to say" '[ ! -s err ]'

_id=0
for s in 1 2 3; do ev x front $s; done >in
rules '    hook: { argv: [/bin/false] }'
exits 0 cb-alert -c r.yml <in
ok "failures are told and counted" 'grep -q "warning: rule r: hook /bin/false: exit status 1" err && grep -q "warning: 3 of 3 hooks failed" err'
rules '    hook: { argv: [/nonexistent/x] }'
exits 0 cb-alert -c r.yml <in
ok "a program that is not there" 'grep -q "hook /nonexistent/x: No such file or directory" err && [ "$(wc -l <out)" -eq 3 ]'
rules '    hook: { argv: [/bin/sh, -c, "kill -9 $$"] }'
exits 0 cb-alert -c r.yml <in
ok "a signal" 'grep -q "hook /bin/sh: ended by signal 9" err'
printf '#!/bin/sh\nsleep 60 & echo $! >>%s/pids; sleep 60\n' "$T" >slow
chmod +x slow
printf 'hooks: { concurrent: 1 }\n' >r1.yml
rules "    hook: { argv: [$T/slow], timeout: 200ms }"
cat r.yml >>r1.yml
exits 0 cb-alert -c r1.yml <in
ok "a hook that does not end is killed" '[ "$(grep -c "not done after 0.2 s: killed" err)" -eq 3 ]'
# state PID: the letter in /proc, nothing where there is no such process
state() { sed 's/.*) \(.\) .*/\1/' "/proc/$1/stat" 2>/dev/null; }
ok "with what it started" '[ -s pids ] && ! for p in $(cat pids); do state "$p"; done | grep -qv Z'
ok "and no alert was lost" '[ "$(wc -l <out)" -eq 3 ]'

# a hook does not hold the alerts back, and is looked after while no event comes
mkfifo pipe
rules "    hook: { argv: [$T/slow], timeout: 300ms }"
cb-alert -c r.yml <pipe >idle.out 2>idle.err &
pid=$!
exec 9>pipe
ev x front 9 >&9
i=0
while ! grep -qs killed idle.err && [ $i -lt 100 ]; do sleep 0.1; i=$((i + 1)); done
ok "while input is awaited the alert is out and the late hook killed" '[ "$(wc -l <idle.out)" -eq 1 ] && grep -q killed idle.err'
ok "and reaped" '[ -d /proc/$pid ] && ! grep -lsE "^[0-9]+ .*[)] Z $pid " /proc/[0-9]*/stat | grep -q .'
kill -TERM $pid
wait $pid
ok "SIGTERM ends it well" '[ $? -eq 0 ]'
exec 9>&-

# a hook that floods both of its outputs and reads nothing holds nobody up
printf '#!/bin/sh\nhead -c 300000 /dev/zero | tr "\\0" x\nhead -c 300000 /dev/zero | tr "\\0" x >&2\n' >flood
chmod +x flood
_id=0
for s in 1 2 3; do ev x front $s; done >in
rules "    hook: { argv: [$T/flood] }"
exits 0 timeout 60 cb-alert -c r.yml <in
ok "a flooding hook: its stderr is ours, its stdout nobody's" \
	'[ "$(wc -c <err)" -eq 900000 ] && [ "$(wc -l <out)" -eq 3 ]'

# the first SIGTERM waits for hooks, the second does not
rules "    hook: { argv: [/bin/sleep, \"600\"], timeout: 10m }"
cb-alert -c r.yml <pipe >term.out 2>term.err &
pid=$!
exec 9>pipe
ev x front 9 >&9
i=0
while [ "$(wc -l <term.out)" -eq 0 ] && [ $i -lt 100 ]; do sleep 0.1; i=$((i + 1)); done
kill -TERM $pid
sleep 0.3
ok "SIGTERM waits for the hook" '[ -d /proc/$pid ] && [ "$(wc -l <term.out)" -eq 1 ]'
hook=$(cat /proc/$pid/task/$pid/children)
kill -TERM $pid
st=0
wait $pid || st=$?
exec 9>&-
kill $hook
ok "a second one does not" '[ "$st" -eq 143 ]'

# the same event twice is met twice, and its alerts have one id
cat in in >twice
rules ''
exits 0 cb-alert -c r.yml <twice
ok "an event given twice: two alerts, one id" '[ "$(wc -l <out)" -eq 6 ] && [ "$(jq -r .id out | sort -u | wc -l)" -eq 3 ]'

# --- bad rules
bad() {	# TEXT MESSAGE
	printf '%b' "$1" >bad.yml
	exits 78 cb-alert -c bad.yml --check
	want=$2
	ok "$2" 'grep -qF "cb-alert: bad.yml:$want" err && [ "$(wc -l <err)" -eq 1 ]' || note "$(cat err)"
}
bad 'rules: []\n' '1:8: rules must be a list of rules'
bad 'rule: []\n' "1:1: the file has no key 'rule'"
bad 'rules:\n  - name: a\n' "2:5: rule 'a' needs a type"
bad 'rules:\n  - type: a\n' '2:5: a rule needs a name'
bad 'rules:\n  - {name: a b, type: x}\n' '2:12: a name is made of'
bad 'rules:\n  - {name: a, type: x}\n  - {name: a, type: x}\n' "3:12: two rules are called 'a'"
bad 'rules:\n  - {name: a, type: x, colour: red}\n' "2:24: a rule has no key 'colour'"
bad 'rules:\n  - {name: a, type: x, type: y}\n' "2:24: 'type' is given twice"
bad 'rules:\n  - {name: a, type: "*x"}\n' "2:21: type '*x': a '*' stands at the end only"
bad 'rules:\n  - {name: a, type: x, match: {data.n: {gt: 1}}}\n' "2:45: 'gt' is none of"
bad 'rules:\n  - {name: a, type: x, match: {data.n: {">": abc}}}\n' '2:46: > takes a number'
bad 'rules:\n  - {name: a, type: x, match: {data..n: 1}}\n' "2:41: path 'data..n': an empty part"
bad 'rules:\n  - {name: a, type: x, match: {"data[x]": 1}}\n' "2:43: path 'data[x]':"
bad 'rules:\n  - {name: a, type: x, match: {s: {regex: "("}}}\n' "2:43: pattern '(':"
bad 'rules:\n  - {name: a, type: x, match: {s: {regex: "(a)\\\\1"}}}\n' '2:43: a pattern without back-references'
bad 'rules:\n  - {name: a, type: x, match: {s: {regex: "((a{1,255}){1,255}){1,255}"}}}\n' '2:43: a repetition of more than 64'
plus=$(printf '%40s' '' | tr ' ' '(')a$(printf '%40s' '' | sed 's/ /+)/g')
bad "rules:\n  - {name: a, type: x, match: {s: {regex: \"$plus\"}}}\n" '2:43: a pattern of more than 1000 characters when'
bad 'rules:\n  - {name: a, type: x, match: {s: {regex: "((([(]a|b{64}[[:alpha:]])*){64}){64}"}}}\n' '2:43: a pattern of more than 1000 characters when'
i=0
while [ $i -lt 30 ]; do
	i=$((i + 1))
	printf '  - {name: a%d, type: x, match: {s: {regex: "((a?){20}){20}"}}}\n' $i
done | sed '1i rules:' >bad.yml
exits 78 cb-alert -c bad.yml --check
ok 'all patterns together' 'grep -q "bad.yml:[0-9]*:4[0-9]: too many repetitions in the patterns" err'
printf 'rules:\n  - {name: a, type: x, match: {s: {regex: "^[^]x(+]{1,64}([0-9]{1,3}\\\\.){3}[0-9]+(a|b+)*\\\\{{1,2}$"}}}\n' >good.yml
exits 0 cb-alert -c good.yml --check
bad 'rules:\n  - {name: a, type: x, count: 3}\n' '2:5: count (more than 1) and within belong together'
bad 'rules:\n  - {name: a, type: x, count: 1000, within: 1s, max_groups: 65536}\n' '2:5: max_groups times count'
bad 'rules:\n  - {name: a, type: x, cooldown: soon}\n' '2:34: cooldown must be a duration'
bad 'rules:\n  - {name: a, type: x, severity: bad}\n' '2:34: severity is one of'
bad 'rules:\n  - {name: a, type: x, message: "{subject"}\n' "2:33: a '{' without '}'"
bad 'rules:\n  - {name: a, type: x, hook: {argv: [bin/x]}}\n' '2:38: the program must be an absolute path'
bad 'rules:\n  - {name: a, type: x, hook: {argv: ["/{subject}"]}}\n' '2:38: the program must be an absolute path'
bad 'rules:\n  - {name: a, type: x, hook: {argv: [/bin/x], timeout: 2h}}\n' '2:56: timeout must be from 1ms to 10m'
exits 66 cb-alert -c none.yml
ok "no such rules" 'grep -q "^cb-alert: none.yml: " err'
exits 64 cb-alert
exits 0 cb-alert -c "$CB_SRC/examples/rules.yml" --check
ok "--check says nothing" '[ ! -s out ] && [ ! -s err ]'
sed -n '/rules.yml :/,/^\.Ed/p' "$CB_SRC/man/cb-alert.1" | grep -v '^\.' >page.yml
# the format page has one, too
sed -n "/rules.yml :/,/^\.Ed/p" "$CB_SRC/man/cb-alert.5" | grep -v "^\." >format.yml
exits 0 cb-alert -c format.yml --check
exits 0 cb-alert -c page.yml --check

# --- bad lines
_id=0
rules ''
{
	ev x front 1
	echo 'no event'
	echo '{"specversion":"1.0","id":"1","source":"/t","type":"x","type":"x","data":{}}'
	printf '{"specversion":"1.0","id":"1","source":"/t","type":"x","data":{"s":"\377"}}\n'
	python3 -c 'print("[" * 100000)'
	echo '{"specversion":"1.0","id":1,"source":"/t","type":"x","data":{}}'
	python3 -c 'print("{\"specversion\":\"1.0\",\"id\":\"" + "i" * 300 + "\",\"source\":\"/t\",\"type\":\"x\",\"data\":{}}")'
	python3 -c 'print("[" * 50)'
	echo '{"specversion":"1.0","id":"1","source":"/t","type":"x","data":{"t_us":9223372036854775807}}'
	ev x front 2
	printf '{"cut'
} >in
exits 65 cb-alert -c r.yml --pass <in
ok "good lines around bad ones work, and only they are passed on" \
	'[ "$(jq -r .id out | grep -c "^e[12]$")" -eq 2 ] && [ "$(wc -l <out)" -eq 4 ]'
ok "bad ones are named and counted" 'grep -q "warning: line 2: byte 0: no value" err &&
	grep -q "line 3: byte 55: key given twice" err && grep -q "line 4: byte .*: invalid UTF-8" err &&
	grep -q "line 5: longer than 60000 bytes" err && grep -q "line 6: no id" err &&
	grep -q "line 8: byte 16: nested too deeply" err && grep -q "^cb-alert: stdin: 9 of 11 lines are no events$" err' ||
	note "$(cat err)"
exits 0 cb-alert -c r.yml </dev/null
ok "no input, no alert" '[ ! -s out ]'
ev x front 1 >in
exits 74 sh -c 'cb-alert -c r.yml <in >/dev/full'

# --- frame streams
golden=$CB_SRC/tests/golden/frame.cbf
printf 'rules:\n  - {name: any, type: "*"}\n' >r.yml
exits 0 cb-alert -c r.yml <"$golden"
ok "events of a frame stream" '[ "$(jq -r .data.rule out)" = any ]'
exits 0 cb-alert -c r.yml --pass <"$golden"
ok "and themselves" '[ "$(wc -l <out)" -eq 2 ]'
exits 0 cb-alert -c r.yml --tee <"$golden"
cp out tee.cbf
exits 0 cb-frame check tee.cbf
ok "a tee holds everything and the alert" 'grep -q "2 events, .* whole" out'
cb-frame hash "$golden" >h1
cb-frame hash tee.cbf >h2
same_file h1 h2 "packets as they were"
n=$(wc -c <"$golden")
head -c $((n - 20)) "$golden" >cut.cbf
exits 65 cb-alert -c r.yml <cut.cbf
ok "a cut stream is reported after what it held" '[ "$(wc -l <out)" -eq 1 ] && grep -q "^cb-alert: stdin: " err'
exits 65 cb-alert -c r.yml --tee <cut.cbf
cp out tee.cbf
exits 65 cb-frame check tee.cbf
exits 65 cb-alert -c r.yml --tee <in
ok "--tee wants frames" 'grep -q "takes a frame stream" err'
done_testing
