#!/bin/sh
# An answer that did not get out is none: every command says so, with exit status 4, where the disk is full or standard
# output is closed; and says nothing where a pipe was closed, which has been read as far as wanted. The commands are
# those of the program's own help: one that is missing below fails.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
[ -c /dev/full ] || skip "there is no /dev/full"
corpus=$CLOISTER_TESTS/../fuzz/corpus
log=$corpus/eventlog/two-banks
cd "$work" || exit 4

# An answer of each command that prints one, without a guest, a network or an image. '-': none such; its help is tried.
answers() {
    cat <<END
audit|config
boot|-
calibrate|-
eventlog convert|-
eventlog explain|$log --other-log $log
eventlog explain|$log --other-log $log --json
eventlog replay|$log
eventlog replay|$log --json
eventlog show|$log
eventlog show|$log --json
evidence activate|-
evidence challenge|-
evidence collect|--detect --sysroot none --tpm none
evidence collect|--detect --json --sysroot none --tpm none
evidence extend|-
evidence report|-
evidence show|$corpus/evidence/three-members
evidence show|$corpus/evidence/three-members --json
image build|-
image convert|-
image inspect|-
image seal|-
image update|-
key derive|-
key put|default/disk/demo secret --state broker --policy $corpus/policy/any-measurement --accept-weak test
key lease|default/disk/demo --state broker
key list|--state broker --json
key remove|-
key terms|default/disk/demo --state broker --policy weak.json
key terms|default/disk/demo --state broker --policy weak.json --json
key revoke|default/disk/demo --state broker
key revoke|default/disk/demo --state broker --json
key master|--state sealed --master-key master.key
key backup|-
key restore|-
endorsements pack|-
endorsements show|-
audit-log checkpoint|--state broker
audit-log show|--state broker
audit-log show|--state broker --json
audit-log verify|--state broker
audit-log verify|--state broker --json
audit-log follow|-
audit-log prune|--state broker --keep 1
measure convert|-
measure image|-
measure policy|-
measure snp|-
measure tdx|-
measure uki|demo.efi
measure uki|demo.efi --json
nv-policy make|-
nv-policy remove|-
nv-policy show|$corpus/alternatives/an-index-of-our-own
nv-policy show|$corpus/alternatives/an-index-of-our-own --json
nv-policy update|-
policy check|strict
policy check|strict --json
policy init|-
policy test|-
recovery check|--recovery-key $corpus/recovery/key
recovery check|--recovery-key $corpus/recovery/key --json
recovery convert|-
recovery enroll|-
recovery revoke|-
report|-
seal|-
secureboot apply|-
secureboot diff|db.esl db.esl
secureboot enroll|-
secureboot impact|-
secureboot keygen|-
secureboot list|--hash 00000000000000000000000000000000000000000000000000000000000000aa --output other.esl
secureboot mok|-
secureboot sbat|-
secureboot show|db.esl
secureboot show|db.esl --json
secureboot sign|-
secureboot verify|-
serve|-
try|-
update|-
uki build|-
uki edit|-
uki inspect|demo.efi
uki inspect|demo.efi --json
uki policy|-
uki sign|-
uki verify|-
unlock|-
verify|-
verify azure|-
verify ear|-
verify gce|-
verify nitro|-
verify snp|-
verify svsm|-
verify systemd-report|-
verify tdx|-
verify tpm|-
version|
END
}

# lost NAME COMMAND…: on a full disk, and without a standard output.
lost() {
    name=$1
    shift
    for place in full closed; do
        status=0
        if [ $place = full ]; then
            "$@" >/dev/full 2>err || status=$?
        else
            "$@" >&- 2>err || status=$?
        fi
        [ $status = 4 ] || fail "$name: $place: exit status $status: $(cat err)"
        [ "$(tail -n 1 err)" = "cloister: standard output: cannot be written [cli.system]" ] || fail "$name: $place: says $(cat err)"
    done
}

# piped NAME COMMAND…: into a pipe that has no reader any more.
piped() {
    name=$1
    shift
    status=0
    mkfifo pipe
    # shellcheck disable=SC2094
    exec 4<>pipe 3>pipe 4>&-
    "$@" >&3 2>err || status=$?
    exec 3>&-
    rm pipe
    [ $status = 4 ] || fail "$name: a closed pipe: exit status $status"
    [ ! -s err ] || ! grep -q "standard output" err || fail "$name: a closed pipe: says $(cat err)"
}

make_kernel vmlinuz
printf 'an initrd' >initrd
printf 'CONFIG_AMD_MEM_ENCRYPT=y\n' >config
"$cloister" uki build --kernel vmlinuz --initrd initrd --cmdline quiet --stub "$corpus/pe/stub" --output demo.efi >out || fail "a UKI"
"$cloister" secureboot list --hash 00000000000000000000000000000000000000000000000000000000000000aa --output db.esl >out || fail "a list"
head -c 32 /dev/zero >secret
echo '{"cloister_policy":1,"name":"weak","tee":["snp"],"roots":["amd"],"snp":{"measurement":"any"},"accept_weak":"a test"}' >weak.json
"$cloister" key master --make master.key || fail "a master key"
"$cloister" key put default/disk/demo secret --state sealed --master-key master.key --policy weak.json >out 2>&1 || fail "a sealed secret"

# Every command of the help is in the list, and the other way round.
"$cloister" --help=commands | sort >known
answers | cut -d '|' -f 1 | sort -u >listed
[ -s known ] || fail "no commands"
[ -z "$(comm -23 known listed)" ] || fail "not in this test: $(comm -23 known listed)"
[ -z "$(comm -13 known listed)" ] || fail "not a command: $(comm -13 known listed)"

answers >rows
while IFS='|' read -r command arguments; do
    [ "$arguments" = - ] && arguments=--help
    # shellcheck disable=SC2086 # words
    set -- "$cloister" $command $arguments
    status=0
    "$@" >out 2>err </dev/null || status=$?
    [ $status -le 1 ] || fail "$command $arguments: exit status $status, says $(cat err)"
    [ -s out ] || fail "$command $arguments: prints nothing"
    lost "$command $arguments" "$@" </dev/null
    piped "$command $arguments" "$@" </dev/null
done <rows
for list in "" uki secureboot measure eventlog image evidence policy key; do
    # shellcheck disable=SC2086 # a word or none
    lost "$list --help" "$cloister" $list --help
    # shellcheck disable=SC2086
    piped "$list --help" "$cloister" $list --help
done

# The place of a closed standard output stays taken: else the first file that is opened would get what is printed. Looked at
# when the program has opened its input: before, the loader of programs has files of its own open there.
mkfifo pipe
"$cloister" eventlog show pipe >&- 2>err &
waiting=$!
exec 9>pipe
place=$(readlink "/proc/$waiting/fd/1")
exec 9>&-
wait "$waiting" 2>/dev/null
[ "$place" = /dev/null ] || fail "a closed standard output: its place is taken by '$place'"

[ "$failed" = 1 ] || echo "$(wc -l <known) commands"
exit "$failed"
