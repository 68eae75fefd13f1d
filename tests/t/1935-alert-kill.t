#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-alert: killed at each of its writes and syncs, in the middle of its work; what it and the next
# one say together balances, and agrees with the spool.
. "$CB_SRC/tests/lib.sh"
sanitized && skip_all "faults cannot be preloaded into a sanitizer build"

cat >k.yml <<END
rules: [{name: odd, type: door.open, message: "{subject} {data.n}"}]
sinks: [{name: desk, type: file, path: $T/desk}]
END
cat >g.yml <<END
rules: [{name: odd, type: door.open, message: "{subject} {data.n}"}]
sinks: [{name: desk, type: file, path: $T/desk}]
routes: [{sinks: desk, group_by: subject, group_wait: 50ms, group_interval: 100ms}]
END
for i in $(seq 0 299); do
	printf '{"specversion":"1.0","id":"%d","source":"/door","type":"door.open","subject":"c%d","data":{"t_us":%d000,"n":%d}}\n' \
		"$i" $((i % 5)) $((1000 + i)) "$i"
done >in
awk '/^cat >account.jq/ { on = 1; next } /^END$/ { on = 0 } on' "$CB_SRC/man/cb-alert.1" >account.jq

# each CONF KIND STEP: killed at the first call of that kind, and at every STEP-th from there
each() {
	_wrong='' _kills=0 _at=1
	while :; do
		rm -rf st desk log
		LD_PRELOAD=$CB_BUILD/aid/faultio.so FAULT=$2:$_at:kill FAULT_LOG=$T/log \
			cb-alert -c "$1" --sandbox=off --state st --drain 3s <in >one 2>err || :
		[ -e log ] || break
		_kills=$((_kills + 1))
		cb-alert -c "$1" --state st </dev/null >two 2>err || _wrong="$_wrong $_at:exit"
		cb-alert status --state st >status 2>err
		jq -c -s -f account.jq one two >account || _wrong="$_wrong $_at:lines"
		jq -e .right account >/dev/null || _wrong="$_wrong $_at:$(cat account)"
		# without groups a notice is an alert
		[ "$1" = g.yml ] || [ "$(awk '/^desk/ { n = $2 } END { print n + 0 }' status)" = "$(jq .in account)" ] ||
			_wrong="$_wrong $_at:$(cat account) $(tail -n 1 status)"
		_at=$((_at + $3))
	done
	ok "$1: killed at each $2" '[ $_kills -gt 2 ] && [ -z "$_wrong" ]' || note "$_kills$_wrong"
	ok "$1: and undisturbed it is right" 'jq -e -s -f account.jq one | jq -e ".right and .in == 300" >/dev/null'
}
each k.yml fdatasync 1
each k.yml write 3
each g.yml fdatasync 3
each g.yml write 5
done_testing
