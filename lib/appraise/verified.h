/* An appraisal in two stages, for those who hold one piece of evidence against many terms: signatures, binding and logs
 * are verified once, and what they prove is then held against each policy with its reference values, which takes
 * microseconds and no signature. clo_appraise() is both stages in one. */
#ifndef CLOISTER_LIB_APPRAISE_VERIFIED_H
#define CLOISTER_LIB_APPRAISE_VERIFIED_H

#include "cloister/appraise.h"

/* Opaque; made only by clo_evidence_verify(). It may be appraised by several threads at once. */
struct clo_verified_evidence;

/* Of `inputs` the policy says which roots and which grace count. Evidence, and all that `inputs` borrow, must outlive what
 * is made of it. True also for evidence that is not authentic: the checks of each appraisal say so. */
CLO_MUST_USE bool clo_evidence_verify(const struct clo_evidence *evidence,
                                      const struct clo_appraise_inputs *inputs,
                                      struct clo_verified_evidence **out, struct clo_error *err);
void clo_verified_evidence_free(struct clo_verified_evidence *verified);
void clo_verified_evidence_freep(struct clo_verified_evidence **verified);
/* As clo_appraisal_is_authentic() of every appraisal that is made of it. */
bool clo_verified_evidence_is_authentic(const struct clo_verified_evidence *verified);

struct clo_appraise_terms {
    const struct clo_policy *policy;
    const struct clo_reference *const *references;
    size_t reference_count;
    /* Also which event differs, and what the appraisal was made from. The verdict is the same without, and cheaper. */
    bool explains;
};

/* Would evidence be verified alike for both? */
bool clo_policies_trust_alike(const struct clo_policy *a, const struct clo_policy *b);
/* CLO_ERR_USAGE where the policy does not trust what the evidence was verified by. */
CLO_MUST_USE bool clo_appraise_verified(const struct clo_verified_evidence *verified,
                                        const struct clo_appraise_terms *terms,
                                        struct clo_appraisal **out, struct clo_error *err);

#endif
