/* Credentials and what is kept of them, without a TPM; what a TPM makes of one is in test_tpm_endorsement.c. */
#include "lib/tcg/tpm_challenge.h"
#include "lib/tcg/tpm_credential.h"

#include "test.h"
#include "tpm_area_maker.h"

static bool fill(void *context, void *out, size_t size)
{
    (void)context;
    memset(out, 7, size);
    return true;
}
static bool fail_to_fill(void *context, void *out, size_t size)
{
    (void)context;
    (void)out;
    (void)size;
    return false;
}
static const struct clo_random sevens = { fill, NULL };

/* Which keys a challenge is made for. */
static void test_keys(void **state)
{
    static const struct {
        const char *name;
        struct tpm_area ek, ak;
        const char *error; /* NULL: it is made */
    } cases[] = {
        { "an endorsement and an attestation key", { TPM_EK }, { TPM_AK }, NULL },
        { "P-384, SHA-384, AES-256",
          { TPM_EK, .is_p384 = true, .name_hash = 0x000c, .symmetric_bits = 256 },
          { TPM_AK, .is_p384 = true, .name_hash = 0x000c },
          NULL },
        { "RSA", { TPM_EK, .is_rsa = true }, { TPM_AK }, NULL },
        { "the keys exchanged",
          { TPM_AK },
          { TPM_EK },
          "endorsement key: the key is not for decrypting" },
        { "a storage key that may be elsewhere",
          { TPM_EK & ~CLO_TPMA_FIXED_TPM },
          { TPM_AK },
          "endorsement key: the key is not fixedTPM" },
        { "an attestation key that signs anything",
          { TPM_EK },
          { TPM_AK & ~CLO_TPMA_RESTRICTED },
          "attestation key: the key is not restricted" },
        { "no symmetric algorithm",
          { TPM_EK, .no_symmetric = true },
          { TPM_AK },
          "AES-CFB expected" },
        { "AES with an odd key",
          { TPM_EK, .symmetric_bits = 192 },
          { TPM_AK },
          "symmetric algorithm 0x0006 of 192 bits" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer ek = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer ak = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer credential = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer kept = { 0 };
        struct clo_tpm_credential parsed;
        struct clo_error err = { .text = "" };
        tpm_area_make(&cases[i].ek, NULL, &ek);
        tpm_area_make(&cases[i].ak, NULL, &ak);
        bool made = clo_tpm_challenge_make(clo_buffer_bytes(&ek), clo_buffer_bytes(&ak),
                                           clo_bytes(NULL, 0), &sevens, &credential, &kept, &err);
        CHECK(made == (cases[i].error == NULL), cases[i].name);
        CHECK(made || strstr(err.text, cases[i].error) != NULL, err.text);
        if (!made)
            continue;
        CHECK(clo_tpm_credential_parse(clo_buffer_bytes(&credential), &parsed, &err), err.text);
        for (size_t size = 0; size < credential.size; size++)
            CHECK(!clo_tpm_credential_parse(clo_bytes(credential.data, size), &parsed, &err),
                  "truncated");
    }
}

static void test_files(void **state)
{
    static const struct {
        const char *name, *hex, *error;
    } cases[] = {
        { "empty ones", "badcc0de 00000001 0000 0000", NULL },
        { "another magic", "badcc0df 00000001 0000 0000", "is not a credential" },
        { "another version", "badcc0de 00000002 0000 0000", "version 2" },
        { "object cut short", "badcc0de 00000001 0004 aabb", "truncated" },
        { "bytes after its end", "badcc0de 00000001 0000 0000 00", "1 bytes after its end" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        struct clo_tpm_credential parsed;
        struct clo_error err = { .text = "" };
        (void)from_hex(cases[i].hex, &bytes);
        CHECK(clo_tpm_credential_parse(clo_buffer_bytes(&bytes), &parsed, &err) ==
                      (cases[i].error == NULL),
              cases[i].name);
        CHECK(cases[i].error == NULL || strstr(err.text, cases[i].error) != NULL, err.text);
    }
}

static void make(struct clo_buffer *kept)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer ek = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer ak = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer credential = { 0 };
    struct clo_error err;

    tpm_area_make(&(struct tpm_area){ TPM_EK }, NULL, &ek);
    tpm_area_make(&(struct tpm_area){ TPM_AK, .is_sized = true }, NULL, &ak);
    if (!clo_tpm_challenge_make(clo_buffer_bytes(&ek), clo_buffer_bytes(&ak), clo_bytes_text("PEM"),
                                &sevens, &credential, kept, &err))
        fail_msg("%s", err.text);
}

/* What was kept says which answer is right, and does not tell it. */
static void test_kept(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kept = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
    CLO_CLEANUP(clo_tpm_challenge_free) struct clo_tpm_challenge read = { .ak = { 0 } };
    uint8_t secret[CLO_TPM_CREDENTIAL_SECRET];
    struct clo_error err;

    (void)state;
    memset(secret, 7, sizeof secret);
    make(&kept);
    CHECK(clo_tpm_challenge_parse(clo_buffer_bytes(&kept), &read, &err), err.text);
    CHECK(read.ak.size == 86 &&
                  clo_bytes_equal(clo_buffer_bytes(&read.certificates), clo_bytes_text("PEM")),
          "without the size in front");
    CHECK(clo_tpm_challenge_is_answered(&read, clo_bytes(secret, sizeof secret)), "the answer");
    CHECK(!clo_tpm_challenge_is_answered(&read, clo_bytes(secret, sizeof secret - 1)), "shorter");
    CHECK(!clo_tpm_challenge_is_answered(&read, clo_digest_bytes(&read.answer)), "what was kept");
    CHECK(!clo_tpm_challenge_is_answered(&read, clo_bytes(NULL, 0)), "nothing");
    CHECK(clo_tpm_challenge_write(&read, &again, &err), err.text);
    CHECK(clo_bytes_equal(clo_buffer_bytes(&kept), clo_buffer_bytes(&again)), "written back");
    for (size_t size = 0; size < kept.size; size++) {
        struct clo_tpm_challenge ignored;
        CHECK(!clo_tpm_challenge_parse(clo_bytes(kept.data, size), &ignored, &err), "truncated");
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *name, *text, *error;
    } cases[] = {
        { "another version", "{\"cloister_tpm_challenge\":2}", "version 2" },
        { "an unknown member", "{\"cloister_tpm_challenge\":1,\"x\":1}", "x" },
        { "a short digest",
          "{\"cloister_tpm_challenge\":1,\"ak\":\"AA\",\"ek\":\"AA\",\"answer_sha256\":\"00\"}",
          "\"answer_sha256\": 1 bytes" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_tpm_challenge ignored;
        struct clo_error err = { .text = "" };
        CHECK(!clo_tpm_challenge_parse(clo_bytes_text(cases[i].text), &ignored, &err),
              cases[i].name);
        CHECK(strstr(err.text, cases[i].error) != NULL, err.text);
    }
}

static void test_no_randomness(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer ek = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer ak = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kept = { 0 };
    struct clo_error err;

    (void)state;
    tpm_area_make(&(struct tpm_area){ TPM_EK }, NULL, &ek);
    tpm_area_make(&(struct tpm_area){ TPM_AK }, NULL, &ak);
    CHECK(!clo_tpm_challenge_make(clo_buffer_bytes(&ek), clo_buffer_bytes(&ak), clo_bytes(NULL, 0),
                                  &(struct clo_random){ fail_to_fill, NULL }, &out, &kept, &err) &&
                  strstr(err.text, "no randomness") != NULL && out.size == 0 && kept.size == 0,
          "no randomness");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),          cmocka_unit_test(test_files),
        cmocka_unit_test(test_kept),          cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_randomness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
