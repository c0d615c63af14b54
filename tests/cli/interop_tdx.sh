#!/bin/sh
# Verdicts about TDX quotes, with dcap-qvl: the same status and advisories for the same quote, collateral and time, of real
# platforms; and both refuse what was changed, and what is out of date.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/interop_lib.sh
. "$(dirname "$0")/interop_lib.sh"
python_tools dcap-qvl
cases=${CLOISTER_VECTORS:-$CLOISTER_TESTS/../../shared/vectors}/../cases/attestation
[ -d "$cases" ] || skip "no $cases"
cases=$(absolute "$cases")
cd "$work" || exit 4
need jq python3
version=$(python_version dcap-qvl)
cat >verdict.py <<'PY'
# verdict.py QUOTE COLLATERAL SECONDS: "STATUS ADVISORY,…", or "refused".
import base64, json, sys, dcap_qvl
quote = open(sys.argv[1], "rb").read()
document = json.load(open(sys.argv[2]))
for name in ("pck_crl", "root_ca_crl"): # it wants hex, and we take PEM, too
    if document[name].startswith("-"):
        document[name] = base64.b64decode("".join(document[name].split("-----")[2].split())).hex()
for name, member in (("tcb_info", "tcbInfo"), ("qe_identity", "enclaveIdentity")):
    text = document[name]
    if text.startswith('{"' + member + '":'): # the signed document as Intel's service sends it
        document[name + "_signature"] = json.loads(text)["signature"]
        document[name] = text[len(member) + 4:text.rindex(',"signature"')]
collateral = dcap_qvl.QuoteCollateralV3.from_json(json.dumps(document))
try:
    verdict = dcap_qvl.verify(quote, collateral, int(sys.argv[3]))
except ValueError as why:
    print("refused", file=sys.stdout)
    print(why, file=sys.stderr)
else:
    print(verdict.status, ",".join(sorted(verdict.advisory_ids)))
PY

# same NAME QUOTE COLLATERAL TIME WANTED: what each says of it.
same() {
    theirs=$(python3 verdict.py "$2" "$3" "$(date -d "$4" +%s)" 2>python.log) || fail "$1: $(tail -n 1 python.log)"
    "$cloister" verify tdx "$2" --collateral "$3" --at "$4" --json >own.json 2>own.log
    own=$(jq -r 'if any(.checks[]; .result == "fail" and (.id | startswith("tdx."))) then "refused"
        else "\(.claims.tcb_status) \(.claims.advisory_ids // [] | sort | join(","))" end' own.json)
    [ "$theirs" = "$own" ] || fail "$1: dcap-qvl says '$theirs', we '$own': $(cat own.log)"
    case $theirs in "$5"*) ;; *) fail "$1: both say '$theirs', not $5" ;; esac
}
two=$cases/tdx-evaluation-number old=$cases/tdx-relaunch-word
same "two evaluation numbers" "$two/quote.bin" "$two/collateral.json" 2026-08-13T12:00:00Z UpToDate
same "a TD that outlived an update" "$old/quote.dat" "$old/collateral.json" 2025-11-17T06:00:00Z TDRelaunchAdvised
same "too late" "$two/quote.bin" "$two/collateral.json" 2027-08-13T12:00:00Z refused
same "too early" "$two/quote.bin" "$two/collateral.json" 2020-08-13T12:00:00Z refused
same "another platform's collateral" "$two/quote.bin" "$old/collateral.json" 2025-11-17T06:00:00Z refused
jq '.tcb_info |= sub("UpToDate"; "UpToDatE")' "$two/collateral.json" >changed.json
same "collateral that was changed" "$two/quote.bin" changed.json 2026-08-13T12:00:00Z refused
for at in 60 400 700 900 1200; do # header, body, signature, key, the enclave's report
    cp "$two/quote.bin" changed.bin && chmod u+w changed.bin
    invert changed.bin $at
    same "byte $at changed" changed.bin "$two/collateral.json" 2026-08-13T12:00:00Z refused
done
held "TDX verdict" dcap-qvl "$version" "equal"
exit "$failed"
