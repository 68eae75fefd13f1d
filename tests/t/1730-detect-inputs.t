#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-detect with several inputs: each camera's lines are those of a run of its own, whatever the
# others do; whole lines; a damaged, silent or missing input; refusals; SIGTERM; a full disk.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq cb-ingest

for c in a b c d; do
	case $c in
	a) src=testsrc2=s=320x240:r=25:d=2 ;;
	b) src=mandelbrot=s=320x240:r=25:end_pts=50 ;;
	c) src=testsrc=s=160x120:r=10:d=3 ;;
	d) src=life=s=96x96:r=25:seed=3:mold=10 ;;
	esac
	ffmpeg -v error -f lavfi -i "$src" -t 2 -c:v libx264 -preset fast -g 25 -bf 2 -pix_fmt yuv420p $c.mp4
	cb-ingest --camera $c $c.mp4 >$c.cbf 2>ingest.err
done
/usr/bin/python3 "$CB_SRC/tests/smallnet.py"
of() { jq -c "select(.subject==\"$1\")" "$2"; }

for c in a b c d; do
	exits 0 sh -c "cb-detect -m m.cfg --threshold 0.01 $c.cbf >$c.nd"
	exits 0 sh -c "cb-detect -m m.cfg --threshold 0.01 <$c.cbf | cmp - $c.nd"
	jq -c . $c.nd >$c.own
done
for n in 1 2 5; do
	cb-detect -m m.cfg --threshold 0.01 --threads $n a.cbf b.cbf c.cbf d.cbf >all.nd 2>err
	ok "four inputs, $n cores" '[ $? -eq 0 ]'
	valid_events all.nd
	ok 'as many lines as there are of each' '[ "$(grep -c . all.nd)" -eq "$(cat a.nd b.nd c.nd d.nd | grep -c .)" ]'
	for c in a b c d; do
		of $c all.nd >$c.part
		same_file $c.part $c.own "camera $c: the same lines in the same order"
	done
done

# one from stdin, the others through pipes, one of them silent until the rest are done
mkfifo b.fifo d.fifo
cb-detect -m m.cfg --threshold 0.01 --threads 2 a.cbf b.fifo - d.fifo <c.cbf >all.nd 2>err &
pid=$!
cat d.cbf >d.fifo
n=0
until [ "$(of d all.nd | grep -c .)" -eq "$(grep -c . d.nd)" ] && [ "$(of a all.nd | grep -c .)" -eq "$(grep -c . a.nd)" ] &&
	[ "$(of c all.nd | grep -c .)" -eq "$(grep -c . c.nd)" ] || [ $n -gt 200 ]; do
	sleep 0.1
	n=$((n + 1))
done
ok 'an input that nobody writes to holds none up' '[ $n -le 200 ] && [ "$(of b all.nd | grep -c .)" -eq 0 ]'
cat b.cbf >b.fifo
wait $pid
ok 'and is read when it comes' '[ $? -eq 0 ]'
for c in a b c d; do
	of $c all.nd >$c.part
	same_file $c.part $c.own "camera $c through a pipe: the same lines"
done

# half a stream, then silence: its lines are there, and SIGTERM ends it well
exec 3<>b.fifo
size=$(wc -c <b.cbf)
cb-detect -m m.cfg --threshold 0.01 a.cbf b.fifo >all.nd 2>err &
pid=$!
head -c $((size / 2)) b.cbf >b.fifo
n=0
until [ "$(of b all.nd | grep -c .)" -gt 5 ] || [ $n -gt 200 ]; do
	sleep 0.1
	n=$((n + 1))
done
kill $pid
wait $pid
ok 'asked to stop, it stops with 0' '[ $? -eq 0 ]'
of a all.nd >a.part
same_file a.part a.own 'what had ended is whole'
exec 3>&-

# one of them damaged, cut off, empty, or no frame stream at all
head -c $((size / 2)) b.cbf >cut.cbf
exits 65 sh -c 'cb-detect -m m.cfg --threshold 0.01 --threads 2 a.cbf cut.cbf c.cbf >all.nd'
ok 'it is named, and counted' \
	'grep -q "^cb-detect: warning: cut.cbf: frame .* truncated" err && grep -q "^cb-detect: 1 of 3 inputs did not end well$" err'
for c in a c; do
	of $c all.nd >$c.part
	same_file $c.part $c.own "camera $c beside it: the same lines"
done
: >none.cbf
echo nonsense >odd.cbf
exits 65 sh -c 'cb-detect --no-objects none.cbf odd.cbf c.cbf >all.nd'
ok 'two of three' 'grep -q "^cb-detect: 2 of 3 inputs" err && [ "$(of c all.nd | grep -c .)" -gt 10 ]'
mkfifo nobody.fifo
sleep 0.2 >nobody.fifo &
exits 65 cb-detect --no-objects nobody.fifo
exits 66 sh -c 'cb-detect --no-objects a.cbf missing.cbf >all.nd'
ok 'nothing is begun where one is missing' '[ ! -s all.nd ] && grep -q "^cb-detect: missing.cbf: " err'
exits 64 cb-detect --no-objects --tee a.cbf b.cbf
ok 'why a tee has one' 'grep -q "^cb-detect: --tee passes one stream on, and there are 2$" err'
exits 0 sh -c 'cb-detect --no-objects --tee a.cbf | cb-frame check'
exits 64 cb-detect --no-objects a.cbf a.cbf
exits 64 cb-detect --no-objects - a.cbf -
exits 74 sh -c 'cb-detect --no-objects a.cbf b.cbf d.cbf c.cbf >/dev/full'
# the output is gone: those that are silent end as well
exec 3<>b.fifo
exits 74 timeout 60 sh -c 'exec cb-detect --no-objects a.cbf b.fifo >/dev/full'
exec 3>&-

done_testing
