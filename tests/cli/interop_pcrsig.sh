#!/bin/sh
# Signed PCR policies: systemd opens what we sign, with a TPM whose PCR 11 is the UKI's; and we take what it signs.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/interop_lib.sh
. "$(dirname "$0")/interop_lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
cd "$work" || exit 4
measure=/usr/lib/systemd/systemd-measure
stub=/usr/lib/systemd/boot/efi/linuxx64.efi.stub
need openssl jq cryptsetup systemd-creds systemd-cryptenroll $measure
[ -r $stub ] || fail "$stub is not here; packaging/setup installs it"
systemd=$(systemd_version)
start_tpm
make_uki_inputs 100000
build_uki --stub $stub --pcr-key pcr.key --bank sha1 --bank sha256 --bank sha384 --phases "enter-initrd enter-initrd:leave-initrd" --output ours.efi || fail "build"
"$cloister" uki inspect ours.efi --extract .pcrsig:ours.json >/dev/null || fail "extract"

# systemd-measure signs byte for byte the same; but its version 252 makes the signature with the bank's hash, where a TPM
# is told SHA-256: what it signs for other banks than sha256 is of no use, and is not compared.
sign() {
    $measure sign --linux=vmlinuz --initrd=initrd --cmdline=cmdline --osrel=osrel --pcrpkey=pcr.pub --phase=enter-initrd \
        --phase=enter-initrd:leave-initrd --bank=sha1 --bank=sha256 --bank=sha384 --private-key="$1.key" --public-key="$1.pub" --tpm2-device="$tpm"
}
sign pcr >theirs.json 2>measure.log || fail "systemd-measure sign: $(tail -n 1 measure.log)"
form() { jq -cS 'with_entries(.key as $bank | .value |= (sort_by(.pol) | map(if $bank == "sha256" then . else del(.sig) end)))' "$1"; }
[ "$systemd" != 252 ] || { [ "$(form theirs.json)" = "$(form ours.json)" ] && held .pcrsig systemd-measure 252 equal; } ||
    fail "systemd-measure signs otherwise: $(cat theirs.json ours.json)"

# Theirs, brought in: it is found and holds, under their key alone.
build_uki --stub $stub --pcr-public-key pcr.pub --write-digests digests --output unsigned.efi || fail "--write-digests"
"$cloister" uki edit unsigned.efi --join-pcrsig theirs.json --output joined.efi || fail "--join-pcrsig"
expect "theirs holds" 0 "enter-initrd, signed" "$cloister" uki policy joined.efi --key pcr.pub --phase enter-initrd
expect "not under another key" 1 "not signed" "$cloister" uki policy joined.efi --key other.pub --phase enter-initrd
held .pcrsig systemd-measure "$systemd" "ours reads its"

# A TPM in the state of the UKI in its initrd.
for digest in $(sections ours.efi .linux .osrel .cmdline .initrd .pcrpkey) $(printf enter-initrd | openssl dgst -sha256 -r | cut -d ' ' -f 1); do
    tpm2_pcrextend "11:sha256=$digest" || fail "extend"
done
value=$("$cloister" uki policy ours.efi --phase enter-initrd --json | jq -r '.profiles[0].banks.sha256[0].hash')
[ "$value" = "$(pcr sha256 11)" ] || fail "PCR 11 is $(pcr sha256 11), not $value"

# A credential that is sealed to the key: opened by a signature that systemd finds, and by no other.
printf 'a secret' >secret
seal() { flush; systemd-creds encrypt --name=test --with-key=tpm2-with-public-key --tpm2-device="$tpm" --tpm2-pcrs= --tpm2-public-key=pcr.pub --tpm2-public-key-pcrs="$1" secret sealed 2>creds.log; }
opens() { flush; [ "$(systemd-creds decrypt --name=test --tpm2-device="$tpm" --tpm2-signature="$1" sealed - 2>creds.log)" = "a secret" ]; }
seal 11 || fail "systemd-creds encrypt: $(tail -n 1 creds.log)"
opens theirs.json || fail "systemd-creds does not open with its own signature: $(tail -n 1 creds.log)"
opens ours.json || fail "systemd-creds does not open with ours: $(tail -n 1 creds.log)"
held .pcrsig systemd-creds "$systemd" "reads ours"

# What systemd does not take, we do not call signed: another key's, a key named otherwise, other registers.
build_uki --stub $stub --pcr-key other.key --output other.efi || fail "build"
"$cloister" uki inspect other.efi --extract .pcrsig:other.json >/dev/null || fail "extract"
spki=$(openssl rsa -in pcr.key -pubout -outform DER 2>/dev/null | openssl dgst -sha256 -r | cut -d ' ' -f 1)
jq --arg pkfp "$spki" '.sha256[].pkfp = $pkfp' ours.json >misnamed.json
jq '.sha256[].pcrs = [11, 12]' ours.json >registers.json
jq '.sha256[].sig = .sha256[1].sig' ours.json >swapped.json
for odd in other misnamed registers swapped; do
    ! opens $odd.json || fail "systemd-creds opens with $odd.json"
    "$cloister" uki edit unsigned.efi --join-pcrsig $odd.json --output odd.efi || fail "$odd: --join-pcrsig"
    expect "$odd" 1 "not signed" "$cloister" uki policy odd.efi --key pcr.pub --phase enter-initrd
done
expect "it says why" 1 "does not hold" "$cloister" uki policy odd.efi --key pcr.pub --phase enter-initrd
"$cloister" uki edit unsigned.efi --join-pcrsig misnamed.json --output odd.efi || fail "misnamed"
expect "it says why" 1 "its pkfp or pcrs name another key" "$cloister" uki policy odd.efi --key pcr.pub --phase enter-initrd

# The policies that references foretell, over several registers.
jq -n --arg a "$(pcr sha256 4)" --arg b "$(pcr sha256 7)" --arg c "$value" '{cloister_reference: 1, name: "test", origin: "prediction", events: {},
    pcrs: {sha256: {"4": $a, "7": $b, "11": {"enter-initrd": $c}}}}' >boot.ref.json
"$cloister" measure policy boot.ref.json --key pcr.key --output measured.json || fail "measure policy"
seal 4+7+11 || fail "systemd-creds encrypt: $(tail -n 1 creds.log)"
opens measured.json || fail "systemd-creds does not open with what measure policy signed: $(tail -n 1 creds.log)"
! opens ours.json || fail "a signature over PCR 11 alone opens"
held "measure policy" systemd-creds "$systemd" "reads ours"

# A LUKS2 volume: systemd-cryptenroll tries the signature before it writes a token.
truncate -s 32M volume
printf pass >pass
cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 volume pass || fail "luksFormat"
enroll() {
    flush
    PASSWORD=pass systemd-cryptenroll volume --tpm2-device="$tpm" --tpm2-pcrs= --tpm2-public-key=pcr.pub \
        --tpm2-public-key-pcrs=11 --tpm2-signature="$1" >enroll.log 2>&1
}
! enroll misnamed.json || fail "systemd-cryptenroll takes a signature of another name"
enroll ours.json || fail "systemd-cryptenroll: $(tail -n 1 enroll.log)"
cryptsetup luksDump volume | grep -q systemd-tpm2 || fail "no token was written"
held .pcrsig systemd-cryptenroll "$systemd" "reads ours"
exit "$failed"
