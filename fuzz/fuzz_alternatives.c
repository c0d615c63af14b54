#include "lib/tcg/alternatives.h"

#include "fuzz.h"

/* What is read stays within its limits, and comes to a policy. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct clo_alternatives alternatives;
    struct clo_digest policy;
    struct clo_error err = { 0 };

    if (!clo_alternatives_parse(clo_bytes(data, size), &alternatives, &err)) {
        MUST(err.status != CLO_OK);
        return 0;
    }
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++)
        MUST(alternatives.counts[pcr] <= CLO_TPM2_OR_MAX);
    clo_alternatives_policy(&alternatives, &policy);
    MUST(policy.hash == CLO_HASH_SHA256);
    /* The copy in a header comes to the same policy. */
    CLO_CLEANUP(clo_json_freep) json_t *token = clo_alternatives_token(&alternatives);
    static struct clo_alternatives copy;
    struct clo_digest again;
    MUST(token != NULL && clo_alternatives_is_token(token));
    MUST(clo_alternatives_read(token, &copy, &err));
    clo_alternatives_policy(&copy, &again);
    MUST(clo_digest_equal(&policy, &again));
    CLO_CLEANUP(clo_nv_policy_free) struct clo_nv_policy index = { .pcrs = 0 };
    if (clo_nv_policy_parse(clo_bytes(data, size), &index, &err))
        MUST(index.name.bytes[0] == 0 && index.name.bytes[1] == 0x0b);
    else
        MUST(err.status != CLO_OK);
    return 0;
}
