# SPDX-License-Identifier: Apache-2.0
"""Write yolov3-tiny.cfg, .weights and .names here: the published network's shape at 416 x 416
with random weights. For measuring time, which does not depend on what the weights are."""
import array
import random
import struct

ANCHORS = "10,14, 23,27, 37,58, 81,82, 135,169, 344,319"
text, weights = ["[net]\nwidth=416\nheight=416\nchannels=3\n"], [struct.pack("<iiiq", 0, 2, 0, 0)]
rng = random.Random(1)


def conv(inputs, filters, size, last=False):
    text.append("[convolutional]\n%sfilters=%d\nsize=%d\nstride=1\npad=1\nactivation=%s\n"
                % ("" if last else "batch_normalize=1\n", filters, size, "linear" if last else "leaky"))
    n = inputs * size * size
    # a block of random numbers, repeated: making ten million would take longer than the bench
    # (small ones at the end, so that there are as few boxes as in real pictures)
    block = array.array("f", (rng.gauss(0, ((.01 if last else 2) / n) ** .5) for _ in range(65521)))
    if last:
        parts = array.array("f", [-3] * filters)
    else:
        parts = array.array("f", [rng.gauss(0, .1) for _ in range(filters)] + [1] * filters +
                            [0] * filters + [1] * filters)
    count = filters * n
    while count > 0:
        parts.extend(block[:min(count, len(block))])
        count -= len(block)
    weights.append(parts.tobytes())
    return filters


def yolo(mask):
    text.append("[yolo]\nmask=%s\nanchors=%s\nclasses=80\nnum=6\n" % (mask, ANCHORS))


c = 3
for filters in (16, 32, 64, 128, 256):
    c = conv(c, filters, 3)
    text.append("[maxpool]\nsize=2\nstride=2\n")
c = conv(c, 512, 3)
text.append("[maxpool]\nsize=2\nstride=1\n")
c = conv(conv(c, 1024, 3), 256, 1)
conv(conv(c, 512, 3), 255, 1, True)
yolo("3,4,5")
text.append("[route]\nlayers=-4\n")
conv(c, 128, 1)
text.append("[upsample]\nstride=2\n[route]\nlayers=-1,8\n")
conv(conv(128 + 256, 256, 3), 255, 1, True)
yolo("0,1,2")
open("yolov3-tiny.cfg", "w").write("".join(text))
open("yolov3-tiny.weights", "wb").write(b"".join(weights))
open("yolov3-tiny.names", "w").write("".join("class%d\n" % i for i in range(80)))
