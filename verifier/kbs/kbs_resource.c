/* GET /kbs/v0/resource/R/T/N: a secret, as JWE to the key that the evidence binds. */
#include "broker_internal.h"

#include <string.h>

#include "cloister/encoding.h"
#include "verifier/kbs/release.h"
#include "verifier/store/generation.h"

/* What is not there is told to be so; what the terms keep back ends the client's request, too; a key that nothing can be
 * sealed to makes it begin anew. */
static bool seal(struct clo_broker *broker, const struct clo_release_question *question,
                 struct clo_release_decision *decision, json_t **jwe,
                 struct clo_broker_answer *answer, struct clo_error *why)
{
    struct clo_store *store = broker->spec.store;

    if (!clo_release_decide(store, question, decision, why))
        return decision->is_missing ? broker_refuse(answer, 404, BROKER_ERROR_PLUGIN)
                                    : broker_refuse(answer, 403, BROKER_ERROR_POLICY);
    if (!clo_generation_seal(store, question->path, decision->resource.secret,
                             question->shown->tee_pubkey, jwe, why))
        return broker_refuse(answer, 401, BROKER_ERROR_JWE);
    return true;
}

/* Decides, and writes down both what was decided and who has it now, in one piece: of two that ask at once the second
 * one finds what the first one got. */
static bool decide_release(struct clo_broker *broker, const struct clo_broker_request *request,
                           const struct clo_session *session,
                           const struct clo_release_question *question, json_t **jwe,
                           struct clo_broker_answer *answer, struct clo_error *err)
{
    CLO_CLEANUP(clo_release_decision_free) struct clo_release_decision decision = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *sealed = NULL;
    struct clo_error why = { 0 };

    if (!clo_store_begin(broker->spec.store, err))
        return false;
    bool released = seal(broker, question, &decision, &sealed, answer, &why);
    const struct clo_audit row = { .action = "release",
                                   .verdict = released ? "released" : "refused",
                                   .tee = question->shown->tee,
                                   .resource = question->path,
                                   .detail = released ? decision.note : why.text,
                                   .vm = &question->shown->vm };
    if (!broker_settle(broker, request, session, released, &row, &why, err))
        return false;
    broker->counters[released ? RESOURCE_RELEASED : RESOURCE_REFUSED]++;
    if (!released)
        return clo_fail(err, why.status, "%s", why.text);
    clo_session_keep_release(broker->sessions, session, question->path);
    broker->counters[RESOURCE_FLAGGED] += decision.is_flagged;
    *jwe = CLO_TAKE(sealed);
    return true;
}

bool broker_resource(struct clo_broker *broker, const struct clo_broker_request *request,
                     struct clo_broker_answer *answer, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *jwe = NULL;
    char name[2 * CLO_SESSION_NAME_SIZE + 1];
    struct clo_release_question question = { .path = request->path + strlen(BROKER_RESOURCE_PREFIX),
                                             .time = request->time };
    struct clo_session session;

    if (!broker_identify(broker, request, answer, &session, err))
        return false;
    question.session = clo_hex_text(clo_bytes(session.name, sizeof session.name), name);
    struct clo_session_result *shown = broker_get_shown(broker, request, &session, err);
    question.shown = shown;
    if (shown == NULL) {
        broker->counters[RESOURCE_REFUSED]++;
        return broker_refuse(answer, 401, BROKER_ERROR_NO_TOKEN);
    }
    if (!clo_resource_check(question.path, err)) {
        broker->counters[RESOURCE_REFUSED]++;
        broker_refuse(answer, 401, BROKER_ERROR_PLUGIN);
        return broker_junk(broker, request, CLO_JUNK_MALFORMED);
    }
    if (!decide_release(broker, request, &session, &question, &jwe, answer, err)) {
        shown->refusals++;
        return false;
    }
    return broker_json(answer, "application/json", CLO_TAKE(jwe), err);
}
