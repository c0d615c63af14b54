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
    echo "note: not tried without --all: $*"
    return 1
}
# Further than the root's first program few tests have to see: the rest of a boot is the longer part of it.
vm_boot_to_root() { lab_boot "$@" --until 'Welcome to'; }
vm_end() { [ "$vm_failures" = 0 ] || exit 1; }

# What a boot said: an event of that kind among those it was watched by, or those words on its console.
vm_told() { jq -e -s --arg kind "$2" 'any(.[]; .kind == $kind)' "$LAB/$1.jsonl" >/dev/null; }
vm_told_not() { [ -e "$LAB/$1.jsonl" ] && ! vm_told "$@"; }
vm_says() { grep -aqF -e "$2" <(tr -d '\r' <"$LAB/$1.log"); }
vm_says_not() { [ -e "$LAB/$1.log" ] && ! vm_says "$@"; }

# vm_take IMAGE NAME: the LUKS2 partition of $LAB/IMAGE.img as $LAB/NAME.luks.
vm_take() {
    local start
    start=$(lab_root_offset "$LAB/$1.img")
    rm -f "$LAB/$2.luks"
    dd if="$LAB/$1.img" of="$LAB/$2.luks" bs=1M iflag=skip_bytes,count_bytes skip="$start" conv=sparse status=none \
        count="$(cloister image inspect --json "$LAB/$1.img" | jq '.partitions[1].bytes')"
}
# vm_tags NAME KEY [used]: the payload of $LAB/NAME.luks as $LAB/NAME.plain, by our own reader; every tag in it holds. used: the kernel has
# written to its journal, so that what remains is layout and tags.
vm_tags() {
    local reader=tests/cli/tags.py
    rm -f "$LAB/vk"
    cryptsetup luksDump -q --dump-volume-key --volume-key-file "$LAB/vk" --key-file "$2" "$LAB/$1.luks" >/dev/null 2>&1 || return
    if [ "${3:-}" = used ]; then
        reader=$LAB/tags.py
        sed 's/^    journal_is_empty(device, .*/    pass/' tests/cli/tags.py >"$reader"
    fi
    # It prints how many sectors there are, and then the wrong ones.
    python3 "$reader" "$LAB/$1.luks" "$LAB/vk" "$LAB/$1.plain" >"$LAB/$1.tags" && [ "$(wc -w <"$LAB/$1.tags")" = 1 ]
}

# vm_with_tpm STATE COMMAND…: a software TPM with that state listens at $LAB/sock (and at sock.ctrl, which tpm2-tools want) while COMMAND runs.
vm_with_tpm() {
    local state=$1 pid status=0 _
    shift
    rm -f "$LAB/sock" "$LAB/sock.ctrl"
    swtpm socket --tpm2 --tpmstate "dir=$state" --server "type=unixio,path=$LAB/sock" --ctrl "type=unixio,path=$LAB/sock.ctrl" \
        --flags not-need-init,startup-clear >"$LAB/swtpm.log" 2>&1 &
    pid=$!
    for _ in $(seq 2400); do
        # The file of a socket is there before anybody listens (__SO_ACCEPTCON).
        [ "$(grep -c " 00010000 .* $LAB/sock\(\.ctrl\)\?$" /proc/net/unix)" != 2 ] || break
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    "$@" || status=$?
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    return "$status"
}

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
