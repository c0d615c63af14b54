#!/bin/sh
# EFI images: the digest that pesign, osslsigncode and efitools compute; signatures both ways with sbsign, pesign, osslsigncode.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/interop_lib.sh
. "$(dirname "$0")/interop_lib.sh"
cd "$work" || exit 4
stub=/usr/lib/systemd/boot/efi/linuxx64.efi.stub
need openssl jq pesign sbsign sbverify sbattach osslsigncode hash-to-efi-sig-list objcopy certutil pk12util
[ -r $stub ] || fail "$stub is not here; packaging/setup installs it"
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=interop -keyout db.key -out db.crt \
    -addext basicConstraints=critical,CA:TRUE -addext extendedKeyUsage=codeSigning 2>/dev/null
mkdir nss
: >none
{
    certutil -N -d nss --empty-password &&
        openssl pkcs12 -export -inkey db.key -in db.crt -name interop -passout pass: -out db.p12 &&
        pk12util -i db.p12 -d nss -W '' -K '' >/dev/null
} || fail "a key store for pesign"

# A file as it is, with 1 to 7 bytes more, and one that objcopy gave a section.
cp $stub plain.efi
for more in 1 3 5 7; do { cat $stub && head -c $more /dev/urandom; } >odd$more.efi; done
printf 'root=/dev/vda1' >cmdline
objcopy --add-section .cmdline=cmdline --change-section-vma .cmdline=0x1430000 $stub objcopy.efi 2>/dev/null || fail "objcopy"
truncate -s "$(($(wc -c <objcopy.efi) / 8 * 8 + 5))" objcopy.efi

digest() { "$cloister" uki inspect "$1" --authenticode sha256 | cut -d ' ' -f 1; }
cp $stub even.efi
truncate -s "$((($(wc -c <even.efi) + 7) / 8 * 8))" even.efi
for image in plain even odd1 odd3 odd5 odd7 objcopy; do
    ours=$(digest $image.efi)
    theirs=$(pesign -h -i $image.efi | grep -oE '[0-9a-f]{64}')
    [ "$ours" = "$theirs" ] || fail "$image: our digest is $ours, pesign's $theirs"
    # efitools' list holds the digest that firmware compares.
    hash-to-efi-sig-list $image.efi $image.esl >/dev/null 2>&1 || fail "$image: hash-to-efi-sig-list"
    "$cloister" secureboot list --image $image.efi --owner 00000000-0000-0000-0000-000000000000 --output ours.esl >/dev/null || fail "$image: list"
    tail -c 32 $image.esl >theirs.hash
    tail -c 32 ours.esl >ours.hash
    # It pads as for a signature: equal where nothing is padded.
    [ $(($(wc -c <$image.efi) % 8)) != 0 ] || cmp -s theirs.hash ours.hash || fail "$image: hash-to-efi-sig-list has another digest"
    expect "$image: our own list allows it" 0 "allows it" "$cloister" uki verify $image.efi --db ours.esl
done
held "Authenticode digest" pesign "$(package_version pesign)" equal

# Ours, verified by theirs; the signed file's digest is theirs as well.
for image in plain odd3 objcopy; do
    "$cloister" uki sign $image.efi --key db.key --cert db.crt --output signed.efi 2>/dev/null || fail "$image: sign"
    sbverify --cert db.crt signed.efi >sbverify.log 2>&1 || fail "$image: sbverify: $(tail -n 1 sbverify.log)"
    osslsigncode verify -CAfile db.crt -in signed.efi >ossl.log 2>&1 || fail "$image: osslsigncode: $(grep -i -m 1 -E 'fail|error|mismatch' ossl.log)"
    pesign -n nss -S -i signed.efi >pesign.log 2>&1 || fail "$image: pesign -S: $(cat pesign.log)"
    grep -q interop pesign.log || fail "$image: pesign sees no signature: $(cat pesign.log)"
    [ "$(digest signed.efi)" = "$(pesign -h -i signed.efi | grep -oE '[0-9a-f]{64}')" ] || fail "$image: signed, pesign has another digest"
done
for tool in sbverify osslsigncode pesign; do
    case $tool in sbverify) package=sbsigntool ;; *) package=$tool ;; esac
    held "Authenticode signature" $tool "$(package_version $package)" "reads ours"
done

# Theirs, verified by us: of files that need padding, too.
for image in plain odd3 objcopy; do
    sbsign --key db.key --cert db.crt --output sbsign.efi $image.efi >sbsign.log 2>&1 || fail "$image: sbsign: $(tail -n 1 sbsign.log)"
    pesign -n nss -c interop -s -i $image.efi -o pesign.efi -f >pesign.log 2>&1 || fail "$image: pesign: $(tail -n 1 pesign.log)"
    osslsigncode sign -h sha256 -certs db.crt -key db.key -in $image.efi -out osslsigncode.efi >ossl.log 2>&1 || fail "$image: osslsigncode: $(tail -n 1 ossl.log)"
    for tool in sbsign pesign osslsigncode; do
        expect "$image, signed by $tool" 0 'signed by "' "$cloister" uki verify $tool.efi --cert db.crt
        rm -f $tool.efi
    done
done
for tool in sbsign osslsigncode pesign; do
    case $tool in sbsign) package=sbsigntool ;; *) package=$tool ;; esac
    held "Authenticode signature" $tool "$(package_version $package)" "ours reads its"
done

# A signature taken off and put back by sbattach.
"$cloister" uki sign odd3.efi --key db.key --cert db.crt --output signed.efi 2>/dev/null || fail "sign"
{ sbattach --detach signature signed.efi >/dev/null 2>&1 && cp odd3.efi attached.efi && sbattach --attach signature attached.efi >/dev/null 2>&1; } || fail "sbattach"
expect "put back by sbattach" 0 'signed by "' "$cloister" uki verify attached.efi --cert db.crt
"$cloister" uki sign odd3.efi --attach signature --output again.efi 2>/dev/null || fail "uki sign --attach"
sbverify --cert db.crt again.efi >/dev/null 2>&1 || fail "put back by us: sbverify"
held "detached signature" sbattach "$(package_version sbsigntool)" "both ways"
exit "$failed"
