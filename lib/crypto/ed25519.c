#include "lib/crypto/ed25519.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

bool clo_ed25519_from_pem(struct clo_bytes pem, uint8_t out[CLO_ED25519_SIZE])
{
    BIO *bio = pem.size > INT32_MAX ? NULL : BIO_new_mem_buf(pem.data, (int)pem.size);
    EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    size_t size = CLO_ED25519_SIZE;
    bool ok = key != NULL && EVP_PKEY_is_a(key, "ED25519") == 1 &&
              EVP_PKEY_get_raw_public_key(key, out, &size) == 1 && size == CLO_ED25519_SIZE;

    EVP_PKEY_free(key);
    BIO_free(bio);
    return ok;
}

bool clo_ed25519_verify(const uint8_t key[CLO_ED25519_SIZE], struct clo_bytes message,
                        struct clo_bytes signature)
{
    EVP_PKEY *public = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, CLO_ED25519_SIZE);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = public != NULL && context != NULL &&
              EVP_DigestVerifyInit(context, NULL, NULL, NULL, public) == 1 &&
              EVP_DigestVerify(context, signature.data, signature.size, message.data,
                               message.size) == 1;

    EVP_MD_CTX_free(context);
    EVP_PKEY_free(public);
    return ok;
}
