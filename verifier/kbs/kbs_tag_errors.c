/* POST /cloister/v0/tag-errors/R/T/N {"count", "first"}: sectors of a disk whose tag does not hold, as its guest found them. */
#include "broker_internal.h"

#include <stdio.h>
#include <string.h>

#include "cloister/resource.h"

static bool read_body(struct clo_bytes body, uint64_t *count, uint64_t *first,
                      struct clo_error *err)
{
    static const char *const members[] = { "count", "first", NULL };
    CLO_CLEANUP(clo_json_freep) json_t *json = NULL;

    return clo_json_parse_bounded(body, CLO_JSON_VALUES_MAX, &json, err) &&
           clo_json_only(json, members, err) && clo_json_get_u64(json, "count", count, err) &&
           clo_json_get_u64(json, "first", first, err) &&
           (*count > 0 || clo_fail(err, CLO_ERR_FORMAT, "tag errors: none of them"));
}

/* Only who was given the disk's key knows what its tags are. */
static bool decide(struct clo_broker *broker, const struct clo_broker_request *request,
                   const struct clo_session *session, const char *path, const char *told,
                   struct clo_error *err)
{
    struct clo_error why = { 0 };

    if (!clo_store_begin(broker->spec.store, err))
        return false;
    bool ok = clo_session_released(broker->sessions, session, path) ||
              clo_fail(&why, CLO_ERR_REFUSED, "resource \"%s\": was not released in this session",
                       path);
    const struct clo_audit row = { .action = "tag-errors",
                                   .verdict = ok ? "reported" : "refused",
                                   .tee = "",
                                   .resource = path,
                                   .detail = ok ? told : why.text };
    if (!broker_settle(broker, request, session, ok, &row, &why, err))
        return false;
    broker->counters[ok ? TAG_ERRORS_REPORTED : TAG_ERRORS_REFUSED]++;
    return ok || clo_fail(err, why.status, "%s", why.text);
}

bool broker_tag_errors(struct clo_broker *broker, const struct clo_broker_request *request,
                       struct clo_broker_answer *answer, struct clo_error *err)
{
    const char *path = request->path + strlen(BROKER_TAG_ERRORS_PREFIX);
    struct clo_session session;
    uint64_t count, first;
    char told[96];

    if (!broker_get_session(broker, request, &session, err))
        return false;
    struct clo_session_result *shown = broker_get_shown(broker, request, &session, err);
    if (shown == NULL)
        return false;
    if (!clo_resource_check(path, err) || !read_body(request->body, &count, &first, err))
        return broker_junk(broker, request, CLO_JUNK_MALFORMED);
    if (!broker_may_tell(broker, request, shown, err))
        return false;
    snprintf(told, sizeof told, "%llu sectors, the first is %llu", (unsigned long long)count,
             (unsigned long long)first);
    if (!decide(broker, request, &session, path, told, err)) {
        shown->refusals++;
        return false;
    }
    return broker_json(answer, "application/json", json_pack("{s:s}", "tag_errors", "reported"),
                       err);
}
