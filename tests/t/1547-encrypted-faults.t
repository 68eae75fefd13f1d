#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Keys and faults: whatever fails while a day key is made or destroyed, nothing is on the disk in the
# clear, nothing that was recorded lacks its key, and what was begun can be finished.
. "$CB_SRC/tests/lib.sh"
need_cmd jq
PATH=$CB_BUILD/aid:$PATH

cb-sign keygen --encryption --no-passphrase -o a
# over midnight: a second key is made in the middle
mkstream -w 1767398397 -n 400 "$(printf 'IPPPPPPPPPPPPPPPPPPPPPPPP%.0s' 1 2 3 4 5 6)E" >whole.cbf
cb-record W -R a.pub --segment=2s <whole.cbf >/dev/null
ok "two days" '[ "$(find W/keys -name "*.age" | wc -l)" = 2 ]' || note "$(find W)"
cb-replay W -i a.key | cb-frame dump | grep PACKET | sed 's/^[0-9]* //' >packets
all=$(wc -l <packets)

# everything in F that is sealed can be read, and is what came; nothing is there in the clear
sound() {
	! find F -name '*.mp4*' -exec cat {} + | LC_ALL=C grep -a -q -e moov -e mdat || { note "in the clear: $1"; return 1; }
	cb-store check F -i a.key >check 2>&1 || { note "$1: $(head -n 2 check)"; return 1; }
	cb-replay F -i a.key 2>/dev/null >back.cbf
	cb-frame dump <back.cbf 2>/dev/null | grep PACKET | sed 's/^[0-9]* //' >back
	head -n "$(wc -l <back)" packets | cmp -s - back || { note "$1: not a prefix"; return 1; }
}
if [ -e "$CB_BUILD/aid/faultio.so" ] && ! sanitized; then
	faults() {	# KIND ERROR
		_k=0 _bad=0 _whole=0
		while [ $_k -lt 60 ]; do
			_k=$((_k + 1))
			rm -rf F fault.log
			_st=0
			LD_PRELOAD=$CB_BUILD/aid/faultio.so FAULT=$1:$_k:$2 FAULT_LOG=$T/fault.log FAULT_UNDER=$T/F/keys \
				cb-record F --sandbox=off -R a.pub --segment=2s <whole.cbf >rec 2>err || _st=$?
			[ -e fault.log ] || break
			case $_st in
			0|73|74|77) ;;
			*) _bad=$((_bad + 1)); note "$1 $_k: exit $_st: $(cat err)" ;;
			esac
			[ -d F/cameras ] || continue
			[ $_st = 0 ] || printf 'open  \n' >F/cameras/cam1/lock 2>/dev/null || :
			mkstream -w 1760000000 IPPE | cb-record F --camera=cam2 -R a.pub >/dev/null 2>err || { _bad=$((_bad + 1)); note "afterwards: $(cat err)"; }
			rm -rf F/cameras/cam2
			sound "$1 $_k" || _bad=$((_bad + 1))
			[ "$(wc -l <back)" != "$all" ] || _whole=$((_whole + 1))
		done
		ok "$1 fails with $2 among the keys, each of $((_k - 1)) in turn" '[ $_bad = 0 ] && [ $_k -gt 1 ]'
		note "$1 $2: $_whole of $((_k - 1)) recordings whole"
	}
	faults write ENOSPC
	faults write short
	faults fsync EIO
	faults sync EIO
else
	skip "no fault injection under a sanitizer" 4
fi

# --- kills: every call of its own that forget-key makes in the store
if ! sanitized && command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; then
	day=2026-01-02
	cb-record W -R a.pub --segment=2s --camera=cam1 <whole.cbf >/dev/null	# two keys a day
	calls=openat,write,pwrite64,writev,fsync,fdatasync,renameat2,unlinkat,fchmod,flock,linkat
	cp -r W F
	strace -f -qq -o trace -e trace=$calls cb-store forget-key F --sandbox=off --camera cam1 --day $day >/dev/null
	n=$(wc -l <trace) k=0 bad=0 runs=0 half=0
	first=$(grep -n 'keys' trace | head -n 1 | cut -d: -f1)
	ok "it makes calls ($n)" '[ "$n" -gt 30 ] && [ "${first:-0}" -gt 0 ]'
	for call in $(printf '%s' $calls | tr , ' '); do
		m=$(grep -c "^[0-9]* *$call(" trace || :)
		k=$((m > 12 ? m - 12 : 0))	# the first ones are the loader's and the reading
		while [ $k -lt "$m" ]; do
			k=$((k + 1)) runs=$((runs + 1))
			rm -rf F && cp -r W F
			strace -f -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$k" \
				cb-store forget-key F --sandbox=off --camera cam1 --day $day >/dev/null 2>&1
			# a key that is gone was said to be
			for name in $(sed -n 's/^key \(2026-01-02.*\)/\1/p' F/cameras/cam1/*/*.manifest | sort -u); do
				[ -s "F/keys/cameras/cam1/$name.age" ] && cb-sign inspect "F/keys/cameras/cam1/$name.age" >/dev/null 2>&1 && continue
				[ -s "F/keys/cameras/cam1/$name.destroyed" ] || { bad=$((bad + 1)); note "$call $k: $name is gone, unsaid"; }
			done
			ls F/keys/cameras/cam1/*.destroyed >/dev/null 2>&1 && half=$((half + 1)) &&
				{ cb-query F events --type cb.key.destroyed | grep -q . || { bad=$((bad + 1)); note "$call $k: no event"; }; }
			cb-store check F -i a.key >check 2>&1 || { bad=$((bad + 1)); note "$call $k: $(head -n 1 check)"; }
			cb-store forget-key F --camera cam1 --day $day >/dev/null 2>&1
			[ "$(find F/keys -name "$day*.age" | wc -l)" = 0 ] && [ "$(find F/keys -name "$day*.destroyed" | wc -l)" = 2 ] ||
				{ bad=$((bad + 1)); note "$call $k: not finished: $(find F/keys)"; }
		done
	done
	ok "forget-key killed at each of $runs calls ($half in the middle): said before it is done, finished by the next" '[ $bad = 0 ] && [ $runs -gt 20 ] && [ $half -gt 3 ]'
else
	skip "strace cannot inject here" 2
fi
done_testing
