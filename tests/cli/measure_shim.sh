#!/bin/sh
# Predictions of a boot through shim: PCR 14 worked out with openssl; what a disk's shim starts; and what is not taken.
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
stub=$work/stub # of version 258, which starts the kernel itself: ours is not a PE file
sed 's/systemd-stub 257/systemd-stub 258/' "$corpus/pe/stub" >"$stub"
# A shim of 16.1; its vendor's certificate is six bytes that look like one.
shim=$corpus/shim/vendor-certificate

"$cloister" secureboot keygen --output keys >/dev/null || fail "keygen"
"$cloister" secureboot keygen --output mok >/dev/null || fail "keygen"
"$cloister" secureboot enroll --input "$varstore" --output vars.fd --pk keys/PK.crt --kek keys/KEK.crt --db keys/db.crt >/dev/null || fail "enroll"

# --- PCR 14, by openssl ---

shim_lock=50ab5d6046e00043abb63dd810dd8b23
x509=a159c0a5e494a74a87b5ab155c2bf072
sha256=2616c4c14c509240aca941f936934328
# extend REGISTER < DATA: REGISTER becomes SHA-256(REGISTER || SHA-256(DATA)).
extend() { { cat "$1"; openssl dgst -sha256 -binary; } | openssl dgst -sha256 -binary >"$1.new" && mv "$1.new" "$1"; }
hex() { od -An -tx1 -v "$1" | tr -d ' \n'; }
from_hex() { python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))'; }
le32() { printf '%02x%02x%02x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }
# list TYPE HEX: one signature list with one entry of shim's.
list() { printf '%s%s%s%s%s%s' "$1" "$(le32 $((44 + ${#2} / 2)))" 00000000 "$(le32 $((16 + ${#2} / 2)))" "$shim_lock" "$2" | from_hex; }
openssl x509 -in mok/db.crt -outform DER -out mok.der
{ list "$x509" 308200020500; list "$x509" "$(hex mok.der)"; } >moklist
list "$sha256" "$(printf '%064d' 0)" >moklistx
head -c 32 /dev/zero >pcr14
extend pcr14 <moklist
extend pcr14 <moklistx
printf '\001' | extend pcr14
expected=$(hex pcr14)

"$cloister" uki build --kernel vmlinuz --cmdline quiet --stub "$stub" --output demo.efi >/dev/null || fail "build"
list "$x509" "$(hex mok.der)" >mok.esl
pcr() { jq -r --arg pcr "$2" '.pcrs.sha256[$pcr]' "$1"; }
"$cloister" measure uki demo.efi --shim "$shim" --mok-list mok.esl --json >by-list.json || fail "measure uki --shim"
[ "$(pcr by-list.json 14)" = "$expected" ] || fail "PCR 14 is $(pcr by-list.json 14), expected $expected"
# The same where the variable store says it, as MokManager would have it.
expect "a key of the owner's" 0 "" "$cloister" secureboot mok --input vars.fd --output mok.fd --key mok/db.crt
"$cloister" secureboot mok --input "$varstore" --output off.fd --key mok/db.crt || fail "mok"
"$cloister" measure uki demo.efi --shim "$shim" --varstore off.fd --json >by-store.json || fail "measure uki --varstore"
[ "$(pcr by-store.json 14)" = "$expected" ] || fail "PCR 14 of the store is $(pcr by-store.json 14)"
"$cloister" measure uki demo.efi --no-secure-boot --json >plain.json || fail "measure uki"
[ "$(pcr plain.json 14)" = "$(printf '%064d' 0)" ] || fail "PCR 14 without shim is $(pcr plain.json 14)"
[ "$(pcr plain.json 11)" = "$(pcr by-store.json 11)" ] || fail "shim moves PCR 11"

# --- PCR 7: whose key lets it start ---

"$cloister" uki sign "$shim" --key keys/db.key --cert keys/db.crt --output shim.efi 2>err || fail "sign shim: $(cat err)"
"$cloister" uki build --kernel vmlinuz --cmdline quiet --stub "$stub" --sbat 'sbat,1,SBAT Version
systemd-stub,1,systemd
' --output sbat.efi >/dev/null || fail "build"
"$cloister" uki sign sbat.efi --key mok/db.key --cert mok/db.crt --output owner.efi || fail "sign"
expect "a key that db does not have" 1 "no key in db or MokList signed it" "$cloister" measure uki owner.efi --shim shim.efi --varstore vars.fd
"$cloister" measure uki owner.efi --shim shim.efi --varstore mok.fd --output owner.ref.json || fail "by MokList"
jq -e '.events."7" | map(.name)[-3:] == ["authority: the db entry of the shim'"'"'s key", "SbatLevel",
    "authority: the MokListRT entry that lets shim start the UKI"]' owner.ref.json >/dev/null || fail "PCR 7: $(jq -c '.events."7" | map(.name)[-3:]' owner.ref.json)"
expect "MokListX has its key" 1 "shim would refuse it: MokListX" "$cloister" measure uki owner.efi --shim shim.efi --varstore mok.fd --mok-list-x mok.esl
# Keys that Debian's dkms makes are for kernel modules alone.
openssl req -x509 -newkey rsa:2048 -nodes -keyout modules.key -out modules.crt -days 30 -subj /CN=modules \
    -addext extendedKeyUsage=1.3.6.1.5.5.7.3.3,1.3.6.1.4.1.2312.16.1.2 2>/dev/null || fail "a key for modules"
"$cloister" uki sign sbat.efi --key modules.key --cert modules.crt --output modules.efi || fail "sign"
"$cloister" secureboot mok --input vars.fd --output modules.fd --key modules.crt || fail "mok"
expect "a key for kernel modules" 1 "no key in db or MokList signed it" "$cloister" measure uki modules.efi --shim shim.efi --varstore modules.fd
"$cloister" uki sign demo.efi --key keys/db.key --cert keys/db.crt --output unknown.efi || fail "sign"
expect "no SBAT" 1 "no .sbat section: shim does not start it" "$cloister" measure uki unknown.efi --shim shim.efi --varstore vars.fd

# --- A disk: shim first, then what it starts ---

mkdir -p root/etc root/sbin
: >root/sbin/init
echo 'ID=test' >root/etc/os-release
head -c 64 /dev/urandom >disk.key
openssl ecparam -name prime256v1 -genkey -noout | openssl ec -pubout -out broker.pem 2>/dev/null
"$cloister" image build root --kernel vmlinuz --modules "$modules" --stub "$stub" --cmdline quiet --sign-key keys/db.key --sign-cert keys/db.crt \
    --varstore vars.fd --disk-key disk.key --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" --output demo.img >/dev/null || fail "image build"
put() { mcopy -o -i "$1@@1M" "$2" "::$3"; }
disk() { cp --sparse=always demo.img "$1" && put "$1" "$shim" /EFI/BOOT/BOOTX64.EFI; }
mcopy -n -i demo.img@@1M ::/EFI/BOOT/BOOTX64.EFI uki.efi || fail "no UKI"
measure() { "$cloister" measure image "$1" --varstore "$varstore" --json; }

disk default.img && put default.img uki.efi /EFI/BOOT/grubx64.efi
measure default.img >default.json || fail "a UKI under shim's default name"
"$cloister" measure uki uki.efi --shim "$shim" --no-secure-boot --json >uki.json || fail "measure uki"
for number in 4 14; do
    [ "$(pcr default.json $number)" = "$(pcr uki.json $number)" ] || fail "PCR $number of the disk is not the UKI's"
done
jq -e '.events."14" | map(.name) == ["MokList", "MokListX", "MokListTrusted"]' default.json >/dev/null || fail "PCR 14's events"
jq -e '.events."7" | last | .name == "SbatLevel" and .text == "SbatLevel: sbat,1,2021030218"' default.json >/dev/null || fail "SbatLevel"

disk none.img
expect "no second stage" 3 "shim's second stage: FAT volume: there is no EFI/BOOT/grubx64.efi" measure none.img
put none.img "$shim" /EFI/BOOT/grubx64.efi
expect "a second stage that is neither" 3 "EFI/BOOT/grubx64.efi: shim starts it, and it is neither a UKI nor GRUB" measure none.img

# Its name in the boot entry's options, which the UKI then gets without it; whole, or next to shim.
disk named.img && mmd -i named.img@@1M ::/EFI/linux && put named.img uki.efi /EFI/linux/uki.efi && put named.img uki.efi /EFI/BOOT/uki.efi
for name in '\EFI\linux\uki.efi' '\uki.efi' uki.efi; do
    "$cloister" measure image named.img --varstore "$varstore" --load-options "$name debug" --json >named.json || fail "$name"
    [ "$(pcr named.json 4)" = "$(pcr default.json 4)" ] || fail "$name: PCR 4"
    [ "$(pcr named.json 12)" != "$(pcr default.json 12)" ] || fail "$name: the UKI did not get its options"
done
printf '\377\376u\0k\0i\0.\0e\0f\0i\0,\0' >options.csv
put named.img options.csv /EFI/BOOT/options.csv
measure named.img >named.json || fail "options.csv"
[ "$(pcr named.json 4)" = "$(pcr default.json 4)" ] || fail "options.csv: PCR 4"

# Fallback: what its one boot entry starts.
disk fallback.img && put fallback.img "$stub" /EFI/BOOT/fbx64.efi
expect "fallback without a CSV file" 3 "0 folders have a BOOTX64.CSV" measure fallback.img
mmd -i fallback.img@@1M ::/EFI/test && put fallback.img "$shim" /EFI/test/shimx64.efi && put fallback.img uki.efi /EFI/test/grubx64.efi
wide() { python3 -c 'import sys; sys.stdout.buffer.write(sys.stdin.read().encode("utf-16"))'; }
printf 'shimx64.efi,test,,comment\n' | wide >BOOTX64.CSV
put fallback.img BOOTX64.CSV /EFI/test/BOOTX64.CSV
measure fallback.img >fallback.json || fail "fallback"
[ "$(pcr fallback.json 4)" = "$(pcr default.json 4)" ] || fail "fallback: PCR 4"
cp --sparse=always fallback.img one.img
printf 'shimx64.efi,test,,comment\nother.efi,other,,\n' | wide >two.csv && put fallback.img two.csv /EFI/test/BOOTX64.CSV
expect "fallback with two lines" 3 "several lines" measure fallback.img
mmd -i fallback.img@@1M ::/EFI/other && put fallback.img BOOTX64.CSV /EFI/other/BOOTX64.CSV
expect "fallback with two CSV files" 3 "2 folders have a BOOTX64.CSV" measure fallback.img

# --- What is not taken ---

put default.img "$stub" /EFI/BOOT/shim_certificate_1.efi
expect "more keys next to shim" 3 "shim_certificate_1.efi: shim takes keys or revocations from it" measure default.img
expect "firmware does not start it" 1 "shim: not signed by a key" "$cloister" measure uki uki.efi --shim "$shim" --varstore vars.fd
expect "an old shim" 3 "shim 15.4: from 15.8 on" "$cloister" measure uki demo.efi --shim "$corpus/shim/old"
expect "not a shim" 3 "is not a shim: section .vendor_cert is missing" "$cloister" measure uki demo.efi --shim "$stub"
expect "MokList without shim" 2 "--shim is missing" "$cloister" measure uki demo.efi --mok-list mok.esl
expect "MokList of a disk without shim" 2 "no shim that reads them" "$cloister" measure image demo.img --varstore "$varstore" --mok-list mok.esl
printf text >text
expect "MokList is text" 3 "text" "$cloister" measure uki demo.efi --shim "$shim" --mok-list text
expect "MokList is a store" 3 "is a variable store" "$cloister" measure uki demo.efi --shim "$shim" --mok-list vars.fd
"$cloister" measure tdx --image named.img --load-options uki.efi --json >tdx.json || fail "TDX: an image"
"$cloister" measure tdx --uki uki.efi --shim "$shim" --image named.img --output tdx.ref.json || fail "TDX: a UKI"
[ "$(jq -r .rtmr1 tdx.json)" = "$(jq -r .tdx.rtmr1 tdx.ref.json)" ] || fail "TDX: the image's RTMR 1 is not the UKI's"
jq -e '.events.rtmr2 | map(.name)[0:3] == ["MokList", "MokListX", "MokListTrusted"]' tdx.ref.json >/dev/null || fail "TDX: RTMR 2"
expect "TDX: shim of an image" 2 "--shim is that of a --uki" "$cloister" measure tdx --image named.img --shim "$shim"
expect "TDX: fallback" 3 "which does not reset a guest without a TPM" "$cloister" measure tdx --image one.img
expect "no key for mok" 2 "--cert, --list or --list-x is needed" "$cloister" secureboot mok --input vars.fd --output no.fd
expect "no store for mok" 2 "--varstore and --output are needed" "$cloister" secureboot mok --key mok/db.crt
expect "mok's key is text" 3 "text" "$cloister" secureboot mok --input vars.fd --output no.fd --key text
expect "mok's list is text" 3 "text" "$cloister" secureboot mok --input vars.fd --output no.fd --list-x text
expect "mok's list is a store" 3 "is a variable store" "$cloister" secureboot mok --input vars.fd --output no.fd --list vars.fd
exit "$failed"
