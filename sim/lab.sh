# shellcheck shell=bash
# lab.sh: what the demo and the VM tests share. Sourced, from the top of the tree, by bash.
#
# Makes a Debian root and gets a kernel (from the mirrors this machine's apt is configured with), an image, a broker
# and a VM on a pretend platform; and the attacks on them. Nothing here decides anything: the decisions are those
# of the firmware, the guest and the broker, and a function that shows a refusal says which of them refused, and why.
#
#   LAB_BUILD   the build folder (default: build), or else each program by itself: LAB_CLOISTER, LAB_SIM, LAB_INIT
#   LAB_CACHE   what is slow to get, and kept: root file system, kernel, stub
#   LAB         this run's own folder; lab_begin empties it
#   LAB_TIMEOUT seconds that a boot may take (default: 300)

LAB_BUILD=${LAB_BUILD:-build}
LAB_CACHE=${LAB_CACHE:-build/lab/cache}
LAB_CLOISTER=${LAB_CLOISTER:-$LAB_BUILD/cli/cloister}
LAB_SIM=${LAB_SIM:-$LAB_BUILD/sim/cloister-sim}
LAB_INIT=${LAB_INIT:-$LAB_BUILD/guest/cloister-init}
# On a busy machine an emulated timer is late, which a kernel takes for a broken one: no_timer_check.
LAB_CMDLINE='console=ttyS0 quiet no_timer_check systemd.show_status=1'
LAB_PCRS='0 1 2 3 4 5 6 7 8 9 11 12 13 14 15'
LAB_BROKER_PID=
LAB_ATTACKER=
LAB_PORT=0

cloister() { "$LAB_CLOISTER" "$@"; }
cloister_sim() { "$LAB_SIM" "$@"; }

lab_fail() {
    echo "lab: $*" >&2
    return 1
}

# --- What is fetched, once ---

# The mirror that apt gets this release from, as "URI KEYRING".
lab_mirror() {
    local codename=$1 uri keyring
    uri=$(apt-get indextargets --format "\$(REPO_URI)|\$(RELEASE)|\$(COMPONENT)" 'Created-By: Packages' |
        awk -F'|' -v name="$codename" '$2 == name && $3 == "main" { print $1; exit }')
    [ -n "$uri" ] || lab_fail "apt is not configured for $codename" || return
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -e "$keyring" ] || lab_fail "$keyring is not there" || return
    echo "$uri $keyring"
}

# apt-get with a state of its own: the machine's package lists stay as they are.
lab_apt() {
    local state=$1
    shift
    apt-get -qq -o Dir::State="$state/state" -o Dir::State::lists="$state/lists" \
        -o Dir::State::status="$state/status" -o Dir::Cache="$state/cache" \
        -o Dir::Etc::sourcelist="$state/sources" -o Dir::Etc::sourceparts=/none \
        -o APT::Sandbox::User=root -o Debug::NoLocking=1 "$@"
}

# A state for lab_apt that knows release $1's packages; says where it is.
lab_apt_state() {
    local release=$1 mirror=$2 keyring=$3 state
    state=$(mktemp -d)
    mkdir -p "$state/state" "$state/lists/partial" "$state/cache/archives/partial"
    : >"$state/status"
    echo "deb [signed-by=$keyring arch=amd64] $mirror $release main" >"$state/sources"
    echo "$state"
    lab_apt "$state" update
}

# lab_unpack STATE PACKAGE…: into STATE/tree. Nothing is installed.
lab_unpack() {
    local state=$1 deb
    shift
    (cd "$state" && lab_apt "$state" download "$@") || return
    for deb in "$state"/*.deb; do dpkg -x "$deb" "$state/tree"; done
}

# The kernel image that linux-image-cloud-amd64 stands for, and systemd's stub, from release $1 into $2.
lab_fetch_release() {
    local release=$1 out=$2 mirror=$3 keyring=$4 state package=
    if state=$(lab_apt_state "$release" "$mirror" "$keyring"); then
        package=$(apt-cache -o Dir::State="$state/state" -o Dir::State::lists="$state/lists" \
            -o Dir::State::status="$state/status" -o Dir::Cache="$state/cache" \
            -o Dir::Etc::sourcelist="$state/sources" -o Dir::Etc::sourceparts=/none \
            depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    fi
    if [ -n "$package" ] && lab_unpack "$state" "$package" systemd-boot-efi; then
        mkdir -p "$out"
        cp "$state"/tree/boot/vmlinuz-* "$out/vmlinuz"
        cp "$state"/tree/boot/config-* "$out/config"
        cp "$state/tree/usr/lib/systemd/boot/efi/linuxx64.efi.stub" "$out/stub.efi"
        cp "$state/tree/usr/lib/systemd/boot/efi/addonx64.efi.stub" "$out/addon.efi" 2>/dev/null || true # from 254 on
        mkdir -p "$out/lib"
        # The modules lie below /lib or, in newer releases, below /usr/lib.
        cp -a "$state"/tree/*/lib/modules "$out/lib/" 2>/dev/null || cp -a "$state/tree/lib/modules" "$out/lib/"
        depmod -b "$out" "$(ls "$out/lib/modules")"
    fi
    rm -rf "$state"
    [ -e "$out/stub.efi" ]
}

# Debian 12's own kernel (6.1) knows no SEV-SNP or TDX guest, its stub no SMBIOS strings: the next release's are taken
# where its mirror has them.
lab_fetch_kernel() {
    local codename mirror keyring release candidates
    [ ! -e "$LAB_CACHE/kernel/complete" ] || return 0
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    read -r mirror keyring < <(lab_mirror "$codename") || return
    candidates=$codename
    [ "$codename" != bookworm ] || candidates="trixie bookworm"
    for release in $candidates; do
        rm -rf "$LAB_CACHE/kernel"
        if lab_fetch_release "$release" "$LAB_CACHE/kernel" "$mirror" "$keyring" 2>"$LAB_CACHE/apt.log"; then
            touch "$LAB_CACHE/kernel/complete"
            return 0
        fi
    done
    lab_fail "no kernel could be fetched: $(tail -n 1 "$LAB_CACHE/apt.log")"
}

# This machine's own release too, where another's kernel was taken: an older stub and kernel to compare with.
lab_fetch_old_kernel() {
    local codename mirror keyring
    [ ! -e "$LAB_CACHE/old/complete" ] || return 0
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    read -r mirror keyring < <(lab_mirror "$codename") || return
    lab_fetch_release "$codename" "$LAB_CACHE/old" "$mirror" "$keyring" 2>"$LAB_CACHE/apt.log" ||
        lab_fail "no kernel of $codename could be fetched: $(tail -n 1 "$LAB_CACHE/apt.log")" || return
    touch "$LAB_CACHE/old/complete"
}

# The next release's ukify and stub, where this one has none: a script, for the tests of formats. What it makes of the stub of
# systemd 252 has sections that overlap.
lab_fetch_ukify() {
    local codename mirror keyring state status=0 release=trixie
    [ ! -e "$LAB_CACHE/ukify" ] || return 0
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    read -r mirror keyring < <(lab_mirror "$codename") || return
    [ "$codename" = bookworm ] || release=$codename
    mkdir -p "$LAB_CACHE"
    state=$(lab_apt_state "$release" "$mirror" "$keyring" 2>"$LAB_CACHE/apt.log") || return
    { lab_unpack "$state" systemd-ukify systemd-boot-efi 2>"$LAB_CACHE/apt.log" &&
        cp "$state/tree/usr/lib/systemd/boot/efi/linuxx64.efi.stub" "$LAB_CACHE/ukify-stub.efi" &&
        cp "$state/tree/usr/bin/ukify" "$LAB_CACHE/ukify"; } || status=$?
    rm -rf "${state:?}"
    return "$status"
}

# A newer release's systemd-cryptenroll and systemd-cryptsetup with their libraries, to be started by its own ld.so: what seals
# and opens LUKS2 volumes there is held against ours.
lab_fetch_new_systemd() {
    local codename mirror keyring state release=forky out=$LAB_CACHE/systemd-forky
    [ ! -e "$out/complete" ] || return 0
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    read -r mirror keyring < <(lab_mirror "$codename") || return
    mkdir -p "$LAB_CACHE"
    state=$(lab_apt_state "$release" "$mirror" "$keyring" 2>"$LAB_CACHE/apt.log") || return
    if lab_unpack "$state" systemd systemd-cryptsetup libsystemd-shared libsystemd0 libc6 libcryptsetup12 libargon2-1 libjson-c5 \
        libdevmapper1.02.1 libblkid1 libmount1 libuuid1 libudev1 libselinux1 libpcre2-8-0 libcap2 libcrypt1 libacl1 libseccomp2 libpam0g libgcc-s1 libaudit1 \
        libcap-ng0 libssl3t64 zlib1g libzstd1 liblzma5 liblz4-1 libpopt0 libtss2-esys-3.0.2-0t64 libtss2-sys1t64 libtss2-mu-4.0.1-0t64 libtss2-rc0t64 \
        libtss2-tcti-swtpm0t64 libtss2-tctildr0t64 libtss2-tcti-device0t64 2>"$LAB_CACHE/apt.log"; then
        rm -rf "$out"
        mkdir -p "$out"
        cp -a "$state"/tree/. "$out/"
        touch "$out/complete"
    fi
    rm -rf "${state:?}"
    [ -e "$out/complete" ]
}

# lab_fetch_newest OUT PROOF PACKAGE…: packages of the newest release with all that they depend on, unpacked into OUT, which has the file
# PROOF then. Nothing is installed.
lab_fetch_newest() {
    local out=$1 proof=$2 codename mirror keyring state deb status=0
    shift 2
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    read -r mirror keyring < <(lab_mirror "$codename") || return
    mkdir -p "$LAB_CACHE"
    rm -rf "${out:?}"
    state=$(lab_apt_state sid "$mirror" "$keyring" 2>"$LAB_CACHE/apt.log") || return
    { lab_apt "$state" -y --download-only --no-install-recommends install "$@" >"$LAB_CACHE/apt.log" 2>&1 &&
        mkdir -p "$out" && for deb in "$state"/cache/archives/*.deb; do dpkg -x "$deb" "$out"; done &&
        [ -x "$out/$proof" ]; } || status=$?
    rm -rf "${state:?}"
    return "$status"
}

# systemd-pcrlock, with its libraries and its loader: it runs from where it is unpacked.
lab_fetch_pcrlock() {
    local out=$LAB_CACHE/pcrlock
    [ ! -e "$out/complete" ] || return 0
    # What systemd opens at run time alone (the TPM's transport among it) is not among what its packages depend on.
    lab_fetch_newest "$out" usr/lib/systemd/systemd-pcrlock systemd-tpm libcryptsetup12 '?name(^libtss2-tcti-swtpm)' || return
    touch "$out/complete"
}

# systemd-report with its signers: a tree to be entered, with places for what is mounted there.
lab_fetch_systemd_report() {
    local name out=$LAB_CACHE/systemd-report
    [ ! -e "$out/complete" ] || return 0
    lab_fetch_newest "$out" usr/lib/systemd/systemd-report-sign-tpm2 systemd-report systemd-tpm '?name(^libtss2-tcti-swtpm)' || return
    for name in bin sbin lib lib64; do
        [ -L "$out/$name" ] || [ -e "$out/$name" ] || ln -s "usr/$name" "$out/$name"
    done
    mkdir -p "$out"/{proc,dev,run,tmp,var,etc,work}
    echo 0123456789abcdef0123456789abcdef >"$out/etc/machine-id"
    touch "$out/complete"
}

# QEMU, with its libraries and its loader: this release's may know no confidential machines.
lab_fetch_new_qemu() {
    local out=$LAB_CACHE/qemu-new
    [ ! -e "$out/complete" ] || return 0
    lab_fetch_newest "$out" usr/bin/qemu-system-x86_64 qemu-system-x86 || return
    touch "$out/complete"
}

# Tools of others that come from Python's package index alone, as the interop tests hold them against ours: in a folder
# of their own, and never installed. Made under another name first: a half one is none.
lab_fetch_python_tools() {
    local folder=$LAB_CACHE/python-tools
    [ ! -e "$folder/done" ] || return 0
    mkdir -p "$LAB_CACHE"
    rm -rf "${folder:?}"
    { python3 -m venv "$folder" &&
        "$folder/bin/pip" install --quiet --disable-pip-version-check virt-firmware==26.10 sev-snp-measure==0.0.13 dcap-qvl==0.7.0; } \
        >"$LAB_CACHE/pip.log" 2>&1 || return
    touch "$folder/done"
}

# COSE and CWT of another's making, from the same index.
lab_fetch_cose_tools() {
    local folder=$LAB_CACHE/cose-tools
    [ ! -e "$folder/done" ] || return 0
    mkdir -p "$LAB_CACHE"
    rm -rf "${folder:?}"
    { python3 -m venv "$folder" && "$folder/bin/pip" install --quiet --disable-pip-version-check cwt==3.3.0; } >"$LAB_CACHE/pip.log" 2>&1 || return
    touch "$folder/done"
}

# What writes evidence with Google's Go libraries, for the tests of the forms that we read: built where Go is.
lab_fetch_go_evidence() {
    [ ! -e "$LAB_CACHE/go-evidence" ] || return 0
    command -v go >/dev/null || lab_fail "Go is not here" || return
    mkdir -p "$LAB_CACHE"
    local output
    output=$(realpath -m "$LAB_CACHE/go-evidence")
    (cd tests/cli/go_evidence && go build -o "$output" .) >"$LAB_CACHE/go.log" 2>&1
}

# lab_fetch_shim_of RELEASE MIRROR KEYRING PACKAGE FILE OUTPUT
lab_fetch_shim_of() {
    local state status=0
    state=$(lab_apt_state "$1" "$2" "$3" 2>"$LAB_CACHE/apt.log") || return
    { lab_unpack "$state" "$4" 2>"$LAB_CACHE/apt.log" && cp "$state/tree/usr/lib/shim/$5" "$6"; } || status=$?
    rm -rf "${state:?}"
    return "$status"
}

# This release's shim, as it was built and as Microsoft signed it; and an older one, where the mirror has it. None is
# installed: they would bring a boot loader.
lab_fetch_shim() {
    local codename mirror keyring out=$LAB_CACHE/shim
    [ ! -e "$out/complete" ] || return 0
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    read -r mirror keyring < <(lab_mirror "$codename") || return
    mkdir -p "$out"
    { lab_fetch_shim_of "$codename" "$mirror" "$keyring" shim-unsigned shimx64.efi "$out/unsigned.efi" &&
        lab_fetch_shim_of "$codename" "$mirror" "$keyring" shim-signed shimx64.efi.signed "$out/signed.efi"; } ||
        lab_fail "no shim could be fetched: $(tail -n 1 "$LAB_CACHE/apt.log")" || return
    lab_fetch_shim_of bullseye "$mirror" "$keyring" shim-unsigned shimx64.efi "$out/old.efi" || true
    touch "$out/complete"
}

# lab_make_root RELEASE OUTPUT: a small Debian with systemd, as an ext4 image. Without root, fakeroot keeps the owners.
lab_make_root() {
    local release=$1 output=$2 codename mirror keyring tree
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    read -r mirror keyring < <(lab_mirror "$codename") || return
    # shellcheck disable=SC2016 # $1 is mmdebstrap's to expand
    mmdebstrap --quiet --variant=minbase --format=tar --keyring="$keyring" \
        --include=systemd,systemd-sysv,udev,dbus,kmod \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook='echo cloister-demo > "$1/etc/hostname"; : > "$1/etc/machine-id"' \
        --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1/etc/resolv.conf"' \
        "$release" "$output.tar" "$mirror" 2>"$LAB_CACHE/mmdebstrap.log" ||
        lab_fail "mmdebstrap: $(tail -n 1 "$LAB_CACHE/mmdebstrap.log")" || return
    tree=$(mktemp -d)
    # shellcheck disable=SC2016 # and here the inner shell's
    local pack=(sh -c 'tar -x -f "$1" -C "$2" --exclude "./dev/*" && mke2fs -q -t ext4 -d "$2" "$3" 512M' sh
        "$output.tar" "$tree" "$output.new")
    [ "$(id -u)" = 0 ] || pack=(fakeroot "${pack[@]}")
    "${pack[@]}" && mv "$output.new" "$output"
    rm -rf "$tree" "$output.tar"
    [ -e "$output" ]
}

lab_fetch_root() {
    [ -e "$LAB_CACHE/root.ext4" ] || lab_make_root "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$LAB_CACHE/root.ext4"
}

# A second root, with the newest systemd that the mirror has: what one version ignores, another may do.
lab_fetch_new_root() {
    local release
    for release in sid trixie; do
        [ ! -e "$LAB_CACHE/root-new.ext4" ] || return 0
        lab_make_root "$release" "$LAB_CACHE/root-new.ext4" || true
    done
    [ -e "$LAB_CACHE/root-new.ext4" ]
}

# lab_fetch_debian OUTPUT PACKAGE,…: this release's Debian with these packages. A tar, kept.
lab_fetch_debian() {
    local codename mirror keyring output=$1 packages=$2
    [ ! -e "$output" ] || return 0
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    read -r mirror keyring < <(lab_mirror "$codename") || return
    # shellcheck disable=SC2016 # $1 is mmdebstrap's to expand
    mmdebstrap --quiet --variant=minbase --format=tar --keyring="$keyring" --include="$packages" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1/etc/resolv.conf"' \
        "$codename" "$output.new" "$mirror" 2>"$LAB_CACHE/mmdebstrap.log" ||
        lab_fail "mmdebstrap: $(tail -n 1 "$LAB_CACHE/mmdebstrap.log")" || return
    mv "$output.new" "$output"
}

# A Debian as its cloud images are: kernel, initramfs-tools and GRUB from its packages.
lab_fetch_cloud_root() {
    lab_fetch_debian "$LAB_CACHE/cloud.tar" \
        systemd,systemd-sysv,udev,dbus,kmod,linux-image-cloud-amd64,initramfs-tools,grub-efi-amd64,e2fsprogs
}

# lab_cloud_disk OUTPUT: a disk of it, as qcow2: ESP with GRUB, /boot and root of their own, fstab by UUID. Without root, under
# fakeroot.
lab_cloud_disk() {
    local output=$1 work status=0
    local pack=(bash -c '. sim/lab.sh; lab_cloud_file_systems "$@"' bash)
    work=$(mktemp -d -p "$LAB")
    [ "$(id -u)" = 0 ] || pack=(fakeroot "${pack[@]}")
    "${pack[@]}" "$LAB_CACHE/cloud.tar" "$work" && lab_cloud_table "$work" "$work/disk" &&
        qemu-img convert -f raw -O qcow2 "$work/disk" "$output" || status=$?
    rm -rf "${work:?}"
    return "$status"
}

LAB_CLOUD_BOOT=6b1e0d3a-5d4c-4f0e-9a51-2f4b0c1d0001
LAB_CLOUD_ROOT=6b1e0d3a-5d4c-4f0e-9a51-2f4b0c1d0002

# What an installer leaves: fstab, GRUB's configuration and files.
lab_cloud_configure() {
    local tree=$1
    printf '%s\n' "UUID=$LAB_CLOUD_ROOT / ext4 rw,discard,errors=remount-ro 0 1" "UUID=$LAB_CLOUD_BOOT /boot ext4 defaults 0 2" \
        'UUID=7C1B-44A2 /boot/efi vfat umask=0077 0 1' >"$tree/etc/fstab"
    sed -i "s/^GRUB_CMDLINE_LINUX_DEFAULT=.*/GRUB_CMDLINE_LINUX_DEFAULT=\"$LAB_CMDLINE\"/" "$tree/etc/default/grub"
    echo cloister-demo >"$tree/etc/hostname"
    : >"$tree/etc/machine-id"
    mkdir -p "$tree/boot/efi"
    # It looks for snapshots of LVM's for minutes where a machine is emulated, and multi-user waits for it.
    ln -s /dev/null "$tree/etc/systemd/system/e2scrub_reap.service"
    printf 'linux /vmlinuz root=UUID=%s\n' "$LAB_CLOUD_ROOT" >"$tree/boot/grub/grub.cfg"
}

lab_cloud_file_systems() {
    local tar=$1 work=$2 tree=$2/tree
    PATH=$PATH:/usr/sbin:/sbin
    mkdir -p "$tree" && tar -x -f "$tar" -C "$tree" --exclude './dev/*' && lab_cloud_configure "$tree" || return
    mkfs.vfat -C -F 32 -i 7C1B44A2 "$work/esp" $((64 << 10)) >/dev/null &&
        mmd -i "$work/esp" ::/EFI ::/EFI/BOOT &&
        mcopy -i "$work/esp" "$tree/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi" ::/EFI/BOOT/BOOTX64.EFI &&
        mke2fs -q -t ext4 -U "$LAB_CLOUD_BOOT" -d "$tree/boot" "$work/boot" 128M >/dev/null || return
    rm -rf "${tree:?}"/boot/*
    mke2fs -q -t ext4 -U "$LAB_CLOUD_ROOT" -d "$tree" "$work/root" 900M >/dev/null && rm -rf "$tree"
}

lab_cloud_table() {
    local work=$1 disk=$2
    PATH=$PATH:/usr/sbin:/sbin
    truncate -s 1100M "$disk"
    printf 'label: gpt\nstart=1MiB,size=64MiB,type=U\nstart=65MiB,size=128MiB,type=L\nstart=193MiB,size=900MiB,type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n' |
        sfdisk -q "$disk" && dd if="$work/esp" of="$disk" bs=1M seek=1 conv=notrunc,sparse status=none &&
        dd if="$work/boot" of="$disk" bs=1M seek=65 conv=notrunc,sparse status=none &&
        dd if="$work/root" of="$disk" bs=1M seek=193 conv=notrunc,sparse status=none
}

# Side by side: one waits for the network while the other unpacks. One caller at a time: who comes second finds what the first one fetched.
lab_fetch() {
    [ ! -e "$LAB_CACHE/kernel/complete" ] || [ ! -e "$LAB_CACHE/root.ext4" ] || return 0
    mkdir -p "$LAB_CACHE"
    (
        flock 8
        lab_fetch_kernel &
        kernel=$! status=0
        lab_fetch_root || status=$?
        wait "$kernel" && [ "$status" = 0 ]
    ) 8>"$LAB_CACHE/lock"
}

lab_kernel_release() { ls "$LAB_CACHE/kernel/lib/modules"; }

# --- A run ---

# Programs and firmware that are not on this machine, in a line.
lab_missing_tools() {
    local tool missing=()
    for tool in qemu-system-x86_64 swtpm swtpm_setup mke2fs debugfs mkfs.vfat mcopy jq; do
        PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null || missing+=("$tool")
    done
    for tool in /usr/share/OVMF/OVMF_CODE_4M.secboot.fd /usr/share/OVMF/OVMF_VARS_4M.fd; do
        [ -e "$tool" ] || missing+=("$tool")
    done
    echo "${missing[*]}"
}

# Everything that a boot needs of this machine; says what is missing.
lab_check_machine() {
    local tool
    tool=$(lab_missing_tools)
    [ -z "$tool" ] || { echo "${tool%% *} is missing"; return 1; }
    for tool in kernel/complete root.ext4; do
        [ -e "$LAB_CACHE/$tool" ] || { echo "$LAB_CACHE/$tool was not fetched"; return 1; }
    done
}

lab_begin() {
    LAB=$1
    rm -rf "$LAB"
    mkdir -p "$LAB"
    trap lab_end EXIT
}

lab_end() {
    [ -z "$LAB_ATTACKER" ] || kill -- "-$LAB_ATTACKER" 2>/dev/null || true
    LAB_ATTACKER=
    [ -z "$LAB_BROKER_PID" ] || kill "$LAB_BROKER_PID" 2>/dev/null || true
    LAB_BROKER_PID=
}

# Secure Boot keys, the owner's firmware variables, a pretend platform with one VM on it: made side by side, as RSA keys take their time.
lab_keys() {
    local platform status=0
    mkdir -p "$LAB/vm"
    { cloister_sim platform new "$LAB/platform" >"$LAB/platform.root" && cloister_sim vtpm new "$LAB/platform" "$LAB/vm/tpm"; } &
    platform=$!
    { cloister secureboot keygen --output "$LAB/keys" >"$LAB/keygen.log" &&
        cloister secureboot enroll --varstore /usr/share/OVMF/OVMF_VARS_4M.fd --output "$LAB/vars.fd" \
            --pk "$LAB/keys/PK.crt" --kek "$LAB/keys/KEK.crt" --db "$LAB/keys/db.crt" &&
        cp /proc/sys/kernel/random/uuid "$LAB/seed" && cp "$LAB/vars.fd" "$LAB/vm/vars.fd"; } || status=$?
    wait "$platform" && [ "$status" = 0 ]
}

# The image, of $LAB_ROOT. QEMU's user network shows this machine's loopback as 10.0.2.2. The first one's disk key is
# $LAB/disk.key, and its GUIDs are from $LAB/seed; each later one has its own. Of its host it takes nothing but a place to
# report to: that is how the lab follows a boot. $LAB_OPEN has options for more.
lab_image() {
    local output=$1 cmdline=$2 own
    shift 2
    if [ -e "$LAB/disk.key" ]; then
        rm -f "${output%.img}.disk.key"
        own=()
    else
        own=(--disk-key-output "$LAB/disk.key" --seed "$(cat "$LAB/seed")")
    fi
    lab_image_of "${LAB_ROOT:-$LAB_CACHE/root.ext4}" "$output" "$cmdline" "${own[@]}" "$@"
}

# lab_image_of ROOT OUTPUT CMDLINE [OPTION]…
lab_image_of() {
    local root=$1 output=$2 cmdline=$3
    shift 3
    # shellcheck disable=SC2086 # words
    cloister image build "$root" --allow-host report ${LAB_OPEN:-} --output "$output" --name demo \
        --kernel "$LAB_CACHE/kernel/vmlinuz" --modules "$LAB_CACHE/kernel/lib/modules/$(lab_kernel_release)" \
        --stub "$LAB_CACHE/kernel/stub.efi" --cmdline "$cmdline" --init "$LAB_INIT" \
        --key "$LAB/keys/db.key" --cert "$LAB/keys/db.crt" --varstore "$LAB/vars.fd" \
        --broker "https://10.0.2.2:$LAB_PORT" --broker-key "$LAB/broker.pem" \
        --retry-seconds 20 "$@"
}

# A boot of the owner's own, only as far as the firmware's event log: what PCRs 0 to 3 and 6 are here.
lab_calibrate() {
    cloister boot "$LAB/demo.img" --varstore "$LAB/vm/vars.fd" --tpm "$LAB/vm/tpm" \
        --timeout "${LAB_TIMEOUT:-300}" --calibrate "$LAB/firmware.ref.json" --report "$LAB/calibration.jsonl" --serial "$LAB/calibration.log" --progress
}

# What $LAB_OPEN lets the images take from their host, as the policy names it.
lab_host_inputs() {
    local words=
    # shellcheck disable=SC2086 # words
    set -- ${LAB_OPEN:-}
    for _ in $(seq $(($# / 2))); do
        words=$words${words:+, }\"$2\"
        shift 2
    done
    printf '%s' "$words"
}

# The pretend platform's root, the measurement of its pretend firmware (zeros), and every predictable PCR.
lab_policy() {
    local root
    root=$(awk '{ printf "%s\\n", $0 }' "$LAB/platform/ark.pem")
    printf '{"cloister_policy": 1, "name": "demo", "tee": ["snp"], "evidence": ["vtpm"], "roots": ["%s"],\n "pcrs": [%s], "phase": "%s", "host_inputs": [%s],\n "snp": {"vmpl": [0], "measurement": ["%096d"]}}\n' \
        "$root" "${LAB_PCRS// /, }" enter-initrd "$(lab_host_inputs)" 0 >"$LAB/policy.json"
}

# lab_register [NAME]: the key of $LAB/NAME.img (default: demo), the disk it is for, and the terms. Anew each time: which
# generation of the disk was seen is forgotten, so that an image which was booted with --snapshot can be booted again.
lab_register() {
    local name=${1:-demo} key=$LAB/disk.key
    [ ! -e "$LAB/$name.disk.key" ] || key=$LAB/$name.disk.key
    cloister key remove --state "$LAB/broker" default/disk/demo 2>/dev/null || true
    # A pretend platform publishes no firmware's numbers and no lists: what hangs on those is excepted by name.
    lab_policy && cloister policy check "$LAB/policy.json" --accept tcb-floor --accept revocation --accept freshness \
        --reference "$LAB/$name.ref.json" --reference "$LAB/firmware.ref.json" >/dev/null &&
        cloister key put --state "$LAB/broker" default/disk/demo "$key" --policy "$LAB/policy.json" \
            --disk "$LAB/$name.disk.json" --forget-generation --reference "$LAB/$name.ref.json" --reference "$LAB/firmware.ref.json" &&
        : >"$LAB/registered"
}

# The broker, and its public key as $LAB/broker.pem. Address and key go into the image, so it runs before there is one: the
# system chooses the port, and a broker that was ended comes back on the same one.
lab_broker_start() {
    cloister serve --state "$LAB/broker" --init --print-key "$LAB/broker.pem" || return
    # Emptied here: the line of the broker before would be read in the moment until the new one opens its log.
    : >"$LAB/broker.log"
    # Not by the function: its process would be a shell, and a signal to it would not reach the broker.
    "$LAB_CLOISTER" serve --state "$LAB/broker" --init --listen "127.0.0.1:$LAB_PORT" >"$LAB/broker.log" 2>&1 &
    LAB_BROKER_PID=$!
    local port
    for _ in $(seq 2400); do
        port=$(sed -n 's/^listening on 127.0.0.1:\([0-9][0-9]*\),.*/\1/p' "$LAB/broker.log")
        if [ -n "$port" ]; then
            LAB_PORT=$port
            return
        fi
        kill -0 "$LAB_BROKER_PID" 2>/dev/null || break
        sleep 0.05
    done
    lab_fail "the broker does not start: $(tail -n 1 "$LAB/broker.log")"
}

# What a host may do at any time: a copy of the disk, for an attack later on.
lab_keep_copy() { cp --sparse=always "$LAB/demo.img" "$LAB/before.img"; }

# lab_boot NAME IMAGE [OPTION]…: boots to multi-user (or to a refusal), leaving NAME.jsonl and NAME.log.
lab_boot() {
    local name=$1 image=$2 tpm=${LAB_TPM:-$LAB/vm/tpm} vars=${LAB_VARS:-$LAB/vm/vars.fd}
    shift 2
    cloister boot "$image" --varstore "$vars" --tpm "$tpm" --report "$LAB/$name.jsonl" --serial "$LAB/$name.log" \
        --timeout "${LAB_TIMEOUT:-300}" "$@"
}

# lab_evidence NAME PHASE: the evidence bundle that boot NAME reported in that phase, and the nonce it answers.
lab_evidence() {
    jq -c --arg phase "$2" 'select(.kind == "evidence" and .phase == $phase).bundle' "$LAB/$1.jsonl" >"$LAB/$1.evidence.json"
    [ -s "$LAB/$1.evidence.json" ] || lab_fail "boot $1 reported no evidence in phase $2"
}
lab_nonce() {
    jq -r '."runtime-data"[1] | gsub("-"; "+") | gsub("_"; "/") | @base64d | fromjson.nonce' "$LAB/$1.evidence.json"
}

# --- Registers ---

# lab_expected PCR PHASE: the reference value, and where it is from.
lab_expected() {
    jq -rs --arg pcr "$1" --arg phase "$2" '[.[] | select(.pcrs.sha256[$pcr] != null)][0] |
        [(.pcrs.sha256[$pcr] | if type == "object" then .[$phase] else . end), .origin] | @tsv' \
        "$LAB/${LAB_REFERENCE:-demo}.ref.json" "$LAB/firmware.ref.json"
}
lab_measured() {
    jq -r --arg pcr "$2" '."tpm-pcrs"[1] | gsub("-"; "+") | gsub("_"; "/") | @base64d | fromjson.sha256[$pcr]' \
        "$LAB/$1.evidence.json"
}

# lab_compare NAME PHASE: prints the PCRs of a boot's evidence that are not as expected; none is a success.
lab_compare() {
    local pcr expected origin measured wrong=''
    lab_evidence "$1" "$2" || return
    for pcr in $LAB_PCRS; do
        IFS=$'\t' read -r expected origin < <(lab_expected "$pcr" "$2")
        measured=$(lab_measured "$1" "$pcr")
        [ -n "$origin" ] && [ "$expected" = "$measured" ] || wrong="$wrong $pcr"
    done
    echo "${wrong# }"
    [ -z "$wrong" ]
}

# lab_verify NAME PHASE [OPTION]…: cloister verify on a boot's evidence.
lab_verify() {
    local name=$1 phase=$2
    shift 2
    lab_evidence "$name" "$phase" || return
    cloister verify "$LAB/$name.evidence.json" --policy "$LAB/policy.json" --nonce "$(lab_nonce "$name")" \
        --phase "$phase" --reference "$LAB/demo.ref.json" --reference "$LAB/firmware.ref.json" "$@"
}

# --- Attacks: each makes its image or machine; what refuses it is not the lab ---

lab_esp_offset() { cloister image inspect --json "$1" | jq -r '.partitions[] | select(.name == "esp").offset'; }
lab_root_offset() { cloister image inspect --json "$1" | jq -r '.partitions[] | select(.name == "root").offset'; }

# lab_replace_uki IMAGE UKI NEW: a copy of the image with another UKI in its ESP.
lab_replace_uki() {
    cp --sparse=always "$1" "$3"
    mcopy -o -i "$3@@$(lab_esp_offset "$3")" "$2" ::/EFI/BOOT/BOOTX64.EFI
}
lab_take_uki() {
    mcopy -n -i "$1@@$(lab_esp_offset "$1")" ::/EFI/BOOT/BOOTX64.EFI "$2"
}

# A UKI with another command line, signed by the owner's own key.
lab_other_cmdline() {
    lab_image "$LAB/other.img" "$LAB_CMDLINE systemd.unit=rescue.target" --reference "$LAB/other.ref.json" --accept cmdline.single >/dev/null &&
        lab_take_uki "$LAB/other.img" "$LAB/other.efi" && rm -f "$LAB/other.img" &&
        lab_replace_uki "${LAB_TARGET:-$LAB/demo.img}" "$LAB/other.efi" "$LAB/other-cmdline.img"
}

# The same kernel in a UKI that nobody signed.
lab_unsigned() {
    cloister uki build --kernel "$LAB_CACHE/kernel/vmlinuz" --stub "$LAB_CACHE/kernel/stub.efi" \
        --cmdline "$LAB_CMDLINE" --output "$LAB/unsigned.efi" >/dev/null &&
        lab_replace_uki "${LAB_TARGET:-$LAB/demo.img}" "$LAB/unsigned.efi" "$LAB/unsigned.img"
}

lab_null_cipher() {
    cp --sparse=always "${LAB_TARGET:-$LAB/demo.img}" "$LAB/null-cipher.img" &&
        cloister_sim null-cipher "$LAB/null-cipher.img" "$(lab_root_offset "${LAB_TARGET:-$LAB/demo.img}")"
}

lab_other_platform() {
    cloister_sim platform new --name Milan-elsewhere "$LAB/other-platform" >/dev/null &&
        mkdir -p "$LAB/other-vm" && cp "$LAB/vm/vars.fd" "$LAB/other-vm/vars.fd" &&
        cloister_sim vtpm new "$LAB/other-platform" "$LAB/other-vm/tpm"
}

# Another file system content under the same disk key, GUIDs and UKI, and its partition put into the image: what a host
# does that has kept an older version.
lab_swap_root() {
    local from to bytes
    cp --sparse=always "$LAB_CACHE/root.ext4" "$LAB/old-root.ext4" &&
        PATH=$PATH:/usr/sbin:/sbin debugfs -w -R "rm /etc/hostname" "$LAB/old-root.ext4" 2>/dev/null &&
        lab_image_of "$LAB/old-root.ext4" "$LAB/old.img" "$LAB_CMDLINE" --disk-key "$LAB/disk.key" \
            --reuse-disk-key "an attack" --seed "$(cat "$LAB/seed")" >/dev/null || return
    from=$(lab_root_offset "$LAB/old.img") to=$(lab_root_offset "${LAB_TARGET:-$LAB/demo.img}")
    bytes=$(cloister image inspect --json "$LAB/old.img" | jq '.partitions[] | select(.name == "root").bytes')
    cp --sparse=always "${LAB_TARGET:-$LAB/demo.img}" "$LAB/swapped.img" &&
        dd if="$LAB/old.img" of="$LAB/swapped.img" bs=1M skip=$((from >> 20)) seek=$((to >> 20)) count=$((bytes >> 20)) \
            conv=notrunc,sparse status=none && rm -f "$LAB/old.img" "$LAB/old-root.ext4"
}

# lab_replay BUNDLE [--forge-nonce]
lab_replay() {
    local bundle=$1
    shift
    cloister_sim replay --server "https://127.0.0.1:$LAB_PORT" --key "$LAB/broker.pem" --bundle "$bundle" \
        --resource default/disk/demo "$@"
}

lab_attack_other_cmdline() { lab_other_cmdline && lab_boot other-cmdline "$LAB/other-cmdline.img" --snapshot; }
lab_attack_smbios() {
    lab_boot smbios "${LAB_TARGET:-$LAB/demo.img}" --snapshot --smbios-type11 io.systemd.stub.kernel-cmdline-extra=init=/bin/sh
}
lab_attack_credential() {
    lab_boot credential "${LAB_TARGET:-$LAB/demo.img}" --snapshot --smbios-type11 "io.systemd.credential:tmpfiles.extra=w /dev/ttyS0 - - - - OURS"
}
lab_attack_unsigned() { lab_unsigned && lab_boot unsigned "$LAB/unsigned.img" --snapshot; }
lab_attack_null_cipher() { lab_null_cipher && lab_boot null-cipher "$LAB/null-cipher.img" --snapshot; }
lab_attack_old_root() { lab_swap_root && lab_boot old-root "$LAB/swapped.img" --snapshot; }
lab_attack_rolled_back() { lab_boot rolled-back "$LAB/before.img" --snapshot; }
lab_attack_replay() { lab_replay "$LAB/second.evidence.json"; }
lab_attack_forged_nonce() { lab_replay "$LAB/second.evidence.json" --forge-nonce; }
lab_attack_other_platform() {
    lab_other_platform &&
        LAB_TPM=$LAB/other-vm/tpm LAB_VARS=$LAB/other-vm/vars.fd lab_boot other-platform "${LAB_TARGET:-$LAB/demo.img}" --snapshot
}

# shellcheck disable=SC2034 # read by those who source this
# Which attack, who must refuse it, what the reason must say, and what it is. (Words about a boot named "second" are
# about the last good one, before which lab_keep_copy was called.)
LAB_ATTACKS='other_cmdline|the broker|PCR 11: section .cmdline differs|a UKI with another command line, signed by the owner'\''s own key
smbios|the guest|SMBIOS type 11 string "io.systemd.stub.kernel-cmdline-extra"|a command line that the host passes in through SMBIOS
credential|the guest|credential "tmpfiles.extra" in SMBIOS|a credential for systemd that the host passes in through SMBIOS
unsigned|the firmware|Access Denied (Secure Boot|a UKI that nobody signed
null_cipher|the guest|"cipher_null-ecb": only "aes-xts-plain64" is allowed|the root partition'\''s LUKS2 header names a null cipher
old_root|the guest|the volume key is not the one that was registered|an older root under the image'\''s own table and UKI, with the same disk key
rolled_back|the guest|an old copy of this disk|a copy of the disk from before the last boot
replay|the broker|is not the one that was given out|evidence of the last boot, sent again
forged_nonce|the broker|tpm.quote.nonce|the same, with the new nonce written into it
other_platform|the broker|is none of those that are trusted|evidence of a platform whose root the policy does not name'

# lab_attack NAME EXPECTED: the one line of the refusal; a success if it was refused, for that reason.
lab_attack() {
    local status=0 reason
    reason=$("lab_attack_$1" 2>&1) || status=$?
    reason=$(tail -n 1 <<<"$reason" | sed -E 's/^(cloister|refused[a-z ]*after [0-9.]+ s): //')
    [ "$status" = 1 ] || reason="exit status $status: $reason"
    echo "$reason"
    [ "$status" = 1 ] && grep -qF -- "$2" <<<"$reason"
}

# lab_attack_kept NAME EXPECTED: its outcome (refused, or not) and reason, in $LAB/attacks/NAME.
lab_attack_kept() {
    local reason outcome=refused
    reason=$(lab_attack "$1" "$2") || outcome=failed
    printf '%s\n%s\n' "$outcome" "$reason" >"$LAB/attacks/$1"
}

# Those of $LAB_ATTACKS that need ("late") or do not need ("early") a good boot before them; "alone": those of the early ones that
# are refused before the broker is asked; "either": those to which no key is released before they fail, so that any machine will do.
lab_attacks_run() {
    local which=$1 name who expected words
    # shellcheck disable=SC2034 # the columns
    while IFS='|' read -r name who expected words; do
        case $name:$which in
        rolled_back:late | replay:late | forged_nonce:late) ;;
        unsigned:alone | null_cipher:alone | smbios:alone | credential:alone) ;;
        unsigned:either | null_cipher:either | smbios:either | credential:either | other_platform:either) ;;
        rolled_back:* | replay:* | forged_nonce:* | *:late | *:alone | *:either) continue ;;
        esac
        [ "$name" != smbios ] || lab_stub_reads_smbios || continue
        # Two work on one list: who makes the folder does it.
        mkdir "$LAB/attacks.begun/$name" 2>/dev/null || continue
        lab_attack_kept "$name" "$expected" </dev/null
        echo "attack $name: done"
    done <<<"$LAB_ATTACKS"
}

# The early ones in the background, where there is a second processor for them; on a copy of the disk, the firmware's
# variables and the TPM, as good boots write to theirs. Once the good boots are done, these help.
lab_attacks_begin() {
    mkdir -p "$LAB/attacks" "$LAB/attacks.begun" "$LAB/attacked"
    : >"$LAB/attacks.log"
    cp --sparse=always "$LAB/demo.img" "$LAB/attacked/disk.img"
    cp -r "$LAB/vm/." "$LAB/attacked/"
    [ "$(nproc)" -ge 2 ] || return 0
    # A process group of its own, so that it ends with its machines.
    set -m
    lab_attacks_early >"$LAB/attacks.log" 2>&1 </dev/null &
    LAB_ATTACKER=$!
    set +m
}
lab_attacks_early() {
    # The broker is not this process's to end.
    trap - EXIT
    local LAB_TARGET=$LAB/attacked/disk.img LAB_TPM=$LAB/attacked/tpm LAB_VARS=$LAB/attacked/vars.fd
    lab_attacks_run alone
    # Not longer than the shell that registers it is there.
    until [ -e "$LAB/registered" ]; do
        kill -0 $$ 2>/dev/null || return
        sleep 0.2
    done
    lab_attacks_run early
}
lab_attacks_end() {
    lab_attacks_run late
    if [ -n "$LAB_ATTACKER" ]; then
        # The good boots' machine is free now.
        LAB_TARGET=$LAB/attacked/disk.img lab_attacks_run either
        # What it has done so far is what there is to tell.
        tail -f -n 1 --pid="$LAB_ATTACKER" "$LAB/attacks.log" || true
        wait "$LAB_ATTACKER"
        LAB_ATTACKER=
    else
        (lab_attacks_early)
    fi
}

# Old stubs do not read SMBIOS: there is nothing to attack.
lab_stub_reads_smbios() { grep -aq io.systemd.stub.kernel-cmdline-extra <(tr -d '\0' <"$LAB_CACHE/kernel/stub.efi"); }
