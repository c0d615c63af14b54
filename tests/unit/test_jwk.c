#include "cloister/jose.h"

#include "test.h"

static void there_and_back(void **state)
{
    static const struct {
        enum clo_key_kind kind;
        const char *kty, *crv;
    } cases[] = {
        { CLO_KEY_RSA, "RSA", NULL },
        { CLO_KEY_P256, "EC", "P-256" },
        { CLO_KEY_P384, "EC", "P-384" },
        { CLO_KEY_P521, "EC", "P-521" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *private = NULL;
        CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
        CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *again = NULL;
        CLO_CLEANUP(clo_json_freep) json_t *jwk = NULL;
        struct clo_digest a;
        struct clo_digest b;
        const char *text;
        struct clo_error err;
        CHECK(clo_private_key_new(cases[i].kind, 2048, &private, &err), err.text);
        CHECK(clo_private_key_public(private, &public, &err), err.text);
        CHECK(clo_jwk_from_public_key(public, &jwk, &err), err.text);
        CHECK(clo_json_get_string(jwk, "kty", &text, &err) && strcmp(text, cases[i].kty) == 0,
              cases[i].kty);
        if (cases[i].crv != NULL)
            CHECK(clo_json_get_string(jwk, "crv", &text, &err) && strcmp(text, cases[i].crv) == 0,
                  cases[i].crv);
        CHECK(json_object_get(jwk, "d") == NULL, "nothing private");
        CHECK(clo_jwk_to_public_key(jwk, &again, &err), err.text);
        CHECK(clo_public_key_fingerprint(public, &a, &err), err.text);
        CHECK(clo_public_key_fingerprint(again, &b, &err), err.text);
        CHECK(clo_digest_equal(&a, &b), "the same key");
    }
}

/* RFC 7517, appendix A.1. */
static void the_rfcs_keys(void **state)
{
    static const char ec[] =
            "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
            "\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
            "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\",\"use\":\"enc\",\"kid\":\"1\"}";
    CLO_CLEANUP(clo_json_freep) json_t *jwk = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer x = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer y = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer hex = { 0 };
    struct clo_error err;

    (void)state;
    CHECK(clo_json_parse(clo_bytes_text(ec), &jwk, &err), err.text);
    CHECK(clo_jwk_to_public_key(jwk, &key, &err), err.text);
    CHECK(clo_public_key_kind(key) == CLO_KEY_P256, "kind");
    CHECK(clo_public_key_numbers(key, &x, &y, &err), err.text);
    clo_hex_write(clo_buffer_bytes(&x), &hex);
    assert_string_equal(clo_buffer_string(&hex),
                        "30a0424cd21c2944838a2d75c92b37e76ea20d9f00893a3b4eee8a3c0aafec3e");
}

static void what_is_no_key(void **state)
{
    static const struct {
        const char *name, *jwk, *error;
    } cases[] = {
        { "no object", "[]", "JWK: an object with \"kty\" expected" },
        { "no kty", "{}", "JWK: \"kty\" is missing" },
        { "kty oct", "{\"kty\":\"oct\",\"k\":\"AAAA\"}", "JWK: kty \"oct\"" },
        { "kty OKP", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}", "JWK: kty \"OKP\"" },
        { "no curve", "{\"kty\":\"EC\"}", "JWK: \"crv\" is missing" },
        { "another curve", "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AA\",\"y\":\"AA\"}",
          "JWK: curve \"secp256k1\"" },
        { "no y", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\"}", "JWK: \"y\" is missing" },
        { "short coordinates", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}",
          "JWK: EC key: coordinates of 1 and 1 bytes" },
        { "a long coordinate",
          "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
          "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
          "\"y\":\"AA\"}",
          "JWK: \"x\": base64: more than 32 bytes" },
        { "off the curve",
          "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
          "\"y\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\"}",
          "JWK: public key" },
        { "padding", "{\"kty\":\"RSA\",\"n\":\"AA==\",\"e\":\"AQAB\"}",
          "JWK: \"n\": base64: wrong character at 2" },
        { "a small modulus", "{\"kty\":\"RSA\",\"n\":\"_____w\",\"e\":\"AQAB\"}",
          "JWK: RSA key of 32 bits" },
        { "exponent 1", "{\"kty\":\"RSA\",\"n\":\"_____w\",\"e\":\"AQ\"}",
          "JWK: RSA key: wrong exponent" },
        { "a number for a string", "{\"kty\":1}", "JWK: \"kty\" is not a string" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *jwk = NULL;
        struct clo_public_key *key = NULL;
        struct clo_error err;
        CHECK(clo_json_parse(clo_bytes_text(cases[i].jwk), &jwk, &err), err.text);
        CHECK(!clo_jwk_to_public_key(jwk, &key, &err) && key == NULL, cases[i].name);
        CHECK(strncmp(err.text, cases[i].error, strlen(cases[i].error)) == 0, cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(the_rfcs_keys),
        cmocka_unit_test(what_is_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
