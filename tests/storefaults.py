#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Faults at every system call of those who write to a store, by strace's injection.

    storefaults.py [--points N] [--seed N] [--only WORKLOAD] [--keep]

Each point is one system call of one workload (storework.py) that is killed, or fails with EIO,
ENOSPC or EINTR. After each: an exit status that tells, one line that says why, nothing that was
acknowledged is lost, and the next program puts the store in order. A call that was only interrupted
is made again, and nobody notices. --points takes so many at random (0: all)."""
import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import storework  # noqa: E402

WRITES = ('write', 'writev', 'pwrite64', 'fsync', 'fdatasync', 'mkdir', 'mkdirat', 'renameat', 'renameat2', 'unlinkat',
          'linkat', 'ftruncate', 'fallocate', 'fchmod')
READS = ('openat', 'read', 'pread64', 'newfstatat', 'getdents64', 'faccessat2', 'flock')
INTERRUPTED = ('write', 'writev', 'pwrite64', 'fsync', 'fdatasync', 'openat', 'read', 'pread64', 'ftruncate',
               'fallocate', 'flock')
# 1: prune, something has to stay; 65: no end, as the workload has it; 73, 74, 77: could not make, I/O, not permitted
TOLD = (1, 65, 73, 74, 75, 77)

WORKLOADS = [
    storework.Record('record', 'IPPIPPIPPSIPPIPPGIPPSIPPIPPSIPPSIPAPIPPSIPPIPPSIPPSIPPGIPPSIPPE', '--sync-interval=0'),
    storework.Record('lazy', 'IPPIPPIPPIPPSIPPIPPIPPSIPPIPPSIPPGIPPSIPPSIPPE'),
    storework.Record('recover', 'IPPIPPSIPPSIPPIPPSIPPE', '--sync-interval=0', before=storework.killed),
    storework.Record('logged', 'IPPIPPSIPPIPPSIPPSIPPSIPPIPPE', '--sync-interval=0', log=True),
    storework.Record('sealed', 'IPPIPPSIPPIPPSIPPSIPPE', '--sync-interval=0', sealed=True),
    storework.Put(), storework.Prune(), storework.Hold(), storework.Forget(),
]


class Rig:
    def __init__(self, work):
        self.work, self.failures, self.n = work, [], 0

    def strace(self, w, root, *more):
        return subprocess.run(['strace', '-f', '-o', *more, *w.argv(root)], input=w.stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False)

    def copy(self, w):
        """The work is always done under one name, as names may be in what it writes."""
        root = self.work + '/' + w.name
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run(['cp', '-a', root + '.before', root], check=True)
        return root

    def calls(self, w):
        """(call, its number) of all that a run makes in its tree or of its input, once it has begun there."""
        root, trace = self.copy(w), self.work + '/trace'
        r = self.strace(w, root, trace, '-y', '-e', 'trace=' + ','.join(WRITES + READS))
        if r.returncode:
            sys.exit('storefaults: %s: %d %s' % (w.name, r.returncode, r.stderr.decode()))
        seen, out = {}, []
        for line in open(trace, encoding='utf-8', errors='replace'):
            m = re.match(r'\d+ +(\w+)\((.*)', line)
            if m:
                seen[m.group(1)] = seen.get(m.group(1), 0) + 1
                if root + '/' in line or root + '"' in line or root + '>' in line or \
                        re.match(r'\d+ +(read\(0<|writev?\(\d+<pipe)', line):
                    out.append((m.group(1), seen[m.group(1)]))
        os.unlink(trace)
        return out

    def point(self, w, call, n, fault):
        root = self.copy(w)
        r = self.strace(w, root, '/dev/null', '-e', 'trace=' + call, '-e', 'inject=%s:%s:when=%d' % (call, fault, n))
        bad = []
        lines = r.stderr.decode().splitlines()
        if fault == 'error=EINTR':
            if r.returncode:
                bad.append('not tried again')
        elif fault != 'signal=KILL':
            if r.returncode not in TOLD + (0,):
                bad.append('this exit status says nothing')
            if r.returncode and (not lines or len([x for x in lines if ' warning: ' not in x]) > 1):
                bad.append('%d lines' % len(lines))
        needed = storework.named(storework.stored(root)[1].values())
        if r.returncode == 0:
            needed = max(needed, len(getattr(w, 'came', ())))
        # where it failed, and said so, what came out may speak of what it was about to do
        said = b'' if r.returncode > 0 else r.stdout
        bad += w.at_once(root, said) + w.check(root, needed, said)
        if bad:
            kept = '%s/failed-%d' % (self.work, len(self.failures))
            os.rename(root, kept)
            self.failures.append('%s: %s %d %s: exit %d %s: %s (%s)' % (
                w.name, call, n, fault, r.returncode, ' / '.join(lines), '; '.join(bad), kept))
            print('not ok - ' + self.failures[-1], flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--points', type=int, default=0)
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--only')
    p.add_argument('--keep', action='store_true')
    o = p.parse_args()
    random.seed(o.seed)
    work = tempfile.mkdtemp(prefix='cb-storefaults.', dir=os.environ.get('TMPDIR') or
                            ('/dev/shm' if os.access('/dev/shm', os.W_OK) else None))
    rig, points = Rig(work), []
    for w in WORKLOADS:
        if o.only and w.name != o.only:
            continue
        w.prepare(work + '/' + w.name)
        os.rename(work + '/' + w.name, work + '/' + w.name + '.before')
        calls = rig.calls(w)
        mine = [(w, c, n, f) for c, n in calls for f in ('signal=KILL', 'error=EIO', 'error=ENOSPC', 'error=EINTR')
                if (f != 'error=EINTR' or c in INTERRUPTED) and (f != 'error=ENOSPC' or c in WRITES + ('openat',))]
        print('%s: %d calls, %d points' % (w.name, len(calls), len(mine)), flush=True)
        points += mine
    every = len(points)
    if o.points and o.points < every:
        points = random.sample(points, o.points)
    for i, point in enumerate(points):
        rig.point(*point)
        if sys.stderr.isatty():
            print('\r%d of %d' % (i + 1, len(points)), end='', file=sys.stderr)
    print('storefaults: %d points of %d, %d failures' % (len(points), every, len(rig.failures)))
    if o.keep or rig.failures:
        print('kept: ' + work)
    else:
        shutil.rmtree(work)
    return 1 if rig.failures else 0


if __name__ == '__main__':
    sys.exit(main())
