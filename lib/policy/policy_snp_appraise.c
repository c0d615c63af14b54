/* A verified SEV-SNP report against the policy: every check that the policy asks for is made and listed,
 * whatever failed before it. */
#include <string.h>

#include "cloister/encoding.h"

#include "lib/policy/policy_internal.h"

#define VMPL_MAX 3

/* --- Which platform, and who vouches for it --- */

static void check_platform(const struct clo_policy_snp *policy,
                           const struct clo_snp_verified *verified, struct clo_checks *checks)
{
    const struct clo_snp_report *report = &verified->report;
    unsigned key = verified->is_vlek ? CLO_SNP_VLEK : CLO_SNP_VCEK;
    bool is_product = (policy->products >> verified->product & 1) != 0;
    bool is_key = (policy->signing_keys >> key & 1) != 0;

    clo_check_that(checks, "policy.product", is_product, "the policy %s %s",
                   is_product ? "allows" : "does not allow",
                   clo_snp_product_name(verified->product));
    clo_check_that(checks, "policy.version", report->version >= policy->minimum_version,
                   "report version %u, the policy demands %u", report->version,
                   policy->minimum_version);
    clo_check_that(checks, "policy.signing_key", is_key, "the policy %s reports signed by a %s",
                   is_key ? "allows" : "does not allow", verified->is_vlek ? "VLEK" : "VCEK");
    if (policy->require_revocation)
        clo_check_that(checks, "policy.revocation", verified->revocation_checked,
                       "a current revocation list of the chain was %slooked at",
                       verified->revocation_checked ? "" : "not ");
}

/* A provider holds a VLEK for all of its machines: whom one trusts with that must be said. */
static void check_provider(const struct clo_policy_snp *policy,
                           const struct clo_snp_verified *verified, struct clo_checks *checks)
{
    bool holds = policy->any_provider;

    if (!verified->is_vlek)
        return;
    for (size_t i = 0; i < policy->provider_count; i++)
        holds = holds || strcmp(policy->providers[i], verified->csp_id) == 0;
    clo_check_that(checks, "policy.csp_id", holds, "the VLEK is of \"%s\", which the policy %s",
                   verified->csp_id, holds ? "allows" : "does not name");
}

/* With a VCEK the certificate says which chip signed, also where the report masks it. */
static void check_chip(const struct clo_policy_snp *policy, const struct clo_snp_verified *verified,
                       struct clo_checks *checks)
{
    struct clo_bytes chip_id = verified->report.chip_id;
    bool is_masked = clo_bytes_all(chip_id, 0);

    if (!verified->is_vlek)
        clo_check_that(checks, "policy.masked_chip", !is_masked || policy->allow_masked_chip,
                       "CHIP_ID is %s", is_masked ? "masked by the host" : "in the report");
    if (is_masked && verified->has_hw_id)
        chip_id = clo_bytes(verified->hw_id, sizeof verified->hw_id);
    policy_check_values(&policy->chip_id, "policy.chip_id", "chip", chip_id, checks);
}

/* --- What the host may do to the guest --- */

static void check_named_bits(const char *id, const char *field, uint64_t value, uint64_t required,
                             uint64_t forbidden, const struct clo_bit *names, size_t count,
                             struct clo_checks *checks)
{
    CLO_CLEANUP(clo_buffer_free) struct clo_buffer wrong = { 0 };

    if ((required | forbidden) == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        bool is_set = (value >> names[i].at & 1) != 0;
        if ((required >> names[i].at & 1) != 0 && !is_set)
            clo_buffer_printf(&wrong, ", %s is required", names[i].name);
        if ((forbidden >> names[i].at & 1) != 0 && is_set)
            clo_buffer_printf(&wrong, ", %s is forbidden", names[i].name);
    }
    const char *text = clo_buffer_string(&wrong);
    bool holds = (value & required) == required && (value & forbidden) == 0;
    clo_check_that(checks, id, holds, "%s 0x%016llx%s", field, (unsigned long long)value,
                   text == NULL ? "" : text);
}

static void check_guest_policy(const struct clo_policy_snp *policy,
                               const struct clo_snp_report *report, struct clo_checks *checks)
{
    bool debug = (report->policy & CLO_SNP_POLICY_DEBUG) != 0;
    bool migrate = (report->policy & CLO_SNP_POLICY_MIGRATE) != 0;
    bool cxl = (report->policy & CLO_SNP_POLICY_CXL) != 0;
    uint64_t reserved = report->policy & ~CLO_SNP_POLICY_KNOWN;
    unsigned abi = (unsigned)(report->policy & 0xffff);
    unsigned minimum = (unsigned)policy->minimum_abi.major << 8 | policy->minimum_abi.minor;
    size_t count;
    const struct clo_bit *names = clo_snp_policy_bits(&count);

    clo_check_that(checks, "policy.debug", !debug || policy->allow_debug,
                   "the guest policy %s debugging", debug ? "allows" : "forbids");
    clo_check_that(checks, "policy.migration", !migrate || policy->allow_migration,
                   "the guest policy %s a migration agent", migrate ? "allows" : "forbids");
    clo_check_that(checks, "policy.cxl", !cxl || policy->allow_cxl,
                   "the guest policy %s memory and devices on CXL", cxl ? "allows" : "forbids");
    clo_check_that(checks, "policy.reserved",
                   reserved == 0 && (report->policy & CLO_SNP_POLICY_MBO) != 0,
                   "guest policy 0x%016llx: reserved bits", (unsigned long long)report->policy);
    check_named_bits("policy.guest_policy", "guest policy", report->policy, policy->policy_required,
                     policy->policy_forbidden, names, count, checks);
    if (minimum > 0)
        clo_check_that(checks, "policy.abi", abi >= minimum,
                       "the guest policy demands firmware ABI %u.%u, the owner's %u.%u", abi >> 8,
                       abi & 0xff, minimum >> 8, minimum & 0xff);
}

static void check_platform_info(const struct clo_policy_snp *policy,
                                const struct clo_snp_report *report, struct clo_checks *checks)
{
    uint64_t info = report->platform_info;
    uint64_t unknown = info & ~CLO_SNP_PLATFORM_KNOWN;
    bool aliases = (info & CLO_SNP_PLATFORM_ALIASES) != 0;
    bool tio = (info & CLO_SNP_PLATFORM_TIO) != 0;
    size_t count;
    const struct clo_bit *names = clo_snp_platform_bits(&count);

    clo_check_that(checks, "policy.tio", !tio || policy->allow_tio,
                   "trusted I/O is %s on the platform", tio ? "enabled" : "off");
    clo_check_that(
            checks, "policy.platform_reserved", unknown == 0 || policy->allow_unknown_platform_info,
            "PLATFORM_INFO 0x%016llx has %s that we do not know (0x%llx)", (unsigned long long)info,
            unknown == 0 ? "no bits" : "bits", (unsigned long long)unknown);
    check_named_bits("policy.platform_info", "PLATFORM_INFO", info, policy->platform_required,
                     policy->platform_forbidden, names, count, checks);
    if (policy->require_alias_check)
        clo_check_that(checks, "policy.alias_check", aliases,
                       "the platform has %schecked its memory for aliases", aliases ? "" : "not ");
}

/* --- Which firmware --- */

static bool is_not_above(struct clo_snp_tcb_parts a, struct clo_snp_tcb_parts b)
{
    return a.fmc <= b.fmc && a.bootloader <= b.bootloader && a.tee <= b.tee && a.snp <= b.snp &&
           a.microcode <= b.microcode;
}

static unsigned build_number(const struct clo_snp_build *build)
{
    return (unsigned)build->major << 16 | (unsigned)build->minor << 8 | build->build;
}

/* Firmware that is not committed can be taken back to what is: then it proves only the latter. */
static void check_provisional(const struct clo_policy *policy,
                              const struct clo_snp_verified *verified, struct clo_checks *checks)
{
    const struct clo_snp_report *report = &verified->report;
    struct clo_snp_tcb_parts current = clo_snp_tcb_parts(&report->current_tcb, verified->product);
    struct clo_snp_tcb_parts committed =
            clo_snp_tcb_parts(&report->committed_tcb, verified->product);
    struct clo_snp_tcb_parts reported = clo_snp_tcb_parts(&report->reported_tcb, verified->product);
    bool is_committed = memcmp(&current, &committed, sizeof current) == 0 &&
                        build_number(&report->current) == build_number(&report->committed);
    bool is_ordered = is_not_above(committed, current) && is_not_above(reported, current) &&
                      build_number(&report->committed) <= build_number(&report->current);

    if (policy->is_strict_builtin)
        return;
    clo_check_that(checks, "policy.tcb_order", is_ordered,
                   "REPORTED_TCB and what is committed are %s what runs",
                   is_ordered ? "not above" : "above");
    clo_check_that(checks, "policy.provisional", is_committed || policy->snp.allow_provisional,
                   "the firmware that runs is %scommitted", is_committed ? "" : "not ");
}

static void check_firmware(const struct clo_policy_snp *policy, const struct clo_snp_report *report,
                           struct clo_checks *checks)
{
    const struct {
        const char *name;
        const struct clo_snp_build *has, *minimum;
    } versions[] = {
        { "policy.current_firmware", &report->current, &policy->minimum_current },
        { "policy.committed_firmware", &report->committed, &policy->minimum_committed },
    };

    for (size_t i = 0; i < CLO_COUNT(versions); i++) {
        const struct clo_snp_build *has = versions[i].has;
        const struct clo_snp_build *minimum = versions[i].minimum;
        if (build_number(minimum) > 0)
            clo_check_that(checks, versions[i].name, build_number(has) >= build_number(minimum),
                           "firmware %u.%u.%u, the policy demands %u.%u.%u", has->major, has->minor,
                           has->build, minimum->major, minimum->minor, minimum->build);
    }
}

static void check_mitigations(const struct clo_policy_snp *policy,
                              const struct clo_snp_report *report, struct clo_checks *checks)
{
    const struct {
        const char *id, *name;
        uint64_t has, wanted;
    } vectors[] = {
        { "policy.launch_mitigations", "LAUNCH_MIT_VECTOR", report->launch_mit_vector,
          policy->launch_mitigations },
        { "policy.current_mitigations", "CURRENT_MIT_VECTOR", report->current_mit_vector,
          policy->current_mitigations },
    };

    for (size_t i = 0; i < CLO_COUNT(vectors); i++) {
        if (vectors[i].wanted == 0)
            continue;
        if (!report->has_mit_vectors)
            clo_check_that(checks, vectors[i].id, false,
                           "a report of version %u has no mitigation vectors", report->version);
        else
            clo_check_that(checks, vectors[i].id,
                           (vectors[i].has & vectors[i].wanted) == vectors[i].wanted,
                           "%s 0x%llx, the policy demands 0x%llx", vectors[i].name,
                           (unsigned long long)vectors[i].has,
                           (unsigned long long)vectors[i].wanted);
    }
}

/* --- Which guest --- */

static void check_identity(const struct clo_policy_snp *policy, const struct clo_snp_report *report,
                           struct clo_checks *checks)
{
    const struct clo_policy_values *id_key = &policy->id_key_digest;
    const struct clo_policy_values *author_key = &policy->author_key_digest;
    char hex[2 * 48 + 1];

    if (!policy_says(&policy->measurement) && !policy_says(id_key) && !policy_says(author_key))
        clo_check_that(checks, "policy.measurement", false,
                       "the policy names no launch measurement (\"snp\": {\"measurement\": "
                       "[\"%s\"]}), no ID key and no author key: any guest of a genuine machine "
                       "could be after this evidence",
                       clo_hex_text(report->measurement, hex));
    policy_check_values(&policy->measurement, "policy.measurement", "launch measurement",
                        report->measurement, checks);
    policy_check_values(id_key, "policy.id_key", "ID key", report->id_key_digest, checks);
    if (!policy_says(author_key))
        return;
    if (!report->author_key_en && author_key->count > 0)
        clo_check_that(checks, "policy.author_key", false, "no author key has signed the ID key");
    else
        policy_check_values(author_key, "policy.author_key", "author key",
                            report->author_key_digest, checks);
}

static void check_sets(const struct clo_policy_snp *policy, const struct clo_snp_report *report,
                       struct clo_checks *checks)
{
    policy_check_values(&policy->host_data, "policy.host_data", "HOST_DATA", report->host_data,
                        checks);
    policy_check_values(&policy->report_data, "policy.report_data", "REPORT_DATA",
                        report->report_data, checks);
    policy_check_values(&policy->family_id, "policy.family_id", "FAMILY_ID", report->family_id,
                        checks);
    policy_check_values(&policy->image_id, "policy.image_id", "IMAGE_ID", report->image_id, checks);
    policy_check_values(&policy->report_id, "policy.report_id", "REPORT_ID", report->report_id,
                        checks);
    policy_check_values(&policy->report_id_ma, "policy.report_id_ma", "REPORT_ID_MA",
                        report->report_id_ma, checks);
    if (policy->minimum_guest_svn > 0)
        clo_check_that(checks, "policy.guest_svn", report->guest_svn >= policy->minimum_guest_svn,
                       "guest SVN %u, the policy demands %llu", report->guest_svn,
                       (unsigned long long)policy->minimum_guest_svn);
}

void clo_policy_appraise_snp(const struct clo_policy *policy,
                             const struct clo_snp_verified *verified, struct clo_checks *checks)
{
    const struct clo_policy_snp *snp = &policy->snp;
    const struct clo_snp_report *report = &verified->report;

    policy_check_tee(policy, CLO_TEE_SNP, verified->is_amd, &verified->root, checks);
    check_platform(snp, verified, checks);
    check_provider(snp, verified, checks);
    check_chip(snp, verified, checks);
    check_guest_policy(snp, report, checks);
    check_platform_info(snp, report, checks);
    clo_check_that(checks, "policy.vmpl",
                   report->vmpl <= VMPL_MAX && (snp->vmpl >> report->vmpl & 1) != 0,
                   "asked for by VMPL %u", report->vmpl);
    policy_check_tcb(snp, verified, checks);
    check_provisional(policy, verified, checks);
    check_firmware(snp, report, checks);
    check_mitigations(snp, report, checks);
    check_identity(snp, report, checks);
    check_sets(snp, report, checks);
}
