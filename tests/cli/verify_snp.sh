#!/bin/sh
# SEV-SNP reports on the command line: forged ones, good and broken in every way, and (where the shared vectors are)
# what real machines handed out, each held to what its manifest says.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
sim=$(absolute "$2")
cd "$work" || exit 4
at=2026-06-01T00:00:00Z

# failed_checks FILE: the ids that failed, sorted.
failed_checks() { jq -r '.checks[] | select(.result == "fail") | .id' "$1" | sort; }

# --- Forged: every product, version and signer; every breakage fails what it must fail, and nothing else ---
version=1
for product in Milan Genoa Turin Venice; do
    version=$((version + 1))
    "$sim" snp --product "$product" --version "$version" --rsa-bits 2048 --at "$at" "$product" || fail "sim $product"
    for form in report.bin response.bin; do
        expect "$product, $form" 0 "accepted by policy" "$cloister" verify snp "$product/$form" --cert "$product/vek.pem" --cert "$product/chain.pem" \
            --crl "$product/crl.der" --root "$(cat "$product/root")" --policy "$product/policy.json" --at "$at"
    done
    expect "$product, with its table" 0 "no certificate of the chain is revoked" "$cloister" verify snp "$product/extended.bin" --root "$product/ark.pem" --at "$at"
    expect "$product, AMD's roots" 1 "is not trusted" "$cloister" verify snp "$product/extended.bin" --at "$at"
done
# As Azure's metadata service hands certificates out.
jq -n --rawfile vcek Milan/vek.pem --rawfile chain Milan/chain.pem '{vcekCert: $vcek, tcbm: "D315000000000004", certificateChain: $chain}' >thim.json
expect "Azure's JSON" 0 "accepted by policy" "$cloister" verify snp Milan/report.bin --cert thim.json --root "$(cat Milan/root)" --policy Milan/policy.json --at "$at"
echo '{"vcekCert": "hello"}' >odd.json
expect "Azure's JSON, odd" 3 "Azure THIM: \"vcekCert\": not a certificate in PEM" "$cloister" verify snp Milan/report.bin --cert odd.json --at "$at"
"$sim" snp --vlek --version 3 --rsa-bits 2048 --at "$at" vlek || fail "sim VLEK"
expect "VLEK" 0 "accepted by policy" "$cloister" verify snp vlek/extended.bin --root vlek/ark.pem --policy vlek/policy.json --at "$at"
expect "VLEK, its provider" 0 "as expected" "$cloister" verify snp vlek/extended.bin --root vlek/ark.pem --at "$at" --expect csp_id=CN=provider.example
expect "VLEK, a year later" 1 "snp.validity" "$cloister" verify snp vlek/extended.bin --root vlek/ark.pem --at 2027-07-01T00:00:00Z
"$sim" snp --version 6 --rsa-bits 2048 --at "$at" newer || fail "sim, version 6"
expect "version 6" 0 "warning: report version 6 is newer" "$cloister" verify snp newer/extended.bin --root newer/ark.pem --at "$at"

# A list that was named is to be looked at: one of another issuer alone fails.
LC_ALL=C sed 's/ARK-simulation/ARK-simulatiom/g' Milan/crl.der >foreign.crl
cmp -s Milan/crl.der foreign.crl && fail "the same list"
expect "another's list" 1 "none of the 1 revocation lists that were given is of this chain" "$cloister" verify snp Milan/report.bin --cert Milan/vek.pem \
    --cert Milan/chain.pem --crl foreign.crl --root Milan/ark.pem --at "$at"
expect "another's list, and its own" 0 "no certificate of the chain is revoked" "$cloister" verify snp Milan/extended.bin --crl foreign.crl --root Milan/ark.pem --at "$at"

# One for each check; the library's own test tries all of them.
"$sim" snp --all --rsa-bits 2048 --at "$at" all || fail "sim --all"
# A stale or forged list next to a current one does no harm, and is named; alone it does.
# shellcheck disable=SC2317 # called by expect
lists() { "$cloister" verify snp all/good/report.bin --cert all/good/vek.pem --cert all/good/chain.pem --root "$(cat all/good/root)" --at "$at" "$@"; }
expect "stale, then current" 0 "left out the owner's: the revocation list of" lists --crl all/crl-stale/crl.der --crl all/good/crl.der
expect "current, then stale" 0 "left out the owner's: the revocation list of" lists --crl all/good/crl.der --crl all/crl-stale/crl.der
expect "forged next to current" 0 "signature does not hold" lists --crl all/crl-signed-by-another/crl.der --crl all/good/crl.der
expect "the host's is stale" 0 "left out the evidence's: the revocation list of" "$cloister" verify snp all/crl-stale/extended.bin --root all/good/ark.pem --crl all/good/crl.der --at "$at"
expect "stale alone" 1 "get a current one" lists --crl all/crl-stale/crl.der
for name in good $("$sim" snp --list | awk '!seen[$2]++ { print $1 }'); do
    of_many || continue
    folder=all/$name
    status=0
    "$cloister" verify snp "$folder/extended.bin" --root "$(cat "$folder/root")" --policy "$folder/policy.json" --at "$at" --json >out.json || status=$?
    sort "$folder/failing" >wanted
    if [ "$name" = good ]; then wanted_status=0; else wanted_status=1; fi
    [ "$status" = "$wanted_status" ] || fail "$name: exit status $status"
    failed_checks out.json | cmp -s - wanted || fail "$name: failed $(failed_checks out.json | tr '\n' ' '), expected $(tr '\n' ' ' <wanted)"
done
[ "$("$sim" snp --list | wc -l)" -gt 90 ] || fail "few breakages"

# --- As services and consoles hand reports out ---
od -An -tx1 -v all/good/report.bin >report.hex
base64 all/good/extended.bin >extended.base64
expect "report in hex" 0 "accepted" "$cloister" verify snp report.hex --cert all/good/vek.pem --cert all/good/chain.pem --root all/good/ark.pem --at "$at" --policy all/good/policy.json
expect "report in base64" 0 "accepted" "$cloister" verify snp extended.base64 --root all/good/ark.pem --at "$at" --policy all/good/policy.json
expect "report in hex, shown" 0 "snp-report" "$cloister" evidence show report.hex --json
# --- Pins: every one holds with the claim's own value, and fails with another ---
good="all/good/extended.bin --root all/good/ark.pem --at $at"
# shellcheck disable=SC2086 # several words
"$cloister" verify snp $good --json >good.json || fail "good"
for claim in version product guest_svn vmpl policy policy_abi family_id image_id platform_info report_data measurement host_data id_key_digest \
    author_key_digest report_id report_id_ma chip_id hw_id current_version committed_version cpuid_fam_id cpuid_mod_id cpuid_step \
    launch_mit_vector current_mit_vector signature_algo signer_info author_key_en mask_chip_key chip_id_masked signing_key root; do
    of_many || continue
    value=$(jq -r ".claims.$claim" good.json)
    # shellcheck disable=SC2086
    expect "pin $claim" 0 "as expected" "$cloister" verify snp $good --expect "$claim=$value"
    # shellcheck disable=SC2086
    expect "pin $claim, another" 1 "expect.$claim" "$cloister" verify snp $good --expect "$claim=77"
done
for tcb in current_tcb reported_tcb committed_tcb launch_tcb; do
    # shellcheck disable=SC2086
    expect "pin $tcb" 0 "as expected" "$cloister" verify snp $good --expect "$tcb=$(jq -r ".claims.$tcb.raw" good.json)" --expect "$tcb=$(jq -r ".claims.$tcb.value" good.json)"
    # shellcheck disable=SC2086
    expect "pin $tcb, another" 1 "expect.$tcb" "$cloister" verify snp $good --expect "$tcb=0x1"
done
# shellcheck disable=SC2086
expect "pin misspelt" 2 "there is no claim" "$cloister" verify snp $good --expect measurment=00
jq -e '.claims | .policy_bits.smt and (.policy_bits.debug | not) and .platform_bits.alias_check_complete and .reported_tcb.microcode == 219' good.json >/dev/null || fail "claims"

# --- Shown, field by field ---
for form in report.bin extended.bin response.bin; do
    "$cloister" evidence show "all/good/$form" --json >shown.json || fail "show $form"
    jq -e '.type == "snp-report" and .verified == false and .product == "Milan" and .version == 5 and .policy_bits.smt and .reported_tcb.microcode == 219' \
        shown.json >/dev/null || fail "show $form: $(head -c 300 shown.json)"
    expect "show $form to people" 0 "reported_tcb.microcode                219" "$cloister" evidence show "all/good/$form"
done
"$cloister" evidence show all/good/extended.bin --json >shown.json
jq -e '(.certificates | length == 3) and .certificates[0].kind == "VCEK" and .certificates[0].tcb.snp == 24 and .revocation_lists[0].revoked == 1' shown.json >/dev/null ||
    fail "show the table: $(head -c 300 shown.json)"
for form in table.bin vek.der vek.pem chain.pem crl.der; do
    "$cloister" evidence show "all/good/$form" --json >shown.json || fail "show $form"
    jq -e '.type == "certificates" and (.certificates | length) + (.revocation_lists | length) > 0' shown.json >/dev/null || fail "show $form: $(head -c 300 shown.json)"
done
"$cloister" evidence show vlek/vek.der --json | jq -e '.certificates[0] | .kind == "VLEK" and .csp_id == "CN=provider.example"' >/dev/null || fail "show a VLEK"
"$cloister" evidence show all/leaf-without-blspl/vek.der --json | jq -e '.certificates[0].fault | contains("3.1 is missing")' >/dev/null || fail "show a leaf with a fault"
head -c 700 all/good/vek.der >cut.der
expect "show a certificate cut short" 3 "cut.der: " "$cloister" evidence show cut.der
head -c 1300 all/good/extended.bin >cut.bin
expect "show a table cut short" 3 "cut.bin: certificate table: " "$cloister" evidence show cut.bin

# --- The ID block of the launch ---
"$sim" snp --id-block --rsa-bits 2048 --at "$at" id || fail "sim --id-block"
with_id="id/extended.bin --root id/ark.pem --at $at"
for block in "--id-block id/id.line" "--id-block id.raw --id-auth auth.raw" "--id-block id.b64 --id-auth auth.b64"; do
    sed 's/^id-block=//; s/,.*//' id/id.line >id.b64
    sed 's/.*,id-auth=//' id/id.line >auth.b64
    base64 -d id.b64 >id.raw
    base64 -d auth.b64 >auth.raw
    # shellcheck disable=SC2086
    expect "ID block, $block" 0 "id_block.fields" "$cloister" verify snp $with_id $block
done
# shellcheck disable=SC2086
expect "ID block of another guest" 1 "id_block.id_key" "$cloister" verify snp $good --id-block id/id.line
printf '\001' | dd of=id.raw bs=1 seek=84 conv=notrunc status=none
# shellcheck disable=SC2086
expect "ID block changed" 1 "id_block.signature" "$cloister" verify snp $with_id --id-block id.raw --id-auth auth.raw
printf 'id-block=AAAA,id-auth=AAAA\n' >id.line
# shellcheck disable=SC2086
expect "ID block of nonsense" 3 "id.line: neither 96 bytes nor as many in base64" "$cloister" verify snp $good --id-block id.line
# shellcheck disable=SC2086
expect "authentication alone" 2 "--id-auth" "$cloister" verify snp $good --id-auth id.line

# --- Real ones ---
vectors=${CLOISTER_VECTORS:-}/snp
if [ ! -f "$vectors/MANIFEST.json" ]; then
    echo "note: the shared vectors are absent: no machine's report was verified"
    exit "$failed"
fi
# policy_of CASE: what the case asks for besides authenticity, as options.
policy_of() {
    jq -r '.expected.policy_in_input.policy // {} | to_entries[] | {
        expected_measurement_hex: "--expect measurement=",
        expected_report_data_hex: "--expect report_data=",
        expected_id_key_digest_hex: "--expect id_key_digest=",
        enforce_spec_defaults: "--policy strict#",
        min_tcb_bl_spl: "--policy tcb:bootloader:", min_tcb_ucode_spl: "--policy tcb:microcode:" }[.key] + (.value | tostring)' case.json
}
jq -r '.cases[].id' "$vectors/MANIFEST.json" >ids
while read -r id; do
    of_many || continue
    jq --arg id "$id" '.cases[] | select(.id == $id)' "$vectors/MANIFEST.json" >case.json
    set --
    report=
    for file in $(jq -r '.files[].file' case.json); do
        case ${file##*/} in
        report.bin | snp_report_msg_resp.bin) report=$vectors/$file ;;
        vek.* | vcek.* | ask.pem | auxblob.bin) set -- "$@" --cert "$vectors/$file" ;;
        ark.pem | amd_root_ca.pem) set -- "$@" --root "$vectors/$file" ;;
        *.crl) set -- "$@" --crl "$vectors/$file" ;;
        esac
    done
    [ -n "$report" ] || continue
    time=$(jq -r '.verify_time // "2026-06-01T00:00:00Z"' case.json)
    for option in $(policy_of | tr ' ' '='); do
        case $option in
        --policy=strict*) set -- "$@" --policy strict ;;
        --policy=tcb:*)
            part=${option#--policy=tcb:}
            printf '{"cloister_policy":1,"tee":["snp"],"roots":["amd"],"snp":{"measurement":"any","allow_provisional":true,"vmpl":[0,1,2,3],"minimum_reported_tcb":{"%s":%s}}}' \
                "${part%%:*}" "${part#*:}" >tcb.json
            set -- "$@" --policy tcb.json
            ;;
        --expect=*) set -- "$@" --expect "${option#--expect=}" ;;
        esac
    done
    status=0
    "$cloister" verify snp "$report" "$@" --at "$time" --json >out.json 2>err || status=$?
    # What the manifest promises: a verdict, or the answers to single questions.
    wanted=$(jq -r '.expected | if .verdict then (if .verdict == "accept" then "0" else "1 3" end) elif has("accepted") then (if .accepted then "0" else "1 3" end) else "0 1" end' case.json)
    case " $wanted " in
    *" $status "*) ;;
    *) fail "$id: exit status $status, expected $wanted: $(cat err) $(jq -r '.checks[]? | select(.result == "fail") | "\(.id): \(.detail)"' out.json)" ;;
    esac
    [ "$status" = 3 ] && continue
    jq -n --slurpfile case case.json --slurpfile out out.json -r '
        def result($id): $out[0].checks | map(select(.id == $id)) | .[0].result;
        {report_signature_valid: "snp.signature", chain_signatures_valid: "snp.chain", all_certs_in_validity_window: "snp.validity", tcb_match: "snp.tcb", hwid_match: "snp.chip"}
        | to_entries[] | . as $e | $case[0].expected[$e.key] | select(type == "boolean") | select(. != (result($e.value) == "pass")) | "\($e.key) is \(.), \($e.value) says \(result($e.value))"' >differs
    [ -s differs ] && fail "$id: $(cat differs)"
    [ "$status" = 0 ] || continue
    # Every value that was parsed, where the report is verified and has claims.
    jq -n --slurpfile case case.json --slurpfile out out.json -r '
        def number: if type == "string" and startswith("0x") then ascii_downcase | sub("^0x0*"; "0x") elif type == "boolean" then (if . then 1 else 0 end) else . end;
        ($out[0].claims) as $claims
        | ($case[0].expected.parsed // {}) | to_entries[] | select(.key | endswith("_decoded") | not)
        | .key as $key | (.value | number) as $wanted
        | (if ($key | endswith("_tcb")) then $claims[$key].value else $claims[$key] end | number) as $has
        | select($has != $wanted) | "\($key) is \($has), expected \($wanted)"' >differs
    [ -s differs ] && fail "$id: $(cat differs)"
    jq -n --slurpfile case case.json --slurpfile out out.json -r '
        $case[0].expected as $e | $out[0].claims as $c
        | (select($e.product) | select(($c.product | ascii_downcase) != $e.product) | "product \($c.product)"),
          (($e.parsed.reported_tcb_decoded // {}) | to_entries[] | select($c.reported_tcb[.key] != .value) | "reported_tcb.\(.key) is \($c.reported_tcb[.key])"),
          (($e.parsed.policy_decoded // {}) | to_entries[] | select(.key | startswith("abi") | not) | select(($c.policy_bits[.key] == true) != (.value == 1)) | "policy bit \(.key)")' >differs
    [ -s differs ] && fail "$id: $(cat differs)"
done <ids
[ "$(wc -l <ids)" -gt 30 ] || fail "the manifest has its cases"
exit "$failed"
