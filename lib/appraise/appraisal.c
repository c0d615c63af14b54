/* What an appraisal says to those who ask it. */
#include <stdlib.h>

#include "appraise_internal.h"

static const char *const status_names[] = {
    [CLO_AFFIRMING] = "affirming",
    [CLO_WARNING] = "warning",
    [CLO_CONTRAINDICATED] = "contraindicated",
};

const char *clo_appraisal_status_name(enum clo_appraisal_status status)
{
    return status_names[status];
}

void clo_appraisal_free(struct clo_appraisal *appraisal)
{
    if (appraisal == NULL)
        return;
    clo_checks_free(&appraisal->checks);
    json_decref(appraisal->claims);
    json_decref(appraisal->tee_pubkey);
    json_decref(appraisal->provenance);
    free(appraisal);
}

void clo_appraisal_freep(struct clo_appraisal **appraisal)
{
    clo_appraisal_free(*appraisal);
    *appraisal = NULL;
}

enum clo_appraisal_status clo_appraisal_status(const struct clo_appraisal *appraisal)
{
    return appraisal->status;
}

const char *clo_appraisal_tee(const struct clo_appraisal *appraisal)
{
    return appraisal->tee;
}

const struct clo_checks *clo_appraisal_checks(const struct clo_appraisal *appraisal)
{
    return &appraisal->checks;
}

size_t clo_appraisal_warning_count(const struct clo_appraisal *appraisal)
{
    return appraisal->warning_count;
}

const char *clo_appraisal_warning(const struct clo_appraisal *appraisal, size_t index)
{
    return index < appraisal->warning_count ? appraisal->warnings[index] : NULL;
}

const json_t *clo_appraisal_claims(const struct clo_appraisal *appraisal)
{
    return appraisal->claims;
}

const char *clo_appraisal_policy_name(const struct clo_appraisal *appraisal)
{
    return appraisal->has_policy ? appraisal->policy_name : NULL;
}

const struct clo_digest *clo_appraisal_policy_fingerprint(const struct clo_appraisal *appraisal)
{
    return appraisal->has_policy ? &appraisal->policy_fingerprint : NULL;
}

const char *clo_appraisal_summary(const struct clo_appraisal *appraisal)
{
    return appraisal->summary;
}

const json_t *clo_appraisal_tee_pubkey(const struct clo_appraisal *appraisal)
{
    return appraisal->binds_pubkey ? appraisal->tee_pubkey : NULL;
}

bool clo_appraisal_is_authentic(const struct clo_appraisal *appraisal)
{
    return appraisal->is_verified && appraisal->binds_pubkey && appraisal->matches_nonce;
}

const char *clo_appraisal_resource(const struct clo_appraisal *appraisal)
{
    return appraisal->binds_pubkey && appraisal->resource[0] != '\0' ? appraisal->resource : NULL;
}

const struct clo_instances *clo_appraisal_instances(const struct clo_appraisal *appraisal)
{
    return &appraisal->instances;
}

const struct clo_holder *clo_appraisal_holder(const struct clo_appraisal *appraisal)
{
    return &appraisal->holder;
}

bool clo_appraisal_releases(const struct clo_appraisal *appraisal, struct clo_error *err)
{
    if (appraisal->status == CLO_CONTRAINDICATED)
        return clo_fail(err, CLO_ERR_REFUSED, "%s", appraisal->summary);
    if (!appraisal->has_policy || appraisal->has_strict_policy)
        return clo_fail(err, CLO_ERR_REFUSED,
                        "nothing is released without a policy of the owner's own");
    if (!appraisal->matches_nonce || !appraisal->is_fresh)
        return clo_fail(err, CLO_ERR_REFUSED, "the evidence does not hold a nonce of ours");
    if (appraisal->is_tcb_left_out)
        return clo_fail(err, CLO_ERR_REFUSED, "%s", appraisal->summary);
    /* The one warning that does not withhold: the owner has said why what is open may be. */
    if (appraisal->open_count > 0 && !appraisal->accepts_weak)
        return clo_fail(err, CLO_ERR_REFUSED, "%s is not pinned: %s", appraisal->open[0].aspect,
                        appraisal->open[0].why);
    if (appraisal->status != CLO_AFFIRMING && appraisal->open_count == 0)
        return clo_fail(err, CLO_ERR_REFUSED, "%s", appraisal->summary);
    if (!appraisal->binds_pubkey || appraisal->tee_pubkey == NULL)
        return clo_fail(err, CLO_ERR_REFUSED, "the evidence binds no key to release to");
    return true;
}

bool clo_appraisal_is_fresh(const struct clo_appraisal *appraisal)
{
    return appraisal->is_fresh;
}

size_t clo_appraisal_open_count(const struct clo_appraisal *appraisal)
{
    return appraisal->open_count;
}

const char *clo_appraisal_open(const struct clo_appraisal *appraisal, size_t index,
                               const char **why)
{
    if (index >= appraisal->open_count)
        return NULL;
    *why = appraisal->open[index].why;
    return appraisal->open[index].aspect;
}

static json_t *open_json(const struct clo_appraisal *appraisal)
{
    json_t *list = json_array();

    for (size_t i = 0; i < appraisal->open_count; i++)
        if (json_array_append_new(list, json_pack("{s:s,s:s}", "aspect", appraisal->open[i].aspect,
                                                  "why", appraisal->open[i].why)) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

json_t *clo_appraisal_json(const struct clo_appraisal *appraisal)
{
    CLO_CLEANUP(clo_json_freep) json_t *json = json_object();
    json_t *warnings = json_array();
    bool ok = true;

    for (size_t i = 0; i < appraisal->warning_count; i++)
        ok = json_array_append_new(warnings, json_string(appraisal->warnings[i])) == 0 && ok;
    ok = json_object_set_new(json, "status",
                             json_string(clo_appraisal_status_name(appraisal->status))) == 0 &&
         ok;
    ok = json_object_set_new(json, "tee", json_string(appraisal->tee)) == 0 && ok;
    ok = json_object_set_new(json, "summary", json_string(appraisal->summary)) == 0 && ok;
    ok = json_object_set_new(json, "checks", clo_checks_json(&appraisal->checks)) == 0 && ok;
    ok = json_object_set_new(json, "claims", json_deep_copy(appraisal->claims)) == 0 && ok;
    ok = json_object_set_new(json, "warnings", warnings) == 0 && ok;
    ok = json_object_set_new(json, "open", open_json(appraisal)) == 0 && ok;
    ok = json_object_set_new(json, "is_fresh", json_boolean(appraisal->is_fresh)) == 0 && ok;
    ok = json_object_update_missing(json, appraisal->provenance) == 0 && ok;
    if (appraisal->has_policy)
        ok = json_object_set_new(json, "policy", json_string(appraisal->policy_name)) == 0 && ok;
    return ok ? CLO_TAKE(json) : NULL;
}
