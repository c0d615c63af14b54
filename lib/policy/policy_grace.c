/* Grace: for how long a policy accepts what has gone out of date, and the date that a TCB must reach.
 *
 * Counted as Intel's own appraisal counts (DCAP Quote Appraisal Library, platform_grace_period and
 * collateral_grace_period): an outdated TCB since the date of the level that the platform reaches, collateral
 * since its next update was due. */
#include <stdio.h>
#include <string.h>

#include "lib/base/civil_time.h"

#include "lib/policy/policy_internal.h"

bool policy_read_date(const json_t *json, const char *key, int64_t *out, struct clo_error *err)
{
    const char *text;
    const char *rest;
    char whole[40];

    if (!clo_json_get_string_optional(json, key, &text, err))
        return false;
    if (text == NULL)
        return true;
    snprintf(whole, sizeof whole, "%s%s", text, strlen(text) == 10 ? "T00:00:00Z" : "");
    if (strlen(text) > 24 || !clo_civil_time_read(whole, out, &rest) || strcmp(rest, "Z") != 0)
        return clo_fail(err, CLO_ERR_FORMAT,
                        "\"%s\": neither a date (\"2025-03-12\") nor a time in UTC "
                        "(\"2025-03-12T00:00:00Z\")",
                        key);
    return *out > 0 || clo_fail(err, CLO_ERR_FORMAT, "\"%s\": before 1970", key);
}

bool policy_read_grace(const json_t *json, struct clo_policy *policy, struct clo_error *err)
{
    static const char *const keys[] = { "out_of_date", "stale_collateral", "stale_crl", NULL };
    int64_t *const targets[] = { &policy->grace.out_of_date, &policy->grace.collateral,
                                 &policy->grace.crl };
    json_t *grace;

    if (json_object_get(json, "grace") == NULL)
        return true;
    if (!clo_json_get_object(json, "grace", &grace, err))
        return false;
    if (!clo_json_only(grace, keys, err))
        return clo_wrap(err, "\"grace\"");
    for (size_t i = 0; keys[i] != NULL; i++)
        if (!policy_read_age(grace, keys[i], targets[i], err))
            return clo_wrap(err, "\"grace\"");
    return true;
}

bool policy_tdx_accepts(const struct clo_policy_tdx *policy, enum clo_tdx_status status)
{
    return (policy->tcb_status >> status & 1) != 0;
}

/* Grace forgives that a TCB is out of date, nothing else: the configuration that it needs besides has to be
 * accepted by tcb_status. */
bool policy_tdx_grace(const struct clo_policy *policy, const struct clo_tdx_tcb *tcb,
                      int64_t *until)
{
    const struct clo_policy_tdx *tdx = &policy->tdx;
    bool needs_configuration = tcb->status == CLO_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED;

    if (policy->grace.out_of_date == 0 || !tcb->is_evaluated || !clo_tdx_is_outdated(tcb->status) ||
        policy_tdx_accepts(tdx, tcb->status) || tcb->date == 0)
        return false;
    if (needs_configuration && !policy_tdx_accepts(tdx, CLO_TDX_CONFIGURATION_NEEDED) &&
        !policy_tdx_accepts(tdx, CLO_TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED))
        return false;
    *until = tcb->date + policy->grace.out_of_date;
    return tcb->at <= *until;
}
