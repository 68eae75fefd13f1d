#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-model: info, check, bench, convert there and back, digests that stock tools give too; what
# is not one form of one file is refused; nothing is written over, and nothing half.
. "$CB_SRC/tests/lib.sh"
need_cmd jq tar sha256sum

/usr/bin/python3 "$CB_SRC/tests/smallnet.py"
printf 'thing\r\n\n' >m.names		# kept as it is

# --- convert ---
exits 0 cb-model convert m.cfg -o m.cbm
ok 'says nothing' '[ ! -s out ] && [ ! -s err ]'
mkdir parts back
ok 'tar lists four members' '[ "$(tar tf m.cbm | tr "\n" " ")" = "model.json model.cfg model.names model.weights " ]'
tar xf m.cbm -C parts
for e in cfg weights names; do same_file "parts/model.$e" "m.$e"; done
ok 'model.json says where it comes from' \
	'jq -e --arg c "$(sha256sum <m.cfg | cut -c1-64)" --arg w "$(sha256sum <m.weights | cut -c1-64)" \
		".\"cb-model\" == 1 and .kind == \"float\" and .isa == \"any\" and .names == 1 and
		.source.cfg_sha256 == \$c and .source.weights_sha256 == \$w" parts/model.json >/dev/null'
stock() { tar --format=ustar --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=0644 "$@"; }
members='model.json model.cfg model.names model.weights'
# shellcheck disable=SC2086  # words
stock -C parts -b1 -cf stock.cbm $members
same_file stock.cbm m.cbm 'stock tar makes the same bytes'
exits 0 cb-model convert m.cbm -o back/m.cfg
for e in cfg weights names; do same_file "back/m.$e" "m.$e" "there and back: m.$e"; done
exits 0 cb-model convert back/m.cfg -o back/m.cbm
same_file back/m.cbm m.cbm 'and there again'

exits 73 cb-model convert m.cfg -o m.cbm
ok 'an output that is there is left alone' 'cmp -s m.cbm stock.cbm && grep -q force err'
cp m.cfg old.cfg
rm back/m.cfg
echo mine >back/m.names
exits 73 cb-model convert m.cbm -o back/m.cfg
ok 'also one of three' '[ "$(cat back/m.names)" = mine ] && [ ! -e back/m.cfg ]'
exits 0 cb-model convert --force m.cbm -o back/m.cfg
same_file back/m.names m.names 'unless --force says so'
exits 73 cb-model convert m.cfg -o nowhere/m.cbm
exits 64 cb-model convert m.cfg -o m.tar
exits 64 cb-model convert m.cfg
exits 64 cb-model info m.cfg -o m.cbm
exits 64 cb-model convert m.cbm --weights m.weights -o x.cbm
ok 'no file is left behind' '[ -z "$(find . -name "*.part*")" ] && [ ! -e x.cbm ]'
if sanitized; then
	skip 'faultio.so cannot be preloaded into a sanitizer build' 3
else
	cp m.cbm short.cbm && echo x >>short.cbm
	left=0 half=0 silent=0 faults=0
	for call in write fsync rename malloc; do
		i=1
		while [ "$i" -lt 200 ]; do
			rm -f new.cbm hit
			cp short.cbm new.cbm
			st=0
			FAULT="$call:$i:ENOSPC" FAULT_LOG=$T/hit LD_PRELOAD=$CB_BUILD/aid/faultio.so \
				cb-model convert --force m.cfg -o new.cbm >out 2>err || st=$?
			[ -s hit ] || break
			i=$((i + 1))
			faults=$((faults + 1))
			[ "$st" -ge 64 ] || [ "$call" = malloc ] || silent=$((silent + 1))
			cmp -s new.cbm m.cbm || cmp -s new.cbm short.cbm || half=$((half + 1))
			[ -z "$(find . -name 'new.cbm.*')" ] || left=$((left + 1))
		done
	done
	ok "each fault is noticed ($faults)" '[ "$silent" -eq 0 ] && [ "$faults" -gt 15 ]'
	ok 'what is there is the old file or the new one' '[ "$half" -eq 0 ]'
	ok 'and no temporary one' '[ "$left" -eq 0 ]'
fi

# --- info ---
exits 0 cb-model info m.cbm
cp out info.nd
ok 'a line for each layer and one for the model' '[ "$(wc -l <info.nd)" -eq 3 ] && jq -s . info.nd >/dev/null'
ok 'the layers' 'jq -se ".[0].type == \"convolutional\" and .[0].output == [6,3,3] and .[0].weights == 168 and
	.[0].macs == 6*27*9 and (.[0].code|length) > 0 and .[1].type == \"yolo\"" info.nd >/dev/null'
ok 'the model' 'jq -se --arg d "$(sha256sum <m.cbm | cut -c1-64)" ".[2] | .kind == \"float\" and .input == [3,96,96] and
	.classes == 1 and .layers == 2 and .weights == 168 and .macs == 1458 and .sha256 == \$d and .bytes > 0" info.nd >/dev/null'
exits 0 cb-model info m.cfg --format table
ok 'a table, with the same totals' 'grep -q "^ *LAYER" out && grep -q "^macs *1458$" out && grep -q "^sha256 *[0-9a-f]\{64\}$" out'

# --- digests ---
exits 0 cb-model digest m.cbm stock.cbm
ok 'of one file: as sha256sum says' '[ "$(cat out)" = "$(sha256sum m.cbm stock.cbm)" ]'
exits 0 cb-model digest m.cfg
ok 'of three: as the page says' \
	'[ "$(cut -c1-64 out)" = "$(for f in m.cfg m.weights m.names; do sha256sum <$f; done | sha256sum | cut -c1-64)" ]'
cp m.cbm 'odd
na\me.cbm'
exits 0 cb-model digest 'odd
na\me.cbm'
ok 'an odd name, as sha256sum says' '[ "$(cat out)" = "$(sha256sum odd*)" ]'

# --- check ---
exits 0 cb-model check m.cfg m.cbm
ok 'both good, with digests' 'jq -se "length == 2 and all(.ok and (.sha256|length) == 64)" out >/dev/null'
head -c -1 m.weights >short.weights
cp m.cfg short.cfg
cp m.names short.names
exits 65 cb-model check m.cbm short.cfg m.cfg
ok 'a bad one does not hide the others' 'jq -se "[.[].ok] == [true,false,true] and (.[1].error|test(\"missing\"))" out >/dev/null'
ok 'and is the diagnosis' 'grep -q "^cb-model: short.cfg: .*missing" err'
exits 66 cb-model check nowhere.cfg
exits 66 cb-model check .
printf 'a\nb\n' >two.names
exits 65 cb-model check --names two.names m.cfg
exits 64 cb-model check --names two.names m.cfg m.cfg
exits 64 cb-model check
exits 64 cb-model
exits 64 cb-model frobnicate m.cfg

# --- bench: numbers that make sense; how large they are is not for a test ---
exits 0 cb-model bench --pictures 3 m.cbm
ok 'one thread first; the least is not more than the median' \
	'jq -se ".[0].threads == 1 and all(.pictures == 3 and .min_us > 0 and .min_us <= .median_us and .load_us > 0)" out >/dev/null'
exits 0 cb-model bench --pictures 1 --threads 2 --format table m.cbm
ok 'the threads asked for' '[ "$(sed 1d out | awk "{ print \$1 }")" = 2 ]'
exits 64 cb-model info --threads 2 m.cbm

# --- one form and no other ---
refused() {	# WHAT TEXT: x.cbm is refused, and that is said
	text=$2
	exits 65 cb-model check x.cbm
	ok "$1: $text" 'grep -q -- "$text" err' || _show err
}
# shellcheck disable=SC2086
{
	tar -C parts --format=ustar -b1 -cf x.cbm $members; refused 'owner, time and mode of a person' 'its header'
	stock -C parts -b1 --mode=0600 -cf x.cbm $members; refused 'another mode' 'its header'
	tar -C parts --format=gnu --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=0644 -b1 -cf x.cbm $members
	refused "GNU's form" 'its header'
	stock -C parts -b1 -cf x.cbm model.cfg model.json model.names model.weights; refused 'order' 'stands where'
	stock -C parts -b1 -cf x.cbm model.json model.cfg model.names; refused 'no weights' 'no model.weights'
	stock -C parts -b1 -cf x.cbm model.json model.cfg model.names model.weights model.json; refused 'twice' 'comes after'
	cp parts/model.weights parts/model.int8
	stock -C parts -b1 -cf x.cbm model.json model.cfg model.names model.int8; refused 'another kind' 'says float'
	(cd parts && mv model.cfg real && ln -s real model.cfg)
	stock -C parts -b1 -cf x.cbm $members; refused 'a link' 'its header'
	(cd parts && mv real model.cfg)
	cp parts/model.cfg parts/evil
	stock -C parts -b1 -cf x.cbm model.json evil; refused 'another member' 'evil: no member'
	stock -C parts -cf x.cbm $members
	exits 0 cb-model check x.cbm
	ok 'zeros to a whole record are none' '[ "$(wc -c <x.cbm)" -eq 10240 ]'
	echo x >>x.cbm; refused 'a tail' 'comes after'
	gzip -c m.cbm >x.cbm
	refused 'compressed' 'x.cbm: neither'
}

# --- cb-detect takes it, and says the same ---
if command -v ffmpeg >/dev/null && command -v cb-ingest >/dev/null; then
	ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=160x120:rate=5:duration=1 -c:v libx264 -g 5 -pix_fmt yuv420p clip.mkv
	cb-ingest --camera=c --start-time=2026-01-01 clip.mkv >c.cbf
	exits 0 sh -c 'cb-detect -m m.cbm <c.cbf >one.nd'
	exits 0 sh -c 'cb-detect -m m.cfg <c.cbf >three.nd'
	what='select(.type=="cb.detection").data.objects'
	ok 'the same objects from one file and from three' \
		'[ "$(jq -c "$what" one.nd)" = "$(jq -c "$what" three.nd)" ] && jq -c "$what" one.nd | grep -q thing'
	ok 'cb.run has its digest' '[ "$(jq -r "select(.type==\"cb.run\").data.model_sha256" one.nd | sort -u)" = "$(sha256sum <m.cbm | cut -c1-64)" ]'
	ok 'of three, of cfg and weights' '[ "$(jq -r "select(.type==\"cb.run\").data.model_sha256" three.nd | sort -u)" = "$(cat m.cfg m.weights | sha256sum | cut -c1-64)" ]'
	cb-model digest m.cfg m.cbm >list
	exits 0 sh -c 'cb-detect -m m.cfg --require-signed --models list <c.cbf >listed.nd'
	same_file three.nd listed.nd 'a listed model gives the same bytes'
	exits 64 sh -c 'cb-detect -m m.cbm --names m.names <c.cbf'
	exits 64 sh -c 'cb-detect -m m.cbm --models list <c.cbf'
	sed 2d list >less
	exits 1 sh -c 'cb-detect -m m.cbm --require-signed --models less <c.cbf'
	ok 'one that is not listed is refused before anything comes out' '[ ! -s out ] && grep -q "not listed in less" err'
else
	skip 'no ffmpeg or cb-ingest' 10
fi
done_testing
