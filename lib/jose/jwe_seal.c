/* Sealing a JWE (RFC 7516, section 5.1), on OpenSSL itself: one message to one key, by two algorithms. Opening is libjose's, which is held
 * to this file by the tests, and this file to other implementations. */
#include "cloister/jose.h"

#include <limits.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "cloister/encoding.h"
#include "lib/crypto/ecdh.h"
#include "lib/jose/recipient.h"

#define CEK_SIZE JWE_CEK_SIZE
#define IV_SIZE  12
#define TAG_SIZE 16

#define FOR_EC  JWE_FOR_EC
#define FOR_RSA "RSA-OAEP-256"

/* The parts of the message, as they become. */
struct sealing {
    const struct clo_public_key *to;
    json_t *header;
    uint8_t cek[CEK_SIZE];
    struct clo_buffer wrapped; /* the key, for the recipient */
};

static void free_sealing(struct sealing *s)
{
    json_decref(s->header);
    clo_wipe(s->cek, sizeof s->cek);
    clo_buffer_free(&s->wrapped);
}

/* --- The key --- */

void jwe_derive(struct clo_bytes secret, uint8_t out[CLO_KEY_WRAP_SIZE])
{
    static const uint8_t round[4] = { 0, 0, 0, 1 };
    static const uint8_t name_size[4] = { 0, 0, 0, sizeof FOR_EC - 1 };
    static const uint8_t rest[12] = { [10] = 256 >> 8 }; /* two empty texts, and the bits */
    const struct clo_bytes parts[] = {
        clo_bytes(round, sizeof round),         secret,
        clo_bytes(name_size, sizeof name_size), clo_bytes_text(FOR_EC),
        clo_bytes(rest, sizeof rest),
    };
    struct clo_digest digest;

    clo_hash_many(CLO_HASH_SHA256, parts, CLO_COUNT(parts), &digest);
    memcpy(out, digest.bytes, CLO_KEY_WRAP_SIZE);
    clo_wipe(&digest, sizeof digest);
}

static json_t *sender_json(const struct clo_public_key *to, const struct clo_ecdh_sent *sent)
{
    static const char *const curves[] = {
        [CLO_KEY_P256] = "P-256", [CLO_KEY_P384] = "P-384", [CLO_KEY_P521] = "P-521"
    };

    return json_pack("{s:s, s:s, s:o, s:o}", "kty", "EC", "crv", curves[clo_public_key_kind(to)],
                     "x", clo_json_base64url(clo_bytes(sent->x, sent->size)), "y",
                     clo_json_base64url(clo_bytes(sent->y, sent->size)));
}

/* The sender's point goes into the protected header: clients of the KBS protocol look for it there. */
static bool wrap_for_ec(struct sealing *s, struct clo_error *err)
{
    struct clo_ecdh_sent sent = { 0 };
    uint8_t key[CLO_KEY_WRAP_SIZE];
    uint8_t wrapped[CLO_KEY_WRAP_SIZE + 8];

    bool ok = clo_ecdh_send(s->to, &sent, err);
    if (ok) {
        jwe_derive(clo_bytes(sent.secret, sent.size), key);
        ok = clo_key_wrap(key, s->cek, wrapped, err);
        clo_wipe(key, sizeof key);
    }
    if (ok && json_object_set_new(s->header, "epk", sender_json(s->to, &sent)) != 0)
        ok = clo_out_of_memory(err);
    clo_wipe(&sent, sizeof sent);
    if (!ok)
        return clo_wrap(err, "JWE");
    clo_buffer_append(&s->wrapped, clo_bytes(wrapped, sizeof wrapped));
    return clo_buffer_ok(&s->wrapped) || clo_out_of_memory(err);
}

static bool wrap_for_rsa(struct sealing *s, struct clo_error *err)
{
    return clo_oaep_seal(s->to, CLO_HASH_SHA256, clo_bytes(s->cek, sizeof s->cek), &s->wrapped,
                         err) ||
           clo_wrap(err, "JWE");
}

/* A key that says what it is for gets that or nothing: RSA1_5 and "none" are nothing. */
static bool check_algorithm(const json_t *jwk, const char *ours, struct clo_error *err)
{
    const char *theirs;

    if (!clo_json_get_string_optional(jwk, "alg", &theirs, err))
        return false;
    return theirs == NULL || strcmp(theirs, ours) == 0 ||
           clo_fail(err, CLO_ERR_REFUSED, "alg \"%.40s\": %s is what such a key is sealed to with",
                    theirs, ours);
}

/* --- The message --- */

/* AES-256-GCM under a key that seals nothing else. */
static bool encrypt(const struct sealing *s, struct clo_bytes header, struct clo_bytes plaintext,
                    const uint8_t iv[IV_SIZE], struct clo_buffer *out, uint8_t tag[TAG_SIZE],
                    struct clo_error *err)
{
    int size = 0;

    if (plaintext.size > INT_MAX || header.size > INT_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "JWE: %zu bytes are too much", plaintext.size);
    clo_buffer_zero(out, plaintext.size);
    if (!clo_buffer_ok(out))
        return clo_out_of_memory(err);
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    bool ok = cipher != NULL &&
              EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, s->cek, iv) == 1 &&
              EVP_EncryptUpdate(cipher, NULL, &size, header.data, (int)header.size) == 1 &&
              (plaintext.size == 0 || EVP_EncryptUpdate(cipher, out->data, &size, plaintext.data,
                                                        (int)plaintext.size) == 1) &&
              EVP_EncryptFinal_ex(cipher, tag, &size) == 1 && /* writes nothing */
              EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag) == 1;
    EVP_CIPHER_CTX_free(cipher);
    return ok || clo_fail(err, CLO_ERR_SYSTEM, "JWE: sealing failed");
}

/* "alg" and "enc" first, then the others by name: Trustee's client library writes the header anew in this order, and it is that text
 * which it authenticates (kbs-types, ProtectedHeader). */
static bool write_header(const json_t *header, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep)
    json_t *first = json_pack("{s:O, s:O}", "alg", json_object_get(header, "alg"), "enc",
                              json_object_get(header, "enc"));
    CLO_CLEANUP(clo_json_freep) json_t *rest = json_copy((json_t *)(uintptr_t)header);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (first == NULL || rest == NULL || json_object_del(rest, "alg") != 0 ||
        json_object_del(rest, "enc") != 0)
        return clo_out_of_memory(err);
    if (!clo_json_write(first, out, err) || !clo_json_write(rest, &text, err))
        return false;
    if (json_object_size(rest) == 0)
        return true;
    out->data[out->size - 1] = ',';
    clo_buffer_append(out, clo_bytes_slice(clo_buffer_bytes(&text), 1, text.size - 1));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

static bool write_message(const struct sealing *s, struct clo_bytes plaintext, json_t **out,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer ciphertext = { 0 };
    uint8_t iv[IV_SIZE];
    uint8_t tag[TAG_SIZE];

    if (!write_header(s->header, &text, err))
        return false;
    clo_base64url_write(clo_buffer_bytes(&text), &header);
    if (clo_buffer_string(&header) == NULL)
        return clo_out_of_memory(err);
    if (RAND_bytes(iv, sizeof iv) != 1)
        return clo_fail(err, CLO_ERR_SYSTEM, "JWE: no randomness");
    if (!encrypt(s, clo_buffer_bytes(&header), plaintext, iv, &ciphertext, tag, err))
        return false;
    *out = json_pack("{s:s, s:o, s:o, s:o, s:o}", "protected", clo_buffer_string(&header),
                     "encrypted_key", clo_json_base64url(clo_buffer_bytes(&s->wrapped)), "iv",
                     clo_json_base64url(clo_bytes(iv, sizeof iv)), "ciphertext",
                     clo_json_base64url(clo_buffer_bytes(&ciphertext)), "tag",
                     clo_json_base64url(clo_bytes(tag, sizeof tag)));
    return *out != NULL || clo_out_of_memory(err);
}

bool clo_jwe_seal_typed(const json_t *recipient_jwk, const char *type, struct clo_bytes plaintext,
                        json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(free_sealing) struct sealing s = { .header = NULL };
    bool is_mlkem = jwe_is_mlkem(recipient_jwk);

    if (!is_mlkem && !clo_jwk_to_public_key(recipient_jwk, &key, err))
        return clo_wrap(err, "JWE recipient");
    bool is_rsa = !is_mlkem && clo_public_key_kind(key) == CLO_KEY_RSA;
    const char *algorithm = is_mlkem ? JWE_MLKEM_ALGORITHM : is_rsa ? FOR_RSA : FOR_EC;
    if (!check_algorithm(recipient_jwk, algorithm, err))
        return clo_wrap(err, "JWE recipient");
    s.to = key;
    s.header = json_pack("{s:s, s:s, s:s*}", "alg", algorithm, "enc", "A256GCM", "cty", type);
    if (s.header == NULL)
        return clo_out_of_memory(err);
    if (RAND_priv_bytes(s.cek, sizeof s.cek) != 1)
        return clo_fail(err, CLO_ERR_SYSTEM, "JWE: no fresh key");
    return (is_mlkem ? jwe_wrap_mlkem(recipient_jwk, s.cek, s.header, &s.wrapped, err)
            : is_rsa ? wrap_for_rsa(&s, err)
                     : wrap_for_ec(&s, err)) &&
           write_message(&s, plaintext, out, err);
}

bool clo_jwe_seal(const json_t *recipient_jwk, struct clo_bytes plaintext, json_t **out,
                  struct clo_error *err)
{
    return clo_jwe_seal_typed(recipient_jwk, NULL, plaintext, out, err);
}
