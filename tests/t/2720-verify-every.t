#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every byte of a small bundle, of its archive, of a store and of a log of 1 000 entries: changed
# one at a time, found, and located. Here every so manieth byte, others on another day;
# CB_EVERY=1 (make robustness) takes them all.
. "$CB_SRC/tests/lib.sh"
PATH=$CB_BUILD/aid:$PATH
cp "$CB_SRC"/tests/keys/*.key . && chmod 600 ./*.key
day=$(($(date +%s) / 86400))
every() {	# STEP ARGS... : all of it or a part
	_step=$1
	shift
	if [ -n "${CB_EVERY-}" ]; then _step=1; fi
	exits 0 flip -n "$_step" -a "$((day % _step))" "$@" || cat out
	note "$(tail -n 1 out)"
}

# a log in which every epoch that signed is sealed
cb-audit init log --origin example.org/one -k log.key --epochs 600 --now 2026-03-01T00:00:10Z
for m in 01 03 06 08 13 21 23 26 28 31; do
	seq "${m#0}000" "${m#0}099" | sed 's/.*/{"type":"t","n":&}/' | cb-audit append log --now "2026-03-01T00:$m:00Z"
done
cb-audit checkpoint log -k log.key --now 2026-03-01T00:31:30Z
echo '{"type":"t"}' | cb-audit append log --now 2026-03-01T00:36:00Z
sed -n 's/^log //p' log/policy >vkey
exits 0 cb-verify --vkey=vkey --forward-secure log
every 151 -f -v vkey -x state/ log

# a store, its log, a clip with everything
cb-audit init L --origin example.org/one -k log.key --epochs 600
mkstream -n 40 -c front IAPIAPIAPE | cb-record S >rec
grep cb.segment.closed rec | cb-audit append L
cb-audit checkpoint L -k log.key
cb-sign keygen --no-passphrase -o k >out 2>err
cb-export S --log L --no-entry --sign k.key --require-proofs -o B
cb-export S --log L --no-entry --sign k.key --require-proofs -o B.tar
exits 0 cb-verify --key=k.pub --vkey=vkey B B.tar
exits 0 cb-verify --vkey=vkey --log=L S
ok "the segment is in the log" '[ "$(sed "s/.*\"logged\"://;s/,.*//" out)" = 1 ]'
# two of two, two of three
cb-sign keygen --no-passphrase -o k2 >out 2>err
cb-sign keygen --no-passphrase -o k3 >out 2>err
cb-export S --log L --no-entry --sign k.key --sign k2.key --require-proofs -o two
exits 0 cb-verify --key=k.pub --key=k2.pub --need=2 --vkey=vkey two
ok "by both" 'grep -q "\"signatures\":2" out && grep -q "k.pub" out && grep -q "k2.pub" out'
exits 0 cb-verify --key=k3.pub --key=k2.pub --key=k.pub --need=2 --vkey=vkey two
exits 1 cb-verify --key=k3.pub --key=k2.pub --need=2 --vkey=vkey two
ok "by one of two" 'grep -q "\"code\":\"not-signed\"" out'
rm two/SHA256SUMS.2.*
exits 1 cb-verify --key=k.pub --key=k2.pub --need=2 --vkey=vkey two
# the first line of minisign's file is the one thing that nobody signs
free=$(head -n 1 B/SHA256SUMS.minisig | wc -c)
every 53 -k k.pub -v vkey -x "SHA256SUMS.minisig:$free" B
/usr/bin/python3 - B.tar >at <<'PY'
import sys, tarfile
m = [m for m in tarfile.open(sys.argv[1]) if m.name.endswith("SHA256SUMS.minisig")][0]
print(m.offset_data)
PY
chmod u+w B.tar
every 71 -k k.pub -v vkey -y "$(cat at):$free" B.tar
chmod -R u+w S
every 7 -v vkey -l L -x ballast -x cameras/front/lock -x "$(cd S && find cameras -name '*.events')" S
done_testing
