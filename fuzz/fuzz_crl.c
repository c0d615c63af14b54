#include "cloister/crypto.h"

#include "fuzz.h"

/* A list that parses can be asked about everything. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_crl_freep) struct clo_crl *crl = NULL;
    struct clo_error err;

    if (!clo_crl_parse(clo_bytes(data, size), &crl, &err))
        return 0;
    MUST(clo_crl_issuer(crl) != NULL);
    MUST(clo_crl_this_update(crl) != INT64_MAX);
    return 0;
}
