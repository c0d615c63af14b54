/* The document of a pretend NitroTPM: asked for by the vendor's command, with the runtime data in it, and appraised. */
#include "guest/collect.h"

#include <tss2/tss2_tcti.h>

#include "cloister/appraise.h"
#include "device/tpm_internal.h"
#include "device/tpm_nsm.h"
#include "nitro_maker.h"

#define HEADER    10
#define NAME_SIZE 34

static const char runtime_data[] =
        "{\"nonce\":\"n\",\"tee-pubkey\":{\"crv\":\"P-256\",\"kty\":\"EC\","
        "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
        "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}}";

/* One NV index, and what is asked over it: enough of a TPM for this. */
struct nitro_tpm {
    TSS2_TCTI_CONTEXT_COMMON_V1 common;
    struct clo_buffer response;
    bool is_defined;
    TPMS_NV_PUBLIC area;
    uint8_t content[CLO_TPM_NSM_SIZE];
    struct clo_buffer user_data; /* that was asked for last */
    /* Switches. */
    uint32_t code;    /* the vendor's command is answered with */
    unsigned retries; /* that come first */
    const char *answer;
    bool is_cut;
};

static struct nitro_tpm *of(TSS2_TCTI_CONTEXT *context)
{
    return (struct nitro_tpm *)(void *)context;
}

/* After handles and the authorization area, whose size comes before it: the parameters. */
static struct clo_reader parameters(struct clo_bytes command, size_t handles)
{
    struct clo_reader r = clo_reader(command);

    clo_read_skip(&r, HEADER + 4 * handles);
    clo_read_skip(&r, clo_read_be32(&r));
    return r;
}

static void begin(struct nitro_tpm *t, uint16_t tag, uint32_t code)
{
    t->response.size = 0;
    clo_buffer_be16(&t->response, tag);
    clo_buffer_be32(&t->response, 0);
    clo_buffer_be32(&t->response, code);
}

static void end(struct nitro_tpm *t)
{
    const uint32_t size = (uint32_t)t->response.size;
    const uint8_t bytes[] = { (uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8),
                              (uint8_t)size };

    assert_true(clo_buffer_ok(&t->response));
    memcpy(t->response.data + 2, bytes, sizeof bytes);
}

/* Parameters between their size and the answer to a password. */
static void done(struct nitro_tpm *t, struct clo_bytes answer)
{
    begin(t, TPM2_ST_SESSIONS, TPM2_RC_SUCCESS);
    clo_buffer_be32(&t->response, (uint32_t)answer.size);
    clo_buffer_append(&t->response, answer);
    clo_buffer_be16(&t->response, 0);
    clo_buffer_u8(&t->response, 1);
    clo_buffer_be16(&t->response, 0);
    end(t);
}

static void refuse(struct nitro_tpm *t, uint32_t code)
{
    begin(t, TPM2_ST_NO_SESSIONS, code);
    end(t);
}

static void write_area(const struct nitro_tpm *t, struct clo_buffer *out)
{
    clo_buffer_be32(out, t->area.nvIndex);
    clo_buffer_be16(out, TPM2_ALG_SHA256);
    clo_buffer_be32(out, t->area.attributes);
    clo_buffer_be16(out, 0);
    clo_buffer_be16(out, t->area.dataSize);
}

static void define(struct nitro_tpm *t, struct clo_bytes command)
{
    struct clo_reader r = parameters(command, 1);

    assert_false(t->is_defined);
    assert_int_equal(clo_read_be16(&r), 0); /* no password */
    clo_read_skip(&r, 2);
    t->area.nvIndex = clo_read_be32(&r);
    assert_int_equal(clo_read_be16(&r), TPM2_ALG_SHA256);
    t->area.attributes = clo_read_be32(&r);
    assert_int_equal(t->area.nvIndex, CLO_TPM_NSM_INDEX);
    assert_int_equal(clo_read_be16(&r), 0); /* no policy */
    t->area.dataSize = clo_read_be16(&r);
    assert_true(clo_reader_ok(&r) && t->area.dataSize == CLO_TPM_NSM_SIZE);
    t->is_defined = true;
    memset(t->content, 0xff, sizeof t->content);
    done(t, (struct clo_bytes){ NULL, 0 });
}

static void read_public(struct nitro_tpm *t)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer area = { 0 };
    struct clo_digest digest;

    if (!t->is_defined) {
        refuse(t, TPM2_RC_HANDLE | TPM2_RC_1);
        return;
    }
    write_area(t, &area);
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&area), &digest);
    begin(t, TPM2_ST_NO_SESSIONS, TPM2_RC_SUCCESS);
    clo_buffer_be16(&t->response, (uint16_t)area.size);
    clo_buffer_append(&t->response, clo_buffer_bytes(&area));
    clo_buffer_be16(&t->response, NAME_SIZE);
    clo_buffer_be16(&t->response, TPM2_ALG_SHA256);
    clo_buffer_append(&t->response, clo_digest_bytes(&digest));
    end(t);
}

static void write_content(struct nitro_tpm *t, struct clo_bytes command)
{
    struct clo_reader r = parameters(command, 2);
    struct clo_bytes piece = clo_read_bytes(&r, clo_read_be16(&r));
    size_t at = clo_read_be16(&r);

    assert_true(clo_reader_ok(&r) && at + piece.size <= sizeof t->content);
    memcpy(t->content + at, piece.data, piece.size);
    done(t, (struct clo_bytes){ NULL, 0 });
}

static void read_content(struct nitro_tpm *t, struct clo_bytes command)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer answer = { 0 };
    struct clo_reader r = parameters(command, 2);
    size_t size = clo_read_be16(&r);
    size_t at = clo_read_be16(&r);

    assert_true(clo_reader_ok(&r) && at + size <= sizeof t->content);
    clo_buffer_be16(&answer, (uint16_t)size);
    clo_buffer_append(&answer, clo_bytes(t->content + at, size));
    done(t, clo_buffer_bytes(&answer));
}

static void put(struct nitro_tpm *t, struct clo_bytes answer)
{
    memcpy(t->content, answer.data, answer.size);
    if (t->is_cut)
        memset(t->content, 0, 16);
}

/* {"Attestation": {"user_data": BYTES, …}} is answered with a document over them. */
static void sign(struct nitro_tpm *t)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer document = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer answer = { 0 };
    struct clo_reader r = clo_reader(clo_bytes(t->content, sizeof t->content));

    assert_int_equal(clo_cbor_read_count(&r, CLO_CBOR_MAP, 1), 1);
    (void)clo_cbor_read_string(&r, CLO_CBOR_TEXT);
    assert_int_equal(clo_cbor_read_count(&r, CLO_CBOR_MAP, 3), 3);
    (void)clo_cbor_read_string(&r, CLO_CBOR_TEXT);
    t->user_data.size = 0;
    clo_buffer_append(&t->user_data, clo_cbor_read_string(&r, CLO_CBOR_BYTES));
    assert_true(clo_reader_ok(&r) && t->user_data.size == 64);
    nitro_maker_reset(&maker);
    maker.is_tpm = true;
    maker.nonce = (struct clo_bytes){ NULL, 0 };
    maker.user_data = clo_buffer_bytes(&t->user_data);
    nitro_maker_make(&maker, &document);
    clo_cbor_write(&answer, CLO_CBOR_MAP, 1);
    clo_cbor_text(&answer, "Attestation");
    clo_cbor_write(&answer, CLO_CBOR_MAP, 1);
    clo_cbor_text(&answer, "document");
    clo_cbor_bytes(&answer, clo_buffer_bytes(&document));
    put(t, clo_buffer_bytes(&answer));
}

static void vendor(struct nitro_tpm *t, struct clo_bytes command)
{
    static const uint8_t expected[] = { 0x80, 0x02, 0,    0,    0,    31,   0x20, 0, 0, 1, 0x01,
                                        0x47, 0xc1, 0x04, 0x01, 0x47, 0xc1, 0x04, 0, 0, 0, 9,
                                        0x40, 0,    0,    9,    0,    0,    0,    0, 0 };

    const uint32_t by_itself = TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE;

    assert_true(t->is_defined);
    assert_int_equal(t->area.attributes & by_itself, by_itself);
    assert_true(clo_bytes_equal(command, clo_bytes(expected, sizeof expected)));
    if (t->retries > 0) {
        t->retries--;
        refuse(t, TPM2_RC_RETRY);
        return;
    }
    if (t->code != TPM2_RC_SUCCESS) {
        refuse(t, t->code);
        return;
    }
    if (t->answer != NULL) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer answer = { 0 };
        from_hex(t->answer, &answer);
        put(t, clo_buffer_bytes(&answer));
    } else {
        sign(t);
    }
    done(t, (struct clo_bytes){ NULL, 0 });
}

static TSS2_RC transmit(TSS2_TCTI_CONTEXT *context, size_t size, const uint8_t *bytes)
{
    struct nitro_tpm *t = of(context);
    struct clo_bytes command = clo_bytes(bytes, size);
    struct clo_reader r = clo_reader(command);

    clo_read_skip(&r, 6);
    switch (clo_read_be32(&r)) {
    case TPM2_CC_NV_DefineSpace:
        define(t, command);
        break;
    case TPM2_CC_NV_UndefineSpace:
        assert_true(t->is_defined);
        t->is_defined = false;
        done(t, (struct clo_bytes){ NULL, 0 });
        break;
    case TPM2_CC_NV_ReadPublic:
        read_public(t);
        break;
    case TPM2_CC_NV_Write:
        write_content(t, command);
        t->area.attributes |= TPMA_NV_WRITTEN;
        break;
    case TPM2_CC_NV_Read:
        read_content(t, command);
        break;
    case CLO_TPM_NSM_COMMAND:
        vendor(t, command);
        break;
    default:
        refuse(t, TPM2_RC_COMMAND_CODE);
    }
    return TSS2_RC_SUCCESS;
}

static TSS2_RC receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response, int32_t timeout)
{
    struct nitro_tpm *t = of(context);

    (void)timeout;
    *size = t->response.size;
    if (response != NULL)
        memcpy(response, t->response.data, t->response.size);
    return TSS2_RC_SUCCESS;
}

static void finalize(TSS2_TCTI_CONTEXT *context)
{
    clo_buffer_free(&of(context)->response);
    clo_buffer_free(&of(context)->user_data);
}

static struct nitro_tpm *open_tpm(struct clo_tpm **out)
{
    struct nitro_tpm *t = calloc(1, sizeof *t);
    struct clo_error err;

    assert_non_null(t);
    t->common = (TSS2_TCTI_CONTEXT_COMMON_V1){ .magic = 0x6e6974726f,
                                               .version = 1,
                                               .transmit = transmit,
                                               .receive = receive,
                                               .finalize = finalize };
    if (!clo_tpm_open_tcti((TSS2_TCTI_CONTEXT *)(void *)t, out, &err))
        fail_msg("%s", err.text);
    return t;
}

/* What was collected is what a verifier accepts, for these runtime data and no others. */
static void test_collected(void **state)
{
    CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *tpm = NULL;
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    struct nitro_tpm *t = open_tpm(&tpm);
    const struct clo_collector from = { .tpm = tpm };
    struct clo_digest expected;
    struct clo_error err;

    (void)state;
    t->retries = 2;
    if (!clo_collect_nitro(&from, clo_bytes_text(runtime_data), &evidence, &err))
        fail_msg("%s", err.text);
    assert_false(t->is_defined);
    clo_hash(CLO_HASH_SHA512, clo_bytes_text(runtime_data), &expected);
    assert_true(clo_bytes_equal(clo_buffer_bytes(&t->user_data), clo_digest_bytes(&expected)));

    const struct clo_appraise_inputs inputs = { .at = NITRO_NOW,
                                                .roots = &maker.root,
                                                .root_count = 1 };
    if (!clo_appraise(evidence, &inputs, &appraisal, &err))
        fail_msg("%s", err.text);
    static const char *const passed[] = { "nitro.signature", "nitro.root", "nitro.nonce" };
    for (size_t i = 0; i < CLO_COUNT(passed); i++) {
        const struct clo_check *check = clo_checks_get(clo_appraisal_checks(appraisal), passed[i]);
        CHECK(check != NULL && check->result == CLO_CHECK_PASS, passed[i]);
    }
}

/* A run that was killed has left the index. */
static void test_left_over(void **state)
{
    CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *tpm = NULL;
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    struct nitro_tpm *t = open_tpm(&tpm);
    const struct clo_collector from = { .tpm = tpm };
    struct clo_error err;

    (void)state;
    assert_true(clo_tpm_nv_define(tpm, CLO_TPM_NSM_INDEX, CLO_TPM_NSM_SIZE, &err));
    if (!clo_collect_nitro(&from, clo_bytes_text(runtime_data), &evidence, &err))
        fail_msg("%s", err.text);
    assert_false(t->is_defined);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *name, *answer, *error;
        uint32_t code;
        unsigned retries;
        bool is_cut;
        enum clo_status status;
    } cases[] = {
        { "another TPM", NULL, "not a NitroTPM", TPM2_RC_COMMAND_CODE, 0, false,
          CLO_ERR_UNSUPPORTED },
        { "another TPM, by the kernel", NULL, "not a NitroTPM",
          TPM2_RC_COMMAND_CODE | TSS2_RESMGR_TPM_RC_LAYER, 0, false, CLO_ERR_UNSUPPORTED },
        { "a TPM that is never ready", NULL, "the TPM answers 0x922", 0, 99, false,
          CLO_ERR_SYSTEM },
        { "a TPM in lockout", NULL, "lockout", TPM2_RC_LOCKOUT, 0, false, CLO_ERR_SYSTEM },
        { "an error of the module's", "a1 65 4572726f72 6d 496e7465726e616c4572726f72",
          "the module answers InternalError", 0, 0, false, CLO_ERR_SYSTEM },
        { "the request again", "a1 6b 4174746573746174696f6e a3", "not a document", 0, 0, false,
          CLO_ERR_FORMAT },
        { "noise", NULL, "not a document", 0, 0, true, CLO_ERR_FORMAT },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_tpm_freep) struct clo_tpm *tpm = NULL;
        struct clo_evidence *evidence = NULL;
        struct nitro_tpm *t = open_tpm(&tpm);
        const struct clo_collector from = { .tpm = tpm };
        struct clo_error err;
        t->code = cases[i].code;
        t->retries = cases[i].retries;
        t->answer = cases[i].answer;
        t->is_cut = cases[i].is_cut;
        bool ok = clo_collect_nitro(&from, clo_bytes_text(runtime_data), &evidence, &err);
        CHECK(!ok && evidence == NULL, cases[i].name);
        CHECK(err.status == cases[i].status && strstr(err.text, cases[i].error) != NULL, err.text);
        CHECK(!t->is_defined, "the index is left");
    }
}

static void test_no_tpm(void **state)
{
    const struct clo_collector from = { .tpm = NULL };
    struct clo_evidence *evidence;
    struct clo_error err;

    (void)state;
    assert_false(clo_collect_nitro(&from, clo_bytes_text(runtime_data), &evidence, &err));
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collected),
        cmocka_unit_test(test_left_over),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_tpm),
    };

    return cmocka_run_group_tests(tests, nitro_make_keys, nitro_free_keys);
}
