#!/bin/sh
# Evidence as Google's Go libraries write it, in protobuf's JSON and binary encoding: put together again it is the report or quote
# that it was made of, byte for byte, and verifies as that does.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/interop_lib.sh
. "$(dirname "$0")/interop_lib.sh"
go_evidence=${LAB_CACHE:-$CLOISTER_TESTS/../build/lab/cache}/go-evidence
[ -x "$go_evidence" ] || skip "Go's libraries were not fetched: . sim/lab.sh && lab_fetch_go_evidence"
go_evidence=$(absolute "$go_evidence")
vectors=${CLOISTER_VECTORS:-$CLOISTER_TESTS/../../shared/vectors}
[ -d "$vectors/snp" ] || skip "no $vectors/snp"
vectors=$(absolute "$vectors")
sums=$(absolute "$CLOISTER_TESTS/cli/go_evidence/go.mod")
cd "$work" || exit 4
need jq
version() { sed -n "s/.*$1 v//p" "$sums"; }

# same NAME KIND FILE OPTION…: what is said of ours is said of each of its forms, word for word.
same() {
    name=$1 kind=$2 file=$3
    shift 3
    "$cloister" verify "$kind" "$file" "$@" --json >own.json 2>own.log || true
    grep -q '"claims"' own.json || fail "$name: $(cat own.log)"
    for form in json pb; do
        "$cloister" verify "$kind" made.$form "$@" --json >read.json 2>read.log || true
        cmp -s own.json read.json || fail "$name as $form: $(cat read.log; diff own.json read.json | head -n 4)"
    done
}
for id in milan-v2-vcek-goog genoa-v3-vcek-ms turin-v5-vcek-ms; do
    report=$vectors/snp/$id/report.bin leaf=
    for name in vek.der vcek.der; do [ ! -r "$vectors/snp/$id/$name" ] || leaf=$vectors/snp/$id/$name; done
    if [ ! -r "$report" ] || [ -z "$leaf" ]; then continue; fi
    "$go_evidence" snp "$report" "$leaf" made 2>go.log || { fail "$id: $(tail -n 1 go.log)"; continue; }
    same "$id" snp "$report" --cert "$leaf" --at 2026-06-01T00:00:00Z
    expect "$id without its leaf" 0 "pass  snp.signature" "$cloister" verify snp made.pb --at 2026-06-01T00:00:00Z
    sed 's/"measurement":"./"measurement":"+/' made.json >changed.json
    expect "$id, changed" 1 "fail  snp.signature" "$cloister" verify snp changed.json --at 2026-06-01T00:00:00Z
done
held "SEV-SNP evidence" go-sev-guest "$(version go-sev-guest)" "ours reads its"

count=0
for id in v4-dstack-90c06f v4-live-b0c06f v4-coco-50806f v4-spr-e4-google; do
    quote=$vectors/tdx/$id/quote.bin
    [ -r "$quote" ] || continue
    "$go_evidence" tdx "$quote" made 2>go.log || { fail "$id: $(tail -n 1 go.log)"; continue; }
    same "$id" tdx "$quote" --without tcb --at 2026-01-15T00:00:00Z
    count=$((count + 1))
done
[ $count -ge 2 ] || fail "only $count quotes"
held "TDX evidence" go-tdx-guest "$(version go-tdx-guest)" "ours reads its"
exit "$failed"
