/* POST /cloister/v0/generation/R/T/N/NUMBER: how often a disk was used. */
#include "broker_internal.h"

#include <stdio.h>

#include "verifier/store/generation.h"

/* Only who was given the disk's key says how often the disk was used. */
static bool raise_generation(struct clo_broker *broker, const struct clo_session *session,
                             const char *path, uint64_t generation, struct clo_error *err)
{
    if (!clo_session_released(broker->sessions, session, path))
        return clo_fail(err, CLO_ERR_REFUSED, "resource \"%s\": was not released in this session",
                        path);
    return clo_store_raise_generation(broker->spec.store, path, generation, err);
}

static bool decide_generation(struct clo_broker *broker, const struct clo_broker_request *request,
                              const struct clo_session *session, const char *path, uint64_t value,
                              struct clo_error *err)
{
    struct clo_error why = { 0 };
    char told[32];

    if (!clo_store_begin(broker->spec.store, err))
        return false;
    bool ok = raise_generation(broker, session, path, value, &why);
    snprintf(told, sizeof told, "%llu", (unsigned long long)value);
    const struct clo_audit row = { .action = "generation",
                                   .verdict = ok ? "raised" : "refused",
                                   .tee = "",
                                   .resource = path,
                                   .detail = ok ? told : why.text };
    if (!broker_settle(broker, request, session, ok, &row, &why, err))
        return false;
    broker->counters[ok ? GENERATION_RAISED : GENERATION_REFUSED]++;
    return ok || clo_fail(err, why.status, "%s", why.text);
}

bool broker_generation(struct clo_broker *broker, const struct clo_broker_request *request,
                       struct clo_broker_answer *answer, struct clo_error *err)
{
    char path[CLO_GENERATION_PATH];
    struct clo_session session;
    uint64_t value;

    if (!broker_get_session(broker, request, &session, err))
        return false;
    struct clo_session_result *shown = broker_get_shown(broker, request, &session, err);
    if (shown == NULL)
        return false;
    if (!clo_generation_parse(request->path, path, &value, err))
        return broker_junk(broker, request, CLO_JUNK_MALFORMED);
    if (!broker_may_tell(broker, request, shown, err))
        return false;
    if (!decide_generation(broker, request, &session, path, value, err)) {
        shown->refusals++;
        return false;
    }
    return broker_json(answer, "application/json",
                       json_pack("{s:I}", "generation", (json_int_t)value), err);
}
