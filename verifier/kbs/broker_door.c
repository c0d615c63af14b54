/* What the broker says to a request whose body is not read yet. */
#include <string.h>

#include "broker_internal.h"
#include "verifier/kbs/admin.h"
#include "verifier/store/generation.h"

#define SMALL_MAX 4096
#define OTHER_MAX 65536

/* Bodies that may follow; the first rule that fits decides, and one that none fits may have OTHER_MAX. */
static const struct {
    const char *method, *path;
    bool is_prefix, has_session, is_admins, is_challenge;
    size_t body_max;
} rules[] = {
    { "POST", "/kbs/v0/auth", .body_max = SMALL_MAX },
    { "POST", "/kbs/v0/attest", .has_session = true, .body_max = CLO_BROKER_BODY_MAX },
    { "POST", CLO_GENERATION_PREFIX, .is_prefix = true, .has_session = true,
      .body_max = SMALL_MAX },
    { "POST", BROKER_TAG_ERRORS_PREFIX, .is_prefix = true, .has_session = true,
      .body_max = SMALL_MAX },
    { "POST", BROKER_KEY_PREFIX, .is_prefix = true, .is_admins = true,
      .body_max = CLO_BROKER_BODY_MAX },
    { "POST", BROKER_CHALLENGE_NEW },
    { "POST", BROKER_CHALLENGE, .is_prefix = true, .is_challenge = true,
      .body_max = CLO_BROKER_BODY_MAX },
    { "GET", "/", .is_prefix = true },
    { "HEAD", "/", .is_prefix = true },
    { "DELETE", "/", .is_prefix = true }, /* kbs-client says no length */
};

static bool fits(size_t rule, const struct clo_broker_request *head)
{
    return strcmp(head->method, rules[rule].method) == 0 &&
           (rules[rule].is_prefix
                    ? strncmp(head->path, rules[rule].path, strlen(rules[rule].path)) == 0
                    : strcmp(head->path, rules[rule].path) == 0);
}

static bool refuse_session(const struct clo_broker_request *head, struct clo_broker_answer *answer)
{
    return strncmp(head->path, "/kbs/", 5) == 0 &&
           broker_refuse(answer, 401, BROKER_ERROR_ATTESTATION);
}

/* Nobody without a session of ours, or an administrator's right to it, makes us read more than a question; and one that has
 * sent too much junk, nothing. */
static bool admit(struct clo_broker *broker, const struct clo_broker_request *head,
                  size_t *body_max, struct clo_broker_answer *answer, struct clo_error *err)
{
    struct clo_session session;
    char role[CLO_ADMIN_ROLE];

    *body_max = OTHER_MAX;
    for (size_t i = 0; i < CLO_COUNT(rules); i++) {
        if (!fits(i, head))
            continue;
        *body_max = rules[i].body_max;
        if (rules[i].is_challenge)
            return broker_check_patience(broker, head, answer, err) &&
                   broker_challenge_session(broker, head, answer, &session, err);
        if (rules[i].is_admins)
            return broker_authorize(broker, head, answer, role, err);
        return !rules[i].has_session ||
               (broker_check_patience(broker, head, answer, err) &&
                (broker_get_session(broker, head, &session, err) || refuse_session(head, answer)));
    }
    return true;
}

bool clo_broker_admit(struct clo_broker *broker, const struct clo_broker_request *head,
                      size_t *body_max, struct clo_broker_answer *out)
{
    struct clo_broker_answer answer = { .status = 200 };
    struct clo_error err = { 0 };

    broker_enter(broker);
    bool ok = admit(broker, head, body_max, &answer, &err);
    if (!ok)
        broker_problem(broker, &answer, &err);
    broker_leave(broker);
    *out = answer;
    return ok;
}

void clo_broker_refuse(struct clo_broker *broker, const struct clo_broker_request *request,
                       unsigned status, const char *why, struct clo_broker_answer *out)
{
    struct clo_error ignored;

    *out = (struct clo_broker_answer){ .status = status };
    broker_enter(broker);
    if (status < 500)
        (void)broker_junk(broker, request, CLO_JUNK_MALFORMED);
    broker_leave(broker);
    if (!broker_json(out, "application/problem+json",
                     json_pack("{s:s, s:i, s:s}", "type", BROKER_PROBLEM_REFUSED, "status",
                               (int)status, "detail", why),
                     &ignored))
        clo_buffer_free(&out->body);
}
