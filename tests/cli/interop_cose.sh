#!/bin/sh
# Signed CoRIMs and results as CWT, with python-cwt: its signature holds to us, ours holds to it, and what is under it is the same.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/interop_lib.sh
. "$(dirname "$0")/interop_lib.sh"
tools=${LAB_CACHE:-$CLOISTER_TESTS/../build/lab/cache}/cose-tools
[ -e "$tools/done" ] || skip "python-cwt was not fetched: . sim/lab.sh && lab_fetch_cose_tools"
python=$(absolute "$tools/bin/python")
script=$(absolute "$CLOISTER_TESTS/cli/cose_tool.py")
cd "$work" || exit 4
need jq openssl
version=$("$python" -c 'import importlib.metadata; print(importlib.metadata.version("cwt"))')
tool() { "$python" "$script" "$@" 2>tool.log; }
value=$(printf '%064d' 7)
printf '{"cloister_reference":1,"name":"demo","origin":"prediction","events":{},"pcrs":{"sha256":{"4":"%s"}}}' "$value" >demo.ref.json
"$cloister" measure convert demo.ref.json --output plain.corim || fail "a plain CoRIM"
for curve in prime256v1 secp384r1; do
    openssl ecparam -name $curve -genkey -noout 2>/dev/null | openssl pkcs8 -topk8 -nocrypt -out key.pem
    openssl pkey -in key.pem -pubout -out key.pub
    openssl ecparam -name $curve -genkey -noout 2>/dev/null | openssl pkcs8 -topk8 -nocrypt -out other.pem
    openssl pkey -in other.pem -pubout -out other.pub
    "$cloister" measure convert demo.ref.json --key key.pem --output ours.corim || fail "$curve: sign"
    tool verify key.pub ours.corim payload || fail "$curve: it does not take ours: $(tail -n 1 tool.log)"
    cmp -s payload plain.corim || fail "$curve: something else is under our signature"
    ! tool verify other.pub ours.corim payload || fail "$curve: it takes ours under another key"
    tool sign key.pem plain.corim theirs.corim || fail "$curve: it does not sign: $(tail -n 1 tool.log)"
    "$cloister" measure convert theirs.corim --public-key key.pub --to json >back.json || fail "$curve: we do not take its"
    [ "$(jq -cS .pcrs back.json)" = "$(jq -cS .pcrs demo.ref.json)" ] || fail "$curve: other values"
    expect "$curve: another key" 1 "signature" "$cloister" measure convert theirs.corim --public-key other.pub --to json
    # A result: affirming, and contraindicated.
    tool ear key.pem 2 good.cwt || fail "$curve: a result: $(tail -n 1 tool.log)"
    expect "$curve: affirming" 0 "affirming" "$cloister" verify ear good.cwt --public-key key.pub --nonce YSBub25jZSE
    expect "$curve: another nonce" 1 "nonce" "$cloister" verify ear good.cwt --public-key key.pub --nonce YSBub25jZT8
    expect "$curve: a result under another key" 1 "" "$cloister" verify ear good.cwt --public-key other.pub
    tool ear key.pem 96 bad.cwt || fail "$curve: a result"
    expect "$curve: contraindicated" 1 "contraindicated" "$cloister" verify ear bad.cwt --public-key key.pub
done
held "CoRIM, signed (COSE)" python-cwt "$version" "both ways"
held "EAR (CWT)" python-cwt "$version" "ours reads its"
exit "$failed"
