#include "lib/cloud/nitro.h"

#include <string.h>

#include "fuzz.h"

/* What parses is within its bounds, says its claims, and is authentic for nobody whose root nobody named. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_nitro_free) struct clo_nitro_document document = { .tree = NULL };
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
    const struct clo_nitro_trust nobody = { .at = 1780000000 };
    struct clo_bytes in = clo_bytes(data, size);
    struct clo_nitro_verified verified;
    struct clo_error err = { .status = CLO_OK };

    if (!clo_nitro_parse(in, &document, &err)) {
        MUST(err.status != CLO_OK && err.text[0] != '\0' && document.tree == NULL);
        return 0;
    }
    MUST(document.pcr_mask != 0 && document.timestamp > 0);
    MUST(strlen(document.module_id) > 0 && strlen(document.module_id) < CLO_NITRO_MODULE_MAX);
    MUST(document.certificate.size > 0 && document.issuer_count > 0 &&
         document.issuer_count <= CLO_NITRO_CERTIFICATES_MAX);
    MUST(document.public_key.size <= 1024 && document.user_data.size <= 512 &&
         document.nonce.size <= 512);
    claims = clo_nitro_claims(&document);
    MUST(claims != NULL);
    MUST(!clo_nitro_verify(in, &document, &nobody, &checks, &verified, &err));
    return 0;
}
