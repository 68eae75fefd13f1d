#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Proofs made by a script that knows RFC 6962 alone, all of them up to 130 entries, verified here.
. "$CB_SRC/tests/lib.sh"
PATH=$CB_BUILD/aid:$PATH

/usr/bin/python3 - >proofs <<'PY'
import hashlib

N = 130
H = lambda b: hashlib.sha256(b).digest()
leaves = [H(b"\0" + b"entry %d" % i) for i in range(N)]
known = {}

def root(a, b):
    """MTH of leaves a to b (2.1)"""
    if (a, b) not in known:
        if b == a:
            known[a, b] = H(b"")
        elif b - a == 1:
            known[a, b] = leaves[a]
        else:
            k = 1 << (b - a - 1).bit_length() - 1
            known[a, b] = H(b"\1" + root(a, a + k) + root(a + k, b))
    return known[a, b]

def path(m, a, b):
    """PATH(m, D[a:b]) (2.1.1)"""
    if b - a == 1:
        return []
    k = 1 << (b - a - 1).bit_length() - 1
    return path(m, a, a + k) + [root(a + k, b)] if m < k else path(m - k, a + k, b) + [root(a, a + k)]

def subproof(m, a, b, whole):
    """SUBPROOF(m, D[a:b], whole) (2.1.2)"""
    if m == b - a:
        return [] if whole else [root(a, b)]
    k = 1 << (b - a - 1).bit_length() - 1
    if m <= k:
        return subproof(m, a, a + k, whole) + [root(a + k, b)]
    return subproof(m - k, a + k, b, False) + [root(a, a + k)]

for n in range(1, N + 1):
    for m in range(1, n + 1):
        print("C", m, n, root(0, m).hex(), root(0, n).hex(), *[h.hex() for h in subproof(m, 0, n, True)])
        print("I", m - 1, n, leaves[m - 1].hex(), root(0, n).hex(), *[h.hex() for h in path(m - 1, 0, n)])
PY
ok "8515 pairs of sizes, and as many places" '[ "$(grep -c ^C proofs)" = 8515 ] && [ "$(grep -c ^I proofs)" = 8515 ]'
exits 0 tree <proofs || cat out
note "$(tail -n 1 out)"
ok "all of them" 'grep -q "^17030 proofs, 0 refused, 0 accepted" out'
sed '5000s/[0-9a-f]$/x/' proofs >bad
exits 65 tree <bad
# it can fail: a proof of another pair
awk '$1 == "C" && $2 == 46 && $3 == 100 { $2 = 47 } 1' proofs >bad
exits 1 tree <bad
done_testing
