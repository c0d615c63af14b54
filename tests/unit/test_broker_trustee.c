/* Trustee's clients at the broker: their versions, forms and hashes; statuses by which they go; tokens and cookies; and what
 * must not be mistaken for something else. */
#include <openssl/evp.h>

#include "lib/crypto/mlkem.h"
#include "trustee_maker.h"

#include "cloister/encoding.h"

#define ERRORS "https://github.com/confidential-containers/kbs/errors/"

static struct clo_private_key *p256;

static int set_up_trustee(void **state)
{
    char policy[4096];
    char measurement[2 * 48 + 1];
    struct clo_error err;

    if (set_up(state) != 0)
        return 1;
    must(clo_private_key_new(CLO_KEY_P256, 0, &p256, &err), &err);
    scene_reset(&scene);
    clo_hex_text(clo_bytes(scene.maker.report + 0x90, 48), measurement);
    char root[2 * 32 + 1];
    clo_hex_text(clo_digest_bytes(&scene.maker.root), root);
    snprintf(policy, sizeof policy,
             "{\"cloister_policy\":1,\"name\":\"bare\",\"tee\":[\"snp\"],\"roots\":[\"%s\"],"
             "\"evidence\":[\"bare\"],\"snp\":{\"measurement\":[\"%s\"],\"measurement_covers\":"
             "[\"kernel\",\"initrd\",\"cmdline\"]}}",
             root, measurement);
    put_shared("default/snp/a", "for SNP", policy);
    put_shared("default/snp/b", "for SNP, too", policy);
    put_shared("default/test/a", "for tests", TRUSTEE_POLICY_SAMPLE);
    return 0;
}

static int tear_down_trustee(void **state)
{
    clo_private_key_freep(&p256);
    return tear_down(state);
}

static void check_type(const struct client *client, const char *name)
{
    const char *type = member(client, "type");

    CHECK(strncmp(type, ERRORS, strlen(ERRORS)) == 0 && strcmp(type + strlen(ERRORS), name) == 0,
          type);
}

static void open_with(const struct client *client, const struct clo_private_key *key,
                      const char *expected)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    struct clo_error err;

    must(clo_jwe_open(client->json, key, &secret, &err), &err);
    CHECK(clo_bytes_equal(clo_secret_bytes(secret), clo_bytes_text(expected)), expected);
}

/* --- What works --- */

static unsigned attest_sample(struct client *client, const json_t *key)
{
    struct clo_digest digest;

    trustee_digest(client->nonce, key, "", CLO_HASH_SHA384, &digest);
    return trustee_attest(client, key, trustee_sample(&digest), "", NULL);
}

static void test_snp(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 100 };
    CLO_CLEANUP(clo_json_freep) json_t *key = trustee_key(p256, "ECDH-ES+A256KW");
    struct clo_digest digest;

    (void)state;
    CHECK(trustee_auth(&client, "0.4.0", "snp") == 200, member(&client, "detail"));
    CHECK(strcmp(member(&client, "extra-params"), "") == 0 &&
                  json_object_get(client.json, "extra-params") != NULL,
          "SHA-384 is not told");
    trustee_digest(client.nonce, key, "", CLO_HASH_SHA384, &digest);
    CHECK(trustee_attest(&client, key, trustee_snp(&digest, clo_bytes(NULL, 0)), "", NULL) == 200,
          member(&client, "detail"));
    CHECK(client.answer.cookie[0] != '\0', "the cookie is set again");
    /* Several resources in one session. */
    CHECK(get(&client, "default/snp/a") == 200, member(&client, "detail"));
    open_with(&client, p256, "for SNP");
    CHECK(get(&client, "default/snp/b") == 200, member(&client, "detail"));
    open_with(&client, p256, "for SNP, too");
    CHECK(get(&client, "default/test/a") == 403, "under other terms");
    check_type(&client, "PolicyDeny");
}

static void test_hashes(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 150 };
    CLO_CLEANUP(clo_json_freep) json_t *key = trustee_key(p256, NULL);
    struct clo_digest digest;

    (void)state;
    CHECK(ask(&client, "POST", "/kbs/v0/auth",
              "{\"version\":\"0.4.0\",\"tee\":\"snp\",\"extra-params\":{\"supported-hash-"
              "algorithms\":[\"sha512\"]}}") == 200,
          "auth");
    memcpy(client.cookie, client.answer.cookie, sizeof client.cookie);
    snprintf(client.nonce, sizeof client.nonce, "%s", member(&client, "nonce"));
    CHECK(strcmp(json_string_value(json_object_get(json_object_get(client.json, "extra-params"),
                                                   "selected-hash-algorithm")),
                 "sha512") == 0,
          "told");
    trustee_digest(client.nonce, key, "", CLO_HASH_SHA384, &digest);
    CHECK(trustee_attest(&client, key, trustee_snp(&digest, clo_bytes(NULL, 0)), "", NULL) == 401,
          "another hash than the one that was agreed on");
    trustee_digest(client.nonce, key, "", CLO_HASH_SHA512, &digest);
    CHECK(trustee_attest(&client, key, trustee_snp(&digest, clo_bytes(NULL, 0)), "", NULL) == 200,
          member(&client, "detail"));
}

static void test_versions(void **state)
{
    static const struct {
        const char *version;
        unsigned status;
    } cases[] = { { "0.1.0", 401 }, { "0.1.1", 200 }, { "0.2.0", 200 }, { "0.3.0", 200 },
                  { "0.4.0", 200 }, { "0.4.1", 401 }, { "x", 401 } };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(free_client) struct client client = { .clock = 200 };
        CLO_CLEANUP(clo_json_freep) json_t *key = trustee_key(p256, "ECDH-ES+A256KW");
        struct clo_digest digest;
        CHECK(trustee_auth(&client, cases[i].version, "sample") == cases[i].status,
              cases[i].version);
        if (cases[i].status != 200) {
            check_type(&client, "AttestationError");
            continue;
        }
        bool is_new = strcmp(cases[i].version, "0.4.0") == 0;
        trustee_digest(client.nonce, key, is_new ? NULL : "", CLO_HASH_SHA384, &digest);
        CHECK(trustee_attest(&client, key, trustee_sample(&digest), "", NULL) == 401,
              "hashed as another version does it");
        CHECK(strstr(member(&client, "detail"), "sample.report_data") != NULL,
              member(&client, "detail"));
        trustee_digest(client.nonce, key, is_new ? "" : NULL, CLO_HASH_SHA384, &digest);
        CHECK(trustee_attest(&client, key, trustee_sample(&digest), "", NULL) == 200,
              member(&client, "detail"));
        CHECK(get(&client, "default/test/a") == 200, member(&client, "detail"));
    }
}

/* The answer may be lost: the same request gets the same token, and nothing else does. */
static void test_twice(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 300 };
    CLO_CLEANUP(clo_json_freep) json_t *key = trustee_key(p256, NULL);
    CLO_CLEANUP(clo_json_freep) json_t *other = trustee_key(scene.transport, NULL);
    char token[8192];
    unsigned before = decisions;

    (void)state;
    CHECK(trustee_auth(&client, "0.4.0", "sample") == 200, member(&client, "detail"));
    CHECK(attest_sample(&client, key) == 200, member(&client, "detail"));
    snprintf(token, sizeof token, "%s", member(&client, "token"));
    CHECK(attest_sample(&client, key) == 200, member(&client, "detail"));
    CHECK(strcmp(token, member(&client, "token")) == 0, "the same token");
    CHECK(decisions == before + 1, "one decision");
    CHECK(attest_sample(&client, other) == 401, "another key in the same session");
    CHECK(strstr(member(&client, "detail"), "used before") != NULL, member(&client, "detail"));
}

/* --- Tokens as passports --- */

static void test_bearer(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 400 };
    CLO_CLEANUP(free_client) struct client passport = { .clock = 400 };
    CLO_CLEANUP(clo_json_freep) json_t *key = trustee_key(p256, NULL);

    (void)state;
    CHECK(trustee_auth(&client, "0.4.0", "sample") == 200, member(&client, "detail"));
    CHECK(attest_sample(&client, key) == 200, member(&client, "detail"));
    clo_buffer_printf(&passport.authorization, "Bearer %s", member(&client, "token"));
    CHECK(get(&passport, "default/test/a") == 200, member(&passport, "detail"));
    open_with(&passport, p256, "for tests");
    /* Longer than the session, as long as the token. */
    passport.clock = 400 + 299;
    CHECK(get(&passport, "default/test/a") == 200, member(&passport, "detail"));
    client.clock = 400 + 299;
    CHECK(get(&client, "default/test/a") == 401, "the session is over");
    check_type(&client, "TokenNotFound");
    passport.clock = 400 + 300;
    CHECK(get(&passport, "default/test/a") == 401, "the token is, too");
    check_type(&passport, "TokenVerifierError");
}

/* A token signed by anything but our own key, or by nobody, opens nothing. */
static void test_forged_tokens(void **state)
{
    static const struct {
        const char *name, *header;
        bool is_signed;
    } cases[] = {
        { "no signature", "{\"alg\":\"none\",\"typ\":\"JWT\"}", false },
        { "a MAC by the public key", "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", false },
        { "another key", NULL, true },
        { "a key in the header", "{\"alg\":\"ES256\",\"jwk\":{}}", false },
    };
    CLO_CLEANUP(free_client) struct client client = { .clock = 500 };
    CLO_CLEANUP(clo_json_freep) json_t *key = trustee_key(p256, NULL);
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer payload = { 0 };
    struct clo_error err;

    (void)state;
    CHECK(trustee_auth(&client, "0.4.0", "sample") == 200, member(&client, "detail"));
    CHECK(attest_sample(&client, key) == 200, member(&client, "detail"));
    const char *token = member(&client, "token");
    const char *dot = strchr(token, '.'), *end = strrchr(token, '.');
    must(clo_base64url_read(clo_bytes(dot + 1, (size_t)(end - dot - 1)), &payload, &err), &err);
    must(clo_json_parse(clo_buffer_bytes(&payload), &claims, &err), &err);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(free_client) struct client forger = { .clock = 500 };
        clo_buffer_text(&forger.authorization, "Bearer ");
        if (cases[i].is_signed) {
            must(clo_jws_sign(p256, claims, &forger.authorization, &err), &err);
        } else {
            clo_base64url_write(clo_bytes_text(cases[i].header), &forger.authorization);
            clo_buffer_printf(&forger.authorization, ".%.*s.", (int)(end - dot - 1), dot + 1);
        }
        CHECK(get(&forger, "default/test/a") == 401, cases[i].name);
        check_type(&forger, "TokenVerifierError");
    }
    CLO_CLEANUP(free_client) struct client rubbish = { .clock = 500 };
    clo_buffer_text(&rubbish.authorization, "Bearer a.b.c");
    CHECK(get(&rubbish, "default/test/a") == 401, "rubbish");
}

/* --- What must not be mistaken --- */

static void test_confusion(void **state)
{
    static const struct {
        const char *name, *tee, *detail;
    } cases[] = {
        { "SNP's evidence in a session for TDX", "tdx", "not in a form that clients have for" },
        { "in one for a vTPM", "az-snp-vtpm", "not in a form that clients have for" },
        { "in one for tests", "sample", "not in a form that clients have for" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(free_client) struct client client = { .clock = 600 };
        CLO_CLEANUP(clo_json_freep) json_t *key = trustee_key(p256, NULL);
        struct clo_digest digest;
        CHECK(trustee_auth(&client, "0.4.0", cases[i].tee) == 200, member(&client, "detail"));
        trustee_digest(client.nonce, key, "", CLO_HASH_SHA384, &digest);
        CHECK(trustee_attest(&client, key, trustee_snp(&digest, clo_bytes(NULL, 0)), "", NULL) ==
                      401,
              cases[i].name);
        CHECK(strstr(member(&client, "detail"), cases[i].detail) != NULL,
              member(&client, "detail"));
        check_type(&client, "AttestationError");
    }
    /* Our own bundle is of the session's TEE, too. */
    CLO_CLEANUP(free_client) struct client own = { .clock = 600 };
    CHECK(trustee_auth(&own, "0.1.1", "snp") == 200, member(&own, "detail"));
    reset_scene();
    CHECK(attest(&own) == 401, "a bundle of another TEE");
    CHECK(strstr(member(&own, "detail"), "the session was begun for \"snp\"") != NULL,
          member(&own, "detail"));
}

/* Evidence of devices that is changed on its way is not what the report was made over. */
static void test_additional(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 650 };
    CLO_CLEANUP(clo_json_freep) json_t *key = trustee_key(p256, NULL);
    struct clo_digest digest;

    (void)state;
    CHECK(trustee_auth(&client, "0.4.0", "snp") == 200, member(&client, "detail"));
    trustee_digest(client.nonce, key, "{\"gpu\":1}", CLO_HASH_SHA384, &digest);
    CHECK(trustee_attest(&client, key, trustee_snp(&digest, clo_bytes(NULL, 0)), "{\"gpu\":2}",
                         NULL) == 401,
          "changed");
    CHECK(trustee_attest(&client, key, trustee_snp(&digest, clo_bytes(NULL, 0)), "{\"gpu\":1}",
                         NULL) == 200,
          member(&client, "detail"));
}

static void test_init_data(void **state)
{
    static const char toml[] =
            "version = \"0.1.0\"\nalgorithm = \"sha256\"\n\n[data]\na = '''b'''\n";
    static const char swapped[] = "algorithm = \"sha256\"\n\n[data]\na = '''c'''\n";
    CLO_CLEANUP(free_client) struct client client = { .clock = 700 };
    CLO_CLEANUP(clo_json_freep) json_t *key = trustee_key(p256, NULL);
    struct clo_digest digest, init;

    (void)state;
    clo_hash(CLO_HASH_SHA256, clo_bytes_text(toml), &init);
    CHECK(trustee_auth(&client, "0.4.0", "snp") == 200, member(&client, "detail"));
    trustee_digest(client.nonce, key, "", CLO_HASH_SHA384, &digest);
    CHECK(trustee_attest(&client, key, trustee_snp(&digest, clo_digest_bytes(&init)), "",
                         json_pack("{s:s, s:s}", "format", "toml", "body", swapped)) == 401,
          "swapped");
    CHECK(strstr(member(&client, "detail"), "does not hold the digest of the init-data") != NULL,
          member(&client, "detail"));
    CHECK(trustee_auth(&client, "0.4.0", "snp") == 200, member(&client, "detail"));
    trustee_digest(client.nonce, key, "", CLO_HASH_SHA384, &digest);
    CHECK(trustee_attest(&client, key, trustee_snp(&digest, clo_digest_bytes(&init)), "",
                         json_pack("{s:s, s:s}", "format", "toml", "body", toml)) == 200,
          member(&client, "detail"));
}

/* Without a policy that names it, sample evidence is nobody's. */
static void test_sample_refused(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 800 };
    CLO_CLEANUP(clo_json_freep) json_t *key = trustee_key(p256, NULL);
    struct clo_error err;

    (void)state;
    must(clo_store_remove(store, "default/test/a", &err), &err);
    CHECK(trustee_auth(&client, "0.4.0", "sample") == 200, member(&client, "detail"));
    CHECK(attest_sample(&client, key) == 401, "sample evidence");
    CHECK(strstr(member(&client, "detail"), "sample.policy: no hardware signed it") != NULL,
          member(&client, "detail"));
    put_shared("default/test/a", "for tests", TRUSTEE_POLICY_SAMPLE);
    CHECK(attest_sample(&client, key) == 200, member(&client, "detail"));
    CHECK(get(&client, "default/snp/a") == 403, "what other terms keep");
    CHECK(get(&client, "default/disk/demo") == 403, "and the demo's");
}

/* --- Keys that nothing can be sealed to, and paths --- */

static void test_algorithms(void **state)
{
    static const struct {
        const char *algorithm;
        unsigned status;
    } cases[] = { { "ECDH-ES+A256KW", 200 },
                  { "none", 401 },
                  { "RSA1_5", 401 },
                  { "ECDH-ES", 401 },
                  { "RSA-OAEP", 401 } };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(free_client) struct client client = { .clock = 900 };
        CLO_CLEANUP(clo_json_freep) json_t *key = trustee_key(p256, cases[i].algorithm);
        CHECK(trustee_auth(&client, "0.4.0", "sample") == 200, member(&client, "detail"));
        CHECK(attest_sample(&client, key) == 200, member(&client, "detail"));
        CHECK(get(&client, "default/test/a") == cases[i].status, cases[i].algorithm);
        if (cases[i].status != 200)
            check_type(&client, "JweError");
    }
}

/* Trustee's experimental key: served where the OpenSSL here has ML-KEM, else refused when it is shown, with what is needed. */
static void test_mlkem(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 950 };
    uint8_t bytes[CLO_MLKEM768_KEY_SIZE] = { 0 };
    size_t size = sizeof bytes;
    EVP_PKEY *pair = EVP_PKEY_Q_keygen(NULL, NULL, "ML-KEM-768");

    (void)state;
    CHECK(pair == NULL || EVP_PKEY_get_raw_public_key(pair, bytes, &size) == 1, "a key");
    CLO_CLEANUP(clo_json_freep)
    json_t *key = json_pack("{s:s, s:s, s:o}", "kty", "AKP", "alg", "ML-KEM-768+A192KW", "pub",
                            clo_json_base64url(clo_bytes(bytes, sizeof bytes)));
    CHECK(trustee_auth(&client, "0.4.0", "sample") == 200, member(&client, "detail"));
    CHECK(attest_sample(&client, key) == (pair == NULL ? 401 : 200), member(&client, "detail"));
    if (pair == NULL)
        CHECK(strstr(member(&client, "detail"), "ML-KEM-768 needs OpenSSL 3.5 or later") != NULL,
              member(&client, "detail"));
    else
        CHECK(get(&client, "default/test/a") == 200 && member(&client, "encrypted_key") != NULL,
              member(&client, "detail"));
    EVP_PKEY_free(pair);
}

/* A key that is not for this, or that is told with its private half, gets nothing. */
static void test_unfit_keys(void **state)
{
    static const struct {
        const char *member, *value, *error;
    } cases[] = {
        { "d", "AAAA", "\"d\": a private key" },
        { "use", "sig", "use \"sig\": not one to seal to" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(free_client) struct client client = { .clock = 960 };
        CLO_CLEANUP(clo_json_freep) json_t *key = trustee_key(p256, NULL);
        json_object_set_new(key, cases[i].member, json_string(cases[i].value));
        CHECK(trustee_auth(&client, "0.4.0", "sample") == 200, member(&client, "detail"));
        CHECK(attest_sample(&client, key) == 401, cases[i].member);
        CHECK(strstr(member(&client, "detail"), cases[i].error) != NULL, member(&client, "detail"));
    }
    static const char *const exponents[] = { "Aw", "AAEAAQ", "AQAAAAAAAAE" };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *rsa = NULL;
    struct clo_error err;
    must(clo_private_key_new(CLO_KEY_RSA, 2048, &rsa, &err), &err);
    for (size_t i = 0; i < CLO_COUNT(exponents); i++) {
        CLO_CLEANUP(free_client) struct client client = { .clock = 970 };
        CLO_CLEANUP(clo_json_freep) json_t *key = trustee_key(rsa, NULL);
        json_object_set_new(key, "e", json_string(exponents[i]));
        CHECK(trustee_auth(&client, "0.4.0", "sample") == 200, member(&client, "detail"));
        CHECK(attest_sample(&client, key) == 401, exponents[i]);
        CHECK(strstr(member(&client, "detail"), "an exponent other than 65537") != NULL,
              member(&client, "detail"));
    }
}

static void test_statuses(void **state)
{
    static const struct {
        const char *method, *path, *type;
        unsigned status;
    } cases[] = {
        { "GET", "/kbs/v0/resource/default/test/none", "PluginInternalError", 404 },
        { "GET", "/kbs/v0/resource/default/test", "PluginInternalError", 401 },
        { "GET", "/kbs/v0/resource//default/test/a", "PluginInternalError", 401 },
        { "GET", "/kbs/v0/nothing", "PluginNotFound", 404 },
        { "GET", "/kbs/v0/auth", "PluginNotFound", 404 },
        { "PUT", "/kbs/v0/auth", "PluginNotFound", 404 },
        { "GET", "/nothing", "InvalidRequestPath", 404 },
    };
    CLO_CLEANUP(free_client) struct client client = { .clock = 1000 };
    CLO_CLEANUP(free_client) struct client nobody = { .clock = 1000 };
    CLO_CLEANUP(clo_json_freep) json_t *key = trustee_key(p256, NULL);

    (void)state;
    CHECK(get(&nobody, "default/test/a") == 401, "no session");
    check_type(&nobody, "TokenNotFound");
    CHECK(trustee_auth(&client, "0.4.0", "sample") == 200, member(&client, "detail"));
    CHECK(get(&client, "default/test/a") == 401, "nothing was attested");
    check_type(&client, "TokenNotFound");
    CHECK(attest_sample(&client, key) == 200, member(&client, "detail"));
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CHECK(ask(&client, cases[i].method, cases[i].path, "{}") == cases[i].status, cases[i].path);
        check_type(&client, cases[i].type);
    }
}

/* A relying party gets the key, by its name, and takes a token with it. */
static void test_keys(void **state)
{
    CLO_CLEANUP(free_client) struct client client = { .clock = 1100 };
    CLO_CLEANUP(free_client) struct client relying = { .clock = 1100 };
    CLO_CLEANUP(clo_json_freep) json_t *key = trustee_key(p256, NULL);
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
    struct clo_error err;

    (void)state;
    CHECK(trustee_auth(&client, "0.4.0", "sample") == 200, member(&client, "detail"));
    CHECK(attest_sample(&client, key) == 200, member(&client, "detail"));
    CHECK(ask(&relying, "GET", "/.well-known/jwks.json", "") == 200, "keys");
    CLO_CLEANUP(clo_json_freep)
    json_t *shown = json_incref(json_array_get(json_object_get(relying.json, "keys"), 0));
    const json_t *jwk = shown;
    CHECK(strcmp(json_string_value(json_object_get(jwk, "alg")), "ES256") == 0, "alg");
    must(clo_jwk_to_public_key(jwk, &public_key, &err), &err);
    const char *token = member(&client, "token");
    must(clo_jws_verify(clo_bytes_text(token), public_key, &claims, &err), &err);
    must(clo_base64url_read(clo_bytes(token, strcspn(token, ".")), &header, &err), &err);
    CHECK(strstr(clo_buffer_string(&header), json_string_value(json_object_get(jwk, "kid"))) !=
                  NULL,
          "kid");
    CHECK(ask(&relying, "GET", "/.well-known/veraison/verification", "") == 200, "Veraison's");
    CHECK(json_equal(json_object_get(relying.json, "ear-verification-key"), shown) == 1,
          "the same key");
    CHECK(ask(&relying, "GET", "/.well-known/openid-configuration", "") == 404, "no URL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snp),        cmocka_unit_test(test_hashes),
        cmocka_unit_test(test_versions),   cmocka_unit_test(test_twice),
        cmocka_unit_test(test_bearer),     cmocka_unit_test(test_forged_tokens),
        cmocka_unit_test(test_confusion),  cmocka_unit_test(test_additional),
        cmocka_unit_test(test_init_data),  cmocka_unit_test(test_sample_refused),
        cmocka_unit_test(test_keys),       cmocka_unit_test(test_algorithms),
        cmocka_unit_test(test_statuses),   cmocka_unit_test(test_mlkem),
        cmocka_unit_test(test_unfit_keys),
    };

    return cmocka_run_group_tests(tests, set_up_trustee, tear_down_trustee);
}
