#include "cloister/pcrlock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"
#include "cloister/userlog.h"

#define RECORDS_MAX 1024

static bool has_array(struct clo_bytes in, const char *member)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    struct clo_error ignored;

    return clo_json_parse(in, &json, &ignored) && json_is_array(json_object_get(json, member));
}

bool clo_pcrlock_is_component(struct clo_bytes json)
{
    return has_array(json, "records");
}

bool clo_pcrlock_is_policy(struct clo_bytes json)
{
    return has_array(json, "pcrValues");
}

/* What is read so far: a reference file without values, and the phase that was reached. */
struct reading {
    json_t *events;
    char phase[sizeof CLO_PHASE_READY];
    size_t records;
};

/* A record is what systemd's own log of user space has; that is read as a sequence of them. */
static bool read_records(struct clo_bytes in, struct clo_userlog **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer sequence = { 0 };
    json_t *records;
    json_t *record;
    size_t i;

    if (!clo_json_parse(in, &json, err) || !clo_json_get_array(json, "records", &records, err))
        return false;
    json_array_foreach (records, i, record) {
        clo_buffer_u8(&sequence, 0x1e);
        if (!clo_json_write(record, &sequence, err))
            return false;
        clo_buffer_text(&sequence, "\n");
    }
    if (!clo_buffer_ok(&sequence))
        return clo_out_of_memory(err);
    return clo_userlog_parse(clo_buffer_bytes(&sequence), out, err);
}

/* The phase that this event begins, if it is one: "leave-initrd" after "enter-initrd". */
static const char *phase_of(const struct clo_userlog_event *event, const char *before)
{
    static const char *const phases[] = { CLO_PHASE_ENTER_INITRD, CLO_PHASE_LEAVE_INITRD,
                                          CLO_PHASE_SYSINIT, CLO_PHASE_READY };

    for (size_t i = 0; event->pcr == 11 && i < CLO_COUNT(phases); i++) {
        size_t at = i == 0 ? 0 : strlen(phases[i - 1]) + 1;
        struct clo_digest digest = { 0 };
        bool is_next = strcmp(before, i == 0 ? "" : phases[i - 1]) == 0;
        for (size_t k = 0; is_next && k < event->digest_count; k++) {
            clo_hash(event->digests[k].hash, clo_bytes_text(phases[i] + at), &digest);
            is_next = clo_digest_equal(&digest, &event->digests[k]);
        }
        if (is_next && event->digest_count > 0)
            return phases[i];
    }
    return NULL;
}

static json_t *event_json(const struct clo_userlog_event *event, const char *component,
                          const char *from)
{
    CLO_CLEANUP(clo_json_freep) json_t *digests = json_object();

    for (size_t i = 0; i < event->digest_count; i++)
        if (json_object_set_new(digests, clo_hash_name(event->digests[i].hash),
                                clo_json_hex(clo_digest_bytes(&event->digests[i]))) != 0)
            return NULL;
    json_t *json = json_pack("{s:s, s:o, s:O}", "type", "pcrlock", "name", clo_json_text(component),
                             "digests", digests);
    if (json != NULL && *from != '\0')
        json_object_set_new(json, "from", json_string(from));
    return json;
}

static bool add_event(struct reading *r, const struct clo_userlog_event *event,
                      const char *component, struct clo_error *err)
{
    char key[16];

    if (event->kind != CLO_USERLOG_PCR)
        return true; /* of an NV index, which no reference is about */
    const char *begins = phase_of(event, r->phase);
    if (begins != NULL)
        snprintf(r->phase, sizeof r->phase, "%s", begins);
    snprintf(key, sizeof key, "%u", event->pcr);
    if (json_object_get(r->events, key) == NULL &&
        json_object_set_new(r->events, key, json_array()) != 0)
        return clo_out_of_memory(err);
    if (++r->records > RECORDS_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "more than %d records", RECORDS_MAX);
    return json_array_append_new(json_object_get(r->events, key),
                                 event_json(event, component, r->phase)) == 0 ||
           clo_out_of_memory(err);
}

static bool read_component(struct reading *r, const struct clo_pcrlock_file *file,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_userlog_freep) struct clo_userlog *records = NULL;

    if (!read_records(file->json, &records, err))
        return false;
    for (size_t i = 0; i < clo_userlog_count(records); i++)
        if (!add_event(r, clo_userlog_at(records, i), file->component, err))
            return clo_wrap(err, "record %zu", i);
    return true;
}

static bool parse_json(const json_t *json, struct clo_reference **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    return clo_json_write(json, &text, err) &&
           clo_reference_parse(clo_buffer_bytes(&text), out, err);
}

/* The value that a register's events lead to in a phase; NULL: one of them has no digest of that hash, or there is none. */
static json_t *value_of(const struct clo_reference *reference, enum clo_hash hash, unsigned pcr,
                        const char *phase)
{
    struct clo_reference_event event;
    struct clo_pcr_bank bank;
    size_t i = 0;

    clo_pcr_reset(&bank, hash);
    for (; clo_reference_event_at(reference, pcr, phase, i, &event); i++) {
        size_t k = 0;
        while (k < event.digest_count && event.digests[k].hash != hash)
            k++;
        if (k == event.digest_count)
            return NULL;
        clo_pcr_extend(&bank, pcr, &event.digests[k]);
    }
    return i == 0 ? NULL : clo_json_hex(clo_digest_bytes(&bank.values[pcr]));
}

/* One value, or one for each of the phases that the components know. */
static json_t *values_of(const struct clo_reference *reference, enum clo_hash hash, unsigned pcr,
                         const char *last)
{
    static const char *const phases[] = { CLO_PHASE_ENTER_INITRD, CLO_PHASE_LEAVE_INITRD,
                                          CLO_PHASE_SYSINIT, CLO_PHASE_READY };
    struct clo_reference_event event;
    bool is_phased = false;

    for (size_t i = 0; clo_reference_event_at(reference, pcr, CLO_PHASE_READY, i, &event); i++)
        is_phased = is_phased || event.from != NULL;
    if (!is_phased)
        return value_of(reference, hash, pcr, CLO_PHASE_READY);
    json_t *object = json_object();
    for (size_t i = 0; i < CLO_COUNT(phases) && strlen(phases[i]) <= strlen(last); i++) {
        json_t *value = value_of(reference, hash, pcr, phases[i]);
        if (value != NULL)
            json_object_set_new(object, phases[i], value);
    }
    if (json_object_size(object) > 0)
        return object;
    json_decref(object);
    return NULL;
}

static bool set_values(json_t *json, const struct clo_reference *events, const char *last,
                       struct clo_error *err)
{
    static const enum clo_hash banks[] = { CLO_HASH_SHA1, CLO_HASH_SHA256, CLO_HASH_SHA384,
                                           CLO_HASH_SHA512 };
    json_t *pcrs = json_object_get(json, "pcrs");

    for (size_t i = 0; i < CLO_COUNT(banks); i++) {
        json_t *bank = json_object();
        for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++) {
            json_t *value = values_of(events, banks[i], pcr, last);
            char key[16];
            snprintf(key, sizeof key, "%u", pcr);
            if (value != NULL)
                json_object_set_new(bank, key, value);
        }
        if (json_object_size(bank) == 0)
            json_decref(bank);
        else if (json_object_set_new(pcrs, clo_hash_name(banks[i]), bank) != 0)
            return clo_out_of_memory(err);
    }
    return json_object_size(pcrs) > 0 || clo_fail(err, CLO_ERR_FORMAT, "no value of a PCR");
}

static json_t *empty_reference(const char *name)
{
    return json_pack("{s:i, s:o, s:s, s:{}, s:{}}", "cloister_reference", 1, "name",
                     clo_json_text(name), "origin", "prediction", "events", "pcrs");
}

bool clo_pcrlock_read(const char *name, const struct clo_pcrlock_file *files, size_t count,
                      struct clo_reference **out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = empty_reference(name);
    CLO_CLEANUP(clo_reference_freep) struct clo_reference *events = NULL;
    struct reading r = { .events = json_object_get(json, "events") };

    if (json == NULL)
        return clo_out_of_memory(err);
    for (size_t i = 0; i < count; i++)
        if (!read_component(&r, &files[i], err))
            return clo_wrap(err, "pcrlock: %s", files[i].component);
    if (!parse_json(json, &events, err) || !set_values(json, events, r.phase, err))
        return clo_wrap(err, "pcrlock");
    return parse_json(json, out, err) || clo_wrap(err, "pcrlock");
}

static bool take_values(const json_t *entry, json_t *bank, struct clo_error *err)
{
    json_t *values;
    uint64_t pcr;
    char key[24];

    if (!clo_json_get_u64(entry, "pcr", &pcr, err) ||
        !clo_json_get_array(entry, "values", &values, err))
        return false;
    if (json_array_size(values) != 1)
        return clo_fail(err, CLO_ERR_UNSUPPORTED,
                        "PCR %llu may have %zu values, and a reference file holds one: convert the "
                        "components of one boot",
                        (unsigned long long)pcr, json_array_size(values));
    snprintf(key, sizeof key, "%llu", (unsigned long long)pcr);
    if (json_object_get(bank, key) != NULL)
        return clo_fail(err, CLO_ERR_FORMAT, "PCR %s twice", key);
    return json_object_set(bank, key, json_array_get(values, 0)) == 0 || clo_out_of_memory(err);
}

bool clo_pcrlock_read_policy(const char *name, struct clo_bytes in, struct clo_reference **out,
                             struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *policy = NULL;
    CLO_CLEANUP(clo_json_freep) json_t *json = empty_reference(name);
    const char *bank;
    json_t *entries;
    json_t *entry;
    size_t i;

    if (json == NULL)
        return clo_out_of_memory(err);
    if (!clo_json_parse(in, &policy, err) || !clo_json_get_string(policy, "pcrBank", &bank, err) ||
        !clo_json_get_array(policy, "pcrValues", &entries, err))
        return clo_wrap(err, "pcrlock policy");
    json_t *values = json_object();
    if (json_object_set_new(json_object_get(json, "pcrs"), bank, values) != 0)
        return clo_out_of_memory(err);
    json_array_foreach (entries, i, entry)
        if (!take_values(entry, values, err))
            return clo_wrap(err, "pcrlock policy");
    return parse_json(json, out, err) || clo_wrap(err, "pcrlock policy");
}
