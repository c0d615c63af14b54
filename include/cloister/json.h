/* JSON as others send it, read strictly (RFC 8259 and RFC 7493): duplicate keys, trailing bytes,
 * NUL characters, invalid UTF-8 and deep nesting are refused. The values are jansson's. */
#ifndef CLOISTER_JSON_H
#define CLOISTER_JSON_H

#include <jansson.h>

#include "cloister/base.h"

CLO_BEGIN_C

#define CLO_JSON_DEPTH_MAX  64
#define CLO_JSON_VALUES_MAX 50000 /* of what strangers send: some 12 MB at the worst */

CLO_API CLO_MUST_USE bool clo_json_parse(struct clo_bytes text, json_t **out,
                                         struct clo_error *err);
/* For what strangers send: no more than `values_max` values and names are made of it. */
CLO_API CLO_MUST_USE bool clo_json_parse_bounded(struct clo_bytes text, size_t values_max,
                                                 json_t **out, struct clo_error *err);
CLO_API void clo_json_freep(json_t **json); /* for CLO_CLEANUP: drops one reference */

/* Members of an object. They fail, naming the key, when it is absent or of another type; the
 * `_optional` ones give NULL or the fallback when it is absent, and still fail on another type.
 * Strings and containers are borrowed from `object`. */
CLO_API CLO_MUST_USE bool clo_json_get_string(const json_t *object, const char *key,
                                              const char **out, struct clo_error *err);
CLO_API CLO_MUST_USE bool clo_json_get_string_optional(const json_t *object, const char *key,
                                                       const char **out, struct clo_error *err);
CLO_API CLO_MUST_USE bool clo_json_get_object(const json_t *object, const char *key, json_t **out,
                                              struct clo_error *err);
CLO_API CLO_MUST_USE bool clo_json_get_array(const json_t *object, const char *key, json_t **out,
                                             struct clo_error *err);
CLO_API CLO_MUST_USE bool clo_json_get_u64(const json_t *object, const char *key, uint64_t *out,
                                           struct clo_error *err);
/* A number that counts the documents of one name up, so that an older one can be told: 1 to CLO_VERSION_MAX, which every
 * reader of JSON holds exactly. Absent: 0. */
#define CLO_VERSION_MAX ((1ULL << 53) - 1)
CLO_API CLO_MUST_USE bool clo_json_get_version(const json_t *object, const char *key, uint64_t *out,
                                               struct clo_error *err);
CLO_API CLO_MUST_USE bool clo_json_get_bool_optional(const json_t *object, const char *key,
                                                     bool fallback, bool *out,
                                                     struct clo_error *err);
/* A string member decoded from hex, base64 or base64url; at most `limit` bytes. */
enum clo_json_encoding {
    CLO_JSON_HEX,
    CLO_JSON_BASE64,
    CLO_JSON_BASE64URL,
};
CLO_API CLO_MUST_USE bool clo_json_get_bytes(const json_t *object, const char *key,
                                             enum clo_json_encoding encoding, size_t limit,
                                             struct clo_buffer *out, struct clo_error *err);
/* Fails, naming it, if the object has a key that is not in the NULL-terminated list. */
CLO_API CLO_MUST_USE bool clo_json_only(const json_t *object, const char *const *keys,
                                        struct clo_error *err);

/* Compact, keys sorted: the canonical form that is hashed and signed. */
CLO_API CLO_MUST_USE bool clo_json_write(const json_t *json, struct clo_buffer *out,
                                         struct clo_error *err);
/* A bytes value as a JSON string; NULL when out of memory. */
CLO_API json_t *clo_json_hex(struct clo_bytes in);
CLO_API json_t *clo_json_base64url(struct clo_bytes in);
CLO_API json_t *clo_json_base64(struct clo_bytes in);
/* Unix time as an RFC 3339 string in UTC. */
CLO_API json_t *clo_json_time(int64_t unix_time);
/* Text from outside (names of files, what they hold) as a string: what is not UTF-8 or not text is replaced. */
CLO_API json_t *clo_json_text(const char *text);

/* An object that is filled member by member and asked once at the end. Begins as
 * { .json = json_object() }; each value's reference is taken, and NULL latches as a failure. */
struct clo_json_object {
    json_t *json;
    bool failed;
};

/* A bit of a number, and what it is called. */
struct clo_bit {
    unsigned at;
    const char *name;
};

CLO_API void clo_json_set(struct clo_json_object *object, const char *key, json_t *value);
CLO_API void clo_json_set_hex(struct clo_json_object *object, const char *key,
                              struct clo_bytes value);
/* An object of booleans, one for each of the bits. */
CLO_API void clo_json_set_bits(struct clo_json_object *object, const char *key, uint64_t value,
                               const struct clo_bit *bits, size_t count);
/* The object, or NULL if anything failed. */
CLO_API json_t *clo_json_finish(struct clo_json_object *object);

CLO_END_C

#endif
