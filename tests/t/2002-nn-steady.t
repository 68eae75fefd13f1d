#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# lib/nn once it is under way: our code allocates nothing and nobody takes a lock; what oneDNN
# allocates for a primitive is freed with it and bounded; with one thread a run never enters
# the kernel.
. "$CB_SRC/tests/lib.sh"
sanitized && skip_all 'countcalls.so cannot be preloaded into a sanitizer build'
aid=$CB_BUILD/aid

mkdir nets
exits 0 "$aid/nn-conform" gen-shapes nets
steady() {
	LD_PRELOAD=$aid/countcalls.so "$aid/nn-steady" count "nets/$1.cfg" "nets/$1.weights" "$2" >out 2>&1
}
# the words of the one line: OURS ... THEIRS ... FREED ... LOCKS ... PRIMITIVES
calm() {
	awk '{ exit !($1 == 0 && $6 == $9 && $11 == 0 && $13 > 20 && $6 <= 10 * $13) }' out
}
for net in yolo-fastest-1 yolov3-tiny-1 enet-2 csresnext-0 yolov4-sam-reorg-1 trident-0; do
	for threads in 1 2; do
		ok "$net, $threads threads: no allocation, no lock" 'steady '"$net $threads"' && calm'
		note "$(cat out)"
	done
	_st=0
	"$aid/nn-steady" quiet "nets/$net.cfg" "nets/$net.weights" || _st=$?
	if [ "$_st" -eq 77 ]; then
		skip 'no system call filter here'
	else
		ok "$net: no system call" '[ '"$_st"' -eq 0 ]'
	fi
done
done_testing
