#include "cloister/ccel.h"

#include "cloister/eventlog.h"
#include "cloister/pcr.h"
#include "vectors.h"

static void make_table(struct clo_buffer *out)
{
    uint8_t sum = 0;

    clo_buffer_text(out, "CCEL");
    clo_buffer_le32(out, 56);
    clo_buffer_zero(out, 28);
    clo_buffer_u8(out, CLO_CC_TYPE_TDX);
    clo_buffer_u8(out, 1);
    clo_buffer_le16(out, 0);
    clo_buffer_le64(out, 0x40000);
    clo_buffer_le64(out, 0x7beef000);
    for (size_t i = 0; i < out->size; i++)
        sum = (uint8_t)(sum + out->data[i]);
    out->data[9] = (uint8_t)-sum;
}

static void test_table(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_ccel_table table;
    struct clo_error err;

    (void)state;
    make_table(&bytes);
    CHECK(clo_ccel_table_parse(clo_buffer_bytes(&bytes), &table, &err), err.text);
    CHECK(table.type == 2 && table.subtype == 1, "type");
    CHECK(table.size == 0x40000 && table.address == 0x7beef000, "where the log is");
    for (size_t size = 0; size < bytes.size; size++)
        CHECK(!clo_ccel_table_parse(clo_bytes(bytes.data, size), &table, &err), "cut short");
    CHECK(strcmp(err.text, "CCEL table: 55 bytes, says 56, expected 56") == 0, err.text);
    bytes.data[48] ^= 1;
    CHECK(!clo_ccel_table_parse(clo_buffer_bytes(&bytes), &table, &err) &&
                  strcmp(err.text, "CCEL table: checksum is off by 0x01") == 0,
          err.text);
    bytes.data[0] = 'c';
    CHECK(!clo_ccel_is_table(clo_buffer_bytes(&bytes)), "signature");
    CHECK(!clo_ccel_table_parse(clo_buffer_bytes(&bytes), &table, &err) &&
                  strcmp(err.text, "is not a CCEL table") == 0,
          err.text);
    clo_buffer_u8(&bytes, 0);
    bytes.data[0] = 'C';
    CHECK(!clo_ccel_table_parse(clo_buffer_bytes(&bytes), &table, &err) &&
                  strcmp(err.text, "CCEL table: 57 bytes, says 56, expected 56") == 0,
          err.text);
}

#define DIGEST                                         \
    "0123456789abcdef0123456789abcdef0123456789abcdef" \
    "0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_json(void **state)
{
    static const struct {
        const char *name, *json, *error;
    } cases[] = {
        { "no list", "{}", "not a list of events" },
        { "no JSON", "[", "JSON" },
        { "unknown member", "[{\"imr\":0,\"x\":1}]", "event 0: " },
        { "register",
          "[{\"imr\":4,\"event_type\":1,\"digest\":\"" DIGEST
          "\",\"event\":\"\",\"event_payload\":\"\"}]",
          "event 0: \"imr\": 4" },
        { "type",
          "[{\"imr\":0,\"event_type\":4294967296,\"digest\":\"" DIGEST
          "\",\"event\":\"\",\"event_payload\":\"\"}]",
          "event 0: \"event_type\": 4294967296" },
        { "digest of firmware's is missing",
          "[{\"imr\":0,\"event_type\":1,\"digest\":\"\",\"event\":\"\",\"event_payload\":\"\"}]",
          "event 0: \"digest\": 0 bytes, expected 48" },
        { "digest is short",
          "[{\"imr\":0,\"event_type\":1,\"digest\":\"00\",\"event\":\"\",\"event_payload\":\"\"}]",
          "event 0: \"digest\": 1 bytes, expected 48" },
        { "payload is not hex",
          "[{\"imr\":0,\"event_type\":1,\"digest\":\"" DIGEST
          "\",\"event\":\"\",\"event_payload\":\"x\"}]",
          "event 0: " },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        struct clo_error err;
        CHECK(!clo_ccel_from_json(clo_bytes_text(cases[i].json), &out, &err), cases[i].name);
        if (strstr(err.text, cases[i].error) == NULL)
            fail_msg("%s: \"%s\"", cases[i].name, err.text);
    }
}

/* dstack's own events: the digest is of type, name and payload, and may be left out. */
static void test_runtime_event(void **state)
{
    static const char *const digests[] = {
        "",
        "837c2dd72f8a4c740159e5e042ed79b7eaaa5ab3a151a45e27bc366bb8b27e6c"
        "3faec87aab1e95197d3e6d23308d448c",
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(digests); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer json = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
        CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
        struct clo_error err;
        clo_buffer_printf(&json,
                          "[{\"imr\":3,\"event_type\":134217729,\"digest\":\"%s\",\"event\":"
                          "\"app-id\",\"event_payload\":"
                          "\"3763bc34552cf3a27ff71ad5f7a90471562a1a2d\"}]",
                          digests[i]);
        CHECK(clo_ccel_from_json(clo_buffer_bytes(&json), &out, &err), err.text);
        CHECK(clo_eventlog_parse(clo_buffer_bytes(&out), &log, &err), err.text);
        const struct clo_event *event = clo_eventlog_at(log, 1);
        CHECK(event->pcr == 4 && event->type == CLO_EV_DSTACK_RUNTIME, "RTMR 3");
        CHECK(clo_event_data_is_measured(event, CLO_HASH_SHA384), "what it says is proven");
        CHECK(clo_event_digest_bytes(event, CLO_HASH_SHA384).data[0] == 0x83, "as dstack has it");
    }
}

/* --- shared/vectors/tdx-eventlog --- */

static void load(const char *path, struct clo_buffer *file, struct clo_eventlog **out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer json = { 0 };
    struct clo_error err;

    read_vector(path, file);
    if (file->size > 0 && file->data[0] == '[') {
        json = *file;
        *file = (struct clo_buffer){ 0 };
        if (!clo_ccel_from_json(clo_buffer_bytes(&json), file, &err))
            fail_msg("%s: %s", path, err.text);
    }
    if (!clo_eventlog_parse(clo_buffer_bytes(file), out, &err))
        fail_msg("%s: %s", path, err.text);
}

static void check_registers(const struct clo_eventlog *log, const json_t *expected,
                            const char *name)
{
    struct clo_pcr_bank bank;
    struct clo_error err;

    CHECK(clo_eventlog_is_ccel(log), name);
    CHECK(clo_eventlog_replay(log, CLO_HASH_SHA384, &bank, &err), name);
    for (size_t i = 0; i < 4; i++) {
        char hex[2 * CLO_HASH_SIZE_MAX + 1];
        clo_hex_text(clo_digest_bytes(&bank.values[1 + i]), hex);
        CHECK(strcmp(hex, json_string_value(json_array_get(expected, i))) == 0, name);
    }
}

static void check_counts(const struct clo_eventlog *log, const json_t *expected, const char *name)
{
    const json_t *types = json_object_get(expected, "event_types");
    const char *type;
    json_t *count;
    size_t i;

    CHECK(clo_eventlog_count(log) ==
                  (size_t)json_integer_value(json_object_get(expected, "event_count")),
          name);
    json_array_foreach (json_object_get(expected, "algorithms"), i, count)
        CHECK(strcmp(clo_eventlog_algorithm_name(log, i), json_string_value(count)) == 0, name);
    CHECK(clo_eventlog_algorithm_count(log) == i, name);
    CHECK(clo_eventlog_padding(log) ==
                  (size_t)json_integer_value(json_object_get(expected, "padding_bytes")),
          name);
    json_object_foreach ((json_t *)(uintptr_t)types, type, count) {
        json_int_t seen = 0;
        for (i = 0; i < clo_eventlog_count(log); i++) {
            const char *this = clo_event_type_name(clo_eventlog_at(log, i)->type);
            seen += this != NULL && strcmp(this, type) == 0;
        }
        CHECK(seen == json_integer_value(count), name);
    }
}

static void test_vectors(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *manifest = read_manifest("tdx-eventlog");
    json_t *entry;
    size_t i;
    size_t checked = 0;

    (void)state;
    json_array_foreach (json_object_get(manifest, "cases"), i, entry) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer table_file = { 0 };
        CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
        const json_t *expected = json_object_get(entry, "expected");
        const char *name = json_string_value(json_object_get(entry, "id"));
        const json_t *values = json_object_get(expected, "rtmr");
        struct clo_ccel_table table;
        struct clo_error err;
        char path[512];
        bool is_json = !find_case_file("tdx-eventlog", entry, "ccel_data", path, sizeof path);
        CHECK(!is_json || find_case_file("tdx-eventlog", entry, "event_log", path, sizeof path),
              name);
        load(path, &file, &log);
        if (values == NULL)
            values = json_object_get(expected, "rtmr_replayed");
        if (values != NULL) {
            check_registers(log, values, name);
            checked++;
        }
        if (!is_json)
            check_counts(log, expected, name);
        if (find_case_file("tdx-eventlog", entry, "ccel_table", path, sizeof path)) {
            read_vector(path, &table_file);
            CHECK(clo_ccel_table_parse(clo_buffer_bytes(&table_file), &table, &err), name);
            CHECK(table.type == CLO_CC_TYPE_TDX && table.size >= file.size, name);
        }
    }
    CHECK(checked >= 11, "all but the one of SM3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_runtime_event),
        cmocka_unit_test(test_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
