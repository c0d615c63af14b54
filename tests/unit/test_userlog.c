#include "cloister/userlog.h"

#include "test.h"

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define RECORD                                                                       \
    "\x1e{\"pcr\":11,\"digests\":[{\"hashAlg\":\"sha256\",\"digest\":\"" ABC "\"}]," \
    "\"content_type\":\"systemd\",\"content\":{\"eventType\":\"phase\",\"string\":\"abc\"}}\n"

static void test_parse(void **state)
{
    CLO_CLEANUP(clo_userlog_freep) struct clo_userlog *log = NULL;
    struct clo_pcr_bank bank;
    struct clo_pcr_bank expected;
    struct clo_error err;

    (void)state;
    CHECK(clo_userlog_parse(clo_bytes_text(RECORD RECORD), &log, &err), err.text);
    CHECK(clo_userlog_count(log) == 2 && clo_userlog_at(log, 2) == NULL, "two records");
    const struct clo_userlog_event *event = clo_userlog_at(log, 1);
    CHECK(event->pcr == 11 && event->digest_count == 1, "event");
    CHECK(strcmp(event->type, "phase") == 0 && strcmp(event->text, "abc") == 0, "content");
    clo_pcr_reset(&bank, CLO_HASH_SHA256);
    clo_pcr_reset(&expected, CLO_HASH_SHA256);
    CHECK(clo_userlog_replay(log, &bank, &err), err.text);
    clo_pcr_measure(&expected, 11, clo_bytes_text("abc"));
    clo_pcr_measure(&expected, 11, clo_bytes_text("abc"));
    CHECK(clo_digest_equal(&bank.values[11], &expected.values[11]), "replay");
    clo_pcr_reset(&bank, CLO_HASH_SHA384);
    CHECK(!clo_userlog_replay(log, &bank, &err), "a bank it has not");
    CHECK(strcmp(err.text, "record 0: no sha384 digest") == 0, err.text);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "{}", "record 0: no record separator at byte 0" },
        { RECORD "x", "record 0: cut short" },
        { RECORD "\x1e", "record 1: cut short" },
        { "\x1e{}", "record 0: cut short" },
        { "\x1e{}\n", "record 0: \"digests\" is missing" },
        { "\x1e{\"pcr\":1,\"nv_index\":1,\"digests\":[]}\n",
          "record 0: is of a PCR and of a NV index" },
        { "\x1e{\"rtmr\":4,\"digests\":[]}\n", "record 0: RTMR 4" },
        { "\x1e{\"nv_index\":4294967296,\"digests\":[]}\n", "record 0: NV index 4294967296" },
        { "\x1e{\"nv_index\":-1,\"digests\":[]}\n", NULL },
        { "\x1e{\"nv_index\":\"x\",\"digests\":[]}\n", NULL },
        { "\x1e{\"pcr\":11}\n", "record 0: \"digests\" is missing" },
        { "\x1e{\"pcr\":24,\"digests\":[]}\n", "record 0: PCR 24" },
        { "\x1e{\"pcr\":-1,\"digests\":[]}\n", NULL },
        { "\x1e{\"pcr\":1,\"digests\":[{}]}\n", "record 0: digest 0: \"hashAlg\" is missing" },
        { "\x1e{\"pcr\":1,\"digests\":[{\"hashAlg\":\"sha256\",\"digest\":\"00\"}]}\n",
          "record 0: digest 0: 1 bytes for sha256" },
        { "\x1e{\"pcr\":1,\"digests\":[{\"hashAlg\":\"sha256\",\"digest\":\"" ABC
          "\"},{\"hashAlg\":\"sha256\",\"digest\":\"" ABC "\"}]}\n",
          "record 0: digest 1: a second one for sha256" },
        { "\x1e{\"pcr\":1,\"digests\":[],\"content\":{\"string\":7}}\n", NULL },
        { "\x1e{\"pcr\":1,\"pcr\":2,\"digests\":[]}\n", NULL },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        struct clo_userlog *log = NULL;
        struct clo_error err;
        CHECK(!clo_userlog_parse(clo_bytes_text(cases[i].text), &log, &err) && log == NULL,
              cases[i].text);
        CHECK(err.status == CLO_ERR_FORMAT, err.text);
        CHECK(cases[i].error == NULL || strcmp(err.text, cases[i].error) == 0, err.text);
    }
}

static void test_values(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_userlog *log = NULL;
    struct clo_error err;

    (void)state;
    clo_buffer_text(&text, RECORD "\x1e{\"pcr\":1,\"digests\":[],\"x\":[{}");
    for (size_t i = 0; i < 33000; i++)
        clo_buffer_text(&text, ",{}");
    clo_buffer_text(&text, "]}\n");
    CHECK(!clo_userlog_parse(clo_buffer_bytes(&text), &log, &err) && log == NULL, "too many");
    CHECK(strcmp(err.text, "JSON: more than 65536 values") == 0, err.text);
}

/* Cut anywhere but between two records, it is refused; an empty one is a log without records. */
static void test_truncated(void **state)
{
    struct clo_bytes in = clo_bytes_text(RECORD RECORD);

    (void)state;
    for (size_t size = 0; size <= in.size; size++) {
        CLO_CLEANUP(clo_userlog_freep) struct clo_userlog *log = NULL;
        struct clo_error err;
        bool ok = clo_userlog_parse(clo_bytes_slice(in, 0, size), &log, &err);
        CHECK(ok == (size % strlen(RECORD) == 0), "cut");
        CHECK(!ok || clo_userlog_count(log) == size / strlen(RECORD), "cut");
    }
}

/* A digest of a bank that we do not know is not a digest of ours; a record without content is borne. */
static void test_tolerated(void **state)
{
    static const char text[] =
            "\x1e{\"pcr\":9,\"digests\":[{\"hashAlg\":\"sm3\",\"digest\":\"00\"},"
            "{\"hashAlg\":\"sha256\",\"digest\":\"" ABC "\"}]}\n";
    CLO_CLEANUP(clo_userlog_freep) struct clo_userlog *log = NULL;
    struct clo_error err;

    (void)state;
    CHECK(clo_userlog_parse(clo_bytes_text(text), &log, &err), err.text);
    const struct clo_userlog_event *event = clo_userlog_at(log, 0);
    CHECK(event->digest_count == 1 && event->digests[0].hash == CLO_HASH_SHA256, "one of ours");
    CHECK(event->type == NULL && event->text == NULL, "says nothing of itself");
}

/* Records of other registers, as systemd 262 writes them: they extend no PCR, and have no number of one. */
static void test_other_registers(void **state)
{
    static const char other[] =
            "\x1e{\"nv_index\":30474752,\"digests\":[{\"hashAlg\":\"sha256\",\"digest\":\"" ABC
            "\"}],\"content_type\":\"systemd\",\"content\":{\"nvIndexName\":\"hardware\","
            "\"string\":\"hello\"}}\n"
            "\x1e{\"rtmr\":2,\"mapped_pcr\":11,\"digests\":[{\"hashAlg\":\"sha256\",\"digest\":"
            "\"" ABC "\"}]}\n"
            "\x1e{\"new_register\":1,\"digests\":[{\"hashAlg\":\"sha256\",\"digest\":\"" ABC
            "\"}]}\n";
    static const char *const names[] = { "NV index 0x01d10200 (hardware)", "RTMR 2",
                                         "a register of a kind that is not known", "PCR 11" };
    CLO_CLEANUP(clo_userlog_freep) struct clo_userlog *log = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_pcr_bank bank, expected;
    struct clo_error err;

    (void)state;
    clo_buffer_text(&text, other);
    clo_buffer_text(&text, RECORD);
    CHECK(clo_userlog_parse(clo_buffer_bytes(&text), &log, &err), err.text);
    CHECK(clo_userlog_count(log) == CLO_COUNT(names), "all are there");
    for (size_t i = 0; i < CLO_COUNT(names); i++) {
        const struct clo_userlog_event *event = clo_userlog_at(log, i);
        char reg[96];
        clo_userlog_register(event, reg, sizeof reg);
        CHECK(strcmp(reg, names[i]) == 0, reg);
        CHECK((event->kind == CLO_USERLOG_PCR) == (event->pcr == 11), names[i]);
    }
    clo_pcr_reset(&bank, CLO_HASH_SHA256);
    clo_pcr_reset(&expected, CLO_HASH_SHA256);
    CHECK(clo_userlog_replay(log, &bank, &err), err.text);
    clo_pcr_measure(&expected, 11, clo_bytes_text("abc"));
    CHECK(memcmp(bank.values, expected.values, sizeof bank.values) == 0, "PCR 11 alone");
    clo_pcr_reset(&bank, CLO_HASH_SHA256);
    clo_pcr_reset(&expected, CLO_HASH_SHA256);
    CHECK(clo_userlog_replay_rtmrs(log, &bank, &err), err.text);
    clo_pcr_measure(&expected, 3, clo_bytes_text("abc"));
    CHECK(memcmp(bank.values, expected.values, sizeof bank.values) == 0, "RTMR 2 alone");
    clo_pcr_reset(&bank, CLO_HASH_SHA384);
    CHECK(!clo_userlog_replay_rtmrs(log, &bank, &err), "a bank it has not");
    CHECK(strcmp(err.text, "record 1: no sha384 digest") == 0, err.text);
}

static void test_append(void **state)
{
    struct clo_userlog_event event = { .pcr = 15, .digest_count = 2, .type = "volume-key" };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_userlog_freep) struct clo_userlog *log = NULL;
    struct clo_error err;

    (void)state;
    clo_hash(CLO_HASH_SHA256, clo_bytes_text("abc"), &event.digests[0]);
    clo_hash(CLO_HASH_SHA384, clo_bytes_text("abc"), &event.digests[1]);
    CHECK(clo_userlog_append(&event, &text, &err), err.text);
    event.text = "cryptsetup:root:\"x\"\n";
    CHECK(clo_userlog_append(&event, &text, &err), err.text);
    CHECK(clo_userlog_parse(clo_buffer_bytes(&text), &log, &err), err.text);
    CHECK(clo_userlog_count(log) == 2, "both");
    const struct clo_userlog_event *back = clo_userlog_at(log, 1);
    CHECK(back->pcr == 15 && back->digest_count == 2, "back");
    CHECK(clo_digest_equal(&back->digests[1], &event.digests[1]), "back");
    CHECK(strcmp(back->type, event.type) == 0 && strcmp(back->text, event.text) == 0, "back");
    CHECK(clo_userlog_at(log, 0)->text == NULL, "back");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),           cmocka_unit_test(test_refused),
        cmocka_unit_test(test_truncated),       cmocka_unit_test(test_tolerated),
        cmocka_unit_test(test_other_registers), cmocka_unit_test(test_append),
        cmocka_unit_test(test_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
