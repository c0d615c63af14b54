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
expect "what is in it" 0 "RSA key of 2048 bits, name of sha256, attributes 0x00050072: an attestation key" "$cloister" evidence show "$one/attestation.pb"
expect "its clock" 0 "10 resets, 0 restarts" "$cloister" evidence show "$one/attestation.pb"
expect "a document of Nitro's" 0 "NitroTPM of instance" "$cloister" evidence show "$gcp/../nitro/synth-nitrotpm/document.cbor"
# The newer chain, and its list.
newer=$gcp/gce-ak-cert
# tpm.ak.revocation
expect "a current list" 1 "1 current lists of the chain revoke none of it" gce --ak-cert "$newer/akcert.pem" --cert "$newer/ak_intermediate.pem" --cert "$newer/ak_root.pem" \
    --crl "$gcp/gce-intermediate-crl/intermediate.crl" --quote "$one/quote_sha256.msg" --signature "$one/quote_sha256.sig"
# Who gives the key needs no maker; nobody's is a warning.
expect "the key given" 0 "believed because it was given" "$cloister" verify tpm "$one/attestation.pb" --ak "$one/ak_pub.pem"
expect "both" 2 "either --ak or --ak-cert" "$cloister" verify tpm --quote q --signature s --ak k --ak-cert c
expect "neither" 2 "--ak or --ak-cert is needed" "$cloister" verify tpm --quote q --signature s

# --- Its firmware's registers, as reference values ---

# shellcheck disable=SC2317 # expect calls it
calibrate() { "$cloister" calibrate --output "$work/gce.ref.json" "$@"; }
expect "calibrate" 0 "PCRs 0 to 3 and 6" calibrate --at "$at" --evidence "$one/attestation.pb" --cert "$ca" --cert "$root"
expect "it holds for the same machine" 0 "pass  pcr.0" gce "$one/attestation.pb" --cert "$ca" --cert "$root" --reference "$work/gce.ref.json"
rm "$work/gce.ref.json"
expect "nobody vouches" 1 "tpm.ak.chain" calibrate --at "$at" --evidence "$one/attestation.pb"
expect "the key given" 0 "PCRs 0 to 3 and 6" calibrate --at "$at" --evidence "$one/attestation.pb" --ak "$one/ak_pub.pem"
rm "$work/gce.ref.json"
expect "a Nitro document without its log" 1 "no event log" calibrate --evidence "$gcp/../nitro/synth-nitrotpm/document.cbor" --root "$gcp/../nitro/synth-nitrotpm/root.pem" \
    --at 2026-03-01T12:01:30Z
expect "another machine's log" 1 "do not lead to the quoted PCRs" calibrate --evidence "$gcp/../nitro/synth-nitrotpm/document.cbor" --root "$gcp/../nitro/synth-nitrotpm/root.pem" \
    --at 2026-03-01T12:01:30Z --eventlog "$one/eventlog.bin"
[ ! -e "$work/gce.ref.json" ] || fail "reference values out of nothing"

# --- The launch endorsement, as the source of what a report's measurement may be ---

snp=$gcp/../snp/milan-v2-vcek-goog
expect "what it is" 3 "is a launch endorsement of Google's firmware" "$cloister" verify snp "$gcp/synth-endorsement-a/endorsement.binarypb"
expect "a root without it" 2 "--endorsement is missing" "$cloister" verify snp "$snp/report.bin" --endorsement-root "$root"
skip_without python3 openssl
cd "$work" || exit 4
# shellcheck disable=SC2317 # expect calls it
endorsed() { "$cloister" verify snp "$snp/report.bin" --cert "$snp/vek.der" --endorsement "$1" --endorsement-root root.crt --at "$now"; }
now=$(date -u -d "+1 day" +%Y-%m-%dT%H:%M:%SZ)
openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -subj "/CN=root" -days 30 -out root.crt 2>/dev/null
openssl req -newkey rsa:2048 -nodes -keyout leaf.key -subj "/CN=leaf" -out leaf.csr 2>/dev/null
printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n' >leaf.ext
openssl x509 -req -in leaf.csr -CA root.crt -CAkey root.key -CAcreateserial -days 20 -extfile leaf.ext -outform der -out leaf.der 2>/dev/null
python3 - "$snp/report.bin" <<'END'
import sys
def field(number, data): return bytes([number << 3 | 2]) + varint(len(data)) + data
def varint(n):
    out = b''
    while n > 0x7f:
        out, n = out + bytes([n & 0x7f | 0x80]), n >> 7
    return out + bytes([n])
report = open(sys.argv[1], 'rb').read()
leaf = open('leaf.der', 'rb').read()
root = open('root.crt', 'rb').read()
for name, measurement, policy in (('good', report[0x90:0xc0], report[8:16]), ('other', b'x' * 48, report[8:16]),
                                  ('policy', report[0x90:0xc0], b'\1' + b'\0' * 7)):
    snp = b'\x08\x03' + field(2, b'\x08\x02' + field(2, measurement)) + b'\x28' + varint(int.from_bytes(policy, 'little'))
    golden = field(1, b'\x08' + varint(1780000000)) + field(4, leaf) + field(5, b'd' * 48) + field(6, root) + field(7, snp)
    open(name + '.golden', 'wb').write(golden)
END
for name in good other policy; do
    openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sign leaf.key -out "$name.sig" "$name.golden"
    python3 - "$name" <<'END'
import sys
def varint(n):
    out = b''
    while n > 0x7f:
        out, n = out + bytes([n & 0x7f | 0x80]), n >> 7
    return out + bytes([n])
name = sys.argv[1]
parts = [open(name + end, 'rb').read() for end in ('.golden', '.sig')]
open(name + '.pb', 'wb').write(b'\x0a' + varint(len(parts[0])) + parts[0] + b'\x12' + varint(len(parts[1])) + parts[1])
END
done
[ -r "$snp/report.bin" ] || skip "no SEV-SNP report here"
expect "another measurement" 1 "fail  endorsement.measurement" endorsed other.pb
expect "another guest policy" 1 "fail  endorsement.policy" endorsed policy.pb
# endorsement.signature to endorsement.validity, endorsement.measurement
endorsed good.pb >out 2>&1
for id in signature chain root validity measurement; do
    grep -q "pass  endorsement.$id" out || fail "endorsed: $id: $(cat out)"
done
grep -q "open: firmware" out && fail "endorsed: the firmware is open: $(cat out)"
expect "without its root" 1 "no root is trusted" "$cloister" verify snp "$snp/report.bin" --endorsement good.pb --at "$now"
expect "the processor's root is none of its" 1 "fail  endorsement.root" "$cloister" verify snp "$snp/report.bin" --endorsement good.pb \
    --endorsement-root "$root" --at "$now"
expect "for TDX" 1 "fail  endorsement.measurement" "$cloister" verify tdx "$gcp/gce-tdx-quote-firmware/quote.bin" --without tcb \
    --endorsement good.pb --endorsement-root root.crt --at "$now"
exit "$failed"
