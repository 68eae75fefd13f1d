#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-verify: stores, bundles and signed files; what is changed is found, and where.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg jq readelf
PATH=$CB_BUILD/aid:$PATH
v=cb-verify
one_line() { [ "$(wc -l <err)" = 1 ]; }
# said KIND CODE [JQ]: a finding of this kind and code in ./out for which JQ is true
said() {
	jq -e -s "map(select(.type == \"cb.verify.finding\" and .data.kind == \"$1\" and .data.code == \"$2\") | .data |
		select(${3:-true})) | length > 0" out >/dev/null
}
verdict() { [ "$(tail -n 1 out | jq -r '.type + " " + .data.verdict')" = "cb.verify.checked $1" ]; }

# --- what it is made of
readelf -dW "$CB_BUILD/bin/cb-verify" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort >needed
if sanitized; then
	skip "a sanitizer's runtime is needed as well" 3
else
	printf '%s\n' libc.so.6 libnettle.so.8 libsodium.so.23 >want
	same_file want needed "no library but libsodium, nettle and the C library's"
	readelf -W --dyn-syms "$CB_BUILD/bin/cb-verify" >dynsyms
	readelf -W --syms "$CB_BUILD/bin/cb-verify" >syms
	ok "no function that makes signatures, keys or needs a passphrase" \
		'! grep -E "crypto_sign_(detached|seed_keypair|keypair|ed25519_sk)|pwhash|crypto_(secretbox|box|aead|secretstream)|randombytes" dynsyms'
	ok "nothing of ours that knows a secret, no index, no network" \
		'! grep -E " (cb_seckey_.*|cb_minisign_sign|cb_sshsig_sign|cb_evolve.*|cb_age.*|mdb_.*|avformat_.*)$" syms &&
		! grep -E " (socket|connect|bind|getaddrinfo)(@|$)" dynsyms && grep -q " cb_verify_bundle" syms'
fi

# --- a store
ffmpeg -nostdin -v error -f lavfi -i testsrc2=size=96x64:rate=10:duration=6 \
	-f lavfi -i sine=frequency=440:sample_rate=8000:duration=6 -c:v libx264 -preset ultrafast \
	-g 10 -pix_fmt yuv420p -c:a aac -b:a 16k clip.mp4
cb-ingest --camera=front --start-time=2026-11-21T07:00:00Z clip.mp4 | cb-record S --segment=2s >ev.ndjson
ok "a store" '[ "$(find S -name "*.mp4" | wc -l)" = 3 ]'
exits 0 $v S
verdict true
ok "true" 'verdict true && [ "$(jq .data.segments out)" = 3 ] && [ "$(jq .data.bytes out)" = "$(find S -name "*.m[pa][4n]*" -exec cat {} + | wc -c)" ]'
valid_events out
exits 0 $v --format=text S
ok "text: in a sentence" 'grep -q "^S (store): TRUE" out && [ ! -s err ]'
if ! sanitized; then
	exits 0 "$CB_BUILD/static/cb-verify" --format=text S
	ok "as one file without libraries" '! readelf -dW "$CB_BUILD/static/cb-verify" | grep -q NEEDED'
else
	skip "no static build with a sanitizer" 2
fi
exits 66 $v nowhere
ok "nothing there: said in one line, and as a verdict" 'one_line && verdict unchecked && [ "$(wc -l <out)" = 1 ]'
exits 0 $v --camera=front S
exits 66 $v --camera=back S
exits 64 $v
exits 64 $v --partial S

# the segment in the middle, its manifest, its third line
seg() { find "$1" -name '*.mp4' | sort | sed -n 2p; }
damage() {	# a copy to spoil
	rm -rf D && cp -r S D && chmod -R u+w D
	f=$(seg D) && m=${f%.mp4}.manifest
	# shellcheck disable=SC2046  # words
	set -- $(sed -n 's/^2 //p' "$m")
	off=$1 len=$2 wall=$6
}
poke() { printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null; }
damage
poke "$f" $((off + len / 2)) 'XYZ'
exits 1 $v D
ok "a byte: the fragment, its time and the file" "said false fragment-changed '.fragment == 2 and .byte == $off and .from_us == ($wall / 1000 | floor) and \"D/\" + .file == \"$f\"'"
ok "nothing else" '[ "$(wc -l <out)" = 2 ] && verdict false && one_line'
valid_events out

# the same size, another group of pictures: with its sound, table and all
damage
dd if="$f" of=piece bs=1 skip=$((off - 0)) count="$len" 2>/dev/null
python3 - "$f" "$off" "$len" <<'PY'
import sys
p, off, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
d = bytearray(open(p, "rb").read())
other = d[off - n:off] if off > n else d[:n]
d[off:off + n] = other[:n].ljust(n, b"\0")
open(p, "wb").write(d)
PY
exits 1 $v D
ok "a group of pictures of the same size" 'said false fragment-changed ".fragment == 2"'
# one sample of the sound alone: the last bytes of the mdat are of the audio stream, or of video; both count
damage
poke "$f" $((off + len - 1)) '\377\377'
exits 1 $v D
ok "the last byte of one and the first of the next" 'said false fragment-changed ".fragment == 2"'
damage
dd if=/dev/zero of="$f" bs=1 seek=$((off)) count="$len" conv=notrunc 2>/dev/null
exits 1 $v D
ok "zeros where footage was" 'said false fragment-changed ".fragment == 2 and (.text | test(\"zeros\"))"'
damage
head -c 4096 /dev/zero >>"$f"
exits 1 $v D
ok "a tail of zeros" "said false segment-longer '(.text | test(\"zeros\")) and .byte == $(wc -c <"$(seg S)")'"
damage
truncate -s -100 "$f"
exits 1 $v D
ok "an end that is missing" 'said false segment-short ".fragment == 2"'
damage
rm "$f"
exits 1 $v D
ok "a segment that is missing" 'said false segment-missing'
damage
rm "$f" "$m"
exits 1 $v D
ok "both of its files: the recording has a hole" 'said false segment-missing ".text | test(\"segments 1 to 1 \")"'
damage
rm "$m"
exits 1 $v D
ok "its manifest alone" 'said false manifest-missing'
damage
sed -i '/^2 /s/K/-/' "$m"
exits 1 $v D
ok "a manifest's line" 'said false manifest-changed ".file | test(\"manifest$\")"'
damage
echo "# more" >>"$m"
exits 1 $v D
ok "a manifest that goes on" 'said false manifest-changed'
damage
head -n -1 "$m" >x && cat x >"$m"
exits 1 $v D
ok "a manifest without its digest" 'said false manifest-changed'
damage
cp "$m" keep && cp "$(find D -name '*.manifest' | sort | head -n 1)" x && cat x >"$m"
exits 1 $v D
ok "another segment's manifest" 'said false manifest-misplaced'
damage
rm "$f" && ln -s /etc/passwd "$f"
exits 1 $v D
ok "a link in the place of a segment" 'said false segment-missing ".text | test(\"link\")"'
damage
mv "$f" "$f.part"
exits 0 $v D
ok "one that is open: a note" 'said note segment-open && verdict true'

# every byte, one after another in one process; which ones are tried moves with the day
damage
day=$(($(date +%s) / 86400 % 53))
exits 0 flip -n 53 -a "$day" -x ballast -x cameras/front/lock -x "$(cd D && find cameras -name '*.events')" D
note "$(tail -n 1 out)"

# --- signed files
if command -v minisign >/dev/null; then
	minisign -G -W -p k.pub -s k.key >/dev/null 2>&1
	minisign -G -W -p other.pub -s other.key >/dev/null 2>&1
	minisign -S -s k.key -m clip.mp4 -t 'of the recorder' >/dev/null 2>&1
	exits 0 $v --key=k.pub clip.mp4
	ok "signed: by whom" 'verdict true && [ "$(jq -r .data.signers out)" = k.pub ]'
	valid_events out
	exits 0 $v --key=other.pub --key=k.pub clip.mp4
	exits 1 $v --key=other.pub clip.mp4
	ok "another key" 'said false not-signed'
	exits 1 $v --key=k.pub --key=other.pub --need=2 clip.mp4
	ok "two are needed" 'said false not-signed ".text | test(\"by 1 of the keys given, and 2 are\")"'
	exits 65 $v clip.mp4
	ok "no key: not checked" 'said unchecked nobody-trusted && verdict unchecked'
	cp clip.mp4 changed.mp4 && cp clip.mp4.minisig changed.mp4.minisig
	poke changed.mp4 1000 'XX'
	exits 1 $v --key=k.pub changed.mp4
	ok "a changed file" 'said false signature-false'
	sed 's/of the recorder/of a recorder/' clip.mp4.minisig >x.minisig
	exits 1 $v --key=k.pub --signature=x.minisig clip.mp4
	head -c 100 clip.mp4.minisig >x.minisig
	exits 65 $v --key=k.pub --signature=x.minisig clip.mp4
	ok "a signature that is none: not checked" 'said unchecked signature-damaged'
	exits 66 $v --key=k.pub --signature=nowhere clip.mp4
	exits 66 $v --key=nowhere clip.mp4
	exits 65 $v --key=clip.mp4 clip.mp4
	rm -f alone.mp4 && cp clip.mp4 alone.mp4
	exits 66 $v --key=k.pub alone.mp4
	ok "false comes before what could not be checked" '! $v --key=k.pub alone.mp4 changed.mp4 >out 2>err; [ "$(jq -r "select(.data.verdict).data.verdict" out | tr "\n" " ")" = "unchecked false " ]'
	exits 1 $v --key=k.pub alone.mp4 changed.mp4
else
	skip "minisign is not installed" 20
fi
if command -v ssh-keygen >/dev/null; then
	ssh-keygen -q -t ed25519 -N '' -C '' -f id
	cp clip.mp4 film.mp4
	ssh-keygen -q -Y sign -n cb-evidence -f id film.mp4 2>/dev/null
	exits 0 $v --key=id.pub film.mp4
	printf 'recorder-01 namespaces="cb-evidence" %s\n' "$(cat id.pub)" >allowed_signers
	exits 0 $v --key=allowed_signers film.mp4
	exits 1 $v --key=id.pub --namespace=file film.mp4
	ok "signed for something else" 'said false signature-false ".text | test(\"cb-evidence\")"'
	poke film.mp4 1000 'XX'
	exits 1 $v --key=id.pub film.mp4
	ok "changed" 'said false signature-false'
else
	skip "ssh-keygen is not installed" 6
fi

printf 'age-encryption.org/v1\n-> X25519 x\n' >secret.age
exits 65 $v secret.age
ok "encrypted: what to do about it" 'grep -q "decrypt it first" err'

# a terabyte of nothing, in little memory: what is read does not stay
if sanitized || ! command -v minisign >/dev/null; then
	skip "a sanitizer's shadow needs more" 2
else
	truncate -s 1T sparse
	cp clip.mp4.minisig sparse.minisig
	prlimit --as=67108864 $v --format=text --key=k.pub sparse >out 2>err &
	p=$!
	sleep 1
	kill -TERM $p
	wait $p
	_st=$?
	ok "a terabyte: not into memory" '[ "$_st" = 75 ]'
	ok "nothing of memory in what it says" '! grep -qi memory err'
fi

# --- bundles
cb-export S --camera=front --from=2026-11-21T07:00:01Z --to=2026-11-21T07:00:05Z -o B >out 2>err
cb-export S --camera=front --from=2026-11-21T07:00:01Z --to=2026-11-21T07:00:05Z -o B.tar >out 2>err
exits 65 $v B
ok "a bundle that nobody signed: not checked" 'said unchecked nobody-trusted && verdict unchecked && [ "$(tail -n 1 out | jq .data.segments)" -ge 2 ]'
valid_events out
exits 65 $v B.tar
if command -v minisign >/dev/null; then
	minisign -S -s k.key -m B/SHA256SUMS -t 'case 17' >/dev/null 2>&1
	exits 0 $v --key=k.pub B
	ok "signed: true, and that no log proves it is said" 'verdict true && said note segment-unproved'
	exits 1 $v --key=other.pub B
	exits 65 $v B
	cp -r B C && mkdir -p C/keys && cp k.pub C/keys/ && (cd C && sha256sum keys/k.pub >>SHA256SUMS) &&
		minisign -S -s k.key -m C/SHA256SUMS -t 'case 17' >/dev/null 2>&1
	exits 65 $v C
	ok "a key that came with it is not believed, and named" 'said note signed-by-own-key && said unchecked nobody-trusted'
	exits 1 $v --key=other.pub C
	ok "nor beside one that was given" 'said note signed-by-own-key && said false not-signed'

	spoil() { rm -rf D && cp -r B D; }
	c=$(cd B && find clip -name '*.mp4' | sort | head -n 1)
	spoil
	poke "D/$c" 30000 'XYZ'
	exits 1 $v --key=k.pub D
	ok "a clip: the fragment, its time; and the file" "said false fragment-changed '.file == \"$c\" and .fragment >= 1 and .from_us > 1795244400000000 and .byte <= 30002' && said false file-changed '.file == \"$c\"'"
	spoil
	echo '{}' >>D/events.ndjson
	exits 1 $v --key=k.pub D
	ok "events" 'said false file-changed ".file == \"events.ndjson\""'
	spoil
	rm D/events.ndjson
	exits 1 $v --key=k.pub D
	ok "a file taken away" 'said false file-missing'
	spoil
	echo hello >D/clip/note.txt
	exits 1 $v --key=k.pub D
	ok "a file put in" 'said false file-unlisted ".file == \"clip/note.txt\""'
	spoil
	ln -s /etc/passwd D/link && mkfifo D/pipe
	exits 1 $v --key=k.pub D
	ok "a link and a pipe" 'said false bundle-hostile ".file == \"link\"" && said false bundle-hostile ".file == \"pipe\""'
	spoil
	rm "D/$c" && ln -s "../../B/$c" "D/$c"
	exits 1 $v --key=k.pub D
	ok "a link to the true bytes is a link" 'said false bundle-hostile && said false file-missing'
	spoil
	(cd D && sha256sum "$c" >>SHA256SUMS)
	exits 1 $v --key=k.pub D
	ok "a list that was changed" 'said false signature-false ".file == \"SHA256SUMS.minisig\"" && said false list-damaged'
	spoil
	mv "D/$c" D/x && cat D/x D/x >"D/$c" && rm D/x
	exits 1 $v --key=k.pub D
	ok "a clip twice over" 'said false file-changed'
	spoil
	dd if=/dev/zero bs=1024 count=1 >>"D/$c" 2>/dev/null
	exits 1 $v --key=k.pub D
	spoil
	truncate -s -1 "D/$c"
	exits 1 $v --key=k.pub D
	ok "a clip that ends too early" 'said false segment-short'
	# whoever can sign can list what he likes, and still cannot make it what was recorded
	spoil
	poke "D/$c" 30000 'XYZ'
	(cd D && find . -type f ! -name 'SHA256SUMS*' -printf '%P\n' | sort | xargs sha256sum >SHA256SUMS)
	minisign -S -s k.key -m D/SHA256SUMS -t x >/dev/null 2>&1
	exits 1 $v --key=k.pub D
	ok "a clip that was changed and listed and signed anew" 'said false fragment-changed && ! said false file-changed'
	spoil
	exits 0 flip -n 211 -a "$day" -k k.pub -x SHA256SUMS.minisig:50 D
	note "$(tail -n 1 out)"
	# an archive of the same
	(cd B && tar --format=ustar --transform 's,^\./,case17/,' -cf ../T.tar ./*)
	exits 0 $v --key=k.pub T.tar
	ok "a tar archive" 'verdict true'
	cp T.tar D.tar
	exits 0 flip -n 211 -a "$day" -k k.pub -x ":0" D.tar || cat out
else
	skip "minisign is not installed" 30
fi

# --- hostile archives
/usr/bin/python3 - <<'PY'
import io, tarfile
def make(name, members, tail=b"", cut=0):
    b = io.BytesIO()
    t = tarfile.open(fileobj=b, mode="w", format=tarfile.USTAR_FORMAT)
    for n, data, kind in members:
        i = tarfile.TarInfo(n)
        i.type, i.size = kind, len(data)
        if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            i.linkname = "/etc/passwd"
        t.addfile(i, io.BytesIO(data))
    t.close()
    d = b.getvalue()
    open(name, "wb").write((d[:-cut] if cut else d) + tail)
R = tarfile.REGTYPE
ok = ("b/a", b"x", R)
make("abs.tar", [ok, ("/etc/cb-evil", b"x", R)])
make("up.tar", [ok, ("b/../../evil", b"x", R)])
make("dot.tar", [ok, ("b/./evil", b"x", R)])
make("sym.tar", [ok, ("b/s", b"", tarfile.SYMTYPE)])
make("hard.tar", [ok, ("b/s", b"", tarfile.LNKTYPE)])
make("dev.tar", [ok, ("b/s", b"", tarfile.CHRTYPE)])
make("fifo.tar", [ok, ("b/s", b"", tarfile.FIFOTYPE)])
make("twice.tar", [ok, ok])
make("ctl.tar", [ok, ("b/\x1b[31m", b"x", R)])
make("deep.tar", [ok, ("b/" + "d/" * 8 + "x", b"x", R)])
make("two.tar", [ok, ("c/x", b"x", R)])
make("flat.tar", [ok, ("x", b"x", R)])
make("tail.tar", [ok], b"hello")
make("cut.tar", [("b/a", b"x" * 5000, R)], cut=8000)
d = bytearray(open("two.tar", "rb").read())
def header(d, at):
    h = bytearray(d[at:at + 512])
    h[148:156] = b"        "
    d[at + 148:at + 156] = b"%06o\0 " % sum(h)
huge = bytearray(d)
huge[124:136] = b"77777777777\0"
header(huge, 0)
open("huge.tar", "wb").write(huge)
b256 = bytearray(d)
b256[124:136] = b"\x80" + b"\xff" * 11
header(b256, 0)
open("b256.tar", "wb").write(b256)
sum_ = bytearray(d)
sum_[0] ^= 1
open("sum.tar", "wb").write(sum_)
open("none.tar", "wb").write(b"\0" * 257 + b"ustar" + b"\0" * 5000)
PY
truncate -s 1T two.tar
for t in abs up dot sym hard dev fifo twice ctl deep two flat tail; do
	exits 1 $v $t.tar
	ok "$t: found" 'said false bundle-hostile'
done
ok "a name that steers terminals does not" '$v --format=text ctl.tar >out 2>err; ! grep -q "$(printf "\033")" out err'
for t in cut huge b256 sum; do
	exits 65 $v $t.tar
	ok "$t: the byte is said" 'one_line && grep -qE "byte|bytes" err'
done
exits 65 $v none.tar
ok "nothing was written outside" '[ ! -e /etc/cb-evil ] && [ ! -e ../evil ]'
done_testing
