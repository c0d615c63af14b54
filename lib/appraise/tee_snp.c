/* SEV-SNP: a report with its chain, bare or inside another's. */
#include <stdlib.h>
#include <string.h>

#include "lib/appraise/tee.h"
#include "lib/crypto/certificate_cache.h"
#include "lib/policy/policy_internal.h"
#include "lib/snp/snp_share.h"

bool clo_appraise_snp_report(const struct clo_evidence *evidence, struct clo_snp_report *out)
{
    struct clo_bytes bare = clo_evidence_get(evidence, CLO_EVIDENCE_SNP_REPORT);
    struct clo_bytes wrapped = clo_evidence_get(evidence, CLO_EVIDENCE_HCL_REPORT);
    struct clo_error ignored;
    struct clo_hcl hcl;

    if (bare.data != NULL)
        return clo_snp_parse(bare, out, &ignored);
    return wrapped.data != NULL && clo_hcl_parse(wrapped, &hcl, &ignored) &&
           hcl.report_type == CLO_HCL_SNP && clo_snp_parse(hcl.hardware_report, out, &ignored);
}

/* What the hooks of an authentic report look at. */
static const struct clo_snp_verified *own(const struct work *w)
{
    return tee_kept(w, &tee_snp);
}

const struct clo_snp_verified *tee_snp_verified(const struct work *w)
{
    return w->hardware == &tee_snp ? own(w) : NULL;
}

/* --- The chain --- */

static bool add_all(struct clo_snp_certificates *to, const struct clo_snp_certificates *from,
                    struct clo_error *err)
{
    for (size_t i = 0; i < from->count; i++)
        if (!clo_snp_certificates_share(to, from->items[i], err))
            return false;
    return true;
}

/* The caller's and our own come first, so that a bundle cannot crowd them out. */
static bool gather_certificates(const struct clo_evidence *evidence,
                                const struct clo_appraise_inputs *inputs,
                                struct clo_snp_certificates *out, struct clo_error *err)
{
    struct clo_bytes brought = clo_evidence_get(evidence, CLO_EVIDENCE_SNP_CERTIFICATES);

    if (inputs->endorsements.certificates != NULL &&
        !add_all(out, inputs->endorsements.certificates, err))
        return false;
    if (inputs->policy != NULL && !add_all(out, &inputs->policy->root_certificates, err))
        return false;
    if (!clo_snp_certificates_add_amd(out, err))
        return false;
    return brought.data == NULL || clo_snp_certificates_add_table(out, brought, err) ||
           clo_wrap(err, "evidence: certificates");
}

bool clo_appraise_snp_chain(const struct clo_evidence *evidence,
                            const struct clo_appraise_inputs *inputs,
                            const struct clo_snp_report *report, struct clo_snp_certificates *all,
                            struct clo_snp_chain *chain, struct clo_error *err)
{
    struct clo_error refused;

    all->cache = inputs->certificate_cache;
    if (!gather_certificates(evidence, inputs, all, err))
        return false;
    /* Without a leaf the chain is empty, and every check says so. */
    if (!clo_snp_chain_find(report, all, chain, &refused))
        *chain = (struct clo_snp_chain){ 0 };
    return true;
}

static const struct clo_crl **new_crls(const struct clo_appraise_inputs *inputs)
{
    const struct clo_crl **crls =
            calloc(inputs->endorsements.crl_count + 2 * CLO_SNP_CRLS_MAX, sizeof *crls);

    return crls;
}

/* The caller's revocation lists, and those that came among its certificates; then the evidence's. */
static void gather_crls(const struct clo_appraise_inputs *inputs,
                        const struct clo_snp_certificates *all, const struct clo_crl **out,
                        struct clo_snp_trust *trust)
{
    const struct clo_endorsements *owner = &inputs->endorsements;
    const struct clo_snp_certificates *given = owner->certificates;
    size_t count = 0;

    for (size_t i = 0; i < owner->crl_count; i++)
        out[count++] = owner->crls[i];
    for (size_t i = 0; given != NULL && i < given->crl_count; i++)
        out[count++] = given->crls[i];
    trust->named_crl_count = owner->crl_count;
    trust->owner_crl_count = count;
    trust->owner_crls_alone = owner->are_required;
    for (size_t i = 0; i < all->crl_count; i++)
        out[count++] = all->crls[i];
    trust->crls = out;
    trust->crl_count = count;
}

/* What was verified with it, its signature is known of. */
static void keep_crls(struct clo_certificate_cache *cache, const struct clo_snp_chain *chain,
                      const struct clo_snp_certificates *all)
{
    const struct clo_certificate *const issuers[] = { chain->intermediate, chain->root };
    struct clo_error ignored;

    for (size_t i = 0; cache != NULL && i < all->crl_count; i++)
        for (size_t k = 0; k < CLO_COUNT(issuers); k++)
            if (issuers[k] != NULL && clo_crl_is_from(all->crls[i], issuers[k]) &&
                clo_crl_verify(all->crls[i], issuers[k], CLO_RSASSA_PSS, CLO_HASH_SHA384, &ignored))
                clo_crl_cache_keep(cache, all->crls[i]);
}

/* It ends in a root that is trusted, so that it is worth its place. */
static void keep_chain(struct clo_certificate_cache *cache, const struct clo_snp_chain *chain)
{
    clo_certificate_cache_keep(cache, chain->leaf);
    clo_certificate_cache_keep(cache, chain->intermediate);
    clo_certificate_cache_keep(cache, chain->root);
}

static void note_provenance(struct work *w, const struct clo_snp_chain *chain,
                            const struct clo_crl *const *crls, size_t crl_count)
{
    const struct clo_certificate *const issuers[] = { chain->leaf, chain->intermediate,
                                                      chain->root };

    for (size_t i = 0; i < CLO_COUNT(issuers); i++)
        if (issuers[i] != NULL)
            appraise_expires(w, clo_certificate_not_after(issuers[i]), "certificate");
    for (size_t i = 0; i < crl_count; i++)
        for (size_t k = 1; k < CLO_COUNT(issuers); k++)
            if (own(w)->revocation_checked && issuers[k] != NULL &&
                clo_crl_is_from(crls[i], issuers[k]) &&
                clo_crl_next_update(crls[i]) >= w->inputs->at)
                appraise_expires(w, clo_crl_next_update(crls[i]), "revocation list");
    if (chain->root != NULL)
        w->root_name = clo_json_text(clo_certificate_subject(chain->root));
}

/* Authentic is what ends in a root that the caller or the policy names. AMD's count unless the caller
 * names others, or a policy does not name them. */
bool tee_snp_verify(struct work *w, const struct clo_snp_report *report, struct clo_error *err)
{
    const struct clo_appraise_inputs *inputs = w->inputs;
    const struct clo_policy *policy = inputs->policy;
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates certificates = { 0 };
    CLO_CLEANUP(clo_freep) struct clo_digest *roots = NULL;
    CLO_CLEANUP(clo_freep) const struct clo_crl **crls = NULL;
    struct clo_snp_chain chain = { 0 };
    struct clo_error refused;
    size_t root_count;
    bool has_own = inputs->root_count > 0;

    if (!appraise_roots(w, &roots, &root_count, err))
        return false;
    crls = new_crls(inputs);
    if (crls == NULL)
        return clo_out_of_memory(err);
    struct clo_snp_trust trust = {
        .at = inputs->at,
        .amd = policy == NULL || policy->is_strict_builtin
                       ? !has_own
                       : clo_policy_trusts_maker(policy, CLO_TEE_SNP),
        .roots = roots,
        .root_count = root_count,
        .stale_crls = policy == NULL ? 0 : policy->grace.crl,
    };
    struct clo_snp_verified *verified = tee_keep(w, &tee_snp, sizeof *verified, err);
    if (verified == NULL ||
        !clo_appraise_snp_chain(w->evidence, inputs, report, &certificates, &chain, err))
        return false;
    gather_crls(inputs, &certificates, crls, &trust);
    if (!clo_snp_verify(report, &chain, &trust, w->checks, verified, &refused))
        return refused.status != CLO_ERR_SYSTEM ||
               clo_fail(err, CLO_ERR_SYSTEM, "%s", refused.text);
    w->hardware = &tee_snp;
    keep_chain(inputs->certificate_cache, &chain);
    keep_crls(inputs->certificate_cache, &chain, &certificates);
    note_provenance(w, &chain, crls, trust.crl_count);
    return appraise_claims(w, clo_snp_claims(verified), err);
}

/* --- What it signed --- */

static bool appraise(struct work *w, struct clo_error *err)
{
    struct clo_snp_report report;

    if (!clo_snp_parse(clo_evidence_get(w->evidence, CLO_EVIDENCE_SNP_REPORT), &report, err))
        return clo_wrap(err, "evidence");
    if (!tee_snp_verify(w, &report, err))
        return false;
    appraise_report_data(w, "snp.report_data", "REPORT_DATA", report.report_data);
    return true;
}

static void warn(struct work *w)
{
    const struct clo_snp_report *report = &own(w)->report;

    if (report->is_newer)
        appraise_warn(w, "report version %u is newer than what this program knows",
                      report->version);
    if (w->inputs->policy != NULL)
        return;
    if ((report->policy & CLO_SNP_POLICY_DEBUG) != 0)
        appraise_warn(w, "the guest policy allows debugging: the host can read the guest");
    if ((report->policy & CLO_SNP_POLICY_MIGRATE) != 0)
        appraise_warn(w, "the guest policy allows a migration agent");
    if ((report->policy & ~CLO_SNP_POLICY_KNOWN) != 0 || (report->policy & CLO_SNP_POLICY_MBO) == 0)
        appraise_warn(w, "guest policy 0x%016llx: reserved bits are not as they must be",
                      (unsigned long long)report->policy);
    if (report->vmpl > 3)
        appraise_warn(w, "the report is of VMPL %u, which does not exist", report->vmpl);
}

/* --- By the policy --- */

static void check_policy(struct work *w)
{
    const struct clo_snp_verified *verified = own(w);
    json_t *behind = clo_policy_snp_behind(w->inputs->policy, verified);

    clo_policy_appraise_snp(w->inputs->policy, verified, w->checks);
    if (behind != NULL)
        json_object_set_new(w->appraisal->claims, "tcb_behind", behind);
}

static void check_ages(struct work *w)
{
    const struct clo_snp_verified *verified = own(w);

    policy_check_age(w->inputs->policy->maximum_age.crl, "policy.crl_age", "revocation list",
                     verified->revocation_checked, verified->revocation_issued, w->inputs->at,
                     w->checks);
}

/* --- Who it is --- */

/* The VCEK's word for it, also where the host keeps CHIP_ID out of the report. */
static struct clo_bytes chip(const struct work *w)
{
    const struct clo_snp_verified *verified = own(w);

    return verified->has_hw_id ? clo_bytes(verified->hw_id, sizeof verified->hw_id)
                               : verified->report.chip_id;
}

static struct clo_bytes init_data(const struct work *w)
{
    return own(w)->report.host_data;
}

static struct clo_bytes boot_id(const struct work *w)
{
    return own(w)->report.report_id;
}

static const struct clo_digest *root(const struct work *w, bool *is_makers)
{
    *is_makers = own(w)->is_amd;
    return &own(w)->root;
}

/* --- What nothing pins --- */

static bool pins_launch(const struct work *w)
{
    const struct clo_policy *policy = w->inputs->policy;

    return appraise_expects(w, "measurement") || appraise_expects(w, "id_key_digest") ||
           appraise_expects(w, "author_key_digest") || w->inputs->id_block.data != NULL ||
           (policy != NULL && policy_snp_pins_launch(&policy->snp));
}

static void open_launch(struct work *w)
{
    /* What a cloud endorses has neither paravisor nor service module: what starts in it asks for reports itself, over claims and
     * manifests of its own. */
    if (!pins_launch(w) && !appraise_is_launch_endorsed(w))
        appraise_leave_open(
                w, "firmware",
                "no launch measurement and no key of the owner's is named: anybody's firmware");
}

/* Of the utility VM kernel, initrd and command line are in the measurement; what it runs is in HOST_DATA. */
static void open_containers(struct work *w)
{
    const struct clo_policy *policy = w->inputs->policy;

    if (w->inputs->init_data.data == NULL && !appraise_expects(w, "host_data") &&
        (policy == NULL || !policy_pins(&policy->snp.host_data)))
        appraise_leave_open(
                w, "program",
                "nothing names the policy for the utility VM's containers, whose digest "
                "is HOST_DATA (--container-policy, \"host_data\")");
}

static void open_bare(struct work *w)
{
    const struct clo_policy *policy = w->inputs->policy;
    uint32_t covers = policy == NULL ? 0 : policy_snp_covers(&policy->snp);

    if (w->is_vm_endorsed) {
        open_containers(w);
        return;
    }
    if ((covers & CLO_COVERS_KERNEL) == 0 || (covers & CLO_COVERS_INITRD) == 0)
        appraise_leave_open(
                w, "program",
                "nothing says that the launch measurement covers kernel and initrd "
                "(\"measurement_covers\"): of stock firmware it does not, and any disk starts");
    if ((covers & CLO_COVERS_CMDLINE) == 0)
        appraise_leave_open(w, "command line",
                            "nothing says that the launch measurement covers the command line");
}

/* What asked for the report may not be the firmware that was measured. */
static void open_tpm(struct work *w)
{
    unsigned vmpl = own(w)->report.vmpl;

    if (w->is_vm_endorsed)
        open_containers(w);
    if (vmpl != 0)
        appraise_leave_open(w, "firmware",
                            "VMPL %u asked for the report: what the paravisor runs did, and may "
                            "pretend any vTPM",
                            vmpl);
}

static bool allows_debug(const struct work *w)
{
    return (own(w)->report.policy & CLO_SNP_POLICY_DEBUG) != 0;
}

/* --- What the policy's grace let pass --- */

static void open_grace(struct work *w)
{
    const struct clo_snp_verified *verified = own(w);
    int64_t at = w->inputs->at;

    if (verified->revocation_checked && at > verified->revocation_until)
        appraise_leave_open(w, "revocation",
                            "grace: the next revocation list has been due for %lld days",
                            appraise_days(at - verified->revocation_until));
}

/* --- What it still lacks --- */

static bool missing(const struct clo_evidence *evidence, const struct clo_appraise_inputs *inputs,
                    struct clo_requests *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_snp_certificates_free) struct clo_snp_certificates all = { 0 };
    CLO_CLEANUP(clo_freep) const struct clo_crl **crls = NULL;
    struct clo_snp_trust trust = { .at = inputs->at };
    struct clo_snp_chain chain;
    struct clo_snp_report report;

    if (!clo_appraise_snp_report(evidence, &report))
        return true;
    crls = new_crls(inputs);
    if (crls == NULL)
        return clo_out_of_memory(err);
    if (!clo_appraise_snp_chain(evidence, inputs, &report, &all, &chain, err))
        return false;
    gather_crls(inputs, &all, crls, &trust);
    return clo_missing_snp(&report, &chain, crls,
                           trust.owner_crls_alone ? trust.owner_crl_count : trust.crl_count,
                           inputs->at, out, err);
}

/* --- The entry --- */

static const char *const claims[] = {
    "version",
    "product",
    "guest_svn",
    "vmpl",
    "policy",
    "policy_abi",
    "family_id",
    "image_id",
    "platform_info",
    "report_data",
    "measurement",
    "host_data",
    "id_key_digest",
    "author_key_digest",
    "report_id",
    "report_id_ma",
    "chip_id",
    "current_tcb",
    "reported_tcb",
    "committed_tcb",
    "launch_tcb",
    "current_version",
    "committed_version",
    "cpuid_fam_id",
    "cpuid_mod_id",
    "cpuid_step",
    "launch_mit_vector",
    "current_mit_vector",
    "signature_algo",
    "signer_info",
    "author_key_en",
    "mask_chip_key",
    "chip_id_masked",
    "hw_id",
    "signing_key",
    "csp_id",
    NULL,
};
static const char *const identity[] = {
    "snp.root",      "snp.chain", "snp.signature", "snp.chip", "policy.signing_key",
    "policy.csp_id", NULL,
};
static const char *const who[] = { "snp.root", "|", "snp.signature", "|", NULL };
static const char *const configuration[] = {
    "policy.debug",    "policy.migration",    "policy.cxl", "policy.vmpl",
    "policy.reserved", "policy.guest_policy", NULL,
};
static const char *const how[] = { "policy.debug", "|", NULL };
static const char *const executables[] = {
    "policy.measurement", "policy.id_key",    "policy.author_key",
    "id_block.",          "policy.guest_svn", NULL,
};
static const char *const what[] = {
    "policy.measurement",
    "policy.id_key",
    "policy.author_key",
    "id_block.fields",
    "expect.measurement",
    "|",
    NULL,
};
static const char *const hardware[] = {
    "snp.tcb",
    "snp.revocation",
    "snp.product",
    "policy.tcb",
    "policy.provisional",
    "policy.current_",
    "policy.committed_",
    "policy.launch_",
    "policy.platform_",
    "policy.alias_check",
    "policy.tio",
    "policy.crl_age",
    NULL,
};
/* The TCB against a minimum, and a list of what is revoked. */
static const char *const where[] = { "policy.tcb", "|", "snp.revocation", "|", NULL };

const struct tee tee_snp = {
    .id = CLO_TEE_SNP,
    .kind = CLO_EVIDENCE_OF_BARE,
    .label = CLO_EVIDENCE_SNP_REPORT,
    .appraise = appraise,
    .free = free,
    .claims = claims,
    .ear = { [TEE_INSTANCE_IDENTITY] = { identity, who },
             [TEE_CONFIGURATION] = { configuration, how },
             [TEE_EXECUTABLES] = { executables, what },
             [TEE_HARDWARE] = { hardware, where } },
    .missing = missing,
    .warn = warn,
    .check_policy = check_policy,
    .check_ages = check_ages,
    .init_data = init_data,
    .chip = chip,
    .boot_id = boot_id,
    .root = root,
    .open_launch = open_launch,
    .open_bare = open_bare,
    .open_tpm = open_tpm,
    .open_grace = open_grace,
    .allows_debug = allows_debug,
};
