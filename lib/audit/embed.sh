#!/bin/sh
# embed.sh TABLE OUTPUT: the table as a C array.
set -eu
{
    echo '#include "rules_table.h"'
    echo 'const unsigned char clo_audit_table[] = {'
    od -An -v -tu1 "$1" | sed 's/  *\([0-9][0-9]*\)/\1,/g'
    echo '};'
    echo 'const size_t clo_audit_table_size = sizeof clo_audit_table;'
} >"$2"
