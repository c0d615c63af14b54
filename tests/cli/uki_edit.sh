#!/bin/sh
# UKIs with every section, profiles and add-ons: built, and edited so that nothing else changes.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
cd "$work" || exit 4
skip_without jq
make_kernel vmlinuz
find_stub
"$cloister" secureboot keygen --output keys >/dev/null || fail "keygen"
for part in initrd second ucode splash.bmp board.dtb one.dtb two.dtb ids fw; do echo "this is $part" >"$part"; done
printf 'ID=test\nPRETTY_NAME="A test"\n' >osrel
"$cloister" secureboot keygen --output keys >/dev/null 2>&1

names() { "$cloister" uki inspect "$1" --json | jq -r '[.sections[].name] | join(" ")'; }
build() { "$cloister" uki build --kernel vmlinuz --stub "$stub" "$@"; }

# Every section that there is, each with what was given.
build --initrd initrd --initrd second --microcode ucode --cmdline quiet --os-release osrel --splash splash.bmp \
    --devicetree board.dtb --devicetree-auto one.dtb --devicetree-auto two.dtb --hwids ids --firmware fw \
    --sbat 'sbat,1
ours,3,x' --pcrpkey initrd --section .extra:text --profile 'ID=main
TITLE=Main' --output all.efi || fail "every section"
for section in .linux .initrd .ucode .cmdline .osrel .uname .splash .dtb .dtbauto .hwids .efifw .sbat .pcrpkey .profile .extra; do
    case " $(names all.efi) " in *" $section "*) ;; *) fail "no $section" ;; esac
done
[ "$(names all.efi | tr ' ' '\n' | grep -c dtbauto)" = 2 ] || fail "not two .dtbauto: $(names all.efi)"
{
    cat initrd
    head -c $(((4 - $(wc -c <initrd) % 4) % 4)) /dev/zero
    cat second
} >both
"$cloister" uki inspect all.efi --extract .initrd:out.initrd --extract .sbat:out.sbat --extract .osrel:out.osrel >/dev/null || fail "extract"
cmp -s both out.initrd || fail "the initrds do not follow one another at a multiple of four"
cmp -s osrel out.osrel || fail "os-release is another"
[ "$(grep -c '^sbat,' out.sbat)" = 1 ] || fail "SBAT begins more than once"
grep -q '^ours,3,x$' out.sbat || fail "SBAT lacks what was given"
expect "no such section" 2 "no such section" "$cloister" uki inspect all.efi --extract .none:out
expect "os-release by name" 0 "A test" "$cloister" uki inspect all.efi

# Edited: the command line is another, and every other section what it was, at its place.
others() { "$cloister" uki inspect "$1" --json | jq -c '[.sections[] | select(.name != ".cmdline") | [.name, .virtual_address, .sha256]]'; }
"$cloister" uki edit all.efi --cmdline debug --output edited.efi || fail "edit"
[ "$("$cloister" uki inspect edited.efi --json | jq -r .cmdline)" = debug ] || fail "the command line is not the new one"
[ "$(others all.efi)" = "$(others edited.efi)" ] || fail "another section changed"
[ "$(cmp -l all.efi edited.efi | wc -l)" -le 5 ] || fail "more than the command line changed: $(cmp -l all.efi edited.efi | wc -l) bytes"
"$cloister" uki edit edited.efi --cmdline quiet || fail "edit in place"
cmp -s all.efi edited.efi || fail "back again is not the same"
# One that no longer fits moves what is after it, and not what it holds.
"$cloister" uki edit all.efi --cmdline "$(head -c 9000 /dev/zero | tr '\0' x)" --output large.efi || fail "edit, larger"
[ "$("$cloister" uki inspect large.efi --json | jq -c '[.sections[] | select(.name != ".cmdline") | [.name, .sha256]]')" = \
    "$("$cloister" uki inspect all.efi --json | jq -c '[.sections[] | select(.name != ".cmdline") | [.name, .sha256]]')" ] || fail "larger: another section changed"
# Sections come and go; signatures go, and come again.
"$cloister" uki edit all.efi --section .more:text --remove .splash --output changed.efi || fail "add and drop"
case " $(names changed.efi) " in *" .splash "*) fail ".splash is still there" ;; *" .more "*) ;; *) fail "no .more" ;; esac
"$cloister" uki sign all.efi --key keys/db.key --cert keys/db.crt --output signed.efi || fail "sign"
"$cloister" uki edit signed.efi --cmdline debug --output unsigned.efi || fail "edit what is signed"
expect "its signature went" 1 "not signed" "$cloister" uki verify unsigned.efi --cert keys/db.crt
"$cloister" uki edit signed.efi --cmdline debug --key keys/db.key --cert keys/db.crt --output again.efi || fail "edit and sign"
expect "and came again" 0 "" "$cloister" uki verify again.efi --cert keys/db.crt
if found sbverify "it is not asked about the signature"; then
    sbverify --cert keys/db.crt again.efi >/dev/null 2>&1 || fail "sbverify does not take what was edited"
fi
expect "not there" 2 "no such section" "$cloister" uki edit all.efi --remove .none --output no.efi
expect "the stub's own" 2 "is the stub's own" "$cloister" uki edit all.efi --remove .text --output no.efi
expect "no name" 2 "NAME:TEXT" "$cloister" uki edit all.efi --section text --output no.efi
expect "too long a name" 2 "at most 7" "$cloister" uki edit all.efi --section .muchlonger:x --output no.efi
expect "no profile of that name" 2 "no such profile" "$cloister" uki edit all.efi --profile other --cmdline x --output no.efi
[ ! -e no.efi ] || fail "a refused edit left a file"

# Profiles: each with its own command line, and its own PCR 11; a stub before 257 knows none, and takes one command line for all.
stub_version=$(grep -ao 'systemd-stub [0-9][0-9]*' "$stub" | head -n 1 | cut -d ' ' -f 2)
"$cloister" uki build --stub "$stub" --profile 'ID=debug
TITLE="Debug it"' --cmdline 'quiet debug' --output debug.profile || fail "a profile"
[ "$("$cloister" uki inspect debug.profile --json | jq -r .kind)" = profile ] || fail "is not a profile"
build --initrd initrd --cmdline quiet --profile ID=main --join-profile debug.profile --output two.efi || fail "two profiles"
[ "$("$cloister" uki inspect two.efi --json | jq -c '[.profiles[].id]')" = '["main","debug"]' ] || fail "profiles: $("$cloister" uki inspect two.efi --json | jq -c .profiles)"
case $(names two.efi) in *".profile .profile .cmdline") ;; *) fail "order: $(names two.efi)" ;; esac
values=$("$cloister" uki policy two.efi --phase enter-initrd --json | jq -r '.profiles[].banks.sha256[0].hash' | sort -u | wc -l)
[ "$values" = $((stub_version < 257 ? 1 : 2)) ] || fail "stub $stub_version: $values values of PCR 11 for two profiles"
"$cloister" uki edit two.efi --profile debug --cmdline other --output three.efi || fail "edit a profile"
[ "$("$cloister" uki inspect three.efi --json | jq -c '[.sections[] | select(.name == ".cmdline") | .text]')" = '["quiet","other"]' ] || fail "the wrong profile was edited"
expect "a profile is not a kernel" 3 "is not a UKI" "$cloister" uki policy debug.profile
expect "joined without its own" 2 "--profile of its own" build --join-profile debug.profile --output no.efi
expect "joined a UKI" 3 "before .profile" build --profile ID=x --join-profile two.efi --output no.efi
expect "joined a text" 3 "MZ" build --profile ID=x --join-profile initrd --output no.efi

# An add-on made, and one split off.
addon=$stub
"$cloister" uki build --addon --stub "$addon" --cmdline 'more words' --key keys/db.key --cert keys/db.crt --output more.addon.efi || fail "an add-on"
case " $(names more.addon.efi) " in *" .sbat "*) ;; *) fail "the add-on has no .sbat, which shim wants" ;; esac
expect "the add-on is signed" 0 "" "$cloister" uki verify more.addon.efi --cert keys/db.crt
"$cloister" uki edit all.efi --split-addon split.addon.efi --move .dtb --move .ucode --addon-stub "$addon" --output rest.efi || fail "split"
case " $(names rest.efi) " in *" .dtb "* | *" .ucode "*) fail "still there: $(names rest.efi)" ;; esac
"$cloister" uki inspect split.addon.efi --extract .dtb:out.dtb >/dev/null || fail "extract of the add-on"
cmp -s board.dtb out.dtb || fail "the devicetree changed on its way"
expect "an add-on has no kernel" 2 "no kernel" build --addon --output no.efi
expect "nor one that is split off" 2 "no kernel" "$cloister" uki edit all.efi --split-addon no.efi --move .linux --addon-stub "$addon" --output no2.efi
cp all.efi whole.efi
for lost in whole.efi ./whole.efi; do
    expect "an add-on over the image" 2 "--split-addon" "$cloister" uki edit whole.efi --split-addon "$lost" --move .dtb --addon-stub "$addon"
done
expect "an add-on over the output" 2 "where the image goes" "$cloister" uki edit whole.efi --split-addon no.efi --move .dtb --addon-stub "$addon" --output no.efi
expect "digests over the image" 2 "is what is read" "$cloister" uki edit whole.efi --write-digests whole.efi
expect "nothing to do" 2 "nothing to change" "$cloister" uki edit whole.efi
expect "extracted over the image" 2 "is what is read" "$cloister" uki inspect whole.efi --extract .dtb:whole.efi
expect "TBS over the image" 2 "is what is read" "$cloister" uki sign whole.efi --write-tbs whole.efi
expect "a prediction over the image" 2 "is what is read" "$cloister" measure uki whole.efi --output whole.efi
cmp -s all.efi whole.efi || fail "a refused command changed its image"

# Two options for one section, and options that have no effect.
expect "two kernels" 2 "option of its own" build --section .linux:x --output no.efi
expect "two command lines" 2 "option of its own" build --cmdline x --section .cmdline:y --output no.efi
expect "SBAT as a section" 2 "option of its own" build --section .sbat:@osrel --output no.efi
expect "phases without a key" 2 "of no use" build --phases enter-initrd --output no.efi
expect "a bank without a key" 2 "of no use" build --bank sha1 --output no.efi

# Hardware IDs and firmware from folders.
mkdir -p hw/sub firmware-1
echo '{"type":"devicetree","name":"N","compatible":"C","hwids":["11111111-2222-3333-4444-555555555555"]}' >hw/sub/a.json
echo image >firmware-1/image
build --hwids hw --firmware firmware-1 --output folders.efi || fail "folders"
"$cloister" uki inspect folders.efi --extract .efifw:out.fw --extract .hwids:out.hw >/dev/null
[ "$(od -An -tx1 -N21 out.fw | tr -d ' \n')" = addeedfe100000000b000000060000006669726d77 ] || fail "firmware: $(od -An -tx1 out.fw | head -2)"
[ "$(wc -c <out.hw)" = 60 ] || fail "hardware IDs: $(wc -c <out.hw) bytes"
mkdir empty
expect "no JSON" 3 "holds no .json" build --hwids empty --output no.efi
expect "no image" 3 "expected one image" build --firmware empty --output no.efi

# A kernel of another machine, and one that says its release elsewhere.
# The marks of an EFI image, and further on what it is.
{ printf 'MZ' && head -c 58 /dev/zero && printf '\100\000\000\000PE\000\000any bytes\000Linux version 6.1.2-other (who@where) #1\000'; } >raw
"$cloister" uki build --kernel raw --stub "$stub" --output raw.efi || fail "a raw kernel"
[ "$("$cloister" uki inspect raw.efi --json | jq -r .uname)" = 6.1.2-other ] || fail "release: $("$cloister" uki inspect raw.efi --json | jq -r .uname)"
cp "$stub" arm
at=$(od -An -tu4 -j60 -N4 arm | tr -d ' ')
printf '\144\252' | dd of=arm bs=1 seek=$((at + 4)) conv=notrunc 2>/dev/null
"$cloister" uki build --kernel raw --stub arm --output arm.efi || fail "AArch64"
[ "$("$cloister" uki inspect arm.efi --json | jq -r .machine)" = aarch64 ] || fail "machine: $("$cloister" uki inspect arm.efi --json | jq -r .machine)"
expect "another machine's add-on" 2 "is for machine" "$cloister" uki edit all.efi --split-addon no.efi --move .dtb --addon-stub arm --output no2.efi
sed 's/systemd-stub/systemd-addon/' "$stub" | head -c "$(wc -c <"$stub")" >for-addons
grep -q 'LoaderInfo: systemd-addon' for-addons && expect "a stub for add-ons" 2 "starts no kernel" build --stub for-addons --output no.efi
expect "another machine's kernel" 2 "is for machine" "$cloister" uki build --kernel all.efi --stub arm --output no.efi
# What is not a kernel is not built in; a compressed one is unpacked, as no stub does it.
printf 'ID=test\n' >text
printf '\177ELF and more' >elf
: >nothing
expect "a text file" 3 "is not an EFI image" "$cloister" uki build --kernel text --stub "$stub" --output no.efi
expect "an ELF file" 3 "is an ELF file" "$cloister" uki build --kernel elf --stub "$stub" --output no.efi
expect "an empty kernel" 3 "is empty" "$cloister" uki build --kernel nothing --stub "$stub" --output no.efi
gzip -c text >text.gz
expect "a compressed text" 3 "is not an EFI image" "$cloister" uki build --kernel text.gz --stub "$stub" --output no.efi
expect "an empty initrd" 3 "nothing: is empty" "$cloister" uki build --kernel raw --initrd nothing --stub "$stub" --output no.efi
expect "an empty command line" 2 ".cmdline: is empty" "$cloister" uki build --kernel raw --cmdline '' --stub "$stub" --output no.efi
gzip -c raw >raw.gz
"$cloister" uki build --kernel raw.gz --stub "$stub" --output unpacked.efi 2>note || fail "a compressed kernel"
cmp -s unpacked.efi raw.efi || fail "unpacked, it is another kernel"
grep -q 'is compressed (gzip)' note || fail "it does not say that it unpacked: $(cat note)"
printf '!<arch>\ndebian-binary' >package
expect "a package" 3 "is a Debian package" "$cloister" uki build --kernel package --stub "$stub" --output no.efi
for kernel in text package nothing text.gz; do
    "$cloister" uki build --kernel - --stub "$stub" --output no.efi <$kernel 2>/dev/null && fail "$kernel through standard input is taken for a kernel"
    { cat $kernel | "$cloister" uki build --kernel - --stub "$stub" --output no.efi; } 2>/dev/null && fail "$kernel through a pipe is taken for a kernel"
done
for kernel in raw raw.gz; do
    { cat $kernel | "$cloister" uki build --kernel - --stub "$stub" --output piped.efi; } 2>/dev/null || fail "$kernel through a pipe"
    cmp -s piped.efi raw.efi || fail "$kernel through a pipe is another kernel"
done
"$cloister" uki build --kernel raw --cmdline "$(printf 'x=y %.0s' $(seq 600))" --stub "$stub" --output long.efi 2>note || fail "a long command line"
grep -q 'the kernel takes 2047' note || fail "no word of a command line that is too long: $(cat note)"
[ ! -e no.efi ] || fail "a refused build left a file"

# Unsafe images: refused or warned of, with the offset.
cp all.efi wx.efi
table=$((at + 24 + $(od -An -tu2 -j$((at + 20)) -N2 all.efi | tr -d ' ')))
printf '\340' | dd of=wx.efi bs=1 seek=$((table + 39)) conv=notrunc 2>/dev/null
expect "writable and executable" 0 "is writable and executable" "$cloister" uki inspect wx.efi
"$cloister" uki sign wx.efi --key keys/db.key --cert keys/db.crt --output wx-signed.efi 2>/dev/null || fail "sign with a warning"
expect "a warning" 0 "warning: wx-signed.efi: at 0x$(printf %x $((table + 36)))" "$cloister" uki verify wx-signed.efi --cert keys/db.crt
expect "--strict" 1 "" "$cloister" uki verify wx-signed.efi --cert keys/db.crt --strict
{
    cat all.efi
    echo behind
} >tail.efi
expect "data after the last section" 0 "after the last section" "$cloister" uki inspect tail.efi
# A UKI that ukify made, where it is installed: inspected, edited, and section for section what ours is.
if command -v ukify >/dev/null && ukify build --linux=vmlinuz --initrd=initrd --cmdline=quiet --os-release=@osrel --uname=6.12.0-test --stub="$stub" \
    --output=theirs.efi >/dev/null 2>&1; then
    # ukify grows the .sbat of systemd 252's stub over .sdmagic, which is right after it.
    if "$cloister" uki inspect theirs.efi 2>&1 | grep -q 'section .sdmagic: .* after which another ends'; then
        echo "note: ukify's sections overlap with this stub, and are refused"
        exit "$failed"
    fi
    build --initrd initrd --cmdline quiet --os-release osrel --output ours.efi || fail "build"
    contents() { "$cloister" uki inspect "$1" --json | jq -cS '[.sections[] | [.name, .sha256]] | sort'; }
    [ "$(contents theirs.efi)" = "$(contents ours.efi)" ] || fail "ukify's sections: $(contents theirs.efi), ours: $(contents ours.efi)"
    "$cloister" uki edit theirs.efi --cmdline debug --key keys/db.key --cert keys/db.crt --output edited-theirs.efi || fail "edit ukify's"
    expect "ukify's, edited and signed" 0 "" "$cloister" uki verify edited-theirs.efi --cert keys/db.crt
else
    echo "note: ukify is not installed, or does not take a small kernel: its UKIs are not tried here"
fi
exit "$failed"
