#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Tools with verbs (lib/cli/verbs.h): which option goes with which verb is told, and the help says the same.
. "$CB_SRC/tests/lib.sh"

# value TOOL OPTION METAVARIABLE: =VALUE that the option takes
value() {
	case $3 in
	-) return ;;
	DURATION) echo '=1h' ;;
	TIME) echo '=2026-01-01' ;;
	N) echo '=1' ;;
	BYTES) echo '=1G' ;;
	TYPE) "$1" "--$2=x" 2>&1 </dev/null | sed -n "s/.*is none of \([a-z0-9]*\).*/=\1/p" | head -n 1 | grep . || echo '=x' ;;
	*) echo '=x' ;;
	esac
}
for t in cb-sign cb-store cb-model cb-audit; do
	verbs=$("$t" 2>&1 </dev/null | sed -n "s/^$t: one of \(.*\) is needed$/\1/p" | tr -d ,)
	ok "$t says what its verbs are" '[ "$(echo "$verbs" | wc -w)" -gt 5 ]'
	"$t" --help >help
	for v in $verbs; do
		ok "$t: the help has $v" 'grep -qw -e "$v" help'
	done
	exits 64 "$t" no-such-verb
	"$t" --dump-options >options
	: >none
	: >other
	while IFS='	' read -r o _ meta doc; do
		arg=--$o$(value "$t" "$o" "$meta")
		with='' st=0
		for v in $verbs; do
			"$t" "$v" x y "$arg" </dev/null >out 2>err || st=$?
			[ "$st" -lt 128 ] || echo "$v $arg: $st" >>other
			grep -q "^$t: --$o goes with .*not with $v$" err || with="$with, $v"
		done
		with=${with#, }
		[ -n "$with" ] || echo "$o" >>none
		# a text that begins with verbs, and has no others for more, names those that take it
		case $doc in
		*"; "*) ;;
		*": "*)
			named=${doc%%: *}
			case $named in
			*[!a-z\ ,-]*) ;;
			*) [ "$named" = "$with" ] || echo "--$o: $doc: goes with $with" >>other ;;
			esac ;;
		esac
	done <options
	ok "$t: every option goes with a verb" '[ ! -s none ]' || note "$(cat none)"
	ok "$t: its help has them where they go" '[ ! -s other ]' || note "$(cat other)"
done

# --- each kind of refusal
exits 64 cb-sign sign file
ok "what a verb needs" 'head -n 1 err | grep -qx "cb-sign: sign needs --key"'
exits 64 cb-store prune file
ok "one of several" 'head -n 1 err | grep -qx "cb-store: prune needs --older, --events-older, --bytes or --free"'
exits 64 cb-store put --log=x file
ok "an option of others" 'head -n 1 err | grep -qx "cb-store: --log goes with check, hold, release, prune and forget-key, not with put"'
exits 64 cb-store check
ok "an operand that is missing" 'head -n 1 err | grep -qx "cb-store: no STORE"'
exits 64 cb-store check file file
ok "one too many" 'head -n 1 err | grep -qx "cb-store: too many operands"'
exits 64 cb-sign keygen -o x file
ok "and where there are none" 'head -n 1 err | grep -qx "cb-sign: keygen takes no operands"'
ok "nothing was done" '[ ! -e x.key ] && [ ! -e file ]'
done_testing
