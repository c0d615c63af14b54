#include "cloister/jose.h"

#include "test.h"

static struct clo_public_key *key_from(const char *text)
{
    CLO_CLEANUP(clo_json_freep) json_t *jwk = NULL;
    struct clo_public_key *key = NULL;
    struct clo_error err;

    if (!clo_json_parse(clo_bytes_text(text), &jwk, &err) ||
        !clo_jwk_to_public_key(jwk, &key, &err))
        fail_msg("%s", err.text);
    return key;
}

/* RFC 7515, appendix A.3. */
static const char rfc_key[] =
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}";
#define RFC_HEADER "eyJhbGciOiJFUzI1NiJ9"
#define RFC_PAYLOAD                                                                      \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb2" \
    "90Ijp0cnVlfQ"
#define RFC_SIGNATURE \
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"

static void the_rfcs_token_and_its_changes(void **state)
{
    static const struct {
        const char *name, *token, *error;
        enum clo_status status;
    } cases[] = {
        { "as it is", RFC_HEADER "." RFC_PAYLOAD "." RFC_SIGNATURE, NULL, CLO_OK },
        { "no signature", RFC_HEADER "." RFC_PAYLOAD ".", "token: signature: 0 bytes, expected 64",
          CLO_ERR_REFUSED },
        { "two parts", RFC_HEADER "." RFC_PAYLOAD, "token: not three parts with dots between them",
          CLO_ERR_FORMAT },
        { "four parts", RFC_HEADER "." RFC_PAYLOAD "." RFC_SIGNATURE ".",
          "token: signature: base64: wrong character at 86", CLO_ERR_FORMAT },
        { "empty", "", "token: not three parts with dots between them", CLO_ERR_FORMAT },
        { "dots only", "..", "token: header: JSON: empty", CLO_ERR_FORMAT },
        { "{\"alg\":\"none\"}", "eyJhbGciOiJub25lIn0." RFC_PAYLOAD ".",
          "token: header: alg \"none\", expected \"ES256\"", CLO_ERR_REFUSED },
        { "{\"alg\":\"HS256\"} with the public key for a secret",
          "eyJhbGciOiJIUzI1NiJ9." RFC_PAYLOAD "." RFC_SIGNATURE,
          "token: header: alg \"HS256\", expected \"ES256\"", CLO_ERR_REFUSED },
        { "{\"alg\":\"ES384\"}", "eyJhbGciOiJFUzM4NCJ9." RFC_PAYLOAD "." RFC_SIGNATURE,
          "token: header: alg \"ES384\", expected \"ES256\"", CLO_ERR_REFUSED },
        { "{\"alg\":\"ES256\",\"crit\":[\"b64\"],\"b64\":false}",
          "eyJhbGciOiJFUzI1NiIsImNyaXQiOlsiYjY0Il0sImI2NCI6ZmFsc2V9." RFC_PAYLOAD "." RFC_SIGNATURE,
          "token: header: unknown member \"crit\"", CLO_ERR_FORMAT },
        { "{\"alg\":\"ES256\",\"jwk\":{}}",
          "eyJhbGciOiJFUzI1NiIsImp3ayI6e319." RFC_PAYLOAD "." RFC_SIGNATURE,
          "token: header: unknown member \"jwk\"", CLO_ERR_FORMAT },
        { "{\"typ\":\"JWT\"}", "eyJ0eXAiOiJKV1QifQ." RFC_PAYLOAD "." RFC_SIGNATURE,
          "token: header: \"alg\" is missing", CLO_ERR_FORMAT },
        { "{\"alg\":\"ES256\",\"alg\":\"ES256\"}",
          "eyJhbGciOiJFUzI1NiIsImFsZyI6IkVTMjU2In0." RFC_PAYLOAD "." RFC_SIGNATURE,
          "token: header: JSON: duplicate object key", CLO_ERR_FORMAT },
        { "another header of the same meaning: {\"alg\": \"ES256\"}",
          "eyJhbGciOiAiRVMyNTYifQ." RFC_PAYLOAD "." RFC_SIGNATURE, "token: signature does not hold",
          CLO_ERR_REFUSED },
        { "another payload", RFC_HEADER ".eyJpc3MiOiJldmUifQ." RFC_SIGNATURE,
          "token: signature does not hold", CLO_ERR_REFUSED },
        { "padding", RFC_HEADER "=." RFC_PAYLOAD "." RFC_SIGNATURE,
          "token: header: base64: 21 characters cannot be", CLO_ERR_FORMAT },
    };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = key_from(rfc_key);

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *payload = NULL;
        const char *issuer;
        struct clo_error err = { 0 };
        bool ok = clo_jws_verify(clo_bytes_text(cases[i].token), key, &payload, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strncmp(err.text, cases[i].error, strlen(cases[i].error)) == 0, cases[i].name);
        CHECK(ok || (err.status == cases[i].status && payload == NULL), cases[i].name);
        CHECK(!ok || (clo_json_get_string(payload, "iss", &issuer, &err) &&
                      strcmp(issuer, "joe") == 0),
              cases[i].name);
    }
}

static void signed_and_verified(void **state)
{
    static const enum clo_key_kind kinds[] = { CLO_KEY_P256, CLO_KEY_P384 };
    CLO_CLEANUP(clo_json_freep)
    json_t *payload = json_pack("{s:s, s:i}", "status", "affirming", "iat", 1767225600);

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(kinds); i++) {
        CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
        CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *other = NULL;
        CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
        CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *other_public = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer token = { 0 };
        CLO_CLEANUP(clo_json_freep) json_t *out = NULL;
        json_t *none = NULL;
        struct clo_error err;
        CHECK(clo_private_key_new(kinds[i], 0, &key, &err), err.text);
        CHECK(clo_private_key_new(kinds[i], 0, &other, &err), err.text);
        CHECK(clo_private_key_public(key, &public, &err), err.text);
        CHECK(clo_private_key_public(other, &other_public, &err), err.text);
        CHECK(clo_jws_sign(key, payload, &token, &err), err.text);
        CHECK(clo_jws_verify(clo_buffer_bytes(&token), public, &out, &err), err.text);
        CHECK(json_equal(payload, out), "the payload");
        CHECK(!clo_jws_verify(clo_buffer_bytes(&token), other_public, &none, &err), "another key");
        assert_string_equal(err.text, "token: signature does not hold");
        for (size_t size = 0; size < token.size; size++)
            CHECK(!clo_jws_verify(clo_bytes(token.data, size), public, &none, &err) && none == NULL,
                  "truncated");
    }
}

static void keys_that_do_not_sign_tokens(void **state)
{
    static const enum clo_key_kind kinds[] = { CLO_KEY_RSA, CLO_KEY_P521 };
    CLO_CLEANUP(clo_json_freep) json_t *payload = json_object();

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(kinds); i++) {
        CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
        CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer token = { 0 };
        json_t *out = NULL;
        struct clo_error err;
        CHECK(clo_private_key_new(kinds[i], 2048, &key, &err), err.text);
        CHECK(clo_private_key_public(key, &public, &err), err.text);
        CHECK(!clo_jws_sign(key, payload, &token, &err), "sign");
        assert_string_equal(err.text, "JWS: a key on P-256 or P-384 is needed");
        CHECK(!clo_jws_verify(clo_bytes_text(RFC_HEADER "." RFC_PAYLOAD "." RFC_SIGNATURE), public,
                              &out, &err) &&
                      out == NULL,
              "verify");
        assert_string_equal(err.text, "token: JWS: a key on P-256 or P-384 is needed");
    }
}

/* Tokens that Veraison's libraries made. */
static void veraisons_tokens(void **state)
{
    static const struct {
        const char *folder, *error;
    } cases[] = {
        { "ear-jwt-0", NULL },
        { "ear-jwt-1", "token: header: alg \"HS256\", expected \"ES256\"" },
        { "ear-jwt-3", "token: header: JSON: empty" },
        { "ear-arc-testJWT", NULL },
        { "ear-rust-verify", NULL },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer token = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer jwk = { 0 };
        CLO_CLEANUP(clo_json_freep) json_t *payload = NULL;
        struct clo_error err;
        char path[128];
        snprintf(path, sizeof path, "corim-ear/%s/token.jwt", cases[i].folder);
        read_vector(path, &token);
        snprintf(path, sizeof path, "corim-ear/%s/key.jwk", cases[i].folder);
        read_vector(path, &jwk);
        CLO_CLEANUP(clo_public_key_freep)
        struct clo_public_key *key = key_from(clo_buffer_string(&jwk));
        while (token.size > 0 && token.data[token.size - 1] == '\n')
            token.size--;
        bool ok = clo_jws_verify(clo_buffer_bytes(&token), key, &payload, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].folder);
        CHECK(ok || strcmp(err.text, cases[i].error) == 0, cases[i].folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rfcs_token_and_its_changes),
        cmocka_unit_test(signed_and_verified),
        cmocka_unit_test(keys_that_do_not_sign_tokens),
        cmocka_unit_test(veraisons_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
