#include "lib/disk/tpm2_token.h"

#include "fuzz.h"

/* What a token says is within its limits, and says the same once it was written and read again. */
static void check(const struct clo_tpm2_token *token)
{
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token again = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *written = clo_tpm2_token_json(token);
    CLO_CLEANUP(clo_json_freep) json_t *twice = NULL;
    struct clo_tpm2_blob blob;
    struct clo_tpm2_srk srk;
    struct clo_error err;

    MUST(token->keyslot < 32 && token->shards >= 1 && token->shards <= CLO_TPM2_SHARDS);
    MUST(token->pcrs >> CLO_TPM2_PCRS == 0 && token->signed_pcrs >> CLO_TPM2_PCRS == 0);
    MUST(token->signed_pcrs == 0 || token->public_key.size != 0);
    MUST(token->argon2_memory <= (uint64_t)1 << 30 && token->argon2_iterations <= 1000);
    for (size_t i = 0; i < token->shards; i++) {
        MUST(token->policies[i].size == 32);
        MUST(clo_tpm2_blob_parse(clo_buffer_bytes(&token->blobs[i]), &blob, &err));
    }
    MUST(token->srk.size == 0 || clo_tpm2_srk_parse(clo_buffer_bytes(&token->srk), &srk, &err));
    MUST(written != NULL && clo_tpm2_token_parse(written, &again, &err));
    twice = clo_tpm2_token_json(&again);
    MUST(json_equal(written, twice));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_tpm2_blob blob;
    struct clo_tpm2_srk srk;
    struct clo_error err = { 0 };

    if (clo_tpm2_blob_parse(clo_bytes(data, size), &blob, &err))
        MUST(blob.private_part.size + blob.public_part.size + blob.seed.size <= size);
    if (clo_tpm2_srk_parse(clo_bytes(data, size), &srk, &err))
        MUST(srk.name.size == 34 && srk.public_part.size < size);
    if (!clo_json_parse(clo_bytes(data, size), &json, &err))
        return 0;
    if (clo_tpm2_token_parse(json, &token, &err))
        check(&token);
    else
        MUST(err.status != CLO_OK);
    return 0;
}
