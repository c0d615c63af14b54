/* A pretend SEV-SNP platform for unit tests: ARK, ASK and VCEK made on the spot, and a Milan report
 * (version 3) signed by that VCEK; with switches for what may be wrong. */
#ifndef CLOISTER_TEST_SNP_CHAIN_H
#define CLOISTER_TEST_SNP_CHAIN_H

#include "cloister/snp.h"
#include "lib/crypto/certificate_make.h"
#include "test.h"

#define SNP_MAKER_NOW 1780000000LL

struct snp_maker {
    struct clo_private_key *ark, *ask, *vcek, *wrong_rsa, *wrong_ec;
    struct clo_digest root;
    uint8_t chip_id[64];
    /* Set again by snp_maker_reset(). */
    uint8_t report[CLO_SNP_REPORT_SIZE];
    bool sign_with_wrong_key;
    size_t flip_after_signing;
    const char *product; /* in DER */
    enum clo_signature_scheme leaf_scheme;
    enum clo_hash leaf_hash;
    bool leaf_has_key_usage;
    bool intermediate_is_no_ca;
    bool intermediate_by_wrong_key;
    bool leave_out_intermediate;
    bool leave_out_root;
};

static inline struct clo_public_key *snp_maker_public(const struct clo_private_key *key)
{
    struct clo_public_key *public_key;
    struct clo_error err;

    if (!clo_private_key_public(key, &public_key, &err))
        fail_msg("%s", err.text);
    return public_key;
}

static inline void snp_maker_init(struct snp_maker *maker)
{
    struct clo_error err;

    *maker = (struct snp_maker){ 0 };
    if (!clo_private_key_new(CLO_KEY_RSA, 2048, &maker->ark, &err) ||
        !clo_private_key_new(CLO_KEY_RSA, 2048, &maker->ask, &err) ||
        !clo_private_key_new(CLO_KEY_RSA, 2048, &maker->wrong_rsa, &err) ||
        !clo_private_key_new(CLO_KEY_P384, 0, &maker->vcek, &err) ||
        !clo_private_key_new(CLO_KEY_P384, 0, &maker->wrong_ec, &err))
        fail_msg("%s", err.text);
    CLO_CLEANUP(clo_public_key_freep)
    struct clo_public_key *ark = snp_maker_public(maker->ark);
    if (!clo_public_key_fingerprint(ark, &maker->root, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < sizeof maker->chip_id; i++)
        maker->chip_id[i] = (uint8_t)(i + 1);
}

static inline void snp_maker_free(struct snp_maker *maker)
{
    clo_private_key_free(maker->ark);
    clo_private_key_free(maker->ask);
    clo_private_key_free(maker->vcek);
    clo_private_key_free(maker->wrong_rsa);
    clo_private_key_free(maker->wrong_ec);
}

/* TCB: bootloader 3, tee 0, snp 8, microcode 115. */
static inline void snp_maker_reset(struct snp_maker *maker)
{
    static const uint8_t tcb[8] = { 3, 0, 0, 0, 0, 0, 8, 115 };
    static const size_t tcbs[] = { 0x38, 0x180, 0x1e0, 0x1f0 };
    uint8_t *report = maker->report;

    maker->leaf_has_key_usage = false;
    maker->product = "\x16\x08Milan-B0";
    memset(report, 0, sizeof maker->report);
    report[0] = 3;
    report[0x0a] = 0x03; /* policy: SMT, and the bit that must be one */
    report[0x34] = 1;
    memset(report + 0x90, 0xab, 48);
    for (size_t i = 0; i < CLO_COUNT(tcbs); i++)
        memcpy(report + tcbs[i], tcb, sizeof tcb);
    report[0x188] = 0x19;
    report[0x189] = 0x01;
    report[0x18a] = 0x01;
    memcpy(report + 0x1a0, maker->chip_id, sizeof maker->chip_id);
    maker->sign_with_wrong_key = false;
    maker->flip_after_signing = 0;
    maker->leaf_scheme = CLO_RSASSA_PSS;
    maker->leaf_hash = CLO_HASH_SHA384;
    maker->intermediate_is_no_ca = false;
    maker->intermediate_by_wrong_key = false;
    maker->leave_out_intermediate = false;
    maker->leave_out_root = false;
}

static inline void snp_maker_certificate(struct clo_certificate_spec *spec,
                                         const struct clo_private_key *subject_key,
                                         const struct clo_certificate *issuer,
                                         const struct clo_private_key *issuer_key,
                                         struct clo_certificate **out)
{
    CLO_CLEANUP(clo_public_key_freep)
    struct clo_public_key *subject = snp_maker_public(subject_key);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer der = { 0 };
    struct clo_error err;

    spec->organization = "Pretend Micro Devices";
    spec->not_before = SNP_MAKER_NOW - 86400;
    spec->not_after = SNP_MAKER_NOW + 3650LL * 86400;
    spec->serial = clo_bytes("\x01", 1);
    if (!clo_certificate_make(spec, subject, issuer, issuer_key, &der, &err) ||
        !clo_certificate_parse(clo_buffer_bytes(&der), out, &err))
        fail_msg("%s", err.text);
}

/* Signs the report as it stands, and makes the chain. */
static inline void snp_maker_make(struct snp_maker *maker, struct clo_snp_certificates *out)
{
    const uint8_t *product = (const uint8_t *)maker->product;
    const struct clo_certificate_extension_spec extensions[] = {
        { "1.3.6.1.4.1.3704.1.1", { (const uint8_t *)"\x02\x01\x00", 3 }, false },
        { "1.3.6.1.4.1.3704.1.2", { product, 2 + (size_t)product[1] }, false },
        { "1.3.6.1.4.1.3704.1.3.1", { (const uint8_t *)"\x02\x01\x03", 3 }, false },
        { "1.3.6.1.4.1.3704.1.3.2", { (const uint8_t *)"\x02\x01\x00", 3 }, false },
        { "1.3.6.1.4.1.3704.1.3.3", { (const uint8_t *)"\x02\x01\x08", 3 }, false },
        { "1.3.6.1.4.1.3704.1.3.8", { (const uint8_t *)"\x02\x01\x73", 3 }, false },
        { "1.3.6.1.4.1.3704.1.4", { maker->chip_id, 64 }, false },
        { "2.5.29.15", { (const uint8_t *)"\x03\x02\x07\x80", 4 }, true }, /* digitalSignature */
    };
    struct clo_certificate_spec root_spec = { .common_name = "ARK-Pretend",
                                              .is_ca = true,
                                              .scheme = CLO_RSASSA_PSS,
                                              .hash = CLO_HASH_SHA384 };
    struct clo_certificate_spec intermediate_spec = { .common_name = "SEV-Pretend",
                                                      .is_ca = !maker->intermediate_is_no_ca,
                                                      .scheme = CLO_RSASSA_PSS,
                                                      .hash = CLO_HASH_SHA384 };
    struct clo_certificate_spec leaf_spec = { .common_name = "SEV-VCEK",
                                              .extensions = extensions,
                                              .extension_count = CLO_COUNT(extensions) -
                                                                 !maker->leaf_has_key_usage,
                                              .scheme = maker->leaf_scheme,
                                              .hash = maker->leaf_hash };
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *root = NULL;
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *intermediate = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    struct clo_certificate *leaf;
    struct clo_error err;

    snp_maker_certificate(&root_spec, maker->ark, NULL, maker->ark, &root);
    snp_maker_certificate(&intermediate_spec, maker->ask, root,
                          maker->intermediate_by_wrong_key ? maker->wrong_rsa : maker->ark,
                          &intermediate);
    snp_maker_certificate(&leaf_spec, maker->vcek, intermediate, maker->ask, &leaf);
    out->items[out->count++] = leaf;
    if (!maker->leave_out_intermediate)
        out->items[out->count++] = CLO_TAKE(intermediate);
    if (!maker->leave_out_root)
        out->items[out->count++] = CLO_TAKE(root);

    memset(maker->report + CLO_SNP_SIGNED_SIZE, 0, CLO_SNP_REPORT_SIZE - CLO_SNP_SIGNED_SIZE);
    if (!clo_signature_make(maker->sign_with_wrong_key ? maker->wrong_ec : maker->vcek,
                            CLO_ECDSA_RAW, CLO_HASH_SHA384,
                            clo_bytes(maker->report, CLO_SNP_SIGNED_SIZE), &signature, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < 48; i++) {
        maker->report[CLO_SNP_SIGNED_SIZE + i] = signature.data[47 - i];
        maker->report[CLO_SNP_SIGNED_SIZE + 72 + i] = signature.data[95 - i];
    }
    if (maker->flip_after_signing != 0)
        maker->report[maker->flip_after_signing] ^= 1;
}

#endif
