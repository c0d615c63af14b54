#include "cloister/corim.h"

#include <inttypes.h>
#include <string.h>

#include "lib/corim/corim_internal.h"

#define TAG_CORIM 501
#define TAG_COMID 506
#define TAG_TIME  1

#define SNP_PROFILE "tag:amd.com,"

/* Triples of a CoMID, by number (section 5.1.4.1). */
enum triples {
    TRIPLES_REFERENCE = 0,
    TRIPLES_ATTEST_KEY = 3,
};

static bool put(json_t *object, const char *name, json_t *value, struct clo_error *err)
{
    return json_object_set_new(object, name, value) == 0 || clo_out_of_memory(err);
}

bool clo_corim_is(struct clo_bytes in)
{
    static const uint8_t tag[] = { 0xd9, 0x01, 0xf5 };

    return clo_cose_is_sign1(in) || (in.size > sizeof tag && memcmp(in.data, tag, 3) == 0);
}

/* --- CoMIDs --- */

struct reading {
    json_t *values; /* reference_values */
    size_t keys;    /* attestation keys */
    size_t others;  /* triples that are not read */
    size_t tags;    /* tags that are not CoMIDs */
    bool is_snp;    /* AMD's profile: keys of measurements and models of key owners are demanded */
    size_t all;     /* triples so far */
    size_t comids;
    uint64_t version; /* of the oldest of them */
};

static bool attest_key(const struct reading *r, const cbor_item_t *triple, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *environment = NULL;

    if (!item_is_array(triple) || item_count(triple) < 2 ||
        !corim_environment(item_of(triple, 0), &environment, err))
        return clo_fail(err, CLO_ERR_FORMAT, "attestation key: not an environment and its keys");
    if (!item_is_array(item_of(triple, 1)) || item_count(item_of(triple, 1)) == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "attestation key: none");
    const json_t *class = json_object_get(environment, "class");
    return !r->is_snp || json_object_get(environment, "instance") != NULL ||
           json_is_string(json_object_get(class, "model")) ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "attestation key: of no model, and AMD's profile demands one");
}

static bool triples(struct reading *r, int64_t kind, const cbor_item_t *list, struct clo_error *err)
{
    if (!item_is_array(list) || item_count(list) == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "triples %" PRId64 ": not an array of some", kind);
    r->all += item_count(list);
    if (r->all > CORIM_TRIPLES_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d triples", CORIM_TRIPLES_MAX);
    for (size_t i = 0; i < item_count(list); i++) {
        const cbor_item_t *triple = item_of(list, i);
        if (kind == TRIPLES_REFERENCE) {
            if (!corim_reference_triple(triple, r->is_snp, r->values, err))
                return clo_wrap(err, "reference triple %zu", i);
        } else if (kind == TRIPLES_ATTEST_KEY) {
            if (!attest_key(r, triple, err))
                return clo_wrap(err, "key triple %zu", i);
            r->keys++;
        } else {
            r->others++;
        }
    }
    return true;
}

/* The tag's version, 0 where none is said. What several tags say is as old as the oldest of them. */
static bool tag_version(struct reading *r, const cbor_item_t *identity, struct clo_error *err)
{
    const cbor_item_t *item = item_at(identity, 1);
    int64_t version = 0;

    if (item != NULL && (!item_int(item, &version) || version < 0))
        return clo_fail(err, CLO_ERR_FORMAT, "tag version: not a number from 0");
    if (r->comids++ == 0 || (uint64_t)version < r->version)
        r->version = (uint64_t)version;
    return true;
}

static bool comid(struct reading *r, const cbor_item_t *item, struct clo_error *err)
{
    const cbor_item_t *all = item_at(item, 4);

    if (!item_is_map(item_at(item, 1)) || item_at(item_at(item, 1), 0) == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "no tag identity");
    if (!tag_version(r, item_at(item, 1), err))
        return false;
    if (!item_is_map(all) || item_count(all) == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "no triples");
    for (size_t i = 0; i < item_count(all); i++) {
        int64_t kind;
        if (!item_int(item_key(all, i), &kind))
            return clo_fail(err, CLO_ERR_FORMAT, "triples of a kind that is not a number");
        if (!triples(r, kind, item_value(all, i), err))
            return false;
    }
    return true;
}

/* A tagged byte string, with the tag's CBOR in it; before draft -05 a byte string, with the tag in it, too. */
static bool read_tag(struct reading *r, const cbor_item_t *outer, struct clo_error *err)
{
    CLO_CLEANUP(item_freep) cbor_item_t *item = NULL;
    struct clo_bytes bytes;
    uint64_t tag;
    const cbor_item_t *inner = item_untag(outer, &tag);
    const cbor_item_t *body;

    if (!item_is_bytes(inner) || !item_bytes(inner, &bytes))
        return clo_fail(err, CLO_ERR_FORMAT, "not a tagged byte string");
    if (tag != 0 && tag != TAG_COMID) {
        r->tags++;
        return true;
    }
    if (!item_load(bytes, &item, err))
        return false;
    body = tag == 0 ? item_untag(item, &tag) : item;
    if (tag == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "not a tagged byte string");
    if (tag != TAG_COMID) {
        r->tags++;
        return true;
    }
    return comid(r, body, err);
}

static bool tags(struct reading *r, const cbor_item_t *list, struct clo_error *err)
{
    if (!item_is_array(list) || item_count(list) == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "no tags");
    for (size_t i = 0; i < item_count(list); i++)
        if (!read_tag(r, item_of(list, i), err))
            return clo_wrap(err, "tag %zu", i);
    return true;
}

/* --- The CoRIM --- */

static bool read_time(const cbor_item_t *item, int64_t *out, struct clo_error *err)
{
    uint64_t tag;
    const cbor_item_t *number = item_untag(item, &tag);

    return (tag == TAG_TIME && item_int(number, out)) ||
           clo_fail(err, CLO_ERR_FORMAT, "validity: not a time in seconds");
}

static bool validity(const cbor_item_t *map, int64_t at, json_t *out, struct clo_error *err)
{
    int64_t from = INT64_MIN, until;

    if (map == NULL)
        return true;
    if (!item_is_map(map) || item_at(map, 1) == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "validity: it says no end");
    if (!read_time(item_at(map, 1), &until, err) ||
        (item_at(map, 0) != NULL && !read_time(item_at(map, 0), &from, err)))
        return false;
    if (item_at(map, 0) != NULL && !put(out, "not_before", clo_json_time(from), err))
        return false;
    if (!put(out, "not_after", clo_json_time(until), err))
        return false;
    if (at < from || at > until)
        return clo_fail(err, CLO_ERR_REFUSED, "it is %s at this time",
                        at < from ? "not yet valid" : "no longer valid");
    return true;
}

/* A signed one of the earlier drafts has no tag of its own. */
static bool read_corim(struct clo_bytes in, bool is_signed, int64_t at, json_t **out,
                       struct clo_error *err)
{
    CLO_CLEANUP(item_freep) cbor_item_t *item = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *json = json_object();
    struct reading r = { 0 };
    json_t *profile;
    uint64_t tag;

    if (!item_load(in, &item, err))
        return false;
    const cbor_item_t *corim = item_untag(item, &tag);
    if ((tag != TAG_CORIM && (!is_signed || corim != item)) || !item_is_map(corim))
        return clo_fail(err, CLO_ERR_FORMAT, "not a CoRIM (tag 501)");
    if (!item_is_text(item_at(corim, 0)) && item_at(corim, 0) == NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "it has no id");
    if (!put(json, "id", item_json(item_at(corim, 0)), err) ||
        !corim_profile(item_at(corim, 3), &profile, err))
        return false;
    if (profile != NULL && !put(json, "profile", profile, err))
        return false;
    const char *name = json_string_value(json_object_get(json, "profile"));
    r.is_snp = name != NULL && strncmp(name, SNP_PROFILE, strlen(SNP_PROFILE)) == 0;
    r.values = json_array();
    if (!put(json, "reference_values", r.values, err) ||
        !validity(item_at(corim, 4), at, json, err) || !tags(&r, item_at(corim, 1), err))
        return false;
    if (r.version > 0 && !put(json, "tag_version", json_integer((json_int_t)r.version), err))
        return false;
    if (!put(json, "keys", json_integer((json_int_t)r.keys), err) ||
        !put(json, "other_triples", json_integer((json_int_t)r.others), err) ||
        !put(json, "other_tags", json_integer((json_int_t)r.tags), err))
        return false;
    *out = CLO_TAKE(json);
    return true;
}

bool clo_corim_read(struct clo_bytes in, const struct clo_public_key *key, int64_t at, json_t **out,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer payload = { 0 };

    if (clo_cose_is_sign1(in) && key == NULL)
        return clo_fail(err, CLO_ERR_UNVERIFIED,
                        "CoRIM: it is signed: the key that it must be signed with is needed");
    if (key != NULL && !clo_cose_is_sign1(in))
        return clo_fail(err, CLO_ERR_REFUSED, "CoRIM: it is not signed, and a key was named");
    if (key != NULL && !clo_cose_verify(in, key, &payload, err))
        return clo_wrap(err, "CoRIM");
    return read_corim(key == NULL ? in : clo_buffer_bytes(&payload), key != NULL, at, out, err) ||
           clo_wrap(err, "CoRIM");
}
