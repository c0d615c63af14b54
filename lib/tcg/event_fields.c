#include "cloister/event_fields.h"

#include <stdio.h>
#include <string.h>

#include "cloister/device_path.h"
#include "cloister/efivar.h"
#include "cloister/gpt.h"
#include "event_data.h"

#define TEXT_MAX    4096
#define ENTRIES_MAX 4096

struct fields {
    json_t *object;
    bool is_covered;
};

/* Takes the value; NULL (no memory, or no text) leaves the field out. */
static void add(struct fields *fields, const char *name, json_t *value, bool is_covered)
{
    if (value != NULL)
        json_object_set_new(fields->object, name,
                            json_pack("{s:o, s:b}", "value", value, "covered", is_covered));
}

static void put(struct fields *fields, const char *name, json_t *value)
{
    add(fields, name, value, fields->is_covered);
}

static json_t *number(uint64_t value)
{
    return value > INT64_MAX ? json_string("out of range") : json_integer((json_int_t)value);
}

static json_t *address(uint64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "0x%llx", (unsigned long long)value);
    return json_string(text);
}

static json_t *guid(const struct clo_guid *value)
{
    char text[CLO_GUID_TEXT];

    return json_string(clo_guid_text(value, text));
}

/* Cleaned, and cut where it is very long. */
static json_t *clean(const char *string)
{
    char line[TEXT_MAX];

    snprintf(line, sizeof line, "%s", string);
    clo_sanitize(line);
    return json_string(line);
}

static json_t *text(struct clo_bytes data)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };

    return event_text(data, &out) ? clean(clo_buffer_string(&out)) : NULL;
}

static json_t *text_or_hex(struct clo_bytes data)
{
    json_t *string = text(data);

    return string != NULL ? string : clo_json_hex(data);
}

static json_t *path(struct clo_bytes data)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };

    if (!clo_device_path_text(data, &out))
        clo_buffer_text(&out, " (breaks off)");
    const char *string = clo_buffer_string(&out);
    return string == NULL ? NULL : clean(string);
}

/* --- Signatures: lists of them, and the one that let an image start --- */

static json_t *certificate(struct clo_bytes der)
{
    CLO_CLEANUP(clo_certificate_freep) struct clo_certificate *parsed = NULL;
    struct clo_digest digest;
    struct clo_error ignored;

    clo_hash(CLO_HASH_SHA256, der, &digest);
    json_t *json = json_pack("{s:s, s:o}", "type", "x509", "sha256",
                             clo_json_hex(clo_digest_bytes(&digest)));
    if (json != NULL && clo_certificate_parse(der, &parsed, &ignored)) {
        json_object_set_new(json, "subject", json_string(clo_certificate_subject(parsed)));
        json_object_set_new(json, "issuer", json_string(clo_certificate_issuer(parsed)));
    }
    return json;
}

static json_t *signature(const struct clo_signature_entry *entry)
{
    json_t *json;

    if (clo_guid_equal(&entry->type, &clo_guid_cert_x509))
        json = certificate(entry->data);
    else if (clo_guid_equal(&entry->type, &clo_guid_cert_sha256))
        json = json_pack("{s:s, s:o}", "type", "sha256", "digest", clo_json_hex(entry->data));
    else
        json = json_pack("{s:o, s:o}", "type", guid(&entry->type), "data",
                         clo_json_hex(entry->data));
    if (json != NULL)
        json_object_set_new(json, "owner", guid(&entry->owner));
    return json;
}

/* NULL if it is no signature list. */
static json_t *signatures(struct clo_bytes lists)
{
    struct clo_signature_entry entry;
    struct clo_error err = { .status = CLO_OK };
    json_t *array = json_array();

    for (size_t i = 0; i < ENTRIES_MAX && clo_signature_list_at(lists, i, &entry, &err); i++)
        json_array_append_new(array, signature(&entry));
    if (err.status == CLO_OK)
        return array;
    json_decref(array);
    return NULL;
}

/* EFI_SIGNATURE_DATA with a certificate, or (shim's own key) the certificate alone. */
static json_t *authority(struct clo_bytes value)
{
    struct clo_bytes der = value;
    struct clo_reader r = clo_reader(value);
    struct clo_guid owner = clo_read_guid(&r);
    bool is_bare = value.size > 1 && value.data[0] == 0x30 && value.data[1] == 0x82;

    if (!is_bare)
        der = clo_bytes_slice(value, 16, value.size);
    if (der.size < 2 || der.data[0] != 0x30)
        return NULL;
    json_t *json = certificate(der);
    if (json != NULL && !is_bare)
        json_object_set_new(json, "owner", guid(&owner));
    return json;
}

/* --- Variables --- */

/* EFI_LOAD_OPTION (UEFI 2.10, section 3.1.3). */
static json_t *load_option(struct clo_bytes value)
{
    struct clo_reader r = clo_reader(value);
    uint32_t attributes = clo_read_le32(&r);
    uint16_t path_size = clo_read_le16(&r);
    size_t start = r.at;

    while (clo_reader_left(&r) >= 2 && clo_read_le16(&r) != 0)
        continue;
    struct clo_bytes name = clo_bytes_slice(value, start, r.at - start);
    struct clo_bytes where = clo_read_bytes(&r, path_size);
    if (!clo_reader_ok(&r))
        return NULL;
    struct clo_bytes options = clo_bytes_slice(value, r.at, value.size);
    json_t *json = json_pack("{s:b, s:o?, s:o?}", "active", attributes & 1, "description",
                             text(name), "path", path(where));
    if (json != NULL && options.size > 0)
        json_object_set_new(json, "options", text_or_hex(options));
    return json;
}

static json_t *boot_order(struct clo_bytes value)
{
    struct clo_reader r = clo_reader(value);
    json_t *array = json_array();
    char name[16];

    while (clo_reader_left(&r) >= 2) {
        snprintf(name, sizeof name, "Boot%04X", clo_read_le16(&r));
        json_array_append_new(array, json_string(name));
    }
    return array;
}

static bool is_boot_option(const char *name)
{
    return strncmp(name, "Boot", 4) == 0 && strlen(name) == 8 &&
           strspn(name + 4, "0123456789ABCDEFabcdef") == 4;
}

static json_t *variable_value(const struct clo_event *event, const char *name,
                              struct clo_bytes value)
{
    static const char *const lists[] = { "PK",  "KEK",     "db",       "dbx",      "dbt",
                                         "dbr", "MokList", "MokListX", "vendor_db" };
    json_t *json = NULL;

    if (value.size == 0)
        return json_string("");
    if (value.size == 1)
        return json_integer(value.data[0]);
    if (event->type == CLO_EV_EFI_VARIABLE_AUTHORITY && strcmp(name, "SbatLevel") != 0)
        json = authority(value);
    for (size_t i = 0; json == NULL && i < CLO_COUNT(lists); i++)
        if (strcmp(name, lists[i]) == 0)
            json = signatures(value);
    if (json == NULL && is_boot_option(name))
        json = load_option(value);
    if (json == NULL && strcmp(name, "BootOrder") == 0)
        json = boot_order(value);
    return json != NULL ? json : text_or_hex(value);
}

/* An event without a digest in this bank, CLO_HASH_NONE among them, is the digest of nothing. */
static bool is_digest_of(const struct clo_event *event, enum clo_hash hash, struct clo_bytes part)
{
    struct clo_digest digest;
    struct clo_digest expected;

    if (!clo_event_digest(event, hash, &expected))
        return false;
    clo_hash(hash, part, &digest);
    return clo_digest_equal(&digest, &expected);
}

static bool variable_fields(const struct clo_event *event, enum clo_hash hash,
                            struct fields *fields)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { 0 };
    struct event_variable variable;

    if (!event_read_variable(event->data, &variable) || !event_text(variable.name, &name))
        return false;
    /* Older profiles measure a boot variable's value alone: then its name is a hint. */
    bool is_value_alone = is_digest_of(event, hash, variable.value);
    bool is_whole = fields->is_covered && !is_value_alone;
    add(fields, "variable", clean(clo_buffer_string(&name)), is_whole);
    add(fields, "vendor", guid(&variable.vendor), is_whole);
    put(fields, "data", variable_value(event, clo_buffer_string(&name), variable.value));
    return true;
}

/* --- Images, firmware, tables --- */

static bool image_fields(const struct clo_event *event, struct fields *fields)
{
    struct event_image image;

    if (!event_read_image(event->data, &image))
        return false;
    /* The digest is that of the image, not of these words. */
    add(fields, "device_path", path(image.device_path), false);
    add(fields, "address", address(image.address), false);
    add(fields, "size", number(image.size), false);
    add(fields, "link_time_address", address(image.link_time_address), false);
    return true;
}

static json_t *partition(struct clo_bytes entry)
{
    struct clo_reader r = clo_reader(entry);
    struct clo_guid type = clo_read_guid(&r);
    struct clo_guid unique = clo_read_guid(&r);
    uint64_t first = clo_read_le64(&r);
    uint64_t last = clo_read_le64(&r);

    clo_read_skip(&r, 8);
    struct clo_bytes name = clo_read_bytes(&r, clo_reader_left(&r) < 72 ? clo_reader_left(&r) : 72);
    return json_pack("{s:o, s:o, s:o, s:o, s:o?}", "type", guid(&type), "guid", guid(&unique),
                     "first_lba", number(first), "last_lba", number(last), "name", text(name));
}

/* UEFI_GPT_DATA, section 10.4.4. */
static bool gpt_fields(const struct clo_event *event, struct fields *fields)
{
    struct clo_reader r = clo_reader(event->data);

    clo_read_skip(&r, 24);
    clo_read_skip(&r, 8); /* MyLBA is at 24 */
    uint64_t alternate = clo_read_le64(&r);
    clo_read_skip(&r, 16);
    struct clo_guid disk = clo_read_guid(&r);
    clo_read_skip(&r, 12);
    uint32_t entry_size = clo_read_le32(&r);
    r.at = 92;
    uint64_t count = clo_read_le64(&r);
    if (!clo_reader_ok(&r) || entry_size < 56 || count > ENTRIES_MAX ||
        count > clo_reader_left(&r) / entry_size)
        return false;
    json_t *partitions = json_array();
    for (uint64_t i = 0; i < count; i++)
        json_array_append_new(partitions, partition(clo_read_bytes(&r, entry_size)));
    put(fields, "disk", guid(&disk));
    put(fields, "last_sector", number(alternate));
    put(fields, "partitions", partitions);
    return true;
}

/* UEFI_PLATFORM_FIRMWARE_BLOB and BLOB2, section 10.4.6: the digest is the blob's. */
static bool blob_fields(const struct clo_event *event, bool has_name, struct fields *fields)
{
    struct clo_reader r = clo_reader(event->data);
    struct clo_bytes name = { 0 };

    if (has_name)
        name = clo_read_bytes(&r, clo_read_u8(&r));
    uint64_t base = clo_read_le64(&r);
    uint64_t size = clo_read_le64(&r);
    if (!clo_reader_ok(&r) || clo_reader_left(&r) != 0)
        return false;
    if (has_name)
        add(fields, "description", text_or_hex(name), false);
    add(fields, "address", address(base), false);
    add(fields, "size", number(size), false);
    return true;
}

/* UEFI_HANDOFF_TABLE_POINTERS and POINTERS2, section 10.4.7: the digest is the tables'. */
static bool table_fields(const struct clo_event *event, bool has_name, struct fields *fields)
{
    struct clo_reader r = clo_reader(event->data);
    struct clo_bytes name = { 0 };

    if (has_name)
        name = clo_read_bytes(&r, clo_read_u8(&r));
    uint64_t count = clo_read_le64(&r);
    if (!clo_reader_ok(&r) || count > clo_reader_left(&r) / 24)
        return false;
    json_t *tables = json_array();
    for (uint64_t i = 0; i < count; i++) {
        struct clo_guid vendor = clo_read_guid(&r);
        json_array_append_new(tables, json_pack("{s:o, s:o}", "vendor", guid(&vendor), "address",
                                                address(clo_read_le64(&r))));
    }
    if (has_name)
        add(fields, "description", text_or_hex(name), false);
    add(fields, "tables", tables, false);
    return true;
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
static bool tag_fields(const struct clo_event *event, enum clo_hash hash, struct fields *fields)
{
    struct event_tag tag;
    char value[16];

    if (!event_read_tag(event->data, &tag))
        return false;
    bool is_content = is_digest_of(event, hash, tag.data);
    snprintf(value, sizeof value, "0x%08x", tag.tag);
    put(fields, "tag", json_string(value));
    if (tag_name(tag.tag) != NULL)
        put(fields, "tag_name", json_string(tag_name(tag.tag)));
    add(fields, "content", text_or_hex(tag.data), fields->is_covered || is_content);
    return true;
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
    put(fields, "version", json_string(version));
    put(fields, "platform_class", number(platform));
    put(fields, "uintn_size", number(natural));
    put(fields, "algorithms", algorithms);
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
    put(fields, "vendor_id", number(vendor));
    put(fields, "reference_manifest", guid(&manifest));
    for (size_t i = 0; i < CLO_COUNT(names); i++) {
        struct clo_bytes string = clo_read_bytes(&r, clo_read_u8(&r));
        if (clo_reader_ok(&r) && string.size > 0)
            put(fields, names[i], text_or_hex(string));
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
    put(fields, "signature", text_or_hex(clo_bytes_slice(data, 0, 16)));
    if (starts_with(data, "Spec ID Event03") && data.size >= 28)
        spec_id_fields(data, fields);
    else if (starts_with(data, "StartupLocality") && data.size == 17)
        put(fields, "locality", json_integer(data.data[16]));
    else if (starts_with(data, "SP800-155 Event"))
        reference_manifest_fields(data, fields);
    else if (data.size > 16)
        put(fields, "bytes", clo_json_hex(clo_bytes_slice(data, 16, data.size)));
    return true;
}

/* --- The rest --- */

static bool separator_fields(const struct clo_event *event, struct fields *fields)
{
    struct clo_bytes data = event->data;
    bool is_normal = data.size == 4 && (clo_bytes_all(data, 0) || clo_bytes_all(data, 0xff));

    put(fields, "value", clo_json_hex(data));
    put(fields, "meaning",
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
        add(fields, "kind", clean(kind), false);
        put(fields, "text", clean(colon + 2));
    } else {
        put(fields, "text", clean(string));
    }
    return true;
}

static bool version_fields(const struct clo_event *event, struct fields *fields)
{
    struct clo_reader r = clo_reader(event->data);
    struct clo_guid version = clo_read_guid(&r);
    json_t *string = text(event->data);

    put(fields, "version",
        string != NULL           ? string
        : event->data.size == 16 ? guid(&version)
                                 : clo_json_hex(event->data));
    return true;
}

static bool decode(const struct clo_event *event, enum clo_hash hash, struct fields *fields)
{
    switch (event->type) {
    case CLO_EV_NO_ACTION:
        return no_action_fields(event, fields);
    case CLO_EV_SEPARATOR:
        return separator_fields(event, fields);
    case CLO_EV_EVENT_TAG:
        return tag_fields(event, hash, fields);
    case CLO_EV_S_CRTM_VERSION:
        return version_fields(event, fields);
    case CLO_EV_IPL:
        return ipl_fields(event, fields);
    case CLO_EV_EFI_VARIABLE_DRIVER_CONFIG:
    case CLO_EV_EFI_VARIABLE_BOOT:
    case CLO_EV_EFI_VARIABLE_BOOT2:
    case CLO_EV_EFI_VARIABLE_AUTHORITY:
        return variable_fields(event, hash, fields);
    case CLO_EV_EFI_BOOT_SERVICES_APPLICATION:
    case CLO_EV_EFI_BOOT_SERVICES_DRIVER:
    case CLO_EV_EFI_RUNTIME_SERVICES_DRIVER:
        return image_fields(event, fields);
    case CLO_EV_EFI_GPT_EVENT:
    case CLO_EV_EFI_GPT_EVENT2:
        return gpt_fields(event, fields);
    case CLO_EV_POST_CODE:
    case CLO_EV_EFI_PLATFORM_FIRMWARE_BLOB:
        return event->data.size == 16 && blob_fields(event, false, fields);
    case CLO_EV_POST_CODE2:
    case CLO_EV_EFI_PLATFORM_FIRMWARE_BLOB2:
        return blob_fields(event, true, fields);
    case CLO_EV_EFI_HANDOFF_TABLES:
        return table_fields(event, false, fields);
    case CLO_EV_EFI_HANDOFF_TABLES2:
        return table_fields(event, true, fields);
    default:
        return false;
    }
}

json_t *clo_event_fields(const struct clo_event *event, enum clo_hash hash)
{
    struct fields fields = { .object = json_object(),
                             .is_covered = event->type != CLO_EV_NO_ACTION &&
                                           clo_event_data_is_measured(event, hash) };

    if (fields.object == NULL || decode(event, hash, &fields))
        return fields.object;
    json_object_clear(fields.object);
    json_t *string = text(event->data);
    if (string != NULL)
        put(&fields, "text", string);
    else
        put(&fields, "bytes", clo_json_hex(event->data));
    return fields.object;
}
