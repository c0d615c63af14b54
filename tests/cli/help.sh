#!/bin/sh
# Every command has help with a worked example, a man page that holds the same options, and answers
# a wrong option with one line and exit status 2.
set -u
cloister=$1
failed=0
fail() {
    echo "FAIL: $1"
    failed=1
}

commands=$("$cloister" --help=commands) || fail "the list of commands"
[ -n "$commands" ] || fail "no command at all"
while IFS= read -r command; do
    # shellcheck disable=SC2086 # a command is one word or two
    set -- $command
    help=$("$cloister" "$@" --help) || fail "$command: --help"
    case $help in
    *"Example:"*"cloister $command"*) ;;
    *) fail "$command: no worked example" ;;
    esac
    man=$("$cloister" "$@" --help=man) || fail "$command: man page"
    for option in $("$cloister" "$@" --help=options); do
        case $help in
        *"$option"*) ;;
        *) fail "$command: --help leaves out $option" ;;
        esac
        [ "$option" = --help ] && continue
        printf '%s' "$man" | sed 's/\\-/-/g' | grep -q -e "^\.B \(-., \)\{0,1\}$option" || fail "$command: the man page leaves out $option"
    done
    error=$("$cloister" "$@" --no-such-option 2>&1 >/dev/null)
    status=$?
    [ $status -eq 2 ] || fail "$command: a wrong option gives $status"
    [ "$(printf '%s\n' "$error" | wc -l)" -eq 1 ] || fail "$command: a wrong option gives several lines"
    case $error in
    "cloister: "*--no-such-option*"--help' [cli.usage]") ;;
    *) fail "$command: a wrong option says: $error" ;;
    esac
    # One more than any command takes: it says so before it looks at anything else.
    # shellcheck disable=SC2046
    error=$("$cloister" "$@" $(seq 65) 2>&1 >/dev/null)
    [ $? -eq 2 ] || fail "$command: 65 arguments are taken"
    case $error in
    *"unexpected argument 1; "* | *" expected, "*" given; "* | *"too many arguments; "*) ;;
    *) fail "$command: 65 arguments: $error" ;;
    esac
done <<EOF
$commands
EOF
# An answer that did not get out is none; a reader that closed its pipe has read enough.
if [ -c /dev/full ]; then
    for command in version --help; do
        status=0
        said=$("$cloister" "$command" 2>&1 >/dev/full) || status=$?
        [ "$status" = 4 ] || fail "$command into a full disk: exit status $status"
        [ "$said" = "cloister: standard output: cannot be written [cli.system]" ] || fail "$command into a full disk: $said"
    done
fi
folder=$(mktemp -d)
mkfifo "$folder/closed"
{ sleep 0.3 && "$cloister" version; } 2>"$folder/said" >"$folder/closed" &
: <"$folder/closed"
wait
[ ! -s "$folder/said" ] || fail "into a closed pipe: $(cat "$folder/said")"
rm -r "$folder"
exit $failed
