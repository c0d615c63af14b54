#include "cloister/missing.h"

#include "lib/appraise/tee.h"

bool clo_appraise_missing(const struct clo_evidence *evidence,
                          const struct clo_appraise_inputs *inputs, struct clo_requests *out,
                          struct clo_error *err)
{
    *out = (struct clo_requests){ 0 };
    for (size_t i = 0; tees[i] != NULL; i++) {
        if (tees[i]->label == NULL || !clo_evidence_has(evidence, tees[i]->label))
            continue;
        if (tees[i]->missing(evidence, inputs, out, err))
            return true;
        clo_requests_free(out);
        return false;
    }
    return true;
}
