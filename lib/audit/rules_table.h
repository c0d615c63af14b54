/* rules.tsv, as embed.sh puts it into the program. */
#ifndef CLOISTER_AUDIT_RULES_TABLE_H
#define CLOISTER_AUDIT_RULES_TABLE_H

#include <stddef.h>

extern const unsigned char clo_audit_table[];
extern const size_t clo_audit_table_size;

#endif
