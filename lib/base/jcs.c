#include "lib/base/jcs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 17 /* enough to tell any two doubles apart */

/* --- Numbers --- */

/* "d.ddde±x" from snprintf(), whose point is the locale's: digits and exponent. */
struct decimal {
    char digits[DIGITS_MAX + 2];
    int exponent; /* of the first digit */
};

static void take_decimal(double value, int precision, struct decimal *out)
{
    char text[64];
    size_t count = 0;
    const char *at = text;

    snprintf(text, sizeof text, "%.*e", precision - 1, value);
    for (; *at != '\0' && *at != 'e'; at++)
        if (*at >= '0' && *at <= '9' && count < DIGITS_MAX)
            out->digits[count++] = *at;
    out->digits[count] = '\0';
    out->exponent = *at == 'e' ? (int)strtol(at + 1, NULL, 10) : 0;
}

static bool stands_for(const struct decimal *decimal, double value)
{
    char text[64];

    snprintf(text, sizeof text, "%se%d", decimal->digits,
             decimal->exponent - (int)strlen(decimal->digits) + 1);
    return strtod(text, NULL) == value;
}

/* The next number of as many digits. */
static void raise_decimal(struct decimal *decimal)
{
    size_t i = strlen(decimal->digits);

    while (i > 0 && decimal->digits[i - 1] == '9')
        decimal->digits[--i] = '0';
    if (i > 0) {
        decimal->digits[i - 1]++;
        return;
    }
    decimal->digits[0] = '1';
    decimal->exponent++;
}

/* The fewest digits that stand for the value; of those the nearest. Next to a power of two the nearest may be on the side
 * where doubles lie closer, and only the one above it stands for the value. */
static void shortest(double value, struct decimal *out)
{
    for (int precision = 1; precision <= DIGITS_MAX; precision++) {
        take_decimal(value, precision, out);
        if (stands_for(out, value))
            break;
        if (precision == DIGITS_MAX)
            break;
        raise_decimal(out);
        if (stands_for(out, value))
            break;
    }
    for (size_t i = strlen(out->digits); i > 1 && out->digits[i - 1] == '0'; i--)
        out->digits[i - 1] = '\0';
}

void clo_jcs_write_number(double value, struct clo_buffer *out)
{
    struct decimal decimal;

    if (value == 0) { /* and -0 */
        clo_buffer_text(out, "0");
        return;
    }
    if (value < 0)
        clo_buffer_text(out, "-");
    shortest(fabs(value), &decimal);
    int count = (int)strlen(decimal.digits);
    int point = decimal.exponent + 1; /* digits before it */
    if (point >= count && point <= 21)
        clo_buffer_printf(out, "%s%.*s", decimal.digits, point - count, "000000000000000000000");
    else if (point > 0 && point <= 21)
        clo_buffer_printf(out, "%.*s.%s", point, decimal.digits, decimal.digits + point);
    else if (point > -6 && point <= 0)
        clo_buffer_printf(out, "0.%.*s%s", -point, "000000", decimal.digits);
    else
        clo_buffer_printf(out, "%c%s%se%+d", decimal.digits[0], count > 1 ? "." : "",
                          decimal.digits + 1, decimal.exponent);
}

/* --- Strings --- */

static void write_string(const json_t *string, struct clo_buffer *out)
{
    static const char letters[] = "btn\0fr"; /* of U+0008 to U+000D */
    const char *text = json_string_value(string);
    size_t size = json_string_length(string);

    clo_buffer_text(out, "\"");
    for (size_t i = 0; i < size; i++) {
        uint8_t c = (uint8_t)text[i];
        if (c == '"' || c == '\\')
            clo_buffer_printf(out, "\\%c", c);
        else if (c >= 0x08 && c <= 0x0d && letters[c - 0x08] != '\0')
            clo_buffer_printf(out, "\\%c", letters[c - 0x08]);
        else if (c < 0x20)
            clo_buffer_printf(out, "\\u%04x", c);
        else
            clo_buffer_u8(out, c);
    }
    clo_buffer_text(out, "\"");
}

/* UTF-8 in the order of UTF-16: what needs a surrogate pair (four bytes) comes before U+E000 and what follows. */
static int compare_names(const void *a, const void *b)
{
    const uint8_t *x = (const uint8_t *)*(const char *const *)a;
    const uint8_t *y = (const uint8_t *)*(const char *const *)b;

    while (*x != 0 && *x == *y) {
        x++;
        y++;
    }
    bool is_pair_x = *x >= 0xf0, is_pair_y = *y >= 0xf0;
    bool is_high_x = *x >= 0xee && !is_pair_x, is_high_y = *y >= 0xee && !is_pair_y;
    if (is_pair_x && is_high_y)
        return -1;
    if (is_high_x && is_pair_y)
        return 1;
    return (int)*x - (int)*y;
}

/* --- Values --- */

static bool write_value(const json_t *json, unsigned depth, struct clo_buffer *out,
                        struct clo_error *err);

static bool write_members(const json_t *json, const char **names, size_t count, unsigned depth,
                          struct clo_buffer *out, struct clo_error *err)
{
    clo_buffer_text(out, "{");
    for (size_t i = 0; i < count; i++) {
        CLO_CLEANUP(clo_json_freep) json_t *name = json_string(names[i]);
        if (name == NULL)
            return clo_out_of_memory(err);
        if (i > 0)
            clo_buffer_text(out, ",");
        write_string(name, out);
        clo_buffer_text(out, ":");
        if (!write_value(json_object_get(json, names[i]), depth, out, err))
            return false;
    }
    clo_buffer_text(out, "}");
    return true;
}

static bool write_object(const json_t *json, unsigned depth, struct clo_buffer *out,
                         struct clo_error *err)
{
    size_t count = json_object_size(json);
    CLO_CLEANUP(clo_freep) const char **names = calloc(count + 1, sizeof *names);
    const char *name;
    json_t *value;
    size_t i = 0;

    if (names == NULL)
        return clo_out_of_memory(err);
    json_object_foreach ((json_t *)(uintptr_t)json, name, value)
        names[i++] = name;
    qsort(names, count, sizeof *names, compare_names);
    return write_members(json, names, count, depth, out, err);
}

static bool write_array(const json_t *json, unsigned depth, struct clo_buffer *out,
                        struct clo_error *err)
{
    json_t *item;
    size_t i;

    clo_buffer_text(out, "[");
    json_array_foreach (json, i, item) {
        if (i > 0)
            clo_buffer_text(out, ",");
        if (!write_value(item, depth, out, err))
            return false;
    }
    clo_buffer_text(out, "]");
    return true;
}

static bool write_value(const json_t *json, unsigned depth, struct clo_buffer *out,
                        struct clo_error *err)
{
    if (depth > CLO_JSON_DEPTH_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "JSON: nested deeper than %d", CLO_JSON_DEPTH_MAX);
    if (json_is_object(json))
        return write_object(json, depth + 1, out, err);
    if (json_is_array(json))
        return write_array(json, depth + 1, out, err);
    if (json_is_string(json))
        write_string(json, out);
    else if (json_is_number(json))
        clo_jcs_write_number(json_number_value(json), out);
    else
        clo_buffer_text(out, json_is_true(json) ? "true" : json_is_false(json) ? "false" : "null");
    return true;
}

bool clo_jcs_write(const json_t *json, struct clo_buffer *out, struct clo_error *err)
{
    if (json == NULL)
        return clo_out_of_memory(err);
    return write_value(json, 0, out, err) && (clo_buffer_ok(out) || clo_out_of_memory(err));
}
