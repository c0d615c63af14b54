#include "crypto_internal.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "lib/crypto/openssl.h"

static const char *const curves[] = {
    [CLO_KEY_P256] = "prime256v1",
    [CLO_KEY_P384] = "secp384r1",
    [CLO_KEY_P521] = "secp521r1",
};

/* Which of the kinds we know is it? RSA of a size that no one attacks, or a NIST curve. */
static bool kind_of(EVP_PKEY *evp, enum clo_key_kind *out, struct clo_error *err)
{
    char group[64];

    if (EVP_PKEY_is_a(evp, "RSA")) {
        int bits = EVP_PKEY_get_bits(evp);
        if (bits < RSA_KEY_BITS_MIN || bits > RSA_KEY_BITS_MAX)
            return clo_fail(err, CLO_ERR_UNSUPPORTED, "RSA key of %d bits", bits);
        *out = CLO_KEY_RSA;
        return true;
    }
    if (EVP_PKEY_is_a(evp, "EC") && EVP_PKEY_get_group_name(evp, group, sizeof group, NULL) == 1) {
        for (size_t i = CLO_KEY_P256; i < CLO_COUNT(curves); i++) {
            if (strcmp(group, curves[i]) == 0) {
                *out = (enum clo_key_kind)i;
                return true;
            }
        }
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "key on curve %s", group);
    }
    return clo_fail(err, CLO_ERR_UNSUPPORTED, "key that is neither RSA nor on a NIST curve");
}

static bool private_key(EVP_PKEY *evp, struct clo_private_key **out, struct clo_error *err)
{
    enum clo_key_kind kind;
    struct clo_private_key *key;

    if (!kind_of(evp, &kind, err)) {
        EVP_PKEY_free(evp);
        return false;
    }
    key = calloc(1, sizeof *key);
    if (key == NULL) {
        EVP_PKEY_free(evp);
        return clo_out_of_memory(err);
    }
    key->evp = evp;
    key->kind = kind;
    *out = key;
    return true;
}

bool clo_private_key_new(enum clo_key_kind kind, unsigned rsa_bits, struct clo_private_key **out,
                         struct clo_error *err)
{
    EVP_PKEY *evp = kind == CLO_KEY_RSA ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)rsa_bits)
                                        : EVP_PKEY_Q_keygen(NULL, NULL, "EC", curves[kind]);

    if (evp == NULL)
        return crypto_fail(err, CLO_ERR_SYSTEM, "key generation");
    return private_key(evp, out, err);
}

int clo_passphrase_give(char *buffer, int size, int is_writing, void *context)
{
    struct clo_passphrase *passphrase = context;

    (void)is_writing;
    passphrase->was_wanted = true;
    if (passphrase->bytes.size == 0 || passphrase->bytes.size > (size_t)size)
        return -1;
    memcpy(buffer, passphrase->bytes.data, passphrase->bytes.size);
    return (int)passphrase->bytes.size;
}

bool clo_private_key_from_encrypted_pem(struct clo_bytes pem, struct clo_bytes passphrase,
                                        struct clo_private_key **out, struct clo_error *err)
{
    struct clo_passphrase given = { .bytes = passphrase };

    if (pem.size > 1 << 20)
        return clo_fail(err, CLO_ERR_FORMAT, "private key: %zu bytes", pem.size);
    BIO *bio = BIO_new_mem_buf(pem.data == NULL ? "" : (const char *)pem.data, (int)pem.size);
    EVP_PKEY *evp =
            bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, clo_passphrase_give, &given);
    BIO_free(bio);
    if (evp == NULL) {
        ERR_clear_error();
        return clo_fail(err, CLO_ERR_FORMAT,
                        !given.was_wanted      ? "not a private key in PEM"
                        : passphrase.size == 0 ? "is encrypted, and no passphrase was given"
                                               : "is encrypted, and the passphrase is wrong");
    }
    return private_key(evp, out, err);
}

bool clo_private_key_from_pem(struct clo_bytes pem, struct clo_private_key **out,
                              struct clo_error *err)
{
    return clo_private_key_from_encrypted_pem(pem, clo_bytes(NULL, 0), out, err);
}

bool clo_private_key_pem(const struct clo_private_key *key, struct clo_secret **out,
                         struct clo_error *err)
{
    BIO *bio = BIO_new(BIO_s_secmem());
    char *data;
    bool ok = bio != NULL &&
              PEM_write_bio_PKCS8PrivateKey(bio, key->evp, NULL, NULL, 0, NULL, NULL) == 1;

    if (!ok)
        crypto_fail(err, CLO_ERR_SYSTEM, "private key");
    if (ok) {
        long size = BIO_get_mem_data(bio, &data);
        ok = clo_secret_copy(clo_bytes(data, (size_t)size), out, err);
    }
    BIO_free(bio);
    return ok;
}

bool clo_private_key_public(const struct clo_private_key *key, struct clo_public_key **out,
                            struct clo_error *err)
{
    unsigned char *der = NULL;
    int size = i2d_PUBKEY(key->evp, &der);

    if (size <= 0)
        return crypto_fail(err, CLO_ERR_SYSTEM, "public key");
    bool ok = clo_public_key_from_spki(clo_bytes(der, (size_t)size), out, err);
    OPENSSL_free(der);
    return ok;
}

enum clo_key_kind clo_private_key_kind(const struct clo_private_key *key)
{
    return key->kind;
}

void clo_private_key_free(struct clo_private_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_CTX_free(atomic_load(&key->signer));
    EVP_PKEY_free(key->evp); /* libcrypto clears the secret numbers */
    free(key);
}

void clo_private_key_freep(struct clo_private_key **key)
{
    clo_private_key_free(*key);
    *key = NULL;
}

bool clo_private_key_from_evp(struct evp_pkey_st *evp, struct clo_private_key **out,
                              struct clo_error *err)
{
    return private_key(evp, out, err);
}

struct evp_pkey_st *clo_private_key_evp(const struct clo_private_key *key)
{
    return key->evp;
}
