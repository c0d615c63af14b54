/* The claims of an EAR in CBOR (RFC 8392, RFC 9711; draft-ietf-rats-ear-03, section 3): known ones by their
 * number, others by the name that they have in JSON. */
#include <stdlib.h>
#include <string.h>

#include "cloister/cose.h"
#include "cloister/encoding.h"
#include "lib/base/cbor.h"
#include "lib/cose/item.h"

#include "lib/appraise/ear_internal.h"

#define SIMPLE_FALSE 20
#define SIMPLE_TRUE  21
#define SIMPLE_NULL  22
#define DEPTH_MAX    16
#define NONCE        10
#define VERIFIER     1004

/* --- Writing --- */

static bool write_value(const json_t *value, unsigned depth, struct clo_buffer *out,
                        struct clo_error *err);

static void write_int(struct clo_buffer *out, int64_t value)
{
    clo_cbor_write(out, value < 0 ? CLO_CBOR_NEGATIVE : CLO_CBOR_UINT,
                   value < 0 ? (uint64_t)(-1 - value) : (uint64_t)value);
}

static bool write_object(const json_t *object, unsigned depth, struct clo_buffer *out,
                         struct clo_error *err)
{
    const char *name;
    json_t *value;

    clo_cbor_write(out, CLO_CBOR_MAP, json_object_size(object));
    json_object_foreach ((json_t *)(uintptr_t)object, name, value) {
        clo_cbor_text(out, name);
        if (!write_value(value, depth, out, err))
            return false;
    }
    return true;
}

static bool write_value(const json_t *value, unsigned depth, struct clo_buffer *out,
                        struct clo_error *err)
{
    json_t *item;
    size_t i;

    if (depth == DEPTH_MAX)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "claims nested deeper than %d", DEPTH_MAX);
    if (json_is_integer(value)) {
        write_int(out, json_integer_value(value));
    } else if (json_is_string(value)) {
        clo_cbor_text(out, json_string_value(value));
    } else if (json_is_object(value)) {
        return write_object(value, depth + 1, out, err);
    } else if (json_is_array(value)) {
        clo_cbor_write(out, CLO_CBOR_ARRAY, json_array_size(value));
        json_array_foreach (value, i, item)
            if (!write_value(item, depth + 1, out, err))
                return false;
    } else if (json_is_boolean(value) || json_is_null(value)) {
        clo_cbor_write(out, CLO_CBOR_SIMPLE,
                       json_is_null(value)   ? SIMPLE_NULL
                       : json_is_true(value) ? SIMPLE_TRUE
                                             : SIMPLE_FALSE);
    } else {
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "a claim that is a fraction");
    }
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

static const struct ear_claim *find_name(const struct ear_claim *claims, size_t count,
                                         const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(claims[i].name, name) == 0)
            return &claims[i];
    return NULL;
}

static void write_name(const struct ear_claim *claim, const char *name, struct clo_buffer *out)
{
    if (claim != NULL)
        write_int(out, claim->label);
    else
        clo_cbor_text(out, name);
}

static bool write_named(const json_t *object, const struct ear_claim *claims, size_t count,
                        struct clo_buffer *out, struct clo_error *err)
{
    const char *name;
    json_t *value;

    clo_cbor_write(out, CLO_CBOR_MAP, json_object_size(object));
    json_object_foreach ((json_t *)(uintptr_t)object, name, value) {
        const struct ear_claim *claim = find_name(claims, count, name);
        write_name(claim, name, out);
        if (claim != NULL && claims == ear_sub_claims && claim->label == 1001) {
            if (!write_named(value, ear_vector, ear_vector_count, out, err))
                return false;
        } else if (!write_value(value, 0, out, err)) {
            return false;
        }
    }
    return true;
}

static bool write_submodules(const json_t *object, struct clo_buffer *out, struct clo_error *err)
{
    const char *name;
    json_t *value;

    clo_cbor_write(out, CLO_CBOR_MAP, json_object_size(object));
    json_object_foreach ((json_t *)(uintptr_t)object, name, value) {
        clo_cbor_text(out, name);
        if (!write_named(value, ear_sub_claims, ear_sub_claim_count, out, err))
            return false;
    }
    return true;
}

/* {0: developer, 1: build} */
static void write_verifier(const json_t *id, struct clo_buffer *out)
{
    clo_cbor_write(out, CLO_CBOR_MAP, 2);
    clo_cbor_write(out, CLO_CBOR_UINT, 0);
    clo_cbor_text(out, json_string_value(json_object_get(id, "developer")));
    clo_cbor_write(out, CLO_CBOR_UINT, 1);
    clo_cbor_text(out, json_string_value(json_object_get(id, "build")));
}

/* RFC 9711, section 4.1: bytes here, where JSON has text. */
static bool write_nonce(const json_t *nonce, struct clo_buffer *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };

    if (!ear_nonce_bytes(json_string_value(nonce), &bytes, err))
        return false;
    clo_cbor_bytes(out, clo_buffer_bytes(&bytes));
    return true;
}

static bool write_claim(const struct ear_claim *claim, const char *name, const json_t *value,
                        struct clo_buffer *out, struct clo_error *err)
{
    write_name(claim, name, out);
    if (claim != NULL && claim->label == NONCE && json_is_string(value))
        return write_nonce(value, out, err);
    if (strcmp(name, "submods") == 0)
        return write_submodules(value, out, err);
    if (claim == NULL || claim->label != VERIFIER)
        return write_value(value, 0, out, err);
    write_verifier(value, out);
    return true;
}

bool ear_to_cbor(const json_t *claims, struct clo_buffer *out, struct clo_error *err)
{
    const char *name;
    json_t *value;

    clo_cbor_write(out, CLO_CBOR_MAP, json_object_size(claims));
    json_object_foreach ((json_t *)(uintptr_t)claims, name, value) {
        if (!write_claim(find_name(ear_claims, ear_claim_count, name), name, value, out, err))
            return false;
    }
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* --- Reading --- */

/* The name of a map's member: by its number in the table, or its text; else the number in decimal. */
static bool read_name(const cbor_item_t *key, const struct ear_claim *claims, size_t count,
                      struct clo_buffer *out)
{
    struct clo_bytes text = { 0 };
    int64_t label;

    if (item_int(key, &label)) {
        for (size_t i = 0; i < count; i++)
            if (claims[i].label == label) {
                clo_buffer_text(out, claims[i].name);
                return clo_buffer_string(out) != NULL;
            }
        clo_buffer_printf(out, "%lld", (long long)label);
    } else if (item_is_text(key) && item_bytes(key, &text)) {
        clo_buffer_append(out, text);
    }
    return out->size > 0 && clo_buffer_string(out) != NULL;
}

static json_t *read_vector(const cbor_item_t *map);
static json_t *read_submodule(const cbor_item_t *map);

/* Each map by its table; what the table does not know as it is. */
static json_t *read_map(const cbor_item_t *map, const struct ear_claim *claims, size_t count,
                        json_t *(*read)(const char *name, const cbor_item_t *value))
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_object();

    for (size_t i = 0; i < item_count(map); i++) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { 0 };
        if (!read_name(item_key(map, i), claims, count, &name) ||
            json_object_get(json, clo_buffer_string(&name)) != NULL ||
            json_object_set_new(json, clo_buffer_string(&name),
                                read(clo_buffer_string(&name), item_value(map, i))) != 0)
            return NULL;
    }
    return CLO_TAKE(json);
}

static json_t *read_plain(const char *name, const cbor_item_t *value)
{
    (void)name;
    return item_json(value);
}

static json_t *read_vector(const cbor_item_t *map)
{
    return read_map(map, ear_vector, ear_vector_count, read_plain);
}

static json_t *read_sub_claim(const char *name, const cbor_item_t *value)
{
    return strcmp(name, "ear_trustworthiness_vector") == 0 && item_is_map(value)
                   ? read_vector(value)
                   : item_json(value);
}

static json_t *read_submodule(const cbor_item_t *map)
{
    return item_is_map(map) ? read_map(map, ear_sub_claims, ear_sub_claim_count, read_sub_claim)
                            : json_null();
}

static json_t *read_a_submodule(const char *name, const cbor_item_t *value)
{
    (void)name;
    return read_submodule(value);
}

/* Byte strings are base64url in JSON, as EAT has it for raw evidence and nonces. */
static json_t *read_bytes(const cbor_item_t *value)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_bytes bytes = { 0 };

    if (item_bytes(value, &bytes))
        clo_base64url_write(bytes, &text);
    const char *string = clo_buffer_string(&text);
    return string == NULL ? NULL : json_string(string);
}

static json_t *read_claim(const char *name, const cbor_item_t *value)
{
    static const struct ear_claim verifier[] = { { 0, "developer", NULL }, { 1, "build", NULL } };

    if (strcmp(name, "submods") == 0 && item_is_map(value))
        return read_map(value, NULL, 0, read_a_submodule);
    if (strcmp(name, "ear_verifier_id") == 0 && item_is_map(value))
        return read_map(value, verifier, CLO_COUNT(verifier), read_plain);
    return item_is_bytes(value) ? read_bytes(value) : item_json(value);
}

bool ear_from_cbor(struct clo_bytes in, json_t **out, struct clo_error *err)
{
    CLO_CLEANUP(item_freep) cbor_item_t *item = NULL;

    if (!item_load(in, &item, err))
        return false;
    if (!item_is_map(item))
        return clo_fail(err, CLO_ERR_FORMAT, "not a map of claims");
    *out = read_map(item, ear_claims, ear_claim_count, read_claim);
    return *out != NULL || clo_fail(err, CLO_ERR_FORMAT, "claims that cannot be read");
}

bool clo_ear_sign_cwt(const struct clo_appraisal *appraisal, const struct clo_ear_spec *spec,
                      const struct clo_private_key *key, struct clo_buffer *token,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer payload = { 0 };

    return clo_ear_claims(appraisal, spec, &claims, err) && ear_to_cbor(claims, &payload, err) &&
           clo_cose_sign(key, "application/eat+cwt", clo_buffer_bytes(&payload), token, err);
}
