#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-mux: what changes in the middle of a stream: parameters, gaps, times that begin anew, jump
# or are not there; events and streams that a container has no place for.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg ffprobe /usr/bin/python3
PATH=$CB_BUILD/aid:$PATH
one() { [ "$(wc -l <err)" = 1 ]; }

# splice.py VERB OUT A [B...]: A with something done to it, or B and so on behind A
cat >splice.py <<'EOP'
import os
import struct
import sys

exec(open(os.environ["CB_SRC"] + "/tests/cbframe.py").read().split("def main()")[0])
verb, out, files = sys.argv[1], sys.argv[2], sys.argv[3:]
N = 60		# the packet at which it happens


class Writer:
    def __init__(self, path):
        self.f = open(path, "wb")
        self.seq = self.digest = self.packets = self.size = 0

    def put(self, kind, flags, stream, p):
        head = struct.pack("<4sBBHHHIQI", b"\x89CBF", 1, kind, flags, stream, 0, len(p), self.seq,
                           crc32c(p))
        head += struct.pack("<I", crc32c(head))
        self.digest = crc32c(head, self.digest)
        self.seq += 1
        if kind == 3:
            self.packets += 1
            self.size += len(p) - 56
        self.f.write(head + p)

    def end(self):
        self.put(7, 0, 0, struct.pack("<HHIQQQ", 0, 0, self.digest, self.seq, self.packets, self.size))
        self.f.close()


def read(path):
    return [(k, fl, st, p) for k, fl, st, _, p in frames(open(path, "rb")) if k != 7]


def times(p, pts, dts):
    return struct.pack("<qq", pts, dts) + p[16:]


def later(p, tb, seconds):
    pts, dts = struct.unpack("<qq", p[:16])
    d = int(seconds * tb[1] / tb[0])
    return times(p, pts if pts == NOPTS else pts + d, dts if dts == NOPTS else dts + d)


def wall(p, seconds, source=None):
    w, = struct.unpack("<q", p[24:32])
    p = p[:24] + struct.pack("<q", w + int(seconds * 10**9)) + p[32:]
    return p if source is None else p[:40] + bytes([source]) + p[41:]


gap = struct.pack("<HHIqqQQ", 2, 4, 0, 0, 0, 25, 100000) + b"away"
event = b'{"specversion":"1.0","id":"1","source":"/x","type":"cb.x"}'
data = struct.pack("<24sBBBxII", b"bin_data", 3, 0, 0, 1, 1000).ljust(192, b"\0")
w = Writer(out)
a = read(files[0])
sets = [x for x in a if x[0] == 2]
tb = {x[2]: struct.unpack("<II", x[3][28:36]) for x in sets}
n = 0
for kind, flags, stream, p in a:
    if kind == 3:
        n += 1
        pts, dts = struct.unpack("<qq", p[:16])
        if verb == "nodts":
            p = times(p, pts, NOPTS)
        elif verb == "nopts":
            p = times(p, NOPTS, dts)
        elif verb == "notimes":
            p = times(p, NOPTS, NOPTS)
        elif verb == "little" and n > N:
            p = later(p, tb[stream], -0.05)
        elif verb == "hole" and n > N:
            p = later(p, tb[stream], 3600)
        elif verb == "hours" and n > N:
            p = later(p, tb[stream], 172800)
        elif verb == "wild":
            p = times(p, *[(2**63 - 1, -2**63 + 1), (-2**63 + 1, 2**63 - 1), (pts, 2**62), (0, 0)][n % 4])
            p = p[:16] + struct.pack("<qq", 2**63 - 1, (-1)**n * (2**63 - 1)) + p[32:]
        if n == N:
            if verb == "gap":
                w.put(6, 0, 0, gap)
                w.put(5, 0, 0, event)
            elif verb == "unknown":
                w.put(3, 1, 5, p)
            elif verb == "picture":
                w.put(4, 0, 0, p[:56] + struct.pack("<II16s", 2, 2, b"gray") + bytes(4))
            elif verb == "empty":
                w.put(3, 0, stream, p[:56])
            elif verb == "again":
                for s in sets:
                    w.put(*s)
            elif verb == "hello":
                w.put(*a[0])
    if verb == "late" and (kind, stream) == (2, 1):
        continue
    if verb == "silent" and (kind, stream) == (3, 1):
        continue
    w.put(kind, flags, stream, p)
    if verb == "late" and n == 1 and kind == 3 and stream == 0:
        w.put(*sets[1])
    if verb == "data" and (kind, stream) == (2, 0):
        w.put(2, 0, 9, data)
    if verb == "data" and kind == 3 and n % 10 == 0:
        w.put(3, 1, 9, struct.pack("<qqqqQBBHIII", n, n, *[0] * 9) + b"data")
# "behind": in one row; "anew", "away": times begin anew, the wall clock goes on a minute later or
# says nothing; "other": the same in another time base and far ahead
for at, f in enumerate(files[1:]):
    if verb != "behind":
        w.put(6, 0, 0, gap)
    for kind, flags, stream, p in read(f):
        if kind == 2:
            tb[stream] = struct.unpack("<II", p[28:36])
            if verb == "other":
                p = p[:28] + struct.pack("<II", 1, 1000000) + p[36:]
        elif kind == 3:
            if verb == "behind":
                p = later(p, tb[stream], 2 * (at + 1))
            elif verb == "anew":
                p = wall(p, 60 * (at + 1))
            elif verb == "away":
                p = wall(p, 0, 0)
            elif verb == "other":
                pts, dts = [v if v == NOPTS else v * 10**6 * tb[stream][0] // tb[stream][1] + 9 * 10**12
                            for v in struct.unpack("<qq", p[:16])]
                p = wall(times(p, pts, dts), 60 * (at + 1))
        if kind in (2, 3):
            w.put(kind, flags, stream, p)
w.end()
EOP
splice() { /usr/bin/python3 splice.py "$@"; }

make_source() {	# SIZE RATE FFMPEG-ARGS... NAME
	ffmpeg -nostdin -v error -y -f lavfi -i "testsrc2=size=$1:rate=25:duration=2" \
		-f lavfi -i "sine=sample_rate=$2:duration=2" $3 "$4" 2>src.log
	cb-ingest --camera=c --start-time=2026-01-01T00:00:00Z "$4" >"$4.cbf"
}
# the sets are in the beginning of these, and in no packet
make_source 160x120 48000 "-c:v libx264 -preset veryfast -bf 2 -g 25 -c:a aac" a.mp4
make_source 320x240 48000 "-c:v libx264 -preset veryfast -bf 2 -g 25 -c:a aac" b.mp4
make_source 160x120 44100 "-c:v libx264 -preset veryfast -bf 2 -g 25 -c:a aac" r.mp4
make_source 160x120 48000 "-c:v libx265 -preset ultrafast -x265-params log-level=error -c:a aac" h.mp4
make_source 320x240 48000 "-c:v libx265 -preset ultrafast -x265-params log-level=error -c:a aac" i.mp4
make_source 160x120 48000 "-c:v mjpeg -c:a aac" m.mp4
make_source 320x240 48000 "-c:v mjpeg -c:a aac" n.mp4

# FILE decodes whole; a scaler that speaks of the pixels of MJPEG is no matter of ours
plays() {
	ffmpeg -nostdin -v warning -xerror -i "$1" -map 0 -fps_mode vfr -f null - 2>decode &&
		[ -z "$(grep -vE 'deprecated pixel format|Last message repeated' decode)" ] || { _show decode; false; }
}
sizes() { ffprobe -v error -select_streams v -show_entries frame=width,height -of csv=p=0 "$1" | sed 's/,$//; /^$/d' | uniq -c | tr -s ' \n' ' '; }
packets() { ffprobe -v error -count_packets -show_entries stream=nb_read_packets -of csv=p=0 "$1" | awk 'NF && !seen[NR]++' | tr -d ',' | tr '\n' ' '; }
# FILE: where the decoding times of a stream leave a hole or do not rise
jumps() {
	ffprobe -v error -show_entries packet=stream_index,dts_time -of csv=p=0 "$1" | tr -d ' ' | awk -F, '
	$2 ~ /^[-0-9]/ { if ($1 in at && ($2 <= at[$1] || $2 > at[$1] + 0.5)) printf "%d:%.2f ", $1, $2 - at[$1]; at[$1] = $2 }'
}

# --- new parameters
for c in "a b" "h i" "m n"; do
	# shellcheck disable=SC2086
	set -- $c
	splice behind two.cbf "$1.mp4.cbf" "$2.mp4.cbf" "$1.mp4.cbf"
	for f in matroska mp4 mov mpegts; do
		[ "$1 $f" != "m mpegts" ] || continue
		exits 0 cb-mux -f $f -o out.$f <two.cbf
		ok "$1 and $2 in $f: pictures of both sizes" '[ "$(sizes out.$f)" = " 50 160,120 50 320,240 50 160,120 " ] && plays out.$f' ||
			note "$(sizes out.$f)"
		[ $f = mpegts ] || ok "$1 and $2 in $f: said" '[ "$(grep -c "warning: stream 0: .* from here on" err)" = 2 ]'
		ok "$1 and $2 in $f: nothing is lost" '[ "$(cb-frame dump two.cbf | grep -c "PACKET stream=0")" = 150 ] && [ "$(packets out.$f | cut -d" " -f1)" = 150 ]'
	done
done
splice behind two.cbf a.mp4.cbf r.mp4.cbf
splice behind codec.cbf a.mp4.cbf h.mp4.cbf
for f in matroska mp4 mov mpegts; do
	exits 65 cb-mux -f $f -o out.$f <two.cbf
	ok "$f, another sampling rate: said, and what came before is whole" 'one && grep -q "stream 1: new parameters, aac 44100 Hz 1 channels after aac 48000 Hz 1 channels: $f cannot" err && plays out.$f && [ "$(packets out.$f | cut -d" " -f1)" = 50 ]'
	exits 65 cb-mux -f $f -o out.$f <codec.cbf
	ok "$f, another codec: the same" 'one && grep -q "stream 0: new parameters, hevc 160x120 after h264 160x120: $f cannot" err && plays out.$f && [ "$(packets out.$f | cut -d" " -f1)" = 50 ]'
done
splice again again.cbf a.mp4.cbf
exits 0 cb-mux -f mp4 -o again.mp4 <again.cbf
cb-mux -f mp4 -o a.out <a.mp4.cbf
ok "said again, but not new: nothing happens" '[ ! -s err ] && cmp -s again.mp4 a.out'

# --- gaps and events; empty packets; streams without a place
splice gap gap.cbf a.mp4.cbf
exits 0 cb-mux -f mp4 -o gap.mp4 <gap.cbf
ok "GAP: a warning; EVENT: none; the file is the same" 'one && grep -qx "cb-mux: warning: gap (source), 25 packets missing: away" err && cmp -s gap.mp4 a.out'
exits 0 cb-mux -q -f mp4 -o gap.mp4 <gap.cbf
ok "-q: quiet" '[ ! -s err ]'
splice empty empty.cbf a.mp4.cbf
exits 0 cb-mux -f mp4 -o empty.mp4 <empty.cbf
ok "an empty packet is none" '[ ! -s err ] && cmp -s empty.mp4 a.out'
splice data data.cbf a.mp4.cbf
exits 0 cb-mux -f matroska -o data.mkv <data.cbf
ok "data: left out, said once" 'one && grep -q "warning: stream 9: matroska does not take bin_data; left out" err && plays data.mkv'
splice late late.cbf a.mp4.cbf
exits 0 cb-mux -f mp4 -o late.mp4 <late.cbf
ok "a stream that begins late: left out, said once" 'one && grep -q "warning: stream 1 (aac) begins after the first packet and is left out" err && [ "$(packets late.mp4)" = "50 " ]'
splice silent silent.cbf a.mp4.cbf
exits 0 cb-mux -f mp4 -o silent.mp4 <silent.cbf
ok "a stream without packets: no track" '[ ! -s err ] && [ "$(packets silent.mp4)" = "50 " ] && plays silent.mp4'
for v in unknown picture hello; do
	splice $v $v.cbf a.mp4.cbf
done
exits 65 cb-mux -f mp4 -o unknown.mp4 <unknown.cbf
ok "a packet without a STREAM: refused there" 'one && grep -q "a packet of stream 5 before its STREAM" err && plays unknown.mp4'
exits 65 cb-mux -f mp4 -o picture.mp4 <picture.cbf
ok "a raw picture: refused there" 'one && grep -q "raw pictures" err && plays picture.mp4'
mkstream -- -IPP >nohello.cbf
exits 65 cb-mux -f mp4 -o nohello.mp4 <nohello.cbf
ok "no HELLO: refused" 'one && [ ! -e nohello.mp4 ]'

# --- times: not stated, in part or at all
for v in nodts nopts notimes; do
	splice $v $v.cbf a.mp4.cbf
	for f in matroska mp4 mpegts; do
		exits 0 cb-mux -f $f -o $v.$f <$v.cbf
		ok "$v in $f: every packet, times that rise" '[ "$(packets $v.$f | cut -d" " -f1-2)" = "50 95" ] && [ -z "$(jumps $v.$f)" ]' || note "$(packets $v.$f) $(jumps $v.$f)"
	done
done
pts() { ffprobe -v error -show_entries packet=stream_index,pts -of csv=p=0 "$1" | grep . | sort -s -t, -k1,1n; }
pts a.out >want; pts nodts.mp4 >got
same_file want got "nodts: those of presentation as they were"
ok "nodts: quiet" 'cb-mux -f mp4 <nodts.cbf 2>&1 >/dev/null | cmp -s - /dev/null'
ok "nopts: said" 'cb-mux -f mp4 <nopts.cbf 2>&1 >/dev/null | grep -q "warning: stream 0: presentation times are not known"'

# --- times that go back a little, jump ahead, begin anew
splice little little.cbf a.mp4.cbf
exits 0 cb-mux -f mp4 -o little.mp4 <little.cbf
ok "back by 50 ms: moved up, counted" 'one && grep -q "warning: times that did not rise were moved: [1-9]" err && [ -z "$(jumps little.mp4)" ] && [ "$(packets little.mp4)" = "50 95 " ]'
splice hole hole.cbf a.mp4.cbf
exits 0 cb-mux -f mp4 -o hole.mp4 <hole.cbf
ok "an hour's hole stays one" '[ ! -s err ] && [ "$(jumps hole.mp4 | wc -w)" = 2 ] && jumps hole.mp4 | grep -q "0:3600.0[0-9] "' || note "$(jumps hole.mp4)"
splice hours hours.cbf a.mp4.cbf
for f in mp4 mov; do
	exits 0 cb-mux -f $f -o hours.$f <hours.cbf
	ok "two days do not fit into $f: left out, said" '[ "$(grep -c "times begin anew: continued 0.[01] s" err)" = 1 ] && [ -z "$(jumps hours.$f)" ] && [ "$(packets hours.$f)" = "50 95 " ]' || note "$(jumps hours.$f)" "$(cat err)"
done
exits 0 cb-mux -f matroska -o hours.matroska <hours.cbf
ok "but into Matroska" '[ ! -s err ] && jumps hours.matroska | grep -q "0:172800"'
splice anew anew.cbf a.mp4.cbf a.mp4.cbf
splice away away.cbf a.mp4.cbf a.mp4.cbf
splice other other.cbf a.mp4.cbf a.mp4.cbf
for v in anew other; do for f in matroska mp4 mov mpegts; do
	exits 0 cb-mux -f $f -o $v.$f <$v.cbf
	ok "$v in $f: said once" '[ "$(grep -c "times begin anew: continued 58.[0-9] s after .* by the wall clock" err)" = 1 ] && [ "$(wc -l <err)" = 2 ]' || _show err
	ok "$v in $f: a minute later, both streams" '[ "$(jumps $v.$f | sed "s/\(:5[78]\)\.[0-9]*/\1/g" | tr " " "\n" | sort | tr "\n" " ")" = " 0:58 1:57 " ] || [ "$(jumps $v.$f | wc -w)" = 2 ]' || note "$(jumps $v.$f)"
	ok "$v in $f: nothing is lost" '[ "$(packets $v.$f | cut -d" " -f1-2)" = "100 190" ]'
done; done
# shellcheck disable=SC2016
pts_of() { ffprobe -v error -show_entries packet=stream_index,pts_time -of csv=p=0 "$1" | grep . | sort -s -t, -k1,1n -k2,2n | awk -F, '{ printf "%d %.3f\n", $1, $2 }'; }
pts_of a.out >first
{ cat first; awk '{ printf "%d %.3f\n", $1, $2 + 60 }' first; } | sort -s -k1,1n -k2,2n >want
for v in anew other; do
	pts_of $v.mp4 >got
	same_file want got "$v: sound and pictures stay together, to the millisecond"
done
exits 0 cb-mux -f mp4 -o away.mp4 <away.cbf
ok "anew, without a wall clock: right behind" '[ -z "$(jumps away.mp4)" ] && [ "$(packets away.mp4)" = "100 190 " ] && grep -q "times begin anew: continued 0.[01] s after the packet before$" err' || note "$(jumps away.mp4)" "$(cat err)"
splice wild wild.cbf a.mp4.cbf
for f in matroska mp4 mov mpegts; do
	_st=0; cb-mux -f $f <wild.cbf >wild.out 2>err || _st=$?
	ok "$f, times beyond all bounds: no crash" '[ $_st = 0 ] || [ $_st = 65 ]' || _show err
done

# --- two recordings in a store, and a part of one
cb-record S --segment=1s <a.mp4.cbf >/dev/null
cb-ingest --camera=c --start-time=2026-01-01T01:00:00Z a.mp4 | cb-record S >/dev/null
cb-replay S >all.cbf
exits 0 cb-mux -f matroska -o all.mkv <all.cbf
ok "two recordings an hour apart: an hour apart" 'jumps all.mkv | grep -q "0:3598" && [ "$(packets all.mkv)" = "100 190 " ] && plays all.mkv' || note "$(jumps all.mkv)"
cb-replay S --from=2026-01-01T00:00:01.2Z --to=2026-01-01T00:00:01.5Z >part.cbf
exits 0 cb-mux -f mp4 -o part.mp4 <part.cbf
cb-frame hash --streamhash part.cbf >want
ffmpeg -nostdin -v error -i part.mp4 -map 0 -c copy -f streamhash - >got
same_file want got "a part of a recording: its packets"
ok "a part: plays, and begins with its keyframe" 'plays part.mp4 && [ "$(packets part.mp4 | cut -d" " -f1)" = 25 ]'

# --- in a pipe what is ready is out before the next packet comes
half=$(($(stat -c %s a.mp4.cbf) / 2))
head -c $half a.mp4.cbf >half.cbf
cb-mux -f mpegts -o half.ts <half.cbf 2>err
most=$(($(stat -c %s half.ts) * 8 / 10))
mkfifo in
{ cb-mux -f mpegts <in 2>err | cat >out.pipe; } & pid=$!
exec 9>in
cat half.cbf >&9
_i=0
until [ "$(stat -c %s out.pipe)" -ge $most ] || [ $_i = 200 ]; do sleep 0.02; _i=$((_i + 1)); done
ok "half a stream, and its writer waits: what came is out" '[ "$(stat -c %s out.pipe)" -ge $most ]'
exec 9>&-
wait $pid || :
done_testing
