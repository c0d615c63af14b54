#!/bin/sh
# cloister verify gce, over an attestation of a GCE instance and the certificates of its key.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
gcp=${CLOISTER_VECTORS:-none}/gcp
[ -r "$gcp/MANIFEST.json" ] || skip "no evidence of GCE here"
one=$gcp/gce-cos85-no-nonce
ca=$gcp/anchors/tpm_ek_intermediate_2.crt
root=$gcp/anchors/tpm_ek_root_1.cer
at=2024-05-08T00:00:00Z

# shellcheck disable=SC2317 # expect calls it
gce() { "$cloister" verify gce --at "$at" "$@"; }
expect "with its issuers" 0 "instance 6797026933021542085 of project google.com:wuale-gcp-testing" gce "$one/attestation.pb" --cert "$ca" --cert "$root"
expect "where the vTPM lies" 0 "GCE's vTPM lies outside of the confidential VM" gce "$one/attestation.pb" --cert "$ca" --cert "$root"
expect "without its issuers" 1 "is missing" gce "$one/attestation.pb"
expect "under another root" 1 "none of the roots that are trusted" gce "$one/attestation.pb" --cert "$ca" --cert "$root" --root "$gcp/anchors/gcp_ek_ak_ca_root.crt"
expect "before its certificate" 1 "is not valid yet" "$cloister" verify gce "$one/attestation.pb" --cert "$ca" --cert "$root" --at 2020-01-01T00:00:00Z
expect "a pin" 0 "gce_zone is us-central1-a" gce "$one/attestation.pb" --cert "$ca" --cert "$root" --expect gce_zone=us-central1-a
expect "another pin" 1 "expected europe-west1-b" gce "$one/attestation.pb" --cert "$ca" --cert "$root" --expect gce_zone=europe-west1-b
expect "another key" 1 "tpm.ak.key" gce "$one/attestation.pb" --cert "$ca" --cert "$root" --ak "$gcp/../tpm/quote-keylime/ak.pub"
for bank in sha256 sha384; do
    expect "by single files, $bank" 0 "the key that the certificate is of" gce --ak-cert "$one/ak_cert.der" --cert "$ca" --cert "$root" \
        --quote "$one/quote_$bank.msg" --signature "$one/quote_$bank.sig" --pcrs "$one/pcrs_$bank.json" --eventlog "$one/eventlog.bin"
done
expect "signed with SHA-1" 1 "signed with SHA-1" "$cloister" verify tpm --quote "$gcp/../tpm/quote-windows-gcp/quote.msg" \
    --signature "$gcp/../tpm/quote-windows-gcp/quote.sig" --ak "$gcp/../tpm/quote-windows-gcp/ak.tpmt"
changed=$gcp/neg-cos85-msg-tampered
expect "a changed quote" 1 "does not hold" gce --ak-cert "$one/ak_cert.der" --cert "$ca" --cert "$root" \
    --quote "$changed/quote_sha256.msg" --signature "$changed/quote_sha256.sig"
# The newer chain, and its list.
newer=$gcp/gce-ak-cert
# tpm.ak.revocation
expect "a current list" 1 "1 current lists of the chain revoke none of it" gce --ak-cert "$newer/akcert.pem" --cert "$newer/ak_intermediate.pem" --cert "$newer/ak_root.pem" \
    --crl "$gcp/gce-intermediate-crl/intermediate.crl" --quote "$one/quote_sha256.msg" --signature "$one/quote_sha256.sig"
# Who gives the key needs no maker; nobody's is a warning.
expect "the key given" 0 "believed because it was given" "$cloister" verify tpm "$one/attestation.pb" --ak "$one/ak_pub.pem"
expect "both" 2 "either --ak or --ak-cert" "$cloister" verify tpm --quote q --signature s --ak k --ak-cert c
expect "neither" 2 "--ak or --ak-cert is needed" "$cloister" verify tpm --quote q --signature s
exit "$failed"
