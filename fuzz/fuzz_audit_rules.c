#include "cloister/audit.h"

#include <string.h>

#include "fuzz.h"

/* A table that is taken can be asked about nothing at all, and its rules then never say more than
 * "unknown" of options, and each can be fixed and found again by its id. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_audit_rules_freep) struct clo_audit_rules *rules = NULL;
    CLO_CLEANUP(clo_audit_free) struct clo_audit audit = { 0 };
    struct clo_audit_facts facts = { .about = { true, true, true, true, true } };
    struct clo_error err;

    MUST(clo_audit_rules_new(&rules, &err));
    if (!clo_audit_rules_add(rules, clo_bytes(data, size), &err))
        return 0;
    MUST(clo_audit_run(&(struct clo_audit_request){ rules, ~0U, NULL, 0 }, &facts, &audit, &err));
    MUST(audit.count <= clo_audit_rules_count(rules));
    for (size_t i = 0; i < audit.count; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer fix = { 0 };
        MUST(audit.findings[i].result == CLO_AUDIT_OPEN);
        MUST(clo_audit_fix(audit.findings[i].rule, &fix, &err));
        for (size_t k = 0; k < i; k++)
            MUST(strcmp(audit.findings[i].rule->id, audit.findings[k].rule->id) != 0);
    }
    return 0;
}
