#!/bin/bash
# The disk is this disk, in this generation: an older root under a newer image's table and UKI, and an old copy of the
# disk, are refused by the guest by name, although firmware and broker find nothing odd; what happens between the disk's
# write and the broker's record is survived in both orders; a counter in the TPM tells an old copy where the broker does not. The good boots
# show what boots.sh does, which `./check --all` runs.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/vm/boots_lib.sh
. tests/vm/boots_lib.sh

vm_begin identity

# goes_on NAME: the disk is opened and the root's own init runs; further than that is not of interest here.
goes_on() { vm_boot_to_root "$1" "$LAB/demo.img"; }
# refused NAME WORDS IMAGE [OPTION]…: the boot ends with a reason that has these words.
refused() {
    local name=$1 words=$2 reason status=0
    shift 2
    reason=$(lab_boot "$name" "$@" 2>&1) || status=$?
    tail -n 1 <<<"$reason"
    [ "$status" = 1 ] && grep -qF -- "$words" <<<"$reason"
}
generation() { cloister key list --state "$LAB/broker" --json | jq '.resources[0].disk.generation'; }
told() { jq -s 'map(select(.kind == "generation").generation)[0]' "$LAB/$1.jsonl"; }

# --- Another disk under the same key ---

# The same key on purpose, the same GUIDs, the same UKI: what differs is the volume key, and what is in the root.
swapped() {
    lab_swap_root && refused swapped "disk: the volume key is not the one that was registered" "$LAB/swapped.img" --snapshot
}
vm_check "an older root under the image's own table and UKI is refused by the guest" swapped
vm_check "although the broker had released its key" grep -q ' release released ' "$LAB/broker.log"

# --- Generations ---

vm_check "first boot" goes_on first
vm_check "it is generation 1, on the disk and at the broker" test "$(told first)/$(generation)" = 1/1
cp --sparse=always "$LAB/demo.img" "$LAB/rolled-back.img"
vm_check "second boot" goes_on second
vm_check "it is generation 2" test "$(told second)/$(generation)" = 2/2
for boot in first second; do boot_shows "$boot"; done
boots_show
vm_check "the copy of before is refused by the guest" \
    refused rolled-back "disk: generation 1 is older than 2, which was the last one seen: an old copy" "$LAB/rolled-back.img"

store_sql() { python3 -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])' "$LAB/broker/store.db" "$1"; }

# --- Between the disk and the broker ---

if vm_more "a crash between the disk and the broker"; then
    cp --sparse=always "$LAB/demo.img" "$LAB/before.img"
    # Only the record is kept from being made: a trigger in the broker's own database refuses it, as a full disk would.
    cut_off() {
        local status=0
        store_sql "CREATE TRIGGER stop BEFORE UPDATE OF generation ON resources BEGIN SELECT RAISE(ABORT, 'cut off'); END"
        refused ahead "gave up after" "$LAB/demo.img" || status=$?
        store_sql "DROP TRIGGER stop"
        return "$status"
    }
    vm_check "a broker that cannot write it down: the guest does not go on" cut_off
    vm_check "no root was started" test "$(grep -c switch_root "$LAB/ahead.jsonl")" = 0
    vm_check "the disk is ahead of the broker" test "$(generation)" = 2
    vm_check "and is taken at the next boot" goes_on after
    vm_check "which both know" test "$(told after)" = "$(generation)"
    vm_check "a copy of before that boot is refused" refused before "an old copy of this disk" "$LAB/before.img"

    # A write that was cut short between the two copies of the header: the whole one counts.
    torn() {
        local at
        at=$(lab_root_offset "$LAB/demo.img")
        dd if=/dev/zero of="$LAB/demo.img" bs=512 seek=$((at / 512 + 8)) count=8 conv=notrunc status=none
        goes_on torn
    }
    vm_check "a header whose first copy is half written" torn
fi

# --- The TPM's own counter ---

if vm_more "the TPM's own counter of generations"; then
    lab_image "$LAB/counted.img" "$LAB_CMDLINE" --tpm-counter
    lab_register counted
    counts() { vm_boot_to_root "$1" "$LAB/counted.img"; }
    vm_check "an image that counts in the TPM: first boot" counts counted-first
    cp --sparse=always "$LAB/counted.img" "$LAB/counted-before.img"
    vm_check "and second" counts counted-second
    mkdir "$LAB/other" && cloister_sim vtpm new "$LAB/platform" "$LAB/other/tpm"
    has_no_counter() {
        LAB_TPM=$LAB/other/tpm refused counted-moved "disk: this TPM has no counter of its generations" "$LAB/counted.img" --snapshot
    }
    vm_check "another TPM, which has no counter of this disk, is refused" has_no_counter
    # A broker that was restored from its backup has forgotten the second boot: the TPM alone is left to tell.
    store_sql "UPDATE resources SET generation = 1; UPDATE generations SET generation = 1"
    vm_check "the copy of before is refused by what the TPM has seen, by a broker that forgot" \
        refused counted-back "which the TPM's counter has seen: an old copy of the disk" "$LAB/counted-before.img" --snapshot
fi

# --- A broker that knows no disk ---

cloister key remove --state "$LAB/broker" default/disk/demo
cloister key put --state "$LAB/broker" default/disk/demo "$LAB/disk.key" --policy "$LAB/policy.json" \
    --reference "$LAB/demo.ref.json" --reference "$LAB/firmware.ref.json" >/dev/null
vm_check "a key without its disk is refused by this image" \
    refused unregistered "the key comes without the disk that it is for" "$LAB/demo.img" --snapshot
vm_end
