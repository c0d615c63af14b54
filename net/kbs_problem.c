#include "net/kbs_problem.h"

#include <string.h>

#include "cloister/json.h"
#include "net/kbs.h"

/* What a status that is not 200 means for the caller. A session that is not known is one of a broker
 * that has been started again since: nothing was refused, the exchange has to begin anew. */
static enum clo_status meaning(unsigned status, bool is_unknown_session)
{
    if (status >= 500 || status == 408 || status == 429 || is_unknown_session)
        return CLO_ERR_UNAVAILABLE;
    if (status >= 400)
        return CLO_ERR_REFUSED;
    return CLO_ERR_FORMAT;
}

bool kbs_explain(const struct clo_https_response *response, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *problem = NULL;
    struct clo_error ignored;
    const char *detail = NULL;
    const char *type = NULL, *kind = NULL;

    if (strcmp(response->content_type, "application/problem+json") == 0 &&
        clo_json_parse(clo_buffer_bytes(&response->body), &problem, &ignored)) {
        detail = json_string_value(json_object_get(problem, "detail"));
        type = json_string_value(json_object_get(problem, "type"));
        kind = json_string_value(json_object_get(problem, "problem"));
    }
    bool is_unknown_session = (type != NULL && strcmp(type, CLO_KBS_PROBLEM_SESSION) == 0) ||
                              (kind != NULL && strcmp(kind, CLO_KBS_PROBLEM_SESSION) == 0);
    enum clo_status status = meaning(response->status, is_unknown_session);
    if (detail != NULL)
        return clo_fail(err, status, "%s", detail);
    return clo_fail(err, status, "the broker answers with HTTP status %u", response->status);
}
