/* Against a software TPM that the test starts; without swtpm it says SKIP. */
#include "swtpm.h"

static void test_pcrs(void **state)
{
    enum clo_hash banks[CLO_HASH_COUNT];
    struct clo_digest digests[CLO_HASH_COUNT];
    struct clo_tpm_pcrs before;
    struct clo_tpm_pcrs after;
    struct clo_error err;
    size_t count;

    (void)state;
    if (!clo_tpm_banks(tpm, banks, &count, &err))
        fail_msg("%s", err.text);
    assert_true(count >= 1);
    bool has_sha256 = false;
    for (size_t i = 0; i < count; i++) {
        has_sha256 = has_sha256 || banks[i] == CLO_HASH_SHA256;
        clo_hash(banks[i], clo_bytes_text("enter-initrd"), &digests[i]);
    }
    assert_true(has_sha256);
    assert_true(clo_tpm_pcr_read(tpm, CLO_HASH_SHA256, 0xffffff, &before, &err));
    assert_true(clo_bytes_all(clo_digest_bytes(&before.values[11]), 0));
    assert_true(clo_bytes_all(clo_digest_bytes(&before.values[20]), 0xff));
    assert_true(clo_tpm_pcr_extend(tpm, 11, digests, count, &err));
    assert_true(clo_tpm_pcr_read(tpm, CLO_HASH_SHA256, 0xffff, &after, &err));
    for (unsigned pcr = 0; pcr < 16; pcr++)
        if (pcr != 11)
            assert_true(clo_digest_equal(&before.values[pcr], &after.values[pcr]));

    struct clo_digest message;
    struct clo_digest expected;
    clo_hash(CLO_HASH_SHA256, clo_bytes_text("enter-initrd"), &message);
    struct clo_bytes parts[] = { clo_digest_bytes(&before.values[11]), clo_digest_bytes(&message) };
    clo_hash_many(CLO_HASH_SHA256, parts, 2, &expected);
    assert_true(clo_digest_equal(&expected, &after.values[11]));

    assert_false(clo_tpm_pcr_extend(tpm, 24, digests, count, &err));
    assert_string_equal(err.text, "PCR 24: there are 24");
    digests[0].hash = CLO_HASH_NONE;
    assert_false(clo_tpm_pcr_extend(tpm, 11, digests, count, &err));
    assert_non_null(strstr(err.text, "digest was given"));
}

static void test_nv(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    uint8_t bytes[2048];
    struct clo_error err;

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    assert_false(clo_tpm_nv_read(tpm, 0x01400001, sizeof bytes, &out, &err));
    assert_string_equal(err.text, "NV index 0x01400001: the TPM has no such object");
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
    if (!clo_tpm_nv_define(tpm, 0x01400001, sizeof bytes, &err))
        fail_msg("%s", err.text);
    assert_false(clo_tpm_nv_define(tpm, 0x01400001, sizeof bytes, &err));
    assert_string_equal(err.text, "NV index 0x01400001: defined already");
    if (!clo_tpm_nv_write(tpm, 0x01400001, clo_bytes(bytes, sizeof bytes), &err))
        fail_msg("%s", err.text);
    if (!clo_tpm_nv_read(tpm, 0x01400001, sizeof bytes, &out, &err))
        fail_msg("%s", err.text);
    assert_int_equal(out.size, sizeof bytes);
    assert_memory_equal(out.data, bytes, sizeof bytes);
    assert_false(clo_tpm_nv_read(tpm, 0x01400001, 2047, &out, &err));
    assert_string_equal(err.text, "NV index 0x01400001: 2048 bytes, at most 2047 expected");
}

static void test_quote(void **state)
{
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *key = NULL;
    CLO_CLEANUP(clo_public_key_freep) struct clo_public_key *again = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer attest = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer signature = { 0 };
    struct clo_digest a;
    struct clo_digest b;
    struct clo_error err;
    const uint8_t nonce[32] = { 1, 2, 3 };

    (void)state;
    assert_false(clo_tpm_quote(tpm, CLO_TPM_AK, CLO_HASH_SHA256, 0xffff, clo_bytes(nonce, 32),
                               &attest, &signature, &err));
    assert_string_equal(err.text, "attestation key 0x81000003: the TPM has no such object");
    if (!clo_tpm_create_ak(tpm, CLO_TPM_AK, &key, &err))
        fail_msg("%s", err.text);
    assert_true(clo_tpm_public_key(tpm, CLO_TPM_AK, &again, &err));
    assert_true(clo_public_key_fingerprint(key, &a, &err));
    assert_true(clo_public_key_fingerprint(again, &b, &err));
    assert_true(clo_digest_equal(&a, &b));
    if (!clo_tpm_quote(tpm, CLO_TPM_AK, CLO_HASH_SHA256, 0xffff, clo_bytes(nonce, 32), &attest,
                       &signature, &err))
        fail_msg("%s", err.text);

    /* TPMT_SIGNATURE: algorithm, hash, size, bytes; the key signs the TPMS_ATTEST. */
    struct clo_reader r = clo_reader(clo_buffer_bytes(&signature));
    assert_int_equal(clo_read_be16(&r), 0x0014);
    assert_int_equal(clo_read_be16(&r), 0x000b);
    struct clo_bytes value = clo_read_bytes(&r, clo_read_be16(&r));
    assert_true(clo_reader_ok(&r));
    assert_true(clo_signature_verify(key, CLO_RSASSA_PKCS1, CLO_HASH_SHA256,
                                     clo_buffer_bytes(&attest), value, &err));
    r = clo_reader(clo_buffer_bytes(&attest));
    assert_int_equal(clo_read_be32(&r), 0xff544347); /* TPM_GENERATED_VALUE */
    assert_int_equal(clo_read_be16(&r), 0x8018);
    clo_read_skip(&r, clo_read_be16(&r));
    struct clo_bytes data = clo_read_bytes(&r, clo_read_be16(&r));
    assert_true(clo_bytes_equal(data, clo_bytes(nonce, sizeof nonce)));
}

static void test_absent(void **state)
{
    struct clo_tpm *none = NULL;
    struct clo_error err;

    (void)state;
    assert_false(clo_tpm_open("/dev/no-such-tpm", &none, &err));
    assert_string_equal(err.text, "/dev/no-such-tpm: there is no TPM");
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
    assert_null(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pcrs),
        cmocka_unit_test(test_nv),
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_absent),
    };

    return cmocka_run_group_tests(tests, start_swtpm, stop_swtpm);
}
