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
for o in '--backend none -m m.cfg' '--backend darknet' '--backend darknet -m m.cfg --threads 2' \
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

# a library that is not there, or another
mkdir wrap
wrap() { printf '#!/bin/sh\n%s\n' "$1" >wrap/cb-darknet; chmod +x wrap/cb-darknet; CB_LIBEXEC=$T/wrap; export CB_LIBEXEC; }
wrap "exec $real /nonexistent/libdarknet.so"
detect 69
ok 'a missing library is named' 'one_line && grep -q "/nonexistent/libdarknet.so" err && [ ! -s det.nd ]'
wrap "exec $real libm.so.6"
detect 69
ok 'so is another one' 'one_line && grep -q "libm.so.6: no load_network in it" err'
unset CB_LIBEXEC
done_testing
