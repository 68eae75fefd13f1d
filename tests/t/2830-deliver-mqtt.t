#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# MQTT with mosquitto: 3.1.1 and 5, every QoS, retained state, the will, TLS, passwords, topics made
# of hostile names, a broker that is killed.
. "$CB_SRC/tests/lib.sh"
need_cmd openssl jq mosquitto mosquitto_sub mosquitto_passwd
. "$CB_SRC/tests/deliver/lib.sh"
certificates || skip_all "openssl makes no certificates"

broker() {	# lines of configuration
	{ printf 'user %s\nlistener %d 127.0.0.1\n' "$(id -un)" "$port"; printf '%s\n' "$@"; } >m.conf
	mosquitto -c m.conf >m.log 2>&1 &
	_b=$!
	started $_b
	wait_for 'grep -q " running" m.log'
}
# hear ARGS...: mosquitto_sub in the background, lines TOPIC RETAINED PAYLOAD in ./heard
hear() {
	mosquitto_sub -h 127.0.0.1 -p "$port" -q 2 -F '%t %r %p' "$@" >heard 2>sub.err &
	started $!
	wait_for 'grep -q "SUBSCRIBE\|SUBACK" m.log || [ "$(grep -c "New client connected" m.log)" -gt 0 ]'
	sleep 0.2
}
sink() {
	printf 'sinks:\n  - {name: q, type: mqtt, host: %s, port: %d, timeout: 3s, retry: {first: 20ms, most: 200ms}, %s}\n' \
		"${host:-127.0.0.1}" "$port" "$1" >q.yml
}
put() {
	_wait=$1
	shift
	rm -rf spool
	[ $# -eq 0 ] || ev "$@" >in
	deliver-put -d "$_wait" q.yml spool <in >said 2>err
	_put=$?
	grep -h "did not end well" err >>unwell
	return $_put
}

unused_port
broker 'allow_anonymous true'
hear -t 'cb/#'
n=0
for v in 3.1.1 5; do
	for q in 0 1 2; do
		sink "topic: 'cb/{camera}/{severity}', tls: false, version: '$v', qos: $q"
		put 10 1 2 3
		n=$((n + 3))
		ok "MQTT $v, QoS $q: three are taken" '[ "$(said delivered)" -eq 3 ]' || note "$(cat said err m.log)"
		ok "MQTT $v, QoS $q: and arrive in order" 'wait_for "[ \"\$(grep -c . heard)\" -eq $n ]" && tail -n 3 heard | sed "s/^cb.yard.high 0 //" | cmp -s - in' ||
			note "$(cat heard)"
	done
done
# --- names
# shellcheck disable=SC2016  # literal
printf '%s\n' '{"specversion":"1.0","id":"a1","source":"/cb-alert","type":"cb.alert","subject":"a/b+#$(id)\n","data":{"t_us":1000000,"rule":"..\u001b","severity":"low","message":"m"}}' >in
sink "topic: 'cb/{camera}/{rule}', tls: false"
put 10
ok "a name is one level of a topic" 'wait_for "grep -qF \"cb/a_b___(id)_/.._ \" heard"' || note "$(cat heard said)"

# --- the last one stays, and who we are
sink "topic: cb/last, tls: false, retain: true, status_topic: cb/status"
rm -rf spool
ev 1 2 >in
mkfifo fifo
deliver-put -d 10 q.yml spool <fifo >said 2>err &
p=$!
exec 3>fifo
cat in >&3
exec 3>&-
wait $p
ok "a status: online, and offline at the end" 'wait_for "grep -q \"^cb/status . offline\" heard" && [ "$(sed -n "s/^cb.status . //p" heard | tr "\n" " ")" = "online offline " ]' ||
	note "$(grep status heard)"
ended
broker 'allow_anonymous true' 'persistence false'
sink "topic: cb/last, tls: false, retain: true, status_topic: cb/status"
deliver-put -n 100000 -r 50 q.yml spool3 >said 2>err &
p=$!
wait_for 'grep -q ^delivered said'
mosquitto_sub -h 127.0.0.1 -p "$port" -t cb/last -t cb/status -C 2 -F '%t %r %p' >kept
ok "the last alert is retained" 'grep -q "^cb/last 1 .*number" kept && grep -q "^cb/status 1 online" kept' || note "$(cat kept)"
hear -t cb/status
kill -9 "$(pgrep -P $p)"
ok "its end is the broker's to say: the will" 'wait_for "grep -q offline heard"'
kill $p
wait $p

# --- the broker is killed in the middle
sink "topic: cb/x, tls: false"
rm -rf spool
deliver-put -n 600 -r 300 -d 60 q.yml spool >said 2>err &
p=$!
wait_for '[ "$(said delivered)" -gt 50 ]'
kill -9 $_b
wait $_b 2>/dev/null
wait_for 'grep -q ^failed said'
broker 'allow_anonymous true'
wait $p
ok "it goes on: all are delivered" '[ $? -eq 0 ] && [ "$(said delivered)" -eq 600 ]' || note "$(cat err)"
ended

# --- passwords, certificates
unused_port
printf 'secret1\n' >pw
chmod 600 pw
mosquitto_passwd -b -c users cam secret1 2>/dev/null
chmod 600 users
broker "password_file $T/users" "cafile $T/ca.pem" "certfile $T/good.pem" "keyfile $T/good.key"
for v in 3.1.1 5; do
	sink "topic: cb/x, ca: $T/ca.pem, version: '$v', user: cam, password_file: $T/pw"
	put 10 1
	ok "MQTT $v over TLS, with a password" '[ "$(said delivered)" -eq 1 ]' || note "$(cat said m.log)"
	sink "topic: cb/x, ca: $T/ca.pem, version: '$v'"
	put 0.4 1
	ok "MQTT $v: without it, it says why" 'grep -qi "^failed .*not auth" said' || note "$(cat said)"
done
sink "topic: cb/x"
put 0.5 1
ok "a certificate of nobody known is refused" '[ "$(said failed)" -gt 0 ] && [ "$(said delivered)" -eq 0 ]' || note "$(cat said)"
ended
for c in other expired self; do
	unused_port
	broker 'allow_anonymous true' "certfile $T/$c.pem" "keyfile $T/$c.key"
	sink "topic: cb/x, ca: $T/ca.pem"
	put 0.4 1
	ok "a certificate is refused: $c" '[ "$(said failed)" -gt 0 ] && [ "$(said delivered)" -eq 0 ]' || note "$(cat said m.log)"
	ended
done
ok "the helper always ended well" '[ ! -s unwell ]'
done_testing
