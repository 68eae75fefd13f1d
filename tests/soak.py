#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Many cameras recorded at once, for long: does memory grow, do descriptors, is anything lost?

    soak.py [--cameras N] [--seconds N] [--kbits N] [--keep]

Each camera is a pipeline of its own, as examples/cb-cameras makes them: a 1080p clip at its own pace through
cb-ingest into cb-record, all into one store. At half time one recorder is killed, and one
cb-ingest. At the end every other camera must have every packet, bit for bit, no GAP may be there,
and memory and descriptors of no kind of program may have grown since the first third. Needs
ffmpeg for the clip, and cameras x kbits x seconds / 8 of disk."""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time


def run(*argv, **kw):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **kw)


def clip(path, seconds, kbits):
    """Noise that codes to the rate; ten seconds, again and again."""
    part = path + '.part.mp4'
    p = run('ffmpeg', '-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=s=1920x1080:r=25,noise=alls=20:allf=t', '-t', '10', '-c:v',
            'libx264', '-preset', 'ultrafast', '-b:v', '%dk' % kbits, '-maxrate', '%dk' % kbits, '-bufsize', '%dk' % kbits,
            '-g', '50', '-bf', '0', part)
    if p.returncode == 0:
        p = run('ffmpeg', '-v', 'error', '-stream_loop', str(seconds // 10), '-i', part, '-c', 'copy', '-t', str(seconds), path)
    if p.returncode:
        sys.exit('soak: ffmpeg: ' + p.stderr.decode())
    os.unlink(part)


def look(pid):
    """(anonymous KiB, descriptors, CPU ticks, PSS in KiB) of a process, None where it is gone. It is
    anonymous memory that leaks; the share of libraries changes with who else runs."""
    try:
        with open('/proc/%d/smaps_rollup' % pid, encoding='ascii') as f:
            kib = dict((x.split(':')[0], int(x.split()[1])) for x in list(f)[1:])
        with open('/proc/%d/stat' % pid, encoding='utf-8', errors='replace') as f:
            stat = f.read().rsplit(')', 1)[1].split()
        return kib['Anonymous'], len(os.listdir('/proc/%d/fd' % pid)), int(stat[11]) + int(stat[12]), kib['Pss']
    except (OSError, IndexError):
        return None


def slope(points):
    """Least squares, per minute, of (seconds, value)."""
    n = len(points)
    mx, my = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    d = sum((x - mx) ** 2 for x, _ in points)
    return 60 * sum((x - mx) * (y - my) for x, y in points) / d if d else 0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--cameras', type=int, default=64)
    p.add_argument('--seconds', type=int, default=600)
    p.add_argument('--kbits', type=int, default=4000)
    p.add_argument('--keep', action='store_true')
    o = p.parse_args()
    for tool in ('ffmpeg', 'cb-ingest', 'cb-record'):
        if not shutil.which(tool):
            sys.exit('soak: no ' + tool)
    work = tempfile.mkdtemp(prefix='cb-soak.', dir=os.environ.get('TMPDIR'))
    film, store = work + '/clip.mp4', work + '/store'
    clip(film, o.seconds, o.kbits)
    want = run('bash', '-c', 'cb-ingest "$0" | cb-frame hash', film).stdout.decode().splitlines()
    want = [x.rsplit(' data=', 1)[1] + ' ' + x.split()[3] for x in want if ' video ' in x]
    print('clip: %.1f MB, %s' % (os.path.getsize(film) / 1e6, want[0].split()[1]), flush=True)
    pipes = []
    for i in range(o.cameras):
        a = subprocess.Popen(['cb-ingest', '--realtime', '--camera=cam%d' % i, film], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        b = subprocess.Popen(['cb-record', store], stdin=a.stdout, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        a.stdout.close()
        pipes.append((a, b))
    begun, points, load, hurt = time.monotonic(), {'cb-ingest': [], 'cb-record': []}, {}, False
    kinds = {'cb-ingest': [a for a, _ in pipes[2:]], 'cb-record': [b for _, b in pipes[2:]]}
    while any(b.poll() is None for _, b in pipes):
        t = time.monotonic() - begun
        if t > o.seconds + 120:
            print('not ok - it does not end')
            break
        if not hurt and t > o.seconds / 2 and o.cameras > 2:
            pipes[0][1].kill()
            pipes[1][0].kill()
            hurt = True
        if t < o.seconds - 2:
            for kind, ps in kinds.items():
                seen = [look(x.pid) for x in ps]
                if all(seen):
                    points[kind].append((t, sum(s[0] for s in seen), sum(s[1] for s in seen),
                                         sum(s[3] for s in seen)))
                    load[kind] = sum(s[2] for s in seen) / os.sysconf('SC_CLK_TCK') / t / len(ps)
        time.sleep(min(5, max(.2, o.seconds / 60)))
    bad = 0
    for kind, ps in points.items():
        late = [x for x in ps if x[0] > o.seconds / 3]
        n = o.cameras - 2
        kib, fds = slope([(x[0], x[1]) for x in late]), slope([(x[0], x[2]) for x in late])
        grew = kib / n > 16 or abs(fds) > .01
        bad += grew
        print('%sok - %s: %.1f MiB and %.1f descriptors each, growing by %.2f KiB and %.3f descriptors a minute; %.2f %% of a core' % (
            'not ' if grew else '', kind, late[-1][3] / 1024 / n, late[-1][2] / n, kib / n, fds / n, 100 * load[kind]),
            flush=True)
    lost = []
    for i in range(2, o.cameras):
        a, b = pipes[i]
        for q in (a, b):
            text = q.stderr.read().decode().strip()
            if q.wait() or text:
                lost.append('cam%d: exit %d %s' % (i, q.returncode, text))
        got = run('bash', '-c', 'cb-replay "$0" --camera="$1" | cb-frame hash', store, 'cam%d' % i).stdout.decode()
        got = [x.rsplit(' data=', 1)[1] + ' ' + x.split()[3] for x in got.splitlines() if ' video ' in x]
        if got != want:
            lost.append('cam%d: %s' % (i, got))
        gaps = run('cb-query', store, 'gaps', '--camera=cam%d' % i, '--format=ndjson').stdout.decode().strip()
        if gaps:
            lost.append('cam%d: %s' % (i, json.loads(gaps.splitlines()[0])))
    print('%sok - %d cameras have every packet, bit for bit, though two pipelines were killed beside them' % (
        'not ' if lost else '', o.cameras - 2 - len(lost)))
    for x in lost[:10]:
        print('  ' + x)
    for x in pipes[0] + pipes[1]:
        if x.poll() is None:
            x.send_signal(signal.SIGKILL)
    if o.keep:
        print('kept: ' + work)
    else:
        shutil.rmtree(work)
    return 1 if bad or lost else 0


if __name__ == '__main__':
    sys.exit(main())
