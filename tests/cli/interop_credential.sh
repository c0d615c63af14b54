#!/bin/sh
# Credential activation, both sides: tpm2-tools' credentials opened by us, ours by tpm2-tools, on a software TPM whose endorsement key
# a local CA certified; and evidence of a TPM alone, from the guest's side to the verifier's.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/interop_lib.sh
. "$(dirname "$0")/interop_lib.sh"
sim=$(absolute "$2")
cd "$work" || exit 4
need openssl jq swtpm swtpm_setup swtpm_localca tpm2_makecredential tpm2_activatecredential tpm2_createak tpm2_readpublic
tools=$(package_version tpm2-tools)

# A TPM as its maker gives it away: endorsement keys, and certificates of a CA of ours in its NV indexes.
mkdir ca tpm
printf 'statedir = %s/ca\nsigningkey = %s/ca/key.pem\nissuercert = %s/ca/issuer.pem\ncertserial = %s/ca/serial\n' "$work" "$work" "$work" "$work" >ca.conf
: >ca.options
printf 'create_certs_tool = %s\ncreate_certs_tool_config = %s/ca.conf\ncreate_certs_tool_options = %s/ca.options\n' "$(command -v swtpm_localca)" "$work" "$work" >setup.conf
swtpm_setup --tpm2 --tpmstate "$work/tpm" --create-ek-cert --config setup.conf >setup.log 2>&1 || fail "swtpm_setup: $(tail -n 1 setup.log)"
root=ca/swtpm-localca-rootca-cert.pem
start_tpm
socket=$work/tpm.sock

# --- tpm2-tools on the one side ---

{
    tpm2_readpublic -Q -c 0x81010001 -o ek.pub && tpm2_nvread -Q 0x01c00002 -o ek.der 2>nvread.log &&
        tpm2_createak -Q -C 0x81010001 -c ak.ctx -G ecc -g sha256 -s ecdsa -u ak.pub -n ak.name && flush &&
        tpm2_evictcontrol -Q -c ak.ctx 0x81010077 && flush &&
        tpm2_createak -Q -C 0x81010001 -c other.ctx -G ecc -g sha256 -s ecdsa -u other.pub -n other.name && flush &&
        tpm2_evictcontrol -Q -c other.ctx 0x81010078 && flush
} || fail "keys in the TPM"
tpm2_quote -Q -c 0x81010077 -l sha256:0,11 -q 6368 -m quote -s signature -o pcrs -g sha256 || fail "tpm2_quote"
tpm2_quote -Q -c 0x81010078 -l sha256:0,11 -q 6368 -m other.quote -s other.signature -g sha256 || fail "tpm2_quote"

# theirs CREDENTIAL ANSWER AK-CONTEXT: tpm2_activatecredential, under the policy of the endorsement key's template.
theirs() {
    rm -f "$2"
    flush
    tpm2_startauthsession -Q --policy-session -S session.ctx && tpm2_policysecret -Q -S session.ctx -c e &&
        tpm2_activatecredential -Q -c "$3" -C 0x81010001 -i "$1" -o "$2" -P session:session.ctx
    activated=$?
    flush
    return "$activated"
}
expect "a challenge" 0 "" "$cloister" evidence challenge --ek ek.pub --ek-cert ek.der --ak ak.pub --output credential --keep challenge.json
theirs credential answer 0x81010077 >theirs.log 2>&1 || fail "tpm2_activatecredential does not open ours: $(tail -n 1 theirs.log)"
! theirs credential none 0x81010078 >theirs.log 2>&1 || fail "tpm2_activatecredential opens it for another key"
held "credential" tpm2_activatecredential "$tools" "reads ours"

# shellcheck disable=SC2317 # expect calls it
check() { "$cloister" verify tpm --quote quote --signature signature --pcrs pcrs --nonce 6368 --challenge challenge.json --answer answer --cert ca/issuer.pem "$@"; }
expect "its answer" 0 "pass  tpm.ak.credential" check --root "$root"
expect "the chain" 0 "pass  tpm.ek.chain" check --root "$root"
expect "without its maker's root" 1 "fail  tpm.ek.root" check
expect "under another root" 1 "fail  tpm.ek.root" check --root "$(printf '%064d' 7)"
# What the one key answered does not vouch for a quote of the other.
expect "a quote of another key" 1 "fail  tpm.quote.signature" "$cloister" verify tpm --quote other.quote --signature other.signature --nonce 6368 \
    --challenge challenge.json --answer answer --cert ca/issuer.pem --root "$root"
expect "another key given" 1 "tpm.ak.key" check --root "$root" --ak other.pub
cp answer right
printf x | dd of=answer bs=1 seek=3 conv=notrunc 2>/dev/null
expect "another answer" 1 "the answer is not what the credential held" check --root "$root"
: >answer
expect "an empty answer" 1 "fail  tpm.ak.credential" check --root "$root"
mv right answer
jq 'del(.ek_certificates)' challenge.json >bare.json
expect "without a certificate" 1 "no certificate of its endorsement key" "$cloister" verify tpm --quote quote --signature signature --nonce 6368 --challenge bare.json --answer answer --root "$root"
# A list of the issuer's, with and without the certificate: tpm.ek.revocation
serial=$(openssl x509 -in ek.der -inform der -noout -serial | cut -d = -f 2)
printf '[ca]\ndefault_ca = c\n[c]\ndatabase = %s/ca/index\ndefault_md = sha256\ndefault_crl_days = 30\n' "$work" >crl.conf
: >ca/index
openssl ca -config crl.conf -gencrl -cert ca/issuer.pem -keyfile ca/key.pem -out clean.crl 2>crl.log || fail "a list: $(cat crl.log)"
printf 'R\t491231235959Z\t260101000000Z\t%s\tunknown\t/CN=ek\n' "$serial" >ca/index
openssl ca -config crl.conf -gencrl -cert ca/issuer.pem -keyfile ca/key.pem -out revoked.crl 2>crl.log || fail "a list: $(cat crl.log)"
expect "a list of its issuer's" 0 "pass  tpm.ek.revocation" check --root "$root" --crl clean.crl
expect "a list with it" 1 "fail  tpm.ek.revocation" check --root "$root" --crl revoked.crl
expect "half of it" 2 "--challenge and --answer go together" "$cloister" verify tpm --quote quote --signature signature --challenge challenge.json
expect "not what was kept" 3 "challenge" "$cloister" verify tpm --quote quote --signature signature --challenge pcrs --answer answer

head -c 32 /dev/urandom >secret
tpm2_makecredential -Q -T none -e ek.pub -s secret -n "$(od -An -v -tx1 ak.name | tr -d ' \n')" -o made || fail "tpm2_makecredential"
# shellcheck disable=SC2317 # expect calls it
ours() { rm -f opened; "$cloister" evidence activate "$1" --tpm "$socket" --ek 0x81010001 --ak "$2" --output opened; }
expect "theirs" 0 "" ours made 0x81010077
cmp -s secret opened || fail "tpm2_makecredential: another secret"
expect "theirs, for another key" 1 "is not for the keys of this TPM" ours made 0x81010078
[ ! -e opened ] || fail "an answer out of nothing"
held "credential" tpm2_makecredential "$tools" "ours reads its"
expect "our own" 0 "" ours credential 0x81010077
cmp -s answer opened || fail "our own: another answer"
head -c 40 credential >short
expect "cut short" 3 "truncated" ours short 0x81010077
expect "no credential" 3 "is not a credential for a TPM" ours ek.pub 0x81010077
expect "no such key" 4 "0x81010079: attestation key" ours credential 0x81010079
expect "not a handle" 2 "--ak 5" ours credential 5
expect "a bare key" 3 "public area is needed" "$cloister" evidence challenge --ek ek.pub --ak ca/issuer.pem --output c --keep k
expect "not an endorsement key" 1 "endorsement key: the key is not for decrypting" "$cloister" evidence challenge --ek ak.pub --ak ak.pub --output c --keep k
expect "nothing to make it for" 2 "EVIDENCE is missing" "$cloister" evidence challenge --output c --keep k
expect "nowhere to put it" 2 "--output and --keep" "$cloister" evidence challenge --ek ek.pub --ak ak.pub
[ ! -e c ] || fail "a credential out of nothing"

# --- From the guest to the verifier ---

flush
mkdir root
expect "what it is" 0 "tpm: only a TPM" "$cloister" evidence collect --detect --sysroot root --tpm "$socket"
"$cloister" evidence collect --detect --json --sysroot root --tpm "$socket" | jq -e '.platform == "tpm" and .found == ["there is a TPM"]' >/dev/null || fail "what it is, as JSON"
expect "evidence" 0 "only a TPM" "$cloister" evidence collect --nonce one --tpm "$socket" --sysroot root --eventlog none --output evidence.json
expect "shown" 0 "an endorsement key" "$cloister" evidence show evidence.json
expect "its certificate" 0 "tpm-ek-certificates" "$cloister" evidence show evidence.json
expect "nobody vouches" 1 "fail  tpm.ak.key" "$cloister" verify tpm evidence.json
expect "a challenge for it" 0 "" "$cloister" evidence challenge evidence.json --output credential --keep challenge.json
expect "answered" 0 "" "$cloister" evidence activate credential --tpm "$socket" --output answer
expect "verified" 0 "pass  tpm.ak.credential" "$cloister" verify tpm evidence.json --challenge challenge.json --answer answer --cert ca/issuer.pem --root "$root"
expect "never more than a warning" 0 "warning" "$cloister" verify tpm evidence.json --challenge challenge.json --answer answer --cert ca/issuer.pem --root "$root"

expect "calibrated by nobody's word" 1 "tpm.ak.key" "$cloister" calibrate --evidence evidence.json
expect "without a log" 1 "the evidence has no event log" "$cloister" calibrate --evidence evidence.json --challenge challenge.json --answer answer --cert ca/issuer.pem --root "$root"

# --- What else a machine may be ---

mkdir -p root/sys/class/dmi/id root/dev
echo "Amazon EC2" >root/sys/class/dmi/id/sys_vendor
expect "an instance of AWS, whose TPM is another one" 4 "evidence: AWS's document of the TPM: NV index 0x0147c104" "$cloister" evidence collect --nonce one --tpm "$socket" --sysroot root --output e.json
rm root/sys/class/dmi/id/sys_vendor
: >root/dev/nsm
expect "an enclave, whose module says nothing" 4 "evidence: nsm:" "$cloister" evidence collect --nonce one --tpm "$socket" --sysroot root --output e.json
[ ! -e e.json ] || fail "an enclave's evidence out of nothing"
rm root/dev/nsm
echo "Google Compute Engine" >root/sys/class/dmi/id/product_name
expect "an instance of Google's, without Google's key" 4 "0x01c10001" "$cloister" evidence collect --nonce one --tpm "$socket" --sysroot root --output e.json
# Google's key and certificate, as they lie there.
flush
# tpm2-tools' template and its key; the CA of ours stands for Google's.
tpm2_createprimary -Q -C e -G ecc256:ecdsa-sha256:null -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign' -c gce.ctx || fail "Google's key"
{ tpm2_readpublic -Q -c gce.ctx -o gce.pub -f tss && tpm2_readpublic -Q -c gce.ctx -o gce.pem -f pem; } || fail "its public part"
flush
python3 - <<'END'
area = open('gce.pub', 'rb').read()[2:]
# The point is left out: a template has none.
open('gce.template', 'wb').write(area[:-68] + b'\0\0\0\0')
END
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout gce.root.key -subj /CN=root -days 30 -out gce.root 2>/dev/null
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN=gce 2>/dev/null |
    openssl x509 -req -CA gce.root -CAkey gce.root.key -CAcreateserial -force_pubkey gce.pem -days 20 -outform der -out gce.der 2>/dev/null
for part in "0x01c10001 gce.template" "0x01c10000 gce.der"; do
    # shellcheck disable=SC2086 # two words
    set -- $part
    { tpm2_nvdefine -Q -C o "$1" -s "$(wc -c <"$2")" -a 'ownerread|ownerwrite|authread' && tpm2_nvwrite -Q -C o "$1" -i "$2"; } || fail "NV index $1"
done
expect "an instance of Google's" 0 "gce: an instance of Google" "$cloister" evidence collect --nonce one --tpm "$socket" --sysroot root --eventlog none --output gce.json
expect "its key's certificate" 0 "pass  tpm.ak.chain" "$cloister" verify tpm gce.json --root gce.root
touch root/dev/sev-guest
expect "a processor's report is not replaced by the TPM's word" 4 "none" "$cloister" evidence collect --nonce one --tpm "$socket" --sysroot root --tsm none --sev-guest none \
    --tdx-guest none --output e.json
[ ! -e e.json ] || fail "evidence out of nothing"

# --- The TPM of an SVSM: a manifest names its endorsement key, and a report of VMPL 0 binds the manifest ---

tpm2_readpublic -Q -c 0x81010001 -f tss -o ek.tpm2b || fail "the endorsement key"
python3 - <<'END'
import hashlib, struct
area = open('ek.tpm2b', 'rb').read()[2:]
guid = lambda text: bytes.fromhex(text)
table = guid('bb9e8463923d7046a1ff58f9c94b87bb') + struct.pack('<II', 48 + len(area), 1)
table += guid('ebf176c42301a5459641b4e7dde5bfe3') + struct.pack('<II', 48, len(area)) + area
open('manifest', 'wb').write(table)
open('bound', 'w').write(hashlib.sha512(b'ch' + bytes(62) + table).hexdigest())
END
"$sim" snp --rsa-bits 2048 --report-data "$(cat bound)" svsm >sim.log 2>&1 || fail "a report: $(cat sim.log)"
"$sim" snp --rsa-bits 2048 --break vmpl-1 --report-data "$(cat bound)" vmpl >sim.log 2>&1 || fail "a report: $(cat sim.log)"
expect "a challenge for its key" 0 "" "$cloister" evidence challenge --ek ek.pub --ak ak.pub --output credential --keep challenge.json
expect "its answer" 0 "" ours credential 0x81010077
# shellcheck disable=SC2317 # expect calls it
svsm() {
    "$cloister" verify svsm --report "$1/report.bin" --manifest manifest --cert "$1/vek.der" --cert "$1/chain.pem" --root "$(cat "$1/root")" --crl "$1/crl.der" \
        --quote quote --signature signature --pcrs pcrs --nonce 6368 --challenge challenge.json --answer opened
}
expect "an SVSM's TPM" 0 "pass  svsm.ak" svsm svsm
expect "what binds it" 0 "pass  svsm.binding" svsm svsm
expect "its quote" 0 "pass  tpm.quote.signature" svsm svsm
expect "a report of VMPL 1" 1 "fail  svsm.vmpl" svsm vmpl
# What the endorsement key's certificate is to decide, no manifest decides.
python3 - <<'END'
import base64, json
item = lambda name, file: ['application/vnd.cloister.' + name, base64.urlsafe_b64encode(open(file, 'rb').read()).rstrip(b'=').decode()]
bundle = {'__cmwc_t': 'tag:cloister.dev,2026:evidence', 'snp-report': item('snp-report', 'svsm/report.bin'), 'svsm-manifest': item('svsm-manifest', 'manifest'),
          'tpm-quote': item('tpm-quote', 'quote'), 'tpm-signature': item('tpm-signature', 'signature')}
open('bundle.json', 'w').write(json.dumps(bundle, sort_keys=True, separators=(',', ':')))
END
expect "a manifest in place of a certificate" 3 "cloister verify svsm" "$cloister" verify tpm bundle.json --challenge challenge.json --answer opened --nonce 6368
printf x | dd of=manifest bs=1 seek=90 conv=notrunc 2>/dev/null
expect "another manifest" 1 "fail  svsm.binding" svsm svsm
head -c 40 manifest >short
expect "a manifest cut short" 3 "SVSM manifest: says" "$cloister" verify svsm --report svsm/report.bin --manifest short
expect "no manifest" 3 "has no manifest" "$cloister" verify svsm evidence.json
expect "nothing to verify" 2 "EVIDENCE is missing" "$cloister" verify svsm
expect "said to be a TPM" 0 "tpm: only a TPM" "$cloister" evidence collect --platform tpm --nonce one --tpm "$socket" --sysroot root --eventlog none --output e.json
expect "said to be something else" 2 "--platform moon" "$cloister" evidence collect --platform moon --nonce one --tpm "$socket"
expect "no TPM" 4 "there is no TPM" "$cloister" evidence collect --platform tpm --nonce one --tpm none
exit "$failed"
