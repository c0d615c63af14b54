#!/bin/bash
# An update that is killed at each of its steps: the n-th system call that changes something, for every n until none is left. After
# each, what firmware starts opens the disk, and the command run again ends well. CLOISTER_STEPS: how many, spread evenly; default 2.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
# shellcheck source=tests/cli/update_lib.sh
. "$(dirname "$0")/update_lib.sh"
init=$small_init
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
skip_without swtpm tpm2_pcrextend tpm2_readpublic mke2fs mkfs.vfat mcopy jq openssl python3 sfdisk strace
strace -qq -o /dev/null true 2>/dev/null || skip "strace may not trace here"
trap 'tpm_end; rm -rf "$work"' EXIT
export TPM2TOOLS_TCTI="swtpm:path=$work/machine/sock"
make_machine
boot
"$cloister" seal machine/disk --key disk.key --form own --pcrs 0,2,4,7,11,12,13,15 --tpm "swtpm:$work/machine/sock" >/dev/null || fail "seal"
flush
tpm2_readpublic -c 0x81000001 -n srk.name >/dev/null
od -An -v -tx1 srk.name | tr -d ' \n' >machine/run/tpm-srk
leave

export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" # LeakSanitizer cannot work next to strace
command=("$cloister" update --esp machine/esp --disk machine/disk --disk-key disk.key --efivars machine/efivars --state machine/var/state
    --run machine/run --tpm "swtpm:$work/machine/sock" --eventlog machine/log)
calls=fsync,rename,renameat,renameat2,unlink,unlinkat,ftruncate,mkdir
# steps [OPTION]…: the calls that change something, a line each, of a run that is not killed: the file `steps`.
steps() {
    flush
    strace -f -qq -o trace -e "trace=$calls" "${command[@]}" "$@" >run.log 2>&1 || fail "$*: $(cat run.log)"
    sed 's/^[0-9]* *//; s/(.*//' trace >steps
}
# killed N [OPTION]…: runs it, and kills it before its n-th step. False: it came to its end. strace counts each kind of call for itself.
killed() {
    call=$(sed -n "$1p" steps)
    nth=$(head -n "$1" steps | grep -cx "$call")
    shift
    flush
    status=0
    # strace ends as what it traces did; bash says so on its own standard error.
    (
        strace -f -qq -o /dev/null -e "trace=$calls" -e "inject=$call:signal=KILL:when=$nth" "${command[@]}" "$@" >run.log 2>&1
        exit $?
    ) 2>/dev/null || status=$?
    [ "$status" = 137 ]
}
# keep, back: the machine, switched off; and as it was.
keep() {
    tpm_end
    rm -rf kept
    cp -a --sparse=always machine kept
}
back() {
    tpm_end
    rm -rf machine
    cp -a --sparse=always kept machine
}
# boots WORDS: whatever firmware starts opens the disk.
boots() {
    boot
    opens || fail "$1: $booted does not open the disk: $(cat opens.log)"
    leave
}

# each_step WORDS [OPTION]…: killed at each of its steps, from the same machine; or at as many of them as are asked for.
each_step() {
    part=$1
    shift
    keep
    boot
    leave
    steps "$@"
    total=$(grep -c '' steps)
    count=${CLOISTER_STEPS:-2}
    [ "$count" -le "$total" ] || count=$total
    [ "$count" -gt 0 ] || fail "$part: has no steps"
    for i in $(seq "$count"); do
        at=$(((i * total + count - 1) / count))
        back
        boot
        leave
        killed "$at" "$@" || fail "$part: step $at: not killed: $(cat run.log)"
        boots "$part: killed at step $at"
        expect "$part: after step $at" 0 "" update --mark-good
        boots "$part: step $at, settled"
    done
    back
    echo "$part: killed at $count of $total steps"
}

each_step installing --uki two.efi
boot
leave
update --uki two.efi >/dev/null || fail "install"
each_step settling --mark-good
[ "$failed" = 0 ] && echo ok
exit "$failed"
