/* TDX: a quote with its platform's collateral, bare with the TD's event log, or next to another's report. */
#include <stdlib.h>

#include "cloister/ccel.h"

#include "lib/appraise/tee_tdx.h"
#include "lib/policy/policy_internal.h"

/* CC measurement register indexes (UEFI 2.10, table 38.4): 0 is MRTD, then the RTMRs. */
#define CC_FIRST_RTMR 1

struct kept {
    struct clo_tdx_platform *platform;
    struct clo_tdx_verified verified;
};

static void free_kept(void *state)
{
    struct kept *kept = state;

    clo_tdx_platform_free(kept->platform);
    free(kept);
}

/* What the hooks of an authentic quote look at. */
static const struct clo_tdx_verified *own(const struct work *w)
{
    const struct kept *kept = tee_kept(w, &tee_tdx);

    return &kept->verified;
}

const struct clo_tdx_verified *tee_tdx_verified(const struct work *w)
{
    return w->hardware == &tee_tdx ? own(w) : NULL;
}

/* --- The platform --- */

/* What is the evidence's and cannot be read is an error where nothing else is there to judge by. */
static bool read_brought(const struct work *w, struct clo_tdx_collateral *out, bool *is_there,
                         struct clo_error *err)
{
    struct clo_bytes text = clo_evidence_get(w->evidence, CLO_EVIDENCE_TDX_COLLATERAL);
    const struct clo_endorsements *owner = &w->inputs->endorsements;

    *is_there = text.data != NULL && !owner->are_required;
    if (!*is_there || clo_tdx_collateral_parse(text, out, err))
        return true;
    *is_there = false;
    return owner->tdx_collateral_count > 0;
}

/* Of the owner's sets and the evidence's the pieces for this platform; none at all is for the checks to
 * say. */
static bool choose_collateral(struct work *w, const struct clo_tdx_quote *quote,
                              struct clo_tdx_choice *out, size_t *count, struct clo_error *err)
{
    const struct clo_endorsements *owner = &w->inputs->endorsements;
    CLO_CLEANUP(clo_tdx_collateral_free) struct clo_tdx_collateral brought = { 0 };
    const struct clo_tdx_collateral *sets[CLO_TDX_SETS_MAX + 1];
    bool has_brought;

    *count = owner->tdx_collateral_count;
    if (*count > CLO_TDX_SETS_MAX - 1)
        return clo_fail(err, CLO_ERR_USAGE, "%zu sets of collateral, at most %d", *count,
                        CLO_TDX_SETS_MAX - 1);
    if (!read_brought(w, &brought, &has_brought, err))
        return false;
    for (size_t i = 0; i < *count; i++)
        sets[i] = owner->tdx_collateral[i];
    if (has_brought)
        sets[(*count)++] = &brought;
    if (!clo_tdx_collateral_choose(sets, *count, owner->tdx_collateral_count, quote->chain,
                                   w->inputs->at, out, err))
        return false;
    if (owner->are_required && clo_evidence_has(w->evidence, CLO_EVIDENCE_TDX_COLLATERAL))
        clo_check_that(w->checks, "tdx.collateral", true,
                       "the evidence's is left out: only what the verifier holds itself counts%s%s",
                       out->left_out[0] == '\0' ? "" : "; ", out->left_out);
    else if (out->left_out[0] != '\0')
        clo_check_that(w->checks, "tdx.collateral", true, "left out: %s", out->left_out);
    return true;
}

/* The same rule as for SEV-SNP: Intel's root counts unless the caller names others, or a policy does
 * not name it. A policy of AMD's alone trusts no root here, and that is a verdict. */
static bool new_platform(struct work *w, const struct clo_tdx_quote *quote,
                         struct clo_tdx_platform **out, struct clo_error *err)
{
    const struct clo_appraise_inputs *inputs = w->inputs;
    const struct clo_policy *policy = inputs->policy;
    CLO_CLEANUP(clo_freep) struct clo_digest *roots = NULL;
    struct clo_tdx_trust trust = {
        .at = inputs->at,
        .intel = policy == NULL || policy->is_strict_builtin
                         ? inputs->root_count == 0
                         : clo_policy_trusts_maker(policy, CLO_TEE_TDX),
        .without_tcb = inputs->without_tcb,
        .cache = inputs->certificate_cache,
    };

    if (!appraise_roots(w, &roots, &trust.root_count, err))
        return false;
    trust.roots = roots;
    if (policy != NULL) {
        trust.stale_documents = policy->grace.collateral;
        trust.stale_lists = policy->grace.crl;
    }
    if (!trust.intel && trust.root_count == 0) {
        clo_check_that(w->checks, "tdx.root", false, "the policy names no root of TDX platforms");
        return true;
    }
    const struct clo_snp_certificates *certificates = inputs->endorsements.certificates;
    if (certificates != NULL) {
        trust.certificates = (const struct clo_certificate *const *)certificates->items;
        trust.certificate_count = certificates->count;
    }
    CLO_CLEANUP(clo_tdx_choice_free) struct clo_tdx_choice choice = { 0 };
    size_t count;
    if (!choose_collateral(w, quote, &choice, &count, err))
        return false;
    return clo_tdx_platform_new(quote->chain, count == 0 ? NULL : &choice.collateral, &trust,
                                w->checks, out, err);
}

/* Without a policy, the one question that is answered: does Intel call the TCB out of date? */
static void check_status(struct work *w)
{
    static const char id[] = "tdx.tcb_status";
    const struct clo_tdx_tcb *tcb = &own(w)->tcb;
    char behind[400];

    if (w->inputs->policy != NULL)
        return; /* policy.tcb_status */
    if (!tcb->is_evaluated) {
        clo_check_skip(w->checks, id, "TCB evaluation was left out");
        return;
    }
    bool holds = tcb->status != CLO_TDX_OUT_OF_DATE &&
                 tcb->status != CLO_TDX_OUT_OF_DATE_CONFIGURATION_NEEDED &&
                 tcb->status != CLO_TDX_REVOKED && tcb->status != CLO_TDX_NOT_SUPPORTED;
    clo_tdx_behind_text(tcb, behind, sizeof behind);
    clo_check_that(w->checks, id, holds, "Intel calls this platform's TCB %s%s",
                   clo_tdx_status_name(tcb->status), behind);
}

/* The registers that a quote proves. */
static void prove_registers(struct work *w, const struct clo_tdx_body *body)
{
    struct registers *proven = &w->proven;

    *proven = (struct registers){ .prefix = "rtmr",
                                  .hash = CLO_HASH_SHA384,
                                  .first = CLO_REGISTER_RTMR(0),
                                  .phase = "",
                                  .count = CLO_TDX_RTMR_COUNT };
    for (unsigned n = 0; n < CLO_TDX_RTMR_COUNT; n++) {
        proven->values[n].hash = CLO_HASH_SHA384;
        for (size_t i = 0; i < body->rtmr[n].size; i++)
            proven->values[n].bytes[i] = body->rtmr[n].data[i];
        proven->mask |= 1U << n;
    }
}

bool tee_tdx_verify(struct work *w, const struct clo_tdx_quote *quote, struct clo_error *err)
{
    struct kept *kept = tee_keep(w, &tee_tdx, sizeof *kept, err);
    struct clo_error refused;
    int64_t from, until;

    if (kept == NULL)
        return false;
    if (!new_platform(w, quote, &kept->platform, err))
        return clo_wrap(err, "evidence");
    if (kept->platform == NULL)
        return true;
    if (!clo_tdx_verify(quote, kept->platform, w->inputs->at, w->checks, &kept->verified, &refused))
        return refused.status != CLO_ERR_SYSTEM ||
               clo_fail(err, CLO_ERR_SYSTEM, "%s", refused.text);
    w->hardware = &tee_tdx;
    clo_tdx_platform_window(kept->platform, &from, &until);
    appraise_expires(w, until, "collateral");
    prove_registers(w, &kept->verified.quote.body);
    check_status(w);
    return appraise_claims(w, clo_tdx_claims(&kept->verified), err);
}

/* --- The event log --- */

/* A register that the log accounts for has its events proven. RTMR 2 and 3 may have been extended by
 * what runs now, so that a log of the firmware's falls short of them. */
static void check_register(struct work *w, const struct clo_pcr_bank *bank, size_t i)
{
    char id[] = "ccel.rtmr0";
    bool may_grow = i >= 2;
    bool equal = clo_bytes_equal(own(w)->quote.body.rtmr[i],
                                 clo_digest_bytes(&bank->values[CC_FIRST_RTMR + i]));

    id[9] = (char)('0' + i);
    if (!equal && may_grow)
        clo_check_skip(w->checks, id,
                       "the event log does not account for RTMR %zu: it was extended later, or the "
                       "log is another's",
                       i);
    else
        clo_check_that(w->checks, id, equal, "the event log %s to RTMR %zu",
                       equal ? "replays" : "does not replay", i);
}

/* What user space measured becomes events of the log, so that rules and explanations see it, too. */
static bool go_on(struct work *w, struct clo_bytes ccel, struct clo_error *err)
{
    CLO_CLEANUP(clo_userlog_freep) struct clo_userlog *userlog = NULL;
    struct clo_bytes bytes = clo_evidence_get(w->evidence, CLO_EVIDENCE_USERSPACE_LOG);

    if (bytes.data == NULL)
        return true;
    if (!clo_userlog_parse(bytes, &userlog, err) ||
        !clo_ccel_append(ccel, w->log, userlog, &w->log_bytes, err))
        return clo_wrap(err, "evidence: user space's log");
    clo_eventlog_freep(&w->log);
    return clo_eventlog_parse(clo_buffer_bytes(&w->log_bytes), &w->log, err) ||
           clo_wrap(err, "evidence: CCEL and user space's log");
}

static bool replay_log(struct work *w, struct clo_error *err)
{
    struct clo_bytes bytes = clo_evidence_get(w->evidence, CLO_EVIDENCE_TDX_CCEL);
    struct clo_pcr_bank bank;

    if (bytes.data == NULL)
        return true;
    if (!clo_eventlog_parse(bytes, &w->log, err))
        return clo_wrap(err, "evidence: CCEL");
    if (!clo_eventlog_is_ccel(w->log))
        return clo_fail(err, CLO_ERR_FORMAT, "evidence: CCEL: not the event log of a TD");
    if (!go_on(w, bytes, err))
        return false;
    if (!clo_eventlog_replay(w->log, CLO_HASH_SHA384, &bank, err))
        return clo_wrap(err, "evidence: CCEL");
    for (size_t i = 0; tee_tdx_verified(w) != NULL && i < CLO_TDX_RTMR_COUNT; i++)
        check_register(w, &bank, i);
    return true;
}

/* --- The quote --- */

static bool appraise(struct work *w, struct clo_error *err)
{
    struct clo_tdx_quote quote;

    if (!clo_tdx_parse(clo_evidence_get(w->evidence, CLO_EVIDENCE_TDX_QUOTE), &quote, err))
        return clo_wrap(err, "evidence");
    if (!tee_tdx_verify(w, &quote, err))
        return false;
    appraise_report_data(w, "tdx.report_data", "REPORTDATA", quote.body.report_data);
    return replay_log(w, err);
}

static void warn(struct work *w)
{
    const struct kept *kept = tee_kept(w, &tee_tdx);
    const struct clo_tdx_tcb *tcb = &kept->verified.tcb;
    const struct clo_tdx_quote *quote = &kept->verified.quote;
    uint64_t attributes = clo_tdx_attributes(&quote->body);
    uint64_t xfam = clo_tdx_xfam(&quote->body);
    const char *unknown = clo_tdx_platform_unknown(kept->platform);

    if (!tcb->is_evaluated)
        appraise_warn(w, "the TCB was not evaluated: the platform may be outdated or revoked, and "
                         "its quoting enclave any that holds a provisioning certificate");
    if (*unknown != '\0')
        appraise_warn(w,
                      "the collateral has members that this program does not know, and whose "
                      "meaning it has therefore not looked at: %.160s",
                      unknown);
    if (tcb->is_evaluated && tcb->tcb_info_number != tcb->qe_identity_number)
        appraise_warn(w,
                      "TCB info has TCB evaluation data number %u, QE identity %u: the lower one "
                      "counts",
                      tcb->tcb_info_number, tcb->qe_identity_number);
    if (!clo_bytes_all(quote->trailing, 0))
        appraise_warn(w, "%zu bytes after the quote are neither signed nor zero; they are ignored",
                      quote->trailing.size);
    if (tcb->is_evaluated && (tcb->status == CLO_TDX_RELAUNCH_ADVISED ||
                              tcb->status == CLO_TDX_RELAUNCH_ADVISED_CONFIGURATION_NEEDED))
        appraise_warn(w, "the TD was launched under an outdated TDX module: relaunch it");
    if (w->inputs->policy != NULL)
        return;
    if ((attributes & CLO_TDX_ATTRIBUTE_DEBUG) != 0)
        appraise_warn(w, "the TD can be debugged: the host can read the guest");
    if ((attributes & CLO_TDX_ATTRIBUTE_MIGRATABLE) != 0)
        appraise_warn(w, "the TD can be migrated");
    if ((attributes & ~CLO_TDX_ATTRIBUTES_KNOWN) != 0)
        appraise_warn(w, "TD attributes 0x%016llx: reserved bits are set",
                      (unsigned long long)attributes);
    if ((attributes & CLO_TDX_ATTRIBUTE_SEPT_VE_DISABLE) == 0)
        appraise_warn(w, "SEPT_VE_DISABLE is not set: the host can cause #VE by taking pages away");
    if ((xfam & ~CLO_TDX_XFAM_KNOWN) != 0 || (xfam & CLO_TDX_XFAM_FIXED) != CLO_TDX_XFAM_FIXED)
        appraise_warn(w, "XFAM 0x%016llx: reserved bits are not as they must be",
                      (unsigned long long)xfam);
}

/* --- By the policy --- */

static void check_policy(struct work *w)
{
    clo_policy_appraise_tdx(w->inputs->policy, own(w), w->proven_rtmrs, w->checks);
}

static void check_ages(struct work *w)
{
    const struct clo_policy_ages *ages = &w->inputs->policy->maximum_age;
    const struct clo_tdx_tcb *tcb = &own(w)->tcb;
    int64_t at = w->inputs->at;

    policy_check_age(ages->crl, "policy.crl_age", "revocation list",
                     tcb->is_evaluated && tcb->lists_issued != INT64_MAX, tcb->lists_issued, at,
                     w->checks);
    policy_check_age(ages->collateral, "policy.collateral_age", "TCB info or QE identity",
                     tcb->is_evaluated && tcb->documents_issued != INT64_MAX, tcb->documents_issued,
                     at, w->checks);
}

/* --- Who it is --- */

static struct clo_bytes chip(const struct work *w)
{
    const struct clo_tdx_pck *pck = &own(w)->pck;

    return clo_bytes(pck->ppid, sizeof pck->ppid);
}

static struct clo_bytes init_data(const struct work *w)
{
    return own(w)->quote.body.mr_config_id;
}

static const struct clo_digest *root(const struct work *w, bool *is_makers)
{
    *is_makers = own(w)->is_intel;
    return &own(w)->root;
}

static bool is_tcb_left_out(const struct work *w)
{
    return !own(w)->tcb.is_evaluated;
}

/* --- What nothing pins --- */

/* n is CLO_TDX_RTMR_COUNT for MRTD. */
static bool pins_register(const struct work *w, unsigned n)
{
    static const char *const claims[] = { "rtmr0", "rtmr1", "rtmr2", "rtmr3", "mr_td" };
    const struct clo_policy *policy = w->inputs->policy;

    return (w->proven_rtmrs >> n & 1) != 0 || appraise_expects(w, claims[n]) ||
           (policy != NULL && policy_tdx_pins(&policy->tdx, n));
}

static void open_launch(struct work *w)
{
    /* What a cloud endorses has no paravisor: what starts in it asks for quotes itself, over claims of its own. */
    if (!pins_register(w, CLO_TDX_RTMR_COUNT) && !appraise_is_launch_endorsed(w))
        appraise_leave_open(w, "firmware", "no MRTD is named: anybody's firmware");
}

static void open_bare(struct work *w)
{
    bool has_loader = pins_register(w, 1);
    bool has_kernel = pins_register(w, 2);

    if (!has_loader || !has_kernel)
        appraise_leave_open(w, "program",
                            "nothing says what RTMR %s may be: any boot loader and kernel",
                            has_loader   ? "2"
                            : has_kernel ? "1"
                                         : "1 and 2");
    if (!has_kernel)
        appraise_leave_open(w, "command line", "nothing says what RTMR 2 may be: any command line");
}

static bool allows_debug(const struct work *w)
{
    return (clo_tdx_attributes(&own(w)->quote.body) & CLO_TDX_ATTRIBUTE_DEBUG) != 0;
}

/* --- What the policy's grace let pass --- */

static void open_grace(struct work *w)
{
    const struct clo_tdx_tcb *tcb = &own(w)->tcb;
    int64_t until;

    if (tcb->stale_lists > 0)
        appraise_leave_open(w, "revocation",
                            "grace: the next revocation list has been due for %lld days",
                            appraise_days(tcb->stale_lists));
    if (tcb->stale_documents > 0)
        appraise_leave_open(w, "collateral",
                            "grace: newer TCB info or QE identity has been due for %lld days",
                            appraise_days(tcb->stale_documents));
    if (policy_tdx_grace(w->inputs->policy, tcb, &until))
        appraise_leave_open(w, "TCB", "grace: the TCB is %s, accepted for %lld more days",
                            clo_tdx_status_name(tcb->status), appraise_days(until - tcb->at));
}

/* --- What it still lacks --- */

/* A quote without a chain has it in the collateral. */
static struct clo_bytes chain_of(const struct clo_tdx_quote *quote,
                                 const struct clo_endorsements *owner)
{
    struct clo_bytes chain = quote->chain;

    for (size_t i = 0; chain.size == 0 && i < owner->tdx_collateral_count; i++)
        chain = clo_buffer_bytes(&owner->tdx_collateral[i]->pieces[CLO_TDX_PCK_CHAIN]);
    return chain;
}

/* What the evidence brings of collateral is a hint: the caller's own sets are to be whole. */
static bool missing(const struct clo_evidence *evidence, const struct clo_appraise_inputs *inputs,
                    struct clo_requests *out, struct clo_error *err)
{
    CLO_CLEANUP(clo_tdx_choice_free) struct clo_tdx_choice choice = { 0 };
    const struct clo_endorsements *owner = &inputs->endorsements;
    struct clo_bytes bytes = clo_evidence_get(evidence, CLO_EVIDENCE_TDX_QUOTE);
    struct clo_tdx_quote quote;
    struct clo_tdx_pck pck;
    struct clo_error ignored;

    if (bytes.data == NULL || inputs->without_tcb || !clo_tdx_parse(bytes, &quote, &ignored))
        return true;
    struct clo_bytes chain = chain_of(&quote, owner);
    if (!clo_tdx_pck_from_chain(chain, &pck, &ignored))
        return true; /* for the appraisal to refuse */
    return clo_tdx_collateral_choose(owner->tdx_collateral, owner->tdx_collateral_count,
                                     owner->tdx_collateral_count, chain, inputs->at, &choice,
                                     err) &&
           clo_missing_tdx(&pck, &choice, out, err);
}

/* --- The entry --- */

static const char *const claims[] = {
    "version",
    "report_data",
    "tee_type",
    "att_key_type",
    "qe_vendor_id",
    "user_data",
    "body_type",
    "body_size",
    "tee_tcb_svn",
    "mr_seam",
    "mr_signer_seam",
    "seam_attributes",
    "td_attributes",
    "xfam",
    "mr_td",
    "mr_config_id",
    "mr_owner",
    "mr_owner_config",
    "rtmr0",
    "rtmr1",
    "rtmr2",
    "rtmr3",
    "tee_tcb_svn2",
    "mr_service_td",
    "vmid",
    "td_id",
    "dev_info",
    "init_servtd_hash",
    "init_servtd_attrs",
    "init_cpu_svn",
    "init_tee_tcb_svn",
    "init_tee_fmspc",
    "cur_servtd_hash",
    "cur_servtd_attrs",
    "qe_mr_signer",
    "qe_isv_svn",
    "fmspc",
    "pce_id",
    "ppid",
    "cpu_svn",
    "pce_svn",
    "sgx_tcb_components",
    "pck_ca",
    "tcb_status",
    "platform_tcb_status",
    "module_tcb_status",
    "qe_tcb_status",
    "tcb_date",
    "tcb_evaluation_data_number",
    NULL,
};
static const char *const identity[] = {
    "tdx.root", "tdx.pck_chain", "tdx.qe_report", "tdx.qe_binding", "tdx.qe", "tdx.quote_signature",
    NULL,
};
static const char *const who[] = { "tdx.root", "|", "tdx.quote_signature", "|", NULL };
static const char *const configuration[] = {
    "policy.debug",
    "policy.reserved",
    "policy.migratable",
    "policy.sept_ve_disable",
    "policy.xfam",
    "policy.td_attributes",
    NULL,
};
static const char *const how[] = { "policy.debug", "|", NULL };
static const char *const executables[] = {
    "policy.mr_td", "policy.rtmr0",        "policy.rtmr1", "policy.rtmr2",
    "policy.rtmr3", "policy.mr_config_id", "ccel.",        NULL,
};
static const char *const what[] = {
    "policy.rtmr1", "rtmr.1", "policy.ccel.rtmr1", "expect.rtmr1", "|", NULL,
};
static const char *const hardware[] = {
    "tdx.tcb",
    "tdx.revocation",
    "tdx.freshness",
    "tdx.module",
    "policy.tcb",
    "policy.advisories",
    "policy.evaluation_number",
    "policy.tee_tcb_svn",
    "policy.tcb_date",
    "policy.crl_age",
    "policy.collateral_age",
    "policy.mr_seam",
    "policy.mr_signer_seam",
    NULL,
};
/* Intel's word on the TCB, and a list of what is revoked. */
static const char *const where[] = { "policy.tcb_status", "|", "tdx.revocation", "|", NULL };
static const char *const telling[] = { "rtmr.2", "rtmr.1", "rtmr.0", "rtmr.3", "mr_td", NULL };

static void check_registers(struct work *w)
{
    tee_tdx_check_registers(w, tee_tdx_verified(w));
}

const struct tee tee_tdx = {
    .id = CLO_TEE_TDX,
    .kind = CLO_EVIDENCE_OF_BARE,
    .label = CLO_EVIDENCE_TDX_QUOTE,
    .appraise = appraise,
    .free = free_kept,
    .check_registers = check_registers,
    .telling = telling,
    .register_ids = "rtmr.",
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
    .root = root,
    .is_tcb_left_out = is_tcb_left_out,
    .open_launch = open_launch,
    .open_bare = open_bare,
    .open_grace = open_grace,
    .allows_debug = allows_debug,
};
