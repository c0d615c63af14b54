/* Both sides of a credential, against a software TPM that the test starts; without swtpm it says SKIP. */
#include "device/tpm_endorsement.h"

#include "device/random.h"
#include "lib/tcg/tpm_challenge.h"
#include "swtpm.h"

static const struct clo_tpm_identity usual = { 0 };

struct shown {
    struct clo_buffer ek, ak, certificates;
};

static void free_shown(struct shown *shown)
{
    clo_buffer_free(&shown->ek);
    clo_buffer_free(&shown->ak);
    clo_buffer_free(&shown->certificates);
}

static void read_identity(struct shown *out)
{
    struct clo_error err;

    if (!clo_tpm_identity_read(tpm, &usual, &out->ek, &out->ak, &out->certificates, &err))
        fail_msg("%s", err.text);
}

static void challenge(const struct shown *shown, struct clo_buffer *credential,
                      struct clo_tpm_challenge *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kept = { 0 };
    struct clo_error err;

    if (!clo_tpm_challenge_make(clo_buffer_bytes(&shown->ek), clo_buffer_bytes(&shown->ak),
                                clo_bytes(NULL, 0), &clo_random_system, credential, &kept, &err) ||
        !clo_tpm_challenge_parse(clo_buffer_bytes(&kept), out, &err))
        fail_msg("%s", err.text);
}

static bool activate(const struct clo_buffer *credential, struct clo_secret **out,
                     struct clo_error *err)
{
    struct clo_tpm_credential parsed;

    return clo_tpm_credential_parse(clo_buffer_bytes(credential), &parsed, err) &&
           clo_tpm_activate(tpm, &usual, &parsed, out, err);
}

static void test_answer(void **state)
{
    CLO_CLEANUP(free_shown) struct shown shown = { .ek = { 0 } };
    CLO_CLEANUP(free_shown) struct shown again = { .ek = { 0 } };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer credential = { 0 };
    CLO_CLEANUP(clo_tpm_challenge_free) struct clo_tpm_challenge kept = { .ak = { 0 } };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    struct clo_error err;

    (void)state;
    read_identity(&shown);
    read_identity(&again);
    CHECK(clo_bytes_equal(clo_buffer_bytes(&shown.ak), clo_buffer_bytes(&again.ak)) &&
                  clo_bytes_equal(clo_buffer_bytes(&shown.ek), clo_buffer_bytes(&again.ek)),
          "keys that are made are the same each time");
    CHECK(shown.certificates.size == 0, "this TPM has no certificate");
    challenge(&shown, &credential, &kept);
    CHECK(activate(&credential, &secret, &err), err.text);
    CHECK(clo_tpm_challenge_is_answered(&kept, clo_secret_bytes(secret)), "the answer");
}

/* The TPM does not open what is for another key next to its own endorsement key, nor for another TPM. */
static void test_others(void **state)
{
    CLO_CLEANUP(free_shown) struct shown shown = { .ek = { 0 } };
    struct clo_error err;

    (void)state;
    read_identity(&shown);
    for (int which = 0; which < 3; which++) {
        CLO_CLEANUP(free_shown) struct shown other = { .ek = { 0 } };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer credential = { 0 };
        CLO_CLEANUP(clo_tpm_challenge_free) struct clo_tpm_challenge kept = { .ak = { 0 } };
        CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
        clo_buffer_append(&other.ek, clo_buffer_bytes(&shown.ek));
        clo_buffer_append(&other.ak, clo_buffer_bytes(&shown.ak));
        if (which == 0) /* another attestation key */
            other.ak.data[other.ak.size - 9] ^= 1;
        if (which == 1) /* another endorsement key */
            other.ek.data[other.ek.size - 9] ^= 1;
        challenge(&other, &credential, &kept);
        if (which == 2) /* changed on its way */
            credential.data[20] ^= 1;
        CHECK(!activate(&credential, &secret, &err), "it opens what is not its own");
        CHECK(err.status == CLO_ERR_REFUSED &&
                      strstr(err.text, "is not for the keys of this TPM") != NULL,
              err.text);
    }
}

static void test_quote(void **state)
{
    CLO_CLEANUP(free_shown) struct shown shown = { .ek = { 0 } };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer attest = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    CLO_CLEANUP(clo_tpm_public_free) struct clo_tpm_public key = { .key = NULL };
    struct clo_quote_verified quote;
    struct clo_error err;

    (void)state;
    read_identity(&shown);
    CHECK(clo_tpm_identity_quote(tpm, &usual, CLO_HASH_SHA256, 1, clo_bytes_text("nonce"), &attest,
                                 &signature, &err),
          err.text);
    CHECK(clo_tpm_public_read(clo_buffer_bytes(&shown.ak), &key, &err), err.text);
    CHECK(clo_quote_verify(clo_buffer_bytes(&attest), clo_buffer_bytes(&signature), key.key, false,
                           &quote, &err),
          err.text);
}

static void test_absent(void **state)
{
    const struct clo_tpm_identity nowhere = { .ek = 0x81010077 };
    const struct clo_tpm_identity no_ak = { .ak = 0x81010077 };
    CLO_CLEANUP(free_shown) struct shown shown = { .ek = { 0 } };
    struct clo_error err;

    (void)state;
    CHECK(!clo_tpm_identity_read(tpm, &nowhere, &shown.ek, &shown.ak, &shown.certificates, &err) &&
                  err.status == CLO_ERR_UNAVAILABLE &&
                  strstr(err.text, "0x81010077: endorsement key") != NULL,
          err.text);
    CHECK(!clo_tpm_identity_read(tpm, &no_ak, &shown.ek, &shown.ak, &shown.certificates, &err) &&
                  strstr(err.text, "0x81010077: attestation key") != NULL,
          err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_absent),
    };

    return cmocka_run_group_tests(tests, start_swtpm, stop_swtpm);
}
