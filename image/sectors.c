#include "image/sectors.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "lib/disk/luks2.h"

#define UNIT        512
#define HMAC_SIZE   CLO_LUKS2_HMAC_TAG_SIZE
#define NUMBER_SIZE 8
#define SECTOR_MAX  4096

struct clo_sectors {
    unsigned size;
    bool is_gcm;
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
    EVP_CIPHER *aes = EVP_CIPHER_fetch(NULL, sectors->is_gcm ? "AES-256-GCM" : "AES-256-XTS", NULL);

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
    bool has_mac = key.size == CLO_LUKS2_HMAC_KEY_SIZE;
    bool is_gcm = key.size == CLO_LUKS2_GCM_KEY_SIZE;

    if (sectors == NULL)
        return clo_out_of_memory(err);
    sectors->size = sector_size;
    sectors->is_gcm = is_gcm;
    if (!has_mac && !is_gcm && key.size != CLO_LUKS2_XTS_KEY_SIZE)
        return clo_fail(err, CLO_ERR_USAGE, "a volume key of %zu bytes", key.size);
    if (!start_cipher(sectors, clo_bytes_slice(key, 0, CLO_LUKS2_XTS_KEY_SIZE)) ||
        (has_mac && !start_mac(sectors, clo_bytes_slice(key, CLO_LUKS2_XTS_KEY_SIZE, HMAC_SIZE))))
        return clo_fail(err, CLO_ERR_SYSTEM, "AES and HMAC in libcrypto");
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

static bool encrypt_xts(struct clo_sectors *sectors, uint8_t *data, uint64_t at)
{
    uint8_t iv[16];
    int written = 0;

    make_iv(at, iv);
    return EVP_EncryptInit_ex2(sectors->cipher, NULL, NULL, iv, NULL) == 1 &&
           EVP_EncryptUpdate(sectors->cipher, data, &written, data, (int)sectors->size) == 1 &&
           written == (int)sectors->size;
}

/* The number, the IV, the sector: what dm-crypt gives to authenc() as associated data and text. */
static bool make_mac(struct clo_sectors *sectors, const uint8_t *data, uint64_t at, uint8_t *tag)
{
    uint8_t iv[16];
    size_t written = 0;

    make_iv(at, iv);
    return EVP_MAC_init(sectors->mac, NULL, 0, NULL) == 1 &&
           EVP_MAC_update(sectors->mac, iv, NUMBER_SIZE) == 1 &&
           EVP_MAC_update(sectors->mac, iv, sizeof iv) == 1 &&
           EVP_MAC_update(sectors->mac, data, sectors->size) == 1 &&
           EVP_MAC_final(sectors->mac, tag, &written, HMAC_SIZE) == 1 && written == HMAC_SIZE;
}

/* Number and nonce are associated data. `tag` has the nonce already, where it belongs: after the tag. */
static bool encrypt_gcm(struct clo_sectors *sectors, uint8_t *data, uint64_t at, uint8_t *tag)
{
    const uint8_t *nonce = tag + CLO_LUKS2_GCM_TAG;
    EVP_CIPHER_CTX *cipher = sectors->cipher;
    uint8_t number[16];
    int written = 0;

    make_iv(at, number);
    return EVP_EncryptInit_ex2(cipher, NULL, NULL, nonce, NULL) == 1 &&
           EVP_EncryptUpdate(cipher, NULL, &written, number, NUMBER_SIZE) == 1 &&
           EVP_EncryptUpdate(cipher, NULL, &written, nonce, CLO_LUKS2_GCM_NONCE) == 1 &&
           EVP_EncryptUpdate(cipher, data, &written, data, (int)sectors->size) == 1 &&
           written == (int)sectors->size &&
           EVP_EncryptFinal_ex(cipher, data + written, &written) == 1 &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, CLO_LUKS2_GCM_TAG, tag) == 1;
}

/* A random one for each sector, drawn for all of them at once. */
static bool draw_nonces(uint8_t *tags, size_t count)
{
    uint8_t nonces[64 * CLO_LUKS2_GCM_NONCE];

    for (size_t i = 0; i < count; i++) {
        size_t left = count - i < 64 ? count - i : 64;
        if (i % 64 == 0 && RAND_bytes(nonces, (int)(left * CLO_LUKS2_GCM_NONCE)) != 1)
            return false;
        memcpy(tags + i * CLO_LUKS2_GCM_TAG_SIZE + CLO_LUKS2_GCM_TAG,
               nonces + i % 64 * CLO_LUKS2_GCM_NONCE, CLO_LUKS2_GCM_NONCE);
    }
    return true;
}

static bool encrypt_one(struct clo_sectors *sectors, uint8_t *data, uint64_t at, uint8_t *tag)
{
    if (sectors->is_gcm)
        return encrypt_gcm(sectors, data, at, tag);
    return encrypt_xts(sectors, data, at) &&
           (sectors->mac == NULL || make_mac(sectors, data, at, tag));
}

/* Under one nonce, what encrypts zeros is encrypted to zeros. */
static bool tag_zeros(struct clo_sectors *sectors, uint64_t at, uint8_t *tag)
{
    static const uint8_t zeros[SECTOR_MAX];
    uint8_t data[SECTOR_MAX] = { 0 };

    return sectors->is_gcm
                   ? encrypt_gcm(sectors, data, at, tag) && encrypt_gcm(sectors, data, at, tag)
                   : make_mac(sectors, zeros, at, tag);
}

static size_t tag_size(const struct clo_sectors *sectors)
{
    return sectors->is_gcm ? CLO_LUKS2_GCM_TAG_SIZE : sectors->mac != NULL ? HMAC_SIZE : 0;
}

bool clo_sectors_encrypt(struct clo_sectors *sectors, uint8_t *data, uint64_t at, size_t size,
                         uint8_t *tags, struct clo_error *err)
{
    bool ok = !sectors->is_gcm || draw_nonces(tags, size / sectors->size);

    for (size_t done = 0; ok && done < size; done += sectors->size)
        ok = encrypt_one(sectors, data + done, at + done,
                         tags + done / sectors->size * tag_size(sectors));
    return ok || clo_fail(err, CLO_ERR_SYSTEM, "AES or HMAC in libcrypto");
}

bool clo_sectors_tag_zeros(struct clo_sectors *sectors, uint64_t at, size_t size, uint8_t *tags,
                           struct clo_error *err)
{
    bool ok = !sectors->is_gcm || draw_nonces(tags, size / sectors->size);

    for (size_t done = 0; ok && done < size; done += sectors->size)
        ok = tag_zeros(sectors, at + done, tags + done / sectors->size * tag_size(sectors));
    return ok || clo_fail(err, CLO_ERR_SYSTEM, "AES or HMAC in libcrypto");
}
