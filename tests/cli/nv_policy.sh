#!/bin/bash
# An NV index of our own that says which states open a disk: made, judged by tpm2-tools, changed before an update and after it, tried by a host
# that writes it, and killed at each step. What is sealed is sealed once. Firmware is played by update_machine.py, the TPM by swtpm.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
# shellcheck source=tests/cli/update_lib.sh
. "$(dirname "$0")/update_lib.sh"
# shellcheck source=tests/cli/faults_lib.sh
. "$(dirname "$0")/faults_lib.sh"
faults=$(absolute "$2")
init=$small_init
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
skip_without swtpm tpm2_pcrextend tpm2_readpublic tpm2_nvreadpublic tpm2_policysigned mke2fs mkfs.vfat mcopy jq openssl python3 sfdisk
trap 'tpm_end; rm -rf "$work"' EXIT
export TPM2TOOLS_TCTI="swtpm:path=$work/machine/sock"
make_machine
header_to unsealed
openssl genrsa -out nv.key 2048 2>/dev/null
openssl rsa -in nv.key -pubout -out nv.pub 2>/dev/null
openssl genrsa -out other.key 2048 2>/dev/null
index=0x0147c103
# shellcheck disable=SC2317 # expect calls it
in_tpm() { "$cloister" nv-policy "$1" "${@:2}" --tpm "swtpm:$work/machine/sock"; }

# state FILE: the present registers as a reference that foretells them.
state() {
    tpm2_pcrread -Q sha256:0,2,4,7,11,12,13 -o pcrs.bin || fail "pcrread"
    od -An -v -tx1 -w32 pcrs.bin | tr -d ' ' | jq -Rn '[inputs] as $v | {cloister_reference: 1, name: "a state", origin: "prediction", events: {},
        pcrs: {sha256: {"0": $v[0], "2": $v[1], "4": $v[2], "7": $v[3], "11": {"enter-initrd": $v[4]}, "12": $v[5], "13": $v[6]}}}' >"$1"
}

# Made, for the state that the first system's initrd is in.
boot
state one.ref.json
expect "no state" 2 "--reference is needed" in_tpm make nv.json --key nv.key
expect "no such register's value" 1 "no reference has a value of PCR 9" in_tpm make nv.json --key nv.key --reference one.ref.json --pcrs 0,4,9,11,12
openssl ecparam -name prime256v1 -genkey -noout -out ec.key
expect "a key that signs no policy" 3 "not RSA" in_tpm make nv.json --key ec.key --reference one.ref.json
expect "not an NV index" 2 "expected 0x01000000" in_tpm make nv.json --key nv.key --reference one.ref.json --index 0x81000001
[ -z "$(tpm2_getcap handles-nv-index)" ] || fail "a refusal has defined the index"
expect "made" 0 "NV index 0x0147c103" in_tpm make nv.json --key nv.key --reference one.ref.json
cp nv.json first.json
expect "another key for the same index" 1 "the TPM has another index" in_tpm make other.json --key other.key --reference one.ref.json
[ ! -e other.json ] || fail "a refusal has written a file"
flush
expect "it holds" 0 "the TPM's index approves of this" in_tpm show nv.json
expect "asked of nobody" 0 "index      0x0147c103" "$cloister" nv-policy show nv.json

# By tpm2-tools: who may write it, and what it approves of.
tpm2_nvreadpublic "$index" >public.yaml || fail "nvreadpublic"
grep -q 'friendly: policywrite|ownerread|authread|no_da|written' public.yaml || fail "attributes: $(cat public.yaml)"
ref=$(printf 'cloister nv-policy' | sha256sum | cut -d ' ' -f 1)
head -c 256 /dev/zero >no.signature
{
    tpm2_loadexternal -Q -C o -G rsa -u nv.pub -c signer.ctx
    tpm2_startauthsession -S trial.ctx
    tpm2_policysigned -Q -S trial.ctx -c signer.ctx -g sha256 -f rsassa -s no.signature -q "$ref" -L write.policy
} || fail "policysigned"
tpm2_flushcontext trial.ctx
flush
policy=$(od -An -v -tx1 write.policy | tr -d ' \n')
grep -qi "authorization policy: $policy" public.yaml || fail "its policy is not $policy: $(cat public.yaml)"
tpm2_createpolicy -Q --policy-pcr -l sha256:0,2,4,7,11,12,13 -L pcr.policy || fail "createpolicy"
tpm2_nvread "$index" -C o -o held.bin || fail "nvread"
{ printf '\000\013' && cat pcr.policy; } | cmp -s - held.bin || fail "it approves of another policy"

# Sealed once; the header has the copy that an initrd reads.
flush
"$cloister" seal machine/disk --key disk.key --form own --nv-policy nv.json --tpm "swtpm:$work/machine/sock" >seal.out 2>&1 || fail "seal: $(cat seal.out)"
expect "a floor as well" 2 "with --nv-policy an update changes" "$cloister" seal machine/disk --key disk.key --form own --floor --nv-policy nv.json --tpm "swtpm:$work/machine/sock"
header_to volume
expect "a latch in the index alone" 0 "note: bound to the value of neither PCR 11 nor PCR 15" "$cloister" seal volume --key disk.key --form own --nv-policy nv.json --pcrs 14 \
    --tpm "swtpm:$work/machine/sock"
! grep -q "neither PCR 11" seal.out || fail "the latch by value is not seen: $(cat seal.out)"
expect "two halves in one" 2 "are two halves" "$cloister" seal machine/disk --key disk.key --form own --nv-policy nv.json --signed-pcrs 11 --policy-key nv.pub --tpm "swtpm:$work/machine/sock"
expect "it opens" 0 "" opens
header_to first.header
tpm2_readpublic -Q -c 0x81000001 -n srk.name || fail "no storage key"
od -An -v -tx1 srk.name | tr -d ' \n' >machine/run/tpm-srk
printf ' own' >>machine/run/tpm-srk
leave
expect "and not in the running system" 0 "" is_shut
flush

# The host has the owner's password, which is none: it writes nothing, and what it defines is another index.
for as in o "$index"; do
    ! tpm2_nvwrite "$index" -C "$as" -i held.bin >/dev/null 2>&1 || fail "it is written as $as"
done
boot
tpm2_nvundefine "$index" -C o || fail "nvundefine"
expect "taken away" 0 "" is_shut
expect "that shows" 1 "does not" in_tpm show nv.json
tpm2_nvdefine -Q "$index" -C o -s 34 -a 'ownerwrite|ownerread|authread|no_da' || fail "nvdefine"
tpm2_nvwrite "$index" -C o -i held.bin || fail "nvwrite"
expect "one of the host's in its place" 0 "" is_shut
expect "that shows, too" 1 "does not" in_tpm show nv.json
expect "and is not removed" 1 "the TPM has another index" in_tpm remove nv.json
tpm2_nvundefine "$index" -C o || fail "nvundefine"
tpm2_nvdefine -Q "$index" -C o -s 34 -a 'policywrite|ownerread|authread|no_da' -L write.policy || fail "nvdefine"
expect "the same one, which holds nothing" 0 "" is_shut
grep -q "never written" opens.log || fail "it is not said that it holds nothing: $(cat opens.log)"
expect "made anew by the key" 0 "NV index" in_tpm make nv.json --key nv.key --reference one.ref.json
cmp -s nv.json first.json || fail "the same index has another file"
expect "it opens again" 0 "" opens
leave
flush

# An update approves of the next state, and the sealed token stays as it is.
# shellcheck disable=SC2317 # expect calls it
key() { update --nv-policy nv.json --nv-key nv.key "$@"; }
tokens() { header_to volume && "$cloister" image inspect volume --json >/dev/null 2>&1; grep -ao '"cloister-tpm2"' volume | wc -l; }
before=$(tokens)
expect "the index is not named" 1 "--nv-policy and --nv-key are needed" update --uki two.efi
expect "half of it" 2 "go together" update --uki two.efi --nv-policy nv.json
expect "another key" 1 "is another key's to write" update --nv-policy nv.json --nv-key other.key --uki two.efi
expect "another key, by hand" 1 "is another key's to write" in_tpm update nv.json --key other.key --reference one.ref.json --no-disk
cmp -s nv.json first.json || fail "a refusal has changed the file"
expect "installed" 0 "the next boot tries it" key --uki two.efi
expect "the TPM approves of it" 0 "approves of this" in_tpm show nv.json
boot
[ "$booted" = EFI/cloister/next.efi ] || fail "firmware started $booted"
expect "the new one opens the disk" 0 "" opens
state two.ref.json
leave
expect "kept" 0 "gets no key" key --mark-good
[ "$(tokens)" = "$before" ] || fail "something was sealed"
boot
expect "it goes on opening" 0 "" opens
leave
flush

# The system of before gets no key, with the header that it had, and with the file.
cp --sparse=always machine/disk disk.kept
cp one.efi machine/esp/EFI/BOOT/BOOTX64.EFI
header_from first.header
boot
expect "the system of before, with its own header" 0 "" is_shut
cp --sparse=always disk.kept machine/disk
expect "and with the present one" 0 "" is_shut
grep -q "the NV index approves of another state: PCR 4, PCR 11" opens.log || fail "the registers are not named: $(cat opens.log)"
header_to volume
expect "and with its file" 1 "approves of another state" "$cloister" unlock volume --by-tpm --tpm "swtpm:$work/machine/sock" --test --pcrlock first.json
cp two.efi machine/esp/EFI/BOOT/BOOTX64.EFI
boot
leave

# One that does not boot is dropped again.
expect "installed" 0 "the next boot tries it" key --uki three.efi
cp one.efi machine/esp/EFI/cloister/next.efi
boot
expect "one that the host exchanged" 0 "" is_shut
boot
leave
expect "it is dropped" 0 "it is dropped, and this system stays" key --mark-good
"$cloister" nv-policy show nv.json --json | jq -e '[.pcrValues[].values | length] | max == 1' >/dev/null || fail "the dropped one is approved of"

# Changed by hand, for two volumes that are sealed to it. None that has a copy is left without the one that fits, unless it is said.
cp nv.json kept.json
boot
flush
header_to second
# shellcheck disable=SC2317 # called by name
approve() { in_tpm update nv.json --key nv.key --add --reference one.ref.json --disk machine/disk --disk second; }
# shellcheck disable=SC2317
again() { in_tpm update nv.json --key nv.key --reference two.ref.json --disk machine/disk --disk second; }
# shellcheck disable=SC2317
both_open() { opens && "$cloister" unlock second --by-tpm --tpm "swtpm:$work/machine/sock" --test; }
cp second second.kept
expect "no volume is named" 2 "--disk is needed, or --no-disk" in_tpm update nv.json --key nv.key --reference one.ref.json
expect "a volume, and none" 2 "expected one of them" in_tpm update nv.json --key nv.key --reference one.ref.json --disk second --no-disk
expect "one that is not there" 3 "none: No such file" in_tpm update nv.json --key nv.key --reference one.ref.json --disk second --disk none
cmp -s nv.json kept.json || fail "a refusal has changed the file"
cmp -s second second.kept || fail "a refusal has changed a header"
expect "both open" 0 "" both_open
expect "no header is to be changed" 0 "approves of it" in_tpm update nv.json --key nv.key --add --reference one.ref.json --no-disk
cmp -s second second.kept || fail "--no-disk has changed a header"
expect "no copy fits" 0 "" is_shut
expect "changed afterwards" 0 "approves of it" approve
expect "both open again" 0 "" both_open
expect "one named twice" 0 "approves of it" in_tpm update nv.json --key nv.key --reference two.ref.json --disk machine/disk --disk second --disk second
expect "both open with one state" 0 "" both_open
cmp -s nv.json kept.json || fail "back to one state: another file"

# An update has both, when it is installed and when it is kept.
leave
flush
expect "a volume without an index" 2 "--volume needs --nv-policy" update --uki three.efi --volume second
expect "a volume that is not sealed" 1 "unsealed: --volume: is not sealed to an NV index" key --uki three.efi --volume unsealed
cmp -s nv.json kept.json || fail "a refusal has changed the file"
for next in three two; do
    expect "installed for both: $next" 0 "the next boot tries it" key --uki "$next.efi" --volume second
    boot
    [ "$booted" = EFI/cloister/next.efi ] || fail "firmware started $booted"
    expect "both open in $next" 0 "" both_open
    leave
    expect "kept for both: $next" 0 "gets no key" key --mark-good --volume second
    boot
    expect "both go on opening: $next" 0 "" both_open
    [ "$next" = two ] || leave
    flush
done
cmp -s nv.json kept.json || fail "back to the second system: another file"

# Killed each time something of it is on a disk: both open in the present state, and the same command run again ends well.
export FAULTS_CALLS=fsync,rename
more=$(count_changes approve)
less=$(count_changes again)
if [ "$more" -le 6 ] || [ "$less" -le 6 ]; then fail "only $more and $less steps"; fi
cmp -s nv.json kept.json || fail "back to one state: another file"

# killed AT CHANGES CHANGE: where it has that many.
killed() {
    if [ "$1" -le "$2" ]; then
        with_fault "$1" kill "" "$3" >/dev/null 2>&1
        [ $? = 137 ] || fail "$3 was not killed at step $1"
        flush
        expect "$3, killed at step $1" 0 "" both_open
    fi
    "$3" >/dev/null 2>&1 || fail "$3 run again after step $1"
}
for at in $(seq 1 6 "$((more > less ? more : less))"); do
    of_many || continue
    killed "$at" "$more" approve
    killed $((at + 3)) "$less" again
done
unset FAULTS_CALLS
expect "after all of it" 0 "" both_open

# Made once more, it would take away what is approved of, in the TPM alone.
expect "there already" 1 "'make' with the references of before writes the file again" in_tpm make again.json --key nv.key --reference one.ref.json
[ ! -e again.json ] || fail "a refusal has written a file"
rm nv.json
expect "its file was lost" 0 "NV index" in_tpm make nv.json --key nv.key --reference two.ref.json
cmp -s nv.json kept.json || fail "made with the references of before: another file"
expect "it opens all the same" 0 "" opens

# A ninth value of a register.
cp nv.json many.json
jq '(.pcrValues[] | select(.pcr == 4) | .values) += [range(1; 8) | ("0" * 63) + tostring]' many.json >eight.json
expect "a ninth value" 1 "PCR 4: more than 8 values" in_tpm update eight.json --key nv.key --add --reference one.ref.json --no-disk
expect "not such a file" 3 "pcrlock policy" in_tpm show one.ref.json

# Taken away: what was sealed to it opens nothing.
expect "removed" 0 "removed" in_tpm remove nv.json
expect "nothing opens" 0 "" is_shut
exit "$failed"
