#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What power cuts can leave of a store, and whether the next program puts it in order.

    crashstates.py [--states N] [--seed N] [--only WORKLOAD] [--keep]

Each workload is run once under strace; from its system calls come the states of the disk that a
power cut at any moment may leave (powercut.py). In each of them
- the next recorder of the camera starts, and says what it recovered; the store is then sound;
- every fragment whose line and bytes were synced is there, and what is replayed is what came, from
  the beginning, without a hole that is not told of; what was synced less than a group of pictures ago
  is all that may be lost;
- what standard output had acknowledged - segments, events, holds, deletions - is so;
- a log (--log) verifies, and says of no segment what is not so.
--states takes so many cuts at random (0: all); cuts that come to the same state count once."""
import argparse
import os
import random
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cbstore  # noqa: E402
import powercut  # noqa: E402
import storework  # noqa: E402

WORKLOADS = [
    storework.Record('record', 'IPPIPPIPPSIPPIPPGIPPSIPAPIPPSIPPIPPE', '--sync-interval=0'),
    storework.Record('lazy', 'IPPIPPIPPIPPSIPPIPPIPPSIPPGIPPIPPSIAPIPPIPPE', '--sync-interval=1h'),
    storework.Record('recover', 'IPPIPPE', '--sync-interval=0', before=storework.killed),
    storework.Record('logged', 'IPPIPPSIPPE', '--sync-interval=0', log=True),
    storework.Record('sealed', 'IPPIPPSIPPIPPSIPPE', '--sync-interval=0', sealed=True),
    storework.Put(), storework.Prune(), storework.Hold(), storework.Forget(),
]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--states', type=int, default=0)
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--only')
    p.add_argument('--keep', action='store_true')
    o = p.parse_args()
    rng = random.Random(o.seed)
    work = tempfile.mkdtemp(prefix='cb-crashstates.', dir=os.environ.get('TMPDIR') or
                            ('/dev/shm' if os.access('/dev/shm', os.W_OK) else None))
    total, failures = 0, []
    todo = []
    for w in WORKLOADS:
        if o.only and w.name != o.only:
            continue
        root = os.path.join(work, w.name)
        w.prepare(root)
        t = powercut.Trace(root, w.argv(root), w.stdin)
        if t.code:
            sys.exit('crashstates: %s: %d %s' % (w.name, t.code, t.err.decode()))
        # the model must know everything that was done: what it has at the end is what is there
        shutil.rmtree(work + '/whole', ignore_errors=True)
        powercut.crash(t, len(t.ops)).write(work + '/whole')
        d = storework.run('diff', '-r', root, work + '/whole')
        if d.returncode:
            sys.exit('crashstates: %s: the model is not what is there: %s' % (w.name, d.stdout.decode()[:500]))
        every = list(powercut.states(t, rng))
        print('%s: %d operations, %d cuts' % (w.name, len(t.ops), len(every)), flush=True)
        todo += [(w, t) + s for s in every]
    every = len(todo)
    if o.states and o.states < every:
        todo = rng.sample(todo, o.states)
    seen, promised = set(), (None, None, None)
    for w, t, what, end, skip, how in todo:
        tree = powercut.crash(t, end, skip, how)
        if promised[0] != (w.name, end):
            promised = ((w.name, end),) + powercut.durable(t, end)
        sure, said = promised[1:]
        # one tree is good or bad by what had been promised before it came about
        key = (w.name, tree.key(), sure.key(), len(said))
        if key in seen:
            continue
        seen.add(key)
        root = os.path.join(work, 'state')
        shutil.rmtree(root, ignore_errors=True)
        tree.write(root)
        bad = w.at_once(root, said) + w.check(root, storework.named(sure.files('.manifest')), said)
        total += 1
        if bad:
            kept = os.path.join(work, 'failed-%d' % len(failures))
            tree.write(kept)
            failures.append('%s: cut before operation %d, %s: %s (%s)' % (w.name, end, what, '; '.join(bad), kept))
            print('not ok - ' + failures[-1], flush=True)
        elif total % 97 == 0 and isinstance(w, storework.Record) and not w.sealed:
            try:
                for c in cbstore.cameras(root + '/S'):
                    for s in cbstore.segments(root + '/S', c):
                        list(s.load())
            except cbstore.Bad as e:
                failures.append('%s: %d, %s: an independent reader says: %s' % (w.name, end, what, e))
                print('not ok - ' + failures[-1], flush=True)
        if sys.stderr.isatty():
            print('\r%d of %d cuts' % (total, len(todo)), end='', file=sys.stderr)
    print('crashstates: %d states, of %d cuts, %d failures' % (total, every, len(failures)))
    if o.keep or failures:
        print('kept: ' + work)
    else:
        shutil.rmtree(work)
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
