#!/bin/sh
# cloister verify systemd-report: reports that systemd-report 262.1 signed by a software TPM (tests/vectors/systemd_report), taken
# apart and put together otherwise, and one that a forged SEV-SNP report signs.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
sim=$(absolute "$2")
skip_without python3 jq openssl
vectors=$(realpath "$CLOISTER_TESTS/vectors/systemd_report")
cd "$work" || exit 4
first=$vectors/first.seq second=$vectors/second.seq ak=$vectors/ak.pem

# change PYTHON: changed.seq from `first` and `second`, lists of records; tpm(list) are the data of its TPM's signature.
change() {
    python3 - "$first" "$second" "$1" <<'END'
import json, sys
read = lambda path: [b'\x1e' + record for record in open(path, 'rb').read().split(b'\x1e')[1:]]
first, second = read(sys.argv[1]), read(sys.argv[2])
def at(records):
    return next(i for i, record in enumerate(records) if json.loads(record[1:]).get('mechanism') == 'tpm2')
def tpm(records):
    return json.loads(records[at(records)][1:])
def put(records, signature):
    records[at(records)] = b'\x1e' + json.dumps(signature).encode() + b'\n'
exec(sys.argv[3])
open('changed.seq', 'wb').write(b''.join(first))
END
}
# shellcheck disable=SC2317 # expect calls it
report() { "$cloister" verify systemd-report "$@"; }

report "$first" --ak "$ak" >out 2>err || fail "a good one: $(cat out err)"
for id in tpm.ak.attributes tpm.quote.signature tpm.pcrs eventlog.replay report.digest report.quote report.signatures report.binding report.session report.nvpcr; do
    grep -q "pass  $id " out || fail "a good one: $id: $(cat out)"
done
grep -q "signature: plain: not looked at" out || fail "the plain one: $(cat out)"
expect "another one" 0 "pass  report.session" report "$second" --ak "$ak"
expect "nobody vouches" 1 "nobody vouches for the key" report "$first"
openssl ecparam -name secp384r1 -genkey -noout 2>/dev/null | openssl ec -pubout -out other.pem 2>/dev/null
expect "another key" 1 "fail  report.signatures" report "$first" --ak other.pem
expect "both" 2 "either --ak or --ak-cert" report "$first" --ak "$ak" --ak-cert "$ak"
expect "its nonce" 0 "is the value of a metric" report "$first" --ak "$ak" --nonce "a nonce of the verifier"
expect "another nonce" 1 "not the value of a metric" report "$second" --ak "$ak" --nonce "a nonce of the verifier"
report "$first" --ak "$ak" --json 2>/dev/null | jq -e '.report.metrics[0].value == "x86-64" and (.signatures | map(.mechanism) | sort) == ["plain", "tpm2"] and
    (.signatures[] | select(.mechanism == "tpm2") | .claims.nvpcrs.hardware.index == "0x01d10200" and .status == "warning" and (.is_fresh | not))' >/dev/null || fail "--json"
expect "what it is" 3 "is a signed report of systemd-report" "$cloister" verify snp "$first"
expect "a pin" 0 "report_timestamp is" report "$first" --ak "$ak" --expect "report_timestamp=$(tr -d '\036' <"$first" | head -n 1 | jq -r .timestamp)"

# --- Its registers against reference values ---

report "$first" --ak "$ak" --json | jq '.signatures[] | select(.mechanism == "tpm2") | {cloister_reference: 1, name: "demo", origin: "calibration", events: {},
    pcrs: {sha256: (.claims.pcrs.sha256 | {"0", "4", "12"})}}' >good.ref.json
jq '.pcrs.sha256["4"] = .pcrs.sha256["0"]' good.ref.json >other.ref.json
expect "its references" 0 "pass  pcr.4" report "$first" --ak "$ak" --reference good.ref.json
expect "another program" 1 "fail  pcr.4" report "$first" --ak "$ak" --reference other.ref.json

# --- By the certificate of its key ---

openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -subj "/CN=maker" -days 30 -out ca.pem 2>/dev/null
openssl req -newkey rsa:2048 -nodes -keyout unused.key -subj "/CN=ak" -out ak.csr 2>/dev/null
printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n' >ak.ext
openssl x509 -req -in ak.csr -force_pubkey "$ak" -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 -extfile ak.ext -out ak.crt 2>/dev/null
expect "its certificate" 0 "pass  report.signatures" report "$first" --ak-cert ak.crt --cert ca.pem --root ca.pem
expect "under another root" 1 "fail  tpm.ak.root" report "$first" --ak-cert ak.crt --cert ca.pem --root "$(printf '%064d' 1)"

# --- Changed ---

change 'first[0] = first[0].replace(b"x86-64", b"x86_64")'
expect "a changed report" 1 "fail  report.binding" report changed.seq --ak "$ak"
change 'first[0] = second[0]'
expect "another report" 1 "fail  report.digest" report changed.seq --ak "$ak"
change 's = tpm(second); s["sha256"] = tpm(first)["sha256"]; put(first, s)'
expect "another report's signature" 1 "fail  report.binding" report changed.seq --ak "$ak"
change 's = tpm(first); s["data"]["components"][1] = tpm(second)["data"]["components"][1]; put(first, s)'
expect "an NvPCR of another moment" 1 "fail  report.session" report changed.seq --ak "$ak"
change 's = tpm(first); s["data"]["components"][0] = tpm(second)["data"]["components"][0]; put(first, s)'
expect "a quote of another moment" 1 "fail  report.session" report changed.seq --ak "$ak"
change 's = tpm(first); del s["data"]["components"][2]; put(first, s)'
expect "an NvPCR is left out" 1 "fail  report.session" report changed.seq --ak "$ak"
change 's = tpm(first); s["data"]["components"][1]["attestInfo"]["attest"]["attested"]["nvContents"] = "00" * 32; put(first, s)'
expect "a changed NvPCR" 1 "fail  report.signatures" report changed.seq --ak "$ak"
change 's = tpm(first); s["data"]["eventLog"][0]["digests"] = s["data"]["eventLog"][1]["digests"]; put(first, s)'
expect "a changed log" 1 "fail  tpm.pcrs" report changed.seq --ak "$ak"
change 's = tpm(first); s["data"]["components"].reverse(); put(first, s)'
expect "in another order" 3 "one quote comes first" report changed.seq --ak "$ak"
change 'first = [r for r in first if b"tpm2" not in r[:200]]'
expect "no signature that counts" 1 "no signature of the report" report changed.seq
change 'first = first[:1]'
expect "no signature" 1 "no signature of the report" report changed.seq
tr -d '\036' <"$first" | head -n 1 >unsigned.json
expect "not signed" 3 "makes a signed one" report unsigned.json
for mechanism in '\x1b[2Jtpm2' 'x\nappraisal: affirming' 'Plain' '' "$(printf 'a%.0s' $(seq 41))"; do
    change "first.append(b'\x1e' + json.dumps(dict(json.loads(first[-1][1:]), mechanism='$mechanism')).encode() + b'\n')"
    expect "a mechanism that is written to the terminal" 3 "\"mechanism\" is not a short name" report changed.seq --ak "$ak"
done
change "first.append(b'\x1e' + json.dumps(dict(json.loads(first[-1][1:]), mechanism='io.systemd.some-other2')).encode() + b'\n')"
expect "a mechanism that is not known" 0 "signature: io.systemd.some-other2: not looked at" report changed.seq --ak "$ak"

# --- By hardware: REPORT_DATA is the digest and zeros ---

head -n 1 "$first" >record
digest=$(openssl dgst -sha256 -r record | cut -d ' ' -f 1)
at=2026-06-01T00:00:00Z
for case in good other; do
    data=$digest
    [ $case = good ] || data=$(printf '%064d' 1)
    "$sim" snp --rsa-bits 2048 --at "$at" --report-data "$data$(printf '%064d' 0)" "$case" >/dev/null || fail "sim"
    {
        cat record
        printf '\036'
        jq -cn --arg sha256 "$digest" --arg out "$(base64 -w0 "$case/report.bin")" '{mediaType: "application/vnd.io.systemd.report.signature", mechanism: "tsm",
            sha256: $sha256, data: {provider: "sev_guest", outblob: $out}}'
    } >"$case.seq"
done
# shellcheck disable=SC2317 # expect calls it
tsm() { report "$1.seq" --cert "$1/vek.pem" --cert "$1/chain.pem" --root "$(cat "$1/root")" --at "$at"; }
expect "hardware" 0 "REPORT_DATA is the digest of systemd's report" tsm good
expect "hardware, for another report" 1 "REPORT_DATA is not the digest of systemd's report" tsm other
tail -n +2 "$first" >>good.seq
expect "hardware and a TPM" 0 "signature: tpm2" report good.seq --ak "$ak" --cert good/vek.pem --cert good/chain.pem --root "$(cat good/root)" --at "$at"
exit "$failed"
