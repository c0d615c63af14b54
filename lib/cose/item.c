#include "lib/cose/item.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"

/* --- What libcbor is given --- */

#define UNTIL_BREAK UINT64_MAX

/* One pass over the heads: how many items are still to come at each level. */
struct scan {
    uint64_t left[ITEM_DEPTH_MAX + 1];
    size_t depth;
    size_t room; /* bytes that follow */
    bool takes_indefinite;
    const char *wrong;
};

static void open_level(struct scan *s, uint64_t items)
{
    if (items > s->room)
        s->wrong = "more items than bytes";
    else if (s->depth == ITEM_DEPTH_MAX)
        s->wrong = "nested too deep";
    else
        s->left[++s->depth] = items;
}

static void on_array(void *context, size_t size)
{
    open_level(context, size);
}

static void on_map(void *context, size_t size)
{
    open_level(context, size > SIZE_MAX / 2 ? SIZE_MAX : 2 * size);
}

static void on_tag(void *context, uint64_t tag)
{
    (void)tag;
    open_level(context, 1);
}

static void on_open(void *context)
{
    struct scan *s = context;

    if (!s->takes_indefinite)
        s->wrong = "an indefinite length";
    else if (s->depth == ITEM_DEPTH_MAX)
        s->wrong = "nested too deep";
    else
        s->left[++s->depth] = UNTIL_BREAK;
}

/* Counted as the level's last item. */
static void on_break(void *context)
{
    struct scan *s = context;

    if (s->depth == 0 || s->left[s->depth] < UNTIL_BREAK / 2)
        s->wrong = "a break where nothing is open";
    else
        s->left[s->depth] = 1;
}

static void on_indefinite(void *context)
{
    struct scan *s = context;

    s->wrong = "an indefinite length";
}

static bool scan_all(struct clo_bytes in, bool takes_indefinite, struct clo_error *err)
{
    struct cbor_callbacks callbacks = cbor_empty_callbacks;
    struct scan s = { .left = { 1 }, .takes_indefinite = takes_indefinite };
    size_t at = 0;

    callbacks.array_start = on_array;
    callbacks.map_start = on_map;
    callbacks.tag = on_tag;
    callbacks.indef_array_start = on_open;
    callbacks.indef_map_start = on_open;
    callbacks.byte_string_start = on_indefinite;
    callbacks.string_start = on_indefinite;
    callbacks.indef_break = on_break;
    while (s.left[0] > 0 || s.depth > 0) {
        size_t depth = s.depth;
        s.room = in.size - at;
        struct cbor_decoder_result result =
                cbor_stream_decode(in.data + at, in.size - at, &callbacks, &s);
        if (result.status != CBOR_DECODER_FINISHED || result.read == 0)
            return clo_fail(err, CLO_ERR_FORMAT, "CBOR: %s at byte %zu",
                            result.status == CBOR_DECODER_ERROR ? "no item" : "cut short", at);
        if (s.wrong != NULL)
            return clo_fail(err, CLO_ERR_FORMAT, "CBOR: %s at byte %zu", s.wrong, at);
        at += result.read;
        s.left[depth]--;
        while (s.depth > 0 && s.left[s.depth] == 0)
            s.depth--;
    }
    return at == in.size ||
           clo_fail(err, CLO_ERR_FORMAT, "CBOR: %zu bytes after the item", in.size - at);
}

/* --- Keys --- */

static bool is_same_key(const cbor_item_t *a, const cbor_item_t *b)
{
    struct clo_bytes text_a, text_b;
    int64_t int_a, int_b;

    if (item_int(a, &int_a))
        return item_int(b, &int_b) && int_a == int_b;
    return cbor_typeof(a) == cbor_typeof(b) && item_bytes(a, &text_a) && item_bytes(b, &text_b) &&
           clo_bytes_equal(text_a, text_b);
}

/* Depth is bounded by the scan. */
static bool check_keys(const cbor_item_t *item, struct clo_error *err)
{
    struct clo_bytes ignored;
    uint64_t tag;
    int64_t number;
    const cbor_item_t *inner = item_untag(item, &tag);

    if (inner != item)
        return check_keys(inner, err);
    for (size_t i = 0; item_is_array(item) && i < item_count(item); i++)
        if (!check_keys(item_of(item, i), err))
            return false;
    if (item_is_map(item) && item_count(item) > 1024)
        return clo_fail(err, CLO_ERR_FORMAT, "CBOR: a map of %zu members", item_count(item));
    for (size_t i = 0; item_is_map(item) && i < item_count(item); i++) {
        const cbor_item_t *key = item_key(item, i);
        if (!item_int(key, &number) && !item_bytes(key, &ignored))
            return clo_fail(err, CLO_ERR_FORMAT, "CBOR: a key that is neither a number nor text");
        for (size_t k = 0; k < i; k++)
            if (is_same_key(key, item_key(item, k)))
                return clo_fail(err, CLO_ERR_FORMAT, "CBOR: a map has a key twice");
        if (!check_keys(item_value(item, i), err))
            return false;
    }
    return true;
}

static bool load(struct clo_bytes in, bool takes_indefinite, cbor_item_t **out,
                 struct clo_error *err)
{
    struct cbor_load_result result;

    if (in.size == 0 || in.size > ITEM_SIZE_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "CBOR: %zu bytes", in.size);
    if (!scan_all(in, takes_indefinite, err))
        return false;
    cbor_item_t *item = cbor_load(in.data, in.size, &result);
    if (item == NULL)
        return result.error.code == CBOR_ERR_MEMERROR
                       ? clo_out_of_memory(err)
                       : clo_fail(err, CLO_ERR_FORMAT, "CBOR: malformed at byte %zu",
                                  result.error.position);
    if (!check_keys(item, err)) {
        item_free(item);
        return false;
    }
    *out = item;
    return true;
}

bool item_load(struct clo_bytes in, cbor_item_t **out, struct clo_error *err)
{
    return load(in, false, out, err);
}

bool item_load_streamed(struct clo_bytes in, cbor_item_t **out, struct clo_error *err)
{
    return load(in, true, out, err);
}

void item_free(cbor_item_t *item)
{
    if (item != NULL)
        cbor_decref(&item);
}

void item_freep(cbor_item_t **item)
{
    item_free(*item);
    *item = NULL;
}

/* --- Looking into it --- */

const cbor_item_t *item_untag(const cbor_item_t *item, uint64_t *tag)
{
    *tag = 0;
    if (item == NULL || !cbor_isa_tag(item))
        return item;
    *tag = cbor_tag_value(item);
    return cbor_move(cbor_tag_item(item)); /* counted once by its parent alone */
}

bool item_is_map(const cbor_item_t *item)
{
    return item != NULL && cbor_isa_map(item);
}

bool item_is_array(const cbor_item_t *item)
{
    return item != NULL && cbor_isa_array(item);
}

bool item_is_text(const cbor_item_t *item)
{
    return item != NULL && cbor_isa_string(item);
}

bool item_is_bytes(const cbor_item_t *item)
{
    return item != NULL && cbor_isa_bytestring(item);
}

size_t item_count(const cbor_item_t *item)
{
    return item_is_map(item)     ? cbor_map_size(item)
           : item_is_array(item) ? cbor_array_size(item)
                                 : 0;
}

const cbor_item_t *item_of(const cbor_item_t *array, size_t index)
{
    return item_is_array(array) && index < item_count(array) ? cbor_array_handle(array)[index]
                                                             : NULL;
}

const cbor_item_t *item_key(const cbor_item_t *map, size_t index)
{
    return item_is_map(map) && index < item_count(map) ? cbor_map_handle(map)[index].key : NULL;
}

const cbor_item_t *item_value(const cbor_item_t *map, size_t index)
{
    return item_is_map(map) && index < item_count(map) ? cbor_map_handle(map)[index].value : NULL;
}

bool item_int(const cbor_item_t *item, int64_t *out)
{
    if (item == NULL || (!cbor_isa_uint(item) && !cbor_isa_negint(item)))
        return false;
    uint64_t value = cbor_get_int(item);
    if (value > INT64_MAX)
        return false;
    *out = cbor_isa_uint(item) ? (int64_t)value : -1 - (int64_t)value;
    return true;
}

bool item_bytes(const cbor_item_t *item, struct clo_bytes *out)
{
    if (item_is_text(item))
        *out = clo_bytes(cbor_string_handle(item), cbor_string_length(item));
    else if (item_is_bytes(item))
        *out = clo_bytes(cbor_bytestring_handle(item), cbor_bytestring_length(item));
    else
        return false;
    return true;
}

const cbor_item_t *item_at(const cbor_item_t *map, int64_t key)
{
    int64_t number;

    for (size_t i = 0; item_is_map(map) && i < item_count(map); i++)
        if (item_int(item_key(map, i), &number) && number == key)
            return item_value(map, i);
    return NULL;
}

const cbor_item_t *item_named(const cbor_item_t *map, const char *key)
{
    struct clo_bytes text;

    for (size_t i = 0; item_is_map(map) && i < item_count(map); i++)
        if (item_is_text(item_key(map, i)) && item_bytes(item_key(map, i), &text) &&
            clo_bytes_equal(text, clo_bytes_text(key)))
            return item_value(map, i);
    return NULL;
}

/* --- As JSON --- */

static json_t *hex_json(struct clo_bytes bytes)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer hex = { 0 };

    clo_hex_write(bytes, &hex);
    const char *text = clo_buffer_string(&hex);
    return text == NULL ? NULL : json_string(text);
}

static bool key_text(const cbor_item_t *key, struct clo_buffer *out)
{
    struct clo_bytes bytes = { 0 };
    int64_t number;

    if (item_int(key, &number))
        clo_buffer_printf(out, "%lld", (long long)number);
    else if (item_is_text(key) && item_bytes(key, &bytes))
        clo_buffer_append(out, bytes);
    else if (item_bytes(key, &bytes))
        clo_hex_write(bytes, out);
    return clo_buffer_string(out) != NULL;
}

static json_t *map_json(const cbor_item_t *map)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_object();

    for (size_t i = 0; i < item_count(map); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer key = { 0 };
        if (!key_text(item_key(map, i), &key) ||
            json_object_set_new(json, clo_buffer_string(&key), item_json(item_value(map, i))) != 0)
            return NULL;
    }
    return CLO_TAKE(json);
}

static json_t *array_json(const cbor_item_t *array)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_array();

    for (size_t i = 0; i < item_count(array); i++)
        if (json_array_append_new(json, item_json(item_of(array, i))) != 0)
            return NULL;
    return CLO_TAKE(json);
}

json_t *item_json(const cbor_item_t *item)
{
    struct clo_bytes bytes;
    int64_t number;
    uint64_t tag;

    item = item_untag(item, &tag);
    if (tag != 0)
        return item_json(item);
    if (item_int(item, &number))
        return json_integer(number);
    if (item_is_text(item) && item_bytes(item, &bytes))
        return json_stringn((const char *)bytes.data, bytes.size);
    if (item_is_bytes(item) && item_bytes(item, &bytes))
        return hex_json(bytes);
    if (item_is_map(item))
        return map_json(item);
    if (item_is_array(item))
        return array_json(item);
    if (item != NULL && cbor_isa_float_ctrl(item) && cbor_float_ctrl_is_ctrl(item))
        return cbor_ctrl_value(item) == CBOR_CTRL_TRUE    ? json_true()
               : cbor_ctrl_value(item) == CBOR_CTRL_FALSE ? json_false()
                                                          : json_null();
    if (item != NULL && cbor_isa_uint(item)) /* above what JSON's integers hold */
        return json_sprintf("%llu", (unsigned long long)cbor_get_int(item));
    if (item != NULL && cbor_isa_float_ctrl(item))
        return json_real(cbor_float_get_float(item));
    return json_null();
}
