#include "cloister/event_fields.h"

#include <stdio.h>
#include <string.h>

#include "event_decode.h"
#include "event_values.h"

/* --- Images, firmware, tables --- */

static void image_fields(const struct event_image *image, struct fields *fields)
{
    /* The digest is that of the image, not of these words. */
    field_add(fields, "device_path", field_path(image->device_path), false);
    field_add(fields, "address", field_address(image->address), false);
    field_add(fields, "size", field_number(image->size), false);
    field_add(fields, "link_time_address", field_address(image->link_time_address), false);
}

static void gpt_fields(const struct event_gpt *gpt, struct fields *fields)
{
    json_t *partitions = json_array();
    struct event_partition partition;

    for (size_t i = 0; i < gpt->count; i++) {
        event_partition_at(gpt, i, &partition);
        json_array_append_new(partitions, json_pack("{s:o, s:o, s:o, s:o, s:o?}", "type",
                                                    field_guid(&partition.type), "guid",
                                                    field_guid(&partition.guid), "first_lba",
                                                    field_number(partition.first_lba), "last_lba",
                                                    field_number(partition.last_lba), "name",
                                                    field_text(partition.name)));
    }
    field_put(fields, "disk", field_guid(&gpt->disk));
    field_put(fields, "last_sector", field_number(gpt->last_sector));
    field_put(fields, "partitions", partitions);
}

/* The digest is the blob's. */
static void blob_fields(const struct event_blob *blob, struct fields *fields)
{
    if (blob->has_description)
        field_add(fields, "description", field_text_or_hex(blob->description), false);
    field_add(fields, "address", field_address(blob->address), false);
    field_add(fields, "size", field_number(blob->size), false);
}

/* The digest is the tables'. */
static void table_fields(const struct event_tables *tables, struct fields *fields)
{
    json_t *array = json_array();
    struct event_table table;

    for (size_t i = 0; i < tables->count; i++) {
        event_table_at(tables, i, &table);
        json_array_append_new(array, json_pack("{s:o, s:o}", "vendor", field_guid(&table.vendor),
                                               "address", field_address(table.address)));
    }
    if (tables->has_description)
        field_add(fields, "description", field_text_or_hex(tables->description), false);
    field_add(fields, "tables", array, false);
}

/* --- Events with a tag --- */

static const char *tag_name(uint32_t tag)
{
    static const struct {
        uint32_t tag;
        const char *name;
    } tags[] = {
        { CLO_EVENT_TAG_INITRD, "Linux: initrd" },
        { CLO_EVENT_TAG_LOAD_OPTIONS, "Linux: load options" },
        { 0xf5bc582aU, "systemd: loader.conf" },
        { 0x6c46f751U, "systemd: device tree of an add-on" },
        { 0x49dffe0fU, "systemd: initrd of an add-on" },
        { 0xdac08e1aU, "systemd: microcode of an add-on" },
        { 0x13aed6dbU, "systemd: profile of the UKI" },
        { 0xd5cb7cbcU, "systemd: SMBIOS type 1" },
        { 0xe0d47bc8U, "systemd: SMBIOS type 2" },
        { 0xc0b3bd23U, "systemd: SMBIOS type 11" },
    };

    for (size_t i = 0; i < CLO_COUNT(tags); i++)
        if (tags[i].tag == tag)
            return tags[i].name;
    return NULL;
}

/* Linux and systemd hash what the event is about, and put a description into it. */
static void tag_fields(const struct clo_event *event, enum clo_hash hash,
                       const struct event_tag *tag, struct fields *fields)
{
    bool is_content = field_is_digest_of(event, hash, tag->data);
    char value[16];

    snprintf(value, sizeof value, "0x%08x", tag->tag);
    field_put(fields, "tag", json_string(value));
    if (tag_name(tag->tag) != NULL)
        field_put(fields, "tag_name", json_string(tag_name(tag->tag)));
    field_add(fields, "content", field_text_or_hex(tag->data), fields->is_covered || is_content);
}

/* --- Events that are only in the log --- */

/* TCG_EfiSpecIDEvent, section 10.4.5.1. */
static void spec_id_fields(struct clo_bytes data, struct fields *fields)
{
    struct clo_reader r = clo_reader(data);
    json_t *algorithms = json_array();
    char version[32];

    r.at = 16;
    uint32_t platform = clo_read_le32(&r);
    unsigned minor = clo_read_u8(&r);
    unsigned major = clo_read_u8(&r);
    unsigned errata = clo_read_u8(&r);
    unsigned natural = clo_read_u8(&r);
    uint32_t count = clo_read_le32(&r);
    for (uint32_t i = 0; i < count && clo_reader_left(&r) >= 4; i++) {
        uint16_t id = clo_read_le16(&r);
        uint16_t size = clo_read_le16(&r);
        enum clo_hash hash = clo_hash_from_tpm(id);
        char name[16];
        snprintf(name, sizeof name, "0x%04x", id);
        json_array_append_new(algorithms,
                              json_pack("{s:s, s:i}", "name",
                                        hash == CLO_HASH_NONE ? name : clo_hash_name(hash), "bytes",
                                        (int)size));
    }
    snprintf(version, sizeof version, "%u.%u errata %u", major, minor, errata);
    field_put(fields, "version", json_string(version));
    field_put(fields, "platform_class", field_number(platform));
    field_put(fields, "uintn_size", field_number(natural));
    field_put(fields, "algorithms", algorithms);
}

/* TCG_Sp800_155_PlatformId_Event2 and 3, section 10.4.5.3: who made the firmware, and where its
 * reference values are. */
static void reference_manifest_fields(struct clo_bytes data, struct fields *fields)
{
    static const char *const names[] = { "platform_manufacturer", "platform_model",
                                         "platform_version", "firmware_manufacturer" };
    struct clo_reader r = clo_reader(data);

    r.at = 16;
    uint32_t vendor = clo_read_le32(&r);
    struct clo_guid manifest = clo_read_guid(&r);
    field_put(fields, "vendor_id", field_number(vendor));
    field_put(fields, "reference_manifest", field_guid(&manifest));
    for (size_t i = 0; i < CLO_COUNT(names); i++) {
        struct clo_bytes string = clo_read_bytes(&r, clo_read_u8(&r));
        if (clo_reader_ok(&r) && string.size > 0)
            field_put(fields, names[i], field_text_or_hex(string));
    }
}

static bool starts_with(struct clo_bytes data, const char *word)
{
    return data.size >= 16 && strncmp((const char *)data.data, word, 15) == 0;
}

static bool no_action_fields(const struct clo_event *event, struct fields *fields)
{
    struct clo_bytes data = event->data;

    if (data.size < 16)
        return false;
    field_put(fields, "signature", field_text_or_hex(clo_bytes_slice(data, 0, 16)));
    if (starts_with(data, "Spec ID Event03") && data.size >= 28)
        spec_id_fields(data, fields);
    else if (starts_with(data, "StartupLocality") && data.size == 17)
        field_put(fields, "locality", json_integer(data.data[16]));
    else if (starts_with(data, "SP800-155 Event"))
        reference_manifest_fields(data, fields);
    else if (data.size > 16)
        field_put(fields, "bytes", clo_json_hex(clo_bytes_slice(data, 16, data.size)));
    return true;
}

/* --- The rest --- */

static bool separator_fields(const struct clo_event *event, struct fields *fields)
{
    struct clo_bytes data = event->data;
    bool is_normal = data.size == 4 && (clo_bytes_all(data, 0) || clo_bytes_all(data, 0xff));

    field_put(fields, "value", clo_json_hex(data));
    field_put(fields, "meaning",
              json_string(is_normal ? "end of the firmware's part"
                          : data.size == 4 && memcmp(data.data, "\1\0\0\0", 4) == 0 ? "an error"
                                                                                    : "unknown"));
    return true;
}

/* "grub_cmd: …", "kernel_cmdline: …": GRUB names what it measures. */
static bool ipl_fields(const struct clo_event *event, struct fields *fields)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };

    if (!event_text(event->data, &out))
        return false;
    const char *string = clo_buffer_string(&out);
    const char *colon = strstr(string, ": ");
    if (colon != NULL && (strncmp(string, "grub_", 5) == 0 || strncmp(string, "kernel_", 7) == 0 ||
                          strncmp(string, "module_", 7) == 0)) {
        char kind[32];
        snprintf(kind, sizeof kind, "%.*s", (int)(colon - string), string);
        field_add(fields, "kind", field_clean(kind), false);
        field_put(fields, "text", field_clean(colon + 2));
    } else {
        field_put(fields, "text", field_clean(string));
    }
    return true;
}

static bool version_fields(const struct clo_event *event, struct fields *fields)
{
    struct clo_reader r = clo_reader(event->data);
    struct clo_guid version = clo_read_guid(&r);
    json_t *string = field_text(event->data);

    field_put(fields, "version",
              string != NULL           ? string
              : event->data.size == 16 ? field_guid(&version)
                                       : clo_json_hex(event->data));
    return true;
}

static bool other_fields(const struct clo_event *event, struct fields *fields)
{
    switch (event->type) {
    case CLO_EV_NO_ACTION:
        return no_action_fields(event, fields);
    case CLO_EV_SEPARATOR:
        return separator_fields(event, fields);
    case CLO_EV_S_CRTM_VERSION:
        return version_fields(event, fields);
    case CLO_EV_IPL:
        return ipl_fields(event, fields);
    default:
        return false;
    }
}

static bool add_fields(const struct clo_event *event, enum clo_hash hash, struct fields *fields)
{
    struct event_decoded decoded;

    event_decode(event, &decoded);
    if (decoded.kind == EVENT_OTHER)
        return other_fields(event, fields);
    if (!decoded.is_whole)
        return false;
    switch (decoded.kind) {
    case EVENT_VARIABLE:
        return event_variable_fields(event, hash, &decoded.variable, fields);
    case EVENT_IMAGE:
        image_fields(&decoded.image, fields);
        return true;
    case EVENT_GPT:
        gpt_fields(&decoded.gpt, fields);
        return true;
    case EVENT_TAG:
        tag_fields(event, hash, &decoded.tag, fields);
        return true;
    case EVENT_BLOB:
        blob_fields(&decoded.blob, fields);
        return true;
    case EVENT_TABLES:
        table_fields(&decoded.tables, fields);
        return true;
    case EVENT_OTHER:
        break;
    }
    return false;
}

json_t *clo_event_fields(const struct clo_event *event, enum clo_hash hash)
{
    struct fields fields = { .object = json_object(),
                             .is_covered = event->type != CLO_EV_NO_ACTION &&
                                           clo_event_data_is_measured(event, hash) };

    if (fields.object == NULL || add_fields(event, hash, &fields))
        return fields.object;
    json_object_clear(fields.object);
    json_t *string = field_text(event->data);
    if (string != NULL)
        field_put(&fields, "text", string);
    else
        field_put(&fields, "bytes", clo_json_hex(event->data));
    return fields.object;
}
