/* Bytes that reach people as text. */
#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"
#include "import_internal.h"
#include "lib/base/digits.h"

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool import_is_text(struct clo_bytes in)
{
    for (size_t i = 0; i < in.size; i++)
        if (in.data[i] == 0x7f || (in.data[i] < 0x20 && !is_space(in.data[i])))
            return false;
    return in.size > 0;
}

struct clo_bytes import_trim(struct clo_bytes in)
{
    static const uint8_t mark[] = { 0xef, 0xbb, 0xbf };

    if (in.size >= sizeof mark && memcmp(in.data, mark, sizeof mark) == 0)
        in = clo_bytes_slice(in, sizeof mark, in.size);
    while (in.size > 0 && is_space(in.data[0]))
        in = clo_bytes_slice(in, 1, in.size);
    while (in.size > 0 && is_space(in.data[in.size - 1]))
        in.size--;
    return in;
}

/* Without white space and, in hex, without the colons and commas that tools put between bytes. */
static void compact(struct clo_bytes in, const char *between, struct clo_buffer *out)
{
    clo_buffer_reserve(out, in.size);
    for (size_t i = 0, run; i < in.size; i = run + 1) {
        for (run = i;
             run < in.size && !is_space(in.data[run]) && strchr(between, in.data[run]) == NULL;
             run++)
            ;
        clo_buffer_append(out, clo_bytes_slice(in, i, run - i));
    }
}

static bool decode_hex(struct clo_bytes text, struct clo_buffer *out)
{
    struct clo_error ignored;

    if (text.size > 1 && text.data[0] == '0' && (text.data[1] | 0x20) == 'x')
        text = clo_bytes_slice(text, 2, text.size);
    return text.size > 0 && clo_hex_read(text, out, &ignored);
}

/* Either alphabet, but not both at once, padded or not. */
static bool decode_base64(struct clo_bytes text, struct clo_buffer *out, const char **name)
{
    struct clo_error ignored;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer padded = { 0 };

    if (text.size == 0)
        return false;
    if (memchr(text.data, '-', text.size) != NULL || memchr(text.data, '_', text.size) != NULL) {
        *name = "base64url";
        return clo_base64url_read_padded(text, out, &ignored);
    }
    clo_buffer_append(&padded, text);
    for (size_t i = text.size; i % 4 != 0; i++)
        clo_buffer_u8(&padded, '=');
    *name = "base64";
    return clo_buffer_ok(&padded) && clo_base64_read(clo_buffer_bytes(&padded), out, &ignored);
}

bool import_decode(struct clo_bytes text, enum import_form form, struct clo_buffer *out,
                   const char **name)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer compacted = { 0 };

    text = import_trim(text);
    if (text.size > 2 && text.data[0] == '"' && text.data[text.size - 1] == '"')
        text = clo_bytes_slice(text, 1, text.size - 2);
    compact(text, form == IMPORT_HEX ? ":," : "", &compacted);
    if (!clo_buffer_ok(&compacted))
        return false;
    *name = "hex";
    out->size = 0;
    return form == IMPORT_HEX ? decode_hex(clo_buffer_bytes(&compacted), out)
                              : decode_base64(clo_buffer_bytes(&compacted), out, name);
}

static bool read_numbers(const json_t *array, struct clo_buffer *out, struct clo_error *err)
{
    size_t i;
    json_t *item;

    json_array_foreach (array, i, item) {
        if (!json_is_integer(item) || json_integer_value(item) < 0 ||
            json_integer_value(item) > UINT8_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, "item %zu is not a byte (0 to 255)", i);
        clo_buffer_u8(out, (uint8_t)json_integer_value(item));
    }
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* Text of nothing but hex digits may be base64 all the same, as that of zeros is: the size decides, if it is known. */
static bool read_text(struct clo_bytes text, size_t size, struct clo_buffer *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    const char *name;

    bool is_hex = import_decode(text, IMPORT_HEX, &bytes, &name);
    if ((!is_hex || (size != 0 && bytes.size != size)) &&
        !import_decode(text, IMPORT_BASE64, &bytes, &name) &&
        !(is_hex && import_decode(text, IMPORT_HEX, &bytes, &name)))
        return clo_fail(err, CLO_ERR_FORMAT, "neither hex nor base64");
    clo_buffer_append(out, clo_buffer_bytes(&bytes));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

bool import_value(const json_t *value, size_t size, struct clo_buffer *out, struct clo_error *err)
{
    if (json_is_array(value))
        return read_numbers(value, out, err);
    if (!json_is_string(value))
        return clo_fail(err, CLO_ERR_FORMAT, "neither text nor an array of bytes");
    struct clo_bytes text = clo_bytes(json_string_value(value), json_string_length(value));
    return text.size == 0 || read_text(text, size, out, err);
}

bool import_base64(const json_t *object, const char *name, struct clo_buffer *out,
                   struct clo_error *err)
{
    const char *text = json_string_value(json_object_get(object, name));
    const char *form;

    if (text == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is missing", name);
    return *text == '\0' || import_decode(clo_bytes_text(text), IMPORT_BASE64, out, &form) ||
           clo_fail(err, CLO_ERR_FORMAT, "\"%s\": not base64", name);
}

bool import_member(const json_t *object, const char *name, size_t size, struct clo_buffer *out,
                   struct clo_error *err)
{
    const json_t *value = json_object_get(object, name);
    size_t before = out->size;

    if (value == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is missing", name);
    if (!import_value(value, size, out, err))
        return clo_wrap(err, "\"%s\"", name);
    return size == 0 || out->size - before == size ||
           clo_fail(err, CLO_ERR_FORMAT, "\"%s\": %zu bytes, %zu expected", name,
                    out->size - before, size);
}

bool import_number(const json_t *value, const char *name, size_t size, uint64_t *out,
                   struct clo_error *err)
{
    uint64_t number = 0;
    bool ok = json_is_string(value) ? clo_decimal_read(json_string_value(value), &number)
                                    : json_is_integer(value) && json_integer_value(value) >= 0;

    if (!ok)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is not a number", name);
    if (json_is_integer(value))
        number = (uint64_t)json_integer_value(value);
    if (size < 8 && number >> (8 * size) != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is larger than its %zu bytes", name, size);
    *out = number;
    return true;
}

void import_wrapped(struct clo_import *import, const char *form)
{
    size_t used = strlen(import->form);

    /* What does not fit is left out of the words, and of nothing else. */
    snprintf(import->form + used, sizeof import->form - used, "%s%s", used == 0 ? "" : "; in it ",
             form);
}
