#!/bin/sh
# `cloister serve` told by SIGHUP that its administrators have changed: the file that names them, whose certificates they show,
# and what was revoked of those; and what becomes of a connection that one of them has open.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/key_lib.sh
. "$(dirname "$0")/key_lib.sh"
skip_without openssl python3
here=$(cd "$(dirname "$0")" && pwd)
cd "$work" || exit 1

for ca in ca other-ca; do
    make_key $ca
    openssl req -x509 -new -key $ca.key -subj "/CN=$ca" -days 2 -out $ca.crt 2>/dev/null || fail "a CA"
done
make_certificate alice ca 2 2
make_certificate bob ca 2 3
printf '[ca]\ndefault_ca = c\n[c]\ndatabase = index\ncrlnumber = number\ndefault_md = sha256\n' >ca.cnf
: >index
echo 01 >number

# administrators NAME…: the file that names them.
administrators() {
    certificates=
    for name; do certificates="$certificates${certificates:+, }{\"subject\": \"CN=$name\", \"role\": \"admin\"}"; done
    printf '{"cloister_admin": 1, "certificates": [%s], "roles": {"admin": ["^/cloister/v0/key/.+$"]}}' "$certificates" >admin.json
}

# revocations OPTION…: the CA's list as it is now.
revocations() { openssl ca -config ca.cnf -gencrl -cert ca.crt -keyfile ca.key -out revoked.crl "$@" 2>/dev/null || fail "a list"; }

# reload WORDS: has the broker read its files again, and waits until it says these words once more.
reload() {
    before=$(grep -c "$1" "$log")
    kill -HUP "$pid"
    # shellcheck disable=SC2317 # await calls it
    said() { [ "$(grep -c "$1" "$log")" -gt "$before" ]; }
    await said "$1" || fail "does not say '$1': $(cat "$log")"
}

administrators alice
revocations -crldays 1
cp ca.crt trusted.crt
"$cloister" serve --state state --init --print-key broker.pem || fail "a broker"
expect "a list without a CA" 2 "--admin-crl is for --admin-ca" "$cloister" serve --state state --admin admin.json --admin-crl revoked.crl
expect "a list that is none" 3 "ca.crt: not revocation lists in PEM" "$cloister" serve --state state --listen 127.0.0.1:0 --admin admin.json --admin-ca trusted.crt --admin-crl ca.crt
start log --admin admin.json --admin-ca trusted.crt --admin-crl revoked.crl
expect "alice" 0 "" by alice list
expect "bob, whom the file does not name yet" 1 'the certificate "CN=bob" is not an administrator' by bob list

administrators bob
reload reloaded
expect "bob, after the file was read again" 0 "" by bob list
expect "alice, whom it names no more" 1 'the certificate "CN=alice" is not an administrator' by alice list
echo '{"cloister_admin": 1' >admin.json
reload "reload: nothing has changed: TLS: admin.json"
expect "bob, by the file of before" 0 "" by bob list

# A connection that an administrator has open does not outlive that.
administrators alice bob
reload reloaded
python3 "$here/key_reload.py" "$port" "$pid" "$log" alice.crt alice.key || failed=1

# Revoked, and a list that is over: then nobody's certificate is taken.
openssl ca -config ca.cnf -revoke bob.crt -cert ca.crt -keyfile ca.key 2>/dev/null || fail "bob is not revoked"
revocations -crldays 1
reload reloaded
expect "bob, who is revoked" 4 "alert certificate revoked" by bob list
expect "alice, who is not" 0 "" by alice list
revocations -crl_lastupdate 200101000000Z -crl_nextupdate 200102000000Z
reload reloaded
expect "a list that is over" 4 "alert certificate expired" by alice list
revocations -crldays 1
cp other-ca.crt trusted.crt
reload reloaded
expect "a CA that is taken no more" 4 "alert unknown ca" by alice list
stop
exit "$failed"
