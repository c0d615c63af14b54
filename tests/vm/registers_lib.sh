# shellcheck shell=bash
# registers_lib.sh: what the tests of predicted registers share. Sourced after vm.sh.

phase=enter-initrd

# Keys, variable stores with Secure Boot on and off, a root of a few files, a TPM.
registers_begin() {
    cloister secureboot keygen --output "$LAB/keys" >"$LAB/keygen.log"
    cp /usr/share/OVMF/OVMF_VARS_4M.fd "$LAB/off.fd"
    cloister secureboot enroll --input "$LAB/off.fd" --output "$LAB/on.fd" --pk "$LAB/keys/PK.crt" --kek "$LAB/keys/KEK.crt" --db "$LAB/keys/db.crt"
    (umask 077 && head -c 64 /dev/urandom >"$LAB/disk.key")
    # As much of a root as makes it one: nothing of it is started.
    mkdir -p "$LAB/root/etc" "$LAB/root/sbin"
    : >"$LAB/root/sbin/init"
    echo 'ID=registers' >"$LAB/root/etc/os-release"
    cloister_sim platform new "$LAB/platform" >"$LAB/platform.root"
    cloister_sim vtpm new "$LAB/platform" "$LAB/tpm"
    cloister serve --state "$LAB/broker" --init --print-key "$LAB/broker.pem"
}

# registers_image KERNEL STUB: made once for each.
registers_image() {
    local kernel=$1 stub=$2
    [ -e "$LAB/$kernel-$stub.img" ] ||
        cloister image build "$LAB/root" --allow-host report --output "$LAB/$kernel-$stub.img" --name registers \
            --kernel "$LAB_CACHE/$kernel/vmlinuz" --modules "$LAB_CACHE/$kernel/lib/modules/$(ls "$LAB_CACHE/$kernel/lib/modules")" \
            --stub "$LAB_CACHE/$stub/stub.efi" --cmdline "$LAB_CMDLINE" --init "$LAB_BUILD/guest/cloister-init" \
            --sign-key "$LAB/keys/db.key" --sign-cert "$LAB/keys/db.crt" --varstore "$LAB/on.fd" \
            --disk-key "$LAB/disk.key" --reuse-disk-key test --broker https://10.0.2.2:9 --broker-key "$LAB/broker.pem" >"$LAB/build.log"
}

# registers_boot NAME IMAGE STATE [OPTION]…: as far as the guest's report of its event log.
registers_boot() {
    local name=$1 image=$2 state=$3
    shift 3
    cp "$LAB/$state.fd" "$LAB/vars.fd"
    cloister boot "$image" --varstore "$LAB/vars.fd" --tpm "$LAB/tpm" --report "$LAB/$name.jsonl" \
        --serial "$LAB/$name.log" --snapshot --calibrate "$LAB/$name.firmware.json" "$@" >"$LAB/$name.out" 2>&1 ||
        { tail -n 1 "$LAB/$name.out"; return 1; }
}

registers_measured() { jq -r --arg pcr "$2" 'select(.kind == "eventlog").pcrs.sha256[$pcr]' "$LAB/$1.jsonl"; }
registers_predicted() {
    jq -r --arg pcr "$2" --arg phase "$phase" '.pcrs.sha256[$pcr] | if type == "object" then .[$phase] else . end' "$1"
}

release_of() { strings -n 12 "$LAB_CACHE/$1/stub.efi" | sed -n 's/.*LoaderInfo: systemd-stub \([^ ]*\).*/\1/p' | head -n 1; }
