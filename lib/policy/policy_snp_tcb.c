/* A report's TCBs against a policy's minimum. The host may set REPORTED_TCB back, and may go back to
 * COMMITTED_TCB: so "minimum_tcb" is held against all four, and each has a member of its own besides. */
#include <stdio.h>

#include "lib/policy/policy_internal.h"

/* Where the shortcomings are told, in one line. */
struct findings {
    char text[CLO_CHECK_DETAIL_MAX];
    size_t used;
    bool is_said; /* some minimum was held against something */
    json_t *list; /* the same for programs; NULL: not wanted */
};

/* Without memory the list is one shorter; the check has refused all the same. */
static void list_shortfall(struct findings *findings, const char *tcb, const char *component,
                           int has, int minimum)
{
    if (findings->list == NULL)
        return;
    json_array_append_new(findings->list,
                          json_pack("{s:s, s:s, s:o, s:i}", "tcb", tcb, "component", component,
                                    "svn", has < 0 ? json_null() : json_integer(has), "svn_needed",
                                    minimum));
}

static void CLO_PRINTF(2, 3) find(struct findings *findings, const char *format, ...)
{
    va_list args;
    size_t left = sizeof findings->text - findings->used;

    if (findings->used > 0 && left > 2) {
        findings->used += (size_t)snprintf(findings->text + findings->used, left, "; ");
        left = sizeof findings->text - findings->used;
    }
    va_start(args, format);
    int size = vsnprintf(findings->text + findings->used, left, format, args);
    va_end(args);
    findings->used += size < 0 || (size_t)size >= left ? left - 1 : (size_t)size;
}

static void compare(const char *name, const struct clo_snp_tcb *tcb, enum clo_snp_product product,
                    const struct clo_policy_tcb *policy, struct findings *out)
{
    struct clo_snp_tcb_parts parts = clo_snp_tcb_parts(tcb, product);

    if (!policy->is_said)
        return;
    out->is_said = true;
    if (policy->by_product && !policy->has[product]) {
        find(out, "the policy names no minimum %s for %s", name, clo_snp_product_name(product));
        return;
    }
    const struct clo_snp_tcb_parts *minimum =
            &policy->minimum[policy->by_product ? product : CLO_SNP_UNKNOWN];
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
    for (size_t i = 0; i < CLO_COUNT(pairs); i++) {
        if (pairs[i].has >= pairs[i].minimum)
            continue;
        list_shortfall(out, name, pairs[i].name, pairs[i].has, pairs[i].minimum);
        if (pairs[i].has < 0)
            find(out, "%s has no %s, the policy demands %d", name, pairs[i].name, pairs[i].minimum);
        else
            find(out, "%s has %s %d, the policy demands %d", name, pairs[i].name, pairs[i].has,
                 pairs[i].minimum);
    }
}

static void compare_all(const struct clo_policy_snp *policy,
                        const struct clo_snp_verified *verified, struct findings *out)
{
    const struct clo_snp_report *report = &verified->report;
    const struct {
        const char *name;
        const struct clo_snp_tcb *tcb;
        const struct clo_policy_tcb *own;
    } tcbs[] = {
        { "REPORTED_TCB", &report->reported_tcb, &policy->minimum_reported_tcb },
        { "COMMITTED_TCB", &report->committed_tcb, &policy->minimum_committed_tcb },
        { "CURRENT_TCB", &report->current_tcb, &policy->minimum_current_tcb },
        { "LAUNCH_TCB", &report->launch_tcb, &policy->minimum_launch_tcb },
    };

    for (size_t i = 0; i < CLO_COUNT(tcbs); i++) {
        compare(tcbs[i].name, tcbs[i].tcb, verified->product, &policy->minimum_tcb, out);
        compare(tcbs[i].name, tcbs[i].tcb, verified->product, tcbs[i].own, out);
    }
}

json_t *clo_policy_snp_behind(const struct clo_policy *policy,
                              const struct clo_snp_verified *verified)
{
    struct findings findings = { .list = json_array() };

    compare_all(&policy->snp, verified, &findings);
    if (json_array_size(findings.list) > 0)
        return findings.list;
    json_decref(findings.list);
    return NULL;
}

void policy_check_tcb(const struct clo_policy_snp *policy, const struct clo_snp_verified *verified,
                      struct clo_checks *checks)
{
    static const char id[] = "policy.tcb";
    struct findings findings = { .used = 0 };

    compare_all(policy, verified, &findings);
    if (findings.used > 0)
        clo_check_that(checks, id, false, "%s", findings.text);
    else if (findings.is_said)
        clo_check_that(checks, id, true, "every TCB reaches the minimum that the policy names");
    else
        clo_check_skip(checks, id, "the policy names no minimum");
}
