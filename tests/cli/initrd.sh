#!/bin/bash
# What dracut's and initramfs-tools' initrds get: cloister-initrd reads guest.json as the guest will, ends no machine that is not in its
# initrd, and the module and the hook take in what the file asks for, other makers' plug-ins taken out.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
initrd=$(absolute "$2") plugin=$(absolute "$3")
packaging=$CLOISTER_TESTS/../packaging
cd "$work" || exit 4
skip_without openssl jq

openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 2>/dev/null | openssl pkey -pubout -outform DER 2>/dev/null >key.der
[ -s key.der ] || fail "a key"
config() { # WAY [FILTER]
    jq -n --arg way "$1" --arg key "$(base64 -w 0 key.der)" '{version: 1, name: "demo", broker: {url: "https://10.0.2.2:8443", key: $key},
        resource: "default/disk/demo", network: {mode: "dhcp"}, retry_seconds: 20, modules: [], unlock: $way} | '"${2:-.}" >guest.json
}

# tokens WAY WORDS: what is tried, in its order.
tokens() {
    config "$1"
    [ "$("$initrd" tokens guest.json | tr '\n' ' ')" = "$2" ] || fail "$1: $("$initrd" tokens guest.json 2>&1)"
}
tokens broker "cloister "
tokens tpm "systemd-tpm2 "
tokens tpm-or-broker "systemd-tpm2 cloister "
config broker 'del(.unlock)'
[ "$("$initrd" tokens guest.json)" = cloister ] || fail "not said: not the broker"

# refused NAME STATUS WORDS COMMAND…: one line.
refused() {
    local name=$1 wanted=$2 words=$3 status=0
    shift 3
    "$@" >out 2>err </dev/null || status=$?
    [ "$status" = "$wanted" ] || fail "$name: exit status $status, expected $wanted"
    [ ! -s out ] || fail "$name: prints $(cat out)"
    [ "$(wc -l <err)" = 1 ] || fail "$name: not one line: $(cat err)"
    grep -qF -- "$words" err || fail "$name: does not say '$words': $(cat err)"
}
config both
refused "shares" 3 'unlock: "both" is for cloister-init alone' "$initrd" tokens guest.json
config elsewhere
refused "another way" 3 '"elsewhere" is not a way' "$initrd" tokens guest.json
config broker '.disk_key = "00"'
refused "a member that is not known" 3 disk_key "$initrd" tokens guest.json
refused "no file" 3 "none.json" "$initrd" tokens none.json

# A system that runs is not ended, and nothing is measured in it. Were it otherwise, this would be without the right to.
if command -v setpriv >/dev/null && [ "$(stat -f -c %T /)" != tmpfs ] && [ "$(stat -f -c %T /)" != ramfs ]; then
    for command in begin end failed tokens; do
        refused "$command outside of an initrd" 2 "in an initrd alone" setpriv --bounding-set -sys_boot,-sys_admin -- "$initrd" "$command"
    done
fi

# --- The module and the hook, with stand-ins for the functions of those who call them ---
mkdir -p libexec lib/cryptsetup modules
cp "$initrd" libexec/cloister-initrd
cp "$plugin" lib/cryptsetup/libcryptsetup-token-cloister.so
cp "$plugin" lib/cryptsetup/libcryptsetup-token-systemd-tpm2.so
configured() { sed -e "s|@libexec@|$work/libexec|g" -e "s|@libdir@|$work/lib|g" -e 's|@docdir@|/usr/share/doc/cloister|g' "$packaging/$1"; }

# dracut WAY: into root/, an initrd that another module has brought a plug-in into already.
dracut() {
    rm -rf root system
    mkdir -p root/usr/lib/cryptsetup system/etc/cloister
    : >root/usr/lib/cryptsetup/libcryptsetup-token-other.so
    config "$1" "${2:-.}"
    cp guest.json system/etc/cloister/
    printf '%s\n' '# a comment x-initrd.attach' "root PARTLABEL=root ${crypttab:-none luks,headless=true,x-initrd.attach}" 'data PARTLABEL=data none luks' >system/etc/crypttab
    for file in usr/lib/systemd/system-generators/systemd-{hibernate-resume,gpt-auto,cryptsetup,debug,run,import}-generator usr/lib/systemd/systemd-hibernate-resume \
        usr/lib/systemd/system/debug-shell.service \
        usr/lib/systemd/system/systemd-hibernate-resume@.service etc/cmdline.d/95resume.conf lib/dracut/hooks/cmdline/10-parse-resume.sh; do
        mkdir -p "root/${file%/*}" && : >"root/$file"
    done
    # shellcheck disable=SC2034,SC2317 # dracut's: its module reads and calls them
    (
        initdir=$work/root dracutsysrootdir=$work/system moddir=$packaging/dracut systemdsystemunitdir=/units udevrulesdir=/rules sysusers=/users SYSTEMCTL=true
        inst_simple() { mkdir -p "$(dirname "root${2:-$1}")" && : >"root${2:-$1}"; }
        inst_binary() { :; }
        inst_multiple() { :; }
        inst_libdir_file() {
            local file
            for file; do [ ! -e "lib/$file" ] || cp "lib/$file" "root/usr/lib/cryptsetup/"; done
        }
        dfatal() { echo "$*" >&2; }
        require_binaries() { :; }
        configured dracut/module-setup.sh | sed "s|\\\$dracutsysrootdir\\\$libexec|\$libexec|g" >module
        # shellcheck source=/dev/null
        . ./module
        check && install
    ) >log 2>&1
}
plug_ins() { (cd root && find . -name 'libcryptsetup-token-*.so' -exec basename {} .so \;) | sed 's/libcryptsetup-token-//' | sort | tr '\n' ' '; }

dracut broker || fail "dracut: $(cat log)"
[ "$(plug_ins)" = "cloister " ] || fail "dracut, broker: plug-ins $(plug_ins)"
[ "$(cat root/etc/crypttab)" = 'root PARTLABEL=root none luks,headless=true,x-initrd.attach' ] || fail "dracut: crypttab: $(cat root/etc/crypttab)"
grep -q 'rd.shell=0 rd.emergency=poweroff' root/etc/cmdline.d/99cloister.conf || fail "dracut: a shell"
for unit in emergency rescue dracut-emergency systemd-cryptsetup@; do
    [ -e "root/etc/systemd/system/$unit.service.d/cloister.conf" ] || fail "dracut: $unit is as it was"
done
[ "$(readlink root/etc/systemd/system/systemd-pcrphase-initrd.service)" = /dev/null ] || fail "dracut: the phase is measured twice"
left=$(cd root && find . -name '*resume*' -o -name '*gpt-auto*')
[ -z "$left" ] || fail "dracut: starts another system: $left"
left=$(cd root && find . -name 'debug-shell*' -o -name '*-debug-*' -o -name '*-run-*' -o -name '*-import-*')
[ -z "$left" ] || fail "dracut: takes orders: $left"
[ -e root/usr/lib/systemd/system-generators/systemd-cryptsetup-generator ] || fail "dracut: the disk's generator is gone"
for crypttab in 'none luks,x-initrd.attach' '/etc/disk.key luks,headless=true,x-initrd.attach' 'none luks,headless=false,x-initrd.attach'; do
    ! dracut broker || fail "dracut: asks for a passphrase: $crypttab"
    grep -q 'expected no key file, and headless=true' log || fail "dracut, $crypttab: $(cat log)"
done
crypttab='none luks,headless,x-initrd.attach'
dracut broker || fail "dracut, headless: $(cat log)"
crypttab='/dev/urandom swap,x-initrd.attach'
dracut broker || fail "dracut, a key of each boot's own: $(cat log)"
crypttab=
dracut tpm || fail "dracut, tpm: $(cat log)"
[ "$(plug_ins)" = "systemd-tpm2 " ] || fail "dracut, tpm: plug-ins $(plug_ins)"
! dracut both || fail "dracut: makes an initrd that cannot open its disk"
grep -q 'does not say how to open a disk' log || fail "dracut, both: $(cat log)"

# hook WAY CRYPTTAB
hook() {
    rm -rf root
    mkdir -p root/conf root/usr/lib/cryptsetup root/scripts/local-premount root/bin
    : >root/scripts/local-premount/resume
    : >root/bin/resume
    : >root/usr/lib/cryptsetup/libcryptsetup-token-other.so
    config "$1"
    echo "$2" >crypttab
    cat >functions <<'END'
copy_exec() { [ -e "$1" ] && mkdir -p "root/usr/lib/cryptsetup" && case $1 in *libcryptsetup-token-*) cp "$1" root/usr/lib/cryptsetup/ ;; esac; }
copy_file() { mkdir -p root/etc/cloister && cp "$2" root/etc/cloister/; }
manual_add_modules() { :; }
END
    configured initramfs-tools/hook | sed -e "s|/usr/share/initramfs-tools/hook-functions|$work/functions|" -e "s|config=.*|config=$work/guest.json|" \
        -e "s|/etc/crypttab|$work/crypttab|g" -e 's|copy_exec /sbin/cryptsetup|:|' >hook
    DESTDIR=root sh ./hook >log 2>&1
}
hook broker 'root PARTLABEL=root none luks,x-initrd.attach,discard' || fail "hook: $(cat log)"
[ "$(plug_ins)" = "cloister " ] || fail "hook, broker: plug-ins $(plug_ins)"
[ "$(cat root/conf/cloister/crypttab)" = 'root PARTLABEL=root luks,x-initrd.attach,discard' ] || fail "hook: crypttab: $(cat root/conf/cloister/crypttab)"
left=$(cd root && find . -name '*resume*')
[ -z "$left" ] || fail "hook: starts a system that sleeps: $left"
hook tpm-or-broker 'root PARTLABEL=root none x-initrd.attach' || fail "hook, both ways: $(cat log)"
[ "$(plug_ins)" = "cloister systemd-tpm2 " ] || fail "hook, both ways: plug-ins $(plug_ins)"
! hook broker 'root PARTLABEL=root none luks' || fail "hook: makes an initrd that knows no disk"
grep -q 'no line of .* says x-initrd.attach' log || fail "hook, no disk: $(cat log)"
! hook both 'root PARTLABEL=root none x-initrd.attach' || fail "hook: makes an initrd that cannot open its disk"

# --- The script before the root is looked for: each type of token in its order, and what is not opened ends the machine ---
mkdir -p bin
cat >functions.top <<'END'
resolve_device() { [ "$1" = PARTLABEL=root ] && echo /dev/root-partition; }
wait_for_udev() { :; }
END
# shellcheck disable=SC2016 # the stand-ins' own
printf '%s\n' '#!/bin/sh' 'echo "initrd $*" >>"$SAID"' 'case $1 in begin) exit "${BEGIN:-0}" ;; tokens) printf "%s\n" $TOKENS ;; esac' >bin/cloister-initrd
# shellcheck disable=SC2016
printf '%s\n' '#!/bin/sh' 'echo "cryptsetup $*" >>"$SAID"' 'case $* in *"--token-type ${OPENS:-none} "*) exit 0 ;; esac' 'exit 1' >bin/cryptsetup
chmod +x bin/*
# top CRYPTTAB: what it calls, in said.
top() {
    echo "$1" >crypttab.top
    : >said
    configured initramfs-tools/local-top | sed -e "s|initrd=.*|initrd=$work/bin/cloister-initrd|" -e "s|^\. /scripts/functions|. $work/functions.top|" \
        -e "s|/conf/cloister/crypttab|$work/crypttab.top|" -e "s|/dev/console|$work/console|" -e 's|^mkdir .*||' >top
    PATH=$work/bin:$PATH SAID=$work/said sh ./top >log 2>&1
}
called() { # NAME LINE…
    local name=$1
    shift
    printf '%s\n' "$@" | cmp -s - said || fail "$name: calls $(cat said) $(cat log)"
}
open='cryptsetup open --type luks2 --token-only --token-type'
export TOKENS="systemd-tpm2 cloister" OPENS=cloister BEGIN=0
top 'root PARTLABEL=root luks,x-initrd.attach'
called "the second opens" "initrd begin" "initrd tokens" "$open systemd-tpm2 /dev/root-partition root" "$open cloister /dev/root-partition root"
OPENS=systemd-tpm2
top 'root PARTLABEL=root luks,discard,x-initrd.attach'
called "the first opens" "initrd begin" "initrd tokens" "$open systemd-tpm2 --allow-discards /dev/root-partition root"
OPENS=none TOKENS=cloister
top 'root PARTLABEL=root luks,x-initrd.attach'
called "none opens" "initrd begin" "initrd tokens" "$open cloister /dev/root-partition root" "initrd failed root"
BEGIN=1
top 'root PARTLABEL=root luks,x-initrd.attach' || true
called "the machine is refused" "initrd begin" "initrd failed"
configured initramfs-tools/local-bottom | sed "s|initrd=.*|initrd=$work/bin/cloister-initrd|" >bottom
# shellcheck disable=SC2016
printf '%s\n' '#!/bin/sh' 'echo "reboot $*" >>"$SAID"' >bin/reboot
# shellcheck disable=SC2016
sed -i 's/^case/[ "$1" != end ] || exit "${END:-0}"; case/' bin/cloister-initrd
chmod +x bin/reboot
: >said
PATH=$work/bin:$PATH SAID=$work/said sh ./bottom
called "the end" "initrd end"
: >said
PATH=$work/bin:$PATH SAID=$work/said END=139 sh ./bottom
called "a crash at the end" "initrd end" "initrd failed" "reboot -f"
exit "$failed"
