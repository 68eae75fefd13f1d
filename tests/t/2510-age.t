#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-sign encrypt and decrypt: age files there and back with age itself, vectors of an independent
# implementation, and nothing half-written whatever happens.
. "$CB_SRC/tests/lib.sh"
need_cmd age age-keygen jq
typed() { /usr/bin/python3 "$CB_SRC/tests/typed.py" "$@"; }

# --- good and bad files of tests/agevec.py
/usr/bin/python3 "$CB_SRC/tests/agevec.py" v
ok "vectors: $(wc -l <v/list)" '[ "$(wc -l <v/list)" -gt 90 ]'
while read -r name status sum word; do
	_st=0
	cb-sign decrypt -i v/id --passphrase-file=v/pw "v/$name" >out 2>err </dev/null || _st=$?
	ok "vector $name: $status, what is verified and no more" \
		'[ "$_st" -eq "$status" ] && [ "$(sha256sum <out)" = "$sum  -" ] && { [ "$word" = - ] || grep -q -- "$word" err; }' ||
		{ _diag "exited $_st"; _show err; }
done <v/list
n=0
while read -r name status sum word; do
	_st=0
	cb-sign decrypt -i v/id --passphrase-file=v/pw -o v/plain "v/$name" >out 2>err </dev/null || _st=$?
	case $status in
	0) [ "$_st" -eq 0 ] && [ "$(sha256sum <v/plain)" = "$sum  -" ] && [ "$(stat -c %a v/plain)" = 600 ] && n=$((n + 1)) ;;
	*) [ "$_st" -eq "$status" ] && [ ! -e v/plain ] && n=$((n + 1)) ;;
	esac
	rm -f v/plain
done <v/list
ok "as a file: whole, or not there ($n)" '[ "$n" -eq "$(wc -l <v/list)" ] && [ -z "$(find v -name ".*")" ]'

# --- keys
exits 0 cb-sign keygen --encryption -o e --no-passphrase
ok "age-keygen knows it" '[ "$(age-keygen -y e.key)" = "$(cat e.pub)" ] && [ "$(stat -c %a e.key)" = 600 ]'
exits 73 cb-sign keygen --encryption -o e --no-passphrase
age-keygen -o stock.key 2>/dev/null
age-keygen -y stock.key >stock.pub
printf '# both\n\n%s\r\n%s\n' "$(cat e.pub)" "$(cat stock.pub)" >both.crlf
tr -d '\r' <both.crlf >both
printf 'correct horse\n' >pw
printf 'battery\n' >wrong
exits 0 cb-sign keygen --encryption -o p --passphrase-file=pw
ok "a protected one" '[ "$(head -n 1 p.key)" = "-----BEGIN AGE ENCRYPTED FILE-----" ] && [ "$(stat -c %a p.key)" = 600 ]'

# --- there and back, at the sizes where chunks begin
for size in 0 1 65535 65536 65537 131072 524288 524289 3000001; do
	head -c "$size" /dev/urandom >s
	rm -f s.age t.age
	ok "$size bytes: ours, and age opens it with either key" \
		'cb-sign encrypt -R both.crlf -o s.age s && age -d -i e.key s.age | cmp -s - s && age -d -i stock.key s.age | cmp -s - s'
	ok "$size bytes: theirs, and we do" \
		'age -R both -o t.age s && cb-sign decrypt -i e.key t.age | cmp -s - s && cb-sign decrypt -i stock.key <t.age | cmp -s - s'
	ok "$size bytes: as long as age's" '[ "$(stat -c %s s.age)" -eq "$(stat -c %s t.age)" ]'
	ok "$size bytes: in armor" 'cb-sign encrypt --armor -r "$(cat e.pub)" s | age -d -i e.key | cmp -s - s &&
		age -a -r "$(cat e.pub)" s | cb-sign decrypt -i e.key | cmp -s - s &&
		[ "$(cb-sign encrypt --armor -R e.pub s | awk "length > 64" | wc -l)" -eq 0 ]'
done
mkfifo slow
cb-sign encrypt -R e.pub <slow 2>/dev/null | cb-sign decrypt -i e.key >slow.out 2>/dev/null &
exec 9>slow
cat s >&9
ok "a producer that pauses: what came is out before it goes on" 'wait_for "[ \$(stat -c %s slow.out) -ge 2883584 ]"'
exec 9>&-
wait
same_file slow.out s

# --- passphrases
exits 0 cb-sign encrypt --passphrase-file=pw -o s.pw s
exits 0 sh -c 'cb-sign decrypt --passphrase-fd=5 s.pw 5<pw | cmp - s'
exits 77 cb-sign decrypt --passphrase-file=wrong -o no s.pw
exits 66 setsid cb-sign decrypt -o no s.pw </dev/null
exits 0 typed 'correct horse' -- age -d -o t s.pw
ok "age opens it" 'cmp -s s t'
rm -f t t.age
exits 0 typed 'correct horse' 'correct horse' -- age -p -o t.age s
exits 0 typed 'correct horse' -- cb-sign decrypt -o t t.age
ok "and we what age made, typed and not shown" 'cmp -s s t && [ ! -s err ]'
exits 64 typed '' -- cb-sign encrypt -p -o no s
exits 0 sh -c 'cb-sign encrypt -R p.pub s | cb-sign decrypt -i p.key --passphrase-file=pw | cmp - s'
cb-sign encrypt -R p.pub -o t2.age s
exits 77 cb-sign decrypt -i p.key --passphrase-file=wrong -o no t2.age
exits 0 typed 'correct horse' -- age -d -i p.key -o t2 t2.age
ok "age opens a protected key of ours" 'cmp -s s t2'
ok "none of these left a file" '[ ! -e no ]'

# --- recipients and identities that are none
ssh='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIM1K/ocfPVAfSCR8llVmOvTWPzFsiE8PZzJpN1uu8g7B'
exits 64 cb-sign encrypt -r "$ssh" s
ok "an ssh key: named" 'grep -q "an ssh key" err'
exits 64 cb-sign encrypt -r "$(sed s/age1/age1pq1/ e.pub)" s
exits 64 cb-sign encrypt -r "$(tr a-z A-Z <e.pub)" s
exits 64 cb-sign encrypt -r "$(cat e.pub)x" s
exits 64 cb-sign encrypt -r "$(grep AGE-SECRET e.key)" s
ok "a secret key as a recipient: named" 'grep -q "a secret key, not a recipient" err'
echo "$ssh" >ssh.rec
exits 65 cb-sign encrypt -R ssh.rec s
: >none.rec
exits 65 cb-sign encrypt -R none.rec s
exits 64 cb-sign encrypt s
exits 64 cb-sign encrypt -R e.pub -p s
exits 77 cb-sign decrypt s.age
exits 65 cb-sign decrypt -i e.pub s.age
exits 65 cb-sign decrypt -i s s.age
sed 's/SECRET-KEY-1./SECRET-KEY-1B/' e.key >bad.key
exits 65 cb-sign decrypt -i bad.key s.age
ok "not a word of a damaged key is shown" '! grep -q "$(grep AGE-SEC e.key | cut -c 25-40)" err'
cp e.key open.key && chmod 644 open.key
exits 0 cb-sign decrypt -i open.key -o open.out s.age
ok "a warning where others can read it" 'grep -q "warning: open.key: others can read" err'
if command -v ssh-keygen >/dev/null; then
	ssh-keygen -q -t ed25519 -N '' -f sshkey
	age -R sshkey.pub -o x.age s
	exits 77 cb-sign decrypt -i e.key x.age
	ok "a file for ssh keys alone: says so" 'grep -q "ssh-ed25519" err'
else
	skip "no ssh-keygen" 2
fi

# --- nothing half-written, nothing written over
rm -f o
head -c 100000 s.age >cut.age
exits 65 cb-sign decrypt -i e.key -o o cut.age
ok "cut off: no file" '[ ! -e o ]'
echo mine >o
exits 73 cb-sign decrypt -i e.key -o o s.age
exits 65 cb-sign decrypt -i e.key --force -o o cut.age
ok "what was there is still there" '[ "$(cat o)" = mine ]'
exits 0 cb-sign decrypt -i e.key --force -o o s.age
same_file o s
exits 74 sh -c 'cb-sign decrypt -i e.key s.age >/dev/full'
exits 74 sh -c 'cb-sign encrypt -R e.pub s >/dev/full'
exits 74 sh -c 'cb-sign encrypt -R e.pub -o no <&-'
exits 74 sh -c 'cb-sign encrypt -R e.pub s >&-'
exits 66 cb-sign encrypt -R e.pub -o no .
exits 66 cb-sign encrypt -R e.pub -o no nowhere
(
	_s=0
	cb-sign decrypt -i e.key s.age 2>/dev/null || _s=$?
	echo $_s >code
) | head -c 1 >/dev/null
ok "a reader that leaves" 'case $(cat code) in 74|141) ;; *) false ;; esac'
for sig in KILL TERM INT; do
	rm -rf k && mkdir k && mkfifo k.fifo
	env --default-signal cb-sign encrypt -R e.pub -o k/out <k.fifo 2>err &
	pid=$!
	exec 9>k.fifo
	cat s s s >&9
	kill -s "$sig" "$pid"
	exec 9>&-
	_st=0
	wait "$pid" || _st=$?
	ok "$sig in the middle: nothing is left" '[ "$_st" -gt 128 ] && [ -z "$(find k -type f)" ]' || _diag "exited $_st: $(find k)"
	rm -f k.fifo
done
if unshare -Urm true 2>/dev/null; then
	mkdir full
	# shellcheck disable=SC2016  # for the shell within
	exits 74 unshare -Urm sh -c 'mount -t tmpfs -o size=1m none full && cb-sign encrypt -R e.pub -o full/out s
		st=$?; [ -z "$(find full -type f)" ] || exit 1; exit $st'
else
	skip "no user namespaces"
fi
ok "nothing temporary anywhere" '[ -z "$(find . -name ".*.tmp")" ] && [ ! -e no ]'

# --- any size, in little memory, on one processor and on all
if sanitized; then
	skip "a sanitizer's memory is not bounded" 2
else
	truncate -s 1G big
	ok "1 GiB there and back" '(ulimit -v 262144; cb-sign encrypt -R e.pub -o big.age big && cb-sign decrypt -i e.key big.age) | cmp -s - big'
	rm -f big
	ok "the same on one processor" '[ "$(taskset -c 0 cb-sign decrypt -i e.key big.age | wc -c)" -eq 1073741824 ]'
	rm -f big.age
fi

# --- what a file is
cb-sign encrypt --armor -R both -o a.age s
cb-sign inspect s.age a.age s.pw e.key e.pub >all.ndjson
valid_events all.ndjson
ok "each is known" '[ "$(jq -r .data.kind all.ndjson | tr "\n" " ")" = \
	"age-encrypted age-encrypted age-encrypted age-identity age-recipients " ]'
ok "for how many" '[ "$(jq -c "[.data.recipients,.data.passphrase,.data.armor]" all.ndjson | head -n 3 | tr -d "\n")" = \
	"[2,false,false][2,false,true][0,true,false]" ]'
ok "no secret in it" '! grep -q AGE-SECRET all.ndjson'
done_testing
