#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Webhooks: signatures, certificates, addresses that are not connected to, what is tried again and
# when, one slow receiver beside others; HTTP/2 with nginx.
. "$CB_SRC/tests/lib.sh"
need_cmd openssl python3 jq
. "$CB_SRC/tests/deliver/lib.sh"
certificates || skip_all "openssl makes no certificates"

printf 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n' >v1.key
printf 'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==\n' >v1a.key
printf 'Authorization: Bearer abc\n' >auth
chmod 600 v1.key v1a.key auth
# hook PATH [MORE]: one webhook
hook() {
	cat >w.yml <<-END
	sinks:
	  - name: w
	    type: webhook
	    url: https://localhost:$port$1
	    ca: $T/${ca:-ca.pem}
	    allow: ${allow-127.0.0.0/8}
	    timeout: 3s
	    retry: {first: 20ms, most: 100ms${more:-}}
	    ${2:-}
	END
}
# put WAIT N...: alerts through w.yml
put() {
	_wait=$1
	shift
	rm -rf spool
	ev "$@" >in
	deliver-put -d "$_wait" w.yml spool <in >said 2>err
	_put=$?
	grep -h "did not end well" err >>unwell
	return $_put
}

receiver http got good.pem good.key
hook /ok "keys: [$T/v1.key, $T/v1a.key]
    header_file: $T/auth
    headers: 'X-Site: yard'"
put 10 1 2 3
ok "three alerts are posted" '[ "$(said delivered)" -eq 3 ]' || note "$(cat said err)"
ok "in order, whole" 'jq -r .body got | cmp -s - in'
ok "both signatures hold" '/usr/bin/python3 "$CB_SRC/tests/deliver/receiver.py" verify got \
	whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4='
ok "with another key they do not" '! /usr/bin/python3 "$CB_SRC/tests/deliver/receiver.py" verify got \
	whsec_AAAAAAAAKYqrTwjUPD8ILPZIo2LaLaSw'
ok "headers of ours and yours" '[ "$(jq -r "[.headers[\"content-type\",\"authorization\",\"x-site\"]]|join(\" \")" got | uniq)" = "application/cloudevents+json; charset=utf-8 Bearer abc yard" ]'
ok "one connection" '[ "$(jq .peer got | uniq | wc -l)" -eq 1 ]'
ok "the id is the alert's" '[ "$(jq -r ".headers[\"webhook-id\"]" got | tail -n 1)" = 00000000000000000000000000000003 ]'

rm got
hook /status/503/2
put 10 1 2
ok "503 is tried again, with the same id, and nothing passes" \
	'[ "$(jq -r ".headers[\"webhook-id\"][-1:]" got | tr -d "\n")" = 1112 ]' || note "$(cat said)"
ok "each failure is said" '[ "$(grep -c "^failed .*HTTP status 503" said)" -eq 2 ]'
rm got
hook /later/1
put 10 1
ok "Retry-After is honoured" 'jq -es ".[1].at - .[0].at > 0.95" got >/dev/null' || note "$(jq -c .at got)"
rm got
hook /status/413
put 10 1 2
ok "413: dead at once, the next one has its turn" '[ "$(said dead)" -eq 2 ] && [ "$(said failed)" -eq 0 ]'
rm got
hook /redirect
more=', attempts: 2' hook /redirect
put 10 1
ok "a redirection is a failure, and not followed" '[ "$(jq -r .path got | sort -u)" = /redirect ] && [ "$(said dead)" -eq 1 ]'
more=
rm got
hook /wait/30 'format: json'
sed -i 's/timeout: 3s/timeout: 300ms/' w.yml
put 1 1
ok "no answer in time is a failure" 'grep -q "^failed .*timed out" said' || note "$(cat said)"
ok "of which the path, often a secret, is not said" 'grep -q "^failed .*https://localhost:$port: " said && ! grep -q wait/30 said err' || note "$(cat said)"

# --- addresses: each spelling is refused without an answer, before there is a connection
rm -f got
n=0
while read -r host; do
	n=$((n + 1))
	printf '  - {name: h%d, type: webhook, url: "http://%s:%s/ok", plain_http: true, retry: {attempts: 1}, timeout: 2s}\n' \
		"$n" "$host" "$port"
done >list <<END
127.0.0.1
localhost
127.1
127.0.1
2130706433
0x7f000001
0x7f.0.0.1
0177.0.0.1
0177.0x0.1
127.127.127.127
0.0.0.0
0
[::1]
[::]
[0:0:0:0:0:0:0:1]
[::ffff:127.0.0.1]
[::ffff:7f00:1]
[::127.0.0.1]
[64:ff9b::7f00:1]
[64:ff9b::169.254.169.254]
[2002:7f00:1::]
[2002:a9fe:a9fe::1]
169.254.169.254
2852039166
0xa9fea9fe
0251.0376.0251.0376
[::ffff:169.254.169.254]
[fe80::1]
[fd00:ec2::254]
100.100.100.200
255.255.255.255
END
{ echo sinks:; cat list; } >w.yml
put 20 1
ok "$n spellings of addresses are refused" '[ "$(grep -c "^dead .* is an address that is not connected to" said)" -eq "$n" ]' ||
	note "$(grep -v "is an address" said)"
ok "and nothing was heard of them" '[ ! -e got ]'
allow='[127.0.0.1]' hook /ok
put 10 1
ok "an address that is allowed by name of its network is connected to" '[ "$(said delivered)" -eq 1 ]'
allow='[10.0.0.0/8, 169.254.0.0/16]' hook /ok
put 0.3 1
ok "others are not" 'grep -q "^failed .* address that is not connected to" said'
ended

# --- certificates
for c in other expired self; do
	rm -f got
	receiver http got $c.pem $c.key
	hook /ok
	put 0.3 1
	ok "a certificate is refused: $c" '[ "$(said failed)" -gt 0 ] && [ "$(said delivered)" -eq 0 ] && ! grep -q body got 2>/dev/null' ||
		note "$(cat said)"
	note "$(sed -n 's/^failed [^ ]* w 1 [0-9]* //p' said | head -n 1)"
	ended
done
rm -f got
receiver http got self.pem self.key
ca=self.pem hook /ok
put 10 1
ok "one that is trusted by its file is not" '[ "$(said delivered)" -eq 1 ]' || note "$(cat said)"
ended
receiver http got
hook /ok
sed -i 's/https:/http:/' w.yml
exits 78 deliver-put w.yml spool2 </dev/null
ok "http is refused without a word" 'grep -q "w.yml:4:10: url: http is not encrypted" err' || note "$(cat err)"

# --- keys that others may read
hook /ok "keys: $T/v1.key"
chmod 644 v1.key
put 0.3 1
ok "a key that others may read is not used" 'grep -q "^failed .*v1.key: others may read it" said' || note "$(cat said)"

# --- one that answers slowly beside one that does not
rm -f got
cat >w.yml <<END
sinks:
  - {name: slow, type: webhook, url: "http://127.0.0.1:$port/wait/0.5", plain_http: true, allow: 127.0.0.1}
  - {name: quick, type: webhook, url: "http://127.0.0.1:$port/ok", plain_http: true, allow: 127.0.0.1}
END
put 20 1 2 3
ok "a slow sink does not hold up another" '[ "$(grep "^delivered" said | head -n 3 | grep -c " quick ")" -eq 3 ]'
ended

# --- a receiver that is away, and everybody is killed meanwhile
unused_port
cat >w.yml <<END
sinks:
  - {name: w, type: webhook, url: "http://127.0.0.1:$port/ok", plain_http: true, allow: 127.0.0.1, retry: {first: 20ms, most: 50ms}}
END
rm -rf spool got
: >said
for i in 1 2 3 4; do
	# what was put is in the spool when the first attempt has failed or succeeded
	mkfifo feed.$i
	deliver-put w.yml spool <feed.$i >said.$i 2>>err &
	p=$!
	# shellcheck disable=SC2046
	ev $(seq $((i * 100)) $((i * 100 + 49))) >feed.$i
	wait_for '[ -s said.$i ] || ! kill -0 $p 2>/dev/null'
	# shellcheck disable=SC2046
	kill -9 $p $([ $i -ne 2 ] || pgrep -P $p) 2>/dev/null
	wait $p 2>/dev/null
	if [ $i -eq 3 ]; then
		rm -f port.want
		echo "$port" >port.want
		receiver http got
	fi
done
deliver-put -d 30 w.yml spool </dev/null >said 2>err
ok "200 alerts, all of them have arrived" '[ $? -eq 0 ] && [ "$(jq -r ".headers[\"webhook-id\"]" got | sort -u | wc -l)" -eq 200 ]' ||
	note "$(cat err) $(jq -r '.headers["webhook-id"]' got | sort -u | wc -l)"
ok "what came twice has the same id and the same body" '[ "$(jq -c "[.headers[\"webhook-id\"],.body]" got | sort -u | wc -l)" -eq 200 ]'
ok "in order" 'jq -r ".headers[\"webhook-id\"]" got | awk "!seen[\$0]++" | sort -c'
ended

# --- HTTP/2 and keep-alive, with a server that is not ours
if [ -x /usr/sbin/nginx ]; then
	unused_port
	mkdir -p ng
	cat >ng/conf <<END
daemon off; master_process off; pid $T/ng/pid; error_log $T/ng/err; worker_processes 1;
events { worker_connections 64; }
http {
	log_format w '\$server_protocol \$connection \$status \$http_webhook_id';
	access_log $T/ng/log w;
	client_body_temp_path $T/ng/b; proxy_temp_path $T/ng/p; fastcgi_temp_path $T/ng/f;
	uwsgi_temp_path $T/ng/u; scgi_temp_path $T/ng/s;
	server { listen 127.0.0.1:$port ssl http2; ssl_certificate $T/good.pem; ssl_certificate_key $T/good.key;
		location / { return 204; } }
}
END
	/usr/sbin/nginx -c "$T/ng/conf" -e "$T/ng/err" 2>ng/out &
	started $!
	wait_for '[ -s ng/pid ] || ! kill -0 $! 2>/dev/null'
	hook /
	sed -i 's/localhost/127.0.0.1/' w.yml
	put 10 1 2 3 4
	ok "nginx takes them, by HTTP/2, over one connection" \
		'[ "$(grep -c "^HTTP/2.0 [0-9]* 204 0000" ng/log)" -eq 4 ] && [ "$(grep 0000 ng/log | cut -d" " -f2 | uniq | wc -l)" -eq 1 ]' ||
		note "$(cat said ng/log ng/err ng/out)"
	ended
else
	skip "nginx is not installed"
fi
ok "the helper always ended well" '[ ! -s unwell ]'
done_testing
