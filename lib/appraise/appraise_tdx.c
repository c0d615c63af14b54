/* The hardware evidence of TDX: a quote with its platform's collateral, and the event log. */
#include <stdlib.h>

#include "appraise_internal.h"

/* CC measurement register indexes (UEFI 2.10, table 38.4): 0 is MRTD, then the RTMRs. */
#define CC_FIRST_RTMR 1

static bool gather_roots(const struct work *w, struct clo_digest **out, size_t *count,
                         struct clo_error *err)
{
    const struct clo_appraise_inputs *inputs = w->inputs;
    const struct clo_policy *policy = inputs->policy;
    size_t of_policy = policy == NULL ? 0 : policy->root_count;

    *out = calloc(inputs->root_count + of_policy + 1, sizeof **out);
    if (*out == NULL)
        return clo_out_of_memory(err);
    for (size_t i = 0; i < inputs->root_count; i++)
        (*out)[i] = inputs->roots[i];
    for (size_t i = 0; i < of_policy; i++)
        (*out)[inputs->root_count + i] = policy->roots[i];
    *count = inputs->root_count + of_policy;
    return true;
}

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
static bool new_platform(struct work *w, const struct clo_tdx_quote *quote, struct clo_error *err)
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
    };

    if (!gather_roots(w, &roots, &trust.root_count, err))
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
                                w->checks, &w->tdx_platform, err);
}

/* Without a policy, the one question that is answered: does Intel call the TCB out of date? */
static void check_status(struct work *w)
{
    static const char id[] = "tdx.tcb_status";
    const struct clo_tdx_tcb *tcb = &w->tdx.tcb;
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

bool appraise_tdx_verify(struct work *w, const struct clo_tdx_quote *quote, struct clo_error *err)
{
    struct clo_error refused;

    if (!new_platform(w, quote, err))
        return clo_wrap(err, "evidence");
    if (w->tdx_platform == NULL)
        return true;
    w->is_tdx_verified =
            clo_tdx_verify(quote, w->tdx_platform, w->inputs->at, w->checks, &w->tdx, &refused);
    if (!w->is_tdx_verified)
        return refused.status != CLO_ERR_SYSTEM ||
               clo_fail(err, CLO_ERR_SYSTEM, "%s", refused.text);
    appraise_provenance_tdx(w);
    check_status(w);
    json_t *claims = clo_tdx_claims(&w->tdx);
    bool ok = claims != NULL && json_object_update(w->appraisal->claims, claims) == 0;
    json_decref(claims);
    return ok || clo_out_of_memory(err);
}

/* --- The event log --- */

/* A register that the log accounts for has its events proven. RTMR 2 and 3 may have been extended by
 * what runs now, so that a log of the firmware's falls short of them. */
static void check_register(struct work *w, const struct clo_pcr_bank *bank, size_t i)
{
    char id[] = "ccel.rtmr0";
    bool may_grow = i >= 2;
    bool equal = clo_bytes_equal(w->tdx.quote.body.rtmr[i],
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
    if (!clo_eventlog_replay(w->log, CLO_HASH_SHA384, &bank, err))
        return clo_wrap(err, "evidence: CCEL");
    for (size_t i = 0; w->is_tdx_verified && i < CLO_TDX_RTMR_COUNT; i++)
        check_register(w, &bank, i);
    return true;
}

/* --- The quote --- */

/* As with an SNP report: REPORTDATA is SHA-512 of the runtime data, or the nonce. */
static void check_report_data(struct work *w, struct clo_bytes report_data)
{
    static const char id[] = "tdx.report_data";
    struct clo_bytes qualifying = w->inputs->expected_qualifying;
    struct clo_digest digest;

    if (w->runtime_data.data != NULL) {
        clo_hash(CLO_HASH_SHA512, w->runtime_data, &digest);
        bool binds = clo_check_that(w->checks, id,
                                    clo_bytes_equal(report_data, clo_digest_bytes(&digest)),
                                    "REPORTDATA and the SHA-512 digest of the runtime data");
        w->appraisal->binds_pubkey = binds && w->is_tdx_verified;
        w->binds_runtime_data = w->appraisal->binds_pubkey;
    } else if (qualifying.data != NULL) {
        size_t size = qualifying.size;
        bool same = clo_check_that(
                w->checks, id,
                size > 0 && size <= report_data.size &&
                        clo_bytes_equal(clo_bytes_slice(report_data, 0, size), qualifying) &&
                        clo_bytes_all(clo_bytes_slice(report_data, size, 64), 0),
                "REPORTDATA and the nonce that was given");
        w->matches_qualifying = same && w->is_tdx_verified;
    } else {
        clo_check_skip(w->checks, id, "no runtime data and no nonce to hold REPORTDATA against");
    }
}

bool appraise_tdx(struct work *w, struct clo_error *err)
{
    struct clo_tdx_quote quote;

    if (!clo_tdx_parse(clo_evidence_get(w->evidence, CLO_EVIDENCE_TDX_QUOTE), &quote, err))
        return clo_wrap(err, "evidence");
    if (!appraise_tdx_verify(w, &quote, err))
        return false;
    check_report_data(w, quote.body.report_data);
    return replay_log(w, err);
}

void appraise_warn_of_tdx(struct work *w)
{
    const struct clo_tdx_quote *quote = &w->tdx.quote;
    uint64_t attributes = clo_tdx_attributes(&quote->body);
    uint64_t xfam = clo_tdx_xfam(&quote->body);
    const char *unknown = clo_tdx_platform_unknown(w->tdx_platform);

    if (!w->tdx.tcb.is_evaluated)
        appraise_warn(w, "the TCB was not evaluated: the platform may be outdated or revoked, and "
                         "its quoting enclave any that holds a provisioning certificate");
    if (*unknown != '\0')
        appraise_warn(w,
                      "the collateral has members that this program does not know, and whose "
                      "meaning it has therefore not looked at: %.160s",
                      unknown);
    if (w->tdx.tcb.is_evaluated && w->tdx.tcb.tcb_info_number != w->tdx.tcb.qe_identity_number)
        appraise_warn(w,
                      "TCB info has TCB evaluation data number %u, QE identity %u: the lower one "
                      "counts",
                      w->tdx.tcb.tcb_info_number, w->tdx.tcb.qe_identity_number);
    if (!clo_bytes_all(quote->trailing, 0))
        appraise_warn(w, "%zu bytes behind the quote are neither signed nor zero; they are ignored",
                      quote->trailing.size);
    if (w->tdx.tcb.is_evaluated &&
        (w->tdx.tcb.status == CLO_TDX_RELAUNCH_ADVISED ||
         w->tdx.tcb.status == CLO_TDX_RELAUNCH_ADVISED_CONFIGURATION_NEEDED))
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
