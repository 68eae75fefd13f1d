#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Mail: in the clear where that is said, STARTTLS and TLS, a thumbnail, texts that want to be
# headers, refusals; programs.
. "$CB_SRC/tests/lib.sh"
need_cmd openssl python3 jq
. "$CB_SRC/tests/deliver/lib.sh"
certificates || skip_all "openssl makes no certificates"

sink() {
	cat >m.yml <<-END
	sinks:
	  - name: m
	    type: smtp
	    host: localhost
	    port: $port
	    from: cb@example.org
	    to: ${to:-[guard@example.org, boss@example.org]}
	    timeout: 3s
	    retry: {first: 20ms, most: 100ms${more:-}}
	    ${1:-}
	delivery:
	  snapshots: {dir: $T/pictures, bytes: 100k}
	  recordings: {store: /srv/cb, before: 10s, after: 30s}
	END
}
put() {
	_wait=$1
	shift
	rm -rf spool
	[ $# -eq 0 ] || ev "$@" >in
	deliver-put -d "$_wait" m.yml spool <in >said 2>err
	_put=$?
	grep -h "did not end well" err >>unwell
	return $_put
}
mkdir pictures
# the mails of ./got by Python's parser: a JSON line each
mails() {
	/usr/bin/python3 - <<-'END'
	import email, email.policy, json
	for line in open('got'):
	    r = json.loads(line)
	    if 'data' not in r:
	        continue
	    m = email.message_from_bytes(r['data'].encode('latin-1'), policy=email.policy.default)
	    parts = [p for p in m.walk() if not p.is_multipart()]
	    print(json.dumps({'headers': sorted(m.keys()), 'subject': m['subject'], 'to': m['to'], 'id': m['message-id'],
	        'rcpt': r['to'], 'tls': r['tls'], 'auth': r.get('auth'), 'text': parts[0].get_content(),
	        'types': [p.get_content_type() for p in parts], 'defects': len(m.defects),
	        'bytes': [len(p.get_payload(decode=True)) for p in parts],
	        'longest': max(map(len, r['data'].split('\r\n')))}))
	END
}

receiver smtp got
sink 'tls: none'
put 10 1 2
mails >parsed
ok "two mails" '[ "$(said delivered)" -eq 2 ] && [ "$(grep -c . parsed)" -eq 2 ]' || note "$(cat said err)"
ok "subject and text" '[ "$(jq -r .subject parsed | head -n 1)" = "number 1" ] && jq -r .text parsed | grep -q "^number 2$"' || note "$(cat parsed)"
ok "how to see the recording" 'jq -r .text parsed | grep -qx "cb-export /srv/cb --camera yard --from 1969-12-31T23:59:51.000000Z --to 1970-01-01T00:00:31.000000Z -o 00000000000000000000000000000001.tar"' ||
	note "$(jq -r .text parsed)"
ok "to both" '[ "$(jq -c .rcpt parsed | head -n 1)" = "[\"RCPT TO:<guard@example.org>\",\"RCPT TO:<boss@example.org>\"]" ]' || note "$(cat parsed)"
ok "an id that stays" '[ "$(jq -r .id parsed | head -n 1)" = "<00000000000000000000000000000001.m@cb.invalid>" ]'

# --- headers
rm got
# shellcheck disable=SC2016  # literal
printf '%s\n' '{"specversion":"1.0","id":"a1","source":"/cb-alert","type":"cb.alert","subject":"x\r\nBcc: evil@example.org","data":{"t_us":1000000,"rule":"r","severity":"low","message":"Tür\r\nBcc: evil@example.org\r\n\r\n.\r\nMAIL FROM:<x>\u001b[31m\u202eüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü"}}' >in
put 10
mails >parsed
ok "no text can be a header" '[ "$(jq -c .headers parsed)" = "[\"Auto-Submitted\",\"Content-Transfer-Encoding\",\"Content-Type\",\"Date\",\"From\",\"MIME-Version\",\"Message-ID\",\"Subject\",\"To\",\"X-Cb-Alert\"]" ]' ||
	note "$(cat parsed)"
ok "nor a recipient, nor an end" '[ "$(grep -c . got)" -eq 1 ] && [ "$(jq -c ".rcpt|length" parsed)" -eq 2 ] && [ "$(jq .defects parsed)" -eq 0 ]'
ok "the subject is its text on one line" 'jq -r .subject parsed | grep -q "^Tür??Bcc: evil@example.org????.??MAIL"' || note "$(jq -r .subject parsed)"
ok "no line is longer than 78" '[ "$(jq .longest parsed)" -le 78 ]'

# --- thumbnails
rm got
{ printf '\377\330\377\340'; head -c 5000 /dev/urandom; printf '\377\331'; } >pictures/e1.jpg
cp pictures/e1.jpg pictures/yard.jpg
{ printf '\377\330\377\340'; head -c 200000 /dev/urandom; printf '\377\331'; } >pictures/big.jpg
ln -s e1.jpg pictures/link.jpg
printf 'no picture' >pictures/text.jpg
for e in e1 big link text ../e1; do
	printf '{"specversion":"1.0","id":"%s","source":"/cb-alert","type":"cb.alert","data":{"t_us":1000000,"event":"%s","severity":"low","message":"m"}}\n' \
		"a$(printf %s "$e" | tr -dc a-z)" "$e"
done >in
ev 9 >>in
sink 'tls: none
    thumbnail: true'
put 10
mails >parsed
ok "the picture of the event, of the camera; none that is too large, a link, no picture, elsewhere" \
	'[ "$(jq -c .types parsed | tr -d "\n")" = "[\"text/plain\",\"image/jpeg\"][\"text/plain\"][\"text/plain\"][\"text/plain\"][\"text/plain\"][\"text/plain\",\"image/jpeg\"]" ]' ||
	note "$(jq -c .types parsed)"
ok "byte for byte" '[ "$(jq ".bytes[1]" parsed | tail -n 1)" -eq 5006 ]'
rm got
touch -d '2 minutes ago' pictures/yard.jpg
put 10 9
mails >parsed
ok "the camera's picture only while it is new" '[ "$(jq -c .types parsed)" = "[\"text/plain\"]" ]'

# --- the same in an event
touch pictures/yard.jpg
printf 'sinks:\n  - {name: j, type: file, path: %s/j.log, thumbnail: true}\n  - {name: n, type: file, path: %s/n.log}\ndelivery:\n  snapshots: {dir: %s/pictures}\n  recordings: {store: "/srv/c b"}\n' "$T" "$T" "$T" >m.yml
put 10 9
ok "an event with its picture" 'jq -r .data.thumbnail.base64 j.log | base64 -d | cmp -s - pictures/yard.jpg'
ok "without, where it is not asked for" '[ "$(jq -r ".data.thumbnail" n.log)" = null ]'
printf "cb-replay '/srv/c b' --camera yard --from 1970-01-01T00:00:04.000000Z --to 1970-01-01T00:00:24.000000Z\n" >want
jq -r .data.recording.replay n.log >got.replay
same_file want got.replay "and how to see what was recorded, for a shell"

# --- refusals
rm got
to=nobody@example.org sink 'tls: none'
put 10 1
ok "550: dead" 'grep -q "^dead " said' || note "$(cat said)"
to=busy@example.org sink 'tls: none'
put 0.3 1
ok "450: later" 'grep -q "^failed " said && ! grep -q ^dead said' || note "$(cat said)"
sink
put 0.3 1
ok "no STARTTLS where it is asked for: no mail" '[ "$(said failed)" -gt 0 ] && [ ! -e got ]' || note "$(cat said)"
ended

# --- TLS
printf 'secret1\n' >pw
chmod 600 pw
receiver smtp got good.pem good.key
sink "ca: $T/ca.pem
    user: cam
    password_file: $T/pw"
put 10 1
mails >parsed
ok "STARTTLS, with a password" '[ "$(jq -c "[.tls,.auth]" parsed)" = "[true,\"\\u0000cam\\u0000secret1\"]" ]' || note "$(cat said parsed)"
ended
rm -f got
receiver smtp got good.pem good.key implicit
sink "ca: $T/ca.pem
    tls: implicit"
put 10 1
mails >parsed
ok "TLS from the start" '[ "$(jq -c .tls parsed)" = true ]' || note "$(cat said)"
ended
for c in other expired self; do
	rm -f got
	receiver smtp got $c.pem $c.key
	sink "ca: $T/ca.pem
    user: cam
    password_file: $T/pw"
	put 0.3 1
	ok "a certificate is refused, and no password sent: $c" '[ "$(said failed)" -gt 0 ] && ! grep -q "auth\|data" got 2>/dev/null' ||
		note "$(cat said)"
	ended
done

# --- programs
cat >prog <<END
#!/bin/sh
cat >>$T/stdin
env | sort >$T/env
ls /proc/self/fd | wc -l >$T/fds
exit \${EXIT:-0}
END
chmod +x prog
printf 'sinks:\n  - {name: x, type: exec, argv: [%s/prog, "$(id)"], retry: {first: 20ms, most: 50ms, attempts: 2}}\n' "$T" >m.yml
rm -f stdin
put 10 1 2
ok "a program has the alerts on its stdin" 'cmp -s stdin in && [ "$(said delivered)" -eq 2 ]' || note "$(cat said)"
ok "and knows which, and little else" '[ "$(grep -v "^PWD=\|^_=\|^SHLVL=\|^OLDPWD" env | tr "\n" " ")" = "CB_ALERT_ID=00000000000000000000000000000002 CB_ATTEMPT=1 CB_SINK=x LC_ALL=C.UTF-8 PATH=/usr/local/bin:/usr/bin:/bin " ]' ||
	note "$(cat env)"
sed -i 's/EXIT:-0/EXIT:-1/' prog
put 10 1
ok "a program that fails is tried again, then dead" '[ "$(said failed)" -eq 1 ] && grep -q "^dead .*2 attempts: .*exit status 1" said' || note "$(cat said)"
sed -i 's/EXIT:-1/EXIT:-65/' prog
put 10 1
ok "65: no other try" '[ "$(said failed)" -eq 0 ] && [ "$(said dead)" -eq 1 ]'
printf '#!/bin/sh\nsleep 1000 &\necho $! >%s/child\nsleep 1000\n' "$T" >prog
sed -i 's/type: exec/type: exec, timeout: 200ms/' m.yml
put 10 1
ok "one that does not end is killed, and what it started" 'grep -q "^dead .*killed" said && wait_for "! kill -0 $(cat child) 2>/dev/null"' || note "$(cat said)"
ok "the helper always ended well" '[ ! -s unwell ]'
done_testing
