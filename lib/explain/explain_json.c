/* An explanation as machines read it (docs/eventlog.md). */
#include "cloister/explain.h"

static const char *difference_name(enum clo_difference difference)
{
    static const char *const names[] = {
        [CLO_DIFFERENCE_NONE] = "none",
        [CLO_DIFFERENCE_CHANGED] = "changed",
        [CLO_DIFFERENCE_UNEXPECTED] = "unexpected",
        [CLO_DIFFERENCE_MISSING] = "missing",
        [CLO_DIFFERENCE_UNLOGGED] = "unlogged",
        [CLO_DIFFERENCE_UNKNOWN] = "unknown",
    };

    return (size_t)difference < CLO_COUNT(names) ? names[difference] : "unknown";
}

/* The log's side: its words, and whether its digest proves them. */
static json_t *logged_json(const struct clo_event *event, enum clo_hash hash)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const char *type = clo_event_type_name(event->type);
    struct clo_digest digest = { .hash = hash };

    clo_event_describe(event, &text);
    const char *string = clo_buffer_string(&text);
    (void)clo_event_digest(event, hash, &digest);
    return json_pack("{s:s, s:s, s:b, s:o, s:I}", "type", type == NULL ? "unknown" : type, "text",
                     string == NULL ? "" : string, "text_is_measured",
                     clo_event_data_is_measured(event, hash), "digest",
                     clo_json_hex(clo_digest_bytes(&digest)), "offset", (json_int_t)event->offset);
}

static json_t *expected_json(const struct clo_reference_event *event, enum clo_hash hash)
{
    json_t *json = json_pack("{s:s, s:s, s:s*, s:s*}", "type", event->type, "name", event->name,
                             "text", event->text, "given", event->given);

    for (size_t i = 0; i < event->digest_count; i++)
        if (event->digests[i].hash == hash)
            json_object_set_new(json, "digest", clo_json_hex(clo_digest_bytes(&event->digests[i])));
    return json;
}

json_t *clo_explanation_json(const struct clo_explain_inputs *inputs,
                             const struct clo_explanation *explanation)
{
    bool is_rtmr = clo_register_is_rtmr(inputs->pcr);
    bool differs = explanation->difference != CLO_DIFFERENCE_NONE;
    unsigned number = is_rtmr ? inputs->pcr - CLO_REGISTER_RTMR(0) : inputs->pcr;
    json_t *json = json_pack("{s:i, s:s, s:s}", is_rtmr ? "rtmr" : "pcr", (int)number, "difference",
                             difference_name(explanation->difference), "text", explanation->text);

    if (differs && explanation->logged != NULL)
        json_object_set_new(json, "logged", logged_json(explanation->logged, inputs->hash));
    if (differs && explanation->has_expected)
        json_object_set_new(json, "expected", expected_json(&explanation->expected, inputs->hash));
    if (differs)
        json_object_set_new(json, "event", json_integer((json_int_t)explanation->event));
    return json;
}
