#include "lib/crypto/aead.h"

#include "test.h"

static struct clo_secret *key_of(uint8_t byte)
{
    uint8_t bytes[CLO_AEAD_KEY_SIZE];
    struct clo_secret *key;
    struct clo_error err;

    memset(bytes, byte, sizeof bytes);
    assert_true(clo_secret_copy(clo_bytes(bytes, sizeof bytes), &key, &err));
    return key;
}

/* Another nonce each time, as the caller owes. */
static bool count(void *context, void *out, size_t size)
{
    static uint8_t calls;

    (void)context;
    memset(out, ++calls, size);
    return true;
}
static const struct clo_random counting = { .fill = count };

static void test_sealed(void **state)
{
    static const struct clo_bytes text = { (const uint8_t *)"secret", 6 };
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *key = key_of(1);
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *other = key_of(2);
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *opened = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sealed = { 0 };
    struct clo_bytes place = clo_bytes_text("a place");
    struct clo_secret *none;
    struct clo_error err;

    (void)state;
    assert_true(clo_aead_seal(key, place, text, &counting, &sealed, &err));
    assert_int_equal(sealed.size, text.size + CLO_AEAD_OVERHEAD);
    assert_true(clo_aead_open(key, place, clo_buffer_bytes(&sealed), &opened, &err));
    assert_true(clo_bytes_equal(clo_secret_bytes(opened), text));
    assert_false(clo_aead_open(other, place, clo_buffer_bytes(&sealed), &none, &err));
    assert_false(
            clo_aead_open(key, clo_bytes_text("another"), clo_buffer_bytes(&sealed), &none, &err));
    assert_int_equal(err.status, CLO_ERR_UNVERIFIED);
    for (size_t i = 0; i < sealed.size; i++) {
        sealed.data[i] ^= 1;
        assert_false(clo_aead_open(key, place, clo_buffer_bytes(&sealed), &none, &err));
        sealed.data[i] ^= 1;
        assert_false(clo_aead_open(key, place, clo_bytes(sealed.data, i), &none, &err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_sealed) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
