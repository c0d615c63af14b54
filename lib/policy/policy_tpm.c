#include "lib/policy/policy_tpm.h"

#include <stdlib.h>
#include <string.h>

#include "lib/policy/policy_internal.h"

/* --- Reading --- */

static bool read_words(const json_t *json, const char *key, struct clo_policy_tpm_words *out,
                       struct clo_error *err)
{
    return policy_read_words(json, key, &out->any, out->items[0], CLO_GCE_NAME_MAX,
                             CLO_POLICY_TPM_LIST_MAX, &out->count, err);
}

static bool read_gce(const json_t *tpm, struct clo_policy_tpm *out, struct clo_error *err)
{
    static const char *const keys[] = { "project_ids", "zones", "instance_ids",
                                        "allow_not_production", NULL };
    const json_t *gce = json_object_get(tpm, "gce");

    out->has_gce = gce != NULL;
    return gce == NULL ||
           (clo_json_only(gce, keys, err) && read_words(gce, "project_ids", &out->projects, err) &&
            read_words(gce, "zones", &out->zones, err) &&
            read_words(gce, "instance_ids", &out->instances, err) &&
            clo_json_get_bool_optional(gce, "allow_not_production", false,
                                       &out->allow_not_production, err)) ||
           clo_wrap(err, "\"gce\"");
}

bool policy_read_tpm(const json_t *json, struct clo_policy *policy, struct clo_error *err)
{
    static const char *const keys[] = { "require_voucher", "require_safe_clock",
                                        "firmware_versions", "gce", NULL };
    const json_t *tpm = json_object_get(json, "tpm");
    struct clo_policy_tpm *out = &policy->tpm;

    return tpm == NULL ||
           (clo_json_only(tpm, keys, err) &&
            clo_json_get_bool_optional(tpm, "require_voucher", false, &out->require_voucher, err) &&
            clo_json_get_bool_optional(tpm, "require_safe_clock", false, &out->require_safe_clock,
                                       err) &&
            read_words(tpm, "firmware_versions", &out->firmware, err) && read_gce(tpm, out, err)) ||
           clo_wrap(err, "\"tpm\"");
}

/* --- Appraising --- */

static bool names(const struct clo_policy_tpm_words *words, const char *word)
{
    for (size_t i = 0; i < words->count; i++)
        if (strcmp(words->items[i], word) == 0)
            return true;
    return words->any;
}

static void check_words(const struct clo_policy_tpm_words *words, const char *id, const char *what,
                        const char *word, struct clo_checks *checks)
{
    if (words->count == 0 && !words->any)
        return;
    clo_check_that(checks, id, names(words, word), "the policy %s %s %s",
                   names(words, word) ? "names" : "does not name", what, word);
}

static void check_instance(const struct clo_policy_tpm *tpm,
                           const struct clo_gce_instance *instance, struct clo_checks *checks)
{
    char text[24];

    if (!tpm->has_gce)
        return;
    if (instance == NULL) {
        clo_check_that(checks, "policy.tpm.gce", false,
                       "no certificate says that this is an instance of Google's");
        return;
    }
    clo_check_that(checks, "policy.tpm.gce", instance->is_production || tpm->allow_not_production,
                   "the certificate %s it a production instance",
                   instance->is_production ? "calls" : "does not call");
    check_words(&tpm->projects, "policy.tpm.project_id", "project", instance->project_id, checks);
    check_words(&tpm->zones, "policy.tpm.zone", "zone", instance->zone, checks);
    snprintf(text, sizeof text, "%llu", (unsigned long long)instance->id);
    check_words(&tpm->instances, "policy.tpm.instance_id", "instance", text, checks);
}

void policy_appraise_tpm(const struct clo_policy *policy, const struct policy_tpm_facts *facts,
                         struct clo_checks *checks)
{
    const struct clo_policy_tpm *tpm = &policy->tpm;
    char version[24] = "";

    if (tpm->require_voucher)
        clo_check_that(checks, "policy.tpm.voucher", facts->is_vouched, "%s",
                       facts->is_vouched ? "a maker's certificate vouches for the TPM's key"
                                         : "no certificate vouches for the TPM's key");
    if (facts->quote != NULL)
        snprintf(version, sizeof version, "0x%016llx",
                 (unsigned long long)facts->quote->firmware_version);
    check_words(&tpm->firmware, "policy.tpm.firmware_version", "firmware version", version, checks);
    if (tpm->require_safe_clock) {
        bool is_safe = facts->quote != NULL && facts->quote->is_safe;
        clo_check_that(checks, "policy.tpm.safe_clock", is_safe, "the TPM's clock %s",
                       is_safe ? "has not gone back" : "may have gone back");
    }
    check_instance(tpm, facts->instance, checks);
}
