/* CoSERV (draft-ietf-rats-coserv): queries for endorsements and reference values, their results, and what a
 * service can do. */
#include <inttypes.h>
#include <string.h>

#include "cloister/encoding.h"
#include "lib/base/cbor.h"
#include "lib/corim/corim_internal.h"

#define TAG_BYTES 560

static const char *const artifacts[] = { "endorsed values", "trust anchors", "reference values" };
static const char *const results[] = { "collected", "source", "both" };

static bool put(json_t *object, const char *name, json_t *value, struct clo_error *err)
{
    return json_object_set_new(object, name, value) == 0 || clo_out_of_memory(err);
}

static bool put_word(json_t *object, const char *name, const cbor_item_t *item,
                     const char *const words[3], struct clo_error *err)
{
    int64_t number;

    if (!item_int(item, &number) || number < 0 || number > 2)
        return clo_fail(err, CLO_ERR_FORMAT, "%s: not 0, 1 or 2", name);
    return put(object, name, json_string(words[number]), err);
}

/* Exactly one of classes, instances and groups, each an array of some. */
static bool selector(const cbor_item_t *map, json_t *out, struct clo_error *err)
{
    static const char *const names[] = { "classes", "instances", "groups" };
    int64_t kind;

    if (!item_is_map(map) || item_count(map) != 1 || !item_int(item_key(map, 0), &kind) ||
        kind < 0 || kind > 2)
        return clo_fail(err, CLO_ERR_FORMAT, "selector: not one of classes, instances, groups");
    const cbor_item_t *list = item_value(map, 0);
    if (!item_is_array(list) || item_count(list) == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "selector: %s: not an array of some", names[kind]);
    for (size_t i = 0; i < item_count(list); i++)
        if (!item_is_array(item_of(list, i)) || item_count(item_of(list, i)) == 0)
            return clo_fail(err, CLO_ERR_FORMAT, "selector: %s: item %zu", names[kind], i);
    return put(out, "selector", json_pack("{s:o}", names[kind], item_json(list)), err);
}

static bool query(const cbor_item_t *map, json_t *out, struct clo_error *err)
{
    if (!item_is_map(map))
        return clo_fail(err, CLO_ERR_FORMAT, "query: not a map");
    return put_word(out, "artifact", item_at(map, 0), artifacts, err) &&
           selector(item_at(map, 1), out, err) &&
           (item_at(map, 2) == NULL || put_word(out, "result_type", item_at(map, 2), results, err));
}

/* Results by kind of artifact: reference values are read, of the others it is said how many there are. */
static bool result_set(const cbor_item_t *map, json_t *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *values = json_array();
    const cbor_item_t *list = item_at(map, 0);
    uint64_t tag;

    if (!item_is_map(map))
        return clo_fail(err, CLO_ERR_FORMAT, "results: not a map");
    const cbor_item_t *expiry = item_untag(item_at(map, 10), &tag);
    if (expiry == NULL || tag != 0 || !item_is_text(expiry))
        return clo_fail(err, CLO_ERR_FORMAT, "results: no expiry");
    for (size_t i = 0; i < item_count(list); i++)
        if (!corim_reference_triple(item_at(item_of(list, i), 2), false, values, err))
            return clo_wrap(err, "results: %zu", i);
    return put(out, "expires", item_json(expiry), err) &&
           put(out, "reference_values", CLO_TAKE(values), err);
}

static bool discovery(const cbor_item_t *map, json_t *out, struct clo_error *err)
{
    if (!item_is_text(item_at(map, 1)) || !item_is_array(item_at(map, 2)) ||
        item_count(item_at(map, 2)) == 0 || !item_is_map(item_at(map, 3)))
        return clo_fail(err, CLO_ERR_FORMAT, "discovery: no version, capabilities or endpoints");
    return put(out, "kind", json_string("discovery"), err) &&
           put(out, "version", item_json(item_at(map, 1)), err) &&
           put(out, "capabilities", item_json(item_at(map, 2)), err) &&
           put(out, "endpoints", item_json(item_at(map, 3)), err) &&
           put(out, "keys", item_json(item_at(map, 4)), err);
}

bool clo_coserv_read(struct clo_bytes in, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(item_freep) cbor_item_t *item = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *json = json_object();
    json_t *profile = NULL;

    if (!item_load(in, &item, err))
        return clo_wrap(err, "CoSERV");
    if (!item_is_map(item))
        return clo_fail(err, CLO_ERR_FORMAT, "CoSERV: not a map");
    if (item_at(item, 0) == NULL) {
        if (!discovery(item, json, err))
            return clo_wrap(err, "CoSERV");
        *out = CLO_TAKE(json);
        return true;
    }
    bool has_results = item_at(item, 2) != NULL;
    if (!corim_profile(item_at(item, 0), &profile, err) || !put(json, "profile", profile, err) ||
        !put(json, "kind", json_string(has_results ? "results" : "query"), err) ||
        !query(item_at(item, 1), json, err) ||
        (has_results && !result_set(item_at(item, 2), json, err)))
        return clo_wrap(err, "CoSERV");
    *out = CLO_TAKE(json);
    return true;
}

/* --- Writing --- */

static void write_query(const struct clo_reference *reference, struct clo_buffer *out)
{
    clo_cbor_write(out, CLO_CBOR_MAP, 3);
    clo_cbor_write(out, CLO_CBOR_UINT, 0);
    clo_cbor_write(out, CLO_CBOR_UINT, 2); /* reference values */
    clo_cbor_write(out, CLO_CBOR_UINT, 1);
    clo_cbor_write(out, CLO_CBOR_MAP, 1);
    clo_cbor_write(out, CLO_CBOR_UINT, 0);
    clo_cbor_write(out, CLO_CBOR_ARRAY, 1);
    clo_cbor_write(out, CLO_CBOR_ARRAY, 1);
    corim_write_class(reference, out);
    clo_cbor_write(out, CLO_CBOR_UINT, 2);
    clo_cbor_write(out, CLO_CBOR_UINT, 0); /* collected */
}

bool clo_coserv_write(const struct clo_reference *reference, const struct clo_digest *authority,
                      int64_t expires, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer before = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer triples = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *time = clo_json_time(expires);
    size_t count;

    clo_cbor_write(&before, CLO_CBOR_MAP, 2);
    clo_cbor_write(&before, CLO_CBOR_UINT, 1);
    clo_cbor_write(&before, CLO_CBOR_ARRAY, 1);
    clo_cbor_write(&before, CLO_CBOR_TAG, TAG_BYTES);
    clo_cbor_bytes(&before, clo_digest_bytes(authority));
    clo_cbor_write(&before, CLO_CBOR_UINT, 2);
    if (!clo_buffer_ok(&before) || time == NULL)
        return clo_out_of_memory(err);
    if (!corim_write_triples(reference, clo_buffer_bytes(&before), &triples, &count, err))
        return clo_wrap(err, "CoSERV");
    clo_cbor_write(out, CLO_CBOR_MAP, 3);
    clo_cbor_write(out, CLO_CBOR_UINT, 0);
    clo_cbor_text(out, CLO_CORIM_PROFILE);
    clo_cbor_write(out, CLO_CBOR_UINT, 1);
    write_query(reference, out);
    clo_cbor_write(out, CLO_CBOR_UINT, 2);
    clo_cbor_write(out, CLO_CBOR_MAP, 2);
    clo_cbor_write(out, CLO_CBOR_UINT, 0);
    clo_cbor_write(out, CLO_CBOR_ARRAY, count);
    clo_buffer_append(out, clo_buffer_bytes(&triples));
    clo_cbor_write(out, CLO_CBOR_UINT, 10);
    clo_cbor_write(out, CLO_CBOR_TAG, 0);
    clo_cbor_text(out, json_string_value(time));
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}
