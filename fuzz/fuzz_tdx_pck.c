#include <string.h>

#include "cloister/tdx_collateral.h"

#include "fuzz.h"

/* Nothing is left unset, and what parses once parses the same again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_tdx_pck first = { .pce_svn = 1 };
    struct clo_tdx_pck second = { .pce_svn = 2 };
    struct clo_error err;

    if (!clo_tdx_pck_extension_parse(clo_bytes(data, size), &first, &err))
        return 0;
    MUST(clo_tdx_pck_extension_parse(clo_bytes(data, size), &second, &err));
    MUST(first.pce_svn == second.pce_svn && first.sgx_type == second.sgx_type);
    MUST(memcmp(first.fmspc, second.fmspc, sizeof first.fmspc) == 0);
    MUST(memcmp(first.components, second.components, sizeof first.components) == 0);
    MUST(first.ca == CLO_TDX_CA_UNKNOWN);
    return 0;
}
