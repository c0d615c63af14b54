#include "lib/predict/predict.h"

#include <stdio.h>
#include <string.h>

#define TEXT_MAX 4096

json_t *predict_events_of(struct prediction *p, unsigned pcr)
{
    char key[8];

    snprintf(key, sizeof key, "%u", pcr);
    json_t *list = json_object_get(p->events, key);
    if (list == NULL) {
        list = json_array();
        p->failed = json_object_set_new(p->events, key, list) != 0 || p->failed;
    }
    return list;
}

void predict_set_text(json_t *json, const char *key, struct clo_bytes text)
{
    while (text.size > 0 && text.data[text.size - 1] == 0)
        text.size--;
    if (text.size == 0 || text.size > TEXT_MAX || memchr(text.data, 0, text.size) != NULL)
        return;
    json_t *string = json_stringn((const char *)text.data, text.size);
    if (string != NULL)
        json_object_set_new(json, key, string);
}

void predict_not(struct prediction *p, unsigned pcr, const char *why)
{
    char key[8];

    snprintf(key, sizeof key, "%u", pcr);
    p->failed = json_object_set_new(p->not_predicted, key, json_string(why)) != 0 || p->failed;
}

void predict_describe(uint32_t type, struct clo_bytes data, struct clo_buffer *out)
{
    const struct clo_event event = { .type = type, .data = data };

    clo_event_describe(&event, out);
    if (!clo_buffer_ok(out))
        clo_buffer_free(out);
}

void predict_extend(struct prediction *p, const struct predict_event *event,
                    const struct clo_digest *digests)
{
    json_t *values = json_object();
    json_t *json = json_pack("{s:s, s:s, s:o}", "type", event->type, "name", event->name, "digests",
                             values);

    for (size_t i = 0; i < p->bank_count; i++) {
        clo_pcr_extend(&p->banks[i], event->pcr, &digests[i]);
        p->failed = json_object_set_new(values, clo_hash_name(digests[i].hash),
                                        clo_json_hex(clo_digest_bytes(&digests[i]))) != 0 ||
                    p->failed;
    }
    predict_set_text(json, "text", event->text);
    if (event->phase != NULL)
        json_object_set_new(json, "from", json_string(event->phase));
    p->failed = json_array_append_new(predict_events_of(p, event->pcr), json) != 0 || p->failed;
}

void predict_measure(struct prediction *p, const struct predict_event *event,
                     const struct clo_bytes *parts, size_t count)
{
    struct clo_digest digests[PREDICT_HASHES_MAX];

    for (size_t i = 0; i < p->bank_count; i++)
        clo_hash_many(p->hashes[i], parts, count, &digests[i]);
    predict_extend(p, event, digests);
}

void predict_text(struct prediction *p, unsigned pcr, const char *type, const char *name,
                  const char *text)
{
    struct clo_bytes bytes = clo_bytes_text(text);
    struct predict_event event = { .pcr = pcr, .type = type, .name = name, .text = bytes };

    predict_measure(p, &event, &bytes, 1);
}

void predict_separator(struct prediction *p, unsigned pcr)
{
    static const uint8_t zeros[4];
    struct clo_bytes bytes = clo_bytes(zeros, sizeof zeros);
    struct predict_event event = { .pcr = pcr, .type = "EV_SEPARATOR", .name = "separator" };

    predict_measure(p, &event, &bytes, 1);
}

static void set_value(struct prediction *p, size_t bank, unsigned pcr, const char *phase)
{
    const char *hash = clo_hash_name(p->hashes[bank]);
    json_t *values = json_object_get(p->pcrs, hash);
    char key[8];

    snprintf(key, sizeof key, "%u", pcr);
    json_t *value = clo_json_hex(clo_digest_bytes(&p->banks[bank].values[pcr]));
    if (phase == NULL) {
        p->failed = json_object_set_new(values, key, value) != 0 || p->failed;
        return;
    }
    json_t *phases = json_object_get(values, key);
    if (phases == NULL) {
        phases = json_object();
        p->failed = json_object_set_new(values, key, phases) != 0 || p->failed;
    }
    p->failed = json_object_set_new(phases, phase, value) != 0 || p->failed;
}

void predict_set_values(struct prediction *p, unsigned pcr, const char *phase)
{
    for (size_t i = 0; i < p->bank_count; i++)
        set_value(p, i, pcr, phase);
}
