/* Veraison's challenge-response API (veraison/docs, api/challenge-response): a nonce, evidence, and a result that others may
 * rely on. Nothing is released in it, and its sessions are not those of the KBS protocol.
 *
 *   POST   /challenge-response/v1/newSession?nonceSize=N   201, Location: …/session/ID
 *   POST   …/session/ID     evidence: 200 with the result; 409 after it has one
 *   GET    …/session/ID     what it has
 *   DELETE …/session/ID     204: its result is dropped
 *
 * The session is its ID, under a MAC: one that has shown nothing takes no place here, and ends with its time alone. */
#include "broker_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/encoding.h"
#include "lib/evidence/import.h"

#define SESSION_TYPE  "application/vnd.veraison.challenge-response-session+json"
#define BUNDLE_TYPE   "application/vnd.cloister.evidence+json"
#define TSM_TYPE      "application/vnd.veraison.configfs-tsm+json"
#define JWT_TYPE      "application/eat+jwt"
#define CWT_TYPE      "application/eat+cwt"
#define NONCE_LEAST   8
#define NONCE_MOST    64
#define NONCE_DEFAULT 32
#define SIZE_OPTION   "nonceSize="

json_t *broker_challenge_types(void)
{
    return json_pack("[s, s]", BUNDLE_TYPE, TSM_TYPE);
}

/* --- Sessions --- */

static size_t nonce_size(const struct clo_session *session)
{
    return (size_t)session->agreed.version - CLO_SESSION_CHALLENGE + 1;
}

/* The nonce at the size that was asked for: of as many bits as that has, or 256. */
static bool set_nonce(struct clo_session *session, struct clo_buffer *bytes, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_digest digest;

    clo_hash(CLO_HASH_SHA512, clo_bytes_text(session->nonce), &digest);
    clo_buffer_append(bytes, clo_bytes_slice(clo_digest_bytes(&digest), 0, nonce_size(session)));
    clo_base64url_write(clo_buffer_bytes(bytes), &text);
    const char *string = clo_buffer_string(&text);
    if (string == NULL || !clo_buffer_ok(bytes))
        return clo_out_of_memory(err);
    snprintf(session->nonce, sizeof session->nonce, "%s", string);
    return true;
}

static bool read_size(const char *query, size_t *out, struct clo_error *err)
{
    const size_t skip = strlen(SIZE_OPTION);
    char *end = NULL;

    *out = NONCE_DEFAULT;
    if (query == NULL || query[0] == '\0')
        return true;
    bool is_size =
            strncmp(query, SIZE_OPTION, skip) == 0 && query[skip] >= '0' && query[skip] <= '9';
    unsigned long size = is_size ? strtoul(query + skip, &end, 10) : 0;
    *out = size;
    return (is_size && *end == '\0' && size >= NONCE_LEAST && size <= NONCE_MOST) ||
           clo_fail(err, CLO_ERR_USAGE,
                    "newSession: nonceSize=%d to %d, or nothing: nonces are the verifier's",
                    NONCE_LEAST, NONCE_MOST);
}

bool broker_challenge_session(struct clo_broker *broker, const struct clo_broker_request *request,
                              struct clo_broker_answer *answer, struct clo_session *out,
                              struct clo_error *err)
{
    const char *id = request->path + strlen(BROKER_CHALLENGE);
    struct clo_session session;
    struct clo_error why;

    if (clo_session_get(broker->sessions, id, request->clock, &session, &why) &&
        session.agreed.version >= CLO_SESSION_CHALLENGE) {
        *out = session;
        return true;
    }
    broker_refuse(answer, 404, BROKER_ERROR_PATH);
    clo_fail(err, CLO_ERR_REFUSED, "session: there is none of this name, or it is over");
    return broker_junk(broker, request, CLO_JUNK_SESSION);
}

/* `result` NULL: it has none yet. */
static bool answer_session(const struct clo_broker_request *request,
                           const struct clo_session *session, const char *result,
                           struct clo_broker_answer *answer, struct clo_error *err)
{
    int64_t expiry = request->time + session->ends - request->clock;

    return broker_json(answer, SESSION_TYPE,
                       json_pack("{s:s, s:o, s:o, s:s, s:s*}", "nonce", session->nonce, "expiry",
                                 clo_json_time(expiry), "accept", broker_challenge_types(), "state",
                                 result == NULL ? "waiting" : "complete", "result", result),
                       err);
}

bool broker_challenge_new(struct clo_broker *broker, const struct clo_broker_request *request,
                          struct clo_broker_answer *answer, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer bytes = { 0 };
    struct clo_session session;
    size_t size;

    if (!broker_check_patience(broker, request, answer, err))
        return false;
    if (!read_size(request->query, &size, err))
        return broker_junk(broker, request, CLO_JUNK_MALFORMED);
    const struct clo_kbs_agreed agreed = { .tee = CLO_KBS_SAMPLE,
                                           .hash = CLO_HASH_SHA384,
                                           .version = CLO_SESSION_OF_CHALLENGE(size) };
    if (!clo_session_begin(broker->sessions, request->clock, &agreed, &session, err) ||
        !set_nonce(&session, &bytes, err) || !answer_session(request, &session, NULL, answer, err))
        return false;
    broker->counters[AUTH]++;
    snprintf(answer->location, sizeof answer->location, BROKER_CHALLENGE "%s", session.cookie);
    answer->status = 201;
    return true;
}

/* --- Results: a JWT, a blank, and the CWT in base64url, as the session's row keeps them --- */

static bool is_type(const char *header, const char *type)
{
    size_t size = strlen(type);

    return header != NULL && strncasecmp(header, type, size) == 0 &&
           (header[size] == '\0' || header[size] == ';' || header[size] == ' ');
}

static bool answer_token(const char *type, struct clo_bytes token, struct clo_broker_answer *answer,
                         struct clo_error *err)
{
    answer->content_type = type;
    clo_buffer_append(&answer->body, token);
    return clo_buffer_ok(&answer->body) || clo_out_of_memory(err);
}

/* In the form that is asked for: the token alone, or the session with it. */
static bool answer_result(const struct clo_broker_request *request,
                          const struct clo_session *session, const char *kept,
                          struct clo_broker_answer *answer, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer cwt = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer jwt = { 0 };
    size_t size = strcspn(kept, " ");

    clo_buffer_append(&jwt, clo_bytes(kept, size));
    const char *jwt_text = clo_buffer_string(&jwt);
    if (jwt_text == NULL)
        return clo_out_of_memory(err);
    if (is_type(request->accept, JWT_TYPE))
        return answer_token(JWT_TYPE, clo_buffer_bytes(&jwt), answer, err);
    if (!is_type(request->accept, CWT_TYPE))
        return answer_session(request, session, jwt_text, answer, err);
    return clo_base64url_read(clo_bytes_text(kept + size + (kept[size] != '\0')), &cwt, err) &&
           answer_token(CWT_TYPE, clo_buffer_bytes(&cwt), answer, err);
}

static bool sign_both(const struct clo_broker *broker, const struct clo_appraisal *appraisal,
                      const struct clo_ear_spec *spec, struct clo_buffer *out,
                      struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer cwt = { 0 };

    if (!clo_ear_sign(appraisal, spec, broker->token_key, out, err) ||
        !clo_ear_sign_cwt(appraisal, spec, broker->token_key, &cwt, err))
        return false;
    clo_buffer_text(out, " ");
    clo_base64url_write(clo_buffer_bytes(&cwt), out);
    return clo_buffer_ok(out) || clo_out_of_memory(err);
}

/* The result says what it is about and nothing that could be released on: no key, no terms. */
static bool fill_result(struct clo_broker *broker, const struct clo_broker_request *request,
                        const struct clo_session *session, const struct clo_appraisal *best,
                        struct clo_session_result *out, struct clo_error *err)
{
    char name[2 * CLO_SESSION_NAME_SIZE + 1];
    const struct clo_ear_spec spec = broker_ear_spec(broker, request, session, name);

    out->tee_pubkey = json_object();
    out->tee = clo_appraisal_tee(best);
    out->vm = broker_name_vm(best);
    clo_hash(CLO_HASH_SHA256, request->body, &out->request);
    if (out->tee_pubkey == NULL)
        return clo_out_of_memory(err);
    broker_leave(broker);
    bool ok = sign_both(broker, best, &spec, &out->token, err);
    broker_enter(broker);
    return ok;
}

/* Whatever the verdict is, it is the result. One that nobody's terms accept may be of anybody's machine, and each costs
 * rows: they have an end. */
static bool decide(struct clo_broker *broker, const struct clo_broker_request *request,
                   const struct clo_session *session, const struct clo_appraisal *best,
                   struct clo_broker_answer *answer, struct clo_error *err)
{
    CLO_CLEANUP(clo_session_result_free) struct clo_session_result result = { 0 };
    enum clo_appraisal_status status = clo_appraisal_status(best);
    struct clo_error refused;

    if (!fill_result(broker, request, session, best, &result, err))
        return false;
    const struct clo_audit decision = { .action = "attest",
                                        .verdict = status == CLO_AFFIRMING         ? "affirming"
                                                   : status == CLO_CONTRAINDICATED ? "refused"
                                                                                   : "warning",
                                        .tee = clo_appraisal_tee(best),
                                        .detail = clo_appraisal_summary(best),
                                        .vm = &result.vm };
    if (!broker_decide_attested(broker, request, session, &decision, &result, err))
        return false;
    broker->counters[status == CLO_AFFIRMING         ? ATTEST_AFFIRMING
                     : status == CLO_CONTRAINDICATED ? ATTEST_REFUSED
                                                     : ATTEST_WARNING]++;
    if (!clo_appraisal_releases(best, &refused))
        clo_junk_charge(broker->junk, broker_peer(request), request->clock);
    const char *kept = clo_buffer_string(&result.token);
    if (kept == NULL)
        return clo_out_of_memory(err);
    if (!answer_result(request, session, kept, answer, err))
        return false;
    clo_session_keep(broker->sessions, session, session->ends, &result);
    return true;
}

/* --- Evidence --- */

/* Of a report alone: REPORT_DATA is the nonce itself, and no key is bound. */
static bool bind_nonce(const struct clo_session *session, struct clo_bytes nonce,
                       struct clo_kbs_evidence *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *runtime = json_pack("{s:s}", "nonce", session->nonce);
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };

    if (runtime == NULL)
        return clo_out_of_memory(err);
    clo_buffer_append(&out->bound, nonce);
    return clo_json_write(runtime, &text, err) &&
           clo_evidence_add(out->evidence, CLO_EVIDENCE_RUNTIME_DATA, clo_buffer_bytes(&text),
                            err) &&
           (clo_buffer_ok(&out->bound) || clo_out_of_memory(err));
}

static bool read_evidence(const struct clo_broker_request *request,
                          const struct clo_session *session, struct clo_bytes nonce,
                          struct clo_kbs_evidence *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_import_free) struct clo_import import = { 0 };
    bool is_bundle = is_type(request->content_type, BUNDLE_TYPE);

    if (!clo_import_read(request->body, &import, err))
        return clo_wrap(err, "evidence");
    if (import.kind != CLO_IMPORT_EVIDENCE || import.is_bundle != is_bundle)
        return clo_fail(err, CLO_ERR_FORMAT, "evidence: not what its media type says");
    out->evidence = CLO_TAKE(import.evidence);
    out->is_own = is_bundle;
    return is_bundle || bind_nonce(session, nonce, out, err);
}

static bool appraise(struct clo_broker *broker, const struct clo_broker_request *request,
                     struct clo_session *session, struct clo_broker_answer *answer,
                     struct clo_error *err)
{
    CLO_CLEANUP(clo_kbs_evidence_free) struct clo_kbs_evidence sent = { 0 };
    CLO_CLEANUP(broker_appraisals_free) struct broker_appraisals appraisals = { 0 };
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer nonce = { 0 };

    if (!set_nonce(session, &nonce, err))
        return false;
    broker_leave(broker);
    bool ok = read_evidence(request, session, clo_buffer_bytes(&nonce), &sent, err);
    broker_enter(broker);
    if (!ok || !broker_appraise(broker, request, &sent, session, &appraisals, err))
        return broker_refuse_junk(broker, request, CLO_JUNK_MALFORMED, err);
    if (!appraisals.by.is_authentic) {
        clo_fail(err, CLO_ERR_REFUSED, "%s", clo_appraisal_summary(appraisals.by.best));
        return broker_refuse_junk(broker, request, CLO_JUNK_UNAUTHENTIC, err);
    }
    return clo_session_use(broker->sessions, session, request->clock, err) &&
           decide(broker, request, session, appraisals.by.best, answer, err);
}

static bool take_evidence(struct clo_broker *broker, const struct clo_broker_request *request,
                          struct clo_session *session, struct clo_broker_answer *answer,
                          struct clo_error *err)
{
    if (!broker_check_patience(broker, request, answer, err))
        return false;
    if (clo_session_is_used(broker->sessions, session)) {
        broker_refuse(answer, 409, NULL);
        clo_fail(err, CLO_ERR_REFUSED, "session: has its result; each nonce is good once");
        return broker_junk(broker, request, CLO_JUNK_SESSION);
    }
    if (!is_type(request->content_type, BUNDLE_TYPE) && !is_type(request->content_type, TSM_TYPE)) {
        broker_refuse(answer, 415, NULL);
        clo_fail(err, CLO_ERR_UNSUPPORTED, "evidence: %s or %s is taken", BUNDLE_TYPE, TSM_TYPE);
        return broker_junk(broker, request, CLO_JUNK_MALFORMED);
    }
    return appraise(broker, request, session, answer, err);
}

/* --- What is asked of a session --- */

static bool show(struct clo_broker *broker, const struct clo_broker_request *request,
                 struct clo_session *session, struct clo_broker_answer *answer,
                 struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer nonce = { 0 };
    struct clo_session_result *shown = clo_session_result(broker->sessions, session);
    const char *kept = shown == NULL ? NULL : clo_buffer_string(&shown->token);

    if (!set_nonce(session, &nonce, err))
        return false;
    if (kept != NULL)
        return answer_result(request, session, kept, answer, err);
    if (!clo_session_is_used(broker->sessions, session))
        return answer_session(request, session, NULL, answer, err);
    broker_refuse(answer, 404, NULL);
    return clo_fail(err, CLO_ERR_REFUSED, "session: was deleted");
}

bool broker_challenge(struct clo_broker *broker, const struct clo_broker_request *request,
                      struct clo_broker_answer *answer, struct clo_error *err)
{
    struct clo_session session;

    if (!broker_challenge_session(broker, request, answer, &session, err))
        return false;
    if (strcmp(request->method, "POST") == 0)
        return take_evidence(broker, request, &session, answer, err);
    if (strcmp(request->method, "GET") == 0)
        return show(broker, request, &session, answer, err);
    answer->status = 204;
    answer->content_type = NULL;
    return clo_session_forget(broker->sessions, &session, err);
}
