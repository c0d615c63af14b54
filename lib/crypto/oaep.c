#include "crypto_internal.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

#include "lib/crypto/openssl.h"
#include "lib/crypto/tpm_crypto.h"

static bool set_oaep(EVP_PKEY_CTX *context, enum clo_hash hash)
{
    const char *name = crypto_hash_name(hash);

    return name != NULL && EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_oaep_md_name(context, name, NULL) == 1 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md_name(context, name, NULL) == 1;
}

/* libcrypto takes the label's memory over. */
static bool set_label(EVP_PKEY_CTX *context, struct clo_bytes label)
{
    if (label.size == 0)
        return true;
    void *copy = OPENSSL_memdup(label.data, label.size);
    if (copy != NULL && EVP_PKEY_CTX_set0_rsa_oaep_label(context, copy, (int)label.size) == 1)
        return true;
    OPENSSL_free(copy);
    return false;
}

bool clo_oaep_seal(const struct clo_public_key *key, enum clo_hash hash, struct clo_bytes in,
                   struct clo_buffer *out, struct clo_error *err)
{
    return clo_oaep_seal_labelled(key, hash, clo_bytes(NULL, 0), in, out, err);
}

bool clo_oaep_seal_labelled(const struct clo_public_key *key, enum clo_hash hash,
                            struct clo_bytes label, struct clo_bytes in, struct clo_buffer *out,
                            struct clo_error *err)
{
    uint8_t bytes[RSA_KEY_BYTES_MAX];
    size_t size = sizeof bytes;

    if (key->kind != CLO_KEY_RSA)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "OAEP: an RSA key is needed");
    EVP_PKEY *evp = clo_public_key_evp(key);
    EVP_PKEY_CTX *context = evp == NULL ? NULL : EVP_PKEY_CTX_new_from_pkey(NULL, evp, NULL);
    bool ok = context != NULL && EVP_PKEY_encrypt_init(context) == 1 && set_oaep(context, hash) &&
              set_label(context, label) &&
              EVP_PKEY_encrypt(context, bytes, &size, in.data, in.size) == 1;
    EVP_PKEY_CTX_free(context);
    if (!ok)
        return crypto_fail(err, CLO_ERR_SYSTEM, "OAEP");
    clo_buffer_append(out, clo_bytes(bytes, size));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool clo_oaep_open(const struct clo_private_key *key, enum clo_hash hash, struct clo_bytes in,
                   struct clo_secret **out, struct clo_error *err)
{
    uint8_t bytes[RSA_KEY_BYTES_MAX];
    size_t size = sizeof bytes;

    if (key->kind != CLO_KEY_RSA)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "OAEP: an RSA key is needed");
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key->evp, NULL);
    bool ok = context != NULL && EVP_PKEY_decrypt_init(context) == 1 && set_oaep(context, hash) &&
              EVP_PKEY_decrypt(context, bytes, &size, in.data, in.size) == 1;
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    /* One answer for every fault: which one it was would help an attacker (Manger, 2001). */
    if (!ok)
        clo_fail(err, CLO_ERR_REFUSED, "OAEP: not sealed to this key, or changed");
    ok = ok && clo_secret_copy(clo_bytes(bytes, size), out, err);
    clo_wipe(bytes, sizeof bytes);
    return ok;
}
