#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-query: what a store holds, as lines and as tables; that it changes nothing.
. "$CB_SRC/tests/lib.sh"
PATH=$CB_BUILD/aid:$PATH
one() { [ "$(wc -l <err)" = 1 ]; }
col() { jq -r "$1" out | tr '\n' ' '; }	# a field of every line

# two cameras: one with two recordings, a change of parameters and a gap; one with events alone
mkstream IPPPGIPPSIPPeE >one.cbf			# 2025-06-15T15:06:40Z
cb-record S --tee <one.cbf | cb-store put S >/dev/null
mkstream -w 1750000100 IPPPPPPE | cb-record S >/dev/null
mkstream -c back -w 1750000300 IPPP | cb-record S >/dev/null 2>&1
ev() { printf '{"specversion":"1.0","id":"%s","source":"/x","type":"%s","time":"%s","subject":"%s","data":{%s}}\n' "$@"; }
{
	ev 1 cb.detection 2025-06-15T10:00:00Z gate '"n":1'
	ev 2 cb.detection.more 2025-06-15T11:00:00.5Z gate '"n":2'
	ev 3 cb.detections 2025-06-15T11:59:59.999999Z gate '"n":3'
	ev 4 cb.detection 2025-06-16T00:00:00Z gate '"n":4,"t_us":1750031999000000'
} | cb-store put S >/dev/null

# --- cameras
exits 0 cb-query S
cp out cameras
ok "cameras: sorted, also one without footage" '[ "$(col .camera)" = "back cam1 gate " ]'
ok "cameras: totals" '[ "$(jq -c "[.segments,.packets,.open,.damaged,.state]" out | tr "\n" " ")" = "[1,4,0,0,\"sealed\"] [3,17,0,0,\"sealed\"] [0,0,0,0,null] " ]'
ok "cameras: from the first packet to the end of the last" '[ "$(jq -c "select(.camera == \"cam1\") | [.from,.to,.from_us,.to_us]" out)" = "[\"2025-06-15T15:06:40.000000Z\",\"2025-06-15T15:08:20.280000Z\",1750000000000000,1750000100280000]" ]'
ok "cameras: bytes are those of the files" '[ "$(jq "select(.camera == \"cam1\") | .bytes" out)" = "$(cat S/cameras/cam1/*/*.mp4 | wc -c)" ]'
exits 0 cb-query S cameras --camera=gate
ok "one camera" '[ "$(jq -c . out)" = "{\"camera\":\"gate\",\"segments\":0,\"open\":0,\"damaged\":0,\"packets\":0,\"bytes\":0}" ]'
exits 0 cb-query S --from=2025-06-15T15:08:00Z --to=2025-06-15T15:09:00Z
ok "a range counts what touches it" '[ "$(jq -c "[.camera,.segments,.packets]" out | tr "\n" " ")" = "[\"back\",0,0] [\"cam1\",1,7] [\"gate\",0,0] " ]'

# --- segments
exits 0 cb-query S segments --camera=cam1
cp out segments
ok "segments: in the order of recording" '[ "$(col .index)" = "0 1 0 " ] && [ "$(col .reason)" = "params end end " ]'
ok "segments: one recording, then another" '[ "$(jq -r .recording out | uniq -c | awk "{ print \$1 }" | tr "\n" " ")" = "2 1 " ]'
ok "segments: paths are paths" 'for f in $(jq -r .segment out); do [ -f "S/$f" ] || exit 1; done'
ok "segments: digests are the manifests'\''" 'jq -r "[.segment,.manifest_sha256] | @tsv" out | while read -r f d; do [ "$(tail -n 1 "S/${f%.mp4}.manifest")" = "digest $d" ] || echo no; done | { ! grep -q no; }'
ok "segments: fragments and packets" '[ "$(jq -c "[.fragments,.packets,.gaps]" out | tr "\n" " ")" = "[2,7,1] [1,3,0] [1,7,0] " ]'
t=2025-06-15T15:06:40
for range in "--to=${t}Z:" "--to=${t}.000001Z:0" "--from=${t}.4Z:1 0" "--from=${t}.399Z:0 1 0" \
	"--from=${t}.1Z --to=${t}.2Z:0" "--from=2025-06-16:" "--from=@1750000100 --to=@1750000100.2:0" \
	"--from=1970-01-01 --to=2261-12-31:0 1 0" "--from=2025-06-15T17:06:40.3+02:00 --to=2025-06-15T17:07:00+02:00:0 1"; do
	# shellcheck disable=SC2086  # two options
	cb-query S segments --camera=cam1 ${range%:*} >out 2>err
	_want=${range##*:}
	ok "segments ${range%:*}: ${_want:-none}" '[ "$(col .index)" = "$_want${_want:+ }" ]'
done

# --- gaps
exits 0 cb-query S gaps
cp out gaps
ok "gaps: the source's, and the time between two recordings" '[ "$(jq -c "[.camera,.reason,.packets]" out | tr "\n" " ")" = "[\"back\",\"cut\",0] [\"cam1\",\"source\",3] [\"cam1\",\"store\",0] " ]'
ok "gaps: their times" '[ "$(jq -c "select(.reason == \"store\") | [.from,.to]" out)" = "[\"2025-06-15T15:06:40.520000Z\",\"2025-06-15T15:08:20.000000Z\"]" ]' || note "$(cat out)"
exits 0 cb-query S gaps --camera=cam1 --from=2025-06-15T15:07:00Z --to=2025-06-15T15:07:01Z
ok "gaps: one that spans the range" '[ "$(col .reason)" = "store " ]'

# --- events
exits 0 cb-query S events --camera=cam1
cp out events
grep -v /mkstream out >own; valid_events own
cat S/cameras/cam1/*/*.events >stored
same_file stored out "events: the bytes that were stored"
exits 0 cb-query S events --camera=gate --type=cb.detection
ok "--type: that type, and those below it" '[ "$(col .id)" = "1 4 2 " ] || [ "$(col .id)" = "1 2 4 " ]' || note "$(cat out)"
exits 0 cb-query S events --camera=gate --type=cb
ok "--type: all below" '[ "$(wc -l <out)" = 4 ]'
exits 0 cb-query S events --camera=gate --type=detection
ok "--type: none is no error" '[ ! -s out ] && [ ! -s err ]'
exits 0 cb-query S events --camera=gate --from=2025-06-15T11:00:00.5Z --to=2025-06-15T11:59:59.999999Z
ok "events: from inclusive, to exclusive" '[ "$(col .id)" = "2 " ]'
exits 0 cb-query S events --from=2025-06-15T23:00:00Z --to=2025-06-16
ok "events: data.t_us counts, not time" '[ "$(col .id)" = "4 " ]'

# --- the index changes nothing
for v in cameras segments gaps events; do cb-query S $v --no-index >"plain.$v"; done
cb-store reindex S
for v in cameras segments gaps events; do
	cb-query S $v >"indexed.$v"
	same_file "plain.$v" "indexed.$v" "$v: the same with an index"
	cb-query S $v --from=2025-06-15T15:06:40.2Z --to=2025-06-15T15:08:20.1Z >a
	cb-query S $v --from=2025-06-15T15:06:40.2Z --to=2025-06-15T15:08:20.1Z --no-index >b
	same_file a b "$v of a range: the same with an index"
done
mkstream -w 1750000400 IPPE | cb-record S >/dev/null
cb-query S segments >a; cb-query S segments --no-index >b
same_file a b "recorded since: the same"
ok "recorded since: it is there" '[ "$(wc -l <a)" = 5 ]'
for damage in "truncate -s 100" "truncate -s 0" "dd if=/dev/urandom bs=1 seek=20 count=50 conv=notrunc status=none of="; do
	cp -r S/index index.good
	case $damage in dd*) sh -c "${damage}S/index/segments.mdb" ;; *) sh -c "$damage S/index/segments.mdb" ;; esac
	cb-query S segments >c 2>err
	ok "a damaged index (${damage%% of=}): the same" 'cmp -s a c'
	rm -rf S/index && mv index.good S/index
done
m=$(find S/cameras/back -name '*.manifest')
chmod u+w "$m" && printf 'x' | dd of="$m" bs=1 seek=300 conv=notrunc status=none
cb-query S segments >a; cb-query S segments --no-index >b
same_file a b "a manifest that changed: the index is not believed"

# --- nothing is changed
find S -exec stat -c '%n %s %Y %Z' {} + | sort >before
for v in cameras segments gaps events; do cb-query S $v >/dev/null; done
find S -exec stat -c '%n %s %Y %Z' {} + | sort >after
same_file before after "no file and no time is changed"

# --- damage, and what is being recorded
cp -r S D
chmod u+w D/cameras/cam1/*/*
f=$(jq -r 'select(.index == 1) | .segment' segments)
rm "D/$f"
exits 0 cb-query D segments --camera=cam1
ok "a missing file: damaged" '[ "$(col .state)" = "sealed damaged sealed sealed " ]'
exits 0 cb-query D gaps --camera=cam1
ok "a missing file: a gap that names it" 'grep -q "\"reason\":\"damage\".*segment .* is damaged" out'
echo garbage >"D/${f%.mp4}.manifest"
exits 0 cb-query D segments --camera=cam1
ok "a manifest that is none: damaged, with the time of its name" '[ "$(jq -r "select(.state == \"damaged\") | .from" out)" = 2025-06-15T15:06:40.000000Z ]'
: >D/cameras/cam1/2025-06-15/noise; mkdir D/cameras/cam1/junk "D/cameras/cam1/2025-06-15/150640-000000000000.mp4"
exits 0 cb-query D segments --camera=cam1
printf 'no event\n{"a":' >>D/cameras/cam1/2025-06-15/15.events
exits 0 cb-query D events --camera=cam1
ok "lines that are no events: said, by number, and left out" '[ "$(wc -l <err)" = 2 ] && grep -q "15.events: line [0-9]* is no event" err && ! grep -q "no event" out'
mkfifo hold
cb-record O --sync-interval=0 <hold >/dev/null 2>&1 & pid=$!
exec 9>hold
mkstream IPPPPPPPPPPPPPIPPPPPPPPPPPPPI >&9
_i=0
until cb-query O segments 2>/dev/null | grep -q '"fragments":2' || [ $_i = 100 ]; do sleep 0.05; _i=$((_i + 1)); done
exits 0 cb-query O segments
ok "open: as far as its manifest goes, .part in its name" '[ "$(jq -c "[.state,.packets,.reason,has(\"manifest_sha256\")]" out)" = "[\"open\",28,\"open\",false]" ] && jq -r .segment out | grep -q "mp4.part$"'
exits 0 cb-query O
ok "open: the camera says so" '[ "$(jq -c "[.state,.open]" out)" = "[\"open\",1]" ]'
exec 9>&-
wait $pid || :

# --- tables
exits 0 cb-query S --format=table
ok "table: a head, and a line a camera" '[ "$(wc -l <out)" = 4 ] && [ "$(head -n 1 out | tr -s " ")" = "CAMERA FROM TO SEGMENTS BYTES STATE" ]'
ok "table: milliseconds" 'grep -q "^back  *2025-06-15T15:11:40.000Z 2025-06-15T15:11:40.160Z  *1 " out'
ok "table: nothing known is a dash" 'grep -q "^gate  *- .* - .* 0 .* 0 -$" out'
exits 0 cb-query S segments --format=table --camera=back
exits 0 cb-query S events --format=table --type=nothing
ok "table: of nothing is nothing" '[ ! -s out ]'
evil=$(printf '\033]0;x\007\033[31mred \302\233 \342\200\256 \344\272\272')
ev 9 "$(printf 'evil.\\u001b[2J\\u009b')" 2025-06-15T12:00:00Z gate "\"t\":\"$(printf %s "$evil" | tr -d '\033\007')\"" | cb-store put S >/dev/null
mkstream -c evil IPPGE >g.cbf
mkdir -p T && cp -r S/format T/ && cb-record T <g.cbf >/dev/null
m=$(find T -name '*.manifest')
chmod u+w "$m" && sed -i 's/the%20source%20was%20away/%1B[2J%C2%9B%E2%80%AE%E4%BA%BA/' "$m"
cb-query T gaps --format=table >out
ok "table: hostile text in a gap steers no terminal" 'grep -q "?\[2J" out && ! LC_ALL=C grep -q "$(printf "\033\|\302\233\|\342\200\256")" out && grep -q "$(printf "\344\272\272")" out'
cb-query S events --format=table --type=evil >out
ok "table: hostile text in an event steers no terminal" '[ "$(wc -l <out)" = 2 ] && ! LC_ALL=C grep -q "$(printf "\033\|\302\233\|\342\200\256\|\007")" out'
if command -v script >/dev/null; then
	tty() {	# WIDTH ARGS: what a terminal of so many columns shows, in out
		_w=$1
		shift
		script -qec "stty cols $_w rows 50; cb-query $*" /dev/null </dev/null 2>/dev/null | tr -d '\r' >out
	}
	widest() { awk '{ if (length($0) > w) w = length($0) } END { print w + 0 }' out; }
	tty 200 S
	cb-query S --format=table >want
	same_file want out "on a terminal: a table"
	for w in 200 100 80 60 40 20; do
		for v in cameras segments gaps events; do
			tty $w S $v --camera=cam1
			case $v.$w in
			cameras.80|cameras.[12]00|segments.200|gaps.[12]00|events.80|events.[12]00)
				ok "$v at $w columns: a table that fits" '[ "$(widest)" -le $w ] && head -n 1 out | grep -q " TYPE \| FROM "' || note "$(cat out)" ;;
			*)
				ok "$v at $w columns: blocks" '[ "$(grep -c "^CAMERA  *cam1$" out)" -ge 1 ] && ! head -n 1 out | grep -q "CAMERA.*FROM"' || note "$(cat out)" ;;
			esac
		done
	done
	tty 80 S events --camera=cam1
	ok "a cut cell says so" 'grep -q "[^ ]\.\.\.$" out'
	tty 60 S segments --camera=cam1
	ok "blocks: nothing is cut, an empty line between two" '! grep -q "\.\.\.$" out && [ "$(grep -c "^$" out)" = 3 ] && [ "$(grep -c "^SEGMENT  *cameras/cam1/.*mp4$" out)" = 4 ]'
	tty 100 S --format=ndjson
	cb-query S >want
	same_file want out "--format=ndjson on a terminal"
	tty 90 T gaps
	ok "wide characters count twice" '[ "$(widest)" -le 90 ]'
else
	skip "no script(1)" 29
fi
# a table longer than what is held for its widths
i=0
while [ $i -lt 1200 ]; do ev "$i" t 2025-06-15T12:00:00Z many "\"i\":$i"; i=$((i + 1)); done | cb-store put N >/dev/null
exits 0 cb-query N events --format=table
ok "1200 rows" '[ "$(wc -l <out)" = 1201 ] && [ "$(awk "{ print \$4 }" out | tail -n 1000 | head -n 1)" = "{\"i\":200}" ]'

# --- what is not there, or not ours
exits 66 cb-query nowhere
ok "no store: one line that names it" 'one && grep -q "^cb-query: nowhere: " err'
mkdir empty
exits 65 cb-query empty
ok "an empty directory is no store" one
echo "cb-store 1" >empty/format
for v in cameras segments gaps events; do
	exits 0 cb-query empty $v
	ok "an empty store: no $v" '[ ! -s out ] && [ ! -s err ]'
done
exits 66 cb-query empty --camera=cam1
exits 66 cb-query S --camera=nobody
ok "no such camera: one line" 'one && grep -q "no camera nobody" err'
mkdir new && echo "cb-store 2" >new/format
exits 65 cb-query new
ok "a newer version: one line, with both numbers" 'one && grep -q "version 2.*version 1" err'
echo "cb-store 99999999999999999999" >new/format
exits 65 cb-query new
printf 'cb-store 1' >new/format
exits 65 cb-query new
head -c 5000 /dev/zero >new/format
exits 65 cb-query new
rm new/format && mkdir new/format
exits 65 cb-query new
rmdir new/format && ln -s ../S/format new/format
exits 66 cb-query new
ok "a format that is a link: one line" one
exits 66 cb-query one.cbf
ln -s "$T/S" link
exits 0 cb-query link
if [ "$(id -u)" = 0 ]; then
	# root reads everything; without its capabilities it does not
	if command -v setpriv >/dev/null && setpriv --reuid=65534 --clear-groups true 2>/dev/null; then
		chmod 755 "$T"
		as() { setpriv --reuid=65534 --clear-groups "$@"; }
	else
		as() { return 99; }
	fi
else
	as() { "$@"; }
fi
if as true; then
	cp -r S P && chmod -R go+rX P && chmod 000 P/cameras/cam1
	_st=0; as "$CB_BUILD/bin/cb-query" P >out 2>err || _st=$?
	ok "a camera that may not be read: 77, one line, named ($_st)" '[ $_st = 77 ] && one && grep -q "cam1: Permission denied" err'
	chmod 755 P/cameras/cam1 && chmod 000 P
	_st=0; as "$CB_BUILD/bin/cb-query" P >out 2>err || _st=$?
	ok "a store that may not be read: 77, one line ($_st)" '[ $_st = 77 ] && one'
	chmod 755 P
else
	skip "root can read anything" 2
fi

# --- usage, output
for a in "" "S nothing" "S cameras more" "S --from=yesterday" "S --from=2025-01-02 --to=2025-01-01" \
	"S --camera=../x" "S --type=x" "S segments --type=x" "S --format=xml"; do
	# shellcheck disable=SC2086
	exits 64 cb-query $a
done
st=0; cb-query S >/dev/full 2>err || st=$?
ok "/dev/full: 74, one line" '[ $st = 74 ] && one'
st=0; cb-query N events >/dev/full 2>err || st=$?
ok "/dev/full, much: 74, one line" '[ $st = 74 ] && one'
st=0; cb-query S --format=table >/dev/full 2>err || st=$?
ok "/dev/full, a table: 74, one line" '[ $st = 74 ] && one'
st=0; cb-query S >&- 2>err || st=$?
ok "closed stdout: 74, one line" '[ $st = 74 ] && one'
st=0; cb-query S <&- >out 2>err || st=$?
ok "closed stdin: it reads none" '[ $st = 0 ] && [ -s out ] && [ ! -s err ]'
st=0; { cb-query N events; echo $? >code; } 2>err | head -n 1 >/dev/null
ok "a reader that leaves: no word" '[ ! -s err ]'
done_testing
