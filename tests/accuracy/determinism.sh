#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Equal input, equal bytes: determinism.sh BUILD [RUNS] [MODEL.cfg CLIP.cbf]
#
# Runs cb-detect RUNS times (100) on a clip and RUNS times on the same clip with its packets
# spoilt (tests/spoil.py), by turns with one to four cores, with and without --tee, and compares
# every output with the first. Without a model and a clip it makes small ones. Exits 1 at the
# first difference.
set -eu
build=$(realpath "$1")
runs=${2:-100}
src=$(realpath "$(dirname "$0")/../..")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
model=${3:+$(realpath "$3")}
clip=${4:+$(realpath "$4")}
cd "$dir"
threshold=0.25
if [ -z "$clip" ]; then
	threshold=0.01
	ffmpeg -v error -f lavfi -i testsrc2=s=320x240:r=25:d=2 -c:v libx264 -preset fast -g 25 -bf 2 \
		-pix_fmt yuv420p clip.mp4
	"$build/bin/cb-ingest" -q --camera clip clip.mp4 >clip.cbf
	/usr/bin/python3 "$src/tests/smallnet.py"
	clip=$dir/clip.cbf model=$dir/m.cfg
fi
/usr/bin/python3 "$src/tests/spoil.py" 5 "$clip" spoilt.cbf
for input in "$clip" spoilt.cbf; do
	i=0
	while [ $i -lt "$runs" ]; do
		for tee in '' --tee; do
			"$build/bin/cb-detect" -q -m "$model" --threshold $threshold --threads $((i % 4 + 1)) \
				$tee <"$input" >"now$tee"
			[ $i -gt 0 ] || cp "now$tee" "first$tee"
			cmp "now$tee" "first$tee"
		done
		i=$((i + 1))
	done
	echo "${input##*/}: $runs runs with 1 to 4 cores, lines and --tee: the same bytes, $(sha256sum <first | cut -c1-16)"
done
