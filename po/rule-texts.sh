#!/bin/sh
# rule-texts.sh [RULES]: the audit's reasons and remedies as a source that xgettext reads, so that `ninja cloister-update-po`
# keeps their translations. The result, po/rule_texts.txt, is compiled by nothing.
set -eu

here=$(dirname "$0")
rules=${1:-$here/../lib/audit/rules.tsv}

echo "/* Made by po/rule-texts.sh from lib/audit/rules.tsv, for xgettext alone. */"
awk -F '\t' '
/^#/ || /^$/ { next }
columns == "" { for (i = 1; i <= NF; i++) column[$i] = i; columns = NF; next }
{
    for (i = 1; i <= 2; i++) {
        text = $(i == 1 ? column["reason"] : column["fix"])
        if (text == "-" || text == "" || text in seen) continue
        seen[text] = 1
        gsub(/\\/, "\\\\", text)
        gsub(/"/, "\\\"", text)
        printf "T(\"%s\");\n", text
    }
}' "$rules"
