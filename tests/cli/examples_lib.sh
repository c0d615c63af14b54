# shellcheck shell=bash disable=SC2154
# examples_lib.sh: a folder with stand-ins of the files that examples name, in help and on pages, and a `cloister` that takes them in place of a
# machine's own. Sourced after lib.sh and image_lib.sh; wants $sim and $init.
corpus=$CLOISTER_TESTS/../fuzz/corpus
vectors=$CLOISTER_TESTS/vectors/launch

# make_examples_folder: all of it, in this folder. Its bin/ is to be the first in PATH.
make_examples_folder() {
    make_image_inputs
    mkdir -p bin boot lib/modules keys
    cp vmlinuz boot/vmlinuz-6.12
    cp vmlinuz boot/vmlinuz-6.12.117
    ln -s "$PWD/$modules" lib/modules/6.12
    ln -s "$PWD/root" rootfs
    ln -s "$stub" linuxx64.efi.stub
    make_rsa_key pcr
    mv pcr.key pcr.pub keys/
    cp keys/db.key db.key
    cp keys/pcr.key pcr.key
    head -c 40000 /dev/urandom >initrd.img
    cp initrd.img initrd
    "$cloister" image build root --kernel vmlinuz --modules "$modules" --stub "$stub" --cmdline 'console=ttyS0' --key keys/db.key --cert keys/db.crt \
        --varstore vars.fd --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" --output demo.img >built 2>&1 || fail "the image: $(cat built)"
    for name in disk.img guest.img demo.raw; do ln -s demo.img $name; done
    cp demo.ref.json guest.ref.json
    cp demo.ref.json disk.ref.json
    cp demo.ref.json next.ref.json
    cp demo.ref.json running.ref.json
    cp demo.ref.json updated.ref.json
    cp demo.ref.json demo-2.ref.json
    image_uki demo.img demo.efi
    cp demo.efi old.efi
    openssl ecparam -name prime256v1 -genkey -noout -out owner.pem 2>/dev/null
    openssl ec -in owner.pem -pubout -out owner.pub.pem 2>/dev/null
    "$sim" snp --rsa-bits 2048 other >/dev/null || fail "sim"
    "$sim" tdx td >/dev/null || fail "sim tdx"
    cp other/report.bin report.bin
    cp other/vek.der vcek.der
    cp td/quote.bin quote.bin
    cp -r td/collateral collateral
    cp "$corpus/eventlog/two-banks" eventlog.bin
    cp "$corpus/eventlog/ccel" ccel.bin
    cp "$corpus/userlog/two" tpm2-measure.log
    b64() { base64 -w0 "$1" | tr '+/' '-_' | tr -d '='; }
    printf '{"__cmwc_t":"tag:cloister.dev,2026:evidence","snp-report":["application/vnd.cloister.snp-report","%s"],"snp-certificates":["application/vnd.cloister.snp-certificates","%s"]}' \
        "$(b64 other/report.bin)" "$(b64 other/table.bin)" | tee evidence.json good.evidence.json >bad.evidence.json
    zeros=$(printf '%064d' 0)
    printf '{"cloister_reference":1,"name":"firmware","origin":"calibration","events":{},"pcrs":{"sha256":{"0":"%s","1":"%s","2":"%s","3":"%s","6":"%s"}}}' \
        "$zeros" "$zeros" "$zeros" "$zeros" "$zeros" >firmware.ref.json
    "$cloister" secureboot list --cert keys/KEK.crt --output dbx.esl >/dev/null || fail "a list"
    "$cloister" secureboot sign dbx.esl --variable dbx --append --key keys/KEK.key --cert keys/KEK.crt --output DBXUpdate.bin >/dev/null || fail "an update of dbx"
    cp keys/KEK.crt MicCorKEKCA2011.crt
    cp keys/db.crt mok.crt
    printf 'sbat,1,2021030218\n' >level
    echo 'CONFIG_X86=y' >config
    head -c 64 /dev/urandom >data.key

    "$cloister" policy init --for azure-snp --reference demo.ref.json --reference firmware.ref.json --measurement "$(printf '%096d' 7)" \
        --minimum-tcb bootloader=4,tee=0,snp=24,microcode=219 --output policy.json >/dev/null 2>policy.notes || fail "the policy: $(tail -n 1 policy.notes)"
    cp demo.ref.json built.ref.json

    # Ours, with what a test has in place of a machine's own files.
    cat >bin/cloister <<END
#!/bin/bash
args=()
for arg; do
    case \$arg in
    OVMF.fd) [[ " \$* " = *" tdx "* || " \$* " = *" --tdx "* ]] && arg="$corpus/tdvf/good" || arg="$vectors/amdsev.fd" ;;
    /usr/share/OVMF/OVMF_VARS_4M.fd) arg="$varstore" ;;
    OVMF_VARS.fd) arg=vars.fd ;;
    /boot/config-*) arg=config ;;
    linux-image.deb) arg=config ;;
    /boot/vmlinuz-*) arg=vmlinuz ;;
    /boot/efi/EFI/Linux/*) arg=demo.efi ;;
    /boot/efi/EFI/debian/grubx64.efi) arg="$stub" ;;
    /sys/firmware/efi/efivars/*) arg=level ;;
    /sys/kernel/security/tpm0/binary_bios_measurements) arg=eventlog.bin ;;
    /etc/os-release) arg=root/etc/os-release ;;
    /mnt/safe/*) arg=\${arg#/mnt/safe/} ;;
    HEX) arg=$(printf '%096d' 7) ;;
    esac
    args+=("\$arg")
done
[ "\$1 \$2" != "image build" ] || args+=(--init "$init")
exec "$cloister" "\${args[@]}"
END
    chmod +x bin/cloister
}
