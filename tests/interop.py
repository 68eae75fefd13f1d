#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Many random files there and back with the stock tools: interop.py BUILD [FILES [BYTES]]

FILES (200) files of 0 to BYTES (64 MiB) random bytes, half of them at or beside a power of two:
what cb-sign signs is verified by minisign, openssl and ssh-keygen, what those sign by cb-sign; what
it encrypts age decrypts, and the other way round. Then every bit of a .minisig and of a .sig is
flipped, and none of that may verify. Exit 1 where anything is not as it should be.
"""
import base64
import os
import random
import shutil
import subprocess
import sys
import tempfile

build = os.path.abspath(sys.argv[1])
files = int(sys.argv[2]) if len(sys.argv) > 2 else 200
largest = int(sys.argv[3]) if len(sys.argv) > 3 else 64 << 20
seed = int(os.environ.get('SEED', '1'))
rnd = random.Random(seed)
tmp = tempfile.mkdtemp(prefix='cb-interop.')
os.environ['PATH'] = os.path.join(build, 'bin') + ':' + os.environ['PATH']
os.chdir(tmp)
wrong, done = 0, 0


def run(*cmd, stdin=None, ok=True):
    global wrong, done
    done += 1
    with open(stdin or os.devnull, 'rb') as f:
        p = subprocess.run(cmd, stdin=f, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if (p.returncode == 0) != ok:
        wrong += 1
        print('WRONG', p.returncode, ' '.join(cmd), p.stdout[-300:])
    return p


def same(a, b):
    global wrong
    if subprocess.run(['cmp', '-s', a, b]).returncode:
        wrong += 1
        print('WRONG: not the same:', a, b)


def lines(name):
    with open(name, 'rb') as f:
        return f.read().split(b'\n')


def write(name, data):
    with open(name, 'wb') as f:
        f.write(data)


def sizes():
    for i in range(files):
        n = rnd.randrange(largest + 1) if i % 4 == 0 else int(2 ** rnd.uniform(0, 26)) % (largest + 1)
        if i % 2:
            n = min(largest, max(0, (1 << rnd.randrange(27)) % (largest + 1) + rnd.randrange(-1, 2)))
        yield 0 if i == 0 else largest if i == 1 else n


def openssl(sig):
    blob = base64.b64decode(lines(sig)[1])
    write('raw.sig', blob[10:])
    write('comment', blob[10:] + lines(sig)[2][len(b'trusted comment: '):])
    write('raw2.sig', base64.b64decode(lines(sig)[3]))
    write('pk.der', bytes.fromhex('302a300506032b6570032100') + base64.b64decode(lines('ours.pub')[1])[10:])
    run('openssl', 'dgst', '-blake2b512', '-binary', '-out', 'hash', 'f')
    for data, s in (('hash', 'raw.sig'), ('comment', 'raw2.sig')):
        run('openssl', 'pkeyutl', '-verify', '-pubin', '-keyform', 'DER', '-inkey', 'pk.der', '-rawin', '-in', data,
            '-sigfile', s)


def one(size):
    with open('f', 'wb') as f:
        f.write(rnd.randbytes(size))
    run('cb-sign', 'sign', '-k', 'ours.key', '--force', 'f')
    run('minisign', '-V', '-H', '-p', 'ours.pub', '-m', 'f')
    openssl('f.minisig')
    run('cb-sign', 'sign', '--ssh', '-k', 'ours.key', '--force', 'f')
    run('ssh-keygen', '-Y', 'verify', '-f', 'allowed', '-I', 'us', '-n', 'cb-evidence', '-s', 'f.sig', stdin='f')
    os.remove('f.sig')
    run('minisign', '-S', '-s', 'stock.key', '-m', 'f', '-x', 'f.minisig')
    run('cb-sign', 'verify', '--pub', 'stock.pub', 'f')
    os.remove('f.minisig')
    run('ssh-keygen', '-q', '-Y', 'sign', '-f', 'sshkey', '-n', 'cb-evidence', 'f')
    run('cb-sign', 'verify', '--pub', 'sshkey.pub', 'f')
    os.remove('f.sig')
    armor = ['--armor'] if size < 4 << 20 and rnd.random() < 0.5 else []
    run('cb-sign', 'encrypt', *armor, '-R', 'e.pub', '-R', 'stock-e.pub', '-o', 'f.age', '--force', 'f')
    write('g', b'')     # age makes no file of nothing
    run('age', '-d', '-i', rnd.choice(('e.key', 'stock-e.key')), '-o', 'g', 'f.age')
    same('f', 'g')
    run('age', *(['-a'] if armor else []), '-R', 'e.pub', '-R', 'stock-e.pub', '-o', 'h.age', 'f')
    run('cb-sign', 'decrypt', '-i', rnd.choice(('e.key', 'stock-e.key')), '-o', 'h', '--force', 'h.age')
    same('f', 'h')


def flips(sig, pub):
    data = open(sig, 'rb').read()
    first = data.index(b'\n')
    for i in range(len(data)):
        if sig.endswith('.minisig') and 19 <= i < first:
            continue        # the untrusted comment's text
        for b in range(8):
            t = bytearray(data)
            t[i] ^= 1 << b
            write('flipped', t)
            p = run('cb-sign', 'verify', '--pub', pub, '--signature', 'flipped', 'f', ok=False)
            if p.returncode not in (1, 65):
                print('WRONG status', p.returncode, sig, i, b)
                sys.exit(1)


try:
    run('cb-sign', 'keygen', '-o', 'ours', '--no-passphrase')
    run('cb-sign', 'keygen', '--encryption', '-o', 'e', '--no-passphrase')
    run('minisign', '-G', '-W', '-p', 'stock.pub', '-s', 'stock.key')
    run('age-keygen', '-o', 'stock-e.key')
    write('stock-e.pub', run('age-keygen', '-y', 'stock-e.key').stdout)
    run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', 'sshkey')
    write('allowed', run('cb-sign', 'inspect', '--signer', 'us', 'ours.pub').stdout)
    total = 0
    for number, size in enumerate(sizes()):
        total += size
        one(size)
        if sys.stdout.isatty():
            print('\r%d of %d' % (number + 1, files), end='', flush=True)
    write('f', b'a small file\n')
    run('cb-sign', 'sign', '-k', 'ours.key', '-o', 'x.minisig', 'f')
    run('cb-sign', 'sign', '--ssh', '-k', 'ours.key', '-o', 'x.sig', 'f')
    flips('x.minisig', 'ours.pub')
    flips('x.sig', 'ours.pub')
    print('interop: seed %d, %d files, %d bytes, %d runs, %d wrong' % (seed, files, total, done, wrong))
finally:
    shutil.rmtree(tmp)
sys.exit(1 if wrong else 0)
