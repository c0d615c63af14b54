/* A TD's registers against reference values, and its event log against the policy's rules. */
#include "cloister/explain.h"

#include <stdio.h>

#include "lib/appraise/tee_tdx.h"
#include "lib/policy/ccel_rules.h"
#include "lib/policy/policy.h"

/* --- Reference values --- */

/* Where the policy itself says what a register may be, a reference value is not needed. */
static bool policy_decides(const struct work *w, const struct clo_policy_values *set, unsigned n)
{
    const struct clo_policy *policy = w->inputs->policy;

    if (policy == NULL || policy->is_strict_builtin)
        return false;
    return set->any || set->count > 0 ||
           (n < CLO_TDX_RTMR_COUNT && policy->tdx.ccel != NULL &&
            clo_ccel_rules_has(policy->tdx.ccel, n));
}

static bool check_mr_td(struct work *w, const struct clo_tdx_verified *td)
{
    static const char id[] = "mr_td";
    const struct clo_appraise_inputs *inputs = w->inputs;
    struct clo_digest expected;
    size_t known = 0;

    for (size_t i = 0; i < w->reference_count; i++)
        for (size_t k = 0; clo_reference_mr_td(w->references[i], k, &expected); k++, known++)
            if (clo_bytes_equal(clo_digest_bytes(&expected), td->quote.body.mr_td)) {
                w->proven_rtmrs |= CLO_POLICY_TDX_MRTD;
                clo_check_that(w->checks, id, true, "MRTD: as in \"%s\" (%s)",
                               clo_reference_name(w->references[i]),
                               clo_reference_origin(w->references[i]));
                return true;
            }
    if (known == 0)
        return false;
    if (inputs->policy != NULL && policy_decides(w, &inputs->policy->tdx.mr_td, UINT32_MAX))
        clo_check_skip(w->checks, id, "MRTD: differs from its reference value; the policy decides");
    else
        clo_check_that(w->checks, id, false,
                       "MRTD: differs from its reference value (usually: another firmware)");
    return true;
}

static void check_difference(struct work *w, const char *id, unsigned n,
                             const struct clo_reference *reference, const struct clo_digest *actual)
{
    const struct clo_explain_inputs explain = {
        .reference = reference,
        .log = w->log,
        .hash = CLO_HASH_SHA384,
        .pcr = CLO_REGISTER_RTMR(n),
        .phase = "",
        .actual = actual,
    };
    struct clo_explanation explanation;
    struct clo_error ignored;

    if (w->explains && clo_explain(&explain, &explanation, &ignored))
        clo_check_that(w->checks, id, false, "%s", explanation.text);
    else
        clo_check_that(w->checks, id, false, "RTMR %u: differs from its reference value", n);
}

static bool check_register(struct work *w, const struct clo_tdx_verified *td, unsigned n)
{
    const struct clo_appraise_inputs *inputs = w->inputs;
    struct clo_bytes value = td->quote.body.rtmr[n];
    struct clo_digest actual = { .hash = CLO_HASH_SHA384 };
    struct clo_digest expected;
    char id[] = "rtmr.0";

    id[5] = (char)('0' + n);
    const struct clo_reference *reference =
            clo_reference_for(w->references, w->reference_count, CLO_HASH_SHA384,
                              CLO_REGISTER_RTMR(n), "", &expected);
    if (reference == NULL)
        return false;
    for (size_t i = 0; i < value.size; i++)
        actual.bytes[i] = value.data[i];
    if (clo_digest_equal(&actual, &expected)) {
        w->proven_rtmrs |= 1U << n;
        clo_check_that(w->checks, id, true, "RTMR %u: as in \"%s\" (%s)", n,
                       clo_reference_name(reference), clo_reference_origin(reference));
    } else if (inputs->policy != NULL && policy_decides(w, &inputs->policy->tdx.rtmr[n], n)) {
        clo_check_skip(w->checks, id,
                       "RTMR %u: differs from its reference value; the policy decides", n);
    } else {
        check_difference(w, id, n, reference, &actual);
    }
    return true;
}

static void check_references(struct work *w, const struct clo_tdx_verified *td)
{
    bool is_known = check_mr_td(w, td);

    for (unsigned n = 0; n < CLO_TDX_RTMR_COUNT; n++) {
        if (check_register(w, td, n))
            is_known = true;
        else if (w->inputs->policy == NULL)
            appraise_warn(w, "RTMR %u: no reference value", n);
    }
    if (!is_known)
        clo_check_that(w->checks, "rtmr", false, "no reference value for any register of a TD");
    w->appraised = true;
}

/* --- Rules of the policy --- */

static void check_rules(struct work *w, const struct clo_tdx_verified *td,
                        const struct clo_pcr_bank *bank, unsigned n)
{
    const struct clo_ccel_rules *rules = w->inputs->policy->tdx.ccel;
    struct clo_bytes value = td->quote.body.rtmr[n];
    char id[] = "policy.ccel.rtmr0";
    struct clo_error err;

    id[16] = (char)('0' + n);
    if (!clo_ccel_rules_has(rules, n))
        return; /* policy.rtmrN denies it, unless it is said elsewhere what it may be */
    if (!clo_bytes_equal(clo_digest_bytes(&bank->values[n + 1]), value)) {
        clo_check_that(w->checks, id, false, "the event log does not lead to RTMR %u", n);
        return;
    }
    bool holds = clo_ccel_rules_allow(rules, w->log, n, &err);
    clo_check_that(w->checks, id, holds, "RTMR %u: %s", n,
                   holds ? "every event is one that the policy allows" : err.text);
    if (holds)
        w->proven_rtmrs |= 1U << n;
}

static void check_log(struct work *w, const struct clo_tdx_verified *td)
{
    struct clo_pcr_bank bank;
    struct clo_error err;

    if (w->log == NULL || !clo_eventlog_replay(w->log, CLO_HASH_SHA384, &bank, &err)) {
        clo_check_that(w->checks, "policy.ccel", false,
                       "the policy has rules for the event log, and there is none");
        return;
    }
    for (unsigned n = 0; n < CLO_TDX_RTMR_COUNT; n++)
        check_rules(w, td, &bank, n);
}

void tee_tdx_check_registers(struct work *w, const struct clo_tdx_verified *td)
{
    const struct clo_policy *policy = w->inputs->policy;

    if (td == NULL) {
        if (w->inputs->reference_count > 0)
            clo_check_skip(w->checks, "rtmr", "there are no proven registers");
        return;
    }
    if (w->inputs->reference_count > 0)
        check_references(w, td);
    if (policy != NULL && policy->tdx.ccel != NULL)
        check_log(w, td);
}
