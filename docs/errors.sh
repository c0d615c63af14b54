#!/bin/sh
# errors.sh [FOLDER]: prints docs/errors.md from docs/errors.tsv (of that docs folder).
set -eu
docs=${1:-$(dirname "$0")}
cat <<'EOF'
# The word at the end of an error

Made by `docs/errors.sh` from `docs/errors.tsv`. An error is one line and ends with a word in brackets, which stays the same when the text is
changed: `cloister: disk.img: GPT: no "EFI PART" at sector 1 [disk.format]`. Before the dot is the part of Cloister that failed (a folder of the
source: `disk` is `lib/disk/`), after it how. The line's own words say more than the row here: read them first, from right to left.

| after the dot | what it is | exit status |
| --- | --- | --- |
| `refused` | the answer is no: a signature, a digest, a policy | 1 |
| `unverified` | it could not be shown to be authentic | 1 |
| `usage` | the command asks for something that makes no sense | 2 |
| `format` | an input is malformed or cannot be read | 3 |
| `unsupported` | an input is well formed, and of a kind that is not handled | 3 |
| `system` | memory, disk or the operating system failed | 4 |
| `unavailable` | a device, tool or service is not there | 4 |

A guest that does not open its disk ends its console with such a line, and its report has the code as `code`. The broker's answers have none: they keep to
their protocol's own stable word, the URL in `type` ([trustee](trustee.md)), and what failed inside of the broker is for its log, not for who asks.

The `errors` test in `tests/cli` fails when an error of the source has no row here, or a row no error. What checks of evidence say has ids of its own:
[verify](verify.md), [checks](checks.md). From the words of the most frequent errors to what to do: [troubleshooting](troubleshooting.md).
EOF
awk -F '\t' '
    NR > 1 {
        part = $1
        sub(/\..*/, "", part)
        if (part != before)
            printf "\n## %s\n\n| code | it means | do |\n| --- | --- | --- |\n", part
        before = part
        printf "| `%s` | %s | %s |\n", $1, $2, $3
    }' "$docs/errors.tsv"
