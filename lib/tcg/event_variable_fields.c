/* Variables, and the signature lists in them. */
#include "event_values.h"

#include <stdio.h>
#include <string.h>

#include "cloister/efivar.h"
#include "event_data.h"

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
        json = json_pack("{s:o, s:o}", "type", field_guid(&entry->type), "data",
                         clo_json_hex(entry->data));
    if (json != NULL)
        json_object_set_new(json, "owner", field_guid(&entry->owner));
    return json;
}

/* NULL if it is no signature list. */
static json_t *signatures(struct clo_bytes lists)
{
    struct clo_signature_entry entry;
    struct clo_error err = { .status = CLO_OK };
    json_t *array = json_array();

    for (size_t i = 0; i < EVENT_ENTRIES_MAX && clo_signature_list_at(lists, i, &entry, &err); i++)
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
        json_object_set_new(json, "owner", field_guid(&owner));
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
                             field_text(name), "path", field_path(where));
    if (json != NULL && options.size > 0)
        json_object_set_new(json, "options", field_text_or_hex(options));
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
    return json != NULL ? json : field_text_or_hex(value);
}

bool event_variable_fields(const struct clo_event *event, enum clo_hash hash, struct fields *fields)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { 0 };
    struct event_variable variable;

    if (!event_read_variable(event->data, &variable) || !event_text(variable.name, &name))
        return false;
    /* Older profiles measure a boot variable's value alone: then its name is a hint. */
    bool is_value_alone = field_is_digest_of(event, hash, variable.value);
    bool is_whole = fields->is_covered && !is_value_alone;
    field_add(fields, "variable", field_clean(clo_buffer_string(&name)), is_whole);
    field_add(fields, "vendor", field_guid(&variable.vendor), is_whole);
    field_put(fields, "data", variable_value(event, clo_buffer_string(&name), variable.value));
    return true;
}
