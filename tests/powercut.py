# SPDX-License-Identifier: Apache-2.0
"""What a program did to the files under a directory, from strace, as a list of operations, and
the trees that a power cut can leave of them.

The model is the weakest that POSIX allows: what was written to a file is on the disk once that
file was synced, a name once its directory was. Of everything since, any part may be there, whole,
torn, or, where a file grew, as zeros; what is written over is torn between sectors of 512 bytes."""
import os
import re
import subprocess

CALLS = ('open,openat,creat,mkdir,mkdirat,write,writev,pwrite64,pwritev,pwritev2,ftruncate,truncate,fallocate,rename,'
         'renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,symlink,symlinkat,fsync,fdatasync,sync,syncfs,'
         'sync_file_range,fchmod,dup,dup2,dup3,fcntl,close,copy_file_range,sendfile,splice,msync')
LINE = re.compile(r'(\d+) +(\w+)\((.*)\) += (-?\d+|0x[0-9a-f]+)(?:<.*)?(?: .*)?$')
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
FD = re.compile(r'(\d+|AT_FDCWD)(?:<((?:\\x[0-9a-f]{2})*|[^>]*)>)?')


def unhex(s):
    return bytes.fromhex(s.replace('\\x', ''))


class Unknown(Exception):
    """The program did something that the model has no idea of."""


class Trace:
    """Run a command under strace; ops says what it did below root, in order:

    ('mkdir', inode, dir, name)     ('create', inode, dir, name)    ('link', inode, dir, name)
    ('rename', dir, name, dir2, name2)                              ('unlink', dir, name)
    ('write', inode, offset, bytes) ('truncate', inode, size)       ('grow', inode, size)
    ('mode', inode, bits)           ('inode', inode): a file without a name
    ('sync', inode)                 ('syncdir', dir)                ('out', bytes)

    Directories and files are inodes, numbers; 0 is root. tree holds what was there before."""

    def __init__(self, root, argv, stdin=b'', env=None, cwd=None):
        self.root = os.path.realpath(root).encode()
        self.ops, self.tree = [], Tree()
        self.names = {}                         # path of a directory -> inode
        self.size = {}                          # as the program has left it so far
        self.now = None
        self.load()
        log = root + '.strace'
        p = subprocess.run(['strace', '-f', '-y', '-xx', '-s', '100000000', '-e', 'trace=' + CALLS, '-o', log] + argv,
                           input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=cwd, check=False)
        self.code, self.out, self.err = p.returncode, p.stdout, p.stderr
        self.fds = {1: ['out', True, 0]}        # fd -> [inode, append, offset]
        halves = {}
        with open(log, encoding='ascii', errors='replace') as f:
            for line in f:
                line = line.rstrip('\n')
                if line.endswith('<unfinished ...>'):
                    pid, rest = line.split(None, 1)
                    halves[pid] = rest[:-len(' <unfinished ...>')]
                    continue
                m = re.match(r'(\d+) +<\.\.\. \w+ resumed>(.*)', line)
                if m:
                    line = m.group(1) + ' ' + halves.pop(m.group(1)) + m.group(2)
                m = LINE.match(line)
                if m and not m.group(4).startswith('-'):
                    self.call(m.group(2), m.group(3), int(m.group(4), 0))
        os.unlink(log)

    def load(self):
        """What is there already is on the disk."""
        root = self.root.decode()
        self.names[self.root] = 0
        for top, dirs, files in os.walk(root):
            d = self.names[top.encode()]
            for name in sorted(dirs):
                n = self.tree.new()
                self.tree.dirs[n] = {}
                self.tree.dirs[d][name.encode()] = n
                self.names[os.path.join(top, name).encode()] = n
            for name in sorted(files):
                path = os.path.join(top, name)
                n = self.tree.new()
                with open(path, 'rb') as f:
                    self.tree.data[n] = bytearray(f.read())
                self.tree.mode[n] = os.stat(path).st_mode & 0o777
                self.tree.dirs[d][name.encode()] = n
                self.size[n] = len(self.tree.data[n])
        self.now = self.tree.copy()

    def where(self, at, path):
        """(directory's inode, name) of a path, or None where it is not ours."""
        if not path.startswith(b'/'):
            m = FD.match(at)
            base = m.group(2) or ''
            base = unhex(base) if base.startswith('\\x') else base.encode()
            path = os.path.normpath(base + b'/' + path)
        path = os.path.normpath(path)
        if path == self.root:
            return (None, b'')
        d = self.names.get(os.path.dirname(path))
        return None if d is None else (d, os.path.basename(path))

    def do(self, *op):
        self.ops.append(op)
        self.now.apply(op)

    def inode(self, d, name):
        return self.now.dirs[d].get(name)

    def opened(self, fd, args, strings, at):
        w = self.where(at, strings[0])
        self.fds.pop(fd, None)
        if w is None:
            return
        d, name = w
        n = 0 if d is None else self.inode(d, name)
        tmp = 'O_TMPFILE' in args
        if tmp or n is None:
            if not tmp and 'O_CREAT' not in args:
                raise Unknown('opened what is not there: %s' % strings[0])
            n = self.now.new()
            self.size[n] = 0
            self.do('inode', n) if tmp else self.do('create', n, d, name)
        elif 'O_TRUNC' in args and self.size.get(n):
            self.size[n] = 0
            self.do('truncate', n, 0)
        self.fds[fd] = [n, 'O_APPEND' in args, 0]

    def wrote(self, fd, data, offset=None):
        if fd not in self.fds:
            return
        f = self.fds[fd]
        n = f[0]
        if n == 'out':
            self.do('out', data)
            return
        if offset is None:
            offset = self.size[n] if f[1] else f[2]
            f[2] = offset + len(data)
        self.do('write', n, offset, data)
        self.size[n] = max(self.size[n], offset + len(data))

    def call(self, name, args, ret):  # noqa: C901 (a table of system calls)
        strings = [unhex(s) for s in STRING.findall(args)]
        m = FD.match(args)
        fd = int(m.group(1)) if m and m.group(1) != 'AT_FDCWD' else None
        rest = args.split(', ')
        if name in ('open', 'creat'):
            self.opened(ret, args, strings, 'AT_FDCWD')
        elif name == 'openat':
            self.opened(ret, args, strings, args)
        elif name in ('mkdir', 'mkdirat'):
            w = self.where('AT_FDCWD' if name == 'mkdir' else args, strings[0])
            if w and w[0] is not None:
                n = self.now.new()
                self.do('mkdir', n, *w)
                path = [p for p, i in self.names.items() if i == w[0]][0]
                self.names[path + b'/' + w[1]] = n
        elif name in ('write', 'writev'):
            self.wrote(fd, b''.join(strings)[:ret])
        elif name in ('pwrite64', 'pwritev', 'pwritev2'):
            at = rest[-2] if name == 'pwritev2' else rest[-1]
            self.wrote(fd, b''.join(strings)[:ret], int(at, 0))
        elif name == 'ftruncate':
            if fd in self.fds:
                n = self.fds[fd][0]
                self.size[n] = int(rest[-1], 0)
                self.do('truncate', n, self.size[n])
        elif name == 'fallocate':
            if fd in self.fds and 'KEEP_SIZE' not in args:
                n = self.fds[fd][0]
                end = int(rest[-2], 0) + int(rest[-1], 0)
                if end > self.size[n]:
                    self.size[n] = end
                    self.do('grow', n, end)
        elif name in ('rename', 'renameat', 'renameat2'):
            second = args.split('"')[2].lstrip(', ')
            a = self.where('AT_FDCWD' if name == 'rename' else args, strings[0])
            b = self.where('AT_FDCWD' if name == 'rename' else second, strings[1])
            if (a is None) != (b is None):
                raise Unknown('renamed into or out of the tree')
            if a:
                self.do('rename', *a, *b)
        elif name in ('unlink', 'unlinkat', 'rmdir'):
            w = self.where('AT_FDCWD' if name != 'unlinkat' else args, strings[0])
            if w:
                self.do('unlink', *w)
        elif name in ('link', 'linkat'):
            second = args.split('"')[2].lstrip(', ')
            b = self.where('AT_FDCWD' if name == 'link' else second, strings[1])
            if b:
                m2 = re.fullmatch(rb'/proc/self/fd/(\d+)', strings[0])
                if m2:
                    n = self.fds[int(m2.group(1))][0]
                elif not strings[0]:
                    n = self.fds[fd][0]
                else:
                    a = self.where('AT_FDCWD' if name == 'link' else args, strings[0])
                    n = self.inode(*a)
                self.do('link', n, *b)
        elif name == 'fchmod':
            if fd in self.fds and self.fds[fd][0] in self.now.data:
                self.do('mode', self.fds[fd][0], int(rest[-1], 8))
        elif name in ('fsync', 'fdatasync'):
            if fd in self.fds and self.fds[fd][0] != 'out':
                n = self.fds[fd][0]
                self.do('syncdir' if n in self.now.dirs else 'sync', n)
        elif name in ('sync', 'syncfs'):
            for n in list(self.now.data):
                self.do('sync', n)
            for n in list(self.now.dirs):
                self.do('syncdir', n)
        elif name in ('dup', 'dup2', 'dup3') or (name == 'fcntl' and 'F_DUPFD' in args):
            self.fds.pop(ret, None)
            if fd in self.fds:
                self.fds[ret] = self.fds[fd]
        elif name == 'close':
            self.fds.pop(fd, None)
        elif name in ('copy_file_range', 'sendfile', 'splice', 'msync', 'truncate', 'symlink', 'symlinkat') and \
                any(f in self.fds for f in [int(x) for x in re.findall(r'\b(\d+)<', args)]):
            raise Unknown(name)


class Tree:
    """Directories and files by inode."""

    def __init__(self):
        self.dirs, self.data, self.mode, self.next = {0: {}}, {}, {}, 1

    def new(self):
        self.next += 1
        return self.next - 1

    def copy(self):
        t = Tree()
        t.dirs = {n: dict(d) for n, d in self.dirs.items()}
        t.data = {n: bytearray(b) for n, b in self.data.items()}
        t.mode, t.next = dict(self.mode), self.next
        return t

    def apply(self, op, how=None):
        """how: None whole; ('zero',) the bytes are zeros; ('torn', n) the first n alone are there."""
        kind = op[0]
        if kind == 'write':
            _, n, at, data = op
            if n not in self.data:
                return
            b = self.data[n]
            if how and how[0] == 'zero':
                # what was never written to reads as zeros; what was has its old bytes
                data = bytes(b[at:at + len(data)]) + bytes(max(0, at + len(data) - max(at, len(b))))
            elif how:
                # in the middle of a file a disk writes whole sectors
                cut = at + how[1]
                data = data[:max(0, (cut if cut > len(b) else cut - cut % 512) - at)]
            if len(b) < at:
                b.extend(bytes(at - len(b)))
            b[at:at + len(data)] = data
        elif kind in ('truncate', 'grow'):
            _, n, size = op
            b = self.data.setdefault(n, bytearray())
            if size < len(b) and kind == 'truncate':
                del b[size:]
            elif size > len(b):
                b.extend(bytes(size - len(b)))
        elif kind == 'mode':
            self.mode[op[1]] = op[2]
        elif kind == 'inode':
            self.data.setdefault(op[1], bytearray())
        elif kind in ('create', 'link'):
            _, n, d, name = op
            self.data.setdefault(n, bytearray())
            if d in self.dirs:
                self.dirs[d][name] = n
        elif kind == 'mkdir':
            _, n, d, name = op
            self.dirs.setdefault(n, {})
            if d in self.dirs:
                self.dirs[d][name] = n
        elif kind == 'rename':
            _, d, name, d2, name2 = op
            n = self.dirs.get(d, {}).pop(name, None)
            if n is not None and d2 in self.dirs:
                self.dirs[d2][name2] = n
        elif kind == 'unlink':
            self.dirs.get(op[1], {}).pop(op[2], None)

    def write(self, root):
        """As files below root, which is made."""
        def put(path, n):
            os.mkdir(path, 0o750)
            for name, i in self.dirs[n].items():
                p = path + b'/' + name
                if i in self.dirs:
                    put(p, i)
                elif i in done:
                    os.link(done[i], p)
                else:
                    fd = os.open(p, os.O_WRONLY | os.O_CREAT | os.O_EXCL, self.mode.get(i, 0o640))
                    os.write(fd, self.data[i])
                    os.close(fd)
                    done[i] = p
        done = {}
        put(root.encode(), 0)

    def files(self, suffix):
        """The bytes of the files that have such names and can be reached."""
        def look(n):
            for name, i in self.dirs[n].items():
                if i in self.dirs:
                    look(i)
                elif name.decode().endswith(suffix):
                    found.append(bytes(self.data[i]))
        found = []
        look(0)
        return found

    def key(self):
        """Equal for equal trees of files."""
        def look(n):
            return tuple(sorted((name, look(i) if i in self.dirs else bytes(self.data[i]))
                                for name, i in self.dirs[n].items()))
        return hash(look(0))


def unsynced(ops, end):
    """Which of ops[:end] are not known to be on the disk."""
    synced, out = set(), []
    for i in range(end - 1, -1, -1):
        op = ops[i]
        if op[0] in ('sync', 'syncdir'):
            synced.add(op[1])
        elif op[0] in ('write', 'truncate', 'grow', 'mode'):
            if op[1] not in synced:
                out.append(i)
        elif op[0] in ('create', 'mkdir', 'link'):
            if op[2] not in synced:
                out.append(i)
        elif op[0] == 'rename':
            if op[1] not in synced or op[3] not in synced:
                out.append(i)
        elif op[0] == 'unlink' and op[1] not in synced:
            out.append(i)
    return out[::-1]


def crash(trace, end, skip=(), how=None):
    """The tree after a cut before ops[end], where the ops of skip never reached the disk and those
    of how did as it says."""
    t, skip = trace.tree.copy(), frozenset(skip)
    for i in range(end):
        if i not in skip:
            t.apply(trace.ops[i], (how or {}).get(i))
    return t


def states(trace, rng, rounds=8):
    """(description, end, skip, how) for crash(): every prefix, whole and without what was not synced,
    and of what was not synced each operation alone, each missing, zeros for it, torn, and random
    mixtures. Different ones may come to the same tree."""
    ops = trace.ops
    for end in range(len(ops) + 1):
        pending = unsynced(ops, end)
        yield 'all', end, (), None
        if pending:
            yield 'synced only', end, pending, None
        for i in pending:
            name, others = '%d %s' % (i, ops[i][0]), [j for j in pending if j != i]
            yield 'without ' + name, end, [i], None
            yield 'only ' + name, end, others, None
            if ops[i][0] == 'write' and ops[i][3]:
                n = len(ops[i][3])
                yield 'zeros for ' + name, end, (), {i: ('zero',)}
                for cut in sorted({n // 2, n - n % 512, n - 1, *(rng.randrange(n) for _ in range(3))}):
                    yield '%s torn at %d' % (name, cut), end, (), {i: ('torn', cut)}
                    yield 'only %s torn at %d' % (name, cut), end, others, {i: ('torn', cut)}
        for _ in range(rounds if len(pending) > 2 else 0):
            skip = [i for i in pending if rng.random() < .5]
            how = {}
            for i in pending:
                if i not in skip and ops[i][0] == 'write' and rng.random() < .5:
                    how[i] = ('zero',) if rng.random() < .5 else ('torn', rng.randrange(len(ops[i][3]) + 1))
            yield 'a mixture', end, skip, how


def durable(trace, end):
    """What must be there, whatever else is: the tree of what was synced, and what was said on stdout."""
    t = crash(trace, end, unsynced(trace.ops, end))
    return t, b''.join(op[1] for op in trace.ops[:end] if op[0] == 'out')
