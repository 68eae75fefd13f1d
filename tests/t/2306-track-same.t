#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The same tracks whatever the compiler makes of the arithmetic: fused where the CPU can, vectors,
# other orders, another compiler.
. "$CB_SRC/tests/lib.sh"
need_cmd make
/usr/bin/python3 "$CB_SRC/tests/boxes.py" 'noise(0.05)
at([int(40000 * n + (n * 7919 % 13) * 1000) for n in range(400)])
import math
for k in range(12):
    box(lambda n, k=k: 0.45 + 0.4 * math.sin(n / 40 + k), lambda n, k=k: 0.4 + 0.3 * math.cos(n / 55 + k * k),
        w=0.05 + 0.01 * k, score=lambda n, k=k: 0.55 + 0.4 * math.sin(n / 9 + k), cls="ab"[k % 2])' >in
exits 0 cb-track --only --update=0 <in
cp out want
ok "tracks to compare" '[ "$(grep -c "\"cb.track\"" want)" -gt 3000 ]'

same() {	# NAME CC CFLAGS: what computes is compiled anew, the rest is that of the build
	make -s -C "$CB_SRC" O="$T/$1" CC="$2" CFLAGS="$3" WERROR= SANITIZE= "$T/$1/lib/libtrack.a" \
		"$T/$1/obj/cmd/cb-track.o" >log 2>&1
	# shellcheck disable=SC2086,SC2046  # words
	if ! $2 -o "$T/$1/cb-track" "$T/$1/obj/cmd/cb-track.o" "$T/$1/lib/libtrack.a" \
			$(printf "$CB_BUILD/lib/lib%s.a " cli sandbox conf log wire crypto base) \
			$(pkg-config --libs yaml-0.1 nettle libsodium) -lm -pthread >>log 2>&1; then
		ok "$1 builds" false
		note "$(tail -n 5 log)"
		return
	fi
	exits 0 "$T/$1/cb-track" --only --update=0 <in
	same_file want out "$2 $3: the same bytes"
}
if sanitized; then
	skip "built without sanitizers only" 2
elif grep -q '\<fma\>' /proc/cpuinfo && grep -q '\<avx2\>' /proc/cpuinfo; then
	same fused "$CC" "-O3 -march=x86-64-v3"
else
	skip "the CPU has no fused multiply-add" 2
fi
if ! sanitized && command -v clang >/dev/null; then
	same clang clang "-O2"
else
	skip "no clang" 2
fi
done_testing
