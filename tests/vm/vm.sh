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
vm_end() { [ "$vm_failures" = 0 ] || exit 1; }

# Keys, image, calibration and a running broker that knows the disk key: where every test begins.
vm_begin() {
    lab_begin "build/lab/test-$1"
    lab_keys
    lab_broker_start
    lab_image "$LAB/demo.img" "$LAB_CMDLINE"
    lab_calibrate
    lab_register demo
}
