#include "cloister/crypto.h"

#include "test.h"

static void sealed_and_opened(void **state)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *other = NULL;
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *ec = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *ec_public = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer box = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer none = { 0 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    static const uint8_t bytes[191] = { [0 ... 190] = 0x77 };
    struct clo_secret *wrong = NULL;
    struct clo_error err;

    (void)state;
    CHECK(clo_private_key_new(CLO_KEY_RSA, 2048, &key, &err), err.text);
    CHECK(clo_private_key_new(CLO_KEY_RSA, 2048, &other, &err), err.text);
    CHECK(clo_private_key_new(CLO_KEY_P256, 0, &ec, &err), err.text);
    CHECK(clo_private_key_public(key, &public, &err), err.text);
    CHECK(clo_private_key_public(ec, &ec_public, &err), err.text);
    CHECK(clo_oaep_seal(public, CLO_HASH_SHA256, clo_bytes(bytes, 190), &box, &err), err.text);
    CHECK(clo_oaep_open(key, CLO_HASH_SHA256, clo_buffer_bytes(&box), &secret, &err), err.text);
    CHECK(clo_bytes_equal(clo_secret_bytes(secret), clo_bytes(bytes, 190)), "the same bytes");

    CHECK(!clo_oaep_seal(public, CLO_HASH_SHA256, clo_bytes(bytes, 191), &none, &err), "too long");
    CHECK(!clo_oaep_seal(public, CLO_HASH_NONE, clo_bytes(bytes, 1), &none, &err), "no hash");
    CHECK(!clo_oaep_seal(ec_public, CLO_HASH_SHA256, clo_bytes(bytes, 1), &none, &err), "EC");
    assert_string_equal(err.text, "OAEP: an RSA key is needed");
    CHECK(!clo_oaep_open(ec, CLO_HASH_SHA256, clo_buffer_bytes(&box), &wrong, &err), "EC");
    assert_string_equal(err.text, "OAEP: an RSA key is needed");
    CHECK(none.size == 0, "nothing written");

    CHECK(!clo_oaep_open(other, CLO_HASH_SHA256, clo_buffer_bytes(&box), &wrong, &err),
          "another key");
    assert_string_equal(err.text, "OAEP: not sealed to this key, or changed");
    CHECK(!clo_oaep_open(key, CLO_HASH_SHA1, clo_buffer_bytes(&box), &wrong, &err), "another hash");
    CHECK(err.status == CLO_ERR_REFUSED && wrong == NULL, "refused");
    for (size_t at = 0; at < box.size; at += 31) {
        box.data[at] ^= 1;
        CHECK(!clo_oaep_open(key, CLO_HASH_SHA256, clo_buffer_bytes(&box), &wrong, &err), "a bit");
        assert_string_equal(err.text, "OAEP: not sealed to this key, or changed");
        box.data[at] ^= 1;
    }
    CHECK(!clo_oaep_open(key, CLO_HASH_SHA256, clo_bytes(box.data, box.size - 1), &wrong, &err),
          "cut short");
    CHECK(!clo_oaep_open(key, CLO_HASH_SHA256, clo_bytes(NULL, 0), &wrong, &err), "empty");
    CHECK(wrong == NULL, "no secret");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(sealed_and_opened) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
