#ifndef CLOISTER_AUDIT_WAIVERS_H
#define CLOISTER_AUDIT_WAIVERS_H

#include "cloister/audit.h"

/* The reason of a waiver for a rule that still holds on a day ("2026-11-24…"); NULL. */
const char *clo_audit_waived(const struct clo_audit_waivers *waivers, const char *id,
                             const char *day);
/* Is each of them for a rule that there is? A misspelt one waives nothing, and nobody would notice. */
CLO_MUST_USE bool clo_audit_waivers_known(const struct clo_audit_waivers *waivers,
                                          const struct clo_audit_rules *rules,
                                          struct clo_error *err);

#endif
