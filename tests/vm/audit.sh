#!/bin/bash
# Debian's own kernels, this release's and the next one's, audited as package, as UKI and as the guest that boots that UKI:
# the three agree, but for what one of them cannot know. And faults planted in the guest are found, none invented.
# Fetches the kernels' packages; no KVM, no TPM and no root is needed.
set -euo pipefail
cd "${CLOISTER_SOURCE:?}"
. sim/lab.sh

for tool in qemu-system-x86_64 dpkg-deb depmod ldd dash kmod jq; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null || { echo "SKIP: $tool is missing"; exit 77; }
done
firmware=/usr/share/OVMF/OVMF_CODE_4M.fd
[ -e "$firmware" ] || { echo "SKIP: $firmware is missing"; exit 77; }
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
read -r mirror keyring < <(lab_mirror "$codename") || { echo "SKIP: no mirror of Debian's"; exit 77; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
check() {
    local words=$1
    shift
    if "$@"; then echo "ok: $words"; else echo "FAILED: $words"; failures=$((failures + 1)); fi
}

# fetch RELEASE: the .deb of the kernel that linux-image-cloud-amd64 stands for, kept in the cache.
fetch() {
    local state=$work/apt-$1 out=$LAB_CACHE/audit/$1 package
    [ -e "$out/linux-image.deb" ] && return
    mkdir -p "$state/state" "$state/lists/partial" "$state/cache/archives/partial" "$out"
    : >"$state/status"
    echo "deb [signed-by=$keyring arch=amd64] $mirror $1 main" >"$state/sources"
    lab_apt "$state" update || return
    package=$(apt-cache -o Dir::State="$state/state" -o Dir::State::lists="$state/lists" -o Dir::State::status="$state/status" \
        -o Dir::Cache="$state/cache" -o Dir::Etc::sourcelist="$state/sources" -o Dir::Etc::sourceparts=/none \
        depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    (cd "$state" && lab_apt "$state" download "$package") && mv "$state"/linux-image-*.deb "$out/linux-image.deb"
}

# put PROGRAM…: programs and the libraries that they need, into the initrd.
put() {
    local program library
    for program; do
        cp -L "$program" "$root/bin/"
        ldd "$program" 2>/dev/null | grep -o '/[^ )]*' | while read -r library; do
            mkdir -p "$root${library%/*}" && cp -L "$library" "$root$library"
        done
    done
}

# pack FOLDER OUTPUT: a cpio archive, written by hand: no tool for it need be installed.
pack() {
    (
        cd "$1"
        find . -mindepth 1 | LC_ALL=C sort | while read -r path; do
            path=${path#./}
            if [ -L "$path" ]; then entry "$path" 120777 <(printf '%s' "$(readlink "$path")"); \
            elif [ -d "$path" ]; then entry "$path" 040755 /dev/null; \
            else entry "$path" 100755 "$path"; fi
        done
        entry 'TRAILER!!!' 0 /dev/null
    ) >"$2"
}
entry() {
    local size name=$1
    cat "$3" >"$work/data"
    size=$(stat -c %s "$work/data")
    printf '070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\0' 0 "0$2" 0 0 1 0 "$size" 0 0 0 0 $((${#name} + 1)) 0 "$name"
    head -c $(((4 - (110 + ${#name} + 1) % 4) % 4)) /dev/zero
    cat "$work/data"
    head -c $(((4 - size % 4) % 4)) /dev/zero
}

modules='configfs dm-mod dm-crypt xts aesni-intel virtio_pci virtio_blk virtio_net efivarfs ext4 virtio-rng tsm'

# build RELEASE: a UKI with Debian's kernel, some of its modules, and an initrd that audits the guest and says so on the
# serial line. Faults are planted in it.
build() {
    local tree=$work/$1/tree release path
    root=$work/$1/root
    mkdir -p "$tree" "$root"/{bin,dev,proc,sys,etc/ssh,etc/systemd/system/serial-getty@ttyS0.service.d,usr/bin,modules}
    dpkg-deb --fsys-tarfile "$LAB_CACHE/audit/$1/linux-image.deb" | tar -x -C "$tree"
    release=$(basename "$(echo "$tree"/boot/vmlinuz-*)")
    release=${release#vmlinuz-}
    [ -d "$tree/lib/modules" ] || ln -s usr/lib "$tree/lib"
    PATH=$PATH:/usr/sbin:/sbin depmod -b "$tree" "$release"
    for name in $modules; do
        PATH=$PATH:/usr/sbin:/sbin modprobe -d "$tree" -S "$release" --show-depends "$name" 2>/dev/null || true
    done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' >"$work/$1/order"
    while read -r path; do
        name=$(basename "$path")
        case $path in
        *.xz) xz -dc "$path" >"$root/modules/${name%.xz}" ;;
        *.zst) zstd -qdc "$path" >"$root/modules/${name%.zst}" ;;
        *) cp "$path" "$root/modules/$name" ;;
        esac
        echo "insmod /modules/$(basename "${path%.*}" .ko).ko 2>/dev/null"
    done <"$work/$1/order" >"$work/$1/insmod"
    put "$LAB_BUILD/cli/cloister" "$LAB_BUILD/cli/cloister-full" "$(command -v dash)" "$(command -v mount)" "$(command -v cat)" "$(command -v sleep)"
    put "$(PATH=$PATH:/usr/sbin:/sbin command -v kmod)"
    ln -s kmod "$root/bin/insmod"
    cp "$tree/boot/config-$release" "$root/config"
    for kind in snp tdx; do mkdir "$root/$kind" && cloister_sim facts $kind "$root/$kind"; done
    # The faults.
    printf 'root::1::\n' >"$root/etc/shadow"
    echo key >"$root/etc/ssh/ssh_host_rsa_key"
    : >"$root/usr/bin/qemu-ga"
    echo 'ExecStart=-/sbin/agetty --autologin root %I' >"$root/etc/systemd/system/serial-getty@ttyS0.service.d/a.conf"
    printf '[Journal]\nForwardToConsole=yes\n' >"$root/etc/systemd/journald.conf"
    echo '/dev/vdb none swap sw 0 0' >"$root/etc/fstab"
    {
        echo '#!/bin/dash'
        echo 'export PATH=/bin; mount -t devtmpfs dev /dev; mount -t proc proc /proc; mount -t sysfs sys /sys'
        echo 'mount -t securityfs securityfs /sys/kernel/security; exec >/dev/ttyS0 2>&1'
        cat "$work/$1/insmod"
        echo 'mount -t efivarfs efivarfs /sys/firmware/efi/efivars'
        # shellcheck disable=SC2016 # the guest's to expand
        echo 'for kind in snp tdx; do echo "BEGIN $kind"; cloister audit --guest --for snp,tdx --platform /$kind --config /config --json; echo "END $kind"; done'
        echo 'sleep 1; echo o >/proc/sysrq-trigger; sleep 100'
    } >"$root/init"
    chmod +x "$root/init"
    pack "$root" "$work/$1/initrd"
    stub=/usr/lib/systemd/boot/efi/linuxx64.efi.stub
    [ -e "$stub" ] || stub=$LAB_CACHE/kernel/stub.efi
    cloister uki build --kernel "$tree/boot/vmlinuz-$release" --stub "$stub" --initrd "$work/$1/initrd" \
        --cmdline "console=ttyS0 quiet no_timer_check lockdown=integrity" --output "$work/$1/test.efi" >/dev/null
}

boot() {
    cp /usr/share/OVMF/OVMF_VARS_4M.fd "$work/$1/vars.fd"
    timeout 300 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 768 -machine q35 -nodefaults -no-user-config -display none \
        -vga none -nic none -no-reboot -drive if=pflash,unit=0,format=raw,readonly=on,file="$firmware" \
        -drive if=pflash,unit=1,format=raw,file="$work/$1/vars.fd" -kernel "$work/$1/test.efi" -device virtio-rng-pci \
        -serial file:"$work/$1/serial" </dev/null >/dev/null 2>&1 || true
    for kind in snp tdx; do
        tr -d '\r' <"$work/$1/serial" | sed -n "/BEGIN $kind/,/END $kind/p" | sed '1d;$d' >"$work/$1/$kind.json"
        jq -e .findings "$work/$1/$kind.json" >/dev/null || { tail -n 20 "$work/$1/serial"; return 1; }
    done
}

# compare RELEASE: rules about the kernel that differ between the three, but where one of them says that it does not know.
compare() {
    cloister audit "$LAB_CACHE/audit/$1/linux-image.deb" --cmdline "console=ttyS0 quiet no_timer_check lockdown=integrity" --json >"$work/$1/package.json" || [ $? = 1 ]
    cloister audit "$work/$1/test.efi" --config "$LAB_CACHE/audit/$1/linux-image.deb" --json >"$work/$1/uki.json" || [ $? = 1 ]
    jq -rs '[.[] | [.findings[] | select(.what == "kconfig" or .what == "cmdline")] | map({(.id): .result}) | add] as [$package, $uki, $guest] |
        ([$package, $uki, $guest] | map(keys) | add | unique)[] | [., $package[.], $uki[.], $guest[.]] |
        select((.[1:4] - ["unknown"] | unique | length) > 1) | @tsv' "$work/$1/package.json" "$work/$1/uki.json" "$work/$1/snp.json" >"$work/$1/differs"
    cat "$work/$1/differs"
    [ ! -s "$work/$1/differs" ]
}

# unknown WHO RELEASE: how many rules one of them leaves open.
unknown() { jq '[.findings[] | select(.result == "unknown" and .what == "kconfig")] | length' "$work/$2/$1.json"; }

failing() { jq -r --arg what "$3" '[.findings[] | select(.what == $what and .result != "pass") | .id] | sort | join(" ")' "$work/$1/$2.json"; }

releases=$codename
if [ "$codename" = bookworm ] && [ "${CLOISTER_ALL_BOOTS:-no}" = yes ]; then
    releases="bookworm trixie"
else
    echo "note: not tried without --all: the kernel of the next release"
fi
tried=0
for release in $releases; do
    fetch "$release" 2>"$work/apt.log" || { echo "note: not tried: $release: $(tail -n 1 "$work/apt.log")"; continue; }
    tried=$((tried + 1))
    build "$release"
    check "$release: boots, and audits itself" boot "$release" || continue
    check "$release: package, UKI and guest agree" compare "$release"
    echo "note: $release: open questions about the kernel: package $(unknown package "$release"), UKI $(unknown uki "$release"), guest $(unknown snp "$release")"
    check "$release: the UKI's initrd answers what the package cannot" test "$(unknown uki "$release")" -lt "$(unknown package "$release")"
    check "$release: a pretend SNP guest" test "$(jq -r '.facts["guest.tee"]' "$work/$release/snp.json")" = snp
    check "$release: a pretend TDX guest" test "$(jq -r '.facts["guest.tee"]' "$work/$release/tdx.json")" = tdx
    check "$release: every planted fault in the files, and none invented: $(failing "$release" snp rootfs)" test "$(failing "$release" snp rootfs)" = \
        "rootfs.agents rootfs.autologin rootfs.empty_password rootfs.fstab_swap rootfs.journal_console rootfs.ssh_host_keys"
    check "$release: the host's entropy" test "$(jq -r '.facts["guest.rng"]' "$work/$release/snp.json")" = virtio
done
[ "$tried" -gt 0 ] || { echo "SKIP: no kernel could be fetched"; exit 77; }
[ "$failures" = 0 ]
