#include "cloister/event_fields.h"

#include "vectors.h"

/* The event's SHA-256 is that of `measured`: what a digest covers shows in the fields. */
static void is_decoded(uint32_t type, struct clo_bytes data, struct clo_bytes measured,
                       const char *expected)
{
    struct clo_digest digest;
    uint8_t raw[2 + 32] = { 0x0b, 0x00 };
    struct clo_event event = { .type = type, .data = data, .digests = clo_bytes(raw, sizeof raw) };

    clo_hash(CLO_HASH_SHA256, measured, &digest);
    memcpy(raw + 2, digest.bytes, 32);
    CLO_CLEANUP(clo_json_freep) json_t *fields = clo_event_fields(&event, CLO_HASH_SHA256);
    CLO_CLEANUP(clo_freep) char *text = json_dumps(fields, JSON_COMPACT | JSON_SORT_KEYS);
    if (text == NULL || strcmp(text, expected) != 0)
        fail_msg("type 0x%x: %s, not %s", type, text, expected);
}

static void test_simple(void **state)
{
    static const struct clo_bytes none = { 0 };
    static const struct {
        uint32_t type;
        const char *data;
        size_t size;
        const char *expected;
    } cases[] = {
        { CLO_EV_SEPARATOR, "\0\0\0\0", 4,
          "{\"meaning\":{\"covered\":true,\"value\":\"end of the firmware's part\"},"
          "\"value\":{\"covered\":true,\"value\":\"00000000\"}}" },
        { CLO_EV_SEPARATOR, "\1\0\0\0", 4,
          "{\"meaning\":{\"covered\":true,\"value\":\"an error\"},"
          "\"value\":{\"covered\":true,\"value\":\"01000000\"}}" },
        { CLO_EV_SEPARATOR, "\xff\xff\xff\xff", 4,
          "{\"meaning\":{\"covered\":true,\"value\":\"end of the firmware's part\"},"
          "\"value\":{\"covered\":true,\"value\":\"ffffffff\"}}" },
        { CLO_EV_SEPARATOR, "\2\0\0\0", 4,
          "{\"meaning\":{\"covered\":true,\"value\":\"unknown\"},"
          "\"value\":{\"covered\":true,\"value\":\"02000000\"}}" },
        { CLO_EV_SEPARATOR, "\0\0\0", 3,
          "{\"meaning\":{\"covered\":true,\"value\":\"unknown\"},"
          "\"value\":{\"covered\":true,\"value\":\"000000\"}}" },
        { CLO_EV_SEPARATOR, "\1\0\0\0\0", 5,
          "{\"meaning\":{\"covered\":true,\"value\":\"unknown\"},"
          "\"value\":{\"covered\":true,\"value\":\"0100000000\"}}" },
        { CLO_EV_EFI_ACTION, "Exit Boot Services Invocation", 29,
          "{\"text\":{\"covered\":true,\"value\":\"Exit Boot Services Invocation\"}}" },
        { CLO_EV_IPL, "grub_cmd: set x=1", 17,
          "{\"kind\":{\"covered\":false,\"value\":\"grub_cmd\"},"
          "\"text\":{\"covered\":true,\"value\":\"set x=1\"}}" },
        { CLO_EV_IPL, "kernel_cmdline: /vmlinuz ro", 27,
          "{\"kind\":{\"covered\":false,\"value\":\"kernel_cmdline\"},"
          "\"text\":{\"covered\":true,\"value\":\"/vmlinuz ro\"}}" },
        { CLO_EV_IPL, "module_cmdline: /initrd", 23,
          "{\"kind\":{\"covered\":false,\"value\":\"module_cmdline\"},"
          "\"text\":{\"covered\":true,\"value\":\"/initrd\"}}" },
        { CLO_EV_IPL, "other_cmd: set x=1", 18,
          "{\"text\":{\"covered\":true,\"value\":\"other_cmd: set x=1\"}}" },
        { CLO_EV_IPL, "grub_cmd", 8, "{\"text\":{\"covered\":true,\"value\":\"grub_cmd\"}}" },
        { CLO_EV_S_CRTM_VERSION, "\1\2\3", 3,
          "{\"version\":{\"covered\":true,\"value\":\"010203\"}}" },
        { CLO_EV_S_CRTM_VERSION, "1.2", 3, "{\"version\":{\"covered\":true,\"value\":\"1.2\"}}" },
        { CLO_EV_NO_ACTION, "StartupLocality\0\3\0", 18,
          "{\"bytes\":{\"covered\":false,\"value\":\"0300\"},"
          "\"signature\":{\"covered\":false,\"value\":\"StartupLocality\"}}" },
        { CLO_EV_NO_ACTION, "Another of ours\0", 16,
          "{\"signature\":{\"covered\":false,\"value\":\"Another of ours\"}}" },
        { CLO_EV_NO_ACTION, "\1\2", 2, "{\"bytes\":{\"covered\":false,\"value\":\"0102\"}}" },
        { CLO_EV_S_CRTM_VERSION, "\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b",
          16,
          "{\"version\":{\"covered\":true,\"value\":\"c12a7328-f81f-11d2-ba4b-00a0c93ec93b\"}}" },
        { 0x8401, "\1\2", 2, "{\"bytes\":{\"covered\":true,\"value\":\"0102\"}}" },
        { CLO_EV_NO_ACTION, "StartupLocality\0\3", 17,
          "{\"locality\":{\"covered\":false,\"value\":3},"
          "\"signature\":{\"covered\":false,\"value\":\"StartupLocality\"}}" },
        { CLO_EV_EVENT_TAG, "\xdb\xd6\xae\x13\4\0\0\0001\0\0\0", 12,
          "{\"content\":{\"covered\":true,\"value\":\"1\"},"
          "\"tag\":{\"covered\":true,\"value\":\"0x13aed6db\"},"
          "\"tag_name\":{\"covered\":true,\"value\":\"systemd: profile of the UKI\"}}" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++)
        is_decoded(cases[i].type, clo_bytes(cases[i].data, cases[i].size),
                   clo_bytes(cases[i].data, cases[i].size), cases[i].expected);
    /* systemd-boot's command line, without the last byte of what was hashed. */
    is_decoded(CLO_EV_IPL, clo_bytes("r\0w\0\0", 5), clo_bytes("r\0w\0\0\0", 6),
               "{\"text\":{\"covered\":true,\"value\":\"rw\"}}");
    is_decoded(CLO_EV_IPL, clo_bytes("r\0w\0\0", 5), none,
               "{\"text\":{\"covered\":false,\"value\":\"rw\"}}");
    is_decoded(CLO_EV_EFI_ACTION, clo_bytes_text("a hint"), none,
               "{\"text\":{\"covered\":false,\"value\":\"a hint\"}}");
}

static void put_variable(struct clo_buffer *out, const char *name, struct clo_bytes value)
{
    struct clo_error err;
    struct clo_guid vendor;

    CHECK(clo_guid_read("8be4df61-93ca-11d2-aa0d-00e098032b8c", &vendor, &err), err.text);
    clo_buffer_guid(out, &vendor);
    clo_buffer_le64(out, strlen(name));
    clo_buffer_le64(out, value.size);
    CHECK(clo_utf16_write(name, out, &err), err.text);
    clo_buffer_append(out, value);
}

#define VENDOR "8be4df61-93ca-11d2-aa0d-00e098032b8c"

/* Where only the value was hashed, the name next to it is a hint. */
static void test_variables(void **state)
{
    static const struct {
        const char *name, *value;
        size_t size;
        bool is_value_alone;
        const char *data; /* as JSON */
    } cases[] = {
        { "SecureBoot", "\1", 1, false, "1" },
        { "BootOrder", "\1\0\x0a\0", 4, true, "[\"Boot0001\",\"Boot000A\"]" },
        { "Boot0001", "\1\0\0\0\4\0U\0I\0\0\0\x7f\xff\4\0@\0001\0\0\0", 22, false,
          "{\"active\":true,\"description\":\"UI\",\"options\":\"@1\",\"path\":\"\"}" },
        { "Boot0002", "\1\0", 2, false, "\"0100\"" },
        { "PK", "", 0, false, "\"\"" },
        { "Lang", "eng", 3, false, "\"eng\"" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
        char expected[600];
        struct clo_bytes value = clo_bytes(cases[i].value, cases[i].size);
        put_variable(&data, cases[i].name, value);
        const char *covered = cases[i].is_value_alone ? "false" : "true";
        snprintf(expected, sizeof expected,
                 "{\"data\":{\"covered\":true,\"value\":%s},"
                 "\"variable\":{\"covered\":%s,\"value\":\"%s\"},"
                 "\"vendor\":{\"covered\":%s,\"value\":\"" VENDOR "\"}}",
                 cases[i].data, covered, cases[i].name, covered);
        is_decoded(CLO_EV_EFI_VARIABLE_BOOT, clo_buffer_bytes(&data),
                   cases[i].is_value_alone ? value : clo_buffer_bytes(&data), expected);
    }
}

/* An image's digest is the image's: everything in the event is a hint. */
static void test_image(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };

    (void)state;
    clo_buffer_le64(&data, 0x1000);
    clo_buffer_le64(&data, 12);
    clo_buffer_le64(&data, 0);
    clo_buffer_le64(&data, 10);
    clo_buffer_append(&data, clo_bytes("\4\4\x0a\0\\\0a\0\0\0", 10));
    is_decoded(CLO_EV_EFI_BOOT_SERVICES_APPLICATION, clo_buffer_bytes(&data),
               clo_bytes_text("the image"),
               "{\"address\":{\"covered\":false,\"value\":\"0x1000\"},"
               "\"device_path\":{\"covered\":false,\"value\":\"\\\\a\"},"
               "\"link_time_address\":{\"covered\":false,\"value\":\"0x0\"},"
               "\"size\":{\"covered\":false,\"value\":12}}");
}

/* --- The shared vectors --- */

static const json_t *field(const json_t *fields, const char *name)
{
    return json_object_get(json_object_get(fields, name), "value");
}

/* A log may have none but digests that we cannot make (SM3): then nothing is covered, and all is read. */
static void test_no_bank(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer variable = { 0 };
    struct clo_event events[] = {
        { .type = CLO_EV_EFI_VARIABLE_DRIVER_CONFIG },
        { .type = CLO_EV_EVENT_TAG, .data = clo_bytes("\xdb\xd6\xae\x13\1\0\0\0x", 9) },
    };

    (void)state;
    put_variable(&variable, "SecureBoot", clo_bytes("\1", 1));
    events[0].data = clo_buffer_bytes(&variable);
    for (size_t i = 0; i < CLO_COUNT(events); i++) {
        events[i].digests = clo_bytes("\x12\0"
                                      "0123456789abcdef0123456789abcdef",
                                      34);
        CLO_CLEANUP(clo_json_freep) json_t *fields = clo_event_fields(&events[i], CLO_HASH_NONE);
        const char *name;
        json_t *value;
        CHECK(json_object_size(fields) >= 3, "nothing was read");
        json_object_foreach (fields, name, value)
            CHECK(!json_is_true(json_object_get(value, "covered")), name);
    }
}

/* Real logs: the variables, images and tables in them are all read, and say what the manifest says. */
static void look_at(const json_t *entry, size_t *seen)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    const char *id = json_string_value(json_object_get(entry, "id"));
    const json_t *expected = json_object_get(entry, "expected");
    const json_t *secure_boot = json_object_get(expected, "secure_boot_variable");
    struct clo_error err;
    char path[256];

    if (!find_case_file("tpm", entry, "eventlog.bin", path, sizeof path) ||
        json_object_get(expected, "pcrs") == NULL)
        return;
    read_vector(path, &file);
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&file), &log, &err), id);
    for (size_t i = 0; i < clo_eventlog_count(log); i++) {
        const struct clo_event *event = clo_eventlog_at(log, i);
        CLO_CLEANUP(clo_json_freep)
        json_t *fields = clo_event_fields(event, clo_eventlog_algorithm(log, 0));
        CHECK(json_object_size(fields) > 0, id);
        bool is_variable = event->type == CLO_EV_EFI_VARIABLE_DRIVER_CONFIG;
        CHECK(!is_variable || json_is_string(field(fields, "variable")), id);
        CHECK(event->type != CLO_EV_EFI_GPT_EVENT || json_array_size(field(fields, "partitions")),
              id);
        if (is_variable && json_string_length(secure_boot) == 2 &&
            strcmp(json_string_value(field(fields, "variable")), "SecureBoot") == 0)
            CHECK(json_integer_value(field(fields, "data")) ==
                          json_string_value(secure_boot)[1] - '0',
                  id);
    }
    ++*seen;
}

static void test_vectors(void **state)
{
    CLO_CLEANUP(clo_json_freep) json_t *manifest = read_manifest("tpm");
    size_t seen = 0;
    size_t i;
    json_t *entry;

    (void)state;
    json_array_foreach (json_object_get(manifest, "cases"), i, entry)
        look_at(entry, &seen);
    CHECK(seen > 15, "logs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_simple),  cmocka_unit_test(test_variables),
        cmocka_unit_test(test_image),   cmocka_unit_test(test_no_bank),
        cmocka_unit_test(test_vectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
