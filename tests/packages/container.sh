#!/bin/bash
# container.sh [FOLDER]: the broker's container image, built by packaging/container/Containerfile without a registry or a daemon: buildah in
# chroots, on a Debian made by mmdebstrap. Then the broker answers from that image's root. Needs root and a mirror; exit status 77 without.
set -euo pipefail
cd "$(dirname "$0")/../.."
. sim/lab.sh

skip() { echo "SKIP: $1"; exit 77; }
fail() { echo "FAIL: $1" >&2; exit 1; }

for tool in buildah mmdebstrap curl; do command -v "$tool" >/dev/null || skip "$tool is not installed"; done
[ "$(id -u)" = 0 ] || skip "a chroot needs root"
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
[ "$codename" = bookworm ] || skip "the image is of Debian 12, and so must this machine's mirror be"
work=$(realpath -m "${1:-build/packages/container}")
broker=
cleanup() {
    [ -z "$broker" ] || kill "$broker" 2>/dev/null || true
    rm -rf "${work:?}/root" "$work/run" "$work/base.tar"
}
rm -rf "$work"
mkdir -p "$work"
trap cleanup EXIT
read -r mirror keyring < <(lab_mirror "$codename") || skip "no mirror"
built() { buildah --root "$work/root" --runroot "$work/run" --storage-driver vfs "$@"; }
export BUILDAH_ISOLATION=chroot

echo "a Debian for it, under the name that the recipe has"
mmdebstrap --quiet --variant=minbase --format=tar --keyring="$keyring" "$codename" "$work/base.tar" "$mirror" 2>"$work/mmdebstrap.log" ||
    skip "mmdebstrap: $(tail -n 1 "$work/mmdebstrap.log")"
container=$(built from scratch)
built add -q "$container" "$work/base.tar" / >"$work/base.log"
built config --cmd bash "$container"
built commit -q --rm "$container" docker.io/library/debian:12-slim >>"$work/base.log" 2>&1 || fail "the base: $(tail -n 1 "$work/base.log")"

echo "built"
built bud --pull-never --isolation chroot -t cloister-broker -f packaging/container/Containerfile . >"$work/build.log" 2>&1 ||
    fail "the build: $(tail -n 3 "$work/build.log")"
# is FORMAT WORDS: what the image's configuration says.
is() { [ "$(built inspect --type image --format "{{.OCIv1.Config.$1}}" cloister-broker)" = "$2" ] || fail "$1: $(built inspect --type image --format "{{.OCIv1.Config.$1}}" cloister-broker)"; }
is User 10001:10001
is Entrypoint '[cloister serve --state /state --listen 0.0.0.0:8443]'
is Cmd '[--init --log json]'

echo "the broker answers from it"
container=$(built from --pull-never cloister-broker)
root=$(built mount "$container")
[ "$(stat -c '%a %u %g' "$root/state")" = "700 10001 10001" ] || fail "/state: $(stat -c '%a %u %g' "$root/state")"
for tool in gcc meson dpkg-buildpackage; do [ ! -e "$root/usr/bin/$tool" ] || fail "$tool is in what runs"; done
chroot --userspec=10001:10001 "$root" env -i PATH=/usr/bin:/bin cloister serve --state /state --listen 127.0.0.1:0 --init >"$work/broker.log" 2>&1 &
broker=$!
port=
for _ in $(seq 2400); do
    port=$(sed -n 's/^listening on 127.0.0.1:\([0-9][0-9]*\),.*/\1/p' "$work/broker.log")
    if [ -n "$port" ] || ! kill -0 "$broker" 2>/dev/null; then break; fi
    sleep 0.05
done
[ -n "$port" ] || fail "the broker does not start: $(tail -n 1 "$work/broker.log")"
# It is well once it has a key to give: until then it says what is missing.
status=$(curl -sS --cacert "$root/state/tls.crt" -o "$work/health" -w '%{http_code}' "https://127.0.0.1:$port/healthz")
{ [ "$status" = 503 ] && grep -q 'no key is registered' "$work/health"; } || fail "a fresh broker answers $status: $(cat "$work/health")"
kill "$broker"
wait "$broker" || fail "it does not end when it is told to"
broker=
echo "good"
