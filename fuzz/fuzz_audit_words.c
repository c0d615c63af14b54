#include "cloister/audit.h"

#include <string.h>

#include "fuzz.h"

/* Platforms name one TEE at least and only known bits; a severity is one whose name says it again; waivers that parse
 * parse a second time. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_audit_waivers_freep) struct clo_audit_waivers *waivers = NULL;
    CLO_CLEANUP(clo_audit_waivers_freep) struct clo_audit_waivers *again = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    enum clo_audit_severity severity, same;
    unsigned platforms = 0;
    struct clo_error err;

    if (clo_audit_waivers_parse(clo_bytes(data, size), &waivers, &err))
        MUST(clo_audit_waivers_parse(clo_bytes(data, size), &again, &err));
    clo_buffer_append(&text, clo_bytes(data, size));
    const char *words = clo_buffer_string(&text);
    if (words == NULL)
        return 0;
    if (clo_audit_platforms_parse(words, &platforms, &err)) {
        for (unsigned bit = 0; bit < 32; bit++)
            MUST((platforms >> bit & 1) == 0 || clo_audit_platform_name(1U << bit) != NULL);
    }
    if (clo_audit_severity_from_name(words, &severity))
        MUST(clo_audit_severity_from_name(clo_audit_severity_name(severity), &same) &&
             same == severity);
    return 0;
}
