#!/bin/sh
# Intel's collateral fetched: a service on this machine that plays a PCCS with the published documents.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/fetch_lib.sh
. "$(dirname "$0")/fetch_lib.sh"
vectors=${CLOISTER_VECTORS:-}/tdx
[ -d "$vectors/collateral-2026-03" ] || skip "the shared vectors are absent"
serve pcs
pcs=http://127.0.0.1:$port
at=2026-03-20T00:00:00Z
quote=$vectors/v4-dstack-90c06f/quote.bin

# routes [PATH STATUS]…: what is published, and those that answer otherwise.
routes() {
    python3 - "$vectors/collateral-2026-03" pcs.routes "$@" <<'P'
import json, sys, urllib.parse
folder, out, *others = sys.argv[1:]
chain = lambda name: urllib.parse.quote(open(f"{folder}/{name}").read(), safe="")
hexed = open(f"{folder}/root_ca_crl.der", "rb").read().hex()
open("root.hex", "w").write(hexed)
tcb = {"TCB-Info-Issuer-Chain": chain("tcb_signing_chain.pem")}
qe = {"SGX-Enclave-Identity-Issuer-Chain": chain("qe_identity_signing_chain.pem")}
crl = {"SGX-PCK-CRL-Issuer-Chain": chain("tcb_signing_chain.pem")}
table = {
    "/tdx/certification/v4/tcb?fmspc=90c06f000000": [{"status": 200, "headers": tcb, "file": f"{folder}/tcb_info_90c06f000000.json"}],
    "/tdx/certification/v4/qe/identity": [{"status": 200, "headers": qe, "file": f"{folder}/td_qe_identity.json"}],
    "/sgx/certification/v4/pckcrl?ca=platform&encoding=der": [{"status": 200, "headers": crl, "file": f"{folder}/pck_crl_platform.der"}],
    "/sgx/certification/v4/rootcacrl": [{"status": 200, "file": "root.hex"}],
}
for path, status in zip(others[::2], others[1::2]):
    table[path] = [{"status": int(status)}]
json.dump(table, open(out, "w"))
P
}
verify() { "$cloister" verify tdx "$quote" --at "$at" "$@"; }

routes
expect "nothing unasked" 1 "collateral" verify
[ "$(requests pcs)" = 0 ] || fail "asked although nobody said so"
expect "fetched" 0 "tdx.tcb " verify --fetch --pcs "$pcs" --cache one
[ "$(requests pcs)" = 4 ] || fail "fetched with $(requests pcs) requests: $(cat pcs.log)"
verify --fetch --pcs "$pcs" --cache one --json >first.json || fail "the second time"
verify --cache one --pcs "$pcs" --json >offline.json || fail "offline"
[ "$(requests pcs)" = 4 ] || fail "asked again: $(cat pcs.log)"
cmp -s first.json offline.json || fail "offline it is another verdict"
jq -e '.claims.tcb_status' first.json >/dev/null || fail "no TCB status: $(head -c 300 first.json)"
# For a time when the documents are too old they are asked for again; offline they are judged.
expect "too old, offline" 1 "" "$cloister" verify tdx "$quote" --at 2026-08-01T00:00:00Z --cache one --pcs "$pcs"
: >pcs.log
expect "too old, and nothing newer there" 1 "" "$cloister" verify tdx "$quote" --at 2026-08-01T00:00:00Z --fetch --cache one --pcs "$pcs"
[ "$(requests pcs)" -ge 2 ] || fail "old documents were not asked for again"
# The cache, signed and dated for a broker without a network: each document with the chain that came with it.
openssl ecparam -name prime256v1 -genkey -noout -out owner.pem 2>/dev/null || fail "a key"
expect "packed" 0 "TDX collateral of FMSPC 90c06f000000" "$cloister" endorsements pack one --key owner.pem --output bundle
"$cloister" endorsements pack one --key owner.pem --output bundle --json | jq -r '.collateral[].pieces[]' | sort >pieces || fail "packed as JSON"
printf '%s\n' pck_crl pck_crl_issuer_chain qe_identity qe_identity_issuer_chain root_ca_crl tcb_info tcb_info_issuer_chain | cmp -s - pieces ||
    fail "packed: $(cat pieces)"
# An air-gapped folder.
expect "saved" 0 "" verify --fetch --pcs "$pcs" --cache one --save-collateral saved
expect "from the folder" 0 "" verify --collateral saved
: >pcs.log
expect "a folder is complete" 0 "" verify --collateral saved --fetch --pcs "$pcs" --cache two
[ "$(requests pcs)" = 0 ] || fail "asked although all was given"
# What goes wrong.
expect "early, which is not there" 1 "not known there" verify --fetch --pcs "$pcs" --cache three --update early
tail -n 1 pcs.log | grep -q '&update=early$' || fail "update: $(tail -n 1 pcs.log)"
expect "an odd channel" 2 "standard or early" verify --fetch --pcs "$pcs" --cache three --update late
routes "/tdx/certification/v4/tcb?fmspc=90c06f000000" 404
expect "an unknown platform" 1 "not known there" verify --fetch --pcs "$pcs" --cache three
routes "/tdx/certification/v4/qe/identity" 500
expect "a broken service" 4 "status 500" verify --fetch --pcs "$pcs" --cache three
routes
expect "one FMSPC for another" 1 "" "$cloister" verify tdx "$vectors/v4-coco-50806f/quote.bin" --at "$at" --fetch --pcs "$pcs" --cache four
expect "nobody there" 4 "onnect" verify --fetch --pcs http://127.0.0.1:1 --cache five
exit "$failed"
