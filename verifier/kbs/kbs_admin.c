/* Trustee's admin API, for those whom the owner has named (verifier/kbs/admin.h):
 *
 *   POST, DELETE /kbs/v0/resource/R/T/N    a secret, under the policy of the owner's file
 *   …/resource-policy, …/attestation-policy, …/reference-value
 *
 * Policies and reference values are Cloister's here: they are read where the broker is, and refused over the network. */
#include "broker_internal.h"

#include <stdio.h>
#include <string.h>

#include "verifier/kbs/admin.h"

#define BEARER_PREFIX "Bearer "

static bool check_subject(const struct clo_admin *admin, const struct clo_broker_request *request,
                          char *role, struct clo_error *err)
{
    if (request->subject_counts != NULL && !request->subject_counts(request->connection))
        return clo_fail(err, CLO_ERR_REFUSED,
                        "the certificate of this connection counts no more: connect again");
    return clo_admin_check_subject(admin, request->subject, request->path, role, err);
}

static bool check_by(struct clo_broker *broker, struct clo_admin *admin,
                     const struct clo_broker_request *request, char *role, struct clo_error *err)
{
    const char *authorization = request->authorization;

    if (admin == NULL)
        return clo_fail(err, CLO_ERR_REFUSED, "this broker is not administered over the network");
    if (authorization == NULL && request->subject != NULL)
        return check_subject(admin, request, role, err);
    if (authorization == NULL ||
        strncasecmp(authorization, BEARER_PREFIX, strlen(BEARER_PREFIX)) != 0)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "an administrator's bearer token or certificate is needed");
    broker_leave(broker);
    bool ok = clo_admin_check(admin, authorization + strlen(BEARER_PREFIX), request->time,
                              request->path, role, err);
    broker_enter(broker);
    return ok;
}

/* By the file that is in force when this returns; until the broker is left, no other one can be. */
static bool check(struct clo_broker *broker, const struct clo_broker_request *request, char *role,
                  struct clo_error *err)
{
    for (;;) {
        CLO_CLEANUP(clo_admin_freep) struct clo_admin *admin = clo_admin_use(broker->spec.admin);
        bool ok = check_by(broker, admin, request, role, err);
        if (admin == broker->spec.admin)
            return ok;
    }
}

bool broker_authorize(struct clo_broker *broker, const struct clo_broker_request *request,
                      struct clo_broker_answer *answer, char *role, struct clo_error *err)
{
    if (!broker_check_patience(broker, request, answer, err))
        return false;
    if (check(broker, request, role, err))
        return true;
    broker_refuse(answer, 401, BROKER_ERROR_ADMIN);
    return broker_junk(broker, request, CLO_JUNK_SESSION);
}

bool broker_settle_admin(struct clo_broker *broker, const struct clo_broker_request *request,
                         const struct broker_change *change, struct clo_error *err)
{
    bool by_certificate = request->authorization == NULL && request->subject != NULL;
    bool is_machine = change->machine != NULL;
    bool is_older = change->why_older != NULL && *change->why_older != '\0';
    char detail[CLO_ADMIN_ROLE + 512];

    snprintf(detail, sizeof detail, "%.64s%sby an administrator (%s%s%.128s)%s%s",
             is_machine ? change->machine : "", is_machine ? ", " : "", change->role,
             by_certificate ? ", " : "", by_certificate ? request->subject : "",
             is_older ? ", older versions accepted: " : "", is_older ? change->why_older : "");
    const struct clo_audit row = { .action = "admin",
                                   .verdict = change->verdict,
                                   .tee = "",
                                   .resource = change->path,
                                   .detail = detail };
    return broker_settle(broker, request, NULL, true, &row, NULL, err);
}

/* What is there was put under terms of its own: it is not changed to other terms by the way. */
static bool set_resource(struct clo_broker *broker, const struct clo_broker_request *request,
                         const char *path, struct clo_error *err)
{
    CLO_CLEANUP(clo_store_resource_free) struct clo_store_resource there = { 0 };
    const struct clo_store_entry entry = { .path = path,
                                           .secret = request->body,
                                           .policy = clo_admin_policy(broker->spec.admin),
                                           .is_shared = true,
                                           .any_releases = true,
                                           .now = request->time };
    struct clo_error ignored;

    if (entry.policy.size == 0)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "the owner's file has no \"policy\" that resources set here are under");
    if (clo_store_get(broker->spec.store, path, &there, &ignored))
        return clo_fail(err, CLO_ERR_REFUSED, "resource \"%s\": is there; delete it first", path);
    return ignored.status == CLO_ERR_REFUSED ? clo_store_put(broker->spec.store, &entry, err)
                                             : clo_fail(err, ignored.status, "%s", ignored.text);
}

/* The change and its row in one piece: neither is there without the other. */
static bool change_resource(struct clo_broker *broker, const struct clo_broker_request *request,
                            const char *path, const char *role, struct clo_broker_answer *answer,
                            struct clo_error *err)
{
    bool is_set = strcmp(request->method, "POST") == 0;
    const struct broker_change change = { .verdict = is_set ? "set" : "removed",
                                          .path = path,
                                          .role = role };
    struct clo_error ignored;

    if (!clo_store_begin(broker->spec.store, err))
        return false;
    if (is_set ? set_resource(broker, request, path, err)
               : clo_store_remove(broker->spec.store, path, err))
        return broker_settle_admin(broker, request, &change, err);
    (void)!clo_store_end(broker->spec.store, false, &ignored);
    return broker_refuse(answer, is_set ? 403 : 404, BROKER_ERROR_PLUGIN);
}

bool broker_admin_resource(struct clo_broker *broker, const struct clo_broker_request *request,
                           struct clo_broker_answer *answer, struct clo_error *err)
{
    const char *path = request->path + strlen(BROKER_RESOURCE_PREFIX);
    char role[CLO_ADMIN_ROLE];

    if (!broker_authorize(broker, request, answer, role, err))
        return false;
    if (!clo_resource_check(path, err))
        return broker_refuse(answer, 401, BROKER_ERROR_PLUGIN);
    answer->content_type = "text/plain";
    return change_resource(broker, request, path, role, answer, err);
}

bool broker_admin_policy(struct clo_broker *broker, const struct clo_broker_request *request,
                         struct clo_broker_answer *answer, struct clo_error *err)
{
    char role[CLO_ADMIN_ROLE];

    if (!broker_authorize(broker, request, answer, role, err))
        return false;
    if (strcmp(request->method, "GET") == 0)
        return broker_json(answer, "application/json", json_array(), err);
    broker_refuse(answer, 403, BROKER_ERROR_POLICY);
    return clo_fail(
            err, CLO_ERR_REFUSED,
            "policies and reference values are Cloister's, and put with 'cloister key put'");
}
