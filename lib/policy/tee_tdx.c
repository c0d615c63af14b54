/* TDX in a policy: what it pins of a TD's registers, and how far Intel's word reaches. */
#include "lib/policy/ccel_rules.h"
#include "lib/policy/tee.h"

bool policy_tdx_pins(const struct clo_policy_tdx *policy, unsigned n)
{
    if (n >= CLO_TDX_RTMR_COUNT)
        return policy_pins(&policy->mr_td);
    return policy_pins(&policy->rtmr[n]) ||
           (policy->ccel != NULL && clo_ccel_rules_has(policy->ccel, n) && !policy->rtmr[n].any);
}

/* --- For the linter --- */

/* What reference values prove, where the policy says nothing that goes before them. */
static void prove_registers(struct way *w)
{
    struct clo_digest ignored;

    for (size_t i = 0; i < w->reference_count; i++) {
        if (clo_reference_mr_td(w->references[i], 0, &ignored))
            w->proven_rtmrs |= CLO_POLICY_TDX_MRTD;
        for (unsigned n = 0; n < CLO_TDX_RTMR_COUNT; n++)
            if (clo_reference_value(w->references[i], CLO_HASH_SHA384, CLO_REGISTER_RTMR(n), "",
                                    &ignored))
                w->proven_rtmrs |= 1U << n;
    }
}

static bool has_references(const struct way *w)
{
    struct way probe = *w;

    prove_registers(&probe);
    return probe.proven_rtmrs != 0;
}

static bool can_meet(struct way *w)
{
    const struct clo_policy_tdx *tdx = &w->policy->tdx;

    prove_registers(w);
    if (w->kind == CLO_EVIDENCE_OF_VTPM)
        return (policy_says(&tdx->mr_td) ||
                pins_cannot(w, "it names no MRTD (\"tdx\": {\"mr_td\": […]})")) &&
               pins_can_meet_pcrs(w);
    if (w->reference_count > 0 && w->proven_rtmrs == 0)
        return pins_cannot(w, "reference values are given, and none is of a TD's registers");
    if (!policy_says(&tdx->mr_td) && (w->proven_rtmrs & CLO_POLICY_TDX_MRTD) == 0)
        return pins_cannot(w, "it names no MRTD, and neither does a reference value");
    for (unsigned n = 0; n < 3; n++)
        if (!policy_says(&tdx->rtmr[n]) && (w->proven_rtmrs >> n & 1) == 0 &&
            (tdx->ccel == NULL || !clo_ccel_rules_has(tdx->ccel, n)))
            return pins_cannot(w, "neither it nor a reference value says what RTMR %u may be", n);
    return true;
}

/* Where the policy says "any", that goes before a reference value. */
static bool pins_register(const struct way *w, unsigned n)
{
    const struct clo_policy_tdx *tdx = &w->policy->tdx;
    const struct clo_policy_values *set = n < CLO_TDX_RTMR_COUNT ? &tdx->rtmr[n] : &tdx->mr_td;

    return policy_tdx_pins(tdx, n) || (!policy_says(set) && (w->proven_rtmrs >> n & 1) != 0);
}

static void firmware(struct way *w)
{
    if (pins_register(w, CLO_TDX_RTMR_COUNT))
        pins_say(w, CLO_ASPECT_FIRMWARE, CLO_PIN_PINNED, "MRTD%s",
                 pins_has_tpm(w) ? ", and PCR 0" : "");
    else
        pins_say(w, CLO_ASPECT_FIRMWARE, CLO_PIN_OPEN,
                 "any MRTD will do: anybody's firmware on a genuine machine, which then measures "
                 "what it likes");
}

static bool takes_any_event(const struct way *w, unsigned n)
{
    const struct clo_policy_tdx *tdx = &w->policy->tdx;

    return !policy_pins(&tdx->rtmr[n]) && (w->proven_rtmrs >> n & 1) == 0 && tdx->ccel != NULL &&
           clo_ccel_rules_takes_any(tdx->ccel, n);
}

static void what_starts(struct way *w)
{
    bool pinned = pins_register(w, 1) && pins_register(w, 2);

    if (!pinned)
        pins_say(w, CLO_ASPECT_PROGRAM, CLO_PIN_OPEN,
                 "any RTMR %s will do: another boot loader or kernel under the same firmware",
                 pins_register(w, 1) ? "2" : "1");
    else if (takes_any_event(w, 1) || takes_any_event(w, 2))
        pins_say(
                w, CLO_ASPECT_PROGRAM, CLO_PIN_PARTLY,
                "rules for the event log, one of which takes any digest: something else could have "
                "been measured in that event's place");
    else
        pins_say(w, CLO_ASPECT_PROGRAM, CLO_PIN_PINNED, "RTMR 1 and 2");
    if (!pins_register(w, 2))
        pins_say(w, CLO_ASPECT_COMMAND_LINE, CLO_PIN_OPEN,
                 "any RTMR 2 will do: the host writes the command line");
    else if (takes_any_event(w, 2))
        pins_say(w, CLO_ASPECT_COMMAND_LINE, CLO_PIN_PARTLY,
                 "rules for RTMR 2, one of which takes any digest");
    else
        pins_say(w, CLO_ASPECT_COMMAND_LINE, CLO_PIN_PINNED, "RTMR 2");
}

static void program(struct way *w)
{
    what_starts(w);
    if (pins_register(w, 0) && pins_register(w, 1) && pins_register(w, 2))
        pins_say(w, CLO_ASPECT_HOST_INPUTS, CLO_PIN_PINNED,
                 "RTMR 0 (ACPI tables, variables), 1 and 2");
    else if (pins_register(w, 0))
        pins_say(w, CLO_ASPECT_HOST_INPUTS, CLO_PIN_PARTLY,
                 "RTMR 0 (ACPI tables, variables); what the boot adds shows in RTMR 1 and 2");
    else
        pins_say(w, CLO_ASPECT_HOST_INPUTS, CLO_PIN_OPEN,
                 "any RTMR 0 will do: ACPI tables, boot order, Secure Boot's variables");
}

static void tcb(struct way *w)
{
    static const uint32_t sound = 1U << CLO_TDX_UP_TO_DATE | 1U << CLO_TDX_SW_HARDENING_NEEDED |
                                  1U << CLO_TDX_CONFIGURATION_NEEDED |
                                  1U << CLO_TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED;
    const struct clo_policy_tdx *tdx = &w->policy->tdx;
    int64_t grace = w->policy->grace.out_of_date;

    if ((tdx->tcb_status & ~sound) != 0 && tdx->tcb_date == 0)
        pins_say(w, CLO_ASPECT_TCB, CLO_PIN_OPEN,
                 "a TCB that Intel calls out of date is accepted (tcb_status)");
    else if ((tdx->tcb_status & ~sound) != 0)
        pins_say(w, CLO_ASPECT_TCB, CLO_PIN_PARTLY,
                 "tcb_date; a TCB that Intel calls out of date is accepted (tcb_status)");
    else if (grace > 0)
        pins_say(w, CLO_ASPECT_TCB, CLO_PIN_PARTLY,
                 "grace: a TCB that Intel calls out of date is accepted for %lld days after the "
                 "date of its level",
                 (long long)(grace / PINS_DAY));
    else if (tdx->tcb_date != 0 && tdx->minimum_evaluation_number == 0)
        pins_say(w, CLO_ASPECT_TCB, CLO_PIN_PARTLY,
                 "tcb_date; no minimum_evaluation_number: what an older evaluation of Intel's says "
                 "of that level counts");
    else if (tdx->minimum_evaluation_number == 0)
        pins_say(w, CLO_ASPECT_TCB, CLO_PIN_OPEN,
                 "no minimum_evaluation_number: TCB info of an older evaluation, which Intel signs "
                 "anew, calls an outdated platform up to date");
    else if ((tdx->tcb_status & ~(1U << CLO_TDX_UP_TO_DATE)) != 0)
        pins_say(w, CLO_ASPECT_TCB, CLO_PIN_PARTLY,
                 "minimum_evaluation_number; platforms that need configuration or hardening are "
                 "accepted");
    else
        pins_say(w, CLO_ASPECT_TCB, CLO_PIN_PINNED, "UpToDate, and minimum_evaluation_number");
}

/* A release always answers a nonce; what can be old is what the makers have signed. */
static void freshness(struct way *w)
{
    const struct clo_policy_ages *ages = &w->policy->maximum_age;
    bool crl = pins_bounds_age(ages->crl);
    bool collateral = pins_bounds_age(ages->collateral);

    if (w->policy->grace.collateral > 0)
        pins_say(w, CLO_ASPECT_FRESHNESS, CLO_PIN_PARTLY,
                 "grace: TCB info and QE identity count for %lld days after their next update was "
                 "due",
                 (long long)(w->policy->grace.collateral / PINS_DAY));
    else if (crl && collateral)
        pins_say(w, CLO_ASPECT_FRESHNESS, CLO_PIN_PINNED,
                 "a nonce for each release; lists up to %lld, collateral up to %lld days old",
                 (long long)(ages->crl / PINS_DAY), (long long)(ages->collateral / PINS_DAY));
    else
        pins_say(w, CLO_ASPECT_FRESHNESS, crl || collateral ? CLO_PIN_PARTLY : CLO_PIN_OPEN,
                 "no maximum_age of %s: the party that brings them picks the oldest that has not "
                 "run out",
                 crl           ? "collateral"
                 : !collateral ? "lists and collateral"
                               : "revocation lists");
}

static void makers_word(struct way *w)
{
    if (w->policy->tdx.allow_migratable)
        pins_say(w, CLO_ASPECT_MIGRATION, CLO_PIN_OPEN,
                 "allow_migratable: another guest of the host's moves this one, with its memory");
    else
        pins_say(w, CLO_ASPECT_MIGRATION, CLO_PIN_PINNED,
                 "a guest that may be migrated is refused");
    tcb(w);
    if (!pins_grace_for_lists(w))
        pins_say(w, CLO_ASPECT_REVOCATION, CLO_PIN_PINNED, "Intel's lists, always demanded");
    freshness(w);
}

static bool allows_debug(const struct clo_policy *policy)
{
    return policy->tdx.allow_debug;
}

static const char *pinned_instance(const struct clo_policy *policy)
{
    return policy_pins(&policy->tdx.ppid) ? "the platform (PPID)" : NULL;
}

static void free_rules(struct clo_policy *policy)
{
    clo_ccel_rules_free(policy->tdx.ccel);
}

const struct policy_tee policy_tee_tdx = {
    .tee = CLO_TEE_TDX,
    .init = policy_init_tdx,
    .strict = policy_strict_tdx,
    .read = policy_read_tdx,
    .free = free_rules,
    .can_meet = can_meet,
    .has_references = has_references,
    .firmware = firmware,
    .program = program,
    .makers_word = makers_word,
    .allows_debug = allows_debug,
    .pinned_instance = pinned_instance,
};
