/* The aspects of one way to meet a policy: what pins each, or what an attacker may still change. */
#include <stdio.h>
#include <string.h>

#include "lib/policy/ccel_rules.h"
#include "lib/policy/policy_pins_internal.h"

#define PCR(n) (1U << (n))
#define DAY    86400
#define YEARLY (400 * DAY) /* makers' lists are good for a year: a longer maximum bounds nothing */

static bool has_tpm(const struct way *w)
{
    return w->kind == CLO_EVIDENCE_OF_VTPM;
}

/* --- Which guest --- */

/* Where the policy says "any", that goes before a reference value. */
static bool pins_register(const struct way *w, unsigned n)
{
    const struct clo_policy_tdx *tdx = &w->policy->tdx;
    const struct clo_policy_values *set = n < CLO_TDX_RTMR_COUNT ? &tdx->rtmr[n] : &tdx->mr_td;

    return policy_tdx_pins(tdx, n) || (!policy_says(set) && (w->proven_rtmrs >> n & 1) != 0);
}

static void firmware(struct way *w)
{
    const struct clo_policy_snp *snp = &w->policy->snp;
    const char *vouched = has_tpm(w) ? ", and PCR 0" : "";

    if (w->is_tdx && pins_register(w, CLO_TDX_RTMR_COUNT))
        pins_say(w, CLO_ASPECT_FIRMWARE, CLO_PIN_PINNED, "MRTD%s", vouched);
    else if (w->is_tdx)
        pins_say(w, CLO_ASPECT_FIRMWARE, CLO_PIN_OPEN,
                 "any MRTD will do: anybody's firmware on a genuine machine, which then measures "
                 "what "
                 "it likes");
    else if (!policy_snp_pins_launch(snp))
        pins_say(w, CLO_ASPECT_FIRMWARE, CLO_PIN_OPEN,
                 "any launch measurement will do: anybody's firmware on a genuine machine%s",
                 has_tpm(w) ? ", which pretends a vTPM with every PCR as wanted" : "");
    else if (policy_pins(&snp->measurement))
        pins_say(w, CLO_ASPECT_FIRMWARE, CLO_PIN_PINNED, "the launch measurement%s", vouched);
    else
        pins_say(w, CLO_ASPECT_FIRMWARE, CLO_PIN_PINNED, "what the owner's key has signed%s",
                 vouched);
}

static void program_by_pcrs(struct way *w)
{
    if ((w->pcrs & PCR(4)) != 0)
        pins_say(w, CLO_ASPECT_PROGRAM, CLO_PIN_PINNED, "PCR 4%s",
                 (w->pcrs & PCR(11)) != 0 ? ", and PCR 11" : "");
    else if (policy_pcrs_pin_program(w->pcrs, w->policy->has_own_db))
        pins_say(w, CLO_ASPECT_PROGRAM, CLO_PIN_PINNED,
                 "PCR 7 with a db of the owner's keys alone, and PCR 11");
    else
        pins_say(w, CLO_ASPECT_PROGRAM, CLO_PIN_OPEN,
                 "PCR 4 is not demanded: another boot loader runs, and extends PCR 11 as this one "
                 "does");
    if (policy_pcrs_pin_command_line(w->pcrs))
        pins_say(w, CLO_ASPECT_COMMAND_LINE, CLO_PIN_PINNED, "PCR 12 for what the host adds%s",
                 (w->pcrs & PCR(11)) != 0 ? ", PCR 11 for the image's own" : "");
    else
        pins_say(w, CLO_ASPECT_COMMAND_LINE, CLO_PIN_OPEN,
                 "PCR 12 is not demanded: the host adds to the command line, init=/bin/sh for one");
}

/* What an owner's key says of it. */
#define SIGNED                                                                                    \
    "a launch digest that the owner's key has signed, which covers %s (\"measurement_covers\"): " \
    "any of those that it has ever signed"

static void program_by_launch(struct way *w)
{
    const struct clo_policy_snp *snp = &w->policy->snp;
    /* A key holds for all that it has ever signed, unless the measurement says which of it. */
    bool by_key = policy_snp_pins_launch(snp) && !policy_pins(&snp->measurement);
    uint32_t covers = policy_snp_covers(snp);
    bool kernel = (covers & CLO_COVERS_KERNEL) != 0 && (covers & CLO_COVERS_INITRD) != 0;

    if (kernel && by_key)
        pins_say(w, CLO_ASPECT_PROGRAM, CLO_PIN_PARTLY, SIGNED, "kernel and initrd");
    else if (kernel)
        pins_say(w, CLO_ASPECT_PROGRAM, CLO_PIN_PINNED,
                 "the launch measurement, which covers kernel and initrd (\"measurement_covers\")");
    else
        pins_say(w, CLO_ASPECT_PROGRAM, CLO_PIN_OPEN,
                 "the launch %s of firmware alone, as far as the policy says: the same firmware "
                 "starts "
                 "any disk of the host's",
                 by_key ? "digest that the owner's key has signed is" : "measurement is");
    if ((covers & CLO_COVERS_CMDLINE) != 0 && by_key)
        pins_say(w, CLO_ASPECT_COMMAND_LINE, CLO_PIN_PARTLY, SIGNED, "it");
    else if ((covers & CLO_COVERS_CMDLINE) != 0)
        pins_say(w, CLO_ASPECT_COMMAND_LINE, CLO_PIN_PINNED,
                 "the launch measurement, which covers it (\"measurement_covers\")");
    else
        pins_say(w, CLO_ASPECT_COMMAND_LINE, CLO_PIN_OPEN,
                 "the launch digest does not cover it, as far as the policy says: the host "
                 "writes it");
}

static bool takes_any_event(const struct way *w, unsigned n)
{
    const struct clo_policy_tdx *tdx = &w->policy->tdx;

    return !policy_pins(&tdx->rtmr[n]) && (w->proven_rtmrs >> n & 1) == 0 && tdx->ccel != NULL &&
           clo_ccel_rules_takes_any(tdx->ccel, n);
}

static void program_by_registers(struct way *w)
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

/* What reaches the guest besides program and command line; the image itself refuses what nobody measures. */
static void host_inputs(struct way *w)
{
    static const struct {
        uint32_t pcr;
        const char *what;
    } inputs[] = {
        { 13, "PCR 13 (extensions beside the UKI)" },
        { 5, "PCR 5 (the partition table)" },
        { 9, "PCR 9 (initrds that the boot loader adds)" },
        { 1, "PCR 1 (boot order and settings)" },
    };
    char missing[160] = "";

    if (w->is_tdx && !has_tpm(w)) {
        if (pins_register(w, 0) && pins_register(w, 1) && pins_register(w, 2))
            pins_say(w, CLO_ASPECT_HOST_INPUTS, CLO_PIN_PINNED,
                     "RTMR 0 (ACPI tables, variables), 1 and 2");
        else if (pins_register(w, 0))
            pins_say(w, CLO_ASPECT_HOST_INPUTS, CLO_PIN_PARTLY,
                     "RTMR 0 (ACPI tables, variables); what the boot adds shows in RTMR 1 and 2");
        else
            pins_say(w, CLO_ASPECT_HOST_INPUTS, CLO_PIN_OPEN,
                     "any RTMR 0 will do: ACPI tables, boot order, Secure Boot's variables");
        return;
    }
    if (!has_tpm(w)) {
        pins_say(w, CLO_ASPECT_HOST_INPUTS, CLO_PIN_PARTLY,
                 "after the launch nothing is measured: disk, ACPI tables and devices are the "
                 "host's, as "
                 "far as the image does not refuse them");
        return;
    }
    for (size_t i = 0; i < CLO_COUNT(inputs); i++)
        if ((w->pcrs & PCR(inputs[i].pcr)) == 0)
            snprintf(missing + strlen(missing), sizeof missing - strlen(missing), "%s%s",
                     missing[0] == '\0' ? "" : ", ", inputs[i].what);
    if (!policy_pcrs_pin_command_line(w->pcrs))
        pins_say(w, CLO_ASPECT_HOST_INPUTS, CLO_PIN_OPEN,
                 "PCR 12 and 13 are not demanded: add-ons, credentials and extensions of the "
                 "host's");
    else if (missing[0] != '\0')
        pins_say(w, CLO_ASPECT_HOST_INPUTS, CLO_PIN_PARTLY, "PCR 12; not demanded: %s", missing);
    else
        pins_say(w, CLO_ASPECT_HOST_INPUTS, CLO_PIN_PINNED,
                 "PCRs 1, 5, 9, 12 and 13; what nobody measures the image itself refuses");
}

static void state(struct way *w)
{
    bool is_later = strcmp(w->policy->phase, CLO_PHASE_ENTER_INITRD) != 0;

    if (w->context->has_disk)
        pins_say(w, CLO_ASPECT_STATE, CLO_PIN_PINNED,
                 "the key is released with what its disk must be (--disk)");
    else if (has_tpm(w) && is_later && (w->pcrs & PCR(15)) != 0)
        pins_say(w, CLO_ASPECT_STATE, CLO_PIN_PINNED, "PCR 15 in phase \"%.100s\"",
                 w->policy->phase);
    else
        pins_say(w, CLO_ASPECT_STATE, CLO_PIN_OPEN,
                 "any disk that the same key opens, an older one too: register it ('key put "
                 "--disk')");
}

static void instance(struct way *w)
{
    const struct clo_policy *policy = w->policy;

    if (w->context->has_instance)
        pins_say(w, CLO_ASPECT_INSTANCE, CLO_PIN_PINNED,
                 "a second machine is refused while one holds the key");
    else if (w->is_tdx ? policy_pins(&policy->tdx.ppid)
                       : policy_pins(&policy->snp.chip_id) || policy_pins(&policy->snp.report_id))
        pins_say(w, CLO_ASPECT_INSTANCE, CLO_PIN_PINNED, "%s",
                 w->is_tdx ? "the platform (PPID)" : "the chip, or the guest's REPORT_ID");
    else
        pins_say(w, CLO_ASPECT_INSTANCE, CLO_PIN_OPEN,
                 "every machine that runs this image gets the key: see 'key put --second-holder'");
}

/* --- What the host may do to it --- */

static void debug(struct way *w)
{
    bool allowed = w->is_tdx ? w->policy->tdx.allow_debug : w->policy->snp.allow_debug;

    if (allowed)
        pins_say(w, CLO_ASPECT_DEBUG, CLO_PIN_OPEN,
                 "allow_debug: the host reads and writes the guest's memory");
    else
        pins_say(w, CLO_ASPECT_DEBUG, CLO_PIN_PINNED, "a guest that may be debugged is refused");
}

static void migration(struct way *w)
{
    bool allowed = w->is_tdx ? w->policy->tdx.allow_migratable : w->policy->snp.allow_migration;

    if (allowed && !w->is_tdx && policy_pins(&w->policy->snp.report_id_ma))
        pins_say(w, CLO_ASPECT_MIGRATION, CLO_PIN_PARTLY,
                 "allow_migration, to the migration agent that report_id_ma names");
    else if (allowed)
        pins_say(w, CLO_ASPECT_MIGRATION, CLO_PIN_OPEN,
                 "%s: another guest of the host's moves this one, with its memory",
                 w->is_tdx ? "allow_migratable" : "allow_migration");
    else
        pins_say(w, CLO_ASPECT_MIGRATION, CLO_PIN_PINNED,
                 "a guest that may be migrated is refused");
}

/* --- Who vouches for it --- */

static void evidence(struct way *w)
{
    const struct clo_policy *policy = w->policy;

    if (!w->is_tdx && (policy->snp.vmpl & ~1U) != 0)
        pins_say(w, CLO_ASPECT_EVIDENCE, CLO_PIN_PARTLY,
                 "reports of other VMPLs than 0 are accepted: what asked for one may not be the "
                 "firmware that was measured");
    else if (policy->is_strict_builtin)
        pins_say(w, CLO_ASPECT_EVIDENCE, CLO_PIN_OPEN, "every kind is accepted");
    else
        pins_say(w, CLO_ASPECT_EVIDENCE, CLO_PIN_PINNED, "%s: %s", clo_evidence_kind_name(w->kind),
                 policy->has_evidence     ? "as \"evidence\" says"
                 : policy->has_pcrs       ? "since PCRs are demanded"
                 : w->reference_count > 0 ? "since there are reference values"
                                          : "since there are no reference values");
}

static void roots(struct way *w)
{
    const struct clo_policy *policy = w->policy;

    if (policy->is_strict_builtin)
        pins_say(w, CLO_ASPECT_ROOTS, CLO_PIN_PARTLY,
                 "the caller's, or the makers' where he names none");
    else if (policy->root_count > 0)
        pins_say(w, CLO_ASPECT_ROOTS, CLO_PIN_PARTLY,
                 "%zu that are not the makers' own (a test root?): who holds their keys makes any "
                 "evidence",
                 policy->root_count);
    else if (!w->is_tdx && (policy->snp.signing_keys >> CLO_SNP_VLEK & 1) != 0 &&
             policy->snp.any_provider)
        pins_say(w, CLO_ASPECT_ROOTS, CLO_PIN_PARTLY,
                 "AMD's, and every provider that holds a VLEK: name yours in csp_id");
    else
        pins_say(w, CLO_ASPECT_ROOTS, CLO_PIN_PINNED, "%s", w->is_tdx ? "Intel's" : "AMD's");
}

/* TEE's number is zero in the field; a minimum of zero demands nothing. */
static unsigned parts_demanded(const struct clo_snp_tcb_parts *minimum)
{
    return (minimum->bootloader > 0 ? 1U : 0U) + (minimum->snp > 0 ? 1U : 0U) +
           (minimum->microcode > 0 ? 1U : 0U);
}

/* Of the products that are named the least; the others are denied. */
static unsigned least_demanded(const struct clo_policy_tcb *tcb)
{
    unsigned least = 3;

    if (!tcb->is_said)
        return 0;
    if (!tcb->by_product)
        return parts_demanded(&tcb->minimum[CLO_SNP_UNKNOWN]);
    for (unsigned i = 0; i < CLO_SNP_PRODUCT_COUNT; i++)
        if (tcb->has[i] && parts_demanded(&tcb->minimum[i]) < least)
            least = parts_demanded(&tcb->minimum[i]);
    return least;
}

static void tcb_snp(struct way *w)
{
    const struct clo_policy_snp *snp = &w->policy->snp;
    unsigned demanded = least_demanded(&snp->minimum_tcb);

    if (demanded == 3)
        pins_say(w, CLO_ASPECT_TCB, CLO_PIN_PINNED, "minimum_tcb");
    else if (demanded > 0)
        pins_say(w, CLO_ASPECT_TCB, CLO_PIN_PARTLY,
                 "minimum_tcb has no number above zero for some of bootloader, snp and microcode");
    else if (snp->minimum_reported_tcb.is_said || snp->minimum_committed_tcb.is_said ||
             snp->minimum_current_tcb.is_said || snp->minimum_launch_tcb.is_said)
        pins_say(w, CLO_ASPECT_TCB, CLO_PIN_PARTLY,
                 "a minimum for some of the four TCBs: \"minimum_tcb\" is for all");
    else
        pins_say(
                w, CLO_ASPECT_TCB, CLO_PIN_OPEN,
                "no minimum_tcb: any firmware and microcode that AMD has ever signed, with what is "
                "known about it");
}

static void tcb_tdx(struct way *w)
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
                 (long long)(grace / DAY));
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

static void revocation(struct way *w)
{
    const struct clo_policy *policy = w->policy;

    bool is_demanded = w->is_tdx || policy->snp.require_revocation || policy->maximum_age.crl > 0;

    if (is_demanded && policy->grace.crl > 0)
        pins_say(w, CLO_ASPECT_REVOCATION, CLO_PIN_PARTLY,
                 "grace: a list counts for %lld days after its next update was due, and what was "
                 "revoked in them passes",
                 (long long)(policy->grace.crl / DAY));
    else if (w->is_tdx)
        pins_say(w, CLO_ASPECT_REVOCATION, CLO_PIN_PINNED, "Intel's lists, always demanded");
    else if (is_demanded)
        pins_say(w, CLO_ASPECT_REVOCATION, CLO_PIN_PINNED, "%s",
                 policy->snp.require_revocation ? "require_revocation" : "maximum_age of a list");
    else
        pins_say(w, CLO_ASPECT_REVOCATION, CLO_PIN_OPEN,
                 "no require_revocation: a chip whose key has leaked passes where no list is at "
                 "hand");
}

/* A release always answers a nonce; what can be old is what the makers have signed. */
static void freshness(struct way *w)
{
    const struct clo_policy_ages *ages = &w->policy->maximum_age;
    bool crl = ages->crl > 0 && ages->crl <= YEARLY;
    bool collateral = !w->is_tdx || (ages->collateral > 0 && ages->collateral <= YEARLY);

    if (w->is_tdx && w->policy->grace.collateral > 0)
        pins_say(w, CLO_ASPECT_FRESHNESS, CLO_PIN_PARTLY,
                 "grace: TCB info and QE identity count for %lld days after their next update was "
                 "due",
                 (long long)(w->policy->grace.collateral / DAY));
    else if (crl && collateral && w->is_tdx)
        pins_say(w, CLO_ASPECT_FRESHNESS, CLO_PIN_PINNED,
                 "a nonce for each release; lists up to %lld, collateral up to %lld days old",
                 (long long)(ages->crl / DAY), (long long)(ages->collateral / DAY));
    else if (crl && collateral)
        pins_say(w, CLO_ASPECT_FRESHNESS, CLO_PIN_PINNED,
                 "a nonce for each release; lists up to %lld days old",
                 (long long)(ages->crl / DAY));
    else
        pins_say(w, CLO_ASPECT_FRESHNESS,
                 crl || (w->is_tdx && collateral) ? CLO_PIN_PARTLY : CLO_PIN_OPEN,
                 "no maximum_age of %s: whoever brings them picks the oldest that has not run out",
                 crl                        ? "collateral"
                 : w->is_tdx && !collateral ? "lists and collateral"
                                            : "revocation lists");
}

void pins_look(struct way *w)
{
    firmware(w);
    if (has_tpm(w))
        program_by_pcrs(w);
    else if (w->is_tdx)
        program_by_registers(w);
    else
        program_by_launch(w);
    pins_host(w); /* of two that are as bad, what the image says of itself is told */
    host_inputs(w);
    state(w);
    instance(w);
    debug(w);
    migration(w);
    evidence(w);
    roots(w);
    if (w->is_tdx)
        tcb_tdx(w);
    else
        tcb_snp(w);
    revocation(w);
    freshness(w);
}
