#include "cloister/authenticode.h"

#include <string.h>

#include "fuzz.h"

/* A digest that comes out stays the same when what it leaves out changes, and none of the file's own
 * certificates verifies a file whose signed bytes were changed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_freep) struct clo_pe *pe = malloc(sizeof *pe);
    CLO_CLEANUP(clo_freep) uint8_t *changed = malloc(size + 1);
    struct clo_digest digest;
    struct clo_digest other;
    struct clo_error err;

    MUST(pe != NULL && changed != NULL);
    if (!clo_pe_parse(clo_bytes(data, size), pe, &err) ||
        !clo_authenticode_digest(pe, CLO_HASH_SHA256, &digest, &err))
        return 0;
    for (size_t i = 0; i < 4; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
        CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
        enum clo_hash hash;
        if (!clo_authenticode_certificate(pe, i, &der) ||
            !clo_certificate_parse(clo_buffer_bytes(&der), &certificate, &err))
            break;
        if (!clo_authenticode_verify(pe, certificate, &hash, &err))
            MUST(err.status != CLO_OK);
    }
    memcpy(changed, data, size);
    changed[pe->checksum_offset] ^= 0xff;
    MUST(clo_pe_parse(clo_bytes(changed, size), pe, &err));
    MUST(clo_authenticode_digest(pe, CLO_HASH_SHA256, &other, &err));
    MUST(clo_digest_equal(&digest, &other));
    return 0;
}
