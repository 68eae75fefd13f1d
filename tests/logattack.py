#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Logs as an attacker would leave them, who has stolen the log's key (and, where it is said, an
epoch's seed): rebuilt so that tiles, bundles and checkpoint agree with each other again.

    logattack.py LOG KEYFILE ATTACK OUT [SEED-FILE]

LOG has at least three sealed epochs. OUT is a copy without state/. The names are below; what
finds each is in tests/t/2430-audit-attacks.t.
"""
import base64
import hashlib
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tlog  # noqa: E402


def build(out, log, entries, key, origin=None):
    """A whole tree of these entries, signed."""
    if os.path.exists(out):
        shutil.rmtree(out)
    leaves = [tlog.leaf_hash(e) for e in entries]

    def put(name, data):
        p = os.path.join(out, name)
        os.makedirs(os.path.dirname(p), exist_ok=True)
        with open(p, 'wb') as f:
            f.write(data)

    n = len(entries)
    for i in range(0, n, 256):
        part = entries[i:i + 256]
        put(tlog.tile_path('entries', i // 256, len(part)),
            b''.join(len(e).to_bytes(2, 'big') + e for e in part))
    level, hashes = 0, leaves
    while hashes:
        for i in range(0, len(hashes), 256):
            put(tlog.tile_path(level, i // 256, min(256, len(hashes) - i)), b''.join(hashes[i:i + 256]))
        hashes = [tlog.root(hashes[i:i + 256]) for i in range(0, len(hashes) // 256 * 256, 256)]
        level += 1
    name = origin or log.vkey.split('+')[0]
    body = '%s\n%d\n%s\n' % (name, n, base64.b64encode(tlog.root(leaves)).decode())
    pk = b'\1' + key.public
    blob = tlog.sha(name.encode() + b'\n' + pk)[:4] + key.sign(body.encode())
    put('checkpoint', (body + '\n— %s %s\n' % (name, base64.b64encode(blob).decode())).encode())
    put('enrolment', entries[0])
    put('policy', log.policy.encode())


def seals(entries):
    return [i for i, e in enumerate(entries) if b'"type":"cb.log.seal"' in e]


def derive(seed, what):
    return hashlib.blake2b(what, key=seed, digest_size=32).digest()


def reseal(log, entries, first, seed_file):
    """Seal again, from index first on, what the seed can sign for; the others as they can be."""
    en = json.loads(entries[0])['data']
    lines = open(seed_file).read().split('\n')
    at, seed = int(lines[1]), base64.b64decode(lines[2])
    out = list(entries)
    for i in seals(entries):
        if i < first:
            continue
        o = json.loads(out[i])
        epoch = o['data']['epoch']
        s, n = seed, at
        while n < epoch:
            s, n = derive(s, b'cb-fs-next'), n + 1
        key = tlog.Secret(derive(s, b'cb-fs-sign'))
        root = base64.b64encode(tlog.root([tlog.leaf_hash(e) for e in out[:i]])).decode()
        o['data'].update(size=i, root=root, key=base64.b64encode(key.public).decode())
        text = 'cb-log-seal/v1\n%s\n%d\n%d\n%s\n' % (en['origin'], epoch, i, root)
        o['data']['sig'] = base64.b64encode(key.sign(text.encode())).decode()
        out[i] = json.dumps(o, separators=(',', ':')).encode()
    return out


def main():
    log, key, attack, out = tlog.Log(sys.argv[1]).load(), tlog.secret_key(sys.argv[2]), sys.argv[3], sys.argv[4]
    seed = sys.argv[5] if len(sys.argv) > 5 else None
    e = list(log.entries)
    s = seals(e)
    mid = s[0] // 2
    kw = {}
    if attack == 'none':
        pass
    elif attack == 'cut-end':		# the last entries
        e = e[:-5]
    elif attack == 'cut-middle':		# one of a sealed epoch
        del e[mid]
    elif attack == 'swap':			# two of a sealed epoch
        e[mid], e[mid + 1] = e[mid + 1], e[mid]
    elif attack == 'repeat':		# a seal twice
        e.insert(s[1] + 1, e[s[1]])
    elif attack == 'repeat-entry':	# an entry twice, at the end, where nothing is sealed yet
        e.insert(s[-1] + 3, e[s[-1] + 2])
    elif attack == 'change':		# one of a sealed epoch
        e[mid] = e[mid].replace(b'"n":', b'"n":9')
    elif attack == 'reseal':		# the same, and sealed again with a stolen seed
        e[mid] = e[mid].replace(b'"n":', b'"n":9')
        e = reseal(log, e, 0, seed)
    elif attack == 'reseal-current':	# behind the last seal, and sealed with its own seed
        e[s[-2] + 3] = e[s[-2] + 3].replace(b'"n":', b'"n":9')
        e = reseal(log, e, s[-1], seed)
    elif attack == 'unseal':		# cut back, and gone on with a later key: the epochs between never were
        e = e[:s[0] + 1] + e[s[-1]:]
        e = reseal(log, e, s[0] + 1, seed)
    elif attack == 'old-under-new':		# an entry of an older time in a newer epoch
        e.insert(s[-1] + 1, e[s[0] - 1])
    elif attack == 'later-under-old':	# an entry of a newer time before the older seal
        e = e[:s[0]] + [e[-1]] + e[s[0]:]
        e = reseal(log, e, s[0], seed)
    elif attack == 'origin':		# another log in its place
        kw['origin'] = 'example.org/impostor'
    elif attack == 'delete':		# all that was in it
        build(out, log, e, key)
        shutil.rmtree(os.path.join(out, 'tile'))
        return 0
    else:
        sys.exit(__doc__)
    build(out, log, e, key, **kw)
    return 0


if __name__ == '__main__':
    sys.exit(main())
