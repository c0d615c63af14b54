#include "cloister/appraise.h"

#include "nitro_maker.h"

static void must(bool ok, const struct clo_error *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

/* The value of the maker's PCR n, in hex. */
static const char *pcr_hex(unsigned n)
{
    static char hex[8][97];
    uint8_t value[48];

    memset(value, (int)n + 1, sizeof value);
    return clo_hex_text(clo_bytes(value, sizeof value), hex[n]);
}

static struct clo_appraisal *appraise_with(const char *text, const char *nonce,
                                           const char *runtime_data,
                                           const struct clo_reference *reference)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    struct clo_appraisal *appraisal;
    struct clo_error err;

    nitro_maker_make(&maker, &file);
    must(clo_evidence_new(&evidence, &err), &err);
    must(clo_evidence_add(evidence, CLO_EVIDENCE_NITRO_DOCUMENT, clo_buffer_bytes(&file), &err),
         &err);
    if (runtime_data != NULL)
        must(clo_evidence_add(evidence, CLO_EVIDENCE_RUNTIME_DATA, clo_bytes_text(runtime_data),
                              &err),
             &err);
    if (text != NULL)
        must(clo_policy_parse(clo_bytes_text(text), &policy, &err), &err);
    const struct clo_appraise_inputs inputs = {
        .policy = policy,
        .references = &reference,
        .reference_count = reference != NULL,
        .expected_qualifying = nonce == NULL ? (struct clo_bytes){ 0 } : clo_bytes_text(nonce),
        .at = NITRO_NOW,
        .roots = &maker.root,
        .root_count = text == NULL,
    };
    must(clo_appraise(evidence, &inputs, &appraisal, &err), &err);
    return appraisal;
}

static enum clo_check_result result(const struct clo_appraisal *appraisal, const char *id)
{
    const struct clo_check *check = clo_checks_get(clo_appraisal_checks(appraisal), id);

    if (check == NULL)
        fail_msg("%s was not made", id);
    return check->result;
}

/* A policy for enclaves whose roots and PCRs a case names. */
static const char *policy_text(const char *tee, const char *root, const char *member)
{
    static char text[2000];
    char hex[65];

    snprintf(text, sizeof text, "{\"cloister_policy\":1,\"tee\":[\"%s\"],\"roots\":[\"%s\"]%s}",
             tee, root != NULL ? root : clo_hex_text(clo_digest_bytes(&maker.root), hex), member);
    return text;
}

static void test_enclave(void **state)
{
    static const char other[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
                                "00112233445566778899aabbccddeeff";
    const struct {
        const char *name, *tee, *root, *pcr, *more;
        bool is_debug;
        const char *nonce, *fails; /* NULL: it is accepted */
    } cases[] = {
        { "as the policy says", "nitro", NULL, pcr_hex(0), "", false, NITRO_NONCE, NULL },
        { "another image", "nitro", NULL, other, "", false, NITRO_NONCE, "policy.nitro.pcr0" },
        { "no image is named", "nitro", NULL, NULL, "", false, NITRO_NONCE, "policy.nitro.pcr0" },
        { "debug mode", "nitro", NULL, NULL, "", true, NITRO_NONCE, "policy.debug" },
        { "another nonce", "nitro", NULL, pcr_hex(0), "", false, "other nonce", "nitro.nonce" },
        { "another platform", "snp", NULL, NULL, "", false, NITRO_NONCE, "policy.tee" },
        { "AWS's root alone", "nitro", "aws", pcr_hex(0), "", false, NITRO_NONCE, "nitro.root" },
        { "a TPM's PCRs are demanded", "nitro", NULL, pcr_hex(0), ",\"pcrs\":[0,4,12]", false,
          NITRO_NONCE, "policy.evidence" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        char member[400] = "";
        nitro_maker_reset(&maker);
        maker.is_debug = cases[i].is_debug;
        if (cases[i].pcr != NULL)
            snprintf(member, sizeof member, ",\"nitro\":{\"pcrs\":{\"0\":[\"%s\"]}}%s",
                     cases[i].pcr, cases[i].more);
        CLO_CLEANUP(clo_appraisal_freep)
        struct clo_appraisal *appraisal = appraise_with(
                policy_text(cases[i].tee, cases[i].root, member), cases[i].nonce, NULL, NULL);
        if (cases[i].fails != NULL) {
            CHECK(clo_appraisal_status(appraisal) == CLO_CONTRAINDICATED, cases[i].name);
            CHECK(result(appraisal, cases[i].fails) == CLO_CHECK_FAIL, cases[i].name);
        } else {
            CHECK(clo_appraisal_status(appraisal) == CLO_AFFIRMING,
                  clo_appraisal_summary(appraisal));
        }
    }
}

/* Its debug mode is allowed, and is open all the same. */
static void test_debug(void **state)
{
    (void)state;
    nitro_maker_reset(&maker);
    maker.is_debug = true;
    CLO_CLEANUP(clo_appraisal_freep)
    struct clo_appraisal *appraisal =
            appraise_with(policy_text("nitro", NULL,
                                      ",\"nitro\":{\"pcrs\":{\"0\":\"any\"},\"allow_debug\":true}"),
                          NITRO_NONCE, NULL, NULL);
    CHECK(clo_appraisal_status(appraisal) == CLO_WARNING, clo_appraisal_summary(appraisal));
    CHECK(strstr(clo_appraisal_summary(appraisal), "debug") != NULL,
          clo_appraisal_summary(appraisal));
}

/* Authentic, and nothing more was asked; a nonce that is not there is not one that matches. */
static void test_without_policy(void **state)
{
    (void)state;
    nitro_maker_reset(&maker);
    CLO_CLEANUP(clo_appraisal_freep)
    struct clo_appraisal *authentic = appraise_with(NULL, NULL, NULL, NULL);
    CHECK(clo_appraisal_status(authentic) == CLO_WARNING, clo_appraisal_summary(authentic));
    CHECK(result(authentic, "nitro.nonce") == CLO_CHECK_SKIP, "no nonce");
    const json_t *claims = clo_appraisal_claims(authentic);
    CHECK(strcmp(json_string_value(json_object_get(claims, "module_id")), NITRO_MODULE) == 0,
          "module");
    maker.nonce = clo_bytes(NULL, 0);
    CLO_CLEANUP(clo_appraisal_freep)
    struct clo_appraisal *stale = appraise_with(NULL, NITRO_NONCE, NULL, NULL);
    CHECK(result(stale, "nitro.nonce") == CLO_CHECK_FAIL, "none in the document");
}

static struct clo_reference *make_reference(const char *pcr4)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_reference *reference;
    struct clo_error err;

    clo_buffer_printf(
            &text,
            "{\"cloister_reference\":1,\"name\":\"aws\",\"origin\":\"prediction\",\"pcrs\":{"
            "\"sha384\":{\"0\":\"%s\",\"4\":\"%s\",\"12\":\"%s\"}},\"events\":{}}",
            pcr_hex(0), pcr4, pcr_hex(3));
    must(clo_reference_parse(clo_buffer_bytes(&text), &reference, &err), &err);
    return reference;
}

/* An instance's PCRs are a TPM's: reference values hold them, and policy "pcrs" demands them. */
static void test_tpm(void **state)
{
    const char *text;

    (void)state;
    nitro_maker_reset(&maker);
    maker.is_tpm = true;
    maker.pcr_index = 12;
    text = policy_text("nitro", NULL, ",\"pcrs\":[0,4]");
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *sound = make_reference(pcr_hex(4));
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *other = make_reference(pcr_hex(5));
    CLO_CLEANUP(clo_appraisal_freep)
    struct clo_appraisal *appraisal = appraise_with(text, NITRO_NONCE, NULL, sound);
    CHECK(result(appraisal, "pcr.0") == CLO_CHECK_PASS, "PCR 0");
    CHECK(result(appraisal, "pcr.4") == CLO_CHECK_PASS, "PCR 4");
    CHECK(result(appraisal, "policy.pcrs") == CLO_CHECK_FAIL, "PCR 12 is left out");
    CHECK(result(appraisal, "policy.evidence") == CLO_CHECK_PASS, "kind");
    CLO_CLEANUP(clo_appraisal_freep)
    struct clo_appraisal *wrong = appraise_with(text, NITRO_NONCE, NULL, other);
    CHECK(result(wrong, "pcr.4") == CLO_CHECK_FAIL, "another boot loader");
    CLO_CLEANUP(clo_appraisal_freep)
    struct clo_appraisal *bare =
            appraise_with(policy_text("nitro", NULL, ""), NITRO_NONCE, NULL, NULL);
    CHECK(clo_appraisal_status(bare) == CLO_CONTRAINDICATED &&
                  result(bare, "pcr") == CLO_CHECK_FAIL,
          "a policy without reference values");
}

/* user_data binds the runtime data, and with it the key that a secret would go to. */
static void test_runtime_data(void **state)
{
    static const char data[] = "{\"nonce\":\"n\",\"tee-pubkey\":{\"crv\":\"P-256\",\"kty\":\"EC\","
                               "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
                               "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}}";
    struct clo_digest digest;

    (void)state;
    nitro_maker_reset(&maker);
    clo_hash(CLO_HASH_SHA512, clo_bytes_text(data), &digest);
    maker.user_data = clo_digest_bytes(&digest);
    CLO_CLEANUP(clo_appraisal_freep)
    struct clo_appraisal *bound = appraise_with(NULL, NULL, data, NULL);
    CHECK(result(bound, "nitro.nonce") == CLO_CHECK_PASS, "bound");
    digest.bytes[0] ^= 1;
    CLO_CLEANUP(clo_appraisal_freep)
    struct clo_appraisal *foreign = appraise_with(NULL, NULL, data, NULL);
    CHECK(result(foreign, "nitro.nonce") == CLO_CHECK_FAIL, "another's");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enclave),        cmocka_unit_test(test_debug),
        cmocka_unit_test(test_without_policy), cmocka_unit_test(test_tpm),
        cmocka_unit_test(test_runtime_data),
    };

    return cmocka_run_group_tests(tests, nitro_make_keys, nitro_free_keys);
}
