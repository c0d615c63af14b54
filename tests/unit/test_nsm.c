/* Documents from a pretend Nitro security module. */
#include "device/nsm.h"

#include <errno.h>

#include "test.h"

struct raw {
    uint64_t request, request_size, response, response_size;
};

struct module {
    const char *answer; /* hex */
    int reason;
    uint64_t size; /* that the kernel says; 0: the answer's */
    unsigned long call;
    struct clo_buffer asked;
};

static int play(void *context, unsigned long request, void *argument)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer answer = { 0 };
    struct module *module = context;
    struct raw *raw = argument;

    module->call = request;
    module->asked.size = 0;
    clo_buffer_append(&module->asked, clo_bytes((const uint8_t *)(uintptr_t)raw->request,
                                                (size_t)raw->request_size));
    if (module->reason != 0)
        return module->reason;
    from_hex(module->answer, &answer);
    assert_true(answer.size <= raw->response_size);
    if (answer.size > 0)
        memcpy((void *)(uintptr_t)raw->response, answer.data, answer.size);
    raw->response_size = module->size == 0 ? answer.size : module->size;
    return 0;
}

#define ATTESTATION "a1 6b 4174746573746174696f6e "
#define DOCUMENT    "a1 68 646f63756d656e74 "

static void test_answers(void **state)
{
    static const struct {
        const char *name, *answer, *error; /* error NULL: a document */
        int reason;
        uint64_t size;
    } cases[] = {
        { "a document", ATTESTATION DOCUMENT "43 d28443", NULL, 0, 0 },
        { "an error", "a1 65 4572726f72 6f 496e76616c6964417267756d656e74",
          "nsm: the module answers InvalidArgument", 0, 0 },
        { "an error without a word", "a1 65 4572726f72 01", "without a word", 0, 0 },
        { "an error with a line of its own", "a1 65 4572726f72 63 610a62", "the module answers a",
          0, 0 },
        { "nothing", "", "not a document", 0, 0 },
        { "an empty document", ATTESTATION DOCUMENT "40", "not a document", 0, 0 },
        { "a text for a document", ATTESTATION DOCUMENT "63 616263", "not a document", 0, 0 },
        { "another answer", "a1 69 4765745265616479 a0", "not a document", 0, 0 },
        { "cut short", ATTESTATION DOCUMENT "43 d284", "not a document", 0, 0 },
        { "a byte after it", ATTESTATION DOCUMENT "43 d28443 00", "not a document", 0, 0 },
        { "not for root", "", "for root alone", EPERM, 0 },
        { "no such call", "", "nsm: Inappropriate ioctl", ENOTTY, 0 },
        { "longer than there is room for", "", "an answer of 12289 bytes", 0, 0x3001 },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct module module = { .answer = cases[i].answer,
                                 .reason = cases[i].reason,
                                 .size = cases[i].size };
        struct clo_error err;
        bool ok = clo_nsm_document_by(play, &module, clo_bytes_text("data"), &out, &err);
        clo_buffer_free(&module.asked);
        CHECK(ok == (cases[i].error == NULL), cases[i].name);
        CHECK(module.call == 0xc0200a00UL, "the call"); /* _IOWR(0x0a, 0, 32 bytes) */
        CHECK(ok || strstr(err.text, cases[i].error) != NULL, err.text);
        CHECK(ok == (out.size == 3) && strchr(err.text, '\n') == NULL, cases[i].name);
    }
}

/* {"Attestation": {"user_data": h'01', "nonce": null, "public_key": null}} */
static void test_request(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer expected = { 0 };
    struct module module = { .answer = ATTESTATION DOCUMENT "41 d2" };
    static const uint8_t many[CLO_NSM_USER_DATA_MAX + 1];
    struct clo_error err;

    (void)state;
    assert_true(clo_nsm_document_by(play, &module, clo_bytes("\1", 1), &out, &err));
    from_hex(ATTESTATION
             "a3 69 757365725f64617461 41 01 65 6e6f6e6365 f6 6a 7075626c69635f6b6579 f6",
             &expected);
    CHECK(clo_bytes_equal(clo_buffer_bytes(&module.asked), clo_buffer_bytes(&expected)),
          "the request");
    clo_buffer_free(&module.asked);
    assert_false(clo_nsm_document_by(play, &module, clo_bytes(many, sizeof many), &out, &err));
    assert_int_equal(err.status, CLO_ERR_USAGE);
    assert_false(clo_nsm_document("/nowhere", clo_bytes("\1", 1), &out, &err));
    assert_int_equal(err.status, CLO_ERR_UNAVAILABLE);
    assert_false(clo_nsm_document("/dev/null", clo_bytes("\1", 1), &out, &err));
    assert_string_equal(err.text, "nsm: Inappropriate ioctl for device");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_request),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
