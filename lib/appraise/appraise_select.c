/* Which references the proven registers are held against, where several speak of the same ones: the image
 * that runs and its update, a db before and after a change.
 *
 * References of one origin that speak of a common register are alternatives. One of them is chosen as a
 * whole, the one with most registers as it says: an image's kernel next to another image's command line
 * is neither. Between origins the order of the caller counts, register by register. */
#include <string.h>

#include "appraise_internal.h"

struct candidate {
    const struct clo_reference *reference;
    uint32_t known; /* the registers it speaks of */
    unsigned matches;
};

static uint32_t registers_of(const struct work *w, struct candidate *candidate)
{
    const struct registers *proven = &w->proven;
    uint32_t known = 0;
    struct clo_digest expected;

    for (unsigned n = 0; n < proven->count; n++) {
        if (!clo_reference_value(candidate->reference, proven->hash, proven->first + n,
                                 proven->phase, &expected))
            continue;
        known |= 1U << n;
        candidate->matches +=
                (proven->mask >> n & 1) != 0 && clo_digest_equal(&expected, &proven->values[n]);
    }
    return known;
}

static bool are_alternatives(const struct candidate *a, const struct candidate *b)
{
    return (a->known & b->known) != 0 &&
           strcmp(clo_reference_origin(a->reference), clo_reference_origin(b->reference)) == 0;
}

void appraise_select(struct work *w)
{
    const struct clo_appraise_inputs *inputs = w->inputs;
    struct candidate candidates[APPRAISE_REFERENCES_MAX];
    size_t count = inputs->reference_count;

    w->reference_count = 0;
    for (size_t i = 0; i < count; i++) {
        candidates[i] = (struct candidate){ .reference = inputs->references[i] };
        candidates[i].known = registers_of(w, &candidates[i]);
    }
    for (size_t i = 0; i < count; i++) {
        bool is_chosen = true;
        /* Of two that are as good the first counts. */
        for (size_t k = 0; k < count && is_chosen; k++)
            is_chosen = k == i || !are_alternatives(&candidates[i], &candidates[k]) ||
                        candidates[k].matches < candidates[i].matches ||
                        (candidates[k].matches == candidates[i].matches && k > i);
        if (is_chosen)
            w->references[w->reference_count++] = candidates[i].reference;
    }
}
