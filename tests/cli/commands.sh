#!/bin/sh
# A command is known everywhere, or nowhere: what the program's own help lists has a man page, is offered by the
# completion, stands in README's table, and lies in a file that is named after it.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
top=$CLOISTER_TESTS/..
sim=$(absolute "$2")
cd "$work" || exit 4

"$cloister" --help=commands >commands
[ -s commands ] || fail "no commands"

# README: `cloister uki build`, `edit` names "uki build" and "uki edit"; `verify` alone names itself.
sed -n '/^| to | command/,/^$/p' "$top/README.md" | cut -d '|' -f 3 | while IFS= read -r cell; do
    group=
    # shellcheck disable=SC2016
    printf '%s\n' "$cell" | grep -o '`[^`]*`' | tr -d '`' | while IFS= read -r name; do
        case $name in
        cloister-init) continue ;;
        "cloister "*) name=${name#cloister } && group= ;;
        esac
        case $name in
        *" "*) group=${name%% *} ;;
        *) [ -z "$group" ] || name="$group $name" ;;
        esac
        echo "$name"
    done
done | sort -u >readme
echo version >>readme # says what it is without a table
sort -o readme readme
sort commands | comm -23 - readme >missing
[ ! -s missing ] || fail "not in README's table: $(cat missing)"
sort commands | comm -13 - readme >missing
[ ! -s missing ] || fail "in README's table, and not a command: $(cat missing)"

# Man pages, as they are installed: one for each command, and each list of commands refers to its own.
MESON_INSTALL_DESTDIR_PREFIX=$work sh "$top/docs/man.sh" "$cloister" "$sim" man || fail "man pages"
while IFS= read -r command; do
    page=cloister-$(printf %s "$command" | tr ' ' -)
    [ -s "man/man1/$page.1" ] || fail "$command: no man page"
    list=cloister
    [ "$command" = "${command#* }" ] || list=cloister-${command%% *}
    [ "$list" = cloister-verify ] || sed 's/\\-/-/g' "man/man1/$list.1" | grep -q "^\.BR $page (1)" || fail "$command: not in $list(1)"
done <commands

# The completion offers each word after the words before it.
if found bash "completion is not tried"; then
    mkdir bin && ln -s "$cloister" bin/cloister
    while IFS= read -r command; do
        # `verify` is a command that has forms: its options are offered, and its forms by the list of commands alone.
        case $command in "verify "*) continue ;; esac
        # shellcheck disable=SC2016
        PATH=$work/bin:$PATH bash -c '
            complete() { :; }
            . "$1"/packaging/completions/cloister.bash
            COMP_WORDS=(cloister $2) && COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) && COMPREPLY=()
            _cloister
            printf "%s\n" "${COMPREPLY[@]}"' bash "$top" "$command" | grep -qx -- "${command##* }" || fail "$command: not completed"
    done <commands
fi

# Where it is in the source: cli/uki/build.c is `uki build`.
while IFS= read -r command; do
    case $command in
    verify) file=verify/bundle ;;
    "key "*) file=broker/key_${command#key } ;;
    *" "*) file=${command%% *}/${command#* } ;;
    *) file=$(cd "$top/cli" && grep -rl "^int cmd_$command(" . | grep "/$command\.c$" | sed 's/\.c$//') ;;
    esac
    [ -s "$top/cli/$file.c" ] || fail "$command: no file cli/$file.c"
    grep -q "^int cmd_" "$top/cli/$file.c" || fail "$command: cli/$file.c has no command"
done <commands
exit "$failed"
