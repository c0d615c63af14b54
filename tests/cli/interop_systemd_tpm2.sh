#!/bin/sh
# LUKS2 volumes sealed to a TPM: systemd-cryptenroll seals and we open, we seal and systemd opens, with this release's systemd and
# with a newer one. None of it needs device-mapper: keys are tried against key slots.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/interop_lib.sh
. "$(dirname "$0")/interop_lib.sh"
cd "$work" || exit 4
# shellcheck source=tests/cli/interop_systemd_lib.sh
. "$(dirname "$0")/interop_systemd_lib.sh"

# Theirs, opened by us: registers; a signed policy; a PIN, stretched in both ways; under the older primary and the newer storage key.
{ openssl genrsa -out pcr.key 2048 && openssl rsa -in pcr.key -pubout -out pcr.pub; } 2>/dev/null || fail "policy key"
jq -n --arg v "$(pcr sha256 11)" '{cloister_reference: 1, name: "test", origin: "prediction", events: {}, pcrs: {sha256: {"11": {"enter-initrd": $v}}}}' >eleven.ref.json
"$cloister" measure policy eleven.ref.json --pcrs 11 --key pcr.key --output signed.json || fail "measure policy"
printf 1234 >pin
printf 4321 >wrong
volume
enroll --tpm2-pcrs=0+4+7+11
expect "of $systemd" 0 "opens" ours
volume
enroll_newer --tpm2-pcrs=0+4+7+11
expect "of $newest" 0 "opens" ours
volume
enroll --tpm2-pcrs=7 --tpm2-public-key=pcr.pub --tpm2-public-key-pcrs=11 --tpm2-signature=signed.json
expect "signed, of $systemd" 0 "opens" ours --pcr-signature signed.json
expect "signed, without the signature" 1 "no signature for the present PCRs" ours
volume
enroll_newer --tpm2-pcrs=7 --tpm2-public-key=pcr.pub --tpm2-public-key-pcrs=11 --tpm2-signature=signed.json
expect "signed, of $newest" 0 "opens" ours --pcr-signature signed.json
volume
NEWPIN=1234 enroll --tpm2-pcrs=7 --tpm2-with-pin=yes
expect "a PIN, of $systemd" 0 "opens" ours --pin-file pin
expect "another PIN, of $systemd" 1 "the PIN is wrong" ours --pin-file wrong
volume
NEWPIN=1234 enroll_newer --tpm2-pcrs=7 --tpm2-with-pin=yes
cryptsetup token export --token-id 0 volume | jq -e '.tpm2_argon2id_memcost > 0' >/dev/null || fail "the newer systemd does not stretch PINs by Argon2id"
expect "a PIN by Argon2id, of $newest" 0 "opens" ours --pin-file pin
expect "another PIN by Argon2id" 1 "the PIN is wrong" ours --pin-file wrong
held "systemd-tpm2 token" systemd-cryptenroll "$systemd, $newest" "ours reads its"

# Sealed by the newer one to a storage key's public part, without the TPM.
tpm2_readpublic -Q -c 0x81000001 -f tss -o srk || fail "storage key"
volume
with_newer systemd-cryptenroll --unlock-key-file=key --tpm2-device-key=srk --tpm2-pcrs="7:sha256=$(pcr sha256 7)+11:sha256=$(pcr sha256 11)" volume >enroll.log 2>&1 ||
    fail "--tpm2-device-key: $(tail -n 1 enroll.log)"
expect "sealed offline by $newest" 0 "opens" ours

# Three tokens, only the last of which fits; each of the others says why.
volume
enroll_newer --tpm2-pcrs="7:sha256=$(printf '%064d' 5)"
enroll_newer --tpm2-pcrs=12
extend 12
enroll_newer --tpm2-pcrs=7+11
expect "the third of three" 0 "opens" ours
case $(cat err) in
*"token 0: the PCRs are not those"*"token 1: the PCRs are not those"*) ;; # and the third is tried
*) fail "it does not say why the first two gave nothing: $(cat err)" ;;
esac

# Ours, opened by them: the key slot's key is what counts, so nothing but it is tried.
volume
seal --legacy-primary >/dev/null || fail "seal"
theirs || fail "$systemd does not open what we sealed: $(tail -n 1 theirs.log)"
expect "and so do we" 0 "opens" ours
volume
seal --recovery >sealed || fail "seal"
theirs_newer || fail "$newest does not open what we sealed: $(tail -n 1 theirs.log)"
expect "and so do we" 0 "opens" ours
sed -n 's/^recovery *//p' sealed | tr -d '\n' >recovery
[ "$(wc -c <recovery)" = 71 ] || fail "the recovery key is not eight groups of eight"
cryptsetup open --test-passphrase --key-file recovery volume || fail "the recovery key does not open it"
cryptsetup luksDump volume | grep -q systemd-recovery || fail "the recovery key is not marked as one"
volume
seal --legacy-primary --signed-pcrs 11 --policy-key pcr.pub >/dev/null || fail "seal"
theirs "$work/signed.json" || fail "$systemd does not open what we sealed under a signed policy: $(tail -n 1 theirs.log)"
volume
seal --signed-pcrs 11 --policy-key pcr.pub >/dev/null || fail "seal"
cryptsetup luksDump --dump-json-metadata volume | jq -e 'any(.tokens[]; (."tpm2-pcrs" // []) | index(15))' >/dev/null ||
    fail "PCR 15 is not bound where 11 is signed"
# cryptenroll looks for signatures in the system's folders alone; cryptsetup is told, and stops where it needs device-mapper.
flush
with_newer systemd-cryptsetup attach test volume - "tpm2-device=$tpm,tpm2-signature=$work/signed.json,headless=true" >theirs.log 2>&1
grep -q "Failed to activate with TPM2 acquired key: Operation not supported" theirs.log ||
    fail "$newest does not unseal what we sealed under a signed policy: $(tail -n 1 theirs.log)"
held "systemd-tpm2 token" systemd-cryptsetup "$systemd, $newest" "reads ours"

# Sealed offline, to two states at once, one of which is the present one.
state() { jq -n --arg n "$1" --arg b "$2" --arg v "$(pcr sha256 0)" --arg w "$(pcr sha256 2)" --arg x "$(pcr sha256 4)" --arg y "$(pcr sha256 7)" --arg z "$(pcr sha256 12)" \
    '{cloister_reference: 1, name: $n, origin: "prediction", events: {}, pcrs: {sha256: {"0": $v, "2": $w, "4": $x, "7": $y, "12": $z, "13": ("0" * 64), "11": {"enter-initrd": $b}}}}'; }
state next "$(printf '%064d' 3)" >next.ref.json
state now "$(pcr sha256 11)" >now.ref.json
volume
"$cloister" image seal volume --key key --srk srk --reference next.ref.json --reference now.ref.json >/dev/null || fail "image seal"
expect "sealed offline by us" 0 "opens" ours
theirs_newer || fail "$newest does not open what we sealed offline: $(tail -n 1 theirs.log)"
held "systemd-tpm2 token, offline" systemd-cryptenroll "$newest" "both ways"

# Under another storage key than the usual one, at a handle of its own: theirs, ours, and ours offline. Handles that are no such key's are refused.
tpm2_createprimary -Q -C o -g sha256 -G ecc:aes128cfb -c other.ctx || fail "a second storage key"
tpm2_evictcontrol -Q -C o -c other.ctx 0x81000020 || fail "a second storage key's handle"
flush
tpm2_readpublic -Q -c 0x81000020 -f tss -o other.srk || fail "a second storage key's public part"
volume
enroll_newer --tpm2-pcrs=7 --tpm2-seal-key-handle=0x81000020
expect "under another storage key, of $newest" 0 "opens" ours
state here "$(pcr sha256 11)" >here.ref.json
volume
"$cloister" image seal volume --key key --srk other.srk --srk-handle 0x81000020 --reference here.ref.json >/dev/null || fail "image seal --srk-handle"
theirs_newer || fail "$newest does not open what we sealed under another storage key: $(tail -n 1 theirs.log)"
expect "and so do we" 0 "opens" ours
cp volume before
for handle in 0x00000007 0x01800001 0x02000000 0x03000000 0x40000001 0x80000001 0x90000000; do
    expect "the handle $handle" 2 "expected 0x81000000 to 0x81ffffff" "$cloister" image seal volume --key key --srk other.srk --srk-handle $handle --reference here.ref.json
done
cmp -s before volume || fail "a refused handle has changed the volume"

# The volume key pinned in crypttab: the newer systemd refuses another, and so do we; it stops where it needs device-mapper.
volume
line=$(seal --crypttab data | sed -n 's/^crypttab *//p')
uuid=$(cryptsetup luksUUID volume)
fixed=${line##*fixate-volume-key=}
[ "$line" = "data UUID=$uuid none tpm2-device=auto,fixate-volume-key=$fixed" ] || fail "crypttab: $line"
attach() {
    flush
    with_newer systemd-cryptsetup attach "$1" volume - "tpm2-device=$tpm,headless=true,fixate-volume-key=$2" >theirs.log 2>&1
}
attach data "$fixed"
grep -q "Operation not supported" theirs.log || fail "$newest does not take our volume key's name: $(tail -n 2 theirs.log)"
attach data "$(printf '%064d' 1)"
grep -q "'$fixed' does not match the expectation" theirs.log || fail "$newest calls the volume key otherwise: $(tail -n 2 theirs.log)"
held "fixate-volume-key" systemd-cryptsetup "$newest" "reads ours"
# shellcheck disable=SC2317 # expect calls it
named() { flush && "$cloister" unlock volume "$1" --by-tpm --tpm "swtpm:$work/tpm.sock" --test --fixate-volume-key "$2"; }
expect "the volume key that is pinned" 0 "opens" named data "$fixed"
expect "another volume key" 1 "another volume key" named data "$(printf '%064d' 1)"
expect "another name" 1 "another volume key" named other "$fixed"
expect "half of it" 1 "another volume key" named data "${fixed%????????}"
expect "not hex" 3 "--fixate-volume-key" named data word
expect "a name that systemd would write otherwise" 2 "not the name of a volume" seal --crypttab a:b
seal --replace >/dev/null || fail "seal --replace"

# Another state: nobody gets the key, and we say why.
extend 11
expect "another UKI" 1 "the PCRs are not those that it was sealed for: PCR 11 differs" ours
! theirs_newer || fail "$newest opens it in another state"

# What was sealed before goes with --replace, and its key slots.
seal --replace >/dev/null || fail "seal --replace"
expect "in place of it" 0 "opens" ours
[ "$(cryptsetup luksDump volume | grep -c ': systemd-tpm2')" = 1 ] || fail "older tokens are still there"
[ "$(cryptsetup luksDump volume | grep -c ': luks2')" = 2 ] || fail "older key slots are still there"

# What is refused before anything is written.
cp volume before
expect "7 and 11 alone" 1 "the policy leaves out PCR 0" seal --pcrs 7,11
expect "a key that opens nothing" 1 "the key opens no key slot" "$cloister" seal volume --key pin --tpm "swtpm:$work/tpm.sock"
expect "no reference's register" 1 "no reference has a value of PCR 0" "$cloister" image seal volume --key key --srk srk --reference eleven.ref.json
expect "not a storage key" 3 "pin" "$cloister" image seal volume --key key --srk pin --reference now.ref.json
expect "a share over the key" 2 "--share-output" seal --form share --share-output key
expect "a form that is none" 2 "expected systemd, own or share" seal --form luks
cmp -s before volume || fail "a refusal has changed the volume"
exit "$failed"
