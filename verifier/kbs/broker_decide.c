/* Decisions, which are written down before they are told; junk, which is counted; and what a session may still ask. */
#include "broker_internal.h"

#include <stdio.h>
#include <string.h>

#include "cloister/encoding.h"

#define REFUSAL_ROWS 4  /* of one session; the others are counted */
#define REFUSALS_MAX 32 /* after so many it has to begin anew */
#define TOLD_MAX     8  /* a boot has two things to tell */

/* --- Decisions: written down before they are told --- */

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
    out->vm = decision->vm == NULL ? (struct clo_audit_vm){ 0 } : *decision->vm;
    snprintf(out->vm.address, sizeof out->vm.address, "%s", broker_peer(request));
    clo_sanitize(out->vm.address);
    clo_sanitize(out->vm.image);
    out->audit.vm = &out->vm;
    if (decision->resource == NULL)
        return;
    snprintf(out->resource, sizeof out->resource, "%s", decision->resource);
    clo_sanitize(out->resource);
    out->audit.resource = out->resource;
}

bool broker_decide_attested(struct clo_broker *broker, const struct clo_broker_request *request,
                            const struct clo_session *session, const struct clo_audit *decision,
                            const struct clo_session_result *shown, struct clo_error *err)
{
    struct clo_store *store = broker->spec.store;
    struct clean_decision cleaned;

    clean(request, session, decision, &cleaned);
    if (!clo_store_begin(store, err) ||
        !clo_store_end(store,
                       clo_session_settle(broker->sessions, session, shown, err) &&
                               clo_store_audit(store, &cleaned.audit, err),
                       err))
        return false;
    broker_tell(broker, &cleaned);
    return true;
}

bool broker_decide(struct clo_broker *broker, const struct clo_broker_request *request,
                   const struct clo_session *session, const struct clo_audit *decision,
                   struct clo_error *err)
{
    struct clean_decision cleaned;

    clean(request, session, decision, &cleaned);
    if (!clo_store_audit(broker->spec.store, &cleaned.audit, err))
        return false;
    broker_tell(broker, &cleaned);
    return true;
}

/* --- Junk: counted, and written down once a minute --- */

const char *broker_peer(const struct clo_broker_request *request)
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
    if (broker_decide(broker, &request, NULL, &row, &err))
        clo_junk_told(broker->junk, clock);
    else
        broker_failed(broker, &err);
}

/* Returns false, like clo_fail(): `err` stays what it is. */
bool broker_junk(struct clo_broker *broker, const struct clo_broker_request *request,
                 enum clo_junk_kind kind)
{
    clo_junk_count(broker->junk, kind, broker_peer(request), request->time, request->clock);
    report_junk(broker, request->time, request->clock, false);
    return false;
}

void clo_broker_tick(struct clo_broker *broker, int64_t time, int64_t clock, bool is_last)
{
    struct clo_error err;

    broker_enter(broker);
    report_junk(broker, time, clock, is_last);
    if (is_last && !clo_store_audit_checkpoint(broker->spec.store, time, &err))
        broker_failed(broker, &err);
    broker_leave(broker);
}

/* Asked before anything is done that costs more than it costs to ask. */
bool broker_check_patience(struct clo_broker *broker, const struct clo_broker_request *request,
                           struct clo_broker_answer *answer, struct clo_error *err)
{
    if (clo_junk_may_ask(broker->junk, broker_peer(request), request->clock))
        return true;
    answer->status = 429;
    clo_fail(err, CLO_ERR_UNAVAILABLE,
             "too many requests from this address that proved nothing; wait");
    return broker_junk(broker, request, CLO_JUNK_LIMITED);
}

/* A session that is not ours is not a refusal: the guest begins anew. */
bool broker_get_session(struct clo_broker *broker, const struct clo_broker_request *request,
                        struct clo_session *out, struct clo_error *err)
{
    bool ok = request->cookie == NULL ? clo_fail(err, CLO_ERR_UNVERIFIED, "session: none was begun")
                                      : clo_session_get(broker->sessions, request->cookie,
                                                        request->clock, out, err);

    if (ok && out->agreed.version >= CLO_SESSION_CHALLENGE)
        ok = clo_fail(err, CLO_ERR_UNVERIFIED, "session: of another protocol");

    return ok || broker_junk(broker, request, CLO_JUNK_SESSION);
}

/* --- Within a session --- */

/* The first refusals of a session have rows of their own, so that the owner sees what was tried; one that goes on is
 * counted. */
static bool tell_refusal(struct clo_broker *broker, const struct clo_broker_request *request,
                         const struct clo_session *session, const struct clo_audit *row,
                         struct clo_error *err)
{
    const struct clo_session_result *shown = clo_session_result(broker->sessions, session);

    if (shown == NULL || shown->refusals < REFUSAL_ROWS)
        return broker_decide(broker, request, session, row, err);
    (void)broker_junk(broker, request, CLO_JUNK_REPEATED);
    return true;
}

/* Ends what clo_store_begin() began: a decision with its row in one piece, or a refusal, of which nothing stays but the
 * row. It may be told once this returns true. */
bool broker_settle(struct clo_broker *broker, const struct clo_broker_request *request,
                   const struct clo_session *session, bool decided, const struct clo_audit *row,
                   const struct clo_error *why, struct clo_error *err)
{
    struct clo_store *store = broker->spec.store;
    struct clean_decision cleaned;
    struct clo_error ignored;

    if (!decided) {
        (void)!clo_store_end(store, false, &ignored);
        if (broker_http_status(why->status) == 500)
            return clo_fail(err, why->status, "%s", why->text);
        return tell_refusal(broker, request, session, row, err);
    }
    clean(request, session, row, &cleaned);
    if (!clo_store_end(store, clo_store_audit(store, &cleaned.audit, err), err))
        return false;
    broker_tell(broker, &cleaned);
    return true;
}

/* What the session has shown, of which its refusals are a part: they have an end. */
struct clo_session_result *broker_get_shown(struct clo_broker *broker,
                                            const struct clo_broker_request *request,
                                            const struct clo_session *session,
                                            struct clo_error *err)
{
    struct clo_session_result *shown = clo_session_result(broker->sessions, session);

    if (shown == NULL) {
        clo_fail(err, CLO_ERR_REFUSED, "session: nothing was attested in it");
        (void)broker_junk(broker, request, CLO_JUNK_SESSION);
        return NULL;
    }
    if (shown->refusals == REFUSALS_MAX) {
        clo_fail(err, CLO_ERR_REFUSED, "session: too many refusals in it");
        (void)broker_junk(broker, request, CLO_JUNK_LIMITED);
        return NULL;
    }
    return shown;
}

static bool may_tell(struct clo_broker *broker, const struct clo_broker_request *request,
                     struct clo_session_result *shown, struct clo_error *err)
{
    if (shown->told == TOLD_MAX) {
        clo_fail(err, CLO_ERR_REFUSED, "session: has told all that one may");
        return broker_junk(broker, request, CLO_JUNK_LIMITED);
    }
    shown->told++;
    return true;
}

static bool check_word(struct clo_broker *broker, const struct clo_session *session,
                       const struct broker_word *word, struct clo_error *err)
{
    if (!clo_session_released(broker->sessions, session, word->path))
        return clo_fail(err, CLO_ERR_REFUSED, "resource \"%s\": was not released in this session",
                        word->path);
    return word->take == NULL || word->take(broker->spec.store, word, err);
}

static bool decide_word(struct clo_broker *broker, const struct clo_broker_request *request,
                        const struct clo_session *session, const struct broker_word *word,
                        struct clo_error *err)
{
    struct clo_error why = { 0 };

    if (!clo_store_begin(broker->spec.store, err))
        return false;
    bool ok = check_word(broker, session, word, &why);
    const struct clo_audit row = { .action = word->action,
                                   .verdict = ok ? word->verdict : "refused",
                                   .tee = "",
                                   .resource = word->path,
                                   .detail = ok ? word->told : why.text };
    if (!broker_settle(broker, request, session, ok, &row, &why, err))
        return false;
    broker->counters[ok ? word->taken : word->refused]++;
    return ok || clo_fail(err, why.status, "%s", why.text);
}

bool broker_take_word(struct clo_broker *broker, const struct clo_broker_request *request,
                      const struct clo_session *session, struct clo_session_result *shown,
                      const struct broker_word *word, struct clo_error *err)
{
    if (!may_tell(broker, request, shown, err))
        return false;
    if (decide_word(broker, request, session, word, err))
        return true;
    shown->refusals++;
    return false;
}
