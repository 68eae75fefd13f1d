#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-detect --backend darknet: the same boxes as our own engine; whatever the helper or its library
# does, cb-detect ends with one line and the events of the pictures before; what that library
# cannot do is refused by name; nothing of it is in cb-detect.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq cb-ingest
py=/usr/bin/python3
$py "$CB_SRC/tests/smallnet.py"
ffmpeg -v error -f lavfi -i testsrc2=s=320x240:r=25:d=0.8 -c:v libx264 -g 12 -pix_fmt yuv420p clip.mp4
exits 0 sh -c 'cb-ingest --camera=front clip.mp4 >clip.cbf'
# what a line has but for the run: pts, packet, objects
seen() { jq -c 'select(.type=="cb.detection").data|[.pts,.packet,.objects]' "$1"; }
of_run() { jq -r "select(.type==\"cb.run\").data.$2" "$1" | sort -u; }
one_line() { [ "$(wc -l <err)" -eq 1 ] && grep -q "^cb-detect: " err; }
# detect CODE OPTIONS: exits CODE, the events in det.nd
detect() {
	_code=$1
	shift
	exits "$_code" sh -c "cb-detect -m m.cfg --threshold 0.01 --backend darknet $* <clip.cbf >det.nd"
}

# --- what needs no library ---------------------------------------------------------------------

if command -v readelf >/dev/null; then
	ok 'cb-detect has nothing of darknet, and names its library nowhere' \
		'! readelf -dW "$CB_BUILD/bin/cb-detect" | grep -qi -e darknet -e opencv &&
			! ldd "$CB_BUILD/bin/cb-detect" | grep -qi -e darknet -e opencv &&
			! grep -q libdarknet.so "$CB_BUILD/bin/cb-detect"'
else
	skip 'no readelf'
fi
for o in '--backend none -m m.cfg' '--backend darknet --no-objects' '--backend darknet -m m.cfg --threads 2' \
	'--isa avx2 --backend darknet -m m.cfg'; do
	# shellcheck disable=SC2086
	exits 64 cb-detect $o
done

# a helper of our own: "how" says what it does
mkdir stub
cat >stub/cb-darknet <<P
#!$py
import mmap, os, socket, struct, sys, time
# but for what python has open to read this and to list them
fds = " ".join(i for i in sorted(os.listdir("/proc/self/fd"), key=int) if os.path.exists("/proc/self/fd/" + i) and
    os.readlink("/proc/self/fd/" + i) != os.path.realpath(__file__))
how = open("$T/how").read().split()
s = socket.socket(fileno=3)
def say(kind, *words, more=b""):
    s.send(struct.pack("<II%dI" % len(words), 0x4b444243, kind, *words) + more)
LOAD, READY, RUN, BOXES, FAIL = 0x64616f6c, 0x79646572, 0x206e7572, 0x65786f62, 0x6c696166
msg = s.recv(512)
magic, kind, version, floats, layers = struct.unpack("<5I", msg)
assert (magic, kind) == (0x4b444243, LOAD)
at = 4 * floats
m = mmap.mmap(6, 0)
def shape(i, *v): m[at + 16 * i:at + 16 * i + 16] = struct.pack("<4I", *v)
shape(0, 54, 3, 3, 6)
shape(1, 54, 3, 3, 6)
def ready(n=layers): say(READY, n, more=bytes(range(32)))
if how[0] == "exit": print("hello"); sys.exit(int(how[1]))
if how[0] == "signal": os.kill(os.getpid(), int(how[1]))
if how[0] == "raw": s.send(bytes.fromhex(how[1])); time.sleep(60)
if how[0] == "long": s.send(bytes(600)); time.sleep(60)
if how[0] == "layers": ready(layers + 1); time.sleep(60)
if how[0] == "shape": shape(0, 53, 3, 3, 6); ready(); time.sleep(60)
if how[0] == "shape2": shape(1, 54, 1, 9, 6); ready(); time.sleep(60)
if how[0] == "fail": say(FAIL, int(how[1]), more=b"no\x1b[31m such\n luck"); time.sleep(60)
if how[0] == "boxes-first": say(BOXES, 1, 0); time.sleep(60)
if how[0] == "close": s.close(); os.close(3); time.sleep(60)
if how[0] == "shrink": os.ftruncate(6, 0)
if how[0] == "fds":
    open("$T/fds", "w").write(fds)
    open("$T/env", "w").write("".join(sorted(k + "\n" for k in os.environ if k != "LC_CTYPE")))
    open("$T/std", "w").write(" ".join(os.readlink("/proc/self/fd/%d" % i) for i in range(3)))
ready()
n = 0
def box(i, *v): m[at + 24 * i:at + 24 * i + 24] = struct.pack("<5fI", *v)
while True:
    msg = s.recv(512)
    if not msg: sys.exit(0)
    n += 1
    magic, kind, number, threshold = struct.unpack("<3If", msg)
    box(0, .5, .5, .25, .25, .75, 0)
    if n < 3 or how[0] in ("good", "fds"): say(BOXES, number, 1); continue
    if how[0] == "late-exit": sys.exit(int(how[1]))
    if how[0] == "late-signal": os.kill(os.getpid(), int(how[1]))
    if how[0] == "number": say(BOXES, number + 1, 1)
    if how[0] == "many": say(BOXES, number, 8193)
    if how[0] == "nan": box(0, float("nan"), .5, .25, .25, .75, 0); say(BOXES, number, 1)
    if how[0] == "class": box(0, .5, .5, .25, .25, .75, 1); say(BOXES, number, 1)
    if how[0] == "again": ready()
    if how[0] == "twice": say(BOXES, number, 1); say(BOXES, number, 1); continue
    if how[0] == "flood":
        for i in range(1000): print("x" * 1000)
        say(BOXES, number, 1); continue
P
chmod +x stub/cb-darknet
CB_LIBEXEC=$T/stub
export CB_LIBEXEC
echo good >how
detect 0
ok 'a box of the helper is a box of the event' '[ ! -s err ] && [ "$(jq -c "select(.type==\"cb.detection\").data.objects[]" det.nd | sort -u)" = "{\"class\":\"thing\",\"class_id\":0,\"score\":0.75,\"box\":[0.375,0.375,0.25,0.25]}" ]'
valid_events det.nd
ok 'the digest of its library is stated' '[ "$(of_run det.nd libraries.darknet)" = sha256:0001020304050607 ]'
seen det.nd | head -n 2 >two
echo fds >how
detect 0
ok 'it has its descriptors and no other, and no environment of ours' \
	'[ "$(cat fds)" = "0 1 2 3 4 5 6" ] && [ "$(tr "\n" " " <env)" = "LC_ALL PATH " ] && [ "$(cat std)" = "/dev/null /dev/null /dev/null" ]'

rm fds
: >empty
exits 1 sh -c 'cb-detect -m m.cfg --require-signed --models empty --backend darknet <clip.cbf'
ok 'for a model that is not listed it is not started' 'one_line && [ ! -e fds ]'

# wrong from the start: no event at all
while read -r code what; do
	echo "$what" >how
	detect "$code"
	ok "$what: one line, no event" 'one_line && [ ! -s det.nd ]'
done <<'E'
69 exit 0
69 exit 3
69 signal 11
69 close
76 raw 00
76 raw 0000000000000000
76 raw 4342444b
76 raw 4342444b72656479
76 raw 4342444b6661696c
76 raw 4342444b7265647902000000
76 long
76 layers
76 boxes-first
65 shape
65 shape2
69 shrink
69 fail 1
65 fail 65
69 fail 4294967295
E
ok 'the text of a failure is made safe' 'grep -q "backend darknet: no?.31m such? luck$" err'

# wrong at the third picture: the events of two
while read -r code what; do
	echo "$what" >how
	detect "$code"
	seen det.nd >got
	same_file two got "$what: the events before, whole"
	ok "$what: one line" 'one_line && jq -e . det.nd >/dev/null'
done <<'E'
69 late-exit 0
69 late-exit 7
69 late-signal 9
69 late-signal 6
76 number
76 many
76 nan
76 class
76 again
E
echo twice >how
detect 76
ok 'an answer that nobody asked for is not the next one' 'one_line && [ "$(seen det.nd | wc -l)" -eq 3 ]'
ok 'exit status and signal are told apart' \
	'grep -q "nonsense" err && echo "late-signal 6" >how && ! cb-detect -m m.cfg --backend darknet <clip.cbf >det.nd 2>err && grep -q "ended by signal 6$" err'
echo late-exit 7 >how
exits 69 sh -c 'cb-detect -m m.cfg --backend darknet --tee <clip.cbf >tee.cbf'
ok 'a stream that passes through is cut off, not closed' '! cb-frame check tee.cbf >out 2>&1'
exits 0 sh -c 'cb-detect -m m.cfg --backend darknet --tee <clip.cbf | cat >/dev/null'
echo flood >how
detect 0
ok 'a megabyte of prints is nowhere' '[ ! -s err ] && [ "$(seen det.nd | wc -l)" -eq 20 ]'
detect 0 -v
ok 'and line by line with -v' '[ "$(grep -c "^cb-detect: darknet: xxxx" err)" -gt 1000 ]'

# the helper goes when cb-detect goes, however that is
echo good >how
mkfifo in
cb-detect -m m.cfg --backend darknet <in >out 2>err &
pid=$!
exec 9>in
cat clip.cbf >&9
helper() { cat "/proc/$pid/task/$pid/children" 2>/dev/null; }
ok 'there is one helper' 'wait_for "[ -s out ]" && [ "$(helper | wc -w)" -eq 1 ]'
h=$(helper)
kill -KILL "$pid"
exec 9>&-
ok 'it goes with a killed cb-detect' 'wait_for "[ ! -e /proc/${h% } ] || grep -q \"^State:.Z\" /proc/${h% }/status"'
wait "$pid" 2>/dev/null

# asked to stop, it ends as ever
cb-detect -m m.cfg --backend darknet --tee <in >tee.cbf 2>err &
pid=$!
exec 9>in
cat clip.cbf >&9
ok 'a stream that has not ended' 'wait_for "[ -s tee.cbf ] && catches $pid"'
kill "$pid"
st=0
wait "$pid" || st=$?
exec 9>&-
ok 'asked to stop: exit 0, a whole stream' '[ "$st" -eq 0 ] && [ ! -s err ] && cb-frame check tee.cbf >out 2>&1'

# nothing there
CB_LIBEXEC=$T/nowhere
exits 69 sh -c 'cb-detect -m m.cfg --backend darknet <clip.cbf'
ok 'a helper that is not there is named' 'one_line && grep -q "backend darknet: $T/nowhere/cb-darknet.*package darknet.*: No such file" err'
mkdir nowhere && echo nothing >nowhere/cb-darknet
exits 69 sh -c 'cb-detect -m m.cfg --backend darknet <clip.cbf'
ok 'nor one that cannot be run' 'one_line && grep -q "Permission denied$" err'
unset CB_LIBEXEC

# --- the library itself ------------------------------------------------------------------------

real=$CB_BUILD/libexec/cb/cb-darknet
if [ ! -x "$real" ] || [ ! -e /usr/lib/darknet/libdarknet.so ]; then
	skip 'no libdarknet (package darknet)'
	done_testing
	exit
fi
exits 64 "$real"
exits 0 sh -c 'cb-detect -m m.cfg --threshold 0.01 <clip.cbf >own.nd'
detect 0
ok 'its prints are nowhere' '[ ! -s err ]'
seen own.nd >own
seen det.nd >got
same_file own got 'the same boxes as our own engine'
ok 'and many' '[ "$(jq -s "[.[].data.objects//[]|length]|add" det.nd)" -gt 50 ]'
ok 'but another run, that names the library' '[ "$(of_run own.nd run)" != "$(of_run det.nd run)" ] &&
	[ "$(of_run own.nd config_sha256)" != "$(of_run det.nd config_sha256)" ] &&
	[ "$(of_run det.nd libraries.darknet)" = "sha256:$(sha256sum </usr/lib/darknet/libdarknet.so | cut -c1-16)" ] &&
	[ "$(of_run det.nd libraries.oneDNN)" = null ] && [ "$(of_run own.nd libraries.darknet)" = null ]'
valid_events det.nd
mv det.nd first.nd
detect 0 -v
same_file first.nd det.nd 'the same bytes again, also with -v'
ok 'with -v its prints are there' 'grep -q "^cb-detect: darknet: Loading weights" err'

cb-model digest m.cfg >list
exits 0 sh -c 'cb-detect -m m.cfg --threshold 0.01 --require-signed --models list --backend darknet <clip.cbf >listed.nd'
same_file first.nd listed.nd 'a listed model is the one that was read'

# a library that is not there, or another
mkdir wrap
wrap() { printf '#!/bin/sh\n%s\n' "$1" >wrap/cb-darknet; chmod +x wrap/cb-darknet; CB_LIBEXEC=$T/wrap; export CB_LIBEXEC; }
wrap "exec $real /nonexistent/libdarknet.so"
detect 69
ok 'a missing library is named' 'one_line && grep -q "/nonexistent/libdarknet.so" err && [ ! -s det.nd ]'
wrap "exec $real libm.so.6"
detect 69
ok 'so is another one' 'one_line && grep -q "libm.so.6: no load_network in it" err'

# one that prints and ends, in the ways that libraries have
cat >so.c <<'C'
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
void *load_network(char *cfg, char *weights, int clear)
{
	char *how = getenv("HOW");
	(void)cfg; (void)weights; (void)clear;
	puts("{\"a line\":\"on stdout\"}");
	fputs("Couldn't open file\n", stderr);
	fflush(NULL);
	if (*how == 'e')
		exit(0);
	if (*how == 'a')
		abort();
	if (*how == 's')
		raise(SIGSEGV);
	return NULL;
}
void set_batch_network(void) {}
void network_predict(void) {}
void get_network_boxes(void) {}
void free_detections(void) {}
C
ok 'a library of our own' '${CC:-cc} -fPIC -shared -o so.so so.c'
# a sanitizer takes that signal itself
segv='the helper was ended by signal 11$'
sanitized && segv='the helper ended with exit status 1$'
while read -r how code says; do
	wrap "HOW=$how exec $real $T/so.so"
	detect "$code"
	ok "a library that does $how" 'one_line && grep -q "backend darknet: $says" err && [ ! -s det.nd ]'
done <<E
exit 69 the helper ended with exit status 0\$
abort 69 the helper was ended by signal 6\$
segv 69 $segv
null 65 libdarknet makes another network of the cfg\$
E
unset CB_LIBEXEC

# a model in one file
exits 0 sh -c 'cb-detect -m "$CB_SRC/tests/fuzz/corpus/nn_pack/float.cbm" --threshold 0.01 --backend darknet <clip.cbf >cbm.nd'
exits 0 sh -c 'cb-detect -m "$CB_SRC/tests/fuzz/corpus/nn_pack/float.cbm" --threshold 0.01 <clip.cbf >cbm.own'
seen cbm.nd >got
seen cbm.own >own
same_file own got 'a model in one file: the same boxes'

# what it cannot do, or does otherwise
sed '/^\[yolo\]/i [batchnorm]' m.cfg >b.cfg
exits 65 cb-detect -m b.cfg --backend darknet
ok 'a layer that it has not is named, with its line' 'one_line && grep -q "^cb-detect: b.cfg: line 11: \[batchnorm\]: not in Debian.s libdarknet$" err'
sed 's/^num=1/&\nscale_x_y=1.1/' m.cfg >x.cfg
exits 0 sh -c 'cb-detect -m x.cfg --weights m.weights --names m.names --backend darknet <clip.cbf >x.nd'
ok 'what it ignores is warned of' 'one_line && grep -q "warning: x.cfg: line 11: \[yolo\]: scale_x_y=1.1 is ignored by libdarknet$" err'
exits 0 sh -c 'cb-detect -q -m x.cfg --weights m.weights --names m.names --backend darknet <clip.cbf >x.nd'
ok 'but not with -q' '[ ! -s err ]'
head -c 100 m.weights >short.weights
exits 65 cb-detect -m m.cfg --weights short.weights --backend darknet
ok 'weights are checked before it sees them' 'grep -q "^cb-detect: short.weights: layer 0 \[convolutional\]: .* bytes missing$" err'
exits 66 cb-detect -m nothing.cfg --backend darknet
exits 66 cb-detect -m m.cfg --weights nothing.weights --backend darknet

# every kind of layer that it has, in random networks that end in a detector
cat >same.py <<'P'
"""same.py A B: the same boxes in both, but for a unit in the third place."""
import json, sys
a, b = ([e["data"]["objects"] for e in map(json.loads, open(f)) if e["type"] == "cb.detection"] for f in sys.argv[1:])
many = 0
assert len(a) == len(b) > 0
for p, q in zip(a, b):
    many += len(p)
    for o in p:
        near = [r for r in q if r["class_id"] == o["class_id"] and
                all(abs(x - y) < 0.001 for x, y in zip(r["box"] + [r["score"]], o["box"] + [o["score"]]))]
        assert near or o["score"] < 0.012 or len(p) == 256, o
        if near:
            q.remove(near[0])
    assert all(o["score"] < 0.012 for o in q) or len(p) == 256, q
assert many, "no box at all"
print(many)
P
cat >finish.py <<'P'
"""finish.py NET BYTES: random weights for a detector behind it; names."""
import random, re, struct, sys
random.seed(1)
n = int(sys.argv[2]) // 4
open(sys.argv[1] + ".weights", "ab").write(struct.pack("<%df" % n, *[random.uniform(-.3, .3) for _ in range(n)]))
for c in re.findall(r"^classes=(\d+)", open(sys.argv[1] + ".cfg").read(), re.M)[-1:]:
    open(sys.argv[1] + ".names", "w").write("".join("%d\n" % i for i in range(int(c))))
P
ffmpeg -v error -i clip.mp4 -frames:v 2 two.mkv
exits 0 sh -c 'cb-ingest --camera=front two.mkv >two.cbf'
mkdir nets
exits 0 "$CB_BUILD/aid/nn-conform" gen nets
for kind in convolutional groups bottleneck maxpool avgpool route shortcut upsample reorg crop activation \
	rare-activations yolo region; do
	n=nets/$kind-1
	missing=0
	if ! grep -q -e '^\[yolo\]' -e '^\[region\]' $n.cfg; then
		printf '[convolutional]\nfilters=6\nactivation=linear\n[yolo]\nnum=1\nclasses=1\nanchors=30,30\n' >>$n.cfg
		missing=$(cb-detect -m $n.cfg --names m.names 2>&1 </dev/null | sed -n 's/.* \([0-9]*\) bytes missing$/\1/p')
	fi
	$py finish.py $n "$missing"
	exits 0 sh -c "cb-detect -m $n.cfg --threshold 0.01 <two.cbf >own.nd"
	exits 0 sh -c "cb-detect -m $n.cfg --threshold 0.01 --backend darknet <two.cbf >dk.nd"
	ok "$kind: the same boxes" '$py same.py own.nd dk.nd >many 2>&1'
	note "$(tail -n 1 many)"
done

models=$CB_SHARED/data/models
if [ -d "$models" ]; then
	dog=/usr/share/darknet/data/dog.jpg
	exits 0 ffmpeg -v error -nostdin -i $dog -c:v mjpeg -q:v 2 -y dog.mkv
	exits 0 sh -c 'cb-ingest --camera=front dog.mkv >dog.cbf'
	for m in yolo-fastest-1.1 yoloface-500k-v1; do
		exits 0 sh -c "cb-detect -m $models/$m.cfg --threshold 0.01 <dog.cbf >own.nd"
		exits 0 sh -c "cb-detect -m $models/$m.cfg --threshold 0.01 --backend darknet <dog.cbf >dk.nd"
		ok "$m: the same boxes of a photograph" '[ ! -s err ] && $py same.py own.nd dk.nd >many 2>&1'
		note "$(tail -n 1 many)"
	done
	exits 65 cb-detect -m "$models/yoloface-500k-v2.cfg" --backend darknet
	ok 'squeeze and excite is not in it' 'one_line && grep -q "line 517: \[scale_channels\]: not in" err'
else
	skip "no $models" 9
fi
done_testing
