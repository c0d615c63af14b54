#!/bin/sh
# A disk whose maker wants something of the machine that converts it: a file outside of the image's folder, or all of its memory,
# space and time. Each is refused in one line.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
init=$small_init
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
export TMPDIR="$work"
skip_without mke2fs debugfs
make_image_inputs
mkdir -p root/boot root/usr/lib/modules outputs

# make_root FILE: a bare file system of the folder "root", without sums, so that a folder's bytes can be changed.
make_root() {
    rm -f "$1"
    mke2fs -q -F -t ext4 -O ^metadata_csum -d root "$1" 24M >/dev/null || fail "mke2fs"
}

# convert DISK [OPTION]…
# shellcheck disable=SC2317 # expect calls it
convert() {
    disk=$1
    shift
    "$cloister" image convert "$disk" outputs/demo.img --stub "$stub" --key keys/db.key --cert keys/db.crt --varstore vars.fd \
        --disk-key disk.key --reuse-disk-key test --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" "$@"
}

# A folder's entry whose name leads out: in the root it is /escaped, and seen from the scratch folder it is where the image goes.
make_kernel tree/lib/modules/6.12.0-test/vmlinuz
cp -r tree/lib/modules/6.12.0-test root/escaped
name=../../../../escaped
placed=NNNNNNNNNNNNNNNNNNN
[ ${#name} = ${#placed} ] || fail "a name of another length"
mkdir root/usr/lib/modules/$placed
make_root names.ext4
LC_ALL=C sed -i "s|$placed|$name|" names.ext4
expect "a name that leads out" 3 "names.ext4: /usr/lib/modules: \"$name\" is not a name" convert names.ext4
[ ! -e outputs/escaped ] || fail "files outside: $(ls outputs/escaped)"
rmdir root/usr/lib/modules/$placed

# A kernel whose release is not the name of a folder.
cp -r tree/lib/modules/6.12.0-test/. root/usr/lib/
cp vmlinuz root/boot/vmlinuz-..
make_root release.ext4
expect "a release that leads out" 3 "no kernel in /boot or /usr/lib/modules" convert release.ext4
rm -r root/boot/vmlinuz-.. root/usr/lib/modules.*

# More modules, or larger indexes, than any kernel has.
cp vmlinuz root/boot/vmlinuz-6.12.0-test
cp -r tree/lib/modules/6.12.0-test root/usr/lib/modules/
indexes=root/usr/lib/modules/6.12.0-test
seq -f 'kernel/x%.0f.ko:' 20001 >$indexes/modules.dep
make_root files.ext4
expect "many modules" 3 "more than 20000 files and folders of modules" convert files.ext4
awk 'BEGIN { for (i = 0; i < 100; i++) { line = "k" i; for (j = 0; j < 250; j++) line = line "/f"; print line ":" } }' >$indexes/modules.dep
make_root folders.ext4
expect "many folders" 3 "more than 20000 files and folders of modules" convert folders.ext4
: >$indexes/modules.dep
for part in 1 2 3; do truncate -s 60M $indexes/modules.large$part; done
make_root bytes.ext4
expect "large indexes" 3 "more than 128 MiB of modules and their indexes" convert bytes.ext4
rm $indexes/modules.large?

# A small container whose file system says that many times the file's size is in use: blocks of it, or the tags for all of them.
rm -rf root/usr/lib/modules/* root/boot/*
: >root/usr/fill
if found qemu-img "a root of blocks that were never written, in qcow2 and VMDK, is not tried"; then
    mkdir -p root/sbin
    : >root/sbin/init
    mke2fs -q -F -t ext4 -O ^has_journal,^metadata_csum -N 1000 -E nodiscard -d root used.ext4 2G >/dev/null || fail "mke2fs"
    debugfs -w -R 'fallocate usr/fill 0 480000' used.ext4 >/dev/null 2>&1
    for kind in qcow2 vmdk; do
        packed="-c"
        [ $kind = qcow2 ] || packed="-o subformat=streamOptimized"
        # shellcheck disable=SC2086 # words
        qemu-img convert -f raw -O $kind $packed used.ext4 used.$kind || fail "qemu-img: $kind"
        expect "blocks that are not there, $kind" 3 "unpacks to more than 1200 times the file's size" convert used.$kind
    done
    rm -f used.*
fi

# A pipe is not waited for.
mkfifo pipe
expect "a pipe, to be looked at" 3 "neither a file nor a disk" timeout 60 "$cloister" image inspect pipe
expect "a pipe, to be converted" 3 "neither a file nor a disk" convert pipe

[ -z "$(find outputs -mindepth 1)" ] || fail "something was written: $(find outputs)"
exit "$failed"
