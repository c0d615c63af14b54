#!/bin/bash
# rpm.sh: builds the rpm packages twice (they must be the same), and tries them in a root with nothing of rpm's in it: installed, used,
# removed. What a program needs of the machine's libraries is taken from this machine, which may be no rpm distribution: --nodeps.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() { echo "SKIP: $1"; exit 77; }
fail() { echo "FAIL: $1" >&2; exit 1; }

for tool in rpmbuild rpm; do command -v "$tool" >/dev/null || skip "$tool is not installed"; done
work=$(realpath -m "${1:-build/packages/rpm}")
rm -rf "$work"
mkdir -p "$work"

echo "built twice"
for run in once again; do
    packaging/rpm/build "$work/$run" >"$work/$run.log" 2>&1 || fail "the build: $(tail -n 3 "$work/$run.log")"
done
(cd "$work/once" && sha256sum -- *.rpm) >"$work/sums"
(cd "$work/again" && sha256sum --check --quiet "$work/sums") || fail "the second build gave other packages"

if command -v rpmlint >/dev/null; then
    echo "rpmlint"
    rpmlint --rpmlintrc packaging/rpm/cloister.rpmlintrc "$work"/once/*.rpm >"$work/rpmlint" 2>&1 || true
    grep -E ': [EW]: ' "$work/rpmlint" && fail "rpmlint has something to say"
fi

echo "in a root of its own"
root=$work/root
mkdir -p "$root"
in_root() { rpm --root "$root" --dbpath /var/lib/rpm "$@"; }
in_root --initdb
in_root -i --nodeps --noscripts --ignorearch --ignoreos "$work"/once/*.rpm >"$work/rpm.log" 2>&1 || fail "rpm: $(tail -n 3 "$work/rpm.log")"
[ "$(in_root -qa 'cloister*' 'libcloister*' | wc -l)" = 7 ] || fail "not seven packages: $(in_root -qa | tr '\n' ' ')"
grep -q '^cloister ' <("$root/usr/bin/cloister" --version) || fail "cloister --version"
grep -q 'Usage: cloister audit' <("$root/usr/bin/cloister" audit --help) || fail "cloister-full is not found from where it lies"
grep -q 'Usage: cloister-sim' <("$root/usr/bin/cloister-sim" --help) || fail "cloister-sim"
[ -s "$root/usr/share/man/man7/cloister.7.gz" ] || [ -s "$root/usr/share/man/man7/cloister.7" ] || fail "no man page"
[ "$(in_root -qc cloister-broker)" = /etc/cloister/broker.conf ] || fail "broker.conf is not a configuration file"
in_root -V --nodeps cloister cloister-broker cloister-guest | grep -v '^\.\.\.\.\.\(UG\|U\.\|\.G\)' | grep . && fail "rpm -V"
in_root -e --nodeps --noscripts cloister cloister-broker cloister-guest cloister-sim cloister-doc libcloister0 libcloister-devel
left=$(find "$root" -name '*cloister*')
[ -z "$left" ] || fail "left after removal: $left"
rm -rf "${root:?}"
echo "good"
