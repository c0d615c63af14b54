/* Bundles of endorsements: what is read can be signed, and says the same when it is read again. */
#include "verifier/endorsements/endorsement_bundle.h"

#include <stdlib.h>

#include "fuzz_key.h"

static void free_set(struct clo_endorsement_set **set)
{
    clo_endorsement_set_free(*set);
}

static void check_again(const struct clo_endorsement_set *set, int64_t made)
{
    CLO_CLEANUP(free_set) struct clo_endorsement_set *again = calloc(1, sizeof *again);
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bundle = { 0 };
    struct clo_error err;
    int64_t when;

    if (!clo_endorsement_bundle_write(set, made, fuzz_key(), &bundle, &err))
        return;
    MUST(again != NULL && clo_private_key_public(fuzz_key(), &key, &err));
    MUST(clo_endorsement_bundle_read(clo_buffer_bytes(&bundle), key, &when, again, &err));
    MUST(when == made && again->certificate_count == set->certificate_count);
    MUST(again->crl_count == set->crl_count && again->collateral_count == set->collateral_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(free_set) struct clo_endorsement_set *set = calloc(1, sizeof *set);
    struct clo_error err;
    int64_t made;

    if (set == NULL || !clo_endorsement_bundle_parse(clo_bytes(data, size), &made, set, &err))
        return 0;
    MUST(set->certificate_count <= CLO_ENDORSEMENT_CERTIFICATES_MAX);
    MUST(set->crl_count <= CLO_ENDORSEMENT_CRLS_MAX);
    MUST(set->collateral_count <= CLO_ENDORSEMENT_SETS_MAX);
    check_again(set, made);
    return 0;
}
