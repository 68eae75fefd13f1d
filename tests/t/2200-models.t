#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The models that ship: their size, their digests, that cb-detect and cb-model take them; and the
# recipe that made them, for a few steps, where PyTorch is installed.
. "$CB_SRC/tests/lib.sh"
models=$CB_SRC/models
train=$models/train
py=/usr/bin/python3

same_names() { [ "$(grep -c . "$1.names")" -eq "$(sed -n 's/^classes *= *//p' "$1.cfg" | sort -u)" ]; }
small() { [ "$(wc -c <"$1.weights")" -le 1500000 ]; }
card() { grep -q '^## Data' "$1.md" && grep -q '^## Measured' "$1.md" && grep -q '^## What it cannot do' "$1.md"; }

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
else
	skip 'minisign is not installed' 2
fi
n=$(find "$models" -name 'cb-*.cfg' | wc -l)
ok "models there are ($n)" '[ "$n" -ge 3 ]'
for cfg in "$models"/*.cfg; do
	m=${cfg%.cfg} name=$(basename "$cfg" .cfg)
	ok "$name: at most 1.5 MB" 'small "$m"'
	ok "$name: as many names as classes" 'same_names "$m"'
	ok "$name: a card" 'card "$m"'
	exits 0 cb-model check "$cfg"
done

if ! $py -c 'import torch, cv2, numpy, PIL' 2>/dev/null; then
	skip 'the recipe: no python3-torch, python3-opencv, python3-numpy or python3-pil' 14
	done_testing
	exit
fi
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
exits 0 $py "$train/check.py" cb-detect "$models"/*.cfg
ok 'PyTorch and cb-detect find the same boxes' '[ "$(grep -c "largest difference 0\.000" out)" -eq "$n" ]'
note "$(cat out)"

# a small network, on pictures that are drawn: labels are read, anchors fitted, training goes on
# where it was, and cb-detect takes what comes out
$py - <<'EOF'
import os
import random
import cv2
import numpy as np
random.seed(1)
for d in ("set/images", "set/labels", "set/annots"):
    os.makedirs(d)
for i in range(12):
    p = np.full((80, 120, 3), 90, np.uint8)
    x, y, c = random.randrange(10, 80), random.randrange(10, 50), i % 2
    cv2.rectangle(p, (x, y), (x + 23, y + 19), (0, 0, 255) if c else (255, 0, 0), -1)
    cv2.imwrite(f"set/images/{i}.png", p)
    if i % 3:
        open(f"set/labels/{i}.txt", "w").write(f"{c} {(x + 12) / 120} {(y + 10) / 80} {24 / 120} {20 / 80}\n")
    else:
        name = ("blue", "red")[c]
        open(f"set/annots/{i}.xml", "w").write(
            f"<annotation><size><width>120</width><height>80</height></size><object><name>{name}</name><bndbox>"
            f"<xmin>{x}</xmin><ymin>{y}</ymin><xmax>{x + 24}</xmax><ymax>{y + 20}</ymax></bndbox></object></annotation>")
EOF
printf 'blue\nred\n' >net.names
cat >net.cfg <<'EOF'
[net]
width=96
height=64
channels=3
[convolutional]
batch_normalize=1
filters=8
size=3
stride=4
pad=1
activation=leaky
[convolutional]
batch_normalize=1
filters=16
size=3
stride=2
pad=1
activation=mish
[convolutional]
filters=14
size=1
activation=linear
[yolo]
mask=0,1
anchors=10,8, 20,16
classes=2
num=2
EOF
exits 0 $py "$train/data.py" pack set.pack --names net.names set
ok 'YOLO and VOC labels are read' 'grep -q "12 pictures, 12 boxes" out'
exits 0 $py "$train/data.py" pack none.pack --names net.names --drop-like set/images set
ok 'what is in the test set is left out' 'grep -q "0 pictures, 0 boxes.*12 like a test picture" out'
exits 0 $py "$train/train.py" net.cfg net set.pack --anchors 2
ok 'anchors are fitted' 'grep -q "^anchors=[0-9]*,[0-9]*, [0-9]*,[0-9]* # mean overlap [01]\.[0-9]*$" out'
exits 0 $py "$train/train.py" net.cfg net set.pack --steps 40 --every 10 --batch 8 --rate 0.01
ok 'the loss falls' 'awk -F, "NR == 2 { a = \$2 } { b = \$2 } END { exit !(b < a) }" net.csv'
ok 'a curve is drawn' 'grep -q "<polyline" net.svg'
exits 0 $py "$train/train.py" net.cfg net set.pack --steps 60 --every 10 --batch 8 --rate 0.01 --resume
ok 'it goes on where it was' '[ "$(tail -n 1 net.csv | cut -d, -f1)" -eq 60 ] && [ "$(grep -c . net.csv)" -eq 7 ]'
exits 0 $py "$train/check.py" cb-detect net.cfg
done_testing
