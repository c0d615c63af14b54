/* POST /kbs/v0/attest: evidence; an attestation result. */
#include "broker_internal.h"

#include <stdio.h>
#include <string.h>

#include "cloister/ear.h"
#include "cloister/encoding.h"

void broker_appraisals_free(struct broker_appraisals *appraisals)
{
    clo_term_answer_free(&appraisals->by);
    clo_session_result_free(&appraisals->result);
}

bool broker_appraise(struct clo_broker *broker, const struct clo_broker_request *request,
                     const struct clo_kbs_evidence *sent, const struct clo_session *session,
                     struct broker_appraisals *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_endorsed_free) struct clo_endorsed endorsed = { .endorser = NULL };

    if (!clo_endorser_take(broker->spec.endorser, clo_term_book_certificates(broker->book),
                           sent->evidence, broker_peer(request), request->time, &endorsed, err))
        return false;
    const struct clo_term_question question = {
        .evidence = sent->evidence,
        .nonce = clo_bytes_text(session->nonce),
        .time = request->time,
        .endorsements = &endorsed.endorsements,
        .runtime_digest = sent->is_own ? clo_bytes(NULL, 0) : clo_buffer_bytes(&sent->bound),
        .init_data =
                sent->init_data.size == 0 ? clo_bytes(NULL, 0) : clo_buffer_bytes(&sent->init_data),
    };
    broker_leave(broker);
    bool ok = clo_terms_hold(broker->book, &question, &out->by, err);
    broker_enter(broker);
    if (!ok)
        return false;
    for (size_t i = 0; i < out->by.fulfilled_count; i++)
        if (!clo_session_result_add_terms(&out->result, out->by.fulfilled[i], err))
            return false;
    return out->by.best != NULL ||
           clo_fail(err, CLO_ERR_REFUSED, "no key is registered at this broker");
}

/* What later requests of this session are held against. */
static bool fill_result(struct broker_appraisals *appraisals, struct clo_error *err)
{
    struct clo_session_result *result = &appraisals->result;
    const struct clo_appraisal *best = appraisals->by.best;
    const char *resource = clo_appraisal_resource(best);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer path = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer jwk = { 0 };
    struct clo_digest digest;

    result->tee_pubkey = json_deep_copy(clo_appraisal_tee_pubkey(best));
    if (result->tee_pubkey == NULL)
        return clo_out_of_memory(err);
    if (!clo_json_write(result->tee_pubkey, &jwk, err))
        return false;
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(&jwk), &digest);
    clo_hex_text(clo_digest_bytes(&digest), result->tee_key);
    result->tee = clo_appraisal_tee(best);
    result->holder = *clo_appraisal_holder(best);
    if (resource == NULL)
        return true;
    if (!clo_resource_expand(resource, clo_appraisal_instances(best), &path, err))
        return false;
    snprintf(result->resource, sizeof result->resource, "%s", clo_buffer_string(&path));
    result->is_one_machines = clo_resource_has_placeholder(resource);
    return true;
}

struct clo_ear_spec broker_ear_spec(const struct clo_broker *broker,
                                    const struct clo_broker_request *request,
                                    const struct clo_session *session,
                                    char name[2 * CLO_SESSION_NAME_SIZE + 1])
{
    const char *url = broker->spec.public_url;

    return (struct clo_ear_spec){
        .developer = "Cloister",
        .build = CLOISTER_VERSION,
        .issued = request->time,
        .expires = request->time + BROKER_TOKEN_SECONDS,
        .nonce = session->nonce,
        .has_old_names = broker->spec.has_old_names,
        .issuer = url == NULL ? "cloister" : url,
        .id = clo_hex_text(clo_bytes(session->name, sizeof session->name), name),
        .key_id = broker->token_key_id,
    };
}

/* Trustee's clients, and those who rely on what they show, know the names of an earlier draft. */
static bool sign_result(struct clo_broker *broker, const struct clo_broker_request *request,
                        const struct clo_session *session, bool is_own,
                        struct broker_appraisals *appraisals, struct clo_error *err)
{
    char name[2 * CLO_SESSION_NAME_SIZE + 1];
    struct clo_ear_spec spec = broker_ear_spec(broker, request, session, name);

    spec.has_old_names |= !is_own;
    spec.evidence_name = clo_kbs_tee_name(session->agreed.tee);
    broker_leave(broker);
    bool ok = clo_ear_sign(appraisals->by.best, &spec, broker->token_key, &appraisals->result.token,
                           err);
    broker_enter(broker);
    if (!ok)
        return false;
    clo_hash(CLO_HASH_SHA256, request->body, &appraisals->result.request);
    return true;
}

/* --- Answering --- */

static bool answer_token(struct clo_broker *broker, const struct clo_session *session,
                         struct clo_broker_answer *answer, struct clo_error *err)
{
    struct clo_session_result *shown = clo_session_result(broker->sessions, session);
    const char *text = shown == NULL ? NULL : clo_buffer_string(&shown->token);

    if (text == NULL)
        return clo_out_of_memory(err);
    memcpy(answer->cookie, session->cookie, sizeof answer->cookie);
    return broker_json(answer, "application/json",
                       json_pack("{s:s, s:s*}", "token", text, "resource",
                                 shown->resource[0] == '\0' ? NULL : shown->resource),
                       err);
}

/* A client that lost the answer asks again: the very same request gets the very same token, and nothing else does. */
static bool was_answered(struct clo_broker *broker, const struct clo_broker_request *request,
                         const struct clo_session *session)
{
    const struct clo_session_result *shown = clo_session_result(broker->sessions, session);
    struct clo_digest digest;

    if (shown == NULL)
        return false;
    clo_hash(CLO_HASH_SHA256, request->body, &digest);
    return clo_digest_equal(&digest, &shown->request);
}

/* Whether it is accepted, and if not, why. */
static bool judge(struct broker_appraisals *appraisals, struct clo_error *why)
{
    return clo_appraisal_releases(appraisals->by.best, why) && fill_result(appraisals, why);
}

/* Which VM this was about, for the audit trail: what its evidence proves of it. */
struct clo_audit_vm broker_name_vm(const struct clo_appraisal *appraisal)
{
    const struct clo_instances *instances = clo_appraisal_instances(appraisal);
    struct clo_audit_vm vm = { 0 };

    snprintf(vm.chip, sizeof vm.chip, "%s", instances->hex[CLO_INSTANCE_CHIP]);
    snprintf(vm.report_id, sizeof vm.report_id, "%s", instances->hex[CLO_INSTANCE_REPORT_ID]);
    snprintf(vm.instance, sizeof vm.instance, "%s", clo_appraisal_holder(appraisal)->instance);
    snprintf(vm.image, sizeof vm.image, "%s", clo_appraisal_policy_name(appraisal));
    return vm;
}

/* Of a nonce that was used. */
static bool answer_again(struct clo_broker *broker, const struct clo_broker_request *request,
                         const struct clo_session *session, struct clo_broker_answer *answer,
                         struct clo_error *err)
{
    if (was_answered(broker, request, session))
        return answer_token(broker, session, answer, err);
    clo_fail(err, CLO_ERR_REFUSED, "nonce: used before; each is good once");
    return broker_refuse_junk(broker, request, CLO_JUNK_SESSION, err);
}

static bool give_result(struct clo_broker *broker, const struct clo_broker_request *request,
                        const struct clo_session *session, bool is_own,
                        struct broker_appraisals *appraisals, struct clo_broker_answer *answer,
                        struct clo_error *err)
{
    struct clo_error why = { 0 };
    struct clo_audit_vm vm = broker_name_vm(appraisals->by.best);
    appraisals->result.vm = vm;
    bool accepted = judge(appraisals, &why);
    bool is_affirming = clo_appraisal_status(appraisals->by.best) == CLO_AFFIRMING;
    bool is_plain = accepted || clo_appraisal_status(appraisals->by.best) == CLO_CONTRAINDICATED;
    const struct clo_audit decision = {
        .action = "attest",
        .verdict = !accepted      ? "refused"
                   : is_affirming ? "affirming"
                                  : "warning",
        .tee = clo_appraisal_tee(appraisals->by.best),
        .resource = appraisals->result.resource[0] == '\0' ? NULL : appraisals->result.resource,
        .detail = is_plain ? clo_appraisal_summary(appraisals->by.best) : why.text,
        .vm = &vm,
    };

    if (accepted && !sign_result(broker, request, session, is_own, appraisals, err))
        return false;
    if (!broker_decide_attested(broker, request, session, &decision,
                                accepted ? &appraisals->result : NULL, err))
        return err->status ==
                       CLO_ERR_REFUSED && /* another broker, or this one before it was started again */
               answer_again(broker, request, session, answer, err);
    broker->counters[!accepted      ? ATTEST_REFUSED
                     : is_affirming ? ATTEST_AFFIRMING
                                    : ATTEST_WARNING]++;
    if (!accepted) {
        clo_junk_charge(broker->junk, broker_peer(request), request->clock);
        return clo_fail(err, why.status, "%s", why.text);
    }
    clo_session_keep(broker->sessions, session, request->clock + BROKER_TOKEN_SECONDS,
                     &appraisals->result);
    return answer_token(broker, session, answer, err);
}

/* What is wrong with the broker itself is not counted as the client's junk; a client that can cause it is slowed down
 * all the same. */
bool broker_refuse_junk(struct clo_broker *broker, const struct clo_broker_request *request,
                        enum clo_junk_kind kind, const struct clo_error *err)
{
    if (broker_http_status(err->status) == 500) {
        clo_junk_charge(broker->junk, broker_peer(request), request->clock);
        return false;
    }
    if (err->status == CLO_ERR_UNAVAILABLE) /* no decision: the guest comes again */
        return broker_junk(broker, request, CLO_JUNK_WAITING);
    broker->counters[kind == CLO_JUNK_MALFORMED ? ATTEST_MALFORMED : ATTEST_REFUSED]++;
    return broker_junk(broker, request, kind);
}

/* Parsed and verified first: only evidence that genuine hardware made for this very nonce uses it up, takes a place
 * among the sessions in use, and is worth a row. Whether a nonce that is not known here was used, its row says in the end. */
bool broker_attest(struct clo_broker *broker, const struct clo_broker_request *request,
                   struct clo_broker_answer *answer, struct clo_error *err)
{
    CLO_CLEANUP(clo_kbs_evidence_free) struct clo_kbs_evidence sent = { 0 };
    CLO_CLEANUP(broker_appraisals_free) struct broker_appraisals appraisals = { 0 };
    struct clo_session session;

    if (!broker_check_patience(broker, request, answer, err) ||
        !broker_get_session(broker, request, &session, err))
        return false;
    if (clo_session_is_kept(broker->sessions, &session))
        return answer_again(broker, request, &session, answer, err);
    broker_leave(broker);
    bool ok = clo_kbs_attest_parse(request->body, &session.agreed, session.nonce, &sent, err);
    broker_enter(broker);
    if (!ok || !broker_appraise(broker, request, &sent, &session, &appraisals, err))
        return broker_refuse_junk(broker, request, CLO_JUNK_MALFORMED, err);
    if (!appraisals.by.is_authentic) {
        clo_fail(err, CLO_ERR_REFUSED, "%s", clo_appraisal_summary(appraisals.by.best));
        return broker_refuse_junk(broker, request, CLO_JUNK_UNAUTHENTIC, err);
    }
    if (!clo_session_use(broker->sessions, &session, request->clock, err)) {
        broker->counters[ATTEST_REFUSED]++;
        return false;
    }
    return give_result(broker, request, &session, sent.is_own, &appraisals, answer, err);
}
