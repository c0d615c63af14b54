/* What a policy holds fast. The appraisal asks these same questions of the evidence before it, so that what
 * the linter says of a policy and what becomes of evidence cannot drift apart. */
#include <stdio.h>
#include <string.h>

#include "lib/policy/tee.h"

#define PCR(n) (1U << (n))

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
