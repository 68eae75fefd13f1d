#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A camera whose description, answers, framing and packets are spoilt at random (tests/rtsp/mangle.py): no
# crash, no hang, and what comes out is a frame stream. CB_CASES=N for more (make robustness: 3000).
. "$CB_SRC/tests/lib.sh"

exits 0 "$CB_SRC/tests/rtsp/mangle.py" "${CB_FIRST:-0}" "${CB_CASES:-40}"
note "$(cat out)"
ok "most of them delivered media all the same" 'awk "{ exit !(\$3 * 2 > \$1) }" out'

# it can fail: a worker that crashes, one that hangs up in the middle of a frame
mkdir bin
printf '#!/bin/sh\nprintf "\\211CBF"\nexit 0\n' >bin/cb-ingest
chmod +x bin/cb-ingest
_st=0; PATH=$T/bin:$PATH "$CB_SRC/tests/rtsp/mangle.py" 0 1 >out 2>&1 || _st=$?
ok "what is no frame stream is found" '[ $_st -eq 1 ] && grep -q "no frame stream" out'
printf '#!/bin/sh\necho "the worker was killed by signal 11" >&2\nexit 69\n' >bin/cb-ingest
_st=0; PATH=$T/bin:$PATH "$CB_SRC/tests/rtsp/mangle.py" 0 1 >out 2>&1 || _st=$?
ok "and a crash" '[ $_st -eq 1 ] && grep -q "signal 11" out'
done_testing
