# shellcheck shell=bash disable=SC2154
# faults_lib.sh: a program that is killed, or told that a disk is full, in a chosen one of its changes to files. Sourced with $faults set
# to tests/faults' module; faults.c says what is counted.

# A sanitizer's own library would be loaded first, and cannot look for leaks in what was killed.
faults_asan=verify_asan_link_order=0:detect_leaks=0

# count_changes COMMAND…: how many changes it makes; false: it failed.
count_changes() {
    FAULTS_PROGRAM=cloister FAULTS_COUNT=$work/changes LD_PRELOAD=$faults ASAN_OPTIONS=$faults_asan "$@" >/dev/null || return
    cat "$work/changes"
}

# with_fault AT kill|ENOSPC|EIO|EINVAL|INT|TERM CALLS COMMAND…: with that in the AT-th of the CALLS (separated by commas; empty: all).
with_fault() {
    local at=$1 what=$2 counted=$3
    shift 3
    if [ -n "$counted" ]; then
        local -x FAULTS_CALLS=$counted
    fi
    FAULTS_PROGRAM=cloister FAULTS_AT=$at FAULTS_DO=$what LD_PRELOAD=$faults ASAN_OPTIONS=$faults_asan "$@"
}
