#!/bin/sh
# Small inputs of the field that a release got wrong once, with what should come out: they lie next to the shared vectors,
# each group with a script that tries them.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
skip_without bash python3 jq

cases=${CLOISTER_CASES:-${CLOISTER_VECTORS:-}/../cases}
[ -d "$cases" ] || skip "the shared cases are absent"
kernel=${LAB_CACHE:-$CLOISTER_TESTS/../build/lab/cache}/kernel
cd "$CLOISTER_TESTS/.." || exit 4
for group in attestation boot; do
    CLOISTER=$cloister KERNEL=$kernel/vmlinuz STUB=$kernel/stub.efi bash "$cases/$group/check.sh" >"$work/$group" 2>&1 ||
        fail "$group: $(grep '^wrong' "$work/$group")"
    grep -q '[1-9][0-9]* right' "$work/$group" || fail "$group: nothing was tried: $(tail -n 1 "$work/$group")"
    sed -n "s/^skipped/note: $group: not tried:/p" "$work/$group"
done
exit "$failed"
