#include "lib/policy/ccel_rules.h"

#include "eventlog_maker.h"
#include "test.h"

static bool parse(const char *text, struct clo_ccel_rules **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer json = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *parsed = NULL;

    for (; *text != '\0'; text++)
        clo_buffer_u8(&json, *text == '\'' ? '"' : (uint8_t)*text);
    if (!clo_json_parse(clo_buffer_bytes(&json), &parsed, err))
        fail_msg("%s", err->text);
    return clo_ccel_rules_parse(parsed, out, err);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "{}", "names no register" },
        { "[]", "names no register" },
        { "{'rtmr4':[]}", "unknown member \"rtmr4\"" },
        { "{'rtmr0':{}}", "\"rtmr0\" is not a list of at most 256 rules" },
        { "{'rtmr0':[1]}", "\"rtmr0\": rule 0: is not an object" },
        { "{'rtmr0':[{'type':'EV_IPL','any':true,'x':1}]}",
          "\"rtmr0\": rule 0: unknown member \"x\"" },
        { "{'rtmr0':[{'any':true}]}", NULL },
        { "{'rtmr0':[{'type':'EV_IPL','any':true,'name':1}]}", NULL },
        { "{'rtmr0':[{'type':'EV_IPL'}]}",
          "\"rtmr0\": rule 0: says none of \"digests\", \"text\" and \"any\": exactly one is "
          "needed" },
        { "{'rtmr0':[{'type':'EV_IPL','any':false}]}",
          "\"rtmr0\": rule 0: says none of \"digests\", \"text\" and \"any\": exactly one is "
          "needed" },
        { "{'rtmr0':[{'type':'EV_IPL','any':true,'text':'x'}]}",
          "\"rtmr0\": rule 0: says several of \"digests\", \"text\" and \"any\": exactly one is "
          "needed" },
        { "{'rtmr0':[{'type':'EV_IPL','digests':[]}]}",
          "\"rtmr0\": rule 0: \"digests\" is not a list, or empty" },
        { "{'rtmr0':[{'type':'EV_IPL','digests':['00']}]}",
          "\"rtmr0\": rule 0: \"digests\" has what is not a SHA-384 digest" },
        { "{'rtmr0':[{'type':'EV_IPL','any':true,'minimum':2,'maximum':1}]}",
          "\"rtmr0\": rule 0: takes at least 2 and at most 1 events" },
        { "{'rtmr0':[{'type':'EV_IPL','any':true,'minimum':0,'maximum':0}]}",
          "\"rtmr0\": rule 0: takes at least 0 and at most 0 events" },
        { "{'rtmr0':[{'type':'EV_IPL','any':true,'maximum':65537}]}",
          "\"rtmr0\": rule 0: \"maximum\" is more than 65536" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_ccel_rules *rules = NULL;
        struct clo_error err;
        CHECK(!parse(cases[i].text, &rules, &err) && rules == NULL, cases[i].text);
        if (cases[i].error != NULL && strcmp(err.text, cases[i].error) != 0)
            fail_msg("%s: \"%s\"", cases[i].text, err.text);
    }
}

/* --- Matching --- */

static const enum clo_hash bank = CLO_HASH_SHA384;

static void log_text(struct clo_buffer *log, unsigned rtmr, uint32_t type, const char *text)
{
    log_event_of(log, rtmr + 1, type, &bank, 1, clo_bytes_text(text), clo_bytes_text(text));
}

static void log_variable(struct clo_buffer *log, uint32_t type, const char *name)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
    struct clo_error err;

    clo_buffer_zero(&data, 16);
    clo_buffer_le64(&data, strlen(name));
    clo_buffer_le64(&data, 1);
    CHECK(clo_utf16_write(name, &data, &err), name);
    clo_buffer_u8(&data, 1);
    log_event_of(log, 1, type, &bank, 1, clo_buffer_bytes(&data), clo_buffer_bytes(&data));
}

/* What every case holds its rules against. */
static void make_log(struct clo_buffer *out)
{
    log_header(out, &bank, 1);
    log_text(out, 1, CLO_EV_EFI_ACTION, "Calling");
    log_text(out, 2, CLO_EV_IPL, "one");
    log_variable(out, CLO_EV_EFI_VARIABLE_DRIVER_CONFIG, "SecureBoot");
    log_event_of(out, 3, CLO_EV_EFI_BOOT_SERVICES_APPLICATION, &bank, 1, clo_bytes_text("image"),
                 clo_bytes_text("a path"));
    log_text(out, 2, CLO_EV_IPL, "two");
    log_text(out, 2, CLO_EV_IPL, "two");
    log_text(out, 1, CLO_EV_EFI_ACTION, "Leaving");
    log_text(out, 2, 0x1234, "three");
}

#define IMAGE                                          \
    "7158862be7ff7d2ae0a585b872f415cf09b7fe8c6ce170ef" \
    "944061e7788d73c1f5835652d8afe9939b01905d5aa7c48c"
#define OTHER                                          \
    "944061e7788d73c1f5835652d8afe9939b01905d5aa7c48c" \
    "7158862be7ff7d2ae0a585b872f415cf09b7fe8c6ce170ef"

static void test_allow(void **state)
{
    static const struct {
        const char *name;
        unsigned rtmr;
        const char *rules;
        const char *error; /* NULL: allowed */
    } cases[] = {
        { "by text, in order", 2,
          "{'rtmr2':[{'type':'EV_IPL','text':'one'},{'type':'EV_EFI_BOOT_SERVICES_APPLICATION',"
          "'any':true},{'type':'EV_IPL','text':'two','minimum':2},"
          "{'type':'0x00001234','text':'three'}]}",
          NULL },
        { "in another order", 2,
          "{'rtmr2':[{'type':'EV_IPL','text':'two'},{'type':'EV_IPL','text':'one'}]}",
          "event 0, EV_IPL \"one\": is not allowed: expected rule 0 (EV_IPL \"two\")" },
        { "an event that no rule names", 2,
          "{'rtmr2':[{'type':'EV_IPL','text':'one'},{'type':'EV_IPL','any':true,'minimum':0,"
          "'maximum':9}]}",
          "event 1, EV_EFI_BOOT_SERVICES_APPLICATION \"image, cut short\": is not allowed: "
          "expected "
          "no more events" },
        { "too many", 2,
          "{'rtmr2':[{'type':'EV_IPL','text':'one'},{'type':'EV_EFI_BOOT_SERVICES_APPLICATION',"
          "'any':true},{'type':'EV_IPL','text':'two'},{'type':'0x00001234','text':'three'}]}",
          "event 3, EV_IPL \"two\": is not allowed: expected rule 3 (0x00001234 \"three\")" },
        { "too few", 2,
          "{'rtmr2':[{'type':'EV_IPL','text':'one'},{'type':'EV_EFI_BOOT_SERVICES_APPLICATION',"
          "'any':true},{'type':'EV_IPL','text':'two','minimum':3},"
          "{'type':'0x00001234','text':'three'}]}",
          "event 4, of an unknown type \"three\": is not allowed: expected rule 2 (EV_IPL "
          "\"two\")" },
        { "one that does not come", 1,
          "{'rtmr1':[{'type':'EV_EFI_ACTION','any':true,'maximum':2},{'type':'EV_SEPARATOR',"
          "'any':true}]}",
          "rule 1 (EV_SEPARATOR) is not met: the log has no such event" },
        { "one that need not come", 1,
          "{'rtmr1':[{'type':'EV_SEPARATOR','any':true,'minimum':0},{'type':'EV_EFI_ACTION',"
          "'any':true,'maximum':2},{'type':'EV_SEPARATOR','any':true,'minimum':0}]}",
          NULL },
        { "by name", 0,
          "{'rtmr0':[{'type':'EV_EFI_VARIABLE_DRIVER_CONFIG','name':'SecureBoot','any':true}]}",
          NULL },
        { "another name", 0,
          "{'rtmr0':[{'type':'EV_EFI_VARIABLE_DRIVER_CONFIG','name':'PK','any':true}]}",
          "event 0, EV_EFI_VARIABLE_DRIVER_CONFIG \"SecureBoot: 1\": is not allowed: expected rule "
          "0 (EV_EFI_VARIABLE_DRIVER_CONFIG PK)" },
        { "a register of which nothing is said", 0, "{'rtmr1':[]}",
          "event 0, EV_EFI_VARIABLE_DRIVER_CONFIG \"SecureBoot: 1\": is not allowed: expected no "
          "more events" },
        { "a register that shows nothing", 3, "{'rtmr3':[]}", NULL },
        { "text that its digest does not cover", 2,
          "{'rtmr2':[{'type':'EV_IPL','text':'one'},{'type':'EV_EFI_BOOT_SERVICES_APPLICATION',"
          "'text':'a path'}]}",
          "event 1, EV_EFI_BOOT_SERVICES_APPLICATION \"image, cut short\": is not allowed: "
          "expected "
          "rule 1 (EV_EFI_BOOT_SERVICES_APPLICATION \"a path\")" },
        { "name that its digest does not cover", 2,
          "{'rtmr2':[{'type':'EV_IPL','text':'one'},{'type':'EV_EFI_BOOT_SERVICES_APPLICATION',"
          "'name':'a path','any':true}]}",
          "event 1, EV_EFI_BOOT_SERVICES_APPLICATION \"image, cut short\": is not allowed: "
          "expected "
          "rule 1 (EV_EFI_BOOT_SERVICES_APPLICATION a path)" },
        { "by digest", 2,
          "{'rtmr2':[{'type':'EV_IPL','text':'one'},{'type':'EV_EFI_BOOT_SERVICES_APPLICATION',"
          "'digests':['" IMAGE "']},{'type':'EV_IPL','any':true,'maximum':2},"
          "{'type':'0x00001234','any':true}]}",
          NULL },
        { "another digest", 2,
          "{'rtmr2':[{'type':'EV_IPL','text':'one'},{'type':'EV_EFI_BOOT_SERVICES_APPLICATION',"
          "'digests':['" OTHER "']}]}",
          "event 1, EV_EFI_BOOT_SERVICES_APPLICATION \"image, cut short\": is not allowed: "
          "expected "
          "rule 1 (EV_EFI_BOOT_SERVICES_APPLICATION)" },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    struct clo_error err;

    (void)state;
    make_log(&bytes);
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&bytes), &log, &err), err.text);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_ccel_rules_freep) struct clo_ccel_rules *rules = NULL;
        CHECK(parse(cases[i].rules, &rules, &err), err.text);
        bool ok = clo_ccel_rules_allow(rules, log, cases[i].rtmr, &err);
        if (ok != (cases[i].error == NULL) ||
            (!ok && (err.status != CLO_ERR_REFUSED || strcmp(err.text, cases[i].error) != 0)))
            fail_msg("%s: \"%s\"", cases[i].name, ok ? "allowed" : err.text);
    }
}

static void test_has(void **state)
{
    CLO_CLEANUP(clo_ccel_rules_freep) struct clo_ccel_rules *rules = NULL;
    struct clo_error err;

    (void)state;
    CHECK(parse("{'rtmr1':[]}", &rules, &err), err.text);
    CHECK(clo_ccel_rules_has(rules, 1), "an empty list is a rule");
    CHECK(!clo_ccel_rules_has(rules, 0) && !clo_ccel_rules_has(rules, 4), "the others");
}

/* The most that a rule may ask for. */
static void test_most(void **state)
{
    struct clo_ccel_rules *rules = NULL;
    struct clo_error err;

    (void)state;
    CHECK(parse("{'rtmr0':[{'type':'EV_IPL','any':true,'minimum':65536,'maximum':65536}]}", &rules,
                &err),
          err.text);
    clo_ccel_rules_free(rules);
    rules = NULL;
    CHECK(!parse("{'rtmr0':[{'type':'EV_IPL','any':true,'minimum':65537}]}", &rules, &err) &&
                  strstr(err.text, "\"minimum\" is more than 65536") != NULL,
          err.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_allow),
        cmocka_unit_test(test_most),
        cmocka_unit_test(test_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
