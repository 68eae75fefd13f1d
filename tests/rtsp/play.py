#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""play.py [NAME...]: each scenario through cb-ingest and cb-record, as TAP.

Of each: the exit statuses; a whole stream; every picture that the camera sent whole is there, in order and
bit-exactly, in the stream and in the recording; what was odd is told, once when it is met and in total at
the end, and nothing else is; the store is sound; the session was torn down. Runs in a directory with clips
(tests/t/1150-rtsp-odd.t makes them)."""
import collections
import concurrent.futures
import hashlib
import io
import json
import os
import re
import ssl
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.environ["CB_SRC"] + "/tests")
sys.dont_write_bytecode = True
import cbframe
import scenarios
import server

SOURCES = {0: "none", 1: "file", 2: "arrival", 3: "rtcp"}


class Result:
    """What of a frame stream matters here."""

    def __init__(self, data, log=()):
        self.video, self.events, self.gaps, self.pts, self.walls, self.wall_ns, self.sizes = [], [], [], [], [], [], []
        self.streams, self.count, self.end, self.corrupt = collections.Counter(), collections.Counter(), None, 0
        self.log, self.lead = list(log), None
        try:
            for kind, flags, stream, _, p in cbframe.frames(io.BytesIO(data)):
                self.frame(kind, flags, stream, p)
        except cbframe.Bad as e:
            self.end = "damaged: %s" % e

    def frame(self, kind, flags, stream, p):
        if kind == 2:
            self.streams[stream] += 1
            if p[24] == 1 and self.lead is None:
                self.lead = stream
            if stream == self.lead:
                size = "%dx%d" % struct.unpack("<II", p[36:44])
                if not self.sizes or self.sizes[-1] != size:
                    self.sizes.append(size)
        elif kind == 3:
            self.count[stream] += 1
            if stream == self.lead:
                pts, _, _, wall, _, source = struct.unpack("<qqqqQB", p[:41])
                self.video.append(hashlib.sha256(p[56:]).hexdigest())
                self.pts.append(pts)
                self.walls.append(SOURCES[source])
                self.wall_ns.append(wall)
                self.corrupt += bool(flags & 4)
        elif kind == 5:
            self.events.append(json.loads(p))
        elif kind == 6:
            self.gaps.append({1: "overflow", 2: "source", 3: "damage", 4: "cut"}[p[0]])
        elif kind == 7:
            self.end = ["eof", "stopped", "error"][p[0]]

    def odd(self):
        """The oddities of this connection's end: name -> count; and how often each was told."""
        own = [e for e in self.events if e["source"] == "/cb-ingest" and e["type"] == "cb.stream.oddity"]
        return {e["data"]["oddity"]: e["data"]["count"] for e in own}, collections.Counter(e["data"]["oddity"] for e in own)


def subsequence(want, got):
    it = iter(got)
    return next((i for i, w in enumerate(want) if w not in it), None)


def names(text):
    """"a b?" or "a?b?": (must, may)"""
    all_ = re.findall(r"([a-z0-9-]+)(\??)", text)
    return {n for n, q in all_ if not q}, {n for n, _ in all_}


def judge(s, r, cam, wrong):
    if r.end not in ("eof", "stopped") if s.get("exit", 0) == 0 else r.end != "error":
        wrong.append("END: %s" % r.end)
    # pictures
    want = cam.expect(s)
    if "again" in s and "stop" in s:
        want = want + cam.expect(s["again"])
    lost = subsequence(want, r.video)
    if lost is not None:
        wrong.append("picture %d of %d is not there or not the same (%d came)" % (lost, len(want), len(r.video)))
    if not s.get("hurt") and not s.get("more") and len(r.video) != len(want):
        wrong.append("%d pictures for %d" % (len(r.video), len(want)))
    # what is told
    must, may = names(s.get("odd", ""))
    if cam.late > 0.1:		# timestamps are held against the time of arrival
        may = may | {"timestamp-jump"}
    total, told = r.odd()
    if not must <= set(total) or not set(total) <= may:
        wrong.append("oddities: %s, want %s" % (total, s.get("odd", "none")))
    if any(n > 2 for n in told.values()) and "again" not in s:
        wrong.append("told too often: %s" % dict(told))
    for e in s.get("events", "").split():
        kind, _, what = e.partition(":")
        if not any(x["type"] == kind and what in ("", x["data"].get("what"), x["data"].get("reason")) for x in r.events):
            wrong.append("no event %s" % e)
    clocks = [e["data"].get("what") for e in r.events if e["type"] == "cb.clock" and e["source"] == "/cb-ingest"]
    if clocks and not s.get("clock") and not (cam.late > 0.1 and set(clocks) == {"media-jump"}):
        wrong.append("clocks: %s" % clocks)
    g = s.get("gaps", "")
    if (set(r.gaps) != {g[:-1]} if g.endswith("+") else not set(r.gaps) <= {g[:-1]} if g.endswith("?") else
            r.gaps != ([g] if g else [])):
        wrong.append("gaps: %s" % r.gaps)
    if s.get("check"):
        why = s["check"](r)
        if why:
            wrong.append(why)


def run(name, s):
    wrong = []
    clip = open(s.get("clip", "plain") + ".bin", "rb").read()
    second = open(s["second"] + ".bin", "rb").read() if "second" in s else None
    tls = None
    if s.get("tls"):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(s["tls"] + ".pem", s["tls"] + ".key")
    cam = server.Camera(s, clip, second, tls)
    if "other" in s:
        cam.second = server.pictures(open(s["other"] + ".bin", "rb").read())
        s["again"]["change"], s["again"]["first"] = True, 0
    d = os.path.abspath(name)
    os.makedirs(d)
    args = ["cb-ingest", "--camera", "cam", "--timeout", "1.5s", "--retry-first", "0.2s"]
    if "--retry" not in s.get("args", ""):
        args.append("--retry=never")
    if s.get("password"):
        text = "%s:%s" % (server.USER, server.PASSWORD) if s["password"] is True else s["password"]
        with open(os.open(d + "/pass", os.O_CREAT | os.O_WRONLY, 0o600), "w") as f:
            f.write(text + "\n")
        args += ["--credentials", d + "/pass"]
    if s.get("pin"):
        args += ["--pin", open("good.pin").read().strip()]
    args += s.get("args", "").split() + ["rtsp%s://localhost:%d/live" % ("s" if tls else "", cam.port)]
    err = open(d + "/err", "wb")
    rec_err = open(d + "/err.rec", "wb")
    a = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=err)
    b = subprocess.Popen(["cb-record", d + "/store", "--tee"], stdin=a.stdout, stdout=subprocess.PIPE, stderr=rec_err)
    a.stdout.close()
    if "stop" in s:		# asked to stop when that connection has delivered
        until = time.monotonic() + 20
        while time.monotonic() < until and cam.connections < s["stop"]:
            time.sleep(0.05)
        time.sleep(1.6)
        a.terminate()
    if "kill" in s:
        time.sleep(0.7)
        a.send_signal(s["kill"])
    if "leave" in s:	# nobody reads any more
        b.stdout.read(s["leave"])
        b.kill()
    try:
        out = b.communicate(timeout=40)[0]
        ingest = a.wait(timeout=10)
    except subprocess.TimeoutExpired:
        a.kill()
        out = b.communicate()[0]
        ingest = a.wait()
        wrong.append("does not end")
    if "kill" not in s and "leave" not in s:
        cam.stop()
    open(d + "/out.cbf", "wb").write(out)
    said = open(d + "/err").read().strip()
    if ingest not in (0, 65, 69, 76) if s.get("any") else ingest != s.get("exit", 0):
        wrong.append("cb-ingest: exit %d: %s" % (ingest, said))
    if s.get("password") and server.PASSWORD in said + out.decode("latin1"):
        wrong.append("the password is shown")
    if "kill" in s or "leave" in s:
        until = time.monotonic() + 10
        while "TEARDOWN" not in cam.log and time.monotonic() < until:
            time.sleep(0.05)
        return wrong + (["no TEARDOWN: %s" % cam.log] if "TEARDOWN" not in cam.log else []), []
    if s.get("nothing"):
        if out or len(said.splitlines()) != 1:
            wrong.append("not one line and nothing else: %d bytes, %s" % (len(out), said))
        return wrong, []
    r = Result(out, cam.log)
    if b.returncode and (out or not s.get("any")):
        wrong.append("cb-record: exit %d: %s" % (b.returncode, open(d + "/err.rec").read().strip()))
    if not s.get("any"):
        judge(s, r, cam, wrong)
    elif (r.end or "").startswith("damaged") and (out or ingest == 0):
        wrong.append(r.end)
    # the end of the session, the store
    if not s.get("any") and not any(x.startswith("TEARDOWN") for x in cam.log) and s.get("end") not in ("close", "reset", "cut"):
        wrong.append("no TEARDOWN: %s" % cam.log)
    if not out:		# refused from the beginning
        return wrong, []
    check = subprocess.run(["cb-store", "check", d + "/store"], capture_output=True)
    if check.returncode:
        wrong.append("cb-store check: %s" % check.stdout.decode())
    back = Result(subprocess.run(["cb-replay", d + "/store"], capture_output=True).stdout)
    if back.video != r.video:
        wrong.append("the recording has %d pictures, the stream %d" % (len(back.video), len(r.video)))
    return wrong, r.events


def main(only):
    todo = {n: s for n, s in scenarios.S.items() if not only or n in only}
    failed = 0
    events = open("events.ndjson", "w")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = {n: pool.submit(run, n, s) for n, s in todo.items()}
        for i, (n, f) in enumerate(done.items()):
            wrong, told = f.result()
            print("%sok %d - %s" % ("not " if wrong else "", i + 1, n), flush=True)
            for w in wrong:
                print("#   %s" % w, file=sys.stderr, flush=True)
            failed += bool(wrong)
            for e in told:
                events.write(json.dumps(e, separators=(",", ":")) + "\n")
    events.close()
    v = subprocess.run(["/usr/bin/python3", os.environ["CB_SRC"] + "/tests/schema-validate.py", "events.ndjson"],
                       capture_output=True, text=True)
    print("%sok %d - every event is valid" % ("not " if v.returncode else "", len(todo) + 1))
    if v.returncode:
        print("#   " + v.stdout[:2000] + v.stderr[:500], file=sys.stderr)
    print("1..%d" % (len(todo) + 1))
    os._exit(1 if failed or v.returncode else 0)


main(sys.argv[1:])
