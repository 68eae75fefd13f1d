# SPDX-License-Identifier: Apache-2.0
# For tests of sinks; dot-source it after tests/lib.sh.
#
#   ev N...            alerts with these numbers, lines for deliver-put
#   said WHAT          how often deliver-put said so (./said)
#   receiver ARGS...   tests/deliver/receiver.py in the background: sets $port
#   certificates       ca.pem, and good, other, expired (.pem, .key) by it; self.pem
#   unused_port        sets $port
#   ended              stop everything that was started here

PATH=$CB_BUILD/aid:$PATH
_started=
trap 'ended; _leave' EXIT

ev() {
	for _k; do
		printf '{"specversion":"1.0","id":"%032x","source":"/cb-alert","type":"cb.alert","subject":"yard","data":{"t_us":%d000000,"rule":"r","severity":"high","message":"number %d"}}\n' "$_k" "$_k" "$_k"
	done
}
said() { grep -c "^$1 " said || :; }

# shellcheck disable=SC2034  # port is for the test
receiver() {
	rm -f port
	/usr/bin/python3 "$CB_SRC/tests/deliver/receiver.py" "$@" 2>receiver.err &
	_started="$_started $!"
	wait_for '[ -s port ]' && port=$(cat port)
}

started() { _started="$_started $1"; }

ended() {
	for _p in $_started; do
		kill "$_p" 2>/dev/null && wait "$_p" 2>/dev/null
	done
	_started=
}

unused_port() {
	port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
}

_cert() {	# NAME DAYS SAN
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" \
		-subj "/CN=$1" 2>/dev/null &&
	printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "$3" >"$1.ext" &&
	openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days "$2" -extfile "$1.ext" \
		-out "$1.pem" 2>/dev/null
}
certificates() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 30 \
		-subj /CN=ca 2>/dev/null &&
	_cert good 30 DNS:localhost,IP:127.0.0.1 && _cert other 30 DNS:elsewhere.invalid &&
	_cert expired -1 DNS:localhost,IP:127.0.0.1 &&
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout self.key -out self.pem -days 30 \
		-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null
}
