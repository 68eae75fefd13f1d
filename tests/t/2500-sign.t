#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-sign: keys, passphrases, signatures that minisign, openssl and ssh-keygen verify and the other way
# round, every changed bit, several signers, and what is left when something goes wrong.
. "$CB_SRC/tests/lib.sh"
need_cmd minisign openssl ssh-keygen jq
typed() { /usr/bin/python3 "$CB_SRC/tests/typed.py" "$@"; }
good() { "$@" >out 2>err || { _show err; return 1; }; }

# --- keys
exits 0 cb-sign keygen -o k --no-passphrase
ok "a secret key is its owner's" '[ "$(stat -c %a k.key)" = 600 ] && [ "$(wc -l <k.key)" -eq 2 ] && [ ! -s out ]'
cp k.key before
exits 73 cb-sign keygen -o k --no-passphrase
rm k.pub
exits 73 cb-sign keygen -o k --no-passphrase
ok "a key that is there is left alone" 'cmp -s k.key before && [ ! -e k.pub ]'
mkdir d && ln -s nowhere d/l.key && ln -s nowhere d/m.pub
exits 73 cb-sign keygen -o d/l --no-passphrase
exits 73 cb-sign keygen -o d/m --no-passphrase
ok "nothing is written through a link, and no half of a pair is left" \
	'[ ! -e d/nowhere ] && [ ! -e nowhere ] && [ ! -e d/m.key ] && [ -z "$(find d -type f)" ]'
exits 73 cb-sign keygen -o none/k --no-passphrase
minisign -R -s k.key -p k.pub </dev/null >/dev/null 2>&1
ok "minisign knows its public half" '[ -s k.pub ]'
cb-sign keygen -o l --no-passphrase && cb-sign keygen -o m --no-passphrase
printf '\n' | minisign -G -W -f -p stock.pub -s stock.key >/dev/null 2>&1
ok "a key of minisign's" '[ -s stock.key ]'

# --- passphrases: no terminal, a wrong one, one that is typed
printf 'correct horse\n' >pw
printf 'battery\n' >wrong
: >nothing
printf 'two\nlines\n' >lines
printf 'a file\n' >f
exits 66 setsid cb-sign keygen -o p </dev/null
ok "without a terminal it says what to do, and leaves nothing" 'grep -q -e --passphrase-file err && [ ! -e p.key ] && [ ! -e p.pub ]'
exits 64 cb-sign keygen -o p --passphrase-file=nothing
exits 65 cb-sign keygen -o p --passphrase-file=lines
exits 66 cb-sign keygen -o p --passphrase-file=none
exits 66 cb-sign keygen -o p --passphrase-fd=77
exits 64 cb-sign keygen -o p --passphrase-fd=3 --passphrase-file=pw
exits 64 typed abc abd -- cb-sign keygen -o p
exits 130 typed abc ^C -- cb-sign keygen -o p
ok "and the terminal has its echo again" '[ ! -s err ]'
ok "none of these left a file" '[ -z "$(find . -name "p.*" -o -name ".p*")" ]'
exits 0 typed 'correct horse' 'correct horse' -- cb-sign keygen -o p
ok "asked twice, nothing shown" '[ "$(grep -c passphrase out)" -eq 2 ] && ! grep -q horse out && [ ! -s err ]'
ok "minisign opens it" 'good minisign -S -s p.key -m f -x f.stock <pw && good minisign -V -H -p p.pub -m f -x f.stock'
exits 77 cb-sign sign -k p.key -o no f --passphrase-file=wrong
ok "a wrong one: says so, and no signature" 'grep -q "wrong passphrase" err && [ ! -e no ]'
exits 66 setsid cb-sign sign -k p.key -o no f </dev/null
exits 0 sh -c 'cb-sign sign -k p.key -o by-p f --passphrase-fd=7 7<pw'
ok "what it signed is true" 'good minisign -V -H -p p.pub -m f -x by-p && good cb-sign verify --pub p.pub --signature by-p f'
chmod 644 k.key
exits 0 cb-sign sign -k k.key -o loose f
ok "a warning where others can read the key" 'grep -q "warning: k.key: others can read" err'
chmod 600 k.key
sed '2s/^RWQAAE/RWQAAF/' k.key >bad.key
exits 65 cb-sign sign -k bad.key f
exits 65 cb-sign sign -k k.pub f
exits 65 cb-sign sign -k /dev/zero f
exits 66 cb-sign sign -k none f

# --- there and back, at the sizes where blocks begin
ssh-keygen -q -t ed25519 -N '' -C '' -f sshkey
cb-sign inspect --signer me k.pub >allowed
ok "a line for allowed_signers" 'grep -q "^me namespaces=\"cb-evidence\" ssh-ed25519 AAAA" allowed'
for size in 0 1 127 128 129 65535 65536 65537 131072 1000001; do
	head -c "$size" /dev/urandom >s
	ok "$size bytes: ours, and minisign and ssh-keygen say yes" \
		'good cb-sign sign -k k.key --force s && good cb-sign sign --ssh -k k.key --force s &&
		good minisign -V -H -p k.pub -m s && good ssh-keygen -Y verify -f allowed -I me -n cb-evidence -s s.sig <s'
	rm -f s.sig
	ok "$size bytes: theirs, and we say yes" \
		'good minisign -S -s stock.key -m s -x s.minisig </dev/null && good cb-sign verify --pub stock.pub s &&
		good ssh-keygen -q -Y sign -f sshkey -n cb-evidence s && good cb-sign verify --pub sshkey.pub s &&
		rm s.sig && ssh-keygen -q -Y sign -f sshkey -n cb-evidence -O hashalg=sha256 s 2>err &&
		good cb-sign verify --pub sshkey.pub --signature s.sig s'
	rm -f s.sig s.minisig
done
ok "from stdin, to stdout" 'cb-sign sign -k k.key -o - - <f >x && good minisign -V -H -p k.pub -m f -x x &&
	good cb-sign verify --pub k.pub --signature x - <f'

# --- every changed bit
cb-sign sign -k k.key --comment='case 4711, fünf' f
cb-sign sign --ssh -k k.key f
cat >flip.py <<'END'
import subprocess, sys
# flip.py FILE COMMAND...: run it with each bit of FILE flipped in turn; say which it took
name, cmd = sys.argv[1], sys.argv[2:]
data = open(name, 'rb').read()
tried = 0
for i in range(len(data)):
    for b in range(8):
        t = bytearray(data)
        t[i] ^= 1 << b
        open(name, 'wb').write(t)
        r = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        tried += 1
        if r.returncode not in (1, 65):
            print(i, b, r.returncode)
open(name, 'wb').write(data)
print('tried', tried)
END
# those of the signatures are flipped in tests/unit/test_crypto.c, and by make interop
/usr/bin/python3 flip.py f cb-sign verify --pub k.pub f >flips
ok "every bit of a file: refused ($(tail -n 1 flips))" '[ "$(wc -l <flips)" -eq 1 ]' || _show flips
exits 0 cb-sign verify --pub k.pub f

# --- comments
exits 0 cb-sign verify --pub k.pub --format=text --signature f.minisig f
ok "the trusted comment, once verified" 'grep -q "it says: case 4711, fünf" out'
sed -i '1s/.*/untrusted comment: signed by the minister himself/' f.minisig
exits 0 cb-sign verify --pub k.pub --signature f.minisig f
ok "the untrusted one is never shown" '! grep -q minister out err'
sed '3s/fünf/vier/' f.minisig >x
exits 1 cb-sign verify --pub k.pub --signature x f
ok "a comment that was changed: not shown" 'grep -q "comment was changed" err && ! jq -e .data.comment out >/dev/null 2>&1 || ! grep -q vier out'
for c in "$(printf 'a\nb')" "$(printf 'a\033[2Jb')" "$(printf 'a\tb')" "$(printf '\302\233')" "$(printf '\377')"; do
	exits 64 cb-sign sign -k k.key --comment="$c" -o no f
done
ok "nothing is signed with such a comment" '[ ! -e no ]'
odd=$(printf 'x\ty\n')
cp f "$odd"
exits 64 cb-sign sign -k k.key "$odd"
exits 0 cb-sign sign -k k.key --comment=odd "$odd"
minisign -S -l -s stock.key -m f -x legacy </dev/null >/dev/null 2>&1
exits 65 cb-sign verify --pub stock.pub --signature legacy f
ok "an old signature: refused by name" 'grep -q "old kind" err'

# --- verdicts: false, another key, not checked
echo more >>f
exits 1 cb-sign verify --pub k.pub f
ok "changed data: false, as an event" '[ "$(jq -rs ".[-1].data.verdict" out)" = false ]'
valid_events out
printf 'a file\n' >f
exits 1 cb-sign verify --pub l.pub --signature f.minisig f
ok "another key" '[ "$(jq -rs ".[0].data.verdict" out)" = other-key ]'
exits 66 cb-sign verify --pub k.pub nothing
exits 66 cb-sign verify --pub k.pub none
exits 65 cb-sign verify --pub k.pub --signature k.key f
ok "unchecked, as an event" '[ "$(jq -rs ".[-1].data.verdict" out)" = unchecked ]'
valid_events out
exits 65 cb-sign verify --pub f f
exits 74 sh -c 'cb-sign verify --pub k.pub f >/dev/full'
exits 64 cb-sign verify --pub k.pub --threshold=0 f

# --- several signers
printf 'list\n' >S
exits 0 cb-sign sign -k k.key -k l.key S
ok "two signatures" '[ -e S.minisig ] && [ -e S.2.minisig ] && good minisign -V -H -p l.pub -m S -x S.2.minisig'
exits 73 cb-sign sign -k m.key S
exits 0 cb-sign verify --pub k.pub --pub l.pub --pub m.pub --threshold 2 S
exits 1 cb-sign verify --pub k.pub --pub l.pub --pub m.pub --threshold 3 S
exits 0 cb-sign sign -k k.key --add S
exits 1 cb-sign verify --pub k.pub --pub k.pub --pub l.pub --pub m.pub --threshold 3 S
ok "a key counts once" 'grep -q "signed by 2 of the 3" err'
exits 0 cb-sign sign --ssh -k k.key -k m.key S
exits 0 cb-sign verify --pub k.pub --pub l.pub --pub m.pub --threshold 3 S
sed -i '2s/^RU/RW/' S.3.minisig
exits 65 cb-sign verify --pub k.pub --pub l.pub --pub m.pub --threshold 4 S
sed 's/^list/lost/' S >S2
for n in S.minisig S.2.minisig; do cp $n S2${n#S}; done
exits 1 cb-sign verify --pub k.pub --pub l.pub --threshold 1 S2
cp S.minisig T.minisig && cp S.2.minisig T.2.minisig && printf 'list\n' >T
cb-sign sign -k l.key -o T.3.minisig f
exits 1 cb-sign verify --pub k.pub --pub l.pub --threshold 2 T
ok "one false signature is one too many" 'grep -q "T.3.minisig: its signature is false" err'

# --- SSH signatures: what they are for, whose they are
exits 0 cb-sign sign --ssh --namespace=file -k k.key -o for f
exits 1 cb-sign verify --pub k.pub --signature for f
ok "for another purpose" 'grep -q "signed for file, not for cb-evidence" err'
exits 0 cb-sign verify --pub k.pub --namespace=file --signature for f
exits 0 cb-sign verify --pub allowed --signature f.sig f
exits 1 cb-sign verify --pub allowed --namespace=file --signature for f
exits 64 cb-sign sign --ssh --namespace='a b' -k k.key f
exits 64 cb-sign inspect --signer='a b' k.pub
sed 's/namespaces="cb-evidence"/valid-after="20260101"/' allowed >dated
exits 65 cb-sign verify --pub dated --signature f.sig f
ssh-keygen -q -t ecdsa -N '' -f other
ssh-keygen -q -Y sign -f other -n cb-evidence S2 2>/dev/null
exits 65 cb-sign verify --pub k.pub --signature S2.sig S2
ok "a key of another kind: not checked, by name" 'grep -q "ecdsa-sha2-nistp256" err'
exits 65 cb-sign verify --pub other.pub --signature f.sig f

# --- what is left when it goes wrong
exits 73 cb-sign sign -k k.key f
exits 74 sh -c 'cb-sign sign -k k.key -o - f >/dev/full'
exits 66 cb-sign sign -k k.key .
exits 74 sh -c 'cb-sign sign -k k.key -o no - <&-'
ok "no signature of what could not be read" '[ ! -e no ]'
if unshare -Urm true 2>/dev/null; then
	mkdir full
	# shellcheck disable=SC2016  # for the shell within
	exits 73 unshare -Urm sh -c 'mount -t tmpfs -o size=4k,nr_inodes=4 none full && cd full && : >a && : >b && : >c &&
		cb-sign sign -k ../k.key -o new.minisig ../f'
	# shellcheck disable=SC2016
	exits 74 unshare -Urm sh -c 'mount -t tmpfs -o size=8k none full && cd full && cp ../f . && head -c 8000 /dev/zero >fill 2>/dev/null
		cat fill >>fill2 2>/dev/null; cb-sign sign -k ../k.key f; st=$?; [ -z "$(find . -name "*minisig*")" ] || exit 1; exit $st'
else
	skip "no user namespaces" 2
fi
ok "nothing temporary anywhere" '[ -z "$(find . -name ".*.tmp")" ]'

# --- a log of what keys do
mkdir logged && cd logged || exit 99
cb-sign keygen -o log --no-passphrase
cb-audit init log.d --origin=example.com/log --key=log.key >init.out 2>&1 || note "$(cat init.out)"
exits 0 cb-sign keygen -o a --no-passphrase --log=log.d
exits 0 cb-sign keygen -o e --encryption --no-passphrase --log=log.d
printf 'data\n' >Mustermann
exits 0 cb-sign sign -k a.key -k log.key Mustermann --log=log.d
exits 0 cb-sign sign --ssh -k a.key Mustermann --log=log.d
exits 73 cb-sign sign -k a.key Mustermann --log=log.d
exits 0 cb-sign retire --pub a.pub --pub e.pub --comment='it was lost' --log=log.d
exits 64 cb-sign retire --pub a.pub
exits 65 cb-sign retire --pub Mustermann --log=log.d
cb-audit query log.d --type=cb.key --raw >keys.ndjson 2>query.err || note "$(cat query.err)"
ok "made, used, retired, and what did not happen is not told" '[ "$(jq -r .type keys.ndjson | tr "\n" " ")" = \
	"cb.key.made cb.key.made cb.key.used cb.key.used cb.key.used cb.key.retired cb.key.retired " ]' || _show keys.ndjson
ok "by id and digest, without names" '! grep -q Mustermann keys.ndjson &&
	grep -q "\"sha512\":\"$(sha512sum <Mustermann | cut -d" " -f1)\"" keys.ndjson &&
	grep -q "\"blake2b\":\"$(b2sum <Mustermann | cut -d" " -f1)\"" keys.ndjson &&
	[ "$(jq -r .data.key keys.ndjson | tail -n 1)" = "$(cat e.pub)" ]'
exits 66 cb-sign sign -k a.key -o none.sig Mustermann --log=none
exits 66 cb-sign keygen -o n --no-passphrase --log=none
ok "without its log nothing is signed, and no key made" '[ ! -e none.sig ] && [ ! -e n.key ] && [ ! -e n.pub ]'
cd .. || exit 99

# --- a file of any size, in little memory
if sanitized; then
	skip "a sanitizer's memory is not bounded" 2
else
	truncate -s 2G big
	# shellcheck disable=SC2016
	ok "2 GiB in 48 MiB of address space" '(ulimit -v 49152; good cb-sign sign -k k.key big)'
	ok "and minisign says yes" 'good minisign -V -H -p k.pub -m big'
	rm -f big
fi

# --- what a file is
cb-sign inspect k.pub k.key p.key f.minisig f.sig allowed sshkey.pub >all.ndjson
valid_events all.ndjson
ok "each is known" '[ "$(jq -r .data.kind all.ndjson | tr "\n" " ")" = \
	"minisign-public-key minisign-secret-key minisign-secret-key minisign-signature ssh-signature openssh-public-keys openssh-public-keys " ]'
ok "what is protected, and what is not" '[ "$(jq -c "[.data.protected]" all.ndjson | sed -n 2,3p | tr -d "\n")" = "[false][true]" ]'
ok "no secret in it" '! grep -qF "$(sed -n 2p k.key | cut -c 80-150)" all.ndjson'
ok "a comment is called unverified" 'jq -se ".[3].data.unverified_comment" all.ndjson >/dev/null'
exits 65 cb-sign inspect f
exits 65 cb-sign inspect sshkey
printf 'example.com/log\n3\n%s\n\n\342\200\224 example.com/log %s\n' "$(head -c 32 /dev/zero | base64)" \
	"$(head -c 68 /dev/zero | base64 -w0)" >checkpoint
exits 0 cb-sign inspect --format=text checkpoint
ok "a checkpoint, in words" 'grep -q "^checkpoint: checkpoint of a log" out && grep -q "entries: 3" out'
done_testing
