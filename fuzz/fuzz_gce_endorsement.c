#include "lib/cloud/gce_endorsement.h"

#include "fuzz.h"

/* What parses is within its bounds, and authentic for nobody whose root nobody named. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_checks_free) struct clo_checks checks = { 0 };
    const struct clo_gce_endorsement_trust nobody = { .at = 1780000000 };
    struct clo_gce_endorsement endorsement;
    struct clo_error err = { .status = CLO_OK };

    if (!clo_gce_endorsement_parse(clo_bytes(data, size), &endorsement, &err)) {
        MUST(err.status == CLO_ERR_FORMAT && err.text[0] != '\0');
        return 0;
    }
    MUST(endorsement.snp_count <= CLO_GCE_MEASUREMENTS_MAX &&
         endorsement.tdx_count <= CLO_GCE_MEASUREMENTS_MAX);
    MUST(endorsement.snp_count + endorsement.tdx_count > 0);
    for (size_t i = 0; i < endorsement.snp_count; i++)
        MUST(endorsement.snp[i].size == CLO_GCE_MEASUREMENT_SIZE);
    MUST(!clo_gce_endorsement_verify(&endorsement, &nobody, &checks, &err));
    return 0;
}
