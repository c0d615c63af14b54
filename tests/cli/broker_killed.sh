#!/bin/bash
# A broker's state that is made, sealed under another master key, copied and made again of a copy, where the program is killed in each of its
# changes of a file, or the disk is full from one on: what is there is whole, and where the command had not done its work yet, the same one run
# again does. CLOISTER_KILLS: at how many changes of each, spread evenly; default 8.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/faults_lib.sh
. "$(dirname "$0")/faults_lib.sh"
faults=$(absolute "$2")
cd "$work" || exit 4
kills=${CLOISTER_KILLS:-8}

echo '{"cloister_policy":1,"name":"weak","tee":["snp"],"roots":["amd"],"snp":{"measurement":"any"},"accept_weak":"a test"}' >policy
printf 'a secret that nobody prints' >secret
for key in one two; do "$cloister" key master --make $key.key || fail "a master key"; done
"$cloister" key put default/disk/a secret --state base --policy policy >/dev/null 2>&1 || fail "put"
"$cloister" serve --state base --print-key base.pem || fail "a broker"
cp -a base sealed
"$cloister" key master --state sealed --new one.key >/dev/null || fail "sealed"
"$cloister" key backup good --state base || fail "a backup"

# What has to hold then.
is_state() { "$cloister" audit-log verify --state "$1" >out 2>&1 && "$cloister" serve --state "$1" --print-key - | cmp -s - base.pem; }
opens() { "$cloister" key master --state state --master-key "$1" >out 2>&1; }
# holds NAME COMMAND…: what the command left is whole, or nothing, and then it does its work.
holds() {
    local name=$1
    shift
    case $name in
    init) "$@" >out 2>&1 && "$cloister" serve --state state --print-key - >out 2>&1 && grep -q 'BEGIN PUBLIC KEY' out ;;
    backup) { [ -e copy ] || "$@" >out 2>&1; } && "$cloister" key restore copy --state again >out 2>&1 && is_state again ;;
    restore) { [ -e state ] || "$@" >out 2>&1; } && is_state state ;;
    master) # under one of the two, and not under both
        if opens one.key; then ! opens two.key && "$@" >out 2>&1; fi && opens two.key && ! opens one.key &&
            "$cloister" audit-log verify --state state >out 2>&1
        ;;
    esac
}

# each_change NAME LEAST COMMAND…: with a fault in its changes, one at a time, each time from the same start. There are LEAST of them, or the module
# does not see them.
each_change() {
    local name=$1 least=$2 count at step how status wanted
    shift 2
    start_again "$name"
    count=$(count_changes "$@" 2>err) || fail "$name: $(cat err)"
    [ "${count:-0}" -ge "$least" ] || fail "$name: $count changes of files, at least $least are known"
    step=$((count / kills > 0 ? count / kills : 1))
    for how in kill ENOSPC; do
        for ((at = 1; at <= count; at += step)); do
            start_again "$name"
            status=0
            with_fault "$at" "$how" "" "$@" >out 2>&1 || status=$?
            wanted=$status
            [ $how != kill ] || wanted=137
            [ "$status" = "$wanted" ] || fail "$name: $how in change $at of $count: exit status $status, expected $wanted: $(cat out)"
            holds "$name" "$@" || fail "$name: $how in change $at of $count: $(cat out)"
        done
    done
}
start_again() {
    rm -rf state copy again
    [ "$1" != master ] || cp -a sealed state
}

each_change init 60 "$cloister" serve --init --state state --print-key /dev/null
each_change backup 30 "$cloister" key backup copy --state base
each_change restore 50 "$cloister" key restore good --state state
each_change master 60 "$cloister" key master --state state --master-key one.key --new two.key

# NFS knows no rename that replaces nothing.
for name in backup restore; do
    start_again "$name"
    command=("$cloister" key backup copy --state base)
    [ "$name" = backup ] || command=("$cloister" key restore good --state state)
    count=$(FAULTS_CALLS=renameat2 count_changes "${command[@]}" 2>err) || fail "$name: $(cat err)"
    [ "$count" = 1 ] || fail "$name: renames $count times without replacing"
    start_again "$name"
    with_fault 1 EINVAL renameat2 "${command[@]}" >out 2>&1 || fail "$name without RENAME_NOREPLACE: $(cat out)"
    holds "$name" "${command[@]}" || fail "$name without RENAME_NOREPLACE: $(cat out)"
    start_again "$name"
done
exit "$failed"
