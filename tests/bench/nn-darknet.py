# SPDX-License-Identifier: Apache-2.0
# A peer of tests/bench/nn.c: Debian's libdarknet. nn-darknet.py CFG WEIGHTS [RUNS]
import ctypes
import os
import re
import sys
import tempfile
import time

cfg, weights = sys.argv[1:3]
runs = int(sys.argv[3]) if len(sys.argv) > 3 else 5
text = open(cfg).read()
w, h = (int(re.search(r"^%s\s*=\s*(\d+)" % k, text, re.M).group(1)) for k in ("width", "height"))
# it allocates for all pictures of a batch
text = re.sub(r"^(batch|subdivisions)\s*=.*$", r"\1=1", text, flags=re.M)
one = tempfile.NamedTemporaryFile("w", suffix=".cfg")
one.write(text)
one.flush()
lib = ctypes.CDLL("/usr/lib/darknet/libdarknet.so")
lib.load_network.restype = ctypes.c_void_p
lib.load_network.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int]
lib.network_predict.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_float)]
out = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)	# it prints
os.dup2(1, 2)
net = lib.load_network(one.name.encode(), weights.encode(), 0)
picture = (ctypes.c_float * (3 * w * h))(*[i * 7919 % 256 / 255 for i in range(3 * w * h)])
ms = []
for i in range(-1, runs):
    t0 = time.perf_counter()
    lib.network_predict(net, picture)
    if i >= 0:
        ms.append((time.perf_counter() - t0) * 1e3)
ms.sort()
os.write(out, b"%.2f ms median, %.2f best of %d, Debian's darknet\n" % (ms[len(ms) // 2], ms[0], runs))
os._exit(0)
