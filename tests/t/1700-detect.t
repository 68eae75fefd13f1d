#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-detect: what moves is reported where it is, light and noise are not, a cut is a scene
# change; a model's boxes come out where they belong; equal input gives equal bytes, also when
# damaged; what passes through stays as it was; refusals.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq

pictures() { /usr/bin/python3 "$CB_SRC/tests/accuracy/pictures.py" "$@"; }
types() { jq -r .type "$1" | grep -c "^$2\$"; }

# a textured background, and an 40x60 object that crosses it from the 3rd to the 6th second
ffmpeg -v error -f lavfi -i "mandelbrot=s=320x240:start_scale=0.4" -frames:v 1 bg.png
ffmpeg -v error -f lavfi -i "life=s=32x24:mold=10:ratio=0.4:seed=7,scale=320x240" -frames:v 1 other.png
still="-loop 1 -framerate 5 -i bg.png"
# shellcheck disable=SC2086
ffmpeg -v error $still -f lavfi -i color=orange:s=40x60:r=5 -t 10 -q:v 2 -pix_fmt yuvj420p \
	-filter_complex "[0][1]overlay=x='60*(t-3)':y=90:enable='between(t,3,6)'" move%03d.jpg
# shellcheck disable=SC2086
ffmpeg -v error $still -t 4 -q:v 2 -pix_fmt yuvj420p \
	-vf "eq=brightness=0.25:enable='gte(t,2)'" light%03d.jpg
# shellcheck disable=SC2086
ffmpeg -v error $still -t 4 -q:v 2 -pix_fmt yuvj420p -vf "noise=alls=25:allf=t:all_seed=3" noise%03d.jpg
ffmpeg -v error -loop 1 -framerate 5 -i other.png -t 3 -q:v 2 -pix_fmt yuvj420p cut%03d.jpg
pictures -r 5 move*.jpg >move.cbf
pictures -r 5 light*.jpg >light.cbf
pictures -r 5 noise*.jpg >noise.cbf
pictures -r 5 light00*.jpg cut*.jpg >cut.cbf

# --- motion ---
exits 0 sh -c 'cb-detect --no-objects <move.cbf >move.nd'
valid_events move.nd
ok 'a line for every picture' '[ "$(types move.nd cb.detection)" -eq 50 ]'
ok 'motion begins once and ends once' \
	'[ "$(types move.nd cb.motion.start) $(types move.nd cb.motion.end)" = "1 1" ]'
ok 'nothing moves before the object comes and after it has gone' \
	'jq -se "[.[]|select(.type==\"cb.detection\")|select(.data.pts<15 or .data.pts>34)|.data.motion.score]|max==0" move.nd >/dev/null'
ok 'the box is where the object is' \
	'jq -se "[.[]|select(.type==\"cb.detection\" and .data.pts>=18 and .data.pts<=28)|
		(.data.pts as \$n | (60*(\$n/5-3)+20)/320) as \$x |
		[.data.motion.boxes[]|select(.[0]<\$x and .[0]+.[2]>\$x and .[1]<0.5 and .[1]+.[3]>0.5
			and .[2]<0.3 and .[3]<0.4)]|length]|length==11 and min==1 and max==1" move.nd >/dev/null'
ok 'it lasted about as long as it was there' \
	'jq -se "[.[]|select(.type==\"cb.motion.end\").data.duration_us]|.[0]>2500000 and .[0]<4500000" move.nd >/dev/null'
ok 'no scene change there' '[ "$(types move.nd cb.scene.change)" -eq 0 ]'
ok 'packet is the digest of the data' \
	'[ "$(jq -r "select(.type==\"cb.detection\" and .data.pts==7).data.packet" move.nd)" = "$(sha256sum <move008.jpg | cut -d" " -f1)" ]'
ok 'time is the packet'\''s' \
	'[ "$(jq -r "select(.type==\"cb.detection\" and .data.pts==7).time" move.nd)" = 2023-11-14T22:13:21.400000Z ]'

exits 0 sh -c 'cb-detect --no-objects --region 0,0,1,0.3 <move.cbf >region.nd'
ok 'motion outside the region is none' '[ "$(types region.nd cb.motion.start)" -eq 0 ]'
exits 0 sh -c 'cb-detect --no-objects --region 0,0,1,0.3 --region 0,0.35,0.5,0.3,1,0.35,1,1,0,1 <move.cbf >region.nd'
ok 'a second region, a polygon, has it' '[ "$(types region.nd cb.motion.start)" -eq 1 ]'

for what in light noise; do
	exits 0 sh -c "cb-detect --no-objects <$what.cbf >$what.nd"
	ok "$what is neither motion nor a new scene" \
		'[ "$(types $what.nd cb.detection)" -eq 20 ] && ! grep -q "cb.motion\|cb.scene" $what.nd &&
		jq -se "[.[].data.motion.score//0]|max==0" $what.nd >/dev/null'
done
exits 0 sh -c 'cb-detect --no-objects <cut.cbf >cut.nd'
ok 'a cut is one scene change, at its picture' \
	'[ "$(jq -r "select(.type==\"cb.scene.change\").data.pts" cut.nd)" = 9 ]'
ok 'and no motion' '[ "$(types cut.nd cb.motion.start)" -eq 0 ]'

# --- which pictures ---
exits 0 sh -c 'cb-detect --no-objects --every 7 <move.cbf >every.nd'
ok 'every 7th' '[ "$(jq -r "select(.type==\"cb.detection\").data.pts" every.nd | tr "\n" " ")" = "0 7 14 21 28 35 42 49 " ]'
exits 0 sh -c 'cb-detect --no-objects --fps 2 <move.cbf >fps.nd'
ok 'two a second' '[ "$(types fps.nd cb.detection)" -eq 20 ]'
exits 0 sh -c 'cb-detect --no-objects --fps 1/3 <move.cbf >fps.nd'
ok 'one in three seconds' '[ "$(types fps.nd cb.detection)" -eq 4 ]'
pictures -r 5 --key 10 move*.jpg >key.cbf
exits 0 sh -c 'cb-detect --no-objects --keyframes <key.cbf >key.nd'
ok 'keyframes' '[ "$(jq -r "select(.type==\"cb.detection\").data.pts" key.nd | tr "\n" " ")" = "0 10 20 30 40 " ]'
pictures -r 1 $(for i in 1 2 3; do echo move*.jpg; done) >minutes.cbf
exits 0 sh -c 'cb-detect --no-objects --every 50 <minutes.cbf >minutes.nd'
ok 'cb.run at the start, every minute, and at the end' \
	'[ "$(jq -r "select(.type==\"cb.run\").data.packets" minutes.nd | tr "\n" " ")" = "0 61 121 150 " ]'

# --- the same bytes ---
exits 0 sh -c 'cb-detect --no-objects <move.cbf | cmp - move.nd'
pictures -r 5 --damage 3 --empty 11 move*.jpg >bad.cbf
exits 0 sh -c 'cb-detect --no-objects <bad.cbf >bad1.nd'
ok 'damage is told' 'grep -q "^cb-detect: warning: .* of 50 packets could not be decoded whole$" err'
exits 0 sh -c 'cb-detect --no-objects <bad.cbf >bad2.nd'
same_file bad1.nd bad2.nd 'damaged input gives the same twice'
valid_events bad1.nd
ok 'damage is counted in the last cb.run' '[ "$(jq -s "map(select(.type==\"cb.run\"))|last|.data.decode_errors" bad1.nd)" -ge 4 ]'
ok 'the run does not change with the footage, but with the options' \
	'[ "$(jq -r .data.run bad1.nd | sort -u)" = "$(jq -r .data.run move.nd | sort -u)" ] &&
	 [ "$(jq -r .data.run every.nd | sort -u)" != "$(jq -r .data.run move.nd | sort -u)" ]'
ok 'ids are unique' '[ -z "$(jq -r .id move.nd minutes.nd | sort | uniq -d)" ]'

# --- through it ---
exits 0 sh -c 'cb-detect --no-objects --tee <move.cbf >tee.cbf'
exits 0 sh -c 'cb-frame events tee.cbf | cmp - move.nd'
cb-frame hash move.cbf >hash1
cb-frame hash tee.cbf >hash2
same_file hash1 hash2 'footage passes unchanged'
exits 0 sh -c 'cb-detect --no-objects --every 25 <tee.cbf >both.nd'
ok 'events of upstream are copied' \
	'[ "$(grep -c . both.nd)" -eq $(($(grep -c . move.nd) + 4)) ] && [ "$(grep -cFxf move.nd both.nd)" -eq "$(grep -c . move.nd)" ]'

# --- streams that are not as they should be ---
pictures -r 5 --cut move*.jpg >cutoff.cbf
exits 65 sh -c 'cb-detect --no-objects <cutoff.cbf >cutoff.nd'
same_file cutoff.nd move.nd 'without END the same is said'
exits 65 sh -c 'cb-detect --no-objects --tee <cutoff.cbf >cutoff.tee'
exits 65 cb-frame check cutoff.tee
head -c 100000 move.cbf >half.cbf
exits 65 sh -c 'cb-detect --no-objects <half.cbf >half.nd'
valid_events half.nd
pictures --kind 3 move001.jpg >data.cbf
exits 65 sh -c 'cb-detect --no-objects <data.cbf'
ok 'no video is said' 'grep -q "^cb-detect: no video stream$" err'
exits 65 sh -c 'cb-detect --no-objects --stream 5 <move.cbf'
ok 'no such stream is said' 'grep -q "^cb-detect: no stream 5$" err'
pictures --codec smackvideo move001.jpg >odd.cbf
exits 65 sh -c 'cb-detect --no-objects <odd.cbf'
ok 'an unknown codec is named' 'grep -q "^cb-detect: stream 0: no decoder for smackvideo$" err'
exits 65 sh -c 'cb-detect --no-objects --tee <odd.cbf >odd.tee'
exits 0 cb-frame check odd.tee
exits 65 sh -c 'echo nonsense | cb-detect'
exits 65 cb-detect --no-objects </dev/null
pictures --again 25 move*.jpg >again.cbf
exits 0 sh -c 'cb-detect --no-objects <again.cbf >again.nd'
ok 'new parameters, and all pictures' '[ "$(types again.nd cb.detection)" -eq 50 ]'
ffmpeg -v error -i move001.jpg -vf scale=200:120 small.jpg
pictures move00*.jpg small.jpg move00*.jpg >sizes.cbf
exits 0 sh -c 'cb-detect --no-objects <sizes.cbf >sizes.nd'
ok 'sizes may change' '[ "$(jq -r "select(.type==\"cb.detection\").data.width" sizes.nd | uniq | tr "\n" " ")" = "320 200 320 " ]'
pictures --late 100 move*.jpg >late.cbf
exits 0 sh -c 'cb-detect --no-objects <late.cbf >late.nd'
ok 'behind a live stream pictures are left out, and counted' \
	'[ "$(jq -s "map(select(.type==\"cb.run\"))|last|.data|.analysed+.skipped" late.nd)" -eq 50 ] && [ "$(types late.nd cb.detection)" -lt 20 ]'
ok 'it is said' 'grep -q "^cb-detect: warning: .* pictures left out" err'
exits 0 sh -c 'cb-detect --no-objects --tee <late.cbf >late.tee'
cb-frame hash late.cbf >hash1
cb-frame hash late.tee >hash2
same_file hash1 hash2 'but footage never is'

# --- SIGTERM: what came is finished ---
mkfifo pipe
cb-detect --no-objects <pipe >term.nd 2>term.err &
pid=$!
exec 3>pipe
cat cutoff.cbf >&3
n=0
while [ "$n" -lt 100 ] && ! grep -q '"pts":49' term.nd; do
	sleep 0.1
	n=$((n + 1))
done
kill -TERM "$pid"
st=0
wait "$pid" || st=$?
exec 3>&-
ok 'SIGTERM ends it well' '[ "$st" -eq 0 ] && [ ! -s term.err ]'
same_file term.nd move.nd 'with everything said'

# --- a model: one box of half the picture's size in its middle, class alpha ---
cat >model.py <<'P'
import struct
open("m.cfg", "w").write("""[net]
width=32
height=32
channels=3
[convolutional]
filters=21
size=1
stride=32
activation=linear
[yolo]
mask=0,1,2
anchors=16,16, 8,8, 4,4
classes=2
num=3
""")
bias = [0, 0, 0, 0, 5, 5, -5] + 2 * [0, 0, 0, 0, -9, -9, -9]
open("m.weights", "wb").write(struct.pack("<iiiq", 0, 2, 0, 0) + struct.pack("<21f", *bias) + bytes(4 * 63))
open("m.names", "w").write("alpha\nbeta\n")
P
/usr/bin/python3 model.py
pictures move001.jpg move002.jpg >two.cbf
exits 0 sh -c 'cb-detect -m m.cfg <two.cbf >model.nd'
valid_events model.nd
ok 'the object is there' \
	'[ "$(jq -c "select(.type==\"cb.detection\" and .data.pts==1).data.objects" model.nd)" = "[{\"class\":\"alpha\",\"class_id\":0,\"score\":0.9867,\"box\":[0.25,0.25,0.5,0.5]}]" ]'
exits 0 sh -c 'cb-detect -m m.cfg --resize letterbox <two.cbf >letter.nd'
ok 'letterboxed, the box is on the picture' \
	'[ "$(jq -c "select(.type==\"cb.detection\" and .data.pts==1).data.objects[0].box" letter.nd)" = "[0.25,0.1667,0.5,0.6666]" ]'
ok 'the model is stated' \
	'[ "$(jq -r "select(.type==\"cb.run\").data.model_sha256" model.nd | sort -u)" = "$(cat m.cfg m.weights | sha256sum | cut -d" " -f1)" ]'
exits 0 sh -c 'cb-detect -m m.cfg --isa sse41 <two.cbf >sse.nd'
ok 'the instruction set is stated' '[ "$(jq -r "select(.type==\"cb.run\").data.isa" sse.nd | sort -u)" = sse41 ]'
for o in '--classes beta' '--threshold 0.99' '--region 0,0,0.4,1'; do
	exits 0 sh -c "cb-detect -m m.cfg $o <two.cbf >none.nd"
	ok "nothing with $o" 'jq -se "[.[].data.objects//[]|length]|max==0" none.nd >/dev/null'
done
# n OPTIONS: how many objects the first picture has
n() { cb-detect -m m.cfg "$@" <two.cbf | jq -s '[.[]|select(.type=="cb.detection")][0].data.objects|length'; }
ok 'the score itself is enough, a bit more is not' '[ "$(n --threshold 0.9867)$(n --threshold 0.9868)" = 10 ]'
ok 'with a threshold of 0 also the least' '[ "$(n --threshold 0 --nms 0)" = 2 ]'
ok 'a class that is asked for stays' '[ "$(n --classes alpha)" = 1 ]'
ok 'the centre of its box decides' '[ "$(n --region 0.45,0.45,0.1,0.1)$(n --region 0.52,0.45,0.4,0.4)" = 10 ]'
for isa in sse41 avx2 avx512; do
	cb-detect -m m.cfg --isa $isa <two.cbf >isa.nd
	jq -r 'select(.type=="cb.run").data|"\(.isa) \(.run)"' isa.nd | sort -u >>isas
	jq -c 'select(.type=="cb.detection").data.objects' isa.nd | tr '\n' ' ' >>isa.seen
	echo >>isa.seen
done
# no more than was asked for; less where the processor has less
ok "--isa bounds: $(tr '\n' ' ' <isas)" \
	'[ "$(sed -n 1p isas | cut -c1-6)" = "sse41 " ] && ! sed -n 2p isas | grep -q "avx512\|generic" && [ "$(wc -l <isas)" -eq 3 ]'
if grep -qw avx2 /proc/cpuinfo; then
	ok 'and another one is another run, that sees the same here' \
		'grep -q "^avx2 " isas && [ "$(cut -d" " -f2 isas | sort -u | wc -l)" -ge 2 ] && [ "$(sort -u isa.seen | wc -l)" -eq 1 ]'
else
	skip 'no AVX2 in this processor'
fi

# two boxes of a class with an overlap of 196/256
sed -e '/^anchors/s/8,8/14,14/' m.cfg >o.cfg
cat >model2.py <<'P'
import struct
bias = [0, 0, 0, 0, 5, 5, -5, 0, 0, 0, 0, 4, 4, -5] + [0, 0, 0, 0, -9, -9, -9]
open("o.weights", "wb").write(struct.pack("<iiiq", 0, 2, 0, 0) + struct.pack("<21f", *bias) + bytes(4 * 63))
P
/usr/bin/python3 model2.py
cp m.names o.names
o() { cb-detect -m o.cfg "$@" <two.cbf | jq -s -c '[.[]|select(.type=="cb.detection")][0].data.objects|map(.score)'; }
ok '--nms: of two boxes the better stays where they overlap by more' \
	'[ "$(o)$(o --nms 0.76)" = "[0.9867][0.9867]" ] && [ "$(o --nms 0.77)" = "[0.9867,0.9644]" ]'
ok '--nms 0 drops none' '[ "$(o --nms 0)" = "[0.9867,0.9644]" ]'

cp m.weights n.weights
cp m.names other.names
exits 0 sh -c 'cb-detect -m m.cfg --weights n.weights --names other.names --classes beta,alpha <two.cbf'

# the files are read once, and the digest is of what was read: the cfg may come from a pipe
mkfifo fifo
cat m.cfg >fifo &
exits 0 sh -c 'cb-detect -m ./fifo --weights m.weights --names m.names <two.cbf >fifo.nd'
sed -i 's/"model":"fifo"/"model":"m.cfg"/' fifo.nd
same_file fifo.nd model.nd 'a cfg from a pipe is the same model'
for w in fifo /dev/zero . ; do
	exits 66 timeout 20 cb-detect -m m.cfg --weights $w
	ok 'weights are a file' 'grep -q "not a regular file$" err'
done
exits 66 cb-detect -m .
exits 66 cb-detect -m m.cfg --names .
if sanitized; then
	skip 'a sanitizer wants all of the address space'
else
	# from too little memory to enough
	codes=$(for mb in 205 215 225 235 245 265 285 305 400; do
		# shellcheck disable=SC3045  # dash has it
		(ulimit -v $((mb * 1024)) && exec cb-detect -m m.cfg --threads 3 <two.cbf >/dev/null 2>&1)
		echo $?
	done | sort -u | tr '\n' ' ')
	ok "without memory or threads there is a message and no crash ($codes)" \
		'case $codes in "0 71 "|"0 127 71 ") true ;; *) false ;; esac'
fi

exits 64 cb-detect -m m.cfg --classes gamma
ok 'an unknown class is named' 'grep -q "gamma" err'
exits 66 cb-detect -m missing.cfg
exits 66 cb-detect -m m.cfg --weights missing.weights
exits 66 cb-detect -m m.cfg --names missing.names
echo gamma >>m.names
exits 65 cb-detect -m m.cfg
ok 'the names are counted' 'grep -q "3 names, but the model has 2 classes" err'
head -c 60 m.weights >short.weights
exits 65 cb-detect -m m.cfg --weights short.weights --names other.names
exits 64 cb-detect --no-objects --every 0
ok 'the option is named' 'grep -q "^cb-detect: --every: .0. is not a number from 1 to" err'
for o in '--every 0' '--threads 65 -m m.cfg' '--fps 0' '--nms nan -m m.cfg' '--weights x' '--every 2 --fps 1' '--keyframes --every 3' '--fps -1' '--no-objects --threshold 0.5' '--no-objects -m m.cfg' '--names x' '--isa avx9 -m m.cfg' \
	'--region 0,0,1' '--region 0,0,2,2' '--region 0.9,0,0.2,1' '--threads 0 -m m.cfg' '--stream 64'; do
	# shellcheck disable=SC2086
	exits 64 cb-detect $o
done
exits 66 cb-detect --no-objects missing.cbf
exits 74 sh -c 'cb-detect --no-objects <move.cbf >/dev/full'
exits 74 sh -c 'cb-detect --no-objects --tee <move.cbf >/dev/full'

done_testing
