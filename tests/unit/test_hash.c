#include "cloister/crypto.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "test.h"

static void is_hex(struct clo_bytes bytes, const char *hex, const char *name)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer expected = { 0 };

    CHECK(clo_bytes_equal(bytes, from_hex(hex, &expected)), name);
}

/* FIPS 180-4's examples: "" and "abc". */
static const struct {
    enum clo_hash hash;
    const char *name;
    size_t size;
    uint16_t tpm;
    const char *empty, *abc;
} hashes[] = {
    { CLO_HASH_SHA1, "sha1", 20, 0x0004, "da39a3ee5e6b4b0d3255bfef95601890afd80709",
      "a9993e364706816aba3e25717850c26c9cd0d89d" },
    { CLO_HASH_SHA256, "sha256", 32, 0x000b,
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { CLO_HASH_SHA384, "sha384", 48, 0x000c,
      "38b060a751ac96384cd9327eb1b1e36a21fdb71114be0743"
      "4c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b",
      "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163"
      "1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7" },
    { CLO_HASH_SHA512, "sha512", 64, 0x000d,
      "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
      "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
};

static void known_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(hashes); i++) {
        struct clo_digest digest;
        clo_hash(hashes[i].hash, clo_bytes(NULL, 0), &digest);
        is_hex(clo_digest_bytes(&digest), hashes[i].empty, hashes[i].name);
        clo_hash(hashes[i].hash, clo_bytes_text("abc"), &digest);
        is_hex(clo_digest_bytes(&digest), hashes[i].abc, hashes[i].name);

        const struct clo_bytes parts[] = { clo_bytes_text("a"), clo_bytes(NULL, 0),
                                           clo_bytes_text("bc") };
        clo_hash_many(hashes[i].hash, parts, CLO_COUNT(parts), &digest);
        is_hex(clo_digest_bytes(&digest), hashes[i].abc, "in parts");

        CLO_CLEANUP(clo_hasher_freep) struct clo_hasher *hasher = clo_hasher_new(hashes[i].hash);
        for (int round = 0; round < 2; round++) {
            clo_hasher_add(hasher, clo_bytes_text("ab"));
            clo_hasher_add(hasher, clo_bytes_text("c"));
            clo_hasher_get(hasher, &digest);
            is_hex(clo_digest_bytes(&digest), hashes[i].abc, "getting restarts");
        }
    }
}

static void names_and_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_COUNT(hashes); i++) {
        CHECK(clo_hash_size(hashes[i].hash) == hashes[i].size, hashes[i].name);
        CHECK(strcmp(clo_hash_name(hashes[i].hash), hashes[i].name) == 0, hashes[i].name);
        CHECK(clo_hash_from_name(hashes[i].name) == hashes[i].hash, hashes[i].name);
        CHECK(clo_hash_to_tpm(hashes[i].hash) == hashes[i].tpm, hashes[i].name);
        CHECK(clo_hash_from_tpm(hashes[i].tpm) == hashes[i].hash, hashes[i].name);
    }
    CHECK(clo_hash_from_name("md5") == CLO_HASH_NONE, "unknown");
    CHECK(clo_hash_from_name("SHA256") == CLO_HASH_NONE, "another case");
    CHECK(clo_hash_from_name("none") == CLO_HASH_NONE, "none");
    CHECK(clo_hash_from_tpm(0x0012) == CLO_HASH_NONE, "SM3");
    CHECK(clo_hash_from_tpm(0x0010) == CLO_HASH_NONE, "TPM_ALG_NULL");
    CHECK(clo_hash_to_tpm(CLO_HASH_NONE) == 0x0010, "TPM_ALG_NULL");
    CHECK(clo_hash_size(CLO_HASH_NONE) == 0 && clo_hash_size((enum clo_hash)77) == 0, "no size");
    CHECK(strcmp(clo_hash_name((enum clo_hash)77), "none") == 0, "no name");
}

static void digests_of_two_hashes_differ(void **state)
{
    struct clo_digest a = { .hash = CLO_HASH_SHA256 };
    struct clo_digest b = a;

    (void)state;
    CHECK(clo_digest_equal(&a, &b), "equal");
    b.bytes[31] = 1;
    CHECK(!clo_digest_equal(&a, &b), "the last byte");
    b.bytes[31] = 0;
    b.bytes[32] = 1;
    CHECK(clo_digest_equal(&a, &b), "what is after the digest does not count");
    b.hash = CLO_HASH_SHA384;
    CHECK(!clo_digest_equal(&a, &b), "zeros of another hash");
}

/* RFC 4231 test cases 2 and 6 (SHA-256, SHA-384), RFC 2202 test case 2 (SHA-1). */
/* Keys of every size around a block's, against libcrypto's own. */
static void hmac_of_any_key(void **state)
{
    static const struct {
        enum clo_hash hash;
        const EVP_MD *(*md)(void);
    } others[] = { { CLO_HASH_SHA1, EVP_sha1 },
                   { CLO_HASH_SHA256, EVP_sha256 },
                   { CLO_HASH_SHA384, EVP_sha384 },
                   { CLO_HASH_SHA512, EVP_sha512 } };
    uint8_t key[200];

    (void)state;
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(7 * i + 1);
    for (size_t k = 0; k < CLO_COUNT(others); k++)
        for (size_t size = 0; size <= sizeof key; size++) {
            struct clo_digest ours;
            uint8_t theirs[EVP_MAX_MD_SIZE];
            unsigned length = 0;
            clo_hmac(others[k].hash, clo_bytes(key, size), clo_bytes(key, size / 2), &ours);
            assert_non_null(HMAC(others[k].md(), key, (int)size, key, size / 2, theirs, &length));
            CHECK(clo_bytes_equal(clo_digest_bytes(&ours), clo_bytes(theirs, length)),
                  clo_hash_name(others[k].hash));
        }
}

static void hmac_known_answers(void **state)
{
    static const uint8_t long_key[131] = { [0 ... 130] = 0xaa };
    const struct clo_bytes jefe = clo_bytes_text("Jefe");
    const struct clo_bytes what = clo_bytes_text("what do ya want for nothing?");
    struct clo_digest digest;

    (void)state;
    clo_hmac(CLO_HASH_SHA1, jefe, what, &digest);
    is_hex(clo_digest_bytes(&digest), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79", "RFC 2202, 2");
    clo_hmac(CLO_HASH_SHA256, jefe, what, &digest);
    is_hex(clo_digest_bytes(&digest),
           "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", "RFC 4231, 2");
    clo_hmac(CLO_HASH_SHA384, jefe, what, &digest);
    is_hex(clo_digest_bytes(&digest),
           "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
           "8e2240ca5e69e2c78b3239ecfab21649",
           "RFC 4231, 2");
    clo_hmac(CLO_HASH_SHA256, clo_bytes(long_key, sizeof long_key),
             clo_bytes_text("Test Using Larger Than Block-Size Key - Hash Key First"), &digest);
    is_hex(clo_digest_bytes(&digest),
           "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", "RFC 4231, 6");
    clo_hmac(CLO_HASH_SHA256, clo_bytes(NULL, 0), clo_bytes(NULL, 0), &digest);
    is_hex(clo_digest_bytes(&digest),
           "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad",
           "an empty key and message");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(names_and_numbers),
        cmocka_unit_test(hmac_known_answers),
        cmocka_unit_test(hmac_of_any_key),
        cmocka_unit_test(digests_of_two_hashes_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
