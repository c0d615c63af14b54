#include "event_values.h"

#include <stdio.h>
#include <string.h>

#include "lib/efi/device_path.h"

#define TEXT_MAX 4096

void field_add(struct fields *fields, const char *name, json_t *value, bool is_covered)
{
    if (value != NULL)
        json_object_set_new(fields->object, name,
                            json_pack("{s:o, s:b}", "value", value, "covered", is_covered));
}

void field_put(struct fields *fields, const char *name, json_t *value)
{
    field_add(fields, name, value, fields->is_covered);
}

json_t *field_number(uint64_t value)
{
    return value > INT64_MAX ? json_string("out of range") : json_integer((json_int_t)value);
}

json_t *field_address(uint64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "0x%llx", (unsigned long long)value);
    return json_string(text);
}

json_t *field_guid(const struct clo_guid *value)
{
    char text[CLO_GUID_TEXT];

    return json_string(clo_guid_text(value, text));
}

json_t *field_clean(const char *string)
{
    char line[TEXT_MAX];

    snprintf(line, sizeof line, "%s", string);
    clo_sanitize(line);
    return json_string(line);
}

json_t *field_text(struct clo_bytes data)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };

    return event_text(data, &out) ? field_clean(clo_buffer_string(&out)) : NULL;
}

json_t *field_text_or_hex(struct clo_bytes data)
{
    json_t *string = field_text(data);

    return string != NULL ? string : clo_json_hex(data);
}

json_t *field_path(struct clo_bytes data)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer out = { 0 };

    if (!clo_device_path_text(data, &out))
        clo_buffer_text(&out, " (breaks off)");
    const char *string = clo_buffer_string(&out);
    return string == NULL ? NULL : field_clean(string);
}

bool field_is_digest_of(const struct clo_event *event, enum clo_hash hash, struct clo_bytes part)
{
    struct clo_digest digest;
    struct clo_digest expected;

    if (!clo_event_digest(event, hash, &expected))
        return false;
    clo_hash(hash, part, &digest);
    return clo_digest_equal(&digest, &expected);
}
