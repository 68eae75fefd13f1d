#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An independent reader of logs (cb-log(5)): written from RFC 6962, RFC 9162, RFC 8032 and the
C2SP specifications alone, for tests to compare with.

    tlog.py verify LOG [--acked FILE]   everything; prints the size, or what is wrong (exit 1)
    tlog.py proof FILE ENTRY VKEY       a tlog-proof of these bytes
    tlog.py body FILE ROOT              a witness's request, against the old root (hex)
    tlog.py cosigned FILE VKEY          a witness's cosignature in a note; prints its time
    tlog.py vkey KEYFILE TYPE NAME      the verifier key of an unprotected secret key file
    tlog.py pairs N                     roots, inclusion and consistency proofs of all trees up to N
    tlog.py root LOG SIZE               the root of its first entries
    tlog.py entry LOG INDEX             its bytes
"""
import base64
import hashlib
import json
import os
import struct
import sys
from datetime import datetime, timezone


def sha(b):
    return hashlib.sha256(b).digest()


def leaf_hash(entry):
    return sha(b'\0' + entry)


def node_hash(a, b):
    return sha(b'\1' + a + b)


def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def root(leaves):
    """RFC 6962, 2.1, as it stands there"""
    def mth(a, b):
        if b - a == 1:
            return leaves[a]
        k = a + split(b - a)
        return node_hash(mth(a, k), mth(k, b))
    return mth(0, len(leaves)) if leaves else sha(b'')


def path(m, leaves):
    """RFC 6962, 2.1.1"""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return path(m, leaves[:k]) + [root(leaves[k:])]
    return path(m - k, leaves[k:]) + [root(leaves[:k])]


def subproof(m, leaves, whole):
    """RFC 6962, 2.1.2"""
    if m == len(leaves):
        return [] if whole else [root(leaves)]
    k = split(len(leaves))
    if m <= k:
        return subproof(m, leaves[:k], whole) + [root(leaves[k:])]
    return subproof(m - k, leaves[k:], False) + [root(leaves[:k])]


def climb(index, size, h, proof):
    """RFC 9162, 2.1.3.2"""
    fn, sn = index, size - 1
    for p in proof:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            h = node_hash(p, h)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            h = node_hash(h, p)
        fn >>= 1
        sn >>= 1
    return h if sn == 0 else None


def consistent(m, n, first, second, proof):
    """RFC 9162, 2.1.4.2"""
    if m == n:
        return not proof and first == second
    if m == 0:
        return not proof
    if m & (m - 1) == 0:
        proof = [first] + proof
    if not proof:
        return False
    fn, sn = m - 1, n - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    fr = sr = proof[0]
    for c in proof[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn:
                fn >>= 1
                sn >>= 1
        else:
            sr = node_hash(sr, c)
        fn >>= 1
        sn >>= 1
    return sn == 0 and fr == first and sr == second


# --- Ed25519 (RFC 8032, 5.1.7), without a thought for speed

P = 2**255 - 19
D = -121665 * pow(121666, P - 2, P) % P
Q = 2**252 + 27742317777372353535851937790883648493


def add(a, b):
    s, t = (a[1] - a[0]) * (b[1] - b[0]), (a[1] + a[0]) * (b[1] + b[0])
    u, v = 2 * a[3] * b[3] * D, 2 * a[2] * b[2]
    e, f, g, h = t - s, v - u, v + u, t + s
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def mul(k, p):
    r = (0, 1, 1, 0)
    while k:
        if k & 1:
            r = add(r, p)
        p = add(p, p)
        k >>= 1
    return r


def point(b):
    y = int.from_bytes(b, 'little')
    sign, y = y >> 255, y & (1 << 255) - 1
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - x2) % P:
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


B = point((4 * pow(5, P - 2, P) % P).to_bytes(32, 'little'))


def ed25519(key, msg, sig):
    a, r, s = point(key), point(sig[:32]), int.from_bytes(sig[32:], 'little')
    if not a or not r or s >= Q:
        return False
    h = int.from_bytes(hashlib.sha512(sig[:32] + key + msg).digest(), 'little') % Q
    x, y = mul(s, B), add(r, mul(h, a))
    return (x[0] * y[2] - y[0] * x[2]) % P == 0 and (x[1] * y[2] - y[1] * x[2]) % P == 0


def encode(p):
    z = pow(p[2], P - 2, P)
    x, y = p[0] * z % P, p[1] * z % P
    return (y | (x & 1) << 255).to_bytes(32, 'little')


class Secret:
    """RFC 8032, 5.1.5 and 5.1.6"""
    def __init__(self, seed):
        h = hashlib.sha512(seed).digest()
        a = int.from_bytes(h[:32], 'little') & (1 << 254) - 8 | 1 << 254
        self.a, self.prefix, self.public = a, h[32:], encode(mul(a, B))

    def sign(self, msg):
        r = int.from_bytes(hashlib.sha512(self.prefix + msg).digest(), 'little') % Q
        big = encode(mul(r, B))
        k = int.from_bytes(hashlib.sha512(big + self.public + msg).digest(), 'little') % Q
        return big + ((r + k * self.a) % Q).to_bytes(32, 'little')


def secret_key(path_):
    """An unprotected secret key file of minisign's."""
    return Secret(base64.b64decode(open(path_).read().split('\n')[1])[62:94])


# --- C2SP: notes, checkpoints, tiles

class Bad(Exception):
    pass


def need(ok, what):
    if not ok:
        raise Bad(what)


def vkey(text):
    name, keyid, key = text.split('+', 2)
    key = base64.b64decode(key)
    need(sha(name.encode() + b'\n' + key)[:4].hex() == keyid, 'vkey: id')
    return name, key[0], key[1:]


def note(text):
    """-> body, [(name, id, signature)]"""
    body, sigs = text.rsplit('\n\n', 1)
    out = []
    need(sigs.endswith('\n'), 'note: end')
    for line in sigs[:-1].split('\n'):
        dash, name, blob = line.split(' ')
        need(dash == '—', 'note: dash')
        blob = base64.b64decode(blob, validate=True)
        out.append((name, blob[:4], blob[4:]))
    return body + '\n', out


def checkpoint(text, key):
    """-> origin, size, root"""
    name, kind, pk = vkey(key)
    body, sigs = note(text)
    mine = [s for n, i, s in sigs if n == name and i == sha(name.encode() + b'\n' + bytes([kind]) + pk)[:4]]
    need(mine and all(ed25519(pk, body.encode(), s) for s in mine), 'checkpoint: signature')
    origin, size, top = body.split('\n')[:3]
    need(origin == name, 'checkpoint: origin')
    need(size == str(int(size)), 'checkpoint: size')
    return origin, int(size), base64.b64decode(top, validate=True)


def tile_path(level, n, width=256):
    groups = ['%03d' % (n % 1000)]
    n //= 1000
    while n:
        groups.insert(0, 'x%03d' % (n % 1000))
        n //= 1000
    return 'tile/%s/%s%s' % (level, '/'.join(groups), '' if width == 256 else '.p/%d' % width)


def read(log, name):
    try:
        with open(os.path.join(log, name), 'rb') as f:
            return f.read()
    except FileNotFoundError:
        return None


def bundle(data):
    out = []
    while data:
        need(len(data) >= 2, 'bundle: cut')
        n = struct.unpack('>H', data[:2])[0]
        need(len(data) >= 2 + n, 'bundle: cut')
        out.append(data[2:2 + n])
        data = data[2 + n:]
    return out


# --- the journal: cb-log(5)

def crc_entry(b):
    for _ in range(8):
        b = b >> 1 ^ (0x82f63b78 if b & 1 else 0)
    return b


CRC = [crc_entry(b) for b in range(256)]


def crc32c(data):
    crc = 0xffffffff
    for b in data:
        crc = crc >> 8 ^ CRC[(crc ^ b) & 0xff]
    return crc ^ 0xffffffff


def journal(data):
    """-> base, [entry], or None"""
    if not data or len(data) < 64:
        return None
    magic, version, n, crc, base = struct.unpack('<IIIIQ', data[:24])
    if magic != 0x6c6a6243 or version != 1 or n % 64 or n > len(data):
        return None
    if crc32c(data[:12] + bytes(4) + data[16:n]) != crc:
        return None
    out, at = [], n
    while at + 64 <= len(data):
        magic, size, _, index, _, _, crc = struct.unpack('<IHHQqII', data[at:at + 32])
        entry = data[at + 64:at + 64 + size]
        if magic != 0x726a6243 or index != base + len(out) or len(entry) != size:
            break
        if crc32c(data[at:at + 28] + bytes(4) + data[at + 32:at + 64]) != crc:
            break
        if leaf_hash(entry) != data[at + 32:at + 64]:
            break
        out.append(entry)
        at += (64 + size + 63) // 64 * 64
    return base, out


def recorded(entry):
    head = entry[:46].decode()
    need(head.startswith('{"recordedtime":"') and head.endswith('",'), 'entry: recordedtime')
    t = datetime.strptime(head[17:44], '%Y-%m-%dT%H:%M:%S.%fZ').replace(tzinfo=timezone.utc)
    return (t - datetime(1970, 1, 1, tzinfo=timezone.utc)) // (datetime.resolution)


def once(f):
    """The same bytes have the same result: a log is read again and again in tests."""
    known = {}

    def g(data):
        k = sha(data)
        if k not in known:
            known[k] = f(data)
        return known[k]
    return g


@once
def opened(data):
    entries = bundle(data)
    return entries, b''.join(leaf_hash(e) for e in entries)


@once
def tile_root(tile):
    return root([tile[i:i + 32] for i in range(0, len(tile), 32)])


class Log:
    def __init__(self, path_):
        self.path = path_
        self.live = None
        for name in ('state/journal.0', 'state/journal.1'):
            j = journal(read(path_, name))
            if j and (not self.live or (j[0] + len(j[1]), j[0]) > (self.live[0] + len(self.live[1]), self.live[0])):
                self.live = j
        self.policy = read(path_, 'policy').decode()
        self.vkey = self.policy.split('\n')[0].split(' ')[1]
        text = read(path_, 'checkpoint')
        self.checkpoint = checkpoint(text.decode(), self.vkey) if text else None
        self.size = self.live[0] + len(self.live[1]) if self.live else self.checkpoint[1]
        self.first = 0
        self.entries = []
        if self.checkpoint:
            need(self.checkpoint[1] <= self.size, 'checkpoint: beyond the log')

    def load(self):
        """Every entry, each tile and bundle compared with what it must be."""
        base = self.live[0] if self.live else 0
        self.leaves = []
        for n in range(base // 256):
            tile, data = read(self.path, tile_path(0, n)), read(self.path, tile_path('entries', n))
            need(tile is not None and len(tile) == 8192, tile_path(0, n))
            leaves = [tile[i:i + 32] for i in range(0, 8192, 32)]
            if data is None and self.first == n * 256:
                self.first += 256
                self.entries += [None] * 256
            else:
                entries, hashes = opened(data)
                need(hashes == tile, tile_path('entries', n))
                self.entries += entries
            self.leaves += leaves
        if self.live:
            self.entries += self.live[1]
            self.leaves += [leaf_hash(e) for e in self.live[1]]
        if self.checkpoint:
            self.check_tree(self.checkpoint[1])
        return self

    def check_tree(self, size):
        if not self.live and size % 256:
            self.entries += bundle(read(self.path, tile_path('entries', size // 256, size % 256)))
            self.leaves = self.leaves[:size // 256 * 256] + [leaf_hash(e) for e in self.entries[size // 256 * 256:]]
        level, hashes = 0, self.leaves[:size]
        while hashes:
            full = len(hashes) // 256
            for n in range(full):
                need(read(self.path, tile_path(level, n)) == b''.join(hashes[n * 256:n * 256 + 256]), tile_path(level, n))
            if len(hashes) % 256:
                name = tile_path(level, full, len(hashes) % 256)
                need(read(self.path, name) == b''.join(hashes[full * 256:]) or
                     read(self.path, tile_path(level, full)) is not None, name)
            if level == 0 and size % 256:
                name = tile_path('entries', full, size % 256)
                data = read(self.path, name)
                need((data and bundle(data) == self.entries[full * 256:size]) or
                     read(self.path, tile_path('entries', full)) is not None, name)
            hashes = [tile_root(b''.join(hashes[n * 256:n * 256 + 256])) for n in range(full)]
            level += 1
        need(root(self.leaves[:size]) == self.checkpoint[2], 'checkpoint: root')

    def check_entries(self, sealed=True):
        entry0 = read(self.path, 'enrolment')
        need(leaf_hash(entry0) == self.leaves[0], 'enrolment')
        en = json.loads(entry0)['data']
        need(en['vkey'] == self.vkey, 'enrolment: vkey')
        last, epoch, seals = 0, None, 0
        for i, e in enumerate(self.entries):
            if e is None:
                continue
            t = recorded(e)
            o = json.loads(e)
            need(t >= last, 'entry %d: time falls' % i)
            last = t
            if o.get('type') == 'cb.log.seal':
                d = o['data']
                if epoch is None:
                    need(self.first or d['epoch'] == 0, 'entry %d: first seal' % i)
                    epoch = d['epoch']
                need(d['epoch'] == epoch, 'entry %d: seal of epoch %d, not %d' % (i, d['epoch'], epoch))
                need(d['size'] == i, 'entry %d: size' % i)
                if seals % 16 == 0 or not sealed:
                    need(base64.b64decode(d['root']) == root(self.leaves[:i]), 'entry %d: root' % i)
                key = base64.b64decode(d['key'])
                top = climb(epoch, en['epochs'], leaf_hash(key), [base64.b64decode(h) for h in d['path']])
                need(top == base64.b64decode(en['epoch_root']), 'entry %d: key' % i)
                text = 'cb-log-seal/v1\n%s\n%d\n%d\n%s\n' % (en['origin'], epoch, i, d['root'])
                if sealed and seals % 16 == 0:
                    need(ed25519(key, text.encode(), base64.b64decode(d['sig'])), 'entry %d: signature' % i)
                epoch += 1
                seals += 1
                need(t >= (en['epoch0'] + epoch * en['epoch_s']) * 1000000, 'entry %d: sealed early' % i)
            elif epoch is not None or not self.first:
                at = (t // 1000000 - en['epoch0']) // en['epoch_s']
                need(max(at, 0) == (epoch or 0), 'entry %d: of epoch %d, under the seal of %d' % (i, at, epoch or 0))
        return self


def main():
    verb, args = sys.argv[1], sys.argv[2:]
    if verb == 'verify':
        log = Log(args[0]).load().check_entries()
        if '--acked' in args:
            for line in open(args[args.index('--acked') + 1]):
                index, want = line.rstrip('\n').split(' ', 1)
                got = log.entries[int(index)] if int(index) < len(log.entries) else b''
                need(got[46:] == want[1:].encode(), 'entry %s was acknowledged and is not there' % index)
        print(log.size)
    elif verb == 'entry':
        sys.stdout.buffer.write(Log(args[0]).load().entries[int(args[1])])
    elif verb == 'proof':
        head, note_ = open(args[0]).read().split('\n\n', 1)
        lines = head.split('\n')
        need(lines[0] == 'c2sp.org/tlog-proof@v1' and lines[1].startswith('index '), 'proof: head')
        _, size, top = checkpoint(note_, args[2])
        hashes = [base64.b64decode(h, validate=True) for h in lines[2:]]
        need(climb(int(lines[1][6:]), size, leaf_hash(open(args[1], 'rb').read()), hashes) == top, 'proof: root')
        print(lines[1][6:], size)
    elif verb == 'body':
        head, note_ = open(args[0]).read().split('\n\n', 1)
        lines = head.split('\n')
        need(lines[0].startswith('old '), 'body: head')
        origin, size, top = note_.split('\n')[:3]
        need(consistent(int(lines[0][4:]), int(size), bytes.fromhex(args[1]), base64.b64decode(top),
                        [base64.b64decode(h, validate=True) for h in lines[1:]]), 'body: inconsistent')
        print(lines[0][4:], size)
    elif verb == 'cosigned':
        name, kind, pk = vkey(args[1])
        body, sigs = note(open(args[0]).read())
        mine = [s for n, i, s in sigs if n == name and i == sha(name.encode() + b'\n' + bytes([kind]) + pk)[:4]]
        need(kind == 4 and mine, 'cosignature: none')
        for s in mine:
            t = struct.unpack('>Q', s[:8])[0]
            need(ed25519(pk, ('cosignature/v1\ntime %d\n%s' % (t, body)).encode(), s[8:]), 'cosignature: false')
            print(t)
    elif verb == 'vkey':
        key = bytes([int(args[1])]) + base64.b64decode(open(args[0]).read().split('\n')[1])[94:126]
        name = args[2].encode()
        print('%s+%s+%s' % (args[2], sha(name + b'\n' + key)[:4].hex(), base64.b64encode(key).decode()))
    elif verb == 'pairs':
        top = int(args[0])
        leaves = [leaf_hash(b'%d' % i) for i in range(top)]
        roots = [root(leaves[:n]) for n in range(top + 1)]
        for n in range(top + 1):
            print('root', n, roots[n].hex())
        for n in range(top + 1):
            for i in range(n):
                p = path(i, leaves[:n])
                need(climb(i, n, leaves[i], p) == roots[n], 'inclusion')
                print('inclusion', i, n, *(h.hex() for h in p))
            for m in range(n + 1):
                p = subproof(m, leaves[:n], True) if 0 < m else []
                need(consistent(m, n, roots[m], roots[n], p), 'consistency')
                print('consistency', m, n, *(h.hex() for h in p))
    elif verb == 'root':
        log = Log(args[0]).load()
        print(root(log.leaves[:int(args[1])]).hex())
    else:
        sys.exit(__doc__)


if __name__ == '__main__':
    try:
        main()
    except Bad as e:
        print('bad: %s' % e)
        sys.exit(1)
