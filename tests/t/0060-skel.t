#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The template of examples/skel keeps what every tool promises, and what scripts/new-tool makes of
# it builds, passes its own test and the checks, once the two lines that it asks for are there.
. "$CB_SRC/tests/lib.sh"
need_cmd make mandoc ${CC:-cc}

# passes DESC TEST [VARIABLE=VALUE...]: another test, in a directory of its own below ours
passes() {
	_desc=$1 _test=$2
	shift 2
	exits 0 env TMPDIR="$T" "$@" sh "$_test"
	ok "$_desc: something was tested" '[ "$(grep -c "^ok" out)" -ge 8 ] && ! grep -q "^not ok" out'
}
passes "the template's test" "$CB_SRC/examples/skel/cb-skel.t"
passes "conformance of the template" "$CB_SRC/tests/t/0100-conformance.t" CB_TOOLS=cb-skel
if sanitized; then
	done_testing
	exit
fi

mkdir tree
for f in Makefile cmd lib man schema scripts sbom completions examples tests; do
	cp -r "$CB_SRC/$f" tree/
done
unset MAKEFLAGS MFLAGS MAKELEVEL
in_tree() { (cd tree && CB_SRC=$T/tree CB_BUILD=$T/o "$@"); }
exits 0 in_tree scripts/new-tool probe
cp out said
ok "it says what is left to do" 'grep -q "cb-probe_LIBS" said && grep -q "man/cb.7" said'
ok "program, page and test are there" '[ -s tree/cmd/cb-probe.c ] && [ -s tree/man/cb-probe.1 ] && [ -s tree/tests/t/*-probe.t ]'
ok "none of them speaks of the template" '! grep -i skel tree/cmd/cb-probe.c tree/man/cb-probe.1 tree/tests/t/*-probe.t'
exits 73 in_tree scripts/new-tool probe
exits 64 in_tree scripts/new-tool 'a/b'
sed -i "/^cb-frame_LIBS/i $(sed -n 's/^ *Makefile *\(cb-probe_LIBS.*\)/\1/p' said)" tree/Makefile
sed -i 's/^\.It Xr cb-frame 1/.It Xr cb-probe 1\na tool that is tried\n&/' tree/man/cb.7
exits 0 in_tree make -s O="$T/o" CFLAGS=-O0 "$T/o/bin/cb-probe" "$T/o/aid/mkstream"
passes "its test" "$(ls tree/tests/t/*-probe.t)" CB_SRC="$T/tree" CB_BUILD="$T/o"
exits 0 in_tree scripts/check-layers
# these two speak of the whole tree; of the new tool they must not
for check in 'check-man cb-probe' 'check-needed cb-probe:cli,wire,crypto,base'; do
	# shellcheck disable=SC2086  # words
	set -- $check
	in_tree "scripts/$1" "$T/o" "$2" >out 2>err
	ok "$1 has nothing against it" '! grep probe err'
done
exits 0 in_tree scripts/gen-completion bash "$T/o/bin/cb-probe"
done_testing
