#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The checks can fail: each is shown a copy of the tree with one thing broken on purpose, and must
# say what. So must the helpers that all other tests lean on. (That nothing is said of the whole
# tree is make check's own business.)
. "$CB_SRC/tests/lib.sh"
need_cmd jq mandoc shellcheck diff
! sanitized || skip_all "the plain run checks the tree"

TOOLS=$(cd "$CB_BUILD/bin" && echo cb-*)
mkdir tree
for f in Makefile cmd lib man schema scripts sbom completions examples tests .ci; do
	cp -r "$CB_SRC/$f" tree/
done
rm -rf tree/tests/fuzz/corpus tree/tests/golden tree/tests/nn tree/sbom/cb.cdx.json
# small, for speed: a few scripts, two tools' completions, and what cb-frame needs
find tree/tests/t tree/tests/bench -type f ! -name 1000-frame.t -delete
find tree/scripts -type f ! -name 'check-*' ! -name 'gen-*' ! -name layers.txt ! -name '*.mk' ! -name demo ! -name deps -delete
find tree/completions -type f ! -name '*cb-frame*' ! -name '*cb-detect*' -delete
grep -E '^(#|libc\.so|libnettle)' "$CB_SRC/sbom/deps.tsv" >tree/sbom/deps.tsv
cp -r tree whole
# broken DESC EXPECTED COMMAND...: the check fails on what was done to the tree, and says EXPECTED
broken() {
	_desc=$1 _expect=$2 _st=0
	shift 2
	(cd tree && CB_SRC=$T/tree "$@") >out 2>err || _st=$?
	ok "$_desc" '[ "$_st" -ne 0 ] && cat out err | grep -qF -e "$_expect"' ||
		{ _diag "exited $_st, expected: $_expect"; _show out; _show err; }
	rm -rf tree
	cp -r whole tree
}
# --- layers
echo '#include "store/store.h"' >>tree/lib/wire/frame.c
broken "layers: a layer that includes what lies above it" 'lib/wire/frame.c: wire may not include "store/store.h"' scripts/check-layers
echo '#include <libavformat/avformat.h>' >>tree/cmd/cb-query.c
broken "layers: a foreign header outside its owner" 'cmd/cb-query.c: <libavformat/avformat.h> belongs to lib/media alone' scripts/check-layers
echo '#include "media/demux.h"' >>tree/cmd/cb-query.c
broken "layers: a tool that includes what it does not link" 'cmd/cb-query.c: cmd may not include' scripts/check-layers
echo '#include <curses.h>' >>tree/lib/base/err.c
broken "layers: a header without owner" '<curses.h> has no owner' scripts/check-layers
echo '#include <lmdb.h>' >>tree/lib/store/store.h
broken "layers: a foreign header in a public one" 'lib/store/store.h: shows <lmdb.h>' scripts/check-layers
mkdir tree/lib/extra && echo 'int x;' >tree/lib/extra/x.c && echo '#include "base/err.h"' >>tree/lib/extra/x.c
broken "layers: a directory that is in no layer" 'lib/extra is in no layer' scripts/check-layers

# --- headers
echo 'int cb_x(struct cb_err *err, uint128_t none);' >>tree/lib/base/time.h
broken "headers: one that does not compile alone" 'time.h' make -s O="$T/o" check-headers

# --- scripts
printf 'if true; then\n' >>tree/scripts/demo
broken "scripts: one that does not parse" 'scripts/demo' scripts/check-scripts
# shellcheck disable=SC2016  # meant literally
printf 'rm -rf $1/\n' >>tree/examples/moment.sh
broken "scripts: one that shellcheck complains of" 'moment.sh' scripts/check-scripts
sed -i 2d tree/tests/t/1000-frame.t
broken "scripts: a test without licence" 'tests/t/1000-frame.t: no SPDX line' scripts/check-scripts
sed -i 1d tree/lib/base/err.c
broken "scripts: a source without licence" 'lib/base/err.c: no SPDX line' scripts/check-scripts
chmod -x tree/scripts/deps
broken "scripts: one that cannot be run" 'scripts/deps: not executable' scripts/check-scripts

# --- pages
man() { broken "$1" "$2" scripts/check-man "$CB_BUILD" $TOOLS; }
sed -i '/^\.It Fl \\-region/d' tree/man/cb-detect.1
man "man: an option that the page forgets" '-region'
sed -i 's/^\.It Fl \\-region Ns = Ns Ar LIST/.It Fl \\-region Ns = Ns Ar N/' tree/man/cb-detect.1
man "man: another argument than the table's" 'region	-	N'
sed -i 's/^\.It Fl m , /.It Fl M , /' tree/man/cb-detect.1
man "man: another letter" 'model	M	MODEL'
sed -i 's/^\.It Fl \\-region/.It Fl \\-nothing\n.It Fl \\-region/' tree/man/cb-detect.1
man "man: an option that is none" '+nothing'
rm tree/man/cb-frame.1
man "man: a page that is missing" 'man/cb-frame.1: missing'
sed -i 's/^\.Sh EXIT STATUS/.Sh STATUS/' tree/man/cb-frame.1
man "man: a section that is missing" 'man/cb-frame.1: no section EXIT STATUS'
sed -i 's/^\.Sh EXIT STATUS/.Sh CAVEATS/; s/^\.Sh SEE ALSO/.Sh EXIT STATUS/' tree/man/cb-frame.1
man "man: sections out of order" 'is out of order'
echo '.Xr cb-nowhere 1' >>tree/man/cb-frame.1
man "man: a page that speaks of one that is not there" '.Xr of cb-nowhere.1'
echo '.Bl -tag' >>tree/man/cb-frame.1
man "man: what mandoc warns of" 'mandoc -T lint'
sed 's/cb-frame 1/cb-else 1/; s/CB-FRAME/CB-ELSE/' tree/man/cb-frame.1 >tree/man/cb-else.1
man "man: a page that the suite's does not name" 'does not name cb-else.1'

# --- completions
completions() { broken "$1" "$2" scripts/check-completions "$CB_BUILD" cb-detect cb-frame; }
sed -i 's/--threshold=//' tree/completions/cb-detect.bash
completions "completions: stale for bash" 'stale'
sed -i 1d tree/completions/_cb-frame
completions "completions: stale for zsh" 'stale'
: >tree/completions/cb-gone.fish
completions "completions: of a tool that is gone" 'Only in completions: cb-gone.fish'
rm tree/completions/cb-frame.fish
completions "completions: missing" 'cb-frame.fish'

# --- libraries
mkdir -p made/bin
printf 'int main(void){return 0;}\n' | ${CC:-cc} -x c - -o made/bin/cb-x -Wl,--no-as-needed -lyaml
broken "needed: a library beyond a tool's layers" 'cb-x: needs libyaml-0.so.2, which none of its layers (cli,wire)' \
	scripts/check-needed "$T/made" cb-x:cli,wire
printf 'libold.so.1\t1\t-\tMIT\tpkg:deb/debian/libold1\tOld\tconf\n' >>tree/sbom/deps.tsv
broken "needed: a library that nobody needs" 'libold.so.1' scripts/check-needed "$T/made" cb-x:conf

# --- bill of materials: held against this build
gen() { (cd tree && VERSION=0.1.0 scripts/gen-sbom "$@" "$CB_BUILD" cb-frame); }
gen >is.json
gen >again.json
gen --source >of-tree.json
same_file is.json again.json "sbom: the same files, the same bytes"
exits 0 env CB_SRC="$T/tree" tree/scripts/check-sbom "$T/is.json" "$T/of-tree.json" "$CB_BUILD" cb-frame
sbom() {	# DESC EXPECTED [BUILT FILTER] [SOURCE FILTER]
	jq "${3:-.}" is.json >built.json
	jq "${4:-.}" of-tree.json >source.json
	broken "$1" "$2" scripts/check-sbom "$T/built.json" "$T/source.json" "$CB_BUILD" cb-frame
}
sbom "sbom: a tool that is not in it" 'cb-frame' 'del(.components[] | select(.name == "cb-frame"))'
sbom "sbom: a library that is not in it" 'libc.so.6' 'del(.components[] | select(.name == "libc.so.6"))'
sbom "sbom: another hash" 'files as loaded' '(.components[] | select(.name == "libc.so.6").hashes[0].content) |= (.[0:126] + "00")'
sbom "sbom: a licence that is missing" 'licence' 'del(.components[] | select(.name == "libc.so.6").licenses)'
sbom "sbom: a purl that is none" 'purl' '(.components[] | select(.name == "libc.so.6").purl) = "libc"'
sbom "sbom: another format" 'specVersion' '.specVersion = "1.5"'
sbom "sbom: the tree's is stale" 'run: make sbom' . '(.dependencies[] | select(.ref == "tool:cb-frame").dependsOn) |= .[1:]'
sbom "sbom: the tree's has hashes of a build" 'SHA-512' . '(.components[] | select(.name == "cb-frame")) += {"hashes": [{"alg": "SHA-512", "content": "00"}]}'
sed -i 's/^libc.so.6	2.36/libc.so.6	9.36/' tree/sbom/deps.tsv
sbom "sbom: a library older than it may be" 'is older than 9.36'

# --- the helpers of tests/lib.sh, and what runs the tests
helped() {	# DESC STATUS SCRIPT
	_want=$2 _st=0
	printf '. "$CB_SRC/tests/lib.sh"\n%s\n' "$3" >helped.t
	TMPDIR=$T sh "$CB_SRC/tests/run" "$T/helped.t" >out 2>err || _st=$?
	ok "lib.sh: $1" '[ "$_st" -eq "$_want" ]' || { _diag "exited $_st"; _show out; _show err; }
}
helped "all is well" 0 'ok x true; exits 3 sh -c "exit 3"; done_testing'
helped "a false expression" 1 'ok x false; done_testing'
helped "another status" 1 'exits 0 false; done_testing'
helped "files that differ" 1 'echo a >a; echo b >b; same_file a b; done_testing'
helped "files that are not there" 1 'same_file a b; done_testing'
helped "a test that leaves before its plan" 99 'ok x true'
helped "a test that dies" 99 'ok x true; exit 0; done_testing'
helped "no test at all" 1 'done_testing'
helped "an event that is none" 1 'echo "{}" >e; valid_events e; done_testing'
helped "no event at all" 1 ': >e; valid_events e; done_testing'
CB_TEST_SECONDS=1
export CB_TEST_SECONDS
helped "a test that hangs" 124 'ok x true; sleep 30; done_testing'
done_testing
