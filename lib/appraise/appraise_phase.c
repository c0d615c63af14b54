/* The phase of the boot that registers are held against. One that no reference value knows is a slip of the
 * pen, and must not pass as a phase in which there is less to look at. */
#include <string.h>

#include "lib/appraise/tee.h"

#define WORD_MAX 127

/* How many letters one word is from another (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1];
    size_t columns = strlen(b);

    if (columns > WORD_MAX)
        return SIZE_MAX;
    for (size_t k = 0; k <= columns; k++)
        row[k] = k;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t before = row[0];
        row[0] = i + 1;
        for (size_t k = 0; k < columns; k++) {
            size_t best = before + (a[i] != b[k]);
            before = row[k + 1];
            if (row[k] + 1 < best)
                best = row[k] + 1;
            if (before + 1 < best)
                best = before + 1;
            row[k + 1] = best;
        }
    }
    return row[columns];
}

/* The phase itself if a reference knows it, else the one that looks most like it; NULL: there are none. */
static const char *nearest(const struct work *w)
{
    const char *best = NULL;
    size_t least = SIZE_MAX;

    for (size_t i = 0; i < w->inputs->reference_count; i++) {
        const char *phase;
        for (size_t k = 0; (phase = clo_reference_phase_at(w->inputs->references[i], k)) != NULL;
             k++) {
            size_t far = distance(phase, w->phase);
            if (best == NULL || far < least) {
                best = phase;
                least = far;
            }
        }
    }
    return best;
}

void appraise_phase(struct work *w)
{
    static const char id[] = "policy.phase";
    bool is_default = strcmp(w->phase, CLO_PHASE_ENTER_INITRD) == 0;
    const char *known = nearest(w);

    if (!w->tee->has_tpm) {
        if (!is_default)
            clo_check_that(w->checks, id, false,
                           "phase \"%s\" is a TPM's, and nothing in the evidence binds one",
                           w->phase);
        return;
    }
    if (known == NULL && (is_default || w->inputs->reference_count == 0))
        return; /* no register depends on it */
    if (known == NULL)
        clo_check_that(w->checks, id, false, "phase \"%s\": the reference values know no phases",
                       w->phase);
    else if (strcmp(known, w->phase) == 0)
        clo_check_that(w->checks, id, true, "phase \"%s\" is one that the reference values know",
                       w->phase);
    else
        clo_check_that(w->checks, id, false,
                       "phase \"%s\" is not one that the reference values know: did you mean "
                       "\"%s\"?",
                       w->phase, known);
}
