/* What a policy holds fast. The appraisal asks these same questions of the evidence before it, so that what
 * the linter says of a policy and what becomes of evidence cannot drift apart. */
#include <stdio.h>
#include <string.h>

#include "lib/policy/tee.h"

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

/* --- The linter: which ways there are --- */

const char *clo_aspect_name(enum clo_aspect aspect)
{
    static const char *const names[] = {
        [CLO_ASPECT_FIRMWARE] = "firmware",
        [CLO_ASPECT_PROGRAM] = "program",
        [CLO_ASPECT_COMMAND_LINE] = "command line",
        [CLO_ASPECT_DEBUG] = "debug",
        [CLO_ASPECT_EVIDENCE] = "kind of evidence",
        [CLO_ASPECT_ROOTS] = "roots",
        [CLO_ASPECT_HOST_INPUTS] = "host inputs",
        [CLO_ASPECT_MIGRATION] = "migration",
        [CLO_ASPECT_TCB] = "TCB floor",
        [CLO_ASPECT_REVOCATION] = "revocation",
        [CLO_ASPECT_FRESHNESS] = "freshness",
        [CLO_ASPECT_STATE] = "state",
        [CLO_ASPECT_INSTANCE] = "instance",
    };

    return names[aspect];
}

enum clo_pin_weight clo_aspect_weight(enum clo_aspect aspect)
{
    if (aspect <= CLO_ASPECT_DEBUG)
        return CLO_PIN_MUST;
    return aspect < CLO_ASPECT_STATE ? CLO_PIN_SHOULD : CLO_PIN_MAY;
}

const char *clo_pin_status_name(enum clo_pin_status status)
{
    static const char *const names[] = { "not applicable", "pinned", "partly", "open" };

    return names[status];
}

size_t clo_pins_open(const struct clo_pins *pins, enum clo_pin_weight weight)
{
    size_t count = 0;

    for (unsigned i = 0; i < CLO_ASPECT_COUNT; i++)
        count += clo_aspect_weight((enum clo_aspect)i) <= weight &&
                 pins->items[i].status == CLO_PIN_OPEN;
    return count;
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

static void try_way(const struct way *as, enum clo_evidence_kind kind, enum clo_hash bank,
                    size_t *met)
{
    struct way w = *as;
    char unmet[200];

    w.kind = kind;
    w.bank = bank;
    if ((clo_policy_evidence(w.policy) >> kind & 1) == 0 || !w.tee->can_meet(&w))
        return;
    if (pins_host_unmet(&w, unmet, sizeof unmet) != NULL) {
        pins_cannot(&w, "%s", unmet);
        return;
    }
    (*met)++;
    pins_look(&w);
}

/* What reference values are given, if any, tells which way was meant, and whose reason is told. */
static bool means_bare(const struct way *w)
{
    return w->reference_count == 0 || (w->tee->has_references != NULL && w->tee->has_references(w));
}

static void try_platform(const struct way *w, size_t *met)
{
    static const enum clo_hash banks[] = { CLO_HASH_SHA256, CLO_HASH_SHA384 };
    bool is_bare_first = means_bare(w);

    if (is_bare_first)
        try_way(w, CLO_EVIDENCE_OF_BARE, CLO_HASH_NONE, met);
    for (size_t i = 0; i < CLO_COUNT(banks); i++)
        try_way(w, CLO_EVIDENCE_OF_VTPM, banks[i], met);
    if (!is_bare_first)
        try_way(w, CLO_EVIDENCE_OF_BARE, CLO_HASH_NONE, met);
}

/* Sample evidence: nothing is held fast, whatever else the policy says. */
static void look_at_sample(struct way *w, size_t *met)
{
    for (unsigned i = 0; i < CLO_ASPECT_COUNT; i++)
        pins_say(w, (enum clo_aspect)i, CLO_PIN_OPEN, "sample evidence: nobody signed it");
    (*met)++;
}

void clo_policy_pins(const struct clo_policy *policy, const struct clo_reference *const *references,
                     size_t reference_count, const struct clo_pins_context *context,
                     struct clo_pins *out)
{
    static const struct clo_pins_context nothing = { 0 };
    struct way way = { .policy = policy,
                       .references = references,
                       .reference_count = reference_count,
                       .context = context == NULL ? &nothing : context,
                       .out = out };
    size_t met = 0;

    memset(out, 0, sizeof *out);
    for (size_t i = 0; policy_tees[i] != NULL; i++) {
        way.tee = policy_tees[i];
        if (clo_policy_allows(policy, way.tee->tee))
            try_platform(&way, &met);
    }
    if (clo_policy_allows(policy, CLO_TEE_SAMPLE))
        look_at_sample(&way, &met);
    if (met > 0)
        out->unmet[0] = '\0';
    else if (out->unmet[0] == '\0')
        snprintf(out->unmet, sizeof out->unmet,
                 "it accepts no kind of evidence that is read today");
}
