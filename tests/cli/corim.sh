#!/bin/bash
# Reference values as CoRIM and CoSERV and back, signed and not; attestation results of others.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 4
skip_without jq

value=$(printf 'a%.0s' $(seq 64))
cat >demo.ref.json <<EOF
{"cloister_reference": 1, "name": "demo", "origin": "prediction", "events": {}, "host_inputs": [],
 "pcrs": {"sha256": {"4": "$value", "11": {"enter-initrd": "$value"}}}}
EOF
skip_without openssl
openssl ecparam -name secp384r1 -genkey -noout -out owner.pem 2>/dev/null && openssl ec -in owner.pem -pubout -out owner.pub.pem 2>/dev/null
openssl ecparam -name prime256v1 -genkey -noout -out other.pem 2>/dev/null && openssl ec -in other.pem -pubout -out other.pub.pem 2>/dev/null
convert() { "$cloister" measure convert "$@"; }

convert demo.ref.json --output plain.corim || fail "unsigned"
convert demo.ref.json --key owner.pem --output signed.corim || fail "signed"
convert demo.ref.json --to coserv --key owner.pem --output demo.coserv || fail "CoSERV"
for file in plain.corim demo.coserv; do
    convert $file --to json --output again.json || fail "$file back"
    [ "$(jq -S 'del(.events)' again.json)" = "$(jq -S 'del(.events)' demo.ref.json)" ] || fail "$file: $(cat again.json)"
done
convert signed.corim --public-key owner.pub.pem --to json --output again.json || fail "signed back"
[ "$(jq -S . again.json)" = "$(jq -S . demo.ref.json)" ] || fail "signed: $(cat again.json)"
[ "$(convert plain.corim --to show | jq -r .profile)" = "tag:cloister.dev,2026:reference#1" ] || fail "show"
expect "signed, without its key" 1 "the key that it must be signed with is needed" convert signed.corim --to json
expect "another's key" 1 "algorithm -35, the key's is -7" convert signed.corim --public-key other.pub.pem --to json
expect "not signed, with a key" 1 "it is not signed, and a key was named" convert plain.corim --public-key owner.pub.pem --to json
expect "of no key" 2 "names an authority" convert demo.ref.json --to coserv
expect "an odd form" 2 "none of corim, coserv, pcrlock, json, show" convert demo.ref.json --to xml
expect "over its input" 2 "demo.ref.json" convert demo.ref.json --output demo.ref.json
printf '\331\001\365\241' >cut.corim
expect "cut short" 3 "CBOR: more items than bytes" convert cut.corim --to json

# Wherever a reference file is accepted.
expect "read as one" 1 "has no value of PCR 7 (sha256)" "$cloister" measure policy plain.corim --key other.pem
expect "a signed one is converted first" 2 "measure convert --public-key FILE" "$cloister" measure policy signed.corim --key owner.pem

# Results: made with openssl, as another verifier would.
b64() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
token() { # token STATUS EXPIRY: by the old names, ES256.
    head=$(printf '{"alg":"ES256","typ":"JWT"}' | b64)
    body=$(printf '{"eat_profile":"tag:github.com,2023:veraison/ear","iat":1,"exp":%s,"eat_nonce":"abc","submods":{"cpu0":{"ear.status":"%s"}}}' "$2" "$1" | b64)
    printf '%s.%s' "$head" "$body" | openssl dgst -sha256 -sign other.pem -out sig.der
    # r and s of the DER, each in 32 bytes.
    sig=$(openssl asn1parse -inform DER -in sig.der | sed -n 's/.*INTEGER *:\(.*\)/\1/p' | while read -r n; do printf '%64s' "$n" | tr ' ' 0; done)
    # shellcheck disable=SC2059,SC2001 # the escapes are the point
    printf '%s.%s.%s' "$head" "$body" "$(printf "$(echo "$sig" | sed 's/../\\x&/g')" | b64)"
}
# printf of sh may not know \x: bash's does.
if [ "$(printf '\x41')" = A ]; then
    token affirming 4000000000 >good.jwt
    expect "affirming" 0 "affirming" "$cloister" verify ear good.jwt --public-key other.pub.pem --nonce abc
    [ "$("$cloister" verify ear good.jwt --public-key other.pub.pem --json | jq -r .submods.cpu0.ear_status)" = affirming ] || fail "new names"
    expect "another nonce" 1 "its nonce is not the one" "$cloister" verify ear good.jwt --public-key other.pub.pem --nonce abd
    expect "another key" 1 "header: alg" "$cloister" verify ear good.jwt --public-key owner.pub.pem
    token contraindicated 4000000000 >bad.jwt
    expect "contraindicated" 1 "contraindicated" "$cloister" verify ear bad.jwt --public-key other.pub.pem
    token affirming 2 >old.jwt
    expect "expired" 1 "it has expired" "$cloister" verify ear old.jwt --public-key other.pub.pem
fi
exit "$failed"
