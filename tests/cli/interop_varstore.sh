#!/bin/sh
# Variable stores, with virt-firmware: edk2's volumes and JSON, and what it says is in ours.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/interop_lib.sh
. "$(dirname "$0")/interop_lib.sh"
python_tools virt-fw-vars
vars=/usr/share/OVMF/OVMF_VARS_4M.ms.fd
blank=/usr/share/OVMF/OVMF_VARS_4M.fd
{ [ -r $vars ] && [ -r $blank ]; } || skip "no $vars"
cd "$work" || exit 4
need jq openssl virt-fw-vars
version=$(python_version virt-firmware)
fw() { virt-fw-vars "$@" 2>fw.log || fail "virt-fw-vars $*: $(tail -n 1 fw.log)"; }
lists() { jq -c '[.variables[] | select(.name | IN("PK", "KEK", "db", "dbx")) | [.name, .guid, .attr, .data]] | sort' "$1"; }

# Theirs: a store as JSON is the volume that it was made of.
fw --input $vars --output-json theirs.json
"$cloister" secureboot show $vars --json >volume || fail "show of the volume"
"$cloister" secureboot show theirs.json --json >json || fail "show of JSON"
cmp -s volume json || fail "JSON is another store than its volume: $(diff volume json | head -n 4)"
held "variable store, JSON" virt-fw-vars "$version" "ours reads its"

# Ours: keys enrolled into a volume and into JSON are what they see, and the same in both.
for name in PK KEK db; do
    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=$name" -keyout $name.key -out $name.crt 2>/dev/null
done
fw --input $blank --output-json blank.json
for store in $blank blank.json; do
    "$cloister" secureboot enroll --pk PK.crt --kek KEK.crt --db db.crt --input "$store" --output "ours.${store##*.}" >/dev/null ||
        fail "enroll in $store"
done
fw --input ours.fd --output-json seen.json
fw --input ours.json --output-json seen-json.json
lists seen.json >seen
[ "$(jq length seen)" = 3 ] || fail "virt-fw-vars sees $(cat seen)"
lists seen-json.json | cmp -s seen - || fail "other keys in JSON than in the volume"
held "variable store, volume" virt-fw-vars "$version" "reads ours"
held "variable store, JSON" virt-fw-vars "$version" "reads ours"

# And with theirs: the same certificate, by their own tool.
fw --input $blank --set-pk 11111111-2222-3333-4444-555555555555 PK.crt --output made.fd
"$cloister" secureboot show made.fd | grep -q "CN=PK" || fail "theirs has no PK to us"
held "variable store, volume" virt-fw-vars "$version" "ours reads its"

# AWS's own form is named, and they turn it into one that is read.
fw --input theirs.json --output-aws aws
expect "AWS's" 3 "is AWS's uefi-data: virt-fw-vars" "$cloister" secureboot show aws
exit "$failed"
