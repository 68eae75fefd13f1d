#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the pages and the README tell people to type works: the blocks of a page marked with a
# comment `.\" run` are run, and so is the README's pipeline. (The C program of cb-frame(5) is
# compiled and run by 1000-frame.t.)
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq bash

ffmpeg -nostdin -loglevel error -f lavfi -i testsrc2=size=320x240:rate=10:duration=4 \
	-f lavfi -i sine=frequency=440:sample_rate=16000:duration=4 -c:v libx264 -preset ultrafast \
	-g 10 -pix_fmt yuv420p -c:a aac -b:a 32k -shortest clip.mp4
ok "a clip to try them on" '[ -s clip.mp4 ]'
# what the examples may take as given: fixture SCRIPT
fixture() {
	ln -s "$T/clip.mp4" clip.mp4
	ln -s "$T/clip.mp4" film.mp4
	cp "$CB_SRC/examples/rules.yml" "$CB_SRC/examples/zones.yml" .
	(/usr/bin/python3 "$CB_SRC/tests/smallnet.py" && for e in cfg weights names; do mv m.$e person.$e; done)
	# a store, unless this one makes its own
	grep -q 'cb-record store' "$1" || [ ! -d "$T/given" ] || cp -r "$T/given/." .
}
if command -v cb-record >/dev/null && command -v cb-ingest >/dev/null; then
	mkdir given
	cb-ingest --camera=front --start-time=2026-11-21T07:00:00Z clip.mp4 |
		cb-record given/store --tee | cb-detect | cb-store put given/store >given/events.ndjson
	ok "a store to try them on" '[ -s given/events.ndjson ]'
fi

# block N of a page that is marked, with mdoc's escapes undone
marked() {
	awk -v want="$2" '
	/^\.\\" run$/ { n++; armed = 1; next }
	armed && /^\.Bd/ { inside = n; armed = 0; next }
	/^\.Ed/ { inside = 0; next }
	armed && /^\.Dl/ { if (n == want) { sub(/^\.Dl *\$? */, ""); print } armed = 0; next }
	inside && inside == want { print }' "$1" |
		sed 's/\\e/\\/g; s/\\&//g; s/\\-/-/g; s/\\(aq/'"'"'/g; s/\\(ti/~/g; s/\\(ha/^/g; s/^\$ //'
}
total=0
for page in "$CB_SRC"/man/*.[1-8]; do
	count=$(grep -c '^\.\\" run$' "$page")
	total=$((total + count))
	case $page in
	*.1) ok "${page##*/}: an example that is run" '[ "$count" -ge 1 ]' ;;
	esac
	i=0
	while [ "$i" -lt "$count" ]; do
		i=$((i + 1))
		dir=$T/${page##*/}.$i
		mkdir "$dir" && cd "$dir" || exit 99
		marked "$page" "$i" >example.sh
		fixture example.sh
		_st=0
		timeout 60 bash -euo pipefail example.sh >stdout 2>stderr </dev/null || _st=$?
		# a head that has seen enough may leave the others with SIGPIPE
		if [ "$_st" -eq 141 ] && grep -q '| *head' example.sh; then _st=0; fi
		ok "${page##*/}, example $i: $(head -n 1 example.sh)" '[ -s example.sh ] && [ "$_st" -eq 0 ]' ||
			{ _diag "exited $_st"; _show stderr; }
		cd "$T" || exit 99
	done
done
ok "pages have examples that are run ($total)" '[ "$total" -ge 3 ]'

# README: its commands exist, its pipeline runs, its pages are there
readme=$CB_SRC/README.md
for word in $(grep -oE '\bcb-[a-z]+' "$readme" | sort -u); do
	ok "README: $word exists" '[ -e "$CB_SRC/cmd/$word.c" ] || [ -e "$CB_SRC/models/$word.cfg" ] ||
		ls "$CB_SRC/man/$word".[1-8] >/dev/null 2>&1 || ls "$CB_SRC/examples/$word"* >/dev/null 2>&1'
done
for target in $(grep -oE '\bmake [a-z][a-z-]*' "$readme" | cut -d' ' -f2 | sort -u); do
	ok "README: make $target is a target" 'grep -qE "^(.* )?$target( .*)?:" "$CB_SRC/Makefile" "$CB_SRC/tests/tests.mk"'
done
for path in $(grep -oE '\]\([^)#:]+\)' "$readme" | tr -d '])('); do
	ok "README: $path is there" '[ -e "$CB_SRC/$path" ]'
done
awk '/^<!-- run -->$/ { armed = 1; next } armed && /^```/ { if (inside) exit; inside = 1; next } inside' \
	"$readme" >example.sh
mkdir readme && cd readme && fixture ../example.sh
_st=0
timeout 60 bash -euo pipefail ../example.sh >stdout 2>stderr </dev/null || _st=$?
ok "README: the pipeline runs" '[ -s ../example.sh ] && [ "$_st" -eq 0 ]' ||
	{ _diag "exited $_st"; _show stderr; }
cd "$T" || exit 99

# every exit status of the code is in cb(7), and the other way round
sed -n 's/^\tCB_\(OK\|E_[A-Z]*\) = \([0-9]*\),.*/\2/p' "$CB_SRC/lib/base/err.h" | sort -n >code
awk '/^\.Sh /{ on = /EXIT STATUS/ } on && /^\.It [0-9]/{ print $2 }' "$CB_SRC/man/cb.7" | sort -n >page
same_file code page "cb(7) lists the exit statuses of the code"
# metavariables are those that cb(7) explains
sed -n 's/^\.It Ar //p' "$CB_SRC/man/cb.7" | sort >known
for t in "$CB_BUILD"/bin/cb-*; do
	"$t" --dump-options | cut -f3 | grep -vx -e - | tr '|' '\n' | grep '^[A-Z]' | sort -u >used
	ok "${t##*/}: metavariables are those of cb(7)" '[ -z "$(comm -13 known used)" ]' ||
		note "$(comm -13 known used | tr '\n' ' ')"
done
done_testing
