#include "lib/policy/ccel_rules.h"

#include "fuzz.h"

#define RTMR_COUNT 4

/* A rule for each event, by its digest. NULL: more events than a register may have rules. */
static json_t *rules_of(const struct clo_eventlog *log, unsigned n, size_t *count)
{
    json_t *list = json_array();

    *count = 0;
    for (size_t i = 0; i < clo_eventlog_count(log); i++) {
        const struct clo_event *event = clo_eventlog_at(log, i);
        const char *type = clo_event_type_name(event->type);
        struct clo_digest digest;
        char number[16];
        if (event->pcr != n + 1 || event->type == CLO_EV_NO_ACTION)
            continue;
        if (++*count > CLO_CCEL_RULES_MAX || !clo_event_digest(event, CLO_HASH_SHA384, &digest)) {
            json_decref(list);
            return NULL;
        }
        snprintf(number, sizeof number, "0x%08x", event->type);
        json_array_append_new(list, json_pack("{s:s, s:[o]}", "type", type == NULL ? number : type,
                                              "digests", clo_json_hex(clo_digest_bytes(&digest))));
    }
    return list;
}

/* A log is allowed by a rule for each of its events, and refused when the last of them is taken away
 * or one more is asked for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = { "rtmr0", "rtmr1", "rtmr2", "rtmr3" };
    CLO_CLEANUP(clo_eventlog_freep) struct clo_eventlog *log = NULL;
    struct clo_error err;

    if (!clo_eventlog_parse(clo_bytes(data, size), &log, &err) || !clo_eventlog_is_ccel(log))
        return 0;
    for (unsigned n = 0; n < RTMR_COUNT; n++) {
        CLO_CLEANUP(clo_json_freep) json_t *json = json_object();
        CLO_CLEANUP(clo_ccel_rules_freep) struct clo_ccel_rules *rules = NULL;
        CLO_CLEANUP(clo_ccel_rules_freep) struct clo_ccel_rules *fewer = NULL;
        CLO_CLEANUP(clo_ccel_rules_freep) struct clo_ccel_rules *more = NULL;
        size_t count;
        json_t *list = rules_of(log, n, &count);
        if (list == NULL)
            return 0;
        json_object_set_new(json, keys[n], list);
        MUST(clo_ccel_rules_parse(json, &rules, &err));
        MUST(clo_ccel_rules_allow(rules, log, n, &err));
        if (count == 0 || count == CLO_CCEL_RULES_MAX)
            continue;
        json_array_append(list, json_array_get(list, count - 1));
        MUST(clo_ccel_rules_parse(json, &more, &err));
        MUST(!clo_ccel_rules_allow(more, log, n, &err) && err.status == CLO_ERR_REFUSED);
        json_array_remove(list, count);
        json_array_remove(list, count - 1);
        MUST(clo_ccel_rules_parse(json, &fewer, &err));
        MUST(!clo_ccel_rules_allow(fewer, log, n, &err) && err.status == CLO_ERR_REFUSED);
    }
    return 0;
}
