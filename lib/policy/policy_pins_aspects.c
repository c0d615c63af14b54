/* The aspects of one way to meet a policy: what pins each, or what an attacker may still change. */
#include <stdio.h>
#include <string.h>

#include "lib/policy/tee.h"

#define PCR(n) (1U << (n))

bool pins_has_tpm(const struct way *w)
{
    return w->kind == CLO_EVIDENCE_OF_VTPM;
}

bool pins_bounds_age(int64_t maximum)
{
    return maximum > 0 && maximum <= 400 * PINS_DAY;
}

bool pins_grace_for_lists(struct way *w)
{
    int64_t grace = w->policy->grace.crl;

    if (grace > 0)
        pins_say(w, CLO_ASPECT_REVOCATION, CLO_PIN_PARTLY,
                 "grace: a list counts for %lld days after its next update was due, and what was "
                 "revoked in them passes",
                 (long long)(grace / PINS_DAY));
    return grace > 0;
}

/* --- Which guest --- */

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

/* What reaches the guest besides program and command line; the image itself refuses what nobody measures. */
static void host_inputs_by_pcrs(struct way *w)
{
    static const struct {
        uint32_t pcr;
        const char *what;
    } inputs[] = {
        { 13, "PCR 13 (extensions next to the UKI)" },
        { 5, "PCR 5 (the partition table)" },
        { 9, "PCR 9 (initrds that the boot loader adds)" },
        { 1, "PCR 1 (boot order and settings)" },
    };
    char missing[160] = "";

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
    else if (pins_has_tpm(w) && is_later && (w->pcrs & PCR(15)) != 0)
        pins_say(w, CLO_ASPECT_STATE, CLO_PIN_PINNED, "PCR 15 in phase \"%.100s\"",
                 w->policy->phase);
    else
        pins_say(w, CLO_ASPECT_STATE, CLO_PIN_OPEN,
                 "any disk that the same key opens, an older one too: register it ('key put "
                 "--disk')");
}

/* --- Who vouches for it --- */

static void evidence(struct way *w)
{
    const struct clo_policy *policy = w->policy;
    const char *doubt = w->tee->evidence_doubt == NULL ? NULL : w->tee->evidence_doubt(policy);

    if (doubt != NULL)
        pins_say(w, CLO_ASPECT_EVIDENCE, CLO_PIN_PARTLY, "%s", doubt);
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
    const char *doubt = w->tee->roots_doubt == NULL ? NULL : w->tee->roots_doubt(policy);

    if (policy->is_strict_builtin)
        pins_say(w, CLO_ASPECT_ROOTS, CLO_PIN_PARTLY,
                 "the caller's, or the makers' where he names none");
    else if (policy->root_count > 0)
        pins_say(w, CLO_ASPECT_ROOTS, CLO_PIN_PARTLY,
                 "%zu that are not the makers' own (a test root?): who holds their keys makes any "
                 "evidence",
                 policy->root_count);
    else if (doubt != NULL)
        pins_say(w, CLO_ASPECT_ROOTS, CLO_PIN_PARTLY, "%s", doubt);
    else
        pins_say(w, CLO_ASPECT_ROOTS, CLO_PIN_PINNED, "%s's", clo_tee_names(w->tee->tee)->maker);
}

/* --- What is the same of every platform --- */

static void instance(struct way *w)
{
    const char *what = w->tee->pinned_instance(w->policy);

    if (w->context->has_instance)
        pins_say(w, CLO_ASPECT_INSTANCE, CLO_PIN_PINNED,
                 "a second machine is refused while one holds the key");
    else if (what != NULL)
        pins_say(w, CLO_ASPECT_INSTANCE, CLO_PIN_PINNED, "%s", what);
    else
        pins_say(w, CLO_ASPECT_INSTANCE, CLO_PIN_OPEN,
                 "every machine that runs this image gets the key: see 'key put --second-holder'");
}

static void debug(struct way *w)
{
    if (w->tee->allows_debug(w->policy))
        pins_say(w, CLO_ASPECT_DEBUG, CLO_PIN_OPEN,
                 "allow_debug: the host reads and writes the guest's memory");
    else
        pins_say(w, CLO_ASPECT_DEBUG, CLO_PIN_PINNED, "a guest that may be debugged is refused");
}

void pins_look(struct way *w)
{
    w->tee->firmware(w);
    pins_host(w); /* of two that are as bad, what the image says of itself is told */
    if (pins_has_tpm(w)) {
        program_by_pcrs(w);
        host_inputs_by_pcrs(w);
    } else {
        w->tee->program(w);
    }
    state(w);
    instance(w);
    debug(w);
    evidence(w);
    roots(w);
    w->tee->makers_word(w);
}
