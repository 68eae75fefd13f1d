#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-ingest and input that is broken: real files from the bug trackers of others, and good ones
# cut and with bytes turned over. Never a signal, a hang or a sanitizer's report; one line of
# diagnosis where there is a failure; and what was written is a whole stream or none.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg timeout

cat >mutate.py <<'P'
"""mutate.py FILE COUNT: FILE.0, FILE.1 ..., each spoilt in a way that depends on its number alone"""
import random
import sys
good = open(sys.argv[1], "rb").read()
for n in range(int(sys.argv[2])):
    data, r = bytearray(good), random.Random(n)
    kind = n % 4
    if kind == 0:		# cut off
        del data[r.randrange(len(data)):]
    elif kind == 1:		# a hole
        at = r.randrange(len(data))
        del data[at:at + r.randrange(1, 5000)]
    elif kind == 2:		# bits, near the beginning, where the structure is
        for _ in range(r.randrange(1, 20)):
            data[r.randrange(min(len(data), 2000))] ^= 1 << r.randrange(8)
    else:			# bytes, anywhere
        for _ in range(r.randrange(1, 60)):
            data[r.randrange(len(data))] = r.randrange(256)
    open(f"{sys.argv[1]}.{n}", "wb").write(data)
P

# what became of one file, in a line: "good", or what is wrong with it
judge() {	# FILE ARG...
	_st=0
	timeout -k 1 30 cb-ingest -q "$@" >o.cbf 2>e || _st=$?
	case $_st in
	0)	[ -s o.cbf ] || { echo "exit 0, and nothing is written"; return; }
		[ ! -s e ] || { echo "exit 0, and yet: $(head -n 1 e)"; return; } ;;
	65)	[ "$(wc -l <e)" -eq 1 ] || { echo "exit 65 with $(wc -l <e) lines"; return; }
		grep -q '^cb-ingest: [[:print:]]*: [[:print:]]*$' e || { echo "what is this: $(head -n 1 e)"; return; } ;;
	*)	echo "exit $_st: $(head -n 3 e | tr -c '[:print:]' '?')"; return ;;
	esac
	if [ -s o.cbf ] && ! cb-frame check o.cbf >/dev/null 2>c; then
		# END says that the source failed: that is a whole stream
		[ "$_st" -eq 65 ] && grep -q 'source failed' c || { echo "exit $_st, but the stream: $(head -n 1 c)"; return; }
	fi
	[ "$_st" -eq 65 ] && echo failed || echo good
}

# --- good files, spoilt -------------------------------------------------------------------------
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=160x120:r=10:d=2 -f lavfi -i sine=r=16000:d=2 \
	-c:v libx264 -preset veryfast -g 10 -bf 2 -pix_fmt yuv420p -c:a aac -b:a 24k good.mp4
for f in mkv ts flv mov; do
	ffmpeg -nostdin -v error -i good.mp4 -c copy good.$f
done
ffmpeg -nostdin -v error -i good.mp4 -map 0:v -c copy good.h264
for f in mp4 mov mkv ts flv h264; do
	rate=
	[ $f != h264 ] || rate=--fps=10
	# shellcheck disable=SC2086
	ok "$f: good before it is spoilt" '[ "$(judge good.$f $rate)" = good ]'
	/usr/bin/python3 mutate.py good.$f 24
	for bad in "good.$f".*; do
		# shellcheck disable=SC2086
		echo "$bad: $(judge "$bad" $rate)"
	done >verdicts
	ok "$f: 24 spoilt copies are read or refused: $(grep -c 'good$' verdicts) and $(grep -c 'failed$' verdicts)" \
		'[ "$(grep -c -e ": good$" -e ": failed$" verdicts)" = 24 ] || { _show verdicts; false; }'
done

# --- cut off at every length that matters --------------------------------------------------------
size=$(wc -c <good.mp4)
ffmpeg -nostdin -v error -i good.mp4 -c copy -movflags +faststart front.mp4
head -c $((size / 2)) front.mp4 >half.mp4
exits 65 sh -c 'cb-ingest half.mp4 >half.cbf'
ok "says that it is truncated" '[ "$(wc -l <err)" -le 2 ] && tail -n 1 err | grep -q "^cb-ingest: half.mp4: truncated"'
cb-frame dump half.cbf >dump 2>/dev/null
ok "what was there was delivered, and END says that the source failed" \
	'[ "$(grep -c PACKET dump)" -gt 5 ] && tail -n 1 dump | grep -q "END.*error"'
head -c $((size / 2)) good.mp4 >half.mp4
exits 65 cb-ingest half.mp4
ok "without its index there is nothing, and one line says so" '[ ! -s out ] && [ "$(wc -l <err)" = 1 ]'

# --- what others found ---------------------------------------------------------------------------
need_shared data/broken
find "$CB_SHARED/data/broken" -type f | sort >list
ok "there are files" '[ "$(wc -l <list)" -gt 100 ]'
: >verdicts
while read -r f; do
	case $f in
	*.264|*.h264|*.jsv) v=$(judge --fps=25 "$f") ;;	# raw, without times
	*) v=$(judge "$f") ;;
	esac
	echo "${f#"$CB_SHARED"/data/broken/}: $v" >>verdicts
done <list
ok "all are read or refused: $(grep -c 'good$' verdicts) and $(grep -c 'failed$' verdicts)" \
	'[ "$(grep -c -e ": good$" -e ": failed$" verdicts)" = "$(wc -l <list)" ] ||
	{ grep -v -e ": good$" -e ": failed$" verdicts >wrong; _show wrong; false; }'

done_testing
