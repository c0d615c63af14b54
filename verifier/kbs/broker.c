#include "broker_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verifier/kbs/admin.h"
#include "verifier/store/generation.h"

#define ERROR_PREFIX "https://github.com/confidential-containers/kbs/errors/"

static bool open_token_key(struct clo_broker *broker, struct clo_error *err)
{
    bool is_p384 = broker->spec.signs_es384;

    return clo_store_key(broker->spec.store,
                         is_p384 ? CLO_BROKER_TOKEN_KEY_ES384 : CLO_BROKER_TOKEN_KEY,
                         is_p384 ? CLO_KEY_P384 : CLO_KEY_P256, &broker->token_key, err) &&
           clo_private_key_public(broker->token_key, &broker->token_public, err) &&
           clo_jwk_thumbprint(broker->token_public, broker->token_key_id, err);
}

bool clo_broker_new(const struct clo_broker_spec *spec, struct clo_broker **out,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_broker_freep) struct clo_broker *broker = calloc(1, sizeof *broker);

    if (broker == NULL)
        return clo_out_of_memory(err);
    broker->spec = *spec;
    broker->spec.admin = clo_admin_use(spec->admin);
    pthread_mutex_init(&broker->lock, NULL);
    broker->next_line = &broker->first_line;
    if (!clo_sessions_new(spec->random, spec->nonce_seconds, CLO_BROKER_SESSION_MAX,
                          &broker->sessions, err) ||
        !clo_sessions_share(broker->sessions, spec->store, spec->clock, err) ||
        !clo_store_audit_sign(spec->store, err) ||
        !clo_junk_new(spec->random, &broker->junk, err) ||
        !clo_term_book_new(spec->store, 0, &broker->book, err) ||
        !clo_term_book_open(broker->book, err) || !open_token_key(broker, err) ||
        !broker_status_page_open(broker, err))
        return false;
    *out = CLO_TAKE(broker);
    return true;
}

void clo_broker_free(struct clo_broker *broker)
{
    if (broker == NULL)
        return;
    broker_free_lines(broker);
    clo_sessions_free(broker->sessions);
    clo_private_key_free(broker->token_key);
    clo_public_key_free(broker->token_public);
    clo_junk_free(broker->junk);
    clo_term_book_free(broker->book);
    clo_admin_free(broker->spec.admin);
    pthread_mutex_destroy(&broker->lock);
    free(broker);
}

void clo_broker_freep(struct clo_broker **broker)
{
    clo_broker_free(*broker);
    *broker = NULL;
}

void clo_broker_set_admin(struct clo_broker *broker, struct clo_admin *admin)
{
    broker_enter(broker);
    struct clo_admin *before = broker->spec.admin;
    broker->spec.admin = clo_admin_use(admin);
    broker_leave(broker);
    clo_admin_free(before);
}

void clo_broker_wait(struct clo_broker *broker)
{
    broker_enter(broker);
    broker_leave(broker);
}

void clo_broker_answer_free(struct clo_broker_answer *answer)
{
    clo_buffer_free(&answer->body);
    *answer = (struct clo_broker_answer){ 0 };
}

void broker_enter(struct clo_broker *broker)
{
    pthread_mutex_lock(&broker->lock);
}

void broker_leave(struct clo_broker *broker)
{
    pthread_mutex_unlock(&broker->lock);
}

/* --- Answers --- */

void broker_failed(const struct clo_broker *broker, const struct clo_error *why)
{
    if (broker->spec.on_failure != NULL)
        broker->spec.on_failure(broker->spec.context, why);
}

bool broker_json(struct clo_broker_answer *answer, const char *content_type, json_t *json,
                 struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *owned = json;

    if (owned == NULL)
        return clo_out_of_memory(err);
    answer->content_type = content_type;
    return clo_json_write(owned, &answer->body, err);
}

unsigned broker_http_status(enum clo_status status)
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

bool broker_refuse(struct clo_broker_answer *answer, unsigned status, const char *error)
{
    answer->status = status;
    answer->error = error;
    return false;
}

/* An answer of 429 stays one, and so does what an endpoint has chosen, but not where no decision could be made. */
static unsigned status_of(const struct clo_broker_answer *answer, const struct clo_error *why)
{
    unsigned status = broker_http_status(why->status);

    if (answer->status == 200 || (status >= 500 && answer->status != 429))
        return status;
    return answer->status;
}

static json_t *problem(const struct clo_broker_answer *answer, unsigned status, bool is_session,
                       const char *detail)
{
    char type[128];
    const char *own = is_session ? CLO_KBS_PROBLEM_SESSION : BROKER_PROBLEM_REFUSED;

    snprintf(type, sizeof type, ERROR_PREFIX "%s", answer->error == NULL ? "" : answer->error);
    return json_pack("{s:s, s:i, s:s, s:s}", "type", answer->error == NULL ? own : type, "status",
                     (int)status, "detail", detail, "problem", own);
}

/* What went wrong in here is for the log, not for the client. */
void broker_problem(struct clo_broker *broker, struct clo_broker_answer *answer,
                    const struct clo_error *why)
{
    unsigned status = status_of(answer, why);
    const char *detail = status == 500 ? "the broker itself failed" : why->text;
    struct clo_broker_answer refusal = { .status = status, .error = answer->error };
    struct clo_error ignored;

    if (status == 500) {
        broker->counters[FAILURES]++;
        broker_failed(broker, why);
    }
    clo_broker_answer_free(answer);
    *answer = refusal;
    if (!broker_json(answer, "application/problem+json",
                     problem(answer, status, why->status == CLO_ERR_UNVERIFIED, detail), &ignored))
        clo_buffer_free(&answer->body); /* the status says enough */
}

/* --- Routes --- */

#define KBS_PREFIX "/kbs/v0/"

/* What is said there follows from no decision; everything else waits for those that were made, of other requests too. */
static bool depends_on_decisions(const char *path)
{
    static const char *const others[] = { KBS_PREFIX "auth", "/healthz", "/metrics",
                                          BROKER_JWKS_PATH, "/" };

    for (size_t i = 0; i < CLO_COUNT(others); i++)
        if (strcmp(path, others[i]) == 0)
            return false;
    return true;
}

/* `error`: by which of Trustee's names a refusal is answered where the endpoint chooses none, and with 401, which tells
 * its clients that they are to read on; NULL: with statuses of our own. */
static const struct route {
    const char *method, *path;
    bool is_prefix;
    bool (*handle)(struct clo_broker *broker, const struct clo_broker_request *request,
                   struct clo_broker_answer *answer, struct clo_error *err);
    const char *error;
    const char *accept; /* for those alone who ask for this; NULL: for all */
} routes[] = {
    { "POST", KBS_PREFIX "auth", false, broker_auth, BROKER_ERROR_ATTESTATION },
    { "POST", KBS_PREFIX "attest", false, broker_attest, BROKER_ERROR_ATTESTATION },
    { "GET", BROKER_RESOURCE_PREFIX, true, broker_resource, NULL },
    { "POST", BROKER_RESOURCE_PREFIX, true, broker_admin_resource, NULL },
    { "DELETE", BROKER_RESOURCE_PREFIX, true, broker_admin_resource, NULL },
    { "GET", KBS_PREFIX "resource-policy", false, broker_admin_policy, NULL },
    { "POST", KBS_PREFIX "resource-policy", false, broker_admin_policy, NULL },
    { "POST", KBS_PREFIX "attestation-policy", false, broker_admin_policy, NULL },
    { "GET", KBS_PREFIX "reference-value", true, broker_admin_policy, NULL },
    { "POST", KBS_PREFIX "reference-value", false, broker_admin_policy, NULL },
    { "POST", BROKER_KEY_PREFIX, true, broker_key, NULL },
    { "POST", CLO_GENERATION_PREFIX, true, broker_generation, NULL },
    { "POST", BROKER_TAG_ERRORS_PREFIX, true, broker_tag_errors, NULL },
    { "POST", BROKER_CHALLENGE_NEW, false, broker_challenge_new, NULL },
    { "POST", BROKER_CHALLENGE, true, broker_challenge, NULL },
    { "GET", BROKER_CHALLENGE, true, broker_challenge, NULL },
    { "DELETE", BROKER_CHALLENGE, true, broker_challenge, NULL },
    { "GET", BROKER_JWKS_PATH, false, broker_jwks, NULL },
    { "GET", BROKER_OPENID_PATH, false, broker_openid, NULL },
    { "GET", BROKER_VERAISON_PATH, false, broker_veraison, NULL },
    { "GET", "/", false, broker_status_page, NULL, "text/html" },
    { "GET", "/healthz", false, broker_health, NULL },
    { "GET", "/metrics", false, broker_metrics, NULL },
};

static bool matches(const struct route *route, const struct clo_broker_request *request)
{
    bool is_asked_for = route->accept == NULL ||
                        (request->accept != NULL && strstr(request->accept, route->accept) != NULL);

    return is_asked_for && strcmp(route->method, request->method) == 0 &&
           (route->is_prefix ? strncmp(request->path, route->path, strlen(route->path)) == 0
                             : strcmp(request->path, route->path) == 0);
}

/* To Trustee's clients a path that is not known is a plug-in that is not there. */
static bool no_route(struct clo_broker *broker, const struct clo_broker_request *request,
                     struct clo_broker_answer *answer, struct clo_error *err)
{
    bool is_kbs = strncmp(request->path, KBS_PREFIX, strlen(KBS_PREFIX)) == 0;
    const char *plugin = request->path + strlen(KBS_PREFIX);

    broker_refuse(answer, 404, is_kbs ? BROKER_ERROR_NO_PLUGIN : BROKER_ERROR_PATH);
    if (is_kbs)
        clo_fail(err, CLO_ERR_FORMAT, "Plugin %.*s not found", (int)strcspn(plugin, "/"), plugin);
    else
        clo_fail(err, CLO_ERR_FORMAT, "no such request");
    return broker_junk(broker, request, CLO_JUNK_MALFORMED);
}

static bool route(struct clo_broker *broker, const struct clo_broker_request *request,
                  struct clo_broker_answer *answer, struct clo_error *err)
{
    for (size_t i = 0; i < CLO_COUNT(routes); i++) {
        if (!matches(&routes[i], request))
            continue;
        if (routes[i].handle(broker, request, answer, err))
            return true;
        if (routes[i].error != NULL && answer->error == NULL && answer->status == 200)
            broker_refuse(answer, 401, routes[i].error);
        return false;
    }
    return no_route(broker, request, answer, err);
}

void clo_broker_answer(struct clo_broker *broker, const struct clo_broker_request *request,
                       struct clo_broker_answer *out)
{
    struct clo_broker_answer answer = { .status = 200, .content_type = "application/json" };
    struct clo_error err = { 0 };

    broker_enter(broker);
    if (!route(broker, request, &answer, &err))
        broker_problem(broker, &answer, &err);
    if (depends_on_decisions(request->path))
        answer.mark = clo_store_mark(broker->spec.store);
    broker_leave(broker);
    *out = answer;
}
