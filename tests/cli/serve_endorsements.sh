#!/bin/sh
# The broker with endorsements of its own: from files, from a bundle that its owner signed, and from a service on this machine that plays AMD's.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
sim=$(absolute "$2")
# shellcheck source=tests/cli/fetch_lib.sh
. "$(dirname "$0")/fetch_lib.sh"
serve kds
kds=http://127.0.0.1:$port

"$sim" snp --rsa-bits 2048 good || fail "sim"
"$sim" snp --rsa-bits 2048 --break ask-revoked revoked || fail "sim ask-revoked"

# What is not taken.
mkdir own
echo "not a certificate" >own/odd.pem
expect "a file that is none" 3 "own/odd.pem" "$cloister" serve --state state --init --listen 127.0.0.1:0 --endorsements own
expect "no such folder" 3 "nowhere" "$cloister" serve --state state --init --listen 127.0.0.1:0 --endorsements nowhere
expect "a mirror without --fetch" 2 "for --fetch" "$cloister" serve --state state --init --listen 127.0.0.1:0 --kds "$kds"
rm own/odd.pem

# begin NAME OPTION…: a broker; its port is in $broker.
begin() {
    name=$1
    shift
    begin_broker "$name.log" --state "$name" --init "$@"
    servers="$servers $pid"
    broker=$port
}
# finish NAME: it ends when asked to, whatever it waits for.
finish() {
    kill -TERM "$pid"
    status=0
    wait "$pid" || status=$?
    [ "$status" = 0 ] || fail "$1 ends with $status: $(cat "$1.log")"
}
# attest FOLDER [CRL]: one exchange with the report of a folder and its chain; prints status and body.
attest() {
    python3 - "$broker" "$@" <<'P'
import base64, http.client, json, ssl, sys
port, folder, *crls = sys.argv[1:]
context = ssl._create_unverified_context()
def ask(path, body, headers={}):
    connection = http.client.HTTPSConnection("127.0.0.1", int(port), context=context, timeout=120)
    connection.request("POST" if body else "GET", path, body, headers)
    answer = connection.getresponse()
    return answer, answer.read().decode()
answer, body = ask("/kbs/v0/auth", '{"version":"0.1.1","tee":"snp","extra-params":{}}')
cookie = answer.getheader("Set-Cookie").split(";")[0]
text = lambda data: base64.urlsafe_b64encode(data).decode().rstrip("=")
number = text(bytes(range(32)))
runtime = {"nonce": json.loads(body)["nonce"], "tee-pubkey": {
    "kty": "EC", "crv": "P-256",
    "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY", "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"}}
canonical = json.dumps(runtime, separators=(",", ":"), sort_keys=True).encode()
pem = b"".join(open(f"{folder}/{name}", "rb").read() for name in ("vek.pem", "chain.pem"))
pem += b"".join(open(name, "rb").read() for name in crls)
item = lambda kind, data: [f"application/vnd.cloister.{kind}", text(data)]
bundle = {"__cmwc_t": "tag:cloister.dev,2026:evidence",
    "runtime-data": item("runtime-data+json", canonical), "snp-report": item("snp-report", open(f"{folder}/report.bin", "rb").read()),
    "snp-certificates": item("snp-certificates", pem)}
answer, body = ask("/kbs/v0/attest", json.dumps({"runtime-data": runtime, "tee-evidence": {
    "primary_evidence": bundle, "additional_evidence": ""}}), {"Cookie": cookie})
print(answer.status, body)
P
}
metrics() { curl -sk "https://127.0.0.1:$broker/metrics"; }
put() { "$cloister" key put --state "$1" default/disk/demo secret --policy policy --accept-weak "any firmware will do here" >put.log 2>&1 || fail "put: $(cat put.log)"; }

printf 'a secret' >secret
root=$(cat good/root)
other=$(cat revoked/root)
echo "{\"cloister_policy\":1,\"name\":\"mine\",\"tee\":[\"snp\"],\"roots\":[\"$root\",\"$other\"],\"snp\":{\"vmpl\":[0,1,2,3],\"measurement\":\"any\"}}" >policy

# Files: with the list the ASK's revocation shows, whatever the evidence leaves out; without one there is no decision.
cp revoked/ark.pem own/
cp revoked/crl.der own/
put files
begin files --endorsements own
attest revoked >answer
grep -q '^401' answer || fail "revoked: $(cat answer)"
"$cloister" verify snp revoked/report.bin --root "$other" --cert revoked/vek.pem --cert revoked/chain.pem >verify.log 2>&1 ||
    fail "without a list nobody notices: $(tail -n 1 verify.log)"
metrics >answer
grep -q 'cloister_endorsement_age_seconds{from="files",name="revocation list of' answer || fail "metrics: $(cat answer)"
cp good/ark.pem own/good.pem
finish files
begin files --endorsements own
attest good good/crl.der >answer
grep -q "^503.*verifier's files have no current revocation list" answer || fail "no list of this root: $(cat answer)"
finish files

# A bundle, signed and dated where there is a network: of files, and of what was fetched.
for who in owner stranger; do
    openssl ecparam -name prime256v1 -genkey -noout -out $who.pem 2>/dev/null || fail "a key"
    openssl ec -in $who.pem -pubout -out $who.pub 2>/dev/null || fail "its public half"
done
mkdir mine nothing
cp revoked/ark.pem revoked/crl.der mine/
now=$(date +%s)
# pack NAME DAYS [KEY]: dated so many days ago.
pack() { expect "pack $1" 0 "revocation list of" "$cloister" endorsements pack mine --key "${3:-owner.pem}" --output "$1" --at "$(date -u -d "@$((now - $2 * 86400))" +%Y-%m-%dT%H:%M:%SZ)"; }
pack fresh 2
pack older 3
pack stale 40
pack tomorrow -1
pack foreign 1 stranger.pem
expect "nothing to pack" 3 "there is nothing to put into it" "$cloister" endorsements pack nothing --key owner.pem --output none
expect "what is not there" 3 "nowhere" "$cloister" endorsements pack nowhere --key owner.pem --output none
expect "over its own input" 2 "--output" "$cloister" endorsements pack mine/crl.der --key owner.pem --output mine/crl.der
expect "shown" 0 "made 2 days ago" "$cloister" endorsements show fresh --public-key owner.pub
"$cloister" endorsements show fresh --public-key owner.pub --json | jq -e '(.certificates | length) == 1 and (.revocation_lists | length) == 1' >out ||
    fail "shown as JSON: $(cat out)"
expect "shown, and too old" 1 "is 40 days old, at most 14 are allowed" "$cloister" endorsements show stale --public-key owner.pub
cp fresh changed
invert changed 400
# serve_bundle FILE OPTION…: what a broker says of it at its start.
# shellcheck disable=SC2317 # expect calls it
serve_bundle() { "$cloister" serve --state bundle --init --listen 127.0.0.1:0 --endorsements-key owner.pub --endorsements "$@"; }
expect "a bundle of another key" 1 "foreign: bundle: " serve_bundle foreign
expect "a bundle that was changed" 1 "changed: bundle: " serve_bundle changed
expect "one that is too old" 1 "stale: bundle: is 40 days old, at most 14 are allowed" serve_bundle stale
expect "one of tomorrow" 1 "tomorrow: bundle: is dated in the future" serve_bundle tomorrow
expect "a list in its place" 3 "not a signed one" serve_bundle mine/crl.der
expect "a key and nothing to verify" 2 "--endorsements-key is for --endorsements" "$cloister" serve --state bundle --init --endorsements-key owner.pub
expect "no days at all" 2 "--endorsements-days: 1 to 3650" serve_bundle fresh --endorsements-days 0
put bundle
begin bundle --endorsements fresh --endorsements-key owner.pub
attest revoked >answer
grep -q '^401' answer || fail "revoked by a bundle's list: $(cat answer)"
metrics >answer
grep -q "cloister_endorsement_age_seconds{from=\"files\",name=\"the owner's bundle\"} 17[0-9]*" answer || fail "the bundle's age: $(cat answer)"
grep -q "cloister_endorsement_left_seconds{from=\"files\",name=\"the owner's bundle\"} 10[0-9]*" answer || fail "what is left of it: $(cat answer)"
finish bundle
expect "an older one, at the next start" 1 "older: bundle: a newer one, made 86400 seconds later, was used before" serve_bundle older
expect "the same for who asks for nothing else" 1 "a newer one" serve_bundle older --endorsements-days 3650

# Fetched: an outage is a 503, and decisions do not wait for a service that is slow.
mkdir roots
cp good/ark.pem roots/
put fetched
begin fetched --endorsements roots --fetch --kds "$kds" --cache cache
attest good >answer
grep -q '^503.*being fetched' answer || fail "not fetched yet: $(cat answer)"
await grep -q 'status 404' fetched.log
attest good >answer
grep -q '^503.*status 404' answer || fail "an outage: $(cat answer)"
echo '{"/vcek/v1/Milan/crl": [{"status": 200, "file": "good/crl.der", "until": "go-on"}]}' >kds.routes
# shellcheck disable=SC2317 # await calls it
has_asked() { [ "$(requests kds)" -ge "$1" ]; }
await has_asked 2
# A service that does not answer yet does not hold decisions up: one that waited for it would never end.
attest good >answer
grep -q '^503' answer || fail "slow: $(cat answer)"
: >go-on
# shellcheck disable=SC2317 # await calls it
decides() { attest good >answer && ! grep -q '^503' answer; }
await decides
# The pretend report is of no nonce: refused for that, and no longer for want of a list.
grep -q '^401' answer || fail "fetched: $(cat answer)"
metrics >answer
grep -q 'cloister_endorsement_fetches_total{result="ok"} 1' answer || fail "metrics: $(cat answer)"
finish fetched
# A service that hangs does not hold the end up; and what was fetched once is in the cache.
begin fetched --endorsements roots --fetch --kds "$kds" --cache cache
await decides
grep -q '^401' answer || fail "from the cache: $(cat answer)"
finish fetched
# The cache is packed as it stands, and decides without a network.
expect "the cache packed" 0 "revocation list of" "$cloister" endorsements pack roots cache --key owner.pem --output cached
put offline
begin offline --endorsements cached --endorsements-key owner.pub
attest good >answer
grep -q '^401' answer || fail "by what was fetched elsewhere: $(cat answer)"
finish offline
rm -r cache
echo '{"/vcek/v1/Milan/crl": [{"status": 200, "file": "good/crl.der", "until": "never"}]}' >kds.routes
: >kds.log
begin fetched --endorsements roots --fetch --kds "$kds" --cache cache
attest good >answer
await has_asked 1
finish fetched
exit "$failed"
