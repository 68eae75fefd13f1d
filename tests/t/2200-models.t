#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The models that ship: their size, their digests, that cb-detect and cb-model take them; that PyTorch
# and cb-detect find the same boxes with them, where it is installed.
. "$CB_SRC/tests/lib.sh"
models=$CB_SRC/models
train=$models/train
py=/usr/bin/python3

same_names() { [ "$(grep -c . "$1.names")" -eq "$(sed -n 's/^classes *= *//p' "$1.cfg" | sort -u)" ]; }
small() { [ "$(wc -c <"$1.weights")" -le 1500000 ]; }
# what models/README.md says of cards; and the curve is there
card() {
	for what in '^## Data$' '^## Recipe$' '^## Measured$' '^## What it cannot do$' 'licence' 'Seed [0-9]' '^In 8 bits' \
		'Who[ms].* may ' "](${1##*/}.svg)" 'ap.py '; do
		grep -q -- "$what" "$1.md" || { _diag "$1.md: nothing of $what"; return 1; }
	done
	grep -q '<polyline' "$1.svg"
}

# the list, made again, and its signature; then a copy in which one thing is another
listed() {
	(cd "$1" && cb-model digest ./*.cfg | sed 's/\.cfg$//' && sha256sum ./cb-*.cfg ./cb-*.weights ./cb-*.names) |
		sed 's|\./||' | sort >digests
	grep -v '^#' "$1/SHA256SUMS" | sort | cmp -s - digests
}
signed() {
	cb-model check --require-signed --models "$1/SHA256SUMS" --key "$1/SHA256SUMS.pub" "$1"/*.cfg >out 2>err &&
		{ ! command -v minisign >/dev/null || minisign -qVm "$1/SHA256SUMS" -p "$1/SHA256SUMS.pub" >/dev/null 2>&1; }
}
ok 'the list has the digests of the models and of their files, and no other' 'listed "$models"' ||
	_diag "scripts/sign-models makes it again"
ok 'it is signed, with the key beside it' 'signed "$models"' || _diag "scripts/sign-models signs it"
exits 0 sh -c 'cd "$CB_SRC/models" && sha256sum -c --quiet --ignore-missing SHA256SUMS'
cp -r "$models" copy
ok 'a copy is as good' 'listed copy && signed copy'
printf 'x' >>copy/cb-plates.weights
ok 'a model that changed is noticed' '! listed copy && ! signed copy'
cp "$models/cb-plates.weights" copy
cp copy/cb-plates.cfg copy/cb-other.cfg
cp copy/cb-plates.names copy/cb-other.names
cp copy/cb-plates.weights copy/cb-other.weights
ok 'a model more is noticed' '! listed copy'
rm copy/cb-other.*
echo '# changed' >>copy/SHA256SUMS
ok 'a list that changed and was not signed again is noticed' 'listed copy && ! signed copy'
cp "$models/SHA256SUMS" copy
if command -v minisign >/dev/null; then
	minisign -G -W -p copy/SHA256SUMS.pub -s sec -f >/dev/null
	ok 'another key is noticed' '! signed copy'
	minisign -S -s sec -m copy/SHA256SUMS >/dev/null
	ok 'and right when it signs' 'signed copy'
	# what makes the list: a new key each time, and no secret left anywhere
	mkdir -p tree/scripts tmp
	cp -r "$models" tree/models
	cp "$CB_SRC/scripts/sign-models" tree/scripts
	cp tree/models/cb-plates.cfg tree/models/cb-more.cfg
	cp tree/models/cb-plates.names tree/models/cb-more.names
	cp tree/models/cb-plates.weights tree/models/cb-more.weights
	find tree | sort >before
	exits 0 env TMPDIR="$T/tmp" XDG_RUNTIME_DIR="$T/tmp" tree/scripts/sign-models "$CB_BUILD"
	ok 'sign-models lists, and signs' 'listed tree/models && signed tree/models && grep -q "  cb-more$" tree/models/SHA256SUMS'
	find tree | sort >after
	ok 'with another key, and leaves nothing' '! cmp -s "$models/SHA256SUMS.pub" tree/models/SHA256SUMS.pub &&
		cmp -s before after && [ -z "$(ls tmp)" ]'
	exits 66 tree/scripts/sign-models nowhere
	ok 'what it wants is said' 'grep -q "^sign-models: nowhere/bin/cb-model is not there" err'
else
	skip 'minisign is not installed' 7
fi
n=$(find "$models" -name 'cb-*.cfg' | wc -l)
ok "models there are ($n)" '[ "$n" -ge 4 ]'
for cfg in "$models"/*.cfg; do
	m=${cfg%.cfg} name=$(basename "$cfg" .cfg)
	ok "$name: at most 1.5 MB" 'small "$m"'
	ok "$name: as many names as classes" 'same_names "$m"'
	ok "$name: a card" 'card "$m"'
	exits 0 cb-model check "$cfg"
done

if ! $py -c 'import torch, cv2, numpy, PIL' 2>/dev/null; then
	skip 'the recipe: no python3-torch, python3-opencv, python3-numpy or python3-pil' 2
	done_testing
	exit
fi
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
exits 0 $py "$train/check.py" cb-detect "$models"/*.cfg
ok 'PyTorch and cb-detect find the same boxes' '[ "$(grep -c "largest difference 0\.000" out)" -eq "$n" ]'
note "$(cat out)"

done_testing
