#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# RTP payloads of every format become the access units that were packed, bit for bit, by packers
# that were written apart from lib/rtsp; what cameras do wrong is put up with and counted; what a
# loss touches is flagged, and nothing else.
. "$CB_SRC/tests/lib.sh"

for group in nal oddities loss audio jpeg metadata; do
	exits 0 "$CB_SRC/tests/rtsp/depay.py" "$CB_BUILD/aid/depay" "$group"
	grep -v '^ok' out >wrong
	note "$(cat wrong)"
	ok "$group: $(grep -c '^ok' out) cases" '! grep -q "^not ok" out && grep -q "^1\.\.[1-9]" wrong'
done
valid_events events
exits 0 "$CB_SRC/tests/rtsp/seeds.py" seeds
ok "the seeds of the fuzz targets are those that seeds.py makes" \
	'for f in seeds/*/*; do cmp "$f" "$CB_SRC/tests/fuzz/corpus/${f#*/}" || break; done >differ 2>&1 && [ ! -s differ ] && [ -d seeds/rtcp ]' ||
	note "$(head -5 differ)"
sed -n 's/.*X([A-Z0-9_]*, "\([a-z-]*\)".*/\1/p' "$CB_SRC/lib/rtsp/oddity.h" | sort >named
sed -n '/^.Ss cb.stream.oddity/,/^.Ss cb.camera/s/^.It Sy \([a-z]*-[a-z-]*\)$/\1/p' "$CB_SRC/man/cb-event.5" >told
sed -n '/^.Ss cb.stream.oddity/,/^.Ss cb.camera/s/^.It Sy \(metadata\)$/\1/p' "$CB_SRC/man/cb-event.5" >>told
sort -o told told
same_file named told "cb-event(5) names every oddity"
done_testing
