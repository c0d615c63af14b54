#ifndef CLOISTER_CLI_AUDIT_TEXT_H
#define CLOISTER_CLI_AUDIT_TEXT_H

#include "cloister/audit.h"

/* An audit for people, on standard output: by severity, down to what is recommended; what is fit and
 * the rest only with `everything`. */
void cli_audit_print(const struct clo_audit *audit, const struct clo_audit_facts *facts,
                     const char *subject, enum clo_audit_severity level, bool everything);

#endif
