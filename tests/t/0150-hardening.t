#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The hardening that scripts/hardening.mk asks for is in the ELF files.
. "$CB_SRC/tests/lib.sh"
need_cmd readelf
! grep -q -e '-fsanitize=' "$CB_BUILD/flags" || skip_all "a sanitizer build is not what is shipped"
has() { grep -q -e "$1" "$CB_BUILD/flags"; }

for t in "$CB_BUILD"/bin/cb-* "$CB_BUILD"/libexec/cb/cb-*; do
	[ -e "$t" ] || continue	# no darknet, no helper
	n=${t##*/}
	readelf -hW "$t" >header
	readelf -lW "$t" >segments
	readelf -dW "$t" >dynamic
	readelf -nW "$t" >notes
	readelf --dyn-syms -W "$t" >symbols
	ok "$n: position-independent" 'grep -q "Type:.*DYN" header && grep -q "FLAGS_1.*PIE" dynamic'
	ok "$n: relocations read-only, at once" 'grep -q GNU_RELRO segments && grep -q BIND_NOW dynamic'
	ok "$n: stack not executable" 'grep -q "GNU_STACK .* RW " segments'
	ok "$n: no segment writable and executable" '! grep -qE "LOAD .* RWE " segments'
	ok "$n: no library path of its own" '! grep -qE "RPATH|RUNPATH" dynamic'
	ok "$n: stack protector" 'grep -q "__stack_chk_fail" symbols'
	ok "$n: fortified calls" 'grep -qE "__[a-z_]+_chk(@|$| )" symbols'
	ok "$n: no unfortified sprintf or strcpy" '! grep -qE " (sprintf|strcpy|strcat|vsprintf|gets)@" symbols'
	if ! has -fcf-protection=full; then
		skip "the compiler has no -fcf-protection"
	elif ! printf 'int main(void){return 0;}\n' | ${CC:-cc} -fPIE -pie -fcf-protection=full -x c - -o probe ||
		! readelf -nW probe | grep -q IBT; then
		# the start files of this C library were built without it, so no program can be marked;
		# ours still begins every function with a landing pad
		if command -v objdump >/dev/null; then
			ok "$n: landing pads" '[ "$(objdump -d "$t" | grep -c endbr64)" -gt 20 ]'
		else
			skip "no objdump"
		fi
	else
		ok "$n: control-flow protection" 'grep -q IBT notes && grep -q SHSTK notes'
	fi
done
ok "every flag that the compiler takes is in use" 'has -fstack-protector-strong && has -D_FORTIFY_SOURCE= && has -Werror=format-security'
if ${CC:-cc} --version | grep -qE '^(gcc|cc) .* 1[2-9]\.'; then
	ok "zeroed variables, stack clash, FORTIFY 3" 'has -ftrivial-auto-var-init=zero && has -fstack-clash-protection && has -D_FORTIFY_SOURCE=3'
else
	skip "another compiler"
fi
done_testing
