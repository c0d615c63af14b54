#!/bin/sh
# TPM policies over what references foretell, signed before the boot: of several states, banks, phases; signed elsewhere.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 4
skip_without openssl jq
openssl genrsa -out pcr.key 2048 2>/dev/null
openssl rsa -in pcr.key -pubout -out pcr.pub 2>/dev/null
openssl ecparam -name prime256v1 -genkey -noout -out ec.key

# state NAME BYTE: PCRs 4, 7 and 11 of 32 bytes each; PCR 11 has a value for each of two phases.
value() { printf "%064d" 0 | sed "s/00/$1/g"; }
state() {
    jq -n --arg a "$(value "$2")" --arg b "$(value 22)" --arg c "$(value 33)" --arg d "$(value 44)" \
        '{cloister_reference: 1, name: "test", origin: "prediction", events: {},
          pcrs: {sha256: {"4": $a, "7": $b, "11": {"enter-initrd": $c, "enter-initrd:leave-initrd": $d}}}}' >"$1"
}
state running.ref.json 11
state updated.ref.json 66
policy() { "$cloister" measure policy "$@"; }

# Two states, two signatures that hold, over what a TPM would make of the values (the unit test has this one from a TPM).
policy running.ref.json updated.ref.json --key pcr.key --output signed.json || fail "two states"
[ "$(jq -c '[.sha256[].pcrs]' signed.json)" = '[[4,7,11],[4,7,11]]' ] || fail "PCRs: $(cat signed.json)"
[ "$(jq -r '.sha256[0].pol' signed.json)" = 8f78bdd7b7e0df5dae2fe3c0df5d45aa3bba64f5b3a1b9d3ff9bdbe867733f5b ] || fail "policy"
[ "$(jq -r '.sha256[0].pkfp' signed.json)" = "$(openssl rsa -pubin -in pcr.pub -RSAPublicKey_out -outform DER 2>/dev/null | openssl dgst -sha256 -r | cut -d ' ' -f 1)" ] || fail "pkfp"
for i in 0 1; do
    jq -r ".sha256[$i].pol" signed.json | sed 's/../\\\\x&/g' | xargs printf '%b' >pol
    [ "$(wc -c <pol)" = 32 ] || fail "policy $i: $(wc -c <pol) bytes"
    jq -r ".sha256[$i].sig" signed.json | openssl base64 -d -A >sig
    openssl dgst -sha256 -verify pcr.pub -signature sig pol >/dev/null || fail "signature $i"
done
[ "$(jq -r '.sha256[0].pol != .sha256[1].pol' signed.json)" = true ] || fail "both states have one policy"

# The next state joins those that are signed; the same state again adds nothing.
state next.ref.json 77
policy next.ref.json running.ref.json --key pcr.key --join signed.json >joined.json || fail "joined"
[ "$(jq '.sha256 | length' joined.json)" = 3 ] || fail "three states: $(jq '.sha256 | length' joined.json)"

# Other registers and another phase.
[ "$(policy running.ref.json --key pcr.key --pcrs 7+11 | jq -c '.sha256[0].pcrs')" = '[7,11]' ] || fail "--pcrs"
early=$(policy running.ref.json --key pcr.key --pcrs 11 | jq -r '.sha256[0].pol')
late=$(policy running.ref.json --key pcr.key --pcrs 11 --phase enter-initrd:leave-initrd | jq -r '.sha256[0].pol')
[ "$early" != "$late" ] || fail "--phase changes nothing"

# Signed elsewhere: the same without signatures.
policy running.ref.json updated.ref.json --public-key pcr.pub >unsigned.json || fail "unsigned"
[ "$(jq -S '.sha256 |= map(del(.sig))' signed.json)" = "$(jq -S . unsigned.json)" ] || fail "unsigned is another"

# What is refused writes nothing.
refused() { # STATUS WORDS ARGUMENT...
    want=$1 words=$2
    shift 2
    expect "measure policy $*" "$want" "$words" "$cloister" measure policy "$@" --output none.json
    [ ! -e none.json ] || fail "$*: left a file"
}
refused 2 'at least one reference expected' --key pcr.key
refused 2 'either --key or --public-key' running.ref.json
refused 2 'either --key or --public-key' running.ref.json --key pcr.key --public-key pcr.pub
refused 2 '--pcrs 4,4: PCR 4 twice' running.ref.json --key pcr.key --pcrs 4,4
for pcrs in 24 -1 '4,' '' x '4 7'; do
    refused 2 'expected numbers from 0 to 23 or their names, each once' running.ref.json --key pcr.key --pcrs "$pcrs"
done
refused 2 '--bank md5' running.ref.json --key pcr.key --bank md5
refused 1 'running.ref.json: has no value of PCR 5 (sha256)' running.ref.json --key pcr.key --pcrs 4,5
refused 1 'has no value of PCR 4 (sha384)' running.ref.json --key pcr.key --bank sha384
refused 1 'has no value of PCR 11 (sha256) in phase "ready"' running.ref.json --key pcr.key --phase ready
refused 3 'pcr.pub' pcr.pub --key pcr.key
refused 3 'not signed' running.ref.json --key pcr.key --join unsigned.json
refused 3 "No such file" none.ref.json --key pcr.key
refused 3 'not RSA' running.ref.json --key ec.key
exit "$failed"
