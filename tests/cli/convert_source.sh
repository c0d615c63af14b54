#!/bin/sh
# Roots that are not disks, converted: a folder, a tar archive, an image in OCI's layout. Files, owners, attributes, hard links
# and holes are as they were; whoever wants something else of the machine, or of the guest, is refused in one line.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
# shellcheck source=tests/cli/convert_lib.sh
. "$(dirname "$0")/convert_lib.sh"
init=$small_init
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
export TMPDIR="$work"
skip_without mke2fs jq debugfs e2fsck cryptsetup python3 tar
make_image_inputs
make_distribution
mv distribution.boot/vmlinuz-6.12.0-test distribution/boot/
: >distribution/.dockerenv
ln -s usr/lib distribution/lib64
ln -P distribution/lib64 distribution/lib65
mkfifo distribution/var/pipe

# convert INPUT IMAGE [OPTION]…
# shellcheck disable=SC2317 # expect calls it
convert() {
    input=$1 image=$2
    shift 2
    "$cloister" image convert "$input" "$image" --stub "$stub" --key keys/db.key --cert keys/db.crt --varstore vars.fd \
        --disk-key disk.key --reuse-disk-key test --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" "$@"
}

# look NAME: the root of NAME.img is sound, and is the distribution.
look() {
    open_root "$1.img" disk.key "$1.ext4"
    e2fsck -fn "$1.ext4" >e2fsck.log 2>&1 || fail "$1: e2fsck: $(cat e2fsck.log)"
    rm -rf is
    mkdir is
    in_root "$1.ext4" 'rdump / is' >/dev/null 2>&1
    diff -r distribution is 2>&1 | grep -v -e fstab -e crypttab -e lost+found -e 90-loaderentry -e '^[<>0-9\\-]' -e '^diff' \
        -e 'var: pipe' -e 'var/pipe' -e 'Only in distribution: .dockerenv' >changed
    [ ! -s changed ] || fail "$1: other files: $(cat changed)"
    in_root "$1.ext4" 'stat var/one' >one
    in_root "$1.ext4" 'stat var/two' >two
    cmp -s one two || fail "$1: the hard link is another file"
    grep -q 'Links: 2' one || fail "$1: links: $(cat one)"
    grep -q 'Mode:  04755' one || fail "$1: mode: $(cat one)"
    grep -q 'mtime: 0x499602d2' one || fail "$1: time: $(cat one)"
    in_root "$1.ext4" 'stat var/sparse' | grep -q 'Size: 8388608' || fail "$1: the sparse file's size"
    [ "$(in_root "$1.ext4" 'stat var/sparse' | sed -n 's/.*Blockcount: //p')" -lt 200 ] || fail "$1: the sparse file's holes"
    in_root "$1.ext4" 'stat var/pipe' | grep -q 'FIFO' || fail "$1: the pipe"
    in_root "$1.ext4" 'stat lib64' | grep -q 'usr/lib' || fail "$1: the link"
    in_root "$1.ext4" 'stat lib65' | grep -q 'Links: 2' || fail "$1: the link's other name"
    [ -z "$xattrs" ] || in_root "$1.ext4" 'ea_list var/one' | grep -q 'user.note (4) = "kept"' || fail "$1: the attribute"
}
xattrs=
getfattr -n user.note distribution/var/one >/dev/null 2>&1 && xattrs=yes

expect "a folder" 0 "LUKS2" convert distribution folder.img
grep -q 'root: a folder: ' out || fail "a folder: $(cat out)"
grep -q '/.dockerenv, /run/.containerenv: left behind' out || fail "the mark of a container: $(cat out)"
look folder
expect "inspect" 0 "a guest opens it" "$cloister" image inspect folder.img

tar --xattrs --numeric-owner --owner=0 --group=0 -S -C distribution -cf root.tar .
expect "a tar" 0 "LUKS2" convert root.tar tar.img
look tar
gzip -k root.tar
expect "a compressed tar" 0 "root: a tar archive: " convert root.tar.gz gz.img

# Refused at the end, and resumed: the archive gives the same root again.
expect "refused by the audit" 1 "(--resume goes on from here)" convert root.tar again.img --cmdline 'console=ttyS0 mitigations=off'
expect "resumed" 0 "LUKS2" convert root.tar again.img --cmdline 'console=ttyS0 mitigations=off' --resume --accept cmdline.mitigations
[ ! -e again.img.converting ] || fail "left over after a resumption"

# Layers: the lower one has a file that the upper takes away, one that it replaces, and a folder that it makes opaque.
mkdir -p lower/gone lower/opaque upper/opaque
echo 1 >lower/gone/file
echo 1 >lower/replaced
echo 1 >lower/opaque/old
echo 2 >upper/replaced
echo 2 >upper/opaque/new
: >upper/.wh.gone
: >upper/opaque/.wh..wh..opq
tar -C lower -cf lower.tar .
tar -C upper -cf upper.tar .
python3 "$CLOISTER_TESTS/cli/oci.py" oci root.tar lower.tar upper.tar
expect "an OCI image" 0 "LUKS2" convert oci oci.img
grep -q 'root: an OCI image of 3 layers' out || fail "an OCI image: $(cat out)"
open_root oci.img disk.key oci.ext4
e2fsck -fn oci.ext4 >e2fsck.log 2>&1 || fail "OCI: e2fsck: $(cat e2fsck.log)"
[ "$(in_root oci.ext4 'cat replaced')" = 2 ] || fail "a file that was replaced: $(in_root oci.ext4 'cat replaced')"
in_root oci.ext4 'ls' | grep -q 'gone\|\.wh\.' && fail "a file that was taken away: $(in_root oci.ext4 ls)"
in_root oci.ext4 'ls opaque' | grep -q old && fail "an opaque folder"
[ "$(in_root oci.ext4 'cat opaque/new')" = 2 ] || fail "in an opaque folder"

# What is refused. one INPUT WORDS
one() {
    expect "$1" 3 "$1: $2" convert "$1" no.img
    [ ! -e no.img ] || fail "$1: something was written"
}
cat >evil.py <<'EOP'
"""evil.py: archives that want something."""
import io, tarfile
def make(name, *members):
    with tarfile.open(name, "w") as archive:
        for path, kind, extra in members:
            info = tarfile.TarInfo(path)
            info.type = kind
            data = extra if kind == tarfile.REGTYPE else b""
            info.size = len(data)
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname = extra
            if kind in (tarfile.CHRTYPE, tarfile.BLKTYPE):
                info.devmajor, info.devminor = extra
            archive.addfile(info, io.BytesIO(data))
R, L, H, C = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE
make("dots.tar", ("../outside", R, b"x"))
make("inner.tar", ("a/../../outside", R, b"x"))
make("twice.tar", ("etc/passwd", R, b"1"), ("./etc//passwd", R, b"2"))
make("through.tar", ("e", L, "etc"), ("etc/x", R, b"1"), ("e/x", R, b"2"))
make("device.tar", ("root/disk", C, (8, 0)))
make("linked.tar", ("root/x", R, b"x"), ("dev/here", L, "../root"), ("dev/here/disk", C, (8, 0)))
make("pointless.tar", ("pointed", L, ""))
make("link.tar", ("a", H, "/../../etc/shadow"))
make("missing.tar", ("a", H, "b"))
make("file.tar", ("a", R, b"x"), ("a/b", R, b"x"))
make("rootless.tar", ("etc/os-release", R, b"ID=x\n"))
make("absolute.tar", ("/tmp", L, "/"), ("tmp/converted-outside", R, b"x"), ("sbin/init", R, b""))
with tarfile.open("longname.tar", "w", format=tarfile.PAX_FORMAT) as archive:
    info = tarfile.TarInfo("marked")
    info.pax_headers = {"SCHILY.xattr.security.capability" + "x" * 256: "1"}
    archive.addfile(info)
for name, member, headers in ("owner.tar", "owned", {"uid": "4294967296"}), ("group.tar", "owned", {"gid": "4294967295"}), \
        ("space.tar", "marked", {"SCHILY.xattr.com.apple.quarantine": "1"}):
    with tarfile.open(name, "w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo(member)
        info.pax_headers = headers
        if "id" in list(headers)[0]:
            setattr(info, list(headers)[0], int(list(headers.values())[0]))
        archive.addfile(info)
info = tarfile.TarInfo("huge")
info.size = 1 << 50
open("huge.tar", "wb").write(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
info.size = 1 << 33
open("bomb.tar", "wb").write(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
EOP
python3 evil.py
: >empty.tar
head -c 10240 /dev/zero >zeros.tar
head -c 100000 root.tar.gz >cut.tar.gz
head -c 1000000 /dev/urandom | gzip >noise.gz
mkdir nothing
cp -r oci forged
layer=$(jq -r '.layers[0].digest' "forged/blobs/sha256/$(jq -r '.manifests[0].digest' forged/index.json | cut -c 8-)" | cut -c 8-)
printf x >>"forged/blobs/sha256/$layer"
cp -r oci endless
ln -sf /dev/zero "endless/blobs/sha256/$layer"
cp -r oci leading
jq '.manifests[0].digest = "sha256:../../../../etc/passwd"' oci/index.json >leading/index.json
cp -r oci several
jq '.manifests += .manifests' oci/index.json >several/index.json
while IFS='|' read -r input words; do
    one "$input" "$words"
done <<'EOT'
dots.tar|../outside: leads out by ".."
inner.tar|a/../../outside: leads out by ".."
twice.tar|./etc//passwd: /passwd: is there twice
through.tar|e/x: /x: is there twice
device.tar|root/disk: a device outside of /dev
linked.tar|/dev/here/disk: a device by way of a link
pointless.tar|pointed: a link to nothing
link.tar|/../../etc/shadow: leads out by ".."
longname.tar|marked: attribute security.capabilityxxxx
owner.tar|owned: user id 4294967296: at most 4294967294 expected
group.tar|owned: group id 4294967295: at most 4294967294 expected
space.tar|marked: attribute com.apple.quarantine: Linux has none of that name
missing.tar|/a: is a link to /b, which is not there
file.tar|/a/b: Ext2 inode is not a directory
rootless.tar|is not the root of a system: it has no init
huge.tar|huge: 1125899906842624 bytes
bomb.tar|huge: unpacks to more than 1200 times the archive's size
empty.tar|0 bytes are not a disk
zeros.tar|10240 bytes are not a disk
cut.tar.gz|
noise.gz|is compressed or an archive, and not a tar: unpack it first
nothing|is not the root of a system: it has no init
forged|OCI image: layer 1: blob
endless|OCI image: layer 1: blob
leading|OCI image: digest sha256:../../../../etc/passwd: sha256 expected
several|OCI image: 2 images, 0 of them for linux/amd64: one expected
missing|No such file or directory
EOT
one absolute.tar ""
[ ! -e /tmp/converted-outside ] || fail "a file of the machine's was written"
[ -z "$(find . -maxdepth 1 -name '*.converting' -o -maxdepth 1 -name '.cloister*' -o -maxdepth 1 -name 'cloister-*')" ] || fail "left over: $(ls)"
exit "$failed"
