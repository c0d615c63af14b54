/* The index that says which states get a key: its name, what a write of it is signed over, and its file. The expected values are of
 * Python's hashlib, by part 1 and 3 of the specification. */
#include "lib/tcg/nv_index.h"

#include "test.h"

static void make_signer(uint8_t byte, struct clo_public_key **out)
{
    static const uint8_t exponent[] = { 1, 0, 1 };
    uint8_t modulus[256];
    struct clo_error err;

    memset(modulus, byte, sizeof modulus);
    if (!clo_public_key_from_rsa(clo_bytes(modulus, sizeof modulus),
                                 clo_bytes(exponent, sizeof exponent), out, &err))
        fail_msg("%s", err.text);
}

static void check_hex(struct clo_bytes found, const char *hex)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer expected = { 0 };

    CHECK(clo_bytes_equal(found, from_hex(hex, &expected)), hex);
}

/* Who may write is in the name. */
static void test_public(void **state)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *signer = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer before = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer written = { 0 };
    struct clo_tpm2_name name;
    struct clo_error err;

    (void)state;
    make_signer(0xc1, &signer);
    assert_true(clo_nv_index_public(CLO_NV_INDEX, signer, false, &before, &err));
    assert_true(clo_nv_index_public(CLO_NV_INDEX, signer, true, &written, &err));
    check_hex(clo_buffer_bytes(&before),
              "0147c103000b02060008002079271ff3e1070f59cfc96b51bfb12585fa9dd24c5ce0da4a0ea1abb5e424"
              "bb9c0022");
    clo_tpm2_name_of(clo_buffer_bytes(&written), &name);
    check_hex(clo_bytes(name.bytes, sizeof name.bytes),
              "000b61e2a55b3496423c25b056c5739de0211b86b19ab3235fda476e8317834d5dbc");
}

/* A signature is for these bytes, in this index, in this session. */
static void test_write(void **state)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *signer = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    uint8_t content[CLO_NV_POLICY_SIZE] = { 0, 0x0b };
    const uint8_t nonce[] = { 0xaa, 0xbb };
    struct clo_tpm2_name name;
    struct clo_digest hash;
    struct clo_error err;

    (void)state;
    for (unsigned i = 0; i < 32; i++)
        content[2 + i] = (uint8_t)i;
    make_signer(0xc1, &signer);
    assert_true(clo_nv_index_public(CLO_NV_INDEX, signer, false, &area, &err));
    clo_tpm2_name_of(clo_buffer_bytes(&area), &name);
    clo_nv_index_write_hash(&name, clo_bytes(content, sizeof content), &hash);
    check_hex(clo_digest_bytes(&hash),
              "901139474ca85250b9cf28a65e7b6be8fbf30e14d82526e8f8887dec1567b3f8");
    assert_true(clo_nv_index_to_be_signed(clo_bytes(nonce, sizeof nonce), &hash, &text, &err));
    check_hex(clo_buffer_bytes(&text),
              "aabb 00000000 901139474ca85250b9cf28a65e7b6be8fbf30e14d82526e8f8887dec1567b3f8"
              "588b43dba73b3a71057fd20586667efd3600d855e118188b5906ac305de25388");
}

/* --- The file --- */

static struct clo_digest value_of(uint8_t byte)
{
    struct clo_digest value = { .hash = CLO_HASH_SHA256 };

    memset(value.bytes, byte, 32);
    return value;
}

static void make_policy(struct clo_nv_policy *out)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *signer = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    struct clo_error err;

    make_signer(0xc1, &signer);
    *out = (struct clo_nv_policy){ .alternatives = { .bank = CLO_HASH_SHA256,
                                                     .nv_index = CLO_NV_INDEX } };
    assert_true(clo_nv_index_public(CLO_NV_INDEX, signer, true, &area, &err));
    clo_buffer_be16(&out->area, (uint16_t)area.size);
    clo_buffer_append(&out->area, clo_buffer_bytes(&area));
    clo_buffer_append(&out->handle, clo_bytes_text("a handle"));
    for (uint8_t i = 1; i <= 3; i++) {
        struct clo_digest value = value_of(i);
        assert_true(clo_alternatives_add(&out->alternatives, i == 1 ? 4 : 11, &value));
    }
}

/* What is written is read again: the file, and the copy in a header. */
static void test_file(void **state)
{
    CLO_CLEANUP(clo_nv_policy_free) struct clo_nv_policy policy = { .pcrs = 0 };
    CLO_CLEANUP(clo_nv_policy_free) struct clo_nv_policy again = { .pcrs = 0 };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *signer = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *other = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *token = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    static struct clo_alternatives copy;
    struct clo_digest one, two;
    struct clo_error err;

    (void)state;
    make_policy(&policy);
    json = clo_nv_policy_json(&policy);
    assert_true(clo_json_write(json, &text, &err));
    if (!clo_nv_policy_parse(clo_buffer_bytes(&text), &again, &err))
        fail_msg("%s", err.text);
    assert_int_equal(again.pcrs, 1U << 4 | 1U << 11);
    assert_true(clo_bytes_equal(clo_buffer_bytes(&again.area), clo_buffer_bytes(&policy.area)));
    assert_true(clo_bytes_equal(clo_buffer_bytes(&again.handle), clo_bytes_text("a handle")));
    token = clo_alternatives_token(&policy.alternatives);
    assert_true(clo_alternatives_is_token(token));
    assert_false(clo_alternatives_is_token(json));
    assert_true(clo_alternatives_read(token, &copy, &err));
    clo_alternatives_policy(&policy.alternatives, &one);
    clo_alternatives_policy(&copy, &two);
    assert_true(clo_digest_equal(&one, &two));
    make_signer(0xc1, &signer);
    make_signer(0xc3, &other);
    assert_true(clo_nv_index_is_of(&again, signer, &err));
    assert_false(clo_nv_index_is_of(&again, other, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    CHECK(strstr(err.text, "is another key's to write") != NULL, err.text);
}

/* A register has at most as many values as one TPM2_PolicyOR has branches. */
static void test_add(void **state)
{
    static struct clo_alternatives states;
    struct clo_digest values[CLO_PCR_COUNT] = { 0 };

    (void)state;
    states = (struct clo_alternatives){ .bank = CLO_HASH_SHA256 };
    for (uint8_t i = 0; i < CLO_TPM2_OR_MAX; i++) {
        values[4] = value_of(i);
        assert_true(clo_alternatives_add(&states, 4, &values[4]));
        assert_true(clo_alternatives_add(&states, 4, &values[4])); /* said twice */
        assert_int_equal(states.counts[4], i + 1);
    }
    values[12] = value_of(1);
    assert_true(clo_alternatives_add(&states, 12, &values[12]));
    assert_int_equal(clo_alternatives_differ(&states, UINT32_MAX, values), 0);
    values[0] = value_of(7); /* not in the policy */
    values[4] = value_of(0x44);
    assert_false(clo_alternatives_add(&states, 4, &values[4]));
    assert_int_equal(clo_alternatives_differ(&states, UINT32_MAX, values), 1U << 4);
    values[12] = value_of(2);
    assert_int_equal(clo_alternatives_differ(&states, UINT32_MAX, values), 1U << 4 | 1U << 12);
    assert_int_equal(clo_alternatives_differ(&states, 1U << 4, values), 1U << 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_public),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_add),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
