#!/bin/sh
# The broker as a program: its key, what is registered, its answers over TLS, its end; and what it does not take.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

zeros=$(printf '%064d' 0)
echo '{"cloister_policy":1,"name":"mine","tee":["snp"],"roots":["amd"]}' >"$work/policy"
echo "{\"cloister_reference\":1,\"name\":\"demo\",\"origin\":\"prediction\",\"events\":{},\"pcrs\":{\"sha256\":{\"12\":\"$zeros\"}}}" >"$work/ref"
printf 'a secret that nobody prints' >"$work/secret"
state=$work/state

# Keys.
expect "public key" 0 "BEGIN PUBLIC KEY" "$cloister" serve --state "$state" --init --print-key -
"$cloister" serve --state "$state" --print-key "$work/first.pem"
"$cloister" serve --state "$state" --print-key "$work/again.pem"
cmp -s "$work/first.pem" "$work/again.pem" || fail "another key the second time"
expect "put" 0 "default/disk/demo: 27 bytes" "$cloister" key put --state "$state" default/disk/demo "$work/secret" --policy "$work/policy" --reference "$work/ref"
expect "list" 0 'policy "mine"  references "demo"' "$cloister" key list --state "$state"
expect "list as JSON" 0 '"default/disk/demo"' "$cloister" key list --state "$state" --json
"$cloister" key list --state "$state" --json | grep -q 'nobody prints' && fail "the list shows a secret"

# Reference values as a CoRIM: kept as the reference file that they say.
"$cloister" measure convert "$work/ref" --output "$work/ref.corim" || fail "convert to CoRIM"
expect "a CoRIM" 0 "released on 1 reference file" "$cloister" key put --state "$state" default/disk/demo "$work/secret" --policy "$work/policy" --reference "$work/ref.corim"
expect "and its list" 0 'policy "mine"  references "demo"' "$cloister" key list --state "$state"
openssl ecparam -name prime256v1 -genkey -noout -out "$work/owner.pem" 2>/dev/null
"$cloister" measure convert "$work/ref" --key "$work/owner.pem" --output "$work/signed.corim" || fail "convert to a signed CoRIM"
expect "a signed one is converted first" 2 "measure convert --public-key FILE" "$cloister" key put --state "$state" default/disk/demo "$work/secret" --policy "$work/policy" --reference "$work/signed.corim"

# What is not taken.
expect "no state" 2 "--state is needed" "$cloister" serve
expect "no address" 2 "expected ADDRESS:PORT" "$cloister" serve --state "$state" --listen nowhere
expect "a foreign address" 4 "192.0.2.1:1" "$cloister" serve --state "$state" --listen 192.0.2.1:1
expect "no time for a nonce" 2 "--nonce-seconds" "$cloister" serve --state "$state" --nonce-seconds 0
expect "odd names" 2 "--result-names: new is neither ear nor old" "$cloister" serve --state "$state" --result-names new
expect "administrators in no file" 3 "$work/none" "$cloister" serve --state "$state" --listen 127.0.0.1:0 --admin "$work/none"
expect "administrators of another form" 3 '"cloister_admin" is missing' "$cloister" serve --state "$state" --listen 127.0.0.1:0 --admin "$work/policy"
expect "an odd algorithm" 2 "--token-algorithm: none is neither" "$cloister" serve --state "$state" --token-algorithm none
expect "an odd URL" 2 "--public-url: http://x does not begin" "$cloister" serve --state "$state" --public-url http://x
expect "odd path" 2 'resource "demo"' "$cloister" key put --state "$state" demo "$work/secret" --policy "$work/policy"
expect "no such secret" 3 "$work/none" "$cloister" key put --state "$state" a/b/c "$work/none" --policy "$work/policy"
expect "policy is none" 3 "$work/secret" "$cloister" key put --state "$state" a/b/c "$work/secret" --policy "$work/secret"
expect "reference is none" 3 "$work/policy" "$cloister" key put --state "$state" a/b/c "$work/secret" --policy "$work/policy" --reference "$work/policy"
# A disk's identity belongs to its key, and one key to one disk.
key_id=$(python3 -c 'import hmac, sys; print(hmac.new(open(sys.argv[1], "rb").read(), b"cloister:disk-key:1", "sha256").hexdigest())' "$work/secret")
disk_file() {
    printf '{"cloister_disk": 1, "name": "demo", "uuid": "5b6f2f62-4d5c-4b54-8f1f-3c8e0a2b7d11", "generation": 0,
        "volume_key_hmac": "%064d", "header": "%064d", "key_id": "%s"}' 1 2 "$1"
}
disk_file "$key_id" >"$work/disk.json"
disk_file "$(printf '%064d' 3)" >"$work/other-disk.json"
expect "disk of another key" 1 "is of a disk with another disk key" "$cloister" key put --state "$state" default/disk/demo "$work/secret" --policy "$work/policy" --disk "$work/other-disk.json"
expect "disk is none" 3 "disk identity" "$cloister" key put --state "$state" default/disk/demo "$work/secret" --policy "$work/policy" --disk "$work/policy"
expect "put with its disk" 0 "for the disk 5b6f2f62-4d5c-4b54-8f1f-3c8e0a2b7d11" "$cloister" key put --state "$state" default/disk/demo "$work/secret" --policy "$work/policy" --reference "$work/ref" --disk "$work/disk.json"
expect "list of it" 0 "disk 5b6f2f62-4d5c-4b54-8f1f-3c8e0a2b7d11 generation 0" "$cloister" key list --state "$state"
expect "one secret twice" 1 'the same secret is registered as "default/disk/demo"' "$cloister" key put --state "$state" default/disk/two "$work/secret" --policy "$work/policy"
expect "one secret twice, meant" 0 "default/disk/two" "$cloister" key put --state "$state" default/disk/two "$work/secret" --policy "$work/policy" --same-secret
# Which machine gets it, and how often.
expect "a name of many machines" 2 "stands for many machines" "$cloister" key put --state "$state" 'default/disk/demo-{ak}' "$work/secret" --policy "$work/policy"
expect "an unknown placeholder" 2 "expected REPOSITORY/TYPE/TAG" "$cloister" key put --state "$state" 'default/disk/{disk}' "$work/secret" --policy "$work/policy"
expect "an odd rule of releases" 2 "--releases: once-per-boot or any" "$cloister" key put --state "$state" a/b/c "$work/secret" --policy "$work/policy" --releases twice
expect "an odd rule of holders" 2 "--second-holder: refuse or flag" "$cloister" key put --state "$state" a/b/c "$work/secret" --policy "$work/policy" --second-holder shout
expect "a generation of no disk" 2 "--forget-generation is for --disk" "$cloister" key put --state "$state" a/b/c "$work/secret" --policy "$work/policy" --forget-generation
expect "an endless lease" 2 "--lease: at most" "$cloister" key put --state "$state" a/b/c "$work/secret" --policy "$work/policy" --lease 99999999999
expect "all rules" 0 "default/config/x: " "$cloister" key put --state "$state" default/config/x "$work/policy" --policy "$work/policy" --shared --releases any --second-holder refuse --lease 3600
expect "are listed" 0 "  shared  releases any  second holder refuse  lease 3600 s  holders 0" "$cloister" key list --state "$state"
expect "the usual ones" 0 "  releases once-per-boot  holders 0" "$cloister" key list --state "$state"
expect "nobody holds it" 0 "default/disk/demo: nobody holds it" "$cloister" key lease --state "$state" default/disk/demo
expect "holders as JSON" 0 '"holders"' "$cloister" key lease --state "$state" default/disk/demo --json
expect "give it up" 0 "default/disk/demo: given up by 0 machines" "$cloister" key lease --state "$state" default/disk/demo --release
expect "a lease of nothing" 1 "there is none" "$cloister" key lease --state "$state" a/b/c
expect "removed again" 0 "" "$cloister" key remove --state "$state" default/disk/two
expect "put as it was" 0 "default/disk/demo: 27 bytes" "$cloister" key put --state "$state" default/disk/demo "$work/secret" --policy "$work/policy" --reference "$work/ref"
expect "remove what is not there" 1 "there is none" "$cloister" key remove --state "$state" a/b/c
chmod 755 "$state"
expect "a folder that others can read" 1 "must be yours alone" "$cloister" key list --state "$state"
chmod 700 "$state"

# Over TLS.
begin_broker "$work/log" --state "$state" --public-url https://kbs.example
trap 'kill "$pid" 2>/dev/null; rm -rf "$work"' EXIT

# ask REQUEST: what comes back over TLS.
ask() { printf '%b' "$1" | timeout 120 openssl s_client -quiet -connect "127.0.0.1:$port" 2>/dev/null; }

ask 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >"$work/answer"
grep -q '"status":"ok"' "$work/answer" || fail "healthz: $(cat "$work/answer")"
grep -q '^X-Content-Type-Options: nosniff' "$work/answer" || fail "healthz may be taken for something else: $(cat "$work/answer")"
ask 'GET /?x=owned HTTP/1.1\r\nHost: owned\r\nAccept: text/html\r\nCookie: kbs-session-id=owned\r\nConnection: close\r\n\r\n' >"$work/page"
grep -q '^Content-Type: text/html; charset=utf-8' "$work/page" || fail "the page: $(head -n 5 "$work/page")"
grep -q "^Content-Security-Policy: default-src 'none';.* frame-ancestors 'none'; style-src 'sha256-[A-Za-z0-9+/]*='" "$work/page" || fail "the page's policy: $(head -n 9 "$work/page")"
grep -q '</span> Yes' "$work/page" || fail "the page does not say that it can decide"
grep -q 'https://kbs.example</span>' "$work/page" || fail "the page does not say its name"
grep -q -e owned -e default/disk -e '<script' "$work/page" && fail "the page has what it should not: $(cat "$work/page")"
ask 'GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >"$work/answer"
grep -q '^cloister_auth_total 0' "$work/answer" || fail "metrics: $(cat "$work/answer")"
body='{"version":"0.1.1","tee":"snp","extra-params":{}}'
ask "POST /kbs/v0/auth HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${#body}\r\n\r\n$body" >"$work/answer"
grep -q '"nonce":"' "$work/answer" || fail "auth: $(cat "$work/answer")"
grep -q 'Set-Cookie: kbs-session-id=.*; Path=/; Secure; HttpOnly' "$work/answer" || fail "auth: no cookie"
ask 'GET /kbs/v0/resource/default/disk/demo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >"$work/answer"
grep -q 'HTTP/1.1 401' "$work/answer" || fail "a resource without a session: $(cat "$work/answer")"
grep -q 'nobody prints' "$work/answer" && fail "a resource was given"
# What proves nothing is counted: not a row each, and no escape gets through.
for _ in 1 2 3; do
    ask "POST /kbs/v0/attest HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}" >"$work/answer"
    grep -q 'HTTP/1.1 401' "$work/answer" || fail "an attestation without a session: $(cat "$work/answer")"
done
ask 'GET /kbs/v0/resource/\033]0;owned\007 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >"$work/answer"
grep -q 'HTTP/1.1 4' "$work/answer" || fail "an escape in a path: $(cat "$work/answer")"
ask 'GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >"$work/answer"
grep -q '^cloister_junk_total{kind="session"} [4-9]' "$work/answer" || fail "junk is not counted: $(cat "$work/answer")"
ask 'DELETE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >"$work/answer"
grep -q 'HTTP/1.1 \(4\|5\)' "$work/answer" || fail "DELETE: $(cat "$work/answer")"
ask 'this is not HTTP\r\n\r\n' >"$work/answer"
grep -q 'HTTP/1.1 200' "$work/answer" && fail "not HTTP: $(cat "$work/answer")"
timeout 120 openssl s_client -tls1_2 -connect "127.0.0.1:$port" </dev/null >"$work/tls" 2>&1 && fail "TLS 1.2 is taken"
# The key that it shows is the one that images pin.
timeout 120 openssl s_client -connect "127.0.0.1:$port" </dev/null 2>/dev/null | openssl x509 -noout -pubkey >"$work/shown.pem" 2>/dev/null
cmp -s "$work/shown.pem" "$work/first.pem" || fail "shows another key than --print-key"
# Its certificate names the address, so that clients that do not pin the key can hold it against that; the owner's own is taken as well.
timeout 120 openssl s_client -connect "127.0.0.1:$port" -CAfile "$state/tls.crt" -verify_return_error -verify_ip 127.0.0.1 </dev/null >"$work/tls" 2>&1 || fail "the address is not in the certificate: $(cat "$work/tls")"
openssl x509 -in "$state/tls.crt" -noout -ext basicConstraints 2>/dev/null | grep -q CA:FALSE || fail "the certificate is an issuer's"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/tls.key" -out "$work/tls.crt" -subj /CN=x -days 2 2>/dev/null
expect "a certificate without its key" 2 "belong together" "$cloister" serve --state "$state" --tls-cert "$work/tls.crt"
expect "a certificate of another key" 2 "is of another key" "$cloister" serve --state "$state" --listen 127.0.0.1:0 --tls-cert "$work/tls.crt" --tls-key "$state/tls.key"
expect "names for a certificate that is given" 2 "--tls-name is for" "$cloister" serve --state "$state" --tls-cert "$work/tls.crt" --tls-key "$work/tls.key" --tls-name x
expect "an odd name" 2 "neither a host's name" "$cloister" serve --state "$state" --listen 127.0.0.1:0 --tls-name 'a b'
expect "the key of a given certificate" 0 "BEGIN PUBLIC KEY" "$cloister" serve --state "$state" --tls-cert "$work/tls.crt" --tls-key "$work/tls.key" --print-key -
ask 'GET /.well-known/openid-configuration HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >"$work/answer"
grep -q '"jwks_uri":"https://kbs.example/.well-known/jwks.json"' "$work/answer" || fail "discovery: $(cat "$work/answer")"
ask 'GET /.well-known/jwks.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >"$work/answer"
grep -q '"alg":"ES256"' "$work/answer" || fail "keys: $(cat "$work/answer")"
# Still alive, and what is registered meanwhile is there; then it ends when asked to.
expect "remove" 0 "" "$cloister" key remove --state "$state" default/disk/demo
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
grep -q ' junk refused .*: junk: [0-9]* requests\? from 1 address since ' "$work/log" || fail "junk is not told of: $(cat "$work/log")"
[ "$(grep -c ' junk refused ' "$work/log")" -le 2 ] || fail "junk is a row each"
[ "$(grep -c "$(printf '\033')" "$work/log")" = 0 ] || fail "an escape on the terminal"
[ "$status" = 0 ] || fail "ends with $status: $(cat "$work/log")"
exit "$failed"
