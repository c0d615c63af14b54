# shellcheck shell=bash
# initrds_lib.sh: a Debian with dracut and initramfs-tools, and disks whose UKIs have one of their initrds. Sourced after vm.sh; wants root,
# for chroot.

INITRDS_LIBDIR=/usr/lib/x86_64-linux-gnu
INITRDS_TREE=

# Debian 12 with both, cryptsetup and what opens systemd's tokens.
initrds_fetch() {
    local packages=systemd,systemd-sysv,udev,dbus,kmod,dracut-core,initramfs-tools,cryptsetup-bin,cryptsetup-initramfs,busybox,zstd,cpio
    packages+=,tpm2-tools,libtss2-esys-3.0.2-0,libtss2-rc0,libtss2-mu0,libtss2-tcti-device0,libjansson4,libjose0,libgmp10
    packages+=,libevent-core-2.1-7,libevent-extra-2.1-7,libevent-openssl-2.1-7
    lab_fetch_debian "$LAB_CACHE/initrds.tar" "$packages"
}

# configured SOURCE FILE [MODE]: as meson installs it below /usr.
initrds_configured() {
    mkdir -p "$(dirname "$2")"
    sed -e 's|@libexec@|/usr/libexec/cloister|g' -e "s|@libdir@|$INITRDS_LIBDIR|g" -e 's|@docdir@|/usr/share/doc/cloister|g' \
        "packaging/$1" >"$2"
    chmod "${3:-644}" "$2"
}

# What the package cloister-guest brings for initrds, into the tree.
initrds_install() {
    local tree=$1 dracut=$1/usr/lib/dracut/modules.d/99cloister tools=$1/usr/share/initramfs-tools unit
    mkdir -p "$tree/usr/libexec/cloister" "$tree$INITRDS_LIBDIR/cryptsetup"
    cp "$LAB_BUILD/guest/cloister-initrd" "$tree/usr/libexec/cloister/"
    cp "$LAB_BUILD/guest/libcryptsetup-token-cloister.so" "$tree$INITRDS_LIBDIR/cryptsetup/"
    initrds_configured dracut/module-setup.sh "$dracut/module-setup.sh" 755
    for unit in cloister-initrd.service cloister-initrd-end.service cryptsetup.conf emergency.conf; do
        initrds_configured "dracut/$unit.in" "$dracut/$unit"
    done
    initrds_configured initramfs-tools/hook "$tools/hooks/cloister" 755
    for unit in local-top local-bottom panic; do
        initrds_configured "initramfs-tools/$unit" "$tools/scripts/$unit/cloister" 755
    done
}

# What the root says as soon as it runs: where it is mounted from, and how long the initrd took, from /init's start to that of its own init.
# Nothing that comes later is of interest here: the boot ends at its last line.
# shellcheck disable=SC2034 # read by those who source this
INITRDS_UNTIL='at-boot: initrd'
initrds_at_boot() {
    local units=$1/etc/systemd/system
    mkdir -p "$1/opt" "$units/sysinit.target.wants"
    cat >"$1/opt/at-boot" <<'END'
#!/bin/sh
exec >/dev/console 2>&1
started=$(dmesg | sed -n 's/^\[ *\([0-9]*\)\.\([0-9]*\)\] Run .* as init process.*/\1\2/p' | head -n 1)
root=$(systemctl show --property UserspaceTimestampMonotonic --value)
echo "at-boot: root $(sed -n 's,^\([^ ]*\) / .*,\1,p' /proc/mounts | tail -n 1)"
echo "at-boot: initrd $(((root - started) / 1000)) ms"
END
    chmod 755 "$1/opt/at-boot"
    printf '[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart=/opt/at-boot\n' >"$units/at-boot.service"
    ln -sf ../at-boot.service "$units/sysinit.target.wants/at-boot.service"
}

# The root: what Debian's packages bring, the lab's kernel and our files.
initrds_tree() {
    local release
    INITRDS_TREE=$LAB/tree
    release=$(lab_kernel_release)
    mkdir -p "$INITRDS_TREE"
    tar -x -f "$LAB_CACHE/initrds.tar" -C "$INITRDS_TREE" --exclude './dev/*'
    mkdir -p "$INITRDS_TREE/usr/lib/modules"
    cp -r "$LAB_CACHE/kernel/lib/modules/$release" "$INITRDS_TREE/usr/lib/modules/"
    rm -f "$INITRDS_TREE/usr/lib/modules/$release"/{build,source}
    # What mkinitramfs looks up in it.
    printf 'CONFIG_RD_ZSTD=y\nCONFIG_RD_GZIP=y\n' >"$INITRDS_TREE/boot/config-$release"
    echo cloister-demo >"$INITRDS_TREE/etc/hostname"
    : >"$INITRDS_TREE/etc/machine-id"
    echo '/dev/mapper/root / ext4 defaults 0 0' >"$INITRDS_TREE/etc/fstab"
    ln -sf /dev/null "$INITRDS_TREE/etc/systemd/system/e2scrub_reap.service"
    initrds_at_boot "$INITRDS_TREE"
    initrds_install "$INITRDS_TREE"
}

# initrds_chroot COMMAND…: in the tree, with the file systems that tools want.
initrds_chroot() {
    local status=0
    # shellcheck disable=SC2016 # the inner shell's
    unshare --mount sh -c '
        mount -t proc proc "$0/proc" && mount -t sysfs sysfs "$0/sys" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"' \
        "$INITRDS_TREE" "$@" || status=$?
    return "$status"
}

# initrds_config WAY: /etc/cloister/guest.json and /etc/crypttab for it, as an administrator writes them.
initrds_config() {
    local way=$1 options=luks,headless=true,x-initrd.attach
    [ "$way" = broker ] || options=$options,tpm2-device=auto
    mkdir -p "$INITRDS_TREE/etc/cloister"
    jq -n --arg url "https://10.0.2.2:$LAB_PORT" --arg way "$way" --arg key "$(grep -v -- ----- "$LAB/broker.pem" | tr -d '\n')" \
        '{version: 1, name: "demo", broker: {url: $url, key: $key}, resource: "default/disk/demo", network: {mode: "dhcp"},
          retry_seconds: 300, modules: [], unlock: $way, host: {allow: ["report"]}}' >"$INITRDS_TREE/etc/cloister/guest.json"
    echo "root PARTLABEL=root none $options" >"$INITRDS_TREE/etc/crypttab"
}

# initrds_make TOOL OUTPUT
initrds_make() {
    local release
    release=$(lab_kernel_release)
    if [ "$1" = dracut ]; then
        initrds_chroot dracut --force --no-hostonly --zstd --kver "$release" /initrd.img >"$2.log" 2>&1
    else
        initrds_chroot mkinitramfs -o /initrd.img "$release" >"$2.log" 2>&1
    fi && mv "$INITRDS_TREE/initrd.img" "$2"
}

# An emulated machine next to others is slow: what waits for its disk has more than a minute and a half, and what waits for its network
# (above) more than twenty seconds.
INITRDS_CMDLINE="$LAB_CMDLINE root=/dev/mapper/root rw systemd.default_timeout_start_sec=900"

# initrds_disk NAME INITRD [CMDLINE]: $LAB/NAME.img, the demo image with another UKI, and its reference.
initrds_disk() {
    cloister uki build --kernel "$LAB_CACHE/kernel/vmlinuz" --stub "$LAB_CACHE/kernel/stub.efi" --initrd "$2" --cmdline "${3:-$INITRDS_CMDLINE}" \
        --key "$LAB/keys/db.key" --cert "$LAB/keys/db.crt" --output "$LAB/$1.efi" >/dev/null &&
        lab_replace_uki "${4:-$LAB/demo.img}" "$LAB/$1.efi" "$LAB/$1.img" &&
        cp "$LAB/demo.disk.json" "$LAB/$1.disk.json" &&
        cloister measure image "$LAB/$1.img" --varstore "$LAB/vars.fd" --built "$LAB/demo.ref.json" --output "$LAB/$1.ref.json" >/dev/null
}

# initrds_image OUTPUT [OPTION]…: the tree, encrypted, with a UKI of ours; $LAB/disk.key for the first.
initrds_image() {
    LAB_ROOT=$INITRDS_TREE lab_image "$@" --esp-size 128M
}

# Keys, a broker, and the root's image with the broker's token in its header.
initrds_begin() {
    lab_keys
    lab_broker_start
    initrds_tree
    initrds_image "$LAB/demo.img" "$LAB_CMDLINE" >/dev/null
    initrds_header_out "$LAB/demo.img"
    echo '{"type":"cloister","keyslots":["0"],"resource":"default/disk/demo"}' | cryptsetup token import --json-file - "$LAB/header"
    initrds_header_in "$LAB/demo.img"
}

# initrds_both broker|tpm: the two initrds and disks for it, dracut-broker and tools-broker, or dracut-tpm and tools-tpm.
initrds_both() {
    local tool way=$1
    initrds_config "$way"
    for tool in dracut tools; do
        initrds_make "$tool" "$LAB/$tool-$way.initrd" || lab_fail "$tool: $(tail -n 3 "$LAB/$tool-$way.initrd.log")" || return
        initrds_disk "$tool-$way" "$LAB/$tool-$way.initrd" || return
    done
}

# initrds_machine NAME: a copy of the machine as it was calibrated, for the boots from now on. A TPM counts each end without a shutdown after
# systemd's key was used as a wrong guess, and takes three.
initrds_machine() {
    rm -rf "${LAB:?}/$1"
    cp -r "$LAB/vm" "$LAB/$1"
    # shellcheck disable=SC2034 # lab_boot reads them
    LAB_TPM=$LAB/$1/tpm LAB_VARS=$LAB/$1/vars.fd
}

# initrds_seal NAME: its header gets a token of systemd's, for the registers that its reference foretells and the lab's TPM. systemd 252
# knows the older primary alone.
initrds_seal() {
    local status=0 key=$LAB/disk.key
    [ ! -e "$LAB/$1.disk.key" ] || key=$LAB/$1.disk.key
    initrds_header_out "$LAB/$1.img"
    vm_with_tpm "${LAB_TPM:-$LAB/vm/tpm}" cloister seal "$LAB/header" --tpm "swtpm:$LAB/sock" --key "$key" --form systemd --legacy-primary \
        --reference "$LAB/$1.ref.json" --reference "$LAB/firmware.ref.json" --disk "$LAB/$1.disk.json" >"$LAB/$1.sealed" || status=$?
    initrds_header_in "$LAB/$1.img"
    return "$status"
}

# The LUKS2 header of an image, out of it and into it again: what stock tools work on.
initrds_header_out() {
    dd if="$1" of="$LAB/header" bs=1M skip="$(($(lab_root_offset "$1") >> 20))" count="${2:-32}" status=none
}
initrds_header_in() {
    dd if="$LAB/header" of="$1" bs=1M seek="$(($(lab_root_offset "$1") >> 20))" conv=notrunc status=none
}

# initrds_register NAME: as lab_register. Such an image's reference does not say what it takes from its host: guest.json alone does, in the UKI.
initrds_register() {
    cloister key remove --state "$LAB/broker" default/disk/demo 2>/dev/null || true
    lab_policy && jq 'del(.host_inputs)' "$LAB/policy.json" >"$LAB/$1.policy.json" &&
        cloister key put --state "$LAB/broker" default/disk/demo "$LAB/disk.key" --policy "$LAB/$1.policy.json" --disk "$LAB/$1.disk.json" \
            --forget-generation --accept-weak "a pretend platform" --reference "$LAB/$1.ref.json" --reference "$LAB/firmware.ref.json"
}
