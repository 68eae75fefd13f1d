#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every tool locks itself in before it reads what others wrote: it works as without, what is
# forbidden is refused, and what the kernel lacks is said.
# shellcheck disable=SC2016  # expressions for ok
. "$CB_SRC/tests/lib.sh"
need_cmd jq
PATH=$CB_BUILD/aid:$PATH
without=$CB_BUILD/aid/without

mkstream IPPeIPPeE >whole.cbf
cb-frame events whole.cbf >events.ndjson
printf 'rules:\n  - name: any\n    type: cb.scene.change\n' >rules.yml
printf 'rules: []\n' >track.yml
cb-record store <whole.cbf >/dev/null
cb-sign keygen -o key --no-passphrase
cb-sign sign -k key.key events.ndjson
cb-audit init log --key key.key --origin example.org/log --epochs 20
cb-audit append log <events.ndjson
cp "$CB_SRC/tests/fuzz/corpus/nn_pack/float.cbm" model.cbm
cb-mux -f matroska -o clip.mkv <whole.cbf
echo about >note

# What a kernel has, by the tool that needs least.
cb-frame check -v whole.cbf >/dev/null 2>err || :
level=$(sed -n 's/^cb-frame: sandbox: //p' err)
note "here: $level"
ok "the level is said" '[ -n "$level" ]'
case $level in *seccomp=1*) filter=yes ;; *) filter= ;; esac
case $level in *landlock=0*) landlock= ;; *) landlock=yes ;; esac

# use TOOL: words, with good input in $in
use() {
	in=/dev/null
	case $1 in
	cb-frame) args='check whole.cbf' ;;
	cb-ingest) args=clip.mkv ;;
	cb-mux) args='-f matroska -o out.mkv' in=whole.cbf ;;
	cb-record) args='store2 --log log' in=whole.cbf ;;
	cb-replay) args='store' ;;
	cb-query) args='store segments' ;;
	cb-store) args='check store' ;;
	cb-detect) args='--no-objects' in=whole.cbf ;;
	cb-model) args='check model.cbm' ;;
	cb-draw) args='--picture=p.png' in=whole.cbf ;;
	cb-track) args='--log log' in=events.ndjson ;;
	cb-alert) args='--config rules.yml --log log' in=events.ndjson ;;
	cb-audit) args='verify log' ;;
	cb-sign) args='verify --pub key.pub events.ndjson' ;;
	cb-verify) args='--key key.pub events.ndjson' ;;
	cb-export) args='store -o bundle' ;;
	esac
}

tools='cb-frame cb-ingest cb-mux cb-record cb-replay cb-query cb-store cb-detect cb-model cb-draw cb-track cb-alert cb-audit cb-sign cb-verify cb-export'
for t in $tools; do
	use "$t"
	# --- what is forbidden is refused
	_st=0
	# shellcheck disable=SC2086  # words
	"$t" $args --sandbox-self-test <"$in" >probes 2>err || _st=$?
	refused=$(grep -c '"verdict":"refused"' probes)
	ok "$t: the self-test: nothing forbidden was possible" '[ "$_st" -eq 0 ] && [ -s probes ] && ! grep "\"verdict\":\"done\"" probes' ||
		{ _diag "exited $_st"; _show err; }
	ok "$t: lines of JSON" 'jq -es "length >= 80 and all(.[]; .tool == \"$t\" and .probe and .verdict)" probes >/dev/null'
	if [ -z "$filter" ]; then
		skip "no filter here: little can be refused"
	else
		ok "$t: at least 50 forbidden things were refused ($refused)" '[ "$refused" -ge 50 ]'
	fi

	# --- the same result, whatever the kernel has
	rm -rf out.mkv p.png bundle store2
	_st=0
	# shellcheck disable=SC2086  # words
	"$t" $args --sandbox=off <"$in" >wanted 2>err || _st=$?
	want=$_st
	for how in auto require; do
		if [ "$how" = require ] && { [ -z "$filter" ] || [ -z "$landlock" ]; }; then
			skip "this kernel has not all that is required"
			continue
		fi
		rm -rf out.mkv p.png bundle store2
		_st=0
		# shellcheck disable=SC2086  # words
		"$t" $args --sandbox=$how <"$in" >out 2>err || _st=$?
		ok "$t --sandbox=$how: as without" '[ "$_st" -eq "$want" ] && [ "$(wc -l <out)" -eq "$(wc -l <wanted)" ]' ||
			{ _diag "exited $_st, not $want"; _show err; }
	done
	if [ ! -x "$without" ] || ! "$without" landlock true 2>/dev/null; then
		skip "system calls cannot be taken away here" 2
		continue
	fi
	rm -rf out.mkv p.png bundle store2
	_st=0
	# shellcheck disable=SC2086  # words
	"$without" landlock,seccomp "$t" -v $args <"$in" >out 2>err || _st=$?
	ok "$t: on an old kernel: goes on, and says what is missing" \
		'[ "$_st" -eq "$want" ] && grep -q "^$t: sandbox: landlock=0 seccomp=0 .*; Landlock: .*seccomp: " err' ||
		{ _diag "exited $_st, not $want"; _show err; }
	_st=0
	# shellcheck disable=SC2086  # words
	"$without" landlock "$t" $args --sandbox=require <"$in" >out 2>err || _st=$?
	ok "$t --sandbox=require on an old kernel: 77, and why" \
		'[ "$_st" -eq 77 ] && [ "$(wc -l <err)" -eq 1 ] && grep -q "^$t: .*sandbox: Landlock: Function not implemented" err' ||
		{ _diag "exited $_st"; _show err; }
done

# --- what cb-ingest starts for addresses: beside its workers nothing, and a worker only connects
_st=0
cb-ingest --sandbox-self-test rtsp://127.0.0.1:9/x >probes 2>err || _st=$?
ok "cb-ingest of a camera: the self-test" '[ "$_st" -eq 0 ] && [ "$(grep -c . probes)" -ge 80 ] && ! grep "\"verdict\":\"done\"" probes' ||
	{ _diag "exited $_st"; _show err; }
ok "it can start its workers and no shell" '[ -z "$filter$landlock" ] || grep -q "\"run-shell\",\"verdict\":\"refused\"" probes'
version=$(cb-frame --version | cut -d" " -f2)
for source in rtsp://127.0.0.1:9/x http://127.0.0.1:9/x https://127.0.0.1:9/x; do
	case $source in rtsp*) h=cb-rtsp ;; *) h=cb-libav ;; esac
	_st=0
	"$CB_BUILD/libexec/cb/$h" "cb=$version" self-test=1 camera=c status=2 "source=$source" >probes 2>err || _st=$?
	ok "the worker for $source: the self-test" \
		'[ "$_st" -eq 0 ] && [ "$(grep -c . probes)" -ge 80 ] && ! grep "\"verdict\":\"done\"" probes' ||
		{ _diag "exited $_st"; _show err; }
	ok "the worker for $source: starts nothing" \
		'[ -z "$filter" ] || [ "$(grep -cE "\"(run-shell|run-program|make-process)\",\"verdict\":\"refused\"" probes)" -eq 3 ]'
done

# --- what cb-alert starts is named by its rules, and as free as it was
cat >hook.sh <<'END'
#!/bin/sh
sed -n 's/^NoNewPrivs:.//p; s/^Seccomp:.//p' /proc/self/status >"$T_HOOK" && : >"$T_HOOK.done"
END
sed -i "s|\$T_HOOK|$T/hook.out|g" hook.sh
chmod +x hook.sh
printf 'rules:\n  - name: any\n    type: "*"\n    hook: { argv: [%s] }\n' "$T/hook.sh" >hooks.yml
exits 0 cb-alert --config hooks.yml <events.ndjson
ok "a hook is not locked in" '[ -e hook.out.done ] && [ "$(tr "\n" " " <hook.out)" = "0 0 " ]' || note "$(cat err hook.out)"

# --- the eye of the self-test: it sees what is possible
if "$without" seccomp true 2>/dev/null; then
	exits 0 "$without" seccomp cb-frame check --sandbox-self-test
	ok "without a filter: what it would refuse is skipped, not passed" \
		'[ "$(grep -c "\"verdict\":\"skipped\",\"why\":\"no seccomp filter\"" out)" -ge 50 ]'
else
	skip "system calls cannot be taken away here" 2
fi
# --- a tracer may answer a system call in the kernel's place
if sanitized || ! strace -o /dev/null true 2>/dev/null; then
	skip "no tracing here"
else
	exits 0 strace -o trace -e trace=writev,write -e inject=write,writev:error=EINTR:when=1 cb-frame check whole.cbf
fi
exits 64 cb-frame check --sandbox=off --sandbox-self-test
exits 64 cb-frame check --sandbox=maybe
done_testing
