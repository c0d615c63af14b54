#!/bin/sh
# Signatures: several, with SHA-384, made elsewhere, through a key store; and what db and dbx make of them.
# shellcheck disable=SC2059,SC2317
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
cd "$work" || exit 4
skip_without openssl
make_kernel vmlinuz
find_stub
"$cloister" uki build --kernel vmlinuz --cmdline quiet --stub "$stub" --output plain.efi || fail "build"

# A root, what it issued, a stranger; and a key on a curve.
openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.crt -subj /CN=root -days 3650 2>/dev/null
openssl req -newkey rsa:2048 -nodes -keyout leaf.key -out leaf.csr -subj /CN=leaf 2>/dev/null
openssl x509 -req -in leaf.csr -CA root.crt -CAkey root.key -set_serial 7 -out leaf.crt -days 3650 2>/dev/null
openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.crt -subj /CN=other -days 3650 2>/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -keyout curve.key -out curve.crt -subj /CN=curve -days 3650 2>/dev/null
[ -s curve.crt ] || fail "openssl made no certificates"
verify() { "$cloister" uki verify "$@"; }
sign() { "$cloister" uki sign "$@"; }

# Two signatures at once, each with its hash; one more next to them; then none.
sign plain.efi --key leaf.key --cert leaf.crt --hash sha256 --key curve.key --cert curve.crt --hash sha384 --output two.efi || fail "two signatures"
expect "the first" 0 "sha256" verify two.efi --cert leaf.crt
expect "the second" 0 "sha384" verify two.efi --cert curve.crt
expect "the issuer of the first" 0 "CN=root" verify two.efi --cert root.crt
expect "a stranger" 1 "(2 signatures)" verify two.efi --cert other.crt
sign two.efi --keep --key other.key --cert other.crt --output three.efi || fail "--keep"
for who in leaf curve other; do expect "one of three" 0 "CN=$who" verify three.efi --cert $who.crt; done
sign three.efi --key other.key --cert other.crt --output replaced.efi || fail "replace"
expect "the others are gone" 1 "no signature" verify replaced.efi --cert leaf.crt
sign three.efi --remove --output removed.efi || fail "--remove"
cmp -s plain.efi removed.efi || fail "what was signed and is not is another image"
if found sbverify "it is not asked about two signatures"; then
    sbverify --cert leaf.crt two.efi >/dev/null 2>&1 || fail "sbverify does not take two signatures"
    sbverify --cert root.crt two.efi >/dev/null 2>&1 || fail "sbverify does not take the issuer"
fi
if found osslsigncode "it is not asked about the digest"; then
    osslsigncode verify -CAfile root.crt -in replaced.efi 2>/dev/null | grep -q "Calculated message digest" || fail "osslsigncode cannot read it"
fi

# Made elsewhere: by openssl, from what is to be signed.
sign plain.efi --write-tbs tbs || fail "--write-tbs"
openssl dgst -sha256 -sign leaf.key -out signature tbs
sign plain.efi --attach signature --cert leaf.crt --output attached.efi || fail "--attach"
sign plain.efi --key leaf.key --cert leaf.crt --output direct.efi || fail "sign"
cmp -s attached.efi direct.efi || fail "made elsewhere it is another file"
sign plain.efi --write-tbs tbs384 --hash sha384 || fail "--write-tbs"
openssl dgst -sha384 -sign curve.key -out signature384 tbs384
sign attached.efi --keep --attach signature384 --cert curve.crt --hash sha384 --output both.efi || fail "--attach next to another"
expect "attached" 0 "CN=leaf" verify both.efi --cert leaf.crt
expect "attached next to it" 0 "CN=curve" verify both.efi --cert curve.crt
expect "another's certificate" 1 "is not this certificate's" sign plain.efi --attach signature --cert other.crt --output no.efi
expect "another hash" 1 "is not this certificate's" sign plain.efi --attach signature --cert leaf.crt --hash sha384 --output no.efi
expect "whose?" 2 "it is not known whose" sign plain.efi --attach signature --output no.efi
expect "nothing to do" 2 "--write-tbs" sign plain.efi
expect "two ways" 2 "one of them" sign plain.efi --key leaf.key --cert leaf.crt --remove
expect "a key too many" 2 "together" sign plain.efi --key leaf.key --key other.key --cert leaf.crt
[ ! -e no.efi ] || fail "a refused signature left a file"

# A key from a store, and providers that are not there.
sign plain.efi --key "file:$work/leaf.key" --cert leaf.crt --output store.efi || fail "a key by URI"
cmp -s store.efi direct.efi || fail "a key by URI signs otherwise"
expect "no such provider" 4 "provider nosuchprovider" sign plain.efi --provider nosuchprovider --key leaf.key --cert leaf.crt --output no.efi
expect "no such store" 3 "pkcs99:x" sign plain.efi --key pkcs99:x --cert leaf.crt --output no.efi

# A key in a PKCS #11 token, where SoftHSM and OpenSSL's provider for it are installed.
if find_token; then
    openssl pkcs8 -topk8 -nocrypt -in leaf.key -out leaf.pk8
    make_token leaf.pk8 leaf
    sign plain.efi --provider pkcs11 --key 'pkcs11:token=test;object=leaf;type=private;pin-value=1234' --cert leaf.crt --output token.efi ||
        fail "a key in a token"
    cmp -s token.efi direct.efi || fail "a key in a token signs otherwise"
    unset OPENSSL_CONF
else
    echo "note: no SoftHSM with OpenSSL's pkcs11 provider here: keys in tokens are not tried"
fi

# A key in a TPM, where swtpm and OpenSSL's provider for TPMs are installed: OpenSSL has its public half, and must not
# take that for the key.
tpm=
if found swtpm "a key in a TPM is not tried"; then
    begin_tpm tpm "$work/tpm.sock"
    tpm=$tpm_pid
    export TPM2OPENSSL_TCTI="swtpm:path=$work/tpm.sock"
fi
if [ -n "$tpm" ] && openssl list -providers -provider tpm2 >/dev/null 2>&1; then
    openssl genpkey -provider tpm2 -provider default -algorithm RSA -pkeyopt bits:2048 -out tpm.pem 2>/dev/null || fail "a key in a TPM"
    openssl req -provider tpm2 -provider default -propquery '?provider=tpm2' -x509 -new -key tpm.pem -subj /CN=tpm -out tpm.crt 2>/dev/null
    sign plain.efi --provider tpm2 --key tpm.pem --cert tpm.crt --output tpm.efi || fail "signing in a TPM"
    expect "signed in a TPM" 0 "CN=tpm" verify tpm.efi --cert tpm.crt
else
    echo "note: no swtpm with OpenSSL's tpm2 provider here: keys in TPMs are not tried"
fi
[ -z "$tpm" ] || kill "$tpm"

# A foreign timestamp is tolerated.
if command -v osslsigncode >/dev/null && osslsigncode add -help 2>&1 | grep -q -- -TSA-cert; then
    openssl req -x509 -newkey rsa:2048 -nodes -keyout tsa.key -out tsa.crt -subj /CN=tsa -days 3650 \
        -addext extendedKeyUsage=critical,timeStamping 2>/dev/null
    if osslsigncode sign -certs leaf.crt -key leaf.key -h sha256 -TSA-cert tsa.crt -TSA-key tsa.key -in plain.efi -out stamped.efi >/dev/null 2>&1; then
        expect "with a timestamp" 0 "CN=leaf" verify stamped.efi --cert leaf.crt
        expect "and it says so" 0 '"timestamp": true' "$cloister" uki inspect stamped.efi --json
    fi
fi

# db and dbx. A list: type, sizes, owner, data.
le32() { printf "\\$(printf %o $(($1 & 255)))\\$(printf %o $(($1 >> 8 & 255)))\\$(printf %o $(($1 >> 16 & 255)))\\000"; }
list() { # TYPE (hex) FILE
    unhex "$1"
    le32 $((44 + $(wc -c <"$2")))
    le32 0
    le32 $((16 + $(wc -c <"$2")))
    head -c 16 /dev/zero
    cat "$2"
}
x509=a159c0a5e494a74a87b5ab155c2bf072
sha256=2616c4c14c509240aca941f936934328
x509_sha256=92a4d23bc0967940b420fcf98ef103ed
for who in root leaf other; do openssl x509 -in $who.crt -outform DER -out $who.der; done
list $x509 root.der >db
list $x509 other.der >other.esl
list $x509 leaf.der >leaf.esl
: >empty
expect "db allows it" 0 'db entry 0 (X.509 "CN=root"' verify direct.efi --db db --dbx empty
expect "the second entry" 0 'db entry 1 (X.509 "CN=root"' sh -c "cat other.esl db >db2; \"$cloister\" uki verify direct.efi --db db2"
expect "no entry" 1 "no entry of db allows it" verify direct.efi --db other.esl
expect "dbx forbids it" 1 'dbx entry 0 (X.509 "CN=leaf"' verify direct.efi --db db --dbx leaf.esl
unhex "$("$cloister" uki inspect plain.efi --authenticode sha256 | cut -d' ' -f1)" >digest
list $sha256 digest >hash.esl
expect "an unsigned image by its digest" 0 "db entry 0 (SHA-256" verify plain.efi --db hash.esl
expect "dbx next to a certificate" 1 'dbx entry 0 (X.509 "CN=leaf"' verify direct.efi --cert leaf.crt --dbx leaf.esl
expect "a dbx that does not matter" 0 "signed by" verify direct.efi --cert leaf.crt --dbx other.esl
expect "dbx by digest" 1 "dbx entry 0 (SHA-256" verify direct.efi --db db --dbx hash.esl
expect "as efivarfs gives it" 0 "db entry 0" sh -c "{ printf '\\047\\000\\000\\000'; cat db; } >attributes; \"$cloister\" uki verify direct.efi --db attributes"
# The TBSCertificate is the first element inside: found with openssl.
openssl asn1parse -inform DER -in leaf.der -strparse 4 -noout -out leaf.tbs 2>/dev/null
openssl dgst -sha256 -binary leaf.tbs >revoked
cp revoked revoked.then
head -c 16 /dev/zero >>revoked
unhex e4070203 >>revoked.then
head -c 12 /dev/zero >>revoked.then
list $x509_sha256 revoked >revoked.esl
list $x509_sha256 revoked.then >revoked.then.esl
expect "revoked" 1 "it revokes a certificate of signature 1" verify direct.efi --db db --dbx revoked.esl
expect "revoked as of a time" 1 "as of 2020-02-03T00:00:00Z" verify direct.efi --db db --dbx revoked.then.esl
expect "as JSON" 1 '"list": "dbx"' verify direct.efi --db db --dbx revoked.esl --json
expect "several images" 1 "no entry of db" verify direct.efi plain.efi --db db
expect "a broken list" 3 "dbx" sh -c "head -c 20 db >dbx.cut; \"$cloister\" uki verify direct.efi --db db --dbx dbx.cut"
expect "nobody to believe" 2 "--varstore" verify direct.efi
vars=/usr/share/OVMF/OVMF_VARS_4M.fd
if [ -r $vars ]; then
    "$cloister" secureboot keygen --output keys >/dev/null || fail "keygen"
    "$cloister" secureboot enroll --help >/dev/null 2>&1 && "$cloister" secureboot enroll --vars $vars --keys keys --output vars.fd >/dev/null 2>&1
    if [ -s vars.fd ]; then
        sign plain.efi --key keys/db.key --cert keys/db.crt --output enrolled.efi || fail "sign"
        expect "a firmware's variables" 0 "db entry" verify enrolled.efi --varstore vars.fd
        expect "and not by another key" 1 "no entry of db" verify direct.efi --varstore vars.fd
    fi
fi
exit "$failed"
