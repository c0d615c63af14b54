/* Which TPM a guest believes after its evidence was accepted: the one whose key stood in it, whatever the host answers for another. */
#include "guest/bound_tpm.h"

#include "cloister/hcl.h"
#include "cloister/jose.h"
#include "guest/disk_use.h"
#include "lib/cloud/hcl_write.h"
#include "lying_tpm.h"

/* Evidence whose HCL report claims this key, or one without a report. */
static void make_evidence(const struct clo_public_key *ak, struct clo_evidence **out)
{
    static const uint8_t report[CLO_HCL_HARDWARE_SIZE];
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer hcl = { 0 };
    struct clo_error err;
    json_t *jwk = NULL;

    assert_true(clo_evidence_new(out, &err));
    if (ak == NULL)
        return;
    assert_true(clo_jwk_from_public_key(ak, &jwk, &err));
    json_object_set_new(jwk, "kid", json_string("HCLAkPub"));
    claims = json_pack("{s:[o]}", "keys", jwk);
    assert_true(clo_json_write(claims, &text, &err));
    assert_true(clo_hcl_write(CLO_HCL_SNP, clo_bytes(report, sizeof report),
                              clo_buffer_bytes(&text), &hcl, &err));
    assert_true(clo_evidence_add(*out, CLO_EVIDENCE_HCL_REPORT, clo_buffer_bytes(&hcl), &err));
}

static void take(struct clo_bound_tpm *bound, const struct clo_public_key *ak)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;

    make_evidence(ak, &evidence);
    clo_bound_tpm_take(bound, evidence);
}

static void test_take(void **state)
{
    CLO_CLEANUP(clo_bound_tpm_free) struct clo_bound_tpm bound = { .ak = NULL };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *ak = NULL;
    struct clo_error err;

    (void)state;
    assert_true(clo_tpm_create_ak(tpm, CLO_TPM_AK, &ak, &err));
    take(&bound, ak);
    assert_non_null(bound.ak);
    /* An exchange is tried again with other evidence: what the last one claims counts. */
    take(&bound, NULL);
    assert_null(bound.ak);
}

static void test_audit(void **state)
{
    static const struct clo_tpm2_name nobody = { .bytes = { 0, 0x0b, 7 } };
    CLO_CLEANUP(clo_bound_tpm_free) struct clo_bound_tpm bound = { .ak = NULL };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *stranger = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *ak = NULL;
    CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *other = NULL;
    struct clo_tpm2_name srk;
    struct clo_error err;

    (void)state;
    (void)open_liar(&other);
    assert_true(clo_private_key_new(CLO_KEY_RSA, 2048, &stranger, &err) &&
                clo_private_key_public(stranger, &ak, &err));
    take(&bound, ak);
    assert_false(clo_bound_tpm_audit(&bound, other, NULL, &srk, &err));
    assert_non_null(strstr(err.text, "the TPM's storage key: "));
    assert_false(clo_bound_tpm_audit(&bound, other, &nobody, &srk, &err));
    assert_non_null(strstr(err.text, "the TPM has another one"));
    clo_public_key_freep(&ak);
    assert_true(clo_tpm_public_key(tpm, CLO_TPM_AK, &ak, &err));
    take(&bound, ak);
    if (!clo_bound_tpm_audit(&bound, other, NULL, &srk, &err))
        fail_msg("%s", err.text);
}

/* The counter of generations as a guest asks for it: an older value, told by the host, is noticed. */
static void test_counter(void **state)
{
    CLO_CLEANUP(clo_bound_tpm_free) struct clo_bound_tpm bound = { .ak = NULL };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *ak = NULL;
    CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *other = NULL;
    struct clo_tpm2_name srk;
    struct clo_error err;
    uint64_t least;

    (void)state;
    struct liar *liar = open_liar(&other);
    assert_true(clo_tpm_public_key(tpm, CLO_TPM_AK, &ak, &err));
    take(&bound, ak);
    if (!clo_bound_tpm_audit(&bound, other, NULL, &srk, &err) ||
        !clo_counter_check(other, 0, 0, &least, &err) || !clo_counter_follow(other, least, &err))
        fail_msg("%s", err.text);
    lie_about(liar, OTHER_VALUE, TPM2_CC_NV_Read);
    assert_false(clo_counter_check(other, 1, least, &least, &err));
    assert_non_null(strstr(err.text, "was changed on its way"));
    lie_about(liar, TRUTH, 0);
    flush_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_audit),
        cmocka_unit_test(test_counter),
    };

    return cmocka_run_group_tests(tests, start_swtpm, stop_swtpm);
}
