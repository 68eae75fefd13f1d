#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-mux: where it writes, what ends it, and what it does with what no container can hold.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg ffprobe /usr/bin/python3
PATH=$CB_BUILD/aid:$PATH
one() { [ "$(wc -l <err)" = 1 ]; }
src() { ffmpeg -nostdin -v error -y -f lavfi -i "testsrc2=size=${_size:-160x120}:rate=25:duration=2" \
	-f lavfi -i "sine=sample_rate=${_rate:-48000}:duration=2" "$@" 2>src.log; }
ingest() { cb-ingest --camera=c --start-time=2026-01-01T00:00:00Z "$@"; }
# FILE decodes whole, and FFmpeg has nothing to say but what it says of PCM in any Matroska file
plays() {
	[ -s "$1" ] && ffmpeg -nostdin -v warning -xerror -i "$1" -map 0 -fps_mode vfr -f null - 2>decode &&
		[ -z "$(grep -v 'Guessed Channel Layout' decode)" ] || { _show decode; false; }
}
count() { ffprobe -v error -count_packets -show_entries stream=nb_read_packets -of csv=p=0 "$1" | awk '{ n += $1 } END { print n }'; }
left() { find . -maxdepth 1 -name '*.part' | wc -l; }

x264="-c:v libx264 -preset veryfast -bf 2 -g 25"
# shellcheck disable=SC2086
src $x264 -c:a aac a.mp4
ingest a.mp4 >a.cbf
# the same without its END, and cut in the middle of a packet
head -c $(($(stat -c %s a.cbf) - 64)) a.cbf >noend.cbf
head -c $(($(stat -c %s a.cbf) * 2 / 3)) a.cbf >half.cbf
# a damaged packet in the second half
cp a.cbf bad.cbf
printf 'damage' | dd of=bad.cbf bs=1 seek=$(($(stat -c %s a.cbf) * 2 / 3)) conv=notrunc status=none

# --- called wrongly
for a in "" "--format=avi" "--format" "-f mp4 operand" "-f mp4 -o a -o"; do
	# shellcheck disable=SC2086
	exits 64 cb-mux $a <a.cbf
done
exits 64 script -qec "cb-mux -f mp4 <a.cbf" /dev/null
ok "a terminal is refused, in one line" '[ "$(wc -l <out)" = 1 ] && grep -q "cb-mux: .*terminal" out'

# --- to a file: complete or not at all, permissions and links kept
exits 0 cb-mux -f mp4 -o new.mp4 <a.cbf
ok "a new file has the mode that umask leaves" '[ "$(stat -c %a new.mp4)" = 644 ] && plays new.mp4'
(umask 077; cb-mux -f mp4 -o private.mp4 <a.cbf)
ok "another umask, another mode" '[ "$(stat -c %a private.mp4)" = 600 ]'
echo old >old.mp4; chmod 640 old.mp4
exits 0 cb-mux -f mp4 -o old.mp4 <a.cbf
ok "what is replaced gives its mode" '[ "$(stat -c %a old.mp4)" = 640 ] && cmp -s old.mp4 new.mp4'
mkdir -p deep; echo old >deep/real.mp4; ln -s deep/real.mp4 link.mp4
exits 0 cb-mux -f mp4 --output=link.mp4 <a.cbf
ok "a link stays one" '[ -L link.mp4 ] && cmp -s deep/real.mp4 new.mp4'
exits 0 cb-mux -f mp4 -o ./-odd.mp4 <a.cbf
exits 0 cb-mux -f matroska -o - <a.cbf
ok "- is standard output" 'plays out'
printf 'before' >append; cb-mux -f mp4 >>append <a.cbf
cb-mux -f mp4 <a.cbf | cat >pipe.mp4
ok "appended to: what was there, and fragments after it" '[ "$(head -c 6 append)" = before ] && tail -c +7 append | cmp -s - pipe.mp4'
{ printf 'before'; cb-mux -f mp4 <a.cbf; } >behind
ok "behind something: whole, at its place" 'tail -c +7 behind | cmp -s - new.mp4'
mkfifo fifo; cat fifo >from.fifo & pid=$!
exits 0 cb-mux -f matroska -o fifo <a.cbf
wait $pid
ok "a FIFO is written to, not replaced" '[ -p fifo ] && plays from.fifo'
exits 0 cb-mux -f matroska -o /dev/null <a.cbf
ok "and a device" '[ -c /dev/null ]'
ok "nothing lies about" '[ "$(left)" = 0 ]'

# --- where it cannot write
for o in nodir/x.mp4 . new.mp4/x.mp4; do
	exits 73 cb-mux -f mp4 -o "$o" <a.cbf
	ok "$o: one line with the name" 'one && grep -qF "cb-mux: $o: " err'
done
exits 73 cb-mux -f mp4 -o "$(printf 'no\033[31mdir/x')" <a.cbf
ok "a hostile name is shown safely" 'one && ! grep -q "$(printf "\033")" err'
if [ "$(id -u)" -ne 0 ]; then
	mkdir -p ro; chmod 555 ro; exits 73 cb-mux -f mp4 -o ro/x.mp4 <a.cbf
	echo old >ro.mp4; chmod 444 ro.mp4; exits 73 cb-mux -f mp4 -o ro.mp4 <a.cbf
	ok "a file that may not be written stays" '[ "$(cat ro.mp4)" = old ]'
else
	skip "root may write anywhere" 3
fi
for f in matroska mpegts mp4 mov; do
	_st=0; cb-mux -f $f <a.cbf >/dev/full 2>err || _st=$?
	ok "$f to a full device: 74, one line" '[ $_st = 74 ] && one && grep -q "No space left" err'
	exits 74 cb-mux -f $f -o /dev/full <a.cbf
	ok "$f, named: one line with the name" 'one && grep -q "cb-mux: /dev/full: .*No space left" err'
done
_st=0; cb-mux -f mp4 <a.cbf >&- 2>err || _st=$?
ok "stdout closed: 74" '[ $_st = 74 ] && one'
_st=0; cb-mux -f mp4 -o closed.mp4 <&- 2>err || _st=$?
ok "stdin closed: 74, no file" '[ $_st = 74 ] && one && [ ! -e closed.mp4 ]'
{ cb-mux -f matroska <a.cbf 2>err; echo $? >code; } | head -c 10 >/dev/null
ok "a reader that leaves ends it quietly" '[ ! -s err ]'

# --- every call that can fail, failing: the old file or the new one, never half
if sanitized; then
	skip "faults cannot be preloaded into a sanitizer build" 5
else
	fault() {	# KIND ERROR CODE: until it no longer happens
		_bad=0 _k=0
		while :; do
			_k=$((_k + 1))
			echo old >f.mp4
			rm -f hit
			_st=0
			FAULT=$1:$_k:$2 FAULT_LOG=$T/hit LD_PRELOAD=$CB_BUILD/aid/faultio.so \
				cb-mux -q -f "$4" -o f.mp4 <a.cbf 2>err || _st=$?
			[ -e hit ] || break
			if [ $_st = 0 ]; then
				cmp -s f.mp4 new."$4" || { _bad=$((_bad + 1)); note "$1 $_k: 0, but not whole"; }
			elif [ $_st != "$3" ] || [ "$(cat f.mp4 | head -c 10)" != old ] || ! one || [ "$(left)" != 0 ]; then
				_bad=$((_bad + 1)); note "$1 $_k: $_st $(cat err)"
			fi
			[ $_k -lt 400 ] || break
		done
		ok "$4: $1 fails with $2 at any of $((_k - 1)) calls: the old file, $3, one line" '[ $_bad = 0 ] && [ $_k -gt 1 ]'
	}
	cb-mux -f matroska -o new.matroska <a.cbf
	fault write ENOSPC 74 mp4
	fault write EIO 74 matroska
	fault fsync EIO 74 mp4
	fault rename EACCES 73 mp4
	fault write short 74 mp4
fi

# --- bad input: what came is finished and plays, 65
for f in matroska mpegts mp4 mov; do
	for i in noend half bad; do
		rm -f out.$f
		_st=0; cb-mux -f $f -o out.$f <$i.cbf 2>err || _st=$?
		ok "$f, $i: 65 in one line" '[ $_st = 65 ] && one' || _show err
		ok "$f, $i: what came plays" 'plays out.$f' || _show err
		_st=0; cb-mux -f $f <$i.cbf 2>err | cat >out.pipe
		ok "$f, $i, in a pipe: plays" 'one && plays out.pipe' || _show err
	done
done
ok "no END: nothing is missing" 'cb-mux -f mp4 -o out.mp4 <noend.cbf 2>err; cmp -s out.mp4 new.mp4 && grep -q "no END" err'
cb-mux -f mp4 -o cut.mp4 <half.cbf 2>err
ok "cut: the packets that came whole are there" '[ "$(count cut.mp4)" = "$(cb-frame dump half.cbf 2>/dev/null | grep -c " PACKET ")" ]'
: >empty
printf 'no frame stream at all, but text' >text
for i in empty text a.mp4; do
	echo old >keep.mp4
	exits 65 cb-mux -f mp4 -o keep.mp4 <$i
	ok "$i: one line, and what was there stays" 'one && [ "$(cat keep.mp4)" = old ] && [ "$(left)" = 0 ]'
	exits 65 cb-mux -f mp4 -o none.mp4 <$i
	ok "$i: no file" '[ ! -e none.mp4 ]'
done
mkstream E >nothing.cbf
exits 65 cb-mux -f mp4 -o none.mp4 <nothing.cbf
ok "no packet: no file" 'one && [ ! -e none.mp4 ]'

# --- what the container does not take
# shellcheck disable=SC2086
src $x264 -c:a pcm_alaw -ar 8000 g.mkv; ingest g.mkv >g.cbf
src -c:v mjpeg -c:a libopus mo.mkv; ingest mo.mkv >mo.cbf
refuse() {	# FORMAT STREAM CODEC OTHERS FILE
	echo old >keep
	_line="cb-mux: $2: $1 does not take $3; use --format $4"
	exits 65 cb-mux -f "$1" -o keep <"$5"
	ok "$1 and $3: says what would do" 'one && grep -qx "$_line" err && [ "$(cat keep)" = old ]' || _show err
}
refuse mp4 "stream 1" pcm_alaw "matroska or mov" g.cbf
refuse mpegts "stream 1" pcm_alaw "matroska or mov" g.cbf
refuse mov "stream 1" opus "matroska or mp4 or mpegts" mo.cbf
refuse mpegts "stream 0" mjpeg "matroska or mov or mp4" mo.cbf

# --- signals
for f in matroska mp4; do
	rm -f sig.$f fifo2; mkfifo fifo2
	cb-mux -f $f -o sig.$f <fifo2 2>err & pid=$!
	exec 9>fifo2
	cat half.cbf >&9
	wait_for 'catches $pid'
	kill -TERM $pid
	_st=0; wait $pid || _st=$?
	exec 9>&-
	ok "$f: SIGTERM: 0, finished, quiet" '[ $_st = 0 ] && [ ! -s err ] && plays sig.$f && [ "$(left)" = 0 ]' || _show err
done
rm -f fifo2; mkfifo fifo2; echo old >sig.mp4
cb-mux -f mp4 -o sig.mp4 <fifo2 2>err & pid=$!
exec 9>fifo2
wait_for 'catches $pid'
kill -TERM $pid
_st=0; wait $pid || _st=$?
exec 9>&-
ok "SIGTERM before anything came: 0, a warning, and the old file" '[ $_st = 0 ] && one && grep -q warning err && [ "$(cat sig.mp4)" = old ] && [ "$(left)" = 0 ]' || _show err
done_testing
