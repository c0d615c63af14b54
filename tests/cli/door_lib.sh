# shellcheck shell=sh disable=SC2154
# A broker with one key in it, and door.py at its door. Sourced after lib.sh.

echo '{"cloister_policy":1,"name":"mine","tee":["snp"],"roots":["amd"]}' >"$work/policy"
printf 'a secret' >"$work/secret"
"$cloister" key put --state "$work/state" default/disk/demo "$work/secret" --policy "$work/policy" \
    --accept-weak "nothing is released here" >"$work/put" 2>&1 || fail "put: $(cat "$work/put")"
tests=$(dirname "$0")

# door WHAT: one part of door.py.
door() { timeout 120 python3 "$tests/door.py" "$1" "$cloister" "$work/state" || fail "$1"; }
