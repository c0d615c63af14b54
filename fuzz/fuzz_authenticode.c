#include "cloister/authenticode.h"

#include <string.h>

#include "fuzz.h"

/* What a signature says of itself lies in the table; what its own certificates verify was not changed. */
static void check_signatures(const struct clo_pe *pe)
{
    struct clo_authenticode_walk walk = clo_authenticode_walk(pe->certificates);
    struct clo_authenticode_signature signature;
    struct clo_error err = { .status = CLO_OK };
    enum clo_next next;

    while ((next = clo_authenticode_next(&walk, &signature, &err)) != CLO_NEXT_END) {
        struct clo_bytes named;
        if (next == CLO_NEXT_FAILED) {
            MUST(err.status != CLO_OK && err.text[0] != '\0');
            continue;
        }
        MUST(lies_within(signature.content, pe->certificates));
        MUST(lies_within(signature.signed_attributes, pe->certificates));
        MUST(lies_within(signature.signature, pe->certificates));
        MUST(signature.certificate_count <= CLO_AUTHENTICODE_CERTIFICATES_MAX);
        for (size_t k = 0; k < signature.certificate_count; k++)
            MUST(lies_within(signature.certificates[k], pe->certificates));
        MUST(!clo_authenticode_signer(&signature, &named) || lies_within(named, pe->certificates));
    }
}

/* A digest that comes out stays the same when what it leaves out changes, and none of the file's own
 * certificates verifies a file whose signed bytes were changed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_freep) struct clo_pe *pe = malloc(sizeof *pe);
    CLO_CLEANUP(clo_freep) uint8_t *changed = malloc(size + 1);
    struct clo_authenticode_image image = { 0 };
    struct clo_authenticode_verdict verdict;
    struct clo_digest digest;
    struct clo_digest other;
    struct clo_error err;

    MUST(pe != NULL && changed != NULL);
    /* As signature lists, the bytes allow nothing that has no signature. */
    image.digests[CLO_HASH_SHA256].hash = CLO_HASH_SHA256;
    image.digests[CLO_HASH_SHA384].hash = CLO_HASH_SHA384;
    image.digests[CLO_HASH_SHA512].hash = CLO_HASH_SHA512;
    memset(image.digests[CLO_HASH_SHA256].bytes, 0xa5, 32);
    memset(image.digests[CLO_HASH_SHA384].bytes, 0xa5, 48);
    memset(image.digests[CLO_HASH_SHA512].bytes, 0xa5, 64);
    if (clo_authenticode_appraise(&image, clo_bytes(data, size), clo_bytes(NULL, 0), &verdict,
                                  &err))
        MUST(!verdict.is_allowed || memmem(data, size, image.digests[CLO_HASH_SHA256].bytes, 32));

    if (!clo_pe_parse(clo_bytes(data, size), pe, &err) ||
        !clo_authenticode_digest(pe, CLO_HASH_SHA256, &digest, &err))
        return 0;
    check_signatures(pe);
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
