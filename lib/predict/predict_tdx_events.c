/* Where a TDX guest's events come from that are not made here: the prediction of PCRs, and a given log. */
#include "lib/predict/predict_tdx.h"

#include <stdio.h>
#include <string.h>

void tdx_take_pcr(struct tdx_prediction *p, unsigned rtmr, unsigned pcr, const char *but,
                  const char *only)
{
    struct clo_reference_event from;

    for (size_t i = 0; clo_reference_event_at(p->pcrs, pcr, "", i, &from); i++) {
        bool is_wanted = strcmp(from.type, "EV_SEPARATOR") != 0 &&
                         (but == NULL || strcmp(from.type, but) != 0) &&
                         (only == NULL || strcmp(from.type, only) == 0);
        const struct record_event event = { .reg = CLO_REGISTER_RTMR(rtmr),
                                            .type = from.type,
                                            .name = from.name,
                                            .text = from.text == NULL ? clo_bytes(NULL, 0)
                                                                      : clo_bytes_text(from.text),
                                            .fields = from.fields };
        if (is_wanted)
            record_extend(&p->record, &event, &from.digests[0]);
    }
}

void tdx_take_logged(struct tdx_prediction *p, unsigned rtmr, const struct clo_event *logged)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    const char *type = clo_event_type_name(logged->type);
    struct clo_digest digest = { 0 };
    char number[16];

    snprintf(number, sizeof number, "0x%08x", logged->type);
    clo_event_describe(logged, &text);
    const char *name = clo_buffer_string(&text);
    const struct record_event event = { .reg = CLO_REGISTER_RTMR(rtmr),
                                        .type = type == NULL ? number : type,
                                        .name = name == NULL || *name == '\0' ? "event" : name,
                                        .given = p->is_calibration ? NULL : "log" };
    (void)clo_event_digest(logged, CLO_HASH_SHA384,
                           &digest); /* tdx_logged() gave one that has it */
    record_extend(&p->record, &event, &digest);
}

const struct clo_event *tdx_logged(const struct tdx_prediction *p, unsigned rtmr, size_t *at)
{
    const struct clo_eventlog *log = p->inputs->given;
    struct clo_digest ignored;

    while (log != NULL && *at < clo_eventlog_count(log)) {
        const struct clo_event *event = clo_eventlog_at(log, (*at)++);
        if (event->pcr == rtmr + 1 && event->type != CLO_EV_NO_ACTION &&
            clo_event_digest(event, CLO_HASH_SHA384, &ignored))
            return event;
    }
    return NULL;
}
