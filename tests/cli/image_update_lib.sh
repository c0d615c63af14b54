# shellcheck shell=bash disable=SC2034,SC2154
# image_update_lib.sh: an image sealed to a software TPM, for `cloister image update`. Sourced after lib.sh and image_lib.sh.

tpm_begin() { begin_tpm tpm "$work/sock"; }
# Switched off as a system does it: a TPM counts what goes without a word as attempts.
tpm_end() {
    [ -z "${tpm_pid:-}" ] || tpm2_shutdown -c 2>/dev/null
    [ -z "${tpm_pid:-}" ] || kill "$tpm_pid" 2>/dev/null
    wait "${tpm_pid:-}" 2>/dev/null
    tpm_pid=
}

# make_uki NAME [OPTION]…: another kernel's UKI, signed by our key unless the options say otherwise: NAME.efi.
make_uki() {
    local name=$1
    shift
    [ $# -gt 0 ] || set -- --key keys/db.key --cert keys/db.crt
    "$cloister" uki build --kernel two.vmlinuz --initrd initrd --cmdline quiet --os-release root/etc/os-release --stub "$stub" "$@" \
        --output "$name.efi" >/dev/null || fail "uki build $name"
}

# make_sealed_image: demo.img, one.efi's state sealed by `image seal`; srk, firmware.ref.json; two.efi, unsigned.efi, stranger.efi.
make_sealed_image() {
    make_image_inputs
    stub=$CLOISTER_TESTS/../fuzz/corpus/pe/stub
    head -c 100000 /dev/urandom >initrd
    head -c 64 /dev/urandom >other.key
    make_kernel two.vmlinuz
    printf 'two' >>two.vmlinuz
    make_uki two
    make_uki unsigned --uname 6.12.0-test
    make_uki stranger --key keys/KEK.key --cert keys/KEK.crt
    "$cloister" image build root --kernel vmlinuz --modules "$modules" --stub "$stub" --varstore vars.fd --cmdline quiet --disk-key disk.key \
        --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" --unlock tpm --key keys/db.key --cert keys/db.crt \
        --output demo.img >/dev/null || fail "image build"
    sectors=$(sfdisk -J demo.img | jq '.partitiontable.partitions[1].start')
    mkdir tpm
    export TPM2TOOLS_TCTI="swtpm:path=$work/sock"
    tpm_begin
    "$cloister" seal demo.img --key disk.key --form own --pcrs 0,4,7,11,12 --tpm "swtpm:$work/sock" >/dev/null || fail "no storage key is made"
    tpm2_readpublic -Q -c 0x81000001 -f tss -o srk || fail "storage key"
    # Firmware of a machine that extends 0 and 2 once.
    firmware_value() { printf '%064d%064d' 0 "$1" | sed 's/../\\x&/g' | xargs -0 printf | sha256sum | cut -d' ' -f1; }
    jq -n --arg a "$(firmware_value 1)" --arg b "$(firmware_value 2)" \
        '{cloister_reference: 1, name: "firmware", origin: "calibration", events: {}, pcrs: {sha256: {"0": $a, "2": $b}}}' >firmware.ref.json
    "$cloister" image seal demo.img --key disk.key --srk srk --reference demo.ref.json --reference firmware.ref.json --form own --replace >/dev/null ||
        fail "image seal"
}

update() { "$cloister" image update demo.img --disk-key disk.key --varstore vars.fd "$@"; }
update_alone() { "$cloister" image update demo.img "$@"; }

# opens UKI: does the TPM open the disk in a boot of it, up to enter-initrd?
opens() {
    tpm_end
    tpm_begin
    "$cloister" measure uki "$1" --varstore vars.fd --output state.ref.json >/dev/null || fail "measure $1"
    # shellcheck disable=SC2046 # one word for each
    tpm2_pcrextend 0:sha256="$(printf '%064d' 1)" 2:sha256="$(printf '%064d' 2)" $(jq -r '.events | to_entries[] | .key as $pcr | .value[] |
        select(.from == null or .from == "enter-initrd") | select($pcr | IN("4", "7", "11", "12", "13")) | $pcr + ":sha256=" + .digests.sha256' state.ref.json) ||
        fail "extend"
    dd if=demo.img of=volume bs=1M iflag=skip_bytes,count_bytes skip=$((sectors * 512)) count=$((36864 * 512)) status=none
    "$cloister" unlock volume --by-tpm --tpm "swtpm:$work/sock" --test >opens.log 2>&1
}

# is_whole WORDS: the ESP has no fault, and nothing on it is lost.
is_whole() {
    local end
    end=$(sfdisk -J demo.img | jq '.partitiontable.partitions[0] | .start, .size' | tr '\n' ' ')
    # shellcheck disable=SC2086 # two numbers
    set -- "$1" $end
    dd if=demo.img of=esp bs=512 skip="$2" count="$3" status=none
    fsck.fat -n esp >fsck.log 2>&1 || fail "$1: $(cat fsck.log)"
}
