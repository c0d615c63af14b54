#!/bin/sh
# TDX quotes from the command line: the published ones with their collateral, and what is not taken.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
sim=$(absolute "$2")
cd "$work" || exit 4

printf 'text' >text
mkdir empty
expect "no quote" 2 "one quote" "$cloister" verify tdx
expect "quote absent" 3 "none" "$cloister" verify tdx none
expect "quote is text" 3 "text: is not a TDX quote in any form" "$cloister" verify tdx text
expect "collateral absent" 3 "--collateral: none" "$cloister" verify tdx text --collateral none
expect "collateral is text" 3 "--collateral: text" "$cloister" verify tdx text --collateral text
expect "collateral folder is empty" 3 "holds no collateral" "$cloister" verify tdx text --collateral empty
expect "user space's log of no firmware" 2 "--userspace-log goes on from --eventlog" "$cloister" verify tdx text --userspace-log text
expect "something else left out" 2 "only \"tcb\"" "$cloister" verify tdx text --without signature

# Pretend platforms: a good one, and one for every check, which fails that check (and no other but those that hang on it).
at=2026-06-01T00:00:00Z
"$sim" tdx --all platforms --at $at || fail "the pretend platforms"
root=$(cat platforms/good/root)
count=0
for folder in platforms/*; do
    count=$((count + 1))
    of_many || continue
    wanted=1
    [ -s "$folder/failing" ] || wanted=0
    expect "${folder#*/}" $wanted "" "$cloister" verify tdx "$folder/quote.bin" --collateral "$folder/collateral" \
        --root "$(cat "$folder/root")" --at $at --json
    python3 - "$folder/failing" "$work/out" <<'P' || fail "${folder#*/}: other checks fail than those that should"
import json, sys
failed = {check["id"] for check in json.load(open(sys.argv[2]))["checks"] if check["result"] == "fail"}
sys.exit(failed - {"tdx.tcb_status"} != set(open(sys.argv[1]).read().split()))
P
done

# Several sets: a bad piece next to a good one does no harm, and is named; alone it does.
# shellcheck disable=SC2317 # called by expect
good() { "$cloister" verify tdx platforms/good/quote.bin --root "$root" --at "$at" "$@"; }
expect "user space's log is text" 3 "user space's log: record 0" good --collateral platforms/good/collateral --userspace-log text --eventlog "$CLOISTER_TESTS/../fuzz/corpus/eventlog/ccel"
expect "stale, then current" 0 "left out: the owner's TCB info: not current" good --collateral platforms/tcb-info-old/collateral --collateral platforms/good/collateral
expect "current, then stale" 0 "left out: the owner's TCB info: not current" good --collateral platforms/good/collateral --collateral platforms/tcb-info-old/collateral
expect "edited next to good" 0 "its signature does not hold" good --collateral platforms/good/collateral --collateral platforms/tcb-info-edited/collateral
expect "stale alone" 1 "tdx.freshness" good --collateral platforms/tcb-info-old/collateral
# As Azure's metadata service hands a quote out.
python3 - platforms/good/quote.bin >imds.json <<'P'
import base64, json, sys
print(json.dumps({"quote": base64.urlsafe_b64encode(open(sys.argv[1], "rb").read()).decode().rstrip("=")}))
P
expect "Azure's JSON" 0 "tdx.quote_signature" "$cloister" verify tdx imds.json --collateral platforms/good/collateral --root "$root" --at $at
echo '{"quote": 7}' >odd.json
expect "Azure's JSON, odd" 3 "odd.json: a TDX quote (JSON of Azure's metadata service): \"quote\": neither text" "$cloister" verify tdx odd.json
[ $count -ge 60 ] || fail "only $count pretend platforms"
# As services and consoles hand quotes out: hex, base64, in lines or not.
good="--collateral platforms/good/collateral --root $root --at $at"
{ printf 0x && od -An -tx1 -v platforms/good/quote.bin | tr -d ' \n'; } >quote.0x
od -An -tx1 -v platforms/good/quote.bin >quote.hex
base64 platforms/good/quote.bin >quote.base64
base64 -w 0 platforms/good/quote.bin | tr '+/' '-_' | tr -d '=' >quote.base64url
for form in 0x hex base64 base64url; do
    # shellcheck disable=SC2086 # several words
    expect "quote as $form" 0 "" "$cloister" verify tdx quote.$form $good
    expect "quote as $form, shown" 0 "tdx-quote" "$cloister" evidence show quote.$form --json
done
printf 'zz' | cat quote.hex - >quote.odd
# shellcheck disable=SC2086
expect "quote as odd hex" 3 "is not a TDX quote in any form" "$cloister" verify tdx quote.odd $good
# What the quote brings along is judged: a sound CA in the collateral does not stand in for a damaged one.
second=$(LC_ALL=C grep -abo -e '-----BEGIN CERTIFICATE-----' platforms/good/quote.bin | sed -n 2p | cut -d : -f 1)
cp platforms/good/quote.bin damaged.bin
invert damaged.bin $((second + 250))
expect "its CA damaged" 1 "fail  tdx.pck_chain" "$cloister" verify tdx damaged.bin --collateral platforms/good/collateral --at $at
expect "nobody trusts it" 1 "tdx.root" "$cloister" verify tdx platforms/good/quote.bin --collateral platforms/good/collateral --at $at
for status in UpToDate SWHardeningNeeded ConfigurationNeeded ConfigurationAndSWHardeningNeeded OutOfDate OutOfDateConfigurationNeeded Revoked; do
    wanted=0
    case $status in OutOfDate* | Revoked) wanted=1 ;; esac
    "$sim" tdx "status" --at $at --status $status --version 4 --ca processor || fail "$status"
    expect "$status" $wanted "\"tcb_status\": \"$status\"" "$cloister" verify tdx status/quote.bin --collateral status/collateral \
        --root status/root.pem --at $at --json
done
printf '{"cloister_policy":1,"tee":["tdx"],"roots":["%s"],"tdx":{"tcb_status":["OutOfDate"],"advisories":["INTEL-SA-00001"],"mr_td":["%s"],"rtmr0":"any","rtmr1":"any","rtmr2":"any"}}' \
    "$root" "$(printf 'a1%.0s' $(seq 48))" >policy.json
"$sim" tdx outdated --at $at --status OutOfDate
sed -i "s/$root/$(cat outdated/root)/" policy.json
expect "a policy accepts an outdated one" 0 "verdict: warning: accepted by policy" "$cloister" verify tdx outdated/quote.bin --collateral outdated/collateral \
    --root outdated/root.pem --at $at --policy policy.json

vectors=${CLOISTER_VECTORS:-}/tdx
if [ ! -d "$vectors" ]; then
    echo "note: the shared vectors are absent: no machine's quote was verified"
    exit "$failed"
fi

# As a folder of files, as one file, and saved and verified again.
quote=$vectors/v4-uptodate-phala/quote.bin
at=2025-07-01T00:00:00Z
manifest=$vectors/MANIFEST.json
python3 - "$manifest" "$vectors" <<'P'
import json, os, sys
cases = {c["id"]: c for c in json.load(open(sys.argv[1]))["cases"]}
folder = os.path.join(sys.argv[2], "v4-uptodate-phala")
expected = cases["v4-uptodate-phala"]["expected"]
read = lambda name: open(os.path.join(folder, name), "rb").read()
os.mkdir("collateral")
for name, inner in (("tcb_info", "tcbInfo"), ("qe_identity", "enclaveIdentity")):
    text = '{"%s":%s,"signature":"%s"}' % (inner, read(name + ".json").decode(), expected[name + "_signature_hex"])
    open("collateral/%s.json" % name, "w").write(text)
for name in ("tcb_info_issuer_chain.pem", "qe_identity_issuer_chain.pem", "pck_crl_issuer_chain.pem"):
    open("collateral/" + name, "wb").write(read(name))
open("collateral/pck_crl.der", "w").write(read("pck_crl.der").hex())
open("collateral/root_crl.der", "wb").write(read("root_ca_crl.der"))
one = {name: read(name + ".pem").decode() for name in ("tcb_info_issuer_chain", "qe_identity_issuer_chain", "pck_crl_issuer_chain")}
one.update({name: read(name + ".der").hex() for name in ("pck_crl", "root_ca_crl")})
one.update({name: read(name + ".json").decode() for name in ("tcb_info", "qe_identity")})
one.update({name + "_signature": expected[name + "_signature_hex"] for name in ("tcb_info", "qe_identity")})
json.dump(one, open("one.json", "w"))
for what, change in (("duplicate", lambda t: t.replace('"version":3', '"version":3,"version":3', 1)),
                     ("garbage", lambda t: t + "}"), ("deep", lambda t: t.replace('"version":3', '"version":3,"x":' + "[" * 100 + "]" * 100, 1)),
                     ("huge", lambda t: t.replace('"version":3', '"version":3,"x":1' + "0" * 400, 1)),
                     ("unknown", lambda t: t.replace('"version":3', '"version":3,"newRule":{"a":1}', 1)),
                     ("respaced", lambda t: t.replace('"version":3', '"version": 3', 1))):
    other = dict(one)
    other["tcb_info"] = change(other["tcb_info"])
    json.dump(other, open(what + ".json", "w"))
P
expect "a folder" 0 "UpToDate" "$cloister" verify tdx "$quote" --collateral collateral --at $at
expect "one file" 0 "UpToDate" "$cloister" verify tdx "$quote" --collateral one.json --at $at --save-collateral saved
expect "saved" 0 "UpToDate" "$cloister" verify tdx "$quote" --collateral saved --at $at --policy strict
expect "strict accepts it, and says what it does not pin" 0 "not pinned; freshness was not shown" "$cloister" verify tdx "$quote" --collateral saved --at $at --policy strict
expect "a pin that holds" 0 "as expected" "$cloister" verify tdx "$quote" --collateral saved --at $at --expect tcb_status=UpToDate \
    --expect td_attributes=0000001000000000
expect "a pin that does not" 1 "expect.rtmr3" "$cloister" verify tdx "$quote" --collateral saved --at $at --expect rtmr3="$(printf '%096d' 1)"
expect "claims" 0 '"tcb_status": "UpToDate"' "$cloister" verify tdx "$quote" --collateral saved --at $at --json
expect "no collateral" 1 "TCB info is missing" "$cloister" verify tdx "$quote" --at $at
expect "without tcb" 0 "verdict: warning: authentic, but its TCB was not evaluated" "$cloister" verify tdx "$quote" --at $at --without tcb
expect "without tcb, with a policy" 1 "policy.tcb_status" "$cloister" verify tdx "$quote" --at $at --without tcb --policy strict
expect "too old" 1 "TCB info too old" "$cloister" verify tdx "$quote" --collateral saved --at 2025-08-01T00:00:00Z
expect "another root" 1 "tdx.root" "$cloister" verify tdx "$quote" --collateral saved --at $at --root "$(printf '%064d' 0)"
for what in duplicate garbage deep huge; do
    expect "TCB info: $what" 3 "TCB info" "$cloister" verify tdx "$quote" --collateral $what.json --at $at
done
expect "an unknown member is part of what is signed" 1 "tdx.tcb_info" "$cloister" verify tdx "$quote" --collateral unknown.json --at $at
expect "spaces are part of what is signed" 1 "tdx.tcb_info" "$cloister" verify tdx "$quote" --collateral respaced.json --at $at
expect "nothing" 3 "is empty" "$cloister" verify tdx /dev/null --without tcb --at $at
for size in 47 48 631 632 635 636 4935; do
    head -c $size "$quote" >short
    expect "cut to $size" 3 "truncated" "$cloister" verify tdx short --without tcb --at $at
done
expect "no such claim" 2 "no claim \"mrtd\"" "$cloister" verify tdx "$quote" --without tcb --at $at --expect mrtd=00
sample=$vectors/v4-intel-qvl-sample
expect "Intel's sample, whose QE is another than its identity says" 1 "tdx.qe " "$cloister" verify tdx "$sample/quote.dat" \
    --collateral "$sample" --root "$sample/trustedRootCaCert.pem" --at 2022-01-01T00:00:00Z
expect "Intel's sample without TCB" 0 "but its TCB was not evaluated" "$cloister" verify tdx "$sample/quote.dat" \
    --collateral "$sample" --root "$sample/trustedRootCaCert.pem" --at 2022-01-01T00:00:00Z --without tcb
expect "shown" 0 '"rtmr2": "d833feef' "$cloister" evidence show "$quote" --json

# Azure's way: the quote binds the claims of the HCL report, and these the vTPM's key.
azure=$vectors/../azure
# shellcheck disable=SC2317 # called by expect
# azure_verify CASE NONCE TIME [OPTION]…
azure_verify() {
    folder=$azure/$1 nonce=$2 time=$3
    shift 3
    "$cloister" verify azure --hcl "$folder/hcl_report.bin" --quote "$folder/tpm_quote.msg" --signature "$folder/tpm_quote.sig" \
        --pcrs "$folder/pcrs_sha256.json" --nonce "$nonce" --at "$time" "$@"
}
live=6174746573746174696f6e2d746573742d66697874757265
expect "Azure" 0 "its TCB was not evaluated" azure_verify tdx-v1 6368616c6c656e6765 2025-01-01T00:00:00Z \
    --td-quote "$azure/tdx-v1/td_quote.bin" --without tcb
expect "Azure, live" 0 "its TCB was not evaluated" azure_verify tdx-live $live 2026-06-01T00:00:00Z \
    --td-quote "$azure/tdx-live/td_quote.bin" --without tcb
python3 - "$azure/tdx-live/td_quote.bin" >imds.json <<'P'
import base64, json, sys
print(json.dumps({"quote": base64.urlsafe_b64encode(open(sys.argv[1], "rb").read()).decode().rstrip("=")}))
P
expect "Azure, live, its JSON" 0 "its TCB was not evaluated" azure_verify tdx-live $live 2026-06-01T00:00:00Z --td-quote imds.json --without tcb
expect "Azure, another VM's HCL report" 1 "hcl.binding" azure_verify tdx-neg-other-hcl $live 2026-06-01T00:00:00Z \
    --td-quote "$azure/tdx-neg-other-hcl/td_quote.bin" --without tcb
expect "Azure, a TDREPORT alone" 1 "a TDX quote of it is needed" azure_verify tdx-live $live 2026-06-01T00:00:00Z --without tcb
expect "Azure, another TD's quote" 1 "hcl.tdreport" azure_verify tdx-live $live 2026-06-01T00:00:00Z \
    --td-quote "$azure/tdx-v1/td_quote.bin" --without tcb

# The conformance set: accepted or not, as its own file says.
python3 - "$manifest" <<'P' >cases
import json, sys
pins = {"expected_td_attributes_hex": "td_attributes", "expected_xfam_hex": "xfam", "expected_rtmr3_hex": "rtmr3",
        "expected_seam_attributes_hex": "seam_attributes", "expected_report_data_hex": "report_data",
        "expected_mr_owner_hex": "mr_owner", "expected_qe_vendor_id_hex": "qe_vendor_id"}
sets = {"min_tcb_evaluation_data_number": "minimum_evaluation_number", "expected_mrseam_allowlist": "mr_seam",
        "min_tee_tcb_svn_hex": "minimum_tee_tcb_svn"}
for case in json.load(open(sys.argv[1]))["cases"]:
    if not case["id"].startswith("conf-"):
        continue
    policy = case["expected"]["policy"]
    options = [] if policy["tcb_evaluation_required"] else ["--without", "tcb"]
    if policy.get("enforce_spec_defaults"):
        options += ["--policy", "strict"]
    if policy.get("accepted_qv_results") == ["OK"]:
        options += ["--expect", "tcb_status=UpToDate"]
    for key, claim in pins.items():
        if key in policy:
            options += ["--expect", claim + "=" + policy[key]]
    wanted = {sets[key]: policy[key] for key in sets if key in policy}
    if wanted:
        tdx = {"allow_unevaluated_tcb": True, "allow_sept_ve": True, "advisories": "any", "mr_td": "any", "rtmr0": "any",
               "rtmr1": "any", "rtmr2": "any", **wanted}
        name = case["id"] + ".policy"
        json.dump({"cloister_policy": 1, "tee": ["tdx"], "roots": ["intel"], "tdx": tdx}, open(name, "w"))
        options += ["--policy", name]
    print(case["id"], case["verify_time"], 0 if case["expected"]["accepted"] else 1, *options)
P
count=0
while read -r id time wanted options; do
    count=$((count + 1))
    of_many || continue
    folder=$vectors/$id
    root=
    [ -e "$folder/intel_root_ca.pem" ] && root="--root $folder/intel_root_ca.pem"
    case $id in *311* | *312* | *314*) wanted=3 ;; esac
    # shellcheck disable=SC2086 # options are words
    expect "$id" "$wanted" "" "$cloister" verify tdx "$folder/quote.bin" --collateral "$folder" $root --at "$time" $options
done <cases
[ $count -ge 39 ] || fail "only $count conformance cases"
exit "$failed"
