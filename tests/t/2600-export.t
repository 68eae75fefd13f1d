#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-export: footage byte for byte, everything listed, nothing half-written, nothing hostile.
# it is about what happens when things fail, not about the disk: in memory, where there is such a place
if [ -z "${TMPDIR-}" ] && [ -w /dev/shm ]; then TMPDIR=/dev/shm && export TMPDIR; fi
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq openssl
PATH=$CB_BUILD/aid:$PATH

# what VERIFY.txt tells people to type: howto DIR [without PROGRAM]
howto() {
	sed -n 's/^    //p' "$1/VERIFY.txt" >howto.sh
	if [ -n "${2-}" ]; then sed -i "/^$2 /d" howto.sh; fi
	(cd "$1" && TMPDIR=$T timeout 60 sh -eu ../howto.sh) >howto.out 2>&1
}
# the same for bundles that must be refused: what is said is in howto.out
refused() { ! howto "$@"; }

ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=320x240:rate=10:duration=12 \
	-f lavfi -i sine=frequency=440:sample_rate=16000:duration=12 -c:v libx264 -preset ultrafast \
	-bf 2 -g 10 -pix_fmt yuv420p -c:a aac -b:a 32k clip.mp4
cb-ingest --camera=front --start-time=2026-11-21T07:00:00Z clip.mp4 |
	cb-record S --segment=4s --tee | cb-detect --no-objects | cb-store put S >put.ndjson
ok "a store" '[ "$(find S -name "*.mp4" | wc -l)" -ge 3 ]'

# --- a range inside of one segment
exits 0 cb-export S --camera=front --from=2026-11-21T07:00:05.5Z --to=2026-11-21T07:00:06.2Z -o one --purpose='case 17' --by='A. Clerk' -v
ok "said: no proof" 'grep -q "1 of 1 segments without a proof" err && grep -q "given: 2026-11-21T07:00:0" err'
ok "modes" '[ "$(stat -c %a one)" = 750 ] && [ "$(find one -type f ! -perm 0640 | wc -l)" = 0 ]'
ok "the files of cb-bundle(5)" '[ "$(cd one && find . -type f | sed "s/[0-9]\{6\}-[0-9a-f]\{12\}/N/" | LC_ALL=C sort | tr "\n" " ")" = \
	"./SHA256SUMS ./VERIFY.txt ./case.json ./clip/N.mp4 ./events.ndjson ./gaps.ndjson ./index.html ./manifests/N.manifest ./runs.ndjson ./segments.ndjson " ]'
ok "the list is of all of them" '(cd one && sha256sum -c --strict --quiet SHA256SUMS) && [ "$(wc -l <one/SHA256SUMS)" = 9 ]'
ok "VERIFY.txt: its commands run, and find it good" 'howto one && grep -q "footage: good" howto.out && grep -q "manifest: good" howto.out' || note "$(cat howto.out)"
m=$(find S -name "$(basename one/manifests/*.manifest)")
ok "the manifest, whole" 'cmp -s "$m" one/manifests/*.manifest'

# independent of the tool: which fragments, and their bytes
/usr/bin/python3 - "$m" one/clip/*.mp4 one/case.json one/segments.ndjson >py.out 2>&1 <<'PY'
import json, sys
lines = [l.split() for l in open(sys.argv[1]) if l[0].isdigit()]
whole, clip = open(sys.argv[1][:-8] + "mp4", "rb").read(), open(sys.argv[2], "rb").read()
case = json.load(open(sys.argv[3]))
seg, = [json.loads(l) for l in open(sys.argv[4])]
assert case["segments"] == 1
ns = lambda s: s * 10**9 + 1795244400 * 10**9
frm, to = int(ns(5.5)), int(ns(6.2))
key = [l for l in lines[1:] if "K" in l[7] and int(l[6]) <= frm][-1]
run = [l for l in lines[1:] if int(l[0]) >= int(key[0]) and int(l[6]) < to]
want = b"".join(whole[int(l[1]):int(l[1]) + int(l[2])] for l in [lines[0]] + run)
assert clip == want, "bytes"
assert (seg["first"], seg["last"]) == (int(run[0][0]), int(run[-1][0])), "numbers"
assert seg["fragments"] == len(lines) - 1 and seg["bytes"] == len(clip)
assert case["given"]["from_us"] == int(run[0][6]) // 1000
assert case["given"]["to_us"] == max(int(l[9]) for l in run) // 1000
assert case["asked"]["from_us"] == frm // 1000 and case["asked"]["to_us"] == to // 1000
assert case["purpose"] == "case 17" and case["by"] == "A. Clerk" and seg["keyframe"] is True
PY
ok "the clip is the init segment and a run of fragments, and the case says so" '[ ! -s py.out ]' || note "$(cat py.out)"
ffmpeg -nostdin -v error -i one/clip/*.mp4 -f framemd5 - >frames 2>ff.err
ok "players play it" '[ ! -s ff.err ] && [ "$(grep -c "^0" frames)" -ge 10 ]' || note "$(cat ff.err)"
ok "events: those of the range, as stored" '[ -s one/events.ndjson ] && cat S/cameras/front/*/*.events >all &&
	[ "$(grep -cvxFf all one/events.ndjson)" = 0 ] &&
	[ "$(jq -r "select(.data.t_us >= 1795244405500000 and .data.t_us < 1795244406200000).id" all | sort)" = \
	  "$(jq -r "select(.data.t_us >= 1795244405500000 and .data.t_us < 1795244406200000).id" one/events.ndjson | sort)" ]'
ok "runs: what the events are from" '[ "$(jq -r .data.tool one/runs.ndjson)" = cb-detect ] &&
	[ "$(jq -r ".runs[0].run" one/case.json)" = "$(jq -r .data.run one/runs.ndjson)" ]'

# --- over several segments
exits 0 cb-export S --from=2026-11-21T07:00:03Z --to=2026-11-21T07:00:09Z -o two -q
ok "a file a segment" '[ "$(ls two/clip | wc -l)" = 3 ] && [ ! -s err ]'
ok "VERIFY.txt: good" 'howto two && [ "$(grep -c "footage: good" howto.out)" = 3 ]' || note "$(cat howto.out)"
ffmpeg -nostdin -v error -i two/clip.m3u8 -vsync passthrough -f framemd5 - >frames 2>ff.err
ok "the playlist plays all of it" '[ "$(grep -c "^0" frames)" -ge 68 ]' || note "$(grep -c '^0' frames) $(cat ff.err)"

# --- everything, and what is missing
exits 0 cb-export S -o all.d -q
ok "all: the whole segments" 'for f in all.d/clip/*.mp4; do cmp -s "$f" "$(find S -name "${f##*/}")" || exit 1; done'
exits 0 cb-export S --from=2026-11-21T06:59:00Z --to=2026-11-21T07:02:00Z -o wide -q
ok "gaps: before and after" '[ "$(jq -c "[.from_us,.reason]" wide/gaps.ndjson | head -n 1)" = "[1795244340000000,\"store\"]" ] &&
	[ "$(jq -r .to_us wide/gaps.ndjson | tail -n 1)" = 1795244520000000 ] && [ "$(wc -l <wide/gaps.ndjson)" = 2 ]' || note "$(cat wide/gaps.ndjson)"
exits 1 cb-export S --from=2027-01-01 -o none
ok "nothing there: nothing made" '[ ! -e none ] && [ ! -e none.part ]'
exits 1 cb-export S --require-proofs -o none
ok "no proof, and one is wanted" '[ ! -e none ] && grep -q "there is no log" err && [ "$(wc -l <err)" = 1 ]'

# --- archives
exits 0 cb-export S --from=2026-11-21T07:00:05.5Z --to=2026-11-21T07:00:06.2Z -o one.tar --purpose='case 17' --by='A. Clerk' -q
ok "archive: a new file" '[ "$(stat -c %a one.tar)" = 640 ] && [ ! -e one.tar.part ]'
tar xf one.tar
top=$(tar tf one.tar | head -n 1 | cut -d / -f 1)
ok "archive: one directory" '[ -d "$top" ] && [ "$top" = front-2026-11-21-070004 ] && [ "$(tar tf one.tar | grep -vc "^$top/")" = 0 ]'
ok "archive: the same footage" 'diff -r one/clip "$top/clip" && diff -r one/manifests "$top/manifests"'
ok "archive: VERIFY.txt: good" 'howto "$top"' || note "$(cat howto.out)"
ok "archive: what is said of owner and time" 'tar tvf one.tar --full-time | grep -vq "^-rw-r----- 0/0 .* 2026-11-21 07:00:0[67] " && exit 1; :'
exits 0 cb-export S --from=2026-11-21T07:00:05.5Z --to=2026-11-21T07:00:06.2Z -o - -q
tar tf out >names
tar tf one.tar >want
same_file names want "archive on stdout: the same files"
# only what has the time of export in it differs
mkdir again && tar xf out -C again
diff -rq "again/$top" "$top" | sed 's/.*\///; s/ .*//' | LC_ALL=C sort >differs
printf '%s\n' SHA256SUMS VERIFY.txt case.json index.html >want
same_file differs want "exported twice: only the times of export differ"
exits 64 cb-export S -o x --from=2027-01-01 --to=2026-01-01
exits 64 cb-export S
exits 66 cb-export nowhere -o x
exits 66 cb-export S --camera=nobody -o x

# --- never half, never over something
exits 73 cb-export S -o one
exits 73 cb-export S -o one.tar
exits 73 cb-export S -o nosuch/dir
mkdir left.part
exits 73 cb-export S -o left
ok "what a killed one left is named" 'grep -q "left.part: is there already" err'
ok "and is left alone" '[ -d left.part ] && [ ! -e left ]'
exits 74 sh -c 'cb-export S -o - >/dev/full'
if sanitized; then
	skip "faults cannot be preloaded into a sanitizer build" 5
else
	# the Nth call of a kind fails, until there are no more of them
	for call in write fsync rename mkdir open; do
		_bad='' _i=1
		while [ $_i -le 200 ]; do
			rm -f fault.log
			_st=0
			FAULT="$call:$_i:ENOSPC" FAULT_LOG=$T/fault.log LD_PRELOAD="$CB_BUILD/aid/faultio.so" \
				cb-export S -o f.d -q 2>ferr || _st=$?
			[ -s fault.log ] || break
			if [ "$_st" -eq 0 ]; then	# reading goes on without the index
				[ "$call" = open ] && [ -d f.d ] || _bad="$_bad $_i:0"
			elif [ -d f.d ]; then	# named, but its name may not be on the disk
				grep -q "not on the disk" ferr && (cd f.d && sha256sum -c --quiet SHA256SUMS) || _bad="$_bad $_i:$_st"
			else
				[ "$_st" -ge 65 ] && [ ! -e f.d ] && [ ! -e f.d.part ] && [ "$(wc -l <ferr)" = 1 ] || _bad="$_bad $_i:$_st"
			fi
			rm -rf f.d f.d.part
			_i=$((_i + 1))
		done
		ok "$call fails, $((_i - 1)) times: nothing is left" '[ "$_i" -gt 1 ] && [ -z "$_bad" ]' || note "$_bad $(cat ferr)"
		rm -rf f.d
	done
fi

# --- damage is never given away
cp -r S D && chmod -R u+w D
f=$(find D -name "$(basename one/clip/*.mp4)")
at=$(awk '$1 == 2 { print $2 + int($3 / 2) }' "${f%.mp4}.manifest")
printf '\001' | dd of="$f" bs=1 seek="$at" conv=notrunc status=none
exits 65 cb-export D -o d
ok "a flipped byte: named, nothing made" 'grep -q "${f#D/}: fragment 2" err && [ ! -e d ] && [ ! -e d.part ]' || note "$(cat err)"
exits 0 cb-export D --to=2026-11-21T07:00:03Z -o d -q

# --- tampered bundles are refused by the stock commands
tamper() {	# DESC COMMAND...: on a copy of one, in ./t
	_desc=$1
	shift
	rm -rf t && cp -r one t
	c=$(echo t/clip/*.mp4) m=$(echo t/manifests/*.manifest)
	"$@"
	ok "refused: $_desc" 'refused t' || note "$(cat howto.out)"
}
flip() { printf '\377' | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
resum() { (cd t && find . -type f ! -name 'SHA256SUMS*' | sed 's/^\.\///' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS); }
one_byte() { flip "$c" 5000; }
tamper "a byte of the clip" one_byte
only_pieces() { flip "$c" 5000; resum; }
tamper "a byte of the clip, the list made anew" only_pieces
cut() { truncate -s -100 "$c"; resum; }
tamper "the end cut off" cut
longer() { echo more >>"$c"; resum; }
tamper "bytes added" longer
rewrite() { sed -i 's/^\(2 [0-9]* [0-9]* \)./\10/' "$m"; resum; }
tamper "a manifest rewritten" rewrite

# --- words of others
/usr/bin/python3 - <<'PY'
import os
bad = "</script><script>alert(1)</script> <img src=x onerror=alert(1)> & \" ' \x1b[31m\n    rm -r / \u202e \x9b"
os.environb[b"BAD"] = bad.encode("utf-8", "surrogateescape") + b" \xff\xfe"
os.execvp("sh", ["sh", "-c", "cb-export S --to 2026-11-21T07:00:01Z -q -o hostile --purpose \"$BAD\" --by \"$BAD\""])
PY
ok "hostile words: exported" '[ -d hostile ]'
ok "index.html: one script, and no element of theirs" '[ "$(grep -o "<script" hostile/index.html | wc -l)" = 2 ] && ! grep -q "<img" hostile/index.html'
ok "no control characters in any text" '! LC_ALL=C grep -lP "[\x00-\x08\x0b-\x1f\x7f]" hostile/index.html hostile/VERIFY.txt hostile/case.json'
ok "nor invalid UTF-8, nor what turns text round" 'for f in index.html VERIFY.txt case.json; do iconv -f utf-8 -t utf-8 hostile/$f >/dev/null || exit 1; done; ! grep -q "$(printf "\342\200\256")" hostile/index.html hostile/VERIFY.txt hostile/case.json'
ok "VERIFY.txt: no command of theirs" 'howto hostile && ! grep -q "rm -r /" howto.sh' || note "$(cat howto.out)"
ok "case.json is JSON" 'jq -e .purpose hostile/case.json >/dev/null'
exits 64 cb-export S --camera '../x' -o x
exits 64 cb-export S --purpose "$(head -c 5000 /dev/zero | tr '\0' x)" -o x

# --- pictures that cannot be decoded: behind a keyframe, but referring to what came before it
for codec in libx264 libx265; do
	case $codec in
	libx264) params='-x264-params keyint=25:min-keyint=25:open-gop=1:bframes=3:scenecut=0' ;;
	*) params='-x265-params log-level=error:keyint=25:min-keyint=25:open-gop=1:bframes=3' ;;
	esac
	# shellcheck disable=SC2086  # words
	ffmpeg -nostdin -v error -y -f lavfi -i testsrc2=size=160x120:rate=25:duration=4 -c:v $codec $params -pix_fmt yuv420p og.mp4
	rm -rf OG og
	cb-ingest --camera=og --start-time=2026-11-21T07:00:00Z og.mp4 | cb-record OG --segment=10s >/dev/null
	exits 0 cb-export OG --from=2026-11-21T07:00:02.5Z -o og
	ok "$codec: open groups of pictures are said" 'grep -q "refer to ones before the clip" err && jq -e ".undecodable >= 1" og/segments.ndjson >/dev/null && grep -q "cannot be shown" og/index.html' || note "$(cat err)"
	rm -rf og
	exits 0 cb-export OG --to=2026-11-21T07:00:01Z -o og
	ok "$codec: not where nothing is missing" '[ ! -s err ] && jq -e ".undecodable == null" og/segments.ndjson >/dev/null' || note "$(cat err)"
done

# --- stopped, killed, left by its reader
cb-ingest --camera=big --start-time=2026-11-21T07:00:00Z clip.mp4 >big.cbf
rm -rf B2 && cb-record B2 <big.cbf >/dev/null
for i in $(seq 1 20000); do
	printf '{"specversion":"1.0","id":"%s","source":"/x","type":"x","subject":"big","data":{"t_us":%s}}\n' "$i" $((1795244400000000 + i * 500))
done >many
cb-store put B2 <many >/dev/null
mkfifo slow
cb-export B2 -o - >slow 2>err & pid=$!
exec 8<slow
ok "waits for its reader" 'wait_for "catches $pid"'
kill -TERM $pid
cat <&8 >/dev/null
exec 8<&-
_st=0
wait $pid || _st=$?
ok "asked to stop: no archive that looks whole, and said" '{ [ "$_st" -eq 75 ] && grep -q stopped err; } || [ "$_st" -eq 0 ]' || note "$_st $(cat err)"
_st=0
sh -c 'cb-export B2 -o - 2>err; echo $? >st' | head -c 1000 >/dev/null
ok "its reader leaves: 74" '[ "$(cat st)" = 74 ] && [ "$(wc -l <err)" = 1 ]' || note "$(cat st err)"
# killed at some moment: nothing has the name, and a new try works beside what is left
_bad=''
for ms in 0 1 2 3 5 8 13 21; do
	rm -rf k k.part
	cb-export B2 -o k -q 2>/dev/null & pid=$!
	sleep "0.0$(printf %02d "$ms")"
	kill -KILL $pid 2>/dev/null
	wait $pid 2>/dev/null || :
	if [ -e k ]; then (cd k && sha256sum -c --quiet SHA256SUMS) || _bad="$_bad $ms"; fi
done
ok "killed: whole, or not there" '[ -z "$_bad" ]' || note "$_bad"

# --- what is being recorded
mkfifo hold
cb-record O --sync-interval=0 <hold >/dev/null 2>&1 & pid=$!
exec 9>hold
mkstream IPPPPPPPPPPPPPIPPPPPPPPPPPPPI >&9
ok "two fragments are there" 'wait_for "cb-query O segments --format=ndjson 2>/dev/null | grep -q \"\\\"fragments\\\":2\""'
exits 0 cb-export O -o open -v
ok "open: said" 'grep -q "still being recorded" err && grep -q "still being recorded" open/VERIFY.txt && [ "$(jq -r .state open/segments.ndjson)" = open ]'
ok "open: VERIFY.txt: good" 'howto open && grep -q "footage: good" howto.out && ! grep -q "manifest: good" howto.out' || note "$(cat howto.out)"
exec 9>&-
wait $pid || :
done_testing
