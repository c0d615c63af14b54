#include <stdlib.h>
#include <string.h>

#include "cel.h"
#include "cloister/encoding.h"

/* "sha256", "0x000B", or the number. */
static bool read_algorithm(const json_t *digest, uint16_t *out, struct clo_error *err)
{
    const json_t *value = json_object_get(digest, "hashAlg");
    const char *name = json_string_value(value);
    char *end = NULL;

    *out = name == NULL ? 0 : clo_event_algorithm_from_name(name);
    if (*out != 0)
        return true;
    unsigned long long number = name != NULL ? strtoull(name, &end, 0) : 0;
    if (json_is_integer(value) && json_integer_value(value) >= 0)
        number = (unsigned long long)json_integer_value(value);
    else if (name == NULL || *name < '0' || *name > '9' || *end != '\0')
        /* A name that we do not know is a bank that we do not know. */
        number = name == NULL ? UINT64_MAX : 0;
    *out = (uint16_t)number;
    return number <= UINT16_MAX ||
           clo_fail(err, CLO_ERR_FORMAT, "\"hashAlg\": is not an algorithm");
}

static bool read_digests(const json_t *json, struct cel_record *record, struct clo_error *err)
{
    static const char *const keys[] = { "hashAlg", "digest", NULL };
    json_t *digests;
    json_t *digest;
    size_t i;

    if (!clo_json_get_array(json, "digests", &digests, err))
        return false;
    json_array_foreach (digests, i, digest) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        uint16_t algorithm;
        if (!clo_json_only(digest, keys, err) || !read_algorithm(digest, &algorithm, err) ||
            !clo_json_get_bytes(digest, "digest", CLO_JSON_HEX, 128, &bytes, err) ||
            !cel_add_digest(record, algorithm, clo_buffer_bytes(&bytes), err))
            return clo_wrap(err, "digest %zu", i);
    }
    return true;
}

static bool read_firmware(const json_t *content, struct cel_record *record, struct clo_error *err)
{
    const json_t *type = json_object_get(content, "event_type");
    const char *name = json_string_value(type);

    if (json_is_integer(type) && json_integer_value(type) >= 0 &&
        json_integer_value(type) <= UINT32_MAX)
        record->event_type = (uint32_t)json_integer_value(type);
    else if (name == NULL || !cel_event_type(name, &record->event_type))
        return clo_fail(err, CLO_ERR_FORMAT, "\"event_type\": is not an event's type");
    return clo_json_get_bytes(content, "event_data", CLO_JSON_HEX, CEL_BYTES_MAX, &record->data,
                              err);
}

static bool read_template(const json_t *content, struct cel_record *record, struct clo_error *err)
{
    const char *name;

    if (!clo_json_get_string(content, "template_name", &name, err) ||
        !clo_json_get_bytes(content, "template_data", CLO_JSON_HEX, CEL_BYTES_MAX, &record->data,
                            err))
        return false;
    record->name = clo_bytes_text(name);
    return true;
}

static bool read_content_type(const json_t *json, unsigned *out)
{
    static const struct {
        const char *name;
        unsigned type;
    } types[] = {
        { "cel", CEL_MANAGEMENT },
        { "pcclient_std", CEL_PCCLIENT_STD },
        { "ima_template", CEL_IMA_TEMPLATE },
        { "ima_tlv", CEL_IMA_TLV },
        { "systemd", CEL_SYSTEMD },
    };
    const json_t *value = json_object_get(json, "content_type");
    const char *name = json_string_value(value);

    if (json_is_integer(value) && json_integer_value(value) > 0 &&
        json_integer_value(value) <= UINT16_MAX)
        *out = (unsigned)json_integer_value(value);
    for (size_t i = 0; name != NULL && i < CLO_COUNT(types); i++)
        if (strcmp(types[i].name, name) == 0)
            *out = types[i].type;
    /* systemd left the type out for a while. */
    return *out != 0 || name != NULL || value == NULL;
}

static bool read_content(const json_t *json, struct cel_record *record, struct clo_error *err)
{
    json_t *content = json_object_get(json, "content");
    const char *text = NULL;

    if (!read_content_type(json, &record->content_type))
        return clo_fail(err, CLO_ERR_FORMAT, "\"content_type\": is none");
    if (record->content_type == CEL_PCCLIENT_STD)
        return read_firmware(content, record, err) || clo_wrap(err, "content");
    if (record->content_type == CEL_IMA_TEMPLATE)
        return read_template(content, record, err) || clo_wrap(err, "content");
    if (json_is_object(content) && !clo_json_get_string_optional(content, "string", &text, err))
        return clo_wrap(err, "content");
    if (text != NULL)
        clo_buffer_text(&record->data, text);
    return clo_buffer_ok(&record->data) || clo_out_of_memory(err);
}

static bool read_record(const json_t *json, struct cel_record *record, struct clo_error *err)
{
    static const char *const keys[] = { "recnum",       "pcr",     "nv_index", "digests",
                                        "content_type", "content", NULL };
    uint64_t index;

    record->is_nv = json_object_get(json, "pcr") == NULL;
    if (!clo_json_only(json, keys, err) ||
        (json_object_get(json, "recnum") != NULL &&
         !clo_json_get_u64(json, "recnum", &record->recnum, err)) ||
        !clo_json_get_u64(json, record->is_nv ? "nv_index" : "pcr", &index, err) ||
        !read_digests(json, record, err) || !read_content(json, record, err))
        return false;
    record->index = (uint32_t)index;
    return index <= UINT32_MAX || clo_fail(err, CLO_ERR_FORMAT, "its index is too large");
}

bool cel_json_read(struct clo_bytes in, cel_each *each, void *context, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    json_t *item;
    size_t i;

    if (!clo_json_parse(in, &json, err))
        return false;
    if (!json_is_array(json) || json_array_size(json) > CEL_RECORDS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "not an array of at most %d records", CEL_RECORDS_MAX);
    json_array_foreach (json, i, item) {
        struct cel_record record = { .data = { .limit = CEL_BYTES_MAX } };
        bool ok = read_record(item, &record, err) && each(context, &record, err);
        clo_buffer_free(&record.data);
        if (!ok)
            return clo_wrap(err, "record %zu", i);
    }
    return true;
}
