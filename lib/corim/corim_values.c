/* Environments and measurements (draft-ietf-rats-corim-11, sections 5.1.4.2 and 5.1.4.5). */
#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"
#include "lib/corim/corim_internal.h"

#define TAG_OID     111
#define TAG_URI     32
#define TAG_SVN     552
#define TAG_MIN_SVN 553

/* IANA, "Named Information Hash Algorithm", and COSE's numbers for the same. */
static const struct {
    int64_t id;
    const char *name;
    size_t size;
} algorithms[] = {
    { 1, "sha256", 32 },   { 7, "sha384", 48 },   { 8, "sha512", 64 },
    { -16, "sha256", 32 }, { -43, "sha384", 48 }, { -44, "sha512", 64 },
};

static bool put(json_t *object, const char *name, json_t *value, struct clo_error *err)
{
    return json_object_set_new(object, name, value) == 0 || clo_out_of_memory(err);
}

/* Members by their number, as names; what the table does not have keeps its number. */
static const char *name_of(const char *const *names, size_t count, const cbor_item_t *key,
                           char out[24])
{
    int64_t number;

    if (!item_int(key, &number))
        return NULL;
    if (number >= 0 && (size_t)number < count && names[number] != NULL)
        return names[number];
    snprintf(out, 24, "%lld", (long long)number);
    return out;
}

/* Several of one algorithm become a list, which no reference value is made of. */
static bool put_digest(json_t *json, const char *name, const char *hex, struct clo_error *err)
{
    json_t *there = json_object_get(json, name);

    if (hex == NULL)
        return clo_out_of_memory(err);
    if (there == NULL)
        return put(json, name, json_string(hex), err);
    if (json_is_string(there)) {
        if (!put(json, name, json_pack("[O]", there), err))
            return false;
        there = json_object_get(json, name);
    }
    return json_array_append_new(there, json_string(hex)) == 0 || clo_out_of_memory(err);
}

/* One or more [algorithm, digest]. An algorithm that is not known, or a digest that is not
 * of its size (examples have such), keeps its number. */
static bool digests(const cbor_item_t *list, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_object();

    if (!item_is_array(list) || item_count(list) == 0 || item_count(list) > 64)
        return clo_fail(err, CLO_ERR_FORMAT, "digests: not an array of some");
    for (size_t i = 0; i < item_count(list); i++) {
        const cbor_item_t *pair = item_of(list, i);
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer hex = { 0 };
        struct clo_bytes value, text;
        char name[32];
        int64_t id = 0;
        if (!item_is_array(pair) || item_count(pair) != 2 || !item_is_bytes(item_of(pair, 1)) ||
            !item_bytes(item_of(pair, 1), &value))
            return clo_fail(err, CLO_ERR_FORMAT, "digest %zu: not an algorithm and bytes", i);
        if (item_int(item_of(pair, 0), &id))
            snprintf(name, sizeof name, "%lld", (long long)id);
        else if (item_is_text(item_of(pair, 0)) && item_bytes(item_of(pair, 0), &text) &&
                 text.size > 0 && text.size < sizeof name)
            snprintf(name, sizeof name, "%.*s", (int)text.size, (const char *)text.data);
        else
            return clo_fail(err, CLO_ERR_FORMAT, "digest %zu: no algorithm", i);
        for (size_t k = 0; k < CLO_COUNT(algorithms); k++)
            if (id == algorithms[k].id && value.size == algorithms[k].size)
                snprintf(name, sizeof name, "%s", algorithms[k].name);
        clo_sanitize(name);
        clo_hex_write(value, &hex);
        if (!put_digest(json, name, clo_buffer_string(&hex), err))
            return false;
    }
    *out = CLO_TAKE(json);
    return true;
}

static bool svn(const cbor_item_t *item, json_t *object, struct clo_error *err)
{
    uint64_t tag;
    const cbor_item_t *number = item_untag(item, &tag);

    if ((tag != 0 && tag != TAG_SVN && tag != TAG_MIN_SVN) || number == NULL ||
        !cbor_isa_uint(number))
        return clo_fail(err, CLO_ERR_FORMAT, "svn: not a number");
    return put(object, tag == TAG_MIN_SVN ? "minimum_svn" : "svn", item_json(number), err);
}

/* {register: digests} */
static bool registers(const cbor_item_t *map, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_object();

    if (!item_is_map(map) || item_count(map) == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "integrity registers: not a map of some");
    for (size_t i = 0; i < item_count(map); i++) {
        struct clo_bytes text = { 0 };
        char name[64];
        json_t *value;
        int64_t number;
        if (item_int(item_key(map, i), &number))
            snprintf(name, sizeof name, "%lld", (long long)number);
        else if (item_is_text(item_key(map, i)) && item_bytes(item_key(map, i), &text) &&
                 text.size < sizeof name)
            snprintf(name, sizeof name, "%.*s", (int)text.size, (const char *)text.data);
        else
            return clo_fail(err, CLO_ERR_FORMAT, "integrity registers: a key of no kind");
        clo_sanitize(name);
        if (!digests(item_value(map, i), &value, err))
            return clo_wrap(err, "register %s", name);
        if (!put(json, name, value, err))
            return false;
    }
    *out = CLO_TAKE(json);
    return true;
}

bool corim_values(const cbor_item_t *item, json_t **out, struct clo_error *err)
{
    static const char *const names[] = {
        "version",  "svn",         "digests",       "flags",     "raw_value", "raw_value_mask",
        "mac_addr", "ip_addr",     "serial_number", "ueid",      "uuid",      "name",
        NULL,       "crypto_keys", "registers",     "int_range",
    };
    CLO_CLEANUP(clo_json_freep) json_t *json = json_object();

    if (!item_is_map(item) || item_count(item) == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "measurement values: not a map of some");
    for (size_t i = 0; i < item_count(item); i++) {
        const cbor_item_t *value = item_value(item, i);
        char number[24];
        const char *name = name_of(names, CLO_COUNT(names), item_key(item, i), number);
        json_t *made = NULL;
        if (name == NULL)
            return clo_fail(err, CLO_ERR_FORMAT, "measurement values: a key that is not a number");
        if (strcmp(name, "svn") == 0) {
            if (!svn(value, json, err))
                return false;
            continue;
        }
        if (strcmp(name, "digests") == 0
                    ? !digests(value, &made, err)
                    : strcmp(name, "registers") == 0 && !registers(value, &made, err))
            return false;
        if (!put(json, name, made != NULL ? made : item_json(value), err))
            return false;
    }
    *out = CLO_TAKE(json);
    return true;
}

static bool class_map(const cbor_item_t *item, json_t **out, struct clo_error *err)
{
    static const char *const names[] = { "class_id", "vendor", "model", "layer", "index" };
    CLO_CLEANUP(clo_json_freep) json_t *json = json_object();

    if (!item_is_map(item) || item_count(item) == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "class: not a map of some");
    for (size_t i = 0; i < item_count(item); i++) {
        char number[24];
        const char *name = name_of(names, CLO_COUNT(names), item_key(item, i), number);
        if (name == NULL)
            return clo_fail(err, CLO_ERR_FORMAT, "class: a key that is not a number");
        if (!put(json, name, item_json(item_value(item, i)), err))
            return false;
    }
    *out = CLO_TAKE(json);
    return true;
}

bool corim_environment(const cbor_item_t *item, json_t **out, struct clo_error *err)
{
    static const char *const names[] = { "class", "instance", "group" };
    CLO_CLEANUP(clo_json_freep) json_t *json = json_object();

    if (!item_is_map(item) || item_count(item) == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "environment: not a map of some");
    for (size_t i = 0; i < item_count(item); i++) {
        char number[24];
        const char *name = name_of(names, CLO_COUNT(names), item_key(item, i), number);
        json_t *made = NULL;
        if (name == NULL)
            return clo_fail(err, CLO_ERR_FORMAT, "environment: a key that is not a number");
        if (strcmp(name, "class") == 0 && !class_map(item_value(item, i), &made, err))
            return false;
        if (!put(json, name, made != NULL ? made : item_json(item_value(item, i)), err))
            return false;
    }
    *out = CLO_TAKE(json);
    return true;
}

static bool measurement(const cbor_item_t *item, bool needs_key, json_t **out,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_object();
    json_t *values;

    if (!item_is_map(item))
        return clo_fail(err, CLO_ERR_FORMAT, "not a map");
    if (item_at(item, 0) != NULL && !put(json, "key", item_json(item_at(item, 0)), err))
        return false;
    if (item_at(item, 0) == NULL && needs_key)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "no key says what is measured, and the profile demands one");
    if (!corim_values(item_at(item, 1), &values, err) || !put(json, "values", values, err))
        return false;
    if (item_at(item, 2) != NULL && !put(json, "authorized_by", item_json(item_at(item, 2)), err))
        return false;
    *out = CLO_TAKE(json);
    return true;
}

bool corim_reference_triple(const cbor_item_t *item, bool needs_key, json_t *list,
                            struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_object();
    CLO_CLEANUP(clo_json_freep) json_t *measurements = json_array();
    const cbor_item_t *all = item_of(item, 1);
    json_t *environment, *made = NULL;

    if (!item_is_array(item) || item_count(item) != 2)
        return clo_fail(err, CLO_ERR_FORMAT, "not an environment and its measurements");
    if (!corim_environment(item_of(item, 0), &environment, err) ||
        !put(json, "environment", environment, err))
        return false;
    /* One measurement, or several: both have been the draft's. */
    size_t count = item_is_map(all) ? 1 : item_count(all);
    if (count == 0 || (!item_is_map(all) && !item_is_array(all)))
        return clo_fail(err, CLO_ERR_FORMAT, "no measurement");
    for (size_t i = 0; i < count; i++) {
        if (!measurement(item_is_map(all) ? all : item_of(all, i), needs_key, &made, err))
            return clo_wrap(err, "measurement %zu", i);
        if (json_array_append_new(measurements, made) != 0)
            return clo_out_of_memory(err);
    }
    if (!put(json, "measurements", CLO_TAKE(measurements), err))
        return false;
    return json_array_append_new(list, CLO_TAKE(json)) == 0 || clo_out_of_memory(err);
}

bool corim_profile(const cbor_item_t *item, json_t **out, struct clo_error *err)
{
    uint64_t tag;

    *out = NULL;
    if (item == NULL)
        return true;
    if (item_is_array(item) && item_count(item) == 1)
        item = item_of(item, 0);
    const cbor_item_t *value = item_untag(item, &tag);
    if ((tag == TAG_URI || tag == 0 ? !item_is_text(value) : tag != TAG_OID) ||
        (tag == TAG_OID && !item_is_bytes(value)))
        return clo_fail(err, CLO_ERR_FORMAT, "profile: neither a URI nor an OID");
    *out = item_json(value);
    return *out != NULL || clo_out_of_memory(err);
}
