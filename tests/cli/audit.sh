#!/bin/sh
# cloister audit: of each kind of subject, in each form, with its exit status; and the pages of docs/ that are made by it.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
sim=$(absolute "$2")
init=$(absolute "$3")
docs=$(absolute "$CLOISTER_TESTS/../docs/audit.md")
docs=${docs%/*}
cd "$work" || exit 4
skip_without jq
tab=$(printf '\t')

# full: a configuration that answers for every option, the wanted ones on.
full() {
    echo "# Linux/x86 6.12.0 Kernel Configuration"
    i=0
    while [ $i -lt 600 ]; do
        echo "# CONFIG_FILLER_$i is not set"
        i=$((i + 1))
    done
    echo CONFIG_64BIT=y
}
full >bad.config
expect "a bad kernel" 1 "not fit, by what is required" "$cloister" audit bad.config
"$cloister" audit bad.config --generate >fragment || fail "--generate"
{ cat bad.config fragment; echo CONFIG_X86_MCE=y; echo CONFIG_UNACCEPTED_MEMORY=y; echo CONFIG_SWIOTLB=y; echo CONFIG_TSM_REPORTS=y; } >good.config
expect "a good kernel" 0 "fit, by what is required" "$cloister" audit good.config
expect "and by what is recommended" 0 "fit, by what is recommended" "$cloister" audit good.config --fail-on recommended
gzip -k good.config
expect "gzip" 0 "fit, by" "$cloister" audit good.config.gz
sed 's/^CONFIG_DM_CRYPT=y/CONFIG_DM_CRYPT=m/' good.config >module.config
expect "a module" 1 "not shown to be fit" "$cloister" audit module.config
expect "why it is not shown" 1 "DM_CRYPT=m, needs dm_crypt.ko in the initrd" "$cloister" audit module.config
expect "no disk to encrypt" 0 "fit, by" "$cloister" audit module.config --for no-fde

# Forms
"$cloister" audit module.config --json >audit.json
[ $? = 1 ] || fail "--json has another exit status"
[ "$(jq -r '.fit, .config.full_config, .config.options.CONFIG_DM_CRYPT' audit.json | tr '\n' ' ')" = "unknown true m " ] || fail "--json: $(head -c 300 audit.json)"
[ "$(jq -r '.config.can_guest_of.tdx_guest' audit.json)" = true ] || fail "can_guest_of"
"$cloister" audit bad.config --sarif >audit.sarif
[ "$(jq -r '.version, .runs[0].tool.driver.name' audit.sarif | tr '\n' ' ')" = "2.1.0 cloister audit " ] || fail "--sarif"
[ "$(jq '[.runs[0].results[] | select(.level == "error")] | length' audit.sarif)" -gt 20 ] || fail "--sarif: results"
awkward=$(printf 'a b%%\303\251\351.config')
{ sed 's/6.12.0/5.4.0/' good.config | grep -v SEV_GUEST; printf 'CONFIG_LOCALVERSION="\351"\n'; } >"$awkward"
"$cloister" audit "$awkward" --sarif >audit.sarif
[ "$(jq -r '[.runs[0].results[].locations[].physicalLocation.artifactLocation.uri] | unique | join(" ")' audit.sarif)" = \
    a%20b%25%C3%A9%E9.config ] || fail "--sarif: a file's name is not a URI"
"$cloister" audit "$awkward" --json >audit.json
[ "$(jq -r '[.config.options.CONFIG_LOCALVERSION, .config.can_guest_of.snp_guest] | join(" ")' audit.json)" = "? false" ] ||
    fail "what is not UTF-8, or an SNP guest before Linux 5.19"
echo CONFIG_SEV_GUEST=m >>"$awkward"
"$cloister" audit "$awkward" --json | jq -e .config.can_guest_of.snp_guest >/dev/null || fail "SNP that was ported back"

# pad COUNT: zeros up to a multiple of four.
pad() { head -c $(((4 - $1 % 4) % 4)) /dev/zero; }
# entry NAME FILE: one of a cpio (newc): a regular file.
entry() {
    printf '070701%08x%08x%016d%08x%08d%08x%032d%08x%08d' 1 33188 0 1 0 "$(wc -c <"$2")" 0 $((${#1} + 1)) 0
    printf '%s\000' "$1" && pad $((110 + ${#1} + 1))
    cat "$2" && pad "$(wc -c <"$2")"
}
# rpm NAME PATH FILE: lead, signature and header, both empty, and a cpio: what Fedora's kernel-core has around its files.
rpm() {
    { printf '\355\253\356\333\003\000\000\000\000\001kernel-core'
        head -c 55 /dev/zero
        printf '\000\001\000\005'
        head -c 16 /dev/zero
        for _ in signature header; do printf '\216\255\350\001\000\000\000\000\000\000\000\000\000\000\000\000'; done
        { entry "$2" "$3" && entry TRAILER!!! /dev/null; } | gzip; } >"$1"
}
rpm kernel.rpm ./lib/modules/6.12.0/config good.config
expect "an .rpm" 0 "fit, by what is required" "$cloister" audit kernel.rpm
rpm bad.rpm ./usr/lib/modules/6.12.0/config bad.config
expect "an .rpm of a bad kernel" 1 "not fit, by what is required" "$cloister" audit bad.rpm
rpm none.rpm ./etc/config good.config
expect "an .rpm without a kernel" 3 "neither a kernel nor its configuration" "$cloister" audit none.rpm
rpm absolute.rpm /lib/modules/6.12.0/config good.config
expect "an .rpm with absolute names" 0 "fit, by what is required" "$cloister" audit absolute.rpm
head -c 2000 kernel.rpm >cut.rpm
expect "an .rpm cut short" 3 "cut.rpm: package: truncated" "$cloister" audit cut.rpm
expect "two forms at once" 2 "one of them" "$cloister" audit bad.config --json --sarif
expect "no subject" 2 "is needed" "$cloister" audit
expect "two subjects" 2 "at most one subject" "$cloister" audit bad.config good.config
expect "a platform that is none" 2 "'sgx' is none of" "$cloister" audit bad.config --for sgx
expect "a severity that is none" 2 "'bad' is none of" "$cloister" audit bad.config --fail-on bad
expect "a file that is not there" 3 "nowhere" "$cloister" audit nowhere
echo "CONFIG_A" >broken.config
expect "a broken configuration" 3 "broken.config: kernel configuration: line 1" "$cloister" audit broken.config

# Command lines
closed="systemd.import_credentials=no systemd.gpt_auto=no"
expect "a good command line" 0 "fit" "$cloister" audit --cmdline "quiet lockdown=integrity $closed"
expect "credentials of the host's" 1 "cmdline.import_credentials" "$cloister" audit --cmdline "quiet systemd.gpt_auto=no"
expect "partitions of the host's" 1 "cmdline.gpt_auto" "$cloister" audit --cmdline "quiet systemd.import_credentials=0 systemd.gpt_auto=1"
# What the kernel does not see, does not count: it cuts a line that is too long, and may have one of its own.
long=$(printf 'x=y %.0s' $(seq 600))
expect "lockdown that is cut off" 1 "cmdline.length" "$cloister" audit --cmdline "quiet ${long}lockdown=integrity"
grep -v LOCK_DOWN_ good.config >lockdown.config
echo CONFIG_SECURITY_LOCKDOWN_LSM=y >>lockdown.config
lockdown() { "$cloister" audit lockdown.config --cmdline "$1" --json | jq -r '.findings[] | select(.id == "cmdline.lockdown").result'; }
[ "$(lockdown "lockdown=integrity $long")" = pass ] || fail "lockdown before the cut does not pass: $(lockdown "lockdown=integrity $long")"
[ "$(lockdown "quiet ${long}lockdown=integrity")" != pass ] || fail "lockdown that is cut off passes"
{
    cat good.config
    printf 'CONFIG_CMDLINE_BOOL=y\nCONFIG_CMDLINE="quiet"\nCONFIG_CMDLINE_OVERRIDE=y\n'
} >override.config
[ "$("$cloister" audit override.config --cmdline "init=/bin/sh" --json | jq -r '.findings[] | select(.id == "cmdline.init").result')" = pass ] || fail "a line that the kernel overrides counts"
expect "a shell" 1 "cmdline.shell" "$cloister" audit --cmdline "quiet rd.break"
echo "quiet init=/bin/sh" >cmdline
expect "in a file" 1 "cmdline.init" "$cloister" audit cmdline
echo "quiet $closed" >cmdline
expect "a flag in a file" 0 "fit" "$cloister" audit cmdline
# A line of anything is not a command line: it would be found fit.
for text in hello "hello, world" "= x" "status: fine" quietly; do
    printf '%s' "$text" >line
    expect "a file that says '$text'" 3 "line: neither a kernel configuration" "$cloister" audit line
done
"$cloister" audit good.config --json >audit.json
[ "$(jq -r '.identity.kind + " " + .identity.sha256' audit.json)" = "file $(sha256sum good.config | cut -d ' ' -f 1)" ] || fail "--json: identity"
"$cloister" audit --cmdline quiet --json | jq -e 'has("identity") | not' >/dev/null || fail "--json: a command line has no file"

# Waivers
printf 'kconfig.DM_CRYPT\t2026-12-31\tthe initrd is another team'\''s\n' >waivers
expect "waived" 0 "waived" "$cloister" audit module.config --waivers waivers --at 2026-12-31T10:00:00Z
expect "it ran out" 1 "not shown" "$cloister" audit module.config --waivers waivers --at 2027-01-01T10:00:00Z
echo "kconfig.DM_CRYPT" >waivers
expect "a broken waiver" 3 "waivers: waivers: line 1" "$cloister" audit module.config --waivers waivers

printf 'kconfig.DM_CRYPTO\t2026-12-31\tx\n' >waivers
expect "a misspelt waiver" 3 "waivers: line 1: there is no rule 'kconfig.DM_CRYPTO'" "$cloister" audit module.config --waivers waivers

# Rules of one's own
"$cloister" audit --print-rules >rules.tsv || fail "--print-rules"
{
    grep "^id$tab" rules.tsv
    printf 'kconfig.DM_CRYPT\tx\t-\t-\t-\toff\t-\t-\t-\t-\t-\t-\t-\t-\n'
    printf 'mine.EFI\tmine\tkconfig\tEFI=n\tany\trequired\t-\t-\t-\t-\t-\tno firmware at all\tme\tdo without\n'
} >mine.tsv
expect "a rule switched off, another added" 1 "do without" "$cloister" audit module.config --rules mine.tsv
head -n 2 mine.tsv >off.tsv
expect "a rule switched off" 0 "fit" "$cloister" audit module.config --rules off.tsv
echo x >broken.tsv
expect "a broken table" 3 "broken.tsv: rule table: line 1" "$cloister" audit module.config --rules broken.tsv

# A root file system's files
mkdir -p tree/etc tree/usr/bin
printf 'root::1::\n' >tree/etc/shadow
: >tree/usr/bin/qemu-ga
expect "faults in a tree" 1 "rootfs.empty_password" "$cloister" audit --root tree
[ "$("$cloister" audit --root tree --json | jq -r '[.findings[] | select(.result != "pass") | .id] | join(" ")')" = "rootfs.empty_password rootfs.agents" ] || fail "two faults, and no other"
printf 'LABEL=data /srv ext4 defaults 0 0\nLABEL=x / ext4\n/dev/mapper/a /a ext4\nLABEL=y /y ext4 noauto\n' >tree/etc/fstab
mkdir -p tree/usr/lib/systemd tree/usr/lib/udev/rules.d
: >tree/usr/lib/systemd/systemd
: >tree/usr/lib/systemd/libsystemd-shared-252.so
: >tree/usr/lib/udev/rules.d/69-lvm.rules
[ "$("$cloister" audit --root tree --json | jq -r '.facts | [.["rootfs.fstab_clear"], .["rootfs.systemd"], .["rootfs.auto_assembly"]] | join("; ")')" = \
    "LABEL=data on /srv; 252; LVM" ] || fail "what the host could fill: $("$cloister" audit --root tree --json | jq -c .facts)"
expect "a file system of the host's" 1 "rootfs.fstab_clear" "$cloister" audit --root tree
rm -r tree/etc/fstab tree/usr/lib
expect "no tree" 3 "there is no etc in it" "$cloister" audit --root "$work/tree/usr"

# A guest: what a pretend processor says
mkdir -p snp tdx debug guest/etc guest/proc/sys/kernel guest/proc/self
cp tree/etc/shadow guest/etc/shadow
echo 6.12.0 >guest/proc/sys/kernel/osrelease
echo "quiet lockdown=integrity" >guest/proc/cmdline
{ "$sim" facts snp snp && "$sim" facts tdx tdx && "$sim" facts tdx-debug debug; } || fail "facts"
for platform in snp tdx; do
    "$cloister" audit --guest --root guest --platform $platform --config good.config --json >guest.json
    [ "$(jq -r '.facts["guest.tee"]' guest.json)" = $platform ] || fail "tee is not $platform"
    [ "$(jq -r '.findings[] | select(.id == "guest.tee").result' guest.json)" = pass ] || fail "$platform does not pass"
done
[ "$(jq -r '.for | join(" ")' guest.json)" = "tdx kvm vtpm uki fde" ] || fail "a TD is asked about other platforms: $(jq -c .for guest.json)"
"$sim" facts snp-paravisor debug || fail "facts"
"$cloister" audit --guest --root guest --platform debug --config good.config --json >guest.json
[ "$(jq -r '.for | join(" ")' guest.json)" = "snp hyperv vtpm uki fde" ] || fail "a guest of Azure's: $(jq -c .for guest.json)"
"$sim" facts tdx-debug debug || fail "facts"
expect "a debug TD" 1 "a debug TD: the host reads its memory" "$cloister" audit --guest --root guest --platform debug --config good.config

# UKIs and disks
find_stub
make_kernel vmlinuz
"$cloister" uki build --kernel vmlinuz --stub "$stub" --cmdline "quiet lockdown=integrity $closed" --output test.efi >/dev/null || fail "uki build"
expect "a UKI without an initrd" 1 "The kernel does not carry its configuration" "$cloister" audit test.efi
[ "$("$cloister" audit test.efi --config good.config --json | jq -r '[.findings[] | select(.result != "pass" and .severity == "required") | .id] | join(" ")')" = "uki.initrd uki.signed" ] ||
    fail "a UKI, required: $("$cloister" audit test.efi --config good.config --json | jq -c '[.findings[] | select(.result != "pass" and .severity == "required") | .id]')"

# A disk of ours, one with a boot loader in front of its UKI, and one that is not encrypted
PATH=$PATH:/sbin:/usr/sbin
if found mke2fs "disks are not tried" && found mkfs.vfat "disks are not tried" && found mcopy "disks are not tried"; then
    find_varstore
    make_modules modules
    mkdir -p root/etc root/sbin
    : >root/sbin/init
    "$cloister" secureboot keygen --output keys >/dev/null || fail "keygen"
    "$cloister" secureboot enroll --input "$varstore" --output vars.fd --pk keys/PK.crt --kek keys/KEK.crt --db keys/db.crt >/dev/null || fail "enroll"
    head -c 64 /dev/urandom >disk.key
    openssl ecparam -name prime256v1 -genkey -noout | openssl ec -pubout -out broker.pem 2>/dev/null
    "$cloister" image build root --kernel vmlinuz --modules "$modules" --stub "$stub" --cmdline 'quiet lockdown=integrity' \
        --sign-key keys/db.key --sign-cert keys/db.crt --varstore vars.fd --disk-key disk.key \
        --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" --output disk.img >/dev/null || fail "image build"
    expect "a disk of ours" 0 "fit, by what is required" "$cloister" audit disk.img --config good.config
    [ "$("$cloister" audit disk.img --config good.config --json | jq -r '[.facts[("image.root", "image.luks_header", "image.loader", "uki.signed")]] | join(" ")')" = \
        "luks2 strict none yes" ] || fail "its facts"
    cp --sparse=always disk.img loader.img
    mcopy -n -i loader.img@@1M ::/EFI/BOOT/BOOTX64.EFI one.efi
    mmd -i loader.img@@1M ::/EFI/Linux
    mcopy -i loader.img@@1M one.efi ::/EFI/Linux/debian-6.12.efi
    mcopy -o -i loader.img@@1M "$stub" ::/EFI/BOOT/BOOTX64.EFI
    expect "a boot loader" 1 "image.loader" "$cloister" audit loader.img --config good.config --fail-on recommended
    expect "whose one UKI is audited" 0 "fit, by what is required" "$cloister" audit loader.img --config good.config
    sed 's/systemd-stub/systemd-boot/' "$stub" >boot.efi
    mcopy -o -i loader.img@@1M boot.efi ::/EFI/BOOT/BOOTX64.EFI
    [ "$("$cloister" audit loader.img --config good.config --json | jq -r '.facts["image.loader"]')" = present ] || fail "systemd-boot is not seen"
    mcopy -i loader.img@@1M one.efi ::/EFI/Linux/debian-6.13.efi
    expect "and two" 1 "2 in EFI/Linux: audit each" "$cloister" audit loader.img --config good.config
    offset=$("$cloister" image inspect disk.img --json | jq '.partitions[] | select(.name == "root").offset')
    mke2fs -q -t ext4 plain.ext4 8M >/dev/null 2>&1
    cp --sparse=always disk.img plain.img
    dd if=plain.ext4 of=plain.img bs=1M seek=$((offset / 1048576)) conv=notrunc status=none
    expect "a root in the clear" 1 "root: clear" "$cloister" audit plain.img --config good.config
fi

# The pages that this program makes are as it would make them.
{ "$docs/audit-rules.sh" "$cloister" >rules.md && cmp -s rules.md "$docs/audit-rules.md"; } || fail "docs/audit-rules.md: run docs/audit-rules.sh"
if [ -r "$CLOISTER_VECTORS/kconfig/fedora-42.config" ]; then
    { "$docs/audit-distributions.sh" "$cloister" "$CLOISTER_VECTORS/kconfig" >distributions.md &&
        cmp -s distributions.md "$docs/audit-distributions.md"; } || fail "docs/audit-distributions.md: run docs/audit-distributions.sh"
fi
# A folder: what is whole is shown, what is not is named, and the exit status says that not all could be read.
cd "$work" || exit 4
mkdir folder
printf 'CONFIG_64BIT=y\nCONFIG_X86_64=y\n' >folder/config-1
echo hello >folder/notes
cp folder/config-1 folder/z-config
status=0
"$cloister" audit folder >folder.out 2>folder.err || status=$?
[ $status = 3 ] || fail "a folder with a bad file: exit status $status"
[ "$(grep -c '^folder/.*config' folder.out)" = 2 ] || fail "a folder: not both configurations: $(grep '^folder' folder.out)"
case $(cat folder.err) in "cloister: audit: folder/notes: "*) ;; *) fail "a folder: $(cat folder.err)" ;; esac
"$cloister" audit folder --json >folder.json 2>/dev/null
jq -e '.audits | length == 2' folder.json >/dev/null || fail "a folder as JSON"
rm folder/notes
status=0
"$cloister" audit folder >/dev/null 2>&1 || status=$?
[ $status = 1 ] || fail "a folder of unfit files: exit status $status"
expect "a folder as SARIF" 2 "are for one file" "$cloister" audit folder --sarif
exit $failed
