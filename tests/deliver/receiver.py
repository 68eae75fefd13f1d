#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Receivers for tests of sinks. What arrives is written to OUT, a JSON line each; the port to
./port, when it can be connected to.

    receiver.py http OUT [CERT KEY]        paths: /ok  /status/N[/TIMES]  /wait/S  /redirect  /later/S
    receiver.py smtp OUT [CERT KEY [implicit]]   without a certificate: no STARTTLS
    receiver.py verify FILE KEY...         the signatures in FILE, by whsec_ or whpk_ keys
"""
import base64
import hashlib
import hmac
import http.server
import json
import os
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time

lock = threading.Lock()
# the one of ./port.want, where somebody has to know it before
PORT = int(open('port.want').read()) if os.path.exists('port.want') else 0


def record(out, thing):
    with lock, open(out, 'a') as f:
        f.write(json.dumps(thing) + '\n')


def serve(server):
    with open('port.new', 'w') as f:
        f.write(str(server.server_address[1]))
    os.rename('port.new', 'port')
    server.serve_forever()


def context(cert, key):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(cert, key)
    return c


def http_server(out, cert=None, key=None):
    seen = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def answer(self, status, *headers):
            self.send_response(status)
            for k, v in headers:
                self.send_header(k, v)
            self.send_header('Content-Length', '0')
            self.end_headers()

        def do_POST(self):
            body = self.rfile.read(int(self.headers['Content-Length']))
            part = self.path.split('/')[1:]
            with lock:
                seen[self.path] = seen.get(self.path, 0) + 1
                times = seen[self.path]
            record(out, {'path': self.path, 'at': time.time(), 'peer': self.client_address[1],
                         'headers': {k.lower(): v for k, v in self.headers.items()},
                         'body': body.decode('latin-1')})
            if part[0] == 'status' and (len(part) < 3 or times <= int(part[2])):
                self.answer(int(part[1]))
            elif part[0] == 'later' and times == 1:
                self.answer(503, ('Retry-After', part[1]))
            elif part[0] == 'redirect':
                self.answer(307, ('Location', '/ok'))
            else:
                if part[0] == 'wait':
                    time.sleep(float(part[1]))
                self.answer(204)

        def do_GET(self):
            record(out, {'path': 'GET ' + self.path})
            self.answer(200)

        def log_message(self, *a):
            pass

    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True

        def handle_error(self, request, address):
            record(out, {'error': str(sys.exc_info()[1])})

        def get_request(self):
            sock, address = super().get_request()
            sock.settimeout(30)
            if cert:
                sock = tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            return sock, address

    tls = context(cert, key) if cert else None
    serve(Server(('127.0.0.1', PORT), Handler))


def smtp_server(out, cert=None, key=None, implicit=None):
    tls = context(cert, key) if cert else None

    class Handler(socketserver.StreamRequestHandler):
        def say(self, text):
            self.wfile.write(text.encode() + b'\r\n')

        def handle(self):
            if implicit:
                self.secure()
            mail = {}
            self.say('220 receiver')
            while True:
                line = self.rfile.readline().decode('latin-1').rstrip('\r\n')
                verb = line[:4].upper()
                if not line or verb == 'QUIT':
                    return
                if verb == 'EHLO':
                    if tls and not isinstance(self.request, ssl.SSLSocket):
                        self.say('250-STARTTLS')
                    self.say('250-SIZE 2000000')
                    self.say('250 AUTH PLAIN')
                elif verb == 'STAR':
                    self.say('220 go')
                    self.secure()
                elif verb == 'AUTH':
                    if len(line.split()) < 3:
                        self.say('334 ')
                        line += ' ' + self.rfile.readline().decode().strip()
                    mail['auth'] = base64.b64decode(line.split()[2]).decode()
                    self.say('235 ok')
                elif verb == 'MAIL':
                    mail['from'], mail['to'] = line, []
                    self.say('250 ok')
                elif verb == 'RCPT':
                    if 'nobody@' in line:
                        self.say('550 there is nobody')
                    elif 'busy@' in line:
                        self.say('450 later')
                    else:
                        mail['to'].append(line)
                        self.say('250 ok')
                elif verb == 'DATA':
                    self.say('354 go')
                    data = b''
                    while (k := self.rfile.readline()) not in (b'.\r\n', b''):
                        data += k[1:] if k.startswith(b'..') else k
                    mail['data'] = data.decode('latin-1')
                    mail['tls'] = isinstance(self.request, ssl.SSLSocket)
                    record(out, mail)
                    self.say('250 ok')
                else:
                    self.say('250 ok')

        def secure(self):
            self.request = tls.wrap_socket(self.request, server_side=True)
            self.rfile = self.request.makefile('rb', -1)
            self.wfile = self.request.makefile('wb', 0)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True

        def handle_error(self, request, address):
            record(out, {'error': str(sys.exc_info()[1])})

    serve(Server(('127.0.0.1', PORT), Handler))


def verify(path, *keys):
    bad = 0
    for line in open(path):
        r = json.loads(line)
        h = r['headers']
        signed = f"{h['webhook-id']}.{h['webhook-timestamp']}.".encode() + r['body'].encode('latin-1')
        have = h['webhook-signature'].split()
        for key in keys:
            kind, text = key.split('_', 1)
            raw = base64.b64decode(text)
            if kind == 'whsec':
                want = base64.b64encode(hmac.new(raw, signed, hashlib.sha256).digest()).decode()
                good = f'v1,{want}' in have
            else:
                good = any(openssl(raw, base64.b64decode(s[4:]), signed) for s in have if s.startswith('v1a,'))
            bad += not good
        bad += abs(int(h['webhook-timestamp']) - r['at']) > 5
    sys.exit(bad != 0)


def openssl(public, signature, message):
    with tempfile.TemporaryDirectory() as d:
        for name, data in (('key', bytes.fromhex('302a300506032b6570032100') + public), ('sig', signature),
                           ('msg', message)):
            with open(f'{d}/{name}', 'wb') as f:
                f.write(data)
        return subprocess.run(['openssl', 'pkeyutl', '-verify', '-pubin', '-keyform', 'DER', '-inkey', f'{d}/key',
                               '-rawin', '-in', f'{d}/msg', '-sigfile', f'{d}/sig'],
                              stdout=subprocess.DEVNULL).returncode == 0


{'http': http_server, 'smtp': smtp_server, 'verify': verify}[sys.argv[1]](*sys.argv[2:])
