#include "cloister/id_block.h"

#include "fuzz.h"

/* A block that parses writes back equal; the parts of an authentication structure lie in it, and a
 * key that reads is written as it stood. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_snp_id_block block;
    struct clo_snp_id_auth auth;
    struct clo_error err;

    if (clo_snp_id_block_parse(in, &block, &err)) {
        clo_snp_id_block_write(&block, &out);
        MUST(clo_bytes_equal(clo_buffer_bytes(&out), in));
    }
    if (!clo_snp_id_auth_parse(in, &auth, &err))
        return 0;
    MUST(lies_within(auth.id_block_signature, in) && lies_within(auth.id_key, in));
    MUST(lies_within(auth.id_key_signature, in) && lies_within(auth.author_key, in));
    if (clo_snp_id_key_parse(auth.id_key, &key, &err)) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
        MUST(clo_snp_id_key_write(key, &again, &err));
        MUST(clo_bytes_equal(clo_buffer_bytes(&again), auth.id_key));
    }
    return 0;
}
