#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The models that came with the programs: the one that cb-detect takes when none is named, others
# by name, found wherever the programs are and held against their list; without them, motion alone.
. "$CB_SRC/tests/lib.sh"
need_cmd jq
PATH=$CB_BUILD/aid:$PATH
models=$CB_SRC/models

mkstream IPE >small.cbf
run() { jq -c 'select(.type=="cb.run").data|[.model,.model_sha256]' "$1" | sort -u; }
exits 0 sh -c 'cb-detect <small.cbf >default.nd'
exits 0 sh -c 'cb-detect -m cb-objects <small.cbf >name.nd'
exits 0 sh -c 'cb-detect -m "$CB_SRC/models/cb-objects.cfg" <small.cbf >path.nd'
same_file name.nd default.nd 'cb-objects is the default'
same_file path.nd default.nd 'and is what its path is'
ok 'the run says which bytes it was' '[ "$(run default.nd)" = "[\"cb-objects.cfg\",\"$(cat "$models/cb-objects.cfg" "$models/cb-objects.weights" | sha256sum | cut -d" " -f1)\"]" ]'
exits 0 sh -c 'cb-detect -m cb-plates <small.cbf >plates.nd'
ok 'another by its name' '[ "$(run plates.nd | cut -c3-15)" = cb-plates.cfg ]'
exits 0 sh -c 'cb-detect --no-objects <small.cbf >none.nd'
ok 'no objects: no model, and none are reported' \
	'[ "$(run none.nd)" = "[null,null]" ] && ! jq -e ".data.objects" none.nd | grep -v null | grep -q .'
exits 0 cb-model check cb-objects cb-plates cb-plate-text
ok 'cb-model takes names, and says them' '[ "$(jq -r .model out | tr "\n" " ")" = "cb-objects cb-plates cb-plate-text " ]'
exits 0 cb-model digest cb-objects cb-plates
ok 'with the digests of the list' '[ "$(cut -c1-66 out | grep -cFf - "$models/SHA256SUMS")" -eq 2 ]'
exits 0 cb-model info cb-plates
exits 0 cb-model convert cb-objects -o own.cbm
exits 0 sh -c 'cb-detect -m own.cbm <small.cbf'

# --- what is no name, and what is there none of
for tool in 'cb-detect -m' 'cb-model check'; do
	for m in cb-nothing 'cb objects' "$(printf 'x%0200d' 1)"; do
		# shellcheck disable=SC2086  # words
		exits 66 $tool "$m"
	done
	# shellcheck disable=SC2086
	exits 66 $tool cb-nothing
	ok 'the path is named' 'grep -q "^${tool%% *}: cb-nothing: /.*/share/cb/models/cb-nothing.cfg: No such file" err'
done
cp "$models/cb-plates.cfg" cb-plates
exits 0 sh -c 'cb-detect -m cb-plates <small.cbf | cmp - plates.nd'
exits 66 cb-detect -m ./cb-plates
ok 'with a slash it is a file' 'grep -q "^cb-detect: ./cb-plates.weights: " err'
exits 64 cb-detect -m cb-objects --names m.names
ok 'a name brings its own names' 'grep -q "^cb-detect: cb-objects: .*its own weights and names" err'
exits 64 cb-detect --no-objects -m cb-objects
exits 64 cb-detect --no-objects --classes person

# --- wherever they are
mkdir -p a/bin a/share/cb
cp "$CB_BUILD/bin/cb-detect" "$CB_BUILD/bin/cb-model" a/bin
exits 66 sh -c 'a/bin/cb-detect <small.cbf'
ok 'where there is none, one line says what was looked for, and what else can be done' \
	'[ "$(grep -c . err)" -eq 1 ] && grep -q "^cb-detect: neither --model nor --no-objects, .*$T/a/share/cb/models/cb-objects.cfg" err'
exits 0 sh -c 'a/bin/cb-detect --no-objects <small.cbf | cmp - none.nd'
cp -r "$models" a/share/cb/models
exits 0 sh -c 'a/bin/cb-detect <small.cbf | cmp - default.nd'
mv a b
ln -s b/bin/cb-detect linked
exits 0 sh -c './linked <small.cbf | cmp - default.nd'

# --- held against the list
in=b/share/cb/models
for f in cfg weights names; do
	cp "$in/cb-objects.$f" kept
	case $f in
	weights) printf '\001' | dd of="$in/cb-objects.$f" bs=1 seek=500000 conv=notrunc 2>/dev/null ;;
	*) printf '\n' >>"$in/cb-objects.$f" ;;
	esac
	exits 1 sh -c 'b/bin/cb-detect <small.cbf'
	ok "$f changed: not what was shipped" 'grep -q "^cb-detect: .*cb-objects.cfg: [0-9a-f]* is not listed in .*$in/SHA256SUMS$" err'
	exits 1 b/bin/cb-model check cb-objects
	[ $f = cfg ] || exits 0 sh -c 'b/bin/cb-detect -m "$PWD/$0/cb-objects.cfg" <small.cbf' "$in"
	cp kept "$in/cb-objects.$f"
done
exits 0 sh -c 'b/bin/cb-detect <small.cbf | cmp - default.nd'
: >empty
exits 1 sh -c 'cb-detect --require-signed --models empty <small.cbf'
mv "$in/SHA256SUMS" kept
exits 66 sh -c 'b/bin/cb-detect <small.cbf'
ok 'without a list there is nothing to hold it against' 'grep -q "/SHA256SUMS: No such file" err'
mv kept "$in/SHA256SUMS"

# --- people and vehicles, in photographs that Debian has
pictures=/usr/share/darknet/data
if [ ! -r "$pictures/person.jpg" ] || ! command -v ffmpeg >/dev/null; then
	skip "no photographs in $pictures (Debian package darknet)" 4
	done_testing
	exit
fi
seen() { jq -r 'select(.type=="cb.detection").data.objects[]|select(.score>=0.4).class' "$1" | sort -u | tr '\n' ' '; }
for p in person dog; do
	ffmpeg -nostdin -v error -i "$pictures/$p.jpg" -c:v copy "$p.mkv"
	exits 0 sh -c "cb-ingest $p.mkv | cb-detect >$p.nd"
	note "$p.jpg: $(seen $p.nd)"
done
ok 'a person' 'case " $(seen person.nd)" in *" person "*) ;; *) false ;; esac'
ok 'a vehicle' 'case " $(seen dog.nd)" in *" car "*|*" truck "*) ;; *) false ;; esac'
done_testing
