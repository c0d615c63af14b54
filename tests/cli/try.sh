#!/bin/bash
# cloister try, as far as it goes without a boot: what it does not take, and that it leaves a folder alone which is not of its making. The whole of
# it is ./demo; its parts are the boots of tests/vm.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 4

expect "one part of four" 2 "--root, --kernel, --modules and --stub go together" "$cloister" try --root root.ext4
expect "another language" 2 "--language de: en or fr" "$cloister" try --language de
expect "two folders" 2 "at most one folder expected, 2 given" "$cloister" try a b
expect "no home, no cache" 2 "--cache: is needed" env -i PATH="$PATH" "$cloister" try
mkdir mine cache
echo precious >mine/file
expect "a folder of the user's" 4 "mine is there, and was not made by this command" "$cloister" try --cache cache mine
[ "$(cat mine/file)" = precious ] || fail "the user's folder was changed"
expect "a file of the user's" 4 "mine/file is there" "$cloister" try --cache cache mine/file
expect "a root that is not there" 4 "none: no such file" "$cloister" try --cache cache --root none --kernel none --modules none --stub none first
[ ! -e first ] || fail "a folder was made for nothing"

# What it takes of the machine, at once: with no more than a shell's own tools in reach.
mkdir tools
for tool in bash dirname realpath ls tr grep env; do ln -s "$(command -v "$tool")" tools/; done
status=0
PATH=$work/tools "$cloister" try --cache cache first >said 2>err || status=$?
case $(cat err) in
"cloister: try: not installed: "*swtpm*) [ "$status" = 4 ] || fail "exit status $status" ;;
*) [ -x /usr/sbin/swtpm ] || fail "without tools: $(cat err)" ;;
esac

# Each attack has its function, and the ones that need a boot before them are known by name.
top=$CLOISTER_TESTS/..
bash -c '. "$1/sim/lab.sh"
    while IFS="|" read -r name who expected words; do
        declare -F "lab_attack_$name" >/dev/null || echo "no lab_attack_$name"
        [ -n "$who" ] && [ -n "$expected" ] && [ -n "$words" ] || echo "$name: a column is empty"
    done <<<"$LAB_ATTACKS"
    # Early and late together are all of them, each once; on copies, but for those that are about the machine itself.
    LAB=$2
    mkdir -p "$LAB/vm/tpm"
    echo disk >"$LAB/demo.img"
    echo vars >"$LAB/vm/vars.fd"
    lab_stub_reads_smbios() { true; }
    lab_attack() { echo "$1 ${LAB_TARGET:-itself}" >>"$LAB/tried" && [ "$1" != unsigned ]; }
    nproc() { echo 2; }
    lab_attacks_begin
    # Before anything is registered, those alone that the broker is not asked for.
    for _ in $(seq 1200); do
        n=$(grep -c done "$LAB/attacks.log" 2>/dev/null)
        [ "${n:-0}" -lt 4 ] || break
        sleep 0.1
    done
    [ "$(cut -d " " -f 1 "$LAB/tried" | sort | xargs)" = "credential null_cipher smbios unsigned" ] || echo "before a registration: $(cat "$LAB/tried")"
    : >"$LAB/registered"
    lab_attacks_end >/dev/null
    [ "$(cut -d " " -f 1 "$LAB/tried" | sort)" = "$(cut -d "|" -f 1 <<<"$LAB_ATTACKS" | sort)" ] || echo "not all, or some twice: $(cat "$LAB/tried")"
    [ "$(grep -c itself "$LAB/tried")" = 3 ] || echo "not three on the machine itself: $(cat "$LAB/tried")"
    [ "$(grep -l failed "$LAB"/attacks/*)" = "$LAB/attacks/unsigned" ] || echo "an attack that was not refused is not told"' bash "$top" "$work/lab" >wrong 2>&1
[ ! -s wrong ] || fail "$(cat wrong)"
exit "$failed"
