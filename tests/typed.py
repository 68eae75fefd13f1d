#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A person at a terminal: typed.py WORD... -- COMMAND...

Runs the command with a terminal of its own and types one WORD and Enter at each prompt (what ends
in ": "). WORD ^C is that key alone. What the terminal showed goes to stdout; the status is the
command's (128 and the signal's number). It says on stderr where a WORD was shown, or the terminal
is left without echo."""
import os
import pty
import select
import signal
import sys
import termios
import time

at = sys.argv.index('--')
words, command = sys.argv[1:at], sys.argv[at + 1:]
parent, child = pty.openpty()
pid = os.fork()
if pid == 0:
    os.close(parent)
    os.setsid()
    # the first terminal that is opened becomes the controlling one
    os.close(os.open(os.ttyname(child), os.O_RDWR))
    null = os.open('/dev/null', os.O_RDONLY)
    os.dup2(null, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execvp(command[0], command)
shown, done, end = b'', 0, time.monotonic() + 60
while True:
    ready = select.select([parent], [], [], 0.1)[0]
    if ready:
        try:
            shown += os.read(parent, 4096)
        except OSError:
            break
    if done < len(words) and shown.count(b': ') > done and shown.endswith(b': '):
        done += 1
        w = words[done - 1]
        os.write(parent, b'\x03' if w == '^C' else w.encode() + b'\n')
    if time.monotonic() > end:
        os.kill(pid, signal.SIGKILL)
    gone, status = os.waitpid(pid, os.WNOHANG)
    if gone:
        while select.select([parent], [], [], 0)[0]:
            shown += os.read(parent, 4096)
        break
sys.stdout.buffer.write(shown)
for w in words:
    if w and w != '^C' and w.encode() in shown:
        sys.stderr.write('typed.py: the terminal showed a word\n')
if not termios.tcgetattr(child)[3] & termios.ECHO:
    sys.stderr.write('typed.py: the terminal has no echo any more\n')
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
