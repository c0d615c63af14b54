#!/bin/sh
# Policies: what they pin and what they leave open, sound ones made for a platform, and what they say of evidence;
# what `key put` takes, and `serve` says of it.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
sim=$(absolute "$2")
cd "$work" || exit 4
at=2026-06-01T00:00:00Z
m48=$(printf '%096d' 7)
zeros=$(printf '%064d' 0)
pcrs=
for pcr in 0 1 4 5 7 9 11 12 13; do pcrs="$pcrs${pcrs:+,}\"$pcr\":\"$zeros\""; done
echo "{\"cloister_reference\":1,\"name\":\"demo\",\"origin\":\"prediction\",\"events\":{},\"pcrs\":{\"sha256\":{$pcrs}}}" >ref
echo "{\"cloister_reference\":1,\"name\":\"td\",\"origin\":\"prediction\",\"events\":{},\"pcrs\":{},\"tdx\":{\"mr_td\":{\"single-pass\":\"$m48\"},\"rtmr0\":\"$m48\",\"rtmr1\":\"$m48\",\"rtmr2\":\"$m48\"}}" >td.ref

# --- init: nothing is guessed, and what is made is sound ---
tcb=bootloader=4,tee=0,snp=24,microcode=219
expect "no kind" 2 "--for" "$cloister" policy init
expect "another kind" 2 "azure-snp" "$cloister" policy init --for sev
expect "what is missing, in one line" 2 "missing: --measurement (the firmware's launch digest: 'cloister measure snp'); --minimum-tcb" \
    "$cloister" policy init --for azure-snp
expect "what a digest covers is asked for" 2 "--covers" "$cloister" policy init --for snp --measurement "$m48" --minimum-tcb "$tcb"
expect "a bare report has no registers" 2 "no registers" "$cloister" policy init --for snp --measurement "$m48" --minimum-tcb "$tcb" \
    --covers kernel,initrd,cmdline --reference ref
expect "the command line is not covered" 1 "it would leave open: command line" "$cloister" policy init --for snp --measurement "$m48" \
    --minimum-tcb "$tcb" --covers kernel,initrd
expect "a floor of nothing" 1 "it would leave open: TCB floor" "$cloister" policy init --for azure-snp --measurement "$m48" \
    --minimum-tcb snp=0 --reference ref
expect "no part" 2 "PART=N" "$cloister" policy init --for azure-snp --measurement "$m48" --minimum-tcb 7 --reference ref
expect "no measurement" 2 "expected 48" "$cloister" policy init --for azure-snp --measurement 07 --minimum-tcb "$tcb" --reference ref
expect "no number" 2 "--evaluation-number" "$cloister" policy init --for tdx --reference td.ref
expect "references of no TD" 1 "nothing could fulfil it" "$cloister" policy init --for tdx --measurement "$m48" --evaluation-number 18 --reference ref
"$cloister" policy init --for azure-snp --measurement "$m48" --minimum-tcb "$tcb" --reference ref --name azure --output azure.json 2>notes || fail "init azure-snp"
grep -q "note: open: state" notes || fail "notes: $(cat notes)"
"$cloister" policy init --for snp --measurement "$m48" --minimum-tcb "$tcb" --covers kernel,initrd,cmdline >bare.json 2>notes || fail "init snp: $(cat notes)"
"$cloister" policy init --for tdx --evaluation-number 18 --reference td.ref --output td.json 2>notes || fail "init tdx: $(cat notes)"
"$cloister" policy init --for azure-tdx --measurement "$m48" --evaluation-number 18 --reference ref --output azure-td.json 2>notes || fail "init azure-tdx: $(cat notes)"
grep -iq 'todo\|placeholder\|<' azure.json && fail "a placeholder was written"
for pair in azure.json:ref bare.json: td.json:td.ref azure-td.json:ref; do
    reference=${pair#*:}
    # shellcheck disable=SC2086 # an option or none
    expect "${pair%%:*} is sound" 0 "sound: nothing that matters is open" "$cloister" policy check "${pair%%:*}" ${reference:+--reference $reference}
done

# --- check ---
expect "the built-in one" 1 "weak: open: firmware, program, command line" "$cloister" policy check strict
expect "PCRs without references" 1 "nothing can fulfil this policy" "$cloister" policy check azure.json
expect "no policy" 2 "one policy" "$cloister" policy check
expect "policy is text" 3 "ref" "$cloister" policy check ref
expect "no such aspect" 2 "no such aspect" "$cloister" policy check azure.json --accept colour
jq 'del(.snp.minimum_tcb)' azure.json >floorless.json
expect "no floor" 1 "open      TCB floor" "$cloister" policy check floorless.json --reference ref
expect "no floor, by name" 0 "(accepted)" "$cloister" policy check floorless.json --reference ref --accept tcb-floor
"$cloister" policy check floorless.json --reference ref --json >out.json && fail "a weak policy as JSON"
jq -e '.sound == false and (.aspects | length == 13) and (.aspects[] | select(.aspect == "TCB floor") | .status == "open" and .weight == "should")' out.json >/dev/null ||
    fail "JSON: $(cat out.json)"
jq '.pcrs = [0, 11, 12]' azure.json >eleven.json
expect "PCR 11 in place of 4" 1 "lack 0 (firmware), 12 (command lines) or 4" "$cloister" policy check eleven.json --reference ref
jq '.phase = "enter_initrd"' azure.json >typo.json
sed 's/"11":"[0-9]*"/"11":{"enter-initrd":"'"$zeros"'"}/' ref >phased.ref
expect "a phase misspelt" 1 'in phase "enter_initrd"' "$cloister" policy check typo.json --reference phased.ref

# --- host_inputs: what the image takes from its host ---
jq '.host_inputs = []' ref >closed.ref
jq '.host_inputs = ["report", "cloud-init"]' ref >open.ref
init_for() { "$cloister" policy init --for azure-snp --measurement "$m48" --minimum-tcb "$tcb" --reference "$1" --output "$2" 2>notes; }
init_for closed.ref closed.json || fail "init of an image that takes nothing"
[ "$(jq -c .host_inputs closed.json)" = '[]' ] || fail "an image that takes nothing: $(jq -c .host_inputs closed.json)"
[ "$(jq -c .host_inputs azure.json)" = null ] || fail "reference values that do not say"
expect "the image takes more" 1 'the image takes "cloud-init" from its host' "$cloister" policy check closed.json --reference open.ref
expect "reference values that do not say what it takes" 1 "no reference value says what the image takes" "$cloister" policy check closed.json --reference ref
init_for open.ref open.json || fail "init of an image that takes something"
[ "$(jq -c .host_inputs open.json)" = '["report","cloud-init"]' ] || fail "an image that takes something: $(jq -c .host_inputs open.json)"
grep -q 'note: partly: host inputs: the image takes from its host, as "host_inputs" allows: cloud-init' notes || fail "notes: $(cat notes)"
expect "what it takes is named" 0 "sound: nothing that matters is open" "$cloister" policy check open.json --reference open.ref

# --- test: what a policy says of evidence ---
"$sim" snp --rsa-bits 2048 --at "$at" good || fail "sim"
b64() { base64 -w0 "$1" | tr '+/' '-_' | tr -d '='; }
printf '{"__cmwc_t":"tag:cloister.dev,2026:evidence","snp-report":["application/vnd.cloister.snp-report","%s"],"snp-certificates":["application/vnd.cloister.snp-certificates","%s"]}' \
    "$(b64 good/report.bin)" "$(b64 good/table.bin)" >bundle.json
expect "test" 0 "accepted by policy \"good\", but program, command line: not pinned; freshness was not shown" \
    "$cloister" policy test good/policy.json bundle.json --root good/ark.pem --at "$at"
jq '.maximum_age = {"crl": "1h"}' good/policy.json >young.json
expect "a list older than the policy allows" 1 "policy.crl_age" "$cloister" policy test young.json bundle.json --root good/ark.pem --at 2026-06-09T00:00:00Z
jq '.maximum_age = {"crl": "900d"}' good/policy.json >old.json
expect "a list that is young enough" 0 "policy.crl_age" "$cloister" policy test old.json bundle.json --root good/ark.pem --at "$at"
jq '.pcrs = [0, 4, 12]' good/policy.json >pcrs.json
expect "PCRs of a bare report" 1 "has no TPM that the report binds" "$cloister" policy test pcrs.json bundle.json --root good/ark.pem --at "$at"
expect "no bundle" 2 "at least one bundle" "$cloister" policy test old.json
expect "bundle is text" 3 "ref" "$cloister" policy test old.json ref

# --- key put, key list, serve ---
printf 'a secret' >secret
put() { "$cloister" key put --state state "$@"; }
expect "a weak policy" 1 "leaves open: program, command line" put a/b/weak secret --policy good/policy.json
"$cloister" key list --state state 2>/dev/null | grep -q a/b/weak && fail "it was put"
expect "with no reason" 2 "a reason" put a/b/weak secret --policy good/policy.json --accept-weak ""
expect "with a reason" 0 "a/b/weak" put a/b/weak secret --policy good/policy.json --accept-weak "a laboratory"
expect "the reason is listed" 0 "accepted as weak: a laboratory" "$cloister" key list --state state
[ "$("$cloister" key list --state state --json | jq -r '.resources[0].accept_weak')" = "a laboratory" ] || fail "the reason as JSON"
printf 'another' >other
expect "a sound one, and what remains" 0 "a/b/sound" put a/b/sound other --policy azure.json --reference ref
put a/b/sound other --policy azure.json --reference ref 2>notes >/dev/null
grep -q "key: open: instance: every machine" notes || fail "what remains: $(cat notes)"
begin_broker log --state state --init
trap 'kill "$pid" 2>/dev/null; rm -rf "$work"' EXIT
grep -q 'policy "good": open: program, command line.*accepted as weak: a laboratory' log || fail "serve: $(cat log)"
grep -q 'policy "azure": nothing that matters is open' log || fail "serve: $(cat log)"
exit "$failed"
