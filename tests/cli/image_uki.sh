#!/bin/sh
# The UKI of an image is what `uki build` makes of the same inputs: with profiles, policies over PCR 11, keys with a
# passphrase, in a store or elsewhere; and the reference values are right with all of it.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
init=$small_init
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
skip_without mke2fs mkfs.vfat mcopy jq openssl
make_image_inputs
stub=$CLOISTER_TESTS/../fuzz/corpus/pe/stub # of version 257, whatever is installed: it knows profiles
make_rsa_key pcr
make_rsa_key other

# build OUTPUT [OPTION]…: without a key for the UKI.
# shellcheck disable=SC2317 # expect calls it
build() {
    output=$1
    shift
    "$cloister" image build root --kernel vmlinuz --modules "$modules" --stub "$stub" --varstore vars.fd --disk-key disk.key \
        --reuse-disk-key test --broker https://10.0.2.2:8443 --broker-key broker.pem --init "$init" --output "$output" "$@"
}
db='--key keys/db.key --cert keys/db.crt'
# shellcheck disable=SC2317 # expect calls it
signed() {
    # shellcheck disable=SC2086 # options and their values
    build "$@" $db
}

# same IMAGE UKI WORDS: the UKI on an image is this one, to the byte.
same() {
    image_uki "$1" of_image.efi || fail "no UKI on the ESP of $1"
    cmp -s of_image.efi "$2" || fail "$3"
}

# The same bytes.
expect "build" 0 "LUKS2" signed demo.img --cmdline 'console=ttyS0' --seed 7c9a2f34-1be5-4d1e-9f6a-3f6f1f0c9e11
image_uki demo.img demo.efi || fail "no UKI on the ESP"
"$cloister" uki inspect demo.efi --extract .initrd:initrd --extract .cmdline:cmdline >/dev/null || fail "extract"
parts="--kernel vmlinuz --initrd initrd --os-release root/etc/os-release --stub $stub"
# shellcheck disable=SC2086
"$cloister" uki build $parts $db --cmdline @cmdline --output same.efi || fail "uki build"
cmp -s demo.efi same.efi || fail "uki build and image build make two UKIs of the same inputs"
expect "the older names of options" 0 "LUKS2" build older.img --name demo --cmdline 'console=ttyS0' --osrel root/etc/os-release --sign-key keys/db.key --sign-cert keys/db.crt
same older.img demo.efi "--sign-key makes another UKI than --key"
printf 'console=ttyS0\n\n' >line
expect "a command line in a file, through a pipe" 0 "LUKS2" sh -c "cat line | $cloister image build root --kernel vmlinuz --modules $modules --stub $stub \
    --varstore vars.fd --disk-key disk.key --reuse-disk-key test --broker https://10.0.2.2:8443 --broker-key broker.pem --init $init $db --cmdline @- --output pipe.img --name demo"
same pipe.img demo.efi "a command line of a file makes another UKI"

# Profiles and policies: one with a command line of its own, which keeps the host out as well, and one without.
"$cloister" uki build --stub "$stub" --profile 'ID=debug
TITLE=Debug' --cmdline 'console=ttyS0 debug' --output debug.efi || fail "a profile"
"$cloister" uki build --stub "$stub" --profile ID=plain --output plain.efi || fail "a profile"
expect "profiles" 0 "reference  main@2.ref.json" signed main.img --cmdline 'console=ttyS0' --profile ID=main --join-profile debug.efi \
    --join-profile plain.efi --pcr-key pcr.key --phases 'enter-initrd enter-initrd:leave-initrd' --bank sha256 --bank sha384
image_uki main.img main.efi || fail "no UKI on the ESP"
"$cloister" uki policy main.efi --bank sha256 --json >policy.json || fail "uki policy"
for profile in 0 1 2; do
    reference=main@$profile.ref.json
    [ $profile != 0 ] || reference=main.ref.json
    [ "$(jq -r .pcrs.sha256.\"11\".\"enter-initrd\" $reference)" = "$(jq -r ".profiles[$profile].banks.sha256[] | select(.phase == \"enter-initrd\").hash" policy.json)" ] ||
        fail "profile $profile: PCR 11 in $reference is not what uki policy says"
    "$cloister" measure uki main.efi --varstore vars.fd --load-options "@$profile" --json | jq -S .pcrs.sha256.\"12\",.pcrs.sha256.\"9\",.pcrs.sha256.\"4\" >measured
    jq -S .pcrs.sha256.\"12\",.pcrs.sha256.\"9\",.pcrs.sha256.\"4\" $reference | cmp -s - measured || fail "profile $profile: measure uki says otherwise: $(cat measured)"
done
[ "$(jq -r .name main@1.ref.json)" = main@1 ] || fail "the reference of profile 1 is called $(jq -r .name main@1.ref.json)"
[ "$(jq -c .pcrs.sha256.\"12\" main.ref.json)" = "$(jq -c .pcrs.sha256.\"12\" demo.ref.json)" ] || fail "the first profile moves PCR 12"
[ "$(jq -c .pcrs.sha256.\"12\" main@1.ref.json)" != "$(jq -c .pcrs.sha256.\"12\" main@2.ref.json)" ] || fail "two profiles have one PCR 12"
expect "its policies are signed" 0 "sha256" "$cloister" uki policy main.efi --key pcr.pub --phase enter-initrd:leave-initrd
[ "$("$cloister" uki policy main.efi --key pcr.pub --phase enter-initrd --bank sha256 --bank sha384 --json | jq '[.profiles[].banks[][] | select(.signed)] | length')" = 6 ] ||
    fail "not each profile and bank has its policy signed"
"$cloister" uki inspect main.efi --json >inspect.json
[ "$(jq -r '[.sections[] | select(.name == ".cmdline").text] | map(select(test("systemd.swap=no"))) | length' inspect.json)" = 2 ] || fail "a profile's command line leaves the host's doors open"
[ "$(jq -r '[.sections[] | select(.name == ".cmdline").text] | .[1]' inspect.json | cut -d ' ' -f 1,2)" = 'console=ttyS0 debug' ] || fail "the profile's own command line"
# The guest takes either line: it is in guest.json, which is measured with the initrd.
if found zstd "the lines in guest.json are not looked at"; then
    "$cloister" uki inspect main.efi --extract .initrd:main.initrd >/dev/null
    zstd -dcq main.initrd 2>/dev/null | tr -d '\n ' | grep -q -a '"profile_cmdlines":\["console=ttyS0debugsystemd.import_credentials=no' || fail "guest.json does not have the profile's command line"
fi
# The same bytes again, now that the profile has the words.
"$cloister" uki inspect main.efi --extract .initrd:main.initrd --extract .cmdline:main.cmdline >/dev/null
jq -r '[.sections[] | select(.name == ".cmdline").text] | .[1]' inspect.json >debug.cmdline
"$cloister" uki build --stub "$stub" --profile 'ID=debug
TITLE=Debug' --cmdline @debug.cmdline --output debug2.efi || fail "a profile"
# shellcheck disable=SC2086
"$cloister" uki build --kernel vmlinuz --initrd main.initrd --os-release root/etc/os-release --stub "$stub" $db --cmdline @main.cmdline --profile ID=main --join-profile debug2.efi \
    --join-profile plain.efi --pcr-key pcr.key --phases 'enter-initrd enter-initrd:leave-initrd' --bank sha256 --bank sha384 --output same.efi || fail "uki build"
expect "profiles that have the words" 0 "main2@1" signed main2.img --name main --cmdline 'console=ttyS0' --profile ID=main --join-profile debug2.efi \
    --join-profile plain.efi --pcr-key pcr.key --phases 'enter-initrd enter-initrd:leave-initrd' --bank sha256 --bank sha384
same main2.img same.efi "with profiles, uki build and image build make two UKIs"

# Policies that are signed elsewhere, in two steps.
expect "digests" 0 "LUKS2" signed digests.img --name demo --cmdline 'console=ttyS0' --pcr-public-key pcr.pub --write-digests digests.json
unhex "$(jq -r '.sha256[0].pol' digests.json)" >policy.bin
openssl dgst -sha256 -sign pcr.key policy.bin | base64 -w 0 >signature
jq --rawfile sig signature '.sha256[0].sig = $sig' digests.json >joined.json
expect "and joined" 0 "LUKS2" signed joined.img --name demo --cmdline 'console=ttyS0' --pcr-public-key pcr.pub --join-pcrsig joined.json
image_uki joined.img joined.efi && expect "they hold" 0 "signed" "$cloister" uki policy joined.efi --key pcr.pub --phase enter-initrd

# Keys with a passphrase: in both forms that openssl writes; through a file or a pipe; told apart from a wrong one.
printf 'correct horse\n' >passphrase
printf 'incorrect donkey' >wrong
openssl pkcs8 -topk8 -in keys/db.key -out pkcs8.key -passout file:passphrase
openssl rsa -in keys/db.key -aes256 -traditional -out traditional.key -passout file:passphrase 2>/dev/null ||
    openssl rsa -in keys/db.key -aes256 -out traditional.key -passout file:passphrase 2>/dev/null
openssl pkcs8 -topk8 -in pcr.key -out pcr8.key -passout file:passphrase
grep -q ENCRYPTED traditional.key || fail "openssl did not encrypt the key"
for key in pkcs8.key traditional.key; do
    expect "$key" 0 "LUKS2" build "$key.img" --name demo --cmdline 'console=ttyS0' --key $key --key-passphrase-file passphrase --cert keys/db.crt
    same $key.img demo.efi "$key signs otherwise"
    expect "$key: no passphrase" 3 "$key: is encrypted, and no passphrase was given" build no.img --cmdline x --key $key --cert keys/db.crt
    expect "$key: a wrong one" 3 "$key: is encrypted, and the passphrase is wrong" build no.img --cmdline x --key $key --key-passphrase-file wrong --cert keys/db.crt
    grep -q 'horse\|donkey' err && fail "a passphrase is in the message: $(cat err)"
done
# shellcheck disable=SC2086
"$cloister" uki build $parts --cmdline @cmdline --key pkcs8.key --key-passphrase-file - --cert keys/db.crt --output piped.efi <passphrase || fail "a passphrase from standard input"
cmp -s demo.efi piped.efi || fail "with a passphrase from standard input it is another UKI"
# shellcheck disable=SC2086
expect "two keys, two passphrases" 0 "" "$cloister" uki build $parts $db --cmdline quiet --pcr-key pcr8.key --pcr-key-passphrase-file passphrase --key traditional.key --cert keys/db.crt \
    --key-passphrase-file passphrase --key-passphrase-file passphrase --output two.efi
expect "too many passphrases" 2 "--key-passphrase-file: expected one, or one for each --key" build no.img --cmdline x --key keys/db.key --cert keys/db.crt --key-passphrase-file a --key-passphrase-file b
expect "a passphrase for nothing" 2 "--pcr-key-passphrase-file: of no use without --pcr-key" signed no.img --cmdline x --pcr-key-passphrase-file passphrase
: >nothing
expect "an empty passphrase" 3 "nothing: holds no passphrase" build no.img --cmdline x --key pkcs8.key --key-passphrase-file nothing --cert keys/db.crt
expect "a passphrase that is not there" 3 "absent: No such file" build no.img --cmdline x --key pkcs8.key --key-passphrase-file absent --cert keys/db.crt
expect "uki sign" 0 "" "$cloister" uki sign demo.efi --key pkcs8.key --key-passphrase-file passphrase --cert keys/db.crt --output again.efi
cmp -s demo.efi again.efi || fail "uki sign signs otherwise"
expect "secureboot sign" 0 "" sh -c "$cloister secureboot list --cert keys/db.crt --output db.esl && $cloister secureboot sign db.esl --variable db --key pkcs8.key --key-passphrase-file passphrase --cert keys/db.crt --output db.auth"

# Keys in a store, by their URI: OpenSSL's own for files; a token, where SoftHSM and OpenSSL's provider for it are installed.
expect "a key by URI" 0 "LUKS2" build store.img --name demo --cmdline 'console=ttyS0' --key "file:$work/keys/db.key" --cert keys/db.crt
same store.img demo.efi "a key by URI signs otherwise"
expect "with a passphrase" 0 "LUKS2" build store.img --name demo --cmdline 'console=ttyS0' --key "file:$work/pkcs8.key" --key-passphrase-file passphrase --cert keys/db.crt
expect "with a wrong one" 3 "wants a passphrase, and this one is wrong" build no.img --cmdline x --key "file:$work/pkcs8.key" --key-passphrase-file wrong --cert keys/db.crt
# Without a terminal nobody can be asked.
expect "with none" 3 "wants a passphrase, and none was given" setsid -w "$cloister" uki sign demo.efi --key "file:$work/pkcs8.key" --cert keys/db.crt --output no.efi
expect "no such store" 3 "pkcs99:x" build no.img --cmdline x --key pkcs99:x --cert keys/db.crt
expect "no such provider" 4 "provider nosuchprovider" signed no.img --cmdline x --provider nosuchprovider
if find_token; then
    openssl pkcs8 -topk8 -nocrypt -in keys/db.key -out db.pk8
    make_token db.pk8 db
    printf '1234' >pin
    expect "a key in a token" 0 "LUKS2" build token.img --name demo --cmdline 'console=ttyS0' --provider pkcs11 --key 'pkcs11:token=test;object=db;type=private' \
        --key-passphrase-file pin --cert keys/db.crt
    same token.img demo.efi "a key in a token signs otherwise"
    unset OPENSSL_CONF
else
    echo "note: no SoftHSM with OpenSSL's pkcs11 provider here: keys in tokens are not tried"
fi

# Signed elsewhere: the first run makes what must be signed and nothing else, the second puts the signature in.
expect "what must be signed" 0 "" build offline.img --name demo --cmdline 'console=ttyS0' --write-tbs tbs
[ -z "$(find . -name 'offline.*')" ] || fail "--write-tbs makes an image"
openssl dgst -sha256 -sign keys/db.key -out tbs.sig tbs
expect "and attached" 0 "LUKS2" build offline.img --name demo --cmdline 'console=ttyS0' --attach tbs.sig --cert keys/db.crt
same offline.img demo.efi "signed elsewhere it is another UKI"
expect "of another UKI" 1 "is not this certificate's" build no.img --cmdline quiet --attach tbs.sig --cert keys/db.crt
expect "of another key" 1 "is not this certificate's" build no.img --name demo --cmdline 'console=ttyS0' --attach tbs.sig --cert keys/KEK.crt
expect "two ways" 2 "one of them" signed no.img --cmdline x --attach tbs.sig
expect "both" 2 "one of them" build no.img --cmdline x --attach tbs.sig --write-tbs tbs2

# What is not taken: one line, the right status, and nothing written.
expect "nobody signs" 2 "--key and --cert are needed (or --write-tbs, --attach)" build no.img --cmdline x
expect "a key without a certificate" 2 "together" build no.img --cmdline x --key keys/db.key
expect "keys that are not a pair" 2 "is not the public key of --pcr-key" signed no.img --cmdline x --pcr-key pcr.key --pcr-public-key other.pub
expect "a bank that is not one" 2 "--bank md5" signed no.img --cmdline x --pcr-key pcr.key --bank md5
expect "phases without a key" 2 "of no use without --pcr-key" signed no.img --cmdline x --phases enter-initrd
expect "a profile to sign that is not there" 2 "--sign-profile other" signed no.img --cmdline x --pcr-key pcr.key --sign-profile other
expect "profiles without one's own" 2 "needs a --profile of its own" signed no.img --cmdline x --join-profile debug.efi
sed 's/systemd-stub 257/systemd-stub 252/' "$stub" >old.stub
expect "profiles of a stub that knows none" 3 "--join-profile: the stub is of systemd 252, and knows profiles from 257 on" \
    signed no.img --cmdline x --stub old.stub --profile ID=main --join-profile debug.efi
expect "a profile that is not one" 3 "vmlinuz" signed no.img --cmdline x --profile ID=main --join-profile vmlinuz
expect "an initrd of the owner's" 2 "an image has its own" signed no.img --cmdline x --section .initrd:text
expect "a section that has an option" 2 "--section .cmdline" signed no.img --cmdline x --section .cmdline:y
expect "no command line" 3 ".cmdline" signed no.img
expect "a kernel that is a script" 3 "is a script, not a kernel" signed no.img --cmdline x --kernel "$CLOISTER_TESTS/cli/image_uki.sh"
[ -z "$(find . -name 'no.*')" ] || fail "a refused build left a file: $(find . -name 'no.*')"
exit "$failed"
