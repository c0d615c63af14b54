#include "verifier/broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloister/appraise.h"
#include "cloister/ear.h"
#include "cloister/encoding.h"
#include "cloister/jose.h"
#include "net/kbs.h"
#include "verifier/generation.h"
#include "verifier/junk.h"
#include "verifier/release.h"

#define RESOURCE_PREFIX "/kbs/v0/resource/"
#define BEARER_PREFIX   "Bearer "
#define PROBLEM_REFUSED "tag:cloister.dev,2026:problem:refused"
#define TEE_NAME_MAX    32
#define AUTH_BODY_MAX   4096
#define REFUSAL_ROWS    4  /* of one session; the others are counted */
#define REFUSALS_MAX    32 /* after so many it has to begin anew */
#define TOKEN_SECONDS   300

enum counter {
    AUTH,
    ATTEST_AFFIRMING,
    ATTEST_WARNING, /* released on, since the owner has said why */
    ATTEST_REFUSED,
    ATTEST_MALFORMED,
    RESOURCE_RELEASED,
    RESOURCE_REFUSED,
    GENERATION_RAISED,
    GENERATION_REFUSED,
    RESOURCE_FLAGGED,
    FAILURES,
    COUNTERS,
};

struct clo_broker {
    struct clo_broker_spec spec;
    struct clo_sessions *sessions;
    struct clo_private_key *token_key;
    struct clo_junk *junk;
    uint64_t counters[COUNTERS];
};

bool clo_broker_new(const struct clo_broker_spec *spec, struct clo_broker **out,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_broker_freep) struct clo_broker *broker = calloc(1, sizeof *broker);

    if (broker == NULL)
        return clo_out_of_memory(err);
    broker->spec = *spec;
    if (!clo_sessions_new(spec->random, spec->nonce_seconds, CLO_BROKER_SESSION_MAX,
                          &broker->sessions, err) ||
        !clo_junk_new(spec->random, &broker->junk, err) ||
        !clo_store_key(spec->store, CLO_BROKER_TOKEN_KEY, CLO_KEY_P384, &broker->token_key, err))
        return false;
    *out = CLO_TAKE(broker);
    return true;
}

void clo_broker_free(struct clo_broker *broker)
{
    if (broker == NULL)
        return;
    clo_sessions_free(broker->sessions);
    clo_private_key_free(broker->token_key);
    clo_junk_free(broker->junk);
    free(broker);
}

void clo_broker_freep(struct clo_broker **broker)
{
    clo_broker_free(*broker);
    *broker = NULL;
}

void clo_broker_answer_free(struct clo_broker_answer *answer)
{
    clo_buffer_free(&answer->body);
    *answer = (struct clo_broker_answer){ 0 };
}

/* --- Answers --- */

static void on_failure(const struct clo_broker *broker, const struct clo_error *why)
{
    if (broker->spec.on_failure != NULL)
        broker->spec.on_failure(broker->spec.context, why);
}

static bool answer_json(struct clo_broker_answer *answer, const char *content_type, json_t *json,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *owned = json;

    if (owned == NULL)
        return clo_out_of_memory(err);
    answer->content_type = content_type;
    return clo_json_write(owned, &answer->body, err);
}

static unsigned http_status(enum clo_status status)
{
    switch (status) {
    case CLO_ERR_REFUSED:
        return 403;
    case CLO_ERR_UNVERIFIED:
        return 401;
    case CLO_ERR_USAGE:
    case CLO_ERR_FORMAT:
    case CLO_ERR_UNSUPPORTED:
        return 400;
    case CLO_ERR_UNAVAILABLE:
        return 503;
    default:
        return 500;
    }
}

/* What went wrong in here is for the log, not for the client. */
static void answer_problem(struct clo_broker *broker, struct clo_broker_answer *answer,
                           const struct clo_error *why)
{
    unsigned status = http_status(why->status);
    bool is_session = why->status == CLO_ERR_UNVERIFIED;
    const char *detail = status == 500 ? "the broker itself failed" : why->text;
    struct clo_error ignored;

    if (answer->status == 429)
        status = 429;
    if (status == 500) {
        broker->counters[FAILURES]++;
        on_failure(broker, why);
    }
    clo_broker_answer_free(answer);
    answer->status = status;
    if (!answer_json(answer, "application/problem+json",
                     json_pack("{s:s, s:i, s:s}", "type",
                               is_session ? CLO_KBS_PROBLEM_SESSION : PROBLEM_REFUSED, "status",
                               (int)status, "detail", detail),
                     &ignored))
        clo_buffer_free(&answer->body); /* the status says enough */
}

/* --- Decisions: written down before they are told --- */

/* What a row and a line on a terminal show: nothing in it is a control character, no matter who chose the words. */
struct clean_decision {
    struct clo_audit audit;
    char session[2 * CLO_SESSION_NAME_SIZE + 1];
    char resource[CLO_RESOURCE_MAX + 1];
    char detail[700];
};

static void clean(const struct clo_broker_request *request, const struct clo_session *session,
                  const struct clo_audit *decision, struct clean_decision *out)
{
    out->audit = *decision;
    out->audit.time = request->time;
    out->session[0] = '\0';
    if (session != NULL)
        clo_hex_text(clo_bytes(session->name, sizeof session->name), out->session);
    snprintf(out->detail, sizeof out->detail, "%s", decision->detail);
    clo_sanitize(out->detail);
    out->audit.session = out->session;
    out->audit.detail = out->detail;
    if (decision->resource == NULL)
        return;
    snprintf(out->resource, sizeof out->resource, "%s", decision->resource);
    clo_sanitize(out->resource);
    out->audit.resource = out->resource;
}

static void tell(const struct clo_broker *broker, const struct clean_decision *decision)
{
    if (broker->spec.on_decision != NULL)
        broker->spec.on_decision(broker->spec.context, &decision->audit);
}

static bool decide(struct clo_broker *broker, const struct clo_broker_request *request,
                   const struct clo_session *session, const struct clo_audit *decision,
                   struct clo_error *err)
{
    struct clean_decision cleaned;

    clean(request, session, decision, &cleaned);
    if (!clo_store_audit(broker->spec.store, &cleaned.audit, err))
        return false;
    tell(broker, &cleaned);
    return true;
}

/* --- Junk: counted, and written down once a minute --- */

static const char *peer_of(const struct clo_broker_request *request)
{
    return request->peer == NULL ? "" : request->peer;
}

static void report_junk(struct clo_broker *broker, int64_t time, int64_t clock, bool is_last)
{
    char text[CLO_JUNK_TEXT];
    const struct clo_broker_request request = { .time = time };
    const struct clo_audit row = {
        .action = "junk", .verdict = "refused", .tee = "", .detail = text
    };
    struct clo_error err;

    if (!clo_junk_report(broker->junk, clock, is_last, text))
        return;
    if (decide(broker, &request, NULL, &row, &err))
        clo_junk_told(broker->junk, clock);
    else
        on_failure(broker, &err);
}

/* Returns false, like clo_fail(): `err` stays what it is. */
static bool junk(struct clo_broker *broker, const struct clo_broker_request *request,
                 enum clo_junk_kind kind)
{
    clo_junk_count(broker->junk, kind, peer_of(request), request->time, request->clock);
    report_junk(broker, request->time, request->clock, false);
    return false;
}

void clo_broker_tick(struct clo_broker *broker, int64_t time, int64_t clock, bool is_last)
{
    report_junk(broker, time, clock, is_last);
}

/* Asked before anything is done that costs more than it costs to ask. */
static bool check_patience(struct clo_broker *broker, const struct clo_broker_request *request,
                           struct clo_broker_answer *answer, struct clo_error *err)
{
    if (clo_junk_may_ask(broker->junk, peer_of(request), request->clock))
        return true;
    answer->status = 429;
    clo_fail(err, CLO_ERR_UNAVAILABLE,
             "too many requests from this address that proved nothing; wait");
    return junk(broker, request, CLO_JUNK_LIMITED);
}

/* A session that is not ours is not a refusal: the guest begins anew. */
static bool get_session(struct clo_broker *broker, const struct clo_broker_request *request,
                        struct clo_session *out, struct clo_error *err)
{
    bool ok = request->cookie == NULL ? clo_fail(err, CLO_ERR_UNVERIFIED, "session: none was begun")
                                      : clo_session_get(broker->sessions, request->cookie,
                                                        request->clock, out, err);

    return ok || junk(broker, request, CLO_JUNK_SESSION);
}

/* --- auth --- */

static bool read_auth(const struct clo_broker_request *request, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *body = NULL;
    const char *version;
    const char *tee;

    if (request->body.size > AUTH_BODY_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "%zu bytes, at most %d", request->body.size,
                        AUTH_BODY_MAX);
    if (!clo_json_parse(request->body, &body, err) ||
        !clo_json_get_string(body, "version", &version, err) ||
        !clo_json_get_string(body, "tee", &tee, err))
        return false;
    return strlen(tee) <= TEE_NAME_MAX || clo_fail(err, CLO_ERR_FORMAT, "tee: too long");
}

static bool auth(struct clo_broker *broker, const struct clo_broker_request *request,
                 struct clo_broker_answer *answer, struct clo_error *err)
{
    struct clo_session session;

    if (!check_patience(broker, request, answer, err))
        return false;
    if (!read_auth(request, err)) {
        clo_wrap(err, "auth");
        return junk(broker, request, CLO_JUNK_MALFORMED);
    }
    if (!clo_session_begin(broker->sessions, request->clock, &session, err))
        return false;
    broker->counters[AUTH]++;
    memcpy(answer->cookie, session.cookie, sizeof answer->cookie);
    return answer_json(answer, "application/json",
                       json_pack("{s:s, s:s}", "nonce", session.nonce, "extra-params", ""), err);
}

/* --- attest --- */

/* What the evidence was made over must be what the guest says it was made over. */
static bool check_runtime_data(const json_t *claimed, const struct clo_evidence *evidence,
                               struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer text = { 0 };
    struct clo_bytes bound = clo_evidence_get(evidence, CLO_EVIDENCE_RUNTIME_DATA);

    if (bound.data == NULL)
        return clo_fail(err, CLO_ERR_REFUSED, "the evidence has no runtime data");
    if (!clo_json_write(claimed, &text, err))
        return false;
    return clo_bytes_equal(clo_buffer_bytes(&text), bound) ||
           clo_fail(err, CLO_ERR_REFUSED,
                    "the runtime data are not those that the evidence was made over");
}

static bool read_evidence(const struct clo_broker_request *request, struct clo_evidence **out,
                          struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *body = NULL;
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    json_t *runtime_data, *tee_evidence, *primary;

    if (!clo_json_parse(request->body, &body, err) ||
        !clo_json_get_object(body, "runtime-data", &runtime_data, err) ||
        !clo_json_get_object(body, "tee-evidence", &tee_evidence, err) ||
        !clo_json_get_object(tee_evidence, "primary_evidence", &primary, err) ||
        !clo_evidence_from_json(primary, &evidence, err) ||
        !check_runtime_data(runtime_data, evidence, err))
        return false;
    *out = CLO_TAKE(evidence);
    return true;
}

/* The appraisals against everything that something is released on. */
struct appraisals {
    struct clo_appraisal *best; /* one that releases; else the one with the fewest failures */
    bool releases;
    bool is_authentic; /* by what one of them trusts */
    size_t tried;
    struct clo_session_result result;
};

static void free_appraisals(struct appraisals *appraisals)
{
    clo_appraisal_free(appraisals->best);
    clo_session_result_free(&appraisals->result);
}

static bool is_better(const struct clo_appraisal *candidate, bool releases,
                      const struct appraisals *so_far)
{
    if (so_far->best == NULL || releases != so_far->releases)
        return so_far->best == NULL || releases;
    return clo_appraisal_checks(candidate)->failures < clo_appraisal_checks(so_far->best)->failures;
}

static bool appraise_against(const struct clo_terms *terms, const struct clo_evidence *evidence,
                             const struct clo_endorsed *endorsed, const struct clo_session *session,
                             int64_t time, struct appraisals *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_appraisal_freep) struct clo_appraisal *appraisal = NULL;
    const struct clo_appraise_inputs inputs = {
        .policy = terms->policy,
        .references = (const struct clo_reference *const *)terms->references,
        .reference_count = terms->reference_count,
        .expected_nonce = clo_bytes_text(session->nonce),
        .at = time,
        .endorsements = endorsed->endorsements,
    };
    struct clo_error refused;

    if (!clo_appraise(evidence, &inputs, &appraisal, err))
        return false;
    out->tried++;
    bool releases = clo_appraisal_releases(appraisal, &refused);
    bool is_authentic = clo_appraisal_is_authentic(appraisal);
    if (releases && !clo_session_result_add_terms(&out->result, terms->digest, err))
        return false;
    out->is_authentic = out->is_authentic || is_authentic;
    if (is_better(appraisal, releases, out)) {
        clo_appraisal_free(out->best);
        out->best = CLO_TAKE(appraisal);
        out->releases = releases;
    }
    return true;
}

static bool appraise_all(struct clo_broker *broker, const struct clo_broker_request *request,
                         const struct clo_evidence *evidence, const struct clo_session *session,
                         struct appraisals *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_endorsed_free) struct clo_endorsed endorsed = { .endorser = NULL };

    if (!clo_endorser_take(broker->spec.endorser, evidence, peer_of(request), request->time,
                           &endorsed, err))
        return false;
    for (int64_t after = 0;;) {
        CLO_CLEANUP(clo_terms_free) struct clo_terms terms = { 0 };
        if (!clo_store_next_terms(broker->spec.store, after, &terms, err))
            break;
        if (!appraise_against(&terms, evidence, &endorsed, session, request->time, out, err))
            return false;
        after = terms.id;
    }
    if (err->status != CLO_OK)
        return false;
    return out->tried > 0 || clo_fail(err, CLO_ERR_REFUSED, "no key is registered at this broker");
}

/* What later requests of this session are held against. */
static bool fill_result(struct appraisals *appraisals, struct clo_error *err)
{
    struct clo_session_result *result = &appraisals->result;
    const struct clo_appraisal *best = appraisals->best;
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

static bool sign_result(struct clo_broker *broker, const struct clo_broker_request *request,
                        const struct clo_session *session, struct appraisals *appraisals,
                        struct clo_buffer *token, struct clo_error *err)
{
    const struct clo_ear_spec spec = { .developer = "Cloister",
                                       .build = CLOISTER_VERSION,
                                       .issued = request->time,
                                       .expires = request->time + TOKEN_SECONDS,
                                       .nonce = session->nonce };

    if (!clo_ear_sign(appraisals->best, &spec, broker->token_key, token, err))
        return false;
    clo_hash(CLO_HASH_SHA256, clo_buffer_bytes(token), &appraisals->result.token);
    return true;
}

/* Whether it is accepted, and if not, why. */
static bool judge(struct appraisals *appraisals, struct clo_error *why)
{
    return clo_appraisal_releases(appraisals->best, why) && fill_result(appraisals, why);
}

static bool give_result(struct clo_broker *broker, const struct clo_broker_request *request,
                        const struct clo_session *session, struct appraisals *appraisals,
                        struct clo_broker_answer *answer, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer token = { 0 };
    struct clo_error why = { 0 };
    bool accepted = judge(appraisals, &why);
    bool is_affirming = clo_appraisal_status(appraisals->best) == CLO_AFFIRMING;
    bool is_plain = accepted || clo_appraisal_status(appraisals->best) == CLO_CONTRAINDICATED;
    const struct clo_audit decision = {
        .action = "attest",
        .verdict = !accepted      ? "refused"
                   : is_affirming ? "affirming"
                                  : "warning",
        .tee = clo_appraisal_tee(appraisals->best),
        .resource = appraisals->result.resource[0] == '\0' ? NULL : appraisals->result.resource,
        .detail = is_plain ? clo_appraisal_summary(appraisals->best) : why.text
    };

    if (!decide(broker, request, session, &decision, err))
        return false;
    broker->counters[!accepted      ? ATTEST_REFUSED
                     : is_affirming ? ATTEST_AFFIRMING
                                    : ATTEST_WARNING]++;
    if (!accepted) {
        clo_junk_charge(broker->junk, peer_of(request), request->clock);
        return clo_fail(err, why.status, "%s", why.text);
    }
    if (!sign_result(broker, request, session, appraisals, &token, err))
        return false;
    char resource[CLO_RESOURCE_MAX + 1];
    memcpy(resource, appraisals->result.resource, sizeof resource);
    clo_session_keep(broker->sessions, session, &appraisals->result);
    const char *text = clo_buffer_string(&token);
    return answer_json(answer, "application/json",
                       text == NULL ? NULL
                                    : json_pack("{s:s, s:s*}", "token", text, "resource",
                                                resource[0] == '\0' ? NULL : resource),
                       err);
}

/* What is wrong with the broker itself is not the client's junk. */
static bool refuse_junk(struct clo_broker *broker, const struct clo_broker_request *request,
                        enum clo_junk_kind kind, const struct clo_error *err)
{
    if (http_status(err->status) == 500)
        return false;
    if (err->status == CLO_ERR_UNAVAILABLE) /* no decision: the guest comes again */
        return junk(broker, request, CLO_JUNK_WAITING);
    broker->counters[kind == CLO_JUNK_MALFORMED ? ATTEST_MALFORMED : ATTEST_REFUSED]++;
    return junk(broker, request, kind);
}

/* Parsed and verified first: only evidence that genuine hardware made for this very nonce uses it up, takes a place
 * among the sessions in use, and is worth a row. */
static bool attest(struct clo_broker *broker, const struct clo_broker_request *request,
                   struct clo_broker_answer *answer, struct clo_error *err)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(free_appraisals) struct appraisals appraisals = { 0 };
    struct clo_session session;

    if (!check_patience(broker, request, answer, err) ||
        !get_session(broker, request, &session, err))
        return false;
    if (clo_session_is_used(broker->sessions, &session)) {
        clo_fail(err, CLO_ERR_REFUSED, "nonce: used before; each is good once");
        return refuse_junk(broker, request, CLO_JUNK_SESSION, err);
    }
    if (!read_evidence(request, &evidence, err) ||
        !appraise_all(broker, request, evidence, &session, &appraisals, err))
        return refuse_junk(broker, request, CLO_JUNK_MALFORMED, err);
    if (!appraisals.is_authentic) {
        clo_fail(err, CLO_ERR_REFUSED, "%s", clo_appraisal_summary(appraisals.best));
        return refuse_junk(broker, request, CLO_JUNK_UNAUTHENTIC, err);
    }
    if (!clo_session_use(broker->sessions, &session, request->clock, err)) {
        broker->counters[ATTEST_REFUSED]++;
        return false;
    }
    return give_result(broker, request, &session, &appraisals, answer, err);
}

/* --- resource --- */

/* A token is not needed next to the session, but a wrong one is another session's. */
static bool check_token(const char *authorization, const struct clo_session_result *result,
                        struct clo_error *err)
{
    struct clo_digest digest;

    if (authorization == NULL)
        return true;
    if (strncmp(authorization, BEARER_PREFIX, strlen(BEARER_PREFIX)) != 0)
        return clo_fail(err, CLO_ERR_REFUSED, "authorization: not a bearer token");
    clo_hash(CLO_HASH_SHA256, clo_bytes_text(authorization + strlen(BEARER_PREFIX)), &digest);
    return clo_bytes_equal_secret(clo_digest_bytes(&digest), clo_digest_bytes(&result->token)) ||
           clo_fail(err, CLO_ERR_REFUSED, "token: not the one of this session");
}

/* The first refusals of a session have rows of their own, so that the owner sees what was tried; one that goes on is
 * counted. */
static bool tell_refusal(struct clo_broker *broker, const struct clo_broker_request *request,
                         const struct clo_session *session, const struct clo_audit *row,
                         struct clo_error *err)
{
    const struct clo_session_result *shown = clo_session_result(broker->sessions, session);

    if (shown == NULL || shown->refusals < REFUSAL_ROWS)
        return decide(broker, request, session, row, err);
    (void)junk(broker, request, CLO_JUNK_REPEATED);
    return true;
}

/* Ends what clo_store_begin() began: a decision with its row in one piece, or a refusal, of which nothing stays but the
 * row. It may be told once this returns true. */
static bool settle(struct clo_broker *broker, const struct clo_broker_request *request,
                   const struct clo_session *session, bool decided, const struct clo_audit *row,
                   const struct clo_error *why, struct clo_error *err)
{
    struct clo_store *store = broker->spec.store;
    struct clean_decision cleaned;
    struct clo_error ignored;

    if (!decided) {
        (void)!clo_store_end(store, false, &ignored);
        if (http_status(why->status) == 500)
            return clo_fail(err, why->status, "%s", why->text);
        return tell_refusal(broker, request, session, row, err);
    }
    clean(request, session, row, &cleaned);
    if (!clo_store_end(store, clo_store_audit(store, &cleaned.audit, err), err))
        return false;
    tell(broker, &cleaned);
    return true;
}

static bool seal(struct clo_broker *broker, const struct clo_broker_request *request,
                 const struct clo_release_question *question, struct clo_release_decision *decision,
                 json_t **jwe, struct clo_error *why)
{
    struct clo_store *store = broker->spec.store;

    return check_token(request->authorization, question->shown, why) &&
           clo_release_decide(store, question, decision, why) &&
           clo_generation_seal(store, question->path, decision->resource.secret,
                               question->shown->tee_pubkey, jwe, why);
}

/* Decides, and writes down both what was decided and who has it now, in one piece: of two that ask at once the second
 * one finds what the first one got. */
static bool decide_release(struct clo_broker *broker, const struct clo_broker_request *request,
                           const struct clo_session *session,
                           const struct clo_release_question *question, json_t **jwe,
                           struct clo_error *err)
{
    CLO_CLEANUP(clo_release_decision_free) struct clo_release_decision decision = { 0 };
    CLO_CLEANUP(clo_json_freep) json_t *sealed = NULL;
    struct clo_error why = { 0 };

    if (!clo_store_begin(broker->spec.store, err))
        return false;
    bool released = seal(broker, request, question, &decision, &sealed, &why);
    const struct clo_audit row = { .action = "release",
                                   .verdict = released ? "released" : "refused",
                                   .tee = question->shown->tee,
                                   .resource = question->path,
                                   .detail = released ? decision.note : why.text };
    if (!settle(broker, request, session, released, &row, &why, err))
        return false;
    broker->counters[released ? RESOURCE_RELEASED : RESOURCE_REFUSED]++;
    if (!released)
        return clo_fail(err, why.status, "%s", why.text);
    broker->counters[RESOURCE_FLAGGED] += decision.is_flagged;
    *jwe = CLO_TAKE(sealed);
    return true;
}

/* What the session has shown, of which its refusals are a part: they have an end. */
static struct clo_session_result *get_shown(struct clo_broker *broker,
                                            const struct clo_broker_request *request,
                                            const struct clo_session *session,
                                            struct clo_error *err)
{
    struct clo_session_result *shown = clo_session_result(broker->sessions, session);

    if (shown == NULL) {
        clo_fail(err, CLO_ERR_REFUSED, "session: nothing was attested in it");
        (void)junk(broker, request, CLO_JUNK_SESSION);
        return NULL;
    }
    if (shown->refusals == REFUSALS_MAX) {
        clo_fail(err, CLO_ERR_REFUSED, "session: too many refusals in it");
        (void)junk(broker, request, CLO_JUNK_LIMITED);
        return NULL;
    }
    return shown;
}

static bool resource(struct clo_broker *broker, const struct clo_broker_request *request,
                     struct clo_broker_answer *answer, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *jwe = NULL;
    char name[2 * CLO_SESSION_NAME_SIZE + 1];
    struct clo_release_question question = { .path = request->path + strlen(RESOURCE_PREFIX),
                                             .time = request->time };
    struct clo_session session;

    if (!get_session(broker, request, &session, err))
        return false;
    question.session = clo_hex_text(clo_bytes(session.name, sizeof session.name), name);
    struct clo_session_result *shown = get_shown(broker, request, &session, err);
    question.shown = shown;
    if (shown == NULL) {
        broker->counters[RESOURCE_REFUSED]++;
        return false;
    }
    if (!clo_resource_check(question.path, err)) {
        broker->counters[RESOURCE_REFUSED]++;
        return junk(broker, request, CLO_JUNK_MALFORMED);
    }
    if (!decide_release(broker, request, &session, &question, &jwe, err)) {
        shown->refusals++;
        return false;
    }
    clo_session_note_release(broker->sessions, &session, question.path);
    return answer_json(answer, "application/json", CLO_TAKE(jwe), err);
}

/* --- generation --- */

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
    if (!settle(broker, request, session, ok, &row, &why, err))
        return false;
    broker->counters[ok ? GENERATION_RAISED : GENERATION_REFUSED]++;
    return ok || clo_fail(err, why.status, "%s", why.text);
}

static bool generation(struct clo_broker *broker, const struct clo_broker_request *request,
                       struct clo_broker_answer *answer, struct clo_error *err)
{
    char path[CLO_GENERATION_PATH];
    struct clo_session session;
    uint64_t value;

    if (!get_session(broker, request, &session, err))
        return false;
    struct clo_session_result *shown = get_shown(broker, request, &session, err);
    if (shown == NULL)
        return false;
    if (!clo_generation_parse(request->path, path, &value, err))
        return junk(broker, request, CLO_JUNK_MALFORMED);
    if (!decide_generation(broker, request, &session, path, value, err)) {
        shown->refusals++;
        return false;
    }
    return answer_json(answer, "application/json",
                       json_pack("{s:I}", "generation", (json_int_t)value), err);
}

/* --- The rest --- */

static bool metrics(const struct clo_broker *broker, const struct clo_broker_request *request,
                    struct clo_broker_answer *answer, struct clo_error *err)
{
    static const char *const names[COUNTERS] = {
        [AUTH] = "cloister_auth_total",
        [ATTEST_AFFIRMING] = "cloister_attest_total{result=\"affirming\"}",
        [ATTEST_WARNING] = "cloister_attest_total{result=\"warning\"}",
        [ATTEST_REFUSED] = "cloister_attest_total{result=\"refused\"}",
        [ATTEST_MALFORMED] = "cloister_attest_total{result=\"malformed\"}",
        [RESOURCE_RELEASED] = "cloister_resource_total{result=\"released\"}",
        [RESOURCE_REFUSED] = "cloister_resource_total{result=\"refused\"}",
        [GENERATION_RAISED] = "cloister_generation_total{result=\"raised\"}",
        [GENERATION_REFUSED] = "cloister_generation_total{result=\"refused\"}",
        [RESOURCE_FLAGGED] = "cloister_resource_flagged_total",
        [FAILURES] = "cloister_failures_total",
    };

    for (size_t i = 0; i < COUNTERS; i++)
        clo_buffer_printf(&answer->body, "%s %llu\n", names[i],
                          (unsigned long long)broker->counters[i]);
    for (int i = 0; i < CLO_JUNK_KINDS; i++)
        clo_buffer_printf(&answer->body, "cloister_junk_total{kind=\"%s\"} %llu\n",
                          clo_junk_kind_name((enum clo_junk_kind)i),
                          (unsigned long long)clo_junk_total(broker->junk, (enum clo_junk_kind)i));
    clo_buffer_printf(&answer->body, "cloister_sessions_in_use %zu\n",
                      clo_sessions_in_use(broker->sessions, request->clock));
    clo_endorser_metrics(broker->spec.endorser, request->time, &answer->body);
    answer->content_type = "text/plain; version=0.0.4";
    return clo_buffer_ok(&answer->body) || clo_out_of_memory(err);
}

static bool health(struct clo_broker *broker, struct clo_broker_answer *answer,
                   struct clo_error *err)
{
    CLO_CLEANUP(clo_terms_free) struct clo_terms terms = { 0 };

    /* Healthy is who can still read what it needs for a decision. */
    if (!clo_store_next_terms(broker->spec.store, 0, &terms, err) && err->status != CLO_OK)
        return false;
    return answer_json(answer, "application/json", json_pack("{s:s}", "status", "ok"), err);
}

static bool route(struct clo_broker *broker, const struct clo_broker_request *request,
                  struct clo_broker_answer *answer, struct clo_error *err)
{
    bool is_get = strcmp(request->method, "GET") == 0;
    bool is_post = strcmp(request->method, "POST") == 0;

    if (is_post && strcmp(request->path, "/kbs/v0/auth") == 0)
        return auth(broker, request, answer, err);
    if (is_post && strcmp(request->path, "/kbs/v0/attest") == 0)
        return attest(broker, request, answer, err);
    if (is_get && strncmp(request->path, RESOURCE_PREFIX, strlen(RESOURCE_PREFIX)) == 0)
        return resource(broker, request, answer, err);
    if (is_post &&
        strncmp(request->path, CLO_GENERATION_PREFIX, strlen(CLO_GENERATION_PREFIX)) == 0)
        return generation(broker, request, answer, err);
    if (is_get && strcmp(request->path, "/healthz") == 0)
        return health(broker, answer, err);
    if (is_get && strcmp(request->path, "/metrics") == 0)
        return metrics(broker, request, answer, err);
    clo_fail(err, CLO_ERR_FORMAT, "no such request");
    return junk(broker, request, CLO_JUNK_MALFORMED);
}

void clo_broker_answer(struct clo_broker *broker, const struct clo_broker_request *request,
                       struct clo_broker_answer *out)
{
    struct clo_broker_answer answer = { .status = 200, .content_type = "application/json" };
    struct clo_error err = { 0 };

    if (!route(broker, request, &answer, &err))
        answer_problem(broker, &answer, &err);
    *out = answer;
}
