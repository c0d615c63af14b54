#!/bin/sh
# Fetching what evidence lacks: a service on this machine that plays AMD's, asked once and then the cache.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
sim=$(absolute "$2")
# shellcheck source=tests/cli/fetch_lib.sh
. "$(dirname "$0")/fetch_lib.sh"
serve kds
kds=http://127.0.0.1:$port

# A report that no certificate comes with.
report=$tests/../fuzz/corpus/snp/version-3
expect "nothing is fetched unasked" 1 "" "$cloister" verify snp "$report"
[ "$(requests kds)" = 0 ] || fail "asked although nobody said so"
[ ! -e "$work/home/.cache" ] || fail "a cache although nobody said so"
expect "a mirror without --fetch" 2 "--fetch" "$cloister" verify snp "$report" --kds "$kds"
expect "an odd mirror" 2 "URL" "$cloister" verify snp "$report" --fetch --kds ftp://host
expect "an unknown chip" 1 "AMD knows no such chip and TCB (status 404)" "$cloister" verify snp "$report" --fetch --kds "$kds"
expect "nobody there" 4 "onnect" "$cloister" verify snp "$report" --fetch --kds http://127.0.0.1:1
expect "cache only, and empty" 4 "not in the cache" "$cloister" verify snp "$report" --cache empty --kds "$kds"
path=$(head -n 1 kds.log)
printf '{"%s": [{"status": 429, "headers": {"Retry-After": "86400"}}]}' "$path" >kds.routes
expect "a service that is busy" 4 "it asks to wait 86400 s more" "$cloister" verify snp "$report" --fetch --kds "$kds"
printf '{"%s": [{"status": 302, "headers": {"Location": "http://127.0.0.1:1/"}}]}' "$path" >kds.routes
expect "a redirect" 4 "not followed" "$cloister" verify snp "$report" --fetch --kds "$kds"
echo "<html>please sign in</html>" >page
printf '{"%s": [{"status": 200, "file": "page"}]}' "$path" >kds.routes
expect "the wrong document" 3 "no VCEK certificate" "$cloister" verify snp "$report" --fetch --kds "$kds"
printf '{"%s": [{"status": 200, "file": "page", "length": 1000}]}' "$path" >kds.routes
expect "cut short" 4 "cut short" "$cloister" verify snp "$report" --fetch --kds "$kds"
head -c 100000 /dev/zero >large
printf '{"%s": [{"status": 200, "file": "large"}]}' "$path" >kds.routes
expect "too large" 3 "larger than 65536 bytes" "$cloister" verify snp "$report" --fetch --kds "$kds"
[ -z "$(find home -type f)" ] || fail "something of this was cached"

# What the host brings is not always what the report needs: then the service is asked all the same.
at=2026-06-01T00:00:00Z
"$sim" snp --rsa-bits 2048 --at "$at" good || fail "sim"
for break in leaf-of-another-chip leaf-of-former-tcb; do
    "$sim" snp --rsa-bits 2048 --at "$at" --break $break $break || fail "sim $break"
done
verify_good() {
    cache=$1
    shift
    "$cloister" verify snp good/report.bin --root "$(cat good/root)" --at "$at" --fetch --kds "$kds" --cache "$cache" --json "$@" >out.json
}
result() { jq -r ".checks[] | select(.id == \"$1\") | .result" out.json; }
echo '{}' >kds.routes
: >kds.log
verify_good none 2>/dev/null && fail "the chip is unknown, and yet"
vcek=$(cut -d'?' -f1 kds.log)
# routes_good [VCEK]
routes_good() {
    cat >kds.routes <<END
{"$vcek": [{"status": 200, "file": "${1:-good/vek.der}"}], "/vcek/v1/Milan/cert_chain": [{"status": 200, "file": "good/chain.pem"}],
 "/vcek/v1/Milan/crl": [{"status": 200, "file": "good/crl.der"}]}
END
    : >kds.log
}
routes_good
expect "everything from the service" 0 "" verify_good fresh
{ [ "$(requests kds)" = 3 ] && [ "$(result snp.revocation)" = pass ]; } || fail "everything: $(cat kds.log)"
for break in leaf-of-another-chip leaf-of-former-tcb; do
    for i in 1 2; do
        routes_good
        expect "the host's is of $break" 0 "" verify_good $break --cert $break/vek.der
        [ "$(requests kds)" = $((i == 1 ? 3 : 0)) ] || fail "the host's is of $break: $(cat kds.log)"
    done
    routes_good $break/vek.der
    expect "the service's is of $break" 3 "the VCEK certificate of another" verify_good "none.$break"
done
# An intermediate that has the right name, and nothing else.
routes_good
expect "another's intermediate" 0 "" verify_good names --cert leaf-of-former-tcb/chain.pem
# Whole: nothing to ask for.
routes_good
expect "whole, with its list" 0 "" "$cloister" verify snp good/extended.bin --root good/ark.pem --at "$at" --fetch --kds "$kds" --cache list
[ "$(requests kds)" = 0 ] || fail "whole, with its list: $(cat kds.log)"
# A mirror that hands out the list of another root withholds the right one.
routes_good
sed -i "s|good/crl.der|leaf-of-former-tcb/crl.der|" kds.routes
expect "another's list" 1 "revocation list of" verify_good crl
[ "$(find crl -type f | wc -l)" = 2 ] || fail "another's list was cached"
# A VLEK comes from the cloud; its ASVK, its root and their list are to be had.
"$sim" snp --vlek --rsa-bits 2048 --at "$at" vlek || fail "sim vlek"
cat >kds.routes <<END
{"/vlek/v1/Milan/cert_chain": [{"status": 200, "file": "vlek/chain.pem"}], "/vlek/v1/Milan/crl": [{"status": 200, "file": "vlek/crl.der"}]}
END
: >kds.log
expect "VLEK's issuers" 0 "no certificate of the chain is revoked" "$cloister" verify snp vlek/report.bin --root "$(cat vlek/root)" --cert vlek/vek.pem \
    --at "$at" --fetch --kds "$kds" --cache vlek.cache
[ "$(sort kds.log | tr '\n' ' ')" = "/vlek/v1/Milan/cert_chain /vlek/v1/Milan/crl " ] || fail "VLEK's issuers: $(cat kds.log)"
expect "no VLEK" 4 "can only come from the cloud" "$cloister" verify snp vlek/report.bin --root "$(cat vlek/root)" --at "$at" --fetch --kds "$kds" --cache vlek.cache
# A masked chip's VCEK cannot be asked for: the one that came will do.
"$sim" snp --rsa-bits 2048 --at "$at" --break chip-masked chip-masked || fail "sim chip-masked"
routes_good
expect "masked" 0 "" "$cloister" verify snp chip-masked/extended.bin --root chip-masked/ark.pem --at "$at" --fetch --kds "$kds" --cache masked

vectors=${CLOISTER_VECTORS:-}
if [ ! -d "$vectors/snp/synth-a-crl-clean" ]; then
    echo "note: the shared vectors are absent: nothing whole was fetched"
    exit "$failed"
fi
clean=$vectors/snp/synth-a-crl-clean
# verify_clean OPTION…: the report alone; its VCEK and revocation list have to come from the service.
verify_clean() {
    "$cloister" verify snp "$clean/report.bin" --root "$clean/ark.pem" --cert "$clean/ask.pem" --at "$at" "$@"
}
# routes CRLFOLDER
routes() {
    cat >kds.routes <<END
{"$vcek": [{"status": 429, "headers": {"Retry-After": "1"}, "times": 1}, {"status": 200, "file": "$clean/vek.der"}],
 "/vcek/v1/Milan/crl": [{"status": 200, "file": "$1/ark.crl"}]}
END
}
at=2026-06-01T00:00:00Z
: >kds.log
echo '{}' >kds.routes
expect "the chip is unknown" 1 "404" verify_clean --fetch --kds "$kds" --cache one
vcek=$(cut -d'?' -f1 kds.log)
: >kds.log
routes "$clean"
expect "fetched, after a 429" 0 "" verify_clean --fetch --kds "$kds" --cache one
[ "$(requests kds)" = 3 ] || fail "fetched with $(requests kds) requests: $(cat kds.log)"
: >kds.log
for i in 1 2 3; do expect "again ($i)" 0 "" verify_clean --fetch --kds "$kds" --cache one; done
expect "offline, from the cache" 0 "" verify_clean --cache one --kds "$kds"
[ "$(requests kds)" = 0 ] || fail "asked again: $(cat kds.log)"
verify_clean --cache one --kds "$kds" --json | jq -e '.checks[] | select(.id == "snp.revocation") | .result == "pass"' >/dev/null ||
    fail "the revocation list was not looked at"
expect "a foreign list is none" 0 "no certificate of the chain is revoked" verify_clean --cert "$clean/vek.der" --crl good/crl.der --cache one --kds "$kds"
# A damaged entry is fetched again, and offline it is none.
for entry in one/*; do invert "$entry" 50; done
expect "damaged, offline" 4 "not in the cache" verify_clean --cache one --kds "$kds"
expect "damaged, fetched again" 0 "" verify_clean --fetch --kds "$kds" --cache one
[ "$(requests kds)" -ge 2 ] || fail "damaged entries were used"
# A bundle that brings no certificates.
python3 - "$clean/report.bin" >bundle.json <<'P'
import base64, json, sys
text = base64.urlsafe_b64encode(open(sys.argv[1], "rb").read()).decode().rstrip("=")
print(json.dumps({"__cmwc_t": "tag:cloister.dev,2026:evidence", "snp-report": ["application/vnd.cloister.snp-report", text]}, separators=(",", ":"), sort_keys=True))
P
# shellcheck disable=SC2317 # called by expect
verify_bundle() { "$cloister" verify bundle.json --root "$clean/ark.pem" --cert "$clean/ask.pem" --at "$at" "$@"; }
expect "a bundle, unasked" 1 "snp.signature" verify_bundle
expect "a bundle, from the cache" 0 "snp.revocation" verify_bundle --cache one --kds "$kds"
# What was revoked meanwhile.
routes "$vectors/snp/synth-a-ask-revoked"
expect "revoked" 1 "revo" verify_clean --fetch --kds "$kds" --cache two
# Several at once: one set of requests.
routes "$clean"
: >kds.log
for i in 1 2 3 4; do
    verify_clean --fetch --kds "$kds" --cache three >"all.$i" 2>&1 || fail "at once: $(tail -n 1 "all.$i")" &
    pids="${pids:-} $!"
done
# shellcheck disable=SC2086
wait ${pids:-}
[ "$(requests kds)" = 2 ] || fail "four at once made $(requests kds) requests"

# TLS: the server must be one whose authority was named.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls.key -out tls.pem -days 2 -subj /CN=service \
    -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' 2>/dev/null
serve tls tls.pem tls.key
cp kds.routes tls.routes
expect "TLS, trusted" 0 "" verify_clean --fetch --kds "https://localhost:$port" --ca tls.pem --cache four
expect "TLS, of nobody we know" 1 "TLS certificate is not good" verify_clean --fetch --kds "https://localhost:$port" --cache five
exit "$failed"
