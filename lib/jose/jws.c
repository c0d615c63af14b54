#include "cloister/jose.h"

#include <string.h>

#include "cloister/encoding.h"
#include "lib/jose/ed25519.h"
#include "lib/jose/key_id.h"

#define TOKEN_MAX ((size_t)1 << 20)

static bool algorithm(enum clo_key_kind kind, const char **name, enum clo_hash *hash,
                      struct clo_error *err)
{
    switch (kind) {
    case CLO_KEY_P256:
        *name = "ES256";
        *hash = CLO_HASH_SHA256;
        return true;
    case CLO_KEY_P384:
        *name = "ES384";
        *hash = CLO_HASH_SHA384;
        return true;
    default:
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "JWS: a key on P-256 or P-384 is needed");
    }
}

bool clo_jws_algorithm(enum clo_key_kind kind, const char **out, struct clo_error *err)
{
    enum clo_hash ignored;

    return algorithm(kind, out, &ignored, err);
}

bool clo_jws_sign(const struct clo_private_key *key, const json_t *payload,
                  struct clo_buffer *token, struct clo_error *err)
{
    return clo_jws_sign_kid(key, NULL, payload, token, err);
}

bool clo_jws_sign_kid(const struct clo_private_key *key, const char *kid, const json_t *payload,
                      struct clo_buffer *token, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signed_part = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    const char *name;
    enum clo_hash hash;

    if (!algorithm(clo_private_key_kind(key), &name, &hash, err) ||
        !clo_json_write(payload, &text, err))
        return false;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    clo_buffer_printf(&header, "{\"alg\":\"%s\",\"typ\":\"JWT\"%s%s%s}", name,
                      kid == NULL ? "" : ",\"kid\":\"", kid == NULL ? "" : kid,
                      kid == NULL ? "" : "\"");
    clo_base64url_write(clo_buffer_bytes(&header), &signed_part);
    clo_buffer_text(&signed_part, ".");
    clo_base64url_write(clo_buffer_bytes(&text), &signed_part);
    if (!clo_buffer_ok(&signed_part))
        return clo_fail(err, CLO_ERR_SYSTEM, "JWS: out of memory");
    if (!clo_signature_make(key, CLO_ECDSA_RAW, hash, clo_buffer_bytes(&signed_part), &signature,
                            err))
        return clo_wrap(err, "JWS");
    clo_buffer_append(token, clo_buffer_bytes(&signed_part));
    clo_buffer_text(token, ".");
    clo_base64url_write(clo_buffer_bytes(&signature), token);
    return clo_buffer_ok(token) || clo_fail(err, CLO_ERR_SYSTEM, "JWS: out of memory");
}

/* Cuts what is before the next dot off *rest. */
static bool cut(struct clo_bytes *rest, struct clo_bytes *part)
{
    const uint8_t *dot = rest->size == 0 ? NULL : memchr(rest->data, '.', rest->size);

    if (dot == NULL)
        return false;
    size_t size = (size_t)(dot - rest->data);
    *part = clo_bytes_slice(*rest, 0, size);
    *rest = clo_bytes_slice(*rest, size + 1, rest->size);
    return true;
}

static bool check_header(struct clo_bytes text, const char *expected, struct clo_error *err)
{
    static const char *const allowed[] = { "alg", "typ", "kid", NULL };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer decoded = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *header = NULL;
    const char *name;

    if (!clo_base64url_read(text, &decoded, err) ||
        !clo_json_parse(clo_buffer_bytes(&decoded), &header, err) ||
        !clo_json_get_string(header, "alg", &name, err) || !clo_json_only(header, allowed, err))
        return clo_wrap(err, "header");
    if (strcmp(name, expected) != 0)
        return clo_fail(err, CLO_ERR_REFUSED, "header: alg \"%.20s\", expected \"%s\"", name,
                        expected);
    return true;
}

/* `key` NULL: by Ed25519. */
static bool check_signature(const struct clo_public_key *key, const uint8_t *ed25519,
                            enum clo_hash hash, struct clo_bytes signed_part,
                            struct clo_bytes signature, struct clo_error *err)
{
    if (key != NULL)
        return clo_signature_verify(key, CLO_ECDSA_RAW, hash, signed_part, signature, err);
    return clo_ed25519_verify(ed25519, signed_part, signature) ||
           clo_fail(err, CLO_ERR_REFUSED, "signature does not hold");
}

static bool verify(struct clo_bytes token, const struct clo_public_key *key, const uint8_t *ed25519,
                   json_t **payload, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { .limit = 256 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer body = { 0 };
    struct clo_bytes header;
    struct clo_bytes claims;
    struct clo_bytes rest = token;
    const char *name = "EdDSA";
    enum clo_hash hash = CLO_HASH_SHA512;

    if (token.size > TOKEN_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes", token.size);
    if (!cut(&rest, &header) || !cut(&rest, &claims))
        return clo_fail(err, CLO_ERR_FORMAT, "not three parts with dots between them");
    if ((key != NULL && !algorithm(clo_public_key_kind(key), &name, &hash, err)) ||
        !check_header(header, name, err))
        return false;
    if (!clo_base64url_read(rest, &signature, err))
        return clo_wrap(err, "signature");
    struct clo_bytes signed_part = clo_bytes_slice(token, 0, header.size + 1 + claims.size);
    if (!check_signature(key, ed25519, hash, signed_part, clo_buffer_bytes(&signature), err))
        return false;
    if (!clo_base64url_read(claims, &body, err) ||
        !clo_json_parse(clo_buffer_bytes(&body), payload, err))
        return clo_wrap(err, "payload");
    return true;
}

bool clo_jws_verify(struct clo_bytes token, const struct clo_public_key *key, json_t **payload,
                    struct clo_error *err)
{
    return verify(token, key, NULL, payload, err) || clo_wrap(err, "token");
}

bool clo_jws_verify_ed25519(struct clo_bytes token, const uint8_t key[CLO_ED25519_SIZE],
                            json_t **payload, struct clo_error *err)
{
    return verify(token, NULL, key, payload, err) || clo_wrap(err, "token");
}
