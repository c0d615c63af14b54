/* Each register against what its documents say, worked out here a second time from single extends; and
 * RTMR 0 of a real guest, whose quote shows it. */
#include <unistd.h>

#include "cloister/authenticode.h"
#include "cloister/ccel.h"
#include "cloister/efivar.h"
#include "cloister/reference.h"
#include "lib/base/put.h"
#include "lib/disk/gpt.h"
#include "lib/launch/direct_boot.h"

#include "eventlog_maker.h"
#include "firmware_maker.h"
#include "tdvf_maker.h"
#include "uki_maker.h"
#include "vectors.h"

#define VARS "/usr/share/OVMF/OVMF_VARS_4M.fd"

/* But for the kernel. */
static const struct clo_uki_parts parts = {
    .osrel = { (const uint8_t *)"ID=x", 4 },
    .cmdline = { (const uint8_t *)"quiet", 5 },
    .initrd = { (const uint8_t *)"an initrd", 9 },
};

static const enum clo_hash sha384 = CLO_HASH_SHA384;

static struct clo_reference *predict(const struct clo_tdx_prediction *from)
{
    struct clo_reference *reference;
    struct clo_error err;

    if (!clo_reference_predict_tdx(from, &reference, &err))
        fail_msg("%s", err.text);
    return reference;
}

static void is_value(const struct clo_reference *reference, unsigned n,
                     const struct clo_pcr_bank *bank, const char *name)
{
    struct clo_digest value;

    CHECK(clo_reference_value(reference, CLO_HASH_SHA384, CLO_REGISTER_RTMR(n), "", &value), name);
    CHECK(clo_digest_equal(&value, &bank->values[n]), name);
}

static const char *reason(const struct clo_reference *reference, const char *reg)
{
    const json_t *tdx = json_object_get(clo_reference_json(reference), "tdx");
    const char *text =
            json_string_value(json_object_get(json_object_get(tdx, "not_predicted"), reg));

    return text == NULL ? "" : text;
}

static void extend_text(struct clo_pcr_bank *bank, unsigned n, const char *text)
{
    clo_pcr_measure(bank, n, clo_bytes_text(text));
}

static void extend_zeros(struct clo_pcr_bank *bank, unsigned n)
{
    clo_pcr_measure(bank, n, clo_bytes("\0\0\0\0", 4));
}

static void extend_wide(struct clo_pcr_bank *bank, unsigned n, const char *text)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wide = { 0 };
    struct clo_error err;

    CHECK(clo_utf16_write(text, &wide, &err), text);
    clo_buffer_le16(&wide, 0);
    clo_pcr_measure(bank, n, clo_buffer_bytes(&wide));
}

static void extend_image(struct clo_pcr_bank *bank, unsigned n, struct clo_bytes image)
{
    CLO_CLEANUP(clo_freep) struct clo_pe *pe = malloc(sizeof *pe);
    struct clo_digest digest;
    struct clo_error err;

    CHECK(clo_pe_parse(image, pe, &err), err.text);
    CHECK(clo_authenticode_digest(pe, CLO_HASH_SHA384, &digest, &err), err.text);
    clo_pcr_extend(bank, n, &digest);
}

/* --- A real guest: dstack's, whose quote shows RTMR 0 --- */

/* Its firmware's parts, with Debian's variable store, which is the same as its own. */
/* With `more` after its code, as real images have their packed volumes. */
static void make_ovmf_4m_with(struct clo_bytes more, struct clo_buffer *out)
{
    static const struct tdvf_item items[] = {
        { 0x84000, 0x2000, 0xffffe000, 0x2000, CLO_TDVF_BFV, CLO_TDVF_MR_EXTEND },
        { 0, 0x84000, 0xffc00000, 0x84000, CLO_TDVF_CFV, 0 },
        { 0, 0, 0x810000, 0x10000, CLO_TDVF_TEMP_MEM, 0 },
        { 0, 0, 0x80b000, 0x2000, CLO_TDVF_TEMP_MEM, 0 },
        { 0, 0, 0x809000, 0x2000, CLO_TDVF_TD_HOB, 0 },
        { 0, 0, 0x800000, 0x6000, CLO_TDVF_TEMP_MEM, 0 },
    };
    const struct tdvf_head head = { "TDVF", 0, 1, CLO_COUNT(items) };
    struct clo_error err;

    if (access(VARS, R_OK) != 0) {
        print_message("SKIP: %s is absent\n", VARS);
        skip();
    }
    if (!clo_file_read(VARS, CLO_FILE_LIMIT, out, &err))
        fail_msg("%s", err.text);
    clo_buffer_zero(out, 0x2000);
    clo_buffer_append(out, more);
    tdvf_finish(&head, items, CLO_COUNT(items), out);
}

/* Of an edition before 2025.05: its volumes unpack, and hold nothing new. */
static void make_ovmf_4m(struct clo_buffer *out)
{
    static const struct clo_guid module = { { 0x21, 0xaa, 0x2c, 0x46 } };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer dxe = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer volume = { 0 };

    volume_begin(&dxe);
    volume_file(&dxe, &module, 0x07, clo_bytes_text("a module"));
    volume_end(&dxe, 0x1000);
    make_firmware(0, clo_buffer_bytes(&dxe), clo_buffer_bytes(&dxe), &volume);
    make_ovmf_4m_with(clo_buffer_bytes(&volume), out);
}

static size_t count_given(const struct clo_reference *reference, unsigned n, const char *type)
{
    struct clo_reference_event event;
    size_t count = 0;

    for (size_t i = 0; clo_reference_event_at(reference, CLO_REGISTER_RTMR(n), "", i, &event); i++)
        count += event.given != NULL && (type == NULL || strcmp(event.type, type) == 0);
    return count;
}

static void test_real_guest(void **state)
{
    static const char expected[] =
            "2e3843265f8ecdd4e2282694747f6f2f111605c33f2a8882f5734ee6f3a6ce63"
            "d8f34aeef06093dcda76fa5f9d33d8d6";
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer firmware = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer json = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    struct clo_digest value;
    struct clo_error err;

    (void)state;
    read_vector("tdx-eventlog/dstack-json-log/event_log.json", &json);
    make_ovmf_4m(&firmware);
    CHECK(clo_ccel_from_json(clo_buffer_bytes(&json), &file, &err), err.text);
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&file), &log, &err), err.text);
    struct clo_tdx_prediction from = { .name = "dstack",
                                       .firmware = clo_buffer_bytes(&firmware),
                                       .memory = (uint64_t)64 << 30,
                                       .given = log };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&from);
    CHECK(clo_reference_value(reference, CLO_HASH_SHA384, CLO_REGISTER_RTMR(0), "", &value), "0");
    clo_hex_text(clo_digest_bytes(&value), hex);
    CHECK(strcmp(hex, expected) == 0, hex);
    CHECK(count_given(reference, 0, NULL) == 3, "all but the ACPI tables is predicted");
    CHECK(count_given(reference, 0, "EV_PLATFORM_CONFIG_FLAGS") == 3, "the ACPI tables are given");
    /* The memory's size is found from the log, where it is not given. */
    from.memory = 0;
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *found = predict(&from);
    struct clo_reference_event event;
    CHECK(count_given(found, 0, NULL) == 3, "found");
    CHECK(clo_reference_event_at(found, CLO_REGISTER_RTMR(0), "", 0, &event) &&
                  strcmp(event.text, "65536 MiB of memory") == 0,
          "found");
    /* Of another size the guest is another one. */
    from.memory = (uint64_t)32 << 30;
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *other = predict(&from);
    CHECK(clo_reference_value(other, CLO_HASH_SHA384, CLO_REGISTER_RTMR(0), "", &value), "0");
    clo_hex_text(clo_digest_bytes(&value), hex);
    CHECK(strcmp(hex, expected) != 0, "memory");
}

/* --- Direct boot --- */

/* A PE image that is a bzImage too: the header's fields lie in its DOS stub. */
static void make_kernel(struct clo_buffer *out, const char *release)
{
    static const struct pe_section sections[] = { { ".text", { (const uint8_t *)"code", 4 } } };

    pe_make(out, sections, CLO_COUNT(sections));
    clo_buffer_zero(out, 0x3000 - out->size);
    memcpy(out->data + 0x202, "HdrS", 4);
    clo_put_le16(out->data + 0x206, 0x20f);
    clo_put_le16(out->data + 0x20e, (uint16_t)(0x2000 - 0x200));
    out->data[0x1f1] = 3;
    out->data[0x211] = 1;
    clo_put_le16(out->data + 0x236, 0x7f);
    memcpy(out->data + 0x2000, release, strlen(release) + 1);
}

struct direct {
    struct clo_buffer firmware, kernel;
    struct clo_tdx_prediction from;
};

static void direct_free(struct direct *direct)
{
    clo_buffer_free(&direct->firmware);
    clo_buffer_free(&direct->kernel);
}

static void direct_make(struct direct *direct, const char *release)
{
    make_ovmf_4m(&direct->firmware);
    make_kernel(&direct->kernel, release);
    direct->from = (struct clo_tdx_prediction){ .name = "direct",
                                                .firmware = clo_buffer_bytes(&direct->firmware),
                                                .memory = (uint64_t)2 << 30,
                                                .kernel = clo_buffer_bytes(&direct->kernel),
                                                .initrd = clo_bytes_text("an initrd"),
                                                .cmdline = "ro",
                                                .acpi_loader = clo_bytes_text("loader"),
                                                .acpi_rsdp = clo_bytes_text("rsdp"),
                                                .acpi_tables = clo_bytes_text("tables") };
}

static void extend_variable(struct clo_pcr_bank *bank, const struct clo_guid *vendor,
                            const char *name, struct clo_bytes value)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
    struct clo_error err;

    clo_buffer_guid(&data, vendor);
    clo_buffer_le64(&data, strlen(name));
    clo_buffer_le64(&data, value.size);
    CHECK(clo_utf16_write(name, &data, &err), name);
    clo_buffer_append(&data, value);
    clo_pcr_measure(bank, 0, clo_buffer_bytes(&data));
}

/* What the coco-ccel_data_ovmf log shows, in its order. */
static void extend_firmware(struct clo_pcr_bank *bank, const struct direct *direct,
                            struct clo_bytes secure_boot)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer hob = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer entry = { 0 };
    struct clo_tdvf tdvf;
    struct clo_error err;
    struct clo_bytes none = { 0 };

    CHECK(clo_tdvf_parse(direct->from.firmware, &tdvf, &err), err.text);
    CHECK(clo_tdvf_hob(&tdvf, direct->from.memory, &hob, &err), err.text);
    clo_pcr_measure(bank, 0, clo_buffer_bytes(&hob));
    clo_pcr_measure(bank, 0, clo_bytes(direct->firmware.data, 0x84000));
    extend_variable(bank, &clo_guid_global_variable, "SecureBoot", secure_boot);
    extend_variable(bank, &clo_guid_global_variable, "PK", none);
    extend_variable(bank, &clo_guid_global_variable, "KEK", none);
    extend_variable(bank, &clo_guid_image_security, "db", none);
    extend_variable(bank, &clo_guid_image_security, "dbx", none);
    extend_zeros(bank, 0);
    extend_text(bank, 0, "loader");
    extend_text(bank, 0, "rsdp");
    extend_text(bank, 0, "tables");
    clo_pcr_measure(bank, 0, clo_bytes("\0\0", 2));
    from_hex("09010000 2c00 55006900410070007000 0000 04071400 c9bdb87cebf8344faaea3ee4af6516a1"
             "04061400 21aa2c4614760345836e8ab6f4662331 7fff0400",
             &entry);
    clo_pcr_measure(bank, 0, clo_buffer_bytes(&entry));
}

static void extend_started(struct clo_pcr_bank *bank, const struct direct *direct, bool separator)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer patched = { 0 };
    const struct clo_direct_boot boot = { .kernel = direct->from.kernel,
                                          .initrd_size = direct->from.initrd.size,
                                          .memory = direct->from.memory,
                                          .cmdline = direct->from.cmdline };
    struct clo_error err;

    if (direct->from.is_header_unchanged)
        clo_buffer_append(&patched, direct->from.kernel);
    else
        CHECK(clo_direct_boot_kernel(&boot, &patched, &err), err.text);
    extend_image(bank, 1, clo_buffer_bytes(&patched));
    extend_text(bank, 1, "Calling EFI Application from Boot Option");
    if (separator)
        extend_zeros(bank, 1);
    extend_text(bank, 1, "Exit Boot Services Invocation");
    extend_text(bank, 1, "Exit Boot Services Returned with Success");
}

static void test_direct_boot(void **state)
{
    static const struct {
        const char *name;
        bool separator_in_rtmr0, unchanged, absent;
    } cases[] = {
        { "as of today", false, false, false },
        { "separator in RTMR 0", true, false, false },
        { "QEMU leaves the kernel alone", false, true, false },
        { "firmware without Secure Boot", false, false, true },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(direct_free) struct direct direct = { 0 };
        struct clo_pcr_bank bank;
        uint8_t off = 0;
        direct_make(&direct, "6.12.0 (x)");
        direct.from.is_separator_in_rtmr0 = cases[i].separator_in_rtmr0;
        direct.from.is_header_unchanged = cases[i].unchanged;
        direct.from.is_secure_boot_absent = cases[i].absent;
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&direct.from);
        clo_pcr_reset(&bank, CLO_HASH_SHA384);
        extend_firmware(&bank, &direct, clo_bytes(&off, cases[i].absent ? 0 : 1));
        if (cases[i].separator_in_rtmr0)
            extend_zeros(&bank, 0);
        extend_started(&bank, &direct, !cases[i].separator_in_rtmr0);
        extend_wide(&bank, 2, "ro initrd=initrd");
        extend_text(&bank, 2, "an initrd");
        for (unsigned n = 0; n < 4; n++)
            is_value(reference, n, &bank, cases[i].name);
    }
}

/* Editions of edk2 from 2025.05 on measure more, and are known by what their image holds. */
static void test_editions(void **state)
{
    static const struct {
        const char *name;
        uint8_t module[16]; /* of a file in the volume of DXE */
        const char *text;   /* in another's */
        const char *reason; /* "": predicted */
    } cases[] = {
        { "2025.02", { 0x21, 0xaa, 0x2c, 0x46 }, "nothing new", "" },
        { "SMBIOS",
          { 0x59, 0xed, 0x7f, 0xd2, 0xb4, 0xab, 0xed, 0x4f, 0xbe, 0xad, 0x2a, 0x87, 0x8c, 0x7e,
            0x4a, 0x7e },
          "",
          "measures SMBIOS tables" },
        { "fw_cfg", { 1 }, "QEMU FW CFG", "measures fw_cfg's boot menu and boot order" },
        { "boot entries",
          { 0xdc, 0x5b, 0xc2, 0xee, 0xf2, 0x67, 0x95, 0x4d, 0xb1, 0xd5, 0xf8, 0x1b, 0x20, 0x39,
            0xd1, 0x1d },
          "",
          "makes a boot entry more" },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(direct_free) struct direct direct = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer dxe = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer volume = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
        static const struct clo_guid other = { { 7 } };
        struct clo_guid name;
        memcpy(name.bytes, cases[i].module, sizeof name.bytes);
        volume_begin(&dxe);
        volume_file(&dxe, &name, 0x07, clo_bytes_text("a module"));
        volume_file(&dxe, &other, 0x07, clo_bytes_text(cases[i].text));
        volume_end(&dxe, 0x1000);
        make_firmware(0, clo_buffer_bytes(&dxe), clo_buffer_bytes(&dxe), &volume);
        direct_make(&direct, "6.12.0 (x)");
        make_ovmf_4m_with(clo_buffer_bytes(&volume), &image);
        direct.from.firmware = clo_buffer_bytes(&image);
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&direct.from);
        const char *why = reason(reference, "rtmr0");
        CHECK(*cases[i].reason == '\0' ? *why == '\0' : strstr(why, cases[i].reason) != NULL,
              cases[i].name);
    }
}

/* Nothing says of which edition it is. */
static void test_edition_unknown(void **state)
{
    CLO_CLEANUP(direct_free) struct direct direct = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer image = { 0 };
    struct clo_digest ignored;

    (void)state;
    direct_make(&direct, "6.12.0 (x)");
    make_ovmf_4m_with(clo_bytes(NULL, 0), &image);
    direct.from.firmware = clo_buffer_bytes(&image);
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&direct.from);
    CHECK(strstr(reason(reference, "rtmr0"), "volumes do not unpack") != NULL,
          reason(reference, "rtmr0"));
    CHECK(!clo_reference_value(reference, CLO_HASH_SHA384, CLO_REGISTER_RTMR(0), "", &ignored),
          "no value");
    CHECK(clo_reference_value(reference, CLO_HASH_SHA384, CLO_REGISTER_RTMR(1), "", &ignored),
          "RTMR 1 does not depend on it");
}

/* A kernel before 6.9 measures nothing through the firmware's CC protocol; without an initrd nothing is
 * added to the command line. */
static void test_kernels(void **state)
{
    static const struct {
        const char *release;
        bool measures;
    } cases[] = {
        { "6.8.12-x (y)", false }, { "5.15.0 (y)", false }, { "6.9.0 (y)", true },
        { "7.0.1 (y)", true },     { "no release", true },
    };

    (void)state;
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(direct_free) struct direct direct = { 0 };
        struct clo_pcr_bank bank;
        direct_make(&direct, cases[i].release);
        direct.from.initrd = clo_bytes(NULL, 0);
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&direct.from);
        clo_pcr_reset(&bank, CLO_HASH_SHA384);
        if (cases[i].measures)
            extend_wide(&bank, 2, "ro");
        is_value(reference, 2, &bank, cases[i].release);
    }
}

/* --- UKI --- */

static void make_uki(struct clo_buffer *uki, struct clo_buffer *kernel, unsigned stub)
{
    struct clo_uki_parts with = parts;

    make_kernel(kernel, "6.12.0 (x)");
    with.kernel = clo_buffer_bytes(kernel);
    uki_make(uki, stub, with);
}

static void make_disk(struct clo_buffer *head)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer tail = { 0 };
    const struct clo_gpt_partition partition = { .type = clo_gpt_type_esp,
                                                 .first_lba = 2048,
                                                 .last_lba = 4095 };
    const struct clo_guid disk = { { 1 } };
    struct clo_error err;

    CHECK(clo_gpt_write(&disk, 8192, &partition, 1, head, &tail, &err), err.text);
}

static void extend_gpt(struct clo_pcr_bank *bank, struct clo_bytes head)
{
    CLO_CLEANUP(clo_freep) struct clo_gpt *gpt = malloc(sizeof *gpt);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer event = { 0 };
    struct clo_error err;

    CHECK(clo_gpt_parse(head, gpt, &err) && clo_gpt_event(gpt, &event, &err), err.text);
    clo_pcr_measure(bank, 1, clo_buffer_bytes(&event));
}

static void extend_section(struct clo_pcr_bank *bank, const char *name, struct clo_bytes data)
{
    clo_pcr_measure(bank, 2, clo_bytes(name, strlen(name) + 1));
    clo_pcr_measure(bank, 2, data);
}

/* From 262 on the initrd has a secret of the machine's: RTMR 2 has no value then. */
static void test_boot_secret(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };
    struct clo_digest value;

    (void)state;
    make_disk(&head);
    make_uki(&uki, &kernel, 262);
    const struct clo_tdx_prediction from = { .name = "uki",
                                             .uki = clo_buffer_bytes(&uki),
                                             .disk_head = clo_buffer_bytes(&head) };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&from);
    const json_t *tdx = json_object_get(clo_reference_json(reference), "tdx");
    const char *why =
            json_string_value(json_object_get(json_object_get(tdx, "not_predicted"), "rtmr2"));
    CHECK(!clo_reference_value(reference, CLO_HASH_SHA384, CLO_REGISTER_RTMR(2), "", &value), "2");
    CHECK(why != NULL && strstr(why, "a secret that systemd's stub keeps") != NULL, "why");
    CHECK(clo_reference_value(reference, CLO_HASH_SHA384, CLO_REGISTER_RTMR(1), "", &value), "1");
}

static void test_uki(void **state)
{
    static const struct {
        unsigned stub;
        bool stub_measures;
        bool absent; /* Secure Boot: then firmware measures the kernel inside too */
    } cases[] = {
        { 255, false, true }, { 256, true, true }, { 256, true, false }, { 258, true, true }
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer head = { 0 };

    (void)state;
    make_disk(&head);
    for (size_t i = 0; i < CLO_COUNT(cases); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };
        struct clo_reference_event event;
        struct clo_pcr_bank bank;
        make_uki(&uki, &kernel, cases[i].stub);
        const struct clo_tdx_prediction from = { .name = "uki",
                                                 .uki = clo_buffer_bytes(&uki),
                                                 .disk_head = clo_buffer_bytes(&head),
                                                 .is_secure_boot_absent = cases[i].absent };
        CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&from);
        clo_pcr_reset(&bank, CLO_HASH_SHA384);
        extend_text(&bank, 1, "Calling EFI Application from Boot Option");
        extend_zeros(&bank, 1);
        extend_gpt(&bank, clo_buffer_bytes(&head));
        extend_image(&bank, 1, clo_buffer_bytes(&uki));
        if (cases[i].stub < 258 && cases[i].absent)
            extend_image(&bank, 1, clo_buffer_bytes(&kernel));
        extend_text(&bank, 1, "Exit Boot Services Invocation");
        extend_text(&bank, 1, "Exit Boot Services Returned with Success");
        is_value(reference, 1, &bank, "RTMR 1");
        if (cases[i].stub_measures) {
            extend_section(&bank, ".linux", clo_buffer_bytes(&kernel));
            extend_section(&bank, ".osrel", parts.osrel);
            extend_section(&bank, ".cmdline", parts.cmdline);
            extend_section(&bank, ".initrd", parts.initrd);
        }
        /* Then the kernel's two: its command line is the first. */
        size_t first = cases[i].stub_measures ? 8 : 0;
        CHECK(clo_reference_event_at(reference, CLO_REGISTER_RTMR(2), "", first, &event), "9");
        CHECK(strcmp(event.name, "kernel command line") == 0 && strcmp(event.text, "quiet") == 0,
              event.name);
        for (; clo_reference_event_at(reference, CLO_REGISTER_RTMR(2), "", first, &event); first++)
            clo_pcr_extend(&bank, 2, &event.digests[0]);
        is_value(reference, 2, &bank, "RTMR 2");
        CHECK(first == (cases[i].stub_measures ? 10 : 2), "no phases of user space");
    }
}

/* The log gives the order, and what is not known; of what it started it says nothing. */
static void test_uki_with_log(void **state)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    struct clo_pcr_bank bank;
    struct clo_error err;
    struct clo_bytes gpt = clo_bytes_text("a partition table");

    (void)state;
    make_uki(&uki, &kernel, 257);
    log_header(&file, &sha384, 1);
#define LOG(reg, type, text) \
    log_event_of(&file, reg, type, &sha384, 1, clo_bytes_text(text), clo_bytes_text(text))
    LOG(2, CLO_EV_EFI_BOOT_SERVICES_DRIVER, "option ROM");
    LOG(2, CLO_EV_EFI_ACTION, "Calling EFI Application from Boot Option");
    LOG(1, CLO_EV_SEPARATOR, "separator of a log of its own kind");
    LOG(2, CLO_EV_EFI_GPT_EVENT, "a partition table");
    LOG(2, CLO_EV_EFI_BOOT_SERVICES_APPLICATION, "shim");
    LOG(2, CLO_EV_EFI_BOOT_SERVICES_APPLICATION, "grub");
    LOG(3, CLO_EV_IPL, "grub_cmd");
    LOG(2, CLO_EV_EFI_ACTION, "Exit Boot Services Invocation");
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&file), &log, &err), err.text);
    const struct clo_tdx_prediction from = {
        .name = "uki", .uki = clo_buffer_bytes(&uki), .is_secure_boot_absent = true, .given = log
    };
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = predict(&from);
    clo_pcr_reset(&bank, CLO_HASH_SHA384);
    extend_text(&bank, 0, "separator of a log of its own kind");
    is_value(reference, 0, &bank, "RTMR 0");
    CHECK(count_given(reference, 0, NULL) == 1, "an unusual separator is given");
    extend_text(&bank, 1, "option ROM");
    extend_text(&bank, 1, "Calling EFI Application from Boot Option");
    clo_pcr_measure(&bank, 1, gpt);
    extend_image(&bank, 1, clo_buffer_bytes(&uki));
    extend_image(&bank, 1, clo_buffer_bytes(&kernel));
    extend_text(&bank, 1, "Exit Boot Services Invocation");
    is_value(reference, 1, &bank, "RTMR 1");
    CHECK(count_given(reference, 1, NULL) == 2, "option ROM and partition table are given");
    CHECK(count_given(reference, 2, NULL) == 0, "of RTMR 2 nothing is");
}

/* --- What is missing, and what contradicts itself --- */

static void test_not_predicted(void **state)
{
    CLO_CLEANUP(direct_free) struct direct direct = { 0 };
    const struct clo_tdx_prediction nothing = { .name = "nothing" };
    struct clo_digest ignored;

    (void)state;
    direct_make(&direct, "6.12.0 (x)");
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *first = predict(&nothing);
    CHECK(strcmp(reason(first, "mr_td"), "no firmware image was given") == 0, "MRTD");
    CHECK(strstr(reason(first, "rtmr0"), "no firmware image") != NULL, "RTMR 0");
    CHECK(strcmp(reason(first, "rtmr1"), "neither a UKI nor a kernel was given") == 0, "RTMR 1");
    CHECK(strcmp(reason(first, "rtmr2"), "neither a UKI nor a kernel was given") == 0, "RTMR 2");
    CHECK(!clo_reference_value(first, CLO_HASH_SHA384, CLO_REGISTER_RTMR(0), "", &ignored), "0");
    CHECK(!clo_reference_mr_td(first, 0, &ignored), "MRTD");
    struct clo_tdx_prediction from = direct.from;
    from.acpi_rsdp = clo_bytes(NULL, 0);
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *second = predict(&from);
    CHECK(strstr(reason(second, "rtmr0"), "the ACPI tables are the VMM's") != NULL, "ACPI");
    from = direct.from;
    from.memory = 0;
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *third = predict(&from);
    CHECK(strstr(reason(third, "rtmr0"), "the memory's size") != NULL, "memory");
    CHECK(strstr(reason(third, "rtmr1"), "depends on the memory's size") != NULL, "memory");
    from = direct.from;
    from.kernel = clo_bytes(NULL, 0);
    from.initrd = clo_bytes(NULL, 0);
    from.cmdline = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer uki = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer kernel = { 0 };
    make_uki(&uki, &kernel, 257);
    from.uki = clo_buffer_bytes(&uki);
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *fourth = predict(&from);
    CHECK(strstr(reason(fourth, "rtmr0"), "makes boot entries") != NULL, "boot entries");
    CHECK(strstr(reason(fourth, "rtmr1"), "the partition table") != NULL, "disk");
    CHECK(*reason(fourth, "rtmr2") == '\0', "is predicted");
}

/* td-shim's and MigTD's images have no variables in their configuration volume, which is not part of MRTD. */
static void test_no_variables(void **state)
{
    CLO_CLEANUP(direct_free) struct direct direct = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer firmware = { 0 };
    struct clo_digest expected, found;

    (void)state;
    direct_make(&direct, "6.12.0 (x)");
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *with = predict(&direct.from);
    clo_buffer_append(&firmware, direct.from.firmware);
    memset(firmware.data, 0xff, 0x84000);
    direct.from.firmware = clo_buffer_bytes(&firmware);
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *without = predict(&direct.from);
    for (size_t i = 0; i < 2; i++)
        CHECK(clo_reference_mr_td(with, i, &expected) && clo_reference_mr_td(without, i, &found) &&
                      clo_digest_equal(&expected, &found),
              "MRTD");
    CHECK(*reason(with, "rtmr0") == '\0', "RTMR 0 with variables");
    CHECK(strcmp(reason(without, "rtmr0"), "firmware: CFV: no firmware volume with variables") == 0,
          reason(without, "rtmr0"));
    CHECK(!clo_reference_value(without, CLO_HASH_SHA384, CLO_REGISTER_RTMR(0), "", &found),
          "RTMR 0 without");
}

static void test_page_orders(void **state)
{
    CLO_CLEANUP(direct_free) struct direct direct = { 0 };
    struct clo_digest single, two, mrtd;

    (void)state;
    direct_make(&direct, "6.12.0 (x)");
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *both = predict(&direct.from);
    CHECK(clo_reference_mr_td(both, 0, &single) && clo_reference_mr_td(both, 1, &two) &&
                  !clo_reference_mr_td(both, 2, &mrtd) && !clo_digest_equal(&single, &two),
          "both");
    direct.from.is_page_order_known = true;
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *first = predict(&direct.from);
    CHECK(clo_reference_mr_td(first, 0, &mrtd) && clo_digest_equal(&mrtd, &single) &&
                  !clo_reference_mr_td(first, 1, &mrtd),
          "single pass");
    direct.from.is_two_pass = true;
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *second = predict(&direct.from);
    CHECK(clo_reference_mr_td(second, 0, &mrtd) && clo_digest_equal(&mrtd, &two) &&
                  !clo_reference_mr_td(second, 1, &mrtd),
          "two pass");
}

static void refuses(const struct clo_tdx_prediction *from, const char *error)
{
    struct clo_reference *reference;
    struct clo_error err;

    CHECK(!clo_reference_predict_tdx(from, &reference, &err), error);
    if (strcmp(err.text, error) != 0)
        fail_msg("\"%s\", expected \"%s\"", err.text, error);
}

static void test_refused(void **state)
{
    CLO_CLEANUP(direct_free) struct direct direct = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer file = { 0 };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *other = NULL;
    struct clo_error err;

    (void)state;
    direct_make(&direct, "6.12.0 (x)");
    struct clo_tdx_prediction from = direct.from;
    from.uki = clo_bytes_text("x");
    refuses(&from, "a UKI and a kernel: which is started?");
    from = direct.from;
    from.kernel = clo_bytes(NULL, 0);
    refuses(&from, "an initrd or a command line without a kernel");
    from = direct.from;
    from.firmware = clo_bytes_slice(from.firmware, 0, from.firmware.size - 1);
    refuses(&from, "firmware: no TDX metadata in it: a firmware that was not built for TDX");
    from = direct.from;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer large = { 0 };
    clo_buffer_zero(&large, 0x84001);
    from.varstore = clo_buffer_bytes(&large);
    refuses(&from, "variable store of 0x84001 bytes: the firmware image has room for 0x84000");
    from = direct.from;
    from.kernel = clo_bytes_text("x");
    refuses(&from, "RTMR 1: kernel: 1 bytes: too short for a bzImage");
    log_header_sha256(&file);
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&file), &log, &err), err.text);
    from = direct.from;
    from.given = log;
    refuses(&from, "the log that is given is not a CCEL");
    file.size = 0;
    log_header(&file, &sha384, 1);
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&file), &other, &err), err.text);
    from.given = other;
    refuses(&from, "RTMR 1: the log that is given shows no image that was started");
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *third = NULL;
    log_event_of(&file, 1, CLO_EV_EFI_PLATFORM_FIRMWARE_BLOB2, &sha384, 1, clo_bytes_text("x"),
                 clo_bytes("\0\0\0\0\0\0\0\0\0\x01\x40\x08\0\0\0\0\0", 17));
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&file), &third, &err), err.text);
    from.given = third;
    refuses(&from, "RTMR 0: the log's event at byte 65: the log's firmware measures 0x84001 bytes "
                   "of the variable store, this one has 0x84000");
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *fourth = NULL;
    file.data[file.size - 8] = file.data[file.size - 7] = file.data[file.size - 6] = 0;
    CHECK(clo_eventlog_parse(clo_buffer_bytes(&file), &fourth, &err), err.text);
    from.given = fourth;
    refuses(&from, "RTMR 0: the log's event at byte 65: the log's firmware blob does not say its "
                   "size");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_guest),
        cmocka_unit_test(test_editions),
        cmocka_unit_test(test_edition_unknown),
        cmocka_unit_test(test_direct_boot),
        cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_boot_secret),
        cmocka_unit_test(test_uki),
        cmocka_unit_test(test_uki_with_log),
        cmocka_unit_test(test_not_predicted),
        cmocka_unit_test(test_no_variables),
        cmocka_unit_test(test_page_orders),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
