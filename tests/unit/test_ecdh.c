/* What a message to one key is sealed with. */
#include "lib/crypto/ecdh.h"

#include "lib/crypto/tpm_crypto.h"
#include "test.h"

/* The other side has the same secret, by OpenSSL's own exchange; and no two exchanges are alike. */
static void test_both_sides(void **state)
{
    static const enum clo_key_kind kinds[] = { CLO_KEY_P256, CLO_KEY_P384, CLO_KEY_P521 };

    (void)state;
    for (size_t i = 0; i < 10 * CLO_COUNT(kinds); i++) {
        enum clo_key_kind kind = kinds[i % CLO_COUNT(kinds)];
        CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
        CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
        CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *sender = NULL;
        CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
        struct clo_ecdh_sent sent, other;
        struct clo_error err;
        CHECK(clo_private_key_new(kind, 0, &key, &err) &&
                      clo_private_key_public(key, &public, &err),
              err.text);
        CHECK(clo_ecdh_send(public, &sent, &err) && clo_ecdh_send(public, &other, &err), err.text);
        CHECK(clo_public_key_from_ec(kind, clo_bytes(sent.x, sent.size),
                                     clo_bytes(sent.y, sent.size), &sender, &err),
              err.text);
        CHECK(clo_ecdh(key, sender, &secret, &err), err.text);
        CHECK(clo_bytes_equal(clo_secret_bytes(secret), clo_bytes(sent.secret, sent.size)),
              "the same secret");
        CHECK(memcmp(sent.x, other.x, sent.size) != 0 &&
                      memcmp(sent.secret, other.secret, sent.size) != 0,
              "a key of its own each time");
    }
}

static void test_rsa(void **state)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    struct clo_ecdh_sent sent;
    struct clo_error err;

    (void)state;
    CHECK(clo_private_key_new(CLO_KEY_RSA, 2048, &key, &err) &&
                  clo_private_key_public(key, &public, &err),
          err.text);
    CHECK(!clo_ecdh_send(public, &sent, &err) && err.status == CLO_ERR_UNSUPPORTED, "RSA");
}

/* RFC 3394, section 4.6. */
static void test_key_wrap(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wrapping = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer key = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer expected = { 0 };
    uint8_t out[CLO_KEY_WRAP_SIZE + 8];
    struct clo_error err;

    (void)state;
    from_hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", &wrapping);
    from_hex("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f", &key);
    from_hex("28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21",
             &expected);
    CHECK(clo_key_wrap(wrapping.data, key.data, out, &err), err.text);
    CHECK(clo_bytes_equal(clo_bytes(out, sizeof out), clo_buffer_bytes(&expected)), "RFC 3394");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_sides),
        cmocka_unit_test(test_rsa),
        cmocka_unit_test(test_key_wrap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
