/* What nobody holds fast. No check failed, and yet the host may choose which firmware, program or command
 * line this is, or the evidence may be an old one: such a verdict is a warning that names it. */
#include <stdio.h>
#include <string.h>

#include "appraise_internal.h"
#include "lib/policy/policy_internal.h"

static void CLO_PRINTF(3, 4) leave_open(struct work *w, const char *aspect, const char *format, ...)
{
    struct clo_appraisal *appraisal = w->appraisal;
    va_list args;

    if (appraisal->open_count == APPRAISE_OPEN_MAX)
        return;
    struct appraise_open *open = &appraisal->open[appraisal->open_count++];
    open->aspect = aspect;
    va_start(args, format);
    vsnprintf(open->why, sizeof open->why, format, args);
    va_end(args);
}

/* A pin on the command line is as good as one in the policy. */
static bool expects(const struct work *w, const char *claim)
{
    for (size_t i = 0; i < w->inputs->expectation_count; i++)
        if (strcmp(w->inputs->expectations[i].name, claim) == 0)
            return true;
    return false;
}

static bool pins_snp_launch(const struct work *w)
{
    const struct clo_policy *policy = w->inputs->policy;

    return expects(w, "measurement") || expects(w, "id_key_digest") ||
           expects(w, "author_key_digest") || w->inputs->id_block.data != NULL ||
           (policy != NULL && policy_snp_pins_launch(&policy->snp));
}

/* n is CLO_TDX_RTMR_COUNT for MRTD. */
static bool pins_register(const struct work *w, unsigned n)
{
    static const char *const claims[] = { "rtmr0", "rtmr1", "rtmr2", "rtmr3", "mr_td" };
    const struct clo_policy *policy = w->inputs->policy;

    return (w->proven_rtmrs >> n & 1) != 0 || expects(w, claims[n]) ||
           (policy != NULL && policy_tdx_pins(&policy->tdx, n));
}

/* --- Which guest --- */

static void open_launch(struct work *w)
{
    if (w->is_verified && !pins_snp_launch(w))
        leave_open(w, "firmware",
                   "no launch measurement and no key of the owner's is named: anybody's firmware");
    if (w->is_tdx_verified && !pins_register(w, CLO_TDX_RTMR_COUNT))
        leave_open(w, "firmware", "no MRTD is named: anybody's firmware");
}

static void open_vtpm(struct work *w)
{
    const struct clo_policy *policy = w->inputs->policy;
    bool has_own_db = policy != NULL && policy->has_own_db;

    if (!w->is_verified && !w->is_tdx_verified)
        leave_open(w, "firmware", "no hardware report vouches for the TPM: it may be anybody's");
    if (w->is_verified && w->snp.report.vmpl != 0)
        leave_open(w, "firmware",
                   "VMPL %u asked for the report: what the paravisor runs did, and may pretend any "
                   "vTPM",
                   w->snp.report.vmpl);
    open_launch(w);
    if (!policy_pcrs_pin_firmware(w->pcrs_held))
        leave_open(w, "firmware", "PCR 0 was not held against a reference value");
    if (!policy_pcrs_pin_program(w->pcrs_held, has_own_db))
        leave_open(w, "program", "PCR 4 was not held against a reference value: any boot loader");
    if (!policy_pcrs_pin_command_line(w->pcrs_held))
        leave_open(w, "command line",
                   "PCR 12 was not held against a reference value: whatever the host adds");
}

static void open_bare_snp(struct work *w)
{
    const struct clo_policy *policy = w->inputs->policy;
    uint32_t covers = policy == NULL ? 0 : policy_snp_covers(&policy->snp);

    open_launch(w);
    if ((covers & CLO_COVERS_KERNEL) == 0 || (covers & CLO_COVERS_INITRD) == 0)
        leave_open(w, "program",
                   "nothing says that the launch measurement covers kernel and initrd "
                   "(\"measurement_covers\"): of stock firmware it does not, and any disk starts");
    if ((covers & CLO_COVERS_CMDLINE) == 0)
        leave_open(w, "command line",
                   "nothing says that the launch measurement covers the command line");
}

static void open_bare_tdx(struct work *w)
{
    bool has_loader = pins_register(w, 1);
    bool has_kernel = pins_register(w, 2);

    open_launch(w);
    if (!has_loader || !has_kernel)
        leave_open(w, "program", "nothing says what RTMR %s may be: any boot loader and kernel",
                   has_loader   ? "2"
                   : has_kernel ? "1"
                                : "1 and 2");
    if (!has_kernel)
        leave_open(w, "command line", "nothing says what RTMR 2 may be: any command line");
}

static void open_debug(struct work *w)
{
    bool snp = w->is_verified && (w->snp.report.policy & CLO_SNP_POLICY_DEBUG) != 0;
    bool tdx = w->is_tdx_verified &&
               (clo_tdx_attributes(&w->tdx.quote.body) & CLO_TDX_ATTRIBUTE_DEBUG) != 0;

    if (snp || tdx)
        leave_open(w, "debug", "the host may debug this guest: it reads and writes its memory");
}

/* --- What the policy's grace let pass --- */

static long long days(int64_t seconds)
{
    return (long long)((seconds + 86399) / 86400);
}

static void open_grace(struct work *w)
{
    const struct clo_policy *policy = w->inputs->policy;
    const struct clo_tdx_tcb *tcb = &w->tdx.tcb;
    int64_t until;

    if (policy == NULL)
        return;
    if (w->is_verified && w->snp.revocation_checked && w->inputs->at > w->snp.revocation_until)
        leave_open(w, "revocation", "grace: the next revocation list has been due for %lld days",
                   days(w->inputs->at - w->snp.revocation_until));
    if (!w->is_tdx_verified)
        return;
    if (tcb->stale_lists > 0)
        leave_open(w, "revocation", "grace: the next revocation list has been due for %lld days",
                   days(tcb->stale_lists));
    if (tcb->stale_documents > 0)
        leave_open(w, "collateral",
                   "grace: newer TCB info or QE identity has been due for %lld days",
                   days(tcb->stale_documents));
    if (policy_tdx_grace(policy, tcb, &until))
        leave_open(w, "TCB", "grace: the TCB is %s, accepted for %lld more days",
                   clo_tdx_status_name(tcb->status), days(until - tcb->at));
}

void appraise_open(struct work *w, bool has_tpm)
{
    open_grace(w);
    if (has_tpm)
        open_vtpm(w);
    else if (w->is_verified)
        open_bare_snp(w);
    else if (w->is_tdx_verified)
        open_bare_tdx(w);
    open_debug(w);
}
