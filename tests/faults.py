#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Faults at every system call that cb-audit makes in a log, by strace's injection.

    faults.py [--points N] [--pairs N] [--seed N] [--only SCENARIO] [--small] [--keep]

Each point is one system call of one scenario (append, roll of tiles, end of an epoch,
checkpoint, pruning, recovery) that is killed, or fails with EIO, ENOSPC or EINTR. After each:
the next append and checkpoint must work, and then an independent reader (tlog.py) must find
the log whole, every entry that was acknowledged where the receipt said, each provable, and one
seed, that of the epoch to come. --points takes so many of the points at random (0: all of
them), --pairs adds a kill at one point and then EIO at another while that is recovered;
--small leaves the log of 65 000 entries out.
"""
import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import tlog  # noqa: E402

CALLS = ('pwrite64', 'fdatasync', 'fsync', 'syncfs', 'renameat', 'mkdirat', 'unlinkat', 'ftruncate', 'flock', 'pread64',
         'openat', 'writev')
FAULTS = ('signal=KILL', 'error=EIO', 'error=ENOSPC', 'error=EINTR')
DAY = '2026-05-01T'


def lines(a, b):
    return ''.join('{"n":%d,"text":"%s"}\n' % (i, 'x' * (i * 7 % 90)) for i in range(a, b)).encode()


class Scenario:
    """What is there (made once), and the command in which faults are put."""

    def __init__(self, name, before, now, args, stdin=b''):
        self.name, self.before, self.now, self.args, self.stdin = name, before, now, args, stdin


def append(now, a, b, *more):
    return (now, ['append', *more], lines(a, b))


def sign(now):
    return (now, ['checkpoint', '-k', 'KEY'], b'')


SCENARIOS = [
    Scenario('append', [append('00:00:10', 0, 20)], '00:00:20', ['append', '--sync=each'], lines(20, 24)),
    Scenario('batch', [append('00:00:10', 0, 20)], '00:00:20', ['append'], lines(20, 90)),
    Scenario('roll', [append('00:00:10', 0, 253)], '00:00:20', ['append', '--sync=each'], lines(253, 257)),
    Scenario('rolls', [append('00:00:10', 0, 300)], '00:00:20', ['append'], lines(300, 1100)),
    Scenario('many', [append('00:00:10', 0, 300)], '00:00:20', ['append'], lines(300, 3000)),
    Scenario('epoch', [append('00:00:10', 0, 20)], '00:05:20', ['append', '--sync=each'], lines(20, 22)),
    Scenario('epochs', [append('00:00:10', 0, 20)], '00:48:00', ['append'], lines(20, 22)),
    Scenario('epoch+roll', [append('00:00:10', 0, 254)], '00:05:20', ['append', '--sync=each'], lines(254, 257)),
    Scenario('clock', [append('00:20:00', 0, 20)], '00:10:00', ['append', '--sync=each'], lines(20, 22)),
    Scenario('checkpoint', [append('00:00:10', 0, 20)], '00:00:20', ['checkpoint', '-k', 'KEY']),
    Scenario('checkpoint2', [append('00:00:10', 0, 200), sign('00:00:10'), append('00:00:20', 200, 600)], '00:05:30',
             ['checkpoint', '-k', 'KEY']),
    Scenario('prune', [append('00:00:10', 0, 1100), sign('00:00:20')], '00:00:30',
             ['prune', '--below=1024', '--reason=test']),
    Scenario('level1', [append('00:00:10', 0, 65400), sign('00:00:20'), append('00:00:21', 65400, 65530)], '00:05:30',
             ['append', '--sync=each'], lines(65530, 65540)),
]


class Rig:
    def __init__(self, work):
        self.work, self.n = work, 0
        self.key = os.path.join(work, 'log.key')
        shutil.copy(os.path.join(HERE, 'keys/log.key'), self.key)
        os.chmod(self.key, 0o600)
        self.failures = []

    def command(self, log, now, args):
        return ['cb-audit', args[0], log] + [self.key if a == 'KEY' else a for a in args[1:]] + \
            (['--receipts'] if args[0] == 'append' else []) + ['--now=' + DAY + now + 'Z']

    def run(self, log, now, args, stdin=b'', inject=None, trace=None):
        cmd = self.command(log, now, args)
        if inject or trace:
            cmd = ['strace', '-f', '-o', trace or '/dev/null', '-e', 'trace=' + ','.join(CALLS)] + \
                (['-e', 'inject=' + inject] if inject else []) + cmd
        return subprocess.run(cmd, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)

    def template(self, s):
        log = os.path.join(self.work, 'template-' + s.name)
        if not os.path.exists(log):
            cmd = ['cb-audit', 'init', log, '--origin=example.org/faults', '-k', self.key, '--epochs=600',
                   '--now=' + DAY + '00:00:00Z']
            subprocess.run(cmd, check=True)
            for now, args, stdin in s.before:
                r = self.run(log, now, args, stdin)
                if r.returncode:
                    sys.exit('faults: %s: %s' % (s.name, r.stderr.decode()))
        return log

    def copy(self, s):
        self.n += 1
        log = os.path.join(self.work, 'log-%d' % self.n)
        # files of the tree are replaced, never written to: links will do
        subprocess.run(['cp', '-al', self.template(s), log], check=True)
        shutil.rmtree(log + '/state')
        shutil.copytree(self.template(s) + '/state', log + '/state')
        return log

    def calls(self, s, log):
        """Which calls touch the log: (call, number) of a run without faults."""
        trace = log + '.trace'
        r = self.run(log, s.now, s.args, s.stdin, trace=trace)
        if r.returncode:
            sys.exit('faults: %s: %s' % (s.name, r.stderr.decode()))
        seen, out, begun = {}, [], False
        for line in open(trace, errors='replace'):
            m = re.match(r'\d+ +(\w+)\((.*)', line)
            if not m:
                continue
            call = m.group(1)
            seen[call] = seen.get(call, 0) + 1
            # what the loader and the C library open and read is not ours
            begun = begun or (call == 'openat' and log in line)
            if begun and not (call == 'openat' and 'AT_FDCWD' in line and log not in line):
                out.append((call, seen[call]))
        os.unlink(trace)
        return out

    def receipts(self, s, out):
        """What was acknowledged: index -> line."""
        src, acked = s.stdin.decode().split('\n'), {}
        for line in out.decode().split('\n')[:-1]:
            m = re.fullmatch(r'\{"line":(\d+),"index":(\d+)\}', line)
            if m:
                acked[int(m.group(2))] = src[int(m.group(1)) - 1]
        return acked

    def check(self, s, log, what, acked, r):
        """The next to come recovers; then everything must be as it was said."""
        bad = []
        now = max(s.now, '00:10:00') if s.name != 'clock' else '00:30:00'
        more = self.run(log, now, ['append'], lines(900000, 900001))
        if more.returncode:
            bad.append('append afterwards: %d %s' % (more.returncode, more.stderr.decode().strip()))
        more2 = self.run(log, now, ['checkpoint', '-k', 'KEY'])
        if more2.returncode:
            bad.append('checkpoint afterwards: %d %s' % (more2.returncode, more2.stderr.decode().strip()))
        try:
            t = tlog.Log(log).load().check_entries(sealed=False)
            for i, line in acked.items():
                if i >= t.size or (t.entries[i] is not None and t.entries[i][46:] != line[1:].encode()):
                    bad.append('entry %d was acknowledged and is not there' % i)
            for i in random.sample(sorted(acked), min(2, len(acked))) + [t.size - 1]:
                p = subprocess.run(['cb-audit', 'prove', log, str(i)], stdout=subprocess.PIPE, check=False)
                head = p.stdout.decode().split('\n\n')[0].split('\n')[2:]
                if p.returncode or tlog.climb(i, t.size, t.leaves[i], [tlog.base64.b64decode(h) for h in head]) != \
                        t.checkpoint[2]:
                    bad.append('entry %d has no proof' % i)
            epoch = sum(b'"type":"cb.log.seal"' in (e or b'') for e in t.entries)
            seeds = [f for f in os.listdir(log + '/state') if f.startswith('seed.') and f != 'seed.new']
            if s.name != 'prune' and seeds != ['seed.%d' % epoch]:
                bad.append('epoch %d to come, and %s' % (epoch, seeds))
        except (tlog.Bad, AttributeError, OSError, ValueError) as e:
            bad.append('%s: %s' % (type(e).__name__, e))
        if bad:
            kept = os.path.join(self.work, 'failed-%d' % len(self.failures))
            shutil.copytree(log, kept, symlinks=True)
            self.failures.append('%s: %s: exit %d %s: %s (%s)' % (s.name, what, r.returncode,
                                                               r.stderr.decode().strip(), '; '.join(bad), kept))
            print('not ok - ' + self.failures[-1], flush=True)
        shutil.rmtree(log)

    def point(self, s, call, n, fault):
        log = self.copy(s)
        r = self.run(log, s.now, s.args, s.stdin, inject='%s:%s:when=%d' % (call, fault, n))
        what = '%s %d %s' % (call, n, fault)
        acked = self.receipts(s, r.stdout)
        if fault == 'error=EINTR' and call != 'openat' and r.returncode:
            self.failures.append('%s: %s: not tried again: %s' % (s.name, what, r.stderr.decode().strip()))
            print('not ok - ' + self.failures[-1], flush=True)
        if r.returncode == 0 and s.args[0] == 'append' and len(acked) != s.stdin.count(b'\n'):
            self.failures.append('%s: %s: exit 0 with %d receipts' % (s.name, what, len(acked)))
            print('not ok - ' + self.failures[-1], flush=True)
        self.check(s, log, what, acked, r)

    def pair(self, s, first, second):
        log = self.copy(s)
        r = self.run(log, s.now, s.args, s.stdin, inject='%s:signal=KILL:when=%d' % first)
        acked = self.receipts(s, r.stdout)
        # whoever comes next recovers, and fails at that
        again = Scenario(s.name, [], s.now, ['append', '--sync=each'], lines(800000, 800003))
        r2 = self.run(log, again.now, again.args, again.stdin, inject='%s:error=EIO:when=%d' % second)
        acked.update(self.receipts(again, r2.stdout))
        self.check(s, log, 'KILL at %s %d, then EIO at %s %d' % (first + second), acked, r2)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--points', type=int, default=0)
    p.add_argument('--pairs', type=int, default=500)
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--only')
    p.add_argument('--small', action='store_true')
    p.add_argument('--keep', action='store_true')
    o = p.parse_args()
    random.seed(o.seed)
    work = tempfile.mkdtemp(prefix='cb-faults.', dir=os.environ.get('TMPDIR') or
                            ('/dev/shm' if os.access('/dev/shm', os.W_OK) else None))
    rig = Rig(work)
    points, pairs = [], []
    for s in SCENARIOS:
        if (o.only and s.name != o.only) or (o.small and s.name == 'level1'):
            continue
        log = rig.copy(s)
        calls = rig.calls(s, log)
        shutil.rmtree(log)
        points += [(s, c, n, f) for c, n in calls for f in FAULTS]
        pairs.append((s, [c for c in calls if c[0] not in ('pread64', 'flock', 'writev')]))
    every = len(points)
    if o.points:
        points = random.sample(points, min(o.points, every))
    for i, (s, call, n, fault) in enumerate(points):
        rig.point(s, call, n, fault)
        if (i + 1) % 500 == 0:
            print('%d of %d points, %d failures' % (i + 1, len(points), len(rig.failures)), flush=True)
        if sys.stderr.isatty():
            print('\r%d of %d' % (i + 1, len(points)), end='', file=sys.stderr)
    for _ in range(o.pairs):
        s, calls = random.choice([x for x in pairs if x[1]])
        first = random.choice(calls)
        second = (random.choice(('pwrite64', 'fdatasync', 'fsync', 'renameat', 'unlinkat')), random.randint(1, 6))
        rig.pair(s, first, second)
    print('faults: %d points of %d, %d pairs, %d failures' % (len(points), every, o.pairs, len(rig.failures)))
    if not o.keep and not rig.failures:
        shutil.rmtree(work)
    else:
        print('kept: ' + work)
    return 1 if rig.failures else 0


if __name__ == '__main__':
    sys.exit(main())
