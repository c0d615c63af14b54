#!/bin/bash
# tutorials.sh ROOT: the three tutorials as they stand, in a Debian in which the packages are installed and nothing else of Cloister's. What the pages say
# one needs besides is installed from the mirror; nothing has a stand-in. Exit status 77: the mirror has not what the pages name.
# shellcheck disable=SC2016 # single quotes: for the shell in the root, or a page's own
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/cli/pages_lib.sh
. "$here/cli/pages_lib.sh"
root=$(realpath "$1")
fail() { echo "FAIL: tutorials: $1" >&2; exit 1; }

# What the pages name, and their own scripts.
grep -q '`mmdebstrap fakeroot e2fsprogs dosfstools mtools ovmf systemd-boot-efi jq`' "$here/../docs/tutorials/builder.md" || fail "builder: other packages are named than are tried"
tools='mmdebstrap fakeroot e2fsprogs dosfstools mtools ovmf systemd-boot-efi jq curl ca-certificates'
for page in builder operator auditor; do
    script_of "$here/../docs/tutorials/$page.md" >"$root/tmp/$page.sh"
done

# inside SCRIPT: as root in the root, with /proc of its own, which goes when it ends.
inside() {
    unshare --mount --pid --fork sh -ec 'mount -t proc proc "$1/proc"
        exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive bash -ec "$2"' sh "$root" "$1"
}
inside "apt-get -qq -y --no-install-recommends install $tools" >"$root/tmp/apt.log" 2>&1 || { echo "SKIP: tutorials: $(tail -n 1 "$root/tmp/apt.log")"; exit 77; }
for page in builder operator auditor; do
    started=$SECONDS
    inside "rm -rf /tmp/$page && mkdir /tmp/$page && cd /tmp/$page && bash ../$page.sh" >"$root/tmp/$page.out" 2>&1 </dev/null || fail "$page: $(tail -n 3 "$root/tmp/$page.out")"
    echo "tutorial $page: $((SECONDS - started)) s"
done
[ -s "$root/tmp/builder/demo.img" ] || fail "builder: no image"
[ -s "$root/tmp/auditor/rapport.html" ] || fail "auditor: no French page"
