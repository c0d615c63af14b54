#!/bin/sh
# Trustee's clients at a whole broker, over HTTPS: kbs-client's commands, and every form of evidence; and Veraison's API, whose
# results are judged by python-cwt.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
sim=$(absolute "$2")
skip_without openssl python3
here=$(cd "$(dirname "$0")" && pwd)
vectors=${CLOISTER_VECTORS:-none}/trustee
cd "$work" || exit 1
client() { timeout 120 python3 "$here/trustee_http.py" state "$port" "$@" || failed=1; }

openssl ecparam -name prime256v1 -genkey -noout -out admin.key 2>/dev/null
pem=$(openssl ec -in admin.key -pubout 2>/dev/null | sed 's/$/\\n/' | tr -d '\n')
sample='{"cloister_policy":1,"name":"tests","tee":["sample"],"roots":[],"accept_weak":"a test of clients"}'
printf '{"cloister_admin":1,"keys":[{"pem":"%s"}],"roles":{"kbs-admin":["^/kbs/v0/.+$"]},"policy":%s}' "$pem" "$sample" >admin.json
token=$(python3 "$here/admin_token.py" admin.key '{"role":"kbs-admin","exp":4000000000}')
"$sim" platform new platform >/dev/null || fail "a platform"
echo "$sample" >sample.json
echo '{"cloister_policy":1,"name":"amd","tee":["snp"],"roots":["amd"],"snp":{"measurement":"any"},"accept_weak":"a test"}' >amd.json
echo '{"cloister_policy":1,"name":"intel","tee":["tdx"],"roots":["intel"],"accept_weak":"a test"}' >intel.json
python3 -c 'import json; print(json.dumps({"cloister_policy": 1, "name": "lab", "tee": ["snp"], "roots": [open("platform/ark.pem").read()],
    "evidence": ["bare"], "snp": {"measurement": "any"}, "accept_weak": "a test"}))' >snp.json
# What trustee_http.py has in the PCRs of its vTPM.
python3 -c 'import hashlib, json; print(json.dumps({"cloister_reference": 1, "name": "vtpm", "origin": "prediction", "events": {},
    "pcrs": {"sha256": {str(i): hashlib.sha256(b"PCR %d" % i).hexdigest() for i in (0, 4, 11, 12)}}}))' >az.ref.json
sed 's/"name": "lab"/"name": "az", "pcrs": [0, 4, 11, 12]/; s/"bare"/"vtpm"/' snp.json >az.json
put() {
    echo "for $1" >secret
    name=$1
    shift
    "$cloister" key put --state state "default/test/$name" secret --policy "$name.json" --shared --releases any "$@" >said 2>&1 ||
        fail "put $name: $(cat said)"
}
for name in sample amd intel; do put $name; done

# start OPTION…: a broker of the state.
start() {
    begin_broker log --state state "$@"
    trap 'kill "$pid" 2>/dev/null; rm -rf "$work"' EXIT
}

stop() {
    kill -TERM "$pid"
    wait "$pid" || fail "ends with $?: $(cat log)"
}

start --admin admin.json
client admin "$token"
if [ -d "$vectors" ]; then client recorded "$vectors"; else echo "note: not tried: recorded evidence: no $vectors"; fi
for name in amd intel; do "$cloister" key remove --state state default/test/$name || fail "remove $name"; done
put snp
put az --reference az.ref.json
client fresh platform
nonce=$(client challenge platform result.cwt) || failed=1
expect "the CWT" 0 "warning" "$cloister" verify ear result.cwt --public-key state/token-es256.pem --nonce "$nonce"
expect "the CWT, for another nonce" 1 "" "$cloister" verify ear result.cwt --public-key state/token-es256.pem --nonce "${nonce}x"
tools=${LAB_CACHE:-$CLOISTER_TESTS/../build/lab/cache}/cose-tools
if [ -e "$tools/done" ]; then
    "$tools/bin/python" "$here/cose_tool.py" verify state/token-es256.pem result.cwt claims 2>said || fail "python-cwt: $(tail -n 1 said)"
    "$tools/bin/python" - "$nonce" <<'END' || fail "python-cwt reads other claims"
import base64, sys, cbor2
nonce = base64.urlsafe_b64decode(sys.argv[1] + "==")
claims = cbor2.load(open("claims", "rb"))
sys.exit(claims[265] != "tag:ietf.org,2026:rats/ear#03" or claims[10] != nonce or claims[266]["cpu0"][1000] != 32)
END
else
    echo "note: not tried: python-cwt was not fetched (. sim/lab.sh && lab_fetch_cose_tools)"
fi

# TDX, whose collateral is the broker's own: a session that one broker begins, and the next one on its state answers.
quoted=$(client begin session) || fail "a session for tdx"
client begin other >digest
stop
"$sim" tdx --report-data "$quoted" td >sim.log || fail "a TD: $(cat sim.log)"
python3 -c 'import json; print(json.dumps({"cloister_policy": 1, "name": "td", "tee": ["tdx"], "roots": [open("td/root.pem").read()],
    "tdx": {"mr_td": "any", **{"rtmr%d" % i: "any" for i in range(4)}}, "accept_weak": "a test"}))' >tdx.json
put tdx
mkdir endorsements
cp -r td/collateral endorsements/td
cp td/root.pem endorsements/
start --endorsements endorsements
client end other td/quote.bin "tdx.report_data: REPORTDATA is not the protocol's digest of the runtime data"
stop
# The same collateral in one file, which its owner signed: the decision needs no network and no folder.
{ openssl ecparam -name prime256v1 -genkey -noout -out owner.pem && openssl ec -in owner.pem -pubout -out owner.pub; } 2>/dev/null || fail "a key"
expect "packed" 0 "TDX collateral of FMSPC" "$cloister" endorsements pack endorsements --key owner.pem --output packed
rm -r endorsements td/collateral
start --endorsements packed --endorsements-key owner.pub
client end session td/quote.bin
stop
exit "$failed"
