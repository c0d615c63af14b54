#!/bin/bash
# systemd-pcrlock, of a newer systemd than this release may have: what it makes of our components and what we make of its own, of its
# policy and of its log. sim/lab.sh fetches it (./check does, before the tests).
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/interop_lib.sh
. "$(dirname "$0")/interop_lib.sh"
cache=${LAB_CACHE:-$CLOISTER_TESTS/../build/lab/cache}
[ -e "$cache/pcrlock/complete" ] || skip "systemd-pcrlock is not in this release, and was not fetched: . sim/lab.sh && lab_fetch_pcrlock"
root=$(realpath "$cache/pcrlock")
cd "$work" || exit 4
need jq openssl objcopy
libraries=$root/usr/lib/x86_64-linux-gnu
pcrlock() {
    "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries:$libraries/systemd:$root/usr/lib/systemd" \
        "$root/usr/lib/systemd/systemd-pcrlock" "$@" 2>pcrlock.log
}
version=$(pcrlock --version | sed -n 's/^systemd \([0-9]*\).*/\1/p')
[ -n "$version" ] || fail "systemd-pcrlock does not run: $(tail -n 1 pcrlock.log)"

# A UKI, and what it will measure. An EFI image stands for its kernel; nothing starts it here.
objcopy --remove-section .sbat "$cache/ukify-stub.efi" vmlinuz 2>/dev/null || fail "objcopy"
head -c 100000 /dev/urandom >initrd
printf 'ID=test\n' >osrel
build() { "$cloister" uki build --kernel vmlinuz --initrd initrd --os-release osrel --uname 6.12.0 --stub "$cache/ukify-stub.efi" "$@" >/dev/null || fail "build"; }
build --cmdline quiet --output a.efi
build --cmdline "quiet x=1" --output b.efi
for image in a b; do
    "$cloister" measure uki $image.efi --bank sha256 --bank sha384 --output $image.ref.json >/dev/null || fail "measure"
done

# The component that it makes of a UKI itself has the same digests as ours.
pcrlock lock-uki --pcrlock=theirs.pcrlock a.efi || fail "lock-uki: $(tail -n 1 pcrlock.log)"
"$cloister" measure convert a.ref.json --to pcrlock --output ours || fail "--to pcrlock"
digests() { jq -r '.records[] | "\(.pcr) \(.digests[] | select(.hashAlg == "sha256" or .hashAlg == "sha384") | .hashAlg + " " + .digest)"' "$@" | sort; }
digests theirs.pcrlock >theirs
digests ours/650-cloister-pcr4.pcrlock.d/a.efi.pcrlock ours/650-cloister-pcr11.pcrlock.d/a.efi.pcrlock | cmp -s - theirs || fail "lock-uki measures otherwise"
[ "$(wc -l <theirs)" -gt 20 ] || fail "lock-uki says too little"
held "pcrlock component" "systemd-pcrlock lock-uki" "$version" equal

# A boot of that UKI, as firmware, stub and systemd log and measure it; the TPM is in that state.
separator=$(printf '\0\0\0\0' | openssl dgst -sha256 -r | cut -d ' ' -f 1)
separator384=$(printf '\0\0\0\0' | openssl dgst -sha384 -r | cut -d ' ' -f 1)
jq --arg s256 "$separator" --arg s384 "$separator384" '
    [.events | to_entries[] | (.key | tonumber) as $pcr | .value[] | select(.from == null) | {pcr: $pcr, type, digests}] |
    (map(select(.type == "EV_EFI_ACTION")) + [range(8) | {pcr: ., type: "EV_SEPARATOR", digests: {sha256: $s256, sha384: $s384}}] +
        map(select(.type != "EV_EFI_ACTION" and .type != "EV_SEPARATOR"))) | to_entries |
    map({recnum: .key, pcr: .value.pcr, digests: [.value.digests | to_entries[] | {hashAlg: .key, digest: .value}], content_type: "pcclient_std",
        content: {event_type: (if .value.type == "EV_SEPARATOR" then "EV_SEPARATOR" else "EV_IPL" end), event_data: "00000000"}})' a.ref.json >boot.cel.json
"$cloister" eventlog convert boot.cel.json --to tcg --output firmware.log || fail "convert to tcg"
jq -j '.events["11"][] | select(.from != null) | "\u001e" + ({pcr: 11, digests: [.digests | to_entries[] | {hashAlg: .key, digest: .value}],
    content_type: "systemd", content: {eventType: "phase", string: (.name | sub("phase "; ""))}} | tojson) + "\n"' a.ref.json >userspace.log
start_tpm
# shellcheck disable=SC2046 # a list
tpm2_pcrextend $(jq -r '.[] | "\(.pcr):" + (.digests | map("\(.hashAlg)=\(.digest)") | join(","))' boot.cel.json) || fail "extend"
# shellcheck disable=SC2046
tpm2_pcrextend $(jq -r '.events["11"][] | select(.from != null) | "11:" + (.digests | to_entries | map("\(.key)=\(.value)") | join(","))' a.ref.json) || fail "extend"
export SYSTEMD_TPM2_DEVICE=$tpm SYSTEMD_MEASURE_LOG_FIRMWARE=$work/firmware.log SYSTEMD_MEASURE_LOG_USERSPACE=$work/userspace.log
mkdir system
cp -r "$root"/usr/lib/pcrlock.d/* system/
# As an administrator has it: what this system does not measure is masked, and firmware's separator is four zeros.
rm system/500-separator.pcrlock.d/600-0xffffffff.pcrlock
ln -sf /dev/null system/750-os-separator.pcrlock
ln -sf /dev/null system/770-nvpcr-separator.pcrlock
lock() { # lock COMMAND FOLDER [OPTION]…
    command=$1 folder=$2
    shift 2
    flush
    pcrlock "$command" --components="$work/system" --components="$work/$folder" "$@"
}

# It foretells the registers that we foretell: PCR 11 in each phase.
foretold() { jq -cS '[.sha256[] | {key: (.pcr | tostring), value: (.values | sort)}] | from_entries' "$1"; }
values() { jq -cS '.pcrs.sha256 | with_entries(select(.key | IN("4", "9", "11")) | .value |= ([if type == "object" then .[] else . end] | sort))' "$1"; }
lock predict ours --pcr=4,9,11 --json=short >predicted.json || fail "predict: $(tail -n 1 pcrlock.log)"
[ "$(foretold predicted.json)" = "$(values a.ref.json)" ] || fail "it foretells $(foretold predicted.json), not $(values a.ref.json): $(cat pcrlock.log)"
held "pcrlock component" "systemd-pcrlock predict" "$version" "reads ours"
# Two images are variants of one component: it locks to both.
"$cloister" measure convert b.ref.json --to pcrlock --output ours || fail "a second image"
lock predict ours --pcr=9 --json=short >both.json || fail "predict: $(tail -n 1 pcrlock.log)"
[ "$(jq -c '.sha256[0].values | sort' both.json)" = "$(jq -cs '[.[].pcrs.sha256["9"]] | sort' a.ref.json b.ref.json)" ] || fail "two images: $(cat both.json)"

# Back: from the components that it takes, and from its own.
mkdir all
cp -r system/* ours/* all/
expect "which variant" 2 "component 400-secureboot-separator has several variants (300-0x00000000, 600-0xffffffff)" "$cloister" measure convert all --to json
convert() { "$cloister" measure convert "$@" --to json --variant 300-0x00000000 --variant 300-present; }
convert all --variant a.efi >again.json || fail "components back"
[ "$(values again.json)" = "$(values a.ref.json)" ] || fail "back: $(values again.json)"
expect "which image" 2 "component 650-cloister-pcr11 has several variants (a.efi, b.efi)" convert all
mkdir own
cp -r system/* own/
cp theirs.pcrlock own/650-uki.pcrlock
convert own >own.json || fail "its own components"
[ "$(values own.json | jq -c '."11", ."4"')" = "$(values a.ref.json | jq -c '."11", ."4"')" ] || fail "of its own component: $(values own.json)"
held "pcrlock component" "systemd-pcrlock lock-uki" "$version" "ours reads its"

# Its policy: what the registers may be.
rm -r ours
"$cloister" measure convert a.ref.json --to pcrlock --output ours || fail "--to pcrlock"
lock make-policy ours --pcr=4,9 --policy="$work/pcrlock.json" || fail "make-policy: $(tail -n 1 pcrlock.log)"
"$cloister" measure convert pcrlock.json --to json >policy.json || fail "the policy"
[ "$(values policy.json)" = "$(values a.ref.json | jq -c 'del(."11")')" ] || fail "its policy: $(cat policy.json)"
lock make-policy ours --pcr=11 --policy="$work/phases.json" --force || fail "make-policy: $(tail -n 1 pcrlock.log)"
expect "one value for each phase" 3 "PCR 11 may have 4 values" "$cloister" measure convert phases.json --to json
held "pcrlock policy" "systemd-pcrlock make-policy" "$version" "ours reads its"

# Its log in the canonical form adds up to the TPM's registers.
pcrlock cel --json=short >cel.json || fail "cel: $(tail -n 1 pcrlock.log)"
"$cloister" eventlog replay cel.json --json >replayed.json || fail "replay of its log"
for register in 0 4 7 9 11; do
    [ "$(jq -r ".pcrs.sha256[\"$register\"]" replayed.json)" = "$(pcr sha256 $register)" ] || fail "PCR $register of its log"
done
held "canonical event log (JSON)" "systemd-pcrlock cel" "$version" "ours reads its"
# And it reads the logs that we wrote: to it, each register is as the log says.
lock log ours --json=short | jq -e '[.pcrs[] | select(.pcr | IN(4, 9, 11)) | .hashMatchesEventLog and .allEventsMatched and .noMissingComponents] == [true, true, true]' \
    >/dev/null || fail "log: $(tail -n 1 pcrlock.log)"
held "event log" "systemd-pcrlock log" "$version" "reads ours"

# A volume sealed to what its NV index approves of: by systemd-cryptenroll, opened by us; by us, with the TPM and without, opened by systemd-cryptsetup;
# alone, and next to a signed policy, whose half comes first. None of it needs device-mapper: systemd says that it has the key, and stops there.
newer=$cache/systemd-forky
[ -e "$newer/complete" ] || skip "a newer systemd was not fetched: . sim/lab.sh && lab_fetch_new_systemd"
need cryptsetup tpm2_createprimary tpm2_evictcontrol tpm2_readpublic
with_newer() {
    program=$1
    shift
    SYSTEMD_CRYPTSETUP_USE_TOKEN_MODULE=0 "$newer/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" \
        --library-path "$newer/usr/lib/x86_64-linux-gnu:$newer/usr/lib/x86_64-linux-gnu/systemd:$newer/usr/lib/systemd" "$newer/usr/bin/$program" "$@"
}
head -c 64 /dev/urandom >key
volume() {
    rm -f volume
    truncate -s 20M volume
    cryptsetup luksFormat -q --sector-size 4096 --key-size 512 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 volume key || fail "luksFormat"
}
# shellcheck disable=SC2317 # expect calls it
ours() { flush && "$cloister" unlock volume --by-tpm --tpm "swtpm:$work/tpm.sock" --test "$@"; }
seal() { flush && "$cloister" seal volume --key key --tpm "swtpm:$work/tpm.sock" "$@"; }
# theirs [OPTION]…: the key is had, and only the kernel's part is missing.
theirs() {
    flush
    with_newer systemd-cryptsetup attach test volume - "tpm2-device=$tpm,headless=true$1" >theirs.log 2>&1
    grep -q "Failed to activate with TPM2 acquired key: Operation not supported" theirs.log
}
enroll() { flush && with_newer systemd-cryptenroll --unlock-key-file=key --tpm2-device="$tpm" "$@" volume >enroll.log 2>&1; }
lock make-policy ours --pcr=0,4,9,12 --policy="$work/nv.json" --force || fail "make-policy: $(tail -n 1 pcrlock.log)"
openssl genrsa -out pcr.key 2048 2>/dev/null
openssl rsa -in pcr.key -pubout -out pcr.pub 2>/dev/null
"$cloister" measure policy a.ref.json --pcrs 11 --key pcr.key --phase enter-initrd:leave-initrd:sysinit:ready --output signed.json || fail "measure policy"

volume
enroll --tpm2-pcrlock="$work/nv.json" --tpm2-pcrs=7 || fail "cryptenroll: $(tail -n 1 enroll.log)"
expect "theirs" 0 "opens" ours --pcrlock nv.json
expect "theirs, without the file" 1 "no pcrlock.json says what that is" ours
volume
seal --nv-policy nv.json >/dev/null || fail "seal --nv-policy"
theirs ",tpm2-pcrlock=$work/nv.json" || fail "$version does not open what we sealed to an NV index: $(tail -n 2 theirs.log)"
expect "ours" 0 "opens" ours --pcrlock nv.json
tpm2_readpublic -Q -c 0x81000001 -f tss -o srk || fail "storage key"
volume
jq -n --arg a "$(pcr sha256 2)" --arg b "$(pcr sha256 7)" --arg v "$(pcr sha256 11)" '{cloister_reference: 1, name: "now", origin: "prediction", events: {}, pcrs: {sha256:
    {"2": $a, "7": $b, "13": ("0" * 64), "11": {"enter-initrd": $v}}}}' >now.ref.json
"$cloister" image seal volume --key key --srk srk --nv-policy nv.json --reference now.ref.json >/dev/null || fail "image seal --nv-policy"
theirs ",tpm2-pcrlock=$work/nv.json" || fail "not opened, what we sealed offline to an NV index: $(tail -n 2 theirs.log)"
expect "ours, offline" 0 "opens" ours --pcrlock nv.json
held "NV policy (tpm2_pcrlock)" "systemd-cryptenroll, systemd-cryptsetup" "$version" "both ways"
# An index of our own, in the form of that file: what systemd-cryptsetup opens.
jq --arg a "$(pcr sha256 0)" --arg b "$(pcr sha256 4)" --arg c "$(pcr sha256 12)" '.pcrs.sha256 += {"0": $a, "4": $b, "12": $c}' now.ref.json >own.ref.json
jq '.pcrs.sha256."4" = ("7" * 64) | .pcrs.sha256."11"."enter-initrd" = ("8" * 64)' own.ref.json >next.ref.json
openssl genrsa -out nv.key 2048 2>/dev/null
flush
"$cloister" nv-policy make own.json --key nv.key --reference own.ref.json --reference next.ref.json --tpm "swtpm:$work/tpm.sock" >/dev/null || fail "nv-policy make"
volume
seal --nv-policy own.json >/dev/null || fail "seal to our own index"
theirs ",tpm2-pcrlock=$work/own.json" || fail "$version does not open what is sealed to our index: $(tail -n 2 theirs.log)"
expect "our index" 0 "opens" ours
flush
"$cloister" nv-policy update own.json --key nv.key --reference next.ref.json --disk volume --tpm "swtpm:$work/tpm.sock" >/dev/null || fail "nv-policy update"
! theirs ",tpm2-pcrlock=$work/own.json" || fail "$version opens it in a state that is not approved of any more"
expect "our index, another state" 1 "approves of another state: PCR 4, PCR 11" ours
held "NV policy (an index of our own)" "systemd-cryptsetup" "$version" "reads ours"
# Two halves are written by cryptenroll where no token plug-in of an older systemd looks at what it writes: a file system of its own hides that.
enroll_alone() {
    flush
    export -f with_newer
    newer=$newer unshare -rm bash -c 'mount -t tmpfs none /usr/lib/x86_64-linux-gnu/cryptsetup && with_newer systemd-cryptenroll "$@"' - \
        --unlock-key-file=key --tpm2-device="$tpm" "$@" volume >enroll.log 2>&1
}
how="reads ours"
if unshare -rm mount -t tmpfs none /usr/lib/x86_64-linux-gnu/cryptsetup 2>/dev/null; then
    volume
    enroll_alone --tpm2-pcrlock="$work/nv.json" --tpm2-pcrs=7 --tpm2-public-key=pcr.pub --tpm2-public-key-pcrs=11 --tpm2-signature="$work/signed.json" || fail "cryptenroll: $(tail -n 1 enroll.log)"
    expect "two halves of theirs" 0 "opens" ours --pcrlock nv.json --pcr-signature signed.json
    expect "one half alone" 1 "no signature for the present PCRs" ours --pcrlock nv.json
    how="both ways"
fi
volume
seal --nv-policy nv.json --signed-pcrs 11 --policy-key pcr.pub >/dev/null || fail "seal, both"
theirs ",tpm2-pcrlock=$work/nv.json,tpm2-signature=$work/signed.json" || fail "not opened, what we sealed in two halves: $(tail -n 2 theirs.log)"
expect "two halves of ours" 0 "opens" ours --pcrlock nv.json --pcr-signature signed.json
held "NV policy and signed policy, two shards" "systemd-cryptenroll, systemd-cryptsetup" "$version" "$how"

# An index that a register has broken, which nobody foretold: systemd-pcrlock itself gets no further without its recovery PIN, and with it what we
# sealed opens again as it is.
printf test >word
pcrlock lock-raw --pcrlock="$work/ours/910-test.pcrlock" --pcr=16 word || fail "lock-raw: $(tail -n 1 pcrlock.log)"
log_16() { # what systemd-pcrextend logs
    tpm2_pcrextend "16:sha256=$(openssl dgst -sha256 -r "$1" | cut -d ' ' -f 1),sha384=$(openssl dgst -sha384 -r "$1" | cut -d ' ' -f 1)" || fail "extend"
    jq -jn --arg a "$(openssl dgst -sha256 -r "$1" | cut -d ' ' -f 1)" --arg b "$(openssl dgst -sha384 -r "$1" | cut -d ' ' -f 1)" --rawfile word "$1" '"\u001e" +
        ({pcr: 16, digests: [{hashAlg: "sha256", digest: $a}, {hashAlg: "sha384", digest: $b}], content_type: "systemd", content: {eventType: "phase", string: $word}} | tojson) + "\n"' >>userspace.log
}
log_16 word
PIN=recover lock make-policy ours --pcr=0,4,9,12,16 --policy="$work/nv16.json" --nv-index=0x01800016 --recovery-pin=query --force || fail "make-policy with a PIN: $(tail -n 1 pcrlock.log)"
jq -e '[.pcrValues[].pcr] | index(16)' nv16.json >/dev/null || fail "PCR 16 is not in it: $(jq -c '[.pcrValues[].pcr]' nv16.json)"
volume
seal --nv-policy nv16.json >/dev/null || fail "seal --nv-policy, with PCR 16"
expect "before PCR 16 moves" 0 "opens" ours --pcrlock nv16.json
printf other >other
log_16 other
expect "after PCR 16 has moved" 1 "PCR 16" ours --pcrlock nv16.json
pcrlock lock-raw --pcrlock="$work/ours/911-test.pcrlock" --pcr=16 other || fail "lock-raw: $(tail -n 1 pcrlock.log)"
! lock make-policy ours --pcr=0,4,9,12,16 --policy="$work/nv16.json" || fail "it changes the index without PIN"
PIN=recover lock make-policy ours --pcr=0,4,9,12,16 --policy="$work/nv16.json" --recovery-pin=query || fail "make-policy, repaired: $(tail -n 1 pcrlock.log)"
expect "repaired by the recovery PIN" 0 "opens" ours --pcrlock nv16.json
held "NV policy, repaired by the recovery PIN" systemd-pcrlock "$version" "reads ours"

# Refused before anything is written.
cp volume before
jq '.pcrValues[0].values = ["'"$(printf '%064d' 5)"'"]' nv.json >lying.json
expect "a file that says another state" 1 "approves of another state than the file says" seal --nv-policy lying.json
jq '.nvPublic = "AAAA"' nv.json >empty.json
expect "no index" 3 "nvPublic" seal --nv-policy empty.json
expect "two halves in one key" 2 "--form systemd alone" seal --nv-policy nv.json --form own --signed-pcrs 11 --policy-key pcr.pub
expect "registers that nobody binds" 1 "the policy leaves out PCR 11" seal --nv-policy nv.json --pcrs 7
expect "no register's value" 2 "--reference is needed" "$cloister" image seal volume --key key --srk srk --nv-policy nv.json
cmp -s before volume || fail "a refusal has changed the volume"

# Another state: nobody gets the key.
tpm2_pcrextend "12:sha256=$(printf '%064d' 99)"
expect "another state" 1 "token 0" ours --pcrlock nv.json --pcr-signature signed.json
! theirs ",tpm2-pcrlock=$work/nv.json,tpm2-signature=$work/signed.json" || fail "$version opens it in another state"
exit "$failed"
