#!/bin/sh
# Predictions of a boot through systemd-boot and GRUB: what the ESP says is started, worked out with openssl; and what is not
# predicted, and why. (Boots of the real ones: tests/vm/registers_loaders.sh.)
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
init=$small_init
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
skip_without mke2fs mkfs.vfat mcopy jq python3
find_varstore
make_kernel vmlinuz
make_modules tree
corpus=$CLOISTER_TESTS/../fuzz/corpus
sed 's/systemd-stub 257/systemd-stub 258/' "$corpus/pe/stub" >stub
for version in 252 256 257; do
    sed "s/systemd-stub 257/systemd-boot $version/" "$corpus/pe/stub" >"boot.$version"
done

mkdir -p root/etc root/sbin
: >root/sbin/init
echo 'ID=test' >root/etc/os-release
head -c 64 /dev/urandom >disk.key
openssl ecparam -name prime256v1 -genkey -noout | openssl ec -pubout -out broker.pem 2>/dev/null
"$cloister" secureboot keygen --output keys >/dev/null || fail "keygen"
"$cloister" secureboot enroll --input "$varstore" --output vars.fd --pk keys/PK.crt --kek keys/KEK.crt --db keys/db.crt >/dev/null || fail "enroll"
"$cloister" image build root --kernel vmlinuz --modules "$modules" --stub "$PWD/stub" --cmdline quiet --sign-key keys/db.key --sign-cert keys/db.crt \
    --varstore vars.fd --disk-key disk.key --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" --output demo.img >/dev/null || fail "image build"
mcopy -n -i demo.img@@1M ::/EFI/BOOT/BOOTX64.EFI uki.efi || fail "no UKI"
put() { mcopy -o -i "$1@@1M" "$2" "::$3"; }
folder() { mmd -i "$1@@1M" "$2"; }
# Started by firmware: a boot loader of this version.
disk() { cp --sparse=always demo.img "$1" && put "$1" "boot.$2" /EFI/BOOT/BOOTX64.EFI && folder "$1" /loader; }
measure() { "$cloister" measure image "$1" --varstore "$varstore" --json; }
pcr() { jq -r --arg pcr "$2" '.pcrs.sha256[$pcr]' "$1"; }
zeros=$(printf '%064d' 0)
# extended FILE…: PCR 12 with the hash of each.
extended() {
    head -c 32 /dev/zero >value
    for file in "$@"; do
        { cat value; openssl dgst -sha256 -binary "$file"; } | openssl dgst -sha256 -binary >value.new && mv value.new value
    done
    od -An -tx1 -v value | tr -d ' \n'
}
wide() { python3 -c 'import sys; sys.stdout.buffer.write((sys.argv[1] + "\0").encode("utf-16-le"))' "$1"; }

# --- A UKI in EFI/Linux ---

disk one.img 257 && folder one.img /EFI/Linux && put one.img uki.efi /EFI/Linux/demo.efi
measure one.img >one.json || fail "one UKI"
jq -e '.events."4" | map(.name) == ["boot attempt", "separator", "boot loader", "UKI"]' one.json >/dev/null || fail "PCR 4: $(jq -c '.events."4"|map(.name)' one.json)"
[ "$(pcr one.json 12)" = "$zeros" ] || fail "PCR 12 of 257 with a UKI"
jq -e '.loader.version == "systemd-boot 257.1"' one.json >/dev/null || fail "the loader's name: $(jq -c .loader one.json)"
printf 'timeout 0\n' >loader.conf && put one.img loader.conf /loader/loader.conf
measure one.img >conf.json || fail "with loader.conf"

digest=$(openssl dgst -sha256 -r loader.conf | cut -d' ' -f1)
jq -e --arg digest "$digest" '.events."5" | any(.name == "loader.conf" and .digests.sha256 == $digest)' conf.json >/dev/null || fail "loader.conf in PCR 5"
[ "$(pcr conf.json 4)" = "$(pcr one.json 4)" ] || fail "loader.conf moved PCR 4"

# 252 passes the UKI's command line, and measures no loader.conf.
disk old.img 252 && folder old.img /EFI/Linux && put old.img uki.efi /EFI/Linux/demo.efi && put old.img loader.conf /loader/loader.conf
measure old.img >old.json || fail "252"
jq -e '.events."5" | all(.name != "loader.conf")' old.json >/dev/null || fail "252 measures no loader.conf"
jq -e '.events."12" | map(.name) == ["command line that the boot loader passes", "command line of the boot entry"]' old.json >/dev/null ||
    fail "PCR 12 of 252: $(jq -c '.events."12"|map(.name)' old.json)"

# A release that nobody booted.
disk new.img 256 && folder new.img /EFI/Linux && put new.img uki.efi /EFI/Linux/demo.efi
measure new.img >new.json || fail "256"
for number in 5 9 12; do
    jq -e --arg pcr $number '.not_predicted[$pcr] | test("never seen")' new.json >/dev/null || fail "PCR $number of 256 is predicted"
    [ "$(pcr new.json $number)" = null ] || fail "PCR $number of 256 has a value"
    jq -e --arg pcr $number '.events | has($pcr) | not' new.json >/dev/null || fail "PCR $number of 256 has events"
done
[ "$(pcr new.json 4)" != null ] || fail "PCR 4 of 256"

# --- Several ---

put one.img uki.efi /EFI/Linux/other.efi
expect "two, and no default" 3 "2 entries, and loader.conf names none of them" measure one.img
printf 'default o*\n' >loader.conf && put one.img loader.conf /loader/loader.conf
expect "a pattern" 3 'default "o*": which of several entries that is, is not predicted' measure one.img
printf 'default Other.efi\n' >loader.conf && put one.img loader.conf /loader/loader.conf
measure one.img >two.json || fail "a default by its name"
disk none.img 257
expect "none" 3 "0 entries" measure none.img

# --- An entry with a kernel ---

disk entry.img 257 && folder entry.img /loader/entries && folder entry.img /demo
cp uki.efi linux # any image will do: it is not looked into
printf 'an initrd' >initrd
put entry.img linux /demo/linux && put entry.img initrd /demo/initrd
printf 'title Demo\nlinux /demo/linux\ninitrd /demo/initrd\noptions ro quiet\n' >demo.conf && put entry.img demo.conf /loader/entries/demo.conf
measure entry.img >entry.json || fail "an entry"
wide 'initrd=\demo\initrd ro quiet' >options
[ "$(pcr entry.json 12)" = "$(extended options)" ] || fail "PCR 12 of an entry is $(pcr entry.json 12)"
[ "$(pcr entry.json 9)" = "$(extended options initrd)" ] || fail "PCR 9 of an entry is $(pcr entry.json 9)"
jq -e '.not_predicted["11"] and (.events | has("11") | not)' entry.json >/dev/null || fail "PCR 11 of an entry is predicted"
printf 'linux /demo/linux\ninitrd /demo/initrd\noptions ro\ndevicetree /d\n' >demo.conf && put entry.img demo.conf /loader/entries/demo.conf
expect "what was never seen" 3 '"devicetree": what comes of it was never seen' measure entry.img
expect "load options for the loader" 3 "systemd-boot with load options" "$cloister" measure image one.img --varstore "$varstore" --load-options x

# --- TDX: nothing was seen ---

expect "RTMRs" 3 "never seen" "$cloister" measure tdx --image one.img

exit "$failed"
