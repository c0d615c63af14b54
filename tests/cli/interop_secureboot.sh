#!/bin/sh
# Signature lists and authenticated variables, with efitools.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/interop_lib.sh
. "$(dirname "$0")/interop_lib.sh"
cd "$work" || exit 4
need openssl jq cert-to-efi-sig-list sig-list-to-certs sign-efi-sig-list hash-to-efi-sig-list
efitools=$(package_version efitools)
owner=11111111-2222-3333-4444-555555555555
for name in KEK db other; do
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=$name" -keyout $name.key -out $name.crt 2>/dev/null
    openssl x509 -in $name.crt -outform DER -out $name.der
done
sb() { "$cloister" secureboot "$@"; }

# Lists: byte for byte the same, and read by each.
cert-to-efi-sig-list -g $owner db.crt theirs.esl >/dev/null || fail "cert-to-efi-sig-list"
sb list --cert db.crt --owner $owner --output ours.esl >/dev/null || fail "list"
cmp -s theirs.esl ours.esl || fail "another list than efitools'"
cert-to-efi-sig-list -g $owner other.crt other.esl >/dev/null && cat theirs.esl other.esl >both.esl
expect "two lists" 0 "2 entries" sb list --merge both.esl --output merged.esl
sig-list-to-certs merged.esl out >/dev/null 2>&1 || fail "sig-list-to-certs"
{ cmp -s out-0.der db.der && cmp -s out-1.der other.der; } || fail "sig-list-to-certs reads other certificates"
held "signature list" efitools "$efitools" "both ways"

# Signed by them: to replace, and to append with a time of zeros, which firmware takes.
sign-efi-sig-list -g $owner -k KEK.key -c KEK.crt db ours.esl replace.auth >/dev/null 2>&1 || fail "sign-efi-sig-list"
sign-efi-sig-list -a -g $owner -k KEK.key -c KEK.crt db ours.esl append.auth >/dev/null 2>&1 || fail "sign-efi-sig-list -a"
expect "theirs, to replace" 0 "replaces db: 1 entries" sb verify replace.auth --variable db --cert KEK.crt
expect "theirs, to append" 0 "appends to db: 1 entries" sb verify append.auth --variable db --cert KEK.crt
[ "$(head -c 16 append.auth | od -An -tx1 | tr -d ' \n0')" = "" ] || fail "append.auth has a time: this test is of none"
expect "by another key" 1 "does not lead to" sb verify append.auth --variable db --cert other.crt
expect "shown" 0 "CN=db" sb show append.auth

# As efivarfs takes them, with the attributes that they are signed for; with others, firmware refuses.
{ printf '\147\000\000\000' && cat append.auth; } >append.efivarfs
{ printf '\047\000\000\000' && cat append.auth; } >wrong.efivarfs
expect "with attributes" 0 "appends to db" sb verify append.efivarfs --variable db --cert KEK.crt
expect "with other attributes" 1 "does not hold" sb verify wrong.efivarfs --variable db --cert KEK.crt

# Nobody's signature: it is said, and not that the file is something else.
{ head -c 16 replace.auth && printf '\030\000\000\000\000\002\361\016' && tail -c +25 replace.auth | head -c 16 && cat ours.esl; } >unsigned.auth
expect "unsigned" 1 "is not signed" sb verify unsigned.auth --variable db --cert KEK.crt
expect "its lists are read" 0 "CN=db" sb show unsigned.auth
held "authenticated variable" sign-efi-sig-list "$efitools" "ours reads its"

# What is neither is called what it is.
cp db.crt certificate
printf '{"a": 1}\n' >json
printf 'AMZNUEFI and more' >aws
cp /usr/lib/systemd/boot/efi/linuxx64.efi.stub image
expect "a certificate" 3 "is a certificate" sb show certificate
expect "DER" 3 "is DER" sb show db.der
expect "JSON" 3 "variable store in JSON: \"version\" is missing" sb show json
expect "AWS's" 3 "is AWS's uefi-data" sb show aws
expect "an image" 3 "is an EFI image" sb show image
exit "$failed"
