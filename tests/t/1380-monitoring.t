#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-record --metrics, and what it tells a service manager.
. "$CB_SRC/tests/lib.sh"
need_cmd jq
PATH=$CB_BUILD/aid:$PATH

# --- metrics
cat >prom.py <<'END'
"""Prometheus's text format 0.0.4, from its page: exit 1 with a line for what is not in it."""
import re, sys
seen, kinds, helped, bad = set(), {}, set(), []
text = open(sys.argv[1]).read()
if not text.endswith("\n"):
    bad.append("no line feed at the end")
for n, line in enumerate(text.splitlines(), 1):
    m = re.fullmatch(r"# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)", line)
    if m and m[1] == "HELP":
        helped.add(m[2])
    elif m:
        kinds[m[2]] = m[3]
        if m[3] not in ("counter", "gauge"):
            bad.append(f"{n}: type {m[3]}")
        if (m[3] == "counter") != m[2].endswith("_total"):
            bad.append(f"{n}: {m[2]} is a {m[3]}")
    elif not line.startswith("#"):
        m = re.fullmatch(r'([a-z_]+)(\{[a-z_]+="[^"\\]*"(?:,[a-z_]+="[^"\\]*")*\}) ([0-9.]+)', line)
        if not m or m[1] not in kinds or m[1] not in helped or m[1] + m[2] in seen:
            bad.append(f"{n}: {line}")
        else:
            seen.add(m[1] + m[2])
            float(m[3])
print("\n".join(bad) or len(seen))
sys.exit(bool(bad))
END
value() { sed -n "s/^cb_record_$1{camera=\"cam1\"} //p" m.prom; }
script=IPPPPPPPPPPPPGPPPPPPPPPPPPPIPPPPPPPPPPPPPPPPPPPE
mkstream -l -n 400 $script >live.cbf
exits 0 cb-record S --metrics m.prom <live.cbf
exits 0 /usr/bin/python3 prom.py m.prom
ok "they are the totals of the last event" '[ "$(value packets_total) $(value bytes_total) $(value segments_total) $(value gaps_total)" = \
	"$(cb-query S events --format ndjson | jq -r "select(.type == \"cb.recording.stopped\").data | \"\(.packets) \(.bytes) \(.segments) \(.gaps)\"")" ]'
ok "the footage is on the disk" '[ "$(value footage_timestamp_seconds)" = "$(value synced_timestamp_seconds)" ] && [ "$(value suspended)" = 0 ]'
ok "nothing besides" '[ "$(find . -name "m.prom*")" = ./m.prom ]'
if command -v promtool >/dev/null; then
	promtool check metrics <m.prom >prom 2>&1
	ok "promtool finds nothing" '[ $? = 0 ] && [ ! -s prom ]' || note "$(cat prom)"
else
	skip "promtool is not installed"
fi
# a link in the place of the temporary name is not followed
echo precious >file
ln -sf file m.prom.new
exits 0 cb-record S --metrics m.prom <live.cbf
ok "a link is not followed" '[ "$(cat file)" = precious ] && [ ! -L m.prom ] && [ "$(value packets_total)" = "$(cb-frame dump live.cbf | grep -c PACKET)" ]'
# whoever scrapes meanwhile sees the old ones, whole
cp m.prom before
if sanitized; then
	skip "nothing can be preloaded into a sanitizer build" 2
else
	exits 73 env LD_PRELOAD="$CB_BUILD/aid/faultio.so" FAULT=rename:1+:EIO cb-record --sandbox=off S --metrics m.prom <live.cbf
	ok "they are replaced as a whole, or not at all" 'cmp -s before m.prom && [ ! -e m.prom.new ]' || note "$(ls -l m.prom*)"
fi
exits 73 cb-record S --metrics no/such/m.prom <live.cbf
ok "no such place: one line, before anything is recorded" '[ "$(wc -l <err)" = 1 ] && [ ! -s out ]'
mkdir d
mkfifo in
cb-record S2 --metrics d/m.prom <in >out 2>err & pid=$!
exec 9>in
wait_for '[ -e d/m.prom ]'
ok "there before anything came" '/usr/bin/python3 prom.py d/m.prom >/dev/null'
rm -r d
cat live.cbf >&9
exec 9>&-
ok "a place that goes away: a warning, the recording is whole" 'wait $pid && grep -qx "cb-record: warning: d/m.prom: No such file or directory" err && [ "$(cb-frame hash live.cbf)" = "$(cb-replay S2 | cb-frame hash)" ]' || note "$(cat err)"

# --- the service manager
cat >manager.py <<'END'
"""manager.py NAME WATCHDOG_PID CMD...: run it as a service, print what it sends."""
import os, socket, subprocess, sys, threading
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
s.bind(name.replace("@", "\0") if name[0] == "@" else name)
env = dict(os.environ, NOTIFY_SOCKET=name, WATCHDOG_USEC="200000")
if sys.argv[2] != "-":
    env["WATCHDOG_PID"] = sys.argv[2]
p = subprocess.Popen(sys.argv[3:], env=env, stdout=subprocess.DEVNULL)
threading.Thread(target=lambda: (p.wait(), s.shutdown(socket.SHUT_RD)), daemon=True).start()
while True:
    line = s.recv(4096)
    if not line:
        break
    print(line.decode(), flush=True)
sys.exit(p.wait())
END
served() {	# NAME WATCHDOG_PID: a recorder that gets its stream in two halves
	rm -rf N said
	/usr/bin/python3 manager.py "$1" "$2" cb-record N <in >said 2>err & pid=$!
	exec 9>in
	head -c 5000 live.cbf >&9
	wait_for 'grep -q "STATUS=cam1: records" said'
	wait_for "$3"
	tail -c +5001 live.cbf >&9
	exec 9>&-
	wait $pid
}
served "$T/socket" - '[ "$(grep -c WATCHDOG=1 said)" -gt 3 ]'
ok "READY, STATUS, STOPPING, and the watchdog while nothing comes" '[ "$(grep -v WATCHDOG said | tr "\n" " ")" = "READY=1 STATUS=waits for the stream STATUS=cam1: records STOPPING=1 " ]' || note "$(cat said)"
served "@cb-test-$$" - '[ "$(grep -c WATCHDOG=1 said)" -gt 3 ]'
ok "an abstract socket" 'grep -q READY=1 said && grep -q STOPPING=1 said'
served "$T/socket2" 1 true
ok "another process's watchdog is not ours" 'grep -q READY=1 said && ! grep -q WATCHDOG said'
NOTIFY_SOCKET=$T/nobody exits 0 cb-record S3 <live.cbf
NOTIFY_SOCKET=relative exits 0 cb-record S4 <live.cbf
if [ -e "$CB_BUILD/aid/faultio.so" ] && ! sanitized; then
	rm -f "$T/socket"
	/usr/bin/python3 manager.py "$T/socket" - env LD_PRELOAD="$CB_BUILD/aid/faultio.so" FAULT=write:12+:EIO \
		FAULT_UNDER="$T/F/" cb-record F --metrics m.prom --sync-interval=0 <live.cbf >said 2>err
	ok "a suspended recording says so" '[ $? = 74 ] && grep -q "^STATUS=cam1: suspended: .*Input/output error" said && [ "$(value suspended)" = 1 ]' || note "$(cat said err)"
	ok "and counts what it misses" '[ "$(value lost_packets_total)" -gt 0 ] && [ "$(value suspensions_total)" = 1 ]'
else
	skip "tests/faultio.c cannot be preloaded under a sanitizer" 2
fi
done_testing
