#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# lib/nn: networks built as public ones are, scaled down, against a plain reference with each
# instruction set; no primitive may be oneDNN's reference code.
. "$CB_SRC/tests/lib.sh"
aid=$CB_BUILD/aid

mkdir nets
exits 0 "$aid/nn-conform" gen-shapes nets
"$aid/nn-conform" shapes >list
ok 'the list has them all' '[ "$(wc -l <list)" -ge 20 ]'
while read -r shape _; do
	for isa in sse41 avx2 avx512; do
		ok "$shape, $isa" '"$aid/nn-conform" check-shape nets '"$shape $isa"' >out 2>&1 &&
			grep -q "^'"$shape"': 3 networks, " out'
		note "$(tail -n 3 out)"
	done
done <list
done_testing
