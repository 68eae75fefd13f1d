#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The pages of bundles in headless Chromium, through its debugging pipe.

browser.py [--width N] [--dark] [--print] [--shot PNG] JOB...

A job is HOW:DIR. It opens DIR/index.html: "plain", and no more; "folder", and gives it DIR, "files", and
gives it all files in DIR, as a person would; "http", served on a port of this machine. It waits for the
page's verdict and prints, a line of JSON a job, what the page says: verdict, word, why, checks, errors,
what it asked for elsewhere, and whether the footage plays."""
import argparse
import base64
import functools
import http.server
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time

LOOK = """(() => { const v = document.querySelector('video'), d = document.getElementById('verdict'); return JSON.stringify({
 verdict: d.dataset.verdict, done: !!d.dataset.done, word: document.getElementById('word').textContent,
 why: document.getElementById('why').textContent,
 checks: Array.from(document.querySelectorAll('#checks li'), l => [l.className, l.textContent]),
 video: [v.readyState, v.duration, v.videoWidth, v.error && v.error.message, v.src.slice(0, 5)],
 wide: document.documentElement.scrollWidth - innerWidth,
 marks: document.querySelectorAll('#timeline svg rect').length, title: document.title }); })()"""


class Browser:
    def __init__(self, width):
        self.home = tempfile.mkdtemp(prefix="cb-browser.")
        r3, self.to = os.pipe()
        self.back, w4 = os.pipe()

        def fds():
            # the two may stand in each other's way
            a, b = os.dup(r3), os.dup(w4)
            os.dup2(a, 3)
            os.dup2(b, 4)
        self.p = subprocess.Popen(
            [shutil.which("chromium"), "--headless=new", "--no-sandbox", "--disable-gpu", "--mute-audio",
             "--hide-scrollbars", "--no-first-run", "--disable-background-networking", "--disable-sync",
             "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
             f"--window-size={width},900", f"--user-data-dir={self.home}", "--remote-debugging-pipe", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=fds, close_fds=False, env=dict(os.environ, HOME=self.home))
        os.close(r3)
        os.close(w4)
        self.n, self.buf, self.session, self.errors, self.asked = 0, b"", None, [], []

    def message(self, seconds):
        end = time.monotonic() + seconds
        while b"\0" not in self.buf:
            if not select.select([self.back], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError("the browser says nothing")
            some = os.read(self.back, 1 << 16)
            if not some:
                raise EOFError("the browser is gone")
            self.buf += some
        one, self.buf = self.buf.split(b"\0", 1)
        m = json.loads(one)
        if m.get("method") == "Runtime.exceptionThrown":
            e = m["params"]["exceptionDetails"]
            self.errors.append(e.get("exception", {}).get("description", e["text"]))
        elif m.get("method") == "Log.entryAdded" and m["params"]["entry"]["level"] == "error":
            self.errors.append(m["params"]["entry"]["text"])
        elif m.get("method") == "Network.requestWillBeSent":
            self.asked.append(m["params"]["request"]["url"])
        return m

    def call(self, method, seconds=60, **params):
        self.n += 1
        m = {"id": self.n, "method": method, "params": params}
        if self.session:
            m["sessionId"] = self.session
        os.write(self.to, json.dumps(m).encode() + b"\0")
        while True:
            m = self.message(seconds)
            if m.get("id") == self.n:
                if "error" in m:
                    raise RuntimeError(f"{method}: {m['error']['message']}")
                return m["result"]

    def close(self):
        try:
            self.session = None
            self.call("Browser.close", 10)
            self.p.wait(10)
        except (OSError, EOFError, TimeoutError, subprocess.TimeoutExpired):
            self.p.kill()
            self.p.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def run(self, script):
        return self.call("Runtime.evaluate", expression=script, awaitPromise=True)["result"].get("value")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *a):
        pass


def settle(b, waits):
    """What the page says once it has said it."""
    end = time.monotonic() + 60
    while True:
        look = json.loads(b.run(LOOK))
        if look["done"] or not waits:
            if look["video"][0] >= 2 or look["video"][3] or time.monotonic() > end - 50:
                return look
        if time.monotonic() > end:
            return look
        time.sleep(0.05)


def job(b, o, how, where):
    url = "file://" + os.path.abspath(where) + "/index.html"
    server = None
    if how == "http":
        serve = functools.partial(Quiet, directory=os.path.abspath(where))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/index.html"
    b.errors.clear()
    b.asked.clear()
    b.session = None
    target = b.call("Target.createTarget", url="about:blank")["targetId"]
    b.session = b.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Runtime", "Log", "Page", "DOM", "Network"):
        b.call(domain + ".enable")
    b.call("Emulation.setDeviceMetricsOverride", width=o.width, height=900, deviceScaleFactor=1, mobile=False)
    b.call("Emulation.setEmulatedMedia", media="print" if o.print else "", features=[
        {"name": "prefers-color-scheme", "value": "dark" if o.dark else "light"}])
    b.call("Page.navigate", url=url)
    while b.run("document.readyState + location.protocol") not in ("completefile:", "completehttp:"):
        time.sleep(0.05)
    if how in ("folder", "files"):
        root = b.call("DOM.getDocument")["root"]["nodeId"]
        node = b.call("DOM.querySelector", nodeId=root, selector="#some" if how == "files" else "#folder")["nodeId"]
        files = [os.path.join(d, f) for d, _, fs in os.walk(os.path.abspath(where)) for f in fs]
        b.call("DOM.setFileInputFiles", nodeId=node, files=files if how == "files" else [os.path.abspath(where)])
    look = settle(b, how != "plain")
    if o.shot:
        h = int(b.run("document.documentElement.scrollHeight"))
        b.call("Emulation.setDeviceMetricsOverride", width=o.width, height=h, deviceScaleFactor=1, mobile=False)
        time.sleep(0.3)
        png = b.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        with open(o.shot, "wb") as f:
            f.write(base64.b64decode(png))
    own = url.rsplit("/", 1)[0]
    look["job"] = how + ":" + where
    look["errors"] = list(b.errors)
    look["elsewhere"] = [u for u in b.asked if not u.startswith((own, "data:", "blob:"))]
    b.session = None
    b.call("Target.closeTarget", targetId=target)
    if server:
        server.shutdown()
    print(json.dumps(look), flush=True)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--width", type=int, default=1200)
    a.add_argument("--dark", action="store_true")
    a.add_argument("--print", action="store_true")
    a.add_argument("--shot")
    a.add_argument("job", nargs="+")
    o = a.parse_args()
    b = Browser(o.width)
    try:
        for j in o.job:
            job(b, o, *j.split(":", 1))
    finally:
        b.close()
    return 0


sys.exit(main())
