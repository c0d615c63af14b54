/* Values as compact text with sorted keys, byte for byte as jansson writes them (JSON_COMPACT | JSON_SORT_KEYS): it goes through strings
 * a code point at a time, and most of what a verifier writes is long base64. */
#include "cloister/json.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/json_plain.h"
#include "lib/base/utf8.h"

#define DEPTH_MAX 2048 /* as jansson reads */

static bool is_utf8(struct clo_bytes text)
{
    struct clo_reader r = clo_reader(text);

    while (clo_reader_left(&r) > 0)
        if (clo_utf8_next(&r) == CLO_UTF8_MALFORMED)
            return false;
    return true;
}

static void write_escaped(uint8_t c, struct clo_buffer *out)
{
    static const char letters[] = "btn\0fr"; /* of U+0008 to U+000D */

    if (c == '"' || c == '\\')
        clo_buffer_printf(out, "\\%c", c);
    else if (c >= 0x08 && c <= 0x0d && letters[c - 0x08] != '\0')
        clo_buffer_printf(out, "\\%c", letters[c - 0x08]);
    else
        clo_buffer_printf(out, "\\u%04X", c);
}

static bool write_string(struct clo_bytes text, struct clo_buffer *out)
{
    bool is_ascii = true;

    clo_buffer_u8(out, '"');
    for (size_t i = 0; i < text.size;) {
        size_t run = json_plain_run(text, i, &is_ascii);
        clo_buffer_append(out, clo_bytes_slice(text, i, run));
        i += run;
        if (i < text.size)
            write_escaped(text.data[i++], out);
    }
    clo_buffer_u8(out, '"');
    return is_ascii || is_utf8(text);
}

static bool write_value(const json_t *json, unsigned depth, struct clo_buffer *out);

static bool write_array(const json_t *array, unsigned depth, struct clo_buffer *out)
{
    clo_buffer_u8(out, '[');
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i > 0)
            clo_buffer_u8(out, ',');
        if (!write_value(json_array_get(array, i), depth, out))
            return false;
    }
    clo_buffer_u8(out, ']');
    return true;
}

struct member {
    const char *key;
    const json_t *value;
};

#define FEW 16

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

/* Most objects have few members, most of which stand in order already. */
static void sort(struct member *members, size_t count)
{
    if (count > FEW) {
        qsort(members, count, sizeof *members, by_key);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct member member = members[i];
        size_t to = i;
        for (; to > 0 && by_key(&member, &members[to - 1]) < 0; to--)
            members[to] = members[to - 1];
        members[to] = member;
    }
}

static bool write_object(const json_t *object, unsigned depth, struct clo_buffer *out)
{
    size_t count = json_object_size(object);
    struct member few[FEW];
    CLO_CLEANUP(clo_freep) struct member *many = NULL;
    struct member *members = few;
    const char *key;
    json_t *value;
    size_t at = 0;

    if (count > FEW) {
        if ((many = calloc(count, sizeof *many)) == NULL)
            return false;
        members = many;
    }
    json_object_foreach ((json_t *)(uintptr_t)object, key, value)
        members[at++] = (struct member){ key, value };
    sort(members, count);
    clo_buffer_u8(out, '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            clo_buffer_u8(out, ',');
        if (!write_string(clo_bytes_text(members[i].key), out))
            return false;
        clo_buffer_u8(out, ':');
        if (!write_value(members[i].value, depth, out))
            return false;
    }
    clo_buffer_u8(out, '}');
    return true;
}

/* With a fraction or an exponent: digits are jansson's. */
static bool write_real(const json_t *json, struct clo_buffer *out)
{
    CLO_CLEANUP(clo_freep) char *text = json_dumps(json, JSON_ENCODE_ANY);

    if (text == NULL)
        return false;
    clo_buffer_text(out, text);
    return true;
}

static bool write_value(const json_t *json, unsigned depth, struct clo_buffer *out)
{
    if (json == NULL || depth == DEPTH_MAX)
        return false;
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return write_object(json, depth + 1, out);
    case JSON_ARRAY:
        return write_array(json, depth + 1, out);
    case JSON_STRING:
        return write_string(clo_bytes(json_string_value(json), json_string_length(json)), out);
    case JSON_INTEGER:
        clo_buffer_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
        return true;
    case JSON_REAL:
        return write_real(json, out);
    default:
        clo_buffer_text(out, json_is_true(json) ? "true" : json_is_false(json) ? "false" : "null");
        return true;
    }
}

bool clo_json_write(const json_t *json, struct clo_buffer *out, struct clo_error *err)
{
    return (write_value(json, 0, out) && clo_buffer_ok(out)) ||
           clo_fail(err, CLO_ERR_SYSTEM, "JSON: out of memory");
}
