#!/bin/sh
# One voice: what is the same in every command (letters, help, silence), the word that was probably meant, and what
# completions offer in bash, zsh and fish.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
top=$CLOISTER_TESTS/..
cd "$work" || exit 4

# --- Did you mean ---
expect "a command" 2 "unknown command 'audti' (did you mean 'audit'?)" "$cloister" audti
expect "a subcommand" 2 "unknown command 'bild' (did you mean 'build'?)" "$cloister" uki bild
expect "the beginning of one" 2 "did you mean 'secureboot'" "$cloister" secure
expect "an option" 2 "unknown option --fro (did you mean --for?)" "$cloister" audit --fro snp
expect "a CPU model" 2 "no such CPU model: EPYC-Mlan (did you mean EPYC-Milan?)" \
    "$cloister" measure snp --ovmf none --vcpus 1 --vcpu-type EPYC-Mlan
expect "a PCR's name" 2 "(did you mean kernel-boot?)" "$cloister" measure policy none --key none --pcrs 4,kernel-bot
expect "a PCR twice" 2 "--pcrs 11,kernel-boot: PCR 11 twice" "$cloister" measure policy none --key none --pcrs 11,kernel-boot
expect "PCRs by their names" 3 "none: No such file" "$cloister" measure policy none --public-key none --pcrs 4,secure-boot-policy,kernel-boot
pcr=$(printf '%064d' 11)
printf '{"cloister_reference":1,"name":"demo","origin":"prediction","events":{},"pcrs":{"sha256":{"11":{"enter-initrd":"%s"}}}}' "$pcr" >demo.ref.json
openssl genrsa -out pcr.key 2048 2>/dev/null
expect "a phase" 1 '(did you mean enter-initrd?)' "$cloister" measure policy demo.ref.json --key pcr.key --pcrs 11 --phase enter-initd
expect "a phase of a log" 2 '(did you mean enter-initrd?)' "$cloister" eventlog explain \
    "$CLOISTER_TESTS/../fuzz/corpus/eventlog/two-banks" --reference demo.ref.json --phase enter-inird
expect "the built-in policy" 3 "strct: no such file (did you mean 'strict', the built-in one?)" "$cloister" policy check strct
expect "the same of verify" 3 "(did you mean 'strict', the built-in one?)" "$cloister" verify none --policy stric
"$cloister" zzzzzz 2>said
grep -q "did you mean" said && fail "a word that is like no other: $(cat said)"

# --- The same everywhere ---
expect "-V" 0 "cloister " "$cloister" -V
expect "--version and more" 2 "version: unexpected argument more" "$cloister" --version more
expect "standard input by its name" 3 'cloister: standard input: is not a PE file' "$cloister" uki inspect - </dev/null
expect "the same, after a command's name" 3 'verify: standard input: is empty' "$cloister" verify - </dev/null
expect "help CMD" 0 "Usage: cloister uki build" "$cloister" help uki build
expect "help LIST" 0 "Usage: cloister uki COMMAND" "$cloister" help uki
expect "LIST help CMD" 0 "Usage: cloister uki build" "$cloister" uki help build
expect "help of a word that is not a command" 2 "unknown command 'uik' (did you mean 'uki'?)" "$cloister" help uik
"$cloister" audit --help | grep -q -- '-q, --quiet' || fail "audit: no -q in its help"
"$cloister" uki build --help | grep -q -- '-o, --output FILE' || fail "uki build: no -o in its help"
printf 'console=ttyS0\n' >cmdline
"$cloister" audit --cmdline quiet >loud
loud=$?
"$cloister" audit --cmdline quiet -q >silent
[ $? = "$loud" ] || fail "-q changes the exit status"
[ -s loud ] || fail "audit says nothing"
[ ! -s silent ] || fail "-q: says $(head -n 1 silent)"
"$cloister" secureboot keygen -o keys >/dev/null || fail "keygen -o"
[ -s keys/db.key ] || fail "keygen -o: no keys"

# --- A file of another kind is named as what it is, with the command that takes it ---
corpus=$CLOISTER_TESTS/../fuzz/corpus
printf 'QFI\373 and more' >disk.qcow2
printf '{"cloister_policy":1}' >policy.json
cp "$corpus/eventlog/two-banks" eventlog.bin
# WHAT WANTED COMMAND | the command line
cat >strangers <<'END'
is a qcow2 image, not an EFI image: cloister image inspect FILE|uki inspect disk.qcow2
is a qcow2 image, not an EFI image: cloister image inspect FILE|measure uki disk.qcow2
is a certificate, not an EFI image: --cert FILE|uki sign keys/db.crt --remove
is a TCG event log, not an EFI image: cloister eventlog show FILE|uki edit eventlog.bin --remove .x
is a certificate, not signature lists: --cert FILE|uki verify --db keys/db.crt eventlog.bin
is a certificate, not a TCG event log: --cert FILE|eventlog show keys/db.crt
is a policy (JSON), not reference values: cloister policy check FILE|eventlog explain eventlog.bin --reference policy.json
is a TCG event log, not a policy: cloister eventlog show FILE|policy check eventlog.bin
is a policy (JSON), not a document that --json writes: cloister policy check FILE|report policy.json
is a certificate, not a variable store: --cert FILE|secureboot enroll --varstore keys/db.crt -o x --pk keys/PK.crt --kek keys/KEK.crt --db keys/db.crt
is a policy (JSON), not evidence of a confidential VM: cloister policy check FILE|verify policy.json
is a certificate: secureboot list --cert|secureboot show keys/db.crt
END
while IFS='|' read -r words line; do
    # shellcheck disable=SC2086 # words
    expect "$line" 3 "$words" "$cloister" $line
done <strangers
head -c 100 eventlog.bin >cut.bin
expect "what is wrong with a file of the right kind" 3 "cut.bin: event 1: truncated" "$cloister" eventlog show cut.bin

# --- Completions ---
# Each line: the command so far, and a word that is offered next.
cat >offers <<'END'
cloister |verify
cloister uk|uki
cloister verify |snp
cloister verify |azure
cloister help ver|verify
cloister uki b|build
cloister uki build --ke|--kernel
cloister policy init --for |azure-snp
cloister secureboot keygen --type |p384
cloister report --language |fr
cloister uki build --kernel cmd|cmdline
END
mkdir bin && ln -s "$cloister" bin/cloister
PATH=$work/bin:$PATH
if found bash "completion is not tried"; then
    while IFS='|' read -r so_far wanted; do
        # shellcheck disable=SC2016
        bash -c '
            complete() { :; }
            . "$1"/packaging/completions/cloister.bash
            read -ra COMP_WORDS <<<"$2"
            case $2 in *" ") COMP_WORDS+=("") ;; esac
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _cloister
            printf "%s\n" "${COMPREPLY[@]}"' bash "$top" "$so_far" >offered
        grep -qx -- "$wanted" offered || fail "bash: '$so_far' does not offer $wanted: $(head -n 3 offered | tr '\n' ' ')"
    done <offers
fi
if command -v fish >/dev/null; then
    while IFS='|' read -r so_far wanted; do
        HOME=$work fish --no-config -c "source $top/packaging/completions/cloister.fish; complete -C '$so_far'" </dev/null >offered 2>&1
        cut -f 1 offered | grep -qx -- "$wanted" || fail "fish: '$so_far' does not offer $wanted: $(head -n 3 offered | tr '\n' ' ')"
    done <offers
else
    echo "SKIP: fish is not installed: its completion is not tried"
fi
if command -v zsh >/dev/null; then
    while IFS='|' read -r so_far wanted; do
        # The completion's own functions, with zsh's builtins for them replaced by ones that print.
        # shellcheck disable=SC2016
        zsh -f -c '
            _describe() { print -rl -- ${choices%%:*}; }
            compadd() { print -rl -- $values; }
            _files() { print -l *; }
            words=(${(z)2}); [[ $2 == *" " ]] && words+=("")
            CURRENT=$#words
            body=$(<$1/packaging/completions/cloister.zsh)
            eval "_cloister() { $body
            }"
            _cloister' zsh "$top" "$so_far" >offered 2>&1
        grep -qx -- "$wanted" offered || fail "zsh: '$so_far' does not offer $wanted: $(head -n 3 offered | tr '\n' ' ')"
    done <offers
else
    echo "SKIP: zsh is not installed: its completion is not tried"
fi
exit "$failed"
