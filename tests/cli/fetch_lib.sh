# shellcheck shell=sh disable=SC2034,SC2154
# fetch_lib.sh: services on this machine that play AMD's and Intel's. Sourced after lib.sh.

skip_without python3
tests=$CLOISTER_TESTS
cd "$work" || exit 4
export HOME="$work/home" NO_PROXY='*'
unset XDG_CACHE_HOME

servers=
# shellcheck disable=SC2317 # called by the trap
stop() {
    for server in $servers; do kill "$server" 2>/dev/null; done
    rm -rf "$work"
}
trap stop EXIT
# serve NAME [CERT KEY]: starts a service; its port is in $port.
serve() {
    name=$1
    shift
    echo '{}' >"$name.routes"
    : >"$name.log"
    python3 "$tests/cli/service.py" "$name.routes" "$name.log" "$name.port" "$@" &
    servers="$servers $!"
    await test -s "$name.port"
    port=$(cat "$name.port") || fail "$name: does not start"
}
requests() { wc -l <"$1.log" | tr -d ' '; }
