#include <string.h>

#include "cloister/tdx_collateral.h"

#include "fuzz.h"

/* A whole certificate: what parses says what its extension says, and who issued it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    struct clo_tdx_pck first = { .pce_svn = 1 };
    struct clo_tdx_pck second = { .pce_svn = 2 };
    struct clo_error err;

    if (!clo_certificate_parse(clo_bytes(data, size), &certificate, &err) ||
        !clo_tdx_pck_parse(certificate, &first, &err))
        return 0;
    MUST(clo_tdx_pck_parse(certificate, &second, &err));
    MUST(first.pce_svn == second.pce_svn && first.ca == second.ca);
    MUST(memcmp(first.fmspc, second.fmspc, sizeof first.fmspc) == 0);
    MUST(first.has_platform_instance_id == second.has_platform_instance_id);
    return 0;
}
