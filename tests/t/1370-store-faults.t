#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Those who write to a store: failing calls, kills, power cuts. make faults and make crashstates
# have every point; here are some.
. "$CB_SRC/tests/lib.sh"
PATH=$CB_BUILD/aid:$PATH
TMPDIR=$T
export TMPDIR

if ldd "$CB_BUILD/bin/cb-record" | grep -q asan; then
	skip "strace and a sanitizer's own threads do not go together" 2
	done_testing
	exit
fi
if ! strace -o /dev/null true 2>err; then
	skip "no strace here: $(head -n 1 err)" 2
	done_testing
	exit
fi
_st=0
/usr/bin/python3 "$CB_SRC/tests/storefaults.py" --points 90 --seed "${CB_SEED:-$$}" >out 2>&1 || _st=$?
ok "90 faults in those who write to a store, seed ${CB_SEED:-$$}" '[ $_st = 0 ] && grep -q "^storefaults: 90 points of [0-9]*, 0 failures" out' || note "$(tail -n 5 out)"
_st=0
/usr/bin/python3 "$CB_SRC/tests/crashstates.py" --states 90 --seed "${CB_SEED:-$$}" >out 2>&1 || _st=$?
ok "90 states that a power cut may leave, seed ${CB_SEED:-$$}" '[ $_st = 0 ] && grep -q "^crashstates: [1-9][0-9]* states, of [0-9]* cuts, 0 failures" out' || note "$(tail -n 5 out)"
done_testing
