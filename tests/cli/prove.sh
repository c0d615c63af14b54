#!/bin/sh
# `image seal --prove`, with a QEMU that only pretends: what is handed to it is the image with the header sealed to another TPM and
# with the UKI that is tried; what the guest says becomes an answer; and what nobody said is neither yes nor no.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
init=$(absolute "$2")
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
skip_without mke2fs mkfs.vfat mcopy jq swtpm qemu-img qemu-io openssl
make_image_inputs
"$cloister" image build root --kernel vmlinuz --modules "$modules" --stub "$stub" --cmdline quiet --key keys/db.key --cert keys/db.crt \
    --varstore vars.fd --disk-key disk.key --reuse-disk-key test --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" \
    --unlock tpm --output demo.img >/dev/null || fail "build"
jq -n '{cloister_reference: 1, name: "firmware", origin: "calibration", events: {}, pcrs: {sha256: {"0": ("1" * 64), "2": ("2" * 64)}}}' >firmware.ref.json
jq '.name = "elsewhere" | del(.pcrs.sha256."2")' firmware.ref.json >elsewhere.ref.json
image_uki demo.img demo.efi
for name in next old; do "$cloister" uki edit demo.efi --cmdline "quiet $name" --key keys/db.key --cert keys/db.crt --output $name.efi >/dev/null || fail "$name.efi"; done
: >code.fd
sha256sum demo.img >before

# The QEMU: says of each boot what the file for its UKI says, once it has looked at the disk that it got.
mkdir bin seen consoles
cat >bin/qemu <<'END'
#!/bin/sh
for word; do
    case $word in
    *id=disk*) disk=${word##*file=} && echo "$word" >>seen/drives ;;
    file:*) console=${word#file:} ;;
    user,*) echo "$word" >>seen/networks ;;
    esac
done
if [ -e looks ]; then
    qemu-img convert -f qcow2 -O raw "$disk" seen/disk
    mcopy -n -o -i seen/disk@@1M ::/EFI/BOOT/BOOTX64.EFI seen/uki
    for name in demo next old; do cmp -s seen/uki $name.efi && echo $name >>seen/ukis; done
    [ -e seen/demo.img ] || mv seen/disk seen/demo.img
fi
# What the guest says: the next line of what it is to say, boot for boot.
read -r words <says
tail -n +2 says >rest && mv rest says
case $words in
denied) printf 'BdsDxe: failed to load Boot0001: Access Denied\r\nBdsDxe: No bootable option or device was found.\r\n' ;;
*) printf '%s\r\n' "$words" ;;
esac >"$console"
END
chmod +x bin/qemu
yes="cloister: TPM: gave the disk's key; nobody was asked" no='cloister: TPM: token 0: the PCRs are not those that it was sealed for'
say() { printf '%s\n' "$@" >says; }
# shellcheck disable=SC2317 # expect calls it
prove() {
    "$cloister" image seal demo.img --key disk.key --reference demo.ref.json --reference firmware.ref.json --varstore vars.fd \
        --firmware code.fd --emulator bin/qemu --next-uki next.efi --old-uki old.efi --prove "$@"
}
answers() { jq -r '[.proved, .states[].opens] | map(tostring) | join(" ")' out; }
# told NAME STATUS ANSWERS [OPTION]…
told() {
    about=$1 code=$2 answers=$3
    shift 3
    expect "$about" "$code" '"proved"' prove --json "$@"
    [ "$(answers)" = "$answers" ] || fail "$about: $(answers), not $answers"
}

say "$yes" "$yes" "$no"
: >looks
expect "as it should be" 0 "each state that was tried is as expected; nothing was sealed" prove --consoles consoles
rm looks
[ "$(sed -n 's/^\([a-z-]*\)  *\([a-z]*\)  *\(yes\|no\) .*/\1 \2 \3/p' out | tr '\n' ' ')" = "present yes yes next yes yes rolled-back no no " ] || fail "the table: $(cat out)"
grep -q 'no  *TPM: token 0: the PCRs are not those' out || fail "it does not say why: $(cat out)"
[ -s consoles/next.log ] || fail "no console of the next UKI"
[ "$(tr '\n' ' ' <seen/ukis)" = "demo next old " ] || fail "booted: $(cat seen/ukis)"
grep -qv restrict=on seen/networks && fail "a machine had a network"
grep -qv 'format=qcow2' seen/drives && fail "a machine got the image itself"

# What QEMU got: the same disk but for the header, which opens by the same key and has a token for the TPM.
start=$("$cloister" image inspect demo.img --json | jq '.partitions[1].offset')
"$cloister" image inspect seen/demo.img --json | jq -e '.partitions[1].offset' >/dev/null || fail "what was booted is not an image"
tail -c "+$((start + 1))" seen/demo.img >root.luks
if found cryptsetup "it is not asked about the tokens"; then
    cryptsetup luksDump root.luks | grep -q systemd-tpm2 || fail "what was booted is not sealed"
    cryptsetup open --test-passphrase --key-file disk.key root.luks || fail "what was booted does not open by its key"
fi

# Each way to be otherwise; and no answer is never a good one.
say "$no" "$no" "$yes"
told "all the other way round" 1 "false no no yes"
old=--old-uki=old.efi
say "$yes" "$yes" "$no" "cloister: TPM: token 0: differs; the broker is asked" denied
told "three who say no" 0 "true yes yes no no no" $old $old
say "$yes" "$yes" "$no" "nothing of ours" "BdsDxe: No bootable option or device was found."
told "nobody says no" 1 "false yes yes no unknown unknown" $old $old
say "$yes" "$yes" "$yes"
told "it opens, and is not up" 1 "false unknown unknown unknown" --until multi-user.target

# Another machine's firmware gives way to this one's; what was not tried is said.
say "$yes" "$yes" "$no"
expect "without this firmware's reference" 1 "no reference has a value of PCR 2" "$cloister" image seal demo.img --key disk.key --reference demo.ref.json \
    --reference elsewhere.ref.json --varstore vars.fd --firmware code.fd --emulator bin/qemu --prove
expect "with it" 0 "not tried: no --old-uki" "$cloister" image seal demo.img --key disk.key --reference demo.ref.json --reference elsewhere.ref.json \
    --prove-firmware firmware.ref.json --varstore vars.fd --firmware code.fd --emulator bin/qemu --prove

sha256sum --quiet -c before || fail "the image was changed"

# What cannot be tried.
expect "no variable store" 2 "--prove needs --varstore" "$cloister" image seal demo.img --key disk.key --reference demo.ref.json --prove
expect "a UKI to try, and no --prove" 2 "needs --prove" "$cloister" image seal demo.img --key disk.key --srk vars.fd --reference demo.ref.json --old-uki old.efi
printf 1234 >pin
expect "a PIN" 2 "opens in no state by the TPM alone" prove --pin-file pin
expect "a share" 2 "opens in no state by the TPM alone" prove --form share --share-output share
expect "no emulator" 4 "present" prove --emulator /nonexistent/qemu
expect "a folder for consoles that is not there" 4 "present" prove --consoles nowhere
expect "another key" 1 "the key opens no key slot" "$cloister" image seal demo.img --key pin --reference demo.ref.json --reference firmware.ref.json \
    --varstore vars.fd --firmware code.fd --emulator bin/qemu --prove
expect "not a disk" 3 "vars.fd" "$cloister" image seal vars.fd --key disk.key --reference demo.ref.json --reference firmware.ref.json \
    --varstore vars.fd --firmware code.fd --emulator bin/qemu --prove
exit "$failed"
