#include "cloister/ear.h"

#include "cloister/cose.h"
#include "scene.h"

static struct scene scene;

static int make_scene(void **state)
{
    (void)state;
    scene_init(&scene);
    return 0;
}

static int free_scene(void **state)
{
    (void)state;
    scene_free(&scene);
    return 0;
}

/* The scene's bundle, appraised with the policy that accepts it. */
static struct clo_appraisal *appraise(void)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = make_reference();
    CLO_CLEANUP(clo_policy_freep) struct clo_policy *policy = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_snp_certificates certificates = { 0 };
    struct clo_appraisal *appraisal;
    struct clo_error err;
    char hex[2 * 32 + 1];
    char measurement[2 * 48 + 1];

    must(clo_evidence_new(&evidence, &err), &err);
    make_evidence(&scene, evidence, &certificates);
    clo_buffer_printf(&text,
                      "{\"cloister_policy\":1,\"tee\":[\"snp\"],\"roots\":[\"%s\"],"
                      "\"snp\":{\"measurement\":[\"%s\"]}}",
                      clo_hex_text(clo_digest_bytes(&scene.maker.root), hex),
                      clo_hex_text(clo_bytes(scene.maker.report + 0x90, 48), measurement));
    must(clo_policy_parse(clo_buffer_bytes(&text), &policy, &err), &err);
    const struct clo_reference *const references[] = { reference };
    const struct clo_appraise_inputs inputs = {
        .policy = policy,
        .references = references,
        .reference_count = 1,
        .expected_nonce = clo_bytes_text(NONCE),
        .at = SNP_MAKER_NOW,
        .roots = &scene.maker.root,
        .root_count = 1,
        .endorsements.certificates = &certificates,
    };
    must(clo_appraise(evidence, &inputs, &appraisal, &err), &err);
    clo_snp_certificates_free(&certificates);
    return appraisal;
}

static const json_t *submodule(const json_t *claims)
{
    return json_object_get(json_object_get(claims, "submods"), "cpu0");
}

static json_int_t vector(const json_t *claims, const char *name)
{
    return json_integer_value(json_object_get(
            json_object_get(submodule(claims), "ear_trustworthiness_vector"), name));
}

static void test_affirming(void **state)
{
    static const char *const names[] = { "instance-identity", "configuration", "executables" };
    const struct clo_ear_spec spec = {
        .developer = "cloister", .build = "1", .issued = 100, .expires = 200, .nonce = NONCE
    };
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
    struct clo_error err;

    (void)state;
    scene_reset(&scene);
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = appraise();
    CHECK(clo_ear_claims(appraisal, &spec, &claims, &err), err.text);
    CHECK(strcmp(json_string_value(json_object_get(claims, "eat_profile")), CLO_EAR_PROFILE) == 0,
          "profile");
    CHECK(json_integer_value(json_object_get(claims, "iat")) == 100 &&
                  json_integer_value(json_object_get(claims, "exp")) == 200,
          "times");
    CHECK(strcmp(json_string_value(json_object_get(claims, "eat_nonce")), NONCE) == 0, "nonce");
    CHECK(json_integer_value(json_object_get(submodule(claims), "ear_status")) == 2,
          clo_appraisal_summary(appraisal));
    for (size_t i = 0; i < CLO_COUNT(names); i++)
        CHECK(vector(claims, names[i]) == 2, names[i]);
    /* No minimum was named and no list of what is revoked was there: nothing is claimed. */
    CHECK(vector(claims, "hardware") == 0, "hardware");
    const json_t *policies = json_object_get(submodule(claims), "ear_appraisal_policy_ids");
    CHECK(json_array_size(policies) == 1 &&
                  strncmp(json_string_value(json_array_get(policies, 0)), "sha256:", 7) == 0,
          "policy");
}

static void test_contraindicated(void **state)
{
    const struct clo_ear_spec spec = { .developer = "cloister", .build = "1", .issued = 100 };
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
    struct clo_error err;

    (void)state;
    scene_reset(&scene);
    scene.cmdline = "console=ttyS0 init=/bin/sh";
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = appraise();
    CHECK(clo_ear_claims(appraisal, &spec, &claims, &err), err.text);
    CHECK(json_integer_value(json_object_get(submodule(claims), "ear_status")) == 96, "status");
    CHECK(vector(claims, "executables") == 96, "what it is about");
    CHECK(vector(claims, "instance-identity") == 2, "and what not");
    CHECK(json_object_get(claims, "exp") == NULL && json_object_get(claims, "eat_nonce") == NULL,
          "not said");
    const char *summary = json_string_value(json_object_get(submodule(claims), "cloister.summary"));
    CHECK(summary != NULL && strstr(summary, "init=/bin/sh") != NULL, summary);
}

static void test_sign(void **state)
{
    const struct clo_ear_spec spec = { .developer = "cloister", .build = "1", .issued = 100 };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer token = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
    struct clo_error err;

    (void)state;
    scene_reset(&scene);
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = appraise();
    CHECK(clo_private_key_new(CLO_KEY_P384, 0, &key, &err), err.text);
    CHECK(clo_private_key_public(key, &public_key, &err), err.text);
    CHECK(clo_ear_sign(appraisal, &spec, key, &token, &err), err.text);
    CHECK(clo_jws_verify(clo_buffer_bytes(&token), public_key, &claims, &err), err.text);
    CHECK(json_integer_value(json_object_get(submodule(claims), "ear_status")) == 2, "signed");
    CHECK(!clo_ear_sign(appraisal, &spec, scene.ak, &token, &err), "an RSA key");
    CHECK(err.status == CLO_ERR_USAGE &&
                  strcmp(err.text, "EAR: signed with a P-256 or P-384 key only") == 0,
          err.text);
}

/* What Trustee's relying parties look for, under the names that they know; the key may be either curve's. */
static void test_trustee(void **state)
{
    const struct clo_ear_spec spec = { .developer = "cloister",
                                       .build = "1",
                                       .issued = 100,
                                       .expires = 400,
                                       .nonce = NONCE,
                                       .has_old_names = true,
                                       .issuer = "us",
                                       .id = "07",
                                       .evidence_name = "az-snp-vtpm",
                                       .key_id = "k1" };
    static const char *const all[] = { "instance-identity", "configuration", "executables",
                                       "file-system",       "hardware",      "runtime-opaque",
                                       "storage-opaque",    "sourced-data" };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer token = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
    struct clo_error err;

    (void)state;
    scene_reset(&scene);
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = appraise();
    CHECK(clo_private_key_new(CLO_KEY_P256, 0, &key, &err), err.text);
    CHECK(clo_private_key_public(key, &public_key, &err), err.text);
    CHECK(clo_ear_sign(appraisal, &spec, key, &token, &err), err.text);
    CHECK(clo_jws_verify(clo_buffer_bytes(&token), public_key, &claims, &err), err.text);
    CHECK(strcmp(json_string_value(json_object_get(claims, "iss")), "us") == 0, "iss");
    CHECK(strcmp(json_string_value(json_object_get(claims, "jti")), "07") == 0, "jti");
    CHECK(json_integer_value(json_object_get(claims, "nbf")) == 100, "nbf");
    CHECK(json_is_object(json_object_get(claims, "tee-pubkey")), "tee-pubkey");
    const json_t *vector = json_object_get(submodule(claims), "ear.trustworthiness-vector");
    CHECK(json_object_size(vector) == CLO_COUNT(all), "eight claims");
    for (size_t i = 0; i < CLO_COUNT(all); i++)
        CHECK(json_is_integer(json_object_get(vector, all[i])), all[i]);
    CHECK(strcmp(json_string_value(json_object_get(submodule(claims), "ear.status")),
                 "affirming") == 0,
          "a word");
    const json_t *evidence = json_object_get(submodule(claims), "ear.veraison.annotated-evidence");
    CHECK(json_equal(
                  json_object_get(json_object_get(evidence, "runtime_data_claims"), "tee-pubkey"),
                  json_object_get(claims, "tee-pubkey")) == 1,
          "the key where Trustee has it");
    CHECK(json_is_object(json_object_get(evidence, "az-snp-vtpm")), "claims by the TEE's name");
}

/* By their numbers, in a tagged COSE_Sign1 that names its algorithm and what it holds; read back, the claims are those of
 * the JWT with the status in words. */
static void test_sign_cwt(void **state)
{
    static const struct {
        enum clo_key_kind kind;
        const char *header; /* tag 18, array of 4, protected: {1: alg, 3: "application/eat+cwt"} */
    } cases[] = {
        { CLO_KEY_P256, "d28458"
                        "18"
                        "a20126"
                        "03736170706c69636174696f6e2f6561742b637774" },
        { CLO_KEY_P384, "d28458"
                        "19"
                        "a2013822"
                        "03736170706c69636174696f6e2f6561742b637774" },
    };
    const struct clo_ear_spec spec = {
        .developer = "cloister", .build = "1", .issued = 100, .expires = 200, .nonce = NONCE
    };
    struct clo_error err;

    (void)state;
    scene_reset(&scene);
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = appraise();
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
        CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer token = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer payload = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer header = { 0 };
        CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
        CHECK(clo_private_key_new(cases[i].kind, 0, &key, &err), err.text);
        CHECK(clo_private_key_public(key, &public_key, &err), err.text);
        CHECK(clo_ear_sign_cwt(appraisal, &spec, key, &token, &err), err.text);
        CHECK(clo_hex_read(clo_bytes_text(cases[i].header), &header, &err), err.text);
        CHECK(clo_bytes_equal(clo_bytes_slice(clo_buffer_bytes(&token), 0, header.size),
                              clo_buffer_bytes(&header)),
              "header");
        CHECK(clo_cose_verify(clo_buffer_bytes(&token), public_key, &payload, &err), err.text);
        /* A map; 265, the profile, comes first. */
        CHECK(payload.size > 4 && payload.data[0] >> 5 == 5 &&
                      memcmp(payload.data + 1, "\x19\x01\x09", 3) == 0,
              "numbers");
        CHECK(memmem(payload.data, payload.size, "\x06\x18\x64", 3) != NULL, "6: issued at 100");
        CHECK(memmem(payload.data, payload.size, "\x04\x18\xc8", 3) != NULL, "4: expires at 200");
        CHECK(memmem(payload.data, payload.size, "\x19\x03\xe8\x02", 4) != NULL,
              "1000: the status, 2");
        CHECK(memmem(payload.data, payload.size, "\x19\x03\xe9\xa", 3) != NULL, "1001: the vector");
        CHECK(memmem(payload.data, payload.size, "ear_", 4) == NULL, "no name that has a number");
        CHECK(clo_ear_read(clo_buffer_bytes(&token), public_key, &claims, &err), err.text);
        CHECK(strcmp(json_string_value(json_object_get(submodule(claims), "ear_status")),
                     "affirming") == 0,
              "status");
        CHECK(vector(claims, "executables") == 2 && vector(claims, "hardware") == 0, "vector");
        CHECK(clo_ear_nonce_is(claims, NONCE) && !clo_ear_nonce_is(claims, NONCE "x"), "nonce");
        CHECK(json_integer_value(json_object_get(claims, "iat")) == 100 &&
                      json_integer_value(json_object_get(claims, "exp")) == 200,
              "times");
        const json_t *id = json_object_get(claims, "ear_verifier_id");
        CHECK(strcmp(json_string_value(json_object_get(id, "developer")), "cloister") == 0 &&
                      strcmp(json_string_value(json_object_get(id, "build")), "1") == 0,
              "verifier");
        CHECK(json_array_size(json_object_get(submodule(claims), "ear_appraisal_policy_ids")) == 1,
              "policy");
        token.data[token.size - 1] ^= 1;
        CHECK(!clo_ear_read(clo_buffer_bytes(&token), public_key, &claims, &err) &&
                      err.status == CLO_ERR_REFUSED,
              "another signature");
    }
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer none = { 0 };
    CHECK(!clo_ear_sign_cwt(appraisal, &spec, scene.ak, &none, &err) &&
                  err.status == CLO_ERR_UNSUPPORTED && none.size == 0,
          "an RSA key");
}

/* RFC 9711, section 4.1: claim 10 is bytes, those that the text stands for; and the reader knows them by either text. */
static void test_cwt_nonce(void **state)
{
    static const struct {
        const char *name, *nonce, *item, *read, *other;
    } cases[] = {
        { "base64", "+/+/+/+/+/8=", "\x0a\x48\xfb\xff\xbf\xfb\xff\xbf\xfb\xff", "-_-_-_-_-_8",
          "+/+/+/+/+/4=" },
        { "base64url", "-_-_-_-_-_8", "\x0a\x48\xfb\xff\xbf\xfb\xff\xbf\xfb\xff", "-_-_-_-_-_8",
          "-_-_-_-_-_4" },
        { "neither", "a nonce!",
          "\x0a\x48"
          "a nonce!",
          "YSBub25jZSE", "a nonce?" },
    };
    struct clo_error err;

    (void)state;
    scene_reset(&scene);
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = appraise();
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CHECK(clo_private_key_new(CLO_KEY_P256, 0, &key, &err), err.text);
    CHECK(clo_private_key_public(key, &public_key, &err), err.text);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        const struct clo_ear_spec spec = {
            .developer = "cloister", .build = "1", .issued = 100, .nonce = cases[i].nonce
        };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer token = { 0 };
        CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
        CHECK(clo_ear_sign_cwt(appraisal, &spec, key, &token, &err), err.text);
        CHECK(memmem(token.data, token.size, cases[i].item, 10) != NULL, cases[i].name);
        CHECK(clo_ear_read(clo_buffer_bytes(&token), public_key, &claims, &err), err.text);
        CHECK(strcmp(json_string_value(json_object_get(claims, "eat_nonce")), cases[i].read) == 0,
              cases[i].name);
        CHECK(clo_ear_nonce_is(claims, cases[i].nonce), cases[i].name);
        CHECK(!clo_ear_nonce_is(claims, cases[i].other) && !clo_ear_nonce_is(claims, ""),
              cases[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_affirming), cmocka_unit_test(test_contraindicated),
        cmocka_unit_test(test_sign),      cmocka_unit_test(test_sign_cwt),
        cmocka_unit_test(test_trustee),   cmocka_unit_test(test_cwt_nonce),
    };

    return cmocka_run_group_tests(tests, make_scene, free_scene);
}
