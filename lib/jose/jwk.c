#include "cloister/jose.h"

#include <string.h>

#include "cloister/encoding.h"
#include "lib/jose/key_id.h"

static const struct {
    const char *name;
    size_t size;
} curves[] = {
    [CLO_KEY_P256] = { "P-256", 32 },
    [CLO_KEY_P384] = { "P-384", 48 },
    [CLO_KEY_P521] = { "P-521", 66 },
};

bool clo_jwk_from_public_key(const struct clo_public_key *key, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer first = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer second = { 0 };
    enum clo_key_kind kind = clo_public_key_kind(key);

    if (!clo_public_key_numbers(key, &first, &second, err))
        return false;
    json_t *a = clo_json_base64url(clo_buffer_bytes(&first));
    json_t *b = clo_json_base64url(clo_buffer_bytes(&second));
    json_t *jwk = kind == CLO_KEY_RSA ? json_pack("{s:s, s:o, s:o}", "kty", "RSA", "n", a, "e", b)
                                      : json_pack("{s:s, s:s, s:o, s:o}", "kty", "EC", "crv",
                                                  curves[kind].name, "x", a, "y", b);
    if (jwk == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "JWK: out of memory");
    *out = jwk;
    return true;
}

static bool from_ec(const json_t *jwk, struct clo_public_key **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer x = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer y = { 0 };
    const char *curve;

    if (!clo_json_get_string(jwk, "crv", &curve, err))
        return false;
    for (size_t i = CLO_KEY_P256; i < CLO_COUNT(curves); i++) {
        if (strcmp(curves[i].name, curve) != 0)
            continue;
        return clo_json_get_bytes(jwk, "x", CLO_JSON_BASE64URL, curves[i].size, &x, err) &&
               clo_json_get_bytes(jwk, "y", CLO_JSON_BASE64URL, curves[i].size, &y, err) &&
               clo_public_key_from_ec((enum clo_key_kind)i, clo_buffer_bytes(&x),
                                      clo_buffer_bytes(&y), out, err);
    }
    return clo_fail(err, CLO_ERR_UNSUPPORTED, "curve \"%.20s\"", curve);
}

static bool from_rsa(const json_t *jwk, struct clo_public_key **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer n = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer e = { 0 };

    return clo_json_get_bytes(jwk, "n", CLO_JSON_BASE64URL, 1024, &n, err) &&
           clo_json_get_bytes(jwk, "e", CLO_JSON_BASE64URL, 8, &e, err) &&
           clo_public_key_from_rsa(clo_buffer_bytes(&n), clo_buffer_bytes(&e), out, err);
}

bool clo_jwk_to_public_key(const json_t *jwk, struct clo_public_key **out, struct clo_error *err)
{
    const char *kind;
    bool ok;

    if (!clo_json_get_string(jwk, "kty", &kind, err))
        return clo_wrap(err, "JWK");
    if (strcmp(kind, "EC") == 0)
        ok = from_ec(jwk, out, err);
    else if (strcmp(kind, "RSA") == 0)
        ok = from_rsa(jwk, out, err);
    else
        ok = clo_fail(err, CLO_ERR_UNSUPPORTED, "kty \"%.20s\"", kind);
    return ok || clo_wrap(err, "JWK");
}

/* The members that a JWK must have, sorted: what clo_jwk_from_public_key() gives, and no more. */
bool clo_jwk_thumbprint(const struct clo_public_key *key, char out[CLO_JWK_THUMBPRINT],
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *jwk = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer encoded = { 0 };
    struct clo_digest digest;

    if (!clo_jwk_from_public_key(key, &jwk, err) || !clo_json_write(jwk, &text, err))
        return false;
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&text), &digest);
    clo_base64url_write(clo_digest_bytes(&digest), &encoded);
    const char *string = clo_buffer_string(&encoded);
    if (string == NULL || encoded.size >= CLO_JWK_THUMBPRINT)
        return clo_out_of_memory(err);
    memcpy(out, string, encoded.size + 1);
    return true;
}
