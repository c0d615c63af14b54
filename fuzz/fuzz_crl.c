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
    MUST(clo_bytes_equal(clo_crl_der(crl), clo_bytes(data, size)));
    MUST(lies_within(clo_crl_issuer_name(crl), clo_crl_der(crl)));
    MUST(lies_within(clo_crl_number(crl), clo_crl_der(crl)));
    MUST(lies_within(clo_crl_authority_key(crl), clo_crl_der(crl)));
    MUST(clo_crl_count(crl) <= size);
    MUST(!clo_crl_find(crl, clo_bytes("", 0), NULL));
    return 0;
}
