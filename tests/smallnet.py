# SPDX-License-Identifier: Apache-2.0
"""Write m.cfg, m.weights and m.names here: a detector whose one box says something about a
pixel in the middle of each of its nine fields."""
import random, struct
open("m.cfg", "w").write("""[net]
width=96
height=96
channels=3
[convolutional]
filters=6
size=3
stride=32
pad=1
activation=linear
[yolo]
mask=0
anchors=30,30
classes=1
num=1
""")
random.seed(3)
weights = [random.uniform(-1, 1) for _ in range(6 * 27)]
open("m.weights", "wb").write(struct.pack("<iiiq6f", 0, 2, 0, 0, 0, 0, 0, 0, 4, 4) +
                              struct.pack("<%df" % len(weights), *weights))
open("m.names", "w").write("thing\n")
