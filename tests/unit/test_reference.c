#include "cloister/reference.h"

#include "eventlog_maker.h"
#include "test.h"

/* PCR 11 after SHA-256("quiet") and then SHA-256("enter-initrd"), by sha256sum. */
#define QUIET "008f0747f4e27c8462baa991a538025bcc2dd143e78422f1afbdfcd9e757a20f"
#define ENTER "51e6b92f405d1f98d96e3de343d61d420ad6923b25de21d766f9298192f14fed"
#define VALUE "362b5b4d3e168c9574524779372ebd0f4e276250aadf9f6b2029a7d7c3b1e1f0"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static const char usual[] =
        "{'cloister_reference':1,'name':'demo','origin':'prediction',"
        "'created':'2026-01-01T00:00:00Z','uki':{},"
        "'events':{'11':[{'type':'EV_IPL','name':'.cmdline','text':'quiet',"
        "'digests':{'sha256':'" QUIET "'}},"
        "{'type':'phase','name':'enter','from':'enter-initrd','digests':{'sha256':'" ENTER "'}}],"
        "'12':[]},"
        "'pcrs':{'sha256':{'0':'" ENTER "','11':{'enter-initrd':'" VALUE "'},'12':'" ZEROS "'}}}";

static bool parse(const char *single_quoted, struct clo_reference **out, struct clo_error *err)
{
    char text[4096];

    snprintf(text, sizeof text, "%s", single_quoted);
    for (char *at = text; (at = strchr(at, '\'')) != NULL; at++)
        *at = '"';
    return clo_reference_parse(clo_bytes_text(text), out, err);
}

static void test_parse(void **state)
{
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *again = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_reference_event event;
    struct clo_digest value;
    struct clo_error err;
    char hex[2 * 32 + 1];

    (void)state;
    CHECK(parse(usual, &reference, &err), err.text);
    CHECK(strcmp(clo_reference_name(reference), "demo") == 0, "name");
    CHECK(strcmp(clo_reference_origin(reference), "prediction") == 0, "origin");
    CHECK(clo_reference_value(reference, CLO_HASH_SHA256, 11, CLO_PHASE_ENTER_INITRD, &value),
          "value of a phase");
    CHECK(strcmp(clo_hex_text(clo_digest_bytes(&value), hex), VALUE) == 0, hex);
    CHECK(!clo_reference_value(reference, CLO_HASH_SHA256, 11, CLO_PHASE_READY, &value),
          "not of another phase");
    CHECK(clo_reference_value(reference, CLO_HASH_SHA256, 12, CLO_PHASE_READY, &value),
          "one for all phases");
    CHECK(!clo_reference_value(reference, CLO_HASH_SHA384, 12, CLO_PHASE_READY, &value),
          "not of another bank");
    CHECK(clo_reference_mask(reference, CLO_HASH_SHA256, CLO_PHASE_ENTER_INITRD) == 0x1801, "mask");
    CHECK(clo_reference_mask(reference, CLO_HASH_SHA256, CLO_PHASE_READY) == 0x1001, "mask");
    CHECK(clo_reference_lists_events(reference, 12) && !clo_reference_lists_events(reference, 0),
          "lists");
    CHECK(clo_reference_event_at(reference, 11, "", 0, &event), "before user space");
    CHECK(strcmp(event.name, ".cmdline") == 0 && strcmp(event.text, "quiet") == 0 &&
                  event.digest_count == 1 && event.from == NULL,
          "event");
    CHECK(!clo_reference_event_at(reference, 11, "", 1, &event), "the phase is not reached");
    CHECK(!clo_reference_event_at(reference, 11, "enter-initrd-not", 1, &event), "nor that one");
    CHECK(clo_reference_event_at(reference, 11, CLO_PHASE_READY, 1, &event) &&
                  strcmp(event.from, "enter-initrd") == 0,
          "nor left again");
    CHECK(clo_reference_write(reference, &text, &err), err.text);
    CHECK(clo_reference_parse(clo_buffer_bytes(&text), &again, &err), err.text);
    CHECK(json_equal(clo_reference_json(reference), clo_reference_json(again)), "written, read");
}

static void test_for(void **state)
{
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *first = NULL;
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *second = NULL;
    struct clo_digest value;
    struct clo_error err;

    (void)state;
    CHECK(parse(usual, &first, &err), err.text);
    CHECK(parse("{'cloister_reference':1,'name':'c','origin':'calibration','events':{},"
                "'pcrs':{'sha256':{'0':'" ZEROS "','1':'" ZEROS "'}}}",
                &second, &err),
          err.text);
    const struct clo_reference *const both[] = { first, second };
    CHECK(clo_reference_for(both, 2, CLO_HASH_SHA256, 0, "", &value) == first, "the first counts");
    CHECK(clo_reference_for(both, 2, CLO_HASH_SHA256, 1, "", &value) == second, "the second");
    CHECK(clo_reference_for(both, 2, CLO_HASH_SHA256, 2, "", &value) == NULL, "none");
}

static void test_refused(void **state)
{
#define START "{'cloister_reference':1,'name':'d','origin':'prediction',"
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "[]", NULL },
        { "{'cloister_reference':2}", "reference values: version 2" },
        { "{'cloister_reference':1}", "reference values: \"name\" is missing" },
        { "{'cloister_reference':1,'name':'d','origin':'guess','events':{},'pcrs':{}}",
          "reference values: origin \"guess\"" },
        { START "'events':{}}", "reference values: \"pcrs\" is missing" },
        { START "'pcrs':{}}", "reference values: \"events\" is missing" },
        { START "'events':{},'pcrs':{},'more':1}", "reference values: unknown member \"more\"" },
        { START "'events':{},'pcrs':{},'not_predicted':[]}",
          "reference values: \"not_predicted\" is not an object" },
        { START "'events':{},'pcrs':{},'not_predicted':{'24':'why'}}",
          "reference values: \"not_predicted\": \"24\" is not a reason" },
        { START "'events':{},'pcrs':{},'not_predicted':{'0':1}}",
          "reference values: \"not_predicted\": \"0\" is not a reason" },
        { START "'events':{'24':[]},'pcrs':{}}",
          "reference values: events: \"24\" is not a PCR's list" },
        { START "'events':{'01':[]},'pcrs':{}}",
          "reference values: events: \"01\" is not a PCR's list" },
        { START "'events':{'1':{}},'pcrs':{}}",
          "reference values: events: \"1\" is not a PCR's list" },
        { START "'events':{'1':[{}]},'pcrs':{}}",
          "reference values: events: PCR 1, event 0: \"type\" is missing" },
        { START "'events':{'1':[{'type':'a','name':'b','digests':{'md5':'00'}}]},'pcrs':{}}",
          "reference values: events: PCR 1, event 0: digest \"md5\" is none" },
        { START "'events':{'1':[{'type':'a','name':'b','digests':{'sha256':'00'}}]},'pcrs':{}}",
          "reference values: events: PCR 1, event 0: digest \"sha256\" is none" },
        { START "'events':{},'pcrs':{'md5':{}}}", "reference values: pcrs: \"md5\" is not a bank" },
        { START "'events':{},'pcrs':{'sha256':[]}}",
          "reference values: pcrs: \"sha256\" is not a bank" },
        { START "'events':{},'pcrs':{'sha256':{'x':'00'}}}",
          "reference values: pcrs: sha256: \"x\" is not a PCR" },
        { START "'events':{},'pcrs':{'sha256':{'1':'00'}}}",
          "reference values: pcrs: sha256: \"1\": 1 bytes, expected 32" },
        { START "'events':{},'pcrs':{'sha256':{'1':{'ready':7}}}}",
          "reference values: pcrs: sha256: PCR 1: \"ready\" is not a string" },
        /* The two halves of a file must agree. */
        { START "'events':{'11':[{'type':'a','name':'b','digests':{'sha256':'" QUIET "'}}]},"
                "'pcrs':{'sha256':{'11':'" ZEROS "'}}}",
          "reference values: PCR 11: its events do not lead to its sha256 value" },
        { START "'events':{'12':[]},'pcrs':{'sha256':{'12':'" QUIET "'}}}",
          "reference values: PCR 12: its events do not lead to its sha256 value" },
        { START "'events':{'11':[{'type':'a','name':'b','digests':{}}]},"
                "'pcrs':{'sha256':{'11':'" ZEROS "'}}}",
          "reference values: events: PCR 11, event 0: no sha256 digest" },
    };
#undef START

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_reference *reference = NULL;
        struct clo_error err;
        CHECK(!parse(cases[i].text, &reference, &err) && reference == NULL, cases[i].text);
        if (cases[i].error != NULL && strcmp(err.text, cases[i].error) != 0)
            fail_msg("%s\n%s, not\n%s", cases[i].text, err.text, cases[i].error);
    }
}

#define QUIET_384                                      \
    "c00854e86c17e8d7d50c2b6ef918bfbc5a2e28c3b7897dca" \
    "dff4fb441e5c7da08bd7949193720cfad366374ce4fcaace"
#define RTMR_384                                       \
    "77818aed7c9bac10dd7fc1adeb0430d208a02db9026f7551" \
    "b6b417242880f00cdd8d56554fadae561e1fc6b8b8e5f138"
#define ZEROS_384                                      \
    "000000000000000000000000000000000000000000000000" \
    "000000000000000000000000000000000000000000000000"

static void test_tdx(void **state)
{
    static const char text[] =
            "{'cloister_reference':1,'name':'d','origin':'prediction','events':"
            "{'rtmr2':[{'type':'a','name':'b','given':'log','digests':{'sha384':'" QUIET_384
            "'}}],'rtmr3':[]},'pcrs':{},'tdx':{'mr_td':{'two-pass':'" QUIET_384
            "'},'rtmr2':'" RTMR_384 "','rtmr3':'" ZEROS_384 "','not_predicted':{'rtmr0':'why'}}}";
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    struct clo_reference_event event;
    struct clo_digest value;
    struct clo_error err;
    char name[CLO_REGISTER_NAME];

    (void)state;
    CHECK(parse(text, &reference, &err), err.text);
    CHECK(clo_reference_mr_td(reference, 0, &value) && value.hash == CLO_HASH_SHA384, "MRTD");
    CHECK(!clo_reference_mr_td(reference, 1, &value), "only one");
    CHECK(clo_reference_value(reference, CLO_HASH_SHA384, CLO_REGISTER_RTMR(2), "x", &value), "2");
    CHECK(!clo_reference_value(reference, CLO_HASH_SHA256, CLO_REGISTER_RTMR(2), "", &value), "2");
    CHECK(!clo_reference_value(reference, CLO_HASH_SHA384, CLO_REGISTER_RTMR(0), "", &value), "0");
    CHECK(clo_reference_event_at(reference, CLO_REGISTER_RTMR(2), "", 0, &event) &&
                  strcmp(event.given, "log") == 0,
          "given");
    CHECK(clo_reference_lists_events(reference, CLO_REGISTER_RTMR(3)) &&
                  !clo_reference_lists_events(reference, CLO_REGISTER_RTMR(1)),
          "lists");
    CHECK(strcmp(clo_register_name(CLO_REGISTER_RTMR(3), name), "RTMR 3") == 0, name);
    CHECK(strcmp(clo_register_name(11, name), "PCR 11") == 0, name);
    CHECK(!clo_register_is_rtmr(CLO_REGISTER_RTMR(4)) && !clo_register_is_rtmr(63), "others");
}

static void test_tdx_refused(void **state)
{
#define START        "{'cloister_reference':1,'name':'d','origin':'prediction',"
#define VALUES(text) START "'events':{},'pcrs':{},'tdx':" text "}"
    static const struct {
        const char *text, *error;
    } cases[] = {
        { VALUES("1"), "reference values: \"tdx\" is not an object" },
        { VALUES("{'rtmr4':'" ZEROS_384 "'}"), NULL },
        { VALUES("{'rtmr0':'00'}"), "reference values: tdx: \"rtmr0\" is not a SHA-384 digest" },
        { VALUES("{'mr_td':'" ZEROS_384 "'}"),
          "reference values: tdx: \"mr_td\" names no page order" },
        { VALUES("{'mr_td':{}}"), "reference values: tdx: \"mr_td\" names no page order" },
        { VALUES("{'mr_td':{'three':'" ZEROS_384 "'}}"),
          "reference values: tdx: \"mr_td\": \"three\" is not a page order" },
        { VALUES("{'mr_td':{'two-pass':'00'}}"),
          "reference values: tdx: \"mr_td\": \"two-pass\" is not a SHA-384 digest" },
        { VALUES("{'not_predicted':{'rtmr0':1}}"),
          "reference values: tdx: \"not_predicted\": \"rtmr0\" is not a reason" },
        { VALUES("{'not_predicted':{'pcr0':'x'}}"),
          "reference values: tdx: \"not_predicted\": \"pcr0\" is not a reason" },
        { START "'events':{'rtmr4':[]},'pcrs':{}}",
          "reference values: events: \"rtmr4\" is not a PCR's list" },
        { START "'events':{'rtmr1':[]},'pcrs':{},'tdx':{'rtmr1':'" RTMR_384 "'}}",
          "reference values: RTMR 1: its events do not lead to its value" },
        { START "'events':{'rtmr1':[{'type':'a','name':'b','digests':{}}]},'pcrs':{},"
                "'tdx':{'rtmr1':'" RTMR_384 "'}}",
          "reference values: events: rtmr1, event 0: no sha384 digest" },
        { START
          "'events':{'rtmr1':[{'type':'a','name':'b','from':'x','digests':{'sha384':'" QUIET_384
          "'}}]},'pcrs':{},'tdx':{'rtmr1':'" RTMR_384 "'}}",
          "reference values: events: rtmr1, event 0: has a phase" },
        { START "'events':{'rtmr1':[{'type':'a','name':'b','given':1,'digests':{}}]},'pcrs':{}}",
          NULL },
    };
#undef VALUES
#undef START

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_reference *reference = NULL;
        struct clo_error err;
        CHECK(!parse(cases[i].text, &reference, &err) && reference == NULL, cases[i].text);
        if (cases[i].error != NULL && strcmp(err.text, cases[i].error) != 0)
            fail_msg("%s\n%s, not\n%s", cases[i].text, err.text, cases[i].error);
    }
}

static void test_from_ccel(void **state)
{
    static const enum clo_hash bank = CLO_HASH_SHA384;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *other = NULL;
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    struct clo_reference_event event;
    struct clo_digest value;
    struct clo_error err;

    (void)state;
    log_header(&made, &bank, 1);
    log_event_of(&made, 3, CLO_EV_IPL, &bank, 1, clo_bytes_text("quiet"), clo_bytes_text("quiet"));
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&made), &log, &err), err.text);
    CHECK(clo_reference_from_ccel("c", NULL, log, &reference, &err), err.text);
    CHECK(strcmp(clo_reference_origin(reference), "calibration") == 0, "origin");
    CHECK(clo_reference_event_at(reference, CLO_REGISTER_RTMR(2), "", 0, &event) &&
                  event.given == NULL && strcmp(event.name, "quiet") == 0,
          "event");
    for (unsigned n = 0; n < 4; n++)
        CHECK(clo_reference_value(reference, bank, CLO_REGISTER_RTMR(n), "", &value), "value");
    made.size = 0;
    log_header_sha256(&made);
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&made), &other, &err), err.text);
    CHECK(!clo_reference_from_ccel("c", NULL, other, &reference, &err) &&
                  strcmp(err.text, "the log is not a CCEL") == 0,
          err.text);
}

static void test_from_eventlog(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    struct clo_reference_event event;
    struct clo_pcr_bank bank;
    struct clo_digest value;
    struct clo_error err;

    (void)state;
    log_header_sha256(&made);
    log_event(&made, 0, CLO_EV_NO_ACTION, clo_bytes("StartupLocality\0\x03", 17));
    log_event(&made, 0, CLO_EV_S_CRTM_VERSION, clo_bytes_text("1.0"));
    log_event(&made, 1, CLO_EV_SEPARATOR, clo_bytes("\0\0\0\0", 4));
    log_event(&made, 4, CLO_EV_EFI_ACTION, clo_bytes_text("not asked for"));
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&made), &log, &err), err.text);
    CHECK(clo_eventlog_replay(log, CLO_HASH_SHA256, &bank, &err), err.text);
    CHECK(clo_reference_from_eventlog("c", NULL, log, 0x3, CLO_HASH_NONE, &reference, &err),
          err.text);
    CHECK(strcmp(clo_reference_origin(reference), "calibration") == 0, "origin");
    CHECK(clo_reference_mask(reference, CLO_HASH_SHA256, "") == 0x3, "what was asked for");
    for (unsigned pcr = 0; pcr < 2; pcr++) {
        CHECK(clo_reference_value(reference, CLO_HASH_SHA256, pcr, "", &value), "value");
        CHECK(clo_digest_equal(&value, &bank.values[pcr]), "value");
        CHECK(clo_reference_event_at(reference, pcr, "", 0, &event), "event");
        CHECK(!clo_reference_event_at(reference, pcr, "", 1, &event), "only one");
    }
    CHECK(!clo_reference_lists_events(reference, 4), "not asked for");
}

/* A quote proves one bank: what the log says of another is nobody's word but the host's. */
static void test_from_one_bank(void **state)
{
    static const enum clo_hash banks[] = { CLO_HASH_SHA256, CLO_HASH_SHA384 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    struct clo_error err;

    (void)state;
    log_header(&made, banks, 2);
    log_event_of(&made, 0, CLO_EV_IPL, banks, 2, clo_bytes_text("x"), clo_bytes_text("x"));
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&made), &log, &err), err.text);
    for (size_t i = 0; i < 2; i++) {
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
        struct clo_reference_event event;
        CHECK(clo_reference_from_eventlog("c", NULL, log, 1, banks[i], &reference, &err), err.text);
        CHECK(clo_reference_mask(reference, banks[i], "") == 1, "the bank that is proven");
        CHECK(clo_reference_mask(reference, banks[1 - i], "") == 0, "the other one");
        CHECK(clo_reference_event_at(reference, 0, "", 0, &event) && event.digest_count == 1 &&
                      event.digests[0].hash == banks[i],
              "of its events, too");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),     cmocka_unit_test(test_for),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_from_eventlog),
        cmocka_unit_test(test_tdx),       cmocka_unit_test(test_tdx_refused),
        cmocka_unit_test(test_from_ccel), cmocka_unit_test(test_from_one_bank),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
