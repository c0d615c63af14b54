#!/bin/sh
# `cloister key … --broker`: a broker administered over the network, by tokens and by certificates; and who is turned away.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
skip_without openssl python3
# shellcheck source=tests/cli/key_lib.sh
. "$(dirname "$0")/key_lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
cd "$work" || exit 1

echo '{"cloister_policy":1,"name":"weak","tee":["snp"],"roots":["amd"],"accept_weak":"a test"}' >policy
echo '{"cloister_policy":1,"name":"open","tee":["snp"],"roots":["amd"],"snp":{"measurement":"any"}}' >open
printf 'a secret that nobody prints' >secret

make_key admin
make_key stranger
for ca in ca other-ca; do
    make_key $ca
    openssl req -x509 -new -key $ca.key -subj "/CN=$ca" -days 2 -out $ca.crt 2>/dev/null || fail "a CA"
done
make_certificate alice ca 2
make_certificate reader ca 2
make_certificate nobody ca 2
make_certificate late ca -1
make_certificate foreign other-ca 2
pem=$(openssl ec -in admin.key -pubout 2>/dev/null | sed 's/$/\\n/' | tr -d '\n')
cat >admin.json <<EOF
{"cloister_admin": 1,
 "keys": [{"pem": "$pem"}],
 "certificates": [{"subject": "CN=alice", "role": ["admin"]}, {"subject": "CN=reader", "role": "reader"},
                  {"subject": "CN=late", "role": "admin"}, {"subject": "CN=foreign", "role": "admin"}],
 "roles": {"admin": ["^/cloister/v0/key/.+$"], "reader": ["^/cloister/v0/key/list$", "^/cloister/v0/key/lease/default/.+$"]}}
EOF
"$cloister" serve --state state --init --print-key broker.pem || fail "a broker"
expect "a CA without administrators" 2 "--admin-ca is for --admin" "$cloister" serve --state state --admin-ca ca.crt
expect "a CA that is none" 3 "admin.json: not certificates in PEM" "$cloister" serve --state state --listen 127.0.0.1:0 --admin admin.json --admin-ca admin.json

# key WORD OPERAND…: as an administrator with a key.
# shellcheck disable=SC2317 # expect calls it
key() { "$cloister" key "$@" --broker "$url" --broker-key broker.pem --admin-key admin.key; }
start log --admin admin.json --admin-ca ca.crt

# With a token that the program signs itself.
expect "put" 0 "default/disk/demo: 27 bytes, released on 0 reference files" key put default/disk/demo secret --policy policy --shared --releases any --limit 3
expect "list" 0 'default/disk/demo  27 bytes' key list
expect "its rules" 0 'policy "weak"  shared  releases any  holders 0  released 0 of 3  accepted as weak: a test' key list
"$cloister" key list --state state >here || fail "list here"
key list >there || fail "list there"
cmp -s here there || fail "another list over the network: $(cat there)"
grep -q 'nobody prints' there && fail "the list shows a secret"
# The terms are the same ones, wherever they are put from.
expect "put here" 0 "default/disk/here: 27 bytes" "$cloister" key put --state state default/disk/here secret --policy policy --same-secret
expect "put as JSON" 0 '"path": "default/disk/json"' key put default/disk/json secret --policy policy --same-secret --json
expect "terms" 0 'default/disk/demo: released by policy "weak"' key terms default/disk/demo --policy policy
expect "terms as JSON" 0 '"policy": "weak"' key terms default/disk/demo --policy policy --json
expect "lease" 0 "default/disk/demo: nobody holds it" key lease default/disk/demo
expect "lease as JSON" 0 '"holders": []' key lease default/disk/demo --json
expect "given up" 0 "default/disk/demo: given up by 0 machines" key lease default/disk/demo --release
expect "revoke" 0 "default/disk/demo: is revoked" key revoke default/disk/demo
expect "is listed as revoked" 0 "REVOKED" key list
expect "put while it is revoked" 0 "default/disk/demo: is still revoked, nothing is released" key put default/disk/demo secret --policy policy --shared --releases any --limit 3 --same-secret
expect "terms while it is revoked" 0 "is still revoked" key terms default/disk/demo --policy policy
expect "revoke as JSON" 0 '"revoked": false' key revoke default/disk/demo --undo --json
expect "a machine" 0 "is revoked" key revoke --machine "$(printf '%064d' 1)"
expect "remove" 0 "" key remove default/disk/json
expect "remove as JSON" 0 '"path": "default/disk/here"' key remove default/disk/here --json
expect "remove what is not there" 1 'cloister: key remove: key broker: resource "default/disk/json": there is none' key remove default/disk/json
expect "a policy that leaves everything open" 1 "the policy leaves open" key put default/disk/x secret --policy open --same-secret
expect "the same, with a reason" 0 "default/disk/x: 27 bytes" key put default/disk/x secret --policy open --same-secret --accept-weak "a test"
expect "one secret twice" 1 "the same secret is registered as" key put default/disk/y secret --policy policy

# By certificate.
expect "list by certificate" 0 "default/disk/demo" by alice list
expect "put by certificate" 0 "default/disk/alice: 27 bytes" by alice put default/disk/alice secret --policy policy --same-secret
expect "a role that may read" 0 "default/disk/alice" by reader list
expect "and who holds what" 0 "nobody holds it" by reader lease default/disk/alice
expect "and no more" 1 "the certificate's role does not allow this" by reader remove default/disk/alice
expect "nor gives a lease up" 1 "the certificate's role does not allow this" by reader lease default/disk/alice --release
expect "a subject that is not an administrator's" 1 'the certificate "CN=nobody" is not an administrator'"'"'s' by nobody list
expect "a certificate that is over" 4 "alert certificate expired" by late list
expect "a certificate of another CA" 4 "alert unknown ca" by foreign list
# Why is told before the connection ends, also to one that has sent much more already: it is read, or the end would be a reset. It is read for
# three seconds: a turn in which this machine stood still for two says nothing, and is made again.
python3 - "$port" <<'P' >alert 2>&1 || fail "the alert is lost: $(tail -n 1 alert)"
import socket, ssl, sys, time
context = ssl._create_unverified_context()
context.load_cert_chain("foreign.crt", "foreign.key")
def refusal():
    with context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=120)) as stream:
        try:
            for _ in range(8):
                stream.sendall(b"x" * 16384)
            stream.recv(1)
            return "no alert"
        except OSError as err:
            return str(err)
turns = told = 0
while told < 20:
    turns += 1
    began = time.monotonic()
    words = refusal()
    if "ALERT_UNKNOWN_CA" in words.upper().replace(" ", "_"):
        told += 1
    elif time.monotonic() - began < 2 or turns == 200:
        sys.exit(words)
P
expect "a certificate of another key" 2 "alice.crt: the certificate is of another key" "$cloister" key list --broker "$url" --broker-key broker.pem --admin-key admin.key --admin-cert alice.crt

# Tokens that others signed.
# shellcheck disable=SC2317 # expect calls it
token() {
    python3 "$here/admin_token.py" "$1" "$2" >token || fail "a token"
    shift 2
    "$cloister" key "$@" --broker "$url" --broker-key broker.pem --admin-token token
}
expect "a token that was given" 0 "default/disk/demo" token admin.key '{"role":"admin","exp":4000000000}' list
expect "a token that is over" 1 "the token has expired" token admin.key '{"role":"admin","exp":1000}' list
expect "a token for another broker" 1 "for another audience" token admin.key '{"role":"admin","aud":"cloister-broker:00","exp":4000000000}' list
expect "a token of another role" 1 "the token's role does not allow this" token admin.key '{"role":"reader","exp":4000000000}' remove default/disk/demo
expect "a token of a stranger's" 1 "the token is not signed by an administrator's key" token stranger.key '{"role":"admin","exp":4000000000}' list
expect "a role that there is not" 1 "the token's role does not allow this" key list --admin-role other
expect "a file that is not a token" 3 "admin.key: not a token" "$cloister" key list --broker "$url" --broker-key broker.pem --admin-token admin.key
expect "another broker than the one that is meant" 1 "the server has another public key than the one that is pinned" "$cloister" key list --broker "$url" --broker-key ca.crt --admin-key admin.key

# Hybrid key exchange, where the OpenSSL here has it; else whatever it has.
if openssl list -kem-algorithms 2>/dev/null | grep -q X25519MLKEM768; then
    timeout 60 openssl s_client -connect "${url#https://}" -brief </dev/null >tls 2>&1
    grep -q X25519MLKEM768 tls || fail "the key exchange is not hybrid: $(cat tls)"
else
    echo "note: not tried: X25519MLKEM768, which the OpenSSL here does not have"
fi

# What does not go together.
expect "nowhere" 2 "--state or --broker is needed" "$cloister" key list
expect "two places" 2 "--state and --broker: one of them" key list --state state
expect "no pin" 2 "--broker-key is needed" "$cloister" key list --broker "$url" --admin-key admin.key
expect "nobody" 2 "--admin-key or --admin-token is needed" "$cloister" key list --broker "$url" --broker-key broker.pem
expect "a certificate alone" 2 "--admin-cert goes with --admin-key" "$cloister" key list --broker "$url" --broker-key broker.pem --admin-token token --admin-cert alice.crt
expect "options of the other place" 2 "are for --broker" "$cloister" key list --state state --admin-key admin.key
expect "a master key of the broker's" 2 "--master-key is the broker's own" key terms default/disk/demo --policy policy --master-key secret
expect "an odd URL" 2 "http://" "$cloister" key list --broker http://127.0.0.1 --broker-key broker.pem --admin-key admin.key
stop

# Who did what is in the trail; the secrets are nowhere.
"$cloister" audit-log show --state state >trail || fail "the trail"
grep -q 'put as weak.*default/disk/demo.*by an administrator (admin)' trail || fail "the row of put: $(cat trail)"
grep -q 'default/disk/alice.*by an administrator (admin, CN=alice)' trail || fail "the row of alice: $(cat trail)"
grep -q 'machine revoked.*0001, by an administrator (admin)' trail || fail "the row of a machine: $(cat trail)"
expect "the trail holds" 0 "" "$cloister" audit-log verify --state state
grep -q 'nobody prints' log trail && fail "a secret is told"

# One that its owner did not open.
start closed
expect "a closed broker" 1 "this broker is not administered over the network" key list
expect "and by certificate" 1 "this broker is not administered over the network" by alice list
stop
expect "nobody listens" 4 "cannot be reached" key list
exit "$failed"
