#include "lib/policy/ccel_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cloister/encoding.h"

#define RTMR_COUNT 4
#define COUNT_MAX  65536

struct clo_ccel_rules {
    json_t *registers[RTMR_COUNT]; /* arrays, checked; NULL: none */
};

/* --- Reading --- */

static bool check_digest(const json_t *value, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_error ignored;

    return (json_is_string(value) &&
            clo_hex_read(clo_bytes_text(json_string_value(value)), &bytes, &ignored) &&
            bytes.size == clo_hash_size(CLO_HASH_SHA384)) ||
           clo_fail(err, CLO_ERR_FORMAT, "\"digests\" has what is not a SHA-384 digest");
}

static bool check_digests(const json_t *list, struct clo_error *err)
{
    json_t *value;
    size_t i;

    if (!json_is_array(list) || json_array_size(list) == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "\"digests\" is not a list, or empty");
    json_array_foreach (list, i, value)
        if (!check_digest(value, err))
            return false;
    return true;
}

static bool read_count(const json_t *rule, const char *key, uint64_t fallback, uint64_t *out,
                       struct clo_error *err)
{
    *out = fallback;
    if (json_object_get(rule, key) == NULL)
        return true;
    if (!clo_json_get_u64(rule, key, out, err))
        return false;
    return *out <= COUNT_MAX ||
           clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is more than %d", key, COUNT_MAX);
}

static bool read_counts(const json_t *rule, uint64_t *minimum, uint64_t *maximum,
                        struct clo_error *err)
{
    if (!read_count(rule, "minimum", 1, minimum, err) ||
        !read_count(rule, "maximum", *minimum > 1 ? *minimum : 1, maximum, err))
        return false;
    return (*minimum <= *maximum && *maximum > 0) ||
           clo_fail(err, CLO_ERR_FORMAT, "takes at least %llu and at most %llu events",
                    (unsigned long long)*minimum, (unsigned long long)*maximum);
}

static bool check_rule(const json_t *rule, struct clo_error *err)
{
    static const char *const members[] = { "type", "name",    "text",    "digests",
                                           "any",  "minimum", "maximum", NULL };
    const json_t *digests = json_object_get(rule, "digests");
    uint64_t minimum, maximum;
    const char *text;
    bool any;

    if (!json_is_object(rule))
        return clo_fail(err, CLO_ERR_FORMAT, "is not an object");
    if (!clo_json_only(rule, members, err) || !clo_json_get_string(rule, "type", &text, err) ||
        !clo_json_get_string_optional(rule, "name", &text, err) ||
        !clo_json_get_string_optional(rule, "text", &text, err) ||
        !clo_json_get_bool_optional(rule, "any", false, &any, err) ||
        !read_counts(rule, &minimum, &maximum, err))
        return false;
    int ways = (digests != NULL) + (json_object_get(rule, "text") != NULL) + any;
    if (ways != 1)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "says %s of \"digests\", \"text\" and \"any\": exactly one is needed",
                        ways == 0 ? "none" : "several");
    return digests == NULL || check_digests(digests, err);
}

static bool read_register(const json_t *json, const char *key, json_t **out, struct clo_error *err)
{
    json_t *list = json_object_get(json, key);
    json_t *rule;
    size_t i;

    if (list == NULL)
        return true;
    if (!json_is_array(list) || json_array_size(list) > CLO_CCEL_RULES_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\" is not a list of at most %d rules", key,
                        CLO_CCEL_RULES_MAX);
    json_array_foreach (list, i, rule)
        if (!check_rule(rule, err))
            return clo_wrap(err, "\"%s\": rule %zu", key, i);
    *out = json_deep_copy(list);
    return *out != NULL || clo_out_of_memory(err);
}

bool clo_ccel_rules_parse(const json_t *json, struct clo_ccel_rules **out, struct clo_error *err)
{
    static const char *const members[] = { "rtmr0", "rtmr1", "rtmr2", "rtmr3", NULL };
    CLO_CLEANUP(clo_ccel_rules_freep) struct clo_ccel_rules *rules = calloc(1, sizeof *rules);

    if (rules == NULL)
        return clo_out_of_memory(err);
    if (!json_is_object(json) || json_object_size(json) == 0)
        return clo_fail(err, CLO_ERR_FORMAT, "names no register");
    if (!clo_json_only(json, members, err))
        return false;
    for (size_t i = 0; i < RTMR_COUNT; i++)
        if (!read_register(json, members[i], &rules->registers[i], err))
            return false;
    *out = CLO_TAKE(rules);
    return true;
}

void clo_ccel_rules_free(struct clo_ccel_rules *rules)
{
    if (rules == NULL)
        return;
    for (size_t i = 0; i < RTMR_COUNT; i++)
        json_decref(rules->registers[i]);
    free(rules);
}

void clo_ccel_rules_freep(struct clo_ccel_rules **rules)
{
    clo_ccel_rules_free(*rules);
    *rules = NULL;
}

bool clo_ccel_rules_has(const struct clo_ccel_rules *rules, unsigned n)
{
    return n < RTMR_COUNT && rules->registers[n] != NULL;
}

/* --- Matching --- */

static bool is_of_type(const struct clo_event *event, const char *type)
{
    const char *name = clo_event_type_name(event->type);
    char number[16];

    snprintf(number, sizeof number, "0x%08x", event->type);
    return strcmp(type, name == NULL ? number : name) == 0;
}

/* Is the digest that of the event's data, all of them? Then what they say is proven. */
static bool is_covered(const struct clo_event *event, const struct clo_digest *digest)
{
    struct clo_digest made;

    clo_hash(CLO_HASH_SHA384, event->data, &made);
    return clo_digest_equal(&made, digest);
}

/* The variable's name, of events that have one; else the data as they are, up to a NUL. */
static void append_name(const struct clo_event *event, struct clo_buffer *out)
{
    bool is_variable = event->type == CLO_EV_EFI_VARIABLE_DRIVER_CONFIG ||
                       event->type == CLO_EV_EFI_VARIABLE_AUTHORITY;
    struct clo_reader r = clo_reader(event->data);
    size_t size = 0;

    if (!is_variable) {
        while (size < event->data.size && event->data.data[size] != 0)
            size++;
        clo_buffer_append(out, clo_bytes_slice(event->data, 0, size));
        return;
    }
    clo_read_skip(&r, 16);
    uint64_t name_size = clo_read_le64(&r);
    clo_read_skip(&r, 8);
    if (clo_reader_ok(&r) && name_size <= event->data.size / 2)
        clo_utf16_text(clo_read_bytes(&r, (size_t)name_size * 2), out);
}

static bool has_name(const struct clo_event *event, const char *expected)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { 0 };

    append_name(event, &name);
    return clo_buffer_ok(&name) &&
           clo_bytes_equal(clo_buffer_bytes(&name), clo_bytes_text(expected));
}

static bool has_digest(const json_t *list, const struct clo_digest *digest)
{
    char hex[2 * CLO_HASH_SIZE_MAX + 1];
    json_t *value;
    size_t i;

    clo_hex_text(clo_digest_bytes(digest), hex);
    json_array_foreach (list, i, value)
        if (strcasecmp(json_string_value(value), hex) == 0)
            return true;
    return false;
}

static bool takes(const json_t *rule, const struct clo_event *event,
                  const struct clo_digest *digest)
{
    const char *type = json_string_value(json_object_get(rule, "type"));
    const char *name = json_string_value(json_object_get(rule, "name"));
    const char *text = json_string_value(json_object_get(rule, "text"));
    const json_t *digests = json_object_get(rule, "digests");

    if (!is_of_type(event, type))
        return false;
    if (name != NULL && (!is_covered(event, digest) || !has_name(event, name)))
        return false;
    if (digests != NULL)
        return has_digest(digests, digest);
    return text == NULL ||
           (is_covered(event, digest) && clo_bytes_equal(event->data, clo_bytes_text(text)));
}

static void append_rule(const json_t *rule, size_t index, struct clo_buffer *out)
{
    const char *name = json_string_value(json_object_get(rule, "name"));
    const char *text = json_string_value(json_object_get(rule, "text"));

    clo_buffer_printf(out, "rule %zu (%.60s", index,
                      json_string_value(json_object_get(rule, "type")));
    if (name != NULL)
        clo_buffer_printf(out, " %.60s", name);
    if (text != NULL)
        clo_buffer_printf(out, " \"%.60s\"", text);
    clo_buffer_text(out, ")");
}

struct walk {
    const json_t *rules;
    size_t rule;    /* the one whose turn it is */
    uint64_t taken; /* by it */
};

static bool is_met(const struct walk *walk)
{
    uint64_t minimum = 0, maximum;
    struct clo_error ignored;

    return read_counts(json_array_get(walk->rules, walk->rule), &minimum, &maximum, &ignored) &&
           walk->taken >= minimum;
}

static bool is_full(const struct walk *walk)
{
    uint64_t minimum, maximum = 0;
    struct clo_error ignored;

    return !read_counts(json_array_get(walk->rules, walk->rule), &minimum, &maximum, &ignored) ||
           walk->taken >= maximum;
}

/* The rule whose turn it is takes the event, or it has had enough and the next is asked. */
static bool step(struct walk *walk, const struct clo_event *event, const struct clo_digest *digest)
{
    for (; walk->rule < json_array_size(walk->rules); walk->rule++, walk->taken = 0) {
        if (!is_full(walk) && takes(json_array_get(walk->rules, walk->rule), event, digest)) {
            walk->taken++;
            return true;
        }
        if (!is_met(walk))
            return false;
    }
    return false;
}

static bool refuse_event(const struct walk *walk, const struct clo_event *event, size_t index,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer rule = { 0 };
    const char *type = clo_event_type_name(event->type);

    clo_event_describe(event, &text);
    if (walk->rule < json_array_size(walk->rules))
        append_rule(json_array_get(walk->rules, walk->rule), walk->rule, &rule);
    const char *words = clo_buffer_string(&text);
    const char *expected = clo_buffer_string(&rule);
    return clo_fail(err, CLO_ERR_REFUSED, "event %zu, %s \"%.100s\": is not allowed: expected %s",
                    index, type == NULL ? "of an unknown type" : type, words == NULL ? "" : words,
                    expected == NULL || *expected == '\0' ? "no more events" : expected);
}

static bool refuse_rest(struct walk *walk, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer rule = { 0 };

    for (; walk->rule < json_array_size(walk->rules); walk->rule++, walk->taken = 0) {
        if (is_met(walk))
            continue;
        append_rule(json_array_get(walk->rules, walk->rule), walk->rule, &rule);
        const char *text = clo_buffer_string(&rule);
        return clo_fail(err, CLO_ERR_REFUSED, "%s is not met: the log has no such event",
                        text == NULL ? "a rule" : text);
    }
    return true;
}

bool clo_ccel_rules_allow(const struct clo_ccel_rules *rules, const struct clo_eventlog *log,
                          unsigned n, struct clo_error *err)
{
    struct walk walk = { .rules = n < RTMR_COUNT ? rules->registers[n] : NULL };
    size_t index = 0;

    for (size_t i = 0; i < clo_eventlog_count(log); i++) {
        const struct clo_event *event = clo_eventlog_at(log, i);
        struct clo_digest digest;
        if (event->pcr != n + 1 || event->type == CLO_EV_NO_ACTION)
            continue;
        if (!clo_event_digest(event, CLO_HASH_SHA384, &digest))
            return clo_fail(err, CLO_ERR_REFUSED, "event %zu has no SHA-384 digest", index);
        if (!step(&walk, event, &digest))
            return refuse_event(&walk, event, index, err);
        index++;
    }
    return refuse_rest(&walk, err);
}

bool clo_ccel_rules_takes_any(const struct clo_ccel_rules *rules, unsigned n)
{
    json_t *rule;
    size_t i;

    if (n >= RTMR_COUNT)
        return false;
    json_array_foreach (rules->registers[n], i, rule)
        if (json_is_true(json_object_get(rule, "any")))
            return true;
    return false;
}
