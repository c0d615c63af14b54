#include "cloister/pcr.h"

#include "eventlog_maker.h"
#include "vectors.h"

static void is_value(const struct clo_pcr_bank *bank, unsigned pcr, const char *hex,
                     const char *name)
{
    char text[2 * CLO_HASH_SIZE_MAX + 1];

    clo_hex_text(clo_digest_bytes(&bank->values[pcr]), text);
    if (strcmp(text, hex) != 0)
        fail_msg("%s: PCR %u is %s, not %s", name, pcr, text, hex);
}

static void test_reset(void **state)
{
    struct clo_pcr_bank bank;

    (void)state;
    clo_pcr_reset(&bank, CLO_HASH_SHA384);
    for (unsigned i = 0; i < CLO_PCR_COUNT; i++)
        CHECK(clo_bytes_all(clo_digest_bytes(&bank.values[i]), i >= 17 && i <= 22 ? 0xff : 0),
              "17 to 22 begin with ones");
    CHECK(bank.touched == 0 && bank.hash == CLO_HASH_SHA384, "untouched");
}

/* SHA-256(32 zeros || SHA-256("abc")), by sha256sum. */
static void test_extend(void **state)
{
    struct clo_pcr_bank bank;

    (void)state;
    clo_pcr_reset(&bank, CLO_HASH_SHA256);
    clo_pcr_measure(&bank, 11, clo_bytes_text("abc"));
    is_value(&bank, 11, "589f9ffed4c477966bfb8d41f37895b08c69047df8f911d6f3b57fbe08faee8d", "abc");
    CHECK(bank.touched == 1U << 11, "touched");
}

static void test_replay(void **state)
{
    static const enum clo_hash banks[] = { CLO_HASH_SHA1, CLO_HASH_SHA256 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    struct clo_pcr_bank bank;
    struct clo_error err;

    (void)state;
    log_header(&made, banks, 2);
    log_event_of(&made, 0, CLO_EV_NO_ACTION, banks, 2, clo_bytes("", 0),
                 clo_bytes("StartupLocality\0\x03", 17));
    log_event_of(&made, 11, CLO_EV_IPL, banks, 2, clo_bytes_text("abc"), clo_bytes_text("abc"));
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&made), &log, &err), "parse");
    CHECK(clo_eventlog_startup_locality(log) == 3, "locality");
    CHECK(clo_eventlog_replay(log, CLO_HASH_SHA256, &bank, &err), err.text);
    is_value(&bank, 11, "589f9ffed4c477966bfb8d41f37895b08c69047df8f911d6f3b57fbe08faee8d", "abc");
    CHECK(bank.touched == 1U << 11, "what takes no action extends nothing");
    CHECK(bank.values[0].bytes[31] == 3 && clo_bytes_all(clo_bytes(bank.values[0].bytes, 31), 0),
          "PCR 0 begins with the locality");
    CHECK(clo_eventlog_replay(log, CLO_HASH_SHA1, &bank, &err), err.text);
    CHECK(bank.hash == CLO_HASH_SHA1 && bank.values[0].bytes[19] == 3, "the other bank");
    CHECK(!clo_eventlog_replay(log, CLO_HASH_SHA384, &bank, &err), "a bank it has not");
    CHECK(strcmp(err.text, "event 2: no sha384 digest") == 0, err.text);
    CHECK(!clo_eventlog_replay(log, CLO_HASH_NONE, &bank, &err), "no bank");
    CHECK(strcmp(err.text, "event log: unknown hash") == 0, err.text);
}

static void test_no_such_register(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    struct clo_pcr_bank bank;
    struct clo_error err;

    (void)state;
    log_header_sha256(&made);
    log_event(&made, CLO_PCR_COUNT, CLO_EV_IPL, clo_bytes_text("x"));
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&made), &log, &err), "parse");
    CHECK(!clo_eventlog_replay(log, CLO_HASH_SHA256, &bank, &err), "PCR 24");
    CHECK(err.status == CLO_ERR_FORMAT && strcmp(err.text, "event 1: PCR 24") == 0, err.text);
}

/* --- The shared vectors: every register of every log --- */

static void same_values(const json_t *expected, const char *name, const struct clo_eventlog *log)
{
    const char *algorithm;
    json_t *values;

    json_object_foreach ((json_t *)(uintptr_t)expected, algorithm, values) {
        struct clo_pcr_bank bank;
        struct clo_error err;
        const char *number;
        json_t *value;
        enum clo_hash hash = clo_hash_from_name(algorithm);
        if (hash == CLO_HASH_NONE)
            continue; /* SM3 */
        bool ok = clo_eventlog_replay(log, hash, &bank, &err);
        if (ok != (json_object_size(values) > 0))
            fail_msg("%s: %s: %s", name, algorithm, ok ? "replays" : err.text);
        if (!ok) /* a bank that the log names, and its events lack */
            continue;
        uint32_t touched = 0;
        json_object_foreach (values, number, value) {
            unsigned pcr = (unsigned)strtoul(number, NULL, 10);
            is_value(&bank, pcr, json_string_value(value), name);
            touched |= 1U << pcr;
        }
        CHECK(bank.touched == touched, name);
    }
}

static struct clo_eventlog *read_log(const char *family, const json_t *entry, const char *prefix,
                                     struct clo_buffer *file)
{
    struct clo_eventlog *log;
    struct clo_error err;
    char path[512];

    CHECK(find_case_file(family, entry, prefix, path, sizeof path), prefix);
    read_vector(path, file);
    if (!clo_eventlog_parse(clo_buffer_bytes(file), &log, &err))
        fail_msg("%s: %s", path, err.text);
    return log;
}

static void test_vectors(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *manifest = read_manifest("tpm");
    size_t tried = 0;
    size_t i;
    json_t *entry;

    (void)state;
    json_array_foreach (json_object_get(manifest, "cases"), i, entry) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        const json_t *pcrs = json_object_get(json_object_get(entry, "expected"), "pcrs");
        if (pcrs == NULL)
            continue;
        CLO_CLEANUP(clo_eventlog_freep)
        struct clo_eventlog *log = read_log("tpm", entry, "eventlog.bin", &file);
        same_values(pcrs, json_string_value(json_object_get(entry, "id")), log);
        tried++;
    }
    CHECK(tried > 20, "the manifest has its cases");
}

static void test_ccel_vectors(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *manifest = read_manifest("tdx-eventlog");
    size_t tried = 0;
    size_t i;
    json_t *entry;

    (void)state;
    json_array_foreach (json_object_get(manifest, "cases"), i, entry) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
        const char *name = json_string_value(json_object_get(entry, "id"));
        const json_t *registers = json_object_get(json_object_get(entry, "expected"), "rtmr");
        struct clo_pcr_bank bank;
        struct clo_error err;
        size_t k;
        json_t *value;
        if (registers == NULL)
            continue;
        CLO_CLEANUP(clo_eventlog_freep)
        struct clo_eventlog *log = read_log("tdx-eventlog", entry, "ccel_data.bin", &file);
        CHECK(clo_eventlog_replay(log, CLO_HASH_SHA384, &bank, &err), name);
        json_array_foreach (registers, k, value)
            is_value(&bank, (unsigned)k + 1, json_string_value(value), name);
        tried++;
    }
    CHECK(tried > 8, "the manifest has its cases");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reset),   cmocka_unit_test(test_extend),
        cmocka_unit_test(test_replay),  cmocka_unit_test(test_no_such_register),
        cmocka_unit_test(test_vectors), cmocka_unit_test(test_ccel_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
