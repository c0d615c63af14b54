# shellcheck shell=bash
# vm.sh: what the VM tests share next to sim/lab.sh. Sourced with the lab's folder name; skips (77) where the machine
# lacks what a boot needs.
set -euo pipefail
cd "${CLOISTER_SOURCE:?}"
. sim/lab.sh

if ! lacking=$(lab_check_machine); then
    echo "SKIP: $lacking"
    exit 77
fi

vm_failures=0
vm_check() {
    local words=$1
    shift
    if "$@"; then
        echo "ok: $words"
    else
        echo "FAILED: $words"
        vm_failures=$((vm_failures + 1))
    fi
}
# Is it one of the boots that show the same defence once more, from another side? They run when all are asked for (`./check --all`).
vm_more() {
    [ "${CLOISTER_ALL_BOOTS:-no}" = yes ] && return
    echo "not tried without --all: $*"
    return 1
}
# Further than the root's first program few tests have to see: the rest of a boot is the longer part of it.
vm_boot_to_root() { lab_boot "$@" --until 'Welcome to'; }
vm_end() { [ "$vm_failures" = 0 ] || exit 1; }

# Keys, a pretend platform and a calibration of the firmware, made by the first test of a build that wants them, and the same
# for all: in LAB_BUILD/ground. Made again when one of the programs that made them is another one.
vm_make_ground() {
    local LAB=$LAB_BUILD/ground
    rm -rf "$LAB"
    mkdir -p "$LAB"
    lab_keys && cloister serve --state "$LAB/broker" --init --print-key "$LAB/broker.pem" &&
        lab_image "$LAB/demo.img" "$LAB_CMDLINE" >"$LAB/image.log" && lab_calibrate &&
        rm -r "$LAB"/broker* "$LAB"/demo.* "$LAB"/disk.key*
}
vm_ground_of() {
    { sha256sum "$LAB_CLOISTER" "$LAB_SIM" "$LAB_INIT" "$LAB_CACHE/kernel/vmlinuz" /usr/share/OVMF/* && qemu-system-x86_64 --version; } | sha256sum
}

# vm_ground NAME: a folder for this test, on that ground, with a broker.
vm_ground() {
    lab_begin "build/lab/test-$1"
    (
        flock 9
        made=$(vm_ground_of)
        [ "$(cat "$LAB_BUILD/ground/made" 2>/dev/null)" = "$made" ] ||
            { vm_make_ground && echo "$made" >"$LAB_BUILD/ground/made"; }
    ) 9>"$LAB_BUILD/ground.lock"
    cp -r "$LAB_BUILD/ground/." "$LAB"
    lab_broker_start
}

# The same, with an image and its key at the broker: where most tests begin.
vm_begin() {
    vm_ground "$1"
    lab_image "$LAB/demo.img" "$LAB_CMDLINE"
    lab_register demo
}
