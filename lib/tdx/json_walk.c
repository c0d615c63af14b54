#include "json_walk.h"

#include <stdio.h>
#include <string.h>

#include "cloister/json.h"
#include "lib/base/civil_time.h"

struct walk walk_begin(struct clo_bytes text, struct walk_unknown *unknown, struct clo_error *err)
{
    return (struct walk){ .text = text, .unknown = unknown, .err = err };
}

static bool latch(struct walk *w, enum clo_status status, const char *format, va_list args)
        CLO_PRINTF(3, 0);
static bool latch(struct walk *w, enum clo_status status, const char *format, va_list args)
{
    char text[256];

    if (w->failed)
        return false;
    w->failed = true;
    vsnprintf(text, sizeof text, format, args);
    return clo_fail(w->err, status, "JSON: byte %zu: %s", w->at, text);
}

bool walk_fail(struct walk *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    latch(w, CLO_ERR_FORMAT, format, args);
    va_end(args);
    return false;
}

bool walk_refuse(struct walk *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    latch(w, CLO_ERR_REFUSED, format, args);
    va_end(args);
    return false;
}

static void skip_space(struct walk *w)
{
    while (w->at < w->text.size) {
        uint8_t c = w->text.data[w->at];
        if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
            return;
        w->at++;
    }
}

char walk_peek(struct walk *w)
{
    skip_space(w);
    return w->failed || w->at == w->text.size ? '\0' : (char)w->text.data[w->at];
}

static bool take(struct walk *w, char c)
{
    if (w->failed)
        return false;
    if (walk_peek(w) != c)
        return walk_fail(w, "'%c' expected", c);
    w->at++;
    return true;
}

bool walk_end(struct walk *w)
{
    if (!w->failed && (walk_peek(w) != '\0' || w->at != w->text.size))
        walk_fail(w, "something beyond the end");
    return !w->failed;
}

struct clo_bytes walk_string(struct walk *w)
{
    if (!take(w, '"'))
        return clo_bytes(NULL, 0);
    size_t start = w->at;
    while (w->at < w->text.size && w->text.data[w->at] != '"') {
        uint8_t c = w->text.data[w->at];
        if (c < 0x20 || c > 0x7e || c == '\\') {
            walk_fail(w, "a string with an escape or other than printable ASCII");
            return clo_bytes(NULL, 0);
        }
        w->at++;
    }
    if (w->at == w->text.size) {
        walk_fail(w, "a string without an end");
        return clo_bytes(NULL, 0);
    }
    return clo_bytes_slice(w->text, start, w->at++ - start);
}

void walk_object(struct walk *w, struct walk_object *o, const char *const *names)
{
    *o = (struct walk_object){ .names = names };
    take(w, '{');
}

static int index_of(const char *const *names, struct clo_bytes name)
{
    for (int i = 0; names[i] != NULL; i++)
        if (strlen(names[i]) == name.size && memcmp(names[i], name.data, name.size) == 0)
            return i;
    return -1;
}

static void list_unknown(struct walk *w, struct clo_bytes name)
{
    struct walk_unknown *unknown = w->unknown;
    size_t used = strlen(unknown->text);

    unknown->count++;
    snprintf(unknown->text + used, sizeof unknown->text - used, "%s%.*s", used == 0 ? "" : ", ",
             (int)(name.size > 64 ? 64 : name.size), (const char *)name.data);
}

/* Keeps the name, so that a second one is noticed, and steps over the value. */
static void skip_unknown(struct walk *w, struct walk_object *o, struct clo_bytes name)
{
    for (size_t i = 0; i < o->unknown_count; i++)
        if (clo_bytes_equal(o->unknown[i], name)) {
            walk_fail(w, "member \"%.*s\" a second time", (int)(name.size > 64 ? 64 : name.size),
                      (const char *)name.data);
            return;
        }
    if (w->unknown == NULL || o->unknown_count == WALK_UNKNOWN_MAX) {
        walk_fail(w,
                  w->unknown == NULL ? "unknown member \"%.*s\""
                                     : "too many unknown members, at \"%.*s\"",
                  (int)(name.size > 64 ? 64 : name.size), (const char *)name.data);
        return;
    }
    o->unknown[o->unknown_count++] = name;
    list_unknown(w, name);
    walk_value(w);
}

int walk_member(struct walk *w, struct walk_object *o)
{
    while (!w->failed) {
        if (walk_peek(w) == '}') {
            w->at++;
            return -1;
        }
        if (o->started && !take(w, ','))
            return -1;
        o->started = true;
        walk_peek(w);
        struct clo_bytes name = walk_string(w);
        if (!take(w, ':'))
            return -1;
        int i = index_of(o->names, name);
        if (i < 0) {
            skip_unknown(w, o, name);
            continue;
        }
        if ((o->seen >> i & 1) != 0) {
            walk_fail(w, "member \"%s\" a second time", o->names[i]);
            return -1;
        }
        o->seen |= 1U << i;
        return i;
    }
    return -1;
}

bool walk_has(struct walk *w, const struct walk_object *o, uint32_t mask)
{
    for (int i = 0; !w->failed && o->names[i] != NULL; i++)
        if ((mask >> i & 1) != 0 && (o->seen >> i & 1) == 0)
            walk_fail(w, "\"%s\" is missing", o->names[i]);
    return !w->failed;
}

void walk_array(struct walk *w, bool *first)
{
    *first = true;
    take(w, '[');
}

bool walk_item(struct walk *w, bool *first)
{
    if (w->failed)
        return false;
    if (walk_peek(w) == ']') {
        w->at++;
        return false;
    }
    if (!*first && !take(w, ','))
        return false;
    *first = false;
    if (walk_peek(w) == ']')
        walk_fail(w, "a value expected");
    return !w->failed;
}

uint64_t walk_number(struct walk *w, uint64_t max)
{
    uint64_t value = 0;
    char c = walk_peek(w);
    size_t start = w->at;

    if (c < '0' || c > '9') {
        walk_fail(w, "a whole number expected");
        return 0;
    }
    while (w->at < w->text.size && w->text.data[w->at] >= '0' && w->text.data[w->at] <= '9') {
        value = value * 10 + (uint64_t)(w->text.data[w->at++] - '0');
        if (value > max || w->at - start > 19) {
            walk_fail(w, "a number above %llu", (unsigned long long)max);
            return 0;
        }
    }
    c = w->at < w->text.size ? (char)w->text.data[w->at] : '\0';
    if (c == '.' || c == 'e' || c == 'E' || (w->text.data[start] == '0' && w->at - start > 1)) {
        walk_fail(w, "a whole number expected");
        return 0;
    }
    return value;
}

static int digit(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

void walk_hex(struct walk *w, uint8_t *out, size_t size)
{
    struct clo_bytes text = walk_string(w);

    if (w->failed)
        return;
    if (text.size != 2 * size) {
        walk_fail(w, "%zu hex digits, expected %zu", text.size, 2 * size);
        return;
    }
    for (size_t i = 0; i < size; i++) {
        int high = digit(text.data[2 * i]);
        int low = digit(text.data[2 * i + 1]);
        if (high < 0 || low < 0) {
            walk_fail(w, "no hex");
            return;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
}

static bool digits(struct clo_bytes text, size_t at, size_t count, int *out)
{
    *out = 0;
    for (size_t i = at; i < at + count; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        *out = *out * 10 + (text.data[i] - '0');
    }
    return true;
}

int64_t walk_time(struct walk *w)
{
    struct clo_bytes text = walk_string(w);
    int year, month, day, hour, minute, second;
    int64_t out = 0;

    if (w->failed)
        return 0;
    bool ok = text.size == 20 && digits(text, 0, 4, &year) && text.data[4] == '-' &&
              digits(text, 5, 2, &month) && text.data[7] == '-' && digits(text, 8, 2, &day) &&
              text.data[10] == 'T' && digits(text, 11, 2, &hour) && text.data[13] == ':' &&
              digits(text, 14, 2, &minute) && text.data[16] == ':' &&
              digits(text, 17, 2, &second) && text.data[19] == 'Z';
    if (!ok || year < 1970 || !clo_civil_time(year, month, day, hour, minute, second, &out))
        walk_fail(w, "not a time like 2026-03-16T22:06:09Z");
    return out;
}

/* Where the value ends, by brackets and quotes alone: whether it is JSON is asked afterwards. */
static size_t value_end(struct clo_bytes text, size_t at)
{
    size_t depth = 0;

    for (; at < text.size; at++) {
        uint8_t c = text.data[at];
        if (c == '"') {
            for (at++; at < text.size && text.data[at] != '"'; at++)
                if (text.data[at] == '\\')
                    at++;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth == 0)
                return at;
            depth--;
        } else if (c == ',' && depth == 0) {
            return at;
        }
    }
    return text.size;
}

/* Intel's structure holds C strings, and who writes it as JSON may take their NULs along: those at the end
 * of a string are left out, any other is refused. */
void walk_wrap(struct clo_bytes value, struct clo_buffer *out)
{
    static const char nul[] = "\\u0000";
    size_t size = sizeof nul - 1;
    bool is_string = value.size >= 2 && value.data[0] == '"' && value.data[value.size - 1] == '"';
    size_t end = is_string ? value.size - 1 : value.size;

    while (is_string && end > size + 1 && memcmp(value.data + end - size, nul, size) == 0 &&
           value.data[end - size - 1] != '\\')
        end -= size;
    clo_buffer_text(out, "[");
    clo_buffer_append(out, clo_bytes_slice(value, 0, end));
    clo_buffer_text(out, is_string ? "\"]" : "]");
}

struct clo_bytes walk_value(struct walk *w)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wrapped = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_error why;

    walk_peek(w);
    if (w->failed)
        return clo_bytes(NULL, 0);
    size_t end = value_end(w->text, w->at);
    struct clo_bytes value = clo_bytes_slice(w->text, w->at, end - w->at);
    while (value.size > 0 && strchr(" \n\r\t", value.data[value.size - 1]) != NULL &&
           value.data[value.size - 1] != '\0')
        value.size--;
    walk_wrap(value, &wrapped);
    if (!clo_json_parse_bounded(clo_buffer_bytes(&wrapped), CLO_JSON_VALUES_MAX, &json, &why) ||
        json_array_size(json) != 1) {
        walk_fail(w, "not a value: %.120s", json == NULL ? why.text : "empty");
        return clo_bytes(NULL, 0);
    }
    w->at += value.size;
    return value;
}
