# SPDX-License-Identifier: Apache-2.0
"""Work on a store, each with a check of what must be so after it was cut off at any moment.

A workload has prepare(root), which makes root and what lies in it; argv(root) and stdin, the work;
at_once(root, said), what must be so before anything else runs, said being what came out; and
check(root, needed, said), which lets the next program put things in order and looks: needed packets
of recording must be there. Both return a list of complaints.
The work is done without a sandbox: what strace puts in the place of a call is none that it allows."""
import json
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ME = os.path.basename(sys.argv[0])

LATER = '1760000000'     # what is recorded afterwards is of another day


def run(*argv, stdin=b'', cwd=None):
    return subprocess.run(argv, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd, check=False)


def must(*argv, stdin=b''):
    p = run(*argv, stdin=stdin)
    if p.returncode:
        sys.exit('%s: %s: %d %s' % (ME, ' '.join(argv), p.returncode, p.stderr.decode()))
    return p.stdout


def packets(stream):
    """The packets of a frame stream, as cb-frame shows them, without their numbers in it."""
    out = run('cb-frame', 'dump', stdin=stream).stdout.decode()
    return [re.sub(r'^[0-9]+ ', '', x) for x in out.split('\n') if ' PACKET ' in x]


def events(text):
    """The events of NDJSON text; what is no event is passed over."""
    out = []
    for line in text.split(b'\n'):
        try:
            e = json.loads(line)
            if isinstance(e, dict) and 'type' in e:
                out.append(e)
        except ValueError:
            pass
    return out


def stored(root):
    """The events that lie in a store, and where the manifests of its segments lie."""
    found, manifests = [], {}
    for top, _, names in os.walk(root + '/S/cameras'):
        for f in names:
            path = os.path.join(top, f)
            if f.endswith(('.events', '.manifest')):
                with open(path, 'rb') as h:
                    if f.endswith('.events'):
                        found += events(h.read())
                    else:
                        manifests[os.path.relpath(path, root + '/S')[:-9]] = h.read()
    return found, manifests


def sound(root):
    """What cb-store check finds. An event that was not synced may be half there (cb-store(5), Events)."""
    p = run('cb-store', 'check', root + '/S')
    found = [e['data'] for e in events(p.stdout) if e['type'] == 'cb.store.finding']
    found = [f for f in found if not (f.get('path', '').endswith('.events') and 'is no event' in f.get('text', ''))]
    if p.returncode not in (0, 1) or found:
        return ['check: %d %s %s' % (p.returncode, p.stderr.decode().strip(), found[:2])]
    return []


def named(manifests):
    """How many packets the fragments have that these manifests name, as far as whole lines go."""
    lines = [x for m in manifests for x in m.split(b'\n')[:-1]]
    return sum(int(x.split(b' ')[8]) for x in lines if re.match(rb'[1-9]\d* \d+ \d+ [0-9a-f]{64} ', x))


class Work:
    """What the others have in common."""

    def at_once(self, root, said):
        return []


class Record(Work):
    """cb-record: of a new store, or of one that before(root) made."""

    def __init__(self, name, script, *options, before=None, log=False, sealed=False):
        self.name, self.script, self.options, self.before, self.log = name, script, options, before, log
        self.sealed, self.identity = sealed, []

    def prepare(self, root):
        os.mkdir(root)
        if self.sealed:
            key = os.path.join(os.path.dirname(root), 'age')
            must('cb-sign', 'keygen', '--encryption', '--no-passphrase', '-o', key)
            self.options += ('-R', key + '.pub')
            self.identity = ['-i', key + '.key']
        if self.log:
            self.key = os.path.join(os.path.dirname(root), 'log.key')
            shutil.copy(os.path.join(HERE, 'keys/log.key'), self.key)
            os.chmod(self.key, 0o600)
            must('cb-audit', 'init', root + '/L', '--origin=example.org/cut', '-k', self.key, '--epochs=200000')
        self.came = []
        if self.before:
            self.came = self.before(root)
        self.stdin = must('mkstream', '-n', '300', self.script)
        self.next = must('mkstream', '-w', LATER, 'IPPE')
        self.came += packets(self.stdin)

    def argv(self, root):
        return ['cb-record', '--sandbox=off', *self.options] + (['--log=' + root + '/L'] if self.log else []) + [root + '/S']

    def check(self, root, needed, said):
        bad = []
        p = run('cb-record', *(['--log=' + root + '/L'] if self.log else []), root + '/S', stdin=self.next)
        if p.returncode:
            return ['the next recorder: %d %s' % (p.returncode, p.stderr.decode().strip())]
        bad += sound(root)
        p = run('cb-replay', root + '/S', '--to=2025-07-01', *self.identity)
        back = packets(p.stdout)
        if p.returncode not in (0, 1):
            bad.append('replay: %d %s' % (p.returncode, p.stderr.decode().strip()))
        if back != self.came[:len(back)]:
            bad.append('what is replayed is not what came (%d packets)' % len(back))
        if len(back) < needed:
            bad.append('%d packets must be there, %d are' % (needed, len(back)))
        have, manifests = stored(root)
        ids = {e['id'] for e in have}
        for e in events(said):
            if e['id'] not in ids:
                bad.append('%s was said, and is not stored' % e['type'])
            if e['type'] == 'cb.segment.closed':
                m = manifests.get(e['data']['segment'][:-4], b'')
                if not m.endswith(b'digest %s\n' % e['data']['manifest_sha256'].encode()):
                    bad.append('%s was said to be closed' % e['data']['segment'])
        if self.log:
            p = run('cb-audit', 'checkpoint', root + '/L', '-k', self.key)
            if p.returncode:
                bad.append('checkpoint: %d %s' % (p.returncode, p.stderr.decode().strip()))
            p = run('cb-verify', root + '/S', '--log=' + root + '/L')
            if p.returncode == 1:
                bad.append('verify: %s' % (p.stdout + p.stderr).decode()[-400:])
        return bad


class Put(Work):
    """cb-store put: what came out is stored, once."""
    name = 'put'

    def prepare(self, root):
        os.mkdir(root)
        line = '{"specversion":"1.0","id":"%d","source":"/x","type":"t","time":"2025-06-15T%02d:00:00Z","subject":"%s","data":{}}\n'
        self.stdin = ''.join(line % (i, 10 + i // 5, 'cam%d' % (i % 2)) for i in range(14)).encode()
        must('cb-store', 'put', root + '/S', stdin=self.stdin[:0] + (line % (99, 10, 'cam1')).encode())

    def argv(self, root):
        return ['cb-store', '--sandbox=off', 'put', root + '/S']

    def check(self, root, needed, said):
        bad = []
        p = run(*self.argv(root), stdin=self.stdin)
        if p.returncode:
            bad.append('put again: %d %s' % (p.returncode, p.stderr.decode().strip()))
        bad += sound(root)
        ids = [e['id'] for e in stored(root)[0]]
        if sorted(ids, key=int) != [str(i) for i in range(14)] + ['99']:
            bad.append('stored: %s' % ' '.join(ids))
        return bad

    def at_once(self, root, said):
        """Before anything else runs: what was passed on is there."""
        ids = {e['id'] for e in stored(root)[0]}
        return ['event %s was passed on, and is not stored' % e['id'] for e in events(said) if e['id'] not in ids]


class Prune(Work):
    """cb-store prune of half of the segments: each is there as it was, or gone and said to be."""
    name = 'prune'

    def prepare(self, root):
        os.mkdir(root)
        self.stdin = b''
        must('cb-record', root + '/S', '--segment=1s', stdin=must('mkstream', '-n', '300', 'IPPSIPPSIPPSIPPSIPPSIPPSIPPSIPPE'))
        self.were = stored(root)[1]
        held = must('cb-query', root + '/S', 'segments', '--format=ndjson')
        self.size = sum(json.loads(x)['bytes'] for x in held.splitlines())

    def argv(self, root):
        return ['cb-store', '--sandbox=off', 'prune', root + '/S', '--bytes=%d' % (self.size // 2)]

    def check(self, root, needed, said):
        p = run(*self.argv(root))
        if p.returncode:
            return ['prune again: %d %s' % (p.returncode, p.stderr.decode().strip())]
        bad = sound(root)
        have, manifests = stored(root)
        told = {e['data'].get('path', '')[:-4] for e in have if e['type'] == 'cb.retention.deleted'}
        for name, text in self.were.items():
            if name in manifests and manifests[name] != text:
                bad.append('%s was changed' % name)
            if name not in manifests and name not in told:
                bad.append('%s is gone without a word' % name)
        return bad

    def at_once(self, root, said):
        manifests = stored(root)[1]
        gone = {e['data'].get('path', '')[:-4] for e in events(said) if e['type'] == 'cb.retention.deleted'}
        shown = run('cb-query', root + '/S', 'segments', '--format=ndjson').stdout.splitlines()
        visible = {json.loads(x)['segment'][:-4] for x in shown}
        return ['%s was said to be deleted, and is shown' % g for g in gone & visible if g in manifests]


class Hold(Work):
    """cb-store hold: who was told that it holds, holds."""
    name = 'hold'

    def prepare(self, root):
        os.mkdir(root)
        self.stdin = b''
        must('cb-record', root + '/S', stdin=must('mkstream', '-n', '300', 'IPPIPPE'))

    def argv(self, root):
        return ['cb-store', '--sandbox=off', 'hold', root + '/S', '--reason=case 17', '--holder=court', '--camera=cam1',
                '--from=2025-06-15', '--to=2025-06-16']

    def check(self, root, needed, said):
        bad = sound(root)
        p = run('cb-query', root + '/S', 'holds', '--format=ndjson')
        if p.returncode not in (0, 1):
            bad.append('holds: %d %s' % (p.returncode, p.stderr.decode().strip()))
        if said and not p.stdout.strip():
            bad.append('it was said to be held, and is not')
        p = run('cb-store', 'prune', root + '/S', '--older=1d', '--force')
        if said and not [m for m in stored(root)[1]]:
            bad.append('what was held was deleted')
        return bad


class Forget(Work):
    """cb-store forget-key: what was said to be destroyed cannot be read, and the store still holds together."""
    name = 'forget'

    def prepare(self, root):
        os.mkdir(root)
        self.stdin, key = b'', os.path.join(os.path.dirname(root), 'age2')
        must('cb-sign', 'keygen', '--encryption', '--no-passphrase', '-o', key)
        self.identity = ['-i', key + '.key']
        for when in ('1750000000', LATER):
            must('cb-record', root + '/S', '-R', key + '.pub', stdin=must('mkstream', '-w', when, '-n', '300', 'IPPIPPE'))

    def argv(self, root):
        return ['cb-store', '--sandbox=off', 'forget-key', root + '/S', '--camera=cam1', '--day=2025-06-15']

    def back(self, root, *when):
        return packets(run('cb-replay', root + '/S', *self.identity, *when).stdout)

    def at_once(self, root, said):
        gone = [e for e in events(said) if e['type'] == 'cb.key.destroyed']
        return ['said to be destroyed, and still read'] if gone and self.back(root, '--to=2025-07-01') else []

    def check(self, root, needed, said):
        bad = []
        p = run(*self.argv(root))
        if p.returncode and not (p.returncode == 1 and b'were destroyed before' in p.stderr):
            bad.append('forget again: %d %s' % (p.returncode, p.stderr.decode().strip()))
        bad += sound(root)
        if self.back(root, '--to=2025-07-01'):
            bad.append('forgotten, and still read')
        if len(self.back(root, '--from=2025-07-01')) != 6:
            bad.append('the other day cannot be read any more')
        p = run('cb-verify', root + '/S')
        if p.returncode == 1:
            bad.append('verify: %s' % (p.stdout + p.stderr).decode()[-400:])
        return bad


def killed(root):
    """A store whose recorder died with a segment open."""
    script = 'IPPIPPIPPSIPPIPP'
    src = must('mkstream', '-n', '300', script)
    p = run('cb-record', root + '/S', '--sync-interval=0', stdin=src)
    if p.returncode != 65:
        sys.exit('%s: %s' % (ME, p.stderr.decode()))
    # the stream had no end, so the last segment was sealed as cut off: open it again
    last = sorted(x for x in stored(root)[1])
    with open(root + '/S/cameras/cam1/lock', 'w', encoding='ascii') as f:
        f.write('open  \n')
    path = max((root + '/S/' + x for x in last), key=lambda x: os.stat(x + '.manifest').st_mtime_ns)
    os.chmod(path + '.manifest', 0o640)
    os.chmod(path + '.mp4', 0o640)
    os.rename(path + '.mp4', path + '.mp4.part')
    with open(path + '.manifest', 'r+b') as f:
        text = f.read()
        text = text[:text.index(b'\nend ') + 1]
        f.seek(0)
        f.write(text + b'9 99 12 ab')
        f.truncate()
    with open(path + '.mp4.part', 'ab') as f:
        f.write(b'x' * 5000)
    return packets(src)
