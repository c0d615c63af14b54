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

#define RESOURCE_PREFIX "/kbs/v0/resource/"
#define BEARER_PREFIX   "Bearer "
#define PROBLEM_REFUSED "tag:cloister.dev,2026:problem:refused"
#define TEE_NAME_MAX    32
#define TOKEN_SECONDS   300

enum counter {
    AUTH,
    ATTEST_AFFIRMING,
    ATTEST_REFUSED,
    ATTEST_MALFORMED,
    RESOURCE_RELEASED,
    RESOURCE_REFUSED,
    GENERATION_RAISED,
    GENERATION_REFUSED,
    FAILURES,
    COUNTERS,
};

struct clo_broker {
    struct clo_broker_spec spec;
    struct clo_sessions *sessions;
    struct clo_private_key *token_key;
    uint64_t counters[COUNTERS];
};

bool clo_broker_new(const struct clo_broker_spec *spec, struct clo_broker **out,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_broker_freep) struct clo_broker *broker = calloc(1, sizeof *broker);

    if (broker == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
    broker->spec = *spec;
    if (!clo_sessions_new(spec->random, spec->nonce_seconds, CLO_BROKER_SESSION_MAX,
                          &broker->sessions, err) ||
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

static bool answer_json(struct clo_broker_answer *answer, const char *content_type, json_t *json,
                        struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *owned = json;

    if (owned == NULL)
        return clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
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

/* What went wrong in here is for the log, not for whoever asks. */
static void answer_problem(struct clo_broker *broker, struct clo_broker_answer *answer,
                           const struct clo_error *why)
{
    unsigned status = http_status(why->status);
    bool is_session = why->status == CLO_ERR_UNVERIFIED;
    const char *detail = status == 500 ? "the broker itself failed" : why->text;
    struct clo_error ignored;

    if (status == 500) {
        broker->counters[FAILURES]++;
        if (broker->spec.on_failure != NULL)
            broker->spec.on_failure(broker->spec.context, why);
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

static bool decide(struct clo_broker *broker, const struct clo_broker_request *request,
                   const struct clo_session *session, struct clo_audit *decision,
                   struct clo_error *err)
{
    char name[2 * CLO_SESSION_NAME_SIZE + 1];

    decision->time = request->time;
    decision->session = clo_hex_text(clo_bytes(session->name, sizeof session->name), name);
    bool ok = clo_store_audit(broker->spec.store, decision, err);
    if (ok && broker->spec.on_decision != NULL)
        broker->spec.on_decision(broker->spec.context, decision);
    return ok;
}

/* A session that is not ours is no refusal: the guest begins anew. */
static bool get_session(const struct clo_broker *broker, const struct clo_broker_request *request,
                        struct clo_session *out, struct clo_error *err)
{
    if (request->cookie == NULL)
        return clo_fail(err, CLO_ERR_UNVERIFIED, "session: none was begun");
    return clo_session_get(broker->sessions, request->cookie, request->clock, out, err);
}

/* --- auth --- */

static bool auth(struct clo_broker *broker, const struct clo_broker_request *request,
                 struct clo_broker_answer *answer, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *body = NULL;
    struct clo_session session;
    const char *version;
    const char *tee;

    if (!clo_json_parse(request->body, &body, err) ||
        !clo_json_get_string(body, "version", &version, err) ||
        !clo_json_get_string(body, "tee", &tee, err))
        return clo_wrap(err, "auth");
    if (strlen(tee) > TEE_NAME_MAX)
        return clo_fail(err, CLO_ERR_FORMAT, "auth: tee: too long");
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
    if (releases && out->result.term_count < CLO_SESSION_TERMS_MAX)
        out->result.terms[out->result.term_count++] = terms->id;
    if (is_better(appraisal, releases, out)) {
        clo_appraisal_free(out->best);
        out->best = CLO_TAKE(appraisal);
        out->releases = releases;
    }
    return true;
}

static bool appraise_all(struct clo_broker *broker, const struct clo_evidence *evidence,
                         const struct clo_session *session, int64_t time, struct appraisals *out,
                         struct clo_error *err)
{
    CLO_CLEANUP(clo_endorsed_free) struct clo_endorsed endorsed = { .endorser = NULL };

    if (!clo_endorser_take(broker->spec.endorser, evidence, time, &endorsed, err))
        return false;
    for (int64_t after = 0;;) {
        CLO_CLEANUP(clo_terms_free) struct clo_terms terms = { 0 };
        if (!clo_store_next_terms(broker->spec.store, after, &terms, err))
            break;
        if (!appraise_against(&terms, evidence, &endorsed, session, time, out, err))
            return false;
        after = terms.id;
    }
    if (err->status != CLO_OK)
        return false;
    return out->tried > 0 || clo_fail(err, CLO_ERR_REFUSED, "no key is registered at this broker");
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
    appraisals->result.tee_pubkey = json_deep_copy(clo_appraisal_tee_pubkey(appraisals->best));
    return appraisals->result.tee_pubkey != NULL || clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
}

static bool give_result(struct clo_broker *broker, const struct clo_broker_request *request,
                        const struct clo_session *session, struct appraisals *appraisals,
                        struct clo_broker_answer *answer, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer token = { 0 };
    struct clo_audit decision = { .action = "attest",
                                  .verdict = appraisals->releases ? "affirming" : "refused",
                                  .tee = clo_appraisal_tee(appraisals->best),
                                  .detail = clo_appraisal_summary(appraisals->best) };
    struct clo_error refused;

    if (!decide(broker, request, session, &decision, err))
        return false;
    broker->counters[appraisals->releases ? ATTEST_AFFIRMING : ATTEST_REFUSED]++;
    if (!appraisals->releases) {
        if (clo_appraisal_status(appraisals->best) != CLO_CONTRAINDICATED &&
            !clo_appraisal_releases(appraisals->best, &refused))
            return clo_fail(err, CLO_ERR_REFUSED, "%s", refused.text);
        return clo_fail(err, CLO_ERR_REFUSED, "%s", decision.detail);
    }
    if (!sign_result(broker, request, session, appraisals, &token, err))
        return false;
    clo_session_keep(broker->sessions, session, &appraisals->result);
    const char *text = clo_buffer_string(&token);
    return answer_json(answer, "application/json",
                       text == NULL ? NULL : json_pack("{s:s}", "token", text), err);
}

static bool attest(struct clo_broker *broker, const struct clo_broker_request *request,
                   struct clo_broker_answer *answer, struct clo_error *err)
{
    CLO_CLEANUP(clo_evidence_freep) struct clo_evidence *evidence = NULL;
    CLO_CLEANUP(free_appraisals) struct appraisals appraisals = { 0 };
    struct clo_session session;

    if (!get_session(broker, request, &session, err))
        return false;
    /* Used up whatever comes of it: who fails begins anew. */
    if (!clo_session_use(broker->sessions, &session, request->clock, err)) {
        broker->counters[ATTEST_REFUSED]++;
        return false;
    }
    if (!read_evidence(request, &evidence, err) ||
        !appraise_all(broker, evidence, &session, request->time, &appraisals, err)) {
        struct clo_audit decision = { .action = "attest", .verdict = "refused", .tee = "" };
        struct clo_error why = *err;
        if (why.status == CLO_ERR_UNAVAILABLE)
            decision.verdict = "unavailable"; /* no decision: the guest comes again */
        broker->counters[ATTEST_MALFORMED]++;
        decision.detail = why.text;
        return decide(broker, request, &session, &decision, err)
                       ? clo_fail(err, why.status, "%s", why.text)
                       : false;
    }
    return give_result(broker, request, &session, &appraisals, answer, err);
}

/* --- resource --- */

/* A token is not needed beside the session, but a wrong one is somebody else's. */
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

static bool fulfils(const struct clo_session_result *result, int64_t terms)
{
    for (size_t i = 0; i < result->term_count; i++)
        if (result->terms[i] == terms)
            return true;
    return false;
}

static bool seal(struct clo_broker *broker, const struct clo_broker_request *request,
                 const struct clo_session_result *result, const char *path, json_t **jwe,
                 struct clo_error *err)
{
    CLO_CLEANUP(clo_secret_freep) struct clo_secret *secret = NULL;
    int64_t terms;

    if (!clo_store_path_check(path, err) || !check_token(request->authorization, result, err) ||
        !clo_store_get(broker->spec.store, path, &terms, &secret, err))
        return false;
    if (!fulfils(result, terms))
        return clo_fail(err, CLO_ERR_REFUSED, "resource \"%s\": is not for this image", path);
    return clo_generation_seal(broker->spec.store, path, secret, result->tee_pubkey, jwe, err);
}

static bool resource(struct clo_broker *broker, const struct clo_broker_request *request,
                     struct clo_broker_answer *answer, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *jwe = NULL;
    const char *path = request->path + strlen(RESOURCE_PREFIX);
    struct clo_session session;
    struct clo_error why = { 0 };

    if (!get_session(broker, request, &session, err))
        return false;
    const struct clo_session_result *result = clo_session_result(broker->sessions, &session);
    bool ok = result == NULL
                      ? clo_fail(&why, CLO_ERR_REFUSED, "session: nothing was attested in it")
                      : seal(broker, request, result, path, &jwe, &why);
    struct clo_audit decision = { .action = "release",
                                  .verdict = ok ? "released" : "refused",
                                  .tee = "",
                                  .resource = path,
                                  .detail = ok ? "" : why.text };
    if (!decide(broker, request, &session, &decision, err))
        return false;
    broker->counters[ok ? RESOURCE_RELEASED : RESOURCE_REFUSED]++;
    if (!ok)
        return clo_fail(err, why.status, "%s", why.text);
    clo_session_note_release(broker->sessions, &session, path);
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

static bool generation(struct clo_broker *broker, const struct clo_broker_request *request,
                       struct clo_broker_answer *answer, struct clo_error *err)
{
    char path[CLO_GENERATION_PATH];
    struct clo_session session;
    struct clo_error why = { 0 };
    char told[32];
    uint64_t value;

    if (!get_session(broker, request, &session, err) ||
        !clo_generation_parse(request->path, path, &value, err))
        return false;
    bool ok = raise_generation(broker, &session, path, value, &why);
    snprintf(told, sizeof told, "%llu", (unsigned long long)value);
    struct clo_audit decision = { .action = "generation",
                                  .verdict = ok ? "raised" : "refused",
                                  .tee = "",
                                  .resource = path,
                                  .detail = ok ? told : why.text };
    if (!decide(broker, request, &session, &decision, err))
        return false;
    broker->counters[ok ? GENERATION_RAISED : GENERATION_REFUSED]++;
    if (!ok)
        return clo_fail(err, why.status, "%s", why.text);
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
        [ATTEST_REFUSED] = "cloister_attest_total{result=\"refused\"}",
        [ATTEST_MALFORMED] = "cloister_attest_total{result=\"malformed\"}",
        [RESOURCE_RELEASED] = "cloister_resource_total{result=\"released\"}",
        [RESOURCE_REFUSED] = "cloister_resource_total{result=\"refused\"}",
        [GENERATION_RAISED] = "cloister_generation_total{result=\"raised\"}",
        [GENERATION_REFUSED] = "cloister_generation_total{result=\"refused\"}",
        [FAILURES] = "cloister_failures_total",
    };

    for (size_t i = 0; i < COUNTERS; i++)
        clo_buffer_printf(&answer->body, "%s %llu\n", names[i],
                          (unsigned long long)broker->counters[i]);
    clo_buffer_printf(&answer->body, "cloister_sessions_in_use %zu\n",
                      clo_sessions_in_use(broker->sessions));
    clo_endorser_metrics(broker->spec.endorser, request->time, &answer->body);
    answer->content_type = "text/plain; version=0.0.4";
    return clo_buffer_ok(&answer->body) || clo_fail(err, CLO_ERR_SYSTEM, "out of memory");
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
    return clo_fail(err, CLO_ERR_FORMAT, "no such request");
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
