#include "guest/unlock.h"

#include "cloister/jose.h"
#include "test.h"

/* The runtime data are canonical: what the broker computes from the same values is the same text. */
static void test_runtime_data(void **state)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *public = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *read = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer again = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *data = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *parsed = NULL;
    struct clo_digest given, found;
    struct clo_error err;

    (void)state;
    assert_true(clo_private_key_new(CLO_KEY_P256, 0, &key, &err));
    if (!clo_unlock_runtime_data("bm9uY2U=", NULL, key, &data, &text, &err))
        fail_msg("%s", err.text);
    assert_memory_equal(text.data, "{\"nonce\":\"bm9uY2U=\",\"tee-pubkey\":{\"crv\":\"P-256\",",
                        47);
    assert_true(clo_json_parse(clo_buffer_bytes(&text), &parsed, &err));
    assert_true(clo_json_write(parsed, &again, &err));
    assert_true(clo_bytes_equal(clo_buffer_bytes(&text), clo_buffer_bytes(&again)));
    /* The public half, and nothing of the private one. */
    const json_t *jwk = json_object_get(parsed, "tee-pubkey");
    assert_null(json_object_get(jwk, "d"));
    assert_true(clo_jwk_to_public_key(jwk, &read, &err));
    assert_true(clo_private_key_public(key, &public, &err));
    assert_true(clo_public_key_fingerprint(public, &given, &err));
    assert_true(clo_public_key_fingerprint(read, &found, &err));
    assert_true(clo_digest_equal(&given, &found));
}

static void test_odd_nonce(void **state)
{
    CLO_CLEANUP(clo_private_key_freep) struct clo_private_key *key = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *data = NULL;
    struct clo_error err;

    (void)state;
    assert_true(clo_private_key_new(CLO_KEY_P256, 0, &key, &err));
    assert_false(clo_unlock_runtime_data("\xff\xfe", NULL, key, &data, &text, &err));
    assert_string_equal(err.text, "the nonce is not UTF-8");
}

/* A machine that is nothing: it says so before it talks to anybody. */
static void test_no_tee(void **state)
{
    const struct clo_collector collector = { .hardware.tsm_root = "/nowhere" };
    struct clo_guest_config config = { .broker_url = "https://127.0.0.1:1", .retry_seconds = 60 };
    const struct clo_unlock unlock = { .config = &config, .collector = &collector };
    struct clo_error err;

    (void)state;
    assert_false(clo_unlock_key(&unlock, &err));
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
    assert_non_null(strstr(err.text, "this machine cannot prove itself"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runtime_data),
        cmocka_unit_test(test_odd_nonce),
        cmocka_unit_test(test_no_tee),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
