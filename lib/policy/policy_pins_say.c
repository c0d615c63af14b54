/* What each kind of evidence is looked at with: PCRs that it can be held to, and what is said of an aspect. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/policy/policy_pins_internal.h"

#define PCR(n) (1U << (n))

bool policy_pcrs_pin_firmware(uint32_t pcrs)
{
    return (pcrs & PCR(0)) != 0;
}

/* PCR 11 is extended by the program itself, and any other may do the same: 4 says who ran, or 7, where
 * nobody but the owner can have signed what ran. */
bool policy_pcrs_pin_program(uint32_t pcrs, bool has_own_db)
{
    static const uint32_t signed_by_owner = PCR(7) | PCR(11);

    return (pcrs & PCR(4)) != 0 || (has_own_db && (pcrs & signed_by_owner) == signed_by_owner);
}

bool policy_pcrs_pin_command_line(uint32_t pcrs)
{
    return (pcrs & PCR(12)) != 0;
}

void pins_say(struct way *w, enum clo_aspect aspect, enum clo_pin_status status, const char *format,
              ...)
{
    struct clo_pin *pin = &w->out->items[aspect];
    va_list args;

    if (status <= pin->status)
        return;
    pin->status = status;
    va_start(args, format);
    vsnprintf(pin->text, sizeof pin->text, format, args);
    va_end(args);
    clo_sanitize(pin->text);
}

static uint32_t speaks_of(const struct way *w, size_t i)
{
    return (clo_reference_mask(w->references[i], w->bank, w->policy->phase) |
            clo_reference_phased(w->references[i], w->bank)) &
           ~PCR(CLO_IMA_PCR);
}

/* Of references that are alternatives the evidence chooses one: a register is held for certain where each of
 * them speaks of it. */
static uint32_t held_for_certain(const struct way *w)
{
    uint32_t held = 0;

    for (size_t i = 0; i < w->reference_count; i++) {
        uint32_t mine = speaks_of(w, i);
        for (size_t k = 0; k < w->reference_count; k++) {
            uint32_t theirs = speaks_of(w, k);
            if ((speaks_of(w, i) & theirs) != 0 &&
                strcmp(clo_reference_origin(w->references[i]),
                       clo_reference_origin(w->references[k])) == 0)
                mine &= theirs;
        }
        held |= mine;
    }
    return held;
}

static uint32_t known_pcrs(const struct way *w)
{
    uint32_t known = 0;

    for (size_t i = 0; i < w->reference_count; i++)
        known |= clo_reference_mask(w->references[i], w->bank, w->policy->phase);
    return known;
}

bool CLO_PRINTF(2, 3) pins_cannot(struct way *w, const char *format, ...)
{
    va_list args;

    if (w->out->unmet[0] != '\0')
        return false;
    va_start(args, format);
    vsnprintf(w->out->unmet, sizeof w->out->unmet, format, args);
    va_end(args);
    return false;
}

/* As appraise_pcrs() asks: every PCR that is wanted has a reference value, and the list is a sound one. */
bool pins_can_meet_pcrs(struct way *w)
{
    const struct clo_policy *policy = w->policy;
    uint32_t known = known_pcrs(w);

    w->pcrs = policy->has_pcrs ? policy->pcrs : held_for_certain(w);
    if (policy->is_strict_builtin) {
        w->pcrs &= known;
        return true;
    }
    if (known == 0)
        return pins_cannot(
                w, "PCRs are a TPM's, and no reference value is given for any in phase \"%s\"",
                policy->phase);
    for (unsigned pcr = 0; pcr < CLO_PCR_COUNT; pcr++)
        if ((w->pcrs & PCR(pcr)) != 0 && (known & PCR(pcr)) == 0)
            return pins_cannot(
                    w,
                    "PCR %u is demanded, and no reference value is given for it in phase "
                    "\"%s\"",
                    pcr, policy->phase);
    return (policy_pcrs_pin_firmware(w->pcrs) && policy_pcrs_pin_command_line(w->pcrs) &&
            policy_pcrs_pin_program(w->pcrs, policy->has_own_db)) ||
           pins_cannot(
                   w, "the PCRs demanded lack 0 (firmware), 12 (command lines) or 4 (the program)");
}
