#include "device/keystore.h"
#include "test.h"

static void write_key(const char *path, enum clo_key_kind kind, struct clo_digest *fingerprint)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *pem = NULL;
    struct clo_error err;

    CHECK(clo_private_key_new(kind, 2048, &key, &err), err.text);
    CHECK(clo_private_key_public(key, &public_key, &err), err.text);
    CHECK(clo_public_key_fingerprint(public_key, fingerprint, &err), err.text);
    CHECK(clo_private_key_pem(key, &pem, &err), err.text);
    CHECK(clo_file_write(path, clo_secret_bytes(pem), 0600, &err), err.text);
}

/* The default provider's store opens files: the same key comes out, and signs. */
static void test_file(void **state)
{
    static const enum clo_key_kind kinds[] = { CLO_KEY_RSA, CLO_KEY_P384 };
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    struct clo_error err;

    (void)state;
    CHECK(clo_scratch_new(NULL, &scratch, &err), err.text);
    for (size_t i = 0; i < CLO_COUNT(kinds); i++) {
        CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
        CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public_key = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
        struct clo_digest written, read;
        struct clo_bytes message = clo_bytes_text("message");
        enum clo_signature_scheme scheme =
                kinds[i] == CLO_KEY_RSA ? CLO_RSASSA_PKCS1 : CLO_ECDSA_DER;
        char path[4200], uri[4300];

        snprintf(path, sizeof path, "%s/key%zu", scratch.path, i);
        snprintf(uri, sizeof uri, "file:%s", path);
        write_key(path, kinds[i], &written);
        CHECK(clo_keystore_private_key(uri, NULL, &key, &err), err.text);
        CHECK(clo_private_key_kind(key) == kinds[i], "kind");
        CHECK(clo_private_key_public(key, &public_key, &err), err.text);
        CHECK(clo_public_key_fingerprint(public_key, &read, &err), err.text);
        CHECK(clo_digest_equal(&written, &read), "the same key");
        CHECK(clo_signature_make(key, scheme, CLO_HASH_SHA256, message, &signature, &err),
              err.text);
        CHECK(clo_signature_verify(public_key, scheme, CLO_HASH_SHA256, message,
                                   clo_buffer_bytes(&signature), &err),
              err.text);
    }
}

static void test_refused(void **state)
{
    CLO_CLEANUP(clo_scratch_free) struct clo_scratch scratch = { "" };
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    static const char *const pins[] = { "nosuchstore:object=x?pin-value=1234",
                                        "nosuchstore:object=x;pin-value=1234;type=private",
                                        "nosuchstore:object=x?PIN-Value=1234" };
    struct clo_error err;
    char path[4200], uri[4300];

    (void)state;
    CHECK(clo_scratch_new(NULL, &scratch, &err), err.text);
    snprintf(path, sizeof path, "%s/text", scratch.path);
    snprintf(uri, sizeof uri, "file:%s", path);
    CHECK(clo_file_write(path, clo_bytes_text("text"), 0600, &err), err.text);
    CHECK(!clo_keystore_private_key(uri, NULL, &key, &err), "no key");
    CHECK(err.status == CLO_ERR_FORMAT && strstr(err.text, "text: holds no private key") != NULL,
          err.text);
    CHECK(!clo_keystore_private_key("nosuchstore:x", NULL, &key, &err), "no such store");
    CHECK(err.status == CLO_ERR_FORMAT, err.text);
    for (size_t i = 0; i < CLO_COUNT(pins); i++) {
        CHECK(!clo_keystore_private_key(pins[i], NULL, &key, &err), pins[i]);
        CHECK(strstr(err.text, "1234") == NULL, err.text);
        CHECK(strncmp(err.text, "key nosuchstore:object=x", 24) == 0, err.text);
    }
    CHECK(!clo_keystore_provider("nosuchprovider", &err), "no such provider");
    CHECK(err.status == CLO_ERR_UNAVAILABLE &&
                  strncmp(err.text, "provider nosuchprovider: cannot be loaded", 41) == 0,
          err.text);
    CHECK(clo_keystore_provider("default", &err), err.text);
    CHECK(key == NULL, "nothing came out");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
