/* Evidence whose makers hash their runtime data as the KBS protocol has it, and init-data that the launch holds. */
#include "scene.h"

#include "cloister/encoding.h"

static struct scene scene;
static struct clo_snp_certificates certificates;

#define RUNTIME(additional) \
    "{\"additional-evidence\":\"" additional "\",\"nonce\":\"" NONCE "\",\"tee-pubkey\":%s}"

static int make_scene(void **state)
{
    (void)state;
    scene_init(&scene);
    return 0;
}

static int free_scene(void **state)
{
    (void)state;
    scene_free(&scene);
    return 0;
}

/* A bare report over the digest; HOST_DATA as given. */
static struct clo_evidence *make_bare(const char *runtime, struct clo_bytes field,
                                      struct clo_bytes host_data)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer pem = { 0 };
    struct clo_evidence *evidence;
    struct clo_error err;

    scene_reset(&scene);
    memset(scene.maker.report + 0x50, 0, 64);
    memcpy(scene.maker.report + 0x50, field.data, field.size);
    if (host_data.size > 0)
        memcpy(scene.maker.report + 0xc0, host_data.data, host_data.size);
    clo_snp_certificates_free(&certificates);
    snp_maker_make(&scene.maker, &certificates);
    must(clo_evidence_new(&evidence, &err), &err);
    for (size_t i = 0; i < certificates.count; i++)
        must(clo_pem_write("CERTIFICATE", clo_certificate_der(certificates.items[i]), &pem, &err),
             &err);
    must(clo_evidence_add(evidence, CLO_EVIDENCE_SNP_REPORT,
                          clo_bytes(scene.maker.report, sizeof scene.maker.report), &err),
         &err);
    must(clo_evidence_add(evidence, CLO_EVIDENCE_SNP_CERTIFICATES, clo_buffer_bytes(&pem), &err),
         &err);
    must(clo_evidence_add(evidence, CLO_EVIDENCE_RUNTIME_DATA, clo_bytes_text(runtime), &err),
         &err);
    return evidence;
}

static void runtime_text(const char *format, char *out, size_t size)
{
    CLO_CLEANUP(clo_json_freep) json_t *jwk = jwk_of(scene.transport);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;

    must(clo_json_write(jwk, &text, &err), &err);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(out, size, format, clo_buffer_string(&text));
#pragma GCC diagnostic pop
}

static struct clo_appraisal *appraise_bare(const char *runtime, struct clo_bytes field,
                                           struct clo_bytes bound, struct clo_bytes host_data,
                                           struct clo_bytes init_data)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct clo_appraisal *appraisal;
    struct clo_error err;

    evidence = make_bare(runtime, field, host_data);
    const struct clo_appraise_inputs inputs = { .expected_nonce = clo_bytes_text(NONCE),
                                                .at = SNP_MAKER_NOW,
                                                .roots = &scene.maker.root,
                                                .root_count = 1,
                                                .runtime_digest = bound,
                                                .init_data = init_data };
    must(clo_appraise(evidence, &inputs, &appraisal, &err), &err);
    return appraisal;
}

static bool passed(const struct clo_appraisal *appraisal, const char *id)
{
    const struct clo_check *check = clo_checks_get(clo_appraisal_checks(appraisal), id);

    return check != NULL && check->result == CLO_CHECK_PASS;
}

static void test_bound(void **state)
{
    char runtime[1024];
    struct clo_digest digest;
    uint8_t followed[64] = { 0 };

    (void)state;
    runtime_text(RUNTIME(""), runtime, sizeof runtime);
    clo_hash(CLO_HASH_SHA384, clo_bytes_text(runtime), &digest);
    struct clo_bytes bound = clo_digest_bytes(&digest);
    memcpy(followed, digest.bytes, 48);
    followed[63] = 1;
    const struct {
        const char *name;
        struct clo_bytes field, bound;
        bool binds;
    } cases[] = {
        { "the digest and zeros", bound, bound, true },
        { "something after the digest", clo_bytes(followed, 64), bound, false },
        { "another digest", clo_bytes(followed + 1, 48), bound, false },
        { "a digest of nothing", bound, clo_bytes(followed, 0), false },
        { "as our own do it, in a session that is not for those", bound, clo_bytes(NULL, 0),
          false },
    };
    for (size_t i = 0; i + 1 < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_appraisal_freep)
        struct clo_appraisal *appraisal = appraise_bare(runtime, cases[i].field, cases[i].bound,
                                                        clo_bytes(NULL, 0), clo_bytes(NULL, 0));
        CHECK(passed(appraisal, "snp.report_data") == cases[i].binds, cases[i].name);
        CHECK((clo_appraisal_tee_pubkey(appraisal) != NULL) == cases[i].binds, cases[i].name);
        CHECK(clo_appraisal_is_authentic(appraisal) == cases[i].binds, cases[i].name);
    }
    /* Without the caller's word for it the members that others have are refused. */
    CLO_CLEANUP(clo_evidence_freep)
    struct clo_evidence *evidence = make_bare(runtime, bound, clo_bytes(NULL, 0));
    const struct clo_appraise_inputs inputs = { .at = SNP_MAKER_NOW };
    struct clo_appraisal *appraisal;
    struct clo_error err;
    CHECK(!clo_appraise(evidence, &inputs, &appraisal, &err), "not our own runtime data");
    CHECK(strstr(err.text, "unknown member \"additional-evidence\"") != NULL, err.text);
}

static void test_additional(void **state)
{
    char runtime[1024];
    struct clo_digest digest;

    (void)state;
    runtime_text(RUNTIME("gpu"), runtime, sizeof runtime);
    clo_hash(CLO_HASH_SHA384, clo_bytes_text(runtime), &digest);
    CLO_CLEANUP(clo_appraisal_freep)
    struct clo_appraisal *appraisal =
            appraise_bare(runtime, clo_digest_bytes(&digest), clo_digest_bytes(&digest),
                          clo_bytes(NULL, 0), clo_bytes(NULL, 0));
    CHECK(strstr(clo_appraisal_warning(appraisal, 0), "was not appraised") != NULL, "said");
    CHECK(strcmp(json_string_value(
                         json_object_get(clo_appraisal_claims(appraisal), "additional_evidence")),
                 "not appraised") == 0,
          "and claimed");
}

static void test_host_data(void **state)
{
    static const uint8_t digest[48] = "what was handed in at the start, and its digest";
    static const uint8_t other[48] = "what was handed in at the start? and its digest";
    static const uint8_t zeros[32] = { 0 };
    const struct {
        const char *name;
        struct clo_bytes host_data, init_data;
        bool holds;
    } cases[] = {
        { "a digest of 32 bytes", clo_bytes(digest, 32), clo_bytes(digest, 32), true },
        { "one that is cut", clo_bytes(digest, 32), clo_bytes(digest, 48), true },
        { "one with zeros after it", clo_bytes(digest, 20), clo_bytes(digest, 20), true },
        { "another one", clo_bytes(digest, 32), clo_bytes(other, 32), false },
        { "none that was handed in", clo_bytes(zeros, 32), clo_bytes(digest, 32), false },
        { "the beginning of one", clo_bytes(digest, 32), clo_bytes(digest, 20), false },
    };
    char runtime[1024];
    struct clo_digest bound;

    (void)state;
    runtime_text(RUNTIME(""), runtime, sizeof runtime);
    clo_hash(CLO_HASH_SHA384, clo_bytes_text(runtime), &bound);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_appraisal_freep)
        struct clo_appraisal *appraisal =
                appraise_bare(runtime, clo_digest_bytes(&bound), clo_digest_bytes(&bound),
                              cases[i].host_data, cases[i].init_data);
        CHECK(passed(appraisal, "init_data") == cases[i].holds, cases[i].name);
        CHECK((clo_appraisal_status(appraisal) == CLO_CONTRAINDICATED) == !cases[i].holds,
              cases[i].name);
        CHECK((json_object_get(clo_appraisal_claims(appraisal), "init_data") != NULL) ==
                      cases[i].holds,
              cases[i].name);
    }
}

/* Of a TPM's guest PCR 8 has to be extended by it, and quoted. */
static void test_pcr8(void **state)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates made = { 0 };
    static const uint8_t digest[32] = "an init-data digest, of 32 byte";
    struct clo_error err;

    (void)state;
    /* Extended, and not quoted: what the guest says of it counts for nothing. */
    for (int extended = 0; extended < 3; extended++) {
        CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
        clo_evidence_freep(&evidence);
        scene_reset(&scene);
        scene.quoted = extended == 2 ? scene.quoted & ~(1U << 8) : scene.quoted | 1U << 8;
        scene.init_data = extended != 0 ? clo_bytes(digest, 32) : clo_bytes(NULL, 0);
        must(clo_evidence_new(&evidence, &err), &err);
        clo_snp_certificates_free(&made);
        make_evidence(&scene, evidence, &made);
        const struct clo_appraise_inputs inputs = { .expected_nonce = clo_bytes_text(NONCE),
                                                    .at = SNP_MAKER_NOW,
                                                    .roots = &scene.maker.root,
                                                    .root_count = 1,
                                                    .endorsements = { .certificates = &made },
                                                    .init_data = clo_bytes(digest, 32) };
        must(clo_appraise(evidence, &inputs, &appraisal, &err), &err);
        CHECK(passed(appraisal, "init_data") == (extended == 1), clo_appraisal_summary(appraisal));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_additional),
        cmocka_unit_test(test_host_data),
        cmocka_unit_test(test_pcr8),
    };

    return cmocka_run_group_tests(tests, make_scene, free_scene);
}
