#!/bin/sh
# audit-rules.sh CLOISTER: prints docs/audit-rules.md from the table that is built in.
set -eu
cat <<'EOF'
# The audit's rules

Made by `docs/audit-rules.sh` from `lib/audit/rules.tsv`; [audit.md](audit.md) says how to read an expression. *Checked*: the
Linux releases in whose Kconfig files the first option was seen; empty for what is not about options. Releases under
*since* and *until* that lie between those are from memory of the kernel's history, and not checked further.
EOF
"$1" audit --print-rules | awk -F '\t' '
    /^#/ || $1 == "id" { next }
    { for (i = 1; i <= NF; i++) { gsub(/\|/, "\\|", $i); if ($i == "-") $i = "" } }
    $2 != group { group = $2; printf "\n## %s\n\n| id | wanted | for | severity | since | until | needs | checked | why | source |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n", toupper(substr(group, 1, 1)) substr(group, 2) }
    { printf "| %s | `%s` | %s | %s | %s | %s | %s | %s | %s | %s |\n", $1, $4, $5, $6, $7, $8, $9 == "" ? "" : "`" $9 "`", $11, $12, $13 }'
