#include "test.h"

#include "cloister/snp.h"
#include "lib/snp/snp_internal.h"

static bool is_root(const struct clo_certificate *certificate)
{
    return strcmp(clo_certificate_subject(certificate), clo_certificate_issuer(certificate)) == 0;
}

/* Three product lines, each with a root of its own, two intermediates under it, all signed as AMD signs. */
static void test_certificates(void **state)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates amd = { 0 };
    struct clo_error err;
    uint32_t products = 0;
    size_t roots = 0;

    (void)state;
    CHECK(clo_snp_certificates_add_amd(&amd, &err), err.text);
    CHECK(amd.count == 9, "ARK, ASK and ASVK of three");
    for (size_t i = 0; i < amd.count; i++) {
        const struct clo_certificate *certificate = amd.items[i];
        const char *subject = clo_certificate_subject(certificate);
        struct clo_digest fingerprint;
        size_t issuers = 0;
        CHECK(clo_public_key_fingerprint(clo_certificate_key(certificate), &fingerprint, &err),
              err.text);
        enum clo_snp_product product = clo_snp_amd_root(&fingerprint);
        CHECK((product != CLO_SNP_UNKNOWN) == is_root(certificate), subject);
        CHECK(snp_is_amd_certificate(certificate) == is_root(certificate), subject);
        roots += is_root(certificate);
        products |= is_root(certificate) ? 1U << product : 0;
        for (size_t k = 0; k < amd.count; k++)
            issuers += is_root(amd.items[k]) &&
                       clo_certificate_verify(certificate, amd.items[k], CLO_RSASSA_PSS,
                                              CLO_HASH_SHA384, &err);
        CHECK(issuers == 1, subject);
    }
    CHECK(roots == 3 &&
                  products == (1U << CLO_SNP_MILAN | 1U << CLO_SNP_GENOA | 1U << CLO_SNP_TURIN),
          "a root for each");
}

static void test_other_roots(void **state)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates amd = { 0 };
    struct clo_digest fingerprint = { .hash = CLO_HASH_SHA256 };
    struct clo_error err;

    (void)state;
    CHECK(clo_snp_amd_root(&fingerprint) == CLO_SNP_UNKNOWN, "zeros");
    CHECK(clo_snp_certificates_add_amd(&amd, &err), err.text);
    for (size_t i = 0; i < amd.count; i++) {
        CHECK(clo_public_key_fingerprint(clo_certificate_key(amd.items[i]), &fingerprint, &err),
              err.text);
        for (size_t k = 0; k < 32; k++) {
            fingerprint.bytes[k] ^= 1;
            CHECK(clo_snp_amd_root(&fingerprint) == CLO_SNP_UNKNOWN, "changed");
            fingerprint.bytes[k] ^= 1;
        }
        fingerprint.hash = CLO_HASH_SHA384;
        CHECK(clo_snp_amd_root(&fingerprint) == CLO_SNP_UNKNOWN, "another hash");
        fingerprint.hash = CLO_HASH_SHA256;
    }
}

/* The roots that the shared vectors carry are those we pin. */
static void test_vectors(void **state)
{
    static const struct {
        const char *file;
        enum clo_snp_product product;
    } cases[] = {
        { "azure/anchors/milan_ask_ark.pem", CLO_SNP_MILAN },
        { "azure/anchors/genoa_ask_ark.pem", CLO_SNP_GENOA },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
        CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates chain = { 0 };
        struct clo_digest fingerprint;
        struct clo_error err;
        size_t found = 0;
        read_vector(cases[i].file, &pem);
        CHECK(clo_snp_certificates_add(&chain, clo_buffer_bytes(&pem), &err), err.text);
        for (size_t k = 0; k < chain.count; k++) {
            CHECK(clo_public_key_fingerprint(clo_certificate_key(chain.items[k]), &fingerprint,
                                             &err),
                  err.text);
            found += clo_snp_amd_root(&fingerprint) == cases[i].product;
        }
        CHECK(found == 1, cases[i].file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_other_roots),
        cmocka_unit_test(test_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
