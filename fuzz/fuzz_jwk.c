/* JWK: a key that is read writes back to one that reads as the same key, and what passes as one to seal to is sealed to, or
 * names an algorithm that is not ours. */
#include "cloister/jose.h"

#include <string.h>

#include "lib/jose/recipient.h"

#include "fuzz.h"

static void check_recipient(const json_t *jwk)
{
    CLO_CLEANUP(clo_json_freep) json_t *jwe = NULL;
    struct clo_error err;

    if (!clo_jwe_recipient_check(jwk, &err))
        return;
    if (!clo_jwe_seal(jwk, clo_bytes_text("secret"), &jwe, &err))
        MUST(strstr(err.text, "alg") != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLO_CLEANUP(clo_json_freep) json_t *jwk = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *again = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *second = NULL;
    struct clo_digest a;
    struct clo_digest b;
    struct clo_error err;

    if (!clo_json_parse(clo_bytes(data, size), &jwk, &err))
        return 0;
    check_recipient(jwk);
    if (!clo_jwk_to_public_key(jwk, &key, &err))
        return 0;
    MUST(clo_jwk_from_public_key(key, &again, &err));
    MUST(clo_jwk_to_public_key(again, &second, &err));
    MUST(clo_public_key_fingerprint(key, &a, &err) && clo_public_key_fingerprint(second, &b, &err));
    MUST(clo_digest_equal(&a, &b));
    return 0;
}
