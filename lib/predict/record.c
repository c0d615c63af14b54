#include "lib/predict/record.h"

#include <string.h>

#include "lib/reference/reference_internal.h"
#include "lib/tcg/event_facts.h"

#define TEXT_MAX 4096

void record_begin(struct record *record, const enum clo_hash *hashes, size_t count)
{
    *record = (struct record){ .bank_count = count,
                               .events = json_object(),
                               .values = json_object(),
                               .not_predicted = json_object() };
    for (size_t i = 0; i < count; i++) {
        record->hashes[i] = hashes[i];
        clo_pcr_reset(&record->banks[i], hashes[i]);
    }
}

void record_free(struct record *record)
{
    json_decref(record->events);
    json_decref(record->values);
    json_decref(record->not_predicted);
    *record = (struct record){ 0 };
}

static unsigned slot_of(unsigned reg)
{
    return clo_register_is_rtmr(reg) ? reg - CLO_REGISTER_RTMR(0) : reg;
}

static void set(struct record *record, json_t *object, const char *key, json_t *value)
{
    record->failed = json_object_set_new(object, key, value) != 0 || record->failed;
}

static json_t *list_of(struct record *record, unsigned reg)
{
    char key[REFERENCE_KEY];

    reference_key(reg, key);
    json_t *list = json_object_get(record->events, key);
    if (list == NULL) {
        list = json_array();
        set(record, record->events, key, list);
    }
    return list;
}

void record_set_text(json_t *json, const char *key, struct clo_bytes text)
{
    while (text.size > 0 && text.data[text.size - 1] == 0)
        text.size--;
    if (text.size == 0 || text.size > TEXT_MAX || memchr(text.data, 0, text.size) != NULL)
        return;
    json_t *string = json_stringn((const char *)text.data, text.size);
    if (string != NULL)
        json_object_set_new(json, key, string);
}

/* --- Events --- */

static void set_content(struct record *record, const struct record_event *event, json_t *json)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer words = { 0 };
    struct clo_event logged = { .data = event->data };

    if (event->data.size == 0 || !clo_event_type_from_name(event->type, &logged.type)) {
        record_set_text(json, "text", event->text);
        if (event->fields != NULL)
            set(record, json, "fields", json_deep_copy(event->fields));
        return;
    }
    clo_event_describe(&logged, &words);
    if (clo_buffer_ok(&words))
        record_set_text(json, "text", clo_buffer_bytes(&words));
    json_t *facts = event_facts(&logged);
    if (facts != NULL)
        set(record, json, "fields", facts);
}

void record_extend(struct record *record, const struct record_event *event,
                   const struct clo_digest *digests)
{
    json_t *values = json_object();
    json_t *json = json_pack("{s:s, s:s, s:o}", "type", event->type, "name", event->name, "digests",
                             values);

    for (size_t i = 0; i < record->bank_count; i++) {
        clo_pcr_extend(&record->banks[i], slot_of(event->reg), &digests[i]);
        set(record, values, clo_hash_name(digests[i].hash),
            clo_json_hex(clo_digest_bytes(&digests[i])));
    }
    set_content(record, event, json);
    if (event->phase != NULL)
        set(record, json, "from", json_string(event->phase));
    if (event->given != NULL)
        set(record, json, "given", json_string(event->given));
    record->failed =
            json_array_append_new(list_of(record, event->reg), json) != 0 || record->failed;
}

void record_measure(struct record *record, const struct record_event *event,
                    const struct clo_bytes *parts, size_t count)
{
    struct clo_digest digests[RECORD_BANKS_MAX];

    for (size_t i = 0; i < record->bank_count; i++)
        clo_hash_many(record->hashes[i], parts, count, &digests[i]);
    record_extend(record, event, digests);
}

void record_bytes(struct record *record, const struct record_event *event, struct clo_bytes bytes)
{
    record_measure(record, event, &bytes, 1);
}

void record_text(struct record *record, unsigned reg, const char *type, const char *name,
                 const char *text)
{
    struct clo_bytes bytes = clo_bytes_text(text);
    struct record_event event = { .reg = reg, .type = type, .name = name, .text = bytes };

    record_bytes(record, &event, bytes);
}

void record_separator(struct record *record, unsigned reg)
{
    static const uint8_t zeros[4];
    struct clo_bytes bytes = clo_bytes(zeros, sizeof zeros);
    struct record_event event = { .reg = reg, .type = "EV_SEPARATOR", .name = "separator" };

    record_bytes(record, &event, bytes);
}

/* --- Values --- */

static json_t *object_in(struct record *record, json_t *object, const char *key)
{
    json_t *inner = json_object_get(object, key);

    if (inner == NULL) {
        inner = json_object();
        set(record, object, key, inner);
    }
    return inner;
}

static bool is_missing(const struct record *record, unsigned reg)
{
    char key[REFERENCE_KEY];

    reference_key(reg, key);
    return json_object_get(record->not_predicted, key) != NULL;
}

void record_set_value(struct record *record, unsigned reg, const char *phase)
{
    char key[REFERENCE_KEY];

    reference_key(reg, key);
    if (is_missing(record, reg)) {
        json_object_del(record->events, key);
        return;
    }
    (void)list_of(record, reg);
    for (size_t i = 0; i < record->bank_count; i++) {
        json_t *value = clo_json_hex(clo_digest_bytes(&record->banks[i].values[slot_of(reg)]));
        json_t *values = clo_register_is_rtmr(reg) ? record->values
                                                   : object_in(record, record->values,
                                                               clo_hash_name(record->hashes[i]));
        if (phase == NULL)
            set(record, values, key, value);
        else
            set(record, object_in(record, values, key), phase, value);
    }
}

void record_not_named(struct record *record, const char *name, const char *why)
{
    set(record, record->not_predicted, name, json_string(why));
}

void record_not(struct record *record, unsigned reg, const char *why)
{
    char key[REFERENCE_KEY];

    reference_key(reg, key);
    record_not_named(record, key, why);
}
