#!/bin/sh
# Microsoft's endorsement of Azure's utility VM next to a forged SEV-SNP report: the COSE message and its chain are made here,
# by Python and OpenSSL.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
sim=$(absolute "$2")
skip_without python3 openssl jq
cd "$work" || exit 4
at=$(date -u -d "+1 day" +%Y-%m-%dT%H:%M:%SZ)
"$sim" snp --rsa-bits 2048 --at "$at" vm || fail "sim"

openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -subj "/CN=root" -days 30 -out root.pem 2>/dev/null
openssl req -newkey rsa:2048 -nodes -keyout leaf.key -subj "/CN=leaf/O=Pretend" -out leaf.csr 2>/dev/null
printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=1.3.6.1.4.1.311.76.59.1.2\n' >leaf.ext
openssl x509 -req -in leaf.csr -CA root.pem -CAkey root.key -CAcreateserial -days 20 -extfile leaf.ext -outform der -out leaf.der 2>/dev/null
openssl x509 -in root.pem -outform der -out root.der
issuer="did:x509:0:sha256:$(openssl dgst -sha256 -binary root.der | base64 | tr '+/' '-_' | tr -d =)::eku:1.3.6.1.4.1.311.76.59.1.2"

# endorse NAME FORM MEASUREMENT_HEX: NAME.cose
endorse() {
    python3 - "$1" "$2" "$3" "$issuer" <<'END'
import subprocess, sys, time
name, form, measurement, issuer = sys.argv[1:]
def head(major, n):
    for limit, more, size in ((24, None, 0), (256, 24, 1), (65536, 25, 2), (1 << 32, 26, 4)):
        if n < limit:
            return bytes([major << 5 | n]) if more is None else bytes([major << 5 | more]) + n.to_bytes(size, 'big')
def cbor(value):
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value)) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b''.join(map(cbor, value))
    if isinstance(value, tuple):
        return head(6, value[0]) + cbor(value[1])
    return head(5, len(value)) + b''.join(cbor(k) + cbor(v) for k, v in value.items())
header = {1: -38, 33: [open('leaf.der', 'rb').read(), open('root.der', 'rb').read()]}
now = (1, int(time.time()))
if form == 'json':
    header |= {3: 'application/json', 'iss': issuer, 'feed': 'Pretend-UVM', 'signingtime': now}
    payload = ('{"x-ms-sevsnpvm-guestsvn": "101", "x-ms-sevsnpvm-launchmeasurement": "%s"}' % measurement).encode()
else:
    header |= {15: {1: issuer, 2: 'Pretend-UVM', 6: now, 'svn': 101}, 258: -43, 259: 'application/octet-stream'}
    payload = bytes.fromhex(measurement)
header = cbor(header)
open('tbs', 'wb').write(cbor(['Signature1', header, b'', payload]))
subprocess.run('openssl dgst -sha384 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:48 -sign leaf.key -out sig tbs'.split(), check=True)
open(name + '.cose', 'wb').write(cbor((18, [header, {}, payload, open('sig', 'rb').read()])))
END
}
measurement=$(dd if=vm/report.bin bs=1 skip=144 count=48 2>/dev/null | od -An -v -tx1 | tr -d ' \n')
endorse plain json "$measurement"
endorse claims cwt "$measurement"
endorse other json "$(printf '%096d' 1)"
base64 plain.cose >reference-info-base64

# shellcheck disable=SC2317 # expect calls it
uvm() {
    file=$1
    shift
    "$cloister" verify snp vm/extended.bin --root vm/ark.pem --at "$at" --endorsement "$file" "$@"
}
expect "what it is" 3 "is an endorsement of Azure's utility VM (UVM)" "$cloister" verify snp plain.cose
expect "in base64" 3 "takes it" "$cloister" evidence show reference-info-base64
for file in plain.cose claims.cose reference-info-base64; do
    uvm "$file" --endorsement-issuer "$issuer" --endorsement-feed Pretend-UVM >out 2>&1 || fail "$file: $(cat out)"
    for id in signature time chain root validity issuer feed measurement; do
        grep -q "pass  endorsement.$id" out || fail "$file: $id: $(cat out)"
    done
    grep -q "open: firmware" out && fail "$file: the firmware is open"
    grep -q "open: program: nothing names the policy for the utility VM's containers" out || fail "$file: the containers: $(cat out)"
done
# shellcheck disable=SC2317 # expect calls it
good() { uvm plain.cose --endorsement-issuer "$issuer" --endorsement-feed Pretend-UVM "$@"; }
good --json | jq -e '.claims.endorsement_feed == "Pretend-UVM" and .claims.endorsement_svn == 101' >/dev/null || fail "the claims"
expect "a pin" 0 "endorsement_svn is 101" good --expect endorsement_svn=101
expect "another pin" 1 "expected 102" good --expect endorsement_svn=102
expect "another VM" 1 "fail  endorsement.measurement" uvm other.cose --endorsement-issuer "$issuer" --endorsement-feed Pretend-UVM
expect "no issuer" 1 "no issuer is trusted: name one with --endorsement-issuer" uvm plain.cose --endorsement-feed Pretend-UVM
expect "no feed" 1 "no feed is trusted: name one with --endorsement-feed" uvm plain.cose --endorsement-issuer "$issuer"
expect "another feed" 1 "none of those that are trusted" uvm plain.cose --endorsement-issuer "$issuer" --endorsement-feed Other
expect "its root as well" 0 "pass  endorsement.root" good --endorsement-root root.pem
expect "another root" 1 "fail  endorsement.root" good --endorsement-root vm/ark.pem
expect "after the leaf has run out" 0 "at the time that the signer says" "$cloister" verify snp vm/extended.bin --root vm/ark.pem --endorsement plain.cose \
    --endorsement-issuer "$issuer" --endorsement-feed Pretend-UVM --at "$(date -u -d "+25 days" +%Y-%m-%dT%H:%M:%SZ)"
expect "an issuer without it" 2 "--endorsement-issuer: --endorsement is missing" "$cloister" verify snp vm/report.bin --endorsement-issuer "$issuer"
expect "a feed without it" 2 "--endorsement-feed: --endorsement is missing" "$cloister" verify snp vm/report.bin --endorsement-feed a
expect "for TDX" 3 "" "$cloister" verify tdx plain.cose

# --- What HOST_DATA holds of the policy for its containers ---

printf 'package policy\n' >policy.rego
base64 policy.rego >security-policy-base64
"$sim" snp --rsa-bits 2048 --at "$at" --host-data "$(sha256sum policy.rego | cut -d ' ' -f 1)" held || fail "sim"
# shellcheck disable=SC2317 # expect calls it
held() {
    "$cloister" verify snp held/extended.bin --root held/ark.pem --at "$at" --endorsement plain.cose --endorsement-issuer "$issuer" \
        --endorsement-feed Pretend-UVM "$@"
}
expect "the policy for its containers" 0 "pass  init_data" held --container-policy policy.rego
expect "the policy for its containers, in base64" 0 "pass  init_data" held --container-policy security-policy-base64
held --container-policy policy.rego | grep -q "open: program" && fail "the containers are open"
expect "another policy for its containers" 1 "fail  init_data" good --container-policy policy.rego
# What a policy of the verifier's says.
policy() {
    jq -n --arg issuer "$1" --arg feed "$2" --argjson svn "$3" --rawfile root vm/ark.pem '{cloister_policy: 1, tee: ["snp"], roots: [$root],
        snp: {measurement: "any"}, endorsement: {issuers: [$issuer], feeds: [$feed], minimum_svn: $svn}}' >"$4"
}
policy "$issuer" Pretend-UVM 101 good.json
policy "$issuer" Pretend-UVM 102 newer.json
policy "$issuer" Other-UVM 101 other.json
policy "did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s::eku:1.2" Pretend-UVM 101 issuer.json
expect "the policy's issuer and feed" 0 "pass  policy.endorsement_issuer" uvm plain.cose --policy good.json
expect "the policy's SVN" 1 "fail  policy.endorsement_svn" uvm plain.cose --policy newer.json
expect "another feed than the policy's" 1 "fail  policy.endorsement_feed" good --policy other.json
expect "another issuer than the policy's" 1 "fail  policy.endorsement_issuer" good --policy issuer.json
expect "none, and the policy demands one" 1 "fail  policy.endorsement" "$cloister" verify snp vm/extended.bin --root vm/ark.pem --at "$at" --policy good.json
exit "$failed"
