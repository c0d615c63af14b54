#!/bin/bash
# systemd-report of a newer systemd than this release may have, with its own signers and a software TPM: what they make, ours takes.
# sim/lab.sh fetches it (./check does, before the tests). It lives in a tree of its own, in a namespace of its own.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/interop_lib.sh
. "$(dirname "$0")/interop_lib.sh"
cache=${LAB_CACHE:-$CLOISTER_TESTS/../build/lab/cache}
[ -e "$cache/systemd-report/complete" ] || skip "systemd-report is not in this release, and was not fetched: . sim/lab.sh && lab_fetch_systemd_report"
unshare -rm true 2>/dev/null || skip "no namespaces here"
root=$(realpath "$cache/systemd-report")
cd "$work" || exit 4
need jq openssl tpm2_createek tpm2_nvextend
start_tpm

# What firmware measured, and the TPM in that state; an endorsement key, and NvPCRs as systemd-tpm2-setup makes them.
digest() { printf '%s' "$1" | openssl dgst "-$2" -r | cut -d ' ' -f 1; }
jq -n --arg sha256 "$(digest event sha256)" --arg sha384 "$(digest event sha384)" '[range(9) | {recnum: ., pcr: ., digests:
    [{hashAlg: "sha256", digest: $sha256}, {hashAlg: "sha384", digest: $sha384}], content_type: "pcclient_std",
    content: {event_type: "EV_IPL", event_data: "6576656e74"}}] | map(select(.pcr != 6))' >boot.cel.json
"$cloister" eventlog convert boot.cel.json --to tcg --output firmware.log || fail "convert to tcg"
# shellcheck disable=SC2046 # a list
tpm2_pcrextend $(jq -r '.[] | "\(.pcr):" + (.digests | map("\(.hashAlg)=\(.digest)") | join(","))' boot.cel.json) || fail "extend"
tpm2_createek -Q -c 0x81010001 -G rsa -u ek.pub || fail "createek"
flush
for index in 0x01d10200 0x01d10202 0x01d10203; do
    tpm2_nvdefine -Q "$index" -C o -s 32 -a "nt=extend|authread|authwrite|ownerread|no_da|orderly|clear_stclear" || fail "nvdefine"
    echo "$index" | tpm2_nvextend -Q -C "$index" -i- "$index" || fail "nvextend"
done

# Inside: each service on its socket, started for each connection; then reports, and one whose TPM has moved on in between.
cat >inside.sh <<'END'
root=$1
mount --rbind /proc "$root/proc" && mount --rbind /dev "$root/dev" || exit 1
for name in run var tmp; do mount -t tmpfs tmpfs "$root/$name" || exit 1; done
mount --bind "$PWD" "$root/work"
mkdir -p "$root"/run/systemd/{report,report.sign,report.files} "$root"/var/lib/systemd "$root"/var/log
printf 'a nonce of ours' >"$root/run/systemd/report.files/nonce"
settings="SYSTEMD_TPM2_DEVICE=swtpm:path=/work/tpm.sock SYSTEMD_MEASURE_LOG_FIRMWARE=/work/firmware.log SYSTEMD_FORCE_MEASURE=1 PATH=/usr/bin"
inside() { env -i $settings "$(command -v chroot)" "$root" "$@"; }
serve() {
    inside /usr/bin/systemd-socket-activate --accept --fdname=varlink $(for name in $settings; do echo "--setenv=${name%%=*}"; done) \
        --listen="/run/systemd/$1" "/usr/lib/systemd/$2" 2>"$2.log" &
    services="$services $!"
    for _ in $(seq 1200); do [ -S "$root/run/systemd/$1" ] && return; sleep 0.1; done
    exit 1
}
trap 'kill $services' EXIT
serve report.sign/tpm2 systemd-report-sign-tpm2
serve report.sign/plain systemd-report-sign-plain
serve io.systemd.PCRLock systemd-pcrlock
serve report/io.systemd.Files systemd-report-files
serve report/io.systemd.Basic systemd-report-basic
inside /usr/lib/systemd/systemd-report --version | head -n 1 >version
for name in first second; do
    inside /usr/lib/systemd/systemd-report generate --sign=require-all >"$name.seq" 2>"$name.log" || exit 1
done
END
unshare -rm bash inside.sh "$root" >inside.log 2>&1 || fail "systemd-report does not run: $(tail -n 3 inside.log first.log systemd-report-sign-tpm2.log 2>/dev/null)"
version=$(sed -n 's/^systemd \([0-9]*\).*/\1/p' version)
[ "$failed" = 0 ] || exit 1

tr -d '\036' <first.seq | jq -r 'select(.mechanism == "tpm2") | .data.publicKeyPEM' >ak.pem
for name in first second; do
    "$cloister" verify systemd-report "$name.seq" --ak ak.pem --nonce "a nonce of ours" >"$name.out" 2>&1 || fail "$name: $(cat "$name.out")"
    for id in tpm.pcrs eventlog.replay report.digest report.quote report.signatures report.binding report.session report.nvpcr; do
        grep -q "pass  $id " "$name.out" || fail "$name: $id: $(cat "$name.out")"
    done
done
held "signed system report" "systemd-report, systemd-report-sign-tpm2" "$version" "ours reads its"
# Its values are the TPM's own.
"$cloister" verify systemd-report first.seq --ak ak.pem --json 2>/dev/null | jq '.signatures[] | select(.mechanism == "tpm2") | .claims' >claims.json
[ "$(jq -r '.pcrs.sha256["4"]' claims.json)" = "$(pcr sha256 4)" ] || fail "PCR 4 is not the TPM's"
[ "$(jq -r .nvpcrs.verity.value claims.json)" = "$(tpm2_nvread -C 0x01d10202 0x01d10202 | od -An -v -tx1 | tr -d ' \n')" ] || fail "an NvPCR is not the TPM's"
# One report's signature does not hold for the other.
{
    head -n 1 first.seq
    tail -n +2 second.seq
} >mixed.seq
expect "mixed" 1 "fail  report.binding" "$cloister" verify systemd-report mixed.seq --ak ak.pem
exit "$failed"
