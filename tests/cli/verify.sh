#!/bin/sh
# Verifying evidence: what others' machines handed out (where the shared vectors are), and what is not taken.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 4
corpus=$CLOISTER_TESTS/../fuzz/corpus

# What is not taken: one line and the right status.
printf 'text' >text
: >empty
mkdir folder
printf '{"__cmwc_t":"tag:cloister.dev,2026:evidence","eventlog":["application/octet-stream","AAAA"]}' >nothing.json
for command in "verify" "evidence show"; do
    # shellcheck disable=SC2086 # a command is one word or two
    for wrong in text empty folder none; do expect "$command $wrong" 3 "$wrong" "$cloister" $command "$wrong"; done
done
for wrong in text empty folder none; do expect "calibrate $wrong" 3 "$wrong" "$cloister" calibrate --evidence "$wrong"; done
expect "calibrate from nothing" 3 "nothing.json" "$cloister" calibrate --evidence nothing.json
expect "calibrate without evidence" 2 "--evidence is missing" "$cloister" calibrate
expect "no bundle" 2 "" "$cloister" verify
expect "two bundles" 2 "" "$cloister" verify text text
expect "no report" 3 "none" "$cloister" verify snp none
expect "a report that is text" 3 "text" "$cloister" verify snp text
head -c 1183 /dev/zero >short
expect "a report cut short" 3 "1183 bytes" "$cloister" verify snp short
expect "policy is text" 3 "text" "$cloister" verify snp short --policy text
expect "policy absent" 3 "none" "$cloister" verify snp short --policy none
expect "reference is text" 3 "text" "$cloister" verify snp short --reference text
expect "certificate is text" 3 "text" "$cloister" verify snp short --cert text
expect "revocation list is text" 3 "text" "$cloister" verify snp short --crl text
expect "root is neither" 3 "text: " "$cloister" verify snp short --root text
expect "odd time" 2 "--at" "$cloister" verify snp short --at yesterday
for time in 2026-02-30T00:00:00Z 2026-04-31T00:00:00Z 2026-01-01T23:59:60Z "2026- 1-01T00:00:00Z" 2026-01-01T00:00:00 2026-01-01T00:00:00+24:00 \
    2026-01-01T00:00:00+01:60 2026-01-01T00:00:00+-1:00 2026-01-01T00:00:00Zx; do
    expect "no time: $time" 2 "--at: time: $time" "$cloister" verify snp short --at "$time"
done
for time in 2026-06-01T00:00:00Z 2026-06-01t00:00:00.25z 2028-02-29T23:59:59-08:00 "2026-06-01 00:00:00+01:00"; do
    expect "a time: $time" 3 "1183 bytes" "$cloister" verify snp short --at "$time"
done
expect "odd expectation" 2 "--expect" "$cloister" verify snp short --expect measurement
expect "half a quote" 2 "--signature" "$cloister" verify tpm --quote text
expect "quote is text" 3 "text" "$cloister" verify tpm --quote text --signature text --ak text

vectors=${CLOISTER_VECTORS:-}
if [ ! -d "$vectors/azure" ]; then
    echo "note: the shared vectors are absent: no machine's evidence was verified"
    exit "$failed"
fi
azure=$vectors/azure/snp-live
# azure_verify [OPTION]…: a live SEV-SNP machine's evidence, at a time when its certificates held.
azure_verify() {
    "$cloister" verify azure --hcl "$azure/hcl_report.bin" --quote "$azure/tpm_quote.msg" --signature "$azure/tpm_quote.sig" \
        --pcrs "$azure/pcrs_sha256.json" --cert "$azure/vcek.der" --cert "$vectors/azure/anchors/milan_ask_ark.pem" --at 2026-06-01T00:00:00Z "$@"
}
nonce=$(jq -r '.cases[] | select(.id == "snp-live") | .expected.tpm_quote.extra_data' "$vectors/azure/MANIFEST.json" 2>/dev/null)
expect "Azure, authentic" 0 "" azure_verify
# The machine's own certificates as its metadata service hands them out.
{ openssl x509 -inform DER -in "$azure/vcek.der" -out vcek.pem && jq -n --rawfile vcek vcek.pem --rawfile chain "$vectors/azure/anchors/milan_ask_ark.pem" \
    '{vcekCert: $vcek, certificateChain: $chain}' >thim.json; } || fail "thim.json"
expect "Azure, its JSON" 0 "snp.signature" "$cloister" verify azure --hcl "$azure/hcl_report.bin" --quote "$azure/tpm_quote.msg" \
    --signature "$azure/tpm_quote.sig" --pcrs "$azure/pcrs_sha256.json" --cert thim.json --at 2026-06-01T00:00:00Z
expect "Azure, with its nonce" 0 "" azure_verify --nonce "$nonce"
expect "Azure, another nonce" 1 "nonce" azure_verify --nonce 00112233
expect "Azure, roots of ours alone" 1 "root" azure_verify --root "$(printf '%064d' 0)"
expect "Azure, expected measurement" 1 "measurement" azure_verify --expect measurement="$(printf '%096d' 0)"
azure_verify --json >good.json || fail "Azure, JSON"
jq -e '.status and .checks and .claims' good.json >/dev/null 2>&1 || fail "JSON: $(head -c 200 good.json)"
# Any bit of what is signed: refused, and never an error of ours.
for file in hcl_report.bin tpm_quote.msg tpm_quote.sig; do
    for at in 40 100; do
        cp "$azure"/* .
        invert "$file" "$at"
        status=0
        "$cloister" verify azure --hcl hcl_report.bin --quote tpm_quote.msg --signature tpm_quote.sig --pcrs pcrs_sha256.json \
            --cert vcek.der --cert "$vectors/azure/anchors/milan_ask_ark.pem" --at 2026-06-01T00:00:00Z >/dev/null 2>&1 || status=$?
        case $status in
        1 | 3) ;;
        *) fail "byte $at of $file changed: exit status $status" ;;
        esac
    done
done
head -c 100 "$corpus/eventlog/two-banks" >cut.log
expect "event log is cut" 3 "event log: event" azure_verify --eventlog cut.log
exit "$failed"
