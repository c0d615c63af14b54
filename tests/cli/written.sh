#!/bin/sh
# Commands that write something say so in one JSON document with --json: where, how large, which digest; and not where the file itself goes to
# standard output, which "-" stands for.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/image_lib.sh
. "$(dirname "$0")/image_lib.sh"
skip_without jq
corpus=$CLOISTER_TESTS/../fuzz/corpus
cd "$work" || exit 4
make_kernel vmlinuz
printf 'an initrd' >initrd
find_varstore
echo '{"cloister_policy":1,"name":"weak","tee":["snp"],"roots":["amd"],"snp":{"measurement":"any"},"accept_weak":"a test"}' >weak.json
head -c 32 /dev/urandom >secret

# told NAME FILTER COMMAND…: one document, in which the filter finds what it looks for.
told() {
    name=$1 filter=$2
    shift 2
    "$cloister" "$@" --json >out 2>err || fail "$name: $(cat err)"
    jq -es "length == 1 and (.[0] | $filter)" out >/dev/null 2>&1 || fail "$name: says $(head -n 5 out)"
}
# file NAME FILE COMMAND…: the document of a command that writes one file; and none where that is standard output.
file() {
    name=$1 file=$2
    shift 2
    told "$name" ".output == \"$file\"" "$@" --output "$file"
    [ "$(jq -r '"\(.bytes) \(.sha256)"' out)" = "$(wc -c <"$file") $(sha256sum <"$file" | cut -d ' ' -f 1)" ] || fail "$name: not of the file: $(cat out)"
    expect "$name, to standard output" 2 "--json: - is where the file goes" "$cloister" "$@" --output - --json
}
told keygen 'map(.role) == ["PK", "KEK", "db"]' secureboot keygen --output keys
cp "$varstore" vars.fd
file enroll enrolled.fd secureboot enroll --varstore vars.fd --pk keys/PK.crt --kek keys/KEK.crt --db keys/db.crt
file "uki build" demo.efi uki build --kernel vmlinuz --initrd initrd --cmdline quiet --stub "$corpus/pe/stub"
file "uki sign" signed.efi uki sign demo.efi --key keys/db.key --cert keys/db.crt
file "uki edit" edited.efi uki edit demo.efi --cmdline debug
file list dbx.esl secureboot list --image demo.efi
file "secureboot sign" dbx.auth secureboot sign dbx.esl --variable dbx --append --key keys/KEK.key --cert keys/KEK.crt
file apply applied.fd secureboot apply dbx.auth --varstore enrolled.fd
file mok mok.fd secureboot mok --varstore enrolled.fd --cert keys/db.crt
cp demo.efi place.efi
told "uki sign, in place" '.output == "place.efi"' uki sign place.efi --key keys/db.key --cert keys/db.crt
told "uki sign, what is to be signed" '.output == "tbs"' uki sign demo.efi --write-tbs tbs
told put '.path == "default/disk/demo" and .bytes == 32' key put default/disk/demo secret --state broker --policy weak.json
told remove '.path == "default/disk/demo"' key remove default/disk/demo --state broker
"$cloister" serve --state broker --json --listen 127.0.0.1:0 >serve.log 2>serve.err &
server=$!
# shellcheck disable=SC2317 # await calls it
listens() { jq -e 'select(.event == "listening")' serve.log; }
await listens || fail "serve --json: $(cat serve.log serve.err)"
kill "$server"
wait "$server"

# --- "-" is standard output, and input ---
"$cloister" uki build --kernel vmlinuz --initrd initrd --cmdline quiet --stub "$corpus/pe/stub" --output - >piped.efi || fail "uki build --output -"
cmp -s piped.efi demo.efi || fail "uki build --output -: another file"
[ ! -e ./- ] || fail "a file is called -"
"$cloister" uki inspect - <demo.efi | grep -q '\.linux' || fail "uki inspect -"
"$cloister" secureboot list --image demo.efi --output - >piped.esl || fail "secureboot list --output -"
cmp -s piped.esl dbx.esl || fail "secureboot list --output -: something else among the lists"
exit "$failed"
