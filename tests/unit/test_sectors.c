/* Sectors and their tags, made a second way: one by one, with OpenSSL's functions for one message. */
#include "image/sectors.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "test.h"

#define SIZE 8192

static void make_key(size_t size, struct clo_secret **out)
{
    struct clo_error err;

    CHECK(clo_secret_new(size, out, &err), err.text);
    for (size_t i = 0; i < size; i++)
        clo_secret_data(*out)[i] = (uint8_t)(i * 7 + 1);
}

/* By OpenSSL's one-shot functions: the tag covers number, IV and what was encrypted; the number counts 512 bytes for all sizes. */
static void test_tags(void **state)
{
    static const unsigned sizes[] = { 512, 4096 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    static uint8_t data[SIZE], tags[SIZE / 512 * 32];
    struct clo_error err;

    (void)state;
    make_key(96, &key);
    for (size_t s = 0; s < CLO_COUNT(sizes); s++) {
        CLO_CLEANUP(clo_sectors_freep) struct clo_sectors *sectors = NULL;
        uint64_t at = (uint64_t)5 << 40;
        for (size_t i = 0; i < SIZE; i++)
            data[i] = (uint8_t)(i * 31);
        CHECK(clo_sectors_new(key, sizes[s], &sectors, &err), err.text);
        CHECK(clo_sectors_encrypt(sectors, data, at, SIZE, &err), err.text);
        CHECK(clo_sectors_tag(sectors, data, at, SIZE, tags, &err), err.text);
        for (size_t i = 0; i < SIZE / sizes[s]; i++) {
            uint8_t text[24 + 4096] = { 0 }, tag[32];
            uint64_t number = (at + i * sizes[s]) / 512;
            for (int k = 0; k < 8; k++)
                text[k] = text[8 + k] = (uint8_t)(number >> (8 * k));
            memcpy(text + 24, data + i * sizes[s], sizes[s]);
            HMAC(EVP_sha256(), clo_secret_bytes(key).data + 64, 32, text, 24 + sizes[s], tag, NULL);
            CHECK(memcmp(tag, tags + 32 * i, 32) == 0, "tag");
        }
    }
}

/* openssl enc -aes-256-xts -K … -iv 0800…: the second sector of 4096 bytes has number 8. */
static void test_encrypt(void **state)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    CLO_CLEANUP(clo_sectors_freep) struct clo_sectors *sectors = NULL;
    static uint8_t data[SIZE], expected[4096];
    uint8_t iv[16] = { 8 };
    struct clo_error err;
    int size;

    (void)state;
    make_key(64, &key);
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(cipher, EVP_aes_256_xts(), NULL, clo_secret_bytes(key).data, iv);
    EVP_EncryptUpdate(cipher, expected, &size, data, 4096);
    EVP_CIPHER_CTX_free(cipher);
    CHECK(clo_sectors_new(key, 4096, &sectors, &err), err.text);
    CHECK(clo_sectors_encrypt(sectors, data, 0, SIZE, &err), err.text);
    CHECK(memcmp(data + 4096, expected, 4096) == 0, "the second sector");
}

static void test_refused(void **state)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    struct clo_sectors *sectors = NULL;
    struct clo_error err;

    (void)state;
    make_key(80, &key);
    CHECK(!clo_sectors_new(key, 4096, &sectors, &err), "a key of another size");
    CHECK(strcmp(err.text, "a volume key of 80 bytes") == 0 && sectors == NULL, err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_encrypt),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
