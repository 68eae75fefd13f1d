#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-skel: what it counts, and what it says of a stream that is not whole.
. "$CB_SRC/tests/lib.sh"
PATH=$CB_BUILD/aid:$PATH

mkstream IPPIAPAE >whole
printf '0 5\n1 2\n' >want
exits 0 cb-skel whole
same_file want out "video and audio packets"
exits 0 cb-skel --limit=1 whole
ok "stops at the limit" '[ "$(cat out)" = "0 1" ]'

mkstream IPP >cut
exits 65 cb-skel cut
ok "names the file" 'grep -q "^cb-skel: cut: " err'
mkstream 'IP!PE' >bad
exits 65 cb-skel bad
exits 66 cb-skel no-such-file
done_testing
