# shellcheck shell=sh disable=SC2034
# lib.sh: what the tests of the command line share. Sourced with the program as $1.
set -u

# invert FILE OFFSET: every bit of the byte there. One that is set to a value may have it already.
invert() {
    old=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
    printf '%b' "\\0$(printf %o $((255 - old)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# absolute FILE: as it is called from any folder.
absolute() { echo "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"; }

cloister=$(absolute "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

fail() {
    echo "FAIL: $1"
    failed=1
}

# expect NAME STATUS WORDS COMMAND…: the exit status, and the words in what it prints; a failing command says one line
# on standard error and nothing else.
expect() {
    name=$1 wanted=$2 words=$3
    shift 3
    status=0
    "$@" >"$work/out" 2>"$work/err" || status=$?
    [ "$status" = "$wanted" ] || fail "$name: exit status $status, expected $wanted: $(head -n 3 "$work/err")"
    case $(cat "$work/out" "$work/err") in
    *"$words"*) ;;
    *) fail "$name: does not say '$words': $(head -n 3 "$work/err")" ;;
    esac
    if [ "$wanted" -ge 2 ]; then
        [ "$(wc -l <"$work/err")" = 1 ] || fail "$name: not one line: $(cat "$work/err")"
        case $(cat "$work/err") in
        "cloister: "*) ;;
        *) fail "$name: the line is: $(cat "$work/err")" ;;
        esac
    fi
}

# await COMMAND…: until it succeeds; false: it does not within four minutes, which is for a machine that is busy with other things.
await() {
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 2400 ] || return 1
        sleep 0.1
    done
}

# begin_broker LOG OPTION…: `cloister serve` on a port of the system's choice: it is $pid, and $port is where it listens.
begin_broker() {
    broker_log=$1
    shift
    : >"$broker_log" # the line of the one before would be read until the new one opens its log
    "$cloister" serve --listen 127.0.0.1:0 "$@" >"$broker_log" 2>&1 &
    pid=$!
    await says_or_ended "$broker_log" "$pid"
    port=$(sed -n 's/^listening on 127.0.0.1:\([0-9][0-9]*\),.*/\1/p' "$broker_log")
    [ -n "$port" ] || fail "does not listen: $(cat "$broker_log")"
}
# shellcheck disable=SC2317 # await calls it
says_or_ended() { grep -q '^listening' "$1" || ! kill -0 "$2"; }

# begin_tpm FOLDER SOCKET: a software TPM that was switched on, with its state in FOLDER: it is $tpm_pid. SOCKET is an absolute path, and SOCKET.ctrl the
# one that tpm2-tools want besides.
begin_tpm() {
    mkdir -p "$1"
    rm -f "$2" "$2.ctrl"
    swtpm socket --tpm2 --tpmstate "dir=$1" --server "type=unixio,path=$2" --ctrl "type=unixio,path=$2.ctrl" --flags not-need-init,startup-clear \
        >"$work/swtpm.log" 2>&1 &
    tpm_pid=$!
    { await is_bound "$2" && await is_bound "$2.ctrl"; } && return
    echo "FAIL: swtpm does not start: $(tail -n 1 "$work/swtpm.log")"
    exit 1
}
# The file of a socket is there before anybody listens (__SO_ACCEPTCON).
# shellcheck disable=SC2317 # await calls it
is_bound() { [ -S "$1" ] && { ! [ -r /proc/net/unix ] || grep -q " 00010000 .* $1\$" /proc/net/unix; }; }

# of_many: is the next of many that are alike to be tried? Each is; but where sanitizers make it slow, every eighth.
many=0
of_many() {
    many=$((many + 1))
    [ "${CLOISTER_SANITIZED:-no}" = no ] || [ $((many % 8)) = 1 ] && return
    [ "$many" != 2 ] || echo "note: under sanitizers every eighth of those that are alike is tried"
    return 1
}

skip() {
    echo "SKIP: $1"
    exit 77
}

# found TOOL WHAT: is it installed? If not, says what is not tried then.
found() {
    command -v "$1" >/dev/null && return
    echo "note: $1 is not installed: $2"
    return 1
}

# skip_without TOOL…: skips, and says which one is missing.
skip_without() {
    for needed; do
        command -v "$needed" >/dev/null || skip "$needed is not installed"
    done
}
