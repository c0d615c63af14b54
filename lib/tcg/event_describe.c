/* What an event says, for people. Nothing here is evidence: see clo_event_data_is_measured(). */
#include "cloister/eventlog.h"

#include <string.h>
#include <strings.h>

#include "cloister/ccel.h"
#include "cloister/crypto.h"
#include "cloister/encoding.h"
#include "event_decode.h"
#include "lib/efi/device_path.h"

#define TEXT_MAX  300
#define GPT_SHOWN 4 /* partitions */

static const struct {
    uint32_t type;
    const char *name;
} types[] = {
    { 0x0, "EV_PREBOOT_CERT" },
    { 0x1, "EV_POST_CODE" },
    { 0x2, "EV_UNUSED" },
    { 0x3, "EV_NO_ACTION" },
    { 0x4, "EV_SEPARATOR" },
    { 0x5, "EV_ACTION" },
    { 0x6, "EV_EVENT_TAG" },
    { 0x7, "EV_S_CRTM_CONTENTS" },
    { 0x8, "EV_S_CRTM_VERSION" },
    { 0x9, "EV_CPU_MICROCODE" },
    { 0xa, "EV_PLATFORM_CONFIG_FLAGS" },
    { 0xb, "EV_TABLE_OF_DEVICES" },
    { 0xc, "EV_COMPACT_HASH" },
    { 0xd, "EV_IPL" },
    { 0xe, "EV_IPL_PARTITION_DATA" },
    { 0xf, "EV_NONHOST_CODE" },
    { 0x10, "EV_NONHOST_CONFIG" },
    { 0x11, "EV_NONHOST_INFO" },
    { 0x12, "EV_OMIT_BOOT_DEVICE_EVENTS" },
    { 0x13, "EV_POST_CODE2" },
    { 0x8000001, "EV_DSTACK_RUNTIME" },
    { 0x80000001, "EV_EFI_VARIABLE_DRIVER_CONFIG" },
    { 0x80000002, "EV_EFI_VARIABLE_BOOT" },
    { 0x80000003, "EV_EFI_BOOT_SERVICES_APPLICATION" },
    { 0x80000004, "EV_EFI_BOOT_SERVICES_DRIVER" },
    { 0x80000005, "EV_EFI_RUNTIME_SERVICES_DRIVER" },
    { 0x80000006, "EV_EFI_GPT_EVENT" },
    { 0x80000007, "EV_EFI_ACTION" },
    { 0x80000008, "EV_EFI_PLATFORM_FIRMWARE_BLOB" },
    { 0x80000009, "EV_EFI_HANDOFF_TABLES" },
    { 0x8000000a, "EV_EFI_PLATFORM_FIRMWARE_BLOB2" },
    { 0x8000000b, "EV_EFI_HANDOFF_TABLES2" },
    { 0x8000000c, "EV_EFI_VARIABLE_BOOT2" },
    { 0x8000000d, "EV_EFI_GPT_EVENT2" },
    { 0x80000010, "EV_EFI_HCRTM_EVENT" },
    { 0x800000e0, "EV_EFI_VARIABLE_AUTHORITY" },
    { 0x800000e1, "EV_EFI_SPDM_FIRMWARE_BLOB" },
    { 0x800000e2, "EV_EFI_SPDM_FIRMWARE_CONFIG" },
    { 0x800000e3, "EV_EFI_SPDM_DEVICE_POLICY" },
    { 0x800000e4, "EV_EFI_SPDM_DEVICE_AUTHORITY" },
};

const char *clo_event_type_name(uint32_t type)
{
    for (size_t i = 0; i < CLO_COUNT(types); i++)
        if (types[i].type == type)
            return types[i].name;
    return NULL;
}

bool clo_event_type_from_name(const char *name, uint32_t *out)
{
    for (size_t i = 0; i < CLO_COUNT(types); i++)
        if (strcasecmp(types[i].name, name) == 0) {
            *out = types[i].type;
            return true;
        }
    return false;
}

static bool hashes_to(struct clo_bytes part, const struct clo_digest *expected)
{
    struct clo_digest digest;

    clo_hash(expected->hash, part, &digest);
    return clo_digest_equal(&digest, expected);
}

/* Without the last byte of its NUL, which was hashed. */
static bool is_measured_with_nul(struct clo_bytes data, const struct clo_digest *digest)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer whole = { 0 };

    if (data.size < 4 || data.size % 2 == 0 || data.data[data.size - 1] != 0)
        return false;
    clo_buffer_append(&whole, data);
    clo_buffer_u8(&whole, 0);
    return clo_buffer_ok(&whole) && hashes_to(clo_buffer_bytes(&whole), digest);
}

/* Boot loaders hash the string without its NUL, or without the word before it: "kernel_cmdline: ",
 * "grub_cmd ". Some leave a byte of rubbish after the NUL. */
static bool ipl_is_measured(struct clo_bytes data, const struct clo_digest *digest)
{
    static const char *const ends[] = { ": ", " " };
    const uint8_t *nul = data.size == 0 ? NULL : memchr(data.data, 0, data.size);
    struct clo_bytes text =
            nul == NULL ? data : clo_bytes_slice(data, 0, (size_t)(nul - data.data));

    if (hashes_to(text, digest))
        return true;
    /* Text of two bytes a character ends in two. */
    if (is_measured_with_nul(data, digest))
        return true;
    if (data.size >= 2 && hashes_to(clo_bytes_slice(data, 0, data.size - 2), digest))
        return true;
    for (size_t i = 0; i < CLO_COUNT(ends); i++) {
        size_t size = strlen(ends[i]);
        const uint8_t *end = text.size < size ? NULL : memmem(text.data, text.size, ends[i], size);
        if (end == NULL)
            continue;
        struct clo_bytes rest = clo_bytes_slice(text, (size_t)(end - text.data) + size, text.size);
        struct clo_bytes with_nul = clo_bytes(rest.data, rest.size + (nul != NULL));
        if (hashes_to(rest, digest) || hashes_to(with_nul, digest))
            return true;
    }
    return false;
}

bool clo_event_data_is_measured(const struct clo_event *event, enum clo_hash hash)
{
    struct clo_digest digest;
    struct clo_bytes data = event->data;

    if (!clo_event_digest(event, hash, &digest))
        return false;
    if (hashes_to(data, &digest))
        return true;
    if (event->type == CLO_EV_EFI_VARIABLE_BOOT) {
        /* Older profiles measure the variable's value alone. */
        struct event_decoded decoded;
        event_decode(event, &decoded);
        return decoded.is_whole && hashes_to(decoded.variable.value, &digest);
    }
    return event->type == CLO_EV_IPL && ipl_is_measured(data, &digest);
}

static void append_clean(struct clo_buffer *out, const char *text)
{
    char line[TEXT_MAX];

    size_t size = strnlen(text, sizeof line - 1);
    memcpy(line, text, size);
    line[size] = '\0';
    clo_sanitize(line);
    clo_buffer_text(out, line);
}

static bool as_text(struct clo_bytes data, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (!event_text(data, &text))
        return false;
    append_clean(out, clo_buffer_string(&text));
    return true;
}

static void as_hex(struct clo_bytes data, struct clo_buffer *out)
{
    clo_hex_write(clo_bytes_slice(data, 0, 32), out);
    if (data.size > 32)
        clo_buffer_printf(out, "… (%zu bytes)", data.size);
}

static void as_text_or_hex(struct clo_bytes data, struct clo_buffer *out)
{
    if (!as_text(data, out))
        as_hex(data, out);
}

static void describe_boot_order(struct clo_bytes value, struct clo_buffer *out)
{
    struct clo_reader r = clo_reader(clo_bytes_slice(value, 0, 32));

    clo_buffer_text(out, ":");
    while (clo_reader_left(&r) >= 2)
        clo_buffer_printf(out, " %04X", clo_read_le16(&r));
    if (value.size > 32)
        clo_buffer_text(out, " …");
}

/* What is started, and where it lies. */
static bool describe_option(const struct event_load_option *option, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer path = { 0 };

    clo_utf16_text(option->description, &text);
    (void)clo_device_path_text(option->path, &path);
    const char *description = clo_buffer_string(&text);
    const char *place = clo_buffer_string(&path);
    if (description == NULL || place == NULL)
        return false;
    clo_buffer_text(out, ": \"");
    append_clean(out, description);
    clo_buffer_text(out, "\" ");
    append_clean(out, place);
    return true;
}

static bool describe_authority(const struct event_authority *authority, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *certificate = NULL;
    struct clo_error ignored;

    if (!clo_certificate_parse(authority->certificate, &certificate, &ignored))
        return false;
    clo_buffer_text(out, ": ");
    append_clean(out, clo_certificate_subject(certificate));
    return true;
}

/* SbatLevel's lines, with semicolons between. */
static void describe_level(struct clo_bytes value, struct clo_buffer *out)
{
    char line[TEXT_MAX] = ": ";
    size_t at = 2;

    while (value.size > 0 && value.data[value.size - 1] == '\n')
        value.size--;
    for (size_t i = 0; i < value.size && at < sizeof line - 3; i++) {
        line[at++] = value.data[i] == '\n' ? ';' : (char)value.data[i];
        if (value.data[i] == '\n')
            line[at++] = ' ';
    }
    line[at] = '\0';
    append_clean(out, line);
}

/* False: only its size tells something. */
static bool describe_value(const struct event_variable *variable, struct clo_buffer *out)
{
    size_t count = variable->entry_count;

    switch (variable->kind) {
    case EVENT_VALUE_EMPTY:
        clo_buffer_text(out, ": empty");
        return true;
    case EVENT_VALUE_BYTE:
        clo_buffer_printf(out, ": %u", variable->value.data[0]);
        return true;
    case EVENT_VALUE_LEVEL:
        describe_level(variable->value, out);
        return true;
    case EVENT_VALUE_AUTHORITY:
        return describe_authority(&variable->authority, out);
    case EVENT_VALUE_OPTION:
        return describe_option(&variable->option, out);
    case EVENT_VALUE_BOOT_ORDER:
        describe_boot_order(variable->value, out);
        return true;
    case EVENT_VALUE_LISTS:
        clo_buffer_printf(out, ": %zu entr%s, %zu bytes", count, count == 1 ? "y" : "ies",
                          variable->value.size);
        return true;
    case EVENT_VALUE_BYTES:
        break;
    }
    return false;
}

static void describe_variable(const struct clo_event *event, const struct event_decoded *decoded,
                              struct clo_buffer *out)
{
    const struct event_variable *variable = &decoded->variable;

    if (!decoded->is_whole && variable->name.size == 0) {
        as_hex(event->data, out);
        return;
    }
    if (!as_text(variable->name, out))
        clo_buffer_text(out, "(unnamed)");
    if (!decoded->is_whole)
        clo_buffer_text(out, ": cut short");
    else if (!describe_value(variable, out))
        clo_buffer_printf(out, ": %zu bytes", variable->value.size);
}

/* Where the image lies: of a long path only its end, the file. */
static void describe_image(const struct event_decoded *decoded, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (!decoded->is_whole) {
        clo_buffer_text(out, "image, cut short");
        return;
    }
    bool is_whole = clo_device_path_text(decoded->image.device_path, &text);
    const char *string = clo_buffer_string(&text);
    const char *file = string == NULL ? NULL : strstr(string, "/\\");
    if (string == NULL || *string == '\0')
        clo_buffer_text(out, "image in memory");
    else
        append_clean(out, file == NULL ? string : file + 1);
    if (!is_whole)
        clo_buffer_text(out, " (its path breaks off)");
}

static bool describe_blob(const struct event_decoded *decoded, struct clo_buffer *out)
{
    const struct event_blob *blob = &decoded->blob;

    if (!decoded->is_whole || !blob->has_description || !as_text(blob->description, out))
        return false;
    clo_buffer_printf(out, ": 0x%llx bytes at 0x%llx", (unsigned long long)blob->size,
                      (unsigned long long)blob->address);
    return true;
}

/* Where the table lies that was measured. */
static bool describe_tables(const struct event_decoded *decoded, struct clo_buffer *out)
{
    const struct event_tables *tables = &decoded->tables;
    struct event_table table;
    char text[CLO_GUID_TEXT];

    if (!decoded->is_whole || tables->count != 1 || !tables->has_description ||
        !as_text(tables->description, out))
        return false;
    event_table_at(tables, 0, &table);
    clo_buffer_printf(out, ": %s at 0x%llx", clo_guid_text(&table.vendor, text),
                      (unsigned long long)table.address);
    return true;
}

/* A name in a field of fixed size, as edk2 writes those of fw_cfg's files and td-shim those of its own:
 * text, then zeros. */
static void describe_flags(const struct clo_event *event, struct clo_buffer *out)
{
    struct clo_bytes data = event->data;
    const uint8_t *nul = data.size == 0 ? NULL : memchr(data.data, 0, data.size);
    size_t size = nul == NULL ? 0 : (size_t)(nul - data.data);

    if (as_text(data, out))
        return;
    if (size < 3 || !as_text(clo_bytes_slice(data, 0, size), out))
        as_hex(data, out);
}

/* dstack's: type, name and payload, with colons between. */
static void describe_runtime(const struct clo_event *event, struct clo_buffer *out)
{
    struct clo_bytes rest = clo_bytes_slice(event->data, 5, event->data.size);
    const uint8_t *colon = rest.size == 0 ? NULL : memchr(rest.data, ':', rest.size);
    size_t size = colon == NULL ? 0 : (size_t)(colon - rest.data);

    if (!as_text(clo_bytes_slice(rest, 0, size), out)) {
        as_hex(event->data, out);
        return;
    }
    struct clo_bytes payload = clo_bytes_slice(rest, size + 1, rest.size);
    if (payload.size == 0)
        return;
    clo_buffer_text(out, ": ");
    if (!as_text(payload, out))
        as_hex(payload, out);
}

/* "disk of 2097152 sectors, 2 partitions: esp 2048-133119, root 133120-2095103". */
static bool describe_gpt(const struct event_decoded *decoded, struct clo_buffer *out)
{
    const struct event_gpt *gpt = &decoded->gpt;
    struct event_partition partition;

    if (!decoded->is_whole)
        return false;
    clo_buffer_printf(out, "disk of %llu sectors, %zu partitions",
                      (unsigned long long)gpt->last_sector + 1, gpt->count);
    for (size_t i = 0; i < gpt->count && i < GPT_SHOWN; i++) {
        event_partition_at(gpt, i, &partition);
        clo_buffer_text(out, i == 0 ? ": " : ", ");
        if (partition.name.size > 0 && as_text(partition.name, out))
            clo_buffer_text(out, " ");
        clo_buffer_printf(out, "%llu-%llu", (unsigned long long)partition.first_lba,
                          (unsigned long long)partition.last_lba);
    }
    if (gpt->count > GPT_SHOWN)
        clo_buffer_text(out, ", …");
    return true;
}

static bool describe_tag(const struct event_decoded *decoded, struct clo_buffer *out)
{
    const struct event_tag *tag = &decoded->tag;

    if (!decoded->is_whole)
        return false;
    if (tag->tag == CLO_EVENT_TAG_LOAD_OPTIONS) {
        clo_buffer_text(out, "kernel command line");
    } else if (tag->tag == CLO_EVENT_TAG_INITRD) {
        clo_buffer_text(out, "kernel's initrd");
    } else {
        clo_buffer_printf(out, "tag 0x%08x ", tag->tag);
        as_text_or_hex(tag->data, out);
    }
    return true;
}

static void describe_other(const struct clo_event *event, struct clo_buffer *out)
{
    switch (event->type) {
    case CLO_EV_PLATFORM_CONFIG_FLAGS:
        describe_flags(event, out);
        return;
    case CLO_EV_DSTACK_RUNTIME:
        describe_runtime(event, out);
        return;
    case CLO_EV_SEPARATOR:
        as_hex(event->data, out);
        return;
    default:
        as_text_or_hex(event->data, out);
        return;
    }
}

void clo_event_describe(const struct clo_event *event, struct clo_buffer *out)
{
    struct event_decoded decoded;

    event_decode(event, &decoded);
    switch (decoded.kind) {
    case EVENT_VARIABLE:
        describe_variable(event, &decoded, out);
        return;
    case EVENT_IMAGE:
        describe_image(&decoded, out);
        return;
    case EVENT_GPT:
        if (!describe_gpt(&decoded, out))
            as_hex(event->data, out);
        return;
    case EVENT_TAG:
        if (!describe_tag(&decoded, out))
            as_hex(event->data, out);
        return;
    case EVENT_TABLES:
        if (!describe_tables(&decoded, out))
            as_hex(event->data, out);
        return;
    case EVENT_BLOB:
        if (!describe_blob(&decoded, out))
            as_text_or_hex(event->data, out);
        return;
    case EVENT_OTHER:
        describe_other(event, out);
        return;
    }
}
