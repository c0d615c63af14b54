#!/bin/bash
# A root that nothing changes: boots by attestation, with what it writes in memory; what a boot has written is gone at the next; a block
# that was changed, of the file system or of the tree, stops the machine with one line; and stock veritysetup opens it in a guest.
# shellcheck source=tests/vm/vm.sh
. "$(dirname "$0")/vm.sh"
# shellcheck source=tests/vm/judge_lib.sh
. tests/vm/judge_lib.sh

PATH=$PATH:/usr/sbin:/sbin
for tool in busybox cryptsetup integritysetup veritysetup dmsetup modprobe xz debugfs; do
    command -v $tool >/dev/null || { echo "SKIP: $tool is not installed" && exit 77; }
done
vm_ground verity
cat >"$LAB/at-boot" <<'END'
#!/bin/sh
exec >/dev/console 2>&1
[ ! -e /var/written ] || echo "at-boot: was written before"
echo x >/var/written && echo "at-boot: writes"
grep -q '^overlay / overlay' /proc/mounts && echo "at-boot: overlaid"
echo "at-boot: end"
END
printf '[Unit]\nAfter=multi-user.target\n[Service]\nType=oneshot\nExecStart=/opt/at-boot\n' >"$LAB/at-boot.service"
cp --sparse=always "$LAB_CACHE/root.ext4" "$LAB/root.ext4"
printf '%s\n' "write $LAB/at-boot opt/at-boot" "set_inode_field opt/at-boot mode 0100755" "write $LAB/at-boot.service etc/systemd/system/at-boot.service" \
    "symlink etc/systemd/system/multi-user.target.wants/at-boot.service ../at-boot.service" >"$LAB/commands"
debugfs -w -f "$LAB/commands" "$LAB/root.ext4" >"$LAB/debugfs.log" 2>&1
LAB_ROOT=$LAB/root.ext4 lab_image "$LAB/demo.img" "$LAB_CMDLINE" --verity >"$LAB/build.out"
hash=$(sed -n 's/^root hash  //p' "$LAB/build.out")
tree_at=$(sed -n 's/^hash tree  from byte \([0-9]*\) .*/\1/p' "$LAB/build.out")
lab_register demo
for boot in first second; do
    vm_check "$boot boot" lab_boot "$boot" "$LAB/demo.img" --until 'at-boot: end'
    vm_check "$boot boot: registers" lab_compare "$boot" enter-initrd
    vm_check "$boot boot: writes to memory" vm_says "$boot" 'at-boot: writes'
    vm_check "$boot boot: over a root that stays" vm_says "$boot" 'at-boot: overlaid'
    vm_check "$boot boot: nothing is left of another" vm_says_not "$boot" 'was written before'
done

# The first block of the file system, and the root of the tree: both are read when it is mounted.
root=$(($(lab_root_offset "$LAB/demo.img") + 16777216))
refused() {
    lab_register demo && ! lab_boot "$1" "$LAB/changed.img" >"$LAB/$1.out" 2>&1 && vm_says "$1" "$2"
}
for place in "data:0:data block 0" "tree:$((tree_at + 4096)):metadata block"; do
    IFS=: read -r name at words <<<"$place"
    cp --sparse=always "$LAB/demo.img" "$LAB/changed.img"
    printf '\377\377' | dd of="$LAB/changed.img" bs=1 seek=$((root + at + 1100)) conv=notrunc status=none
    vm_check "changed: $name" refused "$name" "root disk: $words"
    vm_check "changed: $name: why" vm_says "$name" "differs from the root hash"
done
rm -f "$LAB/changed.img"

# /usr alone: what the first boot writes elsewhere is there at the second one; nothing gets into /usr, also not from what lies over it.
printf '%s\n' 'echo x >/usr/written && echo "at-boot: writes to usr"' \
    'mkdir -p /run/cloister/changes/upper/usr/bin && echo x >/run/cloister/changes/upper/usr/bin/planted && echo "at-boot: planted"' \
    '[ ! -e /usr/bin/planted ] || echo "at-boot: is in usr"' \
    '[ ! -e /var/booted ] || { rm -r /run/cloister/changes/upper/usr && ln -s etc /run/cloister/changes/upper/usr && sync && echo "at-boot: linked"; }' \
    'echo x >/var/booted && sync' 'echo "at-boot: end of usr"' | cat "$LAB/at-boot" - >"$LAB/at-boot-usr"
printf '%s\n' "rm opt/at-boot" "write $LAB/at-boot-usr opt/at-boot" "set_inode_field opt/at-boot mode 0100755" >"$LAB/commands"
debugfs -w -f "$LAB/commands" "$LAB/root.ext4" >"$LAB/debugfs.log" 2>&1
LAB_ROOT=$LAB/root.ext4 lab_image "$LAB/usr.img" "$LAB_CMDLINE" --verity-usr 64M >"$LAB/usr.out"
lab_register usr
for boot in usr_first usr_second; do
    vm_check "$boot boot" lab_boot "$boot" "$LAB/usr.img" --until 'at-boot: end of usr'
    vm_check "$boot boot: writes" vm_says "$boot" 'at-boot: writes'
    vm_check "$boot boot: not to usr" vm_says_not "$boot" 'writes to usr'
    vm_check "$boot boot: over usr" vm_says "$boot" 'at-boot: planted'
    vm_check "$boot boot: which is not seen" vm_says_not "$boot" 'is in usr'
done
vm_check "first boot: nothing was there" vm_says_not usr_first 'was written before'
vm_check "second boot: what the first one wrote" vm_says usr_second 'was written before'
vm_check "second boot: a link in the place of usr" vm_says usr_second 'at-boot: linked'
linked() { ! lab_boot usr_linked "$LAB/usr.img" >"$LAB/usr_linked.out" 2>&1 && vm_says usr_linked 'something else in the place of /usr'; }
vm_check "is refused" linked

dd if="$LAB/demo.img" of="$LAB/demo.luks" bs=1M iflag=skip_bytes,count_bytes skip=$((root - 16777216)) conv=sparse status=none \
    count="$(cloister image inspect --json "$LAB/demo.img" | jq '.partitions[1].bytes')"
cat >"$LAB/job" <<JOB
say luks cryptsetup open --key-file /disk.key "\$(disk demo)" demo
say verity veritysetup open /dev/mapper/demo verified /dev/mapper/demo $hash --hash-offset=$tree_at
say mount mount -t ext4 -o ro /dev/mapper/verified /mnt
say read sha256sum /mnt/opt/at-boot
JOB
mkdir -p "$LAB/judge/root"
cp "$LAB/disk.key" "$LAB/judge/root/disk.key"
vm_check "a guest for the judges" judge_initrd "$LAB/judge" "$LAB/job"
vm_check "it comes up and ends" judge "$LAB/judge" "demo=$LAB/demo.luks"
for step in luks verity mount; do
    vm_check "judged: $step" judged "$LAB/judge" $step 0
done
vm_check "judged: its file" judged "$LAB/judge" read 0 "$(sha256sum "$LAB/at-boot" | cut -d ' ' -f 1)"
vm_end
