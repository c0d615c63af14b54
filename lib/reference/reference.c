#include "cloister/reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"
#include "lib/tcg/event_facts.h"
#include "reference_internal.h"

/* What is in them is for explanations, which take nothing of another kind. */
static bool check_fields(const json_t *event, struct clo_error *err)
{
    const json_t *fields = json_object_get(event, "fields");

    return fields == NULL || json_is_object(fields) ||
           clo_fail(err, CLO_ERR_FORMAT, "\"fields\" is not an object");
}

static bool check_event(const json_t *event, struct clo_error *err)
{
    static const char *const members[] = { "type", "name",  "text",    "fields",
                                           "from", "given", "digests", NULL };
    json_t *digests;
    const char *text;
    const char *hash;
    json_t *value;

    if (!clo_json_get_string(event, "type", &text, err) ||
        !clo_json_get_string(event, "name", &text, err) ||
        !clo_json_get_string_optional(event, "text", &text, err) ||
        !clo_json_get_string_optional(event, "from", &text, err) ||
        !clo_json_get_string_optional(event, "given", &text, err) ||
        !clo_json_get_object(event, "digests", &digests, err) || !check_fields(event, err) ||
        !clo_json_only(event, members, err))
        return false;
    json_object_foreach (digests, hash, value) {
        CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
        size_t size = clo_hash_size(clo_hash_from_name(hash));
        if (size == 0 || !clo_json_get_bytes(digests, hash, CLO_JSON_HEX, size, &bytes, err) ||
            bytes.size != size)
            return clo_fail(err, CLO_ERR_FORMAT, "digest \"%.16s\" is none", hash);
    }
    return true;
}

static bool is_pcr_name(const char *key)
{
    size_t size = strspn(key, "0123456789");

    return size > 0 && size <= 2 && key[size] == '\0' && atoi(key) < CLO_PCR_COUNT &&
           (key[0] != '0' || size == 1);
}

/* Why a PCR is missing, for people. */
static bool check_reasons(const json_t *reasons, struct clo_error *err)
{
    const char *key;
    json_t *value;

    if (reasons != NULL && !json_is_object(reasons))
        return clo_fail(err, CLO_ERR_FORMAT, "\"not_predicted\" is not an object");
    json_object_foreach ((json_t *)(uintptr_t)reasons, key, value) {
        if (!is_pcr_name(key) || !json_is_string(value))
            return clo_fail(err, CLO_ERR_FORMAT, "\"not_predicted\": \"%.20s\" is not a reason",
                            key);
    }
    return true;
}

static bool check_host_inputs(const json_t *words, struct clo_error *err)
{
    json_t *word;
    size_t i;

    if (words != NULL && !json_is_array(words))
        return clo_fail(err, CLO_ERR_FORMAT, "\"host_inputs\" is not an array");
    json_array_foreach (words, i, word) {
        if (!json_is_string(word))
            return clo_fail(err, CLO_ERR_FORMAT, "\"host_inputs\": %zu is not a string", i);
    }
    return true;
}

static bool check_events(const json_t *events, struct clo_error *err)
{
    const char *key;
    json_t *list;
    json_t *event;
    size_t i;

    json_object_foreach ((json_t *)(uintptr_t)events, key, list) {
        bool is_rtmr = reference_is_rtmr_key(key);
        if ((!is_pcr_name(key) && !is_rtmr) || !json_is_array(list))
            return clo_fail(err, CLO_ERR_FORMAT, "events: \"%.16s\" is not a PCR's list", key);
        json_array_foreach (list, i, event) {
            if (!check_event(event, err))
                return clo_wrap(err, "events: %s%s, event %zu", is_rtmr ? "" : "PCR ", key, i);
        }
    }
    return true;
}

static bool check_value(const json_t *values, const char *key, size_t size, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };

    if (!clo_json_get_bytes(values, key, CLO_JSON_HEX, size, &bytes, err))
        return false;
    return bytes.size == size || clo_fail(err, CLO_ERR_FORMAT, "\"%.64s\": %zu bytes, expected %zu",
                                          key, bytes.size, size);
}

static bool check_bank(const json_t *bank, size_t size, struct clo_error *err)
{
    const char *key;
    const char *phase;
    json_t *value;
    json_t *inner;

    json_object_foreach ((json_t *)(uintptr_t)bank, key, value) {
        if (!is_pcr_name(key))
            return clo_fail(err, CLO_ERR_FORMAT, "\"%.16s\" is not a PCR", key);
        if (!json_is_object(value)) {
            if (!check_value(bank, key, size, err))
                return false;
            continue;
        }
        json_object_foreach (value, phase, inner) {
            if (!check_value(value, phase, size, err))
                return clo_wrap(err, "PCR %s", key);
        }
    }
    return true;
}

static bool check_pcrs(const json_t *pcrs, struct clo_error *err)
{
    const char *name;
    json_t *bank;

    json_object_foreach ((json_t *)(uintptr_t)pcrs, name, bank) {
        size_t size = clo_hash_size(clo_hash_from_name(name));
        if (size == 0 || !json_is_object(bank))
            return clo_fail(err, CLO_ERR_FORMAT, "pcrs: \"%.16s\" is not a bank", name);
        if (!check_bank(bank, size, err))
            return clo_wrap(err, "pcrs: %s", name);
    }
    return true;
}

/* Do the listed events lead to the value? PCR 0 may begin with a locality that the file does not
 * tell, so it is left out. */
static bool check_value_replays(const struct clo_reference *reference, enum clo_hash hash,
                                unsigned pcr, const char *phase, struct clo_error *err)
{
    struct clo_reference_event event;
    struct clo_digest expected;
    struct clo_digest digest;
    struct clo_pcr_bank bank;

    if (pcr == 0 || !clo_reference_lists_events(reference, pcr) ||
        !clo_reference_value(reference, hash, pcr, phase, &expected))
        return true;
    clo_pcr_reset(&bank, hash);
    for (size_t i = 0; clo_reference_event_at(reference, pcr, phase, i, &event); i++) {
        bool is_found = false;
        for (size_t k = 0; k < event.digest_count && !is_found; k++) {
            is_found = event.digests[k].hash == hash;
            digest = event.digests[k];
        }
        if (!is_found)
            return clo_fail(err, CLO_ERR_FORMAT, "events: PCR %u, event %zu: no %s digest", pcr, i,
                            clo_hash_name(hash));
        clo_pcr_extend(&bank, pcr, &digest);
    }
    if (!clo_digest_equal(&bank.values[pcr], &expected))
        return clo_fail(err, CLO_ERR_FORMAT, "PCR %u: its events do not lead to its %s value", pcr,
                        clo_hash_name(hash));
    return true;
}

static bool check_replay(const struct clo_reference *reference, struct clo_error *err)
{
    const char *name;
    const char *key;
    const char *phase;
    json_t *bank;
    json_t *value;
    json_t *inner;

    json_object_foreach (reference->pcrs, name, bank) {
        enum clo_hash hash = clo_hash_from_name(name);
        json_object_foreach (bank, key, value) {
            unsigned pcr = (unsigned)atoi(key);
            if (!json_is_object(value)) {
                if (!check_value_replays(reference, hash, pcr, CLO_PHASE_READY, err))
                    return false;
                continue;
            }
            json_object_foreach (value, phase, inner) {
                if (!check_value_replays(reference, hash, pcr, phase, err))
                    return false;
            }
        }
    }
    return true;
}

static bool check(struct clo_reference *reference, struct clo_error *err)
{
    static const char *const members[] = { "cloister_reference",
                                           "name",
                                           "origin",
                                           "created",
                                           "version",
                                           "uki",
                                           "shim",
                                           "loader",
                                           "events",
                                           "pcrs",
                                           "tdx",
                                           "not_predicted",
                                           "host_inputs",
                                           NULL };
    uint64_t version;
    const char *created;

    if (!clo_json_get_u64(reference->json, "cloister_reference", &version, err))
        return false;
    if (version != 1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED, "version %llu", (unsigned long long)version);
    if (!clo_json_get_string(reference->json, "name", &reference->name, err) ||
        !clo_json_get_string(reference->json, "origin", &reference->origin, err) ||
        !clo_json_get_string_optional(reference->json, "created", &created, err) ||
        !clo_json_get_version(reference->json, "version", &reference->version, err) ||
        !clo_json_get_object(reference->json, "events", &reference->events, err) ||
        !clo_json_get_object(reference->json, "pcrs", &reference->pcrs, err) ||
        !clo_json_only(reference->json, members, err))
        return false;
    if (strcmp(reference->origin, "prediction") != 0 &&
        strcmp(reference->origin, "calibration") != 0)
        return clo_fail(err, CLO_ERR_FORMAT, "origin \"%.32s\"", reference->origin);
    reference->tdx = json_object_get(reference->json, "tdx");
    const json_t *reasons = json_object_get(reference->json, "not_predicted");
    if (!check_reasons(reasons, err) ||
        !check_host_inputs(json_object_get(reference->json, "host_inputs"), err))
        return false;
    return check_events(reference->events, err) && check_pcrs(reference->pcrs, err) &&
           check_replay(reference, err) && reference_check_tdx(reference, err);
}

bool clo_reference_parse(struct clo_bytes json, struct clo_reference **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *reference = calloc(1, sizeof *reference);

    if (reference == NULL)
        return clo_out_of_memory(err);
    if (!clo_json_parse(json, &reference->json, err) || !check(reference, err))
        return clo_wrap(err, "reference values");
    *out = CLO_TAKE(reference);
    return true;
}

void clo_reference_free(struct clo_reference *reference)
{
    if (reference == NULL)
        return;
    json_decref(reference->json);
    free(reference);
}

void clo_reference_freep(struct clo_reference **reference)
{
    clo_reference_free(*reference);
    *reference = NULL;
}

const char *clo_reference_name(const struct clo_reference *reference)
{
    return reference->name;
}

const char *clo_reference_origin(const struct clo_reference *reference)
{
    return reference->origin;
}

uint64_t clo_reference_version(const struct clo_reference *reference)
{
    return reference->version;
}

bool clo_reference_set_version(struct clo_reference *reference, uint64_t version,
                               struct clo_error *err)
{
    if (version == 0 || version > CLO_VERSION_MAX)
        return clo_fail(err, CLO_ERR_USAGE, "version: 1 to %llu are expected", CLO_VERSION_MAX);
    if (json_object_set_new(reference->json, "version", json_integer((json_int_t)version)) != 0)
        return clo_out_of_memory(err);
    reference->version = version;
    return true;
}

const json_t *clo_reference_json(const struct clo_reference *reference)
{
    return reference->json;
}

bool clo_reference_write(const struct clo_reference *reference, struct clo_buffer *out,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_freep)
    char *text = json_dumps(clo_reference_json(reference), JSON_INDENT(1) | JSON_SORT_KEYS);

    if (text == NULL)
        return clo_out_of_memory(err);
    clo_buffer_text(out, text);
    clo_buffer_text(out, "\n");
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* Is `phase` reached once the boot is at `at`? It is a prefix of it, word by word. */
static bool is_reached(const char *phase, const char *at)
{
    size_t size = strlen(phase);

    return strncmp(phase, at, size) == 0 && (at[size] == '\0' || at[size] == ':');
}

static void read_event(const json_t *json, struct clo_reference_event *out)
{
    const char *name;
    json_t *value;

    *out = (struct clo_reference_event){
        .type = json_string_value(json_object_get(json, "type")),
        .name = json_string_value(json_object_get(json, "name")),
        .text = json_string_value(json_object_get(json, "text")),
        .fields = json_object_get(json, "fields"),
        .from = json_string_value(json_object_get(json, "from")),
        .given = json_string_value(json_object_get(json, "given")),
    };
    json_object_foreach (json_object_get(json, "digests"), name, value) {
        if (out->digest_count < CLO_COUNT(out->digests) &&
            reference_read_digest(value, clo_hash_from_name(name),
                                  &out->digests[out->digest_count]))
            out->digest_count++;
    }
}

bool clo_reference_event_at(const struct clo_reference *reference, unsigned pcr, const char *phase,
                            size_t index, struct clo_reference_event *out)
{
    char key[REFERENCE_KEY];
    json_t *event;
    size_t i;

    reference_key(pcr, key);
    json_array_foreach (json_object_get(reference->events, key), i, event) {
        const char *from = json_string_value(json_object_get(event, "from"));
        if (from != NULL && !is_reached(from, phase))
            continue;
        if (index-- == 0) {
            read_event(event, out);
            return true;
        }
    }
    return false;
}

bool clo_reference_lists_events(const struct clo_reference *reference, unsigned pcr)
{
    char key[REFERENCE_KEY];

    reference_key(pcr, key);
    return json_is_array(json_object_get(reference->events, key));
}

const struct clo_reference *clo_reference_for(const struct clo_reference *const *references,
                                              size_t count, enum clo_hash hash, unsigned pcr,
                                              const char *phase, struct clo_digest *out)
{
    for (size_t i = 0; i < count; i++)
        if (clo_reference_value(references[i], hash, pcr, phase, out))
            return references[i];
    return NULL;
}

uint32_t clo_reference_mask(const struct clo_reference *reference, enum clo_hash hash,
                            const char *phase)
{
    struct clo_digest ignored;
    uint32_t mask = 0;

    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++)
        if (clo_reference_value(reference, hash, pcr, phase, &ignored))
            mask |= 1U << pcr;
    return mask;
}

uint32_t clo_reference_phased(const struct clo_reference *reference, enum clo_hash hash)
{
    const json_t *bank = json_object_get(reference->pcrs, clo_hash_name(hash));
    uint32_t mask = 0;

    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++) {
        char key[REFERENCE_KEY];
        reference_key(pcr, key);
        if (json_is_object(json_object_get(bank, key)))
            mask |= 1U << pcr;
    }
    return mask;
}

const char *clo_reference_phase_at(const struct clo_reference *reference, size_t index)
{
    const char *name;
    const char *key;
    const char *phase;
    json_t *bank;
    json_t *value;
    json_t *inner;

    json_object_foreach (reference->pcrs, name, bank)
        json_object_foreach (bank, key, value)
            json_object_foreach (value, phase, inner)
                if (index-- == 0)
                    return phase;
    return NULL;
}

/* --- Calibration --- */

/* The digests of every bank that the log has and we know. */
/* Is this bank of the log taken? `only` CLO_HASH_NONE: all that are known are. */
static bool is_taken(enum clo_hash hash, enum clo_hash only)
{
    return hash != CLO_HASH_NONE && (only == CLO_HASH_NONE || hash == only);
}

static json_t *event_digests(const struct clo_eventlog *log, const struct clo_event *event,
                             enum clo_hash only)
{
    json_t *digests = json_object();
    struct clo_digest digest;

    for (size_t i = 0; i < clo_eventlog_algorithm_count(log); i++) {
        enum clo_hash hash = clo_eventlog_algorithm(log, i);
        if (is_taken(hash, only) && clo_event_digest(event, hash, &digest))
            json_object_set_new(digests, clo_hash_name(hash),
                                clo_json_hex(clo_digest_bytes(&digest)));
    }
    return digests;
}

/* Its content, where a digest proves it: "dbx: 3 entries, 172 bytes". */
static bool is_proven(const struct clo_eventlog *log, const struct clo_event *event,
                      enum clo_hash only)
{
    struct clo_digest ignored;

    for (size_t i = 0; i < clo_eventlog_algorithm_count(log); i++) {
        enum clo_hash hash = clo_eventlog_algorithm(log, i);
        if (is_taken(hash, only) && clo_event_digest(event, hash, &ignored))
            return clo_event_data_is_measured(event, hash);
    }
    return false;
}

/* Variables and partition tables have a name next to their content, as in predictions. */
static bool name_of(const struct clo_event *event, const char *text, char *out, size_t size)
{
    const char *colon = strchr(text, ':');

    switch (event->type) {
    case CLO_EV_EFI_VARIABLE_DRIVER_CONFIG:
    case CLO_EV_EFI_VARIABLE_BOOT:
    case CLO_EV_EFI_VARIABLE_BOOT2:
    case CLO_EV_EFI_VARIABLE_AUTHORITY:
        return colon != NULL && colon != text &&
               (size_t)snprintf(out, size, "%.*s", (int)(colon - text), text) < size;
    case CLO_EV_EFI_GPT_EVENT:
        return (size_t)snprintf(out, size, "partition table") < size;
    default:
        return false;
    }
}

static bool add_logged(json_t *events, const struct clo_eventlog *log,
                       const struct clo_event *event, enum clo_hash only, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const char *type = clo_event_type_name(event->type);
    char key[16];
    char name[80];

    snprintf(key, sizeof key, "%u", event->pcr);
    clo_event_describe(event, &text);
    const char *string = clo_buffer_string(&text);
    if (string == NULL || *string == '\0')
        string = "event";
    bool has_name = name_of(event, string, name, sizeof name) && is_proven(log, event, only);
    json_t *json = json_pack("{s:s, s:s, s:s*, s:o*, s:o}", "type", type == NULL ? "unknown" : type,
                             "name", has_name ? name : string, "text", has_name ? string : NULL,
                             "fields", has_name ? event_facts(event) : NULL, "digests",
                             event_digests(log, event, only));
    return json_array_append_new(json_object_get(events, key), json) == 0 || clo_out_of_memory(err);
}

static bool add_values(const struct clo_eventlog *log, uint32_t mask, enum clo_hash only,
                       json_t *pcrs, struct clo_error *err)
{
    struct clo_pcr_bank bank;

    for (size_t i = 0; i < clo_eventlog_algorithm_count(log); i++) {
        enum clo_hash hash = clo_eventlog_algorithm(log, i);
        if (!is_taken(hash, only))
            continue;
        if (!clo_eventlog_replay(log, hash, &bank, err))
            return false;
        json_t *values = json_object();
        for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++) {
            char key[16];
            snprintf(key, sizeof key, "%u", pcr);
            if ((mask >> pcr & 1) != 0)
                json_object_set_new(values, key, clo_json_hex(clo_digest_bytes(&bank.values[pcr])));
        }
        if (json_object_set_new(pcrs, clo_hash_name(hash), values) != 0)
            return clo_out_of_memory(err);
    }
    return true;
}

bool clo_reference_from_eventlog(const char *name, const char *created,
                                 const struct clo_eventlog *log, uint32_t mask, enum clo_hash only,
                                 struct clo_reference **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    json_t *events = json_object();
    json_t *pcrs = json_object();

    json = json_pack("{s:i, s:s, s:s, s:o, s:o}", "cloister_reference", 1, "name", name, "origin",
                     "calibration", "events", events, "pcrs", pcrs);
    if (json == NULL)
        return clo_out_of_memory(err);
    if (created != NULL)
        json_object_set_new(json, "created", json_string(created));
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++) {
        char key[16];
        snprintf(key, sizeof key, "%u", pcr);
        if ((mask >> pcr & 1) != 0)
            json_object_set_new(events, key, json_array());
    }
    for (size_t i = 0; i < clo_eventlog_count(log); i++) {
        const struct clo_event *event = clo_eventlog_at(log, i);
        if (event->type != CLO_EV_NO_ACTION && event->pcr < CLO_PCR_COUNT &&
            (mask >> event->pcr & 1) != 0 && !add_logged(events, log, event, only, err))
            return clo_wrap(err, "event %zu", i);
    }
    return add_values(log, mask, only, pcrs, err) && clo_json_write(json, &text, err) &&
           clo_reference_parse(clo_buffer_bytes(&text), out, err);
}
