/* POST /kbs/v0/auth: a nonce, and a session for one TEE. */
#include "broker_internal.h"

#include <string.h>

/* Only another hash than the usual one is told. */
static json_t *challenge(const struct clo_session *session)
{
    const char *hash = clo_hash_name(session->agreed.hash);

    return session->agreed.hash == CLO_HASH_SHA384
                   ? json_pack("{s:s, s:s}", "nonce", session->nonce, "extra-params", "")
                   : json_pack("{s:s, s:{s:s}}", "nonce", session->nonce, "extra-params",
                               "selected-hash-algorithm", hash);
}

bool broker_auth(struct clo_broker *broker, const struct clo_broker_request *request,
                 struct clo_broker_answer *answer, struct clo_error *err)
{
    struct clo_kbs_agreed agreed;
    struct clo_session session;

    if (!broker_check_patience(broker, request, answer, err))
        return false;
    if (!clo_kbs_auth_parse(request->body, &agreed, err)) {
        clo_wrap(err, "auth");
        return broker_junk(broker, request, CLO_JUNK_MALFORMED);
    }
    if (!clo_session_begin(broker->sessions, request->clock, &agreed, &session, err))
        return false;
    broker->counters[AUTH]++;
    memcpy(answer->cookie, session.cookie, sizeof answer->cookie);
    return broker_json(answer, "application/json", challenge(&session), err);
}
