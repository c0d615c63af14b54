/* Who asks: the session of a bearer token (the passport that an attestation gave), or of a cookie. */
#include "broker_internal.h"

#include <string.h>

#include "cloister/encoding.h"

#define BEARER_PREFIX "Bearer "
#define TOKEN_MAX     65536

/* Ours by its signature, before anything in it is looked at. */
static bool read_token(const struct clo_broker *broker, const char *token, int64_t time,
                       struct clo_buffer *name, int64_t *left, struct clo_error *err)
{
    CLO_CLEANUP(clo_json_freep) json_t *claims = NULL;
    uint64_t expires;

    if (strlen(token) > TOKEN_MAX)
        return clo_fail(err, CLO_ERR_REFUSED, "token: too long");
    if (!clo_jws_verify(clo_bytes_text(token), broker->token_public, &claims, err) ||
        !clo_json_get_u64(claims, "exp", &expires, err) ||
        !clo_json_get_bytes(claims, "jti", CLO_JSON_HEX, CLO_SESSION_NAME_SIZE, name, err))
        return clo_fail(err, CLO_ERR_REFUSED, "%s", err->text);
    if (name->size != CLO_SESSION_NAME_SIZE)
        return clo_fail(err, CLO_ERR_REFUSED, "token: not one of a session");
    if (expires > INT64_MAX || (int64_t)expires <= time)
        return clo_fail(err, CLO_ERR_REFUSED, "token: has expired");
    *left = (int64_t)expires - time;
    return true;
}

/* The token is the one that was given, bit for bit: what it says is believed of no other one. */
static bool find_session(struct clo_broker *broker, const char *token, int64_t time, int64_t clock,
                         struct clo_session *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer name = { 0 };
    struct clo_session session;
    int64_t left;

    broker_leave(broker);
    bool ok = read_token(broker, token, time, &name, &left, err);
    broker_enter(broker);
    if (!ok)
        return false;
    if (!clo_session_by_name(broker->sessions, name.data, clock, clock + left, &session))
        return clo_fail(err, CLO_ERR_REFUSED, "token: its session is not known any more");
    struct clo_session_result *shown = clo_session_result(broker->sessions, &session);
    if (!clo_bytes_equal_secret(clo_bytes_text(token), clo_buffer_bytes(&shown->token)))
        return clo_fail(err, CLO_ERR_REFUSED, "token: not the one that was given");
    *out = session;
    return true;
}

/* A cookie next to it is of the same session, if it is of any that still lasts. */
static bool check_cookie(struct clo_broker *broker, const struct clo_broker_request *request,
                         const struct clo_session *session, struct clo_error *err)
{
    struct clo_session other;
    struct clo_error ignored;

    return request->cookie == NULL ||
           !clo_session_get(broker->sessions, request->cookie, request->clock, &other, &ignored) ||
           memcmp(other.name, session->name, sizeof other.name) == 0 ||
           clo_fail(err, CLO_ERR_REFUSED, "token: not the one of this session");
}

/* The cookie is enough by itself. A token next to it that is the one its session was given, bit for bit, needs no signature to be known. */
static bool is_of_cookie(struct clo_broker *broker, const struct clo_broker_request *request,
                         const char *token, struct clo_session *out)
{
    const struct clo_session_result *shown;
    struct clo_error ignored;

    if (request->cookie == NULL ||
        !clo_session_get(broker->sessions, request->cookie, request->clock, out, &ignored) ||
        out->agreed.version >= CLO_SESSION_CHALLENGE)
        return false;
    shown = clo_session_result(broker->sessions, out);
    return shown != NULL && shown->token.size > 0 &&
           clo_bytes_equal_secret(clo_bytes_text(token), clo_buffer_bytes(&shown->token));
}

bool broker_identify(struct clo_broker *broker, const struct clo_broker_request *request,
                     struct clo_broker_answer *answer, struct clo_session *out,
                     struct clo_error *err)
{
    const char *authorization = request->authorization;
    bool is_bearer = authorization != NULL &&
                     strncasecmp(authorization, BEARER_PREFIX, strlen(BEARER_PREFIX)) == 0;
    bool ok;

    if (authorization == NULL)
        return broker_get_session(broker, request, out, err) ||
               broker_refuse(answer, 401, BROKER_ERROR_NO_TOKEN);
    if (is_bearer && is_of_cookie(broker, request, authorization + strlen(BEARER_PREFIX), out))
        return true;
    if (!is_bearer)
        ok = clo_fail(err, CLO_ERR_REFUSED, "authorization: not a bearer token");
    else
        ok = find_session(broker, authorization + strlen(BEARER_PREFIX), request->time,
                          request->clock, out, err) &&
             check_cookie(broker, request, out, err);
    if (ok)
        return true;
    broker_refuse(answer, 401, BROKER_ERROR_TOKEN);
    return broker_junk(broker, request, CLO_JUNK_SESSION);
}
