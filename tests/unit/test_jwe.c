#include "cloister/jose.h"

#include "lib/jose/held.h"
#include "test.h"

static json_t *read_cases(void)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const char *folder = getenv("CLOISTER_TESTS");
    struct clo_error err;
    char path[4096];
    json_t *cases = NULL;

    snprintf(path, sizeof path, "%s/vectors/jwe/cases.json", folder == NULL ? "tests" : folder);
    if (!clo_file_read(path, CLO_FILE_LIMIT, &text, &err) ||
        !clo_json_parse(clo_buffer_bytes(&text), &cases, &err))
        fail_msg("%s", err.text);
    return cases;
}

/* By RFC 7518's steps, without libjose: tests/vectors/jwe/make.py. */
static void sealed_by_another_hand(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *file = read_cases();
    json_t *cases = json_object_get(file, "cases");
    json_t *keys = json_object_get(file, "keys");
    json_t *entry;
    size_t i;

    (void)state;
    CHECK(json_array_size(cases) > 30, "cases");
    json_array_foreach (cases, i, entry) {
        CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
        CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer plaintext = { 0 };
        const char *name = json_string_value(json_object_get(entry, "name"));
        const char *error = json_string_value(json_object_get(entry, "error"));
        const char *which = json_string_value(json_object_get(entry, "key"));
        const char *pem = json_string_value(json_object_get(keys, which));
        struct clo_error err = { 0 };
        CHECK(clo_private_key_from_pem(clo_bytes_text(pem), &key, &err), err.text);
        bool ok = clo_jwe_open(json_object_get(entry, "jwe"), key, &secret, &err);
        CHECK(ok == (error == NULL), name);
        CHECK(ok || strcmp(err.text, error) == 0, name);
        CHECK(ok == (secret != NULL), name);
        CHECK(!ok || clo_bytes_equal(
                             clo_secret_bytes(secret),
                             from_hex(json_string_value(json_object_get(entry, "plaintext")),
                                      &plaintext)),
              name);
    }
}

/* What it opens, libjose opens as well, and to the same bytes; direct agreement and parties' names are not for it. */
static void opened_by_a_held_key(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *file = read_cases();
    json_t *keys = json_object_get(file, "keys");
    unsigned opened = 0;
    json_t *entry;
    size_t i;

    (void)state;
    json_array_foreach (json_object_get(file, "cases"), i, entry) {
        CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
        CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
        CLO_CLEANUP(clo_secret_freep) struct clo_secret *again = NULL;
        const char *which = json_string_value(json_object_get(entry, "key"));
        const char *name = json_string_value(json_object_get(entry, "name"));
        const json_t *jwe = json_object_get(entry, "jwe");
        struct clo_error err;
        CHECK(clo_private_key_from_pem(
                      clo_bytes_text(json_string_value(json_object_get(keys, which))), &key, &err),
              err.text);
        if (!clo_jwe_open_held(jwe, key, &secret, &err))
            continue;
        CHECK(clo_jwe_open(jwe, key, &again, &err), name);
        CHECK(clo_bytes_equal(clo_secret_bytes(secret), clo_secret_bytes(again)), name);
        opened++;
    }
    CHECK(opened == 3, "P-256, P-384 and RSA");
}

static void sealed_and_opened(void **state)
{
    static const struct {
        enum clo_key_kind kind;
        size_t size;
    } cases[] = {
        { CLO_KEY_P256, 64 },  { CLO_KEY_P384, 32 }, { CLO_KEY_P521, 32 },
        { CLO_KEY_RSA, 4096 }, { CLO_KEY_P256, 1 },
    };
    static const uint8_t bytes[4096] = { [0 ... 4095] = 0x5a };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
        CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *other = NULL;
        CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
        CLO_CLEANUP(clo_json_freep) json_t *jwk = NULL;
        CLO_CLEANUP(clo_json_freep) json_t *jwe = NULL;
        CLO_CLEANUP(clo_json_freep) json_t *second = NULL;
        CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
        struct clo_secret *none = NULL;
        struct clo_bytes plaintext = clo_bytes(bytes, cases[i].size);
        struct clo_error err;
        CHECK(clo_private_key_new(cases[i].kind, 2048, &key, &err), err.text);
        CHECK(clo_private_key_new(cases[i].kind, 2048, &other, &err), err.text);
        CHECK(clo_private_key_public(key, &public, &err), err.text);
        CHECK(clo_jwk_from_public_key(public, &jwk, &err), err.text);
        CHECK(clo_jwe_seal(jwk, plaintext, &jwe, &err), err.text);
        CHECK(clo_jwe_seal(jwk, plaintext, &second, &err), err.text);
        /* Of one byte, two ciphertexts may be alike by chance; tags never are. */
        CHECK(!json_equal(json_object_get(jwe, "tag"), json_object_get(second, "tag")),
              "a fresh key each time");
        CHECK(clo_jwe_open(jwe, key, &secret, &err), err.text);
        CHECK(clo_bytes_equal(clo_secret_bytes(secret), plaintext), "the same bytes");
        CHECK(!clo_jwe_open(jwe, other, &none, &err) && none == NULL, "another key");
        assert_string_equal(err.text, "JWE: not sealed to this key, or changed");
        CHECK(err.status == CLO_ERR_REFUSED, "refused");
        /* As a key is asked that does not leave its place. */
        CLO_CLEANUP(clo_secret_freep) struct clo_secret *held = NULL;
        CHECK(clo_jwe_open_held(jwe, key, &held, &err), err.text);
        CHECK(clo_bytes_equal(clo_secret_bytes(held), plaintext), "the same bytes, by exchange");
        CHECK(!clo_jwe_open_held(jwe, other, &none, &err) && none == NULL, "another key");
        assert_string_equal(err.text, "JWE: not sealed to this key, or changed");
    }
}

static void only_to_a_public_key(void **state)
{
    static const struct {
        const char *name, *jwk, *error;
    } cases[] = {
        { "a symmetric key", "{\"kty\":\"oct\",\"k\":\"AAAA\",\"alg\":\"dir\"}",
          "JWE recipient: JWK: kty \"oct\"" },
        { "none", "{}", "JWE recipient: JWK: \"kty\" is missing" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_json_freep) json_t *jwk = NULL;
        json_t *jwe = NULL;
        struct clo_error err;
        CHECK(clo_json_parse(clo_bytes_text(cases[i].jwk), &jwk, &err), err.text);
        CHECK(!clo_jwe_seal(jwk, clo_bytes_text("key"), &jwe, &err) && jwe == NULL, cases[i].name);
        CHECK(strcmp(err.text, cases[i].error) == 0, cases[i].name);
    }
}

/* As a library that knows "alg" and "enc", and keeps the rest by name, writes the header again. */
static void check_order(const json_t *jwe, const char *expected)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_error err;

    CHECK(clo_json_get_bytes(jwe, "protected", CLO_JSON_BASE64URL, 4096, &text, &err), err.text);
    CHECK(strncmp(clo_buffer_string(&text), expected, strlen(expected)) == 0,
          clo_buffer_string(&text));
}

static void header_in_order(void **state)
{
    static const enum clo_key_kind kinds[] = { CLO_KEY_P256, CLO_KEY_RSA };
    static const char *const plain[] = {
        "{\"alg\":\"ECDH-ES+A256KW\",\"enc\":\"A256GCM\",\"epk\":{\"crv\":",
        "{\"alg\":\"RSA-OAEP-256\",\"enc\":\"A256GCM\"}",
    };
    static const char *const typed[] = {
        "{\"alg\":\"ECDH-ES+A256KW\",\"enc\":\"A256GCM\",\"cty\":\"x\",\"epk\":{\"crv\":",
        "{\"alg\":\"RSA-OAEP-256\",\"enc\":\"A256GCM\",\"cty\":\"x\"}",
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(kinds); i++) {
        CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
        CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
        CLO_CLEANUP(clo_json_freep) json_t *jwk = NULL;
        CLO_CLEANUP(clo_json_freep) json_t *jwe = NULL;
        CLO_CLEANUP(clo_json_freep) json_t *with_type = NULL;
        struct clo_error err;
        CHECK(clo_private_key_new(kinds[i], 2048, &key, &err), err.text);
        CHECK(clo_private_key_public(key, &public, &err), err.text);
        CHECK(clo_jwk_from_public_key(public, &jwk, &err), err.text);
        CHECK(clo_jwe_seal(jwk, clo_bytes_text("key"), &jwe, &err), err.text);
        check_order(jwe, plain[i]);
        CHECK(clo_jwe_seal_typed(jwk, "x", clo_bytes_text("key"), &with_type, &err), err.text);
        check_order(with_type, typed[i]);
    }
}

/* What the content is stands under the seal: nobody on the way says otherwise. */
static void typed(void **state)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *jwk = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *jwe = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *plain = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *none = NULL;
    char type[CLO_JWE_TYPE];
    struct clo_error err;

    (void)state;
    assert_true(clo_private_key_new(CLO_KEY_P256, 0, &key, &err));
    assert_true(clo_private_key_public(key, &public, &err));
    assert_true(clo_jwk_from_public_key(public, &jwk, &err));
    CHECK(clo_jwe_seal_typed(jwk, "some+json", clo_bytes_text("{}"), &jwe, &err), err.text);
    CHECK(clo_jwe_open_typed(jwe, key, type, &secret, &err), err.text);
    assert_string_equal(type, "some+json");
    assert_false(clo_jwe_open(jwe, key, &none, &err));
    assert_string_equal(err.text, "JWE: its content is \"some+json\", not plain bytes");
    /* The header of a message without a type, which is otherwise as good, does not fit. */
    CHECK(clo_jwe_seal(jwk, clo_bytes_text("{}"), &plain, &err), err.text);
    json_object_set(jwe, "protected", json_object_get(plain, "protected"));
    assert_false(clo_jwe_open(jwe, key, &none, &err));
    assert_string_equal(err.text, "JWE: not sealed to this key, or changed");
    clo_secret_freep(&secret);
    CHECK(clo_jwe_open_typed(plain, key, type, &secret, &err), err.text);
    assert_string_equal(type, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sealed_by_another_hand), cmocka_unit_test(opened_by_a_held_key),
        cmocka_unit_test(sealed_and_opened),      cmocka_unit_test(only_to_a_public_key),
        cmocka_unit_test(header_in_order),        cmocka_unit_test(typed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
