# shellcheck shell=bash
# boots_lib.sh: what two good boots of demo.img show, the first and the second. Sourced after vm.sh.

# boot_shows NAME: every predicted register is the measured one in both phases, and the evidence verifies.
boot_shows() {
    local phase
    for phase in enter-initrd enter-initrd:leave-initrd; do
        vm_check "$1 boot: registers in $phase" lab_compare "$1" "$phase"
        vm_check "$1 boot: evidence of $phase verifies" lab_verify "$1" "$phase"
    done
}

refuses_nonce() {
    ! cloister verify "$LAB/second.evidence.json" --policy "$LAB/policy.json" --nonce bm90IHRoaXMgb25l \
        --reference "$LAB/demo.ref.json" --reference "$LAB/firmware.ref.json" >"$LAB/nonce.out"
}

# Reference values of the firmware from that evidence alone: those that the owner's own calibration gave.
calibrates() {
    cloister calibrate --evidence "$LAB/second.evidence.json" --root "$LAB/platform/ark.pem" --output "$LAB/calibrated.ref.json" &&
        jq -S '.pcrs.sha256' "$LAB/firmware.ref.json" >"$LAB/pcrs.own" &&
        jq -S '.pcrs.sha256' "$LAB/calibrated.ref.json" | cmp - "$LAB/pcrs.own" &&
        [ "$(jq -c '.pcrs | keys' "$LAB/calibrated.ref.json")" = '["sha256"]' ]
}
# not_calibrated WORDS: by what is in other.evidence.json.
not_calibrated() {
    local status=0
    cloister calibrate --evidence "$LAB/other.evidence.json" --root "$LAB/platform/ark.pem" --output "$LAB/none.ref.json" \
        2>"$LAB/calibrate.err" || status=$?
    [ "$status" = 1 ] && [ ! -e "$LAB/none.ref.json" ] && grep -q "$1" "$LAB/calibrate.err"
}
# One digest of its log is another.
change_log() {
    python3 - "$LAB/second.evidence.json" "$LAB/calibrated.ref.json" <<'PY'
import base64, json, sys
bundle, reference = (json.load(open(path)) for path in sys.argv[1:])
media, text = bundle["eventlog"]
log = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
digest = bytes.fromhex(reference["events"]["0"][0]["digests"]["sha256"])
assert log.count(digest) > 0
bundle["eventlog"] = [media, base64.urlsafe_b64encode(log.replace(digest, bytes(32), 1)).decode().rstrip("=")]
json.dump(bundle, sys.stdout)
PY
}

# The disk key as bytes, hex and base64, in everything that the host holds or was told.
key_is_nowhere() {
    local hex base64 file
    hex=$(od -An -v -tx1 "$LAB/disk.key" | tr -d ' \n')
    base64=$(base64 -w0 "$LAB/disk.key")
    for file in "$LAB"/{first,second}.{jsonl,log} "$LAB/broker.log" "$LAB/demo.ref.json"; do
        ! grep -qF -e "${hex:0:32}" -e "${base64:0:24}" "$file" || return 1
    done
    python3 - "$LAB/disk.key" "$LAB/demo.img" <<'PY'
import mmap, sys
key = open(sys.argv[1], "rb").read()
with open(sys.argv[2], "rb") as image:
    held = mmap.mmap(image.fileno(), 0, access=mmap.ACCESS_READ)
    sys.exit(1 if held.find(key[:16]) >= 0 or held.find(b"cloister-demo") >= 0 else 0)
PY
}

# Of the second one's evidence, and of what both have left with the host.
boots_show() {
    lab_evidence second enter-initrd
    vm_check "another nonce is refused" refuses_nonce
    vm_check "and said to be" grep -q '^ *fail  evidence.nonce' "$LAB/nonce.out"
    vm_check "the firmware's reference values come from a machine's evidence, too" calibrates
    jq 'del(.eventlog)' "$LAB/second.evidence.json" >"$LAB/other.evidence.json"
    vm_check "not from evidence without its log" not_calibrated 'has no event log'
    change_log >"$LAB/other.evidence.json"
    vm_check "nor from a log that does not lead to the quoted PCRs" not_calibrated 'do not lead to the quoted PCRs 0'
    vm_check "the disk key and the root's text are nowhere in the clear" key_is_nowhere
}
