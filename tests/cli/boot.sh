#!/bin/bash
# `boot`'s options for confidential machines: which go together; the command lines, as they are recorded in vectors/qemu; what is said of a
# host that cannot start them; and that a QEMU which knows such machines takes every argument.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
recorded=$CLOISTER_TESTS/vectors/qemu
amdsev=$CLOISTER_TESTS/vectors/launch/amdsev.fd
tdvf=$CLOISTER_TESTS/../fuzz/corpus/tdvf/good
skip_without openssl
cd "$work" || exit 4
cp "$amdsev" amdsev.fd
cp "$tdvf" tdvf.fd
for file in demo.img vmlinuz initrd svsm.igvm vars.fd; do head -c 4096 /dev/zero >"$file"; done
mkdir tpm

# --- Recorded command lines: the processor's own bits of addresses apart, they are the same everywhere ---
normal() { sed -E 's/cbitpos=[0-9]+,reduced-phys-bits=[0-9]+/cbitpos=51,reduced-phys-bits=1/'; }
# line NAME OPTION…: what is printed is what is recorded. CLO_UPDATE=1 records it.
line() {
    local name=$1
    shift
    "$cloister" boot demo.img --print "$@" >said 2>err || fail "$name: $(cat err)"
    normal <said >"$name"
    [ -z "${CLO_UPDATE:-}" ] || cp "$name" "$recorded/$name"
    diff "$recorded/$name" "$name" >difference || fail "$name: another command line: $(cat difference)"
}
openssl ecparam -name secp384r1 -genkey -noout -out id.key 2>/dev/null
"$cloister" measure snp --ovmf amdsev.fd --vcpus 4 --vcpu-type EPYC-v4 --kernel vmlinuz --initrd initrd --cmdline 'console=ttyS0 quiet' \
    --id-block id.block --id-key id.key >/dev/null || fail "the ID block"
line snp --snp --firmware amdsev.fd --memory 4G --vcpus 4
line snp-kernel --snp --firmware amdsev.fd --kernel vmlinuz --initrd initrd --cmdline 'console=ttyS0 quiet' --guest-policy 0x70000 \
    --host-data "$(printf '%064d' 7)" --vcpu-type EPYC-Genoa --report report.jsonl --serial console.log
line svsm --svsm svsm.igvm --memory 2G --snapshot
line tdx --tdx --firmware tdvf.fd --memory 8G --vcpus 2
line tdx-vsock --tdx --firmware tdvf.fd --quotes vsock:2:4050 --host-data "$(printf '%096d' 7)" --kernel vmlinuz --cmdline "it's a test"
# A signature differs each time: the line has QEMU's own words for it.
"$cloister" boot demo.img --print --snp --firmware amdsev.fd --kernel vmlinuz --initrd initrd --cmdline 'console=ttyS0 quiet' --id-block id.block >snp-id ||
    fail "with an ID block"
grep -q "kernel-hashes=on,$(cat id.block)" snp-id || fail "the ID block is not in the command line"

# --- What does not go together, and what cannot be read ---
refused() {
    local words=$1
    shift
    expect "$*" 2 "$words" "$cloister" boot demo.img "$@"
}
refused "two kinds of machine" --snp --tdx
refused "--varstore and --tpm are needed" --memory 4G
refused "an option of a confidential machine" --varstore vars.fd --tpm tpm --kernel vmlinuz
refused "neither --varstore nor --tpm" --snp --firmware amdsev.fd --tpm tpm
refused "--firmware is needed" --snp
refused "--firmware is in the IGVM file" --svsm svsm.igvm --firmware amdsev.fd
refused "two files for one place" --svsm svsm.igvm --igvm svsm.igvm
refused "go with --kernel" --snp --firmware amdsev.fd --initrd initrd
refused "are SEV-SNP's" --tdx --firmware tdvf.fd --id-block id.block
refused "--quotes is TDX's" --snp --firmware amdsev.fd --quotes unix:/run/qgs
refused "takes a plain machine" --snp --firmware amdsev.fd --calibrate firmware.ref.json
refused "--vcpu-type EPYC-v99: not known" --snp --firmware amdsev.fd --vcpu-type EPYC-v99
refused "--host-data: 48 bytes, expected 32" --snp --firmware amdsev.fd --host-data "$(printf '%096d' 7)"
refused "the quoting service is unix:PATH or vsock:CID:PORT" --tdx --firmware tdvf.fd --quotes tcp:1 --print
printf 'id-block=QUJD,id-auth=REVG,kernel-hashes=off\n' >evil.block
expect "an ID block that brings an option" 3 "not an ID block" "$cloister" boot demo.img --snp --firmware amdsev.fd --id-block evil.block --print
expect "firmware without SEV metadata" 3 "has no SEV metadata" "$cloister" boot demo.img --snp --firmware tdvf.fd --print
expect "firmware without TDX metadata" 3 "firmware amdsev.fd" "$cloister" boot demo.img --tdx --firmware amdsev.fd --print

# --- A host that cannot: what it lacks, at once ---
if [ ! -e /sys/module/kvm_amd/parameters/sev_snp ] && command -v qemu-system-x86_64 >/dev/null; then
    expect "no SEV-SNP here" 4 "this host cannot start SEV-SNP: " "$cloister" boot demo.img --snp --firmware amdsev.fd
    expect "which parameter" 4 "kvm_amd: has no parameter sev_snp" "$cloister" boot demo.img --snp --firmware amdsev.fd
fi

# --- The newest QEMU takes every argument. It comes as far as the host's KVM, which has no such machines or is not there ---
qemu=${LAB_CACHE:-$CLOISTER_TESTS/../build/lab/cache}/qemu-new
if [ ! -e "$qemu/complete" ]; then
    echo "SKIP: a QEMU with SEV-SNP and TDX was not fetched: . sim/lab.sh && lab_fetch_new_qemu"
    exit "$failed"
fi
qemu=$(realpath "$qemu")
libraries=$qemu/usr/lib/x86_64-linux-gnu
# shellcheck disable=SC2317 # called by what is evaluated
qemu-system-x86_64() {
    "$qemu/usr/lib64/ld-linux-x86-64.so.2" --library-path "$libraries:$libraries/qemu:$libraries/pulseaudio" \
        "$qemu/usr/bin/qemu-system-x86_64" -L "$qemu/usr/share/qemu" "$@"
}
# taken NAME: emulation in place of KVM gives the same answer everywhere.
taken() {
    sed 's/-accel kvm/-accel tcg/' "$1" >emulated
    (eval "$(cat emulated)") >said 2>&1 </dev/null
    [ "$(grep -c 'KVM required$' said)/$(wc -l <said)" = 1/1 ] || fail "$1: QEMU says: $(head -n 3 said)"
}
for name in snp snp-kernel snp-id tdx tdx-vsock; do taken "$name"; done
# And it does look: a wrong one is refused by name.
sed 's/kernel-hashes=on/kernel-hash=on/' snp-id >wrong
sed 's/-accel kvm/-accel tcg/' wrong >emulated
(eval "$(cat emulated)") >said 2>&1 </dev/null
grep -q 'kernel-hash' said || fail "QEMU does not look at its arguments: $(head -n 3 said)"
exit "$failed"
