#include "cloister/explain.h"

#include "eventlog_maker.h"
#include "lib/disk/gpt.h"
#include "test.h"

/* What was measured into PCR 11, in the order of the log; NULL ends it. */
struct events {
    const char *texts[8];
};

static void write_log(struct clo_buffer *out, unsigned pcr, const struct events *events)
{
    log_header_sha256(out);
    for (size_t i = 0; events->texts[i] != NULL; i++)
        log_event(out, pcr, CLO_EV_IPL, clo_bytes_text(events->texts[i]));
}

/* A reference that expects these, each named after its text. */
static struct clo_reference *expect(unsigned pcr, const struct events *events)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_reference *reference;
    struct clo_pcr_bank bank;
    struct clo_error err;
    char hex[2 * 32 + 1];

    clo_pcr_reset(&bank, CLO_HASH_SHA256);
    clo_buffer_printf(&text,
                      "{\"cloister_reference\":1,\"name\":\"d\",\"origin\":\"prediction\","
                      "\"events\":{\"%u\":[",
                      pcr);
    for (size_t i = 0; events->texts[i] != NULL; i++) {
        struct clo_digest digest;
        clo_hash(CLO_HASH_SHA256, clo_bytes_text(events->texts[i]), &digest);
        clo_pcr_extend(&bank, pcr, &digest);
        clo_buffer_printf(&text,
                          "%s{\"type\":\"EV_IPL\",\"name\":\"section %zu\",\"text\":\"%s\","
                          "\"digests\":{\"sha256\":\"%s\"}}",
                          i == 0 ? "" : ",", i, events->texts[i],
                          clo_hex_text(clo_digest_bytes(&digest), hex));
    }
    clo_buffer_printf(&text, "]},\"pcrs\":{\"sha256\":{\"%u\":\"%s\"}}}", pcr,
                      clo_hex_text(clo_digest_bytes(&bank.values[pcr]), hex));
    if (!clo_reference_parse(clo_buffer_bytes(&text), &reference, &err))
        fail_msg("%s", err.text);
    return reference;
}

static void test_differences(void **state)
{
    static const struct events expected = { { "kernel", "quiet", "initrd" } };
    static const struct {
        const char *name;
        struct events logged;
        enum clo_difference difference;
        size_t event;
        const char *text;
    } cases[] = {
        { "the same",
          { { "kernel", "quiet", "initrd" } },
          CLO_DIFFERENCE_NONE,
          0,
          "PCR 11: as expected" },
        { "changed",
          { { "kernel", "debug", "initrd" } },
          CLO_DIFFERENCE_CHANGED,
          1,
          "PCR 11: section 1 is \"debug\", expected \"quiet\" (usually: another UKI)" },
        { "one more, inside",
          { { "kernel", "extra", "quiet", "initrd" } },
          CLO_DIFFERENCE_UNEXPECTED,
          1,
          "PCR 11: unexpected event: EV_IPL \"extra\" (usually: another UKI)" },
        { "one more, at the end",
          { { "kernel", "quiet", "initrd", "extra" } },
          CLO_DIFFERENCE_UNEXPECTED,
          3,
          "PCR 11: unexpected event: EV_IPL \"extra\" (usually: another UKI)" },
        { "one less, inside",
          { { "kernel", "initrd" } },
          CLO_DIFFERENCE_MISSING,
          1,
          "PCR 11: missing event: section 1 \"quiet\" (usually: another UKI)" },
        { "one less, at the end",
          { { "kernel", "quiet" } },
          CLO_DIFFERENCE_MISSING,
          2,
          "PCR 11: missing event: section 2 \"initrd\" (usually: another UKI)" },
        { "nothing",
          { { NULL } },
          CLO_DIFFERENCE_MISSING,
          0,
          "PCR 11: missing event: section 0 \"kernel\" (usually: another UKI)" },
    };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = expect(11, &expected);

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
        CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
        struct clo_explanation explanation;
        struct clo_error err;
        write_log(&made, 11, &cases[i].logged);
        CHECK(clo_eventlog_parse(clo_buffer_bytes(&made), &log, &err), err.text);
        const struct clo_explain_inputs in = {
            .reference = reference, .log = log, .hash = CLO_HASH_SHA256, .pcr = 11, .phase = ""
        };
        CHECK(clo_explain(&in, &explanation, &err), err.text);
        CHECK(explanation.difference == cases[i].difference, cases[i].name);
        CHECK(explanation.difference == CLO_DIFFERENCE_NONE || explanation.event == cases[i].event,
              cases[i].name);
        CHECK(strcmp(explanation.text, cases[i].text) == 0, explanation.text);
    }
}

/* The quoted value counts, not what the log claims. */
static void test_value_and_log(void **state)
{
    static const struct events expected = { { "kernel", "quiet" } };
    static const struct events other = { { "kernel", "debug" } };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = expect(11, &expected);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *honest = NULL;
    struct clo_pcr_bank bank;
    struct clo_explanation explanation;
    struct clo_error err;

    (void)state;
    write_log(&made, 11, &expected);
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&made), &honest, &err), err.text);
    CHECK(clo_eventlog_replay(honest, CLO_HASH_SHA256, &bank, &err), err.text);
    clo_pcr_measure(&bank, 11, clo_bytes_text("unlogged"));
    struct clo_explain_inputs in = { .reference = reference,
                                     .log = honest,
                                     .hash = CLO_HASH_SHA256,
                                     .pcr = 11,
                                     .phase = "",
                                     .actual = &bank.values[11] };
    CHECK(clo_explain(&in, &explanation, &err), err.text);
    CHECK(explanation.difference == CLO_DIFFERENCE_UNLOGGED, explanation.text);
    CHECK(strcmp(explanation.text, "PCR 11: its value is not what the log adds up to: something "
                                   "was measured and not logged") == 0,
          explanation.text);
    in.log = NULL;
    CHECK(clo_explain(&in, &explanation, &err), err.text);
    CHECK(explanation.difference == CLO_DIFFERENCE_UNKNOWN, explanation.text);
    CHECK(strcmp(explanation.text, "PCR 11: is not the expected value, and no event tells why "
                                   "(usually: another UKI)") == 0,
          explanation.text);
    in.actual = NULL;
    CHECK(clo_explain(&in, &explanation, &err), err.text);
    CHECK(explanation.difference == CLO_DIFFERENCE_UNKNOWN, "neither value nor log");
    /* A log that lies about a value that is right changes nothing. */
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer lie = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *liar = NULL;
    write_log(&lie, 11, &other);
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&lie), &liar, &err), err.text);
    CHECK(clo_eventlog_replay(honest, CLO_HASH_SHA256, &bank, &err), err.text);
    in.log = liar;
    in.actual = &bank.values[11];
    CHECK(clo_explain(&in, &explanation, &err), err.text);
    CHECK(explanation.difference == CLO_DIFFERENCE_NONE, explanation.text);
    in.pcr = 3;
    CHECK(!clo_explain(&in, &explanation, &err) && err.status == CLO_ERR_USAGE, "says nothing");
    CHECK(strcmp(err.text, "PCR 3: the reference says nothing of it") == 0, err.text);
}

/* What the log says of an event counts as its own words unless it hashes to the digest. */
static void test_own_words(void **state)
{
    static const enum clo_hash bank = CLO_HASH_SHA256;
    static const struct events expected = { { "kernel" } };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = expect(4, &expected);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    struct clo_explanation explanation;
    struct clo_error err;

    (void)state;
    log_header_sha256(&made);
    log_event(&made, 4, CLO_EV_IPL, clo_bytes_text("kernel"));
    log_event_of(&made, 4, CLO_EV_EFI_ACTION, &bank, 1, clo_bytes_text("evil"),
                 clo_bytes_text("all is well\x1b[2J"));
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&made), &log, &err), err.text);
    const struct clo_explain_inputs in = {
        .reference = reference, .log = log, .hash = CLO_HASH_SHA256, .pcr = 4, .phase = ""
    };
    CHECK(clo_explain(&in, &explanation, &err), err.text);
    CHECK(strstr(explanation.text, "(the log's own words)") != NULL, explanation.text);
    CHECK(strchr(explanation.text, '\x1b') == NULL, "harmless");
}

/* User space's log goes on where the firmware's ends. */
static void test_user_space(void **state)
{
    static const struct events expected = { { "kernel", "enter-initrd" } };
    static const struct events firmware = { { "kernel" } };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = expect(11, &expected);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    CLO_CLEANUP(clo_userlog_freep) struct clo_userlog *userlog = NULL;
    struct clo_userlog_event event = {
        .pcr = 11, .digest_count = 1, .type = "phase", .text = "sysinit"
    };
    struct clo_explanation explanation;
    struct clo_error err;

    (void)state;
    write_log(&made, 11, &firmware);
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&made), &log, &err), err.text);
    clo_hash(CLO_HASH_SHA256, clo_bytes_text("sysinit"), &event.digests[0]);
    CHECK(clo_userlog_append(&event, &text, &err), err.text);
    CHECK(clo_userlog_parse(clo_buffer_bytes(&text), &userlog, &err), err.text);
    const struct clo_explain_inputs in = { .reference = reference,
                                           .log = log,
                                           .userlog = userlog,
                                           .hash = CLO_HASH_SHA256,
                                           .pcr = 11,
                                           .phase = "" };
    CHECK(clo_explain(&in, &explanation, &err), err.text);
    CHECK(strcmp(explanation.text, "PCR 11: section 1 is \"sysinit\", expected \"enter-initrd\" "
                                   "(usually: another UKI)") == 0,
          explanation.text);
}

/* An RTMR: what kind of event differs says what usually causes it, and both sides are given. */
static void test_rtmr(void **state)
{
    static const enum clo_hash bank = CLO_HASH_SHA384;
    static const struct {
        uint32_t type;
        const char *name, *text;
    } cases[] = {
        { CLO_EV_EVENT_TAG, "EV_EVENT_TAG",
          "RTMR 1: b is \"after\", expected \"before\" (usually: another command line or initrd)" },
        { CLO_EV_EFI_GPT_EVENT, "EV_EFI_GPT_EVENT", NULL },
        { CLO_EV_SEPARATOR, "EV_SEPARATOR", NULL },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
        char hex[2 * CLO_HASH_SIZE_MAX + 1];
        struct clo_explanation explanation;
        struct clo_digest digest;
        struct clo_error err;
        clo_hash(bank, clo_bytes_text("before"), &digest);
        clo_buffer_printf(&text,
                          "{\"cloister_reference\":1,\"name\":\"d\",\"origin\":\"prediction\","
                          "\"events\":{\"rtmr1\":[{\"type\":\"%s\",\"name\":\"b\",\"text\":"
                          "\"before\",\"digests\":{\"sha384\":\"%s\"}}]},\"pcrs\":{}}",
                          cases[i].name, clo_hex_text(clo_digest_bytes(&digest), hex));
        CHECK(clo_reference_parse(clo_buffer_bytes(&text), &reference, &err), err.text);
        log_header(&made, &bank, 1);
        log_event_of(&made, 1, cases[i].type, &bank, 1, clo_bytes_text("of another"),
                     clo_bytes_text("of another"));
        log_event_of(&made, 2, CLO_EV_EFI_ACTION, &bank, 1, clo_bytes_text("after"),
                     clo_bytes_text("after"));
        CHECK(clo_eventlog_parse(clo_buffer_bytes(&made), &log, &err), err.text);
        const struct clo_explain_inputs in = { .reference = reference,
                                               .log = log,
                                               .hash = bank,
                                               .pcr = CLO_REGISTER_RTMR(1),
                                               .phase = "" };
        CHECK(clo_explain(&in, &explanation, &err), err.text);
        CHECK(explanation.difference == CLO_DIFFERENCE_CHANGED && explanation.event == 0, "first");
        CHECK(explanation.logged == clo_eventlog_at(log, 2), "the log's side");
        CHECK(explanation.has_expected && strcmp(explanation.expected.text, "before") == 0,
              "the reference's side");
        CHECK(strstr(explanation.text, "(usually: ") != NULL, explanation.text);
        CHECK(cases[i].text == NULL || strcmp(explanation.text, cases[i].text) == 0,
              explanation.text);
        const struct clo_explain_inputs third = { .reference = reference,
                                                  .log = log,
                                                  .hash = bank,
                                                  .pcr = CLO_REGISTER_RTMR(2),
                                                  .phase = "" };
        CHECK(!clo_explain(&third, &explanation, &err) &&
                      strcmp(err.text, "RTMR 2: the reference says nothing of it") == 0,
              err.text);
    }
}

/* --- Shim's variables: each has causes of its own, whatever the register usually says --- */

static void shim_level(struct clo_buffer *out, const char *level)
{
    static const char name[] = "S\0b\0a\0t\0L\0e\0v\0e\0l\0";

    clo_buffer_zero(out, 16);
    clo_buffer_le64(out, (sizeof name - 1) / 2);
    clo_buffer_le64(out, strlen(level));
    clo_buffer_append(out, clo_bytes(name, sizeof name - 1));
    clo_buffer_text(out, level);
}

static void test_shim(void **state)
{
    static const struct {
        const char *name; /* of the event that is expected */
        unsigned pcr;
        uint32_t type;
        const char *expected, *logged; /* levels; NULL: the event is not there */
        const char *text;
    } cases[] = {
        { "SbatLevel", 7, CLO_EV_EFI_VARIABLE_AUTHORITY, "sbat,1,2025021800\nshim,4\n",
          "sbat,1,2030010100\nshim,5\n",
          "PCR 7: SbatLevel is \"SbatLevel: sbat,1,2030010100; shim,5\", expected \"SbatLevel: "
          "sbat,1,2025021800; shim,4\" (usually: a newer shim or another system raised what shim "
          "revokes, or Secure Boot was off, which resets it)" },
        { "SbatLevel", 7, CLO_EV_EFI_VARIABLE_AUTHORITY, NULL, "sbat,1,2030010100\n",
          "PCR 7: unexpected event: EV_EFI_VARIABLE_AUTHORITY \"SbatLevel: sbat,1,2030010100\" "
          "(usually: a newer shim or another system raised what shim revokes, or Secure Boot was "
          "off, which resets it)" },
        { "MokListX", 14, CLO_EV_IPL, "a", NULL,
          "PCR 14: missing event: MokListX \"SbatLevel: 97\" (usually: another shim, or what "
          "it "
          "refuses was changed (mokutil --mokx))" },
        { "something", 14, CLO_EV_IPL, "a", NULL,
          "PCR 14: missing event: something \"SbatLevel: 97\" (usually: another shim, or "
          "other "
          "machine owner keys)" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer json = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer expected = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer logged = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
        CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
        struct clo_explanation explanation;
        struct clo_digest digest;
        struct clo_error err;
        char hex[2 * 32 + 1];
        clo_buffer_printf(&json,
                          "{\"cloister_reference\":1,\"name\":\"d\",\"origin\":\"prediction\","
                          "\"pcrs\":{},\"events\":{\"%u\":[",
                          cases[i].pcr);
        if (cases[i].expected != NULL) {
            shim_level(&expected, cases[i].expected);
            const struct clo_event event = { .type = CLO_EV_EFI_VARIABLE_AUTHORITY,
                                             .data = clo_buffer_bytes(&expected) };
            clo_event_describe(&event, &text);
            clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&expected), &digest);
            clo_buffer_printf(&json,
                              "{\"type\":\"%s\",\"name\":\"%s\",\"text\":\"%s\",\"digests\":{"
                              "\"sha256\":\"%s\"}}",
                              clo_event_type_name(cases[i].type), cases[i].name,
                              clo_buffer_string(&text),
                              clo_hex_text(clo_digest_bytes(&digest), hex));
        }
        clo_buffer_text(&json, "]}}");
        CHECK(clo_reference_parse(clo_buffer_bytes(&json), &reference, &err), err.text);
        log_header_sha256(&made);
        if (cases[i].logged != NULL) {
            shim_level(&logged, cases[i].logged);
            log_event(&made, cases[i].pcr, cases[i].type, clo_buffer_bytes(&logged));
        }
        CHECK(clo_eventlog_parse(clo_buffer_bytes(&made), &log, &err), err.text);
        const struct clo_explain_inputs in = { .reference = reference,
                                               .log = log,
                                               .hash = CLO_HASH_SHA256,
                                               .pcr = cases[i].pcr,
                                               .phase = "" };
        CHECK(clo_explain(&in, &explanation, &err), err.text);
        CHECK(strcmp(explanation.text, cases[i].text) == 0, explanation.text);
    }
}

/* --- Two logs: what stands for what is known by the variables' names --- */

static void variable(struct clo_buffer *log, unsigned pcr, uint32_t type, const char *name,
                     struct clo_bytes value)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };

    clo_buffer_zero(&data, 16);
    clo_buffer_le64(&data, strlen(name));
    clo_buffer_le64(&data, value.size);
    for (const char *at = name; *at != '\0'; at++)
        clo_buffer_le16(&data, (uint16_t)(uint8_t)*at);
    clo_buffer_append(&data, value);
    log_event(log, pcr, type, clo_buffer_bytes(&data));
}

/* A signature list of `count` SHA-256 digests. */
static void hashes(unsigned count, struct clo_buffer *out)
{
    static const uint8_t type[] = { 0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40,
                                    0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28 };

    clo_buffer_append(out, clo_bytes(type, sizeof type));
    clo_buffer_le32(out, 28 + 48 * count);
    clo_buffer_le32(out, 0);
    clo_buffer_le32(out, 48);
    clo_buffer_zero(out, (size_t)48 * count);
}

/* Of PCR `pcr`, in the bank of `hash`, or the error. */
static void is_told(const struct clo_buffer *expected, const struct clo_buffer *logged,
                    unsigned pcr, enum clo_hash hash, const char *wanted)
{
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *other = NULL;
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
    struct clo_explanation explanation;
    struct clo_error err;

    CHECK(clo_eventlog_parse(clo_buffer_bytes(expected), &other, &err) &&
                  clo_eventlog_parse(clo_buffer_bytes(logged), &log, &err) &&
                  clo_reference_from_eventlog("other", NULL, other, 0xffff, CLO_HASH_NONE,
                                              &reference, &err),
          err.text);
    const struct clo_explain_inputs in = {
        .reference = reference, .log = log, .hash = hash, .pcr = pcr, .phase = ""
    };
    const char *text = clo_explain(&in, &explanation, &err) ? explanation.text : err.text;
    CHECK(strcmp(text, wanted) == 0, text);
}

static void test_two_logs(void **state)
{
    static const struct {
        unsigned was, is;
        const char *wanted;
    } lists[] = {
        { 2, 3,
          "PCR 7: dbx is \"dbx: 3 entries, 172 bytes\", expected \"dbx: 2 entries, 124 bytes\" "
          "(dbx was changed: 1 entry more)" },
        { 3, 1,
          "PCR 7: dbx is \"dbx: 1 entry, 76 bytes\", expected \"dbx: 3 entries, 172 bytes\" "
          "(dbx was changed: 2 entries fewer)" },
        { 0, 1,
          "PCR 7: dbx is \"dbx: 1 entry, 76 bytes\", expected \"dbx: empty\" (dbx was changed: "
          "1 entry more)" },
    };
    static const char sbat_cause[] =
            "(usually: a newer shim or another system raised what shim revokes, or Secure Boot was "
            "off, which resets it)";
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer with_level = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer without = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sha1 = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer grub = { 0 };
    char wanted[512];

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(lists); i++) {
        struct clo_buffer sides[2] = { { 0 }, { 0 } };
        for (size_t k = 0; k < 2; k++) {
            CLO_CLEANUP(clo_buffer_free) struct clo_buffer value = { 0 };
            unsigned count = k == 0 ? lists[i].was : lists[i].is;
            if (count > 0)
                hashes(count, &value);
            log_header_sha256(&sides[k]);
            variable(&sides[k], 7, CLO_EV_EFI_VARIABLE_DRIVER_CONFIG, "dbx",
                     clo_buffer_bytes(&value));
        }
        is_told(&sides[0], &sides[1], 7, CLO_HASH_SHA256, lists[i].wanted);
        clo_buffer_free(&sides[0]);
        clo_buffer_free(&sides[1]);
    }
    /* What comes next is db's entry in both, and another one: it is not what SbatLevel became. */
    log_header_sha256(&with_level);
    variable(&with_level, 7, CLO_EV_EFI_VARIABLE_AUTHORITY, "SbatLevel",
             clo_bytes_text("sbat,1,2021030218\n"));
    variable(&with_level, 7, CLO_EV_EFI_VARIABLE_AUTHORITY, "db", clo_bytes_text("one"));
    log_header_sha256(&without);
    variable(&without, 7, CLO_EV_EFI_VARIABLE_AUTHORITY, "db", clo_bytes_text("two"));
    snprintf(wanted, sizeof wanted,
             "PCR 7: missing event: SbatLevel \"SbatLevel: sbat,1,2021030218\" %s", sbat_cause);
    is_told(&with_level, &without, 7, CLO_HASH_SHA256, wanted);
    snprintf(wanted, sizeof wanted,
             "PCR 7: unexpected event: EV_EFI_VARIABLE_AUTHORITY \"SbatLevel: sbat,1,2021030218\" "
             "%s",
             sbat_cause);
    is_told(&without, &with_level, 7, CLO_HASH_SHA256, wanted);
    /* Digests of another bank are not a difference. */
    log_old_event(&sha1, 7, CLO_EV_SEPARATOR, clo_bytes("\0\0\0\0", 4));
    is_told(&sha1, &with_level, 7, CLO_HASH_SHA256, "PCR 7: the reference has no sha256 digests");
    /* What GRUB reads is neither command line nor initrd. */
    log_header_sha256(&grub);
    log_event(&grub, 9, CLO_EV_IPL, clo_bytes_text("/grub.cfg"));
    log_event(&grub, 4, CLO_EV_EFI_ACTION, clo_bytes_text("shimx64.efi"));
    is_told(&without, &grub, 9, CLO_HASH_SHA256,
            "PCR 9: unexpected event: EV_IPL \"/grub.cfg\" (usually: another file that a boot "
            "loader read (GRUB: its script, kernel or initrd))");
    is_told(&without, &grub, 4, CLO_HASH_SHA256,
            "PCR 4: unexpected event: EV_EFI_ACTION \"shimx64.efi\" (usually: another shim)");
}

/* --- Partition tables: both sides are decoded, and how they differ is told --- */

struct table {
    uint64_t sectors, root_last;
    uint8_t guid;
};

static void measured_table(const struct table *table, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    const struct clo_guid disk = { { table->guid } };
    const struct clo_gpt_partition root = { .type = clo_gpt_type_root_x86_64,
                                            .first_lba = 2048,
                                            .last_lba = table->root_last,
                                            .name = "root" };
    struct clo_error err;

    if (!clo_gpt_write(&disk, table->sectors, &root, 1, &head, &tail, &err) ||
        !clo_gpt_parse(clo_buffer_bytes(&head), gpt, &err) || !clo_gpt_event(gpt, out, &err))
        fail_msg("%s", err.text);
}

static void expect_table(const char *text, const struct table *table,
                         struct clo_reference **reference)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer json = { 0 };
    struct clo_digest digest;
    struct clo_pcr_bank bank;
    struct clo_error err;
    char hex[2][2 * 32 + 1];

    measured_table(table, &data);
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&data), &digest);
    clo_pcr_reset(&bank, CLO_HASH_SHA256);
    clo_pcr_extend(&bank, 5, &digest);
    clo_buffer_printf(&json,
                      "{\"cloister_reference\":1,\"name\":\"d\",\"origin\":\"prediction\","
                      "\"events\":{\"5\":[{\"type\":\"EV_EFI_GPT_EVENT\",\"name\":\"partition "
                      "table\"%s%s%s,\"digests\":{\"sha256\":\"%s\"}}]},\"pcrs\":{\"sha256\":"
                      "{\"5\":\"%s\"}}}",
                      text == NULL ? "" : ",\"text\":\"", text == NULL ? "" : text,
                      text == NULL ? "" : "\"", clo_hex_text(clo_digest_bytes(&digest), hex[0]),
                      clo_hex_text(clo_digest_bytes(&bank.values[5]), hex[1]));
    if (!clo_reference_parse(clo_buffer_bytes(&json), reference, &err))
        fail_msg("%s", err.text);
}

static void test_tables(void **state)
{
    static const char known[] = "disk of 8192 sectors, 1 partitions: root 2048-4095";
    static const struct table expected = { 8192, 4095, 1 };
    static const struct {
        const char *name, *expected_text;
        struct table logged;
        bool is_proven;
        const char *cause;
    } cases[] = {
        { "grown, and the partition too",
          known,
          { 16384, 16350, 1 },
          true,
          "partition table is \"disk of 16384 sectors, 1 partitions: root 2048-16350\", expected "
          "\"disk of 8192 sectors, 1 partitions: root 2048-4095\" (the disk was grown from 4194304 "
          "to 8388608 bytes: predict it with --disk-size and --grow-partition)" },
        { "grown, the table alone", known, { 16384, 4095, 1 }, true, "(the disk was grown from " },
        { "smaller", known, { 8191, 4095, 1 }, true, "(a smaller disk than expected, or one that" },
        { "the partition alone",
          known,
          { 8192, 8000, 1 },
          true,
          "(a partition was grown or moved, and the disk was not)" },
        { "another GUID",
          known,
          { 8192, 4095, 2 },
          true,
          "(the same partitions with other GUIDs, attributes or flags)" },
        { "a log that nothing proves",
          known,
          { 16384, 16350, 1 },
          false,
          "(usually: another partition table: the disk was grown or repartitioned)" },
        { "a reference without words",
          NULL,
          { 16384, 16350, 1 },
          true,
          "(usually: another partition table: the disk was grown or repartitioned)" },
        { "a reference with words of its own",
          "disk of sectors",
          { 16384, 16350, 1 },
          true,
          "(usually: another partition table: the disk was grown or repartitioned)" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
        CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
        const enum clo_hash bank = CLO_HASH_SHA256;
        struct clo_explanation explanation;
        struct clo_error err;
        expect_table(cases[i].expected_text, &expected, &reference);
        measured_table(&cases[i].logged, &data);
        log_header_sha256(&made);
        log_event_of(&made, 5, CLO_EV_EFI_GPT_EVENT, &bank, 1,
                     cases[i].is_proven ? clo_buffer_bytes(&data) : clo_bytes_text("other"),
                     clo_buffer_bytes(&data));
        CHECK(clo_eventlog_parse(clo_buffer_bytes(&made), &log, &err), err.text);
        const struct clo_explain_inputs in = {
            .reference = reference, .log = log, .hash = bank, .pcr = 5, .phase = ""
        };
        CHECK(clo_explain(&in, &explanation, &err), err.text);
        CHECK(explanation.difference == CLO_DIFFERENCE_CHANGED, cases[i].name);
        CHECK(strstr(explanation.text, cases[i].cause) != NULL, explanation.text);
    }
}

/* Fields are compared, whatever the words next to them are; words are read in files without fields alone. */
static void test_fields(void **state)
{
    static const struct {
        const char *name, *fields, *text;
        struct table logged;
        const char *cause;
    } cases[] = {
        { "grown",
          "{\"sectors\":8192,\"partitions\":[{\"first\":2048,\"last\":4095,\"name\":\"root\"}]}",
          "Platte",
          { 16384, 4095, 1 },
          "(the disk was grown from 4194304 to 8388608 bytes" },
        { "a partition moved",
          "{\"sectors\":8192,\"partitions\":[{\"first\":2048,\"last\":4095,\"name\":\"root\"}]}",
          "Platte",
          { 8192, 8000, 1 },
          "(a partition was grown or moved, and the disk was not)" },
        { "the same partitions",
          "{\"sectors\":8192,\"partitions\":[{\"first\":2048,\"last\":4095,\"name\":\"root\"}]}",
          "Platte",
          { 8192, 4095, 2 },
          "(the same partitions with other GUIDs, attributes or flags)" },
        { "fields of another kind",
          "{\"sectors\":\"many\"}",
          "disk of 8192 sectors, 1 partitions: root 2048-4095",
          { 16384, 4095, 1 },
          "(usually: another partition table" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
        CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer words = { 0 };
        struct clo_explanation explanation;
        struct clo_error err;
        clo_buffer_printf(&words, "%s\",\"fields\":%s,\"given\":\"x", cases[i].text,
                          cases[i].fields);
        expect_table(clo_buffer_string(&words), &(const struct table){ 8192, 4095, 1 }, &reference);
        measured_table(&cases[i].logged, &data);
        log_header_sha256(&made);
        log_event(&made, 5, CLO_EV_EFI_GPT_EVENT, clo_buffer_bytes(&data));
        CHECK(clo_eventlog_parse(clo_buffer_bytes(&made), &log, &err), err.text);
        const struct clo_explain_inputs in = {
            .reference = reference, .log = log, .hash = CLO_HASH_SHA256, .pcr = 5, .phase = ""
        };
        CHECK(clo_explain(&in, &explanation, &err), err.text);
        CHECK(strstr(explanation.text, cases[i].cause) != NULL, explanation.text);
    }
}

/* A log of two banks, without events. */
static struct clo_eventlog *two_banks(enum clo_hash first, enum clo_hash second,
                                      struct clo_buffer *bytes)
{
    struct clo_eventlog *log;
    struct clo_error err;

    log_header(bytes, (const enum clo_hash[]){ first, second }, 2);
    if (!clo_eventlog_parse(clo_buffer_bytes(bytes), &log, &err))
        fail_msg("%s", err.text);
    return log;
}

/* Of several references the first that speaks of the register; of several banks one that a reference knows. */
static void test_choice(void **state)
{
    static const struct events some = { { "kernel" } };
    static const char listed[] =
            "{\"cloister_reference\":1,\"name\":\"d\",\"origin\":\"prediction\","
            "\"events\":{\"12\":[]},\"pcrs\":{}}";
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *nine = expect(9, &some);
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *eleven = expect(11, &some);
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *twelve = NULL;
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *other = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer more = { 0 };
    struct clo_error err;

    (void)state;
    if (!clo_reference_parse(clo_bytes_text(listed), &twelve, &err))
        fail_msg("%s", err.text);
    const struct clo_reference *all[] = { nine, eleven, twelve };
    assert_ptr_equal(clo_explain_reference(all, 3, CLO_HASH_SHA256, 9, ""), nine);
    assert_ptr_equal(clo_explain_reference(all, 3, CLO_HASH_SHA256, 11, ""), eleven);
    assert_ptr_equal(clo_explain_reference(all, 3, CLO_HASH_SHA384, 12, ""), twelve);
    assert_null(clo_explain_reference(all, 3, CLO_HASH_SHA256, 8, ""));
    assert_null(clo_explain_reference(NULL, 0, CLO_HASH_SHA256, 9, ""));

    log = two_banks(CLO_HASH_SHA1, CLO_HASH_SHA256, &bytes);
    assert_int_equal(clo_explain_bank(log, all, 3, ""), CLO_HASH_SHA256);
    assert_int_equal(clo_explain_bank(log, NULL, 0, ""), CLO_HASH_SHA256);
    other = two_banks(CLO_HASH_SHA384, CLO_HASH_SHA256, &more);
    assert_int_equal(clo_explain_bank(other, all, 3, ""), CLO_HASH_SHA256);
    assert_int_equal(clo_explain_bank(other, NULL, 0, ""), CLO_HASH_SHA384);
}

/* As machines read it: what differs has both sides, with their digests; what does not has neither. */
static void test_json(void **state)
{
    static const struct events expected = { { "kernel", "quiet" } };
    static const struct events logged = { { "kernel", "debug" } };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = expect(11, &expected);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_explain_inputs inputs = {
        .reference = reference, .hash = CLO_HASH_SHA256, .pcr = 11, .phase = ""
    };
    struct clo_explanation explanation;
    struct clo_error err;

    (void)state;
    write_log(&bytes, 11, &logged);
    if (!clo_eventlog_parse(clo_buffer_bytes(&bytes), &log, &err))
        fail_msg("%s", err.text);
    inputs.log = log;
    if (!clo_explain(&inputs, &explanation, &err))
        fail_msg("%s", err.text);
    json = clo_explanation_json(&inputs, &explanation);
    assert_int_equal(json_integer_value(json_object_get(json, "pcr")), 11);
    assert_string_equal(json_string_value(json_object_get(json, "difference")), "changed");
    assert_int_equal(json_integer_value(json_object_get(json, "event")), 1);
    const json_t *left = json_object_get(json, "logged");
    const json_t *right = json_object_get(json, "expected");
    assert_true(json_is_true(json_object_get(left, "text_is_measured")));
    assert_string_equal(json_string_value(json_object_get(right, "text")), "quiet");
    assert_int_equal(json_string_length(json_object_get(left, "digest")), 64);
    assert_string_not_equal(json_string_value(json_object_get(left, "digest")),
                            json_string_value(json_object_get(right, "digest")));

    explanation.difference = CLO_DIFFERENCE_NONE;
    json_t *same = clo_explanation_json(&inputs, &explanation);
    assert_null(json_object_get(same, "logged"));
    assert_null(json_object_get(same, "expected"));
    json_decref(same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_differences), cmocka_unit_test(test_value_and_log),
        cmocka_unit_test(test_own_words),   cmocka_unit_test(test_user_space),
        cmocka_unit_test(test_rtmr),        cmocka_unit_test(test_shim),
        cmocka_unit_test(test_two_logs),    cmocka_unit_test(test_tables),
        cmocka_unit_test(test_fields),      cmocka_unit_test(test_choice),
        cmocka_unit_test(test_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
