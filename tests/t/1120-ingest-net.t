#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cb-ingest from web servers: http and https, certificates, passwords that are shown nowhere, and
# servers that go away, stop or lie. Everything is on this machine's loopback.
. "$CB_SRC/tests/lib.sh"
need_cmd ffmpeg openssl timeout
getent hosts localhost >/dev/null || skip_all "localhost has no address here (/etc/hosts)"

ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=160x120:r=10:d=2 -f lavfi -i sine=r=16000:d=2 \
	-c:v libx264 -preset veryfast -g 10 -bf 2 -pix_fmt yuv420p -c:a aac clip.mp4
ffmpeg -nostdin -v error -i clip.mp4 -c copy clip.ts
for host in localhost elsewhere.test; do
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$host" \
		-addext "subjectAltName=DNS:$host" -keyout $host.key -out $host.pem 2>/dev/null
done

cat >server.py <<'P'
"""server.py NAME [CERT KEY]: serve this directory on a free port, written to NAME.port"""
import base64, http.server, os, ssl, sys, threading, time
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    def log_message(self, *a):
        with open("requests", "a") as f:
            f.write(" ".join(map(str, a)) + "\n")
    def do_GET(self):
        path = self.path.lstrip("/")
        if path.startswith("to-"):			# to-http-..., to-file
            where = {"to-there": "/clip.ts", "to-file": "file:///etc/passwd",
                     "to-http": "http://localhost:%s/clip.ts" % os.environ.get("PLAIN", "1")}[path]
            self.send_response(302)
            self.send_header("Location", where)
            self.end_headers()
            return
        if path.startswith("secret/"):
            with open("asked", "a") as f:
                f.write("%s %s\n" % (path, self.headers.get("Authorization")))
            want = "Basic " + base64.b64encode("viewer:s3cr@t/é:x".encode()).decode()
            if self.headers.get("Authorization") != want:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="r"')
                self.end_headers()
                return
            path = path[7:]
        if path == "away":				# another host by its name, who asks for a password too
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:%s/secret/there" % self.server.server_address[1])
            self.end_headers()
            return
        kind, _, name = path.rpartition("/")
        try:
            data = open(name, "rb").read()
        except OSError:
            self.send_error(404)
            return
        self.send_response(200)
        if kind != "live":				# live: no length
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if kind == "stall":
            self.wfile.write(data[:len(data) // 2])
            self.wfile.flush()
            time.sleep(30)
        elif kind == "short":
            self.wfile.write(data[:len(data) // 2])
        else:
            self.wfile.write(data)
    def handle(self):
        try:
            super().handle()
        except OSError:
            pass
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)
s.daemon_threads = True
if len(sys.argv) > 2:
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(sys.argv[2], sys.argv[3])
    s.socket = c.wrap_socket(s.socket, server_side=True, do_handshake_on_connect=False)
with open(sys.argv[1] + ".tmp", "w") as f:
    f.write(str(s.server_address[1]))
os.rename(sys.argv[1] + ".tmp", sys.argv[1] + ".port")
threading.Timer(120, lambda: os._exit(0)).start()	# should the test die
s.serve_forever()
P
pids=
serve() {
	/usr/bin/python3 server.py "$@" 2>>server.err &
	pids="$pids $!"
	_i=0
	while [ ! -e "$1.port" ] && [ $_i -lt 200 ]; do sleep 0.05; _i=$((_i + 1)); done
	[ -s "$1.port" ]; ok "server $1 runs" "[ $? -eq 0 ]" || exit 1
}
stop_servers() {
	for _p in $pids; do kill "$_p" 2>/dev/null || :; done
	pids=
}
trap 'stop_servers; _leave' EXIT
serve plain
PLAIN=$(cat plain.port)
export PLAIN
serve good localhost.pem localhost.key
serve wrong elsewhere.test.pem elsewhere.test.key
H=http://localhost:$PLAIN
S=https://localhost:$(cat good.port)
W=https://localhost:$(cat wrong.port)
one() { [ "$(wc -l <err)" = 1 ] && grep -q "^cb-ingest: $1" err; }
data() { cb-frame hash "$1" | sed 's/.*data=//;/^all/d'; }

cb-ingest clip.ts >file.cbf
cb-ingest clip.mp4 >filemp4.cbf
data file.cbf >want
data filemp4.cbf >wantmp4

# --- http -------------------------------------------------------------------------------------------
exits 0 sh -c "cb-ingest $H/clip.ts >c.cbf"
ok "without a word" '[ ! -s err ]'
data c.cbf >got
same_file want got "http: what the file has"
cb-frame dump c.cbf >d
ok "named after the host, not live: it has a length" 'head -n 1 d | grep -q "camera=localhost live=0"'
exits 0 sh -c "cb-ingest $H/clip.mp4 >c.cbf"
data c.cbf >got
same_file wantmp4 got "http: an MP4 file"
exits 0 sh -c "cb-ingest $H/live/clip.ts >c.cbf"
data c.cbf >got
same_file want got "http without a length: the same packets"
cb-frame dump c.cbf >d
ok "and live" 'head -n 1 d | grep -q "live=1"'
# it is connected to again where that is wanted: every connection has the whole clip
cb-ingest --retry=later --retry-first 0.1s --camera door "$H/live/clip.ts" >c.cbf 2>err &
pid=$!
wait_for '[ "$(cb-frame dump c.cbf 2>/dev/null | grep -c "cb.source.back")" -ge 2 ]'
kill -TERM $pid
_st=0; wait $pid || _st=$?
ok "--retry: until it is asked to stop ($_st)" '[ $_st -eq 0 ]' || note "$(cat err)"
cb-frame dump c.cbf >d
ok "GAPs between the connections, END: stopped" '[ "$(grep -c " GAP .*reason=source" d)" -ge 2 ] && tail -n 1 d | grep -q "END reason=stopped"' || note "$(grep -v PACKET d)"
ok "all of the clip, each time" '[ "$(grep -c " PACKET stream=0 " d)" -ge 40 ]'
cb-frame events c.cbf >ev
valid_events ev
exits 0 sh -c "cb-ingest --retry=later $H/clip.ts >c.cbf"
data c.cbf >got
same_file want got "what has a length is no live source: it ends"
exits 0 sh -c "cb-ingest $H/to-there >c.cbf"
data c.cbf >got
same_file want got "a redirection is followed"
exits 0 sh -c "http_proxy=http://127.0.0.1:9 cb-ingest $H/clip.ts >c.cbf"
exits 66 cb-ingest "$H/nowhere.ts"
ok "no such thing: one line" 'one "$H/nowhere.ts: .*404"'
_st=0
cb-ingest "$H/to-file" >out 2>err || _st=$?
ok "no redirection to files ($_st)" '[ $_st -ge 65 ] && [ ! -s out ] && [ "$(wc -l <err)" = 1 ]'
exits 69 cb-ingest http://127.0.0.1:9/x.ts
ok "nobody there: one line" 'one "http://127.0.0.1:9/x.ts: Connection refused"'
_st=0
timeout 20 cb-ingest --timeout 1s "$H/stall/clip.ts" >c.cbf 2>err || _st=$?
ok "a server that stops: given up after --timeout ($_st)" '[ $_st -eq 69 ] && one "$H/stall/clip.ts: no data for 1 s"'
cb-frame dump c.cbf >d 2>&1
ok "what came was delivered, and END says that the source failed" 'grep -q PACKET d && tail -n 1 d | grep -q "END.*error"'
_st=0
cb-ingest "$H/short/clip.ts" >c.cbf 2>err || _st=$?
ok "half of what was promised is an error ($_st)" '[ $_st -ge 65 ] && grep -q "^cb-ingest: $H/short/clip.ts: " err'

# --- https ------------------------------------------------------------------------------------------
exits 69 cb-ingest "$S/clip.ts"
ok "a certificate that nobody vouches for: one line, nothing is read" \
	'one "$S/clip.ts: .*certificate" && [ ! -s out ] && ! grep -q https requests'
exits 0 sh -c "cb-ingest --ca-file localhost.pem $S/clip.ts >c.cbf"
data c.cbf >got
same_file want got "with --ca-file: what the file has"
exits 69 cb-ingest --ca-file elsewhere.test.pem "$W/clip.ts"
ok "another one's certificate" 'one "$W/clip.ts: " && [ ! -s out ]'
exits 69 cb-ingest --ca-file localhost.pem "$W/clip.ts"
_st=0
cb-ingest --ca-file nowhere.pem "$S/clip.ts" >out 2>err || _st=$?
ok "no such file of certificates ($_st)" '[ $_st -ge 64 ] && [ ! -s out ] && [ "$(wc -l <err)" = 1 ]'
_st=0
cb-ingest --ca-file localhost.pem "$S/to-http" >out 2>err || _st=$?
ok "https is not led to http ($_st): nothing of it is used" '[ $_st -eq 69 ] && [ ! -s out ] && one "$S/to-http: redirected"'

# --- passwords --------------------------------------------------------------------------------------
secret='s3cr@t/é:x'
(umask 077 && printf 'viewer:%s\nmore\n' "$secret" >pass)
(umask 077 && printf 'viewer:wr0ngpw\n' >wrongpass)
leak() { grep -aq -e 's3cr' -e 'wr0ngpw' -e '%40t' -e "$(printf 'viewer:%s' "$secret" | base64)" "$@"; }
exits 77 cb-ingest "$H/secret/clip.ts"
ok "without a password: one line" 'one "$H/secret/clip.ts: .*401"'
exits 0 sh -c "cb-ingest -v --credentials pass $H/secret/clip.ts >c.cbf"
data c.cbf >got
same_file want got "with --credentials: what the file has"
ok "it is shown nowhere" '! leak err c.cbf'
exits 0 sh -c "cb-ingest --credentials fd:7 $H/secret/clip.ts 7<pass >c.cbf"
data c.cbf >got
same_file want got "from a descriptor"
exits 77 cb-ingest -v --credentials wrongpass "$H/secret/clip.ts"
ok "a wrong one is not shown" '! leak err out'
exits 0 sh -c "cb-ingest --credentials pass --ca-file localhost.pem $S/secret/clip.ts >c.cbf"
exits 0 sh -c "cb-ingest 'http://viewer:s3cr%40t%2F%C3%A9%3Ax@localhost:$PLAIN/secret/clip.ts' >c.cbf"
ok "in the address: a warning, which does not show it" '[ "$(wc -l <err)" = 1 ] && grep -q "warning: .*--credentials" err && ! leak err c.cbf'
cb-frame dump c.cbf >d
ok "nor is it in the camera's name" 'head -n 1 d | grep -q camera=localhost'
exits 77 cb-ingest -v "http://viewer:wr0ngpw@localhost:$PLAIN/secret/clip.ts"
ok "not in a diagnosis" '! leak err out && grep -q "://\*\*\*@localhost" err'
exits 69 cb-ingest "http://viewer:wr0ngpw@127.0.0.1:9/x"
ok "nor in this one" '! leak err out'
exits 69 cb-ingest --timeout 2s "rtsps://viewer:wr0ngpw@127.0.0.1:9/x"
ok "nor with rtsps" '! leak err out'
exits 69 cb-ingest --timeout 2s "rtsp://viewer:wr0ngpw@127.0.0.1:9/x"
ok "nor with rtsp" '! leak err out'
rm -f asked
exits 77 cb-ingest --credentials pass "$H/secret/away"
ok "a redirection to another host does not take the password with it" \
	'grep -q "^secret/away Basic" asked && grep -q "^secret/there None" asked && ! grep -q "there Basic" asked'
chmod 644 pass
exits 77 cb-ingest --credentials pass "$H/secret/clip.ts"
ok "a file that others can read is refused" 'one ".*chmod 600" && ! leak err'
exits 66 cb-ingest --credentials nowhere "$H/secret/clip.ts"
exits 66 cb-ingest --credentials fd:77 "$H/secret/clip.ts"
exits 64 cb-ingest --credentials fd:x "$H/secret/clip.ts"
(umask 077 && echo wr0ngpw >nocolon)
exits 65 cb-ingest --credentials nocolon "$H/secret/clip.ts"
ok "what is no password is not shown either" '! leak err out'
stop_servers
exits 69 cb-ingest "$H/clip.ts"
done_testing
