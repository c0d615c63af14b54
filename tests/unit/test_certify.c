#include "lib/tcg/certify.h"

#include "test.h"

static const uint8_t nonce_bytes[] = { 1, 2, 3, 4 };
#define NONCE clo_bytes(nonce_bytes, sizeof nonce_bytes)

static void sized(struct clo_buffer *out, struct clo_bytes bytes)
{
    clo_buffer_be16(out, (uint16_t)bytes.size);
    clo_buffer_append(out, bytes);
}

/* TPMS_ATTEST of an object whose name has `name_size` bytes. */
static void make(struct clo_buffer *out, uint32_t magic, uint16_t type, size_t name_size)
{
    uint8_t name[64] = { 0, 0x0b, 0x55 };

    clo_buffer_be32(out, magic);
    clo_buffer_be16(out, type);
    sized(out, clo_bytes_text("signer"));
    sized(out, NONCE);
    clo_buffer_zero(out, 8 + 4 + 4 + 1 + 8);
    sized(out, clo_bytes(name, name_size));
    sized(out, clo_bytes_text("qualified name"));
}

static void sign(const struct clo_private_key *key, enum clo_hash hash,
                 const struct clo_buffer *attest, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bare = { 0 };
    struct clo_error err;

    if (!clo_signature_make(key, CLO_RSASSA_PKCS1, hash, clo_buffer_bytes(attest), &bare, &err))
        fail_msg("%s", err.text);
    clo_buffer_be16(out, 0x0014);
    clo_buffer_be16(out, clo_hash_to_tpm(hash));
    sized(out, clo_buffer_bytes(&bare));
}

static const struct {
    const char *name;
    uint32_t magic;
    uint16_t type;
    size_t name_size;
    enum clo_hash hash;
    bool by_other;
    uint8_t nonce;
    const char *error; /* NULL: it holds */
} cases[] = {
    { "as a TPM makes it", 0xff544347, 0x8017, 34, CLO_HASH_SHA256, false, 4, NULL },
    { "SHA-384", 0xff544347, 0x8017, 34, CLO_HASH_SHA384, false, 4, NULL },
    { "SHA-1", 0xff544347, 0x8017, 34, CLO_HASH_SHA1, false, 4, "signed with SHA-1" },
    { "not made by a TPM", 0xff544348, 0x8017, 34, CLO_HASH_SHA256, false, 4, "no TPM made it" },
    { "a quote", 0xff544347, 0x8018, 34, CLO_HASH_SHA256, false, 4, "attestation of type 0x8018" },
    { "by another key", 0xff544347, 0x8017, 34, CLO_HASH_SHA256, true, 4,
      "signature does not hold" },
    { "another nonce", 0xff544347, 0x8017, 34, CLO_HASH_SHA256, false, 5, "not over the nonce" },
    { "a name of SHA-1", 0xff544347, 0x8017, 22, CLO_HASH_SHA256, false, 4, "a name of 22 bytes" },
    { "no name", 0xff544347, 0x8017, 0, CLO_HASH_SHA256, false, 4, "a name of 0 bytes" },
};

static void test_verify(void **state)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *other = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *ak = NULL;
    struct clo_error err;

    (void)state;
    assert_true(clo_private_key_new(CLO_KEY_RSA, 2048, &key, &err) &&
                clo_private_key_new(CLO_KEY_RSA, 2048, &other, &err) &&
                clo_private_key_public(key, &ak, &err));
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer attest = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
        const uint8_t expected[] = { 1, 2, 3, cases[i].nonce };
        struct clo_tpm2_name name;
        make(&attest, cases[i].magic, cases[i].type, cases[i].name_size);
        sign(cases[i].by_other ? other : key, cases[i].hash, &attest, &signature);
        bool ok = clo_certify_verify(clo_buffer_bytes(&attest), clo_buffer_bytes(&signature), ak,
                                     clo_bytes(expected, sizeof expected), &name, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        CHECK(!ok || name.bytes[2] == 0x55, cases[i].name);
    }
}

static void test_cut(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer attest = { 0 };
    struct clo_certify certify;
    struct clo_error err;

    (void)state;
    make(&attest, 0xff544347, 0x8017, 34);
    for (size_t size = 0; size < attest.size; size++) {
        CHECK(!clo_certify_parse(clo_bytes_slice(clo_buffer_bytes(&attest), 0, size), &certify,
                                 &err),
              "cut");
        CHECK(strstr(err.text, "truncated") != NULL, err.text);
    }
    clo_buffer_u8(&attest, 0);
    assert_false(clo_certify_parse(clo_buffer_bytes(&attest), &certify, &err));
    assert_string_equal(err.text, "certified object: 1 bytes after its end");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
