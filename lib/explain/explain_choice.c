/* What to hold a log against, where there are several references and banks. */
#include "cloister/explain.h"

const struct clo_reference *clo_explain_reference(const struct clo_reference *const *references,
                                                  size_t count, enum clo_hash hash, unsigned reg,
                                                  const char *phase)
{
    struct clo_digest ignored;

    for (size_t i = 0; i < count; i++)
        if (clo_reference_value(references[i], hash, reg, phase, &ignored) ||
            clo_reference_lists_events(references[i], reg))
            return references[i];
    return NULL;
}

static bool speaks_of(const struct clo_reference *const *references, size_t count,
                      enum clo_hash hash, const char *phase)
{
    struct clo_digest ignored;

    for (unsigned reg = 0; reg < CLO_REGISTER_RTMR(CLO_RTMR_COUNT); reg++)
        if (clo_reference_for(references, count, hash, reg, phase, &ignored) != NULL)
            return true;
    return false;
}

enum clo_hash clo_explain_bank(const struct clo_eventlog *log,
                               const struct clo_reference *const *references, size_t count,
                               const char *phase)
{
    enum clo_hash best = CLO_HASH_NONE;

    for (size_t i = 0; i < clo_eventlog_algorithm_count(log); i++) {
        enum clo_hash hash = clo_eventlog_algorithm(log, i);
        if ((best == CLO_HASH_NONE || best == CLO_HASH_SHA1) && hash != CLO_HASH_NONE &&
            speaks_of(references, count, hash, phase))
            best = hash;
    }
    return best == CLO_HASH_NONE ? clo_eventlog_best_bank(log) : best;
}
