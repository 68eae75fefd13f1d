# SPDX-License-Identifier: Apache-2.0
# The peer of tests/bench/nn.c: OpenCV DNN. nn-opencv.py CFG WEIGHTS [RUNS [THREADS]]
import re
import sys
import time

import cv2
import numpy

cv2.setNumThreads(int(sys.argv[4]) if len(sys.argv) > 4 else 1)
cfg, weights = sys.argv[1:3]
runs = int(sys.argv[3]) if len(sys.argv) > 3 else 50
text = open(cfg).read()
w, h = (int(re.search(r"^%s\s*=\s*(\d+)" % k, text, re.M).group(1)) for k in ("width", "height"))
net = cv2.dnn.readNetFromDarknet(cfg, weights)
net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
net.setPreferableTarget(cv2.dnn.DNN_TARGET_CPU)
blob = numpy.random.default_rng(1).random((1, 3, h, w), dtype=numpy.float32)
names = net.getUnconnectedOutLayersNames()
ms = []
for i in range(-10, runs):
    net.setInput(blob)
    t0 = time.perf_counter()
    net.forward(names)
    if i >= 0:
        ms.append((time.perf_counter() - t0) * 1e3)
ms.sort()
print("%.2f ms median, %.2f best of %d, OpenCV %s" % (ms[len(ms) // 2], ms[0], runs, cv2.__version__))
