#!/bin/sh
# Signed policies over PCR 11: as systemd-measure makes them, of chosen phases, banks, profiles; made elsewhere; verified.
# shellcheck disable=SC2059
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
cd "$work" || exit 4
skip_without openssl jq
make_uki_inputs 3000000
stub=$CLOISTER_TESTS/../fuzz/corpus/pe/stub # of version 257, whatever is installed
pcrsig() { "$cloister" uki inspect "$1" --json | jq -r '.sections[] | select(.name == ".pcrsig") | .text'; }

# By the rule itself, with openssl: names, contents, phases.
extend() { { cat "$1"; openssl dgst -sha256 -binary; } | openssl dgst -sha256 -binary >"$1.new" && mv "$1.new" "$1"; }
build_uki --stub "$stub" --pcr-key pcr.key --output signed.efi || fail "build"
head -c 32 /dev/zero >pcr11
add() { printf '%s\000' "$1" | extend pcr11; extend pcr11; }
add .linux <vmlinuz
add .osrel <osrel
add .cmdline <cmdline
add .initrd <initrd
printf 6.12.0-test | add .uname
add .pcrpkey <pcr.pub
printf enter-initrd | extend pcr11
hex() { od -An -tx1 -v "$1" | tr -d ' \n'; }
value=$("$cloister" uki policy signed.efi --phase enter-initrd --json | jq -r '.profiles[0].banks.sha256[0].hash')
[ "$value" = "$(hex pcr11)" ] || fail "PCR 11 is $value, not $(hex pcr11)"
# PolicyPCR: 32 zeros, the command, the selection, and the digest of the value.
{
    head -c 32 /dev/zero
    printf '\000\000\001\177\000\000\000\001\000\013\003\000\010\000'
    openssl dgst -sha256 -binary pcr11
} | openssl dgst -sha256 -binary >policy
[ "$(pcrsig signed.efi | jq -r '.sha256[0].pol')" = "$(hex policy)" ] || fail "the policy is another"
[ "$(pcrsig signed.efi | jq -c '[keys, (.sha256 | length), .sha256[0].pcrs]')" = '[["sha256"],1,[11]]' ] || fail "more than enter-initrd in SHA-256: $(pcrsig signed.efi)"
pcrsig signed.efi | jq -r '.sha256[0].sig' | base64 -d >signature
openssl dgst -sha256 -verify pcr.pub -signature signature policy >/dev/null || fail "openssl does not take the signature"
[ "$(pcrsig signed.efi | jq -r '.sha256[0].pkfp')" = "$(openssl rsa -pubin -in pcr.pub -RSAPublicKey_out -outform DER 2>/dev/null | openssl dgst -sha256 -r | cut -d' ' -f1)" ] || fail "pkfp is another"
build_uki --stub "$stub" --pcr-key pcr.key --output again.efi || fail "build"
cmp -s signed.efi again.efi || fail "another UKI the second time"

# As systemd-measure does it, for what its version measures. interop_pcrsig.sh has it sign, too.
measure=/usr/lib/systemd/systemd-measure
real=/usr/lib/systemd/boot/efi/linuxx64.efi.stub
if [ -x $measure ] && [ -r $real ] && $measure --version | grep -q 'systemd 252'; then
    build_uki --stub $real --pcrpkey pcr.pub --pcr-key pcr.key --phases "enter-initrd enter-initrd:leave-initrd:sysinit" --bank sha1 --bank sha256 \
        --bank sha384 --bank sha512 --output ours.efi || fail "build"
    set -- --linux=vmlinuz --initrd=initrd --cmdline=cmdline --osrel=osrel --pcrpkey=pcr.pub --phase=enter-initrd --phase=enter-initrd:leave-initrd:sysinit
    $measure calculate "$@" --json=short >theirs.json 2>/dev/null || fail "systemd-measure calculate"
    "$cloister" uki policy ours.efi --phase enter-initrd --phase enter-initrd:leave-initrd:sysinit --bank sha1 --bank sha256 --bank sha384 \
        --bank sha512 --json >ours.json || fail "policy"
    [ "$(jq -c 'to_entries | sort_by(.key) | map({key, value: [.value[].hash]})' theirs.json)" = \
        "$(jq -c '.profiles[0].banks | to_entries | sort_by(.key) | map({key, value: [.value[].hash]})' ours.json)" ] || fail "systemd-measure has other values"
else
    echo "note: no systemd-measure and stub of systemd 252 here: values are compared with openssl's alone"
fi

# Asked for: it says which are signed.
expect "signed" 0 "enter-initrd, signed" "$cloister" uki policy signed.efi --key pcr.pub
expect "not this phase" 1 "not signed" "$cloister" uki policy signed.efi --key pcr.pub --phase enter-initrd:leave-initrd
expect "not by this key" 1 "not signed" "$cloister" uki policy signed.efi --key other.pub
expect "another's public key" 2 "is not the public key of --pcr-key" build_uki --stub "$stub" --pcr-key pcr.key --pcr-public-key other.pub --output no.efi
expect "no such bank" 2 "md5" "$cloister" uki policy signed.efi --bank md5

# Made elsewhere, from the digests; added to; two keys with phases of their own.
build_uki --stub "$stub" --pcr-public-key pcr.pub --write-digests digests --output unsigned.efi || fail "--write-digests"
unhex "$(jq -r '.sha256[0].pol' digests)" | openssl dgst -sha256 -sign pcr.key -out made
jq --arg sig "$(base64 -w0 made)" '.sha256[0].sig = $sig' digests >joined
"$cloister" uki edit unsigned.efi --join-pcrsig joined --output elsewhere.efi || fail "--join-pcrsig"
[ "$(pcrsig elsewhere.efi | jq -cS .)" = "$(pcrsig signed.efi | jq -cS .)" ] || fail "made elsewhere it is another"
"$cloister" uki edit signed.efi --append-pcrsig --pcr-key other.key --phases enter-initrd:leave-initrd --output appended.efi || fail "--append-pcrsig"
[ "$(pcrsig appended.efi | jq '.sha256 | length')" = 2 ] || fail "not appended: $(pcrsig appended.efi)"
expect "the first holds" 0 "signed" "$cloister" uki policy appended.efi --key pcr.pub --phase enter-initrd
expect "and the second" 0 "signed" "$cloister" uki policy appended.efi --key other.pub --phase enter-initrd:leave-initrd
build_uki --stub "$stub" --pcr-key pcr.key --phases enter-initrd --pcr-key other.key --phases "enter-initrd enter-initrd:leave-initrd" --output keys.efi || fail "two keys"
[ "$(pcrsig keys.efi | jq '.sha256 | length')" = 3 ] || fail "two keys: $(pcrsig keys.efi)"
"$cloister" uki edit signed.efi --cmdline debug --output stale.efi 2>note || fail "edit"
grep -q "is dropped" note || fail "it does not say that signatures were dropped"
[ -z "$(pcrsig stale.efi)" ] || fail "a stale signature is left"

# Chosen profiles.
"$cloister" uki build --stub "$stub" --profile ID=debug --cmdline debug --output debug.profile || fail "a profile"
build_uki --stub "$stub" --profile ID=main --join-profile debug.profile --pcr-key pcr.key --output all.efi || fail "all profiles"
[ "$("$cloister" uki inspect all.efi --json | jq '[.sections[] | select(.name == ".pcrsig")] | length')" = 2 ] || fail "not each profile is signed"
build_uki --stub "$stub" --profile ID=main --join-profile debug.profile --pcr-key pcr.key --sign-profile main --output main.efi || fail "one profile"
[ "$("$cloister" uki policy main.efi --key pcr.pub --phase enter-initrd --json | jq -c '[.profiles[].banks.sha256[0].signed]')" = '[true,false]' ] || fail "the debug profile is signed"
expect "no such profile" 2 "no such profile" build_uki --stub "$stub" --profile ID=main --pcr-key pcr.key --sign-profile none --output no.efi
expect "two profiles of one ID" 2 "several of that ID" build_uki --stub "$stub" --profile ID=main --join-profile debug.profile --join-profile debug.profile --pcr-key pcr.key --sign-profile debug --output no.efi
build_uki --stub "$stub" --profile ID=main --join-profile debug.profile --join-profile debug.profile --output twice.efi || fail "two of one ID"
expect "which of the two" 2 "give its number" "$cloister" uki edit twice.efi --profile debug --cmdline x --output no.efi
"$cloister" uki edit twice.efi --profile 2 --cmdline x --output second.efi || fail "by its number"
openssl ecparam -name prime256v1 -genkey -noout -out curve.key
expect "no RSA key" 3 "not RSA" build_uki --stub "$stub" --pcr-key curve.key --output no.efi
expect "phases without a key" 2 "one for each" build_uki --stub "$stub" --pcr-key pcr.key --phases a --phases b --output no.efi
expect "depends on the machine" 3 ".dtbauto depends on the machine" build_uki --stub "$stub" --devicetree-auto osrel --pcr-key pcr.key --output no.efi
expect "no phase at all" 2 "--phases: is empty" build_uki --stub "$stub" --pcr-key pcr.key --phases ' ' --output no.efi
build_uki --stub "$stub" --pcr-public-key pcr.pub --write-digests unsigned.json --output unsigned2.efi || fail "--write-digests"
expect "digests that nobody signed" 3 "unsigned.json: sha256: entry 0: not signed" "$cloister" uki edit unsigned2.efi --join-pcrsig unsigned.json --output no.efi
echo '{"md5":[]}' >bad
expect "another's signatures" 3 "no such bank" "$cloister" uki edit signed.efi --join-pcrsig bad --output no.efi
[ ! -e no.efi ] || fail "a refused build left a file"
exit "$failed"
