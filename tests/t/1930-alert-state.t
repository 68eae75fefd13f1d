#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-alert: what it remembers across starts and kills, rules that are read again, time that goes on
# by itself, and the sums of a storm with a kill in its middle.
. "$CB_SRC/tests/lib.sh"

_id=0
ev() {	# TYPE CAMERA SECONDS DATA...
	_id=$((_id + 1))
	printf '{"specversion":"1.0","id":"e%d","source":"/t","type":"%s","subject":"%s","data":{"t_us":%d%s}}\n' \
		$_id "$1" "$2" $(($3 * 1000000)) "${4:+,$4}"
}
told() { jq -r 'select(.type == "cb.alert" or .type == "cb.alert.resolved") | (if .type == "cb.alert" then "" else "-" end) + .data.rule + (.data.t_us / 1000000 | tostring)' "$@" | tr '\n' ' '; }

# --- cut anywhere, the two halves say what the whole says
cat >r.yml <<END
rules:
  - {name: count, type: x, count: 3, within: 20s, group_by: subject}
  - {name: cool, type: x, cooldown: 25s}
  - {name: spike, kind: spike, type: x, within: 10s, windows: 2, factor: 2, least: 3, direction: both}
  - {name: flat, kind: flatline, type: x, within: 12s}
  - {name: change, kind: change, type: x, field: data.s, group_by: subject, message: "{before} {data.s}"}
  - {name: new, kind: new, type: x, field: data.p, learn: 5s}
  - {name: seq, kind: sequence, steps: [{type: x}, {type: y}, {type: x}], within: 30s}
  - {name: lasts, type: y, group_by: subject, resolve: 15s}
  - {name: ends, type: y, resolve: {type: x, match: {data.s: end}}}
sinks: [{name: desk, type: file, path: $T/desk}]
routes:
  - {sinks: desk, rules: [count, flat], group_by: rule, group_wait: 7s, group_interval: 20s}
  - {sinks: desk, rules: l*, resolved: true, repeat_interval: 9s, limit: {count: 3, within: 40s}}
  - {sinks: desk, rules: [new, ends], quiet: {from: "00:00:30", to: "00:01"}}
inhibit: [{by: {rules: lasts}, mute: {rules: cool}}]
END
/usr/bin/python3 - >all <<'PY'
import json, random
random.seed(5)
t = 0
for i in range(120):
    t += random.choice((0, 1, 1, 2, 2, 9, 3, 14 if i % 7 == 0 else 1))
    print(json.dumps({"specversion": "1.0", "id": "e%d" % i, "source": "/t", "type": random.choice("xxxy"), "subject": random.choice("fg"),
                      "data": {"t_us": t * 1000000, "s": random.choice(("a", "b", "end")), "p": random.randint(0, 40)}}, separators=(",", ":")))
PY
# what is not of a sink's own time, and not the sums of a run
mine() { grep -v -e '"decision":"delivered"' -e cb.alert.account "$@"; }
exits 0 cb-alert -c r.yml --state whole --drain 0s <all
mine out >whole.out
ok "all kinds had something to say" '[ "$(jq -r "select(.type == \"cb.alert\").data.rule" whole.out | sort -u | wc -l)" -eq 9 ]' ||
	note "$(jq -r 'select(.type == "cb.alert").data.rule' whole.out | sort | uniq -c)"
for cut in 1 17 40 63 100 119; do
	rm -rf half
	head -n $cut all >one
	tail -n +$((cut + 1)) all >two
	exits 0 cb-alert -c r.yml --state half --drain 0s <one
	mine out >parts
	exits 0 cb-alert -c r.yml --state half --drain 0s <two
	mine out >>parts
	# an end of input is a moment of its own: what is due at the last event's own time is done there
	sort whole.out >a
	sort parts >b
	same_file a b "cut after $cut events: nothing more and nothing less"
done
exits 0 jq -c . half/memory.ndjson
ok "memory is lines of JSON" '[ "$(wc -l <out)" -gt 5 ]'

# --- one at a time, and what is damaged is said
mkfifo pipe pipe2
cb-alert -c r.yml --state half --drain 0s <pipe >o 2>e &
pid=$!
exec 9>pipe
wait_for '[ -e half/waiting.ndjson ] && [ -d half/spool ] && catches $pid'
sleep 0.2
exits 75 cb-alert -c r.yml --state half <all
ok "by name" 'grep -q "half/waiting.ndjson: another process has it" err'
kill -TERM $pid
wait $pid
exec 9>&-
for bad in '{' '[]' '{"rule":"count"}' '{"waits":"00"}' '{"gone":1}' '{"told":"x","route":"y"}' 'nonsense'; do
	rm -rf broken
	mkdir broken
	printf '{"time":5}\n%s\n' "$bad" >broken/memory.ndjson
	exits 65 cb-alert -c r.yml --state broken <all
	ok "named: $bad" 'grep -q "cb-alert: broken/memory.ndjson: line 2: " err'
done
rm -rf broken
mkdir broken
printf '{"waits":"cut' >broken/waiting.ndjson
exits 0 cb-alert -c r.yml --state broken --drain 0s <all
ok "a line of the journal that a crash has cut was never answered for" '[ ! -s err ]'
rm -rf made
exits 73 cb-alert -c r.yml --state no/such/dir <all
# every single byte changed is refused or taken, and never trusted
head -n 70 all >one
exits 0 cb-alert -c r.yml --state made --drain 0s <one
cp made/memory.ndjson memory
/usr/bin/python3 - <<'PY'
import random, os
random.seed(3)
m = open("memory", "rb").read()
os.mkdir("mut")
for i in range(40):
    b = bytearray(m)
    for _ in range(random.randint(1, 3)):
        k = random.randrange(len(b))
        b[k:k + random.randint(0, 2)] = random.choice((b"", b"9", b'"', bytes([random.randrange(256)]), b"-99999999999999", b"{", b"[1]"))
    open("mut/%d" % i, "wb").write(bytes(b))
PY
strange=
for f in mut/*; do
	rm -rf made
	mkdir made
	cp "$f" made/memory.ndjson
	st=0
	timeout 20 cb-alert -q -c r.yml --state made --drain 0s <all >out 2>err || st=$?
	case $st in 0 | 65) ;; *) strange="$strange $f:$st" ;; esac
done
ok "changed memories: refused or used" '[ -z "$strange" ]' || note "$strange"

# --- rules are read again
cat >h.yml <<END
rules: [{name: n, kind: new, type: x, field: data.p}, {name: old, type: z}]
sinks: [{name: desk, type: file, path: $T/desk2}]
silences: sil
END
mkdir sil
cb-alert -v -c h.yml --state hup --live <pipe >o 2>e &
pid=$!
exec 9>pipe
ev x f 1 '"p":"A"' >&9
wait_for 'grep -q "\"queued\"" o'
sed 's/old/fresh/' h.yml >h2 && mv h2 h.yml
kill -HUP $pid
wait_for 'grep -q "h.yml: read again, 2 rules" e'
{ ev x f 2 '"p":"A"'; ev x f 3 '"p":"B"'; ev z f 4; } >&9
wait_for 'grep -q "\"rule\":\"fresh\"" o'
ok "new rules, and what the old ones have seen is not new" '[ "$(told o)" = "n1 n3 fresh4 " ]' || note "$(told o)"
printf 'rules: [{name: n}]\n' >h.yml
kill -HUP $pid
wait_for 'grep -q "h.yml:1:9: " e'
ok "wrong ones are named, and the old ones go on" "grep -q \"warning: h.yml:1:9: rule 'n' needs a type: the rules from before go on\" e"
ev z f 5 >&9
wait_for 'grep -q "\"t_us\":5000000" o'
ok "as before" '[ "$(told o)" = "n1 n3 fresh4 fresh5 " ]'
cat >h.yml <<END
rules: [{name: fresh, type: z}]
sinks: [{name: other, type: file, path: $T/desk3}]
silences: sil
END
printf 'author: me\nuntil: 2038-01-01\nrules: fresh\ncameras: g\n' >sil/one.yml
kill -HUP $pid
wait_for 'grep -q "read again, 1 rules" e'
{ ev z f 6; ev z g 7; } >&9
wait_for '[ -s desk3 ] && grep -q "\"silenced\"" o'
ok "other sinks, and a silence" '[ "$(jq -r .data.t_us desk3)" = 6000000 ] && [ "$(jq -r .data.t_us desk2 | tail -n 1)" = 5000000 ]'
# in the sandbox, too, what rules name can be read: a list that has grown, a time zone
mkdir lists
echo AB123CD >lists/plates
sed '1s/.*/rules: [{name: fresh, type: z, match: {data.p: {listed: {file: lists\/plates}}}}]/' h.yml >h2
cb-alert -v -c h2 --state hup2 --live <pipe2 >o2 2>e2 &
pid2=$!
exec 8>pipe2
ev z f 8 '"p":"XY999Z"' >&8
wait_for 'catches $pid2 && grep -q sandbox e2'
echo XY999Z >>lists/plates
zone=
[ ! -e /usr/share/zoneinfo/Asia/Tokyo ] || zone='timezone: Asia/Tokyo'
{ echo "$zone"; cat h2; } >h3 && mv h3 h2
kill -HUP $pid2
wait_for 'grep -q "read again\|go on" e2'
ev z f 9 '"p":"XY999Z"' >&8
wait_for 'grep -q "\"t_us\":9000000" o2'
ok "a list and a time zone are read again" '[ "$(told o2)" = "fresh9 " ]' || note "$(cat e2)"
kill -TERM $pid2
wait $pid2
exec 8>&-
kill -TERM $pid
st=0
wait $pid || st=$?
exec 9>&-
ok "and it ends well" '[ $st -eq 0 ]' || note "$st $(cat e)"
valid_events o

# --- while nothing comes, time goes on
cat >l.yml <<END
rules: [{name: silent, kind: flatline, type: x, within: 300ms}]
sinks: [{name: desk, type: file, path: $T/desk4}]
routes: [{sinks: desk, group_wait: 200ms, resolved: true}]
END
cb-alert -c l.yml --state live --live <pipe >o 2>e &
pid=$!
exec 9>pipe
ev x f 100 >&9
ok "silence is told though nothing comes" 'wait_for "[ -s desk4 ]"' || note "$(cat o e)"
ok "at its time" '[ "$(jq -r "select(.type == \"cb.alert\").data.t_us" o)" = 100300000 ] && [ "$(jq -r "select(.data.decision == \"queued\").data.t_us" o)" = 100500000 ]' || note "$(cat o)"
kill -TERM $pid
wait $pid
exec 9>&-

# and after a restart, though nothing ever comes again
rm -f desk4
ev x f 100 >in
exits 0 cb-alert -c l.yml --state again <in
ok "not yet" '[ -z "$(told out)" ] && [ ! -e desk4 ]'
cb-alert -c l.yml --state again --live <pipe >o 2>e &
pid=$!
exec 9>pipe
ok "after a restart silence goes on" 'wait_for "[ -s desk4 ]" && [ "$(jq -r "select(.type == \"cb.alert\").data.rule" o)" = silent ]' || note "$(cat o e again/memory.ndjson)"
kill -TERM $pid
wait $pid
exec 9>&-

# --- who listens to stdout leaves, or it is full: what is known is kept
printf 'rules: [{name: n, kind: new, type: x, field: data.p}]\nsinks: [{name: d, type: file, path: %s/desk5}]\nroutes: [{sinks: d, group_wait: 1h}]\n' "$T" >p.yml
for s in 1 2 3 4 5; do ev x f $s "\"p\":$s"; done >few
exits 74 sh -c 'cb-alert -c p.yml --state full --drain 0s <few >/dev/full'
exits 0 cb-alert -c p.yml --state full --drain 0s <few
ok "a full disk: what it did not take is said by the next one, nothing is new a second time, and all wait" '[ "$(told out)" = "n1 n2 n3 n4 n5 " ] && [ "$(jq -c "select(.type == \"cb.alert.account\").data.waiting" out)" -eq 5 ]' || note "$(cat out)"

# --- a storm, killed in its middle
cat >s.yml <<END
rules:
  - {name: any, type: x, data: false, message: "{subject} {data.n}", labels: {kind: "{data.k}"}}
  - {name: noisy, type: y, data: false}
  - {name: few, type: z, data: false, severity: critical}
sinks: [{name: one, type: file, path: $T/s1}, {name: two, type: file, path: $T/s2}]
routes:
  - {sinks: [one, two], rules: any, group_by: [rule, labels.kind], group_wait: 3s, group_interval: 10s}
  - {sinks: one, rules: noisy, limit: {count: 5, within: 1m}}
  - {sinks: two}
inhibit: [{by: {rules: few}, mute: {rules: noisy, cameras: c1}, for: 3s}]
END
/usr/bin/python3 - >storm <<'PY'
import random
random.seed(9)
for i in range(20000):
    print('{"specversion":"1.0","id":"s%d","source":"/t","type":"%s","subject":"c%d","data":{"t_us":%d,"n":%d,"k":"%s"}}'
          % (i, "z" if i % 500 == 0 else random.choice("xxxy"), i % 4, i * 10000, i, random.choice("pqr")))
PY
# what is read of the input before the kill is what was done with: each half is given in full, in a run of its own
head -n 9000 storm >first
tail -n +9001 storm >second
mkfifo storm.pipe
cb-alert -c s.yml --state storm.d --drain 0s <storm.pipe >storm.1 2>e &
pid=$!
{ cat first; sleep 60; } >storm.pipe &
feeder=$!
wait_for 'grep -qs "\"event\":\"s8999\"" storm.1'
kill -9 $pid
wait $pid 2>/dev/null
kill $feeder
exits 0 cb-alert -c s.yml --state storm.d --drain 60s <second
cp out storm.2
awk '/^cat >account.jq/ { on = 1; next } /^END$/ { on = 0 } on' "$CB_SRC/man/cb-alert.1" >account.jq
exits 0 jq -s -f account.jq storm.1 storm.2
ok "every alert of both runs is accounted for" 'jq -e ".right and .in > 20000 and .waiting >= 0 and .delivered > 1000" out >/dev/null' || note "$(cat out)"
note "$(jq -c . out)"
jq -r 'select(.data.decision == "delivered").data.note' storm.1 storm.2 | sort -u >said
cat s1 s2 | jq -r 'if .type == "cb.alert" then .id else .id end' | sort -u >got
ok "what was delivered is there" '[ "$(wc -l <said)" -gt 20 ] && [ "$(wc -l <got)" -gt 20 ]'
ok "no notice twice under another id" '[ "$(cat s1 s2 | jq -r "select(.type == \"cb.alert.notice\").id" | sort | uniq -d | wc -l)" -le 1 ]'
done_testing
