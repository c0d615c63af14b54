#!/bin/sh
# Disks in containers: what qemu-img makes of one disk is read as that disk, whichever container it is in; what cannot be read is
# refused by name; and neither a container nor a whole disk becomes a root.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
init=$small_init
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
export TMPDIR="$work"
skip_without qemu-img mke2fs mkfs.vfat mcopy jq python3
make_image_inputs

# build ROOT OUTPUT [OPTION]…
build() {
    from=$1 output=$2
    shift 2
    "$cloister" image build "$from" --kernel vmlinuz --modules "$modules" --stub "$stub" --cmdline 'console=ttyS0' \
        --key keys/db.key --cert keys/db.crt --varstore vars.fd --disk-key disk.key --reuse-disk-key test \
        --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" --output "$output" "$@"
}
build root demo.img >/dev/null || fail "build"

# convert NAME FORMAT [OPTION]…
convert() {
    file=$1 format=$2
    shift 2
    qemu-img convert -f raw -O "$format" "$@" demo.img "$file" || fail "qemu-img: $file"
}
convert v3.qcow2 qcow2
convert v2.qcow2 qcow2 -o compat=0.10
convert zlib.qcow2 qcow2 -c
convert zstd.qcow2 qcow2 -c -o compression_type=zstd
convert small.qcow2 qcow2 -o cluster_size=512
convert large.qcow2 qcow2 -c -o cluster_size=2M
convert fixed.vhd vpc -o subformat=fixed,force_size=on
convert dynamic.vhd vpc -o subformat=dynamic,force_size=on
convert dynamic.vhdx vhdx
convert fixed.vhdx vhdx -o subformat=fixed
convert sparse.vmdk vmdk
convert zeroed.vmdk vmdk -o compat6=on,zeroed_grain=on
convert stream.vmdk vmdk -o subformat=streamOptimized
convert flat.vmdk vmdk -o subformat=monolithicFlat
expect "inspect" 0 "a guest opens it" "$cloister" image inspect demo.img
"$cloister" image inspect demo.img --json | jq -S 'del(.container)' >raw.json
"$cloister" measure image demo.img --varstore vars.fd --name demo --output raw.ref.json >/dev/null || fail "measure"
for file in v3.qcow2 v2.qcow2 zlib.qcow2 zstd.qcow2 small.qcow2 large.qcow2 fixed.vhd dynamic.vhd dynamic.vhdx fixed.vhdx \
    sparse.vmdk zeroed.vmdk stream.vmdk flat.vmdk; do
    of_many || continue
    # SHA-256 and size of the whole disk are in it.
    "$cloister" image inspect "$file" --json | jq -S 'del(.container)' >this.json
    cmp -s raw.json this.json || fail "$file is read as another disk: $(diff raw.json this.json | head -n 4)"
done
"$cloister" measure image zlib.qcow2 --varstore vars.fd --name demo --output this.ref.json >/dev/null || fail "measure zlib.qcow2"
jq -S .pcrs raw.ref.json >one.json
jq -S .pcrs this.ref.json >two.json
cmp -s one.json two.json || fail "measure reads another disk in a container"
"$cloister" audit demo.img --json | jq -S 'del(.identity) | walk(if type == "object" then del(.subject) else . end)' >one.json
"$cloister" audit v3.qcow2 --json | jq -S 'del(.identity) | walk(if type == "object" then del(.subject) else . end)' >two.json
cmp -s one.json two.json || fail "audit reads another disk in a container: $(diff one.json two.json | head -n 4)"
[ -z "$(find . -maxdepth 1 -name '#*' -o -maxdepth 1 -name 'tmp*')" ] || fail "unpacking left something"

# What needs another file or a key, and what is not read.
qemu-img create -q -f qcow2 -b v3.qcow2 -F qcow2 backed.qcow2
# The header's crypt_method, LUKS: qemu-img, which times a derivation before it writes one, gives up where that takes it no time.
qemu-img create -q -f qcow2 locked.qcow2 1M
printf '\000\000\000\002' | dd of=locked.qcow2 bs=1 seek=32 conv=notrunc status=none
qemu-img create -q -f qcow2 -o data_file=apart.raw apart.qcow2 1M
qemu-img create -q -f qcow2 -o extended_l2=on,cluster_size=64k sub.qcow2 1M
qemu-img create -q -f vmdk -b sparse.vmdk -F vmdk snapshot.vmdk
qemu-img create -q -f vmdk -o subformat=twoGbMaxExtentFlat many.vmdk 4M
head -c 1500000 stream.vmdk >cut.vmdk
sed 's|flat-flat.vmdk|linked-flat.vmdk|' flat.vmdk >linked.vmdk
ln -s /etc/shadow linked-flat.vmdk
sed 's|flat-flat.vmdk|../../etc/shadow|' flat.vmdk >out.vmdk
cp --sparse=always dynamic.vhdx logged.vhdx
# The newer header says that a log waits to be written back; its sum is made right.
python3 - logged.vhdx <<'EOP' || fail "python3"
import struct, sys
table = []
for i in range(256):
    for _ in range(8):
        i = i >> 1 ^ (0x82f63b78 if i & 1 else 0)
    table.append(i)
with open(sys.argv[1], "r+b") as f:
    for at in 65536, 131072:
        f.seek(at)
        head = bytearray(f.read(4096))
        head[48] = 1
        head[4:8] = bytes(4)
        crc = 0xffffffff
        for b in head:
            crc = crc >> 8 ^ table[(crc ^ b) & 255]
        struct.pack_into("<I", head, 4, crc ^ 0xffffffff)
        f.seek(at)
        f.write(head)
EOP
qemu-img create -q -f vdi disk.vdi 1M
head -c 100000 v3.qcow2 >cut.qcow2
while read -r file why; do
    expect "$file" 3 "$file: $why" "$cloister" image inspect "$file"
    expect "audit $file" 3 "$file: $why" "$cloister" audit "$file"
done <<'EOT'
backed.qcow2 qcow2: has a backing file: 'qemu-img convert
locked.qcow2 qcow2: is encrypted: 'qemu-img convert
apart.qcow2 qcow2: keeps its data in another file
sub.qcow2 qcow2: has subclusters
snapshot.vmdk VMDK: is the difference to another disk: 'qemu-img convert' joins the two
many.vmdk VMDK: is a twoGbMaxExtentFlat of
linked.vmdk VMDK: linked-flat.vmdk: is a link
out.vmdk VMDK: "../../etc/shadow": not a file next to it
logged.vhdx VHDX: was not closed, its log has to be written back: 'qemu-img check
disk.vdi is a VDI container
cut.qcow2 qcow2: the first table is not in the file
EOT
expect "cut.vmdk" 3 "VMDK: a grain at byte" "$cloister" image inspect cut.vmdk
expect "audit cut.vmdk" 3 "cut.vmdk: VMDK:" "$cloister" audit cut.vmdk

for command in "image inspect" audit; do
    # shellcheck disable=SC2086 # words
    expect "$command cut.vmdk" 3 "VMDK: a grain at byte" "$cloister" $command cut.vmdk
done

# What is not a root does not become one.
mkdir empty
mke2fs -q -F -t ext4 bare.ext4 8M
mke2fs -q -F -t ext4 -d root good.ext4 32M
head -c 2000000 /dev/urandom >noise
while read -r file why; do
    expect "a root of $file" 3 "$file: $why" build "$file" no.img
done <<'EOT'
v3.qcow2 is a disk in a qcow2 container, not a root: 'cloister image convert' takes it
fixed.vhd is a disk in a fixed VHD container, not a root
backed.qcow2 qcow2: has a backing file
demo.img is a whole disk, not a root: 'cloister image convert' takes it
empty is not the root of a system: it has no init
bare.ext4 is not the root of a system: it has no init
noise is not a file system: a root is a folder or an ext4 file system
stream.vmdk is a disk in a VMDK container, not a root
EOT
[ ! -e no.img ] || fail "something was written"
expect "an ext4 file system" 0 "LUKS2" build good.ext4 good.img --os-release root/etc/os-release


# A VHD of ours is as large as Azure wants it, and the same disk for others' tools.
seed=7c9a2f34-1be5-4d1e-9f6a-3f6f1f0c9e11
expect "a VHD" 0 "LUKS2" build root ours.vhd --format vhd --seed $seed
[ "$(($(stat -c %s ours.vhd) % 1048576))" = 512 ] || fail "$(stat -c %s ours.vhd) bytes"
[ "$(qemu-img info -f vpc --output=json ours.vhd | jq '."virtual-size"')" = "$(($(stat -c %s ours.vhd) - 512))" ] ||
    fail "qemu-img: $(qemu-img info -f vpc ours.vhd)"
qemu-img convert -f vpc -O raw ours.vhd ours.raw || fail "qemu-img reads it not"
head -c -512 ours.vhd | cmp -s - ours.raw || fail "qemu-img reads another disk"
expect "inspect it" 0 "a guest opens it" "$cloister" image inspect ours.vhd
expect "no such format" 2 "--format vmdk: expected raw or vhd" build root no.img --format vmdk
cp -r "$modules" tree/lib/modules/6.13.0-test
expect "another kernel's modules" 3 "6.13.0-test: the modules of 6.13.0-test; the kernel is 6.12.0-test" \
    build root no.img --modules tree/lib/modules/6.13.0-test
expect "a store without keys" 3 "$varstore: Secure Boot is off in it" build root no.img --varstore "$varstore"

exit "$failed"
