#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-event(5) and its schema: every example of the page is valid, every type is in both, and the
# schema refuses what it should.
. "$CB_SRC/tests/lib.sh"
schema=$CB_SRC/schema/cb-event.schema.json
page=$CB_SRC/man/cb-event.5

# the examples, each joined to the one line that it is
awk '/^\.Bd -literal$/ { on = 1; line = ""; next }
	/^\.Ed$/ && on { print line; on = 0; next }
	on { sub(/^ +/, ""); line = line $0 }' "$page" >lines
ok "the page has examples" '[ "$(wc -l <lines)" -ge 12 ]'
valid_events lines
jq -r .type lines | sort -u >in-lines
jq -r '."$defs" | keys[] | select(startswith("cb."))' "$schema" | sort >in-schema
sed -n 's/^\.Ss \(cb\.[a-z.]*\)$/\1/p' "$page" | sort >in-page
same_file in-schema in-page "types of the schema and of the page"
same_file in-schema in-lines "and of its examples"
jq -r '.allOf[].if.properties.type.const' "$schema" | sort >in-if
same_file in-schema in-if "and of the conditions in the schema"

# every member of a type is named in the page: those of its section, or of the section it refers to
/usr/bin/python3 - "$schema" "$page" >missing <<'PY'
import json, re, sys
defs = json.load(open(sys.argv[1]))["$defs"]
page = open(sys.argv[2]).read()
sections = dict(re.findall(r"^\.Ss (cb\.[a-z.]+)\n(.*?)(?=^\.S[sh] )", page, re.S | re.M))
for name, d in defs.items():
    if not name.startswith("cb."):
        continue
    text = sections.get(name, "")
    for other in re.findall(r"cb\.[a-z]+\.[a-z]+", text):
        text += sections.get(other, "")
    for key in d["properties"]["data"]["properties"]:
        if key != "t_us" and not re.search(r"^\.It Sy .*\b%s\b" % key, text, re.M):
            print(name, key)
PY
ok "every member stands in the page" '[ ! -s missing ]' || note "$(cat missing)"

# the scanner takes them, and so does every rule
printf 'rules:\n  - {name: any, type: "*", message: "{type}"}\n' >r.yml
exits 0 cb-alert -c r.yml --pass <lines
grep -v '"rule":"any"' out >passed
same_file lines passed "passed on byte for byte"
ok "one alert each" '[ "$(grep -c "\"rule\":\"any\"" out)" -eq "$(wc -l <lines)" ]'
valid_events out

# a validator that takes everything would take these: changed examples, and lines that are none
changed() {	# JQ-EXPRESSION [TYPE]
	jq -c "select(.type == \"$2\" or \"$2\" == \"\") | $1" lines >more
	[ -s more ] || note "no example for $1"
	cat more >>bad
	changes=$((changes + 1))
}
changes=0
changed '.data.t_us = "1"'
changed '.data.surprise = 1'
changed 'del(.data.t_us)'
changed 'del(.time)'
changed '.id = "x"'
changed 'del(.data)'
changed 'del(.specversion)'
changed 'select(.type | startswith("cb.alert") | not) | .subject = "-x"'
changed '.data.objects[0].box[4] = 1' cb.detection
changed '.data.objects[0].score = 1.1' cb.detection
changed '.data.packet |= ascii_upcase' cb.detection
changed '.data.severity = "loud"' cb.alert
changed '.data.segment = "/etc/passwd"' cb.segment.closed
for line in '{}' '[]' '{"specversion":"1.0","id":"","source":"/x","type":"x","data":{}}' \
	'{"specversion":"1.0","id":"1","source":"/x","type":"x","type":"x","data":{}}' \
	'{"specversion":"1.0","id":"1","source":"/x","type":"x","data":{"a":NaN}}' \
	'{"specversion":"1.0","id":"1","source":"/x","type":"x","data":[]}'; do
	printf '%s\n' "$line" >>none
done
cat none >>bad
n=$(wc -l <bad)
ok "enough of them" '[ "$n" -ge $((8 * $(wc -l <lines) + 5)) ]'
exits 1 /usr/bin/python3 "$CB_SRC/tests/schema-validate.py" bad
ok "all are refused" 'grep -qx "bad: $n of $n lines are not valid events" out' || note "$(tail -n 1 out)"
exits 65 cb-alert -c r.yml <none
ok "and what is no event is none for the scanner" 'grep -q "stdin: 6 of 6 lines are no events" err && [ ! -s out ]'
printf '{"specversion":"1.0","id":"1","source":"/x","type":"door.open","data":{"any":[1]}}\n' >own
valid_events own
: >empty
ok "an empty file proves nothing" '! /usr/bin/python3 "$CB_SRC/tests/schema-validate.py" empty >why'

# the scanner accepts what Python's accepts with the page's rules on top, and nothing else
/usr/bin/python3 - <<'PY'
import json, random
base = '{"specversion":"1.0","id":"1","source":"/x","type":"t","data":{"v":%s}}'
values = r"""0 -0 01 1. .1 1e 1e5 1E+5 1e400 1e-400 123456789012345678901234567890 0x1 +1 NaN -Infinity
True null nul "" "\u0000" "\ud800" "\udc00" "\ud83d\ude00" "\uD83D\uDE00" "\ud83d\u0041" "\x" "\u12" "\" 'a'
[] [,] [1,] [,1] [1,,2] {} {"a"} {"a":} {"a":1,} {,} {"a":1,"a":2} {"a":1,"\u0061":2} {"\u0061":1,"\u0061":2}
{"\u00e9":1,"é":2} {"\ud83d\ude00":1,"😀":2} {"":1,"":2} {"a":{"a":1}} {1:2} {'a':1} [1 1//c /**/1 [1]] {}}
"é" 1_0 -0.0 0e0 00 - 1e+ 1.5.5 "\/" "\b\f\n\r\t" "\a" "\v" "\0" falsee tru""".split()
values += ['"a\tb"', '"a\x7fb"', '"\x85"', '"\ufeff"', '\ufeff1', ' 1 ', '\t1', '\r1', '\x0b1', '\x0c1', '\xa01',
           '"a\rb"', '1\r', '"a\0b"', '\0', '1 x', '\u0663', '[1 2]', '"\\ud83d \\ude00"']
values += ['[' * n + ']' * n for n in (1, 13, 14, 15, 16, 1000)]
lines = [(base % v).encode() for v in values]
whole = base % '1'
lines += [b'\xef\xbb\xbf' + whole.encode(), whole.encode() + b'\r', whole.encode('utf-16-le')]
lines += [(base % ('"%s"' % v)).encode('latin1') for v in
          ('\xff', '\xc0\x80', '\xed\xa0\x80', '\xf4\x90\x80\x80', '\xf0\x9f\x98\x80', '\xe0\x80\x80', '\xc2')]
random.seed(1)
bits = ['"', '\\', 'u', '0', 'd', '8', 'e', '{', '}', '[', ']', ':', ',', '1', '-', '.', 'E', '+', ' ', '\t', 'é',
        'true', 'null', '"a"', '"b":', '\\u0061', '\\ud83d', '\\ude00', '9']
for _ in range(4000):
    lines.append((base % ''.join(random.choice(bits) for _ in range(random.randint(1, 9)))).encode())
good = [(base % v).encode() for v in ('{"a":1,"b":[1,2,{"c":"\\u00e9x"}]}', '[1.5e3,-0.1,"\\ud83d\\ude00",true]')]
for _ in range(4000):
    b = bytearray(random.choice(good))
    k = random.randrange(60, len(b))
    b[k:k + random.randint(0, 1)] = random.choice([b'', bytes([random.randrange(256)]),
                                                   bytes([random.choice(b'"\\{}[]:,029eE+-.u \t')])])
    lines.append(bytes(b))
lines = [x for x in lines if b'\n' not in x]

def pairs(items):
    if len(dict(items)) != len(items):
        raise ValueError
    return dict(items)

def constant(name):
    raise ValueError

def walk(v, depth):
    if isinstance(v, str):
        v.encode()		# no lone surrogates
        if '\0' in v:
            raise ValueError
    if isinstance(v, (dict, list)):
        if depth == 16:
            raise ValueError
        for x in v:
            walk(x, depth + 1)
        for x in v.values() if isinstance(v, dict) else []:
            walk(x, depth + 1)

def event(line):
    try:
        v = json.loads(line.decode(), object_pairs_hook=pairs, parse_constant=constant)
        walk(v, 0)
        return v.get("specversion") == "1.0" and isinstance(v.get("data"), dict) and \
            all(isinstance(v.get(k), str) and v[k] for k in ("id", "source", "type"))
    except (ValueError, UnicodeError, RecursionError, AttributeError):
        return False

open("json.in", "wb").write(b"".join(x + b"\n" for x in lines))
open("json.want", "wb").write(b"".join(x + b"\n" for x in lines if event(x)))
PY
printf 'rules:\n  - {name: any, type: "never", message: "x"}\n' >never.yml
exits 65 cb-alert -c never.yml --pass <json.in
ok "some are events, most are not" '[ "$(wc -l <out)" -gt 100 ] && [ "$(wc -l <out)" -lt $(($(wc -l <json.in) / 2)) ]'
same_file json.want out "the same lines are events for Python and for the scanner"
done_testing
