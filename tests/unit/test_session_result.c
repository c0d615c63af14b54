/* What the row of a nonce says of its session. */
#include "verifier/kbs/session_result.h"

#include "test.h"

#define HEX "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEAD                                                                    \
    "{\"tee_pubkey\":{\"kty\":\"EC\"},\"tee_key\":\"" HEX "\",\"token\":\"" HEX \
    "\",\"request\":\"" HEX "\","
#define HOLDER "\"holder\":{\"instance\":\"" HEX "\",\"boot\":\"b\",\"resets\":1,\"restarts\":2},"
#define VM                                                                                       \
    "\"vm\":{\"chip\":\"c\",\"report_id\":\"r\",\"instance\":\"i\",\"image\":\"m\",\"address\":" \
    "\"192.0.2.1\"}"
#define REST \
    "\"terms\":[\"" HEX "\"],\"resource\":\"a/b/c\",\"is_one_machines\":true," HOLDER VM "}"

static void test_whole(void **state)
{
    CLO_CLEANUP(clo_session_result_free) struct clo_session_result result = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    static const char whole[] = HEAD "\"tee\":\"snp\"," REST;
    struct clo_error err;

    (void)state;
    CHECK(clo_session_result_read(clo_bytes_text(whole), &result, &err), err.text);
    CHECK(strcmp(result.tee, "snp") == 0 && strcmp(result.resource, "a/b/c") == 0, "words");
    CHECK(clo_session_result_fulfils(&result, HEX) && result.is_one_machines, "terms");
    CHECK(result.holder.has_counts && result.holder.reset_count == 1 &&
                  result.holder.restart_count == 2,
          "counts");
    CHECK(strcmp(result.vm.address, "192.0.2.1") == 0, "the VM");
    CHECK(clo_session_result_write(&result, &text, &err), err.text);
    for (size_t size = 0; size < text.size; size++) {
        struct clo_session_result none = { 0 };
        CHECK(!clo_session_result_read(clo_bytes(text.data, size), &none, &err), "cut short");
        CHECK(none.tee_pubkey == NULL && none.terms == NULL, "nothing is left of it");
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *name, *text, *error;
    } cases[] = {
        { "not an object", "[]", "session" },
        { "another TEE", HEAD "\"tee\":\"sgx\"," REST, "\"tee\": not one" },
        { "a member that we do not write", HEAD "\"tee\":\"snp\",\"more\":1," REST, "more" },
        { "no key", "{\"tee\":\"snp\"," REST, "tee_pubkey" },
        { "a digest that is short",
          HEAD "\"tee\":\"snp\",\"terms\":[\"aa\"],\"resource\":\"\"," HOLDER VM "}",
          "\"terms\": item 0: not a digest" },
        { "terms that are none",
          HEAD "\"tee\":\"snp\",\"terms\":1,\"resource\":\"\"," HOLDER VM "}",
          "\"terms\": not an array" },
        { "counts out of range",
          HEAD "\"tee\":\"snp\",\"terms\":[],\"resource\":\"\",\"holder\":{\"instance\":\"\","
               "\"boot\":\"\",\"resets\":4294967296,\"restarts\":0}," VM "}",
          "counts out of range" },
        { "a boot that is long",
          HEAD "\"tee\":\"snp\",\"terms\":[],\"resource\":\"\",\"holder\":{\"instance\":\"\","
               "\"boot\":\"" HEX "a\"}," VM "}",
          "\"boot\": too long" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_session_result result = { 0 };
        struct clo_error err;
        CHECK(!clo_session_result_read(clo_bytes_text(cases[i].text), &result, &err),
              cases[i].name);
        CHECK(strstr(err.text, cases[i].error) != NULL, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
