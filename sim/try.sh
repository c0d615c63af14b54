#!/bin/bash
# try.sh [--cache DIR] [--language en|fr] [--root FILE --kernel FILE --modules DIR --stub FILE] FOLDER: the main job from end to end, on any
# machine: an ordinary Linux root becomes a confidential VM, proves itself to its owner's verifier, gets its disk key, and attacks on it
# fail. Started by `cloister try`, and by ./demo in the source tree. Everything of a run is in FOLDER.
#
# QEMU stands in for the cloud, a software TPM with a pretend SEV-SNP platform for the hardware; both say so.
# Exit status 0: all of it held; 1: something did not; 4: this machine lacks what it takes.
set -euo pipefail
here=$(dirname "$(realpath "$0")")

# first FILE…: the first that can be run.
first() {
    local file
    for file; do [ ! -x "$file" ] || { echo "$file" && return; }; done
}
LAB_CLOISTER=${LAB_CLOISTER:-$(first "$here/../cli/cloister" "$here/../../bin/cloister" "$(command -v cloister || true)")}
LAB_SIM=${LAB_SIM:-$(first "$here/cloister-sim" "$here/../../bin/cloister-sim" "$(command -v cloister-sim || true)")}
LAB_INIT=${LAB_INIT:-$(first "$here/../guest/cloister-init" "$here/cloister-init")}
lab=$here/lab.sh
[ -e "$lab" ] || lab=$here/../../share/cloister/lab.sh
# An emulated machine next to other work takes its time; each step says how far it is.
LAB_TIMEOUT=${LAB_TIMEOUT:-900}
# shellcheck source=sim/lab.sh
. "$lab"

bold='' dim='' green='' red='' plain='' is_terminal=no
if [ -t 1 ]; then is_terminal=yes; fi
if [ $is_terminal = yes ] && [ "${TERM:-dumb}" != dumb ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
fi
failures=0

title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
say() { printf '  %s\n' "$*"; }
now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
die() {
    echo "cloister: try: $*" >&2
    exit 4
}

# --- Steps, and how far they are ---

# What a log says last, as far as a line has room for it.
last_words() { tail -n 1 "$1" 2>/dev/null | tr -cd '[:print:]' | sed 's/^ *//' | cut -c 1-60; }

# progress WORDS LOG: for as long as a step takes: every second on a terminal, else after 5 s and then every 15.
progress() {
    local words=$1 log=$2 seconds=0
    while sleep 1; do
        seconds=$((seconds + 1))
        if [ $is_terminal = yes ]; then
            printf '\r  %s… %d s  %s%s%s\e[K' "$words" $seconds "$dim" "$(last_words "$log")" "$plain"
        elif [ $((seconds % 15)) = 5 ]; then
            printf '  %s: %d s so far: %s\n' "$words" $seconds "$(last_words "$log")"
        fi
    done
}

# step WORDS COMMAND…: what is done, and how long it took. A step that fails ends the run, with what it said.
step() {
    local words=$1 started ended teller log=$LAB/step.log failed=no
    shift
    started=$(now_ms)
    : >"$log"
    progress "$words" "$log" &
    teller=$!
    "$@" >"$log" 2>&1 || failed=yes
    kill "$teller" 2>/dev/null || true
    wait "$teller" 2>/dev/null || true
    [ $is_terminal = no ] || printf '\r\e[K'
    if [ $failed = yes ]; then
        printf '  %s: %sfailed%s\n' "$words" "$red" "$plain"
        tail -n 20 "$log" >&2
        exit 1
    fi
    ended=$(now_ms)
    printf '  %-66s %s%6d.%d s%s\n' "$words" "$dim" $(((ended - started) / 1000)) $(((ended - started) % 1000 / 100)) "$plain"
}

# verdict OK WORDS: a line with its mark.
verdict() {
    if [ "$1" = yes ]; then
        printf '  %s✓%s %s\n' "$green" "$plain" "$2"
    else
        printf '  %s✗ %s%s\n' "$red" "$2" "$plain"
        failures=$((failures + 1))
    fi
}

# --- What it is given ---

folder='' language=en root='' kernel='' modules='' stub=''
while [ $# -gt 0 ]; do
    case $1 in
    --cache) LAB_CACHE=$2 ;;
    --language) language=$2 ;;
    --root) root=$(realpath -e "$2" 2>/dev/null) || die "$2: no such file" ;;
    --kernel) kernel=$(realpath -e "$2" 2>/dev/null) || die "$2: no such file" ;;
    --modules) modules=$(realpath -e "$2" 2>/dev/null) || die "$2: no such folder" ;;
    --stub) stub=$(realpath -e "$2" 2>/dev/null) || die "$2: no such file" ;;
    *)
        folder=$1
        shift
        continue
        ;;
    esac
    shift 2
done
[ -n "$folder" ] || die "a folder is needed"

# A folder that has something in it which is not of an earlier run stays as it is.
if [ -e "$folder" ] && [ ! -e "$folder/.cloister-try" ]; then
    { [ -d "$folder" ] && [ -z "$(ls -A "$folder")" ]; } || die "$folder is there, and was not made by this command"
fi
[ -n "$LAB_CLOISTER" ] || die "the program cloister is not installed"
[ -n "$LAB_SIM" ] || die "cloister-sim is not installed (package cloister-sim)"
[ -n "$LAB_INIT" ] || die "cloister-init is not installed (package cloister-guest)"
lacking=$(lab_missing_tools)
[ -z "$lacking" ] || die "not installed: $lacking"

lab_begin "$folder"
: >"$LAB/.cloister-try"
LAB=$(realpath "$LAB")

# own_parts: the user's root, kernel, modules and stub, where the rest looks for Debian's.
own_parts() {
    LAB_CACHE=$LAB/parts
    mkdir -p "$LAB_CACHE/kernel/lib/modules"
    ln -s "$root" "$LAB_CACHE/root.ext4"
    ln -s "$kernel" "$LAB_CACHE/kernel/vmlinuz"
    ln -s "$stub" "$LAB_CACHE/kernel/stub.efi"
    ln -s "$modules" "$LAB_CACHE/kernel/lib/modules/"
    : >"$LAB_CACHE/kernel/complete"
}

# --- 1 ---

title "1. An ordinary Linux"
# What needs no Linux is made while one is fetched.
lab_keys >"$LAB/keys.log" 2>&1 &
keys=$!
have_keys() { wait "$keys" || { cat "$LAB/keys.log"; return 1; }; }
if [ -n "$root" ]; then
    own_parts
elif [ ! -e "$LAB_CACHE/kernel/complete" ] || [ ! -e "$LAB_CACHE/root.ext4" ]; then
    command -v mmdebstrap >/dev/null || die "mmdebstrap is not installed, to make a Debian with; or give --root, --kernel, --modules and --stub"
    step "a Debian of its own, with kernel and EFI stub (kept in $LAB_CACHE)" lab_fetch
fi
say "kernel $(lab_kernel_release), root $(du -hL --apparent-size "$LAB_CACHE/root.ext4" | cut -f1)"

# --- 2 ---

title "2. Made confidential"
step "Secure Boot keys, firmware variables, pretend platform" have_keys
step "the owner's broker, whose address and key go into the image: cloister serve" lab_broker_start
say "it listens on 127.0.0.1:$LAB_PORT"
build_image() { lab_image "$LAB/demo.img" "$LAB_CMDLINE"; }
step "cloister image build: initrd, signed UKI, encrypted root, disk key" build_image
sed 's/^/    /' "$LAB/step.log"
# Attacks that need no good boot before them run next to the boots, on copies of the machine: the host has two processors. Those that
# are refused before the broker is asked come first, as it knows of no disk yet.
lab_attacks_begin
step "calibration boot on the owner's own ground, for the firmware's PCRs" lab_calibrate

# --- 3 ---

title "3. What it will measure, predicted before it has ever run"
phase=enter-initrd
print_predictions() {
    local pcr value origin
    printf '    %-4s %-64s %s\n' PCR sha256 from
    for pcr in $LAB_PCRS; do
        IFS=$'\t' read -r value origin < <(lab_expected "$pcr" "$1")
        printf '    %-4s %s %s\n' "$pcr" "$value" "$origin"
    done
}
say "when the initrd asks for the key (phase enter-initrd):"
print_predictions "$phase"
say "and before the root is mounted (phase enter-initrd:leave-initrd), where PCRs 11 and 15 have moved on:"
print_predictions "$phase:leave-initrd" | grep -E '^    (11|15) '

# --- 4 ---

title "4. What the owner's broker demands before it gives out the disk key"
step "policy, reference values, disk and disk key registered: cloister key put" lab_register

# --- 5 ---

title "5. Booted, twice: it attests, gets its key, opens its disk"

compare() {
    local wrong
    if wrong=$(lab_compare "$1" "$2"); then
        verdict yes "all $(wc -w <<<"$LAB_PCRS") predicted registers equal the measured ones ($2)"
    else
        verdict no "PCRs $wrong differ in phase $2"
    fi
}

for boot in first second; do
    # The second one shows that the disk, in its new state, opens again: as far as the root's own system.
    until=multi-user.target words=multi-user.target
    if [ "$boot" = second ]; then
        lab_keep_copy
        until='Welcome to' words="the start of the root's system"
    fi
    boot_it() { lab_boot "$boot" "$LAB/demo.img" --progress --until "$until"; }
    step "$boot boot, to $words" boot_it
    say "  cloister-init: $(jq -rs '[.[] | select(.kind == "step") | "\(.name) \(.ms | round) ms"] | join(", ")' "$LAB/$boot.jsonl")"
    say "  in all $(jq -r 'select(.kind == "switch_root").total_ms' "$LAB/$boot.jsonl") ms from its start to the real root"
    compare "$boot" "$phase:leave-initrd"
    compare "$boot" "$phase"
done
say "cloister verify, on the evidence that the second boot sent:"
lab_verify second "$phase" | sed 's/^/    /'

# --- 6 ---

count=0
while IFS='|' read -r name who expected words; do
    [ "$name" = smbios ] && ! lab_stub_reads_smbios || count=$((count + 1))
done <<<"$LAB_ATTACKS"
title "6. Attacks: $count of them"
step "those that need a boot before them, and what is left of the others" lab_attacks_end
while IFS='|' read -r name who expected words; do
    printf '  %s\n' "$words"
    if [ ! -e "$LAB/attacks/$name" ]; then
        say "- not tried: this EFI stub reads no strings from SMBIOS"
        continue
    fi
    reason=$(sed 1d "$LAB/attacks/$name")
    if [ "$(head -n 1 "$LAB/attacks/$name")" = refused ]; then
        verdict yes "refused by $who: $reason"
    else
        verdict no "$reason"
    fi
done <<<"$LAB_ATTACKS"

# --- 7 ---

title "7. For people who must decide: a page"
# The page says "no" where something it asks for was not shown, as of a platform of nobody's: that is its answer, not an error.
write_page() {
    local config=()
    [ ! -e "$LAB_CACHE/kernel/config" ] || config=(--config "$LAB_CACHE/kernel/config")
    # The pretend platform binds its vTPM as Azure's paravisor does.
    cloister audit "$LAB/demo.img" "${config[@]}" --for snp,hyperv --json >"$LAB/audit.json" || [ $? = 1 ] || return
    lab_verify second "$phase" --json >"$LAB/appraisal.json" || [ $? = 1 ] || return
    cloister image inspect "$LAB/demo.img" --json >"$LAB/image.json" || [ $? = 1 ] || return
    cloister report "$LAB/audit.json" "$LAB/appraisal.json" "$LAB/image.json" --language "$language" --output "$LAB/report.html" || [ $? = 1 ]
}
step "an audit of the image, the appraisal and the image as one page: cloister report" write_page
say "look at it: file://$LAB/report.html"

title "Done in $((SECONDS / 60)) min $((SECONDS % 60)) s"
say "What stood in for hardware: QEMU for the cloud, swtpm for the vTPM, sim/ for an SEV-SNP processor."
say "Everything of this run is in $LAB; the broker's decisions are in its broker.log."
[ "$failures" = 0 ] || { echo "cloister: try: $failures of the above did not hold" >&2; exit 1; }
