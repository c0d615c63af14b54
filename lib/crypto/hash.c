#define OPENSSL_SUPPRESS_DEPRECATED /* SHA256_Init() and its like */
#include "cloister/crypto.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

/* TPM 2.0 Library, part 2, table 9 (TPM_ALG_ID). */
static const struct {
    const char *name;
    size_t size;
    uint16_t tpm;
} hashes[CLO_HASH_COUNT] = {
    [CLO_HASH_NONE] = { "none", 0, 0x0010 },      [CLO_HASH_SHA1] = { "sha1", 20, 0x0004 },
    [CLO_HASH_SHA256] = { "sha256", 32, 0x000b }, [CLO_HASH_SHA384] = { "sha384", 48, 0x000c },
    [CLO_HASH_SHA512] = { "sha512", 64, 0x000d },
};

size_t clo_hash_size(enum clo_hash hash)
{
    return (size_t)hash < CLO_HASH_COUNT ? hashes[hash].size : 0;
}

const char *clo_hash_name(enum clo_hash hash)
{
    return (size_t)hash < CLO_HASH_COUNT ? hashes[hash].name : "none";
}

enum clo_hash clo_hash_from_name(const char *name)
{
    for (size_t i = 1; i < CLO_HASH_COUNT; i++)
        if (strcmp(hashes[i].name, name) == 0)
            return (enum clo_hash)i;
    return CLO_HASH_NONE;
}

enum clo_hash clo_hash_from_tpm(uint16_t algorithm)
{
    for (size_t i = 1; i < CLO_HASH_COUNT; i++)
        if (hashes[i].tpm == algorithm)
            return (enum clo_hash)i;
    return CLO_HASH_NONE;
}

uint16_t clo_hash_to_tpm(enum clo_hash hash)
{
    return (size_t)hash < CLO_HASH_COUNT ? hashes[hash].tpm : hashes[CLO_HASH_NONE].tpm;
}

struct clo_bytes clo_digest_bytes(const struct clo_digest *digest)
{
    return clo_bytes(digest->bytes, clo_hash_size(digest->hash));
}

bool clo_digest_equal(const struct clo_digest *a, const struct clo_digest *b)
{
    return a->hash == b->hash && clo_bytes_equal(clo_digest_bytes(a), clo_digest_bytes(b));
}

/* libcrypto's hash functions themselves: each call of its EVP layer allocates, and these do not. */
struct clo_hasher {
    enum clo_hash hash;
    union {
        SHA_CTX sha1;
        SHA256_CTX sha256;
        SHA512_CTX sha512;
    } state;
};

static void must(bool held)
{
    if (!held)
        __builtin_trap(); /* libcrypto lost an algorithm it had: nothing sane follows */
}

static void start(struct clo_hasher *hasher)
{
    switch (hasher->hash) {
    case CLO_HASH_SHA1:
        must(SHA1_Init(&hasher->state.sha1) == 1);
        return;
    case CLO_HASH_SHA256:
        must(SHA256_Init(&hasher->state.sha256) == 1);
        return;
    case CLO_HASH_SHA384:
        must(SHA384_Init(&hasher->state.sha512) == 1);
        return;
    case CLO_HASH_SHA512:
        must(SHA512_Init(&hasher->state.sha512) == 1);
        return;
    default:
        must(false);
    }
}

struct clo_hasher *clo_hasher_new(enum clo_hash hash)
{
    struct clo_hasher *hasher = calloc(1, sizeof *hasher);

    must(hasher != NULL);
    hasher->hash = hash;
    start(hasher);
    return hasher;
}

void clo_hasher_add(struct clo_hasher *hasher, struct clo_bytes in)
{
    switch (hasher->hash) {
    case CLO_HASH_SHA1:
        must(SHA1_Update(&hasher->state.sha1, in.data, in.size) == 1);
        return;
    case CLO_HASH_SHA256:
        must(SHA256_Update(&hasher->state.sha256, in.data, in.size) == 1);
        return;
    default:
        must(SHA512_Update(&hasher->state.sha512, in.data, in.size) == 1);
        return;
    }
}

void clo_hasher_get(struct clo_hasher *hasher, struct clo_digest *out)
{
    *out = (struct clo_digest){ .hash = hasher->hash };
    switch (hasher->hash) {
    case CLO_HASH_SHA1:
        must(SHA1_Final(out->bytes, &hasher->state.sha1) == 1);
        break;
    case CLO_HASH_SHA256:
        must(SHA256_Final(out->bytes, &hasher->state.sha256) == 1);
        break;
    default:
        must(SHA512_Final(out->bytes, &hasher->state.sha512) == 1);
        break;
    }
    start(hasher);
}

void clo_hasher_free(struct clo_hasher *hasher)
{
    free(hasher);
}

void clo_hasher_freep(struct clo_hasher **hasher)
{
    clo_hasher_free(*hasher);
    *hasher = NULL;
}

void clo_hash_many(enum clo_hash hash, const struct clo_bytes *parts, size_t count,
                   struct clo_digest *out)
{
    struct clo_hasher hasher = { .hash = hash };

    start(&hasher);
    for (size_t i = 0; i < count; i++)
        clo_hasher_add(&hasher, parts[i]);
    clo_hasher_get(&hasher, out);
}

void clo_hash(enum clo_hash hash, struct clo_bytes in, struct clo_digest *out)
{
    clo_hash_many(hash, &in, 1, out);
}

/* RFC 2104: two hashes around the key. libcrypto's HMAC looks its parts up by name each time, which takes longer than they do. */
void clo_hmac(enum clo_hash hash, struct clo_bytes key, struct clo_bytes in, struct clo_digest *out)
{
    struct clo_hasher hasher = { .hash = hash };
    size_t block = hash == CLO_HASH_SHA384 || hash == CLO_HASH_SHA512 ? 128 : 64;
    uint8_t padded[128] = { 0 };
    struct clo_digest inner;

    must(clo_hash_size(hash) != 0);
    if (key.size > block) {
        clo_hash(hash, key, &inner);
        memcpy(padded, inner.bytes, clo_hash_size(hash));
    } else if (key.size > 0) {
        memcpy(padded, key.data, key.size);
    }
    for (size_t i = 0; i < block; i++)
        padded[i] ^= 0x36;
    start(&hasher);
    clo_hasher_add(&hasher, clo_bytes(padded, block));
    clo_hasher_add(&hasher, in);
    clo_hasher_get(&hasher, &inner);
    for (size_t i = 0; i < block; i++)
        padded[i] ^= 0x36 ^ 0x5c;
    clo_hasher_add(&hasher, clo_bytes(padded, block));
    clo_hasher_add(&hasher, clo_digest_bytes(&inner));
    clo_hasher_get(&hasher, out);
    clo_wipe(padded, sizeof padded);
    clo_wipe(&inner, sizeof inner);
    clo_wipe(&hasher, sizeof hasher);
}
