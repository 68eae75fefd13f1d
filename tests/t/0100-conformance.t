#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What every tool promises (cb(7)), tried on every tool: option texts, exit statuses, full disks,
# closed descriptors, cut input, signals, terminals, and names full of terminal controls.
. "$CB_SRC/tests/lib.sh"
PATH=$CB_BUILD/aid:$PATH
TOOLS=${CB_TOOLS:-$(cd "$CB_BUILD/bin" && echo cb-*)}

# --- what to work on ---------------------------------------------------------------------------

cat >rules.yml <<'END'
rules:
  - name: any
    type: cb.scene.change
END
ffmpeg -nostdin -loglevel error -f lavfi -i testsrc2=size=160x120:rate=10:duration=2 \
	-c:v libx264 -preset ultrafast -g 5 -pix_fmt yuv420p clip.mkv
ok "a clip to work on" '[ -s clip.mkv ]'
mkstream IPPeIPPeE >small.cbf
cb-frame events small.cbf >events.ndjson
if [ -x "$CB_BUILD/bin/cb-ingest" ]; then
	cb-ingest --camera=cam1 --start-time=2026-01-01T00:00:00Z clip.mkv >whole.cbf
else
	cp small.cbf whole.cbf
fi
ok "a frame stream to work on" '[ -s whole.cbf ] && [ -s events.ndjson ]'
cp "$CB_SRC/tests/fuzz/corpus/nn_pack/float.cbm" model.cbm
if [ -x "$CB_BUILD/bin/cb-record" ]; then
	cb-record store <whole.cbf >/dev/null
fi
if [ -x "$CB_BUILD/bin/cb-audit" ]; then
	cb-sign keygen -o log-key --no-passphrase && cb-audit init log --key log-key.key --origin example.org/log --epochs 20
	cb-audit append log <events.ndjson
fi

# --- one small real invocation a tool ----------------------------------------------------------

# about TOOL: how to run it on good input, results on stdout; in
#   args   its arguments, words without blanks; a store that is written to is a new one
#   reads  what it wants on stdin: frames, events, container or nothing
#   takes  the operands that it cannot do without
#   shows  what it writes: text, or binary that no terminal can show
stores=0
about() {
	args='' reads=frames takes='' shows=text
	stores=$((stores + 1))
	case $1 in
	cb-frame) args=dump takes='check whole.cbf' ;;
	cb-skel) ;;
	cb-ingest) args='--camera=cam1 --start-time=2026-01-01 -' reads=container takes=- shows=binary ;;
	cb-mux) args=--format=matroska shows=binary ;;
	cb-record) args=store$stores takes=nowhere ;;
	cb-replay) args='store --camera=cam1' reads=nothing takes=nowhere shows=binary ;;
	cb-query) args='store segments' reads=nothing takes=nowhere ;;
	cb-store) args="put store$stores" reads=events takes='check nowhere' ;;
	cb-detect) ;;
	cb-model) args='info model.cbm' reads=nothing takes='info nowhere' ;;
	cb-draw) shows=binary ;;
	cb-alert) args=--config=rules.yml reads=events ;;
	cb-track) reads=events ;;
	cb-audit) args='query log' reads=nothing takes='query nowhere' ;;
	cb-sign) args='inspect --format=text key.pub' reads=nothing takes='encrypt -p nowhere' ;;
	cb-verify) args='--format=text store' reads=nothing takes=nowhere ;;
	cb-export) args='store --camera=cam1 -o -' reads=nothing takes='nowhere -o none' shows=binary ;;
	*) ok "$1: 0100-conformance.t knows how to run it" false; exit 99 ;;
	esac
	case $reads in
	frames) good=whole.cbf ;;
	events) good=events.ndjson ;;
	container) good=clip.mkv ;;
	*) good=/dev/null ;;
	esac
}
# real TOOL [INPUT]
real() {
	about "$1"
	# shellcheck disable=SC2086  # words
	"$1" $args <"${2:-$good}"
}

# --- helpers -----------------------------------------------------------------------------------

# run CODE DESC SHELL: as exits, for a piece of shell with its redirections
status() {
	_want=$1 _what=$2 _st=0
	eval "$3" || _st=$?
	if [ "$_st" -eq "$_want" ]; then
		_result 0 "$_what: exit $_want"
	else
		_result 1 "$_what: exit $_want" || :
		_diag "exited $_st: $3"
		_show err
	fi
}
# does a file hold anything that could steer a terminal, or text that a name smuggled onto a line?
steers() {
	grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$1" && return 0
	grep -qP '\xc2[\x80-\x9f]|\xe2\x80[\x8e\x8f\xaa-\xae]|\xe2\x81[\xa6-\xa9]' "$1" && return 0
	grep -q '^FAKE' "$1" && return 0
	! iconv -f UTF-8 -t UTF-8 "$1" >/dev/null 2>&1
}
steers_c() { (LC_ALL=C; export LC_ALL; steers "$1"); }
printf 'a\033]0;title\007b' >evil && ok "the eye for terminal controls sees" 'steers_c evil'
printf 'plain text\n' >good && ok "and lets text pass" '! steers_c good'
dirty=$(printf '\302\233\061m\342\200\256cba\342\201\246')
printf '{"specversion":"1.0","id":"i%s","source":"/s%s","type":"t%s","subject":"c%s","data":{"t_us":1767225600000000,"%s":"%s\\u001b[0m"}}\n' \
	"$dirty" "$dirty" "$dirty" "$dirty" "$dirty" "$dirty" >foreign1.ndjson
{
	cat foreign1.ndjson
	printf '{"id\033]0;x\007%s":"\033[31m",\n\033]0;title\007\n%s\n' "$dirty" "$dirty"
} >foreign.ndjson
printf 'untrusted comment: k\nRWRP9K6XzhJsBHtqKHeoJAbFoE8wFP/bmXpXe4CfC6lw66pbXt799Ga1\n' >key.pub
# one line of diagnosis that names the tool
one_line() { [ "$(wc -l <err)" -eq 1 ] && grep -q "^$1: " err; }

[ -n "${CB_TOOLS-}" ] || for c in "$CB_SRC"/cmd/cb-*.c; do
	c=${c##*/}
	ok "${c%.c} is built" '[ -x "$CB_BUILD/bin/${c%.c}" ]'
done
for t in $TOOLS; do
	about "$t"
	# --- texts
	exits 0 "$t" --help
	cp out help
	ok "$t --help: on stdout alone" '[ -s out ] && [ ! -s err ]'
	ok "$t --help: 80 columns" '! grep -nE "^.{81,}" out'
	ok "$t --help: one screen of 24 lines, of those for models or with many verbs 40" \
		'case $t in cb-alert|cb-detect|cb-model|cb-store|cb-audit|cb-sign|cb-track|cb-export|cb-verify) n=40 ;; *) n=24 ;; esac; [ "$(wc -l <out)" -le "$n" ]'
	ok "$t: every option has a text" '! "$t" --dump-options | awk -F "\t" "NF != 4 || \$4 == \"\"" | grep .'
	exits 0 "$t" -h
	same_file help out "$t -h is --help"
	exits 0 "$t" --usage
	ok "$t --usage: 80 columns" '[ -s out ] && ! grep -nE "^.{81,}" out'
	exits 0 "$t" --version
	ok "$t --version: name and number" 'grep -qxE "$t [0-9]+\.[0-9]+\.[0-9]+" out && [ "$(wc -l <out)" -eq 1 ]'
	exits 0 "$t" --dump-options
	cut -f1 out | sort | uniq -d >twice
	cut -f2 out | grep -vx -e - | sort | uniq -d >>twice
	ok "$t: no option twice" '[ ! -s twice ]'
	cp out table

	# --- misuse
	exits 64 "$t" --no-such-option
	ok "$t: misuse names the tool, on stderr" 'head -n 1 err | grep -q "^$t: " && [ ! -s out ]'
	while IFS='	' read -r o short meta doc; do
		[ "$meta" != - ] || continue
		status 64 "$t --$o without its argument" "$t --$o </dev/null >out 2>err"
	done <table
	if [ -n "$takes" ]; then
		status 64 "$t without an operand" "$t </dev/null >out 2>err"
	fi
	if [ "$t" = cb-verify ]; then
		skip "$t takes as many operands as there are" 2
	else
		status 64 "$t: operands too many" "$t $takes $(seq -s " " 99) </dev/null >out 2>err"
		ok "$t: operands too many: says so" 'head -n 1 err | grep -q "^$t: " && [ ! -s out ]'
	fi
	# numbers, sizes and times that are none
	awk -F '\t' '$3 ~ /^(N|BYTES|DURATION|TIME)$/ { print $1 }' table >typed
	while read -r o; do
		for v in '' 12x 0x10 1e999 nan 99999999999999999999999; do
			status 64 "$t --$o=$v" "$t --$o='$v' </dev/null >out 2>err"
		done
	done <typed

	# --- stdout that cannot be written
	for o in --help --version --usage --dump-options; do
		status 74 "$t $o >/dev/full" "$t $o >/dev/full 2>err"
	done
	status 0 "$t works" "real $t >out 2>err"
	cp out wanted
	ok "$t: silent on stderr when all is well" '[ ! -s err ]'
	if [ -s wanted ]; then
		status 74 "$t: results to /dev/full" "real $t >/dev/full 2>err"
		ok "$t: /dev/full: one line" 'one_line $t'
		status 74 "$t: stdout closed" "real $t >&- 2>err"
		ok "$t: stdout closed: one line" 'one_line $t'
	else
		ok "$t: a real invocation writes something" false
	fi
	# nothing that works on files and pipes opens a socket, be it for a name or a clock
	if sanitized; then
		skip "leaks cannot be looked for in a traced process"
	elif ! strace -o /dev/null true 2>/dev/null; then
		skip "no tracing here"
	else
		about "$t"
		# shellcheck disable=SC2086  # words
		strace -f -e trace=socket,bind,listen,connect -o trace "$t" $args <"$good" >out 2>err
		ok "$t: no network" '[ -s trace ] && ! grep -E "(socket|bind|listen|connect)\(" trace'
	fi
	# with stderr closed nothing meant for it may land in an output file
	status 0 "$t: stderr closed" "real $t >out 2>&-"
	if [ "$t" != cb-record ] && [ "$t" != cb-store ] && [ "$t" != cb-export ]; then
		same_file wanted out "$t: the same again, with stderr closed"
	fi

	# --- input that is not there, empty or cut
	case $reads in
	# no event is a fine number of events; no frame, and nobody said that this is all
	events) status 0 "$t: empty input" "real $t /dev/null >out 2>err" ;;
	frames|container)
		status 65 "$t: empty input" "real $t /dev/null >out 2>err"
		;;
	esac
	case $reads in
	frames)
		ok "$t: empty input: says so" 'one_line $t'
		head -c $(($(wc -c <whole.cbf) - 70)) whole.cbf >cut.cbf
		status 65 "$t: cut stream" "real $t cut.cbf >out 2>err"
		ok "$t: cut stream: says so" 'grep -q "^$t: " err'
		head -c $(($(wc -c <whole.cbf) - 64)) whole.cbf >cut.cbf
		status 65 "$t: stream without END" "real $t cut.cbf >out 2>err"
		ok "$t: stream without END: says so" 'grep -qiE "END|cut|died" err'
		head -c 3000 clip.mkv >junk
		status 65 "$t: something else than frames" "real $t junk >out 2>err"
		;;
	events)
		head -c $(($(wc -c <events.ndjson) - 9)) events.ndjson >cut.ndjson
		status 65 "$t: cut event line" "real $t cut.ndjson >out 2>err"
		ok "$t: cut event line: says so" 'grep -q "^$t: " err'
		;;
	container)
		head -c 600 clip.mkv >cut.mkv
		status 65 "$t: cut container" "real $t cut.mkv >out 2>err"
		;;
	esac
	# a closed stdin is an input that is not there: a diagnosis, no crash, no hang
	if [ "$reads" != nothing ]; then
		mkdir -p a-directory
		for in in '<&-' '<a-directory'; do
			about "$t"
			_st=0
			eval "\"\$t\" \$args $in >out 2>err" || _st=$?
			ok "$t: stdin $in: a diagnosis ($_st)" '[ "$_st" -ge 64 ] && [ "$_st" -le 78 ] && [ "$_st" -ne 70 ] && one_line $t'
		done
	fi

	# --- a store whose file was cut
	if [ "$t" = cb-replay ]; then
		cp -r store cut-store
		seg=$(find cut-store -name '*.mp4')
		chmod u+w "$seg"
		truncate -s $(($(wc -c <"$seg") / 2)) "$seg"
		exits 65 cb-replay cut-store --camera=cam1
		ok "$t: cut store: says so" 'grep -q "^$t: " err'
	fi

	# --- a reader that leaves early ends the tool quietly; that no status is a crash's
	_st=0
	rm -f code
	{ real "$t" 2>err; echo "$?" >code; } | head -c 1 >/dev/null
	ok "$t: a reader that leaves early: no noise" '! grep -v "Broken pipe" err | grep -q .'
	ok "$t: a reader that leaves early: no crash ($(cat code))" 'case $(cat code) in 0|74|141) ;; *) false ;; esac'

	# --- SIGTERM while it waits for more: it finishes what it has and leaves with 0
	if [ "$reads" != nothing ]; then
		for sig in TERM INT; do
			rm -f in.fifo
			mkfifo in.fifo
			about "$t"
			# what a shell puts behind itself ignores INT; env gives it back
			# shellcheck disable=SC2086  # words
			env --default-signal "$t" $args <in.fifo >out 2>err &
			pid=$!
			exec 9>in.fifo
			head -c $(($(wc -c <"$good") * 2 / 3)) "$good" >&9
			wait_for 'catches "$pid"'
			kill -s "$sig" "$pid"
			exec 9>&-
			_st=0
			wait "$pid" || _st=$?
			ok "$t: SIG$sig: exit 0 and no complaint" '[ "$_st" -eq 0 ] && [ ! -s err ]' ||
				{ _diag "exited $_st"; _show err; }
		done
	fi

	# --- what a terminal cannot show is refused
	if [ "$shows" = binary ]; then
		_st=0
		script -qec "$t $args <$good 2>err" /dev/null </dev/null >screen || _st=$?
		ok "$t: refuses a terminal" '[ "$_st" -eq 64 ] && [ ! -s screen ] && one_line $t' ||
			{ _diag "exited $_st"; _show err; }
	fi

	# --- foreign bytes never reach the terminal raw
	esc=$(printf 'x\033[31mred\033[0m\007\010y')
	lf=$(printf 'x\nFAKE: all is well')
	c1=$(printf 'x\302\2331mA\303\050\377\376\300\257')
	bidi=$(printf 'x\342\200\256cba\342\201\246\342\200\217')
	n=0
	for bad in "$esc" "$lf" "$c1" "$bidi"; do
		n=$((n + 1))
		name=$(echo "esc lf c1 bidi" | cut -d' ' -f$n)
		# as an option, as an option's value, as one operand too many, as a file
		_st=0
		"$t" "--$bad" </dev/null >out 2>err || _st=$?
		ok "$t: $name as an option" '[ "$_st" -eq 64 ] && ! steers_c err'
		while read -r o; do
			_st=0
			"$t" "--$o=$bad" </dev/null >out 2>err || _st=$?
			ok "$t: $name in --$o" '[ "$_st" -ge 64 ] && [ "$_st" -le 78 ] && ! steers_c err'
		done <typed
		_st=0
		"$t" "/nonexistent/$bad" "/nonexistent/$bad" "/nonexistent/$bad" "$bad" </dev/null >out 2>err || _st=$?
		ok "$t: $name as operands" '[ "$_st" -ge 64 ] && [ "$_st" -le 78 ] && ! steers_c err'
		set -- "/nonexistent/$bad"
		case $t in
		cb-frame) set -- dump "$@" ;;
		cb-query) set -- "$@" segments ;;
		cb-store) set -- check "$@" ;;
		cb-audit) set -- query "$@" ;;
		cb-sign) set -- inspect "$@" ;;
		cb-replay) set -- "$@" --camera=cam1 ;;
		cb-export) set -- "$@" --camera=cam1 -o none ;;
		cb-record) set -- "$@" --camera=cam1 ;;
		cb-alert) set -- "--config=$1" ;;
		cb-draw) set -- "--events=$1" ;;
		cb-detect) set -- "--model=$1" ;;
		cb-mux) set -- "--format=$1" ;;
		esac
		_st=0
		"$t" "$@" </dev/null >out 2>err || _st=$?
		ok "$t: $name in a file name" '[ "$_st" -ge 64 ] && [ "$_st" -le 78 ] && ! steers_c err'
	done
	# nor do they out of an event: not in a message about a line, and not in a table
	if [ "$reads" = events ]; then
		status 65 "$t: foreign bytes in lines" "real $t foreign.ndjson >out 2>err"
		ok "$t: foreign bytes in lines: a clean diagnosis" 'grep -q "^$t: " err && ! steers_c err'
	fi
	if [ "$t" = cb-draw ]; then
		status 0 "$t: foreign bytes in a warning" 'cb-draw --picture="$lf$esc.png" <whole.cbf 2>err'
		ok "$t: foreign bytes in a warning: cleaned" 'one_line $t && grep -q "warning: .*FAKE" err && ! steers_c err'
	fi
	if [ "$t" = cb-query ]; then
		cb-store put foreign <foreign1.ndjson >/dev/null
		exits 0 cb-query foreign events --format=table
		ok "$t: foreign bytes in a table" '[ "$(wc -l <out)" -eq 2 ] && ! steers_c out'
	fi
done
done_testing
