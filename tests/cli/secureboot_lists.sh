#!/bin/sh
# Signature lists and authenticated variables: made, merged, compared, signed, applied to a variable store; and what an
# update does to PCR 7 and to images before it is made.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
cd "$work" || exit 4
find_varstore
find_stub
sb() { "$cloister" secureboot "$@"; }

sb keygen --output keys >/dev/null || fail "keygen"
sb keygen --output other >/dev/null || fail "keygen"
sb enroll --input "$varstore" --output vars.fd --pk keys/PK.crt --kek keys/KEK.crt --db keys/db.crt || fail "enroll"

# Two UKIs by the key in db, one by another's.
make_kernel vmlinuz
echo initrd >initrd
echo 'ID=test' >osrel
for name in one two; do
    "$cloister" uki build --kernel vmlinuz --initrd initrd --cmdline "$name" --os-release osrel --stub "$stub" \
        --key keys/db.key --cert keys/db.crt --output "$name.efi" >/dev/null 2>&1 || fail "UKI $name"
done
cp one.efi foreign.efi
# What systemd in the initrd measures besides, and is not in these values.
if found cpio "what systemd in the initrd measures besides is not tried"; then
    mkdir -p tree/usr/lib/systemd/system tree/usr/lib/nvpcr
    : >tree/usr/lib/systemd/system/systemd-pcrosseparator.service
    : >tree/usr/lib/nvpcr/hardware.nvpcr
    (cd tree && find . | cpio -o -H newc 2>/dev/null) >separated
    "$cloister" uki build --kernel vmlinuz --initrd separated --cmdline quiet --os-release osrel --stub "$stub" --key keys/db.key --cert keys/db.crt --output separated.efi >/dev/null 2>&1 || fail "UKI with a separator"
    "$cloister" measure uki separated.efi --varstore vars.fd >/dev/null 2>notes || fail "measure uki"
    for word in "carries systemd-pcrosseparator.service" "NvPCRs"; do grep -qF "$word" notes || fail "measure uki does not say '$word': $(cat notes)"; done
    "$cloister" measure uki one.efi --varstore vars.fd >/dev/null 2>notes
    ! grep -q note: notes || fail "measure uki: a note of nothing: $(cat notes)"
fi
"$cloister" uki sign foreign.efi --key other/db.key --cert other/db.crt >/dev/null 2>&1 || fail "sign by another"

# Lists.
hash=$(printf '%064d' 7)
expect "a list of an image and a hash" 0 "2 entries" sb list --image one.efi --hash "$hash" --output dbx.esl
[ "$(wc -c <dbx.esl)" = $((28 + 2 * 48)) ] || fail "two hashes are not one list"
expect "merged with itself" 0 "2 entries" sb list --merge dbx.esl --merge dbx.esl --output same.esl
cmp -s dbx.esl same.esl || fail "merging with itself changed it"
expect "SHA-384 and a certificate" 0 "2 entries" sb list --image one.efi --sha384 --cert other/db.crt --output more.esl
expect "merged" 0 "4 entries" sb list --merge dbx.esl --merge more.esl --output merged.esl
expect "removed a hash" 0 "3 entries" sb list --merge merged.esl --remove "$hash" --output less.esl
expect "removed a certificate" 0 "1 entries" sb list --merge more.esl --output less2.esl \
    --remove "$(openssl x509 -in other/db.crt -outform DER | sha256sum | cut -d' ' -f1)"
expect "removed what is not there" 1 "no such entry" sb list --merge more.esl --remove "$hash" --output no.esl
expect "an odd hash" 2 "--hash" sb list --hash 00 --output no.esl
expect "identical" 0 "identical" sb diff dbx.esl same.esl
expect "differs" 1 "1 removed, 0 added" sb diff merged.esl less.esl
sb diff merged.esl less.esl --json | jq -e '.identical == false and .removed[0].sha256 == "'"$hash"'"' >/dev/null || fail "diff --json"
expect "another owner" 1 "1 of another owner" sh -c "'$cloister' secureboot list --hash $hash --owner 11111111-2222-3333-4444-555555555555 --output o.esl >/dev/null
    '$cloister' secureboot list --hash $hash --output p.esl >/dev/null; '$cloister' secureboot diff o.esl p.esl"
printf '\047\000\000\000' | cat - dbx.esl >efivarfs
expect "as efivarfs shows it" 0 "identical" sb diff efivarfs dbx.esl

# Signed, verified, applied.
at=2026-06-01T00:00:00Z
expect "sign" 0 "" sb sign dbx.esl --variable dbx --append --key keys/KEK.key --cert keys/KEK.crt --time $at --output dbx.auth
expect "verify" 0 "appends to dbx: 2 entries" sb verify dbx.auth --cert keys/KEK.crt
expect "verify, several" 0 "appends to dbx" sb verify dbx.auth --cert other/KEK.crt --cert keys/KEK.crt
expect "verify by another" 1 "does not lead to" sb verify dbx.auth --cert other/KEK.crt
expect "verify for another variable" 1 "does not hold" sb verify dbx.auth --variable db --cert keys/KEK.crt
expect "verify lists" 3 "no authenticated variable" sb verify dbx.esl --cert keys/KEK.crt
sb show dbx.auth --json | jq -e '.kind == "auth" and (.entries | length) == 2 and .time == "2026-06-01T00:00:00"' >/dev/null || fail "show --json"
cp dbx.auth bent.auth
invert bent.auth $(($(wc -c <dbx.auth) - 5))
expect "a byte changed" 1 "does not hold" sb verify bent.auth --cert keys/KEK.crt
expect "apply" 0 "" sb apply dbx.auth --input vars.fd --output new.fd
expect "applied" 0 "identical" sb diff new.fd dbx.esl
expect "apply again" 0 "" sb apply dbx.auth --input new.fd --output again.fd
cmp -s new.fd again.fd || fail "an update applied twice is another store"
expect "apply what is not allowed" 1 "by KEK of the store" sb apply bent.auth --input vars.fd --output no.fd
expect "replace" 0 "" sb sign more.esl --variable dbx --key keys/KEK.key --cert keys/KEK.crt --time $at --output replace.auth
expect "replaced" 0 "" sb apply replace.auth --input vars.fd --output replaced.fd
expect "replaced by it" 0 "identical" sb diff replaced.fd more.esl
expect "replayed" 1 "not newer" sb apply replace.auth --input replaced.fd --output no.fd
expect "KEK by PK" 0 "" sb sign more.esl --variable KEK --key keys/PK.key --cert keys/PK.crt --output kek.auth
expect "applied by PK" 0 "" sb apply kek.auth --variable KEK --input vars.fd --output kek.fd
expect "KEK by KEK" 0 "" sb sign more.esl --variable KEK --key keys/KEK.key --cert keys/KEK.crt --output kek2.auth
expect "refused by PK" 1 "by PK of the store" sb apply kek2.auth --variable KEK --input vars.fd --output no.fd
expect "another's key" 2 "certificate's key" sb sign more.esl --variable db --key other/KEK.key --cert keys/KEK.crt --output no.auth
expect "an unknown variable" 2 "--vendor" sb sign more.esl --variable mine --key keys/KEK.key --cert keys/KEK.crt --output no.auth
for file in no.fd no.esl no.auth; do [ ! -e "$file" ] || fail "a refusal left $file"; done
if found sbvarsign "an update that it signed is not tried"; then
    sbvarsign --key keys/KEK.key --cert keys/KEK.crt --output theirs.auth dbx dbx.esl >/dev/null 2>&1 && {
        expect "sbvarsign's" 0 "dbx: 2 entries" sb verify theirs.auth --cert keys/KEK.crt
    }
fi

# Before it is made: one.efi is in the update, two.efi is not, and foreign.efi never started.
expect "impact" 1 "one.efi: WILL NOT START" sb impact --input vars.fd --update dbx.auth one.efi two.efi foreign.efi
sb impact --input vars.fd --update dbx.auth one.efi two.efi foreign.efi --json >impact.json
jq -e '[.images[] | [.before.allowed, .after.allowed]] == [[true, false], [true, true], [false, false]]' impact.json >/dev/null ||
    fail "impact: $(cat impact.json)"
[ "$(jq '.entries_after - .entries_before' impact.json)" = 2 ] || fail "impact does not count two more"
# The predicted PCR 7 is what the store with the update gives.
pcr7() { "$cloister" measure uki two.efi --varstore "$1" --json | jq -r '.pcrs.sha256["7"]'; }
[ "$(jq -r '.images[1].before.pcr7' impact.json)" = "$(pcr7 vars.fd)" ] || fail "PCR 7 now: $(pcr7 vars.fd)"
[ "$(jq -r '.images[1].after.pcr7' impact.json)" = "$(pcr7 new.fd)" ] || fail "PCR 7 after: $(pcr7 new.fd)"
[ "$(pcr7 vars.fd)" != "$(pcr7 new.fd)" ] || fail "the update does not move PCR 7"
expect "no impact" 0 "nothing changes" sb impact --input new.fd --update dbx.auth two.efi
# One that replaces takes away what it does not repeat.
expect "a db that replaces" 0 "" sb list --image one.efi --output one.esl
expect "signed" 0 "" sb sign one.esl --variable db --key keys/KEK.key --cert keys/KEK.crt --time $at --output db.auth
expect "replacing db" 1 "which replace them" sb impact --input vars.fd --update db.auth --variable db one.efi two.efi
sb impact --input vars.fd --update db.auth --variable db one.efi two.efi --json >impact.json
jq -e '.replaces and ([.images[] | [.before.allowed, .after.allowed]] == [[true, true], [true, false]])' impact.json >/dev/null ||
    fail "replacing db: $(cat impact.json)"
expect "firmware would refuse it" 0 "would refuse the update" sb impact --input vars.fd --update bent.auth two.efi
expect "impact on another variable" 2 "KEK, db or dbx" sb impact --input vars.fd --update dbx.auth --variable MokList
# KEK is PK's to change, starts nothing, and is measured.
expect "impact on KEK" 0 "PCR 7 changes" sb impact --input vars.fd --update kek.auth --variable KEK two.efi
sb impact --input vars.fd --update kek.auth --variable KEK two.efi --json >impact.json
[ "$(jq -r '.images[0].after.pcr7' impact.json)" = "$(pcr7 kek.fd)" ] || fail "PCR 7 after a change of KEK: $(pcr7 kek.fd)"
# Which sealed keys it shuts out: one for the state of now alone, then one for the state after it as well.
if found cryptsetup "which sealed keys an update shuts out is not tried"; then
    token() { # POLICY: in systemd's form, bound to PCR 7, of this policy
        jq -c --arg policy "$1" '.keyslots = ["0"] | ."tpm2-policy-hash" = $policy | ."tpm2-pcrs" = [4, 7]' "$CLOISTER_TESTS/../fuzz/corpus/tpm2_token/systemd-252"
    }
    hint() { # POLICY PCR7: what the disk notes of it
        jq -nc --arg policy "$1" --arg pcr7 "$2" --arg pcr4 "$(printf '%064d' 4)" '{type: "cloister-pcrs", keyslots: [], policy: $policy, bank: "sha256", pcrs: {"4": $pcr4, "7": $pcr7}}'
    }
    a=$(printf '%064d' 1) b=$(printf '%064d' 2)
    truncate -s 20M sealed.img
    printf key >key
    cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 sealed.img key || fail "luksFormat"
    expect "nothing is sealed" 0 "no key is sealed to a TPM" sb impact --input vars.fd --update kek.auth --variable KEK two.efi --disk sealed.img
    token "$a" | cryptsetup token import sealed.img || fail "a token"
    hint "$a" "$(pcr7 vars.fd)" | cryptsetup token import sealed.img || fail "a hint"
    expect "a key of the present state" 1 "token 0: SHUT OUT" sb impact --input vars.fd --update kek.auth --variable KEK two.efi --disk sealed.img
    expect "what to do" 1 "before the change, seal to the state after it" sb impact --input vars.fd --update kek.auth --variable KEK two.efi --disk sealed.img
    expect "nothing changes for it" 0 "token 0: opens as before" sb impact --input new.fd --update dbx.auth two.efi --disk sealed.img
    token "$b" | cryptsetup token import sealed.img || fail "another token"
    expect "no hint" 1 "token 2: SHUT OUT" sb impact --input vars.fd --update kek.auth --variable KEK two.efi --disk sealed.img
    hint "$b" "$(pcr7 kek.fd)" | cryptsetup token import sealed.img || fail "another hint"
    expect "sealed to both states" 0 "token 2: will open" sb impact --input vars.fd --update kek.auth --variable KEK two.efi --disk sealed.img
    sb impact --input vars.fd --update kek.auth --variable KEK two.efi --disk sealed.img --json >impact.json
    [ "$(jq -c '[.sealed[].effect]' impact.json)" = '["shut","foretold"]' ] || fail "impact --disk --json: $(cat impact.json)"
    expect "not a disk" 3 "two.efi" sb impact --input vars.fd --update kek.auth --variable KEK --disk two.efi
fi
expect "KEK by KEK has no impact" 0 "by PK of the store" sb impact --input vars.fd --update kek2.auth --variable KEK two.efi

# What a download that failed leaves is not an update that changes nothing.
: >nothing
expect "an empty update" 3 "nothing: is empty" sb impact --input vars.fd --update nothing two.efi
expect "an empty list" 3 "nothing: is empty" sb diff vars.fd nothing --variable dbx
expect "an empty level" 3 "nothing: is empty" sb sbat two.efi --level nothing

# A store has several lists; and no name is taken for an empty one.
expect "which variable" 2 "--variable says which" sb list --merge vars.fd --output no.esl
expect "no such variable" 2 "expected PK, KEK" sb list --merge vars.fd --variable DBX --output no.esl
expect "nor to compare" 2 "expected PK, KEK" sb diff vars.fd new.fd --variable Dbx
# Keys of other kinds sign images and updates too.
for type in rsa3072 p256 p384; do
    "$cloister" secureboot keygen --output "keys.$type" --type "$type" >/dev/null || fail "keygen --type $type"
    "$cloister" uki sign one.efi --key "keys.$type/db.key" --cert "keys.$type/db.crt" --hash sha384 --output typed.efi || fail "$type: sign"
    expect "$type: signed" 0 "sha384" "$cloister" uki verify typed.efi --cert "keys.$type/db.crt"
    openssl verify -CAfile "keys.$type/db.crt" "keys.$type/db.crt" >/dev/null 2>&1 || fail "$type: no certificate for openssl"
done
expect "$type: listed" 0 "" sb list --cert keys.p384/db.crt --output p384.esl
expect "no such type" 2 "--type dsa" sb keygen --output no.keys --type dsa

# SBAT, where the UKI's stub has one.
printf 'sbat,1,2023012900\nuki,1\n' >level
printf 'sbat,1,2030010100\nuki,2\n' >higher
if sb sbat one.efi --json | jq -e '.images[0].components | length > 0' >/dev/null; then
    expect "level" 0 "none revoked" sb sbat one.efi --level level
    sb sbat one.efi | grep -q '^  uki ' && expect "a higher level" 1 "uki is of generation 1" sb sbat one.efi --level higher
    printf '\006\000\000\000' | cat - level >level.efivarfs
    expect "level as efivarfs shows it" 0 "none revoked" sb sbat one.efi --level level.efivarfs
fi
expect "a level that is none" 3 "sbat: keys/db.crt: level" sb sbat one.efi --level keys/db.crt
expect "an image that is none" 3 "MZ" sb sbat level

vectors=${CLOISTER_VECTORS:-}/secureboot
if [ ! -d "$vectors" ]; then
    echo "note: the shared vectors are absent: Microsoft's updates were not looked at"
    exit "$failed"
fi
# Every published file is read as its manifest says.
jq -r '.cases[] | select(.expected.kind) | [.id, .files[0].file, .expected.kind, (.expected.error // "-"), (.expected.timestamp // "-"),
    ([.expected.lists[]?.entries] | add // 0)] | @tsv' "$vectors/MANIFEST.json" >cases
[ "$(wc -l <cases)" -gt 10 ] || fail "no cases in the manifest"
while IFS="$(printf '\t')" read -r id file kind error time entries; do
    status=0
    sb show "$vectors/$file" --json >shown.json 2>/dev/null || status=$?
    if [ "$error" != - ]; then
        [ $status = 3 ] || fail "$id: exit status $status"
        continue
    fi
    [ $status = 0 ] || fail "$id: exit status $status"
    jq -e --arg kind "$kind" --arg time "$time" --argjson entries "$entries" \
        '.kind == $kind and (.entries | length) == $entries and ($kind != "auth" or .time == $time)' shown.json >/dev/null || fail "$id: $(head -c 300 shown.json)"
    jq -r --arg id "$id" '.cases[] | select(.id == $id) | .expected.lists[] | (.certs // [])[].sha256, (.first // empty), (.last // empty)' \
        "$vectors/MANIFEST.json" >wanted
    while read -r digest; do grep -q "$digest" shown.json || fail "$id: does not show $digest"; done <wanted
done <cases
# What cannot be read is told, and does not hide the answers about the others; the status says that one is missing.
echo text >broken.efi
sb list --image one.efi --output db.esl >/dev/null || fail "list"
several() { # NAME STATUS WORDS COMMAND…: as expect, but with a line for each image that cannot be read
    status=0
    name=$1 wanted=$2 words=$3
    shift 3
    "$@" >out 2>err || status=$?
    [ "$status" = "$wanted" ] || fail "$name: exit status $status: $(cat err)"
    grep -q "$words" out || fail "$name: does not say '$words': $(cat out)"
    grep -q '^cloister: .*broken.efi: .*MZ' err || fail "$name: does not tell of the broken one: $(cat err)"
}
several "verify goes on" 3 'one.efi: .*allows it' "$cloister" uki verify broken.efi one.efi --db db.esl
several "impact goes on" 3 'one.efi: WILL NOT START' sb impact --input vars.fd --update db.esl broken.efi one.efi
several "impact says what it does not know" 3 'broken.efi: not known' sb impact --input vars.fd --update db.esl one.efi broken.efi
several "sbat goes on" 3 '^  sbat ' sb sbat broken.efi one.efi
"$cloister" uki verify broken.efi two.efi one.efi --db db.esl --json >out 2>/dev/null
[ "$(jq -c '[.[] | [.file, .verified, .unreadable]]' out)" = '[["broken.efi",false,true],["two.efi",false,null],["one.efi",true,null]]' ] || fail "verify --json: $(cat out)"
sb impact --input vars.fd --update db.esl broken.efi one.efi --json >out 2>/dev/null
[ "$(jq -c '[.images[] | [.file, .unreadable != null, .after.allowed]]' out)" = '[["broken.efi",true,null],["one.efi",false,false]]' ] || fail "impact --json: $(cat out)"
sb sbat broken.efi one.efi --json >out 2>/dev/null
[ "$(jq -c '[.images[] | [.file, .unreadable != null]]' out)" = '[["broken.efi",true],["one.efi",false]]' ] || fail "sbat --json: $(cat out)"
expect "a certificate that cannot be read" 3 "broken.efi" "$cloister" uki verify one.efi two.efi --cert broken.efi
exit "$failed"
