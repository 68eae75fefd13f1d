#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# lib/nn: every layer type on random networks, and the real models, against a plain reference
# and against Debian's libdarknet, with each instruction set; no primitive may be oneDNN's
# reference code.
. "$CB_SRC/tests/lib.sh"
aid=$CB_BUILD/aid
isas='sse41 avx2 avx512'

mkdir nets
exits 0 "$aid/nn-conform" gen nets
dk=0
if [ -x "$aid/nn-darknet" ]; then
	# it prints to both
	ok 'libdarknet runs the networks' '"$aid/nn-darknet" <nets/jobs >dk.log 2>&1'
	dk=1
else
	skip 'no libdarknet (package darknet): the plain reference only'
fi

"$aid/nn-conform" kinds >list
while read -r kind with; do
	[ "$dk" -eq 1 ] || with=0
	for isa in $isas; do
		ok "$kind, $isa" '"$aid/nn-conform" check nets '"$kind $isa"' >out 2>&1 &&
			grep -q "^'"$kind"': 12 networks, .* '"$with"' with libdarknet" out'
		note "$(tail -n 3 out)"
	done
done <list

# suppression alone, on crowds of random boxes
exits 0 "$aid/nn-conform" boxes boxes.in
if [ "$dk" -eq 1 ]; then
	ok 'libdarknet suppresses them' '"$aid/nn-darknet" boxes boxes.in boxes.dk >dk.log 2>&1'
	exits 0 "$aid/nn-conform" suppress boxes.in boxes.dk
	note "$(cat out)"
else
	skip 'no libdarknet' 2
fi

models=$CB_SHARED/data/models
if [ ! -d "$models" ]; then
	skip "no $models"
	done_testing
	exit
fi
for cfg in "$models"/*.cfg; do
	name=$(basename "$cfg" .cfg)
	w=$(sed -n 's/^width *= *\([0-9]*\).*/\1/p' "$cfg" | head -n 1)
	h=$(sed -n 's/^height *= *\([0-9]*\).*/\1/p' "$cfg" | head -n 1)
	"$aid/nn-conform" input "$w" "$h" 3 in || ok "$name: input" false
	rm -f dk.out
	# the layers that it lacks
	with=0
	if [ "$dk" -eq 1 ] && ! grep -q '^\[scale_channels\]' "$cfg"; then
		echo "$cfg $models/$name.weights in dk.out" >job
		ok "$name: libdarknet runs it" '"$aid/nn-darknet" <job >dk.log 2>&1'
		with=1
	fi
	ok "$name, as this processor likes" '"$aid/nn-conform" model "$cfg" "$models/$name.weights" in auto dk.out >out 2>&1 &&
		grep -q " '"$with"' with libdarknet" out'
	note "$(tail -n 3 out)"
	for isa in sse41 avx2; do
		ok "$name, $isa" '"$aid/nn-conform" model "$cfg" "$models/$name.weights" in '"$isa"' >out 2>&1'
		note "$(tail -n 3 out)"
	done
done

# a picture with things in it, and the boxes that libdarknet finds (green, blue, red: no matter)
dog=/usr/share/darknet/data/dog.jpg
if [ "$dk" -eq 1 ] && [ -r "$dog" ]; then
	exits 0 ffmpeg -v error -nostdin -i "$dog" -vf scale=320:320 -pix_fmt gbrpf32le -f rawvideo -y in
	cfg=$models/yolo-fastest-1.1-xl.cfg
	echo "$cfg ${cfg%.cfg}.weights in dk.out" >job
	ok 'a photograph: libdarknet runs it' '"$aid/nn-darknet" <job >dk.log 2>&1'
	ok 'a photograph: the same boxes, and some' '"$aid/nn-conform" model "$cfg" "${cfg%.cfg}.weights" in auto dk.out >out 2>&1 &&
		grep -q "1 with libdarknet, [1-9][0-9]* boxes" out'
	note "$(tail -n 3 out)"
else
	skip "no libdarknet, or no $dog" 3
fi
done_testing
