#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""age files, good and bad, by an implementation of its own: agevec.py DIR

Writes DIR/id (an identity), DIR/pw (a passphrase), DIR/NAME (a file each) and DIR/list, a line each:
NAME, the exit status that cb-sign decrypt must give, the SHA-256 of what it must have written, and
a word of its diagnosis ("-": none). The format is https://c2sp.org/age; everything is fixed, so the
same bytes come out on every run.
"""
import base64
import hashlib
import hmac
import os
import struct
import sys

P = 2**255 - 19


def x25519(k, u):
    k = bytearray(k)
    k[0] &= 248
    k[31] = (k[31] & 127) | 64
    k = int.from_bytes(k, 'little')
    x1 = int.from_bytes(u, 'little') & (2**255 - 1)
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in reversed(range(255)):
        bit = (k >> t) & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % P, b * b % P, d * a % P, c * b % P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, x3, z2, z3 = x3, x2, z3, z2
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, 'little')


BASE = (9).to_bytes(32, 'little')


def chacha_block(key, counter, nonce):
    s = list(struct.unpack('<16I', b'expand 32-byte k' + key + struct.pack('<I', counter) + nonce))
    w = s[:]
    m = 0xffffffff
    for _ in range(10):
        for a, b, c, d in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                           (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            for r1, r2 in ((16, 12), (8, 7)):
                w[a] = (w[a] + w[b]) & m
                t = w[d] ^ w[a]
                w[d] = ((t << r1) | (t >> (32 - r1))) & m
                w[c] = (w[c] + w[d]) & m
                t = w[b] ^ w[c]
                w[b] = ((t << r2) | (t >> (32 - r2))) & m
    return struct.pack('<16I', *[(x + y) & m for x, y in zip(w, s)])


def seal(key, nonce, plain):
    out = bytearray()
    for i in range(0, len(plain), 64):
        part = plain[i:i + 64]
        stream = chacha_block(key, 1 + i // 64, nonce)[:len(part)]
        out += (int.from_bytes(part, 'big') ^ int.from_bytes(stream, 'big')).to_bytes(len(part), 'big')
    one = chacha_block(key, 0, nonce)
    r = int.from_bytes(one[:16], 'little') & 0x0ffffffc0ffffffc0ffffffc0fffffff
    s = int.from_bytes(one[16:32], 'little')
    data = bytes(out) + bytes(-len(out) % 16) + struct.pack('<QQ', 0, len(out))
    acc = 0
    for i in range(0, len(data), 16):
        acc = (acc + int.from_bytes(data[i:i + 16] + b'\1', 'little')) * r % (2**130 - 5)
    return bytes(out) + ((acc + s) & (2**128 - 1)).to_bytes(16, 'little')


def hkdf(ikm, salt, info):
    prk = hmac.digest(salt, ikm, 'sha256')
    return hmac.digest(prk, info + b'\1', 'sha256')


CHARSET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'


def bech32(hrp, data):
    bits = ''.join(f'{b:08b}' for b in data)
    bits += '0' * (-len(bits) % 5)
    v = [int(bits[i:i + 5], 2) for i in range(0, len(bits), 5)]
    chk = 1
    for x in [ord(c) >> 5 for c in hrp] + [0] + [ord(c) & 31 for c in hrp] + v + [0] * 6:
        top = chk >> 25
        chk = (chk & 0x1ffffff) << 5 ^ x
        for i, g in enumerate((0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3)):
            if top >> i & 1:
                chk ^= g
    chk ^= 1
    return hrp + '1' + ''.join(CHARSET[x] for x in v + [chk >> 5 * (5 - i) & 31 for i in range(6)])


def b64(b):
    return base64.b64encode(b).rstrip(b'=')


FILE_KEY = b'sixteen bytes so'
SECRET = hashlib.sha256(b'the identity').digest()
PUBLIC = x25519(SECRET, BASE)
PASS = b'correct horse'
NONCE = hashlib.sha256(b'the nonce').digest()[:16]
ZERO = bytes(12)


def wrapped(body):
    body = b64(body)
    lines = [body[i:i + 64] for i in range(0, len(body), 64)]
    if not lines or len(lines[-1]) == 64:
        lines.append(b'')
    return b''.join(x + b'\n' for x in lines)


def to_x25519(public=PUBLIC, key=FILE_KEY, share=None, args=b'', kind=b'X25519'):
    eph = hashlib.sha256(b'ephemeral' + public).digest()
    true_share = x25519(eph, BASE)
    shared = x25519(eph, public)
    wrap = hkdf(shared, true_share + public, b'age-encryption.org/v1/X25519')
    return b'-> ' + kind + b' ' + (share if share is not None else b64(true_share)) + args + b'\n' + \
        wrapped(seal(wrap, ZERO, key))


def to_scrypt(work=b'10', salt=b'0123456789abcdef', n=10, key=FILE_KEY, args=b''):
    wrap = hashlib.scrypt(PASS, salt=b'age-encryption.org/v1/scrypt' + salt, n=1 << n, r=8, p=1,
                          maxmem=1 << 28, dklen=32)
    return b'-> scrypt ' + b64(salt) + b' ' + work + args + b'\n' + wrapped(seal(wrap, ZERO, key))


def header(stanzas, version=b'age-encryption.org/v1\n', end=b'---', mac=None):
    h = version + stanzas + end
    m = hmac.digest(hkdf(FILE_KEY, b'', b'header'), h, 'sha256')
    return h + (b' ' + b64(m) + b'\n' if mac is None else mac(m))


PAYLOAD_KEY = hkdf(FILE_KEY, NONCE, b'payload')
_chunks = {}


def chunk(n, last, text):
    k = (n, last, text)
    if k not in _chunks:
        _chunks[k] = seal(PAYLOAD_KEY, n.to_bytes(11, 'big') + bytes([last]), text)
    return _chunks[k]


FULL = b'v' * 65536
SHORT = b'the plain text\n'


def armor(data, width=64, eol=b'\n'):
    t = base64.b64encode(data)
    return b'-----BEGIN AGE ENCRYPTED FILE-----' + eol + \
        b''.join(t[i:i + width] + eol for i in range(0, len(t), width)) + b'-----END AGE ENCRYPTED FILE-----' + eol


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    listing = []

    def write(name, data, mode=0o644):
        with open(os.open(os.path.join(out, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), 'wb') as f:
            f.write(data)

    def vec(name, status, plain, word, data):
        write(name, data)
        listing.append(f'{name} {status} {hashlib.sha256(plain).hexdigest()} {word}\n')

    write('id', (bech32('age-secret-key-', SECRET).upper() + '\n').encode(), 0o600)
    write('pw', PASS + b'\n', 0o600)
    other = x25519(hashlib.sha256(b'somebody else').digest(), BASE)
    good, end = to_x25519(), NONCE + chunk(0, 1, SHORT)
    whole = header(good) + end

    # --- good ones
    vec('x25519', 0, SHORT, '-', whole)
    vec('several', 0, SHORT, '-', header(to_x25519(other) + good) + end)
    vec('grease', 0, SHORT, '-', header(b'-> other-grease ! ~ [\n' + wrapped(b'x' * 100) + good + b'-> e\n\n') + end)
    vec('scrypt', 0, SHORT, '-', header(to_scrypt()) + end)
    vec('empty', 0, b'', '-', header(good) + NONCE + chunk(0, 1, b''))
    vec('full', 0, FULL, '-', header(good) + NONCE + chunk(0, 1, FULL))
    vec('two-chunks', 0, FULL + SHORT, '-', header(good) + NONCE + chunk(0, 0, FULL) + chunk(1, 1, SHORT))
    vec('armor', 0, SHORT, '-', armor(whole))
    vec('armor-crlf', 0, SHORT, '-', armor(whole, eol=b'\r\n'))
    vec('armor-blanks', 0, SHORT, '-', b'\n \t\r\n' + armor(whole) + b'\n \t\n')
    vec('armor-no-eol', 0, SHORT, '-', armor(whole)[:-1])
    # --- nobody's
    vec('for-another', 77, b'', 'identity', header(to_x25519(other)) + end)
    vec('lowercase', 77, b'', 'identity', header(to_x25519(kind=b'x25519')) + end)
    bad_tag = good[:-3] + (b'A' if good[-3:-2] != b'A' else b'E') + good[-2:]
    vec('bad-tag', 77, b'', 'identity', header(bad_tag) + end)
    vec('scrypt-wrong', 77, b'', 'passphrase', header(to_scrypt(n=11)) + end)
    # --- headers
    h = 'header'
    vec('version', 65, b'', h, header(good, version=b'age-encryption.org/v2\n') + end)
    vec('header-crlf', 65, b'', h, header(good).replace(b'\n', b'\r\n') + end)
    vec('no-recipients', 65, b'', h, header(b'') + end)
    vec('mac', 65, b'', 'changed', header(good + b'-> g\n\n').replace(b'-> g\n', b'-> h\n') + end)
    vec('mac-short', 65, b'', h, header(good, mac=lambda m: b' ' + b64(m[:31]) + b'\n') + end)
    vec('mac-no-space', 65, b'', h, header(good, mac=lambda m: b64(m) + b'\n') + end)
    vec('mac-spaces', 65, b'', h, header(good, mac=lambda m: b'  ' + b64(m) + b'\n') + end)
    vec('mac-trailing', 65, b'', h, header(good, mac=lambda m: b' ' + b64(m) + b' \n') + end)
    vec('mac-padded', 65, b'', h, header(good, mac=lambda m: b' ' + b64(m) + b'=\n') + end)

    def lax(m):     # the same bytes, bits that encode nothing set
        t = b64(m)
        c = b'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
        return t[:-1] + c[c.index(t[-1:]) + 1:][:1]
    vec('mac-not-canonical', 65, b'', h, header(good, mac=lambda m: b' ' + lax(m) + b'\n') + end)
    vec('mac-missing', 65, b'', h, header(good, mac=lambda m: b'\n') + end)
    for name, stanza in (('no-args', b'->\n\n'), ('empty-arg', b'-> a  b\n\n'), ('trailing-blank', b'-> a \n\n'),
                         ('control', b'-> a\x01\n\n'), ('eight-bit', b'-> \xc3\xa9\n\n'), ('no-start', b'> a\n\n'),
                         ('no-body', b'-> a\n'), ('long-line', b'-> a\n' + b'A' * 65 + b'\n\n'),
                         ('padding', b'-> a\nAA==\n'), ('not-canonical', b'-> a\nAB\n'), ('one-left', b'-> a\nAAAAA\n'),
                         ('cr', b'-> a\nAAAA\r\n'), ('no-last-line', b'-> a\n' + b'A' * 64 + b'\n'),
                         ('short-lines', b'-> a\nAAAA\nAAAA\n')):
        vec('stanza-' + name, 65, b'', h, header(stanza + good) + end)
    # --- X25519
    share = b64(x25519(hashlib.sha256(b'ephemeral' + PUBLIC).digest(), BASE))
    for name, kw in (('extra-arg', {'args': b' x'}), ('short-share', {'share': b64(b'\1' * 31)}),
                     ('long-share', {'share': b64(b'\1' * 33)}), ('zero-share', {'share': b64(bytes(32))}),
                     ('one-share', {'share': b64(b'\1' + bytes(31))}),
                     ('low-order', {'share': b64((P - 1).to_bytes(32, 'little'))}),
                     ('not-canonical', {'share': share[:-1] + b'/'}), ('no-share', {'share': b'x'}),
                     ('long-key', {'key': FILE_KEY + b'!'}), ('short-key', {'key': FILE_KEY[:-1]})):
        vec('x25519-' + name, 65, b'', h, header(to_x25519(**kw)) + end)
    # --- scrypt
    vec('scrypt-and-x25519', 65, b'', h, header(to_scrypt() + good) + end)
    vec('x25519-and-scrypt', 65, b'', h, header(good + to_scrypt()) + end)
    vec('scrypt-twice', 65, b'', h, header(to_scrypt() + to_scrypt()) + end)
    vec('scrypt-grease', 65, b'', h, header(to_scrypt() + b'-> g\n\n') + end)
    for work in (b'21', b'23', b'64', b'0', b'010', b'0x0a', b'+10', b'-10', b'10x', b'99999999999999999999'):
        vec('scrypt-work-' + work.decode(), 65, b'', h, header(to_scrypt(work=work)) + end)
    for name, kw in (('salt-short', {'salt': b'0123456789abcde'}), ('salt-long', {'salt': b'0123456789abcdef0'}),
                     ('extra-arg', {'args': b' x'}), ('long-key', {'key': FILE_KEY + b'!'})):
        vec('scrypt-' + name, 65, b'', h, header(to_scrypt(**kw)) + end)
    # --- payloads; what was verified before it went wrong is out
    head = header(good)
    vec('no-nonce', 65, b'', h, head)
    vec('short-nonce', 65, b'', h, head + NONCE[:15])
    vec('no-chunks', 65, b'', 'cut', head + NONCE)
    vec('short-tag', 65, b'', 'cut', head + NONCE + chunk(0, 1, b'')[:15])
    vec('chunk-changed', 65, b'', 'damaged', head + NONCE + b'\0' + chunk(0, 1, SHORT)[1:])
    vec('chunk-cut', 65, b'', 'damaged', head + end[:-1])
    vec('no-last', 65, b'', 'damaged', head + NONCE + chunk(0, 0, SHORT))
    vec('no-last-full', 65, FULL, 'cut', head + NONCE + chunk(0, 0, FULL))
    vec('second-missing-last', 65, FULL, 'damaged', head + NONCE + chunk(0, 0, FULL) + chunk(1, 0, SHORT))
    vec('last-empty', 65, FULL, 'empty', head + NONCE + chunk(0, 0, FULL) + chunk(1, 1, b''))
    vec('goes-on', 65, FULL, 'after', head + NONCE + chunk(0, 1, FULL) + b'x')
    vec('two-last', 65, FULL, 'after', head + NONCE + chunk(0, 1, FULL) + chunk(1, 1, SHORT))
    vec('short-goes-on', 65, b'', 'damaged', head + end + b'x')
    vec('chunks-swapped', 65, b'', 'damaged', head + NONCE + chunk(1, 0, FULL) + chunk(0, 1, SHORT))
    vec('short-first', 65, b'', 'damaged', head + NONCE + chunk(0, 0, SHORT) + chunk(1, 1, SHORT))
    # --- armor
    a = armor(whole)
    lines = a.split(b'\n')
    for name, data in (('no-end', b'\n'.join(lines[:-2]) + b'\n'), ('headers', a.replace(b'\n', b'\nVersion: 1\n\n', 1)),
                       ('empty-line', a.replace(b'\n', b'\n\n', 1)), ('short-lines', armor(whole, 60)),
                       ('long-lines', armor(whole, 68)), ('bad-digit', a.replace(lines[1][:4], b'YW!l', 1)),
                       ('eight-bit', a.replace(lines[1][:4], b'YW\xafl', 1)),
                       ('blank-in-line', a.replace(lines[1], lines[1] + b' ', 1)), ('after', a + b'x\n'),
                       ('two', a + a), ('lower-case', a.replace(b'BEGIN AGE', b'BEGIN age')),
                       ('no-padding', armor(whole[:-2] + b'x').replace(b'=', b'') if (len(whole) - 1) % 3
                        else armor(whole[:-1]).replace(b'=', b'')),
                       ('of-another', a.replace(b'AGE ENCRYPTED FILE', b'PGP MESSAGE'))):
        vec('armor-' + name, 65, b'', 'armor', data)
    vec('armor-cut', 65, b'', 'armor', a[:len(a) // 2])
    vec('not-age', 65, b'', 'age', b'\x7fELF' + bytes(100))
    vec('nothing', 65, b'', 'age', b'')
    write('list', ''.join(listing).encode())


if __name__ == '__main__':
    main()
