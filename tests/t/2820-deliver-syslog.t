#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Syslog to rsyslog: over UDP, TCP and TLS; parsed back; hostile texts; certificates; a server that
# goes and comes again.
. "$CB_SRC/tests/lib.sh"
need_cmd openssl python3 jq
. "$CB_SRC/tests/deliver/lib.sh"
[ -x /usr/sbin/rsyslogd ] || skip_all "rsyslogd is not installed"
certificates || skip_all "openssl makes no certificates"

# rsyslog TRANSPORT [CERTIFICATE]: started on $port, writing ./rs.log, a JSON line a message
rsyslog() {
	case $1 in
	udp) _in='module(load="imudp") input(type="imudp" address="127.0.0.1" port="'$port'")' ;;
	tcp) _in='module(load="imtcp") input(type="imtcp" address="127.0.0.1" port="'$port'")' ;;
	tls) _in='global(defaultNetstreamDriverCAFile="'$T'/ca.pem" defaultNetstreamDriverCertFile="'$T/$2'.pem" defaultNetstreamDriverKeyFile="'$T/$2'.key")
		module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
		input(type="imtcp" address="127.0.0.1" port="'$port'")' ;;
	esac
	cat >rs.conf <<-END
	global(workDirectory="$T" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off")
	$_in
	template(name="j" type="list" option.jsonf="on") {
		property(outname="host" name="hostname" format="jsonf")
		property(outname="app" name="app-name" format="jsonf")
		property(outname="msgid" name="msgid" format="jsonf")
		property(outname="time" name="timestamp" dateFormat="rfc3339" format="jsonf")
		property(outname="pri" name="pri" format="jsonf")
		property(outname="sd" name="structured-data" format="jsonf")
		property(outname="msg" name="msg" format="jsonf")
	}
	action(type="omfile" file="$T/rs.log" template="j" flushOnTXEnd="on" asyncWriting="off")
	END
	/usr/sbin/rsyslogd -n -f "$T/rs.conf" -i "$T/rs.pid" >rs.err 2>&1 &
	_rs=$!
	started $_rs
	# bound: 127.0.0.1:PORT in the table of the kernel
	wait_for 'grep -qi "0100007F:$(printf %04X "$port") " /proc/net/tcp /proc/net/udp'
}
sink() {	# TRANSPORT [MORE]
	printf 'sinks:\n  - {name: s, type: syslog, transport: %s, host: %s, port: %d, hostname: edge1, timeout: 3s, retry: {first: 20ms, most: 200ms}%s}\n' \
		"$1" "${host:-127.0.0.1}" "$port" "${2:-}" >s.yml
}
put() {
	_wait=$1
	shift
	rm -rf spool
	[ $# -eq 0 ] || ev "$@" >in
	deliver-put -d "$_wait" s.yml spool <in >said 2>err
	_put=$?
	grep -h "did not end well" err >>unwell
	return $_put
}
heard() { [ -e rs.log ] && [ "$(grep -c . rs.log)" -ge "$1" ]; }

for t in udp tcp tls; do
	rm -f rs.log
	unused_port
	rsyslog $t good
	sink $t "$([ $t != tls ] || printf ', ca: %s' "$T/ca.pem")"
	put 10 1 2 3
	ok "$t: three alerts are taken" '[ "$(said delivered)" -eq 3 ]' || note "$(cat said err rs.err)"
	ok "$t: rsyslog has them" 'wait_for "heard 3"' || note "$(cat rs.err rs.log)"
	ok "$t: and parsed them" '[ "$(jq -r "[.host,.app,.msgid,.pri,.time]|join(\" \")" rs.log | head -n 1)" = "edge1 cb-alert cb.alert 131 1970-01-01T00:00:01.000000Z" ]' ||
		note "$(head -n 1 rs.log)"
	ok "$t: in order, with their structured data" '[ "$(jq -r .sd rs.log | grep -o "id=\"0*[0-9]\"" | tr -dc 123)" = 123 ]' ||
		note "$(cat rs.log)"
	ended
done

# --- texts that want to be something else
rm -f rs.log
unused_port
rsyslog tcp
sink tcp
# shellcheck disable=SC2016  # literal
printf '%s\n' '{"specversion":"1.0","id":"a1","source":"/cb-alert","type":"cb.alert","subject":"$(id)`id`;%s%n\n<13>1 x","data":{"t_us":1000000,"rule":"r\"]\\ ","severity":"low","message":"a\nb\u001b[31m\u202e]x %n $(reboot) 99 <0>"}}' >in
put 10
ok "hostile: rsyslog has one message" 'wait_for "heard 1" && [ "$(grep -c . rs.log)" -eq 1 ]'
ok "hostile: its parts are in their places" '[ "$(jq -r "[.host,.app,.msgid,.pri]|join(\" \")" rs.log)" = "edge1 cb-alert cb.alert 133" ]' ||
	note "$(cat rs.log)"
ok "hostile: nothing steers a terminal" '! LC_ALL=C grep -q "$(printf "\033")" rs.log'

ended

# --- a server that goes, and comes again
rm -f rs.log
rsyslog tcp
cat >s2.yml <<END
sinks:
  - {name: s, type: syslog, transport: tcp, host: 127.0.0.1, port: $port, hostname: edge1, timeout: 3s, retry: {first: 20ms, most: 100ms}}
END
rm -rf spool
deliver-put -n 600 -r 300 -d 60 s2.yml spool >said 2>err &
p=$!
wait_for 'heard 50'
kill $_rs
wait $_rs 2>/dev/null
wait_for 'grep -q ^failed said'
ok "it has gone" 'grep -q ^failed said'
rsyslog tcp
wait $p
ok "it goes on: all are delivered" '[ $? -eq 0 ] && [ "$(said delivered)" -eq 600 ]' || note "$(cat err)"
arrived() { grep -o ' id=."[0-9a-f]*' rs.log | sort -u | wc -l; }
wait_for '[ "$(arrived)" -ge 600 ] || { sleep 0.3; false; }'
ok "and each has arrived, what was on the way included" '[ "$(arrived)" -eq 600 ]' || note "$(arrived)"
ended

# --- certificates
for c in other expired self; do
	unused_port
	rsyslog tls $c
	sink tls ", ca: $T/ca.pem"
	put 0.3 1
	ok "a certificate is refused: $c" '[ "$(said failed)" -gt 0 ] && [ "$(said delivered)" -eq 0 ]' || note "$(cat said rs.err)"
	note "$(sed -n 's/^failed [^ ]* s 1 [0-9]* //p' said | head -n 1)"
	ended
done

# --- other formats, by the name of the host
rm -f rs.log
unused_port
rsyslog udp
host=localhost sink udp ', format: cef, facility: 4'
put 10 5
ok "CEF behind a header of syslog" 'wait_for "heard 1" && jq -r .msg rs.log | grep -q "CEF:0|" && [ "$(jq -r .pri rs.log)" = 35 ]' ||
	note "$(cat rs.log said)"
ended
ok "the helper always ended well" '[ ! -s unwell ]'
done_testing
