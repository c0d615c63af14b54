#include "lib/policy/policy_endorsement.h"

#include "lib/policy/policy_internal.h"

#define HOUR 3600

bool policy_read_endorsement(const json_t *json, struct clo_policy_endorsement *out,
                             struct clo_error *err)
{
    static const char *const keys[] = { "minimum_svn", "maximum_age", NULL };
    const json_t *member = json_object_get(json, "endorsement");

    out->is_demanded = member != NULL;
    return member == NULL ||
           (json_is_object(member)
                    ? clo_json_only(member, keys, err) &&
                              policy_read_u64(member, keys[0], UINT32_MAX, &out->minimum_svn,
                                              err) &&
                              policy_read_age(member, keys[1], &out->maximum_age, err)
                    : clo_fail(err, CLO_ERR_FORMAT, "not an object")) ||
           clo_wrap(err, "\"endorsement\"");
}

void policy_check_endorsement(const struct clo_policy_endorsement *policy, uint64_t svn,
                              int64_t signed_at, int64_t at, struct clo_checks *checks)
{
    static const char id[] = "policy.endorsement_age";

    if (policy->minimum_svn > 0)
        clo_check_that(checks, "policy.endorsement_svn", svn >= policy->minimum_svn,
                       "the endorsed firmware has SVN %llu, at least %llu is wanted",
                       (unsigned long long)svn, (unsigned long long)policy->minimum_svn);
    if (policy->maximum_age == 0)
        return;
    if (signed_at > at)
        clo_check_that(checks, id, false, "the endorsement was signed in the future");
    else
        clo_check_that(checks, id, at - signed_at <= policy->maximum_age,
                       "the endorsement was signed %lld hours ago, at most %lld are wanted",
                       (long long)((at - signed_at) / HOUR),
                       (long long)(policy->maximum_age / HOUR));
}
