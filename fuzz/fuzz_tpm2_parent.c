#include "lib/tcg/tpm2_seal.h"

#include "fuzz.h"

static bool fill(void *context, void *out, size_t size)
{
    uint8_t *bytes = out;

    (void)context;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)i;
    return true;
}

/* What is taken as a storage key lies inside the input, and can be sealed to. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_tpm2_parent_free) struct clo_tpm2_parent parent = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    const struct clo_random random = { .fill = fill };
    const struct clo_digest policy = { .hash = CLO_HASH_SHA256 };
    struct clo_error err;

    if (!clo_tpm2_parent_parse(clo_bytes(data, size), &parent, &err))
        return 0;
    MUST(parent.public_part.data >= data && parent.public_part.size <= size);
    MUST(parent.symmetric_bits == 128 || parent.symmetric_bits == 256);
    /* An odd RSA key may be one that nothing can be sealed to. */
    if (clo_tpm2_seal_offline(&parent, &policy, clo_bytes_text("secret"), clo_bytes(NULL, 0),
                              &random, &out, &err))
        MUST(out.size > 100);
    return 0;
}
