#!/bin/bash
# An update of a machine that is sealed to its TPM: tried once, unattended; kept, and then the system before it gets no key; or
# dropped when it did not boot. What must be refused, and what a run that is killed leaves. Firmware is played by
# update_machine.py, the TPM by swtpm.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
# shellcheck source=tests/cli/update_lib.sh
. "$(dirname "$0")/update_lib.sh"
init=$small_init
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
skip_without swtpm tpm2_pcrextend tpm2_readpublic mke2fs mkfs.vfat mcopy jq openssl python3 sfdisk
trap 'tpm_end; rm -rf "$work"' EXIT
export TPM2TOOLS_TCTI="swtpm:path=$work/machine/sock"
make_machine

# Sealed for the first system, as its first boot does; and the initrd says whose key this is.
boot
header_to unsealed.header
expect "sealed" 0 "the present state" "$cloister" seal machine/disk --key disk.key --form own --pcrs 0,2,4,7,11,12,13,15 --tpm "swtpm:$work/machine/sock"
tpm2_readpublic -c 0x81000001 -n srk.name >/dev/null || fail "no storage key"
expect "it opens" 0 "" opens
leave
expect "and not in the running system" 0 "" is_shut

tokens() { # none without cryptsetup, which shows them
    header_to volume
    ! command -v cryptsetup >/dev/null || cryptsetup luksDump volume --dump-json-metadata | jq '[.tokens[] | select(.type == "cloister-tpm2")] | length'
}

# Refused before anything is changed.
unchanged() {
    find machine/esp machine/efivars machine/var -type f -exec sha256sum {} + 2>/dev/null | sort
    header_to volume
    head -c 1M machine/disk | cat - volume | sha256sum
}
unchanged >before
expect "nothing is under way" 0 "no update is under way" update --status
expect "nothing to settle" 0 "no update is under way" update --mark-good
expect "no TPM that this boot trusts" 1 "this boot trusts none" update --uki two.efi
od -An -v -tx1 srk.name | tr -d ' \n' >machine/run/tpm-srk
expect "what the machine has booted" 0 "up to date" update --uki one.efi
header_to sealed.header
header_from unsealed.header
unchanged >stripped
expect "a header without the token" 1 "another header than this boot was of" update --uki two.efi
unchanged | cmp -s - stripped || fail "a header without the token: it was changed"
"$cloister" seal machine/disk --key disk.key --form systemd --pcrs 0,2,4,7,11,12,13,15 --tpm "swtpm:$work/machine/sock" >/dev/null || fail "seal: systemd"
printf ' own' >>machine/run/tpm-srk
unchanged >stripped
expect "a token of a kind that has no floor" 1 "an own token gave this boot its key" update --uki two.efi
unchanged | cmp -s - stripped || fail "a token of a kind that has no floor: it was changed"
header_from sealed.header
"$cloister" uki build --kernel two.vmlinuz --initrd initrd --cmdline quiet --stub "$stub" --key keys/KEK.key --cert keys/KEK.crt --output stranger.efi >/dev/null
expect "signed by another key" 1 "firmware would not start it" update --uki stranger.efi
"$cloister" uki build --kernel two.vmlinuz --initrd initrd --cmdline quiet --stub "$stub" --output unsigned.efi >/dev/null
expect "not signed" 1 "firmware would not start it" update --uki unsigned.efi
expect "two ways at once" 2 "one of --key" update --uki two.efi --request request.efi
cp machine/log log.kept
tail -c 100 log.kept >machine/log
expect "no event log" 3 "event log" update --uki two.efi
python3 -IS "$CLOISTER_TESTS/cli/update_machine.py" log "$(printf '%064d' 7)" db.der machine/log >/dev/null
expect "an event log of another boot" 1 "does not lead to the TPM's PCR 4" update --uki two.efi
cp log.kept machine/log
unchanged >after
cmp -s before after || fail "a refusal changed something: $(diff before after)"

# Made here: of the kernel that is installed and what the initrd left. Signed by nobody yet, by a command, or by a key.
jq -n '{version: 1, name: "demo", broker: {url: "https://10.0.2.2:8443", key: "'"$(grep -v PUBLIC broker.pem | tr -d '\n')"'"}, resource: "default/disk/demo",
    network: {mode: "dhcp"}, retry_seconds: 60, unlock: "tpm-or-broker", cmdline: "quiet panic=10", partitions: ["esp", "root"], modules: ["/old.ko"]}' >machine/run/guest.json
# shellcheck disable=SC2317 # expect calls it
make() { update --kernel vmlinuz --modules "$modules" --stub "$stub" --init "$init" "$@"; }
expect "a request" 0 "to be signed" make --request request.efi
"$cloister" uki inspect request.efi --extract .cmdline:made.cmdline >/dev/null
grep -q '^quiet panic=10 systemd' made.cmdline || fail "another command line: $(cat made.cmdline)"
expect "an unsigned one" 1 "firmware would not start it" update --uki request.efi
cat >signer <<END
#!/bin/sh
exec "$cloister" uki sign "\$1" --key "$work/keys/db.key" --cert "$work/keys/db.crt" --output "\$2"
END
printf '#!/bin/sh\ncp "%s" "%s"\n' "$work/two.efi" "\$2" >swapper
printf '#!/bin/sh\necho "not today" >&2\nexit 1\n' >refuser
chmod +x signer swapper refuser
expect "a signer that says no" 4 "not today" make --sign-command "$work/refuser"
expect "a signer that gives back another one" 1 "what came back is another UKI" make --sign-command "$work/swapper"
expect "no kernel without its modules" 2 "go together" update --kernel vmlinuz --key keys/db.key --cert keys/db.crt
unchanged >after
cmp -s before after || fail "what was refused changed something: $(diff before after)"
expect "signed by a command" 0 "the next boot tries it" make --sign-command "$work/signer"
"$cloister" uki sign request.efi --key keys/db.key --cert keys/db.crt --output signed.efi >/dev/null
cmp -s signed.efi machine/esp/EFI/cloister/next.efi || fail "a command and a request make two UKIs"
expect "signed here, in its place" 0 "the next boot tries it" make --key keys/db.key --cert keys/db.crt
cmp -s signed.efi machine/esp/EFI/cloister/next.efi || fail "a key and a request make two UKIs"
mv machine/run/guest.json guest.json
zeros=$(printf '%064d' 0)
jq '.verity = {data_blocks: 2, root_hash: "'"$zeros"'", salt: "'"$zeros"'"}' guest.json >machine/run/guest.json
expect "a root that nothing changes" 3 "an update is a new image" make --key keys/db.key --cert keys/db.crt
# A root whose sectors have tags needs the modules for them again.
jq '.modules = ["/lib/modules/5.0/dm-integrity.ko"]' guest.json >machine/run/guest.json
cp -r tree other
sed -i '/dm-integrity/d' "other/lib/modules/6.12.0-test/modules.builtin"
"$depmod" -b other 6.12.0-test
expect "tags, and a kernel without" 3 "dm_integrity: neither a module nor built in" make --modules other/lib/modules/6.12.0-test --key keys/db.key --cert keys/db.crt
rm machine/run/guest.json
expect "not a guest of ours" 3 "what the image is" make --key keys/db.key --cert keys/db.crt

# The hook of package managers: only in a guest, and never in the way of what installs a kernel.
hook=$CLOISTER_TESTS/../packaging/guest/update-hook
mkdir path
printf '#!/bin/sh\necho "update $*" >>"%s/called"\nexit 1\n' "$work" >path/cloister
chmod +x path/cloister
run_hook() { PATH=$work/path:$PATH CLOISTER_RUN=$work/machine/run CLOISTER_UPDATE_CONF=$work/update.conf "$hook" "$@"; }
run_hook 6.12.0-test >hook.out || fail "the hook fails outside a guest"
[ ! -s hook.out ] || fail "the hook says something outside a guest"
[ ! -e called ] || fail "the hook does something outside a guest"
mv guest.json machine/run/guest.json
expect "a hook without a signer" 0 "does not say who signs" run_hook 6.12.0-test
echo 'CLOISTER_UPDATE="--sign-command /bin/signer"' >update.conf
expect "a hook whose update fails" 0 "of the kernel of before" run_hook 6.12.0-test
grep -qx 'update update --kernel-release 6.12.0-test --sign-command /bin/signer' called || fail "the hook calls: $(cat called)"
echo 'CLOISTER_NV_POLICY="--nv-policy nv.json --nv-key nv.key"' >>update.conf
expect "a hook with an NV index" 0 "of the kernel of before" run_hook 6.12.0-test
grep -qx 'update update --kernel-release 6.12.0-test --sign-command /bin/signer --nv-policy nv.json --nv-key nv.key' called || fail "the hook calls: $(cat called)"

# Installed, tried, kept.
expect "installed" 0 "the next boot tries it" update --uki two.efi
expect "it waits" 0 "waits for the next boot" update --status
expect "and is not settled" 0 "waits for the next boot" update --mark-good
before=$(tokens)
expect "once more, as the timer does" 0 "the next boot tries it" update --uki two.efi
[ "$(tokens)" = "$before" ] || fail "each time it is made a token more is in the header"
boot
[ "$booted" = EFI/cloister/next.efi ] || fail "firmware started $booted"
expect "the new one opens the disk" 0 "" opens
leave
expect "it is tried" 0 "not settled yet" update --status
expect "no second update on top of it" 1 "not settled" update --uki three.efi
expect "kept" 0 "was sealed without a floor" update --mark-good
[ ! -e machine/esp/EFI/cloister/next.efi ] || fail "the new UKI has two names"
cmp -s two.efi machine/esp/EFI/BOOT/BOOTX64.EFI || fail "the new UKI has not the usual name"
[ ! -e machine/var/state/pending.json ] || fail "a note is left"
boot
[ "$booted" = EFI/BOOT/BOOTX64.EFI ] || fail "firmware started $booted"
expect "it goes on opening" 0 "" opens
leave

# A second one: what was sealed for the first has no floor, what an update seals has.
expect "installed" 0 "the next boot tries it" update --uki three.efi
boot
expect "the third opens" 0 "" opens
leave
header_to second.header
expect "kept" 0 "gets no key" update --mark-good

# An old UKI with the old header: the TPM says no, and why.
cp machine/disk disk.kept
cp two.efi machine/esp/EFI/BOOT/BOOTX64.EFI
header_from second.header
boot
expect "the system of before, with its own header" 0 "" is_shut
grep -q "the TPM's floor was raised" opens.log || fail "the floor is not named: $(cat opens.log)"
cp --sparse=always disk.kept machine/disk
expect "and with the present one" 0 "" is_shut
cp three.efi machine/esp/EFI/BOOT/BOOTX64.EFI
boot
expect "the present one opens" 0 "" opens
leave

# The host exchanges what is tried: the boot gets no key, and the one after it is the usual one.
expect "installed" 0 "the next boot tries it" update --uki one.efi
cp two.efi machine/esp/EFI/cloister/next.efi
boot
[ "$booted" = EFI/cloister/next.efi ] || fail "firmware started $booted"
expect "one that the host exchanged" 0 "" is_shut
grep -q "PCR 4, PCR 11 differ" opens.log || fail "the registers are not named: $(cat opens.log)"
boot
expect "the usual one opens the disk" 0 "" opens
leave
expect "it is dropped" 0 "it is dropped, and this system stays" update --mark-good

# Or it exchanges what this boot was of, once that is tried: the guest has the one that it installed.
expect "installed" 0 "the next boot tries it" update --uki one.efi
boot
expect "it opens the disk" 0 "" opens
leave
header_to tried.header
cp two.efi machine/esp/EFI/cloister/next.efi
expect "kept, though it was exchanged meanwhile" 0 "gets no key" update --mark-good
cmp -s one.efi machine/esp/EFI/BOOT/BOOTX64.EFI || fail "the host chose what is kept"
[ ! -e machine/var/state/next.efi ] || fail "a UKI is left on the root"
boot
expect "it goes on opening" 0 "" opens
leave
expect "back to the third" 0 "the next boot tries it" update --uki three.efi
boot
expect "the third opens" 0 "" opens
leave
expect "kept" 0 "gets no key" update --mark-good
boot
leave

# One that does not boot: firmware starts the old one again, with nobody there.
expect "installed" 0 "the next boot tries it" update --uki one.efi
boot
[ "$booted" = EFI/cloister/next.efi ] || fail "firmware started $booted"
boot # its kernel panicked
[ "$booted" = EFI/BOOT/BOOTX64.EFI ] || fail "no fall-back"
expect "the old one opens" 0 "" opens
leave
expect "it failed" 0 "the update did not boot" update --status
expect "and is dropped" 0 "it is dropped, and this system stays" update --mark-good
[ "$(find machine/esp/EFI/cloister -type f | wc -l)" = 0 ] || fail "the UKI that failed is still there"
boot
expect "the old one stays" 0 "" opens
leave

# Tokens do not pile up.
if command -v cryptsetup >/dev/null; then [ "$(tokens)" = 1 ] || fail "$(tokens) tokens are left"; fi

# The boot before had its key from the broker, with nothing sealed; the new system is sealed in its first boot, as before it older ones
# were: their headers are still about.
header_to last.header
header_from unsealed.header
mv machine/run/tpm-srk srk
expect "a boot that the TPM has no key of" 0 "the next boot tries it" update --uki two.efi
floor_is() { flush && tpm2_nvread 0x147c102 -C o -s 8 2>/dev/null | od -An -v -tx1 | tr -d ' \n'; }
before=$(floor_is)
boot
expect "sealed" 0 "the present state" "$cloister" seal machine/disk --key disk.key --form own --pcrs 0,2,4,7,11,12,13,15 --tpm "swtpm:$work/machine/sock"
mv srk machine/run/tpm-srk
leave
expect "kept" 0 "the update is good" update --mark-good
[ "$((0x$(floor_is)))" = "$((0x$before + 1))" ] || fail "the floor stays at $before"
boot
expect "the new one opens" 0 "" opens
cp three.efi machine/esp/EFI/BOOT/BOOTX64.EFI
header_from last.header
boot
expect "a system of before that was sealed" 0 "" is_shut
grep -q "the TPM's floor was raised" opens.log || fail "the floor is not named: $(cat opens.log)"

# restored: the second system again, sealed at the TPM's present floor by an update that keeps it.
# shellcheck disable=SC2317 # expect calls it
restored() {
    cp two.efi machine/esp/EFI/BOOT/BOOTX64.EFI
    header_from unsealed.header
    boot
    "$cloister" seal machine/disk --key disk.key --form own --pcrs 0,2,4,7,11,12,13,15 --tpm "swtpm:$work/machine/sock" --floor
    leave
}

# The host hides the TPM in both boots of an update, and shows it again: the floor is owed until then, and older systems get nothing afterwards.
expect "the present system is sealed" 0 "the present state" restored
header_to last.header
header_from unsealed.header
mv machine/run/tpm-srk srk
expect "installed without the TPM" 0 "the next boot tries it" update --uki one.efi
before=$(floor_is)
boot
leave
expect "kept without the TPM" 0 "the update is good" update --mark-good
[ "$(floor_is)" = "$before" ] || fail "the floor was raised in a TPM that the boot does not trust"
[ -e machine/var/state/owed/pending.json ] || fail "nothing says that the floor is owed"
expect "still without" 0 "no update is under way" update --mark-good
boot
expect "sealed" 0 "the present state" "$cloister" seal machine/disk --key disk.key --form own --pcrs 0,2,4,7,11,12,13,15 --tpm "swtpm:$work/machine/sock"
leave
mv srk machine/run/tpm-srk
cp three.efi machine/esp/EFI/BOOT/BOOTX64.EFI
expect "not for another system" 1 "the TPM's floor is to be raised for the last update" update --mark-good
cp one.efi machine/esp/EFI/BOOT/BOOTX64.EFI
expect "paid" 0 "the update is good" update --mark-good
[ "$((0x$(floor_is)))" = "$((0x$before + 1))" ] || fail "the floor stays at $before"
[ ! -e machine/var/state/owed/pending.json ] || fail "it is still owed"
cp two.efi machine/esp/EFI/BOOT/BOOTX64.EFI
header_from last.header
boot
expect "a system of before that was sealed" 0 "" is_shut
grep -q "the TPM's floor was raised" opens.log || fail "the floor is not named: $(cat opens.log)"
[ "$failed" = 0 ] && echo ok
exit "$failed"
