/* Sealing and unsealing with a software TPM: each kind of policy, and each kind of refusal. */
#include "cloister/uki.h"
#include "device/random.h"
#include "device/tpm_seal.h"
#include "swtpm.h"

#define SECRET "thirty-two bytes of a disk's key"
#define ALL    (1U << 0 | 1U << 4 | 1U << 11 | 1U << 12)

static struct clo_tpm_pcrs present(uint32_t mask)
{
    struct clo_tpm_pcrs pcrs;
    struct clo_error err;

    if (!clo_tpm_pcr_read(tpm, CLO_HASH_SHA256, mask, &pcrs, &err))
        fail_msg("%s", err.text);
    return pcrs;
}

/* The values of the registers in `mask`, the lowest first. */
static size_t values_of(uint32_t mask, struct clo_digest *out)
{
    const struct clo_tpm_pcrs pcrs = present(mask);
    size_t count = 0;

    for (unsigned i = 0; i < CLO_TPM_PCRS; i++)
        if ((mask >> i & 1) != 0)
            out[count++] = pcrs.values[i];
    return count;
}

static void extend(unsigned pcr)
{
    enum clo_hash banks[CLO_HASH_COUNT];
    struct clo_digest digests[CLO_HASH_COUNT];
    struct clo_error err;
    size_t count;

    assert_true(clo_tpm_banks(tpm, banks, &count, &err));
    for (size_t i = 0; i < count; i++)
        clo_hash(banks[i], clo_bytes_text("something else"), &digests[i]);
    if (!clo_tpm_pcr_extend(tpm, pcr, digests, count, &err))
        fail_msg("%s", err.text);
}

/* Seals here or as if elsewhere. */
static void seal(const struct clo_tpm2_sealing *sealing, bool is_offline, struct clo_bytes secret,
                 struct clo_tpm2_token *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    CLO_CLEANUP(clo_tpm2_parent_free) struct clo_tpm2_parent parent = { 0 };
    struct clo_error err;

    bool ok = is_offline ? clo_tpm_srk(tpm, &area, &err) &&
                                   clo_tpm2_parent_parse(clo_buffer_bytes(&area), &parent, &err) &&
                                   clo_tpm2_sealing_offline(sealing, &parent, CLO_TPM_SRK, secret,
                                                            &clo_random_system, out, &err)
                         : clo_tpm_seal(tpm, NULL, sealing, secret, &clo_random_system, out, &err);
    if (!ok)
        fail_msg("%s", err.text);
}

static void opens(const struct clo_tpm2_token *token, const struct clo_unseal *with,
                  struct clo_bytes expected)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    enum clo_unseal_why why;
    struct clo_error err;

    if (!clo_tpm_unseal(tpm, token, with, &secret, &why, &err))
        fail_msg("%s", err.text);
    assert_true(clo_bytes_equal(clo_secret_bytes(secret), expected));
}

static void refuses(const struct clo_tpm2_token *token, const struct clo_unseal *with,
                    enum clo_unseal_why expected, const char *words)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    enum clo_unseal_why why;
    struct clo_error err;

    assert_false(clo_tpm_unseal(tpm, token, with, &secret, &why, &err));
    CHECK(strstr(err.text, words) != NULL, err.text);
    CHECK(why == expected, words);
    assert_null(secret);
}

/* The registers' present values are the policy: one of them extended, and the key is gone. */
static void test_literal(void **state)
{
    static const char *const words = "the PCRs are not those that it was sealed for";
    const struct clo_unseal with = { 0 };
    struct clo_digest values[CLO_TPM_PCRS];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
        values_of(ALL, values);
        const struct clo_tpm2_sealing sealing = { .bank = CLO_HASH_SHA256,
                                                  .pcrs = ALL,
                                                  .values = values };
        seal(&sealing, i == 1, clo_bytes_text(SECRET), &token);
        opens(&token, &with, clo_bytes_text(SECRET));
        extend(1);
        opens(&token, &with, clo_bytes_text(SECRET));
        extend(12);
        refuses(&token, &with, CLO_UNSEAL_PCRS_DIFFER, words);
        assert_true(clo_unseal_is_next(CLO_UNSEAL_PCRS_DIFFER));
    }
}

/* The floor is raised, and what was sealed for an older generation is lost, whatever header names it. */
static void test_floor(void **state)
{
    const struct clo_unseal with = { 0 };
    struct clo_digest values[CLO_TPM_PCRS];
    struct clo_tpm2_token tokens[2] = { 0 };
    struct clo_error err;
    uint64_t floor;
    uint64_t again;

    (void)state;
    values_of(ALL, values);
    if (!clo_tpm_floor(tpm, &floor, &err))
        fail_msg("%s", err.text);
    assert_true(floor > 0);
    assert_true(clo_tpm_floor(tpm, &again, &err));
    assert_int_equal(floor, again);
    for (unsigned i = 0; i < 2; i++) {
        const struct clo_tpm2_sealing sealing = { .bank = CLO_HASH_SHA256,
                                                  .pcrs = ALL,
                                                  .values = values,
                                                  .is_own = true,
                                                  .floor = floor + i };
        seal(&sealing, i == 1, clo_bytes_text(SECRET), &tokens[i]);
        opens(&tokens[i], &with, clo_bytes_text(SECRET));
    }
    assert_true(clo_tpm_floor_raise(tpm, floor + 1, &err));
    assert_true(clo_tpm_floor_raise(tpm, floor, &err)); /* never lowered */
    refuses(&tokens[0], &with, CLO_UNSEAL_FLOOR, "the TPM's floor was raised to");
    assert_true(clo_unseal_is_next(CLO_UNSEAL_FLOOR));
    opens(&tokens[1], &with, clo_bytes_text(SECRET));
    /* A token that claims another generation is held to the one that it was sealed for. */
    tokens[0].floor = floor + 1;
    refuses(&tokens[0], &with, CLO_UNSEAL_PCRS_DIFFER, "not those that it was sealed for");
    tokens[0].floor = 0;
    refuses(&tokens[0], &with, CLO_UNSEAL_PCRS_DIFFER, "not those that it was sealed for");
    assert_false(clo_tpm_floor_raise(tpm, floor + 100000, &err));
    clo_tpm2_token_free(&tokens[0]);
    clo_tpm2_token_free(&tokens[1]);
}

static void test_floor_needs_own(void **state)
{
    struct clo_tpm2_token token = { 0 };
    struct clo_digest values[CLO_TPM_PCRS];
    struct clo_error err;

    (void)state;
    values_of(ALL, values);
    const struct clo_tpm2_sealing sealing = {
        .bank = CLO_HASH_SHA256, .pcrs = ALL, .values = values, .floor = 1
    };
    assert_false(clo_tpm2_sealing_token(&sealing, &token, &err));
    assert_int_equal(err.status, CLO_ERR_USAGE);
}

static void test_pin(void **state)
{
    const struct clo_unseal right = { .pin = clo_bytes_text("1234") };
    const struct clo_unseal wrong = { .pin = clo_bytes_text("4321") };
    const struct clo_unseal none = { 0 };
    struct clo_digest values[CLO_TPM_PCRS];

    (void)state;
    values_of(ALL, values);
    for (size_t i = 0; i < 2; i++) {
        CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
        const struct clo_tpm2_sealing sealing = {
            .bank = CLO_HASH_SHA256, .pcrs = ALL, .values = values, .pin = clo_bytes_text("1234")
        };
        seal(&sealing, i == 1, clo_bytes_text(SECRET), &token);
        opens(&token, &right, clo_bytes_text(SECRET));
        refuses(&token, &none, CLO_UNSEAL_NO_PIN, "it wants a PIN");
        refuses(&token, &wrong, CLO_UNSEAL_BAD_PIN, "the PIN is wrong");
        assert_false(clo_unseal_is_next(CLO_UNSEAL_BAD_PIN));
    }
}

struct signer {
    struct clo_private_key *key;
    struct clo_public_key *public_key;
    json_t *pcrsig;
};

static void free_signer(struct signer *signer)
{
    clo_private_key_freep(&signer->key);
    clo_public_key_freep(&signer->public_key);
    json_decref(signer->pcrsig);
}

/* Signs the present value of PCR 11; with a reference as systemd 262 has it. */
static void sign(struct signer *signer, const char *ref)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    struct clo_digest value;
    struct clo_pcr_policy policy;
    struct clo_error err;

    values_of(1U << 11, &value);
    clo_uki_policy(&value, &policy);
    clo_tpm2_policy_to_be_signed(&policy.digest, ref, &text);
    assert_true(clo_signature_make(signer->key, CLO_RSASSA_PKCS1, CLO_HASH_SHA256,
                                   clo_buffer_bytes(&text), &signature, &err));
    json_decref(signer->pcrsig);
    signer->pcrsig = json_object();
    assert_true(clo_pcrsig_add(signer->pcrsig, &policy, signer->public_key,
                               clo_buffer_bytes(&signature), &err));
    if (ref != NULL)
        json_object_set_new(json_array_get(json_object_get(signer->pcrsig, "sha256"), 0), "ref",
                            json_string(ref));
}

/* A new UKI that its owner signed gets the key; an unsigned one, and one that was signed for another purpose, do not. */
static void test_signed(void **state)
{
    static const char *const refs[] = { NULL, "initrd" };
    CLO_CLEANUP(free_signer) struct signer signer = { 0 };
    struct clo_digest values[CLO_TPM_PCRS];
    struct clo_error err;

    (void)state;
    assert_true(clo_private_key_new(CLO_KEY_RSA, 2048, &signer.key, &err));
    assert_true(clo_private_key_public(signer.key, &signer.public_key, &err));
    for (size_t i = 0; i < 4; i++) {
        CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
        const char *ref = refs[i / 2];
        values_of(1U << 12, values);
        const struct clo_tpm2_sealing sealing = { .bank = CLO_HASH_SHA256,
                                                  .pcrs = 1U << 12,
                                                  .values = values,
                                                  .signer = signer.public_key,
                                                  .signed_pcrs = 1U << 11,
                                                  .ref = ref };
        seal(&sealing, i % 2 == 1, clo_bytes_text(SECRET), &token);
        sign(&signer, ref);
        struct clo_unseal with = { .pcrsig = signer.pcrsig };
        opens(&token, &with, clo_bytes_text(SECRET));
        extend(11);
        refuses(&token, &with, CLO_UNSEAL_NO_SIGNATURE, "no signature for the present PCRs");
        sign(&signer, ref == NULL ? "initrd" : NULL);
        with.pcrsig = signer.pcrsig;
        refuses(&token, &with, CLO_UNSEAL_NO_SIGNATURE, "no signature for the present PCRs");
        sign(&signer, ref);
        with.pcrsig = signer.pcrsig;
        opens(&token, &with, clo_bytes_text(SECRET));
        extend(12);
        refuses(&token, &with, CLO_UNSEAL_PCRS_DIFFER, "not those that it was sealed for");
    }
}

/* A signature that the key did not make is the TPM's to refuse. */
static void test_forged(void **state)
{
    CLO_CLEANUP(free_signer) struct signer signer = { 0 };
    CLO_CLEANUP(free_signer) struct signer other = { 0 };
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
    struct clo_error err;

    (void)state;
    assert_true(clo_private_key_new(CLO_KEY_RSA, 2048, &signer.key, &err));
    assert_true(clo_private_key_public(signer.key, &signer.public_key, &err));
    assert_true(clo_private_key_new(CLO_KEY_RSA, 2048, &other.key, &err));
    assert_true(clo_private_key_public(signer.key, &other.public_key, &err)); /* misnamed */
    const struct clo_tpm2_sealing sealing = { .bank = CLO_HASH_SHA256,
                                              .signer = signer.public_key,
                                              .signed_pcrs = 1U << 11 };
    seal(&sealing, false, clo_bytes_text(SECRET), &token);
    sign(&other, NULL);
    const struct clo_unseal with = { .pcrsig = other.pcrsig };
    refuses(&token, &with, CLO_UNSEAL_FAILED, "PCR signature");
}

/* Tokens whose policy key has the other name (systemd's have either, #30546 there). */
static void test_exponent_zero(void **state)
{
    CLO_CLEANUP(free_signer) struct signer signer = { 0 };
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
    CLO_CLEANUP(clo_tpm2_parent_free) struct clo_tpm2_parent parent = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer public_part = { 0 };
    struct clo_digest policy;
    struct clo_tpm2_name name;
    struct clo_error err;

    (void)state;
    assert_true(clo_private_key_new(CLO_KEY_RSA, 2048, &signer.key, &err));
    assert_true(clo_private_key_public(signer.key, &signer.public_key, &err));
    const struct clo_tpm2_sealing sealing = { .bank = CLO_HASH_SHA256,
                                              .signer = signer.public_key,
                                              .signed_pcrs = 1U << 11 };
    seal(&sealing, true, clo_bytes_text(SECRET), &token);
    assert_true(clo_tpm2_signer_public(signer.public_key, true, &public_part, &err));
    clo_tpm2_name_of(clo_buffer_bytes(&public_part), &name);
    clo_tpm2_policy_authorize(&policy, &name, NULL);
    assert_true(clo_tpm_srk(tpm, &area, &err) &&
                clo_tpm2_parent_parse(clo_buffer_bytes(&area), &parent, &err));
    token.blobs[0].size = 0;
    assert_true(clo_tpm2_seal_offline(&parent, &policy, clo_bytes_text(SECRET), clo_bytes(NULL, 0),
                                      &clo_random_system, &token.blobs[0], &err));
    memcpy(token.policies[0].data, policy.bytes, 32);
    sign(&signer, NULL);
    const struct clo_unseal with = { .pcrsig = signer.pcrsig };
    opens(&token, &with, clo_bytes_text(SECRET));
}

/* Another TPM's: an object that it did not make, a storage key that it has not, and one that the image does not name. */
static void test_other_tpm(void **state)
{
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
    const struct clo_tpm2_name pin = { .bytes = { 0, 0x0b, 1, 2, 3 } };
    const struct clo_unseal with = { 0 };
    const struct clo_unseal pinned = { .srk = &pin };
    struct clo_digest values[CLO_TPM_PCRS];

    (void)state;
    values_of(ALL, values);
    const struct clo_tpm2_sealing sealing = { .bank = CLO_HASH_SHA256,
                                              .pcrs = ALL,
                                              .values = values };
    seal(&sealing, false, clo_bytes_text(SECRET), &token);
    refuses(&token, &pinned, CLO_UNSEAL_OTHER_TPM,
            "the image names its TPM: storage key: the TPM has another one");
    token.blobs[0].data[40] ^= 1;
    refuses(&token, &with, CLO_UNSEAL_OTHER_TPM, "sealed to another TPM");
    token.blobs[0].data[40] ^= 1;
    token.srk.data[3] ^= 2; /* 0x81000003 */
    refuses(&token, &with, CLO_UNSEAL_OTHER_TPM, "the TPM has no such object");
    token.srk.data[3] ^= 2;
    opens(&token, &with, clo_bytes_text(SECRET));
}

#define NV_INDEX 0x01801234u

/* What the index holds: a TPMT_HA of the alternatives' policy. */
static void approve(const struct clo_alternatives *alternatives)
{
    uint8_t bytes[34] = { 0x00, 0x0b };
    struct clo_digest policy;
    struct clo_error err;

    clo_alternatives_policy(alternatives, &policy);
    memcpy(bytes + 2, policy.bytes, 32);
    if (!clo_tpm_nv_write(tpm, NV_INDEX, clo_bytes(bytes, sizeof bytes), &err))
        fail_msg("%s", err.text);
}

/* The present state of two registers, and of PCR 11 another one as well. */
static void make_alternatives(struct clo_alternatives *out)
{
    struct clo_digest value;

    memset(out, 0, sizeof *out);
    out->bank = CLO_HASH_SHA256;
    out->nv_index = NV_INDEX;
    values_of(1U << 4, &out->values[4][0]);
    values_of(1U << 12, &out->values[12][0]);
    out->counts[4] = out->counts[12] = 1;
    clo_hash(CLO_HASH_SHA256, clo_bytes_text("the next UKI"), &value);
    out->values[11][0] = value;
    values_of(1U << 11, &out->values[11][1]);
    out->counts[11] = 2;
}

/* The index's owner changes what is approved of, and the sealed key stays as it is; alone, and next to a signed policy. */
static void test_nv(void **state)
{
    CLO_CLEANUP(free_signer) struct signer signer = { 0 };
    static struct clo_alternatives alternatives;
    struct clo_tpm2_name name;
    struct clo_error err;
    uint8_t secret[64] = "first half, of a signed policy..second, of an NV index's policy";

    (void)state;
    assert_true(clo_private_key_new(CLO_KEY_RSA, 2048, &signer.key, &err));
    assert_true(clo_private_key_public(signer.key, &signer.public_key, &err));
    if (!clo_tpm_nv_define(tpm, NV_INDEX, 34, &err) || !clo_tpm_nv_name(tpm, NV_INDEX, &name, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < 2; i++) {
        CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
        struct clo_bytes both = clo_bytes(secret, i == 0 ? 32 : 64);
        const struct clo_tpm2_sealing sealing = { .bank = CLO_HASH_SHA256,
                                                  .signer = i == 0 ? NULL : signer.public_key,
                                                  .signed_pcrs = i == 0 ? 0 : 1U << 11,
                                                  .nv = &name };
        seal(&sealing, false, both, &token);
        assert_int_equal(token.shards, i + 1);
        make_alternatives(&alternatives);
        sign(&signer, NULL);
        struct clo_unseal with = { .pcrsig = signer.pcrsig, .alternatives = &alternatives };
        if (i == 0)
            refuses(&token, &with, CLO_UNSEAL_NO_NV, "the NV index was never written");
        approve(&alternatives);
        opens(&token, &with, both);
        extend(12);
        refuses(&token, &with, CLO_UNSEAL_NV_DIFFERS, "the NV index approves of another state");
        make_alternatives(&alternatives);
        approve(&alternatives);
        opens(&token, &with, both);
        extend(11);
        sign(&signer, NULL);
        with.pcrsig = signer.pcrsig;
        refuses(&token, &with, CLO_UNSEAL_NO_BRANCH,
                "PCR 11 has none of the 2 values that the NV policy allows");
        with.alternatives = NULL;
        refuses(&token, &with, CLO_UNSEAL_NO_NV, "no pcrlock.json says what that is");
        alternatives.nv_index++;
        with.alternatives = &alternatives;
        refuses(&token, &with, CLO_UNSEAL_NO_NV, "the TPM has no such object");
    }
}

/* The policy is enforced by the TPM, whatever a token says of it. */
static void test_lying_token(void **state)
{
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
    const struct clo_unseal with = { 0 };
    struct clo_digest values[CLO_TPM_PCRS];
    struct clo_digest policy;

    (void)state;
    values_of(ALL, values);
    const struct clo_tpm2_sealing sealing = { .bank = CLO_HASH_SHA256,
                                              .pcrs = ALL,
                                              .values = values };
    seal(&sealing, false, clo_bytes_text(SECRET), &token);
    token.pcrs = 1U << 16;
    values_of(1U << 16, values);
    clo_tpm2_policy_begin(&policy);
    clo_tpm2_policy_pcr(&policy, CLO_HASH_SHA256, 1U << 16, values);
    memcpy(token.policies[0].data, policy.bytes, 32);
    refuses(&token, &with, CLO_UNSEAL_FAILED, "unseal");
    token.pcrs = 0;
    clo_tpm2_policy_begin(&policy);
    memcpy(token.policies[0].data, policy.bytes, 32);
    refuses(&token, &with, CLO_UNSEAL_FAILED, "unseal");
}

/* Registers that must be in a policy, and what leaves one open. */
static void test_check(void **state)
{
    static const struct {
        const char *name;
        uint32_t pcrs, signed_pcrs;
        const char *error;
    } cases[] = {
        { "all", ALL, 0, NULL },
        { "7 for 4", 1U << 0 | 1U << 7 | 1U << 11 | 1U << 12, 0, NULL },
        { "11 signed", 1U << 0 | 1U << 4 | 1U << 12, 1U << 11, NULL },
        { "7 and 11 alone", 1U << 7 | 1U << 11, 0, "the policy leaves out PCR 0" },
        { "7, and 11 signed", 1U << 7, 1U << 11, "the policy leaves out PCR 0" },
        { "without 12", 1U << 0 | 1U << 4 | 1U << 11, 0, "the policy leaves out PCR 12" },
        { "without 11", 1U << 0 | 1U << 4 | 1U << 12, 0, "the policy leaves out PCR 11" },
        { "without 4 and 7", 1U << 0 | 1U << 11 | 1U << 12, 0, "the policy leaves out PCR 4 or 7" },
        { "none", 0, 0, "the policy leaves out PCR 0" },
        { "an index with the rest", 1U << 11, 0, NULL },
        { "an index without the rest", 1U << 7, 0, "the policy leaves out PCR 11" },
    };
    const struct clo_tpm2_name name = { .bytes = { 0 } };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        const bool has_index = strncmp(cases[i].name, "an index", 8) == 0;
        const struct clo_tpm2_sealing sealing = { .pcrs = cases[i].pcrs,
                                                  .signed_pcrs = cases[i].signed_pcrs,
                                                  .nv = has_index ? &name : NULL,
                                                  .nv_pcrs = 1U << 0 | 1U << 4 | 1U << 12 };
        struct clo_error err = { 0 };
        bool ok = clo_tpm2_sealing_check(&sealing, &err);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
    }
}

/* Sessions and objects are gone after each use: a TPM has room for three. */
static void test_no_leaks(void **state)
{
    CLO_CLEANUP(clo_tpm2_token_free) struct clo_tpm2_token token = { 0 };
    const struct clo_unseal with = { 0 };
    struct clo_digest values[CLO_TPM_PCRS];

    (void)state;
    values_of(ALL, values);
    const struct clo_tpm2_sealing sealing = { .bank = CLO_HASH_SHA256,
                                              .pcrs = ALL,
                                              .values = values };
    for (size_t i = 0; i < 8; i++) {
        clo_tpm2_token_free(&token);
        seal(&sealing, false, clo_bytes_text(SECRET), &token);
        opens(&token, &with, clo_bytes_text(SECRET));
    }
    extend(0);
    for (size_t i = 0; i < 8; i++)
        refuses(&token, &with, CLO_UNSEAL_PCRS_DIFFER, "not those");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literal),       cmocka_unit_test(test_pin),
        cmocka_unit_test(test_floor),         cmocka_unit_test(test_floor_needs_own),
        cmocka_unit_test(test_signed),        cmocka_unit_test(test_forged),
        cmocka_unit_test(test_exponent_zero), cmocka_unit_test(test_other_tpm),
        cmocka_unit_test(test_lying_token),   cmocka_unit_test(test_check),
        cmocka_unit_test(test_no_leaks),      cmocka_unit_test(test_nv),
    };

    return cmocka_run_group_tests(tests, start_swtpm, stop_swtpm);
}
