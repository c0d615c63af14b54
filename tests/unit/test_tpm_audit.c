/* A host that sits on the wire to the TPM and answers for it: what it says is believed without a session of the storage key's, and
 * refused with one. */
#include "device/tpm_audit.h"

#include "device/random.h"
#include "lying_tpm.h"

#define COUNTER 0x0147c140u
#define AK      0x81000010u

static struct clo_tpm2_name srk;

static void find_srk(void)
{
    CLO_CLEANUP(clo_tpm2_parent_free) struct clo_tpm2_parent parent = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    struct clo_error err;

    if (!clo_tpm_srk(tpm, &area, &err) ||
        !clo_tpm2_parent_parse(clo_buffer_bytes(&area), &parent, &err))
        fail_msg("%s", err.text);
    clo_tpm2_name_of(parent.public_part, &srk);
}

/* --- What a guest asks --- */

static bool read_pcrs(struct clo_tpm *with, struct clo_error *err)
{
    struct clo_tpm_pcrs pcrs;

    return clo_tpm_pcr_read(with, CLO_HASH_SHA256, 1U << 4 | 1U << 11, &pcrs, err);
}

static bool read_banks(struct clo_tpm *with, struct clo_error *err)
{
    enum clo_hash banks[CLO_HASH_COUNT];
    size_t count;

    return clo_tpm_banks(with, banks, &count, err);
}

static bool extend(struct clo_tpm *with, struct clo_error *err)
{
    struct clo_digest digests[CLO_HASH_COUNT];
    enum clo_hash banks[CLO_HASH_COUNT];
    size_t count;

    if (!clo_tpm_banks(with, banks, &count, err))
        return false;
    for (size_t i = 0; i < count; i++)
        clo_hash(banks[i], clo_bytes_text("leave-initrd"), &digests[i]);
    return clo_tpm_pcr_extend(with, 11, digests, count, err);
}

static bool read_counter(struct clo_tpm *with, struct clo_error *err)
{
    uint64_t value;

    return clo_tpm_counter_read(with, COUNTER, &value, err);
}

static bool raise_counter(struct clo_tpm *with, struct clo_error *err)
{
    return clo_tpm_counter_raise(with, COUNTER, err);
}

static bool define_counter(struct clo_tpm *with, struct clo_error *err)
{
    return clo_tpm_counter_define(with, COUNTER + 1, err);
}

static bool read_floor(struct clo_tpm *with, struct clo_error *err)
{
    uint64_t floor;

    return clo_tpm_floor(with, &floor, err);
}

static bool raise_floor(struct clo_tpm *with, struct clo_error *err)
{
    uint64_t floor;

    return clo_tpm_floor(tpm, &floor, err) && clo_tpm_floor_raise(with, floor + 1, err);
}

static bool read_index(struct clo_tpm *with, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { .limit = 64 };

    return clo_tpm_nv_read(with, COUNTER, 64, &bytes, err);
}

#define CHANGED "was changed on its way"

static const struct {
    const char *name;
    bool (*ask)(struct clo_tpm *with, struct clo_error *err);
    enum lie lie;
    uint32_t about;
    const char *error; /* NULL: whatever the stack makes of it */
} cases[] = {
    { "other registers", read_pcrs, OTHER_VALUE, TPM2_CC_PCR_Read, CHANGED },
    { "other registers, and no sessions", read_pcrs, NO_SESSIONS, TPM2_CC_PCR_Read, NULL },
    { "other banks", read_banks, OTHER_VALUE, TPM2_CC_GetCapability, CHANGED },
    { "another value of the counter", read_counter, OTHER_VALUE, TPM2_CC_NV_Read, CHANGED },
    { "a counter that was never raised", read_counter, NOT_WRITTEN, TPM2_CC_NV_ReadPublic, NULL },
    { "another floor", read_floor, OTHER_VALUE, TPM2_CC_NV_Read, CHANGED },
    { "a floor that was not raised", raise_floor, SWALLOWED, TPM2_CC_NV_Increment, CHANGED },
    { "a counter that was not raised", raise_counter, SWALLOWED, TPM2_CC_NV_Increment, CHANGED },
    { "a counter that was not made", define_counter, SWALLOWED, TPM2_CC_NV_DefineSpace, CHANGED },
    { "an extension that did not reach it", extend, SWALLOWED, TPM2_CC_PCR_Extend, CHANGED },
    { "other contents of an index", read_index, OTHER_VALUE, TPM2_CC_NV_Read, CHANGED },
};

static void test_lies(void **state)
{
    struct clo_error err;

    (void)state;
    assert_true(clo_tpm_counter_define(tpm, COUNTER, &err) &&
                clo_tpm_counter_raise(tpm, COUNTER, &err));
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *other = NULL;
        struct liar *liar = open_liar(&other);
        lie_about(liar, cases[i].lie, cases[i].about);
        if (!cases[i].ask(other, &err) || liar->lies == 0)
            fail_msg("%s: not believed without a session, so this shows nothing: %s", cases[i].name,
                     err.text);
        lie_about(liar, TRUTH, 0);
        if (!clo_tpm_audit(other, &srk, &err))
            fail_msg("%s", err.text);
        lie_about(liar, cases[i].lie, cases[i].about);
        CHECK(!cases[i].ask(other, &err), cases[i].name);
        CHECK(liar->lies > 0, cases[i].name);
        CHECK(cases[i].error == NULL || strstr(err.text, cases[i].error) != NULL, err.text);
        CHECK(cases[i].error == NULL || err.status == CLO_ERR_REFUSED, cases[i].name);
        lie_about(liar, TRUTH, 0);
        flush_all();
    }
}

/* An answer of before is one to another nonce. */
static void test_replayed(void **state)
{
    CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *other = NULL;
    struct liar *liar = open_liar(&other);
    struct clo_error err;

    (void)state;
    if (!clo_tpm_audit(other, &srk, &err))
        fail_msg("%s", err.text);
    lie_about(liar, KEPT, TPM2_CC_NV_Read);
    if (!read_counter(other, &err))
        fail_msg("%s", err.text);
    assert_true(clo_tpm_counter_raise(tpm, COUNTER, &err));
    assert_false(read_counter(other, &err));
    assert_non_null(strstr(err.text, CHANGED));
    lie_about(liar, TRUTH, 0);
    flush_all();
}

/* Told the truth, everything works, and again. */
static void test_truth(void **state)
{
    static const struct clo_tpm2_name nobody = { .bytes = { 0, 0x0b, 7 } };
    CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *other = NULL;
    struct clo_error err;

    (void)state;
    (void)open_liar(&other);
    assert_false(clo_tpm_audit(other, &nobody, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    assert_non_null(strstr(err.text, "the TPM has another one"));
    for (unsigned again = 0; again < 2; again++)
        if (!clo_tpm_audit(other, &srk, &err) || !read_pcrs(other, &err) ||
            !read_banks(other, &err) || !extend(other, &err) || !read_counter(other, &err) ||
            !raise_counter(other, &err) || !read_floor(other, &err) || !raise_floor(other, &err) ||
            !read_index(other, &err))
            fail_msg("%s", err.text);
    assert_false(clo_tpm_audit(other, &nobody, &err));
    assert_non_null(strstr(err.text, "another one than before"));
}

/* --- The storage key, on the word of the key that the report binds --- */

static void test_certified(void **state)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *ak = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *stranger = NULL;
    CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *other = NULL;
    struct clo_tpm2_name name;
    struct clo_error err;

    (void)state;
    struct liar *liar = open_liar(&other);
    if (!clo_tpm_create_ak(tpm, AK, &ak, &err) ||
        !clo_tpm_create_ak(tpm, AK + 1, &stranger, &err) ||
        !clo_tpm_certified_srk(other, AK, ak, &clo_random_system, &name, &err))
        fail_msg("%s", err.text);
    assert_memory_equal(name.bytes, srk.bytes, sizeof srk.bytes);
    /* The name is the last but one field; a byte of the signature is the last of all. */
    lie_about(liar, OTHER_VALUE, TPM2_CC_Certify);
    assert_false(clo_tpm_certified_srk(other, AK, ak, &clo_random_system, &name, &err));
    assert_non_null(strstr(err.text, "signature does not hold"));
    lie_about(liar, KEPT, TPM2_CC_Certify);
    assert_true(clo_tpm_certified_srk(other, AK, ak, &clo_random_system, &name, &err));
    assert_false(clo_tpm_certified_srk(other, AK, ak, &clo_random_system, &name, &err));
    assert_non_null(strstr(err.text, "not over the nonce"));
    lie_about(liar, TRUTH, 0);
    assert_false(clo_tpm_certified_srk(other, AK + 2, ak, &clo_random_system, &name, &err));
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
}

/* What stands at the storage key's place is certified whatever it is: a key that decrypts for anyone who asks is not one. */
static void test_another_kind(void **state)
{
    TPM2B_PUBLIC template = {
        .publicArea = {
            .type = TPM2_ALG_RSA,
            .nameAlg = TPM2_ALG_SHA256,
            .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                                TPMA_OBJECT_DECRYPT,
            .parameters.rsaDetail = { .symmetric.algorithm = TPM2_ALG_NULL,
                                      .scheme.scheme = TPM2_ALG_NULL,
                                      .keyBits = 2048 },
        },
    };
    const TPM2B_SENSITIVE_CREATE sensitive = { 0 };
    const TPML_PCR_SELECTION no_pcrs = { 0 };
    const TPM2B_DATA outside = { 0 };
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *ak = NULL;
    CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *guest = NULL;
    ESYS_TR usual, other, kept = ESYS_TR_NONE, gone;
    struct clo_tpm2_name name;
    struct clo_error err;

    (void)state;
    (void)open_liar(&guest); /* the stack of the test has names of its own for what is there */
    assert_true(clo_tpm_public_key(tpm, AK, &ak, &err));
    assert_int_equal(Esys_TR_FromTPMPublic(tpm->esys, CLO_TPM_SRK, ESYS_TR_NONE, ESYS_TR_NONE,
                                           ESYS_TR_NONE, &usual),
                     0);
    assert_int_equal(Esys_EvictControl(tpm->esys, ESYS_TR_RH_OWNER, usual, ESYS_TR_PASSWORD,
                                       ESYS_TR_NONE, ESYS_TR_NONE, CLO_TPM_SRK, &gone),
                     0);
    assert_int_equal(Esys_CreatePrimary(tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                        ESYS_TR_NONE, &sensitive, &template, &outside, &no_pcrs,
                                        &other, NULL, NULL, NULL, NULL),
                     0);
    assert_int_equal(Esys_EvictControl(tpm->esys, ESYS_TR_RH_OWNER, other, ESYS_TR_PASSWORD,
                                       ESYS_TR_NONE, ESYS_TR_NONE, CLO_TPM_SRK, &kept),
                     0);
    assert_int_equal(Esys_FlushContext(tpm->esys, other), 0);
    assert_false(clo_tpm_certified_srk(guest, AK, ak, &clo_random_system, &name, &err));
    assert_int_equal(err.status, CLO_ERR_REFUSED);
    assert_non_null(strstr(err.text, "not those of a key that no one outside"));
    assert_int_equal(Esys_EvictControl(tpm->esys, ESYS_TR_RH_OWNER, kept, ESYS_TR_PASSWORD,
                                       ESYS_TR_NONE, ESYS_TR_NONE, CLO_TPM_SRK, &gone),
                     0);
    find_srk(); /* the usual one, made again */
    if (!clo_tpm_certified_srk(tpm, AK, ak, &clo_random_system, &name, &err))
        fail_msg("%s", err.text);
}

static int start(void **state)
{
    int result = start_swtpm(state);

    find_srk();
    return result;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lies),         cmocka_unit_test(test_replayed),
        cmocka_unit_test(test_truth),        cmocka_unit_test(test_certified),
        cmocka_unit_test(test_another_kind),
    };

    return cmocka_run_group_tests(tests, start, stop_swtpm);
}
