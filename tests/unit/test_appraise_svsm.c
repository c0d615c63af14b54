/* SEV-SNP with a service module at VMPL 0: what its report, its manifest, the TPM's answer and the quote show together. */
#include "cloister/appraise.h"
#include "cloister/encoding.h"
#include "lib/appraise/verified.h"
#include "lib/snp/svsm.h"
#include "lib/tcg/tpm_challenge.h"
#include "snp_chain.h"
#include "tpm_area_maker.h"

#define NONCE "one nonce"
#define OTHER                          \
    "11111111111111111111111111111111" \
    "11111111111111111111111111111111" \
    "11111111111111111111111111111111"

static struct snp_maker maker;
static struct clo_private_key *ek, *ak, *other;

static int make_keys(void **state)
{
    struct clo_error err;

    (void)state;
    snp_maker_init(&maker);
    return clo_private_key_new(CLO_KEY_P256, 0, &ek, &err) &&
                           clo_private_key_new(CLO_KEY_P256, 0, &ak, &err) &&
                           clo_private_key_new(CLO_KEY_P256, 0, &other, &err)
                   ? 0
                   : 1;
}

static int free_keys(void **state)
{
    (void)state;
    snp_maker_free(&maker);
    clo_private_key_free(ek);
    clo_private_key_free(ak);
    clo_private_key_free(other);
    return 0;
}

struct scene {
    uint8_t vmpl;
    bool other_nonce, other_manifest, no_vtpm, ek_signs;
    bool no_answer, wrong_answer, answer_of_other_ek, quote_by_other_key, report_is_forged;
    const char *policy; /* its "snp"; NULL: none */
    const char *
            first; /* that of another with the same roots, by which the evidence was verified; NULL: the same */
    bool is_strict; /* in place of a policy of the owner's */
    bool no_manifest, gives_ak, must_be_gce;
};

static void must(bool ok, const struct clo_error *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

static void make_manifest(const struct scene *scene, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    static const struct clo_guid empty = { { 1 } };

    tpm_area_make(&(struct tpm_area){ scene->ek_signs ? TPM_AK : TPM_EK }, ek, &area);
    from_hex("bb9e8463923d7046a1ff58f9c94b87bb", out);
    clo_buffer_le32(out, 48 + (uint32_t)area.size);
    clo_buffer_le32(out, 1);
    clo_buffer_guid(out, scene->no_vtpm ? &empty : &clo_svsm_vtpm);
    clo_buffer_le32(out, 48);
    clo_buffer_le32(out, (uint32_t)area.size);
    clo_buffer_append(out, clo_buffer_bytes(&area));
}

static void make_report(const struct scene *scene, struct clo_bytes manifest,
                        struct clo_snp_certificates *certificates)
{
    uint8_t nonce[64] = NONCE;
    struct clo_digest digest;

    if (scene->other_nonce)
        nonce[0] ^= 1;
    const struct clo_bytes parts[] = { clo_bytes(nonce, sizeof nonce),
                                       scene->other_manifest ? clo_bytes_text("other") : manifest };
    clo_hash_many(CLO_HASH_SHA512, parts, 2, &digest);
    snp_maker_reset(&maker);
    maker.report[0x30] = scene->vmpl;
    memcpy(maker.report + 0x50, digest.bytes, 64);
    maker.sign_with_wrong_key = scene->report_is_forged;
    snp_maker_make(&maker, certificates);
}

static void sized(struct clo_buffer *out, struct clo_bytes bytes)
{
    clo_buffer_be16(out, (uint16_t)bytes.size);
    clo_buffer_append(out, bytes);
}

/* Of PCR 0 in the SHA-256 bank, which is zero. */
static void make_quote(const struct scene *scene, struct clo_buffer *attest,
                       struct clo_buffer *signature)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer raw = { 0 };
    static const uint8_t zero[32];
    struct clo_digest digest;
    struct clo_error err;

    clo_hash(CLO_HASH_SHA256, clo_bytes(zero, sizeof zero), &digest);
    clo_buffer_be32(attest, 0xff544347);
    clo_buffer_be16(attest, 0x8018);
    sized(attest, clo_bytes_text("signer"));
    sized(attest, clo_bytes_text(NONCE));
    clo_buffer_be64(attest, 1);
    clo_buffer_be64(attest, 0);
    clo_buffer_u8(attest, 1);
    clo_buffer_be64(attest, 0);
    clo_buffer_be32(attest, 1);
    clo_buffer_be16(attest, 0x000b);
    clo_buffer_u8(attest, 3);
    clo_buffer_append(attest, clo_bytes("\1\0\0", 3));
    sized(attest, clo_digest_bytes(&digest));
    must(clo_signature_make(scene->quote_by_other_key ? other : ak, CLO_ECDSA_RAW, CLO_HASH_SHA256,
                            clo_buffer_bytes(attest), &raw, &err),
         &err);
    clo_buffer_be16(signature, 0x0018);
    clo_buffer_be16(signature, 0x000b);
    sized(signature, clo_bytes(raw.data, 32));
    sized(signature, clo_bytes(raw.data + 32, 32));
}

static void make_challenge(const struct scene *scene, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_tpm_challenge_free) struct clo_tpm_challenge kept = { .ak = { 0 } };
    struct clo_error err;

    clo_hash(CLO_HASH_SHA256, clo_bytes_text("answer"), &kept.answer);
    tpm_area_make(&(struct tpm_area){ TPM_EK }, scene->answer_of_other_ek ? other : ek, &kept.ek);
    tpm_area_make(&(struct tpm_area){ TPM_AK }, ak, &kept.ak);
    must(clo_tpm_challenge_write(&kept, out, &err), &err);
}

static struct clo_policy *policy_of(const char *snp)
{
    struct clo_policy *policy;
    struct clo_error err;
    char text[512];

    snprintf(text, sizeof text,
             "{\"cloister_policy\":1,\"tee\":[\"snp\"],\"roots\":[\"amd\"],"
             "\"evidence\":[\"svsm\"],\"snp\":{%s}}",
             snp);
    must(clo_policy_parse(clo_bytes_text(text), &policy, &err), &err);
    return policy;
}

/* As a broker does for several secrets: verified once, and held against each one's policy. */
static void appraise_in_stages(const struct clo_evidence *evidence,
                               const struct clo_appraise_inputs *inputs, const char *first,
                               struct clo_appraisal **out)
{
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *mate = policy_of(first);
    CLO_CLEANUP(clo_verified_evidence_freep) struct clo_verified_evidence *verified = NULL;
    const struct clo_appraise_terms terms = { .policy = inputs->policy };
    struct clo_appraise_inputs before = *inputs;
    struct clo_error err;

    before.policy = mate;
    must(clo_evidence_verify(evidence, &before, &verified, &err) &&
                 clo_appraise_verified(verified, &terms, out, &err),
         &err);
}

static struct clo_appraisal *appraise(const struct scene *scene)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *given = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer manifest = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer attest = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kept = { 0 };
    struct clo_appraisal *appraisal;
    struct clo_error err;

    make_manifest(scene, &manifest);
    make_report(scene, clo_buffer_bytes(&manifest), &certificates);
    make_quote(scene, &attest, &signature);
    make_challenge(scene, &kept);
    must(clo_evidence_new(&evidence, &err), &err);
    must(clo_evidence_add(evidence, CLO_EVIDENCE_SNP_REPORT,
                          clo_bytes(maker.report, sizeof maker.report), &err) &&
                 (scene->no_manifest || clo_evidence_add(evidence, CLO_EVIDENCE_SVSM_MANIFEST,
                                                         clo_buffer_bytes(&manifest), &err)) &&
                 clo_evidence_add(evidence, CLO_EVIDENCE_TPM_QUOTE, clo_buffer_bytes(&attest),
                                  &err) &&
                 clo_evidence_add(evidence, CLO_EVIDENCE_TPM_SIGNATURE,
                                  clo_buffer_bytes(&signature), &err),
         &err);
    if (scene->policy != NULL)
        policy = policy_of(scene->policy);
    if (scene->is_strict)
        must(clo_policy_strict(&policy, &err), &err);
    if (scene->gives_ak)
        must(clo_private_key_public(ak, &given, &err), &err);
    const struct clo_appraise_inputs inputs = {
        .policy = policy,
        .ak = given,
        .must_be_gce = scene->must_be_gce,
        .activation = { scene->no_answer ? clo_bytes(NULL, 0) : clo_buffer_bytes(&kept),
                        clo_bytes_text(scene->wrong_answer ? "other" : "answer") },
        .expected_qualifying = clo_bytes_text(NONCE),
        .at = SNP_MAKER_NOW,
        .roots = &maker.root,
        .root_count = 1,
        .endorsements.certificates = &certificates,
    };
    if (scene->first != NULL)
        appraise_in_stages(evidence, &inputs, scene->first, &appraisal);
    else
        must(clo_appraise(evidence, &inputs, &appraisal, &err), &err);
    return appraisal;
}

static void test_checks(void **state)
{
    static const struct {
        const char *name;
        struct scene scene;
        const char *fails, *detail; /* NULL: nothing does */
    } cases[] = {
        { "all of it", { 0 }, NULL, NULL },
        { "no answer, and nothing hangs on it", { .no_answer = true }, NULL, NULL },
        { "no answer, and a policy",
          { .no_answer = true, .policy = "" },
          "svsm.ak",
          "nothing shows that the quote" },
        { "a report of VMPL 1", { .vmpl = 1 }, "svsm.vmpl", "only VMPL 0 speaks" },
        { "another nonce", { .other_nonce = true }, "svsm.binding", "is not the SHA-512 digest" },
        { "another manifest",
          { .other_manifest = true },
          "svsm.binding",
          "is not the SHA-512 digest" },
        { "no TPM among the services", { .no_vtpm = true }, "svsm.vtpm", "no service that is" },
        { "a key that signs as the TPM's",
          { .ek_signs = true },
          "svsm.vtpm",
          "not for decrypting" },
        { "another answer", { .wrong_answer = true }, "svsm.ak", "not what the credential held" },
        { "an answer of another TPM",
          { .answer_of_other_ek = true },
          "svsm.ak",
          "another endorsement key than the manifest's" },
        { "a quote by another key",
          { .quote_by_other_key = true },
          "tpm.quote.signature",
          "does not hold" },
        { "a forged report", { .report_is_forged = true }, "snp.signature", "not signed by" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_appraisal_freep)
        struct clo_appraisal *appraisal = appraise(&cases[i].scene);
        const struct clo_checks *checks = clo_appraisal_checks(appraisal);
        const struct clo_check *quote = clo_checks_get(checks, "tpm.quote.signature");
        if (cases[i].fails == NULL) {
            CHECK(clo_appraisal_status(appraisal) == CLO_WARNING, clo_appraisal_summary(appraisal));
            CHECK((quote->result == CLO_CHECK_PASS) == !cases[i].scene.no_answer, cases[i].name);
            continue;
        }
        const struct clo_check *check = clo_checks_get(checks, cases[i].fails);
        CHECK(check != NULL && check->result == CLO_CHECK_FAIL, cases[i].name);
        CHECK(strstr(check->detail, cases[i].detail) != NULL, check->detail);
        CHECK(clo_appraisal_status(appraisal) == CLO_CONTRAINDICATED, cases[i].name);
        /* Where the report does not vouch for the TPM, its quote counts for nothing. */
        CHECK(check == quote || quote->result == CLO_CHECK_SKIP, cases[i].name);
    }
}

/* The same report under policies that know its launch digest as another thing. */
static void test_measurement(void **state)
{
    static const struct {
        const char *name, *policy, *detail; /* NULL: it holds */
    } cases[] = {
        { "which launches have a module is not said", "\"measurement\":[\"%s\"]",
          "does not say which launch measurements have a service module" },
        { "firmware without a module",
          "\"measurement\":[\"%s\"],\"svsm_measurement\":[\"" OTHER "\"]",
          "launch measurement of a service module" },
        { "a launch with a module", "\"measurement\":[\"%s\"],\"svsm_measurement\":[\"%s\"]",
          NULL },
    };
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *bare = appraise(&(struct scene){ 0 });
    char hex[97];

    (void)state;
    clo_hex_text(clo_bytes(maker.report + 0x90, 48), hex);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        char text[400] = "";
        /* Each has the digest once or twice. */
        for (const char *at = cases[i].policy; *at != '\0'; at++)
            if (strncmp(at, "%s", 2) == 0) {
                strncat(text, hex, sizeof text - strlen(text) - 1);
                at++;
            } else {
                strncat(text, at, 1);
            }
        CLO_CLEANUP(clo_appraisal_freep)
        struct clo_appraisal *appraisal = appraise(&(struct scene){ .policy = text });
        const struct clo_check *check =
                clo_checks_get(clo_appraisal_checks(appraisal), "policy.svsm");
        CHECK(check != NULL && (check->result == CLO_CHECK_PASS) == (cases[i].detail == NULL),
              cases[i].name);
        CHECK(cases[i].detail == NULL || strstr(check->detail, cases[i].detail) != NULL,
              check->detail);
    }
}

/* Each policy decides for itself, whichever of them the evidence was verified by. */
static void test_stages(void **state)
{
    static const char any[] = "\"svsm_measurement\":\"any\"", none[] = "\"measurement\":\"any\"";
    static const struct {
        const char *first, *policy;
        bool holds;
    } cases[] = { { any, none, false }, { none, any, true } };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_appraisal_freep)
        struct clo_appraisal *appraisal =
                appraise(&(struct scene){ .first = cases[i].first, .policy = cases[i].policy });
        const struct clo_check *check =
                clo_checks_get(clo_appraisal_checks(appraisal), "policy.svsm");
        CHECK(check != NULL, cases[i].policy);
        CHECK((check->result != CLO_CHECK_FAIL) == cases[i].holds, check->detail);
    }
}

static bool leaves_module_open(const struct scene *scene)
{
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = appraise(scene);
    bool is_open = false;
    const char *why;

    for (size_t i = 0; i < clo_appraisal_open_count(appraisal); i++)
        is_open |= strcmp(clo_appraisal_open(appraisal, i, &why), "firmware") == 0 &&
                   strstr(why, "has a service module") != NULL;
    return is_open;
}

/* Where no policy of the owner's says it, it is said that nothing does. */
static void test_open(void **state)
{
    (void)state;
    CHECK(leaves_module_open(&(struct scene){ .vmpl = 0 }), "no policy");
    CHECK(leaves_module_open(&(struct scene){ .is_strict = true }), "the strict one");
    CHECK(leaves_module_open(&(struct scene){ .policy = "\"svsm_measurement\":\"any\"" }),
          "any launch");
    CHECK(!leaves_module_open(&(struct scene){ .policy = "\"svsm_measurement\":[\"" OTHER "\"]" }),
          "a launch is named");
}

/* The attester chooses the kind of evidence: by another one than was meant it gets around nothing that the caller gave. */
static void test_given(void **state)
{
    static const struct {
        const char *name;
        struct scene scene;
        const char *fails, *detail;
    } cases[] = {
        { "a credential, and a report alone",
          { .no_manifest = true },
          "tpm.ak.credential",
          "no credential decides" },
        { "a key, and a report alone",
          { .no_manifest = true, .no_answer = true, .gives_ak = true },
          "tpm.ak.key",
          "does not bind the key" },
        { "a key, and a manifest without an answer",
          { .no_answer = true, .gives_ak = true },
          "tpm.ak.key",
          "does not bind the key" },
        { "Google's word, and a report alone",
          { .no_manifest = true, .no_answer = true, .must_be_gce = true },
          "tpm.ak.instance",
          "no certificate of Google's decides" },
        { "Google's word, and a manifest",
          { .must_be_gce = true },
          "tpm.ak.instance",
          "no certificate of Google's decides" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_appraisal_freep)
        struct clo_appraisal *appraisal = appraise(&cases[i].scene);
        const struct clo_check *check =
                clo_checks_get(clo_appraisal_checks(appraisal), cases[i].fails);
        CHECK(check != NULL && check->result == CLO_CHECK_FAIL, cases[i].name);
        CHECK(strstr(check->detail, cases[i].detail) != NULL, check->detail);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checks), cmocka_unit_test(test_measurement),
        cmocka_unit_test(test_stages), cmocka_unit_test(test_open),
        cmocka_unit_test(test_given),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
