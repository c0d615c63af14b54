#!/bin/sh
# checks.sh [FOLDER]: prints docs/checks.md from docs/checks.tsv and the table in docs/verify.md (of that docs folder).
set -eu
docs=${1:-$(dirname "$0")}
cat <<'EOF'
# The checks, what each stands on, and what shows it

Made by `docs/checks.sh` from `docs/checks.tsv` and the table in [verify.md](verify.md), which says when each holds. The last column is a file with a
case in which the check fails; where that is a list of what a pretend platform may do wrong (`sim/`), a unit test and a script go through it (`tdx.collateral` cannot fail: it notes what was left out). The
`checks` test in `tests/cli` fails when an id of the source has no row, no clause or no such case.

| check | stands on | fails in |
| --- | --- | --- |
EOF
awk -F '\t' '
    function clause(text, parts, i, out, one) {
        sub(/^docs\//, "", text)
        gsub(/; docs\//, "; ", text)
        while (match(text, /(formats\/)?[a-z_]+\.md/)) {
            one = substr(text, RSTART, RLENGTH)
            out = out substr(text, 1, RSTART - 1) "[" one "](" one ")"
            text = substr(text, RSTART + RLENGTH)
        }
        return out text
    }
    NR > 1 { printf "| `%s` | %s | [%s](../%s) |\n", $1, clause($2), $3, $3 }' "$docs/checks.tsv"
