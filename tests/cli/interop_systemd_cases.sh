#!/bin/sh
# systemd's own cases of its tokens (TEST-70-TPM2) that take a person, a signature with a reference, or several tokens: PINs with its programs and with us,
# wrong ones until the TPM locks itself, and three tokens of ours of which its program finds the last.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/interop_lib.sh
. "$(dirname "$0")/interop_lib.sh"
cd "$work" || exit 4
# shellcheck source=tests/cli/interop_systemd_lib.sh
. "$(dirname "$0")/interop_systemd_lib.sh"
need tpm2_dictionarylockout tpm2_getcap

# attach PIN [OPTIONS]: the newer systemd-cryptsetup, which stops where it needs device-mapper.
attach() {
    pin=$1
    shift
    flush
    PIN=$pin with_newer systemd-cryptsetup attach test volume - "tpm2-device=$tpm,headless=true$*" >theirs.log 2>&1
    grep -q "Failed to activate with TPM2 acquired key: Operation not supported" theirs.log
}
printf 1234 >pin
printf 4321 >wrong

# A PIN of ours, asked for by systemd; and another one. The TPM forgets guesses when it is told to.
forget() { flush && tpm2_dictionarylockout -Q -c; }
volume
seal --pin-file pin >/dev/null || fail "seal --pin-file"
attach 1234 || fail "$newest does not open what we sealed with a PIN: $(tail -n 1 theirs.log)"
expect "and so do we" 0 "opens" ours --pin-file pin
! attach 4321 || fail "$newest opens it with another PIN"
expect "another PIN" 1 "the PIN is wrong" ours --pin-file wrong
forget || fail "dictionarylockout"
held "systemd-tpm2 token, PIN" systemd-cryptsetup "$newest" "reads ours"

# Four wrong ones: the TPM locks itself by its own count, which we say, and nothing is lost by it.
guess() { # WHO: four guesses, then whether the right one still opens it
    for _ in 1 2 3 4; do
        if [ "$1" = ours ]; then ! ours --pin-file wrong >guess.log 2>&1 || return 1; else ! attach 4321 || return 1; fi
    done
}
guess theirs || fail "$newest opens it with a wrong PIN"
cp theirs.log theirs.guess
expect "after four guesses of theirs" 1 "lockout" ours --pin-file pin
! attach 1234 || fail "$newest opens it in lockout"
forget || fail "dictionarylockout"
guess ours || fail "a wrong PIN opens it"
expect "after four guesses of ours" 1 "lockout" ours --pin-file pin
forget || fail "dictionarylockout"
expect "once the TPM has forgotten them" 0 "opens" ours --pin-file pin
attach 1234 || fail "$newest does not open it afterwards: $(tail -n 1 theirs.log)"
forget || fail "dictionarylockout"

# A recovery key opens it whatever becomes of the PIN.
volume
seal --pin-file pin --recovery >sealed || fail "seal --recovery"
sed -n 's/^recovery *//p' sealed | tr -d '\n' >recovery
guess ours || fail "a wrong PIN opens it"
cryptsetup open --test-passphrase --key-file recovery volume || fail "the recovery key does not open it in lockout"
forget || fail "dictionarylockout"

# A signature with a reference: sealed by both, opened by both; one without it, or with another, opens neither.
{ openssl genrsa -out pcr.key 2048 && openssl rsa -in pcr.key -pubout -out pcr.pub; } 2>/dev/null || fail "policy key"
jq -n --arg v "$(pcr sha256 11)" '{cloister_reference: 1, name: "test", origin: "prediction", events: {}, pcrs: {sha256: {"11": {"enter-initrd": $v}}}}' >eleven.ref.json
sign() { "$cloister" measure policy eleven.ref.json --pcrs 11 --key pcr.key "$@" || fail "measure policy $*"; }
sign --output plain.json
sign --ref initrd --output initrd.json
sign --ref other --output other.json
volume
enroll_newer --tpm2-pcrs=7 --tpm2-public-key=pcr.pub --tpm2-public-key-pcrs=11 --tpm2-public-key-policyref=initrd --tpm2-signature="$work/initrd.json"
expect "a reference, of $newest" 0 "opens" ours --pcr-signature initrd.json
expect "without it" 1 "no signature for the present PCRs" ours --pcr-signature plain.json
expect "with another" 1 "no signature for the present PCRs" ours --pcr-signature other.json
volume
seal --signed-pcrs 11 --policy-key pcr.pub --policy-ref initrd >/dev/null || fail "seal --policy-ref"
attach "" ",tpm2-signature=$work/initrd.json" || fail "$newest does not open what we sealed with a reference: $(tail -n 1 theirs.log)"
for other in plain other; do ! attach "" ",tpm2-signature=$work/$other.json" || fail "$newest opens it by the signature $other"; done
held "systemd-tpm2 token, signature with a reference" systemd-cryptsetup "$newest" "both ways"

# Three tokens of ours, of which the last fits: systemd finds it.
volume
seal --pcrs 0,2,4,7,11,12,13 >/dev/null || fail "the first"
extend 12
seal --pcrs 0,2,4,7,11,12,13 >/dev/null || fail "the second"
extend 4
seal --pcrs 0,2,4,7,11,12,13 >/dev/null || fail "the third"
[ "$(cryptsetup luksDump volume | grep -c ': systemd-tpm2')" = 3 ] || fail "not three tokens"
theirs_newer || fail "$newest does not find the third of three: $(tail -n 1 theirs.log)"
attach "" || fail "$newest's cryptsetup does not find the third of three: $(tail -n 1 theirs.log)"
expect "and so do we" 0 "opens" ours
# systemd 261's separator, which its service in an initrd measures before a disk is opened: sealed for beforehand, opened after it.
word=$(printf os-separator | sha256sum | cut -d' ' -f1)
[ "$word" = ff5b9d73dad709633ae76adf444012b57e913a12ed7403c3931145862f35f841 ] || fail "the separator"
flush
tpm2_readpublic -Q -c 0x81000001 -f tss -o srk || fail "storage key"
state() {
    jq -n --arg a "$(pcr sha256 0)" --arg b "$(pcr sha256 2)" --arg c "$(pcr sha256 4)" --arg d "$(pcr sha256 7)" --arg e "$(pcr sha256 11)" --arg f "$(pcr sha256 12)" --arg g "$(pcr sha256 13)" \
        '{cloister_reference: 1, name: "now", origin: "prediction", events: {}, pcrs: {sha256: {"0": $a, "2": $b, "4": $c, "7": $d, "12": $f, "13": $g, "11": {"enter-initrd": $e}}}}'
}
state >now.ref.json
volume
expect "a separator without a reference" 2 "--os-separator is for --reference" "$cloister" seal volume --key key --tpm "swtpm:$work/tpm.sock" --os-separator
"$cloister" image seal volume --key key --srk srk --reference now.ref.json --os-separator >/dev/null || fail "image seal --os-separator"
expect "before the separator" 1 "PCR 0, PCR 2, PCR 4" ours
for number in 0 1 2 3 4 5 6 7 9 12 13 14; do tpm2_pcrextend "$number:sha256=$word" || fail "extend"; done
theirs_newer || fail "$newest does not open what was sealed for its separator: $(tail -n 1 theirs.log)"
expect "after the separator" 0 "opens" ours
held "os-separator" systemd-cryptenroll "$newest" "reads ours"

# The storage key that the TPM must have: this one, and another.
tpm2_createprimary -Q -C o -g sha256 -G ecc:aes128cfb -c other.ctx || fail "another storage key"
tpm2_readpublic -Q -c other.ctx -f tss -o other.srk || fail "another storage key's public part"
volume
expect "sealed to the key that is meant" 0 "" seal --srk srk
expect "opened by the key that is meant" 0 "opens" ours --srk srk
expect "opened by another" 1 "the TPM has another one" ours --srk other.srk
cp volume before
expect "sealed to another" 1 "the TPM has another one" seal --srk other.srk
expect "sealed to no key" 3 "pin" seal --srk pin
cmp -s volume before || fail "a refusal has changed the volume"

# Registers that another party moves are named where they are chosen.
expect "without PCR 7" 0 "" "$cloister" image seal volume --key key --srk srk --reference now.ref.json --pcrs 0,2,4,11,12,13
grep -q "note: PCR 7 is left out" err || fail "without PCR 7: $(cat err)"
expect "the usual ones" 0 "" "$cloister" image seal volume --key key --srk srk --reference now.ref.json
! grep -q "note:" err || fail "the usual ones: $(cat err)"
held "systemd-tpm2 token, the last of three" "systemd-cryptenroll, systemd-cryptsetup" "$newest" "reads ours"
exit "$failed"
