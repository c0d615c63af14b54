#include "lib/base/json_read.h"

#include <string.h>

#include "lib/base/json_plain.h"

#define DIGITS_MAX 18 /* of a number: they fit in any case */
#define KEY_MAX    128

struct walk {
    struct clo_bytes text;
    size_t at;
    size_t values; /* that may come yet, counted as clo_json_parse_bounded() does */
    unsigned depth;
};

static void skip_space(struct walk *w)
{
    while (w->at < w->text.size) {
        uint8_t c = w->text.data[w->at];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
            return;
        w->at++;
    }
}

/* Is it the next character? Then it is passed. */
static bool pass(struct walk *w, char c)
{
    skip_space(w);
    if (w->at == w->text.size || w->text.data[w->at] != (uint8_t)c)
        return false;
    w->at++;
    return true;
}

/* One that makes room for a value more. */
static bool pass_mark(struct walk *w, char c)
{
    if (w->values == 0 || !pass(w, c))
        return false;
    w->values--;
    return true;
}

static bool read_plain(struct walk *w, struct clo_bytes *out)
{
    bool is_ascii = true;

    if (!pass(w, '"'))
        return false;
    size_t size = json_plain_run(w->text, w->at, &is_ascii);
    *out = clo_bytes_slice(w->text, w->at, size);
    w->at += size;
    /* Not pass(): a line break within a string is none around it. */
    return is_ascii && w->at < w->text.size && w->text.data[w->at++] == '"';
}

static json_t *read_string(struct walk *w)
{
    struct clo_bytes text;

    return read_plain(w, &text) ? json_stringn_nocheck((const char *)text.data, text.size) : NULL;
}

static json_t *read_number(struct walk *w)
{
    struct clo_bytes rest = clo_bytes_slice(w->text, w->at, w->text.size - w->at);
    bool is_negative = rest.data[0] == '-';
    size_t first = is_negative, i = first;
    json_int_t value = 0;

    for (; i < rest.size && i - first < DIGITS_MAX && rest.data[i] >= '0' && rest.data[i] <= '9';
         i++)
        value = value * 10 + (rest.data[i] - '0');
    if (i == first || i == rest.size || strchr("0123456789.eE", rest.data[i]) != NULL ||
        (rest.data[first] == '0' && (is_negative || i - first > 1)))
        return NULL;
    w->at += i;
    return json_integer(is_negative ? -value : value);
}

static json_t *read_word(struct walk *w)
{
    const char *at = (const char *)w->text.data + w->at;
    size_t left = w->text.size - w->at;
    json_t *value = left > 4 && memcmp(at, "true", 4) == 0    ? json_true()
                    : left > 4 && memcmp(at, "null", 4) == 0  ? json_null()
                    : left > 5 && memcmp(at, "false", 5) == 0 ? json_false()
                                                              : NULL;

    w->at += json_is_false(value) ? 5 : 4;
    return value;
}

static json_t *read_value(struct walk *w);

static bool read_member(struct walk *w, json_t *object)
{
    size_t before = json_object_size(object);
    char key[KEY_MAX + 1];
    struct clo_bytes text;

    if (!read_plain(w, &text) || text.size > KEY_MAX || !pass_mark(w, ':'))
        return false;
    memcpy(key, text.data, text.size);
    key[text.size] = '\0';
    json_t *value = read_value(w);
    return value != NULL && json_object_set_new_nocheck(object, key, value) == 0 &&
           json_object_size(object) > before; /* else twice */
}

static bool read_element(struct walk *w, json_t *array)
{
    json_t *value = read_value(w);

    return value != NULL && json_array_append_new(array, value) == 0;
}

static json_t *read_container(struct walk *w, json_t *container,
                              bool (*read)(struct walk *, json_t *), char end)
{
    CLO_CLEANUP(clo_json_freep) json_t *owned = container;

    if (owned == NULL || w->values == 0 || w->depth == CLO_JSON_DEPTH_MAX)
        return NULL;
    w->values--;
    w->depth++;
    w->at++;
    if (!pass(w, end)) {
        do {
            if (!read(w, owned))
                return NULL;
        } while (pass_mark(w, ','));
        if (!pass(w, end))
            return NULL;
    }
    w->depth--;
    return CLO_TAKE(owned);
}

static json_t *read_value(struct walk *w)
{
    skip_space(w);
    switch (w->at < w->text.size ? w->text.data[w->at] : '\0') {
    case '{':
        return read_container(w, json_object(), read_member, '}');
    case '[':
        return read_container(w, json_array(), read_element, ']');
    case '"':
        return read_string(w);
    case '-':
    case '0' ... '9':
        return read_number(w);
    default:
        return read_word(w);
    }
}

json_t *json_read_plain(struct clo_bytes text, size_t values_max)
{
    struct walk w = { .text = text, .values = values_max == 0 ? 0 : values_max - 1 };

    skip_space(&w);
    if (w.at == text.size || (text.data[w.at] != '{' && text.data[w.at] != '['))
        return NULL;
    CLO_CLEANUP(clo_json_freep) json_t *json = read_value(&w);
    skip_space(&w);
    return w.at == text.size ? CLO_TAKE(json) : NULL;
}
