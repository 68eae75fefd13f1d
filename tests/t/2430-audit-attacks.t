#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What an attacker with the log's key can do, and how it is found out: each attack by its own
# reason. What stays possible is said, too.
. "$CB_SRC/tests/lib.sh"
need_cmd jq

cp "$CB_SRC"/tests/keys/*.key . && chmod 600 ./*.key
attack() { /usr/bin/python3 "$CB_SRC/tests/logattack.py" log log.key "$@"; }
at() { echo "2026-03-01T$1Z"; }
grow() {	# TIME FROM TO
	seq "$2" "$3" | sed 's/.*/{"type":"t","n":&}/' >in
	cb-audit append log --now "$(at "$1")" <in
}

# epochs 0, 1, silent 2, 3, and entries of 4
exits 0 cb-audit init log --origin example.org/attacked -k log.key --epochs 60 --now "$(at 00:00:00)"
grow 00:01:00 1 300
cp log/state/seed.0 .
grow 00:06:00 301 310
cp log/state/seed.1 .
grow 00:16:00 311 320
cp log/state/seed.3 .
cb-audit checkpoint log -k log.key --now "$(at 00:16:30)"
cp log/checkpoint older
cp -a log fork
cp -a log asof && rm -r asof/state
grow 00:21:00 321 330
cp log/state/seed.4 .
cb-audit checkpoint log -k log.key --now "$(at 00:21:30)"
cp log/checkpoint newest
cp log/policy policy
verify() { cb-verify --format ndjson --policy policy "$@"; }
exits 0 verify --older older log
exits 0 attack none copy
exits 0 verify --older older --older newest copy
ok "the script rebuilds a log to the byte" 'cmp copy/tile/0/000 log/tile/0/000 && cmp copy/tile/entries/001.p/80 log/tile/entries/001.p/80'

# found NAME CODE OPTIONS...: exit 1, and first of all for that reason
found() {
	name=$1 code=$2
	shift 2
	exits 1 verify "$@" bad
	jq -r 'select(.type == "cb.verify.finding" and .data.kind == "false").data.code' out >codes
	ok "$name: $code" '[ "$(head -n 1 codes)" = "$code" ]' || note "$(cat codes; jq -r .data.text out)"
	head -n 1 codes >>reasons
}

attack cut-end bad
found "entries cut from the end" cut-back --older newest
attack cut-middle bad
found "an entry taken out" seal-misplaced
attack swap bad
found "two entries exchanged" sealed-changed
attack repeat bad
found "said twice" seal-repeated
attack reseal bad seed.4
found "changed, and sealed again with the current seed" seal-false
attack unseal bad seed.3
found "cut back, and gone on with a later key (as CVE-2023-31438)" seal-missing
attack old-under-new bad
found "an old entry under a new key (as CVE-2023-31439)" outside-epoch
rm -rf bad && cp -a log bad && cp older bad/checkpoint
found "an older checkpoint on a log that has gone on" checkpoint-replayed --older newest
attack origin bad
found "another log in its place" checkpoint-unsigned
rm -rf bad && mv asof bad
found "all as it was an hour ago" silent --max-age 1h
attack delete bad
found "all of it deleted" tile-missing
# a fork that goes on by itself, shown to somebody who kept the other side's
mv log real && mv fork log
grow 00:21:00 921 940
cb-audit checkpoint log -k log.key --now "$(at 00:21:30)"
attack none bad
rm -rf log && mv real log
found "a fork" forked --older newest
ok "twelve attacks, twelve reasons" '[ "$(wc -l <reasons)" -eq 12 ] && [ -z "$(sort reasons | uniq -d)" ]' || note "$(sort reasons)"

# more of the kind
attack repeat-entry bad
found "an entry said twice" forked --older newest
attack later-under-old bad seed.0
found "a later entry under an older key" outside-epoch
attack change bad
found "an entry changed" sealed-changed
rm -rf bad && mkdir bad
exits 65 verify --older newest bad
exits 66 verify --older newest nowhere

# --- a stolen seed, epoch by epoch: what it can sign is its own epoch and later ones
for n in 1 3 4; do
	attack reseal bad seed.$n
	exits 1 verify bad
	ok "seed $n does not seal epoch 0 again" 'jq -r .data.code out | grep -qx seal-false'
done
attack reseal-current bad seed.3
exits 0 verify bad
ok "it does seal its own epoch again, and that is what was said" '[ "$(tail -n 1 out | jq -r .data.verdict)" = true ]'
exits 1 verify --older newest bad
ok "but whoever kept a checkpoint sees it" 'jq -r .data.code out | grep -qx forked'
exits 1 verify --forward-secure bad
ok "and who asks for the epoch's signature under it" 'jq -r .data.code out | grep -qx epoch-unsigned'

# --- the keeper's own look believes the log's own policy, and says so
exits 0 cb-audit verify log
ok "a note of it" 'jq -r "select(.data.kind == \"note\").data.code" out | grep -qx log-by-own-key'
exits 0 cb-audit verify log --policy policy
ok "none where a policy was brought" '! grep -q log-by-own-key out'
done_testing
