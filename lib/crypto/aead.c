#include "lib/crypto/aead.h"

#include <limits.h>

#include <openssl/evp.h>

#define NONCE_SIZE 12
#define TAG_SIZE   16

static void free_cipher(EVP_CIPHER_CTX **cipher)
{
    EVP_CIPHER_CTX_free(*cipher);
}

static bool is_key(const struct clo_secret *key, size_t context, size_t size, struct clo_error *err)
{
    return (clo_secret_size(key) == CLO_AEAD_KEY_SIZE && context < INT_MAX && size < INT_MAX) ||
           clo_fail(err, CLO_ERR_USAGE, "AES-256-GCM: not a key of 32 bytes, or too much");
}

bool clo_aead_seal(const struct clo_secret *key, struct clo_bytes context, struct clo_bytes in,
                   const struct clo_random *random, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(free_cipher) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    uint8_t nonce[NONCE_SIZE];
    uint8_t tag[TAG_SIZE];
    int size = 0;

    if (!is_key(key, context.size, in.size, err))
        return false;
    if (!random->fill(random->context, nonce, sizeof nonce))
        return clo_fail(err, CLO_ERR_SYSTEM, "no randomness");
    clo_buffer_append(out, clo_bytes(nonce, sizeof nonce));
    clo_buffer_zero(out, in.size);
    if (cipher == NULL || !clo_buffer_ok(out))
        return clo_out_of_memory(err);
    uint8_t *to = out->data + out->size - in.size;
    if (EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, clo_secret_bytes(key).data, nonce) !=
                1 ||
        EVP_EncryptUpdate(cipher, NULL, &size, context.data, (int)context.size) != 1 ||
        EVP_EncryptUpdate(cipher, to, &size, in.data, (int)in.size) != 1 ||
        EVP_EncryptFinal_ex(cipher, to + size, &size) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag) != 1)
        return clo_fail(err, CLO_ERR_SYSTEM, "AES-256-GCM: cannot seal");
    clo_buffer_append(out, clo_bytes(tag, sizeof tag));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_aead_open(const struct clo_secret *key, struct clo_bytes context, struct clo_bytes in,
                   struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(free_cipher) EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *plain = NULL;
    uint8_t tag[TAG_SIZE];
    int size = 0;

    if (!is_key(key, context.size, in.size, err))
        return false;
    if (in.size <= CLO_AEAD_OVERHEAD)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "too short to be sealed");
    size_t length = in.size - CLO_AEAD_OVERHEAD;
    if (!clo_secret_new(length, &plain, err))
        return false;
    for (size_t i = 0; i < TAG_SIZE; i++)
        tag[i] = in.data[NONCE_SIZE + length + i];
    if (cipher == NULL)
        return clo_out_of_memory(err);
    if (EVP_DecryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, clo_secret_bytes(key).data, in.data) !=
                1 ||
        EVP_DecryptUpdate(cipher, NULL, &size, context.data, (int)context.size) != 1 ||
        EVP_DecryptUpdate(cipher, clo_secret_data(plain), &size, in.data + NONCE_SIZE,
                          (int)length) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) != 1 ||
        EVP_DecryptFinal_ex(cipher, clo_secret_data(plain) + size, &size) != 1)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "not sealed by this key for this place");
    *out = CLO_TAKE(plain);
    return true;
}
