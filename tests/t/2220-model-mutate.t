#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Models damaged at random (tests/nn/mutate.c): a clear error or a net that works, within the
# memory that lib/nn states. make robustness does more of them.
. "$CB_SRC/tests/lib.sh"
mutate=$CB_BUILD/aid/nn-mutate
ok 'the program is built' '[ -x "$mutate" ]'
base() { "$mutate" "$@" "$CB_SRC"/tests/fuzz/corpus/nn_cfg/* "$CB_SRC"/tests/fuzz/corpus/nn_pack/*; }

exits 0 base -n 1500
note "$(cat out)"
ok 'some are refused and some load' \
	'[ "$(sed "s/.*: \([0-9]*\) refused.*/\1/" out)" -gt 100 ] && [ "$(sed "s/.* \([0-9]*\) of them run.*/\1/" out)" -gt 100 ]'
cp out first
exits 0 base -n 1500
ok 'the same again' '[ "$(sed "s/;.*//" out)" = "$(sed "s/;.*//" first)" ]'
exits 0 base -n 500 -s 2
if sanitized; then
	skip 'memory is not counted in a sanitizer build' 2
else
	exits 1 base -n 50 -m 1000
	ok 'it sees what takes too much' 'grep -q "^case [0-9]*: [0-9]* bytes of memory" out'
fi
done_testing
