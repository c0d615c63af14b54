#!/bin/sh
# Evidence in the forms of others: Trustee's shared vectors, each with the verdict that its manifest has; a folder of certificates; and
# what is said of a file that is something else.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
vectors=${CLOISTER_VECTORS:-../shared/vectors}
[ -d "$vectors/trustee" ] || skip "no $vectors/trustee"
vectors=$(absolute "$vectors")
cd "$work" || exit 4

# Two cases are refused by rules that are Trustee's own.
jq -r '.cases[] | select(.files[0].file | endswith("evidence.json")) | [.id, (.verify_time // "2025-06-01T00:00:00Z"), .expected.verdict] | @tsv' \
    "$vectors/trustee/MANIFEST.json" >cases
count=0
while IFS="$(printf '\t')" read -r id time verdict; do
    file=$vectors/trustee/$id/evidence.json
    set -- --at "$time"
    case $id in
    tpm-*)
        jq -r .ak_public "$file" >ak
        set -- tpm "$file" --ak ak "$@"
        ;;
    tdx-*) set -- tdx "$file" --without tcb "$@" ;;
    az-tdx-*) set -- azure "$file" --without tcb "$@" ;;
    az-*) set -- azure "$file" "$@" ;;
    svsm-*) set -- snp "$file" --cert "$vectors/trustee/$id/vek.der" "$@" ;;
    sample) set -- "$file" ;;
    *) set -- snp "$file" "$@" ;;
    esac
    status=0
    "$cloister" verify "$@" >out 2>err || status=$?
    case $id:$verdict in
    *-relabelled-v2:* | *-rsapss:*) ;; # Trustee's rules: what version 2 demands; no RSASSA-PSS, which a TPM may sign with
    *:accept) [ $status = 0 ] || fail "$id: exit status $status: $(cat out err | head -n 3)" ;;
    *) [ $status = 1 ] || [ $status = 3 ] || fail "$id: exit status $status" ;;
    esac
    count=$((count + 1))
done <cases
[ $count -ge 20 ] || fail "only $count cases"

# Trustee's evidence is one file for the general form, too.
expect "a bundle of Trustee's" 0 "verdict: " "$cloister" verify "$vectors/trustee/az-snp-v1/evidence.json" --at 2025-06-01T00:00:00Z
expect "shown" 0 "hcl-report" "$cloister" evidence show "$vectors/trustee/az-snp-v1/evidence.json"
expect "its form" 0 "JSON of Trustee's clients" "$cloister" evidence show "$vectors/trustee/snp-milan-v2/evidence.json"

# A nonce that the evidence does not bind is refused in these forms as in any.
expect "the nonce" 0 "verdict: " "$cloister" verify azure "$vectors/trustee/az-snp-v1/evidence.json" --at 2025-06-01T00:00:00Z --nonce "$(printf challenge | od -An -tx1 | tr -d ' \n')"
expect "another nonce" 1 "verdict: contraindicated" "$cloister" verify azure "$vectors/trustee/az-snp-v1/evidence.json" --at 2025-06-01T00:00:00Z --nonce 00

# Certificates in a folder, with a file of something else in it.
report=$vectors/snp/milan-v2-vcek-goog
mkdir certs
cp "$report/vek.der" certs/vcek.der
echo hello >certs/README
expect "a folder of certificates" 0 "left out certs/README: is not certificates" "$cloister" verify snp "$report/report.bin" --cert certs --at 2025-06-01T00:00:00Z
mkdir nothing
expect "an empty folder" 3 "nothing: holds no certificate" "$cloister" verify snp "$report/report.bin" --cert nothing
od -An -v -tx1 "$report/vek.der" >vek.hex
expect "a certificate in hex" 0 "pass  snp.signature" "$cloister" verify snp "$report/report.bin" --cert vek.hex --at 2025-06-01T00:00:00Z

# What is something else is named, with the command that takes it.
quote=$vectors/tdx/v4-dstack-90c06f/quote.bin
hcl=$vectors/azure/snp-live/hcl_report.bin
expect "a quote for a report" 3 "is a TDX quote, not an SEV-SNP report: cloister verify tdx FILE takes it" "$cloister" verify snp "$quote"
expect "an HCL report for a report" 3 "is an HCL report of an Azure confidential VM, not an SEV-SNP report: cloister verify azure --hcl FILE" "$cloister" verify snp "$hcl"
expect "a report for a quote" 3 "is an SEV-SNP report, not a TDX quote: cloister verify snp FILE takes it" "$cloister" verify tdx "$report/report.bin"
expect "a log for a quote" 3 "is a TCG event log" "$cloister" verify tdx "$vectors/tpm/dstack-gce-tpm/eventlog.bin"
expect "Nitro's document" 3 "is an attestation document of AWS Nitro Enclaves" "$cloister" verify "$vectors/nitro/dstack-nsm/document.cbor"
expect "a TPM's evidence alone" 3 "cloister verify tpm" "$cloister" verify "$vectors/trustee/tpm-azure-quote/evidence.json"
expect "a certificate for a list" 3 "is a certificate, not a revocation list" "$cloister" verify snp "$report/report.bin" --crl "$report/vek.der"
exit "$failed"
