# shellcheck shell=bash
# converted_lib.sh: the same checks for every kind of disk and root that `image convert` takes. Converted by one command; each file as it
# was, by libext2fs and by the guest's kernel; booted by attestation, with every register as predicted; updated to a newer kernel from
# inside, by the hook that a package manager runs; and booted again, unattended, with that kernel. Sourced after vm.sh and judge_lib.sh.
#
#   converted_begin NAME                     the lab, its keys, a broker; skips where this cannot run
#   converted_tree FOLDER [debian|rpm]       a root with a kernel, files of every kind and what an update in the guest takes
#   converted_write FOLDER SCRIPT NAME=FILE… disks that a kernel wrote: a guest with the tree's archive as disk "tree" sources SCRIPT
#                                            (/bin/tar by its path: busybox has one of its own, without attributes)
#   converted NAME INPUT FOLDER [OPTION]…    the checks; FOLDER is what INPUT was made from

CONVERTED_KEPT=srv/kept

converted_begin() {
    local tool
    PATH=$PATH:/usr/sbin:/sbin
    [ "$(id -u)" = 0 ] || { echo "SKIP: owners, devices and attributes of a root are root's to make" && exit 77; }
    for tool in busybox cryptsetup python3 tar dmsetup integritysetup veritysetup modprobe xz; do
        command -v "$tool" >/dev/null || { echo "SKIP: $tool is not installed" && exit 77; }
    done
    lab_fetch_cloud_root || { echo "SKIP: no Debian with a kernel can be fetched" && exit 77; }
    # shellcheck disable=SC2034 # lab_boot's
    LAB_TIMEOUT=1200 # a kernel becomes a UKI in an emulated machine
    vm_ground "$1"
}

# --- What is converted ---

converted_release() { ls "$1/usr/lib/modules"; }

# The program, its libraries, and what signs and installs an update in the guest, below /opt.
converted_program() {
    local tree=$1 library program
    mkdir -p "$tree/opt/lib" "$tree/usr/local/bin" "$tree/etc/cloister" "$tree/etc/ld.so.conf.d"
    cp "$LAB_BUILD/cli/cloister-full" "$LAB_INIT" "$LAB_BUILD/tests/vm/manifest" "$LAB_CACHE/kernel/stub.efi" "$LAB/keys/db.key" "$LAB/keys/db.crt" "$tree/opt/"
    ldd "$LAB_BUILD/cli/cloister-full" "$LAB_INIT" "$LAB_BUILD/tests/vm/manifest" | grep -o '/[^ :]*' | grep '\.so' | sort -u |
        while read -r library; do cp -L "$library" "$tree/opt/lib/"; done
    # What is loaded by name.
    find /usr/lib /lib -name 'libtss2-tcti-device.so*' -exec cp -L {} "$tree/opt/lib/" \; 2>/dev/null || true
    echo /opt/lib >"$tree/etc/ld.so.conf.d/00-opt.conf" # where the new initrd has cloister-init's libraries from
    program=$(sed -n 's/^ExecStart=\([^ ]*\) .*/\1/p' "$LAB_BUILD/packaging/cloister-update-good.service")
    mkdir -p "$tree$(dirname "$program")" "$tree/usr/libexec/cloister"
    # shellcheck disable=SC2016 # the script's own
    printf '#!/bin/sh\nexec /opt/lib/ld-linux-x86-64.so.2 --library-path /opt/lib /opt/cloister-full "$@"\n' >"$tree$program"
    # shellcheck disable=SC2016 # the script's own
    printf '#!/bin/sh\nexec %s uki sign "$1" --key /opt/db.key --cert /opt/db.crt --output "$2"\n' "$program" >"$tree/opt/sign"
    echo 'CLOISTER_UPDATE="--sign-command /opt/sign --stub /opt/stub.efi --init /opt/cloister-init"' >"$tree/etc/cloister/update.conf"
    # The package looks for it by its name alone.
    [ -e "$tree/usr/local/bin/cloister" ] || ln -s "$program" "$tree/usr/local/bin/cloister"
    cp packaging/guest/update-hook "$tree/usr/libexec/cloister/"
    chmod 755 "$tree$program" "$tree/opt/sign" "$tree/usr/libexec/cloister/update-hook"
}

# What a package manager runs after it installed a kernel, as each of them calls it; and the newer kernel, which is not there yet.
converted_hook() {
    local tree=$1 kind=$2 release
    release=$(lab_kernel_release)
    if [ "$kind" = rpm ]; then
        mkdir -p "$tree/usr/lib/kernel/install.d"
        sed 's|@libexec@|/usr/libexec/cloister|; s|@sysconfdir@|/etc|' packaging/guest/90-cloister.install >"$tree/usr/lib/kernel/install.d/90-cloister.install"
        chmod 755 "$tree/usr/lib/kernel/install.d/90-cloister.install"
        echo "kernel-install add $release /usr/lib/modules/$release/vmlinuz" >"$tree/opt/new-kernel"
    else
        mkdir -p "$tree/etc/kernel/postinst.d"
        sed 's|@libexec@|/usr/libexec/cloister|' packaging/guest/zz-cloister >"$tree/etc/kernel/postinst.d/zz-cloister"
        chmod 755 "$tree/etc/kernel/postinst.d/zz-cloister"
        # The distribution's own initrd takes minutes in an emulated machine, and is not what starts here.
        echo "/etc/kernel/postinst.d/zz-cloister $release /boot/vmlinuz-$release" >"$tree/opt/new-kernel"
    fi
    mkdir -p "$tree/opt/kernel"
    cp -r "$LAB_CACHE/kernel/lib/modules/$release" "$tree/opt/kernel/"
    rm -f "$tree/opt/kernel/$release"/{build,source}
    cp "$LAB_CACHE/kernel/vmlinuz" "$tree/opt/kernel/$release/vmlinuz"
}

# What runs at each boot, and tells the console: that the kernel reads the files as they were, which kernel it is; at the first, the update.
converted_units() {
    local tree=$1 units=$1/etc/systemd/system release
    release=$(lab_kernel_release)
    mkdir -p "$units/multi-user.target.wants" "$units/cloister-update-good.service.d"
    cp "$LAB_BUILD/packaging/cloister-update-good.service" "$units/"
    printf '[Service]\nStandardOutput=journal+console\nStandardError=journal+console\n' >"$units/cloister-update-good.service.d/console.conf"
    cat >"$tree/opt/at-boot" <<END
#!/bin/sh
exec >/dev/console 2>&1
PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin
echo "at-boot: kernel \$(uname -r)"
/opt/lib/ld-linux-x86-64.so.2 --library-path /opt/lib /opt/manifest /$CONVERTED_KEPT | LC_ALL=C sort >/run/kept
awk -F '\t' -f /opt/manifest.awk /run/kept | cmp - /opt/kept && echo "at-boot: each file as it was"
cloister update --status
if [ ! -e /var/updated ]; then
    : >/var/updated
    mv /opt/kernel/$release /usr/lib/modules/
    cp /usr/lib/modules/$release/vmlinuz /boot/vmlinuz-$release
    sh /opt/new-kernel
fi
sync
echo "at-boot: end"
END
    chmod 755 "$tree/opt/at-boot"
    printf '[Unit]\nAfter=multi-user.target\n[Service]\nType=oneshot\nTimeoutStartSec=infinity\nExecStart=/opt/at-boot\n' >"$units/at-boot.service"
    ln -s ../at-boot.service "$units/multi-user.target.wants/"
    ln -s ../cloister-update-good.service "$units/multi-user.target.wants/"
    # It looks for snapshots of LVM's for minutes where a machine is emulated, and multi-user waits for it.
    ln -sf /dev/null "$units/e2scrub_reap.service"
}

# Names of one inode: the number is the file system's, the first of the names is not.
# shellcheck disable=SC2016 # awk's own
CONVERTED_AWK='BEGIN { OFS = "\t" }
$2 != "-" { if (!($2 in first)) first[$2] = $1; $2 = first[$2] }
{ print }'

converted_unpack() {
    mkdir -p "$1"
    tar -x -f "$LAB_CACHE/cloud.tar" -C "$1" --numeric-owner --exclude './dev/*'
    rm -rf "${1:?}"/var/cache/* "${1:?}"/usr/share/{doc,man,locale,bash-completion}/*
}

# The same programs as a distribution of rpms installs them: a few packages with all of the files, and a database of them.
converted_rpms() {
    local from=$1 tree=$2 work=$3 name release
    release=$(converted_release "$from")
    (cd "$from" && find . -mindepth 1 -printf '%y /%P\n') | sed 's/^d /%dir /; s/^. //; /[][?*{}"]/d' >"$work/files"
    grep "/usr/lib/modules/$release" "$work/files" >"$work/kernel-core.files"
    grep '^%dir' "$work/files" | grep -v "/usr/lib/modules/$release" >"$work/filesystem.files"
    grep -v -e '^%dir' -e "/usr/lib/modules/$release" "$work/files" >"$work/base-system.files"
    for name in filesystem kernel-core base-system; do
        {
            printf 'Name: %s\nVersion: %s\nRelease: 1\nSummary: %s\nLicense: see upstream\nAutoReqProv: no\n' $name "${release%%[-+]*}" $name
            printf '%%%%description\n%%%%files -f %s/%s.files\n' "$work" $name
        } >"$work/$name.spec"
        rpmbuild -bb --quiet --buildroot "$from" --noclean --define "_topdir $work/top" --define "_rpmdir $work" --define '_build_name_fmt %%{NAME}.rpm' \
            --define '__os_install_post %{nil}' --define 'debug_package %{nil}' --define '_build_id_links none' --define '_binary_payload w1.zstdio' \
            --define '_unpackaged_files_terminate_build 0' "$work/$name.spec" >"$work/$name.log" 2>&1 || { tail -n 5 "$work/$name.log"; return 1; }
    done
    rpm --force-debian --root "$tree" --dbpath /usr/lib/sysimage/rpm --nosignature --nodeps -i "$work"/{filesystem,kernel-core,base-system}.rpm
}

# A root of those packages: the kernel next to its modules, boot loader entries, SELinux's labels.
converted_rpm_root() {
    local tree=$1 from=$LAB/unpacked release
    converted_unpack "$from"
    release=$(converted_release "$from")
    mv "$from/boot/vmlinuz-$release" "$from/usr/lib/modules/$release/vmlinuz"
    rm -rf "${from:?}"/{boot,vmlinuz*,initrd*,etc/kernel,etc/fstab,var/lib/dpkg,var/lib/apt,etc/apt}
    mkdir -p "$from/boot" "$from/etc/kernel" "$LAB/rpms" "$tree"
    printf 'NAME="RPM test"\nID=rpmtest\nID_LIKE="fedora"\nVERSION_ID=1\nPRETTY_NAME="RPM test 1"\n' >"$from/usr/lib/os-release"
    converted_rpms "$(realpath "$from")" "$(realpath "$tree")" "$(realpath "$LAB/rpms")" || return
    rm -rf "${from:?}" "${LAB:?}/rpms"
    mkdir -p "$tree/boot/loader/entries" "$tree/boot/grub2"
    cp "$tree/usr/lib/modules/$release/vmlinuz" "$tree/boot/vmlinuz-$release"
    head -c 100000 /dev/urandom >"$tree/boot/initramfs-$release.img"
    # shellcheck disable=SC2016 # variables of GRUB's
    printf 'title RPM test (%s)\nversion %s\nlinux /vmlinuz-%s\ninitrd /initramfs-%s.img $tuned_initrd\noptions root=UUID=%s ro %s $tuned_params\n' \
        "$release" "$release" "$release" "$release" "$CONVERTED_ROOT" "$LAB_CMDLINE" >"$tree/boot/loader/entries/rpmtest-$release.conf"
}

converted_label() {
    python3 - "$1" <<'PY'
import os, sys
for folder, folders, files in os.walk(sys.argv[1]):
    for name in [""] + files + [f for f in folders if os.path.islink(os.path.join(folder, f))]:
        path = os.path.join(folder, name)
        kind = "shadow" if name.startswith("shadow") else next((kind for kind in ("etc", "bin", "lib", "boot", "var") if f"/{kind}" in path), "usr")
        os.setxattr(path, "security.selinux", b"system_u:object_r:%s_t:s0\0" % kind.encode(), follow_symlinks=False)
PY
}

CONVERTED_ROOT=6b1e0d3a-5d4c-4f0e-9a51-2f4b0c1d0012
# shellcheck disable=SC2034 # for those who source this
CONVERTED_BOOT=6b1e0d3a-5d4c-4f0e-9a51-2f4b0c1d0011

converted_tree() {
    local tree=$1 kind=${2:-debian}
    if [ "$kind" = rpm ]; then
        converted_rpm_root "$tree" || return
    else
        converted_unpack "$tree"
        sed -i "s/^GRUB_CMDLINE_LINUX_DEFAULT=.*/GRUB_CMDLINE_LINUX_DEFAULT=\"$LAB_CMDLINE\"/" "$tree/etc/default/grub"
    fi
    mknod -m 600 "$tree/dev/console" c 5 1
    mknod -m 660 "$tree/dev/far" b 259 70000
    echo converted >"$tree/etc/hostname"
    : >"$tree/etc/machine-id"
    python3 tests/vm/kept.py "$tree/$CONVERTED_KEPT"
    converted_program "$tree"
    converted_hook "$tree" "$kind"
    converted_units "$tree"
    printf '%s\n' "$CONVERTED_AWK" >"$tree/opt/manifest.awk"
    : >"$tree/etc/fstab"
    [ "$kind" != rpm ] || converted_label "$tree"
    converted_manifest "$tree/$CONVERTED_KEPT" "$LAB/kept"
    cp "$LAB/kept" "$tree/opt/kept"
}

converted_manifest() { "$LAB_BUILD/tests/vm/manifest" "$1" | LC_ALL=C sort | awk -F '\t' "$CONVERTED_AWK" >"$2"; }

# The archive. ACLs as attributes: --acls would write names.
converted_tar() {
    tar --format=posix --pax-option=delete=atime,delete=ctime --xattrs --xattrs-include='*' --numeric-owner --sparse -C "$1" -cf "$2" .
}

# The tools and modules of judge_initrd, and JUDGE_TOOLS and JUDGE_MODULES of the caller's.
converted_write() {
    local tree=$1 script=$2
    shift 2
    converted_tar "$tree" "$LAB/tree.tar"
    JUDGE_TOOLS="tar ${JUDGE_TOOLS:-}" judge_initrd "$LAB/writer" "$script" && judge "$LAB/writer" "tree=$LAB/tree.tar" "$@" || return
    rm -f "$LAB/tree.tar"
    ! grep '^MARK ' "$LAB/writer/said" | grep -v ' 0$' || { cat "$LAB/writer/said"; return 1; }
}

# --- The checks ---

# What a conversion changes by design, and what the boot files of another partition become.
CONVERTED_CHANGED='^(/|lost\+found|etc|etc/fstab|etc/crypttab|boot(/.*)?|etc/kernel(/install\.d(/.*)?)?|etc/kernel/post(inst|rm)\.d/zz-update-grub)	'

converted_convert() {
    local input=$1
    shift
    rm -rf "$LAB"/demo.*
    cloister image convert "$input" "$LAB/demo.img" --allow-host report --name demo --stub "$LAB_CACHE/kernel/stub.efi" --init "$LAB_INIT" \
        --key "$LAB/keys/db.key" --cert "$LAB/keys/db.crt" --varstore "$LAB/vars.fd" --broker "https://10.0.2.2:$LAB_PORT" \
        --broker-key "$LAB/broker.pem" --retry-seconds 20 --unlock tpm-or-broker "$@"
}

# As the owner reads it, with the disk key.
converted_same() {
    local tree=$1 start
    start=$(lab_root_offset "$LAB/demo.img")
    dd if="$LAB/demo.img" of="$LAB/demo.luks" bs=1M iflag=skip_bytes,count_bytes skip="$start" conv=sparse status=none \
        count="$(cloister image inspect --json "$LAB/demo.img" | jq '.partitions[1].bytes')"
    rm -f "$LAB/vk"
    cryptsetup luksDump -q --dump-volume-key --volume-key-file "$LAB/vk" --key-file "$LAB/demo.disk.key" "$LAB/demo.luks" >/dev/null 2>&1 || return
    python3 tests/cli/decrypt.py "$LAB/demo.luks" "$LAB/vk" "$LAB/demo.ext4" || return
    rm -f "$LAB/demo.luks"
    e2fsck -fn "$LAB/demo.ext4" >"$LAB/e2fsck.log" 2>&1 || { tail "$LAB/e2fsck.log"; return 1; }
    converted_manifest "$tree" "$LAB/was" && converted_manifest "$LAB/demo.ext4" "$LAB/is" || return
    rm -f "$LAB/demo.ext4"
    grep -vE "$CONVERTED_CHANGED" "$LAB/was" >"$LAB/was.kept"
    grep -vE "$CONVERTED_CHANGED" "$LAB/is" >"$LAB/is.kept"
    echo "$(wc -l <"$LAB/was.kept") files compared"
    diff "$LAB/was.kept" "$LAB/is.kept" >"$LAB/differs" || { head -n 12 "$LAB/differs" | cut -c 1-300; return 1; }
}

converted_unattended() { jq -e -s 'any(.[]; .kind == "unattended")' "$LAB/$1.jsonl" >/dev/null; }

converted() {
    local name=$1 input=$2 tree=$3 old
    shift 3
    old=$(converted_release "$tree")
    # A machine of its own: what one image leaves in a TPM is not the next one's.
    LAB_TPM=$LAB/$name.vm/tpm LAB_VARS=$LAB/$name.vm/vars.fd
    mkdir -p "$LAB/$name.vm" && cloister_sim vtpm new "$LAB/platform" "$LAB_TPM" && cp "$LAB/vars.fd" "$LAB_VARS"
    vm_check "$name: one command" converted_convert "$input" "$@"
    [ -e "$LAB/demo.img" ] || return 0
    vm_check "$name: file by file" converted_same "$tree"
    cp "$LAB/demo.disk.key" "$LAB/disk.key"
    vm_check "$name: the broker knows it" lab_register demo
    vm_check "$name: first boot, by the broker" lab_boot "$name-first" "$LAB/demo.img" --until 'at-boot: end'
    vm_check "$name: with its own kernel" vm_says "$name-first" "at-boot: kernel $old"
    vm_check "$name: the registers" lab_compare "$name-first" enter-initrd
    vm_check "$name: evidence verifies" lab_verify "$name-first" enter-initrd
    vm_check "$name: the kernel reads each file as it was" vm_says "$name-first" "at-boot: each file as it was"
    vm_check "$name: an update, made and signed inside" vm_says "$name-first" 'installed: the next boot tries it'
    vm_check "$name: second boot" lab_boot "$name-second" "$LAB/demo.img" --until 'at-boot: end'
    vm_check "$name: unattended" converted_unattended "$name-second"
    vm_check "$name: with the new kernel" vm_says "$name-second" "at-boot: kernel $(lab_kernel_release)"
    vm_check "$name: which is kept" vm_says "$name-second" 'the update is good'
    unset LAB_TPM LAB_VARS
}
