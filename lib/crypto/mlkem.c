#include "lib/crypto/mlkem.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "lib/crypto/crypto_internal.h"

#define NAME        "ML-KEM-768"
#define SHARED_SIZE 32

static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void free_context(EVP_PKEY_CTX **context)
{
    EVP_PKEY_CTX_free(*context);
}

static void free_mac(EVP_MAC_CTX **mac)
{
    EVP_MAC_CTX_free(*mac);
}

static bool is_there(void)
{
    EVP_KEM *kem = EVP_KEM_fetch(NULL, NAME, NULL);

    EVP_KEM_free(kem);
    return kem != NULL;
}

static bool open_key(struct clo_bytes key, EVP_PKEY **out, struct clo_error *err)
{
    if (!is_there())
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        NAME " needs OpenSSL 3.5 or later, and this is %s",
                        OpenSSL_version(OPENSSL_VERSION_STRING));
    *out = key.size == CLO_MLKEM768_KEY_SIZE
                   ? EVP_PKEY_new_raw_public_key_ex(NULL, NAME, NULL, key.data, key.size)
                   : NULL;
    return *out != NULL || crypto_fail(err, CLO_ERR_FORMAT, NAME ": not an encapsulation key");
}

bool clo_mlkem768_check(struct clo_bytes key, struct clo_error *err)
{
    CLO_CLEANUP(free_key) EVP_PKEY *evp = NULL;

    return open_key(key, &evp, err);
}

bool clo_mlkem768_encapsulate(struct clo_bytes key, struct clo_buffer *ciphertext,
                              struct clo_secret **shared, struct clo_error *err)
{
    CLO_CLEANUP(free_key) EVP_PKEY *evp = NULL;
    CLO_CLEANUP(free_context) EVP_PKEY_CTX *context = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    uint8_t bytes[CLO_MLKEM768_CIPHERTEXT_SIZE];
    size_t size = sizeof bytes, secret_size = SHARED_SIZE;

    if (!open_key(key, &evp, err) || !clo_secret_new(SHARED_SIZE, &secret, err))
        return false;
    context = EVP_PKEY_CTX_new_from_pkey(NULL, evp, NULL);
    if (context == NULL || EVP_PKEY_encapsulate_init(context, NULL) != 1 ||
        EVP_PKEY_encapsulate(context, bytes, &size, clo_secret_data(secret), &secret_size) != 1 ||
        size != sizeof bytes || secret_size != SHARED_SIZE)
        return crypto_fail(err, CLO_ERR_SYSTEM, NAME);
    clo_buffer_append(ciphertext, clo_bytes(bytes, size));
    if (!clo_buffer_ok(ciphertext))
        return clo_out_of_memory(err);
    *shared = CLO_TAKE(secret);
    return true;
}

bool clo_kmac256(const struct clo_secret *key, struct clo_bytes in, size_t size,
                 struct clo_secret **out, struct clo_error *err)
{
    CLO_CLEANUP(free_mac) EVP_MAC_CTX *mac = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    struct clo_bytes by = clo_secret_bytes(key);
    const OSSL_PARAM parameters[] = { OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                                      OSSL_PARAM_construct_end() };
    size_t written = 0;

    EVP_MAC *kind = EVP_MAC_fetch(NULL, "KMAC256", NULL);
    mac = kind == NULL ? NULL : EVP_MAC_CTX_new(kind);
    EVP_MAC_free(kind);
    if (!clo_secret_new(size, &secret, err))
        return false;
    if (mac == NULL || EVP_MAC_init(mac, by.data, by.size, parameters) != 1 ||
        EVP_MAC_update(mac, in.data, in.size) != 1 ||
        EVP_MAC_final(mac, clo_secret_data(secret), &written, size) != 1 || written != size)
        return crypto_fail(err, CLO_ERR_SYSTEM, "KMAC256");
    *out = CLO_TAKE(secret);
    return true;
}
