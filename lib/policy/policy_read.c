/* What a policy's members are made of: sets of values, names that stand for bits, numbers, versions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"

#include "lib/policy/policy_internal.h"

/* An array of whole numbers up to `last`, as a mask. */
bool policy_read_mask(const json_t *json, const char *key, unsigned last, uint32_t *out,
                      struct clo_error *err)
{
    json_t *array;
    json_t *item;
    size_t i;
    uint32_t mask = 0;

    if (!clo_json_get_array(json, key, &array, err))
        return false;
    json_array_foreach (array, i, item) {
        if (!json_is_integer(item) || json_integer_value(item) < 0 ||
            json_integer_value(item) > (json_int_t)last)
            return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": item %zu is not a number from 0 to %u",
                            key, i, last);
        mask |= 1U << json_integer_value(item);
    }
    *out = mask;
    return true;
}

bool policy_read_names(const json_t *json, const char *key, const struct clo_bit *names,
                       size_t count, uint64_t *out, struct clo_error *err)
{
    json_t *array;
    json_t *item;
    size_t i;
    uint64_t mask = 0;

    if (json_object_get(json, key) == NULL)
        return true;
    if (!clo_json_get_array(json, key, &array, err))
        return false;
    json_array_foreach (array, i, item) {
        const char *text = json_string_value(item);
        size_t which = 0;
        while (which < count && (text == NULL || strcmp(text, names[which].name) != 0))
            which++;
        if (which == count)
            return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": item %zu: \"%.40s\" is not known", key, i,
                            text == NULL ? "(no string)" : text);
        mask |= 1ULL << names[which].at;
    }
    *out = mask;
    return true;
}

bool policy_read_fixed(const json_t *item, size_t size, uint8_t *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { .limit = CLO_HASH_SIZE_MAX };

    if (!json_is_string(item))
        return clo_fail(err, CLO_ERR_FORMAT, "no string");
    if (!clo_hex_read(clo_bytes(json_string_value(item), json_string_length(item)), &bytes, err))
        return false;
    if (bytes.size != size)
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes, expected %zu", bytes.size, size);
    memcpy(out, bytes.data, size);
    return true;
}

bool policy_read_values(const json_t *json, const char *key, size_t size,
                        struct clo_policy_values *out, struct clo_error *err)
{
    const json_t *value = json_object_get(json, key);
    json_t *array;
    json_t *item;
    size_t i;

    out->size = size;
    if (value == NULL)
        return true;
    if (json_is_string(value) && strcmp(json_string_value(value), "any") == 0) {
        out->any = true;
        return true;
    }
    if (!clo_json_get_array(json, key, &array, err))
        return false;
    json_array_foreach (array, i, item) {
        if (out->count == CLO_POLICY_LIST_MAX)
            return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": more than %d", key, CLO_POLICY_LIST_MAX);
        if (!policy_read_fixed(item, size, out->items[out->count++], err))
            return clo_wrap(err, "\"%s\": item %zu", key, i);
    }
    if (out->count == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": is empty: leave it out instead", key);
    return true;
}

bool policy_read_u64(const json_t *json, const char *key, uint64_t last, uint64_t *out,
                     struct clo_error *err)
{
    const json_t *value = json_object_get(json, key);
    const char *text = json_string_value(value);
    uint64_t number;

    if (value == NULL)
        return true;
    if (text == NULL) {
        if (!clo_json_get_u64(json, key, &number, err))
            return false;
    } else {
        size_t digits = strncmp(text, "0x", 2) == 0 ? strlen(text + 2) : 0;
        if (digits == 0 || digits > 16 || strspn(text + 2, "0123456789abcdefABCDEF") != digits)
            return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": neither a number nor 0x and hex", key);
        number = strtoull(text + 2, NULL, 16);
    }
    if (number > last)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is above %llu", key, (unsigned long long)last);
    *out = number;
    return true;
}

bool policy_read_version(const json_t *json, const char *key, size_t parts, uint8_t *out,
                         struct clo_error *err)
{
    const char *text;
    const char *at;

    if (!clo_json_get_string_optional(json, key, &text, err))
        return false;
    at = text;
    for (size_t i = 0; text != NULL && i < parts; i++) {
        size_t digits = strspn(at, "0123456789");
        unsigned long value = strtoul(at, NULL, 10);
        char behind = i + 1 < parts ? '.' : '\0';
        if (digits == 0 || digits > 3 || value > 255 || at[digits] != behind)
            return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": no %zu numbers up to 255 with dots", key,
                            parts);
        out[i] = (uint8_t)value;
        at += digits + 1;
    }
    return true;
}

bool policy_read_age(const json_t *json, const char *key, int64_t *out, struct clo_error *err)
{
    const char *text;

    if (!clo_json_get_string_optional(json, key, &text, err))
        return false;
    if (text == NULL)
        return true;
    size_t digits = strspn(text, "0123456789");
    int64_t unit = strcmp(text + digits, "d") == 0   ? 86400
                   : strcmp(text + digits, "h") == 0 ? 3600
                                                     : 0;
    int64_t number = digits == 0 || digits > 5 ? 0 : strtol(text, NULL, 10);
    if (unit == 0 || number == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": neither days (\"30d\") nor hours (\"12h\")",
                        key);
    *out = number * unit;
    return true;
}

/* --- Holding values against it --- */

bool policy_pins(const struct clo_policy_values *list)
{
    return list->count > 0 && !list->any;
}

bool policy_names(const struct clo_policy_values *list, struct clo_bytes value)
{
    for (size_t i = 0; i < list->count; i++)
        if (clo_bytes_equal(clo_bytes(list->items[i], list->size), value))
            return true;
    return list->any;
}

bool policy_says(const struct clo_policy_values *list)
{
    return list->any || list->count > 0;
}

void policy_check_values(const struct clo_policy_values *list, const char *id, const char *field,
                         struct clo_bytes value, struct clo_checks *checks)
{
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    bool holds = policy_names(list, value);

    /* Every value will do: nothing was held against anything, and nothing reads as passed. */
    if (list->any)
        clo_check_skip(checks, id, "%s %s is not asked for", field, clo_hex_text(value, hex));
    else if (policy_says(list))
        clo_check_that(checks, id, holds, "%s %s is %s", field, clo_hex_text(value, hex),
                       holds ? "one that the policy names" : "not one that the policy names");
}

bool policy_read_words(const json_t *json, const char *key, bool *any, char *out, size_t size,
                       size_t most, size_t *count, struct clo_error *err)
{
    const json_t *value = json_object_get(json, key);
    json_t *array;
    json_t *item;
    size_t i;

    if (value == NULL)
        return true;
    if (json_is_string(value) && strcmp(json_string_value(value), "any") == 0) {
        *any = true;
        return true;
    }
    if (!clo_json_get_array(json, key, &array, err))
        return false;
    json_array_foreach (array, i, item) {
        const char *word = json_string_value(item);
        if (word == NULL || *word == '\0' || strlen(word) >= size)
            return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": item %zu is not a short string", key, i);
        if (*count == most)
            return clo_fail(err, CLO_ERR_FORMAT, "\"%s\": more than %zu", key, most);
        memcpy(out + (*count)++ * size, word, strlen(word) + 1);
    }
    return true;
}

void policy_check_tee(const struct clo_policy *policy, enum clo_tee tee, bool is_makers,
                      const struct clo_digest *root, struct clo_checks *checks)
{
    static const char id[] = "policy.root";
    bool is_allowed = clo_policy_allows(policy, tee);
    bool holds = is_makers && clo_policy_trusts_maker(policy, tee);

    clo_check_that(checks, "policy.tee", is_allowed, "the policy %s %s",
                   is_allowed ? "allows" : "does not allow", clo_tee_names(tee)->title);

    /* The built-in policy leaves the roots to the caller: verification has held it to them. */
    if (policy->is_strict_builtin) {
        clo_check_skip(checks, id, "the built-in policy leaves the roots to the caller");
        return;
    }
    for (size_t i = 0; i < policy->root_count; i++)
        holds = holds || clo_digest_equal(&policy->roots[i], root);
    clo_check_that(checks, id, holds, "the policy %s the root of this platform",
                   holds ? "names" : "does not name");
}

/* What it is held to is there: a list that nobody brought is older than every age. */
void policy_check_age(int64_t maximum, const char *id, const char *what, bool is_there,
                      int64_t issued, int64_t at, struct clo_checks *checks)
{
    if (maximum == 0)
        return;
    if (!is_there) {
        clo_check_that(checks, id, false, "there is no %s, and the policy has a maximum age for it",
                       what);
        return;
    }
    int64_t age = at > issued ? at - issued : 0;
    clo_check_that(checks, id, age <= maximum, "%s: %lld hours old, the policy allows %lld", what,
                   (long long)(age / 3600), (long long)(maximum / 3600));
}
