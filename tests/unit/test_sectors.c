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
        CHECK(clo_sectors_encrypt(sectors, data, at, SIZE, tags, &err), err.text);
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
    CHECK(clo_sectors_encrypt(sectors, data, 0, SIZE, NULL, &err), err.text);
    CHECK(memcmp(data + 4096, expected, 4096) == 0, "the second sector");
}

/* GCM, opened as dm-crypt does: number and nonce are associated data; a hole of zeros opens under its tag, too. */
static void open_gcm(const struct clo_secret *key, unsigned size, uint64_t number, uint8_t *data,
                     uint8_t tag[28])
{
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    uint8_t text[20] = { 0 };
    int done;

    for (int k = 0; k < 8; k++)
        text[k] = (uint8_t)(number >> (8 * k));
    memcpy(text + 8, tag + 16, 12);
    EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, clo_secret_bytes(key).data, tag + 16);
    EVP_DecryptUpdate(cipher, NULL, &done, text, sizeof text);
    EVP_DecryptUpdate(cipher, data, &done, data, (int)size);
    EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, 16, tag);
    CHECK(EVP_DecryptFinal_ex(cipher, data + size, &done) == 1, "a tag of GCM");
    EVP_CIPHER_CTX_free(cipher);
}

static void test_gcm(void **state)
{
    static const unsigned sizes[] = { 512, 4096 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = NULL;
    static uint8_t data[128 * 512], tags[128 * 28], again[128 * 28], zeros[4096];
    struct clo_error err;

    (void)state;
    make_key(32, &key);
    for (size_t s = 0; s < CLO_COUNT(sizes); s++) {
        CLO_CLEANUP(clo_sectors_freep) struct clo_sectors *sectors = NULL;
        size_t count = sizeof data / sizes[s];
        uint64_t at = (uint64_t)5 << 40;
        for (size_t i = 0; i < sizeof data; i++)
            data[i] = (uint8_t)(i * 31);
        CHECK(clo_sectors_new(key, sizes[s], &sectors, &err), err.text);
        CHECK(clo_sectors_encrypt(sectors, data, at, sizeof data, tags, &err), err.text);
        CHECK(clo_sectors_tag_zeros(sectors, at, sizeof data, again, &err), err.text);
        for (size_t i = 0; i < count; i++) {
            uint64_t number = (at + i * sizes[s]) / 512;
            open_gcm(key, sizes[s], number, data + i * sizes[s], tags + 28 * i);
            memset(zeros, 0, sizeof zeros);
            open_gcm(key, sizes[s], number, zeros, again + 28 * i);
            CHECK(memcmp(tags + 28 * i + 16, again + 28 * i + 16, 12) != 0, "a nonce of its own");
            for (size_t k = 0; k < i; k++)
                CHECK(memcmp(tags + 28 * i + 16, tags + 28 * k + 16, 12) != 0, "no nonce twice");
        }
        for (size_t i = 0; i < sizeof data; i++)
            CHECK(data[i] == (uint8_t)(i * 31), "what was encrypted");
    }
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
        cmocka_unit_test(test_gcm),
        cmocka_unit_test(test_encrypt),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
