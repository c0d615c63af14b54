#include "cloister/json.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cloister/encoding.h"
#include "lib/base/json_read.h"

/* What a byte outside of strings does. */
enum mark {
    NOTHING,
    QUOTE,
    OPEN,
    CLOSE,
    SEPARATOR
};
static const uint8_t marks[256] = {
    ['"'] = QUOTE, ['['] = OPEN,      ['{'] = OPEN,      [']'] = CLOSE,
    ['}'] = CLOSE, [','] = SEPARATOR, [':'] = SEPARATOR,
};

/* Where the string that begins at `at` has its closing quote; the size, if it has none. */
static size_t string_end(struct clo_bytes text, size_t at)
{
    for (at++; at < text.size && text.data[at] != '"'; at++)
        if (text.data[at] == '\\')
            at++;
    return at;
}

/* jansson stops at 2048 levels by recursion, and makes a value of every two bytes: both are counted here first, over the
 * bytes. A name counts as a value. */
bool json_is_bounded(struct clo_bytes text, size_t values_max, struct clo_error *err)
{
    size_t depth = 0, values = 1;

    for (size_t i = 0; i < text.size; i++) {
        uint8_t mark = marks[text.data[i]];
        if (mark == NOTHING)
            continue;
        if (mark == QUOTE) {
            i = string_end(text, i);
            continue;
        }
        depth += mark == OPEN;
        depth -= mark == CLOSE && depth > 0;
        values += mark != CLOSE;
        if (depth > CLO_JSON_DEPTH_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, "JSON: nested deeper than %d", CLO_JSON_DEPTH_MAX);
        if (values > values_max)
            return clo_fail(err, CLO_ERR_FORMAT, "JSON: more than %zu values", values_max);
    }
    return true;
}

bool clo_json_parse_bounded(struct clo_bytes text, size_t values_max, json_t **out,
                            struct clo_error *err)
{
    json_error_t error;
    json_t *json;

    if (text.size == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "JSON: empty");
    if ((json = json_read_plain(text, values_max)) != NULL) {
        *out = json;
        return true;
    }
    if (!json_is_bounded(text, values_max, err))
        return false;
    json = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "JSON: %s (line %d, column %d)", error.text,
                        error.line, error.column);
    *out = json;
    return true;
}

bool clo_json_parse(struct clo_bytes text, json_t **out, struct clo_error *err)
{
    return clo_json_parse_bounded(text, SIZE_MAX, out, err);
}

void clo_json_freep(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

static bool get(const json_t *object, const char *key, json_type type, const char *kind,
                json_t **out, struct clo_error *err)
{
    if (!json_is_object(object))
        return clo_fail(err, CLO_ERR_FORMAT, "an object with \"%s\" expected", key);
    json_t *value = json_object_get(object, key);
    if (value == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is missing", key);
    if (json_typeof(value) != type)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is not %s", key, kind);
    *out = value;
    return true;
}

bool clo_json_get_string(const json_t *object, const char *key, const char **out,
                         struct clo_error *err)
{
    json_t *value;

    if (!get(object, key, JSON_STRING, "a string", &value, err))
        return false;
    *out = json_string_value(value);
    return true;
}

bool clo_json_get_string_optional(const json_t *object, const char *key, const char **out,
                                  struct clo_error *err)
{
    if (json_is_object(object) && json_object_get(object, key) == NULL) {
        *out = NULL;
        return true;
    }
    return clo_json_get_string(object, key, out, err);
}

bool clo_json_get_object(const json_t *object, const char *key, json_t **out, struct clo_error *err)
{
    return get(object, key, JSON_OBJECT, "an object", out, err);
}

bool clo_json_get_array(const json_t *object, const char *key, json_t **out, struct clo_error *err)
{
    return get(object, key, JSON_ARRAY, "an array", out, err);
}

bool clo_json_get_u64(const json_t *object, const char *key, uint64_t *out, struct clo_error *err)
{
    json_t *value;

    if (!get(object, key, JSON_INTEGER, "a whole number", &value, err))
        return false;
    if (json_integer_value(value) < 0)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is negative", key);
    *out = (uint64_t)json_integer_value(value);
    return true;
}

bool clo_json_get_version(const json_t *object, const char *key, uint64_t *out,
                          struct clo_error *err)
{
    *out = 0;
    if (json_object_get(object, key) == NULL)
        return true;
    if (!clo_json_get_u64(object, key, out, err))
        return false;
    return (*out >= 1 && *out <= CLO_VERSION_MAX) ||
           clo_fail(err, CLO_ERR_FORMAT, "\"%s\": 1 to %llu are expected", key, CLO_VERSION_MAX);
}

bool clo_json_get_bool_optional(const json_t *object, const char *key, bool fallback, bool *out,
                                struct clo_error *err)
{
    if (!json_is_object(object))
        return clo_fail(err, CLO_ERR_FORMAT, "an object with \"%s\" expected", key);
    json_t *value = json_object_get(object, key);
    if (value != NULL && !json_is_boolean(value))
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is neither true nor false", key);
    *out = value == NULL ? fallback : json_is_true(value);
    return true;
}

bool clo_json_get_bytes(const json_t *object, const char *key, enum clo_json_encoding encoding,
                        size_t limit, struct clo_buffer *out, struct clo_error *err)
{
    json_t *value;

    if (!get(object, key, JSON_STRING, "a string", &value, err))
        return false;
    struct clo_bytes text = clo_bytes(json_string_value(value), json_string_length(value));
    out->limit = limit;
    bool ok = encoding == CLO_JSON_HEX      ? clo_hex_read(text, out, err)
              : encoding == CLO_JSON_BASE64 ? clo_base64_read(text, out, err)
                                            : clo_base64url_read(text, out, err);
    return ok || clo_wrap(err, "\"%s\"", key);
}

bool clo_json_only(const json_t *object, const char *const *keys, struct clo_error *err)
{
    const char *key;
    json_t *value;

    if (!json_is_object(object))
        return clo_fail(err, CLO_ERR_FORMAT, "an object expected");
    json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
        size_t i = 0;
        while (keys[i] != NULL && strcmp(keys[i], key) != 0)
            i++;
        if (keys[i] == NULL)
            return clo_fail(err, CLO_ERR_FORMAT, "unknown member \"%s\"", key);
    }
    return true;
}

static json_t *encoded(struct clo_bytes in, void (*write)(struct clo_bytes, struct clo_buffer *))
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    write(in, &text);
    const char *string = clo_buffer_string(&text);
    return string == NULL ? NULL : json_string(string);
}

json_t *clo_json_hex(struct clo_bytes in)
{
    return encoded(in, clo_hex_write);
}

json_t *clo_json_base64url(struct clo_bytes in)
{
    return encoded(in, clo_base64url_write);
}

json_t *clo_json_base64(struct clo_bytes in)
{
    return encoded(in, clo_base64_write);
}

json_t *clo_json_time(int64_t unix_time)
{
    time_t seconds = (time_t)unix_time;
    struct tm parts;
    char text[64];

    if (gmtime_r(&seconds, &parts) == NULL)
        return NULL;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return json_string(text);
}

json_t *clo_json_text(const char *text)
{
    CLO_CLEANUP(clo_freep) char *copy = strdup(text);

    if (copy == NULL)
        return NULL;
    clo_sanitize(copy);
    return json_string(copy);
}

void clo_json_set(struct clo_json_object *object, const char *key, json_t *value)
{
    if (json_object_set_new(object->json, key, value) != 0)
        object->failed = true;
}

void clo_json_set_hex(struct clo_json_object *object, const char *key, struct clo_bytes value)
{
    clo_json_set(object, key, clo_json_hex(value));
}

void clo_json_set_bits(struct clo_json_object *object, const char *key, uint64_t value,
                       const struct clo_bit *bits, size_t count)
{
    struct clo_json_object flags = { .json = json_object() };

    for (size_t i = 0; i < count; i++)
        clo_json_set(&flags, bits[i].name, json_boolean(value >> bits[i].at & 1));
    clo_json_set(object, key, clo_json_finish(&flags));
}

json_t *clo_json_finish(struct clo_json_object *object)
{
    if (!object->failed)
        return object->json;
    json_decref(object->json);
    return NULL;
}
