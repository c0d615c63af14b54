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
    snprintf(told, sizeof told, "%llu sectors, the first is %llu", (unsigned long long)count,
             (unsigned long long)first);
    const struct broker_word word = { .path = path,
                                      .action = "tag-errors",
                                      .verdict = "reported",
                                      .told = told,
                                      .taken = TAG_ERRORS_REPORTED,
                                      .refused = TAG_ERRORS_REFUSED };
    if (!broker_take_word(broker, request, &session, shown, &word, err))
        return false;
    return broker_json(answer, "application/json", json_pack("{s:s}", "tag_errors", "reported"),
                       err);
}
