# SPDX-License-Identifier: Apache-2.0
# TAP helpers and a hermetic environment for tests/t/*.t; dot-source it first.
#
#   ok DESC EXPR        EXPR (shell, eval'ed) must be true
#   exits CODE CMD...   CMD must exit CODE; its stdout is left in ./out, its stderr in ./err
#   same_file A B [DESC]  byte for byte; a text diff explains itself
#   skip REASON [N]     count N tests (1) as skipped
#   skip_all REASON     leave, the whole file skipped
#   need_shared [PATH]  skip_all unless the shared test data are there; sets CB_SHARED
#   need_cmd CMD...     skip_all unless the programs are there
#   sanitized           is this a sanitizer build? tests/faultio.c cannot be preloaded there
#   valid_events FILE   every line is valid by schema/cb-event.schema.json
#   wait_for EXPR       until it is true; false after a minute
#   catches PID         has the process a handler for SIGTERM already?
#   note TEXT           a diagnostic line
#   done_testing        prints the plan; a test that never gets here fails
#
# The working directory is private and kept, with a note, when something failed.
# A failed command in $(...) or a pipe does not stop a test: check what you run with exits or ok.

: "${CB_SRC:?run through make check, or set CB_SRC and CB_BUILD}" "${CB_BUILD:?set CB_BUILD}"
LC_ALL=C.UTF-8 TZ=UTC TERM=xterm
export LC_ALL TZ TERM CB_SRC CB_BUILD
unset ARGP_HELP_FMT POSIXLY_CORRECT LANGUAGE LS_COLORS GREP_OPTIONS CDPATH ENV BASH_ENV
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy
PATH=$CB_BUILD/bin:$CB_SRC/tests/block:$PATH
export PATH
# a leak report must not hide behind an exit status that a test expects
ASAN_OPTIONS=exitcode=99:abort_on_error=0:allocator_may_return_null=1:${ASAN_OPTIONS:-}
UBSAN_OPTIONS=print_stacktrace=1:exitcode=99:${UBSAN_OPTIONS:-}
export ASAN_OPTIONS UBSAN_OPTIONS
CB_SHARED=${CB_SHARED:-$CB_SRC/../shared}
umask 022

_n=0 _failed=0 _planned=0 _last=0 _notes=
T=$(mktemp -d "${TMPDIR:-/tmp}/cb-test.XXXXXX") && cd "$T" || exit 99
T=$(pwd -P)
HOME=$T
PYTHONDONTWRITEBYTECODE=1
export T HOME PYTHONDONTWRITEBYTECODE
_leave() {
	_status=$?
	trap - EXIT
	cd / || :
	if [ "$_failed" -eq 0 ] && [ "$_planned" -eq 1 ]; then
		rm -rf "$T"
	else
		echo "# kept: $T" >&2
	fi
	[ "$_planned" -eq 1 ] || _status=99
	[ "$_failed" -eq 0 ] || _status=1
	exit "$_status"
}
trap _leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# what is to be known of a result: before it, or after one that failed
note() {
	if [ "${_last:-0}" -ne 0 ]; then
		_diag "$*"
	else
		printf '%s\n' "$*" | sed 's/^/# /'
		_notes=${_notes:+$_notes
}$*
	fi
}
# what explains a failure goes to stderr, which prove shows
_diag() { printf '%s\n' "$*" | sed 's/^/#   /' >&2; }

_result() {	# STATUS DESC
	_n=$((_n + 1))
	# a description is one line, and "#" would start a directive
	_desc=$(printf '%s' "$2" | tr '\n#' ' -' | cut -c1-160)
	_last=$1
	if [ "$1" -eq 0 ]; then
		echo "ok $_n - $_desc"
	else
		_failed=$((_failed + 1))
		echo "not ok $_n - $_desc"
		printf '\n# %s: not ok %s - %s\n' "${0##*/}" "$_n" "$_desc" >&2
		[ -z "$_notes" ] || _diag "$_notes"
	fi
	_notes=
	return "$1"
}

_show() {	# FILE: its first lines as diagnostics, made safe for a terminal
	[ -s "$1" ] || return 0
	head -c 2000 "$1" | tr -c '[:print:]\n' '?' | head -n 20 | sed "s|^|#   $1: |" >&2
}

# shellcheck disable=SC2294  # the expression is meant to be evaluated
ok() {
	if eval "$2"; then
		_result 0 "$1"
	else
		_result 1 "$1" || :
		_diag "false: $2"
		return 1
	fi
}

exits() {
	_want=$1
	shift
	_st=0
	"$@" >out 2>err || _st=$?
	if [ "$_st" -eq "$_want" ]; then
		_result 0 "exit $_want: $*"
	else
		_result 1 "exit $_want: $*" || :
		_diag "exited $_st"
		_show err
		_show out
		return 1
	fi
}

same_file() {
	if cmp -s -- "$1" "$2"; then
		_result 0 "${3:-same: $1 $2}"
	else
		_result 1 "${3:-same: $1 $2}" || :
		diff -u -- "$1" "$2" 2>&1 | head -n 20 | tr -c '[:print:]\n' '?' | sed 's/^/#   /' >&2
		return 1
	fi
}

skip() {
	_k=${2:-1}
	while [ "$_k" -gt 0 ]; do
		_n=$((_n + 1)) _k=$((_k - 1))
		echo "ok $_n # SKIP $1"
	done
}

skip_all() {
	if [ "$_n" -eq 0 ]; then
		echo "1..0 # SKIP $1"
	else
		skip "$1"
		echo "1..$_n"
	fi
	_planned=1
	exit 0
}

need_shared() {
	if [ ! -d "$CB_SHARED" ] || [ ! -e "$CB_SHARED/${1:-.}" ]; then
		skip_all "no shared test data (${1:-shared}); set CB_SHARED"
	fi
	CB_SHARED=$(cd "$CB_SHARED" && pwd -P)
	export CB_SHARED
}

need_cmd() {
	for _c; do
		command -v "$_c" >/dev/null 2>&1 || skip_all "$_c is not installed"
	done
}

# is this a sanitizer build? (faultio.so cannot be preloaded into one)
sanitized() { grep -q -e '-fsanitize=' "$CB_BUILD/flags"; }

valid_events() {
	if /usr/bin/python3 "$CB_SRC/tests/schema-validate.py" "$1" >valid.log 2>&1; then
		_result 0 "valid events: $1"
	else
		_result 1 "valid events: $1" || :
		_show valid.log
		return 1
	fi
}

wait_for() {
	_w=0
	until eval "$1"; do
		_w=$((_w + 1))
		[ "$_w" -lt 1200 ] || return 1
		sleep 0.05
	done
}

# bit 15 of the mask in /proc
catches() {
	_mask=$(sed -n 's/^SigCgt:.*\(........\)$/\1/p' "/proc/$1/status" 2>/dev/null)
	[ $((0x${_mask:-0} & 0x4000)) -ne 0 ]
}

done_testing() {
	_planned=1
	echo "1..$_n"
	[ "$_n" -gt 0 ] || { echo "Bail out! no test ran"; _failed=1; }
	[ "$_failed" -eq 0 ]
}
