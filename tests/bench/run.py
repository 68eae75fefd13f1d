# SPDX-License-Identifier: Apache-2.0
"""Measurements beside other programs, in one run and in turns: run.py BUILD [NAME...]

Each figure is the median of several runs that alternate with the peer's, so that both meet
the same machine. Nothing here is a test: a bar that is missed is printed, not failed.
Names: pipe, record, sealed, rtsp, start, sandbox, nn, models, film, fit, json, verify, sign, export,
audit, index, track, alert, deliver. Without one, all.
"""
import glob
import hashlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

build = os.path.abspath(sys.argv[1])
only = sys.argv[2:]
src = os.path.abspath(os.environ.get("CB_SRC", os.path.join(os.path.dirname(__file__), "../..")))
shared = os.environ.get("CB_SHARED", os.path.join(src, "../shared"))
tmp = tempfile.mkdtemp(prefix="cb-bench.")
FORMAT = "%-33s %11s %11s %7s %8s  %s"


def tool(name):
    return os.path.join(build, "bin", name)


def bench(name):
    return os.path.join(build, "bench", name)


def say(what, ours, peer, ratio, bar, met):
    print(FORMAT % (what, ours, peer, ratio, bar, "" if met is None else "met" if met else "MISSED"))
    sys.stdout.flush()


def skip(what, why):
    print("%-33s skipped: %s" % (what, why))
    sys.stdout.flush()


def shell(script, **env):
    """Run in bash with pipefail; a failing benchmark says so and is not a figure."""
    p = subprocess.run(["bash", "-c", "set -o pipefail; " + script], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, env=dict(os.environ, **env), cwd=tmp)
    if p.returncode:
        raise RuntimeError("exit %d: %s" % (p.returncode, p.stderr.decode(errors="replace")
                                            .strip().split("\n")[-1][:90]))
    return p.stdout.decode()


def cost(script):
    """Wall ms of a whole pipeline."""
    shell('"$COST" wall bash -c "$SCRIPT"', COST=bench("cost"), SCRIPT="set -o pipefail; " + script)
    return float(open(os.path.join(tmp, "wall")).read().split()[2])


def pairs(n, ours, peer):
    """Medians of alternating runs; the first of each only warms up."""
    a, b = [], []
    for i in range(n + 1):
        x, y = ours(), peer()
        if i:
            a.append(x)
            b.append(y)
    return statistics.median(a), statistics.median(b)


def have(*files):
    for f in files:
        if not os.path.exists(f) and not shutil.which(f):
            return f
    return None


def do_pipe():
    mib = 1024
    missing = have(bench("pipe"))
    if missing:
        return skip("frame pipe, 64 KiB packets", missing + " is not built")
    a, b = pairs(7, lambda: cost("'%s' write %d | '%s' read" % (bench("pipe"), mib, bench("pipe"))),
                 lambda: cost("dd if=/dev/zero bs=64k count=%d status=none | cat >/dev/null"
                              % (mib * 16)))
    say("frame pipe, both CRCs | dd | cat", "%.2f GiB/s" % (mib / 1.024 / a), "%.2f GiB/s" %
        (mib / 1.024 / b), "%.2f" % (b / a), ">= 1", b >= a)


def clip():
    """60 s of 1080p at about 4 Mbit/s, with a keyframe every 2 s."""
    shell("ffmpeg -v error -y -f lavfi -i testsrc2=s=1920x1080:r=25,noise=alls=8:allf=t -t 6 "
          "-c:v libx264 -preset ultrafast -b:v 4M -maxrate 4M -bufsize 4M -g 50 -pix_fmt yuv420p "
          "six.mp4 && ffmpeg -v error -y -stream_loop 9 -i six.mp4 -c copy clip.mp4")
    size = os.path.getsize(os.path.join(tmp, "clip.mp4"))
    print("# 60 s of 1080p, %.1f Mbit/s" % (size * 8 / 60e6))


def do_record():
    what = "ingest + record, CPU of 60 s"
    missing = have(tool("cb-ingest"), tool("cb-record"), "ffmpeg", bench("cost"))
    if missing:
        return skip(what, missing + " is missing")
    clip()
    rss, inrss, wall = [], [], []

    def ours():
        shutil.rmtree(os.path.join(tmp, "store"), ignore_errors=True)
        shell('"$C" a "$I" -q clip.mp4 --camera bench | "$C" b "$R" -q store >/dev/null',
              C=bench("cost"), I=tool("cb-ingest"), R=tool("cb-record"))
        a, b = (open(os.path.join(tmp, f)).read().split() for f in "ab")
        inrss.append(int(a[1]))
        rss.append(int(b[1]))
        wall.append((float(a[0]), float(b[0])))
        return float(a[0]) + float(b[0])

    def peer():
        shell('rm -rf seg; mkdir seg; "$C" a ffmpeg -nostdin -v error -i clip.mp4 -c copy '
              '-f segment -segment_time 60 seg/%d.mp4', C=bench("cost"))
        return float(open(os.path.join(tmp, "a")).read().split()[0])

    a, b = pairs(9, ours, peer)
    say(what + " | ffmpeg", "%.0f ms" % a, "%.0f ms" % b, "%.2f" % (a / b), "<= 1.3", a <= 1.3 * b)
    print("#   of which cb-ingest %.0f ms, cb-record %.0f ms; %.2f %% of a core in real time" %
          (statistics.median(w[0] for w in wall), statistics.median(w[1] for w in wall), a / 600))
    say("cb-record, largest memory", "%.1f MB" % (max(rss) / 1024), "", "", "<= 12 MB",
        max(rss) <= 12 * 1024)
    say("cb-ingest, largest memory", "%.1f MB" % (max(inrss) / 1024), "", "", "<= 40 MB",
        max(inrss) <= 40 * 1024)


def do_sealed():
    """What encryption at rest costs: the same stream, recorded and replayed with it and without."""
    missing = have(tool("cb-record"), tool("cb-replay"), tool("cb-sign"), "ffmpeg", bench("cost"))
    if missing:
        return skip("encryption at rest", missing + " is missing")
    clip()
    shell('"$I" -q --camera bench clip.mp4 >clip.cbf; "$S" keygen --encryption --no-passphrase -o e',
          I=tool("cb-ingest"), S=tool("cb-sign"))
    rss = {}

    def record(more, store):
        shell('rm -rf "$D"; "$C" a "$R" -q "$D" $M <clip.cbf >/dev/null', C=bench("cost"), R=tool("cb-record"), D=store,
              M=more)
        a = open(os.path.join(tmp, "a")).read().split()
        rss.setdefault(store, []).append(int(a[1]))
        return float(a[0])

    def replay(more, store):
        shell('"$C" a "$R" -q "$D" $M >/dev/null', C=bench("cost"), R=tool("cb-replay"), D=store, M=more)
        return float(open(os.path.join(tmp, "a")).read().split()[0])

    size = os.path.getsize(os.path.join(tmp, "clip.cbf"))
    a, b = pairs(9, lambda: record("-R e.pub", "sealed"), lambda: record("", "plain"))
    say("record 60 s encrypted | in the clear", "%.0f ms" % a, "%.0f ms" % b, "%.2f" % (a / b), "", None)
    print("#   encryption: %.3f %% of a core in real time, %.0f MB/s" % ((a - b) / 600, size / 1e3 / max(a - b, 0.001)))
    say("its largest memory", "%.1f MB" % (max(rss["sealed"]) / 1024), "%.1f MB" % (max(rss["plain"]) / 1024), "", "<= 12 MB",
        max(rss["sealed"]) <= 12 * 1024)
    a, b = pairs(9, lambda: replay("-i e.key", "sealed"), lambda: replay("", "plain"))
    say("replay 60 s encrypted | in the clear", "%.0f ms" % a, "%.0f ms" % b, "%.2f" % (a / b), "", None)


def ran(pids):
    """CPU time that processes, with all their threads, have used: ns. (Ticks of 10 ms are too coarse here.)"""
    total = 0
    for pid in pids:
        for t in glob.glob("/proc/%d/task/*/schedstat" % pid):
            with open(t) as f:
                total += int(f.read().split()[0])
    return total


def pss(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return next(int(x.split()[1]) for x in f if x.startswith("Pss:"))


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(x) for x in f.read().split()]


def do_rtsp():
    """A camera of 4 Mbit/s in real time, read by both at once, when they have come to rest: CPU of 20 s."""
    what = "RTSP, ingest + record, CPU of 20 s"
    missing = have(tool("cb-ingest"), tool("cb-record"), "ffmpeg")
    if missing:
        return skip(what, missing + " is missing")
    if subprocess.run(["/usr/bin/python3", "-c", "import gi; gi.require_version('GstRtspServer', '1.0')"],
                      stderr=subprocess.DEVNULL).returncode:
        return skip(what, "gir1.2-gst-rtsp-server-1.0 is missing")
    clip()
    server = subprocess.Popen(["/usr/bin/python3", os.path.join(src, "tests/rtsp/gst.py"), "port",
                               "( filesrc location=%s/clip.mp4 ! qtdemux ! queue ! rtph264pay pt=96 name=pay0 )" % tmp,
                               ], cwd=tmp, stderr=subprocess.DEVNULL, env=dict(os.environ, GST_SECONDS="180"))
    a, b, memory = [], [], []
    try:
        while not os.path.exists(os.path.join(tmp, "port")):
            time.sleep(0.05)
        url = "rtsp://127.0.0.1:%s/live" % open(os.path.join(tmp, "port")).read()
        for n in range(3):
            shutil.rmtree(os.path.join(tmp, "seg"), ignore_errors=True)
            os.makedirs(os.path.join(tmp, "seg"))
            ingest = subprocess.Popen([tool("cb-ingest"), "--camera", "bench", url], stdout=subprocess.PIPE, cwd=tmp)
            record = subprocess.Popen([tool("cb-record"), "rtsp-store"], stdin=ingest.stdout,
                                      stdout=subprocess.DEVNULL, cwd=tmp)
            peer = subprocess.Popen(["ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-i", url, "-c", "copy",
                                     "-f", "segment", "-segment_time", "60", "seg/%d.mp4"], cwd=tmp)
            time.sleep(5)
            ours = [ingest.pid] + children(ingest.pid)
            was = ran(ours), ran([record.pid]), ran([peer.pid])
            time.sleep(20)
            now = ran(ours), ran([record.pid]), ran([peer.pid])
            memory.append((sum(pss(p) for p in ours), pss(record.pid), pss(peer.pid)))
            used = [(y - x) / 1e6 for x, y in zip(was, now)]
            a.append((used[0] + used[1], used[0], used[1]))
            b.append(used[2])
            ingest.terminate()
            peer.terminate()
            record.wait()
            ingest.wait()
            peer.wait()
            shutil.rmtree(os.path.join(tmp, "rtsp-store"))
    finally:
        server.kill()
    best = min(a)
    say(what + " | ffmpeg", "%.0f ms" % best[0], "%.0f ms" % min(b), "%.2f" % (best[0] / min(b)), "<= 1.3",
        best[0] <= 1.3 * min(b))
    print("#   of which cb-ingest %.0f ms, cb-record %.0f ms; %.2f %% of a core; all runs: %s | %s" % (
        best[1], best[2], best[0] / 200, " ".join("%.0f" % x[0] for x in a), " ".join("%.0f" % x for x in b)))
    say("RTSP, cb-ingest, both processes", "%.1f MB" % (max(m[0] for m in memory) / 1024),
        "%.1f MB" % (max(m[2] for m in memory) / 1024), "", "<= 12 MB", max(m[0] for m in memory) <= 12 * 1024)
    say("RTSP, cb-record", "%.1f MB" % (max(m[1] for m in memory) / 1024), "", "", "<= 12 MB",
        max(m[1] for m in memory) <= 12 * 1024)


def do_start():
    missing = have(bench("cost"))
    if missing:
        return skip("start", missing + " is not built")
    ffmpeg = ("cb-mux", "cb-detect", "cb-draw")
    for name in sorted(os.listdir(os.path.join(build, "bin"))):
        bar = 40 if name in ffmpeg else 3
        a, b = pairs(3, lambda: float(shell('"$C" -40 "$T" --version', C=bench("cost"), T=tool(name))),
                     lambda: float(shell('"$C" -40 /bin/true', C=bench("cost"))))
        say("start %s | /bin/true" % name, "%.2f ms" % a, "%.2f ms" % b, "%.1f" % (a / b),
            "<= %d ms" % bar, a <= bar)


def do_sandbox():
    """What --sandbox costs against --sandbox=off: the least of many runs in turns, as the difference is
    smaller than what other work on the machine makes."""
    missing = have(bench("cost"), tool("cb-record"), "ffmpeg")
    if missing:
        return skip("sandbox", missing + " is missing")
    clip()
    shell('"$I" -q clip.mp4 --camera bench >c.cbf && head -c 4000000 c.cbf >part.cbf && "$R" -q store <c.cbf >/dev/null',
          I=tool("cb-ingest"), R=tool("cb-record"))

    def start(script, how):
        return float(shell('"$C" -20 ' + script + " --sandbox=" + how, C=bench("cost"), B=os.path.join(build, "bin")))

    def cpu(script, how):
        shell('rm -rf store2; "$C" a ' + script + " --sandbox=" + how, C=bench("cost"), B=os.path.join(build, "bin"))
        return float(open(os.path.join(tmp, "a")).read().split()[0])

    def least(n, f, script):
        got = [(f(script, "auto"), f(script, "off")) for _ in range(n)]
        return min(g[0] for g in got), min(g[1] for g in got)

    for name, script in (("cb-query", '"$B/cb-query" store cameras'), ("cb-store", '"$B/cb-store" hold store --holder x')):
        a, b = least(15, start, script)
        say("sandbox, start of %s | off" % name, "%.2f ms" % a, "%.2f ms" % b, "%.2f ms" % (a - b), "< 1 ms", a - b < 1)
    for name, script in (("cb-record", '"$B/cb-record" -q store2 <c.cbf >/dev/null'),
                         ("cb-frame hash", '"$B/cb-frame" hash c.cbf >/dev/null'),
                         ("cb-ingest", '"$B/cb-ingest" -q clip.mp4 >/dev/null')):
        a, b = least(15, cpu, script)
        say("sandbox, CPU of %s | off" % name, "%.1f ms" % a, "%.1f ms" % b, "%+.1f %%" % (100 * (a - b) / b),
            "< 1 ms", a - b < 1 or a < 1.01 * b)


def first(text):
    return float(text.split(" ms")[0].split()[-1])


def networks():
    """Name, cfg, what a float network must be faster than OpenCV by, and 8 bits than float."""
    for name, opencv, own in (("yolo-fastest-1.1", 2.5, None), ("yolo-fastest-1.1-xl", 2.5, 1.5)):
        cfg = os.path.join(shared, "data/models", name + ".cfg")
        if os.path.exists(cfg):
            yield name, cfg, opencv, own
        else:
            skip(name, cfg + " is missing")
    shell('/usr/bin/python3 "$P"', P=os.path.join(src, "tests/bench/tinynet.py"))
    yield "yolov3-tiny", os.path.join(tmp, "yolov3-tiny.cfg"), 1.7, 2.5


def faster(what, ours, peer, bar, n=3):
    a, b = pairs(n, ours, peer)
    say(what, "%.1f ms" % a, "%.1f ms" % b, "%.2fx" % (b / a), ">= %.1f" % bar if bar else "",
        b >= bar * a if bar else None)


def do_nn():
    missing = have(bench("nn"))
    if missing:
        return skip("networks", missing + " is not built")
    peers = []
    for name, module, script in (("OpenCV", "cv2", "nn-opencv.py"), ("darknet", "ctypes", "nn-darknet.py")):
        try:
            shell("/usr/bin/python3 -c 'import %s'" % module)
            peers.append((name, os.path.join(src, "tests/bench", script)))
        except RuntimeError:
            skip("networks | " + name, "python3's %s is missing" % module)
    if not os.path.exists("/usr/lib/darknet/libdarknet.so"):
        skip("networks | darknet", "the package darknet is missing")
        peers = peers[:1]
    vnni = "avx512_vnni" in open("/proc/cpuinfo").read()
    for name, cfg, opencv, own in networks():
        def ours(threads, model=cfg):
            return lambda: first(shell('"$N" "$M" "" 60 auto %d' % threads, N=bench("nn"), M=model))

        for peer, script in peers:
            for threads in (1, 2) if peer == "OpenCV" else (1,):
                runs = 20 if peer == "OpenCV" else 2
                faster("%s, %d thread%s | %s" % (name, threads, "s" * (threads > 1), peer), ours(threads),
                       lambda: first(shell('/usr/bin/python3 "$P" "$M" "$W" %d %d' % (runs, threads), P=script,
                                           M=cfg, W=cfg[:-4] + ".weights")),
                       opencv if peer == "OpenCV" and threads == 1 else None, 3 if peer == "OpenCV" else 1)
        if own is None:
            continue
        if not vnni:
            skip(name + ", 8 bits", "this processor has no byte products (VNNI)")
            continue
        shell('[ -e cal.cbf ] || { if [ -e "$V" ]; then ffmpeg -nostdin -v error -i "$V" -vf '
              '"select=not(mod(n\\,30))" -fps_mode passthrough -q:v 2 -c:v mjpeg cal.mkv; else '
              'ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=640x480:r=5:d=4 -c:v mjpeg cal.mkv; fi; '
              '"$I" -q --camera c cal.mkv >cal.cbf; }; '
              '"$Q" quantize "$M" --calibrate cal.cbf --force -q -o 8.cbm >/dev/null',
              I=tool("cb-ingest"), Q=tool("cb-model"), M=cfg, V=os.path.join(shared, "data/clips/vtest.avi"))
        faster(name + ", 8 bits | own float", ours(1, os.path.join(tmp, "8.cbm")), ours(1), own)


def do_models():
    """The models that ship: a picture each, on one core."""
    for cfg in sorted(glob.glob(os.path.join(src, "models/cb-*.cfg"))):
        best = min(json.loads(shell('"$Q" bench "$M" --threads 1', Q=tool("cb-model"), M=cfg))["min_us"]
                   for _ in range(3)) / 1000
        size = os.path.getsize(cfg[:-4] + ".weights")
        say("%s, a picture (%.2f MB)" % (os.path.basename(cfg)[:-4], size / 1e6), "%.2f ms" % best, "", "", "<= 10 ms",
            best <= 10)
    start = min(float(shell('s=$(date +%s%N); "$D" -q </dev/null || [ $? -eq 65 ]; '
                            'echo $((($(date +%s%N) - s) / 1000))', D=tool("cb-detect"))) for _ in range(9)) / 1000
    say("cb-detect as it is, start to end", "%.1f ms" % start, "", "", "<= 60 ms", start <= 60)


def do_fit():
    missing = have(bench("fit"))
    if missing:
        return skip("picture to network", missing + " is not built")
    for line in shell('"$F" 60', F=bench("fit")).splitlines():
        what, rest = line.split(": ")
        words = rest.split()
        a, b = float(words[0]), float(words[3])
        say(what + " | swscale", "%.0f us" % a, "%.0f us" % b, "%.2f" % (a / b), "<= 0.5", a <= b / 2)


def do_film():
    """Every picture of a 1080p H.264 file through a model. The ideal on two cores: half of the CPU
    time that one core needs, but no less than what cannot be divided, decoding and motion."""
    model = os.path.join(shared, "data/models/yolo-fastest-1.1.cfg")
    missing = have(tool("cb-ingest"), tool("cb-detect"), "ffmpeg", bench("cost"), model)
    if missing:
        return skip("1080p, two cores", missing + " is missing")
    clip()
    shell('"$I" -q six.mp4 --camera bench >six.cbf', I=tool("cb-ingest"))

    def run(*options):
        shell('"$C" film "$D" -q %s <six.cbf >film.nd' % " ".join(options), C=bench("cost"),
              D=tool("cb-detect"))
        cpu, rss, wall = open(os.path.join(tmp, "film")).read().split()[:3]
        return float(cpu), int(rss), float(wall)

    one, two, serial = [], [], []
    for _ in range(5):      # alternating; the least disturbed of each
        one.append(run("-m", model))
        two.append(run("-m", model, "--threads", "2"))
        serial.append(run("--no-objects"))
    ideal = max(min(r[0] for r in one) / 2, min(r[0] for r in serial))
    wall = min(r[2] for r in two)
    say("150 pictures of 1080p, two cores | ideal", "%.0f ms" % wall, "%.0f ms" % ideal,
        "%.2f" % (ideal / wall), ">= 0.8", ideal >= 0.8 * wall)
    rss = max(r[1] for r in two)
    say("cb-detect, largest memory", "%.1f MB" % (rss / 1024), "", "", "<= 80 MB", rss <= 80 * 1024)
    start = min(float(shell('s=$(date +%s%N); "$D" -q -m "$M" </dev/null || [ $? -eq 65 ]; '
                            'echo $((($(date +%s%N) - s) / 1000))', D=tool("cb-detect"), M=model))
                for _ in range(9)) / 1000
    say("cb-detect with a model, start to end", "%.1f ms" % start, "", "", "<= 60 ms", start <= 60)


def footage(fragments, size):
    """A store of one segment: what lies in its fragments is nothing to a verifier."""
    day = os.path.join(tmp, "big/cameras/front/2026-11-21")
    os.makedirs(day, exist_ok=True)
    open(os.path.join(tmp, "big/format"), "w").write("cb-store 1\n")
    base, start, at = os.path.join(day, "070000-aa4d9c7ba453"), 1795244400 * 10**9, 0
    lines = ["cb-manifest 1", "camera front", "segment aa4d9c7ba453",
             "recording 904db25fb782ac16 0 %d" % start, "start %d" % start, "producer x", "recorder x"]
    data = os.urandom(size)
    digest = hashlib.sha256(data).hexdigest()
    with open(base + ".mp4", "wb") as f:
        for i in range(fragments + 1):
            f.write(data)
            t = start + (i - 1) * 2 * 10**9
            lines.append("%d %d %d %s - 0 %s" % (i, at, size, digest, "%d K 50 %d" % (t, t + 2 * 10**9)
                                                 if i else "0 - 0 0"))
            at += size
    lines.append("end end %d %d %d %d %d 0 0" % (fragments, 50 * fragments, at, start, start + fragments * 2 * 10**9))
    text = "\n".join(lines) + "\n"
    open(base + ".manifest", "w").write(text + "digest %s\n" % hashlib.sha256(text.encode()).hexdigest())
    return base + ".mp4", at


def do_verify():
    missing = have(tool("cb-verify"), bench("cost"), "openssl")
    if missing:
        return skip("cb-verify", missing + " is missing")
    path, size = footage(128, 4 << 20)
    rss = []

    def cpu(script):
        shell('"$C" a ' + script, C=bench("cost"), V=tool("cb-verify"), P=path)
        a = open(os.path.join(tmp, "a")).read().split()
        rss.append(int(a[1]))
        return float(a[0])

    for peer, bar in (("openssl dgst -sha256", None), ("sha256sum", 1)):
        a, b = pairs(5, lambda: cpu('"$V" --format=text big'), lambda: cpu(peer + ' "$P"'))
        say("verify a store | %s" % peer.split()[0], "%.2f GB/s" % (size / a / 1e6), "%.2f GB/s" % (size / b / 1e6),
            "%.2f" % (b / a), ">= 1.3" if not bar else "> 1", size / a / 1e6 >= 1.3 if not bar else b > a)
    rss.clear()
    cpu('"$V" --format=text big')
    say("cb-verify, memory", "%.1f MB" % (rss[0] / 1024), "", "", "<= 8 MB", rss[0] <= 8 * 1024)


def many(days, cameras):
    """A store of minutes, 30 fragments each; the footage itself is holes. Returns how many."""
    lines = "".join("%d %d 1048576 %s 0 180000 %%d K 50 %%d\n" % (i, 1751 + (i - 1) * 1048576,
                    hashlib.sha256(b"%d" % i).hexdigest()) for i in range(1, 31))
    root, n = os.path.join(tmp, "many"), 0
    os.makedirs(root)
    open(os.path.join(root, "format"), "w").write("cb-store 1\n")
    for camera in ("cam%d" % c for c in range(cameras)):
        for day in range(days):
            midnight = 1767225600 + day * 86400
            folder = os.path.join(root, "cameras", camera, time.strftime("%Y-%m-%d", time.gmtime(midnight)))
            os.makedirs(folder)
            recording = hashlib.sha256(b"%s%d" % (camera.encode(), day)).hexdigest()[:16]
            for minute in range(1440):
                start = (midnight + minute * 60) * 10**9
                name = hashlib.sha256(b"%s%d" % (camera.encode(), start)).hexdigest()[:12]
                base = os.path.join(folder, "%02d%02d00-%s" % (minute // 60, minute % 60, name))
                times = [t for i in range(30) for t in (start + i * 2 * 10**9, start + (i + 1) * 2 * 10**9)]
                text = "cb-manifest 1\ncamera %s\nsegment %s\nrecording %s %d %d\nstart %d\nproducer x\nrecorder x\n" \
                    "0 0 1751 %s - 0 0 - 0 0\n" % (camera, name, recording, minute, midnight * 10**9, start, "0" * 64)
                text += lines % tuple(times)
                text += "end length 30 1500 %d %d %d 0 0\n" % (1751 + 30 * 1048576, times[0], times[-1])
                with open(base + ".manifest", "w") as f:
                    f.write(text + "digest %s\n" % hashlib.sha256(text.encode()).hexdigest())
                with open(base + ".mp4", "w") as f:
                    f.truncate(1751 + 30 * 1048576)
                n += 1
    return n


def do_index():
    missing = have(tool("cb-store"), tool("cb-query"), bench("cost"))
    if missing:
        return skip("index", missing + " is missing")
    n = many(14, 5)
    took = cost("%s reindex many >/dev/null" % tool("cb-store")) / 1000
    say("index of %d segments, rebuilt" % n, "%.1f s" % took, "", "", "<= 60 s", took * 100000 / n <= 60)
    ask = tool("cb-query") + " many segments --format=ndjson %s >%s"
    a, b = pairs(3, lambda: cost(ask % ("", "with")), lambda: cost(ask % ("--no-index", "without")))
    same = open(tmp + "/with", "rb").read() == open(tmp + "/without", "rb").read()
    say("all segments | without the index", "%.0f ms" % a, "%.0f ms" % b, "%.2f" % (b / a), "same",
        same and os.path.getsize(tmp + "/with") > 100 * n)
    ask = tool("cb-query") + " many segments --camera=cam3 --from=2026-01-10T12:00:00Z --to=2026-01-10T13:00:00Z %s >%s"
    a, b = pairs(3, lambda: cost(ask % ("", "with")), lambda: cost(ask % ("--no-index", "without")))
    say("an hour of one camera | without", "%.1f ms" % a, "%.1f ms" % b, "%.2f" % (b / a), "same",
        open(tmp + "/with", "rb").read() == open(tmp + "/without", "rb").read())


def rate(what, size, ours, peer, bar):
    a, b = pairs(3, lambda: cost(ours), lambda: cost(peer))
    say(what, "%.2f GB/s" % (size / a / 1e6), "%.2f GB/s" % (size / b / 1e6), "%.2fx" % (b / a),
        ">= %.1f" % bar if bar else "", b >= bar * a if bar else None)


def do_sign():
    missing = have(bench("cost"), "age", "minisign")
    if missing:
        return skip("sign", missing + " is missing")
    s, size = tool("cb-sign"), 1 << 30
    shell('"$S" keygen -o k --no-passphrase && "$S" keygen --encryption -o e --no-passphrase && '
          'head -c %d /dev/urandom >plain && "$S" encrypt -R e.pub -o big.age plain' % size, S=s)
    rate("encrypt 1 GiB | age", size, "%s encrypt -R e.pub plain >/dev/null" % s, "age -R e.pub plain >/dev/null", 1)
    rate("decrypt 1 GiB | age", size, "%s decrypt -i e.key big.age >/dev/null" % s,
         "age -d -i e.key big.age >/dev/null", 1)
    rate("encrypt 1 GiB to a file | age", size, "%s encrypt -R e.pub --force -o o1 plain" % s,
         "rm -f o2; age -R e.pub -o o2 plain", None)
    rate("sign 1 GiB | minisign", size, "%s sign -k k.key --force -o s1 plain" % s,
         "minisign -S -s k.key -m plain -x s2 </dev/null >/dev/null", None)
    rate("verify 1 GiB | minisign", size, "%s verify --pub k.pub --signature s1 plain >/dev/null" % s,
         "minisign -V -p k.pub -m plain -x s1 >/dev/null", None)


def do_export():
    missing = have(tool("cb-export"), bench("cost"))
    if missing:
        return skip("cb-export", missing + " is missing")
    path, size = footage(128, 4 << 20)
    rss = []

    def cpu(script):
        shell('"$C" a bash -c "$S"', C=bench("cost"), S=script, X=tool("cb-export"), P=path)
        a = open(os.path.join(tmp, "a")).read().split()
        rss.append(int(a[1]))
        return float(a[0])

    # each byte is hashed twice: against the manifest, and for the list
    a, b = pairs(5, lambda: cpu('rm -rf case && "$X" big -q -o case'), lambda: cpu('rm -rf copy && cp "$P" copy && sha256sum copy'))
    say("export a clip | cp and sha256sum", "%.2f GB/s" % (size / a / 1e6), "%.2f GB/s" % (size / b / 1e6),
        "%.2f" % (b / a), "> 1", b > a)
    rss.clear()
    cpu('rm -rf case && exec "$X" big -q -o case')
    say("cb-export, memory", "%.1f MB" % (rss[0] / 1024), "", "", "<= 16 MB", rss[0] <= 16 * 1024)


def do_audit():
    missing = have(tool("cb-audit"), bench("cost"))
    if missing:
        return skip("cb-audit", missing + " is missing")
    shutil.copy(os.path.join(src, "tests/keys/log.key"), tmp)
    os.chmod(os.path.join(tmp, "log.key"), 0o600)
    many, few, big = (os.path.join(tmp, n) for n in ("many", "few", "big"))
    line = '{"specversion":"1.0","id":"%032x","source":"/cb-detect","type":"cb.detection","subject":"front",' \
           '"data":{"t_us":%d,"objects":[{"class":"person","score":0.71,"box":[0.31,0.42,0.05,0.2]}]}}\n'
    for path, n in ((few, 2000), (many, 200000)):
        with open(path, "w") as f:
            f.writelines(line % (i, 1795280000000000 + i) for i in range(n))

    def init(log):
        shutil.rmtree(os.path.join(tmp, log), ignore_errors=True)
        shell('"$A" init %s --origin example.org/bench -k log.key --epochs 900' % log, A=tool("cb-audit"))

    def syncs(n=500):
        """ms of one overwrite of 448 bytes and its fdatasync, in a file that has its size"""
        fd = os.open(os.path.join(tmp, "sync"), os.O_RDWR | os.O_CREAT)
        os.pwrite(fd, bytes(1 << 20), 0)
        os.fsync(fd)
        start = time.perf_counter()
        for i in range(n):
            os.pwrite(fd, bytes(448), 448 * i)
            os.fdatasync(fd)
        os.close(fd)
        return (time.perf_counter() - start) / n * 1000

    init("l")
    a, b = pairs(5, lambda: cost('"%s" append l --sync=each <few' % tool("cb-audit")) / 2000, syncs)
    say("append, one by one | fdatasync", "%.0f /s" % (1000 / a), "%.0f /s" % (1000 / b), "%.2f" % (b / a),
        ">= 3000", 1000 / a >= 3000 if b <= 0.2 else None)
    if b > 0.2:
        print("  (an fdatasync takes %.2f ms here and now: the bar is for 0.2 ms)" % b)
    a, b = pairs(3, lambda: cost('"%s" append l <many' % tool("cb-audit")),
                 lambda: cost("dd if=many of=copy bs=64k conv=fdatasync status=none"))
    say("append, batches | dd, one sync", "%.0f /s" % (200000 / a * 1000), "%.0f /s" % (200000 / b * 1000),
        "%.2f" % (b / a), ">= 100000", 200000 / a * 1000 >= 100000)

    with open(big, "w") as f:
        f.writelines('{"n":%d}\n' % i for i in range(1000000))
    init("m")
    shell('"$A" append m <big && "$A" checkpoint m -k log.key', A=tool("cb-audit"))
    random.seed(3)
    picks = [str(random.randrange(1000000)) for _ in range(5)]
    times = [float(shell('"$C" -20 "$A" prove m %s' % i, C=bench("cost"), A=tool("cb-audit"))) for i in picks]
    sizes = [len(shell('"$A" prove m %s' % i, A=tool("cb-audit"))) for i in picks]
    say("a proof in a million, process and all", "%.2f ms" % statistics.median(times), "", "", "<= 5 ms",
        statistics.median(times) <= 5)
    say("its size", "%d B" % max(sizes), "", "", "<= 2048", max(sizes) <= 2048)


def do_json():
    missing = have(bench("json"))
    if missing:
        return skip("event scanner", missing + " is not built")
    print(shell('"$J"', J=bench("json")).rstrip())


def crowd(pictures, people):
    """cb.detection lines: people who walk to and fro, 25 pictures a second."""
    rnd = random.Random(1)
    walkers = [[rnd.random() * 0.9, rnd.random() * 0.7, rnd.uniform(-0.1, 0.1), rnd.uniform(-0.02, 0.02)]
               for _ in range(people)]
    with open(os.path.join(tmp, "crowd.ndjson"), "w") as f:
        for n in range(pictures):
            for w in walkers:
                w[0] += w[2] / 25
                w[1] += w[3] / 25
                w[2] = -w[2] if not 0 < w[0] < 0.95 else w[2]
                w[3] = -w[3] if not 0 < w[1] < 0.8 else w[3]
            f.write('{"specversion":"1.0","id":"%032x","source":"/cb-detect","type":"cb.detection","subject":"front",'
                    '"data":{"t_us":%d,"stream":0,"pts":%d,"packet":"%064x","run":"5f3a9c0e71d2b846","width":1920,'
                    '"height":1080,"objects":[%s],"motion":{"score":0.01,"boxes":[]}}}\n' % (
                        n, 1767225600000000 + n * 40000, n * 3600, n, ",".join(
                            '{"class":"person","class_id":0,"score":%.4f,"box":[%.4f,%.4f,%.4f,%.4f]}' % (
                                rnd.uniform(0.3, 0.95), max(0, w[0] + rnd.gauss(0, 0.002)),
                                max(0, w[1] + rnd.gauss(0, 0.005)), 0.05 * rnd.uniform(0.95, 1.05),
                                0.2 * rnd.uniform(0.95, 1.05)) for w in walkers)))


def do_track():
    missing = have(tool("cb-track"), bench("cost"), "jq")
    if missing:
        return skip("cb-track", missing + " is missing")
    pictures, people = 20000, 20
    crowd(pictures, people)
    boxes, rss = pictures * people, []

    def run(options):
        shell('"$C" a "$T" %s <crowd.ndjson >/dev/null' % options, C=bench("cost"), T=tool("cb-track"))
        v = open(os.path.join(tmp, "a")).read().split()
        rss.append(int(v[1]))
        return float(v[0])

    def peer():
        shell('"$C" a jq -c .type <crowd.ndjson >/dev/null', C=bench("cost"))
        return float(open(os.path.join(tmp, "a")).read().split()[0])
    b = None
    for what, options in (("cb-track, boxes/s | jq .type", "--only"), ("  and an event a box", "--only --update=0"),
                          ("  and 9 rules", "--only -c " + os.path.join(src, "examples", "zones.yml"))):
        if b is None:
            a, b = pairs(3, lambda: run(options), peer)
        else:
            a = statistics.median(run(options) for _ in range(5))
        rate = boxes / a
        say(what, "%.0f k/s" % rate, "%.0f k/s" % (boxes / b), "%.1f" % (b / a), ">= 200 k", rate >= 200)
    say("cb-track, largest memory", "%.1f MB" % (max(rss) / 1024), "", "", "", None)


def alert_rules(count):
    """Rules of all kinds, of which each event concerns a quarter."""
    kinds = ["", "count: 5, within: 10s", "kind: spike, within: 1m, factor: 4", "kind: flatline, within: 1h",
             "kind: change, field: data.zone", "kind: new, field: data.track",
             "cooldown: 1m, class: person, confidence: 0.99", "resolve: 5m, when: {from: '22:00', to: '06:00'}"]
    types = ["cb.zone.enter", "cb.line.cross", "plate.read", "cb.crowd"]
    out = ["timezone: Europe/Paris", "rules:"]
    for i in range(count):
        kind, t = kinds[i % len(kinds)], types[i // len(kinds) % 4]
        if i % 20 == 19:
            out.append("  - {name: r%d, kind: sequence, within: 1m, group_by: subject, severity: high, "
                       "steps: [{type: %s, zone: z%d}, {type: %s, zone: y%d}]}" % (i, t, i % 7, t, i % 5))
            continue
        more = {0: "match: {data.zone: z%d, data.score: {'>': 0.999}}" % (i % 9),
                1: "match: {data.plate: {listed: [AB%03dCD, XY%03dZ]}}" % (i, i * 7),
                2: "match: {data.track: {prefix: t%d}, data.number: {'<': 20}}" % (i % 10),
                3: "match: {subject: [c1, c2, c%d], data.class: {not: car}, data.speed: {'>=': 100}}" % (i % 8)}[i % 4]
        out.append("  - {name: r%d, type: %s, group_by: subject, %s}" % (i, t, ", ".join(filter(None, (kind, more)))))
    open(os.path.join(tmp, "alert.yml"), "w").write("\n".join(out) + "\n")


def alert_events(count):
    random.seed(4)
    types = ["cb.zone.enter", "cb.line.cross", "plate.read", "cb.crowd"]
    with open(os.path.join(tmp, "alert.ndjson"), "w") as f:
        for i in range(count):
            t = 1795251284000000 + i * 1000
            f.write('{"specversion":"1.0","id":"%032x","source":"/cb-track","type":"%s",'
                    '"time":"2026-11-21T08:54:44.000000Z","subject":"c%d","data":{"t_us":%d,"stream":0,"pts":%d,'
                    '"zone":"z%d","track":"t%d","number":%d,"class":"%s","score":%.4f,"box":[0.375,0.7,0.05,0.2],'
                    '"speed":%.2f,"plate":"AB%03dC%s"}}\n'
                    % (i, types[i % 4], i % 8, t, i * 90, random.randrange(9), random.randrange(1000),
                       random.randrange(1000), random.choice(("person", "car", "dog")), random.random(),
                       random.random() * 20, random.randrange(1000), random.choice("DEFG")))


def latency():
    """From the event to the sink's word that it has it: each of 1000 events a second is told, one by one."""
    open(os.path.join(tmp, "told.yml"), "w").write(
        "rules: [{name: r, type: x, data: false}]\nsinks: [{name: s, type: file, path: %s/told}]\n" % tmp)
    with open(os.path.join(tmp, "said"), "w") as said:
        p = subprocess.Popen([tool("cb-alert"), "-q", "-c", os.path.join(tmp, "told.yml"), "--state",
                              os.path.join(tmp, "state")], stdin=subprocess.PIPE, stdout=said)
        begin = time.time()
        for i in range(5000):
            while time.time() < begin + i / 1000:
                time.sleep(0.0005)
            p.stdin.write(b'{"specversion":"1.0","id":"%d","source":"/t","type":"x","data":{"t_us":%d}}\n'
                          % (i, int(time.time() * 1e6)))
            p.stdin.flush()
        p.stdin.close()
        p.wait()
    queued, took = {}, []
    for line in open(os.path.join(tmp, "said")):
        data = json.loads(line)["data"]
        if data.get("decision") == "queued":
            queued[data["note"]] = data["t_us"]
        elif data.get("decision") == "delivered":
            took.append((data["t_us"] - queued[data["note"]]) / 1000)
    took.sort()
    if len(took) < 5000:
        raise RuntimeError("%d of 5000 delivered" % len(took))
    p99 = took[len(took) * 99 // 100]
    say("event to file sink, 1000 a second", "p99 %.0f ms" % p99, "p50 %.0f ms" % took[len(took) // 2], "", "<= 250 ms",
        p99 <= 250)


def do_alert():
    missing = have(tool("cb-alert"), bench("cost"), "jq")
    if missing:
        return skip("cb-alert", missing + " is missing")
    events, alerts, rss = 200000, [], []
    alert_events(events)
    shell('head -n 20000 alert.ndjson >some.ndjson')

    def run():
        shell('"$C" a "$T" -c alert.yml <alert.ndjson >alerts.out', C=bench("cost"), T=tool("cb-alert"))
        v = open(os.path.join(tmp, "a")).read().split()
        rss.append(int(v[1]))
        alerts.append(int(shell("wc -l <alerts.out")))
        return float(v[0])

    def peer(script, times):
        def one():
            shell('"$C" a jq -c "$S" <some.ndjson >/dev/null', C=bench("cost"), S=script)
            return float(open(os.path.join(tmp, "a")).read().split()[0]) * times
        return one
    one = 'select(.type == "cb.zone.enter" and .data.zone == "z1" and .data.score > 0.999)'
    for count, script in ((1, one), (100, one)):
        alert_rules(count)
        a, b = pairs(3, run, peer(script, events / 20000))
        say("cb-alert, %d rule%s, events/s | jq, 1" % (count, "s" * (count > 1)), "%.0f k/s" % (events / a),
            "%.0f k/s" % (events / b), "%.1f" % (b / a), ">= 300 k", events / a >= 300)
    say("cb-alert, largest memory", "%.1f MB" % (max(rss) / 1024), "", "", "", None)
    print("#   %d alerts of 100 rules" % alerts[-1])
    latency()


def receive(kind, late):
    """A receiver in a thread of its own; late gets the ms from each event's time to its arrival."""
    import socket
    import threading
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        conn = server.accept()[0]
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = b""
        while more := conn.recv(1 << 16):
            now, data = time.time(), data + more
            while True:
                if kind == "webhook":
                    head = data.find(b"\r\n\r\n")
                    if head < 0:
                        break
                    at = data.lower().index(b"content-length:")
                    end = head + 4 + int(data[at + 15:data.index(b"\r\n", at)])
                else:
                    space = data.find(b" ")
                    if space < 0:
                        break
                    end = space + 1 + int(data[:space])
                if len(data) < end:
                    break
                at = data.index(b"sent", 0, end)
                late.append(1e3 * (now - float(data[at + 4:at + 21])))
                data = data[end:]
                if kind == "webhook":
                    conn.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    return server.getsockname()[1]


def do_deliver():
    """From an event on stdin to the sink, 1 000 a second, each an alert; and a storm."""
    event = ('{"specversion":"1.0","id":"%d","source":"/b","type":"x","subject":"yard",'
             '"data":{"t_us":%d,"s":"sent%017.6f"}}\n')
    for kind in ("webhook", "syslog", "mqtt"):
        late = []
        peer = None
        path = os.path.join(tmp, "deliver-" + kind)
        os.makedirs(path)
        if kind == "mqtt":
            if not shutil.which("mosquitto") or not shutil.which("mosquitto_sub"):
                skip("1000 events/s to mqtt", "no mosquitto")
                continue
            import socket
            with socket.socket() as s:
                s.bind(("127.0.0.1", 0))
                port = s.getsockname()[1]
            with open(path + "/m.conf", "w") as f:
                f.write("listener %d 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n" % port)
            peer = subprocess.Popen(["mosquitto", "-c", path + "/m.conf"], stderr=subprocess.DEVNULL)
            time.sleep(0.5)
            heard = subprocess.Popen(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), "-t", "a", "-q", "1",
                                      "-F", "%U %p"], stdout=open(path + "/heard", "wb"))
            time.sleep(0.5)
            sink = "{name: s, type: mqtt, host: 127.0.0.1, port: %d, topic: a, tls: false}" % port
        else:
            port = receive(kind, late)
            sink = {"webhook": '{name: s, type: webhook, url: "http://127.0.0.1:%d/", plain_http: true, allow: 127.0.0.1}',
                    "syslog": "{name: s, type: syslog, transport: tcp, host: 127.0.0.1, port: %d}"}[kind] % port
        with open(path + "/r.yml", "w") as f:
            f.write("rules:\n  - {name: r, type: x}\nsinks:\n  - %s\n" % sink)
        p = subprocess.Popen([tool("cb-alert"), "-c", path + "/r.yml", "--state", path + "/st"], stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL)
        n, start = 5000, time.time()
        for i in range(n):
            due = start + i / 1000
            while (left := due - time.time()) > 0:
                time.sleep(left)
            now = time.time()
            p.stdin.write((event % (i, now * 1e6, now)).encode())
            p.stdin.flush()
        p.stdin.close()
        p.wait()
        if peer:
            time.sleep(0.3)
            heard.terminate()
            heard.wait()
            peer.terminate()
            peer.wait()
            for line in open(path + "/heard"):
                at = line.index("sent")
                late.append(1e3 * (float(line.split()[0]) - float(line[at + 4:at + 21])))
        late.sort()
        if len(late) < n:
            skip("1000 events/s to " + kind, "%d of %d arrived" % (len(late), n))
            continue
        p99 = late[int(len(late) * 0.99)]
        say("1000 events/s to %s: p99, median" % kind, "%.1f ms" % p99, "%.1f ms" % late[len(late) // 2], "", "250 ms",
            p99 <= 250)
    path = os.path.join(tmp, "storm")
    os.makedirs(path)
    n = 100000
    with open(path + "/in", "w") as f:
        for i in range(n):
            f.write(event % (i, i, i))
    with open(path + "/r.yml", "w") as f:
        f.write("rules:\n  - {name: r, type: x}\nsinks:\n  - {name: s, type: file, path: %s/log}\n" % path)
    ms = cost('"%s" -c %s/r.yml --state %s/st --drain 5m <%s/in >%s/out' % (tool("cb-alert"), path, path, path, path))
    ok = sum(1 for _ in open(path + "/log")) == n
    say("storm of 100000 alerts to a file", "%.0f /s" % (n / ms * 1e3), "", "", "", ok or None)


def main():
    print(FORMAT % ("what | peer", "ours", "peer", "ratio", "bar", ""))
    for name, f in (("pipe", do_pipe), ("record", do_record), ("sealed", do_sealed), ("rtsp", do_rtsp), ("start", do_start), ("sandbox", do_sandbox),
                    ("nn", do_nn), ("models", do_models),
                    ("film", do_film),
                    ("fit", do_fit), ("json", do_json), ("verify", do_verify), ("sign", do_sign),
                    ("export", do_export), ("audit", do_audit), ("index", do_index),
                    ("track", do_track), ("alert", do_alert), ("deliver", do_deliver)):
        if only and name not in only:
            continue
        try:
            f()
        except RuntimeError as e:
            skip(name, "failed: %s" % e)


try:
    main()
finally:
    shutil.rmtree(tmp, ignore_errors=True)
