#include "tdx_internal.h"

bool tdx_p256_verify(const struct clo_public_key *key, struct clo_bytes message,
                     struct clo_bytes signature, struct clo_error *err)
{
    if (clo_public_key_kind(key) != CLO_KEY_P256)
        return clo_fail(err, CLO_ERR_REFUSED, "not a P-256 key");
    return clo_signature_verify(key, CLO_ECDSA_RAW, CLO_HASH_SHA256, message, signature, err);
}
