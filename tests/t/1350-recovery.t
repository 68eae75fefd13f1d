#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a recorder that is killed, or a disk that fails, leaves: nothing acknowledged is lost,
# nothing false is kept, and the next recorder puts it in order.
. "$CB_SRC/tests/lib.sh"
PATH=$CB_BUILD/aid:$PATH
one() { [ "$(wc -l <err)" = 1 ]; }

script=
for _ in 1 2 3 4 5 6 7 8; do script=${script}IPPPPPPPPPPPPP; done
mkstream -n 3000 "${script}E" >whole.cbf
mkstream -n 3000 "$script" >endless.cbf
cb-frame dump whole.cbf | grep PACKET | sed 's/^[0-9]* //' >packets

# are the packets of a replay the first ones of the source?
prefix() {	# LEFT-IN
	cb-replay "$1" --camera=cam1 2>rerr | cb-frame dump 2>/dev/null | grep PACKET | sed 's/^[0-9]* //' >back
	head -n "$(wc -l <back)" packets | cmp -s - back
}

# --- killed at any moment: every fragment whose line was there is there
bad=0 lost=0 part=0 n=0
while [ $n -lt 12 ]; do
	n=$((n + 1))
	rm -rf K fifo
	mkfifo fifo
	cb-record K --sync-interval=0 <fifo >/dev/null 2>&1 & pid=$!
	exec 9>fifo
	head -c $((n * 29000)) endless.cbf >&9
	# what it read last is not our business: wait until it reads no more
	_i=0
	until cb-query K segments --format=ndjson 2>/dev/null | grep -q "\"fragments\":$(( n * 29000 / 3104 / 14 > 1 ? n * 29000 / 3104 / 14 - 1 : 0 ))" || [ $_i = 40 ]; do sleep 0.02; _i=$((_i + 1)); done
	kill -9 $pid
	wait $pid 2>/dev/null || :
	exec 9>&-
	before=$(cat K/cameras/cam1/*/*.manifest 2>/dev/null | grep -c '^[1-9]')
	[ -n "$(find K -name '*.part')" ] && part=$((part + 1))
	mkstream -w 1760000000 IPPE | cb-record K >rec 2>err || bad=$((bad + 1))
	[ -z "$(find K -name '*.part')" ] || bad=$((bad + 1))
	after=$(cat K/cameras/cam1/2025-06-15/*.manifest 2>/dev/null | grep -c '^[1-9]')
	[ "$before" = "$after" ] || lost=$((lost + 1))
	cb-replay K --to=2025-07-01 2>/dev/null | cb-frame dump | grep PACKET | sed 's/^[0-9]* //' >back
	head -n "$(wc -l <back)" packets | cmp -s - back || bad=$((bad + 1))
	cb-store check K >check 2>&1 || bad=$((bad + 1))
	if [ "$before" -gt 0 ]; then
		grep -q 'cb.recording.recovered' rec || bad=$((bad + 1))
		cat rec >>events
	fi
done
ok "killed $n times: $part left something open" '[ $part -ge 6 ]'
ok "no fragment that had its line was lost" '[ $lost = 0 ]'
ok "every store is sound again, and begins as the source does" '[ $bad = 0 ]'
valid_events events

# --- every way in which the end of an open segment can be damaged
rm -rf K fifo
mkfifo fifo
cb-record K --sync-interval=0 <fifo >/dev/null 2>&1 & pid=$!
exec 9>fifo
cat endless.cbf >&9
_i=0
until cb-query K segments --format=ndjson 2>/dev/null | grep -q '"fragments":7' || [ $_i = 100 ]; do sleep 0.05; _i=$((_i + 1)); done
kill -9 $pid
wait $pid 2>/dev/null || :
exec 9>&-
f=$(find K -name '*.mp4.part') m=$(find K -name '*.manifest')
ok "seven fragments are in the open segment" '[ "$(grep -c "^[1-7] " "$m")" = 7 ]'
cp -r K pristine
end_of() { awk -v n="$1" '$1 == n { print $2 + $3 }' "$2"; }
trial() {	# DESC FRAGMENTS-KEPT COMMAND: damage a copy, recover, look
	_what=$1 _want=$2
	shift 2
	rm -rf K
	cp -r pristine K
	eval "$*"
	mkstream -w 1760000000 IPPE | cb-record K >rec 2>err
	_got=$(cat K/cameras/cam1/2025-06-15/*.manifest 2>/dev/null | grep -c '^[1-9]')
	cb-store check K >check 2>&1
	_sound=$?
	ok "$_what: $_want fragments stay" '[ "$_got" = "$_want" ] && [ $_sound = 0 ]' || note "$_got: $(cat err check)"
}
size=$(stat -c %s "$f")
e5=$(end_of 5 "$m") e7=$(end_of 7 "$m")
trial "untouched" 7 :
trial "no lock file" 7 "rm K/cameras/cam1/lock"
trial "a tail without a line" 7 "head -c 5000 /dev/urandom >>$f"
trial "a tail of zeros" 7 "truncate -s +65536 $f"
trial "cut in fragment 6" 5 "truncate -s $((e5 + 700)) $f"
trial "cut and zeros" 5 "truncate -s $((e5 + 700)) $f; truncate -s $size $f"
trial "a byte of fragment 6 flipped" 5 "printf x | dd of=$f bs=1 seek=$((e5 + 2000)) conv=notrunc status=none"
trial "half a line in the manifest" 7 "printf '8 99 12 ab' >>$m"
trial "a line cut short" 6 "truncate -s -20 $m"
trial "zeros after the manifest" 7 "truncate -s +4096 $m"
trial "a line that lies" 7 "printf '8 %d 10 %064d - 0 0 - 1 0\n' $e7 0 >>$m"
trial "no manifest" 0 "rm $m"
trial "an empty manifest" 0 ": >$m"
trial "an empty segment" 0 "truncate -s 0 $f"
ok "what could not be kept was said" 'grep -q "\"cb.recording.recovered\"" rec && grep -q "\"fragments\":0" rec'
trial "the init segment damaged" 0 "printf x | dd of=$f bs=1 seek=40 conv=notrunc status=none"
ok "set aside, not destroyed" '[ -n "$(find K -name "*.mp4.broken")" ]'
trial "killed after the end line" 7 "true"
rm -rf K
cp -r pristine K
mkstream -w 1760000000 IPPE | cb-record K >rec 2>err
s=$(find K -path '*2025-06-15*.mp4')
ok "hashed bytes are the same to the byte" 'cmp -n "$(stat -c %s "$s")" "$s" "pristine${f#K}"'
ok "recovered: reason and loss" 'grep -q "\"reason\":\"recovered\".*\"lost_bytes\":0,\"lost_fragments\":0" rec'
ok "the seal was all that was missing" 'cp -r K K2 && mv "${s}" "${s}.part" && : >K/cameras/cam1/lock && printf "open  \n" >K/cameras/cam1/lock &&
	mkstream -w 1770000000 IPPE | cb-record K >/dev/null && [ -e "$s" ] && cmp -s "$s" "K2${s#K}" && cb-store check K >/dev/null'

# --- every write, sync, rename and directory that fails, one after another
faults() {	# KIND ERROR
	_k=0 _done=0 _bad=0 _quiet=0
	while [ $_done = 0 ] && [ $_k -lt 200 ]; do
		_k=$((_k + 1))
		rm -rf F fault.log
		_st=0
		LD_PRELOAD=$CB_BUILD/aid/faultio.so FAULT=$1:$_k:$2 FAULT_LOG=$T/fault.log \
			cb-record F --segment=2s --sync-interval=0 <whole.cbf >rec 2>err || _st=$?
		[ -e fault.log ] || { _done=1; break; }
		case $_st in
		0|73|74|77) ;;
		*) _bad=$((_bad + 1)); note "$1 $_k $2: exit $_st: $(cat err)" ;;
		esac
		[ $_st = 0 ] || one || { _bad=$((_bad + 1)); note "$1 $_k $2: $(cat err)"; }
		[ -d F/cameras ] || continue
		mkstream -w 1760000000 IPPE | cb-record F >rec 2>err || { _bad=$((_bad + 1)); note "$1 $_k: afterwards: $(cat err)"; }
		cb-store check F >check 2>&1 || { _bad=$((_bad + 1)); note "$1 $_k: check: $(head -n 3 check)"; }
		[ -d F/cameras/cam1/2025-06-15 ] || continue
		cb-replay F --to=2025-07-01 2>/dev/null | cb-frame dump 2>/dev/null | grep PACKET | sed 's/^[0-9]* //' >back
		head -n "$(wc -l <back)" packets | cmp -s - back || { _bad=$((_bad + 1)); note "$1 $_k: not a prefix"; }
		[ $_st != 0 ] || [ "$(wc -l <back)" = "$(wc -l <packets)" ] || _quiet=$((_quiet + 1))
	done
	ok "$1 fails with $2, each of $((_k - 1)) in turn: one line, a sound store" '[ $_bad = 0 ] && [ $_k -gt 1 ]'
	ok "$1 fails with $2: exit 0 only where nothing is missing" '[ $_quiet = 0 ]'
}
if [ -e "$CB_BUILD/aid/faultio.so" ] && ! ldd "$CB_BUILD/bin/cb-record" | grep -q asan; then
	faults write ENOSPC
	faults write short
	faults sync EIO
	faults rename EIO
	faults mkdir ENOSPC
else
	skip "no fault injection under a sanitizer" 10
fi

# --- a disk that is full for good
if unshare -rm sh -c 'mount -t tmpfs -o size=300k none /mnt' 2>/dev/null; then
	cat >full.sh <<'END'
mount -t tmpfs -o size=300k none /mnt || exit 99
cb-record /mnt/S --segment=2s --sync-interval=0 <whole.cbf >rec 2>err
echo $? >code
rm -rf copy && cp -r /mnt/S copy
END
	unshare -rm sh full.sh
	ok "full disk: 74, one line" '[ "$(cat code)" = 74 ] && one && grep -q "No space left" err'
	ok "full disk: says so in its events" 'grep -q cb.recording.suspended rec'
	valid_events rec
	printf 'open  \n' >copy/cameras/cam1/lock
	mkstream -w 1760000000 IPPE | cb-record copy >/dev/null 2>&1
	ok "full disk: the store is sound" 'cb-store check copy >check 2>&1' || note "$(cat check)"
	ok "full disk: it has what fitted" 'prefix copy; [ "$(wc -l <back)" -gt 20 ]'
else
	skip "cannot mount a small file system here" 5
fi
done_testing
