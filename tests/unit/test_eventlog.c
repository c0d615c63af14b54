#include "eventlog_maker.h"
#include "vectors.h"

static struct clo_eventlog *parse(struct clo_bytes in)
{
    struct clo_eventlog *log;
    struct clo_error err;

    if (!clo_eventlog_parse(in, &log, &err))
        fail_msg("%s", err.text);
    return log;
}

static void must_refuse(struct clo_bytes in, const char *error, const char *name)
{
    struct clo_eventlog *log = NULL;
    struct clo_error err;

    CHECK(!clo_eventlog_parse(in, &log, &err) && log == NULL, name);
    CHECK(err.status == CLO_ERR_FORMAT, name);
    CHECK(strcmp(err.text, error) == 0, err.text);
}

/* A small log of two banks: Spec ID event, one event of PCR 4, the separator of PCR 7. */
static void make(struct clo_buffer *out)
{
    static const enum clo_hash banks[] = { CLO_HASH_SHA1, CLO_HASH_SHA256 };

    log_header(out, banks, 2);
    log_event_of(out, 4, CLO_EV_EFI_ACTION, banks, 2, clo_bytes_text("Calling EFI Application"),
                 clo_bytes_text("Calling EFI Application"));
    log_event_of(out, 7, CLO_EV_SEPARATOR, banks, 2, clo_bytes("\0\0\0\0", 4),
                 clo_bytes("\0\0\0\0", 4));
}

static void test_parse(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    struct clo_digest digest;
    struct clo_digest expected;

    (void)state;
    make(&made);
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = parse(clo_buffer_bytes(&made));
    CHECK(clo_eventlog_format(log) == CLO_EVENTLOG_CRYPTO_AGILE, "format");
    CHECK(clo_eventlog_count(log) == 3 && clo_eventlog_at(log, 3) == NULL, "events");
    CHECK(clo_eventlog_algorithm_count(log) == 2 &&
                  clo_eventlog_algorithm(log, 0) == CLO_HASH_SHA1 &&
                  clo_eventlog_algorithm(log, 1) == CLO_HASH_SHA256 &&
                  clo_eventlog_algorithm(log, 2) == CLO_HASH_NONE,
          "banks");
    CHECK(!clo_eventlog_is_ccel(log) && clo_eventlog_padding(log) == 0, "a TPM's, unpadded");
    const struct clo_event *event = clo_eventlog_at(log, 1);
    CHECK(event->pcr == 4 && event->type == CLO_EV_EFI_ACTION, "event");
    CHECK(clo_bytes_equal(event->data, clo_bytes_text("Calling EFI Application")), "data");
    CHECK(event->offset == 32 + clo_eventlog_at(log, 0)->data.size, "offset");
    clo_hash(CLO_HASH_SHA256, event->data, &expected);
    CHECK(clo_event_digest(event, CLO_HASH_SHA256, &digest), "digest");
    CHECK(clo_digest_equal(&digest, &expected), "digest");
    CHECK(!clo_event_digest(event, CLO_HASH_SHA384, &digest), "a bank it is not in");
    CHECK(!clo_event_digest(event, CLO_HASH_NONE, &digest), "no bank");
}

/* All of an event's digests can be had, those among them that we cannot make, and SHA-1's of the old form. */
static void test_digests(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    struct clo_event_digest digest;

    (void)state;
    make(&made);
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = parse(clo_buffer_bytes(&made));
    const struct clo_event *old = clo_eventlog_at(log, 0);
    CHECK(clo_event_digest_at(old, 0, &digest) && digest.algorithm == 0x0004, "old form");
    CHECK(digest.bytes.size == 20 && clo_bytes_all(digest.bytes, 0), "of nothing");
    CHECK(!clo_event_digest_at(old, 1, &digest), "one alone");
    const struct clo_event *event = clo_eventlog_at(log, 1);
    CHECK(clo_event_digest_at(event, 0, &digest) && digest.algorithm == 0x0004, "SHA-1");
    CHECK(clo_event_digest_at(event, 1, &digest) && digest.algorithm == 0x000b, "SHA-256");
    CHECK(clo_bytes_equal(digest.bytes, clo_event_digest_bytes(event, CLO_HASH_SHA256)), "a view");
    CHECK(!clo_event_digest_at(event, 2, &digest), "two of them");
    CHECK(clo_event_digest_bytes(event, CLO_HASH_SHA512).size == 0, "a bank it is not in");
}

/* An event by itself: digests of hashes that we know, up to one that we do not, or that is cut short. */
static void test_digests_without_a_log(void **state)
{
    uint8_t raw[2 + 20 + 2 + 32 + 2 + 20] = { 0x04, 0x00 };
    struct clo_event event = { .digests = clo_bytes(raw, sizeof raw) };
    struct clo_event_digest digest;

    (void)state;
    raw[22] = 0x12; /* SM3 */
    CHECK(clo_event_digest_at(&event, 0, &digest) && digest.bytes.size == 20, "SHA-1");
    CHECK(!clo_event_digest_at(&event, 1, &digest), "of unknown size");
    raw[22] = 0x0b;
    raw[56] = 0x0b;
    CHECK(clo_event_digest_at(&event, 1, &digest) && digest.bytes.size == 32, "SHA-256");
    CHECK(!clo_event_digest_at(&event, 2, &digest), "cut short");
}

/* Cut anywhere, a log is refused, or is the log up to an event's end (7 stray bytes are borne). */
static void test_truncated(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };

    (void)state;
    make(&made);
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *whole = parse(clo_buffer_bytes(&made));
    for (size_t size = 0; size < made.size; size++) {
        CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
        struct clo_error err;
        size_t stray = SIZE_MAX;
        for (size_t i = 1; i < clo_eventlog_count(whole); i++) {
            size_t start = clo_eventlog_at(whole, i)->offset;
            if (size >= start && size - start <= 7)
                stray = size - start;
        }
        bool ok = clo_eventlog_parse(clo_bytes_slice(clo_buffer_bytes(&made), 0, size), &log, &err);
        CHECK(ok == (stray != SIZE_MAX), "cut");
        CHECK(!ok || clo_eventlog_padding(log) == stray, "stray bytes");
        CHECK(ok || (err.status == CLO_ERR_FORMAT && strstr(err.text, "truncated") != NULL),
              err.text);
    }
}

static void test_padding(void **state)
{
    static const struct {
        const char *name;
        uint8_t byte;
        size_t count;
    } cases[] = { { "ones", 0xff, 5000 },
                  { "zeros", 0x00, 5000 },
                  { "a few of anything", 0x5a, 7 } };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
        make(&made);
        for (size_t k = 0; k < cases[i].count; k++)
            clo_buffer_u8(&made, cases[i].byte);
        CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = parse(clo_buffer_bytes(&made));
        CHECK(clo_eventlog_count(log) == 3, cases[i].name);
        CHECK(clo_eventlog_padding(log) == cases[i].count, cases[i].name);
        /* One byte that is not padding: an event begins there, and it is not whole. */
        made.data[made.size - 1] = 0x77;
        struct clo_eventlog *none = NULL;
        struct clo_error err;
        CHECK(clo_eventlog_parse(clo_buffer_bytes(&made), &none, &err) == (cases[i].count == 7),
              "not all padding");
        clo_eventlog_free(none);
    }
}

/* One byte of the log changed: a refusal that names the place. */
static void test_refused(void **state)
{
    enum {
        SPEC = 32, /* the Spec ID event's data, its algorithms, and what is after it */
        ALGORITHMS = SPEC + 28,
        EVENT = ALGORITHMS + 2 * 4 + 1,
        SECOND_DIGEST = EVENT + 12 + 2 + 20,
    };
    static const struct {
        size_t at;
        uint8_t value;
        const char *error;
    } cases[] = {
        { SPEC + 24, 0, "event 0: Spec ID event: 0 algorithms" },
        { SPEC + 24, 17, "event 0: Spec ID event: 17 algorithms" },
        { SPEC + 24, 3, "event 0: Spec ID event: 37 bytes" },
        { ALGORITHMS + 2, 0, "event 0: Spec ID event: algorithm 0x0004 of 0 bytes" },
        { ALGORITHMS + 2, 32, "event 0: Spec ID event: algorithm 0x0004 of 32 bytes" },
        { ALGORITHMS + 4, 4, "event 0: Spec ID event: algorithm 0x0004 of 32 bytes" },
        { EVENT - 1, 1, "event 0: Spec ID event: 37 bytes" },
        { EVENT + 8, 9, "event 1: 9 digests, at most 8 expected" },
        { EVENT + 12, 0x0c,
          "event 1: digest algorithm 0x000c, which the Spec ID event does not list" },
        { SECOND_DIGEST, 0x04, "event 1: two digests of algorithm 0x0004" },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };

    (void)state;
    must_refuse(clo_bytes(NULL, 0), "is not a TCG event log: event 0: truncated at byte 0",
                "empty");
    must_refuse(clo_bytes_text("no event log at all, but a text file"),
                "is not a TCG event log: event 0: truncated at byte 32", "text");
    make(&made);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        uint8_t saved = made.data[cases[i].at];
        made.data[cases[i].at] = cases[i].value;
        must_refuse(clo_buffer_bytes(&made), cases[i].error, cases[i].error);
        made.data[cases[i].at] = saved;
    }
}

static void test_sha1(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };

    (void)state;
    log_old_event(&made, 0, CLO_EV_S_CRTM_VERSION, clo_bytes_text("1.0"));
    log_old_event(&made, 7, CLO_EV_SEPARATOR, clo_bytes("\0\0\0\0", 4));
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = parse(clo_buffer_bytes(&made));
    CHECK(clo_eventlog_format(log) == CLO_EVENTLOG_SHA1, "format");
    CHECK(clo_eventlog_count(log) == 2, "events");
    CHECK(clo_eventlog_algorithm_count(log) == 1 && clo_eventlog_algorithm(log, 0) == CLO_HASH_SHA1,
          "bank");
}

static void test_ccel(void **state)
{
    static const enum clo_hash sha384 = CLO_HASH_SHA384;

    (void)state;
    for (unsigned last = 4; last <= 5; last++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
        log_header(&made, &sha384, 1);
        log_event_of(&made, 1, CLO_EV_SEPARATOR, &sha384, 1, clo_bytes("", 1), clo_bytes("", 1));
        log_event_of(&made, last, CLO_EV_SEPARATOR, &sha384, 1, clo_bytes("", 1), clo_bytes("", 1));
        CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = parse(clo_buffer_bytes(&made));
        CHECK(clo_eventlog_is_ccel(log) == (last == 4), "no register above RTMR 3");
    }
}

/* --- The shared vectors --- */

static void same_counts(const json_t *expected, const struct clo_eventlog *log, const char *name)
{
    const char *key;
    json_t *value;

    json_object_foreach (json_object_get((json_t *)(uintptr_t)expected, "event_types"), key,
                         value) {
        json_int_t count = 0;
        for (size_t i = 0; i < clo_eventlog_count(log); i++) {
            const char *type = clo_event_type_name(clo_eventlog_at(log, i)->type);
            char number[16];
            snprintf(number, sizeof number, "0x%x", clo_eventlog_at(log, i)->type);
            count += strcmp(type == NULL ? number : type, key) == 0;
        }
        if (count != json_integer_value(value))
            fail_msg("%s: %d events of type %s", name, (int)count, key);
    }
}

static void check_family(const char *family, size_t *logs, size_t *refused)
{
    CLO_CLEANUP(clo_json_freep) json_t *manifest = read_manifest(family);
    size_t i;
    json_t *entry;

    json_array_foreach (json_object_get(manifest, "cases"), i, entry) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
        const char *name = json_string_value(json_object_get(entry, "id"));
        const json_t *expected = json_object_get(entry, "expected");
        const json_t *count = json_object_get(expected, "event_count");
        struct clo_error err;
        char path[512];
        if (!find_case_file(family, entry, "eventlog.bin", path, sizeof path) &&
            !find_case_file(family, entry, "ccel_data.bin", path, sizeof path))
            continue;
        read_vector(path, &file);
        bool ok = clo_eventlog_parse(clo_buffer_bytes(&file), &log, &err);
        CHECK(ok == !json_is_true(json_object_get(expected, "error")), name);
        if (!ok) {
            CHECK(err.status == CLO_ERR_FORMAT, name);
            ++*refused;
            continue;
        }
        ++*logs;
        CHECK((json_int_t)clo_eventlog_count(log) == json_integer_value(count), name);
        CHECK((clo_eventlog_format(log) == CLO_EVENTLOG_SHA1) ==
                      (strcmp(json_string_value(json_object_get(expected, "format")), "sha1") == 0),
              name);
        CHECK((json_int_t)clo_eventlog_padding(log) ==
                      json_integer_value(json_object_get(expected, "padding_bytes")),
              name);
        CHECK(clo_eventlog_startup_locality(log) ==
                      json_integer_value(json_object_get(expected, "startup_locality")),
              name);
        CHECK(clo_eventlog_is_ccel(log) == json_is_array(json_object_get(expected, "rtmr")), name);
        same_counts(expected, log, name);
    }
}

static void test_vectors(void **state)
{
    size_t logs = 0;
    size_t refused = 0;

    (void)state;
    check_family("tpm", &logs, &refused);
    CHECK(logs > 20 && refused >= 2, "the manifest has its cases");
}

static void test_ccel_vectors(void **state)
{
    size_t logs = 0;
    size_t refused = 0;

    (void)state;
    check_family("tdx-eventlog", &logs, &refused);
    CHECK(logs > 9, "the manifest has its cases");
}

/* --- Out of the ordinary --- */

static void test_oddities(void **state)
{
    static const enum clo_hash banks[] = { CLO_HASH_SHA256, CLO_HASH_SHA384 };
    static const char *const expected[] = {
        "3 bytes after the last event: a stray rest",
        "bank sha384: 10 of 10 events have no digest in it",
        "PCR 0 has 2 separators",
        "PCR 7 has no separator: the firmware did not close it",
        "a separator says that the firmware met an error",
        "leaving the boot services is not logged",
        "1 events are of types that we do not know",
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer lines = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    struct clo_error err;

    (void)state;
    log_header(&file, banks, 2);
    for (unsigned pcr = 0; pcr < 7; pcr++)
        log_event(&file, pcr, CLO_EV_SEPARATOR, clo_bytes("\0\0\0\0", 4));
    log_event(&file, 0, CLO_EV_SEPARATOR, clo_bytes("\1\0\0\0", 4));
    log_event(&file, 4, CLO_EV_EFI_ACTION,
              clo_bytes_text("Calling EFI Application from Boot Option"));
    log_event(&file, 2, 0x8401, clo_bytes_text("x"));
    clo_buffer_append(&file, clo_bytes("\1\2\3", 3));
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&file), &log, &err), err.text);
    clo_eventlog_oddities(log, &lines);
    const char *text = clo_buffer_string(&lines);
    for (size_t i = 0; i < CLO_COUNT(expected); i++)
        CHECK(strstr(text, expected[i]) != NULL, expected[i]);
    size_t count = 0;
    for (const char *at = text; *at != '\0'; at++)
        count += *at == '\n';
    CHECK(count == CLO_COUNT(expected), text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_digests),
        cmocka_unit_test(test_digests_without_a_log),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_sha1),
        cmocka_unit_test(test_ccel),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_ccel_vectors),
        cmocka_unit_test(test_oddities),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
