#include "lib/policy/policy_endorsement.h"

#include "lib/crypto/did_x509.h"
#include "lib/policy/policy_internal.h"

#define HOUR 3600

/* Words that are never "any": what counts is named. */
static bool read_names(const json_t *json, const char *key, char *out, size_t size, size_t most,
                       size_t *count, struct clo_error *err)
{
    bool any = false;

    if (!policy_read_words(json, key, &any, out, size, most, count, err))
        return false;
    if (any || (json_object_get(json, key) != NULL && *count == 0))
        return clo_fail(err, CLO_ERR_FORMAT, "\"%s\" names none", key);
    return true;
}

static bool read_issuers(const json_t *json, struct clo_policy_endorsement *out,
                         struct clo_error *err)
{
    struct did_x509 did;

    if (!read_names(json, "issuers", out->issuers[0], sizeof out->issuers[0],
                    CLO_COUNT(out->issuers), &out->issuer_count, err))
        return false;
    for (size_t i = 0; i < out->issuer_count; i++)
        if (!did_x509_parse(clo_bytes_text(out->issuers[i]), &did, err))
            return clo_wrap(err, "\"issuers\"");
    return true;
}

static bool read_members(const json_t *json, struct clo_policy_endorsement *out,
                         struct clo_error *err)
{
    static const char *const keys[] = { "minimum_svn", "maximum_age", "issuers", "feeds", NULL };

    if (!json_is_object(json))
        return clo_fail(err, CLO_ERR_FORMAT, "not an object");
    return clo_json_only(json, keys, err) &&
           policy_read_u64(json, keys[0], UINT32_MAX, &out->minimum_svn, err) &&
           policy_read_age(json, keys[1], &out->maximum_age, err) && read_issuers(json, out, err) &&
           read_names(json, "feeds", out->feeds[0], sizeof out->feeds[0], CLO_COUNT(out->feeds),
                      &out->feed_count, err);
}

bool policy_read_endorsement(const json_t *json, struct clo_policy_endorsement *out,
                             struct clo_error *err)
{
    const json_t *member = json_object_get(json, "endorsement");

    out->is_demanded = member != NULL;
    return member == NULL || read_members(member, out, err) || clo_wrap(err, "\"endorsement\"");
}

static void check_age(int64_t maximum, int64_t signed_at, int64_t at, struct clo_checks *checks)
{
    static const char id[] = "policy.endorsement_age";

    if (signed_at == 0)
        clo_check_that(checks, id, false, "the endorsement does not say when it was signed");
    else if (signed_at > at)
        clo_check_that(checks, id, false, "the endorsement was signed in the future");
    else
        clo_check_that(checks, id, at - signed_at <= maximum,
                       "the endorsement was signed %lld hours ago, at most %lld are wanted",
                       (long long)((at - signed_at) / HOUR), (long long)(maximum / HOUR));
}

static void check_name(const char *id, const char *what, const char *names, size_t size,
                       size_t count, struct clo_bytes name, struct clo_checks *checks)
{
    bool holds = false;

    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        holds = holds || clo_bytes_equal(clo_bytes_text(names + i * size), name);
    clo_check_that(checks, id, holds, "the endorsement's %s is %s", what,
                   holds            ? "one that the policy names"
                   : name.size == 0 ? "not said"
                                    : "not one that the policy names");
}

void policy_check_endorsement(const struct clo_policy_endorsement *policy,
                              const struct clo_policy_endorsed *endorsed, int64_t at,
                              struct clo_checks *checks)
{
    if (policy->minimum_svn > 0)
        clo_check_that(checks, "policy.endorsement_svn", endorsed->svn >= policy->minimum_svn,
                       "the endorsed firmware has SVN %llu, at least %llu is wanted",
                       (unsigned long long)endorsed->svn, (unsigned long long)policy->minimum_svn);
    if (policy->maximum_age != 0)
        check_age(policy->maximum_age, endorsed->signed_at, at, checks);
    check_name("policy.endorsement_issuer", "issuer", policy->issuers[0], sizeof policy->issuers[0],
               policy->issuer_count, endorsed->issuer, checks);
    check_name("policy.endorsement_feed", "feed", policy->feeds[0], sizeof policy->feeds[0],
               policy->feed_count, endorsed->feed, checks);
}
