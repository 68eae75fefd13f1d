#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The committed completions load and complete: every long option, words where there is a choice.
. "$CB_SRC/tests/lib.sh"
need_cmd bash

cat >complete.bash <<'END'
# FILE FUNCTION WORD...: what completes the last word
. "$1"
fn=$2
shift 2
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
compopt() { :; }
"$fn" || exit 9
printf '%s\n' "${COMPREPLY[@]}"
END
comp() {	# TOOL WORD...
	_f=$(echo "_$1" | tr - _)
	bash complete.bash "$CB_SRC/completions/$1.bash" "$_f" "$@"
}
for t in "$CB_BUILD"/bin/cb-*; do
	n=${t##*/}
	{
		"$t" --dump-options | awk -F '\t' '{ print "--" $1 ($3 == "-" ? "" : "=") }'
		printf '%s\n' --help --usage --version
	} | sort >want
	exits 0 comp "$n" --
	sort out >have
	same_file want have "$n: bash completes every option"
	"$t" --help | sed -n 's/^Usage: cb-[a-z]* \[OPTION...\] \([a-z|]*|[a-z|]*\).*/\1/p' | tr '|' '\n' | sort >want
	if [ -s want ]; then
		comp "$n" '' | sort >have
		same_file want have "$n: bash completes the first word"
	fi
	mkdir -p some-dir && : >some-file
	for o in $("$t" --dump-options | awk -F '\t' '$3 ~ /FILE/ { print $1 }'); do
		ok "$n: bash completes files after --$o" 'comp "$n" "--$o" = some | grep -qx some-file'
	done
	for o in $("$t" --dump-options | awk -F '\t' '$3 == "DIR" || $3 == "STORE" { print $1 }'); do
		ok "$n: bash completes directories after --$o" '[ "$(comp "$n" "--$o" = some)" = some-dir ]'
	done
	for shell in zsh fish; do
		case $shell in
		zsh) f=$CB_SRC/completions/_$n ;;
		fish) f=$CB_SRC/completions/$n.fish ;;
		esac
		if command -v $shell >/dev/null; then
			exits 0 $shell -n "$f"
		else
			skip "$shell is not installed"
		fi
		ok "$n: $shell has every option" '[ -z "$("$t" --dump-options | cut -f1 | while read -r o; do
			grep -qE -e "(--| -l )$o\b" "$f" || echo "$o"; done)" ]'
	done
done
done_testing
