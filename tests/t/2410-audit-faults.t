#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-audit: kills, failing calls, and many at once. make faults has every point; here are some.
. "$CB_SRC/tests/lib.sh"

cp "$CB_SRC"/tests/keys/*.key . && chmod 600 ./*.key
tlog() { /usr/bin/python3 "$CB_SRC/tests/tlog.py" "$@"; }

# --- many at once, some of them killed: what was acknowledged is there, where it was said
exits 0 cb-audit init log --origin example.org/many -k log.key --epochs 900 --epoch 1s
# each says which lines it is through, as receipts come back
cat >writer <<'SH'
i=0
while [ $i -lt 30 ]; do
	i=$((i + 1))
	echo "{\"writer\":$1,\"n\":$i}"
	[ $((i % 7)) -ne 0 ] || sleep 0.02
done | cb-audit append log --sync "$2" --receipts >receipts.$1 2>errors.$1
SH
i=0
while [ $i -lt 4 ]; do
	i=$((i + 1))
	sh writer $i each &
	sh writer $((i + 100)) batch &
done
# the ones to be killed write without end
i=0
while [ $i -lt 8 ]; do
	i=$((i + 1))
	awk -v w=$((i + 200)) 'BEGIN { for (n = 1; n < 100000; n++) print "{\"writer\":" w ",\"n\":" n "}" }' >endless.$i
	cb-audit append log --sync each --receipts <endless.$i >receipts.$((i + 200)) 2>errors.$((i + 200)) &
	pid=$!
	sleep 0.1
	kill -KILL $pid
	wait $pid 2>/dev/null
done
wait
ok "nobody had trouble" '! cat errors.* | grep -q .' || note "$(cat errors.* | head)"
ok "those who were left alone are through" '[ "$(cat receipts.? receipts.10? | wc -l)" -eq $((8 * 30)) ]' || note "$(wc -l receipts.*)"
for f in receipts.*; do
	w=${f#receipts.}
	sed -n 's/^{"line":\([0-9]*\),"index":\([0-9]*\)}$/\2 {"writer":'"$w"',"n":\1}/p' "$f"
done >acked
ok "the killed had written" '[ "$(cat receipts.2?? | wc -l)" -gt 0 ]'
echo '{"last":1}' >in
exits 0 cb-audit append log <in
exits 0 tlog verify log --acked acked
note "$(wc -l <acked) acknowledged, $(cat out) entries"
ok "each index once" '[ -z "$(cut -d" " -f1 acked | sort | uniq -d)" ]'
exits 0 cb-audit checkpoint log -k log.key
exits 0 tlog verify log --acked acked

# --- one who holds the lock and does not move: the others wait as long as they are told
exits 0 cb-audit init held --origin example.org/held -k log.key --epochs 20
/usr/bin/python3 -c 'import fcntl, time
f = open("held/state/lock", "r+b")
fcntl.flock(f, fcntl.LOCK_EX)
open("locked", "w")
time.sleep(600)' &
pid=$!
wait_for '[ -e locked ]'
timeout -k 30 2 cb-audit append held <in 2>err
ok "an append waits, until it is asked to stop" '[ $? -eq 124 ] && grep -q "locked by another process; given up" err'
exits 66 cb-audit prove held 0
kill $pid
wait $pid 2>/dev/null

# --- one who is kept open and has nothing to say: epochs are sealed when they end
exits 0 cb-audit init beat --origin example.org/beat -k log.key --epochs 900 --epoch 1s
mkfifo quiet
cb-audit append beat <quiet &
pid=$!
exec 9>quiet
ok "a heartbeat" 'wait_for "[ \$(cb-audit query beat --type cb.log.seal | wc -l) -ge 2 ]"'
exec 9>&-
wait $pid
ok "and an end" '[ $? -eq 0 ]'
exits 0 tlog verify beat
exits 0 cb-audit append beat </dev/null

# --- the journal
exits 0 cb-audit init j --origin example.org/j -k log.key --epochs 20
seq 1 20 | sed 's/.*/{"n":&}/' >in
exits 0 cb-audit append j <in
cp -a j torn
# a torn record at the end was never acknowledged where the lock file does not say so
/usr/bin/python3 - torn/state/journal.0 <<'PY'
import sys
f = open(sys.argv[1], 'r+b')
b = f.read()
at = b.rindex(b'"n":20')
f.seek(at)
f.write(b'"n":99')
PY
rm torn/state/lock
exits 0 cb-audit append torn <in
exits 0 tlog verify torn
ok "its place is taken" '[ "$(cat out)" -eq 40 ]'
# the same where it was on the disk is damage, and not to be written over
cp -a j bad
/usr/bin/python3 - bad/state/journal.0 <<'PY'
import sys
f = open(sys.argv[1], 'r+b')
b = f.read()
f.seek(b.index(b'"n":7}'))
f.write(b'"n":8}')
PY
sum=$(sha256sum <bad/state/journal.0)
exits 65 cb-audit append bad <in
ok "told" 'grep -q "state/journal.0: damaged behind entry 7: entries that were on the disk are lost" err' || note "$(cat err)"
ok "and untouched" '[ "$(sha256sum <bad/state/journal.0)" = "$sum" ]'
# seals that are gone under a seed that is ahead
exits 0 cb-audit init ahead --origin example.org/a -k log.key --epochs 20 --now 2026-01-01T00:00:00Z
exits 0 cb-audit append ahead --now 2026-01-01T00:01:00Z <in
cp -a ahead old
exits 0 cb-audit append ahead --now 2026-01-01T00:06:00Z <in
rm -r old/state/seed.0 && cp ahead/state/seed.1 old/state/
exits 65 cb-audit append old --now 2026-01-01T00:07:00Z <in
ok "a seed ahead of its log" 'grep -q "the seed is that of epoch 1, the log goes on at epoch 0: seals are missing" err'
rm old/state/seed.1
exits 78 cb-audit append old --now 2026-01-01T00:07:00Z <in
cp ahead/state/seed.1 old/state/seed.0
exits 65 cb-audit append old --now 2026-01-01T00:07:00Z <in
exits 0 cb-audit init other --origin example.org/a -k log.key --epochs 20 --now 2026-01-01T00:00:00Z
cp other/state/seed.0 old/state/seed.0
exits 65 cb-audit append old --now 2026-01-01T00:07:00Z <in
ok "a seed of another log seals nothing" 'grep -q "not that of the enrolment" err'
# the log is taken away under a writer
mkfifo pipe
cb-audit append j --receipts <pipe >gone.out 2>gone.err &
pid=$!
exec 9>pipe
echo '{"n":1}' >&9
wait_for '[ -s gone.out ]'
rm -r j
echo '{"n":2}' >&9
exec 9>&-
wait $pid
ok "a log that was removed" '[ $? -eq 74 ] && [ "$(wc -l <gone.out)" -eq 1 ] && grep -q "the log was removed" gone.err'

# --- a disk that is full: the entries that find room are acknowledged, the others are not
if unshare -Urm true 2>/dev/null; then
	mkdir small
	cat >full <<'SH'
mount -t tmpfs -o size=2m none small || exit 77
cb-audit init small/log --origin example.org/full -k log.key --epochs 20 || exit 78
awk 'BEGIN { for (n = 1; n < 9000; n++) { s = sprintf("%900s", ""); gsub(/ /, "x", s); print "{\"n\":" n ",\"s\":\"" s "\"}" } }' |
	cb-audit append small/log --sync each --receipts >full.out 2>full.err
echo $? >full.rc
cp -a small/log full.log
SH
	exits 0 unshare -Urm sh full
	ok "a full disk is an error" '[ "$(cat full.rc)" -eq 74 ] && grep -q "No space left on device" full.err' || note "$(cat full.rc full.err)"
	sed 's/^{"line":\([0-9]*\),"index":\([0-9]*\)}$/\2 \1/' full.out |
		awk '{ s = sprintf("%900s", ""); gsub(/ /, "x", s); print $1 " {\"n\":" $2 ",\"s\":\"" s "\"}" }' >acked
	ok "some got in" '[ "$(wc -l <acked)" -gt 300 ]'
	exits 0 cb-audit append full.log <in
	exits 0 tlog verify full.log --acked acked
else
	skip "no user namespaces" 5
fi

# --- some points of make faults
if sanitized || ! strace -o /dev/null true 2>/dev/null; then
	skip "strace cannot be used here"
else
	exits 0 /usr/bin/python3 "$CB_SRC/tests/faults.py" --points 12 --pairs 3 --seed $$ --small
	note "$(tail -n 3 out)"
fi
# --- many tiles at once are synced by one call, in the sandbox, too
exits 0 cb-audit init tiles --origin example.org/tiles -k log.key --epochs 4
awk 'BEGIN { for (n = 1; n <= 6000; n++) print "{\"n\":" n "}" }' >lines
exits 0 cb-audit append tiles <lines
ok "six thousand at once: without a word, in tiles" '[ ! -s err ] && [ -e tiles/tile/entries/022 ]' || note "$(cat err; find tiles/tile/entries | wc -l)"
done_testing
