/* Key derivation and AES-CFB, held to the documents' own examples and to OpenSSL's program. */
#include "lib/crypto/tpm_crypto.h"

#include "test.h"

static void is(const struct clo_secret *secret, const char *hex, const char *name)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer expected = { 0 };

    CHECK(clo_bytes_equal(clo_secret_bytes(secret), from_hex(hex, &expected)), name);
}

static struct clo_bytes counting(void)
{
    static uint8_t bytes[32];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    return clo_bytes(bytes, sizeof bytes);
}

static void test_tpm(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer context = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *storage = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *integrity = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *seed = NULL;
    struct clo_error err;
    uint8_t u[32], v[32];

    (void)state;
    memset(u, 1, sizeof u);
    memset(v, 2, sizeof v);
    clo_buffer_be16(&context, 0x000b);
    clo_buffer_append(&context, counting());
    assert_true(clo_kdfa(CLO_HASH_SHA256, counting(), "STORAGE", clo_buffer_bytes(&context), 128,
                         &storage, &err));
    is(storage, "8b9746d9cde648e20ad34f7c5099ae8f", "KDFa, 128 bits");
    assert_true(clo_kdfa(CLO_HASH_SHA256, counting(), "INTEGRITY", clo_bytes(NULL, 0), 256,
                         &integrity, &err));
    is(integrity, "bacf689f634ece301e1f1b15b072d9c87db6a69585db42b1a0cb8f73ebe2692e", "KDFa");
    assert_true(clo_kdfe(CLO_HASH_SHA256, counting(), "DUPLICATE", clo_bytes(u, 32),
                         clo_bytes(v, 32), &seed, &err));
    is(seed, "26fb0e9892c3ca6bb17da1816f39482c98bf13650ae9696796978f0d9a56b3b5", "KDFe");
    assert_false(
            clo_kdfa(CLO_HASH_SHA256, counting(), "STORAGE", clo_bytes(NULL, 0), 384, &seed, &err));
}

static void test_passwords(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer key = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer salt = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer info = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *a = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *b = NULL;
    struct clo_error err;

    (void)state;
    assert_true(clo_pbkdf2(CLO_HASH_SHA256, clo_bytes_text("password"), clo_bytes_text("salt"), 1,
                           32, &a, &err));
    is(a, "120fb6cffcf8b32c43e7225256c4f837a86548c92ccc35480805987cb70be17b", "PBKDF2");
    /* RFC 5869, A.1 */
    from_hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", &key);
    from_hex("000102030405060708090a0b0c", &salt);
    from_hex("f0f1f2f3f4f5f6f7f8f9", &info);
    assert_true(clo_hkdf(CLO_HASH_SHA256, clo_buffer_bytes(&key), clo_buffer_bytes(&salt),
                         clo_buffer_bytes(&info), 42, &b, &err));
    is(b, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
       "HKDF");
}

static void test_cfb(void **state)
{
    static const struct {
        size_t size;
        const char *hex;
    } cases[] = { { 16, "a7814f52fffb7bed096fef0d81bab70c1dafa1c72bb4ae" },
                  { 32, "93b074d3523dbfbfcfd3f405fd5c18f5b28b70bc3ed263" } };
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer expected = { 0 };
        assert_true(clo_aes_cfb(clo_bytes_slice(counting(), 0, cases[i].size),
                                clo_bytes_text("a text of no round size"), &out, &err));
        assert_true(clo_bytes_equal(clo_buffer_bytes(&out), from_hex(cases[i].hex, &expected)));
    }
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer none = { 0 };
    assert_false(clo_aes_cfb(clo_bytes_slice(counting(), 0, 24), clo_bytes_text("x"), &none, &err));
}

/* Both sides come to the same, and keys of two curves to nothing. */
static void test_ecdh(void **state)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *a = NULL;
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *b = NULL;
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *c = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *of_a = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *of_b = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *first = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *second = NULL;
    struct clo_error err;

    (void)state;
    assert_true(clo_private_key_new(CLO_KEY_P256, 0, &a, &err));
    assert_true(clo_private_key_new(CLO_KEY_P256, 0, &b, &err));
    assert_true(clo_private_key_new(CLO_KEY_P384, 0, &c, &err));
    assert_true(clo_private_key_public(a, &of_a, &err) && clo_private_key_public(b, &of_b, &err));
    assert_true(clo_ecdh(a, of_b, &first, &err) && clo_ecdh(b, of_a, &second, &err));
    assert_int_equal(clo_secret_size(first), 32);
    assert_true(clo_bytes_equal(clo_secret_bytes(first), clo_secret_bytes(second)));
    assert_false(clo_ecdh(c, of_a, &first, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tpm),
        cmocka_unit_test(test_passwords),
        cmocka_unit_test(test_cfb),
        cmocka_unit_test(test_ecdh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
