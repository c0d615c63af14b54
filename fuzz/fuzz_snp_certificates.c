#include "cloister/snp.h"

#include "fuzz.h"

/* What is read are whole certificates, each once; a leaf's hwID lies inside its certificate. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    struct clo_error err;

    if (!clo_snp_certificates_add(&certificates, clo_bytes(data, size), &err))
        return 0;
    MUST(certificates.crl_count <= CLO_SNP_CRLS_MAX);
    MUST(certificates.count > 0 && certificates.count <= CLO_SNP_CERTIFICATES_MAX);
    for (size_t i = 0; i < certificates.count; i++) {
        struct clo_snp_leaf leaf;
        struct clo_bytes der = clo_certificate_der(certificates.items[i]);
        for (size_t k = 0; k < i; k++)
            MUST(!clo_bytes_equal(der, clo_certificate_der(certificates.items[k])));
        if (!clo_snp_leaf_parse(certificates.items[i], &leaf, &err))
            continue;
        MUST(leaf.is_vlek ? leaf.hw_id.size == 0 : leaf.hw_id.size == 64 || leaf.hw_id.size == 8);
        MUST(leaf.spl.microcode >= 0 && leaf.spl.microcode <= 255);
    }
    json_t *json = clo_snp_certificates_json(&certificates);
    MUST(json != NULL);
    json_decref(json);
    return 0;
}
