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
changed 'select(.type != "cb.alert") | .subject = "-x"'
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
ok "enough of them" '[ "$n" -ge $((8 * $(wc -l <lines) + 9)) ]'
exits 1 /usr/bin/python3 "$CB_SRC/tests/schema-validate.py" bad
ok "all are refused" 'grep -qx "bad: $n of $n lines are not valid events" out' || note "$(tail -n 1 out)"
exits 65 cb-alert -c r.yml <none
ok "and what is no event is none for the scanner" 'grep -q "stdin: 6 of 6 lines are no events" err && [ ! -s out ]'
printf '{"specversion":"1.0","id":"1","source":"/x","type":"door.open","data":{"any":[1]}}\n' >own
valid_events own
: >empty
ok "an empty file proves nothing" '! /usr/bin/python3 "$CB_SRC/tests/schema-validate.py" empty >why'
done_testing
