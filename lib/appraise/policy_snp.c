/* The policy's member "snp": reading it, and holding a verified SEV-SNP report against it. */
#include <string.h>

#include "cloister/encoding.h"

#include "policy_internal.h"

#define VMPL_MAX 3

void policy_init_snp(struct clo_policy *policy)
{
    policy->snp.vmpl = 1;
    policy->snp.minimum_tcb = (struct clo_snp_tcb_parts){ -1, -1, -1, -1, -1 };
}

void policy_strict_snp(struct clo_policy *policy)
{
    policy->snp.vmpl = 0xf;
    policy->snp.measurement.any = true;
}

/* --- Reading --- */

static bool read_tcb(const json_t *json, struct clo_snp_tcb_parts *out, struct clo_error *err)
{
    static const char *const keys[] = { "fmc", "bootloader", "tee", "snp", "microcode", NULL };
    int *const targets[] = { &out->fmc, &out->bootloader, &out->tee, &out->snp, &out->microcode };
    json_t *tcb;

    if (json_object_get(json, "minimum_tcb") == NULL)
        return true;
    if (!clo_json_get_object(json, "minimum_tcb", &tcb, err))
        return false;
    if (!clo_json_only(tcb, keys, err))
        return clo_wrap(err, "\"minimum_tcb\"");
    for (size_t i = 0; keys[i] != NULL; i++) {
        uint64_t value;
        if (json_object_get(tcb, keys[i]) == NULL)
            continue;
        if (!clo_json_get_u64(tcb, keys[i], &value, err))
            return clo_wrap(err, "\"minimum_tcb\"");
        if (value > 255)
            return clo_fail(err, CLO_ERR_FORMAT, "\"minimum_tcb\": \"%s\" is above 255", keys[i]);
        *targets[i] = (int)value;
    }
    return true;
}

bool policy_read_snp(const json_t *json, struct clo_policy *policy, struct clo_error *err)
{
    static const char *const keys[] = {
        "allow_debug", "allow_migration",     "vmpl",
        "minimum_tcb", "require_alias_check", "minimum_guest_svn",
        "measurement", "id_key_digest",       "host_data",
        NULL,
    };
    json_t *snp;

    if (json_object_get(json, "snp") == NULL)
        return true;
    if (!clo_json_get_object(json, "snp", &snp, err) || !clo_json_only(snp, keys, err) ||
        !clo_json_get_bool_optional(snp, "allow_debug", false, &policy->snp.allow_debug, err) ||
        !clo_json_get_bool_optional(snp, "allow_migration", false, &policy->snp.allow_migration,
                                    err) ||
        !clo_json_get_bool_optional(snp, "require_alias_check", false,
                                    &policy->snp.require_alias_check, err) ||
        !read_tcb(snp, &policy->snp.minimum_tcb, err) ||
        !policy_read_digests(snp, "measurement", CLO_HASH_SHA384, &policy->snp.measurement, err) ||
        !policy_read_digests(snp, "id_key_digest", CLO_HASH_SHA384, &policy->snp.id_key_digest,
                             err) ||
        !policy_read_digests(snp, "host_data", CLO_HASH_SHA256, &policy->snp.host_data, err))
        return false;
    if (json_object_get(snp, "vmpl") != NULL &&
        !policy_read_mask(snp, "vmpl", VMPL_MAX, &policy->snp.vmpl, err))
        return false;
    return json_object_get(snp, "minimum_guest_svn") == NULL ||
           clo_json_get_u64(snp, "minimum_guest_svn", &policy->snp.minimum_guest_svn, err);
}

/* --- Appraising --- */

static void check_root(const struct clo_policy *policy, const struct clo_snp_verified *verified,
                       struct clo_checks *checks)
{
    static const char id[] = "policy.root";
    bool holds = policy->roots_amd && verified->is_amd;

    /* The built-in policy leaves the roots to the caller: verification has held it to them. */
    if (policy->is_strict_builtin) {
        clo_check_skip(checks, id, "the built-in policy leaves the roots to the caller");
        return;
    }
    for (size_t i = 0; i < policy->root_count; i++)
        holds = holds || clo_digest_equal(&policy->roots[i], &verified->root);
    clo_check_that(checks, id, holds, "the policy %s the root of this platform",
                   holds ? "names" : "does not name");
}

/* Each of the four must reach the minimum: REPORTED_TCB alone may be set back by the host. */
static void check_tcb(const struct clo_policy *policy, const struct clo_snp_verified *verified,
                      struct clo_checks *checks)
{
    static const char id[] = "policy.tcb";
    const struct clo_snp_report *report = &verified->report;
    const struct {
        const char *name;
        const struct clo_snp_tcb *tcb;
    } tcbs[] = {
        { "REPORTED_TCB", &report->reported_tcb },
        { "COMMITTED_TCB", &report->committed_tcb },
        { "CURRENT_TCB", &report->current_tcb },
        { "LAUNCH_TCB", &report->launch_tcb },
    };
    const struct clo_snp_tcb_parts *minimum = &policy->snp.minimum_tcb;
    bool said = false;

    for (size_t i = 0; i < CLO_COUNT(tcbs); i++) {
        struct clo_snp_tcb_parts parts = clo_snp_tcb_parts(tcbs[i].tcb, verified->product);
        const struct {
            const char *name;
            int has, minimum;
        } pairs[] = {
            { "fmc", parts.fmc, minimum->fmc },
            { "bootloader", parts.bootloader, minimum->bootloader },
            { "tee", parts.tee, minimum->tee },
            { "snp", parts.snp, minimum->snp },
            { "microcode", parts.microcode, minimum->microcode },
        };
        for (size_t k = 0; k < CLO_COUNT(pairs); k++) {
            said = said || pairs[k].minimum >= 0;
            if (pairs[k].has < pairs[k].minimum) {
                clo_check_that(checks, id, false, "%s has %s %d, the policy demands %d",
                               tcbs[i].name, pairs[k].name, pairs[k].has, pairs[k].minimum);
                return;
            }
        }
    }
    if (said)
        clo_check_that(checks, id, true,
                       "reported, committed, current and launch TCB reach the "
                       "policy's minimum");
    else
        clo_check_skip(checks, id, "the policy names no minimum");
}

static void check_identity(const struct clo_policy *policy, const struct clo_snp_report *report,
                           struct clo_checks *checks)
{
    static const char id[] = "policy.measurement";
    const struct clo_policy_digests *measurement = &policy->snp.measurement;
    const struct clo_policy_digests *id_key = &policy->snp.id_key_digest;
    char hex[2 * 48 + 1];

    if (!policy_says(measurement) && !policy_says(id_key))
        clo_check_that(checks, id, false,
                       "the policy names no launch measurement (\"snp\": {\"measurement\": "
                       "[\"%s\"]}) and no ID key: any guest of a genuine machine could be behind "
                       "this evidence",
                       clo_hex_text(report->measurement, hex));
    else if (policy_says(measurement) && !policy_names(measurement, report->measurement))
        clo_check_that(checks, id, false, "launch measurement %s is not one that the policy names",
                       clo_hex_text(report->measurement, hex));
    else if (policy_says(id_key) && !policy_names(id_key, report->id_key_digest))
        clo_check_that(checks, id, false, "ID key %s is not one that the policy names",
                       clo_hex_text(report->id_key_digest, hex));
    else
        clo_check_that(checks, id, true, "%s",
                       measurement->count > 0 ? "launch measurement as the policy names it"
                       : id_key->count > 0    ? "ID key as the policy names it"
                                              : "the policy allows any launch measurement");
    if (policy_says(&policy->snp.host_data))
        clo_check_that(checks, "policy.host_data",
                       policy_names(&policy->snp.host_data, report->host_data), "HOST_DATA %s",
                       clo_hex_text(report->host_data, hex));
}

void clo_policy_appraise_snp(const struct clo_policy *policy,
                             const struct clo_snp_verified *verified, struct clo_checks *checks)
{
    const struct clo_snp_report *report = &verified->report;
    bool debug = (report->policy & CLO_SNP_POLICY_DEBUG) != 0;
    bool migrate = (report->policy & CLO_SNP_POLICY_MIGRATE) != 0;
    uint64_t reserved = report->policy & ~CLO_SNP_POLICY_KNOWN;

    clo_check_that(checks, "policy.tee", policy->tee_snp, "the policy %s SEV-SNP",
                   policy->tee_snp ? "allows" : "does not allow");
    check_root(policy, verified, checks);
    clo_check_that(checks, "policy.debug", !debug || policy->snp.allow_debug,
                   "the guest policy %s debugging", debug ? "allows" : "forbids");
    clo_check_that(checks, "policy.migration", !migrate || policy->snp.allow_migration,
                   "the guest policy %s a migration agent", migrate ? "allows" : "forbids");
    clo_check_that(checks, "policy.reserved",
                   reserved == 0 && (report->policy & CLO_SNP_POLICY_MBO) != 0,
                   "guest policy 0x%016llx: reserved bits", (unsigned long long)report->policy);
    clo_check_that(checks, "policy.vmpl",
                   report->vmpl <= VMPL_MAX && (policy->snp.vmpl >> report->vmpl & 1) != 0,
                   "asked for by VMPL %u", report->vmpl);
    check_tcb(policy, verified, checks);
    if (policy->snp.minimum_guest_svn > 0)
        clo_check_that(checks, "policy.guest_svn",
                       report->guest_svn >= policy->snp.minimum_guest_svn,
                       "guest SVN %u, the policy demands %llu", report->guest_svn,
                       (unsigned long long)policy->snp.minimum_guest_svn);
    if (policy->snp.require_alias_check)
        clo_check_that(checks, "policy.alias_check",
                       (report->platform_info & CLO_SNP_PLATFORM_ALIASES) != 0,
                       "the platform has %schecked its memory for aliases",
                       (report->platform_info & CLO_SNP_PLATFORM_ALIASES) != 0 ? "" : "not ");
    check_identity(policy, report, checks);
}
