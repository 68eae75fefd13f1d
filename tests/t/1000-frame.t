#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-frame and the page cb-frame(5): golden vectors, an independent reader and writer, the
# filter that the page gives, damage and cuts.
. "$CB_SRC/tests/lib.sh"
golden=$CB_SRC/tests/golden/frame.cbf
py="/usr/bin/python3 $CB_SRC/tests/cbframe.py"

exits 0 cb-frame dump "$golden"
same_file out "$CB_SRC/tests/golden/frame.dump" "dump of the golden stream"
exits 0 cb-frame hash "$golden"
same_file out "$CB_SRC/tests/golden/frame.hash" "hashes of the golden stream"
exits 0 cb-frame hash - <"$golden"
same_file out "$CB_SRC/tests/golden/frame.hash" "the same from stdin"
exits 0 cb-frame events "$golden"
ok "events prints the one line, as it is" \
	'[ "$(cat out)" = "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/x\",\"type\":\"cb.x\",\"data\":{\"é\":1}}" ]'
exits 0 cb-frame check "$golden"
ok "check says whole" 'grep -q "^12 frames, 1 events, 1 gaps, whole$" out && [ ! -s err ]'

exits 0 $py golden again.cbf
same_file again.cbf "$golden" "the independent writer makes the golden stream"
exits 0 $py hash "$golden"
same_file out "$CB_SRC/tests/golden/frame.hash" "the independent reader's hashes"
exits 0 $py dump "$golden"
ok "the independent reader reads all" '[ "$(wc -l <out)" -eq 12 ]'

exits 0 cb-frame hash --streamhash "$golden"
ok "streamhash form" 'grep -qx "0,v,SHA256=[0-9a-f]\{64\}" out && grep -qx "1,a,SHA256=[0-9a-f]\{64\}" out'

# the program in the page
sed -n '/^\.\\" program keyframes/,/^\.Ed/p' "$CB_SRC/man/cb-frame.5" |
	sed -e '1,2d' -e '/^\.Ed/d' -e 's/\\e/\\/g' -e 's/^\\&//' >keyframes.c
ok "the page has a program" '[ "$(wc -l <keyframes.c)" -gt 50 ]'
exits 0 ${CC:-cc} -Wall -Wextra -Werror -O2 -o keyframes keyframes.c
exits 0 sh -c "./keyframes <$golden >key.cbf"
exits 0 cb-frame check key.cbf
ok "one keyframe and the picture are left of stream 0" 'grep -q "^stream 0: video h264, 2 packets, 37 bytes$" out && grep -q whole out'
exits 0 $py hash key.cbf

# the bytes in the page are those of the golden stream
sed -n '/^The first frame of a stream/,/^\.Ed/p' "$CB_SRC/man/cb-frame.5" |
	grep '^[0-9a-f][0-9a-f] ' | cut -c1-54 | grep -o '\b[0-9a-f][0-9a-f]\b' | tr -d '\n' >page.hex
head -c 64 "$golden" | od -An -v -tx1 | tr -d ' \n' >golden.hex
ok "sixty-four bytes in the page" '[ "$(wc -c <page.hex)" -eq 128 ]'
same_file golden.hex page.hex "the page's bytes are the golden stream's"

# every byte changed, gone or doubled: seen by the independent reader for every bit, by cb-frame
# for some; what is delivered is what was there
exits 0 $py flips "$golden"
ok "the independent reader takes none of them" 'grep -q "^[0-9]* changed streams, 0 taken$" out'
cb-frame dump "$golden" | cut -d" " -f2- >frames
mkdir try
/usr/bin/python3 - "$golden" <<'PY'
import sys
raw = open(sys.argv[1], "rb").read()
for i in range(0, len(raw), 8):
    open("try/%d.flip" % i, "wb").write(raw[:i] + bytes([raw[i] ^ 1 << i // 8 % 8]) + raw[i + 1:])
    open("try/%d.gone" % i, "wb").write(raw[:i] + raw[i + 1:])
    open("try/%d.more" % i, "wb").write(raw[:i] + bytes([i & 255]) + raw[i:])
PY
n=0
for f in try/*; do
	_st=0
	cb-frame dump "$f" >dumped 2>/dev/null || _st=$?
	[ $_st -eq 65 ] || echo "$f: $_st"
	grep -v '^damage: ' dumped | cut -d" " -f2- >>delivered
	n=$((n + 1))
done >wrong
ok "cb-frame exits 65 for $n changed streams" '[ $n -gt 500 ] && [ ! -s wrong ]' || note "$(head -n 5 wrong)"
sort -u delivered >delivered.once
sort -u frames >frames.once
comm -23 delivered.once frames.once >alien
ok "and delivers nothing that was not there" '[ ! -s alien ]' || note "$(head -n 5 alien)"
rm -r try

# what came is shown before more comes
mkfifo pipe
for verb in dump events; do
	cb-frame $verb pipe >shown 2>err &
	exec 9>pipe
	head -c 1500 "$golden" >&9
	w=0
	until grep -q cb.x shown || [ $w -gt 200 ]; do
		w=$((w + 1))
		sleep 0.05
	done
	ok "$verb shows what came while it waits" 'grep -q cb.x shown'
	exec 9>&-
	wait
	ok "and then that no more came" 'grep -q "frame 9 .*truncated in its payload" err' || note "$(cat err)"
done

# streams whose checksums are right, and which are wrong all the same
/usr/bin/python3 - "$golden" "$CB_SRC/tests" <<'PY'
import struct, sys
sys.path.insert(0, sys.argv[2])
sys.dont_write_bytecode = True
from cbframe import crc32c, frames
raw = open(sys.argv[1], "rb").read()
at, whole = 0, []
while at < len(raw):
    n = 32 + struct.unpack("<I", raw[at + 12:at + 16])[0]
    whole.append(raw[at:at + n])
    at += n

def header(f, seq=None, version=None, kind=None, length=None):
    h = bytearray(f[:28])
    if seq is not None:
        h[16:24] = struct.pack("<Q", seq)
    if version is not None:
        h[4] = version
    if kind is not None:
        h[5] = kind
    if length is not None:
        h[12:16] = struct.pack("<I", length)
    h[24:28] = struct.pack("<I", crc32c(f[32:]))
    return bytes(h) + struct.pack("<I", crc32c(h)) + f[32:]

def write(name, parts, end=True):
    """Number them anew, and give them an END that is right."""
    digest = packets = size = 0
    with open(name, "wb") as f:
        for seq, part in enumerate(parts):
            part = header(part, seq=seq)
            f.write(part)
            digest = crc32c(part[:32], digest)
            if part[5] == 3:
                packets, size = packets + 1, size + len(part) - 88
        if end:
            body = struct.pack("<HHIQQQ", 0, 0, digest, len(parts), packets, size)
            f.write(header(whole[-1][:32] + body, seq=len(parts)))

first, rest = whole[0], whole[1:-1]
write("later.cbf", [first] + rest[:3] + [header(rest[3], kind=200)] + rest[4:])
open("version.cbf", "wb").write(header(first, version=2) + b"".join(whole[1:]))
open("huge.cbf", "wb").write(first + whole[1] + whole[2] + header(whole[3], length=(64 << 20) + 1)[:32])
open("totals.cbf", "wb").write(b"".join(whole[:-1]) + header(whole[-1][:40] + b"\7" + whole[-1][41:]))
open("twice.cbf", "wb").write(raw + raw)
open("cut-and-more.cbf", "wb").write(b"".join(whole[:5]) + raw)
write("hello.cbf", [first] + rest[:3] + [first] + rest[3:])
write("headless.cbf", rest)
event = whole[8][:32] + b'{"a":1}\n{"b":2}'
write("lines.cbf", whole[:8] + [header(event, length=len(event) - 32)] + rest[8:])
PY
exits 0 cb-frame check later.cbf
ok "a type of later versions is no damage" 'grep -q "^12 frames, .* whole$" out'
exits 0 cb-frame dump later.cbf
ok "and shown" 'grep -q "^4 TYPE-200 stream=0 flags=0 len=" out'
exits 0 $py dump later.cbf
exits 0 sh -c './keyframes <later.cbf >later.key'
exits 0 cb-frame dump later.key
ok "and passed on" 'grep -q " TYPE-200 " out'
for f in version huge totals twice cut-and-more hello headless lines; do
	exits 65 $py dump $f.cbf
	exits 65 cb-frame hash $f.cbf
	ok "$f: no hash" '[ ! -s out ]'
	exits 65 cb-frame check $f.cbf
	ok "$f: one line says why" '[ "$(wc -l <err)" -eq 1 ]'
	cat err >>why
done
cat >want <<'S'
cb-frame: version.cbf: frame 0 (byte 0): version of the frame stream is not 1
cb-frame: huge.cbf: frame 3 (byte 638): payload longer than its type allows
cb-frame: totals.cbf: END: its totals are not those of the stream
cb-frame: twice.cbf: data after END
cb-frame: cut-and-more.cbf: frame 5 (byte 855): another stream begins
cb-frame: hello.cbf: frame 4 (byte 746): HELLO in the middle of the stream
cb-frame: headless.cbf: frame 0 (byte 0): the stream does not start with HELLO
cb-frame: lines.cbf: frame 8 (byte 1324): an event of more than one line
S
same_file want why "the reasons"

# cuts and damage
head -c 900 "$golden" >cut.cbf
exits 65 ./keyframes <cut.cbf
for verb in dump check hash events; do
	exits 65 cb-frame $verb cut.cbf
	ok "$verb names the place" 'grep -q "^cb-frame: cut.cbf: frame 5 (byte 855): truncated" err'
done
exits 65 $py hash cut.cbf
head -c 855 "$golden" >noend.cbf
exits 65 cb-frame check noend.cbf
ok "a cut between frames is a dead producer" \
	'grep -qx "cb-frame: noend.cbf: no END after frame 4: the producer died" err'
{ head -c 850 "$golden"; printf X; tail -c +852 "$golden"; } >flip.cbf
exits 65 cb-frame check flip.cbf
ok "a changed byte is named" 'grep -q "^damage: frame 4 (byte 746): payload checksum" out || grep -q "^damage: frame 4 (byte 746): header checksum" out'
ok "and only that frame is lost" 'grep -q "^11 frames" out'
exits 65 cb-frame hash flip.cbf
ok "no hash of a damaged stream" '[ ! -s out ]'
{ cat "$golden"; echo more; } >tail.cbf
exits 65 cb-frame hash tail.cbf
ok "data after END" 'grep -q "data after END" err'
exits 65 cb-frame hash /dev/null
printf 'RIFF....AVI LIST' >alien
exits 65 cb-frame dump alien
ok "an alien file is named" 'grep -qx "cb-frame: alien: .*no frame stream starts here" err || grep -q "not a frame stream" err'
exits 66 cb-frame dump /nonexistent
exits 64 cb-frame
exits 64 cb-frame frobnicate
exits 64 cb-frame dump --streamhash "$golden"
done_testing
