/* RTMR 0: the memory the guest was told of, the variable store, Secure Boot, ACPI tables, boot entries
 * (edk2, OvmfPkg/IntelTdx, OvmfPkg/Tcg/TdTcg2Dxe). A log of such a machine gives the order, and what
 * is not known; without one the order is edk2's of 2023. */
#include "lib/predict/predict_tdx.h"

#include <stdio.h>
#include <string.h>

#include "lib/launch/firmware.h"
#include "lib/predict/predict.h"
#include "lib/tcg/event_decode.h"

#define DRIVER_CONFIG "EV_EFI_VARIABLE_DRIVER_CONFIG"
#define AUTHORITY     "EV_EFI_VARIABLE_AUTHORITY"
#define BOOT          "EV_EFI_VARIABLE_BOOT"
#define ACPI          "EV_PLATFORM_CONFIG_FLAGS"

/* OVMF's own entry for its menu, the only one where nothing else can be started: attributes, a path of
 * 44 bytes, "UiApp", and the path: Fv(7cb8bdc9-…)/FvFile(462caa21-…). */
static const uint8_t ui_app[] = {
    0x09, 0x01, 0x00, 0x00, 0x2c, 0x00, 'U',  0x00, 'i',  0x00, 'A',  0x00, 'p',  0x00, 'p',  0x00,
    0x00, 0x00, 0x04, 0x07, 0x14, 0x00, 0xc9, 0xbd, 0xb8, 0x7c, 0xeb, 0xf8, 0x34, 0x4f, 0xaa, 0xea,
    0x3e, 0xe4, 0xaf, 0x65, 0x16, 0xa1, 0x04, 0x06, 0x14, 0x00, 0x21, 0xaa, 0x2c, 0x46, 0x14, 0x76,
    0x03, 0x45, 0x83, 0x6e, 0x8a, 0xb6, 0xf4, 0x66, 0x23, 0x31, 0x7f, 0xff, 0x04, 0x00,
};
static const uint8_t ui_app_order[2];

/* --- One event each; false with CLO_OK: it is not known --- */

static bool add_hob(struct tdx_prediction *p, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer hob = { 0 };
    char text[40];

    snprintf(text, sizeof text, "%llu MiB of memory", (unsigned long long)(p->memory >> 20));
    const struct record_event event = { .reg = CLO_REGISTER_RTMR(0),
                                        .type = "EV_EFI_HANDOFF_TABLES2",
                                        .name = "TD HOB: the guest's memory",
                                        .text = clo_bytes_text(text) };
    if (!clo_tdvf_hob(p->tdvf, p->memory, &hob, err))
        return false;
    record_bytes(&p->record, &event, clo_buffer_bytes(&hob));
    return true;
}

static bool knows_hob(const struct tdx_prediction *p)
{
    return p->tdvf != NULL && p->memory != 0;
}

/* Which memory size would give the TD HOB that the log has? Sizes as people give them. */
uint64_t tdx_find_memory(const struct tdx_prediction *p, const struct clo_event *logged)
{
    static const uint64_t step = (uint64_t)128 << 20, most = (uint64_t)4 << 40;
    struct clo_digest wanted;
    struct clo_digest digest;
    struct clo_error ignored;

    if (p->tdvf == NULL || !clo_event_digest(logged, CLO_HASH_SHA384, &wanted))
        return 0;
    for (uint64_t memory = step; memory <= most; memory += step) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer hob = { 0 };
        if (!clo_tdvf_hob(p->tdvf, memory, &hob, &ignored))
            continue;
        clo_hash(CLO_HASH_SHA384, clo_buffer_bytes(&hob), &digest);
        if (clo_digest_equal(&digest, &wanted))
            return memory;
    }
    return 0;
}

static void add_cfv(struct tdx_prediction *p, size_t size)
{
    char text[40];

    snprintf(text, sizeof text, "0x%zx bytes of variables", size);
    const struct record_event event = { .reg = CLO_REGISTER_RTMR(0),
                                        .type = "EV_EFI_PLATFORM_FIRMWARE_BLOB2",
                                        .name = "CFV: the variable store",
                                        .text = clo_bytes_text(text) };

    record_bytes(&p->record, &event, clo_bytes_slice(p->cfv, 0, size));
}

static bool add_secure_variable(struct tdx_prediction *p, size_t index, bool is_absent,
                                struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
    const struct secure_variable *one = &predict_secure_variables[index];
    const struct clo_efivar *variable = clo_varstore_find(p->store, one->name, one->vendor);
    const uint8_t state = predict_is_secure_boot_on(p->store);
    struct clo_bytes value = variable == NULL ? clo_bytes(NULL, 0) : variable->data;

    if (variable == NULL && one->is_optional)
        return true;
    if (index == 0)
        value = clo_bytes(&state, is_absent ? 0 : 1);
    if (!predict_variable_data(one->name, one->vendor, value, &data, err))
        return false;
    const struct record_event event = { .reg = CLO_REGISTER_RTMR(0),
                                        .type = DRIVER_CONFIG,
                                        .name = one->name,
                                        .data = clo_buffer_bytes(&data) };
    record_bytes(&p->record, &event, clo_buffer_bytes(&data));
    return true;
}

/* --- ACPI: the three files that QEMU hands over, as their loader names them --- */

static const char *const acpi_names[] = { "ACPI table loader", "ACPI RSDP", "ACPI tables" };

static struct clo_bytes acpi_file(const struct tdx_prediction *p, size_t index)
{
    const struct clo_bytes files[] = { p->inputs->acpi_loader, p->inputs->acpi_rsdp,
                                       p->inputs->acpi_tables };

    return files[index];
}

static void add_acpi(struct tdx_prediction *p, size_t index)
{
    const struct record_event event = { .reg = CLO_REGISTER_RTMR(0),
                                        .type = ACPI,
                                        .name = acpi_names[index] };

    record_bytes(&p->record, &event, acpi_file(p, index));
}

/* --- Boot entries --- */

static bool find_boot_variable(const struct tdx_prediction *p, const char *name,
                               struct clo_bytes *out)
{
    const struct clo_varstore *store = p->store;
    bool is_listed = store != NULL &&
                     clo_varstore_find(store, "BootOrder", &clo_guid_global_variable) != NULL;

    if (is_listed) {
        const struct clo_efivar *variable =
                clo_varstore_find(store, name, &clo_guid_global_variable);
        if (variable != NULL)
            *out = variable->data;
        return variable != NULL;
    }
    bool is_order = strcmp(name, "BootOrder") == 0;
    *out = is_order ? clo_bytes(ui_app_order, sizeof ui_app_order)
                    : clo_bytes(ui_app, sizeof ui_app);
    return is_order || strcmp(name, "Boot0000") == 0;
}

/* Only the variable's value is measured. */
static bool add_boot_variable(struct tdx_prediction *p, const char *name)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer data = { 0 };
    struct clo_error ignored;
    struct clo_bytes value;

    if (!find_boot_variable(p, name, &value))
        return false;
    if (!predict_variable_data(name, &clo_guid_global_variable, value, &data, &ignored))
        clo_buffer_free(&data);
    const struct record_event event = {
        .reg = CLO_REGISTER_RTMR(0), .type = BOOT, .name = name, .data = clo_buffer_bytes(&data)
    };
    record_bytes(&p->record, &event, value);
    return true;
}

static void add_boot_variables(struct tdx_prediction *p)
{
    struct clo_bytes order;

    (void)add_boot_variable(p, "BootOrder");
    (void)find_boot_variable(p, "BootOrder", &order);
    struct clo_reader r = clo_reader(order);
    while (clo_reader_left(&r) >= 2) {
        char name[16];
        snprintf(name, sizeof name, "Boot%04X", clo_read_le16(&r));
        (void)add_boot_variable(p, name); /* one that is not there is not measured */
    }
}

/* Entries for disks are made by the firmware as it finds them; for a kernel of QEMU's none is. */
static bool knows_boot_entries(const struct tdx_prediction *p)
{
    return p->inputs->kernel.size > 0 ||
           (p->store != NULL &&
            clo_varstore_find(p->store, "BootOrder", &clo_guid_global_variable) != NULL);
}

/* --- With a log of such a machine --- */

/* Of an event about a variable; false if it is cut short. */
static bool read_variable(const struct clo_event *logged, struct clo_buffer *name,
                          struct clo_bytes *value)
{
    struct event_decoded decoded;

    event_decode(logged, &decoded);
    if (decoded.kind != EVENT_VARIABLE || !decoded.is_whole)
        return false;
    clo_utf16_text(decoded.variable.name, name);
    *value = decoded.variable.value;
    return clo_buffer_string(name) != NULL;
}

static bool replace_secure_variable(struct tdx_prediction *p, const struct clo_event *logged,
                                    struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { 0 };
    struct clo_bytes value;

    for (size_t i = 0;
         p->store != NULL && read_variable(logged, &name, &value) && i < PREDICT_SECURE_VARIABLES;
         i++) {
        if (strcmp(clo_buffer_string(&name), predict_secure_variables[i].name) == 0)
            return add_secure_variable(p, i, value.size == 0, err);
        if (i + 1 < PREDICT_SECURE_VARIABLES)
            name.size = 0;
    }
    tdx_take_logged(p, 0, logged);
    return true;
}

/* Where the firmware would have the same entry from what we know, it is predicted. */
static void replace_boot_variable(struct tdx_prediction *p, const struct clo_event *logged)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { 0 };
    struct clo_digest digest;
    struct clo_digest known;
    struct clo_bytes value;
    struct clo_bytes ignored;

    bool is_known = read_variable(logged, &name, &ignored) &&
                    find_boot_variable(p, clo_buffer_string(&name), &value) &&
                    clo_event_digest(logged, CLO_HASH_SHA384, &digest);
    if (is_known) {
        clo_hash(CLO_HASH_SHA384, value, &known);
        is_known = knows_boot_entries(p) || clo_digest_equal(&known, &digest);
    }
    if (!is_known || !add_boot_variable(p, clo_buffer_string(&name)))
        tdx_take_logged(p, 0, logged);
}

static bool replace_cfv(struct tdx_prediction *p, const struct clo_event *logged,
                        struct clo_error *err)
{
    struct event_decoded decoded;

    if (p->cfv.size == 0) {
        tdx_take_logged(p, 0, logged);
        return true;
    }
    event_decode(logged, &decoded);
    uint64_t size = decoded.is_whole ? decoded.blob.size : 0;
    if (size == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "the log's firmware blob does not say its size");
    if (size > p->cfv.size)
        return clo_fail(err, CLO_ERR_USAGE,
                        "the log's firmware measures 0x%llx bytes of the variable store, this one "
                        "has 0x%zx",
                        (unsigned long long)size, p->cfv.size);
    add_cfv(p, (size_t)size);
    return true;
}

/* Newer firmware names the file, older writes "ACPI DATA" three times. */
static void replace_acpi(struct tdx_prediction *p, const struct clo_event *logged, size_t *seen)
{
    static const char *const files[] = { "etc/table-loader", "etc/acpi/rsdp", "etc/acpi/tables" };
    size_t index = CLO_COUNT(files);

    for (size_t i = 0; i < CLO_COUNT(files); i++)
        if (logged->data.size > strlen(files[i]) &&
            memcmp(logged->data.data, files[i], strlen(files[i]) + 1) == 0)
            index = i;
    if (clo_bytes_equal(logged->data, clo_bytes_text("ACPI DATA")))
        index = (*seen)++;
    if (index < CLO_COUNT(files) && acpi_file(p, index).size > 0)
        add_acpi(p, index);
    else
        tdx_take_logged(p, 0, logged);
}

static bool is_zero_separator(const struct clo_event *logged)
{
    struct clo_digest zeros;
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA384, clo_bytes("\0\0\0\0", 4), &zeros);
    return clo_event_digest(logged, CLO_HASH_SHA384, &digest) && clo_digest_equal(&zeros, &digest);
}

static bool replace(struct tdx_prediction *p, const struct clo_event *logged, size_t *acpi_seen,
                    struct clo_error *err)
{
    switch (logged->type) {
    case CLO_EV_EFI_HANDOFF_TABLES2:
        if (knows_hob(p))
            return add_hob(p, err);
        tdx_take_logged(p, 0, logged);
        return true;
    case CLO_EV_EFI_PLATFORM_FIRMWARE_BLOB2:
        return replace_cfv(p, logged, err);
    case CLO_EV_EFI_VARIABLE_DRIVER_CONFIG:
        return replace_secure_variable(p, logged, err);
    case CLO_EV_EFI_VARIABLE_BOOT:
        replace_boot_variable(p, logged);
        return true;
    case CLO_EV_PLATFORM_CONFIG_FLAGS:
        replace_acpi(p, logged, acpi_seen);
        return true;
    case CLO_EV_EFI_VARIABLE_AUTHORITY:
        if (p->pcrs == NULL || p->store == NULL) /* else the UKI's own comes after the others */
            tdx_take_logged(p, 0, logged);
        return true;
    case CLO_EV_SEPARATOR:
        if (is_zero_separator(logged)) {
            record_separator(&p->record, CLO_REGISTER_RTMR(0));
            return true;
        }
        tdx_take_logged(p, 0, logged);
        return true;
    default:
        tdx_take_logged(p, 0, logged);
        return true;
    }
}

static bool predict_from_log(struct tdx_prediction *p, struct clo_error *err)
{
    const struct clo_event *logged;
    size_t acpi_seen = 0;

    for (size_t at = 0; (logged = tdx_logged(p, 0, &at)) != NULL;)
        if (!replace(p, logged, &acpi_seen, err))
            return clo_wrap(err, "the log's event at byte %zu", logged->offset);
    if (p->pcrs != NULL && p->store != NULL)
        tdx_take_pcr(p, 0, 7, NULL, AUTHORITY);
    record_set_value(&p->record, CLO_REGISTER_RTMR(0), NULL);
    return true;
}

/* --- Without one --- */

/* The order below is that of editions of edk2 before 2025.05. Later ones measure more, which no boot of
 * ours has shown: they are known by what is in the image. An image that does not unpack is of neither. */
static const char *newer_edition(const struct tdx_prediction *p)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *why;
    } marks[] = {
        /* The name of the module, SmbiosMeasurementDxe: d27fed59-abb4-4fed-bead-2a878c7e4a7e. */
        { "\x59\xed\x7f\xd2\xb4\xab\xed\x4f\xbe\xad\x2a\x87\x8c\x7e\x4a\x7e", 16,
          "this firmware (edk2 2025.05 or later) measures SMBIOS tables, too: give a log of such a "
          "machine" },
        { "QEMU FW CFG", 11,
          "this firmware (edk2 2025.05 or later) measures fw_cfg's boot menu and boot order, too: "
          "give a log of such a machine" },
        /* The name of BootManagerMenuApp, a second boot entry: eec25bdc-67f2-4d95-b1d5-f81b2039d11d. */
        { "\xdc\x5b\xc2\xee\xf2\x67\x95\x4d\xb1\xd5\xf8\x1b\x20\x39\xd1\x1d", 16,
          "this firmware (edk2 2025.05 or later) makes a boot entry more: give a log of such a "
          "machine" },
    };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer unpacked = { 0 };
    struct clo_error ignored;

    if (!clo_firmware_unpack_stream(p->inputs->firmware, &unpacked, &ignored))
        return "which edition of edk2 this firmware is, is not known, since its volumes do not "
               "unpack: give a log of such a machine";
    for (size_t i = 0; i < CLO_COUNT(marks); i++)
        if (memmem(unpacked.data, unpacked.size, marks[i].bytes, marks[i].size) != NULL)
            return marks[i].why;
    return NULL;
}

static const char *what_is_missing(const struct tdx_prediction *p)
{
    if (p->tdvf == NULL)
        return "no firmware image was given, and no log of such a machine";
    if (p->memory == 0)
        return "the memory's size is in the TD HOB, and was not given";
    if (p->store == NULL && p->no_store.status != CLO_OK)
        return p->no_store.text;
    if (p->store == NULL)
        return "the variable store is measured, and was not given";
    for (size_t i = 0; i < CLO_COUNT(acpi_names); i++)
        if (acpi_file(p, i).size == 0)
            return "the ACPI tables are the VMM's: give its three files, or a log of such a "
                   "machine";
    if (!knows_boot_entries(p))
        return "firmware makes boot entries for the disks it finds: give a log of such a machine, "
               "or a variable store that has them";
    if (p->stub_measures_smbios)
        return "systemd's stub measures SMBIOS tables, from 261 on: they are the VMM's: give a log "
               "of such a machine";
    if (p->inputs->kernel.size > 0 && predict_is_secure_boot_on(p->store))
        return "whose signature lets a kernel of QEMU's start is not predicted";
    return newer_edition(p);
}

static bool predict_plain(struct tdx_prediction *p, struct clo_error *err)
{
    if (!add_hob(p, err))
        return false;
    add_cfv(p, p->cfv.size);
    for (size_t i = 0; i < PREDICT_SECURE_VARIABLES; i++)
        if (!add_secure_variable(p, i, p->inputs->is_secure_boot_absent, err))
            return false;
    record_separator(&p->record, CLO_REGISTER_RTMR(0));
    for (size_t i = 0; i < CLO_COUNT(acpi_names); i++)
        add_acpi(p, i);
    add_boot_variables(p);
    if (p->inputs->is_separator_in_rtmr0)
        record_separator(&p->record, CLO_REGISTER_RTMR(0));
    if (p->pcrs != NULL)
        tdx_take_pcr(p, 0, 7, NULL, AUTHORITY);
    record_set_value(&p->record, CLO_REGISTER_RTMR(0), NULL);
    return true;
}

bool tdx_predict_rtmr0(struct tdx_prediction *p, struct clo_error *err)
{
    if (p->inputs->given != NULL)
        return predict_from_log(p, err);
    const char *missing = what_is_missing(p);
    if (missing == NULL)
        return predict_plain(p, err);
    record_not(&p->record, CLO_REGISTER_RTMR(0), missing);
    return true;
}
