# shellcheck shell=bash
# judge_lib.sh: a guest with device-mapper and the stock tools of the disk formats, which says what it thinks of disks that were
# written without either. Sourced after vm.sh.

# JUDGE_TOOLS: more programs that a caller's script uses.
JUDGE_MODULES="virtio_pci virtio_blk dm_mod dm_crypt dm_integrity dm_verity authenc xts gcm ghash-generic algif_aead aesni_intel sha256_ssse3 ext4 erofs"

# judge_initrd FOLDER SCRIPT: FOLDER/initrd, whose first program sources SCRIPT and powers off.
judge_initrd() {
    local folder=$1 script=$2 tool module list release
    release=$(lab_kernel_release)
    mkdir -p "$folder/root/bin" "$folder/root/modules" "$folder/root/proc" "$folder/root/sys" "$folder/root/dev" "$folder/root/run/cryptsetup" "$folder/root/mnt"
    cp "$(command -v busybox)" "$folder/root/bin/busybox"
    # shellcheck disable=SC2086 # words
    for tool in cryptsetup integritysetup veritysetup dmsetup ${JUDGE_TOOLS:-}; do
        tool=$(PATH=$PATH:/usr/sbin:/sbin command -v $tool) || return 1
        cp "$tool" "$folder/root/bin/"
        ldd "$tool" | grep -o '/[^ ]*' | while read -r list; do
            mkdir -p "$folder/root$(dirname "$list")"
            cp -L "$list" "$folder/root$list"
        done
    done
    : >"$folder/root/modules/list"
    for module in $JUDGE_MODULES; do
        # What is built in has no file.
        PATH=$PATH:/usr/sbin:/sbin modprobe -d "$LAB_CACHE/kernel" -S "$release" --show-depends "$module" 2>/dev/null |
            sed -n 's/^insmod \([^ ]*\).*/\1/p' | while read -r list; do
            tool=$(basename "$list")
            tool=${tool%%.ko*}.ko
            grep -qx "$tool" "$folder/root/modules/list" && continue
            case $list in
            *.xz) xz -dc "$list" >"$folder/root/modules/$tool" ;;
            *.zst) zstd -qdc "$list" >"$folder/root/modules/$tool" ;;
            *) cp "$list" "$folder/root/modules/$tool" ;;
            esac
            echo "$tool" >>"$folder/root/modules/list"
        done
    done
    cp "$script" "$folder/root/job"
    cat >"$folder/root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin DM_DISABLE_UDEV=1
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module" 2>/dev/null; done </modules/list
# disk NAME: the device whose serial number it is.
disk() {
    for block in /sys/block/vd*; do
        [ "$(cat "$block/serial")" = "$1" ] && echo "/dev/${block##*/}"
    done
}
# say NAME COMMAND…: "MARK NAME STATUS", and what it printed.
say() {
    name=$1
    shift
    "$@" >/run/said 2>&1
    echo "MARK $name $?"
    sed "s/^/SAID $name /" /run/said
}
. /job >/dev/ttyS0 2>&1
echo "MARK done 0" >/dev/ttyS0
poweroff -f
INIT
    chmod +x "$folder/root/init"
    (cd "$folder/root" && find . | busybox cpio -o -H newc 2>/dev/null) | gzip -1 >"$folder/initrd"
}

# judge FOLDER [NAME=FILE]…: boots it with those disks; what it says is in FOLDER/said.
judge() {
    local folder=$1 disk options=()
    shift
    for disk; do
        options+=(-drive "if=none,id=${disk%%=*},format=raw,cache=unsafe,file=${disk#*=}" -device "virtio-blk-pci,drive=${disk%%=*},serial=${disk%%=*}")
    done
    # The emulated timer is late where the machine is busy: the kernel would give up on it.
    timeout 1500 qemu-system-x86_64 -accel tcg -cpu max -smp 1 -m 512 -nodefaults -display none -vga none -no-reboot -machine q35 \
        -kernel "$LAB_CACHE/kernel/vmlinuz" -initrd "$folder/initrd" -append "console=ttyS0 panic=-1 loglevel=4 no_timer_check" \
        "${options[@]}" -serial "file:$folder/serial" || return 1
    tr -d '\r' <"$folder/serial" >"$folder/said"
    grep -q '^MARK done 0$' "$folder/said"
}

# judged FOLDER NAME STATUS [WORDS]: how it ended there, and what it must have said.
judged() {
    grep -qx "MARK $2 $3" "$1/said" || { grep "^\(MARK\|SAID\) $2 " "$1/said"; return 1; }
    [ -z "${4:-}" ] || grep -qF -- "$4" <(grep "^SAID $2 " "$1/said") || { grep "^SAID $2 " "$1/said"; return 1; }
}
