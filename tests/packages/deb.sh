#!/bin/bash
# deb.sh: builds the Debian packages twice (they must be the same), asks lintian, and tries them in a Debian with nothing else in it:
# installed, used, upgraded with its configuration and state, removed. Needs root (a chroot) and a mirror; exit status 77 without.
#   deb.sh [FOLDER [BUILT]]: works in FOLDER; with BUILT it takes the packages that an earlier run built there, and builds nothing.
# shellcheck disable=SC2016 # what stands in single quotes is for the shell in the chroot
set -euo pipefail
cd "$(dirname "$0")/../.."
. sim/lab.sh

skip() { echo "SKIP: $1"; exit 77; }
fail() { echo "FAIL: $1" >&2; exit 1; }

for tool in dpkg-buildpackage dh lintian mmdebstrap; do command -v "$tool" >/dev/null || skip "$tool is not installed"; done
[ "$(id -u)" = 0 ] || skip "a chroot needs root"
work=$(realpath -m "${1:-build/packages/deb}")
rm -rf "$work"
mkdir -p "$work"

if [ -n "${2:-}" ]; then
    cp -r "$2" "$work/once"
else
    echo "built twice"
    for run in once again; do
        packaging/deb/build "$work/$run" >"$work/$run.log" 2>&1 || fail "the build: $(tail -n 3 "$work/$run.log")"
    done
    (cd "$work/once" && sha256sum -- *.deb) >"$work/sums"
    (cd "$work/again" && sha256sum --check --quiet "$work/sums") || fail "the second build gave other packages"
fi

echo "lintian"
lintian --allow-root --pedantic --info --display-info --fail-on none "$work/once"/*.changes >"$work/lintian" 2>&1 || true
grep -v '^running with root\|-dbgsym:' "$work/lintian" | grep . && fail "lintian has something to say"

echo "in a Debian of its own"
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
read -r mirror keyring < <(lab_mirror "$codename") || skip "no mirror"
root=$work/root
mmdebstrap --quiet --variant=apt --keyring="$keyring" --dpkgopt='path-include=/usr/share/man/*' "$codename" "$root" "$mirror" 2>"$work/mmdebstrap.log" ||
    skip "mmdebstrap: $(tail -n 1 "$work/mmdebstrap.log")"
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
mkdir -p "$root/debs/new" "$root/debs/old"
cp "$work"/once/*.deb "$root/debs/new/"
rm -f "$root"/debs/new/*-dbgsym_*
# The former version: the same files, under a lower number.
for deb in "$root"/debs/new/*.deb; do
    dpkg-deb -R "$deb" "$work/former"
    sed -i 's/^Version: .*/Version: 0.0.9/; s/(= [0-9.]*)/(= 0.0.9)/; s/cloister (>= [0-9.]*)/cloister (>= 0.0.9)/' "$work/former/DEBIAN/control"
    dpkg-deb -b "$work/former" "$root/debs/old/" >/dev/null
    rm -rf "$work/former"
done

inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive sh -ec "$1"; }
# has WORDS COMMAND
has() { grep -qF -- "$1" <(inside "$2" 2>&1) || fail "$2: does not say '$1'"; }

# mmdebstrap leaves no lists of packages behind it.
inside 'apt-get -qq update' >"$work/apt.log" 2>&1 || skip "no mirror: $(tail -n 1 "$work/apt.log")"
inside 'apt-get -qq -y --no-install-recommends install /debs/old/*.deb' >"$work/apt.log" 2>&1 || fail "apt: $(tail -n 3 "$work/apt.log")"
has 'cloister 0' 'cloister --version'
has 'Usage: cloister uki build' 'cloister help uki build'
inside 'for page in man1/cloister-serve.1 man5/cloister-policy.5 man7/cloister.7; do test -s /usr/share/man/$page.gz; done' || fail "a man page is missing"
# A first use of each package.
inside 'cd /tmp && cloister secureboot keygen --output keys >/dev/null && test -s keys/db.key' || fail "keygen"
inside 'cd /tmp && cloister-sim snp --rsa-bits 2048 good' >/dev/null || fail "cloister-sim"
has snp.signature 'cd /tmp && cloister verify snp good/report.bin --cert good/table.bin --root "$(cat good/root)" || true'
inside 'test -x /usr/libexec/cloister/cloister-init' || fail "no cloister-init"
inside 'test -s /lib/systemd/system/cloister-broker.service && test ! -e /etc/systemd/system/multi-user.target.wants/cloister-broker.service' ||
    fail "the service is not there, or was enabled"

echo "the services"
inside 'apt-get -qq -y --no-install-recommends install systemd' >"$work/apt.log" 2>&1 || fail "apt: $(tail -n 3 "$work/apt.log")"
inside 'cd /lib/systemd/system && systemd-analyze verify --man=no cloister-*.service cloister-*.socket cloister-*.timer' >"$work/verify" 2>&1 ||
    fail "systemd-analyze verify: $(cat "$work/verify")"
grep cloister "$work/verify" && fail "systemd-analyze verify has something to say"
inside 'systemd-analyze security --offline=true --no-pager --threshold=15 /lib/systemd/system/cloister-broker.service' >"$work/security" 2>&1 ||
    fail "systemd-analyze security: $(tail -n 1 "$work/security")"

echo "upgraded, with what the owner changed"
inside 'echo CLOISTER_LISTEN=0.0.0.0:8443 >>/etc/cloister/broker.conf
    cloister serve --state /var/lib/cloister-broker --init --print-key /tmp/broker.pem'
inside 'apt-get -qq -y --no-install-recommends install /debs/new/*.deb' >"$work/apt.log" 2>&1 || fail "apt: $(tail -n 3 "$work/apt.log")"
has "$(dpkg-deb -f "$work"/once/cloister-broker_*.deb Version)" 'dpkg-query -W -f "\${Version}" cloister-broker'
has CLOISTER_LISTEN=0.0.0.0:8443 'cat /etc/cloister/broker.conf'
inside 'cloister serve --state /var/lib/cloister-broker --print-key - | cmp - /tmp/broker.pem' || fail "the upgrade changed the broker's key"

echo "the tutorials"
tests/packages/tutorials.sh "$root" || { [ $? = 77 ] || fail "a tutorial"; }

echo "removed"
inside 'apt-get -qq -y purge cloister cloister-broker cloister-guest cloister-sim cloister-doc libcloister0 libcloister-dev' >"$work/apt.log" 2>&1 ||
    fail "apt: $(tail -n 3 "$work/apt.log")"
left=$(inside 'find / -xdev -name "*cloister*" -not -path "/proc/*" -not -path "/debs/*" -not -path "/tmp/*"')
[ "$left" = /var/lib/cloister-broker ] || fail "left after removal: $left"
rm -rf "${root:?}"
echo "good"
