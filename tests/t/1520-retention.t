#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-store hold, release, prune: what may go, what may not, and that it is said first.
. "$CB_SRC/tests/lib.sh"
PATH=$CB_BUILD/aid:$PATH
D=86400
now=$(date +%s)
segs() { find "$1/cameras" -name '*.mp4' | wc -l; }
field() { jq -r "select(.type == \"$1\") | $2" out; }
gone() { jq -r 'select(.type == "cb.retention.deleted") | .data.path' out; }

# A store with a segment a day for ten days on two cameras, all of one size.
for c in front back; do
	for d in 10 9 8 7 6 5 4 3 2 1; do
		mkstream -c $c -w $((now - d * D)) -n 2000 IPPPIPPPE | cb-record STORE >/dev/null || exit 99
	done
done
fresh() { rm -rf S; cp -a STORE S; }
ok "20 segments to begin with" '[ "$(segs STORE)" = 20 ]'
one=$(cb-query STORE segments --format=ndjson | head -n 1 | jq .bytes)

# --- usage
fresh
exits 64 cb-store prune S
exits 64 cb-store prune S --keep-around x
exits 64 cb-store prune S --older 0
exits 64 cb-store hold S
exits 64 cb-store hold S --holder "$(printf 'a\033b')"
exits 64 cb-store hold S --holder me --from 2026-01-02 --to 2026-01-02
exits 64 cb-store check S --older 3d
exits 66 cb-store prune S --older 1d --camera side
ok "nothing of that changed anything" '[ "$(segs S)" = 20 ]'

# --- by age
exits 0 cb-store prune S --older 7.5d --dry-run
ok "a dry run names them" '[ "$(gone | wc -l)" = 6 ] && [ "$(field cb.retention.deleted .data.dry_run | sort -u)" = true ]'
ok "... and deletes nothing, and stores nothing" '[ "$(segs S)" = 20 ] && [ "$(cb-query S events --type cb.retention | wc -l)" = 0 ]'
gone | sort >would
exits 0 cb-store prune S --older 7.5d
gone | sort >did
same_file would did "what a dry run names is what goes"
ok "they are gone, with their manifests" '[ "$(segs S)" = 14 ] && [ "$(find S -name "*.manifest" | wc -l)" = 14 ] && ! find S -name "*.gone" | grep -q .'
ok "totals" '[ "$(field cb.retention.done .data.segments)" = 6 ] && [ "$(field cb.retention.done .data.bytes)" = $((6 * one)) ]'
ok "every deletion is an event in the store" '[ "$(cb-query S events --type cb.retention.deleted | wc -l)" = 6 ]'
cb-query S events --type cb.retention >stored
valid_events stored
valid_events out
ok "days whose events are there stay" '[ "$(find S/cameras/front -mindepth 1 -maxdepth 1 -type d | wc -l)" = 11 ]'
exits 0 cb-store prune S --events-older 8.5d
ok "days that are empty are removed" '[ "$(find S/cameras/front -mindepth 1 -maxdepth 1 -type d | wc -l)" = 9 ]'
exits 0 cb-store check S
exits 0 cb-store prune S --older 7.5d
ok "again: nothing left to do" '[ "$(field cb.retention.done .data.segments)" = 0 ]'

# --- the hole is not taken for a loss
fresh
printf '%s\n' "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/x\",\"type\":\"t\",\"subject\":\"front\",\"data\":{\"t_us\":$(((now - 9 * D) * 1000000))}}" >around
exits 0 cb-store prune S --camera front --older 5.5d --keep-around around
ok "around an event footage stays" '[ "$(gone | wc -l)" = 4 ] && [ "$(cb-query S segments --camera front --to now-8.5d | wc -l)" = 1 ]'
ok "the rule is said" '[ "$(field cb.retention.deleted .data.rule | sort -u)" = around ]'
cb-query S gaps --camera front >gaps
ok "a gap that retention made says so" '[ "$(jq -r .text gaps | grep -c "deleted by retention")" = 1 ] && [ "$(wc -l <gaps)" = 5 ]'
ok "the other camera is whole" '[ "$(cb-query S segments --camera back | wc -l)" = 10 ]'
fresh
ok "the events may come through a pipe" 'cb-store prune S --camera front --older 5.5d --keep-around - <around >out && [ "$(gone | wc -l)" = 4 ]'
fresh
printf 'no event\n' >>around
exits 65 cb-store prune S --camera front --older 5.5d --keep-around around
ok "... of which every line must be one: named, nothing deleted" 'grep -q "around: line 2" err && [ "$(segs S)" = 20 ]'
head -c 60 around >cut
exits 65 cb-store prune S --camera front --older 5.5d --keep-around cut
exits 66 cb-store prune S --camera front --older 5.5d --keep-around missing
ok "nothing deleted" '[ "$(segs S)" = 20 ]'
ok "pre and post count" 'sed 1q around | jq -c ".data.t_us -= 100000000" >a2 && cb-store prune S --camera front --older 5.5d --keep-around a2 --dry-run >out && [ "$(gone | wc -l)" = 5 ] &&
	cb-store prune S --camera front --older 5.5d --keep-around a2 --post 101 --dry-run >out && [ "$(gone | wc -l)" = 4 ]'

# --- by bytes, the oldest of all cameras first; the minimum is kept, and that is said
exits 0 cb-store prune S --bytes $((14 * one))
ok "down to so many bytes" '[ "$(segs S)" = 14 ] && [ "$(field cb.retention.deleted .data.rule | sort -u)" = bytes ]'
ok "the oldest went" '[ "$(cb-query S segments --to now-7.5d | wc -l)" = 0 ]'
fresh
exits 1 cb-store prune S --bytes $((11 * one)) --keep 7.5d
ok "what is younger than --keep stays" '[ "$(segs S)" = 14 ]'
ok "an alarm says what is missing" '[ "$(field cb.retention.short .data.missing_bytes)" = $((3 * one)) ] && [ "$(wc -l <err)" = 1 ]'
ok "... in the store too" '[ "$(cb-query S events --type cb.retention.short | wc -l)" = 1 ]'
fresh
exits 0 cb-store prune S --free 1k
ok "enough is free: nothing goes" '[ "$(segs S)" = 20 ]'
exits 1 cb-store prune S --free 8192T --keep 9.5d
ok "by free space, as far as it may" '[ "$(segs S)" = 18 ] && [ "$(field cb.retention.deleted .data.rule | sort -u)" = free ]'

# --- never more than half at once
fresh
exits 1 cb-store prune S --older 4.5d
ok "more than half: refused, in one line" '[ "$(wc -l <err)" = 1 ] && grep -q "12 of 20" err && [ "$(segs S)" = 20 ]'
exits 0 cb-store prune S --older 4.5d --dry-run
exits 0 cb-store prune S --older 4.5d --force
ok "--force does it" '[ "$(segs S)" = 8 ]'
exits 0 cb-store prune S --older 1s --force
ok "everything, if asked" '[ "$(segs S)" = 0 ] && [ "$(cb-query S cameras | jq -s "map(.segments) | add")" = 0 ]'
ok "the store goes on" 'mkstream -c front IPPE | cb-record S >/dev/null && cb-store check S >/dev/null'

# --- holds
fresh
exits 0 cb-store hold S --holder police --camera front --from now-9.5d --to now-8.5d --reason "case 17/26"
valid_events out
id=$(jq -r .data.hold out)
exits 0 cb-store hold S --holder "Kanzlei Müller" --from now-9.2d --to now-7.8d
exits 0 cb-query S holds
ok "both are there" '[ "$(wc -l <out)" = 2 ] && [ "$(jq -r "select(.holder == \"police\") | .reason" out)" = "case 17/26" ]'
ok "a table for people" 'cb-query S holds --format=table | grep -q "^HOLDER.*REASON" && cb-query S holds --format=table | grep -q "police .*case 17/26"'
exits 0 cb-store prune S --older 5.5d
ok "held footage stays, of the one camera or of all" '[ "$(segs S)" = 14 ] && [ "$(field cb.retention.done .data.held)" = 4 ] &&
	[ "$(cb-query S segments --from now-9.4d --to now-7.7d | wc -l)" = 4 ]'
exits 1 cb-store prune S --bytes 1 --force
ok "from any rule" '[ "$(cb-query S segments --from now-9.4d --to now-7.7d | wc -l)" = 4 ]'
exits 1 cb-store release S --holder nobody
exits 1 cb-store release S --holder "Kanzlei Müller" --id "$id"
ok "nobody releases what is another's" '[ "$(cb-query S holds | wc -l)" = 2 ]'
exits 0 cb-store release S --holder "Kanzlei Müller"
valid_events out
exits 1 cb-store prune S --bytes 1 --force
ok "what one releases the other still holds" '[ "$(segs S)" = 1 ]'
exits 0 cb-store release S --holder police --id "$id"
exits 0 cb-store prune S --bytes 1 --force
ok "released, it goes" '[ "$(segs S)" = 0 ]'
ok "who held and released what is in the store" '[ "$(cb-query S events --type cb.hold.set | wc -l)" = 2 ] && [ "$(cb-query S events --type cb.hold.released | wc -l)" = 2 ]'
fresh
exits 0 cb-store hold S --holder a
f=$(ls S/holds/*.hold)
printf 'x' >"$f.tmp" && mv "$f.tmp" "$f"
exits 65 cb-store prune S --older 5.5d
ok "a hold that cannot be understood holds everything" 'grep -q "holds: .*hold" err && [ "$(segs S)" = 20 ]'
rm -f "$f"; ln -s /etc/passwd "$f"
exits 66 cb-store prune S --older 5.5d
ok "nor is a link followed" '[ "$(segs S)" = 20 ]'

# --- who reads a segment with a lock keeps it for as long
fresh
m=$(find S/cameras/front -name '*.manifest' | sort | head -n 1)
exits 0 flock --shared "$m" cb-store prune S --older 9.5d
ok "it stays this time" '[ -e "$m" ] && [ "$(segs S)" = 19 ] && [ "$(field cb.retention.done .data.busy)" = 1 ]'
exits 0 cb-store prune S --older 9.5d
ok "and goes the next" '[ ! -e "$m" ]'

# --- events by the hour
fresh
for d in 10 5 0; do
	printf '{"specversion":"1.0","id":"e%s","source":"/x","type":"t","subject":"front","data":{"t_us":%s}}\n' $d $(((now - d * D) * 1000000))
done | cb-store put S >/dev/null
exits 0 cb-store hold S --holder x --camera front --from now-5.2d --to now-4.8d
n=$(find S/cameras -name '*.events' | wc -l)
exits 0 cb-store prune S --events-older 1d
ok "old hours go, held ones and the new do not" '[ "$(cb-query S events --type t | jq -r .id | tr "\n" " ")" = "e5 e0 " ]'
ok "said" '[ "$(field cb.retention.done .data.event_files)" -ge 1 ] && [ "$(find S/cameras -name "*.events" | wc -l)" -lt "$n" ]'
ok "footage is not touched" '[ "$(segs S)" = 20 ]'

# --- a prune that is killed, at any of its calls
if sanitized; then
	skip "tests/faultio.c cannot be preloaded under a sanitizer"
else
	bad=0
	for ms in 1 2 3 4 5 6 8 10 12 15; do
		fresh
		timeout -s KILL "0.0$(printf %02d "$ms")" cb-store prune S --older 5.5d >out 2>err
		cb-store check S >/dev/null 2>err || { bad=$((bad + 1)); note "after $ms ms: $(cat err)"; }
		cb-store prune S --older 5.5d >out 2>err || { bad=$((bad + 1)); note "after $ms ms, then: $(cat err)"; }
		[ "$(segs S)" = 10 ] && [ "$(find S -name '*.manifest' | wc -l)" = 10 ] && ! find S -name '*.gone' | grep -q . ||
			{ bad=$((bad + 1)); note "after $ms ms: $(segs S) segments"; }
	done
	ok "killed and run again: all of it, and nothing damaged" '[ "$bad" = 0 ]'
fi
fresh
d=$(find S/cameras/front -name '*.mp4' | sort | head -n 1)
: >"${d%.mp4}.gone"
ok "a segment that is half gone is not shown" '[ "$(cb-query S segments --camera front | wc -l)" = 9 ] && cb-store check S >/dev/null'
rm "${d%.mp4}.manifest"
ok "... whichever half" 'cb-store check S >/dev/null'
exits 0 cb-store prune S --older 100d
ok "... and the next prune finishes it" '[ ! -e "$d" ] && ! find S -name "*.gone" | grep -q .'

# --- somebody who stores events of an hour that is being deleted
fresh
mkfifo in
cb-store put S <in >/dev/null & put=$!
exec 9>in
ev() { printf '{"specversion":"1.0","id":"%s","source":"/x","type":"t","subject":"front","data":{"t_us":%s}}\n' "$1" $(((now - 9 * D) * 1000000)); }
ev a >&9
wait_for '[ "$(cb-query S events --type t | wc -l)" = 1 ]'
cb-store prune S --events-older 2d >/dev/null
ev b >&9
exec 9>&-
wait $put
ok "loses none" '[ "$(cb-query S events --type t | jq -r .id)" = b ]'

# --- a full output, an unwritable store
fresh
exits 74 sh -c 'cb-store prune S --older 5.5d >/dev/full'
if [ "$(id -u)" = 0 ]; then
	skip "root may write anywhere" 2
else
	fresh; chmod -R a-w S
	exits 77 cb-store prune S --older 5.5d
	ok "nothing deleted" '[ "$(segs S)" = 20 ]'
	chmod -R u+w S
fi
done_testing
