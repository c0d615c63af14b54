#include "image/sectors.h"

#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#define UNIT         512
#define XTS_KEY_SIZE 64
#define TAG_SIZE     32

struct clo_sectors {
    unsigned size;
    EVP_CIPHER_CTX *cipher;
    EVP_MAC_CTX *mac; /* NULL: no tags */
};

void clo_sectors_free(struct clo_sectors *sectors)
{
    if (sectors == NULL)
        return;
    EVP_CIPHER_CTX_free(sectors->cipher);
    EVP_MAC_CTX_free(sectors->mac);
    free(sectors);
}

void clo_sectors_freep(struct clo_sectors **sectors)
{
    clo_sectors_free(*sectors);
    *sectors = NULL;
}

static bool start_cipher(struct clo_sectors *sectors, struct clo_bytes key)
{
    EVP_CIPHER *aes = EVP_CIPHER_fetch(NULL, "AES-256-XTS", NULL);

    sectors->cipher = EVP_CIPHER_CTX_new();
    bool ok = aes != NULL && sectors->cipher != NULL &&
              EVP_EncryptInit_ex2(sectors->cipher, aes, key.data, NULL, NULL) == 1;
    EVP_CIPHER_free(aes);
    return ok;
}

static bool start_mac(struct clo_sectors *sectors, struct clo_bytes key)
{
    char hash[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);

    sectors->mac = EVP_MAC_CTX_new(hmac);
    bool ok =
            sectors->mac != NULL && EVP_MAC_init(sectors->mac, key.data, key.size, parameters) == 1;
    EVP_MAC_free(hmac);
    return ok;
}

bool clo_sectors_new(const struct clo_secret *volume_key, unsigned sector_size,
                     struct clo_sectors **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_sectors_freep) struct clo_sectors *sectors = calloc(1, sizeof *sectors);
    struct clo_bytes key = clo_secret_bytes(volume_key);
    bool has_tags = key.size == XTS_KEY_SIZE + TAG_SIZE;

    if (sectors == NULL)
        return clo_out_of_memory(err);
    sectors->size = sector_size;
    if (!has_tags && key.size != XTS_KEY_SIZE)
        return clo_fail(err, CLO_ERR_USAGE, "a volume key of %zu bytes", key.size);
    if (!start_cipher(sectors, clo_bytes_slice(key, 0, XTS_KEY_SIZE)) ||
        (has_tags && !start_mac(sectors, clo_bytes_slice(key, XTS_KEY_SIZE, TAG_SIZE))))
        return clo_fail(err, CLO_ERR_SYSTEM, "AES-XTS and HMAC in libcrypto");
    *out = CLO_TAKE(sectors);
    return true;
}

/* plain64: what dm-crypt has as IV. */
static void make_iv(uint64_t at, uint8_t iv[16])
{
    uint64_t number = at / UNIT;

    for (int i = 0; i < 8; i++) {
        iv[i] = (uint8_t)(number >> (8 * i));
        iv[8 + i] = 0;
    }
}

bool clo_sectors_encrypt(struct clo_sectors *sectors, uint8_t *data, uint64_t at, size_t size,
                         struct clo_error *err)
{
    for (size_t done = 0; done < size; done += sectors->size) {
        uint8_t iv[16];
        int written = 0;
        make_iv(at + done, iv);
        if (EVP_EncryptInit_ex2(sectors->cipher, NULL, NULL, iv, NULL) != 1 ||
            EVP_EncryptUpdate(sectors->cipher, data + done, &written, data + done,
                              (int)sectors->size) != 1 ||
            written != (int)sectors->size)
            return clo_fail(err, CLO_ERR_SYSTEM, "AES-XTS in libcrypto");
    }
    return true;
}

bool clo_sectors_tag(struct clo_sectors *sectors, const uint8_t *data, uint64_t at, size_t size,
                     uint8_t *tags, struct clo_error *err)
{
    for (size_t done = 0; done < size; done += sectors->size, tags += TAG_SIZE) {
        uint8_t iv[16];
        size_t written = 0;
        make_iv(at + done, iv);
        /* The number, the IV, the sector: what dm-crypt gives to authenc() as associated data and text. */
        if (EVP_MAC_init(sectors->mac, NULL, 0, NULL) != 1 ||
            EVP_MAC_update(sectors->mac, iv, 8) != 1 ||
            EVP_MAC_update(sectors->mac, iv, sizeof iv) != 1 ||
            EVP_MAC_update(sectors->mac, data + done, sectors->size) != 1 ||
            EVP_MAC_final(sectors->mac, tags, &written, TAG_SIZE) != 1 || written != TAG_SIZE)
            return clo_fail(err, CLO_ERR_SYSTEM, "HMAC-SHA256 in libcrypto");
    }
    return true;
}
