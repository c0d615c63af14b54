/* Variables, and the signature lists in them. */
#include "event_values.h"

#include <stdio.h>
#include <string.h>

#include "cloister/signature_list.h"

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

static json_t *signatures(const struct event_variable *variable)
{
    struct clo_signature_walk walk = clo_signature_walk(variable->value);
    struct clo_signature_entry entry;
    struct clo_error ignored;
    json_t *array = json_array();

    for (size_t i = 0;
         i < variable->entry_count && clo_signature_next(&walk, &entry, &ignored) == CLO_NEXT_ITEM;
         i++)
        json_array_append_new(array, signature(&entry));
    return array;
}

static json_t *authority(const struct event_authority *authority)
{
    json_t *json = certificate(authority->certificate);

    if (json != NULL && authority->has_owner)
        json_object_set_new(json, "owner", field_guid(&authority->owner));
    return json;
}

/* --- Variables --- */

static json_t *load_option(const struct event_load_option *option)
{
    json_t *json = json_pack("{s:b, s:o?, s:o?}", "active", option->attributes & 1, "description",
                             field_text(option->description), "path", field_path(option->path));

    if (json != NULL && option->options.size > 0)
        json_object_set_new(json, "options", field_text_or_hex(option->options));
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

static json_t *variable_value(const struct event_variable *variable)
{
    switch (variable->kind) {
    case EVENT_VALUE_EMPTY:
        return json_string("");
    case EVENT_VALUE_BYTE:
        return json_integer(variable->value.data[0]);
    case EVENT_VALUE_AUTHORITY:
        return authority(&variable->authority);
    case EVENT_VALUE_OPTION:
        return load_option(&variable->option);
    case EVENT_VALUE_BOOT_ORDER:
        return boot_order(variable->value);
    case EVENT_VALUE_LISTS:
        if (variable->are_lists_whole)
            return signatures(variable);
        break;
    case EVENT_VALUE_LEVEL:
    case EVENT_VALUE_BYTES:
        break;
    }
    return field_text_or_hex(variable->value);
}

bool event_variable_fields(const struct clo_event *event, enum clo_hash hash,
                           const struct event_variable *variable, struct fields *fields)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { 0 };

    if (!event_text(variable->name, &name))
        return false;
    /* Older profiles measure a boot variable's value alone: then its name is a hint. */
    bool is_value_alone = field_is_digest_of(event, hash, variable->value);
    bool is_whole = fields->is_covered && !is_value_alone;
    field_add(fields, "variable", field_clean(clo_buffer_string(&name)), is_whole);
    field_add(fields, "vendor", field_guid(&variable->vendor), is_whole);
    field_put(fields, "data", variable_value(variable));
    return true;
}
