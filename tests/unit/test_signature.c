#include <pthread.h>

#include "cloister/crypto.h"
#include "cloister/json.h"
#include "lib/crypto/openssl.h"

#include "test.h"

static json_t *read_cases(void)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const char *folder = getenv("CLOISTER_TESTS");
    struct clo_error err;
    char path[4096];
    json_t *cases = NULL;

    snprintf(path, sizeof path, "%s/vectors/signature/cases.json",
             folder == NULL ? "tests" : folder);
    if (!clo_file_read(path, CLO_FILE_LIMIT, &text, &err) ||
        !clo_json_parse(clo_buffer_bytes(&text), &cases, &err))
        fail_msg("%s", err.text);
    return cases;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static enum clo_signature_scheme scheme_of(const char *name)
{
    return strcmp(name, "ecdsa-raw") == 0    ? CLO_ECDSA_RAW
           : strcmp(name, "rsassa-pss") == 0 ? CLO_RSASSA_PSS
                                             : CLO_RSASSA_PKCS1;
}

static struct clo_public_key *key_of(const json_t *object)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer first = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer second = { 0 };
    const char *kind = text_of(object, "kind");
    struct clo_public_key *key = NULL;
    struct clo_error err;
    struct clo_bytes a = from_hex(text_of(object, "first"), &first);
    struct clo_bytes b = from_hex(text_of(object, "second"), &second);
    bool ok = strcmp(kind, "RSA") == 0
                      ? clo_public_key_from_rsa(a, b, &key, &err)
                      : clo_public_key_from_ec(strcmp(kind, "P-256") == 0   ? CLO_KEY_P256
                                               : strcmp(kind, "P-384") == 0 ? CLO_KEY_P384
                                                                            : CLO_KEY_P521,
                                               a, b, &key, &err);
    if (!ok)
        fail_msg("%s", err.text);
    return key;
}

/* By plain arithmetic: tests/vectors/signature/make.py. */
static void signatures_of_another_hand(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *cases = read_cases();
    json_t *entry;
    size_t i;

    (void)state;
    CHECK(json_array_size(cases) > 50, "cases");
    json_array_foreach (cases, i, entry) {
        CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = key_of(entry);
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer message = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
        const char *name = text_of(entry, "name");
        const char *error = text_of(entry, "error");
        struct clo_error err = { 0 };
        bool ok = clo_signature_verify(key, scheme_of(text_of(entry, "scheme")),
                                       clo_hash_from_name(text_of(entry, "hash")),
                                       from_hex(text_of(entry, "message"), &message),
                                       from_hex(text_of(entry, "signature"), &signature), &err);
        CHECK(ok == (error == NULL), name);
        CHECK(ok || strcmp(err.text, error) == 0, name);
        CHECK(ok || err.status == CLO_ERR_REFUSED || err.status == CLO_ERR_UNSUPPORTED, name);
    }
}

/* RFC 6979, A.2.5 and A.2.6: message "sample". */
static void rfc6979(void **state)
{
    static const struct {
        const char *name;
        enum clo_key_kind kind;
        enum clo_hash hash;
        const char *x, *y, *signature;
    } cases[] = {
        { "P-256 with SHA-256", CLO_KEY_P256, CLO_HASH_SHA256,
          "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
          "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
          "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
          "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8" },
        { "P-384 with SHA-384", CLO_KEY_P384, CLO_HASH_SHA384,
          "ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64"
          "def8f0ea9055866064a254515480bc13",
          "8015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1"
          "288b231c3ae0d4fe7344fd2533264720",
          "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c"
          "81a648152e44acf96e36dd1e80fabe4699ef4aeb15f178cea1fe40db2603138f"
          "130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer x = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer y = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
        struct clo_error err;
        CHECK(clo_public_key_from_ec(cases[i].kind, from_hex(cases[i].x, &x),
                                     from_hex(cases[i].y, &y), &key, &err),
              cases[i].name);
        struct clo_bytes bytes = from_hex(cases[i].signature, &signature);
        CHECK(clo_signature_verify(key, CLO_ECDSA_RAW, cases[i].hash, clo_bytes_text("sample"),
                                   bytes, &err),
              cases[i].name);
        CHECK(!clo_signature_verify(key, CLO_ECDSA_RAW, cases[i].hash, clo_bytes_text("simple"),
                                    bytes, &err),
              cases[i].name);
        assert_int_equal(err.status, CLO_ERR_REFUSED);
    }
}

static void what_is_signed_verifies(void **state)
{
    static const struct {
        const char *name;
        enum clo_key_kind kind;
        enum clo_signature_scheme scheme;
        enum clo_hash hash;
        size_t size; /* 0: varies */
    } cases[] = {
        { "PKCS #1", CLO_KEY_RSA, CLO_RSASSA_PKCS1, CLO_HASH_SHA256, 256 },
        { "PSS", CLO_KEY_RSA, CLO_RSASSA_PSS, CLO_HASH_SHA384, 256 },
        { "P-256", CLO_KEY_P256, CLO_ECDSA_RAW, CLO_HASH_SHA256, 64 },
        { "P-384", CLO_KEY_P384, CLO_ECDSA_RAW, CLO_HASH_SHA384, 96 },
        { "P-521", CLO_KEY_P521, CLO_ECDSA_RAW, CLO_HASH_SHA512, 132 },
        { "P-384, DER", CLO_KEY_P384, CLO_ECDSA_DER, CLO_HASH_SHA384, 0 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
        CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
        struct clo_bytes message = clo_bytes_text("evidence");
        struct clo_error err;
        CHECK(clo_private_key_new(cases[i].kind, 2048, &key, &err), cases[i].name);
        CHECK(clo_private_key_public(key, &public, &err), cases[i].name);
        CHECK(clo_signature_make(key, cases[i].scheme, cases[i].hash, message, &signature, &err),
              cases[i].name);
        CHECK(cases[i].size == 0 || signature.size == cases[i].size, cases[i].name);
        CHECK(clo_signature_verify(public, cases[i].scheme, cases[i].hash, message,
                                   clo_buffer_bytes(&signature), &err),
              cases[i].name);
        for (size_t at = 0; at < signature.size; at += 7) {
            signature.data[at] ^= 0x10;
            CHECK(!clo_signature_verify(public, cases[i].scheme, cases[i].hash, message,
                                        clo_buffer_bytes(&signature), &err),
                  cases[i].name);
            CHECK(err.status == CLO_ERR_REFUSED, cases[i].name);
            signature.data[at] ^= 0x10;
        }
        CHECK(!clo_signature_verify(public, cases[i].scheme, CLO_HASH_NONE, message,
                                    clo_buffer_bytes(&signature), &err),
              "no hash");
        CHECK(err.status == CLO_ERR_UNSUPPORTED, err.text);
        enum clo_signature_scheme other =
                cases[i].kind == CLO_KEY_RSA ? CLO_ECDSA_RAW : CLO_RSASSA_PSS;
        CHECK(!clo_signature_make(key, other, cases[i].hash, message, &signature, &err),
              "another kind of key");
        assert_string_equal(err.text, "signature: key and algorithm do not fit");
    }
}

/* A key that is used once: the point as it is, checked. */
static void p256_by_point(void **state)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer point = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer y = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    struct clo_bytes message = clo_bytes_text("message");
    struct clo_error err;

    (void)state;
    CHECK(clo_private_key_new(CLO_KEY_P256, 0, &key, &err) &&
                  clo_private_key_public(key, &public_key, &err) &&
                  clo_public_key_numbers(public_key, &point, &y, &err) &&
                  clo_signature_make(key, CLO_ECDSA_RAW, CLO_HASH_SHA256, message, &signature,
                                     &err),
          err.text);
    clo_buffer_append(&point, clo_buffer_bytes(&y));
    struct clo_bytes p = clo_buffer_bytes(&point);
    struct clo_bytes s = clo_buffer_bytes(&signature);
    CHECK(clo_p256_verify(p, CLO_HASH_SHA256, message, s, &err), err.text);
    CHECK(!clo_p256_verify(p, CLO_HASH_SHA256, clo_bytes_text("massage"), s, &err), "message");
    CHECK(!clo_p256_verify(clo_bytes_slice(p, 0, 63), CLO_HASH_SHA256, message, s, &err), "short");
    CHECK(!clo_p256_verify(p, CLO_HASH_SHA256, message, clo_bytes_slice(s, 0, 63), &err), "short");
    CHECK(!clo_p256_verify(p, CLO_HASH_NONE, message, s, &err), "no hash");
    signature.data[0] ^= 1;
    CHECK(!clo_p256_verify(p, CLO_HASH_SHA256, message, s, &err), "signature");
    signature.data[0] ^= 1;
    point.data[63] ^= 1;
    CHECK(!clo_p256_verify(p, CLO_HASH_SHA256, message, s, &err), "not on the curve");
    assert_string_equal(err.text, "signature: the key is not a point of P-256");
    memset(point.data, 0, point.size);
    CHECK(!clo_p256_verify(p, CLO_HASH_SHA256, message, s, &err), "zero");
}

struct shared {
    const struct clo_public_key *key;
    enum clo_signature_scheme scheme;
    struct clo_bytes message, signature;
};

static void *verify_often(void *context)
{
    const struct shared *shared = context;
    struct clo_error err;
    uintptr_t held = 0;

    for (int i = 0; i < 50; i++) {
        held += clo_signature_verify(shared->key, shared->scheme, CLO_HASH_SHA256, shared->message,
                                     shared->signature, &err);
        held += clo_signature_verify(shared->key, shared->scheme, CLO_HASH_SHA256,
                                     shared->signature, shared->signature, &err);
        if (clo_public_key_evp(shared->key) == NULL)
            return NULL;
    }
    return (void *)held; /* each message and no signature of a signature */
}

static void threads_share_a_key(void **state)
{
    static const enum clo_key_kind kinds[] = { CLO_KEY_RSA, CLO_KEY_P256, CLO_KEY_P384,
                                               CLO_KEY_P521 };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(kinds); i++) {
        CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
        CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
        struct shared shared = { .message = clo_bytes_text("evidence"),
                                 .scheme =
                                         kinds[i] == CLO_KEY_RSA ? CLO_RSASSA_PSS : CLO_ECDSA_DER };
        pthread_t threads[4];
        struct clo_error err;
        CHECK(clo_private_key_new(kinds[i], 2048, &key, &err), err.text);
        CHECK(clo_private_key_public(key, &public, &err), err.text);
        CHECK(clo_signature_make(key, shared.scheme, CLO_HASH_SHA256, shared.message, &signature,
                                 &err),
              err.text);
        shared.key = public;
        shared.signature = clo_buffer_bytes(&signature);
        for (size_t t = 0; t < CLO_COUNT(threads); t++)
            CHECK(pthread_create(&threads[t], NULL, verify_often, &shared) == 0, "thread");
        for (size_t t = 0; t < CLO_COUNT(threads); t++) {
            void *held;
            CHECK(pthread_join(threads[t], &held) == 0 && (uintptr_t)held == 50, "held");
        }
    }
}

/* --- One key, many who sign with it --- */

struct signing {
    pthread_t thread;
    const struct clo_private_key *key;
    const struct clo_public_key *public;
    uint8_t text;
    bool ok;
};

static void *sign_often(void *context)
{
    struct signing *s = context;
    struct clo_bytes message = clo_bytes(&s->text, 1);

    s->ok = true;
    for (int i = 0; i < 40; i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
        enum clo_hash hash = i % 2 == 0 ? CLO_HASH_SHA256 : CLO_HASH_SHA384;
        struct clo_error err;
        s->ok = s->ok &&
                clo_signature_make(s->key, CLO_ECDSA_RAW, hash, message, &signature, &err) &&
                clo_signature_verify(s->public, CLO_ECDSA_RAW, hash, message,
                                     clo_buffer_bytes(&signature), &err);
    }
    return NULL;
}

static void many_sign_at_once(void **state)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    struct signing all[4];
    struct clo_error err;

    (void)state;
    assert_true(clo_private_key_new(CLO_KEY_P256, 0, &key, &err));
    assert_true(clo_private_key_public(key, &public, &err));
    for (size_t i = 0; i < CLO_COUNT(all); i++) {
        all[i] = (struct signing){ .key = key, .public = public, .text = (uint8_t)i };
        assert_int_equal(pthread_create(&all[i].thread, NULL, sign_often, &all[i]), 0);
    }
    for (size_t i = 0; i < CLO_COUNT(all); i++) {
        pthread_join(all[i].thread, NULL);
        CHECK(all[i].ok, "each has a signature of its own message");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_of_another_hand),
        cmocka_unit_test(rfc6979),
        cmocka_unit_test(what_is_signed_verifies),
        cmocka_unit_test(threads_share_a_key),
        cmocka_unit_test(p256_by_point),
        cmocka_unit_test(many_sign_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
