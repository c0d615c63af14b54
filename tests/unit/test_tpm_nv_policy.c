/* An index that one key writes, in a software TPM: what the host does to it (another write, an index of its own in its place, a byte
 * changed on the wire) opens nothing. */
#include "device/tpm_nv_policy.h"

#include "device/random.h"
#include "device/tpm_audit.h"
#include "lying_tpm.h"

static struct clo_private_key *key, *others;
static struct clo_public_key *signer, *stranger;
static struct clo_alternatives states;
static struct clo_nv_policy policy;
static struct clo_tpm2_token token;

static const char secret[] = "thirty-two bytes of a disk's key";

static void approve(struct clo_tpm *with)
{
    struct clo_error err;

    if (!clo_tpm_nv_policy_write(with, key, &states, &err))
        fail_msg("%s", err.text);
}

/* The present values of two registers. */
static void take_present(void)
{
    struct clo_tpm_pcrs now;
    struct clo_error err;

    states = (struct clo_alternatives){ .bank = CLO_HASH_SHA256, .nv_index = CLO_NV_INDEX };
    assert_true(clo_tpm_pcr_read(tpm, CLO_HASH_SHA256, 1U << 4 | 1U << 12, &now, &err));
    assert_true(clo_alternatives_add(&states, 4, &now.values[4]));
    assert_true(clo_alternatives_add(&states, 12, &now.values[12]));
    policy.alternatives = states;
}

static void seal(void)
{
    const struct clo_tpm2_sealing sealing = { .bank = CLO_HASH_SHA256, .nv = &policy.name };
    struct clo_error err;

    clo_tpm2_token_free(&token);
    if (!clo_tpm_seal(tpm, NULL, &sealing, clo_bytes_text(secret), &clo_random_system, &token,
                      &err))
        fail_msg("%s", err.text);
}

static bool opens(enum clo_unseal_why *why, struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *found = NULL;
    const struct clo_unseal with = { .alternatives = &states };

    return clo_tpm_unseal(tpm, &token, &with, &found, why, err) &&
           clo_bytes_equal(clo_secret_bytes(found), clo_bytes_text(secret));
}

static void must_open(void)
{
    enum clo_unseal_why why;
    struct clo_error err;

    if (!opens(&why, &err))
        fail_msg("%s", err.text);
}

static void must_refuse(enum clo_unseal_why expected, const char *words)
{
    enum clo_unseal_why why;
    struct clo_error err = { 0 };

    CHECK(!opens(&why, &err), words);
    CHECK(why == expected && strstr(err.text, words) != NULL, err.text);
}

static int make_index(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    struct clo_error err;

    start_swtpm(state);
    assert_true(clo_private_key_new(CLO_KEY_RSA, 2048, &key, &err));
    assert_true(clo_private_key_public(key, &signer, &err));
    assert_true(clo_private_key_new(CLO_KEY_RSA, 2048, &others, &err));
    assert_true(clo_private_key_public(others, &stranger, &err));
    assert_true(clo_nv_index_public(CLO_NV_INDEX, signer, true, &area, &err));
    clo_tpm2_name_of(clo_buffer_bytes(&area), &policy.name);
    return 0;
}

static int free_index(void **state)
{
    clo_private_key_freep(&key);
    clo_private_key_freep(&others);
    clo_public_key_freep(&signer);
    clo_public_key_freep(&stranger);
    clo_tpm2_token_free(&token);
    return stop_swtpm(state);
}

/* Defined, approved, changed: the sealed key stays as it is. */
static void test_index(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer handle = { 0 };
    struct clo_digest other = { .hash = CLO_HASH_SHA256, .bytes = { 5 } };
    struct clo_tpm2_name name;
    struct clo_error err;

    (void)state;
    take_present();
    assert_false(clo_tpm_nv_policy_holds(tpm, &policy, &err));
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
    if (!clo_tpm_nv_policy_define(tpm, &states, signer, &err))
        fail_msg("%s", err.text);
    assert_true(clo_tpm_nv_policy_define(tpm, &states, signer, &err)); /* is there */
    seal();
    must_refuse(CLO_UNSEAL_NO_NV, "the NV index was never written");
    approve(tpm);
    assert_true(clo_tpm_nv_name(tpm, CLO_NV_INDEX, &name, &err));
    assert_memory_equal(name.bytes, policy.name.bytes, sizeof name.bytes);
    assert_true(clo_tpm_nv_policy_holds(tpm, &policy, &err));
    assert_true(clo_tpm_nv_policy_handle(tpm, CLO_NV_INDEX, &handle, &err));
    must_open();
    assert_true(clo_tpm_nv_policy_define(tpm, &states, signer, &err)); /* and holds the same */
    states.values[4][0] = other;
    assert_false(clo_tpm_nv_policy_define(tpm, &states, signer, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    CHECK(strstr(err.text, "is there already, and approves of another state") != NULL, err.text);
    approve(tpm);
    assert_false(clo_tpm_nv_policy_holds(tpm, &policy, &err));
    CHECK(strstr(err.text, "approves of another state than the file says") != NULL, err.text);
    must_refuse(CLO_UNSEAL_NV_DIFFERS, "the NV index approves of another state");
    take_present();
    must_refuse(CLO_UNSEAL_NV_DIFFERS, "the NV index approves of another state");
    approve(tpm);
    must_open();
}

/* The owner's password, which the host has, and another key write nothing. */
static void test_other_writers(void **state)
{
    uint8_t bytes[CLO_NV_POLICY_SIZE] = { 0, 0x0b };
    struct clo_error err;

    (void)state;
    assert_false(clo_tpm_nv_write(tpm, CLO_NV_INDEX, clo_bytes(bytes, sizeof bytes), &err));
    assert_false(clo_tpm_nv_policy_write(tpm, others, &states, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    assert_string_equal(err.text, "the TPM has another index 0x0147c103");
    assert_false(clo_tpm_nv_policy_define(tpm, &states, stranger, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    must_open();
}

/* A write that was changed on its way is refused by the TPM, and one that was kept back is noticed. */
static void test_wire(void **state)
{
    CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *lying = NULL;
    CLO_CLEANUP(clo_tpm2_parent_free) struct clo_tpm2_parent parent = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    struct clo_digest other = { .hash = CLO_HASH_SHA256, .bytes = { 5 } };
    struct clo_tpm2_name srk;
    struct clo_error err;
    struct liar *liar = open_liar(&lying);

    (void)state;
    lie_about(liar, CHANGED, TPM2_CC_NV_Write);
    assert_false(clo_tpm_nv_policy_write(lying, key, &states, &err));
    assert_int_equal(liar->lies, 1);
    must_open();
    lie_about(liar, CHANGED, TPM2_CC_PolicySigned);
    assert_false(clo_tpm_nv_policy_write(lying, key, &states, &err));
    assert_int_equal(liar->lies, 1);
    assert_true(clo_tpm_srk(tpm, &area, &err) &&
                clo_tpm2_parent_parse(clo_buffer_bytes(&area), &parent, &err));
    clo_tpm2_name_of(parent.public_part, &srk);
    assert_true(clo_tpm_audit(lying, &srk, &err));
    assert_true(clo_tpm_nv_policy_holds(lying, &policy, &err));
    lie_about(liar, OTHER_VALUE, TPM2_CC_NV_Read);
    assert_false(clo_tpm_nv_policy_holds(lying, &policy, &err));
    CHECK(strstr(err.text, "was changed on its way") != NULL, err.text);
    lie_about(liar, SWALLOWED, TPM2_CC_NV_Write);
    states.values[4][0] = other;
    assert_false(clo_tpm_nv_policy_write(lying, key, &states, &err));
    take_present();
    clo_tpm_freep(&lying);
    flush_all(); /* the session of the lying one */
    must_open();
}

/* Taken away and defined anew, by the host or by a mistake: the same name holds nothing, another one is another index. */
static void test_defined_anew(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer content = { 0 };
    struct clo_error err;

    (void)state;
    if (!clo_tpm_nv_policy_remove(tpm, &policy, &err))
        fail_msg("%s", err.text);
    must_refuse(CLO_UNSEAL_NO_NV, "the TPM has no such object");
    assert_true(clo_tpm_nv_policy_define(tpm, &states, signer, &err));
    must_refuse(CLO_UNSEAL_NO_NV, "the NV index was never written");
    assert_true(clo_tpm_nv_policy_remove(tpm, &policy, &err));
    /* One that the owner writes, with the right content. */
    assert_true(clo_nv_index_content(&states, &content, &err));
    assert_true(clo_tpm_nv_define(tpm, CLO_NV_INDEX, content.size, &err));
    assert_true(clo_tpm_nv_write(tpm, CLO_NV_INDEX, clo_buffer_bytes(&content), &err));
    must_refuse(CLO_UNSEAL_PCRS_DIFFER, "the PCRs are not those that it was sealed for");
    assert_false(clo_tpm_nv_policy_holds(tpm, &policy, &err));
    assert_string_equal(err.text, "the TPM has another index 0x0147c103");
    assert_false(clo_tpm_nv_policy_remove(tpm, &policy, &err));
    assert_false(clo_tpm_nv_policy_define(tpm, &states, signer, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index),
        cmocka_unit_test(test_other_writers),
        cmocka_unit_test(test_wire),
        cmocka_unit_test(test_defined_anew),
    };

    return cmocka_run_group_tests(tests, make_index, free_index);
}
