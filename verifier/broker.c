#include "broker_internal.h"

#include <stdlib.h>
#include <string.h>

#include "verifier/generation.h"

bool clo_broker_new(const struct clo_broker_spec *spec, struct clo_broker **out,
                    struct clo_error *err)
{
    CLO_CLEANUP(clo_broker_freep) struct clo_broker *broker = calloc(1, sizeof *broker);

    if (broker == NULL)
        return clo_out_of_memory(err);
    broker->spec = *spec;
    pthread_mutex_init(&broker->lock, NULL);
    if (!clo_sessions_new(spec->random, spec->nonce_seconds, CLO_BROKER_SESSION_MAX,
                          &broker->sessions, err) ||
        !clo_sessions_share(broker->sessions, spec->store, spec->clock, err) ||
        !clo_store_audit_sign(spec->store, err) ||
        !clo_junk_new(spec->random, &broker->junk, err) ||
        !clo_term_book_new(spec->store, 0, &broker->book, err) ||
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
    clo_term_book_free(broker->book);
    pthread_mutex_destroy(&broker->lock);
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

/* What went wrong in here is for the log, not for the client. */
void broker_problem(struct clo_broker *broker, struct clo_broker_answer *answer,
                    const struct clo_error *why)
{
    unsigned status = broker_http_status(why->status);
    bool is_session = why->status == CLO_ERR_UNVERIFIED;
    const char *detail = status == 500 ? "the broker itself failed" : why->text;
    struct clo_error ignored;

    if (answer->status == 429)
        status = 429;
    if (status == 500) {
        broker->counters[FAILURES]++;
        broker_failed(broker, why);
    }
    clo_broker_answer_free(answer);
    answer->status = status;
    if (!broker_json(answer, "application/problem+json",
                     json_pack("{s:s, s:i, s:s}", "type",
                               is_session ? CLO_KBS_PROBLEM_SESSION : BROKER_PROBLEM_REFUSED,
                               "status", (int)status, "detail", detail),
                     &ignored))
        clo_buffer_free(&answer->body); /* the status says enough */
}

/* --- Routes --- */
static bool route(struct clo_broker *broker, const struct clo_broker_request *request,
                  struct clo_broker_answer *answer, struct clo_error *err)
{
    bool is_get = strcmp(request->method, "GET") == 0;
    bool is_post = strcmp(request->method, "POST") == 0;

    if (is_post && strcmp(request->path, "/kbs/v0/auth") == 0)
        return broker_auth(broker, request, answer, err);
    if (is_post && strcmp(request->path, "/kbs/v0/attest") == 0)
        return broker_attest(broker, request, answer, err);
    if (is_get &&
        strncmp(request->path, BROKER_RESOURCE_PREFIX, strlen(BROKER_RESOURCE_PREFIX)) == 0)
        return broker_resource(broker, request, answer, err);
    if (is_post &&
        strncmp(request->path, CLO_GENERATION_PREFIX, strlen(CLO_GENERATION_PREFIX)) == 0)
        return broker_generation(broker, request, answer, err);
    if (is_get && strcmp(request->path, "/healthz") == 0)
        return broker_health(broker, request, answer, err);
    if (is_get && strcmp(request->path, "/metrics") == 0)
        return broker_metrics(broker, request, answer, err);
    clo_fail(err, CLO_ERR_FORMAT, "no such request");
    return broker_junk(broker, request, CLO_JUNK_MALFORMED);
}

void clo_broker_answer(struct clo_broker *broker, const struct clo_broker_request *request,
                       struct clo_broker_answer *out)
{
    struct clo_broker_answer answer = { .status = 200, .content_type = "application/json" };
    struct clo_error err = { 0 };

    broker_enter(broker);
    if (!route(broker, request, &answer, &err))
        broker_problem(broker, &answer, &err);
    broker_leave(broker);
    *out = answer;
}
