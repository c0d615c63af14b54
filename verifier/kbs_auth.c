/* POST /kbs/v0/auth: a nonce, and a session. */
#include "broker_internal.h"

#include <string.h>

#define TEE_NAME_MAX  32
#define AUTH_BODY_MAX 4096

static bool read_auth(const struct clo_broker_request *request, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *body = NULL;
    const char *version;
    const char *tee;

    if (request->body.size > AUTH_BODY_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes, at most %d", request->body.size,
                        AUTH_BODY_MAX);
    if (!clo_json_parse_bounded(request->body, BROKER_JSON_VALUES_MAX, &body, err) ||
        !clo_json_get_string(body, "version", &version, err) ||
        !clo_json_get_string(body, "tee", &tee, err))
        return false;
    return strlen(tee) <= TEE_NAME_MAX || clo_fail(err, CLO_ERR_FORMAT, "tee: too long");
}

bool broker_auth(struct clo_broker *broker, const struct clo_broker_request *request,
                 struct clo_broker_answer *answer, struct clo_error *err)
{
    struct clo_session session;

    if (!broker_check_patience(broker, request, answer, err))
        return false;
    if (!read_auth(request, err)) {
        clo_wrap(err, "auth");
        return broker_junk(broker, request, CLO_JUNK_MALFORMED);
    }
    if (!clo_session_begin(broker->sessions, request->clock, &session, err))
        return false;
    broker->counters[AUTH]++;
    memcpy(answer->cookie, session.cookie, sizeof answer->cookie);
    return broker_json(answer, "application/json",
                       json_pack("{s:s, s:s}", "nonce", session.nonce, "extra-params", ""), err);
}
