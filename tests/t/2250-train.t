#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# models/train, where PyTorch is installed: pictures of one's own with YOLO's and with VOC's labels, packed,
# trained on for a few steps, gone on with, run by cb-detect, measured, quantised; what cannot be is said.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq
models=$CB_SRC/models
train=$models/train
py=/usr/bin/python3
$py -c 'import torch, cv2, numpy, PIL' 2>/dev/null ||
	skip_all 'no python3-torch, python3-opencv, python3-numpy or python3-pil'
OMP_NUM_THREADS=1
export OMP_NUM_THREADS

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
    cv2.imwrite(f"set/images/{i}.jpg", p)
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
exits 0 $py "$train/data.py" pack moved.pack --names net.names --edges 0.5,0,0,-0.25 set
ok 'edges of boxes are moved' '$py -c "
import numpy
a, b = (numpy.load(n + \".pack.npz\")[\"rows\"] for n in (\"set\", \"moved\"))
assert numpy.allclose(b[:, 3:5], a[:, 3:5] * [1.5, 0.75]) and numpy.allclose(b[:, 1:3], a[:, 1:3] - a[:, 3:5] * [0.25, 0.125])"'
ok 'what half overlaps a doubtful box is left alone, what overlaps a sure one so is not' '$py - "$train" net.cfg <<EOF
import sys, types
sys.path.insert(0, sys.argv[1])
import torch
from darknet import Net
from train import loss_of
net = Net(sys.argv[2])
o = types.SimpleNamespace(match=0.4, smooth=0.0, focal=0.0)
for sure, taught in ((0.0, False), (1.0, True)):
    head = torch.zeros(1, 14, 8, 12, requires_grad=True)
    # the second anchor in this cell is 20x16 at (44, 28); the box is three times as large, and in another cell
    rows = torch.tensor([[0, 0, 52 / 96, 28 / 64, 40 / 96, 24 / 64, sure]])
    loss_of(net, [head], rows, 96, 64, o)["obj"].backward()
    assert bool(head.grad[0, 7 + 4, 3, 5] != 0) is taught
    assert head.grad[0, 7 + 4, 0, 0] != 0
EOF'
exits 0 $py "$train/train.py" net.cfg net set.pack --anchors 2
ok 'anchors are fitted' 'grep -q "^anchors=[0-9]*,[0-9]*, [0-9]*,[0-9]* # mean overlap [01]\.[0-9]*$" out'
exits 0 $py "$train/train.py" net.cfg net set.pack --steps 40 --every 10 --batch 8 --rate 0.01
ok 'the loss falls' 'awk -F, "NR == 2 { a = \$2 } { b = \$2 } END { exit !(b < a) }" net.csv'
ok 'a curve is drawn' 'grep -q "<polyline" net.svg'
exits 0 $py "$train/train.py" net.cfg net set.pack --steps 60 --every 10 --batch 8 --rate 0.01 --resume
ok 'it goes on where it was' '[ "$(tail -n 1 net.csv | cut -d, -f1)" -eq 60 ] && [ "$(grep -c . net.csv)" -eq 7 ]'
exits 0 $py "$train/check.py" cb-detect net.cfg
exits 0 $py "$CB_SRC/tests/accuracy/ap.py" labels --data set --names net.names -m net.cfg --json
ok 'it is measured on the same folder' 'jq -e ".pictures == 12 and .boxes == 12 and .AP50 >= 0" out >/dev/null'

# weights of two runs made one, and scores levelled
exits 0 $py "$train/blend.py" net.cfg same.weights net.weights=0.5 net.weights=0.5
same_file same.weights net.weights 'half and half of the same is the same'
exits 0 $py "$train/blend.py" net.cfg low.weights net.weights=1 --level 0.5
ok 'objectness, and nothing else, goes down by what 0.5 is above 0.25' '$py - "$train" net.cfg <<EOF
import sys
sys.path.insert(0, sys.argv[1])
import math
import torch
from darknet import Net
a, b = (Net(sys.argv[2]).load(n + ".weights").convs() for n in ("net", "low"))
d = b[-1].conv.bias - a[-1].conv.bias
assert all(torch.allclose(d[k::7], torch.tensor(-math.log(3) if k == 4 else 0.0), atol=1e-5) for k in range(7))
assert all(torch.equal(x, y) for c, e in zip(a[:-1], b[:-1]) for x, y in zip(c.tensors(), e.tensors()))
EOF'
exits 0 $py "$train/train.py" net.cfg other set.pack --steps 2 --every 1 --batch 2 --seed 2
exits 1 $py "$train/blend.py" net.cfg bad.weights net.weights=0.5 other.weights=0.5
ok 'what cannot be blended is said' 'grep -q "^blend.py: the means and variances differ" err && [ ! -e bad.weights ]'

# the way that README.md has for one's own classes: from a model that ships, with another cfg
exits 0 $py "$train/darknet.py" "$models/cb-objects.cfg" own.cfg 2
ok 'the cfg has other classes, and filters for them' \
	'[ "$(diff "$models/cb-objects.cfg" own.cfg | grep "^>" | sort | uniq -c | tr -s " " | tr "\n" ";")" = " 2 > classes=2; 2 > filters=21;" ]'
cp net.names own.names
exits 0 $py "$train/train.py" own.cfg own set.pack --init "$models/cb-objects.weights" --init-cfg "$models/cb-objects.cfg" \
	--init-classes ';0' --fix 40 --freeze-norm --steps 2 --every 1 --batch 2
ok 'all of the other is taken' 'grep -q "^84 of 84 convolutions" out'
exits 0 $py "$train/check.py" cb-detect own.cfg
# and in 8 bits
ffmpeg -nostdin -v error -pattern_type glob -i 'set/images/*.jpg' -c copy set.mkv
cb-ingest set.mkv >set.cbf
st=0
cb-model quantize net.cfg --calibrate set.cbf -o net8.cbm >out 2>err || st=$?
if [ "$st" -eq 69 ]; then
	skip 'no VNNI here' 2
else
	ok 'it is quantised' '[ "$st" -eq 0 ] && grep -q "\"int8\":" out'
	exits 0 sh -c 'cb-detect -m net8.cbm <set.cbf'
fi

# teachers at two sizes, and what another detector said
mkdir -p more/images more/said
$py -c 'import cv2, numpy; cv2.imwrite("more/images/a.png", numpy.full((80, 120, 3), 90, "uint8"))'
echo '1 0.75 0.25 0.5 0.5 0.9' >more/said/a.txt
exits 0 $py "$train/label.py" --names net.names --teacher net.cfg --sizes 96x64,192x128 --opinion said --sure 0.29 more
ok 'another detector is heard' 'grep -qx "1 0.75000 0.25000 0.50000 0.50000 1" more/labels/a.txt'
exits 0 $py "$train/label.py" --names net.names --teacher net.cfg --opinion said --opinion none --sure 0.29 more
ok 'one that says nothing counts' 'grep -qx "1 0.75000 0.25000 0.50000 0.50000 0" more/labels/a.txt'

sed 's/^activation=mish/activation=cubist/' net.cfg >odd.cfg
exits 1 $py "$train/train.py" odd.cfg odd set.pack
ok 'what cannot be trained is said' '[ "$(cat err)" = "train.py: odd.cfg: layer 1: [convolutional] with activation=cubist cannot be trained" ]'
done_testing
