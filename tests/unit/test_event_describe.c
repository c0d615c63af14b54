#include "eventlog_maker.h"
#include "test.h"

static void is_described(uint32_t type, struct clo_bytes data, const char *expected)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };
    const struct clo_event event = { .type = type, .data = data };

    clo_event_describe(&event, &out);
    const char *text = clo_buffer_string(&out);
    if (text == NULL || strcmp(text, expected) != 0)
        fail_msg("type 0x%x: \"%s\", not \"%s\"", type, text, expected);
}

static void test_names(void **state)
{
    static const struct {
        uint32_t type;
        const char *name;
    } cases[] = {
        { CLO_EV_NO_ACTION, "EV_NO_ACTION" },
        { CLO_EV_IPL, "EV_IPL" },
        { CLO_EV_EFI_BOOT_SERVICES_APPLICATION, "EV_EFI_BOOT_SERVICES_APPLICATION" },
        { CLO_EV_EFI_VARIABLE_AUTHORITY, "EV_EFI_VARIABLE_AUTHORITY" },
        { 0x800000e4, "EV_EFI_SPDM_DEVICE_AUTHORITY" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++)
        CHECK(strcmp(clo_event_type_name(cases[i].type), cases[i].name) == 0, cases[i].name);
    CHECK(clo_event_type_name(0x8401) == NULL, "an unknown one");
}

static void test_text(void **state)
{
    static const char wide[] = "r\0o\0o\0t\0=\0L\0\0\0";
    static const char hostile[] = "a\nb\x1b[2Jc";
    char long_text[1000];
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };

    (void)state;
    is_described(CLO_EV_ACTION, clo_bytes_text("Entering ROM Based Setup"),
                 "Entering ROM Based Setup");
    is_described(CLO_EV_IPL, clo_bytes(wide, sizeof wide - 1), "root=L");
    is_described(CLO_EV_IPL, clo_bytes(".linux\0", 7), ".linux");
    is_described(CLO_EV_SEPARATOR, clo_bytes("\0\0\0\0", 4), "00000000");
    is_described(CLO_EV_ACTION, clo_bytes("\x01\x02", 2), "0102");
    is_described(CLO_EV_ACTION, clo_bytes(NULL, 0), "");
    /* A control sequence is not text: it is shown as bytes. A line break is, and is made harmless. */
    is_described(CLO_EV_ACTION, clo_bytes(hostile, sizeof hostile - 1), "610a621b5b324a63");
    is_described(CLO_EV_ACTION, clo_bytes_text("a\nb"), "a?b");
    memset(long_text, 'x', sizeof long_text);
    const struct clo_event event = { .type = CLO_EV_ACTION,
                                     .data = clo_bytes(long_text, sizeof long_text) };
    clo_event_describe(&event, &out);
    CHECK(out.size == 299, "cut to one line's length");
    long_text[0] = 1;
    out.size = 0;
    clo_event_describe(&event, &out);
    CHECK(strstr(clo_buffer_string(&out), "… (1000 bytes)") != NULL, clo_buffer_string(&out));
}

static void variable(struct clo_buffer *out, const char *wide_name, size_t name_size,
                     struct clo_bytes value)
{
    clo_buffer_zero(out, 16);
    clo_buffer_le64(out, name_size / 2);
    clo_buffer_le64(out, value.size);
    clo_buffer_append(out, clo_bytes(wide_name, name_size));
    clo_buffer_append(out, value);
}

static void test_variables(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer list = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer two = { 0 };

    (void)state;
    variable(&data, "P\0K\0", 4, clo_bytes(NULL, 0));
    is_described(CLO_EV_EFI_VARIABLE_DRIVER_CONFIG, clo_buffer_bytes(&data), "PK: empty");
    data.size = 0;
    variable(&data, "S\0B\0", 4, clo_bytes("\x01", 1));
    is_described(CLO_EV_EFI_VARIABLE_DRIVER_CONFIG, clo_buffer_bytes(&data), "SB: 1");
    data.size = 0;
    variable(&data, "d\0b\0", 4, clo_bytes("12345", 5));
    is_described(CLO_EV_EFI_VARIABLE_DRIVER_CONFIG, clo_buffer_bytes(&data), "db: 5 bytes");
    is_described(CLO_EV_EFI_VARIABLE_BOOT,
                 clo_bytes_slice(clo_buffer_bytes(&data), 0, data.size - 1), "db: cut short");
    /* A list of one certificate of three bytes, UEFI 2.10 section 32.4.1. */
    clo_buffer_zero(&list, 16);
    clo_buffer_le32(&list, 28 + 19);
    clo_buffer_le32(&list, 0);
    clo_buffer_le32(&list, 19);
    clo_buffer_zero(&list, 19);
    data.size = 0;
    variable(&data, "d\0b\0", 4, clo_buffer_bytes(&list));
    is_described(CLO_EV_EFI_VARIABLE_DRIVER_CONFIG, clo_buffer_bytes(&data),
                 "db: 1 entry, 47 bytes");
    clo_buffer_append(&two, clo_buffer_bytes(&list));
    clo_buffer_append(&two, clo_buffer_bytes(&list));
    data.size = 0;
    variable(&data, "d\0b\0", 4, clo_buffer_bytes(&two));
    is_described(CLO_EV_EFI_VARIABLE_DRIVER_CONFIG, clo_buffer_bytes(&data),
                 "db: 2 entries, 94 bytes");
    /* What shim logs of its revocations; what is not a certificate stays a number of bytes. */
    static const char level[] = "S\0b\0a\0t\0L\0e\0v\0e\0l\0";
    data.size = 0;
    variable(&data, level, sizeof level - 1, clo_bytes_text("sbat,1,2025021800\nshim,4\ngrub,5\n"));
    is_described(CLO_EV_EFI_VARIABLE_AUTHORITY, clo_buffer_bytes(&data),
                 "SbatLevel: sbat,1,2025021800; shim,4; grub,5");
    data.size = 0;
    variable(&data, level, sizeof level - 1, clo_bytes_text("sbat;\n"));
    is_described(CLO_EV_EFI_VARIABLE_AUTHORITY, clo_buffer_bytes(&data), "SbatLevel: 6 bytes");
    /* Sizes that would leave the event. */
    data.size = 0;
    variable(&data, "d\0b\0", 4, clo_buffer_bytes(&two));
    memset(data.data + 16, 0xff, 16);
    data.size = 33;
    is_described(CLO_EV_EFI_VARIABLE_AUTHORITY, clo_buffer_bytes(&data),
                 "00000000000000000000000000000000ffffffffffffffffffffffffffffffff… (33 bytes)");
}

static void test_images(void **state)
{
    static const char path[] = "\\\0E\0F\0I\0\0\0";
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };

    (void)state;
    clo_buffer_zero(&data, 24);
    clo_buffer_le64(&data, 4 + sizeof path - 1 + 4);
    clo_buffer_u8(&data, 4);
    clo_buffer_u8(&data, 4);
    clo_buffer_le16(&data, 4 + sizeof path - 1);
    clo_buffer_append(&data, clo_bytes(path, sizeof path - 1));
    clo_buffer_append(&data, clo_bytes("\x7f\xff\x04\x00", 4));
    is_described(CLO_EV_EFI_BOOT_SERVICES_APPLICATION, clo_buffer_bytes(&data), "\\EFI");
    for (size_t size = 0; size < data.size; size++)
        is_described(CLO_EV_EFI_BOOT_SERVICES_APPLICATION,
                     clo_bytes_slice(clo_buffer_bytes(&data), 0, size), "image, cut short");
    data.data[33] = 6; /* PIWG firmware file: its GUID would be longer */
    is_described(CLO_EV_EFI_BOOT_SERVICES_DRIVER, clo_buffer_bytes(&data),
                 "image in memory (its path breaks off)");
    data.data[33] = 4;
    data.data[34] = 3; /* a node shorter than its header */
    is_described(CLO_EV_EFI_BOOT_SERVICES_DRIVER, clo_buffer_bytes(&data),
                 "image in memory (its path breaks off)");
    data.data[24] = 0; /* no path at all */
    is_described(CLO_EV_EFI_BOOT_SERVICES_DRIVER, clo_buffer_bytes(&data), "image in memory");
}

/* A header with its last sector and size of an entry, and `count` partitions. */
static void make_table(struct clo_buffer *out, uint64_t last, uint32_t entry_size, uint64_t claimed,
                       size_t count)
{
    clo_buffer_zero(out, 32);
    clo_buffer_le64(out, last);
    clo_buffer_zero(out, 44);
    clo_buffer_le32(out, entry_size);
    clo_buffer_zero(out, 4);
    clo_buffer_le64(out, claimed);
    for (size_t i = 0; i < count; i++) {
        size_t start = out->size;
        clo_buffer_zero(out, 32);
        clo_buffer_le64(out, 2048 + i * 100);
        clo_buffer_le64(out, 2147 + i * 100);
        clo_buffer_zero(out, 8);
        clo_buffer_append(out, i == 1 ? clo_bytes("r\0o\0\n\0", 6) : clo_bytes("e\0s\0p\0", 6));
        clo_buffer_zero(out, entry_size - (out->size - start));
        if (i == 2)
            memset(out->data + start + 56, 0, 6); /* no name */
    }
}

static void test_tables(void **state)
{
    static const struct {
        uint64_t last;
        uint32_t entry_size;
        uint64_t claimed;
        size_t count;
        const char *text;
    } cases[] = {
        { 65535, 128, 0, 0, "disk of 65536 sectors, 0 partitions" },
        { 65535, 128, 1, 1, "disk of 65536 sectors, 1 partitions: esp 2048-2147" },
        { 99, 256, 3, 3,
          "disk of 100 sectors, 3 partitions: esp 2048-2147, ro? 2148-2247, 2248-2347" },
        { 99, 128, 5, 5,
          "disk of 100 sectors, 5 partitions: esp 2048-2147, ro? 2148-2247, 2248-2347, esp "
          "2348-2447, …" },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
    char hex[100];

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        data.size = 0;
        make_table(&data, cases[i].last, cases[i].entry_size, cases[i].claimed, cases[i].count);
        is_described(CLO_EV_EFI_GPT_EVENT, clo_buffer_bytes(&data), cases[i].text);
    }
    /* More partitions than there are, an entry that is too short, and every truncation: as bytes. */
    data.size = 0;
    make_table(&data, 99, 128, 3, 2);
    snprintf(hex, sizeof hex, "%064d… (%zu bytes)", 0, data.size);
    is_described(CLO_EV_EFI_GPT_EVENT, clo_buffer_bytes(&data), hex);
    data.size = 0;
    make_table(&data, 99, 128, UINT64_MAX, 2);
    is_described(CLO_EV_EFI_GPT_EVENT, clo_buffer_bytes(&data), hex);
    data.data[84] = 64;
    data.data[92] = 1;
    is_described(CLO_EV_EFI_GPT_EVENT, clo_buffer_bytes(&data), hex);
    data.size = 0;
    make_table(&data, 99, 128, 2, 2);
    for (size_t size = 33; size < data.size; size++) {
        snprintf(hex, sizeof hex, "%064d… (%zu bytes)", 0, size);
        is_described(CLO_EV_EFI_GPT_EVENT, clo_bytes_slice(clo_buffer_bytes(&data), 0, size), hex);
    }
}

static void test_others(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };

    (void)state;
    clo_buffer_zero(&data, 92);
    is_described(CLO_EV_EFI_GPT_EVENT, clo_bytes_slice(clo_buffer_bytes(&data), 0, 3), "000000");
    clo_buffer_le64(&data, 0);
    is_described(CLO_EV_EFI_GPT_EVENT, clo_buffer_bytes(&data),
                 "0000000000000000000000000000000000000000000000000000000000000000… (100 bytes)");
    data.size = 0;
    clo_buffer_le32(&data, CLO_EVENT_TAG_LOAD_OPTIONS);
    clo_buffer_le32(&data, 3);
    clo_buffer_text(&data, "abc");
    is_described(CLO_EV_EVENT_TAG, clo_buffer_bytes(&data), "kernel command line");
    data.data[0] = 0xec;
    is_described(CLO_EV_EVENT_TAG, clo_buffer_bytes(&data), "kernel's initrd");
    data.data[0] = 0x01;
    is_described(CLO_EV_EVENT_TAG, clo_buffer_bytes(&data), "tag 0x8f3b2201 abc");
    data.data[4] = 4;
    is_described(CLO_EV_EVENT_TAG, clo_buffer_bytes(&data), "01223b8f04000000616263");
}

/* Does the log's data belong to its digest? */
static void test_measured(void **state)
{
    static const enum clo_hash bank = CLO_HASH_SHA256;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer boot = { 0 };
    variable(&boot, "B\0o\0", 4, clo_bytes_text("value"));
    const struct {
        const char *name;
        uint32_t type;
        struct clo_bytes measured, data;
        bool holds;
    } cases[] = {
        { "its data", CLO_EV_ACTION, clo_bytes_text("abc"), clo_bytes_text("abc"), true },
        { "other data", CLO_EV_ACTION, clo_bytes_text("abc"), clo_bytes_text("abd"), false },
        { "a boot loader's string without its NUL", CLO_EV_IPL, clo_bytes_text("abc"),
          clo_bytes("abc", 4), true },
        { "no boot loader's", CLO_EV_ACTION, clo_bytes_text("abc"), clo_bytes("abc", 4), false },
        { "GRUB's command line", CLO_EV_IPL, clo_bytes_text("quiet"),
          clo_bytes_text("kernel_cmdline: quiet"), true },
        { "and with its NUL", CLO_EV_IPL, clo_bytes_text("quiet"),
          clo_bytes("kernel_cmdline: quiet", 22), true },
        { "a variable's value", CLO_EV_EFI_VARIABLE_BOOT, clo_bytes_text("value"),
          clo_buffer_bytes(&boot), true },
        { "not of this type", CLO_EV_EFI_VARIABLE_BOOT2, clo_bytes_text("value"),
          clo_buffer_bytes(&boot), false },
        { "nothing", CLO_EV_IPL, clo_bytes_text("abc"), clo_bytes(NULL, 0), false },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer made = { 0 };
        CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
        struct clo_error err;
        log_header_sha256(&made);
        log_event_of(&made, 11, cases[i].type, &bank, 1, cases[i].measured, cases[i].data);
        CHECK(clo_eventlog_parse(clo_buffer_bytes(&made), &log, &err), cases[i].name);
        CHECK(clo_event_data_is_measured(clo_eventlog_at(log, 1), CLO_HASH_SHA256) ==
                      cases[i].holds,
              cases[i].name);
        CHECK(!clo_event_data_is_measured(clo_eventlog_at(log, 1), CLO_HASH_SHA384),
              "in a bank it is not in");
    }
}

static void test_boot_variables(void **state)
{
    static const char option[] = "\x01\0\0\0\x06\0U\0\0\0\x01\x01\x06\0\0\x04";
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };

    (void)state;
    variable(&data, "B\0o\0o\0t\0O\0r\0d\0e\0r\0", 18, clo_bytes("\1\0\x0b\0", 4));
    is_described(CLO_EV_EFI_VARIABLE_BOOT, clo_buffer_bytes(&data), "BootOrder: 0001 000B");
    is_described(CLO_EV_EFI_VARIABLE_DRIVER_CONFIG, clo_buffer_bytes(&data), "BootOrder: 4 bytes");
    data.size = 0;
    variable(&data, "B\0o\0o\0t\0\x30\0\x30\0\x30\0\x31\0", 16,
             clo_bytes(option, sizeof option - 1));
    is_described(CLO_EV_EFI_VARIABLE_BOOT2, clo_buffer_bytes(&data),
                 "Boot0001: \"U\" Pci(0x4,0x0)");
    data.size = 0;
    variable(&data, "B\0o\0o\0t\0\x30\0\x30\0\x30\0\x31\0", 16, clo_bytes(option, 8));
    is_described(CLO_EV_EFI_VARIABLE_BOOT, clo_buffer_bytes(&data), "Boot0001: 8 bytes");
}

static void test_tdx_firmware(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };

    (void)state;
    clo_buffer_u8(&data, 9);
    clo_buffer_append(&data, clo_bytes("TdxTable\0", 9));
    clo_buffer_le64(&data, 1);
    clo_buffer_zero(&data, 16);
    clo_buffer_le64(&data, 0x809000);
    is_described(CLO_EV_EFI_HANDOFF_TABLES2, clo_buffer_bytes(&data),
                 "TdxTable: 00000000-0000-0000-0000-000000000000 at 0x809000");
    is_described(CLO_EV_EFI_HANDOFF_TABLES2, clo_bytes_slice(clo_buffer_bytes(&data), 0, 3),
                 "095464");
    data.size = 0;
    clo_buffer_u8(&data, 2);
    clo_buffer_text(&data, "Fv");
    clo_buffer_le64(&data, 0xffe00000);
    clo_buffer_le64(&data, 0x20000);
    is_described(CLO_EV_EFI_PLATFORM_FIRMWARE_BLOB2, clo_buffer_bytes(&data),
                 "Fv: 0x20000 bytes at 0xffe00000");
    is_described(CLO_EV_EFI_PLATFORM_FIRMWARE_BLOB2,
                 clo_bytes_slice(clo_buffer_bytes(&data), 0, 18),
                 "0246760000e0ff0000000000000200000000");
    is_described(CLO_EV_PLATFORM_CONFIG_FLAGS, clo_bytes("td_hob\0\0\1\2", 10), "td_hob");
    is_described(CLO_EV_PLATFORM_CONFIG_FLAGS, clo_bytes("\1\2\3\0", 4), "01020300");
    is_described(0x08000001, clo_bytes("\1\0\0\x08:app-id:\x37\x01", 14), "app-id: 3701");
    is_described(0x08000001, clo_bytes("\1\0\0\x08:ready:", 11), "ready");
    is_described(0x08000001, clo_bytes("\1\0\0", 3), "010000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),          cmocka_unit_test(test_text),
        cmocka_unit_test(test_variables),      cmocka_unit_test(test_images),
        cmocka_unit_test(test_tables),         cmocka_unit_test(test_others),
        cmocka_unit_test(test_boot_variables), cmocka_unit_test(test_tdx_firmware),
        cmocka_unit_test(test_measured),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
