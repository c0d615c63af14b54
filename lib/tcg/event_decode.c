#include "event_decode.h"

#include <string.h>

#include "cloister/signature_list.h"

#define GPT_ENTRY 128 /* at least, UEFI 2.10 section 5.3.2 */
#define GPT_NAME  72

/* --- Variables --- */

/* "Boot0001" */
static bool is_boot_option(const char *name)
{
    return strncmp(name, "Boot", 4) == 0 && strlen(name) == 8 &&
           strspn(name + 4, "0123456789ABCDEFabcdef") == 4;
}

static bool read_option(struct clo_bytes value, struct event_load_option *out)
{
    struct clo_reader r = clo_reader(value);
    struct event_load_option option = { .attributes = clo_read_le32(&r) };
    uint16_t path_size = clo_read_le16(&r);
    size_t start = r.at;

    while (clo_reader_ok(&r) && clo_read_le16(&r) != 0)
        continue;
    if (!clo_reader_ok(&r))
        return false;
    option.description = clo_bytes_slice(value, start, r.at - start - 2);
    option.path = clo_read_bytes(&r, path_size);
    if (!clo_reader_ok(&r))
        return false;
    option.options = clo_bytes_slice(value, r.at, value.size);
    *out = option;
    return true;
}

static bool read_authority(struct clo_bytes value, struct event_authority *out)
{
    struct clo_reader r = clo_reader(value);
    struct event_authority authority = { .owner = clo_read_guid(&r) };
    bool is_bare = value.size > 1 && value.data[0] == 0x30 && value.data[1] == 0x82;

    authority.has_owner = !is_bare;
    authority.certificate = is_bare ? value : clo_bytes_slice(value, 16, value.size);
    *out = authority;
    return authority.certificate.size >= 2 && authority.certificate.data[0] == 0x30;
}

static bool read_lists(struct event_variable *variable)
{
    struct clo_signature_walk walk = clo_signature_walk(variable->value);
    struct clo_signature_entry entry;
    enum clo_next next = CLO_NEXT_ITEM;
    struct clo_error ignored;
    size_t count = 0;

    while (count < EVENT_ENTRIES_MAX &&
           (next = clo_signature_next(&walk, &entry, &ignored)) == CLO_NEXT_ITEM)
        count++;
    variable->entry_count = count;
    variable->are_lists_whole = next != CLO_NEXT_FAILED;
    return count > 0;
}

static bool may_have_lists(uint32_t type, const char *name)
{
    static const char *const names[] = { "PK",  "KEK",     "db",       "dbx",      "dbt",
                                         "dbr", "MokList", "MokListX", "vendor_db" };

    for (size_t i = 0; i < CLO_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return type == CLO_EV_EFI_VARIABLE_DRIVER_CONFIG;
}

static bool is_level(struct clo_bytes value)
{
    return value.size >= 5 && memcmp(value.data, "sbat,", 5) == 0;
}

static enum event_value value_kind(uint32_t type, const char *name, struct event_variable *variable)
{
    struct clo_bytes value = variable->value;
    bool is_boot = type == CLO_EV_EFI_VARIABLE_BOOT || type == CLO_EV_EFI_VARIABLE_BOOT2;

    if (value.size < 2)
        return value.size == 0 ? EVENT_VALUE_EMPTY : EVENT_VALUE_BYTE;
    if (strcmp(name, "SbatLevel") == 0)
        return is_level(value) ? EVENT_VALUE_LEVEL : EVENT_VALUE_BYTES;
    if (type == CLO_EV_EFI_VARIABLE_AUTHORITY && read_authority(value, &variable->authority))
        return EVENT_VALUE_AUTHORITY;
    if (may_have_lists(type, name) && read_lists(variable))
        return EVENT_VALUE_LISTS;
    if (is_boot && is_boot_option(name) && read_option(value, &variable->option))
        return EVENT_VALUE_OPTION;
    return is_boot && strcmp(name, "BootOrder") == 0 ? EVENT_VALUE_BOOT_ORDER : EVENT_VALUE_BYTES;
}

static bool decode_variable(const struct clo_event *event, struct event_variable *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_reader r = clo_reader(event->data);
    struct event_variable variable = { .vendor = clo_read_guid(&r) };
    uint64_t name_size = clo_read_le64(&r);
    uint64_t value_size = clo_read_le64(&r);
    size_t all = event->data.size;

    variable.name = clo_read_bytes(&r, name_size > all / 2 ? all + 1 : (size_t)name_size * 2);
    variable.value = clo_read_bytes(&r, value_size > all ? all + 1 : (size_t)value_size);
    clo_utf16_text(variable.name, &text);
    const char *name = clo_buffer_string(&text);
    if (clo_reader_ok(&r) && name != NULL)
        variable.kind = value_kind(event->type, name, &variable);
    *out = variable;
    return clo_reader_ok(&r);
}

/* --- Images, partition tables, tags, firmware, tables --- */

static bool decode_image(struct clo_bytes data, struct event_image *out)
{
    struct clo_reader r = clo_reader(data);
    struct event_image image = { .address = clo_read_le64(&r) };

    image.size = clo_read_le64(&r);
    image.link_time_address = clo_read_le64(&r);
    uint64_t size = clo_read_le64(&r);
    image.device_path = clo_read_bytes(&r, size > data.size ? data.size + 1 : (size_t)size);
    *out = image;
    return clo_reader_ok(&r);
}

static bool decode_gpt(struct clo_bytes data, struct event_gpt *out)
{
    struct clo_reader r = clo_reader(data);
    struct event_gpt gpt = { 0 };

    clo_read_skip(&r, 32); /* up to AlternateLBA */
    gpt.last_sector = clo_read_le64(&r);
    clo_read_skip(&r, 16);
    gpt.disk = clo_read_guid(&r);
    clo_read_skip(&r, 12);
    gpt.entry_size = clo_read_le32(&r);
    clo_read_skip(&r, 4);
    uint64_t count = clo_read_le64(&r);
    if (!clo_reader_ok(&r) || gpt.entry_size < GPT_ENTRY || count > EVENT_ENTRIES_MAX ||
        count > clo_reader_left(&r) / gpt.entry_size)
        return false;
    gpt.count = (size_t)count;
    gpt.entries = clo_read_bytes(&r, gpt.count * gpt.entry_size);
    *out = gpt;
    return true;
}

void event_partition_at(const struct event_gpt *gpt, size_t index, struct event_partition *out)
{
    struct clo_reader r =
            clo_reader(clo_bytes_slice(gpt->entries, index * gpt->entry_size, gpt->entry_size));
    size_t used = 0;

    out->type = clo_read_guid(&r);
    out->guid = clo_read_guid(&r);
    out->first_lba = clo_read_le64(&r);
    out->last_lba = clo_read_le64(&r);
    clo_read_skip(&r, 8);
    struct clo_bytes name = clo_read_bytes(&r, GPT_NAME);
    while (used + 2 <= name.size && (name.data[used] != 0 || name.data[used + 1] != 0))
        used += 2;
    out->name = clo_bytes_slice(name, 0, used);
}

static bool decode_tag(struct clo_bytes data, struct event_tag *out)
{
    struct clo_reader r = clo_reader(data);
    struct event_tag tag = { .tag = clo_read_le32(&r) };
    uint32_t size = clo_read_le32(&r);

    tag.data = clo_read_bytes(&r, size);
    *out = tag;
    return clo_reader_ok(&r);
}

static bool decode_blob(struct clo_bytes data, bool has_description, struct event_blob *out)
{
    struct clo_reader r = clo_reader(data);
    struct event_blob blob = { .has_description = has_description };

    if (has_description)
        blob.description = clo_read_bytes(&r, clo_read_u8(&r));
    blob.address = clo_read_le64(&r);
    blob.size = clo_read_le64(&r);
    *out = blob;
    return clo_reader_ok(&r) && clo_reader_left(&r) == 0;
}

static bool decode_tables(struct clo_bytes data, bool has_description, struct event_tables *out)
{
    struct clo_reader r = clo_reader(data);
    struct event_tables tables = { .has_description = has_description };

    if (has_description)
        tables.description = clo_read_bytes(&r, clo_read_u8(&r));
    uint64_t count = clo_read_le64(&r);
    if (!clo_reader_ok(&r) || count > clo_reader_left(&r) / 24)
        return false;
    tables.count = (size_t)count;
    tables.entries = clo_read_bytes(&r, tables.count * 24);
    *out = tables;
    return true;
}

void event_table_at(const struct event_tables *tables, size_t index, struct event_table *out)
{
    struct clo_reader r = clo_reader(clo_bytes_slice(tables->entries, index * 24, 24));

    out->vendor = clo_read_guid(&r);
    out->address = clo_read_le64(&r);
}

/* --- All of them --- */

static enum event_kind kind_of(uint32_t type)
{
    switch (type) {
    case CLO_EV_EFI_VARIABLE_DRIVER_CONFIG:
    case CLO_EV_EFI_VARIABLE_BOOT:
    case CLO_EV_EFI_VARIABLE_BOOT2:
    case CLO_EV_EFI_VARIABLE_AUTHORITY:
        return EVENT_VARIABLE;
    case CLO_EV_EFI_BOOT_SERVICES_APPLICATION:
    case CLO_EV_EFI_BOOT_SERVICES_DRIVER:
    case CLO_EV_EFI_RUNTIME_SERVICES_DRIVER:
        return EVENT_IMAGE;
    case CLO_EV_EFI_GPT_EVENT:
    case CLO_EV_EFI_GPT_EVENT2:
        return EVENT_GPT;
    case CLO_EV_EVENT_TAG:
        return EVENT_TAG;
    case CLO_EV_POST_CODE:
    case CLO_EV_POST_CODE2:
    case CLO_EV_EFI_PLATFORM_FIRMWARE_BLOB:
    case CLO_EV_EFI_PLATFORM_FIRMWARE_BLOB2:
        return EVENT_BLOB;
    case CLO_EV_EFI_HANDOFF_TABLES:
    case CLO_EV_EFI_HANDOFF_TABLES2:
        return EVENT_TABLES;
    default:
        return EVENT_OTHER;
    }
}

void event_decode(const struct clo_event *event, struct event_decoded *out)
{
    uint32_t type = event->type;

    *out = (struct event_decoded){ .kind = kind_of(type) };
    switch (out->kind) {
    case EVENT_VARIABLE:
        out->is_whole = decode_variable(event, &out->variable);
        break;
    case EVENT_IMAGE:
        out->is_whole = decode_image(event->data, &out->image);
        break;
    case EVENT_GPT:
        out->is_whole = decode_gpt(event->data, &out->gpt);
        break;
    case EVENT_TAG:
        out->is_whole = decode_tag(event->data, &out->tag);
        break;
    case EVENT_BLOB:
        out->is_whole =
                decode_blob(event->data,
                            type == CLO_EV_POST_CODE2 || type == CLO_EV_EFI_PLATFORM_FIRMWARE_BLOB2,
                            &out->blob);
        break;
    case EVENT_TABLES:
        out->is_whole =
                decode_tables(event->data, type == CLO_EV_EFI_HANDOFF_TABLES2, &out->tables);
        break;
    case EVENT_OTHER:
        break;
    }
}

bool event_text(struct clo_bytes data, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    bool is_wide = data.size >= 4 && data.data[1] == 0 && data.data[3] == 0;

    /* systemd-boot of old leaves out the last byte of the NUL. */
    if (is_wide && data.size % 2 != 0) {
        is_wide = data.data[data.size - 1] == 0;
        data.size--;
    }
    if (is_wide) {
        while (data.size >= 2 && data.data[data.size - 1] == 0 && data.data[data.size - 2] == 0)
            data.size -= 2;
        clo_utf16_text(data, &text);
    } else {
        while (data.size > 0 && data.data[data.size - 1] == 0)
            data.size--;
        for (size_t i = 0; i < data.size; i++)
            if (data.data[i] < 0x20 && data.data[i] != '\n' && data.data[i] != '\t')
                return false;
        clo_buffer_append(&text, data);
    }
    const char *string = clo_buffer_string(&text);
    if (string == NULL || text.size == 0 || memchr(text.data, 0, text.size) != NULL)
        return false;
    clo_buffer_append(out, clo_buffer_bytes(&text));
    return true;
}
