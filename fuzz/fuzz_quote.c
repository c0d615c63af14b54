#include "cloister/quote.h"

#include "fuzz.h"

/* One input is tried as each of a quote's parts; what parses lies inside it and within its bounds. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_quote quote;
    struct clo_quote_signature signature;
    struct clo_error err;
    bool is_restricted;

    if (clo_quote_parse(in, &quote, &err)) {
        MUST(lies_within(quote.qualified_signer, in) && lies_within(quote.qualifying_data, in));
        MUST(lies_within(quote.pcr_digest, in) && clo_bytes_equal(quote.attest, in));
        MUST(quote.selection_count <= CLO_QUOTE_SELECTIONS_MAX);
    }
    if (clo_quote_signature_parse(in, &signature, &err))
        MUST(signature.size <= sizeof signature.bytes && signature.hash != CLO_HASH_NONE);
    if (clo_tpm_public_parse(in, &key, &is_restricted, &err))
        MUST(clo_public_key_bits(key) > 0);
    return 0;
}
