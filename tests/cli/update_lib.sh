# shellcheck shell=sh disable=SC2034,SC2154
# update_lib.sh: a machine for `cloister update` in the folder machine: disk, ESP, EFI variables, a software TPM. Sourced after lib.sh and image_lib.sh.

# tpm_begin, tpm_end: a TPM that was switched on; and off.
tpm_begin() { begin_tpm machine/tpm "$work/machine/sock"; }
tpm_end() {
    [ -z "${tpm_pid:-}" ] || kill "$tpm_pid" 2>/dev/null
    wait "${tpm_pid:-}" 2>/dev/null
    tpm_pid=
}
flush() { tpm2_flushcontext -t >/dev/null 2>&1 && tpm2_flushcontext -l >/dev/null 2>&1 && tpm2_flushcontext -s >/dev/null 2>&1; }

# make_uki NAME: another kernel's UKI, signed: NAME.efi.
make_uki() {
    make_kernel "$1.vmlinuz"
    printf '%s' "$1" >>"$1.vmlinuz"
    "$cloister" uki build --kernel "$1.vmlinuz" --initrd initrd --cmdline quiet --os-release root/etc/os-release --stub "$stub" \
        --key keys/db.key --cert keys/db.crt --output "$1.efi" >/dev/null || fail "uki build $1"
}

# make_machine: with one.efi installed, never booted. Sets $sectors: where the root's header lies.
make_machine() {
    make_image_inputs
    stub=$CLOISTER_TESTS/../fuzz/corpus/pe/stub
    head -c 100000 /dev/urandom >initrd
    for uki in one two three; do make_uki "$uki"; done
    openssl x509 -in keys/db.crt -outform DER -out db.der
    "$cloister" image build root --kernel vmlinuz --modules "$modules" --stub "$stub" --varstore vars.fd --cmdline quiet --disk-key disk.key \
        --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" --unlock tpm-or-broker --key keys/db.key --cert keys/db.crt \
        --output demo.img >/dev/null || fail "image build"
    mkdir -p machine/tpm machine/efivars machine/esp/EFI/BOOT machine/run
    mv demo.img machine/disk
    cp one.efi machine/esp/EFI/BOOT/BOOTX64.EFI
    printf '\007\000\000\000\001\000' >machine/efivars/BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c
    sectors=$(sfdisk -J machine/disk | jq '.partitiontable.partitions[1].start')
}

# boot: off and on again; firmware starts what it is told to, and measures it. Sets $booted. After `cloister-init` has got that far: PCR 11.
boot() {
    tpm_end
    tpm_begin
    booted=$(python3 -IS "$CLOISTER_TESTS/cli/update_machine.py" start machine) || fail "no firmware"
    "$cloister" measure uki "machine/esp/$booted" --output boot.ref.json >/dev/null || fail "measure"
    digest=$("$cloister" uki inspect "machine/esp/$booted" --authenticode sha256 | cut -d' ' -f1)
    # shellcheck disable=SC2046 # one word for each
    tpm2_pcrextend $(python3 -IS "$CLOISTER_TESTS/cli/update_machine.py" log "$digest" db.der machine/log) \
        $(jq -r '.events."11"[] | select(.from == null or .from == "enter-initrd") | "11:sha256=" + .digests.sha256' boot.ref.json) ||
        fail "extend"
}

# header_to FILE, header_from FILE: the root's header with its areas, out of the disk and back.
header_to() { dd if=machine/disk of="$1" bs=1M iflag=skip_bytes,count_bytes skip=$((sectors * 512)) count=$((36864 * 512)) status=none; }
header_from() { dd if="$1" of=machine/disk bs=1M oflag=seek_bytes seek=$((sectors * 512)) conv=notrunc status=none; }

# opens: does the TPM open the disk in this state?
opens() {
    header_to volume
    "$cloister" unlock volume --by-tpm --tpm "swtpm:$work/machine/sock" --test >opens.log 2>&1
}
is_shut() { ! opens; }

# leave: what the initrd measures before the root runs.
leave() { tpm2_pcrextend "11:sha256=$(printf 'leave-initrd' | sha256sum | cut -d' ' -f1)" "15:sha256=$(printf '%064d' 15)" || fail "leave"; }

# update [OPTION]…: in the running system.
update() {
    "$cloister" update --esp machine/esp --disk machine/disk --disk-key disk.key --efivars machine/efivars --state machine/var/state \
        --run machine/run --tpm "swtpm:$work/machine/sock" --eventlog machine/log "$@"
}
