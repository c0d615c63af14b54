/* How registers are extended: the digest of the old value and the new digest. */
#ifndef CLOISTER_LIB_CRYPTO_EXTEND_H
#define CLOISTER_LIB_CRYPTO_EXTEND_H

#include "cloister/crypto.h"

static inline void crypto_extend(struct clo_digest *value, const struct clo_digest *digest)
{
    const struct clo_bytes parts[] = { clo_digest_bytes(value), clo_digest_bytes(digest) };
    struct clo_digest next;

    clo_hash_many(value->hash, parts, CLO_COUNT(parts), &next);
    *value = next;
}

#endif
