#include "lib/crypto/ecdh.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/obj_mac.h>

#include "crypto_internal.h"

/* What one exchange works with. */
struct exchange {
    EC_GROUP *own; /* NULL: the curve that all share */
    const EC_GROUP *group;
    EC_POINT *peer, *point;
    BIGNUM *key, *x, *y;
    BN_CTX *context;
};

static void free_exchange(struct exchange *e)
{
    EC_POINT_free(e->peer);
    EC_POINT_clear_free(e->point);
    BN_clear_free(e->key);
    BN_clear_free(e->x);
    BN_clear_free(e->y);
    BN_CTX_free(e->context);
    EC_GROUP_free(e->own);
}

static bool begin(struct exchange *e, enum clo_key_kind kind)
{
    if (kind == CLO_KEY_P256)
        e->group = crypto_p256();
    else
        e->group = e->own =
                EC_GROUP_new_by_curve_name(kind == CLO_KEY_P384 ? NID_secp384r1 : NID_secp521r1);
    if (e->group == NULL)
        return false;
    e->peer = EC_POINT_new(e->group);
    e->point = EC_POINT_new(e->group);
    e->key = BN_secure_new();
    e->x = BN_secure_new();
    e->y = BN_secure_new();
    e->context = BN_CTX_secure_new();
    return e->peer != NULL && e->point != NULL && e->key != NULL && e->x != NULL && e->y != NULL &&
           e->context != NULL;
}

/* Refuses what is not on the curve, and the point at infinity. */
static bool read_peer(struct exchange *e, const struct clo_public_key *to)
{
    return BN_bin2bn(to->first.data, (int)to->first.size, e->x) != NULL &&
           BN_bin2bn(to->second.data, (int)to->second.size, e->y) != NULL &&
           EC_POINT_set_affine_coordinates(e->group, e->peer, e->x, e->y, e->context) == 1 &&
           EC_POINT_is_on_curve(e->group, e->peer, e->context) == 1 &&
           EC_POINT_is_at_infinity(e->group, e->peer) == 0;
}

static bool choose_key(struct exchange *e)
{
    const BIGNUM *order = EC_GROUP_get0_order(e->group);

    BN_set_flags(e->key, BN_FLG_CONSTTIME);
    do {
        if (order == NULL || BN_priv_rand_range(e->key, order) != 1)
            return false;
    } while (BN_is_zero(e->key));
    return true;
}

/* The coordinates of e->point; `y` may be NULL. */
static bool write_point(struct exchange *e, size_t size, uint8_t *x, uint8_t *y)
{
    return EC_POINT_is_at_infinity(e->group, e->point) == 0 &&
           EC_POINT_get_affine_coordinates(e->group, e->point, e->x, e->y, e->context) == 1 &&
           BN_bn2binpad(e->x, x, (int)size) == (int)size &&
           (y == NULL || BN_bn2binpad(e->y, y, (int)size) == (int)size);
}

bool clo_ecdh_send(const struct clo_public_key *to, struct clo_ecdh_sent *out,
                   struct clo_error *err)
{
    CLO_CLEANUP(free_exchange) struct exchange e = { 0 };
    size_t size = crypto_curve_size(to->kind);

    if (size == 0)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "ECDH: not a key on a curve");
    out->size = size;
    if (!begin(&e, to->kind) || !read_peer(&e, to) || !choose_key(&e) ||
        EC_POINT_mul(e.group, e.point, e.key, NULL, NULL, e.context) != 1 ||
        !write_point(&e, size, out->x, out->y) ||
        EC_POINT_mul(e.group, e.point, NULL, e.peer, e.key, e.context) != 1 ||
        !write_point(&e, size, out->secret, NULL))
        return crypto_fail(err, CLO_ERR_SYSTEM, "ECDH");
    return true;
}

bool clo_key_wrap(const uint8_t wrapping[CLO_KEY_WRAP_SIZE], const uint8_t key[CLO_KEY_WRAP_SIZE],
                  uint8_t out[CLO_KEY_WRAP_SIZE + 8], struct clo_error *err)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int size = 0;
    int rest = 0;

    if (context != NULL)
        EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    bool ok = context != NULL &&
              EVP_EncryptInit_ex(context, EVP_aes_256_wrap(), NULL, wrapping, NULL) == 1 &&
              EVP_EncryptUpdate(context, out, &size, key, CLO_KEY_WRAP_SIZE) == 1 &&
              size == CLO_KEY_WRAP_SIZE + 8 && EVP_EncryptFinal_ex(context, out + size, &rest) == 1;
    EVP_CIPHER_CTX_free(context);
    return ok || crypto_fail(err, CLO_ERR_SYSTEM, "AES key wrap");
}

bool clo_key_unwrap(const uint8_t wrapping[CLO_KEY_WRAP_SIZE],
                    const uint8_t wrapped[CLO_KEY_WRAP_SIZE + 8], uint8_t out[CLO_KEY_WRAP_SIZE],
                    struct clo_error *err)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    uint8_t key[CLO_KEY_WRAP_SIZE + 8];
    int size = 0;

    if (context != NULL)
        EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    bool ok = context != NULL &&
              EVP_DecryptInit_ex(context, EVP_aes_256_wrap(), NULL, wrapping, NULL) == 1 &&
              EVP_DecryptUpdate(context, key, &size, wrapped, CLO_KEY_WRAP_SIZE + 8) == 1 &&
              size == CLO_KEY_WRAP_SIZE;
    EVP_CIPHER_CTX_free(context);
    if (ok)
        memcpy(out, key, CLO_KEY_WRAP_SIZE);
    clo_wipe(key, sizeof key);
    return ok || crypto_fail(err, CLO_ERR_REFUSED, "AES key wrap");
}
