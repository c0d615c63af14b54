#!/bin/sh
# Our LUKS2 token and its plug-in, with stock cryptsetup: it lists the token, and opens the volume with what a broker on this machine
# releases for the evidence of a pretend machine; and it does not where broker, disk or token is another one.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
sim=$(absolute "$2") plugin=$(absolute "$3") preload=$(absolute "$4") installed=$(absolute "$5")
cd "$work" || exit 4
PATH=$PATH:/sbin:/usr/sbin
skip_without cryptsetup jq swtpm openssl
pids=
# shellcheck disable=SC2086
trap 'kill $tpm_pid $pids 2>/dev/null; rm -rf "$work"' EXIT

# A machine whose report binds its TPM.
{ "$sim" platform new platform >platform.log && "$sim" vtpm new platform tpm; } || fail "a pretend machine"
tpm_pid=
boot() { # the broker releases once in a boot
    [ -z "$tpm_pid" ] || { kill "$tpm_pid" && wait "$tpm_pid"; } 2>/dev/null
    begin_tpm tpm "$work/socket"
}

# A disk, and which one it is.
head -c 64 /dev/urandom >key
truncate -s 20M volume
cryptsetup luksFormat -q --sector-size 4096 --key-size 512 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 volume key || fail "luksFormat"
key_id=$(printf cloister:disk-key:1 | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(od -An -v -tx1 key | tr -d ' \n')" -r | cut -d ' ' -f 1)
jq -n --arg id "$key_id" '{cloister_disk: 1, name: "data", uuid: "00000000-0000-4000-8000-000000000000", volume_key_hmac: ("0" * 64), header: ("0" * 64),
    generation: 0, key_id: $id}' >disk.json
"$cloister" recovery enroll volume --key key --disk disk.json >/dev/null || fail "the disk's file"

# A broker.
root=$(awk '{ printf "%s\\n", $0 }' platform/ark.pem)
printf '{"cloister_policy": 1, "name": "data", "tee": ["snp"], "evidence": ["vtpm"], "roots": ["%s"], "pcrs": [0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 12, 13], "phase": "enter-initrd", "snp": {"vmpl": [0], "measurement": ["%096d"]}}\n' "$root" 0 >policy.json
jq -n '{cloister_reference: 1, name: "data", origin: "prediction", events: {}, 
    pcrs: {sha256: ([0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 13 | {key: tostring, value: ("0" * 64)}] | from_entries + {"11": {"enter-initrd": ("0" * 64)}})}}' >data.ref.json
"$cloister" key put --state state default/disk/data key --policy policy.json --reference data.ref.json --disk disk.json --accept-weak "a pretend machine" >put.log 2>&1 || fail "put: $(cat put.log)"
begin_broker broker.log --state state --init
pids="$pids $pid"
"$cloister" serve --state state --print-key broker.pem || fail "the broker's key"
config() { # URL PEM
    jq -n --arg url "$1" --arg key "$(grep -v -- ----- "$2" | tr -d '\n')" '{version: 1, name: "data", resource: "default/disk/data",
        broker: {url: $url, key: $key}, network: {mode: "dhcp"}, modules: [], retry_seconds: 0}'
}
config "https://127.0.0.1:$port" broker.pem >guest.json

# cryptsetup, with our plug-in. A sanitizer's library has to come first, and finds the leaks of others.
first=$(ldd "$plugin" | sed -n 's/.*=> \(.*lib[atu]*san[^ ]*\).*/\1/p' | tr '\n' ' ')
with_plugin() {
    env LD_PRELOAD="$first$preload" ASAN_OPTIONS=detect_leaks=0 CLOISTER_TEST_PLUGIN="$plugin" CLOISTER_TEST_CONFIG="$work/guest.json" \
        CLOISTER_TEST_TPM="swtpm:$work/socket" CLOISTER_TEST_EVENTLOG="$work/eventlog" CLOISTER_TEST_IMDS=http://127.0.0.1:9 "$@"
}
theirs() { with_plugin cryptsetup "$@"; }
opens() { boot && theirs open --test-passphrase --token-only --token-type cloister "${1:-volume}" </dev/null >theirs.log 2>&1; }
token() { theirs token import --json-file - "${2:-volume}" >theirs.log 2>&1 <"$1"; }
: >eventlog

jq -n '{type: "cloister", keyslots: ["0"]}' >token.json
token token.json || fail "token import: $(cat theirs.log)"
theirs luksDump volume >dump 2>&1
grep -q "Resource: *(the guest's own)" dump || fail "luksDump does not show it: $(grep -A4 Tokens dump)"
opens || fail "cryptsetup does not open it: $(cat theirs.log)"
cryptsetup luksDump volume | grep -q cloister-generation || fail "the disk does not count as used"
# refused NAME WORDS [VOLUME]: cryptsetup does not open it, and says why in our words.
refused() {
    ! opens "${3:-volume}" || fail "$1: it opens"
    grep -q "cloister: .*$2" theirs.log || fail "$1: does not say '$2': $(cat theirs.log)"
}

# Another disk, though the key opens it; an older copy of this one; and what cryptsetup would read of a token is not enough.
cp volume older
"$cloister" recovery enroll older --key key >/dev/null || fail "another disk"
refused "a key slot more" "not the one that was registered" older
cp volume older
opens || fail "a second time: $(cat theirs.log)"
refused "an older copy" "is older than" older
cryptsetup open --test-passphrase --key-file key older || fail "the key itself does not open it"

# As systemd-cryptsetup asks libcryptsetup: whichever token there is, by whichever plug-in.
cat >any_token.py <<'PY'
import ctypes, sys
lib = ctypes.CDLL("libcryptsetup.so.12")
device = ctypes.c_void_p()
if lib.crypt_init(ctypes.byref(device), b"volume") != 0 or lib.crypt_load(device, b"LUKS2", None) != 0:
    sys.exit(4)
sys.exit(0 if lib.crypt_activate_by_token_pin(device, None, None, -1, None, ctypes.c_size_t(0), None, 0) >= 0 else 1)
PY
if found python3 "a program that asks for any token is not tried"; then
    boot
    with_plugin python3 any_token.py >theirs.log 2>&1 || fail "by any token: $(cat theirs.log)"
fi

# Whoever maps the disk has read a header of the host's, alike but for its slot and volume key; then the disk shows the right one.
cp volume genuine
uuid=$(cryptsetup luksUUID volume)
cryptsetup luksFormat -q --uuid "$uuid" --sector-size 4096 --key-size 512 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 volume key || fail "a header of the host's"
token token.json || fail "its token: $(cat theirs.log)"
sed -e 's/^sys.exit(0/with open("genuine", "rb") as disk, open("volume", "r+b") as shown:\n    shown.write(disk.read())\n&/' any_token.py >swapped.py
if found python3 "a header that the host changes meanwhile is not tried"; then
    boot
    ! with_plugin python3 swapped.py >theirs.log 2>&1 || fail "the key goes to a header of the host's"
    grep -q "another header now than before: the volume key differs" theirs.log || fail "a header of the host's: $(cat theirs.log)"
fi
cp genuine volume

# Tokens that are not taken: no broker may stand in one.
for odd in '{type: "cloister", keyslots: ["0"], url: "https://evil.example"}' '{type: "cloister", keyslots: ["0"], resource: "../disk"}' '{type: "cloister", keyslots: ["0"], resource: 1}'; do
    jq -n "$odd" >odd.json
    ! token odd.json || fail "$odd: imported"
    grep -q 'cloister: ' theirs.log || fail "$odd: not said why: $(cat theirs.log)"
done
theirs token remove --token-id 1 volume || fail "token remove"
jq -n '{type: "cloister", keyslots: ["0"], resource: "default/disk/none"}' >token.json
token token.json || fail "another resource: $(cat theirs.log)"
theirs luksDump volume | grep -q 'Resource: *default/disk/none' || fail "the resource is not shown"
refused "another resource" "none"
theirs token remove --token-id 1 volume
jq -n '{type: "cloister", keyslots: ["0"], resource: "default/secret/data"}' >token.json
token token.json || fail "a resource of another kind: $(cat theirs.log)"
refused "a resource of another kind" "the token asks for default/secret/data"
theirs token remove --token-id 1 volume
jq -n '{type: "cloister", keyslots: ["0"], resource: "default/disk/data"}' >token.json
token token.json || fail "the resource by name: $(cat theirs.log)"
opens || fail "the resource by name: $(cat theirs.log)"

# Another broker, none, and no configuration.
openssl ecparam -name prime256v1 -genkey -noout 2>/dev/null | openssl ec -pubout -out other.pem 2>/dev/null
config "https://127.0.0.1:$port" other.pem >guest.json
refused "another broker" "key broker"
config "https://127.0.0.1:9" broker.pem >guest.json
refused "no broker" "gave up"
rm guest.json
refused "no configuration" "guest.json"
config "https://127.0.0.1:$port" broker.pem >guest.json
opens || fail "at last: $(cat theirs.log)"

hex=$(od -An -v -tx1 key | tr -d ' \n')
grep -aqF -e "$(printf %.32s "$hex")" -e "$(base64 -w 0 key | cut -c 1-32)" theirs.log broker.log && fail "the key is in a log"
# What is installed takes nothing from the environment.
grep -aq CLOISTER_TEST_ "$plugin" || fail "not the plug-in of tests"
! grep -aq CLOISTER_TEST_ "$installed" || fail "the installed plug-in reads the environment"
exit "$failed"
