#!/bin/sh
# The key on paper: added, typed, checked group by group, opened by stock cryptsetup, exchanged and revoked; a QR code that qrencode
# draws in the same way.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
skip_without cryptsetup jq
head -c 64 /dev/urandom >key
printf other >passphrase
truncate -s 20M volume
{ cryptsetup luksFormat -q --sector-size 4096 --key-size 512 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 volume key &&
    cryptsetup luksAddKey -q --key-file key --pbkdf pbkdf2 --pbkdf-force-iterations 1000 volume passphrase; } || fail "luksFormat"
slots() { cryptsetup luksDump volume | grep -c ': luks2'; }
opens() { cryptsetup open --test-passphrase --key-file "$1" volume 2>open.log; }

# Added, and typed in again.
expect "enroll" 0 "recovery" "$cloister" recovery enroll volume --key key
sed -n 's/^recovery *//p' out >typed
sed -n 's/^check *//p' out >check
grep -Eq '^([cbdefghijklnrtuv]{8}-){7}[cbdefghijklnrtuv]{8}$' typed || fail "not eight groups of eight"
[ "$(slots)" = 3 ] || fail "$(slots) key slots"
cryptsetup luksDump volume | grep -q systemd-recovery || fail "the slot is not marked as a recovery key's"
tr -d '\n' <typed >pass
opens pass || fail "cryptsetup: $(cat open.log)"
expect "check" 0 "without the check letters typos do not show" "$cloister" recovery check --recovery-key typed
{ tr 'a-z-' 'A-Z ' <typed && cat check; } >full
expect "check, with its letters" 0 "opens key slot 2 of volume" "$cloister" recovery check volume --recovery-key full
"$cloister" recovery check --json <full | jq -e .checked >/dev/null || fail "from standard input"
expect "convert" 0 "" "$cloister" recovery convert volume --recovery-key full --output converted --volume-key-output volume.key
cmp -s converted pass || fail "what was converted is not the key"
[ "$(stat -c %a converted volume.key | xargs)" = "600 600" ] || fail "others may read the keys"
cryptsetup luksDump -q --dump-volume-key --volume-key-file theirs.key --key-file key volume >/dev/null 2>&1 && { cmp -s theirs.key volume.key || fail "another volume key than cryptsetup's"; }

# Typos: the group is named, and what was typed is not.
typo() { # a letter of group 6 becomes its neighbour
    letter=$(cut -c 47 typed)
    other=$(printf cbdefghijklnrtuvc | sed "s/.*$letter\(.\).*/\1/")
    sed "s/^\(.\{46\}\)./\1$other/" typed
}
{ typo && cat check; } >wrong
expect "a typo" 3 "recovery key: group 6 does not fit check letter 6: one of the two has a typo" "$cloister" recovery check --recovery-key wrong
grep -q "$(cut -c 46-53 typed)\|$(typo | cut -c 46-53)" err && fail "the error has what was typed"
typo >wrong
expect "a typo without check letters" 1 "the key opens no key slot" "$cloister" recovery check volume --recovery-key wrong
expect "a disk that is not there, before a key is asked for" 3 "not-there: No such file" "$cloister" recovery check not-there --recovery-key no-key
cut -c 2- typed >wrong
expect "a letter too few" 3 "group 1: 7 letters, expected 8" "$cloister" recovery check --recovery-key wrong
typo >wrong
expect "a key that opens nothing" 1 "the key opens no key slot" "$cloister" recovery convert volume --recovery-key wrong --output nowhere
[ ! -e nowhere ] || fail "a key that opens nothing was written"
expect "over the disk" 2 "--output" "$cloister" recovery convert volume --recovery-key full --output volume
expect "nothing to write" 2 "are needed" "$cloister" recovery convert volume --recovery-key full

# Exchanged: the new one is there before the old one goes.
expect "replace" 0 "dropped" "$cloister" recovery enroll volume --key key --replace --json
jq -r .recovery out | tr -d '\n' >pass2
jq -e '.check | length == 8' out >/dev/null || fail "no check letters in JSON"
[ "$(slots)" = 3 ] || fail "$(slots) key slots after an exchange"
opens pass2 || fail "the new one: $(cat open.log)"
opens pass && fail "the old one opens it still"

# Revoked: never by itself, and never what is not a recovery key's.
cp volume before
expect "by itself" 1 "the key that was given is the recovery key itself" "$cloister" recovery revoke volume --key pass2
expect "by no key" 1 "the key opens no key slot" "$cloister" recovery revoke volume --key pass
cmp -s volume before || fail "a refusal has changed the volume"
expect "revoke" 0 "dropped    1" "$cloister" recovery revoke volume --key key
opens pass2 && fail "it opens after it was revoked"
{ opens key && opens passphrase; } || fail "another key was lost"
[ "$(slots)" = 2 ] || fail "$(slots) key slots are left"
expect "revoke again" 1 "it has no recovery key" "$cloister" recovery revoke volume --key key
expect "not a disk" 3 "key" "$cloister" recovery enroll key --key key

# As qrencode draws it: the same modules, whatever it puts around them.
expect "--qr without a key to show" 2 "--qr goes with --recovery" "$cloister" seal volume --key key --qr
if found qrencode "QR codes are not tried"; then
    expect "as a QR code" 0 "check" "$cloister" recovery enroll volume --key key --qr
    sed -n 's/^recovery *//p' out | tr -d '\n' | qrencode -8 -l M -m 2 -t UTF8 | sed 's/\x1b\[[0-9;]*m//g' >theirs
    sed '1,/^check/d' out | cmp -s - theirs || fail "not the code that qrencode draws"
    [ -s theirs ] || fail "qrencode drew nothing"
fi
exit "$failed"
