#include "lib/cloud/uvm_endorsement.h"

#include "fuzz.h"

/* What parses is within its bounds, and authentic for nobody who named neither issuer nor feed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
    const struct clo_uvm_endorsement_trust nobody = { .at = 1780000000 };
    struct clo_uvm_endorsement endorsement;
    struct clo_error err = { .status = CLO_OK };

    if (!clo_uvm_endorsement_parse(clo_bytes(data, size), &endorsement, &err)) {
        MUST(err.status != CLO_OK && err.text[0] != '\0');
        return 0;
    }
    MUST(endorsement.certificate_count >= 2 &&
         endorsement.certificate_count <= CLO_UVM_CERTIFICATES_MAX);
    MUST(endorsement.issuer.size > 0 && endorsement.feed.size > 0 && endorsement.did.count > 0);
    MUST(!clo_uvm_endorsement_verify(&endorsement, &nobody, &checks, &err));
    clo_uvm_endorsement_free(&endorsement);
    return 0;
}
