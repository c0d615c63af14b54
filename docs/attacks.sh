#!/bin/sh
# attacks.sh [TABLE]: prints docs/attacks.md from tests/attacks/attacks.tsv.
set -eu
table=${1:-$(dirname "$0")/../tests/attacks/attacks.tsv}
cat <<'EOF'
# Attacks, and what refuses them

Made by `docs/attacks.sh` from `tests/attacks/attacks.tsv`. Each attack is tried by a test that runs in `./check`; *refused with* is a literal part
of what is then said. That a test really stands on the defence is tried too: `tests/attacks/mutate.sh` takes each defence out of a copy of the
tree, one at a time, and demands that the test fails (`./check --all` runs it). What a host can do in spite of all of this is
in [guest.md](guest.md) and [serve.md](serve.md).

EOF
awk -F '\t' '
    function cell(text) { gsub(/\|/, "\\|", text); return text }
    # Words with backquotes in them are quoted with two.
    function code(text) { return index(text, "`") ? "`` " cell(text) " ``" : "`" cell(text) "`" }
    function path(suite, test) {
        if (suite == "unit") return "tests/unit/test_" test ".c"
        if (suite == "fuzz") return "fuzz/fuzz_" test ".c"
        return "tests/" suite "/" test ".sh"
    }
    BEGIN {
        title["host"] = "By the host"; title["client"] = "By a client of the broker"; title["operator"] = "By an operator, on purpose or by mistake"
        title["cloud"] = "By the cloud, its services or another of its customers"
        split("host client operator cloud", order, " ")
    }
    NR == 1 { next }
    { rows[$2] = rows[$2] sprintf("| %s | %s | %s | %s | [%s](../%s): %s | [%s](../%s) |\n", $1, cell($3), $4, code($5), $6 "/" $7, path($6, $7), cell($8), $9, $9); count[$2]++; all++ }
    END {
        printf "%d attacks", all
        for (i = 1; i in order; i++) if (count[order[i]]) printf "%s %d %s", i == 1 ? ":" : ",", count[order[i]], tolower(substr(title[order[i]], 1, 1)) substr(title[order[i]], 2)
        print "."
        for (i = 1; i in order; i++) {
            if (!count[order[i]]) continue
            printf "\n## %s\n\n| id | attack | refused by | refused with | test: case | defence |\n| --- | --- | --- | --- | --- | --- |\n%s", title[order[i]], rows[order[i]]
        }
    }' "$table"
