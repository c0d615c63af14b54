#include "lib/tcg/tpm_public.h"

#include "test.h"

#define GOOD (CLO_TPMA_FIXED_TPM | CLO_TPMA_SENSITIVE_DATA_ORIGIN | CLO_TPMA_RESTRICTED)

/* TPMT_PUBLIC of a P-256 key. */
static void make(uint32_t attributes, uint16_t name_hash, bool is_sized, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *point = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer x = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer y = { 0 };
    struct clo_error err;

    if (!clo_private_key_new(CLO_KEY_P256, 0, &key, &err) ||
        !clo_private_key_public(key, &point, &err) || !clo_public_key_numbers(point, &x, &y, &err))
        fail_msg("%s", err.text);
    if (is_sized)
        clo_buffer_be16(out, 88);
    clo_buffer_be16(out, 0x0023);
    clo_buffer_be16(out, name_hash);
    clo_buffer_be32(out, attributes);
    clo_buffer_be16(out, 0);      /* authPolicy */
    clo_buffer_be16(out, 0x0010); /* symmetric */
    clo_buffer_be16(out, 0x0018); /* ECDSA */
    clo_buffer_be16(out, 0x000b);
    clo_buffer_be16(out, 0x0003);
    clo_buffer_be16(out, 0x0010); /* KDF */
    clo_buffer_be16(out, 32);
    clo_buffer_append(out, clo_buffer_bytes(&x));
    clo_buffer_be16(out, 32);
    clo_buffer_append(out, clo_buffer_bytes(&y));
}

static void test_attributes(void **state)
{
    static const struct {
        const char *name;
        uint32_t attributes;
        const char *attests, *endorses; /* NULL: it does */
    } cases[] = {
        { "an attestation key", GOOD | CLO_TPMA_SIGN, NULL, "not for decrypting" },
        { "an endorsement key", GOOD | CLO_TPMA_DECRYPT, "not for signing", NULL },
        { "both", GOOD | CLO_TPMA_SIGN | CLO_TPMA_DECRYPT, "for decrypting, too",
          "for signing, too" },
        { "not restricted", (GOOD & ~CLO_TPMA_RESTRICTED) | CLO_TPMA_SIGN, "not restricted",
          "not for decrypting" },
        { "may be elsewhere", (GOOD & ~CLO_TPMA_FIXED_TPM) | CLO_TPMA_SIGN, "not fixedTPM",
          "not for decrypting" },
        { "from outside", (GOOD & ~CLO_TPMA_SENSITIVE_DATA_ORIGIN) | CLO_TPMA_SIGN,
          "brought into the TPM", "not for decrypting" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
        CLO_CLEANUP(clo_tpm_public_free) struct clo_tpm_public key = { 0 };
        struct clo_error err;
        make(cases[i].attributes, 0x000b, i % 2 == 1, &area);
        CHECK(clo_tpm_public_read(clo_buffer_bytes(&area), &key, &err), err.text);
        CHECK(key.area.size == 88 && key.attributes == cases[i].attributes, "the area");
        CHECK(clo_tpm_public_attests(&key, &err) == (cases[i].attests == NULL), cases[i].name);
        CHECK(cases[i].attests == NULL || strstr(err.text, cases[i].attests) != NULL, err.text);
        CHECK(clo_tpm_public_endorses(&key, &err) == (cases[i].endorses == NULL), cases[i].name);
        CHECK(cases[i].endorses == NULL || strstr(err.text, cases[i].endorses) != NULL, err.text);
    }
}

static void test_name(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer odd = { 0 };
    CLO_CLEANUP(clo_tpm_public_free) struct clo_tpm_public key = { 0 };
    uint8_t name[CLO_TPM_NAME_MAX];
    struct clo_digest digest;
    struct clo_error err;

    (void)state;
    make(GOOD | CLO_TPMA_SIGN, 0x000c, true, &area);
    CHECK(clo_tpm_public_read(clo_buffer_bytes(&area), &key, &err), err.text);
    clo_hash(CLO_HASH_SHA384, key.area, &digest);
    CHECK(clo_tpm_public_name(&key, name) == 50 && name[0] == 0 && name[1] == 0x0c &&
                  memcmp(name + 2, digest.bytes, 48) == 0,
          "nameAlg and hash");
    make(GOOD | CLO_TPMA_SIGN, 0x0012, false, &odd);
    CHECK(!clo_tpm_public_read(clo_buffer_bytes(&odd), &key, &err) &&
                  err.status == CLO_ERR_UNSUPPORTED,
          "a name of SM3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
