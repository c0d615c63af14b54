# shellcheck shell=sh disable=SC2034,SC2154
# key_lib.sh: a broker that is administered over the network, its administrators' keys and certificates. After lib.sh.

# make_key NAME: a private key.
make_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key" 2>/dev/null || fail "a key"; }

# make_certificate NAME CA DAYS [SERIAL]: of a subject with this name.
make_certificate() {
    make_key "$1"
    openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr" 2>/dev/null || fail "a request of $1"
    openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -set_serial "${4:-2}" -days "$3" -out "$1.crt" 2>/dev/null ||
        fail "a certificate of $1"
}

# start LOG OPTION…: a broker of the state; `url` is where it listens.
start() {
    log=$1
    shift
    begin_broker "$log" --state state "$@"
    trap 'kill "$pid" 2>/dev/null; rm -rf "$work"' EXIT
    url=https://127.0.0.1:$port
}

# stop: ends it.
stop() {
    kill -TERM "$pid"
    status=0
    wait "$pid" || status=$?
    [ "$status" = 0 ] || fail "ends with $status: $(cat "$log")"
}

# by WHO WORD OPERAND…: `cloister key`, with the certificate of an administrator.
# shellcheck disable=SC2317 # expect calls it
by() {
    who=$1
    shift
    "$cloister" key "$@" --broker "$url" --broker-key broker.pem --admin-key "$who.key" --admin-cert "$who.crt"
}
